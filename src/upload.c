/*
 * upload.c
 *	  Codes that exist already: cms_upload_codes from arrays, and from COPY through
 *	  the view cms.code_upload and cms_load_codes (F12).
 *
 * Lines are worked on in batches, each by a few statements over all its lines. A
 * line without a customer goes into stock; one with a customer is an issue, and
 * goes the way of every issue. What decides whether a code is free is the insert;
 * looks before it only serve to give the reasons in their published order.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "args.h"
#include "array.h"
#include "claim.h"
#include "codebook.h"
#include "counter.h"
#include "issue.h"
#include "lock.h"
#include "plan.h"
#include "result.h"
#include "text.h"
#include "upload.h"

#define BATCH_LINES 10000

PG_FUNCTION_INFO_V1(cms_upload_codes);

static void normalise(CmsUpload *upload, CmsUploadLine *lines, int nlines);
static void refuse_reserved(CmsUpload *upload, CmsUploadLine *lines, int nlines);
static void refuse_taken(CmsUpload *upload, CmsUploadLine **lines, int nlines);
static void stock_lines(CmsUpload *upload, const CmsOffer *offer, CmsUploadLine *lines, int nlines);
static void issue_lines(CmsUpload *upload, const CmsOffer *offer, CmsUploadLine *lines, int nlines);
static int compare_by_code(const void *a, const void *b);
static void put_lines(FunctionCallInfo fcinfo, const CmsUploadLine *lines, int nlines);

static CmsPlan taken_codes = {"SELECT c.code, c.offer_id FROM cms.coupon c"
							  " WHERE c.org_id = $1 AND c.code = ANY ($2)"
							  " AND c.revoked_at IS NULL AND NOT c.shared",
							  2,
							  {INT4OID, TEXTARRAYOID}};

/* cms_upload_codes(offer_id, codes, customer_ids, service, consumer_ref, at, org) */
Datum
cms_upload_codes(PG_FUNCTION_ARGS)
{
	CmsUpload upload = {0};
	MemoryContext batch_context;
	CmsUploadLine *lines;
	char **codes;
	char **customers;
	int ncodes;
	int ncustomers;

	upload.offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	ncodes = cms_arg_texts(fcinfo, 1, "codes", &codes);
	ncustomers = cms_arg_texts(fcinfo, 2, "customer_ids", &customers);
	upload.issues = ncustomers >= 0;
	upload.issuer.service = cms_claim_arg_service(fcinfo, 3);
	upload.issuer.consumer_ref = cms_arg_id(fcinfo, 4, "consumer_ref");
	upload.issuer.at = cms_arg_at(fcinfo, 5);
	upload.org = cms_arg_org(fcinfo, 6);
	if (ncodes < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"codes\" must not be null"),
				 errhint("Pass the codes as an array of text.")));
	if (ncustomers >= 0 && ncustomers != ncodes)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"customer_ids\" must be as long as \"codes\": %d and %d elements",
					ncustomers,
					ncodes),
			 errhint("Pass a customer for each code, or NULL for codes without one.")));
	if (upload.issuer.service != NULL)
		cms_claim_check_service(upload.issuer.service);

	cms_result_start(fcinfo);
	cms_call_begin();
	cms_upload_begin(&upload);
	batch_context =
		AllocSetContextCreate(CurrentMemoryContext, "cms upload", ALLOCSET_DEFAULT_SIZES);
	for (int begin = 0; begin < ncodes; begin += BATCH_LINES)
	{
		int nlines = Min(ncodes - begin, BATCH_LINES);
		MemoryContext before = MemoryContextSwitchTo(batch_context);

		lines = palloc0(sizeof(CmsUploadLine) * nlines);
		for (int i = 0; i < nlines; i++)
		{
			lines[i].line = begin + i + 1;
			lines[i].raw_code = codes[begin + i];
			lines[i].customer = ncustomers < 0 ? NULL : customers[begin + i];
		}
		cms_upload_lines(&upload, lines, nlines);
		put_lines(fcinfo, lines, nlines);
		MemoryContextSwitchTo(before);
		MemoryContextReset(batch_context);
	}
	cms_upload_end(&upload);
	SPI_finish();
	return (Datum) 0;
}

static void
put_lines(FunctionCallInfo fcinfo, const CmsUploadLine *lines, int nlines)
{
	for (int i = 0; i < nlines; i++)
	{
		const CmsUploadLine *line = &lines[i];
		Datum values[7] = {Int64GetDatum(line->line)};
		bool nulls[7] = {false};

		cms_result_text(line->code[0] != '\0' ? line->code : line->raw_code, values, nulls, 1);
		cms_result_text(line->customer, values, nulls, 2);
		values[3] = BoolGetDatum(line->reason == CMS_OK);
		cms_result_reason(line->reason, line->message, values, nulls, 4, 5);
		values[6] = Int64GetDatum(line->coupon_id);
		nulls[6] = line->reason != CMS_OK;
		cms_result_put(fcinfo, values, nulls);
	}
}

/*
 * Errors unless the offer is UPLOADED, and takes the lock of those who write codes. Who issues them
 * writes them in the order of customers, and so meets nobody else who uploads.
 */
void
cms_upload_begin(CmsUpload *upload)
{
	const CmsOffer *offer = cms_offer_get(upload->org, upload->offer_id, false);
	HASHCTL control = {.keysize = CMS_CODE_MAX_LENGTH + 1,
					   .entrysize = CMS_CODE_MAX_LENGTH + 1,
					   .hcxt = CurrentMemoryContext};

	if (offer->method != CMS_METHOD_UPLOADED)
		ereport(ERROR,
				(errcode(CMS_ERRCODE_WRONG_CODE_METHOD),
				 errmsg("offer " INT64_FORMAT " does not take uploaded codes", upload->offer_id),
				 errhint("Only offers whose code_method is UPLOADED do.")));
	upload->seen =
		hash_create("cms uploaded codes", 1024, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	cms_lock(upload->org, CMS_LOCK_UPLOADS, upload->issues ? ExclusiveLock : ShareLock);
	cms_codebook_write_lock(upload->org);
}

/* The counter is changed last, because everybody who issues waits for its row from then on. */
void
cms_upload_end(CmsUpload *upload)
{
	CmsCount count = {.stock = upload->stocked};

	if (upload->stocked > 0 &&
		!cms_counter_add(cms_offer_get(upload->org, upload->offer_id, false), &count))
		cms_offer_unknown(upload->offer_id);
	hash_destroy(upload->seen);
}

void
cms_upload_lines(CmsUpload *upload, CmsUploadLine *lines, int nlines)
{
	const CmsOffer *offer;

	CHECK_FOR_INTERRUPTS();
	/* again for each batch: the first issue may have claimed the offer */
	offer = cms_offer_get(upload->org, upload->offer_id, false);
	normalise(upload, lines, nlines);
	upload->looks_first = offer->archived;
	refuse_reserved(upload, lines, nlines);
	if (offer->archived)
	{
		for (int i = 0; i < nlines; i++)
		{
			if (lines[i].reason == CMS_OK)
				lines[i].reason = CMS_OFFER_ARCHIVED;
		}
		return;
	}
	stock_lines(upload, offer, lines, nlines);
	issue_lines(upload, offer, lines, nlines);
}

/* What the lines alone tell. */
static void
normalise(CmsUpload *upload, CmsUploadLine *lines, int nlines)
{
	for (int i = 0; i < nlines; i++)
	{
		CmsUploadLine *line = &lines[i];
		bool seen = false;

		CHECK_FOR_INTERRUPTS();
		if (line->customer != NULL && cms_text_is_blank(line->customer))
			line->customer = NULL;
		line->reason = cms_code_normalise(
			line->raw_code, line->raw_code ? strlen(line->raw_code) : 0, line->code);
		if (line->reason == CMS_OK)
			hash_search(upload->seen, line->code, HASH_ENTER, &seen);
		if (seen)
			line->reason = CMS_CODE_REPEATED;
		else if (line->reason == CMS_OK && line->customer != NULL &&
				 strlen(line->customer) > CMS_ID_MAX_BYTES)
			line->reason = CMS_CUSTOMER_INVALID;
	}
}

/*
 * CODE_TAKEN comes before CODE_RESERVED and before the reasons of issuing, so the
 * codes that these may concern are looked up; of the others the insert tells.
 */
static void
refuse_reserved(CmsUpload *upload, CmsUploadLine *lines, int nlines)
{
	const char **codes = palloc(sizeof(char *) * nlines);
	CmsUploadLine **asked = palloc(sizeof(CmsUploadLine *) * nlines);
	int ncodes = 0;
	int nasked = 0;
	CmsReserved *reserved;

	for (int i = 0; i < nlines; i++)
	{
		if (lines[i].reason == CMS_OK)
			codes[ncodes++] = lines[i].code;
	}
	reserved = cms_codebook_reserved_of_codes(upload->org, codes, ncodes);
	for (int i = 0; i < nlines; i++)
	{
		if (lines[i].reason != CMS_OK)
			continue;
		if (cms_codebook_is_reserved(reserved, lines[i].code))
			lines[i].reason = CMS_CODE_RESERVED;
		if (lines[i].reason != CMS_OK || lines[i].customer != NULL || upload->looks_first)
			asked[nasked++] = &lines[i];
	}
	refuse_taken(upload, asked, nasked);
}

/* Marks those lines whose code a coupon has. */
static void
refuse_taken(CmsUpload *upload, CmsUploadLine **lines, int nlines)
{
	const char **codes;
	uint64 rows;

	if (nlines == 0)
		return;
	qsort(lines, nlines, sizeof(CmsUploadLine *), compare_by_code);
	codes = palloc(sizeof(char *) * nlines);
	for (int i = 0; i < nlines; i++)
		codes[i] = lines[i]->code;

	Datum values[] = {Int32GetDatum(upload->org), cms_array_of_texts(codes, nlines)};

	rows = cms_plan_run_latest(&taken_codes, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		CmsUploadLine key;
		CmsUploadLine *wanted = &key;
		CmsUploadLine **found;
		char *code = cms_row_text(row, 1);

		strlcpy(key.code, code, sizeof(key.code));
		found = bsearch(&wanted, lines, nlines, sizeof(CmsUploadLine *), compare_by_code);
		if (found == NULL)
			elog(ERROR, "code \"%s\" was not asked for", code);
		(*found)->reason = CMS_CODE_TAKEN;
		(*found)->message = cms_row_int64(row, 2, 0) == upload->offer_id
								? "The offer has this code already."
								: "Another offer has this code.";
		pfree(code);
	}
}

static int
compare_by_code(const void *a, const void *b)
{
	return strcmp((*(CmsUploadLine *const *) a)->code, (*(CmsUploadLine *const *) b)->code);
}

/*
 * Written in the order of codes, which fills the index fastest and keeps two
 * uploads of the same codes from waiting for each other in a circle; their ids are
 * in the order of lines, because stock is issued in the order of ids.
 */
static void
stock_lines(CmsUpload *upload, const CmsOffer *offer, CmsUploadLine *lines, int nlines)
{
	CmsUploadLine **stock = palloc(sizeof(CmsUploadLine *) * nlines);
	const char **codes = palloc(sizeof(char *) * nlines);
	int64 *ids;
	bool *written;
	int count = 0;
	int ntaken = 0;

	for (int i = 0; i < nlines; i++)
	{
		if (lines[i].reason == CMS_OK && lines[i].customer == NULL)
			stock[count++] = &lines[i];
	}
	if (count == 0)
		return;
	ids = cms_codebook_ids(count);
	for (int i = 0; i < count; i++)
		stock[i]->coupon_id = ids[i];
	qsort(stock, count, sizeof(CmsUploadLine *), compare_by_code);
	for (int i = 0; i < count; i++)
	{
		codes[i] = stock[i]->code;
		ids[i] = stock[i]->coupon_id;
	}
	/*
	 * Of a file that is new none is taken; of one that was loaded before the first ones tell. A fixed
	 * snapshot is to notice what it cannot see, which only the other way does.
	 */
	if (!IsolationUsesXactSnapshot() && cms_codebook_stock_all(offer, codes, ids, count))
	{
		upload->stocked += count;
		return;
	}
	written = palloc(sizeof(bool) * count);
	upload->stocked += cms_codebook_stock(offer, codes, ids, count, written);
	for (int i = 0; i < count; i++)
	{
		if (written[i])
			continue;
		stock[i]->reason = CMS_CODE_TAKEN;
		stock[ntaken++] = stock[i];
	}
	/* which offer has them */
	refuse_taken(upload, stock, ntaken);
}

static void
issue_lines(CmsUpload *upload, const CmsOffer *offer, CmsUploadLine *lines, int nlines)
{
	CmsIssueLine *issues = palloc0(sizeof(CmsIssueLine) * nlines);
	CmsUploadLine **asked = palloc(sizeof(CmsUploadLine *) * nlines);
	int count = 0;

	for (int i = 0; i < nlines; i++)
	{
		if (lines[i].reason != CMS_OK || lines[i].customer == NULL)
			continue;
		asked[count] = &lines[i];
		issues[count].line = lines[i].line;
		issues[count].customer = lines[i].customer;
		issues[count].given_code = lines[i].code;
		count++;
	}
	if (count == 0)
		return;
	cms_issue_lines(offer, &upload->issuer, issues, count);
	for (int i = 0; i < count; i++)
	{
		asked[i]->reason = issues[i].reason;
		asked[i]->message = issues[i].message;
		asked[i]->coupon_id = issues[i].coupon_id;
	}
}
