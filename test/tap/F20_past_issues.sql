-- F20: who received a coupon of a listed other offer in the past months gets none.
BEGIN;
SELECT plan(37);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

SELECT make_offer('earlier');
SELECT make_offer('earlier too');
SELECT make_offer('unrelated');
SELECT make_offer('new');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('new'), o('earlier')), (o('new'), o('earlier too'));

-- six months by default, by the calendar
SELECT is(issue_of('earlier', 'ann', '2025-05-12 23:59 Asia/Kolkata'), 'OK', 'ann received one in May');
SELECT is(issue_of('new', 'ann', '2025-05-13 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'and is refused the day after');
SELECT is(issue_of('new', 'ann', '2025-11-11 23:59:59.999999 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'to the day before six months are over');
SELECT is((SELECT next_allowed_on FROM cms_issue(o('new'), 'ann', at => '2025-05-13 Asia/Kolkata')), '2025-11-12'::date, 'the answer tells the day');
SELECT matches((SELECT message FROM cms_issue(o('new'), 'ann', at => '2025-05-13 Asia/Kolkata')), '2025-11-12', 'also in words');
SELECT is(issue_of('new', 'ann', '2025-11-12 00:00 Asia/Kolkata'), 'OK', 'on the day it is possible');
SELECT is(issue_of('new', 'bob', '2025-05-13 Asia/Kolkata'), 'OK', 'bob received none');
SELECT is(issue_of('unrelated', 'cid', '2025-05-13 Asia/Kolkata'), 'OK', 'cid received one of an offer that is not listed');
SELECT is(issue_of('new', 'cid', '2025-05-13 Asia/Kolkata'), 'OK', 'which does not count');
SELECT is(issue_of('earlier', 'bob', '2025-05-14 Asia/Kolkata'), 'OK', 'the list is of one direction');
-- 31 August + 6 months is the last of February
SELECT is(issue_of('earlier too', 'dee', '2025-08-31 12:00 Asia/Kolkata'), 'OK', 'on 31 August');
SELECT is(issue_of('new', 'dee', '2026-02-27 23:59 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'to 27 February');
SELECT is(issue_of('new', 'dee', '2026-02-28 00:00 Asia/Kolkata'), 'OK', 'from 28 February on');
-- the last of several counts
SELECT is(issue_of('earlier', 'eve', '2025-01-01 Asia/Kolkata'), 'OK', 'one in January');
SELECT is(issue_of('earlier too', 'eve', '2025-03-01 Asia/Kolkata'), 'OK', 'one in March');
SELECT is((SELECT next_allowed_on FROM cms_issue(o('new'), 'eve', at => '2025-04-01 Asia/Kolkata')), '2025-09-01'::date, 'the last one counts');
-- what became of it does not matter
SELECT is(issue_of('earlier', 'fay', '2025-05-01 Asia/Kolkata'), 'OK', 'one of fay');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('earlier'), 'CUSTOMERS', '{fay}', confirm => true, at => '2025-05-02 Asia/Kolkata')), 1::bigint, 'is revoked');
SELECT is(issue_of('new', 'fay', '2025-05-13 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'and was received');
SELECT counted();

-- the months are a setting
SELECT alter_offer('new', 'past_issue_months', '1');
SELECT is(issue_of('new', 'fay', '2025-05-31 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'one month: to the end of May');
SELECT is(issue_of('new', 'fay', '2025-06-01 Asia/Kolkata'), 'OK', 'from 1 June on');
SELECT alter_offer('new', 'past_issue_months', '0');
SELECT is(issue_of('new', 'eve', '2025-03-01 Asia/Kolkata'), 'OK', '0: also on the same day');
SELECT alter_offer('new', 'past_issue_months', '1200');
SELECT is(issue_of('new', 'eve', '2125-02-28 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'a hundred years');
SELECT alter_offer('new', 'past_issue_months', '6');

-- many customers at once, uploads, and common codes
SELECT is(rows_of($$ SELECT customer_id, reason FROM cms_issue_many(o('new'), '{bob,gus,ann}', at => '2025-05-20 Asia/Kolkata') $$), '(bob,RECENTLY_RECEIVED_OTHER) (gus,) (ann,RECENTLY_RECEIVED_OTHER)', 'many at once');
SELECT make_offer('uploaded', '{"code_method": "UPLOADED"}');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('uploaded'), o('earlier'));
SELECT is(rows_of($$ SELECT code, reason FROM cms_upload_codes(o('uploaded'), '{U1,U2}', '{bob,gus}', at => '2025-05-20 Asia/Kolkata') $$), '(U1,RECENTLY_RECEIVED_OTHER) (U2,)', 'an uploaded code with a customer is an issue');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL"}');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('common'), o('earlier')), (o('earlier'), o('common'));
SELECT is(issue_of('common', 'hal', '2025-05-20 Asia/Kolkata'), 'OK', 'offers that exclude each other');
SELECT is(issue_of('earlier', 'hal', '2025-05-20 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'in both directions');
DELETE FROM cms.offer_exclusion WHERE offer_id = o('earlier');
SELECT is(issue_of('earlier', 'hal', '2025-05-20 Asia/Kolkata'), 'OK', 'a list that is emptied');
SELECT counted();

-- settings
SELECT refused($$ INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('new'), o('new')) $$, '23514', 'other_offer_id', 'an offer cannot exclude itself');
SELECT refused($$ INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('new'), -1) $$, '23503|23514|MS001', 'offer', 'nor one that does not exist');
SELECT offer_refused('{"past_issue_months": -1}', 'past_issue_months', 'negative months');
SELECT offer_refused('{"past_issue_months": 2147483647}', 'past_issue_months', 'months beyond the calendar');
SELECT offer_refused('{"past_issue_months": null}', 'past_issue_months', 'no months', '23502');
SELECT o('earlier') AS other \gset
SELECT play_org('UTC');
SELECT make_offer('here');
SELECT refused(format('INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o(''here''), %s)', :other), '23503|23514|MS001', 'offer', 'nor another org''s');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
