/*
 * plan.c
 *	  The only place that prepares and runs statements.
 *
 * A statement is published in its CmsPlan only after it is kept, so that an error in
 * between leaves nothing half made; the server revalidates it after DDL.
 *
 * Every statement finds its rows by whole keys or lists of them, for which one plan is right
 * whatever the values are and however many rows there are. The server would not always find
 * it. It would plan some statements at each execution, because a condition that is NULL this
 * time makes that plan look cheaper; planning takes several times as long as running does. And
 * while tables are empty, part of a key, or no index at all, looks as good as the whole; that
 * plan would stay when the rows have come. So the plan is generic, and made as if all tables
 * were large, nothing were known of their rows and there were no way but indexes.
 */
#include "cms.h"

#include "nodes/pathnodes.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"

#include "direct.h"
#include "plan.h"
#include "text.h"

static uint64 write_guarded(CmsPlan *plan, const Datum *values, const char *nulls, bool latest);
static uint64 run(CmsPlan *plan, const Datum *values, const char *nulls, CmsSight sight);
static void prepare(CmsPlan *plan);
static PlannedStmt *
plan_statement(Query *query, const char *text, int options, ParamListInfo params);
static PlannedStmt *plan_next(Query *query, const char *text, int options, ParamListInfo params);
static void switch_off(const char *setting);
static void enlarge_table(PlannerInfo *root, Oid relation, bool inhparent, RelOptInfo *table);
static bool hide_statistics(PlannerInfo *root, RangeTblEntry *table, AttrNumber column,
							VariableStatData *statistics);
static uint64 finished(const CmsPlan *plan, int result);

/*
 * A table as the planner is to see it, at the least: so large that one more column of a key makes a
 * difference even among the few rows of a partial index.
 */
#define LARGE_PAGES 2000000
#define LARGE_ROWS 100000000

/* Whether statements of this backend may change what only the actions write. */
static bool guard_open = false;

/* Whether the rows are those of direct.c. */
static bool is_direct = false;

static CmsPlan *current = NULL; /* the statement run last */
static bool planning = false;   /* whether its plan is being made */
static planner_hook_type next_planner_hook = NULL;
static get_relation_stats_hook_type next_relation_stats_hook = NULL;
static get_relation_info_hook_type next_relation_info_hook = NULL;

void
cms_param(CmsParams *params, Datum value, bool isnull)
{
	Assert(params->count < CMS_PLAN_MAX_ARGS);
	params->values[params->count] = value;
	params->nulls[params->count++] = isnull ? 'n' : ' ';
}

void
cms_param_int(CmsParams *params, int value)
{
	cms_param(params, Int32GetDatum(value), false);
}

void
cms_param_int64(CmsParams *params, int64 value)
{
	cms_param(params, Int64GetDatum(value), false);
}

void
cms_param_bool(CmsParams *params, bool value)
{
	cms_param(params, BoolGetDatum(value), false);
}

void
cms_param_instant(CmsParams *params, TimestampTz value)
{
	cms_param(params, TimestampTzGetDatum(value), false);
}

void
cms_param_text(CmsParams *params, const char *value)
{
	cms_param(params, cms_text_datum(value), value == NULL);
}

void
cms_param_numeric(CmsParams *params, Numeric value)
{
	cms_param(params, NumericGetDatum(value), value == NULL);
}

uint64
cms_plan_run(CmsPlan *plan, const Datum *values, const char *nulls, bool read_only)
{
	return run(plan, values, nulls, read_only ? CMS_SIGHT_OF_CALLER : CMS_SIGHT_OF_NOW);
}

uint64
cms_plan_run_latest(CmsPlan *plan, const Datum *values, const char *nulls)
{
	return run(plan, values, nulls, CMS_SIGHT_OF_ALL);
}

uint64
cms_plan_write(CmsPlan *plan, const Datum *values, const char *nulls)
{
	return write_guarded(plan, values, nulls, false);
}

uint64
cms_plan_write_latest(CmsPlan *plan, const Datum *values, const char *nulls)
{
	return write_guarded(plan, values, nulls, true);
}

/*
 * PG_TRY, because the flag is state of the backend that no abort resets: it must
 * not stay open for the user's next statement.
 */
static uint64
write_guarded(CmsPlan *plan, const Datum *values, const char *nulls, bool latest)
{
	bool was_open = guard_open;
	uint64 rows = 0;

	PG_TRY();
	{
		guard_open = true;
		rows = latest ? cms_plan_run_latest(plan, values, nulls)
					  : cms_plan_run(plan, values, nulls, false);
	}
	PG_FINALLY();
	{
		guard_open = was_open;
	}
	PG_END_TRY();
	return rows;
}

bool
cms_plan_guard_is_open(void)
{
	return guard_open;
}

/* Frees the rows of the statement before: a call may run thousands. */
static uint64
run(CmsPlan *plan, const Datum *values, const char *nulls, CmsSight sight)
{
	uint64 rows;
	int result;

	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);
	if (plan->plan == NULL)
		prepare(plan);
	current = plan;
	is_direct = plan->is_hot && cms_direct_run(plan, values, nulls, sight, &rows);
	if (is_direct)
		return rows;

	if (sight == CMS_SIGHT_OF_ALL)
	{
		CommandCounterIncrement();
		result = SPI_execute_snapshot(plan->plan,
									  (Datum *) values,
									  nulls,
									  GetLatestSnapshot(),
									  InvalidSnapshot,
									  false,
									  true,
									  0);
	}
	else
		result =
			SPI_execute_plan(plan->plan, (Datum *) values, nulls, sight == CMS_SIGHT_OF_CALLER, 0);
	return finished(plan, result);
}

static void
prepare(CmsPlan *plan)
{
	SPIPlanPtr prepared =
		SPI_prepare_cursor(plan->text, plan->nargs, plan->argtypes, CURSOR_OPT_GENERIC_PLAN);

	if (prepared == NULL)
		elog(ERROR,
			 "could not prepare statement \"%s\": %s",
			 plan->text,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(prepared) != 0)
		elog(ERROR, "could not keep statement \"%s\"", plan->text);
	plan->plan = prepared;
}

/*
 * Hook of the planner, for the first use and whenever the server has dropped the plan. The
 * text tells whether what is planned is the statement that is run.
 */
static PlannedStmt *
plan_statement(Query *query, const char *text, int options, ParamListInfo params)
{
	PlannedStmt *made = NULL;
	int level;

	if (current == NULL || text == NULL || strcmp(text, current->text) != 0)
		return plan_next(query, text, options, params);

	level = NewGUCNestLevel();
	switch_off("enable_seqscan");
	switch_off("enable_bitmapscan");
	switch_off("enable_mergejoin");
	/* direct.c does not know it */
	if (current->is_hot)
		switch_off("enable_indexonlyscan");
	if (!current->compares_lists)
		switch_off("enable_hashjoin");
	/* what keeps rows to look at them again only costs where each row is met once */
	switch_off("enable_material");
	switch_off("enable_memoize");
	switch_off("max_parallel_workers_per_gather");
	switch_off("jit");
	PG_TRY();
	{
		planning = true;
		made = plan_next(query, text, options, params);
	}
	PG_FINALLY();
	{
		planning = false;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, level);
	return made;
}

/* as if there were no hook of ours */
static PlannedStmt *
plan_next(Query *query, const char *text, int options, ParamListInfo params)
{
	planner_hook_type planner = next_planner_hook != NULL ? next_planner_hook : standard_planner;

	return planner(query, text, options, params);
}

/* until the GUC level ends */
static void
switch_off(const char *setting)
{
	(void) set_config_option(
		setting, "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Hook of the planner: what it takes for the size of a table. */
static void
enlarge_table(PlannerInfo *root, Oid relation, bool inhparent, RelOptInfo *table)
{
	ListCell *cell;

	if (next_relation_info_hook != NULL)
		next_relation_info_hook(root, relation, inhparent, table);
	if (!planning)
		return;
	table->pages = Max(table->pages, LARGE_PAGES);
	table->tuples = Max(table->tuples, LARGE_ROWS);
	foreach (cell, table->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		index->pages = Max(index->pages, LARGE_PAGES / 4);
		index->tuples = Max(index->tuples, LARGE_ROWS);
	}
}

/* Hook of the planner: what ANALYZE has found is not looked at, so that plans do not vary with it. */
static bool
hide_statistics(PlannerInfo *root, RangeTblEntry *table, AttrNumber column,
				VariableStatData *statistics)
{
	if (!planning)
		return next_relation_stats_hook != NULL &&
			   next_relation_stats_hook(root, table, column, statistics);
	statistics->statsTuple = NULL;
	return true;
}

void
cms_plan_init(void)
{
	next_relation_stats_hook = get_relation_stats_hook;
	get_relation_stats_hook = hide_statistics;
	next_relation_info_hook = get_relation_info_hook;
	get_relation_info_hook = enlarge_table;
	next_planner_hook = planner_hook;
	planner_hook = plan_statement;
}

static uint64
finished(const CmsPlan *plan, int result)
{
	if (result < 0)
		elog(ERROR,
			 "could not run statement \"%s\": %s",
			 plan->text,
			 SPI_result_code_string(result));
	/* a trigger may have called cms again meanwhile */
	is_direct = false;
	return SPI_processed;
}

void
cms_plan_conflict(const char *with)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("could not serialize access due to concurrent %s", with),
			 errhint("The transaction might succeed if retried.")));
}

Datum
cms_row_value(uint64 row, int column, bool *isnull)
{
	if (is_direct)
	{
		Assert(row == 0);
		return cms_direct_value(column, isnull);
	}
	Assert(SPI_tuptable != NULL && row < SPI_tuptable->numvals);
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

int64
cms_row_int64(uint64 row, int column, int64 if_null)
{
	bool isnull;
	Datum value = cms_row_value(row, column, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

int32
cms_row_int32(uint64 row, int column, int32 if_null)
{
	bool isnull;
	Datum value = cms_row_value(row, column, &isnull);

	return isnull ? if_null : DatumGetInt32(value);
}

bool
cms_row_bool(uint64 row, int column, bool if_null)
{
	bool isnull;
	Datum value = cms_row_value(row, column, &isnull);

	return isnull ? if_null : DatumGetBool(value);
}

TimestampTz
cms_row_timestamptz(uint64 row, int column, TimestampTz if_null)
{
	bool isnull;
	Datum value = cms_row_value(row, column, &isnull);

	return isnull ? if_null : DatumGetTimestampTz(value);
}

char *
cms_row_text(uint64 row, int column)
{
	bool isnull;
	Datum value = cms_row_value(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

Numeric
cms_row_numeric(uint64 row, int column)
{
	bool isnull;
	Datum value = cms_row_value(row, column, &isnull);

	return isnull ? NULL : DatumGetNumericCopy(value);
}
