/*
 * reason.h
 *	  Why a request is refused. Within each group the order is the published
 *	  order of precedence: of several reasons that hold, the smallest counts.
 */
#ifndef CMS_REASON_H
#define CMS_REASON_H

typedef enum CmsReason
{
	CMS_OK = 0,

	/* before any rule */
	CMS_BILL_REFERENCE_REQUIRED,
	CMS_BILL_CONFLICT,
	CMS_KEY_CONFLICT,
	CMS_TOO_MANY_ATTEMPTS,

	/* redeem, check and hold */
	CMS_CODE_NOT_FOUND,
	CMS_COUPON_REVOKED,
	CMS_NOT_ISSUED,
	CMS_OFFER_EXPIRED,
	CMS_COUPON_EXPIRED,
	CMS_NOT_STARTED,
	CMS_NOT_THE_HOLDER,
	CMS_ALREADY_REDEEMED,
	CMS_COUPON_LIMIT,
	CMS_CUSTOMER_LIMIT,
	CMS_GAP_TOO_SHORT,
	CMS_STORE_NOT_ALLOWED,
	CMS_TIME_NOT_ALLOWED,
	CMS_BILL_TOO_SMALL,
	CMS_BILL_TOO_LARGE,
	CMS_NO_ELIGIBLE_ITEM,
	CMS_OFFER_LIMIT,
	CMS_BUDGET_SPENT,
	CMS_OTHER_COUPON_FAILED,
	CMS_HOLD_NOT_FOUND,
	CMS_HOLD_EXPIRED,

	/* issue (OFFER_EXPIRED is shared, its place here is after NOT_THE_CLAIMANT) */
	CMS_OFFER_ARCHIVED,
	CMS_NOT_THE_CLAIMANT,
	CMS_NOT_IN_AUDIENCE,
	CMS_RECENTLY_RECEIVED_OTHER,
	CMS_COMMON_CODE_ONCE,
	CMS_CUSTOMER_ISSUE_LIMIT,
	CMS_ISSUE_GAP,
	CMS_OFFER_ISSUE_LIMIT,
	CMS_NO_CODES_LEFT,

	/* claim */
	CMS_NOT_VISIBLE,
	CMS_ALREADY_CLAIMED,
	CMS_CAMPAIGN_HAS_OFFER,
	CMS_ALREADY_ISSUED,

	/* upload */
	CMS_CODE_EMPTY,
	CMS_CODE_INVALID,
	CMS_CODE_TOO_LONG,
	CMS_CODE_REPEATED,
	CMS_CUSTOMER_INVALID,
	CMS_CODE_TAKEN,
	CMS_CODE_RESERVED,

	/* reverse, change of expiry, resend */
	CMS_ALREADY_REVERSED,
	CMS_BEFORE_ISSUE,
	CMS_BEYOND_OFFER,
	CMS_RESEND_NOT_ALLOWED,

	/* messages */
	CMS_REMINDER_REMOVED,
	CMS_EXPIRY_MOVED,
	CMS_TOO_LATE,
	CMS_MESSAGE_NOT_FOUND,
	CMS_NOT_TAKEN,
	CMS_LEASE_LOST,
	CMS_NOT_DEAD,

	/* places by name */
	CMS_ID_EMPTY,
	CMS_NAME_UNKNOWN,
	CMS_NAME_AMBIGUOUS,

	CMS_REASON_COUNT
} CmsReason;

/* the published name, NULL for CMS_OK */
extern const char *cms_reason_name(CmsReason reason);
/* the reason of a published name */
extern CmsReason cms_reason_of_name(const char *name);
/* a sentence for a person, NULL for CMS_OK; callers that know more say more */
extern const char *cms_reason_message(CmsReason reason);

#endif
