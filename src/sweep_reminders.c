/*
 * sweep_reminders.c
 *	  cms_sweep_reminders: reminders to customers, queued when they are due (F41).
 *
 * A reminder of n days before is due on day D - n, where D is the coupon's effective last day. So on
 * each day a reminder is about the coupons of one day of ends only, and a pass goes through them. It
 * is queued until the end of the day it fell due on; what nothing queued by then is skipped.
 *
 * Passes are rows of cms.reminder_pass. One transaction finds out which there are, all may work
 * them off: each takes a pass that nobody else has and goes on where it was left. A pass remembers
 * what the offer's counters said before it began. If they say something else later that day (coupons
 * were issued, ends moved, uses reversed, rules changed), another pass looks for what the first
 * could not see; passes take at most a twentieth of the time. That a message comes once is the
 * matter of a unique index.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "plan.h"
#include "sweep.h"
#include "walk.h"

/* coupons that one statement goes through */
#define PIECE 10000
/* a pass that took so long is repeated after so many times as long */
#define PAUSE 20

typedef struct Pass
{
	int64 offer_id;
	int64 reminder_id;
	DateADT for_day;
	CmsPlace place;
	TimestampTz due_at;
	TimestampTz send_before;
	char *channel;
	int days_before;
	bool is_due; /* also by the reminder as it is now */
	bool fresh;  /* nothing is queued where it goes */
	int64 looked_at;
	int64 queued;
	bool over;
} Pass;

static void sweep_org(CmsSweep *sweep);
static bool plan_passes(const CmsSweep *sweep);
static bool take_pass(const CmsSweep *sweep, Pass *pass);
static void go_on(CmsSweep *sweep, Pass *pass);
static int64 queue(const CmsSweep *sweep, Pass *pass, const CmsOffer *offer, const CmsPiece *piece);
static void leave_pass(const CmsSweep *sweep, const Pass *pass, TimestampTz began);

PG_FUNCTION_INFO_V1(cms_sweep_reminders);

const CmsSweepPart cms_sweep_of_reminders = {"REMINDERS", sweep_org};

/*
 * The passes of today that there is no row of, and those that are done but must be repeated. The day
 * on which a reminder falls due is today, or yesterday where the clocks jumped over its time and
 * over midnight.
 */
#define SEEN CMS_SWEEP_COUNTERS("o", ", r.days_before, r.time_of_day, r.channel")
static CmsPlan find_passes = {
	"INSERT INTO cms.reminder_pass (org_id, offer_id, reminder_id, for_day, due_at, send_before, state_seen)"
	" SELECT r.org_id, r.offer_id, r.reminder_id, k.day + r.days_before, u.due,"
	"  cms.cms_day_start(d.today + 1, g.time_zone), s.seen"
	" FROM cms.org g"
	" CROSS JOIN LATERAL (SELECT ($2 AT TIME ZONE g.time_zone)::date AS today) d"
	" CROSS JOIN LATERAL (VALUES (d.today), (d.today - 1)) k (day)"
	" JOIN cms.offer_reminder r ON r.org_id = g.org_id"
	" CROSS JOIN LATERAL (SELECT cms.cms_due_at(k.day, r.time_of_day, g.time_zone) AS due) u"
	" JOIN cms.offer o ON o.org_id = r.org_id AND o.offer_id = r.offer_id"
	" CROSS JOIN LATERAL (SELECT " SEEN " AS seen) s"
	" LEFT JOIN cms.reminder_pass p ON p.org_id = r.org_id AND p.offer_id = r.offer_id"
	"  AND p.reminder_id = r.reminder_id AND p.for_day = k.day + r.days_before"
	" WHERE g.org_id = $1 AND o.status = 'ACTIVE'"
	"  AND u.due <= $2 AND (u.due AT TIME ZONE g.time_zone)::date = d.today"
	"  AND (p.for_day IS NULL OR (p.done AND p.next_pass_at <= $2 AND p.state_seen <> s.seen))"
	" ON CONFLICT (org_id, offer_id, reminder_id, for_day) DO UPDATE SET"
	"  due_at = excluded.due_at, send_before = excluded.send_before, state_seen = excluded.state_seen,"
	"  done = false, at_end = '-infinity', at_coupon = 0, busy = '0'",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan forget_passes = {
	"DELETE FROM cms.reminder_pass p WHERE p.org_id = $1 AND p.send_before <= $2 - '1 day'::interval"
	" AND (p.offer_id, p.reminder_id, p.for_day) IN (SELECT q.offer_id, q.reminder_id, q.for_day"
	"  FROM cms.reminder_pass q WHERE q.org_id = $1 AND q.send_before <= $2 - '1 day'::interval"
	"  LIMIT 10000 FOR UPDATE SKIP LOCKED)",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan has_old_passes = {
	"SELECT FROM cms.reminder_pass q WHERE q.org_id = $1 AND q.send_before <= $2 - '1 day'::interval"
	" LIMIT 1",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan next_pass = {
	"SELECT p.offer_id, p.reminder_id, p.for_day, p.at_end, p.at_coupon, p.due_at, p.send_before,"
	" r.channel, r.days_before, o.status = 'ACTIVE'"
	"  AND cms.cms_due_at(p.for_day - r.days_before, r.time_of_day, g.time_zone) <= $2"
	"  AND cms.cms_due_at(p.for_day - r.days_before, r.time_of_day, g.time_zone) >="
	"   cms.cms_day_start(($2 AT TIME ZONE g.time_zone)::date, g.time_zone),"
	" p.next_pass_at IS NULL"
	" FROM cms.reminder_pass p"
	" JOIN cms.offer_reminder r ON r.org_id = p.org_id AND r.offer_id = p.offer_id AND r.reminder_id = p.reminder_id"
	" JOIN cms.offer o ON o.org_id = p.org_id AND o.offer_id = p.offer_id"
	" JOIN cms.org g ON g.org_id = p.org_id"
	" WHERE p.org_id = $1 AND NOT p.done AND p.due_at <= $2 AND p.send_before > $2"
	" ORDER BY p.offer_id, p.reminder_id, p.for_day LIMIT 1 FOR UPDATE OF p SKIP LOCKED",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan keep_pass = {
	"UPDATE cms.reminder_pass SET at_end = $5, at_coupon = $6, done = $7, looked_at = looked_at + $8,"
	" queued = queued + $9, busy = busy + $10,"
	" next_pass_at = CASE WHEN $7 THEN $11 + (busy + $10) * $12 ELSE next_pass_at END"
	" WHERE org_id = $1 AND offer_id = $2 AND reminder_id = $3 AND for_day = $4",
	12,
	{INT4OID,
	 INT8OID,
	 INT8OID,
	 DATEOID,
	 TIMESTAMPTZOID,
	 INT8OID,
	 BOOLOID,
	 INT8OID,
	 INT8OID,
	 INTERVALOID,
	 TIMESTAMPTZOID,
	 FLOAT8OID}};

/* A coupon that may still be used, by its holder, and was issued before the reminder was due. */
#define QUEUE(WHOSE)                                                                                    \
	"INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, coupon_id, customer_id,"      \
	"  reminder_id, days_before, for_day, due_at, send_before, next_attempt_at, queued_at)"             \
	" SELECT c.org_id, nextval('cms.message_id_seq'), 'REMINDER', $7, c.offer_id, c.coupon_id,"         \
	"  c.customer_id, $8, $9, $10, $11, $12, $11, $13"                                                  \
	" FROM cms.coupon c"                                                                                \
	" WHERE c.org_id = $1 AND c.offer_id = $2 AND " WHOSE                                               \
	"  AND c.coupon_id > $4 AND c.coupon_id <= $5 AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL" \
	"  AND c.issued_at <= $11 AND c.customer_id IS NOT NULL"                                            \
	"  AND ($6 IS NULL OR c.uses + c.forfeited_uses < $6)"                                              \
	"  AND ($14 OR (SELECT m.message_id FROM cms.outbox m WHERE m.org_id = c.org_id"                    \
	"   AND m.coupon_id = c.coupon_id AND m.reminder_id = $8 AND m.for_day = $10"                       \
	"   AND m.kind = 'REMINDER' AND m.status <> 'CANCELLED') IS NULL)"                                  \
	" ORDER BY c.expires_at, c.coupon_id"
#define QUEUE_TYPES                                                                             \
	{                                                                                           \
		INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, TEXTOID, INT8OID, INT4OID, \
			DATEOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID                    \
	}

static CmsPlan queue_at_end = {QUEUE("c.expires_at = $3"), 14, QUEUE_TYPES};
static CmsPlan queue_without_end = {QUEUE("c.expires_at IS NULL"), 14, QUEUE_TYPES};

/*
 * cms_sweep_reminders(how_many, at, org)
 */
Datum
cms_sweep_reminders(PG_FUNCTION_ARGS)
{
	return cms_sweep_call(fcinfo, &cms_sweep_of_reminders);
}

static void
sweep_org(CmsSweep *sweep)
{
	Pass pass;

	if (cms_sweep_may_plan(sweep, &cms_sweep_of_reminders) && !plan_passes(sweep))
		cms_sweep_planned_nothing(sweep, &cms_sweep_of_reminders);
	while (sweep->done < sweep->how_many && take_pass(sweep, &pass))
	{
		TimestampTz began = GetCurrentTimestamp();

		go_on(sweep, &pass);
		sweep->queued += pass.queued;
		leave_pass(sweep, &pass, began);
	}
}

/* Whether there was something. */
static bool
plan_passes(const CmsSweep *sweep)
{
	Datum values[] = {Int32GetDatum(sweep->org), TimestampTzGetDatum(sweep->at)};
	bool any = cms_plan_write(&find_passes, values, NULL) > 0;

	if (cms_plan_run(&has_old_passes, values, NULL, false) > 0)
	{
		any = true;
		cms_plan_write(&forget_passes, values, NULL);
	}
	return any;
}

static bool
take_pass(const CmsSweep *sweep, Pass *pass)
{
	Datum values[] = {Int32GetDatum(sweep->org), TimestampTzGetDatum(sweep->at)};
	bool isnull;

	memset(pass, 0, sizeof(*pass));
	if (cms_plan_write(&next_pass, values, NULL) == 0)
		return false;
	pass->offer_id = cms_row_int64(0, 1, 0);
	pass->reminder_id = cms_row_int64(0, 2, 0);
	pass->for_day = DatumGetDateADT(cms_row_value(0, 3, &isnull));
	pass->place.end = cms_row_timestamptz(0, 4, DT_NOBEGIN);
	pass->place.coupon = cms_row_int64(0, 5, 0);
	pass->due_at = cms_row_timestamptz(0, 6, 0);
	pass->send_before = cms_row_timestamptz(0, 7, 0);
	pass->channel = cms_row_text(0, 8);
	pass->days_before = cms_row_int32(0, 9, 0);
	pass->is_due = cms_row_bool(0, 10, false);
	pass->fresh = cms_row_bool(0, 11, false);
	return true;
}

/* One that was changed since it was planned is over; if it is due later, it is planned again. */
static void
go_on(CmsSweep *sweep, Pass *pass)
{
	const CmsOffer *offer;
	CmsRange range;

	if (!pass->is_due)
	{
		pass->over = true;
		return;
	}
	offer = cms_offer_get(sweep->org, pass->offer_id, false);
	cms_walk_range(offer, pass->for_day, &range);
	while (sweep->done < sweep->how_many)
	{
		CmsPiece piece;

		if (!cms_walk_on(sweep->org,
						 pass->offer_id,
						 &range,
						 &pass->place,
						 Min(PIECE, sweep->how_many - sweep->done),
						 false,
						 &piece))
		{
			pass->over = true;
			return;
		}
		pass->looked_at += piece.coupons;
		sweep->done += piece.coupons;
		pass->queued += queue(sweep, pass, offer, &piece);
	}
}

/* Also of what is due before its coupon ends, but looked at after it, nothing is queued. */
static int64
queue(const CmsSweep *sweep, Pass *pass, const CmsOffer *offer, const CmsPiece *piece)
{
	TimestampTz end = cms_walk_effective_end(offer, piece->end);
	CmsParams params = {0};

	if (end <= sweep->at)
		return 0;
	cms_param_int(&params, sweep->org);
	cms_param_int64(&params, pass->offer_id);
	cms_param_instant(&params, piece->end);
	cms_param_int64(&params, piece->after);
	cms_param_int64(&params, piece->last);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param_text(&params, pass->channel);
	cms_param_int64(&params, pass->reminder_id);
	cms_param_int(&params, pass->days_before);
	cms_param(&params, DateADTGetDatum(pass->for_day), false);
	cms_param_instant(&params, pass->due_at);
	cms_param_instant(&params, Min(pass->send_before, end));
	cms_param_instant(&params, sweep->at);
	return cms_sweep_insert(TIMESTAMP_IS_NOEND(piece->end) ? &queue_without_end : &queue_at_end,
							&params,
							piece->coupons,
							&pass->fresh);
}

static void
leave_pass(const CmsSweep *sweep, const Pass *pass, TimestampTz began)
{
	Interval busy = {.time = GetCurrentTimestamp() - began};
	Datum values[] = {Int32GetDatum(sweep->org),
					  Int64GetDatum(pass->offer_id),
					  Int64GetDatum(pass->reminder_id),
					  DateADTGetDatum(pass->for_day),
					  TimestampTzGetDatum(pass->place.end),
					  Int64GetDatum(pass->place.coupon),
					  BoolGetDatum(pass->over),
					  Int64GetDatum(pass->looked_at),
					  Int64GetDatum(pass->queued),
					  IntervalPGetDatum(&busy),
					  TimestampTzGetDatum(sweep->at),
					  Float8GetDatum(PAUSE)};

	cms_plan_write(&keep_pass, values, NULL);
}
