/*
 * generate_all.c
 *	  cms_generate_all: codes made ahead in batches that commit (F9).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"

#include "args.h"
#include "generate.h"
#include "job.h"
#include "result.h"

PG_FUNCTION_INFO_V1(cms_generate_all);
PG_FUNCTION_INFO_V1(cms_generate_all_step);

#define MAX_BATCH 500000

static CmsPlan step = {
	"SELECT cms.cms_generate_all_step($1, $2, $3, $4)", 4, {INT8OID, INT8OID, INT4OID, INT4OID}};

/* cms_generate_all(offer_id, how_many, job_key, batch, at, org, INOUT job_id, INOUT generated) */
Datum
cms_generate_all(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	CmsJobRun run = {.procedure = "cms_generate_all", .action = "GENERATE_ALL"};
	const char *request[1];
	int64 how_many;
	int batch;
	Datum values[4];
	bool nulls[2] = {false};

	cms_job_require_alone(fcinfo, "cms_generate_all", "cms_generate_codes");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	run.offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	how_many = cms_arg_int64(fcinfo, 1, "how_many");
	run.job_key = cms_arg_key(fcinfo, 2, "job_key");
	batch = cms_arg_int(fcinfo, 3, "batch");
	(void) cms_arg_at(fcinfo, 4);
	run.org = cms_job_org(fcinfo, 5);
	if (how_many < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must not be negative"),
				 errhint("Pass the number of codes to make.")));
	if (batch < 1 || batch > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"batch\" must be 1 to %d, not %d", MAX_BATCH, batch),
				 errhint("Pass the number of codes to make at a time.")));
	request[0] = psprintf(INT64_FORMAT, how_many);
	run.request = request;
	run.nrequest = 1;

	values[0] = Int64GetDatum(0);
	values[1] = Int64GetDatum(how_many);
	values[2] = Int32GetDatum(batch);
	values[3] = Int32GetDatum(run.org);
	PG_TRY();
	{
		cms_job_start(&run);
		if (!run.is_done)
		{
			values[0] = Int64GetDatum(run.job_id);
			cms_job_total(&run, how_many - run.succeeded);
			while (cms_job_step(&run, &step, values, NULL) > 0)
				;
		}
		cms_job_end(&run);
	}
	PG_FINALLY();
	{
		cms_job_release(&run);
	}
	PG_END_TRY();
	values[0] = Int64GetDatum(run.job_id);
	values[1] = Int64GetDatum(run.succeeded);
	SPI_finish();
	PG_RETURN_DATUM(cms_result_row(fcinfo, caller, values, nulls));
}

/* cms_generate_all_step(job_id, how_many, batch, org) */
Datum
cms_generate_all_step(PG_FUNCTION_ARGS)
{
	int64 job_id = cms_arg_int64(fcinfo, 0, "job_id");
	int64 how_many = cms_arg_int64(fcinfo, 1, "how_many");
	int batch = cms_arg_int(fcinfo, 2, "batch");
	int org = cms_arg_org(fcinfo, 3);
	const CmsOffer *offer;
	CmsJob job;

	cms_call_begin();
	cms_job_open(org, job_id, &job);
	offer = cms_offer_get(org, job.offer_id, false);
	cms_generate_require(offer);
	/* what was made stays made: going on needs no count of it */
	job.more_done = job.more_succeeded = Min(how_many - job.succeeded, batch);
	if (job.more_done > 0)
	{
		cms_generate_codes_of(
			offer, job.more_done, &(CmsCodeSlice){.first = job.succeeded, .total = how_many});
		cms_job_close(&job);
	}
	SPI_finish();
	PG_RETURN_INT64(Max(job.more_done, 0));
}
