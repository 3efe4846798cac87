-- Whom a tenant has told of its jobs. Messages are signed with the secrets, so they are kept as they are.
CREATE TABLE webhooks (
    id      uuid             NOT NULL PRIMARY KEY,
    tenant  text COLLATE "C" NOT NULL,
    enabled boolean          NOT NULL,
    events  text             NOT NULL, -- ',job.dead,job.expired,'; empty: all
    secrets text             NOT NULL, -- [{key, until}], the newest first
    version bigint           NOT NULL CHECK (version > 0),
    doc     text             NOT NULL -- Webhook
);

CREATE INDEX webhooks_by_tenant ON webhooks (tenant, id);

-- What there is to tell. Rows come with the write that ends a job, so those of one job are in the order of what happened.
-- A webhook that is removed while a job ends may leave rows behind; they go with their time.
CREATE TABLE deliveries (
    seq         bigint  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          uuid    NOT NULL UNIQUE,
    webhook     uuid    NOT NULL,
    event       text    NOT NULL,
    job         uuid,
    job_version bigint,
    job_doc     text, -- Job, as it was then
    happened_at bigint  NOT NULL,
    due_at      bigint, -- NULL once it is over
    delivered   boolean NOT NULL DEFAULT FALSE,
    tries       bigint  NOT NULL DEFAULT 0,
    last        text -- Tried
);

CREATE INDEX deliveries_due ON deliveries (webhook, due_at, seq) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_of_job ON deliveries (job, webhook, seq) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_webhook ON deliveries (webhook, seq);
CREATE INDEX deliveries_by_time ON deliveries (happened_at);
