/*
 * redeem.c
 *	  cms_check and cms_redeem: one evaluation, and the write that decides.
 *
 * Order of locks: the coupon, the new redemption's unique keys, the counters of
 * the offer. The coupon's row lock makes the uses of one coupon follow each
 * other. The key (customer, offer, nth) does the same for the uses of one
 * customer: whoever comes second finds the key taken, reads again and decides
 * again. The counters decide on caps by the statement that adds. A refusal is
 * decided before the first write; only where another transaction takes the last
 * unit between evaluation and write is a written row taken back.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "array.h"
#include "counter.h"
#include "coupon.h"
#include "message.h"
#include "money.h"
#include "org.h"
#include "plan.h"
#include "redeem.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_check);
PG_FUNCTION_INFO_V1(cms_redeem);

/* A request with what identifies it, and its answer. */
typedef struct Redemption
{
	/* asked */
	int org;
	char *given_code;
	char code[CMS_CODE_MAX_LENGTH + 1]; /* normalised */
	char *bill_ref;
	CmsUseRequest request;
	/* answered */
	CmsFound found;
	CmsVerdict verdict;
	CmsReason reason;
	char *message;
	int64 redemption_id;
	bool replayed;
} Redemption;

/* columns of cms_redeem_result, then of cms_check_result */
enum
{
	out_code,
	out_redeemed,
	out_reason,
	out_message,
	out_redemption_id,
	out_offer_id,
	out_coupon_id,
	out_discount,
	out_payable,
	out_uses_left,
	out_next_allowed_at,
	out_replayed,
	out_reasons,
	out_columns
};

static void redeem(Redemption *r);
static bool redeem_once(Redemption *r);
static bool replay(Redemption *r);
static bool same_request(const Redemption *r, Numeric bill_amount, const char *customer,
						 const char *store, const char *till);
static int evaluate(Redemption *r, bool read_only);
static bool write_redemption(Redemption *r, int nth);
static bool insert_coupon(Redemption *r);
static int64 insert_redemption(const Redemption *r, int nth);
static bool count_use(const Redemption *r);
static void update_coupon(const Redemption *r);
static void take_back(const Redemption *r, bool made_coupon);
static void require_customer(const Redemption *r);
static void
fetch_bill(FunctionCallInfo fcinfo, int amount_arg, int items_arg, CmsUseRequest *request);
static Datum answer(FunctionCallInfo fcinfo, MemoryContext caller, const Redemption *r, bool check);
static Datum reason_names(uint64 reasons, CmsReason first);

#define SELECT_REDEMPTION                                                            \
	"SELECT r.redemption_id, r.coupon_id, r.customer_id, r.bill_amount, r.store_id," \
	" r.till_id, r.discount, r.uses_left, r.reversed_at IS NOT NULL"                 \
	" FROM cms.redemption r"

static CmsPlan redemption_of_bill = {
	SELECT_REDEMPTION " WHERE r.org_id = $1 AND r.coupon_id = $2 AND r.bill_ref = $3",
	3,
	{INT4OID, INT8OID, TEXTOID}};

static CmsPlan anonymous_redemption_of_bill = {
	SELECT_REDEMPTION
	" WHERE r.org_id = $1 AND r.offer_id = $2 AND r.bill_ref = $3 AND r.anonymous_common",
	3,
	{INT4OID, INT8OID, TEXTOID}};

static CmsPlan new_coupon = {
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, shared, customer_id, nth, issued_at, expires_at)"
	" VALUES ($1, nextval('cms.coupon_id_seq'), $2, $3, true, $4, CASE WHEN $4 IS NOT NULL THEN 1 END, $5, $6)"
	" ON CONFLICT DO NOTHING RETURNING coupon_id",
	6,
	{INT4OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan new_redemption = {
	"INSERT INTO cms.redemption (org_id, redemption_id, offer_id, coupon_id, customer_id, nth, anonymous_common,"
	" bill_ref, bill_amount, eligible_amount, discount, store_id, till_id, redeemed_at, recorded_at, recorded_by,"
	" uses_left)"
	" VALUES ($1, nextval('cms.redemption_id_seq'), $2, $3, $4,"
	/* where no rule has asked how many there were, they are counted on the way */
	" CASE WHEN $4 IS NOT NULL THEN COALESCE($5, (SELECT p.nth FROM cms.redemption p"
	"  WHERE p.org_id = $1 AND p.customer_id = $4 AND p.offer_id = $2 ORDER BY p.nth DESC LIMIT 1), 0) + 1 END,"
	" $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
	" $16)"
	" ON CONFLICT DO NOTHING RETURNING redemption_id",
	16,
	{INT4OID,
	 INT8OID,
	 INT8OID,
	 TEXTOID,
	 INT4OID,
	 BOOLOID,
	 TEXTOID,
	 NUMERICOID,
	 NUMERICOID,
	 NUMERICOID,
	 TEXTOID,
	 TEXTOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TEXTOID,
	 INT4OID}};

static CmsPlan use_coupon = {
	"UPDATE cms.coupon SET uses = uses + 1, last_redeemed_at = GREATEST(last_redeemed_at, $3)"
	" WHERE org_id = $1 AND coupon_id = $2",
	3,
	{INT4OID, INT8OID, TIMESTAMPTZOID}};

/* apart from use_coupon, which must not name an indexed column to stay a HOT update */
static CmsPlan issue_and_use_coupon = {
	"UPDATE cms.coupon SET uses = uses + 1, last_redeemed_at = $3, issued_at = $3, expires_at = $4"
	" WHERE org_id = $1 AND coupon_id = $2",
	4,
	{INT4OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan delete_redemption = {
	"DELETE FROM cms.redemption WHERE org_id = $1 AND redemption_id = $2", 2, {INT4OID, INT8OID}};
static CmsPlan delete_coupon = {
	"DELETE FROM cms.coupon WHERE org_id = $1 AND coupon_id = $2", 2, {INT4OID, INT8OID}};

/*
 * cms_check(code, customer_id, bill_amount, store_id, till_id, items, at, org)
 */
Datum
cms_check(PG_FUNCTION_ARGS)
{
	Redemption r = {
		.given_code = cms_arg_text(fcinfo, 0),
		.request.customer = cms_arg_id(fcinfo, 1, "customer_id"),
		.request.place.store = cms_arg_id(fcinfo, 3, "store_id"),
		.request.place.till = cms_arg_id(fcinfo, 4, "till_id"),
		.request.at = cms_arg_at(fcinfo, 6),
		.org = cms_arg_org(fcinfo, 7),
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum row;

	fetch_bill(fcinfo, 2, 5, &r.request);
	cms_call_begin();
	if (r.request.place.till != NULL)
		cms_coupon_resolve_place(r.org, &r.request.place, true);
	if (cms_code_normalise(r.given_code, r.given_code ? strlen(r.given_code) : 0, r.code) !=
			CMS_OK ||
		!cms_coupon_find(r.org, r.code, r.request.customer, false, &r.found))
		r.reason = CMS_CODE_NOT_FOUND;
	else
	{
		evaluate(&r, true);
		r.reason = cms_rule_first(r.verdict.reasons);
	}
	row = answer(fcinfo, caller, &r, true);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

/*
 * cms_redeem(code, customer_id, bill_amount, bill_ref, store_id, till_id, items, at, org)
 */
Datum
cms_redeem(PG_FUNCTION_ARGS)
{
	Redemption r = {
		.given_code = cms_arg_text(fcinfo, 0),
		.request.customer = cms_arg_id(fcinfo, 1, "customer_id"),
		.bill_ref = cms_arg_id(fcinfo, 3, "bill_ref"),
		.request.place.store = cms_arg_id(fcinfo, 4, "store_id"),
		.request.place.till = cms_arg_id(fcinfo, 5, "till_id"),
		.request.at = cms_arg_at(fcinfo, 7),
		.org = cms_arg_org(fcinfo, 8),
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum row;

	fetch_bill(fcinfo, 2, 6, &r.request);
	if (r.request.bill_amount == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"bill_amount\" must not be null"),
				 errhint("Give the amount of the bill, or its lines as \"items\".")));
	cms_call_begin();
	if (r.request.place.till != NULL)
		cms_coupon_resolve_place(r.org, &r.request.place, false);
	if (r.bill_ref == NULL)
		r.reason = CMS_BILL_REFERENCE_REQUIRED;
	else if (cms_code_normalise(r.given_code, r.given_code ? strlen(r.given_code) : 0, r.code) !=
			 CMS_OK)
		r.reason = CMS_CODE_NOT_FOUND;
	else
		redeem(&r);
	row = answer(fcinfo, caller, &r, false);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

/* Decides again as often as another transaction was faster. */
static void
redeem(Redemption *r)
{
	CmsPlace given = r->request.place;

	while (!redeem_once(r))
	{
		CHECK_FOR_INTERRUPTS();
		r->request.place = given;
	}
}

/* False: what was read has changed, nothing is written. */
static bool
redeem_once(Redemption *r)
{
	int nth;

	if (!cms_coupon_find(r->org, r->code, r->request.customer, true, &r->found))
	{
		r->reason = CMS_CODE_NOT_FOUND;
		return true;
	}
	if (replay(r))
		return true;
	nth = evaluate(r, false);
	r->reason = cms_rule_first(r->verdict.reasons);
	if (r->reason != CMS_OK)
		return true;
	return write_redemption(r, nth);
}

/*
 * F34: the bill had redeemed this coupon before. The first answer is given
 * again, or a conflict is told; either comes before any rule.
 */
static bool
replay(Redemption *r)
{
	bool anonymous = r->found.common && r->request.customer == NULL;
	Datum values[] = {
		Int32GetDatum(r->org),
		Int64GetDatum(anonymous ? r->found.coupon.offer_id : r->found.coupon.coupon_id),
		CStringGetTextDatum(r->bill_ref),
	};

	if (!anonymous && !r->found.redeemed_before)
		return false;
	if (cms_plan_run(
			anonymous ? &anonymous_redemption_of_bill : &redemption_of_bill, values, NULL, false) ==
		0)
		return false;

	Numeric bill_amount = cms_row_numeric(0, 4);

	if (!same_request(r, bill_amount, cms_row_text(0, 3), cms_row_text(0, 5), cms_row_text(0, 6)))
	{
		r->reason = CMS_BILL_CONFLICT;
		return true;
	}
	if (cms_row_bool(0, 9, false))
	{
		r->reason = CMS_ALREADY_REVERSED;
		return true;
	}
	r->replayed = true;
	r->redemption_id = cms_row_int64(0, 1, 0);
	r->found.coupon.coupon_id = cms_row_int64(0, 2, 0);
	r->verdict.discount = cms_row_numeric(0, 7);
	r->verdict.payable = cms_money_subtract(bill_amount, r->verdict.discount);
	r->verdict.uses_left = cms_row_int32(0, 8, CMS_UNLIMITED);
	return true;
}

static bool
same_request(const Redemption *r, Numeric bill_amount, const char *customer, const char *store,
			 const char *till)
{
	return cms_money_compare(bill_amount, r->request.bill_amount) == 0 &&
		   cms_text_equal(customer, r->request.customer) &&
		   cms_text_equal(store, r->request.place.store) &&
		   cms_text_equal(till, r->request.place.till);
}

/*
 * Reads the facts and runs the rules; answers what cms_coupon_read_usage does.
 */
static int
evaluate(Redemption *r, bool read_only)
{
	CmsUsage usage;
	int nth;

	require_customer(r);
	cms_redeem_require_recent(r->found.offer, r->request.at);
	if (r->found.offer->selected_stores && r->request.place.till == NULL &&
		r->request.place.store != NULL)
		cms_coupon_resolve_place(r->org, &r->request.place, read_only);
	nth = cms_coupon_read_usage(r->org, &r->found, &r->request, read_only, &usage);
	cms_rule_use(r->found.offer, &r->found.coupon, &r->request, &usage, &r->verdict);
	return nth;
}

/* F24: nobody in particular may redeem only where no rule asks who it is. */
static void
require_customer(const Redemption *r)
{
	const CmsOffer *offer = r->found.offer;
	bool for_anyone =
		offer->anyone_may_redeem || (offer->third_party && r->found.coupon.holder == NULL);

	if (r->request.customer == NULL &&
		(!for_anyone || offer->max_uses_per_customer != CMS_UNLIMITED ||
		 offer->max_uses_per_customer_and_coupon != CMS_UNLIMITED ||
		 offer->min_days_between_uses > 0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"customer_id\" must not be null or blank"),
				 for_anyone ? errdetail("The offer limits the uses of each customer.")
							: errdetail("Only the holder may redeem coupons of this offer."),
				 errhint("Ask who the customer is.")));
}

void
cms_redeem_require_recent(const CmsOffer *offer, TimestampTz at)
{
	TimestampTz oldest;

	if (!offer->has_max_backdate)
		return;
	oldest = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval,
							TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
							IntervalPGetDatum(&offer->max_backdate)));
	if (at < oldest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"at\" is too far in the past"),
				 errhint("The org accepts requests not older than max_backdate in cms.org.")));
}

static bool
write_redemption(Redemption *r, int nth)
{
	bool make_coupon = r->found.coupon.coupon_id == 0;

	if (make_coupon && !insert_coupon(r))
		return false;
	r->redemption_id = insert_redemption(r, nth);
	if (r->redemption_id == 0 || !count_use(r))
	{
		take_back(r, make_coupon);
		return false;
	}
	update_coupon(r);
	return true;
}

/* F24: the redeemer's own coupon of a common code comes into being. False: it is there already. */
static bool
insert_coupon(Redemption *r)
{
	TimestampTz own_end = 0;
	bool has_own_end = cms_rule_own_end(r->found.offer, r->request.at, &own_end);
	CmsParams params = {0};

	cms_param_int(&params, r->org);
	cms_param_int64(&params, r->found.offer->offer_id);
	cms_param_text(&params, r->code);
	cms_param_text(&params, r->request.customer);
	cms_param_instant(&params, r->request.at);
	cms_param(&params, TimestampTzGetDatum(own_end), !has_own_end);
	if (cms_plan_run(&new_coupon, params.values, params.nulls, false) == 0)
		return false;
	r->found.coupon.coupon_id = cms_row_int64(0, 1, 0);
	return true;
}

/* 0: the bill or the customer's next number is taken by another transaction. */
static int64
insert_redemption(const Redemption *r, int nth)
{
	const CmsUseRequest *request = &r->request;
	CmsParams params = {0};

	cms_param_int(&params, r->org);
	cms_param_int64(&params, r->found.offer->offer_id);
	cms_param_int64(&params, r->found.coupon.coupon_id);
	cms_param_text(&params, request->customer);
	cms_param(&params, Int32GetDatum(nth), nth == CMS_NTH_NOT_READ);
	cms_param_bool(&params, r->found.common && request->customer == NULL);
	cms_param_text(&params, r->bill_ref);
	cms_param_numeric(&params, request->bill_amount);
	cms_param_numeric(&params, r->verdict.eligible);
	cms_param_numeric(&params, r->verdict.discount);
	cms_param_text(&params, request->place.store);
	cms_param_text(&params, request->place.till);
	cms_param_instant(&params, request->at);
	cms_param_instant(&params, GetCurrentTimestamp());
	cms_param_text(&params, cms_org_caller_name());
	cms_param(&params, Int32GetDatum(r->verdict.uses_left), r->verdict.uses_left == CMS_UNLIMITED);
	if (cms_plan_run(&new_redemption, params.values, params.nulls, false) == 0)
		return 0;
	return cms_row_int64(0, 1, 0);
}

/* A use that is also the issue is counted as both. */
static bool
count_use(const Redemption *r)
{
	const CmsCoupon *coupon = &r->found.coupon;
	CmsCount count = {
		.uses = 1,
		.redeemed_coupons = coupon->uses == 0 ? 1 : 0,
		.discount = r->verdict.discount,
		.has_use_time = true,
		.use_time = r->request.at,
	};

	if (!coupon->issued)
	{
		count.issued = 1;
		count.stock = r->found.common ? 0 : -1;
		count.has_issue_time = true;
		count.issue_time = r->request.at;
	}
	return cms_counter_add(r->found.offer, &count);
}

static void
update_coupon(const Redemption *r)
{
	TimestampTz own_end = 0;
	bool has_own_end;
	Datum values[4] = {Int32GetDatum(r->org),
					   Int64GetDatum(r->found.coupon.coupon_id),
					   TimestampTzGetDatum(r->request.at)};

	if (r->found.coupon.issued || r->found.common)
		cms_plan_write(&use_coupon, values, NULL);
	else
	{
		has_own_end = cms_rule_own_end(r->found.offer, r->request.at, &own_end);
		values[3] = TimestampTzGetDatum(own_end);
		cms_plan_write(&issue_and_use_coupon, values, has_own_end ? "    " : "   n");
	}
}

/* Another transaction took the last unit between evaluation and write: nothing of this attempt stays. */
static void
take_back(const Redemption *r, bool made_coupon)
{
	Datum redemption[] = {Int32GetDatum(r->org), Int64GetDatum(r->redemption_id)};
	Datum coupon[] = {Int32GetDatum(r->org), Int64GetDatum(r->found.coupon.coupon_id)};

	if (r->redemption_id != 0)
		cms_plan_write(&delete_redemption, redemption, NULL);
	if (made_coupon)
		cms_plan_write(&delete_coupon, coupon, NULL);
}

/* Without an amount the lines are the bill. */
static void
fetch_bill(FunctionCallInfo fcinfo, int amount_arg, int items_arg, CmsUseRequest *request)
{
	request->bill_amount = cms_arg_amount(fcinfo, amount_arg, "bill_amount");
	if (PG_ARGISNULL(items_arg))
		return;
	request->items = cms_items_parse(PG_GETARG_JSONB_P(items_arg));
	if (request->bill_amount == NULL)
		request->bill_amount = request->items->total;
}

static Datum
answer(FunctionCallInfo fcinfo, MemoryContext caller, const Redemption *r, bool check)
{
	Datum values[out_columns] = {0};
	bool nulls[out_columns];
	const CmsVerdict *verdict = &r->verdict;
	bool known = r->found.offer != NULL;
	bool ok = r->reason == CMS_OK;

	memset(nulls, true, sizeof(nulls));
	cms_result_text(r->code[0] != '\0' ? r->code : r->given_code, values, nulls, out_code);
	values[out_redeemed] = BoolGetDatum(ok);
	nulls[out_redeemed] = false;
	cms_result_reason(r->reason,
					  cms_message_of_use(r->reason, r->found.offer, verdict),
					  values,
					  nulls,
					  out_reason,
					  out_message);
	values[out_redemption_id] = Int64GetDatum(r->redemption_id);
	nulls[out_redemption_id] = !ok || check;
	if (known)
	{
		values[out_offer_id] = Int64GetDatum(r->found.coupon.offer_id);
		nulls[out_offer_id] = false;
		values[out_coupon_id] = Int64GetDatum(r->found.coupon.coupon_id);
		nulls[out_coupon_id] = r->found.coupon.coupon_id == 0;
	}
	if (known && (ok || check))
	{
		values[out_discount] = NumericGetDatum(verdict->discount);
		nulls[out_discount] = verdict->discount == NULL;
		values[out_payable] = NumericGetDatum(verdict->payable);
		nulls[out_payable] = verdict->payable == NULL;
		values[out_uses_left] = Int32GetDatum(verdict->uses_left);
		nulls[out_uses_left] = verdict->uses_left == CMS_UNLIMITED;
	}
	values[out_next_allowed_at] = TimestampTzGetDatum(verdict->next_allowed_at);
	nulls[out_next_allowed_at] = !verdict->has_next;
	values[out_replayed] = BoolGetDatum(r->replayed);
	nulls[out_replayed] = false;
	if (check)
	{
		values[out_reasons] = reason_names(verdict->reasons, r->reason);
		nulls[out_reasons] = false;
	}
	return cms_result_row(fcinfo, caller, values, nulls);
}

/* Every reason by name, in order; "first" also where no rule was run. */
static Datum
reason_names(uint64 reasons, CmsReason first)
{
	const char *names[CMS_REASON_COUNT];
	int count = 0;

	if (first != CMS_OK)
		reasons |= CMS_REASON_BIT(first);
	for (int reason = 1; reason < CMS_REASON_COUNT; reason++)
		if (reasons & CMS_REASON_BIT(reason))
			names[count++] = cms_reason_name(reason);
	return cms_array_of_texts(names, count);
}
