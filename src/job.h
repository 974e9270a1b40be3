/*
 * job.h
 *	  Long work that commits in batches (cms.job).
 *
 * A job is a procedure, which runs with the rights of its caller, and a step, a function of a
 * definer, which does one batch and says in the job's row what came of it, in the batch's own
 * transaction. The procedure:
 *
 *		PG_TRY();
 *		{
 *			cms_job_start(&run);
 *			if (!run.is_done)
 *			{
 *				cms_job_total(&run, total);
 *				while (...)
 *					cms_job_step(&run, &step, values, nulls);
 *			}
 *			cms_job_end(&run);
 *		}
 *		PG_FINALLY();
 *		{
 *			cms_job_release(&run);
 *		}
 *		PG_END_TRY();
 *
 * and the step:
 *
 *		cms_job_open(org, job_id, &job);
 *		... do a batch, count in job ...
 *		cms_job_close(&job);
 */
#ifndef CMS_JOB_H
#define CMS_JOB_H

#include "fmgr.h"

#include "plan.h"
#include "reason.h"

/* ---- for procedures ---- */

typedef struct CmsJobRun
{
	/* what is asked for */
	const char *procedure; /* its name, for messages */
	const char *instead;   /* what to call within a transaction, for the hint; NULL: nothing */
	const char *action;
	const char *job_key; /* NULL: none */
	int org;
	int64 offer_id; /* 0: not of one offer */
	/* parts of the request besides offer and action, which a key stands for */
	const char *const *request;
	int nrequest;
	/* answered */
	int64 job_id;
	bool is_done; /* in an earlier call */
	bool has_lock;
	/* so far, in this run */
	int64 total;
	int64 done;
	int64 succeeded; /* in all runs */
	int64 refused;
	TimestampTz began;
	TimestampTz noticed;
} CmsJobRun;

/*
 * Error 25001 within a transaction block or a function. First of all that a procedure does; then
 * SPI_connect_ext(SPI_OPT_NONATOMIC).
 */
extern void
cms_job_require_alone(FunctionCallInfo fcinfo, const char *procedure, const char *instead);
/* The argument "org" by its place, which the caller itself may not look into; checked by cms_job_start. */
extern int cms_job_org(FunctionCallInfo fcinfo, int n);
/* Between two batches of any procedure that commits: what comes next is READ COMMITTED. */
extern void cms_job_commit(void);
/*
 * Makes the job, or finds the one of the key, and keeps others from running it until
 * cms_job_release. Commits. Each transaction of a job is READ COMMITTED, whatever the default is:
 * what decides are the statements that write.
 */
extern void cms_job_start(CmsJobRun *run);
/* Units of work in this run. */
extern void cms_job_total(CmsJobRun *run, int64 total);
/*
 * One batch: runs the statement "SELECT ... FROM step(...)" and commits. Its row, of which the
 * caller gets the first column, a number, tells what the step wants to. An error is written
 * into the job's row and goes on to the caller. Says how far it is from time to time.
 */
extern int64 cms_job_step(CmsJobRun *run, CmsPlan *step, const Datum *values, const char *nulls);
/* Work of the procedure itself, in the same way: in a transaction of its own, which it commits. */
typedef void (*CmsJobWork)(void *argument);
extern void cms_job_do(CmsJobRun *run, CmsJobWork work, void *argument);
/* The job is done. */
extern void cms_job_end(CmsJobRun *run);
/* Whatever happened: lets others run the job, where this run has kept them from it. */
extern void cms_job_release(CmsJobRun *run);

/* ---- for steps ---- */

typedef struct CmsJob
{
	int org;
	int64 job_id;
	int64 offer_id;
	int64 total; /* -1: not known */
	int64 done;
	int64 succeeded;
	int runs;
	/* what the batch adds */
	int64 new_total; /* of the run, where the batch has found it out; 0: as it is */
	int64 more_done;
	int64 more_succeeded;
	int64 more_refused;
	int64 more_replayed;
	int64 more_ignored;
	int64 more_skipped;
	int64 refusals[CMS_REASON_COUNT]; /* by reason, of the batch */
} CmsJob;

/* Error unless a procedure of this session runs the job: steps are called by nobody else. */
extern void cms_job_open(int org, int64 job_id, CmsJob *job);
/* Adds what the batch did. */
extern void cms_job_close(const CmsJob *job);

#endif
