-- Who may use the API. No row holds a secret: a key and a session are found by what they say, and told by a hash.
-- A program of the version before asks nobody who they are.
CREATE TABLE api_keys (
    id            uuid   NOT NULL PRIMARY KEY,
    tenant        text COLLATE "C", -- NULL: all tenants
    secret_sha256 bytea  NOT NULL CHECK (length(secret_sha256) = 32),
    last_used_at  bigint, -- NULL: never; written once a minute at most
    version       bigint NOT NULL CHECK (version > 0),
    doc           text   NOT NULL -- ApiKey
) WITH (fillfactor = 50);

CREATE INDEX api_keys_by_tenant ON api_keys (tenant, id);

CREATE TABLE sessions (
    id_sha256     bytea  NOT NULL PRIMARY KEY CHECK (length(id_sha256) = 32),
    key           uuid, -- NULL: the key of the configuration
    secret_sha256 bytea  NOT NULL CHECK (length(secret_sha256) = 32),
    tenant        text COLLATE "C",
    expires_at    bigint NOT NULL
);

CREATE INDEX sessions_by_end ON sessions (expires_at);
