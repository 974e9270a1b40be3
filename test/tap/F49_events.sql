-- F49: who changed what, with old and new values; a recount from the events is what the tables hold.
BEGIN;
\ir lib/scene.psql
SELECT plan(41);

-- Events since the last look, as "action object object_id old -> new".
CREATE SEQUENCE public.looked MINVALUE 0 START 0;
CREATE FUNCTION public.new_events() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT string_agg(format('%s %s %s %s -> %s', action, object, coalesce(object_id, '-'), coalesce(old_values::text, '-'),
			coalesce(new_values::text, '-')), '; ' ORDER BY event_id)
		INTO result FROM cms.event WHERE event_id > (SELECT last_value FROM public.looked);
	PERFORM setval('public.looked', coalesce((SELECT max(event_id) FROM cms.event), 0));
	RETURN coalesce(result, 'nothing');
END
$$;

SELECT play_org('Asia/Kolkata');
SELECT matches(new_events(), '^CREATED org \d+ - -> \{"name": "Asia/Kolkata",.*"record_attempts": false.*\}$', 'an org comes into being');
UPDATE cms.org SET record_attempts = true, name = name;
SELECT matches(new_events(), '^CHANGED org \d+ \{"record_attempts": false\} -> \{"record_attempts": true\}$',
	'only what changed is told');
UPDATE cms.org SET record_attempts = true;
SELECT is(new_events(), 'nothing', 'and nothing where nothing did');

INSERT INTO cms.org_entity (entity_type, entity_id, parent_id, name) VALUES ('ZONE', 'Z', NULL, 'North'), ('STORE', 'S 1', 'Z', NULL);
SELECT is(new_events(), 'CREATED org_entity ZONE Z - -> {"name": "North", "entity_id": "Z", "entity_type": "ZONE"}; '
	|| 'CREATED org_entity STORE S 1 - -> {"entity_id": "S 1", "parent_id": "Z", "entity_type": "STORE", "parent_type": "ZONE"}',
	'one event for each row');
INSERT INTO cms.poc (name, email) VALUES ('Asha', 'asha@example.com');
UPDATE cms.poc SET email = 'ravi@example.com';
SELECT matches(new_events(), '^CREATED poc .*; CHANGED poc \d+ \{"email": "asha@example.com"\} -> \{"email": "ravi@example.com"\}$', 'people');

SELECT make_offer('ten', '{"store_scope": "SELECTED_STORES", "audience_only": true, "product_scope": "SELECTED_PRODUCTS"}');
SELECT matches(new_events(), format('^CREATED offer %s - -> \{.*"name": "ten".*\}$', o('ten')), 'an offer, without its stamps');
SELECT is((SELECT count(*) FROM cms.event WHERE object = 'offer' AND new_values ?| '{org_id,offer_id,created_by,created_at,modified_by,modified_at}'),
	0::bigint, 'which the event has anyway');
UPDATE cms.offer SET discount_value = 12.50, max_issued = 7, expires_on = NULL WHERE name = 'ten';
SELECT is(new_events(), format('CHANGED offer %s {"max_issued": null, "discount_value": 10} -> {"max_issued": 7, "discount_value": 12.50}', o('ten')),
	'old and new values, NULL too');
UPDATE cms.offer SET modified_by = 'me';
SELECT is(new_events(), 'nothing', 'stamps alone are no change');
INSERT INTO cms.offer_product VALUES (DEFAULT, o('ten'), 'SKU', 'a');
UPDATE cms.offer_product SET value = 'b';
DELETE FROM cms.offer_product;
SELECT is(new_events(), 'CREATED offer_product SKU a - -> {"kind": "SKU", "value": "a"}; '
	|| 'CHANGED offer_product SKU b {"value": "a"} -> {"value": "b"}; DELETED offer_product SKU b {"kind": "SKU", "value": "b"} -> -', 'lists');
INSERT INTO cms.offer_window (offer_id, window_id, weekdays) VALUES (o('ten'), 7, '{1,2}');
SELECT is(new_events(), 'CREATED offer_window 7 - -> {"weekdays": [1, 2], "window_id": 7}', 'with values of any type');
INSERT INTO cms.offer_product SELECT org_id, offer_id, 'SKU', 'a' FROM cms.offer WHERE name = 'ten' ON CONFLICT DO NOTHING;
INSERT INTO cms.offer_product SELECT org_id, offer_id, 'SKU', 'a' FROM cms.offer WHERE name = 'ten' ON CONFLICT DO NOTHING;
SELECT is(new_events(), 'CREATED offer_product SKU a - -> {"kind": "SKU", "value": "a"}', 'a row that was there already is no event');
INSERT INTO cms.offer_product SELECT org_id, offer_id, 'SKU', 'a' FROM cms.offer WHERE name = 'ten'
	ON CONFLICT ON CONSTRAINT offer_product_is_listed_once DO UPDATE SET value = 'c';
SELECT is(new_events(), 'CHANGED offer_product SKU c {"value": "a"} -> {"value": "c"}', 'one that is updated instead is a change');

-- many rows
SELECT make_offer('other', '{"audience_only": true, "store_scope": "SELECTED_STORES"}');
SELECT new_events() <> 'nothing' AS before_lists \gset
INSERT INTO cms.offer_audience (offer_id, customer_id)
	SELECT o(name), 'c' || i FROM generate_series(1, 3000) i, unnest('{ten,other}'::text[]) name WHERE i <= 2000 OR name = 'ten';
SELECT is((SELECT string_agg(format('%s %s %s', action, offer_id = o('ten'), new_values), ' ' ORDER BY offer_id) FROM cms.event
		WHERE object = 'offer_audience'), 'CREATED t {"rows": 3000} CREATED f {"rows": 2000}',
	'a load of customers is one event for each offer, with their number');
DELETE FROM cms.offer_audience WHERE customer_id = 'c1';
SELECT is((SELECT string_agg(format('%s %s %s', action, old_values, new_values), ' ') FROM cms.event
		WHERE object = 'offer_audience' AND action = 'DELETED'), 'DELETED {"rows": 1}  DELETED {"rows": 1} ', 'no customer is named');
INSERT INTO cms.org_entity (entity_type, entity_id) SELECT 'STORE', 'many ' || i FROM generate_series(1, 1001) i;
SELECT is((SELECT count(*) FROM cms.event WHERE object = 'org_entity' AND new_values = '{"rows": 1001}'), 1::bigint,
	'so is a long list of places');
INSERT INTO cms.offer_entity (offer_id, entity_type, entity_id) SELECT o('ten'), 'STORE', 'many ' || i FROM generate_series(1, 1000) i;
SELECT is((SELECT count(DISTINCT object_id) FROM cms.event WHERE object = 'offer_entity'), 1000::bigint, 'a thousand have an event each');
SELECT new_events() <> 'nothing' AS after_lists \gset

-- what the actions do
SELECT ok(claimed, 'a claim') FROM cms_claim(o('ten'), 'DVS', 'p', 'Prog "1"', '2031-01-01');
SELECT ok(claimed, 'changed by its holder') FROM cms_claim(o('ten'), 'DVS', 'p', ends_on => '2031-02-01');
SELECT ok(claimed, 'claimed once more, with nothing new') FROM cms_claim(o('ten'), 'DVS', 'p');
SELECT ok(NOT claimed, 'and released') FROM cms_release(o('ten'));
SELECT is(new_events(), replace('CLAIMED claim # - -> {"ends_on": "2031-01-01", "service": "DVS", "consumer_ref": "p", "consumer_name": "Prog \"1\""}; '
	|| 'CLAIM_CHANGED claim # {"ends_on": "2031-01-01", "service": "DVS", "consumer_ref": "p", "consumer_name": "Prog \"1\""} -> '
	|| '{"ends_on": "2031-02-01", "service": "DVS", "consumer_ref": "p", "consumer_name": "Prog \"1\""}; '
	|| 'RELEASED claim # {"ends_on": "2031-02-01", "service": "DVS", "consumer_ref": "p", "consumer_name": "Prog \"1\""} -> -',
	'#', o('ten')::text), 'claims, with old and new values');
SELECT ok(claimed, 'a claim for some time') FROM cms_claim(o('ten'), 'DVS', 'q', at => '2025-02-01 10:00 Asia/Kolkata');
SELECT ok(NOT claimed, 'released at another') FROM cms_release(o('ten'), at => '2025-02-02 10:00 Asia/Kolkata');
SELECT is((SELECT string_agg((happened_at AT TIME ZONE 'Asia/Kolkata')::text, ' ' ORDER BY event_id) FROM cms.event WHERE object = 'claim' AND happened_at < now()),
	'2025-02-01 10:00:00 2025-02-02 10:00:00', 'as of the times of the requests');

SELECT make_offer('five', '{"discount_value": 5, "max_uses_per_coupon": 2, "code_prefix": "SECRET-"}');
SELECT new_events() <> 'nothing' AS before_uses \gset
SELECT is(issue_of('five', 'ann', '2025-03-01 10:00 Asia/Kolkata', 3), 'OK OK OK', 'coupons');
SELECT is(use_of(code_of('five', 'ann', 1), 'ann', '2025-03-01 11:00 Asia/Kolkata'), 'OK', 'a use');
SELECT is(new_events(), 'nothing', 'issues and uses are rows of their own, and no events');
SELECT ok(reversed, 'reversed') FROM cms.redemption r, cms_reverse(r.redemption_id, 'sent back', at => '2025-03-01 12:00 Asia/Kolkata');
SELECT ok(NOT reversed, 'only once') FROM cms.redemption r, cms_reverse(r.redemption_id, at => '2025-03-01 12:00 Asia/Kolkata');
SELECT is(regexp_replace(new_events(), '\d{3,}|(redemption|"coupon_id":) \d+', '\1 #', 'g'),
	'REVERSED redemption # {"uses": 1} -> {"note": "sent back", "uses": 0, "discount": 5.00, "coupon_id": #, "use_returned": true}', 'a reversal');
SELECT is(revoked_issued, 1::bigint, 'revoked by code')
	FROM cms_revoke(o('five'), 'CODES', codes => ARRAY[code_of('five', 'ann', 1), 'NONE'], confirm => true, request_key => 'k');
SELECT ok(replayed, 'and again by the same request')
	FROM cms_revoke(o('five'), 'CODES', codes => ARRAY[code_of('five', 'ann', 1), 'NONE'], confirm => true, request_key => 'k');
SELECT is(new_events(), 'REVOKED coupon - - -> {"scope": "CODES", "listed": 2, "left_redeemed": 0, "revoked_issued": 1, "revoked_unissued": 0}',
	'once, without codes');

-- What is said of each offer, one event after the other, is what it is now.
SELECT setseed(0.49);
DO $$
DECLARE
	columns constant text[] := '{name,discount_value,max_issued,max_redemptions,min_bill,pos_code,starts_on,sale_items,resend_content}';
	c text;
BEGIN
	FOR i IN 1..12 LOOP
		PERFORM make_offer('random ' || i);
	END LOOP;
	FOR i IN 1..300 LOOP
		c := columns[1 + floor(random() * array_length(columns, 1))];
		EXECUTE format('UPDATE cms.offer SET %I = %s WHERE name LIKE ''random%%'' AND random() < 0.3', c,
			CASE c WHEN 'name' THEN '''random '' || floor(random() * 100)' WHEN 'sale_items' THEN 'random() < 0.5'
				WHEN 'pos_code' THEN '''P'' || floor(random() * 3)' WHEN 'resend_content' THEN '''it''''s "'' || floor(random() * 3) || ''\"'''
				WHEN 'starts_on' THEN 'CASE WHEN random() < 0.7 THEN date ''2025-01-01'' + floor(random() * 3)::int END'
				WHEN 'discount_value' THEN '1 + floor(random() * 4)'
				ELSE 'CASE WHEN random() < 0.7 THEN floor(random() * 4) END' END);
	END LOOP;
END
$$;
CREATE AGGREGATE public.fold(jsonb) (SFUNC = pg_catalog.jsonb_concat, STYPE = jsonb, INITCOND = '{}');
SELECT is_empty($$
	SELECT f.offer_id, jsonb_strip_nulls(to_jsonb(f)), told.was_told FROM cms.offer f
	LEFT JOIN (SELECT e.offer_id, jsonb_strip_nulls(fold(e.new_values ORDER BY e.event_id)) AS was_told FROM cms.event e
		WHERE e.object = 'offer' GROUP BY e.offer_id) told USING (offer_id)
	WHERE jsonb_strip_nulls(to_jsonb(f)) - '{org_id,offer_id,created_by,created_at,modified_by,modified_at}'::text[] IS DISTINCT FROM told.was_told
	$$, 'the events of an offer add up to the offer');
SELECT is_empty($$
	SELECT e.event_id FROM (SELECT event_id, old_values, fold(new_values) OVER (PARTITION BY offer_id ORDER BY event_id
			ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM cms.event WHERE object = 'offer') e
	WHERE EXISTS (SELECT FROM jsonb_each(e.old_values) o WHERE o.value <> coalesce(e.before -> o.key, 'null'))
	$$, 'and each tells what was before it');

-- a load of a dump, and what is none
SELECT new_events() <> 'nothing' AS before_restore \gset
SET LOCAL row_security = off;
SET LOCAL check_function_bodies = off;
SELECT make_offer('restored');
SELECT is(new_events(), 'nothing', 'loading a dump makes no events');
CREATE ROLE f49_analyst IN ROLE cms_analyst;
CREATE ROLE f49_manager IN ROLE cms_manager;
INSERT INTO cms.org_role SELECT org_id, r FROM cms.org, unnest('{f49_analyst,f49_manager}'::name[]) r;
SET LOCAL ROLE f49_manager;
SET LOCAL row_security = on;
INSERT INTO cms.offer (name, discount_type, discount_value, code_method, common_code) VALUES ('common', 'PERCENTAGE', 5, 'COMMON', 'HUSH');
SET LOCAL row_security = off;
SELECT throws_ok($$ UPDATE cms.offer SET pos_code = 'x' $$, '42501', NULL, 'nobody else can pretend to load one');
SET LOCAL row_security = on;
SELECT is((SELECT string_agg(action || ' ' || (new_values ->> 'common_code') || ' ' || recorded_by, ' ') FROM cms.event WHERE object_id = (SELECT max(offer_id)::text FROM cms.offer) AND object = 'offer'),
	'CREATED HUSH f49_manager', 'a manager sees all of it');
SET LOCAL ROLE f49_analyst;
SELECT is((SELECT string_agg(action || ' ' || (new_values ? 'common_code') || ' ' || (new_values ->> 'name'), ' ') FROM cms.event_log WHERE recorded_by = 'f49_manager'),
	'CREATED false common', 'an analyst sees no codes');
SELECT is((SELECT count(*) FROM cms.event_log e WHERE e::text ~ 'SECRET|HUSH|example.com'), 0::bigint, 'nowhere, nor addresses');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
