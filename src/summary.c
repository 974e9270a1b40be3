/*
 * summary.c
 *	  What an offer will do, in plain words (F2).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "list_check.h"
#include "money.h"
#include "plan.h"
#include "summary.h"
#include "text.h"
#include "words.h"

static CmsPlan name_of_place = {
	.text = "SELECT name FROM cms.org_entity"
			" WHERE org_id = $1 AND entity_type = $2 AND entity_id = $3",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, TEXTOID},
};

static void say_discount(CmsSummary *summary);
static char *products_of(const CmsDraft *draft);
static void say_bill(CmsSummary *summary);
static void say_where(CmsSummary *summary);
static void say_when(CmsSummary *summary);
static char *window_text(const CmsRecord *row);
static bool has_unreadable_end(const CmsDraft *draft);
static void say_validity(CmsSummary *summary);
static void say_start(CmsSummary *summary);
static char *group_of(const CmsDraft *draft, const CmsDraftList *list, const char *type_column,
					  const char *type, const char *id_column, const char *one, const char *many);

List *
cms_summary_of_draft(const CmsDraft *draft)
{
	CmsSummary summary = {.draft = draft};
	char *name = cms_record_text(&draft->offer, "name");

	if (name != NULL)
		cms_summary_say(&summary, "name", "%s", cms_words_plain(name));
	if (cms_draft_is(draft, "status", "ARCHIVED"))
		cms_summary_say(&summary,
						"status",
						"Archived: nothing more is issued, coupons that are out stay redeemable.");
	say_discount(&summary);
	say_bill(&summary);
	say_where(&summary);
	say_when(&summary);
	say_validity(&summary);
	say_start(&summary);
	cms_summary_say_rules(&summary);
	return summary.lines;
}

void
cms_summary_say(CmsSummary *summary, const char *topic, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	summary->lines = lappend(summary->lines, cms_sentence_make(topic, NULL, format, args));
	va_end(args);
}

CmsSentence *
cms_sentence_make(const char *topic, const char *hint, const char *format, va_list args)
{
	CmsSentence *sentence = palloc(sizeof(CmsSentence));
	StringInfoData text;
	int needed;

	initStringInfo(&text);
	do
	{
		va_list again;

		va_copy(again, args);
		needed = appendStringInfoVA(&text, format, again);
		va_end(again);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);
	sentence->topic = topic;
	sentence->text = text.data;
	sentence->hint = hint;
	return sentence;
}

/* "20 % off, at most ₹100 a bill, on brands X and Y, not on sale items." (F1, F32) */
static void
say_discount(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	bool percentage = cms_draft_is(draft, "discount_type", "PERCENTAGE");
	Numeric value = cms_draft_amount(draft, "discount_value");
	Numeric cap = cms_draft_amount(draft, "discount_cap");

	if (value == NULL || !(percentage || cms_draft_is(draft, "discount_type", "FIXED_AMOUNT")))
		return;
	cms_summary_say(
		summary,
		"discount_value",
		"%s off%s, %s%s.",
		cms_words_discount(percentage, value, NULL, draft->currency),
		cap == NULL ? "" : psprintf(", at most %s a bill", cms_words_money(cap, draft->currency)),
		products_of(draft),
		cms_draft_true(draft, "sale_items") ? ", sale items too" : ", not on sale items");
}

static char *
products_of(const CmsDraft *draft)
{
	static const struct
	{
		const char *kind, *one, *many;
	} kinds[] = {{"CATEGORY", "category", "categories"},
				 {"BRAND", "brand", "brands"},
				 {"SKU", "SKU", "SKUs"}};
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_PRODUCTS];
	const char *groups[lengthof(kinds)];
	int ngroups = 0;

	if (!cms_draft_is(draft, "product_scope", "SELECTED_PRODUCTS"))
		return "on all products";
	if (list->count == 0)
		return "on no product, as none is selected";
	if (list->count > list->nrows)
		return psprintf("on %s", cms_summary_count(list, "selected product", "selected products"));
	for (int i = 0; i < lengthof(kinds); i++)
	{
		char *group =
			group_of(draft, list, "kind", kinds[i].kind, "value", kinds[i].one, kinds[i].many);

		if (group != NULL)
			groups[ngroups++] = group;
	}
	return psprintf("on %s", cms_words_list(groups, ngroups, "and"));
}

/* "brands X and Y", "12 SKUs", "store S1 (Indiranagar)"; NULL: none of this type */
static char *
group_of(const CmsDraft *draft, const CmsDraftList *list, const char *type_column, const char *type,
		 const char *id_column, const char *one, const char *many)
{
	const char *names[CMS_SUMMARY_MOST_NAMED];
	int count = 0;

	for (int i = 0; i < list->nrows; i++)
	{
		char *id = cms_record_text(&list->rows[i], id_column);

		if (!cms_record_is(&list->rows[i], type_column, type) || id == NULL)
			continue;
		if (count++ >= CMS_SUMMARY_MOST_NAMED)
			continue;
		names[count - 1] = cms_words_plain(id);
		if (list == &draft->lists[CMS_DRAFT_PLACES])
		{
			Datum values[] = {
				Int32GetDatum(draft->org), CStringGetTextDatum(type), CStringGetTextDatum(id)};
			char *name = cms_summary_name(&name_of_place, values);

			if (name != NULL)
				names[count - 1] = psprintf("%s (%s)", names[count - 1], name);
		}
	}
	if (count == 0)
		return NULL;
	if (count > CMS_SUMMARY_MOST_NAMED)
		return cms_words_count(count, one, many);
	return psprintf("%s %s", count == 1 ? one : many, cms_words_list(names, count, "and"));
}

/* F30 */
static void
say_bill(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	Numeric least = cms_draft_amount(draft, "min_bill");
	Numeric most = cms_draft_amount(draft, "max_bill");

	if (least != NULL && most != NULL)
		cms_summary_say(summary,
						"min_bill",
						"On bills of %s to %s.",
						cms_words_money(least, draft->currency),
						cms_words_money(most, draft->currency));
	else if (least != NULL)
		cms_summary_say(summary,
						"min_bill",
						"On bills of %s or more.",
						cms_words_money(least, draft->currency));
	else if (most != NULL)
		cms_summary_say(
			summary, "max_bill", "On bills of at most %s.", cms_words_money(most, draft->currency));
}

/* F29 */
static void
say_where(CmsSummary *summary)
{
	static const struct
	{
		const char *type, *one, *many;
	} types[] = {{"CONCEPT", "concept", "concepts"},
				 {"ZONE", "zone", "zones"},
				 {"STORE", "store", "stores"},
				 {"TILL", "till", "tills"}};
	const CmsDraft *draft = summary->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_PLACES];
	const char *groups[lengthof(types)];
	int ngroups = 0;

	if (!cms_draft_is(draft, "store_scope", "SELECTED_STORES"))
	{
		cms_summary_say(summary, "store_scope", "In any store.");
		return;
	}
	if (list->count == 0)
	{
		cms_summary_say(summary, "store_scope", "Nowhere, as no place is selected.");
		return;
	}
	if (list->count > list->nrows)
	{
		cms_summary_say(summary,
						"store_scope",
						"Only in %s.",
						cms_summary_count(list, "selected place", "selected places"));
		return;
	}
	for (int i = 0; i < lengthof(types); i++)
	{
		char *group = group_of(
			draft, list, "entity_type", types[i].type, "entity_id", types[i].one, types[i].many);

		if (group != NULL)
			groups[ngroups++] = group;
	}
	if (ngroups > 0)
		cms_summary_say(
			summary, "store_scope", "Only in %s.", cms_words_list(groups, ngroups, "and"));
}

/* F31 */
static void
say_when(CmsSummary *summary)
{
	const CmsDraftList *list = &summary->draft->lists[CMS_DRAFT_WINDOWS];
	bool is_first = true;

	if (list->nrows == 0)
		cms_summary_say(summary, "offer_window", "On any day, at any time.");
	for (int i = 0; i < list->nrows; i++)
	{
		char *text = window_text(&list->rows[i]);

		if (text == NULL)
			continue;
		if (i == CMS_SUMMARY_MOST_NAMED && list->nrows > CMS_SUMMARY_MOST_NAMED + 1)
		{
			cms_summary_say(summary,
							"offer_window",
							"Or in %d further windows.",
							list->nrows - CMS_SUMMARY_MOST_NAMED);
			break;
		}
		cms_summary_say(summary, "offer_window", "%s %s.", is_first ? "Only" : "Or", text);
		is_first = false;
	}
}

/* "on Monday to Friday, from 1 June 2026 to 30 June 2026, 10:00 to 18:00"; NULL: it makes no sense */
static char *
window_text(const CmsRecord *row)
{
	CmsRecord quiet = *row;
	CmsProblems unheard = {.prefix = ""};
	CmsWindow window;
	StringInfoData text;

	/* its problems are told elsewhere */
	quiet.problems = &unheard;
	if (!cms_list_window(&quiet, &window))
		return NULL;
	initStringInfo(&text);
	if (window.weekdays != 0)
		appendStringInfo(&text, ", on %s", cms_words_weekdays(window.weekdays));
	if (window.month_days != 0)
		appendStringInfo(&text, ", on %s of the month", cms_words_month_days(window.month_days));
	if (window.from_date == window.to_date)
		appendStringInfo(&text, ", on %s", cms_words_date(window.from_date));
	else
	{
		if (window.from_date != DATEVAL_NOBEGIN)
			appendStringInfo(&text, ", from %s", cms_words_date(window.from_date));
		if (window.to_date != DATEVAL_NOEND)
			appendStringInfo(&text, ", to the end of %s", cms_words_date(window.to_date));
	}
	if (window.from_time != 0 || window.to_time != USECS_PER_DAY)
		appendStringInfo(&text, ", %s", cms_words_slot(window.from_time, window.to_time));
	return text.len == 0 ? NULL : text.data + strlen(", ");
}

/* A day that was meant and could not be read: then the defaults tell nothing of the end. */
static bool
has_unreadable_end(const CmsDraft *draft)
{
	ListCell *cell;

	foreach (cell, draft->problems.found)
		if (strcmp(((CmsProblem *) lfirst(cell))->column, "expires_on") == 0)
			return true;
	return false;
}

/* When the offer and its coupons end (F1, F22). */
static void
say_validity(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	DateADT end;
	bool has_end = cms_draft_end(draft, &end);
	bool outlives = cms_draft_true(draft, "outlives_offer");
	const char *bound = outlives  ? ", also after the offer has ended"
						: has_end ? ", but not beyond the offer"
								  : "";
	int64 value;

	if (has_end)
		cms_summary_say(
			summary,
			"expires_on",
			"The offer is valid to the end of %s%s.",
			cms_words_date(end),
			cms_draft_is(draft, "expiry_type", "WITH_CAMPAIGN") ? ", when its campaign ends" : "");
	else if (cms_draft_is(draft, "expiry_type", "WITH_CAMPAIGN") && !has_unreadable_end(draft))
		cms_summary_say(
			summary,
			"expires_on",
			draft->claim.service == NULL
				? "The offer ends with the campaign that claims it, and has no end until then."
				: "The offer ends with its campaign, which has no end.");

	if (cms_draft_is(draft, "coupon_expiry_type", "WITH_OFFER"))
	{
		if (cms_text_equal(draft->claim.service, "LOYALTY") || outlives)
			cms_summary_say(summary, "coupon_expiry_type", "Coupons never expire.");
		else
			cms_summary_say(
				summary, "coupon_expiry_type", "Coupons are valid as long as the offer.");
		return;
	}
	/* one below zero is told as a problem */
	if (!cms_draft_int(draft, "coupon_expiry_value", &value) || value < 0)
		return;
	if (cms_draft_is(draft, "coupon_expiry_type", "DAYS"))
		cms_summary_say(summary,
						"coupon_expiry_type",
						"A coupon is valid %s%s.",
						value == 0   ? "on the day of its issue only"
						: value == 1 ? "to the end of the day after its issue"
									 : psprintf("to the end of the %s day after its issue",
												cms_words_ordinal(value)),
						bound);
	else if (cms_draft_is(draft, "coupon_expiry_type", "MONTH_ENDS"))
		cms_summary_say(summary,
						"coupon_expiry_type",
						"A coupon is valid to the end of the %s%s.",
						value == 0 ? "month of its issue"
						: value == 1
							? "month after its issue"
							: psprintf("%s month after its issue", cms_words_ordinal(value)),
						bound);
}

/* F25 */
static void
say_start(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	const char *parts[2];
	int nparts = 0;
	int64 days;
	DateADT from;

	if (cms_draft_int(draft, "starts_after_days", &days) && days > 0)
		parts[nparts++] = days == 1 ? "the day after its issue"
									: psprintf("%s days after its issue", cms_words_number(days));
	if (cms_draft_day(draft, "starts_on", &from))
	{
		parts[nparts] = psprintf("%s%s", nparts > 0 ? "not before " : "", cms_words_date(from));
		nparts++;
	}
	if (nparts > 0)
		cms_summary_say(summary,
						"starts_on",
						"A coupon can be used from %s.",
						cms_words_list(parts, nparts, "and"));
}

char *
cms_summary_count(const CmsDraftList *list, const char *one, const char *many)
{
	return psprintf(
		"%s%s", list->is_more ? "more than " : "", cms_words_count(list->count, one, many));
}

char *
cms_summary_name(CmsPlan *plan, const Datum *values)
{
	char *name = cms_plan_run(plan, values, NULL, true) == 0 ? NULL : cms_row_text(0, 1);

	return name == NULL ? NULL : cms_words_plain(name);
}
