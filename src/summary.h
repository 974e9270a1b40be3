/*
 * summary.h
 *	  What a preview says of an offer. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_SUMMARY_H
#define CMS_SUMMARY_H

#include "draft.h"
#include "plan.h"

/* A sentence of a preview and what it is about. */
typedef struct CmsSentence
{
	const char *topic; /* of a warning the column */
	const char *text;
	const char *hint; /* what to do about a warning */
} CmsSentence;

extern CmsSentence *cms_sentence_make(const char *topic, const char *hint, const char *format,
									  va_list args) pg_attribute_printf(3, 0);

/* What the offer will do, in plain words: a list of CmsSentence. Problems leave lines out. */
extern List *cms_summary_of_draft(const CmsDraft *draft);
/* What is legal but surely not meant: a list of CmsSentence. */
extern List *cms_doubts_about_draft(const CmsDraft *draft);

/* Names that are listed; of more only the number is told. */
#define CMS_SUMMARY_MOST_NAMED 5

/* The lines so far, for the files of the summary. */
typedef struct CmsSummary
{
	const CmsDraft *draft;
	List *lines;
} CmsSummary;

extern void cms_summary_say(CmsSummary *summary, const char *topic, const char *format, ...)
	pg_attribute_printf(3, 4);
/* codes, issue, use, messages, claim */
extern void cms_summary_say_rules(CmsSummary *summary);
/* "more than 100,000 customers" */
extern char *cms_summary_count(const CmsDraftList *list, const char *one, const char *many);
/* of the row that the statement finds; NULL: none, or it has none */
extern char *cms_summary_name(CmsPlan *plan, const Datum *values);

#endif
