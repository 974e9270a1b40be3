-- F30: smallest and largest bill; and what can be given as an amount.
BEGIN;
SELECT plan(54);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- minimum 500, maximum 2,000, both inclusive
SELECT make_offer('between', '{"min_bill": 500, "max_bill": 2000, "max_uses_per_coupon": null}');
SELECT is(issue_of('between', 'ann', :t), 'OK', 'a coupon for bills from 500 to 2,000');
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, amount), wanted, amount::text)
FROM (VALUES (499.99, 'BILL_TOO_SMALL'), (2000.01, 'BILL_TOO_LARGE'), (500, 'OK'), (2000, 'OK'), (500.00, 'OK'),
	(499.999999999999999999, 'BILL_TOO_SMALL'), (2000.000000000000000001, 'BILL_TOO_LARGE'), (0, 'BILL_TOO_SMALL'),
	(1234.5, 'OK'), (1e35, 'BILL_TOO_LARGE')) v(amount, wanted);
SELECT matches((SELECT message FROM cms_check(code_of('between', 'ann'), 'ann', 499.99, at => :t)), '500', 'the sentence tells the smallest bill');
SELECT matches((SELECT message FROM cms_check(code_of('between', 'ann'), 'ann', 2000.01, at => :t)), '2000', 'and the largest');
SELECT is(reasons_of(code_of('between', 'ann'), 'ann', :t, NULL), '', 'a check without an amount leaves the rules about it out');
SELECT is((SELECT discount IS NULL AND payable IS NULL AND redeemed FROM cms_check(code_of('between', 'ann'), 'ann', at => :t)), true, 'and tells no discount');

-- one of them
SELECT make_offer('at least', '{"min_bill": 0.01, "max_uses_per_coupon": null}');
SELECT make_offer('at most', '{"max_bill": 0, "max_uses_per_coupon": null}');
SELECT is(issue_of(name, 'ann', :t), 'OK', name) FROM unnest(ARRAY['at least', 'at most']) name;
SELECT is(use_of(code_of('at least', 'ann'), 'ann', :t, 0), 'BILL_TOO_SMALL', 'nothing is less than a cent');
SELECT is(use_of(code_of('at least', 'ann'), 'ann', :t, 1e30), 'OK', 'no maximum');
SELECT is(use_of(code_of('at most', 'ann'), 'ann', :t, 0), 'OK', 'a bill of nothing');
SELECT is(use_of(code_of('at most', 'ann'), 'ann', :t, 0.01), 'BILL_TOO_LARGE', 'a maximum of 0 is one');

-- the bill of the lines
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, NULL, items => '[{"amount": 300}, {"amount": 199.99}]'), 'BILL_TOO_SMALL', 'without an amount the sum of the lines is the bill');
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, NULL, items => '[{"amount": 300}, {"amount": 200}]', bill => 'sum'), 'OK', 'which may be enough');
SELECT is((SELECT bill_amount FROM cms.redemption WHERE bill_ref = 'sum'), 500.0, 'and is recorded as the bill');
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, 500, items => '[{"amount": 1}]'), 'OK', 'with an amount it counts, whatever the lines add up to');
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, 499, items => '[{"amount": 600}]'), 'BILL_TOO_SMALL', 'also where they add up to more');

-- the limits change
SELECT alter_offer('between', 'min_bill', '499.99');
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, 499.99), 'OK', 'a changed limit holds at once');
SELECT alter_offer('between', 'min_bill', NULL);
SELECT is(use_of(code_of('between', 'ann'), 'ann', :t, 1), 'OK', 'and so does none');
SELECT counted();

-- amounts that are none
SELECT code_of('between', 'ann') AS code \gset
SELECT refused(format('SELECT * FROM cms_%s(%L, ''ann'', %L %s, at => ''2025-11-12 11:00 Asia/Kolkata'')', call, :'code', amount, rest),
	'22023', 'bill_amount', call || ' of ' || amount)
FROM (VALUES ('check', ''), ('redeem', ', ''B''')) c(call, rest), unnest(ARRAY['-0.01', '-1', 'NaN', 'Infinity', '-Infinity']) amount;
SELECT refused(format('SELECT * FROM cms_redeem(%L, ''ann'', NULL, ''B'', at => ''2025-11-12 11:00 Asia/Kolkata'')', :'code'),
	'22004', 'bill_amount', 'a redemption needs an amount or lines');
SELECT refused('SELECT * FROM cms_redeem(''NOSUCH'', ''ann'', -1, ''B'', at => ''2025-11-12 11:00 Asia/Kolkata'')', '22023', 'bill_amount', 'whatever the code');

-- settings
SELECT offer_refused('{"min_bill": 10, "max_bill": 9.99}', 'min_bill', 'a minimum above the maximum');
SELECT refused($$ SELECT alter_offer('between', 'min_bill', '2000.01') $$, '23514', 'min_bill', 'nor by a change');
SELECT make_offer('equal', '{"min_bill": 10, "max_bill": 10}');
SELECT offer_refused(jsonb_build_object(name, amount), name, name || ' ' || amount)
FROM unnest(ARRAY['min_bill', 'max_bill']) name, unnest(ARRAY['-0.01', 'NaN', 'Infinity', '-Infinity']) amount;
SELECT counted('and nothing was miscounted');

SELECT is(hint_of(format('SELECT make_offer(''large'', ''{"max_bill": %s}'')', bill)), hint, bill) FROM (VALUES
	('1e36', 'Use a smaller number.'), ('-1', 'Use a number of 0 or more.')) v(bill, hint);

SELECT * FROM finish();
ROLLBACK;
