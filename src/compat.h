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

#endif
