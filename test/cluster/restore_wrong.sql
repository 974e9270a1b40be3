-- Prints what is wrong in a database of restore.sh: counters that differ from a recount, numbers that a
-- sequence would give once more, tables without a row, of which nothing could be said.
SELECT 'counters of ' || o.name
FROM cms.offer o
CROSS JOIN LATERAL (
	SELECT sum(issued) AS issued, sum(stock) AS stock, sum(redeemed_coupons) AS redeemed_coupons, sum(uses) AS uses,
		sum(forfeited_uses) AS forfeited_uses, sum(discount) AS discount, sum(forfeited_discount) AS forfeited_discount,
		min(first_issued_at) AS first_issued_at
	FROM cms.offer_slot t WHERE t.org_id = o.org_id AND t.offer_id = o.offer_id) s
CROSS JOIN LATERAL (
	SELECT count(c.issued_at) + coalesce((SELECT sum(p.coupons) FROM cms.purged_coupon p
			WHERE p.org_id = o.org_id AND p.offer_id = o.offer_id), 0) AS issued, count(*) FILTER (WHERE c.issued_at IS NULL AND c.revoked_at IS NULL) AS stock,
		count(*) FILTER (WHERE c.uses > 0) AS redeemed, coalesce(sum(c.uses), 0) AS uses,
		coalesce(sum(c.forfeited_uses), 0) AS forfeited, least(min(c.issued_at), (SELECT min(p.first_issued_at)
			FROM cms.purged_coupon p WHERE p.org_id = o.org_id AND p.offer_id = o.offer_id)) AS first_issued_at
	FROM cms.coupon c WHERE c.org_id = o.org_id AND c.offer_id = o.offer_id) c
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE r.reversed_at IS NULL) AS uses,
		count(*) FILTER (WHERE NOT r.use_returned) AS forfeited,
		coalesce(sum(r.discount) FILTER (WHERE r.reversed_at IS NULL), 0) AS discount,
		coalesce(sum(r.discount) FILTER (WHERE NOT r.use_returned), 0) AS forfeited_discount
	FROM cms.redemption r WHERE r.org_id = o.org_id AND r.offer_id = o.offer_id) r
WHERE (coalesce(s.issued, 0), coalesce(s.stock, 0), coalesce(s.redeemed_coupons, 0), coalesce(s.uses, 0),
		coalesce(s.forfeited_uses, 0), coalesce(s.discount, 0), coalesce(s.forfeited_discount, 0), s.first_issued_at)
	IS DISTINCT FROM (c.issued, c.stock, c.redeemed, c.uses, c.forfeited, r.discount, r.forfeited_discount, c.first_issued_at)
	OR (r.uses, r.forfeited) <> (c.uses, c.forfeited);

SELECT format('%s: %s after %s', v.name, v.highest, q.last_value)
FROM (SELECT 'org_id_seq' AS name, max(org_id)::bigint AS highest FROM cms.org
	UNION ALL SELECT 'poc_id_seq', max(poc_id) FROM cms.poc
	UNION ALL SELECT 'offer_id_seq', max(offer_id) FROM cms.offer
	UNION ALL SELECT 'offer_window_id_seq', max(window_id) FROM cms.offer_window
	UNION ALL SELECT 'offer_reminder_id_seq', max(reminder_id) FROM cms.offer_reminder
	UNION ALL SELECT 'coupon_id_seq', max(coupon_id) FROM cms.coupon
	UNION ALL SELECT 'redemption_id_seq', max(redemption_id) FROM cms.redemption
	UNION ALL SELECT 'hold_id_seq', max(hold_id) FROM cms.hold
	UNION ALL SELECT 'attempt_id_seq', max(attempt_id) FROM cms.attempt
	UNION ALL SELECT 'code_upload_line_seq', max(line) FROM cms.code_upload_line
	UNION ALL SELECT 'job_id_seq', max(job_id) FROM cms.job
	UNION ALL SELECT 'message_id_seq', max(message_id) FROM cms.outbox
	UNION ALL SELECT 'lease_seq', max(lease) FROM cms.outbox
	UNION ALL SELECT 'expiry_mark_id_seq', max(mark_id) FROM cms.expiry_mark
	UNION ALL SELECT 'summary_mark_id_seq', max(mark_id) FROM cms.summary_mark
	UNION ALL SELECT 'event_id_seq', max(event_id) FROM cms.event
	UNION ALL SELECT 'offer_version_seq', coalesce(max(version), 0) FROM cms.offer_version) v
LEFT JOIN pg_sequences q ON q.schemaname = 'cms' AND q.sequencename = v.name
WHERE v.highest IS NULL OR v.highest > coalesce(q.last_value, 0);
SELECT 'the sequence ' || q.sequencename || ' is not looked at' FROM pg_sequences q
WHERE q.schemaname = 'cms' AND q.sequencename NOT IN ('org_id_seq', 'poc_id_seq', 'offer_id_seq', 'offer_window_id_seq',
	'offer_reminder_id_seq', 'coupon_id_seq', 'redemption_id_seq', 'hold_id_seq', 'attempt_id_seq', 'code_upload_line_seq',
	'message_id_seq', 'lease_seq', 'expiry_mark_id_seq', 'event_id_seq', 'summary_mark_id_seq', 'job_id_seq', 'offer_version_seq');

SELECT format('SELECT %L WHERE NOT EXISTS (SELECT FROM %s)', 'nothing in ' || c.oid::regclass, c.oid::regclass)
FROM pg_class c WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'r' AND c.relname <> 'offer_version' \gexec
