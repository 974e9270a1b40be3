/*
 * bulk_write.h
 *	  Many coupons written by one statement, in the order of their codes. Within
 *	  SPI_connect/SPI_finish.
 */
#ifndef CMS_BULK_WRITE_H
#define CMS_BULK_WRITE_H

#include "codebook.h"
#include "issue.h"
#include "stock.h"

/* Which part of the code space codes are drawn from: of "total" parts those from "first" on. */
typedef struct CmsCodeSlice
{
	int64 first;
	int64 width;
	int64 total;
} CmsCodeSlice;

typedef struct CmsBulkWrite
{
	const CmsOffer *offer;
	const CmsTotals *totals;
	const CmsIssuer *issuer;
	CmsCodeSlice slice;
	const Datum *customers; /* of type text, with a header of 4 bytes */
	const int *chosen;      /* those of them who are given a coupon */
	const int *nths; /* of each of the customers, the coupon's number; NULL: all are the first */
	int count;
	bool codes_collide; /* codes are looked for before they are written */
	int written;        /* answered: the first of the chosen; there are no codes for the others */
	CmsStock stock;     /* answered, of codes from stock: for the counter */
} CmsBulkWrite;

/*
 * Writes new coupons, issued. False: the codes cannot be made that way. 23505 where a customer has
 * received one meanwhile, or a code exists.
 */
extern bool cms_bulk_write_issued(CmsBulkWrite *write);

/*
 * The same with codes in stock, as many as nobody else is taking. Where they do not do for all, it
 * tells whether there are others (CMS_STOCK_LOCKED), or none.
 */
extern CmsStockLeft cms_bulk_write_from_stock(CmsBulkWrite *write);

/*
 * Puts codes into the stock of a GENERATED offer, after the locks and with what is reserved,
 * and answers how many there were: less than wanted only where the space is too full to be
 * drawn from. Their numbers are in no order, so that the order of issue tells nothing of the codes.
 */
extern int cms_bulk_write_stock(const CmsOffer *offer, const CmsReserved *reserved,
								const CmsCodeSlice *slice, int count, bool *codes_collide);

/* text[] of the chosen ones, or of the first "count" where chosen is NULL */
extern Datum cms_bulk_array_of(const Datum *texts, const int *chosen, int count);
/* int[], likewise; where "numbers" is NULL all are 1 */
extern Datum cms_bulk_array_of_ints(const int *numbers, const int *chosen, int count);

#endif
