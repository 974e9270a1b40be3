/*
 * issue.c
 *	  Giving coupons to customers: one path for every way of asking.
 *
 * What decides is written, never only read. The key (customer, offer, nth) lets
 * the coupons of one customer follow each other: whoever comes second finds the
 * key taken, reads again and decides again. The counter decides on the cap with
 * the statement that adds to it, after all coupons of the call are written; what
 * it refuses is taken back. Between the two the offer's version is looked at once more: by other
 * rules than those of the call all is taken back, and decided again. Whoever issues by newer rules
 * after that look meets the key. Codes in stock are taken by a row lock that nobody
 * waits for.
 *
 * Order of locks: the offer against jobs (several coupons), buckets of customers (offers with exclusions, F20, and several coupons
 * from stock), the name space of codes, the position of a RANDOMISED offer, coupons in the
 * order of customers, the counters.
 *
 * An attempt that may have to be repeated runs in a subtransaction: a stocked
 * code given to a customer who was given another one meanwhile (23505), and a
 * stock whose last codes are locked by others, for which it waits without holding
 * anything itself. all_or_none and a claim that may be in vain use the same one.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "array.h"
#include "claim.h"
#include "counter.h"
#include "issue_code.h"
#include "issue_set.h"
#include "lock.h"
#include "message.h"
#include "plan.h"
#include "subxact.h"

#define CUSTOMER_BUCKETS 128

/* While a cap leaves n times CAP_IS_FAR issues, n single ones go by without a look at it. */
#define CAP_IS_FAR 4096
#define MOST_UNSEEN_ISSUES 64

/* After a customer who had received the offer before, so many are looked up. */
#define RETURNING_CUSTOMERS 32

static bool attempt(CmsIssue *issue);
static void read_totals(CmsIssue *issue);
static bool guarded_attempt(CmsIssue *issue);
static void issue_all(CmsIssue *issue);
static void issue_one_by_one(CmsIssue *issue, int begin, int end);
static bool any_refused(const CmsIssue *issue);
static bool claim_for_issuer(CmsIssue *issue);
static void lock_customers(CmsIssue *issue);
static int bucket_of(const char *customer);
static void lock_bucket(int org, int bucket);
static bool issue_line(CmsIssue *issue, int i);
static bool give_existing(CmsIssue *issue, CmsIssueLine *line);
static void read_receipts(CmsIssue *issue, CmsIssueLine *line, CmsReceipts *receipts);
static bool is_new_customer_likely(const CmsOffer *offer);
static void note_received(const CmsOffer *offer, int received);
static void take_receipts(CmsReceipts *receipts);
static void add_receipt_params(const CmsOffer *offer, const char *customer, CmsParams *params);
static void count_issued(CmsIssue *issue);
static void take_back(CmsIssue *issue, int64 left, CmsReason reason);
static void refuse_all(CmsIssue *issue, CmsReason reason, char *message);
static void forget_answers(CmsIssue *issue);
static int compare_lines(const void *a, const void *b);

/* what most offers ask for */
static CmsPlan received_by_customer = {
	"SELECT c.nth FROM cms.coupon c WHERE c.org_id = $1 AND c.customer_id = $2 AND c.offer_id = $3"
	" ORDER BY c.nth DESC LIMIT 1",
	3,
	{INT4OID, TEXTOID, INT8OID},
	.is_hot = true};

static CmsPlan receipts_of_customer = {
	"SELECT (SELECT c.nth FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.customer_id = $2 AND c.offer_id = $3 ORDER BY c.nth DESC LIMIT 1),"
	" CASE WHEN $6 THEN (SELECT max(c.issued_at) FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.customer_id = $2 AND c.offer_id = $3) END,"
	" CASE WHEN $4 THEN EXISTS (SELECT FROM cms.offer_audience a"
	"  WHERE a.org_id = $1 AND a.offer_id = $3 AND a.customer_id = $2) ELSE true END,"
	" CASE WHEN $5 IS NOT NULL THEN (SELECT max(x.issued_at) FROM cms.coupon x"
	"  WHERE x.org_id = $1 AND x.customer_id = $2 AND x.offer_id = ANY ($5)) END",
	6,
	{INT4OID, TEXTOID, INT8OID, BOOLOID, INT8ARRAYOID, BOOLOID}};

static CmsPlan active_coupon = {
	"SELECT c.coupon_id, c.code, c.shared, c.issued_at, c.expires_at FROM cms.coupon c"
	" WHERE c.org_id = $1 AND c.customer_id = $2 AND c.offer_id = $3 AND c.revoked_at IS NULL"
	" AND ($4 IS NULL OR c.uses + c.forfeited_uses < $4) AND (c.expires_at IS NULL OR c.expires_at > $5)"
	" ORDER BY c.nth LIMIT 1",
	5,
	{INT4OID, TEXTOID, INT8OID, INT4OID, TIMESTAMPTZOID},
	.is_hot = true};

const CmsOffer *
cms_issue_lines(const CmsOffer *offer, const CmsIssuer *issuer, CmsIssueLine *lines, int nlines)
{
	CmsIssue *issue = palloc0(offsetof(CmsIssue, stock_line) + sizeof(bool) * Max(nlines, 1));

	issue->offer = offer;
	issue->issuer = issuer;
	issue->nlines = nlines;
	issue->context = CurrentMemoryContext;
	issue->line_context =
		AllocSetContextCreate(CurrentMemoryContext, "cms issue line", ALLOCSET_DEFAULT_SIZES);
	issue->lines = palloc(sizeof(CmsIssueLine *) * Max(nlines, 1));
	for (int i = 0; i < nlines; i++)
		issue->lines[i] = &lines[i];
	qsort(issue->lines, nlines, sizeof(CmsIssueLine *), compare_lines);

	issue->may_guess = nlines == 1 && lines[0].given_code == NULL;
	while (!attempt(issue))
	{
		CHECK_FOR_INTERRUPTS();
		forget_answers(issue);
		issue->may_guess = false;
		issue->offer = cms_offer_get(offer->org, offer->offer_id, false);
	}
	for (int i = 0; i < nlines; i++)
		if (lines[i].reason != CMS_OK && lines[i].message == NULL)
			lines[i].message = cms_message_of_issue(issue->offer, &lines[i]);
	return issue->offer;
}

/* False: try again. */
static bool
attempt(CmsIssue *issue)
{
	const CmsOffer *offer = issue->offer;
	const CmsIssuer *issuer = issue->issuer;
	bool claims = issuer->service != NULL && offer->claim_service == NULL && !offer->archived;
	CmsReason reason = CMS_OK;

	/* a claim cannot help against what is refused before and after it */
	if (!claims)
		reason = cms_rule_issue_offer(offer, issuer->service, issuer->consumer_ref, issuer->at);
	else if (offer->has_end && issuer->at >= offer->ends_at)
		reason = CMS_OFFER_EXPIRED;
	if (reason != CMS_OK)
	{
		refuse_all(issue, reason, NULL);
		return true;
	}

	read_totals(issue);
	issue->issued = 0;
	issue->from_stock = 0;
	issue->use_stock =
		issue->totals.stock > 0 || (offer->method == CMS_METHOD_UPLOADED && issue->nlines > 0 &&
									issue->lines[0]->given_code == NULL);
	issue->reserved = NULL;
	issue->wait_for_stock = false;
	issue->claim_may_go = offer->claim_service != NULL && !issue->is_issued;
	issue->claim_gone = false;
	issue->rules_gone = false;
	issue->positions = 0;
	memset(issue->stock_line, 0, sizeof(bool) * Max(issue->nlines, 0));
	/* a job writes many coupons in the order of their codes: only one coupon cannot meet that in a circle */
	if (issue->nlines > 1)
		cms_lock_bulk(offer->org, offer->offer_id, ShareLock);
	/* before anything of customers is read or written */
	if (offer->nexclusions > 0 || (issue->use_stock && issue->nlines > 1))
		lock_customers(issue);

	/* a RANDOMISED offer's position and key are taken early: what comes before them may have to be asked for anew */
	if (claims || issue->claim_may_go || issue->use_stock ||
		offer->method == CMS_METHOD_RANDOMISED || (issuer->all_or_none && issue->nlines > 1))
		return guarded_attempt(issue);
	issue_all(issue);
	return !issue->rules_gone;
}

/*
 * The counters, as far as a cap, a stock, a claim that may be released or scarce codes ask for
 * them; and of the cap only seldom while it is far: a look only spares what would be refused the
 * work, and the counter decides.
 */
static void
read_totals(CmsIssue *issue)
{
	const CmsOffer *offer = issue->offer;
	CmsOfferHints *hints = offer->hints;
	CmsTotals *totals = &issue->totals;
	bool clean = !TransactionIdIsValid(GetTopTransactionIdIfAny());
	bool near_cap =
		offer->max_issued != CMS_UNLIMITED && (issue->nlines > 1 || hints->far_from_cap-- <= 0);

	memset(totals, 0, sizeof(*totals));
	issue->allowed = PG_INT64_MAX;
	issue->is_issued = hints->is_issued;
	if (!near_cap && !(offer->method == CMS_METHOD_GENERATED && offer->has_stock) &&
		(offer->claim_service == NULL || hints->is_issued) && !cms_issue_code_is_scarce(offer))
		return;

	cms_counter_totals(offer->org, offer->offer_id, false, totals);
	issue->is_issued = totals->issued > 0;
	/* not what this transaction has written itself and may roll back */
	hints->is_issued |= issue->is_issued && clean;
	if (offer->max_issued != CMS_UNLIMITED)
	{
		issue->allowed = Max(offer->max_issued - totals->issued, 0);
		hints->far_from_cap = Min(issue->allowed / CAP_IS_FAR, MOST_UNSEEN_ISSUES);
	}
}

/* The attempt in a subtransaction, kept only if it is to stay. */
static bool
guarded_attempt(CmsIssue *issue)
{
	const CmsOffer *unclaimed = issue->offer;
	CmsSubxact subxact;
	volatile bool again = false;
	volatile bool keep = true;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		if (claim_for_issuer(issue))
			issue_all(issue);
		again = issue->wait_for_stock || issue->claim_gone || issue->rules_gone;
		keep = !again && issue->issued > 0 && !(issue->issuer->all_or_none && any_refused(issue));
		cms_subxact_end(&subxact, keep);
	}
	PG_CATCH();
	{
		ErrorData *error = cms_subxact_failed(&subxact);

		/* the customer was given another coupon meanwhile: read again, decide again */
		if (!cms_subxact_met(error, "coupon_nth_of_a_customer_is_unique"))
			ReThrowError(error);
		if (IsolationUsesXactSnapshot())
			cms_plan_conflict("issue to the same customer");
		FreeErrorData(error);
		again = true;
		keep = false;
	}
	PG_END_TRY();

	if (again)
	{
		if (issue->wait_for_stock)
			cms_stock_wait(&issue->stock);
		return false;
	}
	if (!keep)
		issue->offer = unclaimed;
	if (!keep && issue->issuer->all_or_none && any_refused(issue))
		for (int i = 0; i < issue->nlines; i++)
			if (issue->lines[i]->reason == CMS_OK)
				issue->lines[i]->reason = CMS_OTHER_COUPON_FAILED;
	return true;
}

static bool
any_refused(const CmsIssue *issue)
{
	for (int i = 0; i < issue->nlines; i++)
		if (issue->lines[i]->reason != CMS_OK)
			return true;
	return false;
}

/*
 * Naming a service claims an unclaimed offer (F5). False: somebody else holds it, every line is
 * answered; or the rules, by which locks were taken, have changed.
 */
static bool
claim_for_issuer(CmsIssue *issue)
{
	const CmsOffer *offer = issue->offer;
	CmsClaimant claimant = {.service = issue->issuer->service,
							.consumer_ref = issue->issuer->consumer_ref};
	CmsClaimant holder = {0};
	CmsReason reason;

	if (issue->issuer->service == NULL || offer->claim_service != NULL)
		return true;
	issue->rules_gone = !cms_claim_begin(offer);
	if (issue->rules_gone)
		return false;
	reason = cms_claim_take(offer, &claimant, issue->issuer->at, &holder);
	if (reason != CMS_OK)
	{
		refuse_all(issue,
				   CMS_NOT_THE_CLAIMANT,
				   reason == CMS_ALREADY_CLAIMED
					   ? psprintf("The offer is claimed by %s.", cms_claim_text(&holder))
					   : pstrdup(cms_reason_message(reason)));
		return false;
	}
	issue->offer = cms_offer_get(offer->org, offer->offer_id, false);
	issue->rules_gone = cms_issue_needs_customers(issue->offer, offer);
	return !issue->rules_gone;
}

bool
cms_issue_needs_customers(const CmsOffer *offer, const CmsOffer *before)
{
	return offer->nexclusions > 0 && before->nexclusions == 0;
}

static void
issue_all(CmsIssue *issue)
{
	cms_issue_code_prepare(issue);
	for (int begin = 0; begin < issue->nlines; begin += CMS_ISSUE_SET_LINES)
	{
		int end = Min(begin + CMS_ISSUE_SET_LINES, issue->nlines);

		if (!cms_issue_set_fits(issue) || !cms_issue_set(issue, begin, end))
			issue_one_by_one(issue, begin, end);
		if (issue->wait_for_stock)
			return;
	}
	if (issue->issued > 0 && !cms_offer_stands(issue->offer))
	{
		take_back(issue, 0, CMS_OK);
		issue->rules_gone = true;
	}
	if (issue->issued > 0)
		count_issued(issue);
	cms_counter_positions_give_back(issue->offer->org, issue->offer->offer_id, issue->positions);

	/* F5: from here on the counter is locked, and no release can follow */
	if (issue->claim_may_go && issue->issued > 0 && !cms_claim_stands(issue->offer))
	{
		if (IsolationUsesXactSnapshot())
			cms_plan_conflict("release of the offer");
		issue->claim_gone = true;
	}
}

static void
issue_one_by_one(CmsIssue *issue, int begin, int end)
{
	for (int i = begin; i < end && !issue->wait_for_stock; i++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(issue->line_context);
		while (!issue_line(issue, i))
			CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(issue->context);
		MemoryContextReset(issue->line_context);
	}
}

/*
 * Keeps issues to one customer apart. F20 between offers that exclude each other needs it,
 * because nothing that either writes would collide; and large calls from stock do, which
 * would otherwise wait for each other's codes and customers in a circle. Buckets bound the
 * number of locks of a call; they are taken in order.
 */
static void
lock_customers(CmsIssue *issue)
{
	const char **customers = palloc(sizeof(char *) * Max(issue->nlines, 1));

	for (int i = 0; i < issue->nlines; i++)
		customers[i] = issue->lines[i]->customer;
	cms_issue_lock_customers(issue->offer->org, customers, issue->nlines);
	pfree(customers);
}

void
cms_issue_lock_customers(int org, const char *const *customers, int count)
{
	bool wanted[CUSTOMER_BUCKETS] = {false};

	for (int i = 0; i < count; i++)
		wanted[bucket_of(customers[i])] = true;
	for (int bucket = 0; bucket < CUSTOMER_BUCKETS; bucket++)
		if (wanted[bucket])
			lock_bucket(org, bucket);
}

void
cms_issue_lock_customer(int org, const char *customer)
{
	lock_bucket(org, bucket_of(customer));
}

static int
bucket_of(const char *customer)
{
	return hash_bytes((const unsigned char *) customer, strlen(customer)) % CUSTOMER_BUCKETS;
}

static void
lock_bucket(int org, int bucket)
{
	cms_lock(org, CMS_LOCK_FIRST_CUSTOMERS + bucket, ExclusiveLock);
}

/* False: another transaction was faster, decide again. */
static bool
issue_line(CmsIssue *issue, int i)
{
	const CmsOffer *offer = issue->offer;
	CmsIssueLine *line = issue->lines[i];
	CmsReceipts receipts;
	int nth;

	if (offer->reissue_existing && line->given_code == NULL && give_existing(issue, line))
		return true;
	read_receipts(issue, line, &receipts);
	line->reason = cms_rule_issue_customer(
		offer, &receipts, issue->issuer->at, &line->has_next, &line->next_allowed_on);
	if (line->reason == CMS_OK && issue->issued >= issue->allowed)
		line->reason = CMS_OFFER_ISSUE_LIMIT;
	if (line->reason != CMS_OK)
		return true;

	nth = receipts.received + 1;
	line->issued_at = issue->issuer->at;
	line->has_own_end = cms_rule_own_end(offer, line->issued_at, &line->own_end);
	return cms_issue_code_give(issue, i, nth);
}

/* F18, reissue EXISTING: the active coupon that the customer holds is the answer, and nothing is counted. */
static bool
give_existing(CmsIssue *issue, CmsIssueLine *line)
{
	const CmsOffer *offer = issue->offer;
	CmsParams params = {0};
	bool isnull;

	cms_param_int(&params, offer->org);
	cms_param_text(&params, line->customer);
	cms_param_int64(&params, offer->offer_id);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param_instant(&params, issue->issuer->at);
	if (cms_plan_run(&active_coupon, params.values, params.nulls, false) == 0)
		return false;
	line->coupon_id = cms_row_int64(0, 1, 0);
	line->shared = cms_row_bool(0, 3, false);
	/* the coupon keeps the common code it was issued with, and is known by the present one */
	line->code =
		MemoryContextStrdup(issue->context, line->shared ? offer->common_code : cms_row_text(0, 2));
	line->issued_at = cms_row_timestamptz(0, 4, 0);
	line->own_end = DatumGetTimestampTz(cms_row_value(0, 5, &isnull));
	line->has_own_end = !isnull;
	line->replayed = true;
	line->reason = CMS_OK;
	return true;
}

/*
 * That the customer is new may be guessed once: whoever decides again has to look. With
 * exclusions the latest snapshot counts, whatever the isolation level: the customer's lock
 * has made it final.
 */
static void
read_receipts(CmsIssue *issue, CmsIssueLine *line, CmsReceipts *receipts)
{
	const CmsOffer *offer = issue->offer;
	bool has_exclusions = offer->nexclusions > 0;
	bool has_gap = offer->min_days_between_issues > 0;
	bool guesses = issue->may_guess && is_new_customer_likely(offer);
	CmsParams params = {0};

	*receipts = (CmsReceipts){.in_audience = true};
	issue->may_guess = false;
	if (guesses)
		return;

	add_receipt_params(offer, line->customer, &params);
	if (!has_exclusions && !has_gap && !offer->audience_only)
	{
		if (cms_plan_run(&received_by_customer, params.values, params.nulls, false) > 0)
			receipts->received = cms_row_int32(0, 1, 0);
		if (issue->nlines == 1)
			note_received(offer, receipts->received);
		return;
	}

	if (has_exclusions)
		cms_plan_run_latest(&receipts_of_customer, params.values, params.nulls);
	else
		cms_plan_run(&receipts_of_customer, params.values, params.nulls, false);
	take_receipts(receipts);
}

/*
 * Whether the coupon is written as the customer's first without a look: most are, and if it is
 * not, the insert finds the first one there and the call decides again. A rule that asks for more
 * has it read anyway; stock is an update, which would fail with an error; and for the first one
 * nobody must wait who has taken a position, as whoever is at it may wait for that counter.
 */
static bool
is_new_customer_likely(const CmsOffer *offer)
{
	return offer->hints->returning == 0 && offer->min_days_between_issues == 0 &&
		   !offer->audience_only && offer->nexclusions == 0 && !offer->reissue_existing &&
		   offer->method != CMS_METHOD_UPLOADED && offer->method != CMS_METHOD_RANDOMISED &&
		   !offer->has_stock && !IsolationUsesXactSnapshot();
}

/* Whether the customer had received the offer before: how the next is guessed. */
static void
note_received(const CmsOffer *offer, int received)
{
	CmsOfferHints *hints = offer->hints;

	hints->returning = received > 0 ? RETURNING_CUSTOMERS : Max(hints->returning - 1, 0);
}

/* from the statement last run */
static void
take_receipts(CmsReceipts *receipts)
{
	bool isnull;

	receipts->received = cms_row_int32(0, 1, 0);
	receipts->last_received_at = cms_row_timestamptz(0, 2, 0);
	receipts->in_audience = cms_row_bool(0, 3, false);
	receipts->other_received_at = DatumGetTimestampTz(cms_row_value(0, 4, &isnull));
	receipts->received_other = !isnull;
}

void
cms_issue_look_at_receipts(const CmsOffer *offer, const char *customer, CmsReceipts *receipts)
{
	CmsParams params = {0};

	add_receipt_params(offer, customer, &params);
	cms_plan_run(&receipts_of_customer, params.values, params.nulls, true);
	take_receipts(receipts);
}

static void
add_receipt_params(const CmsOffer *offer, const char *customer, CmsParams *params)
{
	cms_param_int(params, offer->org);
	cms_param_text(params, customer);
	cms_param_int64(params, offer->offer_id);
	cms_param_bool(params, offer->audience_only);
	cms_param(params,
			  offer->nexclusions > 0 ? cms_array_of_int64s(offer->exclusions, offer->nexclusions)
									 : (Datum) 0,
			  offer->nexclusions == 0);
	cms_param_bool(params, offer->min_days_between_issues > 0);
}

/*
 * The counter decides on the cap. Where others took what was left when this call
 * began, the last lines are taken back.
 */
static void
count_issued(CmsIssue *issue)
{
	const CmsOffer *offer = issue->offer;

	for (;;)
	{
		CmsCount count = {
			.issued = issue->issued,
			.stock = -issue->from_stock,
			.stock_round = issue->stock.round,
			.stock_mark = issue->stock.mark,
			.has_issue_time = issue->issued > 0,
			.issue_time = issue->issuer->at,
		};

		if (issue->issued == 0 || cms_counter_add(offer, &count))
			return;
		CHECK_FOR_INTERRUPTS();
		take_back(issue, cms_counter_issues_left(offer), CMS_OFFER_ISSUE_LIMIT);
	}
}

/* The last lines, until so many are left. */
static void
take_back(CmsIssue *issue, int64 left, CmsReason reason)
{
	for (int i = issue->nlines - 1; i >= 0 && issue->issued > left; i--)
		if (issue->lines[i]->reason == CMS_OK && !issue->lines[i]->replayed)
		{
			cms_issue_code_take_back(issue, i);
			issue->lines[i]->reason = reason;
		}
}

static void
refuse_all(CmsIssue *issue, CmsReason reason, char *message)
{
	for (int i = 0; i < issue->nlines; i++)
	{
		issue->lines[i]->reason = reason;
		issue->lines[i]->message = message;
	}
}

static void
forget_answers(CmsIssue *issue)
{
	for (int i = 0; i < issue->nlines; i++)
	{
		issue->lines[i]->reason = CMS_OK;
		issue->lines[i]->message = NULL;
		issue->lines[i]->replayed = false;
	}
}

/* By customer, so that concurrent calls meet their customers in one order; then as asked. */
static int
compare_lines(const void *a, const void *b)
{
	const CmsIssueLine *x = *(CmsIssueLine *const *) a;
	const CmsIssueLine *y = *(CmsIssueLine *const *) b;
	int order = strcmp(x->customer, y->customer);

	if (order != 0)
		return order;
	return x->line < y->line ? -1 : x->line > y->line;
}
