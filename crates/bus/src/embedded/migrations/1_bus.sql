-- One row: who this bus is.
CREATE TABLE bus_identity (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    log_id      TEXT    NOT NULL, -- another after the file was deleted and made anew
    control_seq INTEGER NOT NULL -- the last one given to a control record
) STRICT;

INSERT INTO bus_identity (id, log_id, control_seq) VALUES (1, lower(hex(randomblob(16))), 0);

CREATE TABLE bus_queues (
    queue       INTEGER NOT NULL PRIMARY KEY,
    topic       TEXT    NOT NULL UNIQUE,
    next_offset INTEGER NOT NULL
) STRICT;

-- Messages that nobody has acknowledged. Locks are not here: they die with the process.
CREATE TABLE bus_messages (
    queue      INTEGER NOT NULL REFERENCES bus_queues (queue),
    offset     INTEGER NOT NULL,
    job        BLOB    NOT NULL,
    deliveries INTEGER NOT NULL, -- how often it was handed out
    payload    BLOB    NOT NULL,
    PRIMARY KEY (queue, offset)
) STRICT;

CREATE TABLE bus_partitions (
    partition    INTEGER NOT NULL PRIMARY KEY,
    start_offset INTEGER NOT NULL, -- the first that is kept
    next_offset  INTEGER NOT NULL CHECK (start_offset <= next_offset)
) STRICT;

CREATE TABLE bus_events (
    partition INTEGER NOT NULL REFERENCES bus_partitions (partition),
    offset    INTEGER NOT NULL,
    payload   BLOB    NOT NULL,
    PRIMARY KEY (partition, offset)
) STRICT;

CREATE TABLE bus_control (
    region     TEXT    NOT NULL,
    job        BLOB    NOT NULL,
    seq        INTEGER NOT NULL, -- grows with every put, over all regions
    created_at INTEGER NOT NULL, -- of the last put, in seconds since 1970
    payload    BLOB    NOT NULL,
    PRIMARY KEY (region, job)
) STRICT;

CREATE UNIQUE INDEX bus_control_by_seq ON bus_control (region, seq);
CREATE INDEX bus_control_by_age ON bus_control (created_at);

CREATE TABLE bus_dead_letters (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    topic      TEXT    NOT NULL,
    partition  INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL, -- in seconds since 1970
    payload    BLOB    NOT NULL
) STRICT;
