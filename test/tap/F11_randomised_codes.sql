-- F11: codes from a sample: fixed part, random part, the whole space each code once.
BEGIN;
SELECT plan(80);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION mask_of(offer text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT sample_code FROM cms.offer WHERE offer_id = o(mask_of.offer) $$;
CREATE FUNCTION capacity_of(offer text) RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', space, used, available) FROM cms_code_capacity(o(offer)) $$;
CREATE VIEW code AS SELECT f.name, c.code, c.coupon_id, c.customer_id, c.shared
	FROM cms.coupon c JOIN cms.offer f USING (org_id, offer_id);
CREATE FUNCTION issue_many(offer text, first int, last int) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(answer || ' ' || times, ', ' ORDER BY answer DESC) FROM (
		SELECT coalesce(i.reason, 'OK') AS answer, count(*) AS times
		FROM cms_issue_many(o(offer), ARRAY(SELECT 'c' || n FROM generate_series(first, last) n),
			at => '2025-11-12 11:00 Asia/Kolkata') i GROUP BY 1) a
$$;

-- letters and digits
SELECT make_offer('test', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');
SELECT is(mask_of('test'), 'TEST?????', 'of the sample only its fixed part is kept');
SELECT is(capacity_of('test'), '60466176 0 60466176', 'TEST12345 has 60,466,176 codes');
SELECT is(issue_many('test', 1, 2000), 'OK 2000', 'issued');
SELECT is_empty($$ SELECT code FROM code WHERE name = 'test' AND code COLLATE "C" !~ '^TEST[0-9A-Z]{5}$' $$,
	'all codes 9 long, beginning TEST');
SELECT is(count(DISTINCT code), 2000::bigint, 'all different') FROM code WHERE name = 'test';
SELECT is(string_agg(DISTINCT ch, '' ORDER BY ch), '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'all characters occur')
	FROM code, regexp_split_to_table(substr(code, 5), '') ch WHERE name = 'test';
SELECT is(bool_or(shared), false, 'each coupon has its own') FROM code WHERE name = 'test';
SELECT is(capacity_of('test'), '60466176 2000 60464176', 'what is used is counted');
SELECT is((SELECT trim_scale(round(guess_chance, 9)) FROM cms_code_capacity(o('test'))), 0.000033076, 'with the chance of a guess');
CREATE TEMP VIEW neighbour AS
	SELECT code, lag(code) OVER (ORDER BY coupon_id) AS before FROM code WHERE name = 'test';
SELECT ok(count(*) FILTER (WHERE left(code, 5) = left(before, 5)) < 150, 'neighbours in issue are not neighbours in code') FROM neighbour;
SELECT ok(count(*) FILTER (WHERE code COLLATE "C" > before) BETWEEN 800 AND 1200, 'nor in its order') FROM neighbour;
SELECT is(use_of(lower(code_of('test', 'c1')), 'c1', :t), 'OK', 'a code is redeemed');
SELECT is(issue_of('test', 'c1', :t), 'OK', 'a customer may have several');

-- digits only
SELECT make_offer('12', '{"code_method": "RANDOMISED", "sample_code": "12345"}');
SELECT is(mask_of('12'), '12###', 'digits make digits');
SELECT is(capacity_of('12'), '1000 0 1000', '12345 has 1,000 codes');
SELECT is(issue_many('12', 1, 700), 'OK 700', 'many are issued');
SELECT is(issue_many('12', 701, 1001), 'OK 300, NO_CODES_LEFT 1', 'the 1,001st finds none');
SELECT is(count(DISTINCT code), 1000::bigint, 'each code was given once') FROM code WHERE name = '12';
SELECT is_empty($$ SELECT code FROM code WHERE name = '12' AND code COLLATE "C" !~ '^12[0-9]{3}$' $$, 'all of them digits');
SELECT is(capacity_of('12'), '1000 1000 0', 'none is left');
SELECT is(issue_of('12', 'ann', :t), 'NO_CODES_LEFT', 'for anybody');
SELECT is(count(*), 1::bigint, 'revoking them all') FROM cms_revoke(o('12'), 'ALL_UNREDEEMED', confirm => true, at => :t);
SELECT is(issue_of('12', 'ann', :t), 'NO_CODES_LEFT', 'brings none back');
SELECT counted();

-- what is refused takes no code
SELECT make_offer('34', '{"code_method": "RANDOMISED", "sample_code": "34567", "max_issued_per_customer": 1}');
SELECT is(issue_of('34', 'ann', :t, 3), 'OK CUSTOMER_ISSUE_LIMIT CUSTOMER_ISSUE_LIMIT', 'one of three is issued');
SELECT is(capacity_of('34'), '1000 1 999', 'and takes one place');
SAVEPOINT before;
SELECT is(issue_of('34', 'bob', :t), 'OK', 'an issue');
ROLLBACK TO before;
SELECT is(capacity_of('34'), '1000 1 999', 'that is rolled back has lost no place');
SELECT make_offer('capped', '{"code_method": "RANDOMISED", "sample_code": "56789", "max_issued": 2}');
SELECT is(issue_many('capped', 1, 4), 'OK 2, OFFER_ISSUE_LIMIT 2', 'the cap of the offer');
SELECT is(capacity_of('capped'), '1000 2 998', 'takes two places');

-- samples of all lengths
SELECT make_offer('of ' || sample, jsonb_build_object('code_method', 'RANDOMISED', 'sample_code', sample))
	FROM unnest(ARRAY['ABCDE', 'bcdefg', 'CDEFGHI', 'DEFGHIJK', 'EFGHIJKLM', 'FGHIJKLMNO', '0123456789', 'A-B_C', '98X76']) sample;
SELECT is(mask_of('of ABCDE'), 'AB???', '5 characters: 2 fixed');
SELECT is(mask_of('of bcdefg'), 'BCD???', '6: 3, in capitals');
SELECT is(mask_of('of CDEFGHI'), 'CDE????', '7: 3');
SELECT is(mask_of('of DEFGHIJK'), 'DEFG????', '8: 4');
SELECT is(mask_of('of EFGHIJKLM'), 'EFGH?????', '9: 4');
SELECT is(mask_of('of FGHIJKLMNO'), 'FGHIJ?????', '10: 5');
SELECT is(mask_of('of 0123456789'), '01234#####', '10 digits: 5, and digits');
SELECT is(mask_of('of A-B_C'), 'A-???', 'other characters of codes');
SELECT is(mask_of('of 98X76'), '98???', 'one letter makes letters');
SELECT is(capacity_of('of ABCDE'), '46656 0 46656', '36^3');
SELECT is(capacity_of('of CDEFGHI'), '1679616 0 1679616', '36^4');
SELECT is(capacity_of('of 0123456789'), '100000 0 100000', '10^5');
SELECT is(issue_many('of A-B_C', 1, 50), 'OK 50', 'they can be issued');
SELECT is_empty($$ SELECT code FROM code WHERE name = 'of A-B_C' AND code COLLATE "C" !~ '^A-[0-9A-Z]{3}$' $$,
	'with letters and digits in the random part');

-- the fixed part is the offer's own
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "TEST54321"}', '', 'two samples that make the same codes', 'MS012');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "TESTABCD"}', '', 'two samples that share the fixed part', 'MS012');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "test99999"}', '', 'in small letters too', 'MS012');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "1289A"}', '', 'digits or not', 'MS012');
SELECT make_offer('generated', '{"code_prefix": "WORD", "code_length": 5, "code_charset": "ALPHANUMERIC"}');
SELECT is(issue_of('generated', 'ann', :t), 'OK', 'a generated code');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "WORD12345"}', '', 'a sample whose codes exist', 'MS012');
SELECT make_offer('longer', '{"code_method": "RANDOMISED", "sample_code": "WORD123456"}');
SELECT is(mask_of('longer'), 'WORD1?????', 'another length is another space');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "COMMON123"}');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "COMM12345"}', '', 'a sample that a common code fits', 'MS012');
SELECT play_org('Europe/Berlin');
SELECT make_offer('elsewhere', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');
SELECT is(mask_of('elsewhere'), 'TEST?????', 'another org may have the same sample');
SELECT is(issue_many('elsewhere', 1, 100), 'OK 100', 'and issue from it');
SELECT ok(count(*) < 5, 'in an order of its own') FROM code a JOIN code b USING (customer_id, code)
	WHERE a.name = 'test' AND b.name = 'elsewhere';
SELECT back_to_org('Asia/Kolkata');

-- central, for everybody, not uploaded
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "ZZZZ1234", "owner_service": "DVS"}', 'owner_service', 'central offers only');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "ZZZZ1234", "audience_only": true}', 'audience_only', 'without an audience');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''TEST00000''], at => %L)', o('test'), :t), 'MS007', NULL, 'no upload');
SELECT throws_ok(format('SELECT cms_generate_codes(%s, 1, at => %L)', o('test'), :t), 'MS007', NULL, 'no stock');

-- fixed for ever
SELECT refused($$ SELECT alter_offer('test', 'sample_code', 'BEST12345') $$, 'MS003', 'sample_code', 'the sample cannot be changed');
SELECT refused($$ SELECT alter_offer('test', 'sample_code', NULL) $$, 'MS003|23514|23502', 'sample_code', 'nor taken away');
SELECT refused($$ SELECT alter_offer('test', 'code_method', 'GENERATED') $$, 'MS003', 'code_method', 'nor the method');

-- what is no sample
SELECT offer_refused('{"code_method": "RANDOMISED"}', 'sample_code', 'a sample is needed', '23514|23502');
SELECT offer_refused(jsonb_build_object('code_method', 'RANDOMISED', 'sample_code', sample), 'sample_code', 'refused: ' || what)
	FROM (VALUES ('ABCD', '4 characters'), ('ABCDEFGHIJK', '11 characters'), ('1234', '4 digits'), ('AB CD', 'a blank inside'),
		('AB%CD', 'an odd character'), ('ÄBCDE', 'not ASCII'), ('AB??', 'a mask of 4'), ('ABCDEF?????', 'a mask of 11'),
		('A????', 'a mask with too short a fixed part'), ('ABC??', 'or too long'), ('AB?#?', 'of two kinds'),
		('AB###', 'of digits after letters'), ('?????', 'without a fixed part')) bad (sample, what);
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "     "}', 'sample_code', 'blank', '23514|23502');
SELECT make_offer('restored', '{"code_method": "RANDOMISED", "sample_code": "REST?????"}');
SELECT is(mask_of('restored'), 'REST?????', 'a mask is what a restore brings');
SELECT make_offer('trimmed', '{"code_method": "RANDOMISED", "sample_code": " trim1234 "}');
SELECT is(mask_of('trimmed'), 'TRIM????', 'a sample is trimmed');

SELECT counted();
SELECT * FROM finish();
ROLLBACK;
