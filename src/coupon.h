/*
 * coupon.h
 *	  A coupon found by what was typed, and the facts that its rules ask for.
 *	  Within SPI_connect/SPI_finish.
 */
#ifndef CMS_COUPON_H
#define CMS_COUPON_H

#include "storage/itemptr.h"

#include "allowance.h"

/* A coupon as found, with the compiled offer it belongs to. */
typedef struct CmsFound
{
	const CmsOffer *offer;
	CmsCoupon coupon;
	bool redeemed_before; /* ever, reversed or not */
	TimestampTz last_redeemed_at;
	bool common;      /* by the offer's common code */
	bool may_be_held; /* a hold that counts may be there */
	TimestampTz held_until;
	bool locked; /* for the rest of the transaction */
	/* where the row is and who wrote it: both change with every change of it */
	ItemPointerData place;
	TransactionId writer;
} CmsFound;

/* How a coupon is looked for. */
typedef enum CmsFind
{
	CMS_FIND_READ_ONLY, /* with the snapshot of the calling statement */
	CMS_FIND_NOW,       /* sees what this call and others have written before it */
	CMS_FIND_LOCKED     /* the same, and takes the row for the rest of the transaction */
} CmsFind;

/*
 * Finds the coupon of a normalised code for a customer. Of a common code it is the
 * customer's own, or one that does not exist yet (coupon_id 0). False: there is no
 * such code in the org.
 */
extern bool
cms_coupon_find(int org, const char *code, const char *customer, CmsFind how, CmsFound *found);

/*
 * What a customer holds and may be able to redeem; answers how many coupons, in the order
 * of offers. codes: the code of each. Only reads.
 */
extern int cms_coupon_find_open(int org, const char *customer, TimestampTz at, CmsFound **found,
								char ***codes);

/* Finds and locks a coupon by its number, and tells its code. False: there is no such one in the org. */
extern bool cms_coupon_find_by_id(int org, int64 coupon_id, CmsFound *found, char **code);

/*
 * F24: the redeemer's own coupon of a common code comes into being, by its first use or by a hold
 * until "held_until" (NULL: none). False: it is there already.
 */
extern bool cms_coupon_make(CmsFound *found, const char *code, const CmsUseRequest *request,
							const TimestampTz *held_until);
/* Takes it back, before anybody has seen it. */
extern void cms_coupon_unmake(const CmsFound *found);

/* Where till and store are; MS010 if they contradict. Fills place->store of a registered till. */
extern void cms_coupon_resolve_place(int org, CmsPlace *place, bool read_only);

/*
 * What was used before, as far as the offer's rules ask; the allowance is the customer's, as it
 * has to be when the use is written. own_hold: a hold that is not to count, 0 for none. lazy:
 * what the writes decide anyway may be left to them, and looks like nothing till then.
 */
extern void
cms_coupon_read_usage(const CmsFound *found, const CmsUseRequest *request, int64 own_hold,
					  bool read_only, bool lazy, CmsAllowance *allowance, CmsUsage *usage);
/* of it, what the coupon and the customer have used, without what all of the offer have */
extern void
cms_coupon_read_own_usage(const CmsFound *found, const CmsUseRequest *request, int64 own_hold,
						  bool read_only, bool lazy, CmsAllowance *allowance, CmsUsage *usage);

#endif
