-- Checking, redeeming, completing, reversing, revoking (F24 to F34, F37 to F39).

CREATE TYPE cms.cms_redeem_result AS (
	code text, redeemed boolean, reason text, message text, redemption_id bigint, offer_id bigint,
	coupon_id bigint, discount numeric, payable numeric, uses_left int, next_allowed_at timestamptz, replayed boolean);
COMMENT ON TYPE cms.cms_redeem_result IS 'Row of cms_redeem and cms_redeem_bill.';
COMMENT ON COLUMN cms.cms_redeem_result.code IS 'The code as it is stored; as it came where it cannot be one.';
COMMENT ON COLUMN cms.cms_redeem_result.redeemed IS 'Whether the coupon is redeemed on this bill.';
COMMENT ON COLUMN cms.cms_redeem_result.reason IS 'Why not, the first in the published order; NULL: redeemed.';
COMMENT ON COLUMN cms.cms_redeem_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_redeem_result.redemption_id IS 'The redemption, by which it can be reversed.';
COMMENT ON COLUMN cms.cms_redeem_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_redeem_result.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.cms_redeem_result.discount IS 'Discount in the org''s currency; NULL: refused.';
COMMENT ON COLUMN cms.cms_redeem_result.payable IS 'Bill amount less discount, of cms_redeem_bill less all discounts of the request and at least 0; NULL: refused.';
COMMENT ON COLUMN cms.cms_redeem_result.uses_left IS 'Uses of the coupon left; NULL: unlimited, or refused.';
COMMENT ON COLUMN cms.cms_redeem_result.next_allowed_at IS 'When it becomes possible, where that can be told (NOT_STARTED, GAP_TOO_SHORT, TIME_NOT_ALLOWED, TOO_MANY_ATTEMPTS).';
COMMENT ON COLUMN cms.cms_redeem_result.replayed IS 'Whether this bill had redeemed the coupon before; the row is the first answer.';

CREATE TYPE cms.cms_check_result AS (
	code text, redeemed boolean, reason text, message text, redemption_id bigint, offer_id bigint,
	coupon_id bigint, discount numeric, payable numeric, uses_left int, next_allowed_at timestamptz, replayed boolean,
	reasons text[]);
COMMENT ON TYPE cms.cms_check_result IS 'Row of cms_check and cms_try.';
COMMENT ON COLUMN cms.cms_check_result.code IS 'The code as it is stored; as it came where it cannot be one.';
COMMENT ON COLUMN cms.cms_check_result.redeemed IS 'Whether a redemption would succeed.';
COMMENT ON COLUMN cms.cms_check_result.reason IS 'Why not, the first in the published order; NULL: it would.';
COMMENT ON COLUMN cms.cms_check_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_check_result.redemption_id IS 'Always NULL: a check makes none.';
COMMENT ON COLUMN cms.cms_check_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_check_result.coupon_id IS 'The coupon; NULL where a redemption would make it.';
COMMENT ON COLUMN cms.cms_check_result.discount IS 'Discount a redemption would give if nothing stood against it; NULL without a bill amount or a coupon.';
COMMENT ON COLUMN cms.cms_check_result.payable IS 'Bill amount less discount.';
COMMENT ON COLUMN cms.cms_check_result.uses_left IS 'Uses of the coupon left after a redemption; NULL: unlimited, or no coupon.';
COMMENT ON COLUMN cms.cms_check_result.next_allowed_at IS 'When it becomes possible, where that can be told.';
COMMENT ON COLUMN cms.cms_check_result.replayed IS 'Always false.';
COMMENT ON COLUMN cms.cms_check_result.reasons IS 'Every reason that holds, in the published order; empty: none.';

CREATE FUNCTION cms.cms_check(
	code text, customer_id text DEFAULT NULL, bill_amount numeric DEFAULT NULL,
	store_id text DEFAULT NULL, till_id text DEFAULT NULL, items jsonb DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_check_result
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_check';
COMMENT ON FUNCTION cms.cms_check(text, text, numeric, text, text, jsonb, timestamptz, int) IS
'The answer of cms_redeem without any effect, with all reasons (F33). items: a JSON array of lines
with sku, category, brand, amount, quantity, on_sale; without it the bill amount is one line that
only ALL_PRODUCTS matches; without bill_amount the sum of the lines is the bill; without both the
rules about the bill are left out.
Errors: 22004 no customer where one is needed; 22023 negative or NaN amount, malformed items, "at"
infinite or before the org''s max_backdate; MS010 a till that contradicts its store.';

CREATE FUNCTION cms.cms_try(
	code text, customer_id text DEFAULT NULL, bill_amount numeric DEFAULT NULL,
	store_id text DEFAULT NULL, till_id text DEFAULT NULL, items jsonb DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_check_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_try';
COMMENT ON FUNCTION cms.cms_try(text, text, numeric, text, text, jsonb, timestamptz, int) IS
'cms_check for codes that people type: a refusal is recorded in cms.attempt, and one of an unknown
code counted, as those of cms_redeem are; else without effect.
Errors: those of cms_check; 40001 under SERIALIZABLE when another transaction was faster: try again.';

CREATE FUNCTION cms.cms_redeem(
	code text, customer_id text DEFAULT NULL, bill_amount numeric DEFAULT NULL, bill_ref text DEFAULT NULL,
	store_id text DEFAULT NULL, till_id text DEFAULT NULL, items jsonb DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_redeem_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_redeem';
COMMENT ON FUNCTION cms.cms_redeem(text, text, numeric, text, text, text, jsonb, timestamptz, int) IS
'Redeems a coupon on a bill, atomically (F24 to F34). bill_ref is required: the same coupon and
bill_ref again give the first answer, marked replayed, or BILL_CONFLICT with another customer,
amount, store or till. Amounts are in the org''s currency; items as in cms_check. A refusal changes
nothing but cms.attempt, where the org wants that.
Reasons, the first that holds: BILL_REFERENCE_REQUIRED, BILL_CONFLICT, TOO_MANY_ATTEMPTS,
CODE_NOT_FOUND, COUPON_REVOKED, NOT_ISSUED, OFFER_EXPIRED, COUPON_EXPIRED, NOT_STARTED,
NOT_THE_HOLDER, ALREADY_REDEEMED, COUPON_LIMIT, CUSTOMER_LIMIT, GAP_TOO_SHORT, STORE_NOT_ALLOWED,
TIME_NOT_ALLOWED, BILL_TOO_SMALL, BILL_TOO_LARGE, NO_ELIGIBLE_ITEM, OFFER_LIMIT, BUDGET_SPENT;
ALREADY_REVERSED for the bill of a reversed redemption.
Errors: 22004 no amount at all, or no customer where one is needed; 22023 negative or NaN amount,
malformed items, "at" infinite or before the org''s max_backdate; MS010 a till that contradicts its
store; 40001 under REPEATABLE READ and SERIALIZABLE when another transaction was faster: try again.';

CREATE FUNCTION cms.cms_redeem_bill(
	codes text[], customer_id text DEFAULT NULL, bill_amount numeric DEFAULT NULL, bill_ref text DEFAULT NULL,
	store_id text DEFAULT NULL, till_id text DEFAULT NULL, items jsonb DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_redeem_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 3
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_redeem_bill';
COMMENT ON FUNCTION cms.cms_redeem_bill(text[], text, numeric, text, text, text, jsonb, timestamptz, int) IS
'Redeems several coupons on one bill, all or none of them (F35): a row per code, in the order of
codes. Each is redeemed as by cms_redeem, those before it counted, also against limits per customer,
caps and budgets that they share. Together they never take more than the bill: a discount is cut to
what those before leave, and refused with NO_ELIGIBLE_ITEM where that is nothing; payable, the same
in every row, is what is left after all of them. If one is refused nothing is redeemed, nor written
but to cms.attempt, where the org wants that; it has its reason, those that only it stopped have
OTHER_COUPON_FAILED. Coupons that this bill had redeemed before stay redeemed and are marked
replayed; others can be added to them.
Reasons: those of cms_redeem; CODE_REPEATED for a code that came before; OTHER_COUPON_FAILED.
Errors: those of cms_redeem; 22004 codes missing; 22023 none or more than 100 of them.';

CREATE TYPE cms.cms_reverse_result AS (
	redemption_id bigint, reversed boolean, reason text, message text, use_returned boolean, replayed boolean);
COMMENT ON TYPE cms.cms_reverse_result IS 'Row of cms_reverse.';
COMMENT ON COLUMN cms.cms_reverse_result.redemption_id IS 'The redemption.';
COMMENT ON COLUMN cms.cms_reverse_result.reversed IS 'Whether this request reversed it.';
COMMENT ON COLUMN cms.cms_reverse_result.reason IS 'Why not; NULL: reversed.';
COMMENT ON COLUMN cms.cms_reverse_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_reverse_result.use_returned IS 'Whether the use came back to coupon, customer, offer and budget; NULL: KEY_CONFLICT.';
COMMENT ON COLUMN cms.cms_reverse_result.replayed IS 'Whether the same request_key had reversed it before; the row is the first answer.';

CREATE FUNCTION cms.cms_reverse(
	redemption_id bigint, note text DEFAULT NULL, request_key text DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_reverse_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_reverse';
COMMENT ON FUNCTION cms.cms_reverse(bigint, text, text, timestamptz, int) IS
'Takes a redemption back, once; its row stays (F37). Coupon, customer''s allowance, cap and budget
get the use back unless the offer''s reversal_restores_use is off. request_key: the same key again
gives the first answer, marked replayed; with another request it is KEY_CONFLICT; a blank one counts
as none.
Reasons: KEY_CONFLICT, ALREADY_REVERSED, COUPON_REVOKED, COUPON_EXPIRED (also by the end of its
offer). A time before the redemption counts as that of the redemption.
Errors: MS009 unknown redemption, 22004 and 22023 arguments, such as "at" before the org''s
max_backdate; 40001 under REPEATABLE READ and SERIALIZABLE when another transaction was faster: try
again.';

CREATE TYPE cms.cms_complete_result AS (
	redemption_id bigint, completed boolean, reason text, message text, replayed boolean);
COMMENT ON TYPE cms.cms_complete_result IS 'Row of cms_complete_redemption.';
COMMENT ON COLUMN cms.cms_complete_result.redemption_id IS 'The redemption.';
COMMENT ON COLUMN cms.cms_complete_result.completed IS 'Whether it is recorded with everything given.';
COMMENT ON COLUMN cms.cms_complete_result.reason IS 'Why not; NULL: it is.';
COMMENT ON COLUMN cms.cms_complete_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_complete_result.replayed IS 'Whether it was before, so that this call changed nothing.';

CREATE FUNCTION cms.cms_complete_redemption(
	redemption_id bigint, bill_ref text DEFAULT NULL, bill_amount numeric DEFAULT NULL,
	store_id text DEFAULT NULL, till_id text DEFAULT NULL, details jsonb DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_complete_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_complete_redemption';
COMMENT ON FUNCTION cms.cms_complete_redemption(bigint, text, numeric, text, text, jsonb, timestamptz, int) IS
'Records what became known of a bill after its redemption (F38): store and till where none is
recorded, and details, a JSON object whose keys are added to those recorded. Nothing recorded is
changed: bill_ref and bill_amount are only compared. The same again is replayed. Discount, limits
and rules are not looked at again; where the offer is for selected places, that was judged at the
redemption.
Reasons: BILL_CONFLICT (recorded with another bill reference, amount, store, till, or value of a
key), ALREADY_REVERSED.
Errors: MS009 unknown redemption; MS010 a till that contradicts its store; 22004 nothing to
complete; 22023 negative or NaN amount, details that are no JSON object; 40001 under REPEATABLE READ
and SERIALIZABLE when another transaction was faster: try again.';

CREATE TYPE cms.cms_revoke_result AS (
	revoked_issued bigint, revoked_unissued bigint, left_redeemed bigint, reason text, message text, replayed boolean);
COMMENT ON TYPE cms.cms_revoke_result IS 'Row of cms_revoke.';
COMMENT ON COLUMN cms.cms_revoke_result.revoked_issued IS 'Coupons of customers revoked; NULL: refused.';
COMMENT ON COLUMN cms.cms_revoke_result.revoked_unissued IS 'Codes in stock revoked; NULL: refused.';
COMMENT ON COLUMN cms.cms_revoke_result.left_redeemed IS 'Coupons in the scope left as they are because all their uses are redeemed; NULL: refused.';
COMMENT ON COLUMN cms.cms_revoke_result.reason IS 'KEY_CONFLICT; NULL: done.';
COMMENT ON COLUMN cms.cms_revoke_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_revoke_result.replayed IS 'Whether the same request_key had done it before; the row is the first answer.';

CREATE FUNCTION cms.cms_revoke(
	offer_id bigint, scope text, customer_ids text[] DEFAULT NULL, codes text[] DEFAULT NULL,
	confirm boolean DEFAULT false, request_key text DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_revoke_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_revoke';
COMMENT ON FUNCTION cms.cms_revoke(bigint, text, text[], text[], boolean, text, timestamptz, int) IS
'Revokes coupons of an offer for good (F39). scope: ALL_UNREDEEMED (issued and in stock), UNISSUED
(in stock), CUSTOMERS (every active coupon of each of customer_ids), CODES (those of codes).
Redeemed coupons are left; one with uses left is revoked for the future. Revoked codes can be
uploaded again. request_key: the same key again revokes nothing and gives the first counts, marked
replayed; with another request it is KEY_CONFLICT; a blank one counts as none.
Reason: KEY_CONFLICT.
Errors: MS001 unknown offer, MS004 confirm is not true, 22004 and 22023 arguments; 40001 under
REPEATABLE READ and SERIALIZABLE when another transaction was faster: try again.';

CREATE TYPE cms.cms_tag_result AS (
	line bigint, value text, tagged boolean, reason text, message text, entity_id text);
COMMENT ON TYPE cms.cms_tag_result IS 'Row of cms_tag_offer: one per id and name.';
COMMENT ON COLUMN cms.cms_tag_result.line IS 'Number of the row: the ids, then the names.';
COMMENT ON COLUMN cms.cms_tag_result.value IS 'The id or name given.';
COMMENT ON COLUMN cms.cms_tag_result.tagged IS 'Whether the offer is tagged to it now.';
COMMENT ON COLUMN cms.cms_tag_result.reason IS 'Why not: ID_EMPTY, NAME_UNKNOWN, NAME_AMBIGUOUS; NULL: tagged.';
COMMENT ON COLUMN cms.cms_tag_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_tag_result.entity_id IS 'Id of the place.';

CREATE FUNCTION cms.cms_tag_offer(
	offer_id bigint, entity_type text, ids text[] DEFAULT NULL, names text[] DEFAULT NULL, org int DEFAULT NULL)
	RETURNS SETOF cms.cms_tag_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_tag_offer';
COMMENT ON FUNCTION cms.cms_tag_offer(bigint, text, text[], text[], int) IS
'Restricts an offer whose store_scope is SELECTED_STORES to more places, by id (not checked against
org_entity) or by name, and lists what it could not find (F29). entity_type: TILL, STORE, ZONE,
CONCEPT.
Errors: MS001 unknown offer, MS011 store_scope is ANY_STORE, 22004 neither ids nor names, 22023
arguments.';
