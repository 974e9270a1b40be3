-- F16: codes that a third party hands out are redeemable without having been issued.
BEGIN;
SELECT plan(43);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

SELECT make_offer('third', '{"code_method": "UPLOADED", "delivery": "THIRD_PARTY", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('third'), '{TP-1,TP-2,TP-3,TP-4}', at => '2025-11-01 Asia/Kolkata') WHERE loaded), 4::bigint, 'codes are handed out');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('third'), '{TP-5}', '{ann}', at => :t) WHERE loaded), 1::bigint, 'one to ann');
SELECT is((SELECT stock FROM cms.offer_performance WHERE offer_id = o('third')), 4::bigint, 'four in stock');
SELECT is(use_of('tp-1', 'bob', :t), 'OK', 'whoever brings one may use it');
SELECT is(rows_of($$ SELECT customer_id, issued_at AT TIME ZONE 'Asia/Kolkata', expires_at AT TIME ZONE 'Asia/Kolkata', uses FROM cms.coupon WHERE code = 'TP-1' $$),
	'(,"2025-11-12 11:00:00","2025-11-13 00:00:00",1)', 'the first use counts as its issue, to nobody in particular');
SELECT is(rows_of($$ SELECT issued, stock, uses FROM cms.offer_performance WHERE offer_id = o('third') $$), '(2,3,1)', 'and is counted as one');
SELECT is(use_of('tp-1', 'bob', :t), 'ALREADY_REDEEMED', 'once');
SELECT is(use_of('tp-2', NULL, :t), 'OK', 'also by somebody without a name');
SELECT is(use_of('tp-5', 'ann', :t), 'OK', 'ann uses hers');
SELECT counted();

-- a code with a holder is the holder's
SELECT is((SELECT count(*) FROM cms_upload_codes(o('third'), '{TP-6}', '{ann}', at => :t) WHERE loaded), 1::bigint, 'another one of ann');
SELECT is(use_of('tp-6', 'bob', :t), 'NOT_THE_HOLDER', 'is not for bob');

-- the platform's own codes have to be issued
SELECT make_offer('internal', '{"code_method": "UPLOADED", "anyone_may_redeem": true}');
SELECT is((SELECT loaded FROM cms_upload_codes(o('internal'), '{IN-1}', at => :t)), true, 'a code of an offer that anyone may redeem');
SELECT is(use_of('in-1', 'ann', :t), 'NOT_ISSUED', 'cannot be used before it is issued');
SELECT alter_offer('internal', 'delivery', 'THIRD_PARTY');
SELECT is(use_of('in-1', 'ann', :t), 'OK', 'unless its delivery is changed');
SELECT make_offer('generated', '{"delivery": "THIRD_PARTY"}');
SELECT is(cms_generate_codes(o('generated'), 2, :t), 2::bigint, 'codes made for a third party');
SELECT is(use_of(code, 'ann', :t), 'OK', 'are used by anyone') FROM cms.coupon WHERE offer_id = o('generated');
SELECT counted();

SELECT make_offer('word', '{"code_method": "COMMON", "common_code": "WORD", "delivery": "THIRD_PARTY"}');
SELECT is(use_of('word', 'ann', :t), 'OK', 'a common code is used by whoever brings it');
SELECT is(use_of('word', 'bob', :t), 'OK', 'and by the next');
SELECT is(use_of('word', NULL, :t), 'OK', 'also by somebody without a name');
SELECT counted();

-- several uses
SELECT make_offer('twice', '{"code_method": "UPLOADED", "delivery": "THIRD_PARTY", "max_uses_per_coupon": 2}');
SELECT is((SELECT loaded FROM cms_upload_codes(o('twice'), '{TW-1}', at => :t)), true, 'a code of two uses');
SELECT is(use_of('tw-1', 'ann', :t), 'OK', 'is used by ann');
SELECT is(use_of('tw-1', 'bob', :t), 'OK', 'and by bob');
SELECT is(rows_of($$ SELECT issued, stock, redeemed, uses FROM cms.offer_performance WHERE offer_id = o('twice') $$), '(1,0,1,2)', 'one coupon, two uses');
SELECT counted();

-- limits per customer on issue do not apply, the cap does
SELECT make_offer('limits', '{"delivery": "THIRD_PARTY", "max_issued_per_customer": 1, "min_days_between_issues": 5, "max_issued": 3}');
SELECT is(issue_of('limits', 'ann', :t, 2), 'OK OK', 'more than one to a customer');
SELECT is(cms_generate_codes(o('limits'), 2, :t), 2::bigint, 'two in stock');
SELECT is(use_of(code, 'bob', :t), 'OK', 'the third coupon') FROM (SELECT code FROM cms.coupon WHERE offer_id = o('limits') AND issued_at IS NULL ORDER BY coupon_id LIMIT 1) c;
SELECT isnt(use_of(code, 'bob', :t), 'OK', 'a fourth would be more than the offer may issue') FROM cms.coupon WHERE offer_id = o('limits') AND issued_at IS NULL;
SELECT is((SELECT issued FROM cms.offer_performance WHERE offer_id = o('limits')), 3::bigint, 'three are issued');
SELECT counted();

-- revoked stock, and refusals, issue nothing
SELECT is((SELECT revoked_unissued FROM cms_revoke(o('third'), 'CODES', codes => '{TP-3}', confirm => true, at => :t)), 1::bigint, 'a code is revoked');
SELECT is(use_of('tp-3', 'ann', :t), 'COUPON_REVOKED', 'and cannot be used');
SELECT alter_offer('third', 'min_bill', '500');
SELECT is(use_of('tp-4', 'ann', :t), 'BILL_TOO_SMALL', 'a refused use');
SELECT is((SELECT issued_at FROM cms.coupon WHERE code = 'TP-4'), NULL, 'is no issue');
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption r JOIN cms.coupon c USING (coupon_id) WHERE c.code = 'TP-1'), at => :t)), true, 'a use is taken back');
SELECT is(rows_of($$ SELECT issued_at IS NOT NULL, uses FROM cms.coupon WHERE code = 'TP-1' $$), '(t,0)', 'its coupon stays issued');
SELECT is(use_of('tp-1', 'cid', :t, 500), 'OK', 'and is used by somebody else');
SELECT offer_refused('{"delivery": "PIGEON"}', 'delivery', 'an unknown delivery');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
