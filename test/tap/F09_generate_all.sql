-- F9: cms_generate_all makes codes in batches that commit, all that fit or none, and goes on after an interruption; what
-- codes written in slices tell.
-- Nothing is rolled back here: the procedure commits, and the database is this file's own.
SELECT plan(30);
\set QUIET on
\set ON_ERROR_STOP off
SET search_path = public, cms;
SET client_min_messages = warning;
INSERT INTO cms.org (org_id, name) VALUES (1001, 'first');
SET cms.org = 1001;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, code_length, code_charset, common_code, allow_dense_codes, code_prefix) VALUES
	(101, 'long', 'FIXED_AMOUNT', 10, 'GENERATED', 12, 'UNAMBIGUOUS', NULL, false, NULL),
	(102, 'short', 'FIXED_AMOUNT', 10, 'GENERATED', 4, 'NUMERIC', NULL, false, 'S'),
	(103, 'dense', 'FIXED_AMOUNT', 10, 'GENERATED', 4, 'NUMERIC', NULL, true, 'D'),
	(104, 'common', 'FIXED_AMOUNT', 10, 'COMMON', 12, 'UNAMBIGUOUS', 'HELLO', false, NULL),
	(105, 'very long', 'FIXED_AMOUNT', 10, 'GENERATED', 30, 'ALPHANUMERIC', NULL, false, NULL),
	(106, 'even', 'FIXED_AMOUNT', 10, 'GENERATED', 4, 'ALPHANUMERIC', NULL, false, 'E');
CREATE TABLE answer (job bigint, made bigint);
CREATE PROCEDURE make(offer bigint, how_many bigint, job_key text DEFAULT NULL, batch int DEFAULT 1000) LANGUAGE plpgsql AS $$
DECLARE
	job bigint;
	made bigint;
BEGIN
	CALL cms.cms_generate_all(offer, how_many, job_key, batch, job_id => job, generated => made);
	DELETE FROM answer;
	INSERT INTO answer VALUES (job, made);
END
$$;
CREATE FUNCTION stock(offer bigint) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', p.stock, (SELECT count(DISTINCT code) FROM cms.coupon c WHERE c.offer_id = offer))
	FROM cms.offer_performance p WHERE p.offer_id = offer
$$;
CREATE FUNCTION fails(state text, words text, what text) RETURNS text LANGUAGE sql AS $$
	SELECT ok(current_setting('t.state') = state AND current_setting('t.message') ~ words, what)
$$;
\set note 'SELECT set_config(\'t.state\', :\'LAST_ERROR_SQLSTATE\', false), set_config(\'t.message\', :\'LAST_ERROR_MESSAGE\', false) \\g /dev/null'

CALL make(101, 3500);
SELECT is((SELECT made FROM answer), 3500::bigint, 'as many as were asked for');
SELECT is(stock(101), '3500 3500', 'are in stock, and all different');
SELECT is((SELECT concat_ws(' ', action, status, total, done, succeeded, runs) FROM cms.job), 'GENERATE_ALL DONE 3500 3500 3500 1', 'and the job tells it');
SELECT ok((SELECT bool_and(code ~ '^[2-9A-HJKMNP-Z]{12}$') FROM cms.coupon WHERE offer_id = 101), 'of the pattern');
SELECT ok((SELECT count(*) FILTER (WHERE code > before) BETWEEN 1600 AND 1900
	FROM (SELECT code, lag(code) OVER (ORDER BY coupon_id) AS before FROM cms.coupon WHERE offer_id = 101 AND coupon_id <= 1000 * 3.6) c),
	'whoever is issued the next one cannot tell whether it is larger');
SELECT is((SELECT max(batch) FROM (SELECT count(DISTINCT left(code, 1)) AS batch FROM (
		SELECT code, (row_number() OVER (ORDER BY coupon_id) - 1) / 1000 AS n FROM cms.coupon WHERE offer_id = 101) c GROUP BY n) b) < 14, true,
	'a batch is a slice of the space');
SELECT is((SELECT count(DISTINCT left(code, 1)) FROM cms.coupon WHERE offer_id = 101), 31::bigint, 'all together are the whole');
CALL make(105, 2000, batch => 300);
SELECT is((SELECT count(DISTINCT code) FROM cms.coupon WHERE offer_id = 105 AND code ~ '^[0-9A-Z]{30}$'), 2000::bigint, 'of more characters than a number has');
SELECT ok((SELECT min(n) > 10 AND count(*) = 36 FROM (SELECT count(*) AS n FROM cms.coupon WHERE offer_id = 105 GROUP BY right(code, 1)) c), 'each by chance');
-- chi square of 36 first letters: beyond 80 in one run of 20,000
SELECT cms.cms_generate_codes(106, 100000) \g /dev/null
SELECT ok((SELECT sum((n - 100000.0 / 36) ^ 2 / (100000.0 / 36)) < 80 FROM (SELECT count(*) AS n FROM cms.coupon WHERE offer_id = 106 GROUP BY substr(code, 3, 1)) c),
	'every character as likely');

-- what does not fit is refused before it begins
CALL make(102, 2501);
:note
SELECT fails('MS005', 'room for 2500', 'more than the guess guard allows');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = 102), 0::bigint, 'nothing was made');
CALL make(102, 2500, batch => 700);
SELECT is(stock(102), '2500 2500', 'to the last one');
CALL make(103, 7500);
SELECT is(stock(103), '7500 7500', 'a dense space is filled beside it');
CALL make(103, 1);
SELECT is(stock(103), '7501 7501', 'and one more');
CALL make(103, 2499, batch => 2000);
SELECT is(stock(103), '10000 10000', 'to its last free code');
CALL make(103, 1);
:note
SELECT fails('MS005', 'room for 0', 'then there is none');
CALL make(104, 1);
:note
SELECT fails('MS007', '104', 'an offer that makes its codes in another way');
CALL make(101, -1);
:note
SELECT fails('22023', 'how_many', 'a number of codes');
CALL make(101, 1, batch => 0);
:note
SELECT fails('22023', 'batch', 'a batch of some');
BEGIN;
CALL cms.cms_generate_all(101, 1);
ROLLBACK;
:note
SELECT fails('25001', 'transaction block', 'no transaction block');
SELECT throws_ok('SELECT cms.cms_generate_all_step(1, 1, 1, 1001)', '42501', NULL, 'nobody does its work by hand');

-- keys
CREATE SEQUENCE written;
GRANT USAGE ON SEQUENCE written TO cms_owner;
CREATE FUNCTION trip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF nextval('public.written') = 2200 THEN RAISE 'tripped'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER trip BEFORE INSERT ON cms.coupon FOR EACH ROW EXECUTE FUNCTION trip();
CALL make(101, 3000, 'more');
SELECT is(stock(101), '5500 5500', 'an error in the midst leaves the batches that were made');
SELECT is((SELECT concat_ws(' ', status, done, succeeded, error) FROM cms.job WHERE job_key = 'more'), 'FAILED 2000 2000 tripped', 'and is told');
DROP TRIGGER trip ON cms.coupon;
CALL make(101, 3000, 'more', 400);
SELECT is((SELECT made FROM answer), 3000::bigint, 'the same call goes on');
SELECT is(stock(101), '6500 6500', 'with what is missing');
SELECT is((SELECT concat_ws(' ', status, total, done, succeeded, runs) FROM cms.job WHERE job_key = 'more'), 'DONE 1000 1000 3000 2', 'in a second run');
CALL make(101, 3000, 'more');
SELECT is(stock(101), '6500 6500', 'once done it does nothing');
CALL make(101, 3001, 'more');
:note
SELECT fails('MS013', 'more', 'the key is of that number');
SELECT is((SELECT count(*) FROM (SELECT code FROM cms.coupon GROUP BY code HAVING count(*) > 1) c), 0::bigint, 'no code is there twice');
SELECT * FROM finish();
