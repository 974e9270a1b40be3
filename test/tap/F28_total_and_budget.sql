-- F28: redemptions of an offer in all, and the discount it gives in all.
BEGIN;
SELECT plan(63);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- redemptions in all
SELECT make_offer('two', '{"max_redemptions": 2}');
SELECT is(string_agg(reason, ' '), NULL, 'four customers have a coupon') FROM cms_issue_many(o('two'), '{ann,bob,cid,dee}', at => :t);
SELECT is((SELECT redemptions_left FROM cms.offer_performance WHERE offer_id = o('two')), 2::bigint, 'two redemptions left');
SELECT is(use_of(code_of('two', 'ann'), 'ann', :t), 'OK', 'the first');
SELECT is(use_of(code_of('two', 'bob'), 'bob', :t), 'OK', 'the second');
SELECT is(use_of(code_of('two', 'cid'), 'cid', :t), 'OFFER_LIMIT', 'no third');
SELECT is((SELECT redemptions_left FROM cms.offer_performance WHERE offer_id = o('two')), 0::bigint, 'none left');
SELECT lives_ok($$ SELECT alter_offer('two', 'max_redemptions', '1') $$, 'the cap may drop below what is redeemed');
SELECT is((SELECT redemptions_left FROM cms.offer_performance WHERE offer_id = o('two')), 0::bigint, 'what is left is then 0, never negative');
SELECT is(use_of(code_of('two', 'cid'), 'cid', :t), 'OFFER_LIMIT', 'still none');
SELECT alter_offer('two', 'max_redemptions', '3');
SELECT is(use_of(code_of('two', 'cid'), 'cid', :t), 'OK', 'a raised cap allows a third');
SELECT is(use_of(code_of('two', 'dee'), 'dee', :t), 'OFFER_LIMIT', 'no fourth');
SELECT alter_offer('two', 'max_redemptions', NULL);
SELECT is(use_of(code_of('two', 'dee'), 'dee', :t), 'OK', 'without a cap a fourth');
SELECT is((SELECT redemptions_left FROM cms.offer_performance WHERE offer_id = o('two')), NULL, 'and no number left');
SELECT make_offer('zero', '{"max_redemptions": 0}');
SELECT is(issue_of('zero', 'ann', :t), 'OK', 'a coupon');
SELECT is(use_of(code_of('zero', 'ann'), 'ann', :t), 'OFFER_LIMIT', '0 means none');
SELECT is((SELECT message FROM cms_check(code_of('zero', 'ann'), 'ann', 100, at => :t)), 'The offer does not let its coupons be redeemed.', 'in a sentence');
-- a cap that comes when there are uses already
SELECT make_offer('late cap', '{"max_uses_per_coupon": null}');
SELECT is(issue_of('late cap', 'ann', :t), 'OK', 'a coupon without limits');
SELECT is(use_of(code_of('late cap', 'ann'), 'ann', :t), 'OK', 'is used') FROM generate_series(1, 3);
SELECT alter_offer('late cap', 'max_redemptions', '4');
SELECT is(use_of(code_of('late cap', 'ann'), 'ann', :t), 'OK', 'the cap counts what was before: one more');
SELECT is(use_of(code_of('late cap', 'ann'), 'ann', :t), 'OFFER_LIMIT', 'not two');
SELECT counted();

-- a budget
SELECT make_offer('hundred', '{"discount_type": "PERCENTAGE", "discount_value": 10, "max_discount_total": 100, "max_uses_per_coupon": null}');
SELECT is(issue_of('hundred', 'ann', :t), 'OK', 'a coupon of an offer with a budget of 100');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 500), 'OK', 'gives 50');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 400), 'OK', 'gives 40');
SELECT is((SELECT budget_left FROM cms.offer_performance WHERE offer_id = o('hundred')), 10.0, '10 left');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 200), 'BUDGET_SPENT', '20 is more than is left, and nothing is given in part');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 100.04), 'OK', '10.004 is rounded to 10.00, exactly what is left');
SELECT is((SELECT budget_left FROM cms.offer_performance WHERE offer_id = o('hundred')), 0.0, 'nothing left');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 0.1), 'BUDGET_SPENT', 'not even a cent');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 0), 'OK', 'a discount of 0 costs nothing');
SELECT lives_ok($$ SELECT alter_offer('hundred', 'max_discount_total', '50') $$, 'the budget may drop below what is given');
SELECT is((SELECT budget_left FROM cms.offer_performance WHERE offer_id = o('hundred')), 0.0, 'what is left is then 0, never negative');
SELECT alter_offer('hundred', 'max_discount_total', '100.01');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 0.1), 'OK', 'a cent more is a cent more');
SELECT is(use_of(code_of('hundred', 'ann'), 'ann', :t, 0.1), 'BUDGET_SPENT', 'and not two');
SELECT is((SELECT discount_given FROM cms.offer_performance WHERE offer_id = o('hundred')), 100.01, 'given in all');
SELECT make_offer('nothing', '{"max_discount_total": 0}');
SELECT is(issue_of('nothing', 'ann', :t), 'OK', 'a coupon without budget');
SELECT is(use_of(code_of('nothing', 'ann'), 'ann', :t), 'BUDGET_SPENT', '0 means none');
SELECT is((SELECT message FROM cms_check(code_of('nothing', 'ann'), 'ann', 100, at => :t)), 'The offer has no budget.', 'in a sentence');
SELECT is((SELECT reason FROM cms_check(code_of('nothing', 'ann'), 'ann', at => :t)), NULL, 'without a bill the rules about it are left out');
SELECT counted();

-- both
SELECT make_offer('both', '{"max_redemptions": 1, "max_discount_total": 10, "max_uses_per_coupon": null}');
SELECT is(issue_of('both', 'ann', :t), 'OK', 'a coupon with both');
SELECT is(use_of(code_of('both', 'ann'), 'ann', :t), 'OK', 'uses both up');
SELECT is(reasons_of(code_of('both', 'ann'), 'ann', :t), 'OFFER_LIMIT BUDGET_SPENT', 'both are told');
SELECT is(use_of(code_of('both', 'ann'), 'ann', :t), 'OFFER_LIMIT', 'the first is given');
SELECT alter_offer('both', 'max_redemptions', '2');
SELECT is(use_of(code_of('both', 'ann'), 'ann', :t), 'BUDGET_SPENT', 'then the second');

-- what was given by far exceeds both the budget and the discount of today
SELECT make_offer('vast', '{"discount_value": 1e30, "max_discount_total": 1e31, "max_uses_per_coupon": null}');
SELECT is(issue_of('vast', 'ann', :t), 'OK', 'a coupon of an offer in a very small currency');
SELECT is(use_of(code_of('vast', 'ann'), 'ann', :t, 1e30), 'OK', 'is used');
SELECT alter_offer('vast', 'discount_value', '0.01');
SELECT alter_offer('vast', 'max_discount_total', '1');
SELECT is(use_of(code_of('vast', 'ann'), 'ann', :t), 'BUDGET_SPENT', 'its budget is spent many times over');
SELECT is(reasons_of(code_of('vast', 'ann'), 'ann', :t), 'BUDGET_SPENT', 'as a check tells');

-- a common code's uses are counted too, also those that make the coupon
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true, "max_redemptions": 2}');
SELECT is(use_of('all', 'ann', :t), 'OK', 'the first of a common code');
SELECT is(use_of('all', NULL, :t), 'OK', 'the second');
SELECT is(use_of('all', 'cid', :t), 'OFFER_LIMIT', 'no third');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('common')), 2::bigint, 'a refusal leaves no coupon behind');
SELECT counted();

-- settings
SELECT offer_refused('{"max_redemptions": -1}', 'max_redemptions', 'a negative cap is refused');
SELECT offer_refused(jsonb_build_object('max_discount_total', budget), 'max_discount_total', 'a budget of ' || budget)
FROM unnest(ARRAY['-0.01', 'NaN', 'Infinity', '-Infinity']) budget;
SELECT refused($$ SELECT alter_offer('both', 'max_redemptions', '-1') $$, '23514', 'max_redemptions', 'nor by a change');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
