/*
 * result.h
 *	  Rows that the callables return.
 */
#ifndef CMS_RESULT_H
#define CMS_RESULT_H

#include "fmgr.h"
#include "reason.h"

/*
 * A row of the declared composite type, allocated in "context" (the caller's, from
 * before SPI_connect), as a Datum to return.
 */
extern Datum cms_result_row(FunctionCallInfo fcinfo, MemoryContext context, const Datum *values,
							const bool *nulls);
/* For RETURNS SETOF: start once before SPI_connect, then one call per row. */
extern void cms_result_start(FunctionCallInfo fcinfo);
extern void cms_result_put(FunctionCallInfo fcinfo, const Datum *values, const bool *nulls);
/* the rows that a statement has just left in SPI_tuptable, whose columns are those of the result */
extern void cms_result_put_rows(FunctionCallInfo fcinfo, uint64 rows, int ncolumns);
/* fills the columns reason and message: both NULL for CMS_OK; message NULL: the standard sentence */
extern void cms_result_reason(CmsReason reason, const char *message, Datum *values, bool *nulls,
							  int reason_column, int message_column);
/* a text column, NULL for NULL */
extern void cms_result_text(const char *text, Datum *values, bool *nulls, int column);

#endif
