#!/usr/bin/env bash
# 64 sessions try codes at one till, and 64 as one customer: no more than max_failed_attempts of them
# are answered, at each isolation level, and none dies in a deadlock. While they do, right codes of
# others are redeemed.
# server: --set autovacuum=off
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $level $*"; }
not_ok() { echo "not ok - $level $*"; failed=1; }
expect() { # name expected query
	local is
	is=$(sql -c "$3")
	if [ "$is" = "$2" ]; then ok "$1"; else not_ok "$1: $is, not $2"; fi
}

# $1: name  $2: calls of each of the 64 sessions, numbered by :n; they try again when told so (40001)
load() {
	local lines
	{
		echo '\set n :round * 64 + :client_id + 1'
		cat
		echo '\set round :round + 1'
	} >"$work/$1.sql"
	lines=$(pgbench -n -j 2 -c 64 -t "$2" -D round=0 --max-tries=100000 -f "$work/$1.sql" 2>&1) || true
	if grep -qE 'ERROR|error|aborted' <<<"$lines" || ! grep -q "actually processed: $(($2 * 64))/" <<<"$lines"; then
		not_ok "$1: a call failed"
		awk '{ print "#   " $0 }' <<<"$lines"
	fi
}

sql -f "$here/../isolation/oracle.sql"
sql <<'SQL'
CREATE TABLE answer (org_id int DEFAULT cms.cms_current_org(), scenario text, reason text);
CREATE FUNCTION redeem(scenario text, code text, customer text, bill text, till text) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (scenario, reason) SELECT scenario, COALESCE(r.reason, 'done')
FROM cms.cms_redeem(code, customer, 100, bill, till_id => till, at => '2030-01-10 12:00+00') r
$$;
SQL

run() {
	level=$1
	sql -c 'CALL new_org()'
	PGOPTIONS="-c default_transaction_isolation=${level// /\\ } -c cms.org=$(sql -c 'SELECT max(org_id) FROM cms.org')"
	export PGOPTIONS
	sql <<-'SQL'
		UPDATE cms.org SET max_failed_attempts = 10 WHERE org_id = cms.cms_current_org();
		INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method)
			VALUES ('MANY', 'many', 'FIXED_AMOUNT', 10, 'UPLOADED');
		SELECT count(*) FROM cms.cms_upload_codes(offer('MANY'), ARRAY(SELECT 'MANY-' || i FROM generate_series(1, 320) i),
			ARRAY(SELECT 'c' || i FROM generate_series(1, 320) i), at => '2030-01-01') \g /dev/null
	SQL
	# codes that do not exist, and codes of others
	load till 5 <<<"SELECT redeem('till', CASE WHEN :n % 2 = 0 THEN 'NONE-' ELSE 'MANY-' END || :n, 'x' || :n, 'b', 'T1');"
	expect 'a till: ten answered of 320' 10 \
		"SELECT count(*) FILTER (WHERE reason <> 'TOO_MANY_ATTEMPTS') FROM answer WHERE scenario = 'till' AND org_id = cms.cms_current_org()"
	load customer 5 <<<"SELECT redeem('customer', 'NONE-' || :n, 'eve', 'b', 'C' || :n % 7);"
	expect 'a customer: ten answered of 320' 10 \
		"SELECT count(*) FILTER (WHERE reason <> 'TOO_MANY_ATTEMPTS') FROM answer WHERE scenario = 'customer' AND org_id = cms.cms_current_org()"
	# tills and customers crosswise, the locks of both in every call
	load cross 5 <<<"SELECT redeem('cross', 'NONE-' || :n, 'k' || :n % 4, 'b', 'K' || :n / 4 % 4);"
	expect 'no till and no customer failed more often' 0 "SELECT count(*) FROM (SELECT count(*) FROM cms.attempt
		WHERE org_id = cms.cms_current_org() AND unknown_code GROUP BY GROUPING SETS (till_id, customer_id)
		HAVING count(*) > 10) x"
	# a third are guesses, each at a till of its own
	load right 5 <<<"SELECT redeem('right', CASE WHEN :n % 3 = 0 THEN 'NONE-' ELSE 'MANY-' END || :n, 'c' || :n, 'b', 'R' || :n);"
	expect 'right codes of others are redeemed' 'CODE_NOT_FOUND 106,done 214' "SELECT string_agg(x, ',' ORDER BY x) FROM (
		SELECT reason || ' ' || count(*) AS x FROM answer WHERE scenario = 'right' AND org_id = cms.cms_current_org() GROUP BY reason) x"
	sql -F ': ' -c 'SELECT * FROM recount()' >"$work/problems"
	if [ -s "$work/problems" ]; then not_ok recount; sed 's/^/#   /' "$work/problems"; else ok recount; fi
}

for level in 'read committed' 'repeatable read' serializable; do run "$level"; done
level=all
if grep -q 'deadlock detected' "$CMS_SERVER_DIR/log"; then not_ok 'a deadlock'; else ok 'no deadlock'; fi
exit $failed
