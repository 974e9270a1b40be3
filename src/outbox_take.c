/*
 * outbox_take.c
 *	  cms_outbox_take: messages handed to a sender under a lease (F43).
 *
 * Messages are taken along the index of those that are open, in the order in which they became
 * due, past those that another sender is taking. Each is looked at once more: what no longer
 * applies is cancelled, and the content is filled in from what is true now. A message waits as
 * long as an earlier one of the same customer and channel is open, so a batch has one of each
 * customer at the most, and a later one cannot overtake one whose delivery is tried again.
 *
 * Messages that wait for an earlier one whose delivery is tried again later would be passed over by
 * every call until then. Where there are many at the head of the queue they are put off to the time
 * of that one, before which they could not be taken anyway.
 *
 * A lease is a row that cannot be taken before its time. A sender that dies just lets that time
 * come.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "codes_left.h"
#include "outbox.h"
#include "plan.h"
#include "result.h"

#define MAX_MESSAGES 10000
#define MAX_LEASE_DAYS 31
#define MAX_ATTEMPTS 1000

/* Looked at by one call that has something to hand out; a call that has nothing goes on. */
#define MOST_LOOKED_AT 10000

/* So many messages passed over are many, and so many are put off at once. */
#define MANY_PASSED 200
#define MOST_PUT_OFF 5000

PG_FUNCTION_INFO_V1(cms_outbox_take);

typedef struct Take
{
	int org;
	char *channel;
	int how_many;
	int max_attempts;
	TimestampTz at;
	TimestampTz until;
	int64 lease; /* 0: none yet */
	HTAB *offers;
	bool has_looked_back; /* at what was passed over */
	MemoryContext batch;  /* of the messages that are looked at together */
} Take;

/* columns of cms_outbox_message */
enum
{
	out_message_id,
	out_lease,
	out_attempt,
	out_leased_until,
	out_kind,
	out_customer_id,
	out_poc_name,
	out_poc_email,
	out_content,
	out_payload,
	out_columns
};

/* columns of the statement "due" */
enum
{
	col_message_id = 1,
	col_kind,
	col_offer_id,
	col_customer_id,
	col_poc_id,
	col_days_before,
	col_for_day,
	col_send_before,
	col_leased,
	col_attempts,
	col_offer_exists,
	col_version,
	col_coupon_id,
	col_code,
	col_shared,
	col_issued_at,
	col_expires_at,
	col_revoked,
	col_uses,
	col_forfeited_uses,
	col_reminder_id,
	col_reminder_days_before,
	col_reminder_time,
	col_reminder_channel,
	col_reminder_content,
	col_listed,
	col_poc_name,
	col_poc_email,
	col_next_attempt_at
};

static TimestampTz end_of_lease(FunctionCallInfo fcinfo, int n, TimestampTz at);
static void check_range(const char *name, int value, int most, const char *hint);
static int read_due(Take *take, int most, CmsMessage *messages);
static void put_off(Take *take, int64 message_id, TimestampTz due_at);
static void read_message(Take *take, uint64 row, CmsMessage *message);
static void read_coupon(uint64 row, CmsMessage *message);
static CmsMessageOffer *remember_offer(Take *take, int64 offer_id, bool exists, int64 version);
static void read_offers(Take *take);
static int settle(FunctionCallInfo fcinfo, Take *take, const CmsMessage *messages, int nmessages);
static void cancel(const Take *take, const CmsMessage *messages, const CmsMessageVerdict *verdicts,
				   int nmessages);
static void give_up(const Take *take, const CmsMessage *messages, const CmsMessageVerdict *verdicts,
					int nmessages);
static void postpone(const Take *take, const CmsMessage *message, const CmsMessageVerdict *verdict);
static void draw_lease(Take *take);
static void run(const Take *take, CmsPlan *plan, const Datum *values, bool guarded);
static void put_message(FunctionCallInfo fcinfo, const Take *take, const CmsMessage *message,
						const char *content, Datum payload);

/* Offers of the messages of a call, by their number. */
typedef struct KnownOffer
{
	int64 offer_id;
	bool exists;
	bool read;
	int64 version;
	CmsMessageOffer offer;
} KnownOffer;

static CmsPlan due = {
	"WITH due AS MATERIALIZED ("
	" SELECT m.message_id, m.kind, m.offer_id, m.coupon_id, m.customer_id, m.reminder_id, m.poc_id,"
	"  m.days_before, m.for_day, m.send_before, m.next_attempt_at, m.status, m.attempts"
	" FROM cms.outbox m"
	" WHERE m.org_id = $1 AND m.channel = $2 AND m.status IN ('PENDING', 'LEASED') AND m.next_attempt_at <= $3"
	" AND NOT EXISTS (SELECT FROM cms.outbox e WHERE e.org_id = $1 AND e.customer_id = m.customer_id"
	"  AND e.channel = $2 AND e.status IN ('PENDING', 'LEASED') AND e.message_id < m.message_id)"
	" ORDER BY m.next_attempt_at, m.message_id LIMIT $4 FOR UPDATE OF m SKIP LOCKED)"
	" SELECT m.message_id, m.kind, m.offer_id, m.customer_id, m.poc_id, m.days_before, m.for_day,"
	"  m.send_before, m.status = 'LEASED', m.attempts, o.offer_id IS NOT NULL, COALESCE(v.version, 0),"
	"  c.coupon_id, CASE WHEN c.shared THEN o.common_code ELSE c.code END, c.shared, c.issued_at,"
	"  c.expires_at, c.revoked_at IS NOT NULL, c.uses, c.forfeited_uses,"
	"  r.reminder_id, r.days_before, r.time_of_day, r.channel, r.content, x.poc_id IS NOT NULL, p.name, p.email,"
	"  m.next_attempt_at"
	" FROM due m"
	" LEFT JOIN cms.offer o ON o.org_id = $1 AND o.offer_id = m.offer_id"
	" LEFT JOIN cms.offer_version v ON v.org_id = $1 AND v.offer_id = m.offer_id"
	" LEFT JOIN cms.coupon c ON c.org_id = $1 AND c.coupon_id = m.coupon_id"
	" LEFT JOIN cms.offer_reminder r ON r.org_id = $1 AND r.offer_id = m.offer_id AND r.reminder_id = m.reminder_id"
	" LEFT JOIN cms.poc p ON p.org_id = $1 AND p.poc_id = m.poc_id"
	" LEFT JOIN cms.offer_poc x ON x.org_id = $1 AND x.offer_id = m.offer_id AND x.poc_id = m.poc_id"
	"  AND x.days_before = m.days_before"
	" ORDER BY m.next_attempt_at, m.message_id",
	4,
	{INT4OID, TEXTOID, TIMESTAMPTZOID, INT4OID}};

/* messages before one, in the order of taking */
#define BEFORE                                                               \
	"m.org_id = $1 AND m.channel = $2 AND m.status IN ('PENDING', 'LEASED')" \
	" AND (m.next_attempt_at, m.message_id) < ($3, $4)"

static CmsPlan passed = {"SELECT count(*) FROM (SELECT FROM cms.outbox m WHERE " BEFORE
						 " LIMIT $5) n",
						 5,
						 {INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT4OID}};

/* "not leased", because with "pending" an index of open messages would be taken for the key's */
static CmsPlan put_off_messages = {
	"WITH head AS MATERIALIZED (SELECT m.message_id, m.customer_id FROM cms.outbox m WHERE " BEFORE
	"  AND m.customer_id IS NOT NULL ORDER BY m.next_attempt_at, m.message_id LIMIT $5),"
	" behind AS MATERIALIZED (SELECT h.message_id, e.next_attempt_at FROM head h"
	"  CROSS JOIN LATERAL (SELECT f.next_attempt_at FROM cms.outbox f WHERE f.org_id = $1"
	"   AND f.customer_id = h.customer_id AND f.channel = $2 AND f.status IN ('PENDING', 'LEASED')"
	"   AND f.message_id < h.message_id AND f.status = 'PENDING' AND f.next_attempt_at > $6"
	"   ORDER BY f.message_id LIMIT 1) e),"
	" locked AS MATERIALIZED (SELECT l.message_id, b.next_attempt_at FROM behind b"
	"  JOIN cms.outbox l ON l.org_id = $1 AND l.message_id = b.message_id AND l.status <> 'LEASED'"
	"  FOR UPDATE OF l SKIP LOCKED)"
	" UPDATE cms.outbox m SET next_attempt_at = l.next_attempt_at FROM locked l"
	" WHERE m.org_id = $1 AND m.message_id = l.message_id",
	6,
	{INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT4OID, TIMESTAMPTZOID}};

static CmsPlan of_offer = {
	"SELECT o.code,"
	" cms.cms_discount_text(o.discount_type, o.discount_value, o.discount_cap, g.currency),"
	" o.resend_allowed, o.resend_content, o.expiry_notice, g.name, g.time_zone,"
	" LEAST(n.codes, 9223372036854775807)::bigint, n.codes <= o.codes_left_alert"
	" FROM cms.offer o" CMS_CODES_LEFT " JOIN cms.org g ON g.org_id = o.org_id"
	" WHERE o.org_id = $1 AND o.offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan next_lease = {"SELECT nextval('cms.lease_seq')", 0};

static CmsPlan lease_messages = {
	"UPDATE cms.outbox m SET status = 'LEASED', lease = $4, attempts = m.attempts + 1, next_attempt_at = $5,"
	" payload = u.payload FROM unnest($2, $3) AS u (message_id, payload)"
	" WHERE m.org_id = $1 AND m.message_id = u.message_id",
	5,
	{INT4OID, INT8ARRAYOID, JSONBARRAYOID, INT8OID, TIMESTAMPTZOID}};

static CmsPlan cancel_messages = {
	"UPDATE cms.outbox m SET status = 'CANCELLED', reason = u.reason, done_at = $4"
	" FROM unnest($2, $3) AS u (message_id, reason)"
	" WHERE m.org_id = $1 AND m.message_id = u.message_id",
	4,
	{INT4OID, INT8ARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}};

static CmsPlan give_up_messages = {
	"UPDATE cms.outbox SET status = 'DEAD', done_at = $3, last_error = 'the sender did not answer'"
	" WHERE org_id = $1 AND message_id = ANY ($2)",
	3,
	{INT4OID, INT8ARRAYOID, TIMESTAMPTZOID}};

static CmsPlan postpone_message = {
	"UPDATE cms.outbox SET status = 'PENDING', channel = $3, days_before = $4, due_at = $5, send_before = $6,"
	" next_attempt_at = $5 WHERE org_id = $1 AND message_id = $2",
	6,
	{INT4OID, INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/*
 * cms_outbox_take(channel, how_many, lease, max_attempts, at, org)
 */
Datum
cms_outbox_take(PG_FUNCTION_ARGS)
{
	Take take = {
		.channel = cms_arg_required_id(fcinfo, 0, "channel"),
		.how_many = cms_arg_int(fcinfo, 1, "how_many"),
		.max_attempts = cms_arg_int(fcinfo, 3, "max_attempts"),
		.at = cms_arg_at(fcinfo, 4),
		.org = cms_arg_org(fcinfo, 5),
	};
	HASHCTL control = {.keysize = sizeof(int64), .entrysize = sizeof(KnownOffer)};
	CmsMessage *messages;
	int taken = 0;
	int looked_at = 0;

	check_range(
		"how_many", take.how_many, MAX_MESSAGES, "Pass how many messages to take at a time.");
	check_range(
		"max_attempts", take.max_attempts, MAX_ATTEMPTS, "Pass how often a message is tried.");
	take.until = end_of_lease(fcinfo, 2, take.at);
	cms_result_start(fcinfo);
	cms_call_begin();
	take.batch =
		AllocSetContextCreate(CurrentMemoryContext, "cms messages", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = CurrentMemoryContext;
	take.offers =
		hash_create("cms offers of messages", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	messages = palloc(sizeof(CmsMessage) * take.how_many);
	while (taken < take.how_many && (taken == 0 || looked_at < MOST_LOOKED_AT))
	{
		int wanted = take.how_many - taken;
		int nmessages = read_due(&take, wanted, messages);

		CHECK_FOR_INTERRUPTS();
		taken += settle(fcinfo, &take, messages, nmessages);
		MemoryContextReset(take.batch);
		looked_at += nmessages;
		if (nmessages < wanted)
			break;
	}
	SPI_finish();
	return (Datum) 0;
}

static void
check_range(const char *name, int value, int most, const char *hint)
{
	if (value < 1 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be 1 to %d, not %d", name, most, value),
				 errhint("%s", hint)));
}

static TimestampTz
end_of_lease(FunctionCallInfo fcinfo, int n, TimestampTz at)
{
	static const char hint[] = "Pass how long the sender has for the batch.";
	TimestampTz until = cms_arg_until(fcinfo, n, "lease", hint, at);

	if (until <= at || until > at + MAX_LEASE_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"lease\" must be above 0 and at most %d days", MAX_LEASE_DAYS),
				 errhint("%s", hint)));
	return until;
}

/* The next messages, locked, with the present state of what they are about. */
static int
read_due(Take *take, int most, CmsMessage *messages)
{
	Datum values[] = {Int32GetDatum(take->org),
					  CStringGetTextDatum(take->channel),
					  TimestampTzGetDatum(take->at),
					  Int32GetDatum(most)};
	int nmessages = (int) cms_plan_run(&due, values, NULL, false);
	MemoryContext before = MemoryContextSwitchTo(take->batch);
	int64 first = nmessages > 0 ? cms_row_int64(0, col_message_id, 0) : PG_INT64_MAX;
	TimestampTz first_due =
		nmessages > 0 ? cms_row_timestamptz(0, col_next_attempt_at, take->at) : take->at;

	for (int i = 0; i < nmessages; i++)
		read_message(take, i, &messages[i]);
	/* offers are remembered for the whole call */
	MemoryContextSwitchTo(before);
	read_offers(take);
	put_off(take, first, first_due);
	return nmessages;
}

/* Once a call, if the first message that can be taken has many before it. */
static void
put_off(Take *take, int64 message_id, TimestampTz due_at)
{
	Datum values[] = {Int32GetDatum(take->org),
					  CStringGetTextDatum(take->channel),
					  TimestampTzGetDatum(due_at),
					  Int64GetDatum(message_id),
					  Int32GetDatum(MANY_PASSED),
					  TimestampTzGetDatum(take->at)};

	if (take->has_looked_back)
		return;
	take->has_looked_back = true;
	cms_plan_run(&passed, values, NULL, false);
	if (cms_row_int64(0, 1, 0) < MANY_PASSED)
		return;
	values[4] = Int32GetDatum(MOST_PUT_OFF);
	cms_plan_write(&put_off_messages, values, NULL);
}

static void
read_message(Take *take, uint64 row, CmsMessage *message)
{
	const char *kind = cms_row_text(row, col_kind);
	bool isnull;

	memset(message, 0, sizeof(*message));
	message->message_id = cms_row_int64(row, col_message_id, 0);
	if (!cms_message_kind(kind, &message->kind))
		elog(ERROR, "unknown kind of message \"%s\"", kind);
	message->channel = take->channel;
	message->offer_id = cms_row_int64(row, col_offer_id, 0);
	message->customer = cms_row_text(row, col_customer_id);
	message->poc_id = cms_row_int64(row, col_poc_id, 0);
	message->days_before = cms_row_int32(row, col_days_before, 0);
	message->for_day = DatumGetDateADT(cms_row_value(row, col_for_day, &isnull));
	message->has_day = !isnull;
	message->send_before = DatumGetTimestampTz(cms_row_value(row, col_send_before, &isnull));
	message->has_send_before = !isnull;
	message->leased = cms_row_bool(row, col_leased, false);
	message->attempts = cms_row_int32(row, col_attempts, 0);
	message->reminder_id = cms_row_int64(row, col_reminder_id, 0);
	message->has_reminder = message->reminder_id != 0 || cms_row_bool(row, col_listed, false);
	message->reminder_days_before = cms_row_int32(row, col_reminder_days_before, 0);
	message->reminder_time = DatumGetTimeADT(cms_row_value(row, col_reminder_time, &isnull));
	message->reminder_channel = cms_row_text(row, col_reminder_channel);
	message->reminder_content = cms_row_text(row, col_reminder_content);
	message->poc_name = cms_row_text(row, col_poc_name);
	message->poc_email = cms_row_text(row, col_poc_email);
	message->code = cms_row_text(row, col_code);
	read_coupon(row, message);
	message->offer = remember_offer(take,
									message->offer_id,
									cms_row_bool(row, col_offer_exists, false),
									cms_row_int64(row, col_version, 0));
}

static void
read_coupon(uint64 row, CmsMessage *message)
{
	CmsCoupon *coupon = &message->coupon;
	bool isnull;

	coupon->coupon_id = cms_row_int64(row, col_coupon_id, 0);
	message->has_coupon = coupon->coupon_id != 0;
	if (!message->has_coupon)
		return;
	coupon->offer_id = message->offer_id;
	coupon->holder = message->customer;
	coupon->shared = cms_row_bool(row, col_shared, false);
	coupon->issued_at = DatumGetTimestampTz(cms_row_value(row, col_issued_at, &isnull));
	coupon->issued = !isnull;
	coupon->expires_at = DatumGetTimestampTz(cms_row_value(row, col_expires_at, &isnull));
	coupon->has_own_end = !isnull;
	coupon->revoked = cms_row_bool(row, col_revoked, false);
	coupon->uses = cms_row_int32(row, col_uses, 0);
	coupon->forfeited_uses = cms_row_int32(row, col_forfeited_uses, 0);
}

/* A batch is mostly of few offers: each is read once, after the messages. */
static CmsMessageOffer *
remember_offer(Take *take, int64 offer_id, bool exists, int64 version)
{
	bool found;
	KnownOffer *known = hash_search(take->offers, &offer_id, HASH_ENTER, &found);

	if (!found || known->version != version)
	{
		memset(&known->offer, 0, sizeof(known->offer));
		known->offer.offer_id = offer_id;
		known->exists = exists;
		known->version = version;
		known->read = false;
	}
	return &known->offer;
}

static void
read_offers(Take *take)
{
	HASH_SEQ_STATUS all;
	KnownOffer *known;

	hash_seq_init(&all, take->offers);
	while ((known = hash_seq_search(&all)) != NULL)
	{
		Datum values[] = {Int32GetDatum(take->org), Int64GetDatum(known->offer_id)};

		if (known->read || !known->exists)
			continue;
		known->read = true;
		/* deleted since: as good as not there before */
		if (cms_plan_run(&of_offer, values, NULL, false) == 0)
			continue;
		known->offer.code = cms_row_text(0, 1);
		known->offer.discount = cms_row_text(0, 2);
		known->offer.resend_allowed = cms_row_bool(0, 3, false);
		known->offer.resend_content = cms_row_text(0, 4);
		known->offer.expiry_notice = cms_row_bool(0, 5, false);
		known->offer.org_name = cms_row_text(0, 6);
		known->offer.zone_name = cms_row_text(0, 7);
		known->offer.codes_left = cms_row_int64(0, 8, 0);
		known->offer.has_few_codes = cms_row_bool(0, 9, false);
		known->offer.rules =
			cms_offer_of_version(take->org, known->offer_id, known->version, false);
	}
}

/* Writes what becomes of the messages and hands out those to send; answers how many they are. */
static int
settle(FunctionCallInfo fcinfo, Take *take, const CmsMessage *messages, int nmessages)
{
	MemoryContext before = MemoryContextSwitchTo(take->batch);
	CmsMessageVerdict *verdicts = palloc(sizeof(CmsMessageVerdict) * Max(nmessages, 1));
	int64 *ids = palloc(sizeof(int64) * Max(nmessages, 1));
	Datum *payloads = palloc(sizeof(Datum) * Max(nmessages, 1));
	int nsent = 0;

	for (int i = 0; i < nmessages; i++)
		cms_message_judge(&messages[i], take->max_attempts, take->at, &verdicts[i]);
	cancel(take, messages, verdicts, nmessages);
	give_up(take, messages, verdicts, nmessages);
	for (int i = 0; i < nmessages; i++)
	{
		const CmsMessage *message = &messages[i];
		char *content;

		if (verdicts[i].fate == CMS_FATE_POSTPONE)
			postpone(take, message, &verdicts[i]);
		if (verdicts[i].fate != CMS_FATE_SEND)
			continue;
		draw_lease(take);
		content = cms_message_content(message, &verdicts[i]);
		ids[nsent] = message->message_id;
		payloads[nsent] = DirectFunctionCall1(
			jsonb_in, CStringGetDatum(cms_message_payload(message, &verdicts[i], content)));
		put_message(fcinfo, take, message, content, payloads[nsent]);
		nsent++;
	}
	if (nsent > 0)
	{
		Datum values[] = {
			Int32GetDatum(take->org),
			cms_array_of_int64s(ids, nsent),
			PointerGetDatum(construct_array(payloads, nsent, JSONBOID, -1, false, TYPALIGN_INT)),
			Int64GetDatum(take->lease),
			TimestampTzGetDatum(take->until)};

		run(take, &lease_messages, values, true);
	}
	MemoryContextSwitchTo(before);
	return nsent;
}

static void
cancel(const Take *take, const CmsMessage *messages, const CmsMessageVerdict *verdicts,
	   int nmessages)
{
	int64 *ids = palloc(sizeof(int64) * Max(nmessages, 1));
	const char **reasons = palloc(sizeof(char *) * Max(nmessages, 1));
	int count = 0;

	for (int i = 0; i < nmessages; i++)
	{
		if (verdicts[i].fate != CMS_FATE_CANCEL)
			continue;
		ids[count] = messages[i].message_id;
		reasons[count++] = cms_reason_name(verdicts[i].reason);
	}
	if (count > 0)
	{
		Datum values[] = {Int32GetDatum(take->org),
						  cms_array_of_int64s(ids, count),
						  cms_array_of_texts(reasons, count),
						  TimestampTzGetDatum(take->at)};

		run(take, &cancel_messages, values, true);
	}
}

static void
give_up(const Take *take, const CmsMessage *messages, const CmsMessageVerdict *verdicts,
		int nmessages)
{
	int64 *ids = palloc(sizeof(int64) * Max(nmessages, 1));
	int count = 0;

	for (int i = 0; i < nmessages; i++)
		if (verdicts[i].fate == CMS_FATE_GIVE_UP)
			ids[count++] = messages[i].message_id;
	if (count > 0)
	{
		Datum values[] = {Int32GetDatum(take->org),
						  cms_array_of_int64s(ids, count),
						  TimestampTzGetDatum(take->at)};

		run(take, &give_up_messages, values, true);
	}
}

/* Only after somebody has changed the reminder: one by one. */
static void
postpone(const Take *take, const CmsMessage *message, const CmsMessageVerdict *verdict)
{
	Datum values[] = {Int32GetDatum(take->org),
					  Int64GetDatum(message->message_id),
					  CStringGetTextDatum(message->reminder_channel),
					  Int32GetDatum(message->reminder_days_before),
					  TimestampTzGetDatum(verdict->due_at),
					  TimestampTzGetDatum(verdict->send_before)};

	run(take, &postpone_message, values, true);
}

/* A call that hands out nothing uses up no number. */
static void
draw_lease(Take *take)
{
	if (take->lease != 0)
		return;
	run(take, &next_lease, NULL, false);
	take->lease = cms_row_int64(0, 1, 0);
}

/* A statement ends in the memory of SPI, where nothing goes before the call ends. */
static void
run(const Take *take, CmsPlan *plan, const Datum *values, bool guarded)
{
	if (guarded)
		cms_plan_write(plan, values, NULL);
	else
		cms_plan_run(plan, values, NULL, false);
	MemoryContextSwitchTo(take->batch);
}

static void
put_message(FunctionCallInfo fcinfo, const Take *take, const CmsMessage *message,
			const char *content, Datum payload)
{
	Datum values[out_columns];
	bool nulls[out_columns] = {false};

	values[out_message_id] = Int64GetDatum(message->message_id);
	values[out_lease] = Int64GetDatum(take->lease);
	values[out_attempt] = Int32GetDatum(message->attempts + 1);
	values[out_leased_until] = TimestampTzGetDatum(take->until);
	cms_result_text(cms_message_kind_name(message->kind), values, nulls, out_kind);
	cms_result_text(message->customer, values, nulls, out_customer_id);
	cms_result_text(message->poc_name, values, nulls, out_poc_name);
	cms_result_text(message->poc_email, values, nulls, out_poc_email);
	cms_result_text(content, values, nulls, out_content);
	values[out_payload] = payload;
	cms_result_put(fcinfo, values, nulls);
}
