#!/usr/bin/env bash
# 64 sessions redeem bills of several coupons, half of them with the codes the other way round, at each
# isolation level. Each bill is redeemed as a whole or not at all; caps, budgets and customers' limits
# that its coupons share are reached exactly, and no two bills wait for each other in a circle.
# server: --set autovacuum=off
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"

sql <<'SQL'
-- the codes as they come, or the other way round
CREATE FUNCTION redeem_bill(codes text[], customer text, bill text, n int) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (reason) SELECT COALESCE(r.reason, CASE WHEN r.replayed THEN 'again' ELSE 'done' END)
FROM cms.cms_redeem_bill(CASE WHEN n % 2 = 0 THEN codes ELSE ARRAY(SELECT c FROM unnest(codes) WITH ORDINALITY u (c, o) ORDER BY o DESC) END,
	customer, 100, bill, at => '2030-01-10 12:00+00') r
$$;
SQL
# Bills that are there in part only: with as many redemptions as they have, when each has so many coupons.
whole() { # name coupons
	expect "$1: bills in part" 0 "SELECT count(*) FROM (SELECT FROM cms.redemption WHERE org_id = cms.cms_current_org()
		GROUP BY bill_ref HAVING count(*) <> $2) b"
}

coupons() {
	scenario pairs 128 'ALREADY_REDEEMED 224,done 32' <<-'SQL'
		CALL new_offer('A', '{}', 16);
		CALL new_offer('B', '{}', 16);
		\run
		SELECT redeem_bill(ARRAY['A-' || 1 + :n % 16, 'B-' || 1 + :n % 16], 'c' || :n % 16, 'b' || :n, :n / 16);
	SQL
	whole pairs 2
	scenario same-bill 128 'again 224,done 32' <<-'SQL'
		CALL new_offer('A', '{}', 16);
		CALL new_offer('B', '{}', 16);
		\run
		SELECT redeem_bill(ARRAY['A-' || 1 + :n % 16, 'B-' || 1 + :n % 16], 'c' || :n % 16, 'b' || :n % 16, :n / 16);
	SQL
	scenario common 128 'again 224,done 32' <<-'SQL'
		CALL new_offer('A', '{"code_method": "COMMON", "common_code": "HELLO", "anyone_may_redeem": true}');
		CALL new_offer('B', '{"code_method": "COMMON", "common_code": "WORLD", "anyone_may_redeem": true}');
		\run
		SELECT redeem_bill('{HELLO,WORLD}', CASE WHEN :n % 2 = 0 THEN 'c' || :n % 16 END, 'b' || :n % 16, :n / 16);
	SQL
	scenario customers 64 'CUSTOMER_LIMIT 80,done 48' <<-'SQL'
		CALL new_offer('A', '{"max_uses_per_customer": 3}', 64, 8);
		CALL new_offer('B', '{"max_uses_per_customer": 3}', 64, 8);
		\run
		SELECT redeem_bill(ARRAY['A-' || :n, 'B-' || :n], 'c' || (:n - 1) / 8, 'b' || :n, :n);
	SQL
	whole customers 2
}

caps() {
	scenario cap-10 64 'OFFER_LIMIT 108,done 20' <<-'SQL'
		CALL new_offer('A', '{"max_redemptions": 10}', 64);
		CALL new_offer('B', '{"max_redemptions": 10}', 64);
		\run
		SELECT redeem_bill(ARRAY['A-' || :n, 'B-' || :n], 'c' || :n - 1, 'b' || :n, :n);
	SQL
	whole cap-10 2
	# the last unit is not enough for the two coupons of a bill
	scenario two-of-one 64 'OFFER_LIMIT 32,OTHER_COUPON_FAILED 64,done 96' <<-'SQL'
		CALL new_offer('A', '{"max_redemptions": 65}', 128, 2);
		CALL new_offer('B', '{}', 64);
		\run
		SELECT redeem_bill(ARRAY['A-' || 2 * :n - 1, 'B-' || :n, 'A-' || 2 * :n], 'c' || :n - 1, 'b' || :n, :n);
	SQL
	whole two-of-one 3
}

# Only where sessions need not try again: of those that are counted at once one would get through.
# A bill that looks at one offer before the last bill has gone through and at the other after it, is
# told OTHER_COUPON_FAILED of the first: so the refused are only told from those that are done.
hot() {
	scenario hot 1024 - <<-'SQL'
		CALL new_offer('A', '{"max_redemptions": 505}', 1024);
		CALL new_offer('B', '{"max_discount_total": 5055}', 1024);
		\run
		SELECT redeem_bill(ARRAY['A-' || :n, 'B-' || :n], 'c' || :n - 1, 'b' || :n, :n);
	SQL
	expect 'hot: done and not' '1010 1038' "SELECT count(*) FILTER (WHERE reason = 'done') || ' ' || count(*)
		FILTER (WHERE reason IN ('OFFER_LIMIT', 'BUDGET_SPENT', 'OTHER_COUPON_FAILED')) FROM answer
		WHERE scenario = 'hot' AND org_id = cms.cms_current_org()"
	whole hot 2
}

everything() {
	scenario everything "$1" - <<-'SQL'
		CALL new_offer('A', '{"max_uses_per_coupon": null, "max_uses_per_customer": 60, "max_redemptions": 300}', 16);
		CALL new_offer('B', '{"max_uses_per_coupon": 20, "max_discount_total": 3005}', 16);
		CALL new_offer('C', '{}', 16);
		CALL new_offer('D', '{"code_method": "COMMON", "common_code": "COMMON", "anyone_may_redeem": true, "max_uses_per_coupon": null}');
		\run
		\set what random(1, 10)
		\set m random(0, 15)
		\if :what < 7
		SELECT redeem_bill((ARRAY['A-' || 1 + :m, 'COMMON', 'B-' || 1 + :m, 'C-' || 1 + :m])[:n % 2 + 1:], 'c' || :m, 'b' || :n / 2, :what);
		\elif :what = 7
		SELECT redeem('B-' || 1 + :m, 'c' || :m, 'b' || :n / 2);
		\elif :what < 10
		SELECT take_back_any((ARRAY['A', 'B', 'C'])[1 + :n % 3]);
		\else
		SELECT * FROM cms.cms_revoke(offer('C'), 'CODES', codes => ARRAY['C-' || 1 + :m, 'C-' || 1 + (:m * 7) % 16],
			confirm => true, at => '2030-01-10 12:00+00');
		\endif
	SQL
}

run() { # level calls
	at_level "$1"
	coupons
	caps
	[ "$1" != 'read committed' ] || hot
	everything "$2"
}

run 'read committed' 1280
run 'repeatable read' 128
run serializable 128
exit $failed
