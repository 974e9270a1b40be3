-- The data set as it comes, one table per file, and the roles that work with it.

CREATE ROLE replay_admin LOGIN IN ROLE cms_admin;
CREATE ROLE replay_manager LOGIN IN ROLE cms_manager;
CREATE ROLE replay_issuer LOGIN IN ROLE cms_issuer;
CREATE ROLE replay_redeemer LOGIN IN ROLE cms_redeemer;
CREATE ROLE replay_analyst LOGIN IN ROLE cms_analyst;

CREATE SCHEMA replay;
GRANT USAGE ON SCHEMA replay TO replay_admin, replay_manager, replay_issuer, replay_redeemer, replay_analyst;

CREATE TABLE replay.campaign (campaign_id text PRIMARY KEY, campaign_type text, start_date date, end_date date);
CREATE TABLE replay.household (campaign_id text, household_id text, PRIMARY KEY (campaign_id, household_id));
CREATE TABLE replay.coupon_product (coupon_upc text, product_id text, campaign_id text);
CREATE TABLE replay.redemption (household_id text, coupon_upc text, campaign_id text, day date,
	seq int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE replay.product_case (seq int, household_id text, coupon_upc text, campaign_id text, day date,
	store_id text, basket_id text, product_id text, department text, brand text, product_category text,
	sales_value numeric, expected text);
CREATE TABLE replay.basket (seq int, household_id text, coupon_upc text, campaign_id text, day date,
	bought_at timestamp, store_id text, basket_id text, product_id text, quantity int, sales_value numeric,
	coupon_disc numeric, coupon_match_disc numeric);

-- what becomes of them
CREATE TABLE replay.offer (campaign_id text, coupon_upc text, offer_id bigint PRIMARY KEY, start_date date,
	UNIQUE (campaign_id, coupon_upc));
CREATE TABLE replay.issued (offer_id bigint, customer_id text, reason text, coupon_id bigint, code text,
	valid_from timestamptz, expires_at timestamptz);
CREATE TABLE replay.redeemed (seq int, redeemed boolean, reason text, coupon_id bigint, discount numeric,
	payable numeric, uses_left int, replayed boolean);
CREATE VIEW replay.pair AS SELECT DISTINCT campaign_id, coupon_upc FROM replay.coupon_product;

GRANT SELECT ON ALL TABLES IN SCHEMA replay TO replay_manager, replay_issuer, replay_redeemer, replay_analyst;
GRANT INSERT ON replay.offer TO replay_manager;
GRANT INSERT ON replay.issued TO replay_issuer;
GRANT INSERT ON replay.redeemed TO replay_redeemer;
