-- The usual read, compare, write, on tables like those of peer: quick to write, and wrong under load.
CREATE SCHEMA naive;
CREATE SEQUENCE naive.redemption_id_seq CACHE 32;
CREATE TABLE naive.offer (LIKE peer.offer INCLUDING ALL);
CREATE TABLE naive.offer_counter (LIKE peer.offer_counter INCLUDING ALL) WITH (fillfactor = 40);
CREATE TABLE naive.coupon (LIKE peer.coupon INCLUDING ALL) WITH (fillfactor = 90);
CREATE TABLE naive.redemption (LIKE peer.redemption INCLUDING ALL) WITH (fillfactor = 90);

INSERT INTO naive.offer SELECT * FROM peer.offer;
INSERT INTO naive.offer_counter SELECT * FROM peer.offer_counter;
INSERT INTO naive.redemption SELECT * FROM peer.redemption;

CREATE FUNCTION naive.redeem(
	p_code text, p_customer text, p_bill numeric, p_bill_ref text, p_at timestamptz DEFAULT now(), p_org int DEFAULT NULL,
	OUT redeemed boolean, OUT reason text, OUT redemption_id bigint, OUT discount numeric)
	LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	redeemed := false;
	SELECT k.coupon_id, k.offer_id, k.customer_id, k.issued_at, k.expires_at, k.uses, k.revoked_at,
		o.starts_at, o.ends_at, o.discount_type, o.discount_value, o.discount_cap, o.min_bill, o.max_bill,
		o.anyone_may_redeem, o.max_uses_per_coupon, o.max_uses_per_customer, o.max_redemptions, o.max_discount_total,
		n.uses AS offer_uses, n.discount AS offer_discount
	INTO c
	FROM naive.coupon k
		JOIN naive.offer o ON o.org_id = k.org_id AND o.offer_id = k.offer_id
		JOIN naive.offer_counter n ON n.org_id = k.org_id AND n.offer_id = k.offer_id
	WHERE k.org_id = p_org AND k.code = upper(btrim(p_code));

	discount := LEAST(CASE c.discount_type WHEN 'PERCENTAGE' THEN round(p_bill * c.discount_value / 100, 2)
		ELSE c.discount_value END, c.discount_cap, p_bill);
	IF c.coupon_id IS NULL OR c.revoked_at IS NOT NULL OR c.issued_at IS NULL THEN
		reason := 'CODE_NOT_FOUND';
	ELSIF p_at >= c.ends_at OR p_at >= c.expires_at OR p_at < c.starts_at THEN
		reason := 'EXPIRED';
	ELSIF NOT c.anyone_may_redeem AND c.customer_id IS DISTINCT FROM p_customer THEN
		reason := 'NOT_THE_HOLDER';
	ELSIF c.uses >= c.max_uses_per_coupon THEN
		reason := 'COUPON_LIMIT';
	ELSIF p_bill < c.min_bill OR p_bill > c.max_bill THEN
		reason := 'BILL';
	ELSIF c.max_uses_per_customer IS NOT NULL AND
		(SELECT count(*) FROM naive.redemption r WHERE r.org_id = p_org AND r.customer_id = p_customer
			AND r.offer_id = c.offer_id AND r.reversed_at IS NULL) >= c.max_uses_per_customer THEN
		reason := 'CUSTOMER_LIMIT';
	ELSIF c.offer_uses >= c.max_redemptions THEN
		reason := 'OFFER_LIMIT';
	ELSIF c.offer_discount + discount > c.max_discount_total THEN
		reason := 'BUDGET_SPENT';
	END IF;
	IF reason IS NOT NULL THEN
		RETURN;
	END IF;
	redemption_id := nextval('naive.redemption_id_seq');
	INSERT INTO naive.redemption (org_id, redemption_id, offer_id, coupon_id, customer_id, bill_ref, bill_amount, discount,
		redeemed_at)
	VALUES (p_org, redemption_id, c.offer_id, c.coupon_id, p_customer, p_bill_ref, p_bill, discount, p_at);
	UPDATE naive.coupon k SET uses = k.uses + 1, last_redeemed_at = p_at
	WHERE k.org_id = p_org AND k.coupon_id = c.coupon_id;
	UPDATE naive.offer_counter n SET uses = n.uses + 1, discount = n.discount + redeem.discount
	WHERE n.org_id = p_org AND n.offer_id = c.offer_id;
	redeemed := true;
END
$$;
