/*
 * revoke_request.c
 *	  What is to be revoked (F39), and that it was: arguments and events.
 */
#include "cms.h"

#include "args.h"
#include "event.h"
#include "revoke.h"

/* customers that an event names */
#define MAX_NAMED 100

static const char *const scope_names[CMS_REVOKE_SCOPES] = {
	[CMS_REVOKE_ALL_UNREDEEMED] = "ALL_UNREDEEMED",
	[CMS_REVOKE_UNISSUED] = "UNISSUED",
	[CMS_REVOKE_CUSTOMERS] = "CUSTOMERS",
	[CMS_REVOKE_CODES] = "CODES",
};

static CmsRevokeScope fetch_scope(FunctionCallInfo fcinfo, int n);
static void
fetch_list(FunctionCallInfo fcinfo, int n, const char *name, bool used, CmsRevokeRequest *r);
static void keep_good_codes(CmsRevokeRequest *r);
static bool names_common_code(const CmsRevokeRequest *r, const CmsOffer *offer);

void
cms_revoke_fetch(FunctionCallInfo fcinfo, CmsRevokeRequest *r)
{
	*r = (CmsRevokeRequest){
		.offer_id = cms_arg_int64(fcinfo, 0, "offer_id"),
		.scope = fetch_scope(fcinfo, 1),
		.nlist = -1,
		.confirm = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4),
	};
	fetch_list(fcinfo, 2, "customer_ids", r->scope == CMS_REVOKE_CUSTOMERS, r);
	fetch_list(fcinfo, 3, "codes", r->scope == CMS_REVOKE_CODES, r);
	if (r->scope == CMS_REVOKE_CODES)
		keep_good_codes(r);
}

const char *
cms_revoke_scope_name(CmsRevokeScope scope)
{
	return scope_names[scope];
}

static CmsRevokeScope
fetch_scope(FunctionCallInfo fcinfo, int n)
{
	const char *hint = "Use ALL_UNREDEEMED, UNISSUED, CUSTOMERS or CODES.";
	char *name = cms_arg_required_short_text(fcinfo, n, "scope", hint);

	for (int scope = 0; scope < CMS_REVOKE_SCOPES; scope++)
		if (strcmp(name, scope_names[scope]) == 0)
			return scope;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"scope\" must not be \"%s\"", name),
			 errhint("%s", hint)));
}

/* The list that the scope asks for; one that it does not ask for would be ignored, so it is an error. */
static void
fetch_list(FunctionCallInfo fcinfo, int n, const char *name, bool used, CmsRevokeRequest *r)
{
	char **texts;
	int count = cms_arg_texts(fcinfo, n, name, &texts);

	if (!used && count >= 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" is not used by this scope", name),
			 errhint(
				 "Leave it out, or use the scope CUSTOMERS with \"customer_ids\" or CODES with \"codes\".")));
	if (!used)
		return;
	if (count < 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null with scope %s", name, scope_names[r->scope]),
			 errhint("Pass the list of those whose coupons are meant, or another scope.")));
	for (int i = 0; i < count; i++)
		if (texts[i] == NULL)
			ereport(
				ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not contain null, as element %d does", name, i + 1)));
	r->list = texts;
	r->nlist = count;
}

/* Codes as they are stored; what cannot be a code is no coupon's. */
static void
keep_good_codes(CmsRevokeRequest *r)
{
	int ngood = 0;
	char code[CMS_CODE_MAX_LENGTH + 1];

	for (int i = 0; i < r->nlist; i++)
		if (cms_code_normalise(r->list[i], strlen(r->list[i]), code) == CMS_OK)
			r->list[ngood++] = pstrdup(code);
	r->nlist = ngood;
}

void
cms_revoke_require_confirmation(const CmsRevokeRequest *r)
{
	if (!r->confirm)
		ereport(
			ERROR,
			(errcode(CMS_ERRCODE_NOT_CONFIRMED),
			 errmsg("argument \"confirm\" must be true to revoke coupons of offer " INT64_FORMAT,
					r->offer_id),
			 errdetail("Revoked coupons can be neither redeemed nor reversed."),
			 errhint("Call again with confirm => true.")));
}

/*
 * Coupons keep the common code that they were issued with, and are known by the offer's present
 * one. Of customers the active coupons are meant, and with the offer all may have ended.
 */
CmsRevokeRequest
cms_revoke_narrowed(const CmsRevokeRequest *r, const CmsOffer *offer, TimestampTz at)
{
	CmsRevokeRequest narrowed = *r;

	if (r->scope == CMS_REVOKE_CODES && names_common_code(r, offer))
	{
		narrowed.scope = CMS_REVOKE_ALL_UNREDEEMED;
		narrowed.nlist = -1;
	}
	if (r->scope == CMS_REVOKE_CUSTOMERS && offer->end_binds_coupons && at >= offer->ends_at)
		narrowed.nlist = 0;
	return narrowed;
}

static bool
names_common_code(const CmsRevokeRequest *r, const CmsOffer *offer)
{
	if (offer->common_code == NULL)
		return false;
	for (int i = 0; i < r->nlist; i++)
		if (strcmp(r->list[i], offer->common_code) == 0)
			return true;
	return false;
}

void
cms_revoke_record(const CmsRevokeRequest *r, int org, TimestampTz at, const int64 *counts,
				  int64 job_id)
{
	static const char *const names[CMS_REVOKE_COUNTS] = {
		"revoked_issued", "revoked_unissued", "left_redeemed"};
	CmsFacts facts = {0};
	CmsEvent event = {
		.org = org,
		.action = "REVOKED",
		.object = "coupon",
		.offer_id = r->offer_id,
		.at = at,
		.new_values = &facts,
	};

	cms_facts_text(&facts, "scope", scope_names[r->scope]);
	for (int i = 0; i < CMS_REVOKE_COUNTS; i++)
		cms_facts_int64(&facts, names[i], counts[i]);
	if (r->nlist >= 0)
		cms_facts_int64(&facts, "listed", r->nlist);
	if (r->scope == CMS_REVOKE_CUSTOMERS && r->nlist <= MAX_NAMED)
		cms_facts_texts(&facts, "customers", r->list, r->nlist);
	if (job_id != 0)
		cms_facts_int64(&facts, "job_id", job_id);
	cms_event_record(&event);
}
