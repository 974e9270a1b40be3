/*
 * redeem.h
 *	  What redeeming shares with reversing.
 */
#ifndef CMS_REDEEM_H
#define CMS_REDEEM_H

#include "rule.h"

/* 22023 for an "at" further back than the org's max_backdate allows a redeemer to date */
extern void cms_redeem_require_recent(const CmsOffer *offer, TimestampTz at);

#endif
