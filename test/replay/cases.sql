-- Products really bought: does the coupon hold for them? Before anything is redeemed, so nothing else is
-- in the way: a product is eligible, or NO_ELIGIBLE_ITEM is the only reason.
CREATE TEMP TABLE answer AS
	SELECT p.expected, p.sales_value, a.reasons, a.discount
	FROM replay.product_case p
	JOIN replay.offer o USING (campaign_id, coupon_upc)
	JOIN replay.issued i ON i.offer_id = o.offer_id AND i.customer_id = p.household_id
	CROSS JOIN LATERAL cms.cms_check(i.code, p.household_id, store_id => p.store_id,
		items => jsonb_build_array(jsonb_build_object('sku', p.product_id, 'amount', coalesce(p.sales_value, 0))),
		at => (p.day + time '12:00') AT TIME ZONE 'America/New_York') a;
SELECT 'products bought, checked: eligible', count(*), 79 FROM answer WHERE reasons = '{}';
SELECT 'not eligible', count(*), 761 FROM answer WHERE reasons = '{NO_ELIGIBLE_ITEM}';
SELECT 'as expected', count(*), 840 FROM answer
WHERE expected = CASE WHEN reasons = '{}' THEN 'eligible' WHEN reasons = '{NO_ELIGIBLE_ITEM}' THEN 'product_not_eligible' END
	AND (reasons <> '{}' OR discount = least(1, coalesce(sales_value, 0)));

-- Lines of bills on which a coupon was redeemed: at the moment and in the store where it was.
SELECT 'lines of bills checked: eligible, discount and rest right', count(*), 79
FROM replay.basket b
JOIN replay.offer o USING (campaign_id, coupon_upc)
JOIN replay.issued i ON i.offer_id = o.offer_id AND i.customer_id = b.household_id
CROSS JOIN LATERAL cms.cms_check(i.code, b.household_id, store_id => b.store_id,
	items => jsonb_build_array(jsonb_build_object('sku', b.product_id, 'amount', b.sales_value, 'quantity', b.quantity)),
	at => b.bought_at AT TIME ZONE 'America/New_York') a
WHERE a.redeemed AND a.discount = least(1, b.sales_value) AND a.payable = b.sales_value - a.discount;
