-- F8: an offer that was used is archived, not deleted.
BEGIN;
SELECT plan(31);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- archived: nothing more is issued, coupons out stay redeemable
SELECT make_offer('old', '{"max_uses_per_coupon": 2}');
SELECT is(issue_of('old', 'ann', :t), 'OK', 'a coupon');
SELECT is(use_of(code_of('old', 'ann'), 'ann', :t, bill => 'B1'), 'OK', 'is used once');
SELECT alter_offer('old', 'status', 'ARCHIVED');
SELECT is(issue_of('old', 'bob', :t), 'OFFER_ARCHIVED', 'nothing more is issued');
SELECT is(use_of(code_of('old', 'ann'), 'ann', :t), 'OK', 'the coupon stays redeemable');
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'B1'), at => :t)), true, 'and its uses reversible');
SELECT refused($$ SELECT cms_generate_codes(o('old'), 1, '2025-11-12 UTC') $$, '22023', 'archived', 'no codes are made');
SELECT is((SELECT reason FROM cms_claim(o('old'), 'DVS', at => :t)), 'OFFER_ARCHIVED', 'nobody claims it');
SELECT is((SELECT status FROM cms.offer_dashboard WHERE offer_id = o('old')), 'ARCHIVED', 'the dashboard tells');
SELECT make_offer('old, uploaded', '{"code_method": "UPLOADED"}');
SELECT is(rows_of($$ SELECT loaded FROM cms_upload_codes(o('old, uploaded'), '{U1,U2}', at => '2025-11-12 UTC') $$), '(t) (t)', 'codes in stock');
SELECT alter_offer('old, uploaded', 'status', 'ARCHIVED');
SELECT is(rows_of($$ SELECT loaded, reason FROM cms_upload_codes(o('old, uploaded'), '{U3}', '{ann}', at => '2025-11-12 UTC') $$), '(f,OFFER_ARCHIVED)', 'none are issued by an upload');
SELECT make_offer('old, common', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true}');
SELECT is(use_of('all', 'ann', :t), 'OK', 'a common code that anyone may use');
SELECT alter_offer('old, common', 'status', 'ARCHIVED');
SELECT is(use_of('all', 'bob', :t), 'NOT_ISSUED', 'makes no more coupons by use');
SELECT make_offer('old, third', '{"code_method": "UPLOADED", "delivery": "THIRD_PARTY"}');
SELECT is(rows_of($$ SELECT loaded FROM cms_upload_codes(o('old, third'), '{TP1}', at => '2025-11-12 UTC') $$), '(t)', 'a code that a third party has handed out');
SELECT alter_offer('old, third', 'status', 'ARCHIVED');
SELECT is(use_of('tp1', 'bob', :t), 'OK', 'is out, and stays redeemable');
SELECT counted();
-- and back
SELECT alter_offer('old', 'status', 'ACTIVE');
SELECT is(issue_of('old', 'bob', :t), 'OK', 'an offer can be taken back from the archive');

-- deleted only while it was never used
SELECT refused($$ DELETE FROM cms.offer WHERE offer_id = o('old') $$, 'MS008', 'old|offer', 'an offer that has issued cannot be deleted');
SELECT refused($$ DELETE FROM cms.offer WHERE offer_id = o('old, common') $$, 'MS008', 'old|offer', 'nor one that was redeemed');
SELECT make_offer('revoked');
SELECT is(issue_of('revoked', 'ann', :t), 'OK', 'an offer of which everything');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'ALL_UNREDEEMED', confirm => true, at => :t)), 1::bigint, 'is revoked');
SELECT refused($$ DELETE FROM cms.offer WHERE offer_id = o('revoked') $$, 'MS008', 'revoked|offer', 'has issued nevertheless');
SELECT make_offer('unused', '{"product_scope": "SELECTED_PRODUCTS", "store_scope": "SELECTED_STORES", "audience_only": true}');
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (o('unused'), 'BRAND', 'X');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES (o('unused'), 'STORE', 'S1');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('unused'), 'ann');
INSERT INTO cms.offer_window (offer_id, weekdays) VALUES (o('unused'), '{1}');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (o('unused'), o('old')), (o('old'), o('unused'));
SELECT is(cms_generate_codes(o('unused'), 10, :t), 10::bigint, 'an offer with codes in stock only');
SELECT is((SELECT claimed FROM cms_claim(o('unused'), 'DVS', at => :t)), true, 'claimed');
SELECT o('unused') AS unused \gset
SELECT lives_ok($$ DELETE FROM cms.offer WHERE offer_id = o('unused') $$, 'can be deleted');
SELECT is((SELECT count(*) FROM (SELECT offer_id FROM cms.offer UNION ALL SELECT offer_id FROM cms.coupon UNION ALL SELECT offer_id FROM cms.offer_product
	UNION ALL SELECT offer_id FROM cms.offer_entity UNION ALL SELECT offer_id FROM cms.offer_audience UNION ALL SELECT offer_id FROM cms.offer_window
	UNION ALL SELECT offer_id FROM cms.offer_exclusion UNION ALL SELECT other_offer_id FROM cms.offer_exclusion UNION ALL SELECT offer_id FROM cms.claim
	UNION ALL SELECT offer_id FROM cms.offer_slot) x WHERE offer_id = :unused), 0::bigint, 'with everything that belongs to it');
SELECT make_offer('sample', '{"code_method": "RANDOMISED", "sample_code": "TEST12345"}');
SELECT lives_ok($$ DELETE FROM cms.offer WHERE offer_id = o('sample') $$, 'a sample that was not used');
SELECT lives_ok($$ SELECT make_offer('sample again', '{"code_method": "RANDOMISED", "sample_code": "TESTXXXXX"}') $$, 'is free again');
SELECT refused(format('DELETE FROM cms.org WHERE org_id = %s', current_setting('cms.org')), '23503|23514|MS008', 'org', 'an org with offers cannot be deleted');
SELECT refused($$ DELETE FROM cms.offer $$, 'MS008', 'offer', 'nor all offers at once');
SELECT is((SELECT count(*) FROM cms.redemption WHERE reversed_at IS NULL), 3::bigint, 'the history stays');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
