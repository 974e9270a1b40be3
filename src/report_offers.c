/*
 * report_offers.c
 *	  The part of the page of cms_report that is about single offers and services.
 */
#include "cms.h"

#include "utils/timestamp.h"

#include "calendar.h"
#include "html.h"
#include "report.h"
#include "svg.h"

/* The services, and nobody. */
#define MOST_SERVICES 16

static void put_ranks(StringInfo out, const CmsReport *report);
static void put_rank(StringInfo out, const char *title, CmsReportOffer *const *offers, int noffers,
					 double highest, const char *colour);
static void put_offers(StringInfo out, const CmsReport *report);
static void put_services(StringInfo out, const CmsReport *report);
static void put_ends(StringInfo out, const CmsReport *report);
static void put_ends_chart(StringInfo out, const CmsReport *report);
static void put_ends_table(StringInfo out, const CmsReport *report);
static void put_rate_cell(StringInfo out, const char *classes, int64 redeemed, int64 issued,
						  double highest, const char *colour);
static void put_table(StringInfo out, const char *name, const char *head);
static double highest_rate(CmsReportOffer *const *offers, int noffers);
static double rate(int64 redeemed, int64 issued);
static int64 unredeemed(const CmsReportOffer *offer);
static DateADT last_day(const CmsReport *report, const CmsReportOffer *offer);

void
cms_report_write_offers(StringInfo out, const CmsReport *report)
{
	put_ranks(out, report);
	put_offers(out, report);
	put_services(out, report);
	put_ends(out, report);
}

static void
put_ranks(StringInfo out, const CmsReport *report)
{
	double highest = highest_rate(report->best, report->nbest);

	appendStringInfoString(out, "<section>\n<h2>Best and worst offers</h2>\n");
	if (report->nbest == 0)
	{
		appendStringInfoString(out,
							   "<p class=\"card none\">No offer issued or redeemed anything in "
							   "these days.</p>\n</section>\n");
		return;
	}
	appendStringInfo(out,
					 "<p class=\"soft\">By the part of their coupons that is redeemed so far, of "
					 "the offers that issued or redeemed in these days%s.</p>\n"
					 "<div class=\"pair\">\n",
					 report->least_issued > 1 ? psprintf(" and have issued at least %s coupons",
														 cms_html_count(report->least_issued))
											  : "");
	put_rank(out, "Best", report->best, report->nbest, highest, "green");
	if (report->nworst > 0)
		put_rank(out, "Worst", report->worst, report->nworst, highest, "amber");
	appendStringInfoString(out, "</div>\n</section>\n");
}

/* The bars of a list are parts of its highest, as rates are mostly low. */
static void
put_rank(StringInfo out, const char *title, CmsReportOffer *const *offers, int noffers,
		 double highest, const char *colour)
{
	appendStringInfo(out, "<div class=\"card\"><h3>%s</h3>\n<ol>\n", title);
	for (int i = 0; i < noffers; i++)
	{
		const CmsReportOffer *offer = offers[i];

		appendStringInfoString(out, "<li><div class=\"line\"><span>");
		cms_html_name(out, offer->name);
		appendStringInfo(
			out, "</span><span>%s</span></div>", cms_html_rate(offer->redeemed, offer->issued));
		cms_svg_meter(out, rate(offer->redeemed, offer->issued), highest, colour);
		appendStringInfo(out,
						 "<div class=\"soft\">%s of %s coupons</div></li>\n",
						 cms_html_count(offer->redeemed),
						 cms_html_count(offer->issued));
	}
	appendStringInfoString(out, "</ol></div>\n");
}

static void
put_offers(StringInfo out, const CmsReport *report)
{
	double highest = highest_rate(report->most_used, report->nmost_used);

	if (report->nmost_used == 0)
		return;
	appendStringInfo(
		out,
		"<section>\n<h2>Most redeemed offers</h2>\n<p class=\"soft\">%s of the %s that "
		"issued or redeemed in these days, with all their numbers so far.</p>\n",
		report->nmost_used == report->nin_play ? "All" : cms_html_count(report->nmost_used),
		cms_html_count(report->nin_play));
	put_table(out,
			  "Most redeemed offers",
			  psprintf("<th scope=\"col\">Offer</th><th scope=\"col\" class=\"wide\">Discount</th>"
					   "<th scope=\"col\" class=\"n\">Issued</th>"
					   "<th scope=\"col\" class=\"n\">Redemptions</th>"
					   "<th scope=\"col\" class=\"n rate\">Rate</th>"
					   "<th scope=\"col\" class=\"n wide\">Given, %s</th>",
					   report->currency));
	for (int i = 0; i < report->nmost_used; i++)
	{
		const CmsReportOffer *offer = report->most_used[i];

		appendStringInfoString(out, "<tr><th scope=\"row\">");
		cms_html_name(out, offer->name);
		appendStringInfoString(out, "</th><td class=\"wide\">");
		cms_html_text(out, offer->discount_text);
		appendStringInfo(out,
						 "</td><td class=\"n\">%s</td><td class=\"n\">%s</td>",
						 cms_html_count(offer->issued),
						 cms_html_count(offer->uses));
		put_rate_cell(out, "n rate", offer->redeemed, offer->issued, highest, "green");
		appendStringInfo(out,
						 "<td class=\"n wide\">%s</td></tr>\n",
						 cms_html_amount(offer->discount, report->minor_units));
	}
	appendStringInfoString(out, "</tbody></table></div>\n</section>\n");
}

/* Of all offers; few enough services to be looked for one after the other. */
static void
put_services(StringInfo out, const CmsReport *report)
{
	struct
	{
		const char *name;
		int64 offers;
		int64 issued;
		int64 redeemed;
		int64 uses;
	} services[MOST_SERVICES] = {0};
	int nservices = 0;
	double highest = 0;

	for (int i = 0; i < report->noffers; i++)
	{
		const CmsReportOffer *offer = &report->offers[i];
		const char *name = offer->service != NULL ? offer->service : "None";
		int k = 0;

		while (k < nservices && strcmp(services[k].name, name) != 0)
			k++;
		if (k == MOST_SERVICES)
			continue;
		nservices = Max(nservices, k + 1);
		services[k].name = name;
		services[k].offers++;
		services[k].issued += offer->issued;
		services[k].redeemed += offer->redeemed;
		services[k].uses += offer->uses;
	}
	if (nservices == 0)
		return;
	for (int k = 0; k < nservices; k++)
		highest = Max(highest, rate(services[k].redeemed, services[k].issued));

	appendStringInfoString(out,
						   "<section>\n<h2>Services</h2>\n<p class=\"soft\">All offers, with all "
						   "their numbers so far, by the service that uses them.</p>\n");
	put_table(out,
			  "Services",
			  "<th scope=\"col\">Service</th><th scope=\"col\" class=\"n\">Offers</th>"
			  "<th scope=\"col\" class=\"n\">Issued</th>"
			  "<th scope=\"col\" class=\"n\">Redemptions</th>"
			  "<th scope=\"col\" class=\"n rate\">Rate</th>");
	for (int k = 0; k < nservices; k++)
	{
		appendStringInfoString(out, "<tr><th scope=\"row\">");
		cms_html_text(out, services[k].name);
		appendStringInfo(out,
						 "</th><td class=\"n\">%s</td><td class=\"n\">%s</td>"
						 "<td class=\"n\">%s</td>",
						 cms_html_count(services[k].offers),
						 cms_html_count(services[k].issued),
						 cms_html_count(services[k].uses));
		put_rate_cell(out, "n rate", services[k].redeemed, services[k].issued, highest, "violet");
		appendStringInfoString(out, "</tr>\n");
	}
	appendStringInfoString(out, "</tbody></table></div>\n</section>\n");
}

static void
put_ends(StringInfo out, const CmsReport *report)
{
	appendStringInfo(out,
					 "<section>\n<h2>Ending soon</h2>\n<p class=\"soft\">Running offers that end "
					 "within %d weeks from %s, and their coupons that are not redeemed yet.</p>\n",
					 CMS_REPORT_WEEKS_AHEAD,
					 cms_html_day(report->today, true));
	if (report->nending == 0)
		appendStringInfoString(out, "<p class=\"card none\">No offer ends in these weeks.</p>\n");
	else
	{
		put_ends_chart(out, report);
		put_ends_table(out, report);
	}
	appendStringInfoString(out, "</section>\n");
}

static void
put_ends_chart(StringInfo out, const CmsReport *report)
{
	CmsBar bars[CMS_REPORT_WEEKS_AHEAD] = {0};
	int64 coupons[CMS_REPORT_WEEKS_AHEAD] = {0};
	int offers[CMS_REPORT_WEEKS_AHEAD] = {0};
	int64 sum = 0;
	CmsChart chart = {.title = "Coupons not redeemed",
					  .note = "by the week in which their offer ends",
					  .summary = "These offers have no coupons that are not redeemed.",
					  .colour = "blue",
					  .bars = bars,
					  .nbars = CMS_REPORT_WEEKS_AHEAD,
					  .is_whole = true};

	for (int i = 0; i < report->nending_in_all; i++)
	{
		const CmsReportOffer *offer = report->ending[i];
		int week = (last_day(report, offer) - report->today) / 7;

		week = Min(Max(week, 0), CMS_REPORT_WEEKS_AHEAD - 1);
		coupons[week] += unredeemed(offer);
		sum += unredeemed(offer);
		offers[week]++;
	}
	for (int week = 0; week < CMS_REPORT_WEEKS_AHEAD; week++)
	{
		DateADT from = report->today + 7 * week;

		bars[week].value = (double) coupons[week];
		bars[week].tick = cms_html_day(from, false);
		bars[week].tip = psprintf("%s: %d %s, %s %s not redeemed",
								  cms_html_days(from, from + 6, true),
								  offers[week],
								  offers[week] == 1 ? "offer" : "offers",
								  cms_html_count(coupons[week]),
								  coupons[week] == 1 ? "coupon" : "coupons");
	}
	if (sum > 0)
		chart.summary =
			psprintf("%s not redeemed yet of the %s %s within %d weeks.",
					 sum == 1 ? "1 coupon is" : psprintf("%s coupons are", cms_html_count(sum)),
					 cms_html_count(report->nending_in_all),
					 report->nending_in_all == 1 ? "offer that ends" : "offers that end",
					 CMS_REPORT_WEEKS_AHEAD);
	cms_svg_chart(out, &chart);
}

static void
put_ends_table(StringInfo out, const CmsReport *report)
{
	double highest = highest_rate(report->ending, report->nending);

	put_table(out,
			  "Offers that end soon",
			  "<th scope=\"col\">Offer</th><th scope=\"col\" class=\"n\">Last day</th>"
			  "<th scope=\"col\" class=\"n wide\">Issued</th>"
			  "<th scope=\"col\" class=\"n\">Not redeemed</th>"
			  "<th scope=\"col\" class=\"n rate wide\">Rate</th>");
	for (int i = 0; i < report->nending; i++)
	{
		const CmsReportOffer *offer = report->ending[i];

		appendStringInfoString(out, "<tr><th scope=\"row\">");
		cms_html_name(out, offer->name);
		appendStringInfo(out,
						 "</th><td class=\"n\">%s</td><td class=\"n wide\">%s</td>"
						 "<td class=\"n\">%s</td>",
						 cms_html_day(last_day(report, offer), true),
						 cms_html_count(offer->issued),
						 cms_html_count(unredeemed(offer)));
		put_rate_cell(out, "n rate wide", offer->redeemed, offer->issued, highest, "green");
		appendStringInfoString(out, "</tr>\n");
	}
	if (report->nending < report->nending_in_all)
		appendStringInfo(out,
						 "<tr><td colspan=\"5\" class=\"soft\">and %s more</td></tr>\n",
						 cms_html_count(report->nending_in_all - report->nending));
	appendStringInfoString(out, "</tbody></table></div>\n");
}

/* What is too wide for a telephone can be moved, also by keys. */
static void
put_table(StringInfo out, const char *name, const char *head)
{
	appendStringInfo(out,
					 "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\">"
					 "<table>\n<thead><tr>%s</tr></thead>\n<tbody>\n",
					 name,
					 head);
}

static void
put_rate_cell(StringInfo out, const char *classes, int64 redeemed, int64 issued, double highest,
			  const char *colour)
{
	appendStringInfo(out, "<td class=\"%s\">%s", classes, cms_html_rate(redeemed, issued));
	cms_svg_meter(out, rate(redeemed, issued), highest, colour);
	appendStringInfoString(out, "</td>");
}

static double
highest_rate(CmsReportOffer *const *offers, int noffers)
{
	double highest = 0;

	for (int i = 0; i < noffers; i++)
		highest = Max(highest, rate(offers[i]->redeemed, offers[i]->issued));
	return highest;
}

static double
rate(int64 redeemed, int64 issued)
{
	return issued > 0 ? (double) redeemed / issued : 0;
}

static int64
unredeemed(const CmsReportOffer *offer)
{
	return Max(offer->issued - offer->redeemed, 0);
}

/* An offer ends with a day, so the instant before is of that day. */
static DateADT
last_day(const CmsReport *report, const CmsReportOffer *offer)
{
	return cms_local_date(offer->ends_at - 1, report->zone);
}
