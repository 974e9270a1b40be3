/*
 * reverse.c
 *	  cms_reverse: a redemption taken back, once (F37).
 *
 * A request_key comes first. Then the coupon is locked, as redeeming does, and the
 * redemption; the counters come last. A reversal that was refused leaves no key behind.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "allowance.h"
#include "args.h"
#include "array.h"
#include "counter.h"
#include "event.h"
#include "expiry_mark.h"
#include "message.h"
#include "money.h"
#include "org.h"
#include "plan.h"
#include "redeem.h"
#include "request.h"
#include "result.h"
#include "subxact.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_reverse);

typedef struct Reversal
{
	int org;
	int64 redemption_id;
	char *note;
	char *request_key;
	TimestampTz at;
	const CmsOffer *offer;
	CmsCoupon coupon;
	char *customer;
	Numeric discount;
	bool reversed_before;
	bool returned_before;
	CmsReason reason;
	bool returned;
	bool replayed;
} Reversal;

/* columns of cms_reverse_result */
enum
{
	out_redemption_id,
	out_reversed,
	out_reason,
	out_message,
	out_use_returned,
	out_replayed,
	out_columns
};

static CmsRequestState open_request(const Reversal *r, CmsRequest *request);
static void reverse(Reversal *r, const CmsRequest *request);
static void lock_coupon(Reversal *r);
static void read_redemption(Reversal *r);
static CmsReason judge(const Reversal *r);
static bool write_reversal(const Reversal *r);
static bool write_all(const Reversal *r);
static void record(const Reversal *r);

static CmsPlan lock = {
	"SELECT c.offer_id, c.expires_at, c.revoked_at IS NOT NULL, c.uses, c.coupon_id"
	" FROM cms.coupon c"
	" WHERE c.org_id = $1 AND c.coupon_id ="
	"  (SELECT r.coupon_id FROM cms.redemption r WHERE r.org_id = $1 AND r.redemption_id = $2)"
	" FOR NO KEY UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan find = {
	"SELECT r.discount, r.reversed_at IS NOT NULL, r.use_returned, r.redeemed_at, r.customer_id FROM cms.redemption r"
	" WHERE r.org_id = $1 AND r.redemption_id = $2 FOR NO KEY UPDATE",
	2,
	{INT4OID, INT8OID}};

static CmsPlan mark = {
	"UPDATE cms.redemption SET reversed_at = $3, reversed_by = $4, reversal_note = $5, use_returned = $6"
	" WHERE org_id = $1 AND redemption_id = $2",
	6,
	{INT4OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, BOOLOID}};

static CmsPlan return_use = {
	"UPDATE cms.coupon SET uses = uses - 1, forfeited_uses = forfeited_uses + $3"
	" WHERE org_id = $1 AND coupon_id = (SELECT r.coupon_id FROM cms.redemption r"
	"  WHERE r.org_id = $1 AND r.redemption_id = $2)",
	3,
	{INT4OID, INT8OID, INT4OID}};

/*
 * cms_reverse(redemption_id, note, request_key, at, org)
 */
Datum
cms_reverse(PG_FUNCTION_ARGS)
{
	Reversal r = {
		.redemption_id = cms_arg_int64(fcinfo, 0, "redemption_id"),
		.note = cms_arg_text(fcinfo, 1),
		.request_key = cms_arg_key(fcinfo, 2, "request_key"),
		.at = cms_arg_at(fcinfo, 3),
		.org = cms_arg_org(fcinfo, 4),
	};
	MemoryContext caller = CurrentMemoryContext;
	CmsRequest request;
	Datum values[out_columns];
	bool nulls[out_columns] = {false};
	Datum row;

	cms_call_begin();
	switch (open_request(&r, &request))
	{
		case CMS_REQUEST_NEW:
			reverse(&r, &request);
			break;
		case CMS_REQUEST_REPLAYED:
			r.returned = request.answer[0] != 0;
			r.replayed = true;
			break;
		case CMS_REQUEST_CONFLICT:
			r.reason = CMS_KEY_CONFLICT;
			/* the key knows nothing of this redemption */
			nulls[out_use_returned] = true;
			break;
	}
	values[out_redemption_id] = Int64GetDatum(r.redemption_id);
	values[out_reversed] = BoolGetDatum(r.reason == CMS_OK);
	cms_result_reason(r.reason,
					  cms_message_of_use(r.reason, r.offer, NULL),
					  values,
					  nulls,
					  out_reason,
					  out_message);
	values[out_use_returned] = BoolGetDatum(r.returned);
	values[out_replayed] = BoolGetDatum(r.replayed);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static CmsRequestState
open_request(const Reversal *r, CmsRequest *request)
{
	cms_request_begin(request, r->org, r->request_key, "REVERSE");
	cms_request_number(request, r->redemption_id);
	cms_request_text(request, r->note);
	return cms_request_open(request);
}

static void
reverse(Reversal *r, const CmsRequest *request)
{
	int64 answer;

	lock_coupon(r);
	read_redemption(r);
	/* or an expired coupon would come back by an earlier time */
	if (!r->reversed_before)
		cms_org_rules_require_recent(&r->offer->org_rules, r->at);
	r->reason = judge(r);
	if (r->reason != CMS_OK)
	{
		r->returned = r->reversed_before && r->returned_before;
		cms_request_drop(request);
		return;
	}
	/* by the rules about customers as they are when it counts */
	while (!write_reversal(r))
		r->offer = cms_offer_get(r->org, r->coupon.offer_id, false);
	r->returned = r->offer->reversal_restores_use;
	record(r);
	answer = r->returned;
	cms_request_keep(request, cms_array_of_int64s(&answer, 1), (Datum) 0);
}

static void
lock_coupon(Reversal *r)
{
	Datum values[] = {Int32GetDatum(r->org), Int64GetDatum(r->redemption_id)};
	bool isnull;

	if (cms_plan_run(&lock, values, NULL, false) == 0)
		cms_redeem_unknown(r->redemption_id);
	r->coupon.offer_id = cms_row_int64(0, 1, 0);
	r->coupon.expires_at = DatumGetTimestampTz(cms_row_value(0, 2, &isnull));
	r->coupon.has_own_end = !isnull;
	r->coupon.revoked = cms_row_bool(0, 3, false);
	r->coupon.uses = cms_row_int32(0, 4, 0);
	r->coupon.coupon_id = cms_row_int64(0, 5, 0);
	r->offer = cms_offer_get(r->org, r->coupon.offer_id, false);
}

/* After the coupon's lock, so that of several reversals each sees what the one before did. */
static void
read_redemption(Reversal *r)
{
	Datum values[] = {Int32GetDatum(r->org), Int64GetDatum(r->redemption_id)};

	if (cms_plan_run(&find, values, NULL, false) == 0)
		elog(ERROR, "redemption " INT64_FORMAT " vanished", r->redemption_id);
	r->discount = cms_row_numeric(0, 1);
	r->reversed_before = cms_row_bool(0, 2, false);
	r->returned_before = cms_row_bool(0, 3, false);
	/* what is taken back has been: an earlier time would revive what has expired since */
	r->at = Max(r->at, cms_row_timestamptz(0, 4, r->at));
	r->customer = cms_row_text(0, 5);
}

static CmsReason
judge(const Reversal *r)
{
	if (r->reversed_before)
		return CMS_ALREADY_REVERSED;
	if (r->coupon.revoked)
		return CMS_COUPON_REVOKED;
	if (r->offer->end_binds_coupons && r->at >= r->offer->ends_at)
		return CMS_COUPON_EXPIRED;
	if (r->coupon.has_own_end && r->at >= r->coupon.expires_at)
		return CMS_COUPON_EXPIRED;
	return CMS_OK;
}

/* False: the offer's rules about customers have changed meanwhile, and nothing is written. */
static bool
write_reversal(const Reversal *r)
{
	CmsSubxact subxact;
	volatile bool written = false;

	CHECK_FOR_INTERRUPTS();
	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		written = write_all(r);
		cms_subxact_end(&subxact, written);
	}
	PG_CATCH();
	{
		ReThrowError(cms_subxact_failed(&subxact));
	}
	PG_END_TRY();
	return written;
}

static bool
write_all(const Reversal *r)
{
	bool restore = r->offer->reversal_restores_use;
	CmsParams marked = {0};
	Datum returned[] = {
		Int32GetDatum(r->org), Int64GetDatum(r->redemption_id), Int32GetDatum(restore ? 0 : 1)};
	CmsCount count = {
		.uses = -1,
		.forfeited_uses = restore ? 0 : 1,
		.redeemed_coupons = r->coupon.uses == 1 ? -1 : 0,
		.discount = cms_money_subtract(cms_money_zero(), r->discount),
		.forfeited_discount = restore ? NULL : r->discount,
	};

	cms_param_int(&marked, r->org);
	cms_param_int64(&marked, r->redemption_id);
	cms_param_instant(&marked, r->at);
	cms_param_text(&marked, cms_org_caller_name());
	cms_param_text(&marked, r->note);
	cms_param_bool(&marked, restore);
	cms_plan_write(&mark, marked.values, marked.nulls);
	cms_plan_write(&return_use, returned, NULL);
	cms_expiry_mark(r->offer, r->coupon.has_own_end, r->coupon.expires_at);
	if (restore && !cms_allowance_give_back(r->offer, r->customer, r->coupon.coupon_id))
		return false;
	return cms_counter_add(r->offer, &count);
}

/* F49 */
static void
record(const Reversal *r)
{
	CmsFacts before = {0};
	CmsFacts after = {0};
	CmsEvent event = {
		.org = r->org,
		.action = "REVERSED",
		.object = "redemption",
		.object_id = psprintf(INT64_FORMAT, r->redemption_id),
		.offer_id = r->coupon.offer_id,
		.at = r->at,
		.old_values = &before,
		.new_values = &after,
	};

	cms_facts_int64(&before, "uses", r->coupon.uses);
	cms_facts_int64(&after, "uses", r->coupon.uses - 1);
	cms_facts_int64(&after, "coupon_id", r->coupon.coupon_id);
	cms_facts_numeric(&after, "discount", r->discount);
	cms_facts_bool(&after, "use_returned", r->returned);
	cms_facts_text(&after, "note", r->note);
	cms_event_record(&event);
}
