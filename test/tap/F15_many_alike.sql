-- F15, F11, F12: many coupons in one call are decided as each by itself would be: twins of offers, of which one is issued in
-- one call and the other customer by customer.
BEGIN;
SELECT plan(37);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- forty customers, most of them once, some up to three times, none in order
CREATE TEMP TABLE asked AS SELECT n AS line, 'c' || (n * 17) % 29 AS customer_id FROM generate_series(1, 40) n;
CREATE FUNCTION many(offer text, at timestamptz) RETURNS TABLE (line bigint, customer_id text, reason text, message text, next_on date, ends timestamptz)
LANGUAGE sql AS $$
	SELECT i.line, i.customer_id, i.reason, replace(i.message, offer, 'it'), i.next_allowed_on, i.expires_at
	FROM cms_issue_many(o(offer), ARRAY(SELECT customer_id FROM asked ORDER BY line), at => at) i
$$;
CREATE FUNCTION single(offer text, at timestamptz) RETURNS TABLE (line bigint, customer_id text, reason text, message text, next_on date, ends timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
	FOR line, customer_id IN SELECT a.line, a.customer_id FROM asked a ORDER BY a.customer_id COLLATE "C", a.line LOOP
		SELECT i.reason, replace(i.message, offer, 'it'), i.next_allowed_on, i.expires_at INTO reason, message, next_on, ends
		FROM cms_issue(o(offer), customer_id, at => at) i;
		RETURN NEXT;
	END LOOP;
END
$$;
CREATE FUNCTION twins(what text, settings jsonb, lists text DEFAULT '') RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := '2025-11-12 11:00 Asia/Kolkata';
	answers text;
BEGIN
	PERFORM make_offer(what || ' in one', settings), make_offer(what || ' each', CASE WHEN settings ? 'sample_code'
		THEN settings || jsonb_build_object('sample_code', reverse(settings ->> 'sample_code')) ELSE settings END
		|| CASE WHEN settings ? 'code_prefix' THEN '{"code_prefix": "OT"}'::jsonb ELSE '{}'::jsonb END
		|| CASE WHEN settings ? 'common_code' THEN jsonb_build_object('common_code', 'OTHER') ELSE '{}'::jsonb END);
	IF lists <> '' THEN
		EXECUTE format(lists, o(what || ' in one'));
		EXECUTE format(lists, o(what || ' each'));
	END IF;
	RETURN NEXT results_eq(format('SELECT * FROM many(%L, %L) ORDER BY line', what || ' in one', at),
		format('SELECT * FROM single(%L, %L) ORDER BY line', what || ' each', at), what);
	-- a day later once more, when what was given before counts
	at := at + interval '1 day';
	RETURN NEXT results_eq(format('SELECT * FROM many(%L, %L) ORDER BY line', what || ' in one', at),
		format('SELECT * FROM single(%L, %L) ORDER BY line', what || ' each', at), what || ', a day later');
	SELECT string_agg(DISTINCT reason, ' ') INTO answers FROM many(what || ' in one', at);
	RETURN NEXT ok(NOT EXISTS (
		SELECT c.customer_id FROM cms.coupon c WHERE c.offer_id = o(what || ' in one')
		GROUP BY 1 HAVING array_agg(c.nth ORDER BY c.nth) <> ARRAY(SELECT generate_series(1, max(c.nth)))), what || ': numbered without a gap'
		|| coalesce(' (' || answers || ')', ''));
END
$$;

SELECT make_offer('received before');
SELECT string_agg(issue_of('received before', 'c' || n, :t), '') AS x FROM generate_series(1, 29, 4) n \gset
SELECT twins('as many as they like', '{}');
SELECT twins('one each', '{"max_issued_per_customer": 1}');
SELECT twins('two each', '{"max_issued_per_customer": 2, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 10}');
SELECT twins('a gap', '{"min_days_between_issues": 3}');
SELECT twins('a cap', '{"max_issued": 33, "max_issued_per_customer": 2}');
SELECT twins('an audience', '{"audience_only": true}',
	'INSERT INTO cms.offer_audience (offer_id, customer_id) SELECT %s, ''c'' || n FROM generate_series(1, 20) n');
SELECT twins('another received', '{"past_issue_months": 1}',
	'INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) SELECT %s, o(''received before'')');
SELECT twins('a sample', '{"code_method": "RANDOMISED", "sample_code": "12345", "max_issued_per_customer": 2}');
SELECT is((SELECT next_position FROM cms.offer_slot WHERE offer_id = o('a sample in one') AND slot = 0),
	(SELECT count(*) FROM cms.coupon WHERE offer_id = o('a sample in one')), 'a sample: no place is skipped');
SELECT twins('a common code', '{"code_method": "COMMON", "common_code": "SAME"}');
SELECT twins('few codes', '{"code_charset": "NUMERIC", "code_length": 2, "code_prefix": "XY", "allow_dense_codes": true}');
SELECT is(count(DISTINCT code), 100::bigint, 'few codes: all that there are') FROM cms.coupon WHERE offer_id = o('few codes in one');
SELECT twins('the one they have', '{"reissue": "EXISTING"}');

-- codes that are brought: one upload, or line by line
SELECT make_offer('file in one', '{"code_method": "UPLOADED", "max_issued_per_customer": 2, "max_issued": 33}');
SELECT make_offer('file each', '{"code_method": "UPLOADED", "max_issued_per_customer": 2, "max_issued": 33}');
SELECT results_eq($$ SELECT a.line, u.reason FROM cms_upload_codes(o('file in one'), ARRAY(SELECT 'IN' || line FROM asked ORDER BY line),
		ARRAY(SELECT customer_id FROM asked ORDER BY line), at => '2025-11-12 11:00 Asia/Kolkata') u JOIN asked a USING (line) ORDER BY a.customer_id COLLATE "C", line $$,
	$$ SELECT a.line, u.reason FROM (SELECT * FROM asked ORDER BY customer_id COLLATE "C", line) a, cms_upload_codes(o('file each'), ARRAY['EACH' || a.line],
		ARRAY[a.customer_id], at => '2025-11-12 11:00 Asia/Kolkata') u $$, 'an upload');
SELECT counted();
SELECT * FROM finish();
ROLLBACK;
