-- Jobs that come again and again.
CREATE TABLE schedules (
    tenant  text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    next_at bigint, -- NULL while it does not tick
    version bigint           NOT NULL CHECK (version > 0),
    doc     text             NOT NULL, -- Schedule
    PRIMARY KEY (tenant, name)
);

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
