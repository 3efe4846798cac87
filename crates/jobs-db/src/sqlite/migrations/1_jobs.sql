-- Every time is in milliseconds since 1970-01-01T00:00:00Z, by the database's clock.
-- A doc is JSON of the type that is named beside it; the columns repeat what queries need of it.

CREATE TABLE jobs (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant      TEXT    NOT NULL,
    region      TEXT    NOT NULL,
    lane        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    band        INTEGER NOT NULL,
    deadline_at INTEGER NOT NULL,
    timer_at    INTEGER,
    version     INTEGER NOT NULL CHECK (version > 0),
    doc         TEXT    NOT NULL, -- Job
    -- A job that nothing will ever look after again has ended.
    CONSTRAINT a_job_that_has_not_ended_has_a_timer
        CHECK (timer_at IS NOT NULL OR state IN ('succeeded', 'dead', 'cancelled', 'expired'))
) STRICT;

CREATE INDEX jobs_ready ON jobs (region, lane, band, deadline_at, id) WHERE state = 'queued';
CREATE INDEX jobs_sent ON jobs (region, lane) WHERE state = 'sent';
CREATE INDEX jobs_due ON jobs (timer_at, id) WHERE timer_at IS NOT NULL;
CREATE INDEX jobs_by_tenant ON jobs (tenant, id);
CREATE INDEX jobs_by_tenant_state ON jobs (tenant, state, id);
CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE labels (
    job   BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (job, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX labels_by_value ON labels (key, value, job);

-- A table of its own, so that a key outlives nothing but its job and its lookup touches no job row.
CREATE TABLE idempotency_keys (
    tenant         TEXT NOT NULL,
    key            TEXT NOT NULL,
    job            BLOB NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    payload_sha256 BLOB NOT NULL CHECK (length(payload_sha256) = 32),
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_job ON idempotency_keys (job);

CREATE TABLE history (
    job BLOB    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL, -- from 1
    doc TEXT    NOT NULL, -- HistoryEntry
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;

-- Written with every heartbeat: kept out of `jobs`, so that it touches no index.
CREATE TABLE progress (
    job BLOB NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    doc TEXT NOT NULL -- Progress
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    worker     TEXT    NOT NULL PRIMARY KEY,
    started_at INTEGER NOT NULL, -- by the worker's own clock
    beat_at    INTEGER NOT NULL,
    claims     TEXT    NOT NULL, -- [ClaimId]
    doc        TEXT    NOT NULL -- WorkerInfo
) STRICT;

CREATE TABLE partitions (
    log_id       TEXT    NOT NULL,
    partition    INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    observed_at  INTEGER, -- NULL until the first observation
    caught_up_at INTEGER NOT NULL,
    restarted_at INTEGER NOT NULL,
    PRIMARY KEY (log_id, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant     TEXT    NOT NULL,
    bucket     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
