/*
 * event.h
 *	  Who changed what (F49): rows of cms.event.
 */
#ifndef CMS_EVENT_H
#define CMS_EVENT_H

#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "utils/date.h"
#include "utils/numeric.h"

/*
 * Names and values, as a JSON object. Begin with {0}. No codes: analysts read events.
 * NULL pointers are JSON's null.
 */
typedef struct CmsFacts
{
	StringInfoData json; /* without its end; data NULL: nothing was said */
} CmsFacts;

extern void cms_facts_text(CmsFacts *facts, const char *name, const char *value);
extern void cms_facts_int64(CmsFacts *facts, const char *name, int64 value);
extern void cms_facts_bool(CmsFacts *facts, const char *name, bool value);
extern void cms_facts_numeric(CmsFacts *facts, const char *name, Numeric value);
/* "has" false: null */
extern void cms_facts_day(CmsFacts *facts, const char *name, bool has, DateADT value);
extern void cms_facts_texts(CmsFacts *facts, const char *name, char *const *values, int count);

typedef struct CmsEvent
{
	int org;
	const char *action;         /* REVOKED, …: a word of cms.event.action */
	const char *object;         /* claim, coupon, redemption, … */
	const char *object_id;      /* NULL: several */
	int64 offer_id;             /* 0: none */
	TimestampTz at;             /* time of the request */
	const CmsFacts *old_values; /* NULL: none */
	const CmsFacts *new_values;
} CmsEvent;

/* Writes the event, by the role that calls. Within SPI; one insert, nothing is read or locked. */
extern void cms_event_record(const CmsEvent *event);

#endif
