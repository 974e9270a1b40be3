/*
 * issue.h
 *	  Giving coupons to customers: one path for cms_issue, cms_issue_many and
 *	  uploads with customers. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_ISSUE_H
#define CMS_ISSUE_H

#include "rule.h"

/* One coupon asked for, and its answer. */
typedef struct CmsIssueLine
{
	/* asked */
	int64 line;
	const char *customer;
	const char *given_code; /* upload: the normalised code; NULL: the offer's method decides */
	/* answered */
	CmsReason reason; /* CMS_OK: issued */
	char *message;    /* NULL: the standard sentence */
	int64 coupon_id;
	char *code;
	bool shared;
	TimestampTz issued_at;
	bool has_own_end;
	TimestampTz own_end;
	bool has_next;
	DateADT next_allowed_on;
	bool replayed;
	bool purged; /* replayed, and the coupon has been purged since */
} CmsIssueLine;

typedef struct CmsIssuer
{
	const char *service; /* NULL: none named */
	const char *consumer_ref;
	int64 job_id; /* 0: none */
	TimestampTz at;
	bool all_or_none;
} CmsIssuer;

/*
 * Issues what can be issued; every line is answered. Lines may be worked on in
 * the order of customers so that concurrent calls do not deadlock. Claims the offer for
 * issuer->service where nobody holds it. Answers the offer that the lines were decided
 * by: with that claim, and with what others have changed until then.
 */
extern const CmsOffer *
cms_issue_lines(const CmsOffer *offer, const CmsIssuer *issuer, CmsIssueLine *lines, int nlines);

/* What is known of a customer who might ask; only reads. */
extern void
cms_issue_look_at_receipts(const CmsOffer *offer, const char *customer, CmsReceipts *receipts);

/* The same for all these customers, in one order whoever asks. */
extern void cms_issue_lock_customers(int org, const char *const *customers, int count);
/* whether the offer, which an issue has claimed, asks for that, as it did not "before" */
extern bool cms_issue_needs_customers(const CmsOffer *offer, const CmsOffer *before);
/*
 * Keeps issues to the customer apart until the end of the transaction, for offers with
 * exclusions (F20): what has been issued can then be read with the latest snapshot.
 */
extern void cms_issue_lock_customer(int org, const char *customer);

#endif
