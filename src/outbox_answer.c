/*
 * outbox_answer.c
 *	  What senders say of messages that they took (F43): delivered, failed, to be tried again.
 *
 * A lease may end while its sender is still at work, and another takes the message. What the first
 * one says then: that the message was delivered is a fact whoever says it, and keeps it from
 * being sent once more. That it failed says nothing about the other's attempt, and is not heard.
 *
 * Rows are locked in the order of their numbers.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "outbox.h"
#include "plan.h"
#include "result.h"

PG_FUNCTION_INFO_V1(cms_outbox_done);
PG_FUNCTION_INFO_V1(cms_outbox_failed);
PG_FUNCTION_INFO_V1(cms_outbox_retry);

/* Bytes that are kept of what a sender says. */
#define MOST_OF_ERROR 2000

typedef enum Status
{
	STATUS_NONE, /* there is no such message */
	STATUS_PENDING,
	STATUS_LEASED,
	STATUS_DONE,
	STATUS_DEAD,
	STATUS_CANCELLED
} Status;

static const char *const status_names[] = {
	[STATUS_PENDING] = "PENDING",
	[STATUS_LEASED] = "LEASED",
	[STATUS_DONE] = "DONE",
	[STATUS_DEAD] = "DEAD",
	[STATUS_CANCELLED] = "CANCELLED",
};

/* A message, and what is answered about it. */
typedef struct Answer
{
	int64 message_id;
	Status status;
	int64 lease; /* 0: never taken */
	int attempts;
	TimestampTz next_attempt_at;
	bool other_is_open; /* another one of the same is on its way */
	CmsReason reason;
	const char *message; /* NULL: the standard sentence */
	bool changed;
	bool replayed;
	bool was_waiting; /* others may have been put off to its time */
} Answer;

/* What all of the three calls are told. */
typedef struct Report
{
	int org;
	TimestampTz at;
	int64 lease; /* 0: not told */
	int64 *ids;
	int nids;
	Answer *answers; /* by message_id */
	int nanswers;
} Report;

/* columns of cms_outbox_result */
enum
{
	out_message_id,
	out_accepted,
	out_reason,
	out_message,
	out_status,
	out_next_attempt_at,
	out_replayed,
	out_columns
};

static void fetch_ids(FunctionCallInfo fcinfo, int n, Report *report);
static void fetch_lease(FunctionCallInfo fcinfo, int n, Report *report);
static int64 fetch_delay(FunctionCallInfo fcinfo, int n, TimestampTz at);
static const char *fetch_error(FunctionCallInfo fcinfo, int n);
static void read_messages(Report *report);
static Status status_of_name(const char *name);
static void mark_done(const Report *report, Answer *answer);
static void mark_failed(const Report *report, Answer *answer, int max_attempts, int64 delay);
static void mark_retried(const Report *report, Answer *answer);
static void write_done(const Report *report);
static void write_failed(const Report *report, const char *error);
static void write_retried(const Report *report);
static void let_others_through(const Report *report);
static Datum changed_ids(const Report *report, int *count);
static void put_answers(FunctionCallInfo fcinfo, const Report *report);
static int compare_answers(const void *a, const void *b);

static CmsPlan lock_messages = {
	"SELECT m.message_id, m.status, m.lease, m.attempts, m.next_attempt_at,"
	" (m.kind = 'RESEND' AND EXISTS (SELECT FROM cms.outbox e WHERE e.org_id = $1"
	"   AND e.coupon_id = m.coupon_id AND e.channel = m.channel AND e.kind = 'RESEND'"
	"   AND e.status IN ('PENDING', 'LEASED') AND e.message_id <> m.message_id))"
	" OR (m.kind = 'CODES_LEFT' AND EXISTS (SELECT FROM cms.outbox e WHERE e.org_id = $1"
	"   AND e.offer_id = m.offer_id AND e.poc_id = m.poc_id AND e.kind = 'CODES_LEFT'"
	"   AND e.status IN ('PENDING', 'LEASED') AND e.message_id <> m.message_id))"
	" FROM cms.outbox m WHERE m.org_id = $1 AND m.message_id = ANY ($2)"
	" ORDER BY m.message_id FOR UPDATE OF m",
	2,
	{INT4OID, INT8ARRAYOID}};

static CmsPlan done = {"UPDATE cms.outbox SET status = 'DONE', done_at = $3"
					   " WHERE org_id = $1 AND message_id = ANY ($2)",
					   3,
					   {INT4OID, INT8ARRAYOID, TIMESTAMPTZOID}};

static CmsPlan failed = {
	"UPDATE cms.outbox m SET status = u.status, next_attempt_at = u.next_attempt_at, last_error = $5,"
	" done_at = CASE WHEN u.status = 'DEAD' THEN $6 END"
	" FROM unnest($2, $3, $4) AS u (message_id, status, next_attempt_at)"
	" WHERE m.org_id = $1 AND m.message_id = u.message_id",
	6,
	{INT4OID, INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, TEXTOID, TIMESTAMPTZOID}};

static CmsPlan retried = {
	"UPDATE cms.outbox SET status = 'PENDING', attempts = 0, next_attempt_at = $3, done_at = NULL"
	" WHERE org_id = $1 AND message_id = ANY ($2)",
	3,
	{INT4OID, INT8ARRAYOID, TIMESTAMPTZOID}};

/*
 * Later ones of the same customers that nobody has tried, see outbox_take.c. LATERAL, so that they are
 * looked for by the customer: they are few of all that wait.
 */
static CmsPlan let_through = {
	"WITH locked AS MATERIALIZED (SELECT l.message_id FROM cms.outbox m CROSS JOIN LATERAL"
	"  (SELECT w.message_id FROM cms.outbox w"
	"   WHERE w.org_id = $1 AND w.customer_id = m.customer_id AND w.channel = m.channel"
	"   AND w.status IN ('PENDING', 'LEASED') AND w.status = 'PENDING' AND w.message_id > m.message_id"
	"   AND w.attempts = 0 AND w.next_attempt_at > w.due_at FOR UPDATE SKIP LOCKED) l"
	"  WHERE m.org_id = $1 AND m.message_id = ANY ($2))"
	" UPDATE cms.outbox b SET next_attempt_at = b.due_at FROM locked l"
	" WHERE b.org_id = $1 AND b.message_id = l.message_id",
	2,
	{INT4OID, INT8ARRAYOID}};

/*
 * cms_outbox_done(ids, lease, at, org)
 */
Datum
cms_outbox_done(PG_FUNCTION_ARGS)
{
	Report report = {.at = cms_arg_at(fcinfo, 2), .org = cms_arg_org(fcinfo, 3)};

	fetch_ids(fcinfo, 0, &report);
	fetch_lease(fcinfo, 1, &report);
	cms_result_start(fcinfo);
	cms_call_begin();
	read_messages(&report);
	for (int i = 0; i < report.nanswers; i++)
		mark_done(&report, &report.answers[i]);
	write_done(&report);
	put_answers(fcinfo, &report);
	SPI_finish();
	return (Datum) 0;
}

/*
 * cms_outbox_failed(ids, error, lease, max_attempts, delay, at, org)
 */
Datum
cms_outbox_failed(PG_FUNCTION_ARGS)
{
	const char *error = fetch_error(fcinfo, 1);
	int max_attempts = cms_arg_int(fcinfo, 3, "max_attempts");
	Report report = {.at = cms_arg_at(fcinfo, 5), .org = cms_arg_org(fcinfo, 6)};
	int64 delay = fetch_delay(fcinfo, 4, report.at);

	if (max_attempts < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"max_attempts\" must be at least 1, not %d", max_attempts),
				 errhint("Pass after how many attempts a message is given up.")));
	fetch_ids(fcinfo, 0, &report);
	fetch_lease(fcinfo, 2, &report);
	cms_result_start(fcinfo);
	cms_call_begin();
	read_messages(&report);
	for (int i = 0; i < report.nanswers; i++)
		mark_failed(&report, &report.answers[i], max_attempts, delay);
	write_failed(&report, error);
	put_answers(fcinfo, &report);
	SPI_finish();
	return (Datum) 0;
}

/*
 * cms_outbox_retry(ids, at, org)
 */
Datum
cms_outbox_retry(PG_FUNCTION_ARGS)
{
	Report report = {.at = cms_arg_at(fcinfo, 1), .org = cms_arg_org(fcinfo, 2)};

	fetch_ids(fcinfo, 0, &report);
	cms_result_start(fcinfo);
	cms_call_begin();
	read_messages(&report);
	for (int i = 0; i < report.nanswers; i++)
		mark_retried(&report, &report.answers[i]);
	write_retried(&report);
	put_answers(fcinfo, &report);
	SPI_finish();
	return (Datum) 0;
}

static void
fetch_ids(FunctionCallInfo fcinfo, int n, Report *report)
{
	ArrayType *array;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"ids\" must not be null"),
				 errhint("Pass the message_id of each message that was taken.")));
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"ids\" must have one dimension, not %d", ARR_NDIM(array)),
				 errhint("Pass a flat array, one element a message.")));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"ids\" must not contain null"),
				 errhint("Pass the message_id of each message that was taken.")));
	report->nids = cms_array_int64s(PointerGetDatum(array), &report->ids);
}

static void
fetch_lease(FunctionCallInfo fcinfo, int n, Report *report)
{
	report->lease = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT64(n);
}

/* in microseconds */
static int64
fetch_delay(FunctionCallInfo fcinfo, int n, TimestampTz at)
{
	static const char hint[] = "Pass how long a message waits after its first failure.";
	TimestampTz until = cms_arg_until(fcinfo, n, "delay", hint, at);

	if (until < at || until > at + 31 * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"delay\" must be 0 to 31 days"),
				 errhint("%s", hint)));
	return until - at;
}

static const char *
fetch_error(FunctionCallInfo fcinfo, int n)
{
	char *error = cms_arg_text(fcinfo, n);

	if (error != NULL)
		error[pg_mbcliplen(error, strlen(error), MOST_OF_ERROR)] = '\0';
	return error;
}

static void
read_messages(Report *report)
{
	Datum values[] = {Int32GetDatum(report->org), cms_array_of_int64s(report->ids, report->nids)};

	report->nanswers = (int) cms_plan_run(&lock_messages, values, NULL, false);
	report->answers = palloc0(sizeof(Answer) * Max(report->nanswers, 1));
	for (int i = 0; i < report->nanswers; i++)
	{
		Answer *answer = &report->answers[i];

		answer->message_id = cms_row_int64(i, 1, 0);
		answer->status = status_of_name(cms_row_text(i, 2));
		answer->lease = cms_row_int64(i, 3, 0);
		answer->attempts = cms_row_int32(i, 4, 0);
		answer->next_attempt_at = cms_row_timestamptz(i, 5, 0);
		answer->other_is_open = cms_row_bool(i, 6, false);
		answer->was_waiting = answer->status == STATUS_PENDING;
	}
}

static Status
status_of_name(const char *name)
{
	for (int status = STATUS_PENDING; status <= STATUS_CANCELLED; status++)
		if (strcmp(name, status_names[status]) == 0)
			return (Status) status;
	elog(ERROR, "unknown status of a message \"%s\"", name);
}

/* Delivered is delivered, whoever has the lease by now. */
static void
mark_done(const Report *report, Answer *answer)
{
	answer->replayed = answer->status == STATUS_DONE;
	if (answer->replayed)
		return;
	if (answer->lease == 0)
		answer->reason = CMS_NOT_TAKEN;
	else if (answer->status == STATUS_CANCELLED || report->lease > answer->lease)
		answer->reason = CMS_LEASE_LOST;
	else
	{
		answer->status = STATUS_DONE;
		answer->changed = true;
	}
}

/* Only who has the lease can say that the attempt under it has failed. */
static void
mark_failed(const Report *report, Answer *answer, int max_attempts, int64 delay)
{
	bool of_lease = report->lease == 0 || report->lease == answer->lease;

	if (answer->lease == 0)
		answer->reason = CMS_NOT_TAKEN;
	else if (!of_lease || answer->status == STATUS_DONE || answer->status == STATUS_CANCELLED)
		answer->reason = CMS_LEASE_LOST;
	else if (answer->status != STATUS_LEASED)
		answer->replayed = true;
	else if (answer->attempts >= max_attempts)
	{
		answer->status = STATUS_DEAD;
		answer->next_attempt_at = report->at;
		answer->changed = true;
	}
	else
	{
		answer->status = STATUS_PENDING;
		answer->next_attempt_at =
			report->at + cms_message_delay(answer->message_id, answer->attempts, delay);
		answer->changed = true;
	}
}

static void
mark_retried(const Report *report, Answer *answer)
{
	if (answer->status == STATUS_PENDING && answer->next_attempt_at <= report->at)
		answer->replayed = true;
	else if (answer->status == STATUS_LEASED)
	{
		answer->reason = CMS_NOT_DEAD;
		answer->message = "A sender has the message.";
	}
	else if (answer->status == STATUS_DONE)
	{
		answer->reason = CMS_NOT_DEAD;
		answer->message = "The message is delivered.";
	}
	else if (answer->status == STATUS_CANCELLED)
	{
		answer->reason = CMS_NOT_DEAD;
		answer->message = "The message is cancelled: it no longer applied.";
	}
	else if (answer->status == STATUS_DEAD && answer->other_is_open)
	{
		answer->reason = CMS_NOT_DEAD;
		answer->message = "Another message of the same is on its way.";
	}
	else
	{
		answer->status = STATUS_PENDING;
		answer->next_attempt_at = report->at;
		answer->changed = true;
	}
}

static void
write_done(const Report *report)
{
	int count;
	Datum ids = changed_ids(report, &count);
	Datum values[] = {Int32GetDatum(report->org), ids, TimestampTzGetDatum(report->at)};

	if (count == 0)
		return;
	cms_plan_write(&done, values, NULL);
	let_others_through(report);
}

static void
write_failed(const Report *report, const char *error)
{
	int count;
	Datum ids = changed_ids(report, &count);
	const char **statuses = palloc(sizeof(char *) * Max(count, 1));
	Datum *times = palloc(sizeof(Datum) * Max(count, 1));
	CmsParams params = {0};
	int n = 0;

	if (count == 0)
		return;
	for (int i = 0; i < report->nanswers; i++)
	{
		if (!report->answers[i].changed)
			continue;
		statuses[n] = status_names[report->answers[i].status];
		times[n++] = TimestampTzGetDatum(report->answers[i].next_attempt_at);
	}
	cms_param_int(&params, report->org);
	cms_param(&params, ids, false);
	cms_param(&params, cms_array_of_texts(statuses, n), false);
	cms_param(&params,
			  PointerGetDatum(construct_array(
				  times, n, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
			  false);
	cms_param_text(&params, error);
	cms_param_instant(&params, report->at);
	cms_plan_write(&failed, params.values, params.nulls);
}

static void
write_retried(const Report *report)
{
	int count;
	Datum ids = changed_ids(report, &count);
	Datum values[] = {Int32GetDatum(report->org), ids, TimestampTzGetDatum(report->at)};

	if (count == 0)
		return;
	cms_plan_write(&retried, values, NULL);
	let_others_through(report);
}

/* Those that were put off to the time of a message that needs not wait for it any more. */
static void
let_others_through(const Report *report)
{
	int64 *ids = palloc(sizeof(int64) * Max(report->nanswers, 1));
	int count = 0;

	for (int i = 0; i < report->nanswers; i++)
		if (report->answers[i].changed && report->answers[i].was_waiting)
			ids[count++] = report->answers[i].message_id;
	if (count > 0)
	{
		Datum values[] = {Int32GetDatum(report->org), cms_array_of_int64s(ids, count)};

		cms_plan_write(&let_through, values, NULL);
	}
}

static Datum
changed_ids(const Report *report, int *count)
{
	int64 *ids = palloc(sizeof(int64) * Max(report->nanswers, 1));

	*count = 0;
	for (int i = 0; i < report->nanswers; i++)
		if (report->answers[i].changed)
			ids[(*count)++] = report->answers[i].message_id;
	return cms_array_of_int64s(ids, *count);
}

/* A row for each id, in the order in which they came. */
static void
put_answers(FunctionCallInfo fcinfo, const Report *report)
{
	for (int i = 0; i < report->nids; i++)
	{
		Answer wanted = {.message_id = report->ids[i], .reason = CMS_MESSAGE_NOT_FOUND};
		const Answer *answer =
			bsearch(&wanted, report->answers, report->nanswers, sizeof(Answer), compare_answers);
		Datum values[out_columns];
		bool nulls[out_columns] = {false};

		if (answer == NULL)
			answer = &wanted;
		values[out_message_id] = Int64GetDatum(answer->message_id);
		values[out_accepted] = BoolGetDatum(answer->reason == CMS_OK);
		cms_result_reason(answer->reason, answer->message, values, nulls, out_reason, out_message);
		cms_result_text(status_names[answer->status], values, nulls, out_status);
		values[out_next_attempt_at] = TimestampTzGetDatum(answer->next_attempt_at);
		nulls[out_next_attempt_at] =
			answer->status != STATUS_PENDING && answer->status != STATUS_LEASED;
		values[out_replayed] = BoolGetDatum(answer->replayed);
		cms_result_put(fcinfo, values, nulls);
	}
}

static int
compare_answers(const void *a, const void *b)
{
	int64 left = ((const Answer *) a)->message_id;
	int64 right = ((const Answer *) b)->message_id;

	return left < right ? -1 : left > right;
}
