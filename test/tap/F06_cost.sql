-- F6, F7: what the dashboard costs depends on the offers of a page alone, not on coupons, redemptions or refusals.
BEGIN;
SELECT plan(9);
\ir lib/scene.psql
SELECT play_org('UTC', 'EUR');
SELECT make_offer('offer ' || i) FROM generate_series(1, 200) i;

-- Pages of the buffers that a statement has touched.
CREATE FUNCTION touched(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE statement; -- plans and catalogs are read at the first time
	EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT json) ' || statement INTO plan;
	RETURN (plan -> 0 -> 'Plan' ->> 'Shared Hit Blocks')::bigint + (plan -> 0 -> 'Plan' ->> 'Shared Read Blocks')::bigint;
END
$$;
CREATE TABLE cost AS SELECT s AS statement, touched(s) AS few FROM unnest(ARRAY['SELECT * FROM cms_offers(how_many => 50)', 'SELECT * FROM cms_offers(''offer 7'', how_many => 50)',
	format('SELECT * FROM cms_offer_info(%s)', o('offer 7')), format('SELECT * FROM cms_preview_offer(%s::bigint)', o('offer 7'))]) s;
SELECT cmp_ok(few, '<', 1500::bigint, statement || ': few pages') FROM cost;
-- ten thousand coupons, a part of them used
SELECT is(count(*), 10000::bigint, 'ten thousand coupons') FROM cms_issue_many(o('offer 7'), ARRAY(SELECT 'c' || i FROM generate_series(1, 10000) i)) WHERE issued;
CREATE TABLE used AS SELECT (cms_redeem(c.code, c.customer_id, 100, 'b' || c.coupon_id)).redeemed FROM cms.coupon c WHERE c.coupon_id % 10 = 0;
-- a counter that has changed a thousand times in one transaction leaves versions behind, which no transaction of its own would
SELECT cmp_ok(touched(statement), '<=', few + 200, statement || ': no more of them than before') FROM cost;

SELECT * FROM finish();
ROLLBACK;
