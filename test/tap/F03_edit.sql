-- F3: what may be changed and what is fixed at creation, for everybody.
BEGIN;
SELECT plan(103);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

SELECT make_offer('generated');
SELECT make_offer('fixed date', '{"expires_on": "2025-11-20"}');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "SAVE10"}');
SELECT make_offer('random', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');

-- fixed, also for a superuser, also before anything is issued
SELECT refused(format('UPDATE cms.offer SET %I = %s WHERE offer_id = o(%L)', setting, value, offer), 'MS003', setting, setting || ' of ' || offer || ' is fixed')
FROM (VALUES ('generated', 'expiry_type', '''FIXED_DATE'', expires_on = ''2026-01-01'''), ('fixed date', 'expiry_type', '''WITH_CAMPAIGN'', expires_on = NULL'),
	('generated', 'code_method', '''UPLOADED'''), ('common', 'code_method', '''GENERATED'', common_code = NULL'), ('random', 'sample_code', '''TEST54321X'''),
	('random', 'sample_code', '''ABCDE12345'''), ('generated', 'offer_id', '-5'), ('generated', 'org_id', '-5'), ('generated', 'created_by', '''somebody'''),
	('generated', 'created_at', '''2001-01-01''')) v(offer, setting, value);
SELECT lives_ok($$ UPDATE cms.offer SET expiry_type = expiry_type, code_method = code_method, sample_code = sample_code, offer_id = offer_id $$, 'to the same value is no change');

-- everything else may change
SELECT lives_ok(format('UPDATE cms.offer SET %I = %s WHERE offer_id = o(%L)', setting, value, offer), setting || ' = ' || value)
FROM (VALUES ('generated', 'code', '''NEW-CODE'''), ('generated', 'pos_code', '''POS'''), ('generated', 'owner_service', '''DVS'''), ('generated', 'owner_ref', '''d1'''),
	('fixed date', 'expires_on', '''2030-01-01'''), ('generated', 'discount_type', '''PERCENTAGE'''), ('generated', 'discount_value', '99.5'), ('generated', 'discount_cap', '5'),
	('generated', 'product_scope', '''SELECTED_PRODUCTS'''), ('generated', 'sale_items', 'true'), ('generated', 'delivery', '''THIRD_PARTY'''), ('generated', 'code_length', '20'),
	('generated', 'code_charset', '''NUMERIC'''), ('generated', 'code_prefix', '''P'''), ('generated', 'code_suffix', '''S'''), ('generated', 'allow_dense_codes', 'true'),
	('common', 'common_code', '''SAVE20'''), ('generated', 'coupon_expiry_type', '''DAYS'', coupon_expiry_value = 3'), ('generated', 'outlives_offer', 'true'),
	('generated', 'audience_only', 'true'), ('generated', 'max_issued', '10'), ('generated', 'max_issued_per_customer', '10'), ('generated', 'min_days_between_issues', '1'),
	('generated', 'past_issue_months', '1'), ('generated', 'resend_allowed', 'true'), ('generated', 'resend_content', '''again'''), ('generated', 'reissue', '''EXISTING'''),
	('generated', 'anyone_may_redeem', 'true'), ('generated', 'starts_after_days', '1'), ('generated', 'starts_on', '''2020-01-01'''), ('generated', 'max_uses_per_coupon', '5'),
	('generated', 'max_uses_per_customer_and_coupon', '5'), ('generated', 'max_uses_per_customer', '5'), ('generated', 'min_days_between_uses', '1'), ('generated', 'max_redemptions', '5'),
	('generated', 'max_discount_total', '5'), ('generated', 'min_bill', '5'), ('generated', 'max_bill', '50'), ('generated', 'store_scope', '''SELECTED_STORES'''),
	('generated', 'reversal_restores_use', 'false'), ('generated', 'expiry_notice', 'true'), ('generated', 'codes_left_alert', '5'), ('generated', 'status', '''ARCHIVED'''),
	('random', 'name', '''random, renamed''')) v(offer, setting, value);
SELECT is(rows_of($$ SELECT code, discount_value, max_redemptions, status FROM cms.offer WHERE offer_id = o('generated') $$), '(NEW-CODE,99.5,5,ARCHIVED)', 'and is changed');

-- changed settings hold for coupons out
SELECT make_offer('edited', '{"max_uses_per_coupon": 5}');
SELECT is(issue_of('edited', 'ann', :t), 'OK', 'a coupon');
SELECT is(use_of(code_of('edited', 'ann'), 'ann', :t), 'OK', 'gives 10');
SELECT alter_offer('edited', 'discount_value', '20');
SELECT is(use_of(code_of('edited', 'ann'), 'ann', :t, bill => 'twenty'), 'OK', 'after the change');
SELECT is((SELECT discount FROM cms.redemption WHERE bill_ref = 'twenty'), 20.0, 'it gives 20');
-- a change that is rolled back never was; as the count of tests would be rolled back too, psql keeps what was found
SAVEPOINT before;
SELECT alter_offer('edited', 'discount_value', '30');
SELECT discount AS within FROM cms_redeem(code_of('edited', 'ann'), 'ann', 100, 'thirty', at => :t) \gset
ROLLBACK TO before;
SELECT is(:within, 30.00, 'a change within a savepoint holds within it');
SELECT is((SELECT discount FROM cms_check(code_of('edited', 'ann'), 'ann', 100, at => :t)), 20.00, 'and not after it is rolled back');
SELECT alter_offer('edited', 'discount_value', '40');
SELECT is((SELECT discount FROM cms_check(code_of('edited', 'ann'), 'ann', 100, at => :t)), 40.00, 'the next change does');
SELECT counted();

-- caps
SELECT make_offer('caps', '{"max_issued": 5, "max_redemptions": 5}');
SELECT is(issue_of('caps', 'ann', :t, 3), 'OK OK OK', 'three are issued');
SELECT is(use_of(code_of('caps', 'ann', n), 'ann', :t), 'OK', 'two are used') FROM generate_series(1, 2) n;
SELECT refused($$ SELECT alter_offer('caps', 'max_issued', '2') $$, '23514', 'max_issued.*3', 'the cap of issues may not drop below what is issued');
SELECT lives_ok($$ SELECT alter_offer('caps', 'max_issued', '3') $$, 'to it it may');
SELECT lives_ok($$ SELECT alter_offer('caps', 'max_redemptions', '0') $$, 'a cap of redemptions may drop');
SELECT is(rows_of($$ SELECT issues_left, redemptions_left FROM cms.offer_performance WHERE offer_id = o('caps') $$), '(0,0)', 'what is left is 0, never negative');
SELECT counted();

-- a common code that is changed
SELECT is(issue_of('common', 'ann', :t), 'OK', 'a coupon of SAVE20');
SELECT alter_offer('common', 'common_code', 'SAVE30');
SELECT is(use_of('SAVE20', 'ann', :t), 'CODE_NOT_FOUND', 'the old code is not found any more');
SELECT is(use_of('SAVE30', 'ann', :t), 'OK', 'the new one is');
SELECT refused($$ UPDATE cms.offer SET common_code = NULL WHERE offer_id = o('common') $$, '23502', 'common_code', 'it cannot go');
SELECT make_offer('common too', '{"code_method": "COMMON", "common_code": "SAVE40"}');
SELECT refused($$ UPDATE cms.offer SET common_code = 'save30' WHERE offer_id = o('common too') $$, 'MS012', 'SAVE30|common_code', 'nor become another offer''s');
SELECT lives_ok($$ UPDATE cms.offer SET common_code = 'SAVE20' WHERE offer_id = o('common too') $$, 'a code that was given up can be another''s');
SELECT refused($$ UPDATE cms.offer SET code = 'NEW-CODE' WHERE offer_id = o('edited') $$, '23505', 'code', 'an offer code that another offer has');
SELECT refused($$ UPDATE cms.offer SET name = ' ' WHERE offer_id = o('edited') $$, '23514', 'name', 'a blank name');
SELECT refused($$ UPDATE cms.offer SET expires_on = NULL WHERE offer_id = o('fixed date') $$, '23502', 'expires_on', 'a fixed date cannot go');
SELECT refused($$ UPDATE cms.offer SET expires_on = '2030-01-01' WHERE offer_id = o('edited') $$, '23514', 'expires_on', 'nor come');

-- who changed it last, and when
CREATE ROLE f03_manager IN ROLE cms_manager;
INSERT INTO cms.org_role (org_id, role_name) VALUES (current_setting('cms.org')::int, 'f03_manager');
SET LOCAL ROLE f03_manager;
UPDATE cms.offer SET name = 'edited', modified_by = 'somebody else', modified_at = '2001-01-01' WHERE name = 'edited';
INSERT INTO cms.offer (name, discount_type, discount_value, created_by, created_at) VALUES ('theirs', 'FIXED_AMOUNT', 1, 'somebody else', '2001-01-01');
RESET ROLE;
SELECT is(rows_of($$ SELECT modified_by, modified_at = now(), created_by = current_user FROM cms.offer WHERE name = 'edited' $$), '(f03_manager,t,t)', 'the last change is kept, whatever one says');
SELECT is(rows_of($$ SELECT created_by, created_at = now() FROM cms.offer WHERE name = 'theirs' $$), '(f03_manager,t)', 'and so is the creation');

-- what is fixed is so for managers and for the owner of the tables
CREATE FUNCTION change_as(role name, statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text := 'no error';
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	BEGIN
		EXECUTE statement;
	EXCEPTION WHEN OTHERS THEN
		result := SQLSTATE;
	END;
	RESET ROLE;
	RETURN result;
END
$$;
SELECT is(change_as(role, 'UPDATE cms.offer SET code_method = ''UPLOADED'' WHERE name = ''theirs'''), 'MS003', role || ' cannot change what is fixed') FROM unnest('{f03_manager,cms_owner}'::name[]) role;
SELECT is(change_as('f03_manager', statement), '42501', 'a manager cannot: ' || statement)
FROM unnest(ARRAY['UPDATE cms.coupon SET uses = 0', 'DELETE FROM cms.redemption', 'UPDATE cms.offer_slot SET issued = 0', 'INSERT INTO cms.claim SELECT * FROM cms.claim']) statement;

-- only the actions write coupons, redemptions, claims and counters
SELECT refused(statement, 'MS006', '.', statement) FROM unnest(ARRAY['UPDATE cms.coupon SET uses = 0', 'DELETE FROM cms.coupon', 'UPDATE cms.redemption SET discount = 0',
	'DELETE FROM cms.redemption', 'UPDATE cms.claim SET service = ''DVS''', 'DELETE FROM cms.claim', 'UPDATE cms.offer_slot SET issued = 0', 'DELETE FROM cms.offer_slot',
	'TRUNCATE cms.coupon', 'TRUNCATE cms.redemption', 'TRUNCATE cms.offer CASCADE', 'TRUNCATE cms.offer_window']) statement;
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
