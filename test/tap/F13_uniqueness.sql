-- F13: a code is unique in its org among coupons that are not revoked, whatever made it.
BEGIN;
SELECT plan(51);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION upload(offer text, codes text[], customers text[] DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(u.reason, 'OK'), ' ' ORDER BY line)
	FROM cms_upload_codes(o(offer), codes, customers, at => '2025-11-12 11:00 Asia/Kolkata') u
$$;
CREATE FUNCTION revoke(offer text, code text) RETURNS bigint
LANGUAGE sql AS $$
	SELECT count(*) FROM cms_revoke(o(offer), 'CODES', codes => ARRAY[code], confirm => true,
		at => '2025-11-12 11:00 Asia/Kolkata')
$$;
CREATE FUNCTION holders_of(code text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(concat_ws(' ', coalesce(c.customer_id, 'nobody'), CASE WHEN c.revoked_at IS NOT NULL THEN 'revoked' END), ', '
		ORDER BY c.coupon_id) FROM cms.coupon c WHERE c.code = holders_of.code AND c.org_id = current_setting('cms.org')::int
$$;

-- what one kind has, no other can take
SELECT make_offer('up', '{"code_method": "UPLOADED"}');
SELECT make_offer('up too', '{"code_method": "UPLOADED"}');
SELECT make_offer('made', '{"code_charset": "NUMERIC", "code_length": 1, "code_prefix": "M", "allow_dense_codes": true}');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "SAVE"}');
SELECT make_offer('sample', '{"code_method": "RANDOMISED", "sample_code": "77AB9"}');
SELECT is(upload('up', ARRAY['U1', 'M3', 'M4'], ARRAY['ann', NULL, 'bob']), 'OK OK OK', 'uploaded codes');
SELECT is(upload('up too', ARRAY['U1', 'M3', 'M4', 'SAVE', '77XYZ']), 'CODE_TAKEN CODE_TAKEN CODE_TAKEN CODE_RESERVED CODE_RESERVED',
	'no other upload can have them, nor codes of other kinds');
SELECT is(cms_generate_codes(o('made'), 6, at => :t), 6::bigint, 'codes are generated beside them');
SELECT is(issue_of('made', 'ann', :t, 3), 'OK OK OK', 'from stock and new');
SELECT is(issue_of('made', 'ann', :t, 6), 'OK OK OK OK OK NO_CODES_LEFT', 'until eight of ten are out, two being taken');
SELECT is(count(DISTINCT code), 8::bigint, 'each once') FROM cms.coupon WHERE offer_id = o('made');
SELECT is_empty($$ SELECT code FROM cms.coupon WHERE offer_id = o('made') AND code IN ('M3', 'M4') $$, 'none of the uploaded ones');
SELECT is(upload('up', ARRAY['m0', 'm1', 'm2', 'm5', 'm6', 'm7', 'm8', 'm9']), repeat('CODE_TAKEN ', 7) || 'CODE_TAKEN',
	'generated codes cannot be uploaded');
SELECT is(issue_of('sample', 'ann', :t, 5), 'OK OK OK OK OK', 'randomised codes');
SELECT is(upload('up', ARRAY[code_of('sample', 'ann')]), 'CODE_TAKEN', 'are taken');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "m5"}', '', 'a generated code cannot become a common one', 'MS012');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "U1"}', '', 'nor can an uploaded one', 'MS012');
SELECT offer_refused(jsonb_build_object('code_method', 'COMMON', 'common_code', code_of('sample', 'ann')), '', 'nor a randomised one', 'MS012');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "77000"}', '', 'nor one that may yet be made', 'MS012');
SELECT is(upload('up too', ARRAY['RAND12345', 'RANDABC-5']), 'OK OK', 'codes that a sample would make');
SELECT offer_refused('{"code_method": "RANDOMISED", "sample_code": "RAND00000"}', '', 'keep the sample from being made', 'MS012');
SELECT is(revoke('up too', 'RAND12345'), 1::bigint, 'until they are revoked');
SELECT make_offer('rand', '{"code_method": "RANDOMISED", "sample_code": "RAND00000"}');
SELECT is(issue_of('rand', 'ann', :t), 'OK', 'then it can; a code that no sample makes is not in its way');

-- case and blanks make no difference
SELECT is(upload('up too', ARRAY['u1', ' U1', E'U1\u00a0', E'\tu1\t']), 'CODE_TAKEN CODE_REPEATED CODE_REPEATED CODE_REPEATED',
	'however it is typed');
SELECT is(use_of(E'\u00a0 u1\t', 'ann', :t), 'OK', 'also when redeemed');
SELECT is(use_of('U1', 'ann', :t), 'ALREADY_REDEEMED', 'it is one coupon');

-- transfer: revoked, uploaded again, the history kept
SELECT is(upload('up', ARRAY['GIFT'], ARRAY['ann']), 'OK', 'a coupon of ann');
SELECT is(upload('up', ARRAY['GIFT'], ARRAY['bob']), 'CODE_TAKEN', 'cannot be given to bob');
SELECT is(revoke('up', 'gift'), 1::bigint, 'before it is revoked');
SELECT is(use_of('GIFT', 'ann', :t), 'COUPON_REVOKED', 'ann cannot use it any more');
SELECT is(upload('up', ARRAY['GIFT'], ARRAY['bob']), 'OK', 'bob gets it');
SELECT is(holders_of('GIFT'), 'ann revoked, bob', 'the history knows both');
SELECT is(use_of('GIFT', 'ann', :t), 'NOT_THE_HOLDER', 'the code is bob''s now');
SELECT is(use_of('GIFT', 'bob', :t), 'OK', 'who uses it');
SELECT is(upload('up too', ARRAY['GIFT'], ARRAY['cid']), 'CODE_TAKEN', 'used is not revoked');
SELECT is(revoke('up', 'GIFT'), 1::bigint, 'a redeemed coupon');
SELECT is(holders_of('GIFT'), 'ann revoked, bob', 'is never revoked');
SELECT is(upload('up', ARRAY['MOVE']), 'OK', 'a code in stock');
SELECT is(revoke('up', 'MOVE'), 1::bigint, 'revoked');
SELECT is(upload('up too', ARRAY['MOVE'], ARRAY['ann']), 'OK', 'may go to another offer');
SELECT is(revoke('up too', 'MOVE'), 1::bigint, 'and back');
SELECT is(upload('up', ARRAY['MOVE'], ARRAY['bob']), 'OK', 'again');
SELECT is(holders_of('MOVE'), 'nobody revoked, ann revoked, bob', 'as often as one likes');
SELECT is(count(*), 1::bigint, 'one of them is not revoked') FROM cms.coupon WHERE code = 'MOVE' AND revoked_at IS NULL;

-- the index is the last guard, whoever writes
SELECT throws_ok($$ INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code)
	SELECT org_id, -1, offer_id, code FROM cms.coupon WHERE code = 'U1' $$, '23505', NULL, 'a second row of a code is refused');
SELECT lives_ok($$ INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code, revoked_at)
	SELECT org_id, -1, offer_id, code, now() FROM cms.coupon WHERE code = 'U1' $$, 'a revoked one is not');

-- each org has its own name space
SELECT play_org('Europe/Berlin');
SELECT make_offer('abroad', '{"code_method": "UPLOADED"}');
SELECT is(upload('abroad', ARRAY['U1', 'SAVE', '77XYZ', 'M0', 'GIFT']), 'OK OK OK OK OK', 'another org may have the same codes');
SELECT is(holders_of('U1'), 'nobody', 'of its own');
SELECT is(use_of('U1', 'ann', :t), 'NOT_ISSUED', 'found as its own');
SELECT is(use_of('U2', 'ann', :t), 'CODE_NOT_FOUND', 'an unknown code');
SELECT is(use_of('MOVE', 'bob', :t), 'CODE_NOT_FOUND', 'one of another org is just as unknown');

-- what is typed and is no code
SELECT is(use_of(typed, 'ann', :t), 'CODE_NOT_FOUND', 'no code: ' || what)
	FROM (VALUES ('', 'empty'), (' ', 'blank'), (repeat('U', 41), '41 characters'), ('U%', 'odd characters'), (E'\u00a0', 'a no-break space')) bad (typed, what);

SELECT * FROM finish();
ROLLBACK;
