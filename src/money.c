/*
 * money.c
 *	  Exact amounts: never a float, and one place that rounds.
 *
 * Results are palloc'd in the current context. Arithmetic on amounts that passed
 * cms_money_is_amount raises nothing but the server's 22003 for numbers of more
 * than a hundred thousand digits.
 */
#include "cms.h"

#include "utils/builtins.h"

#include "money.h"

static Numeric round_to(Numeric a, int decimals);
static Numeric smaller(Numeric a, Numeric b);

Numeric
cms_money_zero(void)
{
	return int64_to_numeric(0);
}

Numeric
cms_money_add(Numeric a, Numeric b)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
cms_money_subtract(Numeric a, Numeric b)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_sub, NumericGetDatum(a), NumericGetDatum(b)));
}

Numeric
cms_money_at_least_zero(Numeric a)
{
	return cms_money_compare(a, cms_money_zero()) < 0 ? cms_money_subtract(a, a) : a;
}

int64
cms_money_times(Numeric a, Numeric b)
{
	Numeric most = int64_to_numeric(1000000000);
	Datum times;

	/* before the division: what is far below zero would leave the range of the result */
	if (cms_money_compare(a, cms_money_zero()) <= 0)
		return 0;
	times = DirectFunctionCall2(numeric_div_trunc, NumericGetDatum(a), NumericGetDatum(b));
	if (cms_money_compare(DatumGetNumeric(times), most) > 0)
		times = NumericGetDatum(most);
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, times));
}

/* negative, 0 or positive, as a is less than, equal to or greater than b */
int
cms_money_compare(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

bool
cms_money_is_amount(Numeric a)
{
	return !numeric_is_nan(a) && !numeric_is_inf(a) && cms_money_compare(a, cms_money_zero()) >= 0;
}

/*
 * Amounts that no bill has: sums of them would leave the range of numbers, and with it
 * the counters of an offer.
 */
bool
cms_money_is_too_large(Numeric a)
{
	Numeric root = int64_to_numeric(INT64CONST(1000000000000000000));

	return cms_money_compare(a, root) >= 0 &&
		   cms_money_compare(a, numeric_mul_opt_error(root, root, NULL)) >= 0;
}

/*
 * The discount (F32), with exactly minor_units decimals. "cap" may be NULL.
 *
 * A percentage is computed exactly before it is rounded, so that it is rounded
 * once. The bounds may have more decimals than the currency (a line of 0.005, a
 * cap of 33.333); they are cut, not rounded, as the discount must not exceed them.
 */
Numeric
cms_money_discount(bool percentage, Numeric value, Numeric cap, Numeric eligible, int minor_units)
{
	Numeric discount = value;
	Numeric bound = eligible;

	if (percentage)
	{
		/*
		 * Times 0.01, as a division would choose its own number of decimals; the
		 * percentage first, so that no step is larger than the bill.
		 */
		Datum hundredths = DirectFunctionCall2(
			numeric_mul, NumericGetDatum(value), NumericGetDatum(int64_div_fast_to_numeric(1, 2)));

		discount = DatumGetNumeric(
			DirectFunctionCall2(numeric_mul, NumericGetDatum(eligible), hundredths));
	}
	if (cap != NULL)
		bound = smaller(bound, cap);
	bound = DatumGetNumeric(
		DirectFunctionCall2(numeric_trunc, NumericGetDatum(bound), Int32GetDatum(minor_units)));
	return round_to(smaller(round_to(discount, minor_units), bound), minor_units);
}

/* As people read it: 500, 499.90, 0.125. */
char *
cms_money_text(Numeric a)
{
	Numeric trimmed = DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(a)));
	char *result = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(trimmed)));
	char *point = strchr(result, '.');

	/* a single decimal looks unfinished */
	if (point != NULL && point[1] != '\0' && point[2] == '\0')
		result = psprintf("%s0", result);
	return result;
}

/* Half away from zero, which for amounts is half up. */
static Numeric
round_to(Numeric a, int decimals)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_round, NumericGetDatum(a), Int32GetDatum(decimals)));
}

static Numeric
smaller(Numeric a, Numeric b)
{
	return cms_money_compare(a, b) <= 0 ? a : b;
}
