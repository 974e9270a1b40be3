-- An offer for each coupon of each campaign, with its products and its audience.
WITH made AS (
	INSERT INTO cms.offer (name, pos_code, expiry_type, expires_on, starts_on, discount_type, discount_value,
		product_scope, audience_only, max_uses_per_coupon, max_issued_per_customer)
	SELECT p.campaign_id || ' ' || p.coupon_upc, p.coupon_upc, 'FIXED_DATE', c.end_date, c.start_date,
		'FIXED_AMOUNT', 1, 'SELECTED_PRODUCTS', true, 1, 1
	FROM replay.pair p JOIN replay.campaign c USING (campaign_id)
	ORDER BY p.campaign_id::int, p.coupon_upc
	RETURNING offer_id, name, starts_on
)
INSERT INTO replay.offer (campaign_id, coupon_upc, offer_id, start_date)
	SELECT split_part(name, ' ', 1), split_part(name, ' ', 2), offer_id, starts_on FROM made;

INSERT INTO cms.offer_product (offer_id, kind, value)
	SELECT o.offer_id, 'SKU', p.product_id
	FROM (SELECT DISTINCT campaign_id, coupon_upc, product_id FROM replay.coupon_product) p
	JOIN replay.offer o USING (campaign_id, coupon_upc)
	ORDER BY 1, p.product_id COLLATE "C";

INSERT INTO cms.offer_audience (offer_id, customer_id)
	SELECT o.offer_id, h.household_id
	FROM replay.offer o JOIN replay.household h USING (campaign_id)
	ORDER BY 1, h.household_id COLLATE "C";

SELECT 'offers made', count(*), 1197 FROM cms.offer;
SELECT 'their products', count(*), 111332 FROM cms.offer_product;
SELECT 'their customers', count(*), 800199 FROM cms.offer_audience;
