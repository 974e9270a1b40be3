/*
 * share.h
 *	  The slots of an offer's counters all together: made, locked, and its caps spread over
 *	  them. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_SHARE_H
#define CMS_SHARE_H

#include "counter.h"

/* slots of an offer: more than sessions that commit at once on most machines */
#define CMS_SLOTS 32
#define CMS_SLOTS_TEXT "32"
/* a slot gets a share only if it is worth this many calls: the fewer units, the fewer slots */
#define CMS_SHARE_WORTH 32
#define CMS_SHARE_WORTH_TEXT "32"

/* Makes the slot, with all others where the offer has a cap. */
extern void cms_share_make_slot(int org, int64 offer_id, int slot);
extern void cms_share_lock_all(int org, int64 offer_id);
/* Waits for a moment at most, or not at all. False, and none is locked: somebody keeps one for longer. */
extern bool cms_share_lock_all_soon(int org, int64 offer_id, bool wait);
extern void cms_share_unlock_all(int org, int64 offer_id);
/* The rows of the slots, which are locked, at the latest snapshot. */
extern void cms_share_lock_rows(int org, int64 offer_id);

/*
 * With all slots locked: spreads what is left of the caps anew, or gives it to one slot as far as
 * the call needs more. False, and nothing changed: all slots together have less than it needs.
 */
extern bool cms_share_spread(const CmsOffer *offer, const CmsCount *count);
extern bool cms_share_spread_to_one(const CmsOffer *offer, int slot, const CmsCount *count);
/* error XX001 where the shares do not add up to the caps */
extern void cms_share_require(const CmsOffer *offer);

/* For the offer's trigger, whose row is locked: the caps as they are now, NULL for none. */
typedef struct CmsCaps
{
	Datum max_issued; /* bigint */
	Datum max_redemptions;
	Datum max_discount_total; /* numeric */
	bool no_max_issued;
	bool no_max_redemptions;
	bool no_max_discount_total;
	bool randomised;
	bool new_customer_rules; /* limits or the gap per customer changed */
} CmsCaps;

/*
 * Locks the counters of the offer, all that there are, made where missing. Rows of SPI_tuptable:
 * issued, uses that count, whether ever used.
 */
extern uint64 cms_share_lock_to_change(int org, int64 offer_id);
/* Spreads new caps over the counters that are locked. */
extern void cms_share_set_caps(int org, int64 offer_id, const CmsCaps *caps);

#endif
