-- F36: a use is reserved for an order for a limited time, then confirmed or released.
BEGIN;
SELECT plan(239);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''
\set soon '''2025-11-12 11:10 Asia/Kolkata'''
\set end '''2025-11-12 11:15 Asia/Kolkata'''
\set later '''2025-11-12 12:00 Asia/Kolkata'''

-- OK or the reason; " again" where it is the first answer.
CREATE FUNCTION hold_of(code text, customer text, order_ref text, at timestamptz, amount numeric DEFAULT 100,
	store text DEFAULT NULL, items jsonb DEFAULT NULL, seconds int DEFAULT 900) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(h.reason, 'OK') || CASE WHEN h.replayed THEN ' again' ELSE '' END
		|| CASE WHEN h.held = (h.reason IS NULL) AND (h.reason IS NULL) = (h.message IS NULL)
			AND h.held = (h.hold_id IS NOT NULL) AND h.held = (h.expires_at IS NOT NULL)
			AND h.held = (h.discount IS NOT NULL) THEN '' ELSE ' inconsistent ' || h::text END
	FROM cms_hold(code, customer, amount, order_ref, store, items => items, seconds => seconds, at => at) h
$$;
-- the last hold of an order
CREATE FUNCTION h(order_ref text) RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT hold_id FROM cms.hold h WHERE h.order_ref = $1 ORDER BY recorded_at DESC, hold_id DESC LIMIT 1
$$;
CREATE FUNCTION confirm_of(order_ref text, at timestamptz, amount numeric DEFAULT NULL, bill text DEFAULT NULL,
	items jsonb DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(c.reason, 'OK') || CASE WHEN c.replayed THEN ' again' ELSE '' END
		|| CASE WHEN c.redeemed = (c.reason IS NULL) AND (c.reason IS NULL) = (c.message IS NULL)
			AND c.redeemed = (c.redemption_id IS NOT NULL) THEN '' ELSE ' inconsistent ' || c::text END
	FROM cms_confirm(h(order_ref), bill, amount, items, at => at) c
$$;
CREATE FUNCTION release_of(order_ref text, at timestamptz) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(r.reason, 'OK') || CASE WHEN r.replayed THEN ' again' ELSE '' END
		|| CASE WHEN r.released = (r.reason IS NULL) AND (r.reason IS NULL) = (r.message IS NULL) THEN '' ELSE ' inconsistent' END
	FROM cms_release_hold(h(order_ref), at => at) r
$$;
CREATE FUNCTION status_of(order_ref text) RETURNS text
LANGUAGE sql AS $$ SELECT status FROM cms.hold WHERE hold_id = h($1) $$;

-- held: coupon, customer's allowance, cap and budget are used up for others
SELECT make_offer('all', '{"max_uses_per_customer": 1, "max_redemptions": 1, "max_discount_total": 10}');
SELECT is(issue_of('all', 'ann', :t, 2), 'OK OK', 'two coupons of an offer with one use in all');
SELECT is(rows_of($$ SELECT code = code_of('all', 'ann', 1), held, reason, message, hold_id IS NOT NULL, offer_id = o('all'), coupon_id IS NOT NULL, discount,
		payable, uses_left, next_allowed_at, expires_at AT TIME ZONE 'Asia/Kolkata', replayed
	FROM cms_hold(code_of('all', 'ann', 1), 'ann', 100, 'all 1', 'S1', at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(t,t,,,t,t,t,10.00,90.00,0,,"2025-11-12 11:15:00",f)', 'one is held for 15 minutes');
SELECT is(rows_of($$ SELECT status, customer_id, order_ref, bill_amount, eligible_amount, discount, store_id, recorded_by = current_user, ended_at, redemption_id
	FROM cms.hold WHERE hold_id = h('all 1') $$), format('(HELD,ann,"all 1",100,100,10.00,S1,%s,,)', 't'), 'its row tells of what');
SELECT is(reasons_of(code_of('all', 'ann', 1), 'ann', :soon), 'ALREADY_REDEEMED CUSTOMER_LIMIT OFFER_LIMIT BUDGET_SPENT', 'everything is used up');
SELECT is((SELECT message FROM cms_check(code_of('all', 'ann', 1), 'ann', 100, at => :soon)), 'The coupon is held for an order.', 'as people are told');
SELECT is(use_of(code_of('all', 'ann', 2), 'ann', :soon), 'CUSTOMER_LIMIT', 'also for the other coupon');
SELECT is(hold_of(code_of('all', 'ann', 2), 'ann', 'all 2', :soon), 'CUSTOMER_LIMIT', 'for another hold too');
SELECT is(rows_of($$ SELECT uses, redeemed, discount_given, redemptions_left, budget_left FROM cms.offer_performance WHERE offer_id = o('all') $$),
	'(0,0,0,0,0.00)', 'the report has no use, and nothing left');
SELECT counted();
-- the same order
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 1', :soon, store => 'S1'), 'OK again', 'the same order gets the same hold');
SELECT is((SELECT expires_at FROM cms_hold(code_of('all', 'ann', 1), 'ann', 100, 'all 1', 'S1', at => :soon)), :end::timestamptz, 'that ends when it did');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 1', :soon, 101, 'S1'), 'BILL_CONFLICT', 'with another amount it is a conflict');
SELECT is(hold_of(code_of('all', 'ann', 1), 'bob', 'all 1', :soon, store => 'S1'), 'BILL_CONFLICT', 'with another customer');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 1', :soon, store => 'S2'), 'BILL_CONFLICT', 'with another store');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', NULL, :soon), 'BILL_REFERENCE_REQUIRED', 'an order has a reference');
SELECT is(hold_of('nothing', 'ann', ' ', :soon), 'BILL_REFERENCE_REQUIRED', 'that is not blank');
-- in time
SELECT is(rows_of($$ SELECT code = code_of('all', 'ann', 1), redeemed, reason, redemption_id IS NOT NULL, offer_id = o('all'), discount, payable, uses_left, replayed
	FROM cms_confirm(h('all 1'), at => '2025-11-12 11:10 Asia/Kolkata') $$), '(t,t,,t,t,10.00,90.00,0,f)', 'confirmed, it is a redemption');
SELECT is(rows_of($$ SELECT bill_ref, bill_amount, eligible_amount, discount, customer_id, store_id, redeemed_at AT TIME ZONE 'Asia/Kolkata', uses_left
	FROM cms.redemption WHERE redemption_id = (SELECT redemption_id FROM cms.hold WHERE hold_id = h('all 1')) $$),
	'("all 1",100,100,10.00,ann,S1,"2025-11-12 11:10:00",0)', 'of the order, at the time of the confirmation');
SELECT is(rows_of($$ SELECT status, ended_at AT TIME ZONE 'Asia/Kolkata' FROM cms.hold WHERE hold_id = h('all 1') $$), '(CONFIRMED,"2025-11-12 11:10:00")', 'the hold has ended');
SELECT counted();
SELECT is(confirm_of('all 1', :later), 'OK again', 'confirmed again it is the first answer, at any time');
SELECT is(confirm_of('all 1', :soon, 100), 'OK again', 'also with the amount');
SELECT is(confirm_of('all 1', :soon, 99), 'BILL_CONFLICT', 'but not with another');
SELECT is(confirm_of('all 1', :soon, bill => 'other'), 'BILL_CONFLICT', 'nor with another bill');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 1', :later, store => 'S1'), 'OK again', 'the order that holds again gets the confirmed hold');
SELECT is((SELECT hold_id FROM cms_hold(code_of('all', 'ann', 1), 'ann', 100, 'all 1', 'S1', at => :later)), h('all 1'), 'the same');
SELECT is((SELECT replayed FROM cms_redeem(code_of('all', 'ann', 1), 'ann', 100, 'all 1', 'S1', at => :later)), true, 'redeeming its bill is a replay');
SELECT is(release_of('all 1', :later), 'ALREADY_REDEEMED', 'what is confirmed is not released');
SELECT is(rows_of($$ SELECT message FROM cms_release_hold(h('all 1')) $$),
	'("The hold is confirmed: the coupon is redeemed, and only a reversal gives it back.")', 'the message tells what to do');
SELECT is((SELECT reversed FROM cms.hold, cms_reverse(redemption_id, at => :later) WHERE hold_id = h('all 1')), true, 'it can be reversed');
SELECT counted();
SELECT is(confirm_of('all 1', :later), 'ALREADY_REVERSED', 'then it is not confirmed again');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 1', :later, store => 'S1'), 'ALREADY_REVERSED', 'nor held again');
SELECT is(confirm_of('all 1', :later, 130, 'another bill'), 'ALREADY_REVERSED', 'nor for another bill');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 1', :later, 130), 'ALREADY_REVERSED', 'nor held for another amount');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 3', :later), 'OK', 'for another order it is');
-- released
SELECT is(release_of('all 3', :later), 'OK', 'a hold is released');
SELECT is(release_of('all 3', :later), 'OK again', 'again too');
SELECT is(status_of('all 3'), 'RELEASED', 'its row tells');
SELECT is(reasons_of(code_of('all', 'ann', 1), 'ann', :later), '', 'and all is back at once');
SELECT counted();
SELECT is(confirm_of('all 3', :later), 'HOLD_NOT_FOUND', 'it is not confirmed any more');
SELECT is(rows_of($$ SELECT message, code IS NOT NULL, replayed FROM cms_confirm(h('all 3')) $$), '("The hold was released.",t,f)', 'the message tells why');
SELECT is(hold_of(code_of('all', 'ann', 1), 'ann', 'all 3', :later, 150), 'OK', 'the order may hold again, with another bill');
SELECT is(release_of('all 3', '2025-11-12 12:15 Asia/Kolkata'), 'OK', 'what has ended can be released');
SELECT is(rows_of($$ SELECT redemptions_left, budget_left FROM cms.offer_performance WHERE offer_id = o('all') $$), '(1,10.00)', 'and is back in the report');
SELECT is(rows_of($$ SELECT * FROM cms_release_hold(-1) $$), '(-1,f,HOLD_NOT_FOUND,"There is no such hold.",f)', 'what never was is not found');
SELECT is(rows_of($$ SELECT * FROM cms_confirm(-1) $$), '(,f,HOLD_NOT_FOUND,"There is no such hold.",,,,,,,,f)', 'nor confirmed');

-- ended: nobody is refused for it, without any sweep
SELECT make_offer('end', '{"max_uses_per_customer": 1, "max_redemptions": 1, "max_discount_total": 10}');
SELECT is(issue_of('end', 'ann', :t, 2), 'OK OK', 'two coupons');
SELECT is(hold_of(code_of('end', 'ann', 1), 'ann', 'end 1', :t), 'OK', 'a hold of everything');
SELECT is(reasons_of(code_of('end', 'ann', 1), 'ann', '2025-11-12 11:14:59 Asia/Kolkata'), 'ALREADY_REDEEMED CUSTOMER_LIMIT OFFER_LIMIT BUDGET_SPENT', 'up to its end');
SELECT is(reasons_of(code_of('end', 'ann', 1), 'ann', :end), '', 'and not from then on');
SELECT is(status_of('end 1'), 'HELD', 'though nobody has looked');
SELECT is(use_of(code_of('end', 'ann', 2), 'ann', :end), 'OK', 'another coupon takes its use');
SELECT is(status_of('end 1'), 'EXPIRED', 'who needs it gives it back');
SELECT is((SELECT ended_at FROM cms.hold WHERE hold_id = h('end 1')), :end::timestamptz, 'as of its end');
SELECT counted();
SELECT is(confirm_of('end 1', :later), 'HOLD_EXPIRED', 'too late: its use is gone');
SELECT is((SELECT message FROM cms_confirm(h('end 1'), at => :later)),
	'The hold has expired, and the use cannot be taken anew. The customer has no use of this offer left.', 'the message tells the cause');
SELECT is(release_of('end 1', :later), 'OK', 'released it cannot come back');
SELECT is(confirm_of('end 1', :later), 'HOLD_NOT_FOUND', 'also when there is room again');
-- each limit alone
SELECT make_offer('coupon', '{}');
SELECT make_offer('customer', '{"max_uses_per_customer": 1}');
SELECT make_offer('cap', '{"max_redemptions": 1}');
SELECT make_offer('budget', '{"max_discount_total": 15}');
SELECT make_offer('gap', '{"min_days_between_uses": 2, "max_uses_per_coupon": 5}');
SELECT make_offer('both', '{"anyone_may_redeem": true, "max_uses_per_coupon": 5, "max_uses_per_customer_and_coupon": 1}');
SELECT is(string_agg(issue_of(name, 'ann', :t) || issue_of(name, 'bob', :t), ' '), 'OKOK OKOK OKOK OKOK OKOK OKOK', 'coupons of each')
FROM unnest('{coupon,customer,cap,budget,gap,both}'::text[]) name;
SELECT is(issue_of('customer', 'ann', :t), 'OK', 'one more');
SELECT is(string_agg(hold_of(code_of(name, 'ann', 1), 'ann', name, :t), ' '), 'OK OK OK OK OK OK', 'held')
FROM unnest('{coupon,customer,cap,budget,gap,both}'::text[]) name;
SELECT is(hold_of(code_of('coupon', 'ann'), 'ann', 'coupon 2', :soon), 'ALREADY_REDEEMED', 'the coupon');
SELECT is(hold_of(code_of('customer', 'ann', 2), 'ann', 'customer 2', :soon), 'CUSTOMER_LIMIT', 'the customer''s allowance');
SELECT is(hold_of(code_of('cap', 'bob'), 'bob', 'cap 2', :soon), 'OFFER_LIMIT', 'the cap');
SELECT is(hold_of(code_of('budget', 'bob'), 'bob', 'budget 2', :soon), 'BUDGET_SPENT', 'the budget');
SELECT is(hold_of(code_of('gap', 'ann'), 'ann', 'gap 2', :soon), 'GAP_TOO_SHORT', 'the gap');
SELECT is(hold_of(code_of('both', 'ann'), 'ann', 'both 2', :soon), 'CUSTOMER_LIMIT', 'the customer''s allowance of the coupon');
SELECT is(hold_of(code_of('both', 'ann'), 'bob', 'both 3', :soon), 'OK', 'which others have too');
SELECT is(hold_of(code_of('coupon', 'ann'), 'ann', 'coupon 2', :end), 'OK', 'the coupon comes back');
SELECT is(hold_of(code_of('customer', 'ann', 2), 'ann', 'customer 2', :end), 'OK', 'the allowance');
SELECT is(hold_of(code_of('cap', 'bob'), 'bob', 'cap 2', :end), 'OK', 'the cap');
SELECT is(hold_of(code_of('budget', 'bob'), 'bob', 'budget 2', :end), 'OK', 'the budget');
SELECT is(hold_of(code_of('gap', 'ann'), 'ann', 'gap 2', :end), 'OK', 'the gap');
SELECT is(hold_of(code_of('both', 'ann'), 'ann', 'both 2', :end), 'OK', 'the allowance of the coupon');
SELECT counted();
-- the order of a hold that has ended gets a new one, in its place
SELECT is(hold_of(code_of('cap', 'bob'), 'bob', 'cap 2', :later, 50), 'OK', 'the order of a hold that has ended holds again, with another bill');
SELECT is(string_agg(status, ' ' ORDER BY status), 'EXPIRED HELD', 'by a new hold') FROM cms.hold WHERE order_ref = 'cap 2';
SELECT is(hold_of(code_of('budget', 'bob'), 'bob', 'budget 2', :later), 'OK', 'likewise of a budget');
SELECT is(confirm_of('cap 2', :later), 'OK', 'it is confirmed');
SELECT counted();

-- late: the use is taken anew
SELECT make_offer('late', '{"max_redemptions": 2, "max_discount_total": 20, "max_uses_per_coupon": 2, "max_uses_per_customer": 2}');
SELECT is(issue_of('late', 'ann', :t) || issue_of('late', 'bob', :t), 'OKOK', 'an offer of two uses');
SELECT is(hold_of(code_of('late', 'ann'), 'ann', 'late 1', :t), 'OK', 'one is held');
SELECT is(confirm_of('late 1', :later), 'OK', 'and confirmed after its end');
SELECT is((SELECT redeemed_at FROM cms.redemption WHERE bill_ref = 'late 1'), :later::timestamptz, 'as a redemption at that time');
SELECT counted();
SELECT is(confirm_of('late 1', :later), 'OK again', 'once');
SELECT is(hold_of(code_of('late', 'bob'), 'bob', 'late 2', :t), 'OK', 'another');
SELECT is(use_of(code_of('late', 'ann'), 'ann', :later), 'OK', 'has ended, and its use is taken');
SELECT is(confirm_of('late 2', :soon), 'HOLD_EXPIRED', 'what was given back is expired for an earlier time too');
SELECT is(rows_of($$ SELECT message, discount, next_allowed_at FROM cms_confirm(h('late 2'), at => '2025-11-12 12:00 Asia/Kolkata') $$),
	'("The hold has expired, and the use cannot be taken anew. The offer has no redemption left.",,)', 'because of the cap');
SELECT alter_offer('late', 'max_redemptions', '3');
SELECT is(confirm_of('late 2', :later), 'HOLD_EXPIRED', 'then because of the budget');
SELECT alter_offer('late', 'max_discount_total', '30');
SELECT is(confirm_of('late 2', :later), 'OK', 'when there is room it is taken, also after refusals');
SELECT counted();
SELECT make_offer('window', '{}');
INSERT INTO cms.offer_window (offer_id, weekdays) VALUES (o('window'), '{3}');
SELECT is(issue_of('window', 'ann', :t), 'OK', 'an offer for Wednesdays');
SELECT is(hold_of(code_of('window', 'ann'), 'ann', 'window', '2025-11-12 23:50 Asia/Kolkata'), 'OK', 'held shortly before Thursday');
SELECT is(confirm_of('window', '2025-11-13 00:10 Asia/Kolkata'), 'HOLD_EXPIRED', 'after its end all rules hold anew');
SELECT is(status_of('window'), 'EXPIRED', 'the hold is over, and given back');
SELECT is((SELECT sum(held) FROM cms.offer_slot WHERE offer_id = o('window')), 0::numeric, 'also from the counters');
SELECT is(hold_of(code_of('window', 'ann'), 'ann', 'window 2', '2025-11-12 23:50 Asia/Kolkata'), 'OK', 'again');
SELECT is(confirm_of('window 2', '2025-11-13 00:04:59 Asia/Kolkata'), 'OK', 'in time none is looked at');

-- whoever came at a later time has found the hold at its end: then it is, for an earlier time too
SELECT make_offer('overtaken', '{"max_uses_per_coupon": 1}');
SELECT make_offer('overtaken customer', '{"max_uses_per_customer": 1}');
SELECT is(issue_of('overtaken', 'ann', :t) || issue_of('overtaken', 'bob', :t) || issue_of('overtaken customer', 'ann', :t, 2), 'OKOKOK OK', 'coupons');
SELECT is(hold_of(code_of('overtaken', 'ann'), 'ann', 'overtaken 1', :t) || hold_of(code_of('overtaken', 'bob'), 'bob', 'overtaken 2', :t)
	|| hold_of(code_of('overtaken customer', 'ann', 1), 'ann', 'overtaken 3', :t), 'OKOKOK', 'are held');
SELECT is(use_of(code_of('overtaken', 'ann'), 'ann', :end), 'OK', 'and at the end of the hold redeemed');
SELECT is(confirm_of('overtaken 1', :soon), 'HOLD_EXPIRED', 'so the use is not given twice');
SELECT is(hold_of(code_of('overtaken', 'bob'), 'bob', 'overtaken 4', :end), 'OK', 'or held by another order');
SELECT is(confirm_of('overtaken 2', :soon), 'HOLD_EXPIRED', 'nor held and given');
SELECT is(confirm_of('overtaken 4', :later), 'OK', 'the other order has it');
SELECT is(use_of(code_of('overtaken customer', 'ann', 2), 'ann', :end), 'OK', 'or by another coupon of the customer');
SELECT is(confirm_of('overtaken 3', :soon), 'HOLD_EXPIRED', 'likewise');
SELECT is(hold_of(code_of('gap', 'bob'), 'bob', 'gap 3', :t) || hold_of(code_of('gap', 'bob'), 'bob', 'gap 4', :end), 'OKOK', 'a customer holds for two orders, one after the other');
SELECT is(confirm_of('gap 3', :soon), 'HOLD_EXPIRED', 'then the first is over');
SELECT counted();

-- a promise: what changes between hold and confirmation
SELECT make_offer('promise', '{"max_redemptions": 5, "max_discount_total": 50, "max_uses_per_coupon": 3, "max_uses_per_customer": 5, "expires_on": "2025-11-12"}');
SELECT is(issue_of('promise', 'ann', :t) || issue_of('promise', 'bob', :t), 'OKOK', 'an offer that ends today');
SELECT is(hold_of(code_of('promise', 'ann'), 'ann', 'promise 1', '2025-11-12 23:59 Asia/Kolkata'), 'OK', 'held in the last minute');
SELECT is(hold_of(code_of('promise', 'ann'), 'ann', 'promise 2', '2025-11-12 23:59 Asia/Kolkata'), 'OK', 'twice');
SELECT is(hold_of(code_of('promise', 'bob'), 'bob', 'promise 3', '2025-11-12 23:59 Asia/Kolkata'), 'OK', 'also by bob');
SELECT alter_offer('promise', 'max_redemptions', '1');
SELECT alter_offer('promise', 'max_discount_total', '5');
SELECT alter_offer('promise', 'max_uses_per_customer', '0');
SELECT alter_offer('promise', 'max_uses_per_coupon', '2');
SELECT alter_offer('promise', 'status', 'ARCHIVED');
SELECT alter_offer('promise', 'discount_value', '1');
SELECT is(confirm_of('promise 1', '2025-11-13 00:05 Asia/Kolkata'), 'OK', 'confirmed after the end, with all limits lower and the offer archived');
SELECT is(rows_of($$ SELECT discount, payable, uses_left FROM cms_confirm(h('promise 1')) $$), '(10.00,90.00,0)', 'for the discount that was promised');
SELECT counted();
SELECT is(confirm_of('promise 2', '2025-11-13 00:05 Asia/Kolkata', 200), 'CUSTOMER_LIMIT', 'another bill is evaluated with the limits as they are');
SELECT is(status_of('promise 2'), 'HELD', 'refused, the hold stays');
SELECT is(confirm_of('promise 2', '2025-11-13 00:05 Asia/Kolkata', 100), 'OK', 'and can be confirmed as it is');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('promise'), 'CUSTOMERS', '{bob}', confirm => true, at => :soon)), 1::bigint, 'a held coupon can be revoked');
SELECT is(confirm_of('promise 3', '2025-11-13 00:05 Asia/Kolkata'), 'COUPON_REVOKED', 'then it is not confirmed');
SELECT is(status_of('promise 3'), 'HELD', 'and still held');
SELECT is(release_of('promise 3', '2025-11-13 00:05 Asia/Kolkata'), 'OK', 'until it is released');
SELECT counted();
SELECT throws_ok(format('DELETE FROM cms.offer WHERE offer_id = %s', o('cap')), 'MS008', NULL, 'an offer with holds is not deleted');

-- another bill
SELECT make_offer('tenth', '{"discount_type": "PERCENTAGE", "discount_value": 10, "max_discount_total": 100, "min_bill": 50, "max_uses_per_coupon": 20, "max_redemptions": 20}');
SELECT is(issue_of('tenth', 'ann', :t), 'OK', 'a tenth off');
SELECT is(hold_of(code_of('tenth', 'ann'), 'ann', 'tenth 1', :t, 500), 'OK', 'held for 500');
SELECT is(rows_of($$ SELECT redeemed, discount, payable FROM cms_confirm(h('tenth 1'), 'invoice 1', 600, at => '2025-11-12 11:10 Asia/Kolkata') $$), '(t,60.00,540.00)', 'a larger bill');
SELECT counted();
SELECT is(confirm_of('tenth 1', :soon, 600, 'invoice 1'), 'OK again', 'again');
SELECT is(confirm_of('tenth 1', :soon), 'BILL_CONFLICT', 'but not as it was held');
SELECT is(hold_of(code_of('tenth', 'ann'), 'ann', 'tenth 2', :t, 400), 'OK', 'held for the rest of the budget');
SELECT is(confirm_of('tenth 2', :soon, 401), 'BUDGET_SPENT', 'more does not fit');
SELECT is(confirm_of('tenth 2', :soon, 40), 'BILL_TOO_SMALL', 'too small a bill is refused');
SELECT is(status_of('tenth 2'), 'HELD', 'the hold stays');
SELECT is(rows_of($$ SELECT redeemed, discount, payable FROM cms_confirm(h('tenth 2'), bill_amount => 50, at => '2025-11-12 11:10 Asia/Kolkata') $$), '(t,5.00,45.00)', 'a smaller bill');
SELECT is((SELECT budget_left FROM cms.offer_performance WHERE offer_id = o('tenth')), 35.00, 'what is not used is back');
SELECT counted();
SELECT is(hold_of(code_of('tenth', 'ann'), 'ann', 'tenth 3', :t, 100), 'OK', 'held for a part of it');
SELECT is(hold_of(code_of('tenth', 'ann'), 'ann', 'tenth 4', :t, 200, seconds => 60), 'OK', 'and by another order for a minute');
SELECT is(confirm_of('tenth 3', '2025-11-12 11:00:59 Asia/Kolkata', 200), 'BUDGET_SPENT', 'what others hold is not there');
SELECT is(confirm_of('tenth 3', :soon, 160), 'BUDGET_SPENT', 'as of the time of the hold');
SELECT is(release_of('tenth 4', :soon), 'OK', 'the other lets go');
SELECT is(confirm_of('tenth 3', :soon, 350), 'OK', 'then all that is left can be had');
SELECT counted();
-- lines
SELECT make_offer('lines', '{"discount_type": "PERCENTAGE", "discount_value": 10, "product_scope": "SELECTED_PRODUCTS", "max_uses_per_coupon": 20}');
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (o('lines'), 'SKU', 'A');
SELECT is(issue_of('lines', 'ann', :t), 'OK', 'a tenth off A');
SELECT is(hold_of(code_of('lines', 'ann'), 'ann', 'lines 1', :t, NULL, items => '[{"sku": "A", "amount": 100}, {"sku": "B", "amount": 50}]'), 'OK', 'held with lines');
SELECT is(rows_of($$ SELECT reason, discount, payable FROM cms_confirm(h('lines 1'), items => '[{"sku": "B", "amount": 150}]', at => '2025-11-12 11:10 Asia/Kolkata') $$), '(NO_ELIGIBLE_ITEM,,)', 'other lines of the same amount are looked at');
SELECT is(rows_of($$ SELECT reason, discount, payable FROM cms_confirm(h('lines 1'), bill_amount => 160, at => '2025-11-12 11:10 Asia/Kolkata') $$), '(,10.00,150.00)', 'another amount alone keeps the lines');
SELECT is(hold_of(code_of('lines', 'ann'), 'ann', 'lines 2', :t, NULL, items => '[{"sku": "A", "amount": 100}, {"sku": "B", "amount": 50}]'), 'OK', 'again');
SELECT is(rows_of($$ SELECT reason, discount, payable FROM cms_confirm(h('lines 2'), items => '[{"sku": "A", "amount": 200}]', at => '2025-11-12 11:10 Asia/Kolkata') $$), '(,20.00,180.00)', 'lines alone are the bill');
SELECT is(hold_of(code_of('lines', 'ann'), 'ann', 'lines 3', :t, NULL, items => '[{"sku": "A", "amount": 100}]'), 'OK', 'again');
SELECT alter_offer('lines', 'discount_value', '5');
SELECT is(rows_of($$ SELECT reason, discount FROM cms_confirm(h('lines 3'), items => '[{"amount": 100, "sku": "A"}]', at => '2025-11-12 11:10 Asia/Kolkata') $$), '(,10.00)', 'the same lines written otherwise are the bill as held');

-- the bill
SELECT make_offer('bill', '{"max_uses_per_coupon": 20}');
SELECT is(issue_of('bill', 'ann', :t), 'OK', 'a coupon of many uses');
SELECT is(hold_of(code_of('bill', 'ann'), 'ann', 'bill 1', :t) || hold_of(code_of('bill', 'ann'), 'ann', 'bill 2', :t), 'OKOK', 'held for two orders');
SELECT is(use_of(code_of('bill', 'ann'), 'ann', :t, bill => 'bill 1'), 'OK', 'a bill is redeemed without the hold');
SELECT is(confirm_of('bill 1', :soon), 'BILL_CONFLICT', 'which cannot be confirmed for it then');
SELECT is((SELECT message FROM cms_confirm(h('bill 1'), at => :soon)), 'This bill has redeemed the coupon before, and not by this hold.', 'as the message tells');
SELECT is(confirm_of('bill 2', :soon, bill => 'bill 1'), 'BILL_CONFLICT', 'nor another hold');
SELECT is(confirm_of('bill 1', :soon, bill => 'bill 3'), 'OK', 'for another bill it can');
SELECT is((SELECT uses_left FROM cms_confirm(h('bill 2'), at => :soon)), 17, 'uses left are those left then');
SELECT is(confirm_of('bill 2', '2025-11-01 11:00 Asia/Kolkata'), 'OK again', 'a time before the hold');
SELECT counted();

-- of whom
SELECT make_offer('anyone', '{"anyone_may_redeem": true, "code_method": "COMMON", "common_code": "OPEN", "max_issued": 3, "max_redemptions": 3}');
SELECT is(hold_of('open', NULL, 'open 1', :t), 'OK', 'a common code is held by nobody in particular');
SELECT is(hold_of('open', NULL, 'open 1', :soon), 'OK again', 'the same order, the same hold');
SELECT is(hold_of('open', NULL, 'open 1', :soon, 50), 'BILL_CONFLICT', 'another bill is a conflict');
SELECT is(hold_of('open', 'ann', 'open 1', :soon), 'OK', 'by a customer, who gets a coupon so');
SELECT counted();
SELECT is((SELECT issued FROM cms.offer_performance WHERE offer_id = o('anyone')), 2::bigint, 'two are issued by holds');
SELECT is(hold_of('open', NULL, 'open 1', :later, 70), 'OK', 'the order of nobody whose hold has ended holds again');
SELECT is(hold_of('open', NULL, 'open 2', :later), 'NOT_ISSUED', 'what a hold has issued stays issued');
SELECT counted();
SELECT is((SELECT redeemed FROM cms.hold, cms_confirm(hold_id, at => :later) WHERE order_ref = 'open 1' AND customer_id IS NULL AND status = 'HELD'), true, 'it is confirmed');
SELECT is((SELECT replayed FROM cms_redeem('open', NULL, 70, 'open 1', at => :later)), true, 'the bill is redeemed by nobody');
SELECT is((SELECT string_agg(reason, ' ') FROM cms.hold, cms_confirm(hold_id, at => :later) WHERE order_ref = 'open 1' AND customer_id IS NULL AND status = 'EXPIRED'), 'BILL_CONFLICT', 'not again by the hold before');
SELECT is((SELECT redeemed FROM cms.hold, cms_confirm(hold_id, at => :later) WHERE order_ref = 'open 1' AND customer_id = 'ann'), true, 'that of the customer is another coupon');
SELECT counted();
SELECT make_offer('third', '{"delivery": "THIRD_PARTY", "code_method": "UPLOADED", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 1}');
SELECT is((SELECT loaded FROM cms_upload_codes(o('third'), '{3P}')), true, 'a code handed out by a third party');
SELECT is(hold_of('3p', NULL, '3p 1', :t), 'OK', 'is held by whoever brings it');
SELECT is(rows_of($$ SELECT issued_at AT TIME ZONE 'Asia/Kolkata', expires_at AT TIME ZONE 'Asia/Kolkata', uses FROM cms.coupon WHERE code = '3P' $$), '("2025-11-12 11:00:00","2025-11-14 00:00:00",0)', 'which issues it');
SELECT is(release_of('3p 1', :t), 'OK', 'let go');
SELECT counted('it stays issued');
SELECT is(use_of('3p', NULL, :t), 'OK', 'and is redeemed by the next');

-- the sweep
SELECT make_offer('swept', '{"max_uses_per_coupon": 100, "max_redemptions": 100}');
SELECT is(issue_of('swept', 'ann', :t), 'OK', 'an offer');
SELECT cms_sweep_holds(at => :later) \g /dev/null
SELECT is(string_agg(hold_of(code_of('swept', 'ann'), 'ann', 'swept ' || n, :t), ''), 'OKOKOKOKOK', 'five holds') FROM generate_series(1, 5) n;
SELECT is(cms_sweep_holds(at => '2025-11-12 11:14:59 Asia/Kolkata'), 0::bigint, 'before their end nothing is swept');
SELECT is(cms_sweep_holds(2, at => :end), 2::bigint, 'then as many as asked');
SELECT is(cms_sweep_holds(at => :end), 3::bigint, 'the rest');
SELECT is(cms_sweep_holds(at => :end), 0::bigint, 'and no more');
SELECT is((SELECT redemptions_left FROM cms.offer_performance WHERE offer_id = o('swept')), 100::bigint, 'the report has them back');
SELECT counted();
SELECT is(confirm_of('swept 1', :later), 'OK', 'what is swept can still be confirmed late');
SELECT is(hold_of(code_of('swept', 'ann'), 'ann', 'swept 2', :later), 'OK', 'or held again');
SELECT play_org('Europe/Paris');
SELECT make_offer('elsewhere');
SELECT is(issue_of('elsewhere', 'ann', :t), 'OK', 'another org');
SELECT is(hold_of(code_of('elsewhere', 'ann'), 'ann', 'elsewhere', :t), 'OK', 'has a hold');
SELECT is(confirm_of('swept 2', :later), 'HOLD_NOT_FOUND', 'those of others are not found');
SELECT is(cms_sweep_holds(at => '2025-11-13', org => current_setting('cms.org')::int), 1::bigint, 'a sweep of one org');
SELECT cmp_ok(cms_sweep_holds(at => '2026-11-13'), '>', 0::bigint, 'a sweep of all that the caller may use');
SELECT is_empty($$ SELECT FROM cms.hold WHERE status = 'HELD' $$, 'nothing is held any more');
SELECT counted();

-- changed rules about customers
SELECT back_to_org('Asia/Kolkata');
SELECT make_offer('rules', '{"max_uses_per_coupon": 9}');
SELECT is(issue_of('rules', 'ann', :t), 'OK', 'an offer without limits per customer');
SELECT is(hold_of(code_of('rules', 'ann'), 'ann', 'rules 1', :t), 'OK', 'held');
SELECT alter_offer('rules', 'max_uses_per_customer', '2');
SELECT is(hold_of(code_of('rules', 'ann'), 'ann', 'rules 2', :t), 'OK', 'a new limit counts what is held');
SELECT is(hold_of(code_of('rules', 'ann'), 'ann', 'rules 3', :t), 'CUSTOMER_LIMIT', 'not more');
SELECT is(confirm_of('rules 1', :soon) || confirm_of('rules 2', :soon), 'OKOK', 'both are confirmed');
SELECT is(use_of(code_of('rules', 'ann'), 'ann', :later), 'CUSTOMER_LIMIT', 'and counted as used');
SELECT counted();
SELECT make_offer('next day', '{"max_uses_per_coupon": 9, "min_days_between_uses": 1}');
SELECT is(issue_of('next day', 'ann', :t), 'OK', 'an offer with a gap');
SELECT is(hold_of(code_of('next day', 'ann'), 'ann', 'next day', :t), 'OK', 'held today');
SELECT is((SELECT next_allowed_at FROM cms_hold(code_of('next day', 'ann'), 'ann', 100, 'next day 2', at => :soon)), '2025-11-13 Asia/Kolkata'::timestamptz, 'the refusal tells when');

-- many hold the offer at once: each looks at its own holds
SELECT make_offer('crowd', '{"max_uses_per_coupon": 2, "max_uses_per_customer": 2, "max_uses_per_customer_and_coupon": 1, "min_days_between_uses": 1, "max_redemptions": 1000}');
SELECT count(*) AS issued FROM cms_issue_many(o('crowd'), (SELECT array_agg('c' || i) FROM generate_series(1, 310) i), at => '2025-11-10 Asia/Kolkata') \gset
SELECT is(count(*), 300::bigint, 'three hundred hold it') FROM generate_series(1, 300) i, cms_hold(code_of('crowd', 'c' || i), 'c' || i, 100, 'crowd ' || i, at => :t) r WHERE r.held;
SELECT cmp_ok(rows_read('cms.hold', format($$ SELECT * FROM cms_hold('%s', 'c301', 100, 'crowd 301', at => %L) $$, code_of('crowd', 'c301'), :t)), '<=', 10::bigint, what)
FROM unnest('{another hold,the same}'::text[]) what;
SELECT cmp_ok(rows_read('cms.hold', format($$ SELECT * FROM cms_check('%s', 'c302', 100, at => %L) $$, code_of('crowd', 'c302'), :t)), '<=', 10::bigint, 'a question');
SELECT cmp_ok(rows_read('cms.hold', format($$ SELECT * FROM cms_redeem('%s', 'c302', 100, 'crowd', at => %L) $$, code_of('crowd', 'c302'), :t)), '<=', 10::bigint, 'a redemption');
SELECT cmp_ok(rows_read('cms.hold', format('SELECT * FROM cms_confirm(%s, at => %L)', h('crowd 7'), :soon)), '<=', 10::bigint, 'a confirmation');
SELECT cmp_ok(rows_read('cms.hold', format('SELECT * FROM cms_confirm(%s, bill_amount => 200, at => %L)', h('crowd 8'), :soon)), '<=', 10::bigint, 'one of another amount');
SELECT cmp_ok(rows_read('cms.hold', format('SELECT * FROM cms_release_hold(%s, at => %L)', h('crowd 9'), :soon)), '<=', 10::bigint, 'a release');
SELECT is(rows_of($$ SELECT status, count(*) FROM cms.hold WHERE offer_id = o('crowd') GROUP BY 1 ORDER BY 1 $$), '(CONFIRMED,2) (HELD,298) (RELEASED,1)', 'what became of them');

-- errors
SELECT refused($$ SELECT * FROM cms_hold('x', 'ann', 100, 'o', seconds => 0) $$, '22023', 'seconds', 'no time');
SELECT refused($$ SELECT * FROM cms_hold('x', 'ann', 100, 'o', seconds => 2678401) $$, '22023', 'seconds', 'more than 31 days');
SELECT refused($$ SELECT * FROM cms_hold('x', 'ann', 100, 'o', seconds => NULL) $$, '22004', 'seconds', 'unknown time');
SELECT refused($$ SELECT * FROM cms_hold('x', 'ann', NULL, 'o') $$, '22004', 'bill_amount', 'no amount');
SELECT refused(format($$ SELECT * FROM cms_hold('%s', NULL, 100, 'o') $$, code_of('rules', 'ann')), '22004', 'customer_id', 'no customer');
SELECT refused($$ SELECT * FROM cms_confirm(NULL) $$, '22004', 'hold_id', 'no hold to confirm');
SELECT refused($$ SELECT * FROM cms_confirm(1, bill_amount => -1) $$, '22023', 'bill_amount', 'a negative amount');
SELECT refused($$ SELECT * FROM cms_release_hold(NULL) $$, '22004', 'hold_id', 'no hold to release');
SELECT refused($$ SELECT cms_sweep_holds(0) $$, '22023', 'how_many', 'nothing to sweep');
SELECT is(hold_of('nothing', 'ann', 'none', :t), 'CODE_NOT_FOUND', 'an unknown code is a refusal');


-- a guess is a guess; the order of a hold may ask again
UPDATE cms.org SET record_attempts = true, max_failed_attempts = 2, uniform_refusals = true WHERE org_id = current_setting('cms.org')::int;
SELECT is(hold_of(code_of('rules', 'ann'), 'zoe', 'guess 1', :later, store => 'S7') || ' ' || hold_of('nothing', 'zoe', 'guess 2', :later, store => 'S7'),
	'CODE_NOT_FOUND CODE_NOT_FOUND', 'what is not to be known is not told');
SELECT is(rows_of($$ SELECT action, reason, order_of, unknown_code FROM (SELECT action, reason, bill_ref AS order_of, unknown_code FROM cms.attempt ORDER BY attempt_id) a $$),
	'(HOLD,NOT_THE_HOLDER,"guess 1",t) (HOLD,CODE_NOT_FOUND,"guess 2",t)', 'but recorded');
SELECT is(hold_of(code_of('bill', 'ann'), 'zoe', 'guess 3', :later), 'TOO_MANY_ATTEMPTS', 'and limited');
SELECT is(confirm_of('next day', :soon), 'OK', 'which is no matter for a hold');
SELECT * FROM finish();
ROLLBACK;
