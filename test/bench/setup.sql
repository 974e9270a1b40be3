-- Coupons to redeem, in an order that is neither that of their ids nor of their codes.
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench;
CREATE EXTENSION IF NOT EXISTS cms;
CREATE SEQUENCE bench.place CACHE 1;
CREATE SEQUENCE bench.floor_place CACHE 1;
CREATE SEQUENCE bench.customer;

INSERT INTO cms.org (name) VALUES ('bench') RETURNING org_id \gset
INSERT INTO cms.offer (org_id, name, discount_type, discount_value, max_issued_per_customer)
	VALUES (:org_id, 'bench', 'PERCENTAGE', 10, 1) RETURNING offer_id \gset
CREATE TABLE bench.setting AS SELECT :org_id AS org_id, :offer_id::bigint AS offer_id;

CREATE TABLE bench.coupon AS
	SELECT row_number() OVER (ORDER BY md5(i.code)) AS place, i.code, i.customer_id
	FROM cms.cms_issue_many(:offer_id, (SELECT array_agg('c' || n) FROM generate_series(1, :total) n), org => :org_id) i;
ALTER TABLE bench.coupon ADD PRIMARY KEY (place);

-- the floor: a row found by key and updated, a row inserted, or a row found
CREATE TABLE bench.floor_coupon WITH (fillfactor = 90) AS SELECT place, code, customer_id, 0 AS uses FROM bench.coupon;
ALTER TABLE bench.floor_coupon ADD PRIMARY KEY (place);
CREATE UNIQUE INDEX ON bench.floor_coupon (code);
CREATE TABLE bench.floor_use (place bigint PRIMARY KEY, customer_id text, bill_ref text, amount numeric, at timestamptz);
CREATE TABLE bench.floor_issue (code text PRIMARY KEY, customer_id text UNIQUE, at timestamptz);
VACUUM ANALYZE;
