/*
 * refresh_summary.h
 *	  Summaries for reports: see refresh_summary.c.
 */
#ifndef CMS_REFRESH_SUMMARY_H
#define CMS_REFRESH_SUMMARY_H

/* What is summarised of the offer has changed, though its counters have not. Within SPI. */
extern void cms_summary_mark(int org, int64 offer_id);

#endif
