-- Triggers speak first on settings; the constraints of the tables are the last guard.

CREATE FUNCTION cms.cms_org_check() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_org_check';
COMMENT ON FUNCTION cms.cms_org_check() IS 'Trigger: checks the name and the settings of an org.';
CREATE FUNCTION cms.cms_org_role_check() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_org_role_check';
COMMENT ON FUNCTION cms.cms_org_role_check() IS 'Trigger: a role granted an org must exist; from a superuser, as in a restore, it is taken with a
warning.';
CREATE FUNCTION cms.cms_org_role_changed() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_org_role_changed';
COMMENT ON FUNCTION cms.cms_org_role_changed() IS 'Trigger: tells every session that the roles of the orgs changed.';
CREATE FUNCTION cms.cms_settings_check() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_settings_check';
COMMENT ON FUNCTION cms.cms_settings_check() IS 'Trigger of the settings tables: the caller''s org, values and texts, and that the offer''s scope
uses the list.';
CREATE FUNCTION cms.cms_settings_changed() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_settings_changed';
COMMENT ON FUNCTION cms.cms_settings_changed() IS 'Trigger: raises the version of the offer, or of all offers of the org, whose rules changed.';
CREATE FUNCTION cms.cms_offer_check() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_offer_check';
COMMENT ON FUNCTION cms.cms_offer_check() IS 'Trigger: fills and checks an offer, refuses changes of what is fixed, moves its caps, refuses to
delete an offer that was used.';
CREATE FUNCTION cms.cms_settings_event() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_settings_event';
COMMENT ON FUNCTION cms.cms_settings_event() IS 'Trigger: writes an event for each row of settings that a statement created, changed or deleted, or
one with their number (F49). Arguments: what the rows are called, how many get an event each, the
columns that tell a row.';
-- No definer and no search_path: it is fired by each statement of the actions, where both would take longer than
-- the guard itself, and it runs no statement and looks up no name.
CREATE FUNCTION cms.cms_guard() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cms_guard';
COMMENT ON FUNCTION cms.cms_guard() IS 'Trigger: refuses direct changes of what only the actions write, and TRUNCATE of settings.';
-- fired for each line of a file, likewise: it only puts the line aside
CREATE FUNCTION cms.cms_code_upload_insert() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cms_code_upload_insert';
COMMENT ON FUNCTION cms.cms_code_upload_insert() IS 'Trigger: a line that arrives in code_upload.';
CREATE FUNCTION cms.cms_code_upload_store() RETURNS trigger
	LANGUAGE c SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cms_code_upload_store';
COMMENT ON FUNCTION cms.cms_code_upload_store() IS 'Trigger: writes the lines that a statement has brought into code_upload.';

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE OR DELETE ON cms.org
	FOR EACH ROW EXECUTE FUNCTION cms.cms_org_check();
CREATE TRIGGER changed AFTER UPDATE ON cms.org
	FOR EACH ROW EXECUTE FUNCTION cms.cms_settings_changed();
-- who may use all orgs remembers which there are
CREATE TRIGGER orgs_changed AFTER INSERT OR UPDATE OR DELETE ON cms.org
	FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_org_role_changed();
CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON cms.org_role
	FOR EACH ROW EXECUTE FUNCTION cms.cms_org_role_check();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON cms.org_role
	FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_org_role_changed();

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE OR DELETE ON cms.offer
	FOR EACH ROW EXECUTE FUNCTION cms.cms_offer_check();
-- a new offer has a version from the start: its number may have been used before and rolled back
CREATE TRIGGER changed AFTER INSERT OR UPDATE ON cms.offer
	FOR EACH ROW EXECUTE FUNCTION cms.cms_settings_changed();

-- A parent may come later in the same statement, so it is looked for after the row. With its
-- capital the name comes before those of the foreign keys' own triggers (RI_...), which would
-- otherwise speak first.
CREATE TRIGGER "Parent" AFTER INSERT OR UPDATE OR DELETE ON cms.org_entity
	FOR EACH ROW EXECUTE FUNCTION cms.cms_settings_check();

DO $$
DECLARE
	table_name text;
BEGIN
	FOREACH table_name IN ARRAY ARRAY['org_entity', 'poc', 'offer_product', 'offer_entity', 'offer_window',
		'offer_audience', 'offer_exclusion', 'offer_reminder', 'offer_poc']
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER check_row BEFORE INSERT OR UPDATE OR DELETE ON cms.%I
			FOR EACH ROW EXECUTE FUNCTION cms.cms_settings_check()', table_name);
	END LOOP;
	-- lists that are part of the compiled rule
	FOREACH table_name IN ARRAY ARRAY['offer_product', 'offer_entity', 'offer_window', 'offer_exclusion', 'claim']
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON cms.%I
			FOR EACH ROW EXECUTE FUNCTION cms.cms_settings_changed()', table_name);
	END LOOP;
	-- one statement away from an accident: settings are deleted row by row
	FOREACH table_name IN ARRAY ARRAY['org', 'org_role', 'org_entity', 'poc', 'offer', 'offer_product', 'offer_entity',
		'offer_window', 'offer_audience', 'offer_exclusion', 'offer_reminder', 'offer_poc']
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON cms.%I
			FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_guard()', table_name);
	END LOOP;
	FOREACH table_name IN ARRAY ARRAY['coupon', 'redemption', 'hold', 'customer_use', 'claim', 'offer_slot',
		'offer_version', 'offer_key', 'request', 'outbox',
		'job', 'purged_coupon', 'offer_purge',
		'event',
		'reminder_pass', 'offer_expiry', 'expiry_mark', 'sweep_offer', 'codes_left_told', 'sweep_run',
		'summary_offer', 'issue_summary', 'use_summary', 'summary_mark']
	LOOP
		EXECUTE pg_catalog.format('CREATE TRIGGER written_by_actions_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cms.%I
			FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_guard()', table_name);
	END LOOP;
END
$$;

-- Events (F49): lists may be long, and a load of many rows is one event; of orgs, people and offers each row is
-- one. An org that is deleted takes its events along.
DO $$
DECLARE
	settings record;
	kind record;
BEGIN
	FOR settings IN
		SELECT * FROM (VALUES
			('org', 1000000000, '''org_id'''), ('org_role', 1000000000, '''role_name'''),
			('org_entity', 1000, '''entity_type'', ''entity_id'''), ('poc', 1000, '''poc_id'''),
			('offer', 1000000000, '''offer_id'''), ('offer_product', 1000, '''kind'', ''value'''),
			('offer_entity', 1000, '''entity_type'', ''entity_id'''), ('offer_window', 1000, '''window_id'''),
			('offer_audience', 0, NULL), ('offer_exclusion', 1000, '''other_offer_id'''),
			('offer_reminder', 1000, '''reminder_id'''), ('offer_poc', 1000, '''poc_id'', ''days_before''')
		) s (table_name, max_rows, key_columns)
	LOOP
		FOR kind IN
			SELECT * FROM (VALUES ('created', 'INSERT', 'NEW TABLE AS new_rows'),
				('updated', 'UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
				('deleted', 'DELETE', 'OLD TABLE AS old_rows')) k (name, command, tables)
			WHERE (settings.table_name, k.command) <> ('org', 'DELETE')
		LOOP
			EXECUTE pg_catalog.format('CREATE TRIGGER event_%s AFTER %s ON cms.%I REFERENCING %s
				FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_settings_event(%L, %s%s)',
				kind.name, kind.command, settings.table_name, kind.tables, settings.table_name, settings.max_rows,
				', ' || settings.key_columns);
		END LOOP;
	END LOOP;
END
$$;

CREATE TRIGGER arrive INSTEAD OF INSERT ON cms.code_upload
	FOR EACH ROW EXECUTE FUNCTION cms.cms_code_upload_insert();
CREATE TRIGGER store AFTER INSERT ON cms.code_upload
	FOR EACH STATEMENT EXECUTE FUNCTION cms.cms_code_upload_store();
