/*
 * rule.h
 *	  The rules of redeeming and issuing as pure functions: what is known comes
 *	  in as structs, reasons go out. cms_check and cms_redeem run the same one.
 */
#ifndef CMS_RULE_H
#define CMS_RULE_H

#include "items.h"
#include "offer.h"
#include "reason.h"

/* What is known of a coupon. */
typedef struct CmsCoupon
{
	int64 coupon_id; /* 0: a redemption would make it (common code, first use) */
	int64 offer_id;
	char *holder; /* NULL: nobody in particular */
	bool issued;
	TimestampTz issued_at;
	bool has_own_end;
	TimestampTz expires_at;
	bool revoked;
	bool shared;
	int uses; /* live */
	int forfeited_uses;
} CmsCoupon;

/* Where; what is not known is NULL. */
typedef struct CmsPlace
{
	char *till;
	char *store;
	char *zone;
	char *concept;
} CmsPlace;

/* What is asked for. */
typedef struct CmsUseRequest
{
	char *customer;      /* NULL: nobody in particular */
	Numeric bill_amount; /* NULL: not known, the rules about it are left out */
	Numeric left;        /* what other coupons leave of the bill; NULL: all of it */
	CmsItems *items;     /* NULL: not given */
	CmsPlace place;
	TimestampTz at;
} CmsUseRequest;

/* What was used before, reversed uses left out unless forfeited; what is held counts as used. */
typedef struct CmsUsage
{
	int held_of_coupon; /* uses that holds reserve */
	int by_customer;    /* of the offer */
	int by_customer_and_coupon;
	bool has_near_use;       /* a use by the customer within the gap */
	TimestampTz nearest_use; /* the last of them */
	int64 of_offer;
	Numeric discount_of_offer; /* NULL: none */
	int64 issued_of_offer;     /* counted when the use is also the issue */
	bool may_receive; /* the use may be the coupon's issue too (common code, third party) */
} CmsUsage;

typedef struct CmsVerdict
{
	uint64 reasons; /* bit per CmsReason */
	Numeric eligible;
	Numeric discount; /* NULL: no bill amount */
	Numeric payable;
	bool nothing_left; /* other coupons take the whole bill */
	bool is_held;      /* the coupon has uses left but for holds */
	int uses_left;     /* after this use; CMS_UNLIMITED */
	bool has_next;
	TimestampTz next_allowed_at;
} CmsVerdict;

#define CMS_REASON_BIT(reason) (UINT64CONST(1) << (reason))

extern void cms_rule_use(const CmsOffer *offer, const CmsCoupon *coupon,
						 const CmsUseRequest *request, const CmsUsage *usage, CmsVerdict *verdict);
/* the smallest reason of a set, CMS_OK if empty */
extern CmsReason cms_rule_first(uint64 reasons);

/* What is known of a customer who asks for a coupon. */
typedef struct CmsReceipts
{
	bool in_audience;
	int received; /* coupons of the offer, revoked ones too */
	TimestampTz last_received_at;
	bool received_other;           /* F20, from an excluded offer */
	TimestampTz other_received_at; /* the last */
} CmsReceipts;

extern CmsReason cms_rule_issue_offer(const CmsOffer *offer, const char *service,
									  const char *consumer_ref, TimestampTz at);
extern CmsReason cms_rule_issue_customer(const CmsOffer *offer, const CmsReceipts *receipts,
										 TimestampTz at, bool *has_next, DateADT *next_allowed_on);
extern DateADT cms_rule_free_of_others(const CmsOffer *offer, TimestampTz other_received_at);
/* from when, and until when, a coupon issued at "at" is redeemable */
extern TimestampTz cms_rule_valid_from(const CmsOffer *offer, TimestampTz issued_at);
extern bool cms_rule_own_end(const CmsOffer *offer, TimestampTz issued_at, TimestampTz *expires_at);
extern bool cms_rule_effective_end(const CmsOffer *offer, bool has_own_end, TimestampTz own_end,
								   TimestampTz *expires_at);

#endif
