/*
 * direct.c
 *	  Runs a statement that finds one row by its key, without setting up the executor.
 *
 * Of a statement that looks up or changes a single row, most of the time goes into building the
 * executor's state and taking it down again. Here that is built once for each plan and kept. The
 * statement stays what it is: parsed, planned and invalidated by the server, which also takes
 * the locks of its tables. Its plan is taken if it is one of these:
 *
 *		SELECT	Index Scan or Tid Scan			by all columns of a unique index, or under LIMIT 1;
 *											also with FOR UPDATE and its kin
 *		UPDATE	the same						of a table that nobody else has triggers on
 *		INSERT	Result							into one, of VALUES, also with ON CONFLICT DO NOTHING
 *
 * Whatever else a plan is, as that of a partitioned or distributed table, and whatever comes in
 * the way of a row (somebody else has changed it, a constraint does not hold), nothing is done
 * here and the executor runs the statement from its beginning: it looks again, or reports.
 *
 * No code but the server's own runs meanwhile, so that none of this is entered twice: tables
 * with functions of other people in defaults, constraints or indexes are left to the executor.
 */
#include "cms.h"

#include "access/amapi.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "direct.h"
#include "finder.h"

typedef struct CmsDirect
{
	MemoryContext context; /* of all that is kept */
	bool possible;
	const CachedPlanSource *source; /* the server's, with its present plan, */
	int generation;                 /* which this is made of, */
	Oid user;                       /* for this user, who has the rights it needs */
	PlannedStmt *statement;         /* a copy, which expressions point into */
	ExprContext *expressions;
	ParamListInfo params;

	Oid table;
	CmsFinder finder;
	TupleTableSlot *found;
	bool locks; /* what is found, */
	LockTupleMode lock;
	ProjectionInfo *row; /* of what is found; of a change, the row as it is to be */
	/* of a change */
	bool gives_way; /* ON CONFLICT DO NOTHING */
	int checks;
	ExprState **check; /* constraints of the table */
	EState *state;     /* its indexes, as the executor has them */
	ResultRelInfo *result;
	Oid *index; /* to open them by */
} CmsDirect;

bool cms_direct_setting = true;

/* The row of the last SELECT; no statement may be given values of it. */
static MemoryContext answer_context = NULL;
static Datum *answer_values;
static bool *answer_nulls;

static void refresh(CmsPlan *plan);
static bool stands(const CmsDirect *direct);
static void prepare(CmsPlan *plan, const CachedPlan *cached);
static bool prepare_statement(CmsDirect *direct, int nargs);
static bool prepare_select(CmsDirect *direct, Plan *plan);
static bool prepare_lock(CmsDirect *direct, const LockRows *plan);
static bool prepare_change(CmsDirect *direct, ModifyTable *change);
static ProjectionInfo *prepare_row(CmsDirect *direct, Relation table, ModifyTable *change);
static void prepare_found(CmsDirect *direct);
static bool is_first_row(const Limit *limit);
static bool is_only_guarded(const TriggerDesc *triggers, CmdType action);
static bool has_other_indexes(Relation table);
static bool has_foreign_functions(const Plan *plan);
static bool has_foreign_function(Node *node, void *nothing);
static bool is_foreign(Oid function, void *nothing);
static bool prepare_checks(CmsDirect *direct, const TupleConstr *constraints);
static void prepare_indexes(CmsDirect *direct, Relation table, Index target);
static ProjectionInfo *prepare_projection(CmsDirect *direct, List *columns);
static bool may_run(const CmsDirect *direct, CmsSight sight);
static void
set_params(CmsDirect *direct, const CmsPlan *plan, const Datum *values, const char *nulls);
static bool run(CmsDirect *direct, CmsSight sight, uint64 *rows);
static void push_snapshot(CmsSight sight);
static bool select_row(CmsDirect *direct, uint64 *rows);
static bool lock_row(CmsDirect *direct, Relation table);
static bool find(CmsDirect *direct, Relation table);
static void keep_answer(TupleTableSlot *slot);
static bool update_row(CmsDirect *direct, uint64 *rows);
static bool insert_row(CmsDirect *direct, uint64 *rows);
static bool insert_unless_taken(CmsDirect *direct, Relation table, TupleTableSlot *row);
static bool allows(CmsDirect *direct, Relation table, TupleTableSlot *row);
static void index_row(CmsDirect *direct, Relation table, TupleTableSlot *row,
					  CmsIndexesToUpdate which, bool *taken);

bool
cms_direct_run(CmsPlan *plan, const Datum *values, const char *nulls, CmsSight sight, uint64 *rows)
{
	CmsDirect *direct;

	/* whoever watches rights sees all statements */
	if (!cms_direct_setting || ExecutorCheckPerms_hook != NULL || IsInParallelMode())
		return false;
	if (plan->direct == NULL || !stands(plan->direct))
		refresh(plan);
	direct = plan->direct;
	if (!direct->possible || !may_run(direct, sight))
		return false;
	set_params(direct, plan, values, nulls);
	return run(direct, sight, rows);
}

Datum
cms_direct_value(int column, bool *isnull)
{
	*isnull = answer_nulls[column - 1];
	return answer_values[column - 1];
}

/* ---- what is kept -------------------------------------------------------------------------- */

/*
 * What the server asks before it runs a plan once more: first the locks, for they bring the news
 * of what others have changed. It also asks for the search_path, by which operators were found;
 * but every function of the extension has the same. Rights are not asked for again: GRANT, REVOKE
 * and another owner make plans of their tables anew. What a role has as a member of another does
 * not; but these statements run as the owner of the tables, who has rights of its own.
 */
static bool
stands(const CmsDirect *direct)
{
	const CachedPlanSource *source = direct->source;
	const CachedPlan *plan;
	ListCell *cell;

	if (direct->user != GetUserId())
		return false;
	foreach (cell, direct->possible ? direct->statement->rtable : NIL)
	{
		const RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION)
			LockRelationOid(entry->relid, entry->rellockmode);
	}
	plan = source->gplan;
	return source->is_valid && plan != NULL && plan->is_valid &&
		   plan->generation == direct->generation && !TransactionIdIsValid(plan->saved_xmin) &&
		   (!source->dependsOnRLS || source->rewriteRowSecurity == row_security);
}

/* By the server's own way, which plans anew where that is due. */
static void
refresh(CmsPlan *plan)
{
	CachedPlan *cached = SPI_plan_get_cached_plan(plan->plan);

	if (plan->direct == NULL || plan->direct->generation != cached->generation ||
		plan->direct->user != GetUserId())
		prepare(plan, cached);
	ReleaseCachedPlan(cached, CurrentResourceOwner);
}

/* Published when it is whole; what an error leaves behind goes with the call. */
static void
prepare(CmsPlan *plan, const CachedPlan *cached)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "cms statement", ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	CmsDirect *direct = palloc0(sizeof(CmsDirect));

	direct->context = context;
	direct->source = linitial(SPI_plan_get_plan_sources(plan->plan));
	direct->generation = cached->generation;
	direct->user = GetUserId();
	/* somebody's rules may have made none of it, or several */
	if (list_length(cached->stmt_list) == 1)
	{
		direct->statement =
			(PlannedStmt *) copyObjectImpl(linitial_node(PlannedStmt, cached->stmt_list));
		direct->possible = prepare_statement(direct, plan->nargs);
	}
	if (direct->possible)
		CMS_CHECK_PERMISSIONS(direct->statement);
	MemoryContextSwitchTo(before);

	MemoryContextSetParent(context, CacheMemoryContext);
	if (plan->direct != NULL)
		MemoryContextDelete(plan->direct->context);
	plan->direct = direct;
}

static bool
prepare_statement(CmsDirect *direct, int nargs)
{
	const PlannedStmt *statement = direct->statement;

	if (statement->commandType == CMD_UTILITY || statement->subplans != NIL)
		return false;
	direct->expressions = CreateStandaloneExprContext();
	direct->params = makeParamList(nargs);
	direct->expressions->ecxt_param_list_info = direct->params;
	if (statement->commandType == CMD_SELECT)
		return prepare_select(direct, statement->planTree);
	return statement->rowMarks == NIL && IsA(statement->planTree, ModifyTable) &&
		   prepare_change(direct, (ModifyTable *) statement->planTree);
}

static bool
prepare_select(CmsDirect *direct, Plan *plan)
{
	bool takes_first = IsA(plan, Limit) && is_first_row((Limit *) plan);

	/* what is below has the same columns */
	if (takes_first)
		plan = outerPlan(plan);
	if (IsA(plan, LockRows) && prepare_lock(direct, (const LockRows *) plan))
		plan = outerPlan(plan);
	if ((!IsA(plan, IndexScan) && !IsA(plan, TidScan)) || has_foreign_functions(plan) ||
		!cms_finder_prepare(&direct->finder, direct->statement->rtable, plan, takes_first))
		return false;
	direct->table = rt_fetch(((Scan *) plan)->scanrelid, direct->statement->rtable)->relid;
	prepare_found(direct);
	direct->row = prepare_projection(direct, plan->targetlist);
	return true;
}

/* Whoever is at the row is waited for. */
static bool
prepare_lock(CmsDirect *direct, const LockRows *plan)
{
	const PlanRowMark *mark = linitial_node(PlanRowMark, plan->rowMarks);

	direct->locks = list_length(plan->rowMarks) == 1 &&
					RowMarkRequiresRowShareLock(mark->markType) &&
					mark->waitPolicy == LockWaitBlock;
	switch (mark->markType)
	{
		case ROW_MARK_EXCLUSIVE:
			direct->lock = LockTupleExclusive;
			break;
		case ROW_MARK_NOKEYEXCLUSIVE:
			direct->lock = LockTupleNoKeyExclusive;
			break;
		case ROW_MARK_SHARE:
			direct->lock = LockTupleShare;
			break;
		default:
			direct->lock = LockTupleKeyShare;
			break;
	}
	return direct->locks;
}

/* For what is found; with the values that rows have which are older than a column. */
static void
prepare_found(CmsDirect *direct)
{
	Relation table = table_open(direct->table, NoLock);

	direct->found = MakeTupleTableSlot(CreateTupleDescCopyConstr(RelationGetDescr(table)),
									   &TTSOpsBufferHeapTuple);
	table_close(table, NoLock);
}

/* LIMIT 1 */
static bool
is_first_row(const Limit *limit)
{
	const Const *count = (const Const *) limit->limitCount;

	return limit->limitOption == LIMIT_OPTION_COUNT && limit->limitOffset == NULL &&
		   count != NULL && IsA(count, Const) && !count->constisnull &&
		   DatumGetInt64(count->constvalue) == 1;
}

static bool
prepare_change(CmsDirect *direct, ModifyTable *change)
{
	Plan *plan = outerPlan(&change->plan);
	Index target = linitial_int(change->resultRelations);
	List *range_table = direct->statement->rtable;
	Relation table;
	bool possible;

	if (list_length(change->resultRelations) != 1 || change->returningLists != NIL ||
		change->withCheckOptionLists != NIL || change->rowMarks != NIL ||
		change->onConflictAction == ONCONFLICT_UPDATE || change->arbiterIndexes != NIL ||
		has_foreign_functions(plan))
		return false;
	if (change->operation == CMD_UPDATE)
		possible = (IsA(plan, IndexScan) || IsA(plan, TidScan)) &&
				   ((Scan *) plan)->scanrelid == target &&
				   cms_finder_prepare(&direct->finder, range_table, plan, false);
	else
		possible = change->operation == CMD_INSERT && IsA(plan, Result) &&
				   outerPlan(plan) == NULL && plan->initPlan == NIL &&
				   ((Result *) plan)->resconstantqual == NULL;
	if (!possible)
		return false;

	direct->table = rt_fetch(target, range_table)->relid;
	table = table_open(direct->table, NoLock);
	possible = cms_finder_knows(table) && is_only_guarded(table->trigdesc, change->operation) &&
			   !has_other_indexes(table) && prepare_checks(direct, RelationGetDescr(table)->constr);
	if (possible)
	{
		direct->gives_way = change->onConflictAction == ONCONFLICT_NOTHING;
		if (change->operation == CMD_UPDATE)
			prepare_found(direct);
		direct->row = prepare_row(direct, table, change);
		prepare_indexes(direct, table, target);
	}
	table_close(table, NoLock);
	return possible;
}

/* The whole row, as it is written. */
static ProjectionInfo *
prepare_row(CmsDirect *direct, Relation table, ModifyTable *change)
{
	List *values = outerPlan(&change->plan)->targetlist;
	TupleDesc columns = CreateTupleDescCopy(RelationGetDescr(table));
	TupleTableSlot *row = MakeTupleTableSlot(columns, &TTSOpsVirtual);

	if (change->operation == CMD_INSERT)
		return ExecBuildProjectionInfo(values, direct->expressions, row, NULL, NULL);
	return ExecBuildUpdateProjection(
		values, true, linitial(change->updateColnosLists), columns, direct->expressions, row, NULL);
}

/* The guard of the actions' tables, which lets their statements pass, is all that would be fired. */
static bool
is_only_guarded(const TriggerDesc *triggers, CmdType action)
{
	Oid own_schema = get_namespace_oid("cms", false);

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		bool is_fired = action == CMD_UPDATE ? TRIGGER_FOR_UPDATE(trigger->tgtype)
											 : TRIGGER_FOR_INSERT(trigger->tgtype);

		if (is_fired && (TRIGGER_FOR_ROW(trigger->tgtype) || !TRIGGER_FOR_BEFORE(trigger->tgtype) ||
						 strcmp(trigger->tgname, "written_by_actions_only") != 0 ||
						 get_func_namespace(trigger->tgfoid) != own_schema))
			return false;
	}
	return true;
}

/* Whether the table has indexes that are no plain B-trees, or call what is not the server's. */
static bool
has_other_indexes(Relation table)
{
	List *indexes = RelationGetIndexList(table);
	bool found = false;
	ListCell *cell;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		found |= index->rd_rel->relam != BTREE_AM_OID || index->rd_index->indisexclusion ||
				 has_foreign_function((Node *) RelationGetIndexExpressions(index), NULL) ||
				 has_foreign_function((Node *) RelationGetIndexPredicate(index), NULL);
		for (int i = 0; !found && i < index->rd_indam->amsupport *
										  IndexRelationGetNumberOfKeyAttributes(index);
			 i++)
			found = is_foreign(index->rd_support[i], NULL);
		index_close(index, NoLock);
	}
	list_free(indexes);
	return found;
}

/* of what is looked for, and of what is made of it */
static bool
has_foreign_functions(const Plan *plan)
{
	List *keys = IsA(plan, IndexScan) ? ((const IndexScan *) plan)->indexqual
				 : IsA(plan, TidScan) ? ((const TidScan *) plan)->tidquals
									  : NIL;

	return has_foreign_function((Node *) plan->targetlist, NULL) ||
		   has_foreign_function((Node *) plan->qual, NULL) ||
		   has_foreign_function((Node *) keys, NULL);
}

static bool
has_foreign_function(Node *node, void *nothing)
{
	if (node == NULL)
		return false;
	/* the constraints of a domain are not to be seen here */
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_foreign, NULL))
		return true;
	return expression_tree_walker(node, has_foreign_function, NULL);
}

static bool
is_foreign(Oid function, void *nothing)
{
	return function >= FirstNormalObjectId;
}

static bool
prepare_checks(CmsDirect *direct, const TupleConstr *constraints)
{
	if (constraints == NULL)
		return true;
	if (CMS_HAS_GENERATED_COLUMNS(constraints))
		return false;
	direct->check = palloc(sizeof(ExprState *) * Max(constraints->num_check, 1));
	for (int i = 0; i < constraints->num_check; i++)
	{
		Expr *condition = stringToNode(constraints->check[i].ccbin);

		if (has_foreign_function((Node *) condition, NULL))
			return false;
		direct->check[direct->checks++] = ExecInitExpr(expression_planner(condition), NULL);
	}
	return true;
}

/* What the executor would build to write into them, at every statement. */
static void
prepare_indexes(CmsDirect *direct, Relation table, Index target)
{
	EState *state = CreateExecutorState();
	MemoryContext before = MemoryContextSwitchTo(state->es_query_cxt);
	ResultRelInfo *result = makeNode(ResultRelInfo);

	CMS_INIT_RANGE_TABLE(state, direct->statement);
	InitResultRelInfo(result, table, target, NULL, 0);
	ExecOpenIndices(result, false);
	direct->index = palloc(sizeof(Oid) * Max(result->ri_NumIndices, 1));
	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		IndexInfo *info = result->ri_IndexRelationInfo[i];

		direct->index[i] = RelationGetRelid(result->ri_IndexRelationDescs[i]);
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, state);
		index_close(result->ri_IndexRelationDescs[i], RowExclusiveLock);
	}
	MemoryContextSwitchTo(before);
	direct->state = state;
	direct->result = result;
}

static ProjectionInfo *
prepare_projection(CmsDirect *direct, List *columns)
{
	return ExecBuildProjectionInfo(columns,
								   direct->expressions,
								   MakeTupleTableSlot(ExecTypeFromTL(columns), &TTSOpsVirtual),
								   NULL,
								   NULL);
}

/* ---- what is run --------------------------------------------------------------------------- */

/* What must not be done is refused by the executor. */
static bool
may_run(const CmsDirect *direct, CmsSight sight)
{
	CmdType action = direct->statement->commandType;

	if (action == CMD_SELECT && !direct->locks)
		return true;
	return sight != CMS_SIGHT_OF_CALLER && !XactReadOnly &&
		   (action != CMD_UPDATE || cms_plan_guard_is_open());
}

static void
set_params(CmsDirect *direct, const CmsPlan *plan, const Datum *values, const char *nulls)
{
	for (int i = 0; i < plan->nargs; i++)
	{
		ParamExternData *param = &direct->params->params[i];

		param->value = values[i];
		param->isnull = nulls != NULL && nulls[i] == 'n';
		param->pflags = PARAM_FLAG_CONST;
		param->ptype = plan->argtypes[i];
	}
}

/* With the snapshot and command number that SPI would take; values that are inserted need none. */
static bool
run(CmsDirect *direct, CmsSight sight, uint64 *rows)
{
	bool looks = direct->statement->commandType != CMD_INSERT;
	bool is_new = sight != CMS_SIGHT_OF_CALLER;
	bool done = true;

	if (is_new && looks)
		push_snapshot(sight);
	ResetExprContext(direct->expressions);
	if (direct->statement->commandType == CMD_SELECT)
		done = select_row(direct, rows);
	else if (direct->statement->commandType == CMD_UPDATE)
		done = update_row(direct, rows);
	else
		done = insert_row(direct, rows);
	if (is_new && looks)
		PopActiveSnapshot();
	if (is_new)
		CommandCounterIncrement();
	return done;
}

static void
push_snapshot(CmsSight sight)
{
	if (sight == CMS_SIGHT_OF_ALL)
		PushCopiedSnapshot(GetLatestSnapshot());
	else
		PushActiveSnapshot(GetTransactionSnapshot());
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
}

/* The values of what is found point into its page: the pin stays until they are copied. */
static bool
select_row(CmsDirect *direct, uint64 *rows)
{
	Relation table = table_open(direct->table, NoLock);
	bool found = find(direct, table);
	bool done = !found || !direct->locks || lock_row(direct, table);

	*rows = found ? 1 : 0;
	if (found && done)
		keep_answer(ExecProject(direct->row));
	ExecClearTuple(direct->found);
	table_close(table, NoLock);
	return done;
}

/* False: there is another version of the row by now, or none; the executor looks again. */
static bool
lock_row(CmsDirect *direct, Relation table)
{
	ItemPointerData place = direct->found->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(table,
							&place,
							GetActiveSnapshot(),
							direct->found,
							GetCurrentCommandId(true),
							direct->lock,
							LockWaitBlock,
							TUPLE_LOCK_FLAG_LOCK_UPDATE_IN_PROGRESS,
							&failure) == TM_Ok;
}

static bool
find(CmsDirect *direct, Relation table)
{
	/* where an error came in between, the pin of its page has gone with the transaction */
	if (!TTS_EMPTY(direct->found))
		((BufferHeapTupleTableSlot *) direct->found)->buffer = InvalidBuffer;
	return cms_finder_find(
		&direct->finder, direct->expressions, table, GetActiveSnapshot(), direct->found);
}

static void
keep_answer(TupleTableSlot *slot)
{
	TupleDesc columns = slot->tts_tupleDescriptor;
	MemoryContext before;

	if (answer_context == NULL)
		answer_context = AllocSetContextCreate(CacheMemoryContext, "cms row", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(answer_context);
	before = MemoryContextSwitchTo(answer_context);
	answer_values = palloc(sizeof(Datum) * columns->natts);
	answer_nulls = palloc(sizeof(bool) * columns->natts);
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		answer_nulls[i] = slot->tts_isnull[i];
		answer_values[i] = slot->tts_isnull[i]
							   ? (Datum) 0
							   : datumCopy(slot->tts_values[i], column->attbyval, column->attlen);
	}
	MemoryContextSwitchTo(before);
}

/* Whoever is at the row is waited for; if there is another row then, the executor looks again. */
static bool
update_row(CmsDirect *direct, uint64 *rows)
{
	Relation table = table_open(direct->table, NoLock);
	bool done = true;

	CheckCmdReplicaIdentity(table, CMD_UPDATE);
	*rows = 0;
	if (find(direct, table))
	{
		TupleTableSlot *changed = ExecProject(direct->row);
		ItemPointerData place = direct->found->tts_tid;
		TM_FailureData failure;
		LockTupleMode lock;
		CmsIndexesToUpdate indexes;

		done = allows(direct, table, changed) && table_tuple_update(table,
																	&place,
																	changed,
																	GetCurrentCommandId(true),
																	GetActiveSnapshot(),
																	InvalidSnapshot,
																	true,
																	&failure,
																	&lock,
																	&indexes) == TM_Ok;
		if (done)
		{
			*rows = 1;
			if (indexes)
				index_row(direct, table, changed, indexes, NULL);
		}
		ExecClearTuple(changed);
	}
	ExecClearTuple(direct->found);
	table_close(table, NoLock);
	return done;
}

static bool
insert_row(CmsDirect *direct, uint64 *rows)
{
	Relation table = table_open(direct->table, NoLock);
	TupleTableSlot *row = ExecProject(direct->row);
	bool done = allows(direct, table, row);

	if (done && direct->gives_way)
		done = insert_unless_taken(direct, table, row);
	else if (done)
	{
		table_tuple_insert(table, row, GetCurrentCommandId(true), 0, NULL);
		index_row(direct, table, row, CMS_ALL_INDEXES, NULL);
	}
	*rows = done ? 1 : 0;
	ExecClearTuple(row);
	table_close(table, NoLock);
	return done;
}

/*
 * As the executor does it, but without its look beforehand whether a key is taken, which here is
 * seldom. False: perhaps one is, by somebody who may have to be waited for; what was written is gone.
 */
static bool
insert_unless_taken(CmsDirect *direct, Relation table, TupleTableSlot *row)
{
	TransactionId me = GetCurrentTransactionId();
	uint32 token = SpeculativeInsertionLockAcquire(me);
	bool taken = false;

	table_tuple_insert_speculative(table, row, GetCurrentCommandId(true), 0, NULL, token);
	index_row(direct, table, row, CMS_ALL_INDEXES, &taken);
	if (taken)
		heap_abort_speculative(table, &row->tts_tid);
	else
		heap_finish_speculative(table, &row->tts_tid);
	SpeculativeInsertionLockRelease(me);
	return !taken;
}

/* False: some constraint does not hold, which the executor tells best. */
static bool
allows(CmsDirect *direct, Relation table, TupleTableSlot *row)
{
	TupleDesc columns = RelationGetDescr(table);

	row->tts_tableOid = RelationGetRelid(table);
	if (columns->constr != NULL && columns->constr->has_not_null)
		for (int i = 0; i < columns->natts; i++)
			if (row->tts_isnull[i] && TupleDescAttr(columns, i)->attnotnull)
				return false;
	direct->expressions->ecxt_scantuple = row;
	for (int i = 0; i < direct->checks; i++)
		if (!ExecCheck(direct->check[i], direct->expressions))
			return false;
	return true;
}

/*
 * A new row; or a version that found no room on the page, or has other values for an index. What
 * the executor is not given an index for, it passes over. Locks stay, as those of the table.
 */
static void
index_row(CmsDirect *direct, Relation table, TupleTableSlot *row, CmsIndexesToUpdate which,
		  bool *taken)
{
	ResultRelInfo *result = direct->result;
	Relation *index = result->ri_IndexRelationDescs;
	bool is_update = direct->statement->commandType == CMD_UPDATE;

	result->ri_RelationDesc = table;
	direct->expressions->ecxt_scantuple = row;
	for (int i = 0; i < result->ri_NumIndices; i++)
	{
		IndexInfo *info = result->ri_IndexRelationInfo[i];

		index[i] = NULL;
		if (!ExecQual(info->ii_PredicateState, direct->expressions))
			continue;
		index[i] = index_open(direct->index[i], RowExclusiveLock);
		/* an index made CONCURRENTLY gets ready without a word to plans */
		info->ii_ReadyForInserts = index[i]->rd_index->indisready;
	}
	CMS_INSERT_INDEX_TUPLES(result, row, direct->state, is_update, which, taken);
	for (int i = 0; i < result->ri_NumIndices; i++)
		if (index[i] != NULL)
			index_close(index[i], NoLock);
	ResetPerTupleExprContext(direct->state);
}
