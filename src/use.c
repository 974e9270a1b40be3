/*
 * use.c
 *	  One use of a coupon: one evaluation, and the writes that decide.
 *
 * Order of locks: the coupon, the customer's row, the counters of the offer. The coupon is
 * written under the condition that it is as it was found, so that the uses of one coupon follow
 * each other and nobody else can redeem it on the same bill meanwhile; whoever comes second reads
 * again with the row locked. The customer's row does the same for the uses of one customer, where a
 * rule asks for them: whoever comes second finds it changed, reads again and decides again. The
 * counters decide on caps by the statement that adds, and come last of what can refuse: a
 * refusal is decided before the redemption is written.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "attempt.h"
#include "counter.h"
#include "expiry_mark.h"
#include "message.h"
#include "money.h"
#include "number.h"
#include "org.h"
#include "plan.h"
#include "result.h"
#include "text.h"
#include "use.h"

static bool redeem_once(CmsUse *use, CmsFind how);
static bool has_skipped(const CmsUse *use);
static bool may_be_lifted(CmsReason reason);
static bool same_place(const char *recorded, const char *given, bool completed);
static CmsAttempt attempt_of(const CmsUse *use, bool read_only);
static bool is_for_anyone(const CmsUse *use);
static void require_customer(const CmsUse *use);
static bool add_count(const CmsUse *use, CmsCount *count);
static void undo_coupon(const CmsUse *use, bool made);
static bool insert_redemption(CmsUse *use);
static bool update_coupon(const CmsUse *use);

#define SELECT_REDEMPTION                                                                        \
	"SELECT r.redemption_id, r.coupon_id, r.customer_id, r.bill_amount, r.store_id,"             \
	" r.till_id, r.discount, r.uses_left, r.reversed_at IS NOT NULL, r.completed_at IS NOT NULL" \
	" FROM cms.redemption r"

static CmsPlan redemption_of_bill = {
	SELECT_REDEMPTION " WHERE r.org_id = $1 AND r.coupon_id = $2 AND r.bill_ref = $3",
	3,
	{INT4OID, INT8OID, TEXTOID},
	.is_hot = true};

static CmsPlan anonymous_redemption_of_bill = {
	SELECT_REDEMPTION
	" WHERE r.org_id = $1 AND r.offer_id = $2 AND r.bill_ref = $3 AND r.anonymous_common",
	3,
	{INT4OID, INT8OID, TEXTOID}};

#define INSERT_REDEMPTION                                                                                    \
	"INSERT INTO cms.redemption (org_id, redemption_id, offer_id, coupon_id, customer_id, anonymous_common," \
	" bill_ref, bill_amount, eligible_amount, discount, store_id, till_id, redeemed_at, recorded_at,"        \
	" recorded_by, uses_left)"                                                                               \
	" VALUES ($1, $16, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
#define REDEMPTION_ARGS                                                                           \
	16,                                                                                           \
	{                                                                                             \
		INT4OID, INT8OID, INT8OID, TEXTOID, BOOLOID, TEXTOID, NUMERICOID, NUMERICOID, NUMERICOID, \
			TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, INT4OID, INT8OID           \
	}

/* the coupon is written, and the bill was looked for: nothing can be in the way */
static CmsPlan new_redemption = {INSERT_REDEMPTION, REDEMPTION_ARGS, .is_hot = true};
/* nobody's coupons of a common code have only the bill in common */
static CmsPlan new_anonymous_redemption = {INSERT_REDEMPTION " ON CONFLICT DO NOTHING",
										   REDEMPTION_ARGS};

#define OF_COUPON " WHERE org_id = $1 AND coupon_id = $2"
/* without a look into an index, and only as it was found */
#define AS_FOUND OF_COUPON " AND ctid = $3 AND xmin = $4"
#define USE_COUPON \
	"UPDATE cms.coupon SET uses = uses + 1, last_redeemed_at = GREATEST(last_redeemed_at, $5)"
/* apart from the other, which must not name an indexed column to stay a HOT update */
#define ISSUE_AND_USE_COUPON                                                        \
	"UPDATE cms.coupon SET uses = uses + 1, last_redeemed_at = $5, issued_at = $5," \
	" expires_at = $6"
#define COUPON_ARGS INT4OID, INT8OID, TIDOID, XIDOID, TIMESTAMPTZOID

/* as it was found, and where it is locked since */
static CmsPlan use_coupon[2] = {{USE_COUPON AS_FOUND, 5, {COUPON_ARGS}, .is_hot = true},
								{USE_COUPON OF_COUPON, 5, {COUPON_ARGS}, .is_hot = true}};
static CmsPlan issue_and_use_coupon[2] = {
	{ISSUE_AND_USE_COUPON AS_FOUND, 6, {COUPON_ARGS, TIMESTAMPTZOID}},
	{ISSUE_AND_USE_COUPON OF_COUPON, 6, {COUPON_ARGS, TIMESTAMPTZOID}}};

static CmsPlan undo_use = {"UPDATE cms.coupon SET uses = uses - 1, last_redeemed_at = $3"
						   " WHERE org_id = $1 AND coupon_id = $2",
						   3,
						   {INT4OID, INT8OID, TIMESTAMPTZOID}};
static CmsPlan undo_issue_and_use = {
	"UPDATE cms.coupon SET uses = uses - 1, last_redeemed_at = NULL, issued_at = NULL, expires_at = NULL"
	" WHERE org_id = $1 AND coupon_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan delete_redemption = {
	"DELETE FROM cms.redemption WHERE org_id = $1 AND redemption_id = $2", 2, {INT4OID, INT8OID}};
void
cms_use_fetch_bill(FunctionCallInfo fcinfo, int amount_arg, int items_arg, CmsUseRequest *request)
{
	request->bill_amount = cms_arg_amount(fcinfo, amount_arg, "bill_amount");
	if (PG_ARGISNULL(items_arg))
		return;
	request->items = cms_items_parse(PG_GETARG_JSONB_P(items_arg));
	if (request->bill_amount == NULL)
		request->bill_amount = request->items->total;
}

void
cms_use_require_amount(const CmsUseRequest *request)
{
	if (request->bill_amount == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"bill_amount\" must not be null"),
				 errhint("Give the amount of the bill, or its lines as \"items\".")));
}

bool
cms_use_begin(CmsUse *use, bool read_only)
{
	cms_use_place(use, read_only);
	return cms_use_normalise(use);
}

void
cms_use_place(CmsUse *use, bool read_only)
{
	if (use->request.place.till != NULL)
		cms_coupon_resolve_place(use->org, &use->request.place, read_only);
	use->given_place = use->request.place;
}

bool
cms_use_normalise(CmsUse *use)
{
	if (cms_code_normalise(
			use->given_code, use->given_code ? strlen(use->given_code) : 0, use->code) == CMS_OK)
		return true;
	use->reason = CMS_CODE_NOT_FOUND;
	return false;
}

void
cms_use_redeem(CmsUse *use)
{
	CmsFind how = CMS_FIND_NOW;

	/* somebody else is at the coupon or its customer: take turns */
	while (!redeem_once(use, how))
	{
		CHECK_FOR_INTERRUPTS();
		how = CMS_FIND_LOCKED;
	}
}

/* False: what was read has changed, nothing is written. */
static bool
redeem_once(CmsUse *use, CmsFind how)
{
	use->reason = CMS_OK;
	use->lazy = how == CMS_FIND_NOW;
	if (!cms_use_find(use, how) || cms_use_replay(use))
		return true;
	cms_use_evaluate(use, 0, false);
	if (use->reason != CMS_OK)
		return how == CMS_FIND_LOCKED || !may_be_lifted(use->reason);
	return cms_use_write(use);
}

/*
 * Refused, but perhaps for another reason before this one: the uses of the customer, which were left
 * to the write that does not come now. What else is left to it comes after all other reasons.
 */
static bool
has_skipped(const CmsUse *use)
{
	const CmsAllowance *allowance = &use->allowance;

	return use->reason > CMS_CUSTOMER_LIMIT && use->reason <= CMS_BUDGET_SPENT &&
		   ((allowance->of_offer.kept && !allowance->of_offer.counted) ||
			(allowance->of_coupon.kept && !allowance->of_coupon.counted));
}

/* Whoever is at the coupon at this moment may be about to give it back: wait for them. */
static bool
may_be_lifted(CmsReason reason)
{
	return reason == CMS_NOT_ISSUED || reason == CMS_COUPON_EXPIRED ||
		   reason == CMS_ALREADY_REDEEMED || reason == CMS_COUPON_LIMIT;
}

bool
cms_use_find(CmsUse *use, CmsFind how)
{
	if (cms_coupon_find(use->org, use->code, use->request.customer, how, &use->found))
		return true;
	use->reason = CMS_CODE_NOT_FOUND;
	return false;
}

bool
cms_use_replay(CmsUse *use)
{
	bool anonymous = cms_use_is_anonymous(use);
	Datum values[] = {
		Int32GetDatum(use->org),
		Int64GetDatum(anonymous ? use->found.coupon.offer_id : use->found.coupon.coupon_id),
		CStringGetTextDatum(use->ref),
	};

	if (!anonymous && !use->found.redeemed_before)
		return false;
	if (cms_plan_run(
			anonymous ? &anonymous_redemption_of_bill : &redemption_of_bill, values, NULL, false) ==
		0)
		return false;

	Numeric bill_amount = cms_row_numeric(0, 4);

	/* whatever the bill is now: what it did is taken back */
	if (cms_row_bool(0, 9, false))
	{
		use->reason = CMS_ALREADY_REVERSED;
		return true;
	}
	if (!cms_use_same_request(use,
							  bill_amount,
							  cms_row_text(0, 3),
							  cms_row_text(0, 5),
							  cms_row_text(0, 6),
							  cms_row_bool(0, 10, false)))
	{
		use->reason = CMS_BILL_CONFLICT;
		return true;
	}
	use->replayed = true;
	use->redemption_id = cms_row_int64(0, 1, 0);
	use->found.coupon.coupon_id = cms_row_int64(0, 2, 0);
	use->verdict.discount = cms_row_numeric(0, 7);
	use->verdict.payable = cms_money_subtract(bill_amount, use->verdict.discount);
	use->verdict.uses_left = cms_row_int32(0, 8, CMS_UNLIMITED);
	return true;
}

bool
cms_use_same_request(const CmsUse *use, Numeric bill_amount, const char *customer,
					 const char *store, const char *till, bool completed)
{
	return cms_money_compare(bill_amount, use->request.bill_amount) == 0 &&
		   cms_text_equal(customer, use->request.customer) &&
		   same_place(store, use->request.place.store, completed) &&
		   same_place(till, use->request.place.till, completed);
}

/* F38: a place that was completed afterwards was not named by the request. */
static bool
same_place(const char *recorded, const char *given, bool completed)
{
	return cms_text_equal(recorded, given) || (completed && given == NULL);
}

void
cms_use_evaluate(CmsUse *use, int64 own_hold, bool read_only)
{
	CmsUsage usage;

	if (cms_use_read(use, own_hold, read_only, &usage))
		cms_use_judge(use, &usage);
	if (!use->lazy || !has_skipped(use))
		return;
	use->lazy = false;
	cms_use_evaluate(use, own_hold, read_only);
}

bool
cms_use_read(CmsUse *use, int64 own_hold, bool read_only, CmsUsage *usage)
{
	const CmsOffer *offer = use->found.offer;
	CmsAttempt attempt = attempt_of(use, read_only);

	if (own_hold == 0 &&
		cms_attempt_is_blocked(&attempt, &offer->org_rules, &use->verdict.next_allowed_at))
	{
		use->reason = CMS_TOO_MANY_ATTEMPTS;
		return false;
	}
	cms_org_rules_require_recent(&offer->org_rules, use->request.at);
	/* the error that the customer is missing would tell that there is such a code */
	if (use->request.customer == NULL && offer->org_rules.uniform_refusals && !is_for_anyone(use))
	{
		use->verdict.reasons = CMS_REASON_BIT(CMS_NOT_THE_HOLDER);
		use->reason = CMS_NOT_THE_HOLDER;
		return false;
	}
	require_customer(use);
	use->request.place = use->given_place;
	if (offer->selected_stores && use->request.place.till == NULL &&
		use->request.place.store != NULL)
		cms_coupon_resolve_place(use->org, &use->request.place, read_only);
	cms_coupon_read_usage(
		&use->found, &use->request, own_hold, read_only, use->lazy, &use->allowance, usage);
	return true;
}

void
cms_use_judge(CmsUse *use, const CmsUsage *usage)
{
	cms_rule_use(use->found.offer, &use->found.coupon, &use->request, usage, &use->verdict);
	use->reason = cms_rule_first(use->verdict.reasons);
}

static CmsAttempt
attempt_of(const CmsUse *use, bool read_only)
{
	return (CmsAttempt){
		.org = use->org,
		.code = use->given_code,
		.ref = use->ref,
		.request = &use->request,
		.read_only = read_only,
	};
}

/* F24: need the redeemer not be the holder? */
static bool
is_for_anyone(const CmsUse *use)
{
	const CmsOffer *offer = use->found.offer;

	return offer->anyone_may_redeem || (offer->third_party && use->found.coupon.holder == NULL);
}

/* F24: nobody in particular may redeem only where no rule asks who it is. */
bool
cms_use_lacks_customer(const CmsUse *use)
{
	const CmsOffer *offer = use->found.offer;

	return use->request.customer == NULL &&
		   (!is_for_anyone(use) || offer->max_uses_per_customer != CMS_UNLIMITED ||
			offer->max_uses_per_customer_and_coupon != CMS_UNLIMITED ||
			offer->min_days_between_uses > 0);
}

static void
require_customer(const CmsUse *use)
{
	if (cms_use_lacks_customer(use))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"customer_id\" must not be null or blank"),
				 is_for_anyone(use)
					 ? errdetail("The offer limits the uses of each customer.")
					 : errdetail("Only the holder may redeem coupons of this offer."),
				 errhint("Ask who the customer is.")));
}

bool
cms_use_write(CmsUse *use)
{
	const CmsOffer *offer = use->found.offer;
	const char *customer = use->request.customer;
	bool make_coupon = use->found.coupon.coupon_id == 0;
	CmsCount count = {0};

	if (!cms_use_take(use))
		return false;
	if (!cms_allowance_use(offer, customer, use->found.coupon.coupon_id, &use->allowance))
	{
		undo_coupon(use, make_coupon);
		return false;
	}
	cms_use_count(use, &count);
	if (!add_count(use, &count))
	{
		cms_allowance_undo_use(offer, customer, use->found.coupon.coupon_id, &use->allowance);
		undo_coupon(use, make_coupon);
		return false;
	}
	cms_use_record(use);
	return true;
}

bool
cms_use_take(CmsUse *use)
{
	bool make_coupon = use->found.coupon.coupon_id == 0;

	if (make_coupon && !cms_coupon_make(&use->found, use->code, &use->request, NULL))
		return false;
	if (cms_use_is_anonymous(use) && !insert_redemption(use))
	{
		if (make_coupon)
			cms_coupon_unmake(&use->found);
		return false;
	}
	return make_coupon || update_coupon(use);
}

/* What a hold reserves is taken away with it. */
static bool
add_count(const CmsUse *use, CmsCount *count)
{
	if (use->hold_id == 0)
		return cms_counter_add(use->found.offer, count);
	count->held = -1;
	count->held_discount = cms_money_subtract(cms_money_zero(), use->held_discount);
	return cms_counter_exchange(use->found.offer, use->hold_slot, use->hold_id, count);
}

/* Nothing of this attempt stays, nor a redemption of it. */
static void
undo_coupon(const CmsUse *use, bool made)
{
	Datum redemption[] = {Int32GetDatum(use->org), Int64GetDatum(use->redemption_id)};
	Datum values[3] = {Int32GetDatum(use->org),
					   Int64GetDatum(use->found.coupon.coupon_id),
					   TimestampTzGetDatum(use->found.last_redeemed_at)};

	if (use->redemption_id != 0)
		cms_plan_write(&delete_redemption, redemption, NULL);
	if (made)
		cms_coupon_unmake(&use->found);
	else if (use->found.coupon.issued)
		cms_plan_write(&undo_use, values, use->found.redeemed_before ? NULL : "  n");
	else
		cms_plan_write(&undo_issue_and_use, values, NULL);
}

/* False: nobody has redeemed the common code on this bill meanwhile. */
static bool
insert_redemption(CmsUse *use)
{
	const CmsUseRequest *request = &use->request;
	CmsParams params = {0};
	int64 redemption_id;

	use->redemption_id = 0;
	redemption_id = cms_number_of_redemption();
	cms_param_int(&params, use->org);
	cms_param_int64(&params, use->found.offer->offer_id);
	cms_param_int64(&params, use->found.coupon.coupon_id);
	cms_param_text(&params, request->customer);
	cms_param_bool(&params, cms_use_is_anonymous(use));
	cms_param_text(&params, use->ref);
	cms_param_numeric(&params, request->bill_amount);
	cms_param_numeric(&params, use->verdict.eligible);
	cms_param_numeric(&params, use->verdict.discount);
	cms_param_text(&params, request->place.store);
	cms_param_text(&params, request->place.till);
	cms_param_instant(&params, request->at);
	cms_param_instant(&params, GetCurrentTimestamp());
	cms_param_text(&params, cms_org_caller_name());
	cms_param(
		&params, Int32GetDatum(use->verdict.uses_left), use->verdict.uses_left == CMS_UNLIMITED);
	cms_param_int64(&params, redemption_id);
	if (cms_plan_run(cms_use_is_anonymous(use) ? &new_anonymous_redemption : &new_redemption,
					 params.values,
					 params.nulls,
					 false) == 0)
		return false;
	use->redemption_id = redemption_id;
	/* by an earlier time, of a coupon that is in the books as unredeemed */
	cms_expiry_mark(use->found.offer,
					use->found.coupon.issued && use->found.coupon.has_own_end,
					use->found.coupon.expires_at);
	return true;
}

/* A use that is also the issue is counted as both. */
void
cms_use_count(const CmsUse *use, CmsCount *count)
{
	const CmsCoupon *coupon = &use->found.coupon;

	count->uses++;
	count->redeemed_coupons += coupon->uses == 0 ? 1 : 0;
	count->discount = count->discount == NULL
						  ? use->verdict.discount
						  : cms_money_add(count->discount, use->verdict.discount);
	count->has_use_time = true;
	count->use_time = use->request.at;
	count->at = use->request.at;
	cms_use_count_issue(use, count);
}

void
cms_use_count_issue(const CmsUse *use, CmsCount *count)
{
	if (use->found.coupon.issued)
		return;
	count->issued++;
	count->stock -= use->found.common ? 0 : 1;
	count->has_issue_time = true;
	count->issue_time = use->request.at;
}

void
cms_use_record(CmsUse *use)
{
	if (!cms_use_is_anonymous(use))
		insert_redemption(use);
}

/* False: the coupon is no longer what was found. */
static bool
update_coupon(const CmsUse *use)
{
	const CmsFound *found = &use->found;
	TimestampTz own_end = 0;
	bool has_own_end;
	CmsParams params = {0};

	cms_param_int(&params, use->org);
	cms_param_int64(&params, found->coupon.coupon_id);
	cms_param(&params, PointerGetDatum(&found->place), false);
	cms_param(&params, TransactionIdGetDatum(found->writer), false);
	cms_param_instant(&params, use->request.at);
	if (found->coupon.issued || found->common)
		return cms_plan_write(&use_coupon[found->locked], params.values, params.nulls) == 1;
	has_own_end = cms_rule_own_end(found->offer, use->request.at, &own_end);
	cms_param(&params, TimestampTzGetDatum(own_end), !has_own_end);
	return cms_plan_write(&issue_and_use_coupon[found->locked], params.values, params.nulls) == 1;
}

/* Of a code that was not looked at, or is not to be known of, nothing but the reason is told. */
void
cms_use_end(CmsUse *use, const char *action, bool read_only)
{
	const CmsOffer *offer = use->found.offer;
	CmsAttempt attempt = attempt_of(use, read_only);
	TimestampTz until = use->verdict.next_allowed_at;

	if (use->reason == CMS_OK)
		return;
	attempt.action = action;
	/* comes before the rules; whose coupon it is counts all the same */
	if ((use->reason == CMS_BILL_CONFLICT || use->reason == CMS_ALREADY_REVERSED) &&
		offer != NULL && !is_for_anyone(use) &&
		!cms_text_equal(use->found.coupon.holder, use->request.customer))
		use->verdict.reasons |= CMS_REASON_BIT(CMS_NOT_THE_HOLDER);
	use->reason = cms_attempt_refused(&attempt,
									  offer == NULL ? NULL : &offer->org_rules,
									  use->reason,
									  use->verdict.reasons,
									  use->found.coupon.offer_id,
									  use->found.coupon.coupon_id,
									  &until);
	if (use->reason != CMS_TOO_MANY_ATTEMPTS && use->reason != CMS_CODE_NOT_FOUND)
		return;
	memset(&use->found, 0, sizeof(use->found));
	memset(&use->verdict, 0, sizeof(use->verdict));
	use->verdict.has_next = use->reason == CMS_TOO_MANY_ATTEMPTS;
	use->verdict.next_allowed_at = until;
}

void
cms_use_answer(const CmsUse *use, bool check, Datum *values, bool *nulls)
{
	const CmsVerdict *verdict = &use->verdict;
	bool known = use->found.offer != NULL;
	bool ok = use->reason == CMS_OK;

	memset(nulls, true, sizeof(bool) * cms_use_out_columns);
	cms_result_text(
		use->code[0] != '\0' ? use->code : use->given_code, values, nulls, cms_use_out_code);
	values[cms_use_out_redeemed] = BoolGetDatum(ok);
	nulls[cms_use_out_redeemed] = false;
	cms_result_reason(use->reason,
					  cms_message_of_use(use->reason, use->found.offer, verdict),
					  values,
					  nulls,
					  cms_use_out_reason,
					  cms_use_out_message);
	values[cms_use_out_redemption_id] = Int64GetDatum(use->redemption_id);
	nulls[cms_use_out_redemption_id] = !ok || check;
	if (known)
	{
		values[cms_use_out_offer_id] = Int64GetDatum(use->found.coupon.offer_id);
		nulls[cms_use_out_offer_id] = false;
		values[cms_use_out_coupon_id] = Int64GetDatum(use->found.coupon.coupon_id);
		nulls[cms_use_out_coupon_id] = use->found.coupon.coupon_id == 0;
	}
	if (known && (ok || check))
	{
		values[cms_use_out_discount] = NumericGetDatum(verdict->discount);
		nulls[cms_use_out_discount] = verdict->discount == NULL;
		values[cms_use_out_payable] = NumericGetDatum(verdict->payable);
		nulls[cms_use_out_payable] = verdict->payable == NULL;
		values[cms_use_out_uses_left] = Int32GetDatum(verdict->uses_left);
		nulls[cms_use_out_uses_left] = verdict->uses_left == CMS_UNLIMITED;
	}
	values[cms_use_out_next_allowed_at] = TimestampTzGetDatum(verdict->next_allowed_at);
	nulls[cms_use_out_next_allowed_at] = !verdict->has_next;
	values[cms_use_out_replayed] = BoolGetDatum(use->replayed);
	nulls[cms_use_out_replayed] = false;
}
