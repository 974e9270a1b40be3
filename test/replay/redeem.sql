-- The redemptions in the order of the file, one transaction each, at noon of their day, on a line with
-- one of the coupon's products: the one really bought where that is known, with its store and amount.
CREATE TEMP TABLE request AS
	WITH bought AS (
		SELECT seq, min(store_id) AS store_id, sum(sales_value) AS amount,
			jsonb_agg(jsonb_build_object('sku', product_id, 'amount', sales_value, 'quantity', quantity)) AS items
		FROM replay.basket GROUP BY seq
	), any_product AS (
		SELECT campaign_id, coupon_upc, min(product_id) AS sku FROM replay.coupon_product GROUP BY 1, 2
	)
	SELECT r.seq, i.code, r.household_id, b.store_id, (r.day + time '12:00') AT TIME ZONE 'America/New_York' AS at,
		coalesce(b.amount, 10) AS amount,
		coalesce(b.items, jsonb_build_array(jsonb_build_object('sku', p.sku, 'amount', 10))) AS items
	FROM replay.redemption r
	JOIN replay.offer o USING (campaign_id, coupon_upc)
	JOIN any_product p USING (campaign_id, coupon_upc)
	JOIN replay.issued i ON i.offer_id = o.offer_id AND i.customer_id = r.household_id
	LEFT JOIN bought b USING (seq);

DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM request ORDER BY seq LOOP
		INSERT INTO replay.redeemed
			SELECT r.seq, a.redeemed, a.reason, a.coupon_id, a.discount, a.payable, a.uses_left, a.replayed
			FROM cms.cms_redeem(r.code, r.household_id, bill_ref => r.seq::text, store_id => r.store_id,
				items => r.items, at => r.at) a;
		COMMIT;
	END LOOP;
END
$$;

SELECT 'redemptions tried', count(*), 2102 FROM replay.redeemed;
SELECT 'redeemed', count(*), 2075 FROM replay.redeemed WHERE redeemed AND reason IS NULL AND uses_left = 0 AND NOT replayed;
SELECT 'refused as ALREADY_REDEEMED', count(*), 27 FROM replay.redeemed WHERE NOT redeemed AND reason = 'ALREADY_REDEEMED';
-- of each coupon the first use succeeds, every other is refused
SELECT 'answered as the file tells', count(*), 2102
FROM replay.redeemed a
JOIN (SELECT r.seq, row_number() OVER (PARTITION BY campaign_id, coupon_upc, household_id ORDER BY r.seq) AS nth
	FROM replay.redemption r) r USING (seq)
JOIN request q USING (seq)
WHERE a.redeemed = (r.nth = 1)
	AND (NOT a.redeemed OR (a.discount, a.payable) = (least(1, q.amount), q.amount - least(1, q.amount)));

-- After it, a second look at the products: the coupon is used now, and that is told besides.
SELECT 'products bought, checked again: used, and the same', count(*), 840
FROM replay.product_case p
JOIN replay.offer o USING (campaign_id, coupon_upc)
JOIN replay.issued i ON i.offer_id = o.offer_id AND i.customer_id = p.household_id
CROSS JOIN LATERAL cms.cms_check(i.code, p.household_id,
	items => jsonb_build_array(jsonb_build_object('sku', p.product_id, 'amount', coalesce(p.sales_value, 0))),
	at => (p.day + time '12:00') AT TIME ZONE 'America/New_York') a
WHERE a.reasons = ARRAY['ALREADY_REDEEMED']
	|| CASE p.expected WHEN 'eligible' THEN '{}' WHEN 'product_not_eligible' THEN ARRAY['NO_ELIGIBLE_ITEM'] END;
