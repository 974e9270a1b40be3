/*
 * plan.c
 *	  The only place that prepares and runs statements.
 *
 * A plan is published in its CmsPlan only after it is kept, so that an error in
 * between leaves nothing half made; the server revalidates it after DDL.
 */
#include "cms.h"

#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/plancache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "plan.h"
#include "text.h"

static void start(CmsPlan *plan);
static void prepare(CmsPlan *plan);
static void make_index_plan(SPIPlanPtr plan);
static uint64 finished(CmsPlan *plan, int result);

/* Whether statements of this backend may change what only the actions write. */
static bool guard_open = false;

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
	int result;

	start(plan);
	result = SPI_execute_plan(plan->plan, (Datum *) values, nulls, read_only, 0);
	return finished(plan, result);
}

uint64
cms_plan_run_latest(CmsPlan *plan, const Datum *values, const char *nulls)
{
	int result;

	start(plan);
	CommandCounterIncrement();
	result = SPI_execute_snapshot(
		plan->plan, (Datum *) values, nulls, GetLatestSnapshot(), InvalidSnapshot, false, true, 0);
	return finished(plan, result);
}

/*
 * PG_TRY, because the flag is state of the backend that no abort resets: it must
 * not stay open for the user's next statement.
 */
uint64
cms_plan_write(CmsPlan *plan, const Datum *values, const char *nulls)
{
	bool was_open = guard_open;
	uint64 rows = 0;

	PG_TRY();
	{
		guard_open = true;
		rows = cms_plan_run(plan, values, nulls, false);
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

/*
 * Frees the rows of the statement before: a call may run thousands. Makes the plan at
 * the first use, and again now and then while the tables grow from nothing.
 */
static void
start(CmsPlan *plan)
{
	if (SPI_tuptable != NULL)
		SPI_freetuptable(SPI_tuptable);

	if (plan->plan != NULL && plan->uses >= plan->renew_at && plan->running == 0)
	{
		SPIPlanPtr old = plan->plan;

		plan->plan = NULL;
		SPI_freeplan(old);
	}
	if (plan->plan == NULL)
		prepare(plan);
	else if (!SPI_plan_is_valid(plan->plan))
		make_index_plan(plan->plan);
	plan->uses++;
	plan->running++;
}

/*
 * Every statement finds its rows by whole keys or lists of them, for which one
 * plan is right whatever the values are. Without saying so, the server would plan
 * some of them at each execution, because a condition that is NULL this time makes
 * that plan look cheaper; planning takes several times as long as running does.
 */
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
	make_index_plan(prepared);
	/* 32, 512, 8192 ... uses: seldom enough to cost nothing */
	plan->renew_at = plan->renew_at == 0 ? 32 : plan->renew_at * 16;
}

/*
 * A plan made while a table is empty would read it from end to end for ever, and
 * tables are empty when the first statements are run. Every statement has an index,
 * so the plan is made as if there were no other way, again whenever the server
 * has dropped it.
 */
static void
make_index_plan(SPIPlanPtr plan)
{
	int level = NewGUCNestLevel();
	CachedPlan *made;

	(void) set_config_option(
		"enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	made = SPI_plan_get_cached_plan(plan);
	if (made != NULL)
		ReleaseCachedPlan(made, CurrentResourceOwner);
	AtEOXact_GUC(false, level);
}

static uint64
finished(CmsPlan *plan, int result)
{
	plan->running--;
	if (result < 0)
		elog(ERROR,
			 "could not run statement \"%s\": %s",
			 plan->text,
			 SPI_result_code_string(result));
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
