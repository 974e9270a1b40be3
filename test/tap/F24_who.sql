-- F24, F10: who may redeem; and what can be typed as a code.
BEGIN;
SELECT plan(82);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

-- the holder
SELECT make_offer('own');
SELECT is(issue_of('own', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'ann has a coupon');
SELECT is(use_of(code_of('own', 'ann'), 'bob', '2025-11-12 11:00 Asia/Kolkata'), 'NOT_THE_HOLDER', 'bob may not use it');
SELECT is(use_of(code_of('own', 'ann'), 'ANN', '2025-11-12 11:00 Asia/Kolkata'), 'NOT_THE_HOLDER', 'customers are compared exactly');
SELECT is(use_of(code_of('own', 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'ann may');

-- anyone
SELECT make_offer('any', '{"anyone_may_redeem": true, "max_uses_per_coupon": 3}');
SELECT is(issue_of('any', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'ann has a coupon that anyone may use');
SELECT is(use_of(code_of('any', 'ann'), 'bob', '2025-11-12 11:00 Asia/Kolkata', bill => 'B'), 'OK', 'bob may use it');
SELECT is(rows_of($$ SELECT r.customer_id, c.customer_id FROM cms.redemption r JOIN cms.coupon c USING (org_id, coupon_id)
	WHERE r.bill_ref = 'B' $$), '(bob,ann)', 'the redeemer is recorded apart from the holder');
SELECT is(use_of(code_of('any', 'ann'), NULL, '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'somebody without a name may');
SELECT is(use_of(code_of('any', 'ann'), '  ', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'a blank name is none');
SELECT is((SELECT count(*) FROM cms.redemption WHERE offer_id = o('any') AND customer_id IS NULL), 2::bigint, 'and is recorded as none');
SELECT counted();

-- a customer where one is needed
SELECT is(issue_of('own', 'bob', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'bob has one of his own');
SELECT refused(format($$ SELECT * FROM cms_redeem(%L, NULL, 100, 'B1', at => '2025-11-12 12:00 Asia/Kolkata') $$, code_of('own', 'bob')),
	'22004', 'customer_id', 'no customer where only the holder may redeem');
SELECT refused(format($$ SELECT * FROM cms_redeem(%L, ' ', 100, 'B1', at => '2025-11-12 12:00 Asia/Kolkata') $$, code_of('own', 'bob')),
	'22004', 'customer_id', 'nor a blank one');
SELECT refused(format($$ SELECT * FROM cms_check(%L, NULL, 100, at => '2025-11-12 12:00 Asia/Kolkata') $$, code_of('own', 'bob')),
	'22004', 'customer_id', 'also in a check');
SELECT make_offer('any, limited', '{"anyone_may_redeem": true, "max_uses_per_coupon": 3, "max_uses_per_customer": 2}');
SELECT make_offer('any, coupon limited', '{"anyone_may_redeem": true, "max_uses_per_coupon": 3, "max_uses_per_customer_and_coupon": 2}');
SELECT make_offer('any, gap', '{"anyone_may_redeem": true, "max_uses_per_coupon": 3, "min_days_between_uses": 2}');
SELECT is(issue_of(name, 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', name) FROM cms.offer WHERE name LIKE 'any, %' ORDER BY name;
SELECT refused(format($$ SELECT * FROM cms_redeem(%L, NULL, 100, 'B1', at => '2025-11-12 12:00 Asia/Kolkata') $$, code_of(name, 'ann')),
	'22004', 'customer_id', name || ': a rule about customers needs one') FROM cms.offer WHERE name LIKE 'any, %' ORDER BY name;
SELECT refused(format($$ SELECT * FROM cms_check(%L, NULL, at => '2025-11-12 12:00 Asia/Kolkata') $$, code_of(name, 'ann')),
	'22004', 'customer_id', name || ': a check too') FROM cms.offer WHERE name LIKE 'any, %' ORDER BY name;

-- a common code for its holders
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "diwali-25"}');
SELECT is(use_of('DIWALI-25', 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'NOT_ISSUED', 'who holds no coupon of a common code cannot use it');
SELECT is(issue_of('common', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'ann gets hers');
SELECT is(issue_of('common', 'bob', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'bob gets his');
SELECT is(issue_of('common', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'COMMON_CODE_ONCE', 'nobody gets two');
SELECT is(code_of('common', 'ann'), 'DIWALI-25', 'the code is the common one, in upper case');
SELECT is(use_of('diwali-25', 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'ann uses hers');
SELECT is(use_of('diwali-25', 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'ALREADY_REDEEMED', 'once');
SELECT is(use_of('diwali-25', 'bob', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'bob''s is another coupon');
SELECT is(use_of('diwali-25', 'cid', '2025-11-12 11:00 Asia/Kolkata'), 'NOT_ISSUED', 'cid has none');
SELECT refused($$ SELECT * FROM cms_redeem('DIWALI-25', NULL, 100, 'B1', at => '2025-11-12 12:00 Asia/Kolkata') $$,
	'22004', 'customer_id', 'and nobody in particular cannot hold one');
SELECT counted('common coupons are counted');

-- a common code that anyone may use
SELECT make_offer('public', '{"code_method": "COMMON", "common_code": "HELLO", "anyone_may_redeem": true}');
SELECT is((SELECT coupon_id FROM cms_check('hello', 'ann', 100, at => '2025-11-12 11:00 Asia/Kolkata')), NULL, 'before the first use there is no coupon');
SELECT is(use_of('hello', 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'ann was issued none and uses it');
SELECT is(rows_of($$ SELECT customer_id, issued_at AT TIME ZONE 'Asia/Kolkata', uses, nth, shared FROM cms.coupon WHERE offer_id = o('public') $$),
	'(ann,"2025-11-12 11:00:00",1,1,t)', 'her own coupon came into being at the first use');
SELECT is(use_of('hello', 'ann', '2025-11-12 12:00 Asia/Kolkata'), 'ALREADY_REDEEMED', 'and is used up');
SELECT is(use_of('hello', 'bob', '2025-11-12 12:00 Asia/Kolkata'), 'OK', 'bob has his');
SELECT is(issue_of('public', 'cid', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'cid is issued one');
SELECT is(use_of('hello', 'cid', '2025-11-12 12:00 Asia/Kolkata'), 'OK', 'and uses that');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('public') AND customer_id = 'cid'), 1::bigint, 'no second one is made');
SELECT is(issue_of('public', 'ann', '2025-11-13 10:00 Asia/Kolkata'), 'COMMON_CODE_ONCE', 'ann''s use was her issue');
SELECT is(use_of('hello', NULL, '2025-11-12 12:00 Asia/Kolkata', bill => 'N1'), 'OK', 'nobody in particular may use it');
SELECT is(use_of('hello', NULL, '2025-11-12 12:00 Asia/Kolkata', bill => 'N2'), 'OK', 'and somebody else without a name');
SELECT counted('uses that are issues are counted as both');
SELECT is((SELECT issued FROM cms.offer_performance WHERE offer_id = o('public')), 5::bigint, 'five coupons came into being');

-- what limits issuing limits coupons that come into being by use
SELECT make_offer('public, few', '{"code_method": "COMMON", "common_code": "FEW", "anyone_may_redeem": true, "max_issued": 1}');
SELECT is(use_of('few', 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'the only coupon is ann''s');
SELECT isnt(use_of('few', 'bob', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'a second does not come into being');
SELECT make_offer('public, listed', '{"code_method": "COMMON", "common_code": "LISTED", "anyone_may_redeem": true, "audience_only": true}');
INSERT INTO cms.offer_audience (offer_id, customer_id) VALUES (o('public, listed'), 'ann');
SELECT is(use_of('listed', 'ann', '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'who is in the audience may');
SELECT is(use_of('listed', 'bob', '2025-11-12 11:00 Asia/Kolkata'), 'NOT_ISSUED', 'who is not does not get one by using it');
SELECT counted('limits hold for them');

-- codes as they are typed
SELECT make_offer('typed', '{"code_method": "COMMON", "common_code": "A-b_9", "anyone_may_redeem": true}');
SELECT is(use_of(typed, 'c' || row_number() OVER (), '2025-11-12 11:00 Asia/Kolkata'), 'OK', 'typed as ' || quote_literal(typed))
FROM unnest(ARRAY['A-B_9', 'a-b_9', '  a-b_9', E'a-B_9\t', E'\u00a0A-b_9\u00a0']) typed;
SELECT is((SELECT code FROM cms_check(' a-b_9', 'zoe', at => '2025-11-12 11:00 Asia/Kolkata')), 'A-B_9', 'the answer tells the code as it is stored');
SELECT is((SELECT reason FROM cms_redeem(typed, 'ann', 100, 'B', at => '2025-11-12 11:00 Asia/Kolkata')), 'CODE_NOT_FOUND', 'no code: ' || coalesce(quote_literal(translate(left(typed, 20), E'\n', '/')), 'NULL'))
FROM unnest(ARRAY[NULL, '', '   ', E'\u00a0', 'A-B_9X', 'A B', 'A-B_9!', 'Ä', E'A\nB', repeat('X', 40), repeat('X', 41), repeat('X', 100000), '%', '''; DROP TABLE cms.coupon; --']) typed;
SELECT is((SELECT reason FROM cms_check(typed, NULL, at => '2025-11-12 11:00 Asia/Kolkata')), 'CODE_NOT_FOUND', 'a check says so too: ' || coalesce(quote_literal(left(typed, 20)), 'NULL'))
FROM unnest(ARRAY[NULL, '', '   ', 'A B', repeat('X', 41)]) typed;
SELECT is((SELECT reasons FROM cms_check('NOSUCH', 'ann', at => '2025-11-12 11:00 Asia/Kolkata')), '{CODE_NOT_FOUND}'::text[], 'and tells nothing else');

-- another org's code
SELECT play_org('UTC');
SELECT is(use_of('a-b_9', 'ann', '2025-11-12 11:00 UTC'), 'CODE_NOT_FOUND', 'another org''s common code is not found');
SELECT back_to_org('Asia/Kolkata');
SELECT code_of('own', 'bob') AS other_code \gset
SELECT back_to_org('UTC');
SELECT is(use_of(:'other_code', 'bob', '2025-11-12 11:00 UTC'), 'CODE_NOT_FOUND', 'nor is a coupon''s code');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
