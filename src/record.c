/*
 * record.c
 *	  The row that a settings trigger looks at.
 *
 * Corrections make a copy of the row in the trigger's own memory, so that it
 * outlives the SPI of the trigger.
 */
#include "cms.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "calendar.h"
#include "money.h"
#include "record.h"
#include "template.h"
#include "text.h"

/* of a preview: enough to go on with */
#define MOST_PROBLEMS 1000

static int number_of(const CmsRecord *record, const char *column);
static bool in_years(const CmsRecord *record, const char *column, bool is_finite, bool is_inside,
					 const char *finite_hint, const char *inside_hint);
static void note(const CmsRecord *record, int sqlstate, const char *column, const char *message,
				 const char *hint);

void
cms_record_open(CmsRecord *record, FunctionCallInfo fcinfo, bool is_before)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TriggerEvent event;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by a trigger")));
	event = trigger->tg_event;
	if (!TRIGGER_FIRED_FOR_ROW(event) || TRIGGER_FIRED_BEFORE(event) != is_before)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" must be fired %s each row",
						trigger->tg_trigger->tgname,
						is_before ? "before" : "after")));

	record->relation = trigger->tg_relation;
	record->desc = RelationGetDescr(trigger->tg_relation);
	record->context = CurrentMemoryContext;
	record->problems = NULL;
	record->before = TRIGGER_FIRED_BY_INSERT(event) ? NULL : trigger->tg_trigtuple;
	record->row = TRIGGER_FIRED_BY_INSERT(event)   ? trigger->tg_trigtuple
				  : TRIGGER_FIRED_BY_UPDATE(event) ? trigger->tg_newtuple
												   : NULL;
}

Datum
cms_record_result(const CmsRecord *record)
{
	return PointerGetDatum(record->row != NULL ? record->row : record->before);
}

/* System columns are no settings: their numbers, below 1, count as absent. */
static int
number_of(const CmsRecord *record, const char *column)
{
	int number = SPI_fnumber(record->desc, column);

	if (number < 1)
		elog(ERROR,
			 "table \"%s\" has no column \"%s\"",
			 RelationGetRelationName(record->relation),
			 column);
	return number;
}

bool
cms_record_has(const CmsRecord *record, const char *column)
{
	return SPI_fnumber(record->desc, column) >= 1;
}

Datum
cms_record_value(const CmsRecord *record, const char *column, bool *isnull)
{
	return SPI_getbinval(record->row != NULL ? record->row : record->before,
						 record->desc,
						 number_of(record, column),
						 isnull);
}

bool
cms_record_isnull(const CmsRecord *record, const char *column)
{
	bool isnull;

	cms_record_value(record, column, &isnull);
	return isnull;
}

char *
cms_record_text(const CmsRecord *record, const char *column)
{
	bool isnull;
	Datum value = cms_record_value(record, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

int64
cms_record_int(const CmsRecord *record, const char *column)
{
	return cms_record_int_or(record, column, 0);
}

int64
cms_record_int_or(const CmsRecord *record, const char *column, int64 if_null)
{
	bool isnull;
	Datum value = cms_record_value(record, column, &isnull);

	if (isnull)
		return if_null;
	if (SPI_gettypeid(record->desc, number_of(record, column)) == INT8OID)
		return DatumGetInt64(value);
	return DatumGetInt32(value);
}

bool
cms_record_is(const CmsRecord *record, const char *column, const char *value)
{
	return cms_text_equal(cms_record_text(record, column), value);
}

bool
cms_record_true(const CmsRecord *record, const char *column)
{
	bool isnull;
	Datum value = cms_record_value(record, column, &isnull);

	return !isnull && DatumGetBool(value);
}

bool
cms_record_changed(const CmsRecord *record, const char *column)
{
	int number = number_of(record, column);
	Form_pg_attribute attribute = TupleDescAttr(record->desc, number - 1);
	bool old_isnull;
	bool new_isnull;
	Datum old_value;
	Datum new_value;

	if (record->before == NULL || record->row == NULL)
		return true;
	old_value = SPI_getbinval(record->before, record->desc, number, &old_isnull);
	new_value = SPI_getbinval(record->row, record->desc, number, &new_isnull);
	if (old_isnull || new_isnull)
		return old_isnull != new_isnull;
	return !datum_image_eq(old_value, new_value, attribute->attbyval, attribute->attlen);
}

void
cms_record_set(CmsRecord *record, const char *column, Datum value, bool isnull)
{
	MemoryContext before = MemoryContextSwitchTo(record->context);
	int number = number_of(record, column);

	record->row = heap_modify_tuple_by_cols(record->row, record->desc, 1, &number, &value, &isnull);
	MemoryContextSwitchTo(before);
}

void
cms_record_set_text(CmsRecord *record, const char *column, const char *value)
{
	cms_record_set(record, column, cms_text_datum(value), value == NULL);
}

bool
cms_record_refuse(const CmsRecord *record, int sqlstate, const char *column, const char *hint,
				  const char *message, ...)
{
	StringInfoData text;
	va_list args;
	int needed;

	initStringInfo(&text);
	do
	{
		va_start(args, message);
		needed = appendStringInfoVA(&text, message, args);
		va_end(args);
		if (needed > 0)
			enlargeStringInfo(&text, needed);
	} while (needed > 0);

	if (record->problems != NULL)
	{
		note(record, sqlstate, column, text.data, hint);
		return false;
	}
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg_internal("%s", text.data),
			 hint != NULL ? errhint("%s", hint) : 0,
			 errtablecolname(record->relation, column)));
}

/* Once each; and what is no value of its column is not missing too. */
static void
note(const CmsRecord *record, int sqlstate, const char *column, const char *message,
	 const char *hint)
{
	MemoryContext before = MemoryContextSwitchTo(record->context);
	CmsProblem *problem = palloc(sizeof(CmsProblem));
	bool is_known = false;
	ListCell *cell;

	problem->column = psprintf("%s%s", record->problems->prefix, column);
	problem->message = pstrdup(message);
	problem->hint = hint == NULL ? NULL : pstrdup(hint);
	foreach (cell, record->problems->found)
	{
		const CmsProblem *other = lfirst(cell);

		if (strcmp(other->column, problem->column) == 0 &&
			(sqlstate == ERRCODE_NOT_NULL_VIOLATION ||
			 strcmp(other->message, problem->message) == 0))
			is_known = true;
	}
	if (!is_known && list_length(record->problems->found) < MOST_PROBLEMS)
		record->problems->found = lappend(record->problems->found, problem);
	MemoryContextSwitchTo(before);
}

bool
cms_record_require(const CmsRecord *record, const char *column, const char *hint)
{
	if (cms_record_isnull(record, column))
		return cms_record_refuse(
			record, ERRCODE_NOT_NULL_VIOLATION, column, hint, "%s is missing", column);
	return true;
}

bool
cms_record_not_blank(const CmsRecord *record, const char *column)
{
	char *text = cms_record_text(record, column);

	if (text == NULL)
		return cms_record_refuse(record,
								 ERRCODE_NOT_NULL_VIOLATION,
								 column,
								 "Give it a text that is not blank.",
								 "%s is missing",
								 column);
	if (cms_text_is_blank(text))
		return cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 column,
								 "Give it a text that is not blank.",
								 "%s must not be blank",
								 column);
	return true;
}

bool
cms_record_template(const CmsRecord *record, const char *column)
{
	char *text = cms_record_text(record, column);
	char *problem = text == NULL ? NULL : cms_template_problem(text);

	if (problem != NULL)
		return cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 column,
								 cms_template_hint(),
								 "%s: %s",
								 column,
								 problem);
	return true;
}

bool
cms_record_id(const CmsRecord *record, const char *column)
{
	if (!cms_record_not_blank(record, column))
		return false;
	if (strlen(cms_record_text(record, column)) > CMS_ID_MAX_BYTES)
		return cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 column,
								 "Give it the id that the outside world knows it by.",
								 "%s must not be longer than %d bytes",
								 column,
								 CMS_ID_MAX_BYTES);
	return true;
}

bool
cms_record_choice(const CmsRecord *record, const char *column, const char *const *choices,
				  bool may_be_null)
{
	char *text = cms_record_text(record, column);
	StringInfoData hint;

	if (text == NULL ? may_be_null : cms_text_is_one_of(text, choices))
		return true;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "Use one of ");
	for (int i = 0; choices[i] != NULL; i++)
		appendStringInfo(&hint, "%s%s", i == 0 ? "" : ", ", choices[i]);
	appendStringInfoString(&hint, may_be_null ? ", or NULL." : ".");
	if (text == NULL)
		return cms_record_refuse(
			record, ERRCODE_NOT_NULL_VIOLATION, column, hint.data, "%s is missing", column);
	return cms_record_refuse(
		record, ERRCODE_CHECK_VIOLATION, column, hint.data, "%s \"%s\" is unknown", column, text);
}

bool
cms_record_range(const CmsRecord *record, const char *column, int64 least, int64 most,
				 bool may_be_null)
{
	int64 value;
	char *hint;

	if (cms_record_isnull(record, column) && may_be_null)
		return true;
	if (most == PG_INT64_MAX)
		hint = psprintf("Use a number of at least " INT64_FORMAT "%s.",
						least,
						may_be_null ? ", or NULL for no limit" : "");
	else
		hint = psprintf("Use a number from " INT64_FORMAT " to " INT64_FORMAT "%s.",
						least,
						most,
						may_be_null ? ", or NULL for none" : "");
	if (!cms_record_require(record, column, hint))
		return false;

	value = cms_record_int(record, column);
	if (value < 0 && least == 0)
		return cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must not be negative", column);
	if (value < least || value > most)
		return cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 column,
								 hint,
								 "%s " INT64_FORMAT " is out of range",
								 column,
								 value);
	return true;
}

/* NULL passes: whoever needs the amount requires it first. */
bool
cms_record_amount(const CmsRecord *record, const char *column, bool zero_allowed)
{
	bool isnull;
	Datum value = cms_record_value(record, column, &isnull);
	const char *hint = zero_allowed ? "Use a number of 0 or more." : "Use a number above 0.";

	if (isnull)
		return true;
	if (numeric_is_nan(DatumGetNumeric(value)) || numeric_is_inf(DatumGetNumeric(value)))
		return cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must be a finite number", column);
	if (!cms_money_is_amount(DatumGetNumeric(value)))
		return cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must not be negative", column);
	if (cms_money_is_too_large(DatumGetNumeric(value)))
		return cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 column,
								 "Use a smaller number.",
								 "%s must be below 10^36",
								 column);
	if (!zero_allowed && cms_money_compare(DatumGetNumeric(value), cms_money_zero()) == 0)
		return cms_record_refuse(
			record, ERRCODE_CHECK_VIOLATION, column, hint, "%s must not be 0", column);
	return true;
}

bool
cms_record_day(const CmsRecord *record, const char *column)
{
	bool isnull;
	DateADT day = DatumGetDateADT(cms_record_value(record, column, &isnull));

	return isnull || in_years(record,
							  column,
							  !DATE_NOT_FINITE(day),
							  day >= CMS_FIRST_DAY && day <= CMS_LAST_DAY,
							  "Use NULL for \"never\".",
							  "Use a day from 0001-01-01 to 9999-12-31.");
}

/* NULL passes, as of days. */
bool
cms_record_time(const CmsRecord *record, const char *column)
{
	bool isnull;
	TimestampTz time = DatumGetTimestampTz(cms_record_value(record, column, &isnull));

	return isnull || in_years(record,
							  column,
							  !TIMESTAMP_NOT_FINITE(time),
							  time >= CMS_FIRST_DAY * USECS_PER_DAY &&
								  time < (CMS_LAST_DAY + 1) * USECS_PER_DAY,
							  "Use a time, or leave it out for the present.",
							  "Use a time in the years 1 to 9999.");
}

static bool
in_years(const CmsRecord *record, const char *column, bool is_finite, bool is_inside,
		 const char *finite_hint, const char *inside_hint)
{
	if (!is_finite)
		return cms_record_refuse(record,
								 ERRCODE_CHECK_VIOLATION,
								 column,
								 finite_hint,
								 "%s must not be infinite",
								 column);
	return is_inside ||
		   cms_record_refuse(
			   record, ERRCODE_CHECK_VIOLATION, column, inside_hint, "%s is out of range", column);
}

bool
cms_record_fixed(const CmsRecord *record, const char *column, const char *hint)
{
	if (record->before != NULL && record->row != NULL && cms_record_changed(record, column))
		return cms_record_refuse(record,
								 CMS_ERRCODE_SETTING_IS_FIXED,
								 column,
								 hint,
								 "%s cannot be changed after creation",
								 column);
	return true;
}
