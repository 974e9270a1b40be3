/*
 * offer.c
 *	  Offers compiled into structs. An offer and its lists are read each with the version, so that
 *	  a struct never mixes two states. The copies that are kept are in offer_cache.c.
 */
#include "cms.h"

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

/* more than use one offer at once, each with a hint of its own */
#define SESSIONS 256

static void read_columns(CmsOffer *offer);
static void read_org(CmsOffer *offer);
static CmsOffer *compile_once(int org, int64 offer_id, bool read_only);
static void read_list_columns(CmsOffer *offer);
static void read_codes(CmsOffer *offer);
static void read_end(CmsOffer *offer);
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
	col_version = 1,
	col_zone,
	col_currency,
	col_minor_units,
	col_org_rules,
	col_claim_service = col_org_rules + CMS_ORG_RULES_NCOLUMNS,
	col_claim_ref,
	col_claim_name,
	col_claim_ends_on,
	col_name,
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
	col_has_stock,
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
	col_customer_epoch,
	col_max_redemptions,
	col_max_discount_total,
	col_min_bill,
	col_max_bill,
	col_store_scope,
	col_reversal_restores_use,
	col_has_lists,
	col_uses,
	col_discount
};

/* and of the lists */
enum
{
	list_version = 1,
	list_products,
	list_places,
	list_exclusions,
	list_window_weekdays,
	list_window_month_days,
	list_window_from_dates,
	list_window_to_dates,
	list_window_from_times,
	list_window_to_times
};

static CmsPlan read_offer = {
	"SELECT COALESCE(v.version, 0),"
	" g.time_zone, g.currency, g.minor_units, " CMS_ORG_RULES_COLUMNS ","
	" l.service, l.consumer_ref, l.consumer_name, l.ends_on,"
	" o.name,"
	" o.status = 'ARCHIVED' OR EXISTS (SELECT FROM cms.offer_purge p"
	"  WHERE p.org_id = $1 AND p.offer_id = $2 AND p.is_reduced),"
	" o.owner_service, o.owner_ref, o.expiry_type, o.expires_on,"
	" o.discount_type, o.discount_value, o.discount_cap, o.product_scope, o.sale_items, o.delivery,"
	" o.code_method, o.code_length, o.code_charset, o.code_prefix, o.code_suffix, o.allow_dense_codes,"
	" o.common_code, o.sample_code,"
	" s.has_stock,"
	" o.coupon_expiry_type, o.coupon_expiry_value, o.outlives_offer,"
	" o.audience_only, o.max_issued, o.max_issued_per_customer, o.min_days_between_issues,"
	" o.past_issue_months, o.reissue,"
	" o.anyone_may_redeem, o.starts_after_days, o.starts_on,"
	" o.max_uses_per_coupon, o.max_uses_per_customer_and_coupon, o.max_uses_per_customer,"
	" o.min_days_between_uses,"
	" s.customer_epoch,"
	" o.max_redemptions, o.max_discount_total, o.min_bill, o.max_bill,"
	" o.store_scope, o.reversal_restores_use,"
	" o.product_scope = 'SELECTED_PRODUCTS' OR o.store_scope = 'SELECTED_STORES'"
	"  OR EXISTS (SELECT FROM cms.offer_window w WHERE w.org_id = $1 AND w.offer_id = $2)"
	"  OR EXISTS (SELECT FROM cms.offer_exclusion x WHERE x.org_id = $1 AND x.offer_id = $2),"
	" s.uses, s.discount"
	" FROM cms.offer o"
	" JOIN cms.org g ON g.org_id = o.org_id"
	" LEFT JOIN cms.claim l ON l.org_id = $1 AND l.offer_id = $2"
	" LEFT JOIN cms.offer_version v ON v.org_id = $1 AND v.offer_id = $2"
	" CROSS JOIN LATERAL (SELECT max(t.customer_epoch) AS customer_epoch,"
	"  COALESCE(bool_or(t.stock > 0), false) AS has_stock,"
	"  COALESCE(sum(t.uses + t.forfeited_uses + t.held), 0)::bigint AS uses,"
	"  COALESCE(sum(t.discount + t.forfeited_discount + t.held_discount), 0) AS discount"
	"  FROM cms.offer_slot t WHERE t.org_id = $1 AND t.offer_id = $2) s"
	" WHERE o.org_id = $1 AND o.offer_id = $2",
	2,
	{INT4OID, INT8OID}};

/* most offers have none: reading them in the same statement would take most of its time */
static CmsPlan read_lists = {
	"SELECT COALESCE(v.version, 0),"
	" (SELECT array_agg(left(p.kind, 1) || p.value) FROM cms.offer_product p"
	"   WHERE p.org_id = $1 AND p.offer_id = $2),"
	" (SELECT array_agg(left(e.entity_type, 1) || e.entity_id) FROM cms.offer_entity e"
	"   WHERE e.org_id = $1 AND e.offer_id = $2),"
	" (SELECT array_agg(x.other_offer_id) FROM cms.offer_exclusion x"
	"   WHERE x.org_id = $1 AND x.offer_id = $2),"
	" w.weekdays, w.month_days, w.from_dates, w.to_dates, w.from_times, w.to_times"
	" FROM (SELECT 1) one"
	" LEFT JOIN cms.offer_version v ON v.org_id = $1 AND v.offer_id = $2"
	" CROSS JOIN LATERAL ("
	"  SELECT"
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
 * The counters decide anyway. Looking at all of them before is for the refusal, which then has
 * written nothing, and takes time; it is spared as long as all sessions that may be there do not
 * come near the cap without one of them looking.
 */
void
cms_offer_hint_caps(const CmsOffer *offer, int64 uses, Numeric discount)
{
	int64 left = PG_INT64_MAX;

	if (offer->max_redemptions != CMS_UNLIMITED)
		left = offer->max_redemptions - uses;
	if (offer->max_discount_total != NULL)
	{
		Numeric most = offer->percentage ? offer->discount_cap : offer->discount_value;
		Numeric budget =
			cms_money_subtract(offer->max_discount_total, discount ? discount : cms_money_zero());

		/* a use of the greatest discount for each of so many */
		left = most == NULL ? 0 : Min(left, cms_money_times(budget, most));
	}
	offer->hints->far_from_caps_of_uses = left / SESSIONS;
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
 * is whole, so an error leaves nothing behind. NULL: the lists are already of another version
 * than the offer.
 */
static CmsOffer *
compile_once(int org, int64 offer_id, bool read_only)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};
	MemoryContext context;
	MemoryContext before;
	CmsOffer *offer;

	/* the transaction may go on to change what is read here: it must raise the version again */
	cms_settings_forget_version();

	if (cms_plan_run(&read_offer, values, NULL, read_only) == 0)
		cms_offer_unknown(offer_id);

	context = AllocSetContextCreate(CurrentMemoryContext, "cms offer", ALLOCSET_SMALL_SIZES);
	before = MemoryContextSwitchTo(context);
	offer = palloc0(sizeof(CmsOffer));
	offer->context = context;
	offer->hints = palloc0(sizeof(CmsOfferHints));
	offer->org = org;
	offer->offer_id = offer_id;
	read_columns(offer);
	cms_offer_hint_caps(offer, cms_row_int64(0, col_uses, 0), cms_row_numeric(0, col_discount));
	if (cms_row_bool(0, col_has_lists, true))
	{
		cms_plan_run(&read_lists, values, NULL, read_only);
		/* running a statement ends in the context of SPI */
		MemoryContextSwitchTo(context);
		if (cms_row_int64(0, list_version, 0) != offer->version)
		{
			MemoryContextSwitchTo(before);
			MemoryContextDelete(context);
			return NULL;
		}
		read_list_columns(offer);
	}
	MemoryContextSwitchTo(before);
	return offer;
}

/* F1, F20, F29, F31 */
static void
read_list_columns(CmsOffer *offer)
{
	bool isnull;
	Datum exclusions = cms_row_value(0, list_exclusions, &isnull);

	if (!isnull)
		offer->nexclusions = cms_array_int64s(exclusions, &offer->exclusions);
	offer->products = read_list(list_products, &offer->nproducts);
	offer->places = read_list(list_places, &offer->nplaces);
	read_windows(offer);
}

static void
read_columns(CmsOffer *offer)
{
	offer->version = cms_row_int64(0, col_version, 0);
	read_org(offer);

	offer->name = cms_row_text(0, col_name);
	offer->archived = cms_row_bool(0, col_is_archived, false);
	offer->owner_service = cms_row_text(0, col_owner_service);
	offer->owner_ref = cms_row_text(0, col_owner_ref);
	offer->claim_service = cms_row_text(0, col_claim_service);
	offer->claim_ref = cms_row_text(0, col_claim_ref);
	offer->claim_name = cms_row_text(0, col_claim_name);

	offer->percentage = column_is(col_discount_type, "PERCENTAGE");
	offer->discount_value = cms_row_numeric(0, col_discount_value);
	offer->discount_cap = cms_row_numeric(0, col_discount_cap);
	offer->selected_products = column_is(col_product_scope, "SELECTED_PRODUCTS");
	offer->sale_items = cms_row_bool(0, col_sale_items, false);

	read_codes(offer);
	read_end(offer);
	read_issue_rules(offer);
	read_redemption_rules(offer);
}

static void
read_org(CmsOffer *offer)
{
	offer->zone = cms_zone(cms_row_text(0, col_zone));
	if (offer->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" of org %d is not known to this server",
						cms_row_text(0, col_zone),
						offer->org),
				 errhint("Set time_zone in cms.org to a name from pg_timezone_names.")));
	offer->currency = cms_row_text(0, col_currency);
	offer->minor_units = cms_row_int32(0, col_minor_units, 2);
	cms_org_rules_fill(col_org_rules, &offer->org_rules);
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
	offer->has_stock = cms_row_bool(0, col_has_stock, false);
}

/* F1, F22: when the offer ends, when its coupons do, and whether they end with it. */
static void
read_end(CmsOffer *offer)
{
	bool of_loyalty = cms_text_equal(offer->claim_service, "LOYALTY");
	bool outlives_offer = cms_row_bool(0, col_outlives_offer, false);

	/* a fixed date is not shortened by the claim */
	offer->last_day =
		cms_row_int32(0,
					  column_is(col_expiry_type, "FIXED_DATE") ? col_expires_on : col_claim_ends_on,
					  DATEVAL_NOEND);
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
	offer->customer_epoch = cms_row_int32(0, col_customer_epoch, 0);
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
