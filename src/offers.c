/*
 * offers.c
 *	  The dashboard of offers and the page of one: cms_offers, cms_offer_info
 *	  (F4, F6, F7).
 *
 * Numbers come from counters, for the offers of one page alone: what they cost
 * depends neither on coupons nor on redemptions.
 *
 * Names are compared without regard to case in any language: turned to small and
 * then to capital letters by the rules of Unicode, composed alike, and without
 * the dots that only the Turkish alphabet keeps apart. So ß is SS, and i, I, İ and
 * ı are one letter. A database without Unicode's rules has those of its locale.
 */
#include "cms.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"
#include "common/int.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "claim.h"
#include "offers.h"
#include "plan.h"
#include "result.h"
#include "text.h"

#define NCOLUMNS 25
#define MOST_ROWS 10000

#define FOLD_UNICODE(name)                                                            \
	"replace(upper(lower(normalize(" name ", NFKC) COLLATE pg_catalog.\"und-x-icu\")" \
	" COLLATE pg_catalog.\"und-x-icu\"), U&'I\\0307', 'I')"
#define FOLD_PLAIN(name) "upper(lower(" name "))"

/* without a service ($6): everything; $7 is its campaign or program */
#define VISIBLE                                                        \
	"(($6 IS NULL OR o.owner_service IS NULL OR (o.owner_service = $6" \
	" AND (o.owner_ref IS NULL OR o.owner_ref = $7))) IS TRUE)"

/* whether cms_claim would say so: see cms_claim_take */
#define CLAIMABLE                                                                    \
	"(l.service IS NULL AND o.status = 'ACTIVE' AND ($6 IS DISTINCT FROM 'OUTBOUND'" \
	" OR ($7 IS NOT NULL AND NOT (SELECT EXISTS (SELECT FROM cms.claim c"            \
	" WHERE c.org_id = $1 AND c.service = 'OUTBOUND' AND c.consumer_ref = $7)))))"

/*
 * $3 search, $4 active only, $5 sorted by creation, $8 claimable only, $9 rows, $10 and $11 the
 * last of the page before. The offers of a page are chosen first; only their counters are summed.
 */
#define OFFERS(folded_name, folded_search)                                                                \
	"SELECT p.offer_id, p.code, p.name, p.pos_code, p.code_method, p.discount_type,"                      \
	" cms.cms_discount_text(p.discount_type, p.discount_value, p.discount_cap, p.currency),"              \
	" p.expiry_type, p.last_day, p.state, p.owner_service, p.owner_ref,"                                  \
	" p.service, p.consumer_ref, p.consumer_name, p.claimable,"                                           \
	" COALESCE(s.issued, 0), COALESCE(s.redeemed, 0), COALESCE(s.uses, 0),"                               \
	" s.redeemed::numeric / NULLIF(s.issued, 0),"                                                         \
	" p.created_by, p.created_at, p.modified_by, p.modified_at,"                                          \
	" CASE WHEN $5 THEN 'C' ELSE 'M' END || (pg_catalog.extract('epoch', p.sorted_by) * 1000000)::bigint" \
	" || ':' || p.offer_id"                                                                               \
	" FROM (SELECT * FROM (SELECT o.*, l.service, l.consumer_ref, l.consumer_name,"                       \
	" COALESCE(o.expires_on, l.ends_on) AS last_day, " CMS_OFFERS_STATUS " AS state,"                     \
	" g.currency, " CLAIMABLE " AS claimable,"                                                            \
	" CASE WHEN $5 THEN o.created_at ELSE o.modified_at END AS sorted_by"                                 \
	" FROM cms.offer o JOIN cms.org g ON g.org_id = o.org_id"                                             \
	" LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id"                           \
	" WHERE o.org_id = $1 AND " VISIBLE " AND ($3 IS NULL OR strpos(" folded_name                         \
	", (SELECT " folded_search ")) > 0)) f"                                                               \
	" WHERE (f.state = 'ACTIVE' OR NOT $4) AND (f.claimable OR NOT $8)"                                   \
	" AND ($10 IS NULL OR (f.sorted_by, f.offer_id) < ($10, $11))"                                        \
	" ORDER BY f.sorted_by DESC, f.offer_id DESC LIMIT $9) p"                                             \
	" LEFT JOIN LATERAL (SELECT sum(t.issued)::bigint AS issued,"                                         \
	" sum(t.redeemed_coupons)::bigint AS redeemed, sum(t.uses)::bigint AS uses"                           \
	" FROM cms.offer_slot t WHERE t.org_id = $1 AND t.offer_id = p.offer_id) s ON true"                   \
	" ORDER BY p.sorted_by DESC, p.offer_id DESC"

#define OFFERS_ARGUMENTS                                                                        \
	{                                                                                           \
		INT4OID, TIMESTAMPTZOID, TEXTOID, BOOLOID, BOOLOID, TEXTOID, TEXTOID, BOOLOID, INT4OID, \
			TIMESTAMPTZOID, INT8OID                                                             \
	}

static CmsPlan offers_unicode = {
	.text = OFFERS(FOLD_UNICODE("o.name"), FOLD_UNICODE("$3")),
	.nargs = 11,
	.argtypes = OFFERS_ARGUMENTS,
};

static CmsPlan offers_plain = {
	.text = OFFERS(FOLD_PLAIN("o.name"), FOLD_PLAIN("$3")),
	.nargs = 11,
	.argtypes = OFFERS_ARGUMENTS,
};

/* Where a page begins. */
typedef struct Place
{
	bool is_given;
	TimestampTz sorted_by;
	int64 offer_id;
} Place;

static bool sorts_by_creation(FunctionCallInfo fcinfo, int n);
static int rows_of(FunctionCallInfo fcinfo, int n);
static void read_place(FunctionCallInfo fcinfo, int n, bool by_creation, Place *place);
static bool knows_unicode(void);

PG_FUNCTION_INFO_V1(cms_offers);

/*
 * cms_offers(search, active_only, sort, service, consumer_ref, claimable, how_many, after_key,
 * at, org)
 */
Datum
cms_offers(PG_FUNCTION_ARGS)
{
	char *search = cms_arg_text(fcinfo, 0);
	bool active_only = cms_arg_bool(fcinfo, 1, "active_only");
	bool by_creation = sorts_by_creation(fcinfo, 2);
	char *service = cms_claim_arg_service(fcinfo, 3);
	char *consumer_ref = cms_arg_id(fcinfo, 4, "consumer_ref");
	bool claimable = cms_arg_bool(fcinfo, 5, "claimable");
	int how_many = rows_of(fcinfo, 6);
	TimestampTz at = cms_arg_at(fcinfo, 8);
	int org = cms_arg_org(fcinfo, 9);
	CmsParams params = {0};
	Place after;

	read_place(fcinfo, 7, by_creation, &after);
	if (service != NULL)
		cms_claim_check_service(service);
	else if (consumer_ref != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"service\" must not be null where \"consumer_ref\" is given"),
				 errhint("Services are OUTBOUND, TIMELINE, DVS, LOYALTY and EXTERNAL.")));

	cms_result_start(fcinfo);
	SPI_connect();
	cms_param_int(&params, org);
	cms_param_instant(&params, at);
	cms_param_text(&params,
				   search != NULL && !cms_text_is_blank(search) ? cms_text_trim(search) : NULL);
	cms_param_bool(&params, active_only);
	cms_param_bool(&params, by_creation);
	cms_param_text(&params, service);
	cms_param_text(&params, consumer_ref);
	cms_param_bool(&params, claimable);
	cms_param_int(&params, how_many);
	cms_param(&params, TimestampTzGetDatum(after.sorted_by), !after.is_given);
	cms_param(&params, Int64GetDatum(after.offer_id), !after.is_given);
	cms_result_put_rows(
		fcinfo,
		cms_plan_run(
			knows_unicode() ? &offers_unicode : &offers_plain, params.values, params.nulls, true),
		NCOLUMNS);
	SPI_finish();
	return (Datum) 0;
}

static bool
sorts_by_creation(FunctionCallInfo fcinfo, int n)
{
	char *sort = cms_arg_text(fcinfo, n);

	if (sort == NULL || strcmp(sort, "MODIFIED") == 0)
		return false;
	if (strcmp(sort, "CREATED") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"sort\" \"%s\" is unknown", sort),
				 errhint("Use MODIFIED or CREATED.")));
	return true;
}

static int
rows_of(FunctionCallInfo fcinfo, int n)
{
	int rows = cms_arg_int(fcinfo, n, "how_many");

	if (rows < 1 || rows > MOST_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"how_many\" must be from 1 to %d", MOST_ROWS),
				 errhint("Ask for the rows after these with \"after_key\".")));
	return rows;
}

/* A page_key: how it is sorted, microseconds since 1970, the offer. */
static void
read_place(FunctionCallInfo fcinfo, int n, bool by_creation, Place *place)
{
	char *key = cms_arg_text(fcinfo, n);
	char *end;

	place->is_given = key != NULL;
	place->sorted_by = 0;
	place->offer_id = 0;
	if (key == NULL)
		return;
	if (key[0] == (by_creation ? 'C' : 'M'))
	{
		int64 microseconds;
		bool too_large;

		errno = 0;
		microseconds = strtoll(key + 1, &end, 10);
		if (end > key + 1 && *end == ':' && end[1] != '\0')
		{
			place->offer_id = strtoll(end + 1, &end, 10);
			too_large =
				pg_sub_s64_overflow(microseconds,
									(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY,
									&place->sorted_by);
			if (*end == '\0' && errno == 0 && !too_large && IS_VALID_TIMESTAMP(place->sorted_by))
				return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"after_key\" is no page_key of this sorting"),
			 errhint("Pass the page_key of the last row of the page before, with the same sort.")));
}

/* Servers may be built without ICU, and only UTF-8 has its collations. */
static bool
knows_unicode(void)
{
	return GetDatabaseEncoding() == PG_UTF8 &&
		   OidIsValid(get_collation_oid(
			   list_make2(makeString("pg_catalog"), makeString("und-x-icu")), true));
}
