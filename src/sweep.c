/*
 * sweep.c
 *	  What all sweeps have in common; cms_sweep and cms_sweep_all, which run them (F44).
 *
 * Each part goes through the orgs of the caller, does at most so many rows, and notes the run. A part
 * that queued messages wakes the listeners of cms_outbox once.
 */
#include "cms.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "args.h"
#include "job.h"
#include "lock.h"
#include "offer.h"
#include "org.h"
#include "plan.h"
#include "result.h"
#include "subxact.h"
#include "sweep.h"
#include "sweep_run.h"

#define PARTS 4
#define CHANNEL "cms_outbox"

/* So many coupons are worth a subtransaction. */
#define MANY_COUPONS 1000

/*
 * How often one looks again for what another session finds to do; the first time after so many ms,
 * then after twice as many each. That is 2.5 s, some batches.
 */
#define MOST_LOOKS 7
#define LOOK_AGAIN 20

/*
 * Offers whose counters one call locks: the server has only so many locks. What is beyond is left to
 * the next call, as are the orgs beyond CMS_SWEEP_MOST_ORGS.
 */
#define MOST_OFFERS 100

PG_FUNCTION_INFO_V1(cms_sweep);
PG_FUNCTION_INFO_V1(cms_sweep_all);

static const CmsSweepPart *const parts[PARTS] = {&cms_sweep_of_holds,
												 &cms_sweep_of_ends,
												 &cms_sweep_of_reminders,
												 &cms_sweep_of_offer_reminders};

static void commit_without_waiting(void);
static void look_away(long ms);
static int64 run_part(const CmsSweepPart *part, int64 how_many, TimestampTz at, int org);
static int *orgs_of(int org, int *count);
static int64 run_org(const CmsSweepPart *part, CmsSweep *sweep);
static int lock_of(const CmsSweepPart *part);
static int how_many_of(FunctionCallInfo fcinfo);

static CmsPlan my_orgs = {"SELECT o.org_id FROM unnest(cms.cms_my_orgs()) o (org_id) ORDER BY 1",
						  0};

/*
 * Whether another transaction was finding out what there is to do when a part was run last: nobody
 * sees that before it has committed.
 */
static bool others_plan = false;

/* the parts as the caller runs them, in the order of "parts" */
static CmsPlan steps[PARTS] = {
	{"SELECT cms.cms_sweep_holds($1, $2, $3)", 3, {INT4OID, TIMESTAMPTZOID, INT4OID}},
	{"SELECT cms.cms_sweep_expired($1, $2, $3)", 3, {INT4OID, TIMESTAMPTZOID, INT4OID}},
	{"SELECT cms.cms_sweep_reminders($1, $2, $3)", 3, {INT4OID, TIMESTAMPTZOID, INT4OID}},
	{"SELECT cms.cms_sweep_offer_reminders($1, $2, $3)", 3, {INT4OID, TIMESTAMPTZOID, INT4OID}},
};

Datum
cms_sweep_call(FunctionCallInfo fcinfo, const CmsSweepPart *part)
{
	int how_many = how_many_of(fcinfo);
	TimestampTz at = cms_arg_at(fcinfo, 1);
	int org = PG_ARGISNULL(2) ? 0 : cms_arg_org(fcinfo, 2);

	cms_org_require_present(at);
	PG_RETURN_INT64(run_part(part, how_many, at, org));
}

/*
 * cms_sweep(how_many, at, org)
 */
Datum
cms_sweep(PG_FUNCTION_ARGS)
{
	int how_many = how_many_of(fcinfo);
	TimestampTz at = cms_arg_at(fcinfo, 1);
	int org = PG_ARGISNULL(2) ? 0 : cms_arg_org(fcinfo, 2);

	cms_org_require_present(at);
	cms_result_start(fcinfo);
	for (int i = 0; i < PARTS; i++)
	{
		int64 done = run_part(parts[i], how_many, at, org);
		Datum values[] = {CStringGetTextDatum(parts[i]->name), Int64GetDatum(done)};
		bool nulls[2] = {false};

		cms_result_put(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/*
 * cms_sweep_all(how_many, at, org, INOUT rows)
 *
 * Not a definer, because such a procedure cannot commit; it has the caller's rights, and so calls
 * the sweeps as anybody could. A part is over when it did less than it might have, unless another
 * session has just found out what there is to do: then it takes its share, once that is committed.
 */
Datum
cms_sweep_all(PG_FUNCTION_ARGS)
{
	CallContext *call = castNode(CallContext, fcinfo->context);
	bool commits = !call->atomic && !IsSubTransaction();
	MemoryContext caller = CurrentMemoryContext;
	int how_many = how_many_of(fcinfo);
	Datum arguments[] = {
		Int32GetDatum(how_many), TimestampTzGetDatum(cms_arg_at(fcinfo, 1)), fcinfo->args[2].value};
	char argument_nulls[] = {' ', ' ', PG_ARGISNULL(2) ? 'n' : ' '};
	int64 rows = 0;
	Datum values[1];
	bool nulls[1] = {false};

	SPI_connect_ext(call->atomic ? 0 : SPI_OPT_NONATOMIC);
	/* so that no other session is in the way, whatever level this one is at */
	if (commits)
		cms_job_commit();
	for (int i = 0; i < PARTS; i++)
	{
		int looks = 0;

		for (;;)
		{
			int64 done;

			CHECK_FOR_INTERRUPTS();
			if (commits)
				commit_without_waiting();
			others_plan = false;
			cms_plan_run(&steps[i], arguments, argument_nulls, false);
			done = cms_row_int64(0, 1, 0);
			rows += done;
			SPI_freetuptable(SPI_tuptable);
			if (commits)
				cms_job_commit();
			if (done >= how_many ||
				(commits && parts[i] == &cms_sweep_of_holds && done >= MOST_OFFERS))
				continue;
			if (!commits || !others_plan || looks >= MOST_LOOKS)
				break;
			look_away(LOOK_AGAIN << looks++);
		}
	}
	SPI_finish();

	values[0] = Int64GetDatum(rows);
	PG_RETURN_DATUM(cms_result_row(fcinfo, caller, values, nulls));
}

/*
 * What a sweep did and how far it came are in one transaction, so what a crash takes of it is done
 * again. A sender that saw a message of it commits later: its commit is flushed together with all that
 * is before it in the log. So a batch need not wait for the disk. The setting ends with the transaction:
 * what the caller has written before is committed by then, and what it writes after is its own.
 */
static void
commit_without_waiting(void)
{
	(void) set_config_option(
		"synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Between transactions: nothing is held. */
static void
look_away(long ms)
{
	(void) WaitLatch(
		MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

/* On a standby there is nothing to do: what is swept on the primary arrives. */
static int64
run_part(const CmsSweepPart *part, int64 how_many, TimestampTz at, int org)
{
	int64 done = 0;
	int64 queued = 0;
	int offers = MOST_OFFERS;
	int locked = CMS_SWEEP_MOST_ORGS;
	int *orgs;
	int norgs;

	if (RecoveryInProgress())
		return 0;
	cms_call_begin();
	orgs = orgs_of(org, &norgs);
	for (int i = 0; i < norgs && done < how_many; i++)
	{
		CmsSweep sweep = {.org = orgs[i],
						  .at = at,
						  .how_many = how_many - done,
						  .offers = offers,
						  .orgs = locked};

		done += run_org(part, &sweep);
		offers = sweep.offers;
		locked = sweep.orgs;
		queued += sweep.queued;
	}
	if (queued > 0)
		Async_Notify(CHANNEL, NULL);
	SPI_finish();
	return done;
}

static int *
orgs_of(int org, int *count)
{
	int *orgs;

	*count = org != 0 ? 1 : (int) cms_plan_run(&my_orgs, NULL, NULL, false);
	orgs = palloc(sizeof(int) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		orgs[i] = org != 0 ? org : cms_row_int32(i, 1, 0);
	return orgs;
}

static int64
run_org(const CmsSweepPart *part, CmsSweep *sweep)
{
	TimestampTz began = GetCurrentTimestamp();

	part->sweep(sweep);
	cms_sweep_note(&(CmsSweepRun){.name = part->name,
								  .org = sweep->org,
								  .run = began,
								  .began = began,
								  .rows = sweep->done},
				   &sweep->orgs);
	return sweep->done;
}

bool
cms_sweep_may_plan(CmsSweep *sweep, const CmsSweepPart *part)
{
	if (sweep->orgs == 0)
		return false;
	if (!cms_try_lock(sweep->org, lock_of(part), ExclusiveLock))
	{
		others_plan = true;
		return false;
	}
	sweep->orgs--;
	return true;
}

void
cms_sweep_planned_nothing(CmsSweep *sweep, const CmsSweepPart *part)
{
	cms_unlock(sweep->org, lock_of(part), ExclusiveLock);
	sweep->orgs++;
}

/*
 * Where messages are queued for the first time it is left to the unique index to find one that is
 * there, which takes less than to look for each; then all of the piece is done anew.
 */
int64
cms_sweep_insert(CmsPlan *plan, CmsParams *params, int64 coupons, bool *fresh)
{
	cms_param_bool(params, true);
	if (*fresh && coupons >= MANY_COUPONS)
	{
		if (cms_subxact_insert(plan, params->values, params->nulls, false))
			return (int64) SPI_processed;
		*fresh = false;
	}
	params->values[params->count - 1] = BoolGetDatum(false);
	return (int64) cms_plan_write(plan, params->values, params->nulls);
}

static int
lock_of(const CmsSweepPart *part)
{
	int i = 0;

	while (i < PARTS - 1 && parts[i] != part)
		i++;
	return CMS_LOCK_FIRST_SWEEP + i;
}

static int
how_many_of(FunctionCallInfo fcinfo)
{
	int how_many = cms_arg_int(fcinfo, 0, "how_many");

	if (how_many < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must be at least 1, not %d", how_many),
				 errhint("Pass how many rows one call may do.")));
	return how_many;
}
