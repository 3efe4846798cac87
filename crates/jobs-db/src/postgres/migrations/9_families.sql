-- Jobs that are split: their children, which are no jobs of their own in lists. A program of the version before does not
-- know what a blocked job is: stop it before the first job is split.
ALTER TABLE jobs ADD COLUMN parent uuid; -- NULL: nobody's child
ALTER TABLE jobs ADD COLUMN parent_generation bigint;
CREATE INDEX jobs_by_parent ON jobs (parent, parent_generation, state, id) WHERE parent IS NOT NULL;
CREATE INDEX jobs_open_children ON jobs (parent) WHERE parent IS NOT NULL
    AND state NOT IN ('succeeded', 'dead', 'cancelled', 'expired');
