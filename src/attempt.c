/*
 * attempt.c
 *	  Refused attempts (cms.attempt), the limit on those with an unknown code, and
 *	  what an outsider is told.
 *
 * A till or customer is blocked while as many of its attempts with an unknown code
 * as are allowed lie within the time before now; so the block ends when the earliest
 * of these has grown old. What is refused because of the block is none of them, and
 * does not extend it.
 *
 * Who is about to fail takes a lock of its till and its customer, until the end of the
 * transaction, and counts again with the latest snapshot: of any number of attempts at
 * once no more are answered than are allowed. Who succeeds takes no such lock. These
 * locks come after all others of a call.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "attempt.h"
#include "lock.h"
#include "org.h"
#include "org_rules.h"
#include "plan.h"

/* characters of a code that are kept: more than any code has */
#define CODE_KEPT 100

static bool is_limited(const CmsAttempt *attempt, const CmsOrgRules *rules);
static void lock_who_fails(const CmsAttempt *attempt);
static uint32 lock_of(char kind, const char *id);
static void
record(const CmsAttempt *attempt, CmsReason reason, bool unknown, int64 offer_id, int64 coupon_id);

#define UNKNOWN_CODE                                                           \
	(CMS_REASON_BIT(CMS_CODE_NOT_FOUND) | CMS_REASON_BIT(CMS_COUPON_REVOKED) | \
	 CMS_REASON_BIT(CMS_NOT_ISSUED) | CMS_REASON_BIT(CMS_NOT_THE_HOLDER))

/* The attempt whose growing old ends a block, the later of the two. NULL: neither is blocked. */
static CmsPlan blocking = {
	.text = "SELECT GREATEST("
			"(SELECT t.recorded_at FROM cms.attempt t"
			" WHERE t.org_id = $1 AND t.till_id = $2 AND t.unknown_code AND t.recorded_at > $4"
			" ORDER BY t.recorded_at DESC OFFSET $5 LIMIT 1),"
			"(SELECT c.recorded_at FROM cms.attempt c"
			" WHERE c.org_id = $1 AND c.customer_id = $3 AND c.unknown_code AND c.recorded_at > $4"
			" ORDER BY c.recorded_at DESC OFFSET $5 LIMIT 1))",
	.nargs = 5,
	.argtypes = {INT4OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID},
};

static CmsPlan new_attempt = {
	.text =
		"INSERT INTO cms.attempt (org_id, attempt_id, action, code, reason, unknown_code, offer_id,"
		" coupon_id, customer_id, store_id, till_id, bill_ref, bill_amount, attempted_at,"
		" recorded_at, recorded_by)"
		" VALUES ($1, nextval('cms.attempt_id_seq'), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
		" $12, $13, $14, $15)",
	.nargs = 15,
	.argtypes = {INT4OID,
				 TEXTOID,
				 TEXTOID,
				 TEXTOID,
				 BOOLOID,
				 INT8OID,
				 INT8OID,
				 TEXTOID,
				 TEXTOID,
				 TEXTOID,
				 TEXTOID,
				 NUMERICOID,
				 TIMESTAMPTZOID,
				 TIMESTAMPTZOID,
				 TEXTOID},
};

/*
 * By the server's clock: "at" is the caller's to choose, and the time of a long transaction
 * stands still.
 */
bool
cms_attempt_is_blocked(const CmsAttempt *attempt, const CmsOrgRules *rules, TimestampTz *until)
{
	CmsParams params = {0};
	TimestampTz last;

	if (!is_limited(attempt, rules))
		return false;
	cms_param_int(&params, attempt->org);
	cms_param_text(&params, attempt->request->place.till);
	cms_param_text(&params, attempt->request->customer);
	cms_param_instant(&params, GetCurrentTimestamp() - rules->failed_attempts_within);
	cms_param_int64(&params, rules->max_failed_attempts - 1);
	if (attempt->read_only)
		cms_plan_run(&blocking, params.values, params.nulls, true);
	else
		cms_plan_run_latest(&blocking, params.values, params.nulls);
	last = cms_row_timestamptz(0, 1, DT_NOBEGIN);
	if (TIMESTAMP_IS_NOBEGIN(last))
		return false;
	*until = last + rules->failed_attempts_within;
	return true;
}

bool
cms_attempt_is_unknown(uint64 reasons)
{
	return (reasons & UNKNOWN_CODE) != 0;
}

CmsReason
cms_attempt_refused(const CmsAttempt *attempt, const CmsOrgRules *rules, CmsReason reason,
					uint64 reasons, int64 offer_id, int64 coupon_id, TimestampTz *until)
{
	CmsOrgRules read;
	bool found = rules != NULL;
	bool unknown = cms_attempt_is_unknown(reasons | CMS_REASON_BIT(reason));
	bool counts;

	if (!found)
	{
		cms_org_rules_read(attempt->org, attempt->read_only, &read);
		rules = &read;
	}
	counts = unknown && is_limited(attempt, rules);
	if (counts && cms_attempt_is_blocked(attempt, rules, until))
		reason = CMS_TOO_MANY_ATTEMPTS;
	/* of a code that exists it would be an error */
	else if (!found && rules->uniform_refusals)
		cms_org_rules_require_recent(rules, attempt->request->at);

	if (counts && reason != CMS_TOO_MANY_ATTEMPTS && !attempt->read_only)
	{
		lock_who_fails(attempt);
		if (cms_attempt_is_blocked(attempt, rules, until))
			reason = CMS_TOO_MANY_ATTEMPTS;
	}
	unknown = unknown && reason != CMS_TOO_MANY_ATTEMPTS;
	if (!attempt->read_only && (rules->record_attempts || (counts && unknown)))
		record(attempt, reason, unknown, offer_id, coupon_id);
	return unknown && rules->uniform_refusals ? CMS_CODE_NOT_FOUND : reason;
}

/* Whoever names neither till nor customer cannot be told from others. */
static bool
is_limited(const CmsAttempt *attempt, const CmsOrgRules *rules)
{
	return rules->max_failed_attempts > 0 &&
		   (attempt->request->place.till != NULL || attempt->request->customer != NULL);
}

/* In the order of the locks, so that two who name the same till and customer do not wait in a circle. */
static void
lock_who_fails(const CmsAttempt *attempt)
{
	const char *till = attempt->request->place.till;
	const char *customer = attempt->request->customer;
	uint32 of_till = till == NULL ? 0 : lock_of('t', till);
	uint32 of_customer = customer == NULL ? 0 : lock_of('c', customer);
	uint32 first = Min(of_till, of_customer);
	uint32 second = Max(of_till, of_customer);

	if (first != 0 && first != second)
		cms_lock(attempt->org, first, ExclusiveLock);
	cms_lock(attempt->org, second, ExclusiveLock);
}

/* Never 0. Two that share one by chance only wait for each other. */
static uint32
lock_of(char kind, const char *id)
{
	uint32 hash = hash_bytes((const unsigned char *) id, strlen(id));

	hash = hash_combine(hash, murmurhash32(kind));
	return CMS_LOCK_FIRST_FAILING | (hash & (CMS_LOCK_FIRST_FAILING - 1));
}

static void
record(const CmsAttempt *attempt, CmsReason reason, bool unknown, int64 offer_id, int64 coupon_id)
{
	const CmsUseRequest *request = attempt->request;
	CmsParams params = {0};
	char *code = NULL;

	if (attempt->code != NULL)
	{
		int length = strlen(attempt->code);

		code = pnstrdup(attempt->code, pg_mbcharcliplen(attempt->code, length, CODE_KEPT));
	}
	cms_param_int(&params, attempt->org);
	cms_param_text(&params, attempt->action);
	cms_param_text(&params, code);
	cms_param_text(&params, cms_reason_name(reason));
	cms_param_bool(&params, unknown);
	cms_param(&params, Int64GetDatum(offer_id), offer_id == 0);
	cms_param(&params, Int64GetDatum(coupon_id), coupon_id == 0);
	cms_param_text(&params, request->customer);
	cms_param_text(&params, request->place.store);
	cms_param_text(&params, request->place.till);
	cms_param_text(&params, attempt->ref);
	cms_param_numeric(&params, request->bill_amount);
	cms_param_instant(&params, request->at);
	cms_param_instant(&params, GetCurrentTimestamp());
	cms_param_text(&params, cms_org_caller_name());
	cms_plan_run(&new_attempt, params.values, params.nulls, false);
}
