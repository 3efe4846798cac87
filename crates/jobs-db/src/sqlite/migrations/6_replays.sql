-- Dead letters that are to go back where they came from, or have gone.
CREATE TABLE replays (
    letter       INTEGER NOT NULL, -- its place among the dead letters
    kept_at      INTEGER NOT NULL, -- tells it from one of dead letters that were deleted
    requested_at INTEGER NOT NULL,
    ended_at     INTEGER, -- NULL until it has gone, or cannot
    failure      TEXT, -- why it cannot
    PRIMARY KEY (letter, kept_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX replays_open ON replays (requested_at) WHERE ended_at IS NULL;
