/*
 * codebook.h
 *	  One name space of codes per org (F13): who writes codes, who reserves them.
 *
 * Creating a common or randomised offer reserves codes; making and uploading
 * codes writes them. Each looks whether the other got there first. Writers share
 * a lock of the org, whoever reserves takes it alone; both until the end of the
 * transaction, and both look with the latest snapshot after they have it.
 * Within SPI_connect/SPI_finish.
 */
#ifndef CMS_CODEBOOK_H
#define CMS_CODEBOOK_H

#include "counter.h"

extern void cms_codebook_write_lock(int org);
extern void cms_codebook_reserve_lock(int org);
/*
 * After the write lock, before many new codes of a pattern: two transactions that
 * draw the same codes in different order would wait for each other in a circle.
 * Where that is likely, they do it one after the other.
 */
extern void cms_codebook_crowd_lock(const CmsOffer *offer, int64 how_many);

/*
 * How many more codes a GENERATED offer may have, the guess guard considered (a
 * quarter of the space unless allow_dense_codes); below 0 where it has too many.
 */
extern int64 cms_codebook_room(const CmsOffer *offer);
extern int64 cms_codebook_room_beyond(const CmsOffer *offer, const CmsTotals *totals);

/*
 * The SQL condition that cms.offer o is of org $1 and has reserved one of the names that a
 * parameter (text[]) holds. Its second part is the predicate of the index, without which
 * that is not used.
 */
#define CMS_CODEBOOK_RESERVES(names)                                             \
	"o.org_id = $1 AND (o.common_code IS NOT NULL OR o.sample_code IS NOT NULL)" \
	" AND COALESCE(o.common_code, o.sample_code) = ANY (" names ")"
/* the array of names for one code: its possible masks, and itself */
extern Datum cms_codebook_names(const char *code);

/* Key of a RANDOMISED offer's order (16 bytes), made at the first use. */
extern const uint8 *cms_codebook_key(const CmsOffer *offer);

/* Common codes and masks of an org, looked up many times. */
typedef struct CmsReserved
{
	int count;
	char **names; /* sorted */
} CmsReserved;

/* After the write lock: those of the org that can concern codes of this pattern, or these codes. */
extern CmsReserved *cms_codebook_reserved_of_pattern(int org, const CmsCodePattern *pattern);
extern CmsReserved *cms_codebook_reserved_of_codes(int org, const char *const *codes, int ncodes);
extern bool cms_codebook_is_reserved(const CmsReserved *reserved, const char *code);
/* whether every code of the pattern is */
extern bool cms_codebook_reserves_all(const CmsReserved *reserved, const CmsCodePattern *pattern);

/* Ids for new coupons, ascending if nobody else takes some. */
extern int64 *cms_codebook_ids(int count);
/*
 * Puts codes into the stock of an offer, after the write lock, codes[i] as coupon
 * ids[i]; what is taken is left out, what is reserved must have been. Answers how
 * many were written; "written", where given, tells which.
 */
extern int cms_codebook_stock(const CmsOffer *offer, const char *const *codes, const int64 *ids,
							  int count, bool *written);
/* all of them, or none and false if one is taken: the fastest where that is unlikely */
extern bool cms_codebook_stock_all(const CmsOffer *offer, const char *const *codes,
								   const int64 *ids, int count);
/* the first "most" of them that are not taken; for lists of which most are */
extern int cms_codebook_stock_most(const CmsOffer *offer, const char *const *codes,
								   const int64 *ids, int count, int most);

#endif
