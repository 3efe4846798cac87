-- Who may use the API. No row holds a secret: a key and a session are found by what they say, and told by a hash.
CREATE TABLE api_keys (
    id            BLOB    NOT NULL PRIMARY KEY,
    tenant        TEXT, -- NULL: all tenants
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    last_used_at  INTEGER, -- NULL: never; written once a minute at most
    version       INTEGER NOT NULL CHECK (version > 0),
    doc           TEXT    NOT NULL -- ApiKey
) STRICT;

CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);

CREATE TABLE sessions (
    id_sha256     BLOB    NOT NULL PRIMARY KEY CHECK (length(id_sha256) = 32),
    key           BLOB, -- NULL: the key of the configuration
    secret_sha256 BLOB    NOT NULL CHECK (length(secret_sha256) = 32),
    tenant        TEXT,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_end ON sessions (expires_at);
