-- Jobs that come again and again.
CREATE TABLE schedules (
    tenant  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    next_at INTEGER, -- NULL while it does not tick
    version INTEGER NOT NULL CHECK (version > 0),
    doc     TEXT    NOT NULL, -- Schedule
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
