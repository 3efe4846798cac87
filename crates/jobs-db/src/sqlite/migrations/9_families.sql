-- Jobs that are split: their children, which are no jobs of their own in lists.
ALTER TABLE jobs ADD COLUMN parent BLOB; -- NULL: nobody's child
ALTER TABLE jobs ADD COLUMN parent_generation INTEGER;
CREATE INDEX jobs_by_parent ON jobs (parent, parent_generation, state, id) WHERE parent IS NOT NULL;
CREATE INDEX jobs_open_children ON jobs (parent) WHERE parent IS NOT NULL
    AND state NOT IN ('succeeded', 'dead', 'cancelled', 'expired');
