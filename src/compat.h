/*
 * compat.h
 *	  Every difference between server versions. PostgreSQL 15 is the oldest.
 */
#ifndef CMS_COMPAT_H
#define CMS_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "cms needs PostgreSQL 15 or newer"
#endif

/* PostgreSQL 16 split varatt.h from postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* PostgreSQL 18 puts the mark in front. */
#ifndef pg_noreturn
#define pg_noreturn _Noreturn
#endif

/* PostgreSQL 16 checks rights to all kinds of objects by one function. */
#if PG_VERSION_NUM < 160000
#define object_aclcheck(class_id, object, role, mode) pg_namespace_aclcheck(object, role, mode)
#endif

/* PostgreSQL 17 numbers backends by their process slot. */
#if PG_VERSION_NUM >= 170000
#define CMS_BACKEND_NUMBER ((int) MyProcNumber)
#else
#define CMS_BACKEND_NUMBER ((int) MyBackendId)
#endif

/* PostgreSQL 17 asks whether a stronger lock will do too. */
#if PG_VERSION_NUM >= 170000
#define CMS_LOCK_HELD_BY_ME(tag, mode) LockHeldByMe(tag, mode, false)
#else
#define CMS_LOCK_HELD_BY_ME(tag, mode) LockHeldByMe(tag, mode)
#endif

/* What an UPDATE has to tell indexes: nothing, all, or from 16 those that only summarize. For direct.c. */
#if PG_VERSION_NUM >= 160000
#define CmsIndexesToUpdate TU_UpdateIndexes
#define CMS_ALL_INDEXES TU_All
#define CMS_INSERT_INDEX_TUPLES(result, row, state, is_update, which, taken) \
	ExecInsertIndexTuples(                                                   \
		result, row, state, is_update, (taken) != NULL, taken, NIL, (which) == TU_Summarizing)
#else
#define CmsIndexesToUpdate bool
#define CMS_ALL_INDEXES true
#define CMS_INSERT_INDEX_TUPLES(result, row, state, is_update, which, taken) \
	ExecInsertIndexTuples(result, row, state, is_update, (taken) != NULL, taken, NIL)
#endif

/* PostgreSQL 16 keeps rights apart from the range table, 18 what is left of it after pruning. */
#if PG_VERSION_NUM >= 180000
#define CMS_INIT_RANGE_TABLE(state, statement) \
	ExecInitRangeTable(state,                  \
					   (statement)->rtable,    \
					   (statement)->permInfos, \
					   bms_copy((statement)->unprunableRelids))
#elif PG_VERSION_NUM >= 160000
#define CMS_INIT_RANGE_TABLE(state, statement) \
	ExecInitRangeTable(state, (statement)->rtable, (statement)->permInfos)
#else
#define CMS_INIT_RANGE_TABLE(state, statement) ExecInitRangeTable(state, (statement)->rtable)
#endif
#if PG_VERSION_NUM >= 160000
#define CMS_CHECK_PERMISSIONS(statement) \
	ExecCheckPermissions((statement)->rtable, (statement)->permInfos, true)
#else
#define CMS_CHECK_PERMISSIONS(statement) ExecCheckRTPerms((statement)->rtable, true)
#endif

/* PostgreSQL 18 counts what an index scan does, and has virtual columns. */
#if PG_VERSION_NUM >= 180000
#define CMS_INDEX_BEGINSCAN(table, index, snapshot, keys) \
	index_beginscan(table, index, snapshot, NULL, keys, 0)
#define CMS_HAS_GENERATED_COLUMNS(constraints) \
	((constraints)->has_generated_stored || (constraints)->has_generated_virtual)
#else
#define CMS_INDEX_BEGINSCAN(table, index, snapshot, keys) \
	index_beginscan(table, index, snapshot, keys, 0)
#define CMS_HAS_GENERATED_COLUMNS(constraints) ((constraints)->has_generated_stored)
#endif

#endif
