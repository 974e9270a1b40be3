/*
 * permutation.h
 *	  A secret order of the numbers below a size, of which each can be told
 *	  alone (F11). Pure.
 */
#ifndef CMS_PERMUTATION_H
#define CMS_PERMUTATION_H

#define CMS_PERMUTATION_KEY_LENGTH 16
/* sizes below it can be permuted */
#define CMS_PERMUTATION_MAX_SIZE (UINT64CONST(1) << 53)

typedef struct CmsPermutation CmsPermutation;

/* lives in the current memory context, and is closed with it if not before */
extern CmsPermutation *cms_permutation_open(const uint8 *key, uint64 size);
/* replaces each value, below size, by its image; many at once are cheaper than each alone */
extern void cms_permutation_apply(CmsPermutation *permutation, uint64 *values, int count);
extern void cms_permutation_close(CmsPermutation *permutation);

#endif
