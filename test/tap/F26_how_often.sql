-- F26: how often a coupon can be redeemed: per coupon, per customer and coupon, per customer.
BEGIN;
SELECT plan(74);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION uses_left_of(code text, customer text) RETURNS int
LANGUAGE sql AS $$ SELECT uses_left FROM cms_redeem(code, customer, 100, 'left ' || nextval('bill_no'), at => '2025-11-12 11:00 Asia/Kolkata') $$;

-- per coupon
SELECT make_offer('once');
SELECT is(issue_of('once', 'ann', :t), 'OK', 'a coupon');
SELECT is(use_of(code_of('once', 'ann'), 'ann', :t), 'OK', 'is good for one use by default');
SELECT is(use_of(code_of('once', 'ann'), 'ann', :t), 'ALREADY_REDEEMED', 'and no second');
SELECT make_offer('three', '{"max_uses_per_coupon": 3}');
SELECT is(issue_of('three', 'ann', :t), 'OK', 'a coupon of three uses');
SELECT is(uses_left_of(code_of('three', 'ann'), 'ann'), 2, 'two left');
SELECT is(uses_left_of(code_of('three', 'ann'), 'ann'), 1, 'one left');
SELECT is(uses_left_of(code_of('three', 'ann'), 'ann'), 0, 'none left');
SELECT is(use_of(code_of('three', 'ann'), 'ann', :t), 'COUPON_LIMIT', 'a coupon of several uses has its own reason');
SELECT make_offer('unlimited', '{"max_uses_per_coupon": null}');
SELECT is(issue_of('unlimited', 'ann', :t), 'OK', 'a coupon without limit');
SELECT is(uses_left_of(code_of('unlimited', 'ann'), 'ann'), NULL, 'has no number of uses left') FROM generate_series(1, 5);
SELECT is((SELECT uses_left FROM cms.coupon_status WHERE offer_id = o('unlimited')), NULL, 'nor does the report know one');
SELECT is((SELECT state FROM cms.coupon_status WHERE offer_id = o('unlimited')), 'ACTIVE', 'it stays active');
SELECT make_offer('none', '{"max_uses_per_coupon": 0}');
SELECT is(issue_of('none', 'ann', :t), 'OK', 'a coupon of no use');
SELECT is(use_of(code_of('none', 'ann'), 'ann', :t), 'COUPON_LIMIT', '0 means none');
SELECT is((SELECT message FROM cms_check(code_of('none', 'ann'), 'ann', 100, at => :t)), 'The offer does not let its coupons be redeemed.', 'in a sentence');
SELECT is((SELECT message FROM cms_hold(code_of('none', 'ann'), 'ann', 100, 'order', at => :t)), 'The offer does not let its coupons be redeemed.', 'nor held');
SELECT is((SELECT uses_left FROM cms_check(code_of('none', 'ann'), 'ann', 100, at => :t)), 0, 'never negative');
SELECT counted();

-- the limit changes while coupons are out
SELECT alter_offer('once', 'max_uses_per_coupon', '2');
SELECT is(use_of(code_of('once', 'ann'), 'ann', :t), 'OK', 'a raised limit holds at once');
SELECT is(use_of(code_of('once', 'ann'), 'ann', :t), 'COUPON_LIMIT', 'and ends');
SELECT alter_offer('once', 'max_uses_per_coupon', '1');
SELECT is(use_of(code_of('once', 'ann'), 'ann', :t), 'ALREADY_REDEEMED', 'a lowered one below what is used too');
SELECT is((SELECT uses_left FROM cms.coupon_status WHERE offer_id = o('once')), 0, 'and leaves nothing, not less');

-- per customer and coupon, where anyone may redeem
SELECT make_offer('shared', '{"anyone_may_redeem": true, "max_uses_per_coupon": 4, "max_uses_per_customer_and_coupon": 2}');
SELECT is(issue_of('shared', 'ann', :t, 2), 'OK OK', 'two coupons of ann');
SELECT is(use_of(code_of('shared', 'ann', 1), 'bob', :t), 'OK', 'bob uses the first once') FROM generate_series(1, 2);
SELECT is(use_of(code_of('shared', 'ann', 1), 'bob', :t), 'CUSTOMER_LIMIT', 'bob not three times');
SELECT is(use_of(code_of('shared', 'ann', 2), 'bob', :t), 'OK', 'but the second one');
SELECT is(use_of(code_of('shared', 'ann', 1), 'cid', :t), 'OK', 'cid the first') FROM generate_series(1, 2);
SELECT is(use_of(code_of('shared', 'ann', 1), 'cid', :t), 'COUPON_LIMIT', 'then the coupon has no use left, which comes before the customer''s');
SELECT is(reasons_of(code_of('shared', 'ann', 1), 'cid', :t), 'COUPON_LIMIT CUSTOMER_LIMIT', 'both are true');

-- per customer in the whole offer
SELECT make_offer('twice', '{"max_uses_per_customer": 2, "max_uses_per_coupon": 5}');
SELECT is(issue_of('twice', 'ann', :t, 2), 'OK OK', 'two coupons of ann');
SELECT is(issue_of('twice', 'bob', :t), 'OK', 'one of bob');
SELECT is(use_of(code_of('twice', 'ann', 1), 'ann', :t), 'OK', 'ann once');
SELECT is(use_of(code_of('twice', 'ann', 2), 'ann', :t), 'OK', 'twice, with the other coupon');
SELECT is(use_of(code_of('twice', 'ann', 1), 'ann', :t), 'CUSTOMER_LIMIT', 'not three times, the coupon notwithstanding');
SELECT is(use_of(code_of('twice', 'ann', 2), 'ann', :t), 'CUSTOMER_LIMIT', 'with neither coupon');
SELECT is(use_of(code_of('twice', 'bob'), 'bob', :t), 'OK', 'bob has his own allowance');
SELECT make_offer('not you', '{"max_uses_per_customer": 0}');
SELECT is(issue_of('not you', 'ann', :t), 'OK', 'a coupon');
SELECT is(use_of(code_of('not you', 'ann'), 'ann', :t), 'CUSTOMER_LIMIT', '0 means none');
SELECT is((SELECT message FROM cms_check(code_of('not you', 'ann'), 'ann', at => :t)), 'The offer does not let customers redeem its coupons.', 'in a sentence');
SELECT alter_offer('not you', 'max_uses_per_customer', NULL);
SELECT alter_offer('not you', 'max_uses_per_customer_and_coupon', '0');
SELECT is((SELECT message FROM cms_check(code_of('not you', 'ann'), 'ann', at => :t)), 'The offer does not let customers redeem its coupons.', 'also of 0 for each coupon');
SELECT alter_offer('not you', 'max_uses_per_customer_and_coupon', NULL);
SELECT is(use_of(code_of('not you', 'ann'), 'ann', :t), 'OK', 'NULL means unlimited');
-- another offer's uses do not count
SELECT make_offer('other', '{"max_uses_per_customer": 1}');
SELECT is(issue_of('other', 'ann', :t), 'OK', 'a coupon of another offer');
SELECT is(use_of(code_of('other', 'ann'), 'ann', :t), 'OK', 'is not held against her');
-- the allowance is the redeemer's, not the holder's
SELECT make_offer('allowance', '{"anyone_may_redeem": true, "max_uses_per_coupon": 5, "max_uses_per_customer": 1}');
SELECT is(issue_of('allowance', 'ann', :t), 'OK', 'ann''s coupon');
SELECT is(use_of(code_of('allowance', 'ann'), 'bob', :t), 'OK', 'is used by bob');
SELECT is(use_of(code_of('allowance', 'ann'), 'bob', :t), 'CUSTOMER_LIMIT', 'once');
SELECT is(use_of(code_of('allowance', 'ann'), 'ann', :t), 'OK', 'which takes nothing from ann');
SELECT counted();

-- a limit that comes after the uses: the first reason that holds is told, though nobody has counted for it yet
SELECT make_offer('late', '{"max_uses_per_coupon": 5}');
SELECT is(issue_of('late', 'ann', :t), 'OK', 'a coupon without a limit');
SELECT is(use_of(code_of('late', 'ann'), 'ann', :t), 'OK', 'is used');
SELECT alter_offer('late', 'max_uses_per_customer', '1');
SELECT alter_offer('late', 'min_bill', '500');
SELECT is(use_of(code_of('late', 'ann'), 'ann', :t), 'CUSTOMER_LIMIT', 'the customer''s limit comes before the bill');
SELECT is(reasons_of(code_of('late', 'ann'), 'ann', :t), 'CUSTOMER_LIMIT BILL_TOO_SMALL', 'both are true');
SELECT make_offer('later', '{"max_uses_per_coupon": 5}');
SELECT is(issue_of('later', who, :t), 'OK', 'another one of ' || who) FROM unnest('{ann,bob,cid}'::text[]) who;
SELECT is(use_of(code_of('later', 'ann'), 'ann', :t), 'OK', 'is used by ann');
SELECT is((SELECT held FROM cms_hold(code_of('later', 'bob'), 'bob', 100, 'order', at => :t)), true, 'and held for bob');
SELECT alter_offer('later', 'max_uses_per_customer', '1');
SELECT is(use_of(code_of('later', 'ann'), 'ann', :t), 'CUSTOMER_LIMIT', 'what was used before counts when it is asked for');
SELECT is(use_of(code_of('later', 'bob'), 'bob', :t), 'CUSTOMER_LIMIT', 'and what was held');
SELECT is(use_of(code_of('later', 'cid'), 'cid', :t), 'OK', 'who did neither has the whole allowance');
SELECT is(use_of(code_of('later', 'cid'), 'cid', :t), 'CUSTOMER_LIMIT', 'and no more');
SELECT counted();

-- what has been recorded is a fact at any time of request
SELECT is(use_of(code_of('three', 'ann'), 'ann', '2025-11-12 10:59 Asia/Kolkata'), 'COUPON_LIMIT', 'an earlier time does not undo uses');
SELECT is(use_of(code_of('three', 'ann'), 'ann', '2035-11-12 10:59 Asia/Kolkata'), 'COUPON_LIMIT', 'nor does a later one');

-- settings
SELECT offer_refused(jsonb_build_object(name, -1), name, 'negative ' || name)
FROM unnest(ARRAY['max_uses_per_coupon', 'max_uses_per_customer', 'max_uses_per_customer_and_coupon']) name;
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
