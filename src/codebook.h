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

#include "offer.h"

extern void cms_codebook_write_lock(int org);
extern void cms_codebook_reserve_lock(int org);

/*
 * How many more codes the pattern of a GENERATED offer has room for, the guess
 * guard considered (a quarter of the space unless allow_dense_codes).
 */
extern int64 cms_codebook_room(const CmsOffer *offer, bool read_only);

/*
 * The SQL condition that $1 (org) has not reserved a code, given its possible
 * masks and itself as a text array parameter:
 *	  NOT EXISTS (SELECT FROM cms.offer o WHERE o.org_id = $1 AND COALESCE(o.common_code, o.sample_code) = ANY ($n))
 * this makes the array (text[]) for one code.
 */
extern Datum cms_codebook_names(const char *code);

/* Key of a RANDOMISED offer's order (16 bytes), made at the first use. */
extern void cms_codebook_key(int org, int64 offer_id, uint8 *key);

#endif
