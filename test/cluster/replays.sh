#!/usr/bin/env bash
# 64 clients ask for the same at once: each reverses each of five redemptions, without a key, with one
# for all and with one of its own; revokes, issues and completes likewise. Each takes effect once, every
# other call is told so in its way, and nothing that recount() of test/isolation/oracle.sql looks at is
# wrong. At REPEATABLE READ and SERIALIZABLE eight clients, who try again when told so (40001).
# server: --set autovacuum=off
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $level $*"; }
not_ok() { echo "not ok - $level $*"; failed=1; }

# Each client runs the script on standard input five times; the client is :client, the round :n.
load() { # name
	local lines
	{
		echo '\set client :client_id + 1'
		echo '\set n :round + 1'
		cat
		echo '\set round :n'
	} >"$work/$1.sql"
	lines=$(pgbench -n -j 2 -c "$clients" -t 5 -D round=0 "${tries[@]}" -f "$work/$1.sql" 2>&1) || true
	if grep -qE 'ERROR|error|aborted' <<<"$lines" ||
		! grep -q "actually processed: $((5 * clients))/" <<<"$lines" ||
		grep -E 'failed transactions' <<<"$lines" | grep -qv ' 0 '; then
		not_ok "$1: a call failed"
		awk '{ print "#   " $0 }' <<<"$lines"
	fi
}
# What the calls of a scenario were told, in numbers.
answers() { # name, "answer count" lines expected
	local is
	is=$(sql -F ' ' -c "SELECT answer, count(*) FROM answer
		WHERE scenario = '$1' AND org_id = cms.cms_current_org() GROUP BY 1 ORDER BY 1" | paste -s -d ,)
	if [ "$is" = "$2" ]; then ok "$1: $is"; else not_ok "$1: $is, not $2"; fi
}
expect() { # name number query
	local is
	is=$(sql -c "$3")
	if [ "$is" = "$2" ]; then ok "$1: $is"; else not_ok "$1: $is, not $2"; fi
}

sql -f "$here/../isolation/oracle.sql"
sql <<'SQL'
CREATE TABLE answer (org_id int DEFAULT cms.cms_current_org(), scenario text, answer text);
CREATE FUNCTION told(scenario text, reason text, replayed boolean) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (scenario, answer) VALUES (scenario, COALESCE(reason, CASE WHEN replayed THEN 'again' ELSE 'done' END))
$$;
CREATE FUNCTION reverse(scenario text, n int, key text) RETURNS void LANGUAGE sql AS $$
SELECT told(scenario, r.reason, r.replayed)
FROM cms.cms_reverse(redemption(scenario || ' ' || n), 'returned', key, '2030-01-11 12:00+00') r
$$;
CREATE FUNCTION revoke(scenario text, n int, key text) RETURNS void LANGUAGE sql AS $$
SELECT told(scenario, r.reason, r.replayed), told(scenario || ' coupons', r.revoked_issued::text, false)
FROM cms.cms_revoke(offer('REVOKED'), 'CUSTOMERS', ARRAY[scenario || ' ' || n], confirm => true, request_key => key, at => '2030-01-11 12:00+00') r
$$;
CREATE FUNCTION issue(scenario text, customer text, key text) RETURNS void LANGUAGE sql AS $$
SELECT told(scenario, i.reason, i.replayed)
FROM cms.cms_issue(offer('ISSUED'), customer, request_key => key, at => '2030-01-11 12:00+00') i
$$;
CREATE FUNCTION complete(scenario text, n int, store text, till text) RETURNS void LANGUAGE sql AS $$
SELECT told(scenario, c.reason, c.replayed)
FROM cms.cms_complete_redemption(redemption(scenario || ' ' || n), store_id => store, till_id => till, at => '2030-01-11 12:00+00') c
$$;
-- three coupons of each of five customers of a scenario
CREATE PROCEDURE give(offer_code text, scenario text) LANGUAGE plpgsql AS $$
DECLARE
	codes text[] := ARRAY(SELECT format('%s-%s', scenario, i) FROM generate_series(1, 15) i);
	holders text[] := ARRAY(SELECT scenario || ' ' || 1 + i % 5 FROM generate_series(1, 15) i);
BEGIN
	CALL stock(offer_code, codes, holders);
END
$$;
-- five bills of a scenario, each with a coupon of its own
CREATE PROCEDURE redeem(offer_code text, scenario text) LANGUAGE plpgsql AS $$
DECLARE
	codes text[] := ARRAY(SELECT format('%s-%s', scenario, i) FROM generate_series(1, 5) i);
	holders text[] := ARRAY(SELECT scenario || ' ' || i FROM generate_series(1, 5) i);
BEGIN
	CALL stock(offer_code, codes, holders);
	PERFORM cms.cms_redeem(format('%s-%s', scenario, i), scenario || ' ' || i, 100, scenario || ' ' || i, at => '2030-01-10 12:00+00')
	FROM generate_series(1, 5) i;
END
$$;
SQL

run() {
	local rest=$((5 * clients - 5))
	sql -c 'CALL new_org()'
	PGOPTIONS="$PGOPTIONS -c cms.org=$(sql -c 'SELECT max(org_id) FROM cms.org')"
	sql <<'SQL'
	INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, max_uses_per_coupon, max_uses_per_customer,
		max_redemptions, max_discount_total, reversal_restores_use) VALUES
		('REVERSED',  'given back',     'FIXED_AMOUNT', 10, 'UPLOADED',  1, 1, 100,  1000, true),
		('FORFEITED', 'not given back', 'FIXED_AMOUNT', 10, 'UPLOADED',  2, 2, 100,  1000, false),
		('REVOKED',   'revoked',        'FIXED_AMOUNT', 10, 'UPLOADED',  1, 1, NULL, NULL, true),
		('ISSUED',    'issued',         'FIXED_AMOUNT', 10, 'GENERATED', 1, 1, NULL, NULL, true),
		('COMPLETED', 'completed',      'FIXED_AMOUNT', 10, 'UPLOADED',  1, 1, NULL, NULL, true);
	CALL redeem('REVERSED', 'plain');
	CALL redeem('REVERSED', 'one_key');
	CALL redeem('REVERSED', 'own_keys');
	CALL redeem('FORFEITED', 'forfeited');
	CALL give('REVOKED', 'revoke_one_key');
	CALL give('REVOKED', 'revoke_own_keys');
	CALL redeem('COMPLETED', 'completed');
	CALL redeem('COMPLETED', 'tills');
SQL

	load plain <<<"SELECT reverse('plain', :n, NULL);"
	answers plain "ALREADY_REVERSED $rest,done 5"
	load one_key <<<"SELECT reverse('one_key', :n, 'reverse ' || :n);"
	answers one_key "again $rest,done 5"
	load own_keys <<<"SELECT reverse('own_keys', :n, 'reverse ' || :n || ' by ' || :client);"
	answers own_keys "ALREADY_REVERSED $rest,done 5"
	expect 'own_keys: what was refused has left no key' 5 "SELECT count(*) FROM cms.request
		WHERE org_id = cms.cms_current_org() AND request_key LIKE 'reverse % by %'"
	load forfeited <<<"SELECT reverse('forfeited', :n, CASE WHEN :client % 2 = 0 THEN 'forfeit ' || :n END);"
	expect 'forfeited: each once' '5 0' "SELECT count(*) FILTER (WHERE answer = 'done') || ' ' ||
		count(*) FILTER (WHERE answer NOT IN ('done', 'again', 'ALREADY_REVERSED'))
		FROM answer WHERE scenario = 'forfeited' AND org_id = cms.cms_current_org()"
	expect 'reversed: uses, discount, what is left' 'FORFEITED 0 0 95 950,REVERSED 0 0 100 1000' "SELECT string_agg(concat_ws(' ',
		offer_code, uses, trim_scale(discount_given), redemptions_left, trim_scale(budget_left)), ',' ORDER BY offer_code)
		FROM outcome WHERE offer_code IN ('REVERSED', 'FORFEITED')"

	load revoke_one_key <<<"SELECT revoke('revoke_one_key', :n, 'revoke ' || :n);"
	answers revoke_one_key "again $rest,done 5"
	answers 'revoke_one_key coupons' "3 $((rest + 5))"
	load revoke_own_keys <<<"SELECT revoke('revoke_own_keys', :n, 'revoke ' || :n || ' by ' || :client);"
	answers revoke_own_keys "done $((rest + 5))"
	answers 'revoke_own_keys coupons' "0 $rest,3 5"

	load issue <<<"SELECT issue('issue', 'c' || :n, 'issue ' || :n);"
	answers issue "again $rest,done 5"
	load conflict <<<"SELECT issue('conflict', 'c' || :client, 'conflict ' || :n);"
	answers conflict "KEY_CONFLICT $rest,done 5"
	expect 'issued: as often' 10 "SELECT issued FROM outcome WHERE offer_code = 'ISSUED'"
	# one key for two actions: whichever comes first
	load both <<-'SQL'
		\if :client % 2 = 0
		SELECT issue('both', 'd' || :n, 'both ' || :n);
		\else
		SELECT told('both', r.reason, r.replayed) FROM cms.cms_revoke(offer('ISSUED'), 'UNISSUED', confirm => true, request_key => 'both ' || :n) r;
		\endif
	SQL
	expect 'both: each once' "5 $((clients * 5 / 2))" "SELECT count(*) FILTER (WHERE answer = 'done') || ' ' || count(*) FILTER (WHERE answer = 'KEY_CONFLICT')
		FROM answer WHERE scenario = 'both' AND org_id = cms.cms_current_org()"

	load completed <<<"SELECT complete('completed', :n, 'store', 'till');"
	answers completed "again $rest,done 5"
	load tills <<<"SELECT complete('tills', :n, 'store', 'till ' || :client);"
	answers tills "BILL_CONFLICT $rest,done 5"

	sql -F ': ' -c 'SELECT * FROM recount()' >"$work/problems"
	if [ -s "$work/problems" ]; then not_ok recount; sed 's/^/#   /' "$work/problems"; else ok recount; fi
}

tries=()
clients=64 level='read committed'
PGOPTIONS='-c default_transaction_isolation=read\ committed' run
clients=8 tries=(--max-tries=100000)
for level in 'repeatable read' serializable; do
	PGOPTIONS="-c default_transaction_isolation=${level// /\\ }" run
done

exit $failed
