-- F40, F41: a sweep reads what is due, by its index, whatever else the table has; an idle one reads no coupon.
BEGIN;
SELECT plan(29);
\ir lib/scene.psql
SELECT play_org('UTC');

-- Coupons whose own end is on the nth day after 2026-06-01.
CREATE FUNCTION fill(offer text, day int, count int) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, customer_id, nth, issued_at, expires_at)
	SELECT current_setting('cms.org')::int, nextval('cms.coupon_id_seq'), o(offer), md5(offer || day || ' ' || n), 'c' || day || ' ' || n, 1,
		'2026-01-01 UTC', '2026-06-02 UTC'::timestamptz + day * '1 day'::interval
	FROM generate_series(1, count) n
$$;
-- What a call reads of coupons: rows by scans of the table, rows by indexes, and what it answers.
CREATE FUNCTION reads(call text, OUT scanned bigint, OUT fetched bigint, OUT done bigint)
LANGUAGE plpgsql AS $$
DECLARE
	scanned_before bigint;
	fetched_before bigint;
BEGIN
	SELECT t.seq_tup_read, t.idx_tup_fetch INTO scanned_before, fetched_before FROM pg_stat_xact_user_tables t WHERE t.relid = 'cms.coupon'::regclass;
	EXECUTE 'SELECT ' || call INTO done;
	SELECT t.seq_tup_read - scanned_before, t.idx_tup_fetch - fetched_before INTO scanned, fetched
	FROM pg_stat_xact_user_tables t WHERE t.relid = 'cms.coupon'::regclass;
END
$$;
-- each coupon that is due is read twice: counted, then queued or noticed
CREATE FUNCTION reads_at_most(call text, due int, what text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	SELECT * INTO r FROM reads(call);
	RETURN NEXT is(r.done, due::bigint, what || ': what it goes through');
	RETURN NEXT ok(r.scanned = 0 AND r.fetched <= 2 * due + 10, what || format(': reads %s by the index, %s otherwise', r.fetched, r.scanned));
END
$$;

SELECT make_offer('small', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3000, "outlives_offer": true, "expiry_notice": true}'),
	make_offer('large', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3000, "outlives_offer": true, "expiry_notice": true}');
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) SELECT offer_id, 4, 'SMS', 'x' FROM cms.offer;
SELECT fill('small', d, 100) FROM generate_series(10, 11) d;
SELECT reads_at_most($$ cms.cms_sweep_reminders(at => '2026-06-07 12:00 UTC') $$, 100, 'reminders of a small table');
SELECT fill('large', d, 100) FROM generate_series(40, 240) d;
SELECT reads_at_most($$ cms.cms_sweep_reminders(at => '2026-06-08 12:00 UTC') $$, 100, 'reminders of a table a hundred times as large');
SELECT reads_at_most($$ cms.cms_sweep_reminders(at => '2026-06-08 12:00 UTC') $$, 0, 'again');
SELECT reads_at_most($$ cms.cms_sweep_reminders(at => '2026-06-20 12:00 UTC') $$, 0, 'a day on which nothing is due');
SELECT reads_at_most($$ cms.cms_sweep_expired(at => '2026-06-12 00:00 UTC') $$, 100, 'a day that ends');
SELECT reads_at_most($$ cms.cms_sweep_expired(at => '2026-06-12 00:00 UTC') $$, 0, 'again');
SELECT reads_at_most($$ cms.cms_sweep_expired(30, '2026-06-13 00:00 UTC') $$, 30, 'the next, a part of it');
SELECT is((SELECT count(*) FROM cms.outbox), 330::bigint, 'with a message for each');

-- those that end with the offer, a part at a time
SELECT make_offer('with', '{"expires_on": "2026-06-30", "expiry_notice": true}');
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (o('with'), 4, 'SMS', 'x');
INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, customer_id, nth, issued_at)
SELECT current_setting('cms.org')::int, nextval('cms.coupon_id_seq'), o('with'), md5('with ' || n), 'w' || n, 1, '2026-01-01 UTC' FROM generate_series(1, 1000) n;
SELECT reads_at_most($$ cms.cms_sweep_reminders(50, '2026-06-26 12:00 UTC') $$, 50, 'a part of an offer''s end');
SELECT reads_at_most($$ cms.cms_sweep_reminders(50, '2026-06-26 12:00 UTC') $$, 50, 'the next part');
SELECT done FROM reads($$ cms.cms_sweep_expired(10000, '2026-06-30 00:00 UTC') $$);
SELECT reads_at_most($$ cms.cms_sweep_expired(50, '2026-07-01 00:00 UTC') $$, 50, 'a part of the offer''s book');
SELECT reads_at_most($$ cms.cms_sweep_expired(50, '2026-07-01 00:00 UTC') $$, 50, 'the next part of it');

-- Where nothing was queued before, nobody looks for it; what is there after all is not queued twice.
CREATE FUNCTION messages(offer text, kind text) RETURNS text
LANGUAGE sql AS $$
	SELECT count(*) || ' of ' || count(DISTINCT m.coupon_id) FROM cms.outbox m
	WHERE m.org_id = current_setting('cms.org')::int AND m.offer_id = o(offer) AND m.kind = messages.kind
$$;
SELECT make_offer('many', '{"expires_on": "2027-06-30", "expiry_notice": true}');
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (o('many'), 9, 'SMS', 'x');
SELECT fill('many', 300, 2500);
SELECT is(cms.cms_sweep_reminders(at => '2027-03-19 12:00 UTC'), 2500::bigint, 'many at once');
SELECT is(messages('many', 'REMINDER'), '2500 of 2500', 'a message for each');
SELECT FROM cms.cms_sweep_reminders(at => '2027-03-22 12:00 UTC');
UPDATE cms.offer_reminder SET days_before = 4 WHERE offer_id = o('many');
INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, customer_id, nth, issued_at, expires_at)
SELECT org_id, nextval('cms.coupon_id_seq'), offer_id, md5(code), 'late ' || customer_id, 1, issued_at, expires_at
FROM cms.coupon WHERE offer_id = o('many') LIMIT 5;
SELECT is(cms.cms_sweep_reminders(at => '2027-03-24 12:00 UTC'), 2505::bigint, 'the reminder comes again, for the same day');
SELECT is(messages('many', 'REMINDER'), '2505 of 2505', 'to those who had none');
SELECT FROM cms.cms_sweep_expired(100000, '2027-03-29 12:00 UTC');
SELECT is(messages('many', 'EXPIRY_NOTICE'), '2505 of 2505', 'a notice for each');
SET LOCAL session_replication_role = replica;
UPDATE cms.offer_expiry SET done = false, counted_at = NULL, at_end = '-infinity', at_coupon = 0 WHERE offer_id = o('many');
RESET session_replication_role;
SELECT FROM cms.cms_sweep_expired(100000, '2027-03-29 12:00 UTC');
SELECT is(messages('many', 'EXPIRY_NOTICE'), '2505 of 2505', 'and no other when they are gone through as if for the first time');

SELECT * FROM finish();
ROLLBACK;
