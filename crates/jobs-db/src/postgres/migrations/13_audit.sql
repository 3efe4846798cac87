-- What people and their programs have changed, or tried to.
CREATE TABLE audit (
    id      uuid             NOT NULL PRIMARY KEY,
    at      bigint           NOT NULL,
    tenant  text COLLATE "C", -- NULL: it was about the fleet
    key     uuid, -- NULL: it was no key
    action  text COLLATE "C" NOT NULL,
    subject text COLLATE "C",
    doc     text             NOT NULL -- AuditEntry
);

CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX audit_by_subject ON audit (subject, id);
CREATE INDEX audit_by_time ON audit (at);
