/*
 * tag.c
 *	  cms_tag_offer: restricts an offer to more places, by id or by name (F29).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "args.h"
#include "array.h"
#include "list_check.h"
#include "plan.h"
#include "result.h"
#include "settings.h"
#include "text.h"

/* One id or name, and what became of it. */
typedef struct TagLine
{
	char *value;
	CmsReason reason;
	char *entity_id; /* NULL unless found */
} TagLine;

/* Names are set against places in one statement, however many there are. */
static CmsPlan find_names = {
	.text =
		"SELECT n.line, count(e.entity_id), min(e.entity_id)"
		" FROM unnest($3) WITH ORDINALITY AS n (name, line)"
		" LEFT JOIN cms.org_entity e ON e.org_id = $1 AND e.entity_type = $2 AND e.name = n.name"
		" GROUP BY n.line",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, TEXTARRAYOID},
	.compares_lists = true,
};

static CmsPlan add_places = {
	.text = "INSERT INTO cms.offer_entity (org_id, offer_id, entity_type, entity_id)"
			" SELECT $1, $2, $3, u.entity_id FROM unnest($4) AS u (entity_id)"
			" ON CONFLICT DO NOTHING",
	.nargs = 4,
	.argtypes = {INT4OID, INT8OID, TEXTOID, TEXTARRAYOID},
};

static char *check_type(FunctionCallInfo fcinfo, int n);
static void find_ids(TagLine *lines, int count);
static void find_by_name(int org, const char *entity_type, TagLine *lines, int count);
static void add(int org, int64 offer_id, const char *entity_type, const TagLine *lines, int count);

PG_FUNCTION_INFO_V1(cms_tag_offer);

Datum
cms_tag_offer(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	char *entity_type = check_type(fcinfo, 1);
	char **ids;
	char **names;
	int nids = cms_arg_texts(fcinfo, 2, "ids", &ids);
	int nnames = cms_arg_texts(fcinfo, 3, "names", &names);
	int org = cms_arg_org(fcinfo, 4);
	int count;
	TagLine *lines;

	if (nids < 0 && nnames < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("arguments \"ids\" and \"names\" must not both be null"),
				 errhint("Pass ids of places, their names, or both.")));
	nids = Max(nids, 0);
	nnames = Max(nnames, 0);
	count = nids + nnames;
	lines = palloc0(sizeof(TagLine) * Max(count, 1));
	for (int i = 0; i < count; i++)
		lines[i].value = i < nids ? ids[i] : names[i - nids];

	cms_result_start(fcinfo);
	cms_settings_require_scope(org, offer_id, CMS_SCOPE_STORES);
	find_ids(lines, nids);
	find_by_name(org, entity_type, lines + nids, nnames);
	add(org, offer_id, entity_type, lines, count);

	for (int i = 0; i < count; i++)
	{
		Datum values[6] = {0};
		bool nulls[6] = {false};

		values[0] = Int64GetDatum(i + 1);
		cms_result_text(lines[i].value, values, nulls, 1);
		values[2] = BoolGetDatum(lines[i].reason == CMS_OK);
		cms_result_reason(lines[i].reason, NULL, values, nulls, 3, 4);
		cms_result_text(lines[i].entity_id, values, nulls, 5);
		cms_result_put(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

static char *
check_type(FunctionCallInfo fcinfo, int n)
{
	const char *hint = "Use TILL, STORE, ZONE or CONCEPT.";
	char *type = cms_arg_required_short_text(fcinfo, n, "entity_type", hint);

	if (!cms_text_is_one_of(type, cms_list_entity_types))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"entity_type\" \"%s\" is unknown", type),
				 errhint("%s", hint)));
	return type;
}

/* Ids need not be registered: any that is not blank will do. */
static void
find_ids(TagLine *lines, int count)
{
	for (int i = 0; i < count; i++)
		if (lines[i].value == NULL || cms_text_is_blank(lines[i].value))
			lines[i].reason = CMS_ID_EMPTY;
		else
			lines[i].entity_id = lines[i].value;
}

static void
find_by_name(int org, const char *entity_type, TagLine *lines, int count)
{
	MemoryContext context = CurrentMemoryContext;
	const char **names = palloc(sizeof(char *) * Max(count, 1));
	Datum values[3];
	uint64 rows;

	if (count == 0)
		return;
	for (int i = 0; i < count; i++)
		names[i] = lines[i].value == NULL ? "" : cms_text_trim(lines[i].value);
	values[0] = Int32GetDatum(org);
	values[1] = CStringGetTextDatum(entity_type);
	values[2] = cms_array_of_texts(names, count);

	SPI_connect();
	rows = cms_plan_run(&find_names, values, NULL, false);
	for (uint64 i = 0; i < rows; i++)
	{
		TagLine *line = &lines[cms_row_int64(i, 1, 1) - 1];
		int64 places = cms_row_int64(i, 2, 0);

		if (line->value == NULL || cms_text_is_blank(line->value))
			line->reason = CMS_ID_EMPTY;
		else if (places == 0)
			line->reason = CMS_NAME_UNKNOWN;
		else if (places > 1)
			line->reason = CMS_NAME_AMBIGUOUS;
		else
			line->entity_id = MemoryContextStrdup(context, cms_row_text(i, 3));
	}
	SPI_finish();
}

static void
add(int org, int64 offer_id, const char *entity_type, const TagLine *lines, int count)
{
	const char **ids = palloc(sizeof(char *) * Max(count, 1));
	int nids = 0;
	Datum values[4];

	for (int i = 0; i < count; i++)
		if (lines[i].entity_id != NULL)
			ids[nids++] = lines[i].entity_id;
	if (nids == 0)
		return;
	values[0] = Int32GetDatum(org);
	values[1] = Int64GetDatum(offer_id);
	values[2] = CStringGetTextDatum(entity_type);
	values[3] = cms_array_of_texts(ids, nids);
	SPI_connect();
	cms_plan_run(&add_places, values, NULL, false);
	SPI_finish();
}
