-- The story of "make demo". It runs on a fresh private server that has the extension, and stops
-- at the first statement that fails. Every time in it is given (at => …), so it reads the same
-- whenever it runs; only generated codes differ.
\set ON_ERROR_STOP on
\set QUIET on
\encoding UTF8
\pset pager off
\pset footer off
\pset border 2
\pset linestyle unicode
\pset null '–'
SET client_min_messages = warning;

-- For everybody who connects later ("make psql"): names without "cms.", times as the shops see them.
SELECT format('ALTER DATABASE %I SET search_path = cms, public', current_database()),
       format('ALTER DATABASE %I SET timezone = %L', current_database(), 'Asia/Kolkata') \gexec
SET search_path = cms, public;
SET timezone = 'Asia/Kolkata';

\echo
\echo '  Marigold sells home goods in Mumbai, Pune and Bengaluru, and has a café in each shop.'
\echo '  We follow its coupons through one week, from Monday 2 to Sunday 8 December 2024.'
\echo '  All of it happens inside PostgreSQL: settings are rows, actions are functions.'
\echo

\echo '── 1. The brand and its places ────────────────────────────────────────────────────────────────'
\echo
\echo '  A brand is one row: its name, the time zone its days are counted in, its currency.'
\echo '  Below it are places: a concept has zones, a zone has stores, a store has tills.'
\echo

INSERT INTO org (name, time_zone, currency) VALUES ('Marigold', 'Asia/Kolkata', 'INR');
INSERT INTO org_entity (entity_type, entity_id, parent_id, name) VALUES
	('CONCEPT', 'MARIGOLD',    NULL,          'Marigold'),
	('ZONE',    'WEST',        'MARIGOLD',    'West'),
	('ZONE',    'SOUTH',       'MARIGOLD',    'South'),
	('STORE',   'BANDRA',      'WEST',        'Mumbai Bandra'),
	('STORE',   'PUNE',        'WEST',        'Pune Camp'),
	('STORE',   'INDIRANAGAR', 'SOUTH',       'Bengaluru Indiranagar'),
	('TILL',    'BAN-1',       'BANDRA',      NULL),
	('TILL',    'BAN-2',       'BANDRA',      NULL),
	('TILL',    'PUN-1',       'PUNE',        NULL),
	('TILL',    'IND-1',       'INDIRANAGAR', NULL);

SELECT o.name AS brand, z.name AS zone, s.name AS store, string_agg(t.entity_id, ', ' ORDER BY t.entity_id) AS tills,
       o.currency, o.time_zone
FROM org o
JOIN org_entity z ON z.org_id = o.org_id AND z.entity_type = 'ZONE'
JOIN org_entity s ON s.org_id = z.org_id AND s.entity_type = 'STORE' AND s.parent_id = z.entity_id
JOIN org_entity t ON t.org_id = s.org_id AND t.entity_type = 'TILL' AND t.parent_id = s.entity_id
GROUP BY o.name, z.name, s.name, o.currency, o.time_zone ORDER BY z.name DESC, s.name;

\echo '── 2. Four offers, four ways to make codes ────────────────────────────────────────────────────'
\echo
\echo '  Welcome gift   Every new customer gets one code of their own. 20 % off, at most INR 150, on'
\echo '                 bills from INR 500. Usable from the day after, once, for 30 days.'
\echo '  Teatime        One common code, TEATIME, for everybody. 10 % off what the café sells, Monday'
\echo '                 to Friday from 16:00 to 18:00, in zone West only, once a week per customer.'
\echo '  Lucky number   Codes that share a beginning: the sample LUCK12345 makes LUCK + 5 random'
\echo '                 characters. INR 50 off, for the December SMS, till the campaign ends.'
\echo '  Press voucher  Codes that the City Gazette has printed. INR 100 off for whoever brings one,'
\echo '                 but only for the first two readers.'
\echo

INSERT INTO offer (name, discount_type, discount_value, discount_cap, code_prefix, code_length,
                   max_issued_per_customer, starts_after_days, coupon_expiry_type, coupon_expiry_value, min_bill)
VALUES ('Welcome gift', 'PERCENTAGE', 20, 150, 'WELCOME-', 8, 1, 1, 'DAYS', 30, 500)
RETURNING offer_id AS welcome \gset

INSERT INTO offer (name, discount_type, discount_value, code_method, common_code, anyone_may_redeem,
                   product_scope, store_scope, max_uses_per_coupon, min_days_between_uses)
VALUES ('Teatime', 'PERCENTAGE', 10, 'COMMON', 'TEATIME', true,
        'SELECTED_PRODUCTS', 'SELECTED_STORES', NULL, 7)
RETURNING offer_id AS teatime \gset
INSERT INTO offer_product (offer_id, kind, value) VALUES (:teatime, 'CATEGORY', 'CAFE');
INSERT INTO offer_entity (offer_id, entity_type, entity_id) VALUES (:teatime, 'ZONE', 'WEST');
INSERT INTO offer_window (offer_id, weekdays, from_time, to_time)
VALUES (:teatime, '{1,2,3,4,5}', '16:00', '18:00');

INSERT INTO offer (name, discount_type, discount_value, code_method, sample_code, max_issued)
VALUES ('Lucky number', 'FIXED_AMOUNT', 50, 'RANDOMISED', 'LUCK12345', 5)
RETURNING offer_id AS lucky \gset

INSERT INTO offer (name, discount_type, discount_value, code_method, delivery, max_redemptions)
VALUES ('Press voucher', 'FIXED_AMOUNT', 100, 'UPLOADED', 'THIRD_PARTY', 2)
RETURNING offer_id AS press \gset

SELECT d.offer_id AS offer, d.name, d.discount, d.code_method AS "codes are",
       coalesce(o.common_code, o.sample_code, o.code_prefix || repeat('?', o.code_length), 'as printed') AS "they look like"
FROM offer_dashboard d JOIN offer o USING (org_id, offer_id) ORDER BY d.offer_id;

\echo '── 3. Codes ───────────────────────────────────────────────────────────────────────────────────'
\echo
\echo '  Codes can be made ahead. They come from the random source that also makes keys: who knows'
\echo '  a thousand of them cannot guess the next.   SELECT cms_generate_codes(offer, 100);'
\echo
SELECT cms_generate_codes(:welcome, 100, at => '2024-12-02 09:00') AS "codes made for the Welcome gift";

\echo '  The newspaper sends a list of its codes. Good lines load, bad ones come back with the reason.'
\echo
SELECT u.line, u.code, CASE WHEN u.loaded THEN 'yes' ELSE 'no' END AS loaded, u.message AS "why not"
FROM cms_upload_codes(:press, '{press-2401, PRESS-2402, PRESS-2403, PRESS 2404, Press-2401}',
                      at => '2024-12-02 09:30') u;

SELECT o.name, c.space AS "possible codes", c.used AS "exist", c.available AS "can still be made"
FROM offer o, cms_code_capacity(o.offer_id) c WHERE o.code_method IN ('GENERATED', 'RANDOMISED')
ORDER BY o.offer_id;

\echo '── 4. Issuing ─────────────────────────────────────────────────────────────────────────────────'
\echo
\echo '  Monday 10:00: three new customers get their Welcome gift.'
\echo
\echo '      SELECT * FROM cms_issue_many(offer, ''{asha,meera,ravi}'');'
\echo
CREATE TEMP TABLE given AS
	SELECT * FROM cms_issue_many(:welcome, '{asha,meera,ravi}', at => '2024-12-02 10:00');
SELECT code AS asha_code FROM given WHERE customer_id = 'asha' \gset
SELECT code AS meera_code FROM given WHERE customer_id = 'meera' \gset
SELECT code AS ravi_code FROM given WHERE customer_id = 'ravi' \gset
SELECT customer_id AS customer, code, to_char(valid_from, 'Dy DD Mon HH24:MI') AS "usable from",
       to_char(expires_at, 'Dy DD Mon HH24:MI') AS "until, not including"
FROM given ORDER BY line;

\echo '  An hour later Asha signs up again. A refusal is an answer, not an error: a row with a reason'
\echo '  that programs read and a sentence that people read.'
\echo
SELECT customer_id AS customer, CASE WHEN issued THEN 'yes' ELSE 'no' END AS issued, reason, message
FROM cms_issue(:welcome, 'asha', at => '2024-12-02 11:00');

\echo '  The campaign tool sends Lucky numbers to six customers. It names itself, and with that claims'
\echo '  the offer: nobody else can use it from now on. The offer gives out five coupons, not six.'
\echo
CREATE TEMP TABLE lucky AS
	SELECT * FROM cms_issue_many(:lucky, '{asha,dev,farah,kabir,meera,ravi}',
	                             service => 'OUTBOUND', consumer_ref => 'SMS-12', at => '2024-12-02 15:00');
SELECT code AS dev_code FROM lucky WHERE customer_id = 'dev' \gset
SELECT code AS kabir_code FROM lucky WHERE customer_id = 'kabir' \gset
SELECT customer_id AS customer, CASE WHEN issued THEN 'yes' ELSE 'no' END AS issued, code, reason, message FROM lucky ORDER BY line;

\echo '  The campaign tells its name and last day. The loyalty program asks too late.'
\echo
SELECT v.ref AS "who", CASE WHEN c.claimed THEN 'yes' ELSE 'no' END AS claimed, c.message AS "why not"
FROM (VALUES (1, 'OUTBOUND', 'SMS-12', 'December SMS', date '2024-12-31'),
             (2, 'LOYALTY',  'GOLD',   'Gold members',          NULL)) v (nr, service, ref, name, last_day),
     cms_claim(:lucky, v.service, v.ref, v.name, v.last_day) c
ORDER BY v.nr;

\echo '── 5. At the tills ────────────────────────────────────────────────────────────────────────────'
\echo
\echo '  A redemption names the code, the customer, the bill and the till. It answers at once, and is'
\echo '  exact: of two tills that try the last use of a coupon at the same moment, one wins.'
\echo
\echo '      SELECT * FROM cms_redeem(''TEATIME'', ''asha'', 1300, ''P-7001'', till_id => ''PUN-1'','
\echo '          items => ''[{"category": "CAFE", "amount": 400}, {"category": "HOME", "amount": 900}]'');'
\echo
\echo '  Asha''s bill of 1300 has 400 from the café in it: Teatime takes 10 % of these 400.'
\echo
CREATE TEMP TABLE sale AS
SELECT v.*, r.redeemed, r.reason, r.message, r.redemption_id, r.discount, r.payable
FROM (VALUES
	(timestamptz '2024-12-03 16:30', 'PUN-1', 'Teatime',       'TEATIME',    'asha',  1300.00, 'P-7001',
	 '[{"category": "CAFE", "amount": 400}, {"category": "HOME", "amount": 900}]'::jsonb),
	('2024-12-03 18:10', 'BAN-1', 'Welcome gift',  :'asha_code',  'asha',  1200.00, 'B-5001', NULL),
	('2024-12-04 12:45', 'IND-1', 'Welcome gift',  :'ravi_code',  'ravi',   640.00, 'I-3001', NULL),
	('2024-12-04 17:15', 'BAN-2', 'Teatime',       'teatime',     'dev',    260.00, 'B-5002',
	 '[{"category": "CAFE", "amount": 260}]'),
	('2024-12-05 11:20', 'BAN-1', 'Lucky number',  :'kabir_code', 'kabir',  420.00, 'B-5003', NULL),
	('2024-12-05 13:05', 'PUN-1', 'Press voucher', 'PRESS-2401',  NULL,     700.00, 'P-7002', NULL),
	('2024-12-06 10:40', 'IND-1', 'Lucky number',  :'dev_code',   'dev',     35.00, 'I-3002', NULL),
	('2024-12-06 15:55', 'BAN-2', 'Press voucher', 'press-2403',  'farah', 2450.50, 'B-5004', NULL)
	) v (at, till, offer, code, customer, bill, bill_ref, items),
	LATERAL cms_redeem(v.code, v.customer, v.bill, v.bill_ref, till_id => v.till, items => v.items, at => v.at) r;
SELECT to_char(at, 'Dy HH24:MI') AS "when", till, offer, customer, bill, discount, payable AS "to pay"
FROM sale ORDER BY at;

\echo '── 6. Refused, and why ────────────────────────────────────────────────────────────────────────'
\echo
\pset tuples_only on
\pset format unaligned
SELECT format(E'  %s  %s\n      %s  %s', to_char(v.at, 'Dy HH24:MI'), v.story, rpad(r.reason, 17), r.message)
	|| CASE WHEN v.nr < 10 THEN E'\n' ELSE '' END
FROM (VALUES
	(1, timestamptz '2024-12-02 12:30', 'Asha tries her Welcome gift the same day: too early.',
	 :'asha_code', 'asha', 900.00, 'BAN-1', NULL::jsonb),
	(2, '2024-12-03 18:30', 'Asha tries it a second time.',
	 :'asha_code', 'asha', 800.00, 'BAN-1', NULL),
	(3, '2024-12-03 19:00', 'Dev has found Meera''s code.',
	 :'meera_code', 'dev', 900.00, 'BAN-1', NULL),
	(4, '2024-12-04 09:50', 'Meera''s bill is INR 350.',
	 :'meera_code', 'meera', 350.00, 'PUN-1', NULL),
	(5, '2024-12-04 16:20', 'Farah wants Teatime in Bengaluru: the wrong store.',
	 'TEATIME', 'farah', 200.00, 'IND-1', '[{"category": "CAFE", "amount": 200}]'),
	(6, '2024-12-05 16:45', 'Asha wants Teatime again, two days after the last.',
	 'TEATIME', 'asha', 150.00, 'PUN-1', '[{"category": "CAFE", "amount": 150}]'),
	(7, '2024-12-06 17:10', 'Kabir wants Teatime for a lamp.',
	 'TEATIME', 'kabir', 990.00, 'BAN-2', '[{"category": "HOME", "amount": 990}]'),
	(8, '2024-12-06 18:00', 'Farah comes at 18:00 sharp: the slot has just ended.',
	 'TEATIME', 'farah', 200.00, 'BAN-2', '[{"category": "CAFE", "amount": 200}]'),
	(9, '2024-12-07 12:00', 'A third reader brings a voucher.',
	 'PRESS-2402', NULL, 500.00, 'BAN-1', NULL),
	(10, '2024-12-07 12:05', 'The cashier mistypes a code.',
	 'LUCK-OF-THE-DRAW', 'ravi', 500.00, 'BAN-1', NULL)
	) v (nr, at, story, code, customer, bill, till, items),
	LATERAL cms_redeem(v.code, v.customer, v.bill, 'R-' || v.nr, till_id => v.till, items => v.items, at => v.at) r
ORDER BY v.nr;
\pset format aligned
\pset tuples_only off

\echo
\echo '  Asking first is free: cms_check has no effect, and tells every reason, not only the first.'
\echo '  Asha, Saturday 20:00 in Bengaluru, with TEATIME and a lamp on the bill:'
\echo
SELECT x.nr AS "order", x.reason
FROM cms_check('TEATIME', 'asha', 990, till_id => 'IND-1', at => '2024-12-07 20:00',
               items => '[{"category": "HOME", "amount": 990}]') c,
     unnest(c.reasons) WITH ORDINALITY x (reason, nr);

\echo '── 7. When the network fails ──────────────────────────────────────────────────────────────────'
\echo
\echo '  The till in Bandra has sold to Asha, but the answer got lost. It sends the same call again:'
\echo '  same code, same bill. It gets the first answer and nothing is counted twice. The same bill'
\echo '  with another amount is a conflict.'
\echo
SELECT v.call, CASE WHEN r.redeemed THEN 'yes' ELSE 'no' END AS redeemed,
       CASE WHEN r.replayed THEN 'yes' ELSE 'no' END AS replayed, r.discount, r.reason
FROM (VALUES (1, 'the same call again', 1200.00), (2, 'another amount', 1250.00)) v (nr, call, bill),
     LATERAL cms_redeem(:'asha_code', 'asha', v.bill, 'B-5001', till_id => 'BAN-1', at => '2024-12-03 18:11') r
ORDER BY v.nr;

\echo '── 8. Taking back ─────────────────────────────────────────────────────────────────────────────'
\echo
\echo '  Ravi returns his purchase on Saturday. The redemption is reversed: its row stays, its use is'
\echo '  given back, and he redeems the code again on Sunday.'
\echo
SELECT redemption_id AS ravi_sale FROM sale WHERE bill_ref = 'I-3001' \gset
SELECT CASE WHEN v.reversed THEN 'yes' ELSE 'no' END AS reversed,
       CASE WHEN v.use_returned THEN 'yes' ELSE 'no' END AS "use returned"
FROM cms_reverse(:ravi_sale, 'goods returned', at => '2024-12-07 13:00') v;
SELECT 'ravi' AS customer, CASE WHEN r.redeemed THEN 'yes' ELSE 'no' END AS redeemed, 560.00 AS bill,
       r.discount, r.payable AS "to pay", r.uses_left AS "uses left"
FROM cms_redeem(:'ravi_code', 'ravi', 560, 'I-3003', till_id => 'IND-1', at => '2024-12-08 11:30') r;

\echo '  Meera''s code was posted on the web. It is revoked, with all codes that are still in stock.'
\echo '  Nothing that was redeemed is touched, and nothing is revoked without confirm => true.'
\echo
SELECT v.scope, r.revoked_issued AS "revoked from customers", r.revoked_unissued AS "revoked from stock",
       r.left_redeemed AS "left, redeemed"
FROM (VALUES (1, 'CUSTOMERS', '{meera}'::text[]), (2, 'UNISSUED', NULL)) v (nr, scope, customers),
     LATERAL cms_revoke(:welcome, v.scope, v.customers, confirm => true, at => '2024-12-08 12:00') r
ORDER BY v.nr;
SELECT 'meera' AS customer, CASE WHEN r.redeemed THEN 'yes' ELSE 'no' END AS redeemed, r.reason, r.message
FROM cms_redeem(:'meera_code', 'meera', 900, 'B-5005', till_id => 'BAN-1', at => '2024-12-08 12:01') r;

\echo '── 9. How it went ─────────────────────────────────────────────────────────────────────────────'
\echo
\echo '  The dashboard: one row per offer.   SELECT * FROM offer_dashboard;'
\echo
SELECT name, discount, coalesce(consumer_name, service) AS "used by", status,
       issued, redeemed, round(100 * redemption_rate) AS "rate %"
FROM offer_dashboard ORDER BY offer_id;

\echo '  Coupons of a common or a printed code count as issued when they are first used, so these two'
\echo '  offers show 100 %. The campaign of the Lucky number ended on 31 December 2024, and the offer'
\echo '  with it. What is left to give:   SELECT * FROM offer_performance;'
\echo
SELECT name, uses, round(discount_given, 2) AS "discount given", stock AS "codes in stock",
       issues_left AS "issues left", redemptions_left AS "redemptions left"
FROM offer_performance ORDER BY offer_id;

\echo '  By store, with the part of each offer''s coupons that was used there, in percent:'
\echo
SELECT store_name AS store, sum(uses)::int AS uses, round(sum(discount), 2) AS discount, round(sum(bill_amount), 2) AS sales,
       round(100 * max(redemption_rate) FILTER (WHERE offer_id = :welcome)) AS "Welcome",
       round(100 * max(redemption_rate) FILTER (WHERE offer_id = :teatime)) AS "Teatime",
       round(100 * max(redemption_rate) FILTER (WHERE offer_id = :lucky)) AS "Lucky",
       round(100 * max(redemption_rate) FILTER (WHERE offer_id = :press)) AS "Press"
FROM redemption_rate_by_store GROUP BY store_name ORDER BY store_name;

\echo '  By day, with how many of the coupons issued on the day have been redeemed since:'
\echo
SELECT to_char(day, 'Dy DD Mon') AS day, sum(issued)::int AS issued,
       round(100 * sum(redeemed) / nullif(sum(issued), 0)) AS "of these redeemed %",
       sum(uses)::int AS "uses on the day", round(sum(discount), 2) AS discount
FROM redemption_rate_by_day d GROUP BY d.day ORDER BY d.day;

\echo '── Now you ────────────────────────────────────────────────────────────────────────────────────'
\echo
\echo '  "make psql" connects you to this very server. Three things to try there:'
\echo
\echo '  1. Give yourself a Welcome gift, and ask what it will be worth tomorrow on a bill of 800:'
\echo '         SELECT code FROM cms_issue(1, ''me'') \\gset'
\echo '         SELECT * FROM cms_check(:''code'', ''me'', 800, at => now() + interval ''1 day'') \\gx'
\echo '  2. Change a rule, which the next call obeys:'
\echo '         UPDATE offer SET max_redemptions = 3 WHERE name = ''Press voucher'';'
\echo '         SELECT * FROM cms_redeem(''PRESS-2402'', NULL, 500, ''MY-1'', till_id => ''BAN-1'') \\gx'
\echo '  3. Try to cheat:'
\echo '         UPDATE offer SET max_issued = 2 WHERE name = ''Lucky number'';'
\echo '         DELETE FROM redemption;'
\echo
\echo '  \\df+ cms_* explains every function, \\d+ offer every setting, doc/cms.md everything.'
