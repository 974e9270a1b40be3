-- A group of coupons to redeem: an org of that name with :offers offers, and coupons of the codes B1, B2, … for
-- the customers c1, c2, …, dealt out to the offers in turn; the same for each of its rivals.
CREATE SCHEMA bench;

CREATE PROCEDURE bench.make_group(
	name text, offers int, coupons bigint, rivals text[], max_redemptions bigint DEFAULT NULL,
	max_uses_per_customer int DEFAULT NULL, max_issued_per_customer int DEFAULT NULL, anyone boolean DEFAULT false)
	LANGUAGE plpgsql AS $$
DECLARE
	org int;
	first bigint;
BEGIN
	INSERT INTO cms.org (name) VALUES (make_group.name) RETURNING org_id INTO org;
	INSERT INTO cms.offer (org_id, name, expires_on, discount_type, discount_value, discount_cap, min_bill,
		max_redemptions, max_uses_per_customer, max_issued_per_customer, anyone_may_redeem)
	SELECT org, make_group.name || ' ' || n, current_date + 365, 'PERCENTAGE', 10, 500, 50,
		make_group.max_redemptions, make_group.max_uses_per_customer, make_group.max_issued_per_customer, anyone
	FROM generate_series(1, offers) n;
	SELECT min(o.offer_id) INTO first FROM cms.offer o WHERE o.org_id = org;

	-- One coupon each is issued, so that the counters are made as the extension makes them; what is written past it is
	-- added to them, with triggers off, for counters are written by the actions only.
	PERFORM count(*) FROM cms.offer o CROSS JOIN LATERAL cms.cms_issue(o.offer_id, 'seed', org => org) i
	WHERE o.org_id = org;
	INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, customer_id, nth, issued_at)
	SELECT org, nextval('cms.coupon_id_seq'), first + n % offers, 'B' || n, 'c' || n, 1, now()
	FROM generate_series(1, coupons) n;
	SET LOCAL session_replication_role = replica;
	UPDATE cms.offer_slot s
	SET issued = s.issued + c.coupons
	FROM (SELECT c.offer_id, count(*) FILTER (WHERE c.customer_id <> 'seed') AS coupons
		FROM cms.coupon c WHERE c.org_id = org GROUP BY c.offer_id) c
	WHERE s.org_id = org AND s.offer_id = c.offer_id AND s.slot = 0;
	SET LOCAL session_replication_role = origin;

	IF 'floor' = ANY (rivals) THEN
		INSERT INTO floor.coupon SELECT * FROM cms.coupon c WHERE c.org_id = org ORDER BY c.coupon_id;
	END IF;
	IF 'bare' = ANY (rivals) THEN
		INSERT INTO bare.coupon SELECT c.code, 0, NULL FROM cms.coupon c WHERE c.org_id = org ORDER BY c.coupon_id;
	END IF;
	IF 'peer' = ANY (rivals) THEN
		INSERT INTO peer.offer (org_id, offer_id, name, status, ends_at, discount_type, discount_value, discount_cap,
			min_bill, max_bill, anyone_may_redeem, max_uses_per_coupon, max_uses_per_customer, max_redemptions,
			max_discount_total, max_issued, max_issued_per_customer)
		SELECT o.org_id, o.offer_id, o.name, o.status, o.expires_on + 1, o.discount_type, o.discount_value, o.discount_cap,
			o.min_bill, o.max_bill, o.anyone_may_redeem, o.max_uses_per_coupon, o.max_uses_per_customer, o.max_redemptions,
			o.max_discount_total, o.max_issued, o.max_issued_per_customer
		FROM cms.offer o WHERE o.org_id = org;
		INSERT INTO peer.coupon (org_id, coupon_id, offer_id, code, customer_id, issued_at)
		SELECT c.org_id, nextval('peer.coupon_id_seq'), c.offer_id, c.code, c.customer_id, c.issued_at
		FROM cms.coupon c WHERE c.org_id = org ORDER BY c.coupon_id;
		INSERT INTO peer.offer_counter (org_id, offer_id, issued)
		SELECT c.org_id, c.offer_id, count(*) FROM peer.coupon c WHERE c.org_id = org GROUP BY c.org_id, c.offer_id;
	END IF;
	IF 'naive' = ANY (rivals) THEN
		INSERT INTO naive.offer SELECT * FROM peer.offer o WHERE o.org_id = org;
		INSERT INTO naive.coupon SELECT * FROM peer.coupon c WHERE c.org_id = org ORDER BY c.coupon_id;
		INSERT INTO naive.offer_counter SELECT * FROM peer.offer_counter n WHERE n.org_id = org;
	END IF;
END
$$;
