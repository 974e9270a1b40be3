-- F9, F12: codes in stock are issued without a walk over those that are used up, and to the last one. All of it is one
-- transaction, which keeps every entry of the index of the stock as an old snapshot would.
BEGIN;
SELECT plan(27);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
\set t '''2025-11-12 11:00 Asia/Kolkata'''

-- entries of the index of the stock that were read since the last question
CREATE TEMP TABLE before AS SELECT 0::bigint AS entries;
CREATE FUNCTION entries() RETURNS bigint LANGUAGE sql AS $$
	WITH now AS (SELECT pg_stat_get_xact_tuples_returned('cms.coupon_stock'::regclass) AS entries)
	UPDATE before b SET entries = n.entries FROM now n RETURNING n.entries - (SELECT entries FROM before)
$$;
CREATE FUNCTION issue_all_to(offer text, customers int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT coalesce(i.reason, 'OK'), ' ')
	FROM generate_series(1, customers) n, cms_issue(o(offer), 'c' || n, at => '2025-11-12 11:00 Asia/Kolkata') i
$$;
CREATE FUNCTION mark_of(offer text) RETURNS bigint LANGUAGE sql AS $$
	SELECT stock_mark FROM cms.offer_slot WHERE offer_id = o(offer) ORDER BY stock_round DESC, stock_mark DESC LIMIT 1
$$;
CREATE FUNCTION issue_many(offer text, first int, last int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(reason || ' ' || n, ', ' ORDER BY reason DESC) FROM (
		SELECT coalesce(i.reason, 'OK') AS reason, count(*) AS n
		FROM cms_issue_many(o(offer), ARRAY(SELECT 'm' || n FROM generate_series(first, last) n), at => '2025-11-12 11:00 Asia/Kolkata') i
		GROUP BY 1) r
$$;
CREATE VIEW code AS SELECT f.name, c.* FROM cms.coupon c JOIN cms.offer f USING (org_id, offer_id);

SELECT make_offer('made');
SELECT is(cms_generate_codes(o('made'), 4000, at => :t), 4000::bigint, 'a stock of 4,000');
SELECT is(mark_of('made'), 0::bigint, 'has no mark yet');
SELECT entries() AS x \gset
SELECT is(issue_all_to('made', 10), 'OK', 'ten single issues at its start');
SELECT entries() AS at_start \gset
SELECT is(issue_many('made', 1, 3900), 'OK 3900', '3,900 in one call');
SELECT cmp_ok(entries(), '<=', 3 * 3900::bigint, 'read a few entries each');
SELECT is(mark_of('made'), (SELECT max(coupon_id) FROM code WHERE name = 'made' AND issued_at IS NOT NULL), 'the mark is at the last one that was issued');
SELECT is(issue_all_to('made', 10), 'OK', 'ten single issues at its end');
SELECT is(entries(), :at_start::bigint, 'read as many entries as those at its start');
SELECT is(issue_many('made', 1, 80), 'OK 80', 'the last 80');
SELECT is(max(stock), 0::bigint, 'are the last') FROM cms.offer_performance WHERE offer_id = o('made');
SELECT entries() AS x \gset
SELECT is(issue_all_to('made', 3), 'OK', 'from then on codes are made');
SELECT is(entries(), 0::bigint, 'and nobody looks for stock');

-- a pool says no when there is none left
SELECT nextval('cms.coupon_id_seq') - 1000 AS early FROM generate_series(1, 1000) n OFFSET 999 \gset
SELECT make_offer('pool', '{"code_method": "UPLOADED"}');
SELECT is((SELECT count(*) FILTER (WHERE loaded) FROM cms_upload_codes(o('pool'), ARRAY(SELECT 'P' || n FROM generate_series(1, 2000) n), at => :t)),
	2000::bigint, 'a pool of 2,000');
SELECT is(issue_many('pool', 1, 1999), 'OK 1999', 'all but one');
SELECT entries() AS x \gset
SELECT is(issue_all_to('pool', 1), 'OK', 'the last one');
SELECT is(issue_all_to('pool', 3), 'NO_CODES_LEFT', 'then none is left');
SELECT cmp_ok(entries(), '<=', 4::bigint, 'which nobody walks over the pool for');

-- codes that come in below the mark, as of a transaction that drew their numbers before and commits after
SELECT is((SELECT count(*) FILTER (WHERE loaded) FROM cms_upload_codes(o('pool'), ARRAY['P3001', 'P3002'], at => :t)), 2::bigint, 'two more');
SELECT is(issue_all_to('pool', 1), 'OK', 'one is issued');
SET session_replication_role = replica;
INSERT INTO cms.coupon (org_id, coupon_id, offer_id, code) SELECT cms_current_org(), :early + n, o('pool'), 'LATE' || n FROM generate_series(1, 3) n;
UPDATE cms.offer_slot SET stock = stock + 3 WHERE ctid = (SELECT min(ctid) FROM cms.offer_slot WHERE offer_id = o('pool'));
SET session_replication_role = origin;
SELECT is(issue_many('pool', 1, 6), 'OK 4, NO_CODES_LEFT 2', 'and the ones below are issued with the rest');
SELECT is(string_agg(code, ' ' ORDER BY code), 'LATE1 LATE2 LATE3 P3001 P3002', 'each of them') FROM code WHERE name = 'pool' AND code !~ '^P[0-2]?[0-9]?[0-9]?[0-9]$' AND issued_at IS NOT NULL;

-- what is taken back is issued again
SELECT make_offer('capped', '{"code_method": "UPLOADED", "max_issued": 100}');
SELECT is((SELECT count(*) FILTER (WHERE loaded) FROM cms_upload_codes(o('capped'), ARRAY(SELECT 'Q' || n FROM generate_series(1, 200) n), at => :t)),
	200::bigint, 'a pool beyond a cap');
SELECT is(issue_many('capped', 1, 90), 'OK 90', '90 are issued');
SAVEPOINT before;
SELECT is(issue_many('capped', 91, 110), 'OK 10, OFFER_ISSUE_LIMIT 10', 'and the rest of the cap');
ROLLBACK TO before;
SELECT is(count(*), 1::bigint, 'codes in stock are revoked') FROM cms_revoke(o('capped'), 'CODES', codes => ARRAY(SELECT 'Q' || n FROM generate_series(91, 195) n), confirm => true, at => :t);
SELECT is(issue_many('capped', 91, 110), 'OK 5, NO_CODES_LEFT 15', 'what is left is found behind them');
SELECT counted();
SELECT * FROM finish();
ROLLBACK;
