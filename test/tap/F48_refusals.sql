-- F48: refusals by reason: the view equals a recount of the attempts, of one's own orgs.
BEGIN;
\ir lib/scene.psql
SELECT plan(9);

-- A day in Kolkata begins at 18:30 UTC.
SELECT play_org('Asia/Kolkata');
UPDATE cms.org SET record_attempts = true;
SELECT make_offer('one', '{"code_method": "UPLOADED"}');
SELECT ok(loaded, 'a coupon of ann') FROM cms_upload_codes(o('one'), '{ONE}', '{ann}', at => '2025-11-01');
SELECT is((SELECT string_agg(reason, ' ' ORDER BY n) FROM (VALUES (1, 'NONE', '2025-11-12 18:29 UTC'), (2, 'NONE', '2025-11-12 18:30 UTC'), (3, 'NOWHERE', '2025-11-12 18:31 UTC'),
		(4, 'ONE', '2025-11-12 10:00 UTC'), (5, 'ONE', '2025-11-12 09:00 UTC')) v (n, code, at), cms_redeem(code, 'bob', 100, 'B', at => at::timestamptz)),
	'CODE_NOT_FOUND CODE_NOT_FOUND CODE_NOT_FOUND NOT_THE_HOLDER NOT_THE_HOLDER', 'five attempts');
SELECT is(rows_of($$ SELECT name, reason, action, day, attempts, last_attempted_at AT TIME ZONE 'UTC' FROM cms.refusals_by_reason
		WHERE org_id = cms_current_org() ORDER BY name, reason, day $$),
	'(one,NOT_THE_HOLDER,REDEEM,2025-11-12,2,"2025-11-12 10:00:00") (,CODE_NOT_FOUND,REDEEM,2025-11-12,1,"2025-11-12 18:29:00") '
	|| '(,CODE_NOT_FOUND,REDEEM,2025-11-13,2,"2025-11-12 18:31:00")', 'are counted by offer, reason and day of the org''s zone');

-- another org's are not seen, and codes by those alone who may
SELECT play_org('Asia/Tokyo');
UPDATE cms.org SET record_attempts = true;
SELECT is((SELECT reason FROM cms_redeem('NONE', 'bob', 100, 'B')), 'CODE_NOT_FOUND', 'an attempt in another org');
CREATE ROLE f48_analyst IN ROLE cms_analyst;
CREATE ROLE f48_manager IN ROLE cms_manager;
INSERT INTO cms.org_role SELECT org_id, r FROM cms.org, unnest('{f48_analyst,f48_manager}'::name[]) r WHERE name = 'Asia/Tokyo';
GRANT USAGE ON SCHEMA public TO f48_analyst, f48_manager;
SET LOCAL ROLE f48_analyst;
SELECT is((SELECT sum(attempts) FROM cms.refusals_by_reason), 1::numeric, 'an analyst sees the own org''s alone');
SELECT is((SELECT count(*) FROM (SELECT customer_id, reason, till_id FROM cms.attempt) a), 1::bigint, 'each of them');
SELECT throws_ok('SELECT code FROM cms.attempt', '42501', NULL, 'but no codes');
SET LOCAL ROLE f48_manager;
SELECT is((SELECT string_agg(code, ' ') FROM cms.attempt), 'NONE', 'which a manager does');
DELETE FROM cms.attempt;
RESET ROLE;
SELECT is((SELECT count(*) FROM cms.attempt), 5::bigint, 'and deletes, of the own org');

SELECT * FROM finish();
ROLLBACK;
