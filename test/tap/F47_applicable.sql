-- F47: what applies is what cms_check lets through, for coupons, codes and coupons that could be issued, best first.
BEGIN;
\ir lib/scene.psql
SELECT plan(32);

SELECT play_org('Asia/Kolkata');
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id) VALUES ('CONCEPT', 'C', NULL), ('ZONE', 'Z', 'C'), ('STORE', 'S', 'Z'), ('STORE', 'S2', NULL), ('TILL', 'T', 'S');
CREATE FUNCTION public.applies(customer text, amount numeric DEFAULT 100, store text DEFAULT NULL, till text DEFAULT NULL, items jsonb DEFAULT NULL,
	kinds text[] DEFAULT NULL, at timestamptz DEFAULT '2025-03-01 12:00 Asia/Kolkata', how_many int DEFAULT 20, service text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', a.kind, a.offer_name, a.discount), '; ' ORDER BY n), 'nothing')
	FROM cms_applicable(customer, amount, store, till, items, kinds, how_many, service, at => at) WITH ORDINALITY
		a (kind, offer_id, offer_name, coupon_id, code, discount, payable, uses_left, expires_at, n)
$$;

SELECT make_offer('ten'), make_offer('tenth', '{"discount_type": "PERCENTAGE", "discount_value": 10, "discount_cap": 15}'),
	make_offer('word', '{"discount_value": 12, "code_method": "COMMON", "common_code": "WORD", "anyone_may_redeem": true}'),
	make_offer('once', '{"discount_value": 7, "code_method": "COMMON", "common_code": "ONCE", "anyone_may_redeem": true, "max_uses_per_customer": 1}'),
	make_offer('given', '{"discount_value": 6, "code_method": "COMMON", "common_code": "GIVEN"}');
SELECT is(applies(NULL), 'CODE word 12.00', 'a guest can use codes without limits for customers');
SELECT is(applies('ann'), 'CODE word 12.00; OFFER ten 10.00; OFFER tenth 10.00; CODE once 7.00; OFFER given 6.00',
	'a customer all codes, and coupons that could be issued: best first, then the one that is at hand');
SELECT is(applies('ann', 200), 'OFFER tenth 15.00; CODE word 12.00; OFFER ten 10.00; CODE once 7.00; OFFER given 6.00', 'by the discount on the bill');
SELECT is(applies('ann', 5), 'CODE word 5.00; CODE once 5.00; OFFER ten 5.00; OFFER given 5.00; OFFER tenth 0.50', 'never more than it');
SELECT is(applies('ann', kinds => '{COUPON}'), 'nothing', 'without coupons');
SELECT is(issue_of('ten', 'ann', '2025-03-01 10:00 Asia/Kolkata', 2), 'OK OK', 'two coupons');
SELECT is(issue_of('tenth', 'ann', '2025-03-01 10:00 Asia/Kolkata'), 'OK', 'one of another');
SELECT is(applies('ann', kinds => '{COUPON}'), 'COUPON ten 10.00; COUPON ten 10.00; COUPON tenth 10.00', 'coupons');
SELECT is(applies('ann'), 'CODE word 12.00; COUPON ten 10.00; COUPON ten 10.00; COUPON tenth 10.00; CODE once 7.00; OFFER given 6.00',
	'who holds one is offered no other');
SELECT is(applies('ann', how_many => 2), 'CODE word 12.00; COUPON ten 10.00', 'as many as asked for');
SELECT is(applies('ann', NULL, kinds => '{COUPON,CODE}'), 'COUPON ten; COUPON ten; COUPON tenth; CODE word; CODE once', 'without a bill there is no discount');
SELECT is(use_of('WORD', 'ann', '2025-03-01 11:00 Asia/Kolkata'), 'OK', 'a code used');
SELECT is(applies('ann', kinds => '{CODE,COUPON}', how_many => 1), 'COUPON ten 10.00', 'is used up');
SELECT is(applies('bob', kinds => '{CODE}'), 'CODE word 12.00; CODE once 7.00', 'for others it is not');
SELECT results_eq($$ SELECT code, coupon_id IS NULL, payable, uses_left FROM cms_applicable('bob', 100, kinds => '{CODE}', at => '2025-03-01 12:00 Asia/Kolkata') $$,
	$$ VALUES ('WORD', true, 88.00, 0), ('ONCE', true, 93.00, 0) $$, 'with the code to redeem');
SELECT is((SELECT count(*) FROM cms_applicable('ann', 100, kinds => '{COUPON}', at => '2025-03-01 12:00 Asia/Kolkata') a
	JOIN cms.coupon c USING (coupon_id) WHERE a.code = c.code AND c.customer_id = 'ann'), 3::bigint, 'and the codes of coupons');
SELECT throws_ok($$ SELECT * FROM cms_applicable(kinds => '{ALL}') $$, '22023', NULL, 'an unknown kind');
SELECT throws_ok($$ SELECT * FROM cms_applicable(how_many => 1001) $$, '22023', NULL, 'too many');
SELECT throws_ok($$ SELECT * FROM cms_applicable('ann', 100, 'S2', 'T') $$, 'MS010', NULL, 'a till of another store');

-- All that a check lets through, one by one: coupons by their codes, common codes, and what can be issued, issued and taken back.
CREATE TABLE public.expected (kind text, offer_id bigint, coupon_id bigint, discount numeric, payable numeric, uses_left int);
CREATE FUNCTION public.expect(customer text, amount numeric, store text, till text, items jsonb, svc text, at_time timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c record;
	k cms.cms_check_result;
	taken jsonb;
	new_code text;
	unused constant text[] := '{CUSTOMER_LIMIT,GAP_TOO_SHORT,OFFER_LIMIT,BUDGET_SPENT,ALREADY_REDEEMED,COUPON_LIMIT}';
	held bigint[] := '{}';
BEGIN
	DELETE FROM expected;
	FOR c IN SELECT x.*, f.common_code, f.max_uses_per_coupon FROM cms.coupon x JOIN cms.offer f USING (org_id, offer_id) WHERE customer_id = customer LOOP
		k := cms_check(CASE WHEN c.shared THEN c.common_code ELSE c.code END, customer, amount, store, till, items, at_time);
		CONTINUE WHEN k.coupon_id <> c.coupon_id;
		IF k.reasons <@ unused AND (c.max_uses_per_coupon IS NULL OR c.uses + c.forfeited_uses < c.max_uses_per_coupon) THEN
			held := held || c.offer_id;
		END IF;
		IF k.reason IS NULL THEN INSERT INTO expected VALUES ('COUPON', c.offer_id, c.coupon_id, k.discount, k.payable, k.uses_left); END IF;
	END LOOP;
	FOR c IN SELECT f.*, f.code_method = 'COMMON' AND (f.anyone_may_redeem OR f.delivery = 'THIRD_PARTY') AS by_code FROM cms.offer f LOOP
		IF c.by_code THEN
			BEGIN
				k := cms_check(c.common_code, customer, amount, store, till, items, at_time);
			EXCEPTION WHEN null_value_not_allowed THEN CONTINUE;
			END;
			IF k.reason IS NULL AND k.coupon_id IS NULL THEN INSERT INTO expected VALUES ('CODE', c.offer_id, NULL, k.discount, k.payable, k.uses_left); END IF;
		ELSIF customer IS NOT NULL AND NOT c.offer_id = ANY (held)
			AND (svc IS NULL OR EXISTS (SELECT FROM cms.claim l WHERE l.offer_id = c.offer_id)) THEN
			taken := NULL;
			BEGIN
				-- a check sees what was there when its statement began
				SELECT i.code INTO new_code FROM cms_issue(c.offer_id, customer, service => svc, at => at_time) i WHERE i.issued AND NOT i.replayed;
				SELECT to_jsonb(h) INTO taken FROM cms_check(new_code, customer, amount, store, till, items, at_time) h WHERE h.reason IS NULL;
				RAISE EXCEPTION 'take it back' USING ERRCODE = 'UE001';
			EXCEPTION WHEN SQLSTATE 'UE001' THEN NULL;
			END;
			IF taken IS NOT NULL THEN
				INSERT INTO expected VALUES ('OFFER', c.offer_id, NULL, (taken ->> 'discount')::numeric, (taken ->> 'payable')::numeric, (taken ->> 'uses_left')::int);
			END IF;
		END IF;
	END LOOP;
END
$$;

SELECT setseed(0.47);
DO $$
DECLARE
	f jsonb;
BEGIN
	FOR i IN 1..60 LOOP
		f := jsonb_build_object('discount_value', 1 + floor(random() * 20), 'discount_type', (ARRAY['PERCENTAGE', 'FIXED_AMOUNT'])[1 + floor(random() * 2)]);
		IF random() < 0.3 THEN f := f || '{"max_uses_per_coupon": 3}'; END IF;
		IF random() < 0.2 THEN f := f || '{"max_uses_per_customer": 2}'; END IF;
		IF random() < 0.1 THEN f := f || '{"max_uses_per_coupon": null, "min_days_between_uses": 2}'; END IF;
		IF random() < 0.2 THEN f := f || jsonb_build_object('max_redemptions', floor(random() * 3)); END IF;
		IF random() < 0.1 THEN f := f || jsonb_build_object('max_discount_total', floor(random() * 30)); END IF;
		IF random() < 0.2 THEN f := f || jsonb_build_object('max_issued', floor(random() * 3)); END IF;
		IF random() < 0.1 THEN f := f || '{"max_issued_per_customer": 1}'; END IF;
		IF random() < 0.1 THEN f := f || '{"min_days_between_issues": 2}'; END IF;
		IF random() < 0.2 THEN f := f || jsonb_build_object('min_bill', floor(random() * 200)); END IF;
		IF random() < 0.2 THEN f := f || jsonb_build_object('expires_on', date '2025-02-27' + floor(random() * 10)::int, 'outlives_offer', random() < 0.5); END IF;
		IF random() < 0.2 THEN f := f || jsonb_build_object('coupon_expiry_type', 'DAYS', 'coupon_expiry_value', floor(random() * 4)); END IF;
		IF random() < 0.1 THEN f := f || jsonb_build_object('starts_on', date '2025-02-27' + floor(random() * 10)::int); END IF;
		IF random() < 0.1 THEN f := f || '{"starts_after_days": 2}'; END IF;
		IF random() < 0.2 THEN f := f || '{"audience_only": true}'; END IF;
		IF random() < 0.3 THEN f := f || '{"store_scope": "SELECTED_STORES"}'; END IF;
		IF random() < 0.2 THEN f := f || '{"product_scope": "SELECTED_PRODUCTS"}'; END IF;
		IF random() < 0.1 THEN f := f || '{"reissue": "EXISTING"}'; END IF;
		CASE floor(random() * 6)
		WHEN 0, 1 THEN f := f || jsonb_build_object('code_method', 'COMMON', 'common_code', 'CC' || i, 'anyone_may_redeem', random() < 0.6,
			'delivery', CASE WHEN random() < 0.2 THEN 'THIRD_PARTY' ELSE 'INTERNAL' END);
		WHEN 2 THEN f := f || '{"code_method": "UPLOADED"}';
		WHEN 3 THEN f := f || '{"anyone_may_redeem": true}';
		ELSE NULL;
		END CASE;
		PERFORM make_offer('r' || i, f);
		IF (f ->> 'store_scope') IS NOT NULL THEN
			INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) SELECT o('r' || i), t, e FROM (VALUES ('TILL', 'T'), ('STORE', 'S'), ('STORE', 'S2'), ('ZONE', 'Z'), ('CONCEPT', 'C')) v (t, e) WHERE random() < 0.3;
		END IF;
		IF (f ->> 'product_scope') IS NOT NULL THEN INSERT INTO cms.offer_product (offer_id, kind, value) VALUES (o('r' || i), 'SKU', 'a'); END IF;
		IF (f ->> 'audience_only') IS NOT NULL THEN
			INSERT INTO cms.offer_audience (offer_id, customer_id) SELECT o('r' || i), c FROM unnest('{c1,c2,c3}'::text[]) c WHERE random() < 0.6;
		END IF;
		IF random() < 0.15 THEN
			INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) SELECT o('r' || i), offer_id FROM cms.offer WHERE name LIKE 'r%' AND name <> 'r' || i ORDER BY random() LIMIT 2;
		END IF;
		IF random() < 0.15 THEN INSERT INTO cms.offer_window (offer_id, from_time, to_time) VALUES (o('r' || i), '10:00', '14:00'); END IF;
		IF (f ->> 'code_method') = 'UPLOADED' AND random() < 0.7 THEN
			PERFORM cms_upload_codes(o('r' || i), ARRAY['UP-' || i || '-1', 'UP-' || i || '-2', 'UP-' || i || '-3'], at => '2025-02-01');
		END IF;
		IF random() < 0.2 THEN PERFORM cms_claim(o('r' || i), (ARRAY['DVS', 'TIMELINE'])[1 + floor(random() * 2)]); END IF;
		IF random() < 0.1 THEN PERFORM alter_offer('r' || i, 'status', 'ARCHIVED'); END IF;
		FOR j IN 1..floor(random() * 5)::int LOOP
			PERFORM cms_issue(o('r' || i), 'c' || 1 + floor(random() * 3), at => timestamptz '2025-02-28 10:00 Asia/Kolkata' + random() * interval '2 days',
				service => (SELECT service FROM cms.claim WHERE offer_id = o('r' || i)));
		END LOOP;
	END LOOP;
	PERFORM cms_redeem(CASE WHEN c.shared THEN f2.common_code ELSE c.code END, c.customer_id, 300, 'B', 'S', 'T', '[{"sku": "a", "amount": 300}]', at => timestamptz '2025-03-01 11:00 Asia/Kolkata')
		FROM cms.coupon c JOIN cms.offer f2 USING (org_id, offer_id) WHERE random() < 0.3 AND c.customer_id LIKE 'c%';
	PERFORM cms_hold(CASE WHEN c.shared THEN f2.common_code ELSE c.code END, c.customer_id, 300, 'O', 'S', 'T', '[{"sku": "a", "amount": 300}]', at => timestamptz '2025-03-01 11:00 Asia/Kolkata', seconds => 864000)
		FROM cms.coupon c JOIN cms.offer f2 USING (org_id, offer_id) WHERE random() < 0.1 AND c.customer_id LIKE 'c%';
	PERFORM cms_redeem(f3.common_code, 'c3', 300, 'B', 'S', 'T', at => timestamptz '2025-03-01 11:30 Asia/Kolkata') FROM cms.offer f3 WHERE common_code LIKE 'CC%' AND random() < 0.3;
	PERFORM cms_revoke(offer_id, 'CUSTOMERS', '{c2}', confirm => true, at => '2025-03-01') FROM cms.offer WHERE random() < 0.1;
END
$$;
CREATE FUNCTION public.wrong(customer text, amount numeric, store text, till text, items jsonb, svc text, at_time timestamptz, OUT wrong text, OUT kinds text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM expect(customer, amount, store, till, items, svc, at_time);
	SELECT string_agg(format('%s %s', e, a), E'\n') INTO wrong
	FROM expected e FULL JOIN cms_applicable(customer, amount, store, till, items, how_many => 1000, service => svc, at => at_time) a
		ON (a.kind, a.offer_id) = (e.kind, e.offer_id) AND a.coupon_id IS NOT DISTINCT FROM e.coupon_id
	WHERE (a.kind, a.discount, a.payable, a.uses_left) IS DISTINCT FROM (e.kind, e.discount, e.payable, e.uses_left);
	SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) INTO kinds FROM expected;
	IF (SELECT array_agg(discount ORDER BY n) IS DISTINCT FROM array_agg(discount ORDER BY discount DESC)
		FROM (SELECT discount, row_number() OVER () AS n FROM cms_applicable(customer, amount, store, till, items, how_many => 1000, service => svc, at => at_time)) x)
	THEN
		wrong := concat(wrong, ' order');
	END IF;
END
$$;
CREATE TEMP TABLE trial AS SELECT * FROM (
	SELECT i, (ARRAY['c1', 'c2', 'c3', 'c4', NULL])[1 + floor(random() * 5)] AS customer, floor(random() * 400)::numeric AS amount,
		(ARRAY['S', 'S2', 'S9', NULL])[1 + floor(random() * 4)] AS store, CASE WHEN random() < 0.3 THEN 'T' END AS till,
		CASE WHEN random() < 0.5 THEN '[{"sku": "a", "amount": 50}, {"sku": "b", "amount": 60, "on_sale": true}]'::jsonb END AS items,
		(ARRAY['DVS', 'TIMELINE', NULL, NULL])[1 + floor(random() * 4)] AS svc,
		timestamptz '2025-03-01 09:00 Asia/Kolkata' + random() * interval '5 days' AS at FROM generate_series(1, 40) i) t
	WHERE till IS NULL OR store IS NULL OR store = 'S';
SELECT is_empty($$ SELECT t.*, w.* FROM trial t, wrong(customer, amount, store, till, items, svc, at) w WHERE w.wrong IS NOT NULL $$,
	'all that a check lets through, and nothing else, in the order of the discount');
SELECT is((SELECT string_agg(DISTINCT k, ' ' ORDER BY k) FROM trial t, wrong(customer, amount, store, till, items, svc, at) w, string_to_table(w.kinds, ' ') k),
	'CODE COUPON OFFER', 'of each kind');
SELECT is_empty('TABLE public.miscounted', 'and nothing was counted');

-- throttled customers learn nothing
UPDATE cms.org SET max_failed_attempts = 1;
SELECT is((cms_redeem('GUESS', 'c1', 100, 'B9', at => '2025-03-01 12:00 Asia/Kolkata')).reason, 'CODE_NOT_FOUND', 'a guess');
SELECT is(applies('c1'), 'nothing', 'who may try no more codes is told nothing');
UPDATE cms.org SET max_failed_attempts = NULL;

-- Many offers run: what is read is what runs, and a few of the best. Index entries fetched, by table.
INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem, max_redemptions)
	SELECT 'MANY' || i, 'many', 'FIXED_AMOUNT', 20 + i % 50, 'COMMON', 'MANY' || i, true, 1000 FROM generate_series(1, 2000) i;
INSERT INTO cms.offer (code, name, discount_type, discount_value, code_method, common_code, anyone_may_redeem, expires_on)
	SELECT 'OLD' || i, 'old', 'FIXED_AMOUNT', 20, 'COMMON', 'OLD' || i, true, '2025-01-01' FROM generate_series(1, 500) i;
CREATE FUNCTION public.fetched(tables text) RETURNS bigint LANGUAGE sql VOLATILE AS $$
	SELECT sum(pg_stat_get_xact_tuples_fetched(i.indexrelid) + pg_stat_get_xact_numscans(i.indexrelid))::bigint FROM pg_index i WHERE i.indrelid::regclass::text ~ tables
$$;
SELECT count(*) AS warm FROM cms_applicable('c1', 100, how_many => 10, at => '2025-03-01 12:00 Asia/Kolkata') \gset
SELECT fetched('coupon|offer_slot|redemption|hold|request|customer_use') AS used, fetched('offer_(window|product)|org$') AS compiled, fetched('^(cms\.)?offer$') AS offers \gset
SELECT is((SELECT count(*) FROM cms_applicable('c1', 100, how_many => 10, at => '2025-03-01 12:00 Asia/Kolkata') WHERE discount = 69), 10::bigint, 'the best of two thousand');
SELECT cmp_ok(fetched('coupon|offer_slot|redemption|hold|request|customer_use') - :used, '<=', 120::bigint, 'what was used is read of a few');
SELECT cmp_ok(fetched('offer_(window|product)|org$') - :compiled, '<=', 20::bigint, 'offers that are compiled are not read again');
SELECT cmp_ok(fetched('^(cms\.)?offer$') - :offers, '<=', 2700::bigint, 'each once');

-- who may ask, and of which org
CREATE ROLE f47_till IN ROLE cms_redeemer;
CREATE ROLE f47_analyst IN ROLE cms_analyst;
INSERT INTO cms.org_role SELECT org_id, r FROM cms.org, unnest('{f47_till,f47_analyst}'::name[]) r;
SELECT play_org('Asia/Tokyo');
GRANT USAGE ON SCHEMA public TO f47_till, f47_analyst;
RESET cms.org;
SET LOCAL ROLE f47_till;
SELECT is(applies('c1', how_many => 1), 'CODE many 69.00', 'a till of the org');
SELECT throws_ok(format('SELECT * FROM cms_applicable(org => %s)', (SELECT max(org_id) + 1 FROM cms.org)), '42501', NULL, 'not of another');
SELECT throws_ok($$ SELECT * FROM cms_applicable(service => 'POST') $$, '22023', 'argument "service" must not be "POST"', 'no service');
SET LOCAL ROLE f47_analyst;
SELECT throws_ok('SELECT * FROM cms_applicable()', '42501', NULL, 'and no analyst');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
