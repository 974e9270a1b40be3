-- Partitions cms.coupon or cms.redemption by hash of the org, or makes a plain table of it again.
--
--   psql -X -d shop -v table=coupon -v partitions=16 -f partition.sql      in, or to another number
--   psql -X -d shop -v table=coupon -v partitions=0 -f partition.sql       out
--
-- As a superuser, at a quiet time: one transaction, which keeps all others away from the table and writes all
-- rows once more, so there must be room for them. An error leaves everything as it was. What stays, what does not
-- and what a dump needs from then on is in growth.md.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?table}
\else
	\set table ''
\endif
\if :{?partitions}
\else
	\set partitions ''
\endif
SELECT :'table' IN ('coupon', 'redemption') AND :'partitions' ~ '^\d{1,4}$' AS is_clear \gset
\if :is_clear
\else
	DO $$ BEGIN RAISE 'say -v table=coupon or redemption, and -v partitions=number, of which 0 is a plain table'; END $$;
\endif

BEGIN;
-- so that names in definitions come out with their schema
SET LOCAL search_path = pg_catalog, pg_temp;
LOCK TABLE cms.:"table" IN ACCESS EXCLUSIVE MODE;

-- ---- what there is ------------------------------------------------------------------------------

CREATE TEMP TABLE root ON COMMIT DROP AS
	SELECT oid, oid::regclass::text AS name, 'cms_before.' || quote_ident(relname) AS before, relname,
		relowner::regrole AS owner, :partitions AS partitions
	FROM pg_class WHERE oid = format('cms.%I', :'table')::regclass;
-- it and its partitions, which alone have options of storage
CREATE TEMP TABLE old ON COMMIT DROP AS
	SELECT c.oid, c.oid::regclass::text AS name, c.relkind, ' WITH (' || array_to_string(c.reloptions, ', ') || ')' AS options
	FROM root JOIN pg_class c ON c.oid = root.oid OR c.oid IN (SELECT relid FROM pg_partition_tree(root.oid));
CREATE TEMP TABLE owned ON COMMIT DROP AS
	SELECT q.oid::regclass AS sequence, a.attname
	FROM root JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = root.oid AND d.classid = 'pg_class'::regclass
	JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S' JOIN pg_attribute a ON a.attrelid = root.oid AND a.attnum = d.refobjsubid;
CREATE TEMP TABLE new ON COMMIT DROP AS
	SELECT name, NULL::int AS remainder FROM root
	UNION ALL SELECT format('cms.%I', relname || '_' || i), i FROM root, generate_series(0, partitions - 1) i;

DO $$
DECLARE
	obstacle text;
BEGIN
	SELECT string_agg(DISTINCT o.what, ', ') INTO obstacle FROM old, LATERAL (
		SELECT 'a publication' FROM pg_publication_tables WHERE format('%I.%I', schemaname, tablename) = old.name
		UNION ALL SELECT 'extended statistics' FROM pg_statistic_ext WHERE stxrelid = old.oid
		UNION ALL SELECT 'a foreign key' FROM pg_constraint WHERE contype = 'f' AND old.oid IN (conrelid, confrelid)
		UNION ALL SELECT 'a replica identity' FROM pg_class c WHERE c.oid = old.oid AND relreplident <> 'd'
		UNION ALL SELECT 'a tablespace' FROM pg_class c WHERE reltablespace <> 0
			AND (c.oid = old.oid OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = old.oid))
		UNION ALL SELECT 'a child that is no partition' FROM pg_inherits WHERE inhparent = old.oid AND old.relkind = 'r'
		UNION ALL SELECT 'a security label' FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = old.oid) o (what);
	IF obstacle IS NOT NULL THEN
		RAISE 'the table has %, which would get lost', obstacle USING HINT = 'Take it away, and make it anew afterwards.';
	END IF;
END
$$;

CREATE FUNCTION pg_temp.grants(relation text, field name, rights aclitem[]) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('GRANT %s%s ON %s TO %s', privilege_type, ' (' || quote_ident(field) || ')', relation,
			CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
		|| CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
	FROM aclexplode(rights)
$$;

-- ---- what is to be done, in this order ----------------------------------------------------------

CREATE TEMP TABLE step (n int GENERATED ALWAYS AS IDENTITY, statement text) ON COMMIT DROP;

-- the old table, out of the way with its indexes and partitions
INSERT INTO step (statement)
SELECT format('ALTER EXTENSION cms DROP TABLE %s', name) FROM old;
INSERT INTO step (statement)
SELECT format('ALTER SEQUENCE %s OWNED BY NONE', sequence) FROM owned;
INSERT INTO step (statement) VALUES ('CREATE SCHEMA cms_before');
INSERT INTO step (statement)
SELECT format('ALTER TABLE %s SET SCHEMA cms_before', name) FROM old;

-- the new one, with columns, defaults and checks; then its rows
INSERT INTO step (statement)
SELECT format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES EXCLUDING COMMENTS EXCLUDING STATISTICS)', name, before)
	|| CASE WHEN partitions > 0 THEN ' PARTITION BY HASH (org_id)'
	        ELSE coalesce((SELECT max(options) FROM old), '') END
FROM root;
INSERT INTO step (statement)
SELECT format('CREATE TABLE %s PARTITION OF %s FOR VALUES WITH (MODULUS %s, REMAINDER %s)', new.name, root.name, partitions, remainder)
	|| coalesce((SELECT max(options) FROM old), '')
FROM new, root WHERE remainder IS NOT NULL;
INSERT INTO step (statement)
SELECT format('ALTER TABLE %s OWNER TO %s', new.name, owner) FROM new, root;
INSERT INTO step (statement)
SELECT format('INSERT INTO %s SELECT * FROM %s', name, before) FROM root;

INSERT INTO step (statement)
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', name, conname, pg_get_constraintdef(c.oid))
FROM root JOIN pg_constraint c ON c.conrelid = root.oid WHERE c.contype IN ('p', 'u', 'x');
INSERT INTO step (statement)
SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')
FROM root JOIN pg_index i ON i.indrelid = root.oid
WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = root.oid AND c.conindid = i.indexrelid);

-- Nobody has rights on a partition, which would be a way around policies: they bind who names the table.
INSERT INTO step (statement)
SELECT format('REVOKE ALL ON %s FROM PUBLIC, %s', new.name, owner)
	|| coalesce((SELECT string_agg(DISTINCT ', ' || grantee::regrole, '') FROM pg_default_acl, aclexplode(defaclacl)
		WHERE defaclobjtype = 'r' AND grantee <> 0), '')
FROM new, root;
INSERT INTO step (statement)
SELECT format('GRANT ALL ON %s TO %s', new.name, owner) FROM new, root WHERE remainder IS NOT NULL;
-- first what the extension granted: a dump tells only what differs from the rights at ADD
INSERT INTO step (statement)
SELECT pg_temp.grants(name, attname, initprivs)
FROM root JOIN pg_init_privs p ON p.objoid = root.oid AND p.classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = root.oid AND a.attnum = p.objsubid AND p.objsubid > 0;
INSERT INTO step (statement)
SELECT format('ALTER EXTENSION cms ADD TABLE %s', name) FROM new;
INSERT INTO step (statement)
SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
FROM root JOIN pg_init_privs p ON p.objoid = root.oid AND p.classoid = 'pg_class'::regclass, aclexplode(initprivs);
INSERT INTO step (statement)
SELECT pg_temp.grants(name, NULL, coalesce(relacl, acldefault('r', relowner))) FROM root JOIN pg_class c ON c.oid = root.oid;
INSERT INTO step (statement)
SELECT pg_temp.grants(name, attname, attacl) FROM root JOIN pg_attribute ON attrelid = root.oid AND attnum > 0 AND attacl IS NOT NULL;
-- pg_extension_config_dump, which only the extension's own script may call
INSERT INTO step (statement)
SELECT format('UPDATE pg_extension SET extconfig = extconfig || %L::regclass::oid, extcondition = extcondition || %L::text
	WHERE extname = %L', new.name, '', 'cms')
FROM new, root JOIN pg_extension ON extname = 'cms' AND root.oid = ANY (extconfig);

INSERT INTO step (statement)
SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', name, what)
FROM root JOIN pg_class c ON c.oid = root.oid, LATERAL (VALUES ('ENABLE', relrowsecurity), ('FORCE', relforcerowsecurity)) o (what, is_on)
WHERE is_on;
INSERT INTO step (statement)
SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', polname, name, CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
		CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
		(SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(polroles) r))
	|| coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '')
	|| coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '')
FROM root JOIN pg_policy ON polrelid = root.oid;

-- who names a partition meets the guard too
INSERT INTO step (statement)
SELECT pg_get_triggerdef(t.oid) FROM root JOIN pg_trigger t ON tgrelid = root.oid AND NOT tgisinternal
UNION ALL
SELECT replace(pg_get_triggerdef(t.oid), format(' ON %s ', root.name), format(' ON %s ', new.name))
FROM root JOIN pg_trigger t ON tgrelid = root.oid AND tgfoid = 'cms.cms_guard'::regproc, new WHERE remainder IS NOT NULL;
INSERT INTO step (statement)
SELECT format('ALTER TABLE %s %s TRIGGER %I', name, CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname)
FROM root JOIN pg_trigger ON tgrelid = root.oid AND NOT tgisinternal AND tgenabled <> 'O';

INSERT INTO step (statement)
SELECT format('COMMENT ON %s %s IS %L', substring(o.type FROM '\w+$'), o.identity, d.description)
FROM root, pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
WHERE d.classoid = 'pg_class'::regclass AND (d.objoid = root.oid OR d.objoid IN (SELECT indexrelid FROM pg_index WHERE indrelid = root.oid))
	OR d.classoid = 'pg_constraint'::regclass AND d.objoid IN (SELECT c.oid FROM pg_constraint c WHERE conrelid = root.oid)
	OR d.classoid = 'pg_trigger'::regclass AND d.objoid IN (SELECT t.oid FROM pg_trigger t WHERE tgrelid = root.oid)
	OR d.classoid = 'pg_policy'::regclass AND d.objoid IN (SELECT p.oid FROM pg_policy p WHERE polrelid = root.oid);
INSERT INTO step (statement)
SELECT format('COMMENT ON TABLE %s IS %L', new.name, 'Partition of ' || root.name || '.') FROM new, root WHERE remainder IS NOT NULL;

INSERT INTO step (statement)
SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', sequence, name, attname) FROM root, owned;
-- views that name the table name the new one, and stay what they are
INSERT INTO step (statement)
SELECT DISTINCT format('CREATE OR REPLACE VIEW %s%s AS %s', v.oid::regclass, ' WITH (' || array_to_string(v.reloptions, ', ') || ')',
	pg_get_viewdef(v.oid))
FROM root JOIN pg_depend d ON d.refobjid = root.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v';
-- without CASCADE: if anything else depends on the old one, nothing happens
INSERT INTO step (statement)
SELECT 'DROP TABLE ' || before FROM root;
INSERT INTO step (statement)
SELECT unnest(ARRAY['DROP SCHEMA cms_before', 'ANALYZE ' || name]) FROM root;

DROP FUNCTION pg_temp.grants(text, name, aclitem[]);
SELECT statement FROM step ORDER BY n \gexec
COMMIT;
\echo cms.:table: :partitions partitions. Now VACUUM cms.:table
