-- F42: what points of contact are told.
BEGIN;
SELECT plan(37);
\ir lib/scene.psql

-- Who was told of the offer by a sweep at this time.
CREATE FUNCTION sweep(offer text, at timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	before bigint := (SELECT coalesce(max(message_id), 0) FROM cms.outbox);
BEGIN
	PERFORM cms.cms_sweep_offer_reminders(at => at);
	RETURN (SELECT coalesce(string_agg(p.name || CASE m.kind WHEN 'CODES_LEFT' THEN '!' ELSE '' END, ' ' ORDER BY p.name, m.days_before), 'nobody')
		FROM cms.outbox m JOIN cms.poc p USING (org_id, poc_id)
		WHERE m.org_id = current_setting('cms.org')::int AND m.offer_id = o(offer) AND m.message_id > before);
END
$$;
CREATE FUNCTION tell(offer text, who text, days_before int) RETURNS void
LANGUAGE sql AS $$ INSERT INTO cms.offer_poc (offer_id, poc_id, days_before)
	SELECT o(offer), p.poc_id, tell.days_before FROM cms.poc p WHERE p.name = who AND p.org_id = current_setting('cms.org')::int $$;

CREATE FUNCTION due_in(zone text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM play_org(zone);
	INSERT INTO cms.poc (name, email) VALUES ('Asha', 'asha@example.com'), ('Ben', 'ben@example.com');
	PERFORM make_offer('june', '{"expires_on": "2026-06-20"}');
	PERFORM tell('june', 'Asha', 4), tell('june', 'Asha', 1), tell('june', 'Ben', 4);
	RETURN NEXT is(sweep('june', '2026-06-16 09:59:59.999999'::timestamp AT TIME ZONE zone), 'nobody', zone || ': not before');
	RETURN NEXT is(sweep('june', '2026-06-16 10:00'::timestamp AT TIME ZONE zone), 'Asha Ben', zone || ': at 10:00');
	RETURN NEXT is(sweep('june', '2026-06-16 20:00'::timestamp AT TIME ZONE zone), 'nobody', zone || ': once');
	RETURN NEXT is(sweep('june', '2026-06-19 23:59:59'::timestamp AT TIME ZONE zone), 'Asha', zone || ': late on the same day');
END
$$;
SELECT due_in(zone) FROM unnest('{Asia/Kolkata,America/New_York,Pacific/Apia,Pacific/Kiritimati}'::text[]) zone;
SELECT back_to_org('Asia/Kolkata');
SELECT is(rows_of($$ SELECT channel, days_before, for_day, due_at, send_before, customer_id FROM cms.outbox WHERE org_id = current_setting('cms.org')::int AND days_before = 1 $$),
	'(EMAIL,1,2026-06-20,"2026-06-19 04:30:00+00","2026-06-19 18:30:00+00",)', 'what the message says');

SELECT make_offer('moved', '{"expires_on": "2026-06-20"}');
SELECT tell('moved', 'Asha', 4);
SELECT is(sweep('moved', '2026-06-17 00:00 Asia/Kolkata'), 'nobody', 'skipped when the day is over');
SELECT alter_offer('moved', 'expires_on', '2026-06-25');
SELECT is(sweep('moved', '2026-06-21 10:00 Asia/Kolkata'), 'Asha', 'a moved end moves it');
SELECT alter_offer('moved', 'expires_on', '2026-06-26');
SELECT is(sweep('moved', '2026-06-22 10:00 Asia/Kolkata'), 'Asha', 'and again, for the other day');
SELECT alter_offer('moved', 'expires_on', '2026-06-30');
SELECT alter_offer('moved', 'status', 'ARCHIVED');
SELECT is(sweep('moved', '2026-06-26 10:00 Asia/Kolkata'), 'nobody', 'not of an archived offer');
SELECT make_offer('claimed');
SELECT tell('claimed', 'Asha', 2), tell('claimed', 'Ben', 0);
SELECT is(sweep('claimed', '2026-06-18 10:00 Asia/Kolkata'), 'nobody', 'an offer without an end');
SELECT cms_claim(o('claimed'), 'TIMELINE', 'x', ends_on => '2026-06-20');
SELECT is(sweep('claimed', '2026-06-18 10:00 Asia/Kolkata'), 'Asha', 'with its campaign''s');
SELECT is(sweep('claimed', '2026-06-20 10:00 Asia/Kolkata'), 'Ben', 'on the last day');

-- Codes left.
SELECT make_offer('few', '{"max_issued": 10, "codes_left_alert": 3}');
SELECT issue_of('few', 'c' || i, '2026-06-01 UTC') FROM generate_series(1, 6) i;
SELECT is(sweep('few', '2026-06-02 UTC'), 'nobody', 'more than the threshold');
SELECT issue_of('few', 'c7', '2026-06-02 UTC');
SELECT is(sweep('few', '2026-06-03 UTC'), 'nobody', 'nobody to tell');
SELECT tell('few', 'Asha', 3), tell('few', 'Asha', 5), tell('few', 'Ben', 1);
SELECT is(sweep('few', '2026-06-03 UTC'), 'Asha! Ben!', 'at the threshold, each once');
SELECT issue_of('few', 'c8', '2026-06-04 UTC');
SELECT is(sweep('few', '2026-06-04 UTC'), 'nobody', 'fewer: they know');
SELECT alter_offer('few', 'max_issued', '20');
SELECT is(sweep('few', '2026-06-05 UTC'), 'nobody', 'more codes');
SELECT issue_of('few', 'd' || i, '2026-06-05 UTC') FROM generate_series(1, 12) i;
SELECT is((SELECT count(*) FROM cms.codes_left_told WHERE offer_id = o('few')), 0::bigint, 'armed again');
-- Those that a pattern can make: a quarter of 100, or all of them. No number is too large.
SELECT make_offer('short', '{"code_length": 2, "code_charset": "NUMERIC", "codes_left_alert": 23}');
SELECT tell('short', 'Asha', 5);
SELECT issue_of('short', 'c1', '2026-06-01 UTC');
SELECT is(sweep('short', '2026-06-02 UTC'), 'nobody', '24 of 25 are left');
SELECT issue_of('short', 'c2', '2026-06-02 UTC');
SELECT is(sweep('short', '2026-06-03 UTC'), 'Asha!', 'then 23');
SELECT is((SELECT codes_left FROM cms_offer_info(o('short'))), 23::numeric, 'as the offer''s information has it');
SELECT is((SELECT payload->'offer'->>'codes_left' FROM cms_outbox_take('EMAIL', at => '2026-06-03 UTC') WHERE kind = 'CODES_LEFT' AND payload->'offer'->>'name' = 'short'), '23', 'and the message');
SELECT alter_offer('short', 'allow_dense_codes', 'true');
SELECT is(sweep('short', '2026-06-04 UTC'), 'nobody', 'all 100 may be made');
SELECT is((SELECT count(*) FROM cms.codes_left_told WHERE offer_id = o('short')), 0::bigint, 'so there are more again');
SELECT alter_offer('short', 'code_length', '40');
SELECT is(sweep('short', '2026-06-05 UTC'), 'nobody', 'or as many as no number tells');

SELECT * FROM finish();
ROLLBACK;
