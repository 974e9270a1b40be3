# shellcheck shell=bash
# Cases of test/bench/bulk: codes made and coupons issued.

# New coupons of a new offer, to customers in their order.
case_issue() {
	local size round
	for size in "${sizes[@]}"; do
		for ((round = 1; round <= rounds; round++)); do
			issue_round issue "$(thousands "$size")" "$round" "$size" 'SELECT id FROM customer'
		done
	done
}

# The same customers in no order.
case_unsorted() {
	local size=${sizes[0]} round
	for ((round = 1; round <= rounds; round++)); do
		issue_round unsorted "$(thousands "$size"), customers in no order" "$round" "$size" 'SELECT id FROM customer ORDER BY hashtext(id), id'
	done
}

issue_round() { # CASE ON ROUND SIZE QUERY
	local few
	fresh bench_bulk
	customers "$4"
	sql -f "$here/bulk_peer.sql"
	offer >"$work/offer"
	measure "$1" "$2" cms "$3" "$4" "CALL cms.cms_issue_all($(cat "$work/offer"), '$5');"
	[ "$(sql -c 'SELECT count(DISTINCT (customer_id, code)) FROM cms.coupon')" = "$4" ] || fail "$1: not every customer has a coupon"
	recount "$1"
	measure_copy "$1" "$2" "$3" "$4" 'TABLE cms.coupon'
	if [ "$1" = issue ] && [ "$4" -le 1000000 ]; then
		measure "$1" "$2" 'set-based PL/pgSQL' "$3" "$4" "CALL peer.issue_all(1, 100000);"
		few=$(($4 < 200000 ? $4 / 20 : 10000))
		measure "$1" "$2" 'row by row' "$3" $few "CALL peer.issue_each(2, $few);"
	fi
	drop bench_bulk
}

# Coupons of another offer are there already, of other customers.
case_fill() {
	local size=${sizes[0]} round on
	on="$(thousands "$size") beside $(thousands "$fill")"
	for ((round = 1; round <= rounds; round++)); do
		fresh bench_bulk
		customers "$fill"
		offer >"$work/offer"
		sql -c "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer')" >"$work/out"
		make_copied
		sql -c "SET synchronize_seqscans = off" -c "COPY (TABLE cms.coupon) TO '$rows_file'" -c "COPY copied FROM '$rows_file'"
		offer >"$work/offer"
		# half of them have the other offer too
		customers "$size" $((fill - size / 2))
		measure fill "$on" cms "$round" "$size" "CALL cms.cms_issue_all($(cat "$work/offer"), 'SELECT id FROM customer');"
		recount fill
		measure_copy fill "$on" "$round" "$size" "SELECT * FROM cms.coupon WHERE offer_id = $(cat "$work/offer")"
		drop bench_bulk
	done
}

# Codes into stock: in one transaction, and by batches.
case_generate() {
	local size round
	for size in "${sizes[@]}"; do
		for ((round = 1; round <= rounds; round++)); do
			fresh bench_bulk
			offer >"$work/offer"
			measure generate "$(thousands "$size") codes" cms "$round" "$size" "SELECT cms.cms_generate_codes($(cat "$work/offer"), $size);"
			recount generate
			measure_copy generate "$(thousands "$size") codes" "$round" "$size" 'TABLE cms.coupon'
			drop bench_bulk
		done
	done
}
