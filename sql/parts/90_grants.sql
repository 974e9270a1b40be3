-- Who owns, sees and may do what. Nothing is granted to PUBLIC.

-- Objects belong to cms_owner, so that nothing runs as the superuser who installed.
DO $$
DECLARE
	statement text;
BEGIN
	FOR statement IN
		SELECT pg_catalog.format('ALTER SCHEMA %I OWNER TO cms_owner', n.nspname)
		FROM pg_catalog.pg_namespace n WHERE n.nspname = 'cms'
		UNION ALL
		SELECT pg_catalog.format('ALTER %s cms.%I OWNER TO cms_owner',
			CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.relname)
		FROM pg_catalog.pg_class c WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind IN ('r', 'v')
		UNION ALL
		-- a sequence that a table column owns has followed its table
		SELECT pg_catalog.format('ALTER SEQUENCE cms.%I OWNER TO cms_owner', c.relname)
		FROM pg_catalog.pg_class c WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'S'
		  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
		                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a')
		UNION ALL
		SELECT pg_catalog.format('ALTER TYPE cms.%I OWNER TO cms_owner', t.typname)
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
		WHERE t.typnamespace = 'cms'::regnamespace AND c.relkind = 'c'
		UNION ALL
		SELECT pg_catalog.format('ALTER ROUTINE %s OWNER TO cms_owner', p.oid::regprocedure)
		FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'cms'::regnamespace
	LOOP
		EXECUTE statement;
	END LOOP;
END
$$;

REVOKE ALL ON ALL ROUTINES IN SCHEMA cms FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA cms FROM PUBLIC;
GRANT USAGE ON SCHEMA cms TO cms_admin, cms_manager, cms_issuer, cms_redeemer, cms_analyst, cms_sender, cms_sweeper;

GRANT EXECUTE ON FUNCTION cms.cms_version(), cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes(),
	cms.cms_day_start(date, text), cms.cms_due_at(date, time, text), cms.cms_offer_end(text, date, date, text),
	cms.cms_discount_text(text, numeric, numeric, text)
	TO cms_admin, cms_manager, cms_issuer, cms_redeemer, cms_analyst, cms_sender, cms_sweeper;

-- settings
GRANT SELECT, INSERT, UPDATE, DELETE ON cms.org, cms.org_role TO cms_admin;
GRANT USAGE ON SEQUENCE cms.org_id_seq TO cms_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON cms.org_entity, cms.poc TO cms_admin, cms_manager;
GRANT USAGE ON SEQUENCE cms.poc_id_seq TO cms_admin, cms_manager;
GRANT SELECT, INSERT, UPDATE, DELETE ON cms.offer, cms.offer_product, cms.offer_entity, cms.offer_window,
	cms.offer_audience, cms.offer_exclusion, cms.offer_reminder, cms.offer_poc TO cms_manager;
GRANT USAGE ON SEQUENCE cms.offer_id_seq, cms.offer_window_id_seq, cms.offer_reminder_id_seq TO cms_manager;
GRANT SELECT ON cms.org TO cms_manager, cms_issuer, cms_redeemer, cms_analyst;
GRANT SELECT ON cms.org_entity TO cms_issuer, cms_redeemer, cms_analyst;

-- which offer is meant, and what the till calls it
GRANT SELECT (org_id, offer_id, code, name, pos_code, status, expires_on) ON cms.offer TO cms_issuer, cms_redeemer;

-- what the actions write
GRANT SELECT ON cms.coupon, cms.redemption, cms.hold, cms.claim TO cms_manager;
GRANT SELECT ON cms.coupon, cms.claim TO cms_issuer;
GRANT SELECT ON cms.coupon, cms.redemption, cms.hold TO cms_redeemer;
GRANT SELECT ON cms.redemption, cms.hold, cms.claim TO cms_analyst;
GRANT SELECT ON cms.purged_coupon TO cms_manager, cms_analyst;
GRANT SELECT ON cms.offer_purge TO cms_manager;
GRANT SELECT (org_id, coupon_id, offer_id, shared, customer_id, nth, issued_at, expires_at, service, consumer_ref,
	uses, forfeited_uses, last_redeemed_at, held_until, revoked_at, job_id) ON cms.coupon TO cms_analyst;
-- what is delivered may carry codes
GRANT SELECT ON cms.outbox TO cms_manager;
GRANT SELECT (org_id, message_id, kind, channel, status, offer_id, coupon_id, customer_id, reminder_id, poc_id,
	days_before, for_day, due_at, send_before, next_attempt_at, attempts, lease, reason, queued_at, done_at)
	ON cms.outbox TO cms_analyst;
-- nothing depends on an attempt but the throttle: old ones may go, and so may those that block a till
GRANT SELECT, DELETE ON cms.attempt TO cms_manager;
GRANT SELECT (org_id, attempt_id, action, reason, unknown_code, offer_id, coupon_id, customer_id, store_id, till_id,
	bill_ref, bill_amount, attempted_at, recorded_at, recorded_by) ON cms.attempt TO cms_analyst;
GRANT SELECT ON cms.activity_by_day, cms.activity_by_place, cms.cohort_by_issue_day, cms.summary_status,
	cms.redemption_rate_by_zone, cms.redemption_rate_by_concept, cms.redemption_rate_by_discount_type,
	cms.time_to_redemption TO cms_manager, cms_analyst;
GRANT EXECUTE ON FUNCTION cms.cms_refresh_summary(int, int, int) TO cms_manager, cms_admin, cms_sweeper;
-- not even a manager takes an event back; who runs the server lets old ones go, and reads them without codes
GRANT SELECT ON cms.event TO cms_manager;
GRANT SELECT ON cms.event_log TO cms_manager, cms_analyst, cms_admin;
GRANT EXECUTE ON FUNCTION cms.cms_purge_events(timestamptz, int, int) TO cms_admin;
GRANT SELECT, INSERT, DELETE ON cms.code_upload TO cms_manager;
GRANT SELECT ON cms.job TO cms_manager, cms_issuer;
-- an error may tell what a query has read, which is its caller's to see
GRANT SELECT (org_id, job_id, job_key, action, offer_id, status, runs, total, done, succeeded, refused, replayed,
	ignored, skipped, succeeded_before, repeated, refusals, rate, remaining, started_at, run_started_at, updated_at,
	finished_at, started_by, run_by, pid, last_coupon_id, from_stock) ON cms.job TO cms_analyst;
-- a list for those who asked for it, which nothing depends on
GRANT SELECT, DELETE ON cms.job_refusal TO cms_manager, cms_issuer;
-- not the org nor who brought it: a line moved to another org would be loaded there
GRANT UPDATE (offer_id, code, customer_id, reason, message) ON cms.code_upload TO cms_manager;

-- reports
GRANT SELECT ON cms.coupon_status TO cms_manager, cms_issuer, cms_redeemer, cms_analyst;
GRANT SELECT ON cms.offer_dashboard, cms.offer_performance, cms.redemption_rate_by_day, cms.redemption_rate_by_store,
	cms.redemption_rate_by_service, cms.refusals_by_reason TO cms_manager, cms_analyst;
GRANT SELECT ON cms.job_status TO cms_manager, cms_issuer, cms_analyst;

-- what is asked about offers
GRANT EXECUTE ON FUNCTION cms.cms_series(text, text[], boolean, timestamptz, int)
	TO cms_manager, cms_issuer, cms_redeemer, cms_analyst;
GRANT EXECUTE ON FUNCTION cms.cms_offers(text, boolean, text, text, text, boolean, int, text, timestamptz, int),
	cms.cms_offer_info(bigint, timestamptz, int)
	TO cms_manager, cms_analyst;
GRANT EXECUTE ON FUNCTION cms.cms_preview_offer(jsonb, timestamptz, int), cms.cms_preview_offer(bigint, timestamptz, int)
	TO cms_manager;

-- actions
GRANT EXECUTE ON FUNCTION cms.cms_generate_codes(bigint, bigint, timestamptz, int),
	cms.cms_upload_codes(bigint, text[], text[], text, text, timestamptz, int),
	cms.cms_load_codes_step(bigint, int, timestamptz, int),
	cms.cms_revoke(bigint, text, text[], text[], boolean, text, timestamptz, int),
	cms.cms_tag_offer(bigint, text, text[], text[], int),
	cms.cms_release(bigint, timestamptz, int)
	TO cms_manager;
GRANT EXECUTE ON PROCEDURE cms.cms_load_codes(bigint, int, timestamptz, int, bigint, bigint) TO cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_report(date, date, timestamptz, int) TO cms_manager, cms_analyst;
GRANT EXECUTE ON FUNCTION cms.cms_code_capacity(bigint, int) TO cms_manager, cms_issuer, cms_analyst;
GRANT EXECUTE ON FUNCTION cms.cms_claim(bigint, text, text, text, date, timestamptz, int) TO cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_issue(bigint, text, int, boolean, text, text, text, timestamptz, int),
	cms.cms_issue_many(bigint, text[], int, boolean, text, text, text, timestamptz, int)
	TO cms_issuer;
GRANT EXECUTE ON FUNCTION cms.cms_customer_coupons(text, text[], bigint, int, timestamptz, int)
	TO cms_manager, cms_issuer, cms_redeemer, cms_analyst;
GRANT EXECUTE ON FUNCTION cms.cms_applicable(text, numeric, text, text, jsonb, text[], int, text, text, timestamptz, int),
	cms.cms_check(text, text, numeric, text, text, jsonb, timestamptz, int),
	cms.cms_try(text, text, numeric, text, text, jsonb, timestamptz, int),
	cms.cms_redeem(text, text, numeric, text, text, text, jsonb, timestamptz, int),
	cms.cms_redeem_bill(text[], text, numeric, text, text, text, jsonb, timestamptz, int),
	cms.cms_reverse(bigint, text, text, timestamptz, int)
	TO cms_redeemer;
GRANT EXECUTE ON FUNCTION cms.cms_complete_redemption(bigint, text, numeric, text, text, jsonb, timestamptz, int)
	TO cms_redeemer, cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_hold(text, text, numeric, text, text, text, jsonb, int, timestamptz, int),
	cms.cms_confirm(bigint, text, numeric, jsonb, timestamptz, int)
	TO cms_redeemer;
GRANT EXECUTE ON FUNCTION cms.cms_release_hold(bigint, timestamptz, int) TO cms_redeemer, cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_sweep_holds(int, timestamptz, int), cms.cms_sweep_expired(int, timestamptz, int),
	cms.cms_sweep_reminders(int, timestamptz, int), cms.cms_sweep_offer_reminders(int, timestamptz, int),
	cms.cms_sweep(int, timestamptz, int)
	TO cms_manager, cms_admin, cms_sweeper;
GRANT EXECUTE ON PROCEDURE cms.cms_sweep_all(int, timestamptz, int, bigint) TO cms_manager, cms_admin, cms_sweeper;
GRANT SELECT ON cms.reminder_pass, cms.offer_expiry, cms.sweep_run, cms.reminder_due TO cms_manager, cms_analyst;
GRANT SELECT ON cms.sweep_status TO cms_manager, cms_analyst, cms_sweeper;
GRANT EXECUTE ON FUNCTION cms.cms_schedule(text, text, text, text, int), cms.cms_unschedule() TO cms_admin, cms_sweeper;
GRANT EXECUTE ON FUNCTION cms.cms_purge(timestamptz, int, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, int)
	TO cms_manager, cms_admin, cms_sweeper;
GRANT EXECUTE ON PROCEDURE cms.cms_purge_all(timestamptz, int, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, int, bigint)
	TO cms_manager, cms_admin, cms_sweeper;

-- jobs
GRANT EXECUTE ON FUNCTION cms.cms_job_begin(text, bigint, text, bytea, bigint, int),
	cms.cms_job_note(bigint, bigint, boolean, text, int)
	TO cms_manager, cms_issuer;

-- messages
GRANT EXECUTE ON FUNCTION cms.cms_resend(text, text, text, timestamptz, int) TO cms_issuer, cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_change_expiry(text[], date, text[], timestamptz, int) TO cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_outbox_take(text, int, interval, int, timestamptz, int),
	cms.cms_outbox_done(bigint[], bigint, timestamptz, int),
	cms.cms_outbox_failed(bigint[], text, bigint, int, interval, timestamptz, int)
	TO cms_sender;
GRANT EXECUTE ON FUNCTION cms.cms_outbox_retry(bigint[], timestamptz, int) TO cms_sender, cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_generate_all_step(bigint, bigint, int, int) TO cms_manager;
GRANT EXECUTE ON PROCEDURE cms.cms_generate_all(bigint, bigint, text, int, timestamptz, int, bigint, bigint) TO cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_revoke_all_step(bigint, int, int, text[], int, timestamptz, int) TO cms_manager;
GRANT EXECUTE ON PROCEDURE
	cms.cms_revoke_all(bigint, text, text[], text[], boolean, text, int, timestamptz, int, bigint, bigint, bigint, bigint)
	TO cms_manager;
GRANT EXECUTE ON FUNCTION cms.cms_issue_all_step(bigint, text[], int, int, text, text, boolean, timestamptz, int)
	TO cms_issuer;
GRANT EXECUTE ON PROCEDURE
	cms.cms_issue_all(bigint, text, text, text, text, int, boolean, timestamptz, int, bigint, bigint, bigint) TO cms_issuer;

-- A row of another org is neither seen nor touched.
DO $$
DECLARE
	table_name text;
BEGIN
	FOREACH table_name IN ARRAY ARRAY['org', 'org_role', 'org_entity', 'poc', 'offer', 'offer_product', 'offer_entity',
		'offer_window', 'offer_audience', 'offer_exclusion', 'offer_reminder', 'offer_poc', 'coupon', 'redemption',
		'hold', 'claim', 'attempt', 'outbox',
		'purged_coupon', 'offer_purge',
		'event',
		'reminder_pass', 'offer_expiry', 'sweep_run',
		'job', 'job_refusal']
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE cms.%I ENABLE ROW LEVEL SECURITY', table_name);
		EXECUTE pg_catalog.format('CREATE POLICY own_orgs ON cms.%I
			USING (org_id = ANY ((SELECT cms.cms_my_orgs())::int[]))', table_name);
	END LOOP;
	-- who makes orgs cannot have been granted them before
	FOREACH table_name IN ARRAY ARRAY['org', 'org_role', 'org_entity', 'poc']
	LOOP
		EXECUTE pg_catalog.format('CREATE POLICY all_orgs ON cms.%I TO cms_admin USING (true)', table_name);
	END LOOP;
END
$$;
