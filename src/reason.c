/*
 * reason.c
 *	  The published names of the reasons, and a sentence for each.
 *
 * Names are part of the interface and never change; sentences may. Who knows
 * more (a date, an amount, a holder) says more than the sentence here.
 */
#include "cms.h"

#include "reason.h"

typedef struct ReasonText
{
	const char *name;
	const char *message;
} ReasonText;

#define REASON(reason, message) [CMS_##reason] = {#reason, message}

static const ReasonText reason_texts[] = {
	[CMS_OK] = {NULL, NULL},

	REASON(BILL_REFERENCE_REQUIRED, "A redemption needs the reference of its bill."),
	REASON(
		BILL_CONFLICT,
		"This bill has redeemed the coupon before, with another customer, amount, store or till."),
	REASON(KEY_CONFLICT, "The request key was used before, for another request."),
	REASON(TOO_MANY_ATTEMPTS, "Too many unknown codes were tried; none is accepted for a while."),

	REASON(CODE_NOT_FOUND, "There is no coupon with this code."),
	REASON(COUPON_REVOKED, "The coupon is revoked."),
	REASON(NOT_ISSUED, "The coupon has not been issued."),
	REASON(OFFER_EXPIRED, "The offer has ended."),
	REASON(COUPON_EXPIRED, "The coupon has expired."),
	REASON(NOT_STARTED, "The coupon cannot be redeemed yet."),
	REASON(NOT_THE_HOLDER, "The coupon belongs to another customer."),
	REASON(ALREADY_REDEEMED, "The coupon is redeemed already."),
	REASON(COUPON_LIMIT, "The coupon has no use left."),
	REASON(CUSTOMER_LIMIT, "The customer has no use of this offer left."),
	REASON(GAP_TOO_SHORT, "The customer used this offer too short a time ago."),
	REASON(STORE_NOT_ALLOWED, "The coupon is not valid at this place."),
	REASON(TIME_NOT_ALLOWED, "The coupon is not valid at this time."),
	REASON(BILL_TOO_SMALL, "The bill is below the smallest amount of the offer."),
	REASON(BILL_TOO_LARGE, "The bill is above the largest amount of the offer."),
	REASON(NO_ELIGIBLE_ITEM, "Nothing on the bill is part of the offer."),
	REASON(OFFER_LIMIT, "The offer has no redemption left."),
	REASON(BUDGET_SPENT, "The budget of the offer is spent."),
	REASON(OTHER_COUPON_FAILED, "Another coupon of the same request was refused."),
	REASON(HOLD_NOT_FOUND, "There is no such hold."),
	REASON(HOLD_EXPIRED, "The hold has expired, and the use cannot be taken anew."),

	REASON(OFFER_ARCHIVED, "The offer is archived."),
	REASON(NOT_THE_CLAIMANT, "The offer is claimed by another service, campaign or program."),
	REASON(NOT_IN_AUDIENCE, "The customer is not in the audience of the offer."),
	REASON(RECENTLY_RECEIVED_OTHER,
		   "The customer has lately received a coupon of an offer that excludes this one."),
	REASON(COMMON_CODE_ONCE, "The customer has the common code already."),
	REASON(CUSTOMER_ISSUE_LIMIT, "The customer has received all coupons the offer gives to one."),
	REASON(ISSUE_GAP, "The customer received a coupon of this offer too short a time ago."),
	REASON(OFFER_ISSUE_LIMIT, "The offer has no coupon left to issue."),
	REASON(NO_CODES_LEFT, "The offer has no code left."),

	REASON(NOT_VISIBLE, "The offer belongs to another service, campaign or program."),
	REASON(ALREADY_CLAIMED, "The offer is claimed already."),
	REASON(CAMPAIGN_HAS_OFFER, "The campaign has an offer already."),
	REASON(ALREADY_ISSUED, "The offer has issued coupons already."),

	REASON(CODE_EMPTY, "The code is empty."),
	REASON(CODE_INVALID, "The code has characters other than letters, digits, - and _."),
	REASON(CODE_TOO_LONG, "The code has more than 40 characters."),
	REASON(CODE_REPEATED, "The code came before in the same upload."),
	REASON(CUSTOMER_INVALID, "The customer's id is longer than 1000 bytes."),
	REASON(CODE_TAKEN, "The code belongs to another coupon."),
	REASON(CODE_RESERVED, "The code is kept for a common or randomised offer."),

	REASON(ALREADY_REVERSED, "The redemption is reversed already."),
	REASON(BEFORE_ISSUE, "The coupon was issued after that day."),
	REASON(BEYOND_OFFER, "The offer ends before that day."),
	REASON(RESEND_NOT_ALLOWED, "The offer does not allow to send a coupon again."),

	REASON(REMINDER_REMOVED, "Nothing asks for the message any more."),
	REASON(EXPIRY_MOVED, "The coupon or the offer ends on another day by now."),
	REASON(TOO_LATE, "The time to send the message is over."),
	REASON(MESSAGE_NOT_FOUND, "There is no such message."),
	REASON(NOT_TAKEN, "No sender has taken the message."),
	REASON(LEASE_LOST, "The message was taken, answered or cancelled since."),
	REASON(NOT_DEAD, "The message is not dead."),

	REASON(ID_EMPTY, "The id is empty."),
	REASON(NAME_UNKNOWN, "No place of this type has this name."),
	REASON(NAME_AMBIGUOUS, "Several places of this type have this name."),
};

StaticAssertDecl(lengthof(reason_texts) == CMS_REASON_COUNT,
				 "reason_texts must have an entry for each reason");

/* The published name; NULL for CMS_OK. */
const char *
cms_reason_name(CmsReason reason)
{
	Assert(reason == CMS_OK || reason_texts[reason].name != NULL);
	return reason_texts[reason].name;
}

/* The sentence for a person; NULL for CMS_OK. */
const char *
cms_reason_message(CmsReason reason)
{
	return reason_texts[reason].message;
}

CmsReason
cms_reason_of_name(const char *name)
{
	for (int reason = CMS_OK + 1; reason < CMS_REASON_COUNT; reason++)
		if (strcmp(cms_reason_name((CmsReason) reason), name) == 0)
			return (CmsReason) reason;
	elog(ERROR, "unknown reason \"%s\"", name);
}
