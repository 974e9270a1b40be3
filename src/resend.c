/*
 * resend.c
 *	  cms_resend: a coupon sent to its holder once more (F21).
 *
 * Nothing is issued and nothing of the coupon changes: a message is queued. As long as it is on its
 * way, the same again is that message, which the unique index of open resends decides. What it says
 * is worked out when a sender takes it.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "coupon.h"
#include "plan.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_resend);

typedef struct Resend
{
	int org;
	char *typed;
	char code[CMS_CODE_MAX_LENGTH + 1];
	char *customer;
	char *channel;
	TimestampTz at;
	CmsFound found;
	int64 message_id;
	bool replayed;
} Resend;

/* columns of cms_resend_result */
enum
{
	out_code,
	out_queued,
	out_reason,
	out_message,
	out_message_id,
	out_offer_id,
	out_coupon_id,
	out_replayed,
	out_columns
};

static CmsReason resend(Resend *r);
static CmsReason judge(const Resend *r);
static bool allows_resend(const Resend *r);
static void queue(Resend *r);

static CmsPlan allowed = {
	"SELECT o.resend_allowed FROM cms.offer o WHERE o.org_id = $1 AND o.offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan new_message = {
	"INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, coupon_id, customer_id, due_at,"
	" next_attempt_at, queued_at)"
	" VALUES ($1, nextval('cms.message_id_seq'), 'RESEND', $2, $3, $4, $5, $6, $6, $6)"
	" ON CONFLICT DO NOTHING RETURNING message_id",
	6,
	{INT4OID, TEXTOID, INT8OID, INT8OID, TEXTOID, TIMESTAMPTZOID}};

static CmsPlan open_message = {
	"SELECT m.message_id FROM cms.outbox m WHERE m.org_id = $1 AND m.channel = $2 AND m.coupon_id = $3"
	" AND m.kind = 'RESEND' AND m.status IN ('PENDING', 'LEASED')",
	3,
	{INT4OID, TEXTOID, INT8OID}};

/*
 * cms_resend(code, customer_id, channel, at, org)
 */
Datum
cms_resend(PG_FUNCTION_ARGS)
{
	Resend r = {
		.typed = cms_arg_text(fcinfo, 0),
		.customer = cms_arg_required_id(fcinfo, 1, "customer_id"),
		.channel = cms_arg_required_id(fcinfo, 2, "channel"),
		.at = cms_arg_at(fcinfo, 3),
		.org = cms_arg_org(fcinfo, 4),
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum values[out_columns];
	bool nulls[out_columns] = {false};
	CmsReason reason;
	Datum row;

	if (r.typed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"code\" must not be null"),
				 errhint("Pass the code of the coupon to send again.")));
	cms_call_begin();
	reason = resend(&r);
	cms_result_text(r.code[0] != '\0' ? r.code : r.typed, values, nulls, out_code);
	values[out_queued] = BoolGetDatum(reason == CMS_OK);
	cms_result_reason(reason, NULL, values, nulls, out_reason, out_message);
	values[out_message_id] = Int64GetDatum(r.message_id);
	nulls[out_message_id] = r.message_id == 0;
	values[out_offer_id] = Int64GetDatum(r.found.coupon.offer_id);
	nulls[out_offer_id] = r.found.coupon.offer_id == 0;
	values[out_coupon_id] = Int64GetDatum(r.found.coupon.coupon_id);
	nulls[out_coupon_id] = r.found.coupon.coupon_id == 0;
	values[out_replayed] = BoolGetDatum(r.replayed);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static CmsReason
resend(Resend *r)
{
	CmsReason reason;

	if (cms_code_normalise(r->typed, strlen(r->typed), r->code) != CMS_OK ||
		!cms_coupon_find(r->org, r->code, r->customer, CMS_FIND_NOW, &r->found))
		return CMS_CODE_NOT_FOUND;
	reason = judge(r);
	if (reason == CMS_OK)
		queue(r);
	return reason;
}

/* The first that holds. Whoever takes the message looks again. */
static CmsReason
judge(const Resend *r)
{
	const CmsOffer *offer = r->found.offer;
	const CmsCoupon *coupon = &r->found.coupon;
	TimestampTz end;

	if (coupon->revoked)
		return CMS_COUPON_REVOKED;
	if (!coupon->issued)
		return CMS_NOT_ISSUED;
	if (cms_rule_effective_end(offer, coupon->has_own_end, coupon->expires_at, &end) &&
		r->at >= end)
		return CMS_COUPON_EXPIRED;
	if (!cms_text_equal(coupon->holder, r->customer))
		return CMS_NOT_THE_HOLDER;
	if (offer->max_uses_per_coupon != CMS_UNLIMITED &&
		coupon->uses + coupon->forfeited_uses >= offer->max_uses_per_coupon)
		return CMS_ALREADY_REDEEMED;
	return allows_resend(r) ? CMS_OK : CMS_RESEND_NOT_ALLOWED;
}

static bool
allows_resend(const Resend *r)
{
	Datum values[] = {Int32GetDatum(r->org), Int64GetDatum(r->found.coupon.offer_id)};

	return cms_plan_run(&allowed, values, NULL, false) == 1 && cms_row_bool(0, 1, false);
}

/* Who meets an open one has it as the answer, unless it was delivered in between. */
static void
queue(Resend *r)
{
	Datum of_message[] = {Int32GetDatum(r->org),
						  CStringGetTextDatum(r->channel),
						  Int64GetDatum(r->found.coupon.offer_id),
						  Int64GetDatum(r->found.coupon.coupon_id),
						  CStringGetTextDatum(r->customer),
						  TimestampTzGetDatum(r->at)};
	Datum of_coupon[] = {of_message[0], of_message[1], of_message[3]};

	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		r->replayed = cms_plan_run(&new_message, of_message, NULL, false) == 0;
		if (!r->replayed || cms_plan_run_latest(&open_message, of_coupon, NULL) == 1)
			break;
	}
	r->message_id = cms_row_int64(0, 1, 0);
}
