-- F21: where the offer allows it, an active coupon is sent again; nothing new is issued.
BEGIN;
SELECT plan(44);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set issued '''2026-06-01 12:00 Asia/Kolkata'''
\set t '''2026-06-10 12:00 Asia/Kolkata'''
\set later '''2026-06-10 13:00 Asia/Kolkata'''
CREATE FUNCTION resend_of(code text, customer text, at timestamptz, channel text DEFAULT 'SMS') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'again' END,
		CASE WHEN r.queued <> (r.reason IS NULL) OR (r.message IS NULL) <> (r.reason IS NULL) OR r.queued <> (r.message_id IS NOT NULL)
			OR r.queued AND (r.coupon_id IS NULL OR r.offer_id IS NULL) THEN 'inconsistent ' || r::text END)
	FROM cms_resend(code, customer, channel, at) r
$$;
CREATE FUNCTION content(channel text, at timestamptz) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(content, ', ') FROM cms_outbox_take(channel, at => at) $$;

SELECT make_offer('again', '{"resend_allowed": true, "resend_content": "{customer}, {code} is yours until {expires_on}", "expires_on": "2026-06-20"}');
SELECT is(issue_of('again', 'ann', :issued), 'OK', 'a coupon');
SELECT code_of('again', 'ann') AS ann \gset
SELECT is(rows_of($$ SELECT code = code_of('again', 'ann'), queued, reason, message, message_id > 0, offer_id = o('again'), replayed
	FROM cms_resend(' ' || lower(code_of('again', 'ann')), 'ann', at => '2026-06-10 12:00 Asia/Kolkata') $$), '(t,t,,,t,t,f)', 'is sent again');
SELECT is(rows_of($$ SELECT kind, channel, status, customer_id, due_at AT TIME ZONE 'Asia/Kolkata', send_before, reminder_id FROM cms.outbox $$),
	'(RESEND,SMS,PENDING,ann,"2026-06-10 12:00:00",,)', 'as a message');
SELECT is(resend_of(:'ann', 'ann', :t), 'OK again', 'once more is the same message');
SELECT is((SELECT count(*) FROM cms.outbox), 1::bigint, 'there is one');
SELECT is(resend_of(:'ann', 'ann', :t, 'EMAIL'), 'OK', 'on another channel it is another');
SELECT is(content('SMS', :t), 'ann, ' || :'ann' || ' is yours until 2026-06-20', 'with the content of the offer');
SELECT is(resend_of(:'ann', 'ann', :t), 'OK again', 'while a sender has it, it is on its way');
SELECT is((SELECT status FROM cms_outbox_done((SELECT array_agg(message_id) FROM cms.outbox WHERE status = 'LEASED'), at => :t)), 'DONE', 'delivered');
SELECT is(resend_of(:'ann', 'ann', :t), 'OK', 'then it can be sent again');
SELECT is((SELECT count(*) FROM cms.outbox), 3::bigint, 'by a new message');
SELECT is((SELECT issued FROM cms.offer_performance WHERE offer_id = o('again')), 1::bigint, 'nothing was issued');
SELECT counted();
UPDATE cms.offer SET resend_content = NULL WHERE offer_id = o('again');
SELECT is(content('SMS', :t), 'Your coupon of again: ' || :'ann', 'without a content of the offer');
SELECT is((SELECT status FROM cms_outbox_failed((SELECT array_agg(message_id) FROM cms.outbox WHERE status = 'LEASED'), max_attempts => 1, at => :t)), 'DEAD', 'it cannot be delivered');
SELECT is(resend_of(:'ann', 'ann', :t), 'OK', 'asked for again, there is a new one');
SELECT is((SELECT reason || ' ' || message FROM cms_outbox_retry((SELECT array_agg(message_id) FROM cms.outbox WHERE status = 'DEAD'), at => :t)),
	'NOT_DEAD Another message of the same is on its way.', 'as long as that is on its way the dead one stays dead');

-- refused
SELECT is(resend_of('NOSUCH', 'ann', :t), 'CODE_NOT_FOUND', 'no such code');
SELECT is(resend_of('no code?', 'ann', :t), 'CODE_NOT_FOUND', 'what cannot be one');
SELECT is(resend_of(:'ann', 'bob', :t), 'NOT_THE_HOLDER', 'somebody else');
SELECT is(resend_of(:'ann', 'ann', '2026-06-20 23:59:59 Asia/Kolkata', 'last'), 'OK', 'on the last day');
SELECT is(resend_of(:'ann', 'ann', '2026-06-21 00:00 Asia/Kolkata', 'late'), 'COUPON_EXPIRED', 'not after it');
SELECT is(content('last', '2026-06-21 00:00 Asia/Kolkata'), NULL, 'nor by a sender that comes after it');
SELECT is((SELECT reason FROM cms.outbox WHERE channel = 'last'), 'COUPON_EXPIRED', 'which says why');
SELECT is((SELECT changed FROM cms_change_expiry(ARRAY[:'ann'], '2026-06-11', at => :t)), true, 'the coupon''s own end');
SELECT is(resend_of(:'ann', 'ann', '2026-06-12 00:00 Asia/Kolkata', 'late'), 'COUPON_EXPIRED', 'counts too');
SELECT alter_offer('again', 'resend_allowed', 'false');
SELECT is(resend_of(:'ann', 'ann', :t, 'late'), 'RESEND_NOT_ALLOWED', 'only where the offer allows it');
SELECT is(content('EMAIL', :t), NULL, 'also when it does not any more');
SELECT is((SELECT reason FROM cms.outbox WHERE channel = 'EMAIL'), 'RESEND_NOT_ALLOWED', 'which says why');
SELECT alter_offer('again', 'resend_allowed', 'true');
SELECT alter_offer('again', 'status', 'ARCHIVED');
SELECT is(resend_of(:'ann', 'ann', :t, 'archive'), 'OK', 'coupons of an archived offer are redeemable and can be sent');
SELECT is(content('archive', :t) IS NOT NULL, true, 'and are');
SELECT is(use_of(:'ann', 'ann', :t), 'OK', 'redeemed');
SELECT is(resend_of(:'ann', 'ann', :t, 'late'), 'ALREADY_REDEEMED', 'a redeemed coupon is not sent');
SELECT make_offer('other', '{"resend_allowed": true, "code_method": "UPLOADED"}');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('other'), '{STOCK,GONE}', '{NULL,cem}', at => :issued) WHERE loaded), 2::bigint, 'a code in stock, and one that is out');
SELECT is(resend_of('stock', 'ann', :t), 'NOT_ISSUED', 'a code in stock is nobody''s');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('other'), 'CODES', codes => '{GONE}', confirm => true, at => :t)), 1::bigint, 'revoked');
SELECT is(resend_of('gone', 'cem', :t), 'COUPON_REVOKED', 'a revoked one is not sent');
-- common codes
SELECT make_offer('common', '{"resend_allowed": true, "code_method": "COMMON", "common_code": "WELCOME", "resend_content": "{code}"}');
SELECT is(issue_of('common', 'ann', :issued), 'OK', 'a common code');
SELECT is(resend_of('welcome', 'ann', :t, 'common'), 'OK', 'is sent to who has it');
SELECT is(resend_of('welcome', 'bob', :t, 'common'), 'NOT_ISSUED', 'and to nobody else');
SELECT alter_offer('common', 'common_code', 'HELLO');
SELECT is(content('common', :t), 'HELLO', 'as it is now');
-- calls that make no sense
SELECT throws_ok($$ SELECT cms_resend(NULL, 'ann') $$, '22004', 'argument "code" must not be null', 'no code');
SELECT throws_ok($$ SELECT cms_resend('x', NULL) $$, '22004', 'argument "customer_id" must not be null', 'no customer');
SELECT throws_ok($$ SELECT cms_resend('x', 'ann', ' ') $$, '22023', 'argument "channel" must not be blank', 'no channel');

SELECT * FROM finish();
ROLLBACK;
