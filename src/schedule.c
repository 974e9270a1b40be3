/*
 * schedule.c
 *	  cms_schedule, cms_unschedule: the jobs of pg_cron that sweep and purge (F44).
 *
 * pg_cron is found when it is asked for, never required: no statement that names its objects
 * is prepared before they are known to be there. Both functions run with the caller's rights,
 * because the jobs are pg_cron's and the owner of cms has no right to them.
 *
 * The jobs of a database are known by their names, which hold the database's: one server has
 * one list of jobs for all its databases.
 */
#include "cms.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "args.h"
#include "plan.h"
#include "result.h"
#include "text.h"

PG_FUNCTION_INFO_V1(cms_schedule);
PG_FUNCTION_INFO_V1(cms_unschedule);

#define SWEEP_COMMAND "CALL cms.cms_sweep_all()"
#define PURGE_COMMAND "CALL cms.cms_purge_all()"
#define SUMMARY_COMMAND "SELECT cms.cms_refresh_summary()"

#define SCHEDULE_HINT "Pass a schedule of pg_cron, such as '*/10 * * * *', or NULL for no such job."

/* The jobs. */
enum
{
	job_sweep,
	job_purge,
	job_summary,
	job_history,
	job_count
};

static const char *const kinds[job_count] = {"sweep", "purge", "summary", "history"};

/* columns of cms_schedule_result */
enum
{
	out_job_name,
	out_schedule,
	out_command,
	out_database_name,
	out_role_name,
	out_job_id,
	out_state,
	out_columns
};

/* What is wanted, or was found, of one job. A schedule that is NULL: no such job. */
typedef struct Job
{
	int64 job_id;
	char *name;
	char *schedule;
	char *command;
	char *database;
	char *role;
	char *host; /* where pg_cron connects to, unless it uses background workers */
	bool active;
} Job;

static void require_role(const char *role);
static void require_usage(const char *role);
static bool has_pg_cron(void);
static void require_pg_cron(void);
static char *call_there(const Job *jobs);
static void describe(Job *jobs, const char *role, const char *sweep, const char *purge,
					 const char *summary, int keep_days);
static char *job_name(const char *kind, const char *database);
static char *history_command(int keep_days);
static void schedule_job(FunctionCallInfo fcinfo, Job *wanted);
static int find_jobs(const char *name, Job **found);
static bool is_same(const Job *a, const Job *b);
static void remove_job(int64 job_id);
static void put(FunctionCallInfo fcinfo, const Job *job, const char *state);

static CmsPlan is_available = {
	"SELECT FROM pg_catalog.pg_available_extensions e WHERE e.name = 'pg_cron'", 0};

static CmsPlan jobs_of_name = {
	"SELECT j.jobid, j.jobname::text, j.schedule, j.command, j.database, j.username, j.nodename, j.active"
	" FROM cron.job j WHERE j.jobname = $1 ORDER BY j.jobid",
	1,
	{TEXTOID}};

/* for the caller's own role everybody may who may use the schema */
static CmsPlan add_own_job = {"SELECT cron.schedule($1, $2, $3)", 3, {TEXTOID, TEXTOID, TEXTOID}};

static CmsPlan add_job = {"SELECT cron.schedule_in_database($1, $2, $3, $4, $5, true)",
						  5,
						  {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}};

static CmsPlan unschedule = {"SELECT cron.unschedule($1)", 1, {INT8OID}};

/* cms_schedule(role, sweep, purge, summary, keep_days) */
Datum
cms_schedule(PG_FUNCTION_ARGS)
{
	char *role = cms_arg_required_short_text(
		fcinfo, 0, "role", "Pass the role as which the jobs are to run.");
	char *sweep = cms_arg_short_text(fcinfo, 1, "sweep", SCHEDULE_HINT);
	char *purge = cms_arg_short_text(fcinfo, 2, "purge", SCHEDULE_HINT);
	char *summary = cms_arg_short_text(fcinfo, 3, "summary", SCHEDULE_HINT);
	int keep_days = cms_arg_int(fcinfo, 4, "keep_days");
	const char *cron_database;
	Job jobs[job_count];

	if (keep_days < 1 || keep_days > 36500)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"keep_days\" must be 1 to 36500, not %d", keep_days),
				 errhint("Pass for how many days the history of the jobs is to be kept.")));

	cms_result_start(fcinfo);
	SPI_connect();
	require_pg_cron();
	require_role(role);
	describe(jobs, role, sweep, purge, summary, keep_days);
	cron_database = GetConfigOption("cron.database_name", true, false);
	if (strcmp(cron_database, get_database_name(MyDatabaseId)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cron keeps its jobs in the database \"%s\", this is \"%s\"",
						cron_database,
						get_database_name(MyDatabaseId)),
				 errhint("Connect to \"%s\" as a superuser and run:\n%s",
						 cron_database,
						 call_there(jobs))));
	if (!OidIsValid(get_extension_oid("pg_cron", true)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the extension pg_cron is not created in this database"),
				 errhint("Run CREATE EXTENSION pg_cron, as a superuser.")));
	require_usage(role);
	require_usage(GetUserNameFromId(GetUserId(), false));
	for (int kind = 0; kind < job_count; kind++)
		schedule_job(fcinfo, &jobs[kind]);
	SPI_finish();
	return (Datum) 0;
}

/* cms_unschedule() */
Datum
cms_unschedule(PG_FUNCTION_ARGS)
{
	const char *database = get_database_name(MyDatabaseId);
	const char *cron_database;

	cms_result_start(fcinfo);
	SPI_connect();
	if (!has_pg_cron())
	{
		ereport(NOTICE, (errmsg("pg_cron is not in use on this server, so there are no jobs")));
		SPI_finish();
		return (Datum) 0;
	}
	cron_database = GetConfigOption("cron.database_name", true, false);
	if (strcmp(cron_database, database) != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pg_cron keeps its jobs in the database \"%s\", this is \"%s\"",
					cron_database,
					database),
			 errhint(
				 "Connect to \"%s\" as a superuser and run:\n"
				 "SELECT cron.unschedule(jobid) FROM cron.job WHERE jobname IN (%s, %s, %s, %s);",
				 cron_database,
				 quote_literal_cstr(job_name(kinds[job_sweep], database)),
				 quote_literal_cstr(job_name(kinds[job_purge], database)),
				 quote_literal_cstr(job_name(kinds[job_summary], database)),
				 quote_literal_cstr(job_name(kinds[job_history], database)))));
	if (!OidIsValid(get_extension_oid("pg_cron", true)))
		ereport(NOTICE,
				(errmsg("the extension pg_cron is not created in this database, so there are no "
						"jobs")));
	else
		for (int kind = 0; kind < job_count; kind++)
		{
			Job *found;
			int nfound = find_jobs(job_name(kinds[kind], database), &found);

			for (int i = 0; i < nfound; i++)
			{
				remove_job(found[i].job_id);
				put(fcinfo, &found[i], "REMOVED");
			}
		}
	SPI_finish();
	return (Datum) 0;
}

/* Loaded at the start of the server, and so with its settings. */
static bool
has_pg_cron(void)
{
	return shared_preload_libraries_string != NULL &&
		   strstr(shared_preload_libraries_string, "pg_cron") != NULL &&
		   GetConfigOption("cron.database_name", true, false) != NULL &&
		   GetConfigOption("cron.host", true, false) != NULL;
}

static void
require_pg_cron(void)
{
	const char *loaded = shared_preload_libraries_string;

	if (has_pg_cron())
		return;
	if (cms_plan_run(&is_available, NULL, NULL, false) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("pg_cron is not installed on this server"),
				 errhint("Install it (on Debian the package postgresql-%d-cron), or let another "
						 "scheduler run \"%s\" every minute and \"%s\" every night.",
						 PG_VERSION_NUM / 10000,
						 SWEEP_COMMAND,
						 PURGE_COMMAND)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("pg_cron is installed, but the server has not loaded it"),
			 errhint("Set shared_preload_libraries = '%s%spg_cron' and cron.database_name = '%s' "
					 "in postgresql.conf, restart the server, then run CREATE EXTENSION pg_cron.",
					 loaded != NULL ? loaded : "",
					 loaded != NULL && loaded[0] != '\0' ? "," : "",
					 get_database_name(MyDatabaseId))));
}

/* A job runs for ever and unwatched, so not with more rights than it needs. */
static void
require_role(const char *role)
{
	HeapTuple tuple = SearchSysCache1(AUTHNAME, CStringGetDatum(role));
	Oid sweeper = get_role_oid("cms_sweeper", true);
	bool can_login;
	Oid role_oid;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role \"%s\", as which the jobs are to run, does not exist", role),
				 errhint("Create it: CREATE ROLE %s LOGIN IN ROLE cms_sweeper; or name another in "
						 "the argument \"role\".",
						 quote_identifier(role))));
	role_oid = ((Form_pg_authid) GETSTRUCT(tuple))->oid;
	can_login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);

	if (superuser_arg(role_oid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jobs do not run as \"%s\", which is a superuser", role),
				 errhint("Create a role for them, such as: CREATE ROLE coupon_jobs LOGIN IN ROLE "
						 "cms_sweeper;")));
	if (!can_login)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("jobs cannot run as \"%s\", which may not log in", role),
				 errhint("Allow it: ALTER ROLE %s LOGIN;", quote_identifier(role))));
	if (!OidIsValid(sweeper) || !has_privs_of_role(role_oid, sweeper))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the role \"%s\" may not sweep", role),
				 errhint("Allow it: GRANT cms_sweeper TO %s;", quote_identifier(role))));
}

/* The jobs' role deletes its history; pg_cron grants nobody anything. */
static void
require_usage(const char *role)
{
	if (object_aclcheck(NamespaceRelationId,
						get_namespace_oid("cron", false),
						get_role_oid(role, false),
						ACL_USAGE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the role \"%s\" may not use pg_cron", role),
				 errhint("Allow it, as a superuser: GRANT USAGE ON SCHEMA cron TO %s;",
						 quote_identifier(role))));
}

/* What to run in the database of pg_cron, for the jobs of this one. */
static char *
call_there(const Job *jobs)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "GRANT USAGE ON SCHEMA cron TO %s;", quote_identifier(jobs[0].role));
	for (int kind = 0; kind < job_count; kind++)
	{
		const Job *job = &jobs[kind];

		if (job->schedule == NULL)
			continue;
		appendStringInfo(&text,
						 "\nSELECT cron.schedule_in_database(%s, %s, %s, %s, %s);",
						 quote_literal_cstr(job->name),
						 quote_literal_cstr(job->schedule),
						 quote_literal_cstr(job->command),
						 quote_literal_cstr(job->database),
						 quote_literal_cstr(job->role));
	}
	return text.data;
}

static void
describe(Job *jobs, const char *role, const char *sweep, const char *purge, const char *summary,
		 int keep_days)
{
	const char *database = get_database_name(MyDatabaseId);

	memset(jobs, 0, sizeof(Job) * job_count);
	for (int kind = 0; kind < job_count; kind++)
	{
		jobs[kind].name = job_name(kinds[kind], database);
		jobs[kind].database = pstrdup(database);
		jobs[kind].role = pstrdup(role);
		jobs[kind].host = pstrdup(GetConfigOption("cron.host", true, false));
		jobs[kind].active = true;
	}
	jobs[job_sweep].schedule = sweep != NULL ? pstrdup(sweep) : NULL;
	jobs[job_sweep].command = SWEEP_COMMAND;
	jobs[job_purge].schedule = purge != NULL ? pstrdup(purge) : NULL;
	jobs[job_purge].command = PURGE_COMMAND;
	jobs[job_summary].schedule = summary != NULL ? pstrdup(summary) : NULL;
	jobs[job_summary].command = SUMMARY_COMMAND;
	/* the history is where pg_cron is */
	jobs[job_history].schedule =
		sweep != NULL || purge != NULL || summary != NULL ? "41 2 * * *" : NULL;
	jobs[job_history].command = history_command(keep_days);
	jobs[job_history].database = pstrdup(GetConfigOption("cron.database_name", true, false));
}

/* pg_cron keeps a name's first 63 bytes; a longer one would meet that of another database. */
static char *
job_name(const char *kind, const char *database)
{
	char *name = psprintf("cms %s %s", kind, database);

	if (strlen(name) >= NAMEDATALEN)
		return psprintf("cms %s %u", kind, MyDatabaseId);
	return name;
}

/*
 * A role sees its own runs only. Those that never began have no times, so they go with the
 * others of their age.
 */
static char *
history_command(int keep_days)
{
	return psprintf("DELETE FROM cron.job_run_details WHERE username = CURRENT_USER AND runid <= "
					"(SELECT max(runid) FROM cron.job_run_details"
					" WHERE end_time < now() - interval '%d days')",
					keep_days);
}

/* Leaves one job that is as wanted, or none, whatever was there before. */
static void
schedule_job(FunctionCallInfo fcinfo, Job *wanted)
{
	const char *caller = GetUserNameFromId(GetUserId(), false);
	Job *found;
	int nfound = find_jobs(wanted->name, &found);
	bool is_there = false;
	bool isnull;

	for (int i = 0; i < nfound; i++)
	{
		if (!is_there && is_same(&found[i], wanted))
		{
			is_there = true;
			put(fcinfo, &found[i], "UNCHANGED");
			continue;
		}
		remove_job(found[i].job_id);
		if (wanted->schedule == NULL)
			put(fcinfo, &found[i], "REMOVED");
	}
	if (is_there || wanted->schedule == NULL)
		return;

	if (!superuser() && strcmp(wanted->role, caller) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only a superuser may schedule jobs that run as \"%s\"", wanted->role),
				 errhint("Call cms_schedule as a superuser, or pass your own role.")));

	Datum values[] = {CStringGetTextDatum(wanted->name),
					  CStringGetTextDatum(wanted->schedule),
					  CStringGetTextDatum(wanted->command),
					  CStringGetTextDatum(wanted->database),
					  CStringGetTextDatum(wanted->role)};

	cms_plan_run(superuser() ? &add_job : &add_own_job, values, NULL, false);
	wanted->job_id = DatumGetInt64(cms_row_value(0, 1, &isnull));
	put(fcinfo, wanted, nfound > 0 ? "CHANGED" : "ADDED");
}

/* Without the jobs of other roles, unless a superuser asks. */
static int
find_jobs(const char *name, Job **found)
{
	Datum values[] = {CStringGetTextDatum(name)};
	int nfound = (int) cms_plan_run(&jobs_of_name, values, NULL, false);

	*found = palloc0(sizeof(Job) * Max(nfound, 1));
	for (int i = 0; i < nfound; i++)
		(*found)[i] = (Job){.job_id = cms_row_int64(i, 1, 0),
							.name = cms_row_text(i, 2),
							.schedule = cms_row_text(i, 3),
							.command = cms_row_text(i, 4),
							.database = cms_row_text(i, 5),
							.role = cms_row_text(i, 6),
							.host = cms_row_text(i, 7),
							.active = cms_row_bool(i, 8, false)};
	return nfound;
}

static bool
is_same(const Job *a, const Job *b)
{
	return a->active && b->active && cms_text_equal(a->schedule, b->schedule) &&
		   cms_text_equal(a->command, b->command) && cms_text_equal(a->database, b->database) &&
		   cms_text_equal(a->role, b->role) && cms_text_equal(a->host, b->host);
}

static void
remove_job(int64 job_id)
{
	Datum values[] = {Int64GetDatum(job_id)};

	cms_plan_run(&unschedule, values, NULL, false);
}

static void
put(FunctionCallInfo fcinfo, const Job *job, const char *state)
{
	Datum values[out_columns];
	bool nulls[out_columns] = {false};

	cms_result_text(job->name, values, nulls, out_job_name);
	cms_result_text(job->schedule, values, nulls, out_schedule);
	cms_result_text(job->command, values, nulls, out_command);
	cms_result_text(job->database, values, nulls, out_database_name);
	cms_result_text(job->role, values, nulls, out_role_name);
	values[out_job_id] = Int64GetDatum(job->job_id);
	cms_result_text(state, values, nulls, out_state);
	cms_result_put(fcinfo, values, nulls);
}
