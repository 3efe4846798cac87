-- What lists are filtered by beside the state. Jobs from before this have none of it until they are written again, and jobs
-- that ended before never.
ALTER TABLE jobs ADD COLUMN operations TEXT; -- ',image.thumbnail,pano.tiles,'
ALTER TABLE jobs ADD COLUMN worker TEXT; -- who holds it, or held it last
ALTER TABLE jobs ADD COLUMN attempt INTEGER; -- the last of this generation
