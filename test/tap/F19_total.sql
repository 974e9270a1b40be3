-- F19: coupons of an offer in all.
BEGIN;
SELECT plan(34);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

SELECT make_offer('three', '{"max_issued": 3}');
SELECT is((SELECT issues_left FROM cms.offer_performance WHERE offer_id = o('three')), 3::bigint, 'three left');
SELECT is(issue_of('three', 'ann', :t, 2), 'OK OK', 'two');
SELECT is(rows_of($$ SELECT customer_id, reason FROM cms_issue_many(o('three'), '{bob,cid,dee}', at => '2025-11-12 11:00 Asia/Kolkata') $$), '(bob,) (cid,OFFER_ISSUE_LIMIT) (dee,OFFER_ISSUE_LIMIT)', 'one more, not three');
SELECT is(rows_of($$ SELECT issued, issues_left FROM cms.offer_performance WHERE offer_id = o('three') $$), '(3,0)', 'none left');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('three'), 'CUSTOMERS', '{ann}', confirm => true, at => :t)), 2::bigint, 'two are revoked');
SELECT is(issue_of('three', 'cid', :t), 'OFFER_ISSUE_LIMIT', 'and count as issued');
SELECT is(rows_of($$ SELECT customer_id, reason FROM cms_issue_many(o('three'), '{cid,dee}', all_or_none => true, at => '2025-11-12 11:00 Asia/Kolkata') $$), '(cid,OFFER_ISSUE_LIMIT) (dee,OFFER_ISSUE_LIMIT)', 'all or none of nothing');
SELECT counted();

-- the cap may not drop below what is issued
SELECT refused($$ SELECT alter_offer('three', 'max_issued', '2') $$, '23514', 'max_issued', 'not below what is issued');
SELECT refused($$ SELECT alter_offer('three', 'max_issued', '0') $$, '23514', '3', 'which the message names');
SELECT alter_offer('three', 'max_issued', '4');
SELECT is(issue_of('three', 'cid', :t, 2), 'OK OFFER_ISSUE_LIMIT', 'one more');
SELECT lives_ok($$ SELECT alter_offer('three', 'max_issued', '4') $$, 'down to exactly what is issued');
SELECT alter_offer('three', 'max_issued', NULL);
SELECT is(issue_of('three', 'cid', :t, 2), 'OK OK', 'without a cap');
SELECT is((SELECT issues_left FROM cms.offer_performance WHERE offer_id = o('three')), NULL, 'nothing is left to tell');
SELECT lives_ok($$ SELECT alter_offer('three', 'max_issued', '6') $$, 'a cap that comes later');
SELECT is(issue_of('three', 'cid', :t), 'OFFER_ISSUE_LIMIT', 'counts what was before');
SELECT make_offer('zero', '{"max_issued": 0}');
SELECT is(issue_of('zero', 'ann', :t), 'OFFER_ISSUE_LIMIT', '0 means none');
SELECT is((SELECT message FROM cms_issue(o('zero'), 'ann', at => :t)), 'The offer gives out no coupon.', 'in a sentence');
SELECT offer_refused('{"max_issued": -1}', 'max_issued', 'a negative cap is refused');
SELECT refused($$ SELECT alter_offer('zero', 'max_issued', '-1') $$, '23514', 'max_issued', 'nor by a change');
SELECT counted();

-- all methods count; stock does not
SELECT make_offer('uploaded', '{"code_method": "UPLOADED", "max_issued": 2}');
SELECT is(rows_of($$ SELECT code, loaded, reason FROM cms_upload_codes(o('uploaded'), '{U1,U2,U3,U4,U5}', '{ann,NULL,NULL,bob,cid}', at => '2025-11-12 UTC') $$),
	'(U1,t,) (U2,t,) (U3,t,) (U4,t,) (U5,f,OFFER_ISSUE_LIMIT)', 'uploaded codes with customers are issues, others are stock');
SELECT is(issue_of('uploaded', 'dee', :t), 'OFFER_ISSUE_LIMIT', 'the stock stays where it is');
SELECT is(rows_of($$ SELECT issued, stock, issues_left FROM cms.offer_performance WHERE offer_id = o('uploaded') $$), '(2,2,0)', 'as the report tells');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "max_issued": 1}');
SELECT is(issue_of('common', 'ann', :t), 'OK', 'a common code');
SELECT is(issue_of('common', 'bob', :t), 'OFFER_ISSUE_LIMIT', 'has a cap too');
SELECT make_offer('random', '{"code_method": "RANDOMISED", "sample_code": "TEST12345", "max_issued": 2}');
SELECT is(issue_of('random', 'ann', :t, 3), 'OK OK OFFER_ISSUE_LIMIT', 'and randomised codes');
SELECT make_offer('stocked', '{"max_issued": 2}');
SELECT is(cms_generate_codes(o('stocked'), 3, :t), 3::bigint, 'more codes than may be issued');
SELECT is(issue_of('stocked', 'ann', :t, 3), 'OK OK OFFER_ISSUE_LIMIT', 'are not issued');
SELECT is(rows_of($$ SELECT issued, stock FROM cms.offer_performance WHERE offer_id = o('stocked') $$), '(2,1)', 'one stays in stock');

-- the codes themselves end: 12345 has 1,000
SELECT make_offer('thousand', '{"code_method": "RANDOMISED", "sample_code": "12345"}');
SELECT is((SELECT count(*) FROM cms_issue_many(o('thousand'), (SELECT array_agg('c' || g) FROM generate_series(1, 1001) g), at => :t) WHERE issued), 1000::bigint, 'a thousand codes');
SELECT is(issue_of('thousand', 'ann', :t), 'NO_CODES_LEFT', 'the 1,001st is NO_CODES_LEFT');
SELECT is((SELECT count(DISTINCT code) FROM cms.coupon WHERE offer_id = o('thousand') AND code ~ '^12[0-9]{3}$'), 1000::bigint, 'each of them once');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
