-- Roles, the schema, and the few functions that column defaults and policies need before any table.

-- Several databases of a cluster share the roles, so they are created only where absent.
DO $$
DECLARE
	role_name text;
BEGIN
	FOREACH role_name IN ARRAY ARRAY['cms_owner', 'cms_admin', 'cms_manager', 'cms_issuer',
	                                 'cms_redeemer', 'cms_analyst', 'cms_sender', 'cms_sweeper']
	LOOP
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
				EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
			END IF;
		EXCEPTION
			-- another database of the cluster was faster
			WHEN duplicate_object OR unique_violation THEN NULL;
		END;
	END LOOP;
END
$$;

CREATE SCHEMA cms;
COMMENT ON SCHEMA cms IS 'Offers and coupons: settings are rows, actions are functions named cms_..., reports are views.';

CREATE FUNCTION cms.cms_current_org() RETURNS int
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_current_org';
COMMENT ON FUNCTION cms.cms_current_org() IS
'The org of a call that names none: the setting cms.org where the caller may use that org, else the
only org the caller may use. Error MS002 when there is none or the choice is open, 42501 when
cms.org is not granted to the caller in cms.org_role.';

CREATE FUNCTION cms.cms_my_orgs() RETURNS int[]
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_my_orgs';
COMMENT ON FUNCTION cms.cms_my_orgs() IS
'The orgs the caller may act for: those granted in cms.org_role to the caller or to a role the caller
is a member of; all of them for a superuser and for members of cms_admin and cms_sweeper. Row
policies and views filter by it.';

CREATE FUNCTION cms.cms_sees_codes() RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_sees_codes';
COMMENT ON FUNCTION cms.cms_sees_codes() IS
'Whether the caller may read codes in clear: a superuser and members of cms_manager, cms_issuer and
cms_redeemer. An analyst sees NULL instead.';

CREATE FUNCTION cms.cms_day_start(day date, time_zone text) RETURNS timestamptz
	LANGUAGE c IMMUTABLE PARALLEL SAFE STRICT
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_day_start';
COMMENT ON FUNCTION cms.cms_day_start(date, text) IS
'The instant at which a calendar day begins in a time zone: 00:00, or the first moment after it where
the clocks jump over midnight. Error 22023 for an unknown zone.';

CREATE FUNCTION cms.cms_version() RETURNS text
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_version';
COMMENT ON FUNCTION cms.cms_version() IS 'The version of the loaded library. Differs from the version in pg_extension between a package
upgrade and ALTER EXTENSION cms UPDATE.';
