/*
 * purge.c
 *	  cms_purge: what may go, a bounded number of rows; cms_purge_all: all of it, committing.
 *
 * Nothing is purged that neither the call nor the org gives a time for. Coupons go by offer, see purge_offer.c; logs by their time, along an
 * index of it.
 * What is removed is noted, for all calls of a cms_purge_all together.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "args.h"
#include "job.h"
#include "offer.h"
#include "org.h"
#include "plan.h"
#include "purge.h"
#include "result.h"
#include "sweep_run.h"

PG_FUNCTION_INFO_V1(cms_purge);
PG_FUNCTION_INFO_V1(cms_purge_all);

/* Coupons that have to stay are looked at too, many times faster than others are removed. */
#define LOOKS 10

/* Offers of which one call removes coupons: each takes locks, and the server has only so many. */
#define MOST_OFFERS 100

/* Batches between two progress lines. */
#define PROGRESS_BATCHES 20

/* arguments of both */
enum
{
	arg_before,
	arg_how_many,
	arg_requests,
	arg_attempts,
	arg_holds,
	arg_messages,
	arg_at,
	arg_org,
	arg_count
};

static TimestampTz run_began = DT_NOBEGIN; /* the cms_purge_all that is running, if one is */

static void fetch_times(FunctionCallInfo fcinfo, CmsPurge *purge);
static TimestampTz fetch_before(FunctionCallInfo fcinfo, int n, const char *name, TimestampTz at);
static void require_right(FunctionCallInfo fcinfo, TimestampTz at);
static int *my_orgs(int *count);
static int64 purge_org(CmsPurge *wanted, int64 how_many);
static void keep_as_org_says(CmsPurge *purge);
static void purge_offers(CmsPurge *purge);
static void purge_log(CmsPurge *purge, CmsPlan *plan, TimestampTz before);
static int64 purge_all(FunctionCallInfo fcinfo);

static CmsPlan callers_orgs = {
	"SELECT o.org_id FROM unnest(cms.cms_my_orgs()) o (org_id) ORDER BY 1", 0};

/* The next offer that is over and not known to have nothing left that ended before. */
#define OFFER_END "cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone)"
static CmsPlan next_offer = {
	"SELECT o.offer_id FROM cms.offer o"
	" JOIN cms.org g ON g.org_id = o.org_id"
	" LEFT JOIN cms.claim l ON l.org_id = $1 AND l.offer_id = o.offer_id"
	" LEFT JOIN cms.offer_purge p ON p.org_id = $1 AND p.offer_id = o.offer_id"
	" WHERE o.org_id = $1 AND o.offer_id > $2"
	" AND (o.status = 'ARCHIVED' OR p.is_reduced OR " OFFER_END " <= $3)"
	" AND NOT COALESCE(p.phase = 0 AND p.purged_upto >= $3"
	"  AND p.offer_ends_at IS NOT DISTINCT FROM " OFFER_END ", false)"
	" ORDER BY o.offer_id LIMIT 1",
	3,
	{INT4OID, INT8OID, TIMESTAMPTZOID}};

/* messages that are done with are kept for so long in any case */
#define MESSAGE_DAYS 3

#define PURGE_LOG(log, key, time, condition)                                 \
	"WITH old AS MATERIALIZED (SELECT t." key " FROM cms." log " t"          \
	" WHERE t.org_id = $1 AND t." time " < $2" condition " ORDER BY t." time \
	" LIMIT $3 FOR UPDATE SKIP LOCKED)"                                      \
	" DELETE FROM cms." log " t USING old o WHERE t.org_id = $1 AND t." key " = o." key
#define LOG_ARGS                         \
	3,                                   \
	{                                    \
		INT4OID, TIMESTAMPTZOID, INT8OID \
	}

static CmsPlan purge_requests = {PURGE_LOG("request", "request_key", "requested_at", ""), LOG_ARGS};
static CmsPlan purge_attempts = {PURGE_LOG("attempt", "attempt_id", "recorded_at", ""), LOG_ARGS};
/* one that was found expired can be confirmed as long as its coupon can be redeemed */
static CmsPlan purge_holds = {PURGE_LOG("hold", "hold_id", "ended_at", " AND t.status <> 'HELD'"),
							  LOG_ARGS};
static CmsPlan purge_messages = {PURGE_LOG("outbox", "message_id", "done_at", ""), LOG_ARGS};

/* what the org keeps, where the call does not say */
static CmsPlan kept_since = {
	"SELECT $2 - g.keep_expired, $2 - g.keep_logs FROM cms.org g WHERE g.org_id = $1",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan call_purge = {"SELECT cms.cms_purge($1, $2, $3, $4, $5, $6, $7, $8)",
							 8,
							 {TIMESTAMPTZOID,
							  INT4OID,
							  TIMESTAMPTZOID,
							  TIMESTAMPTZOID,
							  TIMESTAMPTZOID,
							  TIMESTAMPTZOID,
							  TIMESTAMPTZOID,
							  INT4OID}};

/*
 * cms_purge(before, how_many, requests_before, attempts_before, holds_before, messages_before, at, org)
 */
Datum
cms_purge(PG_FUNCTION_ARGS)
{
	CmsPurge purge = {.at = cms_arg_at(fcinfo, arg_at)};
	int how_many = cms_arg_int(fcinfo, arg_how_many, "how_many");
	int org = PG_ARGISNULL(arg_org) ? 0 : cms_arg_org(fcinfo, arg_org);
	int norgs = 1;
	int *orgs = &org;
	int may_lock = CMS_SWEEP_MOST_ORGS;
	int64 removed = 0;

	purge.offers = MOST_OFFERS;
	fetch_times(fcinfo, &purge);
	require_right(fcinfo, purge.at);
	if (how_many < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must be at least 1, not %d", how_many),
				 errhint("Pass how many rows one call may remove.")));
	cms_call_begin();
	if (org == 0)
		orgs = my_orgs(&norgs);
	for (int i = 0; i < norgs && removed < how_many; i++)
	{
		CmsSweepRun run = {.name = "PURGE", .org = orgs[i], .began = GetCurrentTimestamp()};

		purge.org = orgs[i];
		run.rows = purge_org(&purge, how_many - removed);
		run.run = run_began == DT_NOBEGIN ? run.began : run_began;
		run.all_done = run.rows == 0;
		cms_sweep_note(&run, &may_lock);
		removed += run.rows;
	}
	SPI_finish();
	PG_RETURN_INT64(removed);
}

static void
fetch_times(FunctionCallInfo fcinfo, CmsPurge *purge)
{
	purge->coupons_before = fetch_before(fcinfo, arg_before, "before", purge->at);
	purge->requests_before = fetch_before(fcinfo, arg_requests, "requests_before", purge->at);
	purge->attempts_before = fetch_before(fcinfo, arg_attempts, "attempts_before", purge->at);
	purge->holds_before = fetch_before(fcinfo, arg_holds, "holds_before", purge->at);
	purge->messages_before = fetch_before(fcinfo, arg_messages, "messages_before", purge->at);
}

/* Who may only sweep does not decide how long an org keeps what it has. */
static void
require_right(FunctionCallInfo fcinfo, TimestampTz at)
{
	static const int times[] = {arg_before, arg_requests, arg_attempts, arg_holds, arg_messages};

	cms_org_require_present(at);
	for (int i = 0; i < lengthof(times); i++)
		if (!PG_ARGISNULL(times[i]) && cms_org_caller_only_sweeps())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("role \"%s\" may only sweep, and not say what is purged",
							cms_org_caller_name()),
					 errhint("Leave out the times: keep_expired and keep_logs of each org are "
							 "what counts.")));
}

/* What has not come yet has not expired. */
static TimestampTz
fetch_before(FunctionCallInfo fcinfo, int n, const char *name, TimestampTz at)
{
	if (PG_ARGISNULL(n))
		return DT_NOBEGIN;
	if (PG_GETARG_TIMESTAMPTZ(n) > at)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be after the time of the request", name),
				 errhint("Pass a time that has passed, such as now() - interval '1 year'.")));
	return PG_GETARG_TIMESTAMPTZ(n);
}

static int *
my_orgs(int *count)
{
	int *orgs;

	*count = (int) cms_plan_run(&callers_orgs, NULL, NULL, false);
	orgs = palloc(sizeof(int) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		orgs[i] = cms_row_int32(i, 1, 0);
	return orgs;
}

/* 0 is only answered when nothing is left, whatever had to be looked at for that. */
static int64
purge_org(CmsPurge *wanted, int64 how_many)
{
	CmsPurge purge = *wanted;

	keep_as_org_says(&purge);
	purge.may_remove = how_many;
	do
	{
		purge.may_look = how_many * LOOKS;
		purge_offers(&purge);
		purge_log(&purge, &purge_requests, purge.requests_before);
		purge_log(&purge, &purge_attempts, purge.attempts_before);
		purge_log(&purge, &purge_holds, purge.holds_before);
		purge_log(&purge, &purge_messages, purge.messages_before);
	} while (purge.may_look == 0 && purge.removed == 0);
	wanted->offers = purge.offers;
	return purge.removed;
}

static void
keep_as_org_says(CmsPurge *purge)
{
	Datum values[] = {Int32GetDatum(purge->org), TimestampTzGetDatum(purge->at)};
	TimestampTz logs;

	if (cms_plan_run(&kept_since, values, NULL, false) == 0)
		return;
	if (purge->coupons_before == DT_NOBEGIN)
		purge->coupons_before = cms_row_timestamptz(0, 1, DT_NOBEGIN);
	logs = cms_row_timestamptz(0, 2, DT_NOBEGIN);
	if (purge->requests_before == DT_NOBEGIN)
		purge->requests_before = logs;
	if (purge->attempts_before == DT_NOBEGIN)
		purge->attempts_before = logs;
	if (purge->holds_before == DT_NOBEGIN)
		purge->holds_before = logs;
	if (purge->messages_before == DT_NOBEGIN)
		purge->messages_before = logs;
	/* the row of a reminder keeps it from being queued again on its day, wherever that is longest */
	purge->messages_before = Min(purge->messages_before, purge->at - MESSAGE_DAYS * USECS_PER_DAY);
}

static void
purge_offers(CmsPurge *purge)
{
	int64 offer_id = 0;

	while (purge->coupons_before != DT_NOBEGIN && purge->may_remove > 0 && purge->may_look > 0 &&
		   purge->offers > 0)
	{
		Datum values[] = {Int32GetDatum(purge->org),
						  Int64GetDatum(offer_id),
						  TimestampTzGetDatum(purge->coupons_before)};

		CHECK_FOR_INTERRUPTS();
		if (cms_plan_run(&next_offer, values, NULL, false) == 0)
			return;
		offer_id = cms_row_int64(0, 1, 0);
		cms_purge_offer(purge, offer_id);
	}
}

static void
purge_log(CmsPurge *purge, CmsPlan *plan, TimestampTz before)
{
	Datum values[] = {
		Int32GetDatum(purge->org), TimestampTzGetDatum(before), Int64GetDatum(purge->may_remove)};
	int64 gone;

	if (before == DT_NOBEGIN || purge->may_remove == 0)
		return;
	gone = (int64) cms_plan_write(plan, values, NULL);
	purge->may_remove -= gone;
	purge->removed += gone;
}

/*
 * cms_purge_all(before, batch, requests_before, attempts_before, holds_before, messages_before, at, org,
 * INOUT removed)
 *
 * No job: there is nothing to go on with but what is left.
 */
Datum
cms_purge_all(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile int64 removed = 0;
	Datum value;
	bool isnull = false;

	cms_job_require_alone(fcinfo, "cms_purge_all", "cms_purge");
	PG_TRY();
	{
		run_began = GetCurrentTimestamp();
		removed = purge_all(fcinfo);
	}
	PG_FINALLY();
	{
		run_began = DT_NOBEGIN;
	}
	PG_END_TRY();
	value = Int64GetDatum(removed);
	PG_RETURN_DATUM(cms_result_row(fcinfo, caller, &value, &isnull));
}

static int64
purge_all(FunctionCallInfo fcinfo)
{
	Datum arguments[arg_count];
	char argument_nulls[arg_count];
	int64 removed = 0;
	int64 of_batch;

	for (int i = 0; i < arg_count; i++)
	{
		arguments[i] = fcinfo->args[i].value;
		argument_nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (int64 batches = 1;; batches++)
	{
		CHECK_FOR_INTERRUPTS();
		/* what decides are the rows that are locked */
		cms_job_commit();
		cms_plan_run(&call_purge, arguments, argument_nulls, false);
		of_batch = cms_row_int64(0, 1, 0);
		SPI_freetuptable(SPI_tuptable);
		removed += of_batch;
		if (of_batch == 0)
			break;
		if (batches % PROGRESS_BATCHES == 0)
			ereport(NOTICE,
					(errmsg("cms_purge_all: " INT64_FORMAT " rows removed so far", removed)));
	}
	SPI_finish();
	return removed;
}
