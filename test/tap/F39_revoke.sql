-- F39, F13: revoking: all unredeemed, the stock, customers, codes; what is counted and what stays.
BEGIN;
SELECT plan(79);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- "revoked_issued revoked_unissued left_redeemed"
CREATE FUNCTION revoke_of(offer text, scope text, customers text[] DEFAULT NULL, codes text[] DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', r.revoked_issued, r.revoked_unissued, r.left_redeemed)
	FROM cms_revoke(o(offer), scope, customers, codes, true, at => '2025-11-12 12:00 Asia/Kolkata') r
$$;
-- customer:state of the offer's coupons
CREATE FUNCTION states_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(customer_id, '-') || ':' || state, ' ' ORDER BY customer_id, coupon_id)
	FROM cms.coupon_status WHERE offer_id = o(offer)
$$;
-- An offer with three codes in stock, and coupons of ann (used), bob (one of two uses) and cid (two).
CREATE FUNCTION make_scene(offer text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(offer, '{"max_uses_per_coupon": 2}');
	PERFORM cms_generate_codes(o(offer), 7, '2025-11-12 10:00 Asia/Kolkata');
	PERFORM cms_issue_many(o(offer), '{ann,bob,cid,cid}', at => '2025-11-12 11:00 Asia/Kolkata');
	PERFORM use_of(code_of(offer, customer), customer, '2025-11-12 11:00 Asia/Kolkata') FROM unnest('{ann,ann,bob}'::text[]) customer;
END
$$;

SELECT make_scene(name) FROM unnest('{all,unissued,customers,codes,archived}'::text[]) name;
SELECT is(states_of('all'), 'ann:REDEEMED bob:ACTIVE cid:ACTIVE cid:ACTIVE -:UNISSUED -:UNISSUED -:UNISSUED', 'the scene');

-- the caller must confirm
SELECT refused(format('SELECT * FROM cms_revoke(o(''all''), %L %s, at => ''2025-11-12 UTC'')', scope, rest), 'MS004', 'confirm', scope || ' is not confirmed' || rest)
FROM (VALUES ('ALL_UNREDEEMED', ''), ('UNISSUED', ', confirm => false'), ('CUSTOMERS', ', ''{ann}'', confirm => NULL'), ('CODES', ', codes => ''{X}''')) v(scope, rest);
SELECT is(states_of('all'), 'ann:REDEEMED bob:ACTIVE cid:ACTIVE cid:ACTIVE -:UNISSUED -:UNISSUED -:UNISSUED', 'nothing happened');

-- ALL_UNREDEEMED: issued and unissued, but not what is redeemed
SELECT is(revoke_of('all', 'ALL_UNREDEEMED'), '3 3 1', 'three of customers, three in stock, one left because it is redeemed');
SELECT is(states_of('all'), 'ann:REDEEMED bob:REVOKED cid:REVOKED cid:REVOKED -:REVOKED -:REVOKED -:REVOKED', 'one with uses left is revoked for the future');
SELECT is(use_of(code_of('all', 'bob'), 'bob', :t), 'COUPON_REVOKED', 'it cannot be redeemed');
SELECT is(use_of(code_of('all', 'bob'), 'bob', '2025-11-12 10:59 Asia/Kolkata'), 'COUPON_REVOKED', 'not at an earlier time either');
SELECT is((SELECT count(*) FROM cms.redemption WHERE offer_id = o('all') AND reversed_at IS NULL), 3::bigint, 'past redemptions stay');
SELECT is(rows_of($$ SELECT issued, stock, redeemed, uses FROM cms.offer_performance WHERE offer_id = o('all') $$), '(4,0,2,3)', 'a revoked coupon still counts as issued and redeemed; the stock is gone');
SELECT is(revoke_of('all', 'ALL_UNREDEEMED'), '0 0 1', 'again: nothing is left to revoke');
SELECT counted();

-- UNISSUED: codes that exist
SELECT is(revoke_of('unissued', 'UNISSUED'), '0 3 0', 'the stock');
SELECT is(states_of('unissued'), 'ann:REDEEMED bob:ACTIVE cid:ACTIVE cid:ACTIVE -:REVOKED -:REVOKED -:REVOKED', 'and nothing else');
SELECT is(issue_of('unissued', 'dee', :t), 'OK', 'new codes can be made');
SELECT is((SELECT revoked_at FROM cms.coupon WHERE code = code_of('unissued', 'dee')), NULL, 'and are good');
SELECT counted();

-- CUSTOMERS: all active coupons of each
SELECT is(revoke_of('customers', 'CUSTOMERS', '{cid,ann,nobody,cid}'), '2 0 1', 'both of cid, not the redeemed one of ann');
SELECT is(states_of('customers'), 'ann:REDEEMED bob:ACTIVE cid:REVOKED cid:REVOKED -:UNISSUED -:UNISSUED -:UNISSUED', 'nobody else''s');
SELECT is(revoke_of('customers', 'CUSTOMERS', '{}'), '0 0 0', 'of no customers none');
SELECT counted();

-- CODES
SELECT is(revoke_of('codes', 'CODES', codes => ARRAY[' ' || lower(code_of('codes', 'cid', 1)), code_of('codes', 'ann'), code_of('customers', 'bob'), 'NOSUCH', '', 'A B', code_of('codes', 'cid', 1),
	(SELECT code FROM cms.coupon WHERE offer_id = o('codes') AND issued_at IS NULL ORDER BY coupon_id LIMIT 1)]), '1 1 1', 'codes as one types them; unknown ones and other offers'' are left alone');
SELECT is(states_of('codes'), 'ann:REDEEMED bob:ACTIVE cid:REVOKED cid:ACTIVE -:REVOKED -:UNISSUED -:UNISSUED', 'exactly these');
SELECT is((SELECT state FROM cms.coupon_status WHERE code = code_of('customers', 'bob')), 'ACTIVE', 'another offer''s coupon stays');
SELECT is(revoke_of('codes', 'CODES', codes => '{}'), '0 0 0', 'of no codes none');
SELECT counted();

-- common codes: each customer's coupon is one
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL"}');
SELECT is((SELECT count(*) FROM cms_issue_many(o('common'), '{ann,bob,cid}', at => :t) WHERE issued), 3::bigint, 'three hold a common code');
SELECT is(use_of('all', 'ann', :t), 'OK', 'ann has used hers');
SELECT is(revoke_of('common', 'CUSTOMERS', '{ann,bob}'), '1 0 1', 'bob''s is revoked, ann''s is redeemed');
SELECT is(use_of('all', 'bob', :t), 'COUPON_REVOKED', 'bob is told so');
SELECT is(use_of('all', 'cid', :t), 'OK', 'cid''s is good');
SELECT is(issue_of('common', 'bob', :t), 'COMMON_CODE_ONCE', 'a revoked coupon counts as received');
SELECT make_offer('public', '{"code_method": "COMMON", "common_code": "PUBLIC", "anyone_may_redeem": true}');
SELECT is(issue_of('public', 'ann', :t), 'OK', 'a common code that anyone may use');
SELECT is(revoke_of('public', 'CODES', codes => '{public}'), '1 0 0', 'is revoked');
SELECT is(use_of('public', 'ann', :t), 'COUPON_REVOKED', 'ann does not get a new one by using it');
SELECT counted();

-- the limits count revoked coupons (F18, F19)
SELECT make_offer('limits', '{"max_issued": 2, "max_issued_per_customer": 1}');
SELECT is(issue_of('limits', 'ann', :t), 'OK', 'ann has the one coupon she may have');
SELECT is(revoke_of('limits', 'CUSTOMERS', '{ann}'), '1 0 0', 'it is revoked');
SELECT is(issue_of('limits', 'ann', :t), 'CUSTOMER_ISSUE_LIMIT', 'and counts as received');
SELECT is(issue_of('limits', 'bob', :t), 'OK', 'bob has the other');
SELECT is(issue_of('limits', 'cid', :t), 'OFFER_ISSUE_LIMIT', 'and counts as issued');
SELECT counted();

-- transfer (F13): a revoked code can be uploaded again for another customer, the first holder's history is kept
SELECT make_offer('uploaded', '{"code_method": "UPLOADED", "max_uses_per_coupon": 2}');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('uploaded'), '{CARD-1,CARD-2}', '{ann,bob}', at => :t) WHERE loaded), 2::bigint, 'codes of ann and bob');
SELECT is(use_of('card-1', 'ann', :t, bill => 'first'), 'OK', 'ann uses hers once');
SELECT is(rows_of($$ SELECT loaded, reason FROM cms_upload_codes(o('uploaded'), '{CARD-1}', '{cid}', at => '2025-11-12 13:00 Asia/Kolkata') $$), '(f,CODE_TAKEN)', 'while it is hers it is taken');
SELECT is(revoke_of('uploaded', 'CODES', codes => '{CARD-1}'), '1 0 0', 'it is revoked');
SELECT is(use_of('card-1', 'ann', :t), 'COUPON_REVOKED', 'for ann');
SELECT is(rows_of($$ SELECT loaded, reason FROM cms_upload_codes(o('uploaded'), '{CARD-1}', '{cid}', at => '2025-11-12 13:00 Asia/Kolkata') $$), '(t,)', 'now it can be cid''s');
SELECT is(use_of('card-1', 'cid', '2025-11-12 14:00 Asia/Kolkata'), 'OK', 'who uses it');
SELECT is(use_of('card-1', 'ann', '2025-11-12 14:00 Asia/Kolkata'), 'NOT_THE_HOLDER', 'ann cannot any more');
SELECT is(rows_of($$ SELECT c.customer_id, c.uses, c.revoked_at IS NOT NULL FROM cms.coupon c WHERE c.code = 'CARD-1' ORDER BY coupon_id $$), '(ann,1,t) (cid,1,f)', 'both histories are kept');
SELECT counted();

-- archived offers can be revoked too
SELECT alter_offer('archived', 'status', 'ARCHIVED');
SELECT is(revoke_of('archived', 'ALL_UNREDEEMED'), '3 3 1', 'an archived offer''s coupons can be revoked');

-- bad input
SELECT refused(format('SELECT * FROM cms_revoke(%s, at => ''2025-11-12 UTC'')', arguments), state, names, arguments)
FROM (VALUES ('-1, ''UNISSUED'', confirm => true', 'MS001', 'offer -1'), ('NULL, ''UNISSUED'', confirm => true', '22004', 'offer_id'),
	('o(''all''), ''EVERYTHING'', confirm => true', '22023', 'scope'), ('o(''all''), ''unissued'', confirm => true', '22023', 'scope'),
	('o(''all''), '''', confirm => true', '22023', 'scope'), ('o(''all''), NULL, confirm => true', '22004', 'scope'),
	('o(''all''), ''CUSTOMERS'', confirm => true', '22004', 'customer_ids'), ('o(''all''), ''CODES'', confirm => true', '22004', 'codes'),
	('o(''all''), ''CUSTOMERS'', ''{a,NULL}'', confirm => true', '22004', 'customer_ids'), ('o(''all''), ''CODES'', codes => ''{a,NULL}'', confirm => true', '22004', 'codes'),
	('o(''all''), ''CUSTOMERS'', ''{{a},{b}}'', confirm => true', '22023', 'customer_ids'), ('o(''all''), ''CODES'', codes => ''{{a},{b}}'', confirm => true', '22023', 'codes'),
	('o(''all''), ''UNISSUED'', ''{a}'', confirm => true', '22023', 'customer_ids'), ('o(''all''), ''CUSTOMERS'', ''{a}'', ''{X}'', confirm => true', '22023', 'codes'))
	v(arguments, state, names);
SELECT refused($$ SELECT * FROM cms_revoke(o('all'), 'UNISSUED', confirm => true, at => 'infinity') $$, '22023', '"?at"?', 'an infinite time');
-- CUSTOMERS: the active coupons, by their own end and by the offer's
SELECT make_offer('ends', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 1, "expires_on": "2025-11-20"}');
DO $$ BEGIN PERFORM issue_of('ends', 'ann', '2025-11-10 11:00 Asia/Kolkata'), issue_of('ends', 'ann', '2025-11-12 11:00 Asia/Kolkata'); END $$;
SELECT is(revoke_of('ends', 'CUSTOMERS', '{ann}'), '1 0 0', 'a coupon that has expired is not active');
SELECT make_offer('ended', '{"expires_on": "2025-11-11"}');
DO $$ BEGIN PERFORM issue_of('ended', 'ann', '2025-11-10 11:00 Asia/Kolkata'); END $$;
SELECT is(revoke_of('ended', 'CUSTOMERS', '{ann}'), '0 0 0', 'nor one whose offer has ended');
SELECT is(revoke_of('ended', 'ALL_UNREDEEMED'), '1 0 0', 'all that are not redeemed are more than those');
-- a code at a time, after many
SELECT make_offer('many', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 1}');
SELECT count(*) AS issued FROM cms_issue_many(o('many'), (SELECT array_agg('c' || i) FROM generate_series(1, 310) i), at => '2025-11-01 Asia/Kolkata') \gset
SELECT revoke_of('many', 'CODES', codes => (SELECT array_agg(code) FROM cms.coupon WHERE offer_id = o('many') AND customer_id < 'c300')) AS revoked \gset
SELECT cmp_ok(rows_read('cms.coupon', format($$ SELECT revoke_of('many', 'CODES', codes => '{%s}') $$, code_of('many', 'c300'))), '<=', 10::bigint, 'only its coupon is read');
SELECT o('customers') AS other \gset
SELECT play_org('UTC');
SELECT refused(format('SELECT * FROM cms_revoke(%s, ''ALL_UNREDEEMED'', confirm => true, at => ''2025-11-12 UTC'')', :other), 'MS001', 'offer', 'another org''s offer is unknown');
SELECT counted('and nothing was miscounted');

SELECT is(hint_of(format('SELECT * FROM cms_revoke(1, %L)', scope)), 'Use ALL_UNREDEEMED, UNISSUED, CUSTOMERS or CODES.', 'what a scope is: ' || left(scope, 5))
FROM unnest(ARRAY[' ', 'EVERYTHING', repeat('x', 1001)]) scope;

SELECT * FROM finish();
ROLLBACK;
