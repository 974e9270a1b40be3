-- What is wrong in any org: counters that differ from a recount, caps that were exceeded.
WITH counted AS (
	SELECT s.org_id, s.offer_id, sum(s.issued) AS issued, sum(s.stock) AS stock, sum(s.uses) AS uses,
		sum(s.forfeited_uses) AS forfeited, sum(s.redeemed_coupons) AS redeemed, sum(s.discount) AS discount
	FROM cms.offer_slot s GROUP BY s.org_id, s.offer_id),
of_coupons AS (
	SELECT c.org_id, c.offer_id, count(c.issued_at) + COALESCE((SELECT sum(g.coupons) FROM cms.purged_coupon g
			WHERE g.org_id = c.org_id AND g.offer_id = c.offer_id), 0) AS issued,
		count(*) FILTER (WHERE c.issued_at IS NULL AND c.revoked_at IS NULL) AS stock,
		count(*) FILTER (WHERE c.uses > 0) AS redeemed, sum(c.uses) AS uses
	FROM cms.coupon c GROUP BY c.org_id, c.offer_id),
of_redemptions AS (
	SELECT r.org_id, r.offer_id, count(*) FILTER (WHERE r.reversed_at IS NULL) AS uses,
		count(*) FILTER (WHERE r.reversed_at IS NOT NULL AND NOT r.use_returned) AS forfeited,
		sum(r.discount) FILTER (WHERE r.reversed_at IS NULL) AS discount
	FROM cms.redemption r GROUP BY r.org_id, r.offer_id)
SELECT o.name, n.*, c.*, r.*
FROM cms.offer o
LEFT JOIN counted n USING (org_id, offer_id)
LEFT JOIN of_coupons c USING (org_id, offer_id)
LEFT JOIN of_redemptions r USING (org_id, offer_id)
WHERE (n.issued, n.stock, n.redeemed) IS DISTINCT FROM (c.issued, c.stock, c.redeemed)
   OR (n.uses, n.forfeited, n.discount) IS DISTINCT FROM
	(COALESCE(r.uses, 0), COALESCE(r.forfeited, 0), COALESCE(r.discount, 0))
   OR n.uses <> c.uses
   OR n.uses + n.forfeited > o.max_redemptions OR n.issued > o.max_issued
   OR n.discount > o.max_discount_total;
