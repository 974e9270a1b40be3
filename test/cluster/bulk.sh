#!/usr/bin/env bash
# Bulk jobs that are disturbed: cancelled, terminated, down with the server, gone on with; several at once; with single
# issues, calls for several coupons and changes of the cap beside them. Nobody has a coupon of a job twice, nobody is left
# out, caps are exact and counters equal a recount.
# server: --set autovacuum=off --set log_min_messages=warning
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"
at_level 'read committed'
sql -c 'CREATE TABLE customer AS SELECT i AS place, '"'c' || lpad(i::text, 6, '0')"' AS id FROM generate_series(1, 12000) i' \
	-c 'ANALYZE customer'

# Batches are slow, so that something happens in their midst.
sql <<-'SQL'
	CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_query() LIKE 'CALL cms.%' THEN PERFORM pg_sleep(0.03); END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER slow AFTER INSERT ON cms.coupon FOR EACH STATEMENT EXECUTE FUNCTION slow();
SQL

scene() { # NAME OFFER
	at=$1
	PGOPTIONS="${PGOPTIONS% -c cms.org=*} -c cms.org=$(sql <<-SQL
		CALL new_org();
		CALL new_offer('BULK', '$2');
		SELECT cms.cms_current_org();
	SQL
	)"
	export PGOPTIONS
	offer=$(sql -c "SELECT offer('BULK')")
}
is() { # WHAT WANTED QUERY
	local got
	got=$(sql -c "$3" | paste -s -d ' ')
	if [ "$got" = "$2" ]; then ok "$at: $1"; else not_ok "$at: $1: $got, not $2"; fi
}
recounted() {
	sql -F ': ' -c "SELECT * FROM recount($lowered)" >"$work/problems"
	if [ -s "$work/problems" ]; then
		not_ok "$at: recounted"
		head -n 5 "$work/problems" | awk '{ print "#   " $0 }'
	else ok "$at: recounted"; fi
}
job() { # KEY [QUERY [ARGUMENTS]]
	sql -c "CALL cms.cms_issue_all($offer, '${2:-SELECT id FROM customer ORDER BY random()}', '$1', batch => 300, keep_refused => true, at => '2030-01-10 12:00+00'${3:+, $3})"
}
# Other work on the offer, until stopped.
others() {
	printf '%s\n' '\set n random(1, 12000)' '\set m random(1, 12000)' \
		"SELECT count(*) FROM cms.cms_issue($offer, 'c' || lpad(:n::text, 6, '0'), at => '2030-01-10 12:00+00');" \
		"SELECT count(*) FROM cms.cms_issue_many($offer, ARRAY['c' || lpad(:n::text, 6, '0'), 'c' || lpad(:m::text, 6, '0'), 'd' || :n], at => '2030-01-10 12:00+00');" >"$work/others.sql"
	pgbench -n -c 3 -T 120 -f "$work/others.sql" >"$work/others.out" 2>&1 &
	others=$!
}
stop_others() {
	sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pgbench'" >/dev/null || true
	wait "$others" || true
	if grep -v 'terminating connection\|server closed\|This probably\|before or while\|connection to server\|aborted in command\|FATAL\|pgbench: error: Run was aborted' "$work/others.out" |
		grep -q 'ERROR\|error'; then
		not_ok "$at: a call beside it failed"
		grep 'ERROR\|error' "$work/others.out" | head -n 3 | awk '{ print "#   " $0 }'
	fi
}
# Runs the command again and again, disturbed in turn by a cancel, a terminated session and a crash, until it gets through.
disturbed() { # COMMAND …
	local round=0 pid way
	while [ $round -lt 40 ]; do
		round=$((round + 1))
		"$@" >"$work/job.out" 2>&1 &
		pid=$!
		sleep "0.$((RANDOM % 5 + 1))"
		# at last it is left alone
		way=$((round % 4))
		[ $round -lt 8 ] || way=0
		case $way in
		1) sql -c "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'CALL cms.%' AND pid <> pg_backend_pid()" >/dev/null ;;
		2) sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'CALL cms.%' AND pid <> pg_backend_pid()" >/dev/null ;;
		3)
			"$CMS_SERVER" ctl stop -m immediate >/dev/null
			wait $pid || true
			"$CMS_SERVER" ctl start >/dev/null
			continue
			;;
		esac
		if wait $pid; then return 0; fi
		grep -q 'canceling\|terminating\|closed the connection\|is running' "$work/job.out" || { not_ok "$at: $(head -n 1 "$work/job.out")"; return 0; }
	done
	not_ok "$at: never gets through"
}
interrupted() { # KEY
	is 'it was interrupted, and went on' t "SELECT runs > 1 FROM cms.job WHERE job_key = '$1' AND org_id = cms.cms_current_org()"
}
each_has_one() {
	is 'each customer has a coupon of the job' '12000 12000' "SELECT concat_ws(' ', count(*), count(DISTINCT customer_id)) FROM cms.coupon
		WHERE job_id = (SELECT job_id FROM cms.job WHERE job_key = '$1' AND org_id = cms.cms_current_org())"
	is 'the job has counted them' "DONE 12000" "SELECT concat_ws(' ', status, succeeded) FROM cms.job WHERE job_key = '$1' AND org_id = cms.cms_current_org()"
}
dead=$(deadlocks)

# ---- disturbed ------------------------------------------------------------------------------------------
scene disturbed '{"code_method": "GENERATED"}'
disturbed job k
interrupted k
each_has_one k
recounted
scene 'disturbed, dense codes' '{"code_method": "GENERATED", "code_charset": "NUMERIC", "code_length": 5}'
disturbed job k
interrupted k
each_has_one k
recounted
scene 'disturbed, a sample' '{"code_method": "RANDOMISED", "sample_code": "BULK99999"}'
disturbed job k
interrupted k
each_has_one k
recounted
scene 'disturbed, a common code' '{"code_method": "COMMON", "common_code": "FORALL"}'
disturbed job k
interrupted k
each_has_one k
recounted
scene 'disturbed, from stock' '{"code_method": "GENERATED"}'
sql -c "SELECT cms.cms_generate_codes($offer, 9000)" >/dev/null
disturbed job k
interrupted k
each_has_one k
recounted
scene 'disturbed, others beside it' '{"code_method": "GENERATED"}'
others
job k &
sleep 1
sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'CALL cms.%' AND pid <> pg_backend_pid()" >/dev/null
wait $! || true
job k >"$work/job.out"
stop_others
interrupted k
each_has_one k
recounted
scene 'generated' '{"code_method": "GENERATED"}'
disturbed sql -c "CALL cms.cms_generate_all($offer, 20000, 'g', 700)"
interrupted g
is 'as many as were wanted' '20000 20000' "SELECT concat_ws(' ', count(*), count(DISTINCT code)) FROM cms.coupon WHERE offer_id = $offer"
is 'the job has counted them' 'DONE 20000' "SELECT concat_ws(' ', status, succeeded) FROM cms.job WHERE job_key = 'g' AND org_id = cms.cms_current_org()"
recounted

# ---- at once --------------------------------------------------------------------------------------------
for level in 'read committed' 'repeatable read' 'serializable'; do
	at_level "$level"
	scene 'two at once' '{"code_method": "GENERATED", "max_issued_per_customer": 1}'
	job a >"$work/a.out" 2>&1 & job b >"$work/b.out" 2>&1 & wait
	is 'each customer has one' '12000 12000' "SELECT concat_ws(' ', count(*), count(DISTINCT customer_id)) FROM cms.coupon WHERE offer_id = $offer"
	is 'from one of them' '12000 12000' "SELECT sum(succeeded) || ' ' || sum(refused) FROM cms.job WHERE org_id = cms.cms_current_org()"
	recounted

	scene 'a cap' '{"code_method": "GENERATED", "max_issued": 7777}'
	job a >"$work/a.out" 2>&1 & job b >"$work/b.out" 2>&1 & wait
	is 'reached exactly' '7777 7777 16223' "SELECT count(*) || ' ' || (SELECT sum(succeeded) || ' ' || sum(refused) FROM cms.job WHERE org_id = cms.cms_current_org())
		FROM cms.coupon WHERE offer_id = $offer"
	recounted
done
at_level 'read committed'

scene 'a cap, others beside it' '{"code_method": "GENERATED", "max_issued": 9999, "max_issued_per_customer": 1}'
others
job a >"$work/a.out" 2>&1 & pid=$!
job b >"$work/b.out" 2>&1 || not_ok "$at: $(cat "$work/b.out")"
wait $pid || not_ok "$at: $(cat "$work/a.out")"
sleep 1
stop_others
is 'reached exactly' 9999 "SELECT count(*) FROM cms.coupon WHERE offer_id = $offer"
recounted

scene 'stock, others beside it' '{"code_method": "GENERATED", "max_issued_per_customer": 1}'
sql -c "SELECT cms.cms_generate_codes($offer, 9000)" >/dev/null
others
job a >"$work/a.out" 2>&1 || not_ok "$at: $(cat "$work/a.out")"
stop_others
is 'each customer has one' '12000 t' "SELECT concat_ws(' ', count(DISTINCT customer_id) FILTER (WHERE customer_id LIKE 'c%'), count(*) = count(DISTINCT customer_id)) FROM cms.coupon WHERE offer_id = $offer"
recounted

scene 'a cap that moves' '{"code_method": "GENERATED", "max_issued": 9000}'
job a >"$work/a.out" 2>&1 & pid=$!
for cap in 8000 11000 10000 10500 9500 11500; do
	sleep 0.1
	sql -c "UPDATE cms.offer SET max_issued = $cap WHERE offer_id = $offer" 2>/dev/null || true
done
wait $pid || not_ok "$at: $(cat "$work/a.out")"
job b >"$work/b.out" 2>&1
is 'reached exactly' t "SELECT count(*) = (SELECT max_issued FROM cms.offer WHERE offer_id = $offer) FROM cms.coupon WHERE offer_id = $offer"
recounted

scene 'a pool' '{"code_method": "UPLOADED"}'
sql -c "SELECT count(*) FROM cms.cms_upload_codes($offer, ARRAY(SELECT 'P' || i FROM generate_series(1, 5000) i))" >/dev/null
job a 'SELECT id FROM customer' >"$work/a.out" 2>&1 & job b 'SELECT id FROM customer' >"$work/b.out" 2>&1 & wait
is 'used to its last code' '5000 5000 19000' "SELECT count(*) || ' ' || (SELECT sum(succeeded) || ' ' || sum(refused) FROM cms.job WHERE org_id = cms.cms_current_org())
	FROM cms.coupon WHERE offer_id = $offer AND issued_at IS NOT NULL"
recounted

scene 'one key at once' '{"code_method": "GENERATED"}'
job k >"$work/a.out" 2>&1 & pid=$!
sleep 0.3
if job k >"$work/b.out" 2>&1; then
	# a machine so fast that the first was done
	if grep -q 'was done before' "$work/b.out"; then ok "$at: the second comes late"; else not_ok "$at: the second runs too"; fi
elif grep -q 'is running' "$work/b.out"; then ok "$at: the second is told that it runs"
else not_ok "$at: $(cat "$work/b.out")"; fi
wait $pid || not_ok "$at: $(cat "$work/a.out")"
each_has_one k
recounted

if [ "$(deadlocks)" = "$dead" ]; then ok 'no deadlock'; else not_ok "a deadlock"; grep -A 12 'deadlock detected' "$CMS_SERVER_DIR/log" | tail -n 13 | awk '{ print "#   " $0 }'; fi
exit $failed
