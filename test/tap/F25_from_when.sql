-- F25: from when a coupon can be redeemed.
BEGIN;
SELECT plan(39);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

CREATE FUNCTION next_of(code text, customer text, at timestamptz) RETURNS timestamptz
LANGUAGE sql AS $$ SELECT next_allowed_at FROM cms_check(code, customer, 100, at => at) $$;

SELECT make_offer('at once');
SELECT is((SELECT valid_from FROM cms_issue(o('at once'), 'ann', at => '2025-11-12 10:00 Asia/Kolkata')), '2025-11-12 10:00 Asia/Kolkata'::timestamptz, 'at once is the time of the issue');
SELECT is(use_of(code_of('at once', 'ann'), 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'and usable then');

-- days after the issue
SELECT make_offer('tomorrow', '{"starts_after_days": 1}');
SELECT is((SELECT valid_from FROM cms_issue(o('tomorrow'), 'ann', at => '2025-11-12 23:50 Asia/Kolkata')), '2025-11-13 00:00 Asia/Kolkata'::timestamptz, 'n = 1 means from tomorrow 00:00');
SELECT is(use_of(code_of('tomorrow', 'ann'), 'ann', '2025-11-12 23:50 Asia/Kolkata'), 'NOT_STARTED', 'not at the issue');
SELECT is(use_of(code_of('tomorrow', 'ann'), 'ann', '2025-11-12 23:59 Asia/Kolkata'), 'NOT_STARTED', 'issued at 23:50: NOT_STARTED at 23:59');
SELECT is(next_of(code_of('tomorrow', 'ann'), 'ann', '2025-11-12 23:59 Asia/Kolkata'), '2025-11-13 00:00 Asia/Kolkata'::timestamptz, 'the answer tells from when');
SELECT matches((SELECT message FROM cms_check(code_of('tomorrow', 'ann'), 'ann', 100, at => '2025-11-12 23:59 Asia/Kolkata')), '2025-11-13', 'also in words');
SELECT is(use_of(code_of('tomorrow', 'ann'), 'ann', '2025-11-13 00:00 Asia/Kolkata'), 'OK', 'accepted at 00:00');
SELECT make_offer('after 0', '{"starts_after_days": 0}');
SELECT is(issue_of('after 0', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'after 0 days');
SELECT is(use_of(code_of('after 0', 'ann'), 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'is at once');

-- a date
SELECT make_offer('date', '{"starts_on": "2025-11-20"}');
SELECT is((SELECT valid_from FROM cms_issue(o('date'), 'ann', at => '2025-11-12 10:00 Asia/Kolkata')), '2025-11-20 00:00 Asia/Kolkata'::timestamptz, 'from a date');
SELECT is(use_of(code_of('date', 'ann'), 'ann', '2025-11-19 23:59:59.999999 Asia/Kolkata'), 'NOT_STARTED', 'not a moment before');
SELECT is(next_of(code_of('date', 'ann'), 'ann', '2025-11-12 23:59 Asia/Kolkata'), '2025-11-20 00:00 Asia/Kolkata'::timestamptz, 'the answer tells the date');
SELECT is(use_of(code_of('date', 'ann'), 'ann', '2025-11-20 00:00 Asia/Kolkata'), 'OK', 'from its midnight in the org''s zone');
SELECT is((SELECT valid_from FROM cms_issue(o('date'), 'bob', at => '2025-11-25 10:00 Asia/Kolkata')), '2025-11-25 10:00 Asia/Kolkata'::timestamptz, 'a date in the past changes nothing');

-- both
SELECT make_offer('both', '{"starts_on": "2025-11-20", "starts_after_days": 3}');
SELECT is((SELECT valid_from FROM cms_issue(o('both'), 'ann', at => '2025-11-12 10:00 Asia/Kolkata')), '2025-11-20 00:00 Asia/Kolkata'::timestamptz, 'both must hold: the date is later');
SELECT is(use_of(code_of('both', 'ann'), 'ann', '2025-11-19 23:59 Asia/Kolkata'), 'NOT_STARTED', 'not after the days alone');
SELECT is(use_of(code_of('both', 'ann'), 'ann', '2025-11-20 Asia/Kolkata'), 'OK', 'on the date');
SELECT is((SELECT valid_from FROM cms_issue(o('both'), 'bob', at => '2025-11-18 10:00 Asia/Kolkata')), '2025-11-21 00:00 Asia/Kolkata'::timestamptz, 'both must hold: the days are later');
SELECT is(use_of(code_of('both', 'bob'), 'bob', '2025-11-20 23:59 Asia/Kolkata'), 'NOT_STARTED', 'not on the date alone');
SELECT is(use_of(code_of('both', 'bob'), 'bob', '2025-11-21 Asia/Kolkata'), 'OK', 'after the days');

-- settings change
SELECT is(issue_of('date', 'cid', '2025-11-12 10:00 Asia/Kolkata'), 'OK', 'cid has one from the 20th');
SELECT alter_offer('date', 'starts_on', '2025-11-14');
SELECT is(use_of(code_of('date', 'cid'), 'cid', '2025-11-14 Asia/Kolkata'), 'OK', 'a changed date holds for coupons out');
SELECT is((SELECT valid_from FROM cms.coupon_status WHERE offer_id = o('date') AND customer_id = 'cid'), '2025-11-14 00:00 Asia/Kolkata'::timestamptz, 'and in the report');
SELECT counted();

-- clocks that change
SELECT play_org('America/Sao_Paulo');
SELECT make_offer('tomorrow', '{"starts_after_days": 1}');
SELECT is((SELECT valid_from FROM cms_issue(o('tomorrow'), 'ann', at => '2018-11-03 22:00 America/Sao_Paulo')), '2018-11-04 03:00 UTC'::timestamptz, 'a day whose midnight is missing begins with the jump');
SELECT is(use_of(code_of('tomorrow', 'ann'), 'ann', '2018-11-04 02:59:59 UTC'), 'NOT_STARTED', 'not before it');
SELECT is(use_of(code_of('tomorrow', 'ann'), 'ann', '2018-11-04 03:00 UTC'), 'OK', 'from it on');
SELECT is(issue_of('tomorrow', 'bob', '2018-02-17 22:00 America/Sao_Paulo'), 'OK', 'on a day of 25 hours');
SELECT is(use_of(code_of('tomorrow', 'bob'), 'bob', '2018-02-18 02:30 UTC'), 'NOT_STARTED', 'the hour before midnight that comes again is today');
SELECT is(use_of(code_of('tomorrow', 'bob'), 'bob', '2018-02-18 03:00 UTC'), 'OK', 'tomorrow is after it');

-- settings
SELECT offer_refused('{"starts_after_days": -1}', 'starts_after_days', 'negative days are refused');
SELECT offer_refused('{"starts_after_days": 2147483647}', 'starts_after_days', 'too many days too');
SELECT offer_refused('{"starts_on": "infinity"}', 'starts_on', 'infinity is no date');
SELECT offer_refused('{"starts_on": "-infinity"}', 'starts_on', 'nor is -infinity');
SELECT offer_refused('{"starts_on": "5874897-12-31"}', 'starts_on', 'nor a day after the last timestamp');
SELECT make_offer('far', '{"starts_after_days": 36500}');
SELECT is(issue_of('far', 'ann', '9999-12-30 UTC'), 'OK', 'a coupon that starts in a hundred years');
SELECT is(use_of(code_of('far', 'ann'), 'ann', '9999-12-31 UTC'), 'NOT_STARTED', 'has not started before');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
