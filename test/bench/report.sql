WITH median AS (
	SELECT mode, name, percentile_cont(0.5) WITHIN GROUP (ORDER BY tps) AS tps FROM bench.result GROUP BY mode, name)
SELECT m.mode AS synchronous_commit, 'cms_' || m.name AS call, round(m.tps) AS "calls/s",
	round(f.tps) AS "floor/s", round((m.tps / f.tps)::numeric, 2) AS "of the floor"
FROM median m JOIN median f ON f.mode = m.mode AND f.name = m.name || '_floor'
ORDER BY 1, 2;
