#!/usr/bin/env bash
# Revoking all and purging while coupons are redeemed, issued and reversed, by procedures that are killed in the
# middle, with the server and without, and called again until they are done: nothing redeemed is lost, counters equal
# a recount at every commit.
# server: --set autovacuum=off
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"
clients=16
at_level 'read committed'

scene() { # offers' columns, coupons
	local org
	org=$(sql <<-SQL
		CALL new_org();
		CALL new_offer('MANY', '$1', $2);
		SELECT count(*) FROM cms.cms_upload_codes(offer('MANY'), ARRAY(SELECT 'STOCK-' || i FROM generate_series(1, 500) i), at => '2030-01-01 12:00+00');
		SELECT cms.cms_current_org();
	SQL
	)
	org=${org##*$'\n'}
	PGOPTIONS="${PGOPTIONS% -c cms.org=*} -c cms.org=$org"
}

# Redemptions in the background, all over the coupons, by whoever holds them.
redeeming() { # name calls-per-session coupons
	printf '%s\n' "\\set n :round * $clients + :client_id + 1" "\\set m (:n * 7919) % $3 + 1" \
		"SELECT redeem('MANY-' || :m, 'c' || :m - 1, '$1 ' || :n);" '\set round :round + 1' >"$work/redeem.sql"
	PGOPTIONS="$PGOPTIONS -c t.scenario=$1" \
		pgbench -n -j 2 -c "$clients" -t "$2" -D round=0 -f "$work/redeem.sql" >"$work/redeem.out" 2>&1 &
}

# The call again and again, each time killed a little later, until it ends.
until_done() { # statement, kill: terminate|crash
	local try=0 pid
	while ! { PGAPPNAME=remover sql -c "$1" >"$work/remover.out" 2>&1 & pid=$!; disturb "$2" $((++try)); wait $pid; }; do
		[ $try -lt 40 ] || { not_ok "$1 is never done: $(tail -n 2 "$work/remover.out")"; return; }
		sql -F ': ' -c "SELECT * FROM recount(false)" >"$work/problems" || continue
		[ ! -s "$work/problems" ] || { not_ok "$1: recount after kill $try"; sed 's/^/#   /' "$work/problems"; return; }
	done
	echo "# done at try $try"
	tries_needed=$try
}
disturb() { # how, which time
	sleep "0.0$((3 + $2 % 6))"
	[ "$2" -lt 6 ] || return 0
	if [ "$1" = crash ] && [ "$2" = 2 ]; then
		"$CMS_SERVER" ctl stop -m immediate
		"$CMS_SERVER" ctl start
	else
		sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'remover'" >"$work/killed"
	fi
}

# ---- revoking ---------------------------------------------------------------------------------
for how in terminate crash; do
	scene '{}' 20000
	redeeming "revoke-$how" 200 20000
	until_done "CALL revoke_all('MANY', 'ALL_UNREDEEMED', 50, 'all')" $how
	wait
	[ "$tries_needed" -gt 1 ] || not_ok "$how: it was never interrupted"
	check "revoke-$how" -
	expect "$how: each is revoked or redeemed" 0 "SELECT count(*) FROM cms.coupon
		WHERE org_id = cms.cms_current_org() AND revoked_at IS NULL AND uses < 1"
	expect "$how: the job counts what it did, whatever the number of its runs" t "SELECT succeeded = (SELECT count(*) FROM cms.coupon
			WHERE org_id = cms.cms_current_org() AND revoked_at IS NOT NULL) AND status = 'DONE' AND runs > 1
		AND refused = (SELECT count(*) FROM cms.coupon WHERE org_id = cms.cms_current_org() AND revoked_at IS NULL)
		FROM cms.job WHERE org_id = cms.cms_current_org() AND job_key = 'all'"
	sql -c "CALL revoke_all('MANY', 'ALL_UNREDEEMED', 50, 'all')" >"$work/again"
	expect "$how: called again it says the same" "$(cat "$work/again")" "SELECT succeeded - from_stock || '|' || from_stock || '|' || refused FROM cms.job
		WHERE org_id = cms.cms_current_org() AND job_key = 'all'"
done
# two at once: one is refused, or comes when the other is done
scene '{}' 5000
sql -c "CALL revoke_all('MANY', 'ALL_UNREDEEMED', 20, 'twice')" >"$work/one" 2>&1 &
one=$!
sql -c "CALL revoke_all('MANY', 'ALL_UNREDEEMED', 20, 'twice')" >"$work/two" 2>&1 || grep -q 'is running' "$work/two" || not_ok 'the second fails'
wait $one || grep -q 'is running' "$work/one" || not_ok 'the first fails'
expect 'two: all are revoked' '5500 1' "SELECT sum(succeeded) || ' ' || count(*) FROM cms.job WHERE org_id = cms.cms_current_org()"

# ---- purging ----------------------------------------------------------------------------------
# the offer ended in January; tills that were offline send their redemptions late
scene '{"expires_on": "2030-01-31"}' 20000
sql -c "SELECT revoked_issued FROM cms.cms_revoke(offer('MANY'), 'CUSTOMERS', ARRAY(SELECT 'c' || i FROM generate_series(1, 3000) i),
	confirm => true, at => '2030-01-10')" >"$work/revoked"
redeeming purge 200 20000
for n in 1 2 3; do
	until_done "CALL cms.cms_purge_all('2030-03-01', 100, at => '2030-04-01', org => cms.cms_current_org())" terminate >"$work/purge.$n" &
done
wait
grep -h '^not ok' "$work"/purge.* && failed=1
sql -c "CALL cms.cms_purge_all('2030-03-01', 100, at => '2030-04-01', org => cms.cms_current_org())" >"$work/last"
check purge -
expect 'purge: left is what was redeemed' t "SELECT count(*) > 0 AND bool_and(last_redeemed_at IS NOT NULL) FROM cms.coupon
	WHERE org_id = cms.cms_current_org()"
expect 'purge: and all that was redeemed' t "SELECT (SELECT count(*) FROM answer WHERE scenario = 'purge' AND reason = 'done' AND org_id = cms.cms_current_org())
	= (SELECT count(*) FROM cms.coupon WHERE org_id = cms.cms_current_org())"
expect 'purge: the others are counted' 20000 "SELECT sum(coupons) + (SELECT count(*) FROM cms.coupon WHERE org_id = cms.cms_current_org())
	FROM cms.purged_coupon WHERE org_id = cms.cms_current_org()"
expect 'purge: nothing is left to purge' 0 "SELECT cms.cms_purge('2030-03-01', at => '2030-04-01', org => cms.cms_current_org())"
exit $failed
