/*
 * plan.h
 *	  The statements of the extension: one kept plan each, prepared at first use.
 */
#ifndef CMS_PLAN_H
#define CMS_PLAN_H

#include "executor/spi.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/*
 * A statement is a static CmsPlan in the file that runs it:
 *
 *		static CmsPlan find_coupon = {"SELECT ... $1 ...", 2, {INT4OID, TEXTOID}};
 *
 * The text is a literal, every name in it qualified, values only as parameters.
 */
#define CMS_PLAN_MAX_ARGS 24

typedef struct CmsPlan
{
	const char *text;
	int nargs;
	Oid argtypes[CMS_PLAN_MAX_ARGS];
	bool compares_lists; /* joins rows by what no index has: by hash, not one after the other */
	bool is_hot;         /* finds or changes one row, in every call: see direct.c */
	SPIPlanPtr plan;     /* NULL until first used, then kept for the session */
	struct CmsDirect *direct; /* what direct.c keeps of it, for as long as its plan stands */
} CmsPlan;

/* Parameters of a statement, put one after the other; for statements that may have NULLs. */
typedef struct CmsParams
{
	Datum values[CMS_PLAN_MAX_ARGS];
	char nulls[CMS_PLAN_MAX_ARGS];
	int count;
} CmsParams;

extern void cms_param(CmsParams *params, Datum value, bool isnull);
extern void cms_param_int(CmsParams *params, int value);
extern void cms_param_int64(CmsParams *params, int64 value);
extern void cms_param_bool(CmsParams *params, bool value);
extern void cms_param_instant(CmsParams *params, TimestampTz value);
/* NULL pointers are NULL */
extern void cms_param_text(CmsParams *params, const char *value);
extern void cms_param_numeric(CmsParams *params, Numeric value);

/* once, when the library is loaded */
extern void cms_plan_init(void);

/*
 * Runs the statement within SPI_connect/SPI_finish of the caller and answers the
 * number of rows; rows are in SPI_tuptable until the next statement. Any failure is an error. "nulls" may
 * be NULL. read_only statements see the snapshot of the calling statement.
 */
extern uint64 cms_plan_run(CmsPlan *plan, const Datum *values, const char *nulls, bool read_only);
/*
 * The same, seeing everything that is committed now, whatever the isolation
 * level: for look-ups that a lock just taken has made final.
 */
extern uint64 cms_plan_run_latest(CmsPlan *plan, const Datum *values, const char *nulls);

/*
 * Error 40001, under a fixed snapshot: reading again would show nothing new. "with" names
 * what the other transaction did.
 */
pg_noreturn extern void cms_plan_conflict(const char *with);

/* a column (from 1) of a row of SPI_tuptable */
extern Datum cms_row_value(uint64 row, int column, bool *isnull);
extern int64 cms_row_int64(uint64 row, int column, int64 if_null);
extern int32 cms_row_int32(uint64 row, int column, int32 if_null);
extern bool cms_row_bool(uint64 row, int column, bool if_null);
extern TimestampTz cms_row_timestamptz(uint64 row, int column, TimestampTz if_null);
/* palloc'd in the current context, which is SPI's between connect and finish; NULL for NULL */
extern char *cms_row_text(uint64 row, int column);
extern Numeric cms_row_numeric(uint64 row, int column);

/*
 * While the guard is open this backend's statements may change what only the
 * actions write (triggers "written_by_actions_only"). Opened by cms_plan_write
 * around one statement, closed again whatever happens.
 */
extern bool cms_plan_guard_is_open(void);
extern uint64 cms_plan_write(CmsPlan *plan, const Datum *values, const char *nulls);
extern uint64 cms_plan_write_latest(CmsPlan *plan, const Datum *values, const char *nulls);

#endif
