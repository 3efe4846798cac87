-- What gets no jobs until somebody resumes it. A dispatcher of the version before does not look here.
CREATE TABLE pauses (
    kind   text COLLATE "C" NOT NULL,
    name   text COLLATE "C" NOT NULL,
    since  bigint NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (kind, name)
);
