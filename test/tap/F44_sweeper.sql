-- F44: who may only sweep sweeps what is due now and purges what the orgs let go, and nothing else.
BEGIN;
\ir lib/scene.psql
SELECT plan(18);

SELECT play_org('Asia/Kolkata');
CREATE ROLE f44_sweeper IN ROLE cms_sweeper;
CREATE ROLE f44_boss IN ROLE cms_manager;
INSERT INTO cms.org_role SELECT org_id, 'f44_boss' FROM cms.org;
SELECT make_offer('gone', '{"expiry_type": "FIXED_DATE", "expires_on": "2025-01-31"}');
SELECT make_offer('good', '{"expiry_type": "FIXED_DATE", "expires_on": "9990-01-31"}');
SELECT is(issue_of('gone', 'ann', '2025-01-10 10:00 Asia/Kolkata') || issue_of('good', 'ann', '2025-01-10 10:00 Asia/Kolkata'), 'OKOK', 'two coupons');
SET LOCAL cms.org = 0;

SET LOCAL ROLE f44_sweeper;
SELECT throws_ok(format('SELECT cms_purge(%s)', a), '42501', NULL, 'a sweeper does not say what is purged: ' || a)
FROM unnest(ARRAY['now()', '''2020-01-01''', 'requests_before => now()', 'attempts_before => now()', 'holds_before => now()', 'messages_before => now()', '''9998-01-01'', at => ''9999-01-01''']) a;
SELECT throws_ok(format('SELECT %s(at => now() + interval ''1 day'')', f), '42501', NULL, 'nor goes ahead of time: ' || f)
FROM unnest('{cms_purge,cms_sweep,cms_sweep_holds,cms_sweep_expired,cms_sweep_reminders,cms_sweep_offer_reminders}'::text[]) f;
SELECT lives_ok('SELECT cms_sweep(), cms_sweep_holds(at => now() - interval ''1 day'')', 'what is due is swept');
SELECT is(cms_purge(), 0::bigint, 'where an org keeps all, nothing is purged');
RESET ROLE;
UPDATE cms.org SET keep_expired = '1 day' WHERE name = 'Asia/Kolkata';
SET LOCAL ROLE f44_sweeper;
SELECT is(cms_purge(), 1::bigint, 'what the org lets go is');
SET LOCAL ROLE f44_boss;
SELECT is(cms_purge('9998-01-01', at => '9999-01-01'), 1::bigint, 'a manager says what and when, for the own org');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
