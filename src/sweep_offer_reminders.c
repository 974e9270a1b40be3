/*
 * sweep_offer_reminders.c
 *	  cms_sweep_offer_reminders: what points of contact are told, that an offer is about to end and that
 *	  few codes are left (F42).
 *
 * Both are few rows per offer, so each is one statement, run by one transaction at a time.
 */
#include "cms.h"

#include "catalog/pg_type.h"

#include "codes_left.h"
#include "plan.h"
#include "sweep.h"

static void sweep_org(CmsSweep *sweep);

PG_FUNCTION_INFO_V1(cms_sweep_offer_reminders);

const CmsSweepPart cms_sweep_of_offer_reminders = {"OFFER_REMINDERS", sweep_org};

/*
 * As with reminders to customers, the day on which one falls due is that on which its time comes,
 * and it is queued until the end of that day and of the offer.
 */
static CmsPlan queue_offer_reminders = {
	"INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, poc_id, days_before, for_day,"
	"  due_at, send_before, next_attempt_at, queued_at)"
	" SELECT p.org_id, nextval('cms.message_id_seq'), 'OFFER_REMINDER', 'EMAIL', p.offer_id, p.poc_id,"
	"  p.days_before, e.day, u.due, LEAST(u.too_late, e.ends_at), u.due, $2"
	" FROM cms.org g"
	" JOIN cms.offer_poc p ON p.org_id = g.org_id"
	" JOIN cms.offer o ON o.org_id = p.org_id AND o.offer_id = p.offer_id AND o.status = 'ACTIVE'"
	" LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id"
	" CROSS JOIN LATERAL (SELECT"
	"  cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) AS ends_at) f"
	" CROSS JOIN LATERAL (SELECT f.ends_at,"
	"  ((f.ends_at - '1 microsecond'::interval) AT TIME ZONE g.time_zone)::date AS day) e"
	" CROSS JOIN LATERAL (SELECT cms.cms_due_at(e.day - p.days_before, '10:00', g.time_zone) AS due,"
	"  cms.cms_day_start(($2 AT TIME ZONE g.time_zone)::date, g.time_zone) AS today,"
	"  cms.cms_day_start(($2 AT TIME ZONE g.time_zone)::date + 1, g.time_zone) AS too_late) u"
	" WHERE g.org_id = $1 AND e.ends_at > $2 AND u.due <= $2 AND u.due >= u.today"
	"  AND (SELECT m.message_id FROM cms.outbox m WHERE m.org_id = p.org_id AND m.offer_id = p.offer_id"
	"   AND m.poc_id = p.poc_id AND m.days_before = p.days_before AND m.for_day = e.day"
	"   AND m.kind = 'OFFER_REMINDER' AND m.status <> 'CANCELLED') IS NULL"
	" ORDER BY p.offer_id, p.days_before, p.poc_id LIMIT $3",
	3,
	{INT4OID, TIMESTAMPTZOID, INT8OID}};

static CmsPlan rearm = {"DELETE FROM cms.codes_left_told d WHERE d.org_id = $1 AND NOT EXISTS"
						" (SELECT FROM cms.offer o" CMS_CODES_LEFT
						" WHERE o.org_id = d.org_id AND o.offer_id = d.offer_id"
						"  AND n.codes <= o.codes_left_alert)",
						1,
						{INT4OID}};

/* Nobody is told where there is nobody to tell; who is chosen later is told then. */
static CmsPlan tell = {
	"WITH few AS (INSERT INTO cms.codes_left_told (org_id, offer_id, told_at)"
	"  SELECT o.org_id, o.offer_id, $2 FROM cms.offer o" CMS_CODES_LEFT
	"  JOIN cms.org g ON g.org_id = o.org_id"
	"  LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id"
	"  WHERE o.org_id = $1 AND o.codes_left_alert IS NOT NULL AND o.status = 'ACTIVE'"
	"   AND n.codes <= o.codes_left_alert"
	"   AND COALESCE(cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) > $2, true)"
	"   AND EXISTS (SELECT FROM cms.offer_poc p WHERE p.org_id = o.org_id AND p.offer_id = o.offer_id)"
	"   AND NOT EXISTS (SELECT FROM cms.codes_left_told d"
	"    WHERE d.org_id = o.org_id AND d.offer_id = o.offer_id)"
	"  ORDER BY o.offer_id LIMIT $3 ON CONFLICT DO NOTHING RETURNING org_id, offer_id)"
	" INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, poc_id, due_at,"
	"  next_attempt_at, queued_at)"
	" SELECT w.org_id, nextval('cms.message_id_seq'), 'CODES_LEFT', 'EMAIL', w.offer_id, w.poc_id, $2, $2, $2"
	" FROM (SELECT DISTINCT p.org_id, p.offer_id, p.poc_id FROM few"
	"  JOIN cms.offer_poc p ON p.org_id = few.org_id AND p.offer_id = few.offer_id) w"
	" ON CONFLICT DO NOTHING",
	3,
	{INT4OID, TIMESTAMPTZOID, INT8OID}};

/*
 * cms_sweep_offer_reminders(how_many, at, org)
 */
Datum
cms_sweep_offer_reminders(PG_FUNCTION_ARGS)
{
	return cms_sweep_call(fcinfo, &cms_sweep_of_offer_reminders);
}

static void
sweep_org(CmsSweep *sweep)
{
	Datum values[] = {
		Int32GetDatum(sweep->org), TimestampTzGetDatum(sweep->at), Int64GetDatum(sweep->how_many)};
	uint64 rearmed;

	if (!cms_sweep_may_plan(sweep, &cms_sweep_of_offer_reminders))
		return;
	sweep->queued = (int64) cms_plan_write(&queue_offer_reminders, values, NULL);
	rearmed = cms_plan_write(&rearm, values, NULL);
	sweep->queued += (int64) cms_plan_write(&tell, values, NULL);
	sweep->done = sweep->queued;
	if (sweep->queued == 0 && rearmed == 0)
		cms_sweep_planned_nothing(sweep, &cms_sweep_of_offer_reminders);
}
