/*
 * finder.h
 *	  Finds one row by its key, as a scan of the server's plan says.
 *	  Only for direct.c.
 */
#ifndef CMS_FINDER_H
#define CMS_FINDER_H

#include "access/skey.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#define CMS_FINDER_KNOWN_KEYS 3

/* where the row of a key was found last */
typedef struct CmsFound
{
	Datum key[CMS_FINDER_KNOWN_KEYS];
	ItemPointerData place;
} CmsFound;

typedef struct CmsFinder
{
	Oid index; /* InvalidOid: by its place, which is the only key */
	ScanDirection direction;
	int keys;
	ScanKey scan_keys;
	ExprState **key_values;
	ExprState *filter;
	/* of a key of few numbers, which is asked for again */
	AttrNumber *key_columns; /* of the table; NULL: what is found is not remembered */
	CmsFound *found;         /* by hash; NULL as long as the statement is run seldom */
	int runs;
} CmsFinder;

/*
 * An Index Scan or Tid Scan of a statement with this range table. False: it is not one that finds
 * one row, by all columns of a unique index; or the first one, by any, if that is what is wanted.
 */
extern bool
cms_finder_prepare(CmsFinder *finder, const List *range_table, Plan *scan, bool takes_first);
/* False: there is none. The row's page is pinned as long as it is in the slot. */
extern bool cms_finder_find(CmsFinder *finder, ExprContext *expressions, Relation table,
							Snapshot snapshot, TupleTableSlot *row);

/* Whether rows of the table are where and how the server keeps them by default. */
extern bool cms_finder_knows(Relation table);

#endif
