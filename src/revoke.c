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
#include "expiry_mark.h"
#include "offer.h"
#include "plan.h"
#include "request.h"
#include "result.h"
#include "revoke.h"

PG_FUNCTION_INFO_V1(cms_revoke);

typedef struct Revocation
{
	int org;
	CmsRevokeRequest what;
	char *request_key;
	TimestampTz at;
	const CmsOffer *offer;
	int64 counts[CMS_REVOKE_COUNTS];
	CmsReason reason;
	bool replayed;
} Revocation;

/* columns of cms_revoke_result, after the counts */
enum
{
	out_reason = CMS_REVOKE_COUNTS,
	out_message,
	out_replayed,
	out_columns
};

static CmsRequestState open_request(const Revocation *r, CmsRequest *request);
static void revoke_coupons(Revocation *r);

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

static CmsPlan plans[CMS_REVOKE_SCOPES] = {
	[CMS_REVOKE_ALL_UNREDEEMED] = {REVOKE(FOUND(OUT " UNION ALL " IN_STOCK), JOIN_FOUND,
										  "$3 IS NULL"),
								   REVOKE_ARGS},
	[CMS_REVOKE_UNISSUED] = {REVOKE(FOUND(IN_STOCK), JOIN_FOUND,
									"COALESCE(c.issued_at, c.revoked_at) IS NULL AND $3 IS NULL"),
							 REVOKE_ARGS},
	[CMS_REVOKE_CUSTOMERS] = {REVOKE("", "",
									 "c.offer_id = $2 AND c.customer_id = ANY ($3)"
									 " AND (c.expires_at IS NULL OR c.expires_at > $5)"),
							  REVOKE_ARGS},
	[CMS_REVOKE_CODES] = {REVOKE("", "", "c.offer_id = $2 AND c.code = ANY ($3) AND NOT c.shared"),
						  REVOKE_ARGS},
};

/*
 * cms_revoke(offer_id, scope, customer_ids, codes, confirm, request_key, at, org)
 */
Datum
cms_revoke(PG_FUNCTION_ARGS)
{
	Revocation r = {
		.request_key = cms_arg_key(fcinfo, 5, "request_key"),
		.at = cms_arg_at(fcinfo, 6),
		.org = cms_arg_org(fcinfo, 7),
	};
	MemoryContext caller = CurrentMemoryContext;
	CmsRequest request;
	Datum values[out_columns];
	bool nulls[out_columns] = {false};
	Datum row;

	cms_revoke_fetch(fcinfo, &r.what);
	cms_call_begin();
	r.offer = cms_offer_get(r.org, r.what.offer_id, false);
	cms_revoke_require_confirmation(&r.what);
	switch (open_request(&r, &request))
	{
		case CMS_REQUEST_NEW:
			revoke_coupons(&r);
			if (r.counts[0] + r.counts[1] > 0)
				cms_revoke_record(&r.what, r.org, r.at, r.counts, 0);
			cms_request_keep(&request, cms_array_of_int64s(r.counts, CMS_REVOKE_COUNTS), (Datum) 0);
			break;
		case CMS_REQUEST_REPLAYED:
			memcpy(r.counts, request.answer, sizeof(r.counts));
			r.replayed = true;
			break;
		case CMS_REQUEST_CONFLICT:
			r.reason = CMS_KEY_CONFLICT;
			memset(nulls, true, sizeof(bool) * CMS_REVOKE_COUNTS);
			break;
	}
	for (int i = 0; i < CMS_REVOKE_COUNTS; i++)
		values[i] = Int64GetDatum(r.counts[i]);
	cms_result_reason(r.reason, NULL, values, nulls, out_reason, out_message);
	values[out_replayed] = BoolGetDatum(r.replayed);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static CmsRequestState
open_request(const Revocation *r, CmsRequest *request)
{
	cms_request_begin(request, r->org, r->request_key, "REVOKE");
	cms_request_number(request, r->what.offer_id);
	cms_request_text(request, cms_revoke_scope_name(r->what.scope));
	for (int i = 0; i < r->what.nlist; i++)
		cms_request_text(request, r->what.list[i]);
	return cms_request_open(request);
}

static void
revoke_coupons(Revocation *r)
{
	const CmsOffer *offer = r->offer;
	CmsRevokeRequest what = cms_revoke_narrowed(&r->what, offer, r->at);
	CmsParams params = {0};
	CmsCount count = {0};

	cms_param_int(&params, r->org);
	cms_param_int64(&params, what.offer_id);
	cms_param(&params,
			  what.nlist < 0 ? (Datum) 0
							 : cms_array_of_texts((const char *const *) what.list, what.nlist),
			  what.nlist < 0);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param_instant(&params, r->at);
	cms_plan_write(&plans[what.scope], params.values, params.nulls);
	for (int i = 0; i < CMS_REVOKE_COUNTS; i++)
		r->counts[i] = cms_row_int64(0, i + 1, 0);
	/* what has ended is in the books; of customers, only what is active at the time is revoked */
	if (r->counts[0] > 0 && what.scope == CMS_REVOKE_CODES)
		cms_expiry_mark_revoked(offer, params.values[2]);
	else if (r->counts[0] > 0 && (what.scope != CMS_REVOKE_CUSTOMERS ||
								  r->at < GetCurrentTimestamp() - USECS_PER_MINUTE))
		cms_expiry_mark_all(offer);
	count.stock = -r->counts[1];
	if (count.stock != 0 && !cms_counter_add(offer, &count))
		elog(ERROR, "no counters of offer " INT64_FORMAT, what.offer_id);
}
