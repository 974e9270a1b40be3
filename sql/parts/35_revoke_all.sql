-- Revoking millions of coupons, batch by batch (F39).

CREATE FUNCTION cms.cms_revoke_all_step(
	job_id bigint, part int, of int, list text[], batch int, at timestamptz, org int)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_revoke_all_step';
COMMENT ON FUNCTION cms.cms_revoke_all_step(bigint, int, int, text[], int, timestamptz, int) IS
'Part of cms_revoke_all, and called by it only (42501): one batch.';

CREATE PROCEDURE cms.cms_revoke_all(
	offer_id bigint, scope text, customer_ids text[] DEFAULT NULL, codes text[] DEFAULT NULL,
	confirm boolean DEFAULT false, job_key text DEFAULT NULL, batch int DEFAULT 5000,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL,
	INOUT job_id bigint DEFAULT NULL, INOUT revoked_issued bigint DEFAULT NULL,
	INOUT revoked_unissued bigint DEFAULT NULL, INOUT left_redeemed bigint DEFAULT NULL)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'cms_revoke_all';
COMMENT ON PROCEDURE cms.cms_revoke_all(bigint, text, text[], text[], boolean, text, int, timestamptz, int, bigint, bigint, bigint, bigint) IS
'cms_revoke for any number of coupons, batch of them at a time (1 to 100000), each batch committed
(F39). Only coupons of the batch are locked, none is waited for but at the end, one at a time, and
counters are right at every commit. Meant are coupons that there were when the job began. With a
job_key the same call goes on after an interruption, and once it is done answers as before. How far
it is tells cms.job_status. Answers with the job, how many issued coupons and codes in stock it has
revoked in all its runs, and how many it left because all their uses are redeemed.
Errors: MS001 unknown offer, MS004 confirm is not true, MS013 the key is of another request, 25001
within a transaction block, 55006 another session runs the job, 22004 and 22023 arguments.';
