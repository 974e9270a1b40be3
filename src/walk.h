/*
 * walk.h
 *	  Going through the coupons of an offer that end on one day, piece by piece, along the index
 *	  coupon_of_an_offer. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_WALK_H
#define CMS_WALK_H

#include "offer.h"

/* Own ends of the coupons whose effective end is on a day. */
typedef struct CmsRange
{
	bool empty;          /* no coupon can end on the day */
	TimestampTz from;    /* exclusive */
	TimestampTz to;      /* inclusive; DT_NOEND: all later ones, and coupons without an own end */
	TimestampTz ends_at; /* when the last of them ends */
} CmsRange;

/* Where in a range one is. At first {DT_NOBEGIN, 0}. */
typedef struct CmsPlace
{
	TimestampTz end; /* own end of the coupons; DT_NOEND: those without one */
	int64 coupon;    /* the last that was looked at */
} CmsPlace;

/* Coupons with one own end, or without any, in the order of their numbers. */
typedef struct CmsPiece
{
	TimestampTz end;  /* DT_NOEND: without one */
	int64 after;      /* the number of the first is above */
	int64 last;       /* the number of the last */
	int64 coupons;    /* how many: issued, and not revoked */
	int64 unredeemed; /* those of them without a live use; only where uses are looked at */
} CmsPiece;

extern void cms_walk_range(const CmsOffer *offer, DateADT day, CmsRange *range);
/* the effective last day of coupons that end then; the day itself for its own end */
extern DateADT cms_walk_day(const CmsOffer *offer, TimestampTz end);
/* the end of coupons with this own end, DT_NOEND for none */
extern TimestampTz cms_walk_effective_end(const CmsOffer *offer, TimestampTz own_end);
/* the first own end after this one and not after "to"; false: there is none */
extern bool
cms_walk_next_end(int org, int64 offer_id, TimestampTz after, TimestampTz to, TimestampTz *end);
/* the next piece of at most so many coupons, and the place after it; false: the walk is over */
extern bool cms_walk_on(int org, int64 offer_id, const CmsRange *range, CmsPlace *place, int64 most,
						bool uses, CmsPiece *piece);

#endif
