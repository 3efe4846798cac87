-- What a worker holds or held, the newest first; whose it is and how it stands without a look at the jobs.
CREATE INDEX jobs_by_worker ON jobs (worker, id, tenant, state) WHERE worker IS NOT NULL;
