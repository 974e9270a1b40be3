/*
 * code_slice.h
 *	  Many codes of a pattern drawn at once, in ascending order, from a part of what the pattern
 *	  can make. Pure: no SPI.
 */
#ifndef CMS_CODE_SLICE_H
#define CMS_CODE_SLICE_H

#include "code.h"

/*
 * Draws up to "count" different codes from the slice that the units first … first + width of
 * "total" equal parts of the space make up, each code of it as likely as any other, and
 * answers how many there are: less than asked for only where the slice has hardly more codes
 * than that. They follow each other in "codes", each of "length" characters and without an end,
 * in ascending order.
 */
extern int cms_code_draw_slice(const CmsCodePattern *pattern, int64 first, int64 width, int64 total,
							   int count, char *codes);
/* characters of each code of the pattern */
extern int cms_code_length(const CmsCodePattern *pattern);
/* the numbers 0 … count - 1 in an order drawn from the same source, any as likely as any other */
extern void cms_code_shuffle(int *numbers, int count);

#endif
