-- What is to go because somebody asked; rows stay as the proof of when it was gone.
CREATE TABLE deletions (
    job     BLOB NOT NULL PRIMARY KEY, -- it may be gone
    tenant  TEXT NOT NULL,
    bulk    BLOB,
    look_at INTEGER, -- NULL once it is over
    gone_at INTEGER,
    doc     TEXT NOT NULL -- Deletion
) STRICT, WITHOUT ROWID;

CREATE INDEX deletions_due ON deletions (look_at, job) WHERE look_at IS NOT NULL;
CREATE INDEX deletions_by_tenant ON deletions (tenant, job);
CREATE INDEX deletions_by_bulk ON deletions (bulk, job) WHERE bulk IS NOT NULL;
CREATE INDEX deletions_over ON deletions (gone_at) WHERE gone_at IS NOT NULL;

-- Which upload a job names: an upload goes with the last of its jobs. Jobs from before this are not known to.
ALTER TABLE jobs ADD COLUMN upload BLOB;
CREATE INDEX jobs_by_upload ON jobs (upload) WHERE upload IS NOT NULL;
CREATE INDEX uploads_by_tenant ON uploads (tenant, id) WHERE retired_at IS NULL;
-- What a webhook was told of a job goes with the job.
CREATE INDEX deliveries_of_any_state ON deliveries (job) WHERE job IS NOT NULL;
