-- Holding a use for an order, confirming it, letting it go (F36).

CREATE TYPE cms.cms_hold_result AS (
	code text, held boolean, reason text, message text, hold_id bigint, offer_id bigint, coupon_id bigint,
	discount numeric, payable numeric, uses_left int, next_allowed_at timestamptz, expires_at timestamptz, replayed boolean);
COMMENT ON TYPE cms.cms_hold_result IS 'Row of cms_hold.';
COMMENT ON COLUMN cms.cms_hold_result.code IS 'The code as it is stored; as it came where it cannot be one.';
COMMENT ON COLUMN cms.cms_hold_result.held IS 'Whether a use of the coupon is held for this order.';
COMMENT ON COLUMN cms.cms_hold_result.reason IS 'Why not, the first in the published order; NULL: held.';
COMMENT ON COLUMN cms.cms_hold_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_hold_result.hold_id IS 'The hold, by which it is confirmed or released.';
COMMENT ON COLUMN cms.cms_hold_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_hold_result.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.cms_hold_result.discount IS 'Discount promised, in the org''s currency; NULL: refused.';
COMMENT ON COLUMN cms.cms_hold_result.payable IS 'Bill amount less discount; NULL: refused.';
COMMENT ON COLUMN cms.cms_hold_result.uses_left IS 'Uses of the coupon left beside this one; NULL: unlimited, or refused.';
COMMENT ON COLUMN cms.cms_hold_result.next_allowed_at IS 'When it becomes possible, where that can be told (NOT_STARTED, GAP_TOO_SHORT, TIME_NOT_ALLOWED, TOO_MANY_ATTEMPTS).';
COMMENT ON COLUMN cms.cms_hold_result.expires_at IS 'When the hold ends by itself; NULL: refused.';
COMMENT ON COLUMN cms.cms_hold_result.replayed IS 'Whether the order held the coupon before; the row is the first answer.';

CREATE FUNCTION cms.cms_hold(
	code text, customer_id text DEFAULT NULL, bill_amount numeric DEFAULT NULL, order_ref text DEFAULT NULL,
	store_id text DEFAULT NULL, till_id text DEFAULT NULL, items jsonb DEFAULT NULL, seconds int DEFAULT 900,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_hold_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_hold';
COMMENT ON FUNCTION cms.cms_hold(text, text, numeric, text, text, text, jsonb, int, timestamptz, int) IS
'Reserves a use of a coupon for an order, with the customer''s allowance, the offer''s cap and its
budget, for so many seconds (1 to 2678400, 31 days); then cms_confirm redeems it or cms_release_hold
lets it go (F36). All rules of cms_redeem hold, and what a redemption would issue is issued, and
stays so. order_ref is required: the same coupon and order_ref again give the same hold, marked
replayed, or BILL_CONFLICT with another customer, amount, store or till; after a hold that was
released or has ended there is a new one.
Reasons: those of cms_redeem.
Errors: 22004 no amount at all, or no customer where one is needed; 22023 seconds out of range,
negative or NaN amount, malformed items, "at" infinite or before the org''s max_backdate; MS010 a
till that contradicts its store; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE FUNCTION cms.cms_confirm(
	hold_id bigint, bill_ref text DEFAULT NULL, bill_amount numeric DEFAULT NULL, items jsonb DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_redeem_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_confirm';
COMMENT ON FUNCTION cms.cms_confirm(bigint, text, numeric, jsonb, timestamptz, int) IS
'Turns a hold into a redemption (F36). bill_ref NULL: the order_ref; bill_amount and items NULL: as
held; with items alone their sum is the bill. In time and with the bill as held, no rule is
evaluated again, only a revoked coupon is refused. Another bill is evaluated as of the time of the
hold; refused, the hold stays. After its end the use is taken anew, as a redemption at "at"; where
that is refused the answer is HOLD_EXPIRED, and the message tells the cause. Again with the same
bill_ref and amount it gives the first answer, marked replayed.
Reasons: HOLD_NOT_FOUND (also of a released one), BILL_CONFLICT, ALREADY_REVERSED, COUPON_REVOKED,
HOLD_EXPIRED, of another bill those of cms_redeem. A time before the hold counts as that of the
hold.
Errors: 22004 and 22023 arguments, such as "at" before the org''s max_backdate; MS010 a till that
contradicts its store; 40001 under REPEATABLE READ and SERIALIZABLE when another transaction was
faster: try again.';

CREATE TYPE cms.cms_release_hold_result AS (
	hold_id bigint, released boolean, reason text, message text, replayed boolean);
COMMENT ON TYPE cms.cms_release_hold_result IS 'Row of cms_release_hold.';
COMMENT ON COLUMN cms.cms_release_hold_result.hold_id IS 'The hold.';
COMMENT ON COLUMN cms.cms_release_hold_result.released IS 'Whether it is released.';
COMMENT ON COLUMN cms.cms_release_hold_result.reason IS 'Why not: HOLD_NOT_FOUND, ALREADY_REDEEMED; NULL: released.';
COMMENT ON COLUMN cms.cms_release_hold_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_release_hold_result.replayed IS 'Whether it was released before.';

CREATE FUNCTION cms.cms_release_hold(
	hold_id bigint, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_release_hold_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_release_hold';
COMMENT ON FUNCTION cms.cms_release_hold(bigint, timestamptz, int) IS
'Lets a hold go: coupon, customer''s allowance, cap and budget have the use back at once, and the
hold cannot be confirmed any more, also not after its end (F36). Released again it answers the same,
marked replayed.
Reasons: HOLD_NOT_FOUND, ALREADY_REDEEMED for a confirmed one.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE FUNCTION cms.cms_sweep_holds(
	how_many int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_sweep_holds';
COMMENT ON FUNCTION cms.cms_sweep_holds(int, timestamptz, int) IS
'Takes holds that have ended out of the counters, at most how_many, and answers how many it was
(F36). org NULL: of all orgs that the caller may act for. Nobody depends on it: whoever would be
refused for such a hold gives it back first. Any number may run at once.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';
