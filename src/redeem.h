/*
 * redeem.h
 *	  What redeeming shares with what follows it.
 */
#ifndef CMS_REDEEM_H
#define CMS_REDEEM_H

#include "rule.h"

/* 22023 for an "at" further back than the org's max_backdate allows a redeemer to date */
extern void cms_redeem_require_recent(const CmsOffer *offer, TimestampTz at);
/* MS009 */
pg_noreturn extern void cms_redeem_unknown(int64 redemption_id);

#endif
