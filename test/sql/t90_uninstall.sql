-- DROP EXTENSION leaves nothing behind, and CREATE EXTENSION begins anew: nothing that this session
-- remembers of the old one counts. Runs last, because all tests share the database.
SET client_min_messages = warning;
SET timezone = 'UTC';
\set VERBOSITY sqlstate
DROP EXTENSION cms;
CREATE EXTENSION cms;

CREATE ROLE regress_cms_uninstall IN ROLE cms_issuer, cms_redeemer;
-- the same numbers each time: org 1, offer 1, and therefore the same versions
\set org 'INSERT INTO cms.org (name) VALUES (\'shop\')'
\set ticket 'SELECT i.issued, i.coupon_id FROM cms.cms_issue(1, \'ann\', at => \'2025-01-01\') i'
\set use 'SELECT redeemed, reason, redemption_id, discount FROM cms.cms_redeem(\'HELLO\', \'ann\', 100, bill_ref => \'bill 1\', at => \'2025-01-02\')'

:org;
INSERT INTO cms.org_role (org_id, role_name) VALUES (1, 'regress_cms_uninstall');
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, common_code, min_bill)
VALUES ('old', 'FIXED_AMOUNT', 10, 'COMMON', 'HELLO', 50) RETURNING offer_id;
SET ROLE regress_cms_uninstall;
SELECT cms.cms_my_orgs();
:ticket;
:use;
SELECT reasons FROM cms.cms_check('HELLO', 'ann', 40, at => '2025-01-02');
RESET ROLE;

-- ---- what users made of it keeps it -----------------------------------------------------------
CREATE VIEW public.regress_cms_view AS SELECT name, issued FROM cms.offer_dashboard;
CREATE TABLE public.regress_cms_note (org_id int, offer_id bigint, FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer);
CREATE FUNCTION public.regress_cms_function() RETURNS SETOF cms.offer_performance LANGUAGE sql AS $$ TABLE cms.offer_performance $$;
DROP EXTENSION cms;
SELECT * FROM public.regress_cms_view;

-- ---- a drop that is rolled back changes nothing -------------------------------------------------
BEGIN;
DROP EXTENSION cms CASCADE;
SELECT to_regnamespace('cms') IS NULL AS gone;
ROLLBACK;
:use;
BEGIN;
DROP EXTENSION cms CASCADE;
CREATE EXTENSION cms;
:org;
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, common_code)
VALUES ('in between', 'FIXED_AMOUNT', 30, 'COMMON', 'HELLO') RETURNING offer_id;
:ticket;
:use;
ROLLBACK;
:use;
SELECT reasons, discount FROM cms.cms_check('HELLO', 'bea', 40, at => '2025-01-02');

-- ---- nothing stays ------------------------------------------------------------------------------
DROP EXTENSION cms CASCADE;
SELECT to_regclass('public.regress_cms_view') AS view, to_regclass('public.regress_cms_note') AS "table",
	to_regproc('public.regress_cms_function') AS function,
	(SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.regress_cms_note'::regclass) AS foreign_keys;
SELECT nspname FROM pg_namespace WHERE nspname = 'cms';
SELECT proname FROM pg_proc WHERE probin LIKE '%cms%' OR proname LIKE 'cms%';
SELECT relname FROM pg_class WHERE relname ~ '^(cms|org|offer|coupon|redemption|claim|poc|request|code_upload)(_|$)';
SELECT typname FROM pg_type WHERE typname ~ '^_?cms';
-- the roles belong to the cluster, where other databases use them; here nothing is theirs any more
SELECT r.rolname, count(d.dbid) AS objects
FROM pg_roles r LEFT JOIN pg_shdepend d ON d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
	AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
WHERE r.rolname LIKE 'cms\_%' GROUP BY 1 ORDER BY r.rolname COLLATE "C";
-- neither dependencies nor first rights of what is gone
SELECT classid::regclass, count(*) FROM pg_depend d
WHERE d.deptype = 'e' AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.oid = d.refobjid) GROUP BY 1;
SELECT count(*) FROM pg_init_privs i
WHERE i.classoid = 'pg_class'::regclass AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = i.objoid)
	OR i.classoid = 'pg_proc'::regclass AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.oid = i.objoid);
SELECT cms.cms_version();

-- ---- and anew, in the same session ---------------------------------------------------------------
CREATE EXTENSION cms;
:org;
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, common_code)
VALUES ('new', 'PERCENTAGE', 50, 'COMMON', 'HELLO') RETURNING offer_id;
-- the grant of the role went with the table
SET ROLE regress_cms_uninstall;
SELECT cms.cms_my_orgs();
:ticket;
RESET ROLE;
INSERT INTO cms.org_role (org_id, role_name) VALUES (1, 'regress_cms_uninstall');
SET ROLE regress_cms_uninstall;
SELECT cms.cms_my_orgs();
:use;
:ticket;
:use;
SELECT reasons, discount FROM cms.cms_check('HELLO', 'bea', 40, at => '2025-01-02');
RESET ROLE;
SELECT name, issued, redeemed FROM cms.offer_performance;
-- the guard is there again
DELETE FROM cms.redemption;

DROP EXTENSION cms;
DROP TABLE public.regress_cms_note;
DROP ROLE regress_cms_uninstall;
CREATE EXTENSION cms;
