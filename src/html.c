/*
 * html.c
 *	  Text, numbers and days as a page shows them.
 */
#include "cms.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "html.h"

/* Characters of a name that are shown, and told when one points at it. */
#define SHOWN 80
#define TOLD 500

#define EN_DASH "&#8211;"
#define EM_DASH "&#8212;"
#define NARROW_SPACE "&#8239;"
#define ELLIPSIS "&#8230;"
#define REPLACEMENT 0xfffd

static int append(StringInfo out, const char *text, int most);
static void append_character(StringInfo out, pg_wchar c);
static bool is_control(pg_wchar c);
static char *grouped(const char *digits);

void
cms_html_text(StringInfo out, const char *text)
{
	append(out, text, INT_MAX);
}

/*
 * bdi keeps a name of another direction, or one that pretends to be, from turning the
 * text around it.
 */
void
cms_html_name(StringInfo out, const char *name)
{
	StringInfoData shown;

	initStringInfo(&shown);
	if (append(&shown, name, SHOWN) == 0)
	{
		appendStringInfo(out, "<bdi>%s</bdi>", shown.data);
		return;
	}
	appendStringInfoString(out, "<bdi title=\"");
	append(out, name, TOLD);
	appendStringInfo(out, "\">%s" ELLIPSIS "</bdi>", shown.data);
}

/* Answers how many bytes are left. */
static int
append(StringInfo out, const char *text, int most)
{
	const unsigned char *utf8 =
		(const unsigned char *) pg_server_to_any(text, strlen(text), PG_UTF8);
	int left = (int) strlen((const char *) utf8);

	for (int i = 0; i < most && left > 0; i++)
	{
		int length = pg_utf_mblen(utf8);

		if (length > left)
			break;
		append_character(out, utf8_to_unicode(utf8));
		utf8 += length;
		left -= length;
	}
	return left;
}

static void
append_character(StringInfo out, pg_wchar c)
{
	if (is_control(c))
		c = REPLACEMENT;
	if (c > 126 || strchr("<>&\"'", (int) c) != NULL)
		appendStringInfo(out, "&#%u;", (unsigned int) c);
	else
		appendStringInfoChar(out, (char) c);
}

/* What a page must not have, or reads as something else. */
static bool
is_control(pg_wchar c)
{
	return (c < 32 && c != '\t' && c != '\n') || (c >= 127 && c < 160);
}

char *
cms_html_count(int64 n)
{
	return grouped(psprintf(INT64_FORMAT, n));
}

char *
cms_html_amount(Numeric amount, int minor_units)
{
	Datum rounded =
		DirectFunctionCall2(numeric_round, NumericGetDatum(amount), Int32GetDatum(minor_units));

	return grouped(DatumGetCString(DirectFunctionCall1(numeric_out, rounded)));
}

/* A comma before each three digits left of the point. */
static char *
grouped(const char *digits)
{
	const char *point = strchr(digits, '.');
	int whole = point != NULL ? (int) (point - digits) : (int) strlen(digits);
	StringInfoData out;

	initStringInfo(&out);
	for (int i = 0; i < whole; i++)
	{
		if (i > 0 && digits[i - 1] != '-' && (whole - i) % 3 == 0)
			appendStringInfoChar(&out, ',');
		appendStringInfoChar(&out, digits[i]);
	}
	if (point != NULL)
		appendStringInfoString(&out, point);
	return out.data;
}

/* Never rounded to none or to all. */
char *
cms_html_rate(int64 part, int64 whole)
{
	double percent;

	if (whole <= 0)
		return EM_DASH;
	percent = 100.0 * part / whole;
	if (part > 0 && percent < 0.05)
		return "&lt;" NARROW_SPACE "0.1" NARROW_SPACE "%";
	if (part < whole && percent > 99.95)
		return "&gt;" NARROW_SPACE "99.9" NARROW_SPACE "%";
	return psprintf("%.1f" NARROW_SPACE "%%", percent);
}

char *
cms_html_day(DateADT day, bool with_year)
{
	int year;
	int month;
	int mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	if (with_year)
		return psprintf("%d %s %d", mday, months[month - 1], year);
	return psprintf("%d %s", mday, months[month - 1]);
}

char *
cms_html_month(DateADT day)
{
	int year;
	int month;
	int mday;

	j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	return psprintf("%s %d", months[month - 1], year);
}

char *
cms_html_days(DateADT from, DateADT to, bool with_year)
{
	int from_year;
	int from_month;
	int from_mday;
	int year;
	int month;
	int mday;
	bool same_year;

	if (from == to)
		return cms_html_day(from, with_year);
	j2date(from + POSTGRES_EPOCH_JDATE, &from_year, &from_month, &from_mday);
	j2date(to + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	same_year = from_year == year;
	if (same_year && from_month == month)
		return psprintf("%d" EN_DASH "%s", from_mday, cms_html_day(to, with_year));
	return psprintf("%s " EN_DASH " %s",
					cms_html_day(from, with_year && !same_year),
					cms_html_day(to, with_year));
}
