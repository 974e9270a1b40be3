/*
 * release_hold.c
 *	  cms_release_hold: a hold given back; cms_sweep_holds: those that have ended (F36).
 *
 * Nobody waits for a sweep: whoever would be refused for a hold that has ended gives it back
 * first. It only keeps the counters, and so the dashboard, near the truth.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "args.h"
#include "hold.h"
#include "plan.h"
#include "result.h"
#include "sweep.h"

PG_FUNCTION_INFO_V1(cms_release_hold);
PG_FUNCTION_INFO_V1(cms_sweep_holds);

/* columns of cms_release_hold_result */
enum
{
	out_hold_id,
	out_released,
	out_reason,
	out_message,
	out_replayed,
	out_columns
};

static CmsReason release(int org, int64 hold_id, TimestampTz at, bool *replayed);
static void sweep_org(CmsSweep *sweep);

const CmsSweepPart cms_sweep_of_holds = {"HOLDS", sweep_org};

/* the next offer that has a hold to end */
static CmsPlan next_due = {
	"SELECT h.offer_id FROM cms.hold h"
	" WHERE h.org_id = $1 AND h.offer_id > $2 AND h.status = 'HELD' AND h.expires_at <= $3"
	" ORDER BY h.offer_id LIMIT 1",
	3,
	{INT4OID, INT8OID, TIMESTAMPTZOID}};

/*
 * cms_release_hold(hold_id, at, org)
 */
Datum
cms_release_hold(PG_FUNCTION_ARGS)
{
	int64 hold_id = cms_arg_int64(fcinfo, 0, "hold_id");
	TimestampTz at = cms_arg_at(fcinfo, 1);
	int org = cms_arg_org(fcinfo, 2);
	MemoryContext caller = CurrentMemoryContext;
	bool replayed = false;
	CmsReason reason;
	Datum values[out_columns];
	bool nulls[out_columns] = {false};
	Datum row;

	cms_call_begin();
	reason = release(org, hold_id, at, &replayed);
	values[out_hold_id] = Int64GetDatum(hold_id);
	values[out_released] = BoolGetDatum(reason == CMS_OK);
	cms_result_reason(
		reason,
		reason == CMS_ALREADY_REDEEMED
			? "The hold is confirmed: the coupon is redeemed, and only a reversal gives it back."
			: NULL,
		values,
		nulls,
		out_reason,
		out_message);
	values[out_replayed] = BoolGetDatum(replayed);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static CmsReason
release(int org, int64 hold_id, TimestampTz at, bool *replayed)
{
	CmsFound found;
	CmsHold held;

	if (!cms_hold_find(org, hold_id, &held, &found))
		return CMS_HOLD_NOT_FOUND;
	if (held.status == CMS_HOLD_CONFIRMED)
		return CMS_ALREADY_REDEEMED;
	*replayed = held.status == CMS_HOLD_RELEASED;
	if (*replayed ||
		(held.status == CMS_HOLD_HELD && cms_hold_end(found.offer, &held, CMS_HOLD_RELEASED, at)))
		return CMS_OK;
	/* given back when it was found expired, but not yet let go: it could still be confirmed */
	cms_hold_mark(org, hold_id, CMS_HOLD_RELEASED, at, 0);
	return CMS_OK;
}

/*
 * cms_sweep_holds(how_many, at, org)
 */
Datum
cms_sweep_holds(PG_FUNCTION_ARGS)
{
	return cms_sweep_call(fcinfo, &cms_sweep_of_holds);
}

/*
 * Offers in their order, so that two sweeps do not wait for each other in a circle. An offer at which
 * a transaction counts that does not end is left to the next sweep: other orgs wait for this one.
 */
static void
sweep_org(CmsSweep *sweep)
{
	int64 offer_id = 0;
	bool wait = true;

	while (sweep->done < sweep->how_many && sweep->offers > 0)
	{
		int64 holds;
		Datum values[] = {
			Int32GetDatum(sweep->org), Int64GetDatum(offer_id), TimestampTzGetDatum(sweep->at)};

		CHECK_FOR_INTERRUPTS();
		if (cms_plan_run(&next_due, values, NULL, false) == 0)
			break;
		offer_id = cms_row_int64(0, 1, 0);
		holds = cms_counter_settle_holds(
			sweep->org, offer_id, sweep->at, sweep->how_many - sweep->done, wait);
		wait &= holds >= 0;
		sweep->offers -= holds > 0;
		sweep->done += Max(holds, 0);
	}
}
