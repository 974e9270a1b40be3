/*
 * expiry_mark.h
 *	  Telling the books (cms.offer_expiry) that a coupon changed after its end. Within
 *	  SPI_connect/SPI_finish.
 */
#ifndef CMS_EXPIRY_MARK_H
#define CMS_EXPIRY_MARK_H

#include "offer.h"

/*
 * A change so long before the end counts as one after it: its transaction may commit later. Also for
 * statements that write many marks themselves.
 */
#define CMS_EXPIRY_MARGIN (60 * USECS_PER_SEC)

/*
 * To be called by who redeems, reverses, revokes or deletes an issued coupon, or changes its end (once
 * with the old end, once with the new). Does nothing but compare while the end has not come.
 */
extern void cms_expiry_mark(const CmsOffer *offer, bool has_own_end, TimestampTz own_end);

#endif
