/*
 * lock.c
 *	  Locks of an org that are not of rows.
 *
 * They are advisory locks of a class (the last field of the tag) of their own:
 * those that SQL can take are of the classes 1 and 2, so nobody meets these by
 * accident or holds them in order to do harm.
 */
#include "cms.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "lock.h"

#define LOCK_CLASS 3
#define JOB_CLASS 4
#define BULK_CLASS 5
#define SUMMARY_CLASS 6
/* and those that follow, one for each slot */
#define SLOT_CLASS 16

void
cms_lock(int org, int what, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) org, what, LOCK_CLASS);
	(void) LockAcquire(&tag, mode, false, false);
}

bool
cms_try_lock(int org, int what, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) org, what, LOCK_CLASS);
	return LockAcquire(&tag, mode, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
cms_unlock(int org, int what, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) org, what, LOCK_CLASS);
	LockRelease(&tag, mode, false);
}

/*
 * Offers whose numbers differ by a multiple of 2^32 in orgs of the same number would share a
 * lock, which costs a wait and nothing else.
 */
static inline void
slot_tag(LOCKTAG *tag, int org, int64 offer_id, int slot)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) org, (uint32) offer_id, SLOT_CLASS + slot);
}

void
cms_lock_slot(int org, int64 offer_id, int slot)
{
	LOCKTAG tag;

	slot_tag(&tag, org, offer_id, slot);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

bool
cms_try_lock_slot(int org, int64 offer_id, int slot)
{
	LOCKTAG tag;

	slot_tag(&tag, org, offer_id, slot);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
cms_unlock_slot(int org, int64 offer_id, int slot)
{
	LOCKTAG tag;

	slot_tag(&tag, org, offer_id, slot);
	LockRelease(&tag, ExclusiveLock, false);
}

bool
cms_holds_slot(int org, int64 offer_id, int slot)
{
	LOCKTAG tag;

	slot_tag(&tag, org, offer_id, slot);
	return CMS_LOCK_HELD_BY_ME(&tag, ExclusiveLock);
}

static inline void
job_tag(LOCKTAG *tag, int org, int64 job_id)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) org, (uint32) job_id, JOB_CLASS);
}

bool
cms_lock_job(int org, int64 job_id)
{
	LOCKTAG tag;

	job_tag(&tag, org, job_id);
	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
cms_unlock_job(int org, int64 job_id)
{
	LOCKTAG tag;

	job_tag(&tag, org, job_id);
	LockRelease(&tag, ExclusiveLock, true);
}

void
cms_lock_bulk(int org, int64 offer_id, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) org, (uint32) offer_id, BULK_CLASS);
	(void) LockAcquire(&tag, mode, false, false);
}

bool
cms_try_lock_summary(int org, int64 offer_id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) org, (uint32) offer_id, SUMMARY_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}
