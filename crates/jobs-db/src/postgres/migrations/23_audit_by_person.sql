-- What people call the person who did it, for whoever looks for that. Entries from before are found by it no more than those of
-- keys.
ALTER TABLE audit ADD COLUMN person text;
