#!/usr/bin/env bash
# Many clients against each limit: 32 at READ COMMITTED, 8 at REPEATABLE READ and SERIALIZABLE,
# which try again when told so (40001). Afterwards the limit is reached exactly, every answer is
# accounted for, and nothing that recount() of test/isolation/oracle.sql looks at is wrong. No call
# fails, and none dies in a deadlock.
# server: --set autovacuum=off
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $level $*"; }
not_ok() { echo "not ok - $level $*"; failed=1; }

deadlocks() { grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true; }

# Runs the script on standard input in each client, so many transactions in all: a multiple of
# the clients. They are numbered from 1 by :n, which a further try does not change.
# $1: name  $2: transactions
load() {
	local each=$(($2 / clients)) lines dead began=$EPOCHREALTIME
	dead=$(deadlocks)
	{
		echo "\\set n :round * $clients + :client_id + 1"
		cat
		echo '\set round :round + 1'
	} >"$work/$1.sql"
	lines=$(pgbench -n -j 2 -c "$clients" -t "$each" -D round=0 "${tries[@]}" -f "$work/$1.sql" 2>&1) || true
	awk -v a="$began" -v b="$EPOCHREALTIME" -v name="$1" 'BEGIN { printf "# %s: %.1f s\n", name, b - a }'
	if [ "$(deadlocks)" != "$dead" ]; then
		not_ok "$1: a deadlock"
		grep -A 12 'deadlock detected' "$CMS_SERVER_DIR/log" | tail -n 13 | awk '{ print "#   " $0 }'
	fi
	if grep -qE 'ERROR|error|aborted' <<<"$lines" ||
		! grep -q "actually processed: $((each * clients))/" <<<"$lines" ||
		grep -E 'failed transactions' <<<"$lines" | grep -qv ' 0 '; then
		not_ok "$1: a call failed"
		awk '{ print "#   " $0 }' <<<"$lines"
	fi
}

# The number that a query answers.
expect() { # name number query
	local is
	is=$(sql -c "$3")
	if [ "$is" = "$2" ]; then ok "$1"; else not_ok "$1: $is, not $2"; fi
}
answers() { # name, "reason count" lines expected
	local is
	is=$(sql -F ' ' -c "SELECT COALESCE(reason, CASE WHEN replayed THEN 'again' ELSE 'done' END), count(*)
		FROM answer WHERE scenario = '$1' AND org_id = cms.cms_current_org() GROUP BY 1 ORDER BY 1" | paste -s -d ,)
	if [ "$is" = "$2" ]; then ok "$1: $is"; else not_ok "$1: $is, not $2"; fi
}

sql -f "$here/../isolation/oracle.sql"
sql <<'SQL'
CREATE TABLE answer (org_id int DEFAULT cms.cms_current_org(), scenario text, reason text, replayed boolean);
-- n codes PREFIX-1, PREFIX-2 …, into stock, or each for a customer of the same number modulo "customers"
CREATE PROCEDURE give(offer_code text, n int, customers int DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	codes text[] := ARRAY(SELECT offer_code || '-' || i FROM generate_series(1, n) i);
	holders text[] := ARRAY(SELECT 'c' || i % customers FROM generate_series(1, n) i);
BEGIN
	CALL stock(offer_code, codes, holders);
END
$$;
CREATE FUNCTION redeem(scenario text, code text, customer text, bill text) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (scenario, reason, replayed) SELECT scenario, r.reason, r.replayed
FROM cms.cms_redeem(code, customer, 100, bill, at => '2030-01-10 12:00+00') r
$$;
CREATE FUNCTION issue(scenario text, offer_code text, customer text, how_many int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (scenario, reason, replayed) SELECT scenario, i.reason, i.replayed
FROM cms.cms_issue(offer(offer_code), customer, how_many, at => '2030-01-10 12:00+00') i
$$;
SQL

many() {
	load "${1,,}" 160 <<-SQL
		SELECT count(*) FROM cms.cms_issue_many(offer('$1'),
			ARRAY(SELECT 'c' || i FROM generate_series(1, 20) i ORDER BY random() LIMIT 5), at => '2030-01-10 12:00+00');
	SQL
	expect "${1,,}: overlapping calls issue 200" 200 "SELECT issued FROM outcome WHERE offer_code = '$1'"
}

run() {
	local large=$1 pool=$2 # how many there are
	sql -c 'CALL new_org()'
	PGOPTIONS="$PGOPTIONS -c cms.org=$(sql -c 'SELECT max(org_id) FROM cms.org')"
	sql <<SQL
	INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method,
		max_uses_per_coupon, max_uses_per_customer, max_redemptions, max_discount_total, max_issued, max_issued_per_customer) VALUES
		('SINGLE',   'once',                 'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, NULL, NULL, NULL, NULL),
		('CUSTOMER', 'once per customer',    'FIXED_AMOUNT', 10, 'UPLOADED',  1,    1,    NULL, NULL, NULL, NULL),
		('CAP',      'ten in all',           'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, 10,   NULL, NULL, NULL),
		('LARGE',    'many in all',          'FIXED_AMOUNT', 10, 'UPLOADED',  NULL, NULL, $large, NULL, NULL, NULL),
		('BUDGET',   'a hundred and five',   'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, NULL, 105,  NULL, NULL),
		('ISSUE',    'issued in all',        'FIXED_AMOUNT', 10, 'GENERATED', 1,    NULL, NULL, NULL, 100,  NULL),
		('EACH',     'issued per customer',  'FIXED_AMOUNT', 10, 'GENERATED', 1,    NULL, NULL, NULL, NULL, 2),
		('POOL',     'so many codes',        'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, NULL, NULL, NULL, NULL),
		('THIS',     'excludes that',        'FIXED_AMOUNT', 10, 'GENERATED', 1,    NULL, NULL, NULL, NULL, 1),
		('THAT',     'excludes this',        'FIXED_AMOUNT', 10, 'GENERATED', 1,    NULL, NULL, NULL, NULL, 1),
		('BILL',     'same bills',           'FIXED_AMOUNT', 10, 'UPLOADED',  NULL, NULL, NULL, NULL, NULL, NULL),
		('MIX',      'redeemed and revoked', 'FIXED_AMOUNT', 10, 'UPLOADED',  3,    NULL, 60,   500,  NULL, NULL),
		('MANY',     'overlapping calls',    'FIXED_AMOUNT', 10, 'GENERATED', 1,    NULL, NULL, NULL, 200,  20),
		('STOCKED',  'overlapping calls',    'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, NULL, NULL, 200,  20),
		('MOVED',    'a cap that comes',     'FIXED_AMOUNT', 10, 'GENERATED', 1,    NULL, NULL, NULL, NULL, NULL),
		('LEFT',     'the same codes',       'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, NULL, NULL, NULL, NULL),
		('RIGHT',    'the same codes',       'FIXED_AMOUNT', 10, 'UPLOADED',  1,    NULL, NULL, NULL, NULL, NULL);
	INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem)
		VALUES ('COMMON', 'common code', 'FIXED_AMOUNT', 10, 'COMMON', 'WELCOME', true);
	INSERT INTO cms.offer (code, name, discount_type, discount_value)
		SELECT 'CLAIM-' || i, 'claimed', 'FIXED_AMOUNT', 10 FROM generate_series(1, 5) i;
	INSERT INTO cms.offer_exclusion (offer_id, other_offer_id)
		VALUES (offer('THIS'), offer('THAT')), (offer('THAT'), offer('THIS'));
	CALL give('SINGLE', 1, 1);
	CALL give('CUSTOMER', 40, 20);
	CALL give('CAP', 160, 10);
	CALL give('LARGE', 100, 100);
	CALL give('BUDGET', 160, 10);
	CALL give('BILL', 10, 10);
	CALL give('MIX', 40, 40);
	CALL give('POOL', $pool);
	CALL give('STOCKED', 300);
SQL

	load single 160 <<<"SELECT redeem('single', 'SINGLE-1', 'c0', 'b:n');"
	answers single 'ALREADY_REDEEMED 159,done 1'
	load customer 160 <<<"SELECT redeem('customer', 'CUSTOMER-' || 1 + :n % 40, 'c' || (1 + :n) % 20, 'b' || :n);"
	expect 'customer: 20 times' '20 20' "SELECT uses || ' ' || (SELECT count(*) FROM answer WHERE scenario = 'customer'
		AND org_id = cms.cms_current_org() AND reason IS NULL) FROM outcome WHERE offer_code = 'CUSTOMER'"
	load cap 160 <<<"SELECT redeem('cap', 'CAP-' || :n, 'c' || :n % 10, 'b' || :n);"
	answers cap 'OFFER_LIMIT 150,done 10'
	load large $((large + 152)) <<<"SELECT redeem('large', 'LARGE-' || 1 + :n % 100, 'c' || (1 + :n) % 100, 'b' || :n);"
	answers large "OFFER_LIMIT 152,done $large"
	load budget 160 <<<"SELECT redeem('budget', 'BUDGET-' || :n, 'c' || :n % 10, 'b' || :n);"
	answers budget 'BUDGET_SPENT 150,done 10'
	load issue 160 <<<"SELECT issue('issue', 'ISSUE', 'c' || :n);"
	answers issue 'OFFER_ISSUE_LIMIT 60,done 100'
	# a cap comes and goes while sessions count in slots of their own; what is left at the end is given out to the last
	load moved 320 <<-'SQL'
		\set what random(1, 16)
		\if :what = 1
		UPDATE cms.offer SET max_issued = 400 WHERE org_id = cms.cms_current_org() AND code = 'MOVED';
		\elif :what = 2
		UPDATE cms.offer SET max_issued = NULL WHERE org_id = cms.cms_current_org() AND code = 'MOVED';
		\else
		SELECT issue('moved', 'MOVED', 'c' || :n);
		\endif
	SQL
	sql -c "UPDATE cms.offer SET max_issued = 400 WHERE org_id = cms.cms_current_org() AND code = 'MOVED'"
	load moved-on 400 <<<"SELECT issue('moved', 'MOVED', 'd' || :n);"
	expect 'moved: the cap is reached' '400 400' "SELECT issued || ' ' || (SELECT count(*) FROM answer WHERE scenario = 'moved'
		AND org_id = cms.cms_current_org() AND reason IS NULL) FROM outcome WHERE offer_code = 'MOVED'"
	load each 160 <<<"SELECT issue('each', 'EACH', 'c' || :n % 20);"
	answers each 'CUSTOMER_ISSUE_LIMIT 120,done 40'
	load pool $((pool / 10 + 24)) <<<"SELECT issue('pool', 'POOL', 'c' || :n, 10);"
	answers pool "NO_CODES_LEFT 240,done $pool"
	load pairs 320 <<<"SELECT issue('pairs', CASE WHEN :n / 40 % 2 = :n % 2 THEN 'THIS' ELSE 'THAT' END, 'c' || :n % 40);"
	expect 'pairs: one of two offers each' '40 40' "SELECT count(*) || ' ' || count(DISTINCT customer_id) FROM cms.coupon
		WHERE org_id = cms.cms_current_org() AND offer_id IN (offer('THIS'), offer('THAT'))"
	load bill 320 <<<"SELECT redeem('bill', 'BILL-' || 1 + (:n - 1) / 32, 'c' || (1 + (:n - 1) / 32) % 10, 'b' || (:n - 1) / 32);"
	answers bill 'again 310,done 10'
	load common 320 <<<"SELECT redeem('common', 'WELCOME', CASE WHEN :n % 2 = 0 THEN 'c' || (:n - 1) / 32 END, 'b' || (:n - 1) / 32);"
	answers common 'again 300,done 20'
	load mix 640 <<-'SQL'
		\set what random(1, 10)
		\set m random(1, 40)
		\if :what < 6
		SELECT redeem('mix', 'MIX-' || :m, 'c' || :m % 40, 'b' || :n);
		\elif :what < 9
		SELECT x.reason FROM (SELECT redemption_id FROM cms.redemption WHERE org_id = cms.cms_current_org()
			AND offer_id = offer('MIX') ORDER BY random() LIMIT 1) r, cms.cms_reverse(r.redemption_id, at => '2030-01-10 12:00+00') x;
		\elif :what < 10
		SELECT reason FROM cms.cms_check('MIX-' || :m, 'c' || :m % 40, 100, at => '2030-01-10 12:00+00');
		\else
		SELECT * FROM cms.cms_revoke(offer('MIX'), 'CODES', codes => ARRAY['MIX-' || :m, 'MIX-' || 1 + (:m * 7) % 40],
			confirm => true, at => '2030-01-10 12:00+00');
		\endif
	SQL
	many MANY
	load claim 160 <<-SQL
		INSERT INTO answer (scenario, reason) SELECT 'claim', c.reason
		FROM cms.cms_claim(offer('CLAIM-' || 1 + :n % 5), 'OUTBOUND', 'k' || :n / 5 % 7, at => '2030-01-10 12:00+00') c;
	SQL
	expect 'claim: each offer by a campaign of its own' '5 5' "SELECT count(*) || ' ' || count(DISTINCT consumer_ref) FROM cms.claim
		WHERE org_id = cms.cms_current_org()"
	load upload 32 <<-'SQL'
		\set side random(1, 2)
		SELECT count(*) FROM cms.cms_upload_codes(offer((ARRAY['LEFT', 'RIGHT'])[:side]),
			ARRAY(SELECT 'TWIN-' || i FROM generate_series(1, 300) i ORDER BY random()), at => '2030-01-10 12:00+00');
	SQL
	expect 'upload: each code once' '300 300' "SELECT sum(stock) || ' ' || (SELECT count(*) FROM cms.coupon
		WHERE org_id = cms.cms_current_org() AND code LIKE 'TWIN-%') FROM outcome WHERE offer_code IN ('LEFT', 'RIGHT')"
	many STOCKED

	sql -F ': ' -c 'SELECT * FROM recount()' >"$work/problems"
	if [ -s "$work/problems" ]; then not_ok recount; sed 's/^/#   /' "$work/problems"; else ok recount; fi
}

tries=()
clients=32 level='read committed'
PGOPTIONS='-c default_transaction_isolation=read\ committed' run 1000 10000
clients=8 tries=(--max-tries=100000)
for level in 'repeatable read' serializable; do
	PGOPTIONS="-c default_transaction_isolation=${level// /\\ }" run 104 1040
done

exit $failed
