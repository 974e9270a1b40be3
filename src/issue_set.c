/*
 * issue_set.c
 *	  Many coupons by few statements.
 *
 * A statement for each coupon, and one for what its customer has received, is what many coupons
 * take most of their time for. Here one statement reads what all customers of some lines have
 * received, each line is decided by the same rules as ever, and one statement writes the coupons.
 * It is a plain insert in a subtransaction: if anything is in the way, be it a code or a coupon
 * that a customer was given meanwhile, all of it is rolled back, and the lines are decided one by
 * one. Lines are in the order of customers, and a customer's own lines follow each other.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "array.h"
#include "issue_set.h"
#include "plan.h"
#include "subxact.h"

/* below, a statement for each is as good */
#define MANY_LINES 16

/* The coupons to be written. */
typedef struct Coupons
{
	int count;
	CmsIssueLine **lines;
	const char **codes;
	const char **customers;
	int64 *nths;
} Coupons;

static CmsReceipts *read_receipts(const CmsIssue *issue, int begin, int end, int *of_line);
static bool decide(CmsIssue *issue, int begin, int end, CmsReceipts *receipts, const int *of_line,
				   Coupons *coupons);
static bool write_coupons(CmsIssue *issue, Coupons *coupons);

/* what most offers ask for; customers without a coupon are left out */
static CmsPlan received_by_customers = {
	"SELECT u.place, r.nth FROM unnest($2) WITH ORDINALITY AS u (customer_id, place)"
	" CROSS JOIN LATERAL (SELECT c.nth FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.customer_id = u.customer_id AND c.offer_id = $3"
	"  ORDER BY c.nth DESC LIMIT 1) r",
	3,
	{INT4OID, TEXTARRAYOID, INT8OID}};

static CmsPlan receipts_of_customers = {
	"SELECT u.place, (SELECT c.nth FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.customer_id = u.customer_id AND c.offer_id = $3"
	"  ORDER BY c.nth DESC LIMIT 1),"
	" CASE WHEN $6 THEN (SELECT max(c.issued_at) FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.customer_id = u.customer_id AND c.offer_id = $3) END,"
	" CASE WHEN $4 THEN EXISTS (SELECT FROM cms.offer_audience a"
	"  WHERE a.org_id = $1 AND a.offer_id = $3 AND a.customer_id = u.customer_id) ELSE true END,"
	" CASE WHEN $5 IS NOT NULL THEN (SELECT max(x.issued_at) FROM cms.coupon x"
	"  WHERE x.org_id = $1 AND x.customer_id = u.customer_id AND x.offer_id = ANY ($5)) END"
	" FROM unnest($2) WITH ORDINALITY AS u (customer_id, place)",
	6,
	{INT4OID, TEXTARRAYOID, INT8OID, BOOLOID, INT8ARRAYOID, BOOLOID}};

static CmsPlan insert_coupons = {
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, shared, customer_id, nth, issued_at,"
	" expires_at, service, consumer_ref, job_id)"
	" SELECT $1, u.coupon_id, $2, u.code, $7, u.customer_id, u.nth, $8, $9, $10, $11, $12"
	" FROM (SELECT unnest($3) AS coupon_id, unnest($4) AS code, unnest($5) AS customer_id,"
	"  unnest($6) AS nth) u",
	12,
	{INT4OID,
	 INT8OID,
	 INT8ARRAYOID,
	 TEXTARRAYOID,
	 TEXTARRAYOID,
	 INT8ARRAYOID,
	 BOOLOID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TEXTOID,
	 TEXTOID,
	 INT8OID}};

/* Stock is taken code by code, and a coupon that a customer has is looked for customer by customer. */
bool
cms_issue_set_fits(const CmsIssue *issue)
{
	if (issue->nlines < MANY_LINES)
		return false;
	if (issue->lines[0]->given_code != NULL)
		return true;
	return !issue->use_stock && !issue->offer->reissue_existing;
}

bool
cms_issue_set(CmsIssue *issue, int begin, int end)
{
	int count = end - begin;
	int64 issued = issue->issued;
	int64 next_position = issue->next_position;
	MemoryContext context =
		AllocSetContextCreate(issue->context, "cms issue set", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Coupons coupons = {.lines = palloc(sizeof(CmsIssueLine *) * count),
					   .codes = palloc(sizeof(char *) * count),
					   .customers = palloc(sizeof(char *) * count),
					   .nths = palloc(sizeof(int64) * count)};
	int *of_line = palloc(sizeof(int) * count);
	CmsReceipts *receipts = read_receipts(issue, begin, end, of_line);
	bool done =
		decide(issue, begin, end, receipts, of_line, &coupons) && write_coupons(issue, &coupons);

	if (!done)
	{
		issue->issued = issued;
		/* what was taken meanwhile follows what there was */
		issue->positions += issue->next_position - next_position;
		issue->next_position = next_position;
		for (int i = begin; i < end; i++)
		{
			issue->lines[i]->reason = CMS_OK;
			issue->lines[i]->has_next = false;
		}
	}
	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return done;
}

/* One for each customer; "of_line" tells whose is whose. */
static CmsReceipts *
read_receipts(const CmsIssue *issue, int begin, int end, int *of_line)
{
	const CmsOffer *offer = issue->offer;
	bool has_exclusions = offer->nexclusions > 0;
	bool has_gap = offer->min_days_between_issues > 0;
	bool looks_up = has_exclusions || has_gap || offer->audience_only;
	const char **customers = palloc(sizeof(char *) * (end - begin));
	int ncustomers = 0;
	CmsReceipts *receipts;
	CmsParams params = {0};
	CmsPlan *plan = looks_up ? &receipts_of_customers : &received_by_customers;
	uint64 rows;

	for (int i = begin; i < end; i++)
	{
		const char *customer = issue->lines[i]->customer;

		if (ncustomers == 0 || strcmp(customers[ncustomers - 1], customer) != 0)
			customers[ncustomers++] = customer;
		of_line[i - begin] = ncustomers - 1;
	}
	receipts = palloc0(sizeof(CmsReceipts) * ncustomers);
	for (int i = 0; i < ncustomers; i++)
		receipts[i].in_audience = true;

	cms_param_int(&params, offer->org);
	cms_param(&params, cms_array_of_texts(customers, ncustomers), false);
	cms_param_int64(&params, offer->offer_id);
	if (looks_up)
	{
		cms_param_bool(&params, offer->audience_only);
		cms_param(&params,
				  has_exclusions ? cms_array_of_int64s(offer->exclusions, offer->nexclusions)
								 : (Datum) 0,
				  !has_exclusions);
		cms_param_bool(&params, has_gap);
	}
	/* as for a single coupon: the locks of the customers have made final what they received */
	if (has_exclusions)
		rows = cms_plan_run_latest(plan, params.values, params.nulls);
	else
		rows = cms_plan_run(plan, params.values, params.nulls, false);
	for (uint64 row = 0; row < rows; row++)
	{
		CmsReceipts *of = &receipts[cms_row_int64(row, 1, 0) - 1];
		bool isnull;

		of->received = cms_row_int32(row, 2, 0);
		if (!looks_up)
			continue;
		of->last_received_at = cms_row_timestamptz(row, 3, 0);
		of->in_audience = cms_row_bool(row, 4, false);
		of->other_received_at = DatumGetTimestampTz(cms_row_value(row, 5, &isnull));
		of->received_other = !isnull;
	}
	return receipts;
}

/* False: no code could be drawn. */
static bool
decide(CmsIssue *issue, int begin, int end, CmsReceipts *receipts, const int *of_line,
	   Coupons *coupons)
{
	const CmsOffer *offer = issue->offer;
	TimestampTz at = issue->issuer->at;

	for (int i = begin; i < end; i++)
	{
		CmsIssueLine *line = issue->lines[i];
		CmsReceipts *of = &receipts[of_line[i - begin]];
		char code[CMS_CODE_MAX_LENGTH + 1];

		CHECK_FOR_INTERRUPTS();
		line->reason =
			cms_rule_issue_customer(offer, of, at, &line->has_next, &line->next_allowed_on);
		if (line->reason == CMS_OK && issue->issued >= issue->allowed)
			line->reason = CMS_OFFER_ISSUE_LIMIT;
		if (line->reason != CMS_OK)
			continue;
		line->issued_at = at;
		line->has_own_end = cms_rule_own_end(offer, at, &line->own_end);
		if (!cms_issue_code_choose(issue, line, code))
		{
			if (line->reason == CMS_OK)
				return false;
			continue;
		}
		coupons->lines[coupons->count] = line;
		coupons->codes[coupons->count] = MemoryContextStrdup(issue->context, code);
		coupons->customers[coupons->count] = line->customer;
		coupons->nths[coupons->count++] = ++of->received;
		of->last_received_at = Max(of->last_received_at, at);
		issue->issued++;
	}
	return true;
}

/* False: a code or the number of a customer's coupon is taken. */
static bool
write_coupons(CmsIssue *issue, Coupons *coupons)
{
	const CmsOffer *offer = issue->offer;
	bool shared = offer->method == CMS_METHOD_COMMON;
	int count = coupons->count;
	int64 *ids;
	CmsParams params = {0};

	if (count == 0)
		return true;
	ids = cms_codebook_ids(count);
	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param(&params, cms_array_of_int64s(ids, count), false);
	cms_param(&params, cms_array_of_texts(coupons->codes, count), false);
	cms_param(&params, cms_array_of_texts(coupons->customers, count), false);
	cms_param(&params, cms_array_of_int64s(coupons->nths, count), false);
	cms_param_bool(&params, shared);
	cms_param_instant(&params, issue->issuer->at);
	cms_param(
		&params, TimestampTzGetDatum(coupons->lines[0]->own_end), !coupons->lines[0]->has_own_end);
	cms_param_text(&params, issue->issuer->service);
	cms_param_text(&params, issue->issuer->consumer_ref);
	cms_param(&params, Int64GetDatum(issue->issuer->job_id), issue->issuer->job_id == 0);

	if (!cms_subxact_insert(&insert_coupons, params.values, params.nulls, false))
		return false;
	for (int i = 0; i < count; i++)
	{
		coupons->lines[i]->coupon_id = ids[i];
		coupons->lines[i]->code = unconstify(char *, coupons->codes[i]);
		coupons->lines[i]->shared = shared;
	}
	return true;
}
