-- What an upload is to be, and how it comes where it comes in parts.
ALTER TABLE uploads ADD COLUMN sha256 bytea CHECK (octet_length(sha256) = 32); -- of the whole; NULL if it was not announced
ALTER TABLE uploads ADD COLUMN store_upload text; -- what the store calls an upload in parts; NULL for one request
ALTER TABLE uploads ADD COLUMN part_bytes bigint CHECK ((part_bytes IS NULL) = (store_upload IS NULL));
