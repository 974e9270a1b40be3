-- F23: issued coupons get another last day, forward or back, also after they have expired.
BEGIN;
SELECT plan(67);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set issued '''2026-06-01 23:30 Asia/Kolkata'''
\set t '''2026-06-10 12:00 Asia/Kolkata'''
CREATE FUNCTION change_of(code text, day date, customer text DEFAULT NULL, at timestamptz DEFAULT '2026-06-10 12:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(c.reason, 'OK'), CASE WHEN c.replayed THEN 'again' END,
		CASE WHEN c.changed <> (c.reason IS NULL) OR (c.message IS NULL) <> (c.reason IS NULL) OR NOT c.changed AND c.expires_at IS NOT NULL
			THEN 'inconsistent ' || c::text END)
	FROM cms_change_expiry(ARRAY[code], day, CASE WHEN customer IS NOT NULL THEN ARRAY[customer] END, at) c
$$;
CREATE FUNCTION ends(code text) RETURNS timestamp
LANGUAGE sql AS $$ SELECT expires_at AT TIME ZONE 'Asia/Kolkata' FROM cms.coupon_status s WHERE s.code = $1 $$;
CREATE FUNCTION changes(offer text) RETURNS bigint
LANGUAGE sql AS $$ SELECT sum(expiry_changes)::bigint FROM cms.offer_slot WHERE offer_id = o(offer) $$;

SELECT make_offer('days', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 4, "expires_on": "2026-06-30", "max_uses_per_coupon": 3}');
SELECT is(issue_of('days', 'ann', :issued), 'OK', 'a coupon of four days');
SELECT code_of('days', 'ann') AS ann \gset
SELECT is(ends(:'ann'), '2026-06-06 00:00', 'ends on the fifth');
SELECT is(use_of(:'ann', 'ann', :t), 'COUPON_EXPIRED', 'and has expired');
SELECT is(changes('days'), 0::bigint, 'nobody has changed it');
SELECT is(rows_of($$ SELECT line, code = code_of('days', 'ann'), customer_id, changed, reason, message, offer_id = o('days'), coupon_id IS NOT NULL,
		old_expires_at AT TIME ZONE 'Asia/Kolkata', expires_at AT TIME ZONE 'Asia/Kolkata', replayed
	FROM cms_change_expiry(ARRAY[lower(code_of('days', 'ann'))], '2026-06-15', at => '2026-06-10 12:00 Asia/Kolkata') $$),
	'(1,t,,t,,,t,t,"2026-06-06 00:00:00","2026-06-16 00:00:00",f)', 'forward, after it has expired');
SELECT is(use_of(:'ann', 'ann', :t), 'OK', 'it is redeemable again');
SELECT is(use_of(:'ann', 'ann', '2026-06-15 23:59:59 Asia/Kolkata'), 'OK', 'to the end of the day');
SELECT is(use_of(:'ann', 'ann', '2026-06-16 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'and no longer');
SELECT is(changes('days'), 1::bigint, 'sweeps can see it');
SELECT is(change_of(:'ann', '2026-06-15'), 'OK again', 'the same again changes nothing');
SELECT is(changes('days'), 1::bigint, 'and nothing is to be seen');
SELECT is(rows_of($$ SELECT action, object, object_id IS NOT NULL, old_values->>'expires_on', new_values->>'expires_on' FROM cms.event WHERE action = 'EXPIRY_CHANGED' $$),
	'(EXPIRY_CHANGED,coupon,t,2026-06-05,2026-06-15)', 'one event');
SELECT is(change_of(:'ann', '2026-06-05'), 'OK', 'back');
SELECT is(ends(:'ann'), '2026-06-06 00:00', 'before today');
SELECT is(change_of(:'ann', '2026-06-01'), 'OK', 'back to the day of the issue');
SELECT is(change_of(:'ann', '2026-05-31'), 'BEFORE_ISSUE', 'not before it');
SELECT is(change_of(:'ann', '2026-06-30'), 'OK', 'to the offer''s last day');
SELECT is(change_of(:'ann', '2026-07-01'), 'BEYOND_OFFER', 'not beyond it');
SELECT is(ends(:'ann'), '2026-07-01 00:00', 'what is refused changes nothing');
SELECT is(change_of(:'ann', NULL), 'OK', 'without an end of its own');
SELECT is((SELECT expires_at FROM cms.coupon WHERE code = :'ann'), NULL, 'it has none');
SELECT is(ends(:'ann'), '2026-07-01 00:00', 'and ends with the offer');
SELECT alter_offer('days', 'expires_on', '2026-06-20');
SELECT is(ends(:'ann'), '2026-06-21 00:00', 'wherever that moves');
SELECT alter_offer('days', 'outlives_offer', 'true');
SELECT is(change_of(:'ann', '2026-12-31'), 'OK', 'coupons that outlive their offer may go beyond it');
SELECT is(ends(:'ann'), '2027-01-01 00:00', 'and do');
SELECT counted();
-- an offer without an end, and one of loyalty
SELECT make_offer('endless');
SELECT is(issue_of('endless', 'ann', :issued), 'OK', 'a coupon without an end');
SELECT is(change_of(code_of('endless', 'ann'), '2030-12-31'), 'OK', 'gets one');
SELECT is(rows_of($$ SELECT old_expires_at AT TIME ZONE 'Asia/Kolkata', expires_at FROM cms_change_expiry(ARRAY[code_of('endless', 'ann')], NULL) $$),
	'("2031-01-01 00:00:00",)', 'and loses it');
SELECT is(rows_of($$ SELECT old_values = '{"expires_on": "2030-12-31"}', new_values = '{"coupons": 1, "expires_on": null}' FROM cms.event
	WHERE action = 'EXPIRY_CHANGED' ORDER BY event_id DESC LIMIT 1 $$), '(t,t)', 'which the event tells');
SELECT make_offer('loyal', '{"expires_on": "2026-06-20"}');
SELECT is((SELECT claimed FROM cms_claim(o('loyal'), 'LOYALTY', 'points', at => :issued)), true, 'claimed by a program');
SELECT is(issue_of('loyal', 'ann', :issued, service => 'LOYALTY', consumer_ref => 'points'), 'OK', 'a coupon that never ends');
SELECT is(change_of(code_of('loyal', 'ann'), '2026-12-31'), 'OK', 'may end after its offer');
-- refused
SELECT is(change_of('NOSUCH', '2026-06-15'), 'CODE_NOT_FOUND', 'no such code');
SELECT is(change_of('', '2026-06-15'), 'CODE_NOT_FOUND', 'nor this');
SELECT is(change_of(:'ann', '2026-06-15', 'bob'), 'NOT_THE_HOLDER', 'not his');
SELECT is(change_of(:'ann', '2026-06-15', 'ann'), 'OK', 'but hers');
SELECT make_offer('stock', '{"code_method": "UPLOADED"}');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('stock'), '{STOCK,GONE}', '{NULL,cem}', at => :issued) WHERE loaded), 2::bigint, 'a code in stock, and one that is out');
SELECT is(change_of('stock', '2026-06-15'), 'NOT_ISSUED', 'a code in stock has no end yet');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('stock'), 'CODES', codes => '{GONE}', confirm => true, at => :t)), 1::bigint, 'revoked');
SELECT is(change_of('gone', '2026-06-15'), 'COUPON_REVOKED', 'a revoked one has none any more');
-- common codes
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "WELCOME", "expires_on": "2026-06-30"}');
SELECT is((SELECT count(*) FROM cms_issue_many(o('common'), '{ann,bob}', at => :issued) WHERE issued), 2::bigint, 'a common code');
SELECT is((SELECT reason || ' ' || message FROM cms_change_expiry('{welcome}', '2026-06-15')), 'CODE_NOT_FOUND The code is common to many customers: name one in customer_ids.', 'is of many');
SELECT is(change_of('welcome', '2026-06-15', 'cem'), 'NOT_ISSUED', 'who has none');
SELECT is(change_of('welcome', '2026-06-15', 'bob'), 'OK', 'who has one');
SELECT is(rows_of($$ SELECT customer_id, expires_at AT TIME ZONE 'Asia/Kolkata' FROM cms.coupon WHERE offer_id = o('common') ORDER BY 1 $$),
	'(ann,) (bob,"2026-06-16 00:00:00")', 'only that changes');
-- several
SELECT is(rows_of(format($$ SELECT line, coalesce(reason, 'OK'), replayed FROM cms_change_expiry(ARRAY['welcome', %L, 'nosuch', 'welcome', 'welcome'], '2026-06-18',
	'{ann,NULL,NULL,bob,ann}') $$, code_of('endless', 'ann'))), '(1,OK,f) (2,OK,f) (3,CODE_NOT_FOUND,f) (4,OK,f) (5,OK,t)', 'a row per code, in their order; one that comes twice is changed once');
SELECT is(changes('common'), 3::bigint, 'counted per offer');
SELECT is((SELECT new_values->>'coupons' FROM cms.event WHERE action = 'EXPIRY_CHANGED' AND offer_id = o('common') ORDER BY event_id DESC LIMIT 1), '2', 'one event for an offer');
SELECT is((SELECT old_values FROM cms.event WHERE action = 'EXPIRY_CHANGED' AND offer_id = o('common') ORDER BY event_id DESC LIMIT 1),
	'{"first_expires_on": "2026-06-15", "last_expires_on": null}', 'with the first and the last end that they had');
SELECT is((SELECT count(*) FROM cms_change_expiry('{}', '2026-06-18')), 0::bigint, 'none for none');
-- books and reminders follow
SELECT make_offer('booked', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 4}');
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (o('booked'), 4, 'SMS', 'until {expires_on}');
SELECT is(issue_of('booked', 'ann', :issued), 'OK', 'a coupon of four days');
CREATE FUNCTION books() RETURNS text LANGUAGE sql AS $$ SELECT rows_of($q$ SELECT ended_on, ended FROM cms.offer_expiry WHERE offer_id = o('booked') AND ended > 0 $q$) $$;
SELECT is(cms_sweep_expired(at => '2026-06-07 00:00 Asia/Kolkata') > 0, true, 'that has ended');
SELECT is(books(), '(2026-06-05,1)', 'and is booked');
SELECT is(change_of(code_of('booked', 'ann'), '2026-06-15'), 'OK', 'ends ten days later');
SELECT isnt(cms_sweep_expired(at => '2026-06-10 00:00 Asia/Kolkata'), NULL, 'swept');
SELECT is(books(), NULL, 'has not ended');
SELECT is(cms_sweep_reminders(at => '2026-06-11 10:00 Asia/Kolkata') > 0, true, 'its reminder is due four days before the new day');
SELECT is((SELECT string_agg(content, ', ') FROM cms_outbox_take('SMS', at => '2026-06-11 10:00 Asia/Kolkata')), 'until 2026-06-15', 'and tells it');
SELECT is(cms_sweep_expired(at => '2026-06-16 00:00 Asia/Kolkata') > 0, true, 'ended again');
SELECT is(books(), '(2026-06-15,1)', 'and booked there');
-- over a change of clocks, and a day that never was
SELECT play_org('Pacific/Apia');
SELECT make_offer('apia', '{"outlives_offer": true}');
SELECT is(issue_of('apia', 'ann', '2011-12-01 12:00 Pacific/Apia'), 'OK', 'a coupon');
SELECT is((SELECT expires_at AT TIME ZONE 'Pacific/Apia' FROM cms_change_expiry(ARRAY[code_of('apia', 'ann')], '2011-12-29', at => '2011-12-02 00:00+00')), '2011-12-31 00:00', 'ends where the next day begins');
-- calls that make no sense
SELECT throws_ok($$ SELECT cms_change_expiry(NULL, '2026-06-18') $$, '22004', 'argument "codes" must not be null', 'no codes');
SELECT throws_ok($$ SELECT cms_change_expiry('{a,NULL}', '2026-06-18') $$, '22004', 'argument "codes" must not contain null, as element 2 does', 'one that is NULL');
SELECT throws_ok($$ SELECT cms_change_expiry('{a,b}', '2026-06-18', '{x}') $$, '22023', 'argument "customer_ids" must be as long as "codes", 2, not 1', 'customers of other codes');
SELECT throws_ok($$ SELECT cms_change_expiry('{a}', 'infinity') $$, '22023', NULL, 'no day');

SELECT * FROM finish();
ROLLBACK;
