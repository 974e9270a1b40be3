-- Strangers are left alone and have no say. Installing changes nothing outside the schema cms; and
-- objects that somebody named like those of the server or of the extension, and put before them on the
-- path of the session, are called by no action, trigger or view.
SET client_min_messages = warning;
SET timezone = 'UTC';
\set VERBOSITY sqlstate
BEGIN;

-- ---- nothing outside the schema ------------------------------------------------------------------
SELECT d.classid::regclass AS catalog, count(*) > 0 AS some
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'cms' AND d.deptype = 'e' GROUP BY 1 ORDER BY d.classid::regclass::text COLLATE "C";
SELECT pg_describe_object(d.classid, d.objid, 0)
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'cms' AND d.deptype = 'e' AND d.classid <> 'pg_namespace'::regclass
	AND (pg_identify_object(d.classid, d.objid, 0)).schema IS DISTINCT FROM 'cms'
	AND (pg_identify_object(d.classid, d.objid, 0)).identity !~ '(^| )cms\.';
SELECT evtname FROM pg_event_trigger;
SELECT name FROM pg_settings, cms.cms_version() WHERE name LIKE 'cms.%' ORDER BY 1;
-- a trigger of ours on a table of somebody else
SELECT t.tgrelid::regclass FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.pronamespace = 'cms'::regnamespace
	AND (SELECT relnamespace FROM pg_class WHERE oid = t.tgrelid) <> 'cms'::regnamespace;

-- ---- the trap --------------------------------------------------------------------------------------
-- Operators, functions, aggregates, types and tables with the names of the server's and of ours. Whoever
-- calls one stops with TRAP1, whoever reads a table finds it empty.
CREATE SCHEMA trap;
GRANT USAGE, CREATE ON SCHEMA trap TO PUBLIC;
DO $$
DECLARE
	o record;
	types constant regtype[] := '{bool,bytea,int2,int4,int8,text,name,date,time,timestamp,timestamptz,interval,numeric,jsonb,"char",
		float8,oid,xid,bool[],int4[],int8[],text[],date[],time[]}';
	made int := 0;
BEGIN
	FOR o IN
		SELECT p.oid::regprocedure AS name, p.proname, pg_get_function_identity_arguments(p.oid) AS arguments,
			p.prorettype::regtype AS result, p.proretset
		FROM pg_proc p
		WHERE p.pronamespace IN ('pg_catalog'::regnamespace, 'cms'::regnamespace) AND p.prokind = 'f' AND p.provariadic = 0
			AND p.proargmodes IS NULL AND p.prorettype = ANY (types) AND p.proargtypes::oid[] <@ types::oid[]
	LOOP
		EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s%s LANGUAGE plpgsql AS $f$ BEGIN
				RAISE EXCEPTION ''%s called as %%'', current_user USING ERRCODE = ''TRAP1''; END $f$',
			o.proname, o.arguments, CASE WHEN o.proretset THEN 'SETOF ' ELSE '' END, o.result, o.name);
		made := made + 1;
	END LOOP;
	FOR o IN
		SELECT p.oprname, p.oprleft::regtype AS l, p.oprright::regtype AS r, f.proname
		FROM pg_operator p JOIN pg_proc f ON f.oid = p.oprcode
		WHERE p.oprnamespace = 'pg_catalog'::regnamespace AND p.oprleft = ANY (types) AND p.oprright = ANY (types)
			AND p.oprresult = ANY (types) AND f.prokind = 'f'
			AND to_regprocedure(format('trap.%I(%s,%s)', f.proname, p.oprleft::regtype, p.oprright::regtype)) IS NOT NULL
	LOOP
		EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.%I)', o.oprname, o.l, o.r, o.proname);
		made := made + 1;
	END LOOP;
	FOR o IN
		SELECT p.proname, p.proargtypes[0]::regtype AS argument FROM pg_proc p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'a' AND p.pronargs = 1 AND p.proargtypes[0] = ANY (types)
	LOOP
		EXECUTE format('CREATE FUNCTION trap.%I(int8, %s) RETURNS int8 LANGUAGE plpgsql AS $f$ BEGIN
				RAISE EXCEPTION ''%1$s called as %%'', current_user USING ERRCODE = ''TRAP1''; END $f$', o.proname || ' step', o.argument);
		EXECUTE format('CREATE AGGREGATE trap.%I(%s) (SFUNC = trap.%I, STYPE = int8)', o.proname, o.argument, o.proname || ' step');
		made := made + 1;
	END LOOP;
	CREATE FUNCTION trap.no_type(pg_catalog.text) RETURNS bool LANGUAGE plpgsql AS $f$ BEGIN
		RAISE EXCEPTION 'type used as %', current_user USING ERRCODE = 'TRAP1'; END $f$;
	FOREACH o.proname IN ARRAY '{text,date,timestamptz,jsonb,name,bytea,int4,int8,bool,regclass}'::name[] LOOP
		EXECUTE format('CREATE DOMAIN trap.%I AS pg_catalog.%1$I CHECK (trap.no_type(''x''))', o.proname);
	END LOOP;
	FOR o IN
		SELECT relname AS proname FROM pg_class WHERE relnamespace = 'cms'::regnamespace AND relkind IN ('r', 'v')
	LOOP
		EXECUTE format('CREATE TABLE trap.%I AS TABLE cms.%1$I WITH NO DATA', o.proname);
		EXECUTE format('CREATE TEMP TABLE %I AS TABLE cms.%1$I WITH NO DATA', o.proname);
	END LOOP;
	-- enough of them to mean something
	IF made < 1000 THEN
		RAISE EXCEPTION 'only % traps', made;
	END IF;
END
$$;
GRANT SELECT ON ALL TABLES IN SCHEMA trap TO PUBLIC;

CREATE ROLE regress_cms_admin IN ROLE cms_admin;
CREATE ROLE regress_cms_manager IN ROLE cms_manager;
CREATE ROLE regress_cms_issuer IN ROLE cms_issuer;
CREATE ROLE regress_cms_redeemer IN ROLE cms_redeemer;
CREATE ROLE regress_cms_analyst IN ROLE cms_analyst;

SET search_path = trap, pg_temp, pg_catalog, public;
-- the trap works
SAVEPOINT s;
SELECT 1 = 1;
ROLLBACK TO s;
SELECT now();
ROLLBACK TO s;
SELECT max(1);
ROLLBACK TO s;
SELECT 'x'::text;
ROLLBACK TO s;
SELECT cms_version();
ROLLBACK TO s;

-- ---- every trigger ------------------------------------------------------------------------------------
SET ROLE regress_cms_admin;
INSERT INTO cms.org (name, time_zone, currency) VALUES ('shop', 'Asia/Kolkata', 'INR');
RESET ROLE;
SELECT org_id FROM cms.org ORDER BY org_id DESC LIMIT 1 \gset
\set VERBOSITY default
SET cms.org = :org_id;
SET ROLE regress_cms_admin;
INSERT INTO cms.org_role (org_id, role_name) VALUES (:org_id, 'regress_cms_manager'), (:org_id, 'regress_cms_issuer'),
	(:org_id, 'regress_cms_redeemer'), (:org_id, 'regress_cms_analyst');
UPDATE cms.org SET max_backdate = '36500 days';
SET ROLE regress_cms_manager;
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id, name)
VALUES ('TILL', 'T1', 'S1', NULL), ('STORE', 'S1', 'Z1', 'Main street'), ('ZONE', 'Z1', NULL, 'North');
INSERT INTO cms.poc (poc_id, name, email) VALUES (1000001, 'Asha', 'asha@example.com');
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, common_code, sample_code, product_scope, store_scope,
	audience_only, max_issued, max_redemptions, max_discount_total, max_uses_per_customer, max_issued_per_customer, min_bill, reissue) VALUES
	(1000001, 'generated', 'PERCENTAGE', 10, 'GENERATED', NULL, NULL, 'SELECTED_PRODUCTS', 'SELECTED_STORES', true, 10, 10, 100, 5, 2, 1, 'NEW'),
	(1000002, 'common', 'FIXED_AMOUNT', 1, 'COMMON', 'HELLO', NULL, 'ALL_PRODUCTS', 'ANY_STORE', false, 10, 10, 100, 5, 1, 1, 'EXISTING'),
	(1000003, 'randomised', 'FIXED_AMOUNT', 1, 'RANDOMISED', NULL, 'SAMPLE01', 'ALL_PRODUCTS', 'ANY_STORE', false, 10, NULL, NULL, NULL, NULL, NULL, 'NEW'),
	(1000004, 'uploaded', 'FIXED_AMOUNT', 1, 'UPLOADED', NULL, NULL, 'ALL_PRODUCTS', 'ANY_STORE', false, NULL, NULL, NULL, NULL, NULL, NULL, 'NEW');
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (1000001, 'SKU', 'A');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (1000001, 'ZONE', 'Z1');
INSERT INTO cms.offer_window (offer_id, weekdays, from_date, from_time) VALUES (1000001, '{1,2,3,4,5,6,7}', '2001-01-01', '00:01');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (1000001, 'ann'), (1000001, 'bea');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (1000001, 1000004);
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (1000001, 1, 'SMS', 'soon');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) VALUES (1000001, 1000001, 1);
UPDATE cms.offer SET name = 'other', max_issued = 20, common_code = 'HALLO' WHERE offer_id OPERATOR(pg_catalog.=) 1000002;
UPDATE cms.offer_product SET value = 'B';
UPDATE cms.offer_window SET to_time = '23:59';
COPY cms.code_upload (offer_id, code) FROM STDIN;
1000004	copied
1000004	no, good
\.

-- ---- every callable -----------------------------------------------------------------------------------
SELECT * FROM cms.cms_tag_offer(1000001, 'STORE', '{S9}', '{"Main street"}');
SELECT claimed FROM cms.cms_claim(1000001, 'OUTBOUND', 'spring', ends_on => '2031-01-01');
SELECT claimed FROM cms.cms_release(1000001);
SELECT * FROM cms.cms_generate_codes(1000001, 3);
SELECT space, used FROM cms.cms_code_capacity(1000001);
SELECT line, code, loaded, reason FROM cms.cms_upload_codes(1000004, '{up1,up2,hallo,SAMP0000}', '{ann,NULL,NULL,NULL}', at => '2025-01-01');
CALL cms.cms_load_codes(1000004);
SELECT * FROM cms.cms_load_codes_step(1000004);
SELECT code, reason FROM cms.code_upload;

SET ROLE regress_cms_issuer;
SELECT line, issued, reason FROM cms.cms_issue(1000001, 'ann', 2, service => 'TIMELINE', request_key => 'k', at => '2026-01-01');
SELECT line, issued, reason, replayed FROM cms.cms_issue(1000001, 'ann', 2, service => 'TIMELINE', request_key => 'k', at => '2026-01-01');
SELECT line, issued, reason FROM cms.cms_issue_many(1000001, '{bea,cid}', all_or_none => true, service => 'TIMELINE', at => '2026-01-01');
SELECT line, code, issued, replayed FROM cms.cms_issue_many(1000002, '{ann,ann,bea}', at => '2025-01-01');
SELECT issued FROM cms.cms_issue_many(1000003, '{ann,bea}', at => '2025-01-01');
SELECT issued, code FROM cms.cms_issue_many(1000004, '{bea,cid}', at => '2025-01-01');

SET ROLE regress_cms_redeemer;
SELECT discount, reasons FROM cms.cms_check('HALLO', 'ann', 10, till_id => 'T1', at => '2025-01-02');
SELECT redeemed, discount, uses_left FROM cms.cms_redeem('hallo', 'ann', 10, 'bill 1', till_id => 'T1', at => '2025-01-02');
SELECT redeemed, replayed FROM cms.cms_redeem('hallo', 'ann', 10, 'bill 1', till_id => 'T1', at => '2025-01-02');
SELECT reason FROM cms.cms_redeem('hallo', 'ann', 11, 'bill 1', till_id => 'T1', at => '2025-01-02');
SELECT redeemed FROM cms.cms_redeem('UP1', 'ann', 10, 'bill 2', at => '2025-01-02');
SELECT code AS mine FROM cms.coupon WHERE offer_id OPERATOR(pg_catalog.=) 1000001 AND nth OPERATOR(pg_catalog.=) 1
	AND customer_id OPERATOR(pg_catalog.=) 'ann' \gset
SELECT redeemed, discount, payable FROM cms.cms_redeem(:'mine', 'ann', bill_ref => 'bill 3', store_id => 'S1', till_id => 'T1',
	items => '[{"sku": "B", "amount": 20, "quantity": 2, "on_sale": false}, {"sku": "C", "amount": 5}]', at => '2026-01-03 12:00');
SELECT redemption_id FROM cms.redemption WHERE bill_ref OPERATOR(pg_catalog.=) 'bill 3' \gset
SELECT redeemed, reason, discount, payable, replayed FROM cms.cms_redeem_bill('{hallo,UP1,UP2}', 'ann', 10, 'bill 1', till_id => 'T1', at => '2025-01-02');
SELECT redeemed, reason, discount, payable, replayed FROM cms.cms_redeem_bill('{hallo}', 'ann', 10, 'bill 1', till_id => 'T1', at => '2025-01-02');
SELECT reversed, use_returned FROM cms.cms_reverse(:redemption_id, 'by mistake', at => '2026-01-04');
SELECT cms.cms_my_orgs() OPERATOR(pg_catalog.=) ARRAY[:org_id] AS mine, cms.cms_current_org() OPERATOR(pg_catalog.=) :org_id AS current,
	cms.cms_sees_codes(), cms.cms_day_start('2025-01-01', 'Asia/Kolkata'), cms.cms_offer_end('FIXED_DATE', '2025-01-01', NULL, 'UTC');

SET ROLE regress_cms_manager;
SELECT * FROM cms.cms_revoke(1000001, 'CUSTOMERS', customer_ids => '{ann}', confirm => true, at => '2026-02-01');
SELECT * FROM cms.cms_revoke(1000004, 'CODES', codes => '{up2}', confirm => true, at => '2026-02-01');
SELECT * FROM cms.cms_revoke(1000001, 'UNISSUED', confirm => true, at => '2026-02-01');
SELECT * FROM cms.cms_revoke(1000003, 'ALL_UNREDEEMED', confirm => true, at => '2026-02-01');

-- ---- every view ---------------------------------------------------------------------------------------
SET ROLE regress_cms_analyst;
SELECT offer_name, customer_id, state, uses, uses_left, valid_from, expires_at FROM cms.coupon_status
	ORDER BY coupon_id USING OPERATOR(pg_catalog.<);
SELECT offer_id, issued, stock, redeemed, uses, discount_given, issues_left, redemptions_left, budget_left FROM cms.offer_performance
	ORDER BY offer_id USING OPERATOR(pg_catalog.<);
SELECT offer_id, name, discount, service, issued, redeemed, status FROM cms.offer_dashboard ORDER BY offer_id USING OPERATOR(pg_catalog.<);
SELECT offer_id, day, issued, redeemed, uses, discount FROM cms.redemption_rate_by_day
	ORDER BY offer_id USING OPERATOR(pg_catalog.<), day USING OPERATOR(pg_catalog.<);
SELECT offer_id, store_id, store_name, redeemed, uses, bill_amount FROM cms.redemption_rate_by_store
	ORDER BY offer_id USING OPERATOR(pg_catalog.<), store_id USING OPERATOR(pg_catalog.<);
SELECT service, offers, issued, uses FROM cms.redemption_rate_by_service ORDER BY service USING OPERATOR(pg_catalog.<);

-- ---- and away -----------------------------------------------------------------------------------------
SET ROLE regress_cms_manager;
DELETE FROM cms.offer_poc;
DELETE FROM cms.poc;
DELETE FROM cms.offer_reminder;
DELETE FROM cms.offer_window;
DELETE FROM cms.offer_entity;
DELETE FROM cms.org_entity;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value) VALUES (1000005, 'unused', 'FIXED_AMOUNT', 1);
DELETE FROM cms.offer WHERE offer_id OPERATOR(pg_catalog.=) 1000005;
SAVEPOINT s;
\set VERBOSITY sqlstate
DELETE FROM cms.offer WHERE offer_id OPERATOR(pg_catalog.=) 1000001;
ROLLBACK TO s;
DELETE FROM cms.coupon;
ROLLBACK TO s;
TRUNCATE cms.offer;
ROLLBACK;

