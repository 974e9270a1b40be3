-- F33: a check has no effect and tells every reason; a redemption tells the first in the published order.
BEGIN;
SELECT plan(65);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

-- no effect at all
SELECT make_offer('plain', '{"discount_type": "PERCENTAGE", "discount_value": 10, "max_uses_per_coupon": 3, "max_redemptions": 5, "max_discount_total": 1000, "max_uses_per_customer": 4}');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true}');
SELECT is(issue_of('plain', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'a coupon');
CREATE VIEW state AS
	SELECT (SELECT string_agg(c::text || c.xmin || c.ctid, ' ' ORDER BY coupon_id) FROM cms.coupon c) AS coupons,
		(SELECT count(*) FROM cms.redemption) AS redemptions,
		(SELECT string_agg(s::text || s.xmin || s.ctid, ' ' ORDER BY offer_id, slot) FROM cms.offer_slot s) AS slots,
		(SELECT string_agg(f::text || f.xmin, ' ' ORDER BY offer_id) FROM cms.offer f) AS offers,
		(SELECT count(*) FROM cms.offer_version) AS versions,
		(SELECT last_value FROM cms.coupon_id_seq) AS coupon_ids, (SELECT last_value FROM cms.redemption_id_seq) AS redemption_ids;
CREATE TABLE before AS TABLE state;
SELECT is(rows_of($$ SELECT code = code_of('plain', 'ann') AS code, redeemed, reason, message, redemption_id, offer_id = o('plain') AS offer,
		coupon_id IS NOT NULL AS coupon, discount, payable, uses_left, next_allowed_at, replayed, reasons
	FROM cms_check(code_of('plain', 'ann'), 'ann', 100, at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(t,t,,,,t,t,10.00,90.00,2,,f,{})', 'a check tells what a redemption would give');
SELECT is(rows_of($$ SELECT redeemed, coupon_id, reasons FROM cms_check('all', 'bob', 100, at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(t,,{})', 'also of a coupon that would come into being');
SELECT is(reasons_of(code_of('plain', 'ann'), 'bob', '2025-11-12 11:00 Asia/Kolkata'), 'NOT_THE_HOLDER', 'a check that refuses');
SELECT is((SELECT count(*) FROM generate_series(1, 20) g, LATERAL cms_check(code_of('plain', 'ann'), 'ann', g, at => '2025-11-12 11:00 Asia/Kolkata') WHERE redeemed), 20::bigint, 'twenty checks of three uses');
SELECT results_eq('TABLE state', 'TABLE before', 'and nothing at all has changed');
SELECT is(use_of(code_of('plain', 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'a redemption after all that');
SELECT is((SELECT uses_left FROM cms_check(code_of('plain', 'ann'), 'ann', at => '2025-11-12 11:00 Asia/Kolkata')), 1, 'has all its uses');

-- Each reason beside the one that follows it. The scenes are refused by exactly these rules:
CREATE TABLE pair (n int GENERATED ALWAYS AS IDENTITY, reasons text, code text, customer text, at timestamptz, amount numeric DEFAULT 100,
	store text, items jsonb, what text);
CREATE FUNCTION pair(offer text, settings jsonb, reasons text, at timestamptz, customer text DEFAULT 'ann', amount numeric DEFAULT 100,
	store text DEFAULT NULL, items jsonb DEFAULT NULL, issued timestamptz DEFAULT '2025-11-10 10:00 Asia/Kolkata', used int DEFAULT 0) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(offer, settings);
	PERFORM issue_of(offer, 'ann', issued);
	FOR i IN 1 .. used LOOP
		PERFORM cms_redeem(code_of(offer, 'ann'), customer, 100, 'before ' || nextval('bill_no'), at => issued);
	END LOOP;
	INSERT INTO pair (reasons, code, customer, at, amount, store, items, what)
	VALUES (pair.reasons, code_of(offer, 'ann'), pair.customer, pair.at, pair.amount, pair.store, pair.items, offer);
END
$$;
-- a closed shop, a shut hour, no product, no budget: switched on after the uses that came before
CREATE FUNCTION close_offer(offer text, VARIADIC what text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF 'store' = ANY (what) THEN
		PERFORM alter_offer(offer, 'store_scope', 'SELECTED_STORES');
	END IF;
	IF 'time' = ANY (what) THEN
		INSERT INTO cms.offer_window (offer_id, from_date) VALUES (o(offer), '2031-01-01');
	END IF;
	IF 'product' = ANY (what) THEN
		PERFORM alter_offer(offer, 'product_scope', 'SELECTED_PRODUCTS');
	END IF;
	IF 'total' = ANY (what) THEN
		PERFORM alter_offer(offer, 'max_redemptions', '0');
	END IF;
	IF 'budget' = ANY (what) THEN
		PERFORM alter_offer(offer, 'max_discount_total', '0');
	END IF;
END
$$;

-- codes in stock
SELECT make_offer('stock', '{"code_method": "UPLOADED", "expires_on": "2025-11-20"}');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('stock'), '{REVOKED-1,STOCK-1}', at => '2025-11-10 Asia/Kolkata') WHERE loaded), 2::bigint, 'two codes in stock');
SELECT is((SELECT revoked_unissued FROM cms_revoke(o('stock'), 'CODES', codes => '{REVOKED-1}', confirm => true, at => '2025-11-10 Asia/Kolkata')), 1::bigint, 'one of them revoked');
INSERT INTO pair (reasons, code, customer, at, what) VALUES
	('COUPON_REVOKED NOT_ISSUED', 'REVOKED-1', 'ann', '2025-11-12 Asia/Kolkata', 'revoked stock'),
	('NOT_ISSUED OFFER_EXPIRED', 'STOCK-1', 'ann', '2025-11-21 Asia/Kolkata', 'stock of an ended offer');
SELECT pair('ended', '{"expires_on": "2025-11-12", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}', 'OFFER_EXPIRED COUPON_EXPIRED', '2025-11-14 Asia/Kolkata');
SELECT pair('never', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0, "starts_after_days": 5}', 'COUPON_EXPIRED NOT_STARTED', '2025-11-12 Asia/Kolkata');
SELECT pair('early', '{"starts_after_days": 5}', 'NOT_STARTED NOT_THE_HOLDER', '2025-11-12 Asia/Kolkata', 'bob');
SELECT pair('used', '{}', 'NOT_THE_HOLDER ALREADY_REDEEMED', '2025-11-12 Asia/Kolkata', used => 1);
UPDATE pair SET customer = 'bob' WHERE what = 'used';
SELECT pair('used up', '{"max_uses_per_coupon": 2}', 'NOT_THE_HOLDER COUPON_LIMIT', '2025-11-12 Asia/Kolkata', used => 2);
UPDATE pair SET customer = 'bob' WHERE what = 'used up';
SELECT pair('once each', '{"max_uses_per_customer": 1}', 'ALREADY_REDEEMED CUSTOMER_LIMIT', '2025-11-12 Asia/Kolkata', used => 1);
SELECT pair('twice each', '{"max_uses_per_coupon": 2, "max_uses_per_customer": 2}', 'COUPON_LIMIT CUSTOMER_LIMIT', '2025-11-12 Asia/Kolkata', used => 2);
SELECT pair('soon again', '{"max_uses_per_coupon": null, "max_uses_per_customer": 1, "min_days_between_uses": 7}', 'CUSTOMER_LIMIT GAP_TOO_SHORT', '2025-11-12 Asia/Kolkata', used => 1);
SELECT pair('soon elsewhere', '{"max_uses_per_coupon": null, "min_days_between_uses": 7}', 'GAP_TOO_SHORT STORE_NOT_ALLOWED', '2025-11-12 Asia/Kolkata', used => 1, store => 'S1');
SELECT close_offer('soon elsewhere', 'store');
SELECT pair('closed', '{}', 'STORE_NOT_ALLOWED TIME_NOT_ALLOWED', '2025-11-12 Asia/Kolkata');
SELECT close_offer('closed', 'store', 'time');
SELECT pair('shut, small', '{"min_bill": 200}', 'TIME_NOT_ALLOWED BILL_TOO_SMALL', '2025-11-12 Asia/Kolkata');
SELECT close_offer('shut, small', 'time');
SELECT pair('shut, large', '{"max_bill": 50}', 'TIME_NOT_ALLOWED BILL_TOO_LARGE', '2025-11-12 Asia/Kolkata');
SELECT close_offer('shut, large', 'time');
SELECT pair('small, other', '{"min_bill": 200}', 'BILL_TOO_SMALL NO_ELIGIBLE_ITEM', '2025-11-12 Asia/Kolkata');
SELECT close_offer('small, other', 'product');
SELECT pair('large, other', '{"max_bill": 50}', 'BILL_TOO_LARGE NO_ELIGIBLE_ITEM', '2025-11-12 Asia/Kolkata', items => '[]');
SELECT pair('other, out', '{}', 'NO_ELIGIBLE_ITEM OFFER_LIMIT', '2025-11-12 Asia/Kolkata');
SELECT close_offer('other, out', 'product', 'total');
SELECT pair('out, spent', '{}', 'OFFER_LIMIT BUDGET_SPENT', '2025-11-12 Asia/Kolkata');
SELECT close_offer('out, spent', 'total', 'budget');

SELECT is(reasons_of(code, customer, at, amount, store, items => items), reasons, what || ': a check tells both, in order') FROM pair ORDER BY n;
SELECT is(use_of(code, customer, at, amount, store, items => items), split_part(reasons, ' ', 1), what || ': a redemption tells the first') FROM pair ORDER BY n;

-- everything at once
SELECT pair('all', '{"expires_on": "2025-11-11", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 0, "starts_after_days": 5,
	"max_uses_per_coupon": 2, "max_bill": 50, "anyone_may_redeem": false}',
	'COUPON_REVOKED OFFER_EXPIRED COUPON_EXPIRED NOT_STARTED NOT_THE_HOLDER STORE_NOT_ALLOWED TIME_NOT_ALLOWED BILL_TOO_LARGE NO_ELIGIBLE_ITEM OFFER_LIMIT',
	'2025-11-12 Asia/Kolkata', 'bob', items => '[]');
SELECT close_offer('all', 'store', 'time', 'product', 'total', 'budget');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('all'), 'ALL_UNREDEEMED', confirm => true, at => '2025-11-12 Asia/Kolkata')), 1::bigint, 'revoked at last');
SELECT is(reasons_of(code, customer, at, amount, store, items => items), reasons, 'ten reasons in order') FROM pair WHERE what = 'all';
SELECT is(use_of(code, customer, at, amount, store, items => items), 'COUPON_REVOKED', 'a redemption tells the first') FROM pair WHERE what = 'all';
SELECT is((SELECT count(*) FROM cms_check((SELECT code FROM pair WHERE what = 'all'), 'bob', 100, items => '[]', at => '2025-11-12 Asia/Kolkata') c,
	unnest(c.reasons) reason WHERE message IS NULL OR message !~ '^[A-Z].*[.]$'), 0::bigint, 'with a sentence');
SELECT is(rows_of($$ SELECT redeemed, discount, payable FROM cms_check(code_of('shut, small', 'ann'), 'ann', 100, at => '2025-11-12 Asia/Kolkata') $$),
	'(f,10.00,90.00)', 'a check that refuses still tells the discount there would be');
SELECT is(rows_of($$ SELECT redeemed, discount, payable, redemption_id FROM cms_redeem(code_of('shut, small', 'ann'), 'ann', 100, 'B', at => '2025-11-12 Asia/Kolkata') $$),
	'(f,,,)', 'a redemption that is refused gave none');

-- bad input is an error for a check too
SELECT refused($$ SELECT * FROM cms_check('ALL', 'ann', at => NULL) $$, '22004', '"?at"?', 'no time');
SELECT refused(format('SELECT * FROM cms_check(''ALL'', ''ann'', at => %L)', at), '22023', '"?at"?', 'at ' || at) FROM unnest(ARRAY['infinity', '-infinity']) at;
SELECT refused(format('SELECT * FROM cms_redeem(''ALL'', ''ann'', 1, ''B'', at => %L)', at), '22023', '"?at"?', 'redeemed at ' || at) FROM unnest(ARRAY['infinity', '-infinity']) at;
SELECT refused($$ SELECT * FROM cms_redeem('ALL', 'ann', 1, 'B', at => NULL) $$, '22004', '"?at"?', 'redeemed at no time');

-- an org that limits how far back a redeemer may date
SELECT play_org('UTC', 'EUR', 2, '2 days');
SELECT make_offer('dated');
SELECT is(issue_of('dated', 'ann', now() - interval '10 days'), 'OK', 'issued ten days ago');
SELECT refused(format($$ SELECT * FROM cms_redeem(%L, 'ann', 100, 'B', at => now() - interval '3 days') $$, code_of('dated', 'ann')), '22023', '"?at"?', 'three days ago is too far back');
SELECT refused(format($$ SELECT * FROM cms_check(%L, 'ann', 100, at => now() - interval '3 days') $$, code_of('dated', 'ann')), '22023', '"?at"?', 'for a check too');
SELECT is(use_of(code_of('dated', 'ann'), 'ann', now() - interval '47 hours'), 'OK', 'less is not');
SELECT counted('and nothing was miscounted');

-- a check needs no right to write
SELECT is((SELECT count(*) FROM pair), 19::bigint, 'the scenes are complete');
SET TRANSACTION READ ONLY;
SELECT is((SELECT reason FROM cms_check(code_of('dated', 'ann'), 'ann', 100, at => now())), 'ALREADY_REDEEMED', 'also in a transaction that cannot write');

SELECT * FROM finish();
ROLLBACK;
