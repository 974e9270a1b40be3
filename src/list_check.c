/*
 * list_check.c
 *	  Checks of org_entity, poc and the lists of offers, row by row.
 *
 * Which table a row is of is told by a column that only that table has, since
 * a trigger sees another name where tables are spread over machines.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "calendar.h"
#include "list_check.h"
#include "plan.h"
#include "settings.h"
#include "text.h"

static const char *const kinds[] = {"CATEGORY", "BRAND", "SKU", NULL};
const char *const cms_list_entity_types[] = {"TILL", "STORE", "ZONE", "CONCEPT", NULL};

static CmsPlan place_exists = {
	.text = "SELECT FROM cms.org_entity WHERE org_id = $1 AND entity_type = $2 AND entity_id = $3",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, TEXTOID},
};

static CmsPlan place_has_children = {
	.text = "SELECT FROM cms.org_entity WHERE org_id = $1 AND parent_type = $2 AND parent_id = $3",
	.nargs = 3,
	.argtypes = {INT4OID, TEXTOID, TEXTOID},
};

static CmsPlan poc_exists = {
	.text = "SELECT FROM cms.poc WHERE org_id = $1 AND poc_id = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan offer_exists = {
	.text = "SELECT FROM cms.offer WHERE org_id = $1 AND offer_id = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static void check_product(CmsRecord *record);
static void check_place_of_offer(CmsRecord *record);
static void check_window(CmsRecord *record);
static void check_audience(CmsRecord *record);
static void check_exclusion(CmsRecord *record);
static void check_reminder(CmsRecord *record);
static void check_offer_poc(CmsRecord *record);
static void check_place(CmsRecord *record);
static void check_poc(CmsRecord *record);
static void require_no_children(const CmsRecord *record);
static void require_offer(const CmsRecord *record, CmsScope scope);
static bool found(CmsPlan *plan, const Datum *values);
static bool days_of(const CmsRecord *record, const char *column, int most, uint32 *days);
static void check_window_can_open(const CmsRecord *record, const CmsWindow *window);

/* the first whose columns the row has */
static const struct
{
	const char *column;
	void (*check)(CmsRecord *record);
} tables[] = {
	{"kind", check_product},
	{"customer_id", check_audience},
	{"weekdays", check_window},
	{"other_offer_id", check_exclusion},
	{"channel", check_reminder},
	{"parent_id", check_place},
	{"entity_type", check_place_of_offer},
	{"email", check_poc},
	{"poc_id", check_offer_poc},
};

void
cms_list_check(CmsRecord *record)
{
	for (int i = 0; i < lengthof(tables); i++)
		if (cms_record_has(record, tables[i].column))
		{
			tables[i].check(record);
			return;
		}
	elog(ERROR, "table is not known to the checks of settings");
}

static void
check_product(CmsRecord *record)
{
	cms_record_choice(record, "kind", kinds, false);
	cms_record_id(record, "value");
	require_offer(record, CMS_SCOPE_PRODUCTS);
}

static void
check_place_of_offer(CmsRecord *record)
{
	cms_record_choice(record, "entity_type", cms_list_entity_types, false);
	cms_record_id(record, "entity_id");
	require_offer(record, CMS_SCOPE_STORES);
}

static void
check_audience(CmsRecord *record)
{
	cms_record_id(record, "customer_id");
	require_offer(record, CMS_SCOPE_AUDIENCE);
}

static void
check_exclusion(CmsRecord *record)
{
	int64 other;
	Datum values[2];

	if (!cms_record_require(record, "other_offer_id", "Name the other offer."))
		return;
	require_offer(record, CMS_SCOPE_NONE);
	other = cms_record_int(record, "other_offer_id");
	if (other == cms_record_int(record, "offer_id"))
		cms_record_refuse(
			record,
			ERRCODE_CHECK_VIOLATION,
			"other_offer_id",
			"Limit the offer itself with max_issued_per_customer or min_days_between_issues.",
			"an offer cannot exclude itself");
	values[0] = Int32GetDatum((int) cms_record_int(record, "org_id"));
	values[1] = Int64GetDatum(other);
	if (!found(&offer_exists, values))
		cms_record_refuse(record,
						  CMS_ERRCODE_UNKNOWN_OFFER,
						  "other_offer_id",
						  "Name another offer of the same org.",
						  "unknown offer " INT64_FORMAT,
						  other);
}

static void
check_reminder(CmsRecord *record)
{
	bool isnull;

	cms_record_range(record, "days_before", 0, 3650, false);
	cms_record_require(record, "time_of_day", "Leave it out for 10:00.");
	/* SQL has a 24:00, which no clock shows */
	if (DatumGetTimeADT(cms_record_value(record, "time_of_day", &isnull)) >= USECS_PER_DAY)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "time_of_day",
						  "Use 00:00 with one day less in days_before.",
						  "time_of_day must be before 24:00");
	cms_record_not_blank(record, "channel");
	cms_record_not_blank(record, "content");
	cms_record_template(record, "content");
	require_offer(record, CMS_SCOPE_NONE);
}

static void
check_offer_poc(CmsRecord *record)
{
	int64 poc;
	Datum values[2];

	cms_record_range(record, "days_before", 0, 3650, false);
	if (!cms_record_require(record, "poc_id", "Name a row of cms.poc."))
		return;
	require_offer(record, CMS_SCOPE_NONE);
	poc = cms_record_int(record, "poc_id");
	values[0] = Int32GetDatum((int) cms_record_int(record, "org_id"));
	values[1] = Int64GetDatum(poc);
	if (!found(&poc_exists, values))
		cms_record_refuse(record,
						  ERRCODE_FOREIGN_KEY_VIOLATION,
						  "poc_id",
						  "Insert the person into cms.poc first.",
						  "point of contact " INT64_FORMAT " is unknown",
						  poc);
}

static void
check_poc(CmsRecord *record)
{
	char *email;
	char *at;

	if (record->before == NULL)
		cms_settings_require_org(record);
	cms_record_not_blank(record, "name");
	cms_record_set_text(record, "name", cms_text_trim(cms_record_text(record, "name")));
	cms_record_not_blank(record, "email");
	email = cms_text_trim(cms_record_text(record, "email"));
	at = strchr(email, '@');
	if (at == NULL || at == email || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
		strpbrk(email, " \t\n\v\f\r") != NULL)
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "email",
						  "Use an address such as name@example.com.",
						  "email \"%s\" is no address",
						  email);
	cms_record_set_text(record, "email", email);
}

static void
check_place(CmsRecord *record)
{
	if (record->before == NULL)
		cms_settings_require_org(record);
	cms_record_choice(record, "entity_type", cms_list_entity_types, false);
	cms_record_id(record, "entity_id");
	if (cms_record_isnull(record, "parent_id"))
		return;
	if (cms_record_is(record, "entity_type", "CONCEPT"))
		cms_record_refuse(record,
						  ERRCODE_CHECK_VIOLATION,
						  "parent_id",
						  "Leave it NULL.",
						  "a CONCEPT has no parent");
	cms_record_id(record, "parent_id");
}

/* Only after the row, because a parent may come, and a child may go, later in the same statement. */
void
cms_list_check_after(CmsRecord *record)
{
	Datum values[3];

	if (record->row == NULL)
	{
		require_no_children(record);
		return;
	}
	if (cms_record_isnull(record, "parent_id"))
		return;
	values[0] = Int32GetDatum((int) cms_record_int(record, "org_id"));
	values[1] = CStringGetTextDatum(cms_record_text(record, "parent_type"));
	values[2] = CStringGetTextDatum(cms_record_text(record, "parent_id"));
	if (!found(&place_exists, values))
		cms_record_refuse(record,
						  ERRCODE_FOREIGN_KEY_VIOLATION,
						  "parent_id",
						  "Insert the parent into cms.org_entity too.",
						  "%s \"%s\", the parent of %s \"%s\", is not registered",
						  cms_record_text(record, "parent_type"),
						  cms_record_text(record, "parent_id"),
						  cms_record_text(record, "entity_type"),
						  cms_record_text(record, "entity_id"));
}

static void
require_no_children(const CmsRecord *record)
{
	Datum values[] = {Int32GetDatum((int) cms_record_int(record, "org_id")),
					  CStringGetTextDatum(cms_record_text(record, "entity_type")),
					  CStringGetTextDatum(cms_record_text(record, "entity_id"))};

	if (found(&place_has_children, values))
		cms_record_refuse(record,
						  ERRCODE_FOREIGN_KEY_VIOLATION,
						  "entity_id",
						  "Give them another parent_id, or delete them first.",
						  "%s \"%s\" has places below it",
						  cms_record_text(record, "entity_type"),
						  cms_record_text(record, "entity_id"));
}

/* F31: a row that can never match would close the offer without saying so. */
static void
check_window(CmsRecord *record)
{
	CmsWindow window;

	if (cms_list_window(record, &window))
		check_window_can_open(record, &window);
	require_offer(record, CMS_SCOPE_NONE);
}

bool
cms_list_window(const CmsRecord *record, CmsWindow *window)
{
	uint32 weekdays, month_days;
	bool good;
	bool isnull;
	Datum value;

	good = days_of(record, "weekdays", 7, &weekdays);
	good = days_of(record, "month_days", 31, &month_days) && good;
	good = cms_record_day(record, "from_date") && good;
	good = cms_record_day(record, "to_date") && good;
	if (!good)
		return false;
	/* bit 0 is Monday, the first of month is bit 1 */
	window->weekdays = weekdays >> 1;
	window->month_days = month_days;
	value = cms_record_value(record, "from_date", &isnull);
	window->from_date = isnull ? DATEVAL_NOBEGIN : DatumGetDateADT(value);
	value = cms_record_value(record, "to_date", &isnull);
	window->to_date = isnull ? DATEVAL_NOEND : DatumGetDateADT(value);
	value = cms_record_value(record, "from_time", &isnull);
	window->from_time = isnull ? 0 : DatumGetTimeADT(value);
	value = cms_record_value(record, "to_time", &isnull);
	window->to_time = isnull ? USECS_PER_DAY : DatumGetTimeADT(value);
	return true;
}

static void
check_window_can_open(const CmsRecord *record, const CmsWindow *window)
{
	bool good = true;

	if (window->from_date > window->to_date)
		good = cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 "to_date",
								 "Use a to_date that is not before from_date.",
								 "from_date is after to_date");
	if (window->from_time == window->to_time || window->from_time == USECS_PER_DAY)
		good = cms_record_refuse(
			record,
			ERRCODE_CHECK_VIOLATION,
			window->from_time == USECS_PER_DAY ? "from_time" : "to_time",
			"The slot begins with from_time and ends before to_time; leave both NULL for "
			"whole days.",
			"the slot is empty");
	if (window->weekdays == 0 && window->month_days == 0 && window->from_date == DATEVAL_NOBEGIN &&
		window->to_date == DATEVAL_NOEND && window->from_time == 0 &&
		window->to_time == USECS_PER_DAY)
		good = cms_record_refuse(
			record,
			ERRCODE_CHECK_VIOLATION,
			"weekdays",
			"Give it days, dates or times; an offer without windows is open at any time.",
			"the window restricts nothing");
	if (good && !cms_window_can_match(window))
		cms_record_refuse(
			record,
			ERRCODE_CHECK_VIOLATION,
			cms_record_isnull(record, "month_days") ? "weekdays" : "month_days",
			"All columns of a row must hold at once: use several rows for alternatives.",
			"no day fulfils weekdays, month_days, from_date and to_date together");
}

/* The days of an array as bits; 0 for NULL. */
static bool
days_of(const CmsRecord *record, const char *column, int most, uint32 *days)
{
	char *hint = psprintf("Use numbers from 1 to %d, or NULL for every day.", most);
	ArrayType *array;
	Datum *elements;
	bool *nulls;
	int count;
	bool isnull;
	Datum value = cms_record_value(record, column, &isnull);

	*days = 0;
	if (isnull)
		return true;
	array = DatumGetArrayTypeP(value);
	if (ARR_NDIM(array) > 1)
		return cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must have one dimension", column);
	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		return cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must not be empty", column);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			return cms_record_refuse(
				record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must not contain NULL", column);
		if (DatumGetInt32(elements[i]) < 1 || DatumGetInt32(elements[i]) > most)
			return cms_record_refuse(record,
									 ERRCODE_CHECK_VIOLATION,
									 column,
									 hint,
									 "%s must not contain %d",
									 column,
									 DatumGetInt32(elements[i]));
		*days |= UINT32_C(1) << DatumGetInt32(elements[i]);
	}
	return true;
}

/* In a preview the offer is not there yet: what it says of the list is what counts. */
static void
require_offer(const CmsRecord *record, CmsScope scope)
{
	if (record->problems != NULL)
	{
		cms_settings_preview_scope(record->problems->offer, scope);
		return;
	}
	cms_record_require(record, "offer_id", "Name the offer that the row belongs to.");
	cms_settings_require_scope(
		cms_record_int(record, "org_id"), cms_record_int(record, "offer_id"), scope);
}

static bool
found(CmsPlan *plan, const Datum *values)
{
	uint64 rows;

	SPI_connect();
	rows = cms_plan_run(plan, values, NULL, false);
	SPI_finish();
	return rows > 0;
}
