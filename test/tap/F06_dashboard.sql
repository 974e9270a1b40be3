-- F6: one row per offer: what it is, who uses it, its numbers and status.
BEGIN;
SELECT plan(21);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

SELECT make_offer('twenty', '{"code": "D20", "discount_type": "PERCENTAGE", "discount_value": 20, "discount_cap": 100, "expires_on": "2999-12-31"}');
SELECT make_offer('fifty', '{"code": "D50", "discount_value": 50.50, "max_uses_per_coupon": 3}');
SELECT make_offer('ended', '{"expires_on": "2020-01-31"}');
SELECT make_offer('campaign over');
SELECT make_offer('archived', '{"expires_on": "2020-01-31"}');
SELECT alter_offer('archived', 'status', 'ARCHIVED');
SELECT is((SELECT claimed FROM cms_claim(o('fifty'), 'OUTBOUND', 'spring', 'Spring sale', '2999-06-30', at => '2025-11-12 UTC')), true, 'one is claimed by a campaign');
SELECT is((SELECT claimed FROM cms_claim(o('campaign over'), 'TIMELINE', 't1', ends_on => '2020-06-30', at => '2020-01-01 UTC')), true, 'one by a program that is over');

SELECT is(rows_of($$ SELECT offer_code, code_method, discount_type, discount, expiry_type, expires_on, service, consumer_ref, consumer_name, issued, redeemed, uses, redemption_rate, status,
	created_by = current_user, created_at = now(), modified_by = current_user, modified_at = now() FROM cms.offer_dashboard WHERE name = 'twenty' $$),
	'(D20,GENERATED,PERCENTAGE,"20 %, at most ₹100",FIXED_DATE,2999-12-31,,,,0,0,0,,ACTIVE,t,t,t,t)', 'an offer as it was made; without issues there is no rate');
SELECT is(rows_of($$ SELECT discount, expiry_type, expires_on, service, consumer_ref, consumer_name, status FROM cms.offer_dashboard WHERE name = 'fifty' $$),
	'(₹50.50,WITH_CAMPAIGN,2999-06-30,OUTBOUND,spring,"Spring sale",ACTIVE)', 'who uses it, and when that ends');
SELECT is(rows_of($$ SELECT name, status FROM cms.offer_dashboard ORDER BY offer_id $$),
	'(twenty,ACTIVE) (fifty,ACTIVE) (ended,ENDED) ("campaign over",ENDED) (archived,ARCHIVED)', 'the status of each');
SELECT is(rows_of($$ SELECT name FROM cms.offer_dashboard WHERE status = 'ACTIVE' AND name ILIKE '%FIF%' ORDER BY modified_at DESC $$), '(fifty)', 'searched by name, active only');

-- numbers
SELECT is((SELECT count(*) FROM cms_issue_many(o('fifty'), '{ann,bob,cid}', service => 'OUTBOUND', consumer_ref => 'spring', at => '2025-11-12 10:00 UTC') WHERE issued), 3::bigint, 'three coupons');
SELECT is(rows_of($$ SELECT issued, redeemed, uses, redemption_rate FROM cms.offer_dashboard WHERE name = 'fifty' $$), '(3,0,0,0.00000000000000000000)', 'nothing redeemed yet');
SELECT is(use_of(code_of('fifty', 'ann'), 'ann', '2025-11-12 11:00 UTC', bill => 'B1'), 'OK', 'one is used');
SELECT is(use_of(code_of('fifty', 'ann'), 'ann', '2025-11-12 12:00 UTC'), 'OK', 'twice');
SELECT is(use_of(code_of('fifty', 'bob'), 'bob', '2025-11-12 13:00 UTC', bill => 'B3'), 'OK', 'another once');
SELECT is(rows_of($$ SELECT issued, redeemed, uses, round(redemption_rate, 4) FROM cms.offer_dashboard WHERE name = 'fifty' $$), '(3,2,3,0.6667)', 'two coupons redeemed in three uses');
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'B3'), at => '2025-11-12 14:00 UTC')), true, 'one use is taken back');
SELECT is(rows_of($$ SELECT issued, redeemed, uses, round(redemption_rate, 4) FROM cms.offer_dashboard WHERE name = 'fifty' $$), '(3,1,2,0.3333)', 'and counts no more');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('fifty'), 'CUSTOMERS', '{cid}', confirm => true, at => '2025-11-12 UTC')), 1::bigint, 'a coupon is revoked');
SELECT is((SELECT issued FROM cms.offer_dashboard WHERE name = 'fifty'), 3::bigint, 'and counts as issued');
SELECT counted();

-- an org's offers are seen by its roles only
SELECT play_org('UTC', 'EUR');
SELECT make_offer('elsewhere', '{"discount_value": 5}');
SELECT is((SELECT discount FROM cms.offer_dashboard WHERE name = 'elsewhere'), '€5', 'another org, another currency');
CREATE ROLE f06_analyst IN ROLE cms_analyst;
INSERT INTO cms.org_role (org_id, role_name) SELECT org_id, 'f06_analyst' FROM cms.org WHERE name = 'UTC';
SET LOCAL ROLE f06_analyst;
SELECT string_agg(name, ' ') AS seen FROM cms.offer_dashboard \gset
RESET ROLE;
SELECT is(:'seen'::text, 'elsewhere', 'a role of one org sees that org''s offers');
SELECT is((SELECT count(*) FROM cms.offer_dashboard), 6::bigint, 'a superuser all');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
