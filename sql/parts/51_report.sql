-- The page to look at (F48).

CREATE FUNCTION cms.cms_report(
	from_date date DEFAULT NULL, to_date date DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS text
	LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER COST 100000
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_report';
COMMENT ON FUNCTION cms.cms_report(date, date, timestamptz, int) IS
'One HTML page about the offers of an org from from_date to to_date, inclusive, in its zone: what was
issued and redeemed over time, rates, best and worst offers, services, what ends in the 12 weeks
after "at". Without to_date up to the day of "at", without from_date 30 days, at most 3660. Nothing
but ASCII, no script, nothing from elsewhere: psql -At -c "SELECT cms.cms_report()" > report.html.
Errors: 22004 and 22023 arguments.';
