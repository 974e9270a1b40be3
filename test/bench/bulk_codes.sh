# shellcheck shell=bash
# Cases of test/bench/bulk: codes used up to the last, brought in and copied out.
#
#   CMS_BENCH_SAMPLE   sample of the case "exhaust" (TESTS12345: 60,466,176 codes, 30 GB; quick TS123)
#   CMS_BENCH_STOCK    codes of the case "stock" (the first of CMS_BENCH_BULK)

# Every code of a sample: the first of them beside the last.
case_exhaust() {
	local sample=${CMS_BENCH_SAMPLE:-TESTS12345} piece=1000000 space from
	[ -z "${CMS_BENCH_QUICK:-}" ] || { sample=${CMS_BENCH_SAMPLE:-TS123} piece=5000; }
	fresh bench_exhaust
	offer 'code_method, sample_code' "'RANDOMISED', '$sample'" >"$work/offer"
	space=$(sql -c "SELECT space FROM cms.cms_code_capacity($(cat "$work/offer"))")
	exhaust_piece first "$piece" 0
	# between them, by ten pieces at a time
	for ((from = piece; from < space - piece; from += 10 * piece)); do
		local count=$((space - piece - from < 10 * piece ? space - piece - from : 10 * piece))
		customers "$count" "$from"
		sql -c "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer')" >"$work/out"
		sql -c "COPY (SELECT * FROM cms.coupon WHERE customer_id >= (SELECT min(id) FROM customer)) TO '$rows_file'" \
			-c "COPY copied FROM '$rows_file'"
	done
	exhaust_piece last "$piece" $((space - piece))
	recount exhaust
	[ "$(sql -c "SELECT count(*) || ' ' || count(DISTINCT code) FROM cms.coupon")" = "$space $space" ] || fail 'exhaust: not each code once'
	[ "$(sql -c "SELECT reason FROM cms.cms_issue($(cat "$work/offer"), 'one more')")" = NO_CODES_LEFT ] || fail 'exhaust: there are more codes'
	figure exhaust "$(thousands "$space") codes" 'time of the last, relative to COPY, to that of the first (at most 1.20)' \
		"$(awk -F '\t' '$1 == "exhaust" { seconds[$2 " " $3] = $6; on[$2] = 1 }
			END { for (o in on) of[o] = seconds[o " cms"] / seconds[o " COPY"]
				for (o in on) if (o ~ /^first/) first = of[o]; else last = of[o]
				printf "%.2f", last / first }' "$work/bulk")"
	drop bench_exhaust
}
exhaust_piece() { # WHICH COUNT FROM
	local on
	on="$1 $(thousands "$2")"
	customers "$2" "$3"
	measure exhaust "$on" cms 1 "$2" "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer');"
	measure_copy exhaust "$on" 1 "$2" "SELECT * FROM cms.coupon WHERE customer_id >= (SELECT min(id) FROM customer)"
}

# Single issues from a large stock, at its start, and at its end while somebody holds a snapshot older than what is used up.
# Few of them, as the counters themselves keep all their versions for that snapshot.
case_stock() {
	local stock=${CMS_BENCH_STOCK:-${sizes[0]}} some=1000 round on holder
	on="stock of $(thousands "$stock")"
	for ((round = 1; round <= rounds; round++)); do
		fresh bench_stock
		offer >"$work/offer"
		sql -c "SELECT cms.cms_generate_codes($(cat "$work/offer"), $stock)" >"$work/out"
		old_snapshot
		issue_some "$on" 'single issues at its start' "$round" "$some" a
		no_old_snapshot
		sql -c 'VACUUM cms.offer_slot'
		old_snapshot
		customers $((stock - 2 * some))
		measure stock "$on" 'all but the last' "$round" $((stock - 2 * some)) "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer');"
		issue_some "$on" 'single issues at its end' "$round" "$some" z
		no_old_snapshot
		[ "$(sql -c 'SELECT sum(stock) FROM cms.offer_slot')" = 0 ] || fail 'stock: there are codes left'
		recount stock
		drop bench_stock
	done
}
old_snapshot() {
	PGAPPNAME=bench_old_snapshot sql -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT count(*) FROM cms.org' -c 'SELECT pg_sleep(100000)' >"$work/holder" 2>&1 &
	holder=$!
	until [ -s "$work/holder" ]; do sleep 0.1; done
}
no_old_snapshot() {
	sql -c "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'bench_old_snapshot'" >"$work/out"
	wait "$holder" || true
	: >"$work/holder"
}
issue_some() { # ON WHO ROUND COUNT PREFIX
	measure stock "$1" "$2" "$3" "$4" "DO 'BEGIN FOR i IN 1 .. $4 LOOP PERFORM cms.cms_issue($(cat "$work/offer"), ''$5'' || i); COMMIT; END LOOP; END';"
}

# A file of codes, every second with a customer, and one line in a hundred wrong.
case_upload() {
	local size=${sizes[0]} round on lines
	on="$(thousands "$size") lines"
	lines=$rows_file.lines
	for ((round = 1; round <= rounds; round++)); do
		fresh bench_upload
		offer code_method "'UPLOADED'" >"$work/offer"
		# in no order
		sql -c "COPY (SELECT $(cat "$work/offer"), CASE WHEN i % 100 = 0 THEN 'not good' ELSE 'F' || upper(left(md5(i::text), 14)) END,
			CASE WHEN i % 2 = 0 THEN 'c' || i END FROM generate_series(1, $size) i) TO '$lines'"
		measure upload "$on" 'COPY into code_upload' "$round" "$size" "COPY cms.code_upload (offer_id, code, customer_id) FROM '$lines';"
		measure upload "$on" 'cms_load_codes' "$round" "$size" "CALL cms.cms_load_codes($(cat "$work/offer"));"
		[ "$(sql -c 'SELECT (SELECT count(*) FROM cms.coupon) - (SELECT count(*) FROM cms.code_upload WHERE reason IS NOT NULL)')" = $((size - size / 100 * 2)) ] ||
			fail 'upload: not every line was loaded or rejected'
		recount upload
		measure_copy upload "$on" "$round" $((size - size / 100)) 'TABLE cms.coupon'
		rm -f "$lines"
		drop bench_upload
	done
}

# The codes of one offer of four, with their state, beside COPY of the columns alone.
case_export() {
	local size=${sizes[0]} round on i
	on="$(thousands "$size") of $(thousands $((4 * size)))"
	fresh bench_export
	customers "$size"
	for i in 1 2 3 4; do
		offer expires_on "'2125-12-31'" >"$work/offer"
		sql -c "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer')" >"$work/out"
	done
	sql -c 'VACUUM ANALYZE cms.coupon'
	for ((round = 1; round <= rounds; round++)); do
		export_round "$on" COPY "$round" "$size" 'SELECT code, customer_id, uses FROM cms.coupon WHERE offer_id = 2'
		export_round "$on" coupon_status "$round" "$size" 'SELECT code, customer_id, state FROM cms.coupon_status WHERE offer_id = 2'
		export_round "$on" 'coupon_status, issued and not revoked' "$round" "$size" \
			'SELECT code, customer_id, state FROM cms.coupon_status WHERE offer_id = 2 AND issued_at IS NOT NULL AND revoked_at IS NULL'
		export_round "$on, sorted" COPY "$round" "$size" 'SELECT code, customer_id, uses FROM cms.coupon WHERE offer_id = 2 ORDER BY code'
		export_round "$on, sorted" coupon_status "$round" "$size" 'SELECT code, customer_id, state FROM cms.coupon_status WHERE offer_id = 2 ORDER BY code'
	done
	drop bench_export
}
export_round() { # ON WHO ROUND ROWS QUERY
	measure export "$1" "$2" "$3" "$4" "COPY ($5) TO '$rows_file';"
	rm -f "$rows_file"
}
