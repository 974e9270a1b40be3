#!/usr/bin/env bash
# 64 senders take, deliver and acknowledge messages at once, at each isolation level; some of them go down with the
# server. Every message is acknowledged, none is delivered twice but those that were on their way when the
# server went down, and each customer gets them in the order in which they were queued.
# server: --set autovacuum=off --set max_connections=600
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"

sql <<'SQL'
CREATE TABLE delivery (n serial, org_id int DEFAULT cms.cms_current_org(), sender int, message_id bigint, customer_id text, lease bigint,
	acknowledged boolean DEFAULT false);
CREATE INDEX ON delivery (org_id, sender) WHERE NOT acknowledged;
-- Each customer has ten messages. The first of all are queued before the second of any.
CREATE PROCEDURE queue_all() LANGUAGE sql AS $$
	SELECT r.message_id FROM (SELECT code, customer_id FROM cms.coupon WHERE org_id = cms.cms_current_org() ORDER BY nth, coupon_id) c,
		cms.cms_resend(c.code, c.customer_id, at => '2030-01-10 12:00+00') r
$$;
-- One step of a sender: it acknowledges the message that it has delivered, or takes another and delivers it. Each step
-- is a transaction, which may be tried again as a whole.
CREATE FUNCTION step(of_sender int, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	mine record;
BEGIN
	SELECT message_id, lease INTO mine FROM delivery
	WHERE org_id = cms.cms_current_org() AND sender = of_sender AND NOT acknowledged;
	IF FOUND THEN
		PERFORM cms.cms_outbox_done(ARRAY[mine.message_id], mine.lease, at);
		UPDATE delivery SET acknowledged = true WHERE org_id = cms.cms_current_org() AND sender = of_sender AND NOT acknowledged;
	ELSE
		INSERT INTO delivery (sender, message_id, customer_id, lease)
		SELECT of_sender, t.message_id, t.customer_id, t.lease FROM cms.cms_outbox_take('SMS', 1, '1 hour', at => step.at) t;
	END IF;
END
$$;
SQL

queued() { sql -c "SELECT count(*) FROM cms.outbox WHERE org_id = cms.cms_current_org() AND status <> 'DONE'"; }
# Senders meet customers whose message another one has, so some calls find nothing.
send_all() { # name, first number of its senders, at
	for _ in $(seq 40); do
		[ "$(queued)" -gt 0 ] || break
		load "$1" 1280 <<<"SELECT step($2 + :client_id, '$3');"
	done
	expect "$1: all are acknowledged" 640 "SELECT count(*) FROM cms.outbox WHERE org_id = cms.cms_current_org() AND status = 'DONE'"
	expect "$1: none is lost" 640 "SELECT count(DISTINCT message_id) FROM delivery WHERE org_id = cms.cms_current_org()"
	expect "$1: none was delivered by two leases, but where it was taken twice" 0 "SELECT count(*) FROM (SELECT message_id, count(*) AS times
		FROM delivery WHERE org_id = cms.cms_current_org() GROUP BY 1) d JOIN cms.outbox b USING (message_id)
		WHERE b.org_id = cms.cms_current_org() AND d.times > b.attempts"
	expect "$1: each customer gets them in order" 0 "SELECT count(*) FROM (SELECT message_id < lag(message_id) OVER (PARTITION BY customer_id ORDER BY n) AS late
		FROM delivery WHERE org_id = cms.cms_current_org()) d WHERE late"
}
scene() {
	local org
	org=$(sql <<-'SQL'
		CALL new_org();
		CALL new_offer('OUT', '{"resend_allowed": true}', 640, 10);
		CALL queue_all();
		SELECT cms.cms_current_org();
	SQL
	)
	export PGOPTIONS="${PGOPTIONS% -c cms.org=*} -c cms.org=$org"
}

for of in 'read committed' 'repeatable read' serializable; do
	at_level "$of"
	scene
	send_all senders 0 '2030-01-10 12:00+00'
	expect 'senders: none is taken twice' 640 "SELECT sum(attempts) FROM cms.outbox WHERE org_id = cms.cms_current_org()"
done

# ---- the server goes down ----------------------------------------------------------------------------
at_level 'read committed'
scene
printf '%s\n' "SELECT step(:client_id, '2030-01-10 12:00+00');" '\sleep 20 ms' >"$work/step.sql"
pgbench -n -j 2 -c "$clients" -t 1000 -f "$work/step.sql" >"$work/step.out" 2>&1 &
for _ in $(seq 600); do
	[ "$(sql -c 'SELECT count(*) FROM delivery WHERE org_id = cms.cms_current_org()')" -lt 100 ] || break
	sleep 0.02
done
"$CMS_SERVER" ctl stop -m immediate
wait || true
"$CMS_SERVER" ctl start
echo "# $(queued) of 640 are not acknowledged, $(sql -c "SELECT count(*) FROM cms.outbox
	WHERE org_id = cms.cms_current_org() AND status = 'LEASED'") of them are leased"
send_all crashed 1000 '2030-01-10 14:00+00'
expect 'crashed: delivered twice is only what was on its way, one for each sender' t "SELECT count(*) - count(DISTINCT message_id) <= $clients
	FROM delivery WHERE org_id = cms.cms_current_org()"
exit "$failed"
