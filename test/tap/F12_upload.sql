-- F12: existing codes, from arrays, alone or with customers.
BEGIN;
SELECT plan(91);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- The answers line by line: OK or the reason.
CREATE FUNCTION upload(offer text, codes text[], customers text[] DEFAULT NULL, service text DEFAULT NULL,
	at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(u.reason, 'OK'), ' ' ORDER BY line)
	FROM cms_upload_codes(o(offer), codes, customers, service, at => at) u
$$;
CREATE FUNCTION codes_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(c.code || coalesce('=' || c.customer_id, ''), ' ' ORDER BY c.coupon_id)
	FROM cms.coupon c WHERE c.offer_id = o(codes_of.offer) AND c.revoked_at IS NULL
$$;
CREATE FUNCTION numbers_of(offer text) RETURNS text
LANGUAGE sql AS $$ SELECT concat_ws(' ', issued, stock) FROM cms.offer_performance WHERE offer_id = o(numbers_of.offer) $$;

-- alone
SELECT make_offer('up', '{"code_method": "UPLOADED"}');
SELECT results_eq(format('SELECT line, code, customer_id, loaded, reason, message, coupon_id IS NOT NULL
		FROM cms_upload_codes(%s, ARRAY[''B-1'', ''no good'', ''a_2''], at => %L)', o('up'), :t),
	$$ VALUES (1::bigint, 'B-1', NULL::text, true, NULL::text, NULL::text, true),
		(2, 'no good', NULL, false, 'CODE_INVALID', 'The code has characters other than letters, digits, - and _.', false),
		(3, 'A_2', NULL, true, NULL, NULL, true) $$,
	'a row per line: as it is stored, or as it came with reason and sentence');
SELECT is(codes_of('up'), 'B-1 A_2', 'the good ones are there, in the order in which they came');
SELECT is(numbers_of('up'), '0 2', 'in stock');
CREATE TEMP TABLE answer AS SELECT * FROM cms_upload_codes(o('up'), ARRAY['C3'], at => :t);
SELECT is(a.coupon_id, c.coupon_id, 'the answer has the id of the coupon') FROM answer a LEFT JOIN cms.coupon c USING (code);
SELECT is(issue_of('up', 'ann', :t, 4), 'OK OK OK NO_CODES_LEFT', 'they are issued until there is none left');
SELECT is(codes_of('up'), 'B-1=ann A_2=ann C3=ann', 'in the order in which they came');
SELECT is(use_of('b-1', 'ann', :t), 'OK', 'and redeemed');
SELECT is((SELECT concat_ws(' ', space IS NULL, used, available IS NULL, guess_chance IS NULL) FROM cms_code_capacity(o('up'))),
	't 3 t t', 'capacity: without a pattern only what is used is known');

-- what a code is
SELECT make_offer('forms', '{"code_method": "UPLOADED"}');
SELECT is(upload('forms', ARRAY[NULL]), 'CODE_EMPTY', 'NULL');
SELECT is(upload('forms', ARRAY['']), 'CODE_EMPTY', 'empty');
SELECT is(upload('forms', ARRAY[' ', E'\t', U&'\00A0', E' \t\u00a0 ']), 'CODE_EMPTY CODE_EMPTY CODE_EMPTY CODE_EMPTY', 'blank');
SELECT is(upload('forms', ARRAY[repeat('x', 41)]), 'CODE_TOO_LONG', '41 characters');
SELECT is(upload('forms', ARRAY[repeat('x', 40)]), 'OK', '40 characters');
SELECT is(upload('forms', ARRAY[' ' || repeat('y', 40) || ' ']), 'OK', 'blanks around it do not count');
SELECT is(upload('forms', ARRAY['A B', 'A%', 'A.B', E'A\n', 'Ä', 'ＡＢ', E'A\u00a0B', '🎁', 'A''B']),
	repeat('CODE_INVALID ', 8) || 'CODE_INVALID', 'odd characters');
SELECT is(upload('forms', ARRAY[repeat('%', 41)]), 'CODE_INVALID', 'odd characters are told before the length');
SELECT is(upload('forms', ARRAY[E'\u00a0nb-1\u00a0', E'\ttab-1 \t']), 'OK OK', 'no-break spaces and tabs are trimmed');
SELECT is(upload('forms', ARRAY['abcXYZ-_09']), 'OK', 'small letters');
SELECT is(codes_of('forms'), concat_ws(' ', repeat('X', 40), repeat('Y', 40), 'NB-1', 'TAB-1', 'ABCXYZ-_09'), 'become capitals');
SELECT is((SELECT code FROM cms_upload_codes(o('forms'), ARRAY[' a%b '], at => :t)), ' a%b ', 'a bad code comes back as it came');
SELECT is((SELECT code FROM cms_upload_codes(o('forms'), ARRAY[NULL], at => :t)), NULL, 'NULL too');

-- repeated, taken, reserved
SELECT make_offer('other', '{"code_method": "UPLOADED"}');
SELECT is(upload('other', ARRAY['ONE', 'two', 'One', ' TWO ', 'THREE']), 'OK OK CODE_REPEATED CODE_REPEATED OK',
	'a code that came before in the call');
SELECT is(upload('other', ARRAY['THREE', 'FOUR', 'TWO']), 'CODE_TAKEN OK CODE_TAKEN', 'the same file again loads what is missing');
SELECT is((SELECT message FROM cms_upload_codes(o('other'), ARRAY['ONE'], at => :t)), 'The offer has this code already.',
	'the message tells that it is there');
SELECT is(upload('up', ARRAY['ONE', 'FIVE']), 'CODE_TAKEN OK', 'a code of another offer');
SELECT is((SELECT message FROM cms_upload_codes(o('up'), ARRAY['ONE'], at => :t)), 'Another offer has this code.', 'the message tells that too');
SELECT is(numbers_of('other'), '0 4', 'counted once each');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "SAVE"}');
SELECT make_offer('sample', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');
SELECT make_offer('digits', '{"code_method": "RANDOMISED", "sample_code": "98765"}');
SELECT is(issue_of('sample', 'ann', :t), 'OK', 'a randomised code is out');
SELECT is(upload('other', ARRAY['save', 'TESTABCDE', 'TESTABCD', 'TESTABCDEF', 'TEST-1234', '98123', '9812A', '981234', code_of('sample', 'ann')]),
	'CODE_RESERVED CODE_RESERVED OK OK OK CODE_RESERVED OK OK CODE_TAKEN',
	'common codes and what samples make are reserved; what is out is taken');
SELECT is(upload('other', ARRAY['save', 'SAVE']), 'CODE_RESERVED CODE_REPEATED', 'repeated comes before reserved');
SELECT make_offer('generated');
SELECT is(issue_of('generated', 'ann', :t), 'OK', 'a generated code is out');
SELECT is(upload('other', ARRAY[lower(code_of('generated', 'ann'))]), 'CODE_TAKEN', 'and taken');

-- with customers: each line is an issue
SELECT make_offer('with', '{"code_method": "UPLOADED", "max_issued_per_customer": 3}');
SELECT is(upload('with', ARRAY['W1', 'W2', 'W3', 'W4', 'W5', 'W6'], ARRAY['ann', 'ann', 'bob', 'ann', 'ann', NULL]),
	'OK OK OK OK CUSTOMER_ISSUE_LIMIT OK', 'three rows of max 3 per customer load, the fourth does not');
SELECT is(string_agg(code || coalesce('=' || customer_id, ''), ' ' ORDER BY code), 'W1=ann W2=ann W3=bob W4=ann W6',
	'those without a customer are in stock') FROM cms.coupon WHERE offer_id = o('with');
SELECT is(numbers_of('with'), '4 1', 'issued and stock are counted');
SELECT is((SELECT string_agg(DISTINCT issued_at::text, ' ') FROM cms.coupon WHERE offer_id = o('with')), (:t::timestamptz)::text,
	'issued at the time of the call');
SELECT is(use_of('w4', 'ann', :t), 'OK', 'they are redeemed by whom they were issued to');
SELECT is(use_of('w3', 'ann', :t), 'NOT_THE_HOLDER', 'not by others');
SELECT is(upload('with', ARRAY['W1', 'W2', 'W3', 'W4', 'W5', 'W6'], ARRAY['ann', 'ann', 'bob', 'ann', 'ann', NULL]),
	'CODE_TAKEN CODE_TAKEN CODE_TAKEN CODE_TAKEN CUSTOMER_ISSUE_LIMIT CODE_TAKEN', 'the same file again: what is there, and what was refused');
SELECT is(upload('with', ARRAY['W7', 'W8'], ARRAY['', ' ']), 'OK OK', 'a blank customer is none');
SELECT is((SELECT customer_id FROM cms.coupon WHERE code = 'W7'), NULL, 'its code is in stock');
SELECT is(upload('with', ARRAY['X 1', 'SAVE', 'W1', 'W1', 'W9'], ARRAY['ann', 'ann', 'ann', 'cid', 'cid']),
	'CODE_INVALID CODE_RESERVED CODE_TAKEN CODE_REPEATED OK', 'what is wrong with the code comes before the rules of issuing');
SELECT is(upload('with', ARRAY['L1', 'L1', 'L 2', 'W1', 'SAVE', 'L3'], array_fill(repeat('x', 1001), ARRAY[6])),
	'CUSTOMER_INVALID CODE_REPEATED CODE_INVALID CUSTOMER_INVALID CUSTOMER_INVALID CUSTOMER_INVALID', 'a customer that is none: the code is not to blame');
SELECT is((SELECT message FROM cms_upload_codes(o('with'), ARRAY['L4'], ARRAY[repeat('é', 501)], at => :t)), 'The customer''s id is longer than 1000 bytes.', 'counted in bytes');
INSERT INTO code_upload (offer_id, code, customer_id) VALUES (o('with'), 'L5', repeat('x', 1001));
SELECT is((SELECT concat_ws(' ', loaded, rejected) FROM cms_load_codes_step(o('with'), at => :t)), '0 1', 'likewise through the view');
SELECT is((SELECT concat_ws(' ', reason, message) FROM code_upload WHERE code = 'L5'), 'CUSTOMER_INVALID The customer''s id is longer than 1000 bytes.', 'which keeps the line');
SELECT is((SELECT concat_ws(' ', customer_id, reason, message) FROM cms_upload_codes(o('with'), ARRAY['W10'], ARRAY['ann'], at => :t)),
	'ann CUSTOMER_ISSUE_LIMIT A customer is given at most 3 coupons of this offer.', 'the row has the customer and the sentence of issuing');
SELECT is((SELECT count(*) FROM cms.coupon WHERE code = 'W10'), 0::bigint, 'a code that was not issued is not kept');
SELECT is(upload('with', ARRAY['W10']), 'OK', 'it can be uploaded without the customer');

SELECT make_offer('gap', '{"code_method": "UPLOADED", "min_days_between_issues": 7}');
SELECT is(upload('gap', ARRAY['G1', 'G2'], ARRAY['ann', 'ann']), 'OK ISSUE_GAP', 'a gap between issues');
SELECT is(upload('gap', ARRAY['G3'], ARRAY['ann'], at => '2025-11-18 11:00 Asia/Kolkata'), 'ISSUE_GAP', 'binds on day 6');
SELECT is(upload('gap', ARRAY['G3'], ARRAY['ann'], at => '2025-11-19 11:00 Asia/Kolkata'), 'OK', 'and not on day 7');
SELECT make_offer('capped', '{"code_method": "UPLOADED", "max_issued": 2}');
SELECT is(upload('capped', ARRAY['K1', 'K2', 'K3', 'K4'], ARRAY['ann', 'bob', 'cid', NULL]), 'OK OK OFFER_ISSUE_LIMIT OK', 'a cap on issues');
SELECT make_offer('listed', '{"code_method": "UPLOADED", "audience_only": true}');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('listed'), 'ann');
SELECT is(upload('listed', ARRAY['L1', 'L2'], ARRAY['ann', 'bob']), 'OK NOT_IN_AUDIENCE', 'an audience');
SELECT make_offer('ended', '{"code_method": "UPLOADED", "expires_on": "2025-11-11"}');
SELECT is(upload('ended', ARRAY['E1', 'E2'], ARRAY['ann', NULL]), 'OFFER_EXPIRED OK', 'an offer that has ended only takes stock');
SELECT make_offer('third', '{"code_method": "UPLOADED", "delivery": "THIRD_PARTY", "max_issued_per_customer": 1}');
SELECT is(upload('third', ARRAY['T1', 'T2'], ARRAY['ann', 'ann']), 'OK OK', 'limits per customer do not bind third parties');
SELECT is(upload('third', ARRAY['T3']), 'OK', 'a code of a third party');
SELECT is(use_of('T3', 'bob', :t), 'OK', 'is redeemed without having been issued');

-- services
SELECT make_offer('served', '{"code_method": "UPLOADED"}');
SELECT is(upload('served', ARRAY['S1'], service => 'DVS'), 'OK', 'codes for the stock claim nothing');
SELECT is((SELECT count(*) FROM cms.claim WHERE offer_id = o('served')), 0::bigint, 'for nobody');
SELECT is(upload('served', ARRAY['S2'], ARRAY['ann'], 'DVS'), 'OK', 'issuing in the name of a service');
SELECT is((SELECT service FROM cms.claim WHERE offer_id = o('served')), 'DVS', 'claims the offer');
SELECT is(upload('served', ARRAY['S3', 'S4'], ARRAY['ann', NULL], 'TIMELINE'), 'NOT_THE_CLAIMANT OK', 'another service cannot issue');

-- archived
SELECT alter_offer('with', 'status', 'ARCHIVED');
SELECT is(upload('with', ARRAY['V1', 'V2', 'V 3', 'W1', 'SAVE'], ARRAY['dan', NULL, NULL, NULL, NULL]),
	'OFFER_ARCHIVED OFFER_ARCHIVED CODE_INVALID CODE_TAKEN CODE_RESERVED', 'an archived offer takes no codes');

-- a revoked code can be uploaded again
SELECT is(upload('up', ARRAY['MOVE'], ARRAY['ann']), 'OK', 'a coupon of ann');
SELECT is(count(*), 1::bigint, 'is revoked') FROM cms_revoke(o('up'), 'CODES', codes => ARRAY['MOVE'], confirm => true, at => :t);
SELECT is(upload('up', ARRAY['MOVE'], ARRAY['bob']), 'OK', 'and uploaded for bob');
SELECT is(use_of('MOVE', 'bob', :t), 'OK', 'who redeems it');
SELECT is((SELECT string_agg(concat_ws(' ', customer_id, revoked_at IS NOT NULL), ', ' ORDER BY coupon_id)
	FROM cms.coupon WHERE code = 'MOVE'), 'ann t, bob f', 'the history of the first holder is kept');

-- arrays
SELECT is_empty(format('SELECT cms_upload_codes(%s, ''{}'', at => %L)', o('up'), :t), 'an empty array has no rows');
SELECT is_empty(format('SELECT cms_upload_codes(%s, ''{}'', ''{}'', at => %L)', o('up'), :t), 'nor have two');
SELECT is((SELECT count(*) FILTER (WHERE loaded) || ' ' || count(DISTINCT coupon_id) || ' ' || max(line)
	FROM cms_upload_codes(o('other'), ARRAY(SELECT 'MANY' || n FROM generate_series(1, 25000) n), at => :t)), '25000 25000 25000',
	'many lines, in several batches');
SELECT is((SELECT string_agg(DISTINCT reason, ' ') || ' ' || count(*)
	FROM cms_upload_codes(o('other'), ARRAY(SELECT 'MANY' || n FROM generate_series(25000, 1, -1) n), at => :t)), 'CODE_TAKEN 25000',
	'all of them again, in another order');
SELECT is((SELECT count(*) FILTER (WHERE reason = 'CODE_REPEATED')
	FROM cms_upload_codes(o('other'), ARRAY(SELECT 'REP' || n % 11000 FROM generate_series(1, 22000) n), at => :t)), 11000::bigint,
	'a code is remembered over batches');
SELECT is((SELECT string_agg(DISTINCT coalesce(reason, 'OK'), ' ') || ' ' || count(*) FROM cms_upload_codes(o('other'),
		ARRAY(SELECT 'CUST' || n FROM generate_series(1, 12000) n), ARRAY(SELECT 'c' || n FROM generate_series(1, 12000) n), at => :t)),
	'OK 12000', 'many with customers');

SELECT counted();
SELECT throws_ok(format('SELECT cms_upload_codes(%s, NULL, at => %L)', o('up'), :t), '22004', NULL, 'codes NULL');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A'', ''B''], ARRAY[''ann''], at => %L)', o('up'), :t), '22023', NULL,
	'arrays of different length');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], ''{}'', at => %L)', o('up'), :t), '22023', NULL, 'one of them empty');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[[''A'', ''B''], [''C'', ''D'']], at => %L)', o('up'), :t), '22023', NULL,
	'more than one dimension');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A'', ''B''], ARRAY[[''ann'', ''bob'']], at => %L)', o('up'), :t), '22023', NULL,
	'of the customers too');
SELECT throws_ok(format('SELECT cms_upload_codes(NULL, ARRAY[''A''], at => %L)', :t), '22004', NULL, 'offer_id NULL');
SELECT throws_ok(format('SELECT cms_upload_codes(-1, ARRAY[''A''], at => %L)', :t), 'MS001', NULL, 'an unknown offer');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], at => NULL)', o('up')), '22004', NULL, 'at NULL');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], at => ''-infinity'')', o('up')), '22023', NULL, 'at infinite');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], service => ''POST'', at => %L)', o('up'), :t), '22023', NULL, 'an unknown service');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], ARRAY[''ann''], ''OUTBOUND'', at => %L)', o('other'), :t), '22004', NULL,
	'OUTBOUND without its campaign');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], at => %L)', o('common'), :t), 'MS007', NULL, 'an offer with a common code');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], at => %L)', o('sample'), :t), 'MS007', NULL, 'a randomised one');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], at => %L)', o('generated'), :t), 'MS007', NULL, 'a generated one');
SELECT play_org('Europe/Berlin');
SELECT throws_ok(format('SELECT cms_upload_codes(%s, ARRAY[''A''], at => %L)', (SELECT offer_id FROM cms.offer WHERE name = 'up'), :t),
	'MS001', NULL, 'another org''s offer');

SELECT * FROM finish();
ROLLBACK;
