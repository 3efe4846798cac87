-- Who goes next is chosen between tenants: each has a line of its own in every band, and a query hops from line to line.
-- A program of the version before finds the same jobs without the index that goes, only slower.
CREATE INDEX jobs_queued ON jobs (region, lane, band, tenant, deadline_at, id) WHERE state = 'queued';
DROP INDEX jobs_ready;
