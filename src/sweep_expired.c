/*
 * sweep_expired.c
 *	  cms_sweep_expired: reports what has ended (F40).
 *
 * Expiry takes effect by itself. This only counts: for each offer and day on which coupons of it
 * ended there is a row of cms.offer_expiry, the book of the day, and the coupons of the day are gone
 * through once, piece by piece, to fill it and to queue the notices. Nothing is written on them.
 *
 * One transaction finds out which books there are to be filled, all may fill them: each takes a book
 * that nobody else has and goes on where it was left. A book is counted again
 *   - when a mark says that a coupon of it changed after its end (expiry_mark.c),
 *   - when the offer's end, or the zone, changed so that other coupons end on its day,
 *   - once more an hour after the end if the offer's counters have moved since: for transactions
 *     that were under way at the end.
 * So it comes to equal a recount. The old numbers stay until the new ones are there.
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
/* offers, and days of an offer, that are looked at by one call to find out what has ended */
#define OFFERS 1000
#define DAYS 400
/* when what was under way at the end is looked for */
#define SETTLE USECS_PER_HOUR
/* how late a notice may be queued */
#define NOTICE_DAYS 30

/* An offer whose books may be behind. */
typedef struct Behind
{
	int64 offer_id;
	int64 version;
	TimestampTz offer_end; /* where it bound coupons, when its books were looked at */
	TimestampTz booked_until;
} Behind;

typedef struct Book
{
	int64 offer_id;
	DateADT day;
	CmsRange range;
	CmsPlace place;
	bool notify;
	bool fresh; /* no notice is queued where it goes */
	int64 ended;
	int64 unredeemed;
	int64 notified;
	bool over;
} Book;

static void sweep_org(CmsSweep *sweep);
static bool plan_books(const CmsSweep *sweep);
static void collect_marks(const CmsSweep *sweep);
static void plan_offer(const CmsSweep *sweep, Behind *behind);
static TimestampTz check_books(const CmsSweep *sweep, const CmsOffer *offer);
static bool open_book(const CmsSweep *sweep, const CmsOffer *offer, DateADT day);
static bool reopen_book(const CmsSweep *sweep, int64 offer_id, DateADT day, const CmsRange *range);
static bool take_book(const CmsSweep *sweep, Book *book);
static void go_on(CmsSweep *sweep, Book *book);
static int64
notify(const CmsSweep *sweep, Book *book, const CmsOffer *offer, const CmsPiece *piece);
static void leave_book(const CmsSweep *sweep, const Book *book);

PG_FUNCTION_INFO_V1(cms_sweep_expired);

const CmsSweepPart cms_sweep_of_ends = {"EXPIRED", sweep_org};

#define SEEN(OFFER) CMS_SWEEP_COUNTERS(OFFER, ", sum(t.uses)")
#define SEEN_OF_OFFER SEEN("o")
#define SEEN_OF_BOOK SEEN("b")
#define SEEN_OF_SETTLED SEEN("r")

static CmsPlan marks_exist = {
	"SELECT FROM cms.expiry_mark WHERE org_id = $1 AND ended_at <= $2 LIMIT 1",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan take_marks = {
	"WITH gone AS (DELETE FROM cms.expiry_mark m WHERE m.org_id = $1 AND m.mark_id IN"
	"  (SELECT k.mark_id FROM cms.expiry_mark k WHERE k.org_id = $1 AND k.ended_at <= $2"
	"   ORDER BY k.mark_id LIMIT 10000)"
	"  RETURNING m.offer_id, m.ended_at)"
	" SELECT DISTINCT gone.offer_id, gone.ended_at FROM gone ORDER BY 1, 2",
	2,
	{INT4OID, TIMESTAMPTZOID}};

/* An end that is booked is not looked at again before the offer changes. */
static CmsPlan offers_behind = {
	"SELECT o.offer_id, COALESCE(s.version, 0), s.offer_end, COALESCE(s.booked_until, '-infinity')"
	" FROM cms.offer o JOIN cms.offer_version v ON v.org_id = o.org_id AND v.offer_id = o.offer_id"
	" LEFT JOIN cms.sweep_offer s ON s.org_id = o.org_id AND s.offer_id = o.offer_id"
	" WHERE o.org_id = $1 AND (s.version IS DISTINCT FROM v.version OR"
	"  (s.booked_until < $2 AND (s.offer_end IS NULL OR s.booked_until < s.offer_end)"
	"   AND (s.offer_end <= $2 OR EXISTS (SELECT FROM cms.coupon c WHERE c.org_id = o.org_id"
	"    AND c.offer_id = o.offer_id AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL"
	"    AND c.expires_at > s.booked_until AND c.expires_at <= $2))))"
	" ORDER BY o.offer_id LIMIT $3",
	3,
	{INT4OID, TIMESTAMPTZOID, INT4OID}};

static CmsPlan keep_offer = {
	"INSERT INTO cms.sweep_offer (org_id, offer_id, version, offer_end, booked_until)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (org_id, offer_id) DO UPDATE SET"
	" version = excluded.version, offer_end = excluded.offer_end, booked_until = excluded.booked_until",
	5,
	{INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan books_of_offer = {
	"SELECT b.ended_on, b.range_from, b.range_to FROM cms.offer_expiry b"
	" WHERE b.org_id = $1 AND b.offer_id = $2 ORDER BY b.ended_on",
	2,
	{INT4OID, INT8OID}};

static CmsPlan new_book = {
	"INSERT INTO cms.offer_expiry (org_id, offer_id, ended_on, notify, range_from, range_to, state_seen)"
	" SELECT o.org_id, o.offer_id, $3, o.expiry_notice, $4, $5, " SEEN_OF_OFFER
	" FROM cms.offer o WHERE o.org_id = $1 AND o.offer_id = $2 ON CONFLICT DO NOTHING",
	5,
	{INT4OID, INT8OID, DATEOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/* The numbers stay until they are counted anew. */
static CmsPlan reopen = {
	"UPDATE cms.offer_expiry b SET range_from = $4, range_to = $5, done = false, at_end = '-infinity',"
	" at_coupon = 0, ended_so_far = 0, unredeemed_so_far = 0, recount_at = NULL, state_seen = " SEEN_OF_BOOK
	" WHERE b.org_id = $1 AND b.offer_id = $2 AND b.ended_on = $3"
	/* what was purged is in the book, and cannot be counted any more */
	" AND NOT EXISTS (SELECT FROM cms.offer_purge p WHERE p.org_id = b.org_id"
	"  AND p.offer_id = b.offer_id AND p.is_reduced AND p.upto > b.range_from)",
	5,
	{INT4OID, INT8OID, DATEOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan drop_book = {
	"DELETE FROM cms.offer_expiry WHERE org_id = $1 AND offer_id = $2 AND ended_on = $3",
	3,
	{INT4OID, INT8OID, DATEOID}};

static CmsPlan drop_if_empty = {
	"DELETE FROM cms.offer_expiry WHERE org_id = $1 AND offer_id = $2 AND ended_on = $3"
	" AND done AND ended = 0",
	3,
	{INT4OID, INT8OID, DATEOID}};

static CmsPlan recounts_are_due = {
	"SELECT FROM cms.offer_expiry b WHERE b.org_id = $1 AND b.recount_at <= $2 LIMIT 1",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan settle_books = {
	"UPDATE cms.offer_expiry b SET recount_at = NULL, state_seen = n.seen,"
	" done = b.state_seen = n.seen,"
	" at_end = CASE WHEN b.state_seen = n.seen THEN b.at_end ELSE '-infinity' END,"
	" at_coupon = CASE WHEN b.state_seen = n.seen THEN b.at_coupon ELSE 0 END,"
	" ended_so_far = 0, unredeemed_so_far = 0"
	" FROM (SELECT r.offer_id, r.ended_on, " SEEN_OF_SETTLED " AS seen FROM cms.offer_expiry r"
	"  WHERE r.org_id = $1 AND r.recount_at <= $2 AND r.done ORDER BY r.recount_at LIMIT 1000) n"
	" WHERE b.org_id = $1 AND b.offer_id = n.offer_id AND b.ended_on = n.ended_on",
	2,
	{INT4OID, TIMESTAMPTZOID}};

/* not one that a sweep of a later time has opened: for this one the day is not over */
static CmsPlan next_book = {
	"SELECT b.offer_id, b.ended_on, b.range_from, b.range_to, b.at_end, b.at_coupon,"
	" b.notify AND o.expiry_notice, b.counted_at IS NULL"
	" FROM cms.offer_expiry b JOIN cms.offer o ON o.org_id = b.org_id AND o.offer_id = b.offer_id"
	" JOIN cms.org g ON g.org_id = b.org_id"
	" WHERE b.org_id = $1 AND NOT b.done AND cms.cms_day_start(b.ended_on + 1, g.time_zone) <= $2"
	" ORDER BY b.offer_id, b.ended_on LIMIT 1 FOR UPDATE OF b SKIP LOCKED",
	2,
	{INT4OID, TIMESTAMPTZOID}};

static CmsPlan keep_book = {
	"UPDATE cms.offer_expiry SET at_end = $4, at_coupon = $5, notified = notified + $8, done = $9,"
	" ended = CASE WHEN $9 THEN ended_so_far + $6 ELSE ended END,"
	" unredeemed = CASE WHEN $9 THEN unredeemed_so_far + $7 ELSE unredeemed END,"
	" ended_so_far = CASE WHEN $9 THEN 0 ELSE ended_so_far + $6 END,"
	" unredeemed_so_far = CASE WHEN $9 THEN 0 ELSE unredeemed_so_far + $7 END,"
	" counted_at = CASE WHEN $9 THEN $10 ELSE counted_at END,"
	" recount_at = CASE WHEN $9 THEN $11 END"
	" WHERE org_id = $1 AND offer_id = $2 AND ended_on = $3",
	11,
	{INT4OID,
	 INT8OID,
	 DATEOID,
	 TIMESTAMPTZOID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 BOOLOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID}};

/* To the holder of a coupon that could still have been used. */
#define NOTIFY(WHOSE)                                                                                   \
	"INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, coupon_id, customer_id,"      \
	"  for_day, due_at, send_before, next_attempt_at, queued_at)"                                       \
	" SELECT c.org_id, nextval('cms.message_id_seq'), 'EXPIRY_NOTICE', 'NOTICE', c.offer_id,"           \
	"  c.coupon_id, c.customer_id, $7, $8, $9, $8, $10"                                                 \
	" FROM cms.coupon c"                                                                                \
	" WHERE c.org_id = $1 AND c.offer_id = $2 AND " WHOSE                                               \
	"  AND c.coupon_id > $4 AND c.coupon_id <= $5 AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL" \
	"  AND c.customer_id IS NOT NULL AND ($6 IS NULL OR c.uses + c.forfeited_uses < $6)"                \
	"  AND ($11 OR (SELECT m.message_id FROM cms.outbox m WHERE m.org_id = c.org_id"                    \
	"   AND m.coupon_id = c.coupon_id AND m.for_day = $7"                                               \
	"   AND m.kind = 'EXPIRY_NOTICE' AND m.status <> 'CANCELLED') IS NULL)"                             \
	" ORDER BY c.expires_at, c.coupon_id"
#define NOTIFY_TYPES                                                                          \
	{                                                                                         \
		INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, DATEOID, TIMESTAMPTZOID, \
			TIMESTAMPTZOID, TIMESTAMPTZOID, BOOLOID                                           \
	}

static CmsPlan notify_at_end = {NOTIFY("c.expires_at = $3"), 11, NOTIFY_TYPES};
static CmsPlan notify_without_end = {NOTIFY("c.expires_at IS NULL"), 11, NOTIFY_TYPES};

/*
 * cms_sweep_expired(how_many, at, org)
 */
Datum
cms_sweep_expired(PG_FUNCTION_ARGS)
{
	return cms_sweep_call(fcinfo, &cms_sweep_of_ends);
}

static void
sweep_org(CmsSweep *sweep)
{
	Book book;

	if (cms_sweep_may_plan(sweep, &cms_sweep_of_ends) && !plan_books(sweep))
		cms_sweep_planned_nothing(sweep, &cms_sweep_of_ends);
	while (sweep->done < sweep->how_many && take_book(sweep, &book))
	{
		go_on(sweep, &book);
		sweep->queued += book.notified;
		leave_book(sweep, &book);
	}
}

/* Whether there was something. */
static bool
plan_books(const CmsSweep *sweep)
{
	Datum values[] = {
		Int32GetDatum(sweep->org), TimestampTzGetDatum(sweep->at), Int32GetDatum(OFFERS)};
	Behind *behind;
	int count;
	bool any = false;

	if (cms_plan_run(&recounts_are_due, values, NULL, false) > 0)
	{
		any = true;
		cms_plan_write(&settle_books, values, NULL);
	}
	if (cms_plan_run(&marks_exist, values, NULL, false) > 0)
	{
		any = true;
		collect_marks(sweep);
	}
	count = (int) cms_plan_run(&offers_behind, values, NULL, false);
	behind = palloc0(sizeof(Behind) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		behind[i].offer_id = cms_row_int64(i, 1, 0);
		behind[i].version = cms_row_int64(i, 2, 0);
		behind[i].offer_end = cms_row_timestamptz(i, 3, DT_NOEND);
		behind[i].booked_until = cms_row_timestamptz(i, 4, DT_NOBEGIN);
	}
	for (int i = 0; i < count; i++)
		plan_offer(sweep, &behind[i]);
	return any || count > 0;
}

static void
collect_marks(const CmsSweep *sweep)
{
	Datum values[] = {Int32GetDatum(sweep->org), TimestampTzGetDatum(sweep->at)};
	int count = (int) cms_plan_write(&take_marks, values, NULL);
	int64 *offers = palloc(sizeof(int64) * Max(count, 1));
	TimestampTz *ends = palloc(sizeof(TimestampTz) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		offers[i] = cms_row_int64(i, 1, 0);
		ends[i] = cms_row_timestamptz(i, 2, 0);
	}
	for (int i = 0; i < count; i++)
	{
		const CmsOffer *offer = cms_offer_get(sweep->org, offers[i], false);
		DateADT day = cms_walk_day(offer, ends[i]);
		CmsRange range;

		cms_walk_range(offer, day, &range);
		if (range.empty || range.ends_at > sweep->at)
			continue;
		/* whoever had it locked may have dropped it, as one on which nothing ended */
		if (!open_book(sweep, offer, day) && !reopen_book(sweep, offers[i], day, &range))
			(void) open_book(sweep, offer, day);
	}
}

/* Books of the days that ended since, and of those that an earlier or later end of the offer concerns. */
static void
plan_offer(const CmsSweep *sweep, Behind *behind)
{
	const CmsOffer *offer = cms_offer_get(sweep->org, behind->offer_id, false);
	TimestampTz offer_end = offer->end_binds_coupons ? offer->ends_at : DT_NOEND;
	TimestampTz until = behind->booked_until;
	TimestampTz end;
	int days = 0;

	if (behind->version != 0 && behind->version != offer->version)
	{
		TimestampTz again = check_books(sweep, offer);

		until = Min(until, again);
		/* what is between the two ends may be booked, or not */
		if (offer_end != behind->offer_end)
			until = Min(until, Min(offer_end, behind->offer_end) - 1);
	}
	while (
		days < DAYS &&
		cms_walk_next_end(sweep->org, behind->offer_id, until, Min(sweep->at, offer_end - 1), &end))
	{
		DateADT day = cms_walk_day(offer, end);
		CmsRange range;

		cms_walk_range(offer, day, &range);
		/* of a day that is not over, which only a new zone can have */
		if (range.ends_at > sweep->at)
			break;
		(void) open_book(sweep, offer, day);
		until = range.ends_at;
		days++;
	}
	if (days < DAYS && offer_end <= sweep->at && until < offer_end)
	{
		(void) open_book(sweep, offer, cms_walk_day(offer, offer_end));
		until = offer_end;
	}

	Datum values[] = {Int32GetDatum(sweep->org),
					  Int64GetDatum(behind->offer_id),
					  Int64GetDatum(offer->version),
					  TimestampTzGetDatum(offer_end),
					  TimestampTzGetDatum(until)};

	cms_plan_write(&keep_offer, values, offer->end_binds_coupons ? NULL : "   n ");
}

/*
 * After a change of the offer: books whose day has other coupons now, or none. Answers from when on
 * days have to be looked for again: the day may end later now, or another sweep was ahead of this one.
 */
static TimestampTz
check_books(const CmsSweep *sweep, const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(sweep->org), Int64GetDatum(offer->offer_id)};
	int count = (int) cms_plan_run(&books_of_offer, values, NULL, false);
	DateADT *days = palloc(sizeof(DateADT) * Max(count, 1));
	CmsRange *ranges = palloc(sizeof(CmsRange) * Max(count, 1));
	TimestampTz again = DT_NOEND;

	for (int i = 0; i < count; i++)
	{
		bool isnull;

		days[i] = DatumGetDateADT(cms_row_value(i, 1, &isnull));
		ranges[i].from = cms_row_timestamptz(i, 2, 0);
		ranges[i].to = cms_row_timestamptz(i, 3, 0);
	}
	for (int i = 0; i < count; i++)
	{
		CmsRange range;
		Datum book[] = {values[0], values[1], DateADTGetDatum(days[i])};

		cms_walk_range(offer, days[i], &range);
		if (range.empty || range.ends_at > sweep->at)
		{
			cms_plan_write(&drop_book, book, NULL);
			if (!range.empty)
				again = Min(again, range.from);
		}
		else if (range.from != ranges[i].from || range.to != ranges[i].to)
			(void) reopen_book(sweep, offer->offer_id, days[i], &range);
	}
	return again;
}

/* False: there is one. */
static bool
open_book(const CmsSweep *sweep, const CmsOffer *offer, DateADT day)
{
	CmsRange range;

	cms_walk_range(offer, day, &range);

	Datum values[] = {Int32GetDatum(sweep->org),
					  Int64GetDatum(offer->offer_id),
					  DateADTGetDatum(day),
					  TimestampTzGetDatum(range.from),
					  TimestampTzGetDatum(range.to)};

	return cms_plan_write(&new_book, values, NULL) > 0;
}

/* False: there is none, or what it has cannot be counted any more. */
static bool
reopen_book(const CmsSweep *sweep, int64 offer_id, DateADT day, const CmsRange *range)
{
	Datum values[] = {Int32GetDatum(sweep->org),
					  Int64GetDatum(offer_id),
					  DateADTGetDatum(day),
					  TimestampTzGetDatum(range->from),
					  TimestampTzGetDatum(range->to)};

	return cms_plan_write(&reopen, values, NULL) > 0;
}

static bool
take_book(const CmsSweep *sweep, Book *book)
{
	Datum values[] = {Int32GetDatum(sweep->org), TimestampTzGetDatum(sweep->at)};
	bool isnull;

	memset(book, 0, sizeof(*book));
	if (cms_plan_write(&next_book, values, NULL) == 0)
		return false;
	book->offer_id = cms_row_int64(0, 1, 0);
	book->day = DatumGetDateADT(cms_row_value(0, 2, &isnull));
	book->range.from = cms_row_timestamptz(0, 3, 0);
	book->range.to = cms_row_timestamptz(0, 4, 0);
	book->place.end = cms_row_timestamptz(0, 5, DT_NOBEGIN);
	book->place.coupon = cms_row_int64(0, 6, 0);
	book->notify = cms_row_bool(0, 7, false);
	book->fresh = cms_row_bool(0, 8, false);
	return true;
}

static void
go_on(CmsSweep *sweep, Book *book)
{
	const CmsOffer *offer = cms_offer_get(sweep->org, book->offer_id, false);

	while (sweep->done < sweep->how_many)
	{
		CmsPiece piece;

		if (!cms_walk_on(sweep->org,
						 book->offer_id,
						 &book->range,
						 &book->place,
						 Min(PIECE, sweep->how_many - sweep->done),
						 true,
						 &piece))
		{
			book->over = true;
			return;
		}
		book->ended += piece.coupons;
		book->unredeemed += piece.unredeemed;
		sweep->done += piece.coupons;
		book->notified += notify(sweep, book, offer, &piece);
	}
}

/* An end that was moved since the book was opened is left to the next look at it. */
static int64
notify(const CmsSweep *sweep, Book *book, const CmsOffer *offer, const CmsPiece *piece)
{
	TimestampTz end = cms_walk_effective_end(offer, piece->end);
	TimestampTz send_before;
	CmsParams params = {0};

	if (!book->notify || end > sweep->at || cms_walk_day(offer, end) != book->day)
		return 0;
	send_before = cms_day_begin(book->day + 1 + NOTICE_DAYS, offer->zone);
	if (send_before <= sweep->at)
		return 0;
	cms_param_int(&params, sweep->org);
	cms_param_int64(&params, book->offer_id);
	cms_param_instant(&params, piece->end);
	cms_param_int64(&params, piece->after);
	cms_param_int64(&params, piece->last);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param(&params, DateADTGetDatum(book->day), false);
	cms_param_instant(&params, end);
	cms_param_instant(&params, send_before);
	cms_param_instant(&params, sweep->at);
	return cms_sweep_insert(TIMESTAMP_IS_NOEND(piece->end) ? &notify_without_end : &notify_at_end,
							&params,
							piece->coupons,
							&book->fresh);
}

static void
leave_book(const CmsSweep *sweep, const Book *book)
{
	const CmsOffer *offer = cms_offer_get(sweep->org, book->offer_id, false);
	TimestampTz recount_at = cms_day_begin(book->day + 1, offer->zone) + SETTLE;
	Datum values[] = {Int32GetDatum(sweep->org),
					  Int64GetDatum(book->offer_id),
					  DateADTGetDatum(book->day),
					  TimestampTzGetDatum(book->place.end),
					  Int64GetDatum(book->place.coupon),
					  Int64GetDatum(book->ended),
					  Int64GetDatum(book->unredeemed),
					  Int64GetDatum(book->notified),
					  BoolGetDatum(book->over),
					  TimestampTzGetDatum(GetCurrentTimestamp()),
					  TimestampTzGetDatum(recount_at)};

	if (cms_plan_write(&keep_book, values, recount_at > sweep->at ? NULL : "          n") == 0)
		elog(ERROR, "the book of a day vanished");
	/* of a day on which nothing ends any more */
	if (book->over && recount_at <= sweep->at)
		cms_plan_write(&drop_if_empty, values, NULL);
}
