-- Summaries for reports (F48).

CREATE FUNCTION cms.cms_refresh_summary(how_many int DEFAULT 100, pace int DEFAULT 20, org int DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_refresh_summary';
COMMENT ON FUNCTION cms.cms_refresh_summary(int, int, int) IS
'Brings the summaries of at most so many offers up to date, those first that were refreshed longest
ago, and answers of how many; 0: nothing has changed, nothing is due, or other sessions are at it
(F48). An offer whose counters have not changed is not read. pace: an offer that took t is due again
pace times t later, so that refreshing takes at most a part of the time; 0: at once. org NULL: all
orgs of the caller. Several sessions may refresh at once.
Errors: 22023 how_many below 1, pace below 0; 40001 under REPEATABLE READ and SERIALIZABLE when
another refresh was faster: try again.';
