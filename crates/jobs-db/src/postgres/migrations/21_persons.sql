-- Who signed in at a provider of identities, and what they may do. A program of the version before takes such a session for one
-- that is over.
ALTER TABLE sessions ADD COLUMN person text; -- Person; NULL: it was begun with a key
