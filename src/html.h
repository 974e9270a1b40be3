/*
 * html.h
 *	  Text, numbers and days as a page shows them. Pure. Results are palloc'd, and ASCII
 *	  alone, so that a page means the same in every encoding of a client.
 */
#ifndef CMS_HTML_H
#define CMS_HTML_H

#include "lib/stringinfo.h"
#include "utils/date.h"
#include "utils/numeric.h"

/* between tags, and in attributes in double quotes */
extern void cms_html_text(StringInfo out, const char *text);
/* whatever its direction, and no longer than a line or two; the whole when one points at it */
extern void cms_html_name(StringInfo out, const char *name);
/* 1,234,567 */
extern char *cms_html_count(int64 n);
/* 1,234.50 */
extern char *cms_html_amount(Numeric amount, int minor_units);
/* 12.3 %; a dash where there is none */
extern char *cms_html_rate(int64 part, int64 whole);
/* 3 Mar 2026, 3 Mar */
extern char *cms_html_day(DateADT day, bool with_year);
extern char *cms_html_month(DateADT day);
/* 1-30 Nov 2026, with a dash as long as it should be */
extern char *cms_html_days(DateADT from, DateADT to, bool with_year);

#endif
