/*
 * subxact.c
 *	  Work that may have to be taken back.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "utils/lsyscache.h"

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

bool
cms_subxact_insert(CmsPlan *plan, const Datum *values, const char *nulls, bool latest)
{
	CmsSubxact subxact;
	volatile bool written = false;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		if (latest)
			cms_plan_write_latest(plan, values, nulls);
		else
			cms_plan_write(plan, values, nulls);
		cms_subxact_end(&subxact, true);
		written = true;
	}
	PG_CATCH();
	{
		ErrorData *error = cms_subxact_failed(&subxact);

		if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return written;
}

/* A partition's index has a name of its own, and that is the one an error tells. */
bool
cms_subxact_met(const ErrorData *error, const char *index)
{
	Oid relation;
	char *name;

	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->constraint_name == NULL)
		return false;
	if (strcmp(error->constraint_name, index) == 0)
		return true;
	relation = get_relname_relid(error->constraint_name, get_namespace_oid("cms", false));
	if (!OidIsValid(relation) || !get_rel_relispartition(relation))
		return false;
	name = get_rel_name(get_partition_parent(relation, false));
	return name != NULL && strcmp(name, index) == 0;
}
