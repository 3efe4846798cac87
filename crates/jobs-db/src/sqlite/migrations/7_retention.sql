-- Ended jobs whose attempts may have left something in the object store.
CREATE TABLE sweeps (
    job    BLOB    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    due_at INTEGER NOT NULL -- nobody adds to it any more
) STRICT, WITHOUT ROWID;

CREATE INDEX sweeps_by_time ON sweeps (due_at, job);

-- An idempotency key outlives its job: what was done is not done again because it was forgotten.
CREATE TABLE lasting_idempotency_keys (
    tenant         TEXT NOT NULL,
    key            TEXT NOT NULL,
    job            BLOB NOT NULL,
    payload_sha256 BLOB NOT NULL CHECK (length(payload_sha256) = 32),
    removed_at     INTEGER, -- when the job was removed; NULL while it is there
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

INSERT INTO lasting_idempotency_keys (tenant, key, job, payload_sha256)
    SELECT tenant, key, job, payload_sha256 FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE lasting_idempotency_keys RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);
CREATE INDEX idempotency_keys_removed ON idempotency_keys (removed_at) WHERE removed_at IS NOT NULL;

ALTER TABLE uploads ADD COLUMN used_at INTEGER; -- when a job last named it; NULL if none has
ALTER TABLE uploads ADD COLUMN retired_at INTEGER; -- since when nobody may name it: its object is being removed
-- What was begun before anybody looked may have been used.
UPDATE uploads SET used_at = created_at;
CREATE INDEX uploads_retired ON uploads (id) WHERE retired_at IS NOT NULL;
CREATE INDEX uploads_unused ON uploads (created_at) WHERE used_at IS NULL AND retired_at IS NULL;
CREATE INDEX uploads_used ON uploads (used_at) WHERE retired_at IS NULL;
