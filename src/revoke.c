/*
 * revoke.c
 *	  cms_revoke: coupons made unredeemable for good (F39).
 *
 * A coupon is redeemed, and left, when it has no use left; one with uses left is
 * revoked for the future. A request_key comes first. The rows are locked in the
 * order of their number, so that two revocations do not wait for each other in a
 * circle. What was done is the answer to the key, also where it was nothing: what
 * has been issued since was not meant.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "args.h"
#include "array.h"
#include "counter.h"
#include "event.h"
#include "offer.h"
#include "plan.h"
#include "request.h"
#include "result.h"

PG_FUNCTION_INFO_V1(cms_revoke);

/* revoked_issued, revoked_unissued, left_redeemed */
#define COUNTS 3
/* customers that an event names */
#define MAX_NAMED 100

typedef enum Scope
{
	SCOPE_ALL_UNREDEEMED,
	SCOPE_UNISSUED,
	SCOPE_CUSTOMERS,
	SCOPE_CODES,
	SCOPE_COUNT
} Scope;

static const char *const scope_names[SCOPE_COUNT] = {
	[SCOPE_ALL_UNREDEEMED] = "ALL_UNREDEEMED",
	[SCOPE_UNISSUED] = "UNISSUED",
	[SCOPE_CUSTOMERS] = "CUSTOMERS",
	[SCOPE_CODES] = "CODES",
};

typedef struct Revocation
{
	int org;
	int64 offer_id;
	Scope scope;
	char **list; /* of the scope; codes as they are stored */
	int nlist;   /* -1: the scope has none */
	bool confirm;
	char *request_key;
	TimestampTz at;
	const CmsOffer *offer;
	int64 counts[COUNTS];
	CmsReason reason;
	bool replayed;
} Revocation;

/* columns of cms_revoke_result, after the counts */
enum
{
	out_reason = COUNTS,
	out_message,
	out_replayed,
	out_columns
};

static Scope fetch_scope(FunctionCallInfo fcinfo, int n);
static void fetch_list(FunctionCallInfo fcinfo, int n, const char *name, bool used, Revocation *r);
static void keep_good_codes(Revocation *r);
static void require_confirmation(const Revocation *r);
static CmsRequestState open_request(const Revocation *r, CmsRequest *request);
static void revoke_coupons(Revocation *r);
static bool names_common_code(const Revocation *r);
static void record(const Revocation *r);

/*
 * $3 is the list of the scope, $4 the uses of a coupon (NULL: unlimited). A
 * coupon of the scope is either revoked or counted as left; the outer statement
 * counts both.
 */
#define REVOKE(found, join, condition)                                                                       \
	"WITH " found "wanted AS MATERIALIZED ("                                                                 \
	" SELECT c.coupon_id, c.issued_at IS NOT NULL AS issued,"                                                \
	"  c.uses > 0 AND c.uses + c.forfeited_uses >= $4 AS redeemed"                                           \
	" FROM cms.coupon c" join " WHERE c.org_id = $1 AND c.revoked_at IS NULL AND " condition                 \
	" ORDER BY c.coupon_id FOR UPDATE OF c"                                                                  \
	"), revoked AS ("                                                                                        \
	" UPDATE cms.coupon c SET revoked_at = $5 FROM wanted w"                                                 \
	" WHERE c.org_id = $1 AND c.coupon_id = w.coupon_id AND w.redeemed IS NOT TRUE"                          \
	" RETURNING w.issued"                                                                                    \
	") SELECT (SELECT count(*) FROM revoked WHERE issued), (SELECT count(*) FROM revoked WHERE NOT issued)," \
	" (SELECT count(*) FROM wanted WHERE redeemed)"

/*
 * All that an offer has out or in stock is found by indexes of their own, then locked by its
 * number. What is locked may have changed its state since it was found; what is asked of it is
 * put so that no index of a state answers, which would read the whole offer for each coupon.
 */
#define FOUND(which) "found AS MATERIALIZED (" which "),"
#define JOIN_FOUND " JOIN found f ON c.coupon_id = f.coupon_id"
#define OF_OFFER \
	"SELECT x.coupon_id FROM cms.coupon x WHERE x.org_id = $1 AND x.offer_id = $2 AND x.revoked_at IS NULL"
#define OUT OF_OFFER " AND x.issued_at IS NOT NULL"
#define IN_STOCK OF_OFFER " AND x.issued_at IS NULL"

#define REVOKE_ARGS                                             \
	5,                                                          \
	{                                                           \
		INT4OID, INT8OID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID \
	}

static CmsPlan plans[SCOPE_COUNT] = {
	[SCOPE_ALL_UNREDEEMED] = {REVOKE(FOUND(OUT " UNION ALL " IN_STOCK), JOIN_FOUND, "$3 IS NULL"),
							  REVOKE_ARGS},
	[SCOPE_UNISSUED] = {REVOKE(FOUND(IN_STOCK), JOIN_FOUND,
							   "COALESCE(c.issued_at, c.revoked_at) IS NULL AND $3 IS NULL"),
						REVOKE_ARGS},
	[SCOPE_CUSTOMERS] = {REVOKE("", "",
								"c.offer_id = $2 AND c.customer_id = ANY ($3)"
								" AND (c.expires_at IS NULL OR c.expires_at > $5)"),
						 REVOKE_ARGS},
	[SCOPE_CODES] = {REVOKE("", "", "c.offer_id = $2 AND c.code = ANY ($3) AND NOT c.shared"),
					 REVOKE_ARGS},
};

/*
 * cms_revoke(offer_id, scope, customer_ids, codes, confirm, request_key, at, org)
 */
Datum
cms_revoke(PG_FUNCTION_ARGS)
{
	Revocation r = {
		.offer_id = cms_arg_int64(fcinfo, 0, "offer_id"),
		.scope = fetch_scope(fcinfo, 1),
		.nlist = -1,
		.confirm = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4),
		.request_key = cms_arg_id(fcinfo, 5, "request_key"),
		.at = cms_arg_at(fcinfo, 6),
		.org = cms_arg_org(fcinfo, 7),
	};
	MemoryContext caller = CurrentMemoryContext;
	CmsRequest request;
	Datum values[out_columns];
	bool nulls[out_columns] = {false};
	Datum row;

	fetch_list(fcinfo, 2, "customer_ids", r.scope == SCOPE_CUSTOMERS, &r);
	fetch_list(fcinfo, 3, "codes", r.scope == SCOPE_CODES, &r);
	if (r.scope == SCOPE_CODES)
		keep_good_codes(&r);

	cms_call_begin();
	r.offer = cms_offer_get(r.org, r.offer_id, false);
	require_confirmation(&r);
	switch (open_request(&r, &request))
	{
		case CMS_REQUEST_NEW:
			revoke_coupons(&r);
			if (r.counts[0] + r.counts[1] > 0)
				record(&r);
			cms_request_keep(&request, cms_array_of_int64s(r.counts, COUNTS), (Datum) 0);
			break;
		case CMS_REQUEST_REPLAYED:
			memcpy(r.counts, request.answer, sizeof(r.counts));
			r.replayed = true;
			break;
		case CMS_REQUEST_CONFLICT:
			r.reason = CMS_KEY_CONFLICT;
			memset(nulls, true, sizeof(bool) * COUNTS);
			break;
	}
	for (int i = 0; i < COUNTS; i++)
		values[i] = Int64GetDatum(r.counts[i]);
	cms_result_reason(r.reason, NULL, values, nulls, out_reason, out_message);
	values[out_replayed] = BoolGetDatum(r.replayed);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static Scope
fetch_scope(FunctionCallInfo fcinfo, int n)
{
	char *name = cms_arg_required_id(fcinfo, n, "scope");

	for (int scope = 0; scope < SCOPE_COUNT; scope++)
		if (strcmp(name, scope_names[scope]) == 0)
			return scope;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"scope\" must not be \"%s\"", name),
			 errhint("Use ALL_UNREDEEMED, UNISSUED, CUSTOMERS or CODES.")));
}

/* The list that the scope asks for; one that it does not ask for would be ignored, so it is an error. */
static void
fetch_list(FunctionCallInfo fcinfo, int n, const char *name, bool used, Revocation *r)
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
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null with scope %s",
						name,
						scope_names[r->scope])));
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
keep_good_codes(Revocation *r)
{
	int ngood = 0;
	char code[CMS_CODE_MAX_LENGTH + 1];

	for (int i = 0; i < r->nlist; i++)
		if (cms_code_normalise(r->list[i], strlen(r->list[i]), code) == CMS_OK)
			r->list[ngood++] = pstrdup(code);
	r->nlist = ngood;
}

static void
require_confirmation(const Revocation *r)
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

static CmsRequestState
open_request(const Revocation *r, CmsRequest *request)
{
	cms_request_begin(request, r->org, r->request_key, "REVOKE");
	cms_request_number(request, r->offer_id);
	cms_request_text(request, scope_names[r->scope]);
	for (int i = 0; i < r->nlist; i++)
		cms_request_text(request, r->list[i]);
	return cms_request_open(request);
}

static void
revoke_coupons(Revocation *r)
{
	const CmsOffer *offer = r->offer;
	Scope scope = r->scope;
	int nlist = r->nlist;
	CmsParams params = {0};
	CmsCount count = {0};

	/* coupons keep the code they were issued with, and are known by the offer's present one */
	if (scope == SCOPE_CODES && names_common_code(r))
	{
		scope = SCOPE_ALL_UNREDEEMED;
		nlist = -1;
	}

	/* of customers the active coupons are meant, and with the offer all may have ended */
	if (scope == SCOPE_CUSTOMERS && offer->end_binds_coupons && r->at >= offer->ends_at)
		nlist = 0;

	cms_param_int(&params, r->org);
	cms_param_int64(&params, r->offer_id);
	cms_param(&params,
			  nlist < 0 ? (Datum) 0 : cms_array_of_texts((const char *const *) r->list, nlist),
			  nlist < 0);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param_instant(&params, r->at);
	cms_plan_write(&plans[scope], params.values, params.nulls);
	for (int i = 0; i < COUNTS; i++)
		r->counts[i] = cms_row_int64(0, i + 1, 0);
	count.stock = -r->counts[1];
	if (count.stock != 0 && !cms_counter_add(offer, &count))
		elog(ERROR, "no counters of offer " INT64_FORMAT, r->offer_id);
}

static bool
names_common_code(const Revocation *r)
{
	if (r->offer->common_code == NULL)
		return false;
	for (int i = 0; i < r->nlist; i++)
		if (strcmp(r->list[i], r->offer->common_code) == 0)
			return true;
	return false;
}

/* F49: how many customers or codes were named, and a few customers; codes are nobody's to read here */
static void
record(const Revocation *r)
{
	static const char *const names[COUNTS] = {
		"revoked_issued", "revoked_unissued", "left_redeemed"};
	CmsFacts facts = {0};
	CmsEvent event = {
		.org = r->org,
		.action = "REVOKED",
		.object = "coupon",
		.offer_id = r->offer_id,
		.at = r->at,
		.new_values = &facts,
	};

	cms_facts_text(&facts, "scope", scope_names[r->scope]);
	for (int i = 0; i < COUNTS; i++)
		cms_facts_int64(&facts, names[i], r->counts[i]);
	if (r->nlist >= 0)
		cms_facts_int64(&facts, "listed", r->nlist);
	if (r->scope == SCOPE_CUSTOMERS && r->nlist <= MAX_NAMED)
		cms_facts_texts(&facts, "customers", r->list, r->nlist);
	cms_event_record(&event);
}
