-- Attempts that came to nothing, written with what ended them: what is asked about retries is answered by them. Those from
-- before this are in the history only.
CREATE TABLE setbacks (
    at      INTEGER NOT NULL,
    job     BLOB    NOT NULL,
    tenant  TEXT    NOT NULL,
    region  TEXT    NOT NULL,
    worker  TEXT, -- NULL: none had it
    version TEXT, -- of the worker's program; NULL: not known
    attempt INTEGER NOT NULL,
    reason  TEXT    NOT NULL, -- as in the history
    code    TEXT, -- NULL: no worker said why
    failure TEXT, -- the fingerprint
    held_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX setbacks_by_time ON setbacks (at);
CREATE INDEX setbacks_by_tenant ON setbacks (tenant, at);
CREATE INDEX setbacks_of_job ON setbacks (job); -- they go with it

ALTER TABLE progress ADD COLUMN changed_at INTEGER; -- when the job last said something new; NULL: not known
