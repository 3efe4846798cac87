-- Who signed in at a provider of identities, and what they may do.
ALTER TABLE sessions ADD COLUMN person TEXT; -- Person; NULL: it was begun with a key
