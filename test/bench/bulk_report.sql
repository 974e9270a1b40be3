-- Tables in Markdown, of what test/bench/bulk has noted in these:
-- table bulk: CREATE TEMP TABLE bulk (name text, what text, who text, round int, rows bigint, seconds float, processor float, memory int);
-- table figure: CREATE TEMP TABLE figure (name text, what text, figure text, value text);
\set QUIET on
\pset tuples_only on
\pset format unaligned

CREATE FUNCTION pg_temp.whole(float) RETURNS text LANGUAGE sql AS $$SELECT to_char(round($1), 'FM999,999,990')$$;
CREATE TEMP VIEW rated AS
	SELECT b.*, b.rows / b.seconds AS rate, b.rows / b.processor AS by_processor,
		(b.rows / b.seconds) / NULLIF(c.rows / c.seconds, 0) AS of_copy,
		(b.rows / NULLIF(b.processor, 0)) / NULLIF(c.rows / NULLIF(c.processor, 0), 0) AS of_copy_by_processor
	FROM (SELECT *, row_number() OVER () AS place FROM bulk) b
	LEFT JOIN bulk c ON (c.name, c.what, c.round, c.who) = (b.name, b.what, b.round, 'COPY');
CREATE TEMP TABLE median AS
	SELECT name, what, who, min(place) AS place, percentile_cont(0.5) WITHIN GROUP (ORDER BY rows) AS rows,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY rate) AS rate, min(rate) AS least, max(rate) AS most,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY processor * 1e6 / rows) AS processor,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY of_copy) AS of_copy,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY of_copy_by_processor) AS of_copy_by_processor,
		max(memory) AS memory
	FROM rated GROUP BY name, what, who;

SELECT E'\n| goal | wanted | reached |\n|---|--:|--:|';
SELECT format('| %s, %s: of the rate of COPY | 0.70 | %s |', name, what, to_char(of_copy, 'FM990.00'))
FROM median WHERE who = 'cms' AND of_copy IS NOT NULL ORDER BY place;
SELECT format('| %s: memory at %s, beyond that at %s | 200 MB | %s MB |', l.name, l.what, s.what, l.memory - s.memory)
FROM (SELECT DISTINCT ON (name) * FROM median WHERE who = 'cms' ORDER BY name, rows DESC) l
JOIN (SELECT DISTINCT ON (name) * FROM median WHERE who = 'cms' ORDER BY name, rows) s USING (name)
WHERE l.what <> s.what ORDER BY l.place;

SELECT E'\n| case | on | who | rows/s | least – most | s | of COPY | of COPY by processor | processor µs a row | memory MB |'
	|| E'\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|';
SELECT format('| %s | %s | %s | %s | %s – %s | %s | %s | %s | %s | %s |', name, what,
	CASE who WHEN 'cms' THEN '**cms**' ELSE who END, pg_temp.whole(rate), pg_temp.whole(least), pg_temp.whole(most),
	to_char(seconds, 'FM999990.0'), COALESCE(to_char(of_copy, 'FM990.00'), ''), COALESCE(to_char(of_copy_by_processor, 'FM990.00'), ''),
	to_char(processor, 'FM9990.00'), memory)
FROM median ORDER BY place;

SELECT E'\n| case | on | what | |\n|---|---|---|--:|' WHERE EXISTS (SELECT FROM figure);
SELECT format('| %s | %s | %s | %s |', name, what, figure, value) FROM figure;

SELECT E'\nAfter every run the counters equalled a recount.';
