-- What a marketing team sees around its offers: series and dashboard.

CREATE TYPE cms.cms_series_result AS (
	offer_id bigint, offer_code text, name text, pos_code text,
	discount_type text, discount_value numeric, discount_cap numeric, discount text,
	starts_on date, expires_on date, min_bill numeric, code_method text, delivery text, store_scope text,
	entity_type text, entity_ids text[]);
COMMENT ON TYPE cms.cms_series_result IS 'Row of cms_series: a running offer.';
COMMENT ON COLUMN cms.cms_series_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_series_result.offer_code IS 'Its offer code.';
COMMENT ON COLUMN cms.cms_series_result.name IS 'Its name.';
COMMENT ON COLUMN cms.cms_series_result.pos_code IS 'What the tills call it.';
COMMENT ON COLUMN cms.cms_series_result.discount_type IS 'FIXED_AMOUNT or PERCENTAGE.';
COMMENT ON COLUMN cms.cms_series_result.discount_value IS 'Amount in the org''s currency, or per cent.';
COMMENT ON COLUMN cms.cms_series_result.discount_cap IS 'Largest discount of one redemption; NULL: none.';
COMMENT ON COLUMN cms.cms_series_result.discount IS 'The discount for people.';
COMMENT ON COLUMN cms.cms_series_result.starts_on IS 'Day from which its coupons are redeemable; NULL: at once.';
COMMENT ON COLUMN cms.cms_series_result.expires_on IS 'Its last day in the org''s zone; NULL: none.';
COMMENT ON COLUMN cms.cms_series_result.min_bill IS 'Smallest bill amount; NULL: any.';
COMMENT ON COLUMN cms.cms_series_result.code_method IS 'How its codes are made.';
COMMENT ON COLUMN cms.cms_series_result.delivery IS 'INTERNAL or THIRD_PARTY.';
COMMENT ON COLUMN cms.cms_series_result.store_scope IS 'ANY_STORE or SELECTED_STORES.';
COMMENT ON COLUMN cms.cms_series_result.entity_type IS 'The type that was asked for; NULL: none.';
COMMENT ON COLUMN cms.cms_series_result.entity_ids IS 'Those of the ids asked for that it is tagged to, sorted; with resolve those that lie in a place it is tagged to.';

CREATE FUNCTION cms.cms_series(
	entity_type text DEFAULT NULL, entity_ids text[] DEFAULT NULL, resolve boolean DEFAULT false,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_series_result
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_series';
COMMENT ON FUNCTION cms.cms_series(text, text[], boolean, timestamptz, int) IS
'The running offers (F45): neither archived nor ended, in the order of their ids; no customer is
needed. Without entity_type every one; with TILL, STORE, ZONE or CONCEPT and ids only those tagged
directly to one of the ids: a zone does not bring offers of its stores, offers without tags
(ANY_STORE) are left out, an unknown id brings nothing. resolve => true goes upwards: a till also
brings the offers of its store, zone and concept.
Errors: 22023 another entity_type, two at once included; 22004 ids without a type, or a type without
ids.';

CREATE TYPE cms.cms_offers_result AS (
	offer_id bigint, offer_code text, name text, pos_code text, code_method text, discount_type text, discount text,
	expiry_type text, expires_on date, status text,
	owner_service text, owner_ref text, service text, consumer_ref text, consumer_name text, claimable boolean,
	issued bigint, redeemed bigint, uses bigint, redemption_rate numeric,
	created_by text, created_at timestamptz, modified_by text, modified_at timestamptz, page_key text);
COMMENT ON TYPE cms.cms_offers_result IS 'Row of cms_offers: an offer on the dashboard.';
COMMENT ON COLUMN cms.cms_offers_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_offers_result.offer_code IS 'Its offer code.';
COMMENT ON COLUMN cms.cms_offers_result.name IS 'Its name.';
COMMENT ON COLUMN cms.cms_offers_result.pos_code IS 'What the tills call it.';
COMMENT ON COLUMN cms.cms_offers_result.code_method IS 'How its codes are made.';
COMMENT ON COLUMN cms.cms_offers_result.discount_type IS 'FIXED_AMOUNT or PERCENTAGE.';
COMMENT ON COLUMN cms.cms_offers_result.discount IS 'The discount for people.';
COMMENT ON COLUMN cms.cms_offers_result.expiry_type IS 'FIXED_DATE or WITH_CAMPAIGN.';
COMMENT ON COLUMN cms.cms_offers_result.expires_on IS 'Its last day; NULL: none.';
COMMENT ON COLUMN cms.cms_offers_result.status IS 'ARCHIVED, ENDED or ACTIVE at the time of the request.';
COMMENT ON COLUMN cms.cms_offers_result.owner_service IS 'Service inside which it was made; NULL: centrally.';
COMMENT ON COLUMN cms.cms_offers_result.owner_ref IS 'Campaign or program of owner_service that alone sees it.';
COMMENT ON COLUMN cms.cms_offers_result.service IS 'Service that uses it; NULL: nobody claimed it.';
COMMENT ON COLUMN cms.cms_offers_result.consumer_ref IS 'Campaign or program that uses it.';
COMMENT ON COLUMN cms.cms_offers_result.consumer_name IS 'Name of that campaign or program.';
COMMENT ON COLUMN cms.cms_offers_result.claimable IS 'Whether cms_claim would give it to the service and consumer_ref that were passed; without a service: whether it is free to be claimed by whoever sees it.';
COMMENT ON COLUMN cms.cms_offers_result.issued IS 'Coupons issued, revoked ones counted.';
COMMENT ON COLUMN cms.cms_offers_result.redeemed IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.cms_offers_result.uses IS 'Live uses.';
COMMENT ON COLUMN cms.cms_offers_result.redemption_rate IS 'redeemed / issued; NULL when nothing is issued.';
COMMENT ON COLUMN cms.cms_offers_result.created_by IS 'Who created it.';
COMMENT ON COLUMN cms.cms_offers_result.created_at IS 'When.';
COMMENT ON COLUMN cms.cms_offers_result.modified_by IS 'Who changed it last.';
COMMENT ON COLUMN cms.cms_offers_result.modified_at IS 'When.';
COMMENT ON COLUMN cms.cms_offers_result.page_key IS 'Its place in the sorting: passed as "after_key" it gives the rows that follow.';

CREATE FUNCTION cms.cms_offers(
	search text DEFAULT NULL, active_only boolean DEFAULT false, sort text DEFAULT 'MODIFIED',
	service text DEFAULT NULL, consumer_ref text DEFAULT NULL, claimable boolean DEFAULT false,
	how_many int DEFAULT 100, after_key text DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_offers_result
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_offers';
COMMENT ON FUNCTION cms.cms_offers(text, boolean, text, text, text, boolean, int, text, timestamptz, int) IS
'The offers of the org, the newest first, with their numbers from counters (F4, F6). search: part of
the name in any case and language; % and _ are ordinary characters. active_only: neither archived
nor ended. sort: MODIFIED or CREATED. service, consumer_ref: only offers visible there: made
centrally, or inside that service and, where they name one, that campaign or program. claimable:
only those whose column claimable is true. Pages: how_many rows (1 to 10,000), then those after the
page_key of the last one.
Errors: 22004 and 22023 arguments.';
