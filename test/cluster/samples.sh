#!/usr/bin/env bash
# F11: of a sample every code is issued once, whatever happens meanwhile: calls that are rolled back, sessions
# that are terminated, a server that goes down, a dump that is restored. Small spaces, down to the last code.
# server: --set autovacuum=off
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"
at_level 'read committed'

db=$PGDATABASE
trap 'rm -rf "$work"' EXIT

org=$(sql <<-'SQL'
	CALL new_org();
	CALL new_offer('DIGITS', '{"code_method": "RANDOMISED", "sample_code": "12345"}');
	CALL new_offer('LETTERS', '{"code_method": "RANDOMISED", "sample_code": "ab123"}');
	SELECT cms.cms_current_org();
SQL
)
org=${org##*$'\n'}
export PGOPTIONS="${PGOPTIONS% -c cms.org=*} -c cms.org=$org"

codes() { sql -c "SELECT count(*) FROM cms.coupon WHERE org_id = $org AND offer_id = offer('$1')"; }
# Each code was issued once, fits the sample, and there are as many as places were taken.
once() { # name offer pattern
	expect "$1: each code once, as the sample says, and no place is lost" 't t t' "SELECT (count(*) = count(DISTINCT code))::char || ' '
		|| bool_and(code ~ '$3')::char || ' ' || (count(*) = (SELECT sum(next_position) FROM cms.offer_slot
			WHERE org_id = $org AND offer_id = offer('$2')))::char
		FROM cms.coupon WHERE org_id = $org AND offer_id = offer('$2')"
}
# The rest, down to the last: all there are, and not one more.
exhaust() { # name offer space pattern
	sql -c "SELECT count(*) FROM cms.cms_issue_many(offer('$2'), ARRAY(SELECT 'r' || i FROM generate_series(1, $3 / 2) i), at => '2030-01-10 12:00+00')" >"$work/out"
	for how_many in $(($3 / 2)) 3; do
		sql -c "SELECT count(*) FROM cms.cms_issue(offer('$2'), 'last', $how_many, at => '2030-01-10 12:00+00')" >"$work/out"
	done
	expect "$1: all $3 codes" "$3" "SELECT count(DISTINCT code) FROM cms.coupon WHERE org_id = $org AND offer_id = offer('$2')"
	once "$1" "$2" "$4"
	expect "$1: then none is left" NO_CODES_LEFT "SELECT reason FROM cms.cms_issue(offer('$2'), 'late', at => '2030-01-10 12:00+00')"
	expect "$1: recount" 0 "SELECT count(*) FROM recount()"
}
# Calls of all kinds, in the background.
calls() { # name, calls of each session
	cat >"$work/calls.sql" <<-'SQL'
		\set what random(1, 8)
		\set n random(1, 1000000)
		\if :what = 1
		SELECT issue('DIGITS', 'c' || :n);
		\elif :what = 2
		BEGIN;
		SELECT issue('LETTERS', 'c' || :n, 20);
		ROLLBACK;
		\elif :what = 3
		BEGIN;
		SELECT issue('DIGITS', 'c' || :n, 2);
		SAVEPOINT s;
		SELECT issue('DIGITS', 'd' || :n, 3);
		SELECT issue('LETTERS', 'd' || :n, 30);
		ROLLBACK TO s;
		SELECT issue('LETTERS', 'e' || :n, 2);
		COMMIT;
		\elif :what = 4
		SELECT issue('LETTERS', 'c' || :n);
		\else
		SELECT count(*) FROM cms.cms_issue_many(offer('LETTERS'), ARRAY(SELECT 'm' || :n + i FROM generate_series(1, 30) i), at => '2030-01-10 12:00+00');
		\endif
	SQL
	PGOPTIONS="$PGOPTIONS -c t.scenario=$1" pgbench -n -j 2 -c 16 -t "$2" -f "$work/calls.sql" >"$work/calls.out" 2>&1 &
}
reached() { # codes of LETTERS
	for _ in $(seq 1200); do
		[ "$(codes LETTERS)" -lt "$1" ] || return 0
		sleep 0.05
	done
	not_ok "$1 codes are never reached"
}

calls terminated 200
for n in 1000 3000; do
	reached $n
	sql -c "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
		WHERE application_name = 'pgbench' ORDER BY random() LIMIT 5) s" >"$work/out"
done
wait || true
once terminated DIGITS '^12[0-9]{3}$'
once terminated LETTERS '^AB[0-9A-Z]{3}$'

calls crashed 1000
reached $(($(codes LETTERS) + 3000))
"$CMS_SERVER" ctl stop -m immediate
"$CMS_SERVER" ctl start
wait || true
once crashed DIGITS '^12[0-9]{3}$'
once crashed LETTERS '^AB[0-9A-Z]{3}$'

# a bulk job that is terminated goes on by the same call
sql -c "CREATE TABLE audience AS SELECT 'a' || i AS customer_id FROM generate_series(1, 15000) i"
bulk="CALL cms.cms_issue_all(offer('LETTERS'), 'SELECT customer_id FROM audience', job_key => 'audience', batch => 1000, at => '2030-01-10 12:00+00')"
before=$(codes LETTERS)
PGAPPNAME=bulk sql -c "$bulk" >"$work/out" 2>&1 &
reached $((before + 4000))
sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'bulk'" >"$work/out"
wait || true
once 'bulk, terminated' LETTERS '^AB[0-9A-Z]{3}$'
sql -c "$bulk" >"$work/out" 2>&1
expect 'bulk: to each of them' $((before + 15000)) "SELECT count(*) FROM cms.coupon WHERE org_id = $org AND offer_id = offer('LETTERS')"
once bulk LETTERS '^AB[0-9A-Z]{3}$'

# here and in a database that is restored the order goes on: where both are used up they have issued the same
createdb restored
pg_dump "$db" 2>"$work/warnings" | sql -d restored >"$work/out"
for PGDATABASE in "$db" restored; do
	export PGDATABASE
	exhaust "digits in $PGDATABASE" DIGITS 1000 '^12[0-9]{3}$'
	exhaust "letters in $PGDATABASE" LETTERS 46656 '^AB[0-9A-Z]{3}$'
	sql -c "COPY (SELECT code FROM cms.coupon WHERE org_id = $org ORDER BY coupon_id, code) TO STDOUT" | sort >"$work/codes.$PGDATABASE"
done
if cmp -s "$work/codes.$db" "$work/codes.restored"; then ok 'the same codes in both'; else not_ok 'other codes'; fi
exit $failed
