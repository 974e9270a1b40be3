-- F18: coupons per customer, days between two, and reissue of the one held.
BEGIN;
SELECT plan(49);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- at most n
SELECT make_offer('two', '{"max_issued_per_customer": 2}');
SELECT is(issue_of('two', 'ann', :t), 'OK', 'one');
SELECT is(issue_of('two', 'ann', '2025-11-13 11:00 Asia/Kolkata'), 'OK', 'two');
SELECT is(issue_of('two', 'ann', '2026-11-13 11:00 Asia/Kolkata'), 'CUSTOMER_ISSUE_LIMIT', 'no third, however late');
SELECT is(issue_of('two', 'bob', :t), 'OK', 'bob has his own');
SELECT is(use_of(code_of('two', 'ann', 1), 'ann', :t), 'OK', 'one is used');
SELECT is(issue_of('two', 'ann', '2026-11-13 11:00 Asia/Kolkata'), 'CUSTOMER_ISSUE_LIMIT', 'which changes nothing');
SELECT matches((SELECT message FROM cms_issue(o('two'), 'ann', at => :t)), '2', 'the sentence tells how many');
SELECT alter_offer('two', 'max_issued_per_customer', '3');
SELECT is(issue_of('two', 'ann', :t), 'OK', 'a raised limit');
SELECT alter_offer('two', 'max_issued_per_customer', '1');
SELECT is(issue_of('two', 'bob', :t), 'CUSTOMER_ISSUE_LIMIT', 'a lowered limit');
SELECT make_offer('none', '{"max_issued_per_customer": 0}');
SELECT is(issue_of('none', 'ann', :t), 'CUSTOMER_ISSUE_LIMIT', '0 means none');
SELECT is((SELECT message FROM cms_issue(o('none'), 'ann', at => :t)), 'The offer gives customers no coupon.', 'in a sentence');

-- three rows of max 3 per customer load, the fourth does not
SELECT make_offer('upload', '{"code_method": "UPLOADED", "max_issued_per_customer": 3}');
SELECT is(rows_of($$ SELECT line, code, customer_id, loaded, reason FROM cms_upload_codes(o('upload'), '{C1,C2,C3,C4,C5}', '{ann,ann,ann,ann,bob}', at => '2025-11-12 UTC') $$),
	'(1,C1,ann,t,) (2,C2,ann,t,) (3,C3,ann,t,) (4,C4,ann,f,CUSTOMER_ISSUE_LIMIT) (5,C5,bob,t,)', 'an upload');
SELECT counted();

-- days between two: calendar dates
SELECT make_offer('daily', '{"min_days_between_issues": 1}');
SELECT is(issue_of('daily', 'ann', '2025-11-12 23:59 Asia/Kolkata'), 'OK', 'a minute before midnight');
SELECT is(issue_of('daily', 'ann', '2025-11-12 23:59:59 Asia/Kolkata'), 'ISSUE_GAP', 'not twice a day');
SELECT is((SELECT next_allowed_on FROM cms_issue(o('daily'), 'ann', at => '2025-11-12 23:59:59 Asia/Kolkata')), '2025-11-13'::date, 'the answer tells the day');
SELECT is(issue_of('daily', 'ann', '2025-11-13 00:00 Asia/Kolkata'), 'OK', 'the next date is enough for 1');
SELECT is(issue_of('daily', 'ann', '2025-11-14 00:00 Asia/Kolkata', 2), 'OK ISSUE_GAP', 'two at once are two on a day');
SELECT make_offer('weekly', '{"min_days_between_issues": 7}');
SELECT is(issue_of('weekly', 'ann', '2025-11-01 23:00 Asia/Kolkata'), 'OK', 'day 0');
SELECT is(issue_of('weekly', 'ann', '2025-11-07 23:59:59 Asia/Kolkata'), 'ISSUE_GAP', 'day 6');
SELECT matches((SELECT message FROM cms_issue(o('weekly'), 'ann', at => '2025-11-07 Asia/Kolkata')), '2025-11-08', 'the sentence tells the day');
SELECT is(issue_of('weekly', 'ann', '2025-11-08 00:00 Asia/Kolkata'), 'OK', 'day 7');
SELECT is(issue_of('weekly', 'ann', '2025-11-08 00:00 Asia/Kolkata'), 'ISSUE_GAP', 'begins a new week');
SELECT is(issue_of('weekly', 'bob', '2025-11-08 00:00 Asia/Kolkata'), 'OK', 'bob has his own');
SELECT make_offer('no gap', '{"min_days_between_issues": 0}');
SELECT is(issue_of('no gap', 'ann', :t, 3), 'OK OK OK', '0 is none');
-- a revoked coupon was received
SELECT is((SELECT revoked_issued FROM cms_revoke(o('weekly'), 'CUSTOMERS', '{bob}', confirm => true, at => '2025-11-08 Asia/Kolkata')), 1::bigint, 'bob''s is revoked');
SELECT is(issue_of('weekly', 'bob', '2025-11-09 00:00 Asia/Kolkata'), 'ISSUE_GAP', 'and counts as received');
SELECT counted();

-- reissue: the active coupon that the customer holds, marked as a replay, nothing counted
SELECT make_offer('again', '{"reissue": "EXISTING", "max_issued": 2, "max_issued_per_customer": 2, "min_days_between_issues": 30, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 10}');
SELECT is(rows_of($$ SELECT issued, reason, replayed FROM cms_issue(o('again'), 'ann', at => '2025-11-01 Asia/Kolkata') $$), '(t,,f)', 'the first is new');
SELECT is(rows_of($$ SELECT issued, reason, replayed, code = code_of('again', 'ann'), expires_at AT TIME ZONE 'Asia/Kolkata' FROM cms_issue(o('again'), 'ann', at => '2025-11-02 Asia/Kolkata') $$),
	'(t,,t,t,"2025-11-12 00:00:00")', 'then that one again, whatever the gap, as it is');
SELECT is((SELECT issued FROM cms.offer_performance WHERE offer_id = o('again')), 1::bigint, 'nothing is counted');
SELECT is(use_of(code_of('again', 'ann'), 'ann', '2025-11-03 Asia/Kolkata'), 'OK', 'it is used');
SELECT is(issue_of('again', 'ann', '2025-11-04 Asia/Kolkata'), 'ISSUE_GAP', 'a used one is not active: the rules for a new one hold');
SELECT alter_offer('again', 'min_days_between_issues', NULL);
SELECT is(rows_of($$ SELECT issued, replayed FROM cms_issue(o('again'), 'ann', at => '2025-11-04 Asia/Kolkata') $$), '(t,f)', 'a new one');
SELECT is(issue_of('again', 'ann', '2025-11-14 Asia/Kolkata'), 'OK', 'on its last day it is active') WHERE (SELECT replayed FROM cms_issue(o('again'), 'ann', at => '2025-11-14 Asia/Kolkata'));
SELECT is(issue_of('again', 'ann', '2025-11-15 Asia/Kolkata'), 'CUSTOMER_ISSUE_LIMIT', 'an expired one is not');
SELECT is(issue_of('again', 'bob', '2025-11-15 Asia/Kolkata'), 'OFFER_ISSUE_LIMIT', 'and for others the cap holds');
SELECT make_offer('again, twice', '{"reissue": "EXISTING", "max_uses_per_coupon": 2}');
SELECT is(issue_of('again, twice', 'ann', :t), 'OK', 'a coupon of two uses');
SELECT is(use_of(code_of('again, twice', 'ann'), 'ann', :t), 'OK', 'used once');
SELECT is((SELECT replayed FROM cms_issue(o('again, twice'), 'ann', at => :t)), true, 'is active still');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('again, twice'), 'CUSTOMERS', '{ann}', confirm => true, at => :t)), 1::bigint, 'revoked');
SELECT is((SELECT replayed FROM cms_issue(o('again, twice'), 'ann', at => :t)), false, 'it is not');
SELECT make_offer('again, common', '{"reissue": "EXISTING", "code_method": "COMMON", "common_code": "ALL"}');
SELECT is(rows_of($$ SELECT issued, replayed, code FROM cms_issue(o('again, common'), 'ann', 2, at => '2025-11-12 UTC') $$), '(t,f,ALL) (t,t,ALL)', 'a common code');
SELECT counted();

-- settings
SELECT offer_refused(jsonb_build_object(name, -1), name, 'negative ' || name) FROM unnest('{max_issued_per_customer,min_days_between_issues}'::text[]) name;
SELECT offer_refused('{"min_days_between_issues": 2147483647}', 'min_days_between_issues', 'days beyond the calendar');
SELECT offer_refused('{"reissue": "MAYBE"}', 'reissue', 'an unknown way to reissue');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
