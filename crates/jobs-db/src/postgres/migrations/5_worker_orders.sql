-- What workers are told to do. A row stays when a worker may take jobs again: its revision must go on growing.
CREATE TABLE worker_orders (
    worker   text COLLATE "C" NOT NULL PRIMARY KEY,
    revision bigint           NOT NULL CHECK (revision > 0),
    draining boolean          NOT NULL,
    grace_ms bigint, -- how long what runs may go on; NULL for to its end
    since    bigint           NOT NULL,
    reason   text             NOT NULL
);
