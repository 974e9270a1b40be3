-- F15, F37, F39: requests with a key of the caller's: done once, answered again, and in conflict with anything else.
BEGIN;
SELECT plan(72);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION redemption_of(bill text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT redemption_id FROM cms.redemption WHERE org_id = cms_current_org() AND bill_ref = bill $$;
-- what a call answers, in one word after the other
CREATE FUNCTION reverse_of(bill text, key text, note text DEFAULT 'note', at timestamptz DEFAULT '2025-11-12 12:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'replayed' END,
		CASE WHEN r.use_returned THEN 'returned' WHEN r.use_returned IS NULL THEN 'NULL' END,
		CASE WHEN r.reversed <> (r.reason IS NULL) OR (r.reason IS NULL) <> (r.message IS NULL)
			OR r.redemption_id <> redemption_of(bill) THEN 'inconsistent' END)
	FROM cms_reverse(redemption_of(bill), note, key, at) r
$$;
CREATE FUNCTION revoke_of(offer text, scope text, key text, customers text[] DEFAULT NULL, codes text[] DEFAULT NULL,
	at timestamptz DEFAULT '2025-11-12 12:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.reason, r.revoked_issued, r.revoked_unissued, r.left_redeemed, CASE WHEN r.replayed THEN 'replayed' END,
		CASE WHEN (r.reason IS NULL) <> (r.message IS NULL) OR (r.reason IS NULL) <> (r.left_redeemed IS NOT NULL) THEN 'inconsistent' END)
	FROM cms_revoke(o(offer), scope, customers, codes, true, key, at) r
$$;
CREATE FUNCTION give_of(offer text, customers text[], key text, how_many int DEFAULT 1, all_or_none boolean DEFAULT false,
	service text DEFAULT NULL, consumer_ref text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(i.reason, 'OK') || CASE WHEN i.replayed THEN ' replayed' ELSE '' END, ' ' ORDER BY i.line)
	FROM cms_issue_many(o(offer), customers, how_many, all_or_none, service, consumer_ref, key, '2025-11-12 11:00 Asia/Kolkata') i
$$;

-- ---- reversing ----------------------------------------------------------------------------------------
SELECT make_offer('ten', '{"max_uses_per_coupon": 9, "max_redemptions": 20}');
DO $$ BEGIN
	PERFORM issue_of('ten', 'ann', '2025-11-12 10:00 Asia/Kolkata');
	PERFORM use_of(code_of('ten', 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata', bill => 'B' || i) FROM generate_series(1, 5) i;
END $$;
SELECT is(reverse_of('B1', 'r1'), 'OK returned', 'a reversal with a key');
SELECT is(reverse_of('B1', 'r1'), 'OK replayed returned', 'again: the first answer');
SELECT is(reverse_of('B1', 'r1', at => '2026-01-01 Asia/Kolkata'), 'OK replayed returned', 'whenever it is asked');
SELECT is(rows_of($$ SELECT reversed_at AT TIME ZONE 'Asia/Kolkata', reversal_note FROM cms.redemption WHERE bill_ref = 'B1' $$),
	'("2025-11-12 12:00:00",note)', 'and nothing of it is recorded anew');
SELECT is(uses, 4, 'the use came back once') FROM cms.coupon WHERE code = code_of('ten', 'ann');
SELECT is(reverse_of('B1', 'r1', 'other'), 'KEY_CONFLICT NULL', 'another note is another request');
SELECT is(reverse_of('B1', 'r1', NULL), 'KEY_CONFLICT NULL', 'and so is none');
SELECT is(reverse_of('B2', 'r1'), 'KEY_CONFLICT NULL', 'another redemption with the same key');
SELECT is((SELECT reversed_at FROM cms.redemption WHERE bill_ref = 'B2'), NULL, 'is not reversed');
SELECT is(reverse_of('B1', 'r2'), 'ALREADY_REVERSED returned', 'another key is another request, too late');
SELECT is(reverse_of('B1', NULL), 'ALREADY_REVERSED returned', 'as without one');
SELECT is(reverse_of('B2', 'r2'), 'OK returned', 'the refused one has left no key behind');
SELECT is(reverse_of('B2', 'r2'), 'OK replayed returned', 'now it is taken');
SELECT is(reverse_of('B3', ''), 'OK returned', 'an empty key is none');
SELECT is(reverse_of('B3', '  '), 'ALREADY_REVERSED returned', 'and a blank one');
SELECT is(reverse_of('B4', 'r4', NULL), 'OK returned', 'without a note');
SELECT is(reverse_of('B4', 'r4', ''), 'KEY_CONFLICT NULL', 'an empty note is another');
SELECT is(reverse_of('B4', 'r4', NULL), 'OK replayed returned', 'than none');
SELECT is(reverse_of('B5', 'R4'), 'OK returned', 'keys are compared exactly');
SELECT counted();

SELECT make_offer('gone', '{"max_uses_per_coupon": 2, "reversal_restores_use": false}');
DO $$ BEGIN
	PERFORM issue_of('gone', 'ann', '2025-11-12 10:00 Asia/Kolkata');
	PERFORM use_of(code_of('gone', 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata', bill => 'G' || i) FROM generate_series(1, 2) i;
END $$;
SELECT is(reverse_of('G1', 'g1'), 'OK', 'a use that does not come back');
SELECT alter_offer('gone', 'reversal_restores_use', 'true');
SELECT is(reverse_of('G1', 'g1'), 'OK replayed', 'the first answer stays what it was');
DO $$ BEGIN PERFORM revoke_of('gone', 'ALL_UNREDEEMED', NULL); END $$;
SELECT is(reverse_of('G1', 'g1'), 'OK replayed', 'whatever has become of the coupon');
SELECT make_offer('short', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}');
DO $$ BEGIN
	PERFORM issue_of('short', 'ann', '2025-11-12 10:00 Asia/Kolkata');
	PERFORM use_of(code_of('short', 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata', bill => 'S1');
END $$;
SELECT is(reverse_of('S1', 's1', at => '2025-11-13 Asia/Kolkata'), 'COUPON_EXPIRED', 'a reversal that is refused');
SELECT is(reverse_of('S1', 's1'), 'OK returned', 'binds nothing');
SELECT counted();

-- ---- revoking -----------------------------------------------------------------------------------------
SELECT make_offer('revoked', '{"max_uses_per_coupon": 1}');
DO $$ BEGIN
	PERFORM cms_generate_codes(o('revoked'), 5, '2025-11-12 10:00 Asia/Kolkata');
	PERFORM give_of('revoked', '{ann,bob,cid}', NULL);
	PERFORM use_of(code_of('revoked', 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata');
END $$;
SELECT is(revoke_of('revoked', 'ALL_UNREDEEMED', 'v1'), '2 2 1', 'a revocation with a key');
SELECT is(revoke_of('revoked', 'ALL_UNREDEEMED', 'v1'), '2 2 1 replayed', 'again: the first counts');
SELECT is(issue_of('revoked', 'dee', :t), 'OK', 'what is issued afterwards');
SELECT is(revoke_of('revoked', 'ALL_UNREDEEMED', 'v1', at => '2026-01-01'), '2 2 1 replayed', 'was not meant');
SELECT is((SELECT state FROM cms.coupon_status WHERE code = code_of('revoked', 'dee')), 'ACTIVE', 'and stays');
SELECT is(revoke_of('revoked', 'UNISSUED', 'v1'), 'KEY_CONFLICT', 'another scope');
SELECT is(revoke_of('revoked', 'CUSTOMERS', 'v1', '{dee}'), 'KEY_CONFLICT', 'or a list');
SELECT is(revoke_of('ten', 'ALL_UNREDEEMED', 'v1'), 'KEY_CONFLICT', 'or another offer is another request');
SELECT is((SELECT count(*) FROM cms.coupon_status WHERE state = 'ACTIVE'), 2::bigint, 'and nothing was revoked');
SELECT is(revoke_of('revoked', 'UNISSUED', 'v2'), '0 0 0', 'what found nothing');
SELECT ok(cms_generate_codes(o('revoked'), 1, :t) = 1, 'is an answer too:');
SELECT is(revoke_of('revoked', 'UNISSUED', 'v2'), '0 0 0 replayed', 'codes that came later stay');
SELECT is(revoke_of('revoked', 'CUSTOMERS', 'v3', '{bob,dee}'), '1 0 0', 'customers');
SELECT is(revoke_of('revoked', 'CUSTOMERS', 'v3', '{bob,dee}'), '1 0 0 replayed', 'the same');
SELECT is(revoke_of('revoked', 'CUSTOMERS', 'v3', '{bobdee}'), 'KEY_CONFLICT', 'are not one of both their names');
SELECT is(revoke_of('revoked', 'CUSTOMERS', 'v3', '{bob}'), 'KEY_CONFLICT', 'nor one of them');
SELECT is(revoke_of('ten', 'CODES', 'v4', codes => ARRAY[code_of('ten', 'ann'), '?']), '1 0 0', 'codes');
SELECT is(revoke_of('ten', 'CODES', 'v4', codes => ARRAY[' ' || lower(code_of('ten', 'ann'))]), '1 0 0 replayed', 'are compared as they are stored');
SELECT is(revoke_of('ten', 'CODES', 'v4', codes => ARRAY['OTHER']), 'KEY_CONFLICT', 'another code');
SELECT refused($$ SELECT * FROM cms_revoke(o('revoked'), 'ALL_UNREDEEMED', request_key => 'v9') $$, 'MS004', 'confirm', 'what is not confirmed');
SELECT is(revoke_of('revoked', 'UNISSUED', 'v9'), '0 1 0', 'leaves no key behind');
SELECT counted();

-- ---- issuing ------------------------------------------------------------------------------------------
SELECT make_offer('issued', '{"max_issued_per_customer": 1}');
SELECT is(give_of('issued', '{ann,bob,ann}', 'i1'), 'OK OK CUSTOMER_ISSUE_LIMIT', 'several customers');
SELECT is(give_of('issued', '{ann,bob,ann}', 'i1'), 'OK replayed OK replayed CUSTOMER_ISSUE_LIMIT replayed', 'again');
SELECT is(give_of('issued', v.customers, 'i1', how_many, all_or_none, service, consumer_ref), answer, what)
FROM (VALUES ('{ann,bob}'::text[], 1, false, NULL, NULL, 'KEY_CONFLICT KEY_CONFLICT', 'less'),
	('{ann,bobann}', 1, false, NULL, NULL, 'KEY_CONFLICT KEY_CONFLICT', 'names that run together'),
	('{ann,bob,ann}', 1, true, NULL, NULL, 'KEY_CONFLICT KEY_CONFLICT KEY_CONFLICT', 'all or none'),
	('{ann,bob,ann}', 1, false, 'DVS', NULL, 'KEY_CONFLICT KEY_CONFLICT KEY_CONFLICT', 'for a service'))
	v(customers, how_many, all_or_none, service, consumer_ref, answer, what);
SELECT is(rows_of($$ SELECT issued, reason, replayed FROM cms_issue(o('issued'), 'cid', request_key => 'i2', at => '2025-11-12 11:00 UTC') $$), '(t,,f)', 'one customer');
SELECT is(give_of('issued', '{cid}', 'i2'), 'OK replayed', 'is the same as a list of one');

-- ---- a key is of one request, whatever its action -------------------------------------------------------
SELECT is(reverse_of('B1', 'v1'), 'KEY_CONFLICT NULL', 'a revocation''s key reverses nothing');
SELECT is((SELECT reason FROM cms_reverse(o('revoked'), 'UNISSUED', 'v2', '2025-11-12 12:00 Asia/Kolkata')), 'KEY_CONFLICT', 'even where what is asked for reads the same');
SELECT is(revoke_of('ten', 'UNISSUED', 'r1'), 'KEY_CONFLICT', 'a reversal''s revokes nothing');
SELECT is(give_of('ten', '{eve}', 'r1'), 'KEY_CONFLICT', 'nor issues anything');
SELECT is(reverse_of('S1', 'i1'), 'KEY_CONFLICT NULL', 'an issue''s reverses nothing');

-- ---- bad input ------------------------------------------------------------------------------------------
SELECT refused($$ SELECT * FROM cms_reverse(-1, request_key => 'bad', at => '2025-11-12 UTC') $$, 'MS009', '-1', 'an unknown redemption');
SELECT is(revoke_of('revoked', 'UNISSUED', 'bad'), '0 0 0', 'leaves no key behind');
SELECT refused(format('SELECT * FROM cms_reverse(1, request_key => %L)', repeat('k', 1001)), '22023', 'request_key', 'a key that is too long');
SELECT refused(format('SELECT * FROM cms_revoke(o(''ten''), ''UNISSUED'', confirm => true, request_key => %L)', repeat('k', 1001)), '22023', 'request_key', 'for a revocation too');

-- ---- an org's own ---------------------------------------------------------------------------------------
SELECT play_org('UTC');
SELECT make_offer('other');
SELECT is(revoke_of('other', 'ALL_UNREDEEMED', 'v1'), '0 0 0', 'another org''s keys are its own');
SELECT counted('and nothing was miscounted');

-- a blank key is none
SELECT make_offer('blank key');
SELECT is(replayed, false, 'each call with a blank key is a request of its own') FROM (VALUES ('ann'), ('bob')) v(customer), cms_issue(o('blank key'), customer, request_key => ' ');
-- a key that is too long
SELECT is(hint_of(statement), 'Pass a shorter key, such as a UUID.', statement) FROM unnest(ARRAY[
	$$ SELECT cms_issue(1, 'ann', request_key => repeat('x', 1001)) $$, $$ SELECT cms_reverse(1, request_key => repeat('x', 1001)) $$,
	$$ SELECT cms_revoke(1, 'UNISSUED', request_key => repeat('x', 1001)) $$]) statement;

SELECT * FROM finish();
ROLLBACK;
