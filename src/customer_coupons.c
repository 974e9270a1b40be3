/*
 * customer_coupons.c
 *	  cms_customer_coupons: a customer's coupons by status, a page at a time (F46).
 *
 * Pages follow the index of a customer's coupons backwards: newer offers first, and of an offer the
 * newest coupon. Neither changes while a coupon exists, so no page repeats or leaves out a coupon.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "args.h"
#include "array.h"
#include "plan.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_customer_coupons);

#define MOST_ROWS 10000
#define COLUMNS 14

static const char *const statuses[] = {
	"ACTIVE", "EXPIRED", "REDEEMED", "UNREDEEMED", "REVOKED", "REDEEMABLE", NULL};

static void check_statuses(char *const *wanted, int count);
static void find_place(int org, const char *customer, int64 coupon_id, int64 *offer_id, int *nth);

static CmsPlan place_of_coupon = {
	"SELECT c.offer_id, c.nth FROM cms.coupon c"
	" WHERE c.org_id = $1 AND c.coupon_id = $2 AND c.customer_id = $3",
	3,
	{INT4OID, INT8OID, TEXTOID}};

/*
 * The end and the start as cms.coupon_status tells them, at a given time. REDEEMABLE goes by the
 * rules that look at nothing but the coupon: by day from the start, and held uses are taken.
 */
static CmsPlan coupons_of_customer = {
	"SELECT s.coupon_id, s.offer_id, s.offer_name, s.code, s.issued_at, s.valid_from, s.ends_at, s.revoked_at,"
	" s.uses, s.uses_left, s.last_redeemed_at, s.service, s.consumer_ref, v.statuses"
	" FROM (SELECT c.coupon_id, c.offer_id, c.nth, o.name AS offer_name,"
	"  CASE WHEN (SELECT cms.cms_sees_codes()) THEN"
	"   CASE WHEN c.shared THEN o.common_code ELSE c.code END END AS code,"
	"  c.issued_at,"
	"  GREATEST(c.issued_at,"
	"   cms.cms_day_start((c.issued_at AT TIME ZONE g.time_zone)::date + o.starts_after_days, g.time_zone),"
	"   cms.cms_day_start(o.starts_on, g.time_zone)) AS valid_from,"
	"  ($6 AT TIME ZONE g.time_zone)::date >= GREATEST(o.starts_on,"
	"   (c.issued_at AT TIME ZONE g.time_zone)::date + COALESCE(o.starts_after_days, 0)) AS begun,"
	"  CASE WHEN o.outlives_offer OR (l.service = 'LOYALTY' AND o.coupon_expiry_type = 'WITH_OFFER')"
	"   THEN c.expires_at"
	"   ELSE LEAST(c.expires_at, cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone))"
	"   END AS ends_at,"
	"  c.revoked_at, c.uses,"
	"  CASE WHEN o.max_uses_per_coupon IS NOT NULL"
	"   THEN GREATEST(o.max_uses_per_coupon - c.uses - c.forfeited_uses, 0) END AS uses_left,"
	"  CASE WHEN c.held_until > $6 THEN (SELECT count(*) FROM cms.hold h WHERE h.org_id = $1"
	"   AND h.coupon_id = c.coupon_id AND h.status = 'HELD' AND h.expires_at > $6) ELSE 0 END AS held,"
	"  c.last_redeemed_at, c.service, c.consumer_ref"
	"  FROM cms.coupon c"
	"  JOIN cms.org g ON g.org_id = $1"
	"  JOIN cms.offer o ON o.org_id = $1 AND o.offer_id = c.offer_id"
	"  LEFT JOIN cms.claim l ON l.org_id = $1 AND l.offer_id = c.offer_id"
	"  WHERE c.org_id = $1 AND c.customer_id = $2 AND (c.offer_id, c.nth) < ($3, $4)) s"
	" CROSS JOIN LATERAL (SELECT s.revoked_at IS NULL AND COALESCE(s.ends_at > $6, true) AS active) e"
	" CROSS JOIN LATERAL (SELECT pg_catalog.array_remove(ARRAY["
	"  CASE WHEN e.active THEN 'ACTIVE' ELSE 'EXPIRED' END,"
	"  CASE WHEN s.uses > 0 THEN 'REDEEMED' ELSE 'UNREDEEMED' END,"
	"  CASE WHEN s.revoked_at IS NOT NULL THEN 'REVOKED' END,"
	"  CASE WHEN e.active AND s.begun AND COALESCE(s.uses_left > s.held, true) THEN 'REDEEMABLE' END"
	"  ], NULL) AS statuses) v"
	" WHERE $5 <@ v.statuses"
	" ORDER BY s.offer_id DESC, s.nth DESC LIMIT $7",
	7,
	{INT4OID, TEXTOID, INT8OID, INT4OID, TEXTARRAYOID, TIMESTAMPTZOID, INT4OID}};

/*
 * cms_customer_coupons(customer_id, status, after_coupon, how_many, at, org)
 */
Datum
cms_customer_coupons(PG_FUNCTION_ARGS)
{
	char *customer = cms_arg_required_id(fcinfo, 0, "customer_id");
	char **wanted = NULL;
	int nwanted = cms_arg_texts(fcinfo, 1, "status", &wanted);
	int how_many = cms_arg_int(fcinfo, 3, "how_many");
	TimestampTz at = cms_arg_at(fcinfo, 4);
	int org = cms_arg_org(fcinfo, 5);
	int64 offer_id = PG_INT64_MAX;
	int nth = PG_INT32_MAX;
	uint64 found;

	if (how_many < 1 || how_many > MOST_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must be from 1 to %d, not %d", MOST_ROWS, how_many),
				 errhint("Ask for the next page with \"after_coupon\".")));
	check_statuses(wanted, nwanted);

	cms_result_start(fcinfo);
	SPI_connect();
	if (!PG_ARGISNULL(2))
		find_place(org, customer, PG_GETARG_INT64(2), &offer_id, &nth);

	Datum values[] = {
		Int32GetDatum(org),
		CStringGetTextDatum(customer),
		Int64GetDatum(offer_id),
		Int32GetDatum(nth),
		cms_array_of_texts((const char *const *) wanted, Max(nwanted, 0)),
		TimestampTzGetDatum(at),
		Int32GetDatum(how_many),
	};

	found = cms_plan_run(&coupons_of_customer, values, NULL, true);
	cms_result_put_rows(fcinfo, found, COLUMNS);
	SPI_finish();
	return (Datum) 0;
}

static void
check_statuses(char *const *wanted, int count)
{
	for (int i = 0; i < count; i++)
		if (wanted[i] == NULL || !cms_text_is_one_of(wanted[i], statuses))
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"status\" must not contain \"%s\"",
						wanted[i] == NULL ? "null" : wanted[i]),
				 errhint(
					 "Statuses are ACTIVE, EXPIRED, REDEEMED, UNREDEEMED, REVOKED and REDEEMABLE.")));
}

static void
find_place(int org, const char *customer, int64 coupon_id, int64 *offer_id, int *nth)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(coupon_id), CStringGetTextDatum(customer)};

	if (cms_plan_run(&place_of_coupon, values, NULL, true) == 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "argument \"after_coupon\" must be a coupon of the customer, which " INT64_FORMAT
				 " is not",
				 coupon_id),
			 errhint("Pass the coupon_id of the last row of the page before.")));
	*offer_id = cms_row_int64(0, 1, 0);
	*nth = cms_row_int32(0, 2, 0);
}
