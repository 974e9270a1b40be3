#!/usr/bin/env bash
# The sender of doc/sender.py delivers to a mail server, as a role that may do nothing else, and is killed again and
# again. Every message arrives, in each customer's order; a second time only what a sender had delivered and
# not acknowledged when it was killed. What cannot be delivered is dead and can be looked at.
# server: --set autovacuum=off
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=''
for candidate in /usr/bin/python3 python3; do
	if "$candidate" -c 'import psycopg' 2>/dev/null; then python=$candidate; fi
done
[ -n "$python" ] || { echo '# no psycopg'; exit 77; }
work=$(mktemp -d)
senders=()
catcher=''
# shellcheck disable=SC2317  # called at the end
stop() {
	[ ${#senders[@]} = 0 ] || kill -9 "${senders[@]}" 2>/dev/null || true
	[ -z "$catcher" ] || kill "$catcher" 2>/dev/null || true
	rm -rf "$work"
}
trap stop EXIT
failed=0
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
check() { # what holds, what it must be, what it is
	if [ "$2" = "$3" ]; then echo "ok - $1"; else
		echo "not ok - $1: $3, not $2"
		failed=1
	fi
}

sql >"$work/setup" <<'SQL'
CREATE ROLE sender_mailer LOGIN IN ROLE cms_sender;
INSERT INTO cms.org (name, time_zone) VALUES ('Marigold', 'Asia/Kolkata');
INSERT INTO cms.org_role VALUES (1, 'sender_mailer');
INSERT INTO cms.poc (name, email) VALUES ('Pia', 'pia@example.com');
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, max_issued, codes_left_alert, resend_allowed, resend_content)
VALUES (100, 'Summer', 'PERCENTAGE', 10, 400, 150, true, 'Use {code}');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT 100, poc_id, 3 FROM cms.poc;
-- five messages for each of 50 customers and for nobody, one for a point of contact
SELECT count(r.message_id)
FROM cms.cms_issue_many(100, ARRAY(SELECT 'c' || i FROM generate_series(1, 50) i) || '{nobody}', 5) i,
	cms.cms_resend(i.code, i.customer_id, 'EMAIL') r;
SELECT cms.cms_sweep_offer_reminders();
SQL
check 'messages are queued' '255 1' "$(tr '\n' ' ' <"$work/setup" | sed 's/ $//')"

"$python" test/cluster/smtp_catcher.py "$work/mails" "$work/port" "$work/hold" &
catcher=$!
for _ in $(seq 200); do [ ! -e "$work/port" ] || break; sleep 0.05; done
touch "$work/mails"
# As if so many hours later, when all leases of those before have ended: within a run none does.
start() { # hour, more options
	"$python" doc/sender.py --database 'user=sender_mailer dbname=postgres' --smtp "127.0.0.1:$(cat "$work/port")" \
		--batch 5 --lease '30 minutes' --later "$1 hours" "${@:2}" &
	senders+=($!)
}
mails() { wc -l <"$work/mails"; }
waiting() { sql -c "SELECT count(*) FROM cms.outbox WHERE status IN ('PENDING', 'LEASED')"; }

hour=0 kills=0
# killed just before the mail server has the message, and just after
for command in RCPT DATA; do
	hour=$((hour + 1))
	rm -f "$work/hold.reached"
	echo $command >"$work/hold"
	start $hour
	for _ in $(seq 400); do [ ! -e "$work/hold.reached" ] || break; sleep 0.05; done
	kill -9 "${senders[@]}"
	wait "${senders[@]}" 2>/dev/null || true
	senders=()
	kills=$((kills + 1))
	rm -f "$work/hold"
	check "killed at $command: so many mails have arrived" "$((hour - 1))" "$(mails)"
done
repeated=$(cut -d ' ' -f 1 "$work/mails")
for _ in $(seq 6); do
	hour=$((hour + 1))
	for _ in 1 2 3 4; do start $hour; done
	# killed after a few mails more, wherever each is then
	enough=$(($(mails) + RANDOM % 25 + 1))
	for _ in $(seq 100); do
		[ "$(mails)" -lt "$enough" ] || break
		sleep 0.05
	done
	for sender in "${senders[@]}"; do
		if kill -9 "$sender" 2>/dev/null; then kills=$((kills + 1)); fi
	done
	wait "${senders[@]}" 2>/dev/null || true
	senders=()
	[ "$(waiting)" != 0 ] || break
done
echo "# $kills senders were killed, $(mails) mails arrived, $(waiting) messages are waiting"
# undisturbed; what failed waits for its time
for _ in $(seq 12); do
	[ "$(waiting)" != 0 ] || break
	hour=$((hour + 24))
	start $hour --once
	start $hour --once
	wait "${senders[@]}"
	senders=()
done

check 'all are delivered, but what cannot be' 'DEAD 5,DONE 251' \
	"$(sql -F ' ' -c 'SELECT status, count(*) FROM cms.outbox GROUP BY 1 ORDER BY 1' | paste -s -d ,)"
check 'each has arrived' 251 "$(cut -d ' ' -f 1 "$work/mails" | sort -u | wc -l)"
check 'a point of contact too' 1 "$(cut -d ' ' -f 2 "$work/mails" | grep -cx 'pia@example.com' | sed 's/^[2-4]$/1/')"
sort "$work/mails" | uniq -c | awk '{ print $2 "\t" $1 }' >"$work/times"
twice=$(($(mails) - $(wc -l <"$work/times")))
echo "# $twice arrived once more"
check 'once more only what a killed sender had not acknowledged' yes "$([ $twice -le $kills ] && echo yes || echo "$twice after $kills kills")"
sql -c 'CREATE TABLE times (message_id bigint, times int)' -c "COPY times FROM STDIN" <"$work/times"
check 'what was delivered, but not acknowledged, for certain' yes "$([ "$(grep -c "^$repeated " "$work/mails")" -ge 2 ] && echo yes)"
check 'and that was taken again' 0 "$(sql -c 'SELECT count(*) FROM times JOIN cms.outbox USING (message_id) WHERE times > attempts')"
check 'in the order of each customer' '' \
	"$(awk '$1 < last[$2] { print $2 ": " $1 " after " last[$2] } { last[$2] = $1 }' "$work/mails")"
check 'what cannot be delivered says why' '550 no such user' "$(sql -c "SELECT DISTINCT last_error FROM cms.outbox WHERE status = 'DEAD'")"
check 'what was to come again later did' t "$(sql -c "SELECT count(*) > 5 FROM cms.outbox WHERE last_error = '451 come again later' AND status = 'DONE'")"
exit $failed
