-- A customer's coupons (F46), and what applies to a bill (F47).

CREATE TYPE cms.cms_customer_coupon AS (
	coupon_id bigint, offer_id bigint, offer_name text, code text, issued_at timestamptz, valid_from timestamptz,
	expires_at timestamptz, revoked_at timestamptz, uses int, uses_left int, last_redeemed_at timestamptz,
	service text, consumer_ref text, statuses text[]);
COMMENT ON TYPE cms.cms_customer_coupon IS 'Row of cms_customer_coupons.';
COMMENT ON COLUMN cms.cms_customer_coupon.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.cms_customer_coupon.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_customer_coupon.offer_name IS 'Its name.';
COMMENT ON COLUMN cms.cms_customer_coupon.code IS 'The code; NULL for those who may not see codes.';
COMMENT ON COLUMN cms.cms_customer_coupon.issued_at IS 'When it was issued.';
COMMENT ON COLUMN cms.cms_customer_coupon.valid_from IS 'From when it can be redeemed.';
COMMENT ON COLUMN cms.cms_customer_coupon.expires_at IS 'Effective end, exclusive: the earlier of its own and the offer''s where that binds; NULL: never.';
COMMENT ON COLUMN cms.cms_customer_coupon.revoked_at IS 'When it was revoked; NULL: it is not.';
COMMENT ON COLUMN cms.cms_customer_coupon.uses IS 'Live uses.';
COMMENT ON COLUMN cms.cms_customer_coupon.uses_left IS 'Uses left, what orders hold not taken off; NULL: unlimited.';
COMMENT ON COLUMN cms.cms_customer_coupon.last_redeemed_at IS 'When it was redeemed last.';
COMMENT ON COLUMN cms.cms_customer_coupon.service IS 'Service that issued it.';
COMMENT ON COLUMN cms.cms_customer_coupon.consumer_ref IS 'Campaign or program that issued it.';
COMMENT ON COLUMN cms.cms_customer_coupon.statuses IS 'All that it is: ACTIVE or EXPIRED, REDEEMED or UNREDEEMED, and REVOKED, REDEEMABLE where that holds.';

CREATE FUNCTION cms.cms_customer_coupons(
	customer_id text, status text[] DEFAULT NULL, after_coupon bigint DEFAULT NULL, how_many int DEFAULT 100,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_customer_coupon
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_customer_coupons';
COMMENT ON FUNCTION cms.cms_customer_coupons(text, text[], bigint, int, timestamptz, int) IS
'The coupons that a customer holds or held, those of newer offers first, and of an offer the newest
first (F46). status: only those that are all of these: ACTIVE (neither ended nor revoked), EXPIRED
(ended or revoked), REDEEMED (a live use), UNREDEEMED (none), REVOKED, REDEEMABLE (active, begun,
and with a use that no order holds); NULL: all. after_coupon: the coupon_id of the last row of the
page before. how_many: rows of a page, 1 to 10000.
Errors: 22004 no customer; 22023 unknown status, how_many out of range, "after_coupon" no coupon of
the customer.';

CREATE TYPE cms.cms_applicable_result AS (
	kind text, offer_id bigint, offer_name text, coupon_id bigint, code text, discount numeric, payable numeric,
	uses_left int, expires_at timestamptz);
COMMENT ON TYPE cms.cms_applicable_result IS 'Row of cms_applicable.';
COMMENT ON COLUMN cms.cms_applicable_result.kind IS 'COUPON: the customer holds it; CODE: a common code that can be used without having been issued; OFFER: the customer can be given a coupon of it now, and use it at once.';
COMMENT ON COLUMN cms.cms_applicable_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_applicable_result.offer_name IS 'Its name.';
COMMENT ON COLUMN cms.cms_applicable_result.coupon_id IS 'COUPON: the coupon; else NULL.';
COMMENT ON COLUMN cms.cms_applicable_result.code IS 'The code to redeem; NULL of an OFFER whose codes are made when they are issued.';
COMMENT ON COLUMN cms.cms_applicable_result.discount IS 'Discount that it would give alone; NULL without a bill amount.';
COMMENT ON COLUMN cms.cms_applicable_result.payable IS 'Bill amount less discount.';
COMMENT ON COLUMN cms.cms_applicable_result.uses_left IS 'Uses of the coupon left after it; NULL: unlimited.';
COMMENT ON COLUMN cms.cms_applicable_result.expires_at IS 'When it ends, exclusive; NULL: never.';

CREATE FUNCTION cms.cms_applicable(
	customer_id text DEFAULT NULL, bill_amount numeric DEFAULT NULL, store_id text DEFAULT NULL, till_id text DEFAULT NULL,
	items jsonb DEFAULT NULL, kinds text[] DEFAULT NULL, how_many int DEFAULT 20, service text DEFAULT NULL,
	consumer_ref text DEFAULT NULL, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_applicable_result
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 20
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_applicable';
COMMENT ON FUNCTION cms.cms_applicable(text, numeric, text, text, jsonb, text[], int, text, text, timestamptz, int) IS
'What the customer could use on this bill, here and now, with the discount that each would give
alone: the most discount first, of equals coupons before codes before offers, then what ends first
(F47). Each COUPON and CODE is one that cms_check lets through with the same arguments, each OFFER
one that cms_issue would issue and cms_check then let through: without a service of offers that
nobody has claimed, with one of those that it has claimed. kinds: any of COUPON, CODE, OFFER; NULL:
all. Without a customer codes alone apply, and none of an offer that limits customers. how_many: 1
to 1000. Without bill_amount the sum of the items is the bill; without both the rules about the bill
are left out. Changes nothing.
Errors: 22023 arguments as for cms_check, unknown kinds, how_many out of range; MS010 a till that
contradicts its store.';
