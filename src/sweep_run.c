/*
 * sweep_run.c
 *	  The rows of cms.sweep_run: when the sweeps, purging and the refresh of summaries ran last (F44).
 *
 * Nobody waits for a note, and no call fails because of one: a row is only written when nobody else
 * is writing it, another run of the same moment being as good; and as it is now, whatever snapshot
 * the transaction has.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "lock.h"
#include "plan.h"
#include "sweep_run.h"

#define NOTE_ARGS                                                       \
	6,                                                                  \
	{                                                                   \
		INT4OID, TEXTOID, TIMESTAMPTZOID, INT8OID, INTERVALOID, BOOLOID \
	}

/* a later part of a run that did nothing, and that of a run which was at its end, change nothing */
static CmsPlan note = {
	"UPDATE cms.sweep_run SET last_run_at = $3,"
	" last_rows = CASE WHEN last_run_at = $3 THEN last_rows ELSE 0 END + $4,"
	" last_duration = CASE WHEN last_run_at = $3 THEN last_duration ELSE '0'::interval END + $5,"
	" last_work_at = CASE WHEN $4 > 0 THEN $3 ELSE last_work_at END, rows_in_all = rows_in_all + $4,"
	" all_done_at = CASE WHEN $6 THEN $3 ELSE all_done_at END"
	" WHERE org_id = $1 AND sweep = (SELECT r.sweep FROM cms.sweep_run r"
	"  WHERE r.org_id = $1 AND r.sweep = $2"
	"  AND (r.last_run_at <> $3 OR $4 > 0 OR ($6 AND r.all_done_at IS DISTINCT FROM $3))"
	"  FOR UPDATE SKIP LOCKED)",
	NOTE_ARGS};

static CmsPlan has_note = {
	"SELECT FROM cms.sweep_run WHERE org_id = $1 AND sweep = $2", 2, {INT4OID, TEXTOID}};

static CmsPlan first_note = {
	"INSERT INTO cms.sweep_run"
	" (org_id, sweep, last_run_at, last_rows, last_duration, last_work_at, rows_in_all, all_done_at)"
	" VALUES ($1, $2, $3, $4, $5, CASE WHEN $4 > 0 THEN $3 END, $4, CASE WHEN $6 THEN $3 END)"
	" ON CONFLICT DO NOTHING",
	NOTE_ARGS};

void
cms_sweep_note(const CmsSweepRun *run, int *orgs)
{
	Interval duration = {.time = GetCurrentTimestamp() - run->began};
	Datum values[] = {Int32GetDatum(run->org),
					  CStringGetTextDatum(run->name),
					  TimestampTzGetDatum(run->run),
					  Int64GetDatum(run->rows),
					  IntervalPGetDatum(&duration),
					  BoolGetDatum(run->all_done)};

	if (XactReadOnly)
		return;
	if (cms_plan_run_latest(&has_note, values, NULL) > 0)
		cms_plan_write_latest(&note, values, NULL);
	/* nobody waits for whoever is making it */
	else if (*orgs > 0 && cms_try_lock(run->org, CMS_LOCK_SWEEP_NOTE, ExclusiveLock))
	{
		(*orgs)--;
		cms_plan_write_latest(&first_note, values, NULL);
	}
}
