/*
 * claim.c
 *	  Which service uses an offer (F4, F5): cms_claim, cms_release.
 *
 * The row of cms.claim is the claim; its primary key decides between simultaneous
 * claims of an offer, and a unique index between offers of an OUTBOUND campaign.
 * Who loses reads who won with the latest snapshot, and tries again if that one
 * has gone meanwhile. Every change of the row raises the version of the offer.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "claim.h"
#include "counter.h"
#include "event.h"
#include "org.h"
#include "plan.h"
#include "result.h"
#include "text.h"

const char *const cms_claim_services[] = {
	CMS_SERVICE_OUTBOUND, "TIMELINE", "DVS", "LOYALTY", "EXTERNAL", NULL};
static const char services_hint[] = "Services are OUTBOUND, TIMELINE, DVS, LOYALTY and EXTERNAL.";

PG_FUNCTION_INFO_V1(cms_claim);
PG_FUNCTION_INFO_V1(cms_release);

static bool read_claim(const CmsOffer *offer, CmsClaimant *holder);
static void read_claimant(CmsClaimant *claimant);
static bool insert_claim(const CmsOffer *offer, const CmsClaimant *claimant);
static bool refresh_claim(const CmsOffer *offer, const CmsClaimant *claimant, TimestampTz at,
						  CmsClaimant *holder);
static void refuse_old_snapshot(int64 offer_id);
static void record(const CmsOffer *offer, const char *action, TimestampTz at,
				   const CmsClaimant *before, const CmsClaimant *after);
static Datum result_row(FunctionCallInfo fcinfo, MemoryContext caller, bool claimed,
						CmsReason reason, const char *message, const CmsClaimant *holder);
static char *refusal_text(const CmsOffer *offer, CmsReason reason, const CmsClaimant *claimant,
						  const CmsClaimant *holder);

static CmsPlan lock_offer = {
	"SELECT FROM cms.offer WHERE org_id = $1 AND offer_id = $2 FOR SHARE", 2, {INT4OID, INT8OID}};

static CmsPlan find = {"SELECT service, consumer_ref, consumer_name, ends_on FROM cms.claim"
					   " WHERE org_id = $1 AND offer_id = $2",
					   2,
					   {INT4OID, INT8OID}};

static CmsPlan insert = {
	"INSERT INTO cms.claim (org_id, offer_id, service, consumer_ref,"
	" consumer_name, ends_on, claimed_by, claimed_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
	8,
	{INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, DATEOID, TEXTOID, TIMESTAMPTZOID}};

/* NULL leaves a column as it is; the rest of the condition because the holder may have changed. */
static CmsPlan refresh = {"UPDATE cms.claim SET consumer_name = COALESCE($5, consumer_name),"
						  " ends_on = COALESCE($6, ends_on)"
						  " WHERE org_id = $1 AND offer_id = $2 AND service = $3"
						  " AND consumer_ref IS NOT DISTINCT FROM $4"
						  " RETURNING service, consumer_ref, consumer_name, ends_on",
						  6,
						  {INT4OID, INT8OID, TEXTOID, TEXTOID, TEXTOID, DATEOID}};

static CmsPlan remove_claim = {
	"DELETE FROM cms.claim WHERE org_id = $1 AND offer_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan find_campaign = {"SELECT o.offer_id, o.name FROM cms.claim c JOIN cms.offer o"
								" ON o.org_id = c.org_id AND o.offer_id = c.offer_id"
								" WHERE c.org_id = $1 AND c.service = 'OUTBOUND'"
								" AND c.consumer_ref = $2",
								2,
								{INT4OID, TEXTOID}};

/* cms_claim(offer_id, service, consumer_ref, consumer_name, ends_on, at, org) */
Datum
cms_claim(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	CmsClaimant claimant = {0};
	CmsClaimant holder = {0};
	MemoryContext caller = CurrentMemoryContext;
	int org;
	const CmsOffer *offer;
	CmsReason reason;
	TimestampTz at;
	Datum row;

	claimant.service = cms_arg_required_short_text(fcinfo, 1, "service", services_hint);
	claimant.consumer_ref = cms_arg_id(fcinfo, 2, "consumer_ref");
	claimant.consumer_name = cms_arg_short_text(fcinfo, 3, "consumer_name", "Pass a shorter name.");
	claimant.has_end =
		cms_arg_date(fcinfo, 4, "ends_on", "Pass a day, or NULL for \"never\".", &claimant.ends_on);
	at = cms_arg_at(fcinfo, 5);
	org = cms_arg_org(fcinfo, 6);
	cms_claim_check_service(claimant.service);

	cms_call_begin();
	do
	{
		CHECK_FOR_INTERRUPTS();
		offer = cms_offer_get(org, offer_id, false);
	} while (!cms_claim_begin(offer));
	reason = cms_claim_take(offer, &claimant, at, &holder);
	row = result_row(fcinfo,
					 caller,
					 reason == CMS_OK,
					 reason,
					 refusal_text(offer, reason, &claimant, &holder),
					 &holder);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

/*
 * cms_release(offer_id, at, org)
 *
 * The lock of the counter makes "nothing is issued" final until the claim is gone:
 * who issues meanwhile waits for it with its counting.
 */
Datum
cms_release(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	MemoryContext caller = CurrentMemoryContext;
	CmsClaimant holder = {0};
	CmsReason reason = CMS_OK;
	char *message = NULL;
	bool claimed = false;
	int org;
	const CmsOffer *offer;
	TimestampTz at;
	Datum row;

	at = cms_arg_at(fcinfo, 1);
	org = cms_arg_org(fcinfo, 2);

	cms_call_begin();
	offer = cms_offer_get(org, offer_id, false);
	if (read_claim(offer, &holder))
	{
		CmsTotals totals;

		cms_counter_lock(org, offer_id, &totals);
		if (totals.issued > 0)
		{
			claimed = true;
			reason = CMS_ALREADY_ISSUED;
			message = psprintf("%s keeps the offer, of which " INT64_FORMAT " %s issued.",
							   cms_claim_text(&holder),
							   totals.issued,
							   totals.issued == 1 ? "is" : "are");
		}
		else
		{
			Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

			if (cms_plan_write(&remove_claim, values, NULL) == 0)
				refuse_old_snapshot(offer_id);
			else
				record(offer, "RELEASED", at, &holder, NULL);
			memset(&holder, 0, sizeof(holder));
		}
	}
	row = result_row(fcinfo, caller, claimed, reason, message, &holder);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

bool
cms_claim_begin(const CmsOffer *offer)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};
	CmsClaimant holder = {0};

	/* there is nothing to take then; a fixed snapshot is told who has it all the same */
	if (read_claim(offer, &holder))
		return IsolationUsesXactSnapshot() || cms_offer_stands(offer);
	if (cms_plan_run(&lock_offer, values, NULL, false) == 0)
		cms_offer_unknown(offer->offer_id);
	return cms_offer_stands(offer);
}

CmsReason
cms_claim_take(const CmsOffer *offer, const CmsClaimant *claimant, TimestampTz at,
			   CmsClaimant *holder)
{
	memset(holder, 0, sizeof(*holder));
	if (cms_claim_lacks_campaign(claimant))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"consumer_ref\" must not be null for the service OUTBOUND"),
				 errhint("Name the campaign that uses the offer.")));
	if (!cms_claim_is_visible(offer->owner_service, offer->owner_ref, claimant))
		return CMS_NOT_VISIBLE;

	for (;;)
	{
		if (read_claim(offer, holder))
		{
			if (strcmp(holder->service, claimant->service) != 0 ||
				!cms_text_equal(holder->consumer_ref, claimant->consumer_ref))
				return CMS_ALREADY_CLAIMED;
			if (refresh_claim(offer, claimant, at, holder))
				return CMS_OK;
		}
		else if (offer->archived)
			return CMS_OFFER_ARCHIVED;
		else if (insert_claim(offer, claimant))
		{
			*holder = *claimant;
			record(offer, "CLAIMED", at, NULL, claimant);
			return CMS_OK;
		}
		else if (claimant->consumer_ref != NULL &&
				 strcmp(claimant->service, CMS_SERVICE_OUTBOUND) == 0 &&
				 cms_claim_offer_of_campaign(offer->org, claimant->consumer_ref) != NULL)
		{
			/* both may be so at once: the offer's own holder is the first reason */
			if (read_claim(offer, holder))
				continue;
			return CMS_CAMPAIGN_HAS_OFFER;
		}
		/* who was in the way has released or rolled back between two looks */
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * For who has issued as the holder, with the counter locked: a release that came
 * between the decision and the lock is seen.
 */
bool
cms_claim_stands(const CmsOffer *offer)
{
	CmsClaimant holder = {0};

	return read_claim(offer, &holder) && strcmp(holder.service, offer->claim_service) == 0 &&
		   cms_text_equal(holder.consumer_ref, offer->claim_ref);
}

bool
cms_claim_is_visible(const char *owner_service, const char *owner_ref, const CmsClaimant *claimant)
{
	if (owner_service == NULL)
		return true;
	return strcmp(owner_service, claimant->service) == 0 &&
		   (owner_ref == NULL || cms_text_equal(owner_ref, claimant->consumer_ref));
}

/* NULLs are not equal: without a name the index would let a campaign hold any number */
bool
cms_claim_lacks_campaign(const CmsClaimant *claimant)
{
	return strcmp(claimant->service, CMS_SERVICE_OUTBOUND) == 0 && claimant->consumer_ref == NULL;
}

static bool
read_claim(const CmsOffer *offer, CmsClaimant *holder)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};

	memset(holder, 0, sizeof(*holder));
	if (cms_plan_run_latest(&find, values, NULL) == 0)
		return false;
	read_claimant(holder);
	return true;
}

/* from the first row of the last statement */
static void
read_claimant(CmsClaimant *claimant)
{
	bool isnull;
	Datum ends_on = cms_row_value(0, 4, &isnull);

	claimant->service = cms_row_text(0, 1);
	claimant->consumer_ref = cms_row_text(0, 2);
	claimant->consumer_name = cms_row_text(0, 3);
	claimant->has_end = !isnull;
	claimant->ends_on = isnull ? 0 : DatumGetDateADT(ends_on);
}

static bool
insert_claim(const CmsOffer *offer, const CmsClaimant *claimant)
{
	CmsParams params = {0};

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_text(&params, claimant->service);
	cms_param_text(&params, claimant->consumer_ref);
	cms_param_text(&params, claimant->consumer_name);
	cms_param(&params, DateADTGetDatum(claimant->ends_on), !claimant->has_end);
	cms_param_text(&params, cms_org_caller_name());
	cms_param_instant(&params, GetCurrentTransactionStartTimestamp());
	return cms_plan_run(&insert, params.values, params.nulls, false) == 1;
}

/*
 * The holder has asked again; what it names replaces what is stored. False if it
 * holds the offer no longer.
 */
static bool
refresh_claim(const CmsOffer *offer, const CmsClaimant *claimant, TimestampTz at,
			  CmsClaimant *holder)
{
	bool new_name = claimant->consumer_name != NULL &&
					!cms_text_equal(claimant->consumer_name, holder->consumer_name);
	bool new_end = claimant->has_end && !(holder->has_end && holder->ends_on == claimant->ends_on);
	CmsParams params = {0};
	CmsClaimant before = *holder;

	/* an unchanged row keeps the compiled copies of the offer good */
	if (!new_name && !new_end)
		return true;
	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_text(&params, claimant->service);
	cms_param_text(&params, claimant->consumer_ref);
	cms_param_text(&params, new_name ? claimant->consumer_name : NULL);
	cms_param(&params, DateADTGetDatum(claimant->ends_on), !new_end);
	if (cms_plan_write(&refresh, params.values, params.nulls) == 1)
	{
		read_claimant(holder);
		record(offer, "CLAIM_CHANGED", at, &before, holder);
		return true;
	}
	refuse_old_snapshot(offer->offer_id);
	return false;
}

/* F49 */
static void
record(const CmsOffer *offer, const char *action, TimestampTz at, const CmsClaimant *before,
	   const CmsClaimant *after)
{
	const CmsClaimant *claimants[] = {before, after};
	CmsFacts facts[lengthof(claimants)] = {0};
	CmsEvent event = {
		.org = offer->org,
		.action = action,
		.object = "claim",
		.object_id = psprintf(INT64_FORMAT, offer->offer_id),
		.offer_id = offer->offer_id,
		.at = at,
		.old_values = &facts[0],
		.new_values = &facts[1],
	};

	for (int i = 0; i < lengthof(claimants); i++)
	{
		if (claimants[i] == NULL)
			continue;
		cms_facts_text(&facts[i], "service", claimants[i]->service);
		cms_facts_text(&facts[i], "consumer_ref", claimants[i]->consumer_ref);
		cms_facts_text(&facts[i], "consumer_name", claimants[i]->consumer_name);
		cms_facts_day(&facts[i], "ends_on", claimants[i]->has_end, claimants[i]->ends_on);
	}
	cms_event_record(&event);
}

/*
 * A claim that the latest snapshot shows, and a change does not find: it has gone
 * meanwhile, or this transaction's own snapshot is older and will stay so.
 */
static void
refuse_old_snapshot(int64 offer_id)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access to the claim of offer " INT64_FORMAT, offer_id),
				 errhint("The transaction might succeed if retried.")));
}

char *
cms_claim_offer_of_campaign(int org, const char *consumer_ref)
{
	Datum values[] = {Int32GetDatum(org), CStringGetTextDatum(consumer_ref)};

	if (cms_plan_run_latest(&find_campaign, values, NULL) == 0)
		return NULL;
	return psprintf(INT64_FORMAT " (%s)", cms_row_int64(0, 1, 0), cms_row_text(0, 2));
}

char *
cms_claim_arg_service(FunctionCallInfo fcinfo, int n)
{
	return cms_arg_short_text(fcinfo, n, "service", services_hint);
}

void
cms_claim_check_service(const char *service)
{
	if (!cms_text_is_one_of(service, cms_claim_services))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"service\" must not be \"%s\"", service),
				 errhint("%s", services_hint)));
}

void
cms_claim_check_names(const char *service, const char *consumer_ref)
{
	if (service != NULL)
		cms_claim_check_service(service);
	else if (consumer_ref != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"consumer_ref\" needs \"service\""),
				 errhint("Name the service whose campaign or program it is.")));
}

char *
cms_claim_text(const CmsClaimant *claimant)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, claimant->service);
	if (claimant->consumer_ref != NULL)
		appendStringInfo(&text,
						 " %s %s",
						 strcmp(claimant->service, CMS_SERVICE_OUTBOUND) == 0 ? "campaign"
																			  : "program",
						 claimant->consumer_ref);
	if (claimant->consumer_name != NULL)
		appendStringInfo(&text, " (%s)", claimant->consumer_name);
	return text.data;
}

/* NULL where the standard sentence says all there is to say */
static char *
refusal_text(const CmsOffer *offer, CmsReason reason, const CmsClaimant *claimant,
			 const CmsClaimant *holder)
{
	switch (reason)
	{
		case CMS_NOT_VISIBLE:
			return psprintf("The offer belongs to %s%s%s.",
							offer->owner_service,
							offer->owner_ref ? " " : "",
							offer->owner_ref ? offer->owner_ref : "");
		case CMS_ALREADY_CLAIMED:
			return psprintf("The offer is claimed by %s.", cms_claim_text(holder));
		case CMS_CAMPAIGN_HAS_OFFER:
		{
			char *other = cms_claim_offer_of_campaign(offer->org, claimant->consumer_ref);

			return other == NULL ? NULL
								 : psprintf("OUTBOUND campaign %s has offer %s already.",
											claimant->consumer_ref,
											other);
		}
		default:
			return NULL;
	}
}

static Datum
result_row(FunctionCallInfo fcinfo, MemoryContext caller, bool claimed, CmsReason reason,
		   const char *message, const CmsClaimant *holder)
{
	Datum values[8] = {BoolGetDatum(claimed)};
	bool nulls[8] = {false};

	cms_result_reason(reason, message, values, nulls, 1, 2);
	cms_result_text(holder->service ? cms_claim_text(holder) : NULL, values, nulls, 3);
	cms_result_text(holder->service, values, nulls, 4);
	cms_result_text(holder->consumer_ref, values, nulls, 5);
	cms_result_text(holder->consumer_name, values, nulls, 6);
	values[7] = DateADTGetDatum(holder->ends_on);
	nulls[7] = holder->service == NULL || !holder->has_end;
	return cms_result_row(fcinfo, caller, values, nulls);
}
