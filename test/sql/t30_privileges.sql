-- Who may do what, and that an org is a boundary. All of it is rolled back at the end.
SET client_min_messages = warning;
BEGIN;

CREATE ROLE regress_cms_nobody;
CREATE ROLE regress_cms_admin IN ROLE cms_admin;
CREATE ROLE regress_cms_manager1 IN ROLE cms_manager;
CREATE ROLE regress_cms_manager2 IN ROLE cms_manager;
CREATE ROLE regress_cms_issuer1 IN ROLE cms_issuer;
CREATE ROLE regress_cms_redeemer1 IN ROLE cms_redeemer;
CREATE ROLE regress_cms_analyst1 IN ROLE cms_analyst;
CREATE ROLE regress_cms_sender1 IN ROLE cms_sender;
CREATE ROLE regress_cms_sweeper IN ROLE cms_sweeper;

-- ---- what the roles are granted -------------------------------------------------------------------
-- Letters: admin, manager, issuer, redeemer, analyst, sender, sweeper; P stands for everybody.
CREATE VIEW pg_temp.role_letter AS
	SELECT * FROM (VALUES (1, 'a', 'cms_admin'), (2, 'm', 'cms_manager'), (3, 'i', 'cms_issuer'),
		(4, 'r', 'cms_redeemer'), (5, 'n', 'cms_analyst'), (6, 's', 'cms_sender'), (7, 'w', 'cms_sweeper'),
		(8, 'P', 'regress_cms_nobody')) AS l (place, letter, role_name);

SELECT p.proname AS callable, string_agg(CASE WHEN has_function_privilege(l.role_name, p.oid, 'EXECUTE')
		THEN l.letter ELSE '.' END, '' ORDER BY l.place) AS may_call
FROM pg_proc p CROSS JOIN pg_temp.role_letter l
WHERE p.pronamespace = 'cms'::regnamespace
GROUP BY p.proname, p.oid ORDER BY p.proname COLLATE "C", p.oid::regprocedure::text COLLATE "C";

SELECT c.relname AS relation, l.role_name,
	string_agg(CASE WHEN has_table_privilege(l.role_name, c.oid, p.name) THEN p.name
	                WHEN p.name IN ('SELECT', 'INSERT', 'UPDATE') AND has_any_column_privilege(l.role_name, c.oid, p.name)
	                THEN lower(p.name) || ' of some columns' END, ', ' ORDER BY p.place) AS may
FROM pg_class c CROSS JOIN pg_temp.role_letter l
	CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) WITH ORDINALITY AS p (name, place)
WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind IN ('r', 'v')
GROUP BY c.relname, l.role_name, l.place
HAVING bool_or(has_any_column_privilege(l.role_name, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
	OR has_table_privilege(l.role_name, c.oid, 'DELETE, TRUNCATE, TRIGGER'))
ORDER BY c.relname COLLATE "C", l.place;

SELECT c.relname AS sequence, string_agg(CASE WHEN has_sequence_privilege(l.role_name, c.oid, 'USAGE, SELECT, UPDATE')
		THEN l.letter ELSE '.' END, '' ORDER BY l.place) AS may_use
FROM pg_class c CROSS JOIN pg_temp.role_letter l
WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'S'
GROUP BY c.relname ORDER BY c.relname COLLATE "C";

SELECT string_agg(CASE WHEN has_schema_privilege(role_name, 'cms', 'USAGE') THEN letter ELSE '.' END, '' ORDER BY place) AS may_look_in,
	string_agg(CASE WHEN has_schema_privilege(role_name, 'cms', 'CREATE') THEN letter ELSE '.' END, '' ORDER BY place) AS may_create
FROM pg_temp.role_letter;

-- tables that hold rows of orgs and are read by roles filter them; the rest is read by nobody
SELECT c.relname AS not_filtered FROM pg_class c
WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity
	AND EXISTS (SELECT FROM pg_temp.role_letter l WHERE has_any_column_privilege(l.role_name, c.oid, 'SELECT, INSERT, UPDATE'));
SELECT relname AS not_a_barrier FROM pg_class
WHERE relnamespace = 'cms'::regnamespace AND relkind = 'v' AND NOT reloptions @> '{security_barrier=true}';

-- ---- two orgs with the same in each -----------------------------------------------------------------
\pset format unaligned
\pset tuples_only on
-- What a statement is refused with; "accepted" if it is not.
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text
	LANGUAGE plpgsql AS
$$
DECLARE
	state text; message text;
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	RETURN state || ': ' || message;
END
$$;

-- How many rows a statement changes, or what it is refused with.
CREATE FUNCTION pg_temp.changed(statement text) RETURNS text
	LANGUAGE plpgsql AS
$$
DECLARE
	state text; message text; rows bigint;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS rows = ROW_COUNT;
	RETURN rows || ' rows';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
	RETURN state || ': ' || message;
END
$$;

-- Which of the two orgs the current role sees rows of, in each table and view it may read.
CREATE FUNCTION pg_temp.sees() RETURNS TABLE (relation text, orgs int[])
	LANGUAGE plpgsql AS
$$
BEGIN
	FOR relation IN
		SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
		WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind IN ('r', 'v')
			AND has_column_privilege(c.oid, a.attnum, 'SELECT')
		ORDER BY c.relname COLLATE "C"
	LOOP
		EXECUTE format('SELECT array_agg(DISTINCT org_id ORDER BY org_id) FROM cms.%I WHERE org_id IN (3001, 3002)', relation)
			INTO orgs;
		RETURN NEXT;
	END LOOP;
END
$$;

-- an administrator makes the orgs and lets roles act for them
SET ROLE regress_cms_admin;
INSERT INTO cms.org (org_id, name, record_attempts) VALUES (3001, 'One', true), (3002, 'Two', true);
INSERT INTO cms.org_role (org_id, role_name)
	SELECT 3001, role_name FROM unnest('{regress_cms_manager1,regress_cms_issuer1,regress_cms_redeemer1,regress_cms_analyst1,regress_cms_sender1}'::name[]) AS role_name;
INSERT INTO cms.org_role VALUES (3002, 'regress_cms_manager2');
INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (3001, 'STORE', 's1'), (3002, 'STORE', 's1');
INSERT INTO cms.poc (org_id, poc_id, name, email) VALUES (3001, 30011, 'A', 'a@example.com'), (3002, 30021, 'B', 'b@example.com');
SELECT cms.cms_my_orgs() @> '{3001,3002}', cms.cms_sees_codes();
-- but offers are the managers' business
SELECT pg_temp.refused($$INSERT INTO cms.offer (org_id, name, discount_type, discount_value) VALUES (3001, 'x', 'PERCENTAGE', 5)$$);
SELECT pg_temp.refused($$SELECT * FROM cms.offer$$);
SELECT pg_temp.refused($$SELECT cms.cms_issue(1, 'ann', org => 3001)$$);
RESET ROLE;

CREATE FUNCTION pg_temp.fill(org int) RETURNS void
	LANGUAGE plpgsql AS
$$
DECLARE
	n bigint := org * 10;
BEGIN
	INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, code_method, product_scope, store_scope,
		audience_only) VALUES
		(org, n, 'Main', 'PERCENTAGE', 10, 'UPLOADED', 'SELECTED_PRODUCTS', 'SELECTED_STORES', true),
		(org, n + 1, 'Plain', 'PERCENTAGE', 10, 'UPLOADED', 'ALL_PRODUCTS', 'ANY_STORE', false);
	INSERT INTO cms.offer_product VALUES (org, n, 'SKU', 'a');
	INSERT INTO cms.offer_entity VALUES (org, n, 'STORE', 's1');
	INSERT INTO cms.offer_window (org_id, offer_id, window_id, weekdays) VALUES (org, n, n, '{1,2,3,4,5,6,7}');
	INSERT INTO cms.offer_audience VALUES (org, n, 'ann');
	INSERT INTO cms.offer_exclusion VALUES (org, n, n + 1);
	INSERT INTO cms.offer_reminder (org_id, offer_id, reminder_id, days_before, channel, content) VALUES (org, n, n, 1, 'SMS', 'soon');
	INSERT INTO cms.offer_poc VALUES (org, n, n + 1, 3);
	INSERT INTO cms.code_upload (org_id, offer_id, code) VALUES (org, n, 'WAITS');
	INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, poc_id, due_at, next_attempt_at, queued_at)
	VALUES (org, n, 'CODES_LEFT', 'EMAIL', n, n + 1, '2025-01-01', '2025-01-01', '2025-01-01');
	INSERT INTO cms.purged_coupon VALUES (org, n, '2024-01-01', 1, '2024-01-01', '2024-01-01');
	INSERT INTO cms.offer_purge (org_id, offer_id) VALUES (org, n);
	INSERT INTO cms.offer_expiry (org_id, offer_id, ended_on, notify, range_from, range_to)
	VALUES (org, n, '2025-01-01', false, '2025-01-01', '2025-01-02');
	INSERT INTO cms.reminder_pass (org_id, offer_id, reminder_id, for_day, due_at, send_before, state_seen)
	VALUES (org, n, n, '2025-01-02', '2025-01-01', '2025-01-02', 0);
	INSERT INTO cms.sweep_run (org_id, sweep, last_run_at, last_rows, last_duration, rows_in_all)
	VALUES (org, 'HOLDS', '2025-01-01', 0, '0', 0);
	PERFORM cms.cms_upload_codes(n + 1, '{CODE1,CODE2,CODE3}', org => org, at => '2025-01-01');
	PERFORM cms.cms_claim(n + 1, 'DVS', org => org, at => '2025-01-01');
	PERFORM cms.cms_issue(n + 1, 'ann', 2, service => 'DVS', org => org, at => '2025-01-01');
	PERFORM cms.cms_redeem('CODE1', 'ann', 100, 'bill', store_id => 's1', org => org, at => '2025-01-02');
	PERFORM cms.cms_redeem('NONE', 'ann', 100, 'bill', store_id => 's1', org => org, at => '2025-01-02');
END
$$;
SELECT pg_temp.fill(3001), pg_temp.fill(3002);
SELECT org_id, offer_id, code, customer_id, uses FROM cms.coupon WHERE org_id IN (3001, 3002) ORDER BY org_id, code;
SELECT max(redemption_id) FILTER (WHERE org_id = 3001) AS redemption1, max(redemption_id) FILTER (WHERE org_id = 3002) AS redemption2
FROM cms.redemption \gset

-- ---- who sees rows of which org ----------------------------------------------------------------------
SELECT * FROM pg_temp.sees();
SET ROLE regress_cms_manager1;
SELECT cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes();
SELECT * FROM pg_temp.sees();
SELECT code FROM cms.coupon ORDER BY 1;
SET ROLE regress_cms_manager2;
SELECT cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes();
SELECT * FROM pg_temp.sees();
SET ROLE regress_cms_issuer1;
SELECT cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes();
SELECT * FROM pg_temp.sees();
SET ROLE regress_cms_redeemer1;
SELECT cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes();
SELECT * FROM pg_temp.sees();
SET ROLE regress_cms_analyst1;
SELECT cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes();
SELECT * FROM pg_temp.sees();
SELECT DISTINCT code FROM cms.coupon_status;
SELECT pg_temp.refused('SELECT code FROM cms.coupon');
SELECT pg_temp.refused('SELECT code FROM cms.attempt');
SELECT pg_temp.refused('SELECT payload FROM cms.outbox');
SELECT pg_temp.refused('SELECT last_error FROM cms.outbox');
SELECT pg_temp.refused('DELETE FROM cms.attempt');
SET ROLE regress_cms_sender1;
SELECT cms.cms_current_org(), cms.cms_my_orgs(), cms.cms_sees_codes();
SELECT * FROM pg_temp.sees();
SELECT pg_temp.refused($$SELECT cms.cms_outbox_take('EMAIL', org => 3002)$$);
SELECT message_id, reason FROM cms.cms_outbox_done('{30010,30020}');
SELECT pg_temp.refused($$UPDATE cms.outbox SET status = 'DONE'$$);
-- all orgs to sweep, and nothing of them to see
SET ROLE regress_cms_sweeper;
SELECT cms.cms_my_orgs() @> '{3001,3002}' AS all_orgs, cms.cms_sees_codes();
SELECT * FROM pg_temp.sees() WHERE orgs IS NOT NULL;
SELECT pg_temp.refused($$INSERT INTO cms.org_role VALUES (3001, 'regress_cms_sweeper')$$);
SET ROLE regress_cms_admin;
SELECT * FROM pg_temp.sees();
-- a role without any org, and one that is no member of anything
RESET ROLE;
CREATE ROLE regress_cms_manager0 IN ROLE cms_manager;
SET ROLE regress_cms_manager0;
SELECT cms.cms_my_orgs();
SELECT pg_temp.refused('SELECT cms.cms_current_org()');
SELECT * FROM pg_temp.sees() WHERE orgs IS NOT NULL;
SELECT pg_temp.refused($$INSERT INTO cms.offer (name, discount_type, discount_value) VALUES ('x', 'PERCENTAGE', 5)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer (org_id, name, discount_type, discount_value) VALUES (3001, 'x', 'PERCENTAGE', 5)$$);
SELECT pg_temp.refused($$SELECT cms.cms_claim(30010, 'DVS')$$);
SELECT pg_temp.refused($$SELECT cms.cms_claim(30010, 'DVS', org => 3001)$$);
SET ROLE regress_cms_nobody;
SELECT pg_temp.refused('SELECT cms.cms_version()');
SELECT pg_temp.refused('SELECT * FROM cms.org');
SELECT pg_temp.refused('SELECT * FROM cms.offer_dashboard');
RESET ROLE;

-- ---- a manager and another org's rows ------------------------------------------------------------------
SET ROLE regress_cms_manager1;
SELECT relation, pg_temp.changed(format('UPDATE cms.%I SET org_id = org_id WHERE org_id = 3002', relation)),
	pg_temp.changed(format('DELETE FROM cms.%I WHERE org_id = 3002', relation))
FROM unnest('{org,org_role,org_entity,poc,offer,offer_product,offer_entity,offer_window,offer_audience,offer_exclusion,offer_reminder,offer_poc,code_upload,attempt}'::text[]) AS relation;
SELECT pg_temp.refused($$INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (3002, 'STORE', 's2')$$);
SELECT pg_temp.refused($$INSERT INTO cms.poc (org_id, name, email) VALUES (3002, 'x', 'x@example.com')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer (org_id, name, discount_type, discount_value) VALUES (3002, 'x', 'PERCENTAGE', 5)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (3002, 30020, 'SKU', 'b')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_product VALUES (3001, 30020, 'SKU', 'b')$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_exclusion VALUES (3001, 30011, 30020)$$);
SELECT pg_temp.refused($$INSERT INTO cms.offer_poc VALUES (3001, 30010, 30021, 1)$$);
SELECT pg_temp.refused($$INSERT INTO cms.code_upload (org_id, offer_id, code) VALUES (3002, 30020, 'X')$$);
SELECT pg_temp.refused($$UPDATE cms.offer SET org_id = 3002 WHERE offer_id = 30010$$);
SELECT pg_temp.refused($$UPDATE cms.offer_product SET org_id = 3002$$);
SELECT pg_temp.refused($$UPDATE cms.offer_product SET offer_id = 30020$$);

-- another org's offer is unknown, and naming the org does not help
SELECT call, pg_temp.refused(format(call, '')) AS unknown, pg_temp.refused(format(call, ', org => 3002')) AS refused
FROM unnest(ARRAY[
	$$SELECT cms.cms_generate_codes(30020, 1%s)$$,
	$$SELECT cms.cms_code_capacity(30020%s)$$,
	$$SELECT cms.cms_upload_codes(30020, '{X}'%s)$$,
	$$SELECT cms.cms_load_codes_step(30020%s)$$,
	$$SELECT cms.cms_claim(30020, 'DVS'%s)$$,
	$$SELECT cms.cms_release(30020%s)$$,
	$$SELECT cms.cms_revoke(30020, 'UNISSUED', confirm => true%s)$$,
	$$SELECT cms.cms_tag_offer(30020, 'STORE', '{s2}'%s)$$]) AS call;
SET ROLE regress_cms_issuer1;
SELECT call, pg_temp.refused(format(call, '')) AS unknown, pg_temp.refused(format(call, ', org => 3002')) AS refused
FROM unnest(ARRAY[
	$$SELECT cms.cms_issue(30021, 'bob'%s)$$,
	$$SELECT cms.cms_issue_many(30021, '{bob}'%s)$$]) AS call;
-- the same codes are in both orgs: it is one's own coupon that is meant
SET ROLE regress_cms_redeemer1;
SELECT code, redeemed, reason, offer_id FROM cms.cms_check('CODE2', 'ann', 100, at => '2025-01-02');
SELECT pg_temp.refused($$SELECT cms.cms_check('CODE2', 'ann', 100, org => 3002)$$);
SELECT pg_temp.refused($$SELECT cms.cms_redeem('CODE2', 'ann', 100, 'b2', org => 3002)$$);
SELECT split_part(pg_temp.refused(format('SELECT cms.cms_reverse(%s)', :redemption2)), ':', 1);
SELECT pg_temp.refused(format('SELECT cms.cms_reverse(%s, org => 3002)', :redemption2));
SELECT pg_temp.refused($$SELECT cms.cms_hold('CODE2', 'ann', 100, 'o2', org => 3002)$$);
SELECT pg_temp.refused($$SELECT cms.cms_confirm(1, org => 3002)$$);
SELECT pg_temp.refused($$SELECT cms.cms_release_hold(1, org => 3002)$$);
SELECT pg_temp.refused($$SELECT cms.cms_sweep_holds()$$);
SELECT split_part(pg_temp.refused(format('SELECT cms.cms_complete_redemption(%s, store_id => ''s1'')', :redemption2)), ':', 1);
SELECT pg_temp.refused(format('SELECT cms.cms_complete_redemption(%s, store_id => ''s1'', org => 3002)', :redemption2));
RESET ROLE;

-- ---- the setting cms.org chooses, it grants nothing --------------------------------------------------------
SET ROLE regress_cms_manager1;
SET cms.org = 3002;
SELECT pg_temp.refused('SELECT cms.cms_current_org()');
SELECT pg_temp.refused($$INSERT INTO cms.offer (name, discount_type, discount_value) VALUES ('x', 'PERCENTAGE', 5)$$);
SELECT pg_temp.refused($$SELECT cms.cms_claim(30020, 'DVS')$$);
SELECT * FROM pg_temp.sees() WHERE orgs && '{3002}';
SET cms.org = 3001;
SELECT cms.cms_current_org();
SELECT pg_temp.refused('SET cms.org = -1');
-- with a second org, the setting decides; taken away, it is gone at once
RESET ROLE;
INSERT INTO cms.org_role VALUES (3002, 'regress_cms_manager1');
SET ROLE regress_cms_manager1;
RESET cms.org;
SELECT cms.cms_my_orgs();
SELECT pg_temp.refused('SELECT cms.cms_current_org()');
SET cms.org = 3002;
SELECT cms.cms_current_org();
RESET ROLE;
DELETE FROM cms.org_role WHERE (org_id, role_name) = (3002, 'regress_cms_manager1');
SET ROLE regress_cms_manager1;
SELECT pg_temp.refused('SELECT cms.cms_current_org()');
RESET cms.org;
-- also when a savepoint takes the grant back
RESET ROLE;
SAVEPOINT granted;
INSERT INTO cms.org_role VALUES (3002, 'regress_cms_manager1');
SET ROLE regress_cms_manager1;
SELECT cms.cms_my_orgs();
ROLLBACK TO granted;
SET ROLE regress_cms_manager1;
SELECT cms.cms_my_orgs();
RESET ROLE;

-- an org may be granted to a group; who does not inherit has it after SET ROLE
CREATE ROLE regress_cms_group IN ROLE cms_manager;
CREATE ROLE regress_cms_heir IN ROLE regress_cms_group;
CREATE ROLE regress_cms_bystander NOINHERIT IN ROLE regress_cms_group;
INSERT INTO cms.org_role VALUES (3001, 'regress_cms_group');
GRANT EXECUTE ON FUNCTION cms.cms_my_orgs() TO regress_cms_bystander;
GRANT USAGE ON SCHEMA cms TO regress_cms_bystander;
SET ROLE regress_cms_heir;
SELECT cms.cms_my_orgs();
SET ROLE regress_cms_bystander;
SELECT cms.cms_my_orgs();
RESET ROLE;
REVOKE regress_cms_group FROM regress_cms_heir;
GRANT EXECUTE ON FUNCTION cms.cms_my_orgs() TO regress_cms_heir;
GRANT USAGE ON SCHEMA cms TO regress_cms_heir;
SET ROLE regress_cms_heir;
SELECT cms.cms_my_orgs();
RESET ROLE;

-- a definer's function in between does not lend its owner's orgs
CREATE FUNCTION pg_temp.as_superuser() RETURNS int[] LANGUAGE sql SECURITY DEFINER AS 'SELECT cms.cms_my_orgs()';
SET ROLE regress_cms_manager1;
SELECT pg_temp.as_superuser();
RESET ROLE;

-- ---- nobody writes what the actions write -------------------------------------------------------------
SET ROLE regress_cms_manager1;
SELECT pg_temp.refused($$INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code) VALUES (3001, 1, 30011, 'FREE')$$);
SELECT pg_temp.refused($$UPDATE cms.coupon SET uses = 0$$);
SELECT pg_temp.refused($$DELETE FROM cms.redemption$$);
SELECT pg_temp.refused($$SELECT * FROM cms.offer_slot$$);
SELECT pg_temp.refused($$UPDATE cms.offer_slot SET issued = 0$$);
SELECT pg_temp.refused($$INSERT INTO cms.claim (org_id, offer_id, service, claimed_by, claimed_at) VALUES (3001, 30010, 'DVS', 'me', now())$$);
SELECT pg_temp.refused($$SELECT * FROM cms.offer_key$$);
SELECT pg_temp.refused($$TRUNCATE cms.offer$$);
SELECT pg_temp.refused($$ALTER TABLE cms.coupon DISABLE TRIGGER written_by_actions_only$$);
SET ROLE regress_cms_redeemer1;
SELECT pg_temp.refused($$UPDATE cms.redemption SET discount = 0$$);
RESET ROLE;
SELECT pg_temp.refused($$UPDATE cms.coupon SET uses = 0$$);
SELECT pg_temp.refused($$DELETE FROM cms.redemption$$);
SELECT pg_temp.refused($$UPDATE cms.offer_slot SET issued = 0$$);
SELECT pg_temp.refused($$DELETE FROM cms.claim$$);

-- stamps are the server's
SET ROLE regress_cms_manager1;
INSERT INTO cms.offer (offer_id, name, discount_type, discount_value, created_by, created_at)
	VALUES (30019, 'Stamped', 'PERCENTAGE', 5, 'somebody', '2001-01-01')
	RETURNING created_by, created_at = now(), modified_by;
RESET ROLE;
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, created_by, created_at)
	VALUES (3001, 30018, 'Restored', 'PERCENTAGE', 5, 'somebody', '2001-01-01')
	RETURNING created_by, created_at = '2001-01-01', modified_by = current_user;
ROLLBACK;
