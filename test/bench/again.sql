-- The second mode redeems coupons of its own.
SELECT offer_id, org_id FROM bench.setting \gset
TRUNCATE bench.coupon, bench.floor_coupon, bench.floor_use;
INSERT INTO bench.coupon
	SELECT row_number() OVER (ORDER BY md5(i.code)) AS place, i.code, i.customer_id
	FROM cms.cms_issue_many(:offer_id, (SELECT array_agg('d' || n) FROM generate_series(1, :total) n), org => :org_id) i;
INSERT INTO bench.floor_coupon SELECT place, code, customer_id, 0 FROM bench.coupon;
VACUUM ANALYZE;
