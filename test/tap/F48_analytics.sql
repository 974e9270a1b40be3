-- F48: every report equals a recount of coupons and redemptions, and the summaries do when they are refreshed.
BEGIN;
\ir lib/scene.psql
SELECT no_plan();

SELECT play_org('Asia/Kolkata');
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id, name) VALUES ('CONCEPT', 'C', NULL, 'Food'), ('ZONE', 'Z1', 'C', 'North'),
	('ZONE', 'Z2', NULL, 'South'), ('STORE', 'S1', 'Z1', 'Main street'), ('STORE', 'S2', 'Z2', 'Side street'), ('STORE', 'S3', NULL, 'Far street'), ('TILL', 'T1', 'S1', NULL);
SELECT make_offer('once', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 60}'), make_offer('often', '{"max_uses_per_coupon": null, "discount_type": "PERCENTAGE"}'), make_offer('lost', '{"reversal_restores_use": false, "max_uses_per_coupon": 3}'),
	make_offer('word', '{"code_method": "COMMON", "common_code": "WORD", "anyone_may_redeem": true, "max_uses_per_coupon": 2}'),
	make_offer('stocked', '{"code_method": "UPLOADED"}'), make_offer('unused'), make_offer('only stock', '{"code_method": "UPLOADED"}');

-- A random history: issues of several days, uses in several stores, some reversed, some revoked, some completed.
SELECT setseed(0.48);
CREATE FUNCTION public.live(rounds int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	d timestamptz := '2025-03-01 00:00 Asia/Kolkata';
	c record;
BEGIN
	FOR i IN 1..rounds LOOP
		PERFORM cms_issue(o((ARRAY['once', 'often', 'lost', 'stocked'])[1 + floor(random() * 4)]), 'c' || floor(random() * 20), at => d + random() * interval '5 days');
	END LOOP;
	FOR c IN SELECT x.*, random() AS r, x.issued_at + random() * random() * interval '45 days' AS at FROM cms.coupon x
		WHERE x.issued_at IS NOT NULL AND x.org_id = cms_current_org() ORDER BY x.coupon_id LOOP
		CONTINUE WHEN c.r > 0.6;
		FOR i IN 1..1 + floor(random() * 2) LOOP
			PERFORM cms_redeem(c.code, c.customer_id, floor(random() * 500)::numeric + 0.5, 'B' || nextval('public.bill_no'),
				(ARRAY['S1', 'S2', 'S3', 'S9', NULL])[1 + floor(random() * 5)], at => c.at + i * random() * interval '3 days');
		END LOOP;
	END LOOP;
	FOR i IN 1..rounds / 2 LOOP
		PERFORM cms_redeem('WORD', CASE WHEN random() < 0.7 THEN 'w' || floor(random() * 15) END, 100, 'B' || nextval('public.bill_no'), at => d + random() * interval '20 days');
	END LOOP;
	PERFORM cms_reverse(redemption_id, at => redeemed_at) FROM cms.redemption WHERE random() < 0.2 AND org_id = cms_current_org();
	PERFORM cms_complete_redemption(redemption_id, store_id => 'S' || 1 + floor(random() * 3), at => redeemed_at) FROM cms.redemption WHERE random() < 0.3 AND org_id = cms_current_org();
	PERFORM cms_revoke(offer_id, 'CODES', codes => ARRAY[code], confirm => true, at => coalesce(issued_at, d) + interval '1 hour') FROM cms.coupon
		WHERE random() < 0.1 AND NOT shared AND org_id = cms_current_org();
END
$$;
SELECT is((SELECT count(*) FROM cms_upload_codes(o('stocked'), ARRAY(SELECT 'UP' || i FROM generate_series(1, 60) i), at => '2025-02-01') WHERE loaded), 60::bigint, 'a stock');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('only stock'), '{OS1,OS2}', at => '2025-02-01') WHERE loaded), 2::bigint, 'and another');
SELECT live(120);

-- the recount
CREATE VIEW public.used AS
	SELECT r.org_id, r.offer_id, r.coupon_id, (r.redeemed_at AT TIME ZONE g.time_zone)::date AS day, r.store_id, r.discount, r.bill_amount, r.reversed_at,
		(c.issued_at AT TIME ZONE g.time_zone)::date AS issued_on, r.redeemed_at - c.issued_at AS after
	FROM cms.redemption r JOIN cms.org g USING (org_id) JOIN cms.coupon c USING (org_id, coupon_id);
CREATE VIEW public.given AS
	SELECT c.org_id, c.offer_id, c.coupon_id, (c.issued_at AT TIME ZONE g.time_zone)::date AS day,
		(SELECT min(u.day) FROM public.used u WHERE u.coupon_id = c.coupon_id AND u.reversed_at IS NULL) AS first_use
	FROM cms.coupon c JOIN cms.org g USING (org_id) WHERE c.issued_at IS NOT NULL;
CREATE VIEW public.wrong_days AS
	SELECT r::text AS recounted, a::text AS told FROM (
		SELECT coalesce(i.offer_id, u.offer_id) AS offer_id, coalesce(i.day, u.day) AS day, coalesce(issued, 0) AS issued, coalesce(redeemed, 0) AS redeemed,
			coalesce(uses, 0) AS uses, coalesce(reversed, 0) AS reversed, coalesce(discount, 0) AS discount, coalesce(bill_amount, 0) AS bill_amount
		FROM (SELECT offer_id, day, count(*) AS issued, count(first_use) AS redeemed FROM (TABLE public.given) gg GROUP BY 1, 2) i
		FULL JOIN (SELECT offer_id, day, count(*) FILTER (WHERE reversed_at IS NULL) AS uses, count(reversed_at) AS reversed,
				sum(discount) FILTER (WHERE reversed_at IS NULL) AS discount, sum(bill_amount) FILTER (WHERE reversed_at IS NULL) AS bill_amount
			FROM public.used GROUP BY 1, 2) u USING (offer_id, day)) r
	FULL JOIN cms.activity_by_day a USING (offer_id, day)
	WHERE (r.issued, r.redeemed, r.uses, r.reversed, r.discount, r.bill_amount) IS DISTINCT FROM (a.issued, a.redeemed, a.uses, a.reversed, a.discount, a.bill_amount)
		OR (a.redemption_rate, a.paid, a.bill_per_discount, a.average_bill) IS DISTINCT FROM
			(r.redeemed::numeric / nullif(r.issued, 0), r.bill_amount - r.discount, r.bill_amount / nullif(r.discount, 0), r.bill_amount / nullif(r.uses, 0));
CREATE VIEW public.wrong_places AS
	SELECT r::text AS recounted, a::text AS told FROM (
		SELECT u.offer_id, u.day, t.entity_type, t.entity_id, count(*) FILTER (WHERE reversed_at IS NULL) AS uses, count(reversed_at) AS reversed,
			coalesce(sum(discount) FILTER (WHERE reversed_at IS NULL), 0) AS discount, coalesce(sum(bill_amount) FILTER (WHERE reversed_at IS NULL), 0) AS bill_amount
		FROM public.used u CROSS JOIN LATERAL (VALUES ('STORE', u.store_id), ('ZONE', CASE u.store_id WHEN 'S1' THEN 'Z1' WHEN 'S2' THEN 'Z2' END),
			('CONCEPT', CASE u.store_id WHEN 'S1' THEN 'C' END)) t (entity_type, entity_id)
		GROUP BY 1, 2, 3, 4) r
	FULL JOIN cms.activity_by_place a ON (a.offer_id, a.day, a.entity_type) = (r.offer_id, r.day, r.entity_type) AND coalesce(a.entity_id, '') = coalesce(r.entity_id, '')
	WHERE (r.uses, r.reversed, r.discount, r.bill_amount) IS DISTINCT FROM (a.uses, a.reversed, a.discount, a.bill_amount);
CREATE VIEW public.wrong_cohorts AS
	SELECT r::text AS recounted, a::text AS told FROM (
		SELECT g.offer_id, g.day AS issued_on, count(*) AS issued, count(first_use) AS redeemed, count(*) FILTER (WHERE first_use - g.day <= 1) AS d1,
			count(*) FILTER (WHERE first_use - g.day <= 7) AS d7, count(*) FILTER (WHERE first_use - g.day <= 30) AS d30,
			avg(first_use - g.day) AS days, coalesce(sum(u.uses), 0) AS uses, coalesce(sum(u.discount), 0) AS discount, coalesce(sum(u.bill_amount), 0) AS bill_amount
		FROM public.given g LEFT JOIN (SELECT coupon_id, count(*) AS uses, sum(discount) AS discount, sum(bill_amount) AS bill_amount FROM public.used
			WHERE reversed_at IS NULL GROUP BY 1) u USING (coupon_id)
		GROUP BY 1, 2) r
	FULL JOIN cms.cohort_by_issue_day a USING (offer_id, issued_on)
	WHERE (r.issued, r.redeemed, r.d1, r.d7, r.d30, round(r.days, 9), r.uses, r.discount, r.bill_amount) IS DISTINCT FROM
		(a.issued, a.redeemed, a.redeemed_within_1_day, a.redeemed_within_7_days, a.redeemed_within_30_days, round(a.average_days_to_use, 9), a.uses, a.discount, a.bill_amount);
CREATE FUNCTION public.summarised(what text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT is_empty('TABLE public.wrong_days', what || ': by day')
	UNION ALL SELECT is_empty('TABLE public.wrong_places', what || ': by place')
	UNION ALL SELECT is_empty('TABLE public.wrong_cohorts', what || ': cohorts')
$$;

SELECT is((SELECT count(*) FILTER (WHERE is_fresh) || ' ' || count(refreshed_at) FROM cms.summary_status), '1 0', 'nothing is summarised yet, but of the offer that has nothing');
SELECT is(cms_refresh_summary(2, 0), 2::bigint, 'as many offers as asked for');
SELECT is(cms_refresh_summary(pace => 0), 4::bigint, 'then the rest, but for one that has no counters');
SELECT * FROM summarised('equal to a recount');
SELECT cmp_ok((SELECT count(*) FROM cms.activity_by_day), '>', 30::bigint, 'of many days');
SELECT is((SELECT string_agg(name, ' ') FROM cms.summary_status WHERE NOT is_fresh), NULL, 'all of them are fresh');
SELECT is(cms_refresh_summary(pace => 0), 0::bigint, 'and not read again');

-- what is changed makes its offer stale, and no other
CREATE FUNCTION public.stale() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT coalesce(string_agg(name, ' ' ORDER BY name), 'none') FROM cms.summary_status WHERE NOT is_fresh
$$;
CREATE TEMP TABLE before AS SELECT DISTINCT ON (offer_id) offer_id, redemption_id FROM cms.redemption WHERE reversed_at IS NULL AND store_id IS NULL ORDER BY offer_id, redemption_id;
SELECT ok(reversed, 'a use reversed, as of the day of the use') FROM before JOIN cms.redemption r USING (redemption_id), cms_reverse(redemption_id, at => r.redeemed_at) WHERE before.offer_id = o('often');
SELECT is(stale(), 'often', 'is seen');
SELECT ok(completed, 'another given its store') FROM before, cms_complete_redemption(redemption_id, store_id => 'S1') WHERE before.offer_id = o('word');
SELECT is(stale(), 'often word', 'is seen');
SELECT ok(completed, 'details alone') FROM before, cms_complete_redemption(redemption_id, details => '{"a": 1}') WHERE before.offer_id = o('word');
SELECT is(cms_refresh_summary(pace => 0), 2::bigint, 'are no change');
SELECT * FROM summarised('after the changes');
-- a use and a reversal that leave every sum as it was
CREATE TEMP TABLE swap AS SELECT r.redemption_id, r.bill_amount FROM cms.redemption r JOIN cms.coupon c USING (org_id, coupon_id) WHERE r.offer_id = o('often') AND r.reversed_at IS NULL AND c.revoked_at IS NULL ORDER BY 1 LIMIT 1;
SELECT results_eq($$ SELECT reversed FROM swap, cms_reverse(redemption_id, at => '2025-03-01') $$, 'VALUES (true)', 'one use less');
SELECT ok(redeemed, 'one use more') FROM swap, cms.redemption r JOIN cms.coupon c USING (org_id, coupon_id),
	cms_redeem(c.code, c.customer_id, swap.bill_amount, 'swapped', 'S2', at => '2025-03-30 12:00 Asia/Kolkata') WHERE r.redemption_id = swap.redemption_id;
SELECT is(stale(), 'often', 'are seen, though no sum tells it');
SET LOCAL session_replication_role = replica;
UPDATE cms.summary_offer SET took = '1 hour', refreshed_at = now() - interval '20 hours' + interval '1 minute' WHERE offer_id = o('often');
SELECT is(cms_refresh_summary(), 0::bigint, 'but left alone in proportion to the time that it took');
UPDATE cms.summary_offer SET refreshed_at = now() - interval '20 hours' WHERE offer_id = o('often');
SET LOCAL session_replication_role = origin;
SELECT is(cms_refresh_summary(), 1::bigint, 'until then');
SELECT live(40);
SELECT cmp_ok(cms_refresh_summary(pace => 0), '>=', 4::bigint, 'after more of everything');
SELECT * FROM summarised('equal to a recount again');
-- days are those of the org
UPDATE cms.org SET time_zone = 'America/New_York' WHERE name = 'Asia/Kolkata';
SELECT is(stale(), 'lost often once only stock stocked word', 'another zone has other days');
SELECT is(cms_refresh_summary(pace => 0), 6::bigint, 'for all');
SELECT * FROM summarised('in the new zone');

-- reports of the present
SELECT is_empty($$
	SELECT * FROM (SELECT u.offer_id, CASE store_id WHEN 'S1' THEN 'Z1' WHEN 'S2' THEN 'Z2' END AS zone_id, count(DISTINCT coupon_id) AS redeemed,
			count(*) AS uses, sum(discount) AS discount, sum(bill_amount) AS bill_amount FROM public.used u WHERE reversed_at IS NULL GROUP BY 1, 2) r
	FULL JOIN cms.redemption_rate_by_zone v ON v.offer_id = r.offer_id AND v.zone_id IS NOT DISTINCT FROM r.zone_id
	WHERE (r.redeemed, r.uses, r.discount, r.bill_amount) IS DISTINCT FROM (v.redeemed, v.uses, v.discount, v.bill_amount)
		OR v.redemption_rate <> r.redeemed::numeric / (SELECT count(*) FROM public.given g WHERE g.offer_id = v.offer_id)
	$$, 'by zone');
SELECT is_empty($$
	SELECT * FROM (SELECT u.offer_id, CASE store_id WHEN 'S1' THEN 'C' END AS concept_id, count(DISTINCT coupon_id) AS redeemed,
			count(*) AS uses, sum(discount) AS discount, sum(bill_amount) AS bill_amount FROM public.used u WHERE reversed_at IS NULL GROUP BY 1, 2) r
	FULL JOIN cms.redemption_rate_by_concept v ON v.offer_id = r.offer_id AND v.concept_id IS NOT DISTINCT FROM r.concept_id
	WHERE (r.redeemed, r.uses, r.discount, r.bill_amount) IS DISTINCT FROM (v.redeemed, v.uses, v.discount, v.bill_amount)
	$$, 'by concept');
SELECT is_empty($$
	SELECT * FROM (SELECT f.discount_type, count(*) AS offers, coalesce(sum(i.issued), 0) AS issued, coalesce(sum(i.redeemed), 0) AS redeemed, coalesce(sum(u.uses), 0) AS uses, coalesce(sum(u.discount), 0) AS discount
		FROM cms.offer f LEFT JOIN (SELECT offer_id, count(*) AS issued, count(first_use) AS redeemed FROM public.given GROUP BY 1) i USING (offer_id)
		LEFT JOIN (SELECT offer_id, count(*) AS uses, sum(discount) AS discount FROM public.used WHERE reversed_at IS NULL GROUP BY 1) u USING (offer_id) GROUP BY 1) r
	FULL JOIN cms.redemption_rate_by_discount_type v USING (discount_type)
	WHERE (r.offers, r.issued, r.redeemed, r.uses, r.discount) IS DISTINCT FROM (v.offers, v.issued, v.redeemed, v.uses, v.discount)
		OR v.redemption_rate IS DISTINCT FROM r.redeemed / nullif(r.issued, 0)
	$$, 'by type of discount');
SELECT is_empty($$
	SELECT * FROM (SELECT offer_id, count(*) AS uses, min(after) AS shortest, max(after) AS longest, avg(after) AS average,
			(array_agg(after ORDER BY after))[ceil(count(*) * 0.5)] AS median, (array_agg(after ORDER BY after))[ceil(count(*) * 0.9)] AS most
		FROM public.used WHERE reversed_at IS NULL GROUP BY 1) r
	FULL JOIN cms.time_to_redemption v USING (offer_id)
	WHERE (r.uses, r.shortest, r.longest, r.average, r.median, r.most) IS DISTINCT FROM (v.uses, v.shortest, v.longest, v.average, v.median, v.within_90_percent)
	$$, 'time from issue to use');

-- a purge takes coupons, not their number
CREATE TEMP TABLE was AS SELECT offer_id, sum(issued) AS issued, sum(redeemed) AS redeemed FROM cms.activity_by_day GROUP BY 1;
UPDATE cms.offer SET status = 'ARCHIVED' WHERE name = 'once';
SELECT cmp_ok(cms_purge('2026-01-01', at => '2026-06-01'), '>', 0::bigint, 'a purge of what expired unused');
SET LOCAL session_replication_role = replica;
UPDATE cms.summary_offer SET fingerprint = '';
SET LOCAL session_replication_role = origin;
SELECT is(cms_refresh_summary(pace => 0), 6::bigint, 'and all counted anew');
SELECT is_empty($$ SELECT * FROM was FULL JOIN (SELECT offer_id, sum(issued) AS issued, sum(redeemed) AS redeemed FROM cms.activity_by_day GROUP BY 1) n USING (offer_id)
	WHERE (was.issued, was.redeemed) IS DISTINCT FROM (n.issued, n.redeemed) $$, 'change no number');

-- who may look, and at which org
SELECT throws_ok('SELECT cms_refresh_summary(0)', '22023', NULL, 'no offers');
SELECT throws_ok('SELECT cms_refresh_summary(pace => -1)', '22023', NULL, 'no pace');
SELECT throws_ok('DELETE FROM cms.issue_summary', 'MS006', NULL, 'written by actions only');
CREATE ROLE f48a_analyst IN ROLE cms_analyst;
SELECT play_org('Asia/Tokyo');
SELECT make_offer('far');
SELECT issue_of('far', 'ann', '2025-03-01 12:00 Asia/Tokyo');
SELECT is(cms_refresh_summary(org => cms_current_org()), 1::bigint, 'of one org');
INSERT INTO cms.org_role SELECT cms_current_org(), 'f48a_analyst';
RESET cms.org;
SET LOCAL ROLE f48a_analyst;
SELECT is((SELECT string_agg(name || ' ' || day || ' ' || issued, ' ') FROM cms.activity_by_day), 'far 2025-03-01 1', 'an analyst sees the own org alone');
SELECT is((SELECT count(*) FROM cms.activity_by_place) + (SELECT count(*) FROM cms.redemption_rate_by_zone) + (SELECT count(*) FROM cms.redemption_rate_by_concept)
	+ (SELECT count(*) FROM cms.time_to_redemption), 0::bigint, 'everywhere');
SELECT is((SELECT count(*) FROM cms.cohort_by_issue_day) + (SELECT count(*) FROM cms.summary_status) + (SELECT count(*) FROM cms.redemption_rate_by_discount_type), 3::bigint, 'and that');
SELECT throws_ok('SELECT cms_refresh_summary()', '42501', NULL, 'but refreshes nothing');
SELECT throws_ok('TABLE cms.issue_summary', '42501', NULL, 'nor reads what is below');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
