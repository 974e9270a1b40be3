/*
 * doubt.c
 *	  Settings that are legal but surely not meant (F2).
 *
 * Nothing here is refused anywhere. A doubt says what would happen, and what
 * somebody who means something else would set.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "array.h"
#include "list_check.h"
#include "money.h"
#include "plan.h"
#include "summary.h"
#include "text.h"
#include "words.h"

/* which zones and concepts are not registered: nothing can lie in them */
static CmsPlan unregistered = {
	.text =
		"SELECT u.id FROM unnest($3) WITH ORDINALITY AS u (id, n) WHERE NOT EXISTS ("
		"SELECT FROM cms.org_entity e"
		" WHERE e.org_id = $1 AND e.entity_type = $2 AND e.entity_id = u.id) ORDER BY u.n LIMIT 1",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, TEXTARRAYOID},
};

typedef struct Doubts
{
	const CmsDraft *draft;
	List *found;
} Doubts;

static void doubt(Doubts *doubts, const char *column, const char *hint, const char *format, ...)
	pg_attribute_printf(4, 5);
static void doubt_end(Doubts *doubts);
static void doubt_coupon_end(Doubts *doubts);
static void doubt_windows(Doubts *doubts);
static void doubt_discount(Doubts *doubts);
static void doubt_bill(Doubts *doubts);
static void doubt_zeros(Doubts *doubts);
static void doubt_limits(Doubts *doubts);
static void doubt_lists(Doubts *doubts);
static void doubt_places(Doubts *doubts, const char *type);
static void doubt_codes(Doubts *doubts);
static void doubt_reminders(Doubts *doubts);
static void doubt_people(Doubts *doubts);
static void doubt_messages(Doubts *doubts);
static bool never_expires(const CmsDraft *draft);
static int64 longest_life(const CmsDraft *draft);

List *
cms_doubts_about_draft(const CmsDraft *draft)
{
	Doubts doubts = {.draft = draft};

	doubt_end(&doubts);
	doubt_coupon_end(&doubts);
	doubt_windows(&doubts);
	doubt_discount(&doubts);
	doubt_bill(&doubts);
	doubt_zeros(&doubts);
	doubt_limits(&doubts);
	doubt_lists(&doubts);
	doubt_codes(&doubts);
	doubt_reminders(&doubts);
	doubt_people(&doubts);
	doubt_messages(&doubts);
	return doubts.found;
}

static void
doubt(Doubts *doubts, const char *column, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	doubts->found = lappend(doubts->found, cms_sentence_make(column, hint, format, args));
	va_end(args);
}

static void
doubt_end(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	bool of_campaign = cms_draft_is(draft, "expiry_type", "WITH_CAMPAIGN");
	const char *column = of_campaign ? "claim.ends_on" : "expires_on";
	DateADT end;
	DateADT start;

	if (!cms_draft_end(draft, &end))
		return;
	if (end < draft->today)
		doubt(doubts,
			  column,
			  "Use a later day.",
			  "The offer has ended on %s already: nothing will be issued.",
			  cms_words_date(end));
	if (cms_draft_day(draft, "starts_on", &start) && start > end &&
		!cms_draft_true(draft, "outlives_offer"))
		doubt(doubts,
			  "starts_on",
			  "Use a day before the offer ends.",
			  "Coupons can be used from %s, when the offer has ended: never.",
			  cms_words_date(start));
	if (!of_campaign && draft->claim.service != NULL && draft->claim.has_end &&
		draft->claim.ends_on > end)
		doubt(doubts,
			  "expires_on",
			  "Use a later day, or expiry_type WITH_CAMPAIGN for another offer.",
			  "The offer ends on %s, before its campaign does on %s.",
			  cms_words_date(end),
			  cms_words_date(draft->claim.ends_on));
}

/* A coupon may end before it can be used. */
static void
doubt_coupon_end(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	int64 life = longest_life(draft);
	int64 days;
	DateADT end;

	if (!cms_draft_int(draft, "starts_after_days", &days) || days < 1)
		days = 0;
	if (days > Max(life, 0))
		doubt(doubts,
			  "starts_after_days",
			  "Use fewer days than a coupon is valid.",
			  "A coupon can be used from %s after its issue, when it has expired: never.",
			  cms_words_count(days, "day", "days"));
	else if (days > 0 && cms_draft_end(draft, &end) && !never_expires(draft) &&
			 !cms_draft_true(draft, "outlives_offer") && end >= draft->today &&
			 end - draft->today < days)
		doubt(doubts,
			  "starts_after_days",
			  "Use fewer days, or let the offer end later.",
			  "A coupon issued today can be used in %s, when the offer has ended: never.",
			  cms_words_count(days, "day", "days"));
	if (cms_draft_is(draft, "coupon_expiry_type", "WITH_OFFER") &&
		cms_draft_true(draft, "outlives_offer"))
		doubt(doubts,
			  "outlives_offer",
			  "Use coupon_expiry_type DAYS or MONTH_ENDS, or outlives_offer false.",
			  "Coupons outlive the offer and have no end of their own: they never expire.");
}

/* F31: windows that never meet the time in which coupons can be used */
static void
doubt_windows(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_WINDOWS];
	DateADT first = draft->today;
	DateADT day;
	DateADT last;
	bool has_end = cms_draft_end(draft, &last) && !cms_draft_true(draft, "outlives_offer") &&
				   !never_expires(draft);
	int closed = 0;
	int known = 0;

	if (cms_draft_day(draft, "starts_on", &day))
		first = Max(first, day);
	if (has_end && last < first)
		return;
	for (int i = 0; i < list->nrows; i++)
	{
		CmsRecord quiet = list->rows[i];
		CmsProblems unheard = {.prefix = ""};
		CmsWindow window;
		TimestampTz opens;

		quiet.problems = &unheard;
		if (!cms_list_window(&quiet, &window) || !cms_window_can_match(&window))
			continue;
		known++;
		opens =
			cms_windows_next_open(&window, 1, cms_day_begin(first, draft->zone) - 1, draft->zone);
		if (opens != DT_NOEND && !(has_end && opens >= cms_day_begin(last + 1, draft->zone)))
			continue;
		closed++;
		doubt(doubts,
			  psprintf("offer_window[%d]", cms_draft_line(draft, CMS_DRAFT_WINDOWS, i)),
			  "Use days between the start and the end of the offer, or leave the window out.",
			  has_end ? "The window never opens from %s to %s, while coupons can be used."
					  : "The window never opens from %s on, while coupons can be used.",
			  cms_words_date(first),
			  has_end ? cms_words_date(last) : "");
	}
	if (closed > 0 && closed == known && known == list->nrows)
		doubt(doubts,
			  "offer_window",
			  "Use a window that opens while the offer is valid.",
			  "No window ever opens: no coupon can be used.");
}

/* F1, F32 */
static void
doubt_discount(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	bool fixed = cms_draft_is(draft, "discount_type", "FIXED_AMOUNT");
	Numeric value = cms_draft_amount(draft, "discount_value");
	Numeric cap = cms_draft_amount(draft, "discount_cap");
	Numeric budget = cms_draft_amount(draft, "max_discount_total");
	Numeric most = cms_draft_amount(draft, "max_bill");
	Numeric given;

	if (value == NULL)
		return;
	if (fixed && cap != NULL && cms_money_compare(cap, value) < 0)
		doubt(doubts,
			  "discount_cap",
			  "Raise the cap, lower the discount, or leave the cap NULL.",
			  "The cap of %s is below the discount of %s: never more than the cap is given.",
			  cms_words_money(cap, draft->currency),
			  cms_words_money(value, draft->currency));
	/* of a bill that is no bound itself, even when rounded up */
	given =
		fixed
			? cms_money_discount(
				  false, value, cap, cms_money_add(value, int64_to_numeric(1)), draft->minor_units)
			: value;
	if (fixed && cms_money_compare(given, cms_money_zero()) == 0)
		doubt(doubts,
			  "discount_value",
			  "Use an amount that the currency has.",
			  "The discount of %s is rounded to nothing.",
			  cms_words_money(value, draft->currency));
	else if (fixed && cap == NULL && cms_money_compare(given, value) != 0)
		doubt(doubts,
			  "discount_value",
			  "Use an amount that the currency has.",
			  "The discount of %s is rounded to %s.",
			  cms_words_money(value, draft->currency),
			  cms_words_money(given, draft->currency));
	if (fixed && budget != NULL && cms_money_compare(budget, given) < 0 &&
		cms_money_compare(budget, cms_money_zero()) > 0)
		doubt(doubts,
			  "max_discount_total",
			  "Raise it to a multiple of the discount.",
			  "The budget of %s is not enough for one discount of %s.",
			  cms_words_money(budget, draft->currency),
			  cms_words_money(given, draft->currency));
	if (!fixed && cms_draft_is(draft, "discount_type", "PERCENTAGE") && cap != NULL &&
		most != NULL &&
		cms_money_compare(cms_money_discount(true, value, NULL, most, draft->minor_units), cap) < 0)
		doubt(doubts,
			  "discount_cap",
			  "Lower the cap, or leave it NULL.",
			  "The cap of %s is never reached: bills are at most %s.",
			  cms_words_money(cap, draft->currency),
			  cms_words_money(most, draft->currency));
}

/* F30 */
static void
doubt_bill(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	Numeric value = cms_draft_amount(draft, "discount_value");
	Numeric least = cms_draft_amount(draft, "min_bill");

	if (value == NULL || least == NULL || !cms_draft_is(draft, "discount_type", "FIXED_AMOUNT"))
		return;
	if (cms_money_compare(least, value) < 0)
		doubt(doubts,
			  "min_bill",
			  "Raise min_bill above the discount.",
			  "Bills from %s count, and the discount is %s: some are given away.",
			  cms_words_money(least, draft->currency),
			  cms_words_money(value, draft->currency));
}

/* 0 means none: an offer of which nothing can be had */
static void
doubt_zeros(Doubts *doubts)
{
	static const struct
	{
		const char *column, *text;
	} columns[] = {
		{"max_issued", "No coupon can be issued."},
		{"max_issued_per_customer", "No customer can be given a coupon."},
		{"max_uses_per_coupon", "No coupon can be used."},
		{"max_uses_per_customer_and_coupon", "No customer can use a coupon."},
		{"max_uses_per_customer", "No customer can use a coupon."},
		{"max_redemptions", "No coupon can be used."},
	};
	static const char *const amounts[] = {"max_discount_total", "max_bill"};
	const CmsDraft *draft = doubts->draft;

	for (int i = 0; i < lengthof(columns); i++)
	{
		int64 value;

		if (cms_draft_int(draft, columns[i].column, &value) && value == 0)
			doubt(doubts,
				  columns[i].column,
				  "0 means none. Use NULL for no limit.",
				  "%s is 0. %s",
				  columns[i].column,
				  columns[i].text);
	}
	for (int i = 0; i < lengthof(amounts); i++)
	{
		Numeric value = cms_draft_amount(draft, amounts[i]);

		if (value != NULL && cms_money_compare(value, cms_money_zero()) == 0)
			doubt(doubts,
				  amounts[i],
				  "0 means none. Use NULL for no limit.",
				  "%s is 0. No coupon can be used.",
				  amounts[i]);
	}
}

/* Limits that another limit, or the kind of offer, leaves without effect. */
static void
doubt_limits(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	bool common = cms_draft_is(draft, "code_method", "COMMON");
	bool anyone = cms_draft_true(draft, "anyone_may_redeem");
	int64 per_customer;
	int64 per_coupon;
	int64 value;
	bool one_each;

	one_each = cms_draft_int(draft, "max_issued_per_customer", &per_customer) && per_customer == 1;
	if (common && cms_draft_int(draft, "max_issued_per_customer", &per_customer) &&
		per_customer > 1)
		doubt(doubts,
			  "max_issued_per_customer",
			  "Leave it NULL, or use max_uses_per_coupon for several uses.",
			  "Of a common code each customer gets one coupon, whatever the limit.");
	if ((one_each || common) && cms_draft_int(draft, "min_days_between_issues", &value) &&
		value > 0)
		doubt(doubts,
			  "min_days_between_issues",
			  "Leave it NULL, or allow several coupons per customer.",
			  "A customer gets one coupon: there is no gap between two.");
	if (!anyone && cms_draft_int(draft, "max_uses_per_coupon", &per_coupon) &&
		cms_draft_int(draft, "max_uses_per_customer", &value) && value > 0 && value < per_coupon)
		doubt(doubts,
			  "max_uses_per_customer",
			  "Raise it to max_uses_per_coupon, or lower that one.",
			  "A coupon can be used %s, but its holder can use the offer only %s.",
			  cms_words_times(per_coupon),
			  cms_words_times(value));
	if (!anyone && cms_draft_int(draft, "max_uses_per_customer_and_coupon", &value) && value > 0 &&
		(!cms_draft_int(draft, "max_uses_per_coupon", &per_coupon) || value < per_coupon))
		doubt(doubts,
			  "max_uses_per_customer_and_coupon",
			  "Set anyone_may_redeem, or use max_uses_per_coupon alone.",
			  "Only its holder may use a coupon, so that it can be used only %s.",
			  cms_words_times(value));
	if (cms_draft_int(draft, "max_issued", &value) && cms_draft_true(draft, "audience_only") &&
		one_each && draft->lists[CMS_DRAFT_AUDIENCE].count > value && value > 0)
		doubt(doubts,
			  "max_issued",
			  "Raise max_issued, or shorten the audience.",
			  "The audience has %s, of whom only %s can be given a coupon.",
			  cms_words_count(draft->lists[CMS_DRAFT_AUDIENCE].count, "customer", "customers"),
			  cms_words_number(value));
}

/* Lists that are used and empty, or hold what can never match. */
static void
doubt_lists(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	int64 months;

	if (cms_draft_is(draft, "product_scope", "SELECTED_PRODUCTS") &&
		draft->lists[CMS_DRAFT_PRODUCTS].count == 0)
		doubt(doubts,
			  "offer_product",
			  "Add rows to offer_product, or use product_scope ALL_PRODUCTS.",
			  "No product is selected: every bill is refused.");
	if (cms_draft_is(draft, "store_scope", "SELECTED_STORES") &&
		draft->lists[CMS_DRAFT_PLACES].count == 0)
		doubt(doubts,
			  "offer_entity",
			  "Add rows to offer_entity, or use store_scope ANY_STORE.",
			  "No place is selected: the offer is valid nowhere.");
	if (cms_draft_true(draft, "audience_only") && draft->lists[CMS_DRAFT_AUDIENCE].count == 0)
		doubt(doubts,
			  "offer_audience",
			  "Add rows to offer_audience, or use audience_only false.",
			  "Nobody is in the audience: nobody can be given a coupon.");
	if (draft->lists[CMS_DRAFT_EXCLUSIONS].count > 0 &&
		cms_draft_int(draft, "past_issue_months", &months) && months == 0)
		doubt(doubts,
			  "past_issue_months",
			  "Use a number of months, or leave the other offers out.",
			  "Coupons of other offers received in the past 0 months bar nobody.");
	doubt_places(doubts, "ZONE");
	doubt_places(doubts, "CONCEPT");
}

/* A store or till matches by its own id. What lies in a zone or concept only org_entity tells. */
static void
doubt_places(Doubts *doubts, const char *type)
{
	const CmsDraft *draft = doubts->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_PLACES];
	const char **ids = palloc(sizeof(char *) * Max(list->nrows, 1));
	int count = 0;
	Datum values[3];

	for (int i = 0; i < list->nrows; i++)
		if (cms_record_is(&list->rows[i], "entity_type", type) &&
			!cms_record_isnull(&list->rows[i], "entity_id"))
			ids[count++] = cms_record_text(&list->rows[i], "entity_id");
	if (count == 0)
		return;
	values[0] = Int32GetDatum(draft->org);
	values[1] = CStringGetTextDatum(type);
	values[2] = cms_array_of_texts(ids, count);
	if (cms_plan_run(&unregistered, values, NULL, true) == 0)
		return;
	doubt(doubts,
		  "offer_entity",
		  "Register it in org_entity, with the places below it.",
		  "%s \"%s\" is not registered: no store is known to be in it.",
		  type,
		  cms_words_plain(cms_row_text(0, 1)));
}

/* F9, F11, F12: fewer codes than coupons */
static void
doubt_codes(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	bool dense = cms_draft_true(draft, "allow_dense_codes");
	CmsCodePattern pattern = {0};
	char *sample = cms_record_text(&draft->offer, "sample_code");
	int64 most;
	int64 length;
	double codes;

	if (!cms_draft_int(draft, "max_issued", &most))
		return;
	if (cms_draft_is(draft, "code_method", "UPLOADED"))
	{
		int64 codes_now = draft->totals.issued + draft->totals.stock;

		if (draft->offer_id != 0 && codes_now < most)
			doubt(doubts,
				  "max_issued",
				  "Upload the rest with cms_upload_codes or cms_load_codes.",
				  "%s uploaded, for at most %s.",
				  codes_now == 1 ? "1 code is"
								 : psprintf("%s codes are", cms_words_number(codes_now)),
				  cms_words_count(most, "coupon", "coupons"));
		return;
	}
	if (cms_draft_is(draft, "code_method", "RANDOMISED") && sample != NULL &&
		strpbrk(sample, "?#") != NULL)
		cms_code_mask_pattern(sample, &pattern);
	else if (cms_draft_is(draft, "code_method", "GENERATED") &&
			 cms_draft_int(draft, "code_length", &length) && length >= 1 &&
			 length <= CMS_CODE_MAX_LENGTH)
	{
		pattern.length = (int) length;
		pattern.charset = cms_draft_is(draft, "code_charset", "NUMERIC") ? CMS_CHARSET_NUMERIC
						  : cms_draft_is(draft, "code_charset", "ALPHANUMERIC")
							  ? CMS_CHARSET_ALPHANUMERIC
							  : CMS_CHARSET_UNAMBIGUOUS;
	}
	else
		return;
	codes = cms_code_space(&pattern);
	if (cms_draft_is(draft, "code_method", "GENERATED") && !dense)
		codes = floor(codes / 4);
	if (codes < (double) most)
		doubt(doubts,
			  cms_draft_is(draft, "code_method", "GENERATED") ? "code_length" : "max_issued",
			  cms_draft_is(draft, "code_method", "GENERATED")
				  ? (dense ? "Make the codes longer."
						   : "Make the codes longer, or set allow_dense_codes.")
				  : "Lower max_issued.",
			  "There are %s, for at most %s.",
			  cms_words_count((int64) codes, "code", "codes"),
			  cms_words_count(most, "coupon", "coupons"));
}

/* F41 */
static void
doubt_reminders(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_REMINDERS];
	int64 life = longest_life(draft);
	DateADT end;
	bool has_end = cms_draft_end(draft, &end);

	for (int i = 0; i < list->nrows; i++)
	{
		int64 days = cms_record_int_or(&list->rows[i], "days_before", 0);
		char *where = psprintf("offer_reminder[%d].days_before",
							   cms_draft_line(draft, CMS_DRAFT_REMINDERS, i));

		if (never_expires(draft))
			doubt(doubts,
				  psprintf("offer_reminder[%d]", cms_draft_line(draft, CMS_DRAFT_REMINDERS, i)),
				  "Leave it out, or let coupons end.",
				  "Coupons never expire, so that nobody is ever reminded.");
		else if (days > life)
			doubt(
				doubts,
				where,
				"Use fewer days than a coupon is valid.",
				"A coupon is reminded of %s before its last day, when it is not yet issued: never.",
				cms_words_count(days, "day", "days"));
		else if (has_end && !cms_draft_true(draft, "outlives_offer") && end >= draft->today &&
				 end - days < draft->today &&
				 cms_draft_is(draft, "coupon_expiry_type", "WITH_OFFER"))
			doubt(doubts,
				  where,
				  "Use fewer days, or let the offer end later.",
				  "The reminder was due on %s: nobody is reminded any more.",
				  cms_words_date(end - (DateADT) days));
	}
}

/* F42 */
static void
doubt_people(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_POCS];
	DateADT end;
	bool has_end = cms_draft_end(draft, &end);
	int64 value;

	for (int i = 0; i < list->nrows; i++)
	{
		int64 days = cms_record_int_or(&list->rows[i], "days_before", 0);

		if (has_end && end >= draft->today && end - days < draft->today)
			doubt(doubts,
				  psprintf("offer_poc[%d].days_before", cms_draft_line(draft, CMS_DRAFT_POCS, i)),
				  "Use fewer days, or let the offer end later.",
				  "The reminder was due on %s: nobody is reminded any more.",
				  cms_words_date(end - (DateADT) days));
	}
	if (!cms_draft_int(draft, "codes_left_alert", &value))
		return;
	if (!cms_draft_int(draft, "max_issued", &value) && cms_draft_is(draft, "code_method", "COMMON"))
		doubt(doubts,
			  "codes_left_alert",
			  "Set max_issued, or leave it NULL.",
			  "Without max_issued a common code is never used up: nobody is ever told.");
	else if (list->count == 0)
		doubt(doubts,
			  "codes_left_alert",
			  "Add points of contact to offer_poc.",
			  "Nobody is told when the codes run out: the offer has no points of contact.");
}

/* F21 */
static void
doubt_messages(Doubts *doubts)
{
	const CmsDraft *draft = doubts->draft;
	char *content = cms_record_text(&draft->offer, "resend_content");

	if (cms_draft_true(draft, "resend_allowed") && (content == NULL || cms_text_is_blank(content)))
		doubt(doubts,
			  "resend_content",
			  "Give it a text, such as \"Your code is {code}\".",
			  "Coupons may be sent again, but the message has no text.");
	if (!cms_draft_true(draft, "resend_allowed") && content != NULL)
		doubt(doubts,
			  "resend_content",
			  "Set resend_allowed, or leave the text out.",
			  "There is a text for sending coupons again, but that is not allowed.");
	if (cms_draft_true(draft, "expiry_notice") && never_expires(draft))
		doubt(doubts,
			  "expiry_notice",
			  "Use false, or let coupons end.",
			  "Coupons never expire, so that nobody is ever told.");
}

/* F22 */
static bool
never_expires(const CmsDraft *draft)
{
	return cms_draft_is(draft, "coupon_expiry_type", "WITH_OFFER") &&
		   (cms_draft_true(draft, "outlives_offer") ||
			cms_text_equal(draft->claim.service, "LOYALTY"));
}

/* Days from the day of issue to the last day of a coupon's own, at most. */
static int64
longest_life(const CmsDraft *draft)
{
	int64 value;

	if (!cms_draft_int(draft, "coupon_expiry_value", &value))
		return PG_INT64_MAX;
	if (cms_draft_is(draft, "coupon_expiry_type", "DAYS"))
		return value;
	if (cms_draft_is(draft, "coupon_expiry_type", "MONTH_ENDS"))
		return 31 * (value + 1) - 1;
	return PG_INT64_MAX;
}
