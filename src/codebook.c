/*
 * codebook.c
 *	  One name space of codes per org (F13).
 *
 * Two kinds of entries share it. A coupon's code is one row, and a unique index
 * decides between two writers of the same code. A common code, or the mask of a
 * randomised offer, is a column of the offer: it stands for any number of coupons,
 * or codes that do not exist yet, and no index can compare it with coupons. So
 * whoever adds one kind makes sure that nobody adds the other meanwhile. Writers
 * of codes do not wait for each other, only for somebody who reserves; that is as
 * rare as making an offer.
 *
 * Statements that look what the other side has done take the latest snapshot: a
 * transaction with an older one would miss what was committed before it got the
 * lock.
 */
#include "cms.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"

#include "array.h"
#include "codebook.h"
#include "counter.h"
#include "lock.h"
#include "permutation.h"
#include "plan.h"
#include "subxact.h"

/* Codes that two transactions may be expected to have in common before they take turns. */
#define CROWD 0.001

static int64 most_codes(const CmsOffer *offer);
static CmsReserved *read_reserved(uint64 rows);
static int compare_texts(const void *a, const void *b);
static bool is_name(const CmsReserved *reserved, const char *name);
static int run_stock(CmsPlan *plan, const CmsOffer *offer, const char *const *codes,
					 const int64 *ids, int count, int most);
static void make_and_read_key(int org, int64 offer_id, uint8 *key);
static bool read_key(int org, int64 offer_id, uint8 *key);

static CmsPlan reserved_of_length = {
	"SELECT COALESCE(o.common_code, o.sample_code) FROM cms.offer o"
	" WHERE o.org_id = $1 AND (o.common_code IS NOT NULL OR o.sample_code IS NOT NULL)"
	" AND length(COALESCE(o.common_code, o.sample_code)) = $2",
	2,
	{INT4OID, INT4OID}};

static CmsPlan reserved_of_names = {"SELECT COALESCE(o.common_code, o.sample_code) FROM cms.offer o"
									" WHERE " CMS_CODEBOOK_RESERVES("$2"),
									2,
									{INT4OID, TEXTARRAYOID}};

static CmsPlan find_key = {
	"SELECT key FROM cms.offer_key WHERE org_id = $1 AND offer_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan make_key = {"INSERT INTO cms.offer_key (org_id, offer_id, key) VALUES ($1, $2, $3)"
						   " ON CONFLICT DO NOTHING",
						   3,
						   {INT4OID, INT8OID, BYTEAOID}};

static CmsPlan next_ids = {
	"SELECT array_agg(nextval('cms.coupon_id_seq')) FROM generate_series(1, $1)", 1, {INT4OID}};

/* The arbiter is named because checking every unique index costs a look-up each. */
#define STOCK_CODES                                              \
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code)" \
	" SELECT $1, u.coupon_id, $2, u.code FROM unnest($3, $4) AS u (coupon_id, code)"
#define STOCK_NOT_TAKEN \
	" ON CONFLICT (org_id, code) WHERE revoked_at IS NULL AND NOT shared DO NOTHING"

static CmsPlan stock_all = {STOCK_CODES, 4, {INT4OID, INT8OID, INT8ARRAYOID, TEXTARRAYOID}};

static CmsPlan stock = {
	STOCK_CODES STOCK_NOT_TAKEN, 4, {INT4OID, INT8OID, INT8ARRAYOID, TEXTARRAYOID}};

static CmsPlan stock_returning = {STOCK_CODES STOCK_NOT_TAKEN " RETURNING coupon_id",
								  4,
								  {INT4OID, INT8OID, INT8ARRAYOID, TEXTARRAYOID}};

static CmsPlan stock_most = {
	STOCK_CODES
	" WHERE NOT EXISTS (SELECT FROM cms.coupon c WHERE c.org_id = $1 AND c.code = u.code"
	" AND c.revoked_at IS NULL AND NOT c.shared) LIMIT $5" STOCK_NOT_TAKEN,
	5,
	{INT4OID, INT8OID, INT8ARRAYOID, TEXTARRAYOID, INT4OID}};

void
cms_codebook_write_lock(int org)
{
	cms_lock(org, CMS_LOCK_CODES, ShareLock);
}

void
cms_codebook_reserve_lock(int org)
{
	cms_lock(org, CMS_LOCK_CODES, ExclusiveLock);
}

/* One lock for the org, not the pattern: patterns of several offers may overlap. */
void
cms_codebook_crowd_lock(const CmsOffer *offer, int64 how_many)
{
	if ((double) how_many * (double) how_many > CROWD * cms_code_space(&offer->pattern))
		cms_lock(offer->org, CMS_LOCK_CROWD, ExclusiveLock);
}

/*
 * Codes are counted by the offer's counters: codes issued and revoked since, and
 * codes made while the pattern was another, still count. That errs towards
 * refusing, and needs no scan of coupons.
 */
int64
cms_codebook_room(const CmsOffer *offer)
{
	CmsTotals totals;

	cms_counter_totals(offer->org, offer->offer_id, false, &totals);
	return cms_codebook_room_beyond(offer, &totals);
}

int64
cms_codebook_room_beyond(const CmsOffer *offer, const CmsTotals *totals)
{
	return most_codes(offer) - totals->issued - totals->stock;
}

/* With the guess guard. PG_INT64_MAX if more than that. */
static int64
most_codes(const CmsOffer *offer)
{
	double space = cms_code_space(&offer->pattern);
	double most = offer->allow_dense_codes ? space : floor(space / 4);

	return most < (double) PG_INT64_MAX ? (int64) most : PG_INT64_MAX;
}

Datum
cms_codebook_names(const char *code)
{
	char masks[2][CMS_CODE_MAX_LENGTH + 1];
	int nmasks = cms_code_reserving_masks(code, masks);
	const char *names[] = {code, masks[0], masks[1]};

	return cms_array_of_texts(names, 1 + nmasks);
}

CmsReserved *
cms_codebook_reserved_of_pattern(int org, const CmsCodePattern *pattern)
{
	int length = strlen(pattern->prefix) + pattern->length + strlen(pattern->suffix);
	Datum values[] = {Int32GetDatum(org), Int32GetDatum(length)};

	return read_reserved(cms_plan_run_latest(&reserved_of_length, values, NULL));
}

/* Names are asked for once each: the codes of a file mostly share their masks. */
CmsReserved *
cms_codebook_reserved_of_codes(int org, const char *const *codes, int ncodes)
{
	const char **names = palloc(sizeof(char *) * 3 * Max(ncodes, 1));
	int count = 0;
	int distinct = 0;

	for (int i = 0; i < ncodes; i++)
	{
		char masks[2][CMS_CODE_MAX_LENGTH + 1];
		int nmasks = cms_code_reserving_masks(codes[i], masks);

		names[count++] = codes[i];
		for (int j = 0; j < nmasks; j++)
			names[count++] = pstrdup(masks[j]);
	}
	qsort(names, count, sizeof(char *), compare_texts);
	for (int i = 0; i < count; i++)
	{
		if (distinct == 0 || strcmp(names[distinct - 1], names[i]) != 0)
			names[distinct++] = names[i];
	}

	Datum values[] = {Int32GetDatum(org), cms_array_of_texts(names, distinct)};

	return read_reserved(cms_plan_run_latest(&reserved_of_names, values, NULL));
}

static CmsReserved *
read_reserved(uint64 rows)
{
	CmsReserved *reserved = palloc(sizeof(CmsReserved));

	reserved->count = (int) rows;
	reserved->names = palloc(sizeof(char *) * Max(rows, 1));
	for (uint64 i = 0; i < rows; i++)
		reserved->names[i] = cms_row_text(i, 1);
	qsort(reserved->names, reserved->count, sizeof(char *), compare_texts);
	return reserved;
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

bool
cms_codebook_is_reserved(const CmsReserved *reserved, const char *code)
{
	char masks[2][CMS_CODE_MAX_LENGTH + 1];
	int nmasks;

	if (reserved->count == 0)
		return false;
	if (is_name(reserved, code))
		return true;
	nmasks = cms_code_reserving_masks(code, masks);
	for (int i = 0; i < nmasks; i++)
	{
		if (is_name(reserved, masks[i]))
			return true;
	}
	return false;
}

static bool
is_name(const CmsReserved *reserved, const char *name)
{
	return bsearch(&name, reserved->names, reserved->count, sizeof(char *), compare_texts) != NULL;
}

/*
 * Where the prefix holds all that a mask keeps, the masks of one code are those of
 * all; the code looked at has a letter if any code of the pattern can.
 */
bool
cms_codebook_reserves_all(const CmsReserved *reserved, const CmsCodePattern *pattern)
{
	char code[CMS_CODE_MAX_LENGTH + 1];
	char masks[2][CMS_CODE_MAX_LENGTH + 1];
	int prefix = strlen(pattern->prefix);
	int nmasks;

	strcpy(code, pattern->prefix);
	memset(code + prefix, pattern->charset == CMS_CHARSET_NUMERIC ? '9' : 'Z', pattern->length);
	strcpy(code + prefix + pattern->length, pattern->suffix);
	if (prefix < strlen(code) / 2)
		return false;
	nmasks = cms_code_reserving_masks(code, masks);
	for (int i = 0; i < nmasks; i++)
	{
		if (is_name(reserved, masks[i]))
			return true;
	}
	return false;
}

/*
 * Nobody may foretell codes: the key comes from the same source as they do. It is kept with
 * the compiled offer, unless it may be of this very transaction, which may roll it back.
 */
const uint8 *
cms_codebook_key(const CmsOffer *offer)
{
	CmsOfferHints *hints = offer->hints;
	bool clean = !TransactionIdIsValid(GetTopTransactionIdIfAny());

	if (hints->has_key)
		return hints->key;
	if (read_key(offer->org, offer->offer_id, hints->key))
		hints->has_key = clean;
	else
		make_and_read_key(offer->org, offer->offer_id, hints->key);
	return hints->key;
}

static void
make_and_read_key(int org, int64 offer_id, uint8 *key)
{
	uint8 fresh[CMS_PERMUTATION_KEY_LENGTH];
	bytea *stored = palloc(VARHDRSZ + CMS_PERMUTATION_KEY_LENGTH);

	cms_code_draw_key(fresh);
	SET_VARSIZE(stored, VARHDRSZ + CMS_PERMUTATION_KEY_LENGTH);
	memcpy(VARDATA(stored), fresh, CMS_PERMUTATION_KEY_LENGTH);

	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), PointerGetDatum(stored)};

	/* waits for whoever makes one at the same time; its key counts then */
	cms_plan_run(&make_key, values, NULL, false);
	if (!read_key(org, offer_id, key))
		elog(ERROR, "offer " INT64_FORMAT " has no key for its codes", offer_id);
}

static bool
read_key(int org, int64 offer_id, uint8 *key)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};
	bool found = cms_plan_run_latest(&find_key, values, NULL) > 0;

	if (found)
	{
		bool isnull;
		bytea *stored = DatumGetByteaPP(cms_row_value(0, 1, &isnull));

		if (VARSIZE_ANY_EXHDR(stored) != CMS_PERMUTATION_KEY_LENGTH)
			elog(ERROR,
				 "key of offer " INT64_FORMAT " has not %d bytes",
				 offer_id,
				 CMS_PERMUTATION_KEY_LENGTH);
		memcpy(key, VARDATA_ANY(stored), CMS_PERMUTATION_KEY_LENGTH);
	}
	return found;
}

int64 *
cms_codebook_ids(int count)
{
	Datum values[] = {Int32GetDatum(count)};
	int64 *ids = palloc(sizeof(int64) * Max(count, 1));

	if (count == 0)
		return ids;
	cms_plan_run(&next_ids, values, NULL, false);

	bool isnull;
	ArrayType *array = DatumGetArrayTypeP(cms_row_value(0, 1, &isnull));

	if (isnull || ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != count || ARR_HASNULL(array))
		elog(ERROR, "expected %d ids of coupons", count);
	memcpy(ids, ARR_DATA_PTR(array), sizeof(int64) * count);
	return ids;
}

int
cms_codebook_stock(const CmsOffer *offer, const char *const *codes, const int64 *ids, int count,
				   bool *written)
{
	int rows;
	int row = 0;

	if (written == NULL)
		return run_stock(&stock, offer, codes, ids, count, 0);
	rows = run_stock(&stock_returning, offer, codes, ids, count, 0);
	/* they come back in the order in which they went in */
	for (int i = 0; i < count; i++)
	{
		written[i] = row < rows && cms_row_int64(row, 1, 0) == ids[i];
		row += written[i];
	}
	if (row != rows)
		elog(ERROR, "coupons came back in another order than they went in");
	return rows;
}

/*
 * ON CONFLICT costs a third of the rate: a look before each insert, and a lock. So
 * this inserts plainly, within a subtransaction that a taken code rolls back.
 */
bool
cms_codebook_stock_all(const CmsOffer *offer, const char *const *codes, const int64 *ids, int count)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  cms_array_of_int64s(ids, count),
					  cms_array_of_texts(codes, count),
					  Int32GetDatum(0)};

	return cms_subxact_insert(&stock_all, values, NULL, true);
}

int
cms_codebook_stock_most(const CmsOffer *offer, const char *const *codes, const int64 *ids,
						int count, int most)
{
	return run_stock(&stock_most, offer, codes, ids, count, most);
}

static int
run_stock(CmsPlan *plan, const CmsOffer *offer, const char *const *codes, const int64 *ids,
		  int count, int most)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  cms_array_of_int64s(ids, count),
					  cms_array_of_texts(codes, count),
					  Int32GetDatum(most)};

	return (int) cms_plan_run_latest(plan, values, NULL);
}
