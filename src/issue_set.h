/*
 * issue_set.h
 *	  Many coupons by few statements. Part of issuing, see issue.c.
 */
#ifndef CMS_ISSUE_SET_H
#define CMS_ISSUE_SET_H

#include "issue_code.h"

/* lines that are worked on at once */
#define CMS_ISSUE_SET_LINES 10000

/* whether the lines of this call can be */
extern bool cms_issue_set_fits(const CmsIssue *issue);
/*
 * Decides on the lines from "begin" to before "end", of which none has been, and writes their
 * coupons. False, and nothing changed: somebody else is in the way, or codes are scarce; then
 * each line is to be decided by itself.
 */
extern bool cms_issue_set(CmsIssue *issue, int begin, int end);

#endif
