/*
 * array.c
 *	  Arrays of text and of bigint. Pure.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "array.h"

static Datum flat_array(Datum *elements, bool *nulls, int count, Oid type, int length,
						bool by_value, char alignment);

/* Batches have many texts: what they were made of is given back at once. */
Datum
cms_array_of_texts(const char *const *texts, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));
	bool *nulls = palloc(sizeof(bool) * Max(count, 1));
	Datum array;

	for (int i = 0; i < count; i++)
	{
		nulls[i] = texts[i] == NULL;
		elements[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	array = flat_array(elements, nulls, count, TEXTOID, -1, false, TYPALIGN_INT);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			pfree(DatumGetPointer(elements[i]));
	pfree(elements);
	pfree(nulls);
	return array;
}

Datum
cms_array_of_int64s(const int64 *numbers, int count)
{
	return cms_array_of_nullable_int64s(numbers, NULL, count);
}

Datum
cms_array_of_nullable_int64s(const int64 *numbers, bool *nulls, int count)
{
	Datum *elements = palloc(sizeof(Datum) * Max(count, 1));
	Datum array;

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(numbers[i]);
	array = flat_array(
		elements, nulls, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	pfree(elements);
	return array;
}

static Datum
flat_array(Datum *elements, bool *nulls, int count, Oid type, int length, bool by_value,
		   char alignment)
{
	int lower = 1;

	return PointerGetDatum(
		construct_md_array(elements, nulls, 1, &count, &lower, type, length, by_value, alignment));
}

/* What the server stores short or compressed it unpacks into a copy, which need not stay in a cache. */
int
cms_array_texts(Datum array, char ***texts)
{
	ArrayType *unpacked = DatumGetArrayTypeP(array);
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(
		DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	*texts = palloc(sizeof(char *) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*texts)[i] = nulls[i] ? NULL : TextDatumGetCString(elements[i]);
	pfree(elements);
	pfree(nulls);
	if (PointerGetDatum(unpacked) != array)
		pfree(unpacked);
	return count;
}

int
cms_array_int64s(Datum array, int64 **numbers)
{
	ArrayType *unpacked = DatumGetArrayTypeP(array);
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(unpacked,
					  INT8OID,
					  sizeof(int64),
					  FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE,
					  &elements,
					  &nulls,
					  &count);
	*numbers = palloc(sizeof(int64) * Max(count, 1));
	for (int i = 0; i < count; i++)
		(*numbers)[i] = nulls[i] ? 0 : DatumGetInt64(elements[i]);
	pfree(elements);
	pfree(nulls);
	if (PointerGetDatum(unpacked) != array)
		pfree(unpacked);
	return count;
}
