/*
 * confirm.c
 *	  cms_confirm: a hold turned into a redemption (F36).
 *
 * A hold is a promise: in time, and for the bill that it was made for, no rule is evaluated
 * again. Another bill is evaluated as of the time of the hold, and more discount must fit into
 * the budget. After its end the use is taken anew, as a redemption at the time of the request.
 *
 * Whoever came at a later time may have found the hold at its end, and have taken the use of the
 * coupon or the customer; then it is at its end for this request too, whose time may be earlier:
 * it may have waited, or its clock be slow. The counters need no such care, as the use leaves them
 * with the status of the hold.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "hold.h"
#include "message.h"
#include "money.h"
#include "plan.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_confirm);

typedef struct Confirmation
{
	int64 hold_id;
	char *bill_ref;
	Numeric bill_amount; /* NULL: as held */
	Jsonb *items;        /* NULL: as held */
	CmsItems *lines;     /* of the items */
	TimestampTz at;
	CmsHold hold;
	CmsUse use;
	const char *message; /* NULL: that of the reason */
} Confirmation;

static void confirm(Confirmation *c);
static bool confirm_once(Confirmation *c);
static void prepare_use(Confirmation *c);
static bool same_items(const Confirmation *c);
static void answer_again(Confirmation *c);
static bool bill_is_taken(Confirmation *c);
static bool keep_promise(Confirmation *c);
static bool is_overtaken(const Confirmation *c);
static void evaluate_again(Confirmation *c);
static void take_anew(Confirmation *c);

static CmsPlan find_redemption = {
	"SELECT r.bill_ref, r.bill_amount, r.discount, r.uses_left FROM cms.redemption r"
	" WHERE r.org_id = $1 AND r.redemption_id = $2",
	2,
	{INT4OID, INT8OID}};

/* by a hold of the coupon; by a hold or a use of the customer, where a rule asks for it */
static CmsPlan coupon_held_since = {
	"SELECT 1 FROM cms.hold h WHERE h.org_id = $1 AND h.coupon_id = $2 AND h.status = 'HELD'"
	" AND h.held_at >= $3 AND h.hold_id <> $4 LIMIT 1",
	4,
	{INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID},
	.is_hot = true};

static CmsPlan customer_held_since = {
	"SELECT 1 FROM cms.hold h WHERE h.org_id = $1 AND h.customer_id = $5 AND h.offer_id = $6"
	" AND h.status = 'HELD' AND h.held_at >= $3 AND h.hold_id <> $4 LIMIT 1",
	6,
	{INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, TEXTOID, INT8OID},
	.is_hot = true};

static CmsPlan customer_used_since = {
	"SELECT 1 FROM cms.redemption r WHERE r.org_id = $1 AND r.customer_id = $5 AND r.offer_id = $6"
	" AND r.redeemed_at >= $3 LIMIT 1",
	6,
	{INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID, TEXTOID, INT8OID},
	.is_hot = true};

/*
 * cms_confirm(hold_id, bill_ref, bill_amount, items, at, org)
 */
Datum
cms_confirm(PG_FUNCTION_ARGS)
{
	Confirmation c = {
		.hold_id = cms_arg_int64(fcinfo, 0, "hold_id"),
		.bill_ref = cms_arg_id(fcinfo, 1, "bill_ref"),
		.items = PG_ARGISNULL(3) ? NULL : PG_GETARG_JSONB_P(3),
		.at = cms_arg_at(fcinfo, 4),
		.use.org = cms_arg_org(fcinfo, 5),
	};
	MemoryContext caller = CurrentMemoryContext;
	CmsUseRequest bill = {0};
	Datum values[cms_use_out_columns] = {0};
	bool nulls[cms_use_out_columns];
	Datum row;

	cms_use_fetch_bill(fcinfo, 2, 3, &bill);
	c.bill_amount = bill.bill_amount;
	c.lines = bill.items;
	cms_call_begin();
	confirm(&c);
	cms_use_answer(&c.use, false, values, nulls);
	if (c.message != NULL)
		cms_result_text(c.message, values, nulls, cms_use_out_message);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static void
confirm(Confirmation *c)
{
	while (!confirm_once(c))
		CHECK_FOR_INTERRUPTS();
}

/* False: what was read has changed, nothing is written. */
static bool
confirm_once(Confirmation *c)
{
	CmsUse *use = &c->use;
	const CmsHold *held = &c->hold;
	bool late;

	use->reason = CMS_OK;
	if (!cms_hold_find(use->org, c->hold_id, &c->hold, &use->found))
	{
		use->reason = CMS_HOLD_NOT_FOUND;
		return true;
	}
	strlcpy(use->code, held->code, sizeof(use->code));
	if (held->status == CMS_HOLD_RELEASED)
	{
		use->reason = CMS_HOLD_NOT_FOUND;
		c->message = "The hold was released.";
		return true;
	}
	prepare_use(c);
	if (held->status == CMS_HOLD_CONFIRMED)
	{
		answer_again(c);
		return true;
	}
	if (bill_is_taken(c))
		return true;

	late = held->status != CMS_HOLD_HELD || held->expires_at <= use->request.at;
	cms_org_rules_require_recent(&use->found.offer->org_rules, use->request.at);
	if (late)
		take_anew(c);
	else if (use->found.coupon.revoked)
		use->reason = CMS_COUPON_REVOKED;
	else if (cms_money_compare(use->request.bill_amount, held->bill_amount) != 0 || !same_items(c))
		evaluate_again(c);
	else if (!keep_promise(c))
	{
		use->request.at = held->expires_at;
		take_anew(c);
	}
	if (use->reason != CMS_OK)
		return true;
	if (!cms_use_write(use))
		return false;
	cms_hold_mark(use->org, held->hold_id, CMS_HOLD_CONFIRMED, use->request.at, use->redemption_id);
	return true;
}

/* The use that the hold was made for, on the bill that is given now. */
static void
prepare_use(Confirmation *c)
{
	CmsUse *use = &c->use;
	const CmsHold *held = &c->hold;
	CmsUseRequest *request = &use->request;

	use->ref = c->bill_ref != NULL ? c->bill_ref : held->order_ref;
	request->customer = held->customer;
	request->bill_amount = c->bill_amount != NULL ? c->bill_amount : held->bill_amount;
	request->items = c->lines;
	if (c->lines == NULL && held->items != NULL)
		request->items = cms_items_parse(held->items);
	request->place = (CmsPlace){.till = held->till, .store = held->store};
	/* what is confirmed has been held: an earlier time counts as that of the hold */
	request->at = Max(c->at, held->held_at);
	use->hold_id = held->status == CMS_HOLD_HELD ? held->hold_id : 0;
	use->hold_slot = held->slot;
	use->held_discount = held->discount;
}

static bool
same_items(const Confirmation *c)
{
	if (c->items == NULL)
		return true;
	return c->hold.items != NULL &&
		   compareJsonbContainers(&c->items->root, &c->hold.items->root) == 0;
}

static void
answer_again(Confirmation *c)
{
	CmsUse *use = &c->use;
	Datum values[] = {Int32GetDatum(use->org), Int64GetDatum(c->hold.redemption_id)};

	if (c->hold.reversed)
	{
		use->reason = CMS_ALREADY_REVERSED;
		return;
	}
	if (cms_plan_run(&find_redemption, values, NULL, false) == 0)
		elog(ERROR, "redemption " INT64_FORMAT " vanished", c->hold.redemption_id);

	Numeric bill_amount = cms_row_numeric(0, 2);

	if (!cms_text_equal(cms_row_text(0, 1), use->ref) ||
		cms_money_compare(bill_amount, use->request.bill_amount) != 0)
	{
		use->reason = CMS_BILL_CONFLICT;
		c->message = "The hold is confirmed already, with another bill reference or amount.";
		return;
	}
	use->replayed = true;
	use->redemption_id = c->hold.redemption_id;
	use->verdict.discount = cms_row_numeric(0, 3);
	use->verdict.payable = cms_money_subtract(bill_amount, use->verdict.discount);
	use->verdict.uses_left = cms_row_int32(0, 4, CMS_UNLIMITED);
}

/* By another hold, or without one: whether as the same redemption is not asked. */
static bool
bill_is_taken(Confirmation *c)
{
	CmsUse *use = &c->use;

	if (!cms_use_replay(use))
		return false;
	use->reason = CMS_BILL_CONFLICT;
	use->replayed = false;
	use->found.coupon.coupon_id = c->hold.coupon_id;
	c->message = "This bill has redeemed the coupon before, and not by this hold.";
	return true;
}

/* Only what is left of the coupon is told as it is now. False: somebody has found the hold at its end. */
static bool
keep_promise(Confirmation *c)
{
	CmsUse *use = &c->use;
	const CmsCoupon *coupon = &use->found.coupon;
	int max_uses = use->found.offer->max_uses_per_coupon;
	CmsUsage usage;

	cms_coupon_read_own_usage(
		&use->found, &use->request, c->hold_id, false, false, &use->allowance, &usage);
	use->verdict = (CmsVerdict){
		.eligible = c->hold.eligible,
		.discount = c->hold.discount,
		.payable = cms_money_subtract(c->hold.bill_amount, c->hold.discount),
		.uses_left = CMS_UNLIMITED,
	};
	if (max_uses != CMS_UNLIMITED)
		use->verdict.uses_left =
			Max(max_uses - coupon->uses - coupon->forfeited_uses - usage.held_of_coupon - 1, 0);
	/* after the customer's row was read: what comes later meets that */
	return !is_overtaken(c);
}

static bool
is_overtaken(const Confirmation *c)
{
	const CmsFound *found = &c->use.found;
	const CmsHold *held = &c->hold;
	bool coupon = found->offer->max_uses_per_coupon != CMS_UNLIMITED;
	bool customer = found->offer->customer_rules != 0 && held->customer != NULL;
	CmsParams params = {0};

	if (coupon && found->redeemed_before && found->last_redeemed_at >= held->expires_at)
		return true;
	cms_param_int(&params, found->offer->org);
	cms_param_int64(&params, held->coupon_id);
	cms_param_instant(&params, held->expires_at);
	cms_param_int64(&params, held->hold_id);
	if (coupon && found->held_until > held->expires_at &&
		cms_plan_run(&coupon_held_since, params.values, NULL, false) == 1)
		return true;
	if (!customer)
		return false;
	cms_param_text(&params, held->customer);
	cms_param_int64(&params, held->offer_id);
	return cms_plan_run(&customer_held_since, params.values, NULL, false) == 1 ||
		   cms_plan_run(&customer_used_since, params.values, NULL, false) == 1;
}

/* As if it were held now for this bill, at the time when it was, with all else as it is. */
static void
evaluate_again(Confirmation *c)
{
	CmsUse *use = &c->use;
	CmsUseRequest *request = &use->request;
	TimestampTz at = request->at;
	CmsUsage usage;

	request->at = c->hold.held_at;
	if (request->place.till != NULL || request->place.store != NULL)
		cms_coupon_resolve_place(use->org, &request->place, false);
	cms_coupon_read_usage(&use->found, request, c->hold_id, false, false, &use->allowance, &usage);
	/* the offer's counters have this hold */
	usage.of_offer--;
	if (usage.discount_of_offer != NULL)
		usage.discount_of_offer = cms_money_subtract(usage.discount_of_offer, c->hold.discount);
	cms_rule_use(use->found.offer, &use->found.coupon, request, &usage, &use->verdict);
	use->reason = cms_rule_first(use->verdict.reasons);
	request->at = at;
}

/* Refused, the hold is over. */
static void
take_anew(Confirmation *c)
{
	CmsUse *use = &c->use;
	const char *cause;

	if (use->request.place.till != NULL)
		cms_coupon_resolve_place(use->org, &use->request.place, false);
	use->given_place = use->request.place;
	cms_use_evaluate(use, c->hold_id, false);
	if (use->reason == CMS_OK)
		return;
	cause = cms_message_of_use(use->reason, use->found.offer, &use->verdict);
	if (cause == NULL)
		cause = cms_reason_message(use->reason);
	c->message = psprintf("The hold has expired, and the use cannot be taken anew. %s", cause);
	use->reason = CMS_HOLD_EXPIRED;
	if (c->hold.status == CMS_HOLD_HELD)
		(void) cms_hold_end(
			use->found.offer, &c->hold, CMS_HOLD_EXPIRED_STATUS, c->hold.expires_at);
}
