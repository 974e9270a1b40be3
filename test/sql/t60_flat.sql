-- A session keeps what it compiled and planned, and nothing else: after a warm-up, thousands more
-- calls, with refusals and errors that a block catches, add no plan, no compiled offer and no memory.
\set VERBOSITY sqlstate
SET client_min_messages = warning;

INSERT INTO cms.org (org_id, name, max_backdate, record_attempts, max_failed_attempts) VALUES (40, 'Flat', '100 years', true, 1000000);
SET cms.org = 40;
INSERT INTO cms.offer (offer_id, code, name, discount_type, discount_value, code_method, common_code, sample_code,
	anyone_may_redeem, max_uses_per_coupon, max_uses_per_customer, max_redemptions, max_discount_total, max_issued_per_customer, reissue)
VALUES
	(4001, 'F-UP',     'uploaded',   'FIXED_AMOUNT', 10, 'UPLOADED',   NULL,      NULL,    false, NULL, NULL, 1000000, 1000000, NULL, 'NEW'),
	(4002, 'F-GEN',    'generated',  'PERCENTAGE',   10, 'GENERATED',  NULL,      NULL,    false, 1,    NULL, NULL,    NULL,    NULL, 'NEW'),
	(4003, 'F-COMMON', 'common',     'PERCENTAGE',   10, 'COMMON',     'FLAT-ALL', NULL,   true,  NULL, NULL, NULL,    NULL,    NULL, 'NEW'),
	(4004, 'F-RANDOM', 'randomised', 'PERCENTAGE',   10, 'RANDOMISED', NULL,      'FLAT12345', false, 1, NULL, NULL,   NULL,    NULL, 'NEW'),
	(4005, 'F-LIMIT',  'limits',     'PERCENTAGE',   10, 'GENERATED',  NULL,      NULL,    false, 1,    1,    NULL,    NULL,    1,    'EXISTING'),
	(4006, 'F-CLAIM',  'claimed',    'PERCENTAGE',   10, 'GENERATED',  NULL,      NULL,    false, 1,    NULL, NULL,    NULL,    NULL, 'NEW');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (4005, 4004);
INSERT INTO cms.offer_window (offer_id, weekdays) VALUES (4002, '{1,2,3,4,5,6,7}');
SELECT count(*) FROM cms.cms_upload_codes(4001, ARRAY(SELECT 'FLAT-' || i FROM generate_series(1, 20) i),
	ARRAY(SELECT 'c' || i FROM generate_series(1, 20) i), at => '2030-01-01');

-- One call of each kind, its number making bills and customers new. The customers repeat, so that
-- what is read for one does not grow without bound.
CREATE FUNCTION one(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	customer text := 'c' || 1 + n % 20;
	issued text;
	redeemed bigint;
	at_time timestamptz := '2030-01-10 12:00+00';
BEGIN
	CASE n % 12
	WHEN 0 THEN
		PERFORM cms.cms_check('FLAT-' || 1 + n % 20, customer, 100, 's1', 't1',
			'[{"sku": "a", "amount": 60}, {"sku": "b", "amount": 40, "on_sale": true}]', at_time);
		PERFORM cms.cms_check('FLAT-UNKNOWN', customer, 100, at => at_time);
		PERFORM cms.cms_try('FLAT-UNKNOWN', customer, 100, at => at_time);
	WHEN 1 THEN
		redeemed := (cms.cms_redeem('FLAT-' || 1 + n % 20, customer, 100, 'b' || n, 's1', at => at_time)).redemption_id;
		PERFORM cms.cms_redeem('FLAT-' || 1 + n % 20, customer, 100, 'b' || n, 's1', at => at_time);
		PERFORM cms.cms_redeem('FLAT-' || 1 + n % 20, customer, 99, 'b' || n, 's1', at => at_time);
		PERFORM cms.cms_complete_redemption(redeemed, till_id => 't1', details => jsonb_build_object('n', n), at => at_time);
		PERFORM cms.cms_complete_redemption(redeemed, till_id => 't1', details => jsonb_build_object('n', n), at => at_time);
		PERFORM cms.cms_complete_redemption(redeemed, 'other', 99, 's2', 't2', jsonb_build_object('n', 0), at_time);
		PERFORM cms.cms_redeem('FLAT-' || 1 + n % 20, customer, 100, 'b' || n, 's1', at => at_time);
		PERFORM cms.cms_reverse(redeemed, 'flat', 'v' || n, at_time);
		PERFORM cms.cms_reverse(redeemed, 'flat', 'v' || n, at_time);
		PERFORM cms.cms_reverse(redeemed, 'other', 'v' || n, at_time);
		PERFORM cms.cms_reverse(redeemed, 'flat', 'w' || n, at_time);
		PERFORM cms.cms_reverse(redeemed, 'flat', at => at_time);
	WHEN 2 THEN
		PERFORM cms.cms_redeem('FLAT-1', 'stranger', 100, 'x', at => at_time);
		PERFORM cms.cms_redeem('FLAT-NONE', customer, 100, 'x', at => at_time);
		PERFORM cms.cms_redeem('FLAT-1', customer, 100, at => at_time);
	WHEN 3 THEN
		SELECT code INTO issued FROM cms.cms_issue(4002, 'g' || n, at => at_time);
		PERFORM cms.cms_redeem(issued, 'g' || n, 100, 'b', at => at_time);
		PERFORM cms.cms_redeem(issued, 'g' || n, 100, 'again', at => at_time);
		SELECT code INTO issued FROM cms.cms_issue(4002, 'g' || n, at => at_time);
		PERFORM cms.cms_redeem_bill(ARRAY[issued, 'FLAT-NONE', issued, 'FLAT-1'], 'g' || n, 100, 'bill', at => at_time);
		PERFORM cms.cms_redeem_bill(ARRAY['FLAT-ALL', issued], 'g' || n, 100, 'bill', at => at_time);
		PERFORM cms.cms_redeem_bill(ARRAY['FLAT-ALL', issued], 'g' || n, 100, 'bill', at => at_time);
		PERFORM cms.cms_redeem_bill(ARRAY['FLAT-ALL', issued], 'g' || n, 99, 'bill', at => at_time);
		PERFORM cms.cms_redeem_bill('{FLAT-ALL}', NULL, 100, 'bill' || n, at => at_time);
	WHEN 4 THEN
		PERFORM cms.cms_issue(4003, 'g' || n, request_key => 'k' || n, at => at_time);
		PERFORM cms.cms_issue(4003, 'g' || n, request_key => 'k' || n, at => at_time);
		PERFORM cms.cms_issue(4003, 'g' || n, at => at_time);
		PERFORM cms.cms_redeem('FLAT-ALL', 'h' || n, 100, 'b', at => at_time);
		PERFORM cms.cms_redeem('FLAT-ALL', NULL, 100, 'b' || n, at => at_time);
	WHEN 5 THEN
		PERFORM cms.cms_issue_many(4004, ARRAY['r' || n, 's' || n], at => at_time);
		PERFORM cms.cms_issue(4005, 'r' || n, at => at_time);
		PERFORM cms.cms_issue_many(4005, ARRAY['t' || n, 't' || n], how_many => 2, all_or_none => true, at => at_time);
	WHEN 6 THEN
		PERFORM cms.cms_generate_codes(4002, 3, at => at_time);
		PERFORM cms.cms_issue_many(4002, ARRAY['g' || n, 'h' || n], at => at_time);
		PERFORM cms.cms_code_capacity(4002);
	WHEN 7 THEN
		PERFORM cms.cms_claim(4006, 'OUTBOUND', 'k' || n % 2, at => at_time);
		PERFORM cms.cms_claim(4005, 'OUTBOUND', 'k' || n % 2, at => at_time);
		PERFORM cms.cms_issue(4006, customer, service => 'LOYALTY', at => at_time);
		PERFORM cms.cms_release(4006, at_time);
		PERFORM cms.cms_release(4005, at_time);
	WHEN 8 THEN
		PERFORM cms.cms_upload_codes(4001, ARRAY['UP' || n, 'FLAT-1', 'FLAT-ALL', '', 'UP' || n], at => at_time);
		PERFORM cms.cms_upload_codes(4001, ARRAY['UQ' || n, 'FLAT-1'], ARRAY['g' || n, 'g' || n], at => at_time);
		PERFORM cms.cms_revoke(4001, 'CODES', codes => ARRAY['UP' || n, 'UQ' || n, '?'], confirm => true, request_key => 'r' || n, at => at_time);
		PERFORM cms.cms_revoke(4001, 'CODES', codes => ARRAY['UP' || n, 'UQ' || n, '?'], confirm => true, request_key => 'r' || n, at => at_time);
		PERFORM cms.cms_revoke(4001, 'CODES', codes => ARRAY['UP' || n], confirm => true, request_key => 'r' || n, at => at_time);
	WHEN 9 THEN
		UPDATE cms.offer SET discount_cap = 1 + n WHERE org_id = 40 AND offer_id = 4002;
		PERFORM cms.cms_check('FLAT-ALL', customer, 100, at => at_time);
	-- errors, of arguments, of look-ups, of the trigger, in the middle of a call
	WHEN 10 THEN
		BEGIN PERFORM cms.cms_issue(4999, customer, at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_check('FLAT-1', customer, 'NaN', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_check('FLAT-1', customer, 1, items => '{"no": "array"}', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_redeem('FLAT-1', NULL, 100, 'x', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_redeem_bill('{FLAT-ALL,FLAT-1}', NULL, 100, 'x', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_reverse(-1, request_key => 'none', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_complete_redemption(-1, store_id => 's1', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_generate_codes(4001, 1, at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN PERFORM cms.cms_revoke(4001, 'UNISSUED', at => at_time); EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN UPDATE cms.offer SET common_code = 'FLAT-1' WHERE org_id = 40 AND offer_id = 4003; EXCEPTION WHEN OTHERS THEN NULL; END;
		BEGIN UPDATE cms.coupon SET uses = 0 WHERE org_id = 40; EXCEPTION WHEN OTHERS THEN NULL; END;
	-- what is rolled back, an edit of the offer with it
	WHEN 11 THEN
		BEGIN
			UPDATE cms.offer SET discount_value = 20 WHERE org_id = 40 AND offer_id = 4002;
			SELECT code INTO issued FROM cms.cms_issue(4002, 'z' || n, at => at_time);
			PERFORM cms.cms_redeem(issued, 'z' || n, 100, 'b', at => at_time);
			RAISE 'rolled back';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END CASE;
END
$$;
CREATE PROCEDURE many(first int, last int) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN first .. last LOOP PERFORM one(n); END LOOP;
END
$$;

-- Contexts of plans, of compiled offers, and all memory in use. What the server has counted of its tables it hands over
-- once a second, so it is told to before each measurement: what waits for that would seem to be kept.
CREATE TABLE gauge (taken int, name text, n bigint, bytes bigint);
CREATE PROCEDURE measure(number int) LANGUAGE sql AS $$
INSERT INTO gauge
SELECT number, CASE WHEN name IN ('SPI Plan', 'CachedPlan', 'CachedPlanSource', 'CachedPlanQuery') THEN 'plans'
	WHEN name LIKE 'cms%' THEN name ELSE 'other' END, count(*), sum(used_bytes)
FROM pg_backend_memory_contexts GROUP BY 2
$$;
DO $$ BEGIN PERFORM pg_stat_force_next_flush(); END $$;
CALL measure(0);
-- long enough for every statement to have its plan for good, and each offer its copy
CALL many(1, 2400);
DO $$ BEGIN PERFORM pg_stat_force_next_flush(); END $$;
CALL measure(1);
CALL many(2401, 4800);
DO $$ BEGIN PERFORM pg_stat_force_next_flush(); END $$;
CALL measure(2);
-- and a transaction for each call
SELECT format('DO $d$ BEGIN PERFORM one(%s); END $d$', n) FROM generate_series(4801, 4920) n \gexec
DO $$ BEGIN PERFORM pg_stat_force_next_flush(); END $$;
CALL measure(3);

SELECT a.name, a.n = b.n AS as_many, b.n = c.n AS as_many_again
FROM gauge a JOIN gauge b USING (name) JOIN gauge c USING (name)
WHERE a.taken = 1 AND b.taken = 2 AND c.taken = 3 AND name <> 'other' ORDER BY name;
-- Offers that were used: six.
SELECT n AS compiled_offers FROM gauge WHERE taken = 2 AND name = 'cms offer';
-- A copy that is replaced is freed; what the server itself remembers may vary by a little.
SELECT abs(sum(bytes) FILTER (WHERE taken = 2) - sum(bytes) FILTER (WHERE taken = 1)) < 16384 AS flat,
	abs(sum(bytes) FILTER (WHERE taken = 3) - sum(bytes) FILTER (WHERE taken = 2)) < 16384 AS flat_again FROM gauge;

DROP PROCEDURE many, measure;
DROP FUNCTION one;
DROP TABLE gauge;
