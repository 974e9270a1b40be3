/*
 * plan.c
 *	  The only place that prepares and runs statements.
 *
 * A plan is published in its CmsPlan only after it is kept, so that an error in
 * between leaves nothing half made; the server revalidates it after DDL.
 */
#include "cms.h"

#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "plan.h"

static void prepare(CmsPlan *plan);
static uint64 finished(CmsPlan *plan, int result);

/* Whether statements of this backend may change what only the actions write. */
static bool guard_open = false;

uint64
cms_plan_run(CmsPlan *plan, const Datum *values, const char *nulls, bool read_only)
{
	prepare(plan);
	return finished(plan, SPI_execute_plan(plan->plan, (Datum *) values, nulls, read_only, 0));
}

uint64
cms_plan_run_latest(CmsPlan *plan, const Datum *values, const char *nulls)
{
	prepare(plan);
	CommandCounterIncrement();

	return finished(plan,
					SPI_execute_snapshot(plan->plan,
										 (Datum *) values,
										 nulls,
										 GetLatestSnapshot(),
										 InvalidSnapshot,
										 false,
										 true,
										 0));
}

/*
 * PG_TRY, because the flag is state of the backend that no abort resets: it must
 * not stay open for the user's next statement.
 */
uint64
cms_write_run(CmsPlan *plan, const Datum *values, const char *nulls)
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
cms_guard_is_open(void)
{
	return guard_open;
}

static void
prepare(CmsPlan *plan)
{
	if (plan->plan != NULL)
		return;

	SPIPlanPtr prepared = SPI_prepare(plan->text, plan->nargs, plan->argtypes);

	if (prepared == NULL)
		elog(ERROR,
			 "could not prepare statement \"%s\": %s",
			 plan->text,
			 SPI_result_code_string(SPI_result));
	if (SPI_keepplan(prepared) != 0)
		elog(ERROR, "could not keep statement \"%s\"", plan->text);
	plan->plan = prepared;
}

static uint64
finished(CmsPlan *plan, int result)
{
	if (result < 0)
		elog(ERROR,
			 "could not run statement \"%s\": %s",
			 plan->text,
			 SPI_result_code_string(result));
	return SPI_processed;
}

Datum
cms_row_value(uint64 row, int column, bool *isnull)
{
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
