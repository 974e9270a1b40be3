/*
 * args.c
 *	  Arguments of the SQL callables: fetched and checked alike everywhere.
 */
#include "cms.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "args.h"
#include "array.h"
#include "calendar.h"
#include "money.h"
#include "org.h"
#include "text.h"

/* the years 1 to 9999, with a day more at both ends: they begin and end at another time in each zone */
#define FIRST_AT ((INT64CONST(1) * CMS_FIRST_DAY - 1) * USECS_PER_DAY)
#define END_AT ((INT64CONST(1) * CMS_LAST_DAY + 2) * USECS_PER_DAY)

/* of intervals that nobody means */
#define LONG_MONTHS 1200
#define LONG_DAYS 36500

static void not_null(FunctionCallInfo fcinfo, int n, const char *name);
static char *not_blank(char *value, const char *name, const char *hint);
static void not_too_long(const char *value, const char *name, const char *hint);

int64
cms_arg_int64(FunctionCallInfo fcinfo, int n, const char *name)
{
	not_null(fcinfo, n, name);
	return PG_GETARG_INT64(n);
}

int
cms_arg_int(FunctionCallInfo fcinfo, int n, const char *name)
{
	not_null(fcinfo, n, name);
	return PG_GETARG_INT32(n);
}

bool
cms_arg_bool(FunctionCallInfo fcinfo, int n, const char *name)
{
	not_null(fcinfo, n, name);
	return PG_GETARG_BOOL(n);
}

char *
cms_arg_text(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

char *
cms_arg_id(FunctionCallInfo fcinfo, int n, const char *name)
{
	return cms_arg_short_text(fcinfo, n, name, "Pass the id that the outside world knows it by.");
}

char *
cms_arg_required_id(FunctionCallInfo fcinfo, int n, const char *name)
{
	not_null(fcinfo, n, name);
	return not_blank(cms_arg_id(fcinfo, n, name),
					 name,
					 "Pass what others know it by, such as a customer's id or a channel's name.");
}

char *
cms_arg_key(FunctionCallInfo fcinfo, int n, const char *name)
{
	return cms_arg_short_text(fcinfo, n, name, "Pass a shorter key, such as a UUID.");
}

char *
cms_arg_short_text(FunctionCallInfo fcinfo, int n, const char *name, const char *hint)
{
	char *value = cms_arg_text(fcinfo, n);

	if (value == NULL || cms_text_is_blank(value))
		return NULL;
	not_too_long(value, name, hint);
	return value;
}

char *
cms_arg_required_short_text(FunctionCallInfo fcinfo, int n, const char *name, const char *hint)
{
	not_null(fcinfo, n, name);
	return not_blank(cms_arg_short_text(fcinfo, n, name, hint), name, hint);
}

Numeric
cms_arg_amount(FunctionCallInfo fcinfo, int n, const char *name)
{
	Numeric value;

	if (PG_ARGISNULL(n))
		return NULL;
	value = PG_GETARG_NUMERIC(n);
	if (!cms_money_is_amount(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be an amount, not %s",
						name,
						DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value)))),
				 errhint("Pass a number of 0 or more.")));
	if (cms_money_is_too_large(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be below 10^36", name),
				 errhint("Pass an amount in the org's currency.")));
	return value;
}

TimestampTz
cms_arg_at(FunctionCallInfo fcinfo, int n)
{
	TimestampTz value;

	not_null(fcinfo, n, "at");
	value = PG_GETARG_TIMESTAMPTZ(n);
	if (TIMESTAMP_NOT_FINITE(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"at\" must not be infinite"),
				 errhint("Pass the time of the request, or leave it out for the present.")));
	/* at the edges of what can be stored a time zone has no local time, and reports would fail */
	if (value < FIRST_AT || value >= END_AT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"at\" must be in the years 1 to 9999"),
				 errhint("Pass the time of the request, or leave it out for the present.")));
	return value;
}

TimestampTz
cms_arg_until(FunctionCallInfo fcinfo, int n, const char *name, const char *hint, TimestampTz at)
{
	const Interval *span;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name),
				 errhint("%s", hint)));
	span = PG_GETARG_INTERVAL_P(n);
	/* the sum could be a time that cannot be told */
	if (span->month < -LONG_MONTHS || span->month > LONG_MONTHS || span->day < -LONG_DAYS ||
		span->day > LONG_DAYS || span->time < -LONG_DAYS * USECS_PER_DAY ||
		span->time > LONG_DAYS * USECS_PER_DAY)
		return DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_pl_interval, TimestampTzGetDatum(at), IntervalPGetDatum(span)));
}

bool
cms_arg_date(FunctionCallInfo fcinfo, int n, const char *name, const char *hint, DateADT *value)
{
	if (PG_ARGISNULL(n))
		return false;
	*value = PG_GETARG_DATEADT(n);
	if (DATE_NOT_FINITE(*value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be infinite", name),
				 errhint("%s", hint)));
	if (*value < CMS_FIRST_DAY || *value > CMS_LAST_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be in the years 1 to 9999", name),
				 errhint("%s", hint)));
	return true;
}

int
cms_arg_texts(FunctionCallInfo fcinfo, int n, const char *name, char ***values)
{
	ArrayType *array;

	if (PG_ARGISNULL(n))
		return -1;
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have one dimension, not %d", name, ARR_NDIM(array)),
				 errhint("Pass a flat array, one element a line.")));
	return cms_array_texts(PointerGetDatum(array), values);
}

int
cms_arg_org(FunctionCallInfo fcinfo, int n)
{
	int org;

	if (PG_ARGISNULL(n))
		return cms_org_default();
	org = PG_GETARG_INT32(n);
	cms_org_require(org);
	return org;
}

static void
not_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name),
				 errhint("Give it a value, or leave it out where it has a default.")));
}

/* where NULL stands for it */
static char *
not_blank(char *value, const char *name, const char *hint)
{
	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be blank", name),
				 errhint("%s", hint)));
	return value;
}

/* Ids are keys of indexes, which have no room for longer ones. */
static void
not_too_long(const char *value, const char *name, const char *hint)
{
	if (strlen(value) > CMS_ID_MAX_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be longer than %d bytes", name, CMS_ID_MAX_BYTES),
				 errhint("%s", hint)));
}
