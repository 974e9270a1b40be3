/*
 * allowance.c
 *	  The uses of a customer, where an offer limits them or asks for a gap.
 *
 * A row of cms.customer_use has the number of uses that count, so that a customer with ten
 * thousand of them costs what one with none costs. It is made when a rule asks for the first
 * time, by counting redemptions. Who redeems writes the row under the condition that nobody has
 * since it was read: two redemptions of one customer, or a hold and a redemption, meet there
 * whatever their coupons are, and the second reads and decides again. The number of writes tells;
 * the uses do not, as a redemption and a reversal leave them as they were, but not the last day.
 *
 * Holds are not counted in the row: which of them live depends on the time of the request. The
 * row has the end of the last one; before that time the holds themselves are looked at.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "allowance.h"
#include "plan.h"

static void key_of(const CmsOffer *offer, const char *customer, int64 coupon_id, CmsParams *params);
static void take_row(CmsAllowanceRow *row);
static void read_row(const CmsOffer *offer, const char *customer, int64 coupon_id, bool read_only,
					 bool lazy, CmsAllowanceRow *row);
static void
read_gap(const CmsOffer *offer, const CmsUseRequest *request, bool read_only, CmsUsage *usage);
static void read_holds(const CmsOffer *offer, int64 coupon_id, const CmsUseRequest *request,
					   int64 own_hold, bool read_only, CmsUsage *usage);
static void gap_of(const CmsOffer *offer, TimestampTz at, TimestampTz *first, TimestampTz *end);
static bool write_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int uses,
					  bool has_hold, TimestampTz held_until, CmsAllowanceRow *row);
static bool use_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int limit,
					TimestampTz at, CmsAllowanceRow *row);
static bool has_room(const CmsAllowanceRow *row, int more, int limit, TimestampTz at);
static void
undo_row(const CmsOffer *offer, const char *customer, int64 coupon_id, CmsAllowanceRow *row);
static bool make_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int more,
					 CmsAllowanceRow *row);
static bool hold_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int limit,
					 TimestampTz at, TimestampTz held_until, CmsAllowanceRow *row);
static bool give_back_row(const CmsOffer *offer, const char *customer, int64 coupon_id);

/* Of the offer, or of coupon $4. A use counts unless it was reversed and given back. */
#define COUNTED_USES                                                  \
	"(SELECT count(*)::int FROM cms.redemption r"                     \
	" WHERE r.org_id = $1 AND r.customer_id = $3 AND r.offer_id = $2" \
	" AND (r.reversed_at IS NULL OR NOT r.use_returned)"              \
	" AND ($4 = 0 OR r.coupon_id = $4))"
/*
 * A hint where to look: also of another coupon, or expired. OFFSET 0 keeps the server from
 * looking for the greatest end among the holds of all customers.
 */
#define LAST_HOLD                                                         \
	"(SELECT max(l.expires_at) FROM (SELECT h.expires_at FROM cms.hold h" \
	" WHERE h.org_id = $1 AND h.customer_id = $3 AND h.offer_id = $2"     \
	" AND h.status = 'HELD' OFFSET 0) l)"

static CmsPlan find = {
	"SELECT u.uses, u.held_until, u.changes FROM cms.customer_use u WHERE u.org_id = $1 AND u.offer_id = $2"
	" AND u.customer_id = $3 AND u.coupon_id = $4 AND u.epoch = $5",
	5,
	{INT4OID, INT8OID, TEXTOID, INT8OID, INT4OID},
	.is_hot = true};

static CmsPlan count_uses = {
	"SELECT " COUNTED_USES ", " LAST_HOLD, 4, {INT4OID, INT8OID, TEXTOID, INT8OID}};

static CmsPlan last_use_within = {
	"SELECT r.redeemed_at FROM cms.redemption r"
	" WHERE r.org_id = $1 AND r.customer_id = $3 AND r.offer_id = $2"
	" AND r.redeemed_at >= $4 AND r.redeemed_at < $5 AND (r.reversed_at IS NULL OR NOT r.use_returned)"
	" ORDER BY r.redeemed_at DESC LIMIT 1",
	5,
	{INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/* whether there is anything to count */
static CmsPlan any_live_hold = {
	"SELECT 1 FROM cms.hold h WHERE h.org_id = $1 AND h.customer_id = $3 AND h.offer_id = $2"
	" AND h.status = 'HELD' AND h.expires_at > $5 AND h.hold_id <> $6 LIMIT 1",
	6,
	{INT4OID, INT8OID, TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID},
	.is_hot = true};

static CmsPlan live_holds = {
	"SELECT count(*)::int, count(*) FILTER (WHERE h.coupon_id = $4)::int,"
	" max(h.held_at) FILTER (WHERE h.held_at >= $7 AND h.held_at < $8)"
	" FROM cms.hold h WHERE h.org_id = $1 AND h.customer_id = $3 AND h.offer_id = $2 AND h.status = 'HELD'"
	" AND h.expires_at > $5 AND h.hold_id <> $6",
	8,
	{INT4OID, INT8OID, TEXTOID, INT8OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan insert = {
	"INSERT INTO cms.customer_use AS u (org_id, offer_id, customer_id, coupon_id, uses, held_until, epoch)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (org_id, offer_id, customer_id, coupon_id)"
	" DO UPDATE SET uses = $5, held_until = $6, epoch = $7, changes = 0 WHERE u.epoch < $7",
	7,
	{INT4OID, INT8OID, TEXTOID, INT8OID, INT4OID, TIMESTAMPTZOID, INT4OID}};

static CmsPlan update = {
	"UPDATE cms.customer_use SET uses = $5, held_until = $6, changes = changes + 1"
	" WHERE org_id = $1 AND offer_id = $2 AND customer_id = $3 AND coupon_id = $4"
	" AND epoch = $7 AND changes = $8",
	8,
	{INT4OID, INT8OID, TEXTOID, INT8OID, INT4OID, TIMESTAMPTZOID, INT4OID, INT4OID},
	.is_hot = true};

static CmsPlan take_back = {
	"UPDATE cms.customer_use SET uses = uses - 1, changes = changes + 1"
	" WHERE org_id = $1 AND offer_id = $2 AND customer_id = $3 AND coupon_id = $4 AND epoch = $5",
	5,
	{INT4OID, INT8OID, TEXTOID, INT8OID, INT4OID}};

/* whether there is anything to count */
static CmsPlan any_use = {"SELECT 1 FROM cms.redemption r"
						  " WHERE r.org_id = $1 AND r.customer_id = $3 AND r.offer_id = $2 LIMIT 1",
						  3,
						  {INT4OID, INT8OID, TEXTOID},
						  .is_hot = true};

static CmsPlan any_hold = {
	"SELECT 1 FROM cms.hold h"
	" WHERE h.org_id = $1 AND h.customer_id = $3 AND h.offer_id = $2 AND h.status = 'HELD' LIMIT 1",
	3,
	{INT4OID, INT8OID, TEXTOID},
	.is_hot = true};

static CmsPlan insert_first = {
	"INSERT INTO cms.customer_use (org_id, offer_id, customer_id, coupon_id, epoch, uses)"
	" VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
	6,
	{INT4OID, INT8OID, TEXTOID, INT8OID, INT4OID, INT4OID},
	.is_hot = true};

/* $6: what this call adds to what is counted */
static CmsPlan insert_counted = {
	"INSERT INTO cms.customer_use AS u (org_id, offer_id, customer_id, coupon_id, uses, held_until, epoch)"
	" VALUES ($1, $2, $3, $4, " COUNTED_USES " + $6, " LAST_HOLD ", $5)"
	" ON CONFLICT (org_id, offer_id, customer_id, coupon_id)"
	" DO UPDATE SET uses = excluded.uses, held_until = excluded.held_until, epoch = excluded.epoch,"
	"  changes = 0"
	" WHERE u.epoch < $5 RETURNING u.uses, u.held_until",
	6,
	{INT4OID, INT8OID, TEXTOID, INT8OID, INT4OID, INT4OID}};

void
cms_allowance_read(const CmsOffer *offer, int64 coupon_id, const CmsUseRequest *request,
				   int64 own_hold, bool read_only, bool lazy, CmsAllowance *allowance,
				   CmsUsage *usage)
{
	CmsAllowanceRow *all = &allowance->of_offer;
	CmsAllowanceRow *one = &allowance->of_coupon;

	memset(allowance, 0, sizeof(*allowance));
	allowance->at = request->at;
	if (request->customer == NULL || offer->customer_rules == 0)
		return;
	all->kept = (offer->customer_rules & CMS_CUSTOMER_OFFER) != 0;
	one->kept = (offer->customer_rules & CMS_CUSTOMER_COUPON) != 0;
	if (all->kept)
		read_row(offer, request->customer, 0, read_only, lazy, all);
	/* a coupon that is yet to be made was never used */
	if (one->kept && coupon_id != 0)
		read_row(offer, request->customer, coupon_id, read_only, lazy, one);
	usage->by_customer = all->uses;
	usage->by_customer_and_coupon = one->uses;
	if (offer->min_days_between_uses > 0)
		read_gap(offer, request, read_only, usage);
	if ((all->has_hold && all->held_until > request->at) ||
		(one->has_hold && one->held_until > request->at))
		read_holds(offer, coupon_id, request, own_hold, read_only, usage);
}

static void
read_row(const CmsOffer *offer, const char *customer, int64 coupon_id, bool read_only, bool lazy,
		 CmsAllowanceRow *row)
{
	CmsParams params = {0};

	key_of(offer, customer, coupon_id, &params);
	cms_param_int(&params, offer->customer_epoch);
	row->exists = cms_plan_run(&find, params.values, params.nulls, read_only) == 1;
	if (!row->exists && lazy)
		return;
	if (row->exists)
		row->changes = cms_row_int32(0, 3, 0);
	else
		cms_plan_run(&count_uses, params.values, params.nulls, read_only);
	take_row(row);
}

static void
key_of(const CmsOffer *offer, const char *customer, int64 coupon_id, CmsParams *params)
{
	cms_param_int(params, offer->org);
	cms_param_int64(params, offer->offer_id);
	cms_param_text(params, customer);
	cms_param_int64(params, coupon_id);
}

/* The uses and the hint at holds that a statement has answered. */
static void
take_row(CmsAllowanceRow *row)
{
	bool isnull;

	row->counted = true;
	row->uses = cms_row_int32(0, 1, 0);
	row->held_until = DatumGetTimestampTz(cms_row_value(0, 2, &isnull));
	row->has_hold = !isnull;
}

/* F27 */
static void
read_gap(const CmsOffer *offer, const CmsUseRequest *request, bool read_only, CmsUsage *usage)
{
	TimestampTz first;
	TimestampTz end;
	CmsParams params = {0};

	gap_of(offer, request->at, &first, &end);
	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_text(&params, request->customer);
	cms_param_instant(&params, first);
	cms_param_instant(&params, end);
	if (cms_plan_run(&last_use_within, params.values, params.nulls, read_only) == 0)
		return;
	usage->has_near_use = true;
	usage->nearest_use = cms_row_timestamptz(0, 1, 0);
}

/* What is held is as good as used, as long as the hold lasts. */
static void
read_holds(const CmsOffer *offer, int64 coupon_id, const CmsUseRequest *request, int64 own_hold,
		   bool read_only, CmsUsage *usage)
{
	TimestampTz first;
	TimestampTz end;
	CmsParams params = {0};

	key_of(offer, request->customer, coupon_id, &params);
	cms_param_instant(&params, request->at);
	cms_param_int64(&params, own_hold);
	if (cms_plan_run(&any_live_hold, params.values, params.nulls, read_only) == 0)
		return;
	gap_of(offer, request->at, &first, &end);
	cms_param_instant(&params, first);
	cms_param_instant(&params, end);
	cms_plan_run(&live_holds, params.values, params.nulls, read_only);
	usage->by_customer += cms_row_int32(0, 1, 0);
	usage->by_customer_and_coupon += cms_row_int32(0, 2, 0);

	TimestampTz held_at = cms_row_timestamptz(0, 3, DT_NOBEGIN);

	if (TIMESTAMP_IS_NOBEGIN(held_at) || (usage->has_near_use && usage->nearest_use >= held_at))
		return;
	usage->has_near_use = true;
	usage->nearest_use = held_at;
}

/* The gap is between calendar days, to either side of the day of the request; without one, nothing. */
static void
gap_of(const CmsOffer *offer, TimestampTz at, TimestampTz *first, TimestampTz *end)
{
	DateADT today = cms_local_date(at, offer->zone);
	int gap = offer->min_days_between_uses;

	*first = DT_NOEND;
	*end = DT_NOEND;
	if (gap <= 0)
		return;
	*first = cms_day_begin(today - gap + 1, offer->zone);
	*end = cms_day_begin(today + gap, offer->zone);
}

bool
cms_allowance_use(const CmsOffer *offer, const char *customer, int64 coupon_id,
				  CmsAllowance *allowance)
{
	CmsAllowanceRow *all = &allowance->of_offer;
	CmsAllowanceRow *one = &allowance->of_coupon;

	if (all->kept && !use_row(offer, customer, 0, offer->max_uses_per_customer, allowance->at, all))
		return false;
	if (!one->kept || use_row(offer,
							  customer,
							  coupon_id,
							  offer->max_uses_per_customer_and_coupon,
							  allowance->at,
							  one))
		return true;
	if (all->kept)
		undo_row(offer, customer, 0, all);
	return false;
}

/* What was not counted before is looked at here. */
static bool
use_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int limit, TimestampTz at,
		CmsAllowanceRow *row)
{
	if (row->counted)
		return write_row(
			offer, customer, coupon_id, row->uses + 1, row->has_hold, row->held_until, row);
	if (!make_row(offer, customer, coupon_id, 1, row))
		return false;
	if (has_room(row, 0, limit, at))
		return true;
	undo_row(offer, customer, coupon_id, row);
	return false;
}

/* For so many more uses; a hold that may be in the way is looked at by who reads again. */
static bool
has_room(const CmsAllowanceRow *row, int more, int limit, TimestampTz at)
{
	return (limit == CMS_UNLIMITED || row->uses + more <= limit) &&
		   !(row->has_hold && row->held_until > at);
}

/*
 * Makes the row by counting, which most customers need not, as this is their first use; false: it is
 * there, or of a newer epoch.
 */
static bool
make_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int more,
		 CmsAllowanceRow *row)
{
	CmsParams params = {0};

	key_of(offer, customer, coupon_id, &params);
	cms_param_int(&params, offer->customer_epoch);
	cms_param_int(&params, more);
	if (cms_plan_run(&any_use, params.values, NULL, false) == 0 &&
		cms_plan_run(&any_hold, params.values, NULL, false) == 0 &&
		cms_plan_write(&insert_first, params.values, NULL) == 1)
	{
		*row = (CmsAllowanceRow){.kept = true, .exists = true, .counted = true, .uses = more};
		return true;
	}
	if (cms_plan_write(&insert_counted, params.values, params.nulls) == 0)
		return false;
	row->exists = true;
	row->changes = 0;
	take_row(row);
	return true;
}

void
cms_allowance_undo_use(const CmsOffer *offer, const char *customer, int64 coupon_id,
					   CmsAllowance *allowance)
{
	if (allowance->of_offer.kept)
		undo_row(offer, customer, 0, &allowance->of_offer);
	if (allowance->of_coupon.kept)
		undo_row(offer, customer, coupon_id, &allowance->of_coupon);
}

/* What this transaction has written just now: nothing can be in the way. */
static void
undo_row(const CmsOffer *offer, const char *customer, int64 coupon_id, CmsAllowanceRow *row)
{
	write_row(offer, customer, coupon_id, row->uses - 1, row->has_hold, row->held_until, row);
}

bool
cms_allowance_hold(const CmsOffer *offer, const char *customer, int64 coupon_id,
				   TimestampTz held_until, CmsAllowance *allowance)
{
	CmsAllowanceRow *all = &allowance->of_offer;
	CmsAllowanceRow *one = &allowance->of_coupon;

	/* a row that says "look at the holds" in vain does no harm: nothing is taken back */
	return (!all->kept || hold_row(offer,
								   customer,
								   0,
								   offer->max_uses_per_customer,
								   allowance->at,
								   held_until,
								   all)) &&
		   (!one->kept || hold_row(offer,
								   customer,
								   coupon_id,
								   offer->max_uses_per_customer_and_coupon,
								   allowance->at,
								   held_until,
								   one));
}

/* What was not counted before is looked at here. */
static bool
hold_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int limit, TimestampTz at,
		 TimestampTz held_until, CmsAllowanceRow *row)
{
	if (!row->counted &&
		(!make_row(offer, customer, coupon_id, 0, row) || !has_room(row, 1, limit, at)))
		return false;
	if (row->has_hold)
		held_until = Max(held_until, row->held_until);
	return write_row(offer, customer, coupon_id, row->uses, true, held_until, row);
}

/* Writes the row unless somebody has since it was read; false then. */
static bool
write_row(const CmsOffer *offer, const char *customer, int64 coupon_id, int uses, bool has_hold,
		  TimestampTz held_until, CmsAllowanceRow *row)
{
	CmsParams params = {0};
	uint64 rows;

	key_of(offer, customer, coupon_id, &params);
	cms_param_int(&params, uses);
	cms_param(&params, TimestampTzGetDatum(held_until), !has_hold);
	cms_param_int(&params, offer->customer_epoch);
	if (row->exists)
	{
		cms_param_int(&params, row->changes);
		rows = cms_plan_write(&update, params.values, params.nulls);
	}
	else
		rows = cms_plan_write(&insert, params.values, params.nulls);
	if (rows == 0)
		return false;
	row->changes = row->exists ? row->changes + 1 : 0;
	row->exists = true;
	row->counted = true;
	row->uses = uses;
	row->has_hold = has_hold;
	row->held_until = held_until;
	return true;
}

bool
cms_allowance_give_back(const CmsOffer *offer, const char *customer, int64 coupon_id)
{
	if (customer == NULL)
		return true;
	return ((offer->customer_rules & CMS_CUSTOMER_OFFER) == 0 ||
			give_back_row(offer, customer, 0)) &&
		   ((offer->customer_rules & CMS_CUSTOMER_COUPON) == 0 ||
			give_back_row(offer, customer, coupon_id));
}

/*
 * Where no row is yet, one is made by counting, which leaves the reversed use out: somebody who
 * counts at this moment and cannot see the reversal meets this row. False: the row is of a newer
 * epoch than the compiled offer.
 */
static bool
give_back_row(const CmsOffer *offer, const char *customer, int64 coupon_id)
{
	CmsParams params = {0};
	CmsAllowanceRow row;

	key_of(offer, customer, coupon_id, &params);
	cms_param_int(&params, offer->customer_epoch);
	return cms_plan_write(&take_back, params.values, params.nulls) == 1 ||
		   make_row(offer, customer, coupon_id, 0, &row) ||
		   cms_plan_write(&take_back, params.values, params.nulls) == 1;
}
