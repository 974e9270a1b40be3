-- F49: events of other orgs are not seen; old ones go, the oldest first, and nobody else takes one back.
BEGIN;
\ir lib/scene.psql
SELECT plan(13);

SELECT play_org('UTC');
CREATE ROLE f49_admin IN ROLE cms_admin;
CREATE ROLE f49_boss IN ROLE cms_manager;
INSERT INTO cms.org_role SELECT org_id, 'f49_boss' FROM cms.org;
SELECT play_org('Asia/Tokyo');
SELECT make_offer('far', '{"code_method": "COMMON", "common_code": "HUSH"}');
GRANT USAGE ON SCHEMA public TO f49_admin, f49_boss;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO f49_boss;
SET LOCAL cms.org = 0;

SET LOCAL ROLE f49_boss;
SELECT is((SELECT string_agg(action || ' ' || object, ' ' ORDER BY event_id) FROM cms.event), 'CREATED org CREATED org_role', 'events of the own org');
SELECT is((SELECT count(*) FROM cms.event_log), 2::bigint, 'in the log too');
SELECT throws_ok('DELETE FROM cms.event', '42501', NULL, 'a manager deletes none');
SELECT throws_ok('SELECT cms_purge_events(now())', '42501', NULL, 'by no way');
RESET ROLE;
SELECT throws_ok('DELETE FROM cms.event', 'MS006', NULL, 'nor does a superuser');
SELECT throws_ok($$ UPDATE cms.event SET recorded_by = 'x' $$, 'MS006', NULL, 'or change one');

SELECT setval('public.bill_no', max(event_id)) AS last FROM cms.event \gset
SET LOCAL ROLE f49_admin;
SELECT throws_ok('SELECT FROM cms.event', '42501', NULL, 'who runs the server does not read the table');
SELECT is((SELECT new_values - 'common_code' = new_values FROM cms.event_log WHERE object = 'offer'), true, 'but the log, without codes');
SELECT is(cms_purge_events('-infinity'), 0::bigint, 'none is so old');
SELECT is(cms_purge_events('infinity', 1, org_id), 1::bigint, 'the oldest of an org') FROM cms.org WHERE name = 'Asia/Tokyo';
SELECT is((SELECT string_agg(action || ' ' || object, ' ' ORDER BY event_id) FROM cms.event_log), 'CREATED org CREATED org_role CREATED offer', 'the others stay');
SELECT is(cms_purge_events('infinity'), 3::bigint, 'all of all orgs');
RESET ROLE;
-- an org takes its events along
DELETE FROM cms.org_role;
DELETE FROM cms.org WHERE name = 'UTC';
SELECT is((SELECT string_agg(action || ' ' || object, ' ' ORDER BY event_id) FROM cms.event WHERE org_id NOT IN (SELECT org_id FROM cms.org)), NULL,
	'of an org that is gone nothing is kept');

SELECT * FROM finish();
ROLLBACK;
