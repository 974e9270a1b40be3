-- F43: messages are taken under a lease, acknowledged, failed, tried again; what no longer applies is cancelled.
BEGIN;
SELECT plan(137);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set due '''2026-06-16 10:00 Asia/Kolkata'''
\set early '''2026-06-16 09:59:59.999999 Asia/Kolkata'''
\set soon '''2026-06-16 10:04 Asia/Kolkata'''
\set later '''2026-06-16 10:05 Asia/Kolkata'''
\set evening '''2026-06-16 23:59:59 Asia/Kolkata'''
\set midnight '''2026-06-17 00:00 Asia/Kolkata'''
\set issued '''2026-06-01 12:00 Asia/Kolkata'''

-- An offer that ends on 20 June, with a reminder 4 days before and a coupon for each customer.
CREATE FUNCTION make_reminded(name text, customers text[], settings jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(name, '{"expires_on": "2026-06-20"}' || settings);
	INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (o(name), 4, name, '{customer}: {offer} ends in {days_left} days');
	PERFORM cms_issue_many(o(name), customers, at => '2026-06-01 12:00 Asia/Kolkata');
END
$$;
-- As the sweep queues them: a message for each coupon of the offer, on a channel of the offer's name.
CREATE FUNCTION queue(name text, kind text DEFAULT 'REMINDER', send_before timestamptz DEFAULT '2026-06-17 00:00 Asia/Kolkata') RETURNS void
LANGUAGE sql AS $$
	INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, coupon_id, customer_id, reminder_id, days_before, for_day, due_at,
		send_before, next_attempt_at, queued_at)
	SELECT c.org_id, nextval('cms.message_id_seq'), $2, name, c.offer_id, c.coupon_id, c.customer_id, r.reminder_id, r.days_before, '2026-06-20',
		'2026-06-16 10:00 Asia/Kolkata', $3, '2026-06-16 10:00 Asia/Kolkata', '2026-06-16 10:00 Asia/Kolkata'
	FROM (SELECT * FROM cms.coupon WHERE org_id = current_setting('cms.org')::int AND offer_id = o(name) ORDER BY coupon_id) c
	LEFT JOIN cms.offer_reminder r ON r.org_id = c.org_id AND r.offer_id = c.offer_id AND $2 = 'REMINDER'
$$;
-- For the offer's points of contact.
CREATE FUNCTION queue_poc(name text, kind text) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, poc_id, days_before, for_day, due_at, send_before, next_attempt_at, queued_at)
	SELECT p.org_id, nextval('cms.message_id_seq'), $2, name, p.offer_id, p.poc_id, p.days_before, '2026-06-20', '2026-06-16 10:00 Asia/Kolkata',
		'2026-06-17 00:00 Asia/Kolkata', '2026-06-16 10:00 Asia/Kolkata', '2026-06-16 10:00 Asia/Kolkata'
	FROM cms.offer_poc p WHERE p.offer_id = o(name)
$$;
-- What a sender gets: the customers, or the people.
CREATE FUNCTION take(channel text, at timestamptz, how_many int DEFAULT 100, max_attempts int DEFAULT 10) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(t.customer_id, t.poc_name), ' ' ORDER BY t.n)
	FROM cms_outbox_take(channel, how_many, max_attempts => max_attempts, at => at) WITH ORDINALITY
		AS t (message_id, lease, attempt, leased_until, kind, customer_id, poc_name, poc_email, content, payload, n)
$$;
CREATE FUNCTION m(channel text, customer text DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT max(message_id) FROM cms.outbox b
	WHERE org_id = current_setting('cms.org')::int AND b.channel = m.channel AND (m.customer IS NULL OR b.customer_id = m.customer)
$$;
CREATE FUNCTION lease_of(channel text, customer text DEFAULT NULL) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT lease FROM cms.outbox WHERE message_id = m($1, $2) $$;
CREATE FUNCTION state(channel text, customer text DEFAULT NULL) RETURNS text
LANGUAGE sql VOLATILE AS $$
	SELECT concat_ws(' ', status, reason, CASE WHEN (done_at IS NOT NULL) <> (status IN ('DONE', 'DEAD', 'CANCELLED')) THEN 'inconsistent' END)
	FROM cms.outbox WHERE message_id = m($1, $2)
$$;
CREATE FUNCTION said(r cms.cms_outbox_result) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, 'OK'), r.status, CASE WHEN r.replayed THEN 'again' END,
		CASE WHEN r.accepted <> (r.reason IS NULL) OR (r.message IS NULL) <> (r.reason IS NULL) THEN 'inconsistent' END)
$$;
CREATE FUNCTION done(channel text, customer text, lease bigint, at timestamptz) RETURNS text
LANGUAGE sql AS $$ SELECT said(r) FROM cms_outbox_done(ARRAY[m($1, $2)], $3, at => $4) r $$;
CREATE FUNCTION failed(channel text, customer text, lease bigint, at timestamptz, max_attempts int DEFAULT 10) RETURNS text
LANGUAGE sql AS $$ SELECT said(r) FROM cms_outbox_failed(ARRAY[m($1, $2)], 'no answer from the gateway', $3, max_attempts, at => $4) r $$;

-- ---- taking ------------------------------------------------------------------------------------------
SELECT make_reminded('one', '{ann,bob,cem}');
SELECT queue('one');
SELECT is(take('one', :early), NULL, 'nothing is taken before it is due');
SELECT is(take('two', :due), NULL, 'nor what is of another channel');
SELECT is(take('one', :due, 2), 'ann bob', 'as many as are asked for, in the order in which they were queued');
SELECT is(take('one', :due), 'cem', 'another sender gets the rest');
SELECT is(take('one', :soon), NULL, 'nobody gets them as long as the leases last');
SELECT is(state('one', 'ann'), 'LEASED', 'they are leased');
SELECT is(rows_of($$ SELECT attempts, lease = lease_of('one', 'bob'), lease < lease_of('one', 'cem'), next_attempt_at = '2026-06-16 10:05 Asia/Kolkata',
	payload IS NOT NULL, done_at FROM cms.outbox WHERE message_id = m('one', 'ann') $$), '(1,t,t,t,t,)', 'one lease for all of a call');
SELECT is(rows_of($$ SELECT attempt, leased_until AT TIME ZONE 'Asia/Kolkata', kind, content
	FROM cms_outbox_take('one', 1, '1 hour', at => '2026-06-16 10:05 Asia/Kolkata') $$),
	'(2,"2026-06-16 11:05:00",REMINDER,"ann: one ends in 4 days")', 'when a lease ends, the message is taken again');
SELECT is(take('one', '2026-06-16 10:05 Asia/Kolkata'), 'bob cem', 'and so are the others');
SELECT is(rows_of(format($$ SELECT b.payload = jsonb_build_object('schema', 1, 'message_id', b.message_id, 'kind', 'REMINDER', 'channel', 'one', 'customer_id', 'ann',
		'content', 'ann: one ends in 4 days', 'org', jsonb_build_object('org_id', b.org_id, 'name', 'Asia/Kolkata', 'time_zone', 'Asia/Kolkata'),
		'offer', jsonb_build_object('offer_id', b.offer_id, 'code', f.code, 'name', 'one', 'discount', '₹10', 'expires_on', '2026-06-20'),
		'coupon', jsonb_build_object('coupon_id', b.coupon_id, 'code', code_of('one', 'ann'), 'expires_on', '2026-06-20',
			'expires_at', '2026-06-21T00:00:00+05:30', 'days_left', 4, 'uses_left', 1),
		'reminder', jsonb_build_object('reminder_id', b.reminder_id, 'days_before', 4))
	FROM cms.outbox b JOIN cms.offer f USING (offer_id) WHERE b.message_id = m('one', 'ann') $$)), '(t)', 'what a sender was given can be looked at');
SET LOCAL DateStyle = 'German, DMY';
SET LOCAL TimeZone = 'America/New_York';
SELECT is((SELECT payload #>> '{coupon,expires_at}' || ' ' || (payload #>> '{coupon,expires_on}') FROM cms_outbox_take('one', 1, at => '2026-06-16 11:05 Asia/Kolkata')),
	'2026-06-21T00:00:00+05:30 2026-06-20', 'dates are the same whatever the session''s settings are');
RESET DateStyle;
RESET TimeZone;

-- ---- acknowledging -----------------------------------------------------------------------------------
SELECT make_reminded('ack', '{ann,bob,cem,dan,eve,fay}');
SELECT queue('ack');
SELECT is(done('ack', 'ann', NULL, :due), 'NOT_TAKEN PENDING', 'what nobody took is not delivered');
SELECT is(failed('ack', 'ann', NULL, :due), 'NOT_TAKEN PENDING', 'nor has it failed');
SELECT is(take('ack', :due), 'ann bob cem dan eve fay', 'all are taken');
SELECT lease_of('ack', 'ann') AS first \gset
SELECT is(done('ack', 'ann', :first, :soon), 'OK DONE', 'delivered');
SELECT is(done('ack', 'ann', :first, :soon), 'OK DONE again', 'said again it is the same');
SELECT is(done('ack', 'ann', NULL, :soon), 'OK DONE again', 'also without the lease');
SELECT is(failed('ack', 'ann', :first, :soon), 'LEASE_LOST DONE', 'what is delivered cannot fail');
SELECT is(done('ack', 'bob', :first + 1000, :soon), 'LEASE_LOST LEASED', 'a lease that never was counts for nothing');
SELECT is((SELECT done_at FROM cms.outbox WHERE message_id = m('ack', 'ann')), :soon::timestamptz, 'when it was delivered is kept');
SELECT is(take('ack', :later), 'bob cem dan eve fay', 'after the lease all others are taken again');
SELECT lease_of('ack', 'bob') AS second \gset
SELECT ok(:second > :first, 'under a lease of its own');
SELECT is(failed('ack', 'bob', :first, :later), 'LEASE_LOST LEASED', 'who lost the lease cannot fail it');
SELECT is((SELECT next_attempt_at FROM cms.outbox WHERE message_id = m('ack', 'bob')), :later::timestamptz + '5 min', 'which leaves the other its time');
SELECT is(done('ack', 'bob', :first, :later), 'OK DONE', 'but what it delivered is delivered');
SELECT is(done('ack', 'bob', :second, :later), 'OK DONE again', 'and the other is told the same');
SELECT is(failed('ack', 'cem', :second, :later), 'OK PENDING', 'failed');
SELECT is(failed('ack', 'cem', :second, :later), 'OK PENDING again', 'said again it is the same');
SELECT is(rows_of($$ SELECT attempts, last_error FROM cms.outbox WHERE message_id = m('ack', 'cem') $$), '(2,"no answer from the gateway")', 'counted once');
SELECT is(done('ack', 'cem', :second, :later), 'OK DONE', 'delivered after all');
SELECT is(failed('ack', 'dan', :second, :later, 2), 'OK DEAD', 'after so many attempts it is given up');
SELECT is(take('ack', '2026-06-16 12:00 Asia/Kolkata'), 'eve fay', 'and not taken any more');
SELECT is(done('ack', 'dan', :second, :later), 'OK DONE', 'delivered after all');
SELECT is(failed('ack', 'eve', NULL, '2026-06-16 12:00 Asia/Kolkata', 1), 'OK DEAD', 'at once, without a lease');
SELECT is(rows_of($$ SELECT message_id = m('ack', 'fay') AS fay, said(r) FROM cms_outbox_done(ARRAY[m('ack', 'fay'), 0, m('ack', 'fay')], at => '2026-06-16 12:00 Asia/Kolkata') r $$),
	'(t,"OK DONE") (f,MESSAGE_NOT_FOUND) (t,"OK DONE")', 'a row for each id');
SELECT is((SELECT count(*) FROM cms_outbox_done('{}')), 0::bigint, 'and none for none');

-- ---- delays ------------------------------------------------------------------------------------------
CREATE FUNCTION delay_of(attempt int, id bigint, first interval DEFAULT '1 minute') RETURNS interval
LANGUAGE plpgsql AS $$
DECLARE
	found timestamptz;
BEGIN
	INSERT INTO cms.outbox (org_id, message_id, kind, channel, status, lease, attempts, offer_id, due_at, next_attempt_at, queued_at)
	VALUES (current_setting('cms.org')::int, id, 'RESEND', 'delay', 'LEASED', 1, attempt, 1, '2026-01-01 00:00+00', '2026-01-01 00:00+00', '2026-01-01 00:00+00');
	SELECT next_attempt_at INTO found FROM cms_outbox_failed(ARRAY[id], 'x', 1, 100, first, at => '2026-01-01 00:00+00');
	RETURN found - '2026-01-01 00:00+00';
END
$$;
SELECT ok(bool_and(d > interval '30 seconds' AND d <= interval '1 minute'), 'after the first failure a minute, or up to half of it less')
FROM generate_series(1000001, 1000100) i, delay_of(1, i) d;
SELECT ok(count(DISTINCT next_attempt_at) > 80, 'not all at once') FROM cms.outbox WHERE channel = 'delay';
SELECT ok(bool_and(d > interval '30 seconds' * 2 ^ (n - 1) AND d <= interval '1 minute' * 2 ^ (n - 1)), 'twice as long each time')
FROM generate_series(1, 11) n, delay_of(n, 1000200 + n) d;
SELECT ok(bool_and(d > interval '12 hours' AND d <= interval '24 hours'), 'up to a day')
FROM generate_series(12, 90) n, delay_of(n, 1000300 + n) d;
SELECT is(delay_of(1, 1000400, '0'), '0', 'none, if so wished');
SELECT ok(delay_of(3, 1000401, '10 days') > '5 days', 'longer than a day, if so wished');

-- ---- order per customer ------------------------------------------------------------------------------
SELECT make_reminded('order', '{ann,ann,bob,ann}');
SELECT queue('order');
SELECT is(take('order', :due), 'ann bob', 'of one customer only the first is taken');
SELECT is(take('order', :due), NULL, 'the second waits for it');
CREATE FUNCTION nth(channel text, customer text, n int) RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT message_id FROM cms.outbox b WHERE b.channel = nth.channel AND customer_id = customer ORDER BY message_id OFFSET n - 1 LIMIT 1
$$;
SELECT is(said(r), 'OK PENDING', 'the first fails') FROM cms_outbox_failed(ARRAY[nth('order', 'ann', 1)], at => :due) r;
SELECT is(take('order', :due), NULL, 'and is still waited for');
SELECT is(take('order', :soon), 'ann', 'it comes first when it is tried again');
SELECT is(said(r), 'OK DONE', 'delivered') FROM cms_outbox_done(ARRAY[nth('order', 'ann', 1)], at => :soon) r;
SELECT is(take('order', :soon), 'ann', 'now the second');
SELECT is(said(r), 'OK DEAD', 'which cannot be delivered') FROM cms_outbox_failed(ARRAY[nth('order', 'ann', 2)], max_attempts => 1, at => :soon) r;
SELECT is(take('order', :soon), 'ann', 'a dead one is not waited for');
SELECT is((SELECT status FROM cms.outbox WHERE message_id = nth('order', 'ann', 3)), 'LEASED', 'it is the third');

-- many that wait for one that is tried again later do not stand in the way of others
SELECT make_reminded('crowd', (SELECT array_agg('p' || i) FROM generate_series(1, 300) i), '{"max_issued_per_customer": 2}');
SELECT queue('crowd');
SELECT is(count(*), 300::bigint, 'the first of three hundred customers') FROM cms_outbox_take('crowd', 300, at => :due);
SELECT is(count(*), 300::bigint, 'fail') FROM cms_outbox_failed((SELECT array_agg(message_id) FROM cms.outbox WHERE channel = 'crowd'), delay => '1 hour', at => :due) r
WHERE r.accepted;
INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, coupon_id, customer_id, reminder_id, days_before, for_day, due_at, send_before, next_attempt_at, queued_at)
SELECT org_id, nextval('cms.message_id_seq'), kind, channel, offer_id, coupon_id + 1000000, customer_id, reminder_id, days_before, for_day, due_at, send_before, due_at, queued_at
FROM cms.outbox WHERE channel = 'crowd';
SELECT is(count(*), 0::bigint, 'the second ones wait') FROM cms_outbox_take('crowd', 10, at => :soon);
SELECT is((SELECT count(*) FROM cms.outbox w JOIN cms.outbox f USING (org_id, channel, customer_id)
	WHERE w.channel = 'crowd' AND f.attempts = 1 AND w.attempts = 0 AND w.next_attempt_at = f.next_attempt_at), 300::bigint, 'until the first is tried again');
SELECT cmp_ok(rows_read('cms.outbox', format('SELECT * FROM cms_outbox_retry(ARRAY[%s], ''2026-06-16 10:04 Asia/Kolkata'')', nth('crowd', 'p7', 1))), '<=', 10::bigint, 'one that is let through');
SELECT is((SELECT count(*) FROM cms.outbox WHERE channel = 'crowd' AND attempts = 0 AND next_attempt_at = :due), 1::bigint, 'lets its second through');
SELECT is(take('crowd', :soon), 'p7', 'after itself');
SELECT is((SELECT status FROM cms_outbox_done(ARRAY[nth('crowd', 'p8', 1)], at => :soon)), 'DONE', 'one that was delivered after all');
SELECT is((SELECT next_attempt_at FROM cms.outbox WHERE message_id = nth('crowd', 'p8', 2)), :due, 'does too');

-- ---- tried again -------------------------------------------------------------------------------------
CREATE FUNCTION retry(id bigint, at timestamptz) RETURNS text LANGUAGE sql AS $$ SELECT said(r) FROM cms_outbox_retry(ARRAY[$1], $2) r $$;
SELECT is(retry(nth('order', 'ann', 2), :soon), 'OK PENDING', 'a dead message comes back');
SELECT is(retry(nth('order', 'ann', 2), :soon), 'OK PENDING again', 'once');
SELECT is(rows_of($$ SELECT attempts, done_at FROM cms.outbox WHERE message_id = nth('order', 'ann', 2) $$), '(0,)', 'as if it had never been tried');
SELECT is(take('order', :soon), 'ann', 'and is taken, before what comes after it is delivered');
SELECT is(retry(nth('order', 'ann', 2), :soon), 'NOT_DEAD LEASED', 'not while a sender has it');
SELECT is(retry(nth('order', 'ann', 1), :soon), 'NOT_DEAD DONE', 'nor when it is delivered');
SELECT is(retry(0, :soon), 'MESSAGE_NOT_FOUND', 'nor when there is none');
SELECT is(said(r), 'OK PENDING', 'one that failed') FROM cms_outbox_failed(ARRAY[nth('order', 'bob', 1)], at => :soon) r;
SELECT is(take('order', :soon), NULL, 'waits');
SELECT is(retry(nth('order', 'bob', 1), :soon), 'OK PENDING', 'but can be let through');
SELECT is(take('order', :soon), 'bob', 'at once');
-- a sender that never answers
SELECT make_reminded('silent', '{ann}');
SELECT queue('silent');
SELECT is(take('silent', :due, max_attempts => 2), 'ann', 'taken once');
SELECT is(take('silent', :later, max_attempts => 2), 'ann', 'taken twice');
SELECT is(take('silent', '2026-06-16 11:00 Asia/Kolkata', max_attempts => 2), NULL, 'and given up');
SELECT is(state('silent'), 'DEAD', 'it is dead');
SELECT is((SELECT last_error FROM cms.outbox WHERE message_id = m('silent')), 'the sender did not answer', 'and says why');

-- ---- what no longer applies --------------------------------------------------------------------------
CREATE FUNCTION play(name text, settings jsonb DEFAULT '{}') RETURNS void
LANGUAGE sql AS $$ SELECT make_reminded(name, '{ann}', settings); SELECT queue(name) $$;
SELECT play('redeemed');
SELECT is(use_of(code_of('redeemed', 'ann'), 'ann', :early), 'OK', 'redeemed just before');
SELECT is(take('redeemed', :due) || state('redeemed'), NULL, 'no reminder');
SELECT is(state('redeemed'), 'CANCELLED ALREADY_REDEEMED', 'which says why');
SELECT is(failed('redeemed', 'ann', NULL, :due), 'NOT_TAKEN CANCELLED', 'it was never taken');
SELECT is(retry(m('redeemed'), :due), 'NOT_DEAD CANCELLED', 'and does not come back');
SELECT play('used', '{"max_uses_per_coupon": 2}');
SELECT is(use_of(code_of('used', 'ann'), 'ann', :early), 'OK', 'one of two uses');
SELECT is((SELECT payload #>> '{coupon,uses_left}' FROM cms_outbox_take('used', at => :due)), '1', 'there is a use left to be reminded of');
SELECT play('reversed');
SELECT is((SELECT reversed FROM cms_redeem(code_of('reversed', 'ann'), 'ann', 100, 'reversed', at => :early) r, cms_reverse(r.redemption_id, at => :early)), true, 'redeemed and reversed');
SELECT is(take('reversed', :due), 'ann', 'is reminded');
SELECT play('revoked');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'ALL_UNREDEEMED', confirm => true, at => :early)), 1::bigint, 'revoked');
SELECT is(coalesce(take('revoked', :due), state('revoked')), 'CANCELLED COUPON_REVOKED', 'is not');
SELECT is(take('used', :later), 'ann', 'while leased it may still be taken');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('used'), 'ALL_UNREDEEMED', confirm => true, at => :later)), 1::bigint, 'revoked while a sender is at work');
SELECT is(coalesce(take('used', '2026-06-16 10:30 Asia/Kolkata'), state('used')), 'CANCELLED COUPON_REVOKED', 'it is not sent once more');
SELECT is(done('used', 'ann', NULL, '2026-06-16 10:30 Asia/Kolkata'), 'LEASE_LOST CANCELLED', 'and what the first sender says comes too late');
SELECT play('moved');
SELECT alter_offer('moved', 'expires_on', '2026-06-25');
SELECT is(coalesce(take('moved', :due), state('moved')), 'CANCELLED EXPIRY_MOVED', 'an end that has moved is reminded of by another message');
SELECT alter_offer('moved', 'expires_on', '2026-06-20');
SELECT lives_ok($$ SELECT queue('moved') $$, 'that may be queued anew where it moves back');
SELECT is(take('moved', :due), 'ann', 'and is sent');
SELECT throws_ok($$ SELECT queue('moved') $$, '23505', NULL, 'once');
SELECT play('gone');
DELETE FROM cms.offer_reminder WHERE offer_id = o('gone');
SELECT is(coalesce(take('gone', :due), state('gone')), 'CANCELLED REMINDER_REMOVED', 'a reminder that was deleted');
SELECT play('edited');
UPDATE cms.offer_reminder SET content = '{code} {{of}} {offer_code}' WHERE offer_id = o('edited');
SELECT is((SELECT content FROM cms_outbox_take('edited', at => :due)), code_of('edited', 'ann') || ' {of} ' || code, 'the present text goes out')
FROM cms.offer WHERE offer_id = o('edited');
SELECT play('later');
UPDATE cms.offer_reminder SET days_before = 2, time_of_day = '18:00' WHERE offer_id = o('later');
SELECT is(take('later', :due), NULL, 'a reminder for another day');
SELECT is(rows_of($$ SELECT status, days_before, due_at AT TIME ZONE 'Asia/Kolkata', next_attempt_at = due_at, send_before AT TIME ZONE 'Asia/Kolkata', attempts
	FROM cms.outbox WHERE message_id = m('later') $$), '(PENDING,2,"2026-06-18 18:00:00",t,"2026-06-19 00:00:00",0)', 'is put off to it');
SELECT is(take('later', '2026-06-18 17:59 Asia/Kolkata'), NULL, 'and to its time');
SELECT is(take('later', '2026-06-18 18:00 Asia/Kolkata'), 'ann', 'when it goes out');
SELECT play('by mail');
UPDATE cms.offer_reminder SET channel = 'mail' WHERE offer_id = o('by mail');
SELECT is(take('by mail', :due), NULL, 'a reminder for another channel');
SELECT is(take('mail', :due), 'ann', 'goes there');
SELECT play('archived');
SELECT alter_offer('archived', 'status', 'ARCHIVED');
SELECT is(coalesce(take('archived', :due), state('archived')), 'CANCELLED OFFER_ARCHIVED', 'an archived offer reminds nobody');
SELECT play('late');
SELECT is(coalesce(take('late', :midnight), state('late')), 'CANCELLED TOO_LATE', 'after its day a reminder is not sent');
SELECT play('evening');
SELECT is(take('evening', :evening), 'ann', 'late on the same day it is');
-- notices
SELECT make_reminded('notice', '{ann}', '{"expiry_notice": true}');
SELECT queue('notice', 'EXPIRY_NOTICE', NULL);
SELECT is((SELECT content FROM cms_outbox_take('notice', at => '2026-06-21 00:00 Asia/Kolkata')),
	'Your coupon ' || code_of('notice', 'ann') || ' of notice ended on 2026-06-20.', 'a notice that a coupon has ended');
SELECT make_reminded('no notice', '{ann}');
SELECT queue('no notice', 'EXPIRY_NOTICE', NULL);
SELECT is(coalesce(take('no notice', '2026-06-21 00:00 Asia/Kolkata'), state('no notice')), 'CANCELLED REMINDER_REMOVED', 'not where the offer wants none');
-- points of contact
INSERT INTO cms.poc (name, email) VALUES ('Pia', 'pia@example.com');
SELECT make_reminded('poc', '{}');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT o('poc'), poc_id, 4 FROM cms.poc WHERE name = 'Pia';
SELECT queue_poc('poc', 'OFFER_REMINDER');
SELECT is(rows_of($$ SELECT kind, customer_id, poc_name, poc_email, content, payload #>> '{poc,email}', payload ? 'coupon' FROM cms_outbox_take('poc', at => '2026-06-16 10:00 Asia/Kolkata') $$),
	format('(OFFER_REMINDER,,Pia,pia@example.com,"The offer poc (%s) ends on 2026-06-20.",pia@example.com,f)', code), 'a person is reminded of an offer')
FROM cms.offer WHERE offer_id = o('poc');
DELETE FROM cms.offer_poc WHERE offer_id = o('poc');
SELECT is(coalesce(take('poc', :later), state('poc')), 'CANCELLED REMINDER_REMOVED', 'not when the offer does not name the person any more');
SELECT make_offer('no offer', '{"expires_on": "2026-06-20"}');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT o('no offer'), poc_id, 4 FROM cms.poc WHERE name = 'Pia';
SELECT queue_poc('no offer', 'OFFER_REMINDER');
DELETE FROM cms.offer WHERE offer_id = o('no offer');
SELECT is(coalesce(take('no offer', :due), state('no offer')), 'CANCELLED REMINDER_REMOVED', 'nor of an offer that was deleted');

SELECT make_offer('few', '{"max_issued": 12, "codes_left_alert": 10, "expires_on": "2026-06-30"}');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT o('few'), poc_id, 4 FROM cms.poc WHERE name = 'Pia';
SELECT queue_poc('few', 'CODES_LEFT');
SELECT is(issue_of('few', 'ann', '2026-06-01 12:00 Asia/Kolkata', 3), 'OK OK OK', 'few codes are left');
SELECT is(rows_of($$ SELECT content LIKE 'The offer few (________) has 9 codes left.', payload #>> '{offer,codes_left}' FROM cms_outbox_take('few', at => '2026-06-16 10:00 Asia/Kolkata') $$),
	'(t,9)', 'as many as there are when it is told');
SELECT alter_offer('few', 'max_issued', '20');
SELECT is(coalesce(take('few', :later), state('few')), 'CANCELLED REMINDER_REMOVED', 'not when there are enough again');

-- ---- old ones ----------------------------------------------------------------------------------------
SELECT count(*) AS others FROM cms.outbox WHERE done_at IS NULL OR done_at >= '2026-06-20 00:00 Asia/Kolkata' \gset
SELECT is(cms_purge(messages_before => '2026-06-17 00:00 Asia/Kolkata', at => '2026-06-17 00:00 Asia/Kolkata'), 0::bigint, 'what may still come twice stays');
SELECT is(cms_purge(how_many => 5, messages_before => '2026-06-20 00:00 Asia/Kolkata', at => '2026-06-30 00:00 Asia/Kolkata'), 5::bigint, 'some of what is old');
SELECT ok(cms_purge(messages_before => '2026-06-20 00:00 Asia/Kolkata', at => '2026-06-30 00:00 Asia/Kolkata') > 5, 'then the rest');
SELECT is((SELECT count(*) FROM cms.outbox), :others::bigint, 'what is younger or on its way stays');

-- ---- calls that make no sense ------------------------------------------------------------------------
SELECT throws_ok('SELECT cms_outbox_take(NULL)', '22004', 'argument "channel" must not be null', 'no channel');
SELECT throws_ok($$ SELECT cms_outbox_take(' ') $$, '22023', 'argument "channel" must not be blank', 'a blank one');
SELECT throws_ok($$ SELECT cms_outbox_take('one', 0) $$, '22023', 'argument "how_many" must be 1 to 10000, not 0', 'no message');
SELECT throws_ok($$ SELECT cms_outbox_take('one', lease => '0') $$, '22023', 'argument "lease" must be above 0 and at most 31 days', 'no time');
SELECT throws_ok($$ SELECT cms_outbox_take('one', lease => '32 days') $$, '22023', NULL, 'too much time');
SELECT throws_ok($$ SELECT cms_outbox_take('one', lease => '178000000 years') $$, '22023', 'argument "lease" must be above 0 and at most 31 days', 'more than there is');
SELECT throws_ok($$ SELECT cms_outbox_take('one', lease => '-178000000 years') $$, '22023', NULL, 'less than there is');
SELECT throws_ok($$ SELECT cms_outbox_failed('{1}', delay => '1000000000 days') $$, '22023', 'argument "delay" must be 0 to 31 days', 'a delay beyond all time');
SELECT throws_ok($$ SELECT cms_outbox_take('one', lease => NULL) $$, '22004', 'argument "lease" must not be null', 'an unknown time');
SELECT throws_ok($$ SELECT cms_outbox_take('one', max_attempts => 0) $$, '22023', NULL, 'no attempt');
SELECT throws_ok('SELECT cms_outbox_done(NULL)', '22004', 'argument "ids" must not be null', 'no ids');
SELECT throws_ok('SELECT cms_outbox_done(ARRAY[1, NULL])', '22004', 'argument "ids" must not contain null', 'one that is NULL');
SELECT throws_ok('SELECT cms_outbox_retry(ARRAY[[1], [2]])', '22023', 'argument "ids" must have one dimension, not 2', 'a table of them');
SELECT throws_ok($$ SELECT cms_outbox_failed('{1}', max_attempts => 0) $$, '22023', 'argument "max_attempts" must be at least 1, not 0', 'failed without an attempt');
SELECT throws_ok($$ SELECT cms_outbox_failed('{1}', delay => '-1 s') $$, '22023', 'argument "delay" must be 0 to 31 days', 'a delay into the past');
SELECT throws_ok($$ UPDATE cms.outbox SET status = 'DONE' $$, 'MS006', NULL, 'rows are written by the actions only');
SELECT is(said(r), 'OK PENDING', 'a long error') FROM cms_outbox_take('later', at => '2026-06-18 18:30 Asia/Kolkata') t,
	cms_outbox_failed(ARRAY[t.message_id], repeat('x', 3000), at => '2026-06-18 18:30 Asia/Kolkata') r;
SELECT is((SELECT length(last_error) FROM cms.outbox WHERE message_id = m('later')), 2000, 'is cut');

SELECT * FROM finish();
ROLLBACK;
