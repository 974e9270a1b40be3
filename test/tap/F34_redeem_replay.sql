-- F34: the reference of the bill: repeated calls, conflicts, and what is recorded.
BEGIN;
SELECT plan(68);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- "reason replayed redemption discount payable uses_left", the redemption as "first" or "other"
CREATE FUNCTION answer(code text, customer text, amount numeric, bill text, store text DEFAULT NULL, till text DEFAULT NULL,
	items jsonb DEFAULT NULL, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'replayed' END, r.discount, r.payable, r.uses_left)
	FROM cms_redeem(code, customer, amount, bill, store, till, items, at => at) r
$$;

-- a reference is needed
SELECT make_offer('three', '{"max_uses_per_coupon": 3, "discount_type": "PERCENTAGE", "discount_value": 10}');
SELECT is(issue_of('three', 'ann', :t), 'OK', 'a coupon');
SELECT code_of('three', 'ann') AS code \gset
SELECT is(answer(:'code', 'ann', 100, bill), 'BILL_REFERENCE_REQUIRED', 'no reference: ' || coalesce(quote_literal(bill), 'NULL')) FROM unnest(ARRAY[NULL, '', '   ']) bill;
SELECT is(answer('NOSUCH', 'ann', 100, NULL), 'BILL_REFERENCE_REQUIRED', 'which comes before the code');
SELECT is((SELECT count(*) FROM cms.redemption), 0::bigint, 'and nothing is recorded');

-- the same again is the same
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T1'), 'OK 20.00 180.00 2', 'a redemption');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T1'), 'OK replayed 20.00 180.00 2', 'again: the first answer');
SELECT is(answer(:'code', 'ann', 200.00, 'B1', 'S1', 'T1'), 'OK replayed 20.00 180.00 2', '200 and 200.00 are the same amount');
SELECT is(answer(lower(:'code') || ' ', 'ann', 200, 'B1', 'S1', 'T1'), 'OK replayed 20.00 180.00 2', 'as the code is the same in small letters');
SELECT is(answer(:'code', 'ann', 100, 'B2'), 'OK 10.00 90.00 1', 'another bill is another use');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T1'), 'OK replayed 20.00 180.00 2', 'the first answer stays what it was');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T1', '[{"amount": 200}]'), 'OK replayed 20.00 180.00 2', 'lines are not part of it');
SELECT is((SELECT redemption_id FROM cms_redeem(:'code', 'ann', 200, 'B1', 'S1', 'T1', at => :t)), (SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'B1'), 'it is the same redemption');
SELECT is((SELECT redeemed FROM cms_redeem(:'code', 'ann', 200, 'B1', 'S1', 'T1', at => :t)), true, 'and redeemed');
SELECT is((SELECT count(*) FROM cms.redemption), 2::bigint, 'two redemptions');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T1', at => '2026-11-12 Asia/Kolkata'), 'OK replayed 20.00 180.00 2', 'whenever it is asked');
SELECT alter_offer('three', 'discount_value', '50');
SELECT alter_offer('three', 'max_redemptions', '0');
SELECT alter_offer('three', 'status', 'ARCHIVED');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T1'), 'OK replayed 20.00 180.00 2', 'whatever has changed');
SELECT alter_offer('three', 'max_redemptions', NULL);
SELECT alter_offer('three', 'discount_value', '10');
SELECT is(answer(:'code', 'ann', 100, 'b1'), 'OK 10.00 90.00 0', 'references are compared exactly');
SELECT is(answer(:'code', 'ann', 100, 'B4'), 'COUPON_LIMIT', 'and replays were no uses');
SELECT counted();

-- another request for the same bill is a conflict
SELECT is(answer(:'code', 'bob', 200, 'B1', 'S1', 'T1'), 'BILL_CONFLICT', 'another customer');
SELECT is(answer(:'code', 'ann', 200.01, 'B1', 'S1', 'T1'), 'BILL_CONFLICT', 'another amount');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S2', 'T1'), 'BILL_CONFLICT', 'another store');
SELECT is(answer(:'code', 'ann', 200, 'B1', NULL, 'T1'), 'BILL_CONFLICT', 'no store');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', 'T2'), 'BILL_CONFLICT', 'another till');
SELECT is(answer(:'code', 'ann', 200, 'B1', 'S1', NULL), 'BILL_CONFLICT', 'no till');
SELECT is(answer(:'code', 'ann', 100, 'B2', 'S1'), 'BILL_CONFLICT', 'a store where none was');
SELECT is((SELECT redeemed FROM cms_redeem(:'code', 'bob', 200, 'B1', 'S1', 'T1', at => :t)), false, 'a conflict is not redeemed');

-- several coupons on one bill
SELECT make_offer('second');
SELECT is(issue_of('second', 'ann', :t), 'OK', 'another coupon of ann');
SELECT is(issue_of('second', 'bob', :t), 'OK', 'and one of bob');
SELECT is(answer(code_of('second', 'ann'), 'ann', 200, 'B1', 'S1', 'T1'), 'OK 10.00 190.00 0', 'on the same bill is a use of its own');
SELECT is(answer(code_of('second', 'bob'), 'bob', 300, 'B1'), 'OK 10.00 290.00 0', 'bob''s too, and it binds only its coupon');

-- a refusal binds nothing
SELECT make_offer('small', '{"min_bill": 100}');
SELECT is(issue_of('small', 'ann', :t), 'OK', 'a coupon for bills from 100');
SELECT is(answer(code_of('small', 'ann'), 'ann', 50, 'R1', 'S1'), 'BILL_TOO_SMALL', 'a bill of 50 is refused');
SELECT is(answer(code_of('small', 'ann'), 'bob', 150, 'R1'), 'NOT_THE_HOLDER', 'bob is refused');
SELECT is(answer(code_of('small', 'ann'), 'ann', 150, 'R1', 'S2'), 'OK 10.00 140.00 0', 'with the same reference a bill of 150 is not');
SELECT is(answer(code_of('small', 'ann'), 'ann', 50, 'R1', 'S1'), 'BILL_CONFLICT', 'from now on it is bound');

-- after a reversal
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'R1'), at => :t)), true, 'the redemption is reversed');
SELECT is(answer(code_of('small', 'ann'), 'ann', 150, 'R1', 'S2'), 'ALREADY_REVERSED', 'the same reference cannot be used again');
SELECT is(answer(code_of('small', 'ann'), 'ann', 200, 'R1', 'S2'), 'ALREADY_REVERSED', 'nor with another amount');
SELECT is(answer(code_of('small', 'ann'), 'bob', 150, 'R1', 'S2'), 'ALREADY_REVERSED', 'nor by another customer');
SELECT is((SELECT redeemed FROM cms_redeem(code_of('small', 'ann'), 'ann', 150, 'R1', 'S2', at => :t)), false, 'and is not redeemed');
SELECT is(answer(code_of('small', 'ann'), 'ann', 150, 'R2'), 'OK 10.00 140.00 0', 'another one can');

-- common codes
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true, "max_uses_per_coupon": 2}');
SELECT is(answer('ALL', 'ann', 100, 'C1'), 'OK 10.00 90.00 1', 'ann uses a common code');
SELECT is(answer('ALL', 'ann', 100, 'C1'), 'OK replayed 10.00 90.00 1', 'again the same');
SELECT is(answer('ALL', 'ann', 101, 'C1'), 'BILL_CONFLICT', 'with another amount a conflict');
SELECT is(answer('ALL', 'bob', 100, 'C1'), 'OK 10.00 90.00 1', 'bob''s is another coupon');
SELECT is(answer('ALL', NULL, 100, 'C1'), 'OK 10.00 90.00 1', 'and so is nobody''s');
SELECT is(answer('ALL', NULL, 100, 'C1'), 'OK replayed 10.00 90.00 1', 'which is known by its bill');
SELECT is(answer('ALL', NULL, 101, 'C1'), 'BILL_CONFLICT', 'and conflicts by it');
SELECT is(answer('ALL', NULL, 100, 'C2'), 'OK 10.00 90.00 1', 'another bill is another use');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('common')), 4::bigint, 'four coupons came into being');

-- third-party codes
SELECT make_offer('third', '{"code_method": "UPLOADED", "delivery": "THIRD_PARTY"}');
SELECT is((SELECT loaded FROM cms_upload_codes(o('third'), '{TP-1}', at => :t)), true, 'a code handed out by a third party');
SELECT is(answer('TP-1', 'ann', 100, 'D1'), 'OK 10.00 90.00 0', 'is used');
SELECT is(answer('TP-1', 'ann', 100, 'D1'), 'OK replayed 10.00 90.00 0', 'again the same');
SELECT is(answer('TP-1', 'ann', 100, 'D2'), 'ALREADY_REDEEMED', 'on another bill it is used up');

-- lines without an amount
SELECT make_offer('lines', '{"max_uses_per_coupon": 2}');
SELECT is(issue_of('lines', 'ann', :t), 'OK', 'a coupon');
SELECT is(answer(code_of('lines', 'ann'), 'ann', NULL, 'L1', items => '[{"amount": 60}, {"amount": 40}]'), 'OK 10.00 90.00 1', 'a bill of lines');
SELECT is(answer(code_of('lines', 'ann'), 'ann', NULL, 'L1', items => '[{"amount": 100}]'), 'OK replayed 10.00 90.00 1', 'is known by its sum');
SELECT is(answer(code_of('lines', 'ann'), 'ann', 100, 'L1'), 'OK replayed 10.00 90.00 1', 'also as an amount');
SELECT is(answer(code_of('lines', 'ann'), 'ann', NULL, 'L1', items => '[{"amount": 60}]'), 'BILL_CONFLICT', 'another sum is a conflict');

-- a revoked coupon's bill is still known
SELECT is((SELECT revoked_issued FROM cms_revoke(o('lines'), 'CUSTOMERS', '{ann}', confirm => true, at => :t)), 1::bigint, 'the coupon is revoked');
SELECT is(answer(code_of('lines', 'ann'), 'ann', 100, 'L1'), 'OK replayed 10.00 90.00 1', 'the bill that redeemed it has');
SELECT is(answer(code_of('lines', 'ann'), 'ann', 100, 'L2'), 'COUPON_REVOKED', 'another cannot');

-- what is recorded
SELECT is(rows_of($$ SELECT customer_id, bill_amount, eligible_amount, discount, store_id, till_id, redeemed_at AT TIME ZONE 'Asia/Kolkata',
		recorded_at BETWEEN now() AND clock_timestamp(), recorded_by, uses_left, reversed_at, use_returned
	FROM cms.redemption WHERE bill_ref = 'B1' AND offer_id = o('three') $$),
	format('(ann,200,200,20.00,S1,T1,"2025-11-12 11:00:00",t,%s,2,,)', current_user), 'a redemption has all of the request, and who recorded it when');
SELECT is((SELECT last_redeemed_at FROM cms.coupon WHERE code = :'code'), :t::timestamptz, 'the coupon knows its last use');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
