/*
 * offers.h
 *	  What the dashboard and the page of one offer say alike.
 */
#ifndef CMS_OFFERS_H
#define CMS_OFFERS_H

/* of cms.offer o, its claim l and its org g at $2; as cms.offer_dashboard has it */
#define CMS_OFFERS_STATUS                                                                \
	"CASE WHEN o.status = 'ARCHIVED' THEN 'ARCHIVED'"                                    \
	" WHEN cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) <= $2" \
	" THEN 'ENDED' ELSE 'ACTIVE' END"

#endif
