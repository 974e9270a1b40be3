/*
 * attempt.h
 *	  Refused attempts: what is kept of them, how many are let through, and what is
 *	  told of them. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_ATTEMPT_H
#define CMS_ATTEMPT_H

#include "rule.h"

/* A call, as it came. */
typedef struct CmsAttempt
{
	int org;
	const char *action; /* REDEEM, CHECK, … */
	const char *code;   /* as typed; may be NULL */
	const char *ref;    /* of the bill or the order; may be NULL */
	const CmsUseRequest *request;
	bool read_only; /* records nothing */
} CmsAttempt;

/*
 * Whether the till or the customer has failed too often, and until when. Asked before any
 * rule, and after a bill that was answered before: its till is right to ask again.
 */
extern bool
cms_attempt_is_blocked(const CmsAttempt *attempt, const CmsOrgRules *rules, TimestampTz *until);

/*
 * Whether these reasons, all that hold, are those of a code that the caller is not to know of.
 * One such is an attempt with an unknown code, whatever else stands against it.
 */
extern bool cms_attempt_is_unknown(uint64 reasons);

/*
 * The end of a refused call: records it if it is to be, and answers which reason is to be
 * told. TOO_MANY_ATTEMPTS, with "until", when it came after too many others; CODE_NOT_FOUND
 * when nothing is to be known of the code. Of both nothing else is told, neither offer nor
 * coupon. rules: those of the offer; NULL: none was found. reason: the true one.
 */
extern CmsReason
cms_attempt_refused(const CmsAttempt *attempt, const CmsOrgRules *rules, CmsReason reason,
					uint64 reasons, int64 offer_id, int64 coupon_id, TimestampTz *until);

#endif
