-- F22: when coupons end. Exact values: issued on 12 November and on 31 January.
BEGIN;
SELECT plan(96);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');

-- The end of a new coupon on the wall clock of the org.
CREATE FUNCTION end_of(offer text, customer text, at timestamptz, service text DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce((i.expires_at AT TIME ZONE g.time_zone)::text, i.reason, 'never')
	FROM cms_issue(o(offer), customer, service => service, at => at) i
	JOIN cms.org g ON g.org_id = current_setting('cms.org')::int
$$;
-- The effective end that coupon_status shows.
CREATE FUNCTION shown_end(offer text, customer text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce((s.expires_at AT TIME ZONE g.time_zone)::text, 'never')
	FROM cms.coupon_status s JOIN cms.org g USING (org_id)
	WHERE s.offer_id = o(offer) AND s.customer_id = customer
$$;

-- DAYS
SELECT make_offer('days 0', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}');
SELECT is(end_of('days 0', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-13 00:00:00', 'DAYS 0 ends with the day of issue');
SELECT is(end_of('days 0', 'bob', '2025-11-12 00:00 Asia/Kolkata'), '2025-11-13 00:00:00', 'DAYS 0 issued at midnight has the whole day');
SELECT is(end_of('days 0', 'cid', '2025-11-12 23:59:59.999999 Asia/Kolkata'), '2025-11-13 00:00:00', 'DAYS 0 issued at the last moment still ends that day');
SELECT is(use_of(code_of('days 0', 'ann'), 'ann', '2025-11-12 23:59:59.999999 Asia/Kolkata'), 'OK', 'DAYS 0 is usable to the end of 12 November');
SELECT is(use_of(code_of('days 0', 'bob'), 'bob', '2025-11-13 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'DAYS 0 is refused at 00:00 on the 13th');
SELECT make_offer('days 1', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 1}');
SELECT is(end_of('days 1', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-14 00:00:00', 'DAYS 1 ends with the 13th');
SELECT is(end_of('days 1', 'bob', '2025-11-12 23:59 Asia/Kolkata'), '2025-11-14 00:00:00', 'DAYS 1 counts dates, not hours');
SELECT is(use_of(code_of('days 1', 'ann'), 'ann', '2025-11-13 23:59:59.999999 Asia/Kolkata'), 'OK', 'DAYS 1 is usable to the end of the 13th');
SELECT is(use_of(code_of('days 1', 'bob'), 'bob', '2025-11-14 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'DAYS 1 is refused at 00:00 on the 14th');

-- MONTH_ENDS
SELECT make_offer('month 0', '{"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 0}');
SELECT make_offer('month 1', '{"coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 1}');
SELECT is(end_of('month 0', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-12-01 00:00:00', 'MONTH_ENDS 0 ends with 30 November');
SELECT is(end_of('month 0', 'bob', '2025-11-30 23:59 Asia/Kolkata'), '2025-12-01 00:00:00', 'MONTH_ENDS 0 issued on the last day ends with it');
SELECT is(use_of(code_of('month 0', 'ann'), 'ann', '2025-11-30 23:59:59 Asia/Kolkata'), 'OK', 'MONTH_ENDS 0 is usable to the 30th');
SELECT is(use_of(code_of('month 0', 'bob'), 'bob', '2025-12-01 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'and refused on 1 December');
SELECT is(end_of('month 1', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2026-01-01 00:00:00', 'MONTH_ENDS 1 ends with 31 December');
SELECT is(use_of(code_of('month 1', 'ann'), 'ann', '2025-12-31 23:59:59 Asia/Kolkata'), 'OK', 'and is usable on it');
SELECT is(end_of('month 1', 'bob', '2026-01-31 10:00 Asia/Kolkata'), '2026-03-01 00:00:00', 'issued 31 January with 1: 28 February');
SELECT is(end_of('month 1', 'cid', '2028-01-31 10:00 Asia/Kolkata'), '2028-03-01 00:00:00', 'in a leap year 29 February');
SELECT is(use_of(code_of('month 1', 'cid'), 'cid', '2028-02-29 23:59 Asia/Kolkata'), 'OK', 'which is usable on 29 February');
SELECT is(end_of('month 1', 'dee', '2025-12-05 10:00 Asia/Kolkata'), '2026-02-01 00:00:00', 'MONTH_ENDS 1 issued in December ends with January');

-- the earlier of its own end and the offer's
SELECT make_offer('to 20th', '{"expires_on": "2025-11-20", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 30}');
SELECT is(end_of('to 20th', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-21 00:00:00', 'offer ending 20 November, DAYS 30 issued on the 12th: end of the 20th');
SELECT is(end_of('to 20th', 'bob', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-21 00:00:00', 'for everybody');
SELECT is(use_of(code_of('to 20th', 'ann'), 'ann', '2025-11-20 23:59:59 Asia/Kolkata'), 'OK', 'usable on the offer''s last day');
SELECT is(reasons_of(code_of('to 20th', 'bob'), 'bob', '2025-11-21 00:00 Asia/Kolkata'), 'OFFER_EXPIRED', 'the offer has ended, the coupon''s own end is still to come');
SELECT is(reasons_of(code_of('to 20th', 'bob'), 'bob', '2025-12-13 00:00 Asia/Kolkata'), 'OFFER_EXPIRED COUPON_EXPIRED', 'later both have ended');
SELECT is(end_of('to 20th', 'cid', '2025-11-20 23:59 Asia/Kolkata'), '2025-11-21 00:00:00', 'issued in the last minute of the offer');
SELECT is(end_of('to 20th', 'dee', '2025-11-21 00:00 Asia/Kolkata'), 'OFFER_EXPIRED', 'nothing is issued after it');
SELECT make_offer('own first', '{"expires_on": "2025-11-20", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 2}');
SELECT is(end_of('own first', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-15 00:00:00', 'an own end before the offer''s counts');
SELECT is(reasons_of(code_of('own first', 'ann'), 'ann', '2025-11-15 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'and the offer goes on');
SELECT make_offer('with offer', '{"expires_on": "2025-11-20"}');
SELECT is(end_of('with offer', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-21 00:00:00', 'WITH_OFFER ends with the offer');
SELECT is((SELECT expires_at FROM cms.coupon WHERE offer_id = o('with offer')), NULL, 'and has no end of its own');

-- a coupon that outlives its offer
SELECT make_offer('outlives', '{"expires_on": "2025-11-20", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 30, "outlives_offer": true}');
SELECT is(end_of('outlives', 'ann', '2025-11-12 10:00 Asia/Kolkata'), '2025-12-13 00:00:00', 'where coupons outlive the offer only their own end counts');
SELECT is(end_of('outlives', 'bob', '2025-11-12 10:00 Asia/Kolkata'), '2025-12-13 00:00:00', 'for everybody');
SELECT is(use_of(code_of('outlives', 'ann'), 'ann', '2025-12-12 23:59 Asia/Kolkata'), 'OK', 'usable after the offer');
SELECT is(reasons_of(code_of('outlives', 'bob'), 'bob', '2025-12-13 00:00 Asia/Kolkata'), 'COUPON_EXPIRED', 'to its own end');
SELECT make_offer('for ever', '{"expires_on": "2025-11-20", "outlives_offer": true}');
SELECT is(end_of('for ever', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'never', 'without an own end it never ends');
SELECT is(use_of(code_of('for ever', 'ann'), 'ann', '2099-01-01 Asia/Kolkata'), 'OK', 'and is usable in 2099');

-- offers that end with their campaign
SELECT make_offer('campaign');
SELECT is(end_of('campaign', 'ann', '2025-11-12 10:00 Asia/Kolkata'), 'never', 'WITH_CAMPAIGN without a claim has no end');
SELECT is((SELECT claimed FROM cms_claim(o('campaign'), 'OUTBOUND', 'diwali', 'Diwali', '2025-11-15', at => '2025-11-12 11:00 Asia/Kolkata')), true, 'an unclaimed offer is claimed for a campaign that ends on the 15th');
SELECT is(shown_end('campaign', 'ann'), '2025-11-16 00:00:00', 'with the claim coupons end as the campaign does');
SELECT is(reasons_of(code_of('campaign', 'ann'), 'ann', '2025-11-15 23:59:59 Asia/Kolkata'), '', 'usable on the campaign''s last day');
SELECT is(use_of(code_of('campaign', 'ann'), 'ann', '2025-11-16 00:00 Asia/Kolkata'), 'OFFER_EXPIRED', 'not after it');
SELECT is((SELECT claimed FROM cms_claim(o('campaign'), 'OUTBOUND', 'diwali', ends_on => '2025-11-18', at => '2025-11-13 Asia/Kolkata')), true, 'the campaign is prolonged');
SELECT is(use_of(code_of('campaign', 'ann'), 'ann', '2025-11-18 23:59 Asia/Kolkata'), 'OK', 'and the coupon with it');
SELECT make_offer('fixed, claimed', '{"expires_on": "2025-11-20"}');
SELECT is((SELECT claimed FROM cms_claim(o('fixed, claimed'), 'TIMELINE', 't1', ends_on => '2025-11-14', at => '2025-11-12 Asia/Kolkata')), true, 'a FIXED_DATE offer is claimed by a shorter campaign');
SELECT is(end_of('fixed, claimed', 'ann', '2025-11-12 10:00 Asia/Kolkata', 'TIMELINE'), 'NOT_THE_CLAIMANT', 'the program has to be named');
SELECT is((SELECT expires_at FROM cms_issue(o('fixed, claimed'), 'ann', service => 'TIMELINE', consumer_ref => 't1', at => '2025-11-12 10:00 Asia/Kolkata')), '2025-11-21 00:00 Asia/Kolkata'::timestamptz, 'its claim does not shorten a fixed date');

-- LOYALTY
SELECT make_offer('loyal', '{"expires_on": "2025-11-20"}');
SELECT is(end_of('loyal', 'ann', '2025-11-12 10:00 Asia/Kolkata', 'LOYALTY'), 'never', 'claimed by LOYALTY with WITH_OFFER: never expires');
SELECT is(shown_end('loyal', 'ann'), 'never', 'the report says so too');
SELECT is(use_of(code_of('loyal', 'ann'), 'ann', '2099-01-01 Asia/Kolkata'), 'OK', 'and is usable in 2099');
SELECT is(end_of('loyal', 'bob', '2025-11-21 00:00 Asia/Kolkata', 'LOYALTY'), 'OFFER_EXPIRED', 'the offer itself ends');
SELECT make_offer('loyal days', '{"expires_on": "2025-11-20", "coupon_expiry_type": "DAYS", "coupon_expiry_value": 30}');
SELECT is(end_of('loyal days', 'ann', '2025-11-12 10:00 Asia/Kolkata', 'LOYALTY'), '2025-11-21 00:00:00', 'LOYALTY with DAYS is as everybody');

-- what moves and what is fixed
UPDATE cms.offer SET expires_on = '2025-11-25' WHERE offer_id = o('with offer');
SELECT is(shown_end('with offer', 'ann'), '2025-11-26 00:00:00', 'a coupon''s end follows its offer''s end');
SELECT is(reasons_of(code_of('with offer', 'ann'), 'ann', '2025-11-25 23:59 Asia/Kolkata'), '', 'forward');
UPDATE cms.offer SET expires_on = '2025-11-13' WHERE offer_id = o('with offer');
SELECT is(use_of(code_of('with offer', 'ann'), 'ann', '2025-11-14 Asia/Kolkata'), 'OFFER_EXPIRED', 'and back');
UPDATE cms.offer SET expires_on = '2025-12-31', coupon_expiry_value = 5 WHERE offer_id = o('to 20th');
SELECT is(shown_end('to 20th', 'bob'), '2025-12-13 00:00:00', 'its own end is fixed at issue: 30 days');
SELECT is(end_of('to 20th', 'eve', '2025-11-12 10:00 Asia/Kolkata'), '2025-11-18 00:00:00', 'new coupons have the new one');
SELECT is(use_of(code_of('to 20th', 'bob'), 'bob', '2025-12-12 23:59 Asia/Kolkata'), 'OK', 'the old one is usable to its own');
SELECT counted();

-- days whose midnight is missing, comes twice, or which do not exist
SELECT play_org('America/Sao_Paulo');
SELECT make_offer('days 0', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}');
SELECT is(end_of('days 0', 'ann', '2018-11-03 22:00 America/Sao_Paulo'), '2018-11-04 01:00:00', 'the day before clocks jump from 00:00 to 01:00 ends at 01:00');
SELECT is(reasons_of(code_of('days 0', 'ann'), 'ann', '2018-11-04 02:59:59.999999 UTC'), '', 'usable to the moment before the jump');
SELECT is(use_of(code_of('days 0', 'ann'), 'ann', '2018-11-04 03:00 UTC'), 'COUPON_EXPIRED', 'refused from the jump on');
SELECT play_org('America/Havana');
SELECT make_offer('days 0', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 0}');
SELECT is((SELECT expires_at FROM cms_issue(o('days 0'), 'ann', at => '2024-11-02 12:00 America/Havana')), '2024-11-03 04:00 UTC'::timestamptz, 'where midnight comes twice the day ends at the first');
SELECT is(use_of(code_of('days 0', 'ann'), 'ann', '2024-11-03 04:00 UTC'), 'COUPON_EXPIRED', 'and the coupon with it');
SELECT is((SELECT expires_at FROM cms_issue(o('days 0'), 'bob', at => '2024-11-03 00:30 America/Havana')), '2024-11-04 05:00 UTC'::timestamptz, 'a day of 25 hours');
SELECT play_org('Pacific/Apia');
SELECT make_offer('days 1', '{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 1}');
SELECT make_offer('to 30th', '{"expires_on": "2011-12-30"}');
SELECT is((SELECT expires_at FROM cms_issue(o('days 1'), 'ann', at => '2011-12-29 12:00 Pacific/Apia')), '2011-12-31 00:00 Pacific/Apia'::timestamptz, 'a last day that the zone left out is over when the next begins');
SELECT is((SELECT expires_at FROM cms_issue(o('to 30th'), 'ann', at => '2011-12-29 12:00 Pacific/Apia')), '2011-12-30 10:00 UTC'::timestamptz, 'also as the last day of an offer');
SELECT counted('in other zones too');

-- the functions under the reports
SELECT is(cms_day_start('2018-11-04', 'America/Sao_Paulo'), '2018-11-04 03:00 UTC'::timestamptz, 'a day without midnight begins with the jump');
SELECT is(cms_day_start('2024-11-03', 'America/Havana'), '2024-11-03 04:00 UTC'::timestamptz, 'a day with two midnights with the first');
SELECT is(cms_day_start('2011-12-30', 'Pacific/Apia'), cms_day_start('2011-12-31', 'Pacific/Apia'), 'a day that was left out with the next');
SELECT is(cms_day_start('2025-03-30', 'Europe/Berlin'), '2025-03-29 23:00 UTC'::timestamptz, 'an ordinary day at midnight');
SELECT is(cms_day_start('1600-02-29', 'Asia/Tokyo'), '1600-02-29 00:00 Asia/Tokyo'::timestamptz, 'also long ago');
SELECT is(cms_day_start('infinity', 'UTC'), 'infinity'::timestamptz, 'infinity stays');
SELECT is(cms_day_start('-infinity', 'UTC'), '-infinity'::timestamptz, '-infinity stays');
SELECT is(cms_day_start('5874897-12-31', 'UTC'), 'infinity'::timestamptz, 'days after the last timestamp begin at infinity');
SELECT is(cms_day_start('4714-11-24 BC', 'Asia/Tokyo'), '-infinity'::timestamptz, 'a day before the first at -infinity');
SELECT is(cms_day_start(NULL, 'UTC'), NULL, 'no day, no start');
SELECT refused($$ SELECT cms_day_start('2025-01-01', 'Mars/Olympus') $$, '22023', 'Mars/Olympus', 'an unknown zone is told');
SELECT refused($$ SELECT cms_offer_end('FIXED_DATE', '2025-01-01', NULL, '') $$, '22023', 'time zone', 'an empty zone too');
SELECT is(cms_offer_end('FIXED_DATE', '2025-11-20', '2025-11-15', 'Asia/Kolkata'), '2025-11-21 00:00 Asia/Kolkata'::timestamptz, 'FIXED_DATE looks at its date');
SELECT is(cms_offer_end('WITH_CAMPAIGN', NULL, '2025-11-15', 'Asia/Kolkata'), '2025-11-16 00:00 Asia/Kolkata'::timestamptz, 'WITH_CAMPAIGN at the claim''s');
SELECT is(cms_offer_end('WITH_CAMPAIGN', NULL, NULL, 'Asia/Kolkata'), NULL, 'without a claim''s date there is no end');
SELECT is(cms_offer_end('FIXED_DATE', '5874897-12-31', NULL, 'UTC'), NULL, 'an end after the last timestamp is none');

-- settings
SELECT offer_refused('{"coupon_expiry_type": "DAYS"}', 'coupon_expiry_value', 'DAYS needs a value', '23502');
SELECT offer_refused('{"coupon_expiry_type": "MONTH_ENDS"}', 'coupon_expiry_value', 'MONTH_ENDS needs a value', '23502');
SELECT offer_refused('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": -1}', 'coupon_expiry_value', 'a negative value is refused');
SELECT offer_refused('{"coupon_expiry_type": "DAYS", "coupon_expiry_value": 2147483647}', 'coupon_expiry_value', 'one that is out of range too');
SELECT offer_refused('{"coupon_expiry_value": 3}', 'coupon_expiry_value', 'WITH_OFFER has none');
SELECT offer_refused('{"coupon_expiry_type": "WEEKS", "coupon_expiry_value": 3}', 'coupon_expiry_type', 'an unknown type is refused');
SELECT offer_refused(jsonb_build_object('expires_on', day), 'expires_on', 'a last day of ' || day)
FROM unnest(ARRAY['infinity', '-infinity', '5874897-12-31', '10000-01-01']) day;
SELECT make_offer('far', '{"expires_on": "9999-12-31", "coupon_expiry_type": "MONTH_ENDS", "coupon_expiry_value": 1200}');
SELECT is(end_of('far', 'ann', '9950-11-12 10:00 Pacific/Apia'), '10000-01-01 00:00:00', 'the last day one can set');
SELECT is(use_of(code_of('far', 'ann'), 'ann', '9999-12-31 23:59 Pacific/Apia'), 'OK', 'is usable');
SELECT counted('and nothing was miscounted');

SELECT * FROM finish();
ROLLBACK;
