-- Tables in Markdown, of what test/bench/run has noted in these:
-- table speed: CREATE TEMP TABLE speed (name text, clients int, sync text, what text, kind text, place int, round int, tps float);
-- table latency: CREATE TEMP TABLE latency (name text, sync text, place int, p50 text, p99 text);
-- table hot: CREATE TEMP TABLE hot (name text, relation text, updates bigint, hot bigint);
-- table cost: CREATE TEMP TABLE cost (kind text, what text, bytes_after bigint, images float, bytes bigint, records float, buffers float, processor int);
-- table exact: CREATE TEMP TABLE exact (kind text, clients int, cap bigint, calls bigint, redeemed bigint);
\set QUIET on
\pset tuples_only on
\pset format unaligned

CREATE TEMP VIEW median AS
	SELECT name, clients, sync, what, kind, place, percentile_cont(0.5) WITHIN GROUP (ORDER BY tps) AS tps,
		min(tps) AS least, max(tps) AS most
	FROM speed GROUP BY name, clients, sync, what, kind, place;
-- How many times as fast one was as another: in the same round, as the machine may be busy in the next.
CREATE FUNCTION pg_temp.times(a_name text, a_sync text, a_place int, b_place int) RETURNS float LANGUAGE sql AS $$
	SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a.tps / b.tps)
	FROM speed a JOIN speed b ON (b.name, b.sync, b.round) = (a.name, a.sync, a.round) AND b.place = b_place
	WHERE (a.name, a.sync, a.place) = (a_name, a_sync, a_place)
$$;
-- numbers for people: 12,345; a ratio of two medians
CREATE FUNCTION pg_temp.whole(float) RETURNS text LANGUAGE sql AS $$SELECT to_char(round($1), 'FM999,999,990')$$;
CREATE FUNCTION pg_temp.ratio(float) RETURNS text LANGUAGE sql AS $$SELECT COALESCE(to_char($1, 'FM990.00'), '')$$;
CREATE FUNCTION pg_temp.who(kind text) RETURNS text LANGUAGE sql AS
	$$SELECT CASE kind WHEN 'cms' THEN '**cms**' WHEN 'bare' THEN 'bare floor' ELSE kind END$$;

-- The goals that what was run can tell of. "a" over "b", or over that of another pair.
CREATE TEMP TABLE goal AS
WITH fill AS (
	SELECT c.what, pg_temp.times('fill', c.sync, c.place, f.place) AS ratio, c.place
	FROM median c JOIN median f ON (f.name, f.what, f.kind) = (c.name, c.what, 'floor')
	WHERE c.name = 'fill' AND c.kind = 'cms')
SELECT g.place, g.text, g.wanted, pg_temp.times(a.name, a.sync, a.place, b.place) AS reached
FROM (VALUES
	(1, 'distinct coupons, processor: of the peer', 1.6, 'distinct', 'off', 'cms', '', 'peer', ''),
	(2, 'distinct coupons, processor: of the floor', 0.75, 'distinct', 'off', 'cms', '', 'floor', ''),
	(3, 'distinct coupons, disk: of the peer', 1.2, 'distinct', 'on', 'cms', '', 'peer', ''),
	(4, 'one hot offer: of the same on 1,000 offers', 0.9, 'hot', 'on', 'cms', 'one', 'cms', '1,000'),
	(5, 'one hot offer: of the peer', 6, 'hot', 'on', 'cms', 'one', 'peer', 'one'),
	(6, 'cms_check: of one SELECT', 0.7, 'check', 'off', 'cms', '', 'floor', ''),
	(7, 'cms_issue: of the peer', 1.6, 'issue', 'off', 'cms', '100', 'peer', '100'),
	(8, 'many past uses, no rule: of none', 0.95, 'history', 'off', 'cms', 'no rule%all', 'cms', 'no rule%none'),
	(9, 'many past uses, a limit per customer: of none', 0.95, 'history', 'off', 'cms', 'limit%all', 'cms', 'limit%none'))
	g (place, text, wanted, name, sync, kind_a, what_a, kind_b, what_b)
JOIN median a ON (a.name, a.sync, a.kind) = (g.name, g.sync, g.kind_a) AND a.what LIKE g.what_a || '%'
JOIN median b ON (b.name, b.sync, b.kind) = (g.name, g.sync, g.kind_b) AND b.what LIKE g.what_b || '%'
UNION ALL
SELECT 10, format('%s against %s: the ratios to the floor', m.what, l.what), 0.9, m.ratio / l.ratio
FROM (SELECT * FROM fill ORDER BY place LIMIT 1) l, (SELECT * FROM fill ORDER BY place DESC LIMIT 1) m
WHERE l.place <> m.place
ORDER BY 1;

SELECT E'\n| goal | wanted | reached |\n|---|--:|--:|' WHERE EXISTS (SELECT FROM goal);
SELECT format('| %s | %s | %s |', text, pg_temp.ratio(wanted), pg_temp.ratio(reached)) FROM goal ORDER BY place;

SELECT E'\n| case | sessions | sync. commit | on | who | calls/s | least – most | of the floor | of the bare floor | of the peer | p50 ms | p99 ms |'
	|| E'\n|---|--:|---|---|---|--:|--:|--:|--:|--:|--:|--:|' WHERE EXISTS (SELECT FROM speed);
SELECT format('| %s | %s | %s | %s | %s | %s | %s – %s | %s | %s | %s | %s | %s |', m.name, m.clients, m.sync, m.what,
	pg_temp.who(m.kind), pg_temp.whole(m.tps), pg_temp.whole(m.least), pg_temp.whole(m.most),
	pg_temp.ratio(pg_temp.times(m.name, m.sync, m.place, f.place)), pg_temp.ratio(pg_temp.times(m.name, m.sync, m.place, b.place)),
	pg_temp.ratio(pg_temp.times(m.name, m.sync, m.place, p.place)), l.p50, l.p99)
FROM (SELECT *, row_number() OVER () AS row FROM (SELECT name, sync, min(ctid) AS first FROM speed GROUP BY name, sync ORDER BY 3) o) o
JOIN median m USING (name, sync)
LEFT JOIN median f ON (f.name, f.sync, f.what, f.kind) = (m.name, m.sync, m.what, 'floor')
LEFT JOIN median b ON (b.name, b.sync, b.what, b.kind) = (m.name, m.sync, m.what, 'bare')
LEFT JOIN median p ON (p.name, p.sync, p.what, p.kind) = (m.name, m.sync, m.what, 'peer')
LEFT JOIN latency l ON (l.name, l.sync, l.place) = (m.name, m.sync, m.place)
ORDER BY o.row, m.place;

SELECT E'\n| who | sessions | cap | calls | redeemed | too many |\n|---|--:|--:|--:|--:|--:|' WHERE EXISTS (SELECT FROM exact);
SELECT format('| %s | %s | %s | %s | %s | %s |', pg_temp.who(kind), clients, pg_temp.whole(cap), pg_temp.whole(calls),
	pg_temp.whole(redeemed), pg_temp.whole(redeemed - cap))
FROM exact;

SELECT E'\n| who | what | processor µs | WAL bytes | of which records | WAL records | images of pages | buffers looked at |\n|---|---|--:|--:|--:|--:|--:|--:|'
WHERE EXISTS (SELECT FROM cost);
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s |', pg_temp.who(kind), what, processor, pg_temp.whole(bytes_after),
	pg_temp.whole(bytes), records, pg_temp.ratio(images), buffers)
FROM cost;

SELECT E'\n| case | table | updates | of which HOT |\n|---|---|--:|--:|' WHERE EXISTS (SELECT FROM hot);
SELECT format('| %s | cms.%s | %s | %s %% |', name, relation, pg_temp.whole(sum(updates)),
	to_char(100.0 * sum(hot) / sum(updates), 'FM990.0'))
FROM hot GROUP BY name, relation ORDER BY min(ctid);

SELECT E'\nAfter every case the counters equalled a recount, and every call had done what it was to do.';
