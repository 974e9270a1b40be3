/*
 * lock.h
 *	  Locks of an org that are not of rows: what each is for, and that no other
 *	  user of advisory locks can meet them.
 */
#ifndef CMS_LOCK_H
#define CMS_LOCK_H

#include "storage/lockdefs.h"

/* What a lock is of, within its org. */
typedef enum CmsLock
{
	CMS_LOCK_CODES = 1,              /* the name space of codes */
	CMS_LOCK_CROWD = 2,              /* making codes where many would be made twice */
	CMS_LOCK_UPLOADS = 3,            /* codes in another order than their own */
	CMS_LOCK_SWEEP_NOTE = 8,         /* the first note of a sweep's run */
	CMS_LOCK_FIRST_SWEEP = 9,        /* finding out what sweeps have to do, by part */
	CMS_LOCK_FIRST_CUSTOMERS = 1024, /* the first of the buckets of customers */
	/* the first of those of tills and customers that fail, by hash */
	CMS_LOCK_FIRST_FAILING = 1 << 30
} CmsLock;

/* until the end of the transaction; waits */
extern void cms_lock(int org, int what, LOCKMODE mode);
/* the same without waiting: false, somebody else has it */
extern bool cms_try_lock(int org, int what, LOCKMODE mode);
/* gives back what the same call took in vain */
extern void cms_unlock(int org, int what, LOCKMODE mode);
/*
 * Of one row of an offer's counters. Unlike a lock of the row, it can be given back when there is
 * nothing to count; who has counted keeps it to the end of the transaction.
 */
extern void cms_lock_slot(int org, int64 offer_id, int slot);
extern bool cms_try_lock_slot(int org, int64 offer_id, int slot);
extern void cms_unlock_slot(int org, int64 offer_id, int slot);
/* whether this transaction does */
extern bool cms_holds_slot(int org, int64 offer_id, int slot);
/*
 * Of a job: held by the session that runs it, over the ends of transactions, until it is given
 * back. False: another session has it.
 */
extern bool cms_lock_job(int org, int64 job_id);
extern void cms_unlock_job(int org, int64 job_id);
/*
 * Many coupons of an offer, which are not written in the order of customers, against calls for
 * several: until the end of the transaction.
 */
extern void cms_lock_bulk(int org, int64 offer_id, LOCKMODE mode);

/* Of an offer's summary, until the end of the transaction. False: another session is at it. */
extern bool cms_try_lock_summary(int org, int64 offer_id);

#endif
