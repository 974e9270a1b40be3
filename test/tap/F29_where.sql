-- F29: where a coupon can be redeemed: tills, stores, zones, concepts; tags by id and by name.
BEGIN;
SELECT plan(54);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

INSERT INTO cms.org_entity (entity_type, entity_id, parent_id, name) VALUES
	('CONCEPT', 'C1', NULL, 'Fashion'),
	('ZONE', 'Z1', 'C1', 'North'), ('ZONE', 'Z2', NULL, 'South'),
	('STORE', 'S1', 'Z1', 'Main Street'), ('STORE', 'S2', 'Z2', 'Harbour'), ('STORE', 'S3', NULL, 'Alone'),
	('STORE', 'S4', 'Z1', 'Twin'), ('STORE', 'S5', 'Z2', 'Twin'),
	('TILL', 'T1', 'S1', NULL), ('TILL', 'T2', 'S2', NULL), ('TILL', 'T3', NULL, 'Loose till');

-- Where the offer can be used, of these places: till T1 in S1 in Z1 in C1; S2 in Z2; S3 alone; unknown ones.
CREATE FUNCTION places_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(CASE WHEN reason IS NULL THEN coalesce(till, '-') || '@' || coalesce(store, '-')
			WHEN reason <> 'STORE_NOT_ALLOWED' THEN reason END, ' ' ORDER BY n)
	FROM (VALUES (1, NULL, NULL), (2, 'T1', NULL), (3, 'T1', 'S1'), (4, NULL, 'S1'), (5, 'T2', NULL), (6, NULL, 'S2'),
			(7, NULL, 'S3'), (8, NULL, 'S4'), (9, 'T3', NULL), (10, 'T3', 'S1'), (11, 'T9', NULL), (12, 'T9', 'S1'),
			(13, NULL, 'S9'), (14, 'T9', 'S9'), (15, NULL, 's1')) v(n, till, store),
		LATERAL cms_check(code_of(offer, 'ann'), 'ann', 100, store, till, at => '2025-11-12 11:00 Asia/Kolkata')
$$;

SELECT make_offer('any store');
SELECT make_offer(name, '{"store_scope": "SELECTED_STORES", "max_uses_per_coupon": null}')
FROM unnest(ARRAY['nowhere', 'till', 'store', 'zone', 'concept', 'unknown', 'two', 'tagged']) name;
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id)
SELECT o(offer), type, id FROM (VALUES ('till', 'TILL', 'T1'), ('store', 'STORE', 'S1'), ('zone', 'ZONE', 'Z1'),
	('concept', 'CONCEPT', 'C1'), ('unknown', 'STORE', 'S9'), ('unknown', 'TILL', 'T9'), ('two', 'TILL', 'T2'),
	('two', 'STORE', 'S3')) v(offer, type, id);
SELECT is(issue_of(name, 'ann', :t), 'OK', name) FROM cms.offer ORDER BY offer_id;

SELECT is(places_of('any store'), '-@- T1@- T1@S1 -@S1 T2@- -@S2 -@S3 -@S4 T3@- T3@S1 T9@- T9@S1 -@S9 T9@S9 -@s1', 'any store: everywhere, also unknown ones');
SELECT is(places_of('nowhere'), NULL, 'selected with an empty list means nowhere');
SELECT is(places_of('till'), 'T1@- T1@S1', 'a till: only there');
SELECT is(places_of('store'), 'T1@- T1@S1 -@S1 T3@S1 T9@S1', 'a store: there, and at its tills, with the store named or not');
SELECT is(places_of('zone'), 'T1@- T1@S1 -@S1 -@S4 T3@S1 T9@S1', 'a zone: its stores and their tills');
SELECT is(places_of('concept'), 'T1@- T1@S1 -@S1 -@S4 T3@S1 T9@S1', 'a concept: everything below');
SELECT is(places_of('unknown'), 'T9@- T9@S1 -@S9 T9@S9', 'places that are not registered match direct tags');
SELECT is(places_of('two'), 'T2@- -@S3', 'several tags: any of them');

-- redemption, like check; the store of a till is known
SELECT is(use_of(code_of('store', 'ann'), 'ann', :t, till => 'T1', bill => 'till'), 'OK', 'redeemed at a till of the store');
SELECT is(use_of(code_of('store', 'ann'), 'ann', :t, till => 'T2'), 'STORE_NOT_ALLOWED', 'not at another''s');
SELECT is(use_of(code_of('store', 'ann'), 'ann', :t), 'STORE_NOT_ALLOWED', 'nor nowhere');
SELECT is(use_of(code_of('nowhere', 'ann'), 'ann', :t, store => 'S1', till => 'T1'), 'STORE_NOT_ALLOWED', 'an empty list is nowhere');
SELECT is(rows_of($$ SELECT till_id, store_id FROM cms.redemption WHERE bill_ref = 'till' $$), '(T1,S1)', 'till and its store are recorded');
SELECT is((SELECT replayed FROM cms_redeem(code_of('store', 'ann'), 'ann', 100, 'till', till_id => 'T1', at => :t)), true, 'repeated with the till alone it is the same');
SELECT is((SELECT replayed FROM cms_redeem(code_of('store', 'ann'), 'ann', 100, 'till', 'S1', 'T1', at => :t)), true, 'and with its store');

-- a till that contradicts its store
SELECT refused(format($$ SELECT * FROM cms_redeem(%L, 'ann', 100, 'B1', 'S2', 'T1', at => '2025-11-12 11:00 Asia/Kolkata') $$, code_of(name, 'ann')),
	'MS010', 'T1.*S1.*S2', name || ': a till that contradicts its store is an error') FROM unnest(ARRAY['any store', 'store']) name;
SELECT refused(format($$ SELECT * FROM cms_check(%L, 'ann', 100, 'S9', 'T1', at => '2025-11-12 11:00 Asia/Kolkata') $$, code_of('any store', 'ann')),
	'MS010', 'T1.*S1.*S9', 'also in a check, also with a store that is not registered');

-- changes hold at once
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('nowhere'), 'ZONE', 'Z2');
SELECT is(places_of('nowhere'), 'T2@- -@S2', 'a tag more');
DELETE FROM cms.offer_entity WHERE offer_id = o('nowhere');
SELECT is(places_of('nowhere'), NULL, 'and none again');
UPDATE cms.org_entity SET parent_id = 'Z1' WHERE entity_type = 'STORE' AND entity_id = 'S3';
SELECT is(places_of('zone'), 'T1@- T1@S1 -@S1 -@S3 -@S4 T3@S1 T9@S1', 'a store that moves into the zone');
UPDATE cms.org_entity SET parent_id = 'S2' WHERE entity_type = 'TILL' AND entity_id = 'T1';
SELECT is(use_of(code_of('store', 'ann'), 'ann', :t, till => 'T1'), 'STORE_NOT_ALLOWED', 'a till that moves to another store');
SELECT refused($$ UPDATE cms.offer SET store_scope = 'ANY_STORE' WHERE offer_id = o('store') $$, 'MS011', 'offer_entity|store_scope|list', 'a restriction is not opened while its list has rows');
DELETE FROM cms.offer_entity WHERE offer_id = o('store');
UPDATE cms.offer SET store_scope = 'ANY_STORE' WHERE offer_id = o('store');
SELECT is(use_of(code_of('store', 'ann'), 'ann', :t), 'OK', 'without rows it can');
SELECT counted();

-- tagging by id and by name
SELECT is(rows_of($$ SELECT line, value, tagged, reason, entity_id FROM cms_tag_offer(o('tagged'), 'STORE',
	ids => ARRAY['S1', 'S77', '', NULL, 'S1'], names => ARRAY['Harbour', 'Twin', 'Nowhere', NULL, 'Main Street']) $$),
	'(1,S1,t,,S1) (2,S77,t,,S77) (3,"",f,ID_EMPTY,) (4,,f,ID_EMPTY,) (5,S1,t,,S1) (6,Harbour,t,,S2) '
	'(7,Twin,f,NAME_AMBIGUOUS,) (8,Nowhere,f,NAME_UNKNOWN,) (9,,f,ID_EMPTY,) (10,"Main Street",t,,S1)',
	'ids as they are; unknown and ambiguous names are listed');
SELECT is(rows_of($$ SELECT entity_type, entity_id FROM cms.offer_entity WHERE offer_id = o('tagged') ORDER BY entity_id $$),
	'(STORE,S1) (STORE,S2) (STORE,S77)', 'each place once');
SELECT refused($$ SELECT * FROM cms_tag_offer(o('tagged'), 'STORE') $$, '22004', 'ids.*names', 'neither ids nor names');
SELECT is(count(*), 0::bigint, 'empty lists tag nothing') FROM cms_tag_offer(o('tagged'), 'STORE', '{}', '{}');
SELECT refused($$ SELECT * FROM cms_tag_offer(o('any store'), 'STORE', '{S1}') $$, 'MS011', 'store_scope|ANY_STORE', 'an offer of any store is not restricted in vain');
SELECT refused($$ SELECT * FROM cms_tag_offer(o('tagged'), 'SHOP', '{S1}') $$, '22023', 'entity_type', 'an unknown type');
SELECT refused($$ SELECT * FROM cms_tag_offer(o('tagged'), NULL, '{S1}') $$, '22004', 'entity_type', 'no type');
SELECT refused($$ SELECT * FROM cms_tag_offer(o('tagged'), 'STORE', '{{S1,S2}}') $$, '22023', 'ids', 'a list of two dimensions');
SELECT refused($$ SELECT * FROM cms_tag_offer(-1, 'STORE', '{S1}') $$, 'MS001', 'offer -1', 'an unknown offer');

-- settings
SELECT refused($$ INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('any store'), 'STORE', 'S1') $$, 'MS011', 'store_scope|ANY_STORE|offer_entity', 'a row that the scope does not use');
SELECT refused($$ INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('tagged'), 'SHOP', 'S1') $$, '23514', 'entity_type', 'an unknown type of place');
SELECT refused($$ INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('tagged'), 'STORE', ' ') $$, '23514', 'entity_id', 'a blank id');
SELECT refused($$ INSERT INTO cms.org_entity (entity_type, entity_id) VALUES ('SHOP', 'X') $$, '23514', 'entity_type', 'an unknown type of org entity');
SELECT refused($$ INSERT INTO cms.org_entity (entity_type, entity_id, parent_id) VALUES ('CONCEPT', 'C9', 'C1') $$, '23514', 'parent_id', 'a concept has no parent');
SELECT refused($$ INSERT INTO cms.org_entity (entity_type, entity_id, parent_id) VALUES ('STORE', 'S99', 'Z99') $$, '23514|23503', 'parent', 'a parent that is not registered');
SELECT offer_refused('{"store_scope": "SOME_STORES"}', 'store_scope', 'an unknown scope');
SELECT counted('and nothing was miscounted');

SELECT is(hint_of(format('SELECT * FROM cms_tag_offer(1, %L, ARRAY[''S1''])', type)), 'Use TILL, STORE, ZONE or CONCEPT.', 'what a type is: ' || left(type, 5))
FROM unnest(ARRAY[' ', 'SHOP', repeat('x', 1001)]) type;

SELECT * FROM finish();
ROLLBACK;
