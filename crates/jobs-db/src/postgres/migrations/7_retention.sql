-- Ended jobs whose attempts may have left something in the object store.
CREATE TABLE sweeps (
    job    uuid   NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    due_at bigint NOT NULL -- nobody adds to it any more
);

CREATE INDEX sweeps_by_time ON sweeps (due_at, job);

-- An idempotency key outlives its job: what was done is not done again because it was forgotten.
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_job_fkey;
ALTER TABLE idempotency_keys ADD COLUMN removed_at bigint; -- when the job was removed; NULL while it is there
CREATE INDEX idempotency_keys_removed ON idempotency_keys (removed_at) WHERE removed_at IS NOT NULL;

ALTER TABLE uploads ADD COLUMN used_at bigint; -- when a job last named it; NULL if none has
ALTER TABLE uploads ADD COLUMN retired_at bigint; -- since when nobody may name it: its object is being removed
-- What was begun before anybody looked may have been used.
UPDATE uploads SET used_at = created_at;
CREATE INDEX uploads_retired ON uploads (id) WHERE retired_at IS NOT NULL;
CREATE INDEX uploads_unused ON uploads (created_at) WHERE used_at IS NULL AND retired_at IS NULL;
CREATE INDEX uploads_used ON uploads (used_at) WHERE retired_at IS NULL;
