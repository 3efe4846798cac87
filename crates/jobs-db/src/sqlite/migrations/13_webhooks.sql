-- Whom a tenant has told of its jobs. Messages are signed with the secrets, so they are kept as they are.
CREATE TABLE webhooks (
    id      BLOB    NOT NULL PRIMARY KEY,
    tenant  TEXT    NOT NULL,
    enabled INTEGER NOT NULL,
    events  TEXT    NOT NULL, -- ',job.dead,job.expired,'; empty: all
    secrets TEXT    NOT NULL, -- [{key, until}], the newest first
    version INTEGER NOT NULL CHECK (version > 0),
    doc     TEXT    NOT NULL -- Webhook
) STRICT;

CREATE INDEX webhooks_by_tenant ON webhooks (tenant, id);

-- What there is to tell. Rows come with the write that ends a job, so those of one job are in the order of what happened.
CREATE TABLE deliveries (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id          BLOB    NOT NULL UNIQUE,
    webhook     BLOB    NOT NULL,
    event       TEXT    NOT NULL,
    job         BLOB,
    job_version INTEGER,
    job_doc     TEXT, -- Job, as it was then
    happened_at INTEGER NOT NULL,
    due_at      INTEGER, -- NULL once it is over
    delivered   INTEGER NOT NULL DEFAULT 0,
    tries       INTEGER NOT NULL DEFAULT 0,
    last        TEXT -- Tried
) STRICT;

CREATE INDEX deliveries_due ON deliveries (webhook, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_of_job ON deliveries (job, webhook, seq) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_webhook ON deliveries (webhook, seq);
CREATE INDEX deliveries_by_time ON deliveries (happened_at);
