/*
 * org.c
 *	  Who calls, and for which org: the boundary between tenants.
 *
 * Entry points are functions of a definer, so the role that called is the outer
 * user of the session, never the current one.
 *
 * What cms.org_role grants is remembered per backend. Triggers on cms.org and
 * cms.org_role invalidate the relation, changes of roles invalidate the server's
 * own caches; the callbacks only raise a number, and what was remembered under
 * an older number is not used. Answers are read with the latest snapshot: one
 * read with the snapshot of a long transaction would outlive it.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "org.h"
#include "plan.h"

/* What one caller may do: for one org, or (org 0) the list of all. */
typedef struct PermissionKey
{
	Oid caller;
	int org;
} PermissionKey;

typedef struct Permission
{
	PermissionKey key;
	bool allowed;
	int norgs;
	int *orgs; /* ascending */
} Permission;

/* more than this many answers: forget all and begin anew */
#define MAX_PERMISSIONS 1000

int cms_org_setting = 0;
bool cms_offer_cache_stale = false;

static uint64 generation = 1; /* raised by every invalidation */
static uint64 remembered_generation = 0;
static HTAB *remembered = NULL;
static MemoryContext remembered_context = NULL;
static Oid org_table = InvalidOid;
static Oid org_role_table = InvalidOid;

static CmsPlan roles_of_org = {
	.text = "SELECT role_name FROM cms.org_role WHERE org_id = $1",
	.nargs = 1,
	.argtypes = {INT4OID},
};

/* sorted by role, so that each role is looked at once */
static CmsPlan orgs_of_roles = {
	.text = "SELECT org_id, role_name FROM cms.org_role ORDER BY role_name",
};

static CmsPlan all_orgs = {
	.text = "SELECT org_id FROM cms.org",
};

static bool may_act_for_all_orgs(Oid caller);
static bool has_role(Oid caller, const char *role_name);
static Permission *recall(Oid caller, int org);
static bool recall_is_allowed(Oid caller, int org);
static int recall_orgs(Oid caller, int **orgs);
static bool read_is_allowed(Oid caller, int org);
static int read_orgs(Oid caller, int **orgs);
static uint64 run(CmsPlan *plan, const Datum *values);
static Permission *remember(Oid caller, int org, uint64 read_at);
static void prepare_cache(void);
static void relation_changed(Datum unused, Oid relation);
static void role_changed(Datum unused, int cache, uint32 hash);
static int compare_orgs(const void *a, const void *b);

PG_FUNCTION_INFO_V1(cms_current_org);
PG_FUNCTION_INFO_V1(cms_my_orgs);
PG_FUNCTION_INFO_V1(cms_sees_codes);

Datum
cms_current_org(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(cms_org_default());
}

Datum
cms_my_orgs(PG_FUNCTION_ARGS)
{
	int *orgs;
	int norgs = recall_orgs(cms_org_caller(), &orgs);
	Datum *values = palloc(sizeof(Datum) * Max(norgs, 1));

	for (int i = 0; i < norgs; i++)
		values[i] = Int32GetDatum(orgs[i]);
	PG_RETURN_ARRAYTYPE_P(
		construct_array(values, norgs, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

Datum
cms_sees_codes(PG_FUNCTION_ARGS)
{
	Oid caller = cms_org_caller();

	PG_RETURN_BOOL(superuser_arg(caller) || has_role(caller, "cms_manager") ||
				   has_role(caller, "cms_issuer") || has_role(caller, "cms_redeemer"));
}

/*
 * While the server maintains a table (ANALYZE, an index, a materialized view), it runs
 * functions of that table's owner, often for a superuser or in the background. The
 * session's role did not ask then, and who did cannot be told any more.
 */
Oid
cms_org_caller(void)
{
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cms cannot be used while the server maintains a table"),
				 errhint("Leave it out of indexes and of materialized views; copy reports into "
						 "a table instead.")));
	return GetOuterUserId();
}

char *
cms_org_caller_name(void)
{
	return GetUserNameFromId(cms_org_caller(), false);
}

bool
cms_org_caller_is_admin(void)
{
	Oid caller = cms_org_caller();

	return superuser_arg(caller) || has_role(caller, "cms_admin");
}

bool
cms_org_caller_only_sweeps(void)
{
	Oid caller = cms_org_caller();

	return !cms_org_caller_is_admin() && has_role(caller, "cms_sweeper") &&
		   !has_role(caller, "cms_manager");
}

/* Ahead of its time a sweep ends holds that bind, and a purge removes coupons that are valid. */
void
cms_org_require_present(TimestampTz at)
{
	if (at <= GetCurrentTimestamp() || !cms_org_caller_only_sweeps())
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" may only sweep, and not ahead of time", cms_org_caller_name()),
			 errdetail("The argument \"at\" is later than the server's time."),
			 errhint("Leave out \"at\".")));
}

/* Sweeps are of all orgs; who may sweep may do nothing else, unless other roles are granted too. */
static bool
may_act_for_all_orgs(Oid caller)
{
	return superuser_arg(caller) || has_role(caller, "cms_admin") ||
		   has_role(caller, "cms_sweeper");
}

/*
 * Whether the caller has the rights of a role: as everywhere in the server, a
 * member that does not inherit has them only after SET ROLE.
 */
static bool
has_role(Oid caller, const char *role_name)
{
	Oid role = get_role_oid(role_name, true);

	return OidIsValid(role) && has_privs_of_role(caller, role);
}

/* Does not tell whether the org exists. */
void
cms_org_require(int org)
{
	Oid caller = cms_org_caller();

	if (recall_is_allowed(caller, org))
		return;
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		 errmsg("role \"%s\" may not act for org %d", cms_org_caller_name(), org),
		 errhint("A member of cms_admin can grant the org by a row (%d, \"%s\") in cms.org_role.",
				 org,
				 cms_org_caller_name())));
}

void
cms_org_unknown(int org)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("org %d does not exist", org),
			 errhint("Name an org of cms.org.")));
}

int
cms_org_default(void)
{
	int *orgs;
	int norgs;

	if (cms_org_setting != 0)
	{
		if (!recall_is_allowed(cms_org_caller(), cms_org_setting))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("role \"%s\" may not act for org %d, which the setting cms.org names",
							cms_org_caller_name(),
							cms_org_setting),
					 errhint("Set cms.org to an org that cms.org_role grants to the role.")));
		return cms_org_setting;
	}

	norgs = recall_orgs(cms_org_caller(), &orgs);
	if (norgs == 1)
		return orgs[0];
	if (norgs > 1)
		ereport(ERROR,
				(errcode(CMS_ERRCODE_ORG_UNDETERMINED),
				 errmsg("no org is named, and role \"%s\" may act for %d orgs",
						cms_org_caller_name(),
						norgs),
				 errhint("Name one: argument \"org\", column \"org_id\", or SET cms.org.")));
	if (cms_org_caller_is_admin())
		ereport(ERROR,
				(errcode(CMS_ERRCODE_ORG_UNDETERMINED),
				 errmsg("there is no org"),
				 errhint("Create one: INSERT INTO cms.org (name) VALUES ('my brand').")));
	ereport(ERROR,
			(errcode(CMS_ERRCODE_ORG_UNDETERMINED),
			 errmsg("role \"%s\" may act for no org", cms_org_caller_name()),
			 errhint("A member of cms_admin can grant one by a row in cms.org_role.")));
}

/* Every answer begins here, so this is also where the callbacks get registered. */
static Permission *
recall(Oid caller, int org)
{
	PermissionKey key = {.caller = caller, .org = org};

	prepare_cache();
	return hash_search(remembered, &key, HASH_FIND, NULL);
}

static bool
recall_is_allowed(Oid caller, int org)
{
	Permission *known = recall(caller, org);
	uint64 read_at = generation;
	bool allowed;

	if (org <= 0)
		return cms_org_caller_is_admin();
	if (known != NULL)
		return known->allowed;
	allowed = may_act_for_all_orgs(caller) || read_is_allowed(caller, org);
	known = remember(caller, org, read_at);
	if (known != NULL)
		known->allowed = allowed;
	return allowed;
}

/* The list is in the current memory context. */
static int
recall_orgs(Oid caller, int **orgs)
{
	Permission *known = recall(caller, 0);
	uint64 read_at = generation;
	int norgs;

	if (known != NULL)
	{
		*orgs = palloc(sizeof(int) * Max(known->norgs, 1));
		memcpy(*orgs, known->orgs, sizeof(int) * known->norgs);
		return known->norgs;
	}

	norgs = read_orgs(caller, orgs);
	known = remember(caller, 0, read_at);
	if (known != NULL)
	{
		known->orgs = MemoryContextAlloc(remembered_context, sizeof(int) * Max(norgs, 1));
		memcpy(known->orgs, *orgs, sizeof(int) * norgs);
		known->norgs = norgs;
	}
	return norgs;
}

static bool
read_is_allowed(Oid caller, int org)
{
	Datum values[] = {Int32GetDatum(org)};
	bool allowed = false;
	uint64 nroles;

	SPI_connect();
	nroles = run(&roles_of_org, values);
	for (uint64 i = 0; i < nroles && !allowed; i++)
	{
		bool isnull;

		allowed = has_role(caller, NameStr(*DatumGetName(cms_row_value(i, 1, &isnull))));
	}
	SPI_finish();
	return allowed;
}

static int
read_orgs(Oid caller, int **orgs)
{
	MemoryContext context = CurrentMemoryContext;
	bool is_for_all = may_act_for_all_orgs(caller);
	uint64 nrows;
	int norgs = 0;

	SPI_connect();
	nrows = run(is_for_all ? &all_orgs : &orgs_of_roles, NULL);
	*orgs = MemoryContextAllocHuge(context, sizeof(int) * Max(nrows, 1));
	if (is_for_all)
		for (uint64 i = 0; i < nrows; i++)
			(*orgs)[norgs++] = cms_row_int32(i, 1, 0);
	else
	{
		NameData role_name = {0};
		bool is_caller = false;

		for (uint64 i = 0; i < nrows; i++)
		{
			bool isnull;
			Name next = DatumGetName(cms_row_value(i, 2, &isnull));

			CHECK_FOR_INTERRUPTS();
			if (i == 0 || strcmp(NameStr(role_name), NameStr(*next)) != 0)
			{
				role_name = *next;
				is_caller = has_role(caller, NameStr(role_name));
			}
			if (is_caller)
				(*orgs)[norgs++] = cms_row_int32(i, 1, 0);
		}
	}
	SPI_finish();

	/* an org may be granted through several roles */
	qsort(*orgs, norgs, sizeof(int), compare_orgs);
	return (int) qunique(*orgs, norgs, sizeof(int), compare_orgs);
}

/* A parallel plan cannot take another snapshot: its answer is right, but not to be kept. */
static uint64
run(CmsPlan *plan, const Datum *values)
{
	if (IsInParallelMode())
		return cms_plan_run(plan, values, NULL, true);
	return cms_plan_run_latest(plan, values, NULL);
}

/* A place to keep an answer; NULL if something changed while it was read. */
static Permission *
remember(Oid caller, int org, uint64 read_at)
{
	PermissionKey key = {.caller = caller, .org = org};
	Permission *permission;

	if (IsInParallelMode() || read_at != generation)
		return NULL;
	if (hash_get_num_entries(remembered) >= MAX_PERMISSIONS)
		remembered_generation = 0;
	prepare_cache();
	permission = hash_search(remembered, &key, HASH_ENTER, NULL);
	permission->allowed = false;
	permission->norgs = 0;
	permission->orgs = NULL;
	return permission;
}

/*
 * Empties the cache if what it holds is of an older generation. The tables are
 * looked up here because a callback must not: catalogs may be out of reach there.
 */
static void
prepare_cache(void)
{
	HASHCTL control = {.keysize = sizeof(PermissionKey), .entrysize = sizeof(Permission)};
	uint64 prepared_at = generation;
	Oid schema;

	if (remembered_generation == prepared_at)
		return;

	if (remembered_context == NULL)
	{
		remembered_context =
			AllocSetContextCreate(TopMemoryContext, "cms permissions", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	}

	remembered_generation = 0;
	MemoryContextReset(remembered_context);
	control.hcxt = remembered_context;
	remembered =
		hash_create("cms permissions", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	schema = get_namespace_oid("cms", false);
	org_table = get_relname_relid("org", schema);
	org_role_table = get_relname_relid("org_role", schema);
	/* a look-up may have let an invalidation in: then the next call looks again */
	remembered_generation = prepared_at;
}

static void
relation_changed(Datum unused, Oid relation)
{
	if (relation == InvalidOid || relation == org_table || relation == org_role_table)
	{
		generation++;
		cms_offer_cache_stale = true;
	}
}

static void
role_changed(Datum unused, int cache, uint32 hash)
{
	generation++;
}

static int
compare_orgs(const void *a, const void *b)
{
	int x = *(const int *) a;
	int y = *(const int *) b;

	return (x > y) - (x < y);
}
