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

void
cms_lock(int org, int what, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) org, what, LOCK_CLASS);
	(void) LockAcquire(&tag, mode, false, false);
}
