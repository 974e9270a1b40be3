-- F1: creating offers: defaults, what is filled, what is refused. Each kind of rule has its values in its own file.
BEGIN;
SELECT plan(99);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- the least one must say
INSERT INTO cms.offer (name, discount_type, discount_value) VALUES ('least', 'PERCENTAGE', 10);
SELECT is((SELECT jsonb_strip_nulls(to_jsonb(f) - '{org_id,offer_id,code,created_at,modified_at,created_by,modified_by}'::text[]) FROM cms.offer f WHERE name = 'least'),
	'{"name": "least", "status": "ACTIVE", "expiry_type": "WITH_CAMPAIGN", "discount_type": "PERCENTAGE", "discount_value": 10, "product_scope": "ALL_PRODUCTS",
	"sale_items": false, "delivery": "INTERNAL", "code_method": "GENERATED", "code_length": 12, "code_charset": "UNAMBIGUOUS", "allow_dense_codes": false,
	"coupon_expiry_type": "WITH_OFFER", "outlives_offer": false, "audience_only": false, "past_issue_months": 6, "resend_allowed": false, "reissue": "NEW",
	"anyone_may_redeem": false, "max_uses_per_coupon": 1, "store_scope": "ANY_STORE", "reversal_restores_use": true, "expiry_notice": false}', 'every default; limits are NULL');
SELECT is(rows_of($$ SELECT org_id = current_setting('cms.org')::int, offer_id > 0, created_by = current_user, modified_by = current_user, created_at = now(), modified_at = now()
	FROM cms.offer WHERE name = 'least' $$), '(t,t,t,t,t,t)', 'the org of the call, a number, and who made it when');
SELECT matches((SELECT code FROM cms.offer WHERE name = 'least'), '^[A-Z0-9_-]{4,40}$', 'an offer code is made');
SELECT is(issue_of('least', 'ann', :t), 'OK', 'it issues');
SELECT is(use_of(code_of('least', 'ann'), 'ann', :t), 'OK', 'and redeems');

-- everything at once
SELECT lives_ok($$ SELECT make_offer('most', '{"code": "Diwali", "pos_code": "POS-7", "owner_service": "OUTBOUND", "owner_ref": "spring", "expires_on": "2026-01-31",
	"discount_type": "FIXED_AMOUNT", "discount_value": 12.5, "discount_cap": 10, "product_scope": "SELECTED_PRODUCTS", "sale_items": true,
	"code_method": "GENERATED", "code_length": 10, "code_charset": "NUMERIC", "code_prefix": "pre-", "code_suffix": "-suf", "allow_dense_codes": true,
	"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 1, "outlives_offer": true, "audience_only": true, "max_issued": 1000, "max_issued_per_customer": 2,
	"min_days_between_issues": 3, "past_issue_months": 1, "resend_allowed": true, "resend_content": "here it is again", "reissue": "EXISTING", "anyone_may_redeem": true,
	"starts_after_days": 1, "starts_on": "2025-11-13", "max_uses_per_coupon": 5, "max_uses_per_customer_and_coupon": 2, "max_uses_per_customer": 3,
	"min_days_between_uses": 1, "max_redemptions": 100, "max_discount_total": 1000, "min_bill": 1, "max_bill": 10000, "store_scope": "SELECTED_STORES",
	"reversal_restores_use": false, "expiry_notice": true, "codes_left_alert": 10}') $$, 'an offer with every setting');
SELECT is(rows_of($$ SELECT code, code_prefix, code_suffix, expiry_type FROM cms.offer WHERE name = 'most' $$), '(Diwali,PRE-,-SUF,FIXED_DATE)', 'a code as typed, codes in upper case, FIXED_DATE because of the date');
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (o('most'), 'BRAND', 'X');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('most'), 'STORE', 'S1');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('most'), 'ann');
INSERT INTO cms.offer_window (offer_id, from_time, to_time) VALUES (o('most'), '08:00', '20:00');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('most'), o('least'));
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (o('most'), 3, 'SMS', 'soon over');
INSERT INTO cms.poc (name, email) VALUES ('Asha', 'asha@example.com');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT o('most'), poc_id, 7 FROM cms.poc;
SELECT is((SELECT time_of_day FROM cms.offer_reminder), '10:00'::time, 'with a row in every list');
SELECT is(issue_of('most', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'spring'), 'RECENTLY_RECEIVED_OTHER', 'all its rules hold: the exclusion');
DELETE FROM cms.offer_exclusion WHERE offer_id = o('most');
SELECT is(issue_of('most', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'spring'), 'OK', 'without it a coupon');
SELECT matches(code_of('most', 'ann'), '^PRE-[0-9]{10}-SUF$', 'with its pattern');
SELECT is(use_of(code_of('most', 'ann'), 'bob', '2025-11-13 12:00 Asia/Kolkata', NULL, 'S1', items => '[{"brand": "X", "amount": 50}, {"brand": "Y", "amount": 50}]'), 'OK', 'that is redeemed by the rules');
SELECT is((SELECT discount FROM cms.redemption WHERE customer_id = 'bob'), 10.0, 'at the capped discount');
SELECT counted();

-- dates, names and codes
SELECT lives_ok($$ SELECT make_offer('past', '{"expires_on": "2001-01-01"}') $$, 'a past date is legal');
SELECT is(issue_of('past', 'ann', :t), 'OFFER_EXPIRED', 'and past');
SELECT is(issue_of('past', 'ann', '2001-01-01 23:59 Asia/Kolkata'), 'OK', 'the date is inclusive, in the org''s zone');
SELECT lives_ok($$ SELECT make_offer('past') $$, 'two offers may share a name');
SELECT is((SELECT count(DISTINCT code) FROM cms.offer WHERE name = 'past'), 2::bigint, 'and differ by their code');
SELECT make_offer('  trimmed ');
SELECT is((SELECT count(*) FROM cms.offer WHERE name = 'trimmed'), 1::bigint, 'names are trimmed');
SELECT lives_ok(format('SELECT make_offer(%L)', repeat('é', 255)), 'a name of 255 characters');
SELECT refused(format('SELECT make_offer(%L)', repeat('x', 256)), '23514', 'name', 'of 256');
SELECT refused(format('SELECT make_offer(%L)', repeat('x', 1000000)), '23514', 'name', 'of a million');
SELECT refused(format('SELECT make_offer(%L)', name), '23514', 'name', 'a blank name: ' || quote_literal(translate(name, E'\n\t', '//'))) FROM unnest(ARRAY['', '  ', E'\n\t']) name;
SELECT refused('SELECT make_offer(NULL)', '23502', 'name', 'no name');
SELECT offer_refused('{"code": "Diwali"}', 'code', 'a code that another offer has', '23505');
SELECT offer_refused('{"code": "  Diwali "}', 'code', 'blanks do not make it another', '23505');
SELECT offer_refused('{"code": " "}', 'code', 'a blank code');
SELECT offer_refused(jsonb_build_object('code', repeat('x', 41)), 'code', 'a code of 41 characters');

-- what does not go together
SELECT offer_refused(settings, names, settings::text, state) FROM (VALUES
	('{"expiry_type": "FIXED_DATE"}'::jsonb, 'expires_on', '23502'), ('{"expiry_type": "WITH_CAMPAIGN", "expires_on": "2026-01-01"}', 'expires_on', '23514'),
	('{"expiry_type": "NEVER"}', 'expiry_type', '23514'), ('{"expires_on": "infinity"}', 'expires_on', '23514'), ('{"expires_on": "-infinity"}', 'expires_on', '23514'),
	('{"status": "PAUSED"}', 'status', '23514'), ('{"status": "active"}', 'status', '23514'), ('{"owner_ref": "spring"}', 'owner_', '23514'),
	('{"owner_service": "POST"}', 'owner_service', '23514'), ('{"codes_left_alert": -1}', 'codes_left_alert', '23514'), ('{"sale_items": null}', 'sale_items', '23502'),
	('{"code_method": "PRINTED"}', 'code_method', '23514'), ('{"code_method": "COMMON"}', 'common_code', '23502'), ('{"common_code": "X"}', 'common_code', '23514'),
	('{"code_method": "COMMON", "common_code": " "}', 'common_code', '23514'), ('{"code_method": "COMMON", "common_code": "A B"}', 'common_code', '23514'),
	('{"code_method": "RANDOMISED"}', 'sample_code', '23502'), ('{"code_method": "RANDOMISED", "sample_code": "1234"}', 'sample_code', '23514'),
	('{"code_method": "RANDOMISED", "sample_code": "12345678901"}', 'sample_code', '23514'), ('{"sample_code": "12345"}', 'sample_code', '23514'),
	('{"code_method": "RANDOMISED", "sample_code": "TEST12345", "owner_service": "DVS"}', 'owner_service', '23514'),
	('{"code_length": 0}', 'code_length', '23514'), ('{"code_length": 41}', 'code_length', '23514'), ('{"code_length": null}', 'code_length', '23502'),
	('{"code_length": 39, "code_prefix": "A", "code_suffix": "B"}', 'code_length|code_prefix', '23514'), ('{"code_prefix": "A B"}', 'code_prefix', '23514'),
	('{"code_method": "UPLOADED", "code_prefix": "A"}', 'code_prefix', '23514'), ('{"code_charset": "KLINGON"}', 'code_charset', '23514')) v(settings, names, state);
SELECT lives_ok($$ SELECT make_offer('longest', '{"code_length": 38, "code_prefix": "A", "code_suffix": "B"}') $$, 'forty characters are');
SELECT is((SELECT length(code) FROM cms_issue(o('longest'), 'ann', at => :t)), 40, 'in a coupon');
-- the stamps that a superuser may bring along
SELECT offer_refused(jsonb_build_object(c, at), c, c || ' ' || at) FROM (VALUES ('created_at', 'infinity'), ('created_at', '-infinity'),
	('modified_at', 'infinity'), ('modified_at', '10000-01-01 00:00 UTC'), ('created_at', '0001-12-31 23:59:59 BC UTC')) v(c, at);
-- one name space of codes
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "SAVE10"}');
SELECT offer_refused('{"code_method": "COMMON", "common_code": " save10"}', 'SAVE10|common_code', 'a common code that another offer has', 'MS012');
SELECT make_offer('uploaded', '{"code_method": "UPLOADED"}');
SELECT is((SELECT loaded FROM cms_upload_codes(o('uploaded'), '{WELCOME}', at => :t)), true, 'an uploaded code');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "welcome"}', 'WELCOME|common_code', 'is no common code', 'MS012');
SELECT is((SELECT reason FROM cms_upload_codes(o('uploaded'), '{save10}', at => :t)), 'CODE_RESERVED', 'nor is a common code to be uploaded');
SELECT make_offer('sample', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');
SELECT is((SELECT sample_code FROM cms.offer WHERE name = 'sample'), 'TEST?????', 'a sample is kept as its mask');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "TESTABCDE"}', 'TEST|sample_code', 'two samples that share the fixed part', 'MS012');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "TEST00000"}', 'TEST|common_code', 'a common code that a sample reserves', 'MS012');
SELECT is((SELECT reason FROM cms_upload_codes(o('uploaded'), '{testabcde}', at => :t)), 'CODE_RESERVED', 'nor can one be uploaded');
SELECT is((SELECT space FROM cms_code_capacity(o('sample'))), 60466176.0, 'TEST12345 has 60,466,176 codes');
SELECT is((SELECT count(*) FROM cms_issue(o('sample'), 'ann', 100, at => :t) WHERE code ~ '^TEST[0-9A-Z]{5}$'), 100::bigint, 'all 9 long, beginning TEST');
SELECT counted();

-- orgs
SELECT refused(format('INSERT INTO cms.org (%s) VALUES (%s)', columns, vals), state, names, vals) FROM (VALUES
	('name, time_zone', '''x'', ''Mars/Olympus''', '23514', 'time_zone'), ('name, time_zone', '''x'', ''''', '23514', 'time_zone'), ('name, time_zone', '''x'', ''<+05>-05''', '23514', 'time_zone'),
	('name, time_zone', '''x'', NULL', '23502', 'time_zone'), ('name, currency', '''x'', ''XYZ''', '23514', 'currency'), ('name, currency', '''x'', ''inr''', '23514', 'currency'),
	('name, currency', '''x'', ''RUPEE''', '23514', 'currency'), ('name, minor_units', '''x'', -1', '23514', 'minor_units'), ('name, minor_units', '''x'', 5', '23514', 'minor_units'),
	('name, max_backdate', '''x'', ''-1 day''', '23514', 'max_backdate'), ('name', ''' ''', '23514', 'name'), ('name', 'NULL', '23502', 'name')) v(columns, vals, state, names);
INSERT INTO cms.org (name) VALUES ('default');
SELECT is(rows_of($$ SELECT time_zone, currency, minor_units, max_backdate FROM cms.org WHERE name = 'default' $$), '(UTC,INR,2,)', 'an org''s defaults');
-- points of contact and reminders
SELECT refused($$ INSERT INTO cms.poc (name, email) VALUES ('Asha', 'not an address') $$, '23514', 'email', 'an address that is none');
SELECT refused($$ INSERT INTO cms.poc (name, email) VALUES (' ', 'a@example.com') $$, '23514', 'name', 'nobody');
SELECT refused(format('INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (o(''most''), %s)', vals), state, names, vals) FROM (VALUES
	('-1, ''SMS'', ''x''', '23514', 'days_before'), ('3651, ''SMS'', ''x''', '23514', 'days_before'), ('1, '' '', ''x''', '23514', 'channel'), ('1, ''SMS'', ''''', '23514', 'content'), ('NULL, ''SMS'', ''x''', '23502', 'days_before')) v(vals, state, names);
SELECT refused($$ INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT o('most'), poc_id, -1 FROM cms.poc $$, '23514', 'days_before', 'a point of contact told after the end');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
