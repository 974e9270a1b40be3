/*
 * claim.h
 *	  Which service uses an offer (F4, F5). Within SPI_connect/SPI_finish.
 */
#ifndef CMS_CLAIM_H
#define CMS_CLAIM_H

#include "fmgr.h"

#include "offer.h"

#define CMS_SERVICE_OUTBOUND "OUTBOUND"

/* Who claims, or holds. */
typedef struct CmsClaimant
{
	const char *service;
	const char *consumer_ref;
	const char *consumer_name;
	bool has_end;
	DateADT ends_on;
} CmsClaimant;

/*
 * Unless somebody has a claim, locks the offer's row, so that its columns stay as they are until one
 * is there; its lists may still grow. False: it has changed by now, get the compiled offer again.
 */
extern bool cms_claim_begin(const CmsOffer *offer);
/*
 * One atomic step: CMS_OK and *holder = the claimant's own claim, or the reason
 * and *holder = who holds it (service NULL if nobody does, as with NOT_VISIBLE).
 * at: the time of the request, for the event.
 * A new claim changes the offer's version: get the compiled offer again.
 */
extern CmsReason cms_claim_take(const CmsOffer *offer, const CmsClaimant *claimant, TimestampTz at,
								CmsClaimant *holder);
/* whether the claim that the offer was compiled with is still there, by the latest snapshot */
extern bool cms_claim_stands(const CmsOffer *offer);
/* whether the claimant sees an offer of this owner (F4); NULL: made centrally */
extern bool
cms_claim_is_visible(const char *owner_service, const char *owner_ref, const CmsClaimant *claimant);
/* whether it is OUTBOUND and names no campaign */
extern bool cms_claim_lacks_campaign(const CmsClaimant *claimant);
/* "7 (Spring sale)": the offer that an OUTBOUND campaign holds, NULL if none */
extern char *cms_claim_offer_of_campaign(int org, const char *consumer_ref);
/* the five services; ends with NULL */
extern const char *const cms_claim_services[];
/* the argument "service", NULL where not given; whether it is one of them is checked apart */
extern char *cms_claim_arg_service(FunctionCallInfo fcinfo, int n);
/* raises 22023 naming the argument unless it is one of the five services */
extern void cms_claim_check_service(const char *service);
/* the arguments "service" and "consumer_ref" of an issue, NULL where not given */
extern void cms_claim_check_names(const char *service, const char *consumer_ref);
/* "OUTBOUND campaign spring (Spring sale)", for messages */
extern char *cms_claim_text(const CmsClaimant *claimant);

#endif
