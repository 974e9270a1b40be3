-- F3: what an edit changes for coupons that are out: limits and places at once, rules of expiry only for new issues.
BEGIN;
SELECT plan(55);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''
\set next '''2025-11-13 11:00 Asia/Kolkata'''

-- An offer with a coupon that ann holds.
CREATE FUNCTION coupon_out(name text, settings jsonb DEFAULT '{}', at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$ SELECT make_offer(name, settings); SELECT is(issue_of(name, 'ann', at), 'OK', name || ': a coupon is out') $$;
CREATE FUNCTION ann(name text, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata', amount numeric DEFAULT 100, store text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT reasons_of(code_of(name, 'ann'), 'ann', at, amount, store) $$;
CREATE FUNCTION ends(name text) RETURNS text
LANGUAGE sql AS $$ SELECT coalesce((expires_at AT TIME ZONE 'Asia/Kolkata')::text, 'never') FROM cms.coupon_status WHERE offer_id = o(name) AND customer_id = 'ann' $$;

-- discount, products, bill
SELECT coupon_out('discount', '{"max_uses_per_coupon": 5}');
SELECT is(use_of(code_of('discount', 'ann'), 'ann', :t, bill => 'ten'), 'OK', 'used for 10');
SELECT alter_offer('discount', 'discount_value', '25');
SELECT is((SELECT discount FROM cms_check(code_of('discount', 'ann'), 'ann', 100, at => :t)), 25.00, 'the next use goes by the new discount');
SELECT is((SELECT discount FROM cms.redemption WHERE bill_ref = 'ten'), 10.00, 'what was redeemed stays');
SELECT is((SELECT discount FROM cms_redeem(code_of('discount', 'ann'), 'ann', 100, 'ten', at => :t)), 10.00, 'also when it is asked again');
SELECT hold_id FROM cms_hold(code_of('discount', 'ann'), 'ann', 100, 'order', at => :t) \gset
SELECT alter_offer('discount', 'discount_value', '50');
SELECT is((SELECT discount FROM cms_confirm(:hold_id, 'held', 100, at => :t)), 25.00, 'a hold keeps what it has reserved');
SELECT alter_offer('discount', 'min_bill', '200');
SELECT is(ann('discount'), 'BILL_TOO_SMALL', 'the smallest bill');
SELECT alter_offer('discount', 'product_scope', 'SELECTED_PRODUCTS');
SELECT is(ann('discount', amount => 300), 'NO_ELIGIBLE_ITEM', 'products');

-- places and times
SELECT coupon_out('places', '{"max_uses_per_coupon": null}');
SELECT is(ann('places', store => 'S1'), '', 'anywhere');
SELECT alter_offer('places', 'store_scope', 'SELECTED_STORES');
SELECT is(ann('places', store => 'S1'), 'STORE_NOT_ALLOWED', 'selected places that are none: nowhere');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('places'), 'STORE', 'S1');
SELECT is(ann('places', store => 'S1'), '', 'a place that is added counts at once');
DELETE FROM cms.offer_entity WHERE offer_id = o('places');
SELECT is(ann('places', store => 'S1'), 'STORE_NOT_ALLOWED', 'one that is taken away no more');
SELECT coupon_out('times');
INSERT INTO cms.offer_window (offer_id, weekdays) VALUES (o('times'), '{4}');
SELECT is(ann('times'), 'TIME_NOT_ALLOWED', 'a window');
SELECT is(ann('times', :next), '', 'on its day');
SELECT alter_offer('times', 'starts_after_days', '2');
SELECT is(ann('times', :next), 'NOT_STARTED', 'a later start');
SELECT alter_offer('times', 'starts_after_days', NULL);
SELECT alter_offer('times', 'starts_on', '2025-11-14');
SELECT is(ann('times', :next), 'NOT_STARTED', 'by a day too');

-- who, how often
SELECT coupon_out('who');
SELECT is(use_of(code_of('who', 'ann'), 'bob', :t), 'NOT_THE_HOLDER', 'only the holder');
SELECT alter_offer('who', 'anyone_may_redeem', 'true');
SELECT is(reasons_of(code_of('who', 'ann'), 'bob', :t), '', 'anyone, at once');
SELECT coupon_out('uses', '{"max_uses_per_coupon": 5}');
SELECT is(use_of(code_of('uses', 'ann'), 'ann', :t), 'OK', 'used') FROM generate_series(1, 3);
SELECT alter_offer('uses', 'max_uses_per_coupon', '2');
SELECT is(ann('uses'), 'COUPON_LIMIT', 'a limit below the uses so far: used up');
SELECT is((SELECT uses_left FROM cms.coupon_status WHERE offer_id = o('uses')), 0, 'with 0 left, not fewer');
SELECT alter_offer('uses', 'max_uses_per_coupon', '4');
SELECT is(ann('uses'), '', 'raised again: one is left');
SELECT alter_offer('uses', 'max_uses_per_customer', '3');
SELECT is(ann('uses'), 'CUSTOMER_LIMIT', 'a limit per customer counts the uses before it');
SELECT alter_offer('uses', 'max_uses_per_customer', NULL);
SELECT alter_offer('uses', 'min_days_between_uses', '3');
SELECT is(ann('uses', :next), 'GAP_TOO_SHORT', 'a gap counts from the use before it');
SELECT alter_offer('uses', 'min_days_between_uses', NULL);
SELECT alter_offer('uses', 'max_redemptions', '3');
SELECT is(ann('uses'), 'OFFER_LIMIT', 'a cap');
SELECT alter_offer('uses', 'max_redemptions', '1');
SELECT is((SELECT redemptions_left FROM cms_offer_info(o('uses'))), 0::bigint, 'below what is used nothing is left');
SELECT alter_offer('uses', 'max_redemptions', NULL);
SELECT alter_offer('uses', 'max_discount_total', '35');
SELECT is(ann('uses'), 'BUDGET_SPENT', 'a budget counts what was given');

-- issue
SELECT coupon_out('issue', '{"max_issued": 5}');
SELECT alter_offer('issue', 'max_issued_per_customer', '1');
SELECT is(issue_of('issue', 'ann', :t), 'CUSTOMER_ISSUE_LIMIT', 'the next issue counts what was issued before');
SELECT alter_offer('issue', 'max_issued_per_customer', '0');
SELECT is(ann('issue'), '', 'coupons out stay');
SELECT alter_offer('issue', 'max_issued_per_customer', NULL);
SELECT alter_offer('issue', 'audience_only', 'true');
SELECT is(issue_of('issue', 'bob', :t), 'NOT_IN_AUDIENCE', 'an audience');
SELECT is(ann('issue'), '', 'is of those who are given one');
SELECT refused($$ SELECT alter_offer('issue', 'max_issued', '0') $$, '23514', 'max_issued', 'a cap of issues may not drop below what is issued');
SELECT alter_offer('issue', 'status', 'ARCHIVED');
SELECT is(ann('issue'), '', 'archived, it stays redeemable');

-- the offer's end moves, and its coupons with it
SELECT coupon_out('end', '{"expires_on": "2025-11-20"}');
SELECT alter_offer('end', 'expires_on', '2025-11-11');
SELECT is(ann('end'), 'OFFER_EXPIRED', 'back: ended');
SELECT alter_offer('end', 'expires_on', '2025-12-20');
SELECT is(ends('end'), '2025-12-21 00:00:00', 'and forward: valid again');

-- rules of expiry: for new issues
SELECT coupon_out('expiry', '{"expires_on": "2025-12-31", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}');
SELECT is(ends('expiry'), '2025-11-16 00:00:00', 'three days');
SELECT alter_offer('expiry', 'coupon_expiry_value', '10');
SELECT is(ends('expiry'), '2025-11-16 00:00:00', 'more days are not for coupons out');
UPDATE cms.offer SET coupon_expiry_type = 'WITH_OFFER', coupon_expiry_value = NULL WHERE offer_id = o('expiry');
SELECT is(ends('expiry'), '2025-11-16 00:00:00', 'nor is another rule');
UPDATE cms.offer SET coupon_expiry_type = 'MONTH_ENDS', coupon_expiry_value = 0 WHERE offer_id = o('expiry');
SELECT is((SELECT expires_at FROM cms_issue(o('expiry'), 'bob', at => :t)), '2025-12-01 00:00 Asia/Kolkata'::timestamptz, 'but for new ones');
SELECT coupon_out('with the offer', '{"expires_on": "2025-12-31"}');
UPDATE cms.offer SET coupon_expiry_type = 'DAYS', coupon_expiry_value = 0 WHERE offer_id = o('with the offer');
SELECT is(ends('with the offer'), '2026-01-01 00:00:00', 'who had no end of its own gets none');

-- codes
SELECT coupon_out('codes', '{"code_length": 12}');
SELECT alter_offer('codes', 'code_prefix', 'NEW-');
SELECT is(ann('codes'), '', 'a code stays as it is');
SELECT is(issue_of('codes', 'bob', :t), 'OK', 'the next');
SELECT matches(code_of('codes', 'bob'), '^NEW-', 'is made anew');
SELECT counted();

SELECT * FROM finish();
ROLLBACK;
