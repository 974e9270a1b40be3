/*
 * generate.c
 *	  Codes made ahead: cms_generate_codes, and what a pattern has room for:
 *	  cms_code_capacity (F9, F11).
 *
 * Codes are drawn batch by batch from ascending slices of the space and written in their
 * order, with numbers of coupons in none: neighbours in stock, and so in time of issue,
 * have no more in common than their slice (bulk_write.c).
 *
 * Where drawing hits existing codes too often, the rest comes from walking once
 * over the whole space in an order with a key of its own, so that a space can be
 * filled to its last code. Batches bound the memory.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "args.h"
#include "codebook.h"
#include "counter.h"
#include "generate.h"
#include "money.h"
#include "permutation.h"
#include "plan.h"
#include "result.h"
#include "settings.h"

/* Each batch is a subtransaction, of which a transaction should not have many. */
#define LEAST_BATCH 10000
#define MOST_BATCH 500000
#define BATCHES 50

/* Positions of a walk that are looked at together. */
#define WALK_CODES 10000

/* Codes expected to exist already, above which a batch is written with an eye on them. */
#define COLLISIONS_PER_BATCH 0.01

PG_FUNCTION_INFO_V1(cms_generate_codes);
PG_FUNCTION_INFO_V1(cms_code_capacity);

typedef char Code[CMS_CODE_MAX_LENGTH + 1];

/* One call of cms_generate_codes. */
typedef struct Maker
{
	const CmsOffer *offer;
	const CmsReserved *reserved;
	CmsCodeSlice slice; /* of the next batch */
	int batch;
	MemoryContext batch_context;
	bool collides;      /* a batch may well have codes that exist */
	CmsCodeOrder *walk; /* over the space; NULL: codes are drawn */
	uint64 position;    /* of the walk */
	uint64 size;
} Maker;

/* What a way of making codes has room for. */
typedef struct Capacity
{
	Numeric space; /* NULL: no bound */
	int64 used;
	Numeric free; /* the guess guard considered; NULL: no bound */
} Capacity;

pg_noreturn static void refuse_codes(const CmsOffer *offer, int64 possible);
static bool may_collide(const CmsOffer *offer, int64 how_many, int batch);
static int walk_batch(Maker *maker, int want);
static void start_walk(Maker *maker);
static void measure(const CmsOffer *offer, const CmsTotals *totals, Capacity *capacity);
static Numeric space_of(const CmsCodePattern *pattern);
static Numeric chance(Numeric used, Numeric space);
static int64 next_position(const CmsOffer *offer);

static CmsPlan positions = {"SELECT sum(next_position)::bigint FROM cms.offer_slot"
							" WHERE org_id = $1 AND offer_id = $2",
							2,
							{INT4OID, INT8OID}};

/* cms_generate_codes(offer_id, how_many, at, org) */
Datum
cms_generate_codes(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	int64 how_many = cms_arg_int64(fcinfo, 1, "how_many");
	int org;
	const CmsOffer *offer;

	(void) cms_arg_at(fcinfo, 2);
	org = cms_arg_org(fcinfo, 3);
	if (how_many < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must not be negative"),
				 errhint("Pass the number of codes to make.")));

	cms_call_begin();
	offer = cms_offer_get(org, offer_id, false);
	cms_generate_require(offer);
	cms_generate_codes_of(offer, how_many, &(CmsCodeSlice){.total = how_many});
	SPI_finish();
	PG_RETURN_INT64(how_many);
}

void
cms_generate_require(const CmsOffer *offer)
{
	if (offer->method != CMS_METHOD_GENERATED)
		ereport(ERROR,
				(errcode(CMS_ERRCODE_WRONG_CODE_METHOD),
				 errmsg("offer " INT64_FORMAT " does not generate its codes", offer->offer_id),
				 errhint("Only offers whose code_method is GENERATED have codes made for them.")));
	if (offer->archived)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("offer " INT64_FORMAT " is archived", offer->offer_id),
				 errhint("Set its status to ACTIVE to make codes for it.")));
}

void
cms_generate_codes_of(const CmsOffer *offer, int64 how_many, const CmsCodeSlice *part)
{
	int64 made;

	if (how_many == 0)
		return;
	/* first, as the offer's row comes before the name space of codes in the order of locks */
	cms_generate_announce(offer);
	/* before the look, so that who has to wait for others then sees what they made */
	cms_codebook_write_lock(offer->org);
	cms_codebook_crowd_lock(offer, how_many);
	cms_generate_require_fit(offer, part->total - part->first);
	made = cms_generate_stock(offer, how_many, part);
	if (made < how_many)
		refuse_codes(offer, made);
	cms_generate_require_fit(offer, 0);
}

/*
 * Before the work, so that nothing is begun in vain, and after it with 0: then the
 * counter is locked and has what was made at the same time elsewhere.
 */
void
cms_generate_require_fit(const CmsOffer *offer, int64 how_many)
{
	int64 room = cms_codebook_room(offer);

	if (how_many > room)
		refuse_codes(offer, Max(room, 0));
}

static void
refuse_codes(const CmsOffer *offer, int64 possible)
{
	ereport(ERROR,
			(errcode(CMS_ERRCODE_CODES_DO_NOT_FIT),
			 errmsg("offer " INT64_FORMAT " has room for " INT64_FORMAT " more codes",
					offer->offer_id,
					possible),
			 offer->allow_dense_codes
				 ? errhint("Make the codes longer: raise code_length of the offer.")
				 : errhint("Make the codes longer: raise code_length of the offer. Or set "
						   "allow_dense_codes, to fill more than a quarter of what the pattern "
						   "can make, where codes are easier to guess.")));
}

/* Compiled copies of the offer that know of no stock do not look for it. */
void
cms_generate_announce(const CmsOffer *offer)
{
	if (!offer->has_stock)
		cms_settings_raise_version(offer->org, offer->offer_id);
}

/* The guess guard is the caller's. */
int64
cms_generate_stock(const CmsOffer *offer, int64 how_many, const CmsCodeSlice *part)
{
	const CmsCodePattern *pattern = &offer->pattern;
	Maker maker = {.offer = offer, .slice = *part};
	CmsCount count = {0};

	cms_codebook_write_lock(offer->org);
	cms_codebook_crowd_lock(offer, how_many);
	maker.reserved = cms_codebook_reserved_of_pattern(offer->org, pattern);
	if (cms_codebook_reserves_all(maker.reserved, pattern))
		return 0;
	maker.batch = (int) Max(Min(how_many / BATCHES + 1, MOST_BATCH), LEAST_BATCH);
	maker.collides = may_collide(offer, how_many, maker.batch);
	maker.batch_context =
		AllocSetContextCreate(CurrentMemoryContext, "cms codes", ALLOCSET_DEFAULT_SIZES);

	while (count.stock < how_many && !(maker.walk != NULL && maker.position == maker.size))
	{
		int more = (int) Min(how_many - count.stock, maker.batch);
		int written;
		MemoryContext before = MemoryContextSwitchTo(maker.batch_context);

		CHECK_FOR_INTERRUPTS();
		maker.slice.width = more;
		if (maker.walk == NULL)
			written =
				cms_bulk_write_stock(offer, maker.reserved, &maker.slice, more, &maker.collides);
		else
			written = walk_batch(&maker, more);
		maker.slice.first += written;
		MemoryContextSwitchTo(before);
		MemoryContextReset(maker.batch_context);
		count.stock += written;
		/* most of what is drawn exists: rather look at each code once */
		if (maker.walk == NULL && written < (more + 1) / 2)
			start_walk(&maker);
	}
	if (maker.walk != NULL)
		cms_code_order_close(maker.walk);
	MemoryContextDelete(maker.batch_context);

	/* last, because everybody who issues waits for this row from here on */
	if (count.stock > 0 && !cms_counter_add(offer, &count))
		cms_offer_unknown(offer->offer_id);
	return count.stock;
}

/* Whether a batch is likely to have a code that exists, as far as the offer's own codes tell. */
static bool
may_collide(const CmsOffer *offer, int64 how_many, int batch)
{
	CmsTotals totals;

	cms_counter_totals(offer->org, offer->offer_id, false, &totals);
	return ((double) totals.issued + totals.stock + how_many) * batch >
		   COLLISIONS_PER_BATCH * cms_code_space(&offer->pattern);
}

/*
 * Walks over some codes, and writes those that are new, up to the
 * number wanted.
 */
static int
walk_batch(Maker *maker, int want)
{
	Code *codes = palloc(sizeof(Code) * WALK_CODES);
	const char **chosen = palloc(sizeof(char *) * WALK_CODES);
	int count = 0;
	int written = 0;
	int more;
	int64 *ids;

	for (int i = 0; i < WALK_CODES && maker->position < maker->size; i++)
	{
		cms_code_order_at(maker->walk, maker->position++, codes[i]);
		if (!cms_codebook_is_reserved(maker->reserved, codes[i]))
			chosen[count++] = codes[i];
	}
	ids = cms_codebook_ids(count);
	/* again, should somebody have taken between look and write what was left for the others */
	do
	{
		more = cms_codebook_stock_most(maker->offer, chosen, ids, count, want - written);
		written += more;
	} while (more > 0 && written < want);
	return written;
}

/* In a space of which nobody can fill much drawing goes on. */
static void
start_walk(Maker *maker)
{
	const CmsCodePattern *pattern = &maker->offer->pattern;
	double space = cms_code_space(pattern);
	uint8 key[CMS_PERMUTATION_KEY_LENGTH];

	if (space >= CMS_PERMUTATION_MAX_SIZE)
		return;
	cms_code_draw_key(key);
	maker->walk = cms_code_order_open(pattern, key);
	maker->size = (uint64) space;
}

/* cms_code_capacity(offer_id, org) */
Datum
cms_code_capacity(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	int org = cms_arg_org(fcinfo, 1);
	MemoryContext caller = CurrentMemoryContext;
	const CmsOffer *offer;
	CmsTotals totals;
	Capacity capacity;
	Datum values[4] = {0};
	bool nulls[4] = {false};
	Datum row;

	cms_call_begin();
	offer = cms_offer_get(org, offer_id, true);
	cms_counter_totals(org, offer_id, true, &totals);
	measure(offer, &totals, &capacity);

	nulls[0] = nulls[2] = nulls[3] = (capacity.space == NULL);
	values[1] = NumericGetDatum(int64_to_numeric(capacity.used));
	if (capacity.space != NULL)
	{
		values[0] = NumericGetDatum(capacity.space);
		values[2] = NumericGetDatum(capacity.free);
		values[3] = NumericGetDatum(chance(DatumGetNumeric(values[1]), capacity.space));
	}
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

Numeric
cms_generate_codes_left(const CmsOffer *offer)
{
	CmsTotals totals;
	Capacity capacity;
	Numeric stock;

	cms_counter_totals(offer->org, offer->offer_id, true, &totals);
	measure(offer, &totals, &capacity);
	stock = int64_to_numeric(totals.stock);
	switch (offer->method)
	{
		case CMS_METHOD_GENERATED:
			return cms_money_add(capacity.free, stock);
		case CMS_METHOD_RANDOMISED:
			return capacity.free;
		case CMS_METHOD_UPLOADED:
			return stock;
		case CMS_METHOD_COMMON:
			break;
	}
	return NULL;
}

static void
measure(const CmsOffer *offer, const CmsTotals *totals, Capacity *capacity)
{
	Numeric available = NULL;

	capacity->space = NULL;
	capacity->free = NULL;
	capacity->used = totals->issued + totals->stock;
	switch (offer->method)
	{
		case CMS_METHOD_GENERATED:
			capacity->space = space_of(&offer->pattern);
			available = capacity->space;
			if (!offer->allow_dense_codes)
				available =
					DatumGetNumeric(DirectFunctionCall2(numeric_div_trunc,
														NumericGetDatum(capacity->space),
														NumericGetDatum(int64_to_numeric(4))));
			break;
		case CMS_METHOD_RANDOMISED:
			capacity->space = available = space_of(&offer->pattern);
			capacity->used = next_position(offer);
			break;
		case CMS_METHOD_COMMON:
			/* the one code exists from the start, however many hold it */
			capacity->space = available = int64_to_numeric(1);
			capacity->used = 1;
			break;
		case CMS_METHOD_UPLOADED:
			return;
	}
	capacity->free =
		cms_money_at_least_zero(cms_money_subtract(available, int64_to_numeric(capacity->used)));
}

/* exact, also beyond what a double or an int64 can hold */
static Numeric
space_of(const CmsCodePattern *pattern)
{
	Datum base = NumericGetDatum(int64_to_numeric(cms_code_base(pattern)));
	Datum space = NumericGetDatum(int64_to_numeric(1));

	for (int i = 0; i < pattern->length; i++)
		space = DirectFunctionCall2(numeric_mul, space, base);
	return DatumGetNumeric(space);
}

/* Codes made while the pattern was another count as used, so it may look fuller than full. */
static Numeric
chance(Numeric used, Numeric space)
{
	Datum part = DirectFunctionCall2(numeric_div, NumericGetDatum(used), NumericGetDatum(space));

	return DatumGetNumeric(
		DirectFunctionCall2(numeric_smaller, part, NumericGetDatum(int64_to_numeric(1))));
}

/* Codes of a RANDOMISED offer that have been handed out. */
static int64
next_position(const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};

	cms_plan_run(&positions, values, NULL, true);
	return cms_row_int64(0, 1, 0);
}
