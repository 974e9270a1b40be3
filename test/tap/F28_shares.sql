-- F28: caps are given out in shares of slots. What one session sees of that: the last unit of any
-- cap, caps below what is counted, save points, the largest caps, and caps changed past the trigger.
BEGIN;
SELECT plan(33);
\ir lib/scene.psql
SELECT play_org('UTC');
\set t '''2030-01-10 12:00+00'''
\set of_org 'org_id = cms.cms_current_org() AND offer_id ='

CREATE FUNCTION uses(offer text) RETURNS bigint LANGUAGE sql AS 'SELECT uses FROM cms.offer_performance WHERE offer_id = o(offer)';
CREATE FUNCTION shares(offer text) RETURNS text LANGUAGE sql AS $$
SELECT format('%s of %s, %s of %s', sum(uses + forfeited_uses), sum(redemption_share), sum(discount + forfeited_discount)::int, sum(budget_share)::int)
FROM cms.offer_slot WHERE org_id = cms.cms_current_org() AND offer_id = o(offer)
$$;
-- so many uses of one coupon; answers how many were given
CREATE FUNCTION use_times(offer text, times int, prefix text, amount numeric DEFAULT 100) RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FILTER (WHERE r.redeemed) FROM generate_series(1, times) i,
	cms.cms_redeem(code_of(offer, 'ann'), 'ann', amount, prefix || i, at => '2030-01-10 12:00+00') r
$$;
CREATE FUNCTION give_back(offer text, prefix text, times int) RETURNS bigint LANGUAGE sql AS $$
WITH r AS MATERIALIZED (SELECT redemption_id FROM cms.redemption JOIN generate_series(1, times) i ON bill_ref = prefix || i
	WHERE org_id = cms.cms_current_org() AND offer_id = o(offer))
SELECT count(*) FILTER (WHERE x.reversed) FROM r, cms.cms_reverse(r.redemption_id, at => '2030-01-10 12:00+00') x
$$;
CREATE FUNCTION give_back_one(offer text, bill text) RETURNS boolean LANGUAGE sql AS $$
WITH r AS MATERIALIZED (SELECT redemption_id FROM cms.redemption WHERE org_id = cms.cms_current_org() AND offer_id = o(offer) AND bill_ref = bill)
SELECT x.reversed FROM r, cms.cms_reverse(r.redemption_id, at => '2030-01-10 12:00+00') x
$$;
CREATE FUNCTION scene(offer text, columns jsonb) RETURNS text LANGUAGE sql AS $$
SELECT make_offer(offer, '{"max_uses_per_coupon": null, "discount_type": "FIXED_AMOUNT", "discount_value": 10}' || columns);
SELECT issue_of(offer, 'ann', '2030-01-10 12:00+00');
$$;

-- to the last unit, whatever the shares
SELECT is(scene('cap ' || cap, jsonb_build_object('max_redemptions', cap)), 'OK', 'a cap of ' || cap) FROM unnest(ARRAY[31, 64, 100, 600]) cap;
SELECT is(use_times('cap ' || cap, cap + 5, 'b'), cap::bigint, 'it is given out to the last unit') FROM unnest(ARRAY[31, 64, 100, 600]) cap;
SELECT is(give_back('cap 100', 'b', 40), 40::bigint, '40 are given back');
SELECT is(use_times('cap 100', 50, 'again'), 40::bigint, 'and given out again');
SELECT is(scene('budget', '{"max_discount_total": 100.05}'), 'OK', 'a budget with a rest');
SELECT is(use_times('budget', 12, 'b'), 10::bigint, 'ten fit');
SELECT is(use_times('budget', 1, 'rest', 0.05), 1::bigint, 'and the rest');
SELECT is(use_times('budget', 1, 'more', 0.01), 0::bigint, 'not a cent more');

-- a cap below what is counted
SELECT is(scene('low', '{"max_redemptions": 640, "max_discount_total": 6400}'), 'OK', 'a cap over all slots');
SELECT is(use_times('low', 200, 'b'), 200::bigint, '200 are used');
SELECT alter_offer('low', 'max_redemptions', '100');
SELECT is(give_back('low', 'b', 100), 100::bigint, '100 are given back, and the cap is reached exactly');
SELECT is(use_times('low', 1, 'c'), 0::bigint, 'nothing is given out');
SELECT ok(give_back_one('low', 'b150') AND give_back_one('low', 'b151'), 'two more are given back');
SELECT is(use_times('low', 5, 'd'), 2::bigint, 'two are given out');
SELECT is(shares('low'), '100 of 100, 1000 of 6400', 'the shares add up to the caps');

-- the largest
SELECT is(scene('large', '{"max_redemptions": 9223372036854775807, "max_discount_total": 99999999999999999999.99}'), 'OK', 'the largest cap');
SELECT is(use_times('large', 3, 'b'), 3::bigint, 'is a cap like others');
SELECT alter_offer('large', 'max_redemptions', '1');
SELECT alter_offer('large', 'max_redemptions', '9223372036854775807');
SELECT is(use_times('large', 3, 'c'), 3::bigint, 'and comes back after one below what is counted');

-- save points
SELECT is(scene('saved', '{"max_redemptions": 2, "max_uses_per_customer": 2}'), 'OK', 'a cap and a limit of two');
SAVEPOINT one;
SELECT is(use_times('saved', 3, 'gone'), 2::bigint, 'two, and no third');
ROLLBACK TO one;
SELECT is(use_times('saved', 1, 'b'), 1::bigint, 'one after a rollback to before');
SAVEPOINT two;
SELECT is(use_times('saved', 2, 'gone'), 1::bigint, 'the other');
ROLLBACK TO two;
SELECT is(use_times('saved', 3, 'c'), 1::bigint, 'which is left, and nothing else');

-- what no trigger has seen is told, and not tried for ever
SELECT is(scene('odd', '{"max_redemptions": 5}'), 'OK', 'a cap of 5');
SELECT is(use_times('odd', 1, 'b'), 1::bigint, 'one use');
SET session_replication_role = replica;
UPDATE cms.offer SET max_redemptions = 6 WHERE :of_org o('odd');
RESET session_replication_role;
SELECT alter_offer('odd', 'name', 'odd');
SELECT throws_ok($$ SELECT use_times('odd', 5, 'c') $$, 'XX001', NULL, 'counters that are not of the caps');
SELECT alter_offer('odd', 'max_redemptions', '5');
SELECT is(use_times('odd', 9, 'd'), 4::bigint, 'a cap that is set spreads it anew');
SELECT * FROM finish();
ROLLBACK;
