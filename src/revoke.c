/*
 * revoke.c
 *	  cms_revoke: coupons made unredeemable for good (F39).
 *
 * A coupon is redeemed, and left, when it has no use left; one with uses left is
 * revoked for the future. The rows are locked in the order of their number, so
 * that two revocations do not wait for each other in a circle.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "args.h"
#include "array.h"
#include "counter.h"
#include "offer.h"
#include "plan.h"
#include "result.h"

PG_FUNCTION_INFO_V1(cms_revoke);

typedef enum Scope
{
	SCOPE_ALL_UNREDEEMED,
	SCOPE_UNISSUED,
	SCOPE_CUSTOMERS,
	SCOPE_CODES,
	SCOPE_COUNT
} Scope;

static const char *const scope_names[SCOPE_COUNT] = {
	[SCOPE_ALL_UNREDEEMED] = "ALL_UNREDEEMED",
	[SCOPE_UNISSUED] = "UNISSUED",
	[SCOPE_CUSTOMERS] = "CUSTOMERS",
	[SCOPE_CODES] = "CODES",
};

static Scope fetch_scope(FunctionCallInfo fcinfo, int n);
static Datum fetch_list(FunctionCallInfo fcinfo, int n, const char *name, Scope scope);
static Datum normalised(char **codes, int count);
static bool names_common_code(Datum codes, const CmsOffer *offer);

/*
 * $3 is the list of the scope, $4 the uses of a coupon (NULL: unlimited). A
 * coupon of the scope is either revoked or counted as left; the outer statement
 * counts both.
 */
#define REVOKE(condition)                                                                                    \
	"WITH wanted AS MATERIALIZED ("                                                                          \
	" SELECT c.coupon_id, c.issued_at IS NOT NULL AS issued,"                                                \
	"  c.uses > 0 AND c.uses + c.forfeited_uses >= $4 AS redeemed"                                           \
	" FROM cms.coupon c"                                                                                     \
	" WHERE c.org_id = $1 AND c.offer_id = $2 AND c.revoked_at IS NULL AND " condition                       \
	" ORDER BY c.coupon_id FOR UPDATE"                                                                       \
	"), revoked AS ("                                                                                        \
	" UPDATE cms.coupon c SET revoked_at = $5 FROM wanted w"                                                 \
	" WHERE c.org_id = $1 AND c.coupon_id = w.coupon_id AND w.redeemed IS NOT TRUE"                          \
	" RETURNING w.issued"                                                                                    \
	") SELECT (SELECT count(*) FROM revoked WHERE issued), (SELECT count(*) FROM revoked WHERE NOT issued)," \
	" (SELECT count(*) FROM wanted WHERE redeemed)"

static CmsPlan plans[SCOPE_COUNT] = {
	[SCOPE_ALL_UNREDEEMED] = {REVOKE("$3 IS NULL"),
							  5,
							  {INT4OID, INT8OID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID}},
	[SCOPE_UNISSUED] = {REVOKE("c.issued_at IS NULL AND $3 IS NULL"),
						5,
						{INT4OID, INT8OID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID}},
	[SCOPE_CUSTOMERS] =
		{REVOKE("c.customer_id = ANY ($3) AND (c.expires_at IS NULL OR c.expires_at > $5)"),
		 5,
		 {INT4OID, INT8OID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID}},
	[SCOPE_CODES] = {REVOKE("c.code = ANY ($3) AND NOT c.shared"),
					 5,
					 {INT4OID, INT8OID, TEXTARRAYOID, INT4OID, TIMESTAMPTZOID}},
};

/*
 * cms_revoke(offer_id, scope, customer_ids, codes, confirm, at, org)
 */
Datum
cms_revoke(PG_FUNCTION_ARGS)
{
	int64 offer_id = cms_arg_int64(fcinfo, 0, "offer_id");
	Scope scope = fetch_scope(fcinfo, 1);
	Datum customers =
		fetch_list(fcinfo, 2, "customer_ids", scope == SCOPE_CUSTOMERS ? scope : SCOPE_COUNT);
	Datum codes = fetch_list(fcinfo, 3, "codes", scope == SCOPE_CODES ? scope : SCOPE_COUNT);
	bool confirm = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	TimestampTz at = cms_arg_at(fcinfo, 5);
	int org = cms_arg_org(fcinfo, 6);
	Datum list = scope == SCOPE_CUSTOMERS ? customers : codes;
	MemoryContext caller = CurrentMemoryContext;
	const CmsOffer *offer;
	CmsParams params = {0};
	CmsCount count = {0};
	Datum values[3];
	bool nulls[3] = {false};
	Datum row;

	cms_call_begin();
	offer = cms_offer_get(org, offer_id, false);
	if (!confirm)
		ereport(
			ERROR,
			(errcode(CMS_ERRCODE_NOT_CONFIRMED),
			 errmsg("argument \"confirm\" must be true to revoke coupons of offer " INT64_FORMAT,
					offer_id),
			 errdetail("Revoked coupons can be neither redeemed nor reversed."),
			 errhint("Call again with confirm => true.")));

	/* coupons keep the code they were issued with, and are known by the offer's present one */
	if (scope == SCOPE_CODES && names_common_code(codes, offer))
	{
		scope = SCOPE_ALL_UNREDEEMED;
		list = (Datum) 0;
	}

	/* of customers the active coupons are meant, and with the offer all may have ended */
	if (scope == SCOPE_CUSTOMERS && offer->end_binds_coupons && at >= offer->ends_at)
		list = cms_array_of_texts(NULL, 0);

	cms_param_int(&params, org);
	cms_param_int64(&params, offer_id);
	cms_param(&params, list, list == (Datum) 0);
	cms_param(&params,
			  Int32GetDatum(offer->max_uses_per_coupon),
			  offer->max_uses_per_coupon == CMS_UNLIMITED);
	cms_param_instant(&params, at);
	cms_plan_write(&plans[scope], params.values, params.nulls);
	for (int i = 0; i < 3; i++)
		values[i] = Int64GetDatum(cms_row_int64(0, i + 1, 0));
	count.stock = -DatumGetInt64(values[1]);
	if (count.stock != 0 && !cms_counter_add(offer, &count))
		elog(ERROR, "no counters of offer " INT64_FORMAT, offer_id);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static Scope
fetch_scope(FunctionCallInfo fcinfo, int n)
{
	char *name = cms_arg_required_id(fcinfo, n, "scope");

	for (int scope = 0; scope < SCOPE_COUNT; scope++)
		if (strcmp(name, scope_names[scope]) == 0)
			return scope;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"scope\" must not be \"%s\"", name),
			 errhint("Use ALL_UNREDEEMED, UNISSUED, CUSTOMERS or CODES.")));
}

/* The list that the scope asks for; one that it does not ask for would be ignored, so it is an error. */
static Datum
fetch_list(FunctionCallInfo fcinfo, int n, const char *name, Scope scope)
{
	char **texts;
	int count = cms_arg_texts(fcinfo, n, name, &texts);

	if (scope == SCOPE_COUNT)
	{
		if (count >= 0)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not used by this scope", name),
				 errhint(
					 "Leave it out, or use the scope CUSTOMERS with \"customer_ids\" or CODES with \"codes\".")));
		return (Datum) 0;
	}
	if (count < 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null with scope %s", name, scope_names[scope])));
	for (int i = 0; i < count; i++)
		if (texts[i] == NULL)
			ereport(
				ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not contain null, as element %d does", name, i + 1)));
	return scope == SCOPE_CODES ? normalised(texts, count) : PG_GETARG_DATUM(n);
}

/* Codes as they are stored; what cannot be a code is no coupon's. */
static Datum
normalised(char **codes, int count)
{
	const char **good = palloc(sizeof(char *) * Max(count, 1));
	int ngood = 0;
	char code[CMS_CODE_MAX_LENGTH + 1];

	for (int i = 0; i < count; i++)
		if (cms_code_normalise(codes[i], strlen(codes[i]), code) == CMS_OK)
			good[ngood++] = pstrdup(code);
	return cms_array_of_texts(good, ngood);
}

/* "codes" as they are stored */
static bool
names_common_code(Datum codes, const CmsOffer *offer)
{
	char **texts;
	int count;

	if (offer->common_code == NULL)
		return false;
	count = cms_array_texts(codes, &texts);
	for (int i = 0; i < count; i++)
		if (strcmp(texts[i], offer->common_code) == 0)
			return true;
	return false;
}
