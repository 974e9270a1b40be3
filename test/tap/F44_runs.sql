-- F44: what sweep_status tells of purging and of the refresh of summaries: the last run, and since when what is left waits.
SELECT plan(42);
BEGIN;
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
CREATE ROLE f44_runs_sweeper IN ROLE cms_sweeper;
-- what waits since when, in hours before now; the time of the test is short
CREATE FUNCTION hours(name text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(round(extract(epoch FROM now() - waiting_since) / 3600, 1)::text, 'done') FROM cms.sweep_status
	WHERE sweep = hours.name AND org_id = current_setting('cms.org')::int AND (waiting_since IS NULL) = (lag = '0') AND lag >= '0'
$$;
-- rows of the last run, whether it is the last that did something, and whether it has just been and took a time
CREATE FUNCTION told(name text) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', rows, last_work_at = last_run_at,
		last_run_at BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp() AND duration > '0' AND duration < '1 hour')
	FROM cms.sweep_status WHERE sweep = told.name AND org_id = current_setting('cms.org')::int
$$;
CREATE FUNCTION set_run(name text, how text) RETURNS void
LANGUAGE plpgsql SET session_replication_role = replica AS $$
BEGIN
	EXECUTE format('UPDATE cms.sweep_run SET %s WHERE sweep = %L AND org_id = %s', how, name, current_setting('cms.org'));
END
$$;
CREATE FUNCTION set_summary(offer text, refreshed interval, took interval) RETURNS void
LANGUAGE sql SET session_replication_role = replica AS $$
	UPDATE cms.summary_offer SET refreshed_at = now() - refreshed, took = set_summary.took WHERE offer_id = o(offer)
$$;
SELECT make_offer('ended', '{"expires_on": "2025-12-31"}'), make_offer('own ends', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 2}');
DO $$ BEGIN
	PERFORM cms_generate_codes(o('ended'), 3, '2025-11-10'), cms_issue_many(o('ended'), '{ann,bob,cid}', at => '2025-11-10');
	PERFORM use_of(code_of('ended', 'ann'), 'ann', '2025-11-12');
	PERFORM issue_of('own ends', customer, now() - days * interval '1 day') FROM (VALUES ('ann', 1), ('bob', 8), ('cid', 12)) x (customer, days);
END $$;
COMMIT;
SELECT set_config('cms.org', (SELECT max(org_id)::text FROM cms.org), false);
SET search_path = public, cms;
SELECT is((SELECT string_agg(concat_ws(' ', sweep, last_run_at, rows, duration, last_work_at, lag = '0'), ', ' ORDER BY sweep) FROM sweep_status WHERE sweep IN ('PURGE', 'SUMMARY')),
	'PURGE t, SUMMARY f', 'before the first run');

-- summaries
SELECT is(hours('SUMMARY'), '0.0', 'offers that were never summarised wait since they were made');
SELECT is((SELECT waiting_since FROM sweep_status WHERE sweep = 'SUMMARY'), (SELECT min(created_at) FROM offer), 'that is when');
SELECT is(cms_refresh_summary(), 2::bigint, 'a refresh');
SELECT is(told('SUMMARY') || ' ' || hours('SUMMARY'), '2 t t done', 'is told with the number of its offers; nothing waits');
SELECT is(cms_refresh_summary(), 0::bigint, 'another');
SELECT is(told('SUMMARY') || ' ' || hours('SUMMARY'), '0 f t done', 'found nothing');
SELECT set_summary('ended', '5 hours', '0'), set_summary('own ends', '5 hours', '0'), set_run('SUMMARY', 'all_done_at = now() - interval ''9 hours''');
SELECT is(hours('SUMMARY'), 'done', 'an old summary is none that waits, if nothing has changed');
SELECT is(use_of(code_of('ended', 'bob'), 'bob', '2025-11-12'), 'OK', 'a use changes it');
SELECT is(hours('SUMMARY'), '5.0', 'since when is not known: not before the refresh');
SELECT set_run('SUMMARY', 'all_done_at = now() - interval ''2 hours''');
SELECT is(hours('SUMMARY'), '2.0', 'nor before the last run that left nothing');
SELECT set_summary('ended', '5 hours', '0:12');
SELECT is(hours('SUMMARY'), '1.0', 'one that takes long waits from when it may be refreshed again');
SELECT set_summary('ended', '5 hours', '1:00');
SELECT is(hours('SUMMARY'), 'done', 'and not before');
SELECT set_summary('ended', '5 hours', '0');
SELECT is(use_of(code_of('own ends', 'ann'), 'ann', now()), 'OK', 'another offer changes');
SELECT set_run('SUMMARY', 'all_done_at = now() - interval ''7 hours''');
SELECT is(cms_refresh_summary(1, 0), 1::bigint, 'a call for one');
SELECT is(told('SUMMARY') || ' ' || hours('SUMMARY'), '1 t t 5.0', 'leaves the other, which still waits');
SELECT is((SELECT org_id FROM sweep_status WHERE sweep = 'SUMMARY' AND lag > '0'), current_setting('cms.org')::int, 'of this org');

-- who is not come to in one call is the first of the next
SELECT set_config('cms.org', '0', false) AS "all" \gset
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT play_org('UTC');
SELECT make_offer('of another'), issue_of('of another', 'ann', now());
COMMIT;
SELECT is(cms_refresh_summary(1, 0), 1::bigint, 'a call for one offer of all orgs');
SELECT is((SELECT string_agg(name, ' ') FROM summary_status WHERE NOT is_fresh), 'ended', 'begins with the org that had none');
SELECT is(cms_refresh_summary(1, 0), 1::bigint, 'the next call');
SELECT is((SELECT string_agg(name, ' ') FROM summary_status WHERE NOT is_fresh), NULL, 'with the one that waits longer');
BEGIN READ ONLY;
SELECT is(cms_refresh_summary(pace => 0), 0::bigint, 'where nothing may be written, finding nothing is no error');
COMMIT;

-- purging
SELECT set_config('cms.org', (SELECT min(org_id)::text FROM cms.org), false);
SELECT is(hours('PURGE'), 'done', 'an org that keeps all has nothing to purge');
CALL cms_purge_all();
SELECT is(told('PURGE') || ' ' || hours('PURGE'), '0 t done', 'and runs are told of');
UPDATE cms.org SET keep_expired = '100 years', keep_logs = '100 years';
SELECT is(hours('PURGE'), 'done', 'nothing is old enough');
UPDATE cms.org SET keep_expired = (now() - '2026-01-01 00:00 Asia/Kolkata') - interval '30 hours', keep_logs = NULL;
SELECT set_run('PURGE', 'all_done_at = NULL');
SELECT is(hours('PURGE'), '30.0', 'coupons of an offer that is over wait from when they are old enough');
SELECT set_run('PURGE', 'all_done_at = now() - interval ''4 hours''');
SELECT is(hours('PURGE'), '4.0', 'at most since the last purge that left nothing');
SELECT set_run('PURGE', 'all_done_at = NULL');
SELECT count(*) - 2 AS gone FROM cms.coupon WHERE offer_id = o('ended') \gset
CALL cms_purge_all(batch => 1);
SELECT is(told('PURGE') || ' ' || hours('PURGE'), :'gone' || ' t t done', 'all batches are one run; what stays does not wait');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('ended')), 2::bigint, 'such as what was redeemed');
SELECT cmp_ok(:gone, '>', 2, 'in several batches');
CALL cms_purge_all();
SELECT is(told('PURGE') || ' ' || hours('PURGE'), '0 f t done', 'the next one finds nothing');
UPDATE cms.offer SET status = 'ARCHIVED' WHERE offer_id = o('own ends');
UPDATE cms.org SET keep_expired = '1 day';
SELECT is((SELECT waiting_since FROM sweep_status WHERE sweep = 'PURGE' AND org_id = current_setting('cms.org')::int),
	(SELECT greatest(min(expires_at) + interval '1 day', (SELECT all_done_at FROM sweep_run WHERE sweep = 'PURGE' AND org_id = current_setting('cms.org')::int)) FROM cms.coupon WHERE offer_id = o('own ends')),
	'of an archived offer they wait from their own ends');
SELECT set_run('PURGE', 'all_done_at = NULL');
SELECT is((SELECT waiting_since FROM sweep_status WHERE sweep = 'PURGE' AND org_id = current_setting('cms.org')::int),
	(SELECT min(expires_at) + interval '1 day' FROM cms.coupon WHERE offer_id = o('own ends')), 'precisely');
SELECT is(cms_purge(), 2::bigint, 'a single call');
SELECT is(told('PURGE') || ' ' || hours('PURGE'), '2 t t done', 'is a run too');
BEGIN;
SELECT issued AS "all" FROM cms_issue(o('ended'), 'dee', request_key => 'old', at => '2025-11-10') \gset
INSERT INTO cms.attempt (org_id, attempt_id, attempted_at, recorded_at, recorded_by, unknown_code, reason, action)
SELECT current_setting('cms.org')::int, 1, now() - interval '50 hours', now() - interval '50 hours', 'me', true, 'CODE_NOT_FOUND', 'REDEEM';
COMMIT;
UPDATE cms.org SET keep_logs = '40 hours';
SELECT is(hours('PURGE'), '10.0', 'logs wait from when they are old enough');
SELECT is(cms_purge(), 1::bigint, 'until they are purged');
SELECT is(hours('PURGE'), 'done', 'and no longer');
UPDATE cms.org SET keep_expired = NULL, keep_logs = NULL;
BEGIN READ ONLY;
SELECT is(cms_purge(org => (SELECT max(org_id) FROM cms.org)), 0::bigint, 'where nothing may be written, finding nothing to purge is no error');
COMMIT;

-- a note is never what a call fails of
SELECT sum(cms_refresh_summary(pace => 0, org => org_id)) AS "all" FROM cms.org \gset
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) AS "all" FROM cms.org \gset
\setenv PGDATABASE :DBNAME
\! psql -X -q -c "SELECT set_config('cms.org', '0', false)" -c "CALL cms.cms_purge_all()" -c "SELECT cms.cms_refresh_summary()" >/dev/null
SELECT lives_ok('SELECT cms_purge(), cms_refresh_summary()', 'another run after the snapshot of a transaction is no conflict');
COMMIT;
SET ROLE f44_runs_sweeper;
SELECT is((SELECT count(*) FROM cms.sweep_status WHERE sweep IN ('PURGE', 'SUMMARY') AND last_run_at IS NOT NULL), 4::bigint, 'a sweeper sees how it is doing');
SELECT throws_ok('TABLE cms.sweep_run', '42501', NULL, 'but no table');
RESET ROLE;
SELECT * FROM finish();
DROP ROLE f44_runs_sweeper;
