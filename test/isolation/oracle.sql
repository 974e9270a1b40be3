-- What the specs of this folder and test/cluster/concurrency.sh share: a few shorthands for
-- setting a scene, and recount(), which tells what is wrong in the current org. It trusts nothing
-- but the rows of coupons and redemptions, and compares counters, limits and keys with them.

-- A fresh org for a permutation: what was issued before cannot be deleted, so it is left behind.
CREATE OR REPLACE PROCEDURE new_org() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO cms.org (name) VALUES ('Isolation');
	CALL use_org();
END
$$;

CREATE OR REPLACE PROCEDURE use_org() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('cms.org', (SELECT max(org_id)::text FROM cms.org), false);
END
$$;

-- Codes of an UPLOADED offer, into stock or issued.
CREATE OR REPLACE PROCEDURE stock(offer_code text, codes text[], customers text[] DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	refused text;
BEGIN
	SELECT string_agg(u.code || ' ' || u.reason, ', ') INTO refused
	FROM cms.cms_upload_codes(offer(offer_code), codes, customers, at => '2030-01-01 12:00+00') u
	WHERE NOT u.loaded;
	IF refused IS NOT NULL THEN
		RAISE 'not loaded: %', refused;
	END IF;
END
$$;

-- cms_revoke_all without the number of the job
CREATE OR REPLACE PROCEDURE revoke_all(offer_code text, scope text, batch int DEFAULT 2, job_key text DEFAULT NULL,
	INOUT revoked_issued bigint DEFAULT NULL, INOUT revoked_unissued bigint DEFAULT NULL,
	INOUT left_redeemed bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	job_id bigint;
BEGIN
	CALL cms.cms_revoke_all(offer(offer_code), scope, NULL, NULL, true, job_key, batch, '2030-01-10', NULL,
		job_id, revoked_issued, revoked_unissued, left_redeemed);
END
$$;

CREATE OR REPLACE FUNCTION offer(offer_code text) RETURNS bigint LANGUAGE sql STABLE AS
'SELECT offer_id FROM cms.offer WHERE org_id = cms.cms_current_org() AND code = offer_code';

CREATE OR REPLACE FUNCTION redemption(bill text) RETURNS bigint LANGUAGE sql STABLE AS
'SELECT redemption_id FROM cms.redemption WHERE org_id = cms.cms_current_org() AND bill_ref = bill';

CREATE OR REPLACE FUNCTION hold(of_order text) RETURNS bigint LANGUAGE sql STABLE AS
'SELECT hold_id FROM cms.hold WHERE org_id = cms.cms_current_org() AND order_ref = of_order ORDER BY recorded_at DESC LIMIT 1';

CREATE OR REPLACE VIEW outcome AS
SELECT * FROM cms.offer_performance WHERE org_id = cms.cms_current_org();

-- caps_lowered: a cap of redemptions or of discount, or a limit or gap per customer, may have been set below what was given out.
CREATE OR REPLACE FUNCTION recount(caps_lowered boolean DEFAULT false)
	RETURNS TABLE (offer text, problem text) LANGUAGE sql STABLE SET enable_nestloop = off SET jit = off AS $$
WITH
offer AS (SELECT o.*, g.time_zone FROM cms.offer o JOIN cms.org g USING (org_id) WHERE o.org_id = cms.cms_current_org()),
coupon AS (
	SELECT c.*, (c.issued_at AT TIME ZONE g.time_zone)::date AS issued_on
	FROM cms.coupon c JOIN cms.org g USING (org_id) WHERE c.org_id = cms.cms_current_org()
),
redemption AS (
	SELECT r.*, (r.redeemed_at AT TIME ZONE g.time_zone)::date AS redeemed_on,
		r.reversed_at IS NULL AS live, r.reversed_at IS NOT NULL AND NOT r.use_returned AS forfeited
	FROM cms.redemption r JOIN cms.org g USING (org_id) WHERE r.org_id = cms.cms_current_org()
),
purged AS (
	SELECT offer_id, sum(coupons) AS issued, min(first_issued_at) AS first_issued_at, max(last_issued_at) AS last_issued_at
	FROM cms.purged_coupon WHERE org_id = cms.cms_current_org() GROUP BY offer_id
),
of_coupons AS (
	SELECT offer_id, COALESCE(c.issued, 0) + COALESCE(g.issued, 0) AS issued, COALESCE(c.stock, 0) AS stock,
		LEAST(c.first_issued_at, g.first_issued_at) AS first_issued_at,
		GREATEST(c.last_issued_at, g.last_issued_at) AS last_issued_at
	FROM (SELECT offer_id, count(issued_at) AS issued,
			count(*) FILTER (WHERE issued_at IS NULL AND revoked_at IS NULL) AS stock,
			min(issued_at) AS first_issued_at, max(issued_at) AS last_issued_at
		FROM coupon GROUP BY offer_id) c
	FULL JOIN purged g USING (offer_id)
),
of_redemptions AS (
	SELECT offer_id, count(*) FILTER (WHERE live) AS uses, count(*) FILTER (WHERE forfeited) AS forfeited_uses,
		count(DISTINCT coupon_id) FILTER (WHERE live) AS redeemed_coupons,
		COALESCE(sum(discount) FILTER (WHERE live), 0) AS discount,
		COALESCE(sum(discount) FILTER (WHERE forfeited), 0) AS forfeited_discount,
		min(redeemed_at) AS first_redeemed_at, max(redeemed_at) AS last_redeemed_at
	FROM redemption GROUP BY offer_id
),
truth AS (
	SELECT o.offer_id, COALESCE(c.issued, 0) AS issued, COALESCE(c.stock, 0) AS stock,
		c.first_issued_at, c.last_issued_at,
		COALESCE(r.uses, 0) AS uses, COALESCE(r.forfeited_uses, 0) AS forfeited_uses,
		COALESCE(r.redeemed_coupons, 0) AS redeemed_coupons, COALESCE(r.discount, 0) AS discount,
		COALESCE(r.forfeited_discount, 0) AS forfeited_discount, r.first_redeemed_at, r.last_redeemed_at
	FROM offer o LEFT JOIN of_coupons c USING (offer_id) LEFT JOIN of_redemptions r USING (offer_id)
),
counted AS (
	SELECT o.offer_id, COALESCE(sum(s.issued), 0) AS issued, COALESCE(sum(s.stock), 0) AS stock,
		COALESCE(sum(s.next_position), 0) AS next_position,
		COALESCE(sum(s.uses), 0) AS uses, COALESCE(sum(s.forfeited_uses), 0) AS forfeited_uses,
		COALESCE(sum(s.redeemed_coupons), 0) AS redeemed_coupons, COALESCE(sum(s.discount), 0) AS discount,
		COALESCE(sum(s.forfeited_discount), 0) AS forfeited_discount,
		min(s.first_issued_at) AS first_issued_at, max(s.last_issued_at) AS last_issued_at,
		min(s.first_redeemed_at) AS first_redeemed_at, max(s.last_redeemed_at) AS last_redeemed_at,
		count(s.slot) AS slots, sum(s.issue_share) AS issue_share,
		sum(s.redemption_share) AS redemption_share, sum(s.budget_share) AS budget_share
	FROM offer o LEFT JOIN cms.offer_slot s ON s.org_id = o.org_id AND s.offer_id = o.offer_id
	GROUP BY o.offer_id
),
problem (offer_id, problem) AS (
	-- counters
	SELECT t.offer_id, format('counter %s is %s, recounted %s', x.name, x.counted, x.truth)
	FROM truth t JOIN counted n USING (offer_id) CROSS JOIN LATERAL (VALUES
		('issued', n.issued::text, t.issued::text), ('stock', n.stock::text, t.stock::text),
		('uses', n.uses::text, t.uses::text), ('forfeited_uses', n.forfeited_uses::text, t.forfeited_uses::text),
		('redeemed_coupons', n.redeemed_coupons::text, t.redeemed_coupons::text),
		('discount', trim_scale(n.discount)::text, trim_scale(t.discount)::text),
		('forfeited_discount', trim_scale(n.forfeited_discount)::text, trim_scale(t.forfeited_discount)::text),
		('first_issued_at', n.first_issued_at::text, t.first_issued_at::text),
		('last_issued_at', n.last_issued_at::text, t.last_issued_at::text),
		('first_redeemed_at', n.first_redeemed_at::text, t.first_redeemed_at::text),
		('last_redeemed_at', n.last_redeemed_at::text, t.last_redeemed_at::text)) x (name, counted, truth)
	WHERE x.counted IS DISTINCT FROM x.truth
	UNION ALL
	SELECT n.offer_id, format('share of %s is %s, the cap %s', x.name, x.share, x.cap)
	FROM counted n JOIN offer o USING (offer_id) CROSS JOIN LATERAL (VALUES
		('issues', n.issue_share, o.max_issued), ('redemptions', n.redemption_share, o.max_redemptions),
		('discount', n.budget_share, o.max_discount_total)) x (name, share, cap)
	WHERE n.slots > 0 AND x.share IS DISTINCT FROM x.cap
	UNION ALL
	SELECT n.offer_id, format('%s codes of the order are taken, %s are coupons', n.next_position, t.issued)
	FROM counted n JOIN truth t USING (offer_id) JOIN offer o USING (offer_id)
	WHERE o.code_method = 'RANDOMISED' AND n.next_position <> t.issued
	-- caps of the offer
	UNION ALL
	SELECT o.offer_id, format('%s %s of at most %s', x.given, x.name, x.cap)
	FROM offer o JOIN truth t USING (offer_id) CROSS JOIN LATERAL (VALUES
		('issued', t.issued, o.max_issued, false),
		('redeemed', t.uses + t.forfeited_uses, o.max_redemptions, caps_lowered),
		('discount given', t.discount + t.forfeited_discount, o.max_discount_total, caps_lowered)) x (name, given, cap, lowered)
	WHERE x.given > x.cap AND NOT x.lowered
	-- the coupon and its redemptions
	UNION ALL
	SELECT c.offer_id, format('coupon %s counts %s + %s uses, recounted %s + %s', c.code, c.uses, c.forfeited_uses,
		COALESCE(r.uses, 0), COALESCE(r.forfeited, 0))
	FROM coupon c
	LEFT JOIN (SELECT coupon_id, count(*) FILTER (WHERE live) AS uses, count(*) FILTER (WHERE forfeited) AS forfeited,
			max(redeemed_at) AS last_redeemed_at
		FROM redemption GROUP BY coupon_id) r USING (coupon_id)
	WHERE c.uses <> COALESCE(r.uses, 0) OR c.forfeited_uses <> COALESCE(r.forfeited, 0)
	   OR c.last_redeemed_at IS DISTINCT FROM r.last_redeemed_at
	UNION ALL
	SELECT c.offer_id, format('coupon %s used %s times of at most %s', c.code, c.uses + c.forfeited_uses, o.max_uses_per_coupon)
	FROM coupon c JOIN offer o USING (offer_id) WHERE c.uses + c.forfeited_uses > o.max_uses_per_coupon
	UNION ALL
	SELECT c.offer_id, format('coupon %s is redeemed and revoked', c.code)
	FROM coupon c JOIN offer o USING (offer_id)
	WHERE c.revoked_at IS NOT NULL AND c.uses > 0 AND c.uses + c.forfeited_uses >= o.max_uses_per_coupon
	UNION ALL
	SELECT r.offer_id, format('bill %s used coupon %s of %s, held by %s', r.bill_ref, c.code, r.customer_id, c.customer_id)
	FROM redemption r JOIN coupon c USING (coupon_id) JOIN offer o ON o.offer_id = r.offer_id
	WHERE c.offer_id <> r.offer_id OR c.issued_at IS NULL
	   OR (NOT o.anyone_may_redeem AND c.customer_id IS DISTINCT FROM r.customer_id
	       AND NOT (o.delivery = 'THIRD_PARTY' AND c.customer_id IS NULL))
	-- the customer's redemptions
	UNION ALL
	SELECT r.offer_id, format('%s redeemed %s times of at most %s', r.customer_id, count(*), o.max_uses_per_customer)
	FROM redemption r JOIN offer o USING (offer_id) WHERE r.live OR r.forfeited
	GROUP BY r.offer_id, r.customer_id, o.max_uses_per_customer
	HAVING r.customer_id IS NOT NULL AND count(*) > o.max_uses_per_customer AND NOT caps_lowered
	UNION ALL
	SELECT r.offer_id, format('%s redeemed one coupon %s times of at most %s', r.customer_id, count(*), o.max_uses_per_customer_and_coupon)
	FROM redemption r JOIN offer o USING (offer_id) WHERE r.live OR r.forfeited
	GROUP BY r.offer_id, r.coupon_id, r.customer_id, o.max_uses_per_customer_and_coupon
	HAVING r.customer_id IS NOT NULL AND count(*) > o.max_uses_per_customer_and_coupon AND NOT caps_lowered
	UNION ALL
	SELECT r.offer_id, format('%s redeemed on %s and on %s', r.customer_id, r.redeemed_on, q.redeemed_on)
	FROM redemption r JOIN redemption q USING (offer_id, customer_id) JOIN offer o USING (offer_id)
	WHERE (r.live OR r.forfeited) AND (q.live OR q.forfeited)
	  AND (q.redeemed_on, q.redemption_id) > (r.redeemed_on, r.redemption_id)
	  AND q.redeemed_on - r.redeemed_on < o.min_days_between_uses AND NOT caps_lowered
	UNION ALL
	SELECT u.offer_id, format('%s is kept with %s uses of coupon %s, recounted %s', u.customer_id, u.uses, u.coupon_id, count(r.redemption_id))
	FROM cms.customer_use u JOIN offer o ON o.org_id = u.org_id AND o.offer_id = u.offer_id
		AND u.epoch = (SELECT max(s.customer_epoch) FROM cms.offer_slot s WHERE s.org_id = u.org_id AND s.offer_id = u.offer_id)
	LEFT JOIN redemption r ON r.offer_id = u.offer_id AND r.customer_id = u.customer_id AND (r.live OR r.forfeited)
		AND u.coupon_id IN (0, r.coupon_id)
	WHERE CASE WHEN u.coupon_id = 0 THEN o.max_uses_per_customer IS NOT NULL OR o.min_days_between_uses > 0
		ELSE o.max_uses_per_customer_and_coupon IS NOT NULL END
	GROUP BY u.offer_id, u.customer_id, u.coupon_id, u.uses HAVING count(r.redemption_id) <> u.uses
	-- holds
	UNION ALL
	SELECT o.offer_id, format('counter held is %s with %s, recounted %s with %s', s.held, s.held_discount, h.held, h.held_discount)
	FROM offer o
	CROSS JOIN LATERAL (SELECT COALESCE(sum(s.held), 0) AS held, COALESCE(sum(s.held_discount), 0) AS held_discount
		FROM cms.offer_slot s WHERE s.org_id = o.org_id AND s.offer_id = o.offer_id) s
	CROSS JOIN LATERAL (SELECT count(*) AS held, COALESCE(sum(h.discount), 0) AS held_discount
		FROM cms.hold h WHERE h.org_id = o.org_id AND h.offer_id = o.offer_id AND h.status = 'HELD') h
	WHERE (s.held, s.held_discount) IS DISTINCT FROM (h.held, h.held_discount)
	UNION ALL
	SELECT h.offer_id, format('hold %s is not told by its coupon', h.hold_id)
	FROM offer o JOIN cms.hold h ON h.org_id = o.org_id AND h.offer_id = o.offer_id
	JOIN cms.coupon c ON c.org_id = h.org_id AND c.coupon_id = h.coupon_id
	WHERE h.status = 'HELD' AND (c.held_until IS NULL OR c.held_until < h.expires_at)
	-- the customer's coupons
	UNION ALL
	SELECT c.offer_id, format('%s was issued %s of at most %s', c.customer_id, count(*), o.max_issued_per_customer)
	FROM coupon c JOIN offer o USING (offer_id) WHERE c.customer_id IS NOT NULL AND o.delivery = 'INTERNAL'
	GROUP BY c.offer_id, c.customer_id, o.max_issued_per_customer HAVING count(*) > o.max_issued_per_customer
	UNION ALL
	SELECT c.offer_id, format('%s was issued the common code %s times', c.customer_id, count(*))
	FROM coupon c WHERE c.shared AND c.customer_id IS NOT NULL GROUP BY c.offer_id, c.customer_id HAVING count(*) > 1
	UNION ALL
	SELECT c.offer_id, format('%s was issued on %s and on %s', c.customer_id, c.issued_on, d.issued_on)
	FROM coupon c JOIN coupon d USING (offer_id, customer_id) JOIN offer o USING (offer_id)
	WHERE (d.issued_on, d.coupon_id) > (c.issued_on, c.coupon_id) AND d.issued_on - c.issued_on < o.min_days_between_issues
	  AND o.delivery = 'INTERNAL'
	UNION ALL
	SELECT offer_id, format('the coupons of %s are numbered to %s, there are %s', customer_id, max(nth), count(*))
	FROM coupon WHERE customer_id IS NOT NULL AND offer_id NOT IN (SELECT offer_id FROM purged)
	GROUP BY offer_id, customer_id HAVING max(nth) <> count(*)
	UNION ALL
	-- with the same time, whoever was first may have been allowed, unless either bars the other
	SELECT c.offer_id, format('%s had received offer %s before', c.customer_id, other.code)
	FROM cms.offer_exclusion x
	JOIN offer o USING (org_id, offer_id) JOIN offer other ON other.offer_id = x.other_offer_id
	JOIN coupon c ON c.offer_id = x.offer_id
	JOIN coupon d ON d.offer_id = x.other_offer_id AND d.customer_id = c.customer_id
	WHERE (d.issued_on + make_interval(months => o.past_issue_months))::date > c.issued_on
	  AND (d.issued_at < c.issued_at OR (d.issued_at = c.issued_at AND EXISTS (SELECT FROM cms.offer_exclusion y
		WHERE y.org_id = x.org_id AND y.offer_id = x.other_offer_id AND y.other_offer_id = x.offer_id)))
	-- codes
	UNION ALL
	SELECT min(offer_id), format('code %s is on %s coupons', code, count(*))
	FROM coupon WHERE revoked_at IS NULL AND NOT shared GROUP BY code HAVING count(*) > 1
	UNION ALL
	SELECT o.offer_id, format('its code %s is a coupon of another offer', c.code)
	FROM offer o JOIN coupon c ON c.offer_id <> o.offer_id AND c.revoked_at IS NULL AND NOT c.shared
		AND (c.code = o.common_code
		     OR c.code ~ ('^' || replace(replace(o.sample_code, '?', '[0-9A-Z]'), '#', '[0-9]') || '$'))
	-- claims
	UNION ALL
	SELECT min(offer_id), format('campaign %s holds %s offers', consumer_ref, count(*))
	FROM cms.claim WHERE org_id = cms.cms_current_org() AND service = 'OUTBOUND' GROUP BY consumer_ref HAVING count(*) > 1
	UNION ALL
	SELECT c.offer_id, format('%s %s issued a coupon, the claim is %s', c.service, c.consumer_ref,
		COALESCE(concat_ws(' ', l.service, l.consumer_ref), '-'))
	FROM coupon c LEFT JOIN cms.claim l ON l.org_id = c.org_id AND l.offer_id = c.offer_id
	WHERE c.service IS NOT NULL AND c.issued_at IS NOT NULL
	  AND (l.service IS DISTINCT FROM c.service OR l.consumer_ref IS DISTINCT FROM c.consumer_ref)
	-- requests
	UNION ALL
	SELECT NULL, format('request %s has no coupon', q.request_key)
	FROM cms.request q
	WHERE q.org_id = cms.cms_current_org() AND q.action = 'ISSUE'
	  AND NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = ANY (q.answer)) AND NOT EXISTS (SELECT FROM purged)
	-- what is left of an offer that is gone
	UNION ALL
	SELECT r.offer_id, format('bill %s redeemed a coupon that is gone', r.bill_ref)
	FROM redemption r WHERE NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = r.coupon_id)
	UNION ALL
	SELECT h.offer_id, format('hold %s is of a coupon that is gone', h.hold_id)
	FROM cms.hold h JOIN offer o ON o.org_id = h.org_id AND o.offer_id = h.offer_id
	WHERE h.status = 'HELD' AND NOT EXISTS (SELECT FROM coupon c WHERE c.coupon_id = h.coupon_id)
	UNION ALL
	SELECT c.offer_id, 'a coupon without its offer' FROM coupon c
	WHERE NOT EXISTS (SELECT FROM offer o WHERE o.offer_id = c.offer_id)
)
SELECT o.code, p.problem FROM problem p LEFT JOIN offer o USING (offer_id) ORDER BY 1, 2
$$;
