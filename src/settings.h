/*
 * settings.h
 *	  What the triggers of the settings share with the rest.
 */
#ifndef CMS_SETTINGS_H
#define CMS_SETTINGS_H

#include "record.h"

/* 23503 naming org_id unless the org of the row exists; connects to SPI by itself */
extern void cms_settings_require_org(const CmsRecord *record);

/*
 * Raises the version of an offer for a change that no row of its settings shows. The offer's row
 * is locked FOR SHARE before, so that changes of its settings come before or after.
 */
extern void cms_settings_raise_version(int org, int64 offer_id);

/*
 * Forgets which offer's version this transaction has raised last. Whoever reads
 * rules in order to keep them calls it: a change after that needs another version.
 */
extern void cms_settings_forget_version(void);

/*
 * Whether the active snapshot sees every change of settings that this transaction has
 * made. One that does not (of a cursor opened before) may meet two states under one
 * version: what is read with it stands for no version.
 */
extern bool cms_settings_are_settled(void);

/* The lists of an offer that only count while a column of the offer says so. */
typedef enum CmsScope
{
	CMS_SCOPE_NONE,     /* lists that always count */
	CMS_SCOPE_PRODUCTS, /* product_scope */
	CMS_SCOPE_STORES,   /* store_scope */
	CMS_SCOPE_AUDIENCE  /* audience_only */
} CmsScope;

/*
 * Errors unless the offer exists in the org (MS001) and uses the list (MS011),
 * and keeps it so: the offer's row stays locked FOR SHARE until the end of the
 * transaction. Connects to SPI by itself.
 */
extern void cms_settings_require_scope(int org, int64 offer_id, CmsScope scope);
/* the same in a preview, of an offer that is not saved yet: notes a problem of the offer */
extern bool cms_settings_preview_scope(const CmsRecord *offer, CmsScope scope);
/* forgets what is known of the scopes: the offer changes */
extern void cms_settings_forget_scope(void);

#endif
