/*
 * message.c
 *	  Reasons in sentences that carry the offer's own numbers and dates.
 */
#include "cms.h"

#include "utils/datetime.h"

#include "claim.h"
#include "message.h"
#include "money.h"

static char *day_text(DateADT day);
static char *instant_text(TimestampTz at, pg_tz *zone);

char *
cms_message_of_use(CmsReason reason, const CmsOffer *offer, const CmsVerdict *verdict)
{
	if (reason == CMS_CODE_REPEATED)
		return pstrdup("The code came before in the same request.");
	if (offer == NULL)
		return NULL;
	switch (reason)
	{
		case CMS_OFFER_EXPIRED:
			return psprintf("The offer ended on %s.", day_text(offer->last_day));
		case CMS_NOT_STARTED:
			if (verdict->has_next)
				return psprintf("The coupon can be redeemed from %s.",
								instant_text(verdict->next_allowed_at, offer->zone));
			return NULL;
		case CMS_ALREADY_REDEEMED:
			return verdict->is_held ? pstrdup("The coupon is held for an order.") : NULL;
		case CMS_COUPON_LIMIT:
			/* of a limit of 0 nothing has been used up, here and below */
			if (offer->max_uses_per_coupon == 0)
				return pstrdup("The offer does not let its coupons be redeemed.");
			return psprintf(
				verdict->is_held
					? "The coupon can be redeemed %d times; those left are held for orders."
					: "The coupon can be redeemed %d times and has been.",
				offer->max_uses_per_coupon);
		case CMS_CUSTOMER_LIMIT:
			if (offer->max_uses_per_customer == 0 || offer->max_uses_per_customer_and_coupon == 0)
				return pstrdup("The offer does not let customers redeem its coupons.");
			return NULL;
		case CMS_OFFER_LIMIT:
			if (offer->max_redemptions == 0)
				return pstrdup("The offer does not let its coupons be redeemed.");
			return NULL;
		case CMS_BUDGET_SPENT:
			if (offer->max_discount_total != NULL &&
				cms_money_compare(offer->max_discount_total, cms_money_zero()) == 0)
				return pstrdup("The offer has no budget.");
			return NULL;
		case CMS_GAP_TOO_SHORT:
			if (verdict->has_next)
				return psprintf("The customer can redeem this offer again from %s.",
								instant_text(verdict->next_allowed_at, offer->zone));
			return NULL;
		case CMS_TIME_NOT_ALLOWED:
			if (verdict->has_next)
				return psprintf("The offer cannot be redeemed at this time; the next is %s.",
								instant_text(verdict->next_allowed_at, offer->zone));
			return NULL;
		case CMS_BILL_TOO_SMALL:
			return psprintf("The bill must be at least %s %s.",
							offer->currency,
							cms_money_text(offer->min_bill));
		case CMS_BILL_TOO_LARGE:
			return psprintf("The bill must be at most %s %s.",
							offer->currency,
							cms_money_text(offer->max_bill));
		case CMS_NO_ELIGIBLE_ITEM:
			if (verdict->nothing_left)
				return pstrdup("The other coupons leave nothing of the bill to pay.");
			return NULL;
		default:
			return NULL;
	}
}

char *
cms_message_of_issue(const CmsOffer *offer, const CmsIssueLine *line)
{
	switch (line->reason)
	{
		case CMS_OFFER_EXPIRED:
			return psprintf("The offer ended on %s.", day_text(offer->last_day));
		case CMS_NOT_THE_CLAIMANT:
			if (offer->claim_service != NULL)
			{
				CmsClaimant holder = {.service = offer->claim_service,
									  .consumer_ref = offer->claim_ref,
									  .consumer_name = offer->claim_name};

				return psprintf("The offer is claimed by %s.", cms_claim_text(&holder));
			}
			return psprintf("The offer was made for %s and has to be claimed before it is issued.",
							offer->owner_service);
		case CMS_CUSTOMER_ISSUE_LIMIT:
			if (offer->max_issued_per_customer == 0)
				return pstrdup("The offer gives customers no coupon.");
			return psprintf("A customer is given at most %d %s of this offer.",
							offer->max_issued_per_customer,
							offer->max_issued_per_customer == 1 ? "coupon" : "coupons");
		case CMS_ISSUE_GAP:
		case CMS_RECENTLY_RECEIVED_OTHER:
			return psprintf("%s Possible again from %s.",
							cms_reason_message(line->reason),
							day_text(line->next_allowed_on));
		case CMS_OFFER_ISSUE_LIMIT:
			if (offer->max_issued == 0)
				return pstrdup("The offer gives out no coupon.");
			return psprintf("The offer gives out at most " INT64_FORMAT " %s.",
							offer->max_issued,
							offer->max_issued == 1 ? "coupon" : "coupons");
		default:
			return pstrdup(cms_reason_message(line->reason));
	}
}

/* "2026-11-12" */
static char *
day_text(DateADT day)
{
	int year, month, mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	return psprintf("%04d-%02d-%02d", year, month, mday);
}

/* the same, with its time "2026-11-12 22:00" where it has one */
static char *
instant_text(TimestampTz at, pg_tz *zone)
{
	DateADT day;
	TimeADT time;
	int minutes;

	cms_local_clock(at, zone, &day, &time);
	minutes = time / USECS_PER_MINUTE;
	if (time == 0)
		return day_text(day);
	return psprintf("%s %02d:%02d", day_text(day), minutes / 60, minutes % 60);
}
