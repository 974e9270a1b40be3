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
	int stock_round;  /* of codes issued from stock: see stock.h */
	int64 stock_mark; /* likewise */
	int64 uses;
	int64 forfeited_uses;
	int64 held; /* reserved by holds */
	int64 redeemed_coupons;
	Numeric discount; /* NULL: 0 */
	Numeric forfeited_discount;
	Numeric held_discount;
	bool has_issue_time; /* of issued */
	TimestampTz issue_time;
	bool has_use_time; /* of uses */
	TimestampTz use_time;
	TimestampTz
		at; /* of the request: holds that ended by then are given back before it is refused */
} CmsCount;

/* What the counters stand at, summed. */
typedef struct CmsTotals
{
	int64 issued;
	int64 stock;
	int64 uses;       /* forfeited and held ones counted: what a cap compares */
	Numeric discount; /* likewise */
	int64 held;
} CmsTotals;

/*
 * Adds; false, and nothing changed, if a cap is in the way, if the offer's rules about customers
 * are no longer those compiled, or if the offer was deleted meanwhile: who reads again is told.
 */
extern bool cms_counter_add(const CmsOffer *offer, const CmsCount *count);
/* The same; tells in which slot, so that what is held there can be changed there. */
extern bool cms_counter_add_in(const CmsOffer *offer, const CmsCount *count, int *slot);
/* Changes one slot by what no cap can refuse: the end of a hold. */
extern void cms_counter_change(const CmsOffer *offer, int slot, const CmsCount *count);
/*
 * What the session's own counter may still count of uses and discount, where there is a cap of them
 * (discount may be NULL even then, for it may have gone since the offer was compiled), and over how many
 * counters all sessions are spread. 0: it is not there yet.
 */
extern int cms_counter_own_left(const CmsOffer *offer, int64 *uses, Numeric *discount);
extern void cms_counter_totals(int org, int64 offer_id, bool read_only, CmsTotals *totals);
/* Locks all counters of the offer until the end of the transaction and tells what they stand at. */
extern void cms_counter_lock(int org, int64 offer_id, CmsTotals *totals);
/*
 * Turns what a hold reserves in its slot into something else: "count" takes the one away and adds
 * the other. No cap is in the way of what the hold reserves; of what is more there must be enough
 * in all slots. The caller then says in the hold's row what became of it. False, and nothing
 * changed: there is not enough, the hold is no longer held, or as with cms_counter_add.
 */
extern bool
cms_counter_exchange(const CmsOffer *offer, int slot, int64 hold_id, const CmsCount *count);
/*
 * Gives back what holds of the offer reserve that ended before "at", at most so many, and tells
 * how many it was. Where it was one, all counters of the offer stay locked. -1: none, because another
 * transaction has a counter locked, and still has after a moment, if that is waited for.
 */
extern int64
cms_counter_settle_holds(int org, int64 offer_id, TimestampTz at, int64 how_many, bool wait);
/* Tells those who look for coupons by their ends that some have changed. */
extern void cms_counter_expiry_changed(const CmsOffer *offer, int64 changes);
/* How many more issues the cap allows at this moment; PG_INT64_MAX without a cap. */
extern int64 cms_counter_issues_left(const CmsOffer *offer);
/* Takes up to "want" positions of a RANDOMISED offer's order below "space": first and how many (F11). */
extern int64
cms_counter_positions_take(int org, int64 offer_id, int64 want, int64 space, int64 *first);
/* Gives the last "count" positions back that this transaction took. */
extern void cms_counter_positions_give_back(int org, int64 offer_id, int64 count);

#endif
