/*
 * list_check.h
 *	  Columns of org_entity, poc and the lists of offers.
 */
#ifndef CMS_LIST_CHECK_H
#define CMS_LIST_CHECK_H

#include "calendar.h"
#include "record.h"

/* what a place can be, from the smallest; ends with NULL */
extern const char *const cms_list_entity_types[];

/* a row about to be inserted or updated, by whichever table its columns tell */
extern void cms_list_check(CmsRecord *record);
/* a row of cms.offer_window as the rules know it; refuses what is no day */
extern bool cms_list_window(const CmsRecord *record, CmsWindow *window);
/* checks of a row of org_entity that is there, or gone */
extern void cms_list_check_after(CmsRecord *record);

#endif
