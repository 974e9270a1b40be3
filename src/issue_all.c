/*
 * issue_all.c
 *	  cms_issue_all: a coupon for each customer of a query, in batches (F15).
 *
 * A coupon bears the number of its job. That is what going on after an interruption rests on:
 * the query is run again, in whatever order, and who has a coupon of the job is passed over.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "args.h"
#include "array.h"
#include "claim.h"
#include "customer_query.h"
#include "issue_bulk.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_issue_all);
PG_FUNCTION_INFO_V1(cms_issue_all_step);

#define MAX_BATCH 500000

/* An audience that is read along: where the batch before ended. */
typedef struct Place
{
	int64 job_id;
	int runs;
	char after[CMS_ID_MAX_BYTES + 1];
} Place;

typedef struct IssueAll
{
	CmsJobRun run;
	CmsCustomerQuery *query; /* NULL: the offer's audience */
	char *query_text;
	char *service;
	char *consumer_ref;
	bool keep_refused;
	int batch;
	TimestampTz at;
} IssueAll;

static void fetch_arguments(FunctionCallInfo fcinfo, IssueAll *all);
static void run_batches(IssueAll *all);
static int64 next_batch(IssueAll *all);
static void open_query(void *argument);
static void fetch_customers(void *argument);
static void take_customers(Datum array, CmsBulk *bulk);
static void take_audience(const CmsJob *job, int most, CmsBulk *bulk);
static int64 size_of_audience(const CmsJob *job);
static void count_answers(const CmsBulk *bulk, CmsJob *job);
static void keep_refusals(const CmsBulk *bulk, const CmsJob *job);

static Place place;

static CmsPlan step = {
	"SELECT cms.cms_issue_all_step($1, $2, $3, $4, $5, $6, $7, $8, $9)",
	9,
	{INT8OID, TEXTARRAYOID, INT4OID, INT4OID, TEXTOID, TEXTOID, BOOLOID, TIMESTAMPTZOID, INT4OID}};

static CmsPlan audience = {
	"SELECT a.customer_id FROM cms.offer_audience a"
	" WHERE a.org_id = $1 AND a.offer_id = $2 AND a.customer_id > $3 ORDER BY a.customer_id LIMIT $4",
	4,
	{INT4OID, INT8OID, TEXTOID, INT4OID}};

static CmsPlan count_audience = {
	"SELECT count(*) FROM cms.offer_audience a WHERE a.org_id = $1 AND a.offer_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan keep_refused = {
	"INSERT INTO cms.job_refusal (org_id, job_id, customer_id, reason, next_allowed_on)"
	" SELECT DISTINCT ON (u.customer) $1, $2, u.customer, u.reason, date '2000-01-01' + u.next::int"
	" FROM (SELECT unnest($3) AS customer, unnest($4) AS reason, unnest($5) AS next) u"
	" ON CONFLICT (org_id, job_id, customer_id)"
	" DO UPDATE SET reason = EXCLUDED.reason, next_allowed_on = EXCLUDED.next_allowed_on",
	5,
	{INT4OID, INT8OID, TEXTARRAYOID, TEXTARRAYOID, INT8ARRAYOID}};

static CmsPlan drop_refused = {
	"DELETE FROM cms.job_refusal WHERE org_id = $1 AND job_id = $2 AND customer_id = ANY ($3)",
	3,
	{INT4OID, INT8OID, TEXTARRAYOID}};

/*
 * cms_issue_all(offer_id, query, job_key, service, consumer_ref, batch, keep_refused, at, org,
 * INOUT job_id, INOUT issued, INOUT refused)
 */
Datum
cms_issue_all(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	IssueAll all = {0};
	Datum values[3];
	bool nulls[3] = {false};

	cms_job_require_alone(fcinfo, "cms_issue_all", "cms_issue_many");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	fetch_arguments(fcinfo, &all);
	PG_TRY();
	{
		cms_job_start(&all.run);
		if (!all.run.is_done)
			run_batches(&all);
		cms_job_end(&all.run);
	}
	PG_FINALLY();
	{
		if (all.query != NULL)
			cms_customer_query_close(all.query);
		cms_job_release(&all.run);
	}
	PG_END_TRY();
	values[0] = Int64GetDatum(all.run.job_id);
	values[1] = Int64GetDatum(all.run.succeeded);
	values[2] = Int64GetDatum(all.run.refused);
	SPI_finish();
	PG_RETURN_DATUM(cms_result_row(fcinfo, caller, values, nulls));
}

static void
fetch_arguments(FunctionCallInfo fcinfo, IssueAll *all)
{
	const char **request = palloc(sizeof(char *) * 4);

	all->run.procedure = "cms_issue_all";
	all->run.action = "ISSUE_ALL";
	all->run.offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	all->query_text = cms_arg_text(fcinfo, 1);
	all->run.job_key = cms_arg_key(fcinfo, 2, "job_key");
	all->service = cms_claim_arg_service(fcinfo, 3);
	all->consumer_ref = cms_arg_id(fcinfo, 4, "consumer_ref");
	all->batch = cms_arg_int(fcinfo, 5, "batch");
	all->keep_refused = cms_arg_bool(fcinfo, 6, "keep_refused");
	all->at = cms_arg_at(fcinfo, 7);
	all->run.org = cms_job_org(fcinfo, 8);
	if (all->batch < 1 || all->batch > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"batch\" must be 1 to %d, not %d", MAX_BATCH, all->batch),
				 errhint("Pass the number of customers to issue to at a time.")));
	cms_claim_check_names(all->service, all->consumer_ref);
	request[0] = all->query_text;
	request[1] = all->service;
	request[2] = all->consumer_ref;
	request[3] = all->keep_refused ? "keep" : "count";
	all->run.request = request;
	all->run.nrequest = 4;
	if (all->query_text != NULL)
		all->query = cms_customer_query_prepare(all->query_text);
}

static void
run_batches(IssueAll *all)
{
	if (all->query != NULL)
	{
		cms_job_do(&all->run, open_query, all);
		cms_job_total(&all->run, cms_customer_query_total(all->query));
	}
	while (next_batch(all) > 0)
		;
}

static void
open_query(void *argument)
{
	cms_customer_query_open(((IssueAll *) argument)->query);
}

typedef struct Fetch
{
	IssueAll *all;
	Datum customers;
	int ignored;
	int rows;
} Fetch;

/* Answers how many customers it was. */
static int64
next_batch(IssueAll *all)
{
	Fetch fetch = {.all = all};
	CmsParams params = {0};

	if (all->query != NULL)
	{
		cms_job_do(&all->run, fetch_customers, &fetch);
		if (fetch.rows == 0)
			return 0;
	}
	cms_param_int64(&params, all->run.job_id);
	cms_param(&params, fetch.customers, all->query == NULL);
	cms_param_int(&params, fetch.ignored);
	cms_param_int(&params, all->batch);
	cms_param_text(&params, all->service);
	cms_param_text(&params, all->consumer_ref);
	cms_param_bool(&params, all->keep_refused);
	cms_param_instant(&params, all->at);
	cms_param_int(&params, all->run.org);
	return cms_job_step(&all->run, &step, params.values, params.nulls);
}

static void
fetch_customers(void *argument)
{
	Fetch *fetch = argument;

	fetch->rows = cms_customer_query_fetch(
		fetch->all->query, fetch->all->batch, &fetch->customers, &fetch->ignored);
}

/* cms_issue_all_step(job_id, customer_ids, ignored, batch, service, consumer_ref, keep_refused, at, org) */
Datum
cms_issue_all_step(PG_FUNCTION_ARGS)
{
	CmsBulk bulk = {0};
	CmsJob job;
	int64 rows;

	cms_call_begin();
	cms_job_open(cms_arg_org(fcinfo, 8), cms_arg_int64(fcinfo, 0, "job_id"), &job);
	bulk.job = &job;
	bulk.issuer.service = cms_claim_arg_service(fcinfo, 4);
	bulk.issuer.consumer_ref = cms_arg_id(fcinfo, 5, "consumer_ref");
	bulk.issuer.at = cms_arg_at(fcinfo, 7);
	bulk.issuer.job_id = job.job_id;
	job.more_ignored = cms_arg_int(fcinfo, 2, "ignored");
	if (PG_ARGISNULL(1))
		take_audience(&job, cms_arg_int(fcinfo, 3, "batch"), &bulk);
	else
		take_customers(PG_GETARG_DATUM(1), &bulk);
	if (job.total < 0)
		job.total = job.new_total = size_of_audience(&job);
	rows = bulk.count + job.more_ignored;
	if (rows > 0)
	{
		/* more than were counted: somebody was added to the audience meanwhile */
		bulk.slice = (CmsCodeSlice){
			.first = job.done, .width = rows, .total = Max(job.total, job.done + rows)};
		cms_issue_bulk(job.offer_id, &bulk);
		count_answers(&bulk, &job);
		if (cms_arg_bool(fcinfo, 6, "keep_refused"))
			keep_refusals(&bulk, &job);
		cms_job_close(&job);
	}
	SPI_finish();
	PG_RETURN_INT64(rows);
}

static void
take_customers(Datum array, CmsBulk *bulk)
{
	ArrayType *customers = DatumGetArrayTypeP(array);

	deconstruct_array(
		customers, TEXTOID, -1, false, TYPALIGN_INT, &bulk->customers, NULL, &bulk->count);
}

/* In the order of customers. A run begins at the start, as somebody may have been added. */
static void
take_audience(const CmsJob *job, int most, CmsBulk *bulk)
{
	CmsParams params = {0};
	char *last = NULL;

	if (place.job_id != job->job_id || place.runs != job->runs || job->done == 0)
		place = (Place){.job_id = job->job_id, .runs = job->runs};
	if (!cms_offer_get(job->org, job->offer_id, false)->audience_only)
		ereport(
			ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"query\" must not be null: offer " INT64_FORMAT " has no audience",
					job->offer_id),
			 errhint("Pass a SELECT that yields customer ids, or set audience_only.")));
	cms_param_int(&params, job->org);
	cms_param_int64(&params, job->offer_id);
	cms_param_text(&params, place.after);
	cms_param_int(&params, most);
	bulk->count = (int) cms_plan_run(&audience, params.values, params.nulls, false);
	bulk->customers = palloc(sizeof(Datum) * Max(bulk->count, 1));
	for (int i = 0; i < bulk->count; i++)
	{
		bool isnull;

		bulk->customers[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(cms_row_value(i, 1, &isnull)));
	}
	bulk->in_audience = true;
	if (bulk->count > 0)
		last = TextDatumGetCString(bulk->customers[bulk->count - 1]);
	if (last != NULL)
		strlcpy(place.after, last, sizeof(place.after));
}

static int64
size_of_audience(const CmsJob *job)
{
	Datum values[] = {Int32GetDatum(job->org), Int64GetDatum(job->offer_id)};

	cms_plan_run(&count_audience, values, NULL, false);
	return cms_row_int64(0, 1, 0);
}

static void
count_answers(const CmsBulk *bulk, CmsJob *job)
{
	job->more_done = bulk->count + job->more_ignored;
	job->more_succeeded = bulk->issued;
	for (int i = 0; i < bulk->count; i++)
	{
		job->more_skipped += bulk->skipped[i];
		job->more_replayed += bulk->replayed[i];
		job->more_refused += bulk->reasons[i] != CMS_OK;
		job->refusals[bulk->reasons[i]]++;
	}
}

/* Who was refused in an earlier run and is not any more, is no longer among them. */
static void
keep_refusals(const CmsBulk *bulk, const CmsJob *job)
{
	int *refused = palloc(sizeof(int) * Max(bulk->count, 1));
	int *served = palloc(sizeof(int) * Max(bulk->count, 1));
	const char **reasons = palloc(sizeof(char *) * Max(bulk->count, 1));
	int64 *next = palloc(sizeof(int64) * Max(bulk->count, 1));
	bool *no_next = palloc(sizeof(bool) * Max(bulk->count, 1));
	int nrefused = 0;
	int nserved = 0;

	for (int i = 0; i < bulk->count; i++)
	{
		if (bulk->reasons[i] == CMS_OK)
		{
			served[nserved++] = i;
			continue;
		}
		reasons[nrefused] = cms_reason_name(bulk->reasons[i]);
		no_next[nrefused] = !bulk->has_next[i];
		next[nrefused] = bulk->next_allowed_on[i];
		refused[nrefused++] = i;
	}
	if (nserved > 0 && job->runs > 1)
	{
		Datum values[] = {Int32GetDatum(job->org),
						  Int64GetDatum(job->job_id),
						  cms_bulk_array_of(bulk->customers, served, nserved)};

		cms_plan_run(&drop_refused, values, NULL, false);
	}
	if (nrefused > 0)
	{
		Datum values[] = {Int32GetDatum(job->org),
						  Int64GetDatum(job->job_id),
						  cms_bulk_array_of(bulk->customers, refused, nrefused),
						  cms_array_of_texts(reasons, nrefused),
						  cms_array_of_nullable_int64s(next, no_next, nrefused)};

		cms_plan_run(&keep_refused, values, NULL, false);
	}
}
