-- F35: several coupons on one bill: all or nothing, and never more than the bill.
BEGIN;
SELECT plan(123);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- A line per code, in the order of the answer: "code reason replayed discount uses_left", then the payable of all rows.
CREATE FUNCTION bill(codes text[], customer text, amount numeric, bill text, store text DEFAULT NULL, till text DEFAULT NULL,
	items jsonb DEFAULT NULL, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' = ', string_agg(concat_ws(' ', r.code, coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'replayed' END,
			r.discount, r.uses_left), ', ' ORDER BY r.n), string_agg(DISTINCT r.payable::text, ' '))
	FROM cms_redeem_bill(codes, customer, amount, bill, store, till, items, at => at) WITH ORDINALITY r (code, redeemed, reason, message,
		redemption_id, offer_id, coupon_id, discount, payable, uses_left, next_allowed_at, replayed, n)
$$;
CREATE FUNCTION alone(code text, customer text, amount numeric, bill text, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata')
	RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'replayed' END, r.discount, r.payable)
	FROM cms_redeem(code, customer, amount, bill, at => at) r $$;
-- Codes PREFIX-1, PREFIX-2 … of an uploaded offer for these customers, or into stock.
CREATE FUNCTION give(offer text, prefix text, customers text[], settings jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(offer, '{"code_method": "UPLOADED"}' || settings);
	IF EXISTS (SELECT FROM cms_upload_codes(o(offer), ARRAY(SELECT prefix || '-' || i FROM generate_subscripts(customers, 1) i),
			CASE WHEN customers[1] IS NOT NULL THEN customers END, at => '2025-11-01 Asia/Kolkata') u WHERE NOT loaded) THEN
		RAISE 'not loaded';
	END IF;
END
$$;
CREATE FUNCTION uses(offer text) RETURNS bigint LANGUAGE sql AS $$
	SELECT uses FROM cms.offer_performance WHERE offer_id = o(offer) $$;

-- arguments
SELECT give('ten', 'T', '{ann,ann,ann,ann,ann,ann,ann,ann,ann,ann,ann,ann}');
SELECT give('tenth', 'P', '{ann,ann,ann,ann,ann,ann}', '{"discount_type": "PERCENTAGE"}');
SELECT refused($$ SELECT cms_redeem_bill(NULL, 'ann', 100, 'A1') $$, '22004', '"codes" must not be null', 'codes are required');
SELECT refused($$ SELECT cms_redeem_bill('{}', 'ann', 100, 'A1') $$, '22023', '"codes" must have 1 to 100 elements, not 0', 'at least one');
SELECT refused($$ SELECT cms_redeem_bill(ARRAY(SELECT 'X' || i FROM generate_series(1, 101) i), 'ann', 100, 'A1') $$, '22023',
	'"codes" must have 1 to 100 elements, not 101', 'at most a hundred');
SELECT refused($$ SELECT cms_redeem_bill('{{T-1},{T-2}}', 'ann', 100, 'A1') $$, '22023', '"codes" must have one dimension', 'in a flat array');
SELECT refused($$ SELECT cms_redeem_bill('{T-1}', 'ann', NULL, 'A1') $$, '22004', 'bill_amount', 'an amount is required');
SELECT refused($$ SELECT cms_redeem_bill('{T-1}', 'ann', -1, 'A1') $$, '22023', 'bill_amount', 'not a negative one');
SELECT refused($$ SELECT cms_redeem_bill('{T-1,P-1}', NULL, 100, 'A1') $$, '22004', 'customer_id', 'a customer too, where one is needed');
SELECT is(bill('{T-1,P-1}', 'ann', 100, NULL), 'T-1 BILL_REFERENCE_REQUIRED, P-1 BILL_REFERENCE_REQUIRED', 'no reference: told in every row');
SELECT is(bill('{T-1,t-1,NOSUCH}', 'ann', 100, ' '), 'T-1 BILL_REFERENCE_REQUIRED, T-1 BILL_REFERENCE_REQUIRED, NOSUCH BILL_REFERENCE_REQUIRED',
	'which comes before what is wrong with the codes');
SELECT is((SELECT count(*) FROM cms_redeem_bill(ARRAY(SELECT 'X' || i FROM generate_series(1, 100) i), 'ann', 100, 'A1', at => :t)), 100::bigint, 'a hundred codes are looked for');

-- all of them
SELECT is(bill('{P-1,T-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'P-1 OK 20.00 0, T-1 OK 10.00 0 = 170.00', 'two coupons on one bill, in the order of the codes');
SELECT is(bill(ARRAY[' t-2 ', 'p-2'], 'ann', 200, 'B2'), 'T-2 OK 10.00 0, P-2 OK 20.00 0 = 170.00', 'and the other way round, as typed');
SELECT is(bill('{T-3}', 'ann', 200, 'B3'), 'T-3 OK 10.00 0 = 190.00', 'one is enough');
SELECT is(rows_of($$ SELECT customer_id, bill_amount, eligible_amount, discount, store_id, till_id, redeemed_at AT TIME ZONE 'Asia/Kolkata',
		recorded_by, uses_left FROM cms.redemption WHERE bill_ref = 'B1' ORDER BY redemption_id $$),
	format('(ann,200,200,20.00,S1,T9,"2025-11-12 11:00:00",%1$s,0) (ann,200,200,10.00,S1,T9,"2025-11-12 11:00:00",%1$s,0)', current_user),
	'each is a redemption of its own, recorded in that order');
SELECT is((SELECT string_agg(format('%s %s %s', r.redeemed, r.message IS NULL, r.redemption_id = d.redemption_id AND r.coupon_id = d.coupon_id
		AND r.offer_id = d.offer_id), ', ') FROM cms_redeem_bill('{P-1,T-1}', 'ann', 200, 'B1', 'S1', 'T9', at => :t) r
	JOIN cms.redemption d USING (redemption_id)), 't t t, t t t', 'the rows tell redemption, coupon and offer');
SELECT is((SELECT string_agg(c.uses::text || (c.last_redeemed_at = :t)::text, ' ') FROM cms.coupon c WHERE code IN ('P-1', 'T-1')), '1true 1true', 'and the coupons know');
SELECT counted();

-- again, and with more
SELECT is(bill('{P-1,T-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'P-1 OK replayed 20.00 0, T-1 OK replayed 10.00 0 = 170.00', 'the bill again: the first answer');
SELECT is(bill('{T-1,P-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'T-1 OK replayed 10.00 0, P-1 OK replayed 20.00 0 = 170.00', 'in any order');
SELECT is(bill('{T-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'T-1 OK replayed 10.00 0 = 190.00', 'a part of it');
SELECT is(alone('T-2', 'ann', 200, 'B2'), 'OK replayed 10.00 190.00', 'a single call knows its redemption');
SELECT is(bill('{P-1,T-4,T-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'P-1 OK replayed 20.00 0, T-4 OK 10.00 0, T-1 OK replayed 10.00 0 = 160.00', 'one more coupon joins those of the bill');
SELECT is(bill('{P-1,T-4,T-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'P-1 OK replayed 20.00 0, T-4 OK replayed 10.00 0, T-1 OK replayed 10.00 0 = 160.00', 'and stays');
SELECT is(bill('{P-1,T-1}', 'ann', 201, 'B1', 'S1', 'T9'), 'P-1 BILL_CONFLICT, T-1 BILL_CONFLICT', 'with another amount it is a conflict');
SELECT is(bill('{P-1,T-5}', 'ann', 200, 'B1', 'S2'), 'P-1 BILL_CONFLICT, T-5 OTHER_COUPON_FAILED', 'which stops those that would join');
SELECT is(bill('{T-5,P-1,T-1,T-2}', 'ann', 200, 'B1', 'S1', 'T9'), 'T-5 OTHER_COUPON_FAILED, P-1 OK replayed 20.00 0, T-1 OK replayed 10.00 0, T-2 ALREADY_REDEEMED = 170.00',
	'a refused one takes nothing from what the bill has');
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'B2' AND discount = 10), at => :t)), true, 'a redemption is reversed');
SELECT is(bill('{T-2,P-2}', 'ann', 200, 'B2'), 'T-2 ALREADY_REVERSED, P-2 OK replayed 20.00 0 = 180.00', 'its bill cannot have it again');
SELECT is(bill('{T-5,T-2}', 'ann', 200, 'B2'), 'T-5 OTHER_COUPON_FAILED, T-2 ALREADY_REVERSED', 'nor another beside it');
SELECT is(bill('{T-2,T-5}', 'ann', 200, 'B4'), 'T-2 OK 10.00 0, T-5 OK 10.00 0 = 180.00', 'another bill can');
SELECT is(uses('ten') + uses('tenth'), 7::bigint, 'none of this was counted twice');
SELECT counted();

-- nothing, with each kind of refusal beside a good one
SELECT give('bob''s', 'BOB', '{bob}');
SELECT give('stock', 'STOCK', '{NULL}');
SELECT give('over', 'OVER', '{ann}', '{"expires_on": "2025-11-11"}');
SELECT give('short', 'SHORT', '{ann}', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}');
SELECT give('later', 'LATER', '{ann}', '{"starts_on": "2025-12-01"}');
SELECT give('closed', 'CLOSED', '{ann}', '{"max_uses_per_coupon": 0}');
SELECT give('limited', 'LIMITED', '{ann}', '{"max_uses_per_customer": 0}');
SELECT give('nowhere', 'NOWHERE', '{ann}', '{"store_scope": "SELECTED_STORES"}');
SELECT give('never', 'NEVER', '{ann}');
INSERT INTO cms.offer_window (offer_id, to_date) VALUES (o('never'), '2025-01-01');
SELECT give('small', 'SMALL', '{ann}', '{"min_bill": 1000}');
SELECT give('large', 'LARGE', '{ann}', '{"max_bill": 10}');
SELECT give('books', 'BOOKS', '{ann}', '{"product_scope": "SELECTED_PRODUCTS"}');
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (o('books'), 'CATEGORY', 'BOOKS');
SELECT give('capped', 'CAPPED', '{ann}', '{"max_redemptions": 0}');
SELECT give('spent', 'SPENT', '{ann}', '{"max_discount_total": 9}');
SELECT give('revoked', 'REVOKED', '{ann}');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'ALL_UNREDEEMED', confirm => true, at => :t)), 1::bigint, 'a coupon is revoked');
SELECT is(bill(ARRAY['T-6', bad, 'P-3'], 'ann', 100, 'R'), format('T-6 OTHER_COUPON_FAILED, %s %s, P-3 OTHER_COUPON_FAILED', bad, reason), reason)
FROM (VALUES ('NOSUCH', 'CODE_NOT_FOUND'), ('no code!', 'CODE_NOT_FOUND'), ('REVOKED-1', 'COUPON_REVOKED'), ('STOCK-1', 'NOT_ISSUED'),
	('OVER-1', 'OFFER_EXPIRED'), ('SHORT-1', 'COUPON_EXPIRED'), ('LATER-1', 'NOT_STARTED'), ('BOB-1', 'NOT_THE_HOLDER'),
	('T-1', 'ALREADY_REDEEMED'), ('CLOSED-1', 'COUPON_LIMIT'), ('LIMITED-1', 'CUSTOMER_LIMIT'), ('NOWHERE-1', 'STORE_NOT_ALLOWED'),
	('NEVER-1', 'TIME_NOT_ALLOWED'), ('SMALL-1', 'BILL_TOO_SMALL'), ('LARGE-1', 'BILL_TOO_LARGE'), ('BOOKS-1', 'NO_ELIGIBLE_ITEM'),
	('CAPPED-1', 'OFFER_LIMIT'), ('SPENT-1', 'BUDGET_SPENT')) x (bad, reason);
SELECT is(bill(ARRAY['T-6', NULL], 'ann', 100, 'R'), 'T-6 OTHER_COUPON_FAILED, CODE_NOT_FOUND', 'a code that is missing');
SELECT is(bill('{T-6,LATER-1,BOB-1,NOSUCH}', 'ann', 100, 'R'), 'T-6 OTHER_COUPON_FAILED, LATER-1 NOT_STARTED, BOB-1 NOT_THE_HOLDER, NOSUCH CODE_NOT_FOUND', 'each refused one has its own reason');
SELECT is(rows_of($$ SELECT redeemed, message, discount, payable, redemption_id, coupon_id IS NULL, next_allowed_at AT TIME ZONE 'Asia/Kolkata'
		FROM cms_redeem_bill('{T-6,LATER-1}', 'ann', 100, 'R', at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(f,"Another coupon of the same request was refused.",,,,f,) (f,"The coupon can be redeemed from 2025-12-01.",,,,f,"2025-12-01 00:00:00")', 'and a sentence');
SELECT is((SELECT count(*) FROM cms.redemption WHERE bill_ref = 'R'), 0::bigint, 'nothing was redeemed');
SELECT is((SELECT count(*) FROM cms.coupon WHERE code IN ('T-6', 'P-3') AND uses + forfeited_uses > 0 OR code IN ('T-6', 'P-3') AND last_redeemed_at IS NOT NULL), 0::bigint, 'no coupon was touched');
SELECT counted();
SELECT is(bill('{T-6,P-3}', 'ann', 100, 'R'), 'T-6 OK 10.00 0, P-3 OK 10.00 0 = 80.00', 'without it both are good');

-- a code twice
SELECT is(bill('{T-7, t-7 ,P-4}', 'ann', 100, 'D1'), 'T-7 OTHER_COUPON_FAILED, T-7 CODE_REPEATED, P-4 OTHER_COUPON_FAILED', 'a code given twice is refused the second time');
SELECT is((SELECT message FROM cms_redeem_bill('{T-7,t-7}', 'ann', 100, 'D1', at => :t) WHERE reason = 'CODE_REPEATED'), 'The code came before in the same request.', 'in words that fit');
SELECT is(bill('{NOSUCH,NOSUCH,"no code!","no code!"}', 'ann', 100, 'D1'), 'NOSUCH CODE_NOT_FOUND, NOSUCH CODE_REPEATED, no code! CODE_NOT_FOUND, no code! CODE_NOT_FOUND', 'an unknown one too');

-- never more than the bill
SELECT is(bill('{T-7,T-8,P-4}', 'ann', 15, 'M1'), 'T-7 OTHER_COUPON_FAILED, T-8 OTHER_COUPON_FAILED, P-4 NO_ELIGIBLE_ITEM', 'a coupon for which nothing is left is not spent');
SELECT is((SELECT message FROM cms_redeem_bill('{T-7,T-8,P-4}', 'ann', 15, 'M1', at => :t) WHERE reason = 'NO_ELIGIBLE_ITEM'), 'The other coupons leave nothing of the bill to pay.', 'as the message tells');
SELECT is(bill('{P-4,T-7,T-8}', 'ann', 15, 'M1'), 'P-4 OK 1.50 0, T-7 OK 10.00 0, T-8 OK 3.50 0 = 0.00', 'the last one gives what is left');
SELECT is(bill('{P-4,T-7,T-8}', 'ann', 15, 'M1'), 'P-4 OK replayed 1.50 0, T-7 OK replayed 10.00 0, T-8 OK replayed 3.50 0 = 0.00', 'and again');
SELECT is(bill('{T-9,P-4}', 'ann', 15, 'M1'), 'T-9 OK 10.00 0, P-4 OK replayed 1.50 0 = 3.50', 'only coupons of the same request are known to each other');
SELECT is(bill('{T-10,T-9,P-4,P-5}', 'ann', 15, 'M1'), 'T-10 OTHER_COUPON_FAILED, T-9 OK replayed 10.00 0, P-4 OK replayed 1.50 0, P-5 NO_ELIGIBLE_ITEM = 3.50',
	'what the bill had takes its part before those that join');
SELECT give('thirds', 'H', '{ann,ann,ann,ann}', '{"discount_type": "PERCENTAGE", "discount_value": 33.335}');
SELECT is(bill('{H-1,H-2,H-3}', 'ann', 10.01, 'M2'), 'H-1 OK 3.34 0, H-2 OK 3.34 0, H-3 OK 3.33 0 = 0.00', 'rounding up takes no more than the bill');
SELECT is(bill('{T-10,T-11}', 'ann', 15.005, 'M3'), 'T-10 OK 10.00 0, T-11 OK 5.00 0 = 0.005', 'what is left below the smallest coin stays to be paid');
SELECT is(bill('{T-12}', 'ann', 0, 'M4'), 'T-12 OK 0.00 0 = 0.00', 'a bill of 0 is as with a single coupon');
SELECT is(alone('H-4', 'ann', 0, 'M5'), 'OK 0.00 0.00', 'namely redeemed');
SELECT counted();

-- lines
SELECT give('novels', 'N', '{ann,ann,ann}', '{"product_scope": "SELECTED_PRODUCTS", "discount_value": 30}');
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (o('novels'), 'CATEGORY', 'BOOKS');
SELECT give('all', 'ALL', '{ann,ann}', '{"discount_type": "PERCENTAGE", "discount_value": 50}');
\set lines '''[{"category": "BOOKS", "amount": 20}, {"category": "TEA", "amount": 80}]'''
SELECT is(bill('{N-1,ALL-1}', 'ann', NULL, 'L1', items => :lines), 'N-1 OK 20.00 0, ALL-1 OK 50.00 0 = 30.00', 'each discount is of its lines, the sum of lines is the bill');
SELECT is(bill('{ALL-2,N-2,N-3}', 'ann', 60, 'L2', items => :lines), 'ALL-2 OK 30.00 0, N-2 OK 20.00 0, N-3 OK 10.00 0 = 0.00', 'and together at most the bill');
SELECT is(bill('{BOOKS-1,P-5}', 'ann', 100, 'L3', items => '[{"category": "TEA", "amount": 100}]'), 'BOOKS-1 NO_ELIGIBLE_ITEM, P-5 OTHER_COUPON_FAILED', 'no line of the offer');

-- limits that coupons of one bill share
SELECT give('once', 'ONCE', '{ann,ann}', '{"max_uses_per_customer": 1}');
SELECT is(bill('{ONCE-1,ONCE-2}', 'ann', 100, 'S1'), 'ONCE-1 OTHER_COUPON_FAILED, ONCE-2 CUSTOMER_LIMIT', 'once per customer is once, also on one bill');
SELECT is(bill('{ONCE-2}', 'ann', 100, 'S1'), 'ONCE-2 OK 10.00 0 = 90.00', 'and the one is still there');
SELECT give('twice', 'TWICE', '{ann,ann,ann}', '{"max_uses_per_customer": 2, "max_uses_per_coupon": 3, "max_uses_per_customer_and_coupon": 1, "anyone_may_redeem": true}');
SELECT is(bill('{TWICE-3,TWICE-1}', 'ann', 100, 'S2'), 'TWICE-3 OK 10.00 2, TWICE-1 OK 10.00 2 = 80.00', 'twice is twice');
SELECT is(bill('{TWICE-2}', 'ann', 100, 'S3'), 'TWICE-2 CUSTOMER_LIMIT', 'and not three times');
SELECT is(rows_of($$ SELECT (SELECT code FROM cms.coupon c WHERE c.coupon_id = u.coupon_id), uses FROM cms.customer_use u WHERE offer_id = o('twice') ORDER BY 1 NULLS FIRST $$),
	'(,2) (TWICE-1,1) (TWICE-3,1)', 'the customer''s rows have counted both');
SELECT give('gap', 'GAP', '{ann,ann}', '{"min_days_between_uses": 3, "max_uses_per_coupon": 2}');
SELECT is(rows_of($$ SELECT reason, next_allowed_at AT TIME ZONE 'Asia/Kolkata' FROM cms_redeem_bill('{GAP-1,GAP-2}', 'ann', 100, 'S4', at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(OTHER_COUPON_FAILED,) (GAP_TOO_SHORT,"2025-11-15 00:00:00")', 'days have to lie between two uses');
SELECT give('five', 'FIVE', '{ann,ann,ann,ann,ann,ann}', '{"max_redemptions": 5}');
SELECT is(bill('{FIVE-1,FIVE-2,FIVE-3,FIVE-4,FIVE-5,FIVE-6}', 'ann', 100, 'S5'), 'FIVE-1 OTHER_COUPON_FAILED, FIVE-2 OTHER_COUPON_FAILED, FIVE-3 OTHER_COUPON_FAILED, FIVE-4 OTHER_COUPON_FAILED, FIVE-5 OTHER_COUPON_FAILED, FIVE-6 OFFER_LIMIT', 'the cap of the offer');
SELECT is(bill('{FIVE-6,T-1,FIVE-5}', 'ann', 100, 'S5'), 'FIVE-6 OTHER_COUPON_FAILED, T-1 ALREADY_REDEEMED, FIVE-5 OTHER_COUPON_FAILED', 'a refused one beside');
SELECT is(bill('{FIVE-6,FIVE-5,FIVE-4,FIVE-3,FIVE-2}', 'ann', 100, 'S5'), 'FIVE-6 OK 10.00 0, FIVE-5 OK 10.00 0, FIVE-4 OK 10.00 0, FIVE-3 OK 10.00 0, FIVE-2 OK 10.00 0 = 50.00', 'down to the last unit');
SELECT is(bill('{FIVE-6,FIVE-1}', 'ann', 100, 'S5'), 'FIVE-6 OK replayed 10.00 0, FIVE-1 OFFER_LIMIT = 90.00', 'and no further');
SELECT give('budget', 'BUDGET', '{ann,ann,ann}', '{"max_discount_total": 25}');
SELECT is(bill('{BUDGET-1,BUDGET-2,BUDGET-3}', 'ann', 100, 'S6'), 'BUDGET-1 OTHER_COUPON_FAILED, BUDGET-2 OTHER_COUPON_FAILED, BUDGET-3 BUDGET_SPENT', 'the budget of the offer');
SELECT is(bill('{BUDGET-1,BUDGET-2,BUDGET-3}', 'ann', 25, 'S6'), 'BUDGET-1 OK 10.00 0, BUDGET-2 OK 10.00 0, BUDGET-3 OK 5.00 0 = 0.00', 'of what is given, not of what would be');
SELECT counted();

-- third-party codes, issued by their use
SELECT give('third', 'TP', '{NULL,NULL,NULL}', '{"delivery": "THIRD_PARTY", "max_issued": 2}');
SELECT is(bill('{TP-1,TP-2,TP-3}', NULL, 100, 'X1'), 'TP-1 OTHER_COUPON_FAILED, TP-2 OTHER_COUPON_FAILED, TP-3 NOT_ISSUED', 'the cap of issues');
SELECT is(bill('{TP-3,TP-2}', NULL, 100, 'X1'), 'TP-3 OK 10.00 0, TP-2 OK 10.00 0 = 80.00', 'two are issued and used');
SELECT is((SELECT format('%s %s', issued, stock) FROM cms.offer_performance WHERE offer_id = o('third')), '2 1', 'counted as both');

-- common codes
SELECT make_offer('hello', '{"code_method": "COMMON", "common_code": "HELLO", "anyone_may_redeem": true, "max_uses_per_coupon": 2}');
SELECT make_offer('world', '{"code_method": "COMMON", "common_code": "WORLD", "anyone_may_redeem": true, "max_uses_per_coupon": 2, "max_uses_per_customer": 1}');
SELECT is(bill('{WORLD,TP-1,HELLO}', 'cem', 100, 'C1'), 'WORLD OTHER_COUPON_FAILED, TP-1 NOT_ISSUED, HELLO OTHER_COUPON_FAILED', 'refused beside common codes');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id IN (o('hello'), o('world'))), 0::bigint, 'of which no coupon comes into being');
SELECT is(bill('{WORLD,HELLO}', 'cem', 100, 'C1'), 'WORLD OK 10.00 1, HELLO OK 10.00 1 = 80.00', 'the first use of two common codes');
SELECT is(bill('{HELLO,WORLD}', 'cem', 100, 'C1'), 'HELLO OK replayed 10.00 1, WORLD OK replayed 10.00 1 = 80.00', 'again the same');
SELECT is(bill('{HELLO,WORLD}', 'cem', 100, 'C2'), 'HELLO OTHER_COUPON_FAILED, WORLD CUSTOMER_LIMIT', 'on another bill the limit is met');
SELECT is(bill('{HELLO,TP-3}', 'cem', 100, 'C2'), 'HELLO OTHER_COUPON_FAILED, TP-3 ALREADY_REDEEMED', 'a coupon that is there already');
SELECT is(bill('{HELLO}', NULL, 100, 'C1'), 'HELLO OK 10.00 1 = 90.00', 'nobody''s is another');
SELECT is(bill('{HELLO}', NULL, 100, 'C1'), 'HELLO OK replayed 10.00 1 = 90.00', 'known by its bill');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id IN (o('hello'), o('world'))), 3::bigint, 'three coupons came into being');
-- F20: the coupon that the use of one makes keeps another from being made
SELECT make_offer('moon', '{"code_method": "COMMON", "common_code": "MOON", "anyone_may_redeem": true}');
SELECT make_offer('sun', '{"code_method": "COMMON", "common_code": "SUN", "anyone_may_redeem": true}');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('sun'), o('moon'));
SELECT is(bill('{MOON,SUN}', 'dan', 100, 'E1'), 'MOON OTHER_COUPON_FAILED, SUN NOT_ISSUED', 'who receives one cannot receive the other');
SELECT is(bill('{SUN,MOON}', 'dan', 100, 'E1'), 'SUN OK 10.00 0, MOON OK 10.00 0 = 80.00', 'unless it comes first');
SELECT counted('and nothing was miscounted');

-- requests that do not know of each other may exceed the bill; whoever sends all codes takes nothing more from it
SELECT give('eighty', 'E', '{ann,ann,ann,ann,ann,ann}', '{"discount_value": 80, "max_discount_total": 400}');
SELECT is(alone('E-1', 'ann', 100, 'N1'), 'OK 80.00 20.00', 'one by itself');
SELECT is(alone('E-2', 'ann', 100, 'N1'), 'OK 80.00 20.00', 'and another');
SELECT is(bill('{E-1,E-2}', 'ann', 100, 'N1'), 'E-1 OK replayed 80.00 0, E-2 OK replayed 80.00 0 = 0.00', 'nothing is payable, never less');
SELECT is(bill('{E-1,E-2,E-3}', 'ann', 100, 'N1'), 'E-1 OK replayed 80.00 0, E-2 OK replayed 80.00 0, E-3 NO_ELIGIBLE_ITEM = 0.00', 'one more is not spent for a discount below nothing');
SELECT is(bill('{E-3,E-4}', 'ann', 100, 'N2'), 'E-3 OK 80.00 0, E-4 OK 20.00 0 = 0.00', 'two that take all');
SELECT is(bill('{E-3,E-5}', 'ann', 100, 'N2'), 'E-3 OK replayed 80.00 0, E-5 OK 20.00 0 = 0.00', 'one of them with a third');
SELECT is(bill('{E-6,E-3,E-4,E-5}', 'ann', 100, 'N2'), 'E-6 NO_ELIGIBLE_ITEM, E-3 OK replayed 80.00 0, E-4 OK replayed 20.00 0, E-5 OK replayed 20.00 0 = 0.00', 'all of them');
SELECT counted('and no discount is negative');

-- in one statement with what it depends on
SELECT make_offer('fresh');
SELECT is((SELECT string_agg(coalesce(r.reason, 'OK'), ' ') FROM cms_issue(o('fresh'), 'eve', 1, at => :t) i,
	cms_redeem_bill(ARRAY[i.code], 'eve', 100, 'Z1', at => :t) r), 'OK', 'a coupon issued by the same statement');
-- a place is looked up once, and a till that contradicts its store is an error
INSERT INTO cms.org_entity (entity_type, entity_id, name) VALUES ('STORE', 'S7', 'seven');
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id, name) VALUES ('TILL', 'T7', 'S7', 'till');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('nowhere'), 'STORE', 'S7');
SELECT is(bill('{NOWHERE-1,P-5}', 'ann', 100, 'Z2', NULL, 'T7'), 'NOWHERE-1 OK 10.00 0, P-5 OK 10.00 0 = 80.00', 'the till tells the store');
SELECT refused($$ SELECT cms_redeem_bill('{NOWHERE-1,P-6}', 'ann', 100, 'Z3', 'S8', 'T7') $$, 'MS010', 'till', 'and contradicts another');

-- refused attempts
UPDATE cms.org SET record_attempts = true WHERE name = 'Asia/Kolkata';
SELECT is(bill('{P-6,NOSUCH,T-1}', 'ann', 100, 'W1'), 'P-6 OTHER_COUPON_FAILED, NOSUCH CODE_NOT_FOUND, T-1 ALREADY_REDEEMED', 'a refused bill');
SELECT is(rows_of($$ SELECT action, code, reason, unknown_code, customer_id, bill_ref FROM cms.attempt ORDER BY attempt_id $$),
	'(REDEEM,P-6,OTHER_COUPON_FAILED,f,ann,W1) (REDEEM,NOSUCH,CODE_NOT_FOUND,t,ann,W1) (REDEEM,T-1,ALREADY_REDEEMED,f,ann,W1)', 'is recorded with each of its codes');
UPDATE cms.org SET max_failed_attempts = 3 WHERE name = 'Asia/Kolkata';
SELECT is(bill('{P-6,G-1,G-2,G-3,G-4,P-3,BOB-1,BOOKS-1}', 'ann', 100, 'W2'),
	'P-6 OTHER_COUPON_FAILED, G-1 CODE_NOT_FOUND, G-2 CODE_NOT_FOUND, G-3 TOO_MANY_ATTEMPTS, G-4 TOO_MANY_ATTEMPTS, P-3 TOO_MANY_ATTEMPTS, BOB-1 TOO_MANY_ATTEMPTS, BOOKS-1 TOO_MANY_ATTEMPTS',
	'many codes at once are no way to try more than are allowed: nothing is told of those that follow');
SELECT is((SELECT count(*) FROM cms_redeem_bill('{P-6,G-3,BOOKS-1}', 'ann', 100, 'W2', at => :t) WHERE reason = 'TOO_MANY_ATTEMPTS'
	AND next_allowed_at > now() AND offer_id IS NULL AND coupon_id IS NULL), 3::bigint, 'but when to try again');
SELECT is(bill('{P-6}', 'ann', 100, 'W2'), 'P-6 TOO_MANY_ATTEMPTS', 'nor by any other call');
SELECT is(bill('{P-1,T-1}', 'ann', 200, 'B1', 'S1', 'T9'), 'P-1 OK replayed 20.00 0, T-1 OK replayed 10.00 0 = 170.00', 'what the bill has is still told');
UPDATE cms.org SET max_failed_attempts = NULL, uniform_refusals = true WHERE name = 'Asia/Kolkata';
SELECT is(bill('{BOB-1,REVOKED-1,STOCK-1,NOSUCH,P-6,P-3}', 'ann', 100, 'W3'),
	'BOB-1 CODE_NOT_FOUND, REVOKED-1 CODE_NOT_FOUND, STOCK-1 CODE_NOT_FOUND, NOSUCH CODE_NOT_FOUND, P-6 OTHER_COUPON_FAILED, P-3 ALREADY_REDEEMED', 'refusals are uniform where they are to be');
SELECT is(bill('{P-6,NOSUCH}', NULL, 100, 'W3'), 'P-6 CODE_NOT_FOUND, NOSUCH CODE_NOT_FOUND', 'also where the customer is missing');
UPDATE cms.org SET uniform_refusals = false WHERE name = 'Asia/Kolkata';
SELECT is(bill('{P-6}', 'ann', 100, 'W3'), 'P-6 OK 10.00 0 = 90.00', 'the coupon was good all the time');

SELECT * FROM finish();
ROLLBACK;
