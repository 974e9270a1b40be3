-- F39: revoking batch by batch: the same as at once, in short transactions, gone on with by its key.
SELECT plan(44);
BEGIN;
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
-- customer:state of the offer's coupons
CREATE FUNCTION states_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(customer_id, '-') || ':' || state, ' ' ORDER BY customer_id, coupon_id)
	FROM cms.coupon_status WHERE offer_id = o(offer)
$$;
-- An offer with three codes in stock, and coupons of ann (used), bob (one of two uses) and cid (two).
CREATE FUNCTION make_scene(offer text, settings jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(offer, '{"max_uses_per_coupon": 2}' || settings);
	PERFORM cms_generate_codes(o(offer), 7, '2025-11-12 10:00 Asia/Kolkata');
	PERFORM cms_issue_many(o(offer), '{ann,bob,cid,cid}', at => '2025-11-12 11:00 Asia/Kolkata');
	PERFORM use_of(code_of(offer, customer), customer, '2025-11-12 11:00 Asia/Kolkata') FROM unnest('{ann,ann,bob}'::text[]) customer;
END
$$;
SELECT make_scene(name) FROM unnest('{all,unissued,customers,codes,keyed,archived}'::text[]) name;
SELECT make_scene('ends', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}');
DO $$ BEGIN PERFORM issue_of('ends', 'dee', '2025-11-13 11:00 Asia/Kolkata'), issue_of('ends', 'eve', '2025-11-14 11:00 Asia/Kolkata'); END $$;
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL"}');
DO $$ BEGIN PERFORM cms_issue_many(o('common'), '{ann,bob}', at => '2025-11-12'), use_of('ALL', 'ann', '2025-11-13'); END $$;
SELECT make_offer('many');
DO $$ BEGIN PERFORM cms_issue_many(o('many'), ARRAY(SELECT 'c' || i FROM generate_series(1, 1000) i), at => '2025-11-12'); END $$;
COMMIT;
SELECT set_config('cms.org', (SELECT max(org_id)::text FROM cms.org), false);
SET search_path = public, cms;
SET client_min_messages = warning;
\set t '''2025-11-14 12:00 Asia/Kolkata'''

-- all, in batches of two: as cms_revoke
CALL cms_revoke_all(o('all'), 'ALL_UNREDEEMED', confirm => true, batch => 2, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '3 3 1', 'three of customers, three in stock, one left because it is redeemed');
SELECT is(states_of('all'), 'ann:REDEEMED bob:REVOKED cid:REVOKED cid:REVOKED -:REVOKED -:REVOKED -:REVOKED', 'one with uses left is revoked for the future');
SELECT is(use_of(code_of('all', 'bob'), 'bob', :t), 'COUPON_REVOKED', 'it cannot be redeemed');
SELECT is(rows_of($$ SELECT issued, stock, redeemed, uses FROM cms.offer_performance WHERE offer_id = o('all') $$), '(4,0,2,3)', 'counted as before, but for the stock');
SELECT counted();
SELECT is(rows_of(format('SELECT action, offer_id = o(''all''), status, total, done, succeeded, refused, refusals FROM cms.job WHERE job_id = %s', :job_id)),
	'(REVOKE_ALL,t,DONE,7,7,6,1,"{""ALREADY_REDEEMED"": 1}")', 'the job tells the same');
SELECT is(rows_of($$ SELECT action, object, new_values - 'job_id' FROM cms.event WHERE offer_id = o('all') AND action = 'REVOKED' $$),
	'(REVOKED,coupon,"{""scope"": ""ALL_UNREDEEMED"", ""left_redeemed"": 1, ""revoked_issued"": 3, ""revoked_unissued"": 3}")', 'one event tells of all of it');
CALL cms_revoke_all(o('all'), 'ALL_UNREDEEMED', confirm => true, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '0 0 1', 'again: nothing is left to revoke');
CALL cms_revoke_all(o('many'), 'ALL_UNREDEEMED', confirm => true, batch => 300, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '1000 0 0', 'a thousand');
SELECT is((SELECT count(DISTINCT xmin::text) FROM cms.coupon WHERE offer_id = o('many')), 4::bigint, 'in four transactions');

-- ends of their own
CALL cms_revoke_all(o('ends'), 'ALL_UNREDEEMED', confirm => true, batch => 1, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '5 1 1', 'coupons of several ends, one at a time');
SELECT counted();

-- the other scopes
CALL cms_revoke_all(o('unissued'), 'UNISSUED', confirm => true, batch => 2, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '0 3 0', 'the stock');
SELECT is(states_of('unissued'), 'ann:REDEEMED bob:ACTIVE cid:ACTIVE cid:ACTIVE -:REVOKED -:REVOKED -:REVOKED', 'and nothing else');
CALL cms_revoke_all(o('customers'), 'CUSTOMERS', '{cid,ann,nobody,cid}', confirm => true, batch => 1, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '2 0 1', 'both of cid, not the redeemed one of ann');
SELECT is(states_of('customers'), 'ann:REDEEMED bob:ACTIVE cid:REVOKED cid:REVOKED -:UNISSUED -:UNISSUED -:UNISSUED', 'nobody else''s');
CALL cms_revoke_all(o('customers'), 'CUSTOMERS', '{}', confirm => true, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '0 0 0', 'of no customers none');
SELECT ARRAY[' ' || lower(code_of('codes', 'cid', 1)), code_of('codes', 'ann'), code_of('customers', 'bob'), 'NOSUCH', '', 'A B',
	(SELECT code FROM cms.coupon WHERE offer_id = o('codes') AND issued_at IS NULL ORDER BY coupon_id LIMIT 1)] AS codes \gset
CALL cms_revoke_all(o('codes'), 'CODES', codes => :'codes', confirm => true, batch => 2, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '1 1 1', 'codes as one types them; others are left alone');
SELECT is((SELECT state FROM cms.coupon_status WHERE code = code_of('customers', 'bob')), 'ACTIVE', 'another offer''s coupon stays');
CALL cms_revoke_all(o('common'), 'CODES', codes => '{all}', confirm => true, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '1 0 1', 'a common code is every customer''s');
SELECT is(use_of('ALL', 'bob', :t), 'COUPON_REVOKED', 'bob is told so');
UPDATE cms.offer SET status = 'ARCHIVED' WHERE offer_id = o('archived');
CALL cms_revoke_all(o('archived'), 'ALL_UNREDEEMED', confirm => true, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '3 3 1', 'an archived offer''s coupons can be revoked');
SELECT counted();
-- of customers the active ones
SELECT make_offer('past', '{"expires_on": "2025-11-13"}');
SELECT is(issue_of('past', 'ann', '2025-11-12'), 'OK', 'a coupon of an offer that has ended since');
CALL cms_revoke_all(o('past'), 'CUSTOMERS', '{ann}', confirm => true, at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '0 0 0', 'is not active');

-- keys
CALL cms_revoke_all(o('keyed'), 'UNISSUED', confirm => true, job_key => 'clear', at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '0 3 0', 'with a key');
SELECT is(cms_generate_codes(o('keyed'), 2, :t), 2::bigint, 'new codes come in');
CALL cms_revoke_all(o('keyed'), 'UNISSUED', confirm => true, job_key => 'clear', at => :t) \gset
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '0 3 0', 'the same call again answers as before');
SELECT is((SELECT stock FROM cms.offer_performance WHERE offer_id = o('keyed')), 2::bigint, 'and revokes nothing: they were not meant');
SELECT throws_ok($$ CALL cms_revoke_all(o('keyed'), 'ALL_UNREDEEMED', confirm => true, job_key => 'clear') $$, '25001', NULL, 'a function is a transaction');
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
CALL cms_revoke_all(o('keyed'), 'ALL_UNREDEEMED', confirm => true, job_key => 'clear');
SELECT is(:'SQLSTATE'::text, 'MS013', 'the key is of another request');
CALL cms_revoke_all(o('keyed'), 'CUSTOMERS', '{ann}', confirm => true, job_key => 'some');
CALL cms_revoke_all(o('keyed'), 'CUSTOMERS', '{bob}', confirm => true, job_key => 'some');
SELECT is(:'SQLSTATE'::text, 'MS013', 'so is one with another list');

-- calls that make no sense
CALL cms_revoke_all(o('keyed'), 'ALL_UNREDEEMED');
SELECT is(:'SQLSTATE'::text, 'MS004', 'not confirmed');
CALL cms_revoke_all(-1, 'ALL_UNREDEEMED', confirm => true);
SELECT is(:'SQLSTATE'::text, 'MS001', 'unknown offer');
CALL cms_revoke_all(o('keyed'), 'EVERYTHING', confirm => true);
SELECT is(:'SQLSTATE'::text, '22023', 'unknown scope');
CALL cms_revoke_all(o('keyed'), 'CODES', confirm => true);
SELECT is(:'SQLSTATE'::text, '22004', 'without its list');
CALL cms_revoke_all(o('keyed'), 'UNISSUED', '{ann}', confirm => true);
SELECT is(:'SQLSTATE'::text, '22023', 'with a list of another scope');
CALL cms_revoke_all(o('keyed'), 'UNISSUED', confirm => true, batch => 0);
SELECT is(:'SQLSTATE'::text, '22023', 'nothing at a time');
BEGIN;
CALL cms_revoke_all(o('keyed'), 'UNISSUED', confirm => true);
\set block :SQLSTATE
ROLLBACK;
SELECT is(:'block'::text, '25001', 'within a transaction block');
SELECT cms_revoke_all_step(1, 1, 1, NULL, 1, now(), NULL);
SELECT is(:'SQLSTATE'::text, '42501', 'the step is not for anybody');
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is(states_of('keyed'), 'ann:REDEEMED bob:ACTIVE cid:ACTIVE cid:ACTIVE -:REVOKED -:REVOKED -:REVOKED -:UNISSUED -:UNISSUED', 'nothing was done by them');

-- no more rights than its caller's
CREATE ROLE f39_manager IN ROLE cms_manager;
CREATE ROLE f39_issuer IN ROLE cms_issuer;
INSERT INTO cms.org_role (org_id, role_name) VALUES (cms_current_org(), 'f39_manager'), (cms_current_org(), 'f39_issuer');
SELECT o('keyed') AS keyed \gset
SET ROLE f39_issuer;
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
CALL cms.cms_revoke_all(:keyed, 'ALL_UNREDEEMED', confirm => true);
\set issuer :SQLSTATE
\set VERBOSITY default
\set ON_ERROR_STOP on
SET ROLE f39_manager;
CALL cms.cms_revoke_all(:keyed, 'ALL_UNREDEEMED', confirm => true) \gset
RESET ROLE;
SELECT is(:'issuer'::text, '42501', 'an issuer may not');
SELECT is(concat_ws(' ', :revoked_issued, :revoked_unissued, :left_redeemed), '3 2 1', 'a manager may');
SELECT counted('and nothing was miscounted');
DELETE FROM cms.org_role WHERE role_name ~ '^f39_';
DROP ROLE f39_manager, f39_issuer;
SELECT * FROM finish();
