/*
 * calendar.c
 *	  Days, windows and gaps on the calendar of an org's time zone.
 *
 * All times of day are those that a clock on the wall shows. Where clocks are
 * put forward some of them never come, where they are put back some come twice:
 * nothing here asks for "the instant of" a local time, but for the first instant
 * at which the clock shows something in a range, which is defined in both cases.
 *
 * What lies outside the range of timestamps is clamped to the infinities, so that
 * comparing with it answers as one expects. Pure: no catalogs, nothing kept but
 * the server's own cache of zones.
 */
#include "cms.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "calendar.h"

/* No zone, and nothing one can write as a POSIX rule, is farther from UTC. */
#define FARTHEST_OFFSET (2 * USECS_PER_DAY)

/* How many days ahead an opening is looked for: a year and some. */
#define OPENING_SEARCH_DAYS 400

/* Every day of the month meets every day of the week within 28 years. */
#define CALENDAR_CYCLE_DAYS (28 * 366)

#define FIRST_DATE (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
#define LAST_DATE (DATE_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)
#define FIRST_TIMESTAMP_DATE (DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE)
#define LAST_TIMESTAMP_DATE (TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE - 1)

PG_FUNCTION_INFO_V1(cms_day_start);
PG_FUNCTION_INFO_V1(cms_due_at);
PG_FUNCTION_INFO_V1(cms_offer_end);

static bool first_instant(int64 local_from, int64 local_to, TimestampTz not_before, pg_tz *zone,
						  TimestampTz *found);
static pg_time_t seconds_since_1970(int64 usecs);
static bool
month_of(DateADT day, int64 months_later, int *year, int *month, int *mday, DateADT *clamped);
static DateADT date_of(int year, int month, int mday);
static bool slot_is_overnight(const CmsWindow *window);
static bool day_matches(const CmsWindow *window, DateADT day);
static void window_opening(const CmsWindow *window, DateADT day, TimestampTz not_before,
						   pg_tz *zone, TimestampTz *earliest);
static pg_tz *zone_argument(text *name);

/* cms_day_start(day, time_zone): see cms_day_begin. 22023 for an unknown zone. */
Datum
cms_day_start(PG_FUNCTION_ARGS)
{
	DateADT day = PG_GETARG_DATEADT(0);
	pg_tz *zone = zone_argument(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TIMESTAMPTZ(cms_day_begin(day, zone));
}

/* cms_due_at(day, time_of_day, time_zone): see cms_day_time. 22023 for an unknown zone. */
Datum
cms_due_at(PG_FUNCTION_ARGS)
{
	pg_tz *zone = zone_argument(PG_GETARG_TEXT_PP(2));

	PG_RETURN_TIMESTAMPTZ(cms_day_time(PG_GETARG_DATEADT(0), PG_GETARG_TIMEADT(1), zone));
}

/*
 * cms_offer_end(expiry_type, expires_on, claim_ends_on, time_zone): the end of
 * the last day, NULL if there is none or it is after the last timestamp, which
 * comes to the same. 22023 for an unknown zone.
 */
Datum
cms_offer_end(PG_FUNCTION_ARGS)
{
	int day_argument;
	DateADT last_day;
	TimestampTz end;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	/* of the two types only one looks at the offer's own date */
	day_argument = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(0)), "FIXED_DATE") == 0 ? 1 : 2;
	if (PG_ARGISNULL(day_argument))
		PG_RETURN_NULL();
	last_day = PG_GETARG_DATEADT(day_argument);
	if (DATE_IS_NOEND(last_day))
		PG_RETURN_NULL();
	if (!DATE_IS_NOBEGIN(last_day))
		last_day++;
	end = cms_day_begin(last_day, zone_argument(PG_GETARG_TEXT_PP(3)));
	if (TIMESTAMP_IS_NOEND(end))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(end);
}

/* The zone of that name, from the server's cache of zones; NULL: there is none. */
pg_tz *
cms_zone(const char *name)
{
	return name == NULL ? NULL : pg_tzset(name);
}

/* The date on the wall; infinite for an infinite "at". */
DateADT
cms_local_date(TimestampTz at, pg_tz *zone)
{
	DateADT day;
	TimeADT time;

	cms_local_clock(at, zone, &day, &time);
	return day;
}

/* Date and time of day on the wall; for an infinite "at" the infinite date and 0. */
void
cms_local_clock(TimestampTz at, pg_tz *zone, DateADT *day, TimeADT *time)
{
	struct pg_tm tm;
	fsec_t fsec;
	int tz;

	*time = 0;
	if (TIMESTAMP_IS_NOBEGIN(at))
		*day = DATEVAL_NOBEGIN;
	else if (TIMESTAMP_IS_NOEND(at))
		*day = DATEVAL_NOEND;
	else if (timestamp2tm(at, &tz, &tm, &fsec, NULL, zone) != 0)
		/* cannot happen with a timestamp that got past its input function */
		*day = at < 0 ? DATEVAL_NOBEGIN : DATEVAL_NOEND;
	else
	{
		*day = date2j(tm.tm_year, tm.tm_mon, tm.tm_mday) - POSTGRES_EPOCH_JDATE;
		*time = ((tm.tm_hour * MINS_PER_HOUR + tm.tm_min) * (int64) SECS_PER_MINUTE + tm.tm_sec) *
					USECS_PER_SEC +
				fsec;
		/* zones with leap seconds count to 23:59:60, which belongs to this day */
		*time = Min(*time, USECS_PER_DAY - 1);
	}
}

/*
 * The earliest instant at which the wall shows this day or a later one. That is
 * 00:00, the first of two where it comes twice; where the clocks jump over
 * midnight, the moment of the jump; of a day that a zone left out, the beginning
 * of the next. A day before the first timestamp begins at -infinity, one after
 * the last at infinity.
 */
TimestampTz
cms_day_begin(DateADT day, pg_tz *zone)
{
	return cms_day_time(day, 0, zone);
}

/* Likewise for a time of the day: where the clocks jump over it, the moment of the jump. */
TimestampTz
cms_day_time(DateADT day, TimeADT time, pg_tz *zone)
{
	TimestampTz begin;
	int64 local;

	if (day < FIRST_TIMESTAMP_DATE)
		return DT_NOBEGIN;
	if (day > LAST_TIMESTAMP_DATE)
		return DT_NOEND;
	local = day * USECS_PER_DAY + time;
	if (!first_instant(local, local + 2 * FARTHEST_OFFSET, local - FARTHEST_OFFSET, zone, &begin))
		return DT_NOEND;
	if (begin < MIN_TIMESTAMP)
		return DT_NOBEGIN;
	return IS_VALID_TIMESTAMP(begin) ? begin : DT_NOEND;
}

/* Last day of the month that many months after the day's; infinite when out of range. */
DateADT
cms_month_end(DateADT day, int months_later)
{
	int year, month, mday;
	DateADT clamped;

	if (!month_of(day, months_later, &year, &month, &mday, &clamped))
		return clamped;
	return date_of(year, month, day_tab[isleap(year)][month - 1]);
}

/* As SQL's date + months: the same day of the month, or its last; infinite when out of range. */
DateADT
cms_add_months(DateADT day, int months)
{
	int year, month, mday;
	DateADT clamped;

	if (!month_of(day, months, &year, &month, &mday, &clamped))
		return clamped;
	return date_of(year, month, Min(mday, day_tab[isleap(year)][month - 1]));
}

/*
 * Whether the window is open when the wall shows this. A slot over midnight
 * belongs to the day it starts (F31): its second part asks for the day before.
 */
bool
cms_window_contains(const CmsWindow *window, DateADT day, TimeADT time)
{
	if (!slot_is_overnight(window))
		return time >= window->from_time && time < window->to_time && day_matches(window, day);
	if (time >= window->from_time)
		return day_matches(window, day);
	return time < window->to_time && day_matches(window, day - 1);
}

/* Whether there is any day and time at which the window is open. */
bool
cms_window_can_match(const CmsWindow *window)
{
	DateADT first = Max(window->from_date, FIRST_DATE);
	DateADT last = Min(window->to_date, LAST_DATE);

	/* 24:00 is a time of day in SQL, but no clock shows it */
	if (window->from_time == window->to_time ||
		(window->from_time >= USECS_PER_DAY && window->to_time == 0))
		return false;
	if (first > last)
		return false;
	/* with both ends open, any 28 years will do */
	if (DATE_IS_NOBEGIN(window->from_date))
		first = DATE_IS_NOEND(window->to_date) ? 0 : Max(first, last - CALENDAR_CYCLE_DAYS);
	for (DateADT day = first; day <= last && day - first <= CALENDAR_CYCLE_DAYS; day++)
	{
		if (day_matches(window, day))
			return true;
	}
	return false;
}

/*
 * The first instant after "at" at which one of the windows is open. Looks at 400
 * days, from today or from the first day that any window allows, and answers
 * DT_NOEND if none of them has an opening.
 */
TimestampTz
cms_windows_next_open(const CmsWindow *windows, int nwindows, TimestampTz at, pg_tz *zone)
{
	TimestampTz earliest = DT_NOEND;
	DateADT first, last;
	DateADT first_allowed = DATEVAL_NOEND;

	if (TIMESTAMP_NOT_FINITE(at) || nwindows == 0)
		return DT_NOEND;
	for (int i = 0; i < nwindows; i++)
		first_allowed = Min(first_allowed, windows[i].from_date);
	/* yesterday, because a slot of then may reach into today */
	first = Max(cms_local_date(at, zone) - 1, first_allowed);
	if (first > LAST_TIMESTAMP_DATE - OPENING_SEARCH_DAYS)
		return DT_NOEND;
	last = first + OPENING_SEARCH_DAYS;
	for (DateADT day = first; day <= last; day++)
	{
		bool found = earliest != DT_NOEND;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < nwindows; i++)
			window_opening(&windows[i], day, at + 1, zone, &earliest);
		/*
		 * One day more than the one with an opening: where clocks are put back
		 * over midnight, a part of the later day comes before the end of the
		 * earlier.
		 */
		if (!found && earliest != DT_NOEND)
			last = Min(last, day + 1);
	}
	return earliest;
}

/*
 * The first instant, not before the one given, at which the wall shows a time
 * within [local_from, local_to); both are counted like a timestamp without zone.
 * Goes through the stretches of time between two changes of the clocks: within
 * each the wall is a constant away from UTC.
 */
static bool
first_instant(int64 local_from, int64 local_to, TimestampTz not_before, pg_tz *zone,
			  TimestampTz *found)
{
	TimestampTz begin = Max(not_before, local_from - FARTHEST_OFFSET);
	TimestampTz limit = local_to + FARTHEST_OFFSET;

	while (begin < limit)
	{
		pg_time_t seconds = seconds_since_1970(begin);
		TimestampTz end = limit;
		pg_time_t boundary;
		long offset, next_offset;
		int isdst, next_isdst;
		TimestampTz first;
		bool changes =
			pg_next_dst_boundary(
				&seconds, &offset, &isdst, &boundary, &next_offset, &next_isdst, zone) == 1;

		/* compared in seconds, as a boundary may be beyond all timestamps */
		if (changes && boundary < seconds_since_1970(limit))
			end = time_t_to_timestamptz(boundary);
		first = Max(begin, local_from - offset * USECS_PER_SEC);
		if (first < Min(end, local_to - offset * USECS_PER_SEC))
		{
			*found = first;
			return true;
		}
		begin = end;
	}
	return false;
}

/* The whole second that the instant lies in; the server's own rounds towards the year 2000. */
static pg_time_t
seconds_since_1970(int64 usecs)
{
	int64 seconds = usecs / USECS_PER_SEC;

	if (usecs % USECS_PER_SEC < 0)
		seconds--;
	return seconds + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY;
}

/* Year and month so many months after the day's; false, and the infinite date, when out of range. */
static bool
month_of(DateADT day, int64 months_later, int *year, int *month, int *mday, DateADT *clamped)
{
	int64 months;

	*clamped = day;
	if (DATE_NOT_FINITE(day))
		return false;
	/* years count 1 BC as 0, so that months can be counted through */
	j2date(day + POSTGRES_EPOCH_JDATE, year, month, mday);
	months = *year * INT64CONST(12) + (*month - 1) + months_later;
	*clamped = months_later < 0 ? DATEVAL_NOBEGIN : DATEVAL_NOEND;
	/* leaves out the broken years at both ends of the range */
	if (months < JULIAN_MINYEAR * 12 + 12 || months >= JULIAN_MAXYEAR * 12)
		return false;
	*year = (int) (months >= 0 ? months / 12 : -((11 - months) / 12));
	*month = (int) (months - *year * INT64CONST(12)) + 1;
	return true;
}

static DateADT
date_of(int year, int month, int mday)
{
	return date2j(year, month, mday) - POSTGRES_EPOCH_JDATE;
}

static bool
slot_is_overnight(const CmsWindow *window)
{
	return window->from_time > window->to_time;
}

/* The conditions on the day, of the day that a slot starts on. */
static bool
day_matches(const CmsWindow *window, DateADT day)
{
	if (day < window->from_date || day > window->to_date)
		return false;
	if (window->weekdays != 0)
	{
		/* j2day counts from Sunday, a window from Monday */
		int weekday = (j2day(day + POSTGRES_EPOCH_JDATE) + 6) % 7;

		if ((window->weekdays & (1 << weekday)) == 0)
			return false;
	}
	if (window->month_days != 0)
	{
		int year, month, mday;

		j2date(day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
		if ((window->month_days & (UINT32_C(1) << mday)) == 0)
			return false;
	}
	return true;
}

/* Lowers "earliest" to the first opening of the slot that starts on the day, if there is one. */
static void
window_opening(const CmsWindow *window, DateADT day, TimestampTz not_before, pg_tz *zone,
			   TimestampTz *earliest)
{
	int64 midnight = day * USECS_PER_DAY;
	int64 next_midnight = midnight + USECS_PER_DAY;
	bool overnight = slot_is_overnight(window);
	TimestampTz opening;

	if (!day_matches(window, day))
		return;
	if (first_instant(midnight + window->from_time,
					  overnight ? next_midnight : midnight + window->to_time,
					  not_before,
					  zone,
					  &opening))
		*earliest = Min(*earliest, opening);
	if (overnight &&
		first_instant(next_midnight, next_midnight + window->to_time, not_before, zone, &opening))
		*earliest = Min(*earliest, opening);
}

static pg_tz *
zone_argument(text *name)
{
	char *zone_name = text_to_cstring(name);
	pg_tz *zone = cms_zone(zone_name);

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", zone_name),
				 errhint("The view pg_timezone_names lists the known ones.")));
	return zone;
}
