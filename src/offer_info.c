/*
 * offer_info.c
 *	  Everything about one offer: cms_offer_info (F7).
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "args.h"
#include "generate.h"
#include "offer.h"
#include "offers.h"
#include "plan.h"
#include "preview.h"
#include "result.h"

#define NCOLUMNS 36

/* configuration and codes left are worked out by the caller */
static CmsPlan info_of_offer = {
	.text = "SELECT o.offer_id, o.code, o.name, o.pos_code, " CMS_OFFERS_STATUS ", $4,"
			" cms.cms_discount_text(o.discount_type, o.discount_value, o.discount_cap, g.currency),"
			" o.expiry_type, COALESCE(o.expires_on, l.ends_on),"
			" cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone),"
			" o.code_method, $5, o.owner_service, o.owner_ref,"
			" l.service, l.consumer_ref, l.consumer_name, l.ends_on, l.claimed_by, l.claimed_at,"
			" p.issued, p.redeemed, p.uses, p.redemption_rate, p.discount_given,"
			" p.issues_left, p.redemptions_left, p.budget_left,"
			" p.first_issued_at, p.last_issued_at, p.first_redeemed_at, p.last_redeemed_at,"
			" o.created_by, o.created_at, o.modified_by, o.modified_at"
			" FROM cms.offer o JOIN cms.org g ON g.org_id = o.org_id"
			" JOIN cms.offer_performance p ON p.org_id = o.org_id AND p.offer_id = o.offer_id"
			" LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id"
			" WHERE o.org_id = $1 AND o.offer_id = $3",
	.nargs = 5,
	.argtypes = {INT4OID, TIMESTAMPTZOID, INT8OID, TEXTOID, NUMERICOID},
};

PG_FUNCTION_INFO_V1(cms_offer_info);

/* cms_offer_info(offer_id, at, org) */
Datum
cms_offer_info(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	TimestampTz at = cms_arg_at(fcinfo, 1);
	int org = cms_arg_org(fcinfo, 2);
	MemoryContext caller = CurrentMemoryContext;
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS];
	CmsParams params = {0};
	Numeric codes_left;
	char *summary;
	Datum row;

	cms_call_begin();
	codes_left = cms_generate_codes_left(cms_offer_get(org, offer_id, true));
	summary = cms_preview_summary(org, offer_id, at);
	cms_param_int(&params, org);
	cms_param_instant(&params, at);
	cms_param_int64(&params, offer_id);
	cms_param_text(&params, summary);
	cms_param_numeric(&params, codes_left);
	if (cms_plan_run(&info_of_offer, params.values, params.nulls, true) == 0)
		cms_offer_unknown(offer_id);
	for (int i = 0; i < NCOLUMNS; i++)
		values[i] = cms_row_value(0, i + 1, &nulls[i]);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}
