/*
 * result.c
 *	  Rows that the callables return.
 *
 * Callables compute within SPI, whose memory ends with SPI_finish; results are
 * copied to the caller's context on the way out.
 */
#include "cms.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "plan.h"
#include "result.h"
#include "text.h"

static TupleDesc desc_of_arguments(FunctionCallInfo fcinfo);

/*
 * The server has a descriptor of a type with a name; that of a procedure's arguments is made once
 * per query.
 */
Datum
cms_result_row(FunctionCallInfo fcinfo, MemoryContext context, const Datum *values,
			   const bool *nulls)
{
	Oid type = get_func_rettype(fcinfo->flinfo->fn_oid);
	TupleDesc desc =
		type == RECORDOID ? desc_of_arguments(fcinfo) : lookup_rowtype_tupdesc(type, -1);
	MemoryContext before = MemoryContextSwitchTo(context);
	HeapTuple tuple = heap_form_tuple(desc, (Datum *) values, (bool *) nulls);
	Datum row = HeapTupleGetDatum(tuple);

	MemoryContextSwitchTo(before);
	ReleaseTupleDesc(desc);
	return row;
}

static TupleDesc
desc_of_arguments(FunctionCallInfo fcinfo)
{
	TupleDesc desc = fcinfo->flinfo->fn_extra;

	if (desc == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		fcinfo->flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(before);
	}
	return desc;
}

void
cms_result_start(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
}

void
cms_result_put(FunctionCallInfo fcinfo, const Datum *values, const bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, (Datum *) values, (bool *) nulls);
}

void
cms_result_put_rows(FunctionCallInfo fcinfo, uint64 rows, int ncolumns)
{
	Datum *values = palloc(sizeof(Datum) * ncolumns);
	bool *nulls = palloc(sizeof(bool) * ncolumns);

	for (uint64 row = 0; row < rows; row++)
	{
		for (int i = 0; i < ncolumns; i++)
			values[i] = cms_row_value(row, i + 1, &nulls[i]);
		cms_result_put(fcinfo, values, nulls);
	}
}

void
cms_result_reason(CmsReason reason, const char *message, Datum *values, bool *nulls,
				  int reason_column, int message_column)
{
	if (reason != CMS_OK && message == NULL)
		message = cms_reason_message(reason);
	cms_result_text(cms_reason_name(reason), values, nulls, reason_column);
	cms_result_text(reason == CMS_OK ? NULL : message, values, nulls, message_column);
}

void
cms_result_text(const char *text, Datum *values, bool *nulls, int column)
{
	nulls[column] = (text == NULL);
	values[column] = cms_text_datum(text);
}
