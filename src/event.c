/*
 * event.c
 *	  Events of the actions, and old events let go (F49).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "args.h"
#include "event.h"
#include "org.h"
#include "plan.h"

PG_FUNCTION_INFO_V1(cms_purge_events);

static StringInfo begin_fact(CmsFacts *facts, const char *name);
static void put_text(StringInfo json, const char *value);
static void add_facts(CmsParams *params, const CmsFacts *facts);

static CmsPlan record_event = {
	"INSERT INTO cms.event (org_id, event_id, action, object, object_id, offer_id, old_values,"
	" new_values, happened_at, recorded_at, recorded_by)"
	" VALUES ($1, pg_catalog.nextval('cms.event_id_seq'), $2, $3, $4, $5, $6, $7, $8,"
	" pg_catalog.clock_timestamp(), $9)",
	9,
	{INT4OID, TEXTOID, TEXTOID, TEXTOID, INT8OID, JSONBOID, JSONBOID, TIMESTAMPTZOID, TEXTOID}};

/* the caller's orgs, or the one that is named; the oldest first */
static CmsPlan purge_events = {
	"DELETE FROM cms.event e USING (SELECT v.org_id, v.event_id"
	"  FROM unnest(cms.cms_my_orgs()) o (org_id)"
	"  CROSS JOIN LATERAL (SELECT x.org_id, x.event_id FROM cms.event x"
	"   WHERE x.org_id = o.org_id AND x.recorded_at < $1 ORDER BY x.recorded_at LIMIT $2) v"
	"  WHERE $3 IS NULL OR o.org_id = $3 LIMIT $2) old"
	" WHERE e.org_id = old.org_id AND e.event_id = old.event_id",
	3,
	{TIMESTAMPTZOID, INT4OID, INT4OID}};

void
cms_event_record(const CmsEvent *event)
{
	CmsParams params = {0};

	cms_param_int(&params, event->org);
	cms_param_text(&params, event->action);
	cms_param_text(&params, event->object);
	cms_param_text(&params, event->object_id);
	cms_param(&params, Int64GetDatum(event->offer_id), event->offer_id == 0);
	add_facts(&params, event->old_values);
	add_facts(&params, event->new_values);
	cms_param_instant(&params, event->at);
	cms_param_text(&params, cms_org_caller_name());
	cms_plan_run(&record_event, params.values, params.nulls, false);
}

static void
add_facts(CmsParams *params, const CmsFacts *facts)
{
	if (facts == NULL || facts->json.data == NULL)
		cms_param(params, (Datum) 0, true);
	else
		cms_param(params,
				  DirectFunctionCall1(jsonb_in, CStringGetDatum(psprintf("%s}", facts->json.data))),
				  false);
}

void
cms_facts_text(CmsFacts *facts, const char *name, const char *value)
{
	put_text(begin_fact(facts, name), value);
}

void
cms_facts_int64(CmsFacts *facts, const char *name, int64 value)
{
	appendStringInfo(begin_fact(facts, name), INT64_FORMAT, value);
}

void
cms_facts_bool(CmsFacts *facts, const char *name, bool value)
{
	appendStringInfoString(begin_fact(facts, name), value ? "true" : "false");
}

void
cms_facts_numeric(CmsFacts *facts, const char *name, Numeric value)
{
	appendStringInfoString(
		begin_fact(facts, name),
		value == NULL ? "null"
					  : DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value))));
}

void
cms_facts_day(CmsFacts *facts, const char *name, bool has, DateADT value)
{
	char text[MAXDATELEN + 1];

	if (has)
		JsonEncodeDateTime(text, DateADTGetDatum(value), DATEOID, NULL);
	put_text(begin_fact(facts, name), has ? text : NULL);
}

void
cms_facts_texts(CmsFacts *facts, const char *name, char *const *values, int count)
{
	StringInfo json = begin_fact(facts, name);

	appendStringInfoChar(json, '[');
	for (int i = 0; i < count; i++)
	{
		if (i > 0)
			appendStringInfoChar(json, ',');
		put_text(json, values[i]);
	}
	appendStringInfoChar(json, ']');
}

static StringInfo
begin_fact(CmsFacts *facts, const char *name)
{
	if (facts->json.data == NULL)
	{
		initStringInfo(&facts->json);
		appendStringInfoChar(&facts->json, '{');
	}
	else
		appendStringInfoChar(&facts->json, ',');
	escape_json(&facts->json, name);
	appendStringInfoChar(&facts->json, ':');
	return &facts->json;
}

static void
put_text(StringInfo json, const char *value)
{
	if (value == NULL)
		appendStringInfoString(json, "null");
	else
		escape_json(json, value);
}

/*
 * cms_purge_events(before, how_many, org)
 */
Datum
cms_purge_events(PG_FUNCTION_ARGS)
{
	int how_many = cms_arg_int(fcinfo, 1, "how_many");
	CmsParams params = {0};
	TimestampTz before;
	uint64 purged;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"before\" must not be null")));
	before = PG_GETARG_TIMESTAMPTZ(0);
	if (how_many < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must be at least 1, not %d", how_many),
				 errhint("Pass how many events one call may delete.")));
	cms_param_instant(&params, before);
	cms_param_int(&params, how_many);
	cms_param(
		&params, Int32GetDatum(PG_ARGISNULL(2) ? 0 : cms_arg_org(fcinfo, 2)), PG_ARGISNULL(2));
	SPI_connect();
	purged = cms_plan_write(&purge_events, params.values, params.nulls);
	SPI_finish();
	PG_RETURN_INT64((int64) purged);
}
