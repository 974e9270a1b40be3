/*
 * expiry_mark.c
 *	  Telling the books that a coupon changed after its end (F40).
 *
 * A mark is a row of its own, so that nobody waits for anybody; cms_sweep_expired collects them and
 * counts the days they name again. Whoever changes a coupon before its end needs none: the count
 * comes after the end.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "expiry_mark.h"
#include "plan.h"

static CmsPlan mark = {"INSERT INTO cms.expiry_mark (org_id, mark_id, offer_id, ended_at)"
					   " VALUES ($1, nextval('cms.expiry_mark_id_seq'), $2, $3)",
					   3,
					   {INT4OID, INT8OID, TIMESTAMPTZOID}};

void
cms_expiry_mark(const CmsOffer *offer, bool has_own_end, TimestampTz own_end)
{
	TimestampTz end = has_own_end ? own_end : DT_NOEND;

	if (offer->end_binds_coupons)
		end = Min(end, offer->ends_at);
	if (TIMESTAMP_IS_NOEND(end) || GetCurrentTimestamp() < end - CMS_EXPIRY_MARGIN)
		return;

	Datum values[] = {
		Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id), TimestampTzGetDatum(end)};

	cms_plan_write(&mark, values, NULL);
}
