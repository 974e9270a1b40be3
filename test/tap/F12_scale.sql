-- F12, F13: a large file with errors sprinkled in, and how its lines come into code_upload.
-- Nothing is rolled back here: the procedure commits, and the database is this file's own.
SELECT plan(25);
\set t '''2025-11-12 11:00 Asia/Kolkata'''
\set QUIET on
SET search_path = public, cms;
SET client_min_messages = warning;
INSERT INTO cms.org (org_id, name, time_zone) VALUES (1001, 'first', 'Asia/Kolkata'), (1002, 'second', 'Europe/Berlin');
SET cms.org = 1001;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, sample_code, max_issued_per_customer) VALUES
	(101, 'file', 'PERCENTAGE', 10, 'UPLOADED', NULL, 1), (102, 'other file', 'PERCENTAGE', 10, 'UPLOADED', NULL, NULL),
	(103, 'sample', 'PERCENTAGE', 10, 'RANDOMISED', 'KEPT12345', NULL);
SELECT count(*) AS x FROM cms_upload_codes(102, ARRAY(SELECT 'TAKEN' || n FROM generate_series(40, 20000, 100) n), at => :t) \gset

-- Every line says what is to become of it. Of a hundred lines nine are bad, of each kind; half have customers.
CREATE TABLE file AS
	SELECT n, CASE n % 100
			WHEN 10 THEN 'N' || n - 1 WHEN 20 THEN 'not good ' || n WHEN 30 THEN '' WHEN 40 THEN 'taken' || n WHEN 50 THEN 'KEPT' || lpad(n::text, 5, '0')
			WHEN 60 THEN repeat('X', 50) || n WHEN 80 THEN NULL ELSE 'N' || n END AS code,
		CASE WHEN n % 100 IN (70, 71) THEN 'twice' || n / 100 WHEN n % 100 = 90 THEN repeat('ü', 600) WHEN n % 2 = 0 THEN 'c' || n END AS customer_id,
		CASE n % 100
			WHEN 10 THEN 'CODE_REPEATED' WHEN 20 THEN 'CODE_INVALID' WHEN 30 THEN 'CODE_EMPTY' WHEN 40 THEN 'CODE_TAKEN' WHEN 50 THEN 'CODE_RESERVED'
			WHEN 60 THEN 'CODE_TOO_LONG' WHEN 71 THEN 'CUSTOMER_ISSUE_LIMIT' WHEN 80 THEN 'CODE_EMPTY' WHEN 90 THEN 'CUSTOMER_INVALID' END AS reason
	FROM generate_series(1, 20000) n;
CREATE TABLE answer (loaded bigint, rejected bigint);
CREATE PROCEDURE load(offer bigint, batch int) LANGUAGE plpgsql AS $$
DECLARE
	loaded bigint;
	rejected bigint;
BEGIN
	CALL cms.cms_load_codes(offer, batch, at => '2025-11-12 11:00 Asia/Kolkata', loaded => loaded, rejected => rejected);
	TRUNCATE answer;
	INSERT INTO answer VALUES (loaded, rejected);
END
$$;
\set wrong '(SELECT count(*) FROM file f FULL JOIN (SELECT line - (SELECT min(line) FROM first_line) + 1 AS n, code, customer_id, reason FROM cms.code_upload) u USING (n) WHERE (f.code, f.customer_id, f.reason) IS DISTINCT FROM (u.code, u.customer_id, u.reason) AND (f.reason IS NOT NULL OR u.n IS NOT NULL))'

-- from a file, with little memory: lines that wait for the end of the statement go to disk
SELECT current_setting('data_directory') || '/f12_scale.csv' AS path \gset
COPY (SELECT 101, code, customer_id FROM file ORDER BY n) TO :'path' (FORMAT csv);
SET work_mem = '64kB';
COPY cms.code_upload (offer_id, code, customer_id) FROM :'path' (FORMAT csv, FORCE_NOT_NULL (code));
RESET work_mem;
SELECT is((SELECT count(*) FROM cms.code_upload), 20000::bigint, 'a file comes in');
CREATE TABLE first_line AS SELECT min(line) AS line FROM cms.code_upload;
SELECT is((SELECT count(*) FROM file f JOIN cms.code_upload u ON u.line = f.n + (SELECT line FROM first_line) - 1
	WHERE (coalesce(f.code, ''), f.customer_id) IS NOT DISTINCT FROM (u.code, u.customer_id)), 20000::bigint, 'in its order, as it is');
UPDATE file SET code = '' WHERE code IS NULL;
CALL load(101, 5000);
SELECT is((SELECT a::text FROM answer a), '(18200,1800)', 'good lines load, bad ones do not');
SELECT is(:wrong, 0::bigint, 'bad ones are listed, each with its line, value and reason');
SELECT is((SELECT string_agg(DISTINCT message, ' | ' ORDER BY message) FROM cms.code_upload WHERE reason = 'CODE_TAKEN'), 'Another offer has this code.', 'and a sentence');
ANALYZE file, cms.coupon;
SELECT is((SELECT count(*) FROM file f JOIN cms.coupon c ON c.offer_id = 101 AND c.code = f.code AND c.customer_id IS NOT DISTINCT FROM f.customer_id
	WHERE f.reason IS NULL AND (c.issued_at IS NOT NULL) = (f.customer_id IS NOT NULL)), 18200::bigint, 'good ones are coupons, with their customers');
SELECT is((SELECT concat_ws(' ', issued, stock) FROM cms.offer_performance WHERE offer_id = 101),
	(SELECT count(customer_id) || ' ' || count(*) - count(customer_id) FROM file WHERE reason IS NULL), 'and counted');

-- the same file again, corrected: only what is missing
DELETE FROM cms.code_upload;
COPY (SELECT 101, CASE WHEN n % 100 = 20 THEN 'better-' || n ELSE code END, customer_id FROM file ORDER BY n) TO :'path' (FORMAT csv);
COPY cms.code_upload (offer_id, code, customer_id) FROM :'path' (FORMAT csv, FORCE_NOT_NULL (code));
CALL load(101, 100000);
SELECT is((SELECT a::text FROM answer a), '(200,19800)', 'again: what is missing');
SELECT is((SELECT string_agg(reason || ' ' || n, ', ' ORDER BY reason) FROM (SELECT reason, count(*) AS n FROM cms.code_upload GROUP BY 1) r),
	'CODE_EMPTY 400, CODE_REPEATED 200, CODE_RESERVED 200, CODE_TAKEN 18400, CODE_TOO_LONG 200, CUSTOMER_INVALID 200, CUSTOMER_ISSUE_LIMIT 200',
	'of the rest it is told that it is there');
DELETE FROM cms.code_upload;

-- F13: codes of revoked coupons, for other customers, in bulk
SELECT revoked_issued + revoked_unissued AS revoked FROM cms_revoke(101, 'ALL_UNREDEEMED', confirm => true, at => :t) \gset
SELECT is(:revoked, 18400, 'all are revoked');
INSERT INTO cms.code_upload (offer_id, code, customer_id) SELECT 102, code, 'new' || n FROM file WHERE reason IS NULL ORDER BY n;
CALL load(102, 5000);
SELECT is((SELECT a::text FROM answer a), '(18200,0)', 'and brought again for others');
ANALYZE cms.coupon;
SELECT is((SELECT count(*) FROM cms.coupon o JOIN cms.coupon n USING (org_id, code)
	WHERE o.offer_id = 101 AND o.revoked_at IS NOT NULL AND n.offer_id = 102 AND n.customer_id LIKE 'new%'), 18200::bigint, 'what was is kept');

-- how lines arrive: with their statement, or not at all
SELECT throws_ok($$ INSERT INTO cms.code_upload (code) SELECT 'x' || 1 / (3 - n) FROM generate_series(1, 4) n $$, '22012', NULL, 'a statement that fails');
SELECT is((SELECT count(*) FROM cms.code_upload), 0::bigint, 'brings nothing');
INSERT INTO cms.code_upload (code) VALUES ('alone');
SELECT is((SELECT string_agg(code, ' ') FROM cms.code_upload), 'alone', 'nor does it leave anything behind');
CREATE FUNCTION inner_lines(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO cms.code_upload (code) VALUES ('inner ' || n);
	IF n % 2 = 0 THEN
		RAISE 'no';
	END IF;
	RETURN 'outer ' || n;
EXCEPTION WHEN raise_exception THEN
	RETURN 'outer ' || n;
END
$$;
INSERT INTO cms.code_upload (code) SELECT inner_lines(n) FROM generate_series(1, 4) n;
SELECT is((SELECT string_agg(code, ', ' ORDER BY code) FROM cms.code_upload), 'alone, inner 1, inner 3, outer 1, outer 2, outer 3, outer 4',
	'a statement within another, in subtransactions');
DELETE FROM cms.code_upload;
INSERT INTO cms.code_upload (org_id, code) SELECT CASE WHEN n % 3 = 0 THEN 1002 WHEN n % 3 = 1 THEN 1001 END, n FROM generate_series(1, 300) n;
SELECT is((SELECT string_agg(org_id || ' ' || n, ', ' ORDER BY org_id) FROM (SELECT org_id, count(*) AS n FROM cms.code_upload GROUP BY 1) o), '1001 200, 1002 100',
	'lines of several orgs at once; NULL is the current one');
DELETE FROM cms.code_upload;
INSERT INTO cms.code_upload (line, code) VALUES (-5, 'numbered'), (NULL, 'not numbered');
SELECT is((SELECT string_agg(concat_ws(' ', line > 0, code), ', ' ORDER BY line) FROM cms.code_upload), 'f numbered, t not numbered', 'a line may bring its number');
INSERT INTO cms.code_upload (code) SELECT 'none' WHERE false;
SELECT is((SELECT count(*) FROM cms.code_upload), 2::bigint, 'no lines are none');
BEGIN;
INSERT INTO cms.code_upload (code) VALUES ('gone');
SAVEPOINT s;
INSERT INTO cms.code_upload (code) VALUES ('gone too');
ROLLBACK TO s;
SELECT is((SELECT string_agg(code, ' ' ORDER BY line) FROM cms.code_upload WHERE code LIKE 'gone%'), 'gone', 'rolled back with the transaction');
ROLLBACK;
SELECT is((SELECT count(*) FROM cms.code_upload), 2::bigint, 'or part of it');
CREATE ROLE f12_scale_manager IN ROLE cms_manager;
INSERT INTO cms.org_role VALUES (1001, 'f12_scale_manager');
SET ROLE f12_scale_manager;
SELECT throws_ok($$ INSERT INTO cms.code_upload (org_id, code) VALUES (1001, 'a'), (1002, 'b') $$, '42501', NULL, 'a line of another org');
INSERT INTO cms.code_upload (code) VALUES ('mine');
RESET ROLE;
SELECT is((SELECT string_agg(code || ' ' || uploaded_by, ', ') FROM cms.code_upload WHERE code IN ('a', 'b', 'mine')), 'mine f12_scale_manager', 'who brought it is kept');
SELECT throws_ok('CREATE TRIGGER t BEFORE INSERT ON file FOR EACH ROW EXECUTE FUNCTION cms.cms_code_upload_insert(); INSERT INTO file DEFAULT VALUES', '39P01', NULL,
	'the triggers are of this view only');
SELECT throws_ok('CREATE TRIGGER t BEFORE INSERT ON file FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_code_upload_store(); INSERT INTO file DEFAULT VALUES', '39P01', NULL,
	'both');
DELETE FROM cms.org_role WHERE role_name = 'f12_scale_manager';
DROP ROLE f12_scale_manager;
SELECT * FROM finish();
