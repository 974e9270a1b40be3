-- Rows where the counters differ from what lies in the table.
SELECT format('offer %s: counted %s issued, %s in stock; recounted %s and %s', offer_id, s.issued, s.stock, c.issued, c.stock)
FROM (SELECT offer_id, sum(issued) AS issued, sum(stock) AS stock FROM cms.offer_slot GROUP BY offer_id) s
FULL JOIN (SELECT offer_id, count(issued_at) + COALESCE((SELECT sum(g.coupons) FROM cms.purged_coupon g
		WHERE g.offer_id = c.offer_id), 0) AS issued, count(*) FILTER (WHERE issued_at IS NULL AND revoked_at IS NULL) AS stock
	FROM (SELECT offer_id, issued_at, revoked_at FROM cms.coupon
		UNION ALL SELECT offer_id, NULL, now() FROM cms.purged_coupon) c GROUP BY offer_id) c USING (offer_id)
WHERE (s.issued, s.stock) IS DISTINCT FROM (c.issued::numeric, c.stock::numeric);
