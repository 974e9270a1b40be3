/*
 * message.h
 *	  Reasons in sentences that carry the offer's own numbers and dates. Pure.
 */
#ifndef CMS_MESSAGE_H
#define CMS_MESSAGE_H

#include "issue.h"

/*
 * Of a use that is refused. NULL for CMS_OK, where the standard sentence of the reason
 * says all there is, and where no offer is known.
 */
extern char *cms_message_of_use(CmsReason reason, const CmsOffer *offer, const CmsVerdict *verdict);
/* of a line that is refused */
extern char *cms_message_of_issue(const CmsOffer *offer, const CmsIssueLine *line);

#endif
