-- What lists are filtered by beside the state. Jobs from before this have none of it until they are written again, and jobs
-- that ended before never. Not indexed: a list walks the index of its states and stops at its limit.
ALTER TABLE jobs ADD COLUMN operations text COLLATE "C"; -- ',image.thumbnail,pano.tiles,'
ALTER TABLE jobs ADD COLUMN worker text COLLATE "C"; -- who holds it, or held it last
ALTER TABLE jobs ADD COLUMN attempt bigint; -- the last of this generation
