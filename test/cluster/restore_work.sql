-- Goes on in a restored database of restore.sh; prints what goes wrong.
SET timezone = 'UTC';
SET cms.org = 1;
CREATE FUNCTION pg_temp.o(text) RETURNS bigint LANGUAGE sql
	AS $$ SELECT offer_id FROM cms.offer WHERE org_id = 1 AND name = $1 $$;
CREATE FUNCTION pg_temp.code(text, text) RETURNS text LANGUAGE sql AS $$
	SELECT code FROM cms.coupon WHERE org_id = 1 AND offer_id = pg_temp.o($1) AND customer_id = $2 AND revoked_at IS NULL
	ORDER BY nth LIMIT 1 $$;
CREATE TEMP TABLE answer (what text, good boolean);

-- the second half of the 1,000 codes of "digits", none of them twice
INSERT INTO answer SELECT 'digits: issue', issued FROM cms.cms_issue_many(pg_temp.o('digits'),
	(SELECT array_agg('e' || i) FROM generate_series(1, 500) i), at => '2025-03-10 10:00+00');
INSERT INTO answer SELECT 'digits: 1,000 codes', count(DISTINCT code) = 1000 FROM cms.coupon WHERE offer_id = pg_temp.o('digits');
INSERT INTO answer SELECT 'digits: no more', reason = 'NO_CODES_LEFT' FROM cms.cms_issue(pg_temp.o('digits'), 'e501');
INSERT INTO answer SELECT 'letters', issued AND code ~ '^TEST[0-9A-Z]{5}$' FROM cms.cms_issue(pg_temp.o('letters'), 'c4');
-- keys and bills are remembered
INSERT INTO answer SELECT 'request key', i.replayed AND i.code = c.code
FROM cms.cms_issue_many(pg_temp.o('stocked'), '{c1,c2,c3,c4}', how_many => 2, request_key => 'campaign 1', at => '2025-03-01 10:00+00') i
LEFT JOIN cms.coupon c ON c.org_id = 1 AND c.coupon_id = i.coupon_id;
INSERT INTO answer SELECT 'key of a reversal', r.reversed AND r.replayed AND r.use_returned
FROM cms.redemption, cms.cms_reverse(redemption_id, 'by mistake', 'reversal 1') r WHERE org_id = 1 AND bill_ref = 'bill 10';
INSERT INTO answer SELECT 'key of a revocation', r.replayed AND r.revoked_issued = 2
FROM cms.cms_revoke(pg_temp.o('stocked'), 'CUSTOMERS', customer_ids => '{c4}', confirm => true, request_key => 'revocation 1') r;
INSERT INTO answer SELECT 'key of another action', r.reason = 'KEY_CONFLICT'
FROM cms.cms_revoke(pg_temp.o('stocked'), 'UNISSUED', confirm => true, request_key => 'campaign 1') r;
INSERT INTO answer SELECT 'bill', redeemed AND replayed FROM cms.cms_redeem(pg_temp.code('full', 'c1'), 'c1', bill_ref => 'bill 1',
	store_id => 'S1', till_id => 'T1', at => '2025-03-05 10:00+00', items => '[{"sku": "1", "amount": 200}, {"brand": "Brand X", "amount": 100}]');
INSERT INTO answer SELECT 'bill of a reversal', reason = 'ALREADY_REVERSED' FROM cms.cms_redeem(pg_temp.code('full', 'c3'), 'c3',
	bill_ref => 'bill 10', store_id => 'S1', till_id => 'T1', at => '2025-03-05 10:00+00',
	items => '[{"sku": "1", "amount": 200}, {"brand": "Brand X", "amount": 100}]');
INSERT INTO answer SELECT 'completed bill', redeemed AND replayed FROM cms.cms_redeem(pg_temp.code('stocked', 'c20'), 'c20', 100, 'bill 12',
	at => '2025-03-05 10:00+00');
INSERT INTO answer SELECT 'completed again', completed AND replayed FROM cms.redemption, cms.cms_complete_redemption(redemption_id,
	store_id => 'S1', till_id => 'T1') WHERE org_id = 1 AND bill_ref = 'bill 12';
INSERT INTO answer SELECT 'completed otherwise', reason = 'BILL_CONFLICT' FROM cms.redemption, cms.cms_complete_redemption(redemption_id,
	details => '{"invoice": "A-18"}') WHERE org_id = 1 AND bill_ref = 'bill 9';
INSERT INTO answer SELECT 'attempts', reason = 'TOO_MANY_ATTEMPTS' FROM cms.cms_redeem('up1', 'guesser', 10, 'bill 12', at => '2025-03-08 10:00+00');
-- so are orders; what is held is held, and what has ended is not
INSERT INTO answer SELECT 'order confirmed', r.redeemed AND r.replayed FROM cms.hold h, cms.cms_confirm(h.hold_id, 'bill 13') r
WHERE h.org_id = 1 AND h.order_ref = 'order 2';
INSERT INTO answer SELECT 'order released', r.reason = 'HOLD_NOT_FOUND' FROM cms.hold h, cms.cms_confirm(h.hold_id) r
WHERE h.org_id = 1 AND h.order_ref = 'order 3';
INSERT INTO answer SELECT 'order held', r.held AND r.replayed FROM cms.cms_hold('hold-1', 'c1', 100, 'order 1', 'S1', at => '2025-03-05 10:30+00') r;
INSERT INTO answer SELECT 'order of nobody', r.held AND r.replayed FROM cms.cms_hold('welcome', NULL, 100, 'order 5', at => '2025-03-10 10:00+00') r;
INSERT INTO answer SELECT 'the last of the cap', r.redeemed FROM cms.cms_redeem('hold-2', 'c2', 100, 'bill 30', at => '2025-03-05 10:30+00') r;
INSERT INTO answer SELECT 'the cap is full', r.reason = 'OFFER_LIMIT' FROM cms.cms_redeem('hold-2', 'c2', 100, 'bill 31', at => '2025-03-05 10:30+00') r;
INSERT INTO answer SELECT 'confirm', r.redeemed FROM cms.hold h, cms.cms_confirm(h.hold_id, at => '2025-03-05 10:30+00') r
WHERE h.org_id = 1 AND h.order_ref = 'order 1';
INSERT INTO answer SELECT 'ended since', r.redeemed FROM cms.cms_redeem('hold-2', 'c2', 100, 'bill 31', at => '2025-03-05 11:00+00') r;
INSERT INTO answer SELECT 'too late', r.reason = 'HOLD_EXPIRED' FROM cms.hold h, cms.cms_confirm(h.hold_id, at => '2025-03-05 11:00+00') r
WHERE h.org_id = 1 AND h.order_ref = 'order 4';
-- stock goes first, limits hold
INSERT INTO answer SELECT 'stock', i.issued AND i.coupon_id <= (SELECT max(c.coupon_id) FROM cms.coupon c WHERE c.offer_id = pg_temp.o('stocked'))
FROM cms.cms_issue(pg_temp.o('stocked'), 'c5', at => '2025-03-10 10:00+00') i;
INSERT INTO answer SELECT 'cap: 50 in all, 30 before', count(*) FILTER (WHERE issued) = 20 AND bool_and(issued OR reason = 'OFFER_ISSUE_LIMIT')
FROM cms.cms_issue_many(pg_temp.o('full'), (SELECT array_agg('c' || i) FROM generate_series(1, 29) i), at => '2025-03-10 10:00+00');
INSERT INTO answer SELECT 'past issue', reason = 'RECENTLY_RECEIVED_OTHER' FROM cms.cms_issue(pg_temp.o('full'), 'c30', at => '2020-05-01 10:00+00');
INSERT INTO answer SELECT 'archived', reason = 'OFFER_ARCHIVED' FROM cms.cms_issue(pg_temp.o('archived'), 'c2');
INSERT INTO answer SELECT 'past', reason = 'OFFER_EXPIRED' FROM cms.cms_issue(pg_temp.o('past'), 'c2');
INSERT INTO answer SELECT 'common once', reason = 'COMMON_CODE_ONCE' FROM cms.cms_issue(pg_temp.o('common'), 'c1', at => '2025-03-10 10:00+00');
INSERT INTO answer SELECT 'claim', reason = 'ALREADY_CLAIMED' FROM cms.cms_claim(pg_temp.o('letter'), 'DVS');
INSERT INTO answer SELECT 'campaign', reason = 'CAMPAIGN_HAS_OFFER' FROM cms.cms_claim(pg_temp.o('stocked'), 'OUTBOUND', 'spring');
INSERT INTO answer SELECT 'revoked', reason = 'COUPON_REVOKED' FROM cms.cms_redeem('up6', 'c1', 10, 'bill 20', at => '2025-03-10 10:00+00');
INSERT INTO answer SELECT 'transferred', redeemed FROM cms.cms_redeem('UP2', 'c8', 10, 'bill 21', at => '2025-03-10 10:00+00');
INSERT INTO answer SELECT 'taken', reason = 'CODE_TAKEN' FROM cms.cms_upload_codes(pg_temp.o('elsewhere'), '{up1}');
INSERT INTO answer SELECT 'reserved', reason = 'CODE_RESERVED' FROM cms.cms_upload_codes(pg_temp.o('elsewhere'), '{test00000,welcome,new-word}');
-- lines that waited
CREATE PROCEDURE pg_temp.load() LANGUAGE plpgsql AS $$
DECLARE
	loaded bigint;
	rejected bigint;
BEGIN
	CALL cms.cms_load_codes(pg_temp.o('uploaded'), at => '2025-03-10 10:00+00', loaded => loaded, rejected => rejected);
	INSERT INTO answer VALUES ('lines that waited', (loaded, rejected) = (3, 1));
END
$$;
CALL pg_temp.load();
INSERT INTO answer SELECT 'lines that stay', string_agg(code || ' ' || reason, ', ' ORDER BY line) = '3P-1 CODE_TAKEN, no, good CODE_INVALID'
FROM cms.code_upload;
-- what is new
INSERT INTO answer SELECT 'redeem', redeemed FROM cms.cms_redeem(pg_temp.code('letters', 'c1'), 'c1', 10, 'bill 22', at => '2025-03-10 10:00+00');
INSERT INTO answer SELECT 'reverse', reversed FROM cms.cms_reverse((SELECT max(redemption_id) FROM cms.redemption), at => '2025-03-11 10:00+00');
INSERT INTO cms.offer (name, discount_type, discount_value) VALUES ('new', 'PERCENTAGE', 10);
INSERT INTO answer SELECT 'new offer', issued FROM cms.cms_issue(pg_temp.o('new'), 'c1', at => '2025-03-10 10:00+00');
INSERT INTO cms.org (name) VALUES ('new');
INSERT INTO cms.poc (name, email) VALUES ('new', 'new@example.com');
INSERT INTO cms.offer_window (offer_id, from_time) VALUES (pg_temp.o('new'), '00:01');
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (pg_temp.o('new'), 1, 'SMS', 'new');
COPY cms.code_upload (code) FROM STDIN;
new
\.
-- a change of rules is seen by the session that has compiled them
INSERT INTO answer SELECT 'before the change', (redeemed, discount) = (true, 1.00) FROM cms.cms_check(pg_temp.code('new', 'c1'), 'c1', 10, at => '2025-03-10 10:00+00');
UPDATE cms.offer SET discount_value = 50 WHERE offer_id = pg_temp.o('new');
INSERT INTO answer SELECT 'after the change', (redeemed, discount) = (true, 5.00) FROM cms.cms_check(pg_temp.code('new', 'c1'), 'c1', 10, at => '2025-03-10 10:00+00');
-- and roles may do what they could, of their orgs
SET ROLE restore_till;
RESET cms.org;
SELECT 'orgs' WHERE cms.cms_my_orgs() <> '{1,2}';
RESET ROLE;

SELECT what FROM answer WHERE good IS NOT TRUE GROUP BY what;
