-- F34: refused attempts: what is kept of them, how many with an unknown code are let through, and
-- what an outsider is told.
BEGIN;
\ir lib/scene.psql
SELECT plan(115);
\set t '''2025-11-12 11:00 Asia/Kolkata'''

SELECT play_org('Asia/Kolkata');
SELECT make_offer('mine', '{"code_method": "UPLOADED", "max_uses_per_coupon": 3, "min_bill": 50}');
SELECT make_offer('theirs', '{"code_method": "UPLOADED"}');
SELECT make_offer('common', '{"code_method": "COMMON", "common_code": "ALL"}');
SELECT ok(bool_and(loaded), 'codes of ann, bob and nobody')
FROM cms_upload_codes(o('mine'), '{MINE,BACK,STOCK}', '{ann,ann,NULL}', at => :t);
SELECT ok(bool_and(loaded), 'codes of bob') FROM cms_upload_codes(o('theirs'), '{BOBS,BOBS-2}', '{bob,bob}', at => :t);
SELECT is((SELECT revoked_issued FROM cms_revoke(o('mine'), 'CODES', codes => '{BACK}', confirm => true, at => :t)), 1::bigint, 'one of ann''s is revoked');

-- The answer and what it tells besides: offer, coupon, time.
CREATE FUNCTION public.try(code text, customer text, till text DEFAULT NULL, bill text DEFAULT 'B', amount numeric DEFAULT 100,
	at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(r.reason, CASE WHEN r.replayed THEN 'again' ELSE 'OK' END),
		CASE WHEN r.offer_id IS NOT NULL THEN 'offer' END, CASE WHEN r.coupon_id IS NOT NULL THEN 'coupon' END,
		CASE WHEN r.next_allowed_at IS NOT NULL THEN 'next' END)
	FROM cms_redeem(code, customer, amount, bill, till_id => till, at => at) r
$$;
CREATE FUNCTION public.look(code text, customer text, till text DEFAULT NULL, at timestamptz DEFAULT '2025-11-12 11:00 Asia/Kolkata') RETURNS text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', array_to_string(r.reasons, '+'), CASE WHEN r.offer_id IS NOT NULL THEN 'offer' END,
		CASE WHEN r.coupon_id IS NOT NULL THEN 'coupon' END, CASE WHEN r.next_allowed_at IS NOT NULL THEN 'next' END,
		CASE WHEN r.discount IS NOT NULL THEN 'discount' END)
	FROM cms_check(code, customer, 100, till_id => till, at => at) r
$$;
-- What is recorded since it was asked last.
CREATE FUNCTION public.recorded() RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT string_agg(concat_ws(' ', action, code, reason, CASE WHEN unknown_code THEN 'unknown' END), ', ' ORDER BY attempt_id) INTO result
	FROM cms.attempt WHERE org_id = cms_current_org();
	DELETE FROM cms.attempt WHERE org_id = cms_current_org();
	RETURN result;
END
$$;
-- Time passes: all that was recorded becomes so much older.
CREATE FUNCTION public.later(how_much interval) RETURNS void
LANGUAGE sql AS $$ UPDATE cms.attempt SET recorded_at = recorded_at - how_much WHERE org_id = cms_current_org() $$;
CREATE FUNCTION public.set_org(setting text, value text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('UPDATE cms.org SET %I = %L WHERE org_id = %s', setting, value, cms_current_org());
END
$$;

-- settings
SELECT is(rows_of($$ SELECT record_attempts, max_failed_attempts, failed_attempts_within, uniform_refusals FROM cms.org
	WHERE org_id = cms_current_org() $$), '(f,,00:15:00,f)', 'by default nothing is recorded, limited or hidden');
SELECT refused(format('SELECT set_org(%L, %L)', setting, value), state, setting, setting || ' ' || coalesce(value, 'NULL')) FROM (VALUES
	('max_failed_attempts', '0', '23514'), ('max_failed_attempts', '-1', '23514'),
	('failed_attempts_within', '0', '23514'), ('failed_attempts_within', '-1 second', '23514'),
	('failed_attempts_within', '91 days', '23514'), ('failed_attempts_within', NULL, '23502'),
	('record_attempts', NULL, '23502'), ('uniform_refusals', NULL, '23502')) v(setting, value, state);

-- by default
SELECT is(try('NONE', 'ann'), 'CODE_NOT_FOUND', 'an unknown code');
SELECT is(try('BACK', 'ann'), 'COUPON_REVOKED offer coupon', 'a revoked one is told apart');
SELECT is(try('STOCK', 'ann'), 'NOT_ISSUED offer coupon', 'one in stock');
SELECT is(try('BOBS', 'ann'), 'NOT_THE_HOLDER offer coupon', 'and somebody else''s');
SELECT is(recorded(), NULL, 'nothing is recorded');

-- recorded
SELECT set_org('record_attempts', 'true');
SELECT is(try('none', 'ann', 'T1', 'B1', 70), 'CODE_NOT_FOUND', 'an unknown code');
SELECT is(rows_of($$ SELECT action, code, reason, unknown_code, offer_id, coupon_id, customer_id, store_id, till_id, bill_ref, bill_amount,
		attempted_at AT TIME ZONE 'Asia/Kolkata', recorded_at BETWEEN now() AND clock_timestamp(), recorded_by FROM cms.attempt $$),
	format('(REDEEM,none,CODE_NOT_FOUND,t,,,ann,,T1,B1,70,"2025-11-12 11:00:00",t,%s)', current_user), 'is recorded as it was typed, with all of the request');
SELECT is(recorded(), 'REDEEM none CODE_NOT_FOUND unknown', 'once');
SELECT is(try('bobs', 'ann'), 'NOT_THE_HOLDER offer coupon', 'a code of bob');
SELECT is(rows_of($$ SELECT a.reason, a.offer_id = o('theirs'), a.coupon_id = c.coupon_id FROM cms.attempt a LEFT JOIN cms.coupon c ON c.code = 'BOBS' $$),
	'(NOT_THE_HOLDER,t,t)', 'is recorded with its offer and coupon');
SELECT is(try('MINE', 'ann', bill => 'OK'), 'OK offer coupon', 'a redemption');
SELECT is(try('MINE', 'ann', bill => 'OK'), 'again offer coupon', 'and its repetition');
SELECT is(look('NONE', 'ann'), 'CODE_NOT_FOUND', 'and a check');
SELECT is(recorded(), 'REDEEM bobs NOT_THE_HOLDER unknown', 'are not recorded');
SELECT is(try('BACK', 'ann') || ', ' || try('STOCK', 'ann') || ', ' || try('ALL', 'ann') || ', ' || try('MINE', 'ann', amount => 10) || ', '
	|| try('MINE', 'ann', bill => 'OK', amount => 60) || ', ' || try('MINE', 'ann', bill => NULL) || ', ' || try('not a code', 'ann') || ', '
	|| try('BOBS', 'ann', amount => 10),
	'COUPON_REVOKED offer coupon, NOT_ISSUED offer coupon, NOT_ISSUED offer, BILL_TOO_SMALL offer coupon, BILL_CONFLICT offer coupon, '
	|| 'BILL_REFERENCE_REQUIRED, CODE_NOT_FOUND, NOT_THE_HOLDER offer coupon', 'refusals of all kinds');
SELECT is(recorded(), 'REDEEM BACK COUPON_REVOKED unknown, REDEEM STOCK NOT_ISSUED unknown, REDEEM ALL NOT_ISSUED unknown, REDEEM MINE BILL_TOO_SMALL, '
	|| 'REDEEM MINE BILL_CONFLICT, REDEEM MINE BILL_REFERENCE_REQUIRED, REDEEM not a code CODE_NOT_FOUND unknown, REDEEM BOBS NOT_THE_HOLDER unknown',
	'are recorded, those of a code that is not to be known as such');
SELECT is(try(repeat('é', 300), 'ann'), 'CODE_NOT_FOUND', 'of a long text');
SELECT is((SELECT code FROM cms.attempt), repeat('é', 100), 'the first 100 characters are kept');
SELECT is(recorded() IS NULL, false, 'and no more');
SELECT is(try(NULL, 'ann'), 'CODE_NOT_FOUND', 'no code at all');
SELECT is(recorded(), 'REDEEM CODE_NOT_FOUND unknown', 'is an attempt too');
SAVEPOINT refused;
SELECT is(try('NONE', 'ann'), 'CODE_NOT_FOUND', 'an attempt in a transaction');
ROLLBACK TO refused;
SELECT is(recorded(), NULL, 'that is rolled back is not recorded');

-- limited, by till
SELECT set_org('record_attempts', 'false');
SELECT set_org('max_failed_attempts', '3');
SELECT is(string_agg(try('NONE-' || i, NULL, 'T1'), ' ' ORDER BY i), 'CODE_NOT_FOUND CODE_NOT_FOUND', 'two unknown codes at a till') FROM generate_series(1, 2) i;
SELECT is(try('MINE', 'ann', 'T1', amount => 10), 'BILL_TOO_SMALL offer coupon', 'a refusal of a right code does not count');
SELECT is(try('MINE', 'ann', 'T1', 'B2'), 'OK offer coupon', 'nor does a use');
SELECT is(try('BOBS', 'ann', 'T1'), 'NOT_THE_HOLDER offer coupon', 'the third is somebody else''s');
SELECT is(try('NONE-4', 'ann', 'T1'), 'TOO_MANY_ATTEMPTS next', 'a fourth is not looked at');
SELECT is(try('BOBS', 'bob', 'T1'), 'TOO_MANY_ATTEMPTS next', 'nor is a right code');
SELECT is(try('MINE', 'ann', 'T1', 'B2'), 'again offer coupon', 'a bill that was answered is answered again');
SELECT is(try('MINE', 'ann', 'T1', 'B2', 60), 'BILL_CONFLICT offer coupon', 'or is a conflict');
SELECT is(look('BOBS', 'bob', 'T1'), 'TOO_MANY_ATTEMPTS next', 'checks are refused too');
SELECT is(look('NONE', 'bob', 'T1'), 'TOO_MANY_ATTEMPTS next', 'of any code');
SELECT is((SELECT message FROM cms_check('BOBS', 'bob', 100, till_id => 'T1')), 'Too many unknown codes were tried; none is accepted for a while.', 'with a sentence');
SELECT is(try('BOBS', 'bob', 'T2', 'B'), 'OK offer coupon', 'at another till it is redeemed');
SELECT is(recorded(), 'REDEEM NONE-1 CODE_NOT_FOUND unknown, REDEEM NONE-2 CODE_NOT_FOUND unknown, REDEEM BOBS NOT_THE_HOLDER unknown',
	'what counts is recorded, and nothing else');
SELECT is(try('NONE', NULL, 'T1'), 'CODE_NOT_FOUND', 'with the rows the block goes');
SELECT is(string_agg(look('NONE', NULL, 'T3'), ' '), 'CODE_NOT_FOUND CODE_NOT_FOUND CODE_NOT_FOUND CODE_NOT_FOUND', 'checks do not count') FROM generate_series(1, 4);
SELECT is(string_agg(try('NONE', NULL), ' '), 'CODE_NOT_FOUND CODE_NOT_FOUND CODE_NOT_FOUND CODE_NOT_FOUND', 'who names neither till nor customer is not limited')
FROM generate_series(1, 4);
SELECT is(recorded(), 'REDEEM NONE CODE_NOT_FOUND unknown', 'nor recorded');

-- by customer, at whatever till
SELECT is(string_agg(try('NONE', 'ann', 'C' || i), ' '), 'CODE_NOT_FOUND CODE_NOT_FOUND CODE_NOT_FOUND TOO_MANY_ATTEMPTS next', 'a customer at four tills') FROM generate_series(1, 4) i;
SELECT is(try('NONE', 'bob', 'C1'), 'CODE_NOT_FOUND', 'another customer at the first');
SELECT is(try('NONE', 'ann'), 'TOO_MANY_ATTEMPTS next', 'and ann at none');

-- for a while
SELECT later('14 minutes');
SELECT is(try('NONE', 'ann'), 'TOO_MANY_ATTEMPTS next', '14 minutes later still');
SELECT is((SELECT next_allowed_at BETWEEN now() + '59 seconds' AND clock_timestamp() + '61 seconds' FROM cms_redeem('NONE', 'ann', 1, 'B')), true,
	'the answer tells until when: for another minute');
SELECT later('2 minutes');
SELECT is(try('NONE', 'ann'), 'CODE_NOT_FOUND', '16 minutes later no more: what was refused meanwhile has not counted');
SELECT is(recorded() IS NULL, false, 'all of them are deleted');
SELECT is(try('NONE', 'ann'), 'CODE_NOT_FOUND', 'an unknown code');
SELECT later('10 minutes');
SELECT is(try('NONE', 'ann') || ' ' || try('NONE', 'ann') || ' ' || try('NONE', 'ann'), 'CODE_NOT_FOUND CODE_NOT_FOUND TOO_MANY_ATTEMPTS next', 'two more ten minutes later');
SELECT later('6 minutes');
SELECT is(try('NONE', 'ann') || ' ' || try('NONE', 'ann'), 'CODE_NOT_FOUND TOO_MANY_ATTEMPTS next', 'the first has grown old: one more');
SELECT set_org('failed_attempts_within', '1 day');
SELECT is(try('NONE', 'ann'), 'TOO_MANY_ATTEMPTS next', 'with a longer time');
SELECT set_org('max_failed_attempts', '5');
SELECT is(try('NONE', 'ann') || ' ' || try('NONE', 'ann'), 'CODE_NOT_FOUND TOO_MANY_ATTEMPTS next', 'with a higher limit');
SELECT set_org('max_failed_attempts', '1');
SELECT is(try('NONE', 'ann'), 'TOO_MANY_ATTEMPTS next', 'with a lower');
SELECT is((SELECT next_allowed_at > now() + '23:59' FROM cms_redeem('NONE', 'ann', 1, 'B')), true, 'the last counts');
SELECT set_org('max_failed_attempts', NULL);
SELECT is(try('NONE', 'ann'), 'CODE_NOT_FOUND', 'and without');
SELECT set_org('max_failed_attempts', '1');
SELECT set_org('record_attempts', 'true');
SELECT is(recorded() IS NULL, false, 'all are deleted');
SELECT is(try('NONE', 'ann', 'T9') || ' ' || try('NONE', 'ann', 'T9') || ' ' || try('BOBS-2', 'bob', 'T9'), 'CODE_NOT_FOUND TOO_MANY_ATTEMPTS next TOO_MANY_ATTEMPTS next', 'where all is recorded');
SELECT is(recorded(), 'REDEEM NONE CODE_NOT_FOUND unknown, REDEEM NONE TOO_MANY_ATTEMPTS, REDEEM BOBS-2 TOO_MANY_ATTEMPTS', 'so are those that were not looked at');
SELECT set_org('max_failed_attempts', NULL);

-- told alike
SELECT set_org('uniform_refusals', 'true');
SELECT is(try(code, 'ann'), 'CODE_NOT_FOUND', code || ' is told as not found') FROM unnest('{NONE,BACK,STOCK,BOBS-2,ALL}'::text[]) code;
SELECT is(recorded(), 'REDEEM NONE CODE_NOT_FOUND unknown, REDEEM BACK COUPON_REVOKED unknown, REDEEM STOCK NOT_ISSUED unknown, '
	|| 'REDEEM BOBS-2 NOT_THE_HOLDER unknown, REDEEM ALL NOT_ISSUED unknown', 'the true reasons are recorded');
SELECT is(look(code, 'ann'), 'CODE_NOT_FOUND', code || ' is told as not found by a check') FROM unnest('{NONE,BACK,STOCK,BOBS-2,ALL}'::text[]) code;
SELECT is((SELECT count(DISTINCT (r.redeemed, r.reason, r.message, r.redemption_id, r.offer_id, r.coupon_id, r.discount, r.payable, r.uses_left, r.next_allowed_at, r.replayed))
	FROM unnest('{NONE,BACK,STOCK,BOBS-2,ALL}'::text[]) code, cms_redeem(code, 'ann', 100, 'B', at => :t) r), 1::bigint, 'in every column');
SELECT is((SELECT count(DISTINCT (r.redeemed, r.reason, r.message, r.redemption_id, r.offer_id, r.coupon_id, r.discount, r.payable, r.uses_left, r.next_allowed_at, r.replayed, r.reasons))
	FROM unnest('{NONE,BACK,STOCK,BOBS-2,ALL}'::text[]) code, cms_check(code, 'ann', 100, at => :t) r), 1::bigint, 'of a check too');
SELECT is(recorded() IS NULL, false, 'all are deleted');
SELECT is(try('BOBS-2', NULL) || ' ' || look('BOBS-2', NULL), 'CODE_NOT_FOUND CODE_NOT_FOUND', 'somebody else''s without a customer is no error');
SELECT is(recorded(), 'REDEEM BOBS-2 NOT_THE_HOLDER unknown', 'but recorded as such');
SELECT make_offer('ended', '{"code_method": "UPLOADED", "expires_on": "2025-11-12"}');
SELECT ok(loaded, 'bob''s coupon of an offer that ends') FROM cms_upload_codes(o('ended'), '{ENDED}', '{bob}', at => :t);
SELECT is(try('ENDED', 'ann', at => '2025-12-01'), 'CODE_NOT_FOUND', 'that it has ended is not told to ann');
SELECT is(recorded(), 'REDEEM ENDED OFFER_EXPIRED unknown', 'but recorded');
SELECT is(try('ENDED', 'bob', at => '2025-12-01'), 'OFFER_EXPIRED offer coupon', 'bob is told');
SELECT is(try('MINE', 'ann', amount => 10), 'BILL_TOO_SMALL offer coupon', 'as everybody of their own');
-- that a code was used on a bill is not told either, nor guessed while blocked
SELECT is(try('MINE', 'bob', bill => 'OK'), 'CODE_NOT_FOUND', 'nor that somebody else used a code on the bill');
SELECT is(recorded(), 'REDEEM ENDED OFFER_EXPIRED, REDEEM MINE BILL_TOO_SMALL, REDEEM MINE BILL_CONFLICT unknown', 'but recorded');
SELECT is((SELECT reversed FROM cms_reverse((SELECT r.redemption_id FROM cms.redemption r JOIN cms.coupon c USING (org_id, coupon_id) WHERE c.code = 'MINE' AND r.bill_ref = 'B2'), at => :t)), true,
	'a use is reversed');
SELECT is(try('MINE', 'bob', bill => 'B2') || ', ' || try('MINE', 'ann', bill => 'B2'), 'CODE_NOT_FOUND, ALREADY_REVERSED offer coupon', 'which the holder is told only');
SELECT is(recorded(), 'REDEEM MINE ALREADY_REVERSED unknown, REDEEM MINE ALREADY_REVERSED', 'and both are recorded');
SELECT set_org('max_failed_attempts', '1');
SELECT is(try('NONE', 'bob') || ', ' || try('MINE', 'bob', bill => 'OK'), 'CODE_NOT_FOUND, TOO_MANY_ATTEMPTS next', 'nor to be found out while blocked');
SELECT is(try('MINE', 'ann', bill => 'OK', amount => 60), 'BILL_CONFLICT offer coupon', 'the holder is told of the conflict');
SELECT is(recorded() IS NULL, false, 'all are deleted');
SELECT set_org('max_failed_attempts', NULL);
SELECT set_org('max_backdate', '1 day');
SELECT refused($$ SELECT try('NONE', 'ann') $$, '22023', 'at', 'a time too far back is an error for an unknown code');
SELECT refused($$ SELECT try('BOBS-2', NULL) $$, '22023', 'at', 'as it is for somebody else''s');
SELECT refused($$ SELECT look('NONE', NULL) $$, '22023', 'at', 'in a check too');
SELECT set_org('max_failed_attempts', '1');
SELECT is(try('NONE', NULL, 'T1', at => now()) || ', ' || try('NONE', 'ann', 'T1') || ', ' || try('MINE', 'ann', 'T1'),
	'CODE_NOT_FOUND, TOO_MANY_ATTEMPTS next, TOO_MANY_ATTEMPTS next', 'but none for who is refused unseen');

-- trying a code is a check that counts
SELECT set_org('max_backdate', NULL);
SELECT set_org('uniform_refusals', 'false');
SELECT set_org('max_failed_attempts', '2');
SELECT is(recorded() IS NULL, false, 'all are deleted');
CREATE FUNCTION public.tried(code text, customer text, till text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	checked cms_check_result;
	tried cms_check_result;
BEGIN
	SELECT * INTO checked FROM cms_check(code, customer, 10, till_id => till, at => '2025-11-12 11:00 Asia/Kolkata');
	SELECT * INTO tried FROM cms_try(code, customer, 10, till_id => till, at => '2025-11-12 11:00 Asia/Kolkata');
	IF checked IS DISTINCT FROM tried THEN
		RETURN format('cms_check: %s; cms_try: %s', checked, tried);
	END IF;
	RETURN array_to_string(tried.reasons, ' ');
END
$$;
SELECT is(tried('MINE', 'ann', 'T7'), 'BILL_TOO_SMALL', 'a right code is tried');
SELECT is(tried('BOBS-2', 'bob', 'T7'), '', 'and one that would be redeemed');
SELECT is(tried('NONE', 'ann', 'T7'), 'CODE_NOT_FOUND', 'an unknown one');
SELECT is(tried('BOBS-2', 'ann', 'T7'), 'NOT_THE_HOLDER', 'and somebody else''s');
SELECT is(tried('MINE', 'ann', 'T7'), 'TOO_MANY_ATTEMPTS', 'are too many');
SELECT is(try('BOBS-2', 'bob', 'T7'), 'TOO_MANY_ATTEMPTS next', 'for a redemption too');
SELECT is(recorded(), 'CHECK MINE BILL_TOO_SMALL, CHECK NONE CODE_NOT_FOUND unknown, CHECK BOBS-2 NOT_THE_HOLDER unknown, '
	|| 'CHECK MINE TOO_MANY_ATTEMPTS, REDEEM BOBS-2 TOO_MANY_ATTEMPTS', 'all refusals are recorded');
SELECT is(try('NONE', 'ann') || ' ' || tried('NONE', 'ann') || ' ' || tried('NONE', 'ann'), 'CODE_NOT_FOUND CODE_NOT_FOUND TOO_MANY_ATTEMPTS', 'both count together');
SELECT is((SELECT redeemed FROM cms_try('BOBS-2', 'bob', 100, at => :t)), true, 'who would be let through');
SELECT is(try('BOBS-2', 'bob'), 'OK offer coupon', 'is: trying has used nothing');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
