/*
 * coupon.c
 *	  Finding a coupon by what was typed, and reading what its rules ask for.
 *
 * The usual case, a code of its own, is one statement. Common codes and revoked
 * coupons are looked for only when that finds nothing.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "array.h"
#include "counter.h"
#include "coupon.h"
#include "issue.h"
#include "money.h"
#include "number.h"
#include "plan.h"
#include "text.h"

static bool find_own(int org, const char *code, CmsFind how, CmsFound *found);
static bool
find_common(int org, const char *code, const char *customer, CmsFind how, CmsFound *found);
static bool find_revoked(int org, const char *code, CmsFind how, CmsFound *found);
static void read_found(int org, CmsFind how, CmsFound *found);
static void read_row(uint64 row, CmsFound *found);
static bool is_far_from_caps(const CmsOffer *offer);
static void read_holds(const CmsFound *found, const CmsUseRequest *request, int64 own_hold,
					   bool read_only, CmsUsage *usage);
static void
read_totals(const CmsOffer *offer, const CmsUseRequest *request, bool read_only, CmsUsage *usage);
static bool may_receive(int org, const CmsFound *found, const CmsUseRequest *request, int64 issued,
						bool read_only);
static bool
received_others(int org, const CmsOffer *offer, const CmsUseRequest *request, bool read_only);

/* more than use one offer at once, each with a hint of its own */
#define SESSIONS 256

/* The same columns for every way of finding; the lock is the only difference between redeeming and checking. */
#define COUPON_COLUMNS                                                                                    \
	"SELECT c.coupon_id, c.offer_id, c.customer_id, c.issued_at, c.expires_at, c.revoked_at IS NOT NULL," \
	" c.uses, c.forfeited_uses, c.last_redeemed_at, c.shared, c.held_until, c.xmin, c.ctid"
#define SELECT_COUPON COUPON_COLUMNS " FROM cms.coupon c"
#define HAS_CODE " WHERE c.org_id = $1 AND c.code = $2 AND c.revoked_at IS NULL AND NOT c.shared"
#define BY_CODE SELECT_COUPON HAS_CODE
#define BY_CUSTOMER                                                                \
	SELECT_COUPON                                                                  \
	" WHERE c.org_id = $1 AND c.customer_id = $2 AND c.offer_id = $3 AND c.shared" \
	" ORDER BY c.revoked_at IS NOT NULL, c.nth DESC LIMIT 1"
#define BY_REVOKED_CODE                                                                  \
	SELECT_COUPON                                                                        \
	" WHERE c.org_id = $1 AND c.code = $2 AND c.revoked_at IS NOT NULL AND NOT c.shared" \
	" ORDER BY c.revoked_at DESC, c.coupon_id DESC LIMIT 1"
#define LOCK " FOR NO KEY UPDATE"

static CmsPlan by_code[2] = {{BY_CODE, 2, {INT4OID, TEXTOID}, .is_hot = true},
							 {BY_CODE LOCK, 2, {INT4OID, TEXTOID}, .is_hot = true}};
static CmsPlan by_customer[2] = {{BY_CUSTOMER, 3, {INT4OID, TEXTOID, INT8OID}},
								 {BY_CUSTOMER LOCK, 3, {INT4OID, TEXTOID, INT8OID}}};
static CmsPlan by_revoked_code = {BY_REVOKED_CODE, 2, {INT4OID, TEXTOID}};

/* what is used up, ended by itself or revoked is left out; the offers' ends are for the rules */
static CmsPlan open_coupons = {
	COUPON_COLUMNS
	", CASE WHEN c.shared THEN o.common_code ELSE c.code END"
	" FROM cms.coupon c JOIN cms.offer o ON o.org_id = $1 AND o.offer_id = c.offer_id"
	" WHERE c.org_id = $1 AND c.customer_id = $2 AND c.revoked_at IS NULL"
	" AND (c.expires_at IS NULL OR c.expires_at > $3)"
	" AND (o.max_uses_per_coupon IS NULL OR c.uses + c.forfeited_uses < o.max_uses_per_coupon)"
	" ORDER BY c.offer_id, c.nth",
	3,
	{INT4OID, TEXTOID, TIMESTAMPTZOID}};

static CmsPlan by_id = {COUPON_COLUMNS ", c.code FROM cms.coupon c"
									   " WHERE c.org_id = $1 AND c.coupon_id = $2" LOCK,
						2,
						{INT4OID, INT8OID},
						.is_hot = true};

static CmsPlan common_offer = {
	"SELECT o.offer_id FROM cms.offer o"
	" WHERE o.org_id = $1 AND COALESCE(o.common_code, o.sample_code) = $2 AND o.common_code IS NOT NULL",
	2,
	{INT4OID, TEXTOID}};

static CmsPlan new_coupon = {
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, shared, customer_id, nth, issued_at, expires_at,"
	" held_until, uses, last_redeemed_at)"
	" VALUES ($1, $8, $2, $3, true, $4, CASE WHEN $4 IS NOT NULL THEN 1 END, $5, $6,"
	" $7, CASE WHEN $7 IS NULL THEN 1 ELSE 0 END, CASE WHEN $7 IS NULL THEN $5 END)"
	" ON CONFLICT DO NOTHING",
	8,
	{INT4OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID},
	.is_hot = true};

static CmsPlan delete_coupon = {
	"DELETE FROM cms.coupon WHERE org_id = $1 AND coupon_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan resolve_place = {
	"SELECT t.parent_id, s.entity_id, s.parent_id, z.parent_id"
	" FROM (SELECT 1) one"
	" LEFT JOIN cms.org_entity t ON t.org_id = $1 AND t.entity_type = 'TILL' AND t.entity_id = $2"
	" LEFT JOIN cms.org_entity s ON s.org_id = $1 AND s.entity_type = 'STORE'"
	"   AND s.entity_id = COALESCE($3, t.parent_id)"
	" LEFT JOIN cms.org_entity z ON z.org_id = $1 AND z.entity_type = 'ZONE' AND z.entity_id = s.parent_id",
	3,
	{INT4OID, TEXTOID, TEXTOID}};

#define HOLDS_OF_COUPON                                                               \
	" FROM cms.hold h WHERE h.org_id = $1 AND h.coupon_id = $2 AND h.status = 'HELD'" \
	" AND h.expires_at > $3 AND h.hold_id <> $4"
#define HOLDS_OF_COUPON_ARGS                      \
	4,                                            \
	{                                             \
		INT4OID, INT8OID, TIMESTAMPTZOID, INT8OID \
	}

/* whether there is anything to count */
static CmsPlan any_hold_of_coupon = {
	"SELECT 1" HOLDS_OF_COUPON " LIMIT 1", HOLDS_OF_COUPON_ARGS, .is_hot = true};
static CmsPlan holds_of_coupon = {"SELECT count(*)::int" HOLDS_OF_COUPON, HOLDS_OF_COUPON_ARGS};

static CmsPlan expired_holds = {
	"SELECT count(*), sum(h.discount) FROM cms.hold h"
	" WHERE h.org_id = $1 AND h.offer_id = $2 AND h.status = 'HELD' AND h.expires_at <= $3",
	3,
	{INT4OID, INT8OID, TIMESTAMPTZOID}};

static CmsPlan in_audience = {
	"SELECT 1 FROM cms.offer_audience a WHERE a.org_id = $1 AND a.offer_id = $2 AND a.customer_id = $3",
	3,
	{INT4OID, INT8OID, TEXTOID}};

static CmsPlan last_of_others = {
	"SELECT max(c.issued_at) FROM cms.coupon c"
	" WHERE c.org_id = $1 AND c.customer_id = $2 AND c.offer_id = ANY ($3)",
	3,
	{INT4OID, TEXTOID, INT8ARRAYOID}};

bool
cms_coupon_find(int org, const char *code, const char *customer, CmsFind how, CmsFound *found)
{
	memset(found, 0, sizeof(*found));
	return find_own(org, code, how, found) || find_common(org, code, customer, how, found) ||
		   find_revoked(org, code, how, found);
}

static bool
find_own(int org, const char *code, CmsFind how, CmsFound *found)
{
	Datum values[] = {Int32GetDatum(org), CStringGetTextDatum(code)};

	if (cms_plan_run(&by_code[how == CMS_FIND_LOCKED], values, NULL, how == CMS_FIND_READ_ONLY) ==
		0)
		return false;
	read_found(org, how, found);
	return true;
}

/*
 * F10: one code, many coupons: the customer's own is meant. A customer without
 * one is answered as a coupon that does not exist yet; whether it may come into
 * being is for the rules.
 */
static bool
find_common(int org, const char *code, const char *customer, CmsFind how, CmsFound *found)
{
	Datum of_code[] = {Int32GetDatum(org), CStringGetTextDatum(code)};
	int64 offer_id;

	if (cms_plan_run(&common_offer, of_code, NULL, how == CMS_FIND_READ_ONLY) == 0)
		return false;
	offer_id = cms_row_int64(0, 1, 0);
	found->common = true;

	if (customer != NULL)
	{
		Datum of_customer[] = {
			Int32GetDatum(org), CStringGetTextDatum(customer), Int64GetDatum(offer_id)};

		if (cms_plan_run(&by_customer[how == CMS_FIND_LOCKED],
						 of_customer,
						 NULL,
						 how == CMS_FIND_READ_ONLY) == 1)
		{
			read_found(org, how, found);
			return true;
		}
	}
	found->offer = cms_offer_get(org, offer_id, how == CMS_FIND_READ_ONLY);
	found->coupon.offer_id = offer_id;
	found->coupon.shared = true;
	return true;
}

/*
 * Not locked: nothing is written to a coupon that is revoked for ever, and who waited for the
 * revocation of another with this code has that one's lock, whatever their order.
 */
static bool
find_revoked(int org, const char *code, CmsFind how, CmsFound *found)
{
	Datum values[] = {Int32GetDatum(org), CStringGetTextDatum(code)};
	bool read_only = how == CMS_FIND_READ_ONLY;

	if (cms_plan_run(&by_revoked_code, values, NULL, read_only) == 0)
		return false;
	read_found(org, read_only ? CMS_FIND_READ_ONLY : CMS_FIND_NOW, found);
	return true;
}

bool
cms_coupon_find_by_id(int org, int64 coupon_id, CmsFound *found, char **code)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(coupon_id)};

	memset(found, 0, sizeof(*found));
	if (cms_plan_run(&by_id, values, NULL, false) == 0)
		return false;
	*code = cms_row_text(0, 14);
	read_found(org, CMS_FIND_LOCKED, found);
	found->common = found->coupon.shared;
	return true;
}

int
cms_coupon_find_open(int org, const char *customer, TimestampTz at, CmsFound **found, char ***codes)
{
	Datum values[] = {Int32GetDatum(org), CStringGetTextDatum(customer), TimestampTzGetDatum(at)};
	int count = (int) cms_plan_run(&open_coupons, values, NULL, true);

	*found = palloc0(sizeof(CmsFound) * Max(count, 1));
	*codes = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		read_row(i, &(*found)[i]);
		(*found)[i].common = (*found)[i].coupon.shared;
		(*codes)[i] = cms_row_text(i, 14);
	}
	/* by statements of their own */
	for (int i = 0; i < count; i++)
		(*found)[i].offer = cms_offer_get(org, (*found)[i].coupon.offer_id, true);
	return count;
}

static void
read_found(int org, CmsFind how, CmsFound *found)
{
	read_row(0, found);
	found->locked = how == CMS_FIND_LOCKED;
	found->offer = cms_offer_get(org, found->coupon.offer_id, how == CMS_FIND_READ_ONLY);
}

static void
read_row(uint64 row, CmsFound *found)
{
	CmsCoupon *coupon = &found->coupon;
	bool isnull;

	coupon->coupon_id = cms_row_int64(row, 1, 0);
	coupon->offer_id = cms_row_int64(row, 2, 0);
	coupon->holder = cms_row_text(row, 3);
	coupon->issued_at = DatumGetTimestampTz(cms_row_value(row, 4, &isnull));
	coupon->issued = !isnull;
	coupon->expires_at = DatumGetTimestampTz(cms_row_value(row, 5, &isnull));
	coupon->has_own_end = !isnull;
	coupon->revoked = cms_row_bool(row, 6, false);
	coupon->uses = cms_row_int32(row, 7, 0);
	coupon->forfeited_uses = cms_row_int32(row, 8, 0);
	found->last_redeemed_at = DatumGetTimestampTz(cms_row_value(row, 9, &isnull));
	found->redeemed_before = !isnull;
	coupon->shared = cms_row_bool(row, 10, false);
	found->held_until = DatumGetTimestampTz(cms_row_value(row, 11, &isnull));
	found->may_be_held = !isnull;
	found->writer = DatumGetTransactionId(cms_row_value(row, 12, &isnull));
	found->place = *(ItemPointer) DatumGetPointer(cms_row_value(row, 13, &isnull));
}

bool
cms_coupon_make(CmsFound *found, const char *code, const CmsUseRequest *request,
				const TimestampTz *held_until)
{
	TimestampTz own_end = 0;
	bool has_own_end = cms_rule_own_end(found->offer, request->at, &own_end);
	int64 coupon_id = cms_number_of_coupon();
	CmsParams params = {0};

	cms_param_int(&params, found->offer->org);
	cms_param_int64(&params, found->offer->offer_id);
	cms_param_text(&params, code);
	cms_param_text(&params, request->customer);
	cms_param_instant(&params, request->at);
	cms_param(&params, TimestampTzGetDatum(own_end), !has_own_end);
	cms_param(&params, TimestampTzGetDatum(held_until ? *held_until : 0), held_until == NULL);
	cms_param_int64(&params, coupon_id);
	if (cms_plan_run(&new_coupon, params.values, params.nulls, false) == 0)
		return false;
	found->coupon.coupon_id = coupon_id;
	return true;
}

void
cms_coupon_unmake(const CmsFound *found)
{
	Datum values[] = {Int32GetDatum(found->offer->org), Int64GetDatum(found->coupon.coupon_id)};

	cms_plan_write(&delete_coupon, values, NULL);
}

/* F29: a till is in a store, a store in a zone, a zone in a concept, as far as they are registered. */
void
cms_coupon_resolve_place(int org, CmsPlace *place, bool read_only)
{
	CmsParams params = {0};

	cms_param_int(&params, org);
	cms_param_text(&params, place->till);
	cms_param_text(&params, place->store);
	cms_plan_run(&resolve_place, params.values, params.nulls, read_only);

	char *store_of_till = cms_row_text(0, 1);

	if (place->store != NULL && store_of_till != NULL && strcmp(place->store, store_of_till) != 0)
		ereport(ERROR,
				(errcode(CMS_ERRCODE_TILL_CONTRADICTS_STORE),
				 errmsg("till \"%s\" belongs to store \"%s\", not to store \"%s\"",
						place->till,
						store_of_till,
						place->store),
				 errhint("Correct \"store_id\" or \"till_id\", or leave \"store_id\" out.")));
	if (place->store == NULL)
		place->store = store_of_till;
	place->zone = cms_row_text(0, 3);
	place->concept = cms_row_text(0, 4);
}

void
cms_coupon_read_usage(const CmsFound *found, const CmsUseRequest *request, int64 own_hold,
					  bool read_only, bool lazy, CmsAllowance *allowance, CmsUsage *usage)
{
	const CmsOffer *offer = found->offer;
	bool first_use_is_issue = !found->coupon.issued && !found->coupon.revoked;

	cms_coupon_read_own_usage(found, request, own_hold, read_only, lazy, allowance, usage);
	if (first_use_is_issue && offer->max_issued != CMS_UNLIMITED)
		read_totals(offer, request, read_only, usage);
	else if ((offer->max_redemptions != CMS_UNLIMITED || offer->max_discount_total != NULL) &&
			 !(lazy && is_far_from_caps(offer)))
		read_totals(offer, request, read_only, usage);
	if (first_use_is_issue)
		usage->may_receive =
			may_receive(offer->org, found, request, usage->issued_of_offer, read_only);
}

void
cms_coupon_read_own_usage(const CmsFound *found, const CmsUseRequest *request, int64 own_hold,
						  bool read_only, bool lazy, CmsAllowance *allowance, CmsUsage *usage)
{
	memset(usage, 0, sizeof(*usage));
	if (found->may_be_held && found->held_until > request->at)
		read_holds(found, request, own_hold, read_only, usage);
	cms_allowance_read(found->offer,
					   found->coupon.coupon_id,
					   request,
					   own_hold,
					   read_only,
					   lazy,
					   allowance,
					   usage);
}

static void
read_holds(const CmsFound *found, const CmsUseRequest *request, int64 own_hold, bool read_only,
		   CmsUsage *usage)
{
	Datum values[] = {Int32GetDatum(found->offer->org),
					  Int64GetDatum(found->coupon.coupon_id),
					  TimestampTzGetDatum(request->at),
					  Int64GetDatum(own_hold)};

	if (cms_plan_run(&any_hold_of_coupon, values, NULL, read_only) == 0)
		return;
	cms_plan_run(&holds_of_coupon, values, NULL, read_only);
	usage->held_of_coupon = cms_row_int32(0, 1, 0);
}

/* What is left to the session's own counter is looked at before the sum of all. */
static bool
is_far_from_caps(const CmsOffer *offer)
{
	if (offer->hints->far_from_caps_of_uses <= 0)
	{
		int64 uses;
		Numeric discount;
		int slots = cms_counter_own_left(offer, &uses, &discount);

		if (slots > 0)
			cms_offer_hint_caps(offer, uses, discount, SESSIONS / slots);
	}
	return offer->hints->far_from_caps_of_uses-- > 0;
}

/* Holds that have ended are not in the way, though the counters may still have them. */
static void
read_totals(const CmsOffer *offer, const CmsUseRequest *request, bool read_only, CmsUsage *usage)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  TimestampTzGetDatum(request->at)};
	CmsTotals totals;
	Numeric expired;

	cms_counter_totals(offer->org, offer->offer_id, read_only, &totals);
	usage->of_offer = totals.uses;
	usage->discount_of_offer = totals.discount;
	usage->issued_of_offer = totals.issued;
	cms_offer_hint_caps(
		offer,
		offer->max_redemptions - totals.uses,
		offer->max_discount_total == NULL
			? NULL
			: cms_money_subtract(offer->max_discount_total,
								 totals.discount ? totals.discount : cms_money_zero()),
		SESSIONS);
	if (totals.held == 0)
		return;
	cms_plan_run(&expired_holds, values, NULL, read_only);
	usage->of_offer -= cms_row_int64(0, 1, 0);
	expired = cms_row_numeric(0, 2);
	if (expired != NULL)
		usage->discount_of_offer = cms_money_subtract(usage->discount_of_offer, expired);
}

/*
 * F16, F24: a code that a third party handed out, and a common code that anyone
 * may use, are issued by their first use. The cap on issues, the audience and the
 * past issues of other offers hold for that too, and nobody in particular is in no
 * audience and may have received anything; an archived offer gives out no new coupons.
 */
static bool
may_receive(int org, const CmsFound *found, const CmsUseRequest *request, int64 issued,
			bool read_only)
{
	const CmsOffer *offer = found->offer;

	if (offer->max_issued != CMS_UNLIMITED && issued >= offer->max_issued)
		return false;
	if (!found->common)
		return offer->third_party;
	if (!offer->third_party && (!offer->anyone_may_redeem || offer->archived))
		return false;
	if (request->customer == NULL)
		return !offer->audience_only && offer->nexclusions == 0;
	if (offer->audience_only)
	{
		Datum values[] = {Int32GetDatum(org),
						  Int64GetDatum(offer->offer_id),
						  CStringGetTextDatum(request->customer)};

		if (cms_plan_run(&in_audience, values, NULL, read_only) == 0)
			return false;
	}
	return offer->nexclusions == 0 || !received_others(org, offer, request, read_only);
}

/* F20. As in issuing, the customer's lock makes final what the latest snapshot shows. */
static bool
received_others(int org, const CmsOffer *offer, const CmsUseRequest *request, bool read_only)
{
	Datum values[] = {Int32GetDatum(org),
					  CStringGetTextDatum(request->customer),
					  cms_array_of_int64s(offer->exclusions, offer->nexclusions)};
	bool isnull;
	TimestampTz received_at;

	if (read_only)
		cms_plan_run(&last_of_others, values, NULL, true);
	else
	{
		cms_issue_lock_customer(org, request->customer);
		cms_plan_run_latest(&last_of_others, values, NULL);
	}
	received_at = DatumGetTimestampTz(cms_row_value(0, 1, &isnull));
	return !isnull &&
		   cms_rule_free_of_others(offer, received_at) > cms_local_date(request->at, offer->zone);
}
