/*
 * generate.h
 *	  Making codes into stock (F9). Within SPI_connect/SPI_finish.
 */
#ifndef CMS_GENERATE_H
#define CMS_GENERATE_H

#include "bulk_write.h"

/* Before the first codes of an offer without stock: makes known that there will be some. */
extern void cms_generate_announce(const CmsOffer *offer);
/*
 * Makes up to how_many codes of a GENERATED offer by the way that also finds the last
 * free ones, counts them as stock and answers how many there were. "part": which of how many
 * codes in all they are, by "first" and "total".
 */
extern int64 cms_generate_stock(const CmsOffer *offer, int64 how_many, const CmsCodeSlice *part);
/* errors unless codes can be made for the offer: its method, its status */
extern void cms_generate_require(const CmsOffer *offer);
/* MS005 unless so many more fit, the guess guard considered */
extern void cms_generate_require_fit(const CmsOffer *offer, int64 how_many);
/* The same, all of them, where all from "first" on fit; MS005 otherwise. */
extern void cms_generate_codes_of(const CmsOffer *offer, int64 how_many, const CmsCodeSlice *part);

/* Coupons for which there are codes, in stock or still to be made; NULL: any number (a common code). */
extern Numeric cms_generate_codes_left(const CmsOffer *offer);

#endif
