-- F10: one code for all customers of an offer, each of whom holds a coupon of their own.
BEGIN;
SELECT plan(60);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION common_of(offer text) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT common_code FROM cms.offer WHERE offer_id = o(common_of.offer) $$;

-- one code, a coupon each
SELECT make_offer('save', '{"code_method": "COMMON", "common_code": "  save-10 "}');
SELECT is(common_of('save'), 'SAVE-10', 'the code is kept trimmed and in capitals');
SELECT is(issue_of('save', 'ann', :t), 'OK', 'issued to one customer');
SELECT is(issue_of('save', 'bob', :t), 'OK', 'and to another');
SELECT is(code_of('save', 'ann'), 'SAVE-10', 'one has the code');
SELECT is(code_of('save', 'bob'), 'SAVE-10', 'the other has it too');
SELECT is(count(DISTINCT coupon_id), 2::bigint, 'on coupons of their own') FROM cms.coupon WHERE offer_id = o('save');
SELECT is(bool_and(shared), true, 'that are marked as shared') FROM cms.coupon WHERE offer_id = o('save');
SELECT is(issue_of('save', 'ann', :t), 'COMMON_CODE_ONCE', 'at most one issue per customer');
SELECT is(issue_of('save', 'cid', :t, 3), 'OK COMMON_CODE_ONCE COMMON_CODE_ONCE', 'also when asked for several at once');
SELECT is(use_of('save-10', 'ann', :t), 'OK', 'redeemed in small letters');
SELECT is(use_of(E' \tSAVE-10\u00a0', 'bob', :t), 'OK', 'and with blanks around it');
SELECT is(use_of('SAVE-10', 'ann', :t), 'ALREADY_REDEEMED', 'each customer''s coupon is used up by itself');
SELECT is(use_of('SAVE-10', 'cid', :t), 'OK', 'another''s is not');
SELECT is(use_of('SAVE-10', 'dan', :t), 'NOT_ISSUED', 'who was not given it cannot use it');
SELECT is((SELECT concat_ws(' ', issued, redeemed, uses) FROM cms.offer_performance WHERE offer_id = o('save')), '3 3 3',
	'the counters know each');
SELECT is((SELECT concat_ws(' ', space, used, available, guess_chance::int) FROM cms_code_capacity(o('save'))), '1 1 0 1',
	'capacity: one code, and everybody can guess it');

-- only for specific customers
SELECT make_offer('few', '{"code_method": "COMMON", "common_code": "FEW", "audience_only": true}');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('few'), 'ann');
SELECT is(issue_of('few', 'ann', :t), 'OK', 'a listed customer gets the code');
SELECT is(issue_of('few', 'bob', :t), 'NOT_IN_AUDIENCE', 'another one does not');

-- anyone
SELECT make_offer('all', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true}');
SELECT is(use_of('ALL', 'eve', :t), 'OK', 'where anyone may, the coupon comes with its first use');
SELECT is(code_of('all', 'eve'), 'ALL', 'and is the redeemer''s own');
SELECT is(use_of('ALL', 'eve', :t), 'ALREADY_REDEEMED', 'used once');
SELECT is(issue_of('all', 'eve', :t), 'COMMON_CODE_ONCE', 'it counts as issued');

-- the one name space of codes
SELECT make_offer('generated');
SELECT is(issue_of('generated', 'ann', :t), 'OK', 'a generated code');
SELECT offer_refused(jsonb_build_object('code_method', 'COMMON', 'common_code', code_of('generated', 'ann')),
	'', 'a common code that a coupon has', 'MS012');
SELECT make_offer('uploaded', '{"code_method": "UPLOADED"}');
SELECT is(loaded, true, 'an uploaded code') FROM cms_upload_codes(o('uploaded'), ARRAY['UP-1'], at => :t);
SELECT offer_refused('{"code_method": "COMMON", "common_code": "up-1"}', '', 'a common code that clashes with an uploaded one', 'MS012');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "Save-10"}', '', 'a common code of another offer', 'MS012');
SELECT make_offer('sample', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "TESTABCDE"}', '', 'a common code that a sample reserves', 'MS012');
SELECT make_offer('near', '{"code_method": "COMMON", "common_code": "TESTABCDEF"}');
SELECT is(common_of('near'), 'TESTABCDEF', 'a longer one is not reserved');
SELECT make_offer('near too', '{"code_method": "COMMON", "common_code": "TEST-BCDE"}');
SELECT is(common_of('near too'), 'TEST-BCDE', 'nor is one with a character that no sample makes');
SELECT is(reason, 'CODE_RESERVED', 'a common code cannot be uploaded')
	FROM cms_upload_codes(o('uploaded'), ARRAY['SAVE-10'], at => :t);
SELECT is(count(*), 1::bigint, 'once the uploaded coupon is revoked')
	FROM cms_revoke(o('uploaded'), 'UNISSUED', confirm => true, at => :t);
SELECT make_offer('after', '{"code_method": "COMMON", "common_code": "UP-1"}');
SELECT is(common_of('after'), 'UP-1', 'its code may become a common one');
SELECT play_org('Europe/Berlin');
SELECT make_offer('elsewhere', '{"code_method": "COMMON", "common_code": "SAVE-10"}');
SELECT is(issue_of('elsewhere', 'ann', :t), 'OK', 'another org may have the same code');
SELECT is(use_of('SAVE-10', 'ann', :t), 'OK', 'which is then its own offer''s');
SELECT is(use_of('FEW', 'ann', :t), 'CODE_NOT_FOUND', 'codes of the first org are unknown there');
SELECT back_to_org('Asia/Kolkata');

-- changed
SELECT alter_offer('save', 'common_code', 'save-20');
SELECT is(common_of('save'), 'SAVE-20', 'a common code may be changed');
SELECT is(use_of('SAVE-10', 'ann', :t), 'CODE_NOT_FOUND', 'the old one is no code any more');
SELECT is(use_of('SAVE-20', 'ann', :t), 'ALREADY_REDEEMED', 'the coupons out follow');
SELECT is(issue_of('save', 'fay', :t), 'OK', 'issuing goes on');
SELECT is(code_of('save', 'fay'), 'SAVE-20', 'with the new one');
SELECT make_offer('heir', '{"code_method": "COMMON", "common_code": "SAVE-10"}');
SELECT is(issue_of('heir', 'ann', :t), 'OK', 'the old one is free for another offer');
SELECT is(use_of('SAVE-10', 'ann', :t), 'OK', 'whose coupon it then finds');
SELECT refused($$ SELECT alter_offer('save', 'common_code', 'all') $$, 'MS012', '', 'not to one that is taken');

-- what is no code
SELECT offer_refused('{"code_method": "COMMON"}', 'common_code', 'a common code is needed', '23514|23502');
SELECT offer_refused('{"code_method": "COMMON", "common_code": ""}', 'common_code', 'empty', '23514|23502');
SELECT offer_refused('{"code_method": "COMMON", "common_code": " \t "}', 'common_code', 'blank', '23514|23502');
SELECT offer_refused(jsonb_build_object('code_method', 'COMMON', 'common_code', repeat('A', 41)), 'common_code', '41 characters');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "50 %"}', 'common_code', 'odd characters');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "ÄÖÜ"}', 'common_code', 'letters that are not ASCII');
SELECT make_offer('longest', jsonb_build_object('code_method', 'COMMON', 'common_code', repeat('A', 40)));
SELECT is(length(common_of('longest')), 40, '40 characters are not too many');
SELECT offer_refused('{"common_code": "SAVE-30"}', 'common_code', 'a generated offer has no common code');
SELECT offer_refused('{"code_method": "COMMON", "common_code": "X1", "sample_code": "TESTS1234"}', 'sample_code', 'nor a common one a sample');
SELECT refused($$ SELECT alter_offer('longest', 'common_code', NULL) $$, '23514|23502', 'common_code', 'it cannot be taken away');

-- the code changes while coupons are out: they are known by the present one, in every answer
SELECT make_offer('moved', '{"code_method": "COMMON", "common_code": "OLD-1", "reissue": "EXISTING"}');
SELECT is((SELECT code FROM cms_issue(o('moved'), 'ann', request_key => 'k-1', at => :t)), 'OLD-1', 'issued with the old code');
SELECT alter_offer('moved', 'common_code', 'NEW-1');
SELECT is((SELECT code || replayed FROM cms_issue(o('moved'), 'ann', request_key => 'k-1', at => :t)), 'NEW-1true', 'the same request again tells the new one');
SELECT is((SELECT code || replayed FROM cms_issue(o('moved'), 'ann', at => :t)), 'NEW-1true', 'so does the coupon held already');
SELECT is(use_of('NEW-1', 'ann', :t), 'OK', 'by which it is redeemed');
SELECT is((SELECT revoked_issued FROM issue_of('moved', 'bob', :t), cms_revoke(o('moved'), 'CODES', codes => '{new-1}', confirm => true, at => :t)), 1::bigint,
	'and revoked');

SELECT counted();
SELECT * FROM finish();
ROLLBACK;
