-- Everything about one offer.

CREATE TYPE cms.cms_offer_info_result AS (
	offer_id bigint, offer_code text, name text, pos_code text, status text, configuration text,
	discount text, expiry_type text, expires_on date, ends_at timestamptz, code_method text, codes_left numeric,
	owner_service text, owner_ref text, service text, consumer_ref text, consumer_name text,
	claim_ends_on date, claimed_by text, claimed_at timestamptz,
	issued bigint, redeemed bigint, uses bigint, redemption_rate numeric, discount_given numeric,
	issues_left bigint, redemptions_left bigint, budget_left numeric,
	first_issued_at timestamptz, last_issued_at timestamptz, first_redeemed_at timestamptz, last_redeemed_at timestamptz,
	created_by text, created_at timestamptz, modified_by text, modified_at timestamptz);
COMMENT ON TYPE cms.cms_offer_info_result IS 'Row of cms_offer_info: everything about one offer.';
COMMENT ON COLUMN cms.cms_offer_info_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_offer_info_result.offer_code IS 'Its offer code (series code).';
COMMENT ON COLUMN cms.cms_offer_info_result.name IS 'Its name.';
COMMENT ON COLUMN cms.cms_offer_info_result.pos_code IS 'What the tills call it.';
COMMENT ON COLUMN cms.cms_offer_info_result.status IS 'ARCHIVED, ENDED or ACTIVE at the time of the request.';
COMMENT ON COLUMN cms.cms_offer_info_result.configuration IS 'Its settings in plain words, a line each: the summary of cms_preview_offer.';
COMMENT ON COLUMN cms.cms_offer_info_result.discount IS 'The discount for people.';
COMMENT ON COLUMN cms.cms_offer_info_result.expiry_type IS 'FIXED_DATE or WITH_CAMPAIGN.';
COMMENT ON COLUMN cms.cms_offer_info_result.expires_on IS 'Its last day; NULL: none.';
COMMENT ON COLUMN cms.cms_offer_info_result.ends_at IS 'The instant at which it ends, exclusive; NULL: it has no end.';
COMMENT ON COLUMN cms.cms_offer_info_result.code_method IS 'How its codes are made.';
COMMENT ON COLUMN cms.cms_offer_info_result.codes_left IS 'Coupons for which there are codes: in stock, and those the pattern can still make; NULL for a common code, which is never used up. Limits of issues are not considered.';
COMMENT ON COLUMN cms.cms_offer_info_result.owner_service IS 'Service inside which it was made; NULL: centrally.';
COMMENT ON COLUMN cms.cms_offer_info_result.owner_ref IS 'Campaign or program of owner_service that alone sees it.';
COMMENT ON COLUMN cms.cms_offer_info_result.service IS 'Service that uses it; NULL: nobody claimed it.';
COMMENT ON COLUMN cms.cms_offer_info_result.consumer_ref IS 'Campaign or program that uses it.';
COMMENT ON COLUMN cms.cms_offer_info_result.consumer_name IS 'Name of that campaign or program.';
COMMENT ON COLUMN cms.cms_offer_info_result.claim_ends_on IS 'Last day of the campaign or program.';
COMMENT ON COLUMN cms.cms_offer_info_result.claimed_by IS 'Role that claimed it.';
COMMENT ON COLUMN cms.cms_offer_info_result.claimed_at IS 'When.';
COMMENT ON COLUMN cms.cms_offer_info_result.issued IS 'Coupons issued, revoked ones counted.';
COMMENT ON COLUMN cms.cms_offer_info_result.redeemed IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.cms_offer_info_result.uses IS 'Live uses.';
COMMENT ON COLUMN cms.cms_offer_info_result.redemption_rate IS 'redeemed / issued; NULL when nothing is issued.';
COMMENT ON COLUMN cms.cms_offer_info_result.discount_given IS 'Discount of the live uses.';
COMMENT ON COLUMN cms.cms_offer_info_result.issues_left IS 'Issues left under max_issued; NULL: unlimited.';
COMMENT ON COLUMN cms.cms_offer_info_result.redemptions_left IS 'Uses left under max_redemptions, held ones taken off, never negative; NULL: unlimited.';
COMMENT ON COLUMN cms.cms_offer_info_result.budget_left IS 'Discount left under max_discount_total, what is held taken off, never negative; NULL: unlimited.';
COMMENT ON COLUMN cms.cms_offer_info_result.first_issued_at IS 'First issue.';
COMMENT ON COLUMN cms.cms_offer_info_result.last_issued_at IS 'Last issue.';
COMMENT ON COLUMN cms.cms_offer_info_result.first_redeemed_at IS 'First redemption.';
COMMENT ON COLUMN cms.cms_offer_info_result.last_redeemed_at IS 'Last redemption.';
COMMENT ON COLUMN cms.cms_offer_info_result.created_by IS 'Who created it.';
COMMENT ON COLUMN cms.cms_offer_info_result.created_at IS 'When.';
COMMENT ON COLUMN cms.cms_offer_info_result.modified_by IS 'Who changed it last.';
COMMENT ON COLUMN cms.cms_offer_info_result.modified_at IS 'When.';

CREATE FUNCTION cms.cms_offer_info(offer_id bigint, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_offer_info_result
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_offer_info';
COMMENT ON FUNCTION cms.cms_offer_info(bigint, timestamptz, int) IS
'Everything about one offer (F7): its settings in plain words, who uses it, its numbers from
counters, codes left, and who made and changed it when.
Errors: MS001 unknown offer.';
