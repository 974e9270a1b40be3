/*
 * issue_call.c
 *	  cms_issue and cms_issue_many: arguments, request keys, rows.
 *
 * A request of which nothing was issued leaves no key behind.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "args.h"
#include "array.h"
#include "claim.h"
#include "issue.h"
#include "plan.h"
#include "request.h"
#include "result.h"
#include "settings.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_issue);
PG_FUNCTION_INFO_V1(cms_issue_many);

#define MAX_LINES 1000000

typedef struct IssueCall
{
	int64 offer_id;
	char **customers;
	int ncustomers;
	int how_many;
	CmsIssuer issuer;
	char *request_key;
	int org;
	CmsIssueLine *lines;
	int nlines;
} IssueCall;

/* columns of cms_issue_result */
enum
{
	out_line,
	out_customer_id,
	out_issued,
	out_reason,
	out_message,
	out_coupon_id,
	out_code,
	out_valid_from,
	out_expires_at,
	out_next_allowed_on,
	out_replayed,
	out_columns
};

static void fetch_rest(FunctionCallInfo fcinfo, IssueCall *call);
static void run(FunctionCallInfo fcinfo, IssueCall *call);
static CmsRequestState open_request(IssueCall *call, CmsRequest *request);
static void replay(const CmsOffer *offer, IssueCall *call, const CmsRequest *request);
static void replay_line(const CmsOffer *offer, CmsIssueLine *line, int64 coupon_id);
static void refuse(IssueCall *call, CmsReason reason);
static void close_request(const IssueCall *call, const CmsRequest *request);
static void put_line(FunctionCallInfo fcinfo, const CmsOffer *offer, const CmsIssueLine *line);

static CmsPlan read_coupon = {
	"SELECT c.code, c.issued_at, c.expires_at, c.shared FROM cms.coupon c WHERE c.org_id = $1 AND c.coupon_id = $2",
	2,
	{INT4OID, INT8OID}};

/*
 * cms_issue(offer_id, customer_id, how_many, all_or_none, service, consumer_ref, request_key, at, org)
 */
Datum
cms_issue(PG_FUNCTION_ARGS)
{
	IssueCall call = {0};
	char *customer = cms_arg_required_id(fcinfo, 1, "customer_id");

	call.customers = &customer;
	call.ncustomers = 1;
	fetch_rest(fcinfo, &call);
	run(fcinfo, &call);
	return (Datum) 0;
}

/*
 * cms_issue_many(offer_id, customer_ids, how_many, all_or_none, service, consumer_ref, request_key, at, org)
 */
Datum
cms_issue_many(PG_FUNCTION_ARGS)
{
	IssueCall call = {0};

	call.ncustomers = cms_arg_texts(fcinfo, 1, "customer_ids", &call.customers);
	if (call.ncustomers < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"customer_ids\" must not be null"),
				 errhint("Give an array of customers; an empty one issues nothing.")));
	for (int i = 0; i < call.ncustomers; i++)
		if (call.customers[i] == NULL || cms_text_is_blank(call.customers[i]))
			ereport(
				ERROR,
				(errcode(call.customers[i] == NULL ? ERRCODE_NULL_VALUE_NOT_ALLOWED
												   : ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "argument \"customer_ids\" must not contain null or blank ids, as element %d is",
					 i + 1)));
		else if (strlen(call.customers[i]) > CMS_ID_MAX_BYTES)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg(
					 "argument \"customer_ids\" must not contain ids longer than %d bytes, as element %d is",
					 CMS_ID_MAX_BYTES,
					 i + 1)));
	fetch_rest(fcinfo, &call);
	run(fcinfo, &call);
	return (Datum) 0;
}

/* The arguments that both calls have at the same places. */
static void
fetch_rest(FunctionCallInfo fcinfo, IssueCall *call)
{
	call->offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	call->how_many = cms_arg_int(fcinfo, 2, "how_many");
	call->issuer.all_or_none = cms_arg_bool(fcinfo, 3, "all_or_none");
	call->issuer.service = cms_claim_arg_service(fcinfo, 4);
	call->issuer.consumer_ref = cms_arg_id(fcinfo, 5, "consumer_ref");
	call->request_key = cms_arg_key(fcinfo, 6, "request_key");
	call->issuer.at = cms_arg_at(fcinfo, 7);
	call->org = cms_arg_org(fcinfo, 8);

	if (call->how_many < 1 || (int64) call->how_many * Max(call->ncustomers, 1) > MAX_LINES)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "argument \"how_many\" must be at least 1, and at most %d coupons can be asked for in one call",
				 MAX_LINES)));
	cms_claim_check_names(call->issuer.service, call->issuer.consumer_ref);
}

static void
run(FunctionCallInfo fcinfo, IssueCall *call)
{
	const CmsOffer *offer;
	CmsRequest request;

	cms_result_start(fcinfo);
	cms_call_begin();
	call->nlines = call->ncustomers * call->how_many;
	call->lines = palloc0(sizeof(CmsIssueLine) * Max(call->nlines, 1));
	for (int i = 0; i < call->nlines; i++)
	{
		call->lines[i].line = i + 1;
		call->lines[i].customer = call->customers[i / call->how_many];
	}
	offer = cms_offer_get(call->org, call->offer_id, false);
	/* not changed since a restore, which brings no versions */
	if (offer->version == 0 && !IsolationUsesXactSnapshot())
	{
		cms_settings_raise_version(call->org, call->offer_id);
		offer = cms_offer_get(call->org, call->offer_id, false);
	}
	switch (open_request(call, &request))
	{
		case CMS_REQUEST_NEW:
			/* the call may have claimed the offer, which may change the end of its coupons */
			offer = cms_issue_lines(offer, &call->issuer, call->lines, call->nlines);
			close_request(call, &request);
			break;
		case CMS_REQUEST_REPLAYED:
			replay(offer, call, &request);
			break;
		case CMS_REQUEST_CONFLICT:
			refuse(call, CMS_KEY_CONFLICT);
			break;
	}
	for (int i = 0; i < call->nlines; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_line(fcinfo, offer, &call->lines[i]);
	}
	SPI_finish();
}

/* The time is not part of what is asked for, since a repeated call comes later. */
static CmsRequestState
open_request(IssueCall *call, CmsRequest *request)
{
	cms_request_begin(request, call->org, call->request_key, "ISSUE");
	cms_request_number(request, call->offer_id);
	cms_request_number(request, call->how_many);
	cms_request_number(request, call->issuer.all_or_none);
	cms_request_text(request, call->issuer.service);
	cms_request_text(request, call->issuer.consumer_ref);
	for (int i = 0; i < call->ncustomers; i++)
		cms_request_text(request, call->customers[i]);
	return cms_request_open(request);
}

static void
replay(const CmsOffer *offer, IssueCall *call, const CmsRequest *request)
{
	for (int i = 0; i < call->nlines; i++)
	{
		CmsIssueLine *line = &call->lines[i];

		CHECK_FOR_INTERRUPTS();
		line->replayed = true;
		if (request->reasons[i] != NULL)
		{
			line->reason = cms_reason_of_name(request->reasons[i]);
			line->message = pstrdup(cms_reason_message(line->reason));
		}
		else
			replay_line(offer, line, request->answer[i]);
	}
}

static void
replay_line(const CmsOffer *offer, CmsIssueLine *line, int64 coupon_id)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(coupon_id)};
	bool isnull;

	line->coupon_id = coupon_id;
	line->purged = cms_plan_run(&read_coupon, values, NULL, false) == 0;
	if (line->purged)
		return;
	line->shared = cms_row_bool(0, 4, false);
	line->code = line->shared ? pstrdup(offer->common_code) : cms_row_text(0, 1);
	line->issued_at = cms_row_timestamptz(0, 2, 0);
	line->own_end = DatumGetTimestampTz(cms_row_value(0, 3, &isnull));
	line->has_own_end = !isnull;
}

static void
refuse(IssueCall *call, CmsReason reason)
{
	for (int i = 0; i < call->nlines; i++)
	{
		call->lines[i].reason = reason;
		call->lines[i].message = pstrdup(cms_reason_message(reason));
	}
}

/* Keeps the answer of every line with the key; what issued nothing binds nothing. */
static void
close_request(const IssueCall *call, const CmsRequest *request)
{
	int64 *coupons;
	const char **reasons;
	bool *refused;
	bool any = false;

	if (request->key == NULL)
		return;
	coupons = palloc(sizeof(int64) * Max(call->nlines, 1));
	reasons = palloc(sizeof(char *) * Max(call->nlines, 1));
	refused = palloc(sizeof(bool) * Max(call->nlines, 1));
	for (int i = 0; i < call->nlines; i++)
	{
		const CmsIssueLine *line = &call->lines[i];

		refused[i] = line->reason != CMS_OK;
		any |= !refused[i];
		coupons[i] = line->coupon_id;
		reasons[i] = cms_reason_name(line->reason);
	}
	if (any)
		cms_request_keep(request,
						 cms_array_of_nullable_int64s(coupons, refused, call->nlines),
						 cms_array_of_texts(reasons, call->nlines));
	else
		cms_request_drop(request);
}

static void
put_line(FunctionCallInfo fcinfo, const CmsOffer *offer, const CmsIssueLine *line)
{
	Datum values[out_columns] = {0};
	bool nulls[out_columns];
	bool issued = line->reason == CMS_OK;

	memset(nulls, true, sizeof(nulls));
	values[out_line] = Int64GetDatum(line->line);
	nulls[out_line] = false;
	cms_result_text(line->customer, values, nulls, out_customer_id);
	values[out_issued] = BoolGetDatum(issued);
	nulls[out_issued] = false;
	cms_result_reason(line->reason, line->message, values, nulls, out_reason, out_message);
	if (issued)
	{
		values[out_coupon_id] = Int64GetDatum(line->coupon_id);
		nulls[out_coupon_id] = false;
	}
	if (issued && !line->purged)
	{
		TimestampTz expires_at;

		cms_result_text(line->code, values, nulls, out_code);
		values[out_valid_from] = TimestampTzGetDatum(cms_rule_valid_from(offer, line->issued_at));
		nulls[out_valid_from] = false;
		nulls[out_expires_at] =
			!cms_rule_effective_end(offer, line->has_own_end, line->own_end, &expires_at);
		values[out_expires_at] = TimestampTzGetDatum(expires_at);
	}
	values[out_next_allowed_on] = DateADTGetDatum(line->next_allowed_on);
	nulls[out_next_allowed_on] = issued || !line->has_next;
	values[out_replayed] = BoolGetDatum(line->replayed);
	nulls[out_replayed] = false;
	cms_result_put(fcinfo, values, nulls);
}
