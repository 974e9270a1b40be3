/*
 * stock.c
 *	  Where the next code in stock is.
 *
 * Codes leave the stock in the order of their numbers, and each leaves an entry behind in the
 * index of the stock, which stays as long as somebody has an old snapshot. Who began at the first
 * entry would walk over all of them. So the counters of an offer have a mark, raised by the
 * statement that counts what was issued: codes up to it were gone when it was written. It is
 * never raised beyond a code that somebody else has locked, who may give it back.
 *
 * The mark is a hint. Codes may come into the stock below it: their numbers were drawn before, by
 * a transaction that committed after. So when nothing is found above it, the counters tell
 * whether there are more codes than are there. Then a new round begins with a mark at the start,
 * and what the slots say of rounds before is void.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "plan.h"
#include "stock.h"
#include "subxact.h"

/* a mark below every coupon */
#define START 0

#define IN_STOCK \
	"c.org_id = $1 AND c.offer_id = $2 AND c.issued_at IS NULL AND c.revoked_at IS NULL"

static CmsPlan find_mark = {
	"SELECT s.stock_round, s.stock_mark, sum(s.stock) OVER ()::bigint FROM cms.offer_slot s"
	" WHERE s.org_id = $1 AND s.offer_id = $2 ORDER BY 1 DESC, 2 DESC LIMIT 1",
	2,
	{INT4OID, INT8OID}};

/* how many there are, and how many above the mark: no more are looked at than would do */
static CmsPlan count_left = {
	"SELECT l.codes, (SELECT count(*) FROM (SELECT FROM cms.coupon c WHERE " IN_STOCK
	"  AND c.coupon_id > $3 ORDER BY c.coupon_id LIMIT GREATEST(l.codes, 0)) a)"
	" FROM (SELECT sum(s.stock)::bigint - $4 AS codes FROM cms.offer_slot s"
	"  WHERE s.org_id = $1 AND s.offer_id = $2) l",
	4,
	{INT4OID, INT8OID, INT8OID, INT8OID}};

static CmsPlan wait_for_one = {"SELECT 1 FROM cms.coupon c WHERE " IN_STOCK
							   " AND c.coupon_id > $3 ORDER BY c.coupon_id LIMIT 1 FOR UPDATE",
							   3,
							   {INT4OID, INT8OID, INT8OID}};

void
cms_stock_open(CmsStock *stock, int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	*stock = (CmsStock){.org = org, .offer_id = offer_id, .is_first = true, .is_empty = true};
	if (cms_plan_run(&find_mark, values, NULL, false) == 0)
		return;
	stock->round = cms_row_int32(0, 1, 0);
	stock->mark = cms_row_int64(0, 2, 0);
	stock->is_empty = cms_row_int64(0, 3, 0) <= 0;
	stock->cursor = stock->mark;
}

void
cms_stock_taken(CmsStock *stock, int64 coupon_id, int64 first)
{
	if (stock->is_first)
		stock->mark = first == coupon_id ? coupon_id : first - 1;
	stock->is_first &= first == coupon_id;
	stock->cursor = coupon_id;
}

void
cms_stock_back(CmsStock *stock, int64 coupon_id)
{
	stock->is_first = false;
	stock->mark = Min(stock->mark, coupon_id - 1);
}

/* The counters are exact, and show what the same snapshot shows of the codes. */
CmsStockLeft
cms_stock_left(CmsStock *stock, int64 taken)
{
	Datum values[] = {Int32GetDatum(stock->org),
					  Int64GetDatum(stock->offer_id),
					  Int64GetDatum(stock->mark),
					  Int64GetDatum(taken)};
	int64 left;
	int64 above;

	cms_plan_run(&count_left, values, NULL, false);
	left = cms_row_int64(0, 1, 0);
	above = cms_row_int64(0, 2, 0);
	if (left <= 0)
		return CMS_STOCK_NONE;
	if (above >= left)
		return CMS_STOCK_LOCKED;
	if (stock->mark == START)
		return above > 0 ? CMS_STOCK_LOCKED : CMS_STOCK_NONE;
	stock->round++;
	stock->mark = stock->cursor = START;
	stock->is_first = true;
	return CMS_STOCK_BELOW;
}

/*
 * The lock that this gets is given back at once. Who kept it would hold a code while it waits for
 * the next one, and two who wait for different codes would wait for each other.
 */
void
cms_stock_wait(const CmsStock *stock)
{
	Datum values[] = {
		Int32GetDatum(stock->org), Int64GetDatum(stock->offer_id), Int64GetDatum(stock->mark)};
	CmsSubxact subxact;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		cms_plan_run(&wait_for_one, values, NULL, false);
		cms_subxact_end(&subxact, false);
	}
	PG_CATCH();
	{
		ReThrowError(cms_subxact_failed(&subxact));
	}
	PG_END_TRY();
}
