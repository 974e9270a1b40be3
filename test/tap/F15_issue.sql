-- F15: one customer, several coupons, many customers; rows of result, order of reasons, request keys.
BEGIN;
SELECT plan(102);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- one coupon to one customer
SELECT make_offer('plain', '{"starts_after_days": 1, "coupon_expiry_type": "DAYS", "coupon_expiry_value": 3}');
SELECT is(rows_of($$ SELECT line, customer_id, issued, reason, message, coupon_id IS NOT NULL, length(code), valid_from AT TIME ZONE 'Asia/Kolkata',
		expires_at AT TIME ZONE 'Asia/Kolkata', next_allowed_on, replayed FROM cms_issue(o('plain'), 'ann', at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(1,ann,t,,,t,12,"2025-11-13 00:00:00","2025-11-16 00:00:00",,f)', 'a row tells the coupon and when it is good');
SELECT is(rows_of($$ SELECT customer_id, nth, issued_at AT TIME ZONE 'Asia/Kolkata', uses, shared, revoked_at, service, consumer_ref FROM cms.coupon $$),
	'(ann,1,"2025-11-12 11:00:00",0,f,,,)', 'which is stored');
SELECT is((SELECT valid_from FROM cms.coupon_status WHERE customer_id = 'ann'), '2025-11-13 00:00 Asia/Kolkata'::timestamptz, 'and reported');

-- several to one
SELECT is(rows_of($$ SELECT line, customer_id, issued FROM cms_issue(o('plain'), 'bob', 3, at => '2025-11-12 11:00 Asia/Kolkata') $$), '(1,bob,t) (2,bob,t) (3,bob,t)', 'three coupons, a row each');
SELECT is((SELECT count(DISTINCT code) FROM cms.coupon WHERE customer_id = 'bob'), 3::bigint, 'with different codes');
SELECT make_offer('two each', '{"max_issued_per_customer": 2}');
SELECT is(rows_of($$ SELECT line, issued, reason, coupon_id IS NOT NULL, code IS NOT NULL FROM cms_issue(o('two each'), 'ann', 3, at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(1,t,,t,t) (2,t,,t,t) (3,f,CUSTOMER_ISSUE_LIMIT,f,f)', 'a part succeeds and is reported');
SELECT is(issue_of('two each', 'bob', :t, 2), 'OK OK', 'all of what is allowed');
-- all or none
SELECT is(rows_of($$ SELECT line, issued, reason, coupon_id IS NOT NULL FROM cms_issue(o('two each'), 'cid', 3, true, at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(1,f,OTHER_COUPON_FAILED,f) (2,f,OTHER_COUPON_FAILED,f) (3,f,CUSTOMER_ISSUE_LIMIT,f)', 'all or none: none, with the reason of each');
SELECT is((SELECT count(*) FROM cms.coupon WHERE customer_id = 'cid'), 0::bigint, 'nothing is issued');
SELECT is(rows_of($$ SELECT line, issued FROM cms_issue(o('two each'), 'cid', 2, all_or_none => true, at => '2025-11-12 11:00 Asia/Kolkata') $$), '(1,t) (2,t)', 'all or none: all');
SELECT counted();

-- many customers
SELECT make_offer('many', '{"max_issued_per_customer": 1}');
SELECT is(rows_of($$ SELECT line, customer_id, issued, reason FROM cms_issue_many(o('many'), '{zoe,ann,bob,ann}', at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(1,zoe,t,) (2,ann,t,) (3,bob,t,) (4,ann,f,CUSTOMER_ISSUE_LIMIT)', 'rows in the order of the array; who is named twice asks twice');
SELECT is(rows_of($$ SELECT line, customer_id, reason FROM cms_issue_many(o('many'), '{cid,ann}', 2, at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(1,cid,) (2,cid,CUSTOMER_ISSUE_LIMIT) (3,ann,CUSTOMER_ISSUE_LIMIT) (4,ann,CUSTOMER_ISSUE_LIMIT)', 'two each: four rows');
SELECT is(rows_of($$ SELECT line, customer_id, reason FROM cms_issue_many(o('many'), '{dee,ann}', all_or_none => true, at => '2025-11-12 11:00 Asia/Kolkata') $$),
	'(1,dee,OTHER_COUPON_FAILED) (2,ann,CUSTOMER_ISSUE_LIMIT)', 'all or none over customers');
SELECT is(rows_of($$ SELECT * FROM cms_issue_many(o('many'), '{}', at => '2025-11-12 11:00 Asia/Kolkata') $$), NULL, 'nobody: no rows');
SELECT make_offer('bulk');
SELECT is((SELECT count(*) FROM cms_issue_many(o('bulk'), (SELECT array_agg('c' || g) FROM generate_series(1, 5000) g), at => :t) WHERE issued), 5000::bigint, 'five thousand, from a query');
SELECT is((SELECT count(DISTINCT code) FROM cms.coupon WHERE offer_id = o('bulk')), 5000::bigint, 'have five thousand codes');
SELECT counted();

-- request keys
SELECT make_offer('keyed', '{"max_issued_per_customer": 2}');
CREATE TABLE first AS SELECT * FROM cms_issue(o('keyed'), 'ann', 3, request_key => 'K1', at => :t);
SELECT is(string_agg(coalesce(reason, 'OK') || replayed, ' ' ORDER BY line), 'OKfalse OKfalse CUSTOMER_ISSUE_LIMITfalse', 'a request with a key') FROM first;
SELECT results_eq($$ SELECT line, customer_id, issued, reason, coupon_id, code, valid_from, expires_at, true FROM first $$,
	$$ SELECT line, customer_id, issued, reason, coupon_id, code, valid_from, expires_at, replayed FROM cms_issue(o('keyed'), 'ann', 3, request_key => 'K1', at => '2025-11-13 11:00 Asia/Kolkata') $$,
	'the same key again gives the same coupons, marked replayed');
SELECT is((SELECT count(*) FROM cms.coupon WHERE offer_id = o('keyed')), 2::bigint, 'and nothing is issued');
SELECT is(string_agg(reason, ' '), 'KEY_CONFLICT', 'with another customer it is a conflict') FROM cms_issue(o('keyed'), 'bob', request_key => 'K1', at => :t);
SELECT is(string_agg(reason, ' '), 'KEY_CONFLICT KEY_CONFLICT', 'with another number too') FROM cms_issue(o('keyed'), 'ann', 2, request_key => 'K1', at => :t);
SELECT is(string_agg(reason, ' '), 'KEY_CONFLICT', 'with another offer too') FROM cms_issue(o('bulk'), 'ann', request_key => 'K1', at => :t);
SELECT is(string_agg(reason, ' '), 'KEY_CONFLICT KEY_CONFLICT', 'and for many customers') FROM cms_issue_many(o('keyed'), '{bob,cid}', request_key => 'K1', at => :t);
SELECT is(string_agg(reason, ' '), 'CUSTOMER_ISSUE_LIMIT', 'a request that issues nothing') FROM cms_issue(o('keyed'), 'ann', request_key => 'K2', at => :t);
SELECT is(string_agg(coalesce(reason, 'OK'), ' '), 'OK', 'binds nothing') FROM cms_issue(o('keyed'), 'bob', request_key => 'K2', at => :t);
CREATE TABLE first_many AS SELECT * FROM cms_issue_many(o('keyed'), '{dee,cid}', request_key => 'K3', at => :t);
SELECT results_eq($$ SELECT line, customer_id, code FROM first_many $$,
	$$ SELECT line, customer_id, code FROM cms_issue_many(o('keyed'), '{dee,cid}', request_key => 'K3', at => '2025-11-12 12:00 UTC') WHERE replayed $$, 'keys for many customers');
SELECT is(string_agg(replayed::text, ' '), 'false', 'a blank key is none') FROM generate_series(1, 2) g, LATERAL cms_issue(o('bulk'), 'key' || g, request_key => ' ', at => :t) WHERE g = 2;
SELECT counted();

-- the order of reasons: each with the one that follows
SELECT make_offer('archived, claimed', '{"expires_on": "2025-11-10"}');
SELECT is((SELECT claimed FROM cms_claim(o('archived, claimed'), 'DVS', at => '2025-11-01 UTC')), true, 'claimed');
SELECT is(issue_of('archived, claimed', 'ann', '2025-11-01 UTC'), 'NOT_THE_CLAIMANT', 'claimed by a service, none is named');
SELECT is(issue_of('archived, claimed', 'ann', :t, service => 'TIMELINE'), 'NOT_THE_CLAIMANT', 'NOT_THE_CLAIMANT comes before OFFER_EXPIRED');
SELECT is(issue_of('archived, claimed', 'ann', :t, service => 'DVS'), 'OFFER_EXPIRED', 'which the claimant is told');
SELECT alter_offer('archived, claimed', 'status', 'ARCHIVED');
SELECT is(issue_of('archived, claimed', 'ann', :t), 'OFFER_ARCHIVED', 'OFFER_ARCHIVED comes first');
SELECT make_offer('ended', '{"expires_on": "2025-11-10", "audience_only": true}');
SELECT is(issue_of('ended', 'ann', '2025-11-10 23:59:59.999999 Asia/Kolkata'), 'NOT_IN_AUDIENCE', 'to the last moment of the offer');
SELECT is(issue_of('ended', 'ann', '2025-11-11 00:00 Asia/Kolkata'), 'OFFER_EXPIRED', 'OFFER_EXPIRED comes before NOT_IN_AUDIENCE');
SELECT make_offer('other');
SELECT is(issue_of('other', 'ann', '2025-11-01 UTC'), 'OK', 'a coupon of an offer that excludes others');
SELECT make_offer('audience', '{"audience_only": true}');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL"}');
SELECT make_offer('limit', '{"max_issued_per_customer": 0, "min_days_between_issues": 5}');
SELECT is(issue_of('common', 'ann', '2025-11-01 UTC'), 'OK', 'a common code');
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) SELECT o(name), o('other') FROM unnest('{audience,common,limit}'::text[]) name;
SELECT is(issue_of('audience', 'ann', :t), 'NOT_IN_AUDIENCE', 'NOT_IN_AUDIENCE comes before RECENTLY_RECEIVED_OTHER');
SELECT is(issue_of('common', 'ann', :t), 'RECENTLY_RECEIVED_OTHER', 'which comes before COMMON_CODE_ONCE');
SELECT is(issue_of('limit', 'ann', :t), 'RECENTLY_RECEIVED_OTHER', 'and before CUSTOMER_ISSUE_LIMIT');
SELECT make_offer('common, one', '{"code_method": "COMMON", "common_code": "ONE", "max_issued": 1, "max_issued_per_customer": 1, "min_days_between_issues": 5}');
SELECT is(issue_of('common, one', 'ann', :t), 'OK', 'the only coupon of a common code');
SELECT is(issue_of('common, one', 'ann', :t), 'COMMON_CODE_ONCE', 'COMMON_CODE_ONCE comes before CUSTOMER_ISSUE_LIMIT');
SELECT is(issue_of('common, one', 'bob', :t), 'OFFER_ISSUE_LIMIT', 'bob is told that there are no more');
SELECT make_offer('one', '{"max_issued": 1, "max_issued_per_customer": 1, "min_days_between_issues": 5}');
SELECT is(issue_of('one', 'ann', :t), 'OK', 'the only coupon');
SELECT is(issue_of('one', 'ann', :t), 'CUSTOMER_ISSUE_LIMIT', 'CUSTOMER_ISSUE_LIMIT comes before ISSUE_GAP');
SELECT alter_offer('one', 'max_issued_per_customer', NULL);
SELECT is(issue_of('one', 'ann', :t), 'ISSUE_GAP', 'ISSUE_GAP comes before OFFER_ISSUE_LIMIT');
SELECT make_offer('pool', '{"code_method": "UPLOADED", "max_issued": 0}');
SELECT is(issue_of('pool', 'ann', :t), 'OFFER_ISSUE_LIMIT', 'OFFER_ISSUE_LIMIT comes before NO_CODES_LEFT');
SELECT alter_offer('pool', 'max_issued', NULL);
SELECT is(issue_of('pool', 'ann', :t), 'NO_CODES_LEFT', 'which comes last');
SELECT is((SELECT count(*) FROM cms_issue(o('pool'), 'ann', at => :t) WHERE message ~ '^[A-Z].*[.]$' AND NOT issued), 1::bigint, 'each with a sentence');
SELECT counted();

-- the service that issues
SELECT make_offer('central');
SELECT is(issue_of('central', 'ann', :t), 'OK', 'an offer that nobody claimed, without naming a service');
SELECT is((SELECT count(*) FROM cms.claim WHERE offer_id = o('central')), 0::bigint, 'is not claimed by that');
SELECT is(issue_of('central', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'spring'), 'OK', 'naming a service');
SELECT is(rows_of($$ SELECT service, consumer_ref FROM cms.claim WHERE offer_id = o('central') $$), '(OUTBOUND,spring)', 'claims it');
SELECT is(issue_of('central', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'summer'), 'NOT_THE_CLAIMANT', 'another campaign may not issue then');
SELECT is(issue_of('central', 'ann', :t, service => 'DVS'), 'NOT_THE_CLAIMANT', 'nor another service');
SELECT is(issue_of('central', 'ann', :t), 'NOT_THE_CLAIMANT', 'nor who names none');
SELECT is(rows_of($$ SELECT service, consumer_ref FROM cms.coupon WHERE offer_id = o('central') ORDER BY coupon_id $$), '(,) (OUTBOUND,spring)', 'the coupons tell who issued them');
SELECT make_offer('in vain', '{"max_issued": 0}');
SELECT is(issue_of('in vain', 'ann', :t, service => 'DVS'), 'OFFER_ISSUE_LIMIT', 'a service that gets nothing');
SELECT is((SELECT count(*) FROM cms.claim WHERE offer_id = o('in vain')), 0::bigint, 'has claimed nothing');
SELECT make_offer('module', '{"owner_service": "OUTBOUND", "owner_ref": "spring"}');
SELECT is(issue_of('module', 'ann', :t), 'NOT_THE_CLAIMANT', 'a module''s offer is not issued without its service');
SELECT is(issue_of('module', 'ann', :t, service => 'DVS'), 'NOT_THE_CLAIMANT', 'nor by another');
SELECT is(issue_of('module', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'spring'), 'NOT_THE_CLAIMANT', 'nor for a campaign that has an offer already');
SELECT counted();

-- one call after the other, as the fast way goes: drawn codes, numbers of the customer, caps near and far
SELECT make_offer('short', '{"code_prefix": "SHRT", "code_charset": "NUMERIC", "code_length": 1, "allow_dense_codes": true}');
SELECT is(issue_of('short', 'c0', :t), 'OK', 'a first code of ten');
SELECT make_offer('in the way', jsonb_build_object('code_method', 'COMMON', 'common_code',
	'SHRT' || (SELECT min(d) FROM generate_series(0, 9) d WHERE NOT EXISTS (SELECT FROM cms.coupon c WHERE c.code = 'SHRT' || d))));
SELECT is((SELECT string_agg(DISTINCT issue_of('short', 'c' || n, :t), ' ') FROM generate_series(1, 8) n), 'OK', 'eight more go one by one');
SELECT is(issue_of('short', 'c9', :t), 'NO_CODES_LEFT', 'and the last is reserved since');
SELECT is(issue_of('in the way', 'ann', :t), 'OK', 'for the common code');
SELECT make_offer('numbered');
SELECT is((SELECT string_agg(DISTINCT issue_of('numbered', 'ann', :t), ' ') FROM generate_series(1, 5) n), 'OK', 'five to one customer, call by call');
SELECT is((SELECT count(*) FROM cms_issue(o('numbered'), 'ann', 295, at => :t) WHERE issued), 295::bigint, 'and 295 in one');
SELECT is((SELECT format('%s %s %s', count(*), min(nth), max(nth)) FROM cms.coupon WHERE offer_id = o('numbered')), '300 1 300',
	'each has its number');
SELECT make_offer('far cap', '{"max_issued": 20000}');
SELECT is((SELECT string_agg(DISTINCT issue_of('far cap', 'c' || n, :t), ' ') FROM generate_series(1, 3) n), 'OK', 'a cap far away');
SELECT alter_offer('far cap', 'max_issued', '3');
SELECT is(issue_of('far cap', 'dan', :t), 'OFFER_ISSUE_LIMIT', 'comes near at once');
SELECT counted('whatever way it went');

-- bad input
SELECT refused(format('SELECT * FROM cms_issue(%s, at => ''2025-11-12 UTC'')', arguments), state, names, arguments)
FROM (VALUES ('-1, ''ann''', 'MS001', 'offer -1'), ('9223372036854775807, ''ann''', 'MS001', 'offer'), ('NULL, ''ann''', '22004', 'offer_id'),
	('o(''plain''), NULL', '22004', 'customer_id'), ('o(''plain''), ''''', '22023', 'customer_id'), ('o(''plain''), ''  ''', '22023', 'customer_id'),
	('o(''plain''), ''ann'', 0', '22023', 'how_many'), ('o(''plain''), ''ann'', -1', '22023', 'how_many'), ('o(''plain''), ''ann'', 2147483647', '22023', 'how_many'),
	('o(''plain''), ''ann'', NULL', '22004', 'how_many'), ('o(''plain''), ''ann'', all_or_none => NULL', '22004', 'all_or_none'),
	('o(''plain''), ''ann'', service => ''POST''', '22023', 'service'), ('o(''plain''), ''ann'', service => ''outbound'', consumer_ref => ''x''', '22023', 'service'),
	('o(''plain''), ''ann'', service => ''OUTBOUND''', '22004', 'consumer_ref'), ('o(''plain''), ''ann'', consumer_ref => ''spring''', '22023', 'consumer_ref'))
	v(arguments, state, names);
SELECT refused(format('SELECT * FROM cms_issue(o(''plain''), ''ann'', at => %L)', at), state, '"?at"?', 'at ' || coalesce(at, 'NULL'))
FROM (VALUES (NULL, '22004'), ('infinity', '22023'), ('-infinity', '22023')) v(at, state);
SELECT refused(format('SELECT * FROM cms_issue_many(o(''plain''), %L, at => ''2025-11-12 UTC'')', customers), state, 'customer_ids', 'customers ' || coalesce(customers, 'NULL'))
FROM (VALUES (NULL, '22004'), ('{ann,NULL}', '22004'), ('{NULL}', '22004'), ('{ann,""}', '22023'), ('{{ann},{bob}}', '22023')) v(customers, state);
SELECT is((SELECT count(*) FROM cms_issue(o('plain'), repeat('x', 1000), at => :t) WHERE issued), 1::bigint, 'a long customer id');
SELECT o('plain') AS other \gset
SELECT play_org('UTC');
SELECT refused(format('SELECT * FROM cms_issue(%s, ''ann'', at => ''2025-11-12 UTC'')', :other), 'MS001', 'offer', 'another org''s offer is unknown');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
