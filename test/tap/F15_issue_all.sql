-- F15: cms_issue_all gives each customer of a query what cms_issue would have given, whatever the offer asks for;
-- what it takes for a query; jobs, their keys and their table.
-- Nothing is rolled back here: the procedure commits, and the database is this file's own.
SELECT plan(107);
\set QUIET on
\set ON_ERROR_STOP off
SET search_path = public, cms;
SET client_min_messages = warning;
INSERT INTO cms.org (org_id, name, time_zone) VALUES (1001, 'first', 'Asia/Kolkata'), (1002, 'second', 'Europe/Berlin');
SET cms.org = 1001;
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- Offers come in pairs: customers of the one are issued to one by one, those of the other by a job.
CREATE FUNCTION make(name text, settings jsonb DEFAULT '{}') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	made bigint;
BEGIN
	settings := '{"discount_type": "FIXED_AMOUNT", "discount_value": 10}' || settings || jsonb_build_object('name', name);
	EXECUTE format('INSERT INTO cms.offer (%s) SELECT %1$s FROM jsonb_populate_record(NULL::cms.offer, $1) RETURNING offer_id',
		(SELECT string_agg(quote_ident(key), ', ') FROM jsonb_object_keys(settings) key)) USING settings INTO made;
	RETURN made;
END
$$;
CREATE FUNCTION pair(name text, settings jsonb DEFAULT '{}', other jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS
	$$ SELECT make(name || ' 1', settings); SELECT make(name || ' 2', settings || other) $$;
CREATE FUNCTION o(name text) RETURNS bigint LANGUAGE sql STABLE AS
	$$ SELECT f.offer_id FROM cms.offer f WHERE f.name = o.name AND org_id = cms.cms_current_org() $$;
CREATE TABLE customer (place int GENERATED ALWAYS AS IDENTITY, id text);
CREATE TABLE answer (got bigint, not_got bigint, job_id bigint);
CREATE TABLE single (name text, place int, customer text, reason text, next_allowed_on date, replayed boolean);
CREATE PROCEDURE named(VARIADIC ids text[]) LANGUAGE sql AS
	$$ TRUNCATE customer; INSERT INTO customer (id) SELECT unnest(ids) $$;
CREATE PROCEDURE run(offer bigint, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata', batch int DEFAULT 3,
	query text DEFAULT 'SELECT id FROM customer ORDER BY place', job_key text DEFAULT NULL, service text DEFAULT NULL,
	consumer_ref text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	job_id bigint;
	issued bigint;
	refused bigint;
BEGIN
	CALL cms.cms_issue_all(offer, query, job_key, service, consumer_ref, batch, true, at, job_id => job_id, issued => issued, refused => refused);
	DELETE FROM answer;
	INSERT INTO answer VALUES (issued, refused, job_id);
END
$$;
-- What the customers hold of an offer.
CREATE FUNCTION held(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT string_agg(concat_ws(' ', customer_id, nth, issued_at AT TIME ZONE 'UTC', expires_at AT TIME ZONE 'UTC', shared, service, consumer_ref,
		length(code)), ', ' ORDER BY customer_id, nth) FROM cms.coupon WHERE offer_id = o(name) AND issued_at IS NOT NULL
$$;
CREATE FUNCTION counted(name text) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', issued, stock, first_issued_at, last_issued_at) FROM cms.offer_performance WHERE offer_id = o(name)
$$;
-- Issues to everybody in both ways, and compares.
CREATE PROCEDURE compare(name text, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata', service text DEFAULT NULL,
	consumer_ref text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM single;
	INSERT INTO single SELECT name, c.place, c.id, i.reason, i.next_allowed_on, i.replayed
	FROM customer c, LATERAL cms.cms_issue(o(name || ' 1'), c.id, service => compare.service, consumer_ref => compare.consumer_ref, at => compare.at) i;
	COMMIT;
	CALL run(o(name || ' 2'), at, service => service, consumer_ref => consumer_ref);
END
$$;
CREATE FUNCTION same(name text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT is(held(name || ' 2'), held(name || ' 1'), name || ': the same coupons');
	RETURN NEXT is(counted(name || ' 2'), counted(name || ' 1'), name || ': the same counters');
	RETURN NEXT is((SELECT string_agg(concat_ws(' ', customer_id, reason, next_allowed_on), ', ' ORDER BY customer_id)
		FROM cms.job_refusal JOIN answer USING (job_id)),
		(SELECT string_agg(concat_ws(' ', customer, reason, next_allowed_on), ', ' ORDER BY customer) FROM single WHERE reason IS NOT NULL),
		name || ': the same refusals');
END
$$;

-- every rule, as one by one
CALL named('ann', 'bob', 'cid', 'dee', 'eve', 'fay', 'gus');
SELECT pair('plain', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}') \g /dev/null
CALL compare('plain');
SELECT same('plain');
SELECT is((SELECT concat_ws(' ', status, total, done, succeeded, refused, replayed, repeated, ignored, runs, error) FROM cms.job JOIN answer USING (job_id)),
	'DONE 7 7 7 0 0 0 0 1', 'the job tells what it did');
SELECT ok((SELECT bool_and(c.job_id = a.job_id) FROM cms.coupon c, answer a WHERE offer_id = o('plain 2')), 'coupons bear its number');
SELECT is((SELECT array_agg(code ORDER BY coupon_id) FROM cms.coupon WHERE offer_id = o('plain 2')),
	(SELECT array_agg(code ORDER BY code) FROM cms.coupon WHERE offer_id = o('plain 2')), 'codes are written in their order');

-- customers who have some already
SELECT pair('limit', '{"max_issued_per_customer": 2}') \g /dev/null
SELECT FROM cms.cms_issue(o('limit 1'), 'bob', 2, at => '2025-10-01') x1, cms.cms_issue(o('limit 2'), 'bob', 2, at => '2025-10-01') x2,
	cms.cms_issue(o('limit 1'), 'eve', at => '2025-10-01') x3, cms.cms_issue(o('limit 2'), 'eve', at => '2025-10-01') x4 \g /dev/null
CALL compare('limit');
SELECT same('limit');
SELECT is((SELECT refusals FROM cms.job JOIN answer USING (job_id)), '{"CUSTOMER_ISSUE_LIMIT": 1}', 'refusals are counted by reason');

SELECT pair('none', '{"max_issued_per_customer": 0}') \g /dev/null
CALL compare('none');
SELECT same('none');

SELECT pair('gap', '{"min_days_between_issues": 7}') \g /dev/null
SELECT FROM cms.cms_issue(o('gap 1'), 'dee', at => '2025-11-10') x1, cms.cms_issue(o('gap 2'), 'dee', at => '2025-11-10') x2,
	cms.cms_issue(o('gap 1'), 'gus', at => '2025-11-01') x3, cms.cms_issue(o('gap 2'), 'gus', at => '2025-11-01') x4 \g /dev/null
CALL compare('gap');
SELECT same('gap');

SELECT pair('existing', '{"reissue": "EXISTING", "max_issued_per_customer": 1}') \g /dev/null
SELECT FROM cms.cms_issue(o('existing 1'), 'cid', at => '2025-11-10') x1, cms.cms_issue(o('existing 2'), 'cid', at => '2025-11-10') x2 \g /dev/null
CALL compare('existing');
SELECT same('existing');
SELECT is((SELECT replayed FROM cms.job JOIN answer USING (job_id)), 1::bigint, 'who keeps the coupon held is counted as replayed');

SELECT pair('audience', '{"audience_only": true}') \g /dev/null
INSERT INTO cms.offer_audience (offer_id, customer_id) SELECT o(name), id FROM unnest('{audience 1,audience 2}'::text[]) name, unnest('{ann,eve,zoe}'::text[]) id;
CALL compare('audience');
SELECT same('audience');
CALL run(o('audience 2'), query => NULL);
SELECT is((SELECT concat_ws(' ', got, not_got) FROM answer), '3 0', 'without a query it is the audience');
SELECT is((SELECT total FROM cms.job JOIN answer USING (job_id)), 3::bigint, 'whose size is known');

SELECT make('other') \g /dev/null
SELECT pair('excludes', '{"past_issue_months": 6}') \g /dev/null
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) SELECT o(name), o('other') FROM unnest('{excludes 1,excludes 2}'::text[]) name;
SELECT FROM cms.cms_issue(o('other'), 'fay', at => '2025-09-01') x1, cms.cms_issue(o('other'), 'bob', at => '2025-01-01') x2 \g /dev/null
CALL compare('excludes');
SELECT same('excludes');

SELECT pair('cap', '{"max_issued": 5}') \g /dev/null
CALL compare('cap');
SELECT same('cap');
SELECT is((SELECT concat_ws(' ', got, not_got) FROM answer), '5 2', 'to the last unit');
CALL compare('cap');
SELECT same('cap');

SELECT pair('ended', '{"expires_on": "2025-11-11"}') \g /dev/null
CALL compare('ended');
SELECT same('ended');
SELECT pair('archived', '{"status": "ARCHIVED"}') \g /dev/null
CALL compare('archived');
SELECT same('archived');

SELECT pair('claimed') \g /dev/null
CALL compare('claimed', service => 'TIMELINE', consumer_ref => 'p1');
SELECT same('claimed');
SELECT is((SELECT string_agg(service || consumer_ref, ' ') FROM cms.claim WHERE offer_id IN (o('claimed 1'), o('claimed 2'))), 'TIMELINEp1 TIMELINEp1', 'the service has claimed it');
CALL compare('claimed', service => 'EXTERNAL');
SELECT same('claimed');
SELECT is((SELECT refusals FROM cms.job JOIN answer USING (job_id)), '{"NOT_THE_CLAIMANT": 7}', 'of another''s claim everybody is refused');

-- every way to a code
SELECT pair('common', '{"code_method": "COMMON", "common_code": "HELLO1"}', '{"common_code": "HELLO2"}') \g /dev/null
SELECT FROM cms.cms_issue(o('common 1'), 'dee', at => '2025-11-10') x1, cms.cms_issue(o('common 2'), 'dee', at => '2025-11-10') x2 \g /dev/null
CALL compare('common');
SELECT same('common');

SELECT pair('sample', '{"code_method": "RANDOMISED", "sample_code": "12345"}', '{"sample_code": "67890"}') \g /dev/null
CALL compare('sample');
SELECT same('sample');
CALL run(o('sample 2'), query => 'SELECT ''x'' || i FROM generate_series(1, 1000) i', batch => 300);
SELECT is((SELECT concat_ws(' ', got, not_got) FROM answer), '993 7', 'the whole space, and no more');
SELECT is((SELECT count(DISTINCT code) FROM cms.coupon WHERE offer_id = o('sample 2')), 1000::bigint, 'each code once');
SELECT is((SELECT refusals FROM cms.job JOIN answer USING (job_id)), '{"NO_CODES_LEFT": 7}', 'then there are none left');

SELECT pair('pool', '{"code_method": "UPLOADED"}') \g /dev/null
SELECT count(*) FROM cms.cms_upload_codes(o('pool 1'), '{P101,P102,P103,P104,P105}') x1, cms.cms_upload_codes(o('pool 2'), '{P201,P202,P203,P204,P205}') x2 \g /dev/null
CALL compare('pool');
SELECT same('pool');
SELECT pair('stock') \g /dev/null
SELECT cms.cms_generate_codes(o('stock 1'), 4), cms.cms_generate_codes(o('stock 2'), 4) \g /dev/null
CALL compare('stock');
SELECT same('stock');
SELECT pair('narrow', '{"code_charset": "NUMERIC", "code_length": 4, "allow_dense_codes": true}') \g /dev/null
CALL run(o('narrow 2'), query => 'SELECT ''x'' || i FROM generate_series(1, 3300) i', batch => 1000);
SELECT is((SELECT concat_ws(' ', got, not_got) FROM answer), '3300 0', 'a third of a small space');
SELECT pair('guarded', '{"code_charset": "NUMERIC", "code_length": 4, "code_prefix": "G"}') \g /dev/null
CALL run(o('guarded 2'), query => 'SELECT ''x'' || i FROM generate_series(1, 3000) i', batch => 1000);
SELECT is((SELECT concat_ws(' ', got, not_got) FROM answer), '2500 500', 'the guess guard holds');
SELECT is((SELECT count(DISTINCT (org_id, code)) = count(*) FROM cms.coupon WHERE NOT shared), true, 'no code twice');

-- a query
CALL named('ann', 'bob', 'ann', NULL, ' ', 'cid', repeat('x', 1001), 'ann', 'bob');
SELECT make('twice') \g /dev/null
CALL run(o('twice'));
SELECT is((SELECT concat_ws(' ', total, done, succeeded, refused, repeated, ignored) FROM cms.job JOIN answer USING (job_id)), '9 9 3 0 3 3',
	'who is named twice has one coupon; NULL, blank and too long ids are ignored');
CALL run(o('twice'), batch => 100);
SELECT is((SELECT concat_ws(' ', succeeded, refused, repeated, ignored) FROM cms.job JOIN answer USING (job_id)), '3 0 3 3', 'each job gives one');
SELECT is(held('twice'), (SELECT string_agg(concat_ws(' ', c, n, '2025-11-12 05:30:00 f 12'), ', ' ORDER BY c, n)
	FROM unnest('{ann,bob,cid}'::text[]) c, generate_series(1, 2) n), 'as their second');
SELECT make('kinds') \g /dev/null
CALL run(o('kinds'), query => 'SELECT i FROM generate_series(1, 3) i');
CALL run(o('kinds'), query => 'SELECT ''A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11''::uuid');
CALL run(o('kinds'), query => 'VALUES (''a''::char(5))');
CALL run(o('kinds'), query => 'WITH x AS (SELECT 7::bigint AS n) TABLE x;');
SELECT is((SELECT string_agg(customer_id, ' ' ORDER BY customer_id) FROM cms.coupon WHERE offer_id = o('kinds')),
	'1 2 3 7 a a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'numbers, uuids and char are ids too');
CALL run(o('kinds'), query => 'SELECT id FROM customer WHERE false');
SELECT is((SELECT concat_ws(' ', status, total, done) FROM cms.job JOIN answer USING (job_id)), 'DONE 0 0', 'nobody');

CREATE FUNCTION fails(state text, words text, what text) RETURNS text LANGUAGE sql AS $$
	SELECT ok(current_setting('t.state') = state AND current_setting('t.message') ~ words, what
		|| CASE WHEN current_setting('t.state') = state AND current_setting('t.message') ~ words THEN '' ELSE ': ' || current_setting('t.state') || ' ' || current_setting('t.message') END)
$$;
\set note 'SELECT set_config(\'t.state\', :\'LAST_ERROR_SQLSTATE\', false), set_config(\'t.message\', :\'LAST_ERROR_MESSAGE\', false) \\g /dev/null'
\set QUERY 'CALL cms.cms_issue_all(o(\'plain 2\'), '
:QUERY 'DELETE FROM customer RETURNING id');
:note
SELECT fails('22023', 'SELECT that writes', 'no DELETE');
:QUERY 'WITH d AS (DELETE FROM customer RETURNING id) SELECT id FROM d');
:note
SELECT fails('22023', 'SELECT that writes', 'nor one inside');
:QUERY 'SELECT id FROM customer FOR UPDATE');
:note
SELECT fails('22023', 'SELECT that writes', 'no locks');
:QUERY 'SELECT id INTO made FROM customer');
:note
SELECT fails('22023', 'SELECT that writes', 'no table made');
:QUERY 'DROP TABLE customer');
:note
SELECT fails('22023', 'SELECT that writes', 'no DDL');
:QUERY 'SELECT id FROM customer; SELECT 1');
:note
SELECT fails('22023', 'one statement, not 2', 'one statement');
:QUERY '');
:note
SELECT fails('22023', 'one statement, not 0', 'not none');
:QUERY 'SELECT id, 1 FROM customer');
:note
SELECT fails('22023', 'one column, not 2', 'one column');
:QUERY 'SELECT true');
:note
SELECT fails('42804', 'type boolean', 'of ids');
:QUERY 'SELECT nothing FROM customer');
:note
SELECT fails('42703', 'nothing', 'what the parser says');
:QUERY 'SELECT id FROM customer', batch => 0);
:note
SELECT fails('22023', '"batch" must be', 'a batch has customers');
:QUERY NULL);
:note
SELECT fails('22004', 'no audience', 'an audience that there is');
CALL cms.cms_issue_all(4711, 'SELECT id FROM customer');
:note
SELECT fails('MS001', '4711', 'an offer that there is');
BEGIN;
:QUERY 'SELECT id FROM customer');
ROLLBACK;
:note
SELECT fails('25001', 'transaction block', 'no transaction block');
SELECT throws_ok('CALL cms.cms_issue_all(1, ''SELECT 1'')', '25001', NULL, 'no function');

-- jobs and keys
SELECT make('key') \g /dev/null
CALL named('ann', 'bob', 'cid', 'dee', '5', '6', '7');
CALL run(o('key'), query => 'SELECT CASE WHEN place < 7 THEN id ELSE (1 / 0)::text END FROM customer ORDER BY place', job_key => 'broken');
SELECT is((SELECT concat_ws(' ', status, done, succeeded, error) FROM cms.job WHERE job_key = 'broken'), 'FAILED 0 0 division by zero', 'an error of the query is told in the table');
CREATE TABLE switch AS SELECT 1 AS divisor;
-- an error in the midst: a code that exists is no error, but a rule of the owner's own is
CREATE FUNCTION trip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.customer_id = '6' AND EXISTS (SELECT FROM public.switch) THEN RAISE 'tripped'; END IF;
	RETURN NEW;
END $$;
GRANT SELECT ON switch TO cms_owner;
CREATE TRIGGER trip BEFORE INSERT ON cms.coupon FOR EACH ROW EXECUTE FUNCTION trip();
CALL run(o('key'), job_key => 'on');
SELECT is((SELECT concat_ws(' ', status, done, succeeded, total, error) FROM cms.job WHERE job_key = 'on'), 'FAILED 3 3 7 tripped', 'what is committed stays, and is told');
TRUNCATE switch;
CALL run(o('key'), job_key => 'on', at => '2025-11-13');
SELECT is((SELECT concat_ws(' ', status, done, succeeded, repeated, runs, error) FROM cms.job WHERE job_key = 'on'), 'DONE 7 7 0 2', 'the same call goes on');
SELECT is((SELECT concat_ws(' ', got, not_got) FROM answer), '7 0', 'and tells all of the job');
SELECT is((SELECT string_agg(customer_id || nth, ' ' ORDER BY customer_id) FROM cms.coupon WHERE offer_id = o('key')), '51 61 71 ann1 bob1 cid1 dee1', 'nobody twice, nobody left out');
SELECT is((SELECT issued FROM cms.offer_dashboard WHERE offer_id = o('key')), 7::bigint, 'nor counted twice');
CALL run(o('key'), job_key => 'on');
SELECT is((SELECT concat_ws(' ', got, not_got, (SELECT count(*) FROM cms.coupon WHERE offer_id = o('key'))) FROM answer), '7 0 7', 'a job that is done does nothing');
CALL run(o('key'), job_key => 'on', query => 'SELECT id FROM customer');
:note
SELECT fails('MS013', 'job_key "on"', 'a key is of one request');
CALL run(o('plain 2'), job_key => 'on');
:note
SELECT fails('MS013', 'job_key "on"', 'and of one offer');
DROP TRIGGER trip ON cms.coupon;
SELECT throws_ok('SELECT cms.cms_job_begin(''ISSUE_ALL'', NULL, ''mine'', NULL, NULL, 1001)', '42501', NULL, 'nobody begins a job by hand');
SELECT throws_ok('SELECT cms.cms_job_note(1, 1, true, NULL, 1001)', '42501', NULL, 'nor ends one');
SELECT throws_ok('SELECT cms.cms_issue_all_step(1, ''{ann}'', 0, 1, NULL, NULL, false, now(), 1001)', '42501', NULL, 'nor does its work');
SELECT throws_ok('UPDATE cms.job SET done = 1', 'MS006', NULL, 'nor writes what it has done');
SELECT is((SELECT string_agg(DISTINCT state, ' ') FROM cms.job_status), 'DONE FAILED', 'no job runs');
SELECT is((SELECT count(pid) FROM cms.job_status), 0::bigint, 'so none has a process');

-- rights: the query has the caller's, the step the issuer's
CREATE ROLE f15_all_issuer LOGIN;
CREATE ROLE f15_all_nobody LOGIN;
GRANT cms_issuer TO f15_all_issuer;
INSERT INTO cms.org_role (org_id, role_name) VALUES (1001, 'f15_all_issuer');
GRANT USAGE ON SCHEMA public TO f15_all_issuer, f15_all_nobody;
SELECT make('rights') \g /dev/null
SELECT o('rights') AS offer \gset
SET ROLE f15_all_issuer;
CALL cms.cms_issue_all(:offer, 'SELECT id FROM customer');
:note
SELECT fails('42501', 'table customer', 'the caller''s rights on tables');
CALL cms.cms_issue_all(:offer, 'SELECT offer_id FROM cms.offer_slot');
:note
SELECT fails('42501', 'offer_slot', 'not the owner''s');
CALL cms.cms_issue_all(:offer, 'SELECT current_user::text', batch => 10) \g /dev/null
CALL cms.cms_issue_all(:offer, 'SELECT ''x''', org => 1002);
:note
SELECT fails('42501', 'org 1002', 'the caller''s orgs');
RESET ROLE;
SELECT is((SELECT customer_id FROM cms.coupon WHERE offer_id = :offer), 'f15_all_issuer', 'who asks is who is asked for');
SET ROLE f15_all_nobody;
CALL cms.cms_issue_all(:offer, 'SELECT ''x''');
:note
RESET ROLE;
SELECT fails('42501', 'schema cms|procedure cms_issue_all', 'nobody else');
DROP OWNED BY f15_all_issuer, f15_all_nobody;
DROP ROLE f15_all_issuer, f15_all_nobody;
SELECT * FROM finish();
