/*
 * applicable.c
 *	  cms_applicable: what a customer could use on a bill, best first (F47).
 *
 * Candidates are the customer's coupons, common codes that may be used without having been issued, and
 * offers of which the customer could be given a coupon now. All are run through the rules of
 * redeeming in memory, as if nothing had been used: what was used can only refuse, never change the
 * discount. So the survivors are put in order, and from the best on each is evaluated as
 * cms_check does, with what was used before, until there are as many as asked for. Statements
 * are few, however many offers run.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "args.h"
#include "array.h"
#include "claim.h"
#include "counter.h"
#include "issue.h"
#include "money.h"
#include "plan.h"
#include "result.h"
#include "text.h"
#include "use.h"

PG_FUNCTION_INFO_V1(cms_applicable);

#define MOST_ROWS 1000

/* in the order in which equals are told */
typedef enum Kind
{
	KIND_COUPON,
	KIND_CODE,
	KIND_OFFER,
	KIND_COUNT
} Kind;

static const char *const kind_names[] = {"COUPON", "CODE", "OFFER", NULL};

typedef struct Candidate
{
	Kind kind;
	CmsFound found;
	const char *code; /* NULL: it is made when it is issued */
	CmsVerdict verdict;
	bool has_end;
	TimestampTz expires_at; /* noend: never */
} Candidate;

typedef struct Request
{
	CmsUse use; /* what is asked for, for one candidate after the other */
	bool kinds[KIND_COUNT];
	int how_many;
	const char *service;
	const char *consumer_ref;
	Candidate *candidates;
	int count;
	int room;
} Request;

/* columns of cms_applicable_result */
enum
{
	out_kind,
	out_offer_id,
	out_offer_name,
	out_coupon_id,
	out_code,
	out_discount,
	out_payable,
	out_uses_left,
	out_expires_at,
	out_columns
};

static void fetch_kinds(FunctionCallInfo fcinfo, int n, Request *r);
static void add_coupons(Request *r);
static void add_offers(Request *r);
static void add_offer(Request *r, const CmsOffer *offer, bool by_code);
static void add(Request *r, Kind kind, const CmsFound *found, const char *code);
static bool holds_coupon_of(const Request *r, int ncoupons, int64 offer_id, int *next);
static int compare(const void *a, const void *b);
static bool applies(Request *r, Candidate *candidate);
static bool could_be_given(const Request *r, const CmsOffer *offer);
static void put(FunctionCallInfo fcinfo, const Candidate *candidate, const CmsVerdict *verdict);

/* found once, not for each row */
#define TODAY "(SELECT ($2 AT TIME ZONE g.time_zone)::date FROM cms.org g WHERE g.org_id = $1)"

/*
 * What no rule would let through at this time, place and bill is not even compiled. The customer of $6 is
 * in the audience where there is one.
 */
static CmsPlan running_offers = {
	"SELECT o.offer_id, COALESCE(v.version, 0), b.by_code"
	" FROM cms.offer o"
	" LEFT JOIN cms.offer_version v ON v.org_id = $1 AND v.offer_id = o.offer_id"
	" LEFT JOIN cms.claim l ON l.org_id = $1 AND l.offer_id = o.offer_id"
	" CROSS JOIN LATERAL (SELECT o.code_method = 'COMMON'"
	"  AND (o.anyone_may_redeem OR o.delivery = 'THIRD_PARTY') AS by_code) b"
	" WHERE o.org_id = $1 AND o.status = 'ACTIVE'"
	" AND CASE WHEN b.by_code THEN $4 ELSE $5 END"
	" AND (o.expiry_type <> 'FIXED_DATE' OR o.expires_on >= " TODAY ")"
	" AND (o.expiry_type <> 'WITH_CAMPAIGN' OR l.ends_on IS NULL OR l.ends_on >= " TODAY ")"
	" AND (o.starts_on IS NULL OR o.starts_on <= " TODAY ")"
	" AND ($3 IS NULL OR ((o.min_bill IS NULL OR o.min_bill <= $3)"
	"  AND (o.max_bill IS NULL OR o.max_bill >= $3)))"
	" AND (NOT o.audience_only OR EXISTS (SELECT FROM cms.offer_audience a"
	"  WHERE a.org_id = $1 AND a.offer_id = o.offer_id AND a.customer_id = $6))"
	" AND (o.store_scope <> 'SELECTED_STORES' OR EXISTS (SELECT FROM cms.offer_entity e"
	"  WHERE e.org_id = $1 AND e.offer_id = o.offer_id AND (e.entity_type, e.entity_id) IN"
	"   (('TILL', $7), ('STORE', $8), ('ZONE', $9), ('CONCEPT', $10))))"
	" ORDER BY o.offer_id",
	10,
	{INT4OID,
	 TIMESTAMPTZOID,
	 NUMERICOID,
	 BOOLOID,
	 BOOLOID,
	 TEXTOID,
	 TEXTOID,
	 TEXTOID,
	 TEXTOID,
	 TEXTOID}};

/*
 * cms_applicable(customer_id, bill_amount, store_id, till_id, items, kinds, how_many, service,
 * consumer_ref, at, org)
 */
Datum
cms_applicable(PG_FUNCTION_ARGS)
{
	Request r = {
		.use.request.customer = cms_arg_id(fcinfo, 0, "customer_id"),
		.use.request.place.store = cms_arg_id(fcinfo, 2, "store_id"),
		.use.request.place.till = cms_arg_id(fcinfo, 3, "till_id"),
		.how_many = cms_arg_int(fcinfo, 6, "how_many"),
		.service = cms_claim_arg_service(fcinfo, 7),
		.consumer_ref = cms_arg_id(fcinfo, 8, "consumer_ref"),
		.use.request.at = cms_arg_at(fcinfo, 9),
		.use.org = cms_arg_org(fcinfo, 10),
	};
	CmsPlace *place = &r.use.request.place;
	int told = 0;

	fetch_kinds(fcinfo, 5, &r);
	cms_use_fetch_bill(fcinfo, 1, 4, &r.use.request);
	if (r.how_many < 1 || r.how_many > MOST_ROWS)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"how_many\" must be from 1 to %d, not %d", MOST_ROWS, r.how_many),
			 errhint("Pass how many of the best to tell.")));
	if (r.service != NULL)
		cms_claim_check_service(r.service);

	cms_result_start(fcinfo);
	cms_call_begin();
	if (place->till != NULL || place->store != NULL)
		cms_coupon_resolve_place(r.use.org, place, true);
	r.use.given_place = *place;

	add_coupons(&r);
	add_offers(&r);
	qsort(r.candidates, r.count, sizeof(Candidate), compare);
	for (int i = 0; i < r.count && told < r.how_many; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (applies(&r, &r.candidates[i]))
		{
			put(fcinfo, &r.candidates[i], &r.use.verdict);
			told++;
		}
		else if (r.use.reason == CMS_TOO_MANY_ATTEMPTS)
			break;
	}
	SPI_finish();
	return (Datum) 0;
}

static void
fetch_kinds(FunctionCallInfo fcinfo, int n, Request *r)
{
	char **names;
	int count = cms_arg_texts(fcinfo, n, "kinds", &names);

	for (int kind = 0; kind < KIND_COUNT; kind++)
		r->kinds[kind] = count < 0;
	for (int i = 0; i < count; i++)
	{
		if (names[i] == NULL || !cms_text_is_one_of(names[i], kind_names))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"kinds\" must not contain \"%s\"",
							names[i] == NULL ? "null" : names[i]),
					 errhint("Kinds are COUPON, CODE and OFFER.")));
		for (int kind = 0; kind < KIND_COUNT; kind++)
			r->kinds[kind] |= strcmp(names[i], kind_names[kind]) == 0;
	}
	/* nobody in particular holds nothing, and can be given nothing */
	if (r->use.request.customer == NULL)
		r->kinds[KIND_COUPON] = r->kinds[KIND_OFFER] = false;
}

static void
add_coupons(Request *r)
{
	const CmsUseRequest *request = &r->use.request;
	CmsFound *found;
	char **codes;
	int count;

	if (!r->kinds[KIND_COUPON])
		return;
	count = cms_coupon_find_open(r->use.org, request->customer, request->at, &found, &codes);
	for (int i = 0; i < count; i++)
		add(r, KIND_COUPON, &found[i], codes[i]);
}

static void
add_offers(Request *r)
{
	const CmsUseRequest *request = &r->use.request;
	int ncoupons = r->count;
	int next = 0;
	CmsParams params = {0};
	int count;
	int64 *ids;
	int64 *versions;
	bool *by_code;

	if (!r->kinds[KIND_CODE] && !r->kinds[KIND_OFFER])
		return;
	cms_param_int(&params, r->use.org);
	cms_param_instant(&params, request->at);
	cms_param_numeric(&params, request->bill_amount);
	cms_param_bool(&params, r->kinds[KIND_CODE]);
	cms_param_bool(&params, r->kinds[KIND_OFFER]);
	cms_param_text(&params, request->customer);
	cms_param_text(&params, request->place.till);
	cms_param_text(&params, request->place.store);
	cms_param_text(&params, request->place.zone);
	cms_param_text(&params, request->place.concept);
	count = (int) cms_plan_run(&running_offers, params.values, params.nulls, true);

	ids = palloc(sizeof(int64) * Max(count, 1));
	versions = palloc(sizeof(int64) * Max(count, 1));
	by_code = palloc(sizeof(bool) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		ids[i] = cms_row_int64(i, 1, 0);
		versions[i] = cms_row_int64(i, 2, 0);
		by_code[i] = cms_row_bool(i, 3, false);
	}
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		/* who holds a coupon that applies needs no other */
		if (!holds_coupon_of(r, ncoupons, ids[i], &next))
			add_offer(r, cms_offer_of_version(r->use.org, ids[i], versions[i], true), by_code[i]);
	}
}

/* Coupons and offers come in the order of offers. */
static bool
holds_coupon_of(const Request *r, int ncoupons, int64 offer_id, int *next)
{
	while (*next < ncoupons && r->candidates[*next].found.coupon.offer_id < offer_id)
		(*next)++;
	return *next < ncoupons && r->candidates[*next].found.coupon.offer_id == offer_id;
}

/* With the coupon that the first use, or an issue at this moment, would make. */
static void
add_offer(Request *r, const CmsOffer *offer, bool by_code)
{
	const CmsUseRequest *request = &r->use.request;
	CmsFound found = {
		.offer = offer,
		.common = offer->method == CMS_METHOD_COMMON,
		.coupon.offer_id = offer->offer_id,
		.coupon.shared = offer->method == CMS_METHOD_COMMON,
	};

	if (by_code)
	{
		r->use.found = found;
		if (!cms_use_lacks_customer(&r->use))
			add(r, KIND_CODE, &found, offer->common_code);
		return;
	}
	/* issuing in its name would claim the offer, which nobody has asked for */
	if (r->service != NULL && offer->claim_service == NULL)
		return;
	if (cms_rule_issue_offer(offer, r->service, r->consumer_ref, request->at) != CMS_OK)
		return;
	found.coupon.issued = true;
	found.coupon.issued_at = request->at;
	found.coupon.holder = request->customer;
	found.coupon.has_own_end = cms_rule_own_end(offer, request->at, &found.coupon.expires_at);
	add(r, KIND_OFFER, &found, offer->common_code);
}

static void
add(Request *r, Kind kind, const CmsFound *found, const char *code)
{
	CmsUsage unused = {.may_receive = true};
	Candidate *candidate;
	bool has_own_end = found->coupon.has_own_end;
	TimestampTz own_end = found->coupon.expires_at;

	if (r->count == r->room)
	{
		r->room = Max(r->room * 2, 64);
		r->candidates = r->candidates == NULL
							? palloc(sizeof(Candidate) * r->room)
							: repalloc_huge(r->candidates, sizeof(Candidate) * r->room);
	}
	candidate = &r->candidates[r->count];
	candidate->kind = kind;
	candidate->found = *found;
	candidate->code = code;
	cms_rule_use(found->offer, &found->coupon, &r->use.request, &unused, &candidate->verdict);
	if (candidate->verdict.reasons != 0)
		return;
	if (!found->coupon.issued)
		has_own_end = cms_rule_own_end(found->offer, r->use.request.at, &own_end);
	candidate->has_end =
		cms_rule_effective_end(found->offer, has_own_end, own_end, &candidate->expires_at);
	r->count++;
}

/* The most discount first; of equals what needs nothing to be issued, then what ends first. */
static int
compare(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;
	int order = 0;

	if (x->verdict.discount != NULL && y->verdict.discount != NULL)
		order = cms_money_compare(y->verdict.discount, x->verdict.discount);
	if (order == 0)
		order = (int) x->kind - (int) y->kind;
	if (order == 0)
		order = (x->expires_at > y->expires_at) - (x->expires_at < y->expires_at);
	if (order == 0)
		order = (x->found.coupon.offer_id > y->found.coupon.offer_id) -
				(x->found.coupon.offer_id < y->found.coupon.offer_id);
	if (order == 0)
		order = (x->found.coupon.coupon_id > y->found.coupon.coupon_id) -
				(x->found.coupon.coupon_id < y->found.coupon.coupon_id);
	return order;
}

/* What cms_check would say; the verdict is in r->use. */
static bool
applies(Request *r, Candidate *candidate)
{
	CmsUse *use = &r->use;

	use->reason = CMS_OK;
	memset(&use->verdict, 0, sizeof(use->verdict));
	if (candidate->kind == KIND_CODE)
	{
		strlcpy(use->code, candidate->code, sizeof(use->code));
		/* one that the customer has already is among the coupons */
		if (!cms_use_find(use, CMS_FIND_READ_ONLY) || use->found.coupon.coupon_id != 0)
			return false;
	}
	else
		use->found = candidate->found;
	if (candidate->kind == KIND_OFFER && !could_be_given(r, candidate->found.offer))
		return false;
	cms_use_evaluate(use, 0, true);
	return use->reason == CMS_OK;
}

/* F17 to F20: what issuing looks at beyond what is compiled */
static bool
could_be_given(const Request *r, const CmsOffer *offer)
{
	CmsReceipts receipts;
	CmsTotals totals;
	bool has_next;
	DateADT next_allowed_on;

	cms_issue_look_at_receipts(offer, r->use.request.customer, &receipts);
	if (cms_rule_issue_customer(offer, &receipts, r->use.request.at, &has_next, &next_allowed_on) !=
		CMS_OK)
		return false;
	if (offer->max_issued == CMS_UNLIMITED && offer->method != CMS_METHOD_UPLOADED &&
		offer->method != CMS_METHOD_RANDOMISED)
		return true;
	cms_counter_totals(offer->org, offer->offer_id, true, &totals);
	if (offer->max_issued != CMS_UNLIMITED && totals.issued >= offer->max_issued)
		return false;
	if (offer->method == CMS_METHOD_UPLOADED)
		return totals.stock > 0;
	return offer->method != CMS_METHOD_RANDOMISED || totals.stock > 0 ||
		   totals.issued < cms_code_space(&offer->pattern);
}

static void
put(FunctionCallInfo fcinfo, const Candidate *candidate, const CmsVerdict *verdict)
{
	int64 coupon_id = candidate->found.coupon.coupon_id;
	Datum values[out_columns] = {0};
	bool nulls[out_columns] = {false};

	cms_result_text(kind_names[candidate->kind], values, nulls, out_kind);
	values[out_offer_id] = Int64GetDatum(candidate->found.offer->offer_id);
	cms_result_text(candidate->found.offer->name, values, nulls, out_offer_name);
	values[out_coupon_id] = Int64GetDatum(coupon_id);
	nulls[out_coupon_id] = coupon_id == 0;
	cms_result_text(candidate->code, values, nulls, out_code);
	values[out_discount] = NumericGetDatum(verdict->discount);
	nulls[out_discount] = verdict->discount == NULL;
	values[out_payable] = NumericGetDatum(verdict->payable);
	nulls[out_payable] = verdict->payable == NULL;
	values[out_uses_left] = Int32GetDatum(verdict->uses_left);
	nulls[out_uses_left] = verdict->uses_left == CMS_UNLIMITED;
	values[out_expires_at] = TimestampTzGetDatum(candidate->expires_at);
	nulls[out_expires_at] = !candidate->has_end;
	cms_result_put(fcinfo, values, nulls);
}
