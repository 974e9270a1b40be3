/*
 * summary_rules.c
 *	  Who gets coupons of an offer, how often they are used, who is told, in plain words.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "money.h"
#include "plan.h"
#include "summary.h"
#include "words.h"

static CmsPlan name_of_offer = {
	.text = "SELECT name FROM cms.offer WHERE org_id = $1 AND offer_id = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan name_of_person = {
	.text = "SELECT name FROM cms.poc WHERE org_id = $1 AND poc_id = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static void say_codes(CmsSummary *summary);
static void say_who_receives(CmsSummary *summary);
static void say_exclusions(CmsSummary *summary);
static void say_issue_limits(CmsSummary *summary);
static void say_who_redeems(CmsSummary *summary);
static void say_uses(CmsSummary *summary);
static void say_caps(CmsSummary *summary);
static void say_messages(CmsSummary *summary);
static void say_people(CmsSummary *summary);
static void say_claim(CmsSummary *summary);
static char *
days_before(int64 days, const char *same_day, const char *day_before, const char *other);

void
cms_summary_say_rules(CmsSummary *summary)
{
	say_codes(summary);
	say_who_receives(summary);
	say_exclusions(summary);
	say_issue_limits(summary);
	say_who_redeems(summary);
	say_uses(summary);
	say_caps(summary);
	say_messages(summary);
	say_people(summary);
	say_claim(summary);
}

/* F9 to F12, F16 */
static void
say_codes(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	char *common = cms_record_text(&draft->offer, "common_code");
	char *sample = cms_record_text(&draft->offer, "sample_code");
	char *prefix = cms_record_text(&draft->offer, "code_prefix");
	char *suffix = cms_record_text(&draft->offer, "code_suffix");
	int64 length;

	if (cms_draft_is(draft, "code_method", "COMMON"))
		cms_summary_say(summary,
						"code_method",
						"All customers have the same code%s%s.",
						common != NULL && draft->sees_codes ? ", " : "",
						common != NULL && draft->sees_codes ? cms_words_plain(common) : "");
	else if (cms_draft_is(draft, "code_method", "UPLOADED"))
		cms_summary_say(summary, "code_method", "Codes are uploaded, one for each coupon.");
	else if (cms_draft_is(draft, "code_method", "RANDOMISED"))
	{
		int fixed = sample == NULL ? 0 : strcspn(sample, "?#");

		if (sample != NULL)
			cms_summary_say(summary,
							"code_method",
							"Each coupon has a code of its own: %.*s and %d random %s.",
							fixed,
							sample,
							(int) strlen(sample) - fixed,
							strchr(sample, '#') != NULL ? "digits" : "letters or digits");
	}
	else if (cms_draft_is(draft, "code_method", "GENERATED") &&
			 cms_draft_int(draft, "code_length", &length))
		cms_summary_say(summary,
						"code_method",
						"Each coupon has a code of its own: %s%s random %s%s.",
						prefix == NULL ? "" : psprintf("%s and ", cms_words_plain(prefix)),
						cms_words_number(length),
						cms_draft_is(draft, "code_charset", "NUMERIC") ? "digits"
						: cms_draft_is(draft, "code_charset", "ALPHANUMERIC")
							? "letters and digits"
							: "letters and digits that look unlike each other",
						suffix == NULL ? "" : psprintf(", then %s", cms_words_plain(suffix)));
	if (cms_draft_is(draft, "delivery", "THIRD_PARTY"))
		cms_summary_say(
			summary,
			"delivery",
			cms_draft_is(draft, "code_method", "COMMON")
				? "A third party gives the code out: it may be redeemed without having been issued."
				: "A third party gives the codes out: they may be redeemed without having been issued.");
}

/* F10, F15 to F18 */
static void
say_who_receives(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	const CmsDraftList *audience = &draft->lists[CMS_DRAFT_AUDIENCE];
	int64 most;
	int64 days;
	/* limits per customer do not hold for what it gives out, but nobody has a common code twice */
	bool third_party = cms_draft_is(draft, "delivery", "THIRD_PARTY");
	char *each = "Any number of coupons per customer";

	if (cms_draft_is(draft, "code_method", "COMMON"))
		each = "One coupon per customer";
	else if (!third_party && cms_draft_int(draft, "max_issued_per_customer", &most))
		each = most == 0   ? "No coupon for any customer"
			   : most == 1 ? "One coupon per customer"
						   : psprintf("At most %s coupons per customer", cms_words_number(most));
	if (!third_party && cms_draft_int(draft, "min_days_between_issues", &days) && days > 0)
		each = psprintf("%s, %s",
						each,
						days == 1 ? "one a day"
								  : psprintf("at least %s days apart", cms_words_number(days)));
	if (!cms_draft_true(draft, "audience_only"))
		cms_summary_say(summary, "max_issued_per_customer", "%s.", each);
	else if (audience->count == 0)
		cms_summary_say(summary, "audience_only", "%s, but nobody is in the audience.", each);
	else
		cms_summary_say(summary,
						"audience_only",
						"%s, only for the audience of %s.",
						each,
						cms_summary_count(audience, "customer", "customers"));
	if (cms_draft_is(draft, "reissue", "EXISTING"))
		cms_summary_say(
			summary, "reissue", "A customer who has an active coupon gets that one again.");
}

/* F20 */
static void
say_exclusions(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_EXCLUSIONS];
	const char *names[CMS_SUMMARY_MOST_NAMED];
	int64 months;
	char *offers;

	if (list->count == 0 || !cms_draft_int(draft, "past_issue_months", &months))
		return;
	if (list->count > CMS_SUMMARY_MOST_NAMED)
		offers = psprintf("any of %s", cms_summary_count(list, "other offer", "other offers"));
	else
	{
		for (int i = 0; i < list->nrows; i++)
		{
			int64 other = cms_record_int(&list->rows[i], "other_offer_id");
			Datum values[] = {Int32GetDatum(draft->org), Int64GetDatum(other)};
			char *name = cms_summary_name(&name_of_offer, values);

			names[i] = name != NULL ? name : psprintf("offer " INT64_FORMAT, other);
		}
		offers = cms_words_list(names, list->nrows, "or");
	}
	cms_summary_say(summary,
					"offer_exclusion",
					"None for those who received %s in the past %s.",
					offers,
					cms_words_count(months, "month", "months"));
}

/* F19 */
static void
say_issue_limits(CmsSummary *summary)
{
	int64 most;

	if (cms_draft_int(summary->draft, "max_issued", &most))
		cms_summary_say(summary,
						"max_issued",
						most == 0 ? "No coupon at all." : "At most %s in all.",
						cms_words_count(most, "coupon", "coupons"));
}

/* F16, F24: of a third party's codes those that were uploaded or issued with a customer have a holder */
static void
say_who_redeems(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	const char *who = "Only the customer who holds a coupon may redeem it.";

	if (cms_draft_true(draft, "anyone_may_redeem"))
		who = "Anyone who has the code may redeem it.";
	else if (cms_draft_is(draft, "delivery", "THIRD_PARTY"))
		who =
			cms_draft_is(draft, "code_method", "COMMON")
				? "Whoever brings the code may redeem it."
				: "Whoever brings a code may redeem it, unless it is a customer's: then only that "
				  "customer.";
	cms_summary_say(summary, "anyone_may_redeem", "%s", who);
}

/* F26, F27, F37 */
static void
say_uses(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	int64 uses;

	if (!cms_draft_int(draft, "max_uses_per_coupon", &uses))
		cms_summary_say(
			summary, "max_uses_per_coupon", "A coupon can be used any number of times.");
	else if (uses == 0)
		cms_summary_say(summary, "max_uses_per_coupon", "A coupon can never be used.");
	else
		cms_summary_say(
			summary, "max_uses_per_coupon", "A coupon can be used %s.", cms_words_times(uses));
	if (cms_draft_int(draft, "max_uses_per_customer_and_coupon", &uses))
		cms_summary_say(summary,
						"max_uses_per_customer_and_coupon",
						uses == 0 ? "A customer can never use a coupon."
								  : "A customer can use one coupon at most %s.",
						cms_words_times(uses));
	if (cms_draft_int(draft, "max_uses_per_customer", &uses))
		cms_summary_say(summary,
						"max_uses_per_customer",
						uses == 0 ? "A customer can never use coupons of the offer."
								  : "A customer can use coupons of the offer at most %s.",
						cms_words_times(uses));
	if (cms_draft_int(draft, "min_days_between_uses", &uses) && uses > 0)
		cms_summary_say(summary,
						"min_days_between_uses",
						"Between two uses of a customer are at least %s.",
						cms_words_count(uses, "day", "days"));
	if (!cms_draft_true(draft, "reversal_restores_use"))
		cms_summary_say(summary, "reversal_restores_use", "A reversed use is not given back.");
}

/* F28 */
static void
say_caps(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	Numeric budget = cms_draft_amount(draft, "max_discount_total");
	int64 most;

	if (cms_draft_int(draft, "max_redemptions", &most))
		cms_summary_say(summary,
						"max_redemptions",
						most == 0 ? "No redemption at all." : "At most %s in all.",
						cms_words_count(most, "redemption", "redemptions"));
	if (budget != NULL)
		cms_summary_say(summary,
						"max_discount_total",
						cms_money_compare(budget, cms_money_zero()) == 0
							? "No discount at all."
							: "At most %s of discount in all.",
						cms_words_money(budget, draft->currency));
}

/* F21, F40, F41 */
static void
say_messages(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_REMINDERS];

	for (int i = 0; i < list->nrows; i++)
	{
		const CmsRecord *row = &list->rows[i];
		char *channel = cms_record_text(row, "channel");
		bool isnull;
		Datum time = cms_record_value(row, "time_of_day", &isnull);

		if (channel == NULL || isnull || cms_record_isnull(row, "days_before"))
			continue;
		cms_summary_say(summary,
						"offer_reminder",
						"Customers are reminded by %s %s, at %s.",
						cms_words_plain(channel),
						days_before(cms_record_int(row, "days_before"),
									"on a coupon's last day",
									"the day before a coupon's last day",
									"days before a coupon's last day"),
						cms_words_time(DatumGetTimeADT(time)));
	}
	if (cms_draft_true(draft, "expiry_notice"))
		cms_summary_say(summary, "expiry_notice", "Customers are told when a coupon has expired.");
	if (cms_draft_true(draft, "resend_allowed"))
		cms_summary_say(summary, "resend_allowed", "Coupons may be sent again.");
}

/* F42 */
static void
say_people(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	const CmsDraftList *list = &draft->lists[CMS_DRAFT_POCS];
	int64 alert;

	for (int i = 0; i < list->nrows; i++)
	{
		int64 poc = cms_record_int(&list->rows[i], "poc_id");
		Datum values[] = {Int32GetDatum(draft->org), Int64GetDatum(poc)};
		char *name = cms_summary_name(&name_of_person, values);

		if (cms_record_isnull(&list->rows[i], "days_before"))
			continue;
		cms_summary_say(summary,
						"offer_poc",
						"%s is reminded %s, at 10:00.",
						name != NULL ? name : psprintf("Point of contact " INT64_FORMAT, poc),
						days_before(cms_record_int(&list->rows[i], "days_before"),
									"on the offer's last day",
									"the day before the offer's last day",
									"days before the offer's last day"));
	}
	if (cms_draft_int(draft, "codes_left_alert", &alert))
		cms_summary_say(summary,
						"codes_left_alert",
						"The points of contact are told when %s left.",
						alert == 1 ? "1 code is"
								   : psprintf("%s codes are", cms_words_number(alert)));
}

/* F4, F5 */
static void
say_claim(CmsSummary *summary)
{
	const CmsDraft *draft = summary->draft;
	char *service = cms_record_text(&draft->offer, "owner_service");
	char *ref = cms_record_text(&draft->offer, "owner_ref");

	if (draft->claim.service != NULL)
		cms_summary_say(
			summary, "claim", "Issued by %s only.", cms_words_plain(cms_claim_text(&draft->claim)));
	if (service != NULL)
		cms_summary_say(summary,
						"owner_service",
						"Visible inside %s%s%s only.",
						cms_words_plain(service),
						ref == NULL ? "" : " ",
						ref == NULL ? "" : cms_words_plain(ref));
	else if (draft->claim.service == NULL)
		cms_summary_say(summary, "owner_service", "Any service may claim it.");
}

/* how long before: three ways to say it */
static char *
days_before(int64 days, const char *same_day, const char *day_before, const char *other)
{
	return days == 0   ? pstrdup(same_day)
		   : days == 1 ? pstrdup(day_before)
					   : psprintf("%s %s", cms_words_number(days), other);
}
