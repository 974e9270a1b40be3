-- What the procedures that run jobs call.

CREATE TYPE cms.cms_job_begin_result AS (job_id bigint, is_done boolean, succeeded bigint, refused bigint);
COMMENT ON TYPE cms.cms_job_begin_result IS 'Row of cms_job_begin.';
COMMENT ON COLUMN cms.cms_job_begin_result.job_id IS 'The job.';
COMMENT ON COLUMN cms.cms_job_begin_result.is_done IS 'Whether it was done before.';
COMMENT ON COLUMN cms.cms_job_begin_result.succeeded IS 'What has succeeded so far.';
COMMENT ON COLUMN cms.cms_job_begin_result.refused IS 'What its last run refused.';

CREATE FUNCTION cms.cms_job_begin(
	action text, offer_id bigint, job_key text, request_hash bytea, job_id bigint, org int)
	RETURNS cms.cms_job_begin_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_job_begin';
COMMENT ON FUNCTION cms.cms_job_begin(text, bigint, text, bytea, bigint, int) IS
'Part of the procedures that run jobs, and called by them only (42501): finds or makes a job, then
begins its run. Error MS013 when the key is of another request.';

CREATE FUNCTION cms.cms_job_note(job_id bigint, total bigint, is_done boolean, error text, org int)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_job_note';
COMMENT ON FUNCTION cms.cms_job_note(bigint, bigint, boolean, text, int) IS
'Part of the procedures that run jobs, and called by them only (42501): says in the job''s row how
much there is to do, that it is done, or what ended it.';

CREATE FUNCTION cms.cms_issue_all_step(
	job_id bigint, customer_ids text[], ignored int, batch int, service text, consumer_ref text, keep_refused boolean,
	at timestamptz, org int)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_issue_all_step';
COMMENT ON FUNCTION cms.cms_issue_all_step(bigint, text[], int, int, text, text, boolean, timestamptz, int) IS
'Part of cms_issue_all, and called by it only (42501): one batch. Answers how many customers it was;
0: there are no more.';

CREATE PROCEDURE cms.cms_issue_all(
	offer_id bigint, query text DEFAULT NULL, job_key text DEFAULT NULL,
	service text DEFAULT NULL, consumer_ref text DEFAULT NULL, batch int DEFAULT 100000,
	keep_refused boolean DEFAULT false,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL,
	INOUT job_id bigint DEFAULT NULL, INOUT issued bigint DEFAULT NULL, INOUT refused bigint DEFAULT NULL)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'cms_issue_all';
COMMENT ON PROCEDURE cms.cms_issue_all(bigint, text, text, text, text, int, boolean, timestamptz, int, bigint, bigint, bigint) IS
'Issues a coupon of an offer to each customer that a query yields, or to the offer''s audience, batch
customers at a time, each batch committed (F15). The query is one SELECT of one column of ids, run
with the caller''s rights. Every rule of cms_issue holds; refused customers are counted by reason in
cms.job, and kept in cms.job_refusal with keep_refused. A customer named twice gets one coupon.
Called again with the same job_key after an interruption it goes on; a job that is done does
nothing. Naming a service claims an unclaimed offer for it. Answers with the job, how many coupons
it has issued, and how many customers this run refused.
Errors: MS001 unknown offer, MS013 job_key of another request, 25001 inside a transaction block (use
cms_issue_many), 55006 the job is running, 22004 query NULL and no audience, 22023 arguments, 42804
a column that is no id.';

CREATE FUNCTION cms.cms_generate_all_step(job_id bigint, how_many bigint, batch int, org int)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_generate_all_step';
COMMENT ON FUNCTION cms.cms_generate_all_step(bigint, bigint, int, int) IS
'Part of cms_generate_all, and called by it only (42501): one batch. Answers how many codes it made;
0: there are how_many.';

CREATE PROCEDURE cms.cms_generate_all(
	offer_id bigint, how_many bigint, job_key text DEFAULT NULL, batch int DEFAULT 100000,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL,
	INOUT job_id bigint DEFAULT NULL, INOUT generated bigint DEFAULT NULL)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'cms_generate_all';
COMMENT ON PROCEDURE cms.cms_generate_all(bigint, bigint, text, int, timestamptz, int, bigint, bigint) IS
'Puts how_many new codes of a GENERATED offer into its stock, batch at a time, each batch committed
(F9): the long form of cms_generate_codes. Called again with the same job_key after an interruption
it makes what is missing; a job that is done does nothing. Answers with the job and how many codes
it has made.
Errors: as cms_generate_codes, of which MS005 comes before the first code is made; MS013 job_key of
another request, 25001 inside a transaction block (use cms_generate_codes), 55006 the job is
running, 22023 arguments.';
