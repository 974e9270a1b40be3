/*
 * redeem.c
 *	  cms_check, cms_try and cms_redeem.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "args.h"
#include "array.h"
#include "plan.h"
#include "redeem.h"
#include "result.h"
#include "use.h"

PG_FUNCTION_INFO_V1(cms_check);
PG_FUNCTION_INFO_V1(cms_try);
PG_FUNCTION_INFO_V1(cms_redeem);

/* column of cms_check_result after those of cms_redeem_result */
enum
{
	out_reasons = cms_use_out_columns,
	out_columns
};

static Datum check(FunctionCallInfo fcinfo, bool recorded);
static Datum reason_names(uint64 reasons, CmsReason first);

/*
 * cms_check(code, customer_id, bill_amount, store_id, till_id, items, at, org)
 */
Datum
cms_check(PG_FUNCTION_ARGS)
{
	return check(fcinfo, false);
}

/* The same arguments. */
Datum
cms_try(PG_FUNCTION_ARGS)
{
	return check(fcinfo, true);
}

/* It only reads, but for the attempt that is recorded. */
static Datum
check(FunctionCallInfo fcinfo, bool recorded)
{
	CmsUse use = {
		.given_code = cms_arg_text(fcinfo, 0),
		.request.customer = cms_arg_id(fcinfo, 1, "customer_id"),
		.request.place.store = cms_arg_id(fcinfo, 3, "store_id"),
		.request.place.till = cms_arg_id(fcinfo, 4, "till_id"),
		.request.at = cms_arg_at(fcinfo, 6),
		.org = cms_arg_org(fcinfo, 7),
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum values[out_columns] = {0};
	bool nulls[out_columns];
	Datum row;

	cms_use_fetch_bill(fcinfo, 2, 5, &use.request);
	cms_call_begin();
	if (cms_use_begin(&use, true) && cms_use_find(&use, CMS_FIND_READ_ONLY))
		cms_use_evaluate(&use, 0, true);
	cms_use_end(&use, "CHECK", !recorded);
	cms_use_answer(&use, true, values, nulls);
	values[out_reasons] = reason_names(use.verdict.reasons, use.reason);
	nulls[out_reasons] = false;
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

/*
 * cms_redeem(code, customer_id, bill_amount, bill_ref, store_id, till_id, items, at, org)
 */
Datum
cms_redeem(PG_FUNCTION_ARGS)
{
	CmsUse use = {
		.given_code = cms_arg_text(fcinfo, 0),
		.request.customer = cms_arg_id(fcinfo, 1, "customer_id"),
		.ref = cms_arg_id(fcinfo, 3, "bill_ref"),
		.request.place.store = cms_arg_id(fcinfo, 4, "store_id"),
		.request.place.till = cms_arg_id(fcinfo, 5, "till_id"),
		.request.at = cms_arg_at(fcinfo, 7),
		.org = cms_arg_org(fcinfo, 8),
	};
	MemoryContext caller = CurrentMemoryContext;
	bool may_be_code;
	Datum values[cms_use_out_columns] = {0};
	bool nulls[cms_use_out_columns];
	Datum row;

	cms_use_fetch_bill(fcinfo, 2, 6, &use.request);
	cms_use_require_amount(&use.request);
	cms_call_begin();
	may_be_code = cms_use_begin(&use, false);
	if (use.ref == NULL)
		use.reason = CMS_BILL_REFERENCE_REQUIRED;
	else if (may_be_code)
		cms_use_redeem(&use);
	cms_use_end(&use, "REDEEM", false);
	cms_use_answer(&use, false, values, nulls);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

void
cms_redeem_unknown(int64 redemption_id)
{
	ereport(
		ERROR,
		(errcode(CMS_ERRCODE_UNKNOWN_REDEMPTION),
		 errmsg("unknown redemption " INT64_FORMAT, redemption_id),
		 errhint(
			 "Argument \"redemption_id\" must be the number that cms_redeem returned, in the org of the call.")));
}

/* Every reason by name, in order; "first" also where no rule was run. */
static Datum
reason_names(uint64 reasons, CmsReason first)
{
	const char *names[CMS_REASON_COUNT];
	int count = 0;

	if (first != CMS_OK)
		reasons |= CMS_REASON_BIT(first);
	for (int reason = 1; reason < CMS_REASON_COUNT; reason++)
		if (reasons & CMS_REASON_BIT(reason))
			names[count++] = cms_reason_name(reason);
	return cms_array_of_texts(names, count);
}
