/*
 * refresh_summary.c
 *	  cms_refresh_summary: numbers by day for reports (F48).
 *
 * An offer is counted anew from its coupons and redemptions, found by their indexes, when its counters
 * have changed. That is seen by where their rows are and who wrote them: any issue, use or reversal
 * writes one, however the sums come out. What no counter shows leaves a mark. So nothing has to be
 * written where coupons are issued and redeemed.
 *
 * The state of the counters and the marks are read before the coupons: what comes in between is
 * counted now, and seen as a change by the next refresh.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "lock.h"
#include "plan.h"
#include "refresh_summary.h"
#include "sweep_run.h"

PG_FUNCTION_INFO_V1(cms_refresh_summary);

typedef struct Due
{
	int64 offer_id;
	char *fingerprint;
} Due;

static int64 refresh_org(int org, int pace, int64 how_many, int *may_lock);
static bool refresh_offer(int org, const char *zone, const Due *due);
static char *zone_of(int org);

/* those first that were served longest ago: one call does not always come to all */
static CmsPlan my_orgs = {
	"SELECT o.org_id FROM unnest(cms.cms_my_orgs()) o (org_id)"
	" LEFT JOIN cms.sweep_run r ON r.org_id = o.org_id AND r.sweep = 'SUMMARY'"
	" ORDER BY r.last_run_at NULLS FIRST, o.org_id",
	0};

static CmsPlan org_zone = {"SELECT g.time_zone FROM cms.org g WHERE g.org_id = $1", 1, {INT4OID}};

/* cms.summary_status says the same of each offer */
static CmsPlan due_offers = {
	"SELECT f.offer_id, f.fingerprint"
	" FROM (SELECT t.offer_id, pg_catalog.md5(pg_catalog.string_agg("
	"   concat_ws(' ', t.slot, t.xmin::text, t.ctid::text), ',' ORDER BY t.slot) || $4) AS fingerprint"
	"  FROM cms.offer_slot t WHERE t.org_id = $1 GROUP BY t.offer_id) f"
	" LEFT JOIN cms.summary_offer s ON s.org_id = $1 AND s.offer_id = f.offer_id"
	" WHERE (s.fingerprint IS DISTINCT FROM f.fingerprint"
	"   OR EXISTS (SELECT FROM cms.summary_mark m WHERE m.org_id = $1 AND m.offer_id = f.offer_id))"
	"  AND COALESCE(s.refreshed_at + $3 * s.took <= pg_catalog.clock_timestamp(), true)"
	" ORDER BY s.refreshed_at NULLS FIRST, f.offer_id LIMIT $2",
	4,
	{INT4OID, INT8OID, INT4OID, TEXTOID}};

static CmsPlan take_marks = {
	"DELETE FROM cms.summary_mark WHERE org_id = $1 AND offer_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan finish_offer = {
	"INSERT INTO cms.summary_offer (org_id, offer_id, fingerprint, refreshed_at, took)"
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (org_id, offer_id) DO UPDATE"
	" SET fingerprint = $3, refreshed_at = $4, took = $5",
	5,
	{INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID, INTERVALOID}};

/* issued coupons, each by its index: revoked ones have one of their own */
#define NOT_REVOKED                                                                          \
	" FROM cms.coupon c WHERE c.org_id = $1 AND c.offer_id = $2 AND c.issued_at IS NOT NULL" \
	" AND c.revoked_at IS NULL"
#define REVOKED                                                                              \
	" FROM cms.coupon c WHERE c.org_id = $1 AND c.offer_id = $2 AND c.issued_at IS NOT NULL" \
	" AND c.revoked_at IS NOT NULL"
#define ISSUED "(SELECT c.issued_at" NOT_REVOKED " UNION ALL SELECT c.issued_at" REVOKED ") c"
#define REDEEMED                                                               \
	"(SELECT c.coupon_id, c.issued_at" NOT_REVOKED " AND c.uses > 0 UNION ALL" \
	" SELECT c.coupon_id, c.issued_at" REVOKED " AND c.uses > 0) c"
#define EVER_USED                                                                                  \
	"(SELECT c.coupon_id, c.issued_at" NOT_REVOKED " AND c.last_redeemed_at IS NOT NULL UNION ALL" \
	" SELECT c.coupon_id, c.issued_at" REVOKED " AND c.last_redeemed_at IS NOT NULL) c"

/* purged coupons were never redeemed, and have left their number */
static CmsPlan summarise_issues = {
	"WITH fresh AS MATERIALIZED ("
	" SELECT d.day, sum(d.issued)::bigint AS issued, sum(d.redeemed)::bigint AS redeemed,"
	"  sum(d.within_1)::bigint AS within_1, sum(d.within_7)::bigint AS within_7,"
	"  sum(d.within_30)::bigint AS within_30, sum(d.days_to_use)::bigint AS days_to_use,"
	"  sum(d.uses)::bigint AS uses, sum(d.discount) AS discount, sum(d.bill_amount) AS bill_amount"
	" FROM (SELECT (c.issued_at AT TIME ZONE $3)::date AS day, count(*) AS issued, 0 AS redeemed,"
	"   0 AS within_1, 0 AS within_7, 0 AS within_30, 0 AS days_to_use, 0 AS uses,"
	"   0::numeric AS discount, 0::numeric AS bill_amount"
	"  FROM " ISSUED " GROUP BY 1"
	"  UNION ALL"
	"  SELECT u.issued_on, u.coupons, 0, 0, 0, 0, 0, 0, 0, 0 FROM cms.purged_coupon u"
	"  WHERE u.org_id = $1 AND u.offer_id = $2"
	"  UNION ALL"
	"  SELECT i.day, 0, count(*), count(*) FILTER (WHERE r.first_day <= i.day + 1),"
	"   count(*) FILTER (WHERE r.first_day <= i.day + 7),"
	"   count(*) FILTER (WHERE r.first_day <= i.day + 30),"
	"   sum(r.first_day - i.day), sum(r.uses), sum(r.discount), sum(r.bill_amount)"
	"  FROM " REDEEMED "  CROSS JOIN LATERAL (SELECT (c.issued_at AT TIME ZONE $3)::date AS day) i"
	"  CROSS JOIN LATERAL (SELECT count(*) AS uses, sum(x.discount) AS discount,"
	"    sum(x.bill_amount) AS bill_amount, (min(x.redeemed_at) AT TIME ZONE $3)::date AS first_day"
	"   FROM cms.redemption x WHERE x.org_id = $1 AND x.coupon_id = c.coupon_id AND x.reversed_at IS NULL) r"
	"  GROUP BY 1) d GROUP BY d.day"
	"), gone AS ("
	" DELETE FROM cms.issue_summary s WHERE s.org_id = $1 AND s.offer_id = $2"
	"  AND NOT EXISTS (SELECT FROM fresh f WHERE f.day = s.day)"
	") INSERT INTO cms.issue_summary AS s (org_id, offer_id, day, issued, redeemed, redeemed_within_1_day,"
	" redeemed_within_7_days, redeemed_within_30_days, days_to_use, uses, discount, bill_amount)"
	" SELECT $1, $2, f.* FROM fresh f"
	" ON CONFLICT (org_id, offer_id, day) DO UPDATE SET issued = excluded.issued,"
	"  redeemed = excluded.redeemed, redeemed_within_1_day = excluded.redeemed_within_1_day,"
	"  redeemed_within_7_days = excluded.redeemed_within_7_days,"
	"  redeemed_within_30_days = excluded.redeemed_within_30_days, days_to_use = excluded.days_to_use,"
	"  uses = excluded.uses, discount = excluded.discount, bill_amount = excluded.bill_amount"
	" WHERE (s.issued, s.redeemed, s.redeemed_within_1_day, s.redeemed_within_7_days,"
	"  s.redeemed_within_30_days, s.days_to_use, s.uses, s.discount, s.bill_amount) IS DISTINCT FROM"
	"  (excluded.issued, excluded.redeemed, excluded.redeemed_within_1_day,"
	"  excluded.redeemed_within_7_days, excluded.redeemed_within_30_days, excluded.days_to_use,"
	"  excluded.uses, excluded.discount, excluded.bill_amount)",
	3,
	{INT4OID, INT8OID, TEXTOID},
	.compares_lists = true};

static CmsPlan summarise_uses = {
	"WITH fresh AS MATERIALIZED ("
	" SELECT (r.redeemed_at AT TIME ZONE $3)::date AS day, COALESCE(r.store_id, '') AS store_id,"
	"  count(*) FILTER (WHERE r.reversed_at IS NULL) AS uses,"
	"  COALESCE(sum(r.discount) FILTER (WHERE r.reversed_at IS NULL), 0) AS discount,"
	"  COALESCE(sum(r.bill_amount) FILTER (WHERE r.reversed_at IS NULL), 0) AS bill_amount,"
	"  COALESCE(sum(r.eligible_amount) FILTER (WHERE r.reversed_at IS NULL), 0) AS eligible_amount,"
	"  count(r.reversed_at) AS reversed,"
	"  COALESCE(sum(pg_catalog.extract('epoch', r.redeemed_at - c.issued_at)) FILTER (WHERE r.reversed_at IS NULL), 0)"
	"   AS seconds"
	" FROM " EVER_USED " JOIN cms.redemption r ON r.org_id = $1 AND r.coupon_id = c.coupon_id"
	" GROUP BY 1, 2"
	"), gone AS ("
	" DELETE FROM cms.use_summary s WHERE s.org_id = $1 AND s.offer_id = $2"
	"  AND NOT EXISTS (SELECT FROM fresh f WHERE f.day = s.day AND f.store_id = s.store_id)"
	") INSERT INTO cms.use_summary AS s (org_id, offer_id, day, store_id, uses, discount, bill_amount,"
	" eligible_amount, reversed, seconds_since_issue)"
	" SELECT $1, $2, f.* FROM fresh f"
	" ON CONFLICT (org_id, offer_id, day, store_id) DO UPDATE SET uses = excluded.uses,"
	"  discount = excluded.discount, bill_amount = excluded.bill_amount,"
	"  eligible_amount = excluded.eligible_amount, reversed = excluded.reversed,"
	"  seconds_since_issue = excluded.seconds_since_issue"
	" WHERE (s.uses, s.discount, s.bill_amount, s.eligible_amount, s.reversed, s.seconds_since_issue)"
	"  IS DISTINCT FROM (excluded.uses, excluded.discount, excluded.bill_amount,"
	"  excluded.eligible_amount, excluded.reversed, excluded.seconds_since_issue)",
	3,
	{INT4OID, INT8OID, TEXTOID},
	.compares_lists = true};

static CmsPlan mark_offer = {"INSERT INTO cms.summary_mark (org_id, offer_id, mark_id)"
							 " VALUES ($1, $2, pg_catalog.nextval('cms.summary_mark_id_seq'))",
							 2,
							 {INT4OID, INT8OID}};

void
cms_summary_mark(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	cms_plan_run(&mark_offer, values, NULL, false);
}

/*
 * cms_refresh_summary(how_many, pace, org)
 */
Datum
cms_refresh_summary(PG_FUNCTION_ARGS)
{
	int how_many = cms_arg_int(fcinfo, 0, "how_many");
	int pace = cms_arg_int(fcinfo, 1, "pace");
	int org = PG_ARGISNULL(2) ? 0 : cms_arg_org(fcinfo, 2);
	int64 refreshed = 0;
	int may_lock = CMS_SWEEP_MOST_ORGS;
	int norgs = 1;
	int *orgs = &org;

	if (how_many < 1 || pace < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be at least %d, not %d",
						how_many < 1 ? "how_many" : "pace",
						how_many < 1 ? 1 : 0,
						how_many < 1 ? how_many : pace),
				 errhint("\"how_many\" bounds the offers of one call. An offer that took t is due "
						 "again \"pace\" times t later; 0: at once.")));
	SPI_connect();
	if (org == 0)
	{
		norgs = (int) cms_plan_run(&my_orgs, NULL, NULL, false);
		orgs = palloc(sizeof(int) * Max(norgs, 1));
		for (int i = 0; i < norgs; i++)
			orgs[i] = cms_row_int32(i, 1, 0);
	}
	for (int i = 0; i < norgs && refreshed < how_many; i++)
		refreshed += refresh_org(orgs[i], pace, how_many - refreshed, &may_lock);
	SPI_finish();
	PG_RETURN_INT64(refreshed);
}

static int64
refresh_org(int org, int pace, int64 how_many, int *may_lock)
{
	TimestampTz began = GetCurrentTimestamp();
	char *zone = zone_of(org);
	Datum values[] = {Int32GetDatum(org),
					  Int64GetDatum(how_many),
					  Int32GetDatum(pace),
					  CStringGetTextDatum(zone)};
	int ndue = (int) cms_plan_run(&due_offers, values, NULL, false);
	Due *due = palloc(sizeof(Due) * Max(ndue, 1));
	int64 refreshed = 0;

	for (int i = 0; i < ndue; i++)
		due[i] = (Due){.offer_id = cms_row_int64(i, 1, 0), .fingerprint = cms_row_text(i, 2)};
	for (int i = 0; i < ndue; i++)
	{
		CHECK_FOR_INTERRUPTS();
		refreshed += refresh_offer(org, zone, &due[i]) ? 1 : 0;
	}
	cms_sweep_note(&(CmsSweepRun){.name = "SUMMARY",
								  .org = org,
								  .run = began,
								  .began = began,
								  .rows = refreshed,
								  .all_done = ndue < how_many && refreshed == ndue},
				   may_lock);
	return refreshed;
}

/* False: another session is at it. */
static bool
refresh_offer(int org, const char *zone, const Due *due)
{
	Datum offer[] = {Int32GetDatum(org), Int64GetDatum(due->offer_id), CStringGetTextDatum(zone)};
	TimestampTz began = GetCurrentTimestamp();
	Interval took = {0};

	/* not by a row, which whoever makes it would have others wait for */
	if (!cms_try_lock_summary(org, due->offer_id))
		return false;
	cms_plan_write(&take_marks, offer, NULL);
	cms_plan_write(&summarise_issues, offer, NULL);
	cms_plan_write(&summarise_uses, offer, NULL);

	took.time = GetCurrentTimestamp() - began;

	Datum finished[] = {offer[0],
						offer[1],
						CStringGetTextDatum(due->fingerprint),
						TimestampTzGetDatum(began),
						IntervalPGetDatum(&took)};

	cms_plan_write(&finish_offer, finished, NULL);
	return true;
}

static char *
zone_of(int org)
{
	Datum values[] = {Int32GetDatum(org)};

	/* none: an org that has just gone has no counters either */
	return cms_plan_run(&org_zone, values, NULL, false) == 0 ? "UTC" : cms_row_text(0, 1);
}
