-- F37: a redemption is taken back, once; what it took comes back together, or not at all.
BEGIN;
SELECT plan(71);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION redemption_of(bill text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT redemption_id FROM cms.redemption WHERE bill_ref = bill $$;
-- "OK returned", "OK", or the reason
CREATE FUNCTION reversal_of(bill text, at timestamptz, note text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(r.reason, 'OK') || CASE WHEN r.reason IS NULL AND r.use_returned THEN ' returned' ELSE '' END
		|| CASE WHEN r.reversed = (r.reason IS NULL) AND (r.reason IS NULL) = (r.message IS NULL) THEN '' ELSE ' inconsistent' END
	FROM cms_reverse(redemption_of(bill), note, at => at) r
$$;

-- everything comes back: coupon, customer's allowance, cap and budget
SELECT make_offer('back', '{"max_uses_per_customer": 1, "max_redemptions": 1, "max_discount_total": 10}');
SELECT is(issue_of('back', 'ann', :t), 'OK', 'a coupon that is the last of everything');
SELECT is(use_of(code_of('back', 'ann'), 'ann', :t, bill => 'B1'), 'OK', 'is redeemed');
SELECT is(reasons_of(code_of('back', 'ann'), 'ann', :t), 'ALREADY_REDEEMED CUSTOMER_LIMIT OFFER_LIMIT BUDGET_SPENT', 'everything is used up');
SELECT is(reversal_of('B1', '2025-11-12 12:00 Asia/Kolkata', 'wrong size'), 'OK returned', 'it is taken back');
SELECT counted();
SELECT is(reasons_of(code_of('back', 'ann'), 'ann', :t), '', 'and nothing is used up any more');
SELECT is(rows_of($$ SELECT redeemed, uses, redemptions_left, budget_left FROM cms.offer_performance WHERE offer_id = o('back') $$), '(0,0,1,10.00)', 'nor in the report');
SELECT is(rows_of($$ SELECT discount, reversed_at AT TIME ZONE 'Asia/Kolkata', reversed_by = current_user, reversal_note, use_returned FROM cms.redemption WHERE bill_ref = 'B1' $$),
	'(10.00,"2025-11-12 12:00:00",t,"wrong size",t)', 'its row stays, with who took it back, when and why');
SELECT is(reversal_of('B1', '2025-11-12 12:00 Asia/Kolkata'), 'ALREADY_REVERSED', 'once');
SELECT is((SELECT use_returned FROM cms_reverse(redemption_of('B1'), at => :t)), true, 'a second answer still tells whether the use came back');
SELECT is(rows_of($$ SELECT reversed_at AT TIME ZONE 'Asia/Kolkata', reversal_note FROM cms.redemption WHERE bill_ref = 'B1' $$), '("2025-11-12 12:00:00","wrong size")', 'and changes nothing');
SELECT is(use_of(code_of('back', 'ann'), 'ann', :t, bill => 'B2'), 'OK', 'it can be redeemed on another bill');
SELECT is(use_of(code_of('back', 'ann'), 'ann', :t), 'ALREADY_REDEEMED', 'and is used up again');
SELECT is(reversal_of('B2', :t), 'OK returned', 'which can be taken back too');
SELECT is((SELECT count(*) FROM cms.redemption WHERE offer_id = o('back') AND reversed_at IS NOT NULL), 2::bigint, 'two reversed redemptions are kept');
SELECT counted();

-- nothing comes back
SELECT make_offer('gone', '{"max_uses_per_coupon": 3, "max_uses_per_customer": 2, "max_redemptions": 4, "max_discount_total": 40, "reversal_restores_use": false}');
SELECT is(issue_of('gone', 'ann', :t), 'OK', 'a coupon whose uses do not come back');
SELECT is(issue_of('gone', 'bob', :t), 'OK', 'and another');
SELECT is(use_of(code_of('gone', 'ann'), 'ann', :t, bill => 'G1'), 'OK', 'is redeemed');
SELECT is(reversal_of('G1', :t), 'OK', 'and taken back, the use is not returned');
SELECT is(rows_of($$ SELECT redeemed, uses, discount_given, redemptions_left, budget_left FROM cms.offer_performance WHERE offer_id = o('gone') $$), '(0,0,0.00,3,30.00)', 'nothing is redeemed, but cap and budget are less');
SELECT is((SELECT uses_left FROM cms_check(code_of('gone', 'ann'), 'ann', 100, at => :t)), 1, 'and so is the coupon');
SELECT is(use_of(code_of('gone', 'ann'), 'ann', :t, bill => 'G2'), 'OK', 'one more');
SELECT is(use_of(code_of('gone', 'ann'), 'ann', :t), 'CUSTOMER_LIMIT', 'and the customer has no use left');
SELECT is(reversal_of('G2', :t), 'OK', 'also taken back');
SELECT is(use_of(code_of('gone', 'ann'), 'ann', :t), 'CUSTOMER_LIMIT', 'still none');
SELECT alter_offer('gone', 'max_uses_per_customer', NULL);
SELECT is(use_of(code_of('gone', 'ann'), 'ann', :t), 'OK', 'the coupon''s last use');
SELECT is(use_of(code_of('gone', 'ann'), 'ann', :t), 'COUPON_LIMIT', 'no fourth');
SELECT is(use_of(code_of('gone', 'bob'), 'bob', :t), 'OK', 'the offer''s last');
SELECT is(reasons_of(code_of('gone', 'bob'), 'bob', :t), 'OFFER_LIMIT BUDGET_SPENT', 'no fifth');
SELECT is((SELECT state FROM cms.coupon_status WHERE code = code_of('gone', 'ann')), 'REDEEMED', 'the report says so');
SELECT counted();
-- what was decided at the reversal stays
SELECT alter_offer('gone', 'reversal_restores_use', 'true');
SELECT is(reasons_of(code_of('gone', 'bob'), 'bob', :t), 'OFFER_LIMIT BUDGET_SPENT', 'a changed setting is for later reversals');
SELECT counted();

-- several uses of one coupon
SELECT make_offer('several', '{"max_uses_per_coupon": 2}');
SELECT is(issue_of('several', 'ann', :t), 'OK', 'a coupon of two uses');
SELECT is(use_of(code_of('several', 'ann'), 'ann', :t, 50, bill => 'S1'), 'OK', 'the first');
SELECT is(use_of(code_of('several', 'ann'), 'ann', :t, 5, bill => 'S2'), 'OK', 'the second, of 5 only');
SELECT is(reversal_of('S1', :t), 'OK returned', 'the first is taken back');
SELECT is(rows_of($$ SELECT redeemed, uses, discount_given FROM cms.offer_performance WHERE offer_id = o('several') $$), '(1,1,5.00)', 'the coupon is still redeemed');
SELECT is(reversal_of('S2', :t), 'OK returned', 'the second too');
SELECT is(rows_of($$ SELECT redeemed, uses, discount_given FROM cms.offer_performance WHERE offer_id = o('several') $$), '(0,0,0.00)', 'and it is not');
SELECT counted();

-- a coupon that came into being by its first use stays issued
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true}');
SELECT is(use_of('all', 'ann', :t, bill => 'C1'), 'OK', 'a common code');
SELECT is(reversal_of('C1', :t), 'OK returned', 'is taken back');
SELECT is(rows_of($$ SELECT issued, redeemed, uses FROM cms.offer_performance WHERE offer_id = o('common') $$), '(1,0,0)', 'the coupon remains');
SELECT is(use_of('all', 'ann', :t), 'OK', 'and is used again');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('common')), 1::bigint, 'the same');

-- revoked and expired coupons
SELECT make_offer('revoked', '{"max_uses_per_coupon": 2}');
SELECT is(issue_of('revoked', 'ann', :t), 'OK', 'a coupon');
SELECT is(use_of(code_of('revoked', 'ann'), 'ann', :t, bill => 'R1'), 'OK', 'is used');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'CUSTOMERS', '{ann}', confirm => true, at => :t)), 1::bigint, 'and revoked');
SELECT is(reversal_of('R1', :t), 'COUPON_REVOKED', 'the use of a revoked coupon stays');
SELECT make_offer('days 0', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}');
SELECT is(issue_of('days 0', 'ann', :t), 'OK', 'a coupon for today');
SELECT is(use_of(code_of('days 0', 'ann'), 'ann', :t, bill => 'D1'), 'OK', 'is used');
SELECT is(reversal_of('D1', '2025-11-13 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'tomorrow it cannot be taken back');
SELECT is(reversal_of('D1', '2025-11-12 23:59:59.999999 Asia/Kolkata'), 'OK returned', 'today it can');
SELECT make_offer('ending', '{"expires_on": "2025-11-12"}');
SELECT is(issue_of('ending', 'ann', :t), 'OK', 'a coupon of an offer that ends today');
SELECT is(use_of(code_of('ending', 'ann'), 'ann', :t, bill => 'E1'), 'OK', 'is used');
SELECT is(reversal_of('E1', '2025-11-13 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'after the offer it cannot be taken back');
SELECT alter_offer('ending', 'outlives_offer', 'true');
SELECT is(reversal_of('E1', '2025-11-13 00:00 Asia/Kolkata'), 'OK returned', 'unless it outlives the offer');
SELECT alter_offer('days 0', 'status', 'ARCHIVED');
SELECT is(use_of(code_of('days 0', 'ann'), 'ann', :t, bill => 'D2'), 'OK', 'of an archived offer');
SELECT is(reversal_of('D2', :t), 'OK returned', 'a use can be taken back too');
SELECT counted();

-- bad input
SELECT refused($$ SELECT * FROM cms_reverse(-1, at => '2025-11-12 UTC') $$, 'MS009', '-1', 'an unknown redemption');
SELECT refused($$ SELECT * FROM cms_reverse(9223372036854775807, at => '2025-11-12 UTC') $$, 'MS009', '9223372036854775807', 'a large number');
SELECT refused($$ SELECT * FROM cms_reverse(NULL, at => '2025-11-12 UTC') $$, '22004', 'redemption_id', 'no redemption');
SELECT refused($$ SELECT * FROM cms_reverse(1, at => NULL) $$, '22004', '"?at"?', 'no time');
SELECT refused($$ SELECT * FROM cms_reverse(1, at => 'infinity') $$, '22023', '"?at"?', 'an infinite time');
SELECT play_org('UTC');
SELECT refused(format('SELECT * FROM cms_reverse(%s, at => ''2025-11-12 UTC'')', redemption_of('R1')), 'MS009', 'redemption', 'another org''s redemption is unknown');
-- dated before the redemption: it counts from then on, so that what has expired since does not come back
SELECT make_offer('dated', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 1}');
DO $$ BEGIN
	PERFORM issue_of('dated', 'ann', '2025-11-12 10:00 UTC');
	PERFORM use_of(code_of('dated', 'ann'), 'ann', '2025-11-13 10:00 UTC');
END $$;
SELECT is((SELECT v.reversed FROM cms.redemption r, cms_reverse(r.redemption_id, at => '2020-01-01 UTC') v WHERE r.offer_id = o('dated')), true, 'an earlier time is taken');
SELECT is(reversed_at, redeemed_at, 'as that of the redemption') FROM cms.redemption WHERE offer_id = o('dated');

SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
