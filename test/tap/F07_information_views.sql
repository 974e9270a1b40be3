-- F7, F48: what views tell of offers, coupons and redemptions; each equals a recount of the tables.
BEGIN;
SELECT plan(49);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

INSERT INTO cms.org_entity (entity_type, entity_id, name) VALUES ('STORE', 'S1', 'Main Street'), ('STORE', 'S2', 'Harbour');
SELECT make_offer('a', '{"discount_type": "PERCENTAGE", "discount_value": 10, "max_issued": 10, "max_redemptions": 5, "max_discount_total": 100, "max_uses_per_coupon": 2, "starts_after_days": 1,
	"coupon_expiry_type": "DAYS", "coupon_expiry_value": 5}');
SELECT make_offer('b', '{"code_method": "UPLOADED"}');
SELECT make_offer('unused', '{"max_issued": 3}');

-- an offer nobody used
SELECT is(rows_of($$ SELECT name, issued, stock, redeemed, uses, redemption_rate, discount_given, issues_left, redemptions_left, budget_left,
	first_issued_at, last_issued_at, first_redeemed_at, last_redeemed_at FROM cms.offer_performance WHERE name = 'unused' $$), '(unused,0,0,0,0,,0,3,,,,,,)', 'nothing yet: zeros, no rate, NULL where there is no limit');

-- four days of two offers: issues on the 10th (three) and 12th (one), uses on the 11th, 12th and 13th in two stores
SELECT is((SELECT count(*) FROM cms_issue_many(o('a'), '{ann,bob,cid}', service => 'DVS', at => '2025-11-10 23:50 Asia/Kolkata') WHERE issued), 3::bigint, 'three coupons late on the 10th');
SELECT is(issue_of('a', 'dee', '2025-11-12 00:10 Asia/Kolkata', service => 'DVS'), 'OK', 'one early on the 12th');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('b'), '{B1,B2,B3}', '{ann,NULL,NULL}', at => '2025-11-12 12:00 Asia/Kolkata') WHERE loaded), 3::bigint, 'one and two in stock of the other offer');
SELECT is(use_of(code_of('a', 'ann'), 'ann', '2025-11-11 00:00 Asia/Kolkata', 100, 'S1', bill => 'X1'), 'OK', 'a use at the first moment of the 11th');
SELECT is(use_of(code_of('a', 'ann'), 'ann', '2025-11-12 23:59 Asia/Kolkata', 200, 'S2', bill => 'X2'), 'OK', 'one at the end of the 12th');
SELECT is(use_of(code_of('a', 'bob'), 'bob', '2025-11-13 12:00 Asia/Kolkata', 300, 'S1', bill => 'X3'), 'OK', 'one on the 13th');
SELECT is(use_of(code_of('a', 'dee'), 'dee', '2025-11-13 13:00 Asia/Kolkata', 150, bill => 'X4'), 'OK', 'one nobody knows where');
SELECT is(use_of('b1', 'ann', '2025-11-13 14:00 Asia/Kolkata', 50, 'S3', bill => 'X5'), 'OK', 'one of the other offer');

SELECT is(rows_of($$ SELECT issued, stock, redeemed, uses, redemption_rate, discount_given, issues_left, redemptions_left, budget_left FROM cms.offer_performance WHERE name = 'a' $$),
	'(4,0,3,4,0.75000000000000000000,75.00,6,1,25.00)', 'the numbers of an offer');
SELECT is(rows_of($$ SELECT first_issued_at AT TIME ZONE 'Asia/Kolkata', last_issued_at AT TIME ZONE 'Asia/Kolkata', first_redeemed_at AT TIME ZONE 'Asia/Kolkata', last_redeemed_at AT TIME ZONE 'Asia/Kolkata'
	FROM cms.offer_performance WHERE name = 'a' $$), '("2025-11-10 23:50:00","2025-11-12 00:10:00","2025-11-11 00:00:00","2025-11-13 13:00:00")', 'first and last issue and redemption');
SELECT is(rows_of($$ SELECT issued, stock, redeemed, uses FROM cms.offer_performance WHERE name = 'b' $$), '(1,2,1,1)', 'and of the other');
SELECT counted();

-- by day, in the org's zone
SELECT is(rows_of($$ SELECT name, day, issued, redeemed, round(redemption_rate, 2), uses, discount FROM cms.redemption_rate_by_day ORDER BY name, day $$),
	'(a,2025-11-10,3,2,0.67,0,0) (a,2025-11-11,0,0,,1,10.00) (a,2025-11-12,1,1,1.00,1,20.00) (a,2025-11-13,0,0,,2,45.00) (b,2025-11-12,1,1,1.00,0,0) (b,2025-11-13,0,0,,1,10.00)',
	'issues on their day, with what became of them; uses on theirs');
-- by store
SELECT is(rows_of($$ SELECT name, store_id, store_name, issued, redeemed, round(redemption_rate, 2), uses, discount, bill_amount FROM cms.redemption_rate_by_store ORDER BY name, store_id $$),
	'(a,S1,"Main Street",4,2,0.50,2,40.00,400) (a,S2,Harbour,4,1,0.25,1,20.00,200) (a,,,4,1,0.25,1,15.00,150) (b,S3,,1,1,1.00,1,10.00,50)', 'each store, also one that is not registered, and none');
-- by service
SELECT is(rows_of($$ SELECT service, offers, issued, redeemed, round(redemption_rate, 2), uses, discount FROM cms.redemption_rate_by_service ORDER BY service $$),
	'(DVS,1,4,3,0.75,4,75.00) (,2,1,1,1.00,1,10.00)', 'by the service that claimed, and nobody''s');

-- a reversal goes out of all of them
SELECT is((SELECT reversed FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE bill_ref = 'X3'), at => '2025-11-13 15:00 Asia/Kolkata')), true, 'bob''s use is taken back');
SELECT is(rows_of($$ SELECT issued, redeemed, uses, discount_given, redemptions_left, budget_left FROM cms.offer_performance WHERE name = 'a' $$), '(4,2,3,45.00,2,55.00)', 'in the numbers of the offer');
SELECT is(rows_of($$ SELECT day, issued, redeemed, uses, discount FROM cms.redemption_rate_by_day WHERE name = 'a' ORDER BY day $$),
	'(2025-11-10,3,1,0,0) (2025-11-11,0,0,1,10.00) (2025-11-12,1,1,1,20.00) (2025-11-13,0,0,1,15.00)', 'by day');
SELECT is(rows_of($$ SELECT store_id, redeemed, uses, discount FROM cms.redemption_rate_by_store WHERE name = 'a' ORDER BY store_id $$), '(S1,1,1,10.00) (S2,1,1,20.00) (,1,1,15.00)', 'by store');
SELECT is(rows_of($$ SELECT service, redeemed, uses, discount FROM cms.redemption_rate_by_service ORDER BY service $$), '(DVS,2,3,45.00) (,1,1,10.00)', 'and by service');
SELECT counted();

-- every report equals a recount
SELECT is((SELECT (sum(issued), sum(uses), sum(discount))::text FROM cms.redemption_rate_by_day),
	(SELECT ((SELECT count(issued_at) FROM cms.coupon), count(*), sum(discount))::text FROM cms.redemption WHERE reversed_at IS NULL), 'the days add up to all coupons and live redemptions');
SELECT is((SELECT (sum(uses), sum(discount), sum(bill_amount))::text FROM cms.redemption_rate_by_store),
	(SELECT (count(*), sum(discount), sum(bill_amount))::text FROM cms.redemption WHERE reversed_at IS NULL), 'so do the stores');
SELECT is((SELECT (sum(issued), sum(uses), sum(discount))::text FROM cms.redemption_rate_by_service),
	(SELECT ((SELECT count(issued_at) FROM cms.coupon), count(*), sum(discount))::text FROM cms.redemption WHERE reversed_at IS NULL), 'and the services');

-- coupons; times are far off, as a state is as of now
SELECT make_offer('states', '{"max_uses_per_coupon": 2}');
SELECT make_offer('states, ended', '{"expires_on": "2020-01-31"}');
SELECT make_offer('states, days', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0, "starts_on": "2020-01-20"}');
SELECT is((SELECT count(*) FROM cms_issue_many(o('states'), '{ann,bob,cid}', at => '2020-01-01 UTC') WHERE issued), 3::bigint, 'three coupons');
SELECT is(cms_generate_codes(o('states'), 1, '2020-01-01 UTC'), 1::bigint, 'a code in stock');
SELECT is(issue_of('states, ended', 'ann', '2020-01-01 UTC'), 'OK', 'one of an offer that ended');
SELECT is(issue_of('states, days', 'ann', '2020-01-01 12:00 Asia/Kolkata'), 'OK', 'one that ended by itself');
SELECT is(use_of(code_of('states', 'ann'), 'ann', '2020-01-02 UTC'), 'OK', 'used') FROM generate_series(1, 2);
SELECT is(use_of(code_of('states', 'bob'), 'bob', '2020-01-02 UTC'), 'OK', 'used once');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('states'), 'CUSTOMERS', '{cid}', confirm => true, at => '2020-01-03 UTC')), 1::bigint, 'revoked');
SELECT is(rows_of($$ SELECT offer_name, customer_id, state, uses, uses_left FROM cms.coupon_status WHERE offer_name LIKE 'states%' ORDER BY offer_name, customer_id $$),
	'(states,ann,REDEEMED,2,0) (states,bob,ACTIVE,1,1) (states,cid,REVOKED,0,2) (states,,UNISSUED,0,2) ("states, days",ann,EXPIRED,0,1) ("states, ended",ann,EXPIRED,0,1)', 'the state of each coupon');
SELECT is(rows_of($$ SELECT issued_at AT TIME ZONE 'Asia/Kolkata', valid_from AT TIME ZONE 'Asia/Kolkata', expires_at AT TIME ZONE 'Asia/Kolkata', last_redeemed_at, service FROM cms.coupon_status WHERE offer_name = 'states, days' $$),
	'("2020-01-01 12:00:00","2020-01-20 00:00:00","2020-01-02 00:00:00",,)', 'with its times');
SELECT is((SELECT count(*) FROM cms.coupon_status s JOIN cms.coupon c USING (org_id, coupon_id) WHERE s.code = c.code), (SELECT count(*) FROM cms.coupon), 'and its code');

-- a time of request that no report could show is refused, or shown
CREATE FUNCTION try_at(at timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cms_issue(o('states'), 'zoe', at => at);
	PERFORM cms_redeem(code_of('states', 'zoe'), 'zoe', 1, 'far ' || at, at => at);
	RETURN 'accepted';
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN 'refused';
END
$$;
SELECT matches(try_at(at), 'accepted|refused', at::text) FROM unnest(ARRAY['4714-11-24 00:00 BC UTC', '0001-01-01 UTC', '9999-12-31 UTC', '294276-12-31 23:59 UTC']::timestamptz[]) AS at;
SELECT lives_ok('SELECT * FROM cms.' || view, view || ' shows them') FROM unnest('{coupon_status,offer_performance,offer_dashboard,redemption_rate_by_day,redemption_rate_by_store,redemption_rate_by_service}'::text[]) view;

-- codes are not for everybody, other orgs' rows are for nobody
CREATE ROLE f07_analyst IN ROLE cms_analyst;
INSERT INTO cms.org_role (org_id, role_name) VALUES (current_setting('cms.org')::int, 'f07_analyst');
SET LOCAL ROLE f07_analyst;
SELECT count(*) AS rows, count(code) AS codes FROM cms.coupon_status \gset
RESET ROLE;
SELECT is(:codes || ' of ' || :rows, '0 of ' || count(*), 'an analyst sees coupons without codes') FROM cms.coupon;
SELECT play_org('UTC');
INSERT INTO cms.org_role (org_id, role_name) VALUES (current_setting('cms.org')::int, 'f07_analyst');
DELETE FROM cms.org_role WHERE role_name = 'f07_analyst' AND org_id <> current_setting('cms.org')::int;
SET LOCAL ROLE f07_analyst;
SELECT (SELECT count(*) FROM cms.coupon_status) + (SELECT count(*) FROM cms.offer_performance) + (SELECT count(*) FROM cms.redemption_rate_by_day)
	+ (SELECT count(*) FROM cms.redemption_rate_by_store) + (SELECT count(*) FROM cms.redemption_rate_by_service) + (SELECT count(*) FROM cms.redemption) AS rows \gset
RESET ROLE;
SELECT is(:rows, 0, 'of another org''s rows none');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
