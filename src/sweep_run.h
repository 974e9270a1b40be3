/*
 * sweep_run.h
 *	  What is noted of runs that nobody watches, for cms.sweep_status.
 */
#ifndef CMS_SWEEP_RUN_H
#define CMS_SWEEP_RUN_H

#include "datatype/timestamp.h"

/* Orgs for which one call keeps locks: the server has only so many. */
#define CMS_SWEEP_MOST_ORGS 500

/* A run for one org, or a part of it. */
typedef struct CmsSweepRun
{
	const char *name;
	int org;
	TimestampTz run;   /* began then; its parts add up */
	TimestampTz began; /* this part */
	int64 rows;
	bool all_done; /* nothing was left, where that is kept */
} CmsSweepRun;

/*
 * Within SPI_connect/SPI_finish. "orgs" tells for how many locks may be kept yet. Writes nothing where the
 * transaction may not, as on a standby.
 */
extern void cms_sweep_note(const CmsSweepRun *run, int *orgs);

#endif
