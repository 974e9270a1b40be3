/*
 * outbox_purge.c
 *	  cms_purge_outbox: messages removed that were delivered, given up or cancelled long ago (F43).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "offer.h"
#include "plan.h"

PG_FUNCTION_INFO_V1(cms_purge_outbox);

/* The row of a reminder keeps another one of the day from being queued, wherever the day is longest. */
#define LEAST_DAYS 3

static TimestampTz before_when(FunctionCallInfo fcinfo, int n, TimestampTz at);

static CmsPlan my_orgs = {"SELECT o.org_id FROM unnest(cms.cms_my_orgs()) o (org_id) ORDER BY 1",
						  0};

static CmsPlan purge = {
	"DELETE FROM cms.outbox WHERE org_id = $1 AND message_id IN (SELECT m.message_id FROM cms.outbox m"
	" WHERE m.org_id = $1 AND m.done_at < $2 ORDER BY m.done_at, m.message_id LIMIT $3 FOR UPDATE SKIP LOCKED)",
	3,
	{INT4OID, TIMESTAMPTZOID, INT8OID}};

/*
 * cms_purge_outbox(older_than, how_many, at, org)
 */
Datum
cms_purge_outbox(PG_FUNCTION_ARGS)
{
	int how_many = cms_arg_int(fcinfo, 1, "how_many");
	TimestampTz at = cms_arg_at(fcinfo, 2);
	int org = PG_ARGISNULL(3) ? 0 : cms_arg_org(fcinfo, 3);
	TimestampTz before = before_when(fcinfo, 0, at);
	int64 purged = 0;
	int norgs = 1;
	int *orgs = &org;

	if (how_many < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must be at least 1, not %d", how_many),
				 errhint("Pass how many messages one call may remove.")));
	cms_call_begin();
	if (org == 0)
	{
		norgs = (int) cms_plan_run(&my_orgs, NULL, NULL, false);
		orgs = palloc(sizeof(int) * Max(norgs, 1));
		for (int i = 0; i < norgs; i++)
			orgs[i] = cms_row_int32(i, 1, 0);
	}
	for (int i = 0; i < norgs && purged < how_many; i++)
	{
		Datum values[] = {
			Int32GetDatum(orgs[i]), TimestampTzGetDatum(before), Int64GetDatum(how_many - purged)};

		CHECK_FOR_INTERRUPTS();
		purged += (int64) cms_plan_write(&purge, values, NULL);
	}
	SPI_finish();
	PG_RETURN_INT64(purged);
}

static TimestampTz
before_when(FunctionCallInfo fcinfo, int n, TimestampTz at)
{
	TimestampTz before;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"older_than\" must not be null"),
				 errhint("Pass how long messages are kept after they are done.")));
	before = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval, TimestampTzGetDatum(at), PG_GETARG_DATUM(n)));
	if (before > at - LEAST_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"older_than\" must be at least %d days", LEAST_DAYS),
				 errhint("Until then the row of a reminder keeps it from being queued again.")));
	return before;
}
