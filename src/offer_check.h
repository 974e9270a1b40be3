/*
 * offer_check.h
 *	  The parts of the trigger of cms.offer.
 */
#ifndef CMS_OFFER_CHECK_H
#define CMS_OFFER_CHECK_H

#include "record.h"

/* MS003 for a column that is fixed at creation (F3) */
extern void cms_offer_check_fixed(const CmsRecord *record);
/* F3: a cap of issues may not drop below what is issued */
extern void cms_offer_check_cap_of_issues(const CmsRecord *record, int64 issued);
/* brings texts into the form they are stored in */
extern void cms_offer_normalise(CmsRecord *record);
/* columns by themselves and together; looks at no table */
extern void cms_offer_check_columns(const CmsRecord *record);

/*
 * Fills in a missing offer code; 23505 if a given one is taken. Within
 * SPI_connect/SPI_finish, as the next.
 */
extern void cms_offer_name_code(CmsRecord *record);
/*
 * Reserves the common code or the sample (F13): MS012 if another offer or a
 * coupon has it. Until the end of the transaction nobody in the org writes codes.
 */
extern void cms_offer_reserve_codes(const CmsRecord *record);

#endif
