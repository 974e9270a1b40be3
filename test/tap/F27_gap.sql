-- F27: days between two redemptions of an offer by one customer.
BEGIN;
SELECT plan(56);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

CREATE FUNCTION next_of(code text, customer text, at timestamptz) RETURNS timestamptz
LANGUAGE sql AS $$ SELECT next_allowed_at FROM cms_check(code, customer, 100, at => at) $$;

-- what is told is a day on which it is possible: with the gap, the first day and the windows, before the end
CREATE FUNCTION told(code text, customer text, at timestamptz) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' | ', r.reason, r.message, r.next_allowed_at AT TIME ZONE 'Asia/Kolkata') FROM cms_check(code, customer, 100, at => at) r
$$;
CREATE FUNCTION told_of(name text, settings jsonb, windows int[], at timestamptz, used timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(name, '{"max_uses_per_coupon": null}' || settings);
	INSERT INTO cms.offer_window (offer_id, weekdays, from_time) SELECT o(name), windows, '18:00' WHERE windows IS NOT NULL;
	PERFORM issue_of(name, 'ann', '2026-05-20 10:00 Asia/Kolkata');
	IF used IS NOT NULL THEN
		PERFORM use_of(code_of(name, 'ann'), 'ann', used);
	END IF;
	RETURN told(code_of(name, 'ann'), 'ann', at);
END
$$;
\set gap '''{"min_days_between_uses": 30, "expires_on": "2026-06-30"}'''
SELECT is(told_of('gap in the end', :gap, NULL, '2026-06-21 12:00 Asia/Kolkata', '2026-06-20 12:00 Asia/Kolkata'),
	'GAP_TOO_SHORT | The customer used this offer too short a time ago.', 'no day after the end of the offer');
SELECT is(told_of('gap before the end', :gap, NULL, '2026-06-02 12:00 Asia/Kolkata', '2026-05-31 12:00 Asia/Kolkata'),
	'GAP_TOO_SHORT | The customer can redeem this offer again from 2026-06-30. | 2026-06-30 00:00:00', 'the last day is one');
SELECT is(told_of('gap in the coupon', '{"min_days_between_uses": 30, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 20}', NULL, '2026-05-23 12:00 Asia/Kolkata', '2026-05-22 12:00 Asia/Kolkata'),
	'GAP_TOO_SHORT | The customer used this offer too short a time ago.', 'nor after the end of the coupon');
SELECT is(told_of('outlives', '{"min_days_between_uses": 30, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 60, "outlives_offer": true, "expires_on": "2026-05-31"}', NULL,
	'2026-05-23 12:00 Asia/Kolkata', '2026-05-22 12:00 Asia/Kolkata'), 'GAP_TOO_SHORT | The customer can redeem this offer again from 2026-06-21. | 2026-06-21 00:00:00', 'unless coupons outlive it');
SELECT is(told_of('gap and window', '{"min_days_between_uses": 2}', '{7}', '2026-06-15 20:00 Asia/Kolkata', '2026-06-14 20:00 Asia/Kolkata'),
	'GAP_TOO_SHORT | The customer can redeem this offer again from 2026-06-21 18:00. | 2026-06-21 18:00:00', 'the next Sunday evening');
SELECT is(told_of('window and end', '{"expires_on": "2026-06-12"}', '{7}', '2026-06-09 12:00 Asia/Kolkata'), 'TIME_NOT_ALLOWED | The coupon is not valid at this time.', 'no Sunday comes any more');
SELECT is(told_of('window today', '{"expires_on": "2026-06-14"}', '{7}', '2026-06-14 12:00 Asia/Kolkata'),
	'TIME_NOT_ALLOWED | The offer cannot be redeemed at this time; the next is 2026-06-14 18:00. | 2026-06-14 18:00:00', 'one does');
SELECT is(told_of('start and end', '{"starts_after_days": 30, "expires_on": "2026-06-10"}', NULL, '2026-06-01 12:00 Asia/Kolkata'), 'NOT_STARTED | The coupon cannot be redeemed yet.', 'ends before it starts');
SELECT is(told_of('start', '{"starts_after_days": 30}', NULL, '2026-06-01 12:00 Asia/Kolkata'),
	'NOT_STARTED | The coupon can be redeemed from 2026-06-19. | 2026-06-19 00:00:00', 'starts');
SELECT is(told_of('start and window', '{"starts_on": "2026-06-15"}', '{7}', '2026-06-01 12:00 Asia/Kolkata'),
	'NOT_STARTED | The coupon can be redeemed from 2026-06-21 18:00. | 2026-06-21 18:00:00', 'starts with a Sunday evening');
SELECT is(told_of('all', '{"starts_on": "2026-06-15", "min_days_between_uses": 5}', '{1,7}', '2026-06-01 12:00 Asia/Kolkata'),
	'NOT_STARTED | The coupon can be redeemed from 2026-06-15 18:00. | 2026-06-15 18:00:00', 'or that of the day itself');

-- 7 days: on day 3 refused with the date it becomes possible, on day 7 accepted
SELECT make_offer('week', '{"max_uses_per_coupon": null, "min_days_between_uses": 7}');
SELECT is(issue_of('week', 'ann', '2025-11-01 10:00 Asia/Kolkata', 2), 'OK OK', 'two coupons');
SELECT is(use_of(code_of('week', 'ann', 1), 'ann', '2025-11-01 23:00 Asia/Kolkata'), 'OK', 'day 0');
SELECT is(use_of(code_of('week', 'ann', 1), 'ann', '2025-11-01 23:30 Asia/Kolkata'), 'GAP_TOO_SHORT', 'again on day 0');
SELECT is(use_of(code_of('week', 'ann', 1), 'ann', '2025-11-04 12:00 Asia/Kolkata'), 'GAP_TOO_SHORT', 'day 3');
SELECT is(next_of(code_of('week', 'ann', 1), 'ann', '2025-11-04 12:00 Asia/Kolkata'), '2025-11-08 00:00 Asia/Kolkata'::timestamptz, 'the refusal names the next possible date');
SELECT is((SELECT next_allowed_at FROM cms_redeem(code_of('week', 'ann', 1), 'ann', 100, 'B', at => '2025-11-04 12:00 Asia/Kolkata')), '2025-11-08 00:00 Asia/Kolkata'::timestamptz, 'that of the redemption too');
SELECT matches((SELECT message FROM cms_redeem(code_of('week', 'ann', 1), 'ann', 100, 'B', at => '2025-11-04 12:00 Asia/Kolkata')), '2025-11-08', 'also in words');
SELECT is(use_of(code_of('week', 'ann', 2), 'ann', '2025-11-04 12:00 Asia/Kolkata'), 'GAP_TOO_SHORT', 'the gap is of the offer, not of the coupon');
SELECT is(use_of(code_of('week', 'ann', 1), 'ann', '2025-11-07 23:59:59.999999 Asia/Kolkata'), 'GAP_TOO_SHORT', 'the end of day 6');
SELECT is(use_of(code_of('week', 'ann', 1), 'ann', '2025-11-08 00:00 Asia/Kolkata'), 'OK', 'day 7, though not 7 times 24 hours');
SELECT is(use_of(code_of('week', 'ann', 2), 'ann', '2025-11-09 00:00 Asia/Kolkata'), 'GAP_TOO_SHORT', 'which begins a new gap');
SELECT is(next_of(code_of('week', 'ann', 2), 'ann', '2025-11-09 00:00 Asia/Kolkata'), '2025-11-15 00:00 Asia/Kolkata'::timestamptz, 'of seven days');
SELECT is(issue_of('week', 'bob', '2025-11-01 10:00 Asia/Kolkata'), 'OK', 'bob');
SELECT is(use_of(code_of('week', 'bob'), 'bob', '2025-11-08 10:00 Asia/Kolkata'), 'OK', 'has his own gaps');

-- requests that come late, with an earlier time
SELECT is(use_of(code_of('week', 'ann', 1), 'ann', '2025-10-30 12:00 Asia/Kolkata'), 'NOT_STARTED', 'before its issue there was no coupon');
SELECT is(use_of(code_of('week', 'bob'), 'bob', '2025-11-02 12:00 Asia/Kolkata'), 'GAP_TOO_SHORT', 'six days before a use there is a gap too');
SELECT is(use_of(code_of('week', 'bob'), 'bob', '2025-11-01 12:00 Asia/Kolkata'), 'OK', 'seven days before it is none');

-- 1 day: the next date is enough
SELECT make_offer('daily', '{"max_uses_per_coupon": 10, "min_days_between_uses": 1}');
SELECT is(issue_of('daily', 'ann', '2025-11-01 10:00 Asia/Kolkata'), 'OK', 'a coupon for every day');
SELECT is(use_of(code_of('daily', 'ann'), 'ann', '2025-11-01 23:59 Asia/Kolkata'), 'OK', 'a minute before midnight');
SELECT is(use_of(code_of('daily', 'ann'), 'ann', '2025-11-01 23:59:30 Asia/Kolkata'), 'GAP_TOO_SHORT', 'not twice a day');
SELECT is(use_of(code_of('daily', 'ann'), 'ann', '2025-11-02 00:00 Asia/Kolkata'), 'OK', 'again at midnight');
SELECT make_offer('no gap', '{"max_uses_per_coupon": 10, "min_days_between_uses": 0}');
SELECT is(issue_of('no gap', 'ann', '2025-11-01 10:00 Asia/Kolkata'), 'OK', 'a coupon without gap');
SELECT is(use_of(code_of('no gap', 'ann'), 'ann', '2025-11-01 11:00 Asia/Kolkata'), 'OK', '0 is none') FROM generate_series(1, 2);

-- a redemption that was taken back leaves no gap
SELECT make_offer('reversed', '{"max_uses_per_coupon": 10, "min_days_between_uses": 30}');
SELECT is(issue_of('reversed', 'ann', '2025-11-01 10:00 Asia/Kolkata'), 'OK', 'a coupon');
SELECT is(use_of(code_of('reversed', 'ann'), 'ann', '2025-11-01 11:00 Asia/Kolkata', bill => 'back'), 'OK', 'is used');
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'back'), at => '2025-11-01 12:00 Asia/Kolkata')), true, 'taken back');
SELECT is(use_of(code_of('reversed', 'ann'), 'ann', '2025-11-01 13:00 Asia/Kolkata'), 'OK', 'and used again');

-- the gap is the redeemer's
SELECT make_offer('anyone', '{"max_uses_per_coupon": 10, "min_days_between_uses": 30, "anyone_may_redeem": true}');
SELECT is(issue_of('anyone', 'ann', '2025-11-01 10:00 Asia/Kolkata'), 'OK', 'a coupon for anyone');
SELECT is(use_of(code_of('anyone', 'ann'), 'bob', '2025-11-01 11:00 Asia/Kolkata'), 'OK', 'bob uses it');
SELECT is(use_of(code_of('anyone', 'ann'), 'ann', '2025-11-01 11:00 Asia/Kolkata'), 'OK', 'ann too');
SELECT is(use_of(code_of('anyone', 'ann'), 'bob', '2025-11-30 11:00 Asia/Kolkata'), 'GAP_TOO_SHORT', 'bob has to wait');
SELECT is(use_of(code_of('anyone', 'ann'), 'bob', '2025-12-01 11:00 Asia/Kolkata'), 'OK', 'thirty days');
SELECT counted();

-- days of 23 and 25 hours
SELECT play_org('America/New_York');
SELECT make_offer('days', '{"max_uses_per_coupon": 10, "min_days_between_uses": 1}');
SELECT is(issue_of('days', 'ann', '2025-11-01 10:00 America/New_York'), 'OK', 'a coupon where clocks are put back');
SELECT is(use_of(code_of('days', 'ann'), 'ann', '2025-11-02 04:00 UTC'), 'OK', 'at the first moment of the long day');
SELECT is(use_of(code_of('days', 'ann'), 'ann', '2025-11-03 04:59:59 UTC'), 'GAP_TOO_SHORT', 'its 25th hour is still that day');
SELECT is(use_of(code_of('days', 'ann'), 'ann', '2025-11-03 05:00 UTC'), 'OK', 'the next day');

-- settings
SELECT offer_refused('{"min_days_between_uses": 3}', 'min_days_between_uses', 'a coupon of one use, as by default, can have no gap');
SELECT offer_refused('{"min_days_between_uses": 3, "max_uses_per_coupon": 1}', 'min_days_between_uses', 'nor where that is said');
SELECT offer_refused('{"min_days_between_uses": -3, "max_uses_per_coupon": 2}', 'min_days_between_uses', 'a negative gap is refused');
SELECT offer_refused('{"min_days_between_uses": 2147483647, "max_uses_per_coupon": 2}', 'min_days_between_uses', 'one of millions of years too');
SELECT refused($$ SELECT alter_offer('days', 'max_uses_per_coupon', '1') $$, '23514', 'min_days_between_uses|max_uses_per_coupon', 'an offer with a gap cannot become one of single use');
SELECT alter_offer('days', 'min_days_between_uses', '3');
SELECT is(use_of(code_of('days', 'ann'), 'ann', '2025-11-04 12:00 UTC'), 'GAP_TOO_SHORT', 'a changed gap holds at once');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
