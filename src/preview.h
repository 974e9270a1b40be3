/*
 * preview.h
 *	  What an offer will do, in plain words (F2). Within SPI_connect/SPI_finish.
 */
#ifndef CMS_PREVIEW_H
#define CMS_PREVIEW_H

#include "datatype/timestamp.h"

/* the summary of a saved offer, a line each; MS001 when there is no such offer */
extern char *cms_preview_summary(int org, int64 offer_id, TimestampTz at);

#endif
