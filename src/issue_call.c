/*
 * issue_call.c
 *	  cms_issue and cms_issue_many: arguments, request keys, rows.
 *
 * A request_key is written before anything is issued, so that of two calls with
 * the same key at the same time the second waits for the first and then gives
 * its answer. A request of which nothing was issued leaves no key behind.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "claim.h"
#include "issue.h"
#include "plan.h"
#include "result.h"
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
static bool open_request(const CmsOffer *offer, IssueCall *call, Datum hash);
static void replay_request(const CmsOffer *offer, IssueCall *call, Datum hash);
static void replay_line(const CmsOffer *offer, CmsIssueLine *line, int64 coupon_id);
static void close_request(IssueCall *call);
static Datum request_hash(const IssueCall *call);
static void put_line(FunctionCallInfo fcinfo, const CmsOffer *offer, const CmsIssueLine *line);

static CmsPlan new_request = {
	"INSERT INTO cms.issue_request (org_id, request_key, offer_id, request_hash, coupon_ids, reasons, requested_at)"
	" VALUES ($1, $2, $3, $4, '{}', '{}', $5) ON CONFLICT DO NOTHING",
	5,
	{INT4OID, TEXTOID, INT8OID, BYTEAOID, TIMESTAMPTZOID}};

static CmsPlan read_request = {
	"SELECT q.request_hash = $3, q.coupon_ids, q.reasons FROM cms.issue_request q"
	" WHERE q.org_id = $1 AND q.request_key = $2",
	3,
	{INT4OID, TEXTOID, BYTEAOID}};

static CmsPlan fill_request = {
	"UPDATE cms.issue_request SET coupon_ids = $3, reasons = $4 WHERE org_id = $1 AND request_key = $2",
	4,
	{INT4OID, TEXTOID, INT8ARRAYOID, TEXTARRAYOID}};

static CmsPlan drop_request = {
	"DELETE FROM cms.issue_request WHERE org_id = $1 AND request_key = $2", 2, {INT4OID, TEXTOID}};

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
	call->issuer.service = cms_arg_id(fcinfo, 4, "service");
	call->issuer.consumer_ref = cms_arg_id(fcinfo, 5, "consumer_ref");
	call->request_key = cms_arg_id(fcinfo, 6, "request_key");
	call->issuer.at = cms_arg_at(fcinfo, 7);
	call->org = cms_arg_org(fcinfo, 8);

	if (call->how_many < 1 || (int64) call->how_many * Max(call->ncustomers, 1) > MAX_LINES)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "argument \"how_many\" must be at least 1, and at most %d coupons can be asked for in one call",
				 MAX_LINES)));
	if (call->issuer.service != NULL)
		cms_claim_check_service(call->issuer.service);
	if (call->issuer.consumer_ref != NULL && call->issuer.service == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"consumer_ref\" needs \"service\""),
				 errhint("Name the service whose campaign or program it is.")));
}

static void
run(FunctionCallInfo fcinfo, IssueCall *call)
{
	const CmsOffer *offer;
	Datum hash = (Datum) 0;

	cms_result_start(fcinfo);
	cms_call_begin();
	offer = cms_offer_get(call->org, call->offer_id, false);

	call->nlines = call->ncustomers * call->how_many;
	call->lines = palloc0(sizeof(CmsIssueLine) * Max(call->nlines, 1));
	for (int i = 0; i < call->nlines; i++)
	{
		call->lines[i].line = i + 1;
		call->lines[i].customer = call->customers[i / call->how_many];
	}
	if (call->request_key != NULL)
		hash = request_hash(call);
	if (call->request_key == NULL || open_request(offer, call, hash))
	{
		/* the call may have claimed the offer, which may change the end of its coupons */
		offer = cms_issue_lines(offer, &call->issuer, call->lines, call->nlines);
		if (call->request_key != NULL)
			close_request(call);
	}
	for (int i = 0; i < call->nlines; i++)
	{
		CHECK_FOR_INTERRUPTS();
		put_line(fcinfo, offer, &call->lines[i]);
	}
	SPI_finish();
}

/* False: the key was used before, and the lines are answered from it. */
static bool
open_request(const CmsOffer *offer, IssueCall *call, Datum hash)
{
	Datum values[] = {Int32GetDatum(call->org),
					  CStringGetTextDatum(call->request_key),
					  Int64GetDatum(call->offer_id),
					  hash,
					  TimestampTzGetDatum(GetCurrentTimestamp())};

	if (cms_plan_run(&new_request, values, NULL, false) == 1)
		return true;
	replay_request(offer, call, hash);
	return false;
}

static void
replay_request(const CmsOffer *offer, IssueCall *call, Datum hash)
{
	Datum values[] = {Int32GetDatum(call->org), CStringGetTextDatum(call->request_key), hash};
	bool isnull;
	int64 *coupons;
	char **reasons;

	if (cms_plan_run(&read_request, values, NULL, false) == 0)
		elog(ERROR, "request \"%s\" vanished", call->request_key);
	if (!cms_row_bool(0, 1, false))
	{
		for (int i = 0; i < call->nlines; i++)
		{
			call->lines[i].reason = CMS_KEY_CONFLICT;
			call->lines[i].message = pstrdup(cms_reason_message(CMS_KEY_CONFLICT));
		}
		return;
	}

	cms_array_int64s(cms_row_value(0, 2, &isnull), &coupons);
	cms_array_texts(cms_row_value(0, 3, &isnull), &reasons);
	for (int i = 0; i < call->nlines; i++)
	{
		CmsIssueLine *line = &call->lines[i];

		CHECK_FOR_INTERRUPTS();
		line->replayed = true;
		if (reasons[i] != NULL)
		{
			line->reason = cms_reason_of_name(reasons[i]);
			line->message = pstrdup(cms_reason_message(line->reason));
		}
		else
			replay_line(offer, line, coupons[i]);
	}
}

static void
replay_line(const CmsOffer *offer, CmsIssueLine *line, int64 coupon_id)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(coupon_id)};
	bool isnull;

	cms_plan_run(&read_coupon, values, NULL, false);
	line->coupon_id = coupon_id;
	line->shared = cms_row_bool(0, 4, false);
	line->code = line->shared ? pstrdup(offer->common_code) : cms_row_text(0, 1);
	line->issued_at = cms_row_timestamptz(0, 2, 0);
	line->own_end = DatumGetTimestampTz(cms_row_value(0, 3, &isnull));
	line->has_own_end = !isnull;
}

/* Keeps the answer of every line with the key; what issued nothing binds nothing. */
static void
close_request(IssueCall *call)
{
	int64 *coupons = palloc(sizeof(int64) * Max(call->nlines, 1));
	const char **reasons = palloc(sizeof(char *) * Max(call->nlines, 1));
	bool *refused = palloc(sizeof(bool) * Max(call->nlines, 1));
	bool any = false;

	for (int i = 0; i < call->nlines; i++)
	{
		const CmsIssueLine *line = &call->lines[i];

		refused[i] = line->reason != CMS_OK;
		any |= !refused[i];
		coupons[i] = line->coupon_id;
		reasons[i] = cms_reason_name(line->reason);
	}

	Datum values[] = {
		Int32GetDatum(call->org),
		CStringGetTextDatum(call->request_key),
		cms_array_of_nullable_int64s(coupons, refused, call->nlines),
		cms_array_of_texts(reasons, call->nlines),
	};

	cms_plan_write(any ? &fill_request : &drop_request, values, NULL);
}

/* A digest of what is asked for; the time is not part of it, since a repeated call comes later. */
static Datum
request_hash(const IssueCall *call)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	bytea *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	char *head = psprintf("issue|" INT64_FORMAT "|%d|%d|%s|%s",
						  call->offer_id,
						  call->how_many,
						  call->issuer.all_or_none,
						  call->issuer.service ? call->issuer.service : "",
						  call->issuer.consumer_ref ? call->issuer.consumer_ref : "");
	bool ok = pg_cryptohash_init(context) >= 0 &&
			  pg_cryptohash_update(context, (const uint8 *) head, strlen(head) + 1) >= 0;

	for (int i = 0; ok && i < call->ncustomers; i++)
		ok = pg_cryptohash_update(
				 context, (const uint8 *) call->customers[i], strlen(call->customers[i]) + 1) >= 0;
	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (!ok || pg_cryptohash_final(context, (uint8 *) VARDATA(digest), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(context));
	pg_cryptohash_free(context);
	return PointerGetDatum(digest);
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
		TimestampTz expires_at;

		values[out_coupon_id] = Int64GetDatum(line->coupon_id);
		nulls[out_coupon_id] = false;
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
