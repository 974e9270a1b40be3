/*
 * issue_bulk.h
 *	  A coupon for each of many customers at once, by set-based statements. The rules are those
 *	  of issue.h. Within SPI_connect/SPI_finish, under READ COMMITTED.
 */
#ifndef CMS_ISSUE_BULK_H
#define CMS_ISSUE_BULK_H

#include "bulk_write.h"
#include "job.h"

/* One batch of a job, and its answer. */
typedef struct CmsBulk
{
	/* asked */
	CmsIssuer issuer;
	const CmsJob *job;
	int count;
	Datum *customers; /* of type text, with a header of 4 bytes; as many as count */
	bool in_audience; /* known of all of them */
	CmsCodeSlice slice;
	/* answered, by customer */
	CmsReason *reasons; /* CMS_OK: issued, replayed or skipped */
	bool *skipped;      /* has a coupon of the job */
	bool *replayed;     /* keeps the one it holds */
	DateADT *next_allowed_on;
	bool *has_next;
	int64 issued;

	struct CmsBulkWork *work;
} CmsBulk;

extern void cms_issue_bulk(int64 offer_id, CmsBulk *bulk);

#endif
