/*
 * redeem.h
 *	  What redeeming shares with what follows it.
 */
#ifndef CMS_REDEEM_H
#define CMS_REDEEM_H

/* MS009 */
pg_noreturn extern void cms_redeem_unknown(int64 redemption_id);

#endif
