/*
 * counter.h
 *	  The counters of offers (cms.offer_slot). The statement that adds also
 *	  decides whether the cap allows it. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_COUNTER_H
#define CMS_COUNTER_H

#include "datatype/timestamp.h"
#include "utils/numeric.h"

#include "offer.h"

/* What a call adds to the counters of an offer; negative numbers take away. */
typedef struct CmsCount
{
	int64 issued;
	int64 stock;
	int64 uses;
	int64 forfeited_uses;
	int64 redeemed_coupons;
	Numeric discount; /* NULL: 0 */
	Numeric forfeited_discount;
	bool has_issue_time; /* of issued */
	TimestampTz issue_time;
	bool has_use_time; /* of uses */
	TimestampTz use_time;
} CmsCount;

/* What the counters stand at, summed. */
typedef struct CmsTotals
{
	int64 issued;
	int64 stock;
	int64 uses;       /* forfeited ones counted: what a cap compares */
	Numeric discount; /* likewise */
} CmsTotals;

/* Adds; false, and nothing changed, if a cap is in the way, or the offer was deleted meanwhile. */
extern bool cms_counter_add(const CmsOffer *offer, const CmsCount *count);
extern void cms_counter_totals(int org, int64 offer_id, bool read_only, CmsTotals *totals);
/* Locks all counters of the offer until the end of the transaction and tells what they stand at. */
extern void cms_counter_lock(int org, int64 offer_id, CmsTotals *totals);
/*
 * How many more issues the cap allows, with the counter locked until the end of
 * the transaction; PG_INT64_MAX without a cap.
 */
extern int64 cms_counter_issues_left(int org, int64 offer_id);
/* Takes up to "want" positions of a RANDOMISED offer's order below "space": first and how many (F11). */
extern int64
cms_counter_positions_take(int org, int64 offer_id, int64 want, int64 space, int64 *first);
/* Gives the last "count" positions back that this transaction took. */
extern void cms_counter_positions_give_back(int org, int64 offer_id, int64 count);

#endif
