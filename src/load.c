/*
 * load.c
 *	  Code files by COPY: the view cms.code_upload takes the lines in,
 *	  cms_load_codes works them off (F12).
 *
 * COPY needs one cheap row per line, so what is wrong with a line is told when it
 * is loaded. Lines wait in cms.code_upload_line; those that load are removed in the
 * transaction that writes their coupons, so a crash neither loses nor repeats
 * any, and several sessions may load at once: they skip each other's lines.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "job.h"
#include "org.h"
#include "plan.h"
#include "result.h"
#include "upload.h"

#define MAX_BATCH 1000000

/* Batches between two progress lines. */
#define PROGRESS_BATCHES 10

PG_FUNCTION_INFO_V1(cms_load_codes_step);
PG_FUNCTION_INFO_V1(cms_load_codes);

static int read_lines(CmsPlan *plan, const CmsUpload *upload, int most, CmsUploadLine *lines);
static void remove_loaded(int org, const CmsUploadLine *lines, int nlines);
static int keep_rejected(int org, const CmsUploadLine *lines, int nlines);

/* Two statements, because each goes along the index and stops; one with OR would read all lines. */
static CmsPlan lines_of_offer = {"SELECT l.line, l.code, l.customer_id FROM cms.code_upload_line l"
								 " WHERE l.org_id = $1 AND l.offer_id = $2 AND l.reason IS NULL"
								 " ORDER BY l.line LIMIT $4 FOR UPDATE SKIP LOCKED",
								 4,
								 {INT4OID, INT8OID, TEXTOID, INT4OID}};

static CmsPlan lines_of_caller = {
	"SELECT l.line, l.code, l.customer_id FROM cms.code_upload_line l"
	" WHERE l.org_id = $1 AND l.offer_id IS NULL AND l.reason IS NULL AND l.uploaded_by = $3"
	" ORDER BY l.line LIMIT $4 FOR UPDATE SKIP LOCKED",
	4,
	{INT4OID, INT8OID, TEXTOID, INT4OID}};

static CmsPlan delete_lines = {
	"DELETE FROM cms.code_upload_line WHERE org_id = $1 AND line = ANY ($2)",
	2,
	{INT4OID, INT8ARRAYOID}};

static CmsPlan reject_lines = {
	"UPDATE cms.code_upload_line l SET reason = u.reason, message = u.message"
	" FROM unnest($2, $3, $4) AS u (line, reason, message)"
	" WHERE l.org_id = $1 AND l.line = u.line",
	4,
	{INT4OID, INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID}};

static CmsPlan step = {
	"SELECT s.lines, s.loaded, s.rejected FROM cms.cms_load_codes_step($1, $2, $3, $4) AS s",
	4,
	{INT8OID, INT4OID, TIMESTAMPTZOID, INT4OID}};

/* cms_load_codes_step(offer_id, batch, at, org) */
Datum
cms_load_codes_step(PG_FUNCTION_ARGS)
{
	CmsUpload upload = {0};
	int batch;
	CmsUploadLine *lines;
	MemoryContext caller = CurrentMemoryContext;
	int nlines;
	int rejected;
	Datum values[3];
	bool nulls[3] = {false};
	Datum row;

	upload.offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	batch = cms_arg_int(fcinfo, 1, "batch");
	upload.issuer.at = cms_arg_at(fcinfo, 2);
	upload.org = cms_arg_org(fcinfo, 3);
	if (batch < 1 || batch > MAX_BATCH)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"batch\" must be 1 to %d, not %d", MAX_BATCH, batch),
				 errhint("Pass the number of lines to load at a time.")));

	cms_call_begin();
	lines = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(CmsUploadLine) * batch);
	nlines = read_lines(&lines_of_offer, &upload, batch, lines);
	if (nlines < batch)
		nlines += read_lines(&lines_of_caller, &upload, batch - nlines, lines + nlines);
	for (int i = 0; i < nlines; i++)
		upload.issues |= lines[i].customer != NULL;
	cms_upload_begin(&upload);
	cms_upload_lines(&upload, lines, nlines);
	remove_loaded(upload.org, lines, nlines);
	rejected = keep_rejected(upload.org, lines, nlines);
	cms_upload_end(&upload);

	values[0] = Int64GetDatum(nlines);
	values[1] = Int64GetDatum(nlines - rejected);
	values[2] = Int64GetDatum(rejected);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static int
read_lines(CmsPlan *plan, const CmsUpload *upload, int most, CmsUploadLine *lines)
{
	Datum values[] = {Int32GetDatum(upload->org),
					  Int64GetDatum(upload->offer_id),
					  CStringGetTextDatum(cms_org_caller_name()),
					  Int32GetDatum(most)};
	int nlines = (int) cms_plan_run(plan, values, NULL, false);

	for (int i = 0; i < nlines; i++)
	{
		memset(&lines[i], 0, sizeof(CmsUploadLine));
		lines[i].line = cms_row_int64(i, 1, 0);
		lines[i].raw_code = cms_row_text(i, 2);
		lines[i].customer = cms_row_text(i, 3);
	}
	return nlines;
}

static void
remove_loaded(int org, const CmsUploadLine *lines, int nlines)
{
	int64 *loaded = palloc(sizeof(int64) * Max(nlines, 1));
	int count = 0;

	for (int i = 0; i < nlines; i++)
	{
		if (lines[i].reason == CMS_OK)
			loaded[count++] = lines[i].line;
	}

	Datum values[] = {Int32GetDatum(org), cms_array_of_int64s(loaded, count)};

	if (count > 0)
		cms_plan_run(&delete_lines, values, NULL, false);
}

/* Answers how many. */
static int
keep_rejected(int org, const CmsUploadLine *lines, int nlines)
{
	int64 *rejected = palloc(sizeof(int64) * Max(nlines, 1));
	const char **reasons = palloc(sizeof(char *) * Max(nlines, 1));
	const char **messages = palloc(sizeof(char *) * Max(nlines, 1));
	int count = 0;

	for (int i = 0; i < nlines; i++)
	{
		CmsReason reason = lines[i].reason;

		if (reason == CMS_OK)
			continue;
		rejected[count] = lines[i].line;
		reasons[count] = cms_reason_name(reason);
		messages[count] = lines[i].message ? lines[i].message : cms_reason_message(reason);
		count++;
	}

	Datum values[] = {Int32GetDatum(org),
					  cms_array_of_int64s(rejected, count),
					  cms_array_of_texts(reasons, count),
					  cms_array_of_texts(messages, count)};

	if (count > 0)
		cms_plan_run(&reject_lines, values, NULL, false);
	return count;
}

/*
 * cms_load_codes(offer_id, batch, at, org, INOUT loaded, INOUT rejected)
 *
 * Not a definer, because such a procedure cannot commit; it has the caller's rights,
 * and so calls the step as anybody could.
 */
Datum
cms_load_codes(PG_FUNCTION_ARGS)
{
	CallContext *call = castNode(CallContext, fcinfo->context);
	bool commits = !call->atomic && !IsSubTransaction();
	MemoryContext caller = CurrentMemoryContext;
	Datum arguments[4];
	char argument_nulls[4];
	int64 loaded = 0;
	int64 rejected = 0;

	for (int i = 0; i < 4; i++)
	{
		arguments[i] = fcinfo->args[i].value;
		argument_nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	SPI_connect_ext(call->atomic ? 0 : SPI_OPT_NONATOMIC);
	/* so that no other session is in the way, whatever level this one is at */
	if (commits)
		cms_job_commit();
	for (int64 batches = 1;; batches++)
	{
		bool is_last;

		CHECK_FOR_INTERRUPTS();
		cms_plan_run(&step, arguments, argument_nulls, false);
		is_last = cms_row_int64(0, 1, 0) == 0;
		loaded += cms_row_int64(0, 2, 0);
		rejected += cms_row_int64(0, 3, 0);
		SPI_freetuptable(SPI_tuptable);
		if (commits)
			cms_job_commit();
		if (is_last)
			break;
		if (batches % PROGRESS_BATCHES == 0)
			ereport(NOTICE,
					(errmsg("cms_load_codes: " INT64_FORMAT " lines loaded, " INT64_FORMAT
							" rejected so far",
							loaded,
							rejected)));
	}
	SPI_finish();

	Datum values[] = {Int64GetDatum(loaded), Int64GetDatum(rejected)};
	bool nulls[2] = {false};

	PG_RETURN_DATUM(cms_result_row(fcinfo, caller, values, nulls));
}
