/*
 * subxact.h
 *	  Work that may have to be taken back, within SPI_connect/SPI_finish.
 *
 *		CmsSubxact subxact;
 *
 *		cms_subxact_begin(&subxact);
 *		PG_TRY();
 *		{
 *			...
 *			cms_subxact_end(&subxact, keep);
 *		}
 *		PG_CATCH();
 *		{
 *			ErrorData *error = cms_subxact_failed(&subxact);
 *			...
 *		}
 *		PG_END_TRY();
 *
 * What the block sets and is read after it is volatile.
 */
#ifndef CMS_SUBXACT_H
#define CMS_SUBXACT_H

#include "utils/resowner.h"

#include "plan.h"

/* what the server changes and a caller goes on with */
typedef struct CmsSubxact
{
	MemoryContext context;
	ResourceOwner owner;
} CmsSubxact;

extern void cms_subxact_begin(CmsSubxact *subxact);
/* commits the subtransaction, or rolls it back */
extern void cms_subxact_end(const CmsSubxact *subxact, bool keep);
/* rolls it back after an error, which is over unless the caller throws it again */
extern ErrorData *cms_subxact_failed(const CmsSubxact *subxact);
/*
 * The insert by itself, all of it, SPI_processed rows; false: a row of it is there already, and
 * nothing was written. latest: as cms_plan_write_latest.
 */
extern bool cms_subxact_insert(CmsPlan *plan, const Datum *values, const char *nulls, bool latest);
/* whether the error is a duplicate in that unique index of cms, or in a partition of it */
extern bool cms_subxact_met(const ErrorData *error, const char *index);

#endif
