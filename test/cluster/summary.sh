#!/usr/bin/env bash
# Summaries are refreshed by several sessions while others issue, redeem, reverse and complete: no call fails, no two refreshes
# wait for each other in a circle, and when all are done the next refresh makes the summaries equal to a recount. Killed refreshes
# leave them as they were.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
check() { # name, what it is, what it must be
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		printf 'not ok - %s\n#   is:      %s\n#   must be: %s\n' "$1" "${2:0:500}" "${3:0:500}"
		failed=1
	fi
}

sql <<'SQL'
SET client_min_messages = warning;
INSERT INTO cms.org (name, time_zone) VALUES ('Busy', 'Asia/Kolkata');
INSERT INTO cms.offer (name, discount_type, discount_value, max_uses_per_coupon) SELECT 'offer ' || i, 'FIXED_AMOUNT', 5, 3 FROM generate_series(1, 6) i;
-- rows beside a recount
CREATE VIEW wrong AS
	SELECT r::text AS recounted, a::text AS told FROM (
		SELECT coalesce(i.offer_id, u.offer_id) AS offer_id, coalesce(i.day, u.day) AS day, coalesce(issued, 0) AS issued, coalesce(redeemed, 0) AS redeemed,
			coalesce(uses, 0) AS uses, coalesce(reversed, 0) AS reversed, coalesce(discount, 0) AS discount
		FROM (SELECT offer_id, (issued_at AT TIME ZONE 'Asia/Kolkata')::date AS day, count(*) AS issued, count(*) FILTER (WHERE uses > 0) AS redeemed
			FROM cms.coupon WHERE issued_at IS NOT NULL GROUP BY 1, 2) i
		FULL JOIN (SELECT offer_id, (redeemed_at AT TIME ZONE 'Asia/Kolkata')::date AS day, count(*) FILTER (WHERE reversed_at IS NULL) AS uses,
			count(reversed_at) AS reversed, sum(discount) FILTER (WHERE reversed_at IS NULL) AS discount FROM cms.redemption GROUP BY 1, 2) u USING (offer_id, day)) r
	FULL JOIN cms.activity_by_day a USING (offer_id, day)
	WHERE (r.issued, r.redeemed, r.uses, r.reversed, r.discount) IS DISTINCT FROM (a.issued, a.redeemed, a.uses, a.reversed, a.discount);
CREATE VIEW wrong_stores AS
	SELECT r::text AS recounted, a::text AS told FROM (
		SELECT offer_id, store_id, count(*) AS uses FROM cms.redemption WHERE reversed_at IS NULL GROUP BY 1, 2) r
	FULL JOIN (SELECT offer_id, entity_id AS store_id, sum(uses) AS uses FROM cms.activity_by_place WHERE entity_type = 'STORE' GROUP BY 1, 2 HAVING sum(uses) > 0) a
		ON a.offer_id = r.offer_id AND coalesce(a.store_id, '') = coalesce(r.store_id, '')
	WHERE r.uses IS DISTINCT FROM a.uses;
CREATE FUNCTION live(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c record;
	at_time timestamptz := '2025-03-01 00:00+05:30'::timestamptz + random() * interval '9 days';
	done bigint;
BEGIN
	SELECT i.code, i.customer_id INTO c FROM cms.cms_issue(1 + n % 6, 'c' || floor(random() * 1e9), at => at_time) i;
	IF random() < 0.7 THEN
		done := (cms.cms_redeem(c.code, c.customer_id, 100, 'b', CASE WHEN random() < 0.5 THEN 's' || n % 3 END, at => at_time + interval '2 days')).redemption_id;
		IF random() < 0.3 THEN PERFORM cms.cms_complete_redemption(done, store_id => 's9') FROM cms.redemption WHERE redemption_id = done AND store_id IS NULL; END IF;
		IF random() < 0.3 THEN PERFORM cms.cms_reverse(done, at => at_time + interval '2 days'); END IF;
	END IF;
	IF random() < 0.05 THEN PERFORM cms.cms_revoke(1 + n % 6, 'CODES', codes => ARRAY[c.code], confirm => true); END IF;
END
$$;
SQL

echo '\set n random(0, 1000000)
SELECT live(:n);' >"$work/live.pgbench"
echo 'SELECT cms.cms_refresh_summary(pace => 0);' >"$work/refresh.pgbench"
for level in 'read committed' 'repeatable read' serializable; do
	export PGOPTIONS="-c default_transaction_isolation=${level/ /\\ }"
	pgbench -n -M prepared -c 6 -j 2 -t 150 -f "$work/live.pgbench" --max-tries 1000 >"$work/live" 2>&1 &
	living=$!
	pgbench -n -M prepared -c 3 -j 1 -t 30 -f "$work/refresh.pgbench" --max-tries 1000 >"$work/refresh" 2>&1 &
	refreshing=$!
	# some of those that refresh are killed
	for _ in 1 2 3; do
		sleep 0.3
		PGOPTIONS='' PGAPPNAME=killed psql -X -q -c 'SELECT cms.cms_refresh_summary(pace => 0) FROM generate_series(1, 1000)' >/dev/null 2>&1 &
		sleep 0.3
		PGOPTIONS='' sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed'" >/dev/null
	done
	wait $living || true
	wait $refreshing || true
	check "$level: no call failed" "$(grep -h 'failed transactions\|ERROR' "$work/live" "$work/refresh" | sort -u)" 'number of failed transactions: 0 (0.000%)'
	export PGOPTIONS=''
	wait
	check "$level: in the end something is summarised" "$(sql -c "SELECT sum(cms.cms_refresh_summary(pace => 0)) >= 0 FROM generate_series(1, 3)")" t
	check "$level: days equal a recount" "$(sql -c 'SELECT count(*) FROM wrong')" 0
	check "$level: so do stores" "$(sql -c 'SELECT count(*) FROM wrong_stores')" 0
	check "$level: and nothing is left to do" "$(sql -c 'SELECT cms.cms_refresh_summary(pace => 0)' -c 'SELECT count(*) FROM cms.summary_mark' -c 'SELECT count(*) FROM cms.summary_status WHERE NOT is_fresh' | tr '\n' ' ')" '0 0 0 '
done
check 'none waited in a circle' "$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log")" 0
check 'there was something of everything' "$(sql -c "SELECT count(*) > 1000 AND count(*) FILTER (WHERE r.reversed_at IS NOT NULL) > 50 AND count(*) FILTER (WHERE r.store_id = 's9') > 50
	FROM cms.coupon c LEFT JOIN cms.redemption r USING (org_id, coupon_id)")" t
exit $failed
