#!/usr/bin/env bash
# pg_cron runs the jobs of cms_schedule, by background workers and by connections, as a role that may sweep
# and nothing else: the outbox fills. Jobs are made, changed and ended, any number of times; and whoever
# cannot have them is told why, and what to do.
# server: --preload pg_cron --set cron.use_background_workers=on
set -euo pipefail

failed=0
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $*"; }
not_ok() { echo "not ok - $*"; failed=1; }
expect() { # name expected query [psql arguments]
	local is
	is=$(sql "${@:4}" -c "$3" 2>&1) || true
	if [ "$is" = "$2" ]; then ok "$1"; else
		not_ok "$1"
		diff <(echo "$2") <(echo "$is") | sed 's/^/#   /' || true
	fi
}
refused() { # name pattern query [psql arguments]
	local is
	is=$(sql -v VERBOSITY=verbose "${@:4}" -c "$3" 2>&1) || true
	if grep -qE "$2" <<<"$is"; then ok "$1"; else
		not_ok "$1: $2"
		awk '{ print "#   " $0 }' <<<"$is"
	fi
}

wait_for() { # name query that answers t, within three minutes
	local tries
	for ((tries = 0; tries < 360; tries++)); do
		if [ "$(sql -c "$2")" = t ]; then
			ok "$1"
			return
		fi
		sleep 0.5
	done
	not_ok "$1: not within three minutes"
	sql -x -c 'SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 3' | awk '{ print "#   " $0 }'
}

# ---- what is missing -----------------------------------------------------------------------------
"$CMS_SERVER" run -- psql -X -v VERBOSITY=verbose -c 'SELECT * FROM cms.cms_schedule()' \
	-c 'SELECT count(*) FROM cms.cms_unschedule()' >"$CMS_SERVER_DIR/without" 2>&1 || true
if grep -q "ERROR:  55000: pg_cron is .*not" "$CMS_SERVER_DIR/without" &&
	grep -q "HINT:  Set shared_preload_libraries = 'pg_cron' and cron.database_name = 'postgres'" "$CMS_SERVER_DIR/without"; then
	ok 'a server that has not loaded pg_cron: what to set'
else
	not_ok 'a server that has not loaded pg_cron: what to set'
	sed 's/^/#   /' "$CMS_SERVER_DIR/without"
fi
if grep -q 'NOTICE:  00000: pg_cron is not in use' "$CMS_SERVER_DIR/without" && grep -qx ' *0' "$CMS_SERVER_DIR/without"; then
	ok 'and there is nothing to end'
else
	not_ok 'and there is nothing to end'
fi
call='SELECT * FROM cms.cms_schedule()'
refused 'the role does not exist: how to make it' 'HINT: +Create it: CREATE ROLE coupon_jobs LOGIN IN ROLE cms_sweeper;' "$call"
sql -c 'CREATE ROLE coupon_jobs'
refused 'the role cannot log in' 'ERROR: +22023: .*coupon_jobs' "$call"
sql -c 'ALTER ROLE coupon_jobs LOGIN'
refused 'the role may not sweep' 'HINT: +Allow it: GRANT cms_sweeper TO coupon_jobs;' "$call"
sql -c 'GRANT cms_sweeper TO coupon_jobs'
refused 'pg_cron is not created' 'HINT: +Run CREATE EXTENSION pg_cron' "$call"
expect 'and there is nothing to end' 0 'SET client_min_messages = warning; SELECT count(*) FROM cms.cms_unschedule()'
sql -c 'CREATE EXTENSION pg_cron'
refused 'the role may not use pg_cron' 'HINT: +Allow it, as a superuser: GRANT USAGE ON SCHEMA cron TO coupon_jobs;' "$call"
sql -c 'GRANT USAGE ON SCHEMA cron TO coupon_jobs'
refused 'no job runs as a superuser' 'ERROR: +22023: jobs do not run as "postgres"' "SELECT * FROM cms.cms_schedule('postgres')"
refused 'keep_days is checked' 'ERROR: +22023: argument "keep_days"' 'SELECT * FROM cms.cms_schedule(keep_days => 0)'
refused 'a schedule that pg_cron does not know' 'ERROR: +22023: invalid schedule' "SELECT * FROM cms.cms_schedule(sweep => 'often')"
expect 'of all that nothing is left' 0 'SELECT count(*) FROM cron.job'

# ---- jobs come, change and go -----------------------------------------------------------------------
jobs='SELECT job_name, schedule, database_name, role_name, state FROM'
expect 'four jobs' 'cms sweep postgres|* * * * *|postgres|coupon_jobs|ADDED
cms purge postgres|17 2 * * *|postgres|coupon_jobs|ADDED
cms summary postgres|*/2 * * * *|postgres|coupon_jobs|ADDED
cms history postgres|41 2 * * *|postgres|coupon_jobs|ADDED' "$jobs cms.cms_schedule()"
expect 'the same again changes nothing' 'UNCHANGED,UNCHANGED,UNCHANGED,UNCHANGED' "SELECT string_agg(state, ',') FROM cms.cms_schedule()"
expect 'another schedule, and one job less' 'cms sweep postgres|*/5 * * * *|postgres|coupon_jobs|CHANGED
cms purge postgres|17 2 * * *|postgres|coupon_jobs|REMOVED
cms summary postgres|*/2 * * * *|postgres|coupon_jobs|UNCHANGED
cms history postgres|41 2 * * *|postgres|coupon_jobs|UNCHANGED' "$jobs cms.cms_schedule(sweep => '*/5 * * * *', purge => NULL)"
sql -c 'CREATE ROLE night_shift LOGIN IN ROLE cms_sweeper' -c 'GRANT USAGE ON SCHEMA cron TO night_shift'
expect 'another role takes the jobs over' 'CHANGED,ADDED,CHANGED,CHANGED' "SELECT string_agg(state, ',') FROM cms.cms_schedule('night_shift')"
expect 'no job is there twice' '4|night_shift' 'SELECT count(*), min(username) FROM cron.job'
refused 'only a superuser names a role' 'ERROR: +42501: only a superuser' 'SELECT * FROM cms.cms_schedule()' -U night_shift
expect 'everybody their own' 'UNCHANGED,UNCHANGED,UNCHANGED,CHANGED' \
	"SELECT string_agg(state, ',') FROM cms.cms_schedule('night_shift', keep_days => 3)" -U night_shift
expect 'a job that was made inactive is made again' 'CHANGED,UNCHANGED,UNCHANGED,UNCHANGED' \
	"DO \$\$ BEGIN PERFORM cron.alter_job(jobid, active => false) FROM cron.job WHERE jobname LIKE '% sweep %'; END \$\$;
	SELECT string_agg(state, ',') FROM cms.cms_schedule('night_shift', keep_days => 3)"
expect 'ended' 'REMOVED,REMOVED,REMOVED,REMOVED' "SELECT string_agg(state, ',') FROM cms.cms_unschedule()"
expect 'and ended again' 0 'SELECT count(*) FROM cms.cms_unschedule()'

# ---- a database without pg_cron: what the hint says works where pg_cron is -----------------------------
createdb "night's shop"
sql -d "night's shop" -c 'CREATE EXTENSION cms'
sql -d "night's shop" -c "$call" >"$CMS_SERVER_DIR/there" 2>&1 || true
if grep -q 'ERROR:  pg_cron keeps its jobs in the database "postgres", this is "night.s shop"' "$CMS_SERVER_DIR/there"; then
	ok 'another database is told of'
else
	not_ok 'another database is told of'
fi
sed -n '/^GRANT/p; /^SELECT/p' "$CMS_SERVER_DIR/there" | sql -f - >/dev/null
expect 'and the statements of the hint make its jobs' "cms sweep night's shop|night's shop
cms purge night's shop|night's shop
cms summary night's shop|night's shop
cms history night's shop|postgres" "SELECT jobname, database FROM cron.job WHERE username = 'coupon_jobs' ORDER BY jobid"
sql -d "night's shop" -c 'SELECT * FROM cms.cms_unschedule()' >"$CMS_SERVER_DIR/there" 2>&1 || true
sed -n '/^SELECT/p' "$CMS_SERVER_DIR/there" | sql -f - >/dev/null
expect 'and end them' 0 'SELECT count(*) FROM cron.job'

# ---- real runs ------------------------------------------------------------------------------------------
# A reminder of the day before is due since midnight; in this zone it is midday now, so that the day lasts.
zone=Etc/GMT$(date -u +%H | awk '{ n = $1 - 12; printf "%+d", n }')
[ "$zone" != Etc/GMT+0 ] || zone=UTC
sql -v zone="$zone" <<'SQL'
INSERT INTO cms.org (name, time_zone) VALUES ('cron', :'zone');
CREATE FUNCTION today(days int) RETURNS date LANGUAGE sql AS $$
	SELECT (now() AT TIME ZONE time_zone)::date + days FROM cms.org WHERE name = 'cron' $$;
INSERT INTO cms.offer (name, code, discount_type, discount_value, code_method, expires_on, expiry_notice) VALUES
	('reminded', 'REMINDED', 'FIXED_AMOUNT', 10, 'UPLOADED', today(1), false),
	('later', 'LATER', 'FIXED_AMOUNT', 10, 'UPLOADED', today(1), false),
	('over', 'OVER', 'FIXED_AMOUNT', 10, 'UPLOADED', today(-1), true);
INSERT INTO cms.offer_reminder (offer_id, days_before, time_of_day, channel, content)
SELECT offer_id, 1, '00:00', 'SMS', 'Until tomorrow: {code}' FROM cms.offer WHERE code = 'REMINDED';
SELECT count(*) FROM cms.offer o, LATERAL cms.cms_upload_codes(o.offer_id, ARRAY[o.code || '-1', o.code || '-2'], '{asha,ravi}',
	at => now() - interval '10 days') \g /dev/null
SELECT count(*) FROM cms.cms_schedule() \g /dev/null
SQL
expect 'nothing is queued yet' 0 'SELECT count(*) FROM cms.outbox'
wait_for 'by a background worker the outbox fills' "SELECT count(*) = 4 FROM cms.outbox"
expect 'with what was due' 'EXPIRY_NOTICE,OVER,asha EXPIRY_NOTICE,OVER,ravi REMINDER,REMINDED,asha REMINDER,REMINDED,ravi' \
	"SELECT string_agg(m, ' ' ORDER BY m) FROM (SELECT concat_ws(',', kind, code, customer_id) AS m FROM cms.outbox JOIN cms.offer USING (org_id, offer_id)) x"
wait_for 'the run is in the history' "SELECT count(*) > 0 FROM cron.job_run_details WHERE username = 'coupon_jobs' AND status = 'succeeded'"

# From now on by connections, as any client: the socket is where this server has it.
sql -c "ALTER SYSTEM SET cron.use_background_workers = off" -c "ALTER SYSTEM SET cron.host = '$CMS_SERVER_DIR/socket'"
"$CMS_SERVER" ctl restart
expect 'jobs follow cron.host' 'CHANGED,CHANGED,CHANGED,CHANGED' "SELECT string_agg(state, ',') FROM cms.cms_schedule()"
sql -c "INSERT INTO cms.offer_reminder (offer_id, days_before, time_of_day, channel, content)
	SELECT offer_id, 1, '00:00', 'SMS', 'Until tomorrow: {code}' FROM cms.offer WHERE code = 'LATER'"
wait_for 'by a connection the outbox fills' 'SELECT count(*) = 6 FROM cms.outbox'
expect 'and nothing is there twice' 6 'SELECT count(DISTINCT (kind, coupon_id)) FROM cms.outbox'
wait_for 'this run is in the history too' "SELECT count(*) > 1 FROM cron.job_run_details WHERE username = 'coupon_jobs' AND status = 'succeeded'"
expect 'no run failed' 0 "SELECT count(*) FROM cron.job_run_details WHERE status = 'failed'"

# What runs by night, as the role runs it.
purge=$(sql -c "SELECT command FROM cron.job WHERE jobname = 'cms purge postgres'")
history=$(sql -c "SELECT command FROM cron.job WHERE jobname = 'cms history postgres'")
expect 'the role may purge' 0 "$purge" -U coupon_jobs
summary=$(sql -c "SELECT command FROM cron.job WHERE jobname = 'cms summary postgres'")
if sql -U coupon_jobs -c "$summary" >/dev/null; then ok 'and refresh summaries'; else not_ok 'and refresh summaries'; fi
sql -c "UPDATE cron.job_run_details SET end_time = now() - interval '15 days', start_time = NULL
	WHERE runid = (SELECT min(runid) FROM cron.job_run_details)" -c "INSERT INTO cron.job_run_details (jobid, runid, username, status, end_time)
	VALUES (0, -1, 'somebody', 'succeeded', '2020-01-01'), (0, -2, 'coupon_jobs', 'failed', NULL)"
runs=$(sql -c "SELECT count(*) - 1 FROM cron.job_run_details WHERE username = 'coupon_jobs' AND runid > 0")
sql -U coupon_jobs -c "$history"
expect 'its old runs go, those that never began too, and nothing of others' "$runs of coupon_jobs, 1 of somebody" \
	"SELECT string_agg(n || ' of ' || username, ', ' ORDER BY username) FROM (SELECT username, count(*) AS n FROM cron.job_run_details GROUP BY 1) x"
expect 'ended for good' 4 'SELECT count(*) FROM cms.cms_unschedule()'
expect 'and nothing is left of them' 0 'SELECT count(*) FROM cron.job'
exit $failed
