/*
 * report_page.c
 *	  The page of cms_report, written: HTML without script or anything from elsewhere.
 *
 * Every text of the org goes through cms_html_text or cms_html_name. Each drawing has its
 * numbers in a table.
 */
#include "cms.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "calendar.h"
#include "html.h"
#include "report.h"
#include "report_style.h"
#include "svg.h"

#define NARROW_SPACE "&#8239;"
#define MINUS "&#8722;"

typedef enum Measure
{
	measure_issued,
	measure_uses,
	measure_rate,
	measure_discount
} Measure;

static void put_head(StringInfo out, const CmsReport *report);
static void put_tiles(StringInfo out, const CmsReport *report);
static void put_tile(StringInfo out, const char *name, const char *value, const char *more);
static char *compared(const CmsReport *report, double now, double before);
static void put_time(StringInfo out, const CmsReport *report);
static void put_time_chart(StringInfo out, const CmsReport *report, Measure measure);
static double measured(const CmsReportSum *sum, Measure measure);
static char *measured_text(const CmsReport *report, const CmsReportSum *sum, Measure measure);
static void put_time_table(StringInfo out, const CmsReport *report);
static void put_sum_cells(StringInfo out, const CmsReport *report, const CmsReportSum *sum);
static void put_foot(StringInfo out, const CmsReport *report);
static void put_instant(StringInfo out, const CmsReport *report, TimestampTz at);
static char *span_text(const CmsReport *report, const CmsReportSpan *span, bool with_year);
static char *money(const CmsReport *report, Numeric amount);
static double number(Numeric amount);

void
cms_report_write(StringInfo out, const CmsReport *report)
{
	put_head(out, report);
	put_tiles(out, report);
	put_time(out, report);
	cms_report_write_offers(out, report);
	put_foot(out, report);
}

/* The policy refuses what the page has not got, should a text ever get out of its place. */
static void
put_head(StringInfo out, const CmsReport *report)
{
	char *days = cms_html_days(report->from, report->to, true);

	appendStringInfoString(
		out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
		"'unsafe-inline'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	cms_html_text(out, report->org_name);
	appendStringInfo(out,
					 ": offers, %s</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>",
					 days,
					 report_style);
	cms_html_name(out, report->org_name);
	appendStringInfo(out, ": offers and coupons</h1>\n<p>%s</p>\n</header>\n<main>\n", days);
}

static void
put_tiles(StringInfo out, const CmsReport *report)
{
	const CmsReportSum *sum = &report->sum;
	const CmsReportSum *before = &report->before;
	int64 running = 0;

	for (int i = 0; i < report->noffers; i++)
		running += !report->offers[i].archived && report->offers[i].ends_at > report->at;

	appendStringInfoString(out, "<dl class=\"tiles\">\n");
	put_tile(out,
			 "Coupons issued",
			 cms_html_count(sum->issued),
			 compared(report, sum->issued, before->issued));
	put_tile(
		out, "Redemptions", cms_html_count(sum->uses), compared(report, sum->uses, before->uses));
	put_tile(out,
			 "Redeemed of those issued",
			 cms_html_rate(sum->redeemed, sum->issued),
			 sum->issued == 0 ? "nothing was issued"
							  : psprintf("%s of %s so far",
										 cms_html_count(sum->redeemed),
										 cms_html_count(sum->issued)));
	put_tile(out,
			 "Discount given",
			 money(report, sum->discount),
			 compared(report, number(sum->discount), number(before->discount)));
	put_tile(out,
			 "On bills of",
			 money(report, sum->bills),
			 compared(report, number(sum->bills), number(before->bills)));
	put_tile(out,
			 "Offers running",
			 cms_html_count(running),
			 psprintf("of %s", cms_html_count(report->noffers)));
	appendStringInfoString(out, "</dl>\n");
}

static void
put_tile(StringInfo out, const char *name, const char *value, const char *more)
{
	appendStringInfo(out,
					 "<div class=\"tile\"><dt>%s</dt><dd><div class=\"value\">%s</div>"
					 "<div class=\"more\">%s</div></dd></div>\n",
					 name,
					 value,
					 more);
}

static char *
compared(const CmsReport *report, double now, double before)
{
	int ndays = report->to - report->from + 1;
	char *days = ndays == 1 ? "the day before" : psprintf("the %d days before", ndays);
	double percent;

	if (before == 0)
		return psprintf("none %s %s", ndays == 1 ? "on" : "in", days);
	percent = rint(100 * (now - before) / before);
	if (percent == 0)
		return psprintf("as %s %s", ndays == 1 ? "on" : "in", days);
	if (percent >= 1000)
		return psprintf("%.0f times %s", now / before, days);
	return psprintf(
		"%s%.0f" NARROW_SPACE "%% on %s", percent < 0 ? MINUS : "+", fabs(percent), days);
}

static void
put_time(StringInfo out, const CmsReport *report)
{
	appendStringInfoString(out, "<section>\n<h2>Over time</h2>\n<div class=\"pair\">\n");
	put_time_chart(out, report, measure_issued);
	put_time_chart(out, report, measure_uses);
	put_time_chart(out, report, measure_rate);
	put_time_chart(out, report, measure_discount);
	appendStringInfoString(out, "</div>\n");
	put_time_table(out, report);
	appendStringInfoString(out, "</section>\n");
}

static void
put_time_chart(StringInfo out, const CmsReport *report, Measure measure)
{
	static const struct
	{
		const char *title;
		const char *note;
		const char *none;
		const char *colour;
	} looks[] = {
		{"Coupons issued", "by %s", "Nothing was issued", "blue"},
		{"Redemptions", "by %s", "Nothing was redeemed", "green"},
		{"Redemption rate",
		 "of the coupons issued in each %s, so far",
		 "Nothing was redeemed of what was issued",
		 "violet"},
		{"Discount given", "by %s", "No discount was given", "amber"},
	};
	CmsBar *bars = palloc(sizeof(CmsBar) * report->nspans);
	int highest = 0;
	bool any = false;
	CmsChart chart = {.title = looks[measure].title,
					  .colour = looks[measure].colour,
					  .bars = bars,
					  .nbars = report->nspans,
					  .is_rate = measure == measure_rate,
					  .is_whole = measure == measure_issued || measure == measure_uses};
	bool is_month = strcmp(report->span_name, "month") == 0;

	chart.note = measure == measure_rate ? psprintf(looks[measure].note, report->span_name)
				 : measure == measure_discount
					 ? psprintf("%s by %s", report->currency, report->span_name)
					 : psprintf("by %s", report->span_name);
	for (int i = 0; i < report->nspans; i++)
	{
		const CmsReportSpan *span = &report->spans[i];

		bars[i].value = measured(&span->sum, measure);
		bars[i].tip = psprintf(
			"%s: %s", span_text(report, span, true), measured_text(report, &span->sum, measure));
		bars[i].tick = is_month ? cms_html_month(span->from) : cms_html_day(span->from, false);
		if (bars[i].value > 0 && (!any || bars[i].value > bars[highest].value))
		{
			highest = i;
			any = true;
		}
	}
	if (any)
		chart.summary = psprintf("%s %s, %s. The most is %s",
								 chart.title,
								 chart.note,
								 cms_html_days(report->from, report->to, true),
								 bars[highest].tip);
	else
		chart.summary = psprintf("%s.", looks[measure].none);
	cms_svg_chart(out, &chart);
}

static double
measured(const CmsReportSum *sum, Measure measure)
{
	switch (measure)
	{
		case measure_issued:
			return (double) sum->issued;
		case measure_uses:
			return (double) sum->uses;
		case measure_rate:
			return sum->issued > 0 ? (double) sum->redeemed / sum->issued : NAN;
		case measure_discount:
			return number(sum->discount);
	}
	return 0;
}

static char *
measured_text(const CmsReport *report, const CmsReportSum *sum, Measure measure)
{
	switch (measure)
	{
		case measure_issued:
			return psprintf("%s issued", cms_html_count(sum->issued));
		case measure_uses:
			return psprintf("%s redeemed", cms_html_count(sum->uses));
		case measure_rate:
			return psprintf("%s, %s of %s",
							cms_html_rate(sum->redeemed, sum->issued),
							cms_html_count(sum->redeemed),
							cms_html_count(sum->issued));
		case measure_discount:
			return psprintf(
				"%s %s", report->currency, cms_html_amount(sum->discount, report->minor_units));
	}
	return "";
}

static void
put_time_table(StringInfo out, const CmsReport *report)
{
	appendStringInfo(
		out,
		"<details class=\"card\"><summary>Numbers by %s</summary>"
		"<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Numbers by "
		"%s\"><table>\n"
		"<thead><tr><th scope=\"col\">Days</th><th scope=\"col\" class=\"n\">Issued</th>"
		"<th scope=\"col\" class=\"n\">Redeemed of these</th>"
		"<th scope=\"col\" class=\"n\">Rate</th>"
		"<th scope=\"col\" class=\"n\">Redemptions</th>"
		"<th scope=\"col\" class=\"n\">Discount</th></tr></thead>\n<tbody>\n",
		report->span_name,
		report->span_name);
	for (int i = 0; i < report->nspans; i++)
	{
		appendStringInfo(
			out, "<tr><th scope=\"row\">%s</th>", span_text(report, &report->spans[i], true));
		put_sum_cells(out, report, &report->spans[i].sum);
	}
	appendStringInfoString(out, "<tr class=\"sum\"><th scope=\"row\">In all</th>");
	put_sum_cells(out, report, &report->sum);
	appendStringInfoString(out, "</tbody></table></div></details>\n");
}

static void
put_sum_cells(StringInfo out, const CmsReport *report, const CmsReportSum *sum)
{
	appendStringInfo(out,
					 "<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td>"
					 "<td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
					 cms_html_count(sum->issued),
					 cms_html_count(sum->redeemed),
					 cms_html_rate(sum->redeemed, sum->issued),
					 cms_html_count(sum->uses),
					 cms_html_amount(sum->discount, report->minor_units));
}

static void
put_foot(StringInfo out, const CmsReport *report)
{
	appendStringInfoString(out,
						   "</main>\n<footer>\n"
						   "<p>A coupon is redeemed when it has a use that was not reversed. The "
						   "rate is the redeemed part of the coupons issued, whenever they are "
						   "redeemed; rates of recent days still rise. Redemptions, discounts and "
						   "bills are those of the days on which they happened. Some coupons may "
						   "end before their offer, and coupons that were revoked count as issued "
						   "and not redeemed.</p>\n<p>As of ");
	put_instant(out, report, report->at);
	if (report->summaries_at != DT_NOEND)
	{
		appendStringInfoString(out, ", numbers of days as of ");
		put_instant(out, report, report->summaries_at);
	}
	appendStringInfoString(out, ", ");
	cms_html_text(out, report->zone_name);
	appendStringInfo(out,
					 ". Days are of this zone, amounts in %s.</p>\n</footer>\n</body>\n</html>",
					 report->currency);
}

static void
put_instant(StringInfo out, const CmsReport *report, TimestampTz at)
{
	DateADT day;
	TimeADT time;

	cms_local_clock(at, report->zone, &day, &time);
	appendStringInfo(out,
					 "%s, %02d:%02d",
					 cms_html_day(day, true),
					 (int) (time / USECS_PER_HOUR),
					 (int) (time / USECS_PER_MINUTE % 60));
}

static char *
span_text(const CmsReport *report, const CmsReportSpan *span, bool with_year)
{
	if (strcmp(report->span_name, "month") == 0 && span->to == cms_month_end(span->from, 0) &&
		cms_month_end(span->from - 1, 0) == span->from - 1)
		return cms_html_month(span->from);
	return cms_html_days(span->from, span->to, with_year);
}

/* Of large amounts nobody wants the cents. */
static char *
money(const CmsReport *report, Numeric amount)
{
	return psprintf("<small>%s</small> %s",
					report->currency,
					cms_html_amount(amount, number(amount) < 10000 ? report->minor_units : 0));
}

static double
number(Numeric amount)
{
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(amount)));
}
