-- F31: days and hours of redemption, in the org's zone.
BEGIN;
SELECT plan(118);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

-- An offer that is open in one window, and a coupon of it.
CREATE FUNCTION make_window(offer text, weekdays int[] DEFAULT NULL, month_days int[] DEFAULT NULL, from_date date DEFAULT NULL,
	to_date date DEFAULT NULL, from_time time DEFAULT NULL, to_time time DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	IF o(offer) IS NULL THEN
		PERFORM make_offer(offer, '{"max_uses_per_coupon": null}');
		PERFORM issue_of(offer, 'ann', '2010-01-01 UTC');
	END IF;
	INSERT INTO cms.offer_window (offer_id, weekdays, month_days, from_date, to_date, from_time, to_time)
	VALUES (o(offer), weekdays, month_days, from_date, to_date, from_time, to_time);
END
$$;
CREATE FUNCTION at_of(offer text, at timestamptz) RETURNS text
LANGUAGE sql AS $$ SELECT use_of(code_of(offer, 'ann'), 'ann', at) $$;
CREATE FUNCTION next_of(offer text, at timestamptz) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce((c.next_allowed_at AT TIME ZONE g.time_zone)::text, 'never')
	FROM cms_check(code_of(offer, 'ann'), 'ann', 100, at => at) c JOIN cms.org g ON g.org_id = current_setting('cms.org')::int
$$;
-- "is open" and "is shut" at a local time
CREATE FUNCTION open_at(offer text, clock timestamp, what text) RETURNS text
LANGUAGE sql AS $$ SELECT is(at_of(offer, clock AT TIME ZONE g.time_zone), 'OK', what || ': open at ' || clock) FROM cms.org g WHERE g.org_id = current_setting('cms.org')::int $$;
CREATE FUNCTION shut_at(offer text, clock timestamp, what text) RETURNS text
LANGUAGE sql AS $$ SELECT is(at_of(offer, clock AT TIME ZONE g.time_zone), 'TIME_NOT_ALLOWED', what || ': shut at ' || clock) FROM cms.org g WHERE g.org_id = current_setting('cms.org')::int $$;

-- 2025-11-10 is a Monday
SELECT make_window('weekdays', weekdays => '{1,7}');
SELECT open_at('weekdays', '2025-11-10 00:00', 'Mondays and Sundays');
SELECT open_at('weekdays', '2025-11-10 23:59:59.999999', 'Mondays and Sundays');
SELECT shut_at('weekdays', '2025-11-11 00:00', 'Mondays and Sundays');
SELECT shut_at('weekdays', '2025-11-15 23:59:59.999999', 'Mondays and Sundays');
SELECT open_at('weekdays', '2025-11-16 00:00', 'Mondays and Sundays');
SELECT is(next_of('weekdays', '2025-11-11 12:00 Asia/Kolkata'), '2025-11-16 00:00:00', 'the answer tells when it opens');
SELECT matches((SELECT message FROM cms_check(code_of('weekdays', 'ann'), 'ann', 100, at => '2025-11-11 12:00 Asia/Kolkata')), '2025-11-16', 'also in words');
SELECT is(at_of('weekdays', '2025-11-09 18:30 UTC'), 'OK', 'days are those of the org''s zone: Sunday 18:30 in UTC is Monday');

SELECT make_window('month days', month_days => '{1,31}');
SELECT open_at('month days', '2025-10-31 12:00', '1st and 31st');
SELECT open_at('month days', '2025-11-01 12:00', '1st and 31st');
SELECT shut_at('month days', '2025-11-30 12:00', '1st and 31st');
SELECT is(next_of('month days', '2025-11-02 12:00 Asia/Kolkata'), '2025-12-01 00:00:00', 'November has no 31st');

SELECT make_window('dates', from_date => '2025-11-10', to_date => '2025-11-12');
SELECT shut_at('dates', '2025-11-09 23:59:59.999999', 'three days');
SELECT open_at('dates', '2025-11-10 00:00', 'three days');
SELECT open_at('dates', '2025-11-12 23:59:59.999999', 'three days');
SELECT shut_at('dates', '2025-11-13 00:00', 'three days');
SELECT is(next_of('dates', '2025-01-01 12:00 Asia/Kolkata'), '2025-11-10 00:00:00', 'when they come');
SELECT is(next_of('dates', '2025-11-13 12:00 Asia/Kolkata'), 'never', 'when they are over');
SELECT make_window('from', from_date => '2030-01-01');
SELECT shut_at('from', '2029-12-31 23:59', 'from a date');
SELECT open_at('from', '2040-01-01 00:00', 'from a date');
SELECT is(next_of('from', '2025-11-13 12:00 Asia/Kolkata'), '2030-01-01 00:00:00', 'also years ahead');
SELECT make_window('until', to_date => '2025-11-10');
SELECT open_at('until', '2025-11-10 23:59', 'until a date');
SELECT shut_at('until', '2025-11-11 00:00', 'until a date');

-- slots: start inclusive, end exclusive
SELECT make_window('slot', from_time => '10:00', to_time => '12:30');
SELECT shut_at('slot', '2025-11-10 09:59:59.999999', '10:00 to 12:30');
SELECT open_at('slot', '2025-11-10 10:00', '10:00 to 12:30');
SELECT open_at('slot', '2025-11-10 12:29:59.999999', '10:00 to 12:30');
SELECT shut_at('slot', '2025-11-10 12:30', '10:00 to 12:30');
SELECT is(next_of('slot', '2025-11-10 09:00 Asia/Kolkata'), '2025-11-10 10:00:00', 'opens today');
SELECT is(next_of('slot', '2025-11-10 12:30 Asia/Kolkata'), '2025-11-11 10:00:00', 'opens tomorrow');
SELECT make_window('morning', to_time => '12:00');
SELECT open_at('morning', '2025-11-10 00:00', 'to noon');
SELECT shut_at('morning', '2025-11-10 12:00', 'to noon');
SELECT make_window('evening', from_time => '18:00');
SELECT shut_at('evening', '2025-11-10 17:59:59', 'from six');
SELECT open_at('evening', '2025-11-10 23:59:59.999999', 'from six');
SELECT shut_at('evening', '2025-11-11 00:00', 'from six');
SELECT make_window('to 24', from_time => '18:00', to_time => '24:00');
SELECT open_at('to 24', '2025-11-10 23:59:59.999999', '18:00 to 24:00');
SELECT shut_at('to 24', '2025-11-11 00:00', '18:00 to 24:00');
SELECT make_window('to 0', from_time => '18:00', to_time => '00:00');
SELECT open_at('to 0', '2025-11-10 23:59:59.999999', '18:00 to 00:00');
SELECT shut_at('to 0', '2025-11-11 00:00', '18:00 to 00:00');

-- a slot over midnight belongs to the day it starts
SELECT make_window('night', weekdays => '{1}', from_time => '22:00', to_time => '02:00');
SELECT open_at('night', '2025-11-11 01:00', 'Monday 22:00 to 02:00, Tuesday');
SELECT shut_at('night', '2025-11-10 01:00', 'Monday 22:00 to 02:00, Monday');
SELECT shut_at('night', '2025-11-10 21:59:59.999999', 'Monday 22:00 to 02:00, Monday');
SELECT open_at('night', '2025-11-10 22:00', 'Monday 22:00 to 02:00, Monday');
SELECT open_at('night', '2025-11-11 00:00', 'Monday 22:00 to 02:00, Tuesday');
SELECT open_at('night', '2025-11-11 01:59:59.999999', 'Monday 22:00 to 02:00, Tuesday');
SELECT shut_at('night', '2025-11-11 02:00', 'Monday 22:00 to 02:00, Tuesday');
SELECT shut_at('night', '2025-11-11 22:00', 'Monday 22:00 to 02:00, Tuesday');
SELECT is(next_of('night', '2025-11-10 01:00 Asia/Kolkata'), '2025-11-10 22:00:00', 'refused on Monday at 01:00, opens at 22:00');
SELECT is(next_of('night', '2025-11-11 02:00 Asia/Kolkata'), '2025-11-17 22:00:00', 'then a week later');
SELECT make_window('last night', month_days => '{31}', to_date => '2025-12-31', from_time => '22:00', to_time => '02:00');
SELECT open_at('last night', '2026-01-01 01:00', 'the night of the last day, after to_date');
SELECT shut_at('last night', '2026-01-01 22:00', 'the night of the last day, the next');
SELECT make_window('first night', from_date => '2025-12-31', from_time => '22:00', to_time => '02:00');
SELECT shut_at('first night', '2025-12-31 01:00', 'from the night of the 31st, that before');
SELECT open_at('first night', '2026-01-01 01:00', 'from the night of the 31st');

-- all columns of a row must hold, any row is enough
SELECT make_window('and', '{5}', '{13}', '2025-01-01', '2026-12-31', '08:00', '20:00');
SELECT open_at('and', '2026-02-13 08:00', 'Friday the 13th by day');
SELECT shut_at('and', '2026-02-13 20:00', 'Friday the 13th at night');
SELECT shut_at('and', '2026-02-12 08:00', 'Thursday the 12th');
SELECT shut_at('and', '2027-08-13 08:00', 'Friday the 13th of a later year');
SELECT is(next_of('and', '2025-11-01 Asia/Kolkata'), '2026-02-13 08:00:00', 'the next one');
SELECT is(next_of('and', '2026-11-14 Asia/Kolkata'), 'never', 'there is none');
SELECT make_window('or', weekdays => '{1}');
SELECT make_window('or', weekdays => '{3}', from_time => '10:00');
SELECT open_at('or', '2025-11-10 09:00', 'Mondays, or Wednesdays from 10:00');
SELECT shut_at('or', '2025-11-12 09:59', 'Mondays, or Wednesdays from 10:00');
SELECT open_at('or', '2025-11-12 10:00', 'Mondays, or Wednesdays from 10:00');
SELECT is(next_of('or', '2025-11-11 Asia/Kolkata'), '2025-11-12 10:00:00', 'the earlier of both');
SELECT is(next_of('or', '2025-11-13 Asia/Kolkata'), '2025-11-17 00:00:00', 'in either order');

-- changes hold at once
UPDATE cms.offer_window SET weekdays = '{2}' WHERE offer_id = o('weekdays');
SELECT open_at('weekdays', '2025-11-11 00:00', 'changed to Tuesdays');
DELETE FROM cms.offer_window WHERE offer_id = o('weekdays');
SELECT open_at('weekdays', '2025-11-12 00:00', 'without windows');
UPDATE cms.org SET time_zone = 'UTC' WHERE org_id = current_setting('cms.org')::int;
SELECT is(at_of('slot', '2025-11-10 10:00 UTC'), 'OK', 'another zone of the org');
SELECT is(at_of('slot', '2025-11-10 10:00 Asia/Kolkata'), 'TIME_NOT_ALLOWED', 'and not the old one');
SELECT counted();

-- clocks that change: 02:00 to 03:00 does not exist on 30 March and comes twice on 26 October
SELECT play_org('Europe/Berlin');
SELECT make_window('2 to 3', from_time => '02:00', to_time => '03:00');
SELECT is(at_of('2 to 3', at), 'TIME_NOT_ALLOWED', 'the day it does not exist: ' || at)
FROM unnest(ARRAY['2025-03-30 00:00 UTC', '2025-03-30 00:59:59.999999 UTC', '2025-03-30 01:00 UTC', '2025-03-30 02:00 UTC']::timestamptz[]) AS at;
SELECT is(next_of('2 to 3', '2025-03-30 00:30 UTC'), '2025-03-31 02:00:00', 'and the next is on the day after');
SELECT is(at_of('2 to 3', at), wanted, 'the day it exists twice: ' || at)
FROM (VALUES ('2025-10-25 23:59:59.999999 UTC'::timestamptz, 'TIME_NOT_ALLOWED'), ('2025-10-26 00:00 UTC', 'OK'), ('2025-10-26 00:59:59.999999 UTC', 'OK'),
	('2025-10-26 01:00 UTC', 'OK'), ('2025-10-26 01:59:59.999999 UTC', 'OK'), ('2025-10-26 02:00 UTC', 'TIME_NOT_ALLOWED')) v(at, wanted);
SELECT make_window('2:30 to 2:45', from_time => '02:30', to_time => '02:45');
SELECT is(at_of('2:30 to 2:45', '2025-10-26 00:30 UTC'), 'OK', 'a slot within the hour, the first time');
SELECT is(at_of('2:30 to 2:45', '2025-10-26 00:50 UTC'), 'TIME_NOT_ALLOWED', 'between');
SELECT is((SELECT next_allowed_at FROM cms_check(code_of('2:30 to 2:45', 'ann'), 'ann', 100, at => '2025-10-26 00:50 UTC')), '2025-10-26 01:30 UTC'::timestamptz, 'opens again within the hour');
SELECT is(at_of('2:30 to 2:45', '2025-10-26 01:30 UTC'), 'OK', 'the second time');
SELECT make_window('1 to 2:30', from_time => '01:00', to_time => '02:30');
SELECT is(at_of('1 to 2:30', '2025-03-30 00:59 UTC'), 'OK', 'a slot that ends in the missing hour');
SELECT is(at_of('1 to 2:30', '2025-03-30 01:00 UTC'), 'TIME_NOT_ALLOWED', 'ends with it');
SELECT make_window('2:30 to 4', from_time => '02:30', to_time => '04:00');
SELECT is(next_of('2:30 to 4', '2025-03-30 00:30 UTC'), '2025-03-30 03:00:00', 'one that starts in it opens after it');
SELECT is(at_of('2:30 to 4', '2025-03-30 01:00 UTC'), 'OK', 'and is open then');
SELECT make_window('sunday night', weekdays => '{7}', from_time => '22:00', to_time => '03:00');
SELECT is(at_of('sunday night', '2025-10-26 01:30 UTC'), 'TIME_NOT_ALLOWED', 'Sunday early is Saturday''s night, also the second time');
SELECT play_org('America/Sao_Paulo');
SELECT make_window('midnight', weekdays => '{7}', from_time => '00:00', to_time => '01:00');
SELECT is(next_of('midnight', '2018-11-03 12:00 UTC'), '2018-11-11 00:00:00', 'an hour of midnight that is missing is that of a week later');
SELECT is(at_of('midnight', '2018-11-04 03:00 UTC'), 'TIME_NOT_ALLOWED', 'at 01:00, right after the jump');
SELECT play_org('Pacific/Apia');
SELECT make_window('the 30th', month_days => '{30}');
SELECT is(next_of('the 30th', '2011-12-29 12:00 UTC'), '2012-01-30 00:00:00', 'a day that was left out is that of a month later');
SELECT counted('with clocks that change');

-- settings: rows that can never match, and values that are none
CREATE FUNCTION window_refused(names text, what text, weekdays int[] DEFAULT NULL, month_days int[] DEFAULT NULL, from_date date DEFAULT NULL,
	to_date date DEFAULT NULL, from_time time DEFAULT NULL, to_time time DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT refused(format('SELECT make_window(''the 30th'', %L, %L, %L, %L, %L, %L)', weekdays, month_days, from_date, to_date, from_time, to_time),
		'23514', names, what)
$$;
SELECT window_refused('month_days|never', '31 June', month_days => '{31}', from_date => '2025-06-01', to_date => '2025-06-30');
SELECT window_refused('month_days|never', '30 February', month_days => '{30,31}', from_date => '2024-02-01', to_date => '2024-02-29');
SELECT window_refused('weekdays|never', 'a Monday that is a Tuesday', weekdays => '{1}', from_date => '2025-11-11', to_date => '2025-11-11');
SELECT window_refused('days|never', 'Friday the 13th in a month without one', '{5}', '{13}', '2025-11-01', '2025-11-30');
SELECT window_refused('from_date|to_date', 'dates that end before they begin', from_date => '2025-11-12', to_date => '2025-11-11');
SELECT window_refused('from_time|to_time|times', 'a slot of no time', from_time => '10:00', to_time => '10:00');
SELECT window_refused('to_time|never', 'a slot that ends at the first midnight', to_time => '00:00');
SELECT window_refused('from_time|never', 'a slot that starts at the last midnight', from_time => '24:00');
SELECT window_refused('weekdays', 'a weekday 0', weekdays => '{0}');
SELECT window_refused('weekdays', 'a weekday 8', weekdays => '{1,8}');
SELECT window_refused('weekdays', 'no weekday', weekdays => '{}');
SELECT window_refused('weekdays', 'a weekday NULL', weekdays => '{1,NULL}');
SELECT window_refused('weekdays', 'weekdays of two dimensions', weekdays => '{{1},{2}}');
SELECT window_refused('month_days', 'a day 0', month_days => '{0}');
SELECT window_refused('month_days', 'a day 32', month_days => '{32}');
SELECT window_refused('month_days', 'a day -1', month_days => '{-1}');
SELECT window_refused('month_days', 'no day', month_days => '{}');
SELECT window_refused('month_days', 'a day NULL', month_days => '{NULL}');
SELECT window_refused('month_days', 'days of two dimensions', month_days => '{{1},{2}}');
SELECT window_refused('from_date', 'from infinity', from_date => 'infinity');
SELECT window_refused('to_date', 'to infinity', to_date => 'infinity');
SELECT window_refused('from_date', 'from -infinity', from_date => '-infinity');
SELECT refused($$ UPDATE cms.offer_window SET from_date = '2025-02-01', to_date = '2025-02-28' WHERE offer_id = o('the 30th') $$, '23514', 'month_days|never', 'nor by a change');
SELECT lives_ok($$ SELECT make_window('the 30th', month_days => '{29}', from_date => '2025-02-01', to_date => '2028-02-29') $$, '29 February within four years');
SELECT lives_ok($$ SELECT make_window('the 30th', '{7}', '{31}') $$, 'a Sunday that is a 31st some day');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
