/*
 * words.h
 *	  Settings in plain words: amounts, lists, days, times. Pure. Results are
 *	  palloc'd in the current context.
 */
#ifndef CMS_WORDS_H
#define CMS_WORDS_H

#include "utils/date.h"
#include "utils/numeric.h"

/* "₹1,00,000", "€99.50", "AED 20": with the sign of the currency where it is known */
extern char *cms_words_money(Numeric amount, const char *currency);
/* "20 %" */
extern char *cms_words_percent(Numeric value);
/* "20 %, at most ₹100": the discount of an offer; cap NULL: none */
extern char *cms_words_discount(bool percentage, Numeric value, Numeric cap, const char *currency);
/* "30,000,000" */
extern char *cms_words_number(int64 number);
/* "1 coupon", "3,000 coupons" */
extern char *cms_words_count(int64 number, const char *one, const char *many);
/* "once", "twice", "5 times" */
extern char *cms_words_times(int64 number);
/* "1st", "22nd", "13th"; of 0 or more */
extern char *cms_words_ordinal(int64 number);
/* "A", "A and B", "A, B and C" */
extern char *cms_words_list(const char *const *items, int count, const char *conjunction);
/* "31 December 2025" */
extern char *cms_words_date(DateADT day);
/* "10:00", "10:00:30" */
extern char *cms_words_time(TimeADT time);
/* "10:00–18:00", "22:00–02:00 of the next day" */
extern char *cms_words_slot(TimeADT from, TimeADT to);
/* "Monday to Friday and Sunday"; bit 0 = Monday */
extern char *cms_words_weekdays(uint32 days);
/* "the 1st, the 2nd and the 15th to 31st"; bit 1 ... bit 31 */
extern char *cms_words_month_days(uint32 days);
/*
 * A text that users wrote, on one line: signs that steer a terminal or turn the
 * direction of writing become blanks, and a long text ends with dots.
 */
extern char *cms_words_plain(const char *text);

#endif
