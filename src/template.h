/*
 * template.h
 *	  Texts of messages with placeholders, such as "{code} ends on {expires_on}". Pure.
 */
#ifndef CMS_TEMPLATE_H
#define CMS_TEMPLATE_H

/* What a text may ask for; the names are in template.c. */
typedef enum CmsPlaceholder
{
	CMS_PLACEHOLDER_CODE,
	CMS_PLACEHOLDER_OFFER,
	CMS_PLACEHOLDER_OFFER_CODE,
	CMS_PLACEHOLDER_EXPIRES_ON,
	CMS_PLACEHOLDER_DAYS_LEFT,
	CMS_PLACEHOLDER_DISCOUNT,
	CMS_PLACEHOLDER_CUSTOMER,
	CMS_PLACEHOLDER_ORG,
	CMS_PLACEHOLDERS
} CmsPlaceholder;

/* What is wrong with the text, as a sentence without a full stop, palloc'd; NULL: nothing. */
extern char *cms_template_problem(const char *text);
/* How it is made good: the names that there are, and how a brace is written; palloc'd. */
extern char *cms_template_hint(void);
/*
 * The text with its placeholders filled in, palloc'd. A NULL value leaves its place empty. What is no
 * placeholder stays as it is, so that a text that got past the check still goes out.
 */
extern char *cms_template_fill(const char *text, const char *const values[CMS_PLACEHOLDERS]);

#endif
