-- Attacks that once worked: each must stay refused, or answered right. All of it is rolled back.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
BEGIN;
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text
	LANGUAGE plpgsql AS
$$
DECLARE
	state text; message text; hint text;
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN pg_catalog.concat_ws(': ', state, message, NULLIF(hint, ''));
END
$$;
CREATE ROLE issue_2_mallory;
GRANT cms_manager TO issue_2_mallory;
CREATE SCHEMA issue_2_mallory AUTHORIZATION issue_2_mallory;
INSERT INTO cms.org (org_id, name) VALUES (2101, 'mallory''s'), (2102, 'the other');
INSERT INTO cms.org_role VALUES (2101, 'issue_2_mallory');
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, code_method)
VALUES (2101, 21010, 'own', 'PERCENTAGE', 10, 'UPLOADED'), (2102, 21020, 'secret', 'PERCENTAGE', 10, 'UPLOADED');

-- A line for upload stays in the org it arrived in, under the name of who brought it.
SET LOCAL ROLE issue_2_mallory;
INSERT INTO cms.code_upload (offer_id, code, customer_id) VALUES (21020, 'EVIL', 'mallory');
SELECT pg_temp.refused($$UPDATE cms.code_upload SET org_id = 2102$$);
SELECT pg_temp.refused($$UPDATE cms.code_upload SET uploaded_by = 'somebody'$$);
UPDATE cms.code_upload SET code = 'FINE', reason = NULL RETURNING org_id, code;

-- What the server runs for the owner of a table, on behalf of whoever maintains it, sees no org.
CREATE FUNCTION issue_2_mallory.orgs() RETURNS int LANGUAGE plpgsql VOLATILE AS
$$BEGIN RETURN (SELECT count(*) FROM cms.offer); END$$;
CREATE FUNCTION issue_2_mallory.immutable(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RETURN issue_2_mallory.orgs(); END$$;
CREATE TABLE issue_2_mallory.bait (a int);
CREATE INDEX ON issue_2_mallory.bait (issue_2_mallory.immutable(a));
RESET ROLE;
INSERT INTO issue_2_mallory.bait VALUES (1);
SELECT pg_temp.refused('ANALYZE issue_2_mallory.bait');
SELECT pg_temp.refused('CREATE MATERIALIZED VIEW issue_2_mallory.stolen AS SELECT * FROM cms.offer_dashboard');

-- An old cursor reads the rules as they were, and leaves nothing of them behind.
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, code_method, common_code)
VALUES (2101, 21011, 'common', 'PERCENTAGE', 30, 'COMMON', 'FIRST');
SELECT issued FROM cms.cms_issue(21011, 'ann', org => 2101);
UPDATE cms.offer SET discount_value = 10 WHERE offer_id = 21011;
DECLARE before CURSOR FOR SELECT discount FROM cms.cms_check('FIRST', 'ann', 100, org => 2101);
UPDATE cms.offer SET discount_value = 20 WHERE offer_id = 21011;
SELECT discount FROM cms.cms_check('FIRST', 'ann', 100, org => 2101);
FETCH before;
SELECT discount FROM cms.cms_check('FIRST', 'ann', 100, org => 2101);

-- A common code is revoked by the name it has now.
UPDATE cms.offer SET common_code = 'SECOND' WHERE offer_id = 21011;
SELECT * FROM cms.cms_revoke(21011, 'CODES', codes => '{second}', confirm => true, org => 2101);

-- Coupons may outlive an offer, new ones of its common code do not come into being after it.
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem,
	outlives_offer, expires_on)
VALUES (2101, 21012, 'ended', 'PERCENTAGE', 10, 'COMMON', 'ENDED', true, true, '2025-11-20');
SELECT issued FROM cms.cms_issue(21012, 'ann', at => '2025-11-12', org => 2101);
SELECT code, redeemed, reason FROM cms.cms_redeem('ENDED', 'ann', 10, 'B1', at => '2025-11-21', org => 2101);
SELECT code, redeemed, reason FROM cms.cms_redeem('ENDED', 'bob', 10, 'B2', at => '2025-11-20', org => 2101);
SELECT code, redeemed, reason FROM cms.cms_redeem('ENDED', 'cem', 10, 'B3', at => '2025-11-21', org => 2101);

-- Nor for customers who received another offer that excludes it, nor for nobody in particular.
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem)
VALUES (2101, 21014, 'excluding', 'PERCENTAGE', 10, 'COMMON', 'EXCLUDES', true);
INSERT INTO cms.offer_exclusion (org_id, offer_id, other_offer_id) VALUES (2101, 21014, 21012);
SELECT c.customer, r.redeemed, r.reason, k.reasons
FROM (VALUES ('ann', '2026-05-11'::timestamptz), ('bob', '2026-05-19'), ('cem', '2026-05-11'), ('ann', '2026-05-12'), (NULL, '2026-05-12')) AS c (customer, day),
	cms.cms_check('EXCLUDES', c.customer, 10, at => c.day, org => 2101) k,
	cms.cms_redeem('EXCLUDES', c.customer, 10, 'B4' || c.day, at => c.day, org => 2101) r;

-- Nor is a reversal dated back to before the end.
SELECT redemption_id AS redemption FROM cms.redemption WHERE org_id = 2101 AND bill_ref = 'B1' \gset
UPDATE cms.org SET max_backdate = '1 day' WHERE org_id = 2101;
SELECT pg_temp.refused(format($$SELECT * FROM cms.cms_reverse(%s, at => '2025-11-21', org => 2101)$$, :redemption));
SELECT pg_temp.refused($$UPDATE cms.org SET max_backdate = '100000 years' WHERE org_id = 2101$$);

-- Ids that no index has room for.
SELECT string_agg(md5(i::text), '') AS big FROM generate_series(1, 300) i \gset
SELECT pg_temp.refused(format('SELECT * FROM cms.cms_issue(21011, %L, org => 2101)', :'big'));
SELECT pg_temp.refused(format('SELECT * FROM cms.cms_issue_many(21011, ARRAY[''x'', %L], org => 2101)', :'big'));
SELECT pg_temp.refused(format('SELECT * FROM cms.cms_issue(21011, ''x'', request_key => %L, org => 2101)', :'big'));
SELECT pg_temp.refused(format('SELECT * FROM cms.cms_redeem(''ENDED'', ''x'', 1, %L, org => 2101)', :'big'));
SELECT pg_temp.refused(format('SELECT * FROM cms.cms_claim(21011, ''OUTBOUND'', %L, org => 2101)', :'big'));
SELECT pg_temp.refused(format('INSERT INTO cms.org_entity (org_id, entity_type, entity_id) VALUES (2101, ''STORE'', %L)', :'big'));
SELECT code, loaded, reason, message FROM cms.cms_upload_codes(21010, '{LONG}', ARRAY[:'big'], org => 2101);

-- A name of wide spaces is blank, and trimmed of them.
SELECT pg_temp.refused($$UPDATE cms.offer SET name = U&'\2003\00A0\3000 ' WHERE offer_id = 21011$$);
UPDATE cms.offer SET name = U&'\2003 Two\2003words\00A0\3000' WHERE offer_id = 21011 RETURNING name = U&'Two\2003words';

-- A trigger of somebody else on coupons calls cms again, while the call around it still uses the offer.
CREATE FUNCTION issue_2_mallory.again() RETURNS trigger LANGUAGE plpgsql AS
$$
BEGIN
	UPDATE cms.offer SET name = name || '.' WHERE org_id = 2101 AND offer_id = NEW.offer_id;
	PERFORM cms.cms_check(NEW.code, NEW.customer_id, 100, org => 2101);
	UPDATE cms.org SET name = name || '.' WHERE org_id = 2101;
	PERFORM cms.cms_check(NEW.code, NEW.customer_id, 100, org => 2101);
	RETURN NULL;
END
$$;
CREATE TRIGGER again AFTER INSERT ON cms.coupon FOR EACH ROW EXECUTE FUNCTION issue_2_mallory.again();
INSERT INTO cms.offer (org_id, offer_id, name, discount_type, discount_value, coupon_expiry_type, coupon_expiry_value)
VALUES (2101, 21013, 'nested', 'PERCENTAGE', 10, 'DAYS', 3);
SELECT count(*), count(DISTINCT code), min(expires_at), max(expires_at)
FROM cms.cms_issue_many(21013, (SELECT array_agg(i::text) FROM generate_series(1, 100) i), at => '2025-11-12', org => 2101)
WHERE issued;
ROLLBACK;
