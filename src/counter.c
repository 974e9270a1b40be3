/*
 * counter.c
 *	  The counters of offers.
 *
 * An offer is counted in several rows, the slots, so that sessions which use it at once do not
 * wait for each other: each adds to a slot of its own. The shares of the slots add up to the cap,
 * and the statement that adds decides by the share of its row. Whoever finds its slot empty tries
 * slot 0, where the last units are; then it locks all slots, gives back what expired holds
 * reserve, and spreads what is left anew. So the cap is exact to the last unit: a refusal has
 * looked at every slot with nobody else at work.
 *
 * Where a cap was lowered below what is counted, one slot is over its share, and what a reversal
 * gives back in another would be given out again there. So the shares of such a cap are closed:
 * they only decide all together, until there is something to spread.
 *
 * Before a row of counters is touched, its slot is locked (lock.h), until the end of the
 * transaction unless nothing was counted. The row's own lock would not do: an update that has
 * waited for the row and then finds no room keeps the row locked, and two that hold one each and
 * go on to the others would wait for each other.
 *
 * Slots are made at the first use, from the caps of the offer, whose row is locked FOR SHARE for
 * that moment: a change of the caps either comes before and is read, or comes after and finds the
 * rows to change. Later uses never touch the offer's row. In the lock order of the product the
 * offer comes first and its slots last, so that they are held for the shortest time; who locks
 * several takes them by number, and nobody else waits for a second one.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "counter.h"
#include "expiry_mark.h"
#include "lock.h"
#include "money.h"
#include "offer.h"
#include "plan.h"
#include "rule.h"
#include "share.h"

/* expired holds that one call gives back before it decides */
#define AT_ONCE 10000

static int slot_of(const CmsOffer *offer, const CmsCount *count);
static int slots_of(const CmsOffer *offer);
static bool add_somewhere(const CmsOffer *offer, const CmsCount *count, int *slot);
static bool lock_and_add(const CmsOffer *offer, int slot, const CmsCount *count);
static bool add_to(const CmsOffer *offer, int slot, const CmsCount *count);
static bool slot_exists(int org, int64 offer_id, int slot);
static bool gather_and_add(const CmsOffer *offer, int own, const CmsCount *count, int *slot);
static bool rules_stand(const CmsOffer *offer, const CmsCount *count);
static bool is_judged(const CmsCount *count);
static int64 settle(int org, int64 offer_id, TimestampTz at, int64 how_many);
static bool is_held(int org, int64 hold_id);
static void read_totals(CmsTotals *result);

static CmsPlan add = {
	"UPDATE cms.offer_slot SET"
	" issued = issued + $3, stock = stock + $4, uses = uses + $5, forfeited_uses = forfeited_uses + $6,"
	" held = held + $13, redeemed_coupons = redeemed_coupons + $7, discount = discount + $8,"
	" forfeited_discount = forfeited_discount + $9, held_discount = held_discount + $14,"
	" reversals = reversals + GREATEST(- $5, 0),"
	" first_issued_at = LEAST(first_issued_at, $10), last_issued_at = GREATEST(last_issued_at, $10),"
	" first_redeemed_at = LEAST(first_redeemed_at, $11), last_redeemed_at = GREATEST(last_redeemed_at, $11)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = $12 AND customer_epoch = COALESCE($15, customer_epoch)"
	/* only what grows can exceed a cap: a reversal works although the cap was lowered meanwhile */
	" AND ($3 <= 0 OR issue_share IS NULL OR issued + $3 <= issue_share)"
	" AND ($5 + $6 + $13 <= 0 OR redemption_share IS NULL OR NOT redemptions_closed"
	"  AND uses + forfeited_uses + held + $5 + $6 + $13 <= redemption_share)"
	" AND ($8 + $9 + $14 <= 0 OR budget_share IS NULL OR NOT budget_closed"
	"  AND discount + forfeited_discount + held_discount + $8 + $9 + $14 <= budget_share)",
	15,
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
	 INT4OID,
	 INT8OID,
	 NUMERICOID,
	 INT4OID},
	.is_hot = true};

/* the usual use: a narrower statement takes less time */
static CmsPlan add_use = {
	"UPDATE cms.offer_slot SET"
	" uses = uses + 1, redeemed_coupons = redeemed_coupons + $4, discount = discount + $5,"
	" first_redeemed_at = LEAST(first_redeemed_at, $6), last_redeemed_at = GREATEST(last_redeemed_at, $6)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = $3 AND customer_epoch = $7"
	" AND (redemption_share IS NULL OR NOT redemptions_closed"
	"  AND uses + forfeited_uses + held < redemption_share)"
	" AND (budget_share IS NULL OR NOT budget_closed"
	"  AND discount + forfeited_discount + held_discount + $5 <= budget_share)",
	7,
	{INT4OID, INT8OID, INT4OID, INT8OID, NUMERICOID, TIMESTAMPTZOID, INT4OID},
	.is_hot = true};

/* the usual issue, likewise */
static CmsPlan add_issue = {
	"UPDATE cms.offer_slot SET"
	" issued = issued + $4, stock = stock + $5,"
	" first_issued_at = LEAST(first_issued_at, $6), last_issued_at = GREATEST(last_issued_at, $6)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = $3"
	" AND (issue_share IS NULL OR issued + $4 <= issue_share)",
	6,
	{INT4OID, INT8OID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID},
	.is_hot = true};

/* and one from stock, which raises its mark */
static CmsPlan add_issue_from_stock = {
	"UPDATE cms.offer_slot SET"
	" issued = issued + $4, stock = stock + $5,"
	" first_issued_at = LEAST(first_issued_at, $6), last_issued_at = GREATEST(last_issued_at, $6),"
	" stock_mark = CASE WHEN stock_round = $7 THEN GREATEST(stock_mark, $8)"
	"  WHEN stock_round < $7 THEN $8 ELSE stock_mark END,"
	" stock_round = GREATEST(stock_round, $7)"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = $3"
	" AND (issue_share IS NULL OR issued + $4 <= issue_share)",
	8,
	{INT4OID, INT8OID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan exists = {
	"SELECT 1 FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = $3",
	3,
	{INT4OID, INT8OID, INT4OID}};

static CmsPlan totals = {
	"SELECT sum(issued)::bigint, sum(stock)::bigint, sum(uses + forfeited_uses + held)::bigint,"
	" sum(discount + forfeited_discount + held_discount), sum(held)::bigint"
	" FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan own_left = {
	"SELECT CASE WHEN redemptions_closed THEN 0 ELSE redemption_share - uses - forfeited_uses - held END,"
	" CASE WHEN budget_closed THEN 0 ELSE budget_share - discount - forfeited_discount - held_discount END"
	" FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = $3",
	3,
	{INT4OID, INT8OID, INT4OID},
	.is_hot = true};

static CmsPlan of_epoch = {
	"SELECT 1 FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 AND slot = 0 AND customer_epoch = $3",
	3,
	{INT4OID, INT8OID, INT4OID}};

static CmsPlan lock_offer = {
	"SELECT 1 FROM cms.offer WHERE org_id = $1 AND offer_id = $2 FOR NO KEY UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan shares = {
	"SELECT issue_share - issued FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan settle_holds = {
	"WITH gone AS (UPDATE cms.hold SET status = 'EXPIRED', ended_at = expires_at"
	"  WHERE org_id = $1 AND hold_id IN (SELECT h.hold_id FROM cms.hold h"
	"   WHERE h.org_id = $1 AND h.offer_id = $2 AND h.status = 'HELD' AND h.expires_at <= $3"
	"   ORDER BY h.expires_at LIMIT $4)"
	"  RETURNING slot, discount),"
	" back AS (SELECT slot, count(*) AS holds, sum(discount) AS discount FROM gone GROUP BY slot)"
	" UPDATE cms.offer_slot s SET held = s.held - b.holds, held_discount = s.held_discount - b.discount"
	" FROM back b WHERE s.org_id = $1 AND s.offer_id = $2 AND s.slot = b.slot"
	" RETURNING b.holds",
	4,
	{INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID}};

static CmsPlan still_held = {
	"SELECT 1 FROM cms.hold WHERE org_id = $1 AND hold_id = $2 AND status = 'HELD'",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

/* all that are wanted, as long as the order has them: one statement */
static CmsPlan take_all_positions = {
	"UPDATE cms.offer_slot SET next_position = next_position + $3"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = 0 AND next_position + $3 <= $4"
	" RETURNING next_position",
	4,
	{INT4OID, INT8OID, INT8OID, INT8OID}};

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

static CmsPlan add_expiry_changes = {
	"UPDATE cms.offer_slot SET expiry_changes = expiry_changes + $4"
	" WHERE org_id = $1 AND offer_id = $2 AND slot = $3",
	4,
	{INT4OID, INT8OID, INT4OID, INT8OID}};

static CmsPlan first_slot = {
	"SELECT min(slot) FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2",
	2,
	{INT4OID, INT8OID}};

bool
cms_counter_add(const CmsOffer *offer, const CmsCount *count)
{
	int slot;

	return cms_counter_add_in(offer, count, &slot);
}

bool
cms_counter_add_in(const CmsOffer *offer, const CmsCount *count, int *slot)
{
	TimestampTz own_end = DT_NOEND;
	bool has_own_end;

	if (!add_somewhere(offer, count, slot))
		return false;
	if (count->issued > 0 && count->has_issue_time)
	{
		/* by an earlier time, and ended already */
		has_own_end = cms_rule_own_end(offer, count->issue_time, &own_end);
		cms_expiry_mark(offer, has_own_end, own_end);
	}
	return true;
}

static bool
add_somewhere(const CmsOffer *offer, const CmsCount *count, int *slot)
{
	int own = slot_of(offer, count);

	*slot = own;
	if (lock_and_add(offer, own, count))
		return true;
	/* who has all slots locked must not wait for somebody who makes one */
	if (!slot_exists(offer->org, offer->offer_id, own) &&
		!(cms_holds_slot(offer->org, offer->offer_id, 0) &&
		  slot_exists(offer->org, offer->offer_id, 0)))
	{
		cms_share_make_slot(offer->org, offer->offer_id, own);
		if (lock_and_add(offer, own, count))
			return true;
	}
	*slot = 0;
	if (own != 0 && lock_and_add(offer, 0, count))
		return true;
	return gather_and_add(offer, own, count, slot);
}

/* Who cannot count holds no lock. */
static bool
lock_and_add(const CmsOffer *offer, int slot, const CmsCount *count)
{
	cms_lock_slot(offer->org, offer->offer_id, slot);
	if (add_to(offer, slot, count))
		return true;
	cms_unlock_slot(offer->org, offer->offer_id, slot);
	return false;
}

void
cms_counter_change(const CmsOffer *offer, int slot, const CmsCount *count)
{
	if (!lock_and_add(offer, slot, count))
		elog(ERROR, "no counters of offer " INT64_FORMAT " in slot %d", offer->offer_id, slot);
}

/*
 * Sessions that use an offer at once count in rows of their own and do not wait for each
 * other; with few units left in all, in fewer rows.
 */
static int
slot_of(const CmsOffer *offer, const CmsCount *count)
{
	if (offer->method == CMS_METHOD_RANDOMISED && count->issued != 0)
		return 0;
	return CMS_BACKEND_NUMBER % slots_of(offer);
}

static int
slots_of(const CmsOffer *offer)
{
	int64 slots = CMS_SLOTS;

	if (offer->max_issued != CMS_UNLIMITED)
		slots = Min(slots, offer->max_issued / CMS_SHARE_WORTH);
	if (offer->max_redemptions != CMS_UNLIMITED)
		slots = Min(slots, offer->max_redemptions / CMS_SHARE_WORTH);
	return (int) Max(slots, 1);
}

static bool
add_to(const CmsOffer *offer, int slot, const CmsCount *count)
{
	Numeric zero;
	CmsParams params = {0};
	bool issues = count->issued != 0 || count->stock != 0;
	bool uses = count->uses != 0 || count->redeemed_coupons != 0 || count->discount != NULL;
	bool others = count->forfeited_uses != 0 || count->held != 0 ||
				  count->forfeited_discount != NULL || count->held_discount != NULL;

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	if (count->uses == 1 && !issues && !others)
	{
		cms_param_int(&params, slot);
		cms_param_int64(&params, count->redeemed_coupons);
		cms_param_numeric(&params, count->discount);
		cms_param_instant(&params, count->use_time);
		cms_param_int(&params, offer->customer_epoch);
		return cms_plan_write(&add_use, params.values, params.nulls) == 1;
	}
	if (count->issued > 0 && !uses && !others)
	{
		cms_param_int(&params, slot);
		cms_param_int64(&params, count->issued);
		cms_param_int64(&params, count->stock);
		cms_param(&params, TimestampTzGetDatum(count->issue_time), !count->has_issue_time);
		if (count->stock == 0)
			return cms_plan_write(&add_issue, params.values, params.nulls) == 1;
		cms_param_int(&params, count->stock_round);
		cms_param_int64(&params, count->stock_mark);
		return cms_plan_write(&add_issue_from_stock, params.values, params.nulls) == 1;
	}
	zero = cms_money_zero();
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
	cms_param_int64(&params, count->held);
	cms_param_numeric(&params, count->held_discount ? count->held_discount : zero);
	cms_param(&params, Int32GetDatum(offer->customer_epoch), !is_judged(count));
	return cms_plan_write(&add, params.values, params.nulls) == 1;
}

static bool
slot_exists(int org, int64 offer_id, int slot)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int32GetDatum(slot)};

	return cms_plan_run(&exists, values, NULL, false) == 1;
}

/*
 * The own slot and slot 0 have too little: all are looked at, with nobody else at work. Where
 * holds were settled, that stays, and with it the locks.
 */
static bool
gather_and_add(const CmsOffer *offer, int own, const CmsCount *count, int *slot)
{
	int64 settled = 0;

	cms_share_lock_all(offer->org, offer->offer_id);
	if (!rules_stand(offer, count))
	{
		cms_share_unlock_all(offer->org, offer->offer_id);
		return false;
	}
	if (count->at != 0)
		settled = settle(offer->org, offer->offer_id, count->at, AT_ONCE);
	if (cms_share_spread(offer, count))
	{
		*slot = own;
		if (add_to(offer, own, count))
			return true;
		*slot = 0;
		return add_to(offer, 0, count);
	}
	cms_share_require(offer);
	if (settled == 0)
		cms_share_unlock_all(offer->org, offer->offer_id);
	return false;
}

/*
 * By other rules the caller comes back with other rows of the customer, for which it must not
 * wait while others wait for it here: nothing may be changed before.
 */
static bool
rules_stand(const CmsOffer *offer, const CmsCount *count)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  Int32GetDatum(offer->customer_epoch)};

	return !is_judged(count) || cms_plan_run(&of_epoch, values, NULL, false) == 1;
}

/* Uses of customers are kept by the rules that the offer was compiled with, not where a hold only ends. */
static bool
is_judged(const CmsCount *count)
{
	return count->uses != 0 || (count->held >= 0 && count->held_discount != NULL);
}

/*
 * A hold is ended by whoever has the lock of its slot. Under that lock it is held or not, and
 * nobody else's statement is waited for.
 */
bool
cms_counter_exchange(const CmsOffer *offer, int slot, int64 hold_id, const CmsCount *count)
{
	cms_lock_slot(offer->org, offer->offer_id, slot);
	if (is_held(offer->org, hold_id) && add_to(offer, slot, count))
		return true;
	cms_unlock_slot(offer->org, offer->offer_id, slot);

	cms_share_lock_all(offer->org, offer->offer_id);
	if (!rules_stand(offer, count))
	{
		cms_share_unlock_all(offer->org, offer->offer_id);
		return false;
	}
	/* maybe this very hold: who asks reads again */
	if (settle(offer->org, offer->offer_id, count->at, AT_ONCE) > 0)
		return false;
	if (is_held(offer->org, hold_id) && cms_share_spread_to_one(offer, slot, count) &&
		add_to(offer, slot, count))
		return true;
	cms_share_require(offer);
	cms_share_unlock_all(offer->org, offer->offer_id);
	return false;
}

static bool
is_held(int org, int64 hold_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(hold_id)};

	return cms_plan_run(&still_held, values, NULL, false) == 1;
}

int64
cms_counter_settle_holds(int org, int64 offer_id, TimestampTz at, int64 how_many, bool wait)
{
	int64 holds;

	if (!cms_share_lock_all_soon(org, offer_id, wait))
		return -1;
	holds = settle(org, offer_id, at, how_many);
	if (holds == 0)
		cms_share_unlock_all(org, offer_id);
	return holds;
}

static int64
settle(int org, int64 offer_id, TimestampTz at, int64 how_many)
{
	Datum values[] = {Int32GetDatum(org),
					  Int64GetDatum(offer_id),
					  TimestampTzGetDatum(at),
					  Int64GetDatum(how_many)};
	uint64 slots = cms_plan_write(&settle_holds, values, NULL);
	int64 holds = 0;

	for (uint64 i = 0; i < slots; i++)
		holds += cms_row_int64(i, 1, 0);
	return holds;
}

int
cms_counter_own_left(const CmsOffer *offer, int64 *uses, Numeric *discount)
{
	static const CmsCount a_use = {.uses = 1};
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  Int32GetDatum(slot_of(offer, &a_use))};

	if (cms_plan_run(&own_left, values, NULL, false) == 0)
		return 0;
	*uses = cms_row_int64(0, 1, 0);
	*discount = cms_row_numeric(0, 2);
	return slots_of(offer);
}

void
cms_counter_totals(int org, int64 offer_id, bool read_only, CmsTotals *result)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	cms_plan_run(&totals, values, NULL, read_only);
	read_totals(result);
}

/*
 * The offer's row too: no slot is made while it is locked. Totals are read with the latest
 * snapshot, as an older one may miss rows.
 */
void
cms_counter_lock(int org, int64 offer_id, CmsTotals *result)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	if (cms_plan_run(&lock_offer, values, NULL, false) == 0)
		cms_offer_unknown(offer_id);
	cms_share_lock_all(org, offer_id);
	cms_share_lock_rows(org, offer_id);
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
	result->held = cms_row_int64(0, 5, 0);
}

int64
cms_counter_issues_left(const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};
	uint64 slots;
	int64 left = 0;

	if (!slot_exists(offer->org, offer->offer_id, 0))
		cms_share_make_slot(offer->org, offer->offer_id, 0);
	/* what others have counted is final then, and whoever waits for them may go on */
	cms_share_lock_all(offer->org, offer->offer_id);
	slots = cms_plan_run(&shares, values, NULL, false);
	cms_share_unlock_all(offer->org, offer->offer_id);
	if (slots == 0)
		cms_offer_unknown(offer->offer_id);
	for (uint64 i = 0; i < slots; i++)
	{
		int64 of_slot = cms_row_int64(i, 1, PG_INT64_MAX);

		if (of_slot == PG_INT64_MAX)
			return PG_INT64_MAX;
		left += of_slot;
	}
	return Max(left, 0);
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

	cms_lock_slot(org, offer_id, 0);
	if (cms_plan_write(&take_all_positions, values, NULL) == 1)
	{
		*first = cms_row_int64(0, 1, 0) - want;
		return want;
	}
	if (!slot_exists(org, offer_id, 0))
	{
		/* the offer's row comes before its slots in the order of locks */
		cms_unlock_slot(org, offer_id, 0);
		cms_share_make_slot(org, offer_id, 0);
		cms_lock_slot(org, offer_id, 0);
	}
	if (cms_plan_run(&lock_positions, values, NULL, false) == 0)
		cms_offer_unknown(offer_id);
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

/* In the session's own slot, or where there is none in the first: a coupon is out, so there is one. */
void
cms_counter_expiry_changed(const CmsOffer *offer, int64 changes)
{
	CmsCount nothing = {0};
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  Int32GetDatum(slot_of(offer, &nothing)),
					  Int64GetDatum(changes)};

	for (int attempt = 0; attempt < 2; attempt++)
	{
		cms_lock_slot(offer->org, offer->offer_id, DatumGetInt32(values[2]));
		if (cms_plan_write(&add_expiry_changes, values, NULL) == 1)
			return;
		cms_unlock_slot(offer->org, offer->offer_id, DatumGetInt32(values[2]));
		cms_plan_run(&first_slot, values, NULL, false);
		values[2] = Int32GetDatum(cms_row_int32(0, 1, 0));
	}
	elog(ERROR, "no counters of offer " INT64_FORMAT, offer->offer_id);
}
