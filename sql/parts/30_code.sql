-- Codes: made, measured, uploaded (F9 to F13).

CREATE FUNCTION cms.cms_generate_codes(
	offer_id bigint, how_many bigint,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_generate_codes';
COMMENT ON FUNCTION cms.cms_generate_codes(bigint, bigint, timestamptz, int) IS
'Puts how_many new codes of a GENERATED offer into its stock, from which issuing serves itself first,
and returns how_many (F9). All or nothing.
Errors: MS001 unknown offer, MS005 more codes than the guess guard allows (naming the number
possible), MS007 another code method, 22023 how_many negative, archived offer.';

CREATE TYPE cms.cms_code_capacity_result AS (space numeric, used numeric, available numeric, guess_chance numeric);
COMMENT ON TYPE cms.cms_code_capacity_result IS 'Row of cms_code_capacity.';
COMMENT ON COLUMN cms.cms_code_capacity_result.space IS 'Different codes the offer''s pattern can make; NULL: uploaded codes have no pattern.';
COMMENT ON COLUMN cms.cms_code_capacity_result.used IS 'Codes of the offer that exist.';
COMMENT ON COLUMN cms.cms_code_capacity_result.available IS 'Codes that can still be made, the guess guard considered; NULL: no bound.';
COMMENT ON COLUMN cms.cms_code_capacity_result.guess_chance IS 'Chance that one guess that fits the pattern hits a code.';

CREATE FUNCTION cms.cms_code_capacity(offer_id bigint, org int DEFAULT NULL)
	RETURNS cms.cms_code_capacity_result
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_code_capacity';
COMMENT ON FUNCTION cms.cms_code_capacity(bigint, int) IS
'How many codes an offer can have, has, and can still make, and the chance that a guess hits one (F9,
F11). Error MS001 unknown offer.';

CREATE TYPE cms.cms_upload_result AS (
	line bigint, code text, customer_id text, loaded boolean, reason text, message text, coupon_id bigint);
COMMENT ON TYPE cms.cms_upload_result IS 'Row of cms_upload_codes: one per line.';
COMMENT ON COLUMN cms.cms_upload_result.line IS 'Place of the code in the array, from 1.';
COMMENT ON COLUMN cms.cms_upload_result.code IS 'The code as it is stored, or as it came if it could not be.';
COMMENT ON COLUMN cms.cms_upload_result.customer_id IS 'The customer it was to be issued to.';
COMMENT ON COLUMN cms.cms_upload_result.loaded IS 'Whether the line was loaded.';
COMMENT ON COLUMN cms.cms_upload_result.reason IS 'Why not; NULL: loaded.';
COMMENT ON COLUMN cms.cms_upload_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_upload_result.coupon_id IS 'The coupon that was made.';

CREATE FUNCTION cms.cms_upload_codes(
	offer_id bigint, codes text[], customer_ids text[] DEFAULT NULL,
	service text DEFAULT NULL, consumer_ref text DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_upload_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1000
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_upload_codes';
COMMENT ON FUNCTION cms.cms_upload_codes(bigint, text[], text[], text, text, timestamptz, int) IS
'Loads existing codes into an UPLOADED offer, a row per line (F12). customer_ids, where given, is as
long as codes; a line with a customer is an issue at the time "at", and every rule of issuing holds
for it; one without goes into stock. Good lines load, the others say why: CODE_EMPTY, CODE_INVALID,
CODE_TOO_LONG, CODE_REPEATED, CUSTOMER_INVALID, CODE_TAKEN, CODE_RESERVED, then the reasons of cms_issue.
Errors: MS001 unknown offer, MS007 another code method, 22004 codes NULL, 22023 arrays of different
length or more than one dimension.';

-- COPY comes in through a view, because the table filters rows by org and the server does not copy into such tables.
CREATE VIEW cms.code_upload WITH (security_barrier) AS
	SELECT l.org_id, l.line, l.offer_id, l.code, l.customer_id, l.reason, l.message, l.uploaded_by, l.uploaded_at
	FROM cms.code_upload_line l
	WHERE l.org_id OPERATOR(pg_catalog.=) ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.code_upload IS 'Where COPY brings code files in: COPY cms.code_upload (offer_id, code, customer_id) FROM ..., then CALL cms_load_codes(offer_id). Loaded lines disappear, bad ones stay with their reason until corrected (set reason to NULL) or deleted.';
COMMENT ON COLUMN cms.code_upload.org_id IS 'The org.';
COMMENT ON COLUMN cms.code_upload.line IS 'Order of arrival.';
COMMENT ON COLUMN cms.code_upload.offer_id IS 'The offer; NULL: whichever cms_load_codes is called for by the same role.';
COMMENT ON COLUMN cms.code_upload.code IS 'The code as it came.';
COMMENT ON COLUMN cms.code_upload.customer_id IS 'Customer to issue it to; NULL or blank: into stock.';
COMMENT ON COLUMN cms.code_upload.reason IS 'Why the line was not loaded; NULL: waits to be loaded.';
COMMENT ON COLUMN cms.code_upload.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.code_upload.uploaded_by IS 'Role that brought the line.';
COMMENT ON COLUMN cms.code_upload.uploaded_at IS 'The server''s time of its arrival.';

CREATE TYPE cms.cms_load_result AS (lines bigint, loaded bigint, rejected bigint);
COMMENT ON TYPE cms.cms_load_result IS 'Row of cms_load_codes_step.';
COMMENT ON COLUMN cms.cms_load_result.lines IS 'Lines read; 0: none is waiting.';
COMMENT ON COLUMN cms.cms_load_result.loaded IS 'Lines loaded and removed.';
COMMENT ON COLUMN cms.cms_load_result.rejected IS 'Lines that stay, with their reason.';

CREATE FUNCTION cms.cms_load_codes_step(
	offer_id bigint, batch int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_load_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_load_codes_step';
COMMENT ON FUNCTION cms.cms_load_codes_step(bigint, int, timestamptz, int) IS
'One batch of cms_load_codes, for callers that commit themselves: loads the next lines waiting in
cms.code_upload for the offer (F12).';

CREATE PROCEDURE cms.cms_load_codes(
	offer_id bigint, batch int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL,
	INOUT loaded bigint DEFAULT 0, INOUT rejected bigint DEFAULT 0)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'cms_load_codes';
COMMENT ON PROCEDURE cms.cms_load_codes(bigint, int, timestamptz, int, bigint, bigint) IS
'Loads every line waiting in cms.code_upload for the offer, batch lines at a time, each batch
committed (within a transaction block: together with it), and tells how many were loaded and
rejected (F12). Loaded lines are removed, rejected ones stay with reason and message. Reasons and
errors as in cms_upload_codes.';
