/*
 * offer.c
 *	  Offers compiled into structs. The copies that are kept are in offer_cache.c.
 *
 * An offer is read by many small statements: one that joins all it needs would take several times
 * as long, most of it for being set up. Whoever changes something of an offer raises its version
 * in the same transaction, so what was read between two looks at the same version is of one state.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "array.h"
#include "money.h"
#include "offer.h"
#include "plan.h"
#include "settings.h"
#include "text.h"

static CmsOffer *compile_once(int org, int64 offer_id, bool read_only);
static bool find(CmsPlan *plan, const CmsOffer *offer, bool read_only);
static void read_org(CmsOffer *offer, bool read_only);
static DateADT read_claim(CmsOffer *offer, bool read_only);
static void read_columns(CmsOffer *offer, DateADT claim_ends_on, bool read_only);
static void read_counters(CmsOffer *offer, bool read_only);
static void read_lists(CmsOffer *offer, bool read_only);
static void read_codes(CmsOffer *offer);
static void read_end(CmsOffer *offer, DateADT claim_ends_on);
static void read_issue_rules(CmsOffer *offer);
static void read_redemption_rules(CmsOffer *offer);
static void read_windows(CmsOffer *offer);
static CmsListed *read_list(int column, int *count);
static bool column_is(int column, const char *value);
static int64 limit_int64(int column);
static int limit_int32(int column);
static int compare_listed(const void *a, const void *b);

/*
 * Columns by name, because there are many: the enum and the select list below
 * are the same list.
 */
enum
{
	col_name = 1,
	col_is_archived,
	col_owner_service,
	col_owner_ref,
	col_expiry_type,
	col_expires_on,
	col_discount_type,
	col_discount_value,
	col_discount_cap,
	col_product_scope,
	col_sale_items,
	col_delivery,
	col_code_method,
	col_code_length,
	col_code_charset,
	col_code_prefix,
	col_code_suffix,
	col_allow_dense_codes,
	col_common_code,
	col_sample_code,
	col_coupon_expiry_type,
	col_coupon_expiry_value,
	col_outlives_offer,
	col_audience_only,
	col_max_issued,
	col_max_issued_per_customer,
	col_min_days_between_issues,
	col_past_issue_months,
	col_reissue,
	col_anyone_may_redeem,
	col_starts_after_days,
	col_starts_on,
	col_max_uses_per_coupon,
	col_max_uses_per_customer_and_coupon,
	col_max_uses_per_customer,
	col_min_days_between_uses,
	col_max_redemptions,
	col_max_discount_total,
	col_min_bill,
	col_max_bill,
	col_store_scope,
	col_reversal_restores_use
};

/* of its org */
enum
{
	org_zone = 1,
	org_currency,
	org_minor_units,
	org_rules
};

/* of the claim */
enum
{
	claim_service = 1,
	claim_ref,
	claim_name,
	claim_ends_on
};

/* and of the lists */
enum
{
	list_products = 1,
	list_places,
	list_exclusions,
	list_window_weekdays,
	list_window_month_days,
	list_window_from_dates,
	list_window_to_dates,
	list_window_from_times,
	list_window_to_times
};

static CmsPlan version = {
	"SELECT v.version, v.xmin FROM cms.offer_version v WHERE v.org_id = $1 AND v.offer_id = $2",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan find_org = {"SELECT g.time_zone, g.currency, g.minor_units, " CMS_ORG_RULES_COLUMNS
						   " FROM cms.org g WHERE g.org_id = $1",
						   2,
						   {INT4OID, INT8OID},
						   .is_hot = true};

static CmsPlan find_claim = {"SELECT l.service, l.consumer_ref, l.consumer_name, l.ends_on"
							 " FROM cms.claim l WHERE l.org_id = $1 AND l.offer_id = $2",
							 2,
							 {INT4OID, INT8OID},
							 .is_hot = true};

static CmsPlan find_offer = {
	"SELECT o.name, o.status = 'ARCHIVED',"
	" o.owner_service, o.owner_ref, o.expiry_type, o.expires_on,"
	" o.discount_type, o.discount_value, o.discount_cap, o.product_scope, o.sale_items, o.delivery,"
	" o.code_method, o.code_length, o.code_charset, o.code_prefix, o.code_suffix, o.allow_dense_codes,"
	" o.common_code, o.sample_code,"
	" o.coupon_expiry_type, o.coupon_expiry_value, o.outlives_offer,"
	" o.audience_only, o.max_issued, o.max_issued_per_customer, o.min_days_between_issues,"
	" o.past_issue_months, o.reissue,"
	" o.anyone_may_redeem, o.starts_after_days, o.starts_on,"
	" o.max_uses_per_coupon, o.max_uses_per_customer_and_coupon, o.max_uses_per_customer,"
	" o.min_days_between_uses,"
	" o.max_redemptions, o.max_discount_total, o.min_bill, o.max_bill,"
	" o.store_scope, o.reversal_restores_use"
	" FROM cms.offer o WHERE o.org_id = $1 AND o.offer_id = $2",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan is_purged = {
	"SELECT 1 FROM cms.offer_purge p WHERE p.org_id = $1 AND p.offer_id = $2 AND p.is_reduced",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

/* the same in all slots, which are changed together */
static CmsPlan customer_epoch = {
	"SELECT t.customer_epoch FROM cms.offer_slot t WHERE t.org_id = $1 AND t.offer_id = $2 LIMIT 1",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan has_stock = {
	"SELECT 1 FROM cms.offer_slot t WHERE t.org_id = $1 AND t.offer_id = $2 AND t.stock > 0 LIMIT 1",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan has_window = {
	"SELECT 1 FROM cms.offer_window w WHERE w.org_id = $1 AND w.offer_id = $2 LIMIT 1",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan has_exclusion = {
	"SELECT 1 FROM cms.offer_exclusion x WHERE x.org_id = $1 AND x.offer_id = $2 LIMIT 1",
	2,
	{INT4OID, INT8OID},
	.is_hot = true};

static CmsPlan find_lists = {
	"SELECT (SELECT array_agg(left(p.kind, 1) || p.value) FROM cms.offer_product p"
	"   WHERE p.org_id = $1 AND p.offer_id = $2),"
	" (SELECT array_agg(left(e.entity_type, 1) || e.entity_id) FROM cms.offer_entity e"
	"   WHERE e.org_id = $1 AND e.offer_id = $2),"
	" (SELECT array_agg(x.other_offer_id) FROM cms.offer_exclusion x"
	"   WHERE x.org_id = $1 AND x.offer_id = $2),"
	" w.weekdays, w.month_days, w.from_dates, w.to_dates, w.from_times, w.to_times"
	" FROM (SELECT"
	"   array_agg(COALESCE((SELECT bit_or(1 << (d - 1)) FROM unnest(r.weekdays) d), 0)) AS weekdays,"
	"   array_agg(COALESCE((SELECT bit_or(1::bigint << d) FROM unnest(r.month_days) d), 0)) AS month_days,"
	"   array_agg(COALESCE(r.from_date, '-infinity')) AS from_dates,"
	"   array_agg(COALESCE(r.to_date, 'infinity')) AS to_dates,"
	"   array_agg(COALESCE(r.from_time, '00:00')) AS from_times,"
	"   array_agg(COALESCE(r.to_time, '24:00')) AS to_times"
	"  FROM cms.offer_window r WHERE r.org_id = $1 AND r.offer_id = $2) w",
	2,
	{INT4OID, INT8OID}};

void
cms_offer_unknown(int64 offer_id)
{
	ereport(
		ERROR,
		(errcode(CMS_ERRCODE_UNKNOWN_OFFER),
		 errmsg("unknown offer " INT64_FORMAT, offer_id),
		 errhint(
			 "offer_id must be the number of an offer of the same org; cms.offer_dashboard lists them.")));
}

bool
cms_offer_lists(const CmsListed *list, int count, char kind, const char *value)
{
	CmsListed wanted = {.kind = kind, .value = value};

	return value != NULL && count > 0 &&
		   bsearch(&wanted, list, count, sizeof(CmsListed), compare_listed) != NULL;
}

/*
 * The counters decide anyway. Looking at them before is for the refusal, which then has written
 * nothing, and takes time; it is spared as long as all sessions that may be there do not come near
 * the cap without one of them looking.
 */
void
cms_offer_hint_caps(const CmsOffer *offer, int64 uses_left, Numeric discount_left, int sessions)
{
	int64 left = PG_INT64_MAX;

	if (offer->max_redemptions != CMS_UNLIMITED)
		left = uses_left;
	if (offer->max_discount_total != NULL)
	{
		Numeric most = offer->percentage ? offer->discount_cap : offer->discount_value;

		/* a use of the greatest discount for each of so many; NULL: the budget has gone meanwhile */
		left = most == NULL || discount_left == NULL
				   ? 0
				   : Min(left, cms_money_times(discount_left, most));
	}
	offer->hints->far_from_caps_of_uses = left / sessions;
}

CmsOffer *
cms_offer_compile(int org, int64 offer_id, bool read_only)
{
	CmsOffer *offer;

	while ((offer = compile_once(org, offer_id, read_only)) == NULL)
		CHECK_FOR_INTERRUPTS();
	return offer;
}

/*
 * The copy is built below the current context and moved to the table's when it
 * is whole, so an error leaves nothing behind. NULL: the version was raised meanwhile.
 */
static CmsOffer *
compile_once(int org, int64 offer_id, bool read_only)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(before, "cms offer", ALLOCSET_SMALL_SIZES);
	CmsOffer *offer = MemoryContextAllocZero(context, sizeof(CmsOffer));
	DateADT claim_ends_on;

	/* the transaction may go on to change what is read here: it must raise the version again */
	cms_settings_forget_version();

	offer->context = context;
	offer->hints = MemoryContextAllocZero(context, sizeof(CmsOfferHints));
	offer->org = org;
	offer->offer_id = offer_id;
	offer->version = cms_offer_version(org, offer_id, read_only);

	/* what the columns of the offer have a say in comes before them */
	read_org(offer, read_only);
	claim_ends_on = read_claim(offer, read_only);
	read_columns(offer, claim_ends_on, read_only);
	offer->archived = offer->archived || find(&is_purged, offer, read_only);
	read_counters(offer, read_only);
	read_lists(offer, read_only);

	MemoryContextSwitchTo(before);
	if (cms_offer_version(org, offer_id, read_only) == offer->version)
		return offer;
	MemoryContextDelete(context);
	return NULL;
}

int64
cms_offer_version(int org, int64 offer_id, bool read_only)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	return cms_plan_run(&version, values, NULL, read_only) == 0 ? 0 : cms_row_int64(0, 1, 0);
}

bool
cms_offer_stands(const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};
	bool is_there = cms_plan_run_latest(&version, values, NULL) == 1;
	bool isnull;

	if (offer->version == (is_there ? cms_row_int64(0, 1, 0) : 0))
		return true;
	/* what this transaction changes itself, perhaps by somebody's trigger, is no reason to decide again */
	if (is_there &&
		TransactionIdIsCurrentTransactionId(DatumGetTransactionId(cms_row_value(0, 2, &isnull))))
		return true;
	/* which would show what was there before, and not what others did by the new rules */
	if (IsolationUsesXactSnapshot())
		cms_plan_conflict("change of the offer");
	return false;
}

/* The first row, if there is one. Running a statement ends in the context of SPI. */
static bool
find(CmsPlan *plan, const CmsOffer *offer, bool read_only)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};
	bool found = cms_plan_run(plan, values, NULL, read_only) != 0;

	MemoryContextSwitchTo(offer->context);
	return found;
}

static void
read_org(CmsOffer *offer, bool read_only)
{
	if (!find(&find_org, offer, read_only))
		cms_offer_unknown(offer->offer_id);
	offer->zone = cms_zone(cms_row_text(0, org_zone));
	if (offer->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" of org %d is not known to this server",
						cms_row_text(0, org_zone),
						offer->org),
				 errhint("Set time_zone in cms.org to a name from pg_timezone_names.")));
	offer->currency = cms_row_text(0, org_currency);
	offer->minor_units = cms_row_int32(0, org_minor_units, 2);
	cms_org_rules_fill(org_rules, &offer->org_rules);
}

/* The last day of the claim. */
static DateADT
read_claim(CmsOffer *offer, bool read_only)
{
	if (!find(&find_claim, offer, read_only))
		return DATEVAL_NOEND;
	offer->claim_service = cms_row_text(0, claim_service);
	offer->claim_ref = cms_row_text(0, claim_ref);
	offer->claim_name = cms_row_text(0, claim_name);
	return cms_row_int32(0, claim_ends_on, DATEVAL_NOEND);
}

static void
read_columns(CmsOffer *offer, DateADT claim_ends_on, bool read_only)
{
	if (!find(&find_offer, offer, read_only))
		cms_offer_unknown(offer->offer_id);
	offer->name = cms_row_text(0, col_name);
	offer->archived = cms_row_bool(0, col_is_archived, false);
	offer->owner_service = cms_row_text(0, col_owner_service);
	offer->owner_ref = cms_row_text(0, col_owner_ref);

	offer->percentage = column_is(col_discount_type, "PERCENTAGE");
	offer->discount_value = cms_row_numeric(0, col_discount_value);
	offer->discount_cap = cms_row_numeric(0, col_discount_cap);
	offer->selected_products = column_is(col_product_scope, "SELECTED_PRODUCTS");
	offer->sale_items = cms_row_bool(0, col_sale_items, false);

	read_codes(offer);
	read_end(offer, claim_ends_on);
	read_issue_rules(offer);
	read_redemption_rules(offer);
}

static void
read_counters(CmsOffer *offer, bool read_only)
{
	if (!find(&customer_epoch, offer, read_only))
		return; /* nothing was counted */
	offer->customer_epoch = cms_row_int32(0, 1, 0);
	offer->has_stock = offer->method != CMS_METHOD_RANDOMISED && find(&has_stock, offer, read_only);
}

/* F1, F20, F29, F31; most offers have none. */
static void
read_lists(CmsOffer *offer, bool read_only)
{
	bool isnull;
	Datum exclusions;

	if (!offer->selected_products && !offer->selected_stores &&
		!find(&has_window, offer, read_only) && !find(&has_exclusion, offer, read_only))
		return;
	find(&find_lists, offer, read_only);
	exclusions = cms_row_value(0, list_exclusions, &isnull);
	if (!isnull)
		offer->nexclusions = cms_array_int64s(exclusions, &offer->exclusions);
	offer->products = read_list(list_products, &offer->nproducts);
	offer->places = read_list(list_places, &offer->nplaces);
	read_windows(offer);
}

/* F9 to F12, F16 */
static void
read_codes(CmsOffer *offer)
{
	CmsCodePattern *pattern = &offer->pattern;
	const char *prefix = cms_row_text(0, col_code_prefix);
	const char *suffix = cms_row_text(0, col_code_suffix);

	offer->method = column_is(col_code_method, "COMMON")       ? CMS_METHOD_COMMON
					: column_is(col_code_method, "UPLOADED")   ? CMS_METHOD_UPLOADED
					: column_is(col_code_method, "RANDOMISED") ? CMS_METHOD_RANDOMISED
															   : CMS_METHOD_GENERATED;
	offer->third_party = column_is(col_delivery, "THIRD_PARTY");
	offer->allow_dense_codes = cms_row_bool(0, col_allow_dense_codes, false);
	offer->common_code = cms_row_text(0, col_common_code);
	if (offer->method == CMS_METHOD_RANDOMISED)
	{
		cms_code_mask_pattern(cms_row_text(0, col_sample_code), pattern);
		return;
	}
	pattern->length = cms_row_int32(0, col_code_length, 12);
	pattern->charset = column_is(col_code_charset, "NUMERIC")        ? CMS_CHARSET_NUMERIC
					   : column_is(col_code_charset, "ALPHANUMERIC") ? CMS_CHARSET_ALPHANUMERIC
																	 : CMS_CHARSET_UNAMBIGUOUS;
	strlcpy(pattern->prefix, prefix ? prefix : "", sizeof(pattern->prefix));
	strlcpy(pattern->suffix, suffix ? suffix : "", sizeof(pattern->suffix));
}

/* F1, F22: when the offer ends, when its coupons do, and whether they end with it. */
static void
read_end(CmsOffer *offer, DateADT claim_ends_on)
{
	bool of_loyalty = cms_text_equal(offer->claim_service, "LOYALTY");
	bool outlives_offer = cms_row_bool(0, col_outlives_offer, false);

	/* a fixed date is not shortened by the claim */
	offer->last_day = column_is(col_expiry_type, "FIXED_DATE")
						  ? cms_row_int32(0, col_expires_on, DATEVAL_NOEND)
						  : claim_ends_on;
	offer->has_end = offer->last_day != DATEVAL_NOEND;
	offer->ends_at = offer->has_end ? cms_day_begin(offer->last_day + 1, offer->zone) : DT_NOEND;

	offer->coupon_expiry = column_is(col_coupon_expiry_type, "DAYS") ? CMS_EXPIRY_DAYS
						   : column_is(col_coupon_expiry_type, "MONTH_ENDS")
							   ? CMS_EXPIRY_MONTH_ENDS
							   : CMS_EXPIRY_WITH_OFFER;
	offer->coupon_expiry_value = cms_row_int32(0, col_coupon_expiry_value, 0);
	offer->end_binds_coupons = offer->has_end && !outlives_offer &&
							   !(of_loyalty && offer->coupon_expiry == CMS_EXPIRY_WITH_OFFER);
}

/* F17 to F20 */
static void
read_issue_rules(CmsOffer *offer)
{
	offer->audience_only = cms_row_bool(0, col_audience_only, false);
	offer->max_issued = limit_int64(col_max_issued);
	offer->max_issued_per_customer = limit_int32(col_max_issued_per_customer);
	offer->min_days_between_issues = cms_row_int32(0, col_min_days_between_issues, 0);
	offer->past_issue_months = cms_row_int32(0, col_past_issue_months, 0);
	offer->reissue_existing = column_is(col_reissue, "EXISTING");
}

/* F24 to F30; when, F31, is read_windows() */
static void
read_redemption_rules(CmsOffer *offer)
{
	bool isnull;
	Datum starts_on = cms_row_value(0, col_starts_on, &isnull);

	offer->anyone_may_redeem = cms_row_bool(0, col_anyone_may_redeem, false);
	offer->starts_after_days = cms_row_int32(0, col_starts_after_days, 0);
	offer->has_starts_on = !isnull;
	offer->starts_on = isnull ? 0 : DatumGetDateADT(starts_on);
	offer->max_uses_per_coupon = limit_int32(col_max_uses_per_coupon);
	offer->max_uses_per_customer_and_coupon = limit_int32(col_max_uses_per_customer_and_coupon);
	offer->max_uses_per_customer = limit_int32(col_max_uses_per_customer);
	offer->min_days_between_uses = cms_row_int32(0, col_min_days_between_uses, 0);
	if (offer->max_uses_per_customer != CMS_UNLIMITED || offer->min_days_between_uses > 0)
		offer->customer_rules |= CMS_CUSTOMER_OFFER;
	if (offer->max_uses_per_customer_and_coupon != CMS_UNLIMITED)
		offer->customer_rules |= CMS_CUSTOMER_COUPON;
	offer->max_redemptions = limit_int64(col_max_redemptions);
	offer->max_discount_total = cms_row_numeric(0, col_max_discount_total);
	offer->min_bill = cms_row_numeric(0, col_min_bill);
	offer->max_bill = cms_row_numeric(0, col_max_bill);
	offer->selected_stores = column_is(col_store_scope, "SELECTED_STORES");
	offer->reversal_restores_use = cms_row_bool(0, col_reversal_restores_use, true);
}

static void
read_windows(CmsOffer *offer)
{
	/* element type, of the six parallel arrays */
	static const struct
	{
		int column;
		Oid type;
		int length;
		char align;
	} arrays[6] = {{list_window_weekdays, INT4OID, 4, TYPALIGN_INT},
				   {list_window_month_days, INT8OID, 8, TYPALIGN_DOUBLE},
				   {list_window_from_dates, DATEOID, 4, TYPALIGN_INT},
				   {list_window_to_dates, DATEOID, 4, TYPALIGN_INT},
				   {list_window_from_times, TIMEOID, 8, TYPALIGN_DOUBLE},
				   {list_window_to_times, TIMEOID, 8, TYPALIGN_DOUBLE}};
	Datum *values[6];

	for (int i = 0; i < 6; i++)
	{
		bool isnull;
		Datum array = cms_row_value(0, arrays[i].column, &isnull);

		if (isnull)
			return; /* no window: any time */
		deconstruct_array(DatumGetArrayTypeP(array),
						  arrays[i].type,
						  arrays[i].length,
						  true,
						  arrays[i].align,
						  &values[i],
						  NULL,
						  &offer->nwindows);
	}
	offer->windows = palloc(sizeof(CmsWindow) * offer->nwindows);
	for (int i = 0; i < offer->nwindows; i++)
		offer->windows[i] = (CmsWindow){
			.weekdays = DatumGetInt32(values[0][i]),
			.month_days = DatumGetInt64(values[1][i]),
			.from_date = DatumGetDateADT(values[2][i]),
			.to_date = DatumGetDateADT(values[3][i]),
			.from_time = DatumGetTimeADT(values[4][i]),
			.to_time = DatumGetTimeADT(values[5][i]),
		};
}

/* An array of texts, each the first letter of its kind and its value, as a sorted list. */
static CmsListed *
read_list(int column, int *count)
{
	bool isnull;
	Datum value = cms_row_value(0, column, &isnull);
	char **members;
	CmsListed *list;

	*count = 0;
	if (isnull)
		return NULL;
	*count = cms_array_texts(value, &members);
	list = palloc(sizeof(CmsListed) * *count);
	for (int i = 0; i < *count; i++)
	{
		list[i].kind = members[i][0];
		list[i].value = members[i] + 1;
	}
	pfree(members);
	qsort(list, *count, sizeof(CmsListed), compare_listed);
	return list;
}

static bool
column_is(int column, const char *value)
{
	char *text = cms_row_text(0, column);
	bool is = cms_text_equal(text, value);

	/* or it would stay with the copy */
	if (text != NULL)
		pfree(text);
	return is;
}

static int64
limit_int64(int column)
{
	return cms_row_int64(0, column, CMS_UNLIMITED);
}

static int
limit_int32(int column)
{
	return cms_row_int32(0, column, CMS_UNLIMITED);
}

static int
compare_listed(const void *a, const void *b)
{
	const CmsListed *x = a;
	const CmsListed *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->value, y->value);
}
