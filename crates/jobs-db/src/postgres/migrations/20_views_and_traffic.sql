-- Filters that somebody wants to look through again.
CREATE TABLE views (
    tenant text COLLATE "C" NOT NULL,
    name   text COLLATE "C" NOT NULL,
    doc    text             NOT NULL, -- View
    PRIMARY KEY (tenant, name)
);

-- When a job ended; NULL: it has not, or a program from before this migration wrote the end.
ALTER TABLE jobs ADD COLUMN ended_at bigint;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
