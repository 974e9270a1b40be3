-- What holds for every object of the extension, read from the catalogs. Exceptions are listed
-- here, each with its reason.
BEGIN;
SELECT plan(9);

CREATE TEMP VIEW member AS
	SELECT d.classid, d.objid
	FROM pg_depend d
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE e.extname = 'cms' AND d.deptype = 'e';
CREATE TEMP VIEW routine AS
	SELECT p.*, p.oid::regprocedure AS name
	FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;
CREATE TEMP VIEW relation AS
	SELECT c.*, c.oid::regclass AS name
	FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;

CREATE TEMP TABLE exception (rule text, object text, reason text);
INSERT INTO exception VALUES
	('search_path', 'cms.cms_guard()', 'fired by each statement of the actions; runs none and looks up no name'),
	('search_path', 'cms.cms_code_upload_insert()', 'fired for each line of a file; runs no statement and looks up no name'),
	('dump', 'cms.offer_version', 'derived: a restored database starts without rows'),
	('dump', 'cms.offer_version_seq', 'derived: a restore draws versions of its own, and none may come again');

SELECT is_empty($$ SELECT name FROM routine WHERE obj_description(oid, 'pg_proc') IS NULL $$,
	'every function and procedure says what it does');

SELECT is_empty($$ SELECT name FROM relation
	WHERE relkind IN ('r', 'p', 'v', 'm') AND obj_description(oid, 'pg_class') IS NULL $$,
	'every table and view says what it is');

SELECT is_empty($$ SELECT r.name, a.attname FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
	WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c') AND a.attnum > 0 AND NOT a.attisdropped
	AND col_description(r.oid, a.attnum) IS NULL $$,
	'every column says what it holds');

-- A procedure that commits can neither be SECURITY DEFINER nor have settings of its own.
SELECT is_empty($$ SELECT name FROM routine
	WHERE prokind <> 'p' AND NOT coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
	AND NOT EXISTS (SELECT FROM exception x WHERE rule = 'search_path' AND object = name::text) $$,
	'every function pins its search_path');

SELECT is_empty($$ SELECT name FROM routine
	WHERE prokind = 'p' AND (prosecdef OR proconfig IS NOT NULL) $$,
	'no procedure is SECURITY DEFINER or has settings, so that it can commit');

SELECT is_empty($$ SELECT name FROM routine WHERE prosecdef AND pg_get_userbyid(proowner) <> 'cms_owner' $$,
	'what runs with the owner''s rights belongs to cms_owner');

SELECT is_empty($$ SELECT name FROM relation
	WHERE pg_get_userbyid(relowner) <> 'cms_owner' AND relkind <> 'c' $$,
	'tables, views and sequences belong to cms_owner');

SELECT is_empty($$ SELECT name FROM relation
	WHERE relkind IN ('r', 'p', 'S') AND NOT EXISTS (
		SELECT FROM pg_extension e WHERE e.extname = 'cms' AND relation.oid = ANY (e.extconfig))
	AND NOT EXISTS (SELECT FROM exception x WHERE rule = 'dump' AND object = name::text) $$,
	'pg_dump knows every table and sequence');

SELECT is_empty($$ SELECT name FROM routine
	WHERE EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0) $$,
	'nothing is callable by everybody');

SELECT * FROM finish();
ROLLBACK;
