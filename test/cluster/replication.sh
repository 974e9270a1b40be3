#!/usr/bin/env bash
# server: --set wal_level=logical
# Another server receives coupons, redemptions and events by logical replication as operations.md says: what was
# there before, then every issue, use, reversal, revocation and late detail, row for row; and without codes where
# the publication leaves them out. The role that feeds it may only read.
set -euo pipefail

if [ "${1:-}" != subscriber ]; then
	sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
	export PGOPTIONS='-c client_min_messages=warning'
	createdb shop
	sql -d shop <<'SQL'
CREATE EXTENSION cms;
INSERT INTO cms.org (name, time_zone) VALUES ('Shop', 'Asia/Kolkata');
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, max_uses_per_coupon) VALUES
	('Ten', 'FIXED_AMOUNT', 10, 'GENERATED', 2), ('Loaded', 'FIXED_AMOUNT', 5, 'UPLOADED', 1);
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, common_code, anyone_may_redeem) VALUES
	('Word', 'FIXED_AMOUNT', 5, 'COMMON', 'WORD', true);
SELECT count(*) FROM cms.cms_issue_many(1, ARRAY(SELECT 'c' || i FROM generate_series(1, 50) i), at => '2025-01-01') \g /dev/null
CREATE ROLE feed LOGIN REPLICATION BYPASSRLS;
GRANT USAGE ON SCHEMA cms TO feed;
GRANT SELECT ON cms.coupon, cms.redemption, cms.event TO feed;
CREATE PUBLICATION feed FOR TABLE cms.coupon, cms.redemption, cms.event;
CREATE PUBLICATION feed_without_codes FOR TABLE
	cms.coupon (org_id, coupon_id, offer_id, customer_id, issued_at, expires_at, uses, revoked_at);
SQL
	PUBLISHER="host=$PGHOST port=$PGPORT dbname=shop user=feed" SHOP="host=$PGHOST port=$PGPORT dbname=shop user=$PGUSER" \
		exec "$CMS_SERVER" run --bare -- "${BASH_SOURCE[0]}" subscriber
fi

# ---- on the other server ------------------------------------------------------------------------------

failed=0
sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
shop() { sql -d "$SHOP" "$@"; }
same() { # what, query, database here
	local here there
	for _ in $(seq 600); do
		there=$(shop -c "$2")
		here=$(sql -d "$3" -c "$2")
		[ "$here" != "$there" ] || break
		sleep 0.1
	done
	if [ "$here" = "$there" ]; then
		echo "ok - $1"
	else
		printf 'not ok - %s\n#   there: %s\n#   here:  %s\n' "$1" "${there:0:300}" "${here:0:300}"
		failed=1
	fi
}

createdb lake
createdb lake_without_codes
# the same tables, without the extension: columns and keys alone
for table in coupon redemption event; do
	shop -c "SELECT format('CREATE TABLE IF NOT EXISTS cms.%I (%s, PRIMARY KEY (org_id, %I))', '$table',
		string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum), '${table}_id')
		FROM pg_attribute WHERE attrelid = 'cms.$table'::regclass AND attnum > 0 AND NOT attisdropped"
done | { echo 'CREATE SCHEMA cms;'; sed 's/$/;/'; } | sql -d lake
sql -d lake_without_codes -c 'CREATE SCHEMA cms' -c 'CREATE TABLE cms.coupon (org_id int, coupon_id bigint, offer_id bigint,
	customer_id text, issued_at timestamptz, expires_at timestamptz, uses int, revoked_at timestamptz, PRIMARY KEY (org_id, coupon_id))'
export PGOPTIONS='-c client_min_messages=warning'
sql -d lake -c "CREATE SUBSCRIPTION lake_in CONNECTION '$PUBLISHER' PUBLICATION feed"
sql -d lake_without_codes -c "CREATE SUBSCRIPTION lake_without_codes_in CONNECTION '$PUBLISHER' PUBLICATION feed_without_codes"

newline="E'\\n'"
rows() { echo "SELECT count(*), md5(string_agg(r::text, $newline ORDER BY r::text COLLATE \"C\")) FROM cms.$1 r"; }
few="SELECT count(*), md5(string_agg(r::text, E'\\n' ORDER BY r::text COLLATE \"C\"))
	FROM (SELECT org_id, coupon_id, offer_id, customer_id, issued_at, expires_at, uses, revoked_at FROM cms.coupon) r"
same 'coupons that were there before' "$(rows coupon)" lake
same 'and without their codes' "$few" lake_without_codes
[ "$(sql -d lake -c 'SELECT count(*) FROM cms.coupon')" = 50 ] || { echo 'not ok - all of them' && failed=1; }

shop <<'SQL'
SELECT set_config('cms.org', '1', false) \g /dev/null
SELECT count(*) FROM cms.cms_upload_codes(2, '{UP-1,UP-2,UP-3}', '{x,NULL,NULL}', at => '2025-01-01') \g /dev/null
SELECT * FROM cms.cms_issue(2, 'from stock', at => '2025-01-02') \g /dev/null
SELECT count(*) FROM cms.coupon c, cms.cms_redeem(c.code, c.customer_id, 100, 'B' || c.coupon_id, at => '2025-01-03')
	WHERE c.offer_id = 1 AND c.coupon_id % 3 = 0 \g /dev/null
SELECT * FROM cms.cms_redeem('WORD', 'passer-by', 100, 'W', at => '2025-01-03') \g /dev/null
SELECT cms.cms_reverse(redemption_id, 'why', at => '2025-01-04') FROM cms.redemption ORDER BY redemption_id LIMIT 5 \g /dev/null
SELECT cms.cms_complete_redemption(max(redemption_id), store_id => 'S', details => jsonb_build_object('long', repeat('x', 5000))) FROM cms.redemption \g /dev/null
SELECT cms.cms_revoke(1, 'CUSTOMERS', '{c1,c2}', confirm => true, at => '2025-01-04') \g /dev/null
UPDATE cms.offer SET discount_value = 11 WHERE offer_id = 1;
BEGIN;
SELECT * FROM cms.cms_issue(1, 'nobody', at => '2025-01-02') \g /dev/null
ROLLBACK;
SQL
same 'issues, uses and revocations' "$(rows coupon)" lake
same 'redemptions, reversals and late details' "$(rows redemption)" lake
same 'events' "$(rows event)" lake
same 'the same without codes' "$few" lake_without_codes
# a row that is written again without its large value keeps it
shop -c "SELECT cms.cms_reverse(max(redemption_id), at => '2025-01-05', org => 1) FROM cms.redemption WHERE details IS NOT NULL" >/dev/null
same 'a reversal after large details' "$(rows redemption)" lake

if [ "$(sql -d lake -c "SELECT count(*) FROM cms.redemption WHERE reversed_at IS NOT NULL")" = 6 ] &&
	[ "$(sql -d lake -c "SELECT count(*) FROM cms.coupon WHERE revoked_at IS NOT NULL")" = 2 ]; then
	echo 'ok - there is something of everything'
else
	echo 'not ok - there is something of everything'
	failed=1
fi
# it may read, and nothing else
if psql -X -q -d "$PUBLISHER" -c 'UPDATE cms.coupon SET uses = 0' 2>/dev/null || psql -X -q -d "$PUBLISHER" -c 'TABLE cms.offer_key' 2>/dev/null; then
	echo 'not ok - the feeding role only reads what is published'
	failed=1
else
	echo 'ok - the feeding role only reads what is published'
fi
sql -d lake -c 'DROP SUBSCRIPTION lake_in'
sql -d lake_without_codes -c 'DROP SUBSCRIPTION lake_without_codes_in'
exit $failed
