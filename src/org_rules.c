/*
 * org_rules.c
 *	  What an org's settings say about requests.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "org_rules.h"
#include "plan.h"

static CmsPlan read_rules = {
	.text = "SELECT " CMS_ORG_RULES_COLUMNS " FROM cms.org g WHERE g.org_id = $1",
	.nargs = 1,
	.argtypes = {INT4OID},
};

/* Months have 30 days here and days 24 hours: a window of attempts follows no calendar. */
void
cms_org_rules_fill(int first_column, CmsOrgRules *rules)
{
	bool isnull;
	Datum value = cms_row_value(0, first_column, &isnull);
	const Interval *within;

	rules->has_max_backdate = !isnull;
	if (!isnull)
		rules->max_backdate = *DatumGetIntervalP(value);
	rules->record_attempts = cms_row_bool(0, first_column + 1, false);
	rules->uniform_refusals = cms_row_bool(0, first_column + 2, false);
	rules->max_failed_attempts = cms_row_int32(0, first_column + 3, 0);
	within = DatumGetIntervalP(cms_row_value(0, first_column + 4, &isnull));
	rules->failed_attempts_within =
		within->time + (within->month * DAYS_PER_MONTH + within->day) * USECS_PER_DAY;
}

void
cms_org_rules_read(int org, bool read_only, CmsOrgRules *rules)
{
	Datum values[] = {Int32GetDatum(org)};

	memset(rules, 0, sizeof(*rules));
	if (cms_plan_run(&read_rules, values, NULL, read_only) == 1)
		cms_org_rules_fill(1, rules);
}

void
cms_org_rules_require_recent(const CmsOrgRules *rules, TimestampTz at)
{
	TimestampTz oldest;

	if (!rules->has_max_backdate)
		return;
	oldest = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval,
							TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()),
							IntervalPGetDatum(&rules->max_backdate)));
	if (at < oldest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"at\" is too far in the past"),
				 errhint("The org accepts requests not older than max_backdate in cms.org.")));
}
