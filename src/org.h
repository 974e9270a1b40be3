/*
 * org.h
 *	  Who calls, and for which org.
 */
#ifndef CMS_ORG_H
#define CMS_ORG_H

#include "datatype/timestamp.h"

/* the setting cms.org; 0: not set */
extern int cms_org_setting;

/*
 * Raised when orgs or their roles change, or nobody knows what changed: copies
 * of offers compiled before are not to be trusted. Whoever flushes them lowers it.
 */
extern bool cms_offer_cache_stale;

/* the role that called, whatever function of a definer is in between */
extern Oid cms_org_caller(void);
/* its name, palloc'd: for created_by and its like */
extern char *cms_org_caller_name(void);
/* whether the caller passes every org check: superuser or member of cms_admin */
extern bool cms_org_caller_is_admin(void);
/* whether sweeping is all that the caller may do: a member of cms_sweeper, and of no role that may more */
extern bool cms_org_caller_only_sweeps(void);
/* error 42501 where such a caller names a time that has not come yet */
extern void cms_org_require_present(TimestampTz at);
/* error 42501 unless the caller may act for the org; cached per backend */
extern void cms_org_require(int org);
/* error 22023: what a superuser or a member of cms_admin named, who may act for any number */
pg_noreturn extern void cms_org_unknown(int org);
/* the org of a call that names none: cms.org, else the only one; MS002, 42501 */
extern int cms_org_default(void);

#endif
