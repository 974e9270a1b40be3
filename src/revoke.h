/*
 * revoke.h
 *	  What is to be revoked (F39), alike in one transaction and in batches.
 */
#ifndef CMS_REVOKE_H
#define CMS_REVOKE_H

#include "fmgr.h"

#include "offer.h"

typedef enum CmsRevokeScope
{
	CMS_REVOKE_ALL_UNREDEEMED,
	CMS_REVOKE_UNISSUED,
	CMS_REVOKE_CUSTOMERS,
	CMS_REVOKE_CODES,
	CMS_REVOKE_SCOPES
} CmsRevokeScope;

typedef struct CmsRevokeRequest
{
	int64 offer_id;
	CmsRevokeScope scope;
	char **list; /* of the scope; codes as they are stored */
	int nlist;   /* -1: the scope has none */
	bool confirm;
} CmsRevokeRequest;

/* revoked_issued, revoked_unissued, left_redeemed */
#define CMS_REVOKE_COUNTS 3

/* the arguments offer_id, scope, customer_ids, codes, confirm: the first of the call */
extern void cms_revoke_fetch(FunctionCallInfo fcinfo, CmsRevokeRequest *request);
extern const char *cms_revoke_scope_name(CmsRevokeScope scope);
/* MS004 unless the caller has confirmed */
extern void cms_revoke_require_confirmation(const CmsRevokeRequest *request);
/* as the offer and the time make of it: another scope, an empty list */
extern CmsRevokeRequest
cms_revoke_narrowed(const CmsRevokeRequest *request, const CmsOffer *offer, TimestampTz at);
/* Writes what was done into cms.event, by the job or (0) by none. Within SPI. */
extern void cms_revoke_record(const CmsRevokeRequest *request, int org, TimestampTz at,
							  const int64 *counts, int64 job_id);

#endif
