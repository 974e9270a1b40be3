/*
 * record.h
 *	  The row that a settings trigger looks at: read, corrected and refused by
 *	  names of columns.
 *
 * Columns are found by name and the table is never asked for its own, so that
 * the triggers work wherever the row is stored.
 */
#ifndef CMS_RECORD_H
#define CMS_RECORD_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* What a preview has found: every refusal, instead of an error at the first. */
typedef struct CmsProblems CmsProblems;

typedef struct CmsRecord
{
	Relation relation;
	TupleDesc desc;
	HeapTuple before;      /* NULL: INSERT */
	HeapTuple row;         /* as corrected so far; NULL: DELETE */
	MemoryContext context; /* of the caller, outlives SPI */
	CmsProblems *problems; /* NULL: a refusal is an error */
} CmsRecord;

typedef struct CmsProblem
{
	const char *column; /* with its list and row, where it is of one */
	const char *message;
	const char *hint; /* NULL: none */
} CmsProblem;

struct CmsProblems
{
	List *found;            /* of CmsProblem, in the order of the checks */
	const char *prefix;     /* of the columns of the row that is looked at, "" for the offer */
	const CmsRecord *offer; /* that the row will belong to */
};

/* the row of a row trigger; error 39P01 for a call of any other kind */
extern void cms_record_open(CmsRecord *record, FunctionCallInfo fcinfo, bool is_before);
/* what a BEFORE trigger returns */
extern Datum cms_record_result(const CmsRecord *record);

/* of the new row, or of the deleted one */
extern bool cms_record_has(const CmsRecord *record, const char *column);
extern Datum cms_record_value(const CmsRecord *record, const char *column, bool *isnull);
extern bool cms_record_isnull(const CmsRecord *record, const char *column);
extern char *cms_record_text(const CmsRecord *record, const char *column);
/* int or bigint; the second form for a column that may be NULL */
extern int64 cms_record_int(const CmsRecord *record, const char *column);
extern int64 cms_record_int_or(const CmsRecord *record, const char *column, int64 if_null);
extern bool cms_record_is(const CmsRecord *record, const char *column, const char *value);
extern bool cms_record_true(const CmsRecord *record, const char *column);
/* UPDATE: whether the column differs from before; INSERT: true */
extern bool cms_record_changed(const CmsRecord *record, const char *column);

extern void cms_record_set(CmsRecord *record, const char *column, Datum value, bool isnull);
extern void cms_record_set_text(CmsRecord *record, const char *column, const char *value);

/*
 * Error that names the column; hint may be NULL. In a preview the problem is noted, and false is
 * answered: the check that found it goes on with what it can still look at. So do the checks
 * below; in a trigger they answer true or not at all.
 */
extern bool cms_record_refuse(const CmsRecord *record, int sqlstate, const char *column,
							  const char *hint, const char *message, ...) pg_attribute_printf(5, 6);

/* checks of one column: 23502 where it is missing, 23514 where it is wrong */
extern bool cms_record_require(const CmsRecord *record, const char *column, const char *hint);
extern bool cms_record_not_blank(const CmsRecord *record, const char *column);
/* the text of a message, which may be NULL: its placeholders are known */
extern bool cms_record_template(const CmsRecord *record, const char *column);
/* choices end with NULL */
extern bool cms_record_choice(const CmsRecord *record, const char *column,
							  const char *const *choices, bool may_be_null);
extern bool cms_record_range(const CmsRecord *record, const char *column, int64 least, int64 most,
							 bool may_be_null);
/* a finite number, above zero or not below */
extern bool cms_record_amount(const CmsRecord *record, const char *column, bool zero_allowed);
/* a day that every time zone can tell in hours: 0001-01-01 to 9999-12-31 */
extern bool cms_record_day(const CmsRecord *record, const char *column);
/* a time in the same years, by UTC */
extern bool cms_record_time(const CmsRecord *record, const char *column);
/* MS003 */
extern bool cms_record_fixed(const CmsRecord *record, const char *column, const char *hint);

/* an id of the outside world: not blank and not longer than CMS_ID_MAX_BYTES; where it is NULL, 23502 */
extern bool cms_record_id(const CmsRecord *record, const char *column);

#endif
