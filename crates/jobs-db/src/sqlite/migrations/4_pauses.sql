-- What gets no jobs until somebody resumes it.
CREATE TABLE pauses (
    kind   TEXT NOT NULL,
    name   TEXT NOT NULL,
    since  INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
