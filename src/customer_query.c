/*
 * customer_query.c
 *	  Customers from a query of the caller's.
 *
 * The query is a holdable cursor: when the transaction that has opened it ends, the server runs
 * it to its end and keeps the rows. So the batches that follow all read one and the same
 * state, whatever they and others write meanwhile, and how many rows there are is known.
 *
 * Rows go from the cursor right into the array that the next batch is, without a tuple and a
 * text of their own.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/portal.h"
#include "utils/tuplestore.h"

#include "customer_query.h"
#include "text.h"

struct CmsCustomerQuery
{
	DestReceiver receiver; /* first, as the server gives it back */
	SPIPlanPtr plan;
	char *cursor; /* name; NULL: not open */
	MemoryContext context;
	Oid type; /* of the column, below domains */
	FmgrInfo output;
	/* the rows fetched last */
	char *array;
	Size used;
	Size allocated;
	int count;
	int ignored;
};

static const CachedPlanSource *require_select(SPIPlanPtr plan);
static Oid require_id_column(TupleDesc columns);
static void start_rows(DestReceiver *self, int operation, TupleDesc columns);
static bool take_row(TupleTableSlot *slot, DestReceiver *self);
static void end_rows(DestReceiver *self);
static void add_id(CmsCustomerQuery *query, const char *id, int length);
static int trimmed(const char *id, int length);
static bool is_blank(const char *id, int length);

CmsCustomerQuery *
cms_customer_query_prepare(const char *text)
{
	CmsCustomerQuery *query = palloc0(sizeof(CmsCustomerQuery));
	const CachedPlanSource *source;
	Oid output;
	bool is_varlena;

	query->context = CurrentMemoryContext;
	query->receiver.receiveSlot = take_row;
	query->receiver.rStartup = start_rows;
	query->receiver.rShutdown = end_rows;
	query->receiver.rDestroy = end_rows;
	query->receiver.mydest = DestNone;

	query->plan = SPI_prepare_cursor(text, 0, NULL, CURSOR_OPT_HOLD | CURSOR_OPT_NO_SCROLL);
	if (query->plan == NULL)
		elog(ERROR, "could not prepare the query: %s", SPI_result_code_string(SPI_result));
	source = require_select(query->plan);
	query->type = require_id_column(source->resultDesc);
	getTypeOutputInfo(query->type, &output, &is_varlena);
	fmgr_info(output, &query->output);
	if (SPI_keepplan(query->plan) != 0)
		elog(ERROR, "could not keep the query");
	return query;
}

/* Whatever writes or locks has effects that a batch could not take back. */
static const CachedPlanSource *
require_select(SPIPlanPtr plan)
{
	List *sources = SPI_plan_get_plan_sources(plan);
	const CachedPlanSource *source = NULL;
	const Query *query = NULL;

	if (list_length(sources) == 1)
		source = linitial(sources);
	if (source != NULL && list_length(source->query_list) == 1)
		query = linitial_node(Query, source->query_list);
	if (list_length(sources) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"query\" must be one statement, not %d", list_length(sources)),
				 errhint("Pass a SELECT that yields customer ids.")));
	if (query == NULL || query->commandType != CMD_SELECT || query->hasModifyingCTE ||
		query->rowMarks != NIL || source->resultDesc == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"query\" must be a SELECT that writes and locks nothing"),
				 errhint("Pass a SELECT that yields customer ids.")));
	return source;
}

static Oid
require_id_column(TupleDesc columns)
{
	Oid type;

	if (columns->natts != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"query\" must yield one column, not %d", columns->natts),
				 errhint("Select the customer's id, and nothing else.")));
	type = getBaseType(TupleDescAttr(columns, 0)->atttypid);
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case UUIDOID:
			return type;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("argument \"query\" must yield ids, not values of type %s",
							format_type_be(TupleDescAttr(columns, 0)->atttypid)),
					 errhint("Ids are of type text, varchar, char, smallint, integer, bigint or "
							 "uuid; cast others to text.")));
	}
}

void
cms_customer_query_open(CmsCustomerQuery *query)
{
	Portal portal = SPI_cursor_open(NULL, query->plan, NULL, NULL, true);

	query->cursor = MemoryContextStrdup(query->context, portal->name);
}

int64
cms_customer_query_total(const CmsCustomerQuery *query)
{
	Portal portal = GetPortalByName(query->cursor);

	if (!PortalIsValid(portal) || portal->holdStore == NULL)
		elog(ERROR, "the result of the query was not kept");
	return tuplestore_tuple_count(portal->holdStore);
}

int
cms_customer_query_fetch(CmsCustomerQuery *query, int most, Datum *customers, int *ignored)
{
	Portal portal = GetPortalByName(query->cursor);
	int rows;
	ArrayType *array;

	if (!PortalIsValid(portal))
		elog(ERROR, "the result of the query has gone");
	if (query->array == NULL)
	{
		query->allocated = ARR_OVERHEAD_NONULLS(1) + (Size) most * 32;
		query->array = MemoryContextAlloc(query->context, query->allocated);
	}
	query->used = ARR_OVERHEAD_NONULLS(1);
	query->count = query->ignored = 0;
	rows = (int) PortalRunFetch(portal, FETCH_FORWARD, most, &query->receiver);

	array = (ArrayType *) query->array;
	memset(array, 0, ARR_OVERHEAD_NONULLS(1));
	SET_VARSIZE(array, query->used);
	array->ndim = 1;
	array->elemtype = TEXTOID;
	ARR_DIMS(array)[0] = query->count;
	ARR_LBOUND(array)[0] = 1;
	/* an array of one dimension has an element at least */
	*customers = PointerGetDatum(query->count > 0 ? array : construct_empty_array(TEXTOID));
	*ignored = query->ignored;
	return rows;
}

void
cms_customer_query_close(CmsCustomerQuery *query)
{
	Portal portal = query->cursor == NULL ? NULL : GetPortalByName(query->cursor);

	if (PortalIsValid(portal))
		SPI_cursor_close(portal);
	SPI_freeplan(query->plan);
	if (query->array != NULL)
		pfree(query->array);
	pfree(query);
}

static void
start_rows(DestReceiver *self, int operation, TupleDesc columns)
{
}

static void
end_rows(DestReceiver *self)
{
}

static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	CmsCustomerQuery *query = (CmsCustomerQuery *) self;
	bool isnull;
	Datum value = slot_getattr(slot, 1, &isnull);

	if (isnull)
		query->ignored++;
	else if (query->type == TEXTOID || query->type == VARCHAROID || query->type == BPCHAROID)
	{
		struct varlena *text = PG_DETOAST_DATUM_PACKED(value);
		int length = VARSIZE_ANY_EXHDR(text);

		/* as a cast to text does */
		if (query->type == BPCHAROID)
			length = trimmed(VARDATA_ANY(text), length);
		add_id(query, VARDATA_ANY(text), length);
		if ((Pointer) text != DatumGetPointer(value))
			pfree(text);
	}
	else
	{
		char *text = OutputFunctionCall(&query->output, value);

		add_id(query, text, strlen(text));
		pfree(text);
	}
	return true;
}

static void
add_id(CmsCustomerQuery *query, const char *id, int length)
{
	Size size = INTALIGN(VARHDRSZ + length);
	char *element;

	if (length > CMS_ID_MAX_BYTES || is_blank(id, length))
	{
		query->ignored++;
		return;
	}
	if (query->used + size > query->allocated)
	{
		query->allocated = Max(query->allocated * 2, query->used + size);
		query->array = repalloc(query->array, query->allocated);
	}
	element = query->array + query->used;
	SET_VARSIZE(element, VARHDRSZ + length);
	memcpy(VARDATA(element), id, length);
	memset(VARDATA(element) + length, 0, size - VARHDRSZ - length);
	query->used += size;
	query->count++;
}

static int
trimmed(const char *id, int length)
{
	while (length > 0 && id[length - 1] == ' ')
		length--;
	return length;
}

static bool
is_blank(const char *id, int length)
{
	char *text;
	bool blank;

	/* what nearly all ids begin with */
	if (length > 0 && (unsigned char) id[0] > ' ' && (unsigned char) id[0] < 0x7f)
		return false;
	text = pnstrdup(id, length);
	blank = cms_text_is_blank(text);
	pfree(text);
	return blank;
}
