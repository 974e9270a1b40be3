/*
 * allowance.h
 *	  What a customer used of an offer before, where its rules ask for it, and the rows that
 *	  decide (cms.customer_use). Within SPI_connect/SPI_finish.
 */
#ifndef CMS_ALLOWANCE_H
#define CMS_ALLOWANCE_H

#include "rule.h"

/* Of the customer and the offer, or of the customer and the coupon. */
typedef struct CmsAllowanceRow
{
	bool kept;    /* a rule asks for it */
	bool exists;  /* the row is there */
	bool counted; /* "uses" and holds are known */
	int changes;  /* of the row, up to now */
	int uses;
	bool has_hold;
	TimestampTz held_until;
} CmsAllowanceRow;

typedef struct CmsAllowance
{
	TimestampTz at; /* of the request */
	CmsAllowanceRow of_offer;
	CmsAllowanceRow of_coupon;
} CmsAllowance;

/*
 * Reads what the rules about the customer ask for, into "usage" too. own_hold: a hold that
 * is not to count, 0 for none. lazy: where no row is yet, the uses are left to be counted by the
 * statement that makes it, and look like none till then.
 */
extern void cms_allowance_read(const CmsOffer *offer, int64 coupon_id, const CmsUseRequest *request,
							   int64 own_hold, bool read_only, bool lazy, CmsAllowance *allowance,
							   CmsUsage *usage);
/*
 * Counts a use, or reserves one until "held_until"; the allowance then stands for the new state.
 * False, and nothing counted: another transaction was faster, or what is counted only now is too
 * much. Who reads again is told.
 */
extern bool cms_allowance_use(const CmsOffer *offer, const char *customer, int64 coupon_id,
							  CmsAllowance *allowance);
/* Undoes the use just counted. */
extern void cms_allowance_undo_use(const CmsOffer *offer, const char *customer, int64 coupon_id,
								   CmsAllowance *allowance);
extern bool cms_allowance_hold(const CmsOffer *offer, const char *customer, int64 coupon_id,
							   TimestampTz held_until, CmsAllowance *allowance);
/*
 * Takes a use back, of a redemption that is marked as reversed just now. False: the offer's rules
 * about customers are no longer those compiled.
 */
extern bool cms_allowance_give_back(const CmsOffer *offer, const char *customer, int64 coupon_id);

#endif
