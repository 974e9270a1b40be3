/*
 * draft.h
 *	  An offer as somebody would save it, or has saved it: its row, the rows of its
 *	  lists, its claim. Nothing is written. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_DRAFT_H
#define CMS_DRAFT_H

#include "utils/jsonb.h"

#include "calendar.h"
#include "claim.h"
#include "counter.h"
#include "record.h"
#include "settings.h"

/* The tables that belong to an offer, by the names of their tables. */
typedef enum CmsDraftListId
{
	CMS_DRAFT_PRODUCTS,
	CMS_DRAFT_PLACES,
	CMS_DRAFT_WINDOWS,
	CMS_DRAFT_AUDIENCE,
	CMS_DRAFT_EXCLUSIONS,
	CMS_DRAFT_REMINDERS,
	CMS_DRAFT_POCS,
	CMS_DRAFT_LISTS
} CmsDraftListId;

typedef struct CmsDraftList
{
	CmsRecord *rows;
	int *lines; /* which row of what was given each one is; NULL: all are in their order */
	int nrows;
	int64 count;  /* of rows, also where not all were read */
	bool is_more; /* there are even more than that */
} CmsDraftList;

typedef struct CmsDraft
{
	int org;
	int64 offer_id; /* 0: not saved */
	TimestampTz at;
	pg_tz *zone;
	DateADT today;
	char *currency;
	int minor_units;
	bool sees_codes;

	CmsRecord offer; /* "before" is the saved row where it is an edit */
	CmsDraftList lists[CMS_DRAFT_LISTS];
	CmsClaimant claim;       /* service NULL: nobody's */
	CmsClaimant saved_claim; /* where it is an edit */
	Relation
		relations[CMS_DRAFT_LISTS + 1]; /* opened for their columns, the claim's last; NULL: not */
	CmsTotals totals;
	CmsProblems problems;
} CmsDraft;

/* What is saved; MS001 when there is no such offer. */
extern void cms_draft_of_offer(CmsDraft *draft, int org, int64 offer_id, TimestampTz at);
/*
 * What somebody would save: keys are columns of cms.offer, names of its lists, and claim. With the
 * key offer_id it is an edit of that offer, otherwise a new one, whose other columns have
 * their defaults. Keys and values that make no sense are noted as problems; nothing else is
 * checked.
 */
extern void cms_draft_of_settings(CmsDraft *draft, int org, Jsonb *settings, TimestampTz at);
/* gives back what the two above have opened */
extern void cms_draft_close(CmsDraft *draft);

/* shared by the two ways of making one */
extern void cms_draft_begin(CmsDraft *draft, int org, int64 offer_id, TimestampTz at);
extern void
cms_draft_open_record(CmsDraft *draft, CmsRecord *record, const char *table, Relation *relation);
extern HeapTuple cms_draft_row_of_defaults(const CmsRecord *record);
extern HeapTuple
cms_draft_row_of_result(const CmsRecord *record, HeapTuple base, uint64 row, const char *column);
extern void cms_draft_read_offer(CmsDraft *draft);
extern void cms_draft_read_list(CmsDraft *draft, CmsDraftListId id);
extern void cms_draft_read_claim(CmsDraft *draft);
extern void cms_draft_open_list(CmsDraft *draft, CmsDraftListId id, CmsRecord *record);

/* number of a row, from 1, as whoever gave it counts */
extern int cms_draft_line(const CmsDraft *draft, CmsDraftListId id, int row);

/* the last day of the offer; false: it has none */
extern bool cms_draft_end(const CmsDraft *draft, DateADT *last_day);
/* the table of a list, and notes the rows that it could not have at once */
extern const char *cms_draft_table(CmsDraftListId id);
extern void cms_draft_note_twice(CmsDraft *draft, CmsDraftListId id);
/* the problems that are found until the next call are of this row of the list; -1: of the offer */
extern void cms_draft_look_at(CmsDraft *draft, CmsDraftListId id, int row);

/* columns of the offer as the words need them */
extern bool cms_draft_is(const CmsDraft *draft, const char *column, const char *value);
extern bool cms_draft_true(const CmsDraft *draft, const char *column);
extern bool cms_draft_int(const CmsDraft *draft, const char *column, int64 *value);
extern bool cms_draft_day(const CmsDraft *draft, const char *column, DateADT *value);
/* NULL: not given, or no amount */
extern Numeric cms_draft_amount(const CmsDraft *draft, const char *column);

#endif
