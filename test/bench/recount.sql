SELECT p.name, p.issued, c.issued, p.uses, r.uses, p.redeemed, c.redeemed
FROM cms.offer_performance p
CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE issued_at IS NOT NULL) AS issued, count(*) FILTER (WHERE c.uses > 0) AS redeemed
	FROM cms.coupon c WHERE c.org_id = p.org_id AND c.offer_id = p.offer_id) c
CROSS JOIN LATERAL (SELECT count(*) AS uses FROM cms.redemption r
	WHERE r.org_id = p.org_id AND r.offer_id = p.offer_id AND r.reversed_at IS NULL) r
WHERE (p.issued, p.uses, p.redeemed) <> (c.issued, r.uses, c.redeemed);
