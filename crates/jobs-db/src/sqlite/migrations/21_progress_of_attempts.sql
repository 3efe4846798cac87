-- How far an attempt was when it ended, beside the line that tells of its end. Written by programs of this version on; one of
-- the version before leaves it out.
ALTER TABLE history ADD COLUMN progress text; -- Progress; NULL: the line ends no attempt, or nothing was heard of it
