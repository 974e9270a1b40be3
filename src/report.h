/*
 * report.h
 *	  What the page of cms_report shows: read by report.c, written by report_page.c
 *	  and report_offers.c.
 */
#ifndef CMS_REPORT_H
#define CMS_REPORT_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/numeric.h"

/* Numbers of some days. */
typedef struct CmsReportSum
{
	int64 issued;
	int64 redeemed; /* of those issued, whenever */
	int64 uses;
	Numeric discount;
	Numeric bills;
} CmsReportSum;

/* A day, seven days or a month. */
typedef struct CmsReportSpan
{
	DateADT from;
	DateADT to; /* inclusive */
	CmsReportSum sum;
} CmsReportSpan;

/* An offer by its counters, whatever the days of the report. */
typedef struct CmsReportOffer
{
	int64 offer_id;
	char *name; /* only of those that are shown */
	char *discount_text;
	const char *service; /* NULL: nobody's */
	int64 issued;
	int64 redeemed;
	int64 uses;
	Numeric discount;
	TimestampTz ends_at; /* DT_NOEND: never */
	bool archived;
	bool in_play; /* issued or redeemed in the days of the report */
	bool has_summary;
} CmsReportOffer;

typedef struct CmsReport
{
	char *org_name;
	char *currency;
	int minor_units;
	char *zone_name;
	pg_tz *zone;
	TimestampTz at;
	DateADT today;
	DateADT from;
	DateADT to;
	const char *span_name; /* "day", "week", "month" */
	CmsReportSpan *spans;
	int nspans;
	CmsReportSum sum;
	CmsReportSum before;      /* as many days before */
	TimestampTz summaries_at; /* as of when they are at least; DT_NOEND: as of now */
	CmsReportOffer *offers;
	int noffers;
	/* those that are shown */
	CmsReportOffer **best;
	int nbest;
	CmsReportOffer **worst;
	int nworst;
	int64 least_issued; /* to be among them */
	CmsReportOffer **most_used;
	int nmost_used;
	int nin_play;
	CmsReportOffer **ending;
	int nending;
	int nending_in_all;
} CmsReport;

/* weeks ahead in which the end of offers is shown */
#define CMS_REPORT_WEEKS_AHEAD 12

extern void cms_report_write(StringInfo out, const CmsReport *report);
extern void cms_report_write_offers(StringInfo out, const CmsReport *report);

#endif
