/*
 * arrive.c
 *	  Lines that arrive in the view cms.code_upload (F12).
 *
 * COPY fires a trigger for each row, so that one only puts the line aside. The trigger at the end
 * of the statement writes them all, some thousand at a time. Lines that are put aside belong to
 * the (sub)transaction of their statement and go with it, if it fails.
 */
#include "cms.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "array.h"
#include "org.h"
#include "plan.h"

PG_FUNCTION_INFO_V1(cms_code_upload_insert);
PG_FUNCTION_INFO_V1(cms_code_upload_store);

/* Lines written by one statement. */
#define BATCH_LINES 5000

/* Lines of one subtransaction that wait for the end of their statement. */
typedef struct Arrivals
{
	struct Arrivals *next;
	SubTransactionId subtransaction;
	Tuplestorestate *lines; /* beyond work_mem in a file */
	MemoryContextCallback gone;
} Arrivals;

/* columns of the view that a line brings */
enum
{
	in_org,
	in_line,
	in_offer,
	in_code,
	in_customer,
	in_columns
};
static const char *const in_names[in_columns] = {
	"org_id", "line", "offer_id", "code", "customer_id"};

/* Some lines of one org. */
typedef struct Batch
{
	int org;
	int count;
	int64 lines[BATCH_LINES];
	bool no_line[BATCH_LINES];
	int64 offers[BATCH_LINES];
	bool no_offer[BATCH_LINES];
	const char *codes[BATCH_LINES];
	const char *customers[BATCH_LINES];
} Batch;

static Arrivals *find_arrivals(void);
static Arrivals *make_arrivals(void);
static void forget_arrivals(void *arrivals);
static void write_lines(Arrivals *arrivals, TupleDesc columns);
static int org_of_line(TupleTableSlot *slot, int column);
static int64 number_of_line(TupleTableSlot *slot, int column, bool *isnull);
static char *text_of_line(TupleTableSlot *slot, int column);
static void write_batch(Batch *batch);

static Arrivals *all_arrivals = NULL;

static CmsPlan insert_lines = {
	"INSERT INTO cms.code_upload_line"
	" (org_id, line, offer_id, code, customer_id, uploaded_by, uploaded_at)"
	" SELECT $1, COALESCE(u.line, nextval('cms.code_upload_line_seq')), u.offer_id, u.code,"
	"  u.customer_id, $6, $7"
	" FROM (SELECT unnest($2) AS line, unnest($3) AS offer_id, unnest($4) AS code,"
	"  unnest($5) AS customer_id) u",
	7,
	{INT4OID, INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZOID}};

/*
 * INSTEAD OF INSERT on cms.code_upload. Nothing about the code or the offer is checked, so that
 * a file comes in as it is. It runs no statement and looks up no name, so it needs no rights.
 */
Datum
cms_code_upload_insert(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Arrivals *arrivals;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("cms_code_upload_insert is a trigger for INSTEAD OF INSERT")));
	arrivals = find_arrivals();
	if (arrivals == NULL)
		arrivals = make_arrivals();
	tuplestore_puttuple(arrivals->lines, trigger->tg_trigtuple);
	/* a copy, which goes with the row: the server frees its own tuple only when it gets another back */
	PG_RETURN_POINTER(heap_copytuple(trigger->tg_trigtuple));
}

/* Of this very subtransaction: lines of an outer one must not go with it. */
static Arrivals *
find_arrivals(void)
{
	SubTransactionId current = GetCurrentSubTransactionId();

	for (Arrivals *arrivals = all_arrivals; arrivals != NULL; arrivals = arrivals->next)
		if (arrivals->subtransaction == current)
			return arrivals;
	return NULL;
}

static Arrivals *
make_arrivals(void)
{
	MemoryContext context =
		AllocSetContextCreate(CurTransactionContext, "cms arriving codes", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	ResourceOwner owner = CurrentResourceOwner;
	Arrivals *arrivals = palloc0(sizeof(Arrivals));

	arrivals->subtransaction = GetCurrentSubTransactionId();
	CurrentResourceOwner = CurTransactionResourceOwner;
	arrivals->lines = tuplestore_begin_heap(false, false, work_mem);
	CurrentResourceOwner = owner;
	arrivals->gone.func = forget_arrivals;
	arrivals->gone.arg = arrivals;
	MemoryContextRegisterResetCallback(context, &arrivals->gone);
	arrivals->next = all_arrivals;
	all_arrivals = arrivals;
	MemoryContextSwitchTo(before);
	return arrivals;
}

static void
forget_arrivals(void *gone)
{
	for (Arrivals **link = &all_arrivals; *link != NULL; link = &(*link)->next)
		if (*link == gone)
		{
			*link = (*link)->next;
			break;
		}
}

/* AFTER INSERT FOR EACH STATEMENT on cms.code_upload. */
Datum
cms_code_upload_store(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Arrivals *arrivals;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("cms_code_upload_store is a trigger for AFTER INSERT FOR EACH STATEMENT")));
	arrivals = find_arrivals();
	if (arrivals != NULL)
	{
		MemoryContext context = GetMemoryChunkContext(arrivals);

		SPI_connect();
		write_lines(arrivals, RelationGetDescr(trigger->tg_relation));
		tuplestore_end(arrivals->lines);
		SPI_finish();
		MemoryContextDelete(context);
	}
	PG_RETURN_POINTER(NULL);
}

static void
write_lines(Arrivals *arrivals, TupleDesc columns)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	MemoryContext batch_context =
		AllocSetContextCreate(CurrentMemoryContext, "cms arriving batch", ALLOCSET_DEFAULT_SIZES);
	Batch *batch = palloc0(sizeof(Batch));
	int column[in_columns];

	for (int i = 0; i < in_columns; i++)
		column[i] = SPI_fnumber(columns, in_names[i]);
	while (tuplestore_gettupleslot(arrivals->lines, true, false, slot))
	{
		int org = org_of_line(slot, column[in_org]);
		MemoryContext before;
		int i;

		/* the slot's tuple is not of the batch, which may go before it */
		before = MemoryContextSwitchTo(batch_context);
		if (batch->count == BATCH_LINES || (batch->count > 0 && org != batch->org))
		{
			write_batch(batch);
			MemoryContextReset(batch_context);
		}
		i = batch->count++;
		batch->org = org;
		batch->lines[i] = number_of_line(slot, column[in_line], &batch->no_line[i]);
		batch->offers[i] = number_of_line(slot, column[in_offer], &batch->no_offer[i]);
		batch->codes[i] = text_of_line(slot, column[in_code]);
		batch->customers[i] = text_of_line(slot, column[in_customer]);
		MemoryContextSwitchTo(before);
	}
	if (batch->count > 0)
		write_batch(batch);
	MemoryContextDelete(batch_context);
	ExecDropSingleTupleTableSlot(slot);
}

static int
org_of_line(TupleTableSlot *slot, int column)
{
	bool isnull;
	int org = DatumGetInt32(slot_getattr(slot, column, &isnull));

	return isnull ? cms_org_default() : org;
}

static int64
number_of_line(TupleTableSlot *slot, int column, bool *isnull)
{
	Datum value = slot_getattr(slot, column, isnull);

	return *isnull ? 0 : DatumGetInt64(value);
}

static char *
text_of_line(TupleTableSlot *slot, int column)
{
	bool isnull;
	Datum value = slot_getattr(slot, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static void
write_batch(Batch *batch)
{
	Datum values[] = {
		Int32GetDatum(batch->org),
		cms_array_of_nullable_int64s(batch->lines, batch->no_line, batch->count),
		cms_array_of_nullable_int64s(batch->offers, batch->no_offer, batch->count),
		cms_array_of_texts(batch->codes, batch->count),
		cms_array_of_texts(batch->customers, batch->count),
		CStringGetTextDatum(cms_org_caller_name()),
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
	};

	CHECK_FOR_INTERRUPTS();
	cms_org_require(batch->org);
	cms_plan_run(&insert_lines, values, NULL, false);
	batch->count = 0;
}
