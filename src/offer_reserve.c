/*
 * offer_reserve.c
 *	  The codes that an offer claims for itself when it is made: its own (the
 *	  offer code), a common code, the codes of a sample.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "code.h"
#include "codebook.h"
#include "offer_check.h"
#include "plan.h"
#include "text.h"

/* Codes drawn before giving up; with 31^8 of them the second is rare already. */
#define MAX_DRAWS 10

/* the offer itself does not count */
static CmsPlan offer_of_code = {
	.text = "SELECT offer_id FROM cms.offer WHERE org_id = $1 AND code = $2 AND offer_id <> $3",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, INT8OID},
};

static CmsPlan offer_of_names = {
	.text = "SELECT o.offer_id, COALESCE(o.common_code, o.sample_code) FROM cms.offer o"
			" WHERE " CMS_CODEBOOK_RESERVES("$2") " AND o.offer_id <> $3 LIMIT 1",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTARRAYOID, INT8OID},
};

static CmsPlan coupon_of_code = {
	.text =
		"SELECT offer_id, code FROM cms.coupon"
		" WHERE org_id = $1 AND code = $2 AND revoked_at IS NULL AND NOT shared AND offer_id <> $3",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, INT8OID},
};

static CmsPlan offer_of_fixed_part = {
	.text = "SELECT offer_id, sample_code FROM cms.offer"
			" WHERE org_id = $1 AND sample_code IS NOT NULL"
			" AND rtrim(sample_code, '?#') = $2 AND offer_id <> $3",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, INT8OID},
};

static CmsPlan common_code_of_sample = {
	.text = "SELECT offer_id, common_code FROM cms.offer"
			" WHERE org_id = $1 AND common_code ~ $2 AND offer_id <> $3 LIMIT 1",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, INT8OID},
};

/* the range is what the index on codes can use */
static CmsPlan coupon_of_sample = {
	.text = "SELECT offer_id, code FROM cms.coupon"
			" WHERE org_id = $1 AND code ~ $2 AND offer_id <> $3 AND code >= $4 AND code < $5"
			" AND revoked_at IS NULL AND NOT shared LIMIT 1",
	.nargs = 5,
	.argtypes = {INT4OID, TEXTOID, INT8OID, TEXTOID, TEXTOID},
};

static bool offer_code_is_taken(const CmsRecord *record, const char *code, int64 *by);
static void reserve_common_code(const CmsRecord *record, Datum org, Datum offer_id);
static void reserve_sample(const CmsRecord *record, Datum org, Datum offer_id);
static void refuse_if_found(CmsPlan *plan, const Datum *values, const CmsRecord *record,
							const char *column, const char *hint, const char *what);

void
cms_offer_name_code(CmsRecord *record)
{
	char *given = cms_record_text(record, "code");
	char drawn[CMS_CODE_MAX_LENGTH + 1];
	int64 by;

	if (given != NULL)
	{
		if (record->before != NULL && !cms_record_changed(record, "code"))
			return;
		if (!cms_record_not_blank(record, "code"))
			return;
		given = cms_text_trim(given);
		if (pg_mbstrlen(given) > CMS_CODE_MAX_LENGTH)
		{
			cms_record_refuse(record,
							  ERRCODE_CHECK_VIOLATION,
							  "code",
							  "Use at most 40 characters.",
							  "code is too long");
			return;
		}
		cms_record_set_text(record, "code", given);
		if (offer_code_is_taken(record, given, &by))
			cms_record_refuse(record,
							  ERRCODE_UNIQUE_VIOLATION,
							  "code",
							  "Choose another, or leave it out to have one made.",
							  "offer code \"%s\" is taken by offer " INT64_FORMAT,
							  given,
							  by);
		return;
	}
	/* a preview promises none */
	if (record->problems != NULL)
		return;

	for (int i = 0; i < MAX_DRAWS; i++)
	{
		cms_code_for_offer(drawn);
		if (offer_code_is_taken(record, drawn, &by))
			continue;
		cms_record_set_text(record, "code", drawn);
		return;
	}
	elog(ERROR, "could not find a free offer code in %d draws", MAX_DRAWS);
}

/* Two at once are told apart by the unique index. */
static bool
offer_code_is_taken(const CmsRecord *record, const char *code, int64 *by)
{
	Datum values[] = {
		Int32GetDatum((int) cms_record_int(record, "org_id")),
		CStringGetTextDatum(code),
		Int64GetDatum(cms_record_int(record, "offer_id")),
	};

	if (cms_plan_run_latest(&offer_of_code, values, NULL) == 0)
		return false;
	*by = cms_row_int64(0, 1, 0);
	return true;
}

/*
 * The order of what may come: a restore brings coupons and offers in any order,
 * so an offer's own coupons are no conflict.
 */
void
cms_offer_reserve_codes(const CmsRecord *record)
{
	int org = cms_record_int(record, "org_id");
	Datum offer_id = Int64GetDatum(cms_record_int(record, "offer_id"));
	bool common = !cms_record_isnull(record, "common_code");
	bool sample = !cms_record_isnull(record, "sample_code");

	/* a sample never changes */
	if (record->before != NULL && !(common && cms_record_changed(record, "common_code")))
		return;
	if (!common && !sample)
		return;
	/* a preview reserves nothing, and so is in nobody's way */
	if (record->problems == NULL)
		cms_codebook_reserve_lock(org);
	if (common)
		reserve_common_code(record, Int32GetDatum(org), offer_id);
	else
		reserve_sample(record, Int32GetDatum(org), offer_id);
}

static void
reserve_common_code(const CmsRecord *record, Datum org, Datum offer_id)
{
	static const char *const hint = "Choose another code.";
	char *code = cms_record_text(record, "common_code");
	Datum names[] = {org, cms_codebook_names(code), offer_id};
	Datum codes[] = {org, CStringGetTextDatum(code), offer_id};

	refuse_if_found(&offer_of_names, names, record, "common_code", hint, "the reservation");
	refuse_if_found(&coupon_of_code,
					codes,
					record,
					"common_code",
					"Choose another code, or revoke the coupon first.",
					"the coupon");
}

/* F11: everything that looks like a code of the sample would be one of its codes. */
static void
reserve_sample(const CmsRecord *record, Datum org, Datum offer_id)
{
	static const char *const hint = "Choose a sample with another first half.";
	CmsCodePattern pattern;
	Datum regex;
	char *next;

	cms_code_mask_pattern(cms_record_text(record, "sample_code"), &pattern);
	/* codes hold nothing that a regular expression takes for a sign */
	regex =
		CStringGetTextDatum(psprintf("^%s%s{%d}$",
									 pattern.prefix,
									 pattern.charset == CMS_CHARSET_NUMERIC ? "[0-9]" : "[0-9A-Z]",
									 pattern.length));
	next = pstrdup(pattern.prefix);
	next[strlen(next) - 1]++;

	Datum fixed_part[] = {org, CStringGetTextDatum(pattern.prefix), offer_id};
	Datum codes[] = {org, regex, offer_id};
	Datum range[] = {
		org, regex, offer_id, CStringGetTextDatum(pattern.prefix), CStringGetTextDatum(next)};

	refuse_if_found(&offer_of_fixed_part, fixed_part, record, "sample_code", hint, "the sample");
	refuse_if_found(&common_code_of_sample, codes, record, "sample_code", hint, "the common code");
	refuse_if_found(&coupon_of_sample, range, record, "sample_code", hint, "the coupon");
}

/* The latest snapshot, because the lock has made final what the others did. */
static void
refuse_if_found(CmsPlan *plan, const Datum *values, const CmsRecord *record, const char *column,
				const char *hint, const char *what)
{
	if (cms_plan_run_latest(plan, values, NULL) > 0)
		cms_record_refuse(record,
						  CMS_ERRCODE_CODE_TAKEN,
						  column,
						  hint,
						  "%s clashes with %s \"%s\" of offer " INT64_FORMAT,
						  column,
						  what,
						  cms_row_text(0, 2),
						  cms_row_int64(0, 1, 0));
}
