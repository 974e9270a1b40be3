#!/usr/bin/env bash
# A flash sale that is disturbed: 64 sessions, some of which roll back, are terminated in the middle of a
# call, or go down with the server; and a transaction that is prepared. Counters equal a recount then, and
# what is left of the caps can be given out to the last unit.
# server: --set autovacuum=off --set max_prepared_transactions=10
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"
at_level 'read committed'

# Gives out what is left: with what was given out before, exactly the caps.
rest() { # name left
	local left=$2
	and_then "$1" $(((left / 64 + 2) * 64)) - <<<"SELECT redeem('SALE-' || 1 + :n % 64, 'c' || :n % 64, '$1 ' || :n);"
	expect "$1: $left were left, and are given out" "$left" "SELECT count(*) FROM answer
		WHERE scenario = '$1' AND reason = 'done' AND org_id = cms.cms_current_org()"
}
left() { sql -c "SELECT redemptions_left FROM outcome"; }

# ---- rolled back ----------------------------------------------------------------------------------
scenario aborted 128 - <<-'SQL'
	CALL new_offer('SALE', '{"max_redemptions": 300, "max_discount_total": 3000, "max_uses_per_coupon": null, "max_uses_per_customer": 50}', 64);
	\run
	\set what :n % 3
	BEGIN;
	SELECT redeem('SALE-' || 1 + :n % 64, 'c' || :n % 64, 'b' || :n);
	\if :what = 0
	ROLLBACK;
	\elif :what = 1
	SAVEPOINT s;
	SELECT redeem('SALE-' || 1 + :n % 64, 'c' || :n % 64, 'second ' || :n);
	SELECT take_back('b' || :n);
	ROLLBACK TO s;
	SELECT redeem('SALE-' || 1 + :n % 64, 'c' || :n % 64, 'third ' || :n);
	COMMIT;
	\else
	COMMIT;
	\endif
SQL
expect 'aborted: counted are those that were committed' 129 'SELECT uses FROM outcome'
rest aborted-rest "$(left)"

# ---- sessions that are terminated --------------------------------------------------------------------
sale() { # name, calls per session: in the background
	printf '%s\n' "\\set n :round * $clients + :client_id + 1" \
		"SELECT redeem('SALE-' || 1 + :n % 64, 'c' || :n % 64, '$1 ' || :n);" '\set round :round + 1' >"$work/sale.sql"
	PGOPTIONS="$PGOPTIONS -c t.scenario=$1" \
		pgbench -n -j 2 -c "$clients" -t "$2" -D round=0 -f "$work/sale.sql" >"$work/sale.out" 2>&1 &
}
# Until so many are redeemed.
reached() { # count
	for _ in $(seq 600); do
		[ "$(sql -c 'SELECT uses FROM outcome')" -lt "$1" ] || return 0
		sleep 0.05
	done
	not_ok "$1 are never reached"
}
scene() {
	PGOPTIONS="${PGOPTIONS% -c cms.org=*} -c cms.org=$(sql <<-SQL
		CALL new_org();
		CALL new_offer('SALE', '$1', 64);
		SELECT cms.cms_current_org();
	SQL
	)"
}
scene '{"max_redemptions": 3000, "max_discount_total": 30000, "max_uses_per_coupon": null, "max_uses_per_customer": 1000}'
sale terminated 40
for n in 200 500 800; do
	reached $n
	sql -c "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
		WHERE application_name = 'pgbench' ORDER BY random() LIMIT 15) s" >"$work/terminated"
done
wait || true
check terminated -
rest terminated-rest "$(left)"

# ---- the server that goes down ----------------------------------------------------------------------
scene '{"max_redemptions": 4000, "max_discount_total": 40000, "max_uses_per_coupon": null, "max_uses_per_customer": 1000}'
sale crashed 1000
reached 500
"$CMS_SERVER" ctl stop -m immediate
"$CMS_SERVER" ctl start
wait || true
check crashed -
expect 'crashed: what was answered is there' t "SELECT count(*) = (SELECT uses FROM outcome) FROM answer
	WHERE scenario = 'crashed' AND reason = 'done' AND org_id = cms.cms_current_org()"
rest crashed-rest "$(left)"

# ---- prepared transactions --------------------------------------------------------------------------
# they keep their locks, over a crash too: nobody is refused or served before it is known what they took
scene '{"max_redemptions": 10, "max_uses_per_coupon": null, "max_uses_per_customer": 1000}'
sql >"$work/prepared" <<-'SQL'
	SET t.scenario = 'prepared';
	BEGIN;
	SELECT redeem('SALE-1', 'c0', 'prepared');
	PREPARE TRANSACTION 'sale';
SQL
"$CMS_SERVER" ctl stop -m immediate
"$CMS_SERVER" ctl start
sale prepared-sale 1
for _ in $(seq 200); do
	[ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND wait_event_type = 'Lock'")" != 64 ] || break
	sleep 0.05
done
expect 'prepared: all wait' 64 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND wait_event_type = 'Lock'"
sql -c "COMMIT PREPARED 'sale'"
wait || true
check prepared-sale 'OFFER_LIMIT 55,done 9'

exit $failed
