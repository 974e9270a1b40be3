/*
 * revoke_all.c
 *	  cms_revoke_all: millions of coupons revoked, batch by batch (F39).
 *
 * A batch locks only coupons that nobody else has locked, so that it waits for nobody while it
 * holds others, and commits. What it passes over is waited for at the end, one coupon at a time.
 * Batches follow an index of the offer, from where the last one stopped: entries of revoked coupons
 * stay in it until they are vacuumed, and each batch would walk over all of them otherwise.
 *
 * The place is only known to the session. Another run of the job begins anew, which is right whatever
 * has happened since, because revoked coupons are no longer found; and counts those left anew.
 *
 * Meant are the coupons that there were when the job began: those up to the number that the sequence
 * had reached then. Stock comes before what is issued, so that a code that is issued meanwhile is
 * met there. A coupon whose end is moved meanwhile may be moved behind the place; it is found at the end.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "args.h"
#include "array.h"
#include "counter.h"
#include "expiry_mark.h"
#include "job.h"
#include "offer.h"
#include "plan.h"
#include "result.h"
#include "revoke.h"

PG_FUNCTION_INFO_V1(cms_revoke_all);
PG_FUNCTION_INFO_V1(cms_revoke_all_step);

#define MAX_BATCH 100000
/* Coupons that are waited for one by one; where more are left, batches go over them once more. */
#define FEW 100

/* What a step does. */
typedef enum Part
{
	PART_BEGIN, /* which coupons are meant, and how many there are */
	PART_STOCK,
	PART_OUT,         /* with an end of their own */
	PART_OUT_WITHOUT, /* which end with the offer */
	PART_CUSTOMERS,   /* of a list */
	PART_CODES,
	PART_LEFT, /* what the batches before have left: counts what is redeemed, notes the others */
	PART_ONE,  /* the next of those, waiting for it */
	PART_END,
	PART_COUNT
} Part;

typedef struct RevokeAll
{
	CmsJobRun run;
	CmsRevokeRequest what;
	int batch;
	TimestampTz at;
} RevokeAll;

/* Of the run of this session: where its batches are, and what is to be waited for. */
static struct
{
	int64 job_id;
	CmsRevokeRequest what;
	int64 upto; /* the last coupon meant */
	Part part;
	TimestampTz after_end;
	int64 after_coupon_id;
	int64 ids[FEW];
	int nids;
} place;

static void fetch_arguments(FunctionCallInfo fcinfo, RevokeAll *all);
static const char **parts_of_request(const CmsRevokeRequest *what, int *count);
static void run_batches(RevokeAll *all);
static void revoke_offer(RevokeAll *all, bool also_issued);
static void revoke_list(RevokeAll *all, Part part);
static bool revoke_left(RevokeAll *all, Part of, char **list, int nlist);
static int64 step(RevokeAll *all, Part part, Part of, char **list, int nlist);
static int64 begin(CmsJob *job);
static CmsParams params_of(const CmsJob *job, const CmsOffer *offer, Datum list, TimestampTz at);
static int64
revoke_batch(CmsJob *job, const CmsOffer *offer, Part part, Datum list, int batch, TimestampTz at);
static int64 revoke_one(CmsJob *job, const CmsOffer *offer, TimestampTz at);
static int64 look_at_left(CmsJob *job, const CmsOffer *offer, Part of, Datum list, TimestampTz at);
static void count(CmsJob *job, const CmsOffer *offer, int64 revoked, int64 of_stock);
static void end(const CmsJob *job, TimestampTz at);

static CmsPlan mark_job = {
	"UPDATE cms.job SET last_coupon_id = COALESCE(last_coupon_id, (SELECT q.last_value FROM cms.coupon_id_seq q))"
	" WHERE org_id = $1 AND job_id = $2 RETURNING last_coupon_id",
	2,
	{INT4OID, INT8OID}};

static CmsPlan count_stock = {"UPDATE cms.job SET from_stock = from_stock + $3"
							  " WHERE org_id = $1 AND job_id = $2",
							  3,
							  {INT4OID, INT8OID, INT8OID}};

static CmsPlan read_counts = {
	"SELECT j.succeeded - j.from_stock, j.from_stock, j.refused FROM cms.job j"
	" WHERE j.org_id = $1 AND j.job_id = $2",
	2,
	{INT4OID, INT8OID}};

static CmsPlan call_step = {
	"SELECT cms.cms_revoke_all_step($1, $2, $3, $4, $5, $6, $7)",
	7,
	{INT8OID, INT4OID, INT4OID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID, INT4OID}};

/*
 * $3: uses of a coupon, NULL: unlimited; $4: the last coupon meant; $5, $6: where the last batch
 * stopped; $7: a list; $8: time of the request; $9: how many.
 */
#define ARGS                                                                                       \
	9,                                                                                             \
	{                                                                                              \
		INT4OID, INT8OID, INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTARRAYOID, TIMESTAMPTZOID, \
			INT4OID                                                                                \
	}
#define IN_STOCK "c.issued_at IS NULL AND c.revoked_at IS NULL AND c.coupon_id <= $4"
#define OUT "c.issued_at IS NOT NULL AND c.revoked_at IS NULL AND c.coupon_id <= $4"
#define OF_CUSTOMERS                                                          \
	"c.customer_id = ANY ($7) AND c.revoked_at IS NULL AND c.coupon_id <= $4" \
	" AND (c.expires_at IS NULL OR c.expires_at > $8)"
#define OF_CODES "c.code = ANY ($7) AND NOT c.shared AND c.revoked_at IS NULL AND c.coupon_id <= $4"
#define REDEEMED "COALESCE(c.uses > 0 AND c.uses + c.forfeited_uses >= $3, false)"

#define REVOKE(which, order, lock)                                                                \
	"WITH wanted AS MATERIALIZED ("                                                               \
	" SELECT c.coupon_id, c.expires_at, c.issued_at IS NOT NULL AS issued FROM cms.coupon c"      \
	" WHERE c.org_id = $1 AND c.offer_id = $2 AND NOT " REDEEMED " AND " which " ORDER BY " order \
	" LIMIT $9 FOR UPDATE" lock "), revoked AS ("                                                 \
	" UPDATE cms.coupon c SET revoked_at = $8 FROM wanted w"                                      \
	" WHERE c.org_id = $1 AND c.coupon_id = w.coupon_id RETURNING w.issued"                       \
	") SELECT (SELECT count(*) FROM revoked), (SELECT count(*) FROM revoked WHERE NOT issued),"   \
	" l.expires_at, l.coupon_id"                                                                  \
	" FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT w.expires_at, w.coupon_id FROM wanted w"      \
	"  ORDER BY w.expires_at DESC NULLS FIRST, w.coupon_id DESC LIMIT 1) l ON true"
#define SKIP " SKIP LOCKED"
#define BY_END "c.expires_at, c.coupon_id"
#define BY_NUMBER "c.coupon_id"
/* in no order that an index has: they are found by the list */
#define ANYHOW "c.coupon_id + 0"

static CmsPlan batches[PART_COUNT] = {
	[PART_STOCK] = {REVOKE(IN_STOCK " AND c.coupon_id > $5", BY_NUMBER, SKIP), ARGS},
	[PART_OUT] = {REVOKE(OUT " AND c.expires_at >= $6 AND (c.expires_at, c.coupon_id) > ($6, $5)",
						 BY_END, SKIP),
				  ARGS},
	[PART_OUT_WITHOUT] = {REVOKE(OUT " AND c.expires_at IS NULL AND c.coupon_id > $5", BY_END,
								 SKIP),
						  ARGS},
	[PART_CUSTOMERS] = {REVOKE(OF_CUSTOMERS, ANYHOW, SKIP), ARGS},
	[PART_CODES] = {REVOKE(OF_CODES, ANYHOW, SKIP), ARGS},
};

/* One that somebody had locked. Its number finds it; it is of the part as that still is. */
#define ONE(condition) REVOKE("c.coupon_id = $5 AND c.revoked_at IS NULL" condition, BY_NUMBER, "")
static CmsPlan one = {ONE(""), ARGS};
static CmsPlan one_in_stock = {ONE(" AND COALESCE(c.issued_at, c.revoked_at) IS NULL"), ARGS};

/* What is left, without a lock: how many are redeemed, and the first that are not. */
#define LEFT(which)                                                                                  \
	"SELECT (SELECT count(*) FROM cms.coupon c WHERE c.org_id = $1 AND c.offer_id = $2 AND " which   \
	"  AND " REDEEMED "),"                                                                           \
	" ARRAY(SELECT c.coupon_id FROM cms.coupon c WHERE c.org_id = $1 AND c.offer_id = $2 AND " which \
	"  AND NOT " REDEEMED " LIMIT $9)"

static CmsPlan left[PART_COUNT] = {
	[PART_STOCK] = {LEFT(IN_STOCK), ARGS},
	[PART_OUT] = {LEFT(OUT), ARGS},
	[PART_CUSTOMERS] = {LEFT(OF_CUSTOMERS), ARGS},
	[PART_CODES] = {LEFT(OF_CODES), ARGS},
};

/* how many there are to look at */
#define HOW_MANY(which) \
	"(SELECT count(*) FROM cms.coupon c WHERE c.org_id = $1 AND c.offer_id = $2 AND " which ")"
static CmsPlan how_many[2] = {
	{"SELECT " HOW_MANY(IN_STOCK), ARGS},
	{"SELECT " HOW_MANY(IN_STOCK) " + " HOW_MANY(OUT), ARGS},
};

/*
 * cms_revoke_all(offer_id, scope, customer_ids, codes, confirm, job_key, batch, at, org,
 * INOUT job_id, INOUT revoked_issued, INOUT revoked_unissued, INOUT left_redeemed)
 */
Datum
cms_revoke_all(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	RevokeAll all = {0};
	Datum values[1 + CMS_REVOKE_COUNTS];
	bool nulls[1 + CMS_REVOKE_COUNTS] = {false};

	cms_job_require_alone(fcinfo, "cms_revoke_all", "cms_revoke");
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
		place.job_id = 0;
		cms_job_release(&all.run);
	}
	PG_END_TRY();

	Datum job[] = {Int32GetDatum(all.run.org), Int64GetDatum(all.run.job_id)};

	values[0] = Int64GetDatum(all.run.job_id);
	/* as any manager may read it */
	cms_plan_run(&read_counts, job, NULL, false);
	for (int i = 0; i < CMS_REVOKE_COUNTS; i++)
		values[1 + i] = Int64GetDatum(cms_row_int64(0, i + 1, 0));
	SPI_finish();
	PG_RETURN_DATUM(cms_result_row(fcinfo, caller, values, nulls));
}

static void
fetch_arguments(FunctionCallInfo fcinfo, RevokeAll *all)
{
	cms_revoke_fetch(fcinfo, &all->what);
	cms_revoke_require_confirmation(&all->what);
	all->run = (CmsJobRun){
		.procedure = "cms_revoke_all",
		.action = "REVOKE_ALL",
		.job_key = cms_arg_key(fcinfo, 5, "job_key"),
		.offer_id = all->what.offer_id,
	};
	all->batch = cms_arg_int(fcinfo, 6, "batch");
	all->at = cms_arg_at(fcinfo, 7);
	all->run.org = cms_job_org(fcinfo, 8);
	all->run.request = parts_of_request(&all->what, &all->run.nrequest);
	if (all->batch < 1 || all->batch > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"batch\" must be 1 to %d, not %d", MAX_BATCH, all->batch),
				 errhint("Pass how many coupons to revoke at a time; whoever redeems one of these "
						 "waits for all of them.")));
}

static const char **
parts_of_request(const CmsRevokeRequest *what, int *count)
{
	const char **parts =
		MemoryContextAllocHuge(CurrentMemoryContext, sizeof(char *) * (1 + Max(what->nlist, 0)));

	*count = 0;
	parts[(*count)++] = cms_revoke_scope_name(what->scope);
	for (int i = 0; i < what->nlist; i++)
		parts[(*count)++] = what->list[i];
	return parts;
}

/* The first step finds out what is meant: a list of codes may name the common code, which is all. */
static void
run_batches(RevokeAll *all)
{
	memset(&place, 0, sizeof(place));
	place.job_id = all->run.job_id;
	place.what = all->what;
	cms_job_total(&all->run, step(all, PART_BEGIN, PART_BEGIN, NULL, -1));
	switch (place.what.scope)
	{
		case CMS_REVOKE_ALL_UNREDEEMED:
			revoke_offer(all, true);
			break;
		case CMS_REVOKE_UNISSUED:
			revoke_offer(all, false);
			break;
		case CMS_REVOKE_CUSTOMERS:
			revoke_list(all, PART_CUSTOMERS);
			break;
		case CMS_REVOKE_CODES:
			revoke_list(all, PART_CODES);
			break;
		case CMS_REVOKE_SCOPES:
			break;
	}
	step(all, PART_END, PART_END, NULL, -1);
}

static void
revoke_offer(RevokeAll *all, bool also_issued)
{
	do
	{
		for (Part part = PART_STOCK; part <= (also_issued ? PART_OUT_WITHOUT : PART_STOCK); part++)
			while (step(all, part, part, NULL, -1) == all->batch)
				;
	} while (!revoke_left(all, PART_STOCK, NULL, -1) ||
			 (also_issued && !revoke_left(all, PART_OUT, NULL, -1)));
}

static void
revoke_list(RevokeAll *all, Part part)
{
	for (int i = 0; i < place.what.nlist; i += all->batch)
	{
		char **list = place.what.list + i;
		int nlist = Min(all->batch, place.what.nlist - i);

		do
		{
			while (step(all, part, part, list, nlist) == all->batch)
				;
		} while (!revoke_left(all, part, list, nlist));
	}
}

/* False: more is left than is worth waiting for one by one. */
static bool
revoke_left(RevokeAll *all, Part of, char **list, int nlist)
{
	int64 number;

	while ((number = step(all, PART_LEFT, of, list, nlist)) > 0)
	{
		if (number == FEW)
			return false;
		while (step(all, PART_ONE, of, NULL, -1) > 0)
			;
	}
	return true;
}

static int64
step(RevokeAll *all, Part part, Part of, char **list, int nlist)
{
	CmsParams params = {0};

	cms_param_int64(&params, all->run.job_id);
	cms_param_int(&params, part);
	cms_param_int(&params, of);
	cms_param(&params,
			  nlist < 0 ? (Datum) 0 : cms_array_of_texts((const char *const *) list, nlist),
			  nlist < 0);
	cms_param_int(&params, all->batch);
	cms_param_instant(&params, all->at);
	cms_param_int(&params, all->run.org);
	return cms_job_step(&all->run, &call_step, params.values, params.nulls);
}

/*
 * cms_revoke_all_step(job_id, part, of, list, batch, at, org): how many coupons it was
 */
Datum
cms_revoke_all_step(PG_FUNCTION_ARGS)
{
	int64 job_id = cms_arg_int64(fcinfo, 0, "job_id");
	Part part = cms_arg_int(fcinfo, 1, "part");
	Part of = cms_arg_int(fcinfo, 2, "of");
	Datum list = PG_ARGISNULL(3) ? (Datum) 0 : PG_GETARG_DATUM(3);
	int batch = cms_arg_int(fcinfo, 4, "batch");
	TimestampTz at = cms_arg_at(fcinfo, 5);
	int org = cms_arg_org(fcinfo, 6);
	CmsJob job;
	const CmsOffer *offer;
	int64 answer = 0;

	cms_call_begin();
	cms_job_open(org, job_id, &job);
	if (place.job_id != job_id)
		elog(ERROR, "job " INT64_FORMAT " revokes nothing", job_id);
	offer = cms_offer_get(org, job.offer_id, false);
	switch (part)
	{
		case PART_BEGIN:
			place.what = cms_revoke_narrowed(&place.what, offer, at);
			answer = begin(&job);
			break;
		case PART_STOCK:
		case PART_OUT:
		case PART_OUT_WITHOUT:
		case PART_CUSTOMERS:
		case PART_CODES:
			answer = revoke_batch(&job, offer, part, list, batch, at);
			break;
		case PART_LEFT:
			answer = look_at_left(&job, offer, of, list, at);
			break;
		case PART_ONE:
			answer = revoke_one(&job, offer, at);
			break;
		case PART_END:
			end(&job, at);
			break;
		default:
			elog(ERROR, "unknown part %d of a job", part);
	}
	cms_job_close(&job);
	SPI_finish();
	PG_RETURN_INT64(answer);
}

/* How many coupons are in the scope, as far as that can be told without a list. */
static int64
begin(CmsJob *job)
{
	CmsParams params = {0};

	cms_param_int(&params, job->org);
	cms_param_int64(&params, job->job_id);
	if (cms_plan_write(&mark_job, params.values, NULL) != 1)
		elog(ERROR, "job " INT64_FORMAT " has gone", job->job_id);
	place.upto = cms_row_int64(0, 1, 0);
	if (place.what.nlist >= 0)
		return place.what.nlist;
	params = params_of(job, NULL, 0, 0);
	cms_plan_run(&how_many[place.what.scope == CMS_REVOKE_ALL_UNREDEEMED],
				 params.values,
				 params.nulls,
				 false);
	return cms_row_int64(0, 1, 0);
}

static CmsParams
params_of(const CmsJob *job, const CmsOffer *offer, Datum list, TimestampTz at)
{
	CmsParams params = {0};
	int uses = offer == NULL ? CMS_UNLIMITED : offer->max_uses_per_coupon;

	cms_param_int(&params, job->org);
	cms_param_int64(&params, job->offer_id);
	cms_param(&params, Int32GetDatum(uses), uses == CMS_UNLIMITED);
	cms_param_int64(&params, place.upto);
	cms_param_int64(&params, place.after_coupon_id);
	cms_param_instant(&params, place.after_end);
	cms_param(&params, list, list == (Datum) 0);
	cms_param_instant(&params, at);
	return params;
}

static int64
revoke_batch(CmsJob *job, const CmsOffer *offer, Part part, Datum list, int batch, TimestampTz at)
{
	CmsParams params;
	int64 revoked;

	if (place.part != part || list != (Datum) 0)
	{
		place.part = part;
		place.after_end = DT_NOBEGIN;
		place.after_coupon_id = 0;
	}
	params = params_of(job, offer, list, at);
	cms_param_int(&params, batch);
	cms_plan_write(&batches[part], params.values, params.nulls);
	revoked = cms_row_int64(0, 1, 0);
	place.after_end = cms_row_timestamptz(0, 3, place.after_end);
	place.after_coupon_id = cms_row_int64(0, 4, place.after_coupon_id);
	count(job, offer, revoked, cms_row_int64(0, 2, 0));
	/* what follows begins anew */
	if (revoked < batch)
		place.part = PART_BEGIN;
	return revoked;
}

/* How many are left after it. */
static int64
revoke_one(CmsJob *job, const CmsOffer *offer, TimestampTz at)
{
	CmsParams params;

	place.after_coupon_id = place.ids[--place.nids];
	params = params_of(job, offer, (Datum) 0, at);
	cms_param_int(&params, 1);
	cms_plan_write(place.what.scope == CMS_REVOKE_UNISSUED ? &one_in_stock : &one,
				   params.values,
				   params.nulls);
	count(job, offer, cms_row_int64(0, 1, 0), cms_row_int64(0, 2, 0));
	return place.nids;
}

/* What is redeemed is counted once nothing else is left. */
static int64
look_at_left(CmsJob *job, const CmsOffer *offer, Part of, Datum list, TimestampTz at)
{
	CmsParams params = params_of(job, offer, list, at);
	int64 redeemed;
	int64 *ids;
	bool isnull;

	cms_param_int(&params, FEW);
	cms_plan_run(&left[of], params.values, params.nulls, false);
	redeemed = cms_row_int64(0, 1, 0);
	place.nids = cms_array_int64s(cms_row_value(0, 2, &isnull), &ids);
	memcpy(place.ids, ids, sizeof(int64) * place.nids);
	place.part = PART_BEGIN;
	if (place.nids == 0)
		job->more_done = job->more_refused = job->refusals[CMS_ALREADY_REDEEMED] = redeemed;
	return place.nids;
}

/* The counters are right at every commit: what was revoked of the stock is no longer in it. */
static void
count(CmsJob *job, const CmsOffer *offer, int64 revoked, int64 of_stock)
{
	Datum values[] = {Int32GetDatum(job->org), Int64GetDatum(job->job_id), Int64GetDatum(of_stock)};
	CmsCount counted = {.stock = -of_stock};

	job->more_done = job->more_succeeded = revoked;
	/* what has ended is in the books */
	if (revoked > of_stock)
		cms_expiry_mark_all(offer);
	if (of_stock == 0)
		return;
	cms_plan_write(&count_stock, values, NULL);
	if (!cms_counter_add(offer, &counted))
		elog(ERROR, "no counters of offer " INT64_FORMAT, offer->offer_id);
}

static void
end(const CmsJob *job, TimestampTz at)
{
	Datum values[] = {Int32GetDatum(job->org), Int64GetDatum(job->job_id)};
	int64 counts[CMS_REVOKE_COUNTS];

	cms_plan_run(&read_counts, values, NULL, false);
	for (int i = 0; i < CMS_REVOKE_COUNTS; i++)
		counts[i] = cms_row_int64(0, i + 1, 0);
	if (counts[0] + counts[1] > 0)
		cms_revoke_record(&place.what, job->org, at, counts, job->job_id);
}
