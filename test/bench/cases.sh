# shellcheck shell=bash
# The cases, read by test/bench/run. Of rivals that need milliseconds where others need microseconds fewer
# calls are made, so that all run about as long.

everyone=floor,bare,peer,naive

# Distinct coupons of 100 offers, so that no offer is hot: first the processor is the limit, then the disk.
case_distinct() {
	local part=$((calls / 2))
	make_database bench_distinct
	make_group spread 100 $((rounds * (calls + part))) $everyone
	start_clean
	local rivals=('cms|redeem|spread|100|100 offers' 'floor|redeem|spread|100|100 offers' 'bare|redeem|spread|100|100 offers'
		'peer|redeem|spread|100|100 offers' 'naive|redeem|spread|100|100 offers')
	interleave distinct "$clients" off "$calls" "${rivals[@]}"
	interleave distinct "$many" on $part "${rivals[@]}"
	finish distinct
}

# Distinct coupons of one offer without a cap, whose counters everybody writes.
case_single() {
	local part=$((calls / 2))
	make_database bench_single
	make_group single 1 $((rounds * (calls + part))) $everyone
	start_clean
	interleave single "$clients" off "$calls" 'cms|redeem|single|100|one offer' 'floor|redeem|single|100|one offer' \
		'bare|redeem|single|100|one offer' 'peer|redeem|single|100|one offer' 'naive|redeem|single|100|one offer'
	interleave single "$many" on $part 'cms|redeem|single|100|one offer' 'floor|redeem|single|100|one offer' \
		'bare|redeem|single|100|one offer' 'peer|redeem|single|25|one offer' 'naive|redeem|single|25|one offer'
	finish single
}

# The flash sale: one offer with a cap, against the same on 1,000 offers. The cap is twice what is used up.
case_hot() {
	local part=$((calls / 2))
	local total=$((rounds * part))
	make_database bench_hot
	make_group hot 1 $total peer,naive "max_redemptions => 2 * $total"
	make_group thousand 1000 $total peer,floor "max_redemptions => 2 * $total"
	start_clean
	interleave hot "$many" on $part 'cms|redeem|hot|100|one offer, capped' 'cms|redeem|thousand|100|1,000 offers, capped' \
		'peer|redeem|hot|25|one offer, capped' 'peer|redeem|thousand|100|1,000 offers, capped' \
		'naive|redeem|hot|25|one offer, capped' 'floor|redeem|thousand|100|1,000 offers, capped'
	finish hot
}

# More calls than the cap allows: how many are told yes?
case_exact() {
	local cap=$((calls / 8)) kind
	make_database bench_exact
	make_group exact 1 $((cap * 2)) peer,naive "max_redemptions => $cap"
	start_clean
	for kind in cms peer naive; do
		run_calls $kind redeem exact "$many" on $((cap * 2))
		note exact $kind "$many" $cap $((used["$kind|exact"])) \
			"$(sql -c "SELECT count(*) FROM $kind.redemption WHERE org_id = ${org[exact]} AND reversed_at IS NULL")"
	done
	[ "$(awk '$1 != "naive" && $5 != $3' "$work/exact")" = '' ] || fail "exact: not exactly $cap"
	finish exact refusals
}

# What it costs to reserve a use for an order first: two calls in place of one, each in a transaction of its own.
case_hold() {
	local part=$((calls / 2))
	make_database bench_hold
	make_group held 100 $((rounds * part * 2)) '' 'max_redemptions => 1000000, max_uses_per_customer => 5'
	start_clean
	interleave hold "$clients" off $part 'cms|redeem|held|100|redeemed at once' 'cms|hold|held|100|held, then confirmed'
	finish hold
}

case_check() {
	make_database bench_check
	make_group check 100 20000 floor
	start_clean
	interleave check "$clients" off $((calls * 5)) 'cms|check|check|100|100 offers' 'floor|check|check|100|100 offers'
	finish check
}

# At most one for each customer; every customer is new. The floor writes the same row and counts nothing.
case_issue() {
	make_database bench_issue
	make_group few 100 $((rounds * calls)) floor,peer 'max_issued_per_customer => 1'
	make_group sole 1 $((rounds * calls)) floor,peer 'max_issued_per_customer => 1'
	start_clean
	interleave issue "$clients" off "$calls" 'cms|issue|few|100|100 offers' 'floor|issue|few|100|100 offers' \
		'peer|issue|few|100|100 offers' 'cms|issue|sole|100|one offer' 'floor|issue|sole|100|one offer' \
		'peer|issue|sole|100|one offer'
	finish issue
}

# One session: a customer who has redeemed 10,000 coupons of the offer, against one new customer after the other.
case_history() {
	local part=$((calls / 8)) past=10000 group kind
	[ "$calls" -ge 10000 ] || past=1000
	make_database bench_history
	make_group plain 1 $((past + 2 * rounds * part)) peer 'anyone => true'
	make_group limited 1 $((past + 2 * rounds * part)) peer 'anyone => true, max_uses_per_customer => 1000000'
	for group in plain limited; do
		for kind in cms peer; do run_calls $kind past $group 1 off $past; done
	done
	start_clean
	past="$(thousands $past)"
	interleave history 1 off $part "cms|redeem|plain|100|no rule about customers, $past uses: none" \
		"cms|past|plain|100|no rule about customers, $past uses: all" \
		"cms|redeem|limited|100|limit per customer, $past uses: none" \
		"cms|past|limited|100|limit per customer, $past uses: all" \
		"peer|redeem|limited|100|limit per customer, $past uses: none" \
		"peer|past|limited|25|limit per customer, $past uses: all"
	finish history
}

# Few coupons against many: what the size of tables and indexes costs.
case_fill() {
	local size rivals=()
	for size in "${fills[@]}"; do
		[ "$size" -ge $((rounds * calls)) ] || fail "fill: $size coupons are too few for $rounds rounds"
		make_database "bench_fill_$size"
		make_group "fill_$size" 100 "$size" floor
		rivals+=("cms|redeem|fill_$size|100|$(thousands "$size") coupons" "floor|redeem|fill_$size|100|$(thousands "$size") coupons")
	done
	start_clean
	interleave fill "$clients" off "$calls" "${rivals[@]}"
	finish fill
}

# One session: what one call writes, looks at and takes of the processor, which hardly depends on what else the machine
# does. Right after a checkpoint the first change of each page writes the page as a whole; without those images the
# records themselves are left.
case_cost() {
	local part=$((calls / 4)) size=$((calls * 4)) rival kind verb group what before after ticks images
	make_database bench_cost
	make_group free 1 $size floor,bare,peer
	# what is in bare has no org
	make_group ruled 1 $size floor,peer 'max_redemptions => 1000000, max_uses_per_customer => 5'
	make_group issued 1 $size floor,peer 'max_issued_per_customer => 1'
	start_clean
	for rival in 'cms|redeem|free|redeem, no limits' 'floor|redeem|free|redeem, no limits' \
		'bare|redeem|free|redeem, no limits' 'peer|redeem|free|redeem, no limits' \
		'cms|redeem|ruled|redeem, a cap and a limit per customer' 'peer|redeem|ruled|redeem, a cap and a limit per customer' \
		'cms|check|issued|check' 'floor|check|issued|check' \
		'cms|issue|issued|issue' 'floor|issue|issued|issue' 'peer|issue|issued|issue'; do
		IFS='|' read -r kind verb group what <<<"$rival"
		sql -c CHECKPOINT
		before=$(spent)
		run_calls "$kind" "$verb" "$group" 1 off $part
		after=$(spent)
		images=$(awk -v n=$part -v a="$before" -v b="$after" 'BEGIN { split(a, x); split(b, y)
			printf "%.0f\t%.2f", (y[1] - x[1]) / n, (y[3] - x[3]) / n }')
		full_pages off
		before=$(spent)
		ticks=$(processor)
		run_calls "$kind" "$verb" "$group" 1 off $((part * 2))
		ticks=$(($(processor) - ticks))
		after=$(spent)
		note cost "$kind" "$what" "$images" "$(awk -v n=$((part * 2)) -v a="$before" -v b="$after" 'BEGIN { split(a, x)
			split(b, y); printf "%.0f\t%.1f\t%.1f", (y[1] - x[1]) / n, (y[2] - x[2]) / n, (y[4] - x[4]) / n }')" \
			$((ticks * 1000000 / $(getconf CLK_TCK) / (part * 2)))
		full_pages on
	done
	finish cost
}

full_pages() {
	sql -c "ALTER SYSTEM SET full_page_writes = $1" -c 'SELECT pg_reload_conf()' >/dev/null
	until [ "$(sql -c 'SHOW full_page_writes')" = "$1" ]; do sleep 0.1; done
}

# WAL in bytes, its records and images of pages, and buffers of tables, indexes and sequences looked at so far. A
# session tells its numbers when it ends, so those that were measured have to be gone.
spent() {
	until [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")" = 1 ]; do sleep 0.1; done
	sql -F ' ' -c "SELECT pg_current_wal_insert_lsn() - '0/0', w.wal_records, w.wal_fpi,
		(SELECT sum(heap_blks_hit + heap_blks_read + COALESCE(idx_blks_hit + idx_blks_read, 0)) FROM pg_statio_user_tables)
		+ (SELECT sum(blks_hit + blks_read) FROM pg_statio_user_sequences)
		FROM pg_stat_wal w"
}

# Processor time, in ticks, of all sessions that have ended: what the postmaster knows of its children.
processor() {
	sleep 0.3
	awk '{ print $16 + $17 }' "/proc/$(sql -c "SELECT pg_read_file('postmaster.pid', 0, 20)" | head -n 1)/stat"
}
