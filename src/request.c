/*
 * request.c
 *	  Requests with a key of the caller's own (cms.request).
 *
 * The key is the first thing a call writes, and the unique key of the table decides: of
 * two calls with one key at the same time the second waits for the first, holding
 * nothing, and then finds its answer, or nothing where the first was rolled back or
 * refused. What was asked for is kept as a digest.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "array.h"
#include "plan.h"
#include "request.h"

static void add(CmsRequest *request, const void *data, size_t length);
static bool insert_request(const CmsRequest *request, Datum digest);
static bool find_request(CmsRequest *request, Datum digest, CmsRequestState *state);

static CmsPlan new_request = {
	"INSERT INTO cms.request (org_id, request_key, action, request_hash, answer, requested_at)"
	" VALUES ($1, $2, $3, $4, '{}', $5) ON CONFLICT DO NOTHING",
	5,
	{INT4OID, TEXTOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID}};

static CmsPlan read_request = {
	"SELECT q.action = $3 AND q.request_hash = $4, q.answer, q.reasons FROM cms.request q"
	" WHERE q.org_id = $1 AND q.request_key = $2",
	4,
	{INT4OID, TEXTOID, TEXTOID, BYTEAOID}};

static CmsPlan keep_request = {
	"UPDATE cms.request SET answer = $3, reasons = $4 WHERE org_id = $1 AND request_key = $2",
	4,
	{INT4OID, TEXTOID, INT8ARRAYOID, TEXTARRAYOID}};

static CmsPlan drop_request = {
	"DELETE FROM cms.request WHERE org_id = $1 AND request_key = $2", 2, {INT4OID, TEXTOID}};

void
cms_request_begin(CmsRequest *request, int org, const char *key, const char *action)
{
	*request = (CmsRequest){.org = org, .key = key, .action = action};
	if (key == NULL)
		return;
	request->digest = pg_cryptohash_create(PG_SHA256);
	if (pg_cryptohash_init(request->digest) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(request->digest));
}

/* With its length before it, so that no two lists of parts look alike. */
void
cms_request_text(CmsRequest *request, const char *text)
{
	if (request->key == NULL)
		return;
	cms_request_number(request, text == NULL ? -1 : (int64) strlen(text));
	if (text != NULL)
		add(request, text, strlen(text));
}

/* In digits: a dump may be restored on a machine with another order of bytes. */
void
cms_request_number(CmsRequest *request, int64 number)
{
	char digits[MAXINT8LEN + 2];

	if (request->key == NULL)
		return;
	add(request, digits, snprintf(digits, sizeof(digits), INT64_FORMAT ":", number));
}

CmsRequestState
cms_request_open(CmsRequest *request)
{
	Datum digest;
	CmsRequestState state = CMS_REQUEST_NEW;

	if (request->key == NULL)
		return CMS_REQUEST_NEW;
	digest = cms_request_digest(request);
	/* a row that was in the way may be gone when it is read */
	while (!insert_request(request, digest) && !find_request(request, digest, &state))
		CHECK_FOR_INTERRUPTS();
	return state;
}

void
cms_request_keep(const CmsRequest *request, Datum answer, Datum reasons)
{
	CmsParams params = {0};

	if (request->key == NULL)
		return;
	cms_param_int(&params, request->org);
	cms_param_text(&params, request->key);
	cms_param(&params, answer, false);
	cms_param(&params, reasons, reasons == (Datum) 0);
	cms_plan_write(&keep_request, params.values, params.nulls);
}

void
cms_request_drop(const CmsRequest *request)
{
	if (request->key == NULL)
		return;

	Datum values[] = {Int32GetDatum(request->org), CStringGetTextDatum(request->key)};

	cms_plan_write(&drop_request, values, NULL);
}

static void
add(CmsRequest *request, const void *data, size_t length)
{
	if (pg_cryptohash_update(request->digest, data, length) < 0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(request->digest));
}

Datum
cms_request_digest(CmsRequest *request)
{
	bytea *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (pg_cryptohash_final(request->digest, (uint8 *) VARDATA(digest), PG_SHA256_DIGEST_LENGTH) <
		0)
		elog(ERROR, "could not compute SHA-256: %s", pg_cryptohash_error(request->digest));
	pg_cryptohash_free(request->digest);
	request->digest = NULL;
	return PointerGetDatum(digest);
}

/* False: the key is there. */
static bool
insert_request(const CmsRequest *request, Datum digest)
{
	Datum values[] = {Int32GetDatum(request->org),
					  CStringGetTextDatum(request->key),
					  CStringGetTextDatum(request->action),
					  digest,
					  TimestampTzGetDatum(GetCurrentTimestamp())};

	return cms_plan_run(&new_request, values, NULL, false) == 1;
}

/* False: the key is not there. */
static bool
find_request(CmsRequest *request, Datum digest, CmsRequestState *state)
{
	Datum values[] = {Int32GetDatum(request->org),
					  CStringGetTextDatum(request->key),
					  CStringGetTextDatum(request->action),
					  digest};
	bool isnull;
	Datum reasons;

	if (cms_plan_run(&read_request, values, NULL, false) == 0)
		return false;
	*state = cms_row_bool(0, 1, false) ? CMS_REQUEST_REPLAYED : CMS_REQUEST_CONFLICT;
	if (*state == CMS_REQUEST_REPLAYED)
	{
		cms_array_int64s(cms_row_value(0, 2, &isnull), &request->answer);
		reasons = cms_row_value(0, 3, &isnull);
		if (!isnull)
			cms_array_texts(reasons, &request->reasons);
	}
	return true;
}
