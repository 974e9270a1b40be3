-- Purging: what may go and what has to stay, what of it still counts, and how far one call goes.
BEGIN;
SELECT plan(89);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-10 11:00 Asia/Kolkata'''
\set later '''2026-11-10 11:00 Asia/Kolkata'''
\set before '''2026-06-01 00:00 Asia/Kolkata'''

CREATE FUNCTION purge_of(before timestamptz DEFAULT '2026-06-01 00:00 Asia/Kolkata', how_many int DEFAULT 1000) RETURNS bigint
LANGUAGE sql AS $$ SELECT cms_purge(before, how_many, at => '2026-11-10 11:00 Asia/Kolkata') $$;
-- customer:state of the offer's coupons
CREATE FUNCTION states_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(customer_id, '-') || ':' || state, ' ' ORDER BY customer_id, coupon_id)
	FROM cms.coupon_status WHERE offer_id = o(offer)
$$;
CREATE FUNCTION report_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' / ',
		(SELECT (p.issued, p.redeemed, p.uses, p.redemption_rate, p.first_issued_at, p.last_issued_at)::text FROM cms.offer_performance p WHERE p.offer_id = o(offer)),
		(SELECT string_agg((d.day, d.issued, d.redeemed, d.redemption_rate, d.uses)::text, ' ' ORDER BY d.day) FROM cms.redemption_rate_by_day d WHERE d.offer_id = o(offer)))
$$;
-- Ended in December 2025; codes in stock, and coupons of ann (used), bob (used and reversed), cid, dee (issued later), eve (revoked), fay (held once)
CREATE FUNCTION make_scene(offer text, settings jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM make_offer(offer, '{"expires_on": "2025-12-31"}' || settings);
	PERFORM cms_generate_codes(o(offer), 9, '2025-11-10 10:00 Asia/Kolkata');
	PERFORM cms_issue_many(o(offer), '{ann,bob,cid,eve,fay}', request_key => offer, at => '2025-11-10 11:00 Asia/Kolkata');
	PERFORM issue_of(offer, 'dee', '2025-11-12 11:00 Asia/Kolkata');
	PERFORM use_of(code_of(offer, 'ann'), 'ann', '2025-11-12 11:00 Asia/Kolkata');
	PERFORM use_of(code_of(offer, 'bob'), 'bob', '2025-11-12 11:00 Asia/Kolkata', bill => 'bob ' || offer);
	PERFORM cms_reverse(redemption_id, at => '2025-11-12 12:00 Asia/Kolkata') FROM cms.redemption WHERE bill_ref = 'bob ' || offer;
	PERFORM cms_revoke(o(offer), 'CUSTOMERS', '{eve}', confirm => true, at => '2025-11-12 12:00 Asia/Kolkata');
	PERFORM cms_hold(code_of(offer, 'fay'), 'fay', 100, 'order of ' || offer, seconds => 60, at => '2025-11-12 12:00 Asia/Kolkata');
END
$$;

SELECT make_scene('ended');
CREATE TEMP TABLE report AS SELECT report_of('ended') AS before;
SELECT is(states_of('ended'), 'ann:REDEEMED bob:EXPIRED cid:EXPIRED dee:EXPIRED eve:REVOKED fay:EXPIRED -:EXPIRED -:EXPIRED -:EXPIRED', 'the scene');
SELECT code_of('ended', 'cid') AS cid, code_of('ended', 'ann') AS ann \gset
SELECT is(use_of(:'cid', 'cid', '2026-02-01'), 'OFFER_EXPIRED', 'what expired is known');

-- which offers
SELECT is(purge_of('2026-01-01 00:00 Asia/Kolkata'), 7::bigint, 'the offer ended with December: all but what was redeemed, or reversed');
SELECT is(states_of('ended'), 'ann:REDEEMED bob:EXPIRED', 'also the stock, the revoked one, and the one that was held');
SELECT is(purge_of(), 0::bigint, 'once');
SELECT is(report_of('ended'), before, 'the reports are what they were') FROM report;
SELECT is(rows_of($$ SELECT issued_on, coupons FROM cms.purged_coupon WHERE offer_id = o('ended') ORDER BY 1 $$), '(2025-11-10,3) (2025-11-12,1)', 'because the purged are counted by day');
SELECT is((SELECT stock FROM cms.offer_performance WHERE offer_id = o('ended')), 0::bigint, 'the stock is empty');
SELECT counted();
SELECT is(use_of(:'cid', 'cid', '2026-02-01'), 'CODE_NOT_FOUND', 'a purged code is unknown');
SELECT is(use_of(:'ann', 'ann', '2025-12-01'), 'ALREADY_REDEEMED', 'a redeemed one is not');
SELECT is(rows_of($$ SELECT line, issued, code IS NULL, expires_at IS NULL, coupon_id IS NULL, replayed FROM cms_issue_many(o('ended'), '{ann,bob,cid,eve,fay}', request_key => 'ended', at => '2026-02-01') ORDER BY line $$),
	'(1,t,f,f,f,t) (2,t,f,f,f,t) (3,t,t,t,f,t) (4,t,t,t,f,t) (5,t,t,t,f,t)', 'an issue that comes again is answered as far as its coupons are there');
SELECT is((SELECT status FROM cms.hold WHERE order_ref = 'order of ended'), 'EXPIRED', 'a hold that nobody had ended is ended first');
SELECT is(rows_of($$ SELECT released, reason FROM cms_release_hold((SELECT hold_id FROM cms.hold WHERE order_ref = 'order of ended'), at => '2026-02-01') $$), '(f,HOLD_NOT_FOUND)', 'the hold is gone with its coupon');
SELECT is(issue_of('ended', 'cid', :t), 'OFFER_ARCHIVED', 'whatever the time, nothing more is given out: nobody knows who had one');
SELECT alter_offer('ended', 'expires_on', '2027-12-31');
SELECT is(issue_of('ended', 'cid', :later), 'OFFER_ARCHIVED', 'nor when the end is moved');
SELECT is(use_of(code_of('ended', 'bob'), 'bob', :later), 'OK', 'but what is left can be redeemed then');
SELECT throws_ok($$ SELECT cms_generate_codes(o('ended'), 1, '2026-11-10') $$, '22023', NULL, 'no codes either');
SELECT counted();
SELECT throws_ok($$ DELETE FROM cms.offer WHERE offer_id = o('ended') $$, 'MS008', NULL, 'an offer whose coupons were purged has issued');

-- not before its end
SELECT make_scene('running', '{"expires_on": "2026-06-01", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 2}');
SELECT is(purge_of(), 0::bigint, 'an offer that ended not before then, whose coupons did');
SELECT alter_offer('running', 'expires_on', '2026-05-31');
SELECT is(purge_of(), 7::bigint, 'a day earlier it had');
SELECT make_offer('endless', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 1}');
SELECT is(issue_of('endless', 'ann', :t) || issue_of('endless', 'bob', '2026-05-31'), 'OKOK', 'an offer without an end');
SELECT is(purge_of(), 0::bigint, 'is live');
SELECT is(use_of(code_of('endless', 'ann'), 'ann', '2026-02-01'), 'COUPON_EXPIRED', 'though its coupons expire');
SELECT alter_offer('endless', 'status', 'ARCHIVED');
SELECT is(purge_of(), 1::bigint, 'archived it is over, and what has expired goes');
SELECT is(purge_of('2026-06-02'), 1::bigint, 'the next one when its time has come');
SELECT counted();
SELECT alter_offer('endless', 'status', 'ACTIVE');
SELECT is(issue_of('endless', 'ann', :later), 'OFFER_ARCHIVED', 'it stays so');
SELECT make_offer('mistake', '{}');
SELECT alter_offer('mistake', 'status', 'ARCHIVED');
SELECT is(issue_of('mistake', 'ann', :t), 'OFFER_ARCHIVED', 'one that is archived by mistake');
SELECT is(purge_of(), 0::bigint, 'and loses nothing');
SELECT alter_offer('mistake', 'status', 'ACTIVE');
SELECT is(issue_of('mistake', 'ann', :t), 'OK', 'can be called back');

-- coupons that outlive their offer
SELECT make_scene('outlived', '{"outlives_offer": true, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 400}');
SELECT is(purge_of(), 0::bigint, 'coupons that outlive their offer');
SELECT is(cms_purge('2027-06-01', at => '2027-06-02'), 4::bigint, 'go when their own end has come, the revoked one too');
SELECT is(states_of('outlived') ~ '^ann:REDEEMED bob:[A-Z]+ -:UNISSUED -:UNISSUED -:UNISSUED$', true, 'codes in stock have none');
SELECT counted();
SELECT make_scene('forever', '{"outlives_offer": true}');
SELECT is(cms_purge('2099-06-01', at => '2099-06-02'), 0::bigint, 'nor have coupons that never expire');

-- F20: needed for another offer
SELECT make_scene('first');
SELECT make_offer('second', '{"past_issue_months": 8}');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) SELECT o('second'), o('first');
SELECT is(cms_purge('2026-06-01', at => '2026-07-11 23:59 Asia/Kolkata'), 0::bigint, 'the last issue bars a customer until 12 July: all stay');
SELECT is(issue_of('second', 'cid', '2026-07-09 12:00 Asia/Kolkata'), 'RECENTLY_RECEIVED_OTHER', 'as they must');
SELECT alter_offer('second', 'status', 'ARCHIVED');
SAVEPOINT archived;
SELECT is(cms_purge('2026-06-01', at => '2026-07-11 23:59 Asia/Kolkata'), 7::bigint, 'unless the other offer gives out nothing more');
ROLLBACK TO archived;
SELECT alter_offer('second', 'status', 'ACTIVE');
SELECT is(cms_purge('2026-06-01', at => '2026-07-12 00:00 Asia/Kolkata'), 7::bigint, 'from then on it does not');
SELECT is(issue_of('second', 'cid', '2026-07-12 00:00 Asia/Kolkata'), 'OK', 'and he gets one');

-- holds
SELECT make_scene('held', '{"expires_on": "2026-05-30"}');
DO $$ BEGIN PERFORM cms_hold(code_of('held', 'cid'), 'cid', 100, 'long', seconds => 2678400, at => '2026-05-29 12:00 Asia/Kolkata'); END $$;
SELECT is(purge_of(), 6::bigint, 'what is held beyond then stays');
SELECT is(states_of('held'), 'ann:REDEEMED bob:EXPIRED cid:EXPIRED', 'and only that');
SELECT is(rows_of($$ SELECT redeemed, reason FROM cms_confirm((SELECT hold_id FROM cms.hold WHERE order_ref = 'long'), at => '2026-06-05 12:00 Asia/Kolkata') $$), '(t,)', 'it is confirmed in time');
SELECT is(cms_purge('2026-10-01', at => :later), 0::bigint, 'and then redeemed');
SELECT counted();

-- bounded, and on from there
SELECT make_scene('many', '{"code_method": "GENERATED", "expires_on": "2026-03-01", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}');
DO $$ BEGIN PERFORM cms_issue_many(o('many'), ARRAY(SELECT 'c' || i FROM generate_series(1, 50) i), at => '2025-11-15'); END $$;
SELECT is(purge_of(how_many => 20), 20::bigint, 'at most so many at once');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('many')), 36::bigint, 'and no more are gone');
SELECT counted('the counters are right in between');
SELECT is(purge_of(how_many => 20), 20::bigint, 'the next');
SELECT is(purge_of(how_many => 20), 14::bigint, 'the rest');
SELECT is(purge_of(how_many => 20), 0::bigint, 'nothing is left');
SELECT is(states_of('many') ~ '^ann:REDEEMED bob:[A-Z]+$', true, 'but what was redeemed');
SELECT counted();
-- more that stays than a call looks at
SELECT make_offer('used', '{"expires_on": "2026-03-01"}');
DO $$ BEGIN
	PERFORM cms_issue_many(o('used'), ARRAY(SELECT 'c' || i FROM generate_series(1, 60) i), at => '2025-11-15');
	PERFORM cms_redeem(code, customer_id, 100, code, at => '2025-11-16') FROM cms.coupon WHERE offer_id = o('used');
	PERFORM issue_of('used', 'last', '2025-11-15');
END $$;
SELECT is(purge_of(how_many => 2), 1::bigint, 'what is behind much that stays is found');
SELECT is(purge_of(how_many => 2), 0::bigint, '0 is all');

-- codes
SELECT make_offer('sample', '{"code_method": "RANDOMISED", "sample_code": "12345", "expires_on": "2026-03-01"}');
DO $$ BEGIN PERFORM cms_issue_many(o('sample'), ARRAY(SELECT 'c' || i FROM generate_series(1, 9) i), at => '2025-11-15'); END $$;
SELECT is(purge_of(), 9::bigint, 'randomised codes');
SELECT is((SELECT sum(next_position) FROM cms.offer_slot WHERE offer_id = o('sample')), 9::numeric, 'never come twice');
SELECT make_offer('cards', '{"code_method": "UPLOADED", "expires_on": "2026-03-01"}');
SELECT make_offer('more', '{"code_method": "UPLOADED"}');
SELECT is((SELECT count(*) FROM cms_upload_codes(o('cards'), '{CARD-1,CARD-2}', '{ann,bob}', at => :t) WHERE loaded), 2::bigint, 'uploaded codes');
SELECT is((SELECT reason FROM cms_upload_codes(o('more'), '{CARD-1}', at => :later)), 'CODE_TAKEN', 'are taken');
SELECT is(purge_of(), 2::bigint, 'until they are purged');
SELECT is((SELECT reason FROM cms_upload_codes(o('more'), '{CARD-1}', at => :later)), NULL, 'then they are free');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL", "expires_on": "2026-03-01", "anyone_may_redeem": true}');
SELECT is(issue_of('common', 'ann', :t), 'OK', 'a common code');
SELECT is(purge_of(), 1::bigint, 'of a customer');
SELECT is(use_of('ALL', 'ann', '2026-02-01'), 'NOT_ISSUED', 'is not given out again, at no time');
SELECT counted();

-- logs
UPDATE cms.org SET record_attempts = true WHERE org_id = cms_current_org();
SELECT is((SELECT count(*) FROM cms.request WHERE requested_at < clock_timestamp() + interval '1 s') > 5, true, 'keys were used');
SELECT is(cms_purge(requests_before => now(), at => now()), 0::bigint, 'not older than now');
SELECT is(cms_purge(requests_before => clock_timestamp() + interval '1 s', how_many => 3, at => clock_timestamp() + interval '1 h'), 3::bigint, 'requests go, a bounded number');
SELECT is(cms_purge(requests_before => clock_timestamp() + interval '1 s', at => clock_timestamp() + interval '1 h') > 0, true, 'the rest');
SELECT is_empty($$ SELECT FROM cms.request WHERE org_id = cms_current_org() $$, 'none is left');
SELECT is(use_of('NOSUCH', 'ann', :t), 'CODE_NOT_FOUND', 'an attempt is recorded');
SELECT is(cms_purge(attempts_before => clock_timestamp() + interval '1 s', at => clock_timestamp() + interval '1 h'), 1::bigint, 'and goes');
SELECT is_empty('SELECT FROM cms.attempt', 'it is gone');
SELECT make_scene('open', '{"expires_on": "2029-12-31"}');
DO $$ BEGIN PERFORM cms_sweep_holds(at => '2026-02-01'); PERFORM cms_hold(code_of('open', 'dee'), 'dee', 100, 'open', at => '2025-12-01'); END $$;
SELECT is(cms_purge(holds_before => '2026-09-01', at => :later) > 0, true, 'holds that are over');
SELECT is(rows_of('SELECT DISTINCT status FROM cms.hold'), '(HELD)', 'not those that nobody has ended');
SELECT counted();

-- what the org keeps
SELECT is(cms_purge(at => '2099-01-01'), 0::bigint, 'without times nothing is purged');
SELECT make_scene('kept', '{"expires_on": "2026-12-31"}');
UPDATE cms.org SET keep_expired = '1 year', keep_logs = '2 years' WHERE org_id = cms_current_org();
SELECT is(cms_purge(at => '2027-12-31 23:59:59 Asia/Kolkata'), 0::bigint, 'unless the org says how long to keep');
SELECT is(cms_purge(at => '2028-01-01 00:00 Asia/Kolkata'), 8::bigint, 'seven coupons, and the hold that has ended with them');
SELECT is(cms_purge(at => now() + interval '3 years') > 0, true, 'and logs');
SELECT refused($$ UPDATE cms.org SET keep_expired = '23 hours' WHERE org_id = cms_current_org() $$, '23514', 'keep_expired', 'a day at least');
SELECT refused($$ UPDATE cms.org SET keep_logs = '-1 days' WHERE org_id = cms_current_org() $$, '23514', 'keep_logs', 'of logs too');

-- calls that make no sense
SELECT refused($$ SELECT cms_purge('2026-06-02', at => '2026-06-01') $$, '22023', 'before', 'what has not ended yet');
SELECT refused($$ SELECT cms_purge(attempts_before => 'infinity') $$, '22023', 'attempts_before', 'of logs too');
SELECT refused($$ SELECT cms_purge('2026-06-01', 0) $$, '22023', 'how_many', 'nothing at a time');
SELECT refused($$ CALL cms_purge_all('2026-06-01') $$, '25001', 'cms_purge_all', 'batch by batch within a transaction');
SELECT refused($$ DELETE FROM cms.purged_coupon $$, 'MS006', 'purged_coupon', 'what was purged is not for changing');

SELECT * FROM finish();
ROLLBACK;
