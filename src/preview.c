/*
 * preview.c
 *	  cms_preview_offer: what an offer will do, and everything that is wrong with it,
 *	  before it is saved (F2).
 *
 * The checks are those of the triggers. They look at a draft of the rows and note
 * what they would refuse, so that all of it is told at once. Nothing is written or
 * locked: what somebody else saves meanwhile may still be in the way.
 */
#include "cms.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "args.h"
#include "list_check.h"
#include "offer_check.h"
#include "plan.h"
#include "preview.h"
#include "result.h"
#include "summary.h"
#include "text.h"

static void check(CmsDraft *draft);
static void check_claim(CmsDraft *draft);
static Datum answer(FunctionCallInfo fcinfo, CmsDraft *draft);
static void put(FunctionCallInfo fcinfo, int line, const char *kind, const char *field,
				const char *text, const char *hint);

PG_FUNCTION_INFO_V1(cms_preview_settings);
PG_FUNCTION_INFO_V1(cms_preview_offer);

/* cms_preview_offer(settings, at, org) */
Datum
cms_preview_settings(PG_FUNCTION_ARGS)
{
	TimestampTz at = cms_arg_at(fcinfo, 1);
	int org = cms_arg_org(fcinfo, 2);
	CmsDraft draft;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"settings\" must not be null"),
				 errhint("Pass a JSON object with columns of cms.offer and names of its lists.")));
	cms_result_start(fcinfo);
	cms_call_begin();
	cms_draft_of_settings(&draft, org, PG_GETARG_JSONB_P(0), at);
	check(&draft);
	return answer(fcinfo, &draft);
}

/* cms_preview_offer(offer_id, at, org) */
Datum
cms_preview_offer(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	TimestampTz at = cms_arg_at(fcinfo, 1);
	int org = cms_arg_org(fcinfo, 2);
	CmsDraft draft;

	cms_result_start(fcinfo);
	cms_call_begin();
	cms_draft_of_offer(&draft, org, offer_id, at);
	return answer(fcinfo, &draft);
}

char *
cms_preview_summary(int org, int64 offer_id, TimestampTz at)
{
	StringInfoData text;
	CmsDraft draft;
	ListCell *cell;

	initStringInfo(&text);
	cms_draft_of_offer(&draft, org, offer_id, at);
	foreach (cell, cms_summary_of_draft(&draft))
		appendStringInfo(
			&text, "%s%s", text.len == 0 ? "" : "\n", ((CmsSentence *) lfirst(cell))->text);
	cms_draft_close(&draft);
	return text.data;
}

/* In the order of the trigger of cms.offer, then those of its lists. */
static void
check(CmsDraft *draft)
{
	CmsRecord *offer = &draft->offer;

	cms_record_set(offer, "org_id", Int32GetDatum(draft->org), false);
	cms_record_set(offer, "offer_id", Int64GetDatum(draft->offer_id), false);
	cms_offer_check_fixed(offer);
	cms_offer_normalise(offer);
	cms_offer_check_columns(offer);
	cms_offer_name_code(offer);
	cms_offer_reserve_codes(offer);
	if (offer->before != NULL)
		cms_offer_check_cap_of_issues(offer, draft->totals.issued);
	for (int id = 0; id < CMS_DRAFT_LISTS; id++)
	{
		CmsDraftList *list = &draft->lists[id];

		for (int i = 0; i < list->nrows; i++)
		{
			cms_draft_look_at(draft, id, i);
			cms_list_check(&list->rows[i]);
		}
		cms_draft_look_at(draft, id, -1);
		cms_draft_note_twice(draft, id);
	}
	check_claim(draft);
}

/* What cms_claim would refuse. */
static void
check_claim(CmsDraft *draft)
{
	const CmsClaimant *claim = &draft->claim;
	const CmsClaimant *saved = &draft->saved_claim;
	char *owner = cms_record_text(&draft->offer, "owner_service");
	char *owner_ref = cms_record_text(&draft->offer, "owner_ref");

	if (claim->service == NULL || !cms_text_is_one_of(claim->service, cms_claim_services))
		return;
	if (cms_claim_lacks_campaign(claim))
		cms_record_refuse(&draft->offer,
						  ERRCODE_NULL_VALUE_NOT_ALLOWED,
						  "claim.consumer_ref",
						  "Name the campaign that uses the offer.",
						  "consumer_ref is missing for the service OUTBOUND");
	if (!cms_claim_is_visible(owner, owner_ref, claim))
		cms_record_refuse(&draft->offer,
						  ERRCODE_CHECK_VIOLATION,
						  "claim.service",
						  "Claim it for its owner_service and owner_ref.",
						  "the offer belongs to %s%s%s",
						  owner,
						  owner_ref == NULL ? "" : " ",
						  owner_ref == NULL ? "" : owner_ref);
	if (saved->service == NULL && claim->consumer_ref != NULL &&
		strcmp(claim->service, CMS_SERVICE_OUTBOUND) == 0)
	{
		char *other = cms_claim_offer_of_campaign(draft->org, claim->consumer_ref);

		if (other != NULL)
			cms_record_refuse(&draft->offer,
							  ERRCODE_CHECK_VIOLATION,
							  "claim.consumer_ref",
							  "A campaign holds one offer: name another, or release that one.",
							  "OUTBOUND campaign %s has offer %s already",
							  claim->consumer_ref,
							  other);
	}
	if (saved->service == NULL && cms_draft_is(draft, "status", "ARCHIVED"))
		cms_record_refuse(&draft->offer,
						  ERRCODE_CHECK_VIOLATION,
						  "claim.service",
						  "Set status to ACTIVE, or leave the claim out.",
						  "an archived offer is not claimed");
	if (saved->service != NULL && (!cms_text_equal(saved->service, claim->service) ||
								   !cms_text_equal(saved->consumer_ref, claim->consumer_ref)))
		cms_record_refuse(&draft->offer,
						  ERRCODE_CHECK_VIOLATION,
						  "claim.service",
						  "Release the offer first, while nothing is issued.",
						  "the offer is claimed by %s",
						  cms_claim_text(saved));
}

/* The end of the call: summary, problems, warnings. */
static Datum
answer(FunctionCallInfo fcinfo, CmsDraft *draft)
{
	List *summary = cms_summary_of_draft(draft);
	List *doubts = cms_doubts_about_draft(draft);
	int line = 0;
	ListCell *cell;

	foreach (cell, summary)
	{
		CmsSentence *sentence = lfirst(cell);

		put(fcinfo, ++line, "SUMMARY", sentence->topic, sentence->text, NULL);
	}
	foreach (cell, draft->problems.found)
	{
		CmsProblem *problem = lfirst(cell);

		put(fcinfo, ++line, "PROBLEM", problem->column, problem->message, problem->hint);
	}
	foreach (cell, doubts)
	{
		CmsSentence *sentence = lfirst(cell);

		put(fcinfo, ++line, "WARNING", sentence->topic, sentence->text, sentence->hint);
	}
	cms_draft_close(draft);
	SPI_finish();
	return (Datum) 0;
}

static void
put(FunctionCallInfo fcinfo, int line, const char *kind, const char *field, const char *text,
	const char *hint)
{
	Datum values[5] = {Int32GetDatum(line)};
	bool nulls[5] = {false};

	cms_result_text(kind, values, nulls, 1);
	cms_result_text(field, values, nulls, 2);
	cms_result_text(text, values, nulls, 3);
	cms_result_text(hint, values, nulls, 4);
	cms_result_put(fcinfo, values, nulls);
}
