#!/usr/bin/env bash
# A dump holds everything: restored in each way that pg_dump offers, the new database has the same
# rows, sequences, rights and owners, its dump is the same, and work goes on where it stopped.
# shellcheck disable=SC2317  # the ways to restore are called by name
set -euo pipefail
shopt -s lastpipe # "… | same" counts in this shell

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PGOPTIONS='-c client_min_messages=error'
failed=0

sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }
# $1: what holds  $2: what it must be  stdin: what it is
same() {
	if diff "$2" - >"$dir/diff"; then
		echo "ok - $1"
	else
		echo "not ok - $1"
		head -n 20 "$dir/diff" | sed 's/^/#   /'
		failed=1
	fi
}
# Without what differs from run to run: the key that newer versions protect a dump with. Warnings (of the
# places, which refer to their own table) are shown only if something fails.
dump() { pg_dump "$@" 2>>"$dir/warnings" | sed -E '/^\\(un)?restrict /d'; }

# Every row of every table in one digest each, but for offer_version: it only tells compiled rules apart.
rows() {
	sql -d "$1" <<'SQL'
SELECT format('SELECT %L, count(*), md5(string_agg(r::text, E''\n'' ORDER BY r::text COLLATE "C")) FROM %s r', c.oid::regclass, c.oid::regclass)
FROM pg_class c WHERE c.relnamespace IN ('cms'::regnamespace, 'public'::regnamespace) AND c.relkind = 'r'
	AND c.oid <> 'cms.offer_version'::regclass
ORDER BY c.oid::regclass::text COLLATE "C" \gexec
SELECT format('SELECT %L, last_value, is_called FROM %s', c.oid::regclass, c.oid::regclass)
FROM pg_class c WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'S' AND c.relname <> 'offer_version_seq'
ORDER BY c.oid::regclass::text COLLATE "C" \gexec
SQL
}

# Owners, rights, policies, triggers, marks for the next dump.
catalog() {
	sql -d "$1" <<'SQL'
SELECT c.oid::regclass, c.relkind, c.relowner::regrole, c.relacl, c.relrowsecurity, c.reloptions FROM pg_class c
WHERE c.relnamespace IN ('cms'::regnamespace, 'public'::regnamespace) ORDER BY c.oid::regclass::text COLLATE "C";
SELECT a.attrelid::regclass, a.attname, a.attacl FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'cms'::regnamespace AND a.attacl IS NOT NULL ORDER BY 1, 2;
SELECT p.oid::regprocedure, p.proowner::regrole, p.proacl, p.prosecdef, p.proconfig FROM pg_proc p
WHERE p.pronamespace = 'cms'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT polrelid::regclass, polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
FROM pg_policy ORDER BY polrelid::regclass::text COLLATE "C", polname;
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1;
SELECT n.nspname, n.nspowner::regrole, n.nspacl FROM pg_namespace n WHERE n.nspname = 'cms';
SELECT e.extname, e.extversion, c.oid::regclass FROM pg_extension e JOIN pg_class c ON c.oid = ANY (e.extconfig)
ORDER BY c.oid::regclass::text COLLATE "C";
SQL
}

# Rows that must not exist: counters beside a recount, numbers that a sequence will give again, empty tables.
wrong() {
	sql -d "$1" -f "$here/restore_wrong.sql"
}

# Work goes on; prints what went wrong.
work() {
	sql -d "$1" -f "$here/restore_work.sql"
}

restore_plain() { dump "$from" | sql -d "$1" >"$dir/out"; }
restore_custom() { pg_restore --exit-on-error -d "$1" "$dir/custom"; }
# A dump does not tell the foreign keys of an extension's tables, so only the order of its entries keeps them,
# which loading side by side gives up. Without triggers, which a superuser may ask for, there is no order to keep.
restore_parallel() {
	pg_restore --exit-on-error --section pre-data -d "$1" "$dir/custom"
	pg_restore --exit-on-error --section data --disable-triggers -j 2 -d "$1" "$dir/custom"
	pg_restore --exit-on-error --section post-data -d "$1" "$dir/custom"
}
restore_in_steps() {
	dump --schema-only "$from" | sql -d "$1" >"$dir/out"
	dump --data-only "$from" | sql -d "$1" >"$dir/out"
}
restore_in_sections() {
	for section in pre-data data post-data; do
		pg_restore --exit-on-error --section "$section" -d "$1" "$dir/custom"
	done
}

from=cms_restore
createdb "$from"
sql -d "$from" -c 'CREATE EXTENSION cms'
sql -d "$from" -f "$here/restore_data.sql" | same 'there is something of everything' /dev/null
wrong "$from" | same 'its counters and sequences are right' /dev/null
dump "$from" >"$dir/plain"
pg_dump -Fc "$from" >"$dir/custom" 2>>"$dir/warnings"
rows "$from" >"$dir/rows"
catalog "$from" >"$dir/catalog"

for way in plain custom parallel in_steps in_sections; do
	to=cms_restored_$way
	createdb "$to"
	# not in the condition itself, where an error in the function would not end it
	set +e
	(set -e; "restore_$way" "$to") 2>"$dir/error"
	status=$?
	set -e
	if [ "$status" != 0 ]; then
		echo "not ok - $way: restored without an error"
		sed 's/^/#   /' "$dir/error"
		failed=1
		continue
	fi
	rows "$to" | same "$way: every row and sequence is back" "$dir/rows"
	catalog "$to" | same "$way: so are owners, rights, policies and triggers" "$dir/catalog"
	dump "$to" | same "$way: its dump is the same" "$dir/plain"
	wrong "$to" | same "$way: its counters and sequences are right" /dev/null
	work "$to" | same "$way: work goes on" /dev/null
	wrong "$to" | same "$way: and counts right" /dev/null
done
[ "$failed" = 0 ] || sort -u "$dir/warnings"
exit $failed
