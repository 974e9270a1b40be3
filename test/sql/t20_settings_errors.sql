-- Every refusal of settings once: SQLSTATE, table.column, message, hint. Triggers speak first, so
-- no constraint shows its name here. All of it is rolled back at the end.
\pset format unaligned
\pset tuples_only on
-- whom a TRUNCATE would reach is not of interest
SET client_min_messages = warning;
BEGIN;

-- What a statement is refused with; "accepted" (and undone) if it is not.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text
	LANGUAGE plpgsql AS
$$
DECLARE
	state text; column_name text; message text; hint text; table_name text; constraint_name text;
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, column_name = COLUMN_NAME, message = MESSAGE_TEXT,
		hint = PG_EXCEPTION_HINT, table_name = TABLE_NAME, constraint_name = CONSTRAINT_NAME;
	IF state = 'ZZ000' THEN
		RETURN '      accepted';
	END IF;
	RETURN pg_catalog.concat_ws(' ', state,
			NULLIF(pg_catalog.concat_ws('.', NULLIF(table_name, ''), NULLIF(column_name, '')), ''),
			'constraint ' || NULLIF(constraint_name, '')) || ': ' || message
		|| pg_catalog.concat(E'\n      ' || NULLIF(hint, ''));
END
$$;

-- The same for an offer that is right but for the columns given.
CREATE FUNCTION pg_temp.offer(columns jsonb) RETURNS text
	LANGUAGE sql AS
$$
SELECT pg_temp.refused(format('INSERT INTO cms.offer (%s) VALUES (%s)',
	string_agg(quote_ident(key), ', ' ORDER BY key), string_agg(quote_nullable(value), ', ' ORDER BY key)))
FROM jsonb_each_text('{"org_id": 2001, "offer_id": 20009, "name": "x",
                       "discount_type": "PERCENTAGE", "discount_value": 10}' || columns)
$$;

-- The same for a change of an offer.
CREATE FUNCTION pg_temp.change(offer_id int, columns jsonb) RETURNS text
	LANGUAGE sql AS
$$
SELECT pg_temp.refused(format('UPDATE cms.offer SET %s WHERE org_id = 2001 AND offer_id = %s',
	string_agg(quote_ident(key) || ' = ' || quote_nullable(value), ', ' ORDER BY key), offer_id))
FROM jsonb_each_text(columns)
$$;

-- ---- orgs ---------------------------------------------------------------------------------------
INSERT INTO cms.org (org_id, name, time_zone) VALUES (2001, '  Tests  ', 'asia/kolkata'), (2002, 'Other', 'UTC');
SELECT name, time_zone, currency, minor_units FROM cms.org WHERE org_id = 2001;

SELECT pg_temp.refused($$INSERT INTO cms.org (org_id, name) VALUES (0, 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (org_id, name) VALUES (NULL, 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name) VALUES (NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name) VALUES (E' \t')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, time_zone) VALUES ('x', 'Asia/Atlantis')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, time_zone) VALUES ('x', 'FOO+3')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, time_zone) VALUES ('x', 'localtime')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, time_zone) VALUES ('x', '')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, time_zone) VALUES ('x', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, currency) VALUES ('x', 'XYZ')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, currency) VALUES ('x', 'inr')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, currency) VALUES ('x', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, minor_units) VALUES ('x', -1)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, minor_units) VALUES ('x', 5)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, max_backdate) VALUES ('x', '-1 second')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, max_failed_attempts) VALUES ('x', 0)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, failed_attempts_within) VALUES ('x', '0')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, failed_attempts_within) VALUES ('x', '1 year')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, failed_attempts_within) VALUES ('x', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, record_attempts) VALUES ('x', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org (name, uniform_refusals) VALUES ('x', NULL)$$);
SELECT pg_temp.refused($$UPDATE cms.org SET org_id = 2003 WHERE org_id = 2001$$);
SELECT pg_temp.refused($$UPDATE cms.org SET time_zone = 'America/Lima' WHERE org_id = 2001$$);
SELECT pg_temp.refused($$TRUNCATE cms.org CASCADE$$);

SELECT pg_temp.refused($$INSERT INTO cms.org_role VALUES (2999, 'cms_manager')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_role VALUES (2001, NULL)$$);
-- a restore may bring the row before its role
SELECT pg_temp.refused($$INSERT INTO cms.org_role VALUES (2001, 'regress_nobody')$$);
CREATE ROLE regress_cms_admin IN ROLE cms_admin;
SET ROLE regress_cms_admin;
SELECT pg_temp.refused($$INSERT INTO cms.org_role VALUES (2001, 'regress_nobody')$$);
RESET ROLE;

-- ---- places and people --------------------------------------------------------------------------
-- a parent may come later in the same statement
INSERT INTO cms.org_entity (org_id, entity_type, entity_id, parent_id, name) VALUES
	(2001, 'TILL', 't1', 's1', 'First till'), (2001, 'STORE', 's1', 'z1', 'Mall'), (2001, 'STORE', 's2', 'z1', 'Mall'),
	(2001, 'ZONE', 'z1', 'c1', 'South'), (2001, 'CONCEPT', 'c1', NULL, 'Shoes');
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (2999, 'STORE', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (2001, 'SHOP', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (2001, NULL, 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (2001, 'STORE', ' ')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (2001, 'STORE', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id, parent_id) VALUES (2001, 'STORE', 'x', 'z9')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id, parent_id) VALUES (2001, 'STORE', 'x', '')$$);
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id, parent_id) VALUES (2001, 'CONCEPT', 'x', 'c1')$$);
-- a place of another type is no parent
SELECT pg_temp.refused($$UPDATE cms.org_entity SET parent_id = 's1' WHERE org_id = 2001 AND entity_id = 's2'$$);
SELECT pg_temp.refused($$UPDATE cms.org_entity SET org_id = 2002 WHERE org_id = 2001 AND entity_id = 't1'$$);
SELECT pg_temp.refused($$DELETE FROM cms.org_entity WHERE org_id = 2001 AND entity_id = 's1'$$);
SELECT pg_temp.refused($$TRUNCATE cms.org_entity$$);

INSERT INTO cms.poc (org_id, poc_id, name, email) VALUES (2001, 1, ' Asha ', ' asha@example.com ');
SELECT name, email FROM cms.poc WHERE org_id = 2001;
SELECT pg_temp.refused($$INSERT INTO cms.poc (org_id, name, email) VALUES (2001, ' ', 'a@b')$$);
SELECT pg_temp.refused($$INSERT INTO cms.poc (org_id, name, email) VALUES (2001, 'A', NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.poc (org_id, name, email) VALUES (2001, 'A', 'nobody')$$);
SELECT pg_temp.refused($$INSERT INTO cms.poc (org_id, name, email) VALUES (2001, 'A', 'a@b@c')$$);
SELECT pg_temp.refused($$INSERT INTO cms.poc (org_id, name, email) VALUES (2001, 'A', 'a b@c')$$);

-- ---- offers: what is filled in, and what a mistake is told ----------------------------------------
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, expires_on)
	VALUES (2001, 20001, E'  Spring\t', 'PERCENTAGE', 10, '2020-01-31');
INSERT INTO cms.offer (org_id, offer_id, code, name, discount_type, discount_value, code_method, common_code)
	VALUES (2001, 20002, ' Save-Now ', 'Common', 'FIXED_AMOUNT', 50, 'COMMON', E' save10\u00A0');
INSERT INTO cms.offer (org_id, offer_id, code, name, discount_type, discount_value, code_method, sample_code)
	VALUES (2001, 20003, 'R1', 'Letters', 'FIXED_AMOUNT', 50, 'RANDOMISED', 'test12345'),
	       (2001, 20004, 'R2', 'Digits', 'FIXED_AMOUNT', 50, 'RANDOMISED', '12345');
INSERT INTO cms.offer (org_id, offer_id, code, name, discount_type, discount_value, code_prefix, code_suffix)
	VALUES (2001, 20005, 'G2', 'Pattern', 'PERCENTAGE', 5, 'in-', '  ');
INSERT INTO cms.offer (org_id, offer_id, code, name, discount_type, discount_value, code_method)
	VALUES (2001, 20006, 'U1', 'Uploaded', 'PERCENTAGE', 5, 'UPLOADED');
SELECT offer_id, CASE WHEN offer_id = 20001 THEN code ~ '^[2-9A-Z]{8}$' ELSE code = ANY ('{Save-Now,R1,R2,G2,U1}') END,
	name, expiry_type, expires_on, common_code, sample_code, code_prefix, code_suffix,
	created_by = current_user AND modified_by = current_user AND created_at = now() AND modified_at = now()
FROM cms.offer WHERE org_id = 2001 ORDER BY offer_id;

SELECT pg_temp.offer('{"org_id": null}');
SELECT pg_temp.offer('{"org_id": 2999}');
SELECT pg_temp.offer('{"offer_id": null}');
SELECT pg_temp.offer('{"offer_id": 0}');
SELECT pg_temp.offer('{"code": " "}');
SELECT pg_temp.offer('{"code": "Save-Now"}');
SELECT pg_temp.offer(jsonb_build_object('code', repeat('x', 41)));
SELECT pg_temp.offer('{"name": null}');
SELECT pg_temp.offer(E'{"name": " \u00A0 "}');
SELECT pg_temp.offer(jsonb_build_object('name', repeat('ä', 255)));
SELECT pg_temp.offer(jsonb_build_object('name', repeat('ä', 256)));
SELECT pg_temp.offer('{"status": "active"}');
SELECT pg_temp.offer('{"status": null}');
SELECT pg_temp.offer('{"owner_service": "SHOP"}');
SELECT pg_temp.offer('{"owner_ref": "c1"}');
SELECT pg_temp.offer('{"owner_service": "DVS", "owner_ref": " "}');
SELECT pg_temp.offer('{"expiry_type": "NEVER"}');
SELECT pg_temp.offer('{"expiry_type": "FIXED_DATE"}');
SELECT pg_temp.offer('{"expiry_type": "WITH_CAMPAIGN", "expires_on": "2030-01-01"}');
SELECT pg_temp.offer('{"expires_on": "infinity"}');
SELECT pg_temp.offer('{"expires_on": "-infinity"}');
SELECT pg_temp.offer('{"expires_on": "10000-01-01"}');
SELECT pg_temp.offer('{"expires_on": "0001-12-31 BC"}');
SELECT pg_temp.offer('{"starts_on": "infinity"}');
SELECT pg_temp.offer('{"discount_type": null}');
SELECT pg_temp.offer('{"discount_type": "FREE"}');
SELECT pg_temp.offer('{"discount_value": null}');
SELECT pg_temp.offer('{"discount_value": 0}');
SELECT pg_temp.offer('{"discount_value": -1}');
SELECT pg_temp.offer('{"discount_value": 100.01}');
SELECT pg_temp.offer('{"discount_value": 100}');
SELECT pg_temp.offer('{"discount_value": "NaN"}');
SELECT pg_temp.offer('{"discount_value": "Infinity", "discount_type": "FIXED_AMOUNT"}');
SELECT pg_temp.offer('{"discount_value": "-Infinity"}');
SELECT pg_temp.offer('{"discount_cap": 0}');
SELECT pg_temp.offer('{"discount_cap": -5}');
SELECT pg_temp.offer('{"discount_cap": "NaN"}');
SELECT pg_temp.offer('{"product_scope": "SOME"}');
SELECT pg_temp.offer('{"sale_items": null}');
SELECT pg_temp.offer('{"delivery": "POST"}');
SELECT pg_temp.offer('{"code_method": "MAGIC"}');
SELECT pg_temp.offer('{"code_method": "COMMON"}');
SELECT pg_temp.offer('{"common_code": "X1"}');
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": " "}');
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "10% OFF"}');
SELECT pg_temp.offer(jsonb_build_object('code_method', 'COMMON', 'common_code', repeat('x', 41)));
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "Save10"}');
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "testABCDE"}');
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "12999"}');
-- not a digit, or not as long: free
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "12A99"}');
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "TEST1234"}');
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "A1", "sample_code": "TEST99999"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED"}');
SELECT pg_temp.offer('{"sample_code": "ABCDE"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "ABCD"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "ABCDE123456"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "AB CDE"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "TEST99999"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "12ABC"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "sav999"}');
-- what a dump holds is accepted as it is
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "QQ???"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "QQQQQ", "owner_service": "DVS"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "QQQQQ", "audience_only": true}');
SELECT pg_temp.offer('{"code_method": "UPLOADED", "code_prefix": "A"}');
SELECT pg_temp.offer('{"code_method": "UPLOADED", "code_suffix": "A"}');
SELECT pg_temp.offer('{"code_length": 0}');
SELECT pg_temp.offer('{"code_length": 41}');
SELECT pg_temp.offer('{"code_length": null}');
SELECT pg_temp.offer('{"code_prefix": "ABCDE", "code_length": 30, "code_suffix": "ABCDEF"}');
SELECT pg_temp.offer('{"code_prefix": "ABCDE", "code_length": 30, "code_suffix": "ABCDE"}');
SELECT pg_temp.offer('{"code_prefix": "a/b"}');
SELECT pg_temp.offer(jsonb_build_object('code_suffix', repeat('x', 41)));
SELECT pg_temp.offer('{"code_charset": "EMOJI"}');
SELECT pg_temp.offer('{"coupon_expiry_type": "WEEKS"}');
SELECT pg_temp.offer('{"coupon_expiry_type": "DAYS"}');
SELECT pg_temp.offer('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": -1}');
SELECT pg_temp.offer('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 36501}');
SELECT pg_temp.offer('{"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 1201}');
SELECT pg_temp.offer('{"coupon_expiry_value": 1}');
SELECT pg_temp.offer('{"max_issued": -1}');
SELECT pg_temp.offer('{"max_issued_per_customer": -1}');
SELECT pg_temp.offer('{"min_days_between_issues": -1}');
SELECT pg_temp.offer('{"past_issue_months": -1}');
SELECT pg_temp.offer('{"past_issue_months": null}');
SELECT pg_temp.offer('{"codes_left_alert": -1}');
SELECT pg_temp.offer('{"reissue": "SAME"}');
SELECT pg_temp.offer('{"starts_after_days": -1}');
SELECT pg_temp.offer('{"max_uses_per_coupon": -1}');
SELECT pg_temp.offer('{"max_uses_per_customer_and_coupon": -1}');
SELECT pg_temp.offer('{"max_uses_per_customer": -1}');
SELECT pg_temp.offer('{"max_redemptions": -1}');
SELECT pg_temp.offer('{"max_discount_total": -0.01}');
SELECT pg_temp.offer('{"max_discount_total": "NaN"}');
SELECT pg_temp.offer('{"min_days_between_uses": 1}');
SELECT pg_temp.offer('{"min_days_between_uses": 1, "max_uses_per_coupon": null}');
SELECT pg_temp.offer('{"min_days_between_uses": 0}');
SELECT pg_temp.offer('{"min_days_between_uses": -1}');
SELECT pg_temp.offer('{"min_bill": -1}');
SELECT pg_temp.offer('{"max_bill": "Infinity"}');
SELECT pg_temp.offer('{"min_bill": 500.01, "max_bill": 500}');
SELECT pg_temp.offer('{"min_bill": 500, "max_bill": 500}');
SELECT pg_temp.offer('{"store_scope": "HERE"}');

-- ---- offers: what is fixed, for the owner of the tables and a superuser too ---------------------------
SELECT pg_temp.change(20001, '{"org_id": 2002}');
SELECT pg_temp.change(20001, '{"offer_id": 20010}');
SELECT pg_temp.change(20001, '{"expiry_type": "WITH_CAMPAIGN", "expires_on": null}');
SELECT pg_temp.change(20001, '{"code_method": "UPLOADED"}');
SELECT pg_temp.change(20003, '{"sample_code": "TEST99999"}');
SELECT pg_temp.change(20003, '{"sample_code": "TEST?????"}');
SELECT pg_temp.change(20001, '{"created_by": "me"}');
SELECT pg_temp.change(20001, '{"created_at": "2020-01-01"}');
INSERT INTO cms.org_role VALUES (2001, 'cms_owner');
SET ROLE cms_owner;
SELECT pg_temp.change(20001, '{"code_method": "UPLOADED"}');
RESET ROLE;
DELETE FROM cms.org_role WHERE org_id = 2001;

SELECT pg_temp.change(20001, '{"expires_on": null}');
SELECT pg_temp.change(20001, '{"code": "Save-Now"}');
SELECT pg_temp.change(20002, '{"common_code": "test00000"}');
SELECT pg_temp.change(20002, '{"common_code": "SAVE11", "name": "Free to change"}');
SELECT pg_temp.change(20003, '{"audience_only": true}');
UPDATE cms.offer SET modified_by = 'somebody' WHERE org_id = 2001 AND offer_id = 20001
	RETURNING modified_by = current_user;

-- codes that exist
SELECT count(*) FROM cms.cms_upload_codes(20006, '{UP-1,UP99999,77555}', org => 2001, at => '2025-01-01') WHERE loaded;
SELECT pg_temp.offer('{"code_method": "COMMON", "common_code": "up-1"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "UP9ABCD"}');
SELECT pg_temp.offer('{"code_method": "RANDOMISED", "sample_code": "77000"}');

-- caps: not below what is issued; others may drop
SELECT count(*) FROM cms.cms_issue(20006, 'ann', 2, org => 2001, at => '2025-01-01') WHERE issued;
SELECT pg_temp.change(20006, '{"max_issued": 1}');
SELECT pg_temp.change(20006, '{"max_issued": 2, "max_redemptions": 0, "max_discount_total": 0}');
SELECT pg_temp.refused($$DELETE FROM cms.offer WHERE org_id = 2001 AND offer_id = 20006$$);
SELECT pg_temp.refused($$DELETE FROM cms.org WHERE org_id = 2001$$);

-- ---- lists --------------------------------------------------------------------------------------
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (2001, 20001, 'SKU', 'a')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_entity VALUES (2001, 20001, 'STORE', 's1')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_audience VALUES (2001, 20001, 'ann')$$);
UPDATE cms.offer SET product_scope = 'SELECTED_PRODUCTS', store_scope = 'SELECTED_STORES', audience_only = true
	WHERE org_id = 2001 AND offer_id = 20001;
INSERT INTO cms.offer_product VALUES (2001, 20001, 'SKU', 'a');
INSERT INTO cms.offer_entity VALUES (2001, 20001, 'STORE', 's1');
INSERT INTO cms.offer_audience VALUES (2001, 20001, 'ann');
SELECT pg_temp.change(20001, '{"product_scope": "ALL_PRODUCTS"}');
SELECT pg_temp.change(20001, '{"store_scope": "ANY_STORE"}');
SELECT pg_temp.change(20001, '{"audience_only": false}');
SELECT pg_temp.refused($$DELETE FROM cms.offer_product; UPDATE cms.offer SET product_scope = 'ALL_PRODUCTS' WHERE offer_id = 20001$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (2001, 29999, 'SKU', 'a')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (2002, 20001, 'SKU', 'a')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (2001, NULL, 'SKU', 'a')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (2001, 20001, 'COLOUR', 'a')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (2001, 20001, 'SKU', ' ')$$);
SELECT pg_temp.refused($$UPDATE cms.offer_product SET org_id = 2002 WHERE org_id = 2001$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_entity VALUES (2001, 20001, 'SHOP', 's1')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_entity VALUES (2001, 20001, 'STORE', '')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_audience VALUES (2001, 20001, NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_audience VALUES (2001, 20001, ' ')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_exclusion VALUES (2001, 20001, 20001)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_exclusion VALUES (2001, 20001, 29999)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_exclusion VALUES (2001, 20001, NULL)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_reminder (org_id, offer_id, days_before, channel, content) VALUES (2001, 20001, -1, 'SMS', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_reminder (org_id, offer_id, days_before, channel, content) VALUES (2001, 20001, 3651, 'SMS', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_reminder (org_id, offer_id, days_before, channel, content) VALUES (2001, 20001, 3, ' ', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_reminder (org_id, offer_id, days_before, channel, content) VALUES (2001, 20001, 3, 'SMS', ' ')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_reminder (org_id, offer_id, days_before, time_of_day, channel, content) VALUES (2001, 20001, 3, NULL, 'SMS', 'x')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_poc VALUES (2001, 20001, 1, -1)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_poc VALUES (2001, 20001, 9, 1)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_poc VALUES (2001, 20001, NULL, 1)$$);

-- ---- windows that are wrong or can never match -----------------------------------------------------
CREATE FUNCTION pg_temp.offer_window(columns jsonb) RETURNS text
	LANGUAGE sql AS
$$
SELECT pg_temp.refused(format('INSERT INTO cms.offer_window (%s) VALUES (%s)',
	string_agg(quote_ident(key), ', ' ORDER BY key), string_agg(quote_nullable(value), ', ' ORDER BY key)))
FROM jsonb_each_text('{"org_id": 2001, "offer_id": 20001, "window_id": 1}' || columns)
$$;
SELECT pg_temp.offer_window('{"weekdays": "{}"}');
SELECT pg_temp.offer_window('{"weekdays": "{0}"}');
SELECT pg_temp.offer_window('{"weekdays": "{1,8}"}');
SELECT pg_temp.offer_window('{"weekdays": "{1,NULL}"}');
SELECT pg_temp.offer_window('{"weekdays": "{{1},{2}}"}');
SELECT pg_temp.offer_window('{"month_days": "{32}"}');
SELECT pg_temp.offer_window('{"month_days": "{-1}"}');
SELECT pg_temp.offer_window('{"month_days": "{}"}');
SELECT pg_temp.offer_window('{"from_date": "infinity"}');
SELECT pg_temp.offer_window('{"to_date": "-infinity"}');
SELECT pg_temp.offer_window('{"from_date": "2025-03-02", "to_date": "2025-03-01"}');
SELECT pg_temp.offer_window('{"from_time": "10:00", "to_time": "10:00"}');
SELECT pg_temp.offer_window('{"to_time": "00:00"}');
SELECT pg_temp.offer_window('{"from_time": "24:00"}');
SELECT pg_temp.offer_window('{"from_time": "24:00", "to_time": "02:00"}');
SELECT pg_temp.offer_window('{"month_days": "{31}", "from_date": "2025-02-01", "to_date": "2025-02-28"}');
SELECT pg_temp.offer_window('{"weekdays": "{1}", "from_date": "2025-03-04", "to_date": "2025-03-09"}');
SELECT pg_temp.offer_window('{"weekdays": "{1}", "month_days": "{29}", "from_date": "2025-02-01", "to_date": "2025-03-15"}');
-- rare, but it comes: a Monday, 29 February
SELECT pg_temp.offer_window('{"weekdays": "{1}", "month_days": "{29}"}');
SELECT pg_temp.offer_window('{"from_time": "22:00", "to_time": "02:00"}');
SELECT pg_temp.offer_window('{"from_time": "22:00", "to_time": "24:00"}');
SELECT pg_temp.offer_window('{}');
SELECT pg_temp.offer_window('{"offer_id": 29999, "weekdays": "{1}"}');

-- ---- tags -----------------------------------------------------------------------------------------
SELECT line, value, tagged, reason, message, entity_id
	FROM cms.cms_tag_offer(20001, 'STORE', '{s1,s9," ",NULL}', '{Mall,Nowhere,NULL}', 2001);
SELECT line, value, tagged, reason, entity_id FROM cms.cms_tag_offer(20001, 'ZONE', names => '{" South "}', org => 2001);
SELECT entity_type, entity_id FROM cms.offer_entity WHERE org_id = 2001 ORDER BY 1, 2;
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(29999, 'STORE', '{s1}', org => 2001)$$);
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(20002, 'STORE', '{}', org => 2001)$$);
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(20001, 'SHOP', '{s1}', org => 2001)$$);
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(20001, NULL, '{s1}', org => 2001)$$);
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(NULL, 'STORE', '{s1}', org => 2001)$$);
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(20001, 'STORE', org => 2001)$$);
SELECT pg_temp.refused($$SELECT cms.cms_tag_offer(20001, 'STORE', '{{s1,s2}}', org => 2001)$$);

-- ---- what goes with an offer, and with an org ---------------------------------------------------------
-- an offer that issued nothing goes with its codes, claim and lists
SELECT cms.cms_generate_codes(20005, 3, org => 2001, at => '2025-01-01');
SELECT revoked_unissued FROM cms.cms_revoke(20005, 'UNISSUED', confirm => true, org => 2001, at => '2025-01-01');
SELECT cms.cms_generate_codes(20005, 2, org => 2001, at => '2025-01-01');
SELECT claimed FROM cms.cms_claim(20005, 'DVS', org => 2001, at => '2025-01-01');
INSERT INTO cms.offer_exclusion VALUES (2001, 20001, 20005);
DELETE FROM cms.offer WHERE org_id = 2001 AND offer_id = 20005;
SELECT (SELECT count(*) FROM cms.coupon WHERE org_id = 2001 AND offer_id = 20005),
	(SELECT count(*) FROM cms.offer_slot WHERE org_id = 2001 AND offer_id = 20005),
	(SELECT count(*) FROM cms.claim WHERE org_id = 2001 AND offer_id = 20005),
	(SELECT count(*) FROM cms.offer_exclusion WHERE org_id = 2001),
	(SELECT count(*) FROM cms.offer_version WHERE org_id = 2001 AND offer_id = 20005);
INSERT INTO cms.org_role VALUES (2002, 'cms_manager');
DELETE FROM cms.org WHERE org_id = 2002;
SELECT count(*) FROM cms.org_role WHERE org_id = 2002;

-- ---- what only the actions write: a superuser is stopped too ------------------------------------------
SELECT pg_temp.refused('UPDATE cms.coupon SET uses = 0');
SELECT name, verb, split_part(pg_temp.refused(format(verb, name)), E'\n', 1)
FROM unnest('{coupon,redemption,claim,offer_slot,offer_version,offer_key,request}'::text[]) AS name,
	unnest('{"UPDATE cms.%I SET org_id = 1 WHERE false","DELETE FROM cms.%I WHERE false","TRUNCATE cms.%I"}'::text[]) AS verb;
SELECT name, split_part(pg_temp.refused(format('TRUNCATE cms.%I CASCADE', name)), E'\n', 1)
FROM unnest('{org_role,poc,offer,offer_product,offer_entity,offer_window,offer_audience,offer_exclusion,offer_reminder,offer_poc}'::text[]) AS name;

-- ---- triggers in a place that is not theirs ----------------------------------------------------------
CREATE TABLE regress_cms_elsewhere (org_id int);
CREATE TRIGGER a BEFORE INSERT ON regress_cms_elsewhere FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_offer_check();
SELECT pg_temp.refused('INSERT INTO regress_cms_elsewhere VALUES (1)');
DROP TRIGGER a ON regress_cms_elsewhere;
CREATE TRIGGER a AFTER INSERT ON regress_cms_elsewhere FOR EACH ROW EXECUTE FUNCTION cms.cms_guard();
SELECT pg_temp.refused('INSERT INTO regress_cms_elsewhere VALUES (1)');
DROP TRIGGER a ON regress_cms_elsewhere;
CREATE TRIGGER a BEFORE INSERT ON regress_cms_elsewhere FOR EACH ROW EXECUTE FUNCTION cms.cms_settings_changed();
SELECT pg_temp.refused('INSERT INTO regress_cms_elsewhere VALUES (1)');
ROLLBACK;
