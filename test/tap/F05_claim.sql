-- F4, F5: who sees an offer and who holds it: claiming, claiming again, releasing.
BEGIN;
SELECT plan(88);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- The answer to a claim in one line: OK or the reason, and who holds the offer.
CREATE FUNCTION claim_of(offer text, service text, consumer_ref text DEFAULT NULL, consumer_name text DEFAULT NULL,
	ends_on date DEFAULT NULL) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(c.reason, 'OK') || coalesce(': ' || c.holder, '')
	FROM cms_claim(o(offer), service, consumer_ref, consumer_name, ends_on,
		at => '2025-11-12 11:00 Asia/Kolkata') c
$$;
CREATE FUNCTION release_of(offer text) RETURNS text
LANGUAGE sql AS $$
	SELECT coalesce(c.reason, 'OK') || ' ' || c.claimed || coalesce(': ' || c.holder, '')
	FROM cms_release(o(offer), at => '2025-11-12 11:00 Asia/Kolkata') c
$$;
CREATE FUNCTION claimed_by(offer text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', c.service, c.consumer_ref, c.consumer_name, c.ends_on) FROM cms.claim c
	WHERE c.org_id = current_setting('cms.org')::int AND c.offer_id = o(offer)
$$;

-- one holder
SELECT make_offer('free');
SELECT is(claim_of('free', 'TIMELINE', 'welcome', 'Welcome series', '2025-12-31'),
	'OK: TIMELINE program welcome (Welcome series)', 'an offer that nobody holds is claimed');
SELECT is(claimed_by('free'), 'TIMELINE welcome Welcome series 2025-12-31', 'the claim is recorded as it was made');
SELECT is((SELECT claimed_by FROM cms.claim WHERE offer_id = o('free')), current_user::text, 'with who made it');
SELECT is(claim_of('free', 'DVS'), 'ALREADY_CLAIMED: TIMELINE program welcome (Welcome series)',
	'another service learns who holds it');
SELECT is(claim_of('free', 'DVS', 'welcome'), 'ALREADY_CLAIMED: TIMELINE program welcome (Welcome series)',
	'with a program of the same name too');
SELECT is(claim_of('free', 'TIMELINE', 'other'), 'ALREADY_CLAIMED: TIMELINE program welcome (Welcome series)',
	'so does another program of the same service');
SELECT is(claim_of('free', 'TIMELINE'), 'ALREADY_CLAIMED: TIMELINE program welcome (Welcome series)',
	'and the service without a program');
SELECT is(claimed_by('free'), 'TIMELINE welcome Welcome series 2025-12-31', 'nothing of that changed the claim');
SELECT is((SELECT message FROM cms_claim(o('free'), 'DVS', at => :t)),
	'The offer is claimed by TIMELINE program welcome (Welcome series).', 'the message names the holder');
SELECT is((SELECT concat_ws(' ', claimed, service, consumer_ref, consumer_name, ends_on)
	FROM cms_claim(o('free'), 'DVS', at => :t)), 'f TIMELINE welcome Welcome series 2025-12-31',
	'the row has the holder column by column');

-- again
SELECT is(claim_of('free', 'TIMELINE', 'welcome'), 'OK: TIMELINE program welcome (Welcome series)',
	'the holder gets its own claim back');
SELECT is(claimed_by('free'), 'TIMELINE welcome Welcome series 2025-12-31', 'what it does not name stays');
SELECT is(claim_of('free', 'TIMELINE', 'welcome', ends_on => '2026-01-31'),
	'OK: TIMELINE program welcome (Welcome series)', 'the holder may move the end');
SELECT is(claimed_by('free'), 'TIMELINE welcome Welcome series 2026-01-31', 'only the end has moved');
SELECT is(claim_of('free', 'TIMELINE', 'welcome', 'Hello'), 'OK: TIMELINE program welcome (Hello)', 'and rename');
SELECT is(claimed_by('free'), 'TIMELINE welcome Hello 2026-01-31', 'only the name has changed');

-- every service
SELECT make_offer('of ' || s) FROM unnest(ARRAY['OUTBOUND', 'TIMELINE', 'DVS', 'LOYALTY', 'EXTERNAL']) s;
SELECT is(claim_of('of OUTBOUND', 'OUTBOUND', 'spring', 'Spring sale'), 'OK: OUTBOUND campaign spring (Spring sale)',
	'OUTBOUND has campaigns');
SELECT is(claim_of('of TIMELINE', 'TIMELINE', 'welcome'), 'OK: TIMELINE program welcome', 'TIMELINE may hold several');
SELECT is(claim_of('of DVS', 'DVS'), 'OK: DVS', 'a service may claim without a program');
SELECT is(claim_of('of LOYALTY', 'LOYALTY', 'gold'), 'OK: LOYALTY program gold', 'LOYALTY');
SELECT is(claim_of('of EXTERNAL', 'EXTERNAL'), 'OK: EXTERNAL', 'EXTERNAL');
SELECT make_offer('second ' || s) FROM unnest(ARRAY['OUTBOUND', 'DVS', 'LOYALTY', 'EXTERNAL']) s;
SELECT is(claim_of('second DVS', 'DVS'), 'OK: DVS', 'DVS may hold several');
SELECT is(claim_of('second LOYALTY', 'LOYALTY', 'gold'), 'OK: LOYALTY program gold', 'LOYALTY too');
SELECT is(claim_of('second EXTERNAL', 'EXTERNAL'), 'OK: EXTERNAL', 'EXTERNAL too');
SELECT is(claim_of('second OUTBOUND', 'OUTBOUND', 'spring'), 'CAMPAIGN_HAS_OFFER',
	'an OUTBOUND campaign holds one offer');
SELECT is((SELECT message FROM cms_claim(o('second OUTBOUND'), 'OUTBOUND', 'spring', at => :t)),
	'OUTBOUND campaign spring has offer ' || o('of OUTBOUND') || ' (of OUTBOUND) already.', 'and is told which');
SELECT is((SELECT holder FROM cms_claim(o('second OUTBOUND'), 'OUTBOUND', 'spring', at => :t)), NULL,
	'nobody holds the offer it asked for');
SELECT is(claim_of('second OUTBOUND', 'OUTBOUND', 'summer'), 'OK: OUTBOUND campaign summer',
	'another campaign may hold another offer');
SELECT is(claim_of('second OUTBOUND', 'OUTBOUND', 'spring'), 'ALREADY_CLAIMED: OUTBOUND campaign summer',
	'that somebody holds the offer is the first reason');
SELECT is(claim_of('of OUTBOUND', 'OUTBOUND', 'spring'), 'OK: OUTBOUND campaign spring (Spring sale)',
	'the one offer may be claimed again');

-- the same campaign in another org
SELECT play_org('Europe/Berlin');
SELECT make_offer('elsewhere');
SELECT is(claim_of('elsewhere', 'OUTBOUND', 'spring'), 'OK: OUTBOUND campaign spring', 'campaigns are an org''s own');
SELECT throws_ok(format('SELECT cms_claim(%s, ''DVS'', at => %L, org => %s)', o('elsewhere'), :t,
	(SELECT org_id FROM cms.org WHERE name = 'Asia/Kolkata')), 'MS001', NULL, 'an offer of another org is unknown');
SELECT back_to_org('Asia/Kolkata');

-- F4: offers made inside a module
SELECT make_offer('inside', '{"owner_service": "LOYALTY"}');
SELECT make_offer('inside gold', '{"owner_service": "LOYALTY", "owner_ref": "gold"}');
SELECT is(claim_of('inside', 'TIMELINE'), 'NOT_VISIBLE', 'an offer made inside a module is seen there only');
SELECT is((SELECT message FROM cms_claim(o('inside'), 'TIMELINE', at => :t)), 'The offer belongs to LOYALTY.',
	'the message names the module');
SELECT is((SELECT claimed FROM cms_claim(o('inside'), 'TIMELINE', at => :t)), false, 'not claimed');
SELECT is(claim_of('inside', 'LOYALTY', 'silver'), 'OK: LOYALTY program silver', 'any program of the module may claim it');
SELECT is(claim_of('inside', 'TIMELINE'), 'NOT_VISIBLE', 'who does not see it does not learn who holds it');
SELECT is(claim_of('inside gold', 'LOYALTY', 'silver'), 'NOT_VISIBLE', 'one made in a program is seen there only');
SELECT is(claim_of('inside gold', 'LOYALTY'), 'NOT_VISIBLE', 'not by the module at large');
SELECT is(claim_of('inside gold', 'DVS', 'gold'), 'NOT_VISIBLE', 'nor by a program of that name elsewhere');
SELECT is(claim_of('inside gold', 'LOYALTY', 'gold'), 'OK: LOYALTY program gold', 'it still has to be claimed there');

-- archived
SELECT make_offer('old');
SELECT alter_offer('old', 'status', 'ARCHIVED');
SELECT is(claim_of('old', 'DVS'), 'OFFER_ARCHIVED', 'an archived offer is not claimed');
SELECT is(claimed_by('old'), NULL, 'by nobody');
SELECT alter_offer('free', 'status', 'ARCHIVED');
SELECT is(claim_of('free', 'TIMELINE', 'welcome'), 'OK: TIMELINE program welcome (Hello)',
	'a holder keeps its claim of an offer archived since');
SELECT alter_offer('free', 'status', 'ACTIVE');

-- who may issue
SELECT is(issue_of('free', 'ann', :t, service => 'TIMELINE', consumer_ref => 'welcome'), 'OK', 'the holder issues');
SELECT is(issue_of('free', 'bob', :t, service => 'DVS'), 'NOT_THE_CLAIMANT', 'nobody else does');
SELECT is(issue_of('free', 'bob', :t, service => 'TIMELINE', consumer_ref => 'other'), 'NOT_THE_CLAIMANT',
	'not another program either');
SELECT make_offer('by issue');
SELECT is(issue_of('by issue', 'ann', :t, service => 'EXTERNAL', consumer_ref => 'mall'), 'OK',
	'issuing in the name of a service');
SELECT is(claimed_by('by issue'), 'EXTERNAL mall', 'claims the offer for it');
SELECT is(claim_of('by issue', 'DVS'), 'ALREADY_CLAIMED: EXTERNAL program mall', 'from then on it is taken');

-- release
SELECT make_offer('loose');
SELECT is(release_of('loose'), 'OK false', 'what nobody holds is left as it is');
SELECT is(claim_of('loose', 'OUTBOUND', 'autumn', 'Autumn'), 'OK: OUTBOUND campaign autumn (Autumn)', 'claimed');
SELECT is(release_of('loose'), 'OK false', 'and released while nothing is issued');
SELECT is(claimed_by('loose'), NULL, 'the claim is gone');
SELECT is(claim_of('loose', 'DVS'), 'OK: DVS', 'another service may have it now');
SELECT make_offer('next');
SELECT is(claim_of('next', 'OUTBOUND', 'autumn'), 'OK: OUTBOUND campaign autumn', 'and the campaign another offer');
SELECT is(release_of('by issue'), 'ALREADY_ISSUED true: EXTERNAL program mall', 'not once something is issued');
SELECT is((SELECT message FROM cms_release(o('by issue'), at => :t)),
	'EXTERNAL program mall keeps the offer, of which 1 is issued.', 'the message says what stands against it');
SELECT is(claimed_by('by issue'), 'EXTERNAL mall', 'the claim stays');
SELECT is(count(*), 1::bigint, 'a coupon is revoked')
	FROM cms_revoke(o('by issue'), 'ALL_UNREDEEMED', confirm => true, at => :t);
SELECT is(release_of('by issue'), 'ALREADY_ISSUED true: EXTERNAL program mall', 'a revoked coupon was issued too');

-- the end of a claim is the end of a WITH_CAMPAIGN offer, at once
SELECT make_offer('campaign', '{"expiry_type": "WITH_CAMPAIGN"}');
SELECT is(claim_of('campaign', 'OUTBOUND', 'winter', ends_on => '2025-11-11'), 'OK: OUTBOUND campaign winter', 'claimed');
SELECT is(issue_of('campaign', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'winter'), 'OFFER_EXPIRED',
	'the offer ends with its campaign');
SELECT is(claim_of('campaign', 'OUTBOUND', 'winter', ends_on => '2025-11-12'), 'OK: OUTBOUND campaign winter', 'moved');
SELECT is(issue_of('campaign', 'ann', :t, service => 'OUTBOUND', consumer_ref => 'winter'), 'OK', 'and follows it');

-- calls that make no sense
SELECT throws_ok(format('SELECT cms_claim(NULL, ''DVS'', at => %L)', :t), '22004', NULL, 'offer_id NULL');
SELECT throws_ok(format('SELECT cms_claim(-1, ''DVS'', at => %L)', :t), 'MS001', NULL, 'an unknown offer');
SELECT throws_ok(format('SELECT cms_claim(%s, NULL, at => %L)', o('loose'), :t), '22004', NULL, 'service NULL');
SELECT throws_ok(format('SELECT cms_claim(%s, '' '', at => %L)', o('loose'), :t), '22023', NULL, 'service blank');
SELECT throws_like(format('SELECT cms_claim(%s, ''dvs'', at => %L)', o('loose'), :t), '%"dvs"%',
	'an unknown service, which is told');
SELECT throws_ok(format('SELECT cms_claim(%s, ''dvs'', at => %L)', o('loose'), :t), '22023', NULL, 'as an argument');
SELECT throws_ok(format('SELECT cms_claim(%s, ''OUTBOUND'', at => %L)', o('loose'), :t), '22004', NULL,
	'OUTBOUND without its campaign');
SELECT throws_ok(format('SELECT cms_claim(%s, ''OUTBOUND'', '' '', at => %L)', o('loose'), :t), '22004', NULL,
	'or a blank one');
SELECT throws_ok(format('SELECT cms_claim(%s, ''DVS'', ends_on => ''infinity'', at => %L)', o('loose'), :t), '22023', NULL,
	'an end that is infinite');
SELECT throws_ok(format('SELECT cms_claim(%s, ''DVS'', at => NULL)', o('loose')), '22004', NULL, 'at NULL');
SELECT throws_ok(format('SELECT cms_claim(%s, ''DVS'', at => ''infinity'')', o('loose')), '22023', NULL, 'at infinite');
SELECT throws_ok(format('SELECT cms_release(NULL, at => %L)', :t), '22004', NULL, 'to release offer_id NULL');
SELECT throws_ok(format('SELECT cms_release(-1, at => %L)', :t), 'MS001', NULL, 'to release an unknown offer');
SELECT throws_ok(format('SELECT cms_claim(%s, ''DVS'', at => %L, org => 2000000000)', o('loose'), :t), 'MS001', NULL,
	'an org that does not exist');
SELECT throws_ok('INSERT INTO cms.claim SELECT org_id, offer_id, ''DVS'', NULL, NULL, NULL, ''me'', now() FROM cms.claim LIMIT 1',
	'23505', NULL, 'the key decides between two claims');
SELECT throws_ok('UPDATE cms.claim SET service = ''DVS''', 'MS006', NULL, 'claims are changed by the actions only');

SELECT counted();
-- what to do about arguments that are none
SELECT is(hint_of(format('SELECT cms_claim(1, %L)', service)), 'Services are OUTBOUND, TIMELINE, DVS, LOYALTY and EXTERNAL.', 'what a service is: ' || left(service, 5))
FROM unnest(ARRAY[' ', 'POST', repeat('x', 1001)]) service;
SELECT is(hint_of($$ SELECT cms_issue(1, 'ann', service => repeat('x', 1001)) $$), 'Services are OUTBOUND, TIMELINE, DVS, LOYALTY and EXTERNAL.', 'in other calls too');
SELECT is(hint_of(format('SELECT cms_claim(1, ''DVS'', ends_on => %L)', day)), 'Pass a day, or NULL for "never".', 'an end that is none: ' || day)
FROM unnest(ARRAY['infinity', '10000-01-01']) day;

SELECT * FROM finish();
ROLLBACK;
