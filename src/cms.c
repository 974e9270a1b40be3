/*
 * cms.c
 *	  The library: its settings and its version. Each verb has a file of its own.
 */
#include "cms.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "direct.h"
#include "org.h"
#include "plan.h"

PG_MODULE_MAGIC;

void _PG_init(void);

PG_FUNCTION_INFO_V1(cms_version);

void
_PG_init(void)
{
	DefineCustomIntVariable(
		"cms.org",
		"Org of calls that name none; 0 leaves it to the roles granted in cms.org_role.",
		"It chooses among the orgs that the caller may use, it grants none.",
		&cms_org_setting,
		0,
		0,
		PG_INT32_MAX,
		PGC_USERSET,
		0,
		NULL,
		NULL,
		NULL);
	DefineCustomBoolVariable(
		"cms.direct",
		"Run statements that find one row by its key without setting up the executor.",
		"Off, all statements within the functions of cms can be watched, as by auto_explain.",
		&cms_direct_setting,
		true,
		PGC_USERSET,
		0,
		NULL,
		NULL,
		NULL);
	MarkGUCPrefixReserved("cms");
	cms_plan_init();
}

/* The version of this library, from the control file it was built with. */
Datum
cms_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(CMS_VERSION));
}
