/*
 * counter.c
 *	  The counters of offers.
 *
 * An offer without caps is counted in rows of its own by each session that uses it, so that
 * they do not wait for each other. A cap is decided in slot 0 by the statement that adds;
 * the other slots are closed then at what they have counted.
 *
 * A row is made at its first use, from the caps of the offer, whose row is locked FOR SHARE
 * for that moment: a change of the caps either comes before and is read, or comes after and
 * finds the row to change. Later uses never touch the offer's row. In the lock order of the
 * product the counters come last, so that their lock is held for the shortest time.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "counter.h"
#include "money.h"
#include "offer.h"
#include "plan.h"

/* rows of an offer without caps; more than sessions that commit at once on most machines */
#define SLOTS 16

static int slot_of(const CmsOffer *offer);
static bool add_to(const CmsOffer *offer, int slot, const CmsCount *count);
static bool slot_exists(int org, int64 offer_id, int slot);
static void make_slot(int org, int64 offer_id, int slot);
static void read_totals(CmsTotals *result);

static CmsPlan add = {
	"UPDATE cms.offer_slot SET"
	" issued = issued + $3, stock = stock + $4, uses = uses + $5, forfeited_uses = forfeited_uses + $6,"
	" redeemed_coupons = redeemed_coupons + $7, discount = discount + $8,"
	" forfeited_discount = forfeited_discount + $9,"
	" first_issued_at = LEAST(first_issued_at, $10), last_issued_at = GREATEST(last_issued_at, $10),"
	" first_redeemed_at = LEAST(first_redeemed_at, $11), last_redeemed_at = GREATEST(last_redeemed_at, $11)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = $12"
	/* what has a cap is counted in the first row, which decides on it */
	" AND (slot = 0 OR (issue_share IS NULL AND redemption_share IS NULL AND budget_share IS NULL))"
	/* only what grows can exceed a cap: a reversal works although the cap was lowered meanwhile */
	" AND ($3 <= 0 OR issue_share IS NULL OR issued + $3 <= issue_share)"
	" AND ($5 + $6 <= 0 OR redemption_share IS NULL OR uses + forfeited_uses + $5 + $6 <= redemption_share)"
	" AND ($8 + $9 <= 0 OR budget_share IS NULL OR discount + forfeited_discount + $8 + $9 <= budget_share)",
	12,
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
	 TIMESTAMPTZOID,
	 INT4OID}};

static CmsPlan exists = {
	"SELECT 1 FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = $3",
	3,
	{INT4OID, INT8OID, INT4OID}};

static CmsPlan make = {
	"INSERT INTO cms.offer_slot (org_id, offer_id, slot, issue_share, redemption_share, budget_share)"
	" SELECT o.org_id, o.offer_id, n.slot,"
	" CASE WHEN n.slot = 0 THEN o.max_issued WHEN o.max_issued IS NOT NULL THEN 0 END,"
	" CASE WHEN n.slot = 0 THEN o.max_redemptions WHEN o.max_redemptions IS NOT NULL THEN 0 END,"
	" CASE WHEN n.slot = 0 THEN o.max_discount_total WHEN o.max_discount_total IS NOT NULL THEN 0 END"
	" FROM cms.offer o CROSS JOIN (SELECT DISTINCT unnest(ARRAY[0, $3]) AS slot) n"
	" WHERE o.org_id = $1 AND o.offer_id = $2 ORDER BY n.slot FOR SHARE OF o"
	" ON CONFLICT DO NOTHING",
	3,
	{INT4OID, INT8OID, INT4OID}};

static CmsPlan totals = {
	"SELECT sum(issued)::bigint, sum(stock)::bigint, sum(uses + forfeited_uses)::bigint,"
	" sum(discount + forfeited_discount)"
	" FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan lock_offer = {
	"SELECT 1 FROM cms.offer WHERE org_id = $1 AND offer_id = $2 FOR NO KEY UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan lock_slots = {
	"SELECT 1 FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 ORDER BY slot = 0, slot FOR UPDATE",
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
cms_counter_add(const CmsOffer *offer, const CmsCount *count)
{
	int slot = slot_of(offer);

	if (add_to(offer, slot, count))
		return true;
	if (!slot_exists(offer->org, offer->offer_id, slot))
	{
		make_slot(offer->org, offer->offer_id, slot);
		if (add_to(offer, slot, count))
			return true;
	}
	/* a cap was set since the offer was compiled */
	return slot != 0 && add_to(offer, 0, count);
}

static bool
add_to(const CmsOffer *offer, int slot, const CmsCount *count)
{
	Numeric zero = cms_money_zero();
	CmsParams params = {0};

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_int64(&params, count->issued);
	cms_param_int64(&params, count->stock);
	cms_param_int64(&params, count->uses);
	cms_param_int64(&params, count->forfeited_uses);
	cms_param_int64(&params, count->redeemed_coupons);
	cms_param_numeric(&params, count->discount ? count->discount : zero);
	cms_param_numeric(&params, count->forfeited_discount ? count->forfeited_discount : zero);
	cms_param(&params, TimestampTzGetDatum(count->issue_time), !count->has_issue_time);
	cms_param(&params, TimestampTzGetDatum(count->use_time), !count->has_use_time);
	cms_param_int(&params, slot);
	return cms_plan_write(&add, params.values, params.nulls) == 1;
}

/*
 * Sessions that use an offer at once count in rows of their own and do not wait for each
 * other. What one row decides is counted there: a cap, and the order of a RANDOMISED offer,
 * which the row hands out.
 */
static int
slot_of(const CmsOffer *offer)
{
	if (offer->max_issued != CMS_UNLIMITED || offer->max_redemptions != CMS_UNLIMITED ||
		offer->max_discount_total != NULL || offer->method == CMS_METHOD_RANDOMISED)
		return 0;
	/* a fixed snapshot cannot tell whether a row of its own is there already */
	if (IsolationUsesXactSnapshot())
		return 0;
	return CMS_BACKEND_NUMBER % SLOTS;
}

static bool
slot_exists(int org, int64 offer_id, int slot)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int32GetDatum(slot)};

	return cms_plan_run(&exists, values, NULL, false) == 1;
}

/*
 * Whoever loses the race to make the row finds the winner's: ON CONFLICT waits
 * for its transaction, and under a fixed snapshot raises 40001. Without an offer
 * there is no row to make: it was deleted meanwhile.
 */
static void
make_slot(int org, int64 offer_id, int slot)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int32GetDatum(slot)};

	cms_plan_run(&make, values, NULL, false);
}

void
cms_counter_totals(int org, int64 offer_id, bool read_only, CmsTotals *result)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	cms_plan_run(&totals, values, NULL, read_only);
	read_totals(result);
}

/*
 * Slot 0 last, as by who finds a slot closed and goes on to slot 0. The offer's row too: no
 * row is made while it is locked. Totals are read with the latest snapshot, as an older one
 * may miss rows.
 */
void
cms_counter_lock(int org, int64 offer_id, CmsTotals *result)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	if (cms_plan_run(&lock_offer, values, NULL, false) == 0)
		cms_offer_unknown(offer_id);
	cms_plan_run_latest(&lock_slots, values, NULL);
	cms_plan_run_latest(&totals, values, NULL);
	read_totals(result);
}

static void
read_totals(CmsTotals *result)
{
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
		make_slot(org, offer_id, 0);
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
		make_slot(org, offer_id, 0);
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
