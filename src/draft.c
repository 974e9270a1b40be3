/*
 * draft.c
 *	  An offer as somebody would save it, or has saved it.
 *
 * New rows begin as the server would begin them, with the defaults of the table.
 */
#include "cms.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/rel.h"

#include "draft.h"
#include "money.h"
#include "offer.h"
#include "org.h"
#include "plan.h"

/* Rows of a saved list that are read; of more only the number is told, up to a bound. */
#define MOST_READ 1000
#define MOST_COUNTED 100000
#define STRINGIFY(x) #x
#define LIMITED(n) STRINGIFY(n)

#define SAVED(read, key)                                            \
	{                                                               \
		.text = read " WHERE l.org_id = $1 AND l.offer_id = $2"     \
					 " ORDER BY " key " LIMIT " LIMITED(MOST_READ), \
		.nargs = 2, .argtypes = {                                   \
			INT4OID,                                                \
			INT8OID                                                 \
		}                                                           \
	}
#define COUNTED(table)                                                                            \
	{                                                                                             \
		.text = "SELECT count(*) FROM (SELECT FROM " table " WHERE org_id = $1 AND offer_id = $2" \
				" LIMIT " LIMITED(MOST_COUNTED) " + 1) c",                                        \
		.nargs = 2, .argtypes = {                                                                 \
			INT4OID,                                                                              \
			INT8OID                                                                               \
		}                                                                                         \
	}

static CmsPlan saved_offer = {
	.text = "SELECT o.* FROM cms.offer o WHERE o.org_id = $1 AND o.offer_id = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan saved_claim = {
	.text = "SELECT service, consumer_ref, consumer_name, ends_on FROM cms.claim"
			" WHERE org_id = $1 AND offer_id = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan read_org = {
	.text = "SELECT g.time_zone, g.currency, g.minor_units, cms.cms_sees_codes() FROM cms.org g"
			" WHERE g.org_id = $1",
	.nargs = 1,
	.argtypes = {INT4OID},
};

/* The tables, and how the saved rows of an offer are read and counted. */
static struct
{
	const char *table;
	CmsPlan saved;
	CmsPlan counted;
} lists[] = {
	[CMS_DRAFT_PRODUCTS] = {"offer_product",
							SAVED("SELECT l.* FROM cms.offer_product l", "kind, value"),
							COUNTED("cms.offer_product")},
	[CMS_DRAFT_PLACES] = {"offer_entity",
						  SAVED("SELECT l.* FROM cms.offer_entity l", "entity_type, entity_id"),
						  COUNTED("cms.offer_entity")},
	[CMS_DRAFT_WINDOWS] = {"offer_window",
						   SAVED("SELECT l.* FROM cms.offer_window l", "window_id"),
						   COUNTED("cms.offer_window")},
	[CMS_DRAFT_AUDIENCE] = {"offer_audience",
							SAVED("SELECT l.* FROM cms.offer_audience l", "customer_id"),
							COUNTED("cms.offer_audience")},
	[CMS_DRAFT_EXCLUSIONS] = {"offer_exclusion",
							  SAVED("SELECT l.* FROM cms.offer_exclusion l", "other_offer_id"),
							  COUNTED("cms.offer_exclusion")},
	[CMS_DRAFT_REMINDERS] = {"offer_reminder",
							 SAVED("SELECT l.* FROM cms.offer_reminder l",
								   "days_before DESC, time_of_day, channel"),
							 COUNTED("cms.offer_reminder")},
	[CMS_DRAFT_POCS] = {"offer_poc",
						SAVED("SELECT l.* FROM cms.offer_poc l", "days_before DESC, poc_id"),
						COUNTED("cms.offer_poc")},
};

static void note_twice_by(CmsDraft *draft, CmsDraftListId id, Relation index);
static int compare_keys(const void *a, const void *b);

void
cms_draft_of_offer(CmsDraft *draft, int org, int64 offer_id, TimestampTz at)
{
	cms_draft_begin(draft, org, offer_id, at);
	cms_draft_read_offer(draft);
	for (int id = 0; id < CMS_DRAFT_LISTS; id++)
		cms_draft_read_list(draft, id);
	cms_draft_read_claim(draft);
}

void
cms_draft_close(CmsDraft *draft)
{
	for (int i = 0; i <= CMS_DRAFT_LISTS; i++)
		if (draft->relations[i] != NULL)
			table_close(draft->relations[i], AccessShareLock);
	table_close(draft->offer.relation, AccessShareLock);
}

void
cms_draft_begin(CmsDraft *draft, int org, int64 offer_id, TimestampTz at)
{
	Datum values[] = {Int32GetDatum(org)};
	Relation offer = NULL;

	memset(draft, 0, sizeof(*draft));
	draft->org = org;
	draft->offer_id = offer_id;
	draft->at = at;
	if (cms_plan_run(&read_org, values, NULL, true) == 0)
		cms_org_unknown(org);
	draft->zone = cms_zone(cms_row_text(0, 1));
	draft->currency = cms_row_text(0, 2);
	draft->minor_units = cms_row_int32(0, 3, 2);
	draft->sees_codes = cms_row_bool(0, 4, false);
	draft->today = cms_local_date(at, draft->zone);
	draft->problems.prefix = "";
	draft->problems.offer = &draft->offer;
	cms_draft_open_record(draft, &draft->offer, "offer", &offer);
	if (offer_id != 0)
		cms_counter_totals(org, offer_id, true, &draft->totals);
}

/* The relation is opened for its columns alone, once. */
void
cms_draft_open_record(CmsDraft *draft, CmsRecord *record, const char *table, Relation *relation)
{
	if (*relation == NULL)
		*relation = table_openrv(makeRangeVar("cms", pstrdup(table), -1), AccessShareLock);
	memset(record, 0, sizeof(*record));
	record->relation = *relation;
	record->desc = RelationGetDescr(*relation);
	record->context = CurrentMemoryContext;
	record->problems = &draft->problems;
}

void
cms_draft_open_list(CmsDraft *draft, CmsDraftListId id, CmsRecord *record)
{
	cms_draft_open_record(draft, record, lists[id].table, &draft->relations[id]);
}

/* Columns whose default is drawn anew each time, such as numbers, stay NULL. */
HeapTuple
cms_draft_row_of_defaults(const CmsRecord *record)
{
	TupleDesc desc = record->desc;
	Datum *values = palloc0(sizeof(Datum) * desc->natts);
	bool *nulls = palloc(sizeof(bool) * desc->natts);
	EState *state = CreateExecutorState();
	ExprContext *context = GetPerTupleExprContext(state);
	HeapTuple row;

	for (int i = 0; i < desc->natts; i++)
	{
		Node *expression = NULL;

		nulls[i] = true;
		if (!TupleDescAttr(desc, i)->attisdropped && !TupleDescAttr(desc, i)->attgenerated &&
			strcmp(NameStr(TupleDescAttr(desc, i)->attname), "org_id") != 0)
			expression = build_column_default(record->relation, i + 1);
		if (expression == NULL || contain_volatile_functions(expression))
			continue;
		values[i] = ExecEvalExpr(
			ExecInitExpr(expression_planner((Expr *) expression), NULL), context, &nulls[i]);
	}
	row = heap_form_tuple(desc, values, nulls);
	FreeExecutorState(state);
	return row;
}

/* A row that a statement has read, in place of "base"; with a column, only that one. */
HeapTuple
cms_draft_row_of_result(const CmsRecord *record, HeapTuple base, uint64 row, const char *column)
{
	TupleDesc desc = record->desc;
	TupleDesc read = SPI_tuptable->tupdesc;
	Datum *values = palloc0(sizeof(Datum) * desc->natts);
	bool *nulls = palloc(sizeof(bool) * desc->natts);

	if (base != NULL)
		heap_deform_tuple(base, desc, values, nulls);
	else
		memset(nulls, true, sizeof(bool) * desc->natts);
	for (int i = 0; i < read->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(read, i)->attname);
		int number = SPI_fnumber(desc, name);

		if (number >= 1 && (column == NULL || strcmp(column, name) == 0))
			values[number - 1] = cms_row_value(row, i + 1, &nulls[number - 1]);
	}
	return heap_form_tuple(desc, values, nulls);
}

void
cms_draft_read_offer(CmsDraft *draft)
{
	Datum values[] = {Int32GetDatum(draft->org), Int64GetDatum(draft->offer_id)};

	if (cms_plan_run(&saved_offer, values, NULL, true) == 0)
		cms_offer_unknown(draft->offer_id);
	draft->offer.row = cms_draft_row_of_result(&draft->offer, NULL, 0, NULL);
}

void
cms_draft_read_list(CmsDraft *draft, CmsDraftListId id)
{
	CmsDraftList *list = &draft->lists[id];
	Datum values[] = {Int32GetDatum(draft->org), Int64GetDatum(draft->offer_id)};
	CmsRecord empty;

	cms_draft_open_list(draft, id, &empty);
	list->nrows = (int) cms_plan_run(&lists[id].saved, values, NULL, true);
	list->rows = palloc(sizeof(CmsRecord) * Max(list->nrows, 1));
	list->count = list->nrows;
	for (int i = 0; i < list->nrows; i++)
	{
		list->rows[i] = empty;
		list->rows[i].row = cms_draft_row_of_result(&empty, NULL, i, NULL);
	}
	if (list->nrows == MOST_READ)
	{
		cms_plan_run(&lists[id].counted, values, NULL, true);
		list->count = Min(cms_row_int64(0, 1, 0), MOST_COUNTED);
		list->is_more = cms_row_int64(0, 1, 0) > MOST_COUNTED;
	}
}

void
cms_draft_read_claim(CmsDraft *draft)
{
	Datum values[] = {Int32GetDatum(draft->org), Int64GetDatum(draft->offer_id)};
	bool isnull;
	Datum ends_on;

	if (cms_plan_run(&saved_claim, values, NULL, true) == 0)
		return;
	draft->claim.service = cms_row_text(0, 1);
	draft->claim.consumer_ref = cms_row_text(0, 2);
	draft->claim.consumer_name = cms_row_text(0, 3);
	ends_on = cms_row_value(0, 4, &isnull);
	draft->claim.has_end = !isnull;
	draft->claim.ends_on = isnull ? 0 : DatumGetDateADT(ends_on);
	draft->saved_claim = draft->claim;
}

const char *
cms_draft_table(CmsDraftListId id)
{
	return lists[id].table;
}

void
cms_draft_look_at(CmsDraft *draft, CmsDraftListId id, int row)
{
	draft->problems.prefix =
		row < 0 ? "" : psprintf("%s[%d].", lists[id].table, cms_draft_line(draft, id, row));
}

int
cms_draft_line(const CmsDraft *draft, CmsDraftListId id, int row)
{
	return draft->lists[id].lines == NULL ? row + 1 : draft->lists[id].lines[row] + 1;
}

/* By the unique indexes of the table, as the server would. */
void
cms_draft_note_twice(CmsDraft *draft, CmsDraftListId id)
{
	List *indexes;
	ListCell *cell;

	if (draft->lists[id].nrows < 2)
		return;
	indexes = RelationGetIndexList(draft->lists[id].rows[0].relation);
	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (index->rd_index->indisunique)
			note_twice_by(draft, id, index);
		index_close(index, AccessShareLock);
	}
}

/* A row and what the index tells it by. */
typedef struct RowKey
{
	char *key;
	int row;
} RowKey;

static void
note_twice_by(CmsDraft *draft, CmsDraftListId id, Relation index)
{
	const CmsDraftList *list = &draft->lists[id];
	RowKey *keys = palloc(sizeof(RowKey) * list->nrows);
	int nkeys = 0;

	for (int i = 0; i < list->nrows; i++)
	{
		const CmsRecord *row = &list->rows[i];
		StringInfoData key;
		bool whole = true;

		initStringInfo(&key);
		for (int k = 0; k < index->rd_index->indnkeyatts; k++)
		{
			int number = index->rd_index->indkey.values[k];
			char *value = number < 1 ? NULL : SPI_getvalue(row->row, row->desc, number);

			whole = whole && value != NULL;
			if (whole &&
				strcmp(NameStr(TupleDescAttr(row->desc, number - 1)->attname), "org_id") != 0 &&
				strcmp(NameStr(TupleDescAttr(row->desc, number - 1)->attname), "offer_id") != 0)
				appendStringInfo(&key, "%s%s", key.len == 0 ? "" : ", ", value);
		}
		if (whole)
			keys[nkeys++] = (RowKey){key.data, i};
	}
	qsort(keys, nkeys, sizeof(RowKey), compare_keys);
	for (int i = 1; i < nkeys; i++)
		if (strcmp(keys[i].key, keys[i - 1].key) == 0)
			cms_record_refuse(
				&draft->offer,
				ERRCODE_UNIQUE_VIOLATION,
				psprintf("%s[%d]", lists[id].table, cms_draft_line(draft, id, keys[i].row)),
				"Leave one of them out.",
				"%s is listed twice",
				keys[i].key);
}

/* by key, then in the order of the list */
static int
compare_keys(const void *a, const void *b)
{
	const RowKey *first = a;
	const RowKey *second = b;
	int order = strcmp(first->key, second->key);

	return order != 0 ? order : first->row - second->row;
}

bool
cms_draft_end(const CmsDraft *draft, DateADT *last_day)
{
	if (cms_draft_is(draft, "expiry_type", "FIXED_DATE"))
		return cms_draft_day(draft, "expires_on", last_day);
	*last_day = draft->claim.ends_on;
	return draft->claim.service != NULL && draft->claim.has_end;
}

bool
cms_draft_is(const CmsDraft *draft, const char *column, const char *value)
{
	return cms_record_is(&draft->offer, column, value);
}

bool
cms_draft_true(const CmsDraft *draft, const char *column)
{
	return cms_record_true(&draft->offer, column);
}

bool
cms_draft_int(const CmsDraft *draft, const char *column, int64 *value)
{
	*value = cms_record_int(&draft->offer, column);
	return !cms_record_isnull(&draft->offer, column);
}

bool
cms_draft_day(const CmsDraft *draft, const char *column, DateADT *value)
{
	bool isnull;

	*value = DatumGetDateADT(cms_record_value(&draft->offer, column, &isnull));
	return !isnull && !DATE_NOT_FINITE(*value);
}

Numeric
cms_draft_amount(const CmsDraft *draft, const char *column)
{
	bool isnull;
	Datum value = cms_record_value(&draft->offer, column, &isnull);

	return isnull || !cms_money_is_amount(DatumGetNumeric(value)) ? NULL : DatumGetNumeric(value);
}
