/*
 * calendar.h
 *	  Days, windows and gaps on the calendar of an org's time zone. Pure.
 */
#ifndef CMS_CALENDAR_H
#define CMS_CALENDAR_H

#include "datatype/timestamp.h"
#include "pgtime.h"
#include "utils/date.h"

/* the years 1 to 9999, whose days every time zone can tell in hours */
#define CMS_FIRST_DAY (1721426 - POSTGRES_EPOCH_JDATE)
#define CMS_LAST_DAY (5373484 - POSTGRES_EPOCH_JDATE)

/* A row of cms.offer_window; every condition that is set must hold. */
typedef struct CmsWindow
{
	uint8 weekdays;    /* bit 0 = Monday ... bit 6 = Sunday; 0: any */
	uint32 month_days; /* bit 1 ... bit 31; 0: any */
	DateADT from_date; /* DATEVAL_NOBEGIN: any */
	DateADT to_date;   /* inclusive; DATEVAL_NOEND: any */
	TimeADT from_time; /* inclusive; 0: from midnight */
	TimeADT to_time;   /* exclusive; USECS_PER_DAY: to midnight */
} CmsWindow;

extern pg_tz *cms_zone(const char *name);
extern DateADT cms_local_date(TimestampTz at, pg_tz *zone);
extern void cms_local_clock(TimestampTz at, pg_tz *zone, DateADT *day, TimeADT *time);
extern TimestampTz cms_day_begin(DateADT day, pg_tz *zone);
extern TimestampTz cms_day_time(DateADT day, TimeADT time, pg_tz *zone);
extern DateADT cms_month_end(DateADT day, int months_later);
extern DateADT cms_add_months(DateADT day, int months);
extern bool cms_window_contains(const CmsWindow *window, DateADT day, TimeADT time);
extern bool cms_window_can_match(const CmsWindow *window);
/* first instant after "at" at which one of the windows is open, DT_NOEND if none is within a bounded search */
extern TimestampTz
cms_windows_next_open(const CmsWindow *windows, int nwindows, TimestampTz at, pg_tz *zone);

#endif
