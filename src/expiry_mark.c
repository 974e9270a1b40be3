/*
 * expiry_mark.c
 *	  Telling the books that a coupon changed after its end (F40).
 *
 * A mark is a row of its own, so that nobody waits for anybody; cms_sweep_expired collects them and
 * counts the days they name again. Whoever changes a coupon before its end needs none: the count
 * comes after the end. A minute before counts as after, as the transaction may commit later.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "expiry_mark.h"
#include "plan.h"

#define MARGIN (60 * USECS_PER_SEC)

static CmsPlan mark = {"INSERT INTO cms.expiry_mark (org_id, mark_id, offer_id, ended_at)"
					   " VALUES ($1, nextval('cms.expiry_mark_id_seq'), $2, $3)",
					   3,
					   {INT4OID, INT8OID, TIMESTAMPTZOID}};

/* OFFSET 0 keeps the server from looking at all that the offer ever revoked, in place of these codes. */
static CmsPlan mark_revoked = {
	"INSERT INTO cms.expiry_mark (org_id, mark_id, offer_id, ended_at)"
	" SELECT $1, nextval('cms.expiry_mark_id_seq'), $2, e.ended_at"
	" FROM (SELECT DISTINCT LEAST(c.expires_at, $4) AS ended_at"
	"  FROM (SELECT r.offer_id, r.issued_at, r.expires_at FROM cms.coupon r"
	"   WHERE r.org_id = $1 AND r.code = ANY ($3) AND r.revoked_at IS NOT NULL OFFSET 0) c"
	"  WHERE c.offer_id = $2 AND c.issued_at IS NOT NULL AND LEAST(c.expires_at, $4) <= $5) e",
	5,
	{INT4OID, INT8OID, TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan mark_all = {
	"INSERT INTO cms.expiry_mark (org_id, mark_id, offer_id, ended_at)"
	" SELECT $1, nextval('cms.expiry_mark_id_seq'), $2, b.range_from + '1 microsecond'::interval"
	" FROM cms.offer_expiry b WHERE b.org_id = $1 AND b.offer_id = $2 AND b.ended > 0",
	2,
	{INT4OID, INT8OID}};

void
cms_expiry_mark(const CmsOffer *offer, bool has_own_end, TimestampTz own_end)
{
	TimestampTz end = has_own_end ? own_end : DT_NOEND;

	cms_expiry_mark_end(offer, offer->end_binds_coupons ? Min(end, offer->ends_at) : end);
}

void
cms_expiry_mark_end(const CmsOffer *offer, TimestampTz end)
{
	Datum values[] = {
		Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id), TimestampTzGetDatum(end)};

	if (!TIMESTAMP_IS_NOEND(end) && GetCurrentTimestamp() >= end - MARGIN)
		cms_plan_write(&mark, values, NULL);
}

void
cms_expiry_mark_revoked(const CmsOffer *offer, Datum codes)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  codes,
					  TimestampTzGetDatum(offer->ends_at),
					  TimestampTzGetDatum(GetCurrentTimestamp() + MARGIN)};

	cms_plan_write(&mark_revoked, values, offer->end_binds_coupons ? NULL : "   n ");
}

void
cms_expiry_mark_all(const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};

	cms_plan_write(&mark_all, values, NULL);
}
