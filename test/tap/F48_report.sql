-- The page of cms_report: its numbers, what it makes of hostile texts, how large it gets, and for whom.
-- What it looks like is for people to judge.
SELECT plan(47);

INSERT INTO cms.org (org_id, name, time_zone, currency) VALUES
	(481, E'<script>alert("o''rg") & co</script>', 'Asia/Kolkata', 'INR'), (482, 'Nothing yet', 'Pacific/Apia', 'USD'),
	(483, 'Thousands', 'UTC', 'EUR'), (484, 'Large', 'Asia/Kolkata', 'INR');
SET cms.org = 481;
CREATE TEMP TABLE page (name text, html text);

-- ---- an org with everything ---------------------------------------------------------------------------
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, expires_on, max_uses_per_coupon) VALUES
	(4811, '<script>alert(1)</script>', 'FIXED_AMOUNT', 10, 'UPLOADED', '2030-03-15', 1),
	(4812, U&'"><img src=x onerror=alert(2)> \+01F389 & more', 'FIXED_AMOUNT', 20, 'UPLOADED', '2030-12-31', 5),
	(4813, '</style></title>' || U&'\202E\0639\FF21' || E'\x01\x7f\u0085 ' || repeat('long', 50), 'PERCENTAGE', 5, 'UPLOADED', NULL, 1),
	(4814, 'not in these days', 'FIXED_AMOUNT', 1, 'UPLOADED', '2030-01-31', 1),
	(4815, 'never issued', 'FIXED_AMOUNT', 1, 'UPLOADED', '2030-04-01', 1);
SELECT count(*) FROM generate_series(4811, 4814) o, LATERAL cms.cms_upload_codes(o,
	ARRAY(SELECT 'C' || o || '-' || i FROM generate_series(1, 100) i), ARRAY(SELECT 'c' || i FROM generate_series(1, 100) i),
	at => CASE o WHEN 4814 THEN timestamptz '2030-01-05 12:00+05:30' WHEN 4811 THEN '2030-02-28 23:59:59+05:30'
		ELSE '2030-02-01 00:00+05:30' END);
-- the first and the last moment of the days, one outside on either side, and one that is reversed
SELECT count(*) FROM (VALUES ('C4812-1', timestamptz '2030-02-01 00:00+05:30'), ('C4812-2', '2030-02-28 23:59:59+05:30'),
	('C4812-2', '2030-03-01 00:00+05:30'), ('C4812-3', '2030-02-10 10:00+05:30'), ('C4813-1', '2030-02-10 10:00+05:30'),
	('C4814-1', '2030-01-31 10:00+05:30'), ('C4811-1', '2030-03-01 10:00+05:30')) u (code, at),
	LATERAL cms.cms_redeem(u.code, 'c' || split_part(u.code, '-', 2), 123.45, 'b' || u.at, at => u.at) r WHERE r.redeemed;
SELECT count(*) FROM cms.redemption r, LATERAL cms.cms_reverse(r.redemption_id, at => '2030-03-01')
WHERE org_id = 481 AND coupon_id = (SELECT coupon_id FROM cms.coupon WHERE org_id = 481 AND code = 'C4812-3');
INSERT INTO page SELECT 'feb', cms.cms_report('2030-02-01', '2030-02-28', at => '2030-03-01 09:05+05:30');

CREATE FUNCTION pg_temp.tile(page_name text, title text) RETURNS text LANGUAGE sql AS $$
SELECT replace(regexp_replace((regexp_match(html, '<dt>' || title || '</dt><dd><div class="value">(.*?)</div>'))[1], '<[^>]*>', '', 'g'),
	'&#8239;', '') FROM page WHERE name = page_name $$;
SELECT is(pg_temp.tile('feb', 'Coupons issued'), '300', 'issued from the first moment to the last');
SELECT is(pg_temp.tile('feb', 'Redemptions'), '3', 'redemptions likewise, without the reversed one');
SELECT is(pg_temp.tile('feb', 'Redeemed of those issued'), '1.3%', 'a rate of those issued, whenever they were redeemed');
SELECT is(pg_temp.tile('feb', 'Discount given'), 'INR 46.17', 'their discount, rounded to the currency');
SELECT is(pg_temp.tile('feb', 'On bills of'), 'INR 370.35', 'and their bills');
SELECT is(pg_temp.tile('feb', 'Offers running'), '4', 'offers that have not ended at that time');
SELECT ok(html LIKE '%+200&#8239;\% on the 28 days before%', 'compared with as many days before') FROM page;
SELECT is((SELECT array_agg(m[1] || ' ' || m[2]) FROM page, regexp_matches(html,
	'<th scope="row">([0-9]+ Feb 2030)</th><td class="n">([1-9][0-9]*)</td>', 'g') m), '{1 Feb 2030 200,28 Feb 2030 100}'::text[],
	'the table has each day with its issues');
SELECT is((SELECT count(*)::int FROM page, regexp_matches(html, '<tr><th scope="row">[0-9]+ Feb 2030</th>', 'g')), 28, 'and all days');
SELECT ok(html ~ '<td class="n">15 Mar 2030</td>.*<td class="n">1 Apr 2030</td>' AND html !~ '<td class="n">31 Dec 2030</td>',
	'what ends within twelve weeks, and nothing else') FROM page;
SELECT ok(html LIKE '%As of 1 Mar 2030, 09:05, Asia/Kolkata%', 'when it is of, in the org''s zone') FROM page;

-- ---- texts ----------------------------------------------------------------------------------------------
SELECT is(html, convert_from(convert_to(html, 'SQL_ASCII'), 'SQL_ASCII'), 'nothing but ASCII') FROM page;
SELECT ok(html !~ '[^\x01-\x7e]', 'no byte above it, no control character') FROM page;
SELECT ok(html !~* '<(script|img|iframe|object|link|base|form|a)\y', 'no script and nothing that leads elsewhere') FROM page;
SELECT ok(html !~* '(https?:|//|url\(|@import|javascript:)', 'no address') FROM page;
SELECT ok(html !~ '<[^>]*\s(on\w+)=', 'no handler') FROM page;
SELECT is((SELECT count(*)::int FROM page, regexp_matches(html, '</style>', 'g')), 1, 'the style sheet ends where it ends');
SELECT is((SELECT count(*)::int FROM page, regexp_matches(html, '<title>[^<]*alert', 'g')), 1, 'the title has the name, escaped');
SELECT ok(html LIKE '%&#60;script&#62;alert(1)&#60;/script&#62;%', 'a name is shown as it is written') FROM page;
SELECT ok(html LIKE '%&#62; &#127881; &#38; more%', 'also what is beyond the first 65536 characters') FROM page;
SELECT ok(html LIKE '%&#8238;&#1593;&#65313;&#65533;&#65533;&#65533;%', 'control characters are replaced') FROM page;
SELECT ok(html !~ ('>[^<]*' || repeat('long', 30)), 'a long name is cut') FROM page;
SELECT ok(html ~ '<bdi title="[^"]*(long){40}', 'and told whole when one points at it') FROM page;
-- each tag that opens also closes
SELECT is((SELECT string_agg(tag || ' ' || n, ',') FROM (
	SELECT m[2] AS tag, sum(CASE m[1] WHEN '/' THEN -1 ELSE 1 END) AS n FROM page, regexp_matches(html, '<(/?)([a-z0-9]+)[^>]*?(/?)>', 'g') m
	WHERE m[3] = '' AND m[2] <> 'meta' GROUP BY 1 HAVING sum(CASE m[1] WHEN '/' THEN -1 ELSE 1 END) <> 0) t), NULL, 'every tag is closed');

-- ---- nothing, and much ------------------------------------------------------------------------------------
INSERT INTO page SELECT 'none', cms.cms_report(at => '2030-03-01', org => 482);
SELECT is(pg_temp.tile('none', 'Redemptions'), '0', 'an org without offers has a page');
SELECT ok(html LIKE '%Nothing was issued.%No offer issued or redeemed anything%No offer ends in these weeks.%' AND html !~ '(nan|inf)\y',
	'which says that there is nothing') FROM page WHERE name = 'none';
SELECT ok(html LIKE '%<p>31 Jan &#8211; 1 Mar 2030</p>%', 'thirty days up to the day in the org''s zone, if none are given') FROM page WHERE name = 'none';

SET cms.org = 483;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem, expires_on)
SELECT 483000 + i, repeat('<&">', 60) || i, 'FIXED_AMOUNT', 1, 'COMMON', 'M' || i, true, '2030-03-20' FROM generate_series(1, 1500) i;
SELECT count(*) FROM generate_series(1, 1500) i, LATERAL cms.cms_redeem('M' || i, 'c', 10, 'b', at => '2025-01-01'::timestamptz + i * interval '28 hours');
INSERT INTO page SELECT 'many', cms.cms_report('2020-03-01', '2030-02-28', at => '2030-03-01');
SELECT is(pg_temp.tile('many', 'Redemptions'), '1,500', 'a page of ten years and many offers');
SELECT cmp_ok(length(html), '<', 300000, 'is bounded') FROM page WHERE name = 'many';

-- ---- a large org: days come from the summaries, where there are any ----------------------------------------
SET cms.org = 484;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, code_method, common_code) VALUES
	(4841, 'summarised', 'FIXED_AMOUNT', 10, 'COMMON', 'LARGE'), (4842, 'not yet', 'FIXED_AMOUNT', 10, 'COMMON', 'SMALL');
SELECT count(*) FROM cms.cms_issue_many(4841, ARRAY(SELECT 'c' || i FROM generate_series(1, 300000) i), at => '2030-02-03 23:59+05:30') x;
SELECT count(*) FROM generate_series(1, 4) i, LATERAL cms.cms_redeem('LARGE', 'c' || i, 100, 'b', at => '2030-02-05 00:00+05:30');
INSERT INTO page SELECT 'counted', cms.cms_report('2030-02-01', '2030-02-28', at => '2030-03-01');
SELECT is(pg_temp.tile('counted', 'Coupons issued') || ' ' || pg_temp.tile('counted', 'Redemptions'), '300,000 4', 'counted as long as they are few');
SELECT count(*) FROM cms.cms_issue_many(4841, '{d1,d2}', at => '2030-02-04 00:00+05:30') x;
INSERT INTO page SELECT 'not summarised', cms.cms_report('2030-02-01', '2030-02-28', at => '2030-03-01');
SELECT is(pg_temp.tile('not summarised', 'Coupons issued') || ' ' || pg_temp.tile('not summarised', 'Redemptions'), '300,002 4',
	'and also when they are many, of offers that have no summary');
SELECT cms.cms_refresh_summary(pace => 0, org => 484) AS refreshed \gset
-- one that the summary does not have yet, and three of an offer without
SELECT count(*) FROM cms.cms_issue_many(4841, '{d3}', at => '2030-02-04 00:00+05:30') x;
SELECT count(*) FROM cms.cms_issue_many(4842, '{d1,d2,d3}', at => '2030-02-04 00:00+05:30') x;
INSERT INTO page SELECT 'summarised', cms.cms_report('2030-02-01', '2030-02-28', at => '2030-03-01');
SELECT is(pg_temp.tile('summarised', 'Coupons issued'), '300,005', 'as of the last refresh, offers without a summary as of now');
SELECT is(pg_temp.tile('summarised', 'Redemptions') || ' ' || pg_temp.tile('summarised', 'Redeemed of those issued') || ' ' ||
	pg_temp.tile('summarised', 'Discount given') || ' ' || pg_temp.tile('summarised', 'On bills of'), '4 &lt;0.1% INR 40.00 INR 400.00',
	'the same numbers from the summary');
SELECT is((SELECT array_agg(m[1] || ' ' || m[2]) FROM page, regexp_matches(html,
	'<th scope="row">([0-9]+ Feb 2030)</th><td class="n">([1-9][0-9,]*)</td>', 'g') m WHERE name = 'summarised'),
	'{3 Feb 2030 300\,000,4 Feb 2030 5}'::text[], 'and the days');
SELECT ok(html LIKE '%numbers of days as of%', 'which tells as of when it is, if something has changed') FROM page WHERE name = 'summarised';
SELECT cms.cms_refresh_summary(pace => 0, org => 484) AS refreshed \gset
INSERT INTO page SELECT 'fresh', cms.cms_report('2030-02-01', '2030-02-28', at => '2030-03-01');
SELECT is(pg_temp.tile('fresh', 'Coupons issued'), '300,006', 'refreshed it has all');
SELECT ok(html NOT LIKE '%numbers of days as of%', 'and is as of now') FROM page WHERE name = 'fresh';

-- ---- calls that make no sense, and callers --------------------------------------------------------------------
SELECT throws_ok($$SELECT cms.cms_report('2030-02-02', '2030-02-01')$$, '22023', NULL, 'the last day before the first');
CREATE FUNCTION pg_temp.hint_of(arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE format('SELECT cms.cms_report(%s)', arguments);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN hint;
END
$$;
SELECT is(pg_temp.hint_of(arguments), hint, 'what to pass instead of ' || arguments) FROM (VALUES
	($$'-infinity'$$, 'Pass the first day of the report, or NULL for 30 days.'),
	($$'10000-01-01'$$, 'Pass the first day of the report, or NULL for 30 days.'),
	($$to_date => 'infinity'$$, 'Pass the last day of the report, or NULL for the day of "at".'),
	($$to_date => '0001-01-02 BC'$$, 'Pass the last day of the report, or NULL for the day of "at".')) v(arguments, hint);
SELECT throws_ok($$SELECT cms.cms_report('2000-01-01', '2030-02-01')$$, '22023', NULL, 'too many days');
SELECT throws_ok('SELECT cms.cms_report(org => 4899)', '22023', 'org 4899 does not exist', 'an org that is none');
SET cms.org = 4899;
SELECT throws_ok('SELECT cms.cms_report()', '22023', 'org 4899 does not exist', 'also where the setting names it');
CREATE ROLE f48_report_analyst IN ROLE cms_analyst;
INSERT INTO cms.org_role VALUES (482, 'f48_report_analyst');
GRANT ALL ON page TO f48_report_analyst;
RESET cms.org;
SET ROLE f48_report_analyst;
SELECT lives_ok('SELECT cms.cms_report()', 'an analyst of the org reads it');
SELECT throws_ok('SELECT cms.cms_report(org => 481)', '42501', NULL, 'and not that of another');
RESET ROLE;
DROP OWNED BY f48_report_analyst;
DELETE FROM cms.org_role WHERE role_name = 'f48_report_analyst';
DROP ROLE f48_report_analyst;
SELECT * FROM finish();
