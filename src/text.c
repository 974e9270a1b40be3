/*
 * text.c
 *	  Texts and ids as they come from outside. Pure.
 */
#include "cms.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "text.h"

/* of the longest blank there is, see is_blank */
#define BLANK_MAX_BYTES 3

static bool is_blank(const char *text, int length);

bool
cms_text_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
cms_text_is_one_of(const char *text, const char *const *choices)
{
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(text, choices[i]) == 0)
			return true;
	return false;
}

Datum
cms_text_datum(const char *text)
{
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

char *
cms_text_trim(const char *text)
{
	int from = 0;
	int to = strlen(text);

	while (from < to)
	{
		int length = pg_mblen(text + from);

		if (!is_blank(text + from, length))
			break;
		from += length;
	}
	/* from the end: no character but a blank ends in the bytes of one */
	for (;;)
	{
		int length = 1;

		while (length <= BLANK_MAX_BYTES && length <= to - from &&
			   !is_blank(text + to - length, length))
			length++;
		if (length > BLANK_MAX_BYTES || length > to - from)
			break;
		to -= length;
	}
	return pnstrdup(text + from, to - from);
}

bool
cms_text_is_blank(const char *text)
{
	while (*text != '\0')
	{
		int length = pg_mblen(text);

		if (!is_blank(text, length))
			return false;
		text += length;
	}
	return true;
}

/* Whether one character is blank: what prints as nothing. In UTF-8 also the wide spaces. */
static bool
is_blank(const char *text, int length)
{
	const unsigned char *c = (const unsigned char *) text;

	if (length == 1)
		return *c == ' ' || (*c >= '\t' && *c <= '\r');
	if (GetDatabaseEncoding() != PG_UTF8)
		return false;
	if (length == 2)
		return c[0] == 0xC2 && (c[1] == 0xA0 || c[1] == 0x85);
	if (length != 3)
		return false;
	/* U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000 */
	return (c[0] == 0xE1 && c[1] == 0x9A && c[2] == 0x80) ||
		   (c[0] == 0xE2 && c[1] == 0x80 &&
			((c[2] >= 0x80 && c[2] <= 0x8A) || c[2] == 0xA8 || c[2] == 0xA9 || c[2] == 0xAF)) ||
		   (c[0] == 0xE2 && c[1] == 0x81 && c[2] == 0x9F) ||
		   (c[0] == 0xE3 && c[1] == 0x80 && c[2] == 0x80);
}
