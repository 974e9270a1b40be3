-- F40: what has ended is reported: books that equal a recount, and notices, each once.
BEGIN;
SELECT plan(66);
\ir lib/scene.psql

-- The books beside a recount of the coupons, as of a time. Days whose coupons all went have zeros.
CREATE FUNCTION misbooked(at timestamptz) RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('%s %s: booked %s/%s, counted %s/%s', offer_id, day, b.ended, b.unredeemed, r.ended, r.unredeemed)
	FROM (SELECT e.offer_id, e.ended_on AS day, e.ended, e.unredeemed FROM cms.offer_expiry e
		WHERE e.org_id = current_setting('cms.org')::int AND e.ended > 0) b
	FULL JOIN (SELECT c.offer_id, ((s.expires_at - '1 us'::interval) AT TIME ZONE g.time_zone)::date AS day,
			count(*) AS ended, count(*) FILTER (WHERE c.uses = 0) AS unredeemed
		FROM cms.coupon c JOIN cms.coupon_status s USING (org_id, coupon_id) JOIN cms.org g USING (org_id)
		WHERE c.org_id = current_setting('cms.org')::int AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL
			AND s.expires_at <= at GROUP BY 1, 2) r USING (offer_id, day)
	WHERE (b.ended, b.unredeemed) IS DISTINCT FROM (r.ended, r.unredeemed)
$$;
CREATE FUNCTION booked(at timestamptz, what text) RETURNS text
LANGUAGE sql AS $$ SELECT is_empty(format('SELECT misbooked(%L)', at), what) $$;
CREATE FUNCTION books_of(offer text) RETURNS text
LANGUAGE sql AS $$ SELECT rows_of(format('SELECT ended_on, ended, unredeemed, notified FROM cms.offer_expiry WHERE offer_id = %s ORDER BY 1', o(offer))) $$;
CREATE FUNCTION noticed(offer text) RETURNS text
LANGUAGE sql AS $$ SELECT coalesce(string_agg(customer_id || ' ' || for_day, ', ' ORDER BY message_id), 'nobody') FROM cms.outbox
	WHERE org_id = current_setting('cms.org')::int AND offer_id = o(offer) AND kind = 'EXPIRY_NOTICE' $$;

SELECT play_org('Asia/Kolkata');
SELECT make_offer('june', '{"expires_on": "2026-06-20", "expiry_notice": true, "max_uses_per_coupon": 2}');
SELECT issue_of('june', c, '2026-06-01 UTC') FROM unnest('{ann,bob,cat,dan}'::text[]) c;
SELECT use_of(code_of('june', 'bob'), 'bob', '2026-06-10 UTC');
SELECT use_of(code_of('june', 'cat'), 'cat', '2026-06-10 UTC') || use_of(code_of('june', 'cat'), 'cat', '2026-06-20 23:59:59 Asia/Kolkata');
SELECT reason FROM cms_revoke(o('june'), 'CUSTOMERS', '{dan}', confirm => true, at => '2026-06-15 UTC');
SELECT is(cms_sweep_expired(at => '2026-06-20 23:59:59.999999 Asia/Kolkata'), 0::bigint, 'nothing has ended a moment before');
SELECT is(books_of('june'), NULL, 'and no book is there');
SELECT is(use_of(code_of('june', 'ann'), 'ann', '2026-06-21 00:00 Asia/Kolkata'), 'OFFER_EXPIRED', 'expiry takes effect without a sweep');
SELECT is(cms_sweep_expired(at => '2026-06-21 00:00 Asia/Kolkata'), 3::bigint, 'at the end: all that were issued and not revoked');
SELECT is(books_of('june'), '(2026-06-20,3,1,2)', 'they are booked');
SELECT is(noticed('june'), 'ann 2026-06-20, bob 2026-06-20', 'noticed: whoever could have used it still');
SELECT is(rows_of($$ SELECT channel, due_at, send_before FROM cms.outbox WHERE customer_id = 'ann' $$), '(NOTICE,"2026-06-20 18:30:00+00","2026-07-20 18:30:00+00")', 'what the notice says');
SELECT is(cms_sweep_expired(at => '2026-06-21 00:00 Asia/Kolkata'), 0::bigint, 'again: nothing is left');
SELECT is(cms_sweep_expired(at => '2026-07-21 00:00 Asia/Kolkata'), 0::bigint, 'and later neither');
SELECT booked('2026-06-21 00:00 Asia/Kolkata', 'the books equal a recount');

-- What changes after the end.
SELECT is(use_of(code_of('june', 'ann'), 'ann', '2026-06-20 12:00 Asia/Kolkata'), 'OK', 'a till that was offline brings a use of before');
SELECT cms_sweep_expired(at => '2026-06-21 02:00 Asia/Kolkata');
SELECT booked('2026-06-21 02:00 Asia/Kolkata', 'counted once more an hour later');
SELECT is(noticed('june'), 'ann 2026-06-20, bob 2026-06-20', 'nobody is noticed twice');

-- The same with ends that have come by the clock.
SELECT play_org('Asia/Dubai');
SELECT make_offer('past', '{"expires_on": "2020-06-20", "expiry_notice": true}');
SELECT issue_of('past', c, '2020-06-01 UTC') FROM unnest('{ann,bob,cat,dan,eve}'::text[]) c;
SELECT is(cms_sweep_expired(at => '2020-06-25 UTC'), 5::bigint, 'missed days are caught up');
SELECT is(noticed('past'), 'ann 2020-06-20, bob 2020-06-20, cat 2020-06-20, dan 2020-06-20, eve 2020-06-20', 'with their notices');
SELECT is(use_of(code_of('past', 'ann'), 'ann', '2020-06-19 UTC'), 'OK', 'a late use');
SELECT is(use_of(code_of('past', 'bob'), 'bob', '2020-06-19 UTC'), 'OK', 'another');
SELECT is((SELECT count(*) FROM cms.expiry_mark), 2::bigint, 'are marked');
SELECT is(cms_sweep_expired(at => '2020-06-26 UTC'), 5::bigint, 'and the day is counted again');
SELECT is(books_of('past'), '(2020-06-20,5,3,5)', 'without them');
SELECT booked('2020-06-26 UTC', 'after late uses');
SELECT is((SELECT reason FROM cms_reverse((SELECT redemption_id FROM cms.redemption WHERE customer_id = 'bob' AND offer_id = o('past')), at => '2020-06-20 UTC')), NULL, 'one is reversed, late too');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('past'), 'CODES', codes => ARRAY[code_of('past', 'cat')], confirm => true, at => '2020-06-27 UTC')), 1::bigint, 'one is revoked after its end');
SELECT is(cms_sweep_expired(at => '2020-06-27 UTC'), 4::bigint, 'counted again');
SELECT is(books_of('past'), '(2020-06-20,4,3,5)', 'the reversed one is back, the revoked one gone');
SELECT booked('2020-06-27 UTC', 'after a reversal and a revocation');
SELECT is((SELECT expired FROM cms.offer_performance WHERE offer_id = o('past')), 3::bigint, 'offer_performance has the sum');

-- Ends that move.
SELECT alter_offer('past', 'expires_on', '2020-07-10');
SELECT cms_sweep_expired(at => '2020-06-28 UTC');
SELECT is(books_of('past'), NULL, 'the end moved forward: nothing has ended');
SELECT is(cms_sweep_expired(at => '2020-07-11 UTC'), 4::bigint, 'ended again');
SELECT is(books_of('past'), '(2020-07-10,4,3,3)', 'on the other day, with notices for it');
SELECT alter_offer('past', 'expires_on', '2020-06-10');
SELECT cms_sweep_expired(at => '2020-07-12 UTC');
SELECT is(books_of('past'), '(2020-06-10,4,3,0)', 'moved back: on that day; too late for notices');
SELECT booked('2020-07-12 UTC', 'after moved ends');

-- Revoked after the end, by each scope and by a job.
SELECT make_offer('revoked', '{"expires_on": "2020-06-20"}');
SELECT issue_of('revoked', c, '2020-06-01 UTC') FROM unnest('{ann,bob,cat,dan,eve}'::text[]) c;
SELECT cms_sweep_expired(at => '2020-06-25 UTC');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'CODES', codes => ARRAY[code_of('revoked', 'ann')], confirm => true, at => '2020-06-27 UTC')), 1::bigint, 'by its code');
SELECT cms_sweep_expired(at => '2020-06-28 UTC');
SELECT is(books_of('revoked'), '(2020-06-20,4,4,0)', 'the book is without it');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'CUSTOMERS', '{bob}', confirm => true, at => '2020-06-05 UTC')), 1::bigint, 'of a customer, by an earlier time');
SELECT cms_sweep_expired(at => '2020-06-28 UTC');
SELECT is(books_of('revoked'), '(2020-06-20,3,3,0)', 'the book is without it');
SELECT is((SELECT revoked_issued FROM cms_revoke(o('revoked'), 'ALL_UNREDEEMED', confirm => true, at => '2020-06-27 UTC')), 3::bigint, 'all of them');
SELECT cms_sweep_expired(at => '2020-06-28 UTC');
SELECT booked('2020-06-28 UTC', 'nothing is left in the book');

-- Ends of coupons that are changed.
SELECT make_offer('own', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 10, "max_issued_per_customer": null, "expiry_notice": true}');
SELECT issue_of('own', c, '2020-06-01 UTC') FROM unnest('{ann,bob}'::text[]) c;
SELECT cms_sweep_expired(at => '2020-06-15 UTC');
SELECT is((SELECT reason FROM cms_change_expiry(ARRAY[code_of('own', 'ann')], '2020-06-30', at => '2020-06-15 UTC')), NULL, 'an ended coupon gets another end');
SELECT cms_sweep_expired(at => '2020-06-16 UTC');
SELECT is(books_of('own'), '(2020-06-11,1,1,2)', 'it has not ended any more');
SELECT cms_sweep_expired(at => '2020-07-01 UTC');
SELECT is(books_of('own'), '(2020-06-11,1,1,2) (2020-06-30,1,1,1)', 'it ends again');
SELECT is((SELECT reason FROM cms_change_expiry(ARRAY[code_of('own', 'ann')], '2020-06-11', at => '2020-07-02 UTC')), NULL, 'and goes back');
SELECT cms_sweep_expired(at => '2020-07-02 UTC');
SELECT is(rows_of($$ SELECT ended_on, ended FROM cms.offer_expiry WHERE offer_id = o('own') AND ended > 0 $$), '(2020-06-11,2)', 'to the day before');
SELECT is(noticed('own'), 'ann 2020-06-11, bob 2020-06-11, ann 2020-06-30', 'noticed once for each end');
SELECT booked('2020-07-02 UTC', 'after changed ends');

-- Ends of their own, and the offer's.
SELECT back_to_org('Asia/Kolkata');
SELECT make_offer('days', '{"expires_on": "2026-06-20", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 10, "max_issued_per_customer": null}');
SELECT issue_of('days', 'c' || d, '2026-05-31 12:00 Asia/Kolkata'::timestamptz + d * '1 day'::interval) FROM generate_series(1, 19) d;
SELECT is(cms_sweep_expired(5, '2026-06-15 00:00 Asia/Kolkata'), 4::bigint, 'four days have ended');
SELECT is(books_of('days'), '(2026-06-11,1,1,0) (2026-06-12,1,1,0) (2026-06-13,1,1,0) (2026-06-14,1,1,0)', 'a book for each');
SELECT is((cms_sweep_expired(5, '2026-06-21 00:00 Asia/Kolkata'), cms_sweep_expired(5, '2026-06-21 00:00 Asia/Kolkata'), cms_sweep_expired(5, '2026-06-21 00:00 Asia/Kolkata'),
	cms_sweep_expired(5, '2026-06-21 00:00 Asia/Kolkata'))::text, '(5,5,5,0)', 'bounded, until nothing is left');
SELECT is(rows_of($$ SELECT ended_on, ended FROM cms.offer_expiry WHERE offer_id = o('days') AND ended_on > '2026-06-18' ORDER BY 1 $$),
	'(2026-06-19,1) (2026-06-20,10)', 'with the offer all end that would have later');
SELECT booked('2026-06-21 00:00 Asia/Kolkata', 'own ends and the offer''s');
SELECT alter_offer('days', 'outlives_offer', 'true');
SELECT cms_sweep_expired(at => '2026-06-21 06:00 Asia/Kolkata');
SELECT booked('2026-06-21 06:00 Asia/Kolkata', 'coupons that outlive the offer after all');
SELECT cms_sweep_expired(at => '2026-07-21 06:00 Asia/Kolkata');
SELECT booked('2026-07-21 06:00 Asia/Kolkata', 'until their own end');
SELECT alter_offer('days', 'outlives_offer', 'false');
SELECT cms_sweep_expired(at => '2026-07-21 06:00 Asia/Kolkata');
SELECT booked('2026-07-21 06:00 Asia/Kolkata', 'or not');
UPDATE cms.org SET time_zone = 'America/New_York' WHERE org_id = current_setting('cms.org')::int;
SELECT cms_sweep_expired(at => '2026-07-22 06:00 UTC');
SELECT booked('2026-07-22 06:00 UTC', 'another zone: other days');
SELECT is_empty($$ SELECT org_id, coupon_id, for_day FROM cms.outbox WHERE kind = 'EXPIRY_NOTICE' GROUP BY 1, 2, 3 HAVING count(*) > 1 $$, 'no notice twice');

-- Nothing that never ends, nothing in stock, nobody without a holder.
SELECT play_org('UTC');
SELECT make_offer('loyal', '{"expires_on": "2026-06-20", "expiry_notice": true}');
SELECT issue_of('loyal', 'ann', '2026-06-01 UTC', service => 'LOYALTY', consumer_ref => 'gold');
SELECT make_offer('stock', '{"expires_on": "2026-06-20", "expiry_notice": true, "delivery": "THIRD_PARTY", "anyone_may_redeem": true}');
SELECT cms_generate_codes(o('stock'), 3, at => '2026-06-01 UTC');
SELECT is(use_of((SELECT min(code) FROM cms.coupon WHERE offer_id = o('stock')), NULL, '2026-06-10 UTC'), 'OK', 'a third party''s code is used by nobody in particular');
SELECT is(cms_sweep_expired(at => '2026-06-21 UTC'), 1::bigint, 'what was issued, and ends');
SELECT is(noticed('loyal') || ' ' || noticed('stock'), 'nobody nobody', 'and nobody to tell');
SELECT booked('2026-06-21 UTC', 'and that is booked');

-- All parts by one call, and all of it by another.
SELECT is(rows_of($$ SELECT * FROM cms_sweep(at => '2026-06-21 UTC') $$), '(HOLDS,0) (EXPIRED,0) (REMINDERS,0) (OFFER_REMINDERS,0)', 'cms_sweep tells of each part');
SELECT make_offer('all', '{"expires_on": "2026-06-20"}'), issue_of('all', c, '2026-06-01 UTC') FROM unnest('{ann,bob,cat}'::text[]) c WHERE c = 'ann';
SELECT issue_of('all', 'c' || i, '2026-06-01 UTC') FROM generate_series(1, 24) i;
CALL cms_sweep_all(10, '2026-06-21 UTC');
SELECT is(books_of('all'), '(2026-06-20,25,25,0)', 'cms_sweep_all goes on until nothing is left');
SELECT refused($$ SELECT cms_sweep(0) $$, '22023', 'how_many', 'nothing to sweep');
SELECT refused($$ CALL cms_sweep_all(0) $$, '22023', 'how_many', 'nothing to sweep at all');
SELECT refused($$ SELECT cms_sweep_expired(NULL) $$, '22004', 'how_many', 'so many that nobody knows');
SELECT refused($$ SELECT cms_sweep_reminders(at => 'infinity') $$, '22023', 'at', 'at the end of time');
SELECT counted();

SELECT * FROM finish();
ROLLBACK;
