-- Issuing coupons to customers (F15 to F20, F22).

CREATE TYPE cms.cms_issue_result AS (
	line bigint, customer_id text, issued boolean, reason text, message text,
	coupon_id bigint, code text, valid_from timestamptz, expires_at timestamptz,
	next_allowed_on date, replayed boolean);
COMMENT ON TYPE cms.cms_issue_result IS 'Row of cms_issue and cms_issue_many: one per coupon asked for.';
COMMENT ON COLUMN cms.cms_issue_result.line IS 'Number of the request, from 1.';
COMMENT ON COLUMN cms.cms_issue_result.customer_id IS 'The customer.';
COMMENT ON COLUMN cms.cms_issue_result.issued IS 'Whether the customer has the coupon.';
COMMENT ON COLUMN cms.cms_issue_result.reason IS 'Why not; NULL: issued.';
COMMENT ON COLUMN cms.cms_issue_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_issue_result.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.cms_issue_result.code IS 'Its code; NULL where it was replayed and the coupon has been purged since.';
COMMENT ON COLUMN cms.cms_issue_result.valid_from IS 'From when it can be redeemed.';
COMMENT ON COLUMN cms.cms_issue_result.expires_at IS 'When it ends (exclusive), the offer''s end considered; NULL: never.';
COMMENT ON COLUMN cms.cms_issue_result.next_allowed_on IS 'Day from which the refused customer can be given one; NULL: none can be told.';
COMMENT ON COLUMN cms.cms_issue_result.replayed IS 'Whether it had been issued before: by the same request_key, or because the offer reissues the coupon held.';

CREATE FUNCTION cms.cms_issue(
	offer_id bigint, customer_id text, how_many int DEFAULT 1, all_or_none boolean DEFAULT false,
	service text DEFAULT NULL, consumer_ref text DEFAULT NULL, request_key text DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_issue_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_issue';
COMMENT ON FUNCTION cms.cms_issue(bigint, text, int, boolean, text, text, text, timestamptz, int) IS
'Issues how_many coupons of an offer to one customer, a row each (F15 to F20, F22). Naming a service
claims an unclaimed offer for it. all_or_none: one refusal leaves nothing issued. request_key: the
same key again gives the same coupons, marked replayed; with another request it is KEY_CONFLICT; a
blank one counts as none.
Reasons, the first that holds: KEY_CONFLICT, OFFER_ARCHIVED, NOT_THE_CLAIMANT, OFFER_EXPIRED,
NOT_IN_AUDIENCE, RECENTLY_RECEIVED_OTHER, COMMON_CODE_ONCE, CUSTOMER_ISSUE_LIMIT, ISSUE_GAP,
OFFER_ISSUE_LIMIT, NO_CODES_LEFT; OTHER_COUPON_FAILED for the rest of all_or_none.
Errors: MS001 unknown offer, 22004 customer_id NULL, 22023 arguments.';

CREATE FUNCTION cms.cms_issue_many(
	offer_id bigint, customer_ids text[], how_many int DEFAULT 1, all_or_none boolean DEFAULT false,
	service text DEFAULT NULL, consumer_ref text DEFAULT NULL, request_key text DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_issue_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1000
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_issue_many';
COMMENT ON FUNCTION cms.cms_issue_many(bigint, text[], int, boolean, text, text, text, timestamptz, int) IS
'As cms_issue, for many customers in one call: how_many coupons each, rows in the order of the array
(F15). A customer named twice asks twice.
Errors: as cms_issue; 22004 customer_ids or one of them NULL, 22023 more than one dimension.';
