/*
 * purge_offer.c
 *	  Coupons of one offer that expired and were never redeemed, removed.
 *
 * An offer is looked at once: cms.offer_purge remembers where the last call stopped, so that what
 * has to stay is not met again by each. Whoever has that row locked purges the offer; others go on
 * to the next one. Coupons that somebody has locked are passed over, and looked at in a pass of
 * their own, so a purge waits for nobody and holds nobody up for longer than its chunk.
 *
 * What decides is the lock of the coupon: all that is asked of it is in its own row, so that the row
 * as it is locked answers. last_redeemed_at tells of any redemption, held_until of any hold.
 *
 * An offer of which issued coupons are gone counts as archived (is_reduced, and a new version): its
 * history no longer tells who has received how many, whatever time a request names.
 */
#include "cms.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "counter.h"
#include "offer.h"
#include "plan.h"
#include "purge.h"
#include "settings.h"

/* What is looked at, one after the other. */
typedef enum Phase
{
	PHASE_NONE,
	PHASE_STOCK,
	PHASE_OUT,         /* issued, with an end of their own */
	PHASE_OUT_WITHOUT, /* issued, which end with the offer */
	PHASE_REVOKED,
	PHASE_REVOKED_WITHOUT,
	PHASE_END
} Phase;

/* A row of cms.offer_purge. */
typedef struct Progress
{
	bool has_end; /* of the offer */
	TimestampTz offer_ends_at;
	Phase phase;
	TimestampTz upto;
	TimestampTz after_end;
	int64 after_coupon_id;
	bool passed_over;
	TimestampTz purged_upto;
	bool is_reduced;
} Progress;

static bool is_needed(const CmsPurge *purge, int64 offer_id);
static bool open_progress(const CmsOffer *offer, Progress *progress);
static void begin_pass(const CmsPurge *purge, const CmsOffer *offer, Progress *progress);
static int64 remove_chunk(CmsPurge *purge, const CmsOffer *offer, Progress *progress, int64 most);
static void next_phase(Progress *progress);
static void close_progress(const CmsOffer *offer, const Progress *progress);

/* against another purge, and against whoever is changing the offer or a list of it */
static CmsPlan lock_offer = {
	"SELECT FROM cms.offer WHERE org_id = $1 AND offer_id = $2 FOR NO KEY UPDATE SKIP LOCKED",
	2,
	{INT4OID, INT8OID}};

/*
 * F20: an offer that still issues, and would refuse a customer for the last coupon of this one. All
 * coupons stay until then.
 */
static CmsPlan needed = {
	"SELECT 1 FROM cms.offer_exclusion x"
	" JOIN cms.offer e ON e.org_id = x.org_id AND e.offer_id = x.offer_id"
	" JOIN cms.org g ON g.org_id = x.org_id"
	" LEFT JOIN cms.claim l ON l.org_id = $1 AND l.offer_id = x.offer_id"
	" WHERE x.org_id = $1 AND x.other_offer_id = $2 AND e.status <> 'ARCHIVED'"
	" AND COALESCE(cms.cms_offer_end(e.expiry_type, e.expires_on, l.ends_on, g.time_zone) > $3, true)"
	" AND (((SELECT max(s.last_issued_at) FROM cms.offer_slot s WHERE s.org_id = $1 AND s.offer_id = $2)"
	"  AT TIME ZONE g.time_zone)::date + make_interval(months => COALESCE(e.past_issue_months, 0)))::date"
	"  > ($3 AT TIME ZONE g.time_zone)::date"
	" LIMIT 1",
	3,
	{INT4OID, INT8OID, TIMESTAMPTZOID}};

static CmsPlan make_progress = {
	"INSERT INTO cms.offer_purge (org_id, offer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
	2,
	{INT4OID, INT8OID}};

static CmsPlan read_progress = {
	"SELECT p.offer_ends_at, p.phase, p.upto, p.after_end, p.after_coupon_id, p.passed_over, p.purged_upto,"
	" p.is_reduced"
	" FROM cms.offer_purge p WHERE p.org_id = $1 AND p.offer_id = $2 FOR UPDATE SKIP LOCKED",
	2,
	{INT4OID, INT8OID}};

static CmsPlan write_progress = {
	"UPDATE cms.offer_purge SET offer_ends_at = $3, phase = $4, upto = $5, after_end = $6, after_coupon_id = $7,"
	" passed_over = $8, purged_upto = $9, is_reduced = $10 WHERE org_id = $1 AND offer_id = $2",
	10,
	{INT4OID,
	 INT8OID,
	 TIMESTAMPTZOID,
	 INT4OID,
	 TIMESTAMPTZOID,
	 TIMESTAMPTZOID,
	 INT8OID,
	 BOOLOID,
	 TIMESTAMPTZOID,
	 BOOLOID}};

/*
 * $3: how many to look at; $4: holds that end later are in the way; $5, $6: the last one looked at
 * and its end; $7: ends before this; $8: the zone. The states are those of the indexes; what is
 * asked of the locked row is put so that it finds it by its number.
 */
#define PURGE(state, order, unchanged)                                                                            \
	"WITH found AS MATERIALIZED ("                                                                                \
	" SELECT c.expires_at, c.coupon_id, c.last_redeemed_at IS NOT NULL AS redeemed FROM cms.coupon c"             \
	" WHERE c.org_id = $1 AND c.offer_id = $2 AND " state " ORDER BY " order " LIMIT $3"                          \
	"), taken AS MATERIALIZED ("                                                                                  \
	" SELECT c.coupon_id FROM found f JOIN cms.coupon c ON c.org_id = $1 AND c.coupon_id = f.coupon_id"           \
	" WHERE NOT f.redeemed AND c.last_redeemed_at IS NULL AND c.uses = 0 AND c.forfeited_uses = 0"                \
	" AND (c.held_until IS NULL OR c.held_until < $4) AND " unchanged                                             \
	" FOR UPDATE OF c SKIP LOCKED"                                                                                \
	"), gone AS ("                                                                                                \
	" DELETE FROM cms.coupon c USING taken t WHERE c.org_id = $1 AND c.coupon_id = t.coupon_id"                   \
	" RETURNING c.issued_at"                                                                                      \
	"), days AS ("                                                                                                \
	" INSERT INTO cms.purged_coupon AS p (org_id, offer_id, issued_on, coupons, first_issued_at, last_issued_at)" \
	" SELECT $1, $2, (g.issued_at AT TIME ZONE $8)::date, count(*), min(g.issued_at), max(g.issued_at)"           \
	" FROM gone g WHERE g.issued_at IS NOT NULL GROUP BY 3"                                                       \
	" ON CONFLICT (org_id, offer_id, issued_on) DO UPDATE SET coupons = p.coupons + EXCLUDED.coupons,"            \
	"  first_issued_at = LEAST(p.first_issued_at, EXCLUDED.first_issued_at),"                                     \
	"  last_issued_at = GREATEST(p.last_issued_at, EXCLUDED.last_issued_at)"                                      \
	") SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM found WHERE redeemed),"                         \
	" (SELECT count(*) FROM gone), l.expires_at, l.coupon_id"                                                     \
	" FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT f.expires_at, f.coupon_id FROM found f"                       \
	"  ORDER BY f.expires_at DESC NULLS FIRST, f.coupon_id DESC LIMIT 1) l ON true"

#define WITH_END \
	"c.expires_at >= $6 AND (c.expires_at, c.coupon_id) > ($6, $5) AND c.expires_at < $7"
#define BY_END "c.expires_at, c.coupon_id"
/* in the order of the index, though their ends are all the same */
#define WITHOUT_END "c.expires_at IS NULL AND c.coupon_id > $5"
#define BY_NUMBER "c.coupon_id"
#define IS_OUT "c.issued_at IS NOT NULL AND c.revoked_at IS NULL AND "
#define IS_REVOKED "c.revoked_at IS NOT NULL AND "
#define PURGE_ARGS                                                                          \
	8,                                                                                      \
	{                                                                                       \
		INT4OID, INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, \
			TEXTOID                                                                         \
	}

static CmsPlan phases[PHASE_END] = {
	[PHASE_STOCK] = {PURGE("c.issued_at IS NULL AND c.revoked_at IS NULL AND c.coupon_id > $5",
						   BY_NUMBER, "COALESCE(c.issued_at, c.revoked_at) IS NULL"),
					 PURGE_ARGS},
	[PHASE_OUT] = {PURGE(IS_OUT WITH_END, BY_END, "c.expires_at < $7"), PURGE_ARGS},
	[PHASE_OUT_WITHOUT] = {PURGE(IS_OUT WITHOUT_END, BY_END, "true"), PURGE_ARGS},
	[PHASE_REVOKED] = {PURGE(IS_REVOKED WITH_END, BY_END, "c.expires_at < $7"), PURGE_ARGS},
	[PHASE_REVOKED_WITHOUT] = {PURGE(IS_REVOKED WITHOUT_END, BY_END, "true"), PURGE_ARGS},
};

void
cms_purge_offer(CmsPurge *purge, int64 offer_id)
{
	Datum values[] = {Int32GetDatum(purge->org), Int64GetDatum(offer_id)};
	const CmsOffer *offer;
	Progress progress;
	int64 removed = purge->removed;

	/* who changes the offer at this moment may be about to let it go on */
	if (cms_plan_run(&lock_offer, values, NULL, false) == 0)
		return;
	offer = cms_offer_get(purge->org, offer_id, false);
	if (!offer->archived && !(offer->has_end && offer->ends_at <= purge->coupons_before))
		return;
	if (is_needed(purge, offer_id) || !open_progress(offer, &progress))
		return;
	/* a hold that nobody has ended yet would be left without its coupon */
	if (cms_counter_settle_holds(
			purge->org, offer_id, purge->coupons_before, PG_INT64_MAX, !purge->is_impatient) < 0)
	{
		purge->is_impatient = true;
		return;
	}
	begin_pass(purge, offer, &progress);
	while (progress.phase != PHASE_NONE && purge->may_remove > 0 && purge->may_look > 0)
	{
		int64 most = Min(purge->may_remove, purge->may_look);

		CHECK_FOR_INTERRUPTS();
		if (remove_chunk(purge, offer, &progress, most) < most)
			next_phase(&progress);
	}
	close_progress(offer, &progress);
	purge->offers -= purge->removed > removed;
}

static bool
is_needed(const CmsPurge *purge, int64 offer_id)
{
	Datum values[] = {
		Int32GetDatum(purge->org), Int64GetDatum(offer_id), TimestampTzGetDatum(purge->at)};

	return cms_plan_run(&needed, values, NULL, false) > 0;
}

/* False: somebody else purges the offer at this moment. */
static bool
open_progress(const CmsOffer *offer, Progress *progress)
{
	Datum values[] = {Int32GetDatum(offer->org), Int64GetDatum(offer->offer_id)};
	bool isnull;

	cms_plan_run(&make_progress, values, NULL, false);
	if (cms_plan_run(&read_progress, values, NULL, false) == 0)
		return false;
	memset(progress, 0, sizeof(*progress));
	progress->offer_ends_at = DatumGetTimestampTz(cms_row_value(0, 1, &isnull));
	progress->has_end = !isnull;
	progress->phase = cms_row_int32(0, 2, PHASE_NONE);
	progress->upto = cms_row_timestamptz(0, 3, DT_NOBEGIN);
	progress->after_end = cms_row_timestamptz(0, 4, DT_NOBEGIN);
	progress->after_coupon_id = cms_row_int64(0, 5, 0);
	progress->passed_over = cms_row_bool(0, 6, false);
	progress->purged_upto = cms_row_timestamptz(0, 7, DT_NOBEGIN);
	progress->is_reduced = cms_row_bool(0, 8, false);
	return true;
}

/*
 * Goes on with the pass that is on its way, unless the offer's end has changed meanwhile. What
 * ended before the end of the pass before is not looked at again; where the offer's own end ends
 * all, everything is, once.
 */
static void
begin_pass(const CmsPurge *purge, const CmsOffer *offer, Progress *progress)
{
	bool all =
		offer->has_end && offer->ends_at <= purge->coupons_before && offer->end_binds_coupons;
	bool same_end = progress->has_end == offer->has_end &&
					(!offer->has_end || progress->offer_ends_at == offer->ends_at);
	bool goes_on = same_end && progress->phase != PHASE_NONE &&
				   (progress->upto == DT_NOEND) == all &&
				   progress->upto <= (all ? DT_NOEND : purge->coupons_before);

	if (!same_end)
		progress->purged_upto = DT_NOBEGIN;
	progress->has_end = offer->has_end;
	progress->offer_ends_at = offer->ends_at;
	if (goes_on)
		return;
	progress->upto = all ? DT_NOEND : purge->coupons_before;
	progress->passed_over = false;
	progress->phase = progress->purged_upto >= progress->upto ? PHASE_NONE
					  : all                                   ? PHASE_STOCK
															  : PHASE_OUT;
	progress->after_end = all ? DT_NOBEGIN : progress->purged_upto;
	progress->after_coupon_id = 0;
}

/* Answers how many were looked at. */
static int64
remove_chunk(CmsPurge *purge, const CmsOffer *offer, Progress *progress, int64 most)
{
	Datum values[] = {Int32GetDatum(offer->org),
					  Int64GetDatum(offer->offer_id),
					  Int64GetDatum(most),
					  TimestampTzGetDatum(purge->coupons_before),
					  Int64GetDatum(progress->after_coupon_id),
					  TimestampTzGetDatum(progress->after_end),
					  TimestampTzGetDatum(progress->upto),
					  CStringGetTextDatum(pg_get_timezone_name(offer->zone))};
	int64 found;
	int64 redeemed;
	int64 gone;

	cms_plan_write(&phases[progress->phase], values, NULL);
	found = cms_row_int64(0, 1, 0);
	redeemed = cms_row_int64(0, 2, 0);
	gone = cms_row_int64(0, 3, 0);
	progress->passed_over |= found > redeemed + gone;
	progress->after_end = cms_row_timestamptz(0, 4, progress->after_end);
	progress->after_coupon_id = cms_row_int64(0, 5, progress->after_coupon_id);
	purge->may_look -= found;
	purge->may_remove -= gone;
	purge->removed += gone;
	if (progress->phase == PHASE_STOCK && gone > 0)
	{
		CmsCount count = {.stock = -gone};

		if (!cms_counter_add(offer, &count))
			elog(ERROR, "no counters of offer " INT64_FORMAT, offer->offer_id);
	}
	else if (gone > 0 && !progress->is_reduced)
	{
		progress->is_reduced = true;
		cms_settings_raise_version(offer->org, offer->offer_id);
	}
	return found;
}

/* What ends with the offer is looked at only where the offer's end has come. */
static void
next_phase(Progress *progress)
{
	bool all = progress->upto == DT_NOEND;

	progress->phase++;
	if (!all && (progress->phase == PHASE_OUT_WITHOUT || progress->phase == PHASE_REVOKED_WITHOUT))
		progress->phase++;
	progress->after_end = all ? DT_NOBEGIN : progress->purged_upto;
	progress->after_coupon_id = 0;
	if (progress->phase != PHASE_END)
		return;
	progress->phase = PHASE_NONE;
	if (!progress->passed_over)
		progress->purged_upto = progress->upto;
}

static void
close_progress(const CmsOffer *offer, const Progress *progress)
{
	CmsParams params = {0};

	cms_param_int(&params, offer->org);
	cms_param_int64(&params, offer->offer_id);
	cms_param(&params, TimestampTzGetDatum(progress->offer_ends_at), !progress->has_end);
	cms_param_int(&params, progress->phase);
	cms_param_instant(&params, progress->upto);
	cms_param_instant(&params, progress->after_end);
	cms_param_int64(&params, progress->after_coupon_id);
	cms_param_bool(&params, progress->passed_over);
	cms_param_instant(&params, progress->purged_upto);
	cms_param_bool(&params, progress->is_reduced);
	cms_plan_write(&write_progress, params.values, params.nulls);
}
