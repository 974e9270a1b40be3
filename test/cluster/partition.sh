#!/usr/bin/env bash
# doc/partition.sql: coupons and redemptions go into partitions and out again, and all that belongs to them stays as it
# was; meanwhile and in between everything works; what growth.md says of dumps and of an org that leaves is true.
set -euo pipefail
shopt -s lastpipe # "… | same" counts in this shell

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
doc=$here/../../doc
dir=$(mktemp -d)
playing=
trap '[ -z "$playing" ] || kill "$playing" || true; rm -rf "$dir"' EXIT
export PGOPTIONS='-c client_min_messages=error -c timezone=UTC' PGDATABASE=cms_partition
failed=0

sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
ok() { echo "ok - $*"; }
not_ok() { echo "not ok - $*"; failed=1; }
# $1: what holds  $2: what it must be  stdin: what it is
same() {
	if diff "$2" - >"$dir/diff"; then
		ok "$1"
	else
		not_ok "$1"
		head -n 20 "$dir/diff" | sed 's/^/#   /'
	fi
}
# $1: what holds  $2: what the server must say  more: psql's arguments
refused() {
	if sql "${@:3}" >"$dir/out" 2>&1; then
		not_ok "$1: it was not refused"
	elif grep -q "$2" "$dir/out"; then
		ok "$1"
	else
		not_ok "$1"
		sed 's/^/#   /' "$dir/out"
	fi
}
partition() { psql -X -v table="$1" -v partitions="$2" -f "$doc/partition.sql" >"$dir/out"; }
# in the order of lines: rows move
dump() { pg_dump "$@" 2>>"$dir/warnings" | sed -E '/^\\(un)?restrict /d; /^(--.*|\\\.)?$/d' | sort -u; }

rows() {
	sql <<'SQL'
SELECT format('SELECT %L, count(*), md5(string_agg(r::text, E''\n'' ORDER BY r::text COLLATE "C")) FROM %s r', c.oid::regclass, c.oid::regclass)
FROM pg_class c WHERE c.relnamespace IN ('cms'::regnamespace, 'public'::regnamespace) AND c.relkind IN ('r', 'p')
	AND NOT c.relispartition AND c.relname NOT IN ('offer_version', 'out_of_play')
ORDER BY c.oid::regclass::text COLLATE "C" \gexec
SQL
}

# All that is said of the two tables and of what depends on them; but not whether they are partitioned.
catalog() {
	sql <<'SQL'
CREATE TEMP VIEW big AS SELECT c.*, c.oid::regclass AS name FROM pg_class c WHERE c.oid IN ('cms.coupon'::regclass, 'cms.redemption'::regclass);
CREATE FUNCTION pg_temp.sorted(aclitem[]) RETURNS text LANGUAGE sql AS 'SELECT string_agg(a::text, $$ $$ ORDER BY a::text COLLATE "C") FROM unnest($1) a';
SELECT name, relowner::regrole, pg_temp.sorted(relacl), relrowsecurity, relforcerowsecurity, relpersistence, relreplident,
	obj_description(oid, 'pg_class'), oid = ANY (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'cms')
FROM big ORDER BY 1;
SELECT attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attcollation::regcollation, attnotnull,
	pg_get_expr(adbin, adrelid), pg_temp.sorted(attacl), attstorage, attcompression, col_description(attrelid, attnum)
FROM big JOIN pg_attribute ON attrelid = big.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 ORDER BY 1, 2;
SELECT name, replace(pg_get_indexdef(indexrelid), ' ONLY ', ' '), indisvalid, obj_description(indexrelid, 'pg_class')
FROM big JOIN pg_index ON indrelid = big.oid ORDER BY 1, 2;
SELECT name, conname, contype, pg_get_constraintdef(c.oid), obj_description(c.oid, 'pg_constraint')
FROM big JOIN pg_constraint c ON conrelid = big.oid ORDER BY 1, 2;
SELECT name, polname, polpermissive, polcmd, array(SELECT r::regrole FROM unnest(polroles) r), pg_get_expr(polqual, polrelid),
	pg_get_expr(polwithcheck, polrelid), obj_description(p.oid, 'pg_policy') FROM big JOIN pg_policy p ON polrelid = big.oid ORDER BY 1, 2;
SELECT name, pg_get_triggerdef(t.oid), tgenabled, obj_description(t.oid, 'pg_trigger')
FROM big JOIN pg_trigger t ON tgrelid = big.oid AND NOT tgisinternal ORDER BY 1, 2;
SELECT q.oid::regclass, d.refobjid::regclass, d.refobjsubid, d.deptype FROM pg_class q JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = q.oid
WHERE q.relkind = 'S' AND d.refclassid = 'pg_class'::regclass ORDER BY 1, 2;
SELECT v.oid, v.oid::regclass, v.relowner::regrole, v.relacl, v.reloptions, pg_get_viewdef(v.oid), obj_description(v.oid, 'pg_class')
FROM pg_class v WHERE v.relkind = 'v' AND v.relnamespace IN ('cms'::regnamespace, 'public'::regnamespace) ORDER BY 2;
SELECT v.attrelid, v.attnum, col_description(v.attrelid, v.attnum) FROM pg_attribute v WHERE attrelid = 'cms.coupon_status'::regclass ORDER BY 2;
SELECT objoid::regclass, objsubid, pg_temp.sorted(initprivs) FROM pg_init_privs JOIN big ON objoid = big.oid ORDER BY 1, 2;
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	-- but the partitions, and what version 17 takes in with them
	AND NOT EXISTS (SELECT FROM pg_class c LEFT JOIN pg_type t ON t.oid = c.reltype WHERE relispartition
		AND (classid = 'pg_class'::regclass AND objid = c.oid OR classid = 'pg_type'::regclass AND objid IN (t.oid, t.typarray))) ORDER BY 1;
SQL
}
options() { sql -c "SELECT oid::regclass, relkind, reloptions FROM pg_class WHERE oid IN ('cms.coupon'::regclass, 'cms.redemption'::regclass) ORDER BY 1"; }
# a partition without an org is empty
wrong() {
	sql -f "$here/restore_wrong.sql" | sed -E '/^nothing in cms\.(coupon|redemption)_[0-9]+$/d'
	for org in $(sql -c 'SELECT org_id FROM cms.org ORDER BY 1'); do
		sql -c "SET cms.org = $org" -c 'SELECT * FROM recount(true)'
	done
}

createdb "$PGDATABASE"
sql -c 'CREATE EXTENSION cms' -f "$here/restore_data.sql" -f "$here/../isolation/oracle.sql"
sql <<'SQL'
-- the other org has something too
SET cms.org = 2;
INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, max_uses_per_coupon) VALUES ('PLAY', 'play', 'FIXED_AMOUNT', 5, 'UPLOADED', NULL);
SELECT count(*) FROM cms.cms_upload_codes(offer('PLAY'), ARRAY(SELECT 'P' || i FROM generate_series(1, 40) i),
	ARRAY(SELECT 'c' || i % 10 FROM generate_series(1, 40) i), at => '2030-01-01 12:00+00') WHERE loaded \g /dev/null
SELECT count(*) FROM generate_series(1, 40) i, cms.cms_redeem('P' || i, 'c' || i % 10, 100, 'bill', at => '2030-01-02 12:00+00') \g /dev/null
-- what users add
CREATE ROLE partition_reader LOGIN IN ROLE cms_analyst;
GRANT SELECT ON cms.coupon TO partition_reader WITH GRANT OPTION;
GRANT SELECT (org_id), UPDATE (details) ON cms.redemption TO partition_reader;
REVOKE SELECT ON cms.redemption FROM cms_analyst;
ALTER DEFAULT PRIVILEGES IN SCHEMA cms GRANT SELECT ON TABLES TO partition_reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
ALTER TABLE cms.coupon SET (autovacuum_vacuum_scale_factor = 0.01);
CREATE POLICY "no stock" ON cms.coupon AS RESTRICTIVE FOR SELECT TO partition_reader, cms_issuer USING (issued_at IS NOT NULL);
CREATE POLICY own_writes ON cms.coupon FOR INSERT TO partition_reader WITH CHECK (customer_id = current_user);
COMMENT ON POLICY "no stock" ON cms.coupon IS 'it''s theirs';
COMMENT ON CONSTRAINT coupon_pkey ON cms.coupon IS 'the key';
COMMENT ON INDEX cms.coupon_stock IS 'the stock';
COMMENT ON TRIGGER written_by_actions_only ON cms.redemption IS 'the guard';
CREATE INDEX redemption_by_store ON cms.redemption (org_id, lower(store_id)) WITH (fillfactor = 70);
ALTER TABLE cms.redemption ADD CONSTRAINT "not negative" CHECK (discount >= 0);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER "each row" AFTER INSERT ON cms.redemption FOR EACH ROW WHEN (new.discount > 5) EXECUTE FUNCTION note();
CREATE TRIGGER off AFTER INSERT ON cms.redemption REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION note();
ALTER TABLE cms.redemption DISABLE TRIGGER off;
CREATE VIEW mine WITH (security_barrier, check_option = local) AS SELECT * FROM cms.coupon WHERE customer_id = current_user;
CREATE VIEW states AS SELECT state, count(*) FROM cms.coupon_status GROUP BY 1;
GRANT SELECT ON mine TO partition_reader;
-- uses and gives back, and knows what must come out
CREATE TABLE out_of_play (problem text);
CREATE FUNCTION play(i int, bill text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	used record;
	back record;
BEGIN
	PERFORM set_config('cms.org', '2', false);
	SELECT * INTO used FROM cms.cms_redeem('P' || i, 'c' || i % 10, 100, bill, at => '2030-01-03 12:00+00');
	SELECT * INTO back FROM cms.cms_reverse(used.redemption_id, at => '2030-01-03 12:01+00');
	IF (used.redeemed AND back.reversed) IS NOT TRUE THEN
		INSERT INTO out_of_play VALUES (concat_ws(' ', bill, used.reason, back.reason));
	END IF;
END
$$;
SQL
wrong | same 'before: nothing is wrong' /dev/null
rows >"$dir/rows"
catalog >"$dir/catalog"
options >"$dir/options"
dump >"$dir/dump"

# ---- in -----------------------------------------------------------------------------------------

refused 'which table and how many is asked for' 'say -v table' -f "$doc/partition.sql"
refused 'not any table' 'say -v table' -v table=offer -v partitions=4 -f "$doc/partition.sql"
sql -c 'CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM cms.coupon'
refused 'what depends on the table and cannot be moved is an obstacle' 'other objects depend on it' \
	-v table=coupon -v partitions=4 -f "$doc/partition.sql"
sql -c 'DROP MATERIALIZED VIEW kept' -c 'CREATE PUBLICATION p FOR ALL TABLES' -c 'CREATE STATISTICS cms.s ON org_id, offer_id FROM cms.coupon'
refused 'so is what would get lost' 'a publication, extended statistics' -v table=coupon -v partitions=4 -f "$doc/partition.sql"
sql -c 'DROP PUBLICATION p' -c 'DROP STATISTICS cms.s'
catalog | same 'an error leaves everything as it was' "$dir/catalog"
options | same 'and where it was' "$dir/options"
rows | same 'and every row' "$dir/rows"

# sessions that have plans of the table that was
createdb -T "$PGDATABASE" cms_partition_play
cat >"$dir/play.pgbench" <<'END'
\set n :n + 1
\set i 1 + (:n * 2 + :client_id) % 40
SELECT play(:i, :client_id || ' ' || :n);
END
PGDATABASE=cms_partition_play
pgbench -n -M prepared -c 2 -T 3600 -R 50 -D n=0 -f "$dir/play.pgbench" >"$dir/pgbench" 2>&1 &
playing=$!
played() { # some more
	local before tries
	before=$(sql -c 'SELECT count(*) FROM cms.redemption')
	for ((tries = 0; tries < 200; tries++)); do
		[ "$(sql -c "SELECT count(*) > $before + 10 FROM cms.redemption")" != t ] || return 0
		sleep 0.1
	done
	not_ok 'who works meanwhile has stopped'
}
played
for partitions in 4 3 0 2; do
	for table in coupon redemption; do
		partition $table $partitions
		played
	done
done
# how pgbench learns that its time is over
kill -ALRM "$playing"
if wait "$playing"; then ok 'who works meanwhile goes on'; else not_ok 'who works meanwhile fails' && sed 's/^/#   /' "$dir/pgbench"; fi
playing=
sql -c 'SELECT * FROM out_of_play' | same 'and is answered as ever' /dev/null
wrong | same 'and counts right' /dev/null
PGDATABASE=cms_partition

partition coupon 4
partition redemption 3
catalog | same 'in: all that belongs to the tables is as it was' "$dir/catalog"
rows | same 'so is every row' "$dir/rows"
sql >"$dir/out" <<'SQL'
SELECT c.relname, c.relacl, c.reloptions FROM unnest('{cms.coupon,cms.redemption}'::regclass[]) t, pg_partition_tree(t) p JOIN pg_class c ON c.oid = p.relid
WHERE isleaf AND (c.relowner <> 'cms_owner'::regrole OR EXISTS (SELECT FROM aclexplode(c.relacl) WHERE grantee <> c.relowner)
	OR c.reloptions <> CASE t WHEN 'cms.coupon'::regclass THEN '{fillfactor=90,autovacuum_vacuum_scale_factor=0.01}'::text[] ELSE '{fillfactor=90}' END);
SQL
same 'partitions store as the table did, and only the owner has rights on them' /dev/null <"$dir/out"
refused 'not even readers of the table read a partition' 'permission denied for table coupon_0' \
	-c 'SET ROLE partition_reader' -c 'SELECT FROM cms.coupon' -c 'SELECT FROM cms.coupon_0'
refused 'the guard is there too' 'table "redemption_1" is changed by actions only' -c 'DELETE FROM cms.redemption_1'

# ---- dumps --------------------------------------------------------------------------------------

# $1: what was restored
restored() {
	rows | same "$1: every row is back" "$dir/rows"
	wrong | same "$1: counters and sequences are right" /dev/null
}
pg_dump --load-via-partition-root "$PGDATABASE" >"$dir/root.sql" 2>>"$dir/warnings"
grep -E '^(GRANT|REVOKE) .* ON TABLE cms\.' "$dir/root.sql" | sort | same 'a dump tells the rights that it told before' \
	<(grep -E '^(GRANT|REVOKE) .* ON TABLE cms\.' "$dir/dump")
createdb cms_partition_root
PGDATABASE=cms_partition_root
sql -f "$dir/root.sql" >"$dir/out" 2>>"$dir/warnings"
restored 'a dump by way of the table, into plain tables'
PGDATABASE=cms_partition
pg_dump -Fc "$PGDATABASE" >"$dir/custom" 2>>"$dir/warnings"
createdb cms_partition_custom
PGDATABASE=cms_partition_custom
refused 'any other dump asks for the partitions' 'relation "cms.coupon_0" does not exist' -c "\\! pg_restore -f - '$dir/custom' >'$dir/plain.sql'" -f "$dir/plain.sql"
dropdb cms_partition_custom
createdb cms_partition_custom
pg_restore --exit-on-error --section pre-data -d cms_partition_custom "$dir/custom"
partition coupon 4
partition redemption 3
pg_restore --exit-on-error --section data --disable-triggers -d cms_partition_custom "$dir/custom"
pg_restore --exit-on-error --section post-data -d cms_partition_custom "$dir/custom"
restored 'and is restored where they are'
PGDATABASE=cms_partition

# ---- work ---------------------------------------------------------------------------------------

sql -f "$here/restore_work.sql" | same 'calls of every kind are answered as ever' /dev/null
wrong | same 'and count right' /dev/null
sql <<'SQL'
SET cms.org = 2;
INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, max_issued_per_customer, expires_on) VALUES
	('RACE', 'race', 'FIXED_AMOUNT', 5, 'GENERATED', 2, NULL), ('ALL', 'all', 'FIXED_AMOUNT', 5, 'GENERATED', 2, NULL),
	('OVER', 'over', 'FIXED_AMOUNT', 5, 'GENERATED', 2, '2030-01-31');
INSERT INTO cms.offer_reminder (offer_id, days_before, time_of_day, channel, content) VALUES (offer('OVER'), 2, '00:00', 'SMS', 'Soon');
CREATE TABLE answer (what text, good boolean);
-- without the number of the job
CREATE PROCEDURE issue_all(offer_code text, customers int, INOUT issued bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	job_id bigint;
	refused bigint;
BEGIN
	CALL cms.cms_issue_all(offer(offer_code), format('SELECT ''a'' || i FROM generate_series(1, %s) i', customers), NULL, NULL, NULL, 100,
		false, '2030-01-02 12:00+00', 2, job_id, issued, refused);
END
$$;
SQL
# the index of a partition tells who was faster: what waits for another's coupon decides anew
for call in "CALL issue_all('RACE', 200)" "SELECT count(*) FROM cms.cms_issue_many(offer('ALL'), '{a1,a2}', at => '2030-01-02 12:00+00') WHERE issued"; do
	[[ $call == *RACE* ]] && code=RACE || code=ALL
	PGAPPNAME=first sql -c 'SET cms.org = 2' -c 'BEGIN' -c "SELECT issued FROM cms.cms_issue(offer('$code'), 'a2', at => '2030-01-02 12:00+00')" \
		-c 'SELECT FROM pg_sleep(1)' -c 'COMMIT' >"$dir/first" &
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'first' AND wait_event = 'PgSleep'")" = 1 ]; do sleep 0.05; done
	if sql -c 'SET cms.org = 2' -c "$call" >"$dir/second" 2>&1; then :; else not_ok "two at once: $call" && sed 's/^/#   /' "$dir/second"; fi
	wait $!
done
sql -c "SELECT o.code, count(*), count(*) FILTER (WHERE customer_id = 'a2') FROM cms.coupon JOIN cms.offer o USING (org_id, offer_id)
	WHERE o.code IN ('RACE', 'ALL') GROUP BY 1 ORDER BY 1" | same 'two at once: each has what both gave' <(printf 'ALL|3|2\nRACE|201|2\n')
sql <<'SQL'
SET cms.org = 2;
CALL issue_all('OVER', 500) \gset
INSERT INTO answer VALUES ('issue_all', :issued = 500);
CALL cms.cms_generate_all(offer('ALL'), 300, org => 2) \gset
INSERT INTO answer VALUES ('generate_all', :generated = 300);
INSERT INTO answer SELECT 'redeem', redeemed FROM cms.coupon c, cms.cms_redeem(c.code, c.customer_id, 100, 'bill', at => '2030-01-03 12:00+00')
WHERE c.offer_id = offer('OVER') AND c.customer_id IN ('a1', 'a2', 'a3');
INSERT INTO answer SELECT 'sweep', sum(s.rows) >= 497 FROM cms.cms_sweep(at => '2030-01-29 12:00+00', org => 2) s;
INSERT INTO answer SELECT 'sweep: reminders', count(*) = 497 FROM cms.outbox WHERE org_id = 2 AND kind = 'REMINDER';
INSERT INTO answer SELECT 'revoke', revoked_issued = 2 FROM cms.cms_revoke(offer('OVER'), 'CUSTOMERS', customer_ids => '{a4,a5}', confirm => true, at => '2030-01-10');
CALL revoke_all('ALL', 'ALL_UNREDEEMED', 100) \gset
INSERT INTO answer VALUES ('revoke_all', (:revoked_issued, :revoked_unissued) = (3, 300));
INSERT INTO answer SELECT 'purge', cms.cms_purge('2030-06-01', at => '2030-07-01', org => 2) = 497;
SQL
sql -c 'SELECT what FROM answer WHERE good IS NOT TRUE' | same 'so are bulk jobs, sweeps and purges' /dev/null
wrong | same 'and they count right' /dev/null

# ---- an org leaves ------------------------------------------------------------------------------

# the block of growth.md, with the TRUNCATE that it speaks of
sql >"$dir/truncate" <<'SQL'
SELECT format('TRUNCATE cms.%s_%s;', t, i) FROM (VALUES ('coupon', 4), ('redemption', 3)) t (t, n), generate_series(0, n - 1) i
WHERE satisfies_hash_partition(('cms.' || t)::regclass, n, i, 2)
	AND NOT EXISTS (SELECT FROM cms.org WHERE org_id <> 2 AND satisfies_hash_partition(('cms.' || t)::regclass, n, i, org_id));
SQL
grep -q . "$dir/truncate" || not_ok 'the org lies with another'
awk '/^```sql/ { block = ""; next } /^```/ { if (block ~ /session_replication_role/) print block; block = ""; next } { block = block $0 "\n" }' \
	"$doc/growth.md" | sed -e 's/^\\set org .*/\\set org 2/' -e "/session_replication_role = replica/r $dir/truncate" >"$dir/leave.sql"
sql -f "$dir/leave.sql" >"$dir/out"
sql -c "SELECT count(*) FROM cms.coupon WHERE org_id = 2" -c 'SELECT count(*) FROM cms.redemption WHERE org_id = 2' \
	-c 'SELECT count(*) FROM cms.offer WHERE org_id = 2' -c 'SELECT count(*) FROM cms.org WHERE org_id = 2' |
	same 'an org that left has left nothing' <(printf '0\n0\n0\n0\n')
wrong | same 'and the others miss nothing' /dev/null

# ---- out ----------------------------------------------------------------------------------------

rows >"$dir/rows"
catalog >"$dir/catalog"
dump --load-via-partition-root >"$dir/dump"
partition coupon 0
partition redemption 0
catalog | same 'out: all that belongs to the tables is as it was' "$dir/catalog"
options | same 'as are their options' "$dir/options"
rows | same 'so is every row' "$dir/rows"
dump | same 'and the dump' "$dir/dump"
sql -c "SELECT relname FROM pg_class WHERE relname ~ '^(coupon|redemption)_[0-9]' OR relkind = 'p'" | same 'of the partitions nothing is left' /dev/null
sql -c 'DROP VIEW mine, states, running, outcome' -c 'DROP TABLE note' -c 'DROP EXTENSION cms' | same 'and the extension can go' /dev/null
[ "$failed" = 0 ] || sort -u "$dir/warnings"
exit $failed
