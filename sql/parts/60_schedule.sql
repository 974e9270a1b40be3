-- The jobs of pg_cron (F44).

CREATE TYPE cms.cms_schedule_result AS (
	job_name text, schedule text, command text, database_name text, role_name text, job_id bigint, state text);
COMMENT ON TYPE cms.cms_schedule_result IS 'Row of cms_schedule and cms_unschedule: a job of pg_cron.';
COMMENT ON COLUMN cms.cms_schedule_result.job_name IS 'Name of the job in cron.job; ends with the name of the database that it is for.';
COMMENT ON COLUMN cms.cms_schedule_result.schedule IS 'When it runs, as pg_cron writes it.';
COMMENT ON COLUMN cms.cms_schedule_result.command IS 'What it runs.';
COMMENT ON COLUMN cms.cms_schedule_result.database_name IS 'The database it runs in.';
COMMENT ON COLUMN cms.cms_schedule_result.role_name IS 'The role it runs as.';
COMMENT ON COLUMN cms.cms_schedule_result.job_id IS 'Number of the job in cron.job.';
COMMENT ON COLUMN cms.cms_schedule_result.state IS 'ADDED, CHANGED, UNCHANGED or REMOVED.';

-- With the rights of who calls: the jobs are pg_cron's, and cms_owner has no right to them.
CREATE FUNCTION cms.cms_schedule(
	role text DEFAULT 'coupon_jobs', sweep text DEFAULT '* * * * *', purge text DEFAULT '17 2 * * *',
	summary text DEFAULT '*/2 * * * *', keep_days int DEFAULT 14)
	RETURNS SETOF cms.cms_schedule_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 4
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_schedule';
COMMENT ON FUNCTION cms.cms_schedule(text, text, text, text, int) IS
'Lets pg_cron run the sweeps (every minute), the purge (every night), the refresh of the summaries
that reports read (every other minute) and the deletion of the jobs'' own history that is older than
keep_days, all of them as the role (F44). A schedule that is NULL or blank: no such job. Any number
of times: the jobs are then as the last call says. The role may log in and is a member of
cms_sweeper, no superuser. Only a superuser may name another role than its own.
Errors: 55000 pg_cron is not installed, not loaded, not created, or keeps its jobs in another
database (the hint has what to run there); 42704 no such role; 22023 a role that may not log in, may
not sweep or is a superuser, a schedule that pg_cron does not understand, keep_days not from 1 to
36500; 42501 another''s role.';

CREATE FUNCTION cms.cms_unschedule()
	RETURNS SETOF cms.cms_schedule_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 4
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_unschedule';
COMMENT ON FUNCTION cms.cms_unschedule() IS
'Ends the jobs that cms_schedule has made for this database, and answers which they were (F44).
Without pg_cron there is nothing to end, and a notice says so. A superuser ends those of all roles,
others their own. Call it before DROP EXTENSION cms, which leaves jobs of pg_cron alone.
Errors: 55000 pg_cron keeps its jobs in another database (the hint has what to run there).';
