/*
 * items.c
 *	  The lines of a bill, from JSON: [{"sku": "A1", "amount": 12.50}, …].
 *
 * Members that are not known are left alone, so that a point of sale can send
 * its lines as it has them; those that are known must have the right type.
 * Amounts point into the JSON value; everything else is palloc'd in the current
 * context.
 */
#include "cms.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "items.h"
#include "money.h"

/* More than any bill has, few enough for a call never to take long. */
#define MAX_LINES 100000

static void parse_line(JsonbContainer *line, int number, CmsItem *item);
static bool member_of(JsonbContainer *line, const char *name, JsonbValue *value);
static char *text_member(JsonbContainer *line, int number, const char *name);
static bool on_sale_member(JsonbContainer *line, int number);
pg_noreturn static void wrong_type(int number, const char *name, const char *expected);

/*
 * The lines and their total. Errors 22023 naming "items", the line (from 1) and
 * the member.
 */
CmsItems *
cms_items_parse(Jsonb *items)
{
	CmsItems *result;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue element;

	/* a lone value is stored as an array of one */
	if (!JB_ROOT_IS_ARRAY(items) || JB_ROOT_IS_SCALAR(items))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"items\" is not a JSON array"),
			 errhint("Give an array of lines, such as [{\"sku\": \"A1\", \"amount\": 12.50}].")));
	if (JB_ROOT_COUNT(items) > MAX_LINES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("items has more than %d lines", MAX_LINES),
				 errhint("Add lines of the same product up.")));

	result = palloc(sizeof(CmsItems));
	result->count = 0;
	result->lines = palloc0_array(CmsItem, Max(JB_ROOT_COUNT(items), 1));
	result->total = cms_money_zero();

	iterator = JsonbIteratorInit(&items->root);
	/* lines are not entered: each comes as one element */
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		CmsItem *item;

		CHECK_FOR_INTERRUPTS();
		if (token == WJB_BEGIN_ARRAY || token == WJB_END_ARRAY)
			continue;
		if (token != WJB_ELEM)
			elog(ERROR, "unexpected token %d in items", (int) token);
		item = &result->lines[result->count];
		result->count++;
		if (element.type != jbvBinary || !JsonContainerIsObject(element.val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("items[%d] is not a JSON object", result->count),
					 errhint("Give each line as an object, such as {\"sku\": \"A1\", \"amount\": "
							 "12.50}.")));
		parse_line(element.val.binary.data, result->count, item);
		result->total = cms_money_add(result->total, item->amount);
	}
	return result;
}

static void
parse_line(JsonbContainer *line, int number, CmsItem *item)
{
	JsonbValue value;

	item->sku = text_member(line, number, "sku");
	item->category = text_member(line, number, "category");
	item->brand = text_member(line, number, "brand");
	item->on_sale = on_sale_member(line, number);

	if (member_of(line, "quantity", &value) && value.type != jbvNumeric)
		wrong_type(number, "quantity", "a number");

	if (!member_of(line, "amount", &value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("items[%d] has no \"amount\"", number),
				 errhint("Give the total of each line as \"amount\"; it may be 0.")));
	if (value.type != jbvNumeric)
		wrong_type(number, "amount", "a number");
	if (!cms_money_is_amount(value.val.numeric))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("items[%d] has a negative \"amount\"", number),
				 errhint("Leave returned goods out of the bill.")));
	if (cms_money_is_too_large(value.val.numeric))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("items[%d] has an \"amount\" of 10^36 or more", number),
				 errhint("Give the total of the line in the org's currency.")));
	item->amount = value.val.numeric;
}

/* Whether the line has the member; null counts as absent. */
static bool
member_of(JsonbContainer *line, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(line, name, strlen(name), value) != NULL &&
		   value->type != jbvNull;
}

/* Text, or a number as it is written: many shops number their products. */
static char *
text_member(JsonbContainer *line, int number, const char *name)
{
	JsonbValue value;

	if (!member_of(line, name, &value))
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type == jbvNumeric)
		return DatumGetCString(
			DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	wrong_type(number, name, "a text or a number");
}

static bool
on_sale_member(JsonbContainer *line, int number)
{
	JsonbValue value;

	if (!member_of(line, "on_sale", &value))
		return false;
	if (value.type != jbvBool)
		wrong_type(number, "on_sale", "true or false");
	return value.val.boolean;
}

static void
wrong_type(int number, const char *name, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("items[%d]: \"%s\" is not %s", number, name, expected),
			 errhint("Give \"%s\" as %s.", name, expected)));
}
