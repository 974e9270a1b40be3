-- Tables in Markdown, of what test/bench/sweep has noted in these:
-- table found: CREATE TEMP TABLE found (name text, sessions int, round text, due bigint, seconds float, processor float, index_rows bigint, seq_scans bigint);
-- table idle: CREATE TEMP TABLE idle (ms float);
-- table beside: CREATE TEMP TABLE beside (name text, what text, round int, calls bigint, p50 float, p99 float);
-- table midnight: CREATE TEMP TABLE midnight (coupons bigint, seconds float, processor float, mb bigint);
-- table waits: CREATE TEMP TABLE waits (name text, what text, who text, event text, samples bigint);
\set QUIET on
\pset tuples_only on
\pset format unaligned

CREATE TEMP TABLE median AS
	SELECT name, sessions, percentile_cont(0.5) WITHIN GROUP (ORDER BY due / seconds) AS rate, min(due / seconds) AS least,
		max(due / seconds) AS most, percentile_cont(0.5) WITHIN GROUP (ORDER BY processor * 1e6 / due) AS processor,
		max(index_rows::float / due) AS index_rows, max(seq_scans) AS seq_scans
	FROM found GROUP BY name, sessions;

SELECT E'\n| goal | wanted | reached |\n|---|--:|--:|';
SELECT format('| reminders found and queued a second, large table, two sessions | 100,000 | %s |', to_char(rate, 'FM999,999,990'))
FROM median WHERE name = 'bench_large' AND sessions = 2;
SELECT format('| processor time a reminder in the large table, of that in the small one | 1 | %s |', to_char(l.processor / s.processor, 'FM990.00'))
FROM median l JOIN median s USING (sessions) WHERE l.name = 'bench_large' AND s.name = 'bench_small' AND sessions = 1;
SELECT format('| an idle sweep | 5 ms | %s ms |', to_char(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 'FM990.00')) FROM idle HAVING count(*) > 0;
SELECT format('| p99 of a redemption during a sweep, of that without | | %s |', to_char(w.p99 / a.p99, 'FM990.00'))
FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY p99) AS p99 FROM beside WHERE name = 'beside' AND what = 'sweep') w,
	(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY p99) AS p99 FROM beside WHERE name = 'beside' AND what = 'alone') a WHERE a.p99 IS NOT NULL;
SELECT format('| growth of the memory of the session that sweeps %s coupons of one midnight | | %s MB |', to_char(coupons, 'FM999,999,990'), mb) FROM midnight;

SELECT E'\n| table | sessions | reminders/s | least – most | processor µs a reminder | index entries read a reminder | scans of the table |'
	|| E'\n|---|--:|--:|--:|--:|--:|--:|' WHERE EXISTS (SELECT FROM found);
SELECT format('| %s | %s | %s | %s – %s | %s | %s | %s |', substr(name, 7), sessions, to_char(rate, 'FM999,999,990'), to_char(least, 'FM999,999,990'),
	to_char(most, 'FM999,999,990'), to_char(processor, 'FM990.00'), to_char(index_rows, 'FM990.00'), seq_scans)
FROM median ORDER BY name, sessions;

SELECT E'\n| idle sweep | ms |\n|---|--:|' WHERE EXISTS (SELECT FROM idle);
SELECT format(E'| median | %s |\n| 99 of 100 below | %s |', to_char(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), 'FM990.00'),
	to_char(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), 'FM990.00')) FROM idle HAVING count(*) > 0;

SELECT E'\n| redemptions | calls | p50 ms | p99 ms |\n|---|--:|--:|--:|' WHERE EXISTS (SELECT FROM beside);
SELECT format('| %s | %s | %s | %s |', CASE WHEN what = 'alone' THEN 'alone' WHEN name = 'beside' THEN 'while reminders are swept'
	ELSE 'while the coupons of a midnight are swept' END, sum(calls),
	to_char(percentile_cont(0.5) WITHIN GROUP (ORDER BY p50), 'FM990.00'), to_char(percentile_cont(0.5) WITHIN GROUP (ORDER BY p99), 'FM990.00'))
FROM beside GROUP BY name, what ORDER BY name, what;

SELECT E'\n| midnight: coupons | coupons/s | processor µs a coupon | memory |\n|--:|--:|--:|--:|' WHERE EXISTS (SELECT FROM midnight);
SELECT format('| %s | %s | %s | + %s MB |', to_char(coupons, 'FM999,999,990'), to_char(coupons / seconds, 'FM999,999,990'),
	to_char(processor * 1e6 / coupons, 'FM990.00'), mb) FROM midnight;

SELECT E'\n| case | | who | is at work, or waits for (looked at every 50 ms) |\n|---|---|---|---|' WHERE EXISTS (SELECT FROM waits);
SELECT format('| %s | %s | %s | %s |', name, what, who, string_agg(format('%s %s %%', CASE event WHEN '-' THEN 'work' ELSE event END, round(share)), ', '
	ORDER BY share DESC))
FROM (SELECT name, what, who, event, 100 * sum(samples) / sum(sum(samples)) OVER (PARTITION BY name, what, who) AS share
	FROM waits GROUP BY name, what, who, event) s
WHERE share >= 2 GROUP BY name, what, who ORDER BY name, what, who;
