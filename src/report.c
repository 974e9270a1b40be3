/*
 * report.c
 *	  cms_report: one page about an org's offers in some days. What it shows is read here,
 *	  and written by report_page.c.
 *
 * Numbers of offers are their counters, so that a report costs the same however many coupons
 * there are. All offers of the org are read, without their texts; those that are shown are
 * chosen here, so the page stays small however many there are.
 *
 * Numbers of days are counted where that is a matter of a second; in larger orgs they come from
 * the summaries, and the page tells as of when they are. Offers that have none are counted.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "calendar.h"
#include "money.h"
#include "offer.h"
#include "org.h"
#include "plan.h"
#include "report.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_report);

#define DEFAULT_DAYS 30
#define MOST_DAYS 3660
/* Days up to which a bar is a day, and seven days. */
#define MOST_DAY_BARS 62
#define MOST_WEEK_DAYS 371

/* Coupons of an org up to which its days are counted. */
#define MOST_COUNTED 300000

/* Offers on each list. */
#define RANKED 5
#define MOST_USED 25
#define ENDING 12

/* Coupons that an offer has issued before its rate says something, if there are such offers. */
#define ENOUGH_ISSUED 20

static void read_org(CmsReport *report, int org);
static void choose_days(CmsReport *report, bool has_from, DateADT from, bool has_to, DateADT to);
static void make_spans(CmsReport *report);
static void read_days(CmsReport *report, int org);
static void add_issues(CmsReport *report, uint64 nrows);
static void add_uses(CmsReport *report, uint64 nrows);
static CmsReportSpan *span_of(CmsReport *report, DateADT day);
static void read_offers(CmsReport *report, int org);
static void rank(CmsReport *report);
static void read_texts(CmsReport *report, int org);
static void add_ids(CmsReportOffer **offers, int noffers, int64 *ids, int *nids);
static int compare_spans(const void *key, const void *span);
static int by_rate(const void *a, const void *b);
static int by_uses(const void *a, const void *b);
static int by_end(const void *a, const void *b);

static CmsPlan find_org = {
	"SELECT g.name, g.currency, g.minor_units, g.time_zone FROM cms.org g WHERE g.org_id = $1",
	1,
	{INT4OID}};

/* of the offers $5, NULL: of all */
static CmsPlan count_issues = {
	"SELECT i.day, sum(i.issued)::bigint, sum(i.redeemed)::bigint"
	" FROM (SELECT (c.issued_at AT TIME ZONE $4)::date AS day, count(*) AS issued,"
	"  count(*) FILTER (WHERE c.uses > 0) AS redeemed"
	"  FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.issued_at >= cms.cms_day_start($2, $4)"
	"  AND c.issued_at < cms.cms_day_start($3 + 1, $4) AND ($5 IS NULL OR c.offer_id = ANY ($5))"
	"  GROUP BY 1"
	"  UNION ALL"
	"  SELECT p.issued_on, p.coupons, 0 FROM cms.purged_coupon p"
	"  WHERE p.org_id = $1 AND p.issued_on >= $2 AND p.issued_on <= $3"
	"  AND ($5 IS NULL OR p.offer_id = ANY ($5))) i"
	" GROUP BY 1",
	5,
	{INT4OID, DATEOID, DATEOID, TEXTOID, INT8ARRAYOID}};

static CmsPlan count_uses = {
	"SELECT (r.redeemed_at AT TIME ZONE $4)::date, count(*), sum(r.discount), sum(r.bill_amount)"
	" FROM cms.redemption r"
	" WHERE r.org_id = $1 AND r.reversed_at IS NULL"
	" AND r.redeemed_at >= cms.cms_day_start($2, $4)"
	" AND r.redeemed_at < cms.cms_day_start($3 + 1, $4)"
	" AND ($5 IS NULL OR r.offer_id = ANY ($5))"
	" GROUP BY 1",
	5,
	{INT4OID, DATEOID, DATEOID, TEXTOID, INT8ARRAYOID}};

static CmsPlan find_issues = {
	"SELECT i.day, sum(i.issued)::bigint, sum(i.redeemed)::bigint FROM cms.issue_summary i"
	" WHERE i.org_id = $1 AND i.day >= $2 AND i.day <= $3 GROUP BY 1",
	3,
	{INT4OID, DATEOID, DATEOID}};

static CmsPlan find_uses = {
	"SELECT u.day, sum(u.uses)::bigint, sum(u.discount), sum(u.bill_amount)"
	" FROM cms.use_summary u WHERE u.org_id = $1 AND u.day >= $2 AND u.day <= $3 GROUP BY 1",
	3,
	{INT4OID, DATEOID, DATEOID}};

static CmsPlan find_oldest_summary = {
	"SELECT min(s.refreshed_at) FROM cms.summary_status s WHERE s.org_id = $1 AND NOT s.is_fresh",
	1,
	{INT4OID}};

static CmsPlan find_offers = {
	"SELECT o.offer_id, l.service, COALESCE(s.issued, 0), COALESCE(s.redeemed, 0),"
	" COALESCE(s.uses, 0), COALESCE(s.discount, 0),"
	" cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, $2), o.status = 'ARCHIVED',"
	" s.first_issued_at < $4 AND (s.last_issued_at >= $3 OR s.last_redeemed_at >= $3),"
	" m.org_id IS NOT NULL"
	" FROM cms.offer o"
	" LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id"
	" LEFT JOIN cms.summary_offer m ON m.org_id = o.org_id AND m.offer_id = o.offer_id"
	" LEFT JOIN LATERAL (SELECT sum(t.issued)::bigint AS issued,"
	"  sum(t.redeemed_coupons)::bigint AS redeemed, sum(t.uses)::bigint AS uses,"
	"  sum(t.discount) AS discount, min(t.first_issued_at) AS first_issued_at,"
	"  max(t.last_issued_at) AS last_issued_at, max(t.last_redeemed_at) AS last_redeemed_at"
	"  FROM cms.offer_slot t WHERE t.org_id = o.org_id AND t.offer_id = o.offer_id) s ON true"
	" WHERE o.org_id = $1 ORDER BY o.offer_id",
	4,
	{INT4OID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}};

static CmsPlan find_texts = {
	"SELECT o.offer_id, o.name,"
	" cms.cms_discount_text(o.discount_type, o.discount_value, o.discount_cap, g.currency)"
	" FROM cms.offer o JOIN cms.org g ON g.org_id = o.org_id"
	" WHERE o.org_id = $1 AND o.offer_id = ANY ($2)",
	2,
	{INT4OID, INT8ARRAYOID}};

/* cms_report(from_date, to_date, at, org) */
Datum
cms_report(PG_FUNCTION_ARGS)
{
	CmsReport report = {0};
	DateADT from = 0;
	DateADT to = 0;
	bool has_from = cms_arg_date(
		fcinfo, 0, "from_date", "Pass the first day of the report, or NULL for 30 days.", &from);
	bool has_to = cms_arg_date(fcinfo,
							   1,
							   "to_date",
							   "Pass the last day of the report, or NULL for the day of \"at\".",
							   &to);
	int org;
	MemoryContext caller = CurrentMemoryContext;
	StringInfoData page;
	text *result;

	report.at = cms_arg_at(fcinfo, 2);
	org = cms_arg_org(fcinfo, 3);
	cms_call_begin();
	read_org(&report, org);
	choose_days(&report, has_from, from, has_to, to);
	make_spans(&report);
	read_offers(&report, org);
	read_days(&report, org);
	rank(&report);
	read_texts(&report, org);
	initStringInfo(&page);
	cms_report_write(&page, &report);

	MemoryContext before = MemoryContextSwitchTo(caller);

	result = cstring_to_text_with_len(page.data, page.len);
	MemoryContextSwitchTo(before);
	SPI_finish();
	PG_RETURN_TEXT_P(result);
}

static void
read_org(CmsReport *report, int org)
{
	Datum values[] = {Int32GetDatum(org)};

	if (cms_plan_run(&find_org, values, NULL, true) == 0)
		cms_org_unknown(org);
	report->org_name = cms_row_text(0, 1);
	report->currency = cms_row_text(0, 2);
	report->minor_units = cms_row_int32(0, 3, 0);
	report->zone_name = cms_row_text(0, 4);
	report->zone = cms_zone(report->zone_name);
	report->today = cms_local_date(report->at, report->zone);
}

static void
choose_days(CmsReport *report, bool has_from, DateADT from, bool has_to, DateADT to)
{
	report->to = has_to ? to : report->today;
	report->from = has_from ? from : report->to - (DEFAULT_DAYS - 1);
	if (report->from > report->to)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"from_date\" must not be after \"to_date\""),
				 errhint("Pass the first and the last day of the report.")));
	if ((int64) report->to - report->from >= MOST_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a report is about %d days at most", MOST_DAYS),
				 errhint("Pass a later \"from_date\", or an earlier \"to_date\".")));
}

static void
make_spans(CmsReport *report)
{
	int ndays = report->to - report->from + 1;
	DateADT from = report->from;

	report->span_name = ndays <= MOST_DAY_BARS ? "day" : ndays <= MOST_WEEK_DAYS ? "week" : "month";
	report->spans = palloc0(sizeof(CmsReportSpan) * ndays);
	while (from <= report->to)
	{
		CmsReportSpan *span = &report->spans[report->nspans++];

		span->from = from;
		span->to = ndays <= MOST_DAY_BARS    ? from
				   : ndays <= MOST_WEEK_DAYS ? from + 6
											 : cms_month_end(from, 0);
		span->to = Min(span->to, report->to);
		span->sum.discount = cms_money_zero();
		span->sum.bills = cms_money_zero();
		from = span->to + 1;
	}
	report->sum.discount = report->sum.bills = cms_money_zero();
	report->before.discount = report->before.bills = cms_money_zero();
}

/* The days of the report, and as many before. */
static void
read_days(CmsReport *report, int org)
{
	DateADT first = report->from - (report->to - report->from + 1);
	Datum values[] = {Int32GetDatum(org),
					  DateADTGetDatum(first),
					  DateADTGetDatum(report->to),
					  CStringGetTextDatum(report->zone_name),
					  (Datum) 0};
	int64 *counted = palloc(sizeof(int64) * Max(report->noffers, 1));
	int ncounted = 0;
	int64 issued = 0;

	report->summaries_at = DT_NOEND;
	for (int i = 0; i < report->noffers; i++)
	{
		issued += report->offers[i].issued;
		if (!report->offers[i].has_summary)
			counted[ncounted++] = report->offers[i].offer_id;
	}
	if (issued <= MOST_COUNTED)
	{
		add_issues(report, cms_plan_run(&count_issues, values, "    n", true));
		add_uses(report, cms_plan_run(&count_uses, values, "    n", true));
		return;
	}
	if (ncounted > 0)
	{
		values[4] = cms_array_of_int64s(counted, ncounted);
		add_issues(report, cms_plan_run(&count_issues, values, NULL, true));
		add_uses(report, cms_plan_run(&count_uses, values, NULL, true));
	}
	add_issues(report, cms_plan_run(&find_issues, values, NULL, true));
	add_uses(report, cms_plan_run(&find_uses, values, NULL, true));
	cms_plan_run(&find_oldest_summary, values, NULL, true);
	report->summaries_at = cms_row_timestamptz(0, 1, DT_NOEND);
}

static void
add_issues(CmsReport *report, uint64 nrows)
{
	bool isnull;

	for (uint64 i = 0; i < nrows; i++)
	{
		CmsReportSpan *span = span_of(report, DatumGetDateADT(cms_row_value(i, 1, &isnull)));
		CmsReportSum *sums[] = {span != NULL ? &report->sum : &report->before,
								span != NULL ? &span->sum : NULL};

		for (int k = 0; k < lengthof(sums) && sums[k] != NULL; k++)
		{
			sums[k]->issued += cms_row_int64(i, 2, 0);
			sums[k]->redeemed += cms_row_int64(i, 3, 0);
		}
	}
}

static void
add_uses(CmsReport *report, uint64 nrows)
{
	bool isnull;

	for (uint64 i = 0; i < nrows; i++)
	{
		CmsReportSpan *span = span_of(report, DatumGetDateADT(cms_row_value(i, 1, &isnull)));
		CmsReportSum *sums[] = {span != NULL ? &report->sum : &report->before,
								span != NULL ? &span->sum : NULL};

		for (int k = 0; k < lengthof(sums) && sums[k] != NULL; k++)
		{
			sums[k]->uses += cms_row_int64(i, 2, 0);
			sums[k]->discount = cms_money_add(sums[k]->discount, cms_row_numeric(i, 3));
			sums[k]->bills = cms_money_add(sums[k]->bills, cms_row_numeric(i, 4));
		}
	}
}

/* NULL: before the report. */
static CmsReportSpan *
span_of(CmsReport *report, DateADT day)
{
	return bsearch(&day, report->spans, report->nspans, sizeof(CmsReportSpan), compare_spans);
}

static int
compare_spans(const void *key, const void *element)
{
	DateADT day = *(const DateADT *) key;
	const CmsReportSpan *span = element;

	return day < span->from ? -1 : day > span->to ? 1 : 0;
}

static void
read_offers(CmsReport *report, int org)
{
	Datum values[] = {Int32GetDatum(org),
					  CStringGetTextDatum(report->zone_name),
					  TimestampTzGetDatum(cms_day_begin(report->from, report->zone)),
					  TimestampTzGetDatum(cms_day_begin(report->to + 1, report->zone))};

	report->noffers = (int) cms_plan_run(&find_offers, values, NULL, true);
	report->offers = palloc_extended(sizeof(CmsReportOffer) * Max(report->noffers, 1),
									 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < report->noffers; i++)
	{
		CmsReportOffer *offer = &report->offers[i];

		CHECK_FOR_INTERRUPTS();
		offer->offer_id = cms_row_int64(i, 1, 0);
		offer->service = cms_row_text(i, 2);
		offer->issued = cms_row_int64(i, 3, 0);
		offer->redeemed = cms_row_int64(i, 4, 0);
		offer->uses = cms_row_int64(i, 5, 0);
		offer->discount = cms_row_numeric(i, 6);
		offer->ends_at = cms_row_timestamptz(i, 7, DT_NOEND);
		offer->archived = cms_row_bool(i, 8, false);
		offer->in_play = cms_row_bool(i, 9, false);
		offer->has_summary = cms_row_bool(i, 10, false);
	}
}

/* What is shown of the offers. */
static void
rank(CmsReport *report)
{
	CmsReportOffer **in_play = palloc(sizeof(void *) * Max(report->noffers, 1));
	CmsReportOffer **rated = palloc(sizeof(void *) * Max(report->noffers, 1));
	CmsReportOffer **ending = palloc(sizeof(void *) * Max(report->noffers, 1));
	TimestampTz horizon = cms_day_begin(report->today + 7 * CMS_REPORT_WEEKS_AHEAD, report->zone);
	int nenough = 0;
	int nrated = 0;

	for (int i = 0; i < report->noffers; i++)
	{
		CmsReportOffer *offer = &report->offers[i];

		if (offer->in_play)
			in_play[report->nin_play++] = offer;
		nenough += offer->in_play && offer->issued >= ENOUGH_ISSUED;
		if (!offer->archived && offer->ends_at > report->at && offer->ends_at <= horizon)
			ending[report->nending_in_all++] = offer;
	}
	report->least_issued = nenough >= 2 ? ENOUGH_ISSUED : 1;
	for (int i = 0; i < report->nin_play; i++)
		if (in_play[i]->issued >= report->least_issued)
			rated[nrated++] = in_play[i];

	qsort(rated, nrated, sizeof(void *), by_rate);
	report->best = rated;
	report->nbest = Min(nrated, RANKED);
	report->nworst = Min(nrated - report->nbest, RANKED);
	/* the worst first */
	report->worst = palloc(sizeof(void *) * RANKED);
	for (int i = 0; i < report->nworst; i++)
		report->worst[i] = rated[nrated - 1 - i];

	qsort(in_play, report->nin_play, sizeof(void *), by_uses);
	report->most_used = in_play;
	report->nmost_used = Min(report->nin_play, MOST_USED);

	qsort(ending, report->nending_in_all, sizeof(void *), by_end);
	report->ending = ending;
	report->nending = Min(report->nending_in_all, ENDING);
}

static void
read_texts(CmsReport *report, int org)
{
	int64 ids[2 * RANKED + MOST_USED + ENDING];
	int nids = 0;
	uint64 nrows;

	add_ids(report->best, report->nbest, ids, &nids);
	add_ids(report->worst, report->nworst, ids, &nids);
	add_ids(report->most_used, report->nmost_used, ids, &nids);
	add_ids(report->ending, report->nending, ids, &nids);

	Datum values[] = {Int32GetDatum(org), cms_array_of_int64s(ids, nids)};

	nrows = cms_plan_run(&find_texts, values, NULL, true);
	for (uint64 i = 0; i < nrows; i++)
	{
		int64 offer_id = cms_row_int64(i, 1, 0);
		/* they come in the order of their numbers */
		int low = 0;
		int high = report->noffers - 1;

		while (low < high)
		{
			int middle = low + (high - low) / 2;

			if (report->offers[middle].offer_id < offer_id)
				low = middle + 1;
			else
				high = middle;
		}
		report->offers[low].name = cms_row_text(i, 2);
		report->offers[low].discount_text = cms_row_text(i, 3);
	}
}

static void
add_ids(CmsReportOffer **offers, int noffers, int64 *ids, int *nids)
{
	for (int i = 0; i < noffers; i++)
		ids[(*nids)++] = offers[i]->offer_id;
}

/* The highest first; of the same rate the one that has issued more. */
static int
by_rate(const void *a, const void *b)
{
	const CmsReportOffer *x = *(CmsReportOffer *const *) a;
	const CmsReportOffer *y = *(CmsReportOffer *const *) b;
	double difference = (double) x->redeemed / x->issued - (double) y->redeemed / y->issued;

	if (difference != 0)
		return difference > 0 ? -1 : 1;
	/* of those of which nothing is redeemed, the one that has issued more is the worse */
	if (x->issued != y->issued)
		return (x->issued > y->issued) == (x->redeemed > 0) ? -1 : 1;
	return x->offer_id < y->offer_id ? -1 : 1;
}

static int
by_uses(const void *a, const void *b)
{
	const CmsReportOffer *x = *(CmsReportOffer *const *) a;
	const CmsReportOffer *y = *(CmsReportOffer *const *) b;

	if (x->uses != y->uses)
		return x->uses > y->uses ? -1 : 1;
	if (x->issued != y->issued)
		return x->issued > y->issued ? -1 : 1;
	return x->offer_id < y->offer_id ? -1 : 1;
}

static int
by_end(const void *a, const void *b)
{
	const CmsReportOffer *x = *(CmsReportOffer *const *) a;
	const CmsReportOffer *y = *(CmsReportOffer *const *) b;

	if (x->ends_at != y->ends_at)
		return x->ends_at < y->ends_at ? -1 : 1;
	return x->offer_id < y->offer_id ? -1 : 1;
}
