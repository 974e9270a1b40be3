/*
 * hold.c
 *	  cms_hold: a use reserved for an order, for a limited time (F36).
 *
 * A hold goes the way of a redemption: the coupon is found and locked, the order looked for, the
 * rules evaluated, and what the use takes is taken. Only that it is counted as held, and that a
 * row of cms.hold comes into being in place of a redemption.
 *
 * A hold counts while its status is HELD and its end has not come, at the time of the request.
 * Coupon and customer have the end of their last hold, which tells until when it is worth
 * looking; the counters have what is held until somebody gives it back: whoever ends the hold, a
 * sweep, or whoever would be refused for it. The status of a hold is changed under the lock of
 * its slot, so that it is given back once.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "hold.h"
#include "lock.h"
#include "message.h"
#include "money.h"
#include "number.h"
#include "org.h"
#include "plan.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_hold);

#define MAX_SECONDS (31 * SECS_PER_DAY)

typedef struct Holding
{
	CmsUse use;
	Jsonb *items;
	int seconds;
	CmsHold before; /* of this order: to be answered again, or to be renewed; hold_id 0: none */
	int64 hold_id;
	int slot;
	TimestampTz expires_at;
	const char *message; /* NULL: that of the reason */
} Holding;

/* columns of cms_hold_result */
enum
{
	out_code,
	out_held,
	out_reason,
	out_message,
	out_hold_id,
	out_offer_id,
	out_coupon_id,
	out_discount,
	out_payable,
	out_uses_left,
	out_next_allowed_at,
	out_expires_at,
	out_replayed,
	out_columns
};

static int fetch_seconds(FunctionCallInfo fcinfo, int n);
static void hold(Holding *h);
static bool hold_once(Holding *h);
static bool answer_again(Holding *h);
static bool read_before(Holding *h);
static bool write_all(Holding *h);
static bool take_all(Holding *h);
static bool count_hold(Holding *h);
static bool insert_hold(Holding *h);
static void update_coupon(const Holding *h);
static void answer(const Holding *h, Datum *values, bool *nulls);
static void read_row(int org, CmsHold *hold);

static const char *const status_names[] = {
	[CMS_HOLD_HELD] = "HELD",
	[CMS_HOLD_CONFIRMED] = "CONFIRMED",
	[CMS_HOLD_RELEASED] = "RELEASED",
	[CMS_HOLD_EXPIRED_STATUS] = "EXPIRED",
};

#define SELECT_HOLD                                                                    \
	"SELECT h.hold_id, h.offer_id, h.coupon_id, h.customer_id, h.order_ref, h.status," \
	" h.bill_amount, h.eligible_amount, h.discount, h.items, h.store_id, h.till_id,"   \
	" h.held_at, h.expires_at, h.uses_left, h.slot, h.redemption_id"                   \
	" FROM cms.hold h"
/* an order that was redeemed is not held again; of those let go there may be any number */
#define OF_ORDER                                                  \
	" AND h.order_ref = $3 AND h.status IN ('HELD', 'CONFIRMED')" \
	" ORDER BY h.status = 'HELD', h.hold_id DESC LIMIT 1"

/* which never changes */
static CmsPlan coupon_of_hold = {
	"SELECT h.coupon_id FROM cms.hold h WHERE h.org_id = $1 AND h.hold_id = $2",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan by_id = {
	SELECT_HOLD " WHERE h.org_id = $1 AND h.hold_id = $2", 2, {INT4OID, INT8OID}, .is_hot = true};

static CmsPlan is_reversed = {"SELECT r.reversed_at IS NOT NULL FROM cms.redemption r"
							  " WHERE r.org_id = $1 AND r.redemption_id = $2",
							  2,
							  {INT4OID, INT8OID},
							  .is_hot = true};

static CmsPlan of_order = {SELECT_HOLD " WHERE h.org_id = $1 AND h.coupon_id = $2" OF_ORDER,
						   3,
						   {INT4OID, INT8OID, TEXTOID}};

static CmsPlan anonymous_of_order = {
	SELECT_HOLD " WHERE h.org_id = $1 AND h.offer_id = $2 AND h.anonymous_common" OF_ORDER,
	3,
	{INT4OID, INT8OID, TEXTOID}};

/* in the way is at most another hold of a common code by nobody for the same order */
static CmsPlan new_hold = {
	"INSERT INTO cms.hold (org_id, hold_id, offer_id, coupon_id, customer_id, anonymous_common, order_ref,"
	" bill_amount, eligible_amount, discount, items, store_id, till_id, held_at, expires_at, recorded_at,"
	" recorded_by, uses_left, slot)"
	" VALUES ($1, $19, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
	" $16, $17, $18) ON CONFLICT DO NOTHING",
	19,
	{INT4OID,
	 INT8OID,
	 INT8OID,
	 TEXTOID,
	 BOOLOID,
	 TEXTOID,
	 NUMERICOID,
	 NUMERICOID,
	 NUMERICOID,
	 JSONBOID,
	 TEXTOID,
	 TEXTOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TEXTOID,
	 INT4OID,
	 INT4OID,
	 INT8OID},
	.is_hot = true};

static CmsPlan set_slot = {"UPDATE cms.hold SET slot = $3 WHERE org_id = $1 AND hold_id = $2",
						   3,
						   {INT4OID, INT8OID, INT4OID}};

static CmsPlan delete_hold = {
	"DELETE FROM cms.hold WHERE org_id = $1 AND hold_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan end_held = {"UPDATE cms.hold SET status = $3, ended_at = $4"
						   " WHERE org_id = $1 AND hold_id = $2 AND status = 'HELD'",
						   4,
						   {INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID},
						   .is_hot = true};

static CmsPlan mark = {"UPDATE cms.hold SET status = $3, ended_at = $4, redemption_id = $5"
					   " WHERE org_id = $1 AND hold_id = $2",
					   5,
					   {INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INT8OID},
					   .is_hot = true};

static CmsPlan hold_coupon = {
	"UPDATE cms.coupon SET held_until = GREATEST(held_until, $3) WHERE org_id = $1 AND coupon_id = $2",
	3,
	{INT4OID, INT8OID, TIMESTAMPTZOID},
	.is_hot = true};

/* apart, as that of a redemption is */
static CmsPlan issue_and_hold_coupon = {
	"UPDATE cms.coupon SET held_until = $3, issued_at = $4, expires_at = $5"
	" WHERE org_id = $1 AND coupon_id = $2",
	5,
	{INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

/*
 * cms_hold(code, customer_id, bill_amount, order_ref, store_id, till_id, items, seconds, at, org)
 */
Datum
cms_hold(PG_FUNCTION_ARGS)
{
	Holding h = {
		.use.given_code = cms_arg_text(fcinfo, 0),
		.use.request.customer = cms_arg_id(fcinfo, 1, "customer_id"),
		.use.ref = cms_arg_id(fcinfo, 3, "order_ref"),
		.use.request.place.store = cms_arg_id(fcinfo, 4, "store_id"),
		.use.request.place.till = cms_arg_id(fcinfo, 5, "till_id"),
		.items = PG_ARGISNULL(6) ? NULL : PG_GETARG_JSONB_P(6),
		.seconds = fetch_seconds(fcinfo, 7),
		.use.request.at = cms_arg_at(fcinfo, 8),
		.use.org = cms_arg_org(fcinfo, 9),
	};
	MemoryContext caller = CurrentMemoryContext;
	CmsReason reason;
	Datum values[out_columns] = {0};
	bool nulls[out_columns];
	Datum row;

	cms_use_fetch_bill(fcinfo, 2, 6, &h.use.request);
	cms_use_require_amount(&h.use.request);
	h.expires_at = h.use.request.at + h.seconds * USECS_PER_SEC;
	cms_call_begin();
	hold(&h);
	reason = h.use.reason;
	cms_use_end(&h.use, "HOLD", false);
	/* what was not to be told is not told */
	if (h.use.reason != reason)
		h.message = NULL;
	answer(&h, values, nulls);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static int
fetch_seconds(FunctionCallInfo fcinfo, int n)
{
	int seconds = cms_arg_int(fcinfo, n, "seconds");

	if (seconds < 1 || seconds > MAX_SECONDS)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"seconds\" must be from 1 to %d, not %d", MAX_SECONDS, seconds),
			 errhint(
				 "To hold for longer, hold again when it has ended: the order then gets a new hold.")));
	return seconds;
}

static void
hold(Holding *h)
{
	CmsUse *use = &h->use;
	bool may_be_code = cms_use_begin(use, false);

	if (use->ref == NULL)
	{
		use->reason = CMS_BILL_REFERENCE_REQUIRED;
		h->message = "A hold needs the reference of its order.";
	}
	else if (may_be_code)
	{
		use->lazy = true;
		while (!hold_once(h))
		{
			CHECK_FOR_INTERRUPTS();
			use->lazy = false;
		}
	}
}

/* False: what was read has changed, nothing is written. */
static bool
hold_once(Holding *h)
{
	CmsUse *use = &h->use;

	if (!cms_use_find(use, CMS_FIND_LOCKED) || answer_again(h))
		return true;
	cms_use_evaluate(use, 0, false);
	return use->reason != CMS_OK || write_all(h);
}

/*
 * The order holds the coupon already, or has redeemed it: true. A hold that has ended by now is
 * left to be replaced.
 */
static bool
answer_again(Holding *h)
{
	CmsUse *use = &h->use;
	const CmsHold *before = &h->before;

	if (!read_before(h) ||
		(before->status == CMS_HOLD_HELD && before->expires_at <= use->request.at))
		return false;
	if (before->reversed)
	{
		use->reason = CMS_ALREADY_REVERSED;
		return true;
	}
	if (!cms_use_same_request(
			use, before->bill_amount, before->customer, before->store, before->till, false))
	{
		use->reason = CMS_BILL_CONFLICT;
		h->message =
			"This order has held the coupon before, with another customer, amount, store or till.";
		return true;
	}
	use->replayed = true;
	use->found.coupon.coupon_id = before->coupon_id;
	use->verdict.discount = before->discount;
	use->verdict.payable = cms_money_subtract(before->bill_amount, before->discount);
	use->verdict.uses_left = before->uses_left;
	h->hold_id = before->hold_id;
	h->expires_at = before->expires_at;
	return true;
}

static bool
read_before(Holding *h)
{
	const CmsUse *use = &h->use;
	bool anonymous = cms_use_is_anonymous(&h->use);
	Datum values[] = {
		Int32GetDatum(use->org),
		Int64GetDatum(anonymous ? use->found.coupon.offer_id : use->found.coupon.coupon_id),
		CStringGetTextDatum(use->ref),
	};

	memset(&h->before, 0, sizeof(h->before));
	if (!anonymous && !use->found.may_be_held)
		return false;
	if (cms_plan_run(anonymous ? &anonymous_of_order : &of_order, values, NULL, false) == 0)
		return false;
	read_row(use->org, &h->before);
	return true;
}

/* The writes that decide. False: another transaction was faster, nothing is written. */
static bool
write_all(Holding *h)
{
	CmsUse *use = &h->use;
	bool make_coupon = use->found.coupon.coupon_id == 0;
	Datum hold_slot[3] = {Int32GetDatum(use->org)};

	h->hold_id = 0;
	if (make_coupon && !cms_coupon_make(&use->found, use->code, &use->request, &h->expires_at))
		return false;
	if (!take_all(h))
	{
		hold_slot[1] = Int64GetDatum(h->hold_id);
		if (h->hold_id != 0)
			cms_plan_write(&delete_hold, hold_slot, NULL);
		if (make_coupon)
			cms_coupon_unmake(&use->found);
		return false;
	}
	if (h->before.hold_id != 0)
		cms_hold_mark(
			use->org, h->before.hold_id, CMS_HOLD_EXPIRED_STATUS, h->before.expires_at, 0);
	if (h->hold_id == 0)
	{
		if (!insert_hold(h))
			elog(ERROR, "order \"%s\" is held by another hold", use->ref);
	}
	else
	{
		hold_slot[1] = Int64GetDatum(h->hold_id);
		hold_slot[2] = Int32GetDatum(h->slot);
		cms_plan_write(&set_slot, hold_slot, NULL);
	}
	if (!make_coupon)
		update_coupon(h);
	return true;
}

/*
 * What can refuse, in the order of locks. Nobody's holds of a common code have only the order in
 * common, so the row itself decides between two of them, and comes first.
 */
static bool
take_all(Holding *h)
{
	CmsUse *use = &h->use;

	if (cms_use_is_anonymous(&h->use) && h->before.hold_id == 0 && !insert_hold(h))
		return false;
	/* what the customer's row is told in vain does no harm */
	return cms_allowance_hold(use->found.offer,
							  use->request.customer,
							  use->found.coupon.coupon_id,
							  h->expires_at,
							  &use->allowance) &&
		   count_hold(h);
}

/* In place of the order's own hold that has ended, where there is one. */
static bool
count_hold(Holding *h)
{
	const CmsUse *use = &h->use;
	const CmsHold *before = &h->before;
	CmsCount count = {
		.held = 1,
		.held_discount = use->verdict.discount,
		.at = use->request.at,
	};

	cms_use_count_issue(use, &count);
	if (before->hold_id == 0)
		return cms_counter_add_in(use->found.offer, &count, &h->slot);
	h->slot = before->slot;
	count.held = 0;
	count.held_discount = cms_money_subtract(count.held_discount, before->discount);
	return cms_counter_exchange(use->found.offer, before->slot, before->hold_id, &count);
}

/* False: nobody in particular holds the common code for this order. */
static bool
insert_hold(Holding *h)
{
	const CmsUse *use = &h->use;
	const CmsUseRequest *request = &use->request;
	int64 hold_id = cms_number_of_hold();
	CmsParams params = {0};

	cms_param_int(&params, use->org);
	cms_param_int64(&params, use->found.offer->offer_id);
	cms_param_int64(&params, use->found.coupon.coupon_id);
	cms_param_text(&params, request->customer);
	cms_param_bool(&params, cms_use_is_anonymous(&h->use));
	cms_param_text(&params, use->ref);
	cms_param_numeric(&params, request->bill_amount);
	cms_param_numeric(&params, use->verdict.eligible);
	cms_param_numeric(&params, use->verdict.discount);
	cms_param(&params, JsonbPGetDatum(h->items), h->items == NULL);
	cms_param_text(&params, request->place.store);
	cms_param_text(&params, request->place.till);
	cms_param_instant(&params, request->at);
	cms_param_instant(&params, h->expires_at);
	cms_param_instant(&params, GetCurrentTimestamp());
	cms_param_text(&params, cms_org_caller_name());
	cms_param(
		&params, Int32GetDatum(use->verdict.uses_left), use->verdict.uses_left == CMS_UNLIMITED);
	cms_param_int(&params, h->slot);
	cms_param_int64(&params, hold_id);
	if (cms_plan_run(&new_hold, params.values, params.nulls, false) == 0)
		return false;
	h->hold_id = hold_id;
	return true;
}

static void
update_coupon(const Holding *h)
{
	const CmsUse *use = &h->use;
	TimestampTz own_end = 0;
	bool has_own_end;
	CmsParams params = {0};

	cms_param_int(&params, use->org);
	cms_param_int64(&params, use->found.coupon.coupon_id);
	cms_param_instant(&params, h->expires_at);
	if (use->found.coupon.issued)
	{
		cms_plan_write(&hold_coupon, params.values, params.nulls);
		return;
	}
	has_own_end = cms_rule_own_end(use->found.offer, use->request.at, &own_end);
	cms_param_instant(&params, use->request.at);
	cms_param(&params, TimestampTzGetDatum(own_end), !has_own_end);
	cms_plan_write(&issue_and_hold_coupon, params.values, params.nulls);
}

static void
answer(const Holding *h, Datum *values, bool *nulls)
{
	const CmsUse *use = &h->use;
	const CmsVerdict *verdict = &use->verdict;
	const char *message = h->message;
	bool held = use->reason == CMS_OK;

	if (message == NULL)
		message = cms_message_of_use(use->reason, use->found.offer, verdict);
	memset(nulls, true, sizeof(bool) * out_columns);
	cms_result_text(use->code[0] != '\0' ? use->code : use->given_code, values, nulls, out_code);
	values[out_held] = BoolGetDatum(held);
	nulls[out_held] = false;
	cms_result_reason(use->reason, message, values, nulls, out_reason, out_message);
	if (use->found.offer != NULL)
	{
		values[out_offer_id] = Int64GetDatum(use->found.coupon.offer_id);
		nulls[out_offer_id] = false;
		values[out_coupon_id] = Int64GetDatum(use->found.coupon.coupon_id);
		nulls[out_coupon_id] = use->found.coupon.coupon_id == 0;
	}
	if (held)
	{
		values[out_hold_id] = Int64GetDatum(h->hold_id);
		values[out_discount] = NumericGetDatum(verdict->discount);
		values[out_payable] = NumericGetDatum(verdict->payable);
		values[out_uses_left] = Int32GetDatum(verdict->uses_left);
		values[out_expires_at] = TimestampTzGetDatum(h->expires_at);
		nulls[out_hold_id] = nulls[out_discount] = nulls[out_payable] = nulls[out_expires_at] =
			false;
		nulls[out_uses_left] = verdict->uses_left == CMS_UNLIMITED;
	}
	values[out_next_allowed_at] = TimestampTzGetDatum(verdict->next_allowed_at);
	nulls[out_next_allowed_at] = !verdict->has_next;
	values[out_replayed] = BoolGetDatum(use->replayed);
	nulls[out_replayed] = false;
}

bool
cms_hold_find(int org, int64 hold_id, CmsHold *hold, CmsFound *found)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(hold_id)};

	if (cms_plan_run(&coupon_of_hold, values, NULL, false) == 0 ||
		!cms_coupon_find_by_id(org, cms_row_int64(0, 1, 0), found, &hold->code) ||
		cms_plan_run(&by_id, values, NULL, false) == 0)
		return false;
	read_row(org, hold);
	return true;
}

static void
read_row(int org, CmsHold *hold)
{
	Datum redemption[] = {Int32GetDatum(org), 0};
	char *status = cms_row_text(0, 6);
	bool isnull;
	Datum items;

	hold->hold_id = cms_row_int64(0, 1, 0);
	hold->offer_id = cms_row_int64(0, 2, 0);
	hold->coupon_id = cms_row_int64(0, 3, 0);
	hold->customer = cms_row_text(0, 4);
	hold->order_ref = cms_row_text(0, 5);
	for (int i = 0; i < lengthof(status_names); i++)
		if (strcmp(status, status_names[i]) == 0)
			hold->status = (CmsHoldStatus) i;
	hold->bill_amount = cms_row_numeric(0, 7);
	hold->eligible = cms_row_numeric(0, 8);
	hold->discount = cms_row_numeric(0, 9);
	items = cms_row_value(0, 10, &isnull);
	hold->items = isnull ? NULL : DatumGetJsonbPCopy(items);
	hold->store = cms_row_text(0, 11);
	hold->till = cms_row_text(0, 12);
	hold->held_at = cms_row_timestamptz(0, 13, 0);
	hold->expires_at = cms_row_timestamptz(0, 14, 0);
	hold->uses_left = cms_row_int32(0, 15, CMS_UNLIMITED);
	hold->slot = cms_row_int32(0, 16, 0);
	hold->redemption_id = cms_row_int64(0, 17, 0);

	redemption[1] = Int64GetDatum(hold->redemption_id);
	hold->reversed = hold->redemption_id != 0 &&
					 cms_plan_run(&is_reversed, redemption, NULL, false) == 1 &&
					 cms_row_bool(0, 1, false);
}

bool
cms_hold_end(const CmsOffer *offer, const CmsHold *hold, CmsHoldStatus status, TimestampTz at)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(hold->hold_id),
					  CStringGetTextDatum(status_names[status]),
					  TimestampTzGetDatum(at)};
	CmsCount back = {
		.held = -1,
		.held_discount = cms_money_subtract(cms_money_zero(), hold->discount),
	};

	cms_lock_slot(offer->org, offer->offer_id, hold->slot);
	if (cms_plan_write(&end_held, values, NULL) == 0)
	{
		cms_unlock_slot(offer->org, offer->offer_id, hold->slot);
		return false;
	}
	cms_counter_change(offer, hold->slot, &back);
	return true;
}

void
cms_hold_mark(int org, int64 hold_id, CmsHoldStatus status, TimestampTz at, int64 redemption_id)
{
	CmsParams params = {0};

	cms_param_int(&params, org);
	cms_param_int64(&params, hold_id);
	cms_param_text(&params, status_names[status]);
	cms_param_instant(&params, at);
	cms_param(&params, Int64GetDatum(redemption_id), redemption_id == 0);
	cms_plan_write(&mark, params.values, params.nulls);
}
