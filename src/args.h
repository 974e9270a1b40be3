/*
 * args.h
 *	  Arguments of the SQL callables: fetched and checked alike everywhere.
 *	  Every error names the argument and says what to do.
 */
#ifndef CMS_ARGS_H
#define CMS_ARGS_H

#include "fmgr.h"
#include "datatype/timestamp.h"
#include "utils/date.h"
#include "utils/numeric.h"

/* NULL argument -> 22004 naming it */
extern int64 cms_arg_int64(FunctionCallInfo fcinfo, int n, const char *name);
extern int cms_arg_int(FunctionCallInfo fcinfo, int n, const char *name);
extern bool cms_arg_bool(FunctionCallInfo fcinfo, int n, const char *name);
/* text trimmed of nothing; NULL pointer for NULL */
extern char *cms_arg_text(FunctionCallInfo fcinfo, int n);
/* an id of the outside world: NULL pointer for NULL or blank; 22023 if longer than CMS_ID_MAX_BYTES */
extern char *cms_arg_id(FunctionCallInfo fcinfo, int n, const char *name);
/* the same, required: 22004 for NULL, 22023 for blank */
extern char *cms_arg_required_id(FunctionCallInfo fcinfo, int n, const char *name);
/* a key that the caller has chosen for its request, as an id */
extern char *cms_arg_key(FunctionCallInfo fcinfo, int n, const char *name);
/* what is as short as an id and no such id, as an id; the hint says what it is */
extern char *cms_arg_short_text(FunctionCallInfo fcinfo, int n, const char *name, const char *hint);
extern char *
cms_arg_required_short_text(FunctionCallInfo fcinfo, int n, const char *name, const char *hint);
/* the amount, NULL pointer for NULL; 22023 for negative, NaN, infinite */
extern Numeric cms_arg_amount(FunctionCallInfo fcinfo, int n, const char *name);
/* "at": 22004 for NULL, 22023 for infinity */
extern TimestampTz cms_arg_at(FunctionCallInfo fcinfo, int n);
/* when an interval that begins at "at" ends; DT_NOEND where none would last so long, either way: 22004 for NULL */
extern TimestampTz
cms_arg_until(FunctionCallInfo fcinfo, int n, const char *name, const char *hint, TimestampTz at);
/* NULL -> false; 22023 for infinity and days outside the years 1 to 9999: the hint says what NULL means */
extern bool
cms_arg_date(FunctionCallInfo fcinfo, int n, const char *name, const char *hint, DateADT *value);
/*
 * One-dimensional array of text: -1 for NULL, else the number of elements;
 * NULL elements are NULL pointers. 22023 for more dimensions.
 */
extern int cms_arg_texts(FunctionCallInfo fcinfo, int n, const char *name, char ***values);
/* "org", by its place, checked against the caller; see org.h */
extern int cms_arg_org(FunctionCallInfo fcinfo, int n);

#endif
