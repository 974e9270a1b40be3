-- Claims: which service uses an offer (F5).

CREATE TYPE cms.cms_claim_result AS (
	claimed boolean, reason text, message text, holder text,
	service text, consumer_ref text, consumer_name text, ends_on date);
COMMENT ON TYPE cms.cms_claim_result IS 'Row of cms_claim and cms_release.';
COMMENT ON COLUMN cms.cms_claim_result.claimed IS 'cms_claim: whether the caller''s service holds the offer now; cms_release: whether it is still held.';
COMMENT ON COLUMN cms.cms_claim_result.reason IS 'Why it was refused; NULL: done.';
COMMENT ON COLUMN cms.cms_claim_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_claim_result.holder IS 'Who holds the offer, for people.';
COMMENT ON COLUMN cms.cms_claim_result.service IS 'Service that holds the offer.';
COMMENT ON COLUMN cms.cms_claim_result.consumer_ref IS 'Its campaign or program.';
COMMENT ON COLUMN cms.cms_claim_result.consumer_name IS 'Name of the campaign or program.';
COMMENT ON COLUMN cms.cms_claim_result.ends_on IS 'Last day of the campaign.';

CREATE FUNCTION cms.cms_claim(
	offer_id bigint, service text, consumer_ref text DEFAULT NULL, consumer_name text DEFAULT NULL,
	ends_on date DEFAULT NULL, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_claim_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_claim';
COMMENT ON FUNCTION cms.cms_claim(bigint, text, text, text, date, timestamptz, int) IS
'Claims an offer for a service and its campaign or program (F5): of simultaneous claims one wins, the
others learn the holder. The holder claiming again gets its own claim; consumer_name and ends_on,
where given, replace the claim''s. Once a coupon of the offer is out the claim cannot be released.
service: OUTBOUND (needs consumer_ref, at most one offer each), TIMELINE, DVS, LOYALTY, EXTERNAL.
Reasons: NOT_VISIBLE, ALREADY_CLAIMED, CAMPAIGN_HAS_OFFER, OFFER_ARCHIVED.
Errors: MS001 unknown offer, 22004 and 22023 arguments.';

CREATE FUNCTION cms.cms_release(offer_id bigint, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_claim_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_release';
COMMENT ON FUNCTION cms.cms_release(bigint, timestamptz, int) IS
'Ends the claim of an offer while nothing is issued (F5); an offer that nobody holds is left as it
is.
Reason: ALREADY_ISSUED. Error MS001 unknown offer.';
