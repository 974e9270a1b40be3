-- What the procedures that run jobs call.

CREATE TYPE cms.cms_job_begin_result AS (job_id bigint, is_done boolean);
COMMENT ON TYPE cms.cms_job_begin_result IS 'Row of cms_job_begin.';
COMMENT ON COLUMN cms.cms_job_begin_result.job_id IS 'The job.';
COMMENT ON COLUMN cms.cms_job_begin_result.is_done IS 'Whether it was done before.';

CREATE FUNCTION cms.cms_job_begin(
	action text, offer_id bigint, job_key text, request_hash bytea, job_id bigint, org int)
	RETURNS cms.cms_job_begin_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_job_begin';
COMMENT ON FUNCTION cms.cms_job_begin(text, bigint, text, bytea, bigint, int) IS
'Part of the procedures that run jobs, and called by them only (42501): finds or makes a job, then begins its run. Error MS013 when the key is of another request.';

CREATE FUNCTION cms.cms_job_note(job_id bigint, total bigint, is_done boolean, error text, org int)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_job_note';
COMMENT ON FUNCTION cms.cms_job_note(bigint, bigint, boolean, text, int) IS
'Part of the procedures that run jobs, and called by them only (42501): says in the job''s row how much there is to do, that it is done, or what ended it.';
