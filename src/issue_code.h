/*
 * issue_code.h
 *	  The code that a coupon gets when it is issued: from stock, new, common, or the
 *	  next of a secret order. Part of issuing, see issue.c.
 */
#ifndef CMS_ISSUE_CODE_H
#define CMS_ISSUE_CODE_H

#include "codebook.h"
#include "issue.h"
#include "stock.h"

/* A call to issue, while it is worked on. */
typedef struct CmsIssue
{
	const CmsOffer *offer;
	const CmsIssuer *issuer;
	CmsIssueLine **lines; /* in the order of customers */
	int nlines;
	MemoryContext context;      /* of the answers */
	MemoryContext line_context; /* of one line */

	CmsTotals totals; /* where the counters were asked for */
	int64 allowed;    /* by the cap, as read before */
	int64 issued;
	int64 from_stock;
	bool use_stock;
	bool wait_for_stock;   /* all codes left are locked by others */
	bool is_issued;        /* a coupon at least */
	bool claim_may_go;     /* nothing was issued, so the claim could be released meanwhile */
	bool claim_gone;       /* it was */
	bool rules_gone;       /* by which the lines were judged */
	CmsStock stock;        /* with use_stock */
	bool may_guess;        /* that the customer has received nothing yet, see there */
	CmsReserved *reserved; /* of many lines; NULL: each is looked for */
	int64 room;            /* new codes that may be made */
	int draws;             /* that collided since the last new code */
	CmsCodeOrder *order;   /* RANDOMISED */
	bool order_is_used_up;
	int64 next_position;
	int64 positions;                        /* taken and not used yet */
	bool stock_line[FLEXIBLE_ARRAY_MEMBER]; /* by line: came from stock */
} CmsIssue;

/* whether codes may run out, or the guess guard step in: then the totals are needed */
extern bool cms_issue_code_is_scarce(const CmsOffer *offer);
/* what the method of the offer needs before the first code */
extern void cms_issue_code_prepare(CmsIssue *issue);
/*
 * Writes the coupon of line i as the customer's nth. False: another transaction was faster,
 * decide again. Otherwise the line has its coupon, or the reason why there is no code, or
 * issue->wait_for_stock is set.
 */
extern bool cms_issue_code_give(CmsIssue *issue, int i, int nth);
/*
 * The code for a coupon that the caller writes, of no stock, in a call of many lines. False:
 * there is none, which is the line's reason, or drawing is no way to find one.
 */
extern bool cms_issue_code_choose(CmsIssue *issue, CmsIssueLine *line, char *code);
/* takes back what give wrote */
extern void cms_issue_code_take_back(CmsIssue *issue, int i);

#endif
