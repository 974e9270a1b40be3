-- F45: the running offers of an org, and those tagged to places.
BEGIN;
SELECT plan(39);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- one chain of places, and a second store in the zone
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id) VALUES
	('CONCEPT', 'food', NULL), ('ZONE', 'south', 'food'), ('STORE', 'S1', 'south'), ('STORE', 'S2', 'south'),
	('TILL', 'T1', 'S1'), ('TILL', 'T2', 'S2'), ('STORE', 'lonely', NULL);
SELECT make_offer('everywhere', '{"expires_on": "2025-11-12", "min_bill": 50, "pos_code": "P1"}');
SELECT make_offer(p, '{"store_scope": "SELECTED_STORES"}') FROM unnest(ARRAY['till', 'store', 'zone', 'concept', 'stores', 'nowhere']) p;
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES
	(o('till'), 'TILL', 'T1'), (o('store'), 'STORE', 'S1'), (o('zone'), 'ZONE', 'south'), (o('concept'), 'CONCEPT', 'food'),
	(o('stores'), 'STORE', 'S1'), (o('stores'), 'STORE', 'S2'), (o('stores'), 'TILL', 'unregistered');
SELECT make_offer('ended', '{"store_scope": "SELECTED_STORES", "expires_on": "2025-11-11"}');
SELECT make_offer('over', '{"store_scope": "SELECTED_STORES"}');
SELECT make_offer('archived', '{"store_scope": "SELECTED_STORES"}');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id)
	SELECT o(n), 'STORE', 'S1' FROM unnest(ARRAY['ended', 'over', 'archived']) n;
SELECT alter_offer('archived', 'status', 'ARCHIVED');
SELECT is(reason, NULL, 'an offer of a campaign that is over') FROM cms_claim(o('over'), 'DVS', ends_on => '2025-11-11', at => '2025-11-01');

CREATE FUNCTION series(entity_type text DEFAULT NULL, ids text[] DEFAULT NULL, resolve boolean DEFAULT false,
	at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(s.name, ' ' ORDER BY s.offer_id) FROM cms_series(entity_type, ids, resolve, at => at) s $$;

-- without a type
SELECT is(series(), 'everywhere till store zone concept stores nowhere', 'every running offer, tagged or not');
SELECT is(series(at => '2025-11-12 23:59:59 Asia/Kolkata'), 'everywhere till store zone concept stores nowhere', 'to the end of its day');
SELECT is(series(at => '2025-11-13 00:00 Asia/Kolkata'), 'till store zone concept stores nowhere', 'not after it');
SELECT is(series(at => '2025-11-11 12:00 Asia/Kolkata'), 'everywhere till store zone concept stores nowhere ended over', 'at another time others run');
SELECT is(rows_of($$ SELECT offer_code = (SELECT code FROM cms.offer f WHERE f.offer_id = s.offer_id), pos_code, discount_type,
	discount_value, discount_cap, discount, starts_on, expires_on, min_bill, code_method, delivery, store_scope, entity_type, entity_ids
	FROM cms_series(at => '2025-11-12 UTC') s LIMIT 1 $$),
	'(t,P1,FIXED_AMOUNT,10,,₹10,,2025-11-12,50,GENERATED,INTERNAL,ANY_STORE,,)', 'what an offer is');

-- one type, direct tags only
SELECT is(series('STORE', '{S1}'), 'store stores', 'offers tagged to the store');
SELECT is(series('STORE', '{S2}'), 'stores', 'not those of its zone');
SELECT is(series('STORE', '{S1,S2}'), 'store stores', 'any of several ids, each offer once');
SELECT is(series('STORE', '{S2,S2,S2}'), 'stores', 'an id twice brings an offer once');
SELECT is((SELECT entity_ids FROM cms_series('STORE', '{S2,x,S1}', at => :t) WHERE name = 'stores'), '{S1,S2}', 'the ids it is tagged to');
SELECT is((SELECT entity_type FROM cms_series('STORE', '{S2}', at => :t)), 'STORE', 'and their type');
SELECT is(series('ZONE', '{south}'), 'zone', 'a zone does not bring offers of its stores');
SELECT is(series('CONCEPT', '{food}'), 'concept', 'nor a concept those of its zones');
SELECT is(series('TILL', '{T1}'), 'till', 'nor a till those of its store');
SELECT is(series('TILL', '{unregistered}'), 'stores', 'an id need not be registered to be tagged');
SELECT is(series('STORE', '{south}'), NULL, 'an id of another type brings nothing');
SELECT is(series('STORE', '{S1,unknown}'), 'store stores', 'an unknown id brings nothing and no error');
SELECT is(series('STORE', '{unknown}'), NULL, 'alone too');
SELECT is(series('STORE', '{lonely}'), NULL, 'a place without offers has none, untagged ones are left out');
SELECT is(series('STORE', '{}'), NULL, 'no id, no offer');
SELECT is(series('STORE', '{NULL,S2,""}'), 'stores', 'what is no id brings nothing');
SELECT is(series('STORE', '{s1}'), NULL, 'ids are compared byte by byte');
SELECT is(series('STORE', ARRAY[$$S1' OR true --$$, '%', 'S_']), NULL, 'and are no patterns');

-- upwards, for those who want it
SELECT is(series('TILL', '{T1}', true), 'till store zone concept stores', 'a till brings what holds at it by a tag');
SELECT is(series('TILL', '{T2}', true), 'zone concept stores', 'through its own store');
SELECT is(series('STORE', '{S2}', true), 'zone concept stores', 'a store upwards, not downwards');
SELECT is(series('ZONE', '{south}', true), 'zone concept', 'a zone');
SELECT is((SELECT entity_ids FROM cms_series('TILL', '{T2,T1}', true, at => :t) WHERE name = 'zone'), '{T1,T2}', 'the tills asked for that lie in it');
SELECT is(series('TILL', '{unregistered}', true), 'stores', 'what is not registered has nothing above it');

-- calls that make no sense
SELECT throws_ok($$ SELECT cms_series('TILL,STORE', '{T1}') $$, '22023', NULL, 'two types in one call');
SELECT throws_ok($$ SELECT cms_series('store', '{S1}') $$, '22023', NULL, 'an unknown type');
SELECT throws_ok($$ SELECT cms_series(NULL, '{S1}') $$, '22004', NULL, 'ids without a type');
SELECT throws_ok($$ SELECT cms_series('STORE') $$, '22004', NULL, 'a type without ids');
SELECT throws_ok($$ SELECT cms_series('STORE', '{{S1},{S2}}') $$, '22023', NULL, 'two dimensions');

-- another org, and who may
SELECT play_org('UTC', 'EUR');
SELECT is(series('STORE', '{S1}'), NULL, 'another org has no such offers');
CREATE ROLE f45_till IN ROLE cms_redeemer;
INSERT INTO cms.org_role (org_id, role_name) SELECT org_id, 'f45_till' FROM cms.org WHERE name = 'UTC';
SET LOCAL ROLE f45_till;
SELECT count(*) AS seen FROM cms.cms_series() \gset
RESET ROLE;
SELECT is(:seen::bigint, 0::bigint, 'a till sees the offers of its org');
CREATE FUNCTION state_as(role name, statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE statement;
	RESET ROLE;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT org_id AS other FROM cms.org WHERE name = 'Asia/Kolkata' \gset
SELECT is(state_as('f45_till', format('SELECT count(*) FROM cms.cms_series(org => %s)', :other)), '42501', 'and no other''s');
CREATE ROLE f45_sender IN ROLE cms_sender;
SELECT is(state_as('f45_sender', 'SELECT count(*) FROM cms.cms_series()'), '42501', 'a sender has no business with them');

SELECT * FROM finish();
ROLLBACK;
