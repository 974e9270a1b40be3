-- F4, F6: the dashboard of offers: searched, filtered, sorted, paged; who sees and may claim what.
BEGIN;
SELECT plan(80);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

CREATE FUNCTION offers(search text DEFAULT NULL, active_only boolean DEFAULT false, sort text DEFAULT 'CREATED', service text DEFAULT NULL,
	consumer_ref text DEFAULT NULL, claimable boolean DEFAULT false) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(f.name, ', ' ORDER BY f.created_at, f.offer_id) FROM cms_offers(search, active_only, sort, service, consumer_ref, claimable,
		at => '2025-11-12 11:00 Asia/Kolkata') f
$$;

-- a row
SELECT make_offer('twenty', '{"code": "D20", "pos_code": "P", "discount_type": "PERCENTAGE", "discount_value": 20, "discount_cap": 100000, "expires_on": "2999-12-31"}');
SELECT is(rows_of($$ SELECT offer_code, name, pos_code, code_method, discount_type, discount, expiry_type, expires_on, status, owner_service, owner_ref,
	service, consumer_ref, consumer_name, claimable, issued, redeemed, uses, redemption_rate, created_by = current_user, created_at = now(),
	modified_by = current_user, modified_at = now() FROM cms_offers(at => '2025-11-12 UTC') $$),
	'(D20,twenty,P,GENERATED,PERCENTAGE,"20 %, at most ₹1,00,000",FIXED_DATE,2999-12-31,ACTIVE,,,,,,t,0,0,0,,t,t,t,t)', 'an offer as it was made');
SELECT is(reason, NULL, 'claimed') FROM cms_claim(o('twenty'), 'OUTBOUND', 'spring', 'Spring sale', at => :t);
SELECT is(count(*), 3::bigint, 'issued') FROM cms_issue_many(o('twenty'), '{ann,bob,cid}', service => 'OUTBOUND', consumer_ref => 'spring', at => :t) WHERE issued;
SELECT is(use_of(code_of('twenty', 'ann'), 'ann', :t), 'OK', 'and used');
SELECT is(rows_of($$ SELECT service, consumer_ref, consumer_name, claimable, issued, redeemed, uses, round(redemption_rate, 4) FROM cms_offers() $$),
	'(OUTBOUND,spring,"Spring sale",f,3,1,1,0.3333)', 'who uses it, and its numbers');
SELECT is(rows_of($$ SELECT d.offer_id FROM cms.offer_dashboard d JOIN cms_offers() f USING (offer_id)
	WHERE d.org_id = current_setting('cms.org')::int
	AND (d.offer_code, d.name, d.code_method, d.discount_type, d.discount, d.expiry_type, d.expires_on, d.service, d.consumer_ref, d.consumer_name, d.issued,
	d.redeemed, d.uses, d.redemption_rate, d.status, d.created_by, d.created_at, d.modified_by, d.modified_at) IS NOT DISTINCT FROM
	(f.offer_code, f.name, f.code_method, f.discount_type, f.discount, f.expiry_type, f.expires_on, f.service, f.consumer_ref, f.consumer_name, f.issued,
	f.redeemed, f.uses, f.redemption_rate, f.status, f.created_by, f.created_at, f.modified_by, f.modified_at) $$),
	format('(%s)', o('twenty')), 'the view says the same');
SELECT counted();

-- search
SELECT play_org('Europe/Istanbul', 'TRY');
SELECT make_offer(n) FROM unnest(ARRAY['ISTANBUL Indirim', 'İstanbul kışı', 'ılık çay', 'Straße frei', 'GROSSE PREISE', 'दिवाली Sale', 'ΟΔΟΣ νόσος',
	'50% off_now', '50 of a back\slash', E'e\u0301clair', 'O''Reilly "quoted"; DROP TABLE cms.offer; --']) n;
SELECT is(offers('istanbul'), 'ISTANBUL Indirim, İstanbul kışı', 'Turkish: i finds I and İ');
SELECT is(offers('İSTANBUL'), 'ISTANBUL Indirim, İstanbul kışı', 'İ finds I');
SELECT is(offers('ıstanbul'), 'ISTANBUL Indirim, İstanbul kışı', 'ı finds I');
SELECT is(offers('ILIK'), 'ılık çay', 'I finds ı');
SELECT is(offers('KIŞ'), 'İstanbul kışı', 'any part, letters with marks in any case');
SELECT is(offers('STRASSE'), 'Straße frei', 'German: SS finds ß');
SELECT is(offers('große'), 'GROSSE PREISE', 'ß finds SS');
SELECT is(offers('STRAẞE'), 'Straße frei', 'the capital ß too');
SELECT is(offers('दिवाली'), 'दिवाली Sale', 'Devanagari');
SELECT is(offers('दिवाला'), NULL, 'whose vowels count');
SELECT is(offers('οδοσ'), 'ΟΔΟΣ νόσος', 'Greek: σ finds Σ');
SELECT is(offers('ΝΌΣΟΣ'), 'ΟΔΟΣ νόσος', 'Σ finds ς');
SELECT is(offers('Éclair'), E'e\u0301clair', 'letters composed in another way');
SELECT is(offers('%'), '50% off_now', '% is itself');
SELECT is(offers('f_n'), '50% off_now', '_ is itself');
SELECT is(offers('f n'), NULL, 'and no other sign is');
SELECT is(offers('K\S'), '50 of a back\slash', 'a backslash is itself');
SELECT is(offers(''';'), NULL, 'quotes do no harm');
SELECT is(offers('reilly "'), 'O''Reilly "quoted"; DROP TABLE cms.offer; --', 'and are found');
SELECT is(offers('  off_  '), '50% off_now', 'blanks around do not count');
SELECT is(offers(' ')  , offers(), 'nothing to search for finds everything');
SELECT is(offers('(') , NULL, 'no regular expression');
SELECT is(offers(repeat('x', 100000)), NULL, 'as long as you like');

-- active only, and status at the time of the request
SELECT play_org('Asia/Tokyo', 'JPY', 0);
SELECT make_offer('runs');
SELECT make_offer('last day', '{"expires_on": "2025-11-12"}');
SELECT make_offer('ended', '{"expires_on": "2025-11-11"}');
SELECT make_offer('campaign over');
SELECT make_offer('archived');
SELECT alter_offer('archived', 'status', 'ARCHIVED');
SELECT is(reason, NULL, 'a campaign that is over') FROM cms_claim(o('campaign over'), 'TIMELINE', 't', ends_on => '2025-11-11', at => '2025-11-01');
SELECT is(rows_of($$ SELECT name, status FROM cms_offers(sort => 'CREATED', at => '2025-11-12 11:00 Asia/Tokyo') ORDER BY offer_id $$),
	'(runs,ACTIVE) ("last day",ACTIVE) (ended,ENDED) ("campaign over",ENDED) (archived,ARCHIVED)', 'the status of each');
SELECT is(offers(active_only => true), 'runs, last day', 'active only');
SELECT is(offers('last', true), 'last day', 'together with a search');
SELECT is(rows_of($$ SELECT name FROM cms_offers(active_only => true, sort => 'CREATED', at => '2025-11-13 00:00 Asia/Tokyo') $$), '(runs)', 'an offer ends with its day in the org''s zone');

-- F4: what a service sees, and what it may claim
SELECT play_org('America/Sao_Paulo', 'BRL');
SELECT make_offer('central');
SELECT make_offer('held');
SELECT make_offer('of loyalty', '{"owner_service": "LOYALTY"}');
SELECT make_offer('of gold', '{"owner_service": "LOYALTY", "owner_ref": "gold"}');
SELECT make_offer('of outbound', '{"owner_service": "OUTBOUND"}');
SELECT make_offer('put away', '{"owner_service": "LOYALTY"}');
SELECT alter_offer('put away', 'status', 'ARCHIVED');
SELECT is(reason, NULL, 'one is held') FROM cms_claim(o('held'), 'OUTBOUND', 'spring', at => :t);
SELECT is(offers(), 'central, held, of loyalty, of gold, of outbound, put away', 'the org sees all');
SELECT is(offers(service => 'DVS'), 'central, held', 'a service those made centrally');
SELECT is(offers(service => 'LOYALTY'), 'central, held, of loyalty, put away', 'and its own');
SELECT is(offers(service => 'LOYALTY', consumer_ref => 'gold'), 'central, held, of loyalty, of gold, put away', 'a program those made for it');
SELECT is(offers(service => 'LOYALTY', consumer_ref => 'silver'), 'central, held, of loyalty, put away', 'not those of another program');
SELECT is(offers(service => 'OUTBOUND', consumer_ref => 'gold'), 'central, held, of outbound', 'nor of a program of that name elsewhere');
SELECT is(offers(claimable => true), 'central, of loyalty, of gold, of outbound', 'free to be claimed');
SELECT is(offers(service => 'LOYALTY', consumer_ref => 'gold', claimable => true), 'central, of loyalty, of gold', 'by a program');
SELECT is(offers(service => 'OUTBOUND', consumer_ref => 'summer', claimable => true), 'central, of outbound', 'by a campaign');
SELECT is(offers(service => 'OUTBOUND', consumer_ref => 'spring', claimable => true), NULL, 'a campaign that holds one may claim no other');
SELECT is(offers(service => 'OUTBOUND', claimable => true), NULL, 'OUTBOUND claims as a campaign only');
-- claimable, and only that, can be claimed
CREATE FUNCTION disagreements() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	asked record;
	answer text;
BEGIN
	FOR asked IN SELECT s, r, f.* FROM unnest('{OUTBOUND,TIMELINE,DVS,LOYALTY,EXTERNAL}'::text[]) s, unnest('{spring,gold,other}'::text[]) r, cms_offers(service => s, consumer_ref => r) f
	LOOP
		BEGIN
			SELECT coalesce(c.reason, 'claimed') INTO answer FROM cms_claim(asked.offer_id, asked.s, asked.r) c;
			RAISE EXCEPTION 'taken back';
		EXCEPTION WHEN raise_exception THEN
			IF (answer = 'claimed') <> (asked.claimable OR (asked.service, asked.consumer_ref) IS NOT DISTINCT FROM (asked.s, asked.r)) OR answer = 'NOT_VISIBLE' THEN
				RETURN NEXT format('%s for %s %s: %s, %s', asked.name, asked.s, asked.r, asked.claimable, answer);
			END IF;
		END;
	END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM disagreements()', 'cms_claim agrees with the column claimable');

-- sorted and paged
SELECT play_org('UTC', 'EUR');
CREATE FUNCTION stamped(n text, created timestamptz, modified timestamptz) RETURNS void LANGUAGE sql AS $$
	INSERT INTO cms.offer (name, discount_type, discount_value, created_at, modified_at, modified_by, created_by)
	VALUES (n, 'FIXED_AMOUNT', 5, created, modified, 'x', 'y') $$;
SELECT stamped(chr(96 + i), '2025-01-01 UTC'::timestamptz + make_interval(days => i), '2025-03-01 UTC'::timestamptz + make_interval(days => (i * 3) % 7)) FROM generate_series(1, 7) i;
SELECT is(rows_of('SELECT name FROM cms_offers()'), '(b) (d) (f) (a) (c) (e) (g)', 'by modification, the newest first');
SELECT is(rows_of($$ SELECT name FROM cms_offers(sort => 'CREATED') $$), '(g) (f) (e) (d) (c) (b) (a)', 'by creation');
SELECT is(rows_of($$ SELECT name FROM cms_offers(sort => NULL, how_many => 3) $$), '(b) (d) (f)', 'a page');
SELECT page_key AS key FROM cms_offers(how_many => 3) ORDER BY modified_at LIMIT 1 \gset
SELECT is(rows_of(format('SELECT name FROM cms_offers(how_many => 3, after_key => %L)', :'key')), '(a) (c) (e)', 'the next one');
SELECT alter_offer('f', 'name', 'f moved');
SELECT alter_offer('c', 'name', 'c moved');
SELECT is(rows_of(format('SELECT name FROM cms_offers(how_many => 3, after_key => %L)', :'key')), '(a) (e) (g)', 'offers changed meanwhile come first, nothing comes twice');
SELECT is(rows_of('SELECT name FROM cms_offers(how_many => 2)'), '("f moved") ("c moved")', 'they are the newest');
-- at one instant: every offer once, whatever the size of the pages
SELECT stamped('same ' || i, '2024-01-01 00:00:00.123456 UTC', '2024-01-01 00:00:00.123456 UTC') FROM generate_series(1, 23) i;
CREATE FUNCTION paged(size int, sort text) RETURNS text LANGUAGE sql AS $$
	WITH RECURSIVE page AS (
		SELECT 1 AS n, array_agg(f.offer_id) AS ids, (array_agg(f.page_key))[count(*)] AS last FROM cms_offers('same', sort => sort, how_many => size) f
		UNION ALL
		SELECT p.n + 1, q.ids, q.last FROM page p, LATERAL (SELECT array_agg(f.offer_id) AS ids, (array_agg(f.page_key))[count(*)] AS last
			FROM cms_offers('same', sort => sort, how_many => size, after_key => p.last) f) q WHERE p.last IS NOT NULL)
	SELECT count(*) || ' ' || count(DISTINCT id) FROM page, unnest(ids) id
$$;
SELECT is(paged(size, sort), '23 23', 'pages of ' || size || ' by ' || sort) FROM unnest('{1,2,23,24}'::int[]) size, unnest('{CREATED,MODIFIED}'::text[]) sort;

-- numbers are counters: reading them touches no coupon
SELECT make_offer('big', '{"code_method": "UPLOADED"}');
SELECT is(count(*), 300::bigint, '300 coupons') FROM cms_upload_codes(o('big'), ARRAY(SELECT 'U' || i FROM generate_series(1, 300) i)) WHERE loaded;
SELECT is((SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_user_tables WHERE relname IN ('coupon', 'redemption')), before + 0, 'no scan of coupons or redemptions')
FROM (SELECT sum(seq_scan + coalesce(idx_scan, 0)) AS before, (SELECT count(*) FROM cms_offers()) AS read
	FROM pg_stat_xact_user_tables WHERE relname IN ('coupon', 'redemption')) b WHERE read > 0;

-- calls that make no sense
SELECT throws_ok($$ SELECT cms_offers(sort => 'NAME') $$, '22023', NULL, 'an unknown sort');
SELECT throws_ok($$ SELECT cms_offers(service => 'dvs') $$, '22023', NULL, 'an unknown service');
SELECT throws_ok($$ SELECT cms_offers(consumer_ref => 'x') $$, '22004', NULL, 'a program of no service');
SELECT throws_ok(format('SELECT cms_offers(how_many => %s)', n), '22023', NULL, 'a page of ' || n) FROM unnest('{0,-1,10001}'::int[]) n;
SELECT throws_ok(format('SELECT cms_offers(after_key => %L)', k), '22023', NULL, 'no page_key: ' || k)
FROM unnest(ARRAY['', 'M', 'M1', 'M1:', 'M1:2x', 'C1:2', '1:2', 'M99999999999999999999:1', 'M:1', 'Mx:1']) k;

SELECT * FROM finish();
ROLLBACK;
