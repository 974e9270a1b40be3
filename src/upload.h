/*
 * upload.h
 *	  Loading existing codes in batches of lines (F12). Within SPI_connect/SPI_finish.
 */
#ifndef CMS_UPLOAD_H
#define CMS_UPLOAD_H

#include "utils/hsearch.h"

#include "issue.h"

typedef struct CmsUploadLine
{
	/* asked */
	int64 line;
	const char *raw_code; /* NULL for NULL */
	const char *customer; /* NULL or blank: none, into stock */
	/* answered */
	char code[CMS_CODE_MAX_LENGTH + 1]; /* as stored; "" if it cannot be */
	CmsReason reason;                   /* CMS_OK: loaded */
	const char *message;                /* NULL: the standard sentence */
	int64 coupon_id;
} CmsUploadLine;

/* One upload: what it is for, and what it has done so far. */
typedef struct CmsUpload
{
	int org;
	int64 offer_id;
	CmsIssuer issuer; /* of lines with a customer */
	bool issues;      /* there may be such */
	HTAB *seen;       /* codes of the lines so far */
	bool looks_first; /* nothing will be inserted that could tell what is taken */
	int64 stocked;    /* to be counted at the end */
} CmsUpload;

/* set before: org, offer_id, issuer, issues; MS001, MS007 */
extern void cms_upload_begin(CmsUpload *upload);
extern void cms_upload_lines(CmsUpload *upload, CmsUploadLine *lines, int nlines);
extern void cms_upload_end(CmsUpload *upload);

#endif
