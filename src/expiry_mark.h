/*
 * expiry_mark.h
 *	  Telling the books (cms.offer_expiry) that a coupon changed after its end. Within
 *	  SPI_connect/SPI_finish.
 */
#ifndef CMS_EXPIRY_MARK_H
#define CMS_EXPIRY_MARK_H

#include "offer.h"

/*
 * To be called by who issues a coupon, redeems, reverses or revokes it, or changes its end (once with
 * the old end, once with the new). Does nothing but compare while the end has not come.
 */
extern void cms_expiry_mark(const CmsOffer *offer, bool has_own_end, TimestampTz own_end);
/* the same with the effective end */
extern void cms_expiry_mark_end(const CmsOffer *offer, TimestampTz end);
/* of issued coupons with these codes (a text[] as stored) that are revoked by now */
extern void cms_expiry_mark_revoked(const CmsOffer *offer, Datum codes);
/* of coupons that nobody can name: all days that are booked */
extern void cms_expiry_mark_all(const CmsOffer *offer);

#endif
