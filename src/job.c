/*
 * job.c
 *	  Long work that commits in batches (cms.job).
 *
 * A procedure that commits cannot be a definer's, so everything that needs the owner's rights
 * is a function, called by the procedure through SQL as anybody could. Anybody must not: such
 * a function works only while "calling" names the run of a procedure of this session.
 *
 * Who runs a job holds a lock of the session. It ends with the session, however that ends, so
 * a job whose session has died can be gone on with at once, and what tells whether a job runs is
 * the lock, not the row.
 *
 * Batches run in a subtransaction. An error rolls that back and leaves a transaction in which
 * the job's row can say what happened.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "args.h"
#include "job.h"
#include "lock.h"
#include "offer.h"
#include "org.h"
#include "request.h"
#include "result.h"
#include "subxact.h"

PG_FUNCTION_INFO_V1(cms_job_begin);
PG_FUNCTION_INFO_V1(cms_job_note);

/* Between two lines that say how far a job is. */
#define NOTICE_SECONDS 5

typedef struct StepCall
{
	CmsJobRun *run;
	CmsPlan *plan;
	const Datum *values;
	const char *nulls;
	int64 answer;
} StepCall;

typedef struct Note
{
	int64 total; /* -1: as it is */
	bool is_done;
	const char *error;
} Note;

static void begin(CmsJobRun *run, bool is_locked);
static Datum digest_of(const CmsJobRun *run);
static void do_step(void *argument);
static void in_subtransaction(CmsJobWork work, void *argument);
static void fail(CmsJobRun *run, const ErrorData *error);
static void note(CmsJobRun *run, const Note *what);
static uint64 call_function(CmsJobRun *run, CmsPlan *plan, const Datum *values, const char *nulls);
static void tell_progress(CmsJobRun *run);
static const CmsJobRun *require_call(const char *function);
static Datum refusals_of(const CmsJob *job);

/* the run whose procedure calls a function at this moment */
static CmsJobRun *calling = NULL;
/* as of the last step, for the procedure */
static CmsJob last_step;

static CmsPlan current_org = {"SELECT cms.cms_current_org()", 0};

static CmsPlan call_begin = {
	"SELECT b.job_id, b.is_done, b.succeeded, b.refused FROM cms.cms_job_begin($1, $2, $3, $4, $5, $6) b",
	6,
	{TEXTOID, INT8OID, TEXTOID, BYTEAOID, INT8OID, INT4OID}};

static CmsPlan call_note = {"SELECT cms.cms_job_note($1, $2, $3, $4, $5)",
							5,
							{INT8OID, INT8OID, BOOLOID, TEXTOID, INT4OID}};

static CmsPlan new_job = {
	"INSERT INTO cms.job (org_id, job_id, job_key, action, offer_id, request_hash, started_at, run_started_at,"
	"  updated_at, started_by, run_by)"
	" VALUES ($1, nextval('cms.job_id_seq'), $2, $3, $4, $5, $6, $6, $6, $7, $7)"
	" ON CONFLICT DO NOTHING RETURNING job_id",
	7,
	{INT4OID, TEXTOID, TEXTOID, INT8OID, BYTEAOID, TIMESTAMPTZOID, TEXTOID}};

static CmsPlan find_job = {
	"SELECT j.job_id, j.action = $3 AND j.offer_id IS NOT DISTINCT FROM $4 AND j.request_hash = $5,"
	" j.status = 'DONE', j.succeeded, j.refused"
	" FROM cms.job j WHERE j.org_id = $1 AND j.job_key = $2",
	5,
	{INT4OID, TEXTOID, TEXTOID, INT8OID, BYTEAOID}};

static CmsPlan is_done = {
	"SELECT j.status = 'DONE', j.succeeded, j.refused FROM cms.job j WHERE j.org_id = $1 AND j.job_id = $2 FOR UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan begin_run = {
	"UPDATE cms.job SET status = 'RUNNING', runs = runs + 1, total = NULL, done = 0, refused = 0, replayed = 0,"
	" ignored = 0, skipped = 0, succeeded_before = succeeded, refusals = '{}', rate = NULL, remaining = NULL,"
	" error = NULL, run_started_at = $3, updated_at = $3, run_by = $4, pid = $5"
	" WHERE org_id = $1 AND job_id = $2",
	5,
	{INT4OID, INT8OID, TIMESTAMPTZOID, TEXTOID, INT4OID}};

static CmsPlan note_job = {
	"UPDATE cms.job SET total = COALESCE($3, total),"
	" status = CASE WHEN $4 THEN 'DONE' WHEN $5 IS NOT NULL THEN 'FAILED' ELSE status END,"
	" error = $5, remaining = CASE WHEN $4 OR $5 IS NOT NULL THEN NULL ELSE remaining END,"
	" updated_at = $6, finished_at = CASE WHEN $4 THEN $6 END"
	" WHERE org_id = $1 AND job_id = $2",
	6,
	{INT4OID, INT8OID, INT8OID, BOOLOID, TEXTOID, TIMESTAMPTZOID}};

static CmsPlan read_job = {
	"SELECT j.offer_id, j.total, j.done, j.succeeded, j.runs, j.refused, j.skipped FROM cms.job j"
	" WHERE j.org_id = $1 AND j.job_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan count_batch = {
	"UPDATE cms.job SET total = COALESCE($11, total), done = done + $3, succeeded = succeeded + $4, refused = refused + $5,"
	" replayed = replayed + $6, ignored = ignored + $7, skipped = skipped + $8,"
	" refusals = COALESCE((SELECT jsonb_object_agg(r.key, r.number) FROM ("
	"  SELECT b.key, sum(b.number) AS number FROM ("
	"   SELECT key, value::bigint AS number FROM jsonb_each_text(refusals)"
	"   UNION ALL SELECT key, value::bigint FROM jsonb_each_text($9)) b GROUP BY b.key) r), '{}'),"
	" rate = (done + $3) / GREATEST(extract(epoch FROM $10 - run_started_at), 0.001),"
	" remaining = CASE WHEN COALESCE($11, total) > done + $3 AND done + $3 > 0 THEN"
	"  date_trunc('second', ($10 - run_started_at) * ((COALESCE($11, total) - done - $3)::float8 / (done + $3))) END,"
	" updated_at = $10"
	" WHERE org_id = $1 AND job_id = $2",
	11,
	{INT4OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 JSONBOID,
	 TIMESTAMPTZOID,
	 INT8OID}};

void
cms_job_require_alone(FunctionCallInfo fcinfo, const char *procedure, const char *instead)
{
	CallContext *call = castNode(CallContext, fcinfo->context);

	if (!call->atomic && !IsSubTransaction())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
			 errmsg("%s commits batch by batch, and so cannot run inside a transaction block or a "
					"function",
					procedure),
			 instead == NULL
				 ? errhint("Call it as a statement of its own.")
				 : errhint("Call it as a statement of its own. Within a transaction use %s.",
						   instead)));
}

int
cms_job_org(FunctionCallInfo fcinfo, int n)
{
	if (!PG_ARGISNULL(n))
		return PG_GETARG_INT32(n);
	cms_plan_run(&current_org, NULL, NULL, false);
	return cms_row_int32(0, 1, 0);
}

/* The first transaction is the caller's, of whatever isolation level; nothing was written in it. */
void
cms_job_start(CmsJobRun *run)
{
	cms_job_commit();
	begin(run, false);
	cms_job_commit();
	if (run->is_done)
		return;
	if (!cms_lock_job(run->org, run->job_id))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the job with the key \"%s\" is running", run->job_key),
				 errdetail("Another session runs it; cms.job tells how far it is."),
				 errhint("Wait for its end, or name another job_key for another job.")));
	run->has_lock = true;
	begin(run, true);
	cms_job_commit();
	run->began = run->noticed = GetCurrentTimestamp();
}

/* First finds or makes the job; then, with the job's lock, begins the run. */
static void
begin(CmsJobRun *run, bool is_locked)
{
	CmsParams params = {0};

	cms_param_text(&params, run->action);
	cms_param(&params, Int64GetDatum(run->offer_id), run->offer_id == 0);
	cms_param_text(&params, run->job_key);
	cms_param(&params, run->job_key == NULL ? (Datum) 0 : digest_of(run), run->job_key == NULL);
	cms_param(&params, Int64GetDatum(run->job_id), !is_locked);
	cms_param_int(&params, run->org);
	PushActiveSnapshot(GetTransactionSnapshot());
	call_function(run, &call_begin, params.values, params.nulls);
	run->job_id = cms_row_int64(0, 1, 0);
	run->is_done = cms_row_bool(0, 2, false);
	run->succeeded = cms_row_int64(0, 3, 0);
	run->refused = run->is_done ? cms_row_int64(0, 4, 0) : 0;
	PopActiveSnapshot();
}

static Datum
digest_of(const CmsJobRun *run)
{
	CmsRequest request;

	cms_request_begin(&request, run->org, run->job_key, run->action);
	for (int i = 0; i < run->nrequest; i++)
		cms_request_text(&request, run->request[i]);
	return cms_request_digest(&request);
}

void
cms_job_total(CmsJobRun *run, int64 total)
{
	run->total = total;
	note(run, &(Note){.total = total});
	cms_job_commit();
}

int64
cms_job_step(CmsJobRun *run, CmsPlan *step, const Datum *values, const char *nulls)
{
	StepCall call = {.run = run, .plan = step, .values = values, .nulls = nulls};

	/* what a step before has told, which may have been rolled back */
	last_step.job_id = 0;
	cms_job_do(run, do_step, &call);
	if (last_step.job_id == run->job_id)
	{
		run->total = last_step.total;
		run->done += last_step.more_done;
		run->succeeded = last_step.succeeded + last_step.more_succeeded;
		run->refused += last_step.more_refused;
		last_step.job_id = 0;
	}
	tell_progress(run);
	return call.answer;
}

static void
do_step(void *argument)
{
	StepCall *call = argument;

	call_function(call->run, call->plan, call->values, call->nulls);
	call->answer = cms_row_int64(0, 1, 0);
}

void
cms_job_do(CmsJobRun *run, CmsJobWork work, void *argument)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		CHECK_FOR_INTERRUPTS();
		in_subtransaction(work, argument);
		cms_job_commit();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		fail(run, error);
		ReThrowError(error);
	}
	PG_END_TRY();
}

static void
in_subtransaction(CmsJobWork work, void *argument)
{
	CmsSubxact subxact;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		work(argument);
		PopActiveSnapshot();
		cms_subxact_end(&subxact, true);
	}
	PG_CATCH();
	{
		ReThrowError(cms_subxact_failed(&subxact));
	}
	PG_END_TRY();
}

void
cms_job_commit(void)
{
	SPI_commit();
	/* as SET TRANSACTION would, before the first statement */
	XactIsoLevel = XACT_READ_COMMITTED;
}

/* There is a transaction in order, with nothing of the batch in it. */
static void
fail(CmsJobRun *run, const ErrorData *error)
{
	note(run, &(Note){.total = -1, .error = error->message});
	cms_job_commit();
}

static void
note(CmsJobRun *run, const Note *what)
{
	CmsParams params = {0};

	cms_param_int64(&params, run->job_id);
	cms_param(&params, Int64GetDatum(what->total), what->total < 0);
	cms_param_bool(&params, what->is_done);
	cms_param_text(&params, what->error);
	cms_param_int(&params, run->org);
	PushActiveSnapshot(GetTransactionSnapshot());
	call_function(run, &call_note, params.values, params.nulls);
	PopActiveSnapshot();
}

static uint64
call_function(CmsJobRun *run, CmsPlan *plan, const Datum *values, const char *nulls)
{
	uint64 rows = 0;

	PG_TRY();
	{
		calling = run;
		rows = cms_plan_run(plan, values, nulls, false);
	}
	PG_FINALLY();
	{
		calling = NULL;
	}
	PG_END_TRY();
	return rows;
}

void
cms_job_end(CmsJobRun *run)
{
	if (!run->is_done)
	{
		note(run, &(Note){.total = -1, .is_done = true});
		cms_job_commit();
	}
	else
		ereport(NOTICE,
				(errmsg("%s: job " INT64_FORMAT " with the key \"%s\" was done before",
						run->procedure,
						run->job_id,
						run->job_key)));
}

void
cms_job_release(CmsJobRun *run)
{
	if (run->has_lock)
		cms_unlock_job(run->org, run->job_id);
	run->has_lock = false;
}

static void
tell_progress(CmsJobRun *run)
{
	TimestampTz now = GetCurrentTimestamp();
	double rate;

	if (!TimestampDifferenceExceeds(run->noticed, now, NOTICE_SECONDS * 1000))
		return;
	run->noticed = now;
	rate = run->done / ((now - run->began) / 1e6);
	if (run->total > 0)
		ereport(NOTICE,
				(errmsg("%s: " INT64_FORMAT " of " INT64_FORMAT " done, %.0f/s, %.0f s left",
						run->procedure,
						run->done,
						run->total,
						rate,
						(run->total - run->done) / Max(rate, 1))));
	else
		ereport(NOTICE,
				(errmsg("%s: " INT64_FORMAT " done, %.0f/s", run->procedure, run->done, rate)));
}

/* Who is called by a procedure that runs a job, and by nobody else. */
static const CmsJobRun *
require_call(const char *function)
{
	if (calling == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("%s is called by the procedures that run jobs only", function),
				 errhint("CALL cms_issue_all, cms_generate_all or another of them.")));
	return calling;
}

/* cms_job_begin(action, offer_id, job_key, request_hash, job_id, org) */
Datum
cms_job_begin(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	bool has_offer = !PG_ARGISNULL(1);
	char *job_key = cms_arg_text(fcinfo, 2);
	int64 job_id = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT64(4);
	int org = cms_arg_org(fcinfo, 5);
	TimestampTz now = GetCurrentTimestamp();
	bool done = false;
	int64 succeeded = 0;
	int64 refused = 0;
	Datum values[4];
	bool nulls[4] = {false};
	Datum row;

	require_call("cms_job_begin");
	cms_call_begin();
	if (has_offer)
		(void) cms_offer_get(org, PG_GETARG_INT64(1), false);
	if (job_id != 0)
	{
		CmsParams params = {0};

		cms_param_int(&params, org);
		cms_param_int64(&params, job_id);
		if (cms_plan_run(&is_done, params.values, NULL, false) == 0)
			elog(ERROR, "job " INT64_FORMAT " has gone", job_id);
		done = cms_row_bool(0, 1, false);
		succeeded = cms_row_int64(0, 2, 0);
		refused = cms_row_int64(0, 3, 0);
		cms_param_instant(&params, now);
		cms_param_text(&params, cms_org_caller_name());
		cms_param_int(&params, MyProcPid);
		if (!done)
			cms_plan_write(&begin_run, params.values, params.nulls);
	}
	else
	{
		CmsParams params = {0};

		cms_param_int(&params, org);
		cms_param_text(&params, job_key);
		cms_param_text(&params, cms_arg_text(fcinfo, 0));
		cms_param(&params, has_offer ? PG_GETARG_DATUM(1) : (Datum) 0, !has_offer);
		cms_param(&params, PG_GETARG_DATUM(3), PG_ARGISNULL(3));
		cms_param_instant(&params, now);
		cms_param_text(&params, cms_org_caller_name());
		if (cms_plan_run(&new_job, params.values, params.nulls, false) == 1)
			job_id = cms_row_int64(0, 1, 0);
		else
		{
			if (cms_plan_run(&find_job, params.values, params.nulls, false) == 0)
				elog(ERROR, "the job with the key \"%s\" has gone", job_key);
			if (!cms_row_bool(0, 2, false))
				ereport(
					ERROR,
					(errcode(CMS_ERRCODE_JOB_KEY_CONFLICT),
					 errmsg("the job_key \"%s\" is of job " INT64_FORMAT ", which is another",
							job_key,
							cms_row_int64(0, 1, 0)),
					 errdetail("A key stands for one request: from call to call only \"at\" and "
							   "\"batch\" may differ."),
					 errhint("Repeat the call as it was to go on with that job, or name "
							 "another job_key for another one.")));
			job_id = cms_row_int64(0, 1, 0);
			done = cms_row_bool(0, 3, false);
			succeeded = cms_row_int64(0, 4, 0);
			refused = cms_row_int64(0, 5, 0);
		}
	}
	values[0] = Int64GetDatum(job_id);
	values[1] = BoolGetDatum(done);
	values[2] = Int64GetDatum(succeeded);
	values[3] = Int64GetDatum(refused);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

/* cms_job_note(job_id, total, is_done, error, org) */
Datum
cms_job_note(PG_FUNCTION_ARGS)
{
	int64 job_id = cms_arg_int64(fcinfo, 0, "job_id");
	int org = cms_arg_org(fcinfo, 4);
	CmsParams params = {0};

	require_call("cms_job_note");
	cms_param_int(&params, org);
	cms_param_int64(&params, job_id);
	cms_param(&params, PG_GETARG_DATUM(1), PG_ARGISNULL(1));
	cms_param_bool(&params, cms_arg_bool(fcinfo, 2, "is_done"));
	cms_param_text(&params, cms_arg_text(fcinfo, 3));
	cms_param_instant(&params, GetCurrentTimestamp());
	SPI_connect();
	cms_plan_write(&note_job, params.values, params.nulls);
	SPI_finish();
	PG_RETURN_VOID();
}

void
cms_job_open(int org, int64 job_id, CmsJob *job)
{
	const CmsJobRun *run = require_call("the step of a job");
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(job_id)};

	if (run->org != org || run->job_id != job_id)
		elog(ERROR, "job " INT64_FORMAT " is not the one that runs", job_id);
	*job = (CmsJob){.org = org, .job_id = job_id};
	if (cms_plan_run(&read_job, values, NULL, false) == 0)
		elog(ERROR, "job " INT64_FORMAT " has gone", job_id);
	job->offer_id = cms_row_int64(0, 1, 0);
	job->total = cms_row_int64(0, 2, -1);
	job->done = cms_row_int64(0, 3, 0);
	job->succeeded = cms_row_int64(0, 4, 0);
	job->runs = cms_row_int32(0, 5, 0);
}

void
cms_job_close(const CmsJob *job)
{
	CmsParams params = {0};

	cms_param_int(&params, job->org);
	cms_param_int64(&params, job->job_id);
	cms_param_int64(&params, job->more_done);
	cms_param_int64(&params, job->more_succeeded);
	cms_param_int64(&params, job->more_refused);
	cms_param_int64(&params, job->more_replayed);
	cms_param_int64(&params, job->more_ignored);
	cms_param_int64(&params, job->more_skipped);
	cms_param(&params, refusals_of(job), false);
	cms_param_instant(&params, GetCurrentTimestamp());
	cms_param(&params, Int64GetDatum(job->new_total), job->new_total == 0);
	if (cms_plan_write(&count_batch, params.values, params.nulls) != 1)
		elog(ERROR, "job " INT64_FORMAT " has gone", job->job_id);
	last_step = *job;
}

/* {"OFFER_ISSUE_LIMIT": 17} */
static Datum
refusals_of(const CmsJob *job)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int reason = 1; reason < CMS_REASON_COUNT; reason++)
		if (job->refusals[reason] > 0)
			appendStringInfo(&text,
							 "%s\"%s\": " INT64_FORMAT,
							 text.len > 1 ? ", " : "",
							 cms_reason_name(reason),
							 job->refusals[reason]);
	appendStringInfoChar(&text, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
}
