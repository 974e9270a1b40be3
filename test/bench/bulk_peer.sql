-- The job of cms_issue_all as a good team would write it in PL/pgSQL, set-based and in batches that commit, and row by row
-- as most do; on tables with the columns and indexes of cms. Codes are of random(), which can be foretold.
CREATE SCHEMA peer;
CREATE SEQUENCE peer.coupon_id_seq CACHE 32;
CREATE TABLE peer.coupon (LIKE cms.coupon INCLUDING ALL);
ALTER TABLE peer.coupon SET (fillfactor = 90);
CREATE TABLE peer.counter (offer_id bigint PRIMARY KEY, issued bigint NOT NULL DEFAULT 0);
INSERT INTO peer.counter SELECT generate_series(1, 2);

CREATE FUNCTION peer.code() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT string_agg(substr('23456789ABCDEFGHJKMNPQRSTUVWXYZ', 1 + floor(random() * 31)::int, 1), '') FROM generate_series(1, 12)
$$;

CREATE PROCEDURE peer.issue_all(offer bigint, batch int) LANGUAGE plpgsql AS $$
DECLARE
	after text := '';
	customers text[];
	given bigint;
BEGIN
	LOOP
		SELECT array_agg(id ORDER BY id) INTO customers
		FROM (SELECT id FROM public.customer WHERE id > after ORDER BY id LIMIT batch) c;
		EXIT WHEN customers IS NULL;
		after := customers[array_upper(customers, 1)];
		INSERT INTO peer.coupon (org_id, coupon_id, offer_id, code, customer_id, nth, issued_at)
		SELECT 1, nextval('peer.coupon_id_seq'), offer, peer.code(), u.id, 1, now() FROM unnest(customers) u (id)
		WHERE NOT EXISTS (SELECT FROM peer.coupon c WHERE c.org_id = 1 AND c.customer_id = u.id AND c.offer_id = offer)
		ON CONFLICT DO NOTHING;
		GET DIAGNOSTICS given = ROW_COUNT;
		UPDATE peer.counter SET issued = issued + given WHERE offer_id = offer;
		COMMIT;
	END LOOP;
END
$$;

CREATE PROCEDURE peer.issue_each(offer bigint, how_many int) LANGUAGE plpgsql AS $$
DECLARE
	customer text;
BEGIN
	FOR customer IN SELECT id FROM public.customer ORDER BY id LIMIT how_many LOOP
		IF NOT EXISTS (SELECT FROM peer.coupon c WHERE c.org_id = 1 AND c.customer_id = customer AND c.offer_id = offer) THEN
			INSERT INTO peer.coupon (org_id, coupon_id, offer_id, code, customer_id, nth, issued_at)
			VALUES (1, nextval('peer.coupon_id_seq'), offer, peer.code(), customer, 1, now());
			UPDATE peer.counter SET issued = issued + 1 WHERE offer_id = offer;
		END IF;
	END LOOP;
END
$$;
