/*
 * money.h
 *	  Exact amounts. Pure. Results are palloc'd in the current context.
 */
#ifndef CMS_MONEY_H
#define CMS_MONEY_H

#include "utils/numeric.h"

extern Numeric cms_money_zero(void);
extern Numeric cms_money_add(Numeric a, Numeric b);
extern Numeric cms_money_subtract(Numeric a, Numeric b);
extern int cms_money_compare(Numeric a, Numeric b);
/* 0, with the decimals of a, where a is less */
extern Numeric cms_money_at_least_zero(Numeric a);
/* how many times b (above zero) is in a, 0 to 10^9 */
extern int64 cms_money_times(Numeric a, Numeric b);
/* neither NaN nor infinite nor negative */
extern bool cms_money_is_amount(Numeric a);
/* 10^36 or more */
extern bool cms_money_is_too_large(Numeric a);
/* F32: percentage or fixed, capped, rounded half up to minor units, never more than eligible */
extern Numeric
cms_money_discount(bool percentage, Numeric value, Numeric cap, Numeric eligible, int minor_units);
/* as people read it, without trailing zeros beyond the minor units */
extern char *cms_money_text(Numeric a);

#endif
