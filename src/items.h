/*
 * items.h
 *	  The lines of a bill, from JSON. Pure.
 */
#ifndef CMS_ITEMS_H
#define CMS_ITEMS_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef struct CmsItem
{
	char *sku; /* NULL: not given */
	char *category;
	char *brand;
	Numeric amount; /* total of the line */
	bool on_sale;
} CmsItem;

typedef struct CmsItems
{
	int count;
	CmsItem *lines;
	Numeric total;
} CmsItems;

/* errors 22023 naming "items", the line (from 1) and the member */
extern CmsItems *cms_items_parse(Jsonb *items);

#endif
