-- What people and their programs have changed, or tried to.
CREATE TABLE audit (
    id      BLOB    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    tenant  TEXT, -- NULL: it was about the fleet
    key     BLOB, -- NULL: it was no key
    action  TEXT    NOT NULL,
    subject TEXT,
    doc     TEXT    NOT NULL -- AuditEntry
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX audit_by_subject ON audit (subject, id);
CREATE INDEX audit_by_time ON audit (at);
