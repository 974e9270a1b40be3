/*
 * walk.c
 *	  Going through the coupons of an offer that end on one day.
 *
 * The end of a coupon is the earlier of its own and the offer's, if that binds it. So those that end
 * on a day are the coupons whose own end is on the day and, if the offer ends on it, all that would
 * end later or have no own end. Either is a stretch of the index coupon_of_an_offer, so that the work
 * is proportional to the coupons that end, whatever else the offer has.
 *
 * Own ends are ends of days: a stretch has few different ones, and within each the coupons come in
 * the order of their numbers. A place in the walk is an own end and a number, which stays a place
 * whatever happens to the coupons meanwhile.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "plan.h"
#include "walk.h"

/* behind all coupons of an own end */
#define LAST_COUPON PG_INT64_MAX

static void
look(CmsPlan *plan, int org, int64 offer_id, const CmsPlace *place, int64 most, CmsPiece *piece);

static CmsPlan next_end = {
	"SELECT c.expires_at FROM cms.coupon c WHERE c.org_id = $1 AND c.offer_id = $2"
	" AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL AND c.expires_at > $3 AND c.expires_at <= $4"
	" ORDER BY c.expires_at LIMIT 1",
	4,
	{INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/* Uses are not in the index: without them pages that nobody has changed lately need not be read. */
#define LOOK(USES, WHOSE)                                                                      \
	{                                                                                          \
		"SELECT count(*), max(p.coupon_id), count(*) FILTER (WHERE p.uses = 0)"                \
		" FROM (SELECT c.coupon_id, " USES " AS uses FROM cms.coupon c WHERE c.org_id = $1"    \
		"  AND c.offer_id = $2 AND " WHOSE " AND c.coupon_id > $4 AND c.issued_at IS NOT NULL" \
		"  AND c.revoked_at IS NULL ORDER BY c.expires_at, c.coupon_id LIMIT $5) p",           \
			5,                                                                                 \
		{                                                                                      \
			INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID                                 \
		}                                                                                      \
	}
#define AT_END "c.expires_at = $3"
#define WITHOUT_END "c.expires_at IS NULL"

static CmsPlan look_at_end = LOOK("NULL::int", AT_END);
static CmsPlan look_without_end = LOOK("NULL::int", WITHOUT_END);
static CmsPlan look_at_uses_at_end = LOOK("c.uses", AT_END);
static CmsPlan look_at_uses_without_end = LOOK("c.uses", WITHOUT_END);

void
cms_walk_range(const CmsOffer *offer, DateADT day, CmsRange *range)
{
	TimestampTz begins = cms_day_begin(day, offer->zone);
	TimestampTz ends = cms_day_begin(day + 1, offer->zone);

	range->from = begins;
	range->to = range->ends_at = ends;
	/* a day that the zone left out, and days after the offer */
	range->empty = begins >= ends || (offer->end_binds_coupons && offer->ends_at <= begins);
	if (offer->end_binds_coupons && offer->ends_at <= ends)
	{
		range->to = DT_NOEND;
		range->ends_at = offer->ends_at;
	}
}

DateADT
cms_walk_day(const CmsOffer *offer, TimestampTz end)
{
	return cms_local_date(end - 1, offer->zone);
}

TimestampTz
cms_walk_effective_end(const CmsOffer *offer, TimestampTz own_end)
{
	return offer->end_binds_coupons ? Min(own_end, offer->ends_at) : own_end;
}

bool
cms_walk_next_end(int org, int64 offer_id, TimestampTz after, TimestampTz to, TimestampTz *end)
{
	Datum values[] = {Int32GetDatum(org),
					  Int64GetDatum(offer_id),
					  TimestampTzGetDatum(after),
					  TimestampTzGetDatum(to)};

	if (cms_plan_run(&next_end, values, NULL, false) == 0)
		return false;
	*end = cms_row_timestamptz(0, 1, 0);
	return true;
}

bool
cms_walk_on(int org, int64 offer_id, const CmsRange *range, CmsPlace *place, int64 most, bool uses,
			CmsPiece *piece)
{
	CmsPlan *at_end = uses ? &look_at_uses_at_end : &look_at_end;
	CmsPlan *without_end = uses ? &look_at_uses_without_end : &look_without_end;

	if (range->empty)
		return false;
	for (;;)
	{
		bool open = TIMESTAMP_IS_NOEND(place->end);

		CHECK_FOR_INTERRUPTS();
		if (place->end > range->from && place->coupon < LAST_COUPON)
		{
			look(open ? without_end : at_end, org, offer_id, place, most, piece);
			place->coupon = piece->coupons < most ? LAST_COUPON : piece->last;
			if (piece->coupons > 0)
				return true;
		}
		if (open)
			return false;
		place->coupon = 0;
		if (cms_walk_next_end(org, offer_id, Max(place->end, range->from), range->to, &place->end))
			continue;
		if (!TIMESTAMP_IS_NOEND(range->to))
		{
			place->coupon = LAST_COUPON;
			place->end = range->to;
			return false;
		}
		place->end = DT_NOEND;
	}
}

static void
look(CmsPlan *plan, int org, int64 offer_id, const CmsPlace *place, int64 most, CmsPiece *piece)
{
	Datum values[] = {Int32GetDatum(org),
					  Int64GetDatum(offer_id),
					  TimestampTzGetDatum(place->end),
					  Int64GetDatum(place->coupon),
					  Int64GetDatum(most)};

	cms_plan_run(plan, values, NULL, false);
	piece->end = place->end;
	piece->after = place->coupon;
	piece->coupons = cms_row_int64(0, 1, 0);
	piece->last = cms_row_int64(0, 2, 0);
	piece->unredeemed = cms_row_int64(0, 3, 0);
}
