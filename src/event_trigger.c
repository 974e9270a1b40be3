/*
 * event_trigger.c
 *	  Events of the settings (F49): who created, changed or deleted which row.
 *
 * Fired after each statement, with the rows in transition tables, so that a load of a
 * million rows costs no million calls and writes no million events: more rows than the
 * trigger's own limit become one event per offer, with their number.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "array.h"
#include "org.h"
#include "plan.h"

PG_FUNCTION_INFO_V1(cms_settings_event);

/* rows that one statement records */
#define BATCH_ROWS 200
#define MAX_KEY_COLUMNS 2

/* The rows of a statement, before or after it. */
typedef struct Rows
{
	Tuplestorestate *store; /* NULL: the statement has none */
	TupleTableSlot *slot;
	int read_pointer;
} Rows;

typedef struct Statement
{
	TupleDesc desc;
	const char *action;
	const char *object;
	int64 max_rows;
	int key_columns[MAX_KEY_COLUMNS]; /* 0: none */
	int org_column;
	int offer_column; /* 0: none */
	Rows before;
	Rows after;
} Statement;

/* What is to be written by one statement. */
typedef struct Batch
{
	int count;
	int64 orgs[BATCH_ROWS];
	int64 offers[BATCH_ROWS];
	bool no_offer[BATCH_ROWS];
	char *ids[BATCH_ROWS];
	char *old_rows[BATCH_ROWS];
	char *new_rows[BATCH_ROWS];
} Batch;

typedef struct Total
{
	struct
	{
		int64 org;
		int64 offer_id; /* 0: none */
	} key;
	int64 rows;
} Total;

static bool is_restore(void);
static void open_statement(Statement *statement, const TriggerData *trigger);
static int column_of(TupleDesc desc, const char *name);
static void open_rows(Rows *rows, Tuplestorestate *store, TupleDesc desc);
static bool next_row(Rows *rows);
static void close_rows(Rows *rows);
static void record_rows(Statement *statement, MemoryContext scratch);
static void add_row(const Statement *statement, Batch *batch);
static char *id_of(const Statement *statement, TupleTableSlot *slot);
static char *json_of(const Rows *rows);
static void record_totals(Statement *statement, MemoryContext scratch);
static void add_total(const Statement *statement, Batch *batch, const Total *total);
static void write_batch(const Statement *statement, const Batch *batch);

/*
 * What differs between the two rows; of rows that came or went all that is not NULL. Stamps say
 * no more than the event does. No event where nothing differs, nor of an org that is going.
 */
static CmsPlan record_changes = {
	.text =
		"INSERT INTO cms.event (org_id, event_id, action, object, object_id, offer_id, old_values,"
		" new_values, happened_at, recorded_at, recorded_by)"
		" SELECT g.org_id, pg_catalog.nextval('cms.event_id_seq'), $1, $2, r.object_id, r.offer_id,"
		"  CASE WHEN r.old_row IS NOT NULL THEN d.old_values END,"
		"  CASE WHEN r.new_row IS NOT NULL THEN d.new_values END,"
		"  $3, pg_catalog.clock_timestamp(), $4"
		" FROM unnest($5, $6, $7, $8, $9) WITH ORDINALITY"
		"  r (org_id, offer_id, object_id, old_row, new_row, nth)"
		" JOIN cms.org g ON g.org_id = r.org_id"
		" CROSS JOIN LATERAL ("
		"  SELECT pg_catalog.jsonb_object_agg(COALESCE(o.key, n.key), o.value) AS old_values,"
		"   pg_catalog.jsonb_object_agg(COALESCE(o.key, n.key), n.value) AS new_values"
		"  FROM pg_catalog.jsonb_each(r.old_row::pg_catalog.jsonb) o"
		"  FULL JOIN pg_catalog.jsonb_each(r.new_row::pg_catalog.jsonb) n ON n.key = o.key"
		"  WHERE COALESCE(o.value, 'null') <> COALESCE(n.value, 'null')"
		"   AND COALESCE(o.key, n.key) NOT IN ('modified_by', 'modified_at')"
		"   AND (COALESCE(o.key, n.key) NOT IN ('org_id', 'offer_id', 'created_by', 'created_at')"
		"    OR (o.key IS NOT NULL AND n.key IS NOT NULL))"
		"  HAVING count(*) > 0) d"
		" ORDER BY r.nth",
	.nargs = 9,
	.argtypes = {TEXTOID,
				 TEXTOID,
				 TIMESTAMPTZOID,
				 TEXTOID,
				 INT8ARRAYOID,
				 INT8ARRAYOID,
				 TEXTARRAYOID,
				 TEXTARRAYOID,
				 TEXTARRAYOID},
	.compares_lists = true,
};

/*
 * Arguments: what the row is called, how many rows of a statement become an event each, and the columns
 * that tell the row.
 */
Datum
cms_settings_event(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Statement statement = {0};
	MemoryContext scratch;
	Tuplestorestate *counted;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) || trigger->tg_trigger->tgnargs < 2 ||
		(trigger->tg_oldtable == NULL && trigger->tg_newtable == NULL))
		ereport(
			ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg(
				 "function must be called by a trigger after each statement, with its rows in tables")));
	counted = trigger->tg_newtable != NULL ? trigger->tg_newtable : trigger->tg_oldtable;
	if (tuplestore_tuple_count(counted) == 0 || is_restore())
		return PointerGetDatum(NULL);

	SPI_connect();
	open_statement(&statement, trigger);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "cms events", ALLOCSET_DEFAULT_SIZES);
	if (tuplestore_tuple_count(counted) > statement.max_rows)
		record_totals(&statement, scratch);
	else
		record_rows(&statement, scratch);
	close_rows(&statement.before);
	close_rows(&statement.after);
	SPI_finish();
	return PointerGetDatum(NULL);
}

/*
 * A dump holds the events of its rows, so loading it makes no new ones. What pg_dump and
 * pg_restore write is known by the settings that they begin with; only superusers load it.
 */
static bool
is_restore(void)
{
	return !row_security && !check_function_bodies && superuser_arg(cms_org_caller());
}

static void
open_statement(Statement *statement, const TriggerData *trigger)
{
	char **args = trigger->tg_trigger->tgargs;

	statement->desc = RelationGetDescr(trigger->tg_relation);
	statement->action = TRIGGER_FIRED_BY_INSERT(trigger->tg_event)   ? "CREATED"
						: TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? "CHANGED"
																	 : "DELETED";
	statement->object = args[0];
	statement->max_rows = pg_strtoint32(args[1]);
	statement->org_column = column_of(statement->desc, "org_id");
	statement->offer_column = column_of(statement->desc, "offer_id");
	Assert(statement->org_column > 0);
	for (int i = 2; i < trigger->tg_trigger->tgnargs && i - 2 < MAX_KEY_COLUMNS; i++)
		statement->key_columns[i - 2] = column_of(statement->desc, args[i]);
	open_rows(&statement->before, trigger->tg_oldtable, statement->desc);
	open_rows(&statement->after, trigger->tg_newtable, statement->desc);
}

/* 0: there is none */
static int
column_of(TupleDesc desc, const char *name)
{
	int number = SPI_fnumber(desc, name);

	return number < 1 ? 0 : number;
}

/* With a place of its own: other triggers of the statement read the same rows. */
static void
open_rows(Rows *rows, Tuplestorestate *store, TupleDesc desc)
{
	rows->store = store;
	if (store == NULL)
		return;
	rows->read_pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(store, rows->read_pointer);
	tuplestore_rescan(store);
	rows->slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

/* True too where there are no rows at all: then there is nothing to read. */
static bool
next_row(Rows *rows)
{
	if (rows->store == NULL)
		return true;
	tuplestore_select_read_pointer(rows->store, rows->read_pointer);
	return tuplestore_gettupleslot(rows->store, true, false, rows->slot);
}

static void
close_rows(Rows *rows)
{
	if (rows->store != NULL)
		ExecDropSingleTupleTableSlot(rows->slot);
}

/* Rows before and after an update come in the same order. */
static void
record_rows(Statement *statement, MemoryContext scratch)
{
	MemoryContext spi = MemoryContextSwitchTo(scratch);
	Batch *batch = MemoryContextAllocZero(spi, sizeof(Batch));

	while (next_row(&statement->before) && next_row(&statement->after))
	{
		add_row(statement, batch);
		if (batch->count < BATCH_ROWS)
			continue;
		CHECK_FOR_INTERRUPTS();
		write_batch(statement, batch);
		batch->count = 0;
		MemoryContextReset(scratch);
	}
	write_batch(statement, batch);
	MemoryContextSwitchTo(spi);
}

static void
add_row(const Statement *statement, Batch *batch)
{
	TupleTableSlot *slot =
		statement->after.store != NULL ? statement->after.slot : statement->before.slot;
	int n = batch->count++;
	bool isnull;

	batch->orgs[n] = DatumGetInt32(slot_getattr(slot, statement->org_column, &isnull));
	batch->no_offer[n] = statement->offer_column == 0;
	batch->offers[n] = statement->offer_column == 0
						   ? 0
						   : DatumGetInt64(slot_getattr(slot, statement->offer_column, &isnull));
	batch->ids[n] = id_of(statement, slot);
	batch->old_rows[n] = json_of(&statement->before);
	batch->new_rows[n] = json_of(&statement->after);
}

/* "STORE 17": the columns that tell the row; NULL where one of them is NULL or there are none */
static char *
id_of(const Statement *statement, TupleTableSlot *slot)
{
	StringInfoData id;

	initStringInfo(&id);
	for (int i = 0; i < MAX_KEY_COLUMNS && statement->key_columns[i] != 0; i++)
	{
		int column = statement->key_columns[i];
		bool isnull;
		Datum value = slot_getattr(slot, column, &isnull);
		Oid output;
		bool is_varlena;

		if (isnull)
			return NULL;
		getTypeOutputInfo(
			TupleDescAttr(statement->desc, column - 1)->atttypid, &output, &is_varlena);
		if (i > 0)
			appendStringInfoChar(&id, ' ');
		appendStringInfoString(&id, OidOutputFunctionCall(output, value));
	}
	return id.len == 0 ? NULL : id.data;
}

static char *
json_of(const Rows *rows)
{
	if (rows->store == NULL)
		return NULL;
	return TextDatumGetCString(
		DirectFunctionCall1(row_to_json, ExecFetchSlotHeapTupleDatum(rows->slot)));
}

/* Too many rows for an event each: their number, by offer. */
static void
record_totals(Statement *statement, MemoryContext scratch)
{
	HASHCTL control = {
		.keysize = sizeof(((Total *) NULL)->key), .entrysize = sizeof(Total), .hcxt = scratch};
	HTAB *totals = hash_create("cms events", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	Rows *rows = statement->after.store != NULL ? &statement->after : &statement->before;
	Total *total = NULL;
	Batch *batch = palloc0(sizeof(Batch));
	HASH_SEQ_STATUS all;

	while (next_row(rows))
	{
		Total wanted = {0};
		bool isnull;
		bool found = true;

		wanted.key.org = DatumGetInt32(slot_getattr(rows->slot, statement->org_column, &isnull));
		if (statement->offer_column != 0)
			wanted.key.offer_id =
				DatumGetInt64(slot_getattr(rows->slot, statement->offer_column, &isnull));
		/* mostly the one of the row before */
		if (total == NULL || memcmp(&total->key, &wanted.key, sizeof(wanted.key)) != 0)
			total = hash_search(totals, &wanted.key, HASH_ENTER, &found);
		if (!found)
			total->rows = 0;
		total->rows++;
		CHECK_FOR_INTERRUPTS();
	}
	hash_seq_init(&all, totals);
	while ((total = hash_seq_search(&all)) != NULL)
	{
		add_total(statement, batch, total);
		if (batch->count < BATCH_ROWS)
			continue;
		write_batch(statement, batch);
		batch->count = 0;
	}
	write_batch(statement, batch);
}

static void
add_total(const Statement *statement, Batch *batch, const Total *total)
{
	/* an update changes as many as there are: one side tells it */
	char *rows = psprintf("{\"rows\": " INT64_FORMAT "}", total->rows);
	int n = batch->count++;

	batch->orgs[n] = total->key.org;
	batch->offers[n] = total->key.offer_id;
	batch->no_offer[n] = statement->offer_column == 0;
	batch->ids[n] = NULL;
	batch->old_rows[n] = statement->after.store == NULL ? rows : NULL;
	batch->new_rows[n] = statement->after.store != NULL ? rows : NULL;
}

static void
write_batch(const Statement *statement, const Batch *batch)
{
	Datum values[] = {
		CStringGetTextDatum(statement->action),
		CStringGetTextDatum(statement->object),
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
		CStringGetTextDatum(cms_org_caller_name()),
		cms_array_of_int64s(batch->orgs, batch->count),
		cms_array_of_nullable_int64s(batch->offers, (bool *) batch->no_offer, batch->count),
		cms_array_of_texts((const char *const *) batch->ids, batch->count),
		cms_array_of_texts((const char *const *) batch->old_rows, batch->count),
		cms_array_of_texts((const char *const *) batch->new_rows, batch->count),
	};

	if (batch->count > 0)
		cms_plan_run(&record_changes, values, NULL, false);
}
