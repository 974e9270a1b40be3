/*
 * hold.h
 *	  Holds: uses reserved for orders (F36). Within SPI_connect/SPI_finish.
 */
#ifndef CMS_HOLD_H
#define CMS_HOLD_H

#include "utils/jsonb.h"

#include "use.h"

typedef enum CmsHoldStatus
{
	CMS_HOLD_HELD,
	CMS_HOLD_CONFIRMED,
	CMS_HOLD_RELEASED,
	CMS_HOLD_EXPIRED_STATUS /* CMS_HOLD_EXPIRED is the reason */
} CmsHoldStatus;

/* A row of cms.hold. */
typedef struct CmsHold
{
	int64 hold_id; /* 0: none */
	int64 offer_id;
	int64 coupon_id;
	char *code; /* of the coupon, where the hold was found by its number */
	char *customer;
	char *order_ref;
	CmsHoldStatus status;
	Numeric bill_amount;
	Numeric eligible;
	Numeric discount;
	Jsonb *items; /* NULL: none came */
	char *store;
	char *till;
	TimestampTz held_at;
	TimestampTz expires_at;
	int uses_left; /* CMS_UNLIMITED */
	int slot;
	int64 redemption_id;
	bool reversed; /* the redemption */
} CmsHold;

/*
 * Reads a hold and locks its coupon, so that nobody but a sweep ends it. False: there is no such hold
 * in the org.
 */
extern bool cms_hold_find(int org, int64 hold_id, CmsHold *hold, CmsFound *found);
/*
 * Ends a hold that is held and gives back what it reserves. False: it was found expired, and
 * given back, meanwhile.
 */
extern bool
cms_hold_end(const CmsOffer *offer, const CmsHold *hold, CmsHoldStatus status, TimestampTz at);
/* Writes what became of a hold that reserves nothing any more. */
extern void
cms_hold_mark(int org, int64 hold_id, CmsHoldStatus status, TimestampTz at, int64 redemption_id);

#endif
