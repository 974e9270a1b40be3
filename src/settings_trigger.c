/*
 * settings_trigger.c
 *	  Triggers that all tables of settings share: who may write, that lists are
 *	  used, versions of what was compiled, and the guard of what only actions
 *	  write. What is checked of a table's own columns is in list_check.c.
 *
 * Two memos spare repeated work while rows of one offer arrive by the thousand:
 * the offer whose row this transaction has locked last, and the offer whose
 * version it has raised last. Both are bound to the subtransaction, because a
 * rollback to a savepoint takes lock and version back.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "list_check.h"
#include "offer.h"
#include "org.h"
#include "plan.h"
#include "record.h"
#include "settings.h"

/* Something known of one offer until the end of a subtransaction. */
typedef struct Memo
{
	FullTransactionId transaction; /* invalid: nothing is known */
	SubTransactionId subtransaction;
	int org;
	int64 offer_id;
} Memo;

static Memo raised;                  /* its version differs from any that was read before */
static FullTransactionId changed_by; /* who has changed settings last, and by which command */
static CommandId changed_at;
static Memo locked; /* its row is locked, and says: */
static bool uses_list[CMS_SCOPE_AUDIENCE + 1];

/*
 * Values of versions are parameters, so that the statement can be sent to where the org is. The
 * org's row is held, so that a change of the org, which raises all versions, does not come in
 * between.
 */
static CmsPlan raise_offer_version = {
	.text =
		"INSERT INTO cms.offer_version (org_id, offer_id, version)"
		" SELECT o.org_id, o.offer_id, $3 FROM cms.offer o JOIN cms.org g ON g.org_id = o.org_id"
		" WHERE o.org_id = $1 AND o.offer_id = $2 FOR KEY SHARE OF g"
		" ON CONFLICT (org_id, offer_id) DO UPDATE SET version = $3",
	.nargs = 3,
	.argtypes = {INT4OID, INT8OID, INT8OID},
};

/* who makes an offer, or changes one, holds the org's row until the end of the transaction */
static CmsPlan lock_org = {
	.text = "SELECT FROM cms.org WHERE org_id = $1 FOR UPDATE",
	.nargs = 1,
	.argtypes = {INT4OID},
};

static CmsPlan raise_org_versions = {
	.text =
		"INSERT INTO cms.offer_version (org_id, offer_id, version)"
		" SELECT o.org_id, o.offer_id, $2 FROM cms.offer o WHERE o.org_id = $1 ORDER BY o.offer_id"
		" ON CONFLICT (org_id, offer_id) DO UPDATE SET version = $2",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan lock_offer = {
	.text = "SELECT FROM cms.offer WHERE org_id = $1 AND offer_id = $2 FOR SHARE",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan lock_scopes = {
	.text =
		"SELECT product_scope = 'SELECTED_PRODUCTS', store_scope = 'SELECTED_STORES', audience_only"
		" FROM cms.offer WHERE org_id = $1 AND offer_id = $2 FOR SHARE",
	.nargs = 2,
	.argtypes = {INT4OID, INT8OID},
};

static CmsPlan org_exists = {
	.text = "SELECT FROM cms.org WHERE org_id = $1",
	.nargs = 1,
	.argtypes = {INT4OID},
};

/* Where lists are used: the column of the offer, and its values. */
static const struct
{
	const char *column;
	const char *unused;
	const char *used;
} scopes[] = {
	[CMS_SCOPE_NONE] = {NULL, NULL, NULL},
	[CMS_SCOPE_PRODUCTS] = {"product_scope", "ALL_PRODUCTS", "'SELECTED_PRODUCTS'"},
	[CMS_SCOPE_STORES] = {"store_scope", "ANY_STORE", "'SELECTED_STORES'"},
	[CMS_SCOPE_AUDIENCE] = {"audience_only", "false", "true"},
};

static void note(Memo *memo, int org, int64 offer_id);
static bool is_noted(const Memo *memo, int org, int64 offer_id);
pg_noreturn static void refuse_list(int org, int64 offer_id, CmsScope scope);
static void raise_version(int org, int64 offer_id);

PG_FUNCTION_INFO_V1(cms_settings_check);
PG_FUNCTION_INFO_V1(cms_settings_changed);
PG_FUNCTION_INFO_V1(cms_guard);

/*
 * BEFORE each row of org_entity, poc and the lists of offers; AFTER each row for
 * what other rows of the same statement may fulfil.
 */
Datum
cms_settings_check(PG_FUNCTION_ARGS)
{
	CmsRecord record;

	if (CALLED_AS_TRIGGER(fcinfo) &&
		TRIGGER_FIRED_AFTER(((TriggerData *) fcinfo->context)->tg_event))
	{
		cms_record_open(&record, fcinfo, false);
		cms_list_check_after(&record);
		return PointerGetDatum(NULL);
	}

	cms_record_open(&record, fcinfo, true);
	cms_record_fixed(&record, "org_id", "Insert the row for the other org, and delete this one.");
	cms_record_require(&record, "org_id", "Leave it out for the current org.");
	cms_org_require(cms_record_int(&record, "org_id"));
	/* the offer may be gone already: its lists follow it */
	if (record.row != NULL)
		cms_list_check(&record);
	return cms_record_result(&record);
}

/* The foreign key would refuse it too, but not say what to do. */
void
cms_settings_require_org(const CmsRecord *record)
{
	int org = cms_record_int(record, "org_id");
	Datum values[] = {Int32GetDatum(org)};

	SPI_connect();
	if (cms_plan_run(&org_exists, values, NULL, false) == 0)
		cms_record_refuse(record,
						  ERRCODE_FOREIGN_KEY_VIOLATION,
						  "org_id",
						  "Insert the org into cms.org first.",
						  "org %d does not exist",
						  org);
	SPI_finish();
}

void
cms_settings_require_scope(int org, int64 offer_id, CmsScope scope)
{
	if (!is_noted(&locked, org, offer_id))
	{
		Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

		cms_settings_forget_scope();
		SPI_connect();
		if (cms_plan_run(&lock_scopes, values, NULL, false) == 0)
			cms_offer_unknown(offer_id);
		uses_list[CMS_SCOPE_NONE] = true;
		uses_list[CMS_SCOPE_PRODUCTS] = cms_row_bool(0, 1, false);
		uses_list[CMS_SCOPE_STORES] = cms_row_bool(0, 2, false);
		uses_list[CMS_SCOPE_AUDIENCE] = cms_row_bool(0, 3, false);
		SPI_finish();
		note(&locked, org, offer_id);
	}
	if (!uses_list[scope])
		refuse_list(org, offer_id, scope);
}

static void
refuse_list(int org, int64 offer_id, CmsScope scope)
{
	ereport(ERROR,
			(errcode(CMS_ERRCODE_LIST_NOT_USED),
			 errmsg("offer " INT64_FORMAT " does not use this list: its %s is %s",
					offer_id,
					scopes[scope].column,
					scopes[scope].unused),
			 errhint("UPDATE cms.offer SET %s = %s WHERE org_id = %d AND offer_id = " INT64_FORMAT
					 " restricts the offer to the list.",
					 scopes[scope].column,
					 scopes[scope].used,
					 org,
					 offer_id)));
}

/* A problem of the offer, told once, however many rows the list has. */
bool
cms_settings_preview_scope(const CmsRecord *offer, CmsScope scope)
{
	const char *column = scopes[scope].column;
	const char *row = offer->problems->prefix;

	if (column == NULL ||
		!(scope == CMS_SCOPE_AUDIENCE ? !cms_record_true(offer, column)
									  : cms_record_is(offer, column, scopes[scope].unused)))
		return true;
	offer->problems->prefix = "";
	cms_record_refuse(offer,
					  CMS_ERRCODE_LIST_NOT_USED,
					  column,
					  psprintf("Set %s to %s, or leave the rows out.", column, scopes[scope].used),
					  "the list has rows, but the offer does not use it: its %s is %s",
					  column,
					  scopes[scope].unused);
	offer->problems->prefix = row;
	return false;
}

void
cms_settings_forget_scope(void)
{
	locked.transaction = InvalidFullTransactionId;
}

/*
 * AFTER each row of what is compiled into an offer's rules: the offer, its lists
 * and its claim, or (without a column offer_id) the settings of the org.
 */
Datum
cms_settings_changed(PG_FUNCTION_ARGS)
{
	CmsRecord record;
	int org;
	int64 offer_id;

	cms_record_open(&record, fcinfo, false);
	org = cms_record_int(&record, "org_id");
	offer_id = cms_record_has(&record, "offer_id") ? cms_record_int(&record, "offer_id") : 0;
	raise_version(org, offer_id);
	/* a row that moved from one list to another changed both */
	if (record.before != NULL && record.row != NULL && offer_id != 0 &&
		cms_record_changed(&record, "offer_id"))
	{
		record.row = NULL;
		raise_version(org, cms_record_int(&record, "offer_id"));
	}
	return PointerGetDatum(NULL);
}

void
cms_settings_raise_version(int org, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};

	if (cms_plan_run(&lock_offer, values, NULL, false) == 0)
		cms_offer_unknown(offer_id);
	raise_version(org, offer_id);
}

static void
raise_version(int org, int64 offer_id)
{
	Oid sequence;
	int64 version;

	changed_by = GetTopFullTransactionId();
	changed_at = GetCurrentCommandId(false);
	if (is_noted(&raised, org, offer_id))
		return;

	sequence = get_relname_relid("offer_version_seq", get_namespace_oid("cms", false));
	version = nextval_internal(sequence, false);
	SPI_connect();
	if (offer_id == 0)
	{
		Datum values[] = {Int32GetDatum(org), Int64GetDatum(version)};

		cms_plan_run(&lock_org, values, NULL, false);
		/* also of offers that a fixed snapshot does not show */
		cms_plan_write_latest(&raise_org_versions, values, NULL);
	}
	else
	{
		Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id), Int64GetDatum(version)};

		cms_plan_write(&raise_offer_version, values, NULL);
	}
	SPI_finish();
	note(&raised, org, offer_id);
}

void
cms_settings_forget_version(void)
{
	raised.transaction = InvalidFullTransactionId;
}

bool
cms_settings_are_settled(void)
{
	return !FullTransactionIdIsValid(changed_by) ||
		   !FullTransactionIdEquals(changed_by, GetTopFullTransactionIdIfAny()) ||
		   GetActiveSnapshot()->curcid > changed_at;
}

static void
note(Memo *memo, int org, int64 offer_id)
{
	memo->transaction = GetTopFullTransactionId();
	memo->subtransaction = GetCurrentSubTransactionId();
	memo->org = org;
	memo->offer_id = offer_id;
}

static bool
is_noted(const Memo *memo, int org, int64 offer_id)
{
	return FullTransactionIdIsValid(memo->transaction) &&
		   FullTransactionIdEquals(memo->transaction, GetTopFullTransactionIdIfAny()) &&
		   memo->subtransaction == GetCurrentSubTransactionId() && memo->org == org &&
		   memo->offer_id == offer_id;
}

/*
 * BEFORE each statement. On settings it is fired by TRUNCATE alone; on what the
 * actions write by everything that changes rows. Superusers and the owner are
 * stopped too: counters and coupons would no longer agree.
 */
Datum
cms_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called by a trigger before each statement")));

	if (!TRIGGER_FOR_DELETE(trigger->tg_trigger->tgtype))
		ereport(ERROR,
				(errcode(CMS_ERRCODE_WRITTEN_BY_ACTIONS),
				 errmsg("table \"%s\" holds settings and cannot be truncated",
						RelationGetRelationName(trigger->tg_relation)),
				 errhint("DELETE the rows: each is checked and remembered."),
				 errtable(trigger->tg_relation)));
	if (!cms_plan_guard_is_open())
		ereport(
			ERROR,
			(errcode(CMS_ERRCODE_WRITTEN_BY_ACTIONS),
			 errmsg("table \"%s\" is changed by actions only",
					RelationGetRelationName(trigger->tg_relation)),
			 errhint("Call the function for it, such as cms_revoke, cms_reverse or cms_release."),
			 errtable(trigger->tg_relation)));
	return PointerGetDatum(NULL);
}
