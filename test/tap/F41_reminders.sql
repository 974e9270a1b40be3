-- F41: reminders to customers: due when, to whom, each once.
BEGIN;
SELECT plan(72);
\ir lib/scene.psql

CREATE FUNCTION remind(offer text, days_before int, time_of_day time DEFAULT '10:00', channel text DEFAULT 'SMS') RETURNS void
LANGUAGE sql AS $$ INSERT INTO cms.offer_reminder (offer_id, days_before, time_of_day, channel, content)
	VALUES (o(offer), days_before, time_of_day, channel, 'Use {code}') $$;
-- Customers who were queued a reminder of the offer by a sweep at this time.
CREATE FUNCTION sweep(offer text, at timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT coalesce(max(message_id), 0) FROM cms.outbox);
BEGIN
	PERFORM cms.cms_sweep_reminders(at => at);
	RETURN (SELECT coalesce(string_agg(customer_id, ' ' ORDER BY customer_id), 'nobody') FROM cms.outbox
		WHERE org_id = current_setting('cms.org')::int AND offer_id = o(offer) AND kind = 'REMINDER' AND message_id > before);
END
$$;

-- The offer expires on 20 June, 4 days before: due on 16 June at 10:00, in each zone.
CREATE FUNCTION due_in(zone text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM play_org(zone);
	PERFORM make_offer('june', '{"expires_on": "2026-06-20"}');
	PERFORM remind('june', 4);
	PERFORM issue_of('june', 'ann', '2026-06-01 UTC');
	RETURN NEXT is(sweep('june', '2026-06-16 09:59:59.999999'::timestamp AT TIME ZONE zone), 'nobody', zone || ': not before');
	RETURN NEXT is(sweep('june', '2026-06-16 10:00'::timestamp AT TIME ZONE zone), 'ann', zone || ': at 10:00');
	RETURN NEXT is((SELECT (due_at AT TIME ZONE zone, send_before AT TIME ZONE zone, for_day)::text FROM cms.outbox WHERE offer_id = o('june')
		AND org_id = current_setting('cms.org')::int), '("2026-06-16 10:00:00","2026-06-17 00:00:00",2026-06-20)', zone || ': what the message says');
	RETURN NEXT is(sweep('june', '2026-06-16 23:59:59'::timestamp AT TIME ZONE zone), 'nobody', zone || ': once');
END
$$;
SELECT due_in(zone) FROM unnest('{Asia/Kolkata,America/New_York,Pacific/Apia,Pacific/Kiritimati,UTC}'::text[]) zone;

-- Over the change of clocks, and times that do not exist.
SELECT is(cms_due_at('2026-03-08', '02:30', 'America/New_York'), '2026-03-08 03:00 America/New_York', 'a time that the clocks jump over: the moment of the jump');
SELECT is(cms_due_at('2026-11-01', '01:30', 'America/New_York'), '2026-11-01 05:30 UTC', 'a time that comes twice: the first');
SELECT is(cms_due_at('2026-03-08', '10:00', 'America/New_York'), '2026-03-08 14:00 UTC', 'in summer already');
SELECT is(cms_due_at('2026-03-07', '10:00', 'America/New_York'), '2026-03-07 15:00 UTC', 'the day before, not yet');
SELECT is(cms_due_at('2011-12-30', '10:00', 'Pacific/Apia'), '2011-12-31 00:00 Pacific/Apia', 'on a day that the zone left out: the next begins');
SELECT throws_ok($$ SELECT cms_due_at('2026-01-01', '10:00', 'Mars/Olympus') $$, '22023', NULL, 'an unknown zone');
SELECT play_org('America/New_York');
SELECT make_offer('spring', '{"expires_on": "2026-03-10"}');
SELECT remind('spring', 2, '02:30'), issue_of('spring', 'ann', '2026-03-01 UTC');
SELECT is(sweep('spring', '2026-03-08 01:59:59 America/New_York'), 'nobody', 'clocks put forward: not before');
SELECT is(sweep('spring', '2026-03-08 03:00 America/New_York'), 'ann', 'clocks put forward: when they are');
-- Nuuk goes from 23:00 on Saturday 30 March 2024 to Sunday 00:00
SELECT play_org('America/Nuuk');
SELECT make_offer('gap', '{"expires_on": "2024-04-01"}'), make_offer('gone', '{"expires_on": "2024-03-30"}');
SELECT remind('gap', 2, '23:30'), remind('gone', 0, '23:30'), issue_of('gap', 'ann', '2024-03-01 UTC'), issue_of('gone', 'ann', '2024-03-01 UTC');
SELECT is(sweep('gap', '2024-03-31 00:59:59 UTC'), 'nobody', 'a time before midnight that never comes: not before');
SELECT is(sweep('gap', '2024-03-31 12:00 UTC'), 'ann', '… but on the day that begins instead');
SELECT is(sweep('gone', '2024-03-31 01:00 UTC'), 'nobody', '… unless the coupon ends then');
SELECT play_org('Pacific/Apia');
SELECT make_offer('skip', '{"expires_on": "2012-01-02"}');
SELECT remind('skip', 3), issue_of('skip', 'ann', '2011-12-01 UTC');
SELECT is(sweep('skip', '2011-12-30 09:59:59 UTC'), 'nobody', 'on a day that never comes: not before');
SELECT is(sweep('skip', '2011-12-31 18:00 Pacific/Apia'), 'ann', '… but on the next');

-- Moved ends.
SELECT play_org('Asia/Kolkata');
SELECT make_offer('moved', '{"expires_on": "2026-06-20"}');
SELECT remind('moved', 4), issue_of('moved', 'ann', '2026-06-01 UTC');
SELECT alter_offer('moved', 'expires_on', '2026-06-25');
SELECT is(sweep('moved', '2026-06-16 12:00 Asia/Kolkata'), 'nobody', 'the end was moved before: nothing on the old day');
SELECT is(sweep('moved', '2026-06-21 09:59:59 Asia/Kolkata'), 'nobody', 'nor before the new time');
SELECT is(sweep('moved', '2026-06-21 10:00 Asia/Kolkata'), 'ann', 'at the new time');
SELECT alter_offer('moved', 'expires_on', '2026-06-27');
SELECT is(sweep('moved', '2026-06-23 10:00 Asia/Kolkata'), 'ann', 'moved again: again, for the other day');
SELECT alter_offer('moved', 'expires_on', '2026-06-28');
SELECT is(sweep('moved', '2026-06-24 20:00 Asia/Kolkata'), 'ann', 'moved so that it fell due today: late on the same day');
SELECT is(rows_of($$ SELECT for_day FROM cms.outbox WHERE offer_id = o('moved') ORDER BY message_id $$), '(2026-06-25) (2026-06-27) (2026-06-28)', 'one message for each day');

-- Late and too late.
SELECT make_offer('late', '{"expires_on": "2026-06-20"}');
SELECT remind('late', 4), issue_of('late', 'ann', '2026-06-01 UTC');
SELECT is(issue_of('late', 'bob', '2026-06-16 10:00 Asia/Kolkata'), 'OK', 'issued at the very time');
SELECT is(issue_of('late', 'cat', '2026-06-16 10:00:00.000001 Asia/Kolkata'), 'OK', 'issued just after');
SELECT is(sweep('late', '2026-06-16 23:59:59.999999 Asia/Kolkata'), 'ann bob', 'late on the same day, not whose coupon came after');
SELECT make_offer('later', '{"expires_on": "2026-06-20"}');
SELECT remind('later', 4), issue_of('later', 'ann', '2026-06-01 UTC');
SELECT is(sweep('later', '2026-06-17 00:00 Asia/Kolkata'), 'nobody', 'skipped when the day is over');

-- Who.
SELECT make_offer('who', '{"expires_on": "2026-06-20", "max_uses_per_coupon": 2}');
SELECT remind('who', 4), remind('who', 4, channel => 'EMAIL'), remind('who', 2);
SELECT issue_of('who', c, '2026-06-01 UTC') FROM unnest('{ann,bob,cat,dan,eve}'::text[]) c;
SELECT is(use_of(code_of('who', 'bob'), 'bob', '2026-06-10 UTC'), 'OK', 'used once of two');
SELECT is(use_of(code_of('who', 'cat'), 'cat', '2026-06-10 UTC') || use_of(code_of('who', 'cat'), 'cat', '2026-06-16 09:59:59 Asia/Kolkata'), 'OKOK', 'used up a second before');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('who'), 'CUSTOMERS', '{dan}', confirm => true, at => '2026-06-15 UTC')), 1::bigint, 'revoked');
SELECT is(sweep('who', '2026-06-16 10:00 Asia/Kolkata'), 'ann ann bob bob eve eve', 'neither used up nor revoked; by each channel');
SELECT is((SELECT reason FROM cms_reverse((SELECT max(redemption_id) FROM cms.redemption WHERE customer_id = 'cat' AND offer_id = o('who')), at => '2026-06-16 11:00 Asia/Kolkata')), NULL, 'a use is reversed');
SELECT is(sweep('who', '2026-06-16 12:00 Asia/Kolkata'), 'cat cat', 'whose use came back is reminded late the same day');
SELECT alter_offer('who', 'status', 'ARCHIVED');
SELECT is(sweep('who', '2026-06-18 10:00 Asia/Kolkata'), 'nobody', 'not of an archived offer');
SELECT alter_offer('who', 'status', 'ACTIVE');
SELECT is(sweep('who', '2026-06-18 11:00 Asia/Kolkata'), 'ann bob cat eve', 'active again on the same day');

-- Reminders edited, added and deleted.
SELECT make_offer('edit', '{"expires_on": "2026-06-20"}');
SELECT remind('edit', 4), issue_of('edit', 'ann', '2026-06-01 UTC');
UPDATE cms.offer_reminder SET time_of_day = '15:00' WHERE offer_id = o('edit');
SELECT is(sweep('edit', '2026-06-16 14:59:59 Asia/Kolkata'), 'nobody', 'a later time of day');
UPDATE cms.offer_reminder SET time_of_day = '14:00' WHERE offer_id = o('edit');
SELECT is(sweep('edit', '2026-06-16 14:59:59 Asia/Kolkata'), 'ann', 'a time that has passed today');
UPDATE cms.offer_reminder SET days_before = 3 WHERE offer_id = o('edit');
SELECT is(sweep('edit', '2026-06-17 14:00 Asia/Kolkata'), 'nobody', 'fewer days: it was sent for this end');
SELECT remind('edit', 2);
DELETE FROM cms.offer_reminder WHERE offer_id = o('edit') AND days_before = 2;
SELECT is(sweep('edit', '2026-06-18 12:00 Asia/Kolkata'), 'nobody', 'a reminder that was deleted');

-- Ends of their own.
SELECT make_offer('days', '{"expires_on": "2026-06-20", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 10, "max_issued_per_customer": null}');
SELECT remind('days', 1);
SELECT issue_of('days', 'ann', '2026-06-01 12:00 Asia/Kolkata'), issue_of('days', 'bob', '2026-06-02 12:00 Asia/Kolkata'), issue_of('days', 'cat', '2026-06-15 12:00 Asia/Kolkata');
SELECT is(sweep('days', '2026-06-10 10:00 Asia/Kolkata'), 'ann', 'own end on the 11th');
SELECT is(sweep('days', '2026-06-11 10:00 Asia/Kolkata'), 'bob', 'own end on the 12th');
SELECT is(sweep('days', '2026-06-19 10:00 Asia/Kolkata'), 'cat', 'own end after the offer''s: the offer''s counts');
SELECT is(sweep('days', '2026-06-24 10:00 Asia/Kolkata'), 'nobody', 'and not its own');
SELECT make_offer('outlives', '{"expires_on": "2026-06-20", "outlives_offer": true, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 10, "max_issued_per_customer": null}');
SELECT remind('outlives', 1), issue_of('outlives', 'ann', '2026-06-15 12:00 Asia/Kolkata');
SELECT is(sweep('outlives', '2026-06-19 10:00 Asia/Kolkata'), 'nobody', 'outlives the offer: not at its end');
SELECT is(sweep('outlives', '2026-06-24 10:00 Asia/Kolkata'), 'ann', 'but at its own');
SELECT make_offer('loyal', '{"expires_on": "2026-06-20"}');
SELECT remind('loyal', 1), issue_of('loyal', 'ann', '2026-06-01 UTC', service => 'LOYALTY', consumer_ref => 'gold');
SELECT is(sweep('loyal', '2026-06-19 10:00 Asia/Kolkata'), 'nobody', 'a coupon that never ends');
SELECT make_offer('claimed');
SELECT remind('claimed', 1), cms_claim(o('claimed'), 'TIMELINE', 'x', ends_on => '2026-06-20'), issue_of('claimed', 'ann', '2026-06-01 UTC', service => 'TIMELINE', consumer_ref => 'x');
SELECT cms_claim(o('claimed'), 'TIMELINE', 'x', ends_on => '2026-06-22');
SELECT is(sweep('claimed', '2026-06-19 10:00 Asia/Kolkata'), 'nobody', 'the campaign''s end was moved');
SELECT is(sweep('claimed', '2026-06-21 10:00 Asia/Kolkata'), 'ann', 'at its new end');

-- Coupons that come while a pass is done.
SELECT make_offer('more', '{"expires_on": "2026-06-20"}');
SELECT remind('more', 4), issue_of('more', 'ann', '2026-06-01 UTC');
SELECT is(sweep('more', '2026-06-16 10:00 Asia/Kolkata'), 'ann', 'the first');
SELECT issue_of('more', 'bob', '2026-06-16 09:00 Asia/Kolkata');
SELECT is(sweep('more', '2026-06-16 10:30 Asia/Kolkata'), 'bob', 'one whose issue was committed after the sweep');
SELECT is((SELECT count(*) FROM cms.outbox WHERE kind = 'REMINDER' GROUP BY org_id, coupon_id, reminder_id, for_day HAVING count(*) > 1), NULL, 'each is queued once');

-- The view says what a sweep would do, now.
SELECT play_org('UTC');
SELECT make_offer('now', jsonb_build_object('expires_on', (now() AT TIME ZONE 'UTC')::date + 2));
SELECT remind('now', 2, '00:00'), remind('now', 3, '00:00'), issue_of('now', 'ann', now() - '2 days'::interval), issue_of('now', 'bob', now() - '2 days'::interval), issue_of('now', 'cat', now());
SELECT use_of(code_of('now', 'bob'), 'bob', now());
SELECT is(rows_of($$ SELECT customer_id, days_before, for_day - (now() AT TIME ZONE 'UTC')::date FROM cms.reminder_due $$), '(ann,2,2)', 'reminder_due has what is due');
SELECT is((SELECT (sweep, waiting_since = date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')::text FROM cms.sweep_status WHERE sweep = 'REMINDERS' AND org_id = current_setting('cms.org')::int), '(REMINDERS,t)', 'sweep_status tells that it waits');
SELECT is(sweep('now', now()), 'ann', 'a sweep queues it');
SELECT is_empty('TABLE cms.reminder_due', 'then nothing is due');
SELECT is((SELECT (last_run_at IS NOT NULL, rows, lag)::text FROM cms.sweep_status WHERE sweep = 'REMINDERS' AND org_id = current_setting('cms.org')::int), '(t,3,00:00:00)', 'and sweep_status tells of the run');

SELECT * FROM finish();
ROLLBACK;
