# shellcheck shell=bash
# What test/bench/run and test/bench/bulk have in common. Whoever reads it has set "work", a directory for what is
# noted.

fail() { printf 'bench: %s\n' "$*" >&2; exit 1; }
sql() { PGOPTIONS="-c client_min_messages=warning" psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
note() { printf '%s\t' "${@:2:$#-2}" >>"${work:?}/$1" && printf '%s\n' "${!#}" >>"$work/$1"; }
thousands() { sed ':a;s/\B[0-9]\{3\}\>/,&/;ta' <<<"$1"; }

# The machine, as a table in Markdown.
facts() { # COMMAND ROUNDS PROCESSOR COMMITS
	local settings
	settings=$(sql -c "SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
		WHERE name IN ('shared_buffers', 'fsync', 'full_page_writes', 'max_wal_size', 'checkpoint_timeout', 'autovacuum')")
	cat <<-END

	| | |
	|---|---|
	| command | \`$1\`${CMS_BENCH_QUICK:+, quick} |
	| processor | $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1); $3 |
	| memory | $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo) |
	END
	[ -z "${4:-}" ] || printf '| disk | %s commits a second by one session that updates a row and inserts one |\n' "${4%.*}"
	cat <<-END
	| server | PostgreSQL $(sql -c 'SHOW server_version'); $settings |
	| rounds | $2 |
	END
}

# What was noted, for the report, which says how each table is made.
tables() { # REPORT TABLE …
	local report=$1 table
	shift
	for table in "$@"; do
		sed -n "s/^-- table $table: //p" "$report"
		echo "COPY $table FROM stdin;"
		cat "$work/$table"
		echo '\.'
	done
}
