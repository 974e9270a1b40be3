#!/usr/bin/env bash
# Many sessions sweep at once while others issue, redeem, reverse, revoke and move ends; sweeps are killed at random
# points. Afterwards every message is there once, who was to get one has it, the books equal a recount, and recount() of
# test/isolation/oracle.sql finds nothing. READ COMMITTED with 64 clients; the others with 8, which try again (40001).
# server: --set autovacuum=off
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $*"; }
not_ok() { echo "not ok - $*"; failed=1; }
is_empty() { # what, query
	sql -F ' ' -c "SET cms.org = '$org'" -c "$2" >"$work/rows"
	if [ -s "$work/rows" ]; then not_ok "$1"; head -n 10 "$work/rows" | sed 's/^/#   /'; else ok "$1"; fi
}

sql -f "$here/../isolation/oracle.sql"
sql <<'SQL'
-- Something that happens on a day of reminders or after it, drawn at random.
CREATE FUNCTION play() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	draw float := random();
	at timestamptz := timestamptz '2020-06-16 10:00+00' + random() * interval '12 hours';
	later timestamptz := timestamptz '2020-06-21 00:00+00' + random() * interval '12 hours';
	coupon cms.coupon;
	chosen bigint;
	mine int := current_setting('cms.org')::int;
BEGIN
	SELECT c.* INTO coupon FROM cms.coupon c WHERE c.org_id = mine AND c.coupon_id >=
		(SELECT min(coupon_id) + (random() * (max(coupon_id) - min(coupon_id)))::bigint FROM cms.coupon WHERE org_id = mine)
	ORDER BY c.coupon_id LIMIT 1;
	CASE
		WHEN draw < 0.25 THEN PERFORM cms.cms_sweep_reminders(1 + (random() * 30)::int, at, mine);
		WHEN draw < 0.4 THEN PERFORM cms.cms_sweep_expired(1 + (random() * 30)::int, later, mine);
		WHEN draw < 0.45 THEN PERFORM cms.cms_sweep(20, at, mine);
		WHEN draw < 0.65 THEN
			PERFORM cms.cms_issue(coupon.offer_id, 'new ' || (random() * 1e9)::bigint, at => timestamptz '2020-06-10 00:00+00' + random() * interval '5 days');
		WHEN draw < 0.85 THEN
			PERFORM cms.cms_redeem(coupon.code, coupon.customer_id, 100, 'bill ' || (random() * 1e9)::bigint, at => '2020-06-16 09:00+00');
		WHEN draw < 0.95 THEN
			SELECT r.redemption_id INTO chosen FROM cms.redemption r WHERE r.org_id = mine AND r.reversed_at IS NULL
			ORDER BY random() LIMIT 1;
			IF chosen IS NOT NULL THEN PERFORM cms.cms_reverse(chosen, at => '2020-06-16 09:30+00'); END IF;
		WHEN draw < 0.98 THEN
			PERFORM cms.cms_change_expiry(ARRAY[coupon.code], CASE WHEN random() < 0.5 THEN date '2020-06-18' ELSE date '2020-06-20' END,
				at => '2020-06-16 09:30+00');
		ELSE
			UPDATE cms.offer SET name = name || '.' WHERE org_id = mine AND offer_id = coupon.offer_id;
	END CASE;
END
$$;
SQL

begin_org() {
	org=$(sql <<'SQL'
INSERT INTO cms.org (name) VALUES ('sweeps');
SELECT set_config('cms.org', max(org_id)::text, false) FROM cms.org \g /dev/null
INSERT INTO cms.offer (name, discount_type, discount_value, expires_on, expiry_notice, coupon_expiry_type, coupon_expiry_value, max_uses_per_coupon)
SELECT 'offer ' || i, 'FIXED_AMOUNT', 10, '2020-06-20', true, CASE WHEN i % 2 = 0 THEN 'WITH_OFFER' ELSE 'DAYS' END,
	CASE WHEN i % 2 = 0 THEN NULL ELSE 8 END, 1 + i % 2
FROM generate_series(1, 6) i;
INSERT INTO cms.offer_reminder (offer_id, days_before, time_of_day, channel, content)
SELECT offer_id, d, '10:00', c, 'Use {code}' FROM cms.offer, unnest('{2,4}'::int[]) d, unnest('{SMS,EMAIL}'::text[]) c
WHERE org_id = cms.cms_current_org();
SELECT count(*) FROM cms.offer o, cms.cms_issue_many(o.offer_id, (SELECT array_agg('c' || i) FROM generate_series(1, 200) i),
	at => '2020-06-10 12:00+00') WHERE o.org_id = cms.cms_current_org() \g /dev/null
SELECT cms.cms_current_org();
SQL
	)
}

settle() { # sweeps until nothing is due
	for _ in 1 2; do
		sql -c "CALL cms.cms_sweep_all(1000, '2020-06-16 23:59:59+00', $org)" -c "CALL cms.cms_sweep_all(1000, '2020-06-21 13:00+00', $org)" >/dev/null
	done
}

judge() { # level
	settle
	is_empty "$1: no message twice" "SELECT kind, coupon_id, reminder_id, for_day, count(*) FROM cms.outbox WHERE org_id = $org
		GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
	# who was reminded may have lost the coupon's use since, never the other way round
	is_empty "$1: whoever is to be reminded is" "SELECT c.coupon_id, r.reminder_id, c.issued_at, c.uses FROM cms.coupon c
		JOIN cms.offer o USING (org_id, offer_id) JOIN cms.offer_reminder r USING (org_id, offer_id)
		WHERE c.org_id = $org AND LEAST(c.expires_at, '2020-06-21') = '2020-06-17'::timestamptz + r.days_before * interval '1 day'
			AND c.uses < o.max_uses_per_coupon AND c.issued_at <= '2020-06-16 10:00'
			AND NOT EXISTS (SELECT FROM cms.outbox m WHERE m.org_id = c.org_id AND m.coupon_id = c.coupon_id
				AND m.reminder_id = r.reminder_id AND m.for_day = '2020-06-16'::date + r.days_before)"
	is_empty "$1: and for a day that is right" "SELECT m.coupon_id, m.for_day FROM cms.outbox m WHERE m.org_id = $org AND m.kind = 'REMINDER'
		AND m.for_day <> '2020-06-16'::date + m.days_before"
	is_empty "$1: whoever is to have a notice has one" "SELECT c.coupon_id FROM cms.coupon c JOIN cms.offer o USING (org_id, offer_id)
		WHERE c.org_id = $org AND c.uses < o.max_uses_per_coupon AND NOT EXISTS (SELECT FROM cms.outbox m WHERE m.org_id = c.org_id
			AND m.coupon_id = c.coupon_id AND m.kind = 'EXPIRY_NOTICE' AND m.for_day = (LEAST(c.expires_at, '2020-06-21') - interval '1 us')::date)"
	is_empty "$1: the books equal a recount" "SELECT * FROM
		(SELECT offer_id, ended_on, ended, unredeemed FROM cms.offer_expiry WHERE org_id = $org AND ended > 0) b
		FULL JOIN (SELECT c.offer_id, (LEAST(c.expires_at, '2020-06-21') - interval '1 us')::date AS ended_on, count(*) AS n,
			count(*) FILTER (WHERE c.uses = 0) AS left_over FROM cms.coupon c WHERE c.org_id = $org GROUP BY 1, 2) r USING (offer_id, ended_on)
		WHERE (b.ended, b.unredeemed) IS DISTINCT FROM (r.n, r.left_over)"
	is_empty "$1: the counters equal a recount" "SELECT * FROM recount()"
}

play() { # level clients transactions
	local lines dead
	begin_org
	dead=$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true)
	echo 'SELECT play();' >"$work/play.sql"
	lines=$(PGOPTIONS="${PGOPTIONS:-} -c cms.org=$org -c default_transaction_isolation=${1// /\\ }" \
		pgbench -n -j 2 -c "$2" -t "$3" --max-tries=1000 -f "$work/play.sql" 2>&1) || true
	if grep -q "actually processed: $(($2 * $3))/" <<<"$lines" &&
		[ "$(grep -c 'deadlock detected' "$CMS_SERVER_DIR/log" || true)" = "$dead" ]; then
		ok "$1: $2 sessions, no deadlock"
	else
		not_ok "$1: $2 sessions, no deadlock"
		grep -vE '^(pgbench \(|starting)' <<<"$lines" | head -n 20 | sed 's/^/#   /'
		grep -A 12 'deadlock detected' "$CMS_SERVER_DIR/log" | tail -n 13 | sed 's/^/#   /' || true
	fi
	judge "$1"
}

# sweeps that die at any moment, several at a time
kill_sweeps() {
	local pid
	begin_org
	for _ in $(seq 30); do
		for _ in 1 2 3; do
			psql -X -q -c "CALL cms.cms_sweep_all(7, '2020-06-16 12:00+00', $org)" -c "CALL cms.cms_sweep_all(7, '2020-06-21 00:00+00', $org)" \
				>/dev/null 2>&1 &
		done
		sleep "0.0$((RANDOM % 5))"
		for pid in $(sql -c "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL%' AND pid <> pg_backend_pid()"); do
			sql -c "SET client_min_messages = error" -c "SELECT pg_terminate_backend($pid)" >/dev/null
		done
		wait || true
	done
	judge 'killed sweeps'
}

# procedures that commit, in sessions of every level: what a batch writes tells the level it ran at
levels() {
	begin_org
	sql <<SQL
CREATE TABLE level (what text, level text);
GRANT INSERT ON level TO public;
CREATE FUNCTION note_level() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
	INSERT INTO public.level VALUES (TG_TABLE_NAME, current_setting(\$\$transaction_isolation\$\$));
	RETURN NULL;
END';
CREATE TRIGGER note_level AFTER INSERT ON cms.offer_expiry EXECUTE FUNCTION note_level();
CREATE TRIGGER note_level AFTER INSERT ON cms.coupon EXECUTE FUNCTION note_level();
INSERT INTO cms.offer (org_id, name, discount_type, discount_value, code_method) VALUES ($org, 'file', 'FIXED_AMOUNT', 10, 'UPLOADED');
INSERT INTO cms.code_upload (org_id, offer_id, code)
SELECT $org, max(offer_id), 'LEVEL-' || i FROM cms.offer, generate_series(1, 20) i GROUP BY i;
SQL
	for level in 'repeatable read' 'serializable'; do
		PGOPTIONS="${PGOPTIONS:-} -c default_transaction_isolation=${level// /\\ }" sql -c "SET cms.org = $org" \
			-c "CALL cms.cms_sweep_all(7, '2020-06-$([ "$level" = serializable ] && echo 21 || echo 19) 13:00+00', $org)" \
			-c "CALL cms.cms_load_codes($(sql -c "SELECT max(offer_id) FROM cms.offer WHERE org_id = $org"), 10)" >/dev/null
		sql -c "INSERT INTO cms.code_upload (org_id, offer_id, code)
			SELECT $org, max(offer_id), 'AGAIN-' || i FROM cms.offer, generate_series(1, 20) i GROUP BY i"
	done
	is_empty 'batches of sweeps and of code files are at READ COMMITTED' \
		"SELECT what, level, count(*) FROM level GROUP BY 1, 2 HAVING level <> 'read committed'
		UNION ALL SELECT 'nothing was seen', NULL, NULL WHERE (SELECT count(DISTINCT what) FROM level) < 2"
	sql -c 'DROP FUNCTION note_level CASCADE' -c 'DROP TABLE level' 2>/dev/null
}

# What is due is seen by others when it is committed by who has found it; a call that comes before waits for its share.
share() {
	begin_org
	psql -X -q >/dev/null <<-SQL &
		SET application_name = 'first';
		BEGIN;
		SELECT cms.cms_sweep_reminders(1, '2020-06-16 12:00+00', $org);
		SELECT pg_sleep(1);
		COMMIT;
	SQL
	until sql -c "SELECT 'sleeps' FROM pg_stat_activity WHERE application_name = 'first' AND wait_event = 'PgSleep'" | grep -q sleeps ||
		! kill -0 $! 2>/dev/null; do sleep 0.01; done
	sql >"$work/second" <<-SQL
		DO \$\$
		DECLARE
			done bigint;
		BEGIN
			CALL cms.cms_sweep_all(1000, '2020-06-16 12:00+00', $org, done);
			PERFORM set_config('sweeps.told', current_setting('synchronous_commit'), false);
		END
		\$\$;
		SHOW sweeps.told;
	SQL
	wait
	is_empty 'a second session does what the first has found' "SELECT * FROM cms.reminder_pass WHERE org_id = $org AND NOT done"
	if grep -qx on "$work/second"; then ok 'commits after a sweep wait for the disk'; else not_ok 'commits after a sweep wait for the disk'; fi
	judge 'two sessions'
}

levels
play 'read committed' 64 30
play 'repeatable read' 8 60
play 'serializable' 8 60
kill_sweeps
share
exit "$failed"
