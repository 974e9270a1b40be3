/*
 * purge.h
 *	  What a purge may remove, and has removed. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_PURGE_H
#define CMS_PURGE_H

#include "datatype/timestamp.h"

typedef struct CmsPurge
{
	int org;
	TimestampTz at;
	/* coupons that ended, and rows that were done with, before; DT_NOBEGIN: none */
	TimestampTz coupons_before;
	TimestampTz requests_before;
	TimestampTz attempts_before;
	TimestampTz holds_before;
	TimestampTz messages_before;
	/* how many rows may be removed, and looked at, yet */
	int64 may_remove;
	int64 may_look;
	int64 removed;
	int offers;        /* that may yet be purged by the call */
	bool is_impatient; /* an offer was not waited for to the end, so no other is */
} CmsPurge;

/* Of one offer that is over: its coupons that expired before and were never redeemed. */
extern void cms_purge_offer(CmsPurge *purge, int64 offer_id);

#endif
