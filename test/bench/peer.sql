-- The same rules as a good team would write them in PL/pgSQL: right at every moment, with locks of rows, one
-- counter row per offer (which the dashboard and the caps need), and no more look-ups than the offer asks for.
-- Like cms it has no foreign keys on the large tables, room for HOT updates and cached sequences.
CREATE SCHEMA peer;
CREATE SEQUENCE peer.coupon_id_seq CACHE 32;
CREATE SEQUENCE peer.redemption_id_seq CACHE 32;

CREATE TABLE peer.offer (
	org_id        int     NOT NULL,
	offer_id      bigint  NOT NULL,
	name          text    NOT NULL,
	status        text    NOT NULL,
	starts_at     timestamptz,
	ends_at       timestamptz,
	time_zone     text    NOT NULL DEFAULT 'UTC',
	discount_type text    NOT NULL,
	discount_value numeric NOT NULL,
	discount_cap  numeric,
	min_bill      numeric,
	max_bill      numeric,
	anyone_may_redeem boolean NOT NULL,
	selected_stores boolean NOT NULL DEFAULT false,
	has_windows   boolean NOT NULL DEFAULT false,
	max_uses_per_coupon int,
	max_uses_per_customer int,
	max_redemptions bigint,
	max_discount_total numeric,
	max_issued    bigint,
	max_issued_per_customer int,
	PRIMARY KEY (org_id, offer_id)
);
CREATE TABLE peer.offer_store (
	org_id int, offer_id bigint, store_id text, PRIMARY KEY (org_id, offer_id, store_id));
CREATE TABLE peer.offer_window (
	org_id int, offer_id bigint, weekday int, opens time, closes time, PRIMARY KEY (org_id, offer_id, weekday, opens));
CREATE TABLE peer.offer_counter (
	org_id   int     NOT NULL,
	offer_id bigint  NOT NULL,
	issued   bigint  NOT NULL DEFAULT 0,
	uses     bigint  NOT NULL DEFAULT 0,
	discount numeric NOT NULL DEFAULT 0,
	PRIMARY KEY (org_id, offer_id)
) WITH (fillfactor = 40);
CREATE TABLE peer.coupon (
	org_id      int    NOT NULL,
	coupon_id   bigint NOT NULL,
	offer_id    bigint NOT NULL,
	code        text COLLATE "C" NOT NULL,
	customer_id text COLLATE "C",
	issued_at   timestamptz,
	expires_at  timestamptz,
	uses        int    NOT NULL DEFAULT 0,
	last_redeemed_at timestamptz,
	revoked_at  timestamptz,
	PRIMARY KEY (org_id, coupon_id)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX ON peer.coupon (org_id, code);
CREATE INDEX ON peer.coupon (org_id, customer_id, offer_id);
CREATE TABLE peer.redemption (
	org_id        int     NOT NULL,
	redemption_id bigint  NOT NULL,
	offer_id      bigint  NOT NULL,
	coupon_id     bigint  NOT NULL,
	customer_id   text COLLATE "C",
	bill_ref      text COLLATE "C" NOT NULL,
	bill_amount   numeric NOT NULL,
	discount      numeric NOT NULL,
	store_id      text,
	till_id       text,
	redeemed_at   timestamptz NOT NULL,
	recorded_at   timestamptz NOT NULL DEFAULT now(),
	recorded_by   text    NOT NULL DEFAULT current_user,
	uses_left     int,
	reversed_at   timestamptz,
	PRIMARY KEY (org_id, redemption_id),
	UNIQUE (org_id, coupon_id, bill_ref)
) WITH (fillfactor = 90);
CREATE INDEX ON peer.redemption (org_id, customer_id, offer_id);

-- Other brands have offers and past redemptions too, so that no plan is made for empty tables.
INSERT INTO peer.offer (org_id, offer_id, name, status, discount_type, discount_value, anyone_may_redeem)
SELECT 0, n, 'other', 'ACTIVE', 'PERCENTAGE', 10, true FROM generate_series(1, 1000) n;
INSERT INTO peer.offer_counter (org_id, offer_id) SELECT 0, n FROM generate_series(1, 1000) n;
INSERT INTO peer.redemption (org_id, redemption_id, offer_id, coupon_id, customer_id, bill_ref, bill_amount, discount, redeemed_at)
SELECT 0, n, n % 1000, n, 'c' || n, 'bill', 100, 10, now() FROM generate_series(1, 20000) n;

CREATE FUNCTION peer.redeem(
	p_code text, p_customer text, p_bill numeric, p_bill_ref text, p_store text DEFAULT NULL,
	p_till text DEFAULT NULL, p_at timestamptz DEFAULT now(), p_org int DEFAULT NULL,
	OUT redeemed boolean, OUT reason text, OUT redemption_id bigint, OUT offer_id bigint, OUT coupon_id bigint,
	OUT discount numeric, OUT payable numeric, OUT uses_left int, OUT replayed boolean)
	LANGUAGE plpgsql AS $$
DECLARE
	c record;
	before record;
	local timestamp;
BEGIN
	redeemed := false;
	replayed := false;
	IF p_bill IS NULL OR p_bill < 0 OR p_bill = 'NaN' THEN
		RAISE 'the amount of the bill is missing or wrong' USING ERRCODE = '22023';
	END IF;
	IF p_bill_ref IS NULL THEN
		reason := 'BILL_REFERENCE_REQUIRED';
		RETURN;
	END IF;

	SELECT k.coupon_id, k.offer_id, k.customer_id, k.issued_at, k.expires_at, k.uses, k.last_redeemed_at, k.revoked_at,
		o.starts_at, o.ends_at, o.time_zone, o.discount_type, o.discount_value, o.discount_cap, o.min_bill, o.max_bill,
		o.anyone_may_redeem, o.selected_stores, o.has_windows, o.max_uses_per_coupon, o.max_uses_per_customer,
		o.max_redemptions, o.max_discount_total
	INTO c
	FROM peer.coupon k JOIN peer.offer o ON o.org_id = k.org_id AND o.offer_id = k.offer_id
	WHERE k.org_id = p_org AND k.code = upper(btrim(p_code))
	FOR UPDATE OF k;
	IF NOT FOUND THEN
		reason := 'CODE_NOT_FOUND';
		RETURN;
	END IF;
	offer_id := c.offer_id;
	coupon_id := c.coupon_id;

	IF c.last_redeemed_at IS NOT NULL THEN
		SELECT r.redemption_id, r.customer_id, r.bill_amount, r.store_id, r.till_id, r.discount, r.uses_left, r.reversed_at
		INTO before
		FROM peer.redemption r
		WHERE r.org_id = p_org AND r.coupon_id = c.coupon_id AND r.bill_ref = p_bill_ref;
		IF FOUND THEN
			IF (before.customer_id, before.bill_amount, before.store_id, before.till_id)
				IS DISTINCT FROM (p_customer, p_bill, p_store, p_till) THEN
				reason := 'BILL_CONFLICT';
			ELSIF before.reversed_at IS NOT NULL THEN
				reason := 'ALREADY_REVERSED';
			ELSE
				redeemed := true;
				replayed := true;
				redemption_id := before.redemption_id;
				discount := before.discount;
				payable := p_bill - before.discount;
				uses_left := before.uses_left;
			END IF;
			RETURN;
		END IF;
	END IF;

	IF c.revoked_at IS NOT NULL THEN
		reason := 'COUPON_REVOKED';
	ELSIF c.issued_at IS NULL THEN
		reason := 'NOT_ISSUED';
	ELSIF p_at >= c.ends_at THEN
		reason := 'OFFER_EXPIRED';
	ELSIF p_at >= c.expires_at THEN
		reason := 'COUPON_EXPIRED';
	ELSIF p_at < c.starts_at THEN
		reason := 'NOT_STARTED';
	ELSIF NOT c.anyone_may_redeem AND c.customer_id IS DISTINCT FROM p_customer THEN
		reason := 'NOT_THE_HOLDER';
	ELSIF c.uses >= c.max_uses_per_coupon THEN
		reason := 'COUPON_LIMIT';
	ELSIF p_bill < c.min_bill THEN
		reason := 'BILL_TOO_SMALL';
	ELSIF p_bill > c.max_bill THEN
		reason := 'BILL_TOO_LARGE';
	ELSIF c.selected_stores AND NOT EXISTS (SELECT FROM peer.offer_store s
			WHERE s.org_id = p_org AND s.offer_id = c.offer_id AND s.store_id = p_store) THEN
		reason := 'STORE_NOT_ALLOWED';
	ELSIF c.has_windows THEN
		local := p_at AT TIME ZONE c.time_zone;
		IF NOT EXISTS (SELECT FROM peer.offer_window w
			WHERE w.org_id = p_org AND w.offer_id = c.offer_id AND w.weekday = extract(isodow FROM local)
			  AND local::time >= w.opens AND local::time < w.closes) THEN
			reason := 'TIME_NOT_ALLOWED';
		END IF;
	END IF;
	IF reason IS NOT NULL THEN
		RETURN;
	END IF;
	IF c.max_uses_per_customer IS NOT NULL THEN
		-- two coupons of one customer at once
		PERFORM pg_advisory_xact_lock(hashtextextended(p_customer, c.offer_id));
		IF (SELECT count(*) FROM peer.redemption r WHERE r.org_id = p_org AND r.customer_id = p_customer
				AND r.offer_id = c.offer_id AND r.reversed_at IS NULL) >= c.max_uses_per_customer THEN
			reason := 'CUSTOMER_LIMIT';
			RETURN;
		END IF;
	END IF;

	IF c.discount_type = 'PERCENTAGE' THEN
		discount := round(p_bill * c.discount_value / 100, 2);
	ELSE
		discount := c.discount_value;
	END IF;
	discount := LEAST(discount, c.discount_cap, p_bill);
	payable := p_bill - discount;
	uses_left := c.max_uses_per_coupon - c.uses - 1;

	-- the row everybody waits for, as late as a refusal without undoing anything allows
	UPDATE peer.offer_counter n SET uses = n.uses + 1, discount = n.discount + redeem.discount
	WHERE n.org_id = p_org AND n.offer_id = c.offer_id
	  AND (c.max_redemptions IS NULL OR n.uses < c.max_redemptions)
	  AND (c.max_discount_total IS NULL OR n.discount + redeem.discount <= c.max_discount_total);
	IF NOT FOUND THEN
		reason := CASE WHEN (SELECT n.uses >= c.max_redemptions FROM peer.offer_counter n
			WHERE n.org_id = p_org AND n.offer_id = c.offer_id) THEN 'OFFER_LIMIT' ELSE 'BUDGET_SPENT' END;
		RETURN;
	END IF;
	redemption_id := nextval('peer.redemption_id_seq');
	INSERT INTO peer.redemption (org_id, redemption_id, offer_id, coupon_id, customer_id, bill_ref, bill_amount, discount,
		store_id, till_id, redeemed_at, uses_left)
	VALUES (p_org, redemption_id, c.offer_id, c.coupon_id, p_customer, p_bill_ref, p_bill, discount,
		p_store, p_till, p_at, uses_left);
	UPDATE peer.coupon k SET uses = k.uses + 1, last_redeemed_at = p_at
	WHERE k.org_id = p_org AND k.coupon_id = c.coupon_id;
	redeemed := true;
END
$$;

-- 12 characters out of 32, each from a random byte of its own; those with the marks of the UUID are left out.
CREATE FUNCTION peer.issue(
	p_offer bigint, p_customer text, p_at timestamptz DEFAULT now(), p_org int DEFAULT NULL,
	OUT issued boolean, OUT reason text, OUT coupon_id bigint, OUT code text, OUT expires_at timestamptz)
	LANGUAGE plpgsql AS $$
DECLARE
	letters CONSTANT text := 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
	o record;
	b bytea;
BEGIN
	issued := false;
	SELECT f.status, f.ends_at, f.max_issued, f.max_issued_per_customer INTO o
	FROM peer.offer f WHERE f.org_id = p_org AND f.offer_id = p_offer;
	IF NOT FOUND THEN
		RAISE 'no such offer';
	ELSIF o.status <> 'ACTIVE' THEN
		reason := 'OFFER_ARCHIVED';
	ELSIF p_at >= o.ends_at THEN
		reason := 'OFFER_EXPIRED';
	ELSIF o.max_issued_per_customer IS NOT NULL THEN
		PERFORM pg_advisory_xact_lock(hashtextextended(p_customer, p_offer));
		IF (SELECT count(*) FROM peer.coupon k WHERE k.org_id = p_org AND k.customer_id = p_customer
				AND k.offer_id = p_offer) >= o.max_issued_per_customer THEN
			reason := 'CUSTOMER_ISSUE_LIMIT';
		END IF;
	END IF;
	IF reason IS NOT NULL THEN
		RETURN;
	END IF;
	UPDATE peer.offer_counter n SET issued = n.issued + 1
	WHERE n.org_id = p_org AND n.offer_id = p_offer AND (o.max_issued IS NULL OR n.issued < o.max_issued);
	IF NOT FOUND THEN
		reason := 'OFFER_ISSUE_LIMIT';
		RETURN;
	END IF;
	coupon_id := nextval('peer.coupon_id_seq');
	LOOP
		b := uuid_send(gen_random_uuid());
		code := substr(letters, 1 + (get_byte(b, 0) & 31), 1) || substr(letters, 1 + (get_byte(b, 1) & 31), 1)
			|| substr(letters, 1 + (get_byte(b, 2) & 31), 1) || substr(letters, 1 + (get_byte(b, 3) & 31), 1)
			|| substr(letters, 1 + (get_byte(b, 4) & 31), 1) || substr(letters, 1 + (get_byte(b, 5) & 31), 1)
			|| substr(letters, 1 + (get_byte(b, 9) & 31), 1) || substr(letters, 1 + (get_byte(b, 10) & 31), 1)
			|| substr(letters, 1 + (get_byte(b, 11) & 31), 1) || substr(letters, 1 + (get_byte(b, 12) & 31), 1)
			|| substr(letters, 1 + (get_byte(b, 13) & 31), 1) || substr(letters, 1 + (get_byte(b, 14) & 31), 1);
		INSERT INTO peer.coupon (org_id, coupon_id, offer_id, code, customer_id, issued_at)
		VALUES (p_org, coupon_id, p_offer, code, p_customer, p_at)
		ON CONFLICT DO NOTHING;
		EXIT WHEN FOUND;
	END LOOP;
	issued := true;
END
$$;
