-- Which failed jobs failed alike. Jobs that failed before this are in no group until they fail again.
ALTER TABLE jobs ADD COLUMN failure text COLLATE "C"; -- the fingerprint; NULL while the job does not count as failed
ALTER TABLE jobs ADD COLUMN failed_at bigint;
CREATE INDEX jobs_failed ON jobs (tenant, failure, id, failed_at, region, state) WHERE failure IS NOT NULL;

-- What is done to all jobs that match.
CREATE TABLE bulks (
    id       uuid             NOT NULL PRIMARY KEY,
    tenant   text COLLATE "C" NOT NULL,
    ended_at bigint, -- NULL until it is over
    version  bigint           NOT NULL CHECK (version > 0),
    doc      text             NOT NULL -- Bulk
);

CREATE INDEX bulks_by_tenant ON bulks (tenant, id);
CREATE INDEX bulks_open ON bulks (id) WHERE ended_at IS NULL;
