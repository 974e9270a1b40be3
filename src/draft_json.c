/*
 * draft_json.c
 *	  An offer as somebody would save it, from JSON.
 *
 * JSON becomes values by jsonb_populate_record, all columns of a row at once. Where
 * that fails, column by column, each in a subtransaction: so every value that is
 * none of its column is found.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

#include "draft.h"
#include "money.h"
#include "plan.h"
#include "subxact.h"
#include "text.h"

#define POPULATE(table)                                                                    \
	{                                                                                      \
		.text = "SELECT r.* FROM pg_catalog.jsonb_populate_record(NULL::" table ", $1) r", \
		.nargs = 1, .argtypes = {                                                          \
			JSONBOID                                                                       \
		}                                                                                  \
	}

static CmsPlan populate_offer = POPULATE("cms.offer");
static CmsPlan populate_claim = POPULATE("cms.claim");

static CmsPlan members = {
	.text = "SELECT e.key, e.value, jsonb_typeof(e.value) FROM pg_catalog.jsonb_each($1) e"
			" ORDER BY e.key COLLATE pg_catalog.\"C\"",
	.nargs = 1,
	.argtypes = {JSONBOID},
};

/* a value instead of an object stands for the column that the list is about */
static CmsPlan elements = {
	.text = "SELECT CASE WHEN jsonb_typeof(e.value) = 'object' THEN e.value"
			" WHEN $2 IS NOT NULL AND jsonb_typeof(e.value) IN ('string', 'number')"
			" THEN jsonb_build_object($2, e.value) END"
			" FROM pg_catalog.jsonb_array_elements($1) WITH ORDINALITY e (value, n) ORDER BY e.n",
	.nargs = 2,
	.argtypes = {JSONBOID, TEXTOID},
};

static CmsPlan pair = {
	.text = "SELECT pg_catalog.jsonb_build_object($1, $2)",
	.nargs = 2,
	.argtypes = {TEXTOID, JSONBOID},
};

/* How rows are made, and the column that a bare value stands for; NULL: rows are objects. */
static struct
{
	const char *column;
	CmsPlan populate;
} lists[] = {
	[CMS_DRAFT_PRODUCTS] = {NULL, POPULATE("cms.offer_product")},
	[CMS_DRAFT_PLACES] = {NULL, POPULATE("cms.offer_entity")},
	[CMS_DRAFT_WINDOWS] = {NULL, POPULATE("cms.offer_window")},
	[CMS_DRAFT_AUDIENCE] = {"customer_id", POPULATE("cms.offer_audience")},
	[CMS_DRAFT_EXCLUSIONS] = {"other_offer_id", POPULATE("cms.offer_exclusion")},
	[CMS_DRAFT_REMINDERS] = {NULL, POPULATE("cms.offer_reminder")},
	[CMS_DRAFT_POCS] = {NULL, POPULATE("cms.offer_poc")},
};

/* A member of a JSON object. */
typedef struct Member
{
	char *key;
	Jsonb *value;
	char *type;
} Member;

static int64 offer_of_settings(const Member *members, int count);
static int read_members(Jsonb *object, Member **result);
static void fill(CmsRecord *record, CmsPlan *populate, Jsonb *object, const char *const *others);
static bool accepts(const CmsRecord *record, const Member *member, const char *const *others);
static void fill_column(CmsRecord *record, CmsPlan *populate, const Member *member);
static char *populate_within(CmsPlan *populate, Jsonb *object);
static void fill_list(CmsDraft *draft, CmsDraftListId id, const Member *member);
static void fill_claim(CmsDraft *draft, const Member *member);
static void note_unknown(const CmsRecord *record, const char *key, const char *const *others);
static const char *hint_of_type(Oid type);
static bool is_given_by_server(const char *column);

void
cms_draft_of_settings(CmsDraft *draft, int org, Jsonb *settings, TimestampTz at)
{
	const char *others[CMS_DRAFT_LISTS + 2] = {NULL};
	Member *given;
	int count;

	if (!JB_ROOT_IS_OBJECT(settings))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"settings\" must be a JSON object"),
				 errhint("Its keys are columns of cms.offer and names of its lists, such as "
						 "{\"name\": \"Sale\", \"offer_product\": [{\"kind\": \"BRAND\", "
						 "\"value\": \"X\"}]}.")));
	count = read_members(settings, &given);
	cms_draft_begin(draft, org, offer_of_settings(given, count), at);
	for (int id = 0; id < CMS_DRAFT_LISTS; id++)
		others[id] = cms_draft_table(id);
	others[CMS_DRAFT_LISTS] = "claim";

	if (draft->offer_id != 0)
	{
		cms_draft_read_offer(draft);
		draft->offer.before = draft->offer.row;
		cms_draft_read_claim(draft);
	}
	else
		draft->offer.row = cms_draft_row_of_defaults(&draft->offer);
	fill(&draft->offer, &populate_offer, settings, others);

	for (int id = 0; id < CMS_DRAFT_LISTS; id++)
	{
		const Member *member = NULL;

		for (int i = 0; i < count; i++)
			if (strcmp(given[i].key, cms_draft_table(id)) == 0)
				member = &given[i];
		if (member != NULL)
			fill_list(draft, id, member);
		else if (draft->offer_id != 0)
			cms_draft_read_list(draft, id);
	}
	for (int i = 0; i < count; i++)
		if (strcmp(given[i].key, "claim") == 0)
			fill_claim(draft, &given[i]);
}

/* The key offer_id, where it is a number: of the offer that is edited. 0: a new one. */
static int64
offer_of_settings(const Member *members, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(members[i].key, "offer_id") == 0)
		{
			JsonbValue number;

			if (strcmp(members[i].type, "null") == 0)
				return 0;
			if (strcmp(members[i].type, "number") == 0 &&
				JsonbExtractScalar(&members[i].value->root, &number))
			{
				bool failed;
				int64 offer_id;
				Numeric rounded = DatumGetNumeric(DirectFunctionCall2(
					numeric_trunc, NumericGetDatum(number.val.numeric), Int32GetDatum(0)));

				offer_id =
					cms_money_compare(rounded, int64_to_numeric(PG_INT64_MAX)) <= 0 &&
							cms_money_compare(rounded, cms_money_zero()) > 0
						? DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(rounded)))
						: 0;
				failed = offer_id == 0 || cms_money_compare(rounded, number.val.numeric) != 0;
				if (!failed)
					return offer_id;
			}
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key \"offer_id\" of argument \"settings\" must be the number of an "
						"offer"),
				 errhint("Leave it out to preview a new offer.")));
		}
	return 0;
}

static int
read_members(Jsonb *object, Member **result)
{
	Datum values[] = {JsonbPGetDatum(object)};
	int count = (int) cms_plan_run(&members, values, NULL, true);
	bool isnull;

	*result = palloc(sizeof(Member) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		(*result)[i].key = cms_row_text(i, 1);
		(*result)[i].value = DatumGetJsonbPCopy(cms_row_value(i, 2, &isnull));
		(*result)[i].type = cms_row_text(i, 3);
	}
	return count;
}

/* Puts what the object says into the row. Keys that are "others" are somebody else's matter. */
static void
fill(CmsRecord *record, CmsPlan *populate, Jsonb *object, const char *const *others)
{
	Member *given;
	int count = read_members(object, &given);
	bool *accepted = palloc0(sizeof(bool) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		accepted[i] = accepts(record, &given[i], others);
	}
	if (populate_within(populate, object) == NULL)
	{
		for (int i = 0; i < count; i++)
			if (accepted[i])
				record->row = cms_draft_row_of_result(record, record->row, 0, given[i].key);
		return;
	}
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (accepted[i])
			fill_column(record, populate, &given[i]);
	}
}

static bool
accepts(const CmsRecord *record, const Member *member, const char *const *others)
{
	int number;
	bool is_nested = strcmp(member->type, "object") == 0 || strcmp(member->type, "array") == 0;

	if (cms_text_is_one_of(member->key, others))
		return false;
	number = SPI_fnumber(record->desc, member->key);
	if (number < 1)
	{
		note_unknown(record, member->key, others);
		return false;
	}
	if (is_given_by_server(member->key))
		return false;
	if (is_nested && !OidIsValid(get_element_type(SPI_gettypeid(record->desc, number))))
	{
		cms_record_refuse(record,
						  ERRCODE_DATATYPE_MISMATCH,
						  member->key,
						  hint_of_type(SPI_gettypeid(record->desc, number)),
						  "%s must not be an %s",
						  member->key,
						  member->type);
		return false;
	}
	return true;
}

static void
fill_column(CmsRecord *record, CmsPlan *populate, const Member *member)
{
	Datum values[] = {CStringGetTextDatum(member->key), JsonbPGetDatum(member->value)};
	bool isnull;
	Jsonb *object;
	char *problem;

	cms_plan_run(&pair, values, NULL, true);
	object = DatumGetJsonbPCopy(cms_row_value(0, 1, &isnull));
	problem = populate_within(populate, object);
	if (problem == NULL)
		record->row = cms_draft_row_of_result(record, record->row, 0, member->key);
	else
		cms_record_refuse(
			record,
			ERRCODE_DATATYPE_MISMATCH,
			member->key,
			hint_of_type(SPI_gettypeid(record->desc, SPI_fnumber(record->desc, member->key))),
			"%s: %s",
			member->key,
			problem);
}

/* NULL and the row in SPI_tuptable, or what the server says to a value that is none of its type */
static char *
populate_within(CmsPlan *populate, Jsonb *object)
{
	Datum values[] = {JsonbPGetDatum(object)};
	char *volatile problem = NULL;
	CmsSubxact subxact;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		cms_plan_run(populate, values, NULL, true);
		cms_subxact_end(&subxact, true);
	}
	PG_CATCH();
	{
		ErrorData *error = cms_subxact_failed(&subxact);

		/* classes 22 and 54: what was given; anything else is none of its making */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_DATA_EXCEPTION &&
			ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			ReThrowError(error);
		problem = pstrdup(error->message);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return problem;
}

static void
fill_list(CmsDraft *draft, CmsDraftListId id, const Member *member)
{
	CmsDraftList *list = &draft->lists[id];
	CmsParams params = {0};
	CmsRecord empty;
	HeapTuple defaults;
	Jsonb **objects;
	int count;
	static const char *const no_others[] = {NULL};

	if (strcmp(member->type, "null") == 0)
		return;
	if (strcmp(member->type, "array") != 0)
	{
		cms_record_refuse(&draft->offer,
						  ERRCODE_DATATYPE_MISMATCH,
						  cms_draft_table(id),
						  "Use an array of objects, whose keys are the columns of that table.",
						  "%s must be an array",
						  cms_draft_table(id));
		return;
	}
	cms_draft_open_list(draft, id, &empty);
	defaults = cms_draft_row_of_defaults(&empty);
	cms_param(&params, JsonbPGetDatum(member->value), false);
	cms_param_text(&params, lists[id].column);
	list->nrows = (int) cms_plan_run(&elements, params.values, params.nulls, true);
	list->count = list->nrows;
	list->rows = palloc(sizeof(CmsRecord) * Max(list->nrows, 1));
	list->lines = palloc(sizeof(int) * Max(list->nrows, 1));
	objects = palloc(sizeof(Jsonb *) * Max(list->nrows, 1));
	for (int i = 0; i < list->nrows; i++)
	{
		bool isnull;
		Datum value = cms_row_value(i, 1, &isnull);

		objects[i] = isnull ? NULL : DatumGetJsonbPCopy(value);
	}
	count = list->nrows;
	list->nrows = 0;
	for (int i = 0; i < count; i++)
	{
		CmsRecord *row = &list->rows[list->nrows];

		CHECK_FOR_INTERRUPTS();
		if (objects[i] == NULL)
		{
			cms_draft_look_at(draft, id, -1);
			cms_record_refuse(&draft->offer,
							  ERRCODE_DATATYPE_MISMATCH,
							  psprintf("%s[%d]", cms_draft_table(id), i + 1),
							  "Use an object whose keys are the columns of that table.",
							  "row %d of %s must be an object",
							  i + 1,
							  cms_draft_table(id));
			continue;
		}
		*row = empty;
		row->row = defaults;
		cms_record_set(row, "org_id", Int32GetDatum(draft->org), false);
		cms_record_set(row, "offer_id", Int64GetDatum(draft->offer_id), false);
		draft->lists[id].lines[list->nrows++] = i;
		cms_draft_look_at(draft, id, list->nrows - 1);
		fill(row, &lists[id].populate, objects[i], no_others);
	}
	cms_draft_look_at(draft, id, -1);
}

/* Who claims is no setting, but says when an offer ends and who issues it. */
static void
fill_claim(CmsDraft *draft, const Member *member)
{
	static const char *const no_others[] = {NULL};
	CmsRecord record;
	bool isnull;
	Datum ends_on;

	if (strcmp(member->type, "null") == 0)
		return;
	if (strcmp(member->type, "object") != 0)
	{
		cms_record_refuse(
			&draft->offer,
			ERRCODE_DATATYPE_MISMATCH,
			"claim",
			"Use an object with the keys service, consumer_ref, consumer_name and ends_on.",
			"claim must be an object");
		return;
	}
	cms_draft_open_record(draft, &record, "claim", &draft->relations[CMS_DRAFT_LISTS]);
	record.row = cms_draft_row_of_defaults(&record);
	draft->problems.prefix = "claim.";
	fill(&record, &populate_claim, member->value, no_others);
	cms_record_choice(&record, "service", cms_claim_services, false);
	cms_record_day(&record, "ends_on");
	draft->claim.service = cms_record_text(&record, "service");
	draft->claim.consumer_ref = cms_record_text(&record, "consumer_ref");
	if (draft->claim.consumer_ref != NULL && cms_text_is_blank(draft->claim.consumer_ref))
		draft->claim.consumer_ref = NULL;
	draft->claim.consumer_name = cms_record_text(&record, "consumer_name");
	ends_on = cms_record_value(&record, "ends_on", &isnull);
	draft->claim.has_end = !isnull;
	draft->claim.ends_on = isnull ? 0 : DatumGetDateADT(ends_on);
	draft->problems.prefix = "";
}

/* With the name that was meant, where one is near. */
static void
note_unknown(const CmsRecord *record, const char *key, const char *const *others)
{
	const char *nearest = NULL;
	int least = strlen(key) / 3 + 1;
	char *hint = "Use the names of columns.";

	for (int i = 0; i < record->desc->natts && strlen(key) < NAMEDATALEN; i++)
	{
		const char *name = NameStr(TupleDescAttr(record->desc, i)->attname);
		int distance = varstr_levenshtein(key, strlen(key), name, strlen(name), 1, 1, 1, true);

		if (distance < least && !is_given_by_server(name))
		{
			least = distance;
			nearest = name;
		}
	}
	for (int i = 0; others[i] != NULL && strlen(key) < NAMEDATALEN; i++)
	{
		int distance =
			varstr_levenshtein(key, strlen(key), others[i], strlen(others[i]), 1, 1, 1, true);

		if (distance < least)
		{
			least = distance;
			nearest = others[i];
		}
	}
	if (nearest != NULL)
		hint = psprintf("Perhaps %s is meant.", nearest);
	cms_record_refuse(
		record, ERRCODE_UNDEFINED_COLUMN, key, hint, "there is no setting \"%s\"", key);
}

static const char *
hint_of_type(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return "Use true or false.";
		case INT4OID:
		case INT8OID:
			return "Use a whole number, not too large.";
		case NUMERICOID:
			return "Use a number.";
		case DATEOID:
			return "Use a day such as \"2025-12-31\".";
		case TIMEOID:
			return "Use a time such as \"10:00\".";
		case INT4ARRAYOID:
			return "Use an array of numbers.";
		default:
			return "Use a text.";
	}
}

/* Columns that whoever saves has no say in; a row read from the table may bring them along. */
static bool
is_given_by_server(const char *column)
{
	static const char *const columns[] = {"org_id",
										  "offer_id",
										  "window_id",
										  "reminder_id",
										  "created_by",
										  "created_at",
										  "modified_by",
										  "modified_at",
										  "claimed_by",
										  "claimed_at",
										  NULL};

	return cms_text_is_one_of(column, columns);
}
