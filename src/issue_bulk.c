/*
 * issue_bulk.c
 *	  A coupon for each of many customers at once.
 *
 * What decides is what decides for one coupon (issue.c): the key (customer, offer, nth), the
 * unique index of codes, the counter. Only they are asked once for all. A batch is worked on in a
 * subtransaction; what stands in its way rolls that back, and the batch is done again, knowing
 * more:
 *
 * - Most customers of a new offer have nothing of it. As long as that is so nobody is looked up:
 *   all are written as their customer's first. A conflict tells that it is not.
 * - Drawn codes are written as they are, until one is found to exist.
 * - The cap is counted last. Where others took what was left, the batch gets smaller.
 *
 * Codes are drawn from the slice of the code space that the batch is of the job, written in
 * ascending order and paired with the customers by chance. So both indexes are written where
 * they were written just before, and neither the code nor its place tells who got which.
 * The customers of a batch are not written in their order, so calls for several coupons of the
 * offer are kept out meanwhile: a single one has no second customer to wait for.
 *
 * Codes in stock are given out by one statement too. The last ones, and a space that is too full to
 * be drawn from, are left to issue.c.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "array.h"
#include "bulk_write.h"
#include "claim.h"
#include "issue_bulk.h"
#include "lock.h"
#include "subxact.h"

/* What was found out of a job in the batches before: only spares work. */
typedef struct Memory
{
	int org;
	int64 job_id;
	int runs;
	bool is_begun;
	bool nobody_has_any; /* customers are expected to have received nothing */
	bool codes_collide;
} Memory;

typedef enum Outcome
{
	DONE,
	AGAIN,
	ONE_BY_ONE /* by issue.c */
} Outcome;

typedef struct CmsBulkWork
{
	const CmsOffer *offer;
	CmsTotals totals;
	bool claims;
	bool claim_may_go;
	bool looks; /* customers are looked up */
	int64 allowed;
	CmsReceipts *receipts;
	bool *has_active;
	int *table; /* of customers by hash: index + 1, 0 for none */
	uint32 mask;
	int *chosen; /* customers to be given a coupon */
	int *nths;   /* by customer */
	int nchosen;
} CmsBulkWork;

static Memory memory;

static bool attempt(CmsBulk *bulk);
static Outcome guarded(CmsBulk *bulk);
static Outcome issue(CmsBulk *bulk);
static bool write_coupons(CmsBulkWrite *write, CmsCount *count);
static Outcome after_conflict(CmsBulk *bulk, ErrorData *error);
static bool claim(CmsBulk *bulk);
static void refuse_all(CmsBulk *bulk, CmsReason reason);
static void decide(CmsBulk *bulk);
static void decide_customer(CmsBulk *bulk, int i);
static void look_up(CmsBulk *bulk);
static void read_received(CmsBulk *bulk, Datum array);
static void read_others(CmsBulk *bulk, Datum array);
static void read_audience(CmsBulk *bulk, Datum array);
static void index_customers(CmsBulk *bulk);
static int find_customer(const CmsBulk *bulk, Datum customer);
static void issue_one_by_one(CmsBulk *bulk);

/* "IS NOT NULL" is the predicate of the index */
#define OF_CUSTOMERS \
	" FROM cms.coupon c WHERE c.org_id = $1 AND c.customer_id = ANY ($2) AND c.customer_id IS NOT NULL"

static CmsPlan received = {
	"SELECT c.customer_id, c.nth, c.issued_at, c.job_id = $4,"
	" c.revoked_at IS NULL AND ($5 IS NULL OR c.uses + c.forfeited_uses < $5)"
	"  AND (c.expires_at IS NULL OR c.expires_at > $6)" OF_CUSTOMERS " AND c.offer_id = $3",
	6,
	{INT4OID, TEXTARRAYOID, INT8OID, INT8OID, INT4OID, TIMESTAMPTZOID}};

static CmsPlan others_received = {"SELECT c.customer_id, c.issued_at" OF_CUSTOMERS
								  " AND c.offer_id = ANY ($3)",
								  3,
								  {INT4OID, TEXTARRAYOID, INT8ARRAYOID}};

static CmsPlan in_audience = {
	"SELECT a.customer_id FROM cms.offer_audience a"
	" WHERE a.org_id = $1 AND a.offer_id = $3 AND a.customer_id = ANY ($2)",
	3,
	{INT4OID, TEXTARRAYOID, INT8OID}};

void
cms_issue_bulk(int64 offer_id, CmsBulk *bulk)
{
	const CmsJob *job = bulk->job;
	CmsBulkWork *work = palloc0(sizeof(CmsBulkWork));
	int count = Max(bulk->count, 1);

	bulk->work = work;
	bulk->reasons = palloc(sizeof(CmsReason) * count);
	bulk->skipped = palloc(sizeof(bool) * count);
	bulk->replayed = palloc(sizeof(bool) * count);
	bulk->has_next = palloc(sizeof(bool) * count);
	bulk->next_allowed_on = palloc(sizeof(DateADT) * count);
	work->receipts = palloc(sizeof(CmsReceipts) * count);
	work->has_active = palloc(sizeof(bool) * count);
	work->chosen = palloc(sizeof(int) * count);
	work->nths = palloc(sizeof(int) * count);
	work->allowed = PG_INT64_MAX;
	if (memory.org != job->org || memory.job_id != job->job_id || memory.runs != job->runs)
		memory = (Memory){.org = job->org, .job_id = job->job_id, .runs = job->runs};

	do
	{
		CHECK_FOR_INTERRUPTS();
		work->offer = cms_offer_get(job->org, offer_id, false);
	} while (!attempt(bulk));
}

/* False: try again. */
static bool
attempt(CmsBulk *bulk)
{
	CmsBulkWork *work = bulk->work;
	const CmsOffer *offer = work->offer;
	const CmsIssuer *issuer = &bulk->issuer;
	CmsReason reason = CMS_OK;

	bulk->issued = 0;
	memset(bulk->reasons, 0, sizeof(CmsReason) * bulk->count);
	memset(bulk->skipped, 0, sizeof(bool) * bulk->count);
	memset(bulk->replayed, 0, sizeof(bool) * bulk->count);
	memset(bulk->has_next, 0, sizeof(bool) * bulk->count);
	work->claims = issuer->service != NULL && offer->claim_service == NULL && !offer->archived;
	/* a claim cannot help against what is refused before and after it */
	if (!work->claims)
		reason = cms_rule_issue_offer(offer, issuer->service, issuer->consumer_ref, issuer->at);
	else if (offer->has_end && issuer->at >= offer->ends_at)
		reason = CMS_OFFER_EXPIRED;
	if (reason != CMS_OK)
	{
		refuse_all(bulk, reason);
		return true;
	}

	cms_counter_totals(offer->org, offer->offer_id, false, &work->totals);
	if (!memory.is_begun)
		memory.nobody_has_any = work->totals.issued == 0;
	memory.is_begun = true;
	if (offer->max_issued != CMS_UNLIMITED)
		work->allowed = Min(work->allowed, Max(offer->max_issued - work->totals.issued, 0));
	work->claim_may_go = offer->claim_service != NULL && work->totals.issued == 0;
	/* whether somebody may be refused who has received nothing of the offer */
	work->looks = !memory.nobody_has_any || offer->nexclusions > 0 || work->allowed < bulk->count ||
				  offer->max_issued_per_customer == 0 ||
				  (offer->audience_only && !bulk->in_audience);
	switch (guarded(bulk))
	{
		case DONE:
			return true;
		case AGAIN:
			return false;
		case ONE_BY_ONE:
			break;
	}
	issue_one_by_one(bulk);
	return true;
}

/* In a subtransaction, kept only if something was issued. */
static Outcome
guarded(CmsBulk *bulk)
{
	CmsSubxact subxact;
	volatile Outcome outcome = AGAIN;

	cms_subxact_begin(&subxact);
	PG_TRY();
	{
		outcome = issue(bulk);
		cms_subxact_end(&subxact, outcome == DONE && bulk->issued > 0);
	}
	PG_CATCH();
	{
		outcome = after_conflict(bulk, cms_subxact_failed(&subxact));
	}
	PG_END_TRY();
	return outcome;
}

static Outcome
issue(CmsBulk *bulk)
{
	CmsBulkWork *work = bulk->work;
	const CmsOffer *offer = work->offer;
	CmsCount count = {.has_issue_time = true, .issue_time = bulk->issuer.at};
	CmsBulkWrite write;

	cms_lock_bulk(offer->org, offer->offer_id, ExclusiveLock);
	if (offer->nexclusions > 0)
	{
		const char **customers = palloc(sizeof(char *) * Max(bulk->count, 1));

		for (int i = 0; i < bulk->count; i++)
			customers[i] = TextDatumGetCString(bulk->customers[i]);
		cms_issue_lock_customers(offer->org, customers, bulk->count);
	}
	if (work->claims && !cms_claim_begin(offer))
		return AGAIN;
	if (work->claims && !claim(bulk))
		return DONE;
	if (cms_issue_needs_customers(work->offer, offer))
		return AGAIN;
	offer = work->offer;

	decide(bulk);
	if (work->nchosen == 0)
		return DONE;
	write = (CmsBulkWrite){.offer = offer,
						   .totals = &work->totals,
						   .issuer = &bulk->issuer,
						   .slice = bulk->slice,
						   .customers = bulk->customers,
						   .chosen = work->chosen,
						   .nths = work->looks ? work->nths : NULL,
						   .count = work->nchosen,
						   .codes_collide = memory.codes_collide};
	if (!write_coupons(&write, &count))
		return ONE_BY_ONE;
	for (int i = write.written; i < work->nchosen; i++)
		bulk->reasons[work->chosen[i]] = CMS_NO_CODES_LEFT;

	/* see issue.c */
	if (write.written > 0 && !cms_offer_stands(offer))
		return AGAIN;
	/* last, because everybody who issues waits for this row from here on */
	count.issued = write.written;
	if (count.issued > 0 && !cms_counter_add(offer, &count))
	{
		work->allowed = cms_counter_issues_left(offer);
		return AGAIN;
	}
	/* F5: from here on the counter is locked, and no release can follow */
	if (work->claim_may_go && count.issued > 0 && !cms_claim_stands(offer))
		return AGAIN;
	bulk->issued = count.issued;
	return DONE;
}

/* From stock, as long as there is some. False: there is no way to do it at once. */
static bool
write_coupons(CmsBulkWrite *write, CmsCount *count)
{
	bool is_pool = write->offer->method == CMS_METHOD_UPLOADED;
	CmsStockLeft left;

	if (!is_pool && write->totals->stock <= 0)
		return cms_bulk_write_issued(write);
	left = cms_bulk_write_from_stock(write);
	count->stock = -write->written;
	count->stock_round = write->stock.round;
	count->stock_mark = write->stock.mark;
	if (write->written == write->count)
		return true;
	/* those that others have locked are waited for, with nothing held; new codes need not wait */
	if (is_pool)
		return left == CMS_STOCK_NONE;
	return write->written == 0 && cms_bulk_write_issued(write);
}

/* Who was faster? Other errors are errors. */
static Outcome
after_conflict(CmsBulk *bulk, ErrorData *error)
{
	if (cms_subxact_met(error, "coupon_nth_of_a_customer_is_unique"))
		memory.nobody_has_any = false;
	else if (cms_subxact_met(error, "coupon_code_is_unique_among_those_not_revoked"))
	{
		/* a secret order that meets codes has lost its key: what exists has to be passed over one by one */
		if (bulk->work->offer->method == CMS_METHOD_RANDOMISED)
			return ONE_BY_ONE;
		memory.codes_collide = true;
	}
	else
		ReThrowError(error);
	FreeErrorData(error);
	return AGAIN;
}

/* Naming a service claims an unclaimed offer (F5). False: somebody else holds it, all are answered. */
static bool
claim(CmsBulk *bulk)
{
	const CmsOffer *offer = bulk->work->offer;
	CmsClaimant claimant = {.service = bulk->issuer.service,
							.consumer_ref = bulk->issuer.consumer_ref};
	CmsClaimant holder = {0};

	if (cms_claim_take(offer, &claimant, bulk->issuer.at, &holder) != CMS_OK)
	{
		refuse_all(bulk, CMS_NOT_THE_CLAIMANT);
		return false;
	}
	bulk->work->offer = cms_offer_get(offer->org, offer->offer_id, false);
	return true;
}

/* Except those who have their coupon of the job already. */
static void
refuse_all(CmsBulk *bulk, CmsReason reason)
{
	if (bulk->job->succeeded > 0)
		look_up(bulk);
	for (int i = 0; i < bulk->count; i++)
		if (!bulk->skipped[i])
			bulk->reasons[i] = reason;
}

/* Who is given a coupon, in the order of the query, as far as the cap allows. */
static void
decide(CmsBulk *bulk)
{
	CmsBulkWork *work = bulk->work;

	work->nchosen = 0;
	if (!work->looks)
	{
		for (int i = 0; i < bulk->count; i++)
			work->chosen[i] = i;
		work->nchosen = bulk->count;
		return;
	}
	look_up(bulk);
	for (int i = 0; i < bulk->count; i++)
		if (!bulk->skipped[i])
			decide_customer(bulk, i);
}

static void
decide_customer(CmsBulk *bulk, int i)
{
	CmsBulkWork *work = bulk->work;
	const CmsOffer *offer = work->offer;

	/* F18, reissue EXISTING */
	if (offer->reissue_existing && work->has_active[i])
	{
		bulk->replayed[i] = true;
		return;
	}
	bulk->reasons[i] = cms_rule_issue_customer(
		offer, &work->receipts[i], bulk->issuer.at, &bulk->has_next[i], &bulk->next_allowed_on[i]);
	if (bulk->reasons[i] == CMS_OK && work->nchosen >= work->allowed)
		bulk->reasons[i] = CMS_OFFER_ISSUE_LIMIT;
	if (bulk->reasons[i] != CMS_OK)
		return;
	work->nths[i] = work->receipts[i].received + 1;
	work->chosen[work->nchosen++] = i;
}

/* What the customers have received, as far as the rules ask for it. A customer named again is skipped. */
static void
look_up(CmsBulk *bulk)
{
	CmsBulkWork *work = bulk->work;
	const CmsOffer *offer = work->offer;
	bool asks_audience = offer->audience_only && !bulk->in_audience;
	Datum array = cms_bulk_array_of(bulk->customers, NULL, bulk->count);

	index_customers(bulk);
	for (int i = 0; i < bulk->count; i++)
	{
		work->receipts[i] =
			(CmsReceipts){.in_audience = !asks_audience, .last_received_at = PG_INT64_MIN};
		work->has_active[i] = false;
	}
	if (bulk->count == 0)
		return;
	read_received(bulk, array);
	if (offer->nexclusions > 0)
		read_others(bulk, array);
	if (asks_audience)
		read_audience(bulk, array);
	pfree(DatumGetPointer(array));
}

static void
read_received(CmsBulk *bulk, Datum array)
{
	CmsBulkWork *work = bulk->work;
	const CmsOffer *offer = work->offer;
	CmsParams params = {0};
	uint64 rows;
	bool isnull;

	cms_param_int(&params, offer->org);
	cms_param(&params, array, false);
	cms_param_int64(&params, offer->offer_id);
	cms_param_int64(&params, bulk->job->job_id);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param_instant(&params, bulk->issuer.at);
	rows = cms_plan_run(&received, params.values, params.nulls, false);
	memory.nobody_has_any = rows == 0;
	for (uint64 row = 0; row < rows; row++)
	{
		int i = find_customer(bulk, cms_row_value(row, 1, &isnull));
		CmsReceipts *receipts = &work->receipts[i];

		receipts->received = Max(receipts->received, cms_row_int32(row, 2, 0));
		receipts->last_received_at =
			Max(receipts->last_received_at, cms_row_timestamptz(row, 3, PG_INT64_MIN));
		bulk->skipped[i] |= cms_row_bool(row, 4, false);
		work->has_active[i] |= cms_row_bool(row, 5, false);
	}
}

static void
read_others(CmsBulk *bulk, Datum array)
{
	CmsBulkWork *work = bulk->work;
	const CmsOffer *offer = work->offer;
	Datum values[] = {Int32GetDatum(offer->org),
					  array,
					  cms_array_of_int64s(offer->exclusions, offer->nexclusions)};
	uint64 rows = cms_plan_run(&others_received, values, NULL, false);
	bool isnull;

	for (uint64 row = 0; row < rows; row++)
	{
		CmsReceipts *receipts =
			&work->receipts[find_customer(bulk, cms_row_value(row, 1, &isnull))];
		TimestampTz at = cms_row_timestamptz(row, 2, PG_INT64_MIN);

		if (!receipts->received_other || receipts->other_received_at < at)
			receipts->other_received_at = at;
		receipts->received_other = true;
	}
}

static void
read_audience(CmsBulk *bulk, Datum array)
{
	const CmsOffer *offer = bulk->work->offer;
	Datum values[] = {Int32GetDatum(offer->org), array, Int64GetDatum(offer->offer_id)};
	uint64 rows = cms_plan_run(&in_audience, values, NULL, false);
	bool isnull;

	for (uint64 row = 0; row < rows; row++)
		bulk->work->receipts[find_customer(bulk, cms_row_value(row, 1, &isnull))].in_audience =
			true;
}

/* Of customers named more than once in the batch all but the first are skipped. */
static void
index_customers(CmsBulk *bulk)
{
	CmsBulkWork *work = bulk->work;
	uint32 size = 16;

	while (size < (uint32) bulk->count * 2)
		size *= 2;
	work->mask = size - 1;
	work->table = palloc0(sizeof(int) * size);
	for (int i = 0; i < bulk->count; i++)
	{
		struct varlena *customer = (struct varlena *) DatumGetPointer(bulk->customers[i]);
		uint32 place =
			hash_bytes((unsigned char *) VARDATA(customer), VARSIZE(customer) - VARHDRSZ);

		for (place &= work->mask; work->table[place] != 0; place = (place + 1) & work->mask)
		{
			Datum other = bulk->customers[work->table[place] - 1];

			if (VARSIZE(DatumGetPointer(other)) == VARSIZE(customer) &&
				memcmp(DatumGetPointer(other), customer, VARSIZE(customer)) == 0)
				break;
		}
		if (work->table[place] == 0)
			work->table[place] = i + 1;
		else
			bulk->skipped[i] = true;
	}
}

/* Of whom a row tells that was asked for. */
static int
find_customer(const CmsBulk *bulk, Datum customer)
{
	const CmsBulkWork *work = bulk->work;
	struct varlena *wanted = PG_DETOAST_DATUM_PACKED(customer);
	int length = VARSIZE_ANY_EXHDR(wanted);
	uint32 place = hash_bytes((unsigned char *) VARDATA_ANY(wanted), length);

	for (place &= work->mask; work->table[place] != 0; place = (place + 1) & work->mask)
	{
		int i = work->table[place] - 1;
		struct varlena *other = (struct varlena *) DatumGetPointer(bulk->customers[i]);

		if (VARSIZE(other) - VARHDRSZ == length &&
			memcmp(VARDATA(other), VARDATA_ANY(wanted), length) == 0)
			return i;
	}
	elog(ERROR, "a customer came back who was not asked for");
}

/* The way of cms_issue_many, for what cannot be done at once. */
static void
issue_one_by_one(CmsBulk *bulk)
{
	CmsIssueLine *lines = palloc_extended(sizeof(CmsIssueLine) * Max(bulk->count, 1),
										  MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	int *customer_of = palloc(sizeof(int) * Max(bulk->count, 1));
	int nlines = 0;

	bulk->issued = 0;
	memset(bulk->reasons, 0, sizeof(CmsReason) * bulk->count);
	memset(bulk->skipped, 0, sizeof(bool) * bulk->count);
	memset(bulk->replayed, 0, sizeof(bool) * bulk->count);
	cms_lock_bulk(bulk->job->org, bulk->job->offer_id, ExclusiveLock);
	/* what a claim has changed was taken back */
	bulk->work->offer = cms_offer_get(bulk->job->org, bulk->job->offer_id, false);
	look_up(bulk);
	for (int i = 0; i < bulk->count; i++)
		if (!bulk->skipped[i])
		{
			customer_of[nlines] = i;
			lines[nlines].line = nlines + 1;
			lines[nlines++].customer = TextDatumGetCString(bulk->customers[i]);
		}
	bulk->work->offer = cms_issue_lines(bulk->work->offer, &bulk->issuer, lines, nlines);
	for (int line = 0; line < nlines; line++)
	{
		int i = customer_of[line];

		bulk->reasons[i] = lines[line].reason;
		bulk->replayed[i] = lines[line].replayed;
		bulk->has_next[i] = lines[line].has_next;
		bulk->next_allowed_on[i] = lines[line].next_allowed_on;
		bulk->issued += lines[line].reason == CMS_OK && !lines[line].replayed;
	}
}
