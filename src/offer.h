/*
 * offer.h
 *	  An offer with everything its rules need, compiled once per backend and
 *	  version. NULL limits are CMS_UNLIMITED.
 */
#ifndef CMS_OFFER_H
#define CMS_OFFER_H

#include "utils/numeric.h"

#include "calendar.h"
#include "code.h"
#include "org_rules.h"

#define CMS_UNLIMITED (-1)

/* Uses of a customer that a rule asks for: those of the offer, those of each coupon. */
#define CMS_CUSTOMER_OFFER 1
#define CMS_CUSTOMER_COUPON 2

typedef enum CmsCodeMethod
{
	CMS_METHOD_GENERATED,
	CMS_METHOD_COMMON,
	CMS_METHOD_UPLOADED,
	CMS_METHOD_RANDOMISED
} CmsCodeMethod;

typedef enum CmsCouponExpiry
{
	CMS_EXPIRY_WITH_OFFER,
	CMS_EXPIRY_DAYS,
	CMS_EXPIRY_MONTH_ENDS
} CmsCouponExpiry;

/* A member of one of the lists: offer_product (kind, value), offer_entity (type, id). */
typedef struct CmsListed
{
	char kind; /* first letter of kind or type */
	const char *value;
} CmsListed;

/*
 * What a backend has found out since, in copies that are otherwise never changed. They only
 * spare a look, so they may be out of date.
 */
typedef struct CmsOfferHints
{
	bool is_issued;     /* a coupon at least, committed: that never changes */
	bool has_key;       /* RANDOMISED: committed, never changes */
	uint8 key[16];      /* of the order, CMS_PERMUTATION_KEY_LENGTH */
	int returning;      /* so many more customers are expected to have received it before */
	int64 far_from_cap; /* so many more issues need no look at max_issued */
	int64 far_from_caps_of_uses; /* so many more uses, at max_redemptions and max_discount_total */
} CmsOfferHints;

typedef struct CmsOffer
{
	/* key of the cache */
	int org;
	int64 offer_id;
	int64 version;

	char *name;
	bool archived; /* or purged: it gives out no more coupons */

	/* the org */
	pg_tz *zone;
	char *currency;
	int minor_units;
	CmsOrgRules org_rules;

	/* the claim; service NULL: nobody's */
	char *owner_service;
	char *owner_ref;
	char *claim_service;
	char *claim_ref;
	char *claim_name;

	/* end */
	bool has_end;
	DateADT last_day;
	TimestampTz ends_at; /* exclusive */
	bool end_binds_coupons;
	CmsCouponExpiry coupon_expiry;
	int coupon_expiry_value;

	/* discount */
	bool percentage;
	Numeric discount_value;
	Numeric discount_cap; /* NULL: none */
	bool selected_products;
	CmsListed *products; /* sorted */
	int nproducts;
	bool sale_items;

	/* codes */
	CmsCodeMethod method;
	CmsCodePattern pattern; /* of GENERATED and RANDOMISED */
	bool allow_dense_codes;
	bool has_stock; /* whoever stocks the first code raises the version */
	char *common_code;
	bool third_party;

	/* issue */
	bool audience_only;
	int64 max_issued;
	int max_issued_per_customer;
	int min_days_between_issues; /* 0: none */
	int past_issue_months;
	int nexclusions;
	int64 *exclusions;
	bool reissue_existing;

	/* redemption */
	bool anyone_may_redeem;
	int starts_after_days; /* 0: at once */
	bool has_starts_on;
	DateADT starts_on;
	int max_uses_per_coupon;
	int max_uses_per_customer_and_coupon;
	int max_uses_per_customer;
	int min_days_between_uses; /* 0: none */
	int customer_rules;        /* bits: what cms.customer_use keeps for them */
	int customer_epoch;        /* raised whenever those change */
	int64 max_redemptions;
	Numeric max_discount_total; /* NULL: unlimited */
	Numeric min_bill;           /* NULL: none */
	Numeric max_bill;
	bool selected_stores;
	CmsListed *places; /* sorted */
	int nplaces;
	CmsWindow *windows;
	int nwindows;
	bool reversal_restores_use;

	CmsOfferHints *hints;
	MemoryContext context;         /* holds all of it */
	struct CmsOffer *next_retired; /* of the cache */
} CmsOffer;

/*
 * The compiled offer, between cms_call_begin and SPI_finish; valid until the end of the
 * SQL call. With the version known from another statement; without them (one
 * statement more). MS001 when the org has no such offer. read_only: true in
 * callables that are STABLE.
 */
extern const CmsOffer *cms_offer_of_version(int org, int64 offer_id, int64 version, bool read_only);
extern const CmsOffer *cms_offer_get(int org, int64 offer_id, bool read_only);
/* a new struct, in a memory context of its own below the current one; MS001 when there is no such offer */
extern CmsOffer *cms_offer_compile(int org, int64 offer_id, bool read_only);
/* of now; 0: it has none */
extern int64 cms_offer_version(int org, int64 offer_id, bool read_only);
/* whether nobody else has changed it since; under a fixed snapshot error 40001 if somebody has */
extern bool cms_offer_stands(const CmsOffer *offer);
/* SPI_connect at the start of a call that uses offers; the call ends with SPI_finish */
extern void cms_call_begin(void);
extern bool cms_offer_lists(const CmsListed *list, int count, char kind, const char *value);
/* what is left of the caps, just read, for so many sessions: how many uses need no look at them before */
extern void
cms_offer_hint_caps(const CmsOffer *offer, int64 uses_left, Numeric discount_left, int sessions);
pg_noreturn extern void cms_offer_unknown(int64 offer_id);

#endif
