#!/usr/bin/env bash
# Orders of many sessions at once: held, confirmed, released, redeemed without a hold, reversed and
# swept, at times in no order, over few coupons and customers and with caps that are nearly full all
# the time. Afterwards nothing that recount() of test/isolation/oracle.sql looks at is wrong, and no
# limit was exceeded at any moment. No call fails, and none dies in a deadlock. READ COMMITTED with
# 32 clients; REPEATABLE READ and SERIALIZABLE with 8, which try again when told so (40001). Before
# that, one meeting of two sessions that chance seldom brings about.
# server: --set autovacuum=off
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $*"; }
not_ok() { echo "not ok - $*"; failed=1; }

sql -f "$here/../isolation/oracle.sql"
sql <<'SQL'
CREATE TABLE did (action text, reason text);
-- One step of an order, drawn at random.
CREATE FUNCTION play() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := timestamptz '2030-01-10 12:00+00' + random() * interval '100 seconds';
	draw float := random();
	coupon cms.coupon;
	chosen bigint;
	anybody text := 'c' || (1 + random() * 3)::int;
	took text;
	why text;
BEGIN
	PERFORM set_config('cms.org', (SELECT max(org_id)::text FROM cms.org), true);
	SELECT c.* INTO coupon FROM cms.coupon c JOIN cms.offer o USING (org_id, offer_id)
	WHERE c.org_id = cms.cms_current_org() AND o.code <> 'ANYONE' ORDER BY random() LIMIT 1;
	SELECT h.hold_id INTO chosen FROM cms.hold h WHERE h.org_id = cms.cms_current_org()
	ORDER BY h.status = 'HELD' DESC, random() LIMIT 1;
	chosen := coalesce(chosen, -1);
	CASE
		WHEN draw < 0.3 THEN
			SELECT 'hold', h.reason INTO took, why FROM cms.cms_hold(coupon.code, coupon.customer_id, 100,
				'order ' || (random() * 1000)::int, seconds => 1 + (random() * 40)::int, at => at) h;
		WHEN draw < 0.4 THEN
			SELECT 'hold by anyone', h.reason INTO took, why FROM cms.cms_hold('open', CASE WHEN draw < 0.35 THEN anybody END, 100,
				'order ' || (random() * 10)::int, seconds => 1 + (random() * 40)::int, at => at) h;
		WHEN draw < 0.6 THEN
			SELECT 'confirm', c.reason INTO took, why FROM cms.cms_confirm(chosen, at => at) c;
		WHEN draw < 0.65 THEN
			SELECT 'confirm otherwise', c.reason INTO took, why
			FROM cms.cms_confirm(chosen, bill_amount => 50 + (random() * 100)::int, at => at) c;
		WHEN draw < 0.75 THEN
			SELECT 'release', r.reason INTO took, why FROM cms.cms_release_hold(chosen, at => at) r;
		WHEN draw < 0.87 THEN
			SELECT 'redeem', r.reason INTO took, why FROM cms.cms_redeem(coupon.code, coupon.customer_id, 100,
				'bill ' || (random() * 1000)::int, at => at) r;
		WHEN draw < 0.97 THEN
			SELECT redemption_id INTO chosen FROM cms.redemption WHERE org_id = cms.cms_current_org() ORDER BY random() LIMIT 1;
			IF chosen IS NOT NULL THEN
				SELECT 'reverse', r.reason INTO took, why FROM cms.cms_reverse(chosen, at => at) r;
			END IF;
		ELSE
			SELECT 'sweep', CASE WHEN n > 0 THEN 'some' END INTO took, why FROM cms.cms_sweep_holds(3, at => at, org => cms.cms_current_org()) n;
	END CASE;
	INSERT INTO did VALUES (took, why);
END
$$;
SQL

play() { # level clients transactions
	local lines dead
	dead=$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true)
	sql <<'SQL'
CALL new_org();
INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, max_uses_per_coupon,
	max_uses_per_customer, max_redemptions, max_discount_total)
VALUES ('SINGLE', 'each once', 'FIXED_AMOUNT', 10, 'UPLOADED', 1, NULL, NULL, NULL),
	('CUSTOMER', 'twice a customer', 'FIXED_AMOUNT', 10, 'UPLOADED', NULL, 2, NULL, NULL),
	('CAP', 'eight in all', 'FIXED_AMOUNT', 10, 'UPLOADED', NULL, NULL, 8, NULL),
	('SPREAD', 'a hundred in all', 'FIXED_AMOUNT', 10, 'UPLOADED', NULL, NULL, 100, NULL),
	('BUDGET', '95 in all', 'PERCENTAGE', 10, 'UPLOADED', 4, NULL, NULL, 95);
INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem, max_redemptions,
	max_issued, max_uses_per_coupon)
VALUES ('ANYONE', 'a common code', 'FIXED_AMOUNT', 10, 'COMMON', 'OPEN', true, 200, 200, 3);
CALL stock('SINGLE', ARRAY['SINGLE-1', 'SINGLE-2', 'SINGLE-3'], ARRAY['c1', 'c2', 'c3']);
CALL stock('CUSTOMER', ARRAY['CUSTOMER-1', 'CUSTOMER-2', 'CUSTOMER-3'], ARRAY['c1', 'c1', 'c2']);
CALL stock('CAP', ARRAY['CAP-1', 'CAP-2', 'CAP-3', 'CAP-4', 'CAP-5'], ARRAY['c1', 'c2', 'c3', 'c4', 'c5']);
CALL stock('SPREAD', ARRAY['SPREAD-1', 'SPREAD-2', 'SPREAD-3', 'SPREAD-4'], ARRAY['c1', 'c2', 'c3', 'c4']);
CALL stock('BUDGET', ARRAY['BUDGET-1', 'BUDGET-2', 'BUDGET-3', 'BUDGET-4', 'BUDGET-5'], ARRAY['c1', 'c2', 'c3', 'c4', 'c5']);
TRUNCATE did;
SQL
	echo 'SELECT play();' >"$work/play.sql"
	lines=$(PGOPTIONS="-c default_transaction_isolation=${1// /\\ }" pgbench -n -j 2 -c "$2" -t $(($3 / $2)) --max-tries=10000 \
		-f "$work/play.sql" 2>&1) || true
	if grep -qE 'ERROR|error:|aborted' <<<"$lines" || ! grep -q "actually processed: $(($3 / $2 * $2))/" <<<"$lines"; then
		not_ok "$1: a call failed"
		awk '{ print "#   " $0 }' <<<"$lines"
	else
		ok "$1: no call failed"
	fi
	if [ "$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true)" = "$dead" ]; then
		ok "$1: no deadlock"
	else
		not_ok "$1: a deadlock"
		grep -A 12 'deadlock detected' "$CMS_SERVER_DIR/log" | tail -n 13 | awk '{ print "#   " $0 }'
	fi
	sql -F ' ' -c 'SELECT action, coalesce(reason, $$-$$), count(*) FROM did GROUP BY 1, 2 ORDER BY 1, 2' | awk '{ print "# " $0 }'
	lines=$(sql -c 'CALL use_org()' -c 'SELECT * FROM recount()')
	if [ -z "$lines" ]; then
		ok "$1: the counters equal a recount, and no limit is exceeded"
	else
		not_ok "$1: recount"
		awk '{ print "#   " $0 }' <<<"$lines"
	fi
	lines=$(sql <<'SQL'
CALL use_org();
SELECT cms.cms_sweep_holds(1000000, at => '2030-01-11', org => cms.cms_current_org()) \g /dev/null
SELECT * FROM recount() UNION ALL SELECT 'still held', sum(held)::text FROM cms.offer_slot HAVING sum(held) > 0;
SQL
	)
	if [ -z "$lines" ]; then ok "$1: and after a sweep"; else
		not_ok "$1: after a sweep"
		awk '{ print "#   " $0 }' <<<"$lines"
	fi
}

# ---- a hold confirmed late beside a first use ---------------------------------------------------
# Backends whose numbers differ by 32 count in the same slot. One keeps all slots locked: while it
# waited for them, the hold that it confirms was swept, and it has given back another. The other is
# about to make their slot, and waits for the offer's row.

declare -A to=() backend=()
open() { # NAME: a session that reads from a pipe
	local pipe
	mkfifo "$work/$1"
	PGAPPNAME=$1 PGOPTIONS="-c cms.org=$org" psql -X -q -A -t <"$work/$1" >>"$work/$1.out" 2>&1 &
	exec {pipe}>"$work/$1"
	to[$1]=$pipe
	say "$1" "SELECT split_part(virtualxid, '/', 1) FROM pg_locks WHERE locktype = 'virtualxid' AND pid = pg_backend_pid();"
	soon test -s "$work/$1.out"
	backend[$1]=$(cat "$work/$1.out")
	: >"$work/$1.out"
}
say() { echo "$2" >&"${to[$1]}"; }
soon() { # COMMAND: until it succeeds
	local n
	for n in {1..1000}; do
		! "$@" || return 0
		sleep 0.02
	done
	not_ok "in vain after $n times: $*" && exit 1
}
done_with() { # NAME: what it was told
	say "$1" "\\! touch '$work/$1.done'"
	soon rm "$work/$1.done" 2>/dev/null
}
# shellcheck disable=SC2317 # called by soon
waits() { # NAME, or has answered
	[ -s "$work/$1.out" ] ||
		[ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = '$1' AND wait_event_type = 'Lock'")" = 1 ]
}

sql -f "$here/sessions.sql" -c 'CALL new_org()'
org=$(sql -c 'SELECT max(org_id) FROM cms.org')
late='' first=''
for name in s{1..48}; do
	open "$name"
	for other in "${!backend[@]}"; do
		[ $((backend[$name] - backend[$other])) != 32 ] || { late=$other first=$name && break 2; }
	done
done
others=()
for name in "${!backend[@]}"; do
	[ $(((backend[$name] - backend[$late]) % 32)) = 0 ] || others+=("$name")
done
sweeper=${others[0]} editor=${others[1]} holder=${others[2]}
dead=$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true)
answers=''
for offer in LATE{1..8}; do # the editor's end wakes both, and only if one of them is faster they meet
	say "$holder" "CALL new_offer('$offer', '{\"max_uses_per_coupon\": null}', 3);"
	for n in 1 2; do
		say "$holder" "SELECT hold_id FROM cms.cms_hold('$offer-$n', 'c$((n - 1))', 100, 'order $n', seconds => 60, at => '2030-01-10 12:0$n+00');"
	done
	done_with "$holder"
	hold=$(head -n 1 "$work/$holder.out")
	say "$editor" "BEGIN; UPDATE cms.offer SET name = 'another' WHERE offer_id = offer('$offer');"
	done_with "$editor"
	say "$first" "SELECT redeemed, reason FROM cms.cms_redeem('$offer-3', 'c2', 100, 'bill', at => '2030-01-10 12:30+00');"
	soon waits "$first"
	say "$sweeper" "BEGIN; SELECT cms.cms_sweep_holds(1, at => '2030-01-10 12:20+00', org => $org);"
	done_with "$sweeper"
	say "$late" "SELECT redeemed, reason FROM cms.cms_confirm($hold, at => '2030-01-10 12:30+00');"
	soon waits "$late"
	say "$sweeper" 'COMMIT;'
	done_with "$sweeper"
	sleep 0.1 # to be sure that it goes on
	soon waits "$late"
	say "$editor" 'COMMIT;'
	for name in "$editor" "$late" "$first"; do done_with "$name"; done
	answers+=$(cat "$work/$late.out" "$work/$first.out" | tr -d '\n')
	for name in "$holder" "$late" "$first"; do : >"$work/$name.out"; done
done
for name in "${!to[@]}"; do say "$name" '\q'; done
wait
if [ "$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true)" = "$dead" ] &&
	[ "$answers" = 't|t|t|t|t|t|t|t|t|t|t|t|t|t|t|t|' ]; then
	ok 'a hold is confirmed late beside the first use in the same slot'
else
	not_ok 'a hold is confirmed late beside the first use in the same slot'
	echo "# $answers"
	grep -A 5 'deadlock detected' "$CMS_SERVER_DIR/log" | tail -n 6 | awk '{ print "#   " $0 }'
fi

play 'read committed' 32 6400
play 'repeatable read' 8 1600
play 'serializable' 8 800
exit $failed
