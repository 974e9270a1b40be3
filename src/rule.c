/*
 * rule.c
 *	  The rules of redeeming and issuing. Pure: structs in, reasons out.
 *
 * Every rule is looked at, also after one has refused, so that cms_check can
 * tell all reasons; the caller that wants one takes the first in the published
 * order. Marks such as F24 name the feature a rule comes from.
 */
#include "cms.h"

#include "port/pg_bitutils.h"

#include "money.h"
#include "rule.h"
#include "text.h"

static void rule_validity(const CmsOffer *offer, const CmsCoupon *coupon,
						  const CmsUseRequest *request, const CmsUsage *usage, CmsVerdict *verdict);
static void rule_limits(const CmsOffer *offer, const CmsCoupon *coupon,
						const CmsUseRequest *request, const CmsUsage *usage, CmsVerdict *verdict);
static void
rule_where_and_when(const CmsOffer *offer, const CmsUseRequest *request, CmsVerdict *verdict);
static void rule_bill(const CmsOffer *offer, const CmsUseRequest *request, const CmsUsage *usage,
					  CmsVerdict *verdict);
static Numeric
discount_of(const CmsOffer *offer, const CmsUseRequest *request, CmsVerdict *verdict);
static bool line_is_eligible(const CmsOffer *offer, const CmsItem *line);
static void tell_next(const CmsOffer *offer, const CmsCoupon *coupon, const CmsUseRequest *request,
					  const CmsUsage *usage, CmsVerdict *verdict);
static bool is_over(const CmsOffer *offer, const CmsCoupon *coupon, TimestampTz at);
static bool has_started(const CmsOffer *offer, const CmsCoupon *coupon, TimestampTz at);
static DateADT first_day(const CmsOffer *offer, const CmsCoupon *coupon);

static inline void
refuse(CmsVerdict *verdict, CmsReason reason)
{
	verdict->reasons |= CMS_REASON_BIT(reason);
}

void
cms_rule_use(const CmsOffer *offer, const CmsCoupon *coupon, const CmsUseRequest *request,
			 const CmsUsage *usage, CmsVerdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	rule_validity(offer, coupon, request, usage, verdict);
	rule_limits(offer, coupon, request, usage, verdict);
	rule_where_and_when(offer, request, verdict);
	rule_bill(offer, request, usage, verdict);
	tell_next(offer, coupon, request, usage, verdict);
}

/* F13, F16, F22, F24, F25: is it a coupon, now, for this customer? */
static void
rule_validity(const CmsOffer *offer, const CmsCoupon *coupon, const CmsUseRequest *request,
			  const CmsUsage *usage, CmsVerdict *verdict)
{
	if (coupon->revoked)
		refuse(verdict, CMS_COUPON_REVOKED);
	if (!coupon->issued && !usage->may_receive)
		refuse(verdict, CMS_NOT_ISSUED);
	if (is_over(offer, coupon, request->at))
		refuse(verdict, CMS_OFFER_EXPIRED);
	if (coupon->has_own_end && request->at >= coupon->expires_at)
		refuse(verdict, CMS_COUPON_EXPIRED);
	if (!has_started(offer, coupon, request->at))
		refuse(verdict, CMS_NOT_STARTED);
	/* what nobody in particular holds is for whoever brings it */
	if (!offer->anyone_may_redeem && coupon->holder != NULL &&
		!cms_text_equal(coupon->holder, request->customer))
		refuse(verdict, CMS_NOT_THE_HOLDER);
}

/* Coupons may outlive the offer, but none of a common code comes into being after it. */
static bool
is_over(const CmsOffer *offer, const CmsCoupon *coupon, TimestampTz at)
{
	return (offer->end_binds_coupons || (offer->has_end && coupon->shared && !coupon->issued)) &&
		   at >= offer->ends_at;
}

/* F26, F27, F28: how often was it used? */
static void
rule_limits(const CmsOffer *offer, const CmsCoupon *coupon, const CmsUseRequest *request,
			const CmsUsage *usage, CmsVerdict *verdict)
{
	int64 used = (int64) coupon->uses + coupon->forfeited_uses + usage->held_of_coupon;

	if (offer->max_uses_per_coupon != CMS_UNLIMITED && used >= offer->max_uses_per_coupon)
	{
		refuse(verdict, offer->max_uses_per_coupon == 1 ? CMS_ALREADY_REDEEMED : CMS_COUPON_LIMIT);
		verdict->is_held = used - usage->held_of_coupon < offer->max_uses_per_coupon;
	}
	if (offer->max_uses_per_coupon == CMS_UNLIMITED)
		verdict->uses_left = CMS_UNLIMITED;
	else
		verdict->uses_left = Max(offer->max_uses_per_coupon - used - 1, 0);

	if ((offer->max_uses_per_customer != CMS_UNLIMITED &&
		 usage->by_customer >= offer->max_uses_per_customer) ||
		(offer->max_uses_per_customer_and_coupon != CMS_UNLIMITED &&
		 usage->by_customer_and_coupon >= offer->max_uses_per_customer_and_coupon))
		refuse(verdict, CMS_CUSTOMER_LIMIT);
	if (usage->has_near_use)
		refuse(verdict, CMS_GAP_TOO_SHORT);
	if (offer->max_redemptions != CMS_UNLIMITED && usage->of_offer >= offer->max_redemptions)
		refuse(verdict, CMS_OFFER_LIMIT);
}

/* F29, F31 */
static void
rule_where_and_when(const CmsOffer *offer, const CmsUseRequest *request, CmsVerdict *verdict)
{
	const CmsPlace *place = &request->place;
	bool open = false;
	DateADT day;
	TimeADT time;

	if (offer->selected_stores &&
		!cms_offer_lists(offer->places, offer->nplaces, 'T', place->till) &&
		!cms_offer_lists(offer->places, offer->nplaces, 'S', place->store) &&
		!cms_offer_lists(offer->places, offer->nplaces, 'Z', place->zone) &&
		!cms_offer_lists(offer->places, offer->nplaces, 'C', place->concept))
		refuse(verdict, CMS_STORE_NOT_ALLOWED);

	if (offer->nwindows == 0)
		return;
	cms_local_clock(request->at, offer->zone, &day, &time);
	for (int i = 0; i < offer->nwindows && !open; i++)
		open = cms_window_contains(&offer->windows[i], day, time);
	if (!open)
		refuse(verdict, CMS_TIME_NOT_ALLOWED);
}

/* F1, F28, F30, F32: the amount, the lines, the discount, the budget. */
static void
rule_bill(const CmsOffer *offer, const CmsUseRequest *request, const CmsUsage *usage,
		  CmsVerdict *verdict)
{
	Numeric bill = request->bill_amount;
	int eligible_lines = 0;

	if (bill == NULL)
		return;
	if (offer->min_bill != NULL && cms_money_compare(bill, offer->min_bill) < 0)
		refuse(verdict, CMS_BILL_TOO_SMALL);
	if (offer->max_bill != NULL && cms_money_compare(bill, offer->max_bill) > 0)
		refuse(verdict, CMS_BILL_TOO_LARGE);

	if (request->items == NULL)
	{
		/* the bill is one line of which nothing but its amount is known */
		verdict->eligible = bill;
		eligible_lines = offer->selected_products ? 0 : 1;
	}
	else
	{
		verdict->eligible = cms_money_zero();
		for (int i = 0; i < request->items->count; i++)
		{
			const CmsItem *line = &request->items->lines[i];

			if (!line_is_eligible(offer, line))
				continue;
			eligible_lines++;
			verdict->eligible = cms_money_add(verdict->eligible, line->amount);
		}
		/* lines that add up to more than the bill do not raise the discount above it */
		if (cms_money_compare(verdict->eligible, bill) > 0)
			verdict->eligible = bill;
	}
	if (eligible_lines == 0)
	{
		refuse(verdict, CMS_NO_ELIGIBLE_ITEM);
		verdict->eligible = cms_money_zero();
	}
	verdict->discount = discount_of(offer, request, verdict);
	verdict->payable = cms_money_subtract(bill, verdict->discount);

	if (offer->max_discount_total != NULL)
	{
		Numeric total = verdict->discount;

		if (usage->discount_of_offer != NULL)
			total = cms_money_add(total, usage->discount_of_offer);
		if (cms_money_compare(total, offer->max_discount_total) > 0)
			refuse(verdict, CMS_BUDGET_SPENT);
	}
}

/*
 * F32, F35: of the eligible amount, as far as other coupons leave something to pay. A use that
 * would give nothing for that reason is refused: the coupon would be spent in vain.
 */
static Numeric
discount_of(const CmsOffer *offer, const CmsUseRequest *request, CmsVerdict *verdict)
{
	Numeric discount = cms_money_discount(offer->percentage,
										  offer->discount_value,
										  offer->discount_cap,
										  verdict->eligible,
										  offer->minor_units);

	if (request->left == NULL || cms_money_compare(discount, request->left) <= 0)
		return discount;
	discount = cms_money_discount(offer->percentage,
								  offer->discount_value,
								  request->left,
								  verdict->eligible,
								  offer->minor_units);
	if (cms_money_compare(discount, cms_money_zero()) == 0)
	{
		verdict->nothing_left = true;
		refuse(verdict, CMS_NO_ELIGIBLE_ITEM);
	}
	return discount;
}

static bool
line_is_eligible(const CmsOffer *offer, const CmsItem *line)
{
	if (line->on_sale && !offer->sale_items)
		return false;
	return !offer->selected_products ||
		   cms_offer_lists(offer->products, offer->nproducts, 'S', line->sku) ||
		   cms_offer_lists(offer->products, offer->nproducts, 'C', line->category) ||
		   cms_offer_lists(offer->products, offer->nproducts, 'B', line->brand);
}

/*
 * F25, F27, F31: if the refusal that comes first is one of the calendar, the first moment at which none
 * of these is in the way, if the coupon still stands then.
 */
static void
tell_next(const CmsOffer *offer, const CmsCoupon *coupon, const CmsUseRequest *request,
		  const CmsUsage *usage, CmsVerdict *verdict)
{
	CmsReason first = cms_rule_first(verdict->reasons);
	TimestampTz next = request->at;

	if (first != CMS_NOT_STARTED && first != CMS_GAP_TOO_SHORT && first != CMS_TIME_NOT_ALLOWED)
		return;
	if ((verdict->reasons & CMS_REASON_BIT(CMS_NOT_STARTED)) != 0)
		next = Max(next, cms_day_begin(first_day(offer, coupon), offer->zone));
	if (usage->has_near_use)
		next = Max(next,
				   cms_day_begin(cms_local_date(usage->nearest_use, offer->zone) +
									 offer->min_days_between_uses,
								 offer->zone));
	if (offer->nwindows > 0 && !TIMESTAMP_NOT_FINITE(next))
		next = cms_windows_next_open(offer->windows, offer->nwindows, next - 1, offer->zone);
	if (TIMESTAMP_NOT_FINITE(next) || is_over(offer, coupon, next) ||
		(coupon->has_own_end && next >= coupon->expires_at))
		return;
	verdict->next_allowed_at = next;
	verdict->has_next = true;
}

/* F25. Without a rule about its first day, a coupon can be redeemed from the moment of its issue. */
static bool
has_started(const CmsOffer *offer, const CmsCoupon *coupon, TimestampTz at)
{
	if (!offer->has_starts_on && offer->starts_after_days == 0 &&
		(!coupon->issued || at >= coupon->issued_at))
		return true;
	return cms_local_date(at, offer->zone) >= first_day(offer, coupon);
}

/* F25: the first day of redemption; all that is set must hold. */
static DateADT
first_day(const CmsOffer *offer, const CmsCoupon *coupon)
{
	DateADT day = DATEVAL_NOBEGIN;

	if (coupon->issued)
		day = cms_local_date(coupon->issued_at, offer->zone) + offer->starts_after_days;
	if (offer->has_starts_on)
		day = Max(day, offer->starts_on);
	return day;
}

CmsReason
cms_rule_first(uint64 reasons)
{
	return reasons == 0 ? CMS_OK : (CmsReason) pg_rightmost_one_pos64(reasons);
}

/*
 * F5, F8, F15: may anything of the offer be issued by this service? An offer of
 * a module has to be claimed first; naming the service does that.
 */
CmsReason
cms_rule_issue_offer(const CmsOffer *offer, const char *service, const char *consumer_ref,
					 TimestampTz at)
{
	if (offer->archived)
		return CMS_OFFER_ARCHIVED;
	if (offer->claim_service != NULL)
	{
		if (!cms_text_equal(offer->claim_service, service) ||
			!cms_text_equal(offer->claim_ref, consumer_ref))
			return CMS_NOT_THE_CLAIMANT;
	}
	else if (offer->owner_service != NULL)
		return CMS_NOT_THE_CLAIMANT;
	if (offer->has_end && at >= offer->ends_at)
		return CMS_OFFER_EXPIRED;
	return CMS_OK;
}

/* F10, F17, F18, F20: may this customer be given one more? */
CmsReason
cms_rule_issue_customer(const CmsOffer *offer, const CmsReceipts *receipts, TimestampTz at,
						bool *has_next, DateADT *next_allowed_on)
{
	DateADT today = cms_local_date(at, offer->zone);

	*has_next = false;
	if (offer->audience_only && !receipts->in_audience)
		return CMS_NOT_IN_AUDIENCE;
	if (receipts->received_other)
	{
		DateADT free_on = cms_rule_free_of_others(offer, receipts->other_received_at);

		if (free_on > today)
		{
			*has_next = true;
			*next_allowed_on = free_on;
			return CMS_RECENTLY_RECEIVED_OTHER;
		}
	}
	if (offer->method == CMS_METHOD_COMMON && receipts->received > 0)
		return CMS_COMMON_CODE_ONCE;
	/* F16: what a third party hands out is its own affair */
	if (offer->third_party)
		return CMS_OK;
	if (offer->max_issued_per_customer != CMS_UNLIMITED &&
		receipts->received >= offer->max_issued_per_customer)
		return CMS_CUSTOMER_ISSUE_LIMIT;
	if (offer->min_days_between_issues > 0 && receipts->received > 0)
	{
		DateADT free_on = cms_local_date(receipts->last_received_at, offer->zone) +
						  offer->min_days_between_issues;

		if (free_on > today)
		{
			*has_next = true;
			*next_allowed_on = free_on;
			return CMS_ISSUE_GAP;
		}
	}
	return CMS_OK;
}

/* F20: the day from which a coupon of an excluded offer, received then, is no longer in the way. */
DateADT
cms_rule_free_of_others(const CmsOffer *offer, TimestampTz other_received_at)
{
	return cms_add_months(cms_local_date(other_received_at, offer->zone), offer->past_issue_months);
}

/* F25, as an instant: what the customer is told. */
TimestampTz
cms_rule_valid_from(const CmsOffer *offer, TimestampTz issued_at)
{
	TimestampTz from = issued_at;

	if (offer->starts_after_days > 0)
		from = Max(from,
				   cms_day_begin(cms_local_date(issued_at, offer->zone) + offer->starts_after_days,
								 offer->zone));
	if (offer->has_starts_on)
		from = Max(from, cms_day_begin(offer->starts_on, offer->zone));
	return from;
}

/* F22: the coupon's own end, exclusive; false if it has none. */
bool
cms_rule_own_end(const CmsOffer *offer, TimestampTz issued_at, TimestampTz *expires_at)
{
	DateADT day = cms_local_date(issued_at, offer->zone);

	switch (offer->coupon_expiry)
	{
		case CMS_EXPIRY_WITH_OFFER:
			return false;
		case CMS_EXPIRY_DAYS:
			day += offer->coupon_expiry_value;
			break;
		case CMS_EXPIRY_MONTH_ENDS:
			day = cms_month_end(day, offer->coupon_expiry_value);
			break;
	}
	*expires_at = cms_day_begin(day + 1, offer->zone);
	/* beyond the last instant there is none that could be stored */
	return !TIMESTAMP_IS_NOEND(*expires_at);
}

/* F22: the earlier of its own end and the offer's, where that binds; false if it never ends. */
bool
cms_rule_effective_end(const CmsOffer *offer, bool has_own_end, TimestampTz own_end,
					   TimestampTz *expires_at)
{
	*expires_at = DT_NOEND;
	if (has_own_end)
		*expires_at = own_end;
	if (offer->end_binds_coupons)
		*expires_at = Min(*expires_at, offer->ends_at);
	return has_own_end || offer->end_binds_coupons;
}
