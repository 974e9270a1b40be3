/*
 * offer_trigger.c
 *	  The trigger of cms.offer: who may, what is filled in, what is fixed, what
 *	  other rows follow the offer.
 *
 * The row of an offer that is changed or deleted is locked when the trigger
 * runs. Whoever makes the counters of an offer, or adds to one of its lists,
 * holds that row FOR SHARE until the end of the transaction. So both have either
 * finished or not begun, and the latest snapshot, or a conflict, shows it.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "offer_check.h"
#include "org.h"
#include "plan.h"
#include "settings.h"
#include "share.h"

/* which list has rows, of those that the offer is about to stop using */
static CmsPlan list_in_use = {
	.text =
		"SELECT CASE"
		" WHEN $3 AND EXISTS (SELECT FROM cms.offer_product WHERE org_id = $1 AND offer_id = $2)"
		" THEN 'offer_product'"
		" WHEN $4 AND EXISTS (SELECT FROM cms.offer_entity WHERE org_id = $1 AND offer_id = $2)"
		" THEN 'offer_entity'"
		" WHEN $5 AND EXISTS (SELECT FROM cms.offer_audience WHERE org_id = $1 AND offer_id = $2)"
		" THEN 'offer_audience' END",
	.nargs = 5,
	.argtypes = {INT4OID, INT8OID, BOOLOID, BOOLOID, BOOLOID},
};

/* Codes of an offer that never issued: in stock, or revoked from there; each by its index. */
static CmsPlan remove_codes[] = {
	{
		.text = "DELETE FROM cms.coupon"
				" WHERE org_id = $1 AND offer_id = $2 AND issued_at IS NULL AND revoked_at IS NULL",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text =
			"DELETE FROM cms.coupon"
			" WHERE org_id = $1 AND offer_id = $2 AND issued_at IS NULL AND revoked_at IS NOT NULL",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
};

/* What else belongs to the offer without a foreign key that would delete it. */
static CmsPlan remains[] = {
	{
		.text = "DELETE FROM cms.claim WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.code_upload_line WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.offer_key WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.customer_use WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.issue_summary WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.use_summary WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.summary_mark WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.summary_offer WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.offer_slot WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.offer_expiry WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.reminder_pass WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.sweep_offer WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	{
		.text = "DELETE FROM cms.codes_left_told WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
	/* the claim has just raised it: last */
	{
		.text = "DELETE FROM cms.offer_version WHERE org_id = $1 AND offer_id = $2",
		.nargs = 2,
		.argtypes = {INT4OID, INT8OID},
	},
};

static void stamp(CmsRecord *record);
static void stamp_unless_given(CmsRecord *record, const char *column, Datum value);
static void stamp_time_unless_given(CmsRecord *record, const char *column, TimestampTz now);
static void check_lists(const CmsRecord *record);
static bool turned_off(const CmsRecord *record, const char *column, const char *off);
static void move_caps(const CmsRecord *record);
static bool customer_rules_changed(const CmsRecord *record);
static void remove_offer(const CmsRecord *record);

PG_FUNCTION_INFO_V1(cms_offer_check);

Datum
cms_offer_check(PG_FUNCTION_ARGS)
{
	CmsRecord record;

	cms_record_open(&record, fcinfo, true);
	cms_settings_forget_scope();
	cms_offer_check_fixed(&record);
	cms_record_require(&record, "org_id", "Leave it out for the current org.");
	cms_org_require(cms_record_int(&record, "org_id"));
	SPI_connect();
	if (record.row == NULL)
		remove_offer(&record);
	else
	{
		/* 0 stands for the org itself among the versions */
		cms_record_range(&record, "offer_id", 1, PG_INT64_MAX, false);
		/* a caller who is granted an org knows that it exists */
		if (record.before == NULL && cms_org_caller_is_admin())
			cms_settings_require_org(&record);
		stamp(&record);
		cms_offer_normalise(&record);
		cms_offer_check_columns(&record);
		cms_offer_name_code(&record);
		if (record.before != NULL)
			check_lists(&record);
		cms_offer_reserve_codes(&record);
		/* counters come last in the order of locks */
		if (record.before != NULL)
			move_caps(&record);
	}
	SPI_finish();
	return cms_record_result(&record);
}

/* F3: for everybody, the owner of the table and superusers included. */
void
cms_offer_check_fixed(const CmsRecord *record)
{
	static const char *const columns[] = {"org_id",
										  "offer_id",
										  "expiry_type",
										  "code_method",
										  "created_by",
										  "created_at",
										  "sample_code"};

	if (record->before == NULL || record->row == NULL)
		return;
	for (int i = 0; i < lengthof(columns); i++)
		cms_record_fixed(record, columns[i], "Create another offer instead.");
}

/* Only a superuser may bring stamps along: that is what a restore does. */
static void
stamp(CmsRecord *record)
{
	Datum name = CStringGetTextDatum(cms_org_caller_name());
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (record->before != NULL)
	{
		cms_record_set(record, "modified_by", name, false);
		cms_record_set(record, "modified_at", TimestampTzGetDatum(now), false);
		return;
	}
	stamp_unless_given(record, "created_by", name);
	stamp_time_unless_given(record, "created_at", now);
	stamp_unless_given(record, "modified_by", name);
	stamp_time_unless_given(record, "modified_at", now);
}

static void
stamp_unless_given(CmsRecord *record, const char *column, Datum value)
{
	if (cms_record_isnull(record, column) || !superuser_arg(cms_org_caller()))
		cms_record_set(record, column, value, false);
}

/* What tells when something was done is a time; offers are sorted by it, too. */
static void
stamp_time_unless_given(CmsRecord *record, const char *column, TimestampTz now)
{
	stamp_unless_given(record, column, TimestampTzGetDatum(now));
	cms_record_time(record, column);
}

/* A list with rows that no longer count would restrict the offer in vain. */
static void
check_lists(const CmsRecord *record)
{
	bool products = turned_off(record, "product_scope", "ALL_PRODUCTS");
	bool stores = turned_off(record, "store_scope", "ANY_STORE");
	bool audience =
		cms_record_changed(record, "audience_only") && !cms_record_true(record, "audience_only");
	Datum values[] = {
		Int32GetDatum((int) cms_record_int(record, "org_id")),
		Int64GetDatum(cms_record_int(record, "offer_id")),
		BoolGetDatum(products),
		BoolGetDatum(stores),
		BoolGetDatum(audience),
	};
	char *table;
	const char *column;

	if (!products && !stores && !audience)
		return;
	cms_plan_run_latest(&list_in_use, values, NULL);
	table = cms_row_text(0, 1);
	if (table == NULL)
		return;
	column = strcmp(table, "offer_product") == 0  ? "product_scope"
			 : strcmp(table, "offer_entity") == 0 ? "store_scope"
												  : "audience_only";
	cms_record_refuse(record,
					  CMS_ERRCODE_LIST_NOT_USED,
					  column,
					  psprintf("Delete the offer's rows from cms.%s first.", table),
					  "%s cannot be turned off while the offer has rows in %s",
					  column,
					  table);
}

static bool
turned_off(const CmsRecord *record, const char *column, const char *off)
{
	return cms_record_changed(record, column) && cms_record_is(record, column, off);
}

/*
 * F3, F19, F28: the counters hold the caps, because the statement that counts
 * also decides. A cap of issues may not drop below what is issued; others may.
 * They also know which rules about customers hold: a use that was judged by
 * others finds its counters changed and is judged again.
 */
static void
move_caps(const CmsRecord *record)
{
	int org = (int) cms_record_int(record, "org_id");
	int64 offer_id = cms_record_int(record, "offer_id");
	CmsCaps caps = {0};
	int64 issued = 0;
	uint64 rows;

	if (!cms_record_changed(record, "max_issued") &&
		!cms_record_changed(record, "max_redemptions") &&
		!cms_record_changed(record, "max_discount_total") && !customer_rules_changed(record))
		return;

	rows = cms_share_lock_to_change(org, offer_id);
	for (uint64 i = 0; i < rows; i++)
		issued += cms_row_int64(i, 1, 0);
	cms_offer_check_cap_of_issues(record, issued);
	caps.max_issued = cms_record_value(record, "max_issued", &caps.no_max_issued);
	caps.max_redemptions = cms_record_value(record, "max_redemptions", &caps.no_max_redemptions);
	caps.max_discount_total =
		cms_record_value(record, "max_discount_total", &caps.no_max_discount_total);
	caps.randomised = cms_record_is(record, "code_method", "RANDOMISED");
	caps.new_customer_rules = customer_rules_changed(record);
	cms_share_set_caps(org, offer_id, &caps);
}

void
cms_offer_check_cap_of_issues(const CmsRecord *record, int64 issued)
{
	if (issued > 0 && cms_record_changed(record, "max_issued") &&
		cms_record_int_or(record, "max_issued", PG_INT64_MAX) < issued)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "max_issued",
						  psprintf("Use at least " INT64_FORMAT ", or NULL for no limit.", issued),
						  "max_issued is below the " INT64_FORMAT " coupons issued",
						  issued);
}

static bool
customer_rules_changed(const CmsRecord *record)
{
	return cms_record_changed(record, "max_uses_per_customer") ||
		   cms_record_changed(record, "max_uses_per_customer_and_coupon") ||
		   cms_record_changed(record, "min_days_between_uses");
}

/*
 * F8. Codes are deleted twice: first without the lock of the counters, in the
 * order of locks that issuing has, then what was added before the lock was had.
 */
static void
remove_offer(const CmsRecord *record)
{
	int64 offer_id = cms_record_int(record, "offer_id");
	Datum values[] = {Int32GetDatum((int) cms_record_int(record, "org_id")),
					  Int64GetDatum(offer_id)};
	uint64 rows;

	for (int i = 0; i < lengthof(remove_codes); i++)
		cms_plan_write(&remove_codes[i], values, NULL);
	rows = cms_share_lock_to_change((int) cms_record_int(record, "org_id"), offer_id);
	for (uint64 i = 0; i < rows; i++)
	{
		if (cms_row_int64(i, 1, 0) == 0 && cms_row_int64(i, 2, 0) == 0 &&
			!cms_row_bool(i, 3, false))
			continue;
		cms_record_refuse(
			record,
			CMS_ERRCODE_OFFER_IN_USE,
			"offer_id",
			psprintf(
				"UPDATE cms.offer SET status = 'ARCHIVED' WHERE org_id = %d AND offer_id = " INT64_FORMAT
				" ends issuing and keeps the history.",
				(int) cms_record_int(record, "org_id"),
				offer_id),
			"offer " INT64_FORMAT " has issued or redeemed coupons and cannot be deleted",
			offer_id);
	}
	for (int i = 0; i < lengthof(remove_codes); i++)
		cms_plan_write(&remove_codes[i], values, NULL);
	for (int i = 0; i < lengthof(remains); i++)
		cms_plan_write(&remains[i], values, NULL);
	/* its row is gone: an offer of the same number begins anew */
	cms_settings_forget_version();
}
