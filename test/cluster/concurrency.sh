#!/usr/bin/env bash
# 64 sessions against each limit, at each isolation level. Afterwards the limit is reached exactly,
# every answer is accounted for, and nothing that recount() of test/isolation/oracle.sql looks at is
# wrong. No call fails, and none dies in a deadlock; only a fixed snapshot may be told to try again.
# The server keeps conflicts of SERIALIZABLE transactions in a pool whose size follows max_connections; 64
# sessions at once can use up that of 150.
# server: --set autovacuum=off --set max_connections=600
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"

# Under a fixed snapshot only one of the sessions that are counted at once gets through, so most of a
# large cap is given out before.
large_caps() {
	local used=$1 calls=$2 pool=$3 # used of the thousand, codes in stock
	scenario cap-1000 "$calls" "OFFER_LIMIT $((calls - 1000 + used)),done $((1000 - used))" <<-SQL
		CALL new_offer('LARGE', '{"max_redemptions": 1000, "max_uses_per_coupon": null}', 65);
		SELECT count(*) FROM generate_series(1, $used) i, cms.cms_redeem('LARGE-65', 'c64', 100, 'before ' || i, at => '2030-01-10 12:00+00');
		\run
		SELECT redeem('LARGE-' || 1 + :n % 64, 'c' || :n % 64, 'b' || :n);
	SQL
	scenario issue-1000 128 'OFFER_ISSUE_LIMIT 280,done 1000' <<-'SQL'
		CALL new_offer('ISSUE', '{"code_method": "GENERATED", "max_issued": 1000}');
		\run
		SELECT issue('ISSUE', 'c' || :n, 10);
	SQL
	scenario pool $((pool / 10 + 24)) "NO_CODES_LEFT 240,done $pool" <<-SQL
		CALL new_offer('POOL', '{}', $pool, 0);
		\run
		SELECT issue('POOL', 'c' || :n, 10);
	SQL
}

coupons_and_customers() {
	scenario single 64 'ALREADY_REDEEMED 63,done 1' <<-'SQL'
		CALL new_offer('SINGLE', '{}', 1);
		\run
		SELECT redeem('SINGLE-1', 'c0', 'b' || :n);
	SQL
	scenario customer 128 'CUSTOMER_LIMIT 64,done 64' <<-'SQL'
		CALL new_offer('CUSTOMER', '{"max_uses_per_customer": 1}', 128, 2);
		\run
		SELECT redeem('CUSTOMER-' || :n, 'c' || (:n - 1) / 2, 'b' || :n);
	SQL
	scenario one-customer 64 'CUSTOMER_LIMIT 61,done 3' <<-'SQL'
		CALL new_offer('CUSTOMER', '{"max_uses_per_customer": 3}', 64, 64);
		\run
		SELECT redeem('CUSTOMER-' || :n, 'c0', 'b' || :n);
	SQL
	scenario gap 128 'GAP_TOO_SHORT 64,done 64' <<-'SQL'
		CALL new_offer('GAP', '{"min_days_between_uses": 7, "max_uses_per_coupon": 2}', 128, 2);
		\run
		SELECT redeem('GAP-' || :n, 'c' || (:n - 1) / 2, 'b' || :n);
	SQL
	scenario shared 64 'CUSTOMER_LIMIT 48,done 16' <<-'SQL'
		CALL new_offer('SHARED', '{"anyone_may_redeem": true, "max_uses_per_coupon": null, "max_uses_per_customer_and_coupon": 1}', 1);
		\run
		SELECT redeem('SHARED-1', 'c' || :n % 16, 'b' || :n);
	SQL
	scenario bill 64 'again 54,done 10' <<-'SQL'
		CALL new_offer('BILL', '{"max_uses_per_coupon": null}', 10);
		\run
		SELECT redeem('BILL-' || 1 + :n % 10, 'c' || :n % 10, 'b');
	SQL
	scenario common 128 'again 112,done 16' <<-'SQL'
		CALL new_offer('COMMON', '{"code_method": "COMMON", "common_code": "WELCOME", "anyone_may_redeem": true}');
		\run
		SELECT redeem('WELCOME', CASE WHEN :n % 2 = 0 THEN 'c' || :n % 16 END, 'b' || :n % 16);
	SQL
}

caps_and_budgets() {
	local given
	scenario cap-10 64 'OFFER_LIMIT 54,done 10' <<-'SQL'
		CALL new_offer('CAP', '{"max_redemptions": 10}', 64);
		\run
		SELECT redeem('CAP-' || :n, 'c' || :n - 1, 'b' || :n);
	SQL
	# just below and above what makes a further slot worth it
	scenario caps 128 - <<-'SQL'
		CALL new_offer('A', '{"max_redemptions": 1}', 128);
		CALL new_offer('B', '{"max_redemptions": 65}', 128);
		CALL new_offer('C', '{"max_redemptions": 127, "max_discount_total": 1265}', 128);
		\run
		SELECT redeem('A-' || :n, 'c' || :n - 1, 'b' || :n);
		SELECT redeem('B-' || :n, 'c' || :n - 1, 'b' || :n);
		SELECT redeem('C-' || :n, 'c' || :n - 1, 'b' || :n);
	SQL
	expect 'caps: given out to the last' '1 65 126' "SELECT string_agg(uses::text, ' ' ORDER BY offer_code) FROM outcome"
	scenario roomy 128 'done 128' <<-'SQL'
		CALL new_offer('ROOMY', '{"max_redemptions": 100000}', 128);
		\run
		SELECT redeem('ROOMY-' || :n, 'c' || :n - 1, 'b' || :n);
	SQL
	scenario uncapped 192 'done 192' <<-'SQL'
		CALL new_offer('UNCAPPED', '{}', 192);
		\run
		SELECT redeem('UNCAPPED-' || :n, 'c' || :n - 1, 'b' || :n);
	SQL
	expect 'uncapped: sessions count in slots of their own' t "SELECT count(*) > 16 FROM cms.offer_slot
		WHERE org_id = cms.cms_current_org() AND uses > 0"
	scenario budget 64 'BUDGET_SPENT 54,done 10' <<-'SQL'
		CALL new_offer('BUDGET', '{"max_discount_total": 105}', 64);
		\run
		SELECT redeem('BUDGET-' || :n, 'c' || :n - 1, 'b' || :n);
	SQL
	scenario cents 64 'BUDGET_SPENT 54,done 10' <<-'SQL'
		CALL new_offer('CENTS', '{"discount_value": 0.03, "max_discount_total": 0.32}', 64);
		\run
		SELECT redeem('CENTS-' || :n, 'c' || :n - 1, 'b' || :n);
	SQL
	# of unequal ones, nobody is refused whose discount still fits
	scenario unequal 64 - <<-'SQL'
		CALL new_offer('UNEQUAL', '{"discount_type": "PERCENTAGE", "discount_value": 100, "max_discount_total": 1000}', 64);
		\run
		SELECT redeem('UNEQUAL-' || :n, 'c' || :n - 1, 'b' || :n, :n * 1.25);
	SQL
	expect 'unequal: the budget holds, and has no room for any that was refused' t "SELECT discount_given <= 1000
		AND discount_given + (SELECT min(amount) FROM answer WHERE org_id = cms.cms_current_org() AND reason = 'BUDGET_SPENT') > 1000 FROM outcome"
	given=$(sql -c "SELECT uses FROM outcome")
	and_then unequal-again 64 "BUDGET_SPENT $((64 - given)),again $given" <<<"SELECT redeem('UNEQUAL-' || :n, 'c' || :n - 1, 'b' || :n, :n * 1.25);"
}

issues() {
	scenario issue-10 64 'OFFER_ISSUE_LIMIT 54,done 10' <<-'SQL'
		CALL new_offer('ISSUE', '{"code_method": "GENERATED", "max_issued": 10}');
		\run
		SELECT issue('ISSUE', 'c' || :n);
	SQL
	scenario each 128 'CUSTOMER_ISSUE_LIMIT 96,done 32' <<-'SQL'
		CALL new_offer('EACH', '{"code_method": "GENERATED", "max_issued_per_customer": 2}');
		\run
		SELECT issue('EACH', 'c' || :n % 16);
	SQL
	# one of two offers each
	scenario pairs 128 'RECENTLY_RECEIVED_OTHER 64,done 64' <<-'SQL'
		CALL new_offer('THIS', '{"code_method": "GENERATED"}');
		CALL new_offer('THAT', '{"code_method": "GENERATED"}');
		INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (offer('THIS'), offer('THAT')), (offer('THAT'), offer('THIS'));
		\run
		SELECT issue(CASE WHEN :n % 2 = 0 THEN 'THIS' ELSE 'THAT' END, 'c' || (:n - 1) / 2);
	SQL
	many '{"code_method": "GENERATED", "max_issued": 200, "max_issued_per_customer": 20}' 0
	many '{"max_issued": 200, "max_issued_per_customer": 20}' 300
	scenario claim 64 - <<-'SQL'
		INSERT INTO cms.offer (code, name, discount_type, discount_value) SELECT 'CLAIM-' || i, 'claimed', 'FIXED_AMOUNT', 10 FROM generate_series(1, 5) i;
		\run
		INSERT INTO answer (reason) SELECT c.reason FROM cms.cms_claim(offer('CLAIM-' || 1 + :n % 5), 'OUTBOUND', 'k' || :n / 5 % 7, at => '2030-01-10 12:00+00') c;
	SQL
	expect 'claim: each offer by a campaign of its own' '5 5' "SELECT count(*) || ' ' || count(DISTINCT consumer_ref) FROM cms.claim
		WHERE org_id = cms.cms_current_org()"
	scenario upload 64 - <<-'SQL'
		CALL new_offer('LEFT');
		CALL new_offer('RIGHT');
		\run
		SELECT count(*) FROM cms.cms_upload_codes(offer((ARRAY['LEFT', 'RIGHT'])[1 + :n % 2]),
			ARRAY(SELECT 'TWIN-' || i FROM generate_series(1, 100) i ORDER BY random()), at => '2030-01-10 12:00+00');
	SQL
	expect 'upload: each code once' '100 100' "SELECT sum(stock) || ' ' || (SELECT count(*) FROM cms.coupon
		WHERE org_id = cms.cms_current_org() AND code LIKE 'TWIN-%') FROM outcome"
}
many() {
	scenario many 64 - <<-SQL
		CALL new_offer('MANY', '$1', $2, 0);
		\run
		SELECT count(*) FROM cms.cms_issue_many(offer('MANY'),
			ARRAY(SELECT 'c' || i FROM generate_series(1, 20) i ORDER BY random() LIMIT 5), at => '2030-01-10 12:00+00');
	SQL
	expect 'many: overlapping calls issue 200' 200 "SELECT issued FROM outcome"
}

taking_back() {
	scenario revoke 64 - <<-'SQL'
		CALL new_offer('REVOKE', '{}', 32);
		\run
		\if :n % 2 = 0
		SELECT redeem('REVOKE-' || :n / 2, 'c' || :n / 2 - 1, 'b' || :n);
		\else
		SELECT revoke('REVOKE', 'REVOKE-' || (:n + 1) / 2);
		\endif
	SQL
	expect 'revoke: each coupon is either redeemed or revoked' '32 t t' "SELECT count(*) FILTER (WHERE reason IN ('done', 'revoked')) || ' '
		|| (count(*) FILTER (WHERE reason = 'done') = count(*) FILTER (WHERE reason = 'left'))::char || ' '
		|| (count(*) FILTER (WHERE reason = 'revoked') = count(*) FILTER (WHERE reason = 'COUPON_REVOKED'))::char
		FROM answer WHERE org_id = cms.cms_current_org()"
	scenario reversals 64 'ALREADY_REVERSED 63,reversed 1' <<-'SQL'
		CALL new_offer('REVERSALS', '{"max_redemptions": 1, "max_uses_per_customer": 1}', 1);
		SELECT FROM cms.cms_redeem('REVERSALS-1', 'c0', 100, 'before', at => '2030-01-10 12:00+00');
		\run
		SELECT take_back('before');
	SQL
	scenario reverse 64 - <<-'SQL'
		CALL new_offer('REVERSE', '{"max_redemptions": 1, "max_uses_per_customer": 1, "max_discount_total": 10}', 1);
		SELECT FROM cms.cms_redeem('REVERSE-1', 'c0', 100, 'before', at => '2030-01-10 12:00+00');
		\run
		\if :n % 2 = 0
		SELECT take_back('before');
		\else
		SELECT redeem('REVERSE-1', 'c0', 'b' || :n);
		\endif
	SQL
	sql -c "SET t.scenario = 'reverse'; SELECT redeem('REVERSE-1', 'c0', 'last')"
	expect 'reverse: what was given back is given once more' '1 1 1' "SELECT count(*) FILTER (WHERE reason = 'reversed') || ' '
		|| count(*) FILTER (WHERE reason = 'done') || ' ' || (SELECT uses FROM outcome) FROM answer WHERE org_id = cms.cms_current_org()"
}

changes() {
	# caps come and go, and are below what is counted at times; then what is left is given out to the last
	lowered=true scenario moved 192 - <<-'SQL'
		CALL new_offer('MOVED', '{"max_redemptions": 700, "max_uses_per_coupon": null}', 64);
		SELECT count(*) FROM generate_series(1, 100) i, cms.cms_redeem('MOVED-1', 'c0', 100, 'before ' || i, at => '2030-01-10 12:00+00');
		\run
		\set what :n % 16
		\if :what = 1
		SELECT set_offer('MOVED', '{"max_redemptions": 50, "max_discount_total": null}');
		\elif :what = 2
		SELECT set_offer('MOVED', '{"max_redemptions": null, "max_discount_total": 3000}');
		\elif :what = 3
		SELECT set_offer('MOVED', '{"max_redemptions": 700, "max_discount_total": 500}');
		\elif :what < 6
		SELECT take_back_any('MOVED');
		\else
		SELECT redeem('MOVED-' || 1 + :n % 64, 'c' || :n % 64, 'b' || :n);
		\endif
	SQL
	sql -c "SELECT set_offer('MOVED', jsonb_build_object('max_discount_total', NULL, 'max_redemptions', (SELECT uses + 30 FROM outcome)))"
	and_then moved-on 64 'OFFER_LIMIT 34,done 30' <<<"SELECT redeem('MOVED-' || :n, 'c' || :n - 1, 'on ' || :n);"
	# what is given back below a lowered cap is not given out again until there is room
	lowered=true scenario lowered 64 'reversed 64' <<-'SQL'
		CALL new_offer('LOWERED', '{"max_redemptions": 700, "max_discount_total": 7000, "max_uses_per_coupon": null}', 128);
		SELECT count(*) FROM generate_series(1, 128) i, cms.cms_redeem('LOWERED-' || i, 'c' || i - 1, 100, 'before ' || i, at => '2030-01-10 12:00+00');
		SELECT count(*) FROM generate_series(1, 472) i, cms.cms_redeem('LOWERED-1', 'c0', 100, 'more ' || i, at => '2030-01-10 12:00+00');
		SELECT set_offer('LOWERED', '{"max_redemptions": 540}');
		\run
		SELECT take_back('before ' || :n);
	SQL
	and_then lowered-on 64 'OFFER_LIMIT 60,done 4' <<<"SELECT redeem('LOWERED-' || :n, 'c' || :n - 1, 'b' || :n);"
	sql -c "SELECT set_offer('LOWERED', '{\"max_redemptions\": null, \"max_discount_total\": 4800}')"
	and_then lowered-budget 64 'reversed 64' <<<"SELECT take_back('before ' || 64 + :n);"
	and_then lowered-budget-on 64 'BUDGET_SPENT 60,done 4' <<<"SELECT redeem('LOWERED-' || 64 + :n, 'c' || 63 + :n, 'b' || :n);"
	# the rules about customers come and go
	lowered=true scenario rules 192 - <<-'SQL'
		CALL new_offer('RULES', '{"max_redemptions": 1000, "max_uses_per_coupon": null}', 64, 8);
		CALL set_rules('RULES', NULL, NULL);
		\run
		\set what :n % 24
		\if :what = 1
		CALL set_rules('RULES', 1, NULL);
		\elif :what = 2
		CALL set_rules('RULES', NULL, NULL);
		\elif :what = 3
		CALL set_rules('RULES', 12, NULL);
		\elif :what = 4
		CALL set_rules('RULES', NULL, 7);
		\elif :what = 5
		SELECT set_offer('RULES', '{"max_uses_per_customer_and_coupon": 3}');
		\elif :what = 6
		SELECT set_offer('RULES', '{"max_uses_per_customer_and_coupon": null}');
		\else
		SELECT redeem('RULES-' || 1 + :n % 64, 'c' || :n % 64 / 8, 'b' || :n);
		\endif
	SQL
	expect 'rules: nobody got more than the rules of the time allow' 0 "SELECT count(*) FROM beyond_rules"
	sql -c "SELECT set_offer('RULES', '{\"max_uses_per_customer_and_coupon\": null}')" -c "CALL set_rules('RULES', 30, NULL)"
	# an offer is read by several statements, and changed meanwhile: 20 off whenever nobody may redeem
	scenario states 1280 - <<-'SQL'
		CALL new_offer('STATES', '{"max_uses_per_coupon": null}', 64);
		\run
		\set what :n % 8
		\if :what = 1
		CALL close_offer('STATES');
		\elif :what = 5
		CALL open_offer('STATES');
		\else
		SELECT redeem('STATES-' || 1 + :n % 64, 'c' || :n % 64, 'b' || :n);
		\endif
	SQL
	expect 'states: nobody got what none of them allows' 'f' \
		"SELECT COALESCE(bool_or(discount <> 10), true) FROM cms.redemption WHERE org_id = cms.cms_current_org()"
}

# Everything at once, in a circle of few coupons and customers.
everything() {
	lowered=true scenario everything 256 - <<-'SQL'
		CALL new_offer('MIX', '{"max_uses_per_coupon": 3, "max_redemptions": 60, "max_discount_total": 500, "max_uses_per_customer": 6}', 40, 2);
		CALL new_offer('ISSUED', '{"code_method": "GENERATED", "max_uses_per_coupon": 2, "max_redemptions": 60, "max_issued": 100}');
		\run
		\set what random(1, 16)
		\set m random(1, 40)
		\if :what < 8
		SELECT redeem('MIX-' || :m, 'c' || (:m - 1) / 2, 'b' || :n);
		\elif :what < 10
		SELECT take_back_any('MIX');
		\elif :what = 10
		SELECT reason FROM cms.cms_check('MIX-' || :m, 'c' || (:m - 1) / 2, 100, at => '2030-01-10 12:00+00');
		\elif :what = 11
		SELECT * FROM cms.cms_revoke(offer('MIX'), 'CODES', codes => ARRAY['MIX-' || :m, 'MIX-' || 1 + (:m * 7) % 40],
			confirm => true, at => '2030-01-10 12:00+00');
		\elif :what < 14
		SELECT redeem(i.code, i.customer_id, 'b' || :n) FROM cms.cms_issue(offer('ISSUED'), 'c' || :m, at => '2030-01-10 12:00+00') i;
		\elif :what = 14
		SELECT set_offer('MIX', jsonb_build_object('max_redemptions', 40 + :m));
		\elif :what = 15
		SELECT set_offer('MIX', jsonb_build_object('max_uses_per_customer', 4 + :m % 4));
		\else
		SELECT take_back_any('ISSUED');
		\endif
	SQL
}

run() {
	at_level "$1"
	coupons_and_customers
	caps_and_budgets
	large_caps "$2" "$3" "$4"
	issues
	taking_back
	changes
	everything
}

run 'read committed' 0 1088 10000
run 'repeatable read' 936 128 400
run serializable 980 64 400
exit $failed
