/*
 * offer_check.c
 *	  What the columns of an offer may hold, by themselves and together.
 *
 * The constraints of the table say the same. These checks come first and say
 * which column it is and what to do; marks such as F26 name the feature.
 */
#include "cms.h"

#include "mb/pg_wchar.h"

#include "claim.h"
#include "code.h"
#include "money.h"
#include "offer_check.h"
#include "text.h"

#define MAX_NAME 255
#define MAX_DAYS 36500
#define MAX_MONTHS 1200

static void normalise_code(CmsRecord *record, const char *column, bool may_be_blank);
static void normalise_sample(CmsRecord *record);
static void check_texts(const CmsRecord *record);
static void check_choices(const CmsRecord *record);
static void check_end(const CmsRecord *record);
static void check_discount(const CmsRecord *record);
static void check_code_method(const CmsRecord *record);
static void check_code_pattern(const CmsRecord *record);
static void check_coupon_expiry(const CmsRecord *record);
static void check_issue_limits(const CmsRecord *record);
static void check_redemption_limits(const CmsRecord *record);
static void check_bill(const CmsRecord *record);
static void check_flags(const CmsRecord *record);
static void refuse_given(const CmsRecord *record, const char *column, const char *hint);
static int length_of(const CmsRecord *record, const char *column);

void
cms_offer_normalise(CmsRecord *record)
{
	char *name = cms_record_text(record, "name");

	if (name != NULL)
		cms_record_set_text(record, "name", cms_text_trim(name));
	if (cms_record_isnull(record, "expiry_type") && record->before == NULL)
		cms_record_set_text(record,
							"expiry_type",
							cms_record_isnull(record, "expires_on") ? "WITH_CAMPAIGN"
																	: "FIXED_DATE");
	normalise_code(record, "common_code", false);
	normalise_code(record, "code_prefix", true);
	normalise_code(record, "code_suffix", true);
	normalise_sample(record);
}

/* What people type is compared without regard to case and blanks around it. */
static void
normalise_code(CmsRecord *record, const char *column, bool may_be_blank)
{
	char *given = cms_record_text(record, column);
	char code[CMS_CODE_MAX_LENGTH + 1];

	if (given == NULL)
		return;
	switch (cms_code_normalise(given, strlen(given), code))
	{
		case CMS_OK:
			cms_record_set_text(record, column, code);
			return;
		case CMS_CODE_EMPTY:
			if (may_be_blank)
			{
				cms_record_set_text(record, column, NULL);
				return;
			}
			cms_record_refuse(record,
							  ERRCODE_CHECK_VIOLATION,
							  column,
							  "Give it a code that customers can type.",
							  "%s must not be blank",
							  column);
			break;
		case CMS_CODE_TOO_LONG:
			cms_record_refuse(record,
							  ERRCODE_CHECK_VIOLATION,
							  column,
							  "Use at most 40 characters.",
							  "%s is too long",
							  column);
			break;
		default:
			cms_record_refuse(record,
							  ERRCODE_CHECK_VIOLATION,
							  column,
							  "Use letters A to Z, digits, - and _.",
							  "%s \"%s\" has characters that no code has",
							  column,
							  given);
			break;
	}
	/* a preview goes on without it */
	cms_record_set_text(record, column, NULL);
}

/* F11: the sample itself is not kept, only what it fixes. A mask is what a dump holds. */
static void
normalise_sample(CmsRecord *record)
{
	char *sample = cms_record_text(record, "sample_code");
	char mask[CMS_CODE_MAX_LENGTH + 1];

	if (sample == NULL)
		return;
	if (!cms_code_sample_mask(sample, mask))
	{
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "sample_code",
						  "Use 5 to 10 letters A to Z, digits, - or _, such as TEST12345.",
						  "sample_code \"%s\" is not a sample of 5 to 10 characters",
						  sample);
		cms_record_set_text(record, "sample_code", NULL);
		return;
	}
	cms_record_set_text(record, "sample_code", mask);
}

void
cms_offer_check_columns(const CmsRecord *record)
{
	check_texts(record);
	check_choices(record);
	check_flags(record);
	check_end(record);
	check_discount(record);
	check_code_method(record);
	check_code_pattern(record);
	check_coupon_expiry(record);
	check_issue_limits(record);
	check_redemption_limits(record);
	check_bill(record);
}

static void
check_texts(const CmsRecord *record)
{
	if (cms_record_not_blank(record, "name") && length_of(record, "name") > MAX_NAME)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "name",
						  "Use at most 255 characters.",
						  "name is too long");
	if (!cms_record_isnull(record, "owner_ref"))
		cms_record_not_blank(record, "owner_ref");
	/* F21 */
	cms_record_template(record, "resend_content");
}

static void
check_choices(const CmsRecord *record)
{
	static const struct
	{
		const char *column;
		const char *const choices[5];
	} columns[] = {
		{"status", {"ACTIVE", "ARCHIVED", NULL}},
		{"expiry_type", {"FIXED_DATE", "WITH_CAMPAIGN", NULL}},
		{"discount_type", {"FIXED_AMOUNT", "PERCENTAGE", NULL}},
		{"product_scope", {"ALL_PRODUCTS", "SELECTED_PRODUCTS", NULL}},
		{"delivery", {"INTERNAL", "THIRD_PARTY", NULL}},
		{"code_method", {"GENERATED", "COMMON", "UPLOADED", "RANDOMISED", NULL}},
		{"code_charset", {"NUMERIC", "ALPHANUMERIC", "UNAMBIGUOUS", NULL}},
		{"coupon_expiry_type", {"WITH_OFFER", "DAYS", "MONTH_ENDS", NULL}},
		{"reissue", {"NEW", "EXISTING", NULL}},
		{"store_scope", {"ANY_STORE", "SELECTED_STORES", NULL}},
	};

	for (int i = 0; i < lengthof(columns); i++)
		cms_record_choice(record, columns[i].column, columns[i].choices, false);
	cms_record_choice(record, "owner_service", cms_claim_services, true);
	/* F4 */
	if (cms_record_isnull(record, "owner_service"))
		refuse_given(record, "owner_ref", "Set owner_service too, or leave owner_ref NULL.");
}

/* NULL is no answer to yes or no. */
static void
check_flags(const CmsRecord *record)
{
	static const char *const columns[] = {"sale_items",
										  "allow_dense_codes",
										  "outlives_offer",
										  "audience_only",
										  "resend_allowed",
										  "anyone_may_redeem",
										  "reversal_restores_use",
										  "expiry_notice"};

	for (int i = 0; i < lengthof(columns); i++)
		cms_record_require(
			record, columns[i], "Use true or false, or leave it out for its default.");
}

/* F1 */
static void
check_end(const CmsRecord *record)
{
	cms_record_day(record, "expires_on");
	cms_record_day(record, "starts_on");
	if (cms_record_is(record, "expiry_type", "WITH_CAMPAIGN"))
		refuse_given(record,
					 "expires_on",
					 "An offer of expiry_type WITH_CAMPAIGN ends with its claim: leave it NULL.");
	else if (cms_record_is(record, "expiry_type", "FIXED_DATE"))
		cms_record_require(record,
						   "expires_on",
						   "An offer of expiry_type FIXED_DATE needs the last day it is valid.");
}

/* F1 */
static void
check_discount(const CmsRecord *record)
{
	bool isnull;
	Datum value = cms_record_value(record, "discount_value", &isnull);

	if (cms_record_require(record, "discount_value", "Give an amount, or a percentage.") &&
		cms_record_amount(record, "discount_value", false) &&
		cms_record_is(record, "discount_type", "PERCENTAGE") &&
		cms_money_compare(DatumGetNumeric(value), int64_to_numeric(100)) > 0)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "discount_value",
						  "Use at most 100, or discount_type FIXED_AMOUNT.",
						  "discount_value is more than 100 per cent");
	cms_record_amount(record, "discount_cap", false);
}

/* F9 to F12: each way of making codes has columns of its own. */
static void
check_code_method(const CmsRecord *record)
{
	if (cms_record_is(record, "code_method", "COMMON"))
		cms_record_require(record, "common_code", "An offer of code_method COMMON needs its code.");
	else
		refuse_given(
			record, "common_code", "Only an offer of code_method COMMON has one: leave it NULL.");

	if (!cms_record_is(record, "code_method", "RANDOMISED"))
	{
		refuse_given(record,
					 "sample_code",
					 "Only an offer of code_method RANDOMISED has one: leave it NULL.");
		return;
	}
	cms_record_require(record,
					   "sample_code",
					   "An offer of code_method RANDOMISED needs a sample, such as TEST12345.");
	refuse_given(record,
				 "owner_service",
				 "An offer of code_method RANDOMISED is made centrally: leave it NULL.");
	if (cms_record_true(record, "audience_only"))
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "audience_only",
						  "Use false, or another code_method.",
						  "an offer of code_method RANDOMISED is for everybody");
}

/* F9 */
static void
check_code_pattern(const CmsRecord *record)
{
	int prefix = length_of(record, "code_prefix");
	int suffix = length_of(record, "code_suffix");
	int length;

	if (!cms_record_range(record, "code_length", 1, CMS_CODE_MAX_LENGTH, false))
		return;
	if (!cms_record_is(record, "code_method", "GENERATED"))
	{
		refuse_given(record,
					 "code_prefix",
					 "Only an offer of code_method GENERATED has one: leave it NULL.");
		refuse_given(record,
					 "code_suffix",
					 "Only an offer of code_method GENERATED has one: leave it NULL.");
		return;
	}
	length = cms_record_int(record, "code_length");
	if (prefix + length + suffix > CMS_CODE_MAX_LENGTH)
		cms_record_refuse(
			record,
			ERRCODE_CHECK_VIOLATION,
			"code_length",
			"Shorten code_prefix, code_length or code_suffix to 40 characters together.",
			"codes of %d characters are too long",
			prefix + length + suffix);
}

/* F22 */
static void
check_coupon_expiry(const CmsRecord *record)
{
	if (cms_record_is(record, "coupon_expiry_type", "WITH_OFFER"))
		refuse_given(record,
					 "coupon_expiry_value",
					 "Use coupon_expiry_type DAYS or MONTH_ENDS, or leave it NULL.");
	else if (cms_record_is(record, "coupon_expiry_type", "DAYS"))
		cms_record_range(record, "coupon_expiry_value", 0, MAX_DAYS, false);
	else if (cms_record_is(record, "coupon_expiry_type", "MONTH_ENDS"))
		cms_record_range(record, "coupon_expiry_value", 0, MAX_MONTHS, false);
}

/* F18 to F20 */
static void
check_issue_limits(const CmsRecord *record)
{
	cms_record_range(record, "max_issued", 0, PG_INT64_MAX, true);
	cms_record_range(record, "max_issued_per_customer", 0, PG_INT64_MAX, true);
	cms_record_range(record, "min_days_between_issues", 0, MAX_DAYS, true);
	cms_record_range(record, "past_issue_months", 0, MAX_MONTHS, false);
	cms_record_range(record, "codes_left_alert", 0, PG_INT64_MAX, true);
}

/* F25 to F28 */
static void
check_redemption_limits(const CmsRecord *record)
{
	cms_record_range(record, "starts_after_days", 0, MAX_DAYS, true);
	cms_record_range(record, "max_uses_per_coupon", 0, PG_INT64_MAX, true);
	cms_record_range(record, "max_uses_per_customer_and_coupon", 0, PG_INT64_MAX, true);
	cms_record_range(record, "max_uses_per_customer", 0, PG_INT64_MAX, true);
	cms_record_range(record, "min_days_between_uses", 0, MAX_DAYS, true);
	cms_record_range(record, "max_redemptions", 0, PG_INT64_MAX, true);
	cms_record_amount(record, "max_discount_total", true);
	if (cms_record_int_or(record, "min_days_between_uses", 0) > 0 &&
		cms_record_int_or(record, "max_uses_per_coupon", PG_INT64_MAX) <= 1)
		cms_record_refuse(
			record,
			ERRCODE_CHECK_VIOLATION,
			"min_days_between_uses",
			"Raise max_uses_per_coupon above 1, set it to NULL, or leave the gap NULL.",
			"a coupon of one use has no gap between uses");
}

/* F30 */
static void
check_bill(const CmsRecord *record)
{
	bool good = cms_record_amount(record, "min_bill", true);
	bool isnull;
	Datum least;
	Datum most;

	if (!cms_record_amount(record, "max_bill", true) || !good)
		return;
	if (cms_record_isnull(record, "min_bill") || cms_record_isnull(record, "max_bill"))
		return;
	least = cms_record_value(record, "min_bill", &isnull);
	most = cms_record_value(record, "max_bill", &isnull);
	if (cms_money_compare(DatumGetNumeric(least), DatumGetNumeric(most)) > 0)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "max_bill",
						  "Use a max_bill of at least min_bill.",
						  "min_bill is more than max_bill");
}

/* The column belongs to another kind of offer. */
static void
refuse_given(const CmsRecord *record, const char *column, const char *hint)
{
	if (!cms_record_isnull(record, column))
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  column,
						  hint,
						  "%s does not go with the rest of the offer",
						  column);
}

/* in characters; 0 for NULL */
static int
length_of(const CmsRecord *record, const char *column)
{
	char *text = cms_record_text(record, column);

	return text == NULL ? 0 : pg_mbstrlen(text);
}
