/*
 * finder.c
 *	  Finds one row by its key, as a scan of the server's plan says.
 *
 * Of a page that is written again and again, the server clears the dead versions whenever
 * somebody comes by, as soon as there is one: what a page keeps free for updates is also what it
 * takes for too little. Here a page is cleared when there is hardly room for another version, so
 * that the versions of several updates go at once.
 */
#include "cms.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"

#include "finder.h"

/* More than another version of a usual row takes. */
#define ROOM (BLCKSZ / 16)

static bool prepare_keys(CmsFinder *finder, const IndexScan *scan, bool takes_first);
static bool
prepare_key(CmsFinder *finder, const Node *condition, Relation index, int number, bool takes_first);
static bool prepare_place(CmsFinder *finder, const TidScan *scan);
static bool find_by_index(const CmsFinder *finder, ExprContext *expressions, Relation table,
						  Snapshot snapshot, TupleTableSlot *row);
static bool find_by_place(const CmsFinder *finder, ExprContext *expressions, Relation table,
						  Snapshot snapshot, TupleTableSlot *row);
static bool fetch(IndexScanDesc scan, ItemPointer entry, Relation table, Snapshot snapshot,
				  TupleTableSlot *row);
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

/* All columns of a unique index, each equal to something: at most one row. Or the first of those equal in some. */
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
	index_close(index, NoLock);
	return possible;
}

/* Equal to a value, or for the first of some rows to any of an array. */
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
	if (strategy != BTEqualStrategyNumber)
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
cms_finder_find(const CmsFinder *finder, ExprContext *expressions, Relation table,
				Snapshot snapshot, TupleTableSlot *row)
{
	return OidIsValid(finder->index) ? find_by_index(finder, expressions, table, snapshot, row)
									 : find_by_place(finder, expressions, table, snapshot, row);
}

static bool
find_by_index(const CmsFinder *finder, ExprContext *expressions, Relation table, Snapshot snapshot,
			  TupleTableSlot *row)
{
	Relation index;
	IndexScanDesc scan;
	ItemPointer entry;
	bool found = false;

	for (int i = 0; i < finder->keys; i++)
	{
		bool isnull;

		finder->scan_keys[i].sk_argument =
			ExecEvalExprSwitchContext(finder->key_values[i], expressions, &isnull);
		if (isnull)
			return false;
	}
	index = index_open(finder->index, AccessShareLock);
	scan = CMS_INDEX_BEGINSCAN(table, index, snapshot, finder->keys);
	index_rescan(scan, finder->scan_keys, finder->keys, NULL, 0);
	while (!found && (entry = index_getnext_tid(scan, finder->direction)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		found = fetch(scan, entry, table, snapshot, row) && passes(finder, expressions, row);
	}
	index_endscan(scan);
	index_close(index, NoLock);
	return found;
}

/* The version of the row that the snapshot sees, of those that an entry of the index leads to. */
static bool
fetch(IndexScanDesc scan, ItemPointer entry, Relation table, Snapshot snapshot, TupleTableSlot *row)
{
	HeapTuple tuple = &((BufferHeapTupleTableSlot *) row)->base.tupdata;
	ItemPointerData place = *entry;
	Buffer buffer = ReadBuffer(table, ItemPointerGetBlockNumber(&place));
	Page page = BufferGetPage(buffer);
	bool all_dead;
	bool found;

	/* without a lock, as the server looks too: next time is early enough */
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < ROOM)
		heap_page_prune_opt(table, buffer);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(&place, table, buffer, snapshot, tuple, &all_dead, true);
	LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (!scan->xactStartedInRecovery)
		scan->kill_prior_tuple = all_dead;
	if (!found)
	{
		ReleaseBuffer(buffer);
		return false;
	}
	pgstat_count_heap_fetch(scan->indexRelation);
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
		   ItemPointerGetBlockNumber(place) < RelationGetNumberOfBlocks(table) &&
		   table_tuple_fetch_row_version(table, place, snapshot, row) &&
		   passes(finder, expressions, row);
}

static bool
passes(const CmsFinder *finder, ExprContext *expressions, TupleTableSlot *row)
{
	expressions->ecxt_scantuple = row;
	return ExecQual(finder->filter, expressions);
}
