/*
 * cms.h
 *	  What every file of the extension starts with.
 */
#ifndef CMS_H
#define CMS_H

#include "compat.h"
#include "errors.h"

#endif
