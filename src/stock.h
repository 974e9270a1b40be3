/*
 * stock.h
 *	  The codes of an offer that wait to be issued, lowest number first: where to look for the
 *	  next one. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_STOCK_H
#define CMS_STOCK_H

/* What a call knows of the stock while it takes codes. */
typedef struct CmsStock
{
	int org;
	int64 offer_id;
	bool is_empty; /* when it was opened */
	int round;     /* of the mark */
	int64 mark;    /* codes up to here need not be looked at */
	int64 cursor;  /* nor up to here, by this call */
	bool is_first; /* so far the call has taken each time the first one there was */
} CmsStock;

typedef enum CmsStockLeft
{
	CMS_STOCK_NONE,
	CMS_STOCK_LOCKED, /* by others, who may give them back */
	CMS_STOCK_BELOW   /* look again, from the start: the cursor has been set there */
} CmsStockLeft;

extern void cms_stock_open(CmsStock *stock, int org, int64 offer_id);
/*
 * A code was taken: "first" is the first one beyond the cursor that was there, whether others
 * had it locked or not.
 */
extern void cms_stock_taken(CmsStock *stock, int64 coupon_id, int64 first);
/* A code that this call has taken is in stock again. */
extern void cms_stock_back(CmsStock *stock, int64 coupon_id);
/* Nothing unlocked is beyond the cursor; "taken" codes are taken and not counted yet. */
extern CmsStockLeft cms_stock_left(CmsStock *stock, int64 taken);
/* waits until a code is free or gone; the caller holds none itself */
extern void cms_stock_wait(const CmsStock *stock);

#endif
