/*
 * change_expiry.c
 *	  cms_change_expiry: another last day for coupons that are out (F23).
 *
 * The coupons are found by their codes, then locked in the order of their numbers, and judged by
 * what they are under the lock. The counters of their offers tell that ends have changed, so that
 * sweeps look again for coupons that end on a day; they come last. The call says what shall be, so
 * the same again changes nothing.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "counter.h"
#include "coupon.h"
#include "event.h"
#include "expiry_mark.h"
#include "plan.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_change_expiry);

/* A coupon under lock. */
typedef struct Held
{
	int64 coupon_id;
	const CmsOffer *offer; /* of a line that changes it */
	char *holder;
	bool issued;
	TimestampTz issued_at;
	bool revoked;
	bool has_own_end;
	TimestampTz own_end;
	bool changed;
	bool had_own_end; /* before, where it is changed */
	TimestampTz old_own_end;
} Held;

/* A code that was given. */
typedef struct Line
{
	char *typed;
	char code[CMS_CODE_MAX_LENGTH + 1]; /* "": it cannot be a code */
	char *customer;                     /* NULL: none was named */
	const CmsOffer *offer;              /* NULL: there is no such code */
	int64 coupon_id;                    /* 0: of a common code, the customer has none */
	CmsReason reason;
	const char *message; /* NULL: the standard sentence */
	bool has_old_end;    /* effective ones */
	TimestampTz old_end;
	bool has_new_end;
	TimestampTz new_end;
	bool replayed;
} Line;

typedef struct Change
{
	int org;
	TimestampTz at;
	bool has_day; /* else coupons get no end of their own */
	DateADT day;
	Line *lines;
	int nlines;
	Held *coupons; /* by coupon_id */
	int ncoupons;
} Change;

/* columns of cms_change_expiry_result */
enum
{
	out_line,
	out_code,
	out_customer_id,
	out_changed,
	out_reason,
	out_message,
	out_offer_id,
	out_coupon_id,
	out_old_expires_at,
	out_expires_at,
	out_replayed,
	out_columns
};

static void fetch_lines(FunctionCallInfo fcinfo, Change *change);
static void find_coupon(const Change *change, Line *line);
static void lock_coupons(Change *change);
static void judge(const Change *change, Line *line);
static CmsReason judge_coupon(const Change *change, const Line *line, const Held *coupon);
static void write_coupons(const Change *change);
static void mark_ends(const Change *change);
static void count_changes(const Change *change);
static void record(const Change *change, const Held *const *coupons, int count);
static void tell_old_ends(CmsFacts *facts, const Held *const *coupons, int count);
static bool ends_before(const Held *a, const Held *b);
static void put_line(FunctionCallInfo fcinfo, const Line *line, int number);
static int compare_coupons(const void *a, const void *b);
static int compare_offers(const void *a, const void *b);

static CmsPlan lock = {
	"SELECT c.coupon_id, c.customer_id, c.issued_at, c.expires_at, c.revoked_at IS NOT NULL"
	" FROM cms.coupon c WHERE c.org_id = $1 AND c.coupon_id = ANY ($2)"
	" ORDER BY c.coupon_id FOR NO KEY UPDATE",
	2,
	{INT4OID, INT8ARRAYOID}};

static CmsPlan set_end = {
	"UPDATE cms.coupon SET expires_at = $3 WHERE org_id = $1 AND coupon_id = ANY ($2)",
	3,
	{INT4OID, INT8ARRAYOID, TIMESTAMPTZOID}};

/*
 * cms_change_expiry(codes, expires_on, customer_ids, at, org)
 */
Datum
cms_change_expiry(PG_FUNCTION_ARGS)
{
	Change change = {.at = cms_arg_at(fcinfo, 3), .org = cms_arg_org(fcinfo, 4)};

	change.has_day =
		cms_arg_date(fcinfo, 1, "expires_on", "Pass a day, or NULL for \"never\".", &change.day);
	fetch_lines(fcinfo, &change);
	cms_result_start(fcinfo);
	cms_call_begin();
	for (int i = 0; i < change.nlines; i++)
		find_coupon(&change, &change.lines[i]);
	lock_coupons(&change);
	for (int i = 0; i < change.nlines; i++)
	{
		judge(&change, &change.lines[i]);
		put_line(fcinfo, &change.lines[i], i + 1);
	}
	write_coupons(&change);
	mark_ends(&change);
	count_changes(&change);
	SPI_finish();
	return (Datum) 0;
}

static void
fetch_lines(FunctionCallInfo fcinfo, Change *change)
{
	char **codes;
	char **customers = NULL;
	int ncustomers;

	change->nlines = cms_arg_texts(fcinfo, 0, "codes", &codes);
	if (change->nlines < 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"codes\" must not be null"),
				 errhint("Pass the codes of the coupons whose expiry is to be changed.")));
	ncustomers = cms_arg_texts(fcinfo, 2, "customer_ids", &customers);
	if (ncustomers >= 0 && ncustomers != change->nlines)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"customer_ids\" must be as long as \"codes\", %d, not %d",
					change->nlines,
					ncustomers),
			 errhint(
				 "Pass the customer of each code, NULL where none is to be named, or leave it out.")));
	change->lines = palloc0(sizeof(Line) * Max(change->nlines, 1));
	for (int i = 0; i < change->nlines; i++)
	{
		if (codes[i] == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"codes\" must not contain null, as element %d does", i + 1),
					 errhint("Pass the codes of the coupons whose expiry is to be changed.")));
		change->lines[i].typed = codes[i];
		if (ncustomers >= 0 && customers[i] != NULL && !cms_text_is_blank(customers[i]))
			change->lines[i].customer = customers[i];
	}
}

static void
find_coupon(const Change *change, Line *line)
{
	CmsFound found;

	CHECK_FOR_INTERRUPTS();
	if (cms_code_normalise(line->typed, strlen(line->typed), line->code) != CMS_OK ||
		!cms_coupon_find(change->org, line->code, line->customer, CMS_FIND_NOW, &found))
		return;
	line->offer = found.offer;
	line->coupon_id = found.coupon.coupon_id;
	if (found.common && line->customer == NULL)
		line->message = "The code is common to many customers: name one in customer_ids.";
}

static void
lock_coupons(Change *change)
{
	int64 *ids = palloc(sizeof(int64) * Max(change->nlines, 1));
	int nids = 0;

	for (int i = 0; i < change->nlines; i++)
		if (change->lines[i].coupon_id != 0)
			ids[nids++] = change->lines[i].coupon_id;
	if (nids > 0)
	{
		Datum values[] = {Int32GetDatum(change->org), cms_array_of_int64s(ids, nids)};

		change->ncoupons = (int) cms_plan_run(&lock, values, NULL, false);
	}
	change->coupons = palloc0(sizeof(Held) * Max(change->ncoupons, 1));
	for (int i = 0; i < change->ncoupons; i++)
	{
		Held *coupon = &change->coupons[i];
		bool isnull;

		coupon->coupon_id = cms_row_int64(i, 1, 0);
		coupon->holder = cms_row_text(i, 2);
		coupon->issued_at = DatumGetTimestampTz(cms_row_value(i, 3, &isnull));
		coupon->issued = !isnull;
		coupon->own_end = DatumGetTimestampTz(cms_row_value(i, 4, &isnull));
		coupon->has_own_end = !isnull;
		coupon->revoked = cms_row_bool(i, 5, false);
	}
}

/* The coupon as the lines before have left it: a code that comes twice is changed once. */
static void
judge(const Change *change, Line *line)
{
	Held wanted = {.coupon_id = line->coupon_id};
	Held *coupon =
		bsearch(&wanted, change->coupons, change->ncoupons, sizeof(Held), compare_coupons);
	TimestampTz own_end;

	line->reason = judge_coupon(change, line, coupon);
	if (line->reason != CMS_OK)
		return;
	line->has_old_end =
		cms_rule_effective_end(line->offer, coupon->has_own_end, coupon->own_end, &line->old_end);
	own_end = change->has_day ? cms_day_begin(change->day + 1, line->offer->zone) : 0;
	line->replayed =
		coupon->has_own_end == change->has_day && (!change->has_day || coupon->own_end == own_end);
	if (!line->replayed)
	{
		/* books of days that are over */
		cms_expiry_mark(line->offer, coupon->has_own_end, coupon->own_end);
		cms_expiry_mark(line->offer, change->has_day, own_end);
		coupon->offer = line->offer;
		coupon->had_own_end = coupon->has_own_end;
		coupon->old_own_end = coupon->own_end;
		coupon->has_own_end = change->has_day;
		coupon->own_end = own_end;
		coupon->changed = true;
	}
	line->has_new_end =
		cms_rule_effective_end(line->offer, change->has_day, own_end, &line->new_end);
}

/* The first that holds; coupon NULL: there is none. */
static CmsReason
judge_coupon(const Change *change, const Line *line, const Held *coupon)
{
	const CmsOffer *offer = line->offer;

	if (offer == NULL || (coupon == NULL && line->message != NULL))
		return CMS_CODE_NOT_FOUND;
	if (coupon == NULL)
		return CMS_NOT_ISSUED;
	if (coupon->revoked)
		return CMS_COUPON_REVOKED;
	if (!coupon->issued)
		return CMS_NOT_ISSUED;
	if (line->customer != NULL && !cms_text_equal(line->customer, coupon->holder))
		return CMS_NOT_THE_HOLDER;
	if (change->has_day && change->day < cms_local_date(coupon->issued_at, offer->zone))
		return CMS_BEFORE_ISSUE;
	if (change->has_day && offer->end_binds_coupons && change->day > offer->last_day)
		return CMS_BEYOND_OFFER;
	return CMS_OK;
}

/* All get the same day, in the one zone of the org. */
static void
write_coupons(const Change *change)
{
	int64 *ids = palloc(sizeof(int64) * Max(change->ncoupons, 1));
	CmsParams params = {0};
	int nids = 0;
	TimestampTz end = 0;

	for (int i = 0; i < change->ncoupons; i++)
	{
		if (!change->coupons[i].changed)
			continue;
		ids[nids++] = change->coupons[i].coupon_id;
		end = change->coupons[i].own_end;
	}
	if (nids == 0)
		return;
	cms_param_int(&params, change->org);
	cms_param(&params, cms_array_of_int64s(ids, nids), false);
	cms_param(&params, TimestampTzGetDatum(end), !change->has_day);
	cms_plan_write(&set_end, params.values, params.nulls);
}

/* What was in the books, or belongs there now. */
static void
mark_ends(const Change *change)
{
	const Line *before = NULL;

	for (int i = 0; i < change->nlines; i++)
	{
		const Line *line = &change->lines[i];

		if (line->reason != CMS_OK || line->replayed)
			continue;
		/* most lines say the same */
		if (before == NULL || before->offer != line->offer || before->old_end != line->old_end ||
			before->new_end != line->new_end)
		{
			cms_expiry_mark_end(line->offer, line->has_old_end ? line->old_end : DT_NOEND);
			cms_expiry_mark_end(line->offer, line->has_new_end ? line->new_end : DT_NOEND);
		}
		before = line;
	}
}

/* Per offer, in the order of offers. */
static void
count_changes(const Change *change)
{
	const Held **changed = palloc(sizeof(Held *) * Max(change->ncoupons, 1));
	int nchanged = 0;

	for (int i = 0; i < change->ncoupons; i++)
		if (change->coupons[i].changed)
			changed[nchanged++] = &change->coupons[i];
	qsort(changed, nchanged, sizeof(Held *), compare_offers);
	for (int first = 0, next; first < nchanged; first = next)
	{
		const CmsOffer *offer = changed[first]->offer;

		for (next = first + 1; next < nchanged; next++)
			if (changed[next]->offer->offer_id != offer->offer_id)
				break;
		record(change, &changed[first], next - first);
		cms_counter_expiry_changed(offer, next - first);
	}
}

/* Coupons of one offer. */
static void
record(const Change *change, const Held *const *coupons, int count)
{
	CmsFacts before = {0};
	CmsFacts after = {0};
	CmsEvent event = {
		.org = change->org,
		.action = "EXPIRY_CHANGED",
		.object = "coupon",
		.object_id = count == 1 ? psprintf(INT64_FORMAT, coupons[0]->coupon_id) : NULL,
		.offer_id = coupons[0]->offer->offer_id,
		.at = change->at,
		.old_values = &before,
		.new_values = &after,
	};

	tell_old_ends(&before, coupons, count);
	cms_facts_day(&after, "expires_on", change->has_day, change->day);
	cms_facts_int64(&after, "coupons", count);
	cms_event_record(&event);
}

/* The day that all had, or the first and the last; null: no end of their own, which is the last. */
static void
tell_old_ends(CmsFacts *facts, const Held *const *coupons, int count)
{
	const Held *first = coupons[0];
	const Held *last = coupons[0];
	bool is_one;
	DateADT days[2] = {0};

	for (int i = 1; i < count; i++)
	{
		if (ends_before(coupons[i], first))
			first = coupons[i];
		if (ends_before(last, coupons[i]))
			last = coupons[i];
	}
	if (first->had_own_end)
		days[0] = cms_local_date(first->old_own_end - 1, first->offer->zone);
	if (last->had_own_end)
		days[1] = cms_local_date(last->old_own_end - 1, last->offer->zone);
	is_one = first->had_own_end == last->had_own_end && days[0] == days[1];
	cms_facts_day(facts, is_one ? "expires_on" : "first_expires_on", first->had_own_end, days[0]);
	if (!is_one)
		cms_facts_day(facts, "last_expires_on", last->had_own_end, days[1]);
}

static bool
ends_before(const Held *a, const Held *b)
{
	return a->had_own_end && (!b->had_own_end || a->old_own_end < b->old_own_end);
}

static void
put_line(FunctionCallInfo fcinfo, const Line *line, int number)
{
	Datum values[out_columns];
	bool nulls[out_columns] = {false};

	values[out_line] = Int64GetDatum(number);
	cms_result_text(line->code[0] != '\0' ? line->code : line->typed, values, nulls, out_code);
	cms_result_text(line->customer, values, nulls, out_customer_id);
	values[out_changed] = BoolGetDatum(line->reason == CMS_OK);
	cms_result_reason(line->reason,
					  line->reason == CMS_CODE_NOT_FOUND ? line->message : NULL,
					  values,
					  nulls,
					  out_reason,
					  out_message);
	values[out_offer_id] = Int64GetDatum(line->offer != NULL ? line->offer->offer_id : 0);
	nulls[out_offer_id] = line->offer == NULL;
	values[out_coupon_id] = Int64GetDatum(line->coupon_id);
	nulls[out_coupon_id] = line->coupon_id == 0;
	values[out_old_expires_at] = TimestampTzGetDatum(line->old_end);
	nulls[out_old_expires_at] = !line->has_old_end;
	values[out_expires_at] = TimestampTzGetDatum(line->new_end);
	nulls[out_expires_at] = !line->has_new_end;
	values[out_replayed] = BoolGetDatum(line->replayed);
	cms_result_put(fcinfo, values, nulls);
}

static int
compare_coupons(const void *a, const void *b)
{
	int64 left = ((const Held *) a)->coupon_id;
	int64 right = ((const Held *) b)->coupon_id;

	return left < right ? -1 : left > right;
}

static int
compare_offers(const void *a, const void *b)
{
	int64 left = (*(const Held *const *) a)->offer->offer_id;
	int64 right = (*(const Held *const *) b)->offer->offer_id;

	return left < right ? -1 : left > right;
}
