-- What workers are told to do. A row stays when a worker may take jobs again: its revision must go on growing.
CREATE TABLE worker_orders (
    worker   TEXT    NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL CHECK (revision > 0),
    draining INTEGER NOT NULL CHECK (draining IN (0, 1)),
    grace_ms INTEGER, -- how long what runs may go on; NULL for to its end
    since    INTEGER NOT NULL,
    reason   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
