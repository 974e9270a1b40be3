-- F38: bill details that become known after the redemption: filled where nothing is recorded, never changed.
BEGIN;
SELECT plan(102);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id) VALUES
	('ZONE', 'Z1', NULL), ('STORE', 'S1', 'Z1'), ('STORE', 'S2', NULL), ('TILL', 'T1', 'S1'), ('TILL', 'T2', 'S2'), ('TILL', 'LOOSE', NULL);

CREATE FUNCTION redemption_of(bill text) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT redemption_id FROM cms.redemption WHERE org_id = cms_current_org() AND bill_ref = bill $$;
-- OK or the reason, and whether it was recorded before
CREATE FUNCTION complete_of(bill text, store text DEFAULT NULL, till text DEFAULT NULL, details jsonb DEFAULT NULL,
	ref text DEFAULT NULL, amount numeric DEFAULT NULL, at timestamptz DEFAULT '2025-11-13 09:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(c.reason, 'OK'), CASE WHEN c.replayed THEN 'replayed' END,
		CASE WHEN c.completed <> (c.reason IS NULL) OR (c.reason IS NULL) <> (c.message IS NULL)
			OR c.redemption_id <> redemption_of(bill) THEN 'inconsistent' END)
	FROM cms_complete_redemption(redemption_of(bill), ref, amount, store, till, details, at) c
$$;
CREATE FUNCTION message_of(bill text, store text DEFAULT NULL, till text DEFAULT NULL, details jsonb DEFAULT NULL,
	ref text DEFAULT NULL, amount numeric DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$ SELECT message FROM cms_complete_redemption(redemption_of(bill), ref, amount, store, till, details, '2025-11-13 09:00 Asia/Kolkata') $$;
-- store, till, details, when and by whom they were completed
CREATE FUNCTION recorded(bill text) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(store_id, '-'), coalesce(till_id, '-'), details,
		to_char(completed_at AT TIME ZONE 'Asia/Kolkata', 'MM-DD HH24:MI'), CASE WHEN completed_by = current_user THEN 'me' END)
	FROM cms.redemption WHERE redemption_id = redemption_of(bill)
$$;
CREATE FUNCTION again(bill text, store text DEFAULT NULL, till text DEFAULT NULL, amount numeric DEFAULT 100) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'replayed' END, r.discount, r.payable, r.uses_left)
	FROM cms_redeem(code_of('offer', 'ann'), 'ann', amount, bill, store, till, at => '2025-11-12 11:00 Asia/Kolkata') r
$$;

SELECT make_offer('offer', '{"max_uses_per_coupon": 50, "max_redemptions": 50, "max_discount_total": 1000}');
DO $$ BEGIN
	PERFORM issue_of('offer', 'ann', '2025-11-12 10:00 Asia/Kolkata');
	PERFORM again('B' || i) FROM generate_series(1, 20) i;
	PERFORM again('S' || i, 'S1') FROM generate_series(1, 5) i;
	PERFORM again('T' || i, NULL, 'T1') FROM generate_series(1, 3) i;
	PERFORM again('L' || i, NULL, 'LOOSE') FROM generate_series(1, 5) i;
END $$;
SELECT is(recorded('B1'), '- -', 'a redemption of which no place is known');

-- what is filled
SELECT is(complete_of('B1', 'S1', 'T1', '{"invoice": "A-17"}'), 'OK', 'is completed');
SELECT is(recorded('B1'), 'S1 T1 {"invoice": "A-17"} 11-13 09:00 me', 'with store, till and details');
SELECT is(complete_of('B1', 'S1', 'T1', '{"invoice": "A-17"}'), 'OK replayed', 'again: it is recorded');
SELECT is(complete_of('B1', 'S1', 'T1', '{"invoice": "A-17"}', at => '2025-12-01 UTC'), 'OK replayed', 'whenever');
SELECT is(recorded('B1'), 'S1 T1 {"invoice": "A-17"} 11-13 09:00 me', 'and nothing is changed');
SELECT is(complete_of('B2', 'S9'), 'OK', 'a store that is not registered');
SELECT is(recorded('B2'), 'S9 - 11-13 09:00 me', 'is filled alone');
SELECT is(complete_of('B2', till => 'T9', at => '2025-11-14 10:00 Asia/Kolkata'), 'OK', 'and a till later');
SELECT is(recorded('B2'), 'S9 T9 11-14 10:00 me', 'which is when it was completed last');
SELECT is(complete_of('B2', 'S9'), 'OK replayed', 'the part that is known');
SELECT is(complete_of('B3', till => 'T1'), 'OK', 'a registered till');
SELECT is(recorded('B3'), 'S1 T1 11-13 09:00 me', 'fills its store');
SELECT is(complete_of('B3', till => 'T1'), 'OK replayed', 'once');
SELECT is(complete_of('B4', till => 'LOOSE'), 'OK', 'a till without a store');
SELECT is(recorded('B4'), '- LOOSE 11-13 09:00 me', 'fills none');
SELECT is(complete_of('B4', till => 'LOOSE'), 'OK replayed', 'and is recorded');
SELECT is(complete_of('L1', 'S2'), 'OK', 'the store of a till that was recorded');
SELECT is(recorded('L1'), 'S2 LOOSE 11-13 09:00 me', 'is filled beside it');
SELECT is(complete_of('S1', till => 'T1'), 'OK', 'the till of a store that was recorded');
SELECT is(recorded('S1'), 'S1 T1 11-13 09:00 me', 'too');
SELECT is(complete_of('B5', '  ', '', '{"a": 1}'), 'OK', 'blank ids are none');
SELECT is(recorded('B5'), '- - {"a": 1} 11-13 09:00 me', 'and fill nothing');
SELECT is(complete_of('B6', 'S1', at => '2025-11-01 UTC'), 'OK', 'dated before the redemption');
SELECT is(recorded('B6'), 'S1 - 11-12 11:00 me', 'it counts as of the redemption');
SELECT is(rows_of($$ SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relid = 'cms.redemption'::regclass $$), '(9,9)', 'no index has what it writes');

-- details: keys are added
SELECT is(complete_of('B7', details => '{"a": 1, "b": {"x": 1, "y": [1, 2]}}'), 'OK', 'details');
SELECT is(complete_of('B7', details => '{"c": null}'), 'OK', 'more of them');
SELECT is((SELECT details FROM cms.redemption WHERE bill_ref = 'B7'), '{"a": 1, "b": {"x": 1, "y": [1, 2]}, "c": null}', 'are added');
SELECT is(complete_of('B7', details => '{"a": 1.0, "c": null}'), 'OK replayed', 'some of them again');
SELECT is(complete_of('B7', details => '{"b": {"y": [1, 2], "x": 1}}'), 'OK replayed', 'whatever the order of their members');
SELECT is(complete_of('B7', details => '{"b": {"x": 1}}'), 'BILL_CONFLICT', 'a part of a value is another value');
SELECT is(complete_of('B7', details => '{"c": 1}'), 'BILL_CONFLICT', 'something is not null');
SELECT is(complete_of('B7', details => '{"a": null}'), 'BILL_CONFLICT', 'nor null something');
SELECT is(complete_of('B7', details => '{"d": 1, "a": 2}'), 'BILL_CONFLICT', 'a new key beside another value');
SELECT is(message_of('B7', details => '{"d": 1, "b": 2, "a": 2}'), 'The redemption is recorded with another value of "a".', 'the first is named');
SELECT is(complete_of('B7', 'S1', details => '{"a": 2}'), 'BILL_CONFLICT', 'or beside a store');
SELECT is(recorded('B7'), '- - {"a": 1, "b": {"x": 1, "y": [1, 2]}, "c": null} 11-13 09:00 me', 'changes nothing');
SELECT is(complete_of('B7', details => '{}'), 'OK replayed', 'no details');
SELECT is(complete_of('B8', details => '{}'), 'OK replayed', 'where none are recorded either');
SELECT is(recorded('B8'), '- -', 'are not recorded');
SELECT is(complete_of('B7', 'S1', details => '{"a": 1}'), 'OK', 'known details beside a new store');
SELECT is(complete_of('B8', 'S1', details => jsonb_build_object('big', repeat('x', 100000))), 'OK', 'long details');
SELECT is(complete_of('B8', details => jsonb_build_object('big', repeat('x', 100000))), 'OK replayed', 'are compared whole');

-- what is recorded and different
SELECT is(complete_of('B1', 'S2'), 'BILL_CONFLICT', 'another store');
SELECT is(complete_of('B1', till => 'T2'), 'BILL_CONFLICT', 'another till');
SELECT is(complete_of('B1', ref => 'B2'), 'BILL_CONFLICT', 'another bill');
SELECT is(complete_of('B1', amount => 100.01), 'BILL_CONFLICT', 'another amount');
SELECT is(complete_of('B1', amount => 0), 'BILL_CONFLICT', 'nothing is an amount');
SELECT is(complete_of('S2', till => 'T2'), 'BILL_CONFLICT', 'a till of another store than the recorded one');
SELECT is(complete_of('B9', 'S1', 'T1', '{"a": 1}', ref => 'b9'), 'BILL_CONFLICT', 'references are compared exactly');
SELECT is(recorded('B9'), '- -', 'a conflict records nothing');
SELECT is(complete_of('B9', 'S1', 'T1', '{"a": 1}', ref => 'B9', amount => 100.00), 'OK', 'the right bill and amount');
SELECT is(complete_of('B10', ref => 'B10', amount => 100), 'OK replayed', 'are recorded already');
SELECT is(recorded('B10'), '- -', 'so that nothing was completed');
SELECT is(message_of('B1', 'S2', 'T2', ref => 'x', amount => 1), 'The redemption is recorded with another bill reference.', 'it is told what differs: the bill');
SELECT is(message_of('B1', 'S2', 'T2', amount => 1), 'The redemption is recorded with another amount.', 'the amount');
SELECT is(message_of('B1', 'S2', 'T2'), 'The redemption is recorded with another store.', 'the store');
SELECT is(message_of('B1', 'S1', 'T3', '{"invoice": 1}'), 'The redemption is recorded with another till.', 'the till');

-- tills that move: what is recorded stays, what is new goes by what is registered
SELECT refused($$ SELECT complete_of('B11', 'S2', 'T1') $$, 'MS010', 'T1.*S1.*S2', 'a till that contradicts its store');
SELECT is(recorded('B11'), '- -', 'fills nothing');
UPDATE cms.org_entity SET parent_id = 'S1' WHERE entity_id = 'LOOSE';
SELECT refused($$ SELECT complete_of('L2', 'S2') $$, 'MS010', 'LOOSE.*S1.*S2', 'also where the till was recorded before');
SELECT is(complete_of('L2', till => 'LOOSE'), 'OK', 'a till that is registered by now');
SELECT is(recorded('L2'), 'S1 LOOSE 11-13 09:00 me', 'tells its store');
SELECT is(complete_of('L3', details => '{"a": 1}'), 'OK', 'where no place is told');
SELECT is(recorded('L3'), '- LOOSE {"a": 1} 11-13 09:00 me', 'none is looked for');
UPDATE cms.org_entity SET parent_id = 'S2' WHERE entity_id = 'T1';
SELECT is(complete_of('B1', 'S1', 'T1'), 'OK replayed', 'what is recorded is the same after a till has moved');
SELECT is(complete_of('B1', till => 'T1'), 'OK replayed', 'also without its store');
UPDATE cms.org_entity SET parent_id = 'S1' WHERE entity_id = 'T1';

-- it binds neither discount nor limits nor rules
SELECT is(rows_of($$ SELECT uses, discount_given, redemptions_left FROM cms.offer_performance WHERE offer_id = o('offer') $$), '(33,330.00,17)', 'uses and discounts are what they were');
SELECT counted();
SELECT make_offer('ours', '{"store_scope": "SELECTED_STORES"}');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('ours'), 'STORE', 'S1');
DO $$ BEGIN
	PERFORM issue_of('ours', 'bob', '2025-11-12 10:00 Asia/Kolkata');
	PERFORM use_of(code_of('ours', 'bob'), 'bob', '2025-11-12 11:00 Asia/Kolkata', store => 'S1', bill => 'O1');
END $$;
SELECT is(complete_of('O1', till => 'T1'), 'OK', 'the till of a use in a selected store');
DELETE FROM cms.offer_entity WHERE offer_id = o('ours');
SELECT is(complete_of('O1', details => '{"a": 1}'), 'OK', 'where nothing is selected any more');
SELECT alter_offer('ours', 'status', 'ARCHIVED');
DO $$ BEGIN PERFORM cms_revoke(o('offer'), 'ALL_UNREDEEMED', confirm => true, at => '2025-11-13 UTC'); END $$;
SELECT is(complete_of('B12', 'S1'), 'OK', 'also when the coupon is revoked since');
SELECT is((SELECT uses FROM cms.redemption_rate_by_store WHERE offer_id = o('offer') AND store_id = 'S1'), 16::bigint, 'the store''s report has it');

-- the redemption called again
SELECT make_offer('again', '{"max_uses_per_coupon": 9}');
CREATE FUNCTION redo(bill text, store text DEFAULT NULL, till text DEFAULT NULL, amount numeric DEFAULT 100) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, 'OK'), CASE WHEN r.replayed THEN 'replayed' END, r.discount, r.payable, r.uses_left)
	FROM cms_redeem(code_of('again', 'cid'), 'cid', amount, bill, store, till, at => '2025-11-12 11:00 Asia/Kolkata') r
$$;
DO $$ BEGIN
	PERFORM issue_of('again', 'cid', '2025-11-12 10:00 Asia/Kolkata');
	PERFORM redo('R1'), redo('R2', 'S1'), redo('R3', 'S1'), redo('R4', 'S1', 'T1');
END $$;
SELECT is(redo('R1', 'S1'), 'BILL_CONFLICT', 'before, a store is another request');
SELECT is(complete_of('R1', 'S1', 'T1'), 'OK', 'the redemption is completed');
SELECT is(redo('R1'), 'OK replayed 10.00 90.00 8', 'the first request is still the same');
SELECT is(redo('R1', 'S1', 'T1'), 'OK replayed 10.00 90.00 8', 'and so is one with what was completed');
SELECT is(redo('R1', 'S1'), 'OK replayed 10.00 90.00 8', 'or a part of it');
SELECT is(redo('R1', 'S2'), 'BILL_CONFLICT', 'another store is not');
SELECT is(redo('R1', 'S1', 'T7'), 'BILL_CONFLICT', 'nor another till');
SELECT is(redo('R1', amount => 99), 'BILL_CONFLICT', 'nor another amount');
SELECT is(complete_of('R2', till => 'T1'), 'OK', 'a till is added to a store');
SELECT is(redo('R2', 'S1'), 'OK replayed 10.00 90.00 7', 'the first request is still the same');
SELECT is(redo('R3'), 'BILL_CONFLICT', 'where nothing was completed, no store is another request');

-- reversed
DO $$ BEGIN PERFORM cms_reverse(redemption_of('R3'), at => '2025-11-12 12:00 Asia/Kolkata'); END $$;
SELECT is(complete_of('R3', till => 'T1'), 'ALREADY_REVERSED', 'a reversed redemption is not completed');
SELECT is(complete_of('R3', 'S1'), 'ALREADY_REVERSED', 'nor is what it has a replay');
SELECT is(complete_of('R3', 'S2'), 'BILL_CONFLICT', 'a conflict comes first');
SELECT is(recorded('R3'), 'S1 -', 'nothing is recorded');

-- bad input
SELECT refused(format('SELECT * FROM cms_complete_redemption(%s)', arguments), state, names, arguments)
FROM (VALUES ('-1, store_id => ''S1''', 'MS009', '-1'), ('NULL, store_id => ''S1''', '22004', 'redemption_id'),
	('redemption_of(''R1'')', '22004', 'nothing to complete'), ('redemption_of(''R1''), ''  '', store_id => ''''', '22004', 'nothing to complete'),
	('redemption_of(''R1''), bill_amount => -1', '22023', 'bill_amount'), ('redemption_of(''R1''), bill_amount => ''NaN''', '22023', 'bill_amount'),
	('redemption_of(''R1''), details => ''[1]''', '22023', 'details'), ('redemption_of(''R1''), details => ''1''', '22023', 'details'),
	('redemption_of(''R1''), details => ''null''', '22023', 'details'), ('redemption_of(''R1''), store_id => ''S1'', at => NULL', '22004', '"?at"?'),
	('redemption_of(''R1''), store_id => ''S1'', at => ''infinity''', '22023', '"?at"?'),
	('redemption_of(''R1''), store_id => repeat(''x'', 1001)', '22023', 'store_id')) v(arguments, state, names);
SELECT redemption_of('R1') AS other \gset
SELECT play_org('UTC');
SELECT refused(format('SELECT * FROM cms_complete_redemption(%s, store_id => ''S1'')', :other), 'MS009', 'redemption', 'another org''s redemption is unknown');

SELECT * FROM finish();
ROLLBACK;
