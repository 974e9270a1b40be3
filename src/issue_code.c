/*
 * issue_code.c
 *	  The code that a coupon gets when it is issued.
 *
 * Codes in stock go first, each taken by a row lock that nobody waits for. New ones are
 * written with ON CONFLICT DO NOTHING: what stands in the way, the code or the customer's
 * number, shows when the line is decided again.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "codebook.h"
#include "generate.h"
#include "issue_code.h"
#include "number.h"
#include "plan.h"
#include "text.h"

/* draws of a new code that may collide before the space is taken to be crowded */
#define MAX_DRAWS 64
#define CROWDED_STOCK 100

/* coupons of one call from which on the reserved codes are read before */
#define MANY_LINES 16

/* a space that no offer fills to a quarter: the guess guard needs no look */
#define VAST_SPACE 1e13

static bool give_stocked(CmsIssue *issue, CmsIssueLine *line, int nth);
static bool take_stocked_code(CmsIssue *issue, CmsIssueLine *line, int nth);
static bool give_new(CmsIssue *issue, CmsIssueLine *line, int nth);
static bool choose_code(CmsIssue *issue, CmsIssueLine *line, char *code, bool *may_be_reserved);
static bool draw_code(CmsIssue *issue, char *code, bool *may_be_reserved);
static void explain_conflict(CmsIssue *issue, CmsIssueLine *line, const char *code);
static void take_positions(CmsIssue *issue, int64 want);
static void use_position(CmsIssue *issue);
static void stock_crowded_space(CmsIssue *issue);
static CmsReason why_code_failed(CmsIssue *issue, const char *code);
static bool is_reserved(int org, const char *code);

static CmsPlan new_coupon = {
	"INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, shared, customer_id, nth, issued_at, expires_at,"
	" service, consumer_ref, job_id)"
	" VALUES ($1, $12, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
	12,
	{INT4OID,
	 INT8OID,
	 TEXTOID,
	 BOOLOID,
	 TEXTOID,
	 INT4OID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TEXTOID,
	 TEXTOID,
	 INT8OID,
	 INT8OID},
	.is_hot = true};

static CmsPlan take_stocked = {
	"UPDATE cms.coupon SET customer_id = $3, nth = $4, issued_at = $5, expires_at = $6, service = $7,"
	" consumer_ref = $8, job_id = COALESCE($10, job_id)"
	" WHERE org_id = $1 AND coupon_id = (SELECT c.coupon_id FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.offer_id = $2 AND c.issued_at IS NULL AND c.revoked_at IS NULL"
	"  AND c.coupon_id > $9 ORDER BY c.coupon_id LIMIT 1 FOR UPDATE SKIP LOCKED)"
	" RETURNING coupon_id, code, (SELECT c.coupon_id FROM cms.coupon c"
	"  WHERE c.org_id = $1 AND c.offer_id = $2 AND c.issued_at IS NULL AND c.revoked_at IS NULL"
	"  AND c.coupon_id > $9 ORDER BY c.coupon_id LIMIT 1)",
	10,
	{INT4OID,
	 INT8OID,
	 TEXTOID,
	 INT4OID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 TEXTOID,
	 TEXTOID,
	 INT8OID,
	 INT8OID}};

static CmsPlan code_is_taken = {
	"SELECT 1 FROM cms.coupon c WHERE c.org_id = $1 AND c.code = $2 AND c.revoked_at IS NULL AND NOT c.shared",
	2,
	{INT4OID, TEXTOID}};

static CmsPlan code_is_reserved = {
	"SELECT 1 FROM cms.offer o WHERE " CMS_CODEBOOK_RESERVES("$2") " LIMIT 1",
	2,
	{INT4OID, TEXTARRAYOID},
	.is_hot = true};

static CmsPlan drop_coupon = {
	"DELETE FROM cms.coupon WHERE org_id = $1 AND coupon_id = $2", 2, {INT4OID, INT8OID}};

static CmsPlan back_to_stock = {
	"UPDATE cms.coupon SET customer_id = NULL, nth = NULL, issued_at = NULL, expires_at = NULL, service = NULL,"
	" consumer_ref = NULL WHERE org_id = $1 AND coupon_id = $2",
	2,
	{INT4OID, INT8OID}};

bool
cms_issue_code_is_scarce(const CmsOffer *offer)
{
	return offer->method == CMS_METHOD_GENERATED && cms_code_space(&offer->pattern) < VAST_SPACE;
}

void
cms_issue_code_prepare(CmsIssue *issue)
{
	const CmsOffer *offer = issue->offer;

	if (issue->use_stock)
		cms_stock_open(&issue->stock, offer->org, offer->offer_id);
	switch (offer->method)
	{
		case CMS_METHOD_COMMON:
			break;
		case CMS_METHOD_RANDOMISED:
			issue->order = cms_code_order_open(&offer->pattern, cms_codebook_key(offer));
			take_positions(issue, Min(issue->nlines, issue->allowed));
			break;
		case CMS_METHOD_GENERATED:
			issue->room = PG_INT64_MAX;
			if (cms_issue_code_is_scarce(offer))
				issue->room = cms_codebook_room_beyond(offer, &issue->totals);
			cms_codebook_write_lock(offer->org);
			cms_codebook_crowd_lock(offer, issue->nlines);
			if (issue->nlines >= MANY_LINES)
				issue->reserved = cms_codebook_reserved_of_pattern(offer->org, &offer->pattern);
			break;
		case CMS_METHOD_UPLOADED:
			/* codes in stock are taken already, and who uploads has the lock */
			break;
	}
}

bool
cms_issue_code_give(CmsIssue *issue, int i, int nth)
{
	CmsIssueLine *line = issue->lines[i];

	if (issue->use_stock && line->given_code == NULL)
	{
		issue->stock_line[i] = give_stocked(issue, line, nth);
		if (issue->stock_line[i] || issue->wait_for_stock)
			return true;
		if (issue->offer->method == CMS_METHOD_UPLOADED)
		{
			line->reason = CMS_NO_CODES_LEFT;
			return true;
		}
	}
	return give_new(issue, line, nth);
}

/*
 * The next code of the stock that nobody else is taking. False: there is none;
 * wait_for_stock tells that there may be one when the others are done.
 */
static bool
give_stocked(CmsIssue *issue, CmsIssueLine *line, int nth)
{
	CmsStockLeft left = CMS_STOCK_NONE;

	if (issue->stock.is_empty)
		return false;
	do
	{
		if (take_stocked_code(issue, line, nth))
			return true;
		left = cms_stock_left(&issue->stock, issue->from_stock);
	} while (left == CMS_STOCK_BELOW);
	/* a pool has no other codes; new ones need not wait for those of others */
	issue->wait_for_stock = left == CMS_STOCK_LOCKED && issue->offer->method == CMS_METHOD_UPLOADED;
	return false;
}

static bool
take_stocked_code(CmsIssue *issue, CmsIssueLine *line, int nth)
{
	const CmsOffer *offer = issue->offer;
	const CmsIssuer *issuer = issue->issuer;
	CmsParams params = {0};

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_text(&params, line->customer);
	cms_param_int(&params, nth);
	cms_param_instant(&params, line->issued_at);
	cms_param(&params, TimestampTzGetDatum(line->own_end), !line->has_own_end);
	cms_param_text(&params, issuer->service);
	cms_param_text(&params, issuer->consumer_ref);
	cms_param_int64(&params, issue->stock.cursor);
	cms_param(&params, Int64GetDatum(issuer->job_id), issuer->job_id == 0);
	if (cms_plan_write(&take_stocked, params.values, params.nulls) == 0)
		return false;
	line->coupon_id = cms_row_int64(0, 1, 0);
	line->code = MemoryContextStrdup(issue->context, cms_row_text(0, 2));
	cms_stock_taken(&issue->stock, line->coupon_id, cms_row_int64(0, 3, line->coupon_id));
	issue->issued++;
	issue->from_stock++;
	return true;
}

/* A coupon that did not exist. False: decide again. */
static bool
give_new(CmsIssue *issue, CmsIssueLine *line, int nth)
{
	const CmsOffer *offer = issue->offer;
	const CmsIssuer *issuer = issue->issuer;
	char code[CMS_CODE_MAX_LENGTH + 1];
	bool may_be_reserved;
	int64 coupon_id;
	CmsParams params = {0};

	if (!choose_code(issue, line, code, &may_be_reserved))
		return line->reason != CMS_OK;
	if (may_be_reserved && is_reserved(offer->org, code))
		return false;
	coupon_id = cms_number_of_coupon();

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param_text(&params, code);
	cms_param_bool(&params, offer->method == CMS_METHOD_COMMON);
	cms_param_text(&params, line->customer);
	cms_param_int(&params, nth);
	cms_param_instant(&params, line->issued_at);
	cms_param(&params, TimestampTzGetDatum(line->own_end), !line->has_own_end);
	cms_param_text(&params, issuer->service);
	cms_param_text(&params, issuer->consumer_ref);
	cms_param(&params, Int64GetDatum(issuer->job_id), issuer->job_id == 0);
	cms_param_int64(&params, coupon_id);
	/* who is in the way may be committed since a fixed snapshot: decided again, not an error of the server's */
	if (cms_plan_run_latest(&new_coupon, params.values, params.nulls) == 0)
	{
		explain_conflict(issue, line, code);
		return line->reason != CMS_OK;
	}
	line->coupon_id = coupon_id;
	line->code = MemoryContextStrdup(issue->context, code);
	line->shared = offer->method == CMS_METHOD_COMMON;
	issue->issued++;
	issue->draws = 0;
	if (offer->method == CMS_METHOD_RANDOMISED)
		use_position(issue);
	return true;
}

/*
 * The code that the line is to have. False: there is none, which is the line's reason,
 * or the line is to be decided again, from a stock just filled.
 */
static bool
choose_code(CmsIssue *issue, CmsIssueLine *line, char *code, bool *may_be_reserved)
{
	const CmsOffer *offer = issue->offer;

	/* common codes and samples are reserved for this very offer; who uploads has looked before */
	*may_be_reserved = false;
	if (line->given_code != NULL)
		strlcpy(code, line->given_code, CMS_CODE_MAX_LENGTH + 1);
	else if (offer->method == CMS_METHOD_COMMON)
		strlcpy(code, offer->common_code, CMS_CODE_MAX_LENGTH + 1);
	else if (offer->method == CMS_METHOD_RANDOMISED)
	{
		if (issue->positions == 0 && !issue->order_is_used_up)
			take_positions(issue, 1);
		if (issue->positions == 0)
			line->reason = CMS_NO_CODES_LEFT;
		else
			cms_code_order_at(issue->order, issue->next_position, code);
	}
	else if (issue->issued - issue->from_stock >= issue->room)
		line->reason = CMS_NO_CODES_LEFT;
	else
		return draw_code(issue, code, may_be_reserved);
	return line->reason == CMS_OK;
}

bool
cms_issue_code_choose(CmsIssue *issue, CmsIssueLine *line, char *code)
{
	bool may_be_reserved;

	if (!choose_code(issue, line, code, &may_be_reserved))
		return false;
	Assert(!may_be_reserved);
	issue->draws = 0;
	if (issue->offer->method == CMS_METHOD_RANDOMISED)
		use_position(issue);
	return true;
}

/* False: the space is crowded. */
static bool
draw_code(CmsIssue *issue, char *code, bool *may_be_reserved)
{
	const CmsOffer *offer = issue->offer;

	do
	{
		if (++issue->draws > MAX_DRAWS)
		{
			stock_crowded_space(issue);
			return false;
		}
		cms_code_draw(&offer->pattern, code);
	} while (issue->reserved != NULL && cms_codebook_is_reserved(issue->reserved, code));
	*may_be_reserved = issue->reserved == NULL;
	return true;
}

/*
 * The coupon was not written. The line gets a reason if that is final: by default its
 * customer was given another coupon meanwhile, or the drawn code exists.
 */
static void
explain_conflict(CmsIssue *issue, CmsIssueLine *line, const char *code)
{
	CmsCodeMethod method = issue->offer->method;
	CmsReason reason = CMS_OK;

	if (line->given_code != NULL || method == CMS_METHOD_RANDOMISED ||
		(method == CMS_METHOD_GENERATED && IsolationUsesXactSnapshot()))
		reason = why_code_failed(issue, code);
	if (line->given_code != NULL)
		line->reason = reason;
	else if (method == CMS_METHOD_RANDOMISED && reason == CMS_CODE_TAKEN)
		use_position(issue); /* its key was lost: what the old order gave out is passed over */
	/* under a fixed snapshot reading again would show nothing new; another code is drawn as ever */
	if (reason == CMS_OK && IsolationUsesXactSnapshot())
		cms_plan_conflict("issue");
}

/* The counter stays locked, so positions taken later follow those taken before. */
static void
take_positions(CmsIssue *issue, int64 want)
{
	const CmsOffer *offer = issue->offer;

	issue->positions = cms_counter_positions_take(offer->org,
												  offer->offer_id,
												  want,
												  (int64) cms_code_space(&offer->pattern),
												  &issue->next_position);
	issue->order_is_used_up = issue->positions < want;
}

static void
use_position(CmsIssue *issue)
{
	issue->next_position++;
	issue->positions--;
}

/*
 * So many draws collided that drawing is no way to find a free code: let the
 * stock be filled by the way that enumerates. Where that finds none, no code is left.
 */
static void
stock_crowded_space(CmsIssue *issue)
{
	int64 many = Min(issue->room, CROWDED_STOCK);

	issue->draws = 0;
	cms_generate_announce(issue->offer);
	if (cms_generate_stock(issue->offer, many, &(CmsCodeSlice){.total = many}) == 0)
		issue->room = 0;
	else
	{
		issue->use_stock = true;
		cms_stock_open(&issue->stock, issue->offer->org, issue->offer->offer_id);
	}
}

/* CMS_OK: nothing is wrong with the code. */
static CmsReason
why_code_failed(CmsIssue *issue, const char *code)
{
	Datum values[] = {Int32GetDatum(issue->offer->org), CStringGetTextDatum(code)};

	if (cms_plan_run_latest(&code_is_taken, values, NULL) > 0)
		return CMS_CODE_TAKEN;
	if (is_reserved(issue->offer->org, code))
		return CMS_CODE_RESERVED;
	return CMS_OK;
}

/* Final by the lock of who writes codes; a fixed snapshot might not show it. */
static bool
is_reserved(int org, const char *code)
{
	Datum values[] = {Int32GetDatum(org), cms_codebook_names(code)};

	return cms_plan_run_latest(&code_is_reserved, values, NULL) > 0;
}

void
cms_issue_code_take_back(CmsIssue *issue, int i)
{
	Datum values[] = {Int32GetDatum(issue->offer->org), Int64GetDatum(issue->lines[i]->coupon_id)};

	cms_plan_write(issue->stock_line[i] ? &back_to_stock : &drop_coupon, values, NULL);
	issue->issued--;
	if (issue->stock_line[i])
	{
		issue->from_stock--;
		cms_stock_back(&issue->stock, issue->lines[i]->coupon_id);
	}
	/* lines are taken back from the last one, so these are the last positions taken */
	if (issue->offer->method == CMS_METHOD_RANDOMISED)
		issue->positions++;
}
