/*
 * series.c
 *	  cms_series: the running offers of an org, or those tagged to places (F45).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "list_check.h"
#include "plan.h"
#include "result.h"
#include "text.h"

#define NCOLUMNS 16

/* of cms.offer o, cms.org g and cms.claim l, in the order of cms.cms_series_result */
#define SERIES_COLUMNS                                                                        \
	"o.offer_id, o.code, o.name, o.pos_code, o.discount_type, o.discount_value,"              \
	" o.discount_cap,"                                                                        \
	" cms.cms_discount_text(o.discount_type, o.discount_value, o.discount_cap, g.currency),"  \
	" o.starts_on, COALESCE(o.expires_on, l.ends_on), o.min_bill, o.code_method, o.delivery," \
	" o.store_scope"
#define SERIES_TABLES                        \
	" JOIN cms.org g ON g.org_id = o.org_id" \
	" LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id"
/* running: neither archived nor ended at $2 */
#define SERIES_RUNS                                                                         \
	" o.status = 'ACTIVE' AND COALESCE($2 < cms.cms_offer_end(o.expiry_type, o.expires_on," \
	" l.ends_on, g.time_zone), true)"

static CmsPlan all_series = {
	.text = "SELECT " SERIES_COLUMNS ", NULL::text, NULL::text[] FROM cms.offer o" SERIES_TABLES
			" WHERE o.org_id = $1 AND" SERIES_RUNS " ORDER BY o.offer_id",
	.nargs = 2,
	.argtypes = {INT4OID, TIMESTAMPTZOID},
};

/* direct tags only: no place above or below is looked at */
static CmsPlan series_of_places = {
	.text = "SELECT " SERIES_COLUMNS ", $3, t.entity_ids"
			" FROM (SELECT e.offer_id, array_agg(e.entity_id ORDER BY e.entity_id) AS entity_ids"
			" FROM cms.offer_entity e"
			" WHERE e.org_id = $1 AND e.entity_type = $3 AND e.entity_id = ANY ($4)"
			" GROUP BY e.offer_id) t"
			" JOIN cms.offer o ON o.org_id = $1 AND o.offer_id = t.offer_id" SERIES_TABLES
			" WHERE" SERIES_RUNS " ORDER BY o.offer_id",
	.nargs = 4,
	.argtypes = {INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID},
};

/*
 * A place and those above it, as far as they are registered. Three steps at most, each by
 * the key; "entity_ids" are those that were asked for.
 */
static CmsPlan series_upwards = {
	.text = "WITH RECURSIVE above (asked, entity_type, entity_id) AS ("
			"SELECT u.id COLLATE \"C\", $3 COLLATE \"C\", u.id COLLATE \"C\""
			" FROM unnest($4) AS u (id)"
			" UNION SELECT a.asked, p.parent_type, p.parent_id FROM above a"
			" JOIN cms.org_entity p ON p.org_id = $1 AND p.entity_type = a.entity_type"
			" AND p.entity_id = a.entity_id AND p.parent_id IS NOT NULL)"
			" SELECT " SERIES_COLUMNS ", $3, t.entity_ids"
			" FROM (SELECT e.offer_id, array_agg(DISTINCT a.asked ORDER BY a.asked) AS entity_ids"
			" FROM above a JOIN cms.offer_entity e ON e.org_id = $1"
			" AND e.entity_type = a.entity_type AND e.entity_id = a.entity_id"
			" GROUP BY e.offer_id) t"
			" JOIN cms.offer o ON o.org_id = $1 AND o.offer_id = t.offer_id" SERIES_TABLES
			" WHERE" SERIES_RUNS " ORDER BY o.offer_id",
	.nargs = 4,
	.argtypes = {INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTARRAYOID},
};

static void check_places(FunctionCallInfo fcinfo, const char *type, bool has_ids);

PG_FUNCTION_INFO_V1(cms_series);

/* cms_series(entity_type, entity_ids, resolve, at, org) */
Datum
cms_series(PG_FUNCTION_ARGS)
{
	char *type = cms_arg_text(fcinfo, 0);
	char **ids;
	int nids = cms_arg_texts(fcinfo, 1, "entity_ids", &ids);
	bool resolve = cms_arg_bool(fcinfo, 2, "resolve");
	TimestampTz at = cms_arg_at(fcinfo, 3);
	int org = cms_arg_org(fcinfo, 4);
	Datum values[] = {Int32GetDatum(org), TimestampTzGetDatum(at), 0, 0};
	CmsPlan *plan = &all_series;

	check_places(fcinfo, type, nids >= 0);
	cms_result_start(fcinfo);
	SPI_connect();
	if (type != NULL)
	{
		values[2] = CStringGetTextDatum(type);
		values[3] = PG_GETARG_DATUM(1);
		plan = resolve ? &series_upwards : &series_of_places;
	}
	cms_result_put_rows(fcinfo, cms_plan_run(plan, values, NULL, true), NCOLUMNS);
	SPI_finish();
	return (Datum) 0;
}

/* One type in a call: two, however they are written, are none of the four. */
static void
check_places(FunctionCallInfo fcinfo, const char *type, bool has_ids)
{
	if (type == NULL && has_ids)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"entity_type\" must not be null where \"entity_ids\" is given"),
				 errhint("Use TILL, STORE, ZONE or CONCEPT, or leave both out.")));
	if (type == NULL)
		return;
	if (!cms_text_is_one_of(type, cms_list_entity_types))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"entity_type\" \"%s\" is unknown", type),
				 errhint("Use one of TILL, STORE, ZONE and CONCEPT in a call.")));
	if (!has_ids)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"entity_ids\" must not be null where \"entity_type\" is given"),
				 errhint("Pass the ids of the places.")));
}
