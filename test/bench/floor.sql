-- The least that any system would have to do: the very columns and indexes of cms, no rule, no counter.
-- And the least of the least: two tables of three columns with nothing but a primary key each.
CREATE SCHEMA floor;
CREATE TABLE floor.coupon (LIKE cms.coupon INCLUDING ALL);
CREATE TABLE floor.redemption (LIKE cms.redemption INCLUDING ALL);
-- beyond the coupons that are copied from cms
CREATE SEQUENCE floor.coupon_id_seq START 1000000000000 CACHE 32;
CREATE SEQUENCE floor.redemption_id_seq CACHE 32;

-- LIKE leaves out how full pages are made.
DO $$
DECLARE
	option text;
	name text;
BEGIN
	FOR name, option IN
		SELECT c.relname, o FROM pg_class c CROSS JOIN unnest(c.reloptions) o
		WHERE c.oid IN ('cms.coupon'::regclass, 'cms.redemption'::regclass)
	LOOP
		EXECUTE format('ALTER TABLE floor.%I SET (%s)', name, option);
	END LOOP;
END
$$;

CREATE SCHEMA bare;
CREATE TABLE bare.coupon (code text COLLATE "C" PRIMARY KEY, uses int NOT NULL, redeemed_at timestamptz) WITH (fillfactor = 90);
CREATE SEQUENCE bare.redemption_id_seq CACHE 32;
CREATE TABLE bare.redemption (redemption_id bigint PRIMARY KEY, code text COLLATE "C" NOT NULL, redeemed_at timestamptz NOT NULL);
