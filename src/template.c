/*
 * template.c
 *	  Texts of messages with placeholders (F21, F41): checked when they are saved, filled in when a
 *	  sender takes the message.
 *
 * A placeholder is a name in braces. A brace that is meant as one is written twice, as in Python or
 * C#: "{{" and "}}". The check refuses everything else with a brace, so that a slip is noticed by
 * who writes the text and not by a million customers. Names are compared as they are, in lower case.
 */
#include "cms.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "template.h"

/* Bytes of an unknown name that its refusal repeats. */
#define MOST_SHOWN 60

static const char *const names[CMS_PLACEHOLDERS] = {
	[CMS_PLACEHOLDER_CODE] = "code",
	[CMS_PLACEHOLDER_OFFER] = "offer",
	[CMS_PLACEHOLDER_OFFER_CODE] = "offer_code",
	[CMS_PLACEHOLDER_EXPIRES_ON] = "expires_on",
	[CMS_PLACEHOLDER_DAYS_LEFT] = "days_left",
	[CMS_PLACEHOLDER_DISCOUNT] = "discount",
	[CMS_PLACEHOLDER_CUSTOMER] = "customer",
	[CMS_PLACEHOLDER_ORG] = "org",
};

static int placeholder_at(const char *text, const char **end);

/* Bytes below 0x80 are never part of a longer character in an encoding of a server. */
char *
cms_template_problem(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
	{
		const char *end;

		if (*at != '{' && *at != '}')
			continue;
		if (at[1] == *at)
		{
			at++;
			continue;
		}
		if (*at == '}')
			return pstrdup("a \"}\" has no \"{\" before it");
		end = strpbrk(at + 1, "{}");
		if (end == NULL || *end == '{')
			return pstrdup("a \"{\" has no \"}\" after it");
		if (placeholder_at(at, &end) < 0)
		{
			int length = end - at - 1;

			return psprintf("placeholder \"{%s}\" is unknown",
							pnstrdup(at + 1, pg_mbcliplen(at + 1, length, MOST_SHOWN)));
		}
		at = end;
	}
	return NULL;
}

char *
cms_template_hint(void)
{
	StringInfoData hint;

	initStringInfo(&hint);
	appendStringInfoString(&hint, "The placeholders are");
	for (int i = 0; i < CMS_PLACEHOLDERS; i++)
		appendStringInfo(
			&hint, "%s {%s}", i == 0 ? "" : (i < CMS_PLACEHOLDERS - 1 ? "," : " and"), names[i]);
	appendStringInfoString(&hint, "; write {{ for a { and }} for a }.");
	return hint.data;
}

char *
cms_template_fill(const char *text, const char *const values[CMS_PLACEHOLDERS])
{
	StringInfoData filled;

	initStringInfo(&filled);
	for (const char *at = text; *at != '\0'; at++)
	{
		const char *end;
		int placeholder;

		if (*at == '{' && at[1] != '{' && (placeholder = placeholder_at(at, &end)) >= 0)
		{
			if (values[placeholder] != NULL)
				appendStringInfoString(&filled, values[placeholder]);
			at = end;
			continue;
		}
		if ((*at == '{' || *at == '}') && at[1] == *at)
			at++;
		appendStringInfoChar(&filled, *at);
	}
	return filled.data;
}

/* Which placeholder begins at this brace, and where its closing brace is; -1: none. */
static int
placeholder_at(const char *text, const char **end)
{
	for (int i = 0; i < CMS_PLACEHOLDERS; i++)
	{
		size_t length = strlen(names[i]);

		if (strncmp(text + 1, names[i], length) == 0 && text[1 + length] == '}')
		{
			*end = text + 1 + length;
			return i;
		}
	}
	return -1;
}
