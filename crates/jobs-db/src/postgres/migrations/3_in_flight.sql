-- How many jobs each tenant has at work, for limits.
CREATE INDEX jobs_in_flight ON jobs (region, lane, tenant) WHERE state IN ('sent', 'running');
