-- F12: code files by COPY into cms.code_upload, loaded by cms_load_codes in batches that commit.
-- Nothing is rolled back here: the procedure commits, and the database is this file's own.
SELECT plan(55);
\set t '''2025-11-12 11:00 Asia/Kolkata'''
\set QUIET on
SET search_path = public, cms;
SET client_min_messages = warning;
INSERT INTO cms.org (org_id, name, time_zone) VALUES (1001, 'first', 'Asia/Kolkata'), (1002, 'second', 'Europe/Berlin');
SET cms.org = 1001;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, max_issued_per_customer, sample_code) VALUES
	(101, 'file', 'PERCENTAGE', 10, 'UPLOADED', 2, NULL), (102, 'other file', 'PERCENTAGE', 10, 'UPLOADED', NULL, NULL),
	(103, 'sample', 'PERCENTAGE', 10, 'RANDOMISED', NULL, 'TEST12345'), (104, 'large', 'PERCENTAGE', 10, 'UPLOADED', NULL, NULL);
CREATE FUNCTION waiting() RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', offer_id, code, customer_id, reason), ', ' ORDER BY line), 'none')
	FROM cms.code_upload
$$;
CREATE FUNCTION state_of(offer bigint) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', issued, stock, (SELECT count(*) FROM cms.coupon c WHERE c.offer_id = p.offer_id))
	FROM cms.offer_performance p WHERE p.offer_id = state_of.offer
$$;
-- the result of CALL cannot be selected from
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

-- in comes what comes
COPY cms.code_upload (offer_id, code, customer_id) FROM stdin;
101	first	\N
101	second	ann
101	FIRST	\N
101	not good	\N
101	\N	bob
101	third	ann
101	fourth	ann
101	TESTABCDE	\N
102	elsewhere	\N
\.
SELECT is((SELECT count(*) FROM cms.code_upload), 9::bigint, 'COPY brings lines in as they are');
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', org_id, uploaded_by), ', ') FROM cms.code_upload), '1001 ' || current_user,
	'of the current org, by the caller');
SELECT ok((SELECT bool_and(line > 0 AND uploaded_at IS NOT NULL AND reason IS NULL) FROM cms.code_upload), 'numbered, dated, without a reason');
SELECT is(state_of(101), '0 0 0', 'nothing is loaded yet');
CALL load(101, 3);
SELECT is((SELECT a::text FROM answer a), '(3,5)', 'the procedure tells how many lines it loaded and rejected');
SELECT is((SELECT string_agg(concat_ws(' ', code, customer_id, reason, message), ' | ' ORDER BY line) FROM cms.code_upload WHERE offer_id = 101),
	'FIRST CODE_REPEATED The code came before in the same upload.'
	|| ' | not good CODE_INVALID The code has characters other than letters, digits, - and _.'
	|| ' | bob CODE_EMPTY The code is empty.'
	|| ' | fourth ann CUSTOMER_ISSUE_LIMIT A customer is given at most 2 coupons of this offer.'
	|| ' | TESTABCDE CODE_RESERVED The code is kept for a common or randomised offer.',
	'rejected lines stay, as they came, with reason and sentence');
SELECT is((SELECT string_agg(concat_ws(' ', code, customer_id, issued_at IS NOT NULL), ', ' ORDER BY code) FROM cms.coupon),
	'FIRST f, SECOND ann t, THIRD ann t', 'good ones are coupons: in stock, or issued');
SELECT is((SELECT string_agg(DISTINCT issued_at::text, ', ') FROM cms.coupon), (:t::timestamptz)::text, 'at the time given');
SELECT is(state_of(101), '2 1 3', 'and counted');
SELECT is((SELECT count(*) FROM cms.code_upload WHERE offer_id = 102), 1::bigint, 'lines of another offer wait for theirs');

-- corrected, again
CALL load(101, 100);
SELECT is((SELECT a::text FROM answer a), '(0,0)', 'rejected lines are not tried again');
UPDATE cms.code_upload SET code = 'good', reason = NULL, message = NULL WHERE code = 'not good';
DELETE FROM cms.code_upload WHERE code = 'FIRST' OR code IS NULL;
CALL load(101, 100);
SELECT is((SELECT a::text FROM answer a), '(1,0)', 'but when corrected');
SELECT is(waiting(), '101 fourth ann CUSTOMER_ISSUE_LIMIT, 101 TESTABCDE CODE_RESERVED, 102 elsewhere', 'the deleted are gone');
COPY cms.code_upload (offer_id, code, customer_id) FROM stdin;
101	first	\N
101	fifth	\N
\.
CALL load(101, 1);
SELECT is((SELECT a::text FROM answer a), '(1,1)', 'the same file with more loads only what is missing');
SELECT is((SELECT concat_ws(' ', reason, message) FROM cms.code_upload WHERE code = 'first'), 'CODE_TAKEN The offer has this code already.', 'and says so');
DELETE FROM cms.code_upload WHERE offer_id = 101;

-- lines that name no offer belong to the next call by the same role
CREATE ROLE f12_load_manager IN ROLE cms_manager;
INSERT INTO cms.org_role VALUES (1001, 'f12_load_manager');
GRANT INSERT, TRUNCATE ON answer TO f12_load_manager;
COPY cms.code_upload (code) FROM stdin;
mine-1
mine-2
\.
SET ROLE f12_load_manager;
COPY cms.code_upload (code) FROM stdin;
theirs
\.
CALL load(102, 10);
RESET ROLE;
SELECT is((SELECT a::text FROM answer a), '(2,0)', 'a manager loads the lines of the offer and their own without one');
SELECT is((SELECT string_agg(code || ' ' || uploaded_by, ', ' ORDER BY line) FROM cms.code_upload),
	'mine-1 ' || current_user || ', mine-2 ' || current_user, 'those of another role wait');
SELECT is((SELECT string_agg(code, ' ' ORDER BY code) FROM cms.coupon WHERE offer_id = 102), 'ELSEWHERE THEIRS', 'the others are loaded');
CALL load(102, 10);
SELECT is((SELECT a::text FROM answer a), '(2,0)', 'until that role calls');
SELECT is(waiting(), 'none', 'nothing is left');

-- what a caller may bring and load
SET ROLE f12_load_manager;
SELECT throws_ok('INSERT INTO cms.code_upload (org_id, code) VALUES (1002, ''X'')', '42501', NULL, 'not into another org');
SELECT throws_ok('INSERT INTO cms.code_upload_line (org_id, line, uploaded_by, uploaded_at) VALUES (1001, 1, '''', now())', '42501', NULL,
	'nor around the view');
INSERT INTO cms.code_upload (org_id, code, reason, uploaded_by, uploaded_at) VALUES (NULL, 'X', 'NO', 'somebody', '2000-01-01');
SELECT is((SELECT concat_ws(' ', org_id, reason, uploaded_by, uploaded_at > '2001-01-01') FROM cms.code_upload), '1001 f12_load_manager t',
	'who brings a line and when is not the caller''s to say; NULL is the current org');
RESET ROLE;
INSERT INTO cms.code_upload (org_id, code) VALUES (1002, 'foreign');
SET ROLE f12_load_manager;
SELECT is((SELECT count(*) FROM cms.code_upload WHERE code = 'foreign'), 0::bigint, 'lines of another org are not seen');
UPDATE cms.code_upload SET code = 'changed' WHERE code = 'foreign';
DELETE FROM cms.code_upload WHERE code = 'foreign';
SELECT throws_ok('CALL cms.cms_load_codes(101, org => 1002)', '42501', NULL, 'nor loaded');
RESET ROLE;
SELECT is((SELECT code FROM cms.code_upload WHERE org_id = 1002), 'foreign', 'nor touched');
DELETE FROM cms.code_upload;
CREATE ROLE f12_load_nobody;
GRANT USAGE ON SCHEMA cms TO f12_load_nobody;
SET ROLE f12_load_nobody;
SELECT throws_ok('CALL cms.cms_load_codes(101)', '42501', NULL, 'who has no right cannot call it');
SELECT throws_ok('INSERT INTO cms.code_upload (code) VALUES (''X'')', '42501', NULL, 'nor bring lines');
RESET ROLE;
REVOKE USAGE ON SCHEMA cms FROM f12_load_nobody;

-- many lines, committed batch by batch
INSERT INTO cms.code_upload (offer_id, code) SELECT 104, 'L' || n FROM generate_series(1, 30000) n;
CALL load(104, 7000);
SELECT is((SELECT a::text FROM answer a), '(30000,0)', 'in batches');
SELECT is(state_of(104), '0 30000 30000', 'all of them');
SELECT ok(count(DISTINCT xmin::text) = 5, 'each batch in a transaction of its own') FROM cms.coupon WHERE offer_id = 104;
SELECT is(waiting(), 'none', 'and removed');

-- a failure leaves what was committed before it
INSERT INTO cms.code_upload (offer_id, code) SELECT 104, 'M' || n FROM generate_series(1, 100) n;
ALTER TABLE cms.coupon ADD CONSTRAINT trouble CHECK (code <> 'M65') NOT VALID;
SELECT throws_ok('CALL cms.cms_load_codes(104, 10, at => ''2025-11-12'')', '23514', NULL, 'a failure in a transaction');
SELECT is(state_of(104), '0 30000 30000', 'undoes it');
-- (by itself, because what catches errors is a subtransaction, in which nothing commits)
\set ON_ERROR_STOP off
CALL cms.cms_load_codes(104, 10, at => '2025-11-12 11:00 Asia/Kolkata');
\set ON_ERROR_STOP on
SELECT is(state_of(104), '0 30060 30060', 'between batches nothing committed is lost');
SELECT is((SELECT count(*) FROM cms.code_upload), 40::bigint, 'nor what waits');
ALTER TABLE cms.coupon DROP CONSTRAINT trouble;
CALL load(104, 10);
SELECT is((SELECT a::text FROM answer a), '(40,0)', 'the next call goes on');
SELECT is(state_of(104), '0 30100 30100', 'none twice');

-- within a transaction block it commits together with it
INSERT INTO cms.code_upload (offer_id, code) SELECT 104, 'N' || n FROM generate_series(1, 25) n;
BEGIN;
CALL load(104, 10);
SELECT is((SELECT a::text FROM answer a), '(25,0)', 'in a transaction block');
ROLLBACK;
SELECT is(state_of(104), '0 30100 30100', 'nothing is committed before its end');
SELECT is((SELECT count(*) FROM cms.code_upload), 25::bigint, 'the lines wait again');
SELECT lives_ok('CALL cms.cms_load_codes(104, 10, at => ''2025-11-12'')', 'in a function too');
SELECT is(state_of(104), '0 30125 30125', 'loaded');

-- one batch, for callers that commit themselves
INSERT INTO cms.code_upload (offer_id, code) SELECT 104, CASE WHEN n % 2 = 0 THEN 'P' || n END FROM generate_series(1, 10) n;
SELECT is((SELECT s::text FROM cms_load_codes_step(104, 4, at => :t) s), '(4,2,2)', 'a step: lines, loaded, rejected');
SELECT is((SELECT s::text FROM cms_load_codes_step(104, 100, at => :t) s), '(6,3,3)', 'the rest');
SELECT is((SELECT s::text FROM cms_load_codes_step(104, 100, at => :t) s), '(0,0,0)', 'none is waiting');

-- calls that make no sense
SELECT throws_ok('CALL cms.cms_load_codes(NULL)', '22004', NULL, 'offer_id NULL');
SELECT throws_ok('CALL cms.cms_load_codes(-1)', 'MS001', NULL, 'an unknown offer');
SELECT throws_ok('CALL cms.cms_load_codes(103)', 'MS007', NULL, 'an offer of another method');
SELECT throws_ok('CALL cms.cms_load_codes(101, ' || batch || ')', '22023', NULL, 'batch ' || batch) FROM unnest(ARRAY[0, -1, 1000001]) batch;
SELECT throws_ok('CALL cms.cms_load_codes(101, NULL)', '22004', NULL, 'batch NULL');
SELECT throws_ok('CALL cms.cms_load_codes(101, at => ''infinity'')', '22023', NULL, 'at infinite');
SELECT throws_ok('CALL cms.cms_load_codes(101, org => 1002)', 'MS001', NULL, 'another org''s offer');

DROP OWNED BY f12_load_manager, f12_load_nobody;
DROP ROLE f12_load_manager, f12_load_nobody;
SELECT * FROM finish();
