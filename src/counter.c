/*
 * counter.c
 *	  The counters of offers.
 *
 * The row of an offer is made at its first use, from the caps of the offer,
 * whose row is locked FOR SHARE for that moment: a change of the caps either
 * comes before and is read, or comes after and finds the row to change. Later
 * uses never touch the offer's row. In the lock order of the product the
 * counters come last, so that their lock is held for the shortest time.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "counter.h"
#include "money.h"
#include "offer.h"
#include "plan.h"

static bool slot_exists(int org, int64 offer_id);
static void make_slot(int org, int64 offer_id);

static CmsPlan add = {
	"UPDATE cms.offer_slot SET"
	" issued = issued + $3, stock = stock + $4, uses = uses + $5, forfeited_uses = forfeited_uses + $6,"
	" redeemed_coupons = redeemed_coupons + $7, discount = discount + $8,"
	" forfeited_discount = forfeited_discount + $9,"
	" first_issued_at = LEAST(first_issued_at, $10), last_issued_at = GREATEST(last_issued_at, $10),"
	" first_redeemed_at = LEAST(first_redeemed_at, $11), last_redeemed_at = GREATEST(last_redeemed_at, $11)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = 0"
	/* only what grows can exceed a cap: a reversal works although the cap was lowered meanwhile */
	" AND ($3 <= 0 OR issue_share IS NULL OR issued + $3 <= issue_share)"
	" AND ($5 + $6 <= 0 OR redemption_share IS NULL OR uses + forfeited_uses + $5 + $6 <= redemption_share)"
	" AND ($8 + $9 <= 0 OR budget_share IS NULL OR discount + forfeited_discount + $8 + $9 <= budget_share)",
	11,
	{INT4OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 INT8OID,
	 NUMERICOID,
	 NUMERICOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID}};

static CmsPlan exists = {
	"SELECT 1 FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = 0",
	2,
	{INT4OID, INT8OID}};

static CmsPlan make = {
	"INSERT INTO cms.offer_slot (org_id, offer_id, slot, issue_share, redemption_share, budget_share)"
	" SELECT o.org_id, o.offer_id, 0, o.max_issued, o.max_redemptions, o.max_discount_total"
	" FROM cms.offer o WHERE o.org_id = $1 AND o.offer_id = $2 FOR SHARE"
	" ON CONFLICT DO NOTHING",
	2,
	{INT4OID, INT8OID}};

static CmsPlan totals = {
	"SELECT sum(issued)::bigint, sum(stock)::bigint, sum(uses + forfeited_uses)::bigint,"
	" sum(discount + forfeited_discount)"
	" FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan issues_left = {
	"SELECT issue_share - issued FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = 0 FOR UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan take_positions = {
	"UPDATE cms.offer_slot SET next_position = LEAST(next_position + $3, $4)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = 0 AND next_position < $4"
	" RETURNING next_position",
	4,
	{INT4OID, INT8OID, INT8OID, INT8OID}};

static CmsPlan lock_positions = {
	"SELECT next_position FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = 0 FOR UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan give_back_positions = {"UPDATE cms.offer_slot SET next_position = next_position - $3"
									  " WHERE org_id = $1 AND offer_id = $2 AND slot = 0",
									  3,
									  {INT4OID, INT8OID, INT8OID}};

bool
cms_counter_add(int org, int64 offer_id, const CmsCount *count)
{
	Numeric zero = cms_money_zero();
	CmsParams params = {0};

	cms_param_int(&params, org);
	cms_param_int64(&params, offer_id);
	cms_param_int64(&params, count->issued);
	cms_param_int64(&params, count->stock);
	cms_param_int64(&params, count->uses);
	cms_param_int64(&params, count->forfeited_uses);
	cms_param_int64(&params, count->redeemed_coupons);
	cms_param_numeric(&params, count->discount ? count->discount : zero);
	cms_param_numeric(&params, count->forfeited_discount ? count->forfeited_discount : zero);
	cms_param(&params, TimestampTzGetDatum(count->issue_time), !count->has_issue_time);
	cms_param(&params, TimestampTzGetDatum(count->use_time), !count->has_use_time);

	if (cms_plan_write(&add, params.values, params.nulls) == 1)
		return true;
	if (slot_exists(org, offer_id))
		return false;
	make_slot(org, offer_id);
	return cms_plan_write(&add, params.values, params.nulls) == 1;
}

static bool
slot_exists(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	return cms_plan_run(&exists, values, NULL, false) == 1;
}

/*
 * Whoever loses the race to make the row finds the winner's: ON CONFLICT waits
 * for its transaction, and under a fixed snapshot raises 40001. Without an offer
 * there is no row to make: it was deleted meanwhile.
 */
static void
make_slot(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	cms_plan_run(&make, values, NULL, false);
}

void
cms_counter_totals(int org, int64 offer_id, bool read_only, CmsTotals *result)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	cms_plan_run(&totals, values, NULL, read_only);
	result->issued = cms_row_int64(0, 1, 0);
	result->stock = cms_row_int64(0, 2, 0);
	result->uses = cms_row_int64(0, 3, 0);
	result->discount = cms_row_numeric(0, 4);
}

int64
cms_counter_issues_left(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	if (cms_plan_run(&issues_left, values, NULL, false) == 0)
	{
		make_slot(org, offer_id);
		if (cms_plan_run(&issues_left, values, NULL, false) == 0)
			cms_offer_unknown(offer_id);
	}
	return Max(cms_row_int64(0, 1, PG_INT64_MAX), 0);
}

/*
 * The row stays locked until the end of the transaction, so positions given back
 * are the last ones taken and an abort loses none: the order has no holes.
 */
int64
cms_counter_positions_take(int org, int64 offer_id, int64 want, int64 space, int64 *first)
{
	Datum values[] = {
		Int32GetDatum(org), Int64GetDatum(offer_id), Int64GetDatum(want), Int64GetDatum(space)};
	int64 before;

	if (cms_plan_run(&lock_positions, values, NULL, false) == 0)
	{
		make_slot(org, offer_id);
		if (cms_plan_run(&lock_positions, values, NULL, false) == 0)
			cms_offer_unknown(offer_id);
	}
	before = cms_row_int64(0, 1, 0);
	if (cms_plan_write(&take_positions, values, NULL) == 0)
		return 0;
	*first = before;
	return cms_row_int64(0, 1, 0) - before;
}

void
cms_counter_positions_give_back(int org, int64 offer_id, int64 count)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int64GetDatum(count)};

	if (count > 0)
		cms_plan_write(&give_back_positions, values, NULL);
}
