/*
 * bill.c
 *	  cms_redeem_bill: several coupons on one bill, all or none of them (F35).
 *
 * A single redemption waits for others in the order coupon, customer's row, counters. So does a
 * bill, for all its coupons at each step before it goes on to the next, and within a step in an
 * order that does not depend on how the codes came: coupons by their number, those that it makes
 * by their offer, customer's rows and counters by the offer. An offer is counted once for all its
 * coupons: who has counted in one slot must not ask for the others.
 *
 * Coupons are evaluated in the order of the codes, each as if those before it were redeemed.
 * Everything happens in a subtransaction. Where another transaction was faster, or a coupon is
 * refused, it is taken back, with its locks.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "array.h"
#include "issue.h"
#include "money.h"
#include "plan.h"
#include "result.h"
#include "subxact.h"
#include "use.h"

PG_FUNCTION_INFO_V1(cms_redeem_bill);

#define MAX_CODES 100

typedef struct Bill
{
	int count;
	CmsUse *asked;    /* in the order of the codes */
	CmsUse *uses;     /* the same, found and answered by an attempt */
	CmsUse **ordered; /* those that are new, in the order of writing */
	int norder;       /* how many these are */
	int64 *locked;    /* coupons, by number */
	int nlocked;
	bool lock_customer; /* what the customer received of other offers matters */
	bool refused;
} Bill;

/* What became of an attempt. */
typedef enum Attempt
{
	ATTEMPT_AGAIN, /* another transaction was faster */
	ATTEMPT_REFUSED,
	ATTEMPT_DONE
} Attempt;

static void fetch_codes(FunctionCallInfo fcinfo, const CmsUse *request, Bill *bill);
static void look_at_codes(Bill *bill);
static void redeem_bill(Bill *bill);
static Attempt try_bill(Bill *bill);
static Attempt redeem_once(Bill *bill);
static void lock_coupons(Bill *bill);
static bool find_all(Bill *bill);
static bool is_locked(const Bill *bill, int64 coupon_id);
static bool needs_customer(const CmsUse *use);
static Numeric sum_redeemed(const Bill *bill);
static void evaluate(Bill *bill, int n, Numeric *left);
static void add_those_before(const Bill *bill, int n, CmsUsage *usage);
static bool excludes(const CmsOffer *offer, const CmsUse *other);
static inline bool is_new(const CmsUse *use);
static void put_in_order(Bill *bill);
static int compare_order(const void *a, const void *b);
static bool write_all(Bill *bill);
static bool use_allowances(Bill *bill);
static bool count_all(Bill *bill);
static void finish(Bill *bill);
static void end_all(Bill *bill);

/*
 * All that finding the codes may lock, in the order of revoking: coupons that have or had one
 * of them, and the customer's own of common codes.
 */
static CmsPlan lock_by_number = {
	"SELECT l.coupon_id FROM cms.coupon l WHERE l.org_id = $1 AND l.coupon_id = ANY (ARRAY("
	"SELECT c.coupon_id FROM cms.coupon c"
	" WHERE c.org_id = $1 AND c.code = ANY ($2) AND c.revoked_at IS NULL AND NOT c.shared"
	" UNION ALL"
	" SELECT c.coupon_id FROM cms.coupon c"
	" WHERE c.org_id = $1 AND c.code = ANY ($2) AND c.revoked_at IS NOT NULL AND NOT c.shared"
	" UNION ALL"
	" SELECT c.coupon_id FROM cms.offer o JOIN cms.coupon c"
	"  ON c.org_id = $1 AND c.customer_id = $3 AND c.offer_id = o.offer_id AND c.shared"
	" WHERE o.org_id = $1 AND COALESCE(o.common_code, o.sample_code) = ANY ($2) AND o.common_code IS NOT NULL))"
	" ORDER BY l.coupon_id FOR NO KEY UPDATE",
	3,
	{INT4OID, TEXTARRAYOID, TEXTOID}};

/*
 * cms_redeem_bill(codes, customer_id, bill_amount, bill_ref, store_id, till_id, items, at, org)
 */
Datum
cms_redeem_bill(PG_FUNCTION_ARGS)
{
	CmsUse request = {
		.request.customer = cms_arg_id(fcinfo, 1, "customer_id"),
		.ref = cms_arg_id(fcinfo, 3, "bill_ref"),
		.request.place.store = cms_arg_id(fcinfo, 4, "store_id"),
		.request.place.till = cms_arg_id(fcinfo, 5, "till_id"),
		.request.at = cms_arg_at(fcinfo, 7),
		.org = cms_arg_org(fcinfo, 8),
	};
	Bill bill = {0};
	Datum values[cms_use_out_columns] = {0};
	bool nulls[cms_use_out_columns];

	cms_use_fetch_bill(fcinfo, 2, 6, &request.request);
	cms_use_require_amount(&request.request);
	cms_result_start(fcinfo);
	cms_call_begin();
	cms_use_place(&request, false);
	fetch_codes(fcinfo, &request, &bill);
	look_at_codes(&bill);
	if (request.ref != NULL)
		redeem_bill(&bill);
	end_all(&bill);
	for (int i = 0; i < bill.count; i++)
	{
		cms_use_answer(&bill.uses[i], false, values, nulls);
		cms_result_put(fcinfo, values, nulls);
	}
	SPI_finish();
	PG_RETURN_NULL();
}

/* The request once more for each code. */
static void
fetch_codes(FunctionCallInfo fcinfo, const CmsUse *request, Bill *bill)
{
	char **codes;

	bill->count = cms_arg_texts(fcinfo, 0, "codes", &codes);
	if (bill->count < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"codes\" must not be null"),
				 errhint("Pass the codes of the coupons as an array.")));
	if (bill->count == 0 || bill->count > MAX_CODES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"codes\" must have 1 to %d elements, not %d",
						MAX_CODES,
						bill->count),
				 errhint("Call only for bills with coupons.")));
	bill->asked = palloc(sizeof(CmsUse) * bill->count);
	bill->uses = palloc(sizeof(CmsUse) * bill->count);
	bill->ordered = palloc(sizeof(CmsUse *) * bill->count);
	for (int i = 0; i < bill->count; i++)
	{
		bill->asked[i] = *request;
		bill->asked[i].given_code = codes[i];
	}
}

/* What the codes tell without looking at coupons. */
static void
look_at_codes(Bill *bill)
{
	for (int i = 0; i < bill->count; i++)
	{
		CmsUse *use = &bill->asked[i];
		bool may_be_code = cms_use_normalise(use);

		for (int j = 0; j < i && may_be_code; j++)
			if (strcmp(bill->asked[j].code, use->code) == 0)
				use->reason = CMS_CODE_REPEATED;
		if (use->ref == NULL)
			use->reason = CMS_BILL_REFERENCE_REQUIRED;
	}
	memcpy(bill->uses, bill->asked, sizeof(CmsUse) * bill->count);
}

static void
redeem_bill(Bill *bill)
{
	while (try_bill(bill) == ATTEMPT_AGAIN)
		CHECK_FOR_INTERRUPTS();
	finish(bill);
}

static Attempt
try_bill(Bill *bill)
{
	CmsSubxact subxact;
	volatile Attempt result = ATTEMPT_AGAIN;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		result = redeem_once(bill);
		cms_subxact_end(&subxact, result == ATTEMPT_DONE);
	}
	PG_CATCH();
	{
		ReThrowError(cms_subxact_failed(&subxact));
	}
	PG_END_TRY();
	return result;
}

static Attempt
redeem_once(Bill *bill)
{
	Numeric left;

	memcpy(bill->uses, bill->asked, sizeof(CmsUse) * bill->count);
	bill->refused = false;
	if (bill->lock_customer)
		cms_issue_lock_customer(bill->uses[0].org, bill->uses[0].request.customer);
	lock_coupons(bill);
	if (!find_all(bill))
		return ATTEMPT_AGAIN;
	/* redeemed by requests that did not know of each other, the coupons of a bill may exceed it */
	left = cms_money_at_least_zero(
		cms_money_subtract(bill->uses[0].request.bill_amount, sum_redeemed(bill)));
	for (int i = 0; i < bill->count; i++)
		evaluate(bill, i, &left);
	if (bill->refused)
		return ATTEMPT_REFUSED;
	put_in_order(bill);
	return write_all(bill) ? ATTEMPT_DONE : ATTEMPT_AGAIN;
}

static void
lock_coupons(Bill *bill)
{
	const char **codes = palloc(sizeof(char *) * bill->count);
	CmsParams params = {0};
	int count = 0;

	for (int i = 0; i < bill->count; i++)
		if (bill->uses[i].reason == CMS_OK)
			codes[count++] = bill->uses[i].code;
	cms_param_int(&params, bill->uses[0].org);
	cms_param(&params, cms_array_of_texts(codes, count), false);
	cms_param_text(&params, bill->uses[0].request.customer);
	bill->nlocked = cms_plan_run(&lock_by_number, params.values, params.nulls, false);
	bill->locked = palloc(sizeof(int64) * Max(bill->nlocked, 1));
	for (int i = 0; i < bill->nlocked; i++)
		bill->locked[i] = cms_row_int64(i, 1, 0);
}

/*
 * Replays too. False: a coupon came into being since the others were locked, or another lock has
 * to come before theirs; neither can be waited for with them held.
 */
static bool
find_all(Bill *bill)
{
	for (int i = 0; i < bill->count; i++)
	{
		CmsUse *use = &bill->uses[i];

		if (use->reason != CMS_OK || !cms_use_find(use, CMS_FIND_NOW))
			continue;
		if (use->found.coupon.coupon_id != 0 && !is_locked(bill, use->found.coupon.coupon_id))
			return false;
		if (cms_use_replay(use))
			continue;
		if (!bill->lock_customer && needs_customer(use))
		{
			bill->lock_customer = true;
			return false;
		}
	}
	return true;
}

static bool
is_locked(const Bill *bill, int64 coupon_id)
{
	for (int i = 0; i < bill->nlocked; i++)
		if (bill->locked[i] == coupon_id)
			return true;
	return false;
}

/* F20: the use is an issue that depends on other issues to the customer. */
static bool
needs_customer(const CmsUse *use)
{
	return use->found.coupon.coupon_id == 0 && use->found.offer->nexclusions > 0 &&
		   use->request.customer != NULL;
}

/* Discounts of this request that this bill has had before. */
static Numeric
sum_redeemed(const Bill *bill)
{
	Numeric sum = cms_money_zero();

	for (int i = 0; i < bill->count; i++)
		if (bill->uses[i].replayed)
			sum = cms_money_add(sum, bill->uses[i].verdict.discount);
	return sum;
}

/* Takes its discount from what is left of the bill. */
static void
evaluate(Bill *bill, int n, Numeric *left)
{
	CmsUse *use = &bill->uses[n];
	CmsUsage usage;

	if (is_new(use))
	{
		use->request.left = *left;
		if (cms_use_read(use, 0, false, &usage))
		{
			add_those_before(bill, n, &usage);
			cms_use_judge(use, &usage);
		}
	}
	if (use->reason != CMS_OK)
		bill->refused = true;
	else if (is_new(use))
		*left = cms_money_subtract(*left, use->verdict.discount);
}

/* As if they were redeemed. Their coupons are others, but offer and customer may be the same. */
static void
add_those_before(const Bill *bill, int n, CmsUsage *usage)
{
	const CmsUse *use = &bill->uses[n];
	const CmsOffer *offer = use->found.offer;

	for (int i = 0; i < n; i++)
	{
		const CmsUse *other = &bill->uses[i];

		if (!is_new(other))
			continue;
		if (excludes(offer, other))
			usage->may_receive = false;
		if (other->found.coupon.offer_id != use->found.coupon.offer_id)
			continue;
		usage->by_customer++;
		usage->of_offer++;
		usage->discount_of_offer =
			usage->discount_of_offer == NULL
				? other->verdict.discount
				: cms_money_add(usage->discount_of_offer, other->verdict.discount);
		if (!other->found.coupon.issued)
			usage->issued_of_offer++;
		if (offer->min_days_between_uses > 0)
		{
			usage->nearest_use =
				usage->has_near_use ? Max(usage->nearest_use, use->request.at) : use->request.at;
			usage->has_near_use = true;
		}
	}
	if (offer->max_issued != CMS_UNLIMITED && usage->issued_of_offer >= offer->max_issued)
		usage->may_receive = false;
}

/* F20: the coupon that the other use makes is one that the customer has just received. */
static bool
excludes(const CmsOffer *offer, const CmsUse *other)
{
	if (other->found.coupon.coupon_id != 0 || other->request.customer == NULL ||
		cms_rule_free_of_others(offer, other->request.at) <=
			cms_local_date(other->request.at, offer->zone))
		return false;
	for (int i = 0; i < offer->nexclusions; i++)
		if (offer->exclusions[i] == other->found.coupon.offer_id)
			return true;
	return false;
}

/* Redeemed by this request, as far as is known. */
static inline bool
is_new(const CmsUse *use)
{
	return use->reason == CMS_OK && !use->replayed;
}

static void
put_in_order(Bill *bill)
{
	bill->norder = 0;
	for (int i = 0; i < bill->count; i++)
		if (is_new(&bill->uses[i]))
			bill->ordered[bill->norder++] = &bill->uses[i];
	qsort(bill->ordered, bill->norder, sizeof(CmsUse *), compare_order);
}

/* by offer, then by coupon */
static int
compare_order(const void *a, const void *b)
{
	const CmsCoupon *one = &(*(CmsUse *const *) a)->found.coupon;
	const CmsCoupon *two = &(*(CmsUse *const *) b)->found.coupon;

	if (one->offer_id != two->offer_id)
		return one->offer_id < two->offer_id ? -1 : 1;
	if (one->coupon_id != two->coupon_id)
		return one->coupon_id < two->coupon_id ? -1 : 1;
	return 0;
}

/* False: another transaction was faster. */
static bool
write_all(Bill *bill)
{
	for (int i = 0; i < bill->norder; i++)
		if (!cms_use_take(bill->ordered[i]))
			return false;
	if (!use_allowances(bill) || !count_all(bill))
		return false;
	for (int i = 0; i < bill->count; i++)
		if (is_new(&bill->uses[i]))
			cms_use_record(&bill->uses[i]);
	return true;
}

/* The row of the offer is one for all its coupons: each goes on from what the one before wrote. */
static bool
use_allowances(Bill *bill)
{
	for (int i = 0; i < bill->norder; i++)
	{
		CmsUse *use = bill->ordered[i];
		const CmsUse *before = i == 0 ? NULL : bill->ordered[i - 1];

		if (before != NULL && before->found.coupon.offer_id == use->found.coupon.offer_id)
			use->allowance.of_offer = before->allowance.of_offer;
		if (!cms_allowance_use(use->found.offer,
							   use->request.customer,
							   use->found.coupon.coupon_id,
							   &use->allowance))
			return false;
	}
	return true;
}

static bool
count_all(Bill *bill)
{
	int i = 0;

	while (i < bill->norder)
	{
		const CmsOffer *offer = bill->ordered[i]->found.offer;
		int64 offer_id = bill->ordered[i]->found.coupon.offer_id;
		CmsCount count = {0};

		for (; i < bill->norder && bill->ordered[i]->found.coupon.offer_id == offer_id; i++)
			cms_use_count(bill->ordered[i], &count);
		if (!cms_counter_add(offer, &count))
			return false;
	}
	return true;
}

/* What the rows tell of each other. */
static void
finish(Bill *bill)
{
	Numeric payable;

	for (int i = 0; i < bill->count; i++)
		if (bill->refused && is_new(&bill->uses[i]))
			bill->uses[i].reason = CMS_OTHER_COUPON_FAILED;
	payable = bill->uses[0].request.bill_amount;
	for (int i = 0; i < bill->count; i++)
		if (bill->uses[i].reason == CMS_OK)
			payable = cms_money_subtract(payable, bill->uses[i].verdict.discount);
	payable = cms_money_at_least_zero(payable);
	for (int i = 0; i < bill->count; i++)
		bill->uses[i].verdict.payable = payable;
}

/*
 * Codes are attempts one after the other: those after the one that was too many are not looked at,
 * as if it had been the end of the call.
 */
static void
end_all(Bill *bill)
{
	const CmsUse *blocked = NULL;

	for (int i = 0; i < bill->count; i++)
	{
		CmsUse *use = &bill->uses[i];

		if (blocked != NULL && use->reason != CMS_OK)
		{
			use->reason = CMS_TOO_MANY_ATTEMPTS;
			use->verdict = blocked->verdict;
		}
		cms_use_end(use, "REDEEM", false);
		if (use->reason == CMS_TOO_MANY_ATTEMPTS)
			blocked = use;
	}
}
