-- F7: everything about one offer.
BEGIN;
SELECT plan(22);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

SELECT make_offer('whole', '{"code": "W", "pos_code": "P", "max_issued": 10, "max_redemptions": 5, "max_discount_total": 1000, "expires_on": "2025-12-31", "code_length": 3, "owner_service": "LOYALTY"}');
SELECT is(rows_of(format($$ SELECT offer_id = %s, offer_code, name, pos_code, status, discount, expiry_type, expires_on, ends_at = '2026-01-01 00:00 Asia/Kolkata', code_method, codes_left,
	owner_service, owner_ref, service, claim_ends_on, claimed_by, issued, redeemed, uses, redemption_rate, discount_given, issues_left, redemptions_left, budget_left,
	first_issued_at, last_issued_at, first_redeemed_at, last_redeemed_at, created_by = current_user, created_at = now(), modified_by = current_user, modified_at = now()
	FROM cms_offer_info(%1$s, at => '2025-11-12 UTC') $$, o('whole'))),
	'(t,W,whole,P,ACTIVE,₹10,FIXED_DATE,2025-12-31,t,GENERATED,7447,LOYALTY,,,,,0,0,0,,0,10,5,1000,,,,,t,t,t,t)', 'an offer of which nothing is issued has no rate');
SELECT is(reason, NULL, 'claimed') FROM cms_claim(o('whole'), 'LOYALTY', 'gold', 'Gold club', '2025-12-20', at => :t);
SELECT is(count(*), 4::bigint, 'issued') FROM cms_issue_many(o('whole'), '{ann,bob,cid,dan}', service => 'LOYALTY', consumer_ref => 'gold', at => :t) WHERE issued;
SELECT is(use_of(code_of('whole', 'ann'), 'ann', '2025-11-12 12:00 Asia/Kolkata'), 'OK', 'and used');
SELECT is(cms_generate_codes(o('whole'), 100, at => :t), 100::bigint, 'some codes are made ahead');
SELECT is(rows_of(format($$ SELECT service, consumer_ref, consumer_name, claim_ends_on, claimed_by = current_user, claimed_at = now(), issued, redeemed, uses, round(redemption_rate, 2), discount_given,
	issues_left, redemptions_left, budget_left, codes_left, last_issued_at, last_redeemed_at FROM cms_offer_info(%s, at => '2025-11-12 UTC') $$, o('whole'))),
	'(LOYALTY,gold,"Gold club",2025-12-20,t,t,4,1,1,0.25,10.00,6,4,990.00,7443,"2025-11-12 05:30:00+00","2025-11-12 06:30:00+00")', 'who uses it, and its numbers: codes in stock are codes left');
SELECT is(rows_of($$ SELECT p.offer_id FROM cms.offer_performance p, cms_offer_info(p.offer_id) i
	WHERE (p.issued, p.redeemed, p.uses, p.redemption_rate, p.discount_given, p.issues_left, p.redemptions_left, p.budget_left, p.first_issued_at, p.last_issued_at, p.first_redeemed_at, p.last_redeemed_at)
	IS NOT DISTINCT FROM (i.issued, i.redeemed, i.uses, i.redemption_rate, i.discount_given, i.issues_left, i.redemptions_left, i.budget_left, i.first_issued_at, i.last_issued_at, i.first_redeemed_at, i.last_redeemed_at) $$),
	format('(%s)', o('whole')), 'the views say the same');
SELECT matches((SELECT configuration FROM cms_offer_info(o('whole'), at => :t)), E'^whole\n₹10 off, on all products.*\nIssued by LOYALTY program gold \\(Gold club\\) only\\.', 'its settings in words, a line each');

-- status and codes left, by how codes are made
SELECT is((SELECT status FROM cms_offer_info(o('whole'), at => '2025-12-31 23:59 Asia/Kolkata')), 'ACTIVE', 'on its last day');
SELECT is((SELECT status FROM cms_offer_info(o('whole'), at => '2026-01-01 00:00 Asia/Kolkata')), 'ENDED', 'and after it');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "HELLO"}');
SELECT is((SELECT codes_left FROM cms_offer_info(o('common'))), NULL, 'a common code is never used up');
SELECT make_offer('pool', '{"code_method": "UPLOADED"}');
SELECT is(count(*), 3::bigint, 'three codes') FROM cms_upload_codes(o('pool'), '{U1,U2,U3}') WHERE loaded;
SELECT is(issue_of('pool', 'ann', :t), 'OK', 'of which one is issued');
SELECT is((SELECT codes_left FROM cms_offer_info(o('pool'))), 2::numeric, 'leave two');
SELECT make_offer('random', '{"code_method": "RANDOMISED", "sample_code": "AB123"}');
SELECT is(issue_of('random', 'ann', :t, 2), 'OK OK', 'two of a sample');
SELECT is((SELECT codes_left FROM cms_offer_info(o('random'))), 46654::numeric, 'are taken from its space');

-- who sees what
CREATE ROLE f07_analyst IN ROLE cms_analyst;
INSERT INTO cms.org_role (org_id, role_name) SELECT org_id, 'f07_analyst' FROM cms.org WHERE name = 'Asia/Kolkata';
SELECT o('common') AS common \gset
SET LOCAL ROLE f07_analyst;
SELECT configuration FROM cms.cms_offer_info(:common) \gset
RESET ROLE;
SELECT matches((SELECT configuration FROM cms_offer_info(o('common'))), 'the same code, HELLO\.', 'the common code');
SELECT matches(:'configuration'::text, E'\nAll customers have the same code\\.', 'is not for analysts');
SELECT throws_ok('SELECT cms_offer_info(-1)', 'MS001', NULL, 'an unknown offer');
SELECT throws_ok('SELECT cms_offer_info(NULL)', '22004', NULL, 'NULL');
SELECT play_org('UTC', 'EUR');
SELECT throws_ok(format('SELECT cms_offer_info(%s)', :common), 'MS001', NULL, 'an offer of another org is unknown');
SELECT back_to_org('Asia/Kolkata');
SELECT counted();

SELECT * FROM finish();
ROLLBACK;
