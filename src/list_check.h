/*
 * list_check.h
 *	  Columns of org_entity, poc and the lists of offers.
 */
#ifndef CMS_LIST_CHECK_H
#define CMS_LIST_CHECK_H

#include "record.h"

/* what a place can be, from the smallest; ends with NULL */
extern const char *const cms_list_entity_types[];

/* a row about to be inserted or updated, by whichever table its columns tell */
extern void cms_list_check(CmsRecord *record);
/* the same after the row is there */
extern void cms_list_check_after(CmsRecord *record);

#endif
