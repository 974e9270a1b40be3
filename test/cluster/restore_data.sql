-- Something of everything that a dump must bring back. Run by restore.sh, as a superuser.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE ROLE restore_manager LOGIN IN ROLE cms_manager;
CREATE ROLE restore_till LOGIN IN ROLE cms_issuer, cms_redeemer;
CREATE ROLE restore_reader LOGIN;
CREATE ROLE restore_gone IN ROLE cms_analyst;

INSERT INTO cms.org (name, time_zone, currency, minor_units, max_backdate, max_failed_attempts, failed_attempts_within) VALUES
	('Bazaar', 'Asia/Kolkata', 'INR', 2, NULL, 2, '1 day'), ('Corner shop', 'America/New_York', 'USD', 2, '36500 days', NULL, '5 minutes');
INSERT INTO cms.org_role (org_id, role_name) VALUES
	(1, 'restore_manager'), (1, 'restore_till'), (1, 'restore_gone'), (2, 'restore_till');
-- a role may go while the grant of its org stays
DROP ROLE restore_gone;
SET cms.org = 1;

-- children before their parents
INSERT INTO cms.org_entity (entity_type, entity_id, parent_id, name) VALUES
	('TILL', 'T1', 'S1', 'Till 1'), ('STORE', 'S1', 'Z1', 'Main street'), ('STORE', 'S2', NULL, 'Side street'),
	('ZONE', 'Z1', 'C1', 'North'), ('CONCEPT', 'C1', NULL, 'Food');
INSERT INTO cms.poc (name, email) VALUES ('Asha', 'asha@example.com'), ('Ravi', 'ravi@example.com');

INSERT INTO cms.offer (name, discount_type, discount_value, discount_cap, code_method, code_prefix, code_suffix,
	code_length, code_charset, product_scope, store_scope, audience_only, max_issued, max_issued_per_customer,
	max_uses_per_coupon, max_uses_per_customer, min_days_between_uses, max_redemptions, max_discount_total,
	min_bill, max_bill, coupon_expiry_type, coupon_expiry_value, expires_on, starts_after_days, expiry_notice,
	codes_left_alert, resend_allowed, resend_content, pos_code) VALUES
	('full', 'PERCENTAGE', 12.5, 100, 'GENERATED', 'PRE-', '-X', 8, 'ALPHANUMERIC', 'SELECTED_PRODUCTS',
	 'SELECTED_STORES', true, 50, 2, 3, 4, 1, 40, 5000, 10, 10000, 'DAYS', 30, '2031-12-31', 1, true, 5, true,
	 'Your coupon {code}', 'POS1');
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, common_code, sample_code, expires_on,
	anyone_may_redeem, delivery, max_uses_per_coupon, reversal_restores_use, outlives_offer, owner_service, owner_ref) VALUES
	('stocked', 'FIXED_AMOUNT', 5, 'GENERATED', NULL, NULL, NULL, false, 'INTERNAL', 1, true, false, NULL, NULL),
	('common', 'FIXED_AMOUNT', 7, 'COMMON', 'WELCOME', NULL, '2030-06-30', true, 'INTERNAL', 2, true, true, NULL, NULL),
	('changed', 'FIXED_AMOUNT', 7, 'COMMON', 'OLD-WORD', NULL, NULL, false, 'INTERNAL', 1, true, false, NULL, NULL),
	('uploaded', 'FIXED_AMOUNT', 3, 'UPLOADED', NULL, NULL, NULL, false, 'INTERNAL', 1, false, false, NULL, NULL),
	('elsewhere', 'FIXED_AMOUNT', 3, 'UPLOADED', NULL, NULL, NULL, true, 'THIRD_PARTY', 1, true, false, NULL, NULL),
	('digits', 'FIXED_AMOUNT', 1, 'RANDOMISED', NULL, '12345', NULL, false, 'INTERNAL', 1, true, false, NULL, NULL),
	('letters', 'FIXED_AMOUNT', 1, 'RANDOMISED', NULL, 'TEST12345', NULL, false, 'INTERNAL', 1, true, false, NULL, NULL),
	('past', 'FIXED_AMOUNT', 1, 'GENERATED', NULL, NULL, '2001-02-03', false, 'INTERNAL', 1, true, false, NULL, NULL),
	('archived', 'FIXED_AMOUNT', 1, 'GENERATED', NULL, NULL, NULL, false, 'INTERNAL', 1, true, false, NULL, NULL),
	('loyal', 'FIXED_AMOUNT', 1, 'GENERATED', NULL, NULL, NULL, false, 'INTERNAL', NULL, true, false, 'LOYALTY', 'gold'),
	('letter', 'FIXED_AMOUNT', 1, 'GENERATED', NULL, NULL, NULL, false, 'INTERNAL', 1, true, false, NULL, NULL);
INSERT INTO cms.offer (org_id, name, discount_type, discount_value, code_method, common_code) VALUES
	(2, 'common', 'FIXED_AMOUNT', 7, 'COMMON', 'WELCOME');
CREATE FUNCTION pg_temp.o(text) RETURNS bigint LANGUAGE sql
	AS $$ SELECT offer_id FROM cms.offer WHERE org_id = 1 AND name = $1 $$;

-- products of two offers, one between the other's, as rows come to lie in a table that is changed a lot
UPDATE cms.offer SET product_scope = 'SELECTED_PRODUCTS' WHERE name = 'letter';
INSERT INTO cms.offer_product (offer_id, kind, value) SELECT pg_temp.o('full'), 'SKU', i FROM generate_series(1, 200) i;
DELETE FROM cms.offer_product WHERE value::int % 2 = 0;
VACUUM cms.offer_product;
INSERT INTO cms.offer_product (offer_id, kind, value) SELECT pg_temp.o('letter'), 'SKU', i FROM generate_series(1, 100) i;
INSERT INTO cms.offer_product (offer_id, kind, value) VALUES
	(pg_temp.o('full'), 'BRAND', 'Brand X'), (pg_temp.o('full'), 'CATEGORY', E'it''s "food" \\ \t drink');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) VALUES
	(pg_temp.o('full'), 'ZONE', 'Z1'), (pg_temp.o('full'), 'STORE', 'not registered');
INSERT INTO cms.offer_window (offer_id, weekdays, month_days, from_date, to_date, from_time, to_time) VALUES
	(pg_temp.o('full'), NULL, NULL, NULL, NULL, '08:00', NULL),
	(pg_temp.o('full'), '{1,7}', '{1,15,31}', '2001-01-01', '2001-12-31', '22:00', '02:00');
INSERT INTO cms.offer_audience (offer_id, customer_id) SELECT pg_temp.o('full'), 'c' || i FROM generate_series(1, 30) i;
INSERT INTO cms.offer_exclusion (offer_id, other_offer_id) VALUES (pg_temp.o('full'), pg_temp.o('archived'));
INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content) VALUES (pg_temp.o('full'), 3, 'SMS', 'Soon: {code}');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT pg_temp.o('full'), poc_id, 7 FROM cms.poc;

CREATE TEMP TABLE done (what text, good bool);
-- claims: one by itself, one by the first issue
INSERT INTO done SELECT 'claim', claimed FROM cms.cms_claim(pg_temp.o('loyal'), 'LOYALTY', 'gold', 'Gold club', '2032-01-31');
INSERT INTO done SELECT 'issue claims', issued FROM cms.cms_issue(pg_temp.o('letter'), 'c1', service => 'OUTBOUND',
	consumer_ref => 'spring', at => '2025-03-01 10:00+00');
-- codes of every kind
INSERT INTO done SELECT 'archive', issued FROM cms.cms_issue(pg_temp.o('archived'), 'c30', at => '2020-03-01 10:00+00');
UPDATE cms.offer SET status = 'ARCHIVED' WHERE name = 'archived';
INSERT INTO done SELECT 'full', issued FROM cms.cms_issue_many(pg_temp.o('full'),
	(SELECT array_agg(customer_id) FROM cms.offer_audience), at => '2025-03-01 10:00+00');
INSERT INTO done SELECT 'stock', cms.cms_generate_codes(pg_temp.o('stocked'), 20) = 20;
INSERT INTO done SELECT 'stocked', issued FROM cms.cms_issue_many(pg_temp.o('stocked'), '{c1,c2,c3,c4}', how_many => 2,
	request_key => 'campaign 1', at => '2025-03-01 10:00+00');
INSERT INTO done SELECT 'common', issued FROM cms.cms_issue_many(pg_temp.o('common'), '{c1,c2,c3}', at => '2025-03-01 10:00+00');
INSERT INTO done SELECT 'changed', issued FROM cms.cms_issue(pg_temp.o('changed'), 'c1', at => '2025-03-01 10:00+00');
UPDATE cms.offer SET common_code = 'NEW-WORD' WHERE name = 'changed';
INSERT INTO done SELECT 'uploaded', loaded FROM cms.cms_upload_codes(pg_temp.o('uploaded'), '{up1,up2,up3,up4,up5,up6}',
	'{c1,c2,NULL,NULL,NULL,NULL}', at => '2025-03-01 10:00+00');
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, max_uses_per_coupon, max_uses_per_customer, max_redemptions,
	max_discount_total) VALUES ('held', 'FIXED_AMOUNT', 5, 'UPLOADED', 10, 4, 4, 20);
INSERT INTO done SELECT 'held', loaded FROM cms.cms_upload_codes(pg_temp.o('held'), '{hold-1,hold-2}', '{c1,c2}', at => '2025-03-01 10:00+00');
-- the word that the common offer no longer uses is free for somebody else
INSERT INTO done SELECT 'free again', loaded FROM cms.cms_upload_codes(pg_temp.o('uploaded'), '{OLD-WORD}', '{c9}', at => '2025-03-02 10:00+00');
INSERT INTO done SELECT 'elsewhere', loaded FROM cms.cms_upload_codes(pg_temp.o('elsewhere'), '{3P-1,3P-2,3P-3}');
INSERT INTO done SELECT 'digits', issued FROM cms.cms_issue_many(pg_temp.o('digits'),
	(SELECT array_agg('d' || i) FROM generate_series(1, 500) i), at => '2025-03-01 10:00+00');
INSERT INTO done SELECT 'letters', issued FROM cms.cms_issue_many(pg_temp.o('letters'), '{c1,c2,c3}', at => '2025-03-01 10:00+00');
INSERT INTO done SELECT 'loyal', issued FROM cms.cms_issue(pg_temp.o('loyal'), 'c1', service => 'LOYALTY', consumer_ref => 'gold',
	at => '2025-03-01 10:00+00');
INSERT INTO cms.code_upload (offer_id, code) VALUES (pg_temp.o('elsewhere'), '3P-4'), (pg_temp.o('elsewhere'), '3P-1');
CALL cms.cms_load_codes(pg_temp.o('elsewhere')) \g /dev/null
-- uploads that wait, of an offer and of whichever is asked for, beside the one that was refused
COPY cms.code_upload (offer_id, code, customer_id) FROM STDIN (FORMAT csv);
5,wait-1,
5,wait-2,c12
,wait-3,
5,"no, good",
\.

CREATE FUNCTION pg_temp.use(offer text, customer text, bill text, at timestamptz, code text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql
AS $$
DECLARE
	r record;
BEGIN
	SELECT * INTO r FROM cms.cms_redeem(coalesce(use.code, (SELECT c.code FROM cms.coupon c
			WHERE c.org_id = 1 AND c.offer_id = pg_temp.o(offer) AND c.customer_id = customer ORDER BY c.nth LIMIT 1)),
		customer, bill_ref => bill, store_id => 'S1', till_id => 'T1', at => use.at,
		items => '[{"sku": "1", "amount": 200}, {"brand": "Brand X", "amount": 100}]');
	INSERT INTO done VALUES (offer || ' ' || customer || ' ' || coalesce(r.reason, ''), r.redeemed);
	RETURN r.redemption_id;
END
$$;
SELECT pg_temp.use('full', 'c1', 'bill 1', '2025-03-05 10:00+00'), pg_temp.use('full', 'c1', 'bill 2', '2025-03-08 10:00+00'),
	pg_temp.use('full', 'c2', 'bill 1', '2025-03-05 10:00+00'), pg_temp.use('stocked', 'c1', 'bill 3', '2025-03-05 10:00+00'),
	pg_temp.use('common', 'c1', 'bill 4', '2025-03-05 10:00+00'), pg_temp.use('common', 'c77', 'bill 5', '2025-03-05 10:00+00', 'WELCOME'),
	pg_temp.use('common', NULL, 'bill 6', '2025-03-05 10:00+00', 'welcome'),
	pg_temp.use('elsewhere', NULL, 'bill 7', '2025-03-05 10:00+00', '3P-2'),
	pg_temp.use('digits', 'd1', 'bill 8', '2025-03-05 10:00+00'), pg_temp.use('loyal', 'c1', 'bill 9', '2025-03-05 10:00+00') \g /dev/null
-- what became known of bills later
INSERT INTO done SELECT 'complete', completed AND NOT replayed FROM cms.redemption, cms.cms_complete_redemption(redemption_id, 'bill 9',
	details => '{"invoice": "A-17", "lines": [1, 2.50, null]}', at => '2025-03-06 10:00+00') WHERE bill_ref = 'bill 9';
INSERT INTO done SELECT 'redeem without a place', redeemed FROM cms.cms_issue(pg_temp.o('stocked'), 'c20', at => '2025-03-01 10:00+00') i,
	cms.cms_redeem(i.code, 'c20', 100, 'bill 12', at => '2025-03-05 10:00+00');
INSERT INTO done SELECT 'complete', completed AND NOT replayed FROM cms.redemption, cms.cms_complete_redemption(redemption_id, till_id => 'T1',
	at => '2025-03-06 10:00+00') WHERE bill_ref = 'bill 12';
-- reversed: given back, and forfeited
INSERT INTO done SELECT 'reverse', reversed AND use_returned
FROM cms.cms_reverse(pg_temp.use('full', 'c3', 'bill 10', '2025-03-05 10:00+00'), 'by mistake', 'reversal 1', '2025-03-06 10:00+00');
INSERT INTO done SELECT 'reverse', reversed AND NOT use_returned
FROM cms.cms_reverse(pg_temp.use('uploaded', 'c1', 'bill 11', '2025-03-05 10:00+00'), at => '2025-03-06 10:00+00');
-- held and still so, confirmed, let go, ended; live ones of a customer with a limit, and of nobody in particular
INSERT INTO done SELECT 'hold ' || w.order_ref, r.held
FROM (VALUES ('order 1'), ('order 2'), ('order 3'), ('order 4')) w (order_ref),
	LATERAL cms.cms_hold((SELECT code FROM cms.coupon WHERE org_id = 1 AND offer_id = pg_temp.o('held') AND customer_id = 'c1'), 'c1', 100,
		w.order_ref, 'S1', items => '[{"sku": "1", "amount": 100}]', seconds => 3600, at => '2025-03-05 10:00+00') r;
INSERT INTO done SELECT 'hold of nobody', held FROM cms.cms_hold('welcome', NULL, 100, 'order 5', seconds => 2678400, at => '2025-03-05 10:00+00');
INSERT INTO done SELECT 'confirm', r.redeemed FROM cms.hold h, cms.cms_confirm(h.hold_id, 'bill 13', at => '2025-03-05 10:05+00') r
WHERE h.order_ref = 'order 2';
INSERT INTO done SELECT 'release', r.released FROM cms.hold h, cms.cms_release_hold(h.hold_id, at => '2025-03-05 10:05+00') r
WHERE h.order_ref = 'order 3';
INSERT INTO done SELECT 'order 6', r.held FROM cms.cms_hold('hold-2', 'c2', 100, 'order 6', at => '2025-03-05 10:05+00') r;
-- its end has come, and nobody has given it back
INSERT INTO done SELECT 'ended', r.reasons = '{}' FROM cms.cms_check('hold-2', 'c2', 100, at => '2025-03-05 10:20+00') r;
-- revoked in every way, and a revoked code given to somebody else
INSERT INTO done SELECT 'revoke', (r.revoked_issued, r.revoked_unissued) = (1, 1)
FROM cms.cms_revoke(pg_temp.o('uploaded'), 'CODES', codes => '{up2,up6}', confirm => true, at => '2025-03-06 10:00+00') r;
INSERT INTO done SELECT 'transfer', loaded FROM cms.cms_upload_codes(pg_temp.o('uploaded'), '{up2}', '{c8}', at => '2025-03-07 10:00+00');
INSERT INTO done SELECT 'revoke', r.revoked_issued = 2
FROM cms.cms_revoke(pg_temp.o('stocked'), 'CUSTOMERS', customer_ids => '{c4}', confirm => true, request_key => 'revocation 1',
	at => '2025-03-06 10:00+00') r;
INSERT INTO done SELECT 'revoke', r.revoked_unissued = 1
FROM cms.cms_revoke(pg_temp.o('elsewhere'), 'CODES', codes => '{3p-3}', confirm => true, at => '2025-03-06 10:00+00') r;

-- a customer who tries codes, until none is accepted
INSERT INTO done SELECT 'attempts', string_agg(r.reason, ' ' ORDER BY i) = 'CODE_NOT_FOUND CODE_NOT_FOUND TOO_MANY_ATTEMPTS'
FROM generate_series(1, 3) i, cms.cms_redeem(E'it''s \\ "a" guess ' || i, 'guesser', 10, 'bill 12', at => '2025-03-08 10:00+00') r;

-- a job, and messages
INSERT INTO cms.job (org_id, job_id, job_key, action, status, started_at, run_started_at, updated_at, started_by, run_by)
VALUES (1, nextval('cms.job_id_seq'), 'spring', 'ISSUE_ALL', 'FAILED', '2025-03-08 10:00+00', '2025-03-08 10:00+00', '2025-03-08 10:01+00',
	current_user, current_user);
INSERT INTO cms.job_refusal (org_id, job_id, customer_id, reason) VALUES (1, currval('cms.job_id_seq'), 'cleo', 'ISSUE_GAP');
INSERT INTO cms.outbox (org_id, message_id, kind, channel, offer_id, coupon_id, customer_id, due_at, next_attempt_at, lease, queued_at)
SELECT 1, nextval('cms.message_id_seq'), 'RESEND', 'SMS', offer_id, coupon_id, customer_id, '2025-03-08 10:00+00', '2025-03-08 10:00+00',
	nextval('cms.lease_seq'), '2025-03-08 10:00+00'
FROM cms.coupon WHERE org_id = 1 AND customer_id = 'c1' AND offer_id = pg_temp.o('full');

-- what sweeps keep; the late use below leaves a mark
INSERT INTO cms.offer (name, discount_type, discount_value, expires_on, max_issued, codes_left_alert)
VALUES ('soon', 'FIXED_AMOUNT', 5, '2026-06-20', 5, 10);
INSERT INTO cms.offer_reminder (offer_id, days_before, time_of_day, channel, content) VALUES (pg_temp.o('soon'), 4, '00:00', 'SMS', 'Soon: {code}');
INSERT INTO cms.offer_poc (offer_id, poc_id, days_before) SELECT pg_temp.o('soon'), poc_id, 4 FROM cms.poc;
INSERT INTO done SELECT 'soon', issued FROM cms.cms_issue_many(pg_temp.o('soon'), '{c1,c2,c3}', at => '2025-03-01 10:00+00');
INSERT INTO done SELECT 'ends', cms.cms_sweep_expired(at => '2026-06-16 12:00+00', org => 1) IS NOT NULL;
INSERT INTO done SELECT 'reminders', cms.cms_sweep_reminders(at => '2026-06-16 12:00+00', org => 1) = 3;
INSERT INTO done SELECT 'offer reminders', cms.cms_sweep_offer_reminders(at => '2026-06-16 12:00+00', org => 1) > 0;

-- what was purged
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, expires_on)
VALUES ('over', 'FIXED_AMOUNT', 5, 'UPLOADED', '2020-06-30');
INSERT INTO done SELECT 'upload', loaded
FROM cms.cms_upload_codes(pg_temp.o('over'), '{gone-1,gone-2,kept-1}', '{c1,c2,c3}', at => '2020-05-01 10:00+00');
INSERT INTO done SELECT 'redeem', redeemed FROM cms.cms_redeem('kept-1', 'c3', 10, 'bill 13', at => '2020-05-02 10:00+00');
INSERT INTO done SELECT 'purge', cms.cms_purge('2021-01-01', at => '2025-03-08 10:00+00') = 2;

-- summaries, and a redemption that was given its store since
INSERT INTO done SELECT 'summary', cms.cms_refresh_summary(org => 1) > 5;
INSERT INTO done SELECT 'completed since', c.completed FROM cms.cms_complete_redemption(
	(SELECT max(redemption_id) FROM cms.redemption WHERE org_id = 1 AND store_id IS NULL AND till_id IS NULL AND reversed_at IS NULL), store_id => 'S2') c;

-- what users add
CREATE VIEW public.running AS SELECT offer_id, name, issued FROM cms.offer_dashboard WHERE status = 'ACTIVE';
CREATE TABLE public.note (org_id int, offer_id bigint, note text, FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer);
INSERT INTO public.note SELECT org_id, offer_id, 'ours' FROM cms.offer LIMIT 3;
GRANT USAGE ON SCHEMA cms TO restore_reader;
GRANT SELECT ON cms.offer_dashboard TO restore_reader;

SELECT 'not done: ' || what FROM done WHERE good IS NOT TRUE;
