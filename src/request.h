/*
 * request.h
 *	  Requests with a key of the caller's own: done once, and answered again as the first
 *	  time. Within SPI_connect/SPI_finish.
 *
 * A callable describes what is asked for, opens the request before it locks or writes
 * anything else, and keeps its answer:
 *
 *		cms_request_begin(&request, org, key, "REVERSE");
 *		cms_request_number(&request, redemption_id);
 *		if (cms_request_open(&request) == CMS_REQUEST_NEW)
 *			... do it, cms_request_keep(&request, answer, NULL) ...
 *
 * Without a key every request is new, and nothing is looked for or kept.
 */
#ifndef CMS_REQUEST_H
#define CMS_REQUEST_H

#include "common/cryptohash.h"

typedef enum CmsRequestState
{
	CMS_REQUEST_NEW,      /* to be done, then kept or dropped */
	CMS_REQUEST_REPLAYED, /* done before: answer and reasons are those of the first time */
	CMS_REQUEST_CONFLICT  /* the key was used for something else (KEY_CONFLICT) */
} CmsRequestState;

typedef struct CmsRequest
{
	int org;
	const char *key; /* NULL: none was named */
	const char *action;
	pg_cryptohash_ctx *digest; /* of what is asked for, while it is described */
	/* replayed */
	int64 *answer;
	char **reasons;
} CmsRequest;

extern void cms_request_begin(CmsRequest *request, int org, const char *key, const char *action);
/* What is asked for, part by part, in an order of the action's own. NULL differs from an empty text. */
extern void cms_request_text(CmsRequest *request, const char *text);
extern void cms_request_number(CmsRequest *request, int64 number);
/* Of what was described, a bytea, where there is a key; then nothing more is added. */
extern Datum cms_request_digest(CmsRequest *request);
/*
 * Takes the key. Of two transactions with one key the second waits for the first; under a
 * fixed snapshot, which cannot show the first's answer, it fails with 40001.
 */
extern CmsRequestState cms_request_open(CmsRequest *request);
/* Keeps the answer of a new request: an array of bigint, and one of text or 0. */
extern void cms_request_keep(const CmsRequest *request, Datum answer, Datum reasons);
/* Leaves no key behind: what was refused binds nothing. */
extern void cms_request_drop(const CmsRequest *request);

#endif
