/*
 * sweep.h
 *	  What all sweeps have in common: whose orgs, how much at once, and what is noted of a run.
 */
#ifndef CMS_SWEEP_H
#define CMS_SWEEP_H

#include "datatype/timestamp.h"
#include "fmgr.h"

#include "plan.h"

/* A run of a sweep for one org. */
typedef struct CmsSweep
{
	int org;
	TimestampTz at;
	int64 how_many; /* may be done in this org */
	int offers;     /* whose counters may be locked yet */
	int orgs;       /* for which locks may be kept yet */
	int64 done;
	int64 queued; /* messages */
} CmsSweep;

typedef struct CmsSweepPart
{
	const char *name; /* in cms.sweep_run */
	void (*sweep)(CmsSweep *sweep);
} CmsSweepPart;

extern const CmsSweepPart cms_sweep_of_holds;
extern const CmsSweepPart cms_sweep_of_ends;
extern const CmsSweepPart cms_sweep_of_reminders;
extern const CmsSweepPart cms_sweep_of_offer_reminders;

/* A callable (how_many, at, org) that runs one part. */
extern Datum cms_sweep_call(FunctionCallInfo fcinfo, const CmsSweepPart *part);

/*
 * Whether this transaction is the one that finds out what there is to do, for the part and org.
 * If not, another one is at it, and what it finds is for everybody.
 */
extern bool cms_sweep_may_plan(CmsSweep *sweep, const CmsSweepPart *part);
/* There was nothing: the next transaction may look. */
extern void cms_sweep_planned_nothing(CmsSweep *sweep, const CmsSweepPart *part);

/*
 * Inserts the messages of a piece of so many coupons; the last parameter of the statement, which is
 * added here, says whether it need not look which are there. fresh: as far as one knows, none is.
 */
extern int64 cms_sweep_insert(CmsPlan *plan, CmsParams *params, int64 coupons, bool *fresh);

/* The digest of an offer's counters, as a scalar subquery; "o" is the row of cms.offer or of another table with its key. */
#define CMS_SWEEP_COUNTERS(O, MORE)                                                                           \
	"(SELECT pg_catalog.hashtextextended(pg_catalog.concat_ws(',', max(v.version), sum(t.issued),"            \
	" sum(t.reversals), sum(t.expiry_changes)" MORE "), 0)"                                                   \
	" FROM cms.offer_version v LEFT JOIN cms.offer_slot t ON t.org_id = v.org_id AND t.offer_id = v.offer_id" \
	" WHERE v.org_id = " O ".org_id AND v.offer_id = " O ".offer_id)"

#endif
