/*
 * finder.c
 *	  Finds one row by its key, as a scan of the server's plan says.
 *
 * Of a page that is written again and again, the server clears the dead versions whenever
 * somebody comes by, as soon as there is one: what a page keeps free for updates is also what it
 * takes for too little. Here a page is cleared when there is hardly room for another version, so
 * that the versions of several updates go at once.
 *
 * A row that is found by numbers is remembered with its place, and looked for there the next time.
 * What is there may be another row or none by now, so its key is compared; as the key is unique and
 * the row is one that the snapshot sees, it is the one that the index would lead to.
 */
#include "cms.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/lsyscache.h"

#include "finder.h"

/* More than another version of a usual row takes. */
#define ROOM (BLCKSZ / 16)
/* Rows that a statement remembers, a power of two; not before it was run a few times. */
#define REMEMBERED 1024
#define SELDOM 100

static bool prepare_keys(CmsFinder *finder, const IndexScan *scan, bool takes_first);
static bool
prepare_key(CmsFinder *finder, const Node *condition, Relation index, int number, bool takes_first);
static void prepare_memory(CmsFinder *finder, Relation index);
static bool prepare_place(CmsFinder *finder, const TidScan *scan);
static CmsFound *remembered(CmsFinder *finder);
static bool find_again(const CmsFinder *finder, const CmsFound *last, Relation table,
					   Snapshot snapshot, TupleTableSlot *row);
static bool has_key(const CmsFinder *finder, TupleTableSlot *row);
static bool has_block(Relation table, BlockNumber block);
static bool find_by_index(CmsFinder *finder, ExprContext *expressions, Relation table,
						  Snapshot snapshot, TupleTableSlot *row);
static bool find_by_place(const CmsFinder *finder, ExprContext *expressions, Relation table,
						  Snapshot snapshot, TupleTableSlot *row);
static bool fetch(Relation table, const ItemPointerData *entry, Snapshot snapshot,
				  TupleTableSlot *row, bool *all_dead);
static bool passes(const CmsFinder *finder, ExprContext *expressions, TupleTableSlot *row);

bool
cms_finder_prepare(CmsFinder *finder, const List *range_table, Plan *scan, bool takes_first)
{
	Relation table = table_open(rt_fetch(((Scan *) scan)->scanrelid, range_table)->relid, NoLock);
	bool possible = cms_finder_knows(table) && scan->initPlan == NIL;

	table_close(table, NoLock);
	possible =
		possible && (IsA(scan, IndexScan) ? prepare_keys(finder, (IndexScan *) scan, takes_first)
										  : prepare_place(finder, (TidScan *) scan));
	if (possible)
		finder->filter = ExecInitQual(scan->qual, NULL);
	return possible;
}

bool
cms_finder_knows(Relation table)
{
	return table->rd_rel->relkind == RELKIND_RELATION && !table->rd_rel->relispartition &&
		   table->rd_tableam == GetHeapamTableAmRoutine();
}

/* All columns of a unique index, each equal to something: at most one row. Or the first, by some columns of any. */
static bool
prepare_keys(CmsFinder *finder, const IndexScan *scan, bool takes_first)
{
	Relation index;
	bool possible;

	if (scan->indexorderby != NIL)
		return false;
	finder->index = scan->indexid;
	finder->direction = scan->indexorderdir;
	finder->keys = list_length(scan->indexqual);
	finder->scan_keys = palloc0(sizeof(ScanKeyData) * finder->keys);
	finder->key_values = palloc0(sizeof(ExprState *) * finder->keys);

	index = index_open(scan->indexid, AccessShareLock);
	possible = index->rd_rel->relam == BTREE_AM_OID &&
			   (takes_first || (index->rd_index->indisunique && index->rd_index->indimmediate &&
								finder->keys == IndexRelationGetNumberOfKeyAttributes(index)));
	for (int i = 0; possible && i < finder->keys; i++)
		possible = prepare_key(finder, list_nth(scan->indexqual, i), index, i, takes_first);
	if (possible && !takes_first)
		prepare_memory(finder, index);
	index_close(index, NoLock);
	return possible;
}

/* Equal to a value; for the first of some rows also to any of an array, or less or greater than a value. */
static bool
prepare_key(CmsFinder *finder, const Node *condition, Relation index, int number, bool takes_first)
{
	bool is_any = takes_first && IsA(condition, ScalarArrayOpExpr) &&
				  ((const ScalarArrayOpExpr *) condition)->useOr;
	const OpExpr *to_one = (const OpExpr *) condition;
	const ScalarArrayOpExpr *to_any = (const ScalarArrayOpExpr *) condition;
	List *sides;
	const Var *column;
	Oid operator;
	int strategy;
	Oid left;
	Oid right;

	if (!is_any && (!IsA(condition, OpExpr) || list_length(to_one->args) != 2))
		return false;
	sides = is_any ? to_any->args : to_one->args;
	operator= is_any ? to_any->opno : to_one->opno;
	column = linitial(sides);
	/* in the order of the index, so that each of its columns is there */
	if (!IsA(column, Var) || column->varno != INDEX_VAR || column->varattno != number + 1)
		return false;
	get_op_opfamily_properties(operator,
							   index->rd_opfamily[number],
							   false,
							   &strategy,
							   &left,
							   &right);
	if (strategy != BTEqualStrategyNumber && (is_any || !takes_first))
		return false;
	ScanKeyEntryInitialize(&finder->scan_keys[number],
						   is_any ? SK_SEARCHARRAY : 0,
						   column->varattno,
						   strategy,
						   right,
						   is_any ? to_any->inputcollid : to_one->inputcollid,
						   is_any ? to_any->opfuncid : to_one->opfuncid,
						   (Datum) 0);
	finder->key_values[number] = ExecInitExpr(lsecond(sides), NULL);
	return true;
}

/*
 * Numbers of the type of their column are equal if they are the same. An index of some rows only is
 * passed over: the plan need not say again which, and the row may no longer be one of them.
 */
static void
prepare_memory(CmsFinder *finder, Relation index)
{
	AttrNumber *columns = palloc0(sizeof(AttrNumber) * finder->keys);

	if (RelationGetIndexPredicate(index) != NIL)
		return;
	for (int i = 0; i < finder->keys; i++)
	{
		columns[i] = index->rd_index->indkey.values[i];
		if (finder->keys > CMS_FINDER_KNOWN_KEYS || columns[i] <= 0 ||
			!TupleDescAttr(RelationGetDescr(index), i)->attbyval ||
			finder->scan_keys[i].sk_subtype != index->rd_opcintype[i])
			return;
	}
	finder->key_columns = columns;
}

static bool
prepare_place(CmsFinder *finder, const TidScan *scan)
{
	const OpExpr *comparison = linitial(scan->tidquals);
	const Var *column;

	if (list_length(scan->tidquals) != 1 || !IsA(comparison, OpExpr))
		return false;
	column = linitial(comparison->args);
	if (!IsA(column, Var) || column->varattno != SelfItemPointerAttributeNumber)
		return false;
	finder->keys = 1;
	finder->key_values = palloc0(sizeof(ExprState *));
	finder->key_values[0] = ExecInitExpr(lsecond(comparison->args), NULL);
	return true;
}

bool
cms_finder_find(CmsFinder *finder, ExprContext *expressions, Relation table, Snapshot snapshot,
				TupleTableSlot *row)
{
	return OidIsValid(finder->index) ? find_by_index(finder, expressions, table, snapshot, row)
									 : find_by_place(finder, expressions, table, snapshot, row);
}

static bool
find_by_index(CmsFinder *finder, ExprContext *expressions, Relation table, Snapshot snapshot,
			  TupleTableSlot *row)
{
	Relation index;
	IndexScanDesc scan;
	ItemPointer entry;
	CmsFound *last;
	bool found = false;

	for (int i = 0; i < finder->keys; i++)
	{
		bool isnull;

		finder->scan_keys[i].sk_argument =
			ExecEvalExprSwitchContext(finder->key_values[i], expressions, &isnull);
		if (isnull)
			return false;
	}
	last = remembered(finder);
	if (last != NULL && find_again(finder, last, table, snapshot, row))
		return passes(finder, expressions, row);

	index = index_open(finder->index, AccessShareLock);
	scan = CMS_INDEX_BEGINSCAN(table, index, snapshot, finder->keys);
	index_rescan(scan, finder->scan_keys, finder->keys, NULL, 0);
	while (!found && (entry = index_getnext_tid(scan, finder->direction)) != NULL)
	{
		bool all_dead;

		CHECK_FOR_INTERRUPTS();
		found = fetch(table, entry, snapshot, row, &all_dead);
		if (!scan->xactStartedInRecovery)
			scan->kill_prior_tuple = all_dead;
		if (found)
		{
			pgstat_count_heap_fetch(index);
			if (last != NULL)
				last->place = *entry;
			found = passes(finder, expressions, row);
		}
	}
	index_endscan(scan);
	index_close(index, NoLock);
	return found;
}

/* Where the key that is looked for may have been found, or will be put; NULL: of no use here. */
static CmsFound *
remembered(CmsFinder *finder)
{
	CmsFound *found;
	uint32 hash = 0;
	bool is_same = true;

	if (finder->key_columns == NULL)
		return NULL;
	if (finder->found == NULL && finder->runs++ < SELDOM)
		return NULL;
	if (finder->found == NULL)
		finder->found = MemoryContextAllocZero(GetMemoryChunkContext(finder->key_columns),
											   sizeof(CmsFound) * REMEMBERED);
	for (int i = 0; i < finder->keys; i++)
		hash = hash_combine(hash, murmurhash32((uint32) finder->scan_keys[i].sk_argument));
	found = &finder->found[hash & (REMEMBERED - 1)];
	for (int i = 0; i < finder->keys; i++)
	{
		is_same = is_same && found->key[i] == finder->scan_keys[i].sk_argument;
		found->key[i] = finder->scan_keys[i].sk_argument;
	}
	if (!is_same)
		ItemPointerSetInvalid(&found->place);
	return found;
}

static bool
find_again(const CmsFinder *finder, const CmsFound *last, Relation table, Snapshot snapshot,
		   TupleTableSlot *row)
{
	bool all_dead;

	return ItemPointerIsValid(&last->place) &&
		   has_block(table, ItemPointerGetBlockNumber(&last->place)) &&
		   fetch(table, &last->place, snapshot, row, &all_dead) && has_key(finder, row);
}

static bool
has_key(const CmsFinder *finder, TupleTableSlot *row)
{
	for (int i = 0; i < finder->keys; i++)
	{
		bool isnull;
		Datum value = slot_getattr(row, finder->key_columns[i], &isnull);

		if (isnull || value != finder->scan_keys[i].sk_argument)
			return false;
	}
	return true;
}

/* The server is asked only where the table may have grown since; that it shrinks, all sessions are told. */
static bool
has_block(Relation table, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(table)->smgr_cached_nblocks[MAIN_FORKNUM];

	return (known != InvalidBlockNumber && block < known) ||
		   block < RelationGetNumberOfBlocks(table);
}

/* The version of the row that the snapshot sees, of those that an entry of the index leads to. */
static bool
fetch(Relation table, const ItemPointerData *entry, Snapshot snapshot, TupleTableSlot *row,
	  bool *all_dead)
{
	HeapTuple tuple = &((BufferHeapTupleTableSlot *) row)->base.tupdata;
	ItemPointerData place = *entry;
	Buffer buffer = ReadBuffer(table, ItemPointerGetBlockNumber(&place));
	Page page = BufferGetPage(buffer);
	bool found;

	/* without a lock, as the server looks too: next time is early enough */
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < ROOM)
		heap_page_prune_opt(table, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&place, table, buffer, snapshot, tuple, all_dead, true);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (!found)
	{
		ReleaseBuffer(buffer);
		return false;
	}
	tuple->t_self = place;
	row->tts_tableOid = RelationGetRelid(table);
	ExecStorePinnedBufferHeapTuple(tuple, row, buffer);
	return true;
}

static bool
find_by_place(const CmsFinder *finder, ExprContext *expressions, Relation table, Snapshot snapshot,
			  TupleTableSlot *row)
{
	bool isnull;
	ItemPointer place = (ItemPointer) DatumGetPointer(
		ExecEvalExprSwitchContext(finder->key_values[0], expressions, &isnull));

	return !isnull && ItemPointerIsValid(place) &&
		   has_block(table, ItemPointerGetBlockNumber(place)) &&
		   table_tuple_fetch_row_version(table, place, snapshot, row) &&
		   passes(finder, expressions, row);
}

static bool
passes(const CmsFinder *finder, ExprContext *expressions, TupleTableSlot *row)
{
	expressions->ecxt_scantuple = row;
	return ExecQual(finder->filter, expressions);
}
