-- F32, F1: the discount: percentage or fixed, of the eligible lines, capped, rounded half up.
BEGIN;
SELECT plan(126);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

-- "discount payable" of a bill with ann's coupon of the offer, or the reason; also redeemed, where it must be the same
CREATE FUNCTION bill_of(offer text, amount numeric, items jsonb DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	checked cms.cms_check_result;
	done cms.cms_redeem_result;
	noted cms.redemption;
BEGIN
	IF code_of(offer, 'ann') IS NULL THEN
		PERFORM issue_of(offer, 'ann', '2025-11-12 10:00 UTC');
	END IF;
	SELECT * INTO checked FROM cms_check(code_of(offer, 'ann'), 'ann', amount, items => items, at => '2025-11-12 11:00 UTC');
	SELECT * INTO done FROM cms_redeem(code_of(offer, 'ann'), 'ann', amount, 'bill ' || nextval('bill_no'), items => items, at => '2025-11-12 11:00 UTC');
	SELECT * INTO noted FROM cms.redemption r WHERE r.redemption_id = done.redemption_id;
	IF checked.reason IS DISTINCT FROM done.reason OR done.redeemed AND
		((checked.discount, checked.payable) IS DISTINCT FROM (done.discount, done.payable)
		 OR (noted.discount, noted.bill_amount - noted.discount) IS DISTINCT FROM (done.discount, done.payable)
		 OR noted.discount > noted.eligible_amount OR noted.eligible_amount > noted.bill_amount)
	THEN
		RETURN format('check %s, redeem %s, noted %s', checked, done, noted);
	END IF;
	RETURN coalesce(done.reason, done.discount || ' ' || done.payable);
END
$$;
CREATE FUNCTION make_list(offer text, kind text, VARIADIC list text[]) RETURNS void
LANGUAGE sql AS $$ INSERT INTO cms.offer_product (offer_id, kind, value) SELECT o(offer), kind, value FROM unnest(list) value $$;

-- 20 % capped at 100
SELECT make_offer('20 %', '{"discount_type": "PERCENTAGE", "discount_value": 20, "discount_cap": 100, "max_uses_per_coupon": null}');
SELECT is(bill_of('20 %', 400), '80.00 320.00', '20 % of 400');
SELECT is(bill_of('20 %', 10000), '100.00 9900.00', '20 % of 10,000 is capped at 100');
SELECT is(bill_of('20 %', 500), '100.00 400.00', 'exactly the cap');
SELECT is(bill_of('20 %', 0), '0.00 0.00', 'of nothing nothing');
SELECT alter_offer('20 %', 'discount_cap', NULL);
SELECT is(bill_of('20 %', 10000), '2000.00 8000.00', 'without the cap');

-- a fixed amount is never more than the bill
SELECT make_offer('50 off', '{"discount_value": 50, "max_uses_per_coupon": null}');
SELECT is(bill_of('50 off', 30), '30.00 0.00', 'fixed 50 on a bill of 30 gives 30, payable 0');
SELECT is(bill_of('50 off', 50), '50.00 0.00', 'on a bill of 50');
SELECT is(bill_of('50 off', 50.01), '50.00 0.01', 'on a bill of 50.01');
SELECT is(bill_of('50 off', 0), '0.00 0.00', 'on a bill of nothing');
SELECT alter_offer('50 off', 'discount_cap', '20');
SELECT is(bill_of('50 off', 30), '20.00 10.00', 'a fixed amount can be capped too');

-- brand X 60 and brand Y 40, 10 % on X: 6
SELECT make_offer('x', '{"discount_type": "PERCENTAGE", "discount_value": 10, "product_scope": "SELECTED_PRODUCTS", "max_uses_per_coupon": null}');
SELECT make_list('x', 'BRAND', 'X');
SELECT is(bill_of('x', 100, '[{"brand": "X", "amount": 60}, {"brand": "Y", "amount": 40}]'), '6.00 94.00', 'brand X 60 and brand Y 40, 10 % on X');
SELECT is(bill_of('x', NULL, '[{"brand": "X", "amount": 60}, {"brand": "Y", "amount": 40}]'), '6.00 94.00', 'the same without the amount');
SELECT is(bill_of('x', 100), 'NO_ELIGIBLE_ITEM', 'without lines nothing is known to be X');
SELECT is(bill_of('x', 100, '[{"brand": "Y", "amount": 100}]'), 'NO_ELIGIBLE_ITEM', 'no X');
SELECT is(bill_of('x', 100, '[]'), 'NO_ELIGIBLE_ITEM', 'no line');
SELECT is(bill_of('x', 100, '[{"brand": "x", "amount": 100}, {"brand": "X ", "amount": 1}, {"category": "X", "amount": 1}, {"sku": "X", "amount": 1}]'), 'NO_ELIGIBLE_ITEM', 'exact text, of the same kind');
SELECT is(bill_of('x', 100, '[{"brand": "X", "amount": 0}, {"brand": "Y", "amount": 100}]'), '0.00 100.00', 'a line that costs nothing is eligible');
SELECT is(bill_of('x', 40, '[{"brand": "X", "amount": 60}]'), '4.00 36.00', 'the discount is never of more than the bill');
SELECT is(bill_of('x', 100, '[{"brand": "X", "amount": 60}]'), '6.00 94.00', 'nor of the lines that are not given');

-- any row of the list makes a line eligible
SELECT make_list('x', 'CATEGORY', 'shoes');
SELECT make_list('x', 'SKU', '4711', 'A-1');
SELECT is(bill_of('x', NULL, '[{"brand": "Y", "category": "shoes", "amount": 100}, {"sku": "A-1", "amount": 50}, {"sku": 4711, "amount": 30}, {"sku": "4712", "category": "hats", "brand": "Z", "amount": 7}]'), '18.00 169.00', 'category, sku, or brand; a sku may be a number');
SELECT is(bill_of('x', NULL, '[{"brand": "X", "category": "shoes", "sku": "A-1", "amount": 100}]'), '10.00 90.00', 'a line that matches thrice counts once');
DELETE FROM cms.offer_product WHERE offer_id = o('x') AND kind = 'BRAND';
SELECT is(bill_of('x', NULL, '[{"brand": "X", "amount": 60}]'), 'NO_ELIGIBLE_ITEM', 'a row that is deleted counts no more');
UPDATE cms.offer_product SET value = 'boots' WHERE offer_id = o('x') AND kind = 'CATEGORY';
SELECT is(bill_of('x', NULL, '[{"category": "boots", "amount": 60}]'), '6.00 54.00', 'one that is changed counts as changed');
SELECT make_offer('nothing', '{"product_scope": "SELECTED_PRODUCTS"}');
SELECT is(bill_of('nothing', NULL, '[{"category": "boots", "amount": 60}]'), 'NO_ELIGIBLE_ITEM', 'an empty list is nothing');

-- fixed amounts are of the eligible lines too
SELECT make_offer('x off', '{"discount_value": 50, "product_scope": "SELECTED_PRODUCTS", "max_uses_per_coupon": null}');
SELECT make_list('x off', 'BRAND', 'X');
SELECT is(bill_of('x off', 100, '[{"brand": "X", "amount": 30}, {"brand": "Y", "amount": 70}]'), '30.00 70.00', 'never more than the eligible lines');

-- sale lines
SELECT make_offer('no sale', '{"discount_type": "PERCENTAGE", "discount_value": 10, "max_uses_per_coupon": null}');
SELECT make_offer('sale', '{"discount_type": "PERCENTAGE", "discount_value": 10, "sale_items": true, "max_uses_per_coupon": null}');
SELECT make_offer('x sale', '{"discount_type": "PERCENTAGE", "discount_value": 10, "sale_items": true, "product_scope": "SELECTED_PRODUCTS", "max_uses_per_coupon": null}');
SELECT make_list('x sale', 'BRAND', 'X');
SELECT is(bill_of('no sale', NULL, '[{"amount": 60, "on_sale": true}, {"amount": 40, "on_sale": false}]'), '4.00 96.00', 'off: sale lines are left out');
SELECT is(bill_of('no sale', NULL, '[{"amount": 60, "on_sale": true}]'), 'NO_ELIGIBLE_ITEM', 'a bill of sale lines only is refused');
SELECT is(bill_of('no sale', 60), '6.00 54.00', 'a bill without lines is not known to be on sale');
SELECT is(bill_of('sale', NULL, '[{"amount": 60, "on_sale": true}, {"amount": 40}]'), '10.00 90.00', 'on: being on sale makes no difference');
SELECT is(bill_of('x sale', NULL, '[{"brand": "X", "amount": 60, "on_sale": true}, {"brand": "Y", "amount": 40, "on_sale": true}]'), '6.00 94.00', 'a sale line outside the selection stays out');

-- half up, to the currency's minor unit, once
SELECT make_offer('10 %', '{"discount_type": "PERCENTAGE", "discount_value": 10, "max_uses_per_coupon": null}');
SELECT make_offer('33.3333 %', '{"discount_type": "PERCENTAGE", "discount_value": 33.3333, "max_uses_per_coupon": null}');
SELECT make_offer('100 %', '{"discount_type": "PERCENTAGE", "discount_value": 100, "max_uses_per_coupon": null}');
SELECT is(bill_of(offer, amount), wanted, offer || ' of ' || amount)
FROM (VALUES ('10 %', 0.05, '0.01 0.04'), ('10 %', 0.04, '0.00 0.04'), ('10 %', 0.15, '0.02 0.13'), ('10 %', 0.25, '0.03 0.22'),
	('10 %', 100.05, '10.01 90.04'), ('10 %', 0.0499999999999999999999999999999999999, '0.00 0.0499999999999999999999999999999999999'),
	('33.3333 %', 100, '33.33 66.67'), ('33.3333 %', 300, '100.00 200.00'), ('100 %', 99.99, '99.99 0.00'),
	('100 %', 0.005, '0.00 0.005'), ('100 %', 10.009, '10.00 0.009')) v(offer, amount, wanted);
SELECT make_offer('odd', '{"discount_value": 10.005, "max_uses_per_coupon": null}');
SELECT is(bill_of('odd', 100), '10.01 89.99', 'a fixed amount is rounded too');
SELECT make_offer('odd cap', '{"discount_type": "PERCENTAGE", "discount_value": 50, "discount_cap": 33.339, "max_uses_per_coupon": null}');
SELECT is(bill_of('odd cap', 100), '33.33 66.67', 'but never above the cap');
SELECT is(bill_of('10 %', 1e30), '100000000000000000000000000000.00 900000000000000000000000000000.00', 'large amounts are exact');
SELECT throws_ok(format('SELECT cms_check(code_of(''100 %%'', ''ann''), ''ann'', %s, at => ''2025-11-12 11:00 UTC'')', amount), '22023', NULL, 'no bill has ' || left(amount, 5))
FROM unnest(ARRAY['1e36', '1' || repeat('0', 131071)]) amount;
SELECT counted();

SELECT play_org('Asia/Tokyo', 'JPY', 0);
SELECT make_offer('12.5 %', '{"discount_type": "PERCENTAGE", "discount_value": 12.5, "max_uses_per_coupon": null}');
SELECT is(bill_of('12.5 %', 1234), '154 1080', 'yen have no decimals: 154.25');
SELECT is(bill_of('12.5 %', 1236), '155 1081', '154.5 is rounded up');
SELECT play_org('Asia/Kuwait', 'KWD', 3);
SELECT make_offer('12.5 %', '{"discount_type": "PERCENTAGE", "discount_value": 12.5, "max_uses_per_coupon": null}');
SELECT is(bill_of('12.5 %', 1.234), '0.154 1.080', 'dinars have three: 0.15425');
SELECT is(bill_of('12.5 %', 1.236), '0.155 1.081', '0.1545 is rounded up');
UPDATE cms.org SET minor_units = 2 WHERE org_id = current_setting('cms.org')::int;
SELECT is(bill_of('12.5 %', 1.236), '0.15 1.086', 'a changed currency holds at once');
SELECT counted('in other currencies');

-- lines that are none
SELECT code_of('12.5 %', 'ann') AS code \gset
SELECT refused(format('SELECT * FROM cms_%s(%L, ''ann'', 100 %s, items => %L, at => ''2025-11-12 11:00 UTC'')', call, :'code', rest, items), '22023', names, call || ' ' || items)
FROM (VALUES ('check', ''), ('redeem', ', ''B''')) c(call, rest),
	(VALUES ('{}', 'items'), ('"x"', 'items'), ('5', 'items'), ('null', 'items'), ('[1]', 'items\[1\]'), ('[null]', 'items\[1\]'), ('[[]]', 'items\[1\]'),
		('["amount"]', 'items\[1\]'), ('[{}]', 'items\[1\].*amount'), ('[{"amount": 1}, {"sku": "a"}]', 'items\[2\].*amount'),
		('[{"amount": null}]', 'items\[1\].*amount'), ('[{"amount": "5"}]', 'items\[1\].*amount'), ('[{"amount": -0.01}]', 'items\[1\].*amount'),
		('[{"amount": true}]', 'items\[1\].*amount'), ('[{"amount": [5]}]', 'items\[1\].*amount'), ('[{"amount": {"value": 5}}]', 'items\[1\].*amount'),
		('[{"amount": 5, "sku": true}]', 'items\[1\].*sku'), ('[{"amount": 5, "brand": []}]', 'items\[1\].*brand'),
		('[{"amount": 5, "category": {}}]', 'items\[1\].*category'), ('[{"amount": 5, "on_sale": "yes"}]', 'items\[1\].*on_sale'),
		('[{"amount": 5, "on_sale": 1}]', 'items\[1\].*on_sale'), ('[{"amount": 5, "quantity": "1"}]', 'items\[1\].*quantity')) v(items, names);
SELECT is(bill_of('12.5 %', 100, '[{"amount": 100, "quantity": 2, "sku": null, "category": null, "brand": null, "on_sale": null, "colour": ["red"]}]'), '12.50 87.50', 'null members are absent, unknown ones are left alone');
SELECT is(bill_of('12.5 %', 100, '[]'), 'NO_ELIGIBLE_ITEM', 'no lines, nothing eligible, also with all products');
SELECT is(bill_of('12.5 %', NULL, (SELECT jsonb_agg('{"amount": 0.01}'::jsonb) FROM generate_series(1, 10000))), '12.50 87.50', 'ten thousand lines');

-- settings
SELECT offer_refused(jsonb_build_object('discount_type', 'PERCENTAGE', 'discount_value', value), 'discount_value', 'a percentage of ' || value)
FROM unnest(ARRAY['0', '-1', '100.01', 'NaN', 'Infinity', '-Infinity']) value;
SELECT offer_refused(jsonb_build_object('discount_value', value), 'discount_value', 'a fixed amount of ' || value)
FROM unnest(ARRAY['0', '-0.01', 'NaN', 'Infinity', '-Infinity']) value;
SELECT offer_refused(jsonb_build_object('discount_cap', value), 'discount_cap', 'a cap of ' || value)
FROM unnest(ARRAY['0', '-0.01', 'NaN', 'Infinity', '-Infinity']) value;
SELECT offer_refused('{"discount_type": "BOGO"}', 'discount_type', 'an unknown type of discount');
SELECT offer_refused('{"discount_type": null}', 'discount_type', 'no type of discount', '23502');
SELECT offer_refused('{"discount_value": null}', 'discount_value', 'no value', '23502');
SELECT offer_refused('{"product_scope": "SOME_PRODUCTS"}', 'product_scope', 'an unknown scope');
SELECT refused($$ SELECT make_list('12.5 %', 'BRAND', 'X') $$, 'MS011', 'product_scope|ALL_PRODUCTS|offer_product', 'a row of a list that the scope does not use');
SELECT back_to_org('Asia/Kolkata');
SELECT refused($$ UPDATE cms.offer SET product_scope = 'ALL_PRODUCTS' WHERE offer_id = o('x sale') $$, 'MS011', 'product_scope|offer_product|list', 'a scope while its list has rows');
SELECT refused($$ SELECT make_list('x', 'COLOUR', 'red') $$, '23514', 'kind', 'an unknown kind');
SELECT refused($$ SELECT make_list('x', 'SKU', ' ') $$, '23514', 'value', 'a blank value');
SELECT refused($$ UPDATE cms.offer SET discount_type = 'PERCENTAGE', discount_value = 101 WHERE offer_id = o('50 off') $$, '23514', 'discount_value', 'a percentage above 100 by a change');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
