-- A job changes its state a few times, and each time every index gets an entry: those that others can stand in for go.
-- Who wants all jobs of a tenant asks state by state; ended and queued jobs of all tenants are found by id.
CREATE INDEX jobs_at_work ON jobs (region, lane, state, tenant) WHERE state IN ('sent', 'running');
CREATE INDEX jobs_set_aside ON jobs (state, id)
    WHERE state IN ('waiting', 'blocked', 'closing', 'dead', 'cancelled', 'expired');
DROP INDEX jobs_sent;
DROP INDEX jobs_in_flight;
DROP INDEX jobs_by_tenant;
DROP INDEX jobs_by_state;
-- To hold each line of history against its job, the server locks the job's row again. Lines are only written with their
-- job's row, and whoever removes a job removes them too; a program of the version before leaves them behind.
ALTER TABLE history DROP CONSTRAINT history_job_fkey;
-- A fifth of a million jobs would have changed before anybody cleans up, and every turn steps over what is left.
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
