-- Filters that somebody wants to look through again.
CREATE TABLE views (
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    doc    TEXT NOT NULL, -- View
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- When a job ended; NULL: it has not, or a program from before this migration wrote the end.
ALTER TABLE jobs ADD COLUMN ended_at INTEGER;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
