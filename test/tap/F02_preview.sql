-- F2: what an offer would do, in plain words, and everything that is wrong with it, before it is saved.
BEGIN;
SELECT plan(160);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

-- The sentences of a preview, one after the other; of one kind, of one field.
CREATE FUNCTION said(settings jsonb, only_kind text DEFAULT 'SUMMARY', only_field text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(p.message, ' ' ORDER BY p.line) FROM cms_preview_offer('{"name": "x", "discount_type": "FIXED_AMOUNT", "discount_value": 10}' || settings,
		at => '2026-06-01 10:00 Asia/Kolkata') p
	WHERE p.kind = only_kind AND p.field = coalesce(only_field, p.field)
$$;
-- Its fields.
CREATE FUNCTION fields(settings jsonb, only_kind text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(p.field, ' ' ORDER BY p.line) FROM cms_preview_offer('{"name": "x", "discount_type": "FIXED_AMOUNT", "discount_value": 10}' || settings,
		at => '2026-06-01 10:00 Asia/Kolkata') p WHERE p.kind = only_kind
$$;

-- ---- the summary -----------------------------------------------------------------------------------
INSERT INTO cms.org_entity (entity_type, entity_id, name) VALUES ('STORE', 'S1', 'Indiranagar'), ('ZONE', 'Z', NULL);
INSERT INTO cms.poc (name, email) VALUES ('Ravi', 'ravi@example.com');
SELECT poc_id AS ravi FROM cms.poc \gset
SELECT make_offer('Other');
SELECT is(said(jsonb_build_object('name', 'Summer', 'discount_type', 'PERCENTAGE', 'discount_value', 20, 'discount_cap', 100, 'product_scope', 'SELECTED_PRODUCTS',
	'offer_product', '[{"kind": "BRAND", "value": "X"}, {"kind": "BRAND", "value": "Y"}]'::jsonb,
	'store_scope', 'SELECTED_STORES', 'offer_entity', '[{"entity_type": "STORE", "entity_id": "S1"}, {"entity_type": "STORE", "entity_id": "S2"}, {"entity_type": "ZONE", "entity_id": "Z"}]'::jsonb,
	'offer_window', '[{"weekdays": [1,2,3,4,5], "from_time": "10:00", "to_time": "18:00"}]'::jsonb,
	'max_issued_per_customer', 1, 'coupon_expiry_type', 'MONTH_ENDS', 'coupon_expiry_value', 1, 'expires_on', '2026-12-31')),
	'Summer 20 % off, at most ₹100 a bill, on brands X and Y, not on sale items. Only in zone Z and stores S1 (Indiranagar) and S2. '
	'Only on Monday to Friday, 10:00–18:00. The offer is valid to the end of 31 December 2026. '
	'A coupon is valid to the end of the month after its issue, but not beyond the offer. '
	'Each coupon has a code of its own: 12 random letters and digits that look unlike each other. One coupon per customer. '
	'Only the customer who holds a coupon may redeem it. A coupon can be used once. Any service may claim it.',
	'an offer in plain words');
SELECT is(said('{}'), 'x ₹10 off, on all products, not on sale items. In any store. On any day, at any time. '
	'The offer ends with the campaign that claims it, and has no end until then. Coupons are valid as long as the offer. '
	'Each coupon has a code of its own: 12 random letters and digits that look unlike each other. Any number of coupons per customer. '
	'Only the customer who holds a coupon may redeem it. A coupon can be used once. Any service may claim it.', 'an offer of defaults');
SELECT is(said(s::jsonb, only_field => f), wanted, f || ': ' || s) FROM (VALUES
	('{"discount_value": 100000}', 'discount_value', '₹1,00,000 off, on all products, not on sale items.'),
	('{"discount_value": 12.5, "sale_items": true}', 'discount_value', '₹12.50 off, on all products, sale items too.'),
	('{"product_scope": "SELECTED_PRODUCTS"}', 'discount_value', '₹10 off, on no product, as none is selected, not on sale items.'),
	('{"product_scope": "SELECTED_PRODUCTS", "offer_product": [{"kind": "SKU", "value": "1"}, {"kind": "CATEGORY", "value": "tea"}, {"kind": "SKU", "value": "2"}]}',
		'discount_value', '₹10 off, on category tea and SKUs 1 and 2, not on sale items.'),
	('{"min_bill": 500}', 'min_bill', 'On bills of ₹500 or more.'),
	('{"min_bill": 500, "max_bill": 2500.5}', 'min_bill', 'On bills of ₹500 to ₹2,500.50.'),
	('{"max_bill": 500}', 'max_bill', 'On bills of at most ₹500.'),
	('{"store_scope": "SELECTED_STORES"}', 'store_scope', 'Nowhere, as no place is selected.'),
	('{"offer_window": [{"weekdays": [7, 6]}]}', 'offer_window', 'Only on Saturday and Sunday.'),
	('{"offer_window": [{"weekdays": [1,2,3,5,6,7,7]}]}', 'offer_window', 'Only on Monday to Wednesday and Friday to Sunday.'),
	('{"offer_window": [{"month_days": [1,2,3,11,22]}]}', 'offer_window', 'Only on the 1st to 3rd, 11th and 22nd of the month.'),
	('{"offer_window": [{"from_time": "22:00", "to_time": "02:00:30"}]}', 'offer_window', 'Only 22:00–02:00:30 of the next day.'),
	('{"offer_window": [{"from_date": "2026-06-05", "to_date": "2026-06-05"}, {"from_date": "2026-07-01", "weekdays": [1]}]}', 'offer_window',
		'Only on 5 June 2026. Or on Monday, from 1 July 2026.'),
	('{"offer_window": [{"from_date": "2026-06-05", "to_date": "2026-06-15", "to_time": "12:00"}]}', 'offer_window',
		'Only from 5 June 2026, to the end of 15 June 2026, 00:00–12:00.'),
	('{"claim": {"service": "OUTBOUND", "consumer_ref": "june", "consumer_name": "June SMS", "ends_on": "2026-06-30"}}', 'expires_on',
		'The offer is valid to the end of 30 June 2026, when its campaign ends.'),
	('{"claim": {"service": "OUTBOUND", "consumer_ref": "june", "consumer_name": "June SMS"}}', 'claim', 'Issued by OUTBOUND campaign june (June SMS) only.'),
	('{"claim": {"service": "LOYALTY"}}', 'coupon_expiry_type', 'Coupons never expire.'),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}', 'coupon_expiry_type', 'A coupon is valid on the day of its issue only.'),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 22, "outlives_offer": true}', 'coupon_expiry_type',
		'A coupon is valid to the end of the 22nd day after its issue, also after the offer has ended.'),
	('{"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 0}', 'coupon_expiry_type', 'A coupon is valid to the end of the month of its issue.'),
	('{"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 13}', 'coupon_expiry_type', 'A coupon is valid to the end of the 13th month after its issue.'),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": -1}', 'coupon_expiry_type', NULL),
	('{"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": -19}', 'coupon_expiry_type', NULL),
	('{"starts_after_days": 1}', 'starts_on', 'A coupon can be used from the day after its issue.'),
	('{"starts_after_days": 3, "starts_on": "2026-06-15"}', 'starts_on', 'A coupon can be used from 3 days after its issue and not before 15 June 2026.'),
	('{"code_method": "COMMON", "common_code": " hello "}', 'code_method', 'All customers have the same code, HELLO.'),
	('{"code_method": "UPLOADED", "delivery": "THIRD_PARTY"}', 'delivery', 'A third party gives the codes out: they may be redeemed without having been issued.'),
	('{"code_method": "UPLOADED", "delivery": "THIRD_PARTY"}', 'anyone_may_redeem', 'Whoever brings a code may redeem it, unless it is a customer''s: then only that customer.'),
	('{"delivery": "THIRD_PARTY", "anyone_may_redeem": true}', 'anyone_may_redeem', 'Anyone who has the code may redeem it.'),
	('{"code_method": "COMMON", "common_code": "HELLO", "delivery": "THIRD_PARTY"}', 'delivery', 'A third party gives the code out: it may be redeemed without having been issued.'),
	('{"code_method": "COMMON", "common_code": "HELLO", "delivery": "THIRD_PARTY"}', 'anyone_may_redeem', 'Whoever brings the code may redeem it.'),
	('{"delivery": "THIRD_PARTY", "max_issued_per_customer": 1, "min_days_between_issues": 5}', 'max_issued_per_customer', 'Any number of coupons per customer.'),
	('{"code_method": "RANDOMISED", "sample_code": "TEST12345"}', 'code_method', 'Each coupon has a code of its own: TEST and 5 random letters or digits.'),
	('{"code_method": "RANDOMISED", "sample_code": "12345"}', 'code_method', 'Each coupon has a code of its own: 12 and 3 random digits.'),
	('{"code_prefix": "sp-", "code_charset": "NUMERIC", "code_length": 8, "code_suffix": "z"}', 'code_method',
		'Each coupon has a code of its own: SP- and 8 random digits, then Z.'),
	('{"audience_only": true, "max_issued_per_customer": 3, "min_days_between_issues": 7, "offer_audience": ["a", {"customer_id": "b"}]}', 'audience_only',
		'At most 3 coupons per customer, at least 7 days apart, only for the audience of 2 customers.'),
	('{"reissue": "EXISTING"}', 'reissue', 'A customer who has an active coupon gets that one again.'),
	('{"max_issued": 30000000}', 'max_issued', 'At most 30,000,000 coupons in all.'),
	('{"max_uses_per_coupon": null, "min_days_between_uses": 1}', 'max_uses_per_coupon', 'A coupon can be used any number of times.'),
	('{"max_uses_per_coupon": 2, "min_days_between_uses": 1}', 'min_days_between_uses', 'Between two uses of a customer are at least 1 day.'),
	('{"anyone_may_redeem": true, "max_uses_per_customer_and_coupon": 2, "max_uses_per_coupon": 5}', 'max_uses_per_customer_and_coupon',
		'A customer can use one coupon at most twice.'),
	('{"max_uses_per_customer": 5}', 'max_uses_per_customer', 'A customer can use coupons of the offer at most 5 times.'),
	('{"max_issued": 0}', 'max_issued', 'No coupon at all.'),
	('{"max_uses_per_customer_and_coupon": 0}', 'max_uses_per_customer_and_coupon', 'A customer can never use a coupon.'),
	('{"max_uses_per_customer": 0}', 'max_uses_per_customer', 'A customer can never use coupons of the offer.'),
	('{"max_redemptions": 0}', 'max_redemptions', 'No redemption at all.'),
	('{"max_discount_total": 0}', 'max_discount_total', 'No discount at all.'),
	('{"max_redemptions": 1}', 'max_redemptions', 'At most 1 redemption in all.'),
	('{"max_discount_total": 1234567.5}', 'max_discount_total', 'At most ₹12,34,567.50 of discount in all.'),
	('{"reversal_restores_use": false}', 'reversal_restores_use', 'A reversed use is not given back.'),
	('{"offer_reminder": [{"days_before": 0, "channel": "SMS", "content": "x"}, {"days_before": 1, "time_of_day": "09:30", "channel": "EMAIL", "content": "x"}]}', 'offer_reminder',
		'Customers are reminded by SMS on a coupon''s last day, at 10:00. Customers are reminded by EMAIL the day before a coupon''s last day, at 09:30.'),
	('{"owner_service": "LOYALTY", "owner_ref": "gold"}', 'owner_service', 'Visible inside LOYALTY gold only.'),
	('{"status": "ARCHIVED"}', 'status', 'Archived: nothing more is issued, coupons that are out stay redeemable.'),
	('{"expiry_notice": true}', 'expiry_notice', 'Customers are told when a coupon has expired.'),
	('{"resend_allowed": true, "resend_content": "{code}"}', 'resend_allowed', 'Coupons may be sent again.')) t (s, f, wanted);
SELECT is(said(jsonb_build_object('offer_exclusion', jsonb_build_array(o('Other')), 'past_issue_months', 1), only_field => 'offer_exclusion'),
	'None for those who received Other in the past 1 month.', 'offers by their names');
SELECT is(said(jsonb_build_object('expires_on', '2026-12-31', 'codes_left_alert', 100, 'offer_poc', jsonb_build_array(jsonb_build_object('poc_id', :ravi, 'days_before', 7))),
	only_field => 'offer_poc'), 'Ravi is reminded 7 days before the offer''s last day, at 10:00.', 'people by their names');
SELECT is(said(jsonb_build_object('product_scope', 'SELECTED_PRODUCTS', 'offer_product', (SELECT jsonb_agg(jsonb_build_object('kind', 'SKU', 'value', i)) FROM generate_series(1, 1200) i)),
	only_field => 'discount_value'), '₹10 off, on 1,200 SKUs, not on sale items.', 'long lists are counted');
SELECT is((SELECT string_agg(message, ' ') FROM cms_preview_offer(jsonb_build_object('name', n, 'discount_type', 'FIXED_AMOUNT', 'discount_value', 1)) WHERE field = 'name'), wanted, 'a hostile name: ' || w)
FROM (VALUES (E'two\nlines\tand \x1b[31mred', 'two lines and  [31mred', 'no line of its own, nor colours'), (U&'a\202Eb', 'a b', 'no turned direction'),
	('%s %n <b>"'';--', '%s %n <b>"'';--', 'no format, no markup of ours'), (repeat('ü', 200), repeat('ü', 60) || '...', 'shortened by characters')) t (n, wanted, w);

-- in other currencies
SELECT play_org('Asia/Dubai', 'AED');
SELECT is(said('{"discount_value": 100000}', only_field => 'discount_value'), 'AED 100,000 off, on all products, not on sale items.', 'a currency without a sign');
SELECT back_to_org('Asia/Kolkata');

-- ---- problems: all at once ---------------------------------------------------------------------------
SELECT is(fields('{"name": " ", "nam": 1, "discount_type": "PERCENT", "discount_value": "much", "max_uses_per_coupon": -1, "max_issued": 1.5, "expires_on": "soon", "sale_items": null,
	"code": {"a": 1}, "offer_product": [{"kind": "BRAND", "valu": "X"}, 5, {"kind": "SKU", "value": "a"}, {"kind": "SKU", "value": "a"}],
	"offer_window": [{"weekdays": [0]}, {"from_date": "2020-01-01", "to_date": "2019-01-01"}, {}, {"month_days": [31], "from_date": "2026-06-01", "to_date": "2026-06-30"}],
	"offer_poc": {"x": 1}, "offer_exclusion": [999999, "x"], "offer_audience": ["a", "a"], "audience_only": true, "offer_reminder": [{"days_before": 3, "channel": "SMS", "content": "{foo}"}],
	"claim": {"service": "OUTBOUND", "ends_on": "x"}}', 'PROBLEM'),
	'code nam discount_value expires_on max_issued offer_product[1].valu offer_product[2] offer_exclusion[2].other_offer_id offer_poc claim.ends_on '
	'name discount_type sale_items max_uses_per_coupon offer_product[1].value product_scope offer_product[4] '
	'offer_window[1].weekdays offer_window[2].to_date offer_window[3].weekdays offer_window[4].month_days offer_audience[2] offer_exclusion[1].other_offer_id '
	'offer_reminder[1].content claim.consumer_ref', 'every problem, with its place');
SELECT is((SELECT count(*) FROM cms_preview_offer('{"discount_type": 5, "max_bill": "x", "colour": "red", "min_bill": -1}'::jsonb) WHERE kind = 'PROBLEM' AND hint !~ '\.$'), 0::bigint, 'each says what to do');
SELECT is(said('{"offer_window": [{"weekdays": [[[[[[[1]]]]]]]}]}', 'PROBLEM'), 'weekdays: number of array dimensions (7) exceeds the maximum allowed (6) the window restricts nothing', 'a hostile array is a problem like any other');
SELECT is((SELECT hint FROM cms_preview_offer('{"max_isued": 5}'::jsonb) WHERE field = 'max_isued'), 'Perhaps max_issued is meant.', 'a name that was nearly right');
SELECT is((SELECT hint FROM cms_preview_offer('{"offer_products": []}'::jsonb) WHERE field = 'offer_products'), 'Perhaps offer_product is meant.', 'also of a list');
SELECT is((SELECT message FROM cms_preview_offer(jsonb_build_object(k, 1)) WHERE field = k), format('there is no setting "%s"', k), 'a key of any kind')
FROM unnest(ARRAY['', ' ', 'ctid', 'tableoid', E'a\nb', repeat('x', 1000), '%s']) k;
SELECT is(fields(to_jsonb(f) || '{"name": "copy"}', 'PROBLEM'), NULL, 'a row as it was read has no problem: what the server gives is let through')
FROM (SELECT (to_jsonb(f) - 'offer_id' - 'code') AS f FROM cms.offer f WHERE name = 'Other') t (f);
-- what other offers and coupons have taken
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "WELCOME", "code": "C1"}');
SELECT is(fields('{"code": "C1", "code_method": "COMMON", "common_code": "welcome"}', 'PROBLEM'), 'code common_code', 'codes that are taken');
SELECT is(fields('{"code_method": "RANDOMISED", "sample_code": "WELCOME"}', 'PROBLEM'), 'sample_code', 'a sample that clashes');
SELECT is(fields('{"owner_service": "LOYALTY", "claim": {"service": "DVS"}}', 'PROBLEM'), 'claim.service', 'a claim by whom it is not visible to');
SELECT is(fields('{"claim": {"service": "XYZ"}}', 'PROBLEM'), 'claim.service', 'by no service');
SELECT make_offer('taken');
SELECT is(reason, NULL, 'a campaign has an offer') FROM cms_claim(o('taken'), 'OUTBOUND', 'june');
SELECT is((SELECT message FROM cms_preview_offer('{"name": "x", "discount_type": "FIXED_AMOUNT", "discount_value": 5, "claim": {"service": "OUTBOUND", "consumer_ref": "june"}}'::jsonb) WHERE kind = 'PROBLEM'),
	format('OUTBOUND campaign june has offer %s (taken) already', o('taken')), 'and gets no other');
SELECT is(fields('{"status": "ARCHIVED", "claim": {"service": "DVS"}}', 'PROBLEM'), 'claim.service', 'nor is an archived offer claimed');
SELECT is(fields(jsonb_build_object('offer_id', o('taken'), 'pos_code', 'P'), 'PROBLEM'), NULL, 'an edit of the offer that the campaign has');
SELECT is(fields(jsonb_build_object('offer_id', o('taken'), 'status', 'ARCHIVED'), 'PROBLEM'), NULL, 'which may be archived');
SELECT is(fields(jsonb_build_object('offer_id', o('taken'), 'max_issued', -5), 'PROBLEM'), 'max_issued', 'a problem is told once');

-- an edit
SELECT make_offer('edited', '{"max_issued": 10, "store_scope": "SELECTED_STORES"}');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('edited'), 'STORE', 'S1');
SELECT is(count(*), 3::bigint, 'three are issued') FROM cms_issue_many(o('edited'), '{a,b,c}', at => '2026-05-01') WHERE issued;
SELECT is(fields(jsonb_build_object('offer_id', o('edited'), 'name', 'edited', 'max_issued', 2, 'expiry_type', 'FIXED_DATE', 'expires_on', '2026-12-31', 'code_method', 'UPLOADED',
	'store_scope', 'ANY_STORE'), 'PROBLEM'), 'expiry_type code_method max_issued store_scope', 'what an edit may not change');
SELECT is(fields(jsonb_build_object('offer_id', o('edited'), 'max_issued', 3, 'store_scope', 'ANY_STORE', 'offer_entity', '[]'::jsonb), 'PROBLEM'), NULL, 'what it may');
SELECT is(said(jsonb_build_object('offer_id', o('edited'), 'min_bill', 5), only_field => 'store_scope'), 'Only in store S1 (Indiranagar).', 'what is not given stays');
SELECT is(said(jsonb_build_object('offer_id', o('edited'), 'offer_entity', '[{"entity_type": "STORE", "entity_id": "S9"}]'::jsonb), only_field => 'store_scope'), 'Only in store S9.', 'a list that is given replaces the old one');
SELECT is(reason, NULL, 'claimed') FROM cms_claim(o('edited'), 'DVS', at => '2026-05-01');
SELECT is(fields(jsonb_build_object('offer_id', o('edited'), 'claim', '{"service": "LOYALTY"}'::jsonb), 'PROBLEM'), 'claim.service', 'somebody else holds it');

-- ---- the same as saving: random settings ----------------------------------------------------------------
CREATE FUNCTION saved(settings jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	lists constant text[] := '{offer_product,offer_entity,offer_window,offer_audience,offer_exclusion,offer_reminder,offer_poc}';
	list text;
	item jsonb;
	columns text;
	id bigint;
	problem text;
BEGIN
	SELECT string_agg(quote_ident(key), ', ') INTO columns FROM jsonb_object_keys(settings - lists) key;
	EXECUTE format('INSERT INTO cms.offer (%s) SELECT %1$s FROM jsonb_populate_record(NULL::cms.offer, $1) RETURNING offer_id', columns) INTO id USING settings - lists;
	FOREACH list IN ARRAY lists LOOP
		FOR item IN SELECT jsonb_array_elements(settings -> list) LOOP
			SELECT string_agg(quote_ident(key), ', ') INTO columns FROM jsonb_object_keys(item) key;
			EXECUTE format('INSERT INTO cms.%I (offer_id, %s) SELECT %s, %2$s FROM jsonb_populate_record(NULL::cms.%1$I, $1)', list, columns, id) USING item;
		END LOOP;
	END LOOP;
	RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN RETURN NULL;
	WHEN OTHERS THEN
		RETURN SQLERRM;
END
$$;
CREATE FUNCTION random_settings(errors float) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
	SELECT jsonb_object_agg(key, value) FROM (
		SELECT key, (CASE WHEN random() < errors THEN bad ELSE good END) AS list
		FROM (VALUES
			('name', '["a", "Sale"]', '["", "  ", null, 5]'), ('discount_type', '["FIXED_AMOUNT", "PERCENTAGE"]', '["X", null]'),
			('discount_value', '[1, 20, 99.5]', '[0, -1, 200, "NaN", "Infinity", null, "x", 1e40]'), ('discount_cap', '[5, null]', '[0, -3, "y"]'),
			('expiry_type', '["FIXED_DATE"]', '["WITH_CAMPAIGN", "FOO", null]'), ('expires_on', '["2026-12-31"]', '[null, "infinity", "0001-01-01 BC", "32"]'),
			('product_scope', '["SELECTED_PRODUCTS"]', '["ALL_PRODUCTS", "SOME", null]'), ('store_scope', '["SELECTED_STORES"]', '["ANY_STORE", ""]'),
			('audience_only', '[true]', '[false, null, "maybe"]'), ('code_method', '["GENERATED", "UPLOADED"]', '["COMMON", "RANDOMISED", "X"]'),
			('common_code', '[null]', '["", "HI", "a b", "WELCOME"]'), ('sample_code', '[null]', '["TEST12345", "ab", "WELCOME12"]'), ('code_length', '[8, 12]', '[0, 41, 3.5, null]'),
			('code_prefix', '[null, ""]', '["AB", "a b", "12345678901234567890123456789012345"]'), ('coupon_expiry_type', '["DAYS"]', '["WITH_OFFER", "MONTH_ENDS", "Z", null]'),
			('coupon_expiry_value', '[1]', '[null, -1, 40000]'), ('max_issued', '[null, 5]', '[-1, "x"]'), ('max_issued_per_customer', '[1]', '[-1, 3000000000]'),
			('min_days_between_issues', '[null]', '[-1, 40000]'), ('past_issue_months', '[6]', '[null, -1]'), ('max_uses_per_coupon', '[1, null, 3]', '[-1]'),
			('min_days_between_uses', '[null, 0]', '[5, -1]'), ('max_redemptions', '[null]', '[-5]'), ('max_discount_total', '[null]', '[-5, "NaN"]'),
			('min_bill', '[null, 5]', '[-1, 100]'), ('max_bill', '[50]', '[3, -1, "-Infinity"]'), ('sale_items', '[true]', '[null, "x"]'), ('reissue', '["NEW"]', '["OLD"]'),
			('owner_service', '[null, "DVS"]', '["dvs"]'), ('owner_ref', '[null]', '["x", " "]'), ('code', '[null, "Z1"]', '["C1", " ", "12345678901234567890123456789012345678901"]'),
			('resend_content', '[null, "{code}"]', '["{", "{x}"]'),
			('offer_product', '[[{"kind": "SKU", "value": "1"}]]', '[[{"kind": "X", "value": "1"}], [{"kind": "SKU"}], [{"kind": "SKU", "value": "1"}, {"kind": "SKU", "value": "1"}]]'),
			('offer_entity', '[[], [{"entity_type": "TILL", "entity_id": "T"}]]', '[[{"entity_type": "SHOP", "entity_id": "T"}], [{"entity_type": "TILL", "entity_id": " "}]]'),
			('offer_window', '[[{"weekdays": [1]}], []]', '[[{"weekdays": []}], [{"weekdays": [8]}], [{"from_time": "24:00"}], [{"from_date": "2026-01-02", "to_date": "2026-01-01"}], [{"weekdays": null}], [{"month_days": [30], "from_date": "2026-02-01", "to_date": "2026-02-28"}]]'),
			('offer_audience', '[[{"customer_id": "a"}]]', '[[{"customer_id": ""}], [{"customer_id": "a"}, {"customer_id": "a"}]]'),
			('offer_exclusion', '[[]]', '[[{"other_offer_id": 999999}], [{"other_offer_id": null}]]'),
			('offer_reminder', '[[{"days_before": 3, "channel": "SMS", "content": "x"}]]', '[[{"days_before": -1, "channel": "SMS", "content": "x"}], [{"days_before": 3, "channel": "", "content": null}], [{"days_before": 3, "channel": "SMS", "content": "x", "time_of_day": null}], [{"days_before": 3, "channel": "SMS", "content": "x"}, {"days_before": 3, "channel": "SMS", "content": "y"}]]'),
			('offer_poc', '[[]]', '[[{"poc_id": 999999, "days_before": 1}], [{"poc_id": null, "days_before": 1}]]')) v (key, good, bad)) v,
		LATERAL (SELECT list::jsonb -> floor(random() * jsonb_array_length(list::jsonb))::int AS value) w
$$;
SELECT setseed(0.42);
CREATE TEMP TABLE tried AS
	SELECT s.settings, saved(s.settings) AS error, (SELECT coalesce(array_agg(message), '{}') FROM cms_preview_offer(s.settings) WHERE kind = 'PROBLEM') AS problems
	FROM (SELECT random_settings(CASE WHEN i % 3 = 0 THEN 0 WHEN i % 3 = 1 THEN 0.02 ELSE 0.3 END) AS settings FROM generate_series(1, 1500) i OFFSET 0) s;
SELECT cmp_ok(count(*) FILTER (WHERE error IS NULL), '>', 300::bigint, 'of random settings some can be saved') FROM tried;
SELECT cmp_ok(count(DISTINCT error), '>', 60::bigint, 'others cannot, for many reasons') FROM tried;
SELECT is_empty('SELECT settings, problems FROM tried WHERE error IS NULL AND problems <> ''{}''', 'what can be saved has no problem');
SELECT is_empty('SELECT settings, error FROM tried WHERE error IS NOT NULL AND problems = ''{}''', 'what cannot be saved has one');
SELECT is_empty($$ SELECT error, problems FROM tried WHERE error IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(problems) p WHERE p = error OR p LIKE '%: ' || error)
	AND error !~ 'does not use this list|duplicate key|NULL value in column' $$, 'and what the server says is one of them');

-- ---- warnings ------------------------------------------------------------------------------------------------
SELECT is(fields(s::jsonb, 'WARNING'), wanted, coalesce(wanted, 'nothing') || ' is doubted: ' || s) FROM (VALUES
	('{}', NULL),
	('{"expires_on": "2026-05-31"}', 'expires_on'),
	('{"expires_on": "2026-06-01"}', NULL),
	('{"claim": {"service": "DVS", "ends_on": "2026-05-31"}}', 'claim.ends_on'),
	('{"expires_on": "2026-06-30", "claim": {"service": "DVS", "ends_on": "2026-07-31"}}', 'expires_on'),
	('{"expires_on": "2026-06-30", "starts_on": "2026-07-01"}', 'starts_on'),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 2, "starts_after_days": 3}', 'starts_after_days'),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3, "starts_after_days": 3}', NULL),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": -1}', NULL),
	('{"expires_on": "2026-06-03", "starts_after_days": 3}', 'starts_after_days'),
	('{"expires_on": "2026-06-04", "starts_after_days": 3}', NULL),
	('{"outlives_offer": true}', 'outlives_offer'),
	('{"expires_on": "2026-06-30", "offer_window": [{"from_date": "2026-07-01"}]}', 'offer_window[1] offer_window'),
	('{"expires_on": "2026-06-30", "offer_window": [{"from_date": "2026-07-01"}, {"weekdays": [1]}]}', 'offer_window[1]'),
	('{"offer_window": [{"to_date": "2026-05-31"}]}', 'offer_window[1] offer_window'),
	('{"expires_on": "2026-06-04", "offer_window": [{"weekdays": [6]}]}', 'offer_window[1] offer_window'),
	('{"expires_on": "2026-06-06", "offer_window": [{"weekdays": [6]}]}', NULL),
	('{"discount_cap": 9.99}', 'discount_cap'),
	('{"discount_cap": 10}', NULL),
	('{"discount_type": "PERCENTAGE", "discount_cap": 100, "max_bill": 500}', 'discount_cap'),
	('{"discount_value": 0.001}', 'discount_value'),
	('{"discount_value": 0.015}', 'discount_value'),
	('{"max_discount_total": 9}', 'max_discount_total'),
	('{"min_bill": 9}', 'min_bill'),
	('{"min_bill": 10}', NULL),
	('{"max_issued": 0, "max_uses_per_coupon": 0, "max_redemptions": 0, "max_discount_total": 0, "max_bill": 0}', 'max_issued max_uses_per_coupon max_redemptions max_discount_total max_bill'),
	('{"max_uses_per_coupon": 3, "max_uses_per_customer": 2}', 'max_uses_per_customer'),
	('{"max_issued_per_customer": 1, "min_days_between_issues": 2}', 'min_days_between_issues'),
	('{"product_scope": "SELECTED_PRODUCTS", "store_scope": "SELECTED_STORES", "audience_only": true}', 'offer_product offer_entity offer_audience'),
	('{"store_scope": "SELECTED_STORES", "offer_entity": [{"entity_type": "ZONE", "entity_id": "nowhere"}]}', 'offer_entity'),
	('{"max_issued": 1000000, "code_length": 4}', 'code_length'),
	('{"max_issued": 1000, "code_length": 3, "allow_dense_codes": true, "code_charset": "NUMERIC"}', NULL),
	('{"expires_on": "2026-06-10", "offer_reminder": [{"days_before": 10, "channel": "SMS", "content": "x"}]}', 'offer_reminder[1].days_before'),
	('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3, "offer_reminder": [{"days_before": 4, "channel": "SMS", "content": "x"}]}', 'offer_reminder[1].days_before'),
	('{"codes_left_alert": 5}', 'codes_left_alert'),
	('{"codes_left_alert": 5, "max_issued": 100}', 'codes_left_alert'),
	('{"resend_allowed": true}', 'resend_content')) t (s, wanted);
SELECT is(string_agg(message, ' ' ORDER BY line), 'Without max_issued a common code is never used up: nobody is ever told.', 'an alert that never comes')
FROM cms_preview_offer('{"name": "x", "discount_type": "FIXED_AMOUNT", "discount_value": 5, "code_method": "COMMON", "common_code": "ALL", "codes_left_alert": 5, "expires_on": "2099-12-31"}'::jsonb)
WHERE kind = 'WARNING';
SELECT is(said('{"expires_on": "30.2.2026"}', only_field => 'expires_on'), NULL, 'no end is told where it cannot be read');
SELECT is(said('{"offer_window": [{"weekdays": [8]}, {"weekdays": [2]}]}', only_field => 'offer_window'), 'Only on Tuesday.', 'nor a window');
SELECT make_offer('pool', '{"code_method": "UPLOADED", "max_issued": 5}');
SELECT is(string_agg(field, ' '), 'max_issued', 'a pool that is too small') FROM cms_preview_offer(o('pool')) WHERE kind = 'WARNING';

-- the amount that redeeming gives, rounded as F32 says
SELECT is(said(s::jsonb, 'WARNING'), wanted, coalesce(wanted, 'nothing') || ': ' || s) FROM (VALUES
	('{"discount_value": 1.005}', 'The discount of ₹1.005 is rounded to ₹1.01.'),
	('{"discount_value": 1.0049}', 'The discount of ₹1.0049 is rounded to ₹1.'),
	('{"discount_value": 0.005}', 'The discount of ₹0.005 is rounded to ₹0.01.'),
	('{"discount_value": 0.0049}', 'The discount of ₹0.0049 is rounded to nothing.'),
	('{"discount_value": 1.005, "max_discount_total": 1.00}', 'The discount of ₹1.005 is rounded to ₹1.01. The budget of ₹1 is not enough for one discount of ₹1.01.')) t (s, wanted);
SELECT play_org('Asia/Tokyo', 'JPY', 0);
SELECT is(said('{"discount_value": 275.5}', 'WARNING'), 'The discount of ¥275.50 is rounded to ¥276.', 'of a currency without decimals');
SELECT play_org('Asia/Kuwait', 'KWD', 3);
SELECT is(said('{"discount_value": 1.2345}', 'WARNING'), 'The discount of KWD 1.2345 is rounded to KWD 1.235.', 'and of one with three');
SELECT back_to_org('Asia/Kolkata');

-- ---- a saved offer ---------------------------------------------------------------------------------------------
SELECT is((SELECT string_agg(message, ' ' ORDER BY line) FROM cms_preview_offer(o('edited')) WHERE kind = 'SUMMARY'),
	(SELECT replace(configuration, E'\n', ' ') FROM cms_offer_info(o('edited'))), 'its summary is the configuration of cms_offer_info');
SELECT throws_ok('SELECT cms_preview_offer(-1::bigint)', 'MS001', NULL, 'an unknown offer');
SELECT throws_ok('SELECT cms_preview_offer(''{"offer_id": -1}''::jsonb)', '22023', NULL, 'an edit of no offer');
SELECT throws_ok('SELECT cms_preview_offer(''{"offer_id": 999999}''::jsonb)', 'MS001', NULL, 'an edit of an unknown one');
SELECT throws_ok(format('SELECT cms_preview_offer(%L::jsonb)', j), '22023', NULL, 'no object: ' || j) FROM unnest(ARRAY['[]', '5', 'null']) j;
SELECT throws_ok('SELECT cms_preview_offer(NULL::jsonb)', '22004', NULL, 'NULL');

-- ---- nothing is written -------------------------------------------------------------------------------------------
-- in an org of its own, as the statements above hold locks of theirs
SELECT play_org('Europe/Oslo', 'NOK');
SELECT last_value AS before FROM cms.offer_id_seq \gset
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \gset
SELECT is(said('{"code_method": "COMMON", "common_code": "NEW"}', 'PROBLEM'), NULL, 'a preview of a common code');
SELECT is((SELECT count(*) FROM cms.offer WHERE common_code = 'NEW'), 0::bigint, 'reserves nothing');
SELECT is((SELECT last_value FROM cms.offer_id_seq), :before::bigint, 'draws no number');
SELECT is((SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), :locks::bigint, 'and takes no lock of codes');

SELECT * FROM finish();
ROLLBACK;
