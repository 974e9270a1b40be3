-- Reports. Every view shows the rows of the caller's orgs only.

CREATE FUNCTION cms.cms_offer_end(expiry_type text, expires_on date, claim_ends_on date, time_zone text) RETURNS timestamptz
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_offer_end';
COMMENT ON FUNCTION cms.cms_offer_end(text, date, date, text) IS
'The instant at which an offer ends (exclusive): the end of expires_on for FIXED_DATE, of the
claim''s last day for WITH_CAMPAIGN; NULL: it has no end (F1).';

CREATE FUNCTION cms.cms_discount_text(discount_type text, discount_value numeric, discount_cap numeric, currency text) RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_discount_text';
COMMENT ON FUNCTION cms.cms_discount_text(text, numeric, numeric, text) IS
'A discount for people, such as "20 %, at most AED 100": with the sign of the currency (ISO 4217)
where it is known, else its code.';

CREATE VIEW cms.coupon_status WITH (security_barrier) AS
	SELECT s.org_id, s.coupon_id, s.offer_id, s.offer_name, s.code, s.customer_id,
		s.issued_at, s.valid_from, s.expires_at, s.revoked_at, s.uses, s.uses_left, s.last_redeemed_at,
		s.service, s.consumer_ref,
		CASE WHEN s.revoked_at IS NOT NULL THEN 'REVOKED'
		     WHEN s.uses_left <= 0 AND s.uses > 0 THEN 'REDEEMED'
		     WHEN s.expires_at <= pg_catalog.now() THEN 'EXPIRED'
		     WHEN s.issued_at IS NULL THEN 'UNISSUED'
		     ELSE 'ACTIVE' END AS state
	FROM (
		SELECT c.org_id, c.coupon_id, c.offer_id, o.name AS offer_name,
			CASE WHEN (SELECT cms.cms_sees_codes()) THEN
				CASE WHEN c.shared THEN o.common_code ELSE c.code END END AS code,
			c.customer_id, c.issued_at,
			CASE WHEN c.issued_at IS NOT NULL THEN GREATEST(c.issued_at,
				cms.cms_day_start((c.issued_at AT TIME ZONE g.time_zone)::date + o.starts_after_days, g.time_zone),
				cms.cms_day_start(o.starts_on, g.time_zone)) END AS valid_from,
			CASE WHEN o.outlives_offer OR (l.service = 'LOYALTY' AND o.coupon_expiry_type = 'WITH_OFFER')
			     THEN c.expires_at
			     ELSE LEAST(c.expires_at, e.ends_at)
			END AS expires_at,
			c.revoked_at, c.uses,
			CASE WHEN o.max_uses_per_coupon IS NOT NULL
			     THEN GREATEST(o.max_uses_per_coupon - c.uses - c.forfeited_uses, 0) END AS uses_left,
			c.last_redeemed_at, c.service, c.consumer_ref
		FROM cms.coupon c
		JOIN cms.offer o ON o.org_id = c.org_id AND o.offer_id = c.offer_id
		JOIN cms.org g ON g.org_id = o.org_id
		LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id
		-- worked out once for an offer, however many coupons are read
		CROSS JOIN LATERAL (SELECT cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) OFFSET 0) e (ends_at)
		WHERE c.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	) s;
COMMENT ON VIEW cms.coupon_status IS 'Coupons with their effective end and state as of now.';
COMMENT ON COLUMN cms.coupon_status.org_id IS 'The org.';
COMMENT ON COLUMN cms.coupon_status.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.coupon_status.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.coupon_status.offer_name IS 'Its name.';
COMMENT ON COLUMN cms.coupon_status.code IS 'The code; NULL for those who may not see codes.';
COMMENT ON COLUMN cms.coupon_status.customer_id IS 'The holder.';
COMMENT ON COLUMN cms.coupon_status.issued_at IS 'When it was issued; NULL: in stock.';
COMMENT ON COLUMN cms.coupon_status.valid_from IS 'From when it can be redeemed.';
COMMENT ON COLUMN cms.coupon_status.expires_at IS 'Effective end, exclusive: the earlier of its own and the offer''s where that binds; NULL: never.';
COMMENT ON COLUMN cms.coupon_status.revoked_at IS 'When it was revoked.';
COMMENT ON COLUMN cms.coupon_status.uses IS 'Live uses.';
COMMENT ON COLUMN cms.coupon_status.uses_left IS 'Uses left; NULL: unlimited.';
COMMENT ON COLUMN cms.coupon_status.last_redeemed_at IS 'When it was redeemed last.';
COMMENT ON COLUMN cms.coupon_status.service IS 'Service that issued it.';
COMMENT ON COLUMN cms.coupon_status.consumer_ref IS 'Campaign or program that issued it.';
COMMENT ON COLUMN cms.coupon_status.state IS 'REVOKED, REDEEMED (no use left), EXPIRED, UNISSUED or ACTIVE, the first that holds.';

CREATE VIEW cms.offer_performance WITH (security_barrier) AS
	SELECT o.org_id, o.offer_id, o.name, o.code AS offer_code,
		COALESCE(s.issued, 0) AS issued, COALESCE(s.stock, 0) AS stock,
		COALESCE(s.redeemed_coupons, 0) AS redeemed, COALESCE(s.uses, 0) AS uses,
		s.redeemed_coupons::numeric / NULLIF(s.issued, 0) AS redemption_rate,
		COALESCE(s.discount, 0) AS discount_given,
		CASE WHEN o.max_issued IS NOT NULL
		     THEN GREATEST(o.max_issued - COALESCE(s.issued, 0), 0) END AS issues_left,
		CASE WHEN o.max_redemptions IS NOT NULL
		     THEN GREATEST(o.max_redemptions - COALESCE(s.uses + s.forfeited_uses + s.held, 0), 0) END AS redemptions_left,
		CASE WHEN o.max_discount_total IS NOT NULL
		     THEN GREATEST(o.max_discount_total - COALESCE(s.discount + s.forfeited_discount + s.held_discount, 0), 0) END AS budget_left,
		s.first_issued_at, s.last_issued_at, s.first_redeemed_at, s.last_redeemed_at,
		COALESCE((SELECT sum(b.unredeemed) FROM cms.offer_expiry b
		          WHERE b.org_id = o.org_id AND b.offer_id = o.offer_id), 0)::bigint AS expired
	FROM cms.offer o
	LEFT JOIN LATERAL (
		SELECT sum(t.issued)::bigint AS issued, sum(t.stock)::bigint AS stock,
			sum(t.redeemed_coupons)::bigint AS redeemed_coupons, sum(t.uses)::bigint AS uses,
			sum(t.forfeited_uses)::bigint AS forfeited_uses, sum(t.held)::bigint AS held,
			sum(t.discount) AS discount, sum(t.forfeited_discount) AS forfeited_discount,
			sum(t.held_discount) AS held_discount,
			min(t.first_issued_at) AS first_issued_at, max(t.last_issued_at) AS last_issued_at,
			min(t.first_redeemed_at) AS first_redeemed_at, max(t.last_redeemed_at) AS last_redeemed_at
		FROM cms.offer_slot t WHERE t.org_id = o.org_id AND t.offer_id = o.offer_id
	) s ON true
	WHERE o.org_id = ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.offer_performance IS 'Numbers of each offer, from its counters.';
COMMENT ON COLUMN cms.offer_performance.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_performance.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_performance.name IS 'Its name.';
COMMENT ON COLUMN cms.offer_performance.offer_code IS 'Its offer code.';
COMMENT ON COLUMN cms.offer_performance.issued IS 'Coupons issued, revoked ones counted.';
COMMENT ON COLUMN cms.offer_performance.stock IS 'Codes in stock.';
COMMENT ON COLUMN cms.offer_performance.redeemed IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.offer_performance.uses IS 'Live uses.';
COMMENT ON COLUMN cms.offer_performance.redemption_rate IS 'redeemed / issued; NULL when nothing is issued.';
COMMENT ON COLUMN cms.offer_performance.discount_given IS 'Discount of the live uses.';
COMMENT ON COLUMN cms.offer_performance.issues_left IS 'Issues left under max_issued; NULL: unlimited.';
COMMENT ON COLUMN cms.offer_performance.redemptions_left IS 'Uses left under max_redemptions, held ones taken off, never negative; NULL: unlimited.';
COMMENT ON COLUMN cms.offer_performance.budget_left IS 'Discount left under max_discount_total, what is held taken off, never negative; NULL: unlimited.';
COMMENT ON COLUMN cms.offer_performance.first_issued_at IS 'First issue.';
COMMENT ON COLUMN cms.offer_performance.last_issued_at IS 'Last issue.';
COMMENT ON COLUMN cms.offer_performance.first_redeemed_at IS 'First redemption.';
COMMENT ON COLUMN cms.offer_performance.last_redeemed_at IS 'Last redemption.';
COMMENT ON COLUMN cms.offer_performance.expired IS 'Coupons that ended without a live use, as of the last sweep.';

CREATE VIEW cms.offer_dashboard WITH (security_barrier) AS
	SELECT o.org_id, o.offer_id, o.code AS offer_code, o.name, o.code_method, o.discount_type,
		cms.cms_discount_text(o.discount_type, o.discount_value, o.discount_cap, g.currency) AS discount,
		o.expiry_type, COALESCE(o.expires_on, l.ends_on) AS expires_on,
		l.service, l.consumer_ref, l.consumer_name,
		p.issued, p.redeemed, p.uses, p.redemption_rate,
		CASE WHEN o.status = 'ARCHIVED' THEN 'ARCHIVED'
		     WHEN cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) <= pg_catalog.now() THEN 'ENDED'
		     ELSE 'ACTIVE' END AS status,
		o.created_by, o.created_at, o.modified_by, o.modified_at
	FROM cms.offer o
	JOIN cms.org g ON g.org_id = o.org_id
	JOIN cms.offer_performance p ON p.org_id = o.org_id AND p.offer_id = o.offer_id
	LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id
	WHERE o.org_id = ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.offer_dashboard IS 'One row per offer: what it is, who uses it, and its counters.';
COMMENT ON COLUMN cms.offer_dashboard.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_dashboard.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_dashboard.offer_code IS 'Its offer code.';
COMMENT ON COLUMN cms.offer_dashboard.name IS 'Its name.';
COMMENT ON COLUMN cms.offer_dashboard.code_method IS 'How its codes are made.';
COMMENT ON COLUMN cms.offer_dashboard.discount_type IS 'FIXED_AMOUNT or PERCENTAGE.';
COMMENT ON COLUMN cms.offer_dashboard.discount IS 'The discount for people.';
COMMENT ON COLUMN cms.offer_dashboard.expiry_type IS 'FIXED_DATE or WITH_CAMPAIGN.';
COMMENT ON COLUMN cms.offer_dashboard.expires_on IS 'Its last day; NULL: none.';
COMMENT ON COLUMN cms.offer_dashboard.service IS 'Service that uses it.';
COMMENT ON COLUMN cms.offer_dashboard.consumer_ref IS 'Campaign or program that uses it.';
COMMENT ON COLUMN cms.offer_dashboard.consumer_name IS 'Name of that campaign or program.';
COMMENT ON COLUMN cms.offer_dashboard.issued IS 'Coupons issued.';
COMMENT ON COLUMN cms.offer_dashboard.redeemed IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.offer_dashboard.uses IS 'Live uses.';
COMMENT ON COLUMN cms.offer_dashboard.redemption_rate IS 'redeemed / issued; NULL when nothing is issued.';
COMMENT ON COLUMN cms.offer_dashboard.status IS 'ARCHIVED, ENDED or ACTIVE as of now.';
COMMENT ON COLUMN cms.offer_dashboard.created_by IS 'Who created it.';
COMMENT ON COLUMN cms.offer_dashboard.created_at IS 'When.';
COMMENT ON COLUMN cms.offer_dashboard.modified_by IS 'Who changed it last.';
COMMENT ON COLUMN cms.offer_dashboard.modified_at IS 'When.';

CREATE VIEW cms.redemption_rate_by_day WITH (security_barrier) AS
	SELECT g.org_id, d.offer_id, o.name, d.day,
		sum(d.issued)::bigint AS issued, sum(d.redeemed)::bigint AS redeemed,
		sum(d.redeemed) / NULLIF(sum(d.issued), 0) AS redemption_rate,
		sum(d.uses)::bigint AS uses, sum(d.discount) AS discount
	FROM cms.org g
	CROSS JOIN LATERAL (
		SELECT c.offer_id, (c.issued_at AT TIME ZONE g.time_zone)::date AS day,
			count(*) AS issued, count(*) FILTER (WHERE c.uses > 0) AS redeemed, 0 AS uses, 0::numeric AS discount
		FROM cms.coupon c WHERE c.org_id = g.org_id AND c.issued_at IS NOT NULL GROUP BY 1, 2
		UNION ALL
		SELECT u.offer_id, u.issued_on, u.coupons, 0, 0, 0
		FROM cms.purged_coupon u WHERE u.org_id = g.org_id
		UNION ALL
		SELECT r.offer_id, (r.redeemed_at AT TIME ZONE g.time_zone)::date, 0, 0, count(*), sum(r.discount)
		FROM cms.redemption r WHERE r.org_id = g.org_id AND r.reversed_at IS NULL GROUP BY 1, 2
	) d
	JOIN cms.offer o ON o.org_id = g.org_id AND o.offer_id = d.offer_id
	WHERE g.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY g.org_id, d.offer_id, o.name, d.day;
COMMENT ON VIEW cms.redemption_rate_by_day IS 'Issues and redemptions of each offer by day, in the org''s zone. As of now: it reads all coupons of the org; cms.activity_by_day tells the same from summaries.';
COMMENT ON COLUMN cms.redemption_rate_by_day.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption_rate_by_day.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.redemption_rate_by_day.name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_day.day IS 'The day in the org''s zone.';
COMMENT ON COLUMN cms.redemption_rate_by_day.issued IS 'Coupons issued on the day, purged ones counted.';
COMMENT ON COLUMN cms.redemption_rate_by_day.redeemed IS 'Those of them that have a live use, whenever.';
COMMENT ON COLUMN cms.redemption_rate_by_day.redemption_rate IS 'redeemed / issued; NULL when nothing was issued on the day.';
COMMENT ON COLUMN cms.redemption_rate_by_day.uses IS 'Live uses on the day, whenever issued.';
COMMENT ON COLUMN cms.redemption_rate_by_day.discount IS 'Discount of these uses.';

CREATE VIEW cms.redemption_rate_by_store WITH (security_barrier) AS
	SELECT r.org_id, r.offer_id, p.name, r.store_id, e.name AS store_name,
		p.issued, count(DISTINCT r.coupon_id) AS redeemed,
		count(DISTINCT r.coupon_id)::numeric / NULLIF(p.issued, 0) AS redemption_rate,
		count(*) AS uses, sum(r.discount) AS discount, sum(r.bill_amount) AS bill_amount
	FROM cms.redemption r
	JOIN cms.offer_performance p ON p.org_id = r.org_id AND p.offer_id = r.offer_id
	LEFT JOIN cms.org_entity e ON e.org_id = r.org_id AND e.entity_type = 'STORE' AND e.entity_id = r.store_id
	WHERE r.reversed_at IS NULL AND r.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY r.org_id, r.offer_id, p.name, p.issued, r.store_id, e.name;
COMMENT ON VIEW cms.redemption_rate_by_store IS 'Redemptions of each offer by store.';
COMMENT ON COLUMN cms.redemption_rate_by_store.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption_rate_by_store.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.redemption_rate_by_store.name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_store.store_id IS 'The store; NULL: none was named.';
COMMENT ON COLUMN cms.redemption_rate_by_store.store_name IS 'Its name.';
COMMENT ON COLUMN cms.redemption_rate_by_store.issued IS 'Coupons of the offer issued in all.';
COMMENT ON COLUMN cms.redemption_rate_by_store.redeemed IS 'Coupons with a live use in the store.';
COMMENT ON COLUMN cms.redemption_rate_by_store.redemption_rate IS 'redeemed / issued: the part of the offer''s coupons used in the store.';
COMMENT ON COLUMN cms.redemption_rate_by_store.uses IS 'Live uses in the store.';
COMMENT ON COLUMN cms.redemption_rate_by_store.discount IS 'Their discount.';
COMMENT ON COLUMN cms.redemption_rate_by_store.bill_amount IS 'Amount of their bills.';

-- offer_performance has the rows of the caller's orgs already
CREATE VIEW cms.redemption_rate_by_service WITH (security_barrier) AS
	SELECT p.org_id, l.service, count(*) AS offers,
		sum(p.issued)::bigint AS issued, sum(p.redeemed)::bigint AS redeemed,
		sum(p.redeemed) / NULLIF(sum(p.issued), 0) AS redemption_rate,
		sum(p.uses)::bigint AS uses, sum(p.discount_given) AS discount
	FROM cms.offer_performance p
	LEFT JOIN cms.claim l ON l.org_id = p.org_id AND l.offer_id = p.offer_id
	GROUP BY p.org_id, l.service;
COMMENT ON VIEW cms.redemption_rate_by_service IS 'Issues and redemptions by the service that claimed the offers.';
COMMENT ON COLUMN cms.redemption_rate_by_service.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption_rate_by_service.service IS 'The service; NULL: offers nobody claimed.';
COMMENT ON COLUMN cms.redemption_rate_by_service.offers IS 'Its offers.';
COMMENT ON COLUMN cms.redemption_rate_by_service.issued IS 'Coupons issued.';
COMMENT ON COLUMN cms.redemption_rate_by_service.redeemed IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.redemption_rate_by_service.redemption_rate IS 'redeemed / issued; NULL when nothing is issued.';
COMMENT ON COLUMN cms.redemption_rate_by_service.uses IS 'Live uses.';
COMMENT ON COLUMN cms.redemption_rate_by_service.discount IS 'Their discount.';

CREATE VIEW cms.event_log WITH (security_barrier) AS
	SELECT e.org_id, e.event_id, e.action, e.object, e.object_id, e.offer_id, o.name AS offer_name,
		CASE WHEN (SELECT cms.cms_sees_codes()) THEN e.old_values
		     WHEN e.object <> 'poc' THEN e.old_values - '{common_code,sample_code,code_prefix,code_suffix}'::text[] END AS old_values,
		CASE WHEN (SELECT cms.cms_sees_codes()) THEN e.new_values
		     WHEN e.object <> 'poc' THEN e.new_values - '{common_code,sample_code,code_prefix,code_suffix}'::text[] END AS new_values,
		e.happened_at, e.recorded_at, e.recorded_by
	FROM cms.event e
	LEFT JOIN cms.offer o ON o.org_id = e.org_id AND o.offer_id = e.offer_id
	WHERE e.org_id = ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.event_log IS 'Events for all who may read them: admins and analysts see no codes, and of people only that something changed (F49).';
COMMENT ON COLUMN cms.event_log.org_id IS 'The org.';
COMMENT ON COLUMN cms.event_log.event_id IS 'Number of the event.';
COMMENT ON COLUMN cms.event_log.action IS 'What was done.';
COMMENT ON COLUMN cms.event_log.object IS 'What it was done to.';
COMMENT ON COLUMN cms.event_log.object_id IS 'Which row of it; NULL: several.';
COMMENT ON COLUMN cms.event_log.offer_id IS 'The offer; NULL: none.';
COMMENT ON COLUMN cms.event_log.offer_name IS 'Its present name; NULL: none, or it was deleted.';
COMMENT ON COLUMN cms.event_log.old_values IS 'What it was before, without codes for those who may not see them; NULL: nothing.';
COMMENT ON COLUMN cms.event_log.new_values IS 'What it became, likewise.';
COMMENT ON COLUMN cms.event_log.happened_at IS 'Time of the request.';
COMMENT ON COLUMN cms.event_log.recorded_at IS 'The server''s own time.';
COMMENT ON COLUMN cms.event_log.recorded_by IS 'Role that called.';

CREATE VIEW cms.refusals_by_reason WITH (security_barrier) AS
	SELECT a.org_id, a.offer_id, o.name, a.reason, a.action,
		(a.attempted_at AT TIME ZONE g.time_zone)::date AS day,
		count(*) AS attempts, max(a.attempted_at) AS last_attempted_at
	FROM cms.attempt a
	JOIN cms.org g ON g.org_id = a.org_id
	LEFT JOIN cms.offer o ON o.org_id = a.org_id AND o.offer_id = a.offer_id
	WHERE a.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	GROUP BY a.org_id, a.offer_id, o.name, a.reason, a.action, day;
COMMENT ON VIEW cms.refusals_by_reason IS 'Refused attempts by offer, reason and day, as far as they are recorded and not deleted.';
COMMENT ON COLUMN cms.refusals_by_reason.org_id IS 'The org.';
COMMENT ON COLUMN cms.refusals_by_reason.offer_id IS 'The offer; NULL: the code was not found, or not looked for.';
COMMENT ON COLUMN cms.refusals_by_reason.name IS 'Its name.';
COMMENT ON COLUMN cms.refusals_by_reason.reason IS 'Why they were refused, the true reason.';
COMMENT ON COLUMN cms.refusals_by_reason.action IS 'What was attempted: REDEEM, HOLD, or CHECK by cms_try.';
COMMENT ON COLUMN cms.refusals_by_reason.day IS 'The day of the requests in the org''s zone.';
COMMENT ON COLUMN cms.refusals_by_reason.attempts IS 'How many.';
COMMENT ON COLUMN cms.refusals_by_reason.last_attempted_at IS 'The last of them.';

CREATE VIEW cms.job_status WITH (security_barrier) AS
	SELECT j.org_id, j.job_id, j.job_key, j.action, j.offer_id, o.name AS offer_name,
		CASE WHEN j.status = 'RUNNING' AND l.pid IS NULL THEN 'STOPPED' ELSE j.status END AS state,
		j.total, j.done, pg_catalog.round(100.0 * j.done / NULLIF(j.total, 0), 1) AS percent,
		j.succeeded, j.refused, j.replayed, j.repeated, j.ignored, j.refusals, j.rate, j.remaining,
		CASE WHEN (SELECT cms.cms_sees_codes()) THEN j.error END AS error,
		j.runs, j.started_at, j.updated_at, j.finished_at, j.started_by, j.run_by, l.pid
	FROM cms.job j
	LEFT JOIN cms.offer o ON o.org_id = j.org_id AND o.offer_id = j.offer_id
	LEFT JOIN LATERAL (
		SELECT l.pid FROM pg_catalog.pg_locks l
		WHERE j.status = 'RUNNING' AND l.locktype = 'advisory' AND l.objsubid = 4 AND l.granted
		  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
		  AND l.classid::bigint = j.org_id AND l.objid::bigint = j.job_id % 4294967296
		LIMIT 1) l ON true
	WHERE j.org_id = ANY ((SELECT cms.cms_my_orgs())::int[]);
COMMENT ON VIEW cms.job_status IS 'Jobs: how far each is, whether it runs, what became of it. Columns that job has too are explained there.';
COMMENT ON COLUMN cms.job_status.org_id IS 'The org.';
COMMENT ON COLUMN cms.job_status.job_id IS 'The job.';
COMMENT ON COLUMN cms.job_status.job_key IS 'The caller''s key.';
COMMENT ON COLUMN cms.job_status.action IS 'What it does.';
COMMENT ON COLUMN cms.job_status.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.job_status.offer_name IS 'Its name.';
COMMENT ON COLUMN cms.job_status.state IS 'RUNNING: at this moment; STOPPED: its session has died, and the same call with its job_key goes on; FAILED; DONE.';
COMMENT ON COLUMN cms.job_status.total IS 'Units of work in this run; NULL: not known yet.';
COMMENT ON COLUMN cms.job_status.done IS 'Units that are done.';
COMMENT ON COLUMN cms.job_status.percent IS 'The same in percent of total.';
COMMENT ON COLUMN cms.job_status.succeeded IS 'Coupons issued, codes generated, coupons revoked or removed, in all runs.';
COMMENT ON COLUMN cms.job_status.refused IS 'Units of this run that were refused.';
COMMENT ON COLUMN cms.job_status.replayed IS 'Customers who keep the active coupon they hold.';
COMMENT ON COLUMN cms.job_status.repeated IS 'Customers named more than once.';
COMMENT ON COLUMN cms.job_status.ignored IS 'Units that name nobody.';
COMMENT ON COLUMN cms.job_status.refusals IS 'How many were refused for which reason.';
COMMENT ON COLUMN cms.job_status.rate IS 'Units done in a second.';
COMMENT ON COLUMN cms.job_status.remaining IS 'Time that is left at this rate.';
COMMENT ON COLUMN cms.job_status.error IS 'What ended the last run; NULL for analysts, as it may tell what a query has read.';
COMMENT ON COLUMN cms.job_status.runs IS 'How often it was begun.';
COMMENT ON COLUMN cms.job_status.started_at IS 'When the job began.';
COMMENT ON COLUMN cms.job_status.updated_at IS 'When the last batch ended.';
COMMENT ON COLUMN cms.job_status.finished_at IS 'When the job was done.';
COMMENT ON COLUMN cms.job_status.started_by IS 'Role that began it.';
COMMENT ON COLUMN cms.job_status.run_by IS 'Role of the last run.';
COMMENT ON COLUMN cms.job_status.pid IS 'Process that runs it: pg_cancel_backend(pid) stops it; NULL: it does not run.';
