-- F9: generated codes: how they look, stock, capacity, the guess guard, spaces filled to the last code.
BEGIN;
SELECT plan(86);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION generate(offer text, how_many bigint) RETURNS bigint
LANGUAGE sql AS $$ SELECT cms_generate_codes(o(offer), how_many, at => '2025-11-12 11:00 Asia/Kolkata') $$;
CREATE FUNCTION stock_of(offer text) RETURNS bigint
LANGUAGE sql AS $$ SELECT stock FROM cms.offer_performance WHERE offer_id = o(offer) $$;
CREATE FUNCTION capacity_of(offer text) RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', space, used, available, trim_scale(round(guess_chance, 6))) FROM cms_code_capacity(o(offer)) $$;
CREATE VIEW code AS SELECT f.name, c.code, c.coupon_id, c.issued_at FROM cms.coupon c JOIN cms.offer f USING (org_id, offer_id);

-- as they look
SELECT make_offer('default');
SELECT is(generate('default', 500), 500::bigint, 'codes are made ahead');
SELECT is(stock_of('default'), 500::bigint, 'into the stock');
SELECT is(count(DISTINCT c.code), 500::bigint, 'all different') FROM code c WHERE name = 'default';
SELECT is_empty($$ SELECT code FROM code WHERE name = 'default' AND code COLLATE "C" !~ '^[2-9A-HJKMNP-Z]{12}$' $$,
	'12 characters without look-alikes by default');
SELECT is(string_agg(DISTINCT ch, '' ORDER BY ch), '23456789ABCDEFGHJKMNPQRSTUVWXYZ', 'all 31 of them occur')
	FROM code c, regexp_split_to_table(c.code, '') ch WHERE name = 'default';
SELECT make_offer('digits', '{"code_charset": "NUMERIC", "code_length": 6, "code_prefix": "AB-", "code_suffix": "_Z"}');
SELECT is(generate('digits', 500), 500::bigint, 'digits with a prefix and a suffix');
SELECT is_empty($$ SELECT code FROM code WHERE name = 'digits' AND code COLLATE "C" !~ '^AB-[0-9]{6}_Z$' $$,
	'look as the pattern says');
SELECT is(string_agg(DISTINCT ch, '' ORDER BY ch), '0123456789', 'all digits occur')
	FROM code c, regexp_split_to_table(substr(c.code, 4, 6), '') ch WHERE name = 'digits';
SELECT make_offer('both', '{"code_charset": "ALPHANUMERIC", "code_length": 8}');
SELECT is(generate('both', 500), 500::bigint, 'letters and digits');
SELECT is(string_agg(DISTINCT ch, '' ORDER BY ch), '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'all 36 of them occur')
	FROM code c, regexp_split_to_table(c.code, '') ch WHERE name = 'both';
SELECT make_offer('longest', '{"code_length": 30, "code_prefix": "ABCDE", "code_suffix": "VWXYZ"}');
SELECT is(generate('longest', 1), 1::bigint, 'a code of 40 characters');
SELECT is(max(length(code)), 40, 'is that long') FROM code WHERE name = 'longest';
SELECT make_offer('small letters', '{"code_prefix": "  sale-", "code_length": 8}');
SELECT is(generate('small letters', 1), 1::bigint, 'a prefix typed in small letters');
SELECT ok(code ~ '^SALE-.{8}$', 'is part of the code in capitals') FROM code WHERE name = 'small letters';
SELECT is(use_of(lower(code), 'ann', :t), 'NOT_ISSUED', 'a code in stock is not issued yet') FROM code
	WHERE name = 'small letters';

-- what each is has nothing to do with its neighbours: of 500 codes of 31 first letters, about 16
-- follow one with the same; and half of them one that sorts before
CREATE TEMP VIEW neighbour AS
	SELECT code, lag(code) OVER (ORDER BY coupon_id) AS before FROM code WHERE name = 'default';
SELECT ok(count(*) FILTER (WHERE left(code, 1) = left(before, 1)) < 60, 'neighbours in stock are not neighbours in code') FROM neighbour;
SELECT ok(count(*) FILTER (WHERE code COLLATE "C" > before) BETWEEN 150 AND 350, 'nor in the order of codes') FROM neighbour;

-- stock goes first
SELECT is(issue_of('default', 'ann', :t), 'OK', 'issuing');
SELECT is(code_of('default', 'ann'), (SELECT code FROM code WHERE name = 'default' ORDER BY coupon_id LIMIT 1),
	'takes a code from stock');
SELECT is(stock_of('default'), 499::bigint, 'which has one less');
SELECT make_offer('without stock');
SELECT is(issue_of('without stock', 'ann', :t), 'OK', 'without stock a code is made');
SELECT is(stock_of('without stock'), 0::bigint, 'and none is left over');
SELECT is(generate('without stock', 1), 1::bigint, 'one in stock');
SELECT is(issue_of('without stock', 'bob', :t, 3), 'OK OK OK', 'three are issued');
SELECT is(stock_of('without stock'), 0::bigint, 'the one, and two new ones');

-- capacity and the guess guard
SELECT is(capacity_of('digits'), '1000000 500 249500 0.0005', 'capacity: space, used, possible, chance of a guess');
SELECT is((SELECT space FROM cms_code_capacity(o('default'))), 787662783788549761::numeric, '31^12 exactly');
SELECT is((SELECT space FROM cms_code_capacity(o('longest'))), 31::numeric ^ 30, 'and 31^30');
SELECT make_offer('tiny', '{"code_charset": "NUMERIC", "code_length": 3}');
SELECT is(capacity_of('tiny'), '1000 0 250 0', 'a quarter of a space can be used');
SELECT refused($$ SELECT generate('tiny', 251) $$, 'MS005', 'room for 250 more', 'one code too many is refused with the number possible');
SELECT is(stock_of('tiny'), 0::bigint, 'and nothing is begun');
SELECT throws_matching($$ SELECT generate('tiny', 9223372036854775807) $$, 'room for 250 more', 'a number as large as can be too');
SELECT is(generate('tiny', 249), 249::bigint, 'up to the guard');
SELECT is(capacity_of('tiny'), '1000 249 1 0.249', 'one is left');
SELECT throws_matching($$ SELECT generate('tiny', 2) $$, 'room for 1 more', 'not two');
SELECT is(generate('tiny', 1), 1::bigint, 'the last');
SELECT is(capacity_of('tiny'), '1000 250 0 0.25', 'a quarter is used');
SELECT refused($$ SELECT generate('tiny', 1) $$, 'MS005', 'room for 0 more', 'nothing beyond');
SELECT is(issue_of('tiny', 'ann', :t), 'OK', 'from stock one is issued');
SELECT is(capacity_of('tiny'), '1000 250 0 0.25', 'an issued code counts as used');
SELECT make_offer('guarded', '{"code_charset": "NUMERIC", "code_length": 1}');
SELECT is(issue_of('guarded', 'ann', :t, 3), 'OK OK NO_CODES_LEFT', 'issuing keeps to the guard');
SELECT is(capacity_of('guarded'), '10 2 0 0.2', 'a quarter of ten is two');
SELECT counted();

-- dense codes
SELECT alter_offer('tiny', 'allow_dense_codes', 'true');
SELECT is(capacity_of('tiny'), '1000 250 750 0.25', 'dense codes may fill the space');
SELECT refused($$ SELECT generate('tiny', 751) $$, 'MS005', 'room for 750 more', 'but not more than it');
SELECT is(generate('tiny', 749), 749::bigint, 'nearly full');
SELECT is(generate('tiny', 1), 1::bigint, 'to the last code');
SELECT is(count(DISTINCT c.code), 1000::bigint, 'each once') FROM code c WHERE name = 'tiny';
SELECT is(capacity_of('tiny'), '1000 1000 0 1', 'every guess hits');
SELECT refused($$ SELECT generate('tiny', 1) $$, 'MS005', 'room for 0 more', 'full');
SELECT make_offer('at once', '{"code_charset": "NUMERIC", "code_length": 4, "code_prefix": "Q", "allow_dense_codes": true}');
SELECT is(generate('at once', 10000), 10000::bigint, 'a whole space at once');
SELECT is(count(DISTINCT c.code), 10000::bigint, 'each code once') FROM code c WHERE name = 'at once';
SELECT is(issue_of('guarded', 'bob', :t), 'NO_CODES_LEFT', 'of ten codes');
SELECT alter_offer('guarded', 'allow_dense_codes', 'true');
SELECT is(issue_of('guarded', 'bob', :t, 9), 'OK OK OK OK OK OK OK OK NO_CODES_LEFT', 'issuing finds the last one too');
SELECT is(count(DISTINCT c.code), 10::bigint, 'each once') FROM code c WHERE name = 'guarded';
SELECT counted();

-- a space that other offers have used in part
SELECT make_offer('neighbour', '{"code_charset": "NUMERIC", "code_length": 1, "code_prefix": "N", "allow_dense_codes": true}');
SELECT make_offer('late', '{"code_charset": "NUMERIC", "code_length": 1, "code_prefix": "N", "allow_dense_codes": true}');
SELECT is(generate('neighbour', 7), 7::bigint, 'seven of ten codes');
SELECT refused($$ SELECT generate('late', 4) $$, 'MS005', 'room for 3 more', 'another offer of the same pattern has three');
SELECT is(stock_of('late'), 0::bigint, 'what did not fit was not made');
SELECT is(generate('late', 3), 3::bigint, 'three are possible');
SELECT make_offer('kept', '{"code_method": "RANDOMISED", "sample_code": "KEPT12345"}');
SELECT make_offer('reserved', '{"code_charset": "ALPHANUMERIC", "code_length": 5, "code_prefix": "KEPT"}');
SELECT refused($$ SELECT generate('reserved', 1) $$, 'MS005', 'room for 0 more', 'what a sample reserves is not made');
SELECT is(issue_of('reserved', 'ann', :t), 'NO_CODES_LEFT', 'nor issued');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "C5"}');
SELECT make_offer('beside', '{"code_charset": "NUMERIC", "code_length": 1, "code_prefix": "C", "allow_dense_codes": true}');
SELECT is(generate('beside', 9), 9::bigint, 'nine codes beside a common one');
SELECT is_empty($$ SELECT FROM code WHERE name = 'beside' AND code = 'C5' $$, 'which is not among them');
SELECT throws_ok($$ SELECT generate('beside', 1) $$, 'MS005', NULL, 'and is the tenth');

-- revoked codes leave the stock, and can be made again
SELECT is(stock_of('neighbour'), 7::bigint, 'seven in stock');
SELECT is(count(*), 1::bigint, 'revoked') FROM cms_revoke(o('neighbour'), 'UNISSUED', confirm => true, at => :t);
SELECT is(stock_of('neighbour'), 0::bigint, 'none');
SELECT is(generate('neighbour', 7), 7::bigint, 'the space is free again');
SELECT counted();

-- the pattern may change
SELECT make_offer('changing', '{"code_charset": "NUMERIC", "code_length": 2, "code_prefix": "X"}');
SELECT is(generate('changing', 25), 25::bigint, 'a quarter of a hundred');
SELECT alter_offer('changing', 'code_length', '3');
SELECT is(generate('changing', 225), 225::bigint, 'with longer codes there is room for more');
SELECT is(string_agg(DISTINCT length(code)::text, ' '), '3 4', 'both kinds exist') FROM code WHERE name = 'changing';

-- calls that make no sense
SELECT is(generate('default', 0), 0::bigint, 'no codes wanted, none made');
SELECT throws_ok($$ SELECT generate('default', -1) $$, '22023', NULL, 'a negative number');
SELECT throws_ok($$ SELECT generate('default', NULL) $$, '22004', NULL, 'NULL');
SELECT throws_ok(format('SELECT cms_generate_codes(NULL, 1, at => %L)', :t), '22004', NULL, 'offer_id NULL');
SELECT throws_ok(format('SELECT cms_generate_codes(-1, 1, at => %L)', :t), 'MS001', NULL, 'an unknown offer');
SELECT throws_ok(format('SELECT cms_generate_codes(%s, 1, at => ''infinity'')', o('default')), '22023', NULL, 'at infinite');
SELECT throws_ok($$ SELECT generate('common', 1) $$, 'MS007', NULL, 'an offer with a common code');
SELECT throws_ok($$ SELECT generate('kept', 1) $$, 'MS007', NULL, 'a randomised one');
SELECT make_offer('uploaded', '{"code_method": "UPLOADED"}');
SELECT throws_ok($$ SELECT generate('uploaded', 1) $$, 'MS007', NULL, 'an uploaded one');
SELECT alter_offer('default', 'status', 'ARCHIVED');
SELECT refused($$ SELECT generate('default', 1) $$, '22023', 'archived', 'an archived one');
SELECT throws_ok('SELECT cms_code_capacity(NULL)', '22004', NULL, 'capacity of NULL');
SELECT throws_ok('SELECT cms_code_capacity(-1)', 'MS001', NULL, 'capacity of an unknown offer');
SELECT play_org('Europe/Berlin');
SELECT throws_ok(format('SELECT cms_generate_codes(%s, 1, at => %L)', (SELECT offer_id FROM cms.offer WHERE name = 'both'), :t),
	'MS001', NULL, 'another org''s offer');

SELECT * FROM finish();
ROLLBACK;
