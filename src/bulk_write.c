/*
 * bulk_write.c
 *	  Many coupons written by one statement, in the order of their codes.
 *
 * Every row is worth some hundred nanoseconds here, so texts are laid out as the elements of
 * the array that the statement takes, once, and never copied again; and the statement takes
 * its arrays apart where it makes its rows, not in functions of its FROM, which keep theirs.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "array.h"
#include "bulk_write.h"
#include "code_slice.h"
#include "issue_code.h"
#include "plan.h"
#include "subxact.h"
#include "text.h"

/* Codes of one length, one after the other, without ends. */
typedef struct Codes
{
	int length;
	int count;
	char *codes;
} Codes;

/* Draws of what exists already before the slice is taken to be full. */
#define MAX_DRAWS 8

static bool draw(const CmsOffer *offer, const CmsReserved *reserved, const CmsCodeSlice *slice,
				 int count, bool look, Codes *drawn);
static int drop_reserved(const CmsReserved *reserved, char *codes, int length, int count);
static int drop_taken(int org, char *codes, int length, int count);
static int sort_codes(char *codes, int length, int count);
static int compare_codes(const void *a, const void *b, void *length);
static bool generate(CmsBulkWrite *write, Codes *codes);
static void take_positions(CmsBulkWrite *write, Codes *codes);
static void insert_coupons(const CmsBulkWrite *write, const Codes *codes);
static Datum array_of_codes(const Codes *codes);
static void *start_array(Oid type, Size bytes, int count);
static bool insert_stock(const CmsOffer *offer, const Codes *codes);

#define COLUMNS                                                                                      \
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, shared, customer_id, nth, issued_at" \
	", expires_at, service, consumer_ref, job_id)"
#define VALUES(code, shared, nth)                                                          \
	" SELECT $1, nextval('cms.coupon_id_seq'), $2, " code ", " shared ", u.customer, " nth \
	", $5, $6, $7, $8, $9 FROM (SELECT unnest($4) AS customer"
#define TYPES(code) \
	INT4OID, INT8OID, code, TEXTARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT8OID

static CmsPlan first_coupons = {
	COLUMNS VALUES("u.code", "false", "1") ", unnest($3) AS code) u", 9, {TYPES(TEXTARRAYOID)}};

static CmsPlan next_coupons = {
	COLUMNS VALUES("u.code", "false", "u.nth") ", unnest($3) AS code, unnest($10) AS nth) u",
	10,
	{TYPES(TEXTARRAYOID), INT4ARRAYOID}};

static CmsPlan common_coupons = {COLUMNS VALUES("$3", "true", "u.nth") ", unnest($10) AS nth) u",
								 10,
								 {TYPES(TEXTOID), INT4ARRAYOID}};

static CmsPlan stock_coupons = {
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code)"
	" SELECT $1, u.coupon_id, $2, u.code FROM (SELECT unnest($3) AS coupon_id, unnest($4) AS code) u",
	4,
	{INT4OID, INT8OID, INT8ARRAYOID, TEXTARRAYOID}};

static CmsPlan taken_codes = {
	"SELECT c.code FROM cms.coupon c WHERE c.org_id = $1 AND c.code = ANY ($2)"
	" AND c.revoked_at IS NULL AND NOT c.shared",
	2,
	{INT4OID, TEXTARRAYOID}};

bool
cms_bulk_write_issued(CmsBulkWrite *write)
{
	Codes codes = {0};

	write->written = write->count;
	switch (write->offer->method)
	{
		case CMS_METHOD_COMMON:
			break;
		case CMS_METHOD_GENERATED:
			if (!generate(write, &codes))
				return false;
			break;
		case CMS_METHOD_RANDOMISED:
			take_positions(write, &codes);
			break;
		case CMS_METHOD_UPLOADED:
			return false;
	}
	if (write->written > 0)
		insert_coupons(write, &codes);
	return true;
}

static bool
generate(CmsBulkWrite *write, Codes *codes)
{
	const CmsOffer *offer = write->offer;
	const CmsReserved *reserved;

	if (cms_issue_code_is_scarce(offer))
		write->written =
			(int) Max(Min(write->count, cms_codebook_room_beyond(offer, write->totals)), 0);
	cms_codebook_write_lock(offer->org);
	cms_codebook_crowd_lock(offer, write->written);
	reserved = cms_codebook_reserved_of_pattern(offer->org, &offer->pattern);
	if (cms_codebook_reserves_all(reserved, &offer->pattern))
		return false;
	return draw(offer, reserved, &write->slice, write->written, write->codes_collide, codes);
}

/*
 * Codes that are neither reserved nor, where that is looked for, taken. False: too many were, or
 * the slice has hardly more codes than are wanted.
 */
static bool
draw(const CmsOffer *offer, const CmsReserved *reserved, const CmsCodeSlice *slice, int count,
	 bool look, Codes *drawn)
{
	int length = cms_code_length(&offer->pattern);
	char *codes = MemoryContextAllocHuge(CurrentMemoryContext, (Size) length * Max(count, 1));
	int have = 0;

	for (int draws = 0; have < count && draws < MAX_DRAWS; draws++)
	{
		char *more = codes + (Size) length * have;
		int fresh = cms_code_draw_slice(
			&offer->pattern, slice->first, slice->width, slice->total, count - have, more);

		CHECK_FOR_INTERRUPTS();
		if (fresh == 0)
			break;
		fresh = drop_reserved(reserved, more, length, fresh);
		if (look)
			fresh = drop_taken(offer->org, more, length, fresh);
		have += fresh;
		if (draws > 0)
			have = sort_codes(codes, length, have);
	}
	*drawn = (Codes){.length = length, .count = have, .codes = codes};
	return have == count;
}

static int
drop_reserved(const CmsReserved *reserved, char *codes, int length, int count)
{
	char code[CMS_CODE_MAX_LENGTH + 1];
	int kept = 0;

	if (reserved->count == 0)
		return count;
	for (int i = 0; i < count; i++)
	{
		memcpy(code, codes + (Size) length * i, length);
		code[length] = '\0';
		if (cms_codebook_is_reserved(reserved, code))
			continue;
		memcpy(codes + (Size) length * kept++, code, length);
	}
	return kept;
}

/* What is found is few, and in no order. */
static int
drop_taken(int org, char *codes, int length, int count)
{
	Codes drawn = {.length = length, .count = count, .codes = codes};
	Datum values[] = {Int32GetDatum(org), array_of_codes(&drawn)};
	int taken = (int) cms_plan_run_latest(&taken_codes, values, NULL);
	char *found = palloc((Size) length * Max(taken, 1));
	int next = 0;
	int kept = 0;

	for (int i = 0; i < taken; i++)
		memcpy(found + (Size) length * i, cms_row_text(i, 1), length);
	taken = sort_codes(found, length, taken);
	for (int i = 0; i < count; i++)
	{
		const char *code = codes + (Size) length * i;

		while (next < taken && memcmp(found + (Size) length * next, code, length) < 0)
			next++;
		if (next < taken && memcmp(found + (Size) length * next, code, length) == 0)
			continue;
		memmove(codes + (Size) length * kept++, code, length);
	}
	pfree(found);
	pfree(DatumGetPointer(values[1]));
	return kept;
}

/* Ascending, all different; answers how many. */
static int
sort_codes(char *codes, int length, int count)
{
	int kept = 0;

	qsort_arg(codes, count, length, compare_codes, &length);
	for (int i = 0; i < count; i++)
	{
		if (kept > 0 &&
			memcmp(codes + (Size) length * (kept - 1), codes + (Size) length * i, length) == 0)
			continue;
		memmove(codes + (Size) length * kept++, codes + (Size) length * i, length);
	}
	return kept;
}

static int
compare_codes(const void *a, const void *b, void *length)
{
	return memcmp(a, b, *(int *) length);
}

/* F11: the next ones of the secret order, as many as there are. */
static void
take_positions(CmsBulkWrite *write, Codes *codes)
{
	const CmsOffer *offer = write->offer;
	CmsCodeOrder *order = cms_code_order_open(&offer->pattern, cms_codebook_key(offer));
	int length = cms_code_length(&offer->pattern);
	int64 first = 0;

	write->written = (int) cms_counter_positions_take(
		offer->org, offer->offer_id, write->count, (int64) cms_code_space(&offer->pattern), &first);
	codes->length = length;
	codes->count = write->written;
	codes->codes = MemoryContextAllocHuge(CurrentMemoryContext, (Size) length * write->written + 1);
	for (int i = 0; i < write->written; i++)
	{
		char code[CMS_CODE_MAX_LENGTH + 1];

		cms_code_order_at(order, first + i, code);
		memcpy(codes->codes + (Size) length * i, code, length);
	}
	cms_code_order_close(order);
	if (sort_codes(codes->codes, length, codes->count) != write->written)
		elog(ERROR, "the order of codes of offer " INT64_FORMAT " repeats one", offer->offer_id);
}

/*
 * Codes ascend; which customer has which is chance. Where there is one code for all, customers stay
 * in their order.
 */
static void
insert_coupons(const CmsBulkWrite *write, const Codes *codes)
{
	const CmsOffer *offer = write->offer;
	const CmsIssuer *issuer = write->issuer;
	int count = write->written;
	bool is_common = offer->method == CMS_METHOD_COMMON;
	int *order = palloc_extended(sizeof(int) * count, MCXT_ALLOC_HUGE);
	TimestampTz own_end;
	bool has_own_end = cms_rule_own_end(offer, issuer->at, &own_end);
	CmsPlan *plan = &first_coupons;
	CmsParams params = {0};

	if (!is_common)
		cms_code_shuffle(order, count);
	for (int i = 0; i < count; i++)
		order[i] = write->chosen[is_common ? i : order[i]];
	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	if (is_common)
		cms_param_text(&params, offer->common_code);
	else
		cms_param(&params, array_of_codes(codes), false);
	cms_param(&params, cms_bulk_array_of(write->customers, order, count), false);
	cms_param_instant(&params, issuer->at);
	cms_param(&params, TimestampTzGetDatum(own_end), !has_own_end);
	cms_param_text(&params, issuer->service);
	cms_param_text(&params, issuer->consumer_ref);
	cms_param(&params, Int64GetDatum(issuer->job_id), issuer->job_id == 0);
	if (is_common || write->nths != NULL)
	{
		plan = is_common ? &common_coupons : &next_coupons;
		cms_param(&params, cms_bulk_array_of_ints(write->nths, order, count), false);
	}
	cms_plan_run(plan, params.values, params.nulls, false);
	pfree(order);
}

int
cms_bulk_write_stock(const CmsOffer *offer, const CmsReserved *reserved, const CmsCodeSlice *slice,
					 int count, bool *codes_collide)
{
	Codes codes;

	do
	{
		CHECK_FOR_INTERRUPTS();
		(void) draw(offer, reserved, slice, count, *codes_collide, &codes);
		if (codes.count == 0 || insert_stock(offer, &codes))
			break;
		pfree(codes.codes);
		*codes_collide = true;
	} while (true);
	return codes.count;
}

/* False: a code exists, and nothing was written. */
static bool
insert_stock(const CmsOffer *offer, const Codes *codes)
{
	MemoryContext batch = CurrentMemoryContext;
	int64 *ids = cms_codebook_ids(codes->count);
	int64 *mixed;
	int *order;
	bool written;
	CmsParams params = {0};

	/* a statement ends in the memory of SPI, where nothing goes before the call ends */
	MemoryContextSwitchTo(batch);
	mixed = palloc_extended(sizeof(int64) * codes->count, MCXT_ALLOC_HUGE);
	order = palloc_extended(sizeof(int) * codes->count, MCXT_ALLOC_HUGE);
	cms_code_shuffle(order, codes->count);
	for (int i = 0; i < codes->count; i++)
		mixed[i] = ids[order[i]];
	pfree(order);
	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param(&params, cms_array_of_int64s(mixed, codes->count), false);
	cms_param(&params, array_of_codes(codes), false);

	written = cms_subxact_insert(&stock_coupons, params.values, params.nulls, true);
	pfree(mixed);
	pfree(ids);
	return written;
}

Datum
cms_bulk_array_of(const Datum *texts, const int *chosen, int count)
{
	Size bytes = 0;
	char *array;
	char *at;

	if (count == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	for (int i = 0; i < count; i++)
		bytes += INTALIGN(VARSIZE(DatumGetPointer(texts[chosen == NULL ? i : chosen[i]])));
	array = start_array(TEXTOID, bytes, count);
	at = ARR_DATA_PTR((ArrayType *) array);
	for (int i = 0; i < count; i++)
	{
		const void *text = DatumGetPointer(texts[chosen == NULL ? i : chosen[i]]);

		memcpy(at, text, VARSIZE(text));
		at += INTALIGN(VARSIZE(text));
	}
	return PointerGetDatum(array);
}

static Datum
array_of_codes(const Codes *codes)
{
	Size size = INTALIGN(VARHDRSZ + codes->length);
	char *array;
	char *at;

	if (codes->count == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	array = start_array(TEXTOID, size * codes->count, codes->count);
	at = ARR_DATA_PTR((ArrayType *) array);
	for (int i = 0; i < codes->count; i++, at += size)
	{
		SET_VARSIZE(at, VARHDRSZ + codes->length);
		memcpy(VARDATA(at), codes->codes + (Size) codes->length * i, codes->length);
	}
	return PointerGetDatum(array);
}

Datum
cms_bulk_array_of_ints(const int *numbers, const int *chosen, int count)
{
	ArrayType *array = start_array(INT4OID, sizeof(int32) * count, count);
	int32 *at = (int32 *) ARR_DATA_PTR(array);

	for (int i = 0; i < count; i++)
		at[i] = numbers == NULL ? 1 : numbers[chosen[i]];
	return PointerGetDatum(array);
}

/* One dimension, no NULLs. */
static void *
start_array(Oid type, Size bytes, int count)
{
	ArrayType *array = palloc0(ARR_OVERHEAD_NONULLS(1) + bytes);

	SET_VARSIZE(array, ARR_OVERHEAD_NONULLS(1) + bytes);
	array->ndim = 1;
	array->elemtype = type;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	return array;
}
