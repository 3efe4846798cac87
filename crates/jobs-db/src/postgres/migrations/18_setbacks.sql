-- Attempts that came to nothing, written with what ended them: what is asked about retries is answered by them. Those from
-- before this are in the history only.
CREATE TABLE setbacks (
    at      bigint           NOT NULL,
    job     uuid             NOT NULL,
    tenant  text COLLATE "C" NOT NULL,
    region  text COLLATE "C" NOT NULL,
    worker  text COLLATE "C", -- NULL: none had it
    version text COLLATE "C", -- of the worker's program; NULL: not known
    attempt bigint           NOT NULL,
    reason  text COLLATE "C" NOT NULL, -- as in the history
    code    text COLLATE "C", -- NULL: no worker said why
    failure text COLLATE "C", -- the fingerprint
    held_ms bigint           NOT NULL
);

CREATE INDEX setbacks_by_time ON setbacks (at);
CREATE INDEX setbacks_by_tenant ON setbacks (tenant, at);
CREATE INDEX setbacks_of_job ON setbacks (job); -- they go with it

ALTER TABLE progress ADD COLUMN changed_at bigint; -- when the job last said something new; NULL: not known
