/*
 * direct.h
 *	  Statements that find one row by its key, run without setting up the executor.
 *	  Only for plan.c.
 */
#ifndef CMS_DIRECT_H
#define CMS_DIRECT_H

#include "plan.h"

/* Setting cms.direct: off leaves every statement to the executor. */
extern bool cms_direct_setting;

/* What a statement sees. */
typedef enum CmsSight
{
	CMS_SIGHT_OF_CALLER, /* what the calling statement sees; for those that only read */
	CMS_SIGHT_OF_NOW,    /* what a new statement of the transaction would see */
	CMS_SIGHT_OF_ALL     /* all that is committed, whatever the isolation level */
} CmsSight;

/*
 * Runs a prepared statement, with parameters as of cms_plan_run. False: nothing was done, and the
 * executor has to do it. *rows is 0 or 1; the row of a SELECT is there until the next call.
 */
extern bool
cms_direct_run(CmsPlan *plan, const Datum *values, const char *nulls, CmsSight sight, uint64 *rows);

/* a column (from 1) of that row */
extern Datum cms_direct_value(int column, bool *isnull);

#endif
