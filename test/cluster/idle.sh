#!/usr/bin/env bash
# An org whose sessions keep transactions open holds up no sweep and no purge of other orgs, and any number of orgs and
# of offers with ended holds is swept without more locks than the server has.
# server: --set max_locks_per_transaction=10
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"
at_level 'read committed'

# Two orgs, idle first: offers that are over or not, with a coupon each, one of them held until an hour ago.
for org in idle other; do
	sql >"$work/scene" <<-SQL
		INSERT INTO cms.org (name, time_zone) VALUES ('$org', 'UTC');
		SELECT set_config('cms.org', (SELECT max(org_id) FROM cms.org)::text, false);
		INSERT INTO cms.offer (name, discount_type, discount_value, expiry_type, expires_on)
			VALUES ('over', 'FIXED_AMOUNT', 1, 'FIXED_DATE', '2024-01-31'), ('on', 'FIXED_AMOUNT', 1, 'FIXED_DATE', '2999-01-31');
		SELECT count(i.issued) FROM cms.offer o, LATERAL cms.cms_issue(o.offer_id, 'ann', at => '2024-01-10 12:00+00') i
		WHERE o.org_id = cms.cms_current_org();
		SELECT h.held FROM cms.coupon c JOIN cms.offer o USING (org_id, offer_id),
			LATERAL cms.cms_hold(c.code, 'ann', 10, 'order', seconds => 60, at => now() - interval '1 hour') h
		WHERE c.org_id = cms.cms_current_org() AND o.name = 'on';
	SQL
done

left() { # what: coupons of "over" or holds, in both orgs
	case $1 in
	coupons) sql -c "SELECT string_agg(g.name, ' ' ORDER BY g.org_id) FROM cms.coupon c JOIN cms.offer o USING (org_id, offer_id)
		JOIN cms.org g USING (org_id) WHERE o.name = 'over' AND g.name IN ('idle', 'other')" ;;
	holds) sql -c "SELECT string_agg(g.name, ' ' ORDER BY g.org_id) FROM cms.hold h JOIN cms.org g USING (org_id)
		WHERE h.status = 'HELD' AND g.name IN ('idle', 'other')" ;;
	esac
}

# A call for all orgs while a session of the org "idle" has done something and does not commit.
beside() { # what the session does, call
	PGAPPNAME=idler sql >"$work/idler" 2>&1 <<-SQL &
		SELECT set_config('cms.org', (SELECT org_id FROM cms.org WHERE name = 'idle')::text, false);
		BEGIN;
		$1;
		SELECT pg_sleep(600);
	SQL
	until sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'idler' AND wait_event = 'PgSleep'" | grep -qx 1; do
		sleep 0.05
	done
	sql -c "SET statement_timeout = '60s'" -c "$2" >"$work/call" 2>&1 || sed 's/^/# /' "$work/call"
	sql -c "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name = 'idler'" >"$work/killed"
	wait
}

same() { # name wanted got
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: $3, not $2"; fi
}

same 'both orgs have a coupon to purge' 'idle other' "$(left coupons)"
beside "SELECT cms.cms_purge(now(), org => cms.cms_current_org())" 'SELECT cms.cms_purge(now())'
same 'a purge does not wait for another one of an offer' 'idle' "$(left coupons)"
beside "INSERT INTO cms.offer_window (offer_id, weekdays) SELECT offer_id, '{1}' FROM cms.offer WHERE org_id = cms.cms_current_org()" 'SELECT cms.cms_purge(now())'
same 'nor for a change of a list' 'idle' "$(left coupons)"
sql -c 'SELECT cms.cms_purge(now())' >"$work/call"
same 'what was passed over is purged later' '' "$(left coupons)"

same 'both orgs have a hold to end' 'idle other' "$(left holds)"
beside "SELECT cms.cms_issue(offer_id, 'bea') FROM cms.offer WHERE org_id = cms.cms_current_org() AND name = 'on'" 'SELECT cms.cms_sweep()'
same 'a sweep does not wait for who counts and does not commit' 'idle' "$(left holds)"
sql -c 'CALL cms.cms_sweep_all()' >"$work/call"
same 'what was passed over is swept later' '' "$(left holds)"

sql >"$work/scene" <<-SQL
	SELECT set_config('cms.org', (SELECT org_id FROM cms.org WHERE name = 'other')::text, false);
	INSERT INTO cms.offer (name, discount_type, discount_value) SELECT 'many ' || i, 'FIXED_AMOUNT', 1 FROM generate_series(1, 1500) i;
	DO \$\$
	DECLARE
		one bigint;
	BEGIN
		FOR one IN SELECT offer_id FROM cms.offer WHERE name LIKE 'many %' LOOP
			PERFORM cms.cms_hold(i.code, 'ann', 10, 'order', seconds => 60, at => now() - interval '1 hour')
			FROM cms.cms_issue(one, 'ann', at => now() - interval '2 hours') i;
			COMMIT;
		END LOOP;
	END
	\$\$;
SQL
sql -c 'CALL cms.cms_sweep_all()' >"$work/call" 2>&1 || sed 's/^/# /' "$work/call"
same 'holds of any number of offers are swept' 0 "$(sql -c "SELECT count(*) FROM cms.hold WHERE status = 'HELD'")"

sql -c "INSERT INTO cms.org (name, time_zone) SELECT 'org ' || i, 'UTC' FROM generate_series(1, 6000) i"
sql -c 'SELECT count(*) FROM cms.cms_sweep()' >"$work/call" 2>&1 || true
same 'any number of orgs is swept' 4 "$(cat "$work/call")"
exit $failed
