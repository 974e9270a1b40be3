-- F14: codes copied out in bulk with their status: COPY of a query over cms.coupon_status.
SELECT plan(20);
\set QUIET on
SET search_path = public, cms;
SET client_min_messages = warning;
INSERT INTO cms.org (org_id, name, time_zone) VALUES (1001, 'first', 'Asia/Kolkata'), (1002, 'second', 'Asia/Kolkata');
SET cms.org = 1001;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, common_code, expires_on) VALUES
	(101, 'file', 'FIXED_AMOUNT', 10, 'UPLOADED', NULL, '2125-12-31'), (102, 'ended', 'FIXED_AMOUNT', 10, 'UPLOADED', NULL, '2025-11-30'),
	(103, 'common', 'FIXED_AMOUNT', 10, 'COMMON', 'SAVE', NULL), (104, 'large', 'FIXED_AMOUNT', 10, 'GENERATED', NULL, NULL);
\set t '''2025-11-12 11:00 Asia/Kolkata'''
SELECT count(*) AS x FROM cms_upload_codes(101, ARRAY['A1', 'A2', 'A3', 'A4', 'A5'], ARRAY['ann', 'bob', 'cid', NULL, NULL], at => :t) \gset
SELECT count(*) AS x FROM cms_upload_codes(102, ARRAY['B1', 'B2'], ARRAY['ann', NULL], at => :t) \gset
SELECT count(*) AS x FROM cms_issue_many(103, ARRAY['ann', 'bob'], at => :t) \gset
SELECT redeemed AS x FROM cms_redeem('A2', 'bob', 100, 'bill 1', at => :t) \gset
SELECT count(*) AS x FROM cms_revoke(101, 'CODES', codes => ARRAY['A3', 'A5'], confirm => true, at => :t) \gset
SELECT cms_generate_codes(104, 20000, at => :t) AS x \gset

-- What COPY writes, read back. The file is the server's, and so is what reads it.
SELECT current_setting('data_directory') || '/f14_export.csv' AS file \gset
CREATE TABLE line (n serial, text text);
CREATE FUNCTION exported(query text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE line RESTART IDENTITY;
	EXECUTE format('COPY (%s) TO %L (FORMAT csv, HEADER)', query, current_setting('data_directory') || '/f14_export.csv');
	EXECUTE format('COPY line (text) FROM %L', current_setting('data_directory') || '/f14_export.csv');
	RETURN QUERY SELECT l.text FROM line l ORDER BY l.n;
END
$$;

SELECT results_eq($$ SELECT * FROM exported('SELECT code, state, customer_id FROM cms.coupon_status WHERE offer_id = 101 ORDER BY code') $$,
	ARRAY['code,state,customer_id', 'A1,ACTIVE,ann', 'A2,REDEEMED,bob', 'A3,REVOKED,cid', 'A4,UNISSUED,', 'A5,REVOKED,'],
	'codes with status and customer');
SELECT results_eq($$ SELECT * FROM exported('SELECT code, state, customer_id FROM cms.coupon_status WHERE offer_id = 102 ORDER BY code') $$,
	ARRAY['code,state,customer_id', 'B1,EXPIRED,ann', 'B2,EXPIRED,'], 'of an offer that has ended');
SELECT results_eq($$ SELECT * FROM exported('SELECT code, state, customer_id FROM cms.coupon_status WHERE offer_id = 103 ORDER BY customer_id') $$,
	ARRAY['code,state,customer_id', 'SAVE,ACTIVE,ann', 'SAVE,ACTIVE,bob'], 'of a common code, a row for each who holds it');
SELECT results_eq($$ SELECT * FROM exported('SELECT code FROM cms.coupon_status WHERE offer_id = 101 AND state = ''UNISSUED''') $$,
	ARRAY['code', 'A4'], 'what is in stock alone');
SELECT is((SELECT count(*) FROM exported('SELECT code, state FROM cms.coupon_status WHERE offer_id = 104')), 20001::bigint, 'in bulk');
SELECT is((SELECT count(DISTINCT text) FROM line WHERE text LIKE '%,UNISSUED'), 20000::bigint, 'each code once');

-- at the speed of a scan: what an offer's end is, is worked out for the offer, not for each coupon
SET track_functions = 'all';
CREATE FUNCTION calls() RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(sum(coalesce(pg_stat_get_xact_function_calls(p.oid), 0)), 0)::bigint FROM pg_proc p
	WHERE p.pronamespace = 'cms'::regnamespace AND p.proname <> 'cms_my_orgs'
$$;
BEGIN;
SELECT calls() AS x \gset
SELECT count(code || state) AS rows FROM cms.coupon_status WHERE offer_id = 104 \gset
SELECT is(:rows, 20000, 'an export of 20,000 rows');
SELECT cmp_ok(calls() - :x, '<=', 10::bigint, 'calls no function for each');
SELECT calls() AS x \gset
SELECT count(code || state) AS rows FROM cms.coupon_status WHERE offer_id = 101 AND issued_at IS NOT NULL AND revoked_at IS NULL \gset
SELECT is(:rows, 2, 'what is in the hands of customers alone');
SELECT cmp_ok(calls() - :x, '<=', 10::bigint, 'neither does');
COMMIT;

-- a file that was copied out can be brought in elsewhere
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, code_method) VALUES (1002, 201, 'copy', 'FIXED_AMOUNT', 10, 'UPLOADED');
SELECT is((SELECT count(*) FROM exported('SELECT 1002 AS org_id, 201 AS offer_id, code FROM cms.coupon_status WHERE offer_id = 104')), 20001::bigint, 'to another org');
COPY cms.code_upload (org_id, offer_id, code) FROM :'file' (FORMAT csv, HEADER);
CALL cms_load_codes(201, at => :t, org => 1002) \gset
SELECT is(:'loaded' || ' ' || :'rejected', '20000 0', 'all of them');

-- who sees what
CREATE ROLE f14_export_manager IN ROLE cms_manager;
CREATE ROLE f14_export_analyst IN ROLE cms_analyst;
CREATE ROLE f14_export_sender IN ROLE cms_sender;
INSERT INTO cms.org_role VALUES (1001, 'f14_export_manager'), (1001, 'f14_export_analyst'), (1001, 'f14_export_sender');
SET ROLE f14_export_manager;
SELECT is((SELECT count(*) FROM cms.coupon_status), 20009::bigint, 'a manager sees the codes of their org');
SELECT is((SELECT count(*) FROM cms.coupon_status WHERE org_id = 1002), 0::bigint, 'and of no other');
SELECT is((SELECT count(code) FROM cms.coupon_status), 20009::bigint, 'in clear');
SET ROLE f14_export_analyst;
SELECT is((SELECT count(*) FROM cms.coupon_status), 20009::bigint, 'an analyst sees the rows');
SELECT is((SELECT count(code) FROM cms.coupon_status), 0::bigint, 'without the codes');
SELECT throws_ok('SELECT code FROM cms.coupon', '42501', NULL, 'which the table does not tell either');
SELECT is((SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM cms.coupon_status), 'ACTIVE EXPIRED REDEEMED REVOKED UNISSUED', 'but with their status');
SET ROLE f14_export_sender;
SELECT throws_ok('SELECT code FROM cms.coupon_status', '42501', NULL, 'a sender sees none');
RESET ROLE;

DELETE FROM cms.org_role WHERE role_name LIKE 'f14_export%';
DROP ROLE f14_export_manager, f14_export_analyst, f14_export_sender;
SELECT * FROM finish();
