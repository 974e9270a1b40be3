/*
 * words.c
 *	  Settings in plain words: amounts, lists, days, times.
 */
#include "cms.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "money.h"
#include "text.h"
#include "words.h"

/* characters of a text of the users that are shown */
#define MAX_SHOWN 60

static const char *sign_of(const char *currency);
static char *group_digits(const char *digits, int after_first);
static char *day_name(int day);
static char *runs(uint32 days, int first, int last, char *(*name)(int day), int shortest);
static char *weekday_name(int day);
static bool steers(pg_wchar c);

PG_FUNCTION_INFO_V1(cms_discount_text);

/* cms_discount_text(discount_type, discount_value, discount_cap, currency) */
Datum
cms_discount_text(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(cms_text_datum(
		cms_words_discount(strcmp(TextDatumGetCString(PG_GETARG_DATUM(0)), "PERCENTAGE") == 0,
						   PG_GETARG_NUMERIC(1),
						   PG_ARGISNULL(2) ? NULL : PG_GETARG_NUMERIC(2),
						   TextDatumGetCString(PG_GETARG_DATUM(3)))));
}

char *
cms_words_discount(bool percentage, Numeric value, Numeric cap, const char *currency)
{
	char *text = percentage ? cms_words_percent(value) : cms_words_money(value, currency);

	return cap == NULL ? text : psprintf("%s, at most %s", text, cms_words_money(cap, currency));
}

char *
cms_words_percent(Numeric value)
{
	Datum trimmed = DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(value));

	return psprintf("%s %%", DatumGetCString(DirectFunctionCall1(numeric_out, trimmed)));
}

char *
cms_words_money(Numeric amount, const char *currency)
{
	char *number = cms_money_text(amount);
	char *point = strchr(number, '.');
	char *fraction = point == NULL ? "" : pstrdup(point);
	const char *sign = sign_of(currency);

	if (point != NULL)
		*point = '\0';
	/* lakhs and crores */
	number = group_digits(number, strcmp(currency, "INR") == 0 ? 2 : 3);
	if (sign == NULL)
		return psprintf("%s %s%s", currency, number, fraction);
	return psprintf("%s%s%s", sign, number, fraction);
}

/* NULL: it is called by its code. A sign that several share stands for the best known. */
static const char *
sign_of(const char *currency)
{
	static const char *const signs[][2] = {
		{"INR", "₹"},
		{"EUR", "€"},
		{"USD", "$"},
		{"GBP", "£"},
		{"JPY", "¥"},
		{"KRW", "₩"},
		{"TRY", "₺"},
		{"RUB", "₽"},
		{"VND", "₫"},
		{"NGN", "₦"},
		{"ILS", "₪"},
		{"THB", "฿"},
		{"PHP", "₱"},
		{"UAH", "₴"},
		{"KZT", "₸"},
		{"BDT", "৳"},
	};

	for (int i = 0; i < lengthof(signs); i++)
		if (strcmp(signs[i][0], currency) == 0 &&
			(GetDatabaseEncoding() == PG_UTF8 || !IS_HIGHBIT_SET(signs[i][1][0])))
			return signs[i][1];
	return NULL;
}

/* A comma after every three digits; before the last three after every "after_first". */
static char *
group_digits(const char *digits, int after_first)
{
	StringInfoData text;
	int length = strlen(digits);

	/* not a number that has digits only */
	if (strspn(digits, "0123456789") != length)
		return pstrdup(digits);
	initStringInfo(&text);
	for (int i = 0; i < length; i++)
	{
		int left = length - i;

		if (i > 0 && (left == 3 || (left > 3 && (left - 3) % after_first == 0)))
			appendStringInfoChar(&text, ',');
		appendStringInfoChar(&text, digits[i]);
	}
	return text.data;
}

char *
cms_words_number(int64 number)
{
	return group_digits(psprintf(INT64_FORMAT, number), 3);
}

char *
cms_words_count(int64 number, const char *one, const char *many)
{
	return psprintf("%s %s", cms_words_number(number), number == 1 ? one : many);
}

char *
cms_words_times(int64 number)
{
	return number == 1   ? pstrdup("once")
		   : number == 2 ? pstrdup("twice")
						 : psprintf("%s times", cms_words_number(number));
}

char *
cms_words_list(const char *const *items, int count, const char *conjunction)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && i == count - 1)
			appendStringInfo(&text, " %s ", conjunction);
		else if (i > 0)
			appendStringInfoString(&text, ", ");
		appendStringInfoString(&text, items[i]);
	}
	return text.data;
}

char *
cms_words_date(DateADT day)
{
	static const char *const names[] = {"January",
										"February",
										"March",
										"April",
										"May",
										"June",
										"July",
										"August",
										"September",
										"October",
										"November",
										"December"};
	int year, month, of_month;

	if (DATE_NOT_FINITE(day))
		return pstrdup("never");
	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &of_month);
	return psprintf("%d %s %d", of_month, names[month - 1], year);
}

char *
cms_words_time(TimeADT time)
{
	int64 seconds = time / USECS_PER_SEC;
	int hours = seconds / SECS_PER_HOUR;
	int minutes = seconds / SECS_PER_MINUTE % MINS_PER_HOUR;

	if (seconds % SECS_PER_MINUTE == 0)
		return psprintf("%02d:%02d", hours, minutes);
	return psprintf("%02d:%02d:%02d", hours, minutes, (int) (seconds % SECS_PER_MINUTE));
}

char *
cms_words_slot(TimeADT from, TimeADT to)
{
	return psprintf("%s%s%s%s",
					cms_words_time(from),
					GetDatabaseEncoding() == PG_UTF8 ? "–" : "-",
					cms_words_time(to),
					to < from ? " of the next day" : "");
}

char *
cms_words_weekdays(uint32 days)
{
	return runs(days << 1, 1, 7, weekday_name, 3);
}

static char *
weekday_name(int day)
{
	static const char *const names[] = {
		"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

	return pstrdup(names[day - 1]);
}

char *
cms_words_month_days(uint32 days)
{
	return psprintf("the %s", runs(days, 1, 31, day_name, 3));
}

char *
cms_words_ordinal(int64 number)
{
	static const char *const ends[] = {"th", "st", "nd", "rd"};
	int unit = number % 10;

	Assert(number >= 0);
	if (unit > 3 || number / 10 % 10 == 1)
		unit = 0;
	return psprintf("%s%s", cms_words_number(number), ends[unit]);
}

static char *
day_name(int day)
{
	return cms_words_ordinal(day);
}

/* Days one after the other, "shortest" of them or more, are told by the first and the last. */
static char *
runs(uint32 days, int first, int last, char *(*name)(int day), int shortest)
{
	const char *items[32];
	int count = 0;

	for (int day = first; day <= last; day++)
	{
		int end = day;

		if ((days & (UINT32_C(1) << day)) == 0)
			continue;
		while (end < last && (days & (UINT32_C(1) << (end + 1))) != 0)
			end++;
		if (end - day + 1 < shortest)
			end = day;
		items[count++] = end == day ? name(day) : psprintf("%s to %s", name(day), name(end));
		day = end;
	}
	return cms_words_list(items, count, "and");
}

char *
cms_words_plain(const char *text)
{
	StringInfoData plain;
	int characters = 0;
	int length;

	text = cms_text_trim(text);
	initStringInfo(&plain);
	for (const char *at = text; *at != '\0'; at += length)
	{
		length = pg_mblen(at);
		if (characters++ == MAX_SHOWN)
		{
			appendStringInfoString(&plain, "...");
			break;
		}
		if (GetDatabaseEncoding() == PG_UTF8 ? steers(utf8_to_unicode((const unsigned char *) at))
											 : (unsigned char) *at < ' ' || *at == 0x7F)
			appendStringInfoChar(&plain, ' ');
		else
			appendBinaryStringInfo(&plain, at, length);
	}
	return plain.data;
}

/* control characters, separators of lines, and what turns the direction of writing */
static bool
steers(pg_wchar c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x200E || c == 0x200F ||
		   (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}
