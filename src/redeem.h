/*
 * redeem.h
 *	  What redeeming shares with what will stand beside it.
 */
#ifndef CMS_REDEEM_H
#define CMS_REDEEM_H

#include "rule.h"

/* 22023 for an "at" further back than the org's max_backdate allows a redeemer to date */
extern void cms_require_recent(const CmsOffer *offer, TimestampTz at);
/* the reason in a sentence with the offer's own numbers and dates; NULL for CMS_OK */
extern char *cms_use_message(CmsReason reason, const CmsOffer *offer, const CmsVerdict *verdict);

#endif
