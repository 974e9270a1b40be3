/*
 * complete.c
 *	  cms_complete_redemption: what became known of a bill after its redemption (F38).
 *
 * Fills what is not recorded yet and changes nothing that is; no rule is judged again.
 * Locks the redemption alone. The columns that it writes are in no index, so that the
 * update stays on its page.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/jsonb.h"

#include "args.h"
#include "coupon.h"
#include "money.h"
#include "org.h"
#include "plan.h"
#include "redeem.h"
#include "result.h"
#include "refresh_summary.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_complete_redemption);

/* What is told of a redemption; NULL: nothing about it. */
typedef struct Bill
{
	char *ref;
	Numeric amount;
	char *store;
	char *till;
} Bill;

typedef struct Completion
{
	int org;
	int64 redemption_id;
	int64 offer_id;
	Bill given;
	Jsonb *details;
	TimestampTz at;
	Bill recorded;
	TimestampTz redeemed_at;
	bool reversed;
	char *other_detail; /* the first key of the details that is recorded with another value */
	bool new_details;
	CmsPlace place; /* that the redemption has with what is given */
	CmsReason reason;
	char *message;
	bool replayed;
} Completion;

/* columns of cms_complete_result */
enum
{
	out_redemption_id,
	out_completed,
	out_reason,
	out_message,
	out_replayed,
	out_columns
};

static void fetch_details(FunctionCallInfo fcinfo, int n, Completion *c);
static void require_something(const Completion *c);
static void read_redemption(Completion *c);
static void find_place(Completion *c);
static void judge(Completion *c);
static char *what_differs(const Completion *c);
static bool differs(const char *given, const char *recorded);
static void write_completion(const Completion *c);

/* After the lock, so that of several completions each sees what the one before recorded. */
static CmsPlan lock = {
	"SELECT r.bill_ref, r.bill_amount, r.store_id, r.till_id, r.redeemed_at, r.reversed_at IS NOT NULL,"
	" (SELECT min(n.key COLLATE \"C\") FROM jsonb_each($3) n WHERE (r.details -> n.key) <> n.value),"
	" EXISTS (SELECT FROM jsonb_each($3) n WHERE (r.details ? n.key) IS NOT TRUE), r.offer_id"
	" FROM cms.redemption r WHERE r.org_id = $1 AND r.redemption_id = $2 FOR NO KEY UPDATE",
	3,
	{INT4OID, INT8OID, JSONBOID}};

static CmsPlan complete = {
	"UPDATE cms.redemption SET store_id = $3, till_id = $4, details = COALESCE(details || $5, $5, details),"
	" completed_at = $6, completed_by = $7"
	" WHERE org_id = $1 AND redemption_id = $2",
	7,
	{INT4OID, INT8OID, TEXTOID, TEXTOID, JSONBOID, TIMESTAMPTZOID, TEXTOID}};

/*
 * cms_complete_redemption(redemption_id, bill_ref, bill_amount, store_id, till_id, details, at, org)
 */
Datum
cms_complete_redemption(PG_FUNCTION_ARGS)
{
	Completion c = {
		.redemption_id = cms_arg_int64(fcinfo, 0, "redemption_id"),
		.given.ref = cms_arg_id(fcinfo, 1, "bill_ref"),
		.given.amount = cms_arg_amount(fcinfo, 2, "bill_amount"),
		.given.store = cms_arg_id(fcinfo, 3, "store_id"),
		.given.till = cms_arg_id(fcinfo, 4, "till_id"),
		.at = cms_arg_at(fcinfo, 6),
		.org = cms_arg_org(fcinfo, 7),
	};
	MemoryContext caller = CurrentMemoryContext;
	Datum values[out_columns];
	bool nulls[out_columns] = {false};
	Datum row;

	fetch_details(fcinfo, 5, &c);
	require_something(&c);
	cms_call_begin();
	read_redemption(&c);
	find_place(&c);
	judge(&c);
	if (c.reason == CMS_OK && !c.replayed)
		write_completion(&c);

	values[out_redemption_id] = Int64GetDatum(c.redemption_id);
	values[out_completed] = BoolGetDatum(c.reason == CMS_OK);
	cms_result_reason(c.reason, c.message, values, nulls, out_reason, out_message);
	values[out_replayed] = BoolGetDatum(c.replayed);
	row = cms_result_row(fcinfo, caller, values, nulls);
	SPI_finish();
	PG_RETURN_DATUM(row);
}

static void
fetch_details(FunctionCallInfo fcinfo, int n, Completion *c)
{
	if (PG_ARGISNULL(n))
		return;
	c->details = PG_GETARG_JSONB_P(n);
	if (!JB_ROOT_IS_OBJECT(c->details))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"details\" is not a JSON object"),
				 errhint("Give an object, such as {\"invoice\": \"A-17\"}.")));
}

static void
require_something(const Completion *c)
{
	const Bill *given = &c->given;

	if (given->ref == NULL && given->amount == NULL && given->store == NULL &&
		given->till == NULL && c->details == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("there is nothing to complete: all arguments but \"redemption_id\" are null"),
			 errhint("Give what became known: \"store_id\", \"till_id\" or \"details\".")));
}

static void
read_redemption(Completion *c)
{
	CmsParams params = {0};

	cms_param_int(&params, c->org);
	cms_param_int64(&params, c->redemption_id);
	cms_param(&params, PointerGetDatum(c->details), c->details == NULL);
	if (cms_plan_run(&lock, params.values, params.nulls, false) == 0)
		cms_redeem_unknown(c->redemption_id);
	c->recorded.ref = cms_row_text(0, 1);
	c->recorded.amount = cms_row_numeric(0, 2);
	c->recorded.store = cms_row_text(0, 3);
	c->recorded.till = cms_row_text(0, 4);
	c->redeemed_at = cms_row_timestamptz(0, 5, 0);
	c->reversed = cms_row_bool(0, 6, false);
	c->other_detail = cms_row_text(0, 7);
	c->new_details = cms_row_bool(0, 8, false);
	c->offer_id = cms_row_int64(0, 9, 0);
}

/*
 * A registered till tells its store, and must not contradict the one given (MS010). Asked
 * for only where it would record something: what is recorded stays, wherever a till has
 * moved since.
 */
static void
find_place(Completion *c)
{
	const Bill *given = &c->given;
	const Bill *recorded = &c->recorded;
	bool new_till = given->till != NULL && recorded->till == NULL;
	bool new_store = (given->till != NULL || given->store != NULL) && recorded->store == NULL;

	c->place.till = given->till != NULL ? given->till : recorded->till;
	c->place.store = given->store;
	if (c->place.till != NULL && (new_till || new_store))
		cms_coupon_resolve_place(c->org, &c->place, false);
	if (c->place.store == NULL)
		c->place.store = recorded->store;
}

static void
judge(Completion *c)
{
	char *other = what_differs(c);

	if (other != NULL)
	{
		c->reason = CMS_BILL_CONFLICT;
		c->message = psprintf("The redemption is recorded with another %s.", other);
	}
	else if (c->reversed)
		c->reason = CMS_ALREADY_REVERSED;
	else
		c->replayed = !c->new_details && cms_text_equal(c->place.store, c->recorded.store) &&
					  cms_text_equal(c->place.till, c->recorded.till);
}

/* What is recorded otherwise than it is given, in a word; NULL: nothing. */
static char *
what_differs(const Completion *c)
{
	if (differs(c->given.ref, c->recorded.ref))
		return "bill reference";
	if (c->given.amount != NULL && cms_money_compare(c->given.amount, c->recorded.amount) != 0)
		return "amount";
	/* also where it is the store of the till given */
	if (differs(c->place.store, c->recorded.store))
		return "store";
	if (differs(c->given.till, c->recorded.till))
		return "till";
	if (c->other_detail != NULL)
		return psprintf("value of \"%s\"", c->other_detail);
	return NULL;
}

static bool
differs(const char *given, const char *recorded)
{
	return given != NULL && recorded != NULL && strcmp(given, recorded) != 0;
}

static void
write_completion(const Completion *c)
{
	CmsParams params = {0};

	cms_param_int(&params, c->org);
	cms_param_int64(&params, c->redemption_id);
	cms_param_text(&params, c->place.store);
	cms_param_text(&params, c->place.till);
	cms_param(&params, PointerGetDatum(c->details), c->details == NULL);
	cms_param_instant(&params, Max(c->at, c->redeemed_at));
	cms_param_text(&params, cms_org_caller_name());
	cms_plan_write(&complete, params.values, params.nulls);
	/* no counter tells that */
	if (c->recorded.store == NULL && c->place.store != NULL)
		cms_summary_mark(c->org, c->offer_id);
}
