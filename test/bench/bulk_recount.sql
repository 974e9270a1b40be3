-- Rows where the counters differ from what lies in the table.
SELECT format('offer %s: counted %s issued, %s in stock; recounted %s and %s', offer_id, s.issued, s.stock, c.issued, c.stock)
FROM (SELECT offer_id, sum(issued) AS issued, sum(stock) AS stock FROM cms.offer_slot GROUP BY offer_id) s
FULL JOIN (SELECT offer_id, count(issued_at) AS issued, count(*) FILTER (WHERE issued_at IS NULL AND revoked_at IS NULL) AS stock
	FROM cms.coupon GROUP BY offer_id) c USING (offer_id)
WHERE (s.issued, s.stock) IS DISTINCT FROM (c.issued::numeric, c.stock::numeric);
