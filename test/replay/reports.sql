-- What the views tell, against a recount of coupons and redemptions and against the files, for every
-- offer, day and store.
CREATE TEMP TABLE recount AS
	SELECT c.offer_id, count(c.issued_at) AS issued, count(*) FILTER (WHERE c.uses > 0) AS redeemed,
		coalesce(max(r.uses), 0) AS uses, coalesce(max(r.discount), 0) AS discount,
		min(c.issued_at) AS first_issued_at, max(c.issued_at) AS last_issued_at,
		max(r.first_redeemed_at) AS first_redeemed_at, max(r.last_redeemed_at) AS last_redeemed_at
	FROM cms.coupon c
	LEFT JOIN (SELECT offer_id, count(*) AS uses, sum(discount) AS discount,
			min(redeemed_at) AS first_redeemed_at, max(redeemed_at) AS last_redeemed_at
		FROM cms.redemption WHERE reversed_at IS NULL GROUP BY 1) r USING (offer_id)
	GROUP BY c.offer_id;
CREATE TEMP TABLE from_files AS
	SELECT o.offer_id, o.start_date, (SELECT count(*) FROM replay.household h WHERE h.campaign_id = o.campaign_id) AS issued,
		(SELECT count(DISTINCT r.household_id) FROM replay.redemption r
		 WHERE r.campaign_id = o.campaign_id AND r.coupon_upc = o.coupon_upc) AS redeemed
	FROM replay.offer o;

SELECT 'dashboard: issued, of all offers', sum(issued), 800199 FROM cms.offer_dashboard;
SELECT 'redeemed', sum(redeemed), 2075 FROM cms.offer_dashboard;
SELECT 'uses', sum(uses), 2075 FROM cms.offer_dashboard;
SELECT 'offers that equal a recount of coupons and redemptions', count(*), 1197
FROM cms.offer_dashboard d JOIN recount r USING (offer_id)
WHERE (d.issued, d.redeemed, d.uses) = (r.issued, r.redeemed, r.uses)
	AND d.redemption_rate = r.redeemed::numeric / r.issued;
SELECT 'offers that equal the files', count(*), 1197
FROM cms.offer_dashboard d JOIN from_files f USING (offer_id)
WHERE (d.issued, d.redeemed, d.uses) = (f.issued, f.redeemed, f.redeemed);
SELECT 'offer_performance: offers that equal a recount', count(*), 1197
FROM cms.offer_performance p JOIN recount r USING (offer_id)
WHERE (p.issued, p.redeemed, p.uses, p.discount_given, p.stock) = (r.issued, r.redeemed, r.uses, r.discount, 0)
	AND (p.first_issued_at, p.last_issued_at, p.first_redeemed_at, p.last_redeemed_at)
		IS NOT DISTINCT FROM (r.first_issued_at, r.last_issued_at, r.first_redeemed_at, r.last_redeemed_at);

-- by day: issued on the first day of the campaign, used when the file says
CREATE TEMP TABLE days AS
	SELECT d.offer_id, d.day, sum(d.issued) AS issued, sum(d.redeemed) AS redeemed, sum(d.uses) AS uses
	FROM (SELECT offer_id, start_date AS day, issued, redeemed, 0 AS uses FROM from_files
		UNION ALL
		SELECT o.offer_id, r.day, 0, 0, 1
		FROM (SELECT DISTINCT ON (campaign_id, coupon_upc, household_id) * FROM replay.redemption
			ORDER BY campaign_id, coupon_upc, household_id, seq) r
		JOIN replay.offer o USING (campaign_id, coupon_upc)) d
	GROUP BY 1, 2;
CREATE TEMP TABLE by_day AS TABLE cms.redemption_rate_by_day;
SELECT 'redemption_rate_by_day: days of offers', (SELECT count(*) FROM by_day), (SELECT count(*) FROM days);
SELECT 'that equal the files', count(*), (SELECT count(*) FROM days)
FROM by_day v JOIN days d USING (offer_id, day)
WHERE (v.issued, v.redeemed, v.uses) = (d.issued, d.redeemed, d.uses)
	AND v.redemption_rate IS NOT DISTINCT FROM d.redeemed / nullif(d.issued, 0);
SELECT 'that equal a recount', count(*), (SELECT count(*) FROM days)
FROM by_day v
JOIN (SELECT e.offer_id, (e.at AT TIME ZONE 'America/New_York')::date AS day, sum(e.issued) AS issued,
		sum(e.redeemed) AS redeemed, sum(e.uses) AS uses, sum(e.discount) AS discount
	FROM (SELECT offer_id, issued_at AS at, 1 AS issued, (uses > 0)::int AS redeemed, 0 AS uses, 0 AS discount FROM cms.coupon
		UNION ALL SELECT offer_id, redeemed_at, 0, 0, 1, discount FROM cms.redemption) e
	GROUP BY 1, 2) d USING (offer_id, day)
WHERE (v.issued, v.redeemed, v.uses, v.discount) = (d.issued, d.redeemed, d.uses, d.discount);

-- by store, where the store is known; a bill may have several lines
CREATE TEMP TABLE stores AS
	SELECT o.offer_id, b.store_id, count(DISTINCT b.seq) AS uses, sum(b.sales_value) AS bill_amount
	FROM replay.basket b JOIN replay.redeemed r USING (seq) JOIN replay.offer o USING (campaign_id, coupon_upc)
	WHERE r.redeemed GROUP BY 1, 2;
SELECT 'redemption_rate_by_store: stores of offers that equal the files', count(*), (SELECT count(*) FROM stores)
FROM cms.redemption_rate_by_store v JOIN stores s USING (offer_id, store_id)
WHERE (v.uses, v.bill_amount, v.issued) = (s.uses, s.bill_amount, (SELECT f.issued FROM from_files f WHERE f.offer_id = v.offer_id))
	AND v.redeemed = v.uses;
SELECT 'redemption_rate_by_service: issued', sum(issued), 800199 FROM cms.redemption_rate_by_service;

-- the summaries, against the files and against the reports of the present
SELECT 'activity_by_day: days that equal the files', count(*), (SELECT count(*) FROM days)
FROM cms.activity_by_day v JOIN days d USING (offer_id, day)
WHERE (v.issued, v.redeemed, v.uses, v.reversed) = (d.issued, d.redeemed, d.uses, 0)
	AND v.redemption_rate IS NOT DISTINCT FROM d.redeemed / nullif(d.issued, 0);
SELECT 'that equal the report of the present', count(*), (SELECT count(*) FROM days)
FROM cms.activity_by_day v JOIN by_day d USING (offer_id, day)
WHERE (v.issued, v.redeemed, v.uses, v.discount) = (d.issued, d.redeemed, d.uses, d.discount);
SELECT 'activity_by_place: stores of offers that equal the files', count(*), (SELECT count(*) FROM stores)
FROM (SELECT offer_id, entity_id AS store_id, sum(uses) AS uses, sum(bill_amount) AS bill_amount
	FROM cms.activity_by_place WHERE entity_type = 'STORE' GROUP BY 1, 2) v JOIN stores s USING (offer_id, store_id)
WHERE (v.uses, v.bill_amount) = (s.uses, s.bill_amount);
SELECT 'cohort_by_issue_day: that equal the files', count(*), 1197
FROM cms.cohort_by_issue_day v JOIN from_files f USING (offer_id)
WHERE (v.issued_on, v.issued, v.redeemed, v.uses) = (f.start_date, f.issued, f.redeemed, f.redeemed);
SELECT 'redeemed within 7 days, within 30 days', sum(redeemed_within_7_days) * 10000 + sum(redeemed_within_30_days), (SELECT
	count(*) FILTER (WHERE r.day - o.start_date <= 7) * 10000 + count(*) FILTER (WHERE r.day - o.start_date <= 30)
	FROM (SELECT DISTINCT ON (campaign_id, coupon_upc, household_id) * FROM replay.redemption
		ORDER BY campaign_id, coupon_upc, household_id, seq) r JOIN replay.offer o USING (campaign_id, coupon_upc))
FROM cms.cohort_by_issue_day;
SELECT 'time_to_redemption: uses', sum(uses), 2075 FROM cms.time_to_redemption;
SELECT 'redemption_rate_by_discount_type: issued', sum(issued), 800199 FROM cms.redemption_rate_by_discount_type;
SELECT 'summary_status: offers that are fresh', count(*), 1197 FROM cms.summary_status WHERE is_fresh;
