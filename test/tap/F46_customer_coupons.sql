-- F46: a customer's coupons by every combination of statuses: the same truth as cms.coupon_status and cms_check.
BEGIN;
\ir lib/scene.psql
SELECT plan(32);

SELECT play_org('Asia/Kolkata');
SELECT make_offer('once'), make_offer('twice', '{"max_uses_per_coupon": 2}'), make_offer('free', '{"max_uses_per_coupon": null}'),
	make_offer('later', '{"starts_after_days": 10}'), make_offer('fixed', '{"starts_on": "2025-03-05", "expires_on": "2025-03-20"}'),
	make_offer('outlives', '{"expires_on": "2025-03-08", "outlives_offer": true, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 9}'),
	make_offer('days', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3, "max_uses_per_coupon": 3, "reversal_restores_use": false}'),
	make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "anyone_may_redeem": true}'),
	make_offer('loyal'), make_offer('ended');

-- one of each
CREATE FUNCTION public.statuses_of(offer text, at timestamptz, customer text DEFAULT 'ann') RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(array_to_string(statuses, ' '), '; ' ORDER BY coupon_id) FROM cms_customer_coupons(customer, at => at) WHERE offer_id = o(offer)
$$;
SELECT is(string_agg(issue_of(name, 'ann', '2025-03-01 10:00 Asia/Kolkata'), ' '), 'OK OK OK OK OK OK', 'coupons')
	FROM unnest('{once,twice,later,fixed,days,outlives}'::text[]) name;
SELECT is(statuses_of('once', '2025-03-01 10:00 Asia/Kolkata'), 'ACTIVE UNREDEEMED REDEEMABLE', 'a new one');
SELECT is(use_of(code_of('once', 'ann'), 'ann', '2025-03-02 10:00 Asia/Kolkata'), 'OK', 'used');
SELECT is(statuses_of('once', '2025-03-02 10:00 Asia/Kolkata'), 'ACTIVE REDEEMED', 'a used one stays active, but cannot be used again');
SELECT is(use_of(code_of('twice', 'ann'), 'ann', '2025-03-02 10:00 Asia/Kolkata'), 'OK', 'used once of twice');
SELECT is(statuses_of('twice', '2025-03-02 10:00 Asia/Kolkata'), 'ACTIVE REDEEMED REDEEMABLE', 'redeemed and redeemable');
SELECT ok(held, 'the other use is held') FROM cms_hold(code_of('twice', 'ann'), 'ann', 100, 'order', seconds => 600, at => '2025-03-02 10:00 Asia/Kolkata');
SELECT is(statuses_of('twice', '2025-03-02 10:09:59 Asia/Kolkata'), 'ACTIVE REDEEMED', 'and not free');
SELECT is(statuses_of('twice', '2025-03-02 10:10 Asia/Kolkata'), 'ACTIVE REDEEMED REDEEMABLE', 'until the hold ends');
SELECT is(statuses_of('later', '2025-03-10 23:59:59 Asia/Kolkata'), 'ACTIVE UNREDEEMED', 'not yet begun');
SELECT is(statuses_of('later', '2025-03-11 00:00 Asia/Kolkata'), 'ACTIVE UNREDEEMED REDEEMABLE', 'begun');
SELECT is(statuses_of('fixed', '2025-03-20 23:59:59 Asia/Kolkata'), 'ACTIVE UNREDEEMED REDEEMABLE', 'on the offer''s last day');
SELECT is(statuses_of('fixed', '2025-03-21 00:00 Asia/Kolkata'), 'EXPIRED UNREDEEMED', 'after it');
SELECT is(statuses_of('outlives', '2025-03-10 23:59:59 Asia/Kolkata'), 'ACTIVE UNREDEEMED REDEEMABLE', 'an own end beyond the offer''s');
SELECT is(revoked_issued, 1::bigint, 'revoked') FROM cms_revoke(o('days'), 'CUSTOMERS', '{ann}', confirm => true, at => '2025-03-02 10:00 Asia/Kolkata');
SELECT is(statuses_of('days', '2025-03-01 10:00 Asia/Kolkata'), 'EXPIRED UNREDEEMED REVOKED', 'a revocation is a fact at any time');

-- pages
SELECT is(issue_of('free', 'bob', '2025-03-01 10:00 Asia/Kolkata', 25), repeat('OK ', 24) || 'OK', 'many coupons');
SELECT is(issue_of('once', 'bob', '2025-03-01 10:00 Asia/Kolkata', 3), 'OK OK OK', 'of two offers');
CREATE TEMP TABLE page AS WITH RECURSIVE p AS (
	SELECT 1 AS n, ARRAY(SELECT coupon_id FROM cms_customer_coupons('bob', how_many => 4, at => '2025-03-01 10:00 Asia/Kolkata')) AS ids
	UNION ALL
	SELECT n + 1, ARRAY(SELECT coupon_id FROM cms_customer_coupons('bob', after_coupon => ids[array_length(ids, 1)], how_many => 4, at => '2025-03-01 10:00 Asia/Kolkata'))
	FROM p WHERE ids <> '{}')
	SELECT n, i.ord, i.id FROM p, unnest(ids) WITH ORDINALITY i (id, ord);
SELECT is((SELECT format('%s %s %s', max(n), count(*), count(DISTINCT id)) FROM page), '7 28 28', 'pages have each coupon once');
SELECT is((SELECT array_agg(id ORDER BY n, ord) FROM page),
	(SELECT array_agg(coupon_id ORDER BY offer_id DESC, nth DESC) FROM cms.coupon WHERE customer_id = 'bob'), 'in their order');

-- a random history beside the view, and beside cms_check
SELECT setseed(0.46);
DO $$
DECLARE
	c record;
	d timestamptz := '2025-03-01 10:00 Asia/Kolkata';
BEGIN
	PERFORM cms_claim(o('loyal'), 'LOYALTY', 'gold', ends_on => '2025-03-04');
	PERFORM cms_claim(o('ended'), 'DVS', 'p', ends_on => '2025-03-04');
	PERFORM cms_issue(o('loyal'), 'eve', service => 'LOYALTY', consumer_ref => 'gold', at => d);
	PERFORM cms_issue(o('ended'), 'eve', service => 'DVS', consumer_ref => 'p', at => d);
	PERFORM cms_redeem('ALL', 'eve', 100, 'b', at => d);
	FOR i IN 1..150 LOOP
		PERFORM cms_issue(o((ARRAY['once','twice','free','later','fixed','outlives','days'])[1 + floor(random() * 7)]), 'eve', at => d + random() * interval '6 days');
	END LOOP;
	FOR c IN SELECT coupon_id, offer_id, code, d + random() * interval '12 days' AS at, random() AS r FROM cms.coupon WHERE customer_id = 'eve' ORDER BY coupon_id LOOP
		IF c.r < 0.5 THEN PERFORM cms_redeem(c.code, 'eve', 100, 'b', at => c.at); END IF;
		IF c.r < 0.2 THEN PERFORM cms_redeem(c.code, 'eve', 100, 'b2', at => c.at); END IF;
		IF c.r < 0.1 THEN PERFORM cms_reverse(redemption_id, at => c.at) FROM cms.redemption WHERE coupon_id = c.coupon_id; END IF;
		IF c.r > 0.8 THEN PERFORM cms_revoke(c.offer_id, 'CODES', codes => ARRAY[c.code], confirm => true, at => c.at); END IF;
		IF c.r > 0.4 AND c.r < 0.7 THEN PERFORM cms_hold(c.code, 'eve', 100, 'o', seconds => 600, at => c.at); END IF;
	END LOOP;
END
$$;
-- what the view says, which is as of now
SELECT is_empty($$
	SELECT s.coupon_id FROM cms.coupon_status s FULL JOIN cms_customer_coupons('eve', how_many => 1000) c USING (coupon_id)
	WHERE s.customer_id = 'eve' AND ((s.offer_id, s.offer_name, s.code, s.issued_at, s.valid_from, s.expires_at, s.revoked_at, s.uses, s.uses_left,
			s.last_redeemed_at, s.service, s.consumer_ref)
			IS DISTINCT FROM (c.offer_id, c.offer_name, c.code, c.issued_at, c.valid_from, c.expires_at, c.revoked_at, c.uses, c.uses_left,
			c.last_redeemed_at, c.service, c.consumer_ref)
		OR CASE s.state WHEN 'REVOKED' THEN NOT c.statuses @> '{REVOKED,EXPIRED}' WHEN 'EXPIRED' THEN NOT c.statuses @> '{EXPIRED}' OR c.statuses && '{REVOKED}'
			WHEN 'ACTIVE' THEN NOT c.statuses @> '{ACTIVE}' WHEN 'REDEEMED' THEN NOT c.statuses @> '{REDEEMED}' OR c.statuses && '{REDEEMABLE}' END)
	$$, 'the same truth as the view');
CREATE TEMP TABLE moment AS SELECT '2025-03-01 10:00 Asia/Kolkata'::timestamptz + random() * interval '14 days' AS at FROM generate_series(1, 12);
CREATE TEMP TABLE told AS SELECT m.at, c.* FROM moment m, cms_customer_coupons('eve', how_many => 1000, at => m.at) c;
SELECT is((SELECT array_agg(DISTINCT s ORDER BY s) FROM told, unnest(statuses) s), '{ACTIVE,EXPIRED,REDEEMABLE,REDEEMED,REVOKED,UNREDEEMED}'::text[],
	'all statuses are there');
SELECT is_empty($$ SELECT * FROM told WHERE (statuses @> '{ACTIVE}') = (statuses @> '{EXPIRED}') OR (statuses @> '{REDEEMED}') = (statuses @> '{UNREDEEMED}')
	OR statuses @> '{REVOKED,ACTIVE}' OR statuses @> '{REDEEMABLE,EXPIRED}' $$, 'ACTIVE or EXPIRED, REDEEMED or UNREDEEMED, and none of what contradicts');
SELECT is_empty($$
	SELECT t.coupon_id, t.at, t.statuses, k.reasons FROM told t, cms_check(t.code, 'eve', 100, at => t.at) k
	WHERE (k.reason IS NULL) <> (t.statuses @> '{REDEEMABLE}') OR k.coupon_id <> t.coupon_id
		OR (k.reasons && '{COUPON_REVOKED}') <> (t.statuses @> '{REVOKED}')
		OR (k.reasons && '{COUPON_REVOKED,COUPON_EXPIRED,OFFER_EXPIRED}') <> (t.statuses @> '{EXPIRED}')
	$$, 'REDEEMABLE is what a check lets through');
SELECT is_empty($$
	SELECT w FROM (SELECT DISTINCT ARRAY(SELECT DISTINCT x FROM unnest(ARRAY[a, b, c]) x ORDER BY 1) AS w
			FROM unnest('{ACTIVE,EXPIRED,REDEEMED,UNREDEEMED,REVOKED,REDEEMABLE}'::text[]) a, unnest('{ACTIVE,EXPIRED,REDEEMED,UNREDEEMED,REVOKED,REDEEMABLE}'::text[]) b,
				unnest('{ACTIVE,EXPIRED,REDEEMED,UNREDEEMED,REVOKED,REDEEMABLE}'::text[]) c) s, moment m
	WHERE ARRAY(SELECT coupon_id FROM cms_customer_coupons('eve', w, how_many => 1000, at => m.at))
		<> ARRAY(SELECT coupon_id FROM told t WHERE t.at = m.at AND t.statuses @> w ORDER BY offer_id DESC, coupon_id DESC)
	$$, 'every combination of statuses is those that are all of them');

SELECT is_empty($$ SELECT * FROM cms_customer_coupons('nobody') $$, 'nobody has none');
SELECT throws_ok($$ SELECT * FROM cms_customer_coupons('eve', '{GONE}') $$, '22023', NULL, 'an unknown status');
SELECT throws_ok($$ SELECT * FROM cms_customer_coupons('eve', after_coupon => 0) $$, '22023', NULL, 'after something else');
SELECT throws_ok($$ SELECT * FROM cms_customer_coupons('eve', how_many => 0) $$, '22023', NULL, 'no rows');
SELECT throws_ok($$ SELECT * FROM cms_customer_coupons(' ') $$, '22023', NULL, 'no customer');

-- one page of many costs what it holds
SELECT is(issue_of('free', 'max', '2025-03-01 10:00 Asia/Kolkata', 3000) ~ '^(OK ?)+$', true, 'three thousand coupons');
CREATE FUNCTION public.coupons_read() RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT sum(pg_stat_get_xact_tuples_fetched(i.indexrelid)) FROM pg_index i WHERE i.indrelid = 'cms.coupon'::regclass
$$;
SELECT coupons_read() AS before \gset
SELECT count(*) AS page, max(coupon_id) AS last_seen FROM cms_customer_coupons('max', '{REDEEMABLE}', how_many => 50, at => '2025-03-01 10:00 Asia/Kolkata') \gset
SELECT count(*) AS page FROM cms_customer_coupons('max', '{REDEEMABLE}', after_coupon => :last_seen - 1500, how_many => 50, at => '2025-03-01 10:00 Asia/Kolkata') \gset
SELECT cmp_ok(coupons_read() - :before, '<=', 120::bigint, 'two pages read hardly more coupons than they have');

SELECT * FROM finish();
ROLLBACK;
