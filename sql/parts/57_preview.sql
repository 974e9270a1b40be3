-- What an offer will do, before it is saved.

CREATE TYPE cms.cms_preview_result AS (line int, kind text, field text, message text, hint text);
COMMENT ON TYPE cms.cms_preview_result IS 'Row of cms_preview_offer.';
COMMENT ON COLUMN cms.cms_preview_result.line IS 'Number of the row.';
COMMENT ON COLUMN cms.cms_preview_result.kind IS 'SUMMARY: what the offer will do; PROBLEM: what saving it would refuse; WARNING: what is legal but surely not meant.';
COMMENT ON COLUMN cms.cms_preview_result.field IS 'Column of cms.offer that it is about, or list, row and column, such as offer_window[1].to_date.';
COMMENT ON COLUMN cms.cms_preview_result.message IS 'A sentence for people.';
COMMENT ON COLUMN cms.cms_preview_result.hint IS 'What to do about a problem or a warning; NULL for a summary.';

CREATE FUNCTION cms.cms_preview_offer(settings jsonb, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_preview_result
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 30
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_preview_settings';
COMMENT ON FUNCTION cms.cms_preview_offer(jsonb, timestamptz, int) IS
'What an offer would do, in plain words, and every problem that saving it would meet, all at once
(F2); nothing is written. settings: an object whose keys are columns of cms.offer, names of its
lists (offer_product, offer_entity, offer_window, offer_audience, offer_exclusion, offer_reminder,
offer_poc: arrays of objects with the columns of that table; of offer_audience and offer_exclusion
also plain values) and claim (service, consumer_ref, consumer_name, ends_on). With the key offer_id
it is an edit of that offer: what is not given stays as it is, a list that is given replaces the old
one.
Errors: 22004 and 22023 arguments, MS001 unknown offer.';

CREATE FUNCTION cms.cms_preview_offer(offer_id bigint, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_preview_result
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 30
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_preview_offer';
COMMENT ON FUNCTION cms.cms_preview_offer(bigint, timestamptz, int) IS
'What a saved offer does, in plain words, with warnings of what is surely not meant (F2). Error MS001
unknown offer.';
