-- Analytics (F48). Those with a column refreshed_at are as of then, from the summaries of cms_refresh_summary; the others are
-- as of now. Amounts are in the org's currency, days in its zone.

CREATE VIEW cms.activity_by_day WITH (security_barrier) AS
	SELECT d.org_id, d.offer_id, o.name, d.day,
		sum(d.issued)::bigint AS issued, sum(d.redeemed)::bigint AS redeemed,
		sum(d.redeemed) / NULLIF(sum(d.issued), 0) AS redemption_rate,
		sum(d.uses)::bigint AS uses, sum(d.reversed)::bigint AS reversed, sum(d.discount) AS discount,
		sum(d.bill_amount) AS bill_amount, sum(d.bill_amount) - sum(d.discount) AS paid,
		sum(d.bill_amount) / NULLIF(sum(d.discount), 0) AS bill_per_discount,
		sum(d.bill_amount) / NULLIF(sum(d.uses), 0) AS average_bill,
		s.refreshed_at
	FROM (
		SELECT i.org_id, i.offer_id, i.day, i.issued, i.redeemed, 0::bigint AS uses, 0::bigint AS reversed,
			0::numeric AS discount, 0::numeric AS bill_amount
		FROM cms.issue_summary i WHERE i.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
		UNION ALL
		SELECT u.org_id, u.offer_id, u.day, 0, 0, u.uses, u.reversed, u.discount, u.bill_amount
		FROM cms.use_summary u WHERE u.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	) d
	JOIN cms.offer o ON o.org_id = d.org_id AND o.offer_id = d.offer_id
	JOIN cms.summary_offer s ON s.org_id = d.org_id AND s.offer_id = d.offer_id
	GROUP BY d.org_id, d.offer_id, o.name, d.day, s.refreshed_at;
COMMENT ON VIEW cms.activity_by_day IS 'Issues and redemptions of each offer by day, as of refreshed_at.';
COMMENT ON COLUMN cms.activity_by_day.org_id IS 'The org.';
COMMENT ON COLUMN cms.activity_by_day.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.activity_by_day.name IS 'Its name.';
COMMENT ON COLUMN cms.activity_by_day.day IS 'The day.';
COMMENT ON COLUMN cms.activity_by_day.issued IS 'Coupons issued on the day, revoked and purged ones counted.';
COMMENT ON COLUMN cms.activity_by_day.redeemed IS 'Those of them that have a live use, whenever.';
COMMENT ON COLUMN cms.activity_by_day.redemption_rate IS 'redeemed / issued; NULL when nothing was issued on the day.';
COMMENT ON COLUMN cms.activity_by_day.uses IS 'Live uses on the day, whenever issued.';
COMMENT ON COLUMN cms.activity_by_day.reversed IS 'Redemptions of the day that were reversed since.';
COMMENT ON COLUMN cms.activity_by_day.discount IS 'Discount of the live uses.';
COMMENT ON COLUMN cms.activity_by_day.bill_amount IS 'Amount of their bills; a bill with several coupons counts for each.';
COMMENT ON COLUMN cms.activity_by_day.paid IS 'bill_amount less discount.';
COMMENT ON COLUMN cms.activity_by_day.bill_per_discount IS 'Bill uplift: bill_amount for each unit of discount; NULL when none was given.';
COMMENT ON COLUMN cms.activity_by_day.average_bill IS 'bill_amount / uses; NULL without uses.';
COMMENT ON COLUMN cms.activity_by_day.refreshed_at IS 'As of when the numbers of the offer are.';

CREATE VIEW cms.activity_by_place WITH (security_barrier) AS
	SELECT u.org_id, u.offer_id, o.name, u.day, p.entity_type, p.entity_id, p.entity_name,
		sum(u.uses)::bigint AS uses, sum(u.reversed)::bigint AS reversed, sum(u.discount) AS discount,
		sum(u.bill_amount) AS bill_amount, sum(u.bill_amount) - sum(u.discount) AS paid, s.refreshed_at
	FROM cms.use_summary u
	JOIN cms.offer o ON o.org_id = u.org_id AND o.offer_id = u.offer_id
	JOIN cms.summary_offer s ON s.org_id = u.org_id AND s.offer_id = u.offer_id
	LEFT JOIN cms.org_entity e ON e.org_id = u.org_id AND e.entity_type = 'STORE' AND e.entity_id = u.store_id
	LEFT JOIN cms.org_entity z ON z.org_id = u.org_id AND z.entity_type = 'ZONE' AND z.entity_id = e.parent_id
	LEFT JOIN cms.org_entity c ON c.org_id = u.org_id AND c.entity_type = 'CONCEPT' AND c.entity_id = z.parent_id
	CROSS JOIN LATERAL (VALUES ('STORE', NULLIF(u.store_id, ''), e.name), ('ZONE', z.entity_id, z.name),
		('CONCEPT', c.entity_id, c.name)) p (entity_type, entity_id, entity_name)
	WHERE u.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY u.org_id, u.offer_id, o.name, u.day, p.entity_type, p.entity_id, p.entity_name, s.refreshed_at;
COMMENT ON VIEW cms.activity_by_place IS 'Redemptions of each offer by day and place, as of refreshed_at: ask for one entity_type, as each use is in a store, its zone and its concept.';
COMMENT ON COLUMN cms.activity_by_place.org_id IS 'The org.';
COMMENT ON COLUMN cms.activity_by_place.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.activity_by_place.name IS 'Its name.';
COMMENT ON COLUMN cms.activity_by_place.day IS 'The day.';
COMMENT ON COLUMN cms.activity_by_place.entity_type IS 'STORE, ZONE or CONCEPT.';
COMMENT ON COLUMN cms.activity_by_place.entity_id IS 'The place; NULL: no store was named, or it is in none that is registered.';
COMMENT ON COLUMN cms.activity_by_place.entity_name IS 'Its name.';
COMMENT ON COLUMN cms.activity_by_place.uses IS 'Live uses there on the day.';
COMMENT ON COLUMN cms.activity_by_place.reversed IS 'Redemptions there on the day that were reversed since.';
COMMENT ON COLUMN cms.activity_by_place.discount IS 'Discount of the live uses.';
COMMENT ON COLUMN cms.activity_by_place.bill_amount IS 'Amount of their bills.';
COMMENT ON COLUMN cms.activity_by_place.paid IS 'bill_amount less discount.';
COMMENT ON COLUMN cms.activity_by_place.refreshed_at IS 'As of when the numbers of the offer are.';

CREATE VIEW cms.cohort_by_issue_day WITH (security_barrier) AS
	SELECT i.org_id, i.offer_id, o.name, i.day AS issued_on, i.issued, i.redeemed,
		i.redeemed::numeric / NULLIF(i.issued, 0) AS redemption_rate,
		i.redeemed_within_1_day, i.redeemed_within_7_days, i.redeemed_within_30_days,
		i.days_to_use::numeric / NULLIF(i.redeemed, 0) AS average_days_to_use,
		i.uses, i.discount, i.bill_amount, s.refreshed_at
	FROM cms.issue_summary i
	JOIN cms.offer o ON o.org_id = i.org_id AND o.offer_id = i.offer_id
	JOIN cms.summary_offer s ON s.org_id = i.org_id AND s.offer_id = i.offer_id
	WHERE i.org_id = ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.cohort_by_issue_day IS 'What became of the coupons of each offer and day of issue, as of refreshed_at.';
COMMENT ON COLUMN cms.cohort_by_issue_day.org_id IS 'The org.';
COMMENT ON COLUMN cms.cohort_by_issue_day.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cohort_by_issue_day.name IS 'Its name.';
COMMENT ON COLUMN cms.cohort_by_issue_day.issued_on IS 'Day of the issue.';
COMMENT ON COLUMN cms.cohort_by_issue_day.issued IS 'Coupons issued on the day, revoked and purged ones counted.';
COMMENT ON COLUMN cms.cohort_by_issue_day.redeemed IS 'Those of them that have a live use, whenever.';
COMMENT ON COLUMN cms.cohort_by_issue_day.redemption_rate IS 'redeemed / issued.';
COMMENT ON COLUMN cms.cohort_by_issue_day.redeemed_within_1_day IS 'Those whose first live use was on the day of the issue or the next.';
COMMENT ON COLUMN cms.cohort_by_issue_day.redeemed_within_7_days IS 'Those whose first live use was at most 7 days later.';
COMMENT ON COLUMN cms.cohort_by_issue_day.redeemed_within_30_days IS 'Those whose first live use was at most 30 days later.';
COMMENT ON COLUMN cms.cohort_by_issue_day.average_days_to_use IS 'Calendar days from the issue to the first live use, on average; NULL: none is redeemed.';
COMMENT ON COLUMN cms.cohort_by_issue_day.uses IS 'Live uses of them, whenever.';
COMMENT ON COLUMN cms.cohort_by_issue_day.discount IS 'Discount of these uses.';
COMMENT ON COLUMN cms.cohort_by_issue_day.bill_amount IS 'Amount of their bills.';
COMMENT ON COLUMN cms.cohort_by_issue_day.refreshed_at IS 'As of when the numbers of the offer are.';

CREATE VIEW cms.summary_status WITH (security_barrier) AS
	SELECT o.org_id, o.offer_id, o.name, s.refreshed_at, s.took,
		s.fingerprint IS NOT DISTINCT FROM pg_catalog.md5(f.slots || g.time_zone)
			AND NOT EXISTS (SELECT FROM cms.summary_mark m WHERE m.org_id = o.org_id AND m.offer_id = o.offer_id) AS is_fresh
	FROM cms.offer o
	JOIN cms.org g ON g.org_id = o.org_id
	LEFT JOIN cms.summary_offer s ON s.org_id = o.org_id AND s.offer_id = o.offer_id
	LEFT JOIN LATERAL (
		SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', t.slot, t.xmin::text, t.ctid::text), ',' ORDER BY t.slot) AS slots
		FROM cms.offer_slot t WHERE t.org_id = o.org_id AND t.offer_id = o.offer_id) f ON true
	WHERE o.org_id = ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.summary_status IS 'How fresh the summary of each offer is.';
COMMENT ON COLUMN cms.summary_status.org_id IS 'The org.';
COMMENT ON COLUMN cms.summary_status.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.summary_status.name IS 'Its name.';
COMMENT ON COLUMN cms.summary_status.refreshed_at IS 'When it was refreshed last: it has all that was committed before; NULL: never.';
COMMENT ON COLUMN cms.summary_status.took IS 'How long that took.';
COMMENT ON COLUMN cms.summary_status.is_fresh IS 'Whether nothing has changed since, so that it is as of now.';

CREATE VIEW cms.redemption_rate_by_zone WITH (security_barrier) AS
	SELECT r.org_id, r.offer_id, p.name, z.entity_id AS zone_id, z.name AS zone_name,
		p.issued, count(DISTINCT r.coupon_id) AS redeemed,
		count(DISTINCT r.coupon_id)::numeric / NULLIF(p.issued, 0) AS redemption_rate,
		count(*) AS uses, sum(r.discount) AS discount, sum(r.bill_amount) AS bill_amount
	FROM cms.redemption r
	JOIN cms.offer_performance p ON p.org_id = r.org_id AND p.offer_id = r.offer_id
	LEFT JOIN cms.org_entity e ON e.org_id = r.org_id AND e.entity_type = 'STORE' AND e.entity_id = r.store_id
	LEFT JOIN cms.org_entity z ON z.org_id = r.org_id AND z.entity_type = 'ZONE' AND z.entity_id = e.parent_id
	WHERE r.reversed_at IS NULL AND r.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY r.org_id, r.offer_id, p.name, p.issued, z.entity_id, z.name;
COMMENT ON VIEW cms.redemption_rate_by_zone IS 'Redemptions of each offer by the zone of the store.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.zone_id IS 'The zone; NULL: no store was named, or it is in none.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.zone_name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.issued IS 'Coupons of the offer issued in all.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.redeemed IS 'Coupons with a live use in the zone.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.redemption_rate IS 'redeemed / issued: the part of the offer''s coupons used in the zone.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.uses IS 'Live uses in the zone.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.discount IS 'Their discount.';
COMMENT ON COLUMN cms.redemption_rate_by_zone.bill_amount IS 'Amount of their bills.';

CREATE VIEW cms.redemption_rate_by_concept WITH (security_barrier) AS
	SELECT r.org_id, r.offer_id, p.name, c.entity_id AS concept_id, c.name AS concept_name,
		p.issued, count(DISTINCT r.coupon_id) AS redeemed,
		count(DISTINCT r.coupon_id)::numeric / NULLIF(p.issued, 0) AS redemption_rate,
		count(*) AS uses, sum(r.discount) AS discount, sum(r.bill_amount) AS bill_amount
	FROM cms.redemption r
	JOIN cms.offer_performance p ON p.org_id = r.org_id AND p.offer_id = r.offer_id
	LEFT JOIN cms.org_entity e ON e.org_id = r.org_id AND e.entity_type = 'STORE' AND e.entity_id = r.store_id
	LEFT JOIN cms.org_entity z ON z.org_id = r.org_id AND z.entity_type = 'ZONE' AND z.entity_id = e.parent_id
	LEFT JOIN cms.org_entity c ON c.org_id = r.org_id AND c.entity_type = 'CONCEPT' AND c.entity_id = z.parent_id
	WHERE r.reversed_at IS NULL AND r.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY r.org_id, r.offer_id, p.name, p.issued, c.entity_id, c.name;
COMMENT ON VIEW cms.redemption_rate_by_concept IS 'Redemptions of each offer by the concept of the store.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.concept_id IS 'The concept; NULL: no store was named, or it is in none.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.concept_name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.issued IS 'Coupons of the offer issued in all.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.redeemed IS 'Coupons with a live use in the concept.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.redemption_rate IS 'redeemed / issued: the part of the offer''s coupons used in the concept.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.uses IS 'Live uses in the concept.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.discount IS 'Their discount.';
COMMENT ON COLUMN cms.redemption_rate_by_concept.bill_amount IS 'Amount of their bills.';

-- offer_performance has the rows of the caller's orgs already
CREATE VIEW cms.redemption_rate_by_discount_type WITH (security_barrier) AS
	SELECT p.org_id, o.discount_type, count(*) AS offers,
		sum(p.issued)::bigint AS issued, sum(p.redeemed)::bigint AS redeemed,
		sum(p.redeemed) / NULLIF(sum(p.issued), 0) AS redemption_rate,
		sum(p.uses)::bigint AS uses, sum(p.discount_given) AS discount
	FROM cms.offer_performance p
	JOIN cms.offer o ON o.org_id = p.org_id AND o.offer_id = p.offer_id
	GROUP BY p.org_id, o.discount_type;
COMMENT ON VIEW cms.redemption_rate_by_discount_type IS 'Issues and redemptions by the type of the discount.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.discount_type IS 'FIXED_AMOUNT or PERCENTAGE.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.offers IS 'Offers of it.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.issued IS 'Coupons issued.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.redeemed IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.redemption_rate IS 'redeemed / issued; NULL when nothing is issued.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.uses IS 'Live uses.';
COMMENT ON COLUMN cms.redemption_rate_by_discount_type.discount IS 'Their discount.';

CREATE VIEW cms.time_to_redemption WITH (security_barrier) AS
	SELECT r.org_id, r.offer_id, o.name, count(*) AS uses,
		min(r.redeemed_at - c.issued_at) AS shortest, avg(r.redeemed_at - c.issued_at) AS average,
		pg_catalog.percentile_disc(0.5) WITHIN GROUP (ORDER BY r.redeemed_at - c.issued_at) AS median,
		pg_catalog.percentile_disc(0.9) WITHIN GROUP (ORDER BY r.redeemed_at - c.issued_at) AS within_90_percent,
		max(r.redeemed_at - c.issued_at) AS longest
	FROM cms.redemption r
	JOIN cms.coupon c ON c.org_id = r.org_id AND c.coupon_id = r.coupon_id
	JOIN cms.offer o ON o.org_id = r.org_id AND o.offer_id = r.offer_id
	WHERE r.reversed_at IS NULL AND r.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY r.org_id, r.offer_id, o.name;
COMMENT ON VIEW cms.time_to_redemption IS 'Time from the issue of a coupon to each of its live uses, by offer.';
COMMENT ON COLUMN cms.time_to_redemption.org_id IS 'The org.';
COMMENT ON COLUMN cms.time_to_redemption.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.time_to_redemption.name IS 'Its name.';
COMMENT ON COLUMN cms.time_to_redemption.uses IS 'Live uses.';
COMMENT ON COLUMN cms.time_to_redemption.shortest IS 'The shortest time.';
COMMENT ON COLUMN cms.time_to_redemption.average IS 'The average time.';
COMMENT ON COLUMN cms.time_to_redemption.median IS 'Half of the uses came within this time.';
COMMENT ON COLUMN cms.time_to_redemption.within_90_percent IS 'Nine of ten uses came within this time.';
COMMENT ON COLUMN cms.time_to_redemption.longest IS 'The longest time.';
