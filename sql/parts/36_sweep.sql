-- What happens by itself: ends are reported, reminders queued (F40 to F42). Everything is bounded per call, may be
-- repeated, and may run any number of times at once.

CREATE FUNCTION cms.cms_due_at(day date, time_of_day time, time_zone text) RETURNS timestamptz
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_due_at';
COMMENT ON FUNCTION cms.cms_due_at(date, time, text) IS
'The instant at which the wall shows this time of this day in a time zone: the first of two where it
comes twice; where the clocks jump over it, the moment of the jump (F41). Error 22023 for an unknown
zone.';

CREATE FUNCTION cms.cms_sweep_expired(
	how_many int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_sweep_expired';
COMMENT ON FUNCTION cms.cms_sweep_expired(int, timestamptz, int) IS
'Reports what has ended (F40): counts the coupons of each offer that ended on a day into
cms.offer_expiry, and queues a notice for each that could still be used and has a holder, where the
offer wants notices. Answers how many coupons it went through, at most how_many; fewer: nothing is
left. Days that nothing ran for are caught up; a notice is queued up to 30 days after the end. No
coupon is written, and none waits for it: expiry takes effect by itself. org NULL: all orgs that the
caller may act for. Any number may run at once; on a standby it does nothing.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE FUNCTION cms.cms_sweep_reminders(
	how_many int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_sweep_reminders';
COMMENT ON FUNCTION cms.cms_sweep_reminders(int, timestamptz, int) IS
'Queues the reminders to customers that are due (F41), each once. Answers how many coupons it went
through, at most how_many; fewer: nothing is left. A reminder is queued from its time until the end
of that day, in the org''s zone, and skipped afterwards; a coupon issued after its time gets none.
org NULL: all orgs that the caller may act for. Any number may run at once; on a standby it does
nothing.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE FUNCTION cms.cms_sweep_offer_reminders(
	how_many int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_sweep_offer_reminders';
COMMENT ON FUNCTION cms.cms_sweep_offer_reminders(int, timestamptz, int) IS
'Queues the reminders to points of contact (F42): at 10:00 in the org''s zone so many days before the
offer''s last day, until the end of that day, each once; and once when the codes left of an offer
fall to its codes_left_alert, again only after there have been more. Answers how many it queued,
about how_many at most. org NULL: all orgs that the caller may act for. Any number may run at once;
on a standby it does nothing.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE TYPE cms.cms_sweep_result AS (sweep text, rows bigint);
COMMENT ON TYPE cms.cms_sweep_result IS 'Row of cms_sweep.';
COMMENT ON COLUMN cms.cms_sweep_result.sweep IS 'HOLDS, EXPIRED, REMINDERS or OFFER_REMINDERS.';
COMMENT ON COLUMN cms.cms_sweep_result.rows IS 'What that part answered: rows it did.';

CREATE FUNCTION cms.cms_sweep(
	how_many int DEFAULT 10000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_sweep_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 4
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_sweep';
COMMENT ON FUNCTION cms.cms_sweep(int, timestamptz, int) IS
'Runs each sweep once, bounded by how_many: cms_sweep_holds, cms_sweep_expired, cms_sweep_reminders,
cms_sweep_offer_reminders; a row for each tells what it did. org NULL: all orgs that the caller may
act for. On a standby it does nothing.
Errors: those of its parts.';

CREATE PROCEDURE cms.cms_sweep_all(
	how_many int DEFAULT 20000, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL,
	INOUT rows bigint DEFAULT NULL)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'cms_sweep_all';
COMMENT ON PROCEDURE cms.cms_sweep_all(int, timestamptz, int, bigint) IS
'Runs the sweeps until nothing is due as of "at", how_many rows at a time, and commits after each;
answers how many rows it did. Within a transaction block it does the same without committing. It
runs as the caller, who needs the right to each sweep. On a standby it does nothing.
Errors: those of the sweeps.';
