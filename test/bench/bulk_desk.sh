# shellcheck shell=bash
# Cases of test/bench/bulk: what the desk costs beside few and many coupons. A "row" is a call.

# A thousand offers; a hundred of them share the coupons.
case_desk() {
	local size round offer on
	for size in 1000 "${sizes[@]}"; do
		fresh bench_desk
		sql -c "INSERT INTO cms.offer (name, discount_type, discount_value) SELECT 'Offer ' || i, 'PERCENTAGE', 20 FROM generate_series(1, 1000) i"
		customers $((size / 100))
		for offer in $(sql -c 'SELECT offer_id FROM cms.offer WHERE offer_id % 10 = 0'); do
			sql -c "CALL cms.cms_issue_all($offer, 'SELECT id FROM customer')" >"$work/out"
		done
		[ "$(sql -c 'SELECT count(*) FROM cms.coupon')" = $((size / 100 * 100)) ] || fail "desk: not all coupons are there"
		sql -c 'VACUUM ANALYZE'
		on="1,000 offers, $(thousands "$size") coupons"
		for ((round = 1; round <= rounds; round++)); do
			desk_calls "$on" 'cms_offers, a page of 50' "$round" 'cms.cms_offers(how_many => 49 + c.one)'
			desk_calls "$on" 'cms_offers, searched' "$round" "cms.cms_offers('offer 77', how_many => 49 + c.one)"
			desk_calls "$on" cms_offer_info "$round" 'cms.cms_offer_info((1 + c.n * 3)::bigint)'
			desk_calls "$on" 'cms_preview_offer, a saved one' "$round" 'cms.cms_preview_offer((1 + c.n * 3)::bigint)'
			desk_calls "$on" cms_series "$round" 'cms.cms_series(resolve => c.one > 1)'
		done
		recount desk
		drop bench_desk
	done
}

# The calls depend on the number of the call, so that each is made.
desk_calls() { # ON WHO ROUND CALL
	measure desk "$1" "$2" "$3" 300 "SELECT count(*) FROM (SELECT n, 1 AS one FROM generate_series(1, 300) n OFFSET 0) c, LATERAL (SELECT count(*) FROM $4) x;"
}
