-- F17: offers for listed customers.
BEGIN;
SELECT plan(18);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

SELECT make_offer('listed', '{"audience_only": true}');
SELECT is(issue_of('listed', 'ann', :t), 'NOT_IN_AUDIENCE', 'an empty audience is nobody');
INSERT INTO cms.offer_audience (offer_id, customer_id) SELECT o('listed'), unnest('{ann,bob}'::text[]);
SELECT is(rows_of($$ SELECT customer_id, reason FROM cms_issue_many(o('listed'), '{ann,cid,Bob,bob}', at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(ann,) (cid,NOT_IN_AUDIENCE) (Bob,NOT_IN_AUDIENCE) (bob,)', 'who is listed, exactly');
DELETE FROM cms.offer_audience WHERE customer_id = 'ann';
SELECT is(issue_of('listed', 'ann', :t), 'NOT_IN_AUDIENCE', 'who is no more listed gets no other');
SELECT is(use_of(code_of('listed', 'ann'), 'ann', :t), 'OK', 'and may use what she has');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('listed'), 'cid');
SELECT is(issue_of('listed', 'cid', :t), 'OK', 'a new member');
SELECT is((SELECT count(*) FROM cms_issue_many(o('listed'), (SELECT array_agg(customer_id ORDER BY customer_id) FROM cms.offer_audience WHERE offer_id = o('listed')), at => :t) WHERE issued), 2::bigint, 'the audience, from a query');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "FEW", "audience_only": true}');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('common'), 'ann');
SELECT is(issue_of('common', 'ann', :t), 'OK', 'a common code for specific customers');
SELECT is(issue_of('common', 'bob', :t), 'NOT_IN_AUDIENCE', 'not for others');
SELECT make_offer('uploaded', '{"code_method": "UPLOADED", "audience_only": true}');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('uploaded'), 'ann');
SELECT is(rows_of($$ SELECT code, loaded, reason FROM cms_upload_codes(o('uploaded'), '{U1,U2,U3}', '{ann,bob,NULL}', at => '2025-11-12 UTC') $$), '(U1,t,) (U2,f,NOT_IN_AUDIENCE) (U3,t,)', 'an uploaded code with a customer is an issue');
SELECT counted();

-- settings
SELECT make_offer('everybody');
SELECT refused($$ INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('everybody'), 'ann') $$, 'MS011', 'audience_only|offer_audience', 'a list that the offer does not use');
SELECT refused($$ UPDATE cms.offer SET audience_only = false WHERE offer_id = o('listed') $$, 'MS011', 'audience_only|offer_audience|list', 'an offer is not opened while its list has rows');
DELETE FROM cms.offer_audience WHERE offer_id = o('listed');
UPDATE cms.offer SET audience_only = false WHERE offer_id = o('listed');
SELECT is(issue_of('listed', 'dee', :t), 'OK', 'without rows it can be opened');
SELECT refused($$ INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('common'), ' ') $$, '23514', 'customer_id', 'a blank customer');
SELECT refused($$ INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('common'), NULL) $$, '23502', 'customer_id', 'no customer');
SELECT refused($$ INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (-1, 'ann') $$, '23503|MS001', 'offer', 'an offer that does not exist');
SELECT offer_refused('{"audience_only": true, "code_method": "RANDOMISED", "sample_code": "TEST12345"}', 'audience_only', 'a randomised offer has no audience');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
