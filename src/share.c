/*
 * share.c
 *	  Caps spread over the slots of an offer's counters.
 *
 * A slot's share is what it may count; the shares add up to the cap at any time. See counter.c
 * for how they are used.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "lock.h"
#include "money.h"
#include "plan.h"
#include "share.h"

/* After so long a session that counts and commits is through with it. */
#define MOMENT (1 * USECS_PER_SEC)
#define LOOK_AGAIN 2000L /* microseconds */

static Numeric discount_of(const CmsCount *count);

/* What slot s gets of "room" that is spread over "slots" of them; slot 0 gets the rest. */
#define PORTION(room, slots)                                                     \
	"CASE WHEN " room " IS NULL THEN NULL"                                       \
	" WHEN " room " <= 0 THEN CASE WHEN s.slot = 0 THEN " room " ELSE 0 END"     \
	" WHEN s.slot = 0 THEN " room " - (" slots " - 1) * trunc(" room " / " slots \
	") WHEN s.slot < " slots " THEN trunc(" room " / " slots ") ELSE 0 END"

/* Over how many slots "room" is spread, where a call takes "need". */
#define WIDTH(room, need)                                                                      \
	"LEAST(" CMS_SLOTS_TEXT ", GREATEST(1, trunc(" room " / (" CMS_SHARE_WORTH_TEXT " * " need \
	"))))"

/* The portions of slot s, where t has what is left of each cap, and over how many slots it goes. */
#define ISSUES PORTION("t.issues", "t.issue_slots")
#define REDEMPTIONS PORTION("t.redemptions", "t.redemption_slots")
#define BUDGET PORTION("t.budget", "t.budget_slots")
/* Over how many slots, where what is left is in r, and a call takes one unit. */
#define ISSUE_SLOTS WIDTH("r.issues", "1")
#define REDEMPTION_SLOTS WIDTH("r.redemptions", "1")
/* what is left of the budget only where sessions count redemptions */
#define BUDGET_SLOTS \
	"CASE WHEN r.redemptions IS NULL THEN " CMS_SLOTS_TEXT " ELSE " REDEMPTION_SLOTS " END"
/* and where it takes the units that are $3, $4 and $5 */
#define ISSUE_SLOTS_NEEDED WIDTH("r.issues", "GREATEST($3, 1)")
#define REDEMPTION_SLOTS_NEEDED WIDTH("r.redemptions", "GREATEST($4, 1)")
#define BUDGET_SLOTS_NEEDED WIDTH("r.budget", "$5")

static CmsPlan make = {
	"INSERT INTO cms.offer_slot (org_id, offer_id, slot, issue_share, redemption_share, budget_share, customer_epoch)"
	" SELECT o.org_id, o.offer_id, s.slot, " ISSUES ", " REDEMPTIONS ", " BUDGET ","
	" COALESCE((SELECT max(e.customer_epoch) FROM cms.offer_slot e"
	"  WHERE e.org_id = $1 AND e.offer_id = $2), 0)"
	" FROM cms.offer o"
	" CROSS JOIN generate_series(0, " CMS_SLOTS_TEXT " - 1) s (slot)"
	" CROSS JOIN LATERAL (SELECT o.max_issued::numeric AS issues,"
	"  o.max_redemptions::numeric AS redemptions, o.max_discount_total AS budget) r"
	" CROSS JOIN LATERAL (SELECT r.issues, r.redemptions, r.budget,"
	"  CASE WHEN o.code_method = 'RANDOMISED' THEN 1 ELSE " ISSUE_SLOTS " END AS issue_slots,"
	"  " REDEMPTION_SLOTS " AS redemption_slots, " BUDGET_SLOTS " AS budget_slots) t"
	" WHERE o.org_id = $1 AND o.offer_id = $2 AND (s.slot IN (0, $3) OR o.max_issued IS NOT NULL"
	"  OR o.max_redemptions IS NOT NULL OR o.max_discount_total IS NOT NULL)"
	/* a conflict with one that is there would wait for whoever counts in it */
	" AND NOT EXISTS (SELECT FROM cms.offer_slot h"
	"  WHERE h.org_id = $1 AND h.offer_id = $2 AND h.slot = s.slot)"
	" ORDER BY s.slot FOR SHARE OF o"
	" ON CONFLICT DO NOTHING",
	3,
	{INT4OID, INT8OID, INT4OID}};

/* Under a fixed snapshot slots may be there that it does not show: making them again fails then (40001). */
static CmsPlan make_all = {
	"INSERT INTO cms.offer_slot (org_id, offer_id, slot)"
	" SELECT $1, $2, s.slot FROM generate_series(0, $3 - 1) s (slot) ORDER BY s.slot"
	" ON CONFLICT DO NOTHING",
	3,
	{INT4OID, INT8OID, INT4OID}};

#define SPREAD_SET                                                                      \
	"UPDATE cms.offer_slot s SET issue_share = s.issued + " ISSUES ","                  \
	" redemption_share = s.uses + s.forfeited_uses + s.held + " REDEMPTIONS ","         \
	" budget_share = s.discount + s.forfeited_discount + s.held_discount + " BUDGET "," \
	" redemptions_closed = COALESCE(t.redemptions < 0, false),"                         \
	" budget_closed = COALESCE(t.budget < 0, false)"

/* The caps as the offer has them now; the slots are locked. */
static CmsPlan set_caps = {
	SPREAD_SET
	", customer_epoch = s.customer_epoch + $6"
	" FROM (SELECT r.issues, r.redemptions, r.budget,"
	"  CASE WHEN $7 THEN 1 ELSE " ISSUE_SLOTS " END AS issue_slots,"
	"  " REDEMPTION_SLOTS " AS redemption_slots, " BUDGET_SLOTS " AS budget_slots"
	"  FROM (SELECT $3 - sum(issued) AS issues, $4 - sum(uses + forfeited_uses + held) AS redemptions,"
	"   $5 - sum(discount + forfeited_discount + held_discount) AS budget"
	"   FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2) r) t"
	" WHERE s.org_id = $1 AND s.offer_id = $2",
	7,
	{INT4OID, INT8OID, INT8OID, INT8OID, NUMERICOID, INT4OID, BOOLOID}};

/* What is left is spread anew if there is as much as this call needs; the slots are locked. */
static CmsPlan spread_anew = {
	SPREAD_SET " FROM (SELECT r.issues, r.redemptions, r.budget,"
			   "  CASE WHEN $6 THEN 1 ELSE " ISSUE_SLOTS_NEEDED " END AS issue_slots,"
			   "  " REDEMPTION_SLOTS_NEEDED " AS redemption_slots,"
			   "  LEAST(" BUDGET_SLOTS ", CASE WHEN $5 > 0 THEN " BUDGET_SLOTS_NEEDED
			   "   END) AS budget_slots"
			   "  FROM (SELECT sum(issue_share - issued) AS issues,"
			   "   sum(redemption_share - uses - forfeited_uses - held) AS redemptions,"
			   "   sum(budget_share - discount - forfeited_discount - held_discount) AS budget"
			   "   FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2) r) t"
			   " WHERE s.org_id = $1 AND s.offer_id = $2"
			   " AND ($3 <= 0 OR t.issues IS NULL OR t.issues >= $3)"
			   " AND ($4 <= 0 OR t.redemptions IS NULL OR t.redemptions >= $4)"
			   " AND ($5 <= 0 OR t.budget IS NULL OR t.budget >= $5)",
	6,
	{INT4OID, INT8OID, INT8OID, INT8OID, NUMERICOID, BOOLOID}};

/* What is left goes to one slot, of the caps that this call needs more of; the slots are locked. */
static CmsPlan spread_to_one = {
	"UPDATE cms.offer_slot s SET"
	" issue_share = CASE WHEN $4 > 0 AND t.issues IS NOT NULL"
	"  THEN s.issued + CASE WHEN s.slot = $3 THEN t.issues ELSE 0 END ELSE s.issue_share END,"
	" budget_share = CASE WHEN $5 > 0 AND t.budget IS NOT NULL"
	"  THEN s.discount + s.forfeited_discount + s.held_discount"
	"   + CASE WHEN s.slot = $3 THEN t.budget ELSE 0 END ELSE s.budget_share END,"
	" budget_closed = s.budget_closed AND NOT ($5 > 0 AND t.budget IS NOT NULL)"
	" FROM (SELECT sum(issue_share - issued) AS issues,"
	"  sum(budget_share - discount - forfeited_discount - held_discount) AS budget"
	"  FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2) t"
	" WHERE s.org_id = $1 AND s.offer_id = $2"
	" AND ($4 <= 0 OR t.issues IS NULL OR t.issues >= $4)"
	" AND ($5 <= 0 OR t.budget IS NULL OR t.budget >= $5)",
	5,
	{INT4OID, INT8OID, INT4OID, INT8OID, NUMERICOID}};

static CmsPlan other_shares = {
	"SELECT 1 FROM cms.offer o, (SELECT sum(issue_share) AS issues, sum(redemption_share) AS redemptions,"
	"  sum(budget_share) AS budget FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2) s"
	" WHERE o.org_id = $1 AND o.offer_id = $2"
	" AND (o.max_issued, o.max_redemptions, o.max_discount_total)"
	"  IS DISTINCT FROM (s.issues, s.redemptions, s.budget)",
	2,
	{INT4OID, INT8OID}};

static CmsPlan find_slots = {
	"SELECT 1 FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan lock_slots = {
	"SELECT issued, uses + forfeited_uses + held, first_issued_at IS NOT NULL OR first_redeemed_at IS NOT NULL"
	" FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2 ORDER BY slot FOR UPDATE",
	2,
	{INT4OID, INT8OID}};

/*
 * Whoever loses the race to make the row finds the winner's: ON CONFLICT waits
 * for its transaction, and under a fixed snapshot raises 40001. Without an offer
 * there is no row to make: it was deleted meanwhile.
 */
void
cms_share_make_slot(int org, int64 offer_id, int slot)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int32GetDatum(slot)};

	cms_plan_run(&make, values, NULL, false);
}

/* Spreads what is left anew; false, and nothing changed: it is less than this call needs. */
bool
cms_share_spread(const CmsOffer *offer, const CmsCount *count)
{
	CmsParams params = {0};

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_int64(&params, count->issued);
	cms_param_int64(&params, count->uses + count->forfeited_uses + count->held);
	cms_param_numeric(&params, discount_of(count));
	cms_param_bool(&params, offer->method == CMS_METHOD_RANDOMISED);
	return cms_plan_write(&spread_anew, params.values, params.nulls) > 0;
}

/* What the call takes of the budget. */
static Numeric
discount_of(const CmsCount *count)
{
	Numeric needed = cms_money_zero();

	if (count->discount)
		needed = cms_money_add(needed, count->discount);
	if (count->forfeited_discount)
		needed = cms_money_add(needed, count->forfeited_discount);
	if (count->held_discount)
		needed = cms_money_add(needed, count->held_discount);
	return needed;
}

/* Where caps were changed past the trigger, rules that read the caps and shares would never agree. */
void
cms_share_require(const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};

	if (cms_plan_run(&other_shares, values, NULL, false) != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the counters of offer " INT64_FORMAT " do not agree with its caps",
					offer->offer_id),
			 errhint(
				 "Triggers were off when a cap was changed. Change max_redemptions, max_discount_total or max_issued of the offer and back: that spreads its caps anew.")));
}

void
cms_share_lock_all(int org, int64 offer_id)
{
	for (int slot = 0; slot < CMS_SLOTS; slot++)
		cms_lock_slot(org, offer_id, slot);
}

/*
 * In the order of slots, as by whoever waits for all. It looks again and again instead of waiting in
 * the queue of the lock: there is no other way to give up that is no error.
 */
bool
cms_share_lock_all_soon(int org, int64 offer_id, bool wait)
{
	TimestampTz until = wait ? GetCurrentTimestamp() + MOMENT : 0;

	for (int slot = 0; slot < CMS_SLOTS; slot++)
		while (!cms_try_lock_slot(org, offer_id, slot))
		{
			if (!wait || GetCurrentTimestamp() >= until)
			{
				while (slot-- > 0)
					cms_unlock_slot(org, offer_id, slot);
				return false;
			}
			CHECK_FOR_INTERRUPTS();
			pg_usleep(LOOK_AGAIN);
		}
	return true;
}

void
cms_share_unlock_all(int org, int64 offer_id)
{
	for (int slot = 0; slot < CMS_SLOTS; slot++)
		cms_unlock_slot(org, offer_id, slot);
}

/*
 * The offer's row is locked, so no slot is made meanwhile. A fixed snapshot may not show
 * all there are.
 */
uint64
cms_share_lock_to_change(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int32GetDatum(CMS_SLOTS)};
	uint64 all;
	uint64 rows;

	cms_plan_run(&make_all, values, NULL, false);
	cms_share_lock_all(org, offer_id);
	all = cms_plan_run_latest(&find_slots, values, NULL);
	rows = cms_plan_run(&lock_slots, values, NULL, false);
	if (rows < all)
		cms_plan_conflict("use of the offer");
	return rows;
}

void
cms_share_set_caps(int org, int64 offer_id, const CmsCaps *caps)
{
	CmsParams params = {0};

	cms_param_int(&params, org);
	cms_param_int64(&params, offer_id);
	cms_param(&params, caps->max_issued, caps->no_max_issued);
	cms_param(&params, caps->max_redemptions, caps->no_max_redemptions);
	cms_param(&params, caps->max_discount_total, caps->no_max_discount_total);
	cms_param_int(&params, caps->new_customer_rules ? 1 : 0);
	cms_param_bool(&params, caps->randomised);
	cms_plan_write(&set_caps, params.values, params.nulls);
}

void
cms_share_lock_rows(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	cms_plan_run_latest(&lock_slots, values, NULL);
}

bool
cms_share_spread_to_one(const CmsOffer *offer, int slot, const CmsCount *count)
{
	CmsParams params = {0};

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_int(&params, slot);
	cms_param_int64(&params, count->issued);
	cms_param_numeric(&params, discount_of(count));
	return cms_plan_write(&spread_to_one, params.values, params.nulls) > 0;
}
