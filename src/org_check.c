/*
 * org_check.c
 *	  Triggers of cms.org and cms.org_role.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "org.h"
#include "plan.h"
#include "record.h"
#include "settings.h"
#include "text.h"

/*
 * ISO 4217, without metals, units of account and codes for tests. A code that is
 * withdrawn stays: orgs that have it must load from their dump.
 */
static const char *const currencies[] = {
	"AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
	"BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD",
	"CAD", "CDF", "CHE", "CHF", "CHW", "CLF", "CLP", "CNY", "COP", "COU", "CRC", "CUP", "CVE",
	"CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL",
	"GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR",
	"IQD", "IRR", "ISK", "JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD",
	"KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK",
	"MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO",
	"NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON",
	"RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD",
	"SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD",
	"TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND", "VUV",
	"WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
};

static CmsPlan used_by = {
	.text = "SELECT CASE"
			" WHEN EXISTS (SELECT FROM cms.offer WHERE org_id = $1) THEN 'offers'"
			" WHEN EXISTS (SELECT FROM cms.org_entity WHERE org_id = $1) THEN 'places'"
			" WHEN EXISTS (SELECT FROM cms.poc WHERE org_id = $1) THEN 'points of contact' END",
	.nargs = 1,
	.argtypes = {INT4OID},
};

/* What nothing refers to, but would outlive the org. */
static CmsPlan remains[] = {
	{
		.text = "DELETE FROM cms.code_upload_line WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.issue_summary WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.use_summary WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.summary_mark WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.summary_offer WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.event WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.attempt WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.request WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
	{
		.text = "DELETE FROM cms.offer_version WHERE org_id = $1",
		.nargs = 1,
		.argtypes = {INT4OID},
	},
};

static void check_time_zone(CmsRecord *record);
static const char *known_zone(const char *name);
static bool zone_is_listed(const char *name);
static void check_currency(const CmsRecord *record);
static void check_max_backdate(const CmsRecord *record);
static void check_kept(const CmsRecord *record, const char *column);
static void check_attempts(const CmsRecord *record);
static void remove_org(const CmsRecord *record);

PG_FUNCTION_INFO_V1(cms_org_check);
PG_FUNCTION_INFO_V1(cms_org_role_check);
PG_FUNCTION_INFO_V1(cms_org_role_changed);

/* Who may write orgs at all is a matter of grants: cms_admin, for every org. */
Datum
cms_org_check(PG_FUNCTION_ARGS)
{
	CmsRecord record;

	cms_record_open(&record, fcinfo, true);
	if (record.row == NULL)
	{
		remove_org(&record);
		return cms_record_result(&record);
	}

	cms_record_fixed(&record, "org_id", "Create another org instead.");
	/* 0 is no org for the setting cms.org and for versions */
	cms_record_range(&record, "org_id", 1, PG_INT32_MAX, false);
	cms_record_not_blank(&record, "name");
	cms_record_set_text(&record, "name", cms_text_trim(cms_record_text(&record, "name")));
	check_time_zone(&record);
	check_currency(&record);
	cms_record_range(&record, "minor_units", 0, 4, false);
	check_max_backdate(&record);
	check_kept(&record, "keep_expired");
	check_kept(&record, "keep_logs");
	check_attempts(&record);
	return cms_record_result(&record);
}

/* The name is stored as the server spells it. */
static void
check_time_zone(CmsRecord *record)
{
	static const char *const hint = "Use a name from pg_timezone_names, such as Asia/Kolkata.";
	char *given;
	const char *known;

	cms_record_require(record, "time_zone", hint);
	if (record->before != NULL && !cms_record_changed(record, "time_zone"))
		return;
	given = cms_record_text(record, "time_zone");
	known = known_zone(given);
	if (known == NULL)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "time_zone",
						  hint,
						  "time_zone \"%s\" is unknown to this server",
						  given);
	cms_record_set_text(record, "time_zone", known);
}

/*
 * The server also takes POSIX rules for a zone ("FOO+3"), a trap for everybody
 * who mistypes a name. Their canonical spelling is all capitals; names of the
 * database that are all capitals are few, so only those are looked for in it.
 */
static const char *
known_zone(const char *name)
{
	pg_tz *zone = strlen(name) <= TZ_STRLEN_MAX ? pg_tzset(name) : NULL;
	const char *canonical;

	if (zone == NULL || !pg_tz_acceptable(zone))
		return NULL;
	canonical = pg_get_timezone_name(zone);
	/* what these mean depends on the machine */
	if (strcmp(canonical, "localtime") == 0 || strcmp(canonical, "posixrules") == 0 ||
		strcmp(canonical, "Factory") == 0)
		return NULL;
	if (strcmp(canonical, "UTC") == 0 || strcmp(canonical, "GMT") == 0)
		return canonical;
	if (strpbrk(canonical, "abcdefghijklmnopqrstuvwxyz") == NULL && !zone_is_listed(canonical))
		return NULL;
	return canonical;
}

static bool
zone_is_listed(const char *name)
{
	pg_tzenum *list = pg_tzenumerate_start();
	pg_tz *zone;
	bool found = false;

	while (!found && (zone = pg_tzenumerate_next(list)) != NULL)
		found = strcmp(pg_get_timezone_name(zone), name) == 0;
	pg_tzenumerate_end(list);
	return found;
}

static void
check_currency(const CmsRecord *record)
{
	static const char *const hint = "Use a code of ISO 4217, such as INR.";
	char *given;

	cms_record_require(record, "currency", hint);
	given = cms_record_text(record, "currency");
	for (int i = 0; i < lengthof(currencies); i++)
		if (strcmp(currencies[i], given) == 0)
			return;
	cms_record_refuse(
		record, ERRCODE_CHECK_VIOLATION, "currency", hint, "currency \"%s\" is unknown", given);
}

static void
check_max_backdate(const CmsRecord *record)
{
	static const char *const hint =
		"Use an interval of 0 or more, at most 1000 years, or NULL for no limit.";
	Interval zero = {0};
	Interval most = {.month = 1000 * MONTHS_PER_YEAR};
	bool isnull;
	Datum value = cms_record_value(record, "max_backdate", &isnull);

	if (isnull)
		return;
	if (DatumGetBool(DirectFunctionCall2(interval_lt, value, IntervalPGetDatum(&zero))))
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "max_backdate",
						  hint,
						  "max_backdate must not be negative");
	/* further back the server cannot count from now */
	if (DatumGetBool(DirectFunctionCall2(interval_gt, value, IntervalPGetDatum(&most))))
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "max_backdate",
						  hint,
						  "max_backdate must be at most 1000 years");
}

/* Until then a request may come again, and a till be blocked by its attempts. */
static void
check_kept(const CmsRecord *record, const char *column)
{
	static const char *const hint =
		"Use an interval from 1 day to 1000 years, or NULL to keep everything.";
	Interval least = {.day = 1};
	Interval most = {.month = 1000 * MONTHS_PER_YEAR};
	bool isnull;
	Datum value = cms_record_value(record, column, &isnull);

	if (isnull)
		return;
	if (DatumGetBool(DirectFunctionCall2(interval_lt, value, IntervalPGetDatum(&least))))
		cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must be at least 1 day", column);
	if (DatumGetBool(DirectFunctionCall2(interval_gt, value, IntervalPGetDatum(&most))))
		cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must be at most 1000 years", column);
}

/* What refused attempts come to. */
static void
check_attempts(const CmsRecord *record)
{
	static const char *const yes_or_no = "Use true or false.";
	static const char *const hint = "Use an interval above 0, at most 90 days.";
	Interval zero = {0};
	Interval most = {.day = 90};
	bool isnull;
	Datum value;

	cms_record_require(record, "record_attempts", yes_or_no);
	cms_record_require(record, "uniform_refusals", yes_or_no);
	cms_record_range(record, "max_failed_attempts", 1, PG_INT64_MAX, true);
	cms_record_require(record, "failed_attempts_within", hint);
	value = cms_record_value(record, "failed_attempts_within", &isnull);
	if (DatumGetBool(DirectFunctionCall2(interval_le, value, IntervalPGetDatum(&zero))) ||
		DatumGetBool(DirectFunctionCall2(interval_gt, value, IntervalPGetDatum(&most))))
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "failed_attempts_within",
						  hint,
						  "failed_attempts_within must be above 0 and at most 90 days");
}

/* Foreign keys would refuse it too, but not say what to do. */
static void
remove_org(const CmsRecord *record)
{
	int org = cms_record_int(record, "org_id");
	Datum values[] = {Int32GetDatum(org)};
	char *users;

	SPI_connect();
	cms_plan_run_latest(&used_by, values, NULL);
	users = cms_row_text(0, 1);
	if (users != NULL)
		cms_record_refuse(record,
						  ERRCODE_FOREIGN_KEY_VIOLATION,
						  "org_id",
						  "Delete what belongs to the org first; an offer that was used stays.",
						  "org %d still has %s",
						  org,
						  users);
	for (int i = 0; i < lengthof(remains); i++)
		cms_plan_write(&remains[i], values, NULL);
	SPI_finish();
	cms_settings_forget_version();
}

/* A grant to a name that does not exist would come to life with the next role of that name. */
Datum
cms_org_role_check(PG_FUNCTION_ARGS)
{
	CmsRecord record;
	bool isnull;
	char *role_name;

	cms_record_open(&record, fcinfo, true);
	if (record.row == NULL)
		return cms_record_result(&record);

	cms_record_require(&record, "org_id", "Name the org that the role may act for.");
	cms_record_require(&record, "role_name", "Name a role of the server.");
	if (cms_record_changed(&record, "org_id"))
		cms_settings_require_org(&record);

	role_name = NameStr(*DatumGetName(cms_record_value(&record, "role_name", &isnull)));
	if (OidIsValid(get_role_oid(role_name, true)))
		return cms_record_result(&record);
	if (!superuser_arg(cms_org_caller()))
		cms_record_refuse(&record,
						  ERRCODE_CHECK_VIOLATION,
						  "role_name",
						  "Create the role first, or check the spelling.",
						  "role \"%s\" does not exist",
						  role_name);
	/* roles are not part of a dump of the database: they may come after it */
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("role \"%s\", which may act for org %d, does not exist",
					role_name,
					(int) cms_record_int(&record, "org_id")),
			 errhint("Create it before it is needed, or delete the row from cms.org_role.")));
	return cms_record_result(&record);
}

/* Every session forgets what it remembers of orgs and roles, see org.c. */
Datum
cms_org_role_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by a trigger after each statement")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
