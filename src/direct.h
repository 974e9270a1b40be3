/*
 * direct.h
 *	  Statements that find one row by its key, run without setting up the executor.
 *	  Only for plan.c.
 */
#ifndef CMS_DIRECT_H
#define CMS_DIRECT_H

#include "executor/spi.h"

/* What is kept of a statement, for as long as its plan stands. */
typedef struct CmsDirect CmsDirect;

/* Setting cms.direct: off leaves every statement to the executor. */
extern bool cms_direct_setting;

/* A statement to run, with its parameters; "kept" is NULL before its first use. */
typedef struct CmsDirectCall
{
	SPIPlanPtr plan;
	CmsDirect **kept;
	int nargs;
	const Oid *argtypes;
	const Datum *values;
	const char *nulls; /* may be NULL */
	bool read_only;    /* sees what the calling statement sees */
	bool guarded;      /* may change what only the actions write */
} CmsDirectCall;

/*
 * False: nothing was done, and the executor has to do it. *rows is 0 or 1; the row of a SELECT
 * is there until the next call.
 */
extern bool cms_direct_run(const CmsDirectCall *call, uint64 *rows);

/* a column (from 1) of that row */
extern Datum cms_direct_value(int column, bool *isnull);

#endif
