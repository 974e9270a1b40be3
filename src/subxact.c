/*
 * subxact.c
 *	  Work that may have to be taken back.
 */
#include "cms.h"

#include "access/xact.h"

#include "subxact.h"

void
cms_subxact_begin(CmsSubxact *subxact)
{
	subxact->context = CurrentMemoryContext;
	subxact->owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	/* results must outlive the subtransaction, as those of any statement do */
	MemoryContextSwitchTo(subxact->context);
}

void
cms_subxact_end(const CmsSubxact *subxact, bool keep)
{
	if (keep)
		ReleaseCurrentSubTransaction();
	else
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(subxact->context);
	CurrentResourceOwner = subxact->owner;
}

ErrorData *
cms_subxact_failed(const CmsSubxact *subxact)
{
	ErrorData *error;

	/* out of the context for errors, which is emptied next */
	MemoryContextSwitchTo(subxact->context);
	error = CopyErrorData();
	FlushErrorState();
	cms_subxact_end(subxact, false);
	return error;
}
