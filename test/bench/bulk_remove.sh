# shellcheck shell=bash
# Cases of test/bench/bulk: coupons revoked and purged, and what redemptions of another offer feel of it.
#
#   CMS_BENCH_TILLS    redemptions a second beside them (200; quick 50)

tills=${CMS_BENCH_TILLS:-${CMS_BENCH_QUICK:+50}}
tills=${tills:-200}
# redemptions of each of four sessions before they are out of coupons, while nothing else goes on
alone=5000

case_revoke() {
	local size round
	for size in "${sizes[@]}"; do
		for ((round = 1; round <= rounds; round++)); do
			remove_round revoke "$size" "$round" \
				"CALL cms.cms_revoke_all(OFFER, 'ALL_UNREDEEMED', confirm => true);" \
				"UPDATE copied SET revoked_at = now() WHERE org_id = 1 AND offer_id = OFFER AND revoked_at IS NULL AND uses = 0;"
		done
		tell_latencies revoke "$size"
	done
}

# As long as they are kept, they take room; what is removed leaves it after VACUUM.
case_purge() {
	local size round
	for size in "${sizes[@]}"; do
		for ((round = 1; round <= rounds; round++)); do
			remove_round purge "$size" "$round" "CALL cms.cms_purge_all('2021-01-01');" \
				"DELETE FROM copied WHERE org_id = 1 AND offer_id = OFFER AND uses = 0;"
			measure purge "$(thousands "$size"), then" 'VACUUM' "$round" "$size" 'VACUUM cms.coupon;' bench_remove
		done
		tell_latencies purge "$size"
	done
}

# One offer is removed from, alone and while coupons of another one are redeemed. The rival is the one statement that
# does it on a table with the same rows and indexes, in one transaction.
remove_round() { # CASE SIZE ROUND STATEMENT RIVAL
	local on removed offer_id from stride=$((tills * $2 / 60000 + alone))
	on=$(thousands "$2")
	fresh bench_remove
	offer >"$work/offer"
	removed=$(cat "$work/offer")
	customers "$2"
	sql -c "CALL cms.cms_issue_all($removed, 'SELECT id FROM customer')" -c 'VACUUM ANALYZE cms.coupon' >"$work/out"
	make_copied
	sql -c "SET synchronize_seqscans = off" -c "COPY (TABLE cms.coupon) TO '$rows_file'" -c "COPY copied FROM '$rows_file'" \
		-c 'VACUUM ANALYZE copied'
	[ "$3" -gt 1 ] || figure "$1" "$on" 'bytes of the table and of its indexes a coupon' "$(sql -c "SELECT round(pg_table_size('cms.coupon')::numeric / $2)
		|| ' + ' || round(pg_indexes_size('cms.coupon')::numeric / $2)")"
	offer 'code_method' "'UPLOADED'" >"$work/offer"
	offer_id=$(cat "$work/offer")
	for ((from = 0; from < 4 * (alone + stride); from += 20000)); do
		sql -c "SELECT count(*) FROM cms.cms_upload_codes($offer_id, ARRAY(SELECT 'B' || i FROM generate_series($from + 1, $from + 20000) i),
			ARRAY(SELECT 'b' || i FROM generate_series($from + 1, $from + 20000) i)) WHERE loaded" >"$work/out"
	done
	# an offer ends with its claim
	[ "$1" != purge ] || sql -c "SELECT 1 FROM cms.cms_claim($removed, 'DVS', ends_on => '2020-12-31')" >"$work/out"
	measure "$1" "$on" 'one statement' "$3" "$2" "${5//OFFER/$removed}"
	redeem_beside 0 $alone
	sleep "${CMS_BENCH_ALONE:-10}"
	redeem_no_more alone "$1" "$on"
	redeem_beside $((4 * alone)) $stride
	measure "$1" "$on" cms "$3" "$2" "${4//OFFER/$removed}"
	redeem_no_more beside "$1" "$on"
	recount "$1"
	[ "$(sql -c "SELECT count(*) FROM cms.coupon WHERE offer_id = $removed AND revoked_at IS NULL")" = 0 ] || fail "$1: not all are gone"
}

# Redemptions at an even rate, in the background; each by another customer.
redeem_beside() { # FIRST EACH
	cat >"$work/beside.pgbench" <<-'END'
		\set i :i + 1
		\set n :start + :client_id * :each + :i
		SELECT * FROM cms.cms_redeem('B' || :n, 'b' || :n, 100, 'bill');
	END
	rm -f "$work"/log.*
	pgbench -n -M prepared -c 4 -j 1 -T 3600 -R "$tills" -l --log-prefix="$work/log" -D i=0 -D start="$1" -D each="$2" \
		-f "$work/beside.pgbench" >"$work/pgbench" 2>&1 &
	redeemer=$!
	sleep 1
}
# SIGALRM is how pgbench learns that its time is over. The first second, of plans and caches, does not count.
redeem_no_more() { # WHICH CASE ON
	kill -ALRM "$redeemer"
	wait "$redeemer" || { cat "$work/pgbench" >&2; fail "$2: redemptions failed"; }
	awk -v which="$1" '{ print $3 / 1000, $5 }' "$work"/log.* | sort -k2n | awk 'NR == 1 { first = $2 } $2 > first + 1 { print $1 }' >>"$work/latency.$2.$1"
}
tell_latencies() { # CASE SIZE
	local which
	for which in alone beside; do
		figure "$1" "$(thousands "$2")" "redemptions of another offer, $tills a second, $which: median, p99, longest" "$(sort -n "$work/latency.$1.$which" | awk '{ t[NR] = $1 }
			END { printf "%.1f, %.1f, %.1f ms", t[int(NR * 0.5 + 0.5)], t[int(NR * 0.99 + 0.5)], t[NR] }')"
		rm "$work/latency.$1.$which"
	done
	drop bench_remove
}

# Coupons and redemptions in one table each, and partitioned by hash of org_id: what one org pays for it.
case_partition() {
	local size=${sizes[0]} calls=5000 round parts who
	for ((round = 1; round <= rounds; round++)); do
		for parts in 0 4 16; do
			fresh bench_partition
			who='one table'
			[ $parts = 0 ] || { who="$parts partitions" && partition coupon $parts && partition redemption $parts; }
			offer 'code_method' "'UPLOADED'" >"$work/offer"
			sql -c "SELECT count(*) FROM cms.cms_upload_codes($(cat "$work/offer"), ARRAY(SELECT 'B' || i FROM generate_series(1, $calls) i),
				ARRAY(SELECT 'b' || i FROM generate_series(1, $calls) i))" >"$work/out"
			# shellcheck disable=SC2016
			measure partition 'redemptions, one by one' "$who" "$round" "$calls" 'DO $$ BEGIN
				FOR i IN 1 .. '$calls' LOOP
					PERFORM cms.cms_redeem($q$B$q$ || i, $q$b$q$ || i, 100, $q$bill$q$);
					COMMIT;
				END LOOP; END $$;'
			customers "$size"
			offer >"$work/offer"
			measure partition 'cms_issue_all' "$who" "$round" "$size" "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer');"
			[ "$(sql -c 'SELECT count(*) FROM cms.coupon')" = $((size + calls)) ] || fail 'partition: not every customer has a coupon'
			recount partition
		done
	done
	drop bench_partition
}
# Only for measuring: the views still read the table that was there before.
partition() { # TABLE PARTITIONS
	sql <<-SQL
		ALTER TABLE cms.$1 RENAME TO $1_before;
		CREATE TABLE cms.$1 (LIKE cms.$1_before INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING CONSTRAINTS) PARTITION BY HASH (org_id);
		ALTER TABLE cms.$1 OWNER TO cms_owner;
		SELECT format('CREATE TABLE cms.$1_%s PARTITION OF cms.$1 FOR VALUES WITH (MODULUS $2, REMAINDER %s) WITH (fillfactor = 90)', i, i)
		FROM generate_series(0, $2 - 1) i \gexec
		SELECT format('ALTER TABLE cms.$1_%s OWNER TO cms_owner', i) FROM generate_series(0, $2 - 1) i \gexec
		CREATE TRIGGER written_by_actions_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cms.$1
			FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_guard();
	SQL
}
