-- Every time is in milliseconds since 1970-01-01T00:00:00Z, by the database's clock.
-- A doc is JSON of the type that is named beside it; the columns repeat what queries need of it. It is TEXT, not
-- JSONB: nothing looks inside it here, JSONB refuses U+0000 in a string, and parsing it again costs every write.
-- Names are compared by their bytes, whatever language the database was made for.

CREATE TABLE jobs (
    id          uuid               NOT NULL PRIMARY KEY,
    tenant      text COLLATE "C"   NOT NULL,
    region      text COLLATE "C"   NOT NULL,
    lane        text COLLATE "C"   NOT NULL,
    state       text COLLATE "C"   NOT NULL,
    band        smallint           NOT NULL,
    deadline_at bigint             NOT NULL,
    timer_at    bigint,
    version     bigint             NOT NULL CHECK (version > 0),
    doc         text               NOT NULL, -- Job
    -- A job that nothing will ever look after again has ended.
    CONSTRAINT a_job_that_has_not_ended_has_a_timer
        CHECK (timer_at IS NOT NULL OR state IN ('succeeded', 'dead', 'cancelled', 'expired'))
);

CREATE INDEX jobs_ready ON jobs (region, lane, band, deadline_at, id) WHERE state = 'queued';
CREATE INDEX jobs_sent ON jobs (region, lane) WHERE state = 'sent';
CREATE INDEX jobs_due ON jobs (timer_at, id) WHERE timer_at IS NOT NULL;
CREATE INDEX jobs_by_tenant ON jobs (tenant, id);
CREATE INDEX jobs_by_tenant_state ON jobs (tenant, state, id);
CREATE INDEX jobs_by_state ON jobs (state, id);

-- Labels and keys are the clients' own words, in which U+0000 is allowed; text refuses it, bytea does not.
CREATE TABLE labels (
    job   uuid  NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    key   bytea NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (job, key)
);

CREATE INDEX labels_by_value ON labels (key, value, job);

-- A table of its own, so that a key outlives nothing but its job and its lookup touches no job row.
CREATE TABLE idempotency_keys (
    tenant         text COLLATE "C" NOT NULL,
    key            bytea            NOT NULL,
    job            uuid             NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    payload_sha256 bytea            NOT NULL CHECK (length(payload_sha256) = 32),
    PRIMARY KEY (tenant, key)
);

CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);

CREATE TABLE history (
    job uuid   NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq bigint NOT NULL, -- from 1
    doc text   NOT NULL, -- HistoryEntry
    PRIMARY KEY (job, seq)
);

-- Written with every heartbeat: kept out of `jobs`, so that it touches no index. Half of each page stays free, so
-- that a new version of a row finds room beside the old one and its index is left alone.
CREATE TABLE progress (
    job uuid NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    doc text NOT NULL -- Progress
) WITH (fillfactor = 50);

CREATE TABLE workers (
    worker     text COLLATE "C" NOT NULL PRIMARY KEY,
    started_at bigint           NOT NULL, -- by the worker's own clock
    beat_at    bigint           NOT NULL,
    claims     text             NOT NULL, -- [ClaimId]
    doc        text             NOT NULL -- WorkerInfo
) WITH (fillfactor = 50);

CREATE TABLE partitions (
    log_id       text COLLATE "C" NOT NULL,
    partition    bigint           NOT NULL,
    next_offset  bigint           NOT NULL,
    observed_at  bigint, -- NULL until the first observation
    caught_up_at bigint           NOT NULL,
    restarted_at bigint           NOT NULL,
    PRIMARY KEY (log_id, partition)
) WITH (fillfactor = 50);

CREATE TABLE uploads (
    id         uuid             NOT NULL PRIMARY KEY,
    tenant     text COLLATE "C" NOT NULL,
    bucket     text             NOT NULL,
    key        text             NOT NULL,
    bytes      bigint           NOT NULL,
    created_at bigint           NOT NULL
);
