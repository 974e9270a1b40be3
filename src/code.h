/*
 * code.h
 *	  Codes as texts: what is allowed, how they are drawn, patterns. Pure: no SPI.
 */
#ifndef CMS_CODE_H
#define CMS_CODE_H

#include "reason.h"

#define CMS_CODE_MAX_LENGTH 40

typedef enum CmsCharset
{
	CMS_CHARSET_NUMERIC,      /* 0-9 */
	CMS_CHARSET_ALPHANUMERIC, /* 0-9A-Z */
	CMS_CHARSET_UNAMBIGUOUS   /* without 0, O, 1, I, L */
} CmsCharset;

/* How generated and randomised codes look: prefix, random characters, suffix. */
typedef struct CmsCodePattern
{
	char prefix[CMS_CODE_MAX_LENGTH + 1];
	char suffix[CMS_CODE_MAX_LENGTH + 1];
	int length; /* random characters */
	CmsCharset charset;
} CmsCodePattern;

/*
 * Trims space, tab, no-break space and folds ASCII letters to upper case into
 * "code" (CMS_CODE_MAX_LENGTH + 1 bytes). Answers CMS_OK, CMS_CODE_EMPTY (also
 * for NULL), CMS_CODE_INVALID or CMS_CODE_TOO_LONG; code is then "".
 */
extern CmsReason cms_code_normalise(const char *raw, int raw_length, char *code);
/* number of different characters at each random place */
extern int cms_code_base(const CmsCodePattern *pattern);
/* number of codes of the pattern as a double, exact up to 2^53 */
extern double cms_code_space(const CmsCodePattern *pattern);
/* one code drawn from a cryptographic source; code has CMS_CODE_MAX_LENGTH + 1 bytes */
extern void cms_code_draw(const CmsCodePattern *pattern, char *code);

/*
 * The codes of a pattern in a secret order (F11). Open once for many codes:
 * opening costs more than a code. Codes asked for one after the other are
 * worked out in groups. Lives in the current memory context.
 */
typedef struct CmsCodeOrder CmsCodeOrder;

/* a new key of an order, CMS_PERMUTATION_KEY_LENGTH bytes from the same source */
extern void cms_code_draw_key(uint8 *key);
extern CmsCodeOrder *cms_code_order_open(const CmsCodePattern *pattern, const uint8 *key);
/* 0 <= position < space */
extern void cms_code_order_at(CmsCodeOrder *order, uint64 position, char *code);
extern void cms_code_order_close(CmsCodeOrder *order);
/*
 * F11: from a typed sample ("TEST12345") or a stored mask ("TEST?????") to the
 * mask; false if the sample has not 5 to 10 legal characters.
 */
extern bool cms_code_sample_mask(const char *sample, char *mask);
/* the pattern that a mask stands for */
extern void cms_code_mask_pattern(const char *mask, CmsCodePattern *pattern);
/* masks that would reserve this code: writes up to 2 (letters, digits) and answers how many */
extern int cms_code_reserving_masks(const char *code, char masks[2][CMS_CODE_MAX_LENGTH + 1]);
/* a generated offer code (series code) */
extern void cms_code_for_offer(char *code);

#endif
