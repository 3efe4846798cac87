-- Dead letters that are to go back where they came from, or have gone.
CREATE TABLE replays (
    letter       bigint NOT NULL, -- its place among the dead letters
    kept_at      bigint NOT NULL, -- tells it from one of dead letters that were deleted
    requested_at bigint NOT NULL,
    ended_at     bigint, -- NULL until it has gone, or cannot
    failure      text, -- why it cannot
    PRIMARY KEY (letter, kept_at)
);

CREATE INDEX replays_open ON replays (requested_at) WHERE ended_at IS NULL;
