/*
 * bulk_stock.c
 *	  Many codes of the stock given out by one statement.
 *
 * Codes that others are taking are passed over, as with a single issue. Customers stay in their
 * order: the numbers of codes that were made ahead are in no order of theirs.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "array.h"
#include "bulk_write.h"
#include "plan.h"

static int lock_codes(const CmsBulkWrite *write, int64 **ids);
static void note_taken(CmsStock *stock, const int64 *ids, int count);
static void issue_codes(const CmsBulkWrite *write, const int64 *ids, int count);

#define IN_STOCK \
	"c.org_id = $1 AND c.offer_id = $2 AND c.issued_at IS NULL AND c.revoked_at IS NULL"

static CmsPlan take_next = {
	"SELECT c.coupon_id FROM cms.coupon c WHERE " IN_STOCK
	" AND c.coupon_id > $3 ORDER BY c.coupon_id LIMIT $4 FOR UPDATE SKIP LOCKED",
	4,
	{INT4OID, INT8OID, INT8OID, INT4OID}};

static CmsPlan count_between = {
	"SELECT count(*) FROM (SELECT FROM cms.coupon c WHERE " IN_STOCK
	" AND c.coupon_id > $3 AND c.coupon_id <= $4 ORDER BY c.coupon_id) b",
	4,
	{INT4OID, INT8OID, INT8OID, INT8OID}};

static CmsPlan give_out = {
	"UPDATE cms.coupon c SET customer_id = u.customer, nth = u.nth, issued_at = $5, expires_at = $6,"
	" service = $7, consumer_ref = $8, job_id = $9"
	" FROM (SELECT unnest($2) AS coupon_id, unnest($3) AS customer, unnest($4) AS nth) u"
	" WHERE c.org_id = $1 AND c.coupon_id = u.coupon_id",
	9,
	{INT4OID,
	 INT8ARRAYOID,
	 TEXTARRAYOID,
	 INT4ARRAYOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TEXTOID,
	 TEXTOID,
	 INT8OID}};

CmsStockLeft
cms_bulk_write_from_stock(CmsBulkWrite *write)
{
	CmsStock *stock = &write->stock;
	CmsStockLeft left = CMS_STOCK_BELOW;
	int64 *ids;

	cms_stock_open(stock, write->offer->org, write->offer->offer_id);
	while (left == CMS_STOCK_BELOW)
	{
		CHECK_FOR_INTERRUPTS();
		write->written = lock_codes(write, &ids);
		left = CMS_STOCK_LOCKED;
		if (write->written < write->count)
			left = cms_stock_left(stock, write->written);
	}
	if (write->written > 0)
	{
		note_taken(stock, ids, write->written);
		issue_codes(write, ids, write->written);
	}
	return left;
}

/* Ascending. */
static int
lock_codes(const CmsBulkWrite *write, int64 **ids)
{
	Datum values[] = {Int32GetDatum(write->offer->org),
					  Int64GetDatum(write->offer->offer_id),
					  Int64GetDatum(write->stock.cursor),
					  Int32GetDatum(write->count)};
	int count = (int) cms_plan_run(&take_next, values, NULL, false);

	*ids = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*ids)[i] = cms_row_int64(i, 1, 0);
	return count;
}

/* The mark may be raised to the last one if none below it was passed over: then there are no more than were taken. */
static void
note_taken(CmsStock *stock, const int64 *ids, int count)
{
	Datum values[] = {Int32GetDatum(stock->org),
					  Int64GetDatum(stock->offer_id),
					  Int64GetDatum(stock->cursor),
					  Int64GetDatum(ids[count - 1])};
	bool took_all;

	cms_plan_run(&count_between, values, NULL, false);
	took_all = cms_row_int64(0, 1, 0) == count;
	cms_stock_taken(stock, ids[count - 1], took_all ? ids[count - 1] : stock->cursor + 1);
}

static void
issue_codes(const CmsBulkWrite *write, const int64 *ids, int count)
{
	const CmsIssuer *issuer = write->issuer;
	TimestampTz own_end;
	bool has_own_end = cms_rule_own_end(write->offer, issuer->at, &own_end);
	CmsParams params = {0};

	cms_param_int(&params, write->offer->org);
	cms_param(&params, cms_array_of_int64s(ids, count), false);
	cms_param(&params, cms_bulk_array_of(write->customers, write->chosen, count), false);
	cms_param(&params, cms_bulk_array_of_ints(write->nths, write->chosen, count), false);
	cms_param_instant(&params, issuer->at);
	cms_param(&params, TimestampTzGetDatum(own_end), !has_own_end);
	cms_param_text(&params, issuer->service);
	cms_param_text(&params, issuer->consumer_ref);
	cms_param(&params, Int64GetDatum(issuer->job_id), issuer->job_id == 0);
	if (cms_plan_write(&give_out, params.values, params.nulls) != (uint64) count)
		elog(ERROR, "codes in stock of offer " INT64_FORMAT " have gone", write->offer->offer_id);
}
