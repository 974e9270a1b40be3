-- What is due, and how the sweeps are doing.

CREATE VIEW cms.reminder_due WITH (security_barrier) AS
	SELECT r.org_id, r.offer_id, r.reminder_id, c.coupon_id, c.customer_id, r.channel, r.days_before,
		k.day + r.days_before AS for_day, u.due AS due_at, LEAST(d.tomorrow, c.expires_at, f.offer_end) AS send_before
	FROM cms.org g
	CROSS JOIN LATERAL (SELECT (pg_catalog.now() AT TIME ZONE g.time_zone)::date AS today,
		cms.cms_day_start((pg_catalog.now() AT TIME ZONE g.time_zone)::date + 1, g.time_zone) AS tomorrow) d
	-- yesterday where the clocks jumped over the time and over midnight
	CROSS JOIN LATERAL (VALUES (d.today), (d.today - 1)) k (day)
	JOIN cms.offer_reminder r ON r.org_id = g.org_id
	CROSS JOIN LATERAL (SELECT cms.cms_due_at(k.day, r.time_of_day, g.time_zone) AS due) u
	JOIN cms.offer o ON o.org_id = r.org_id AND o.offer_id = r.offer_id
	LEFT JOIN cms.claim l ON l.org_id = r.org_id AND l.offer_id = r.offer_id
	CROSS JOIN LATERAL (SELECT CASE
		WHEN NOT o.outlives_offer AND (l.service = 'LOYALTY' AND o.coupon_expiry_type = 'WITH_OFFER') IS NOT TRUE
		THEN cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) END AS offer_end) f
	CROSS JOIN LATERAL (SELECT cms.cms_day_start(k.day + r.days_before, g.time_zone) AS begins,
		cms.cms_day_start(k.day + r.days_before + 1, g.time_zone) AS ends) b
	-- two stretches of the index: own ends, and none
	CROSS JOIN LATERAL (
		SELECT x.coupon_id, x.customer_id, x.expires_at, x.issued_at, x.uses + x.forfeited_uses AS used
		FROM cms.coupon x WHERE x.org_id = r.org_id AND x.offer_id = r.offer_id
			AND x.issued_at IS NOT NULL AND x.revoked_at IS NULL AND x.expires_at > b.begins
			AND x.expires_at <= CASE WHEN f.offer_end <= b.ends THEN 'infinity' ELSE b.ends END
		UNION ALL
		SELECT x.coupon_id, x.customer_id, x.expires_at, x.issued_at, x.uses + x.forfeited_uses
		FROM cms.coupon x WHERE f.offer_end <= b.ends AND x.org_id = r.org_id AND x.offer_id = r.offer_id
			AND x.issued_at IS NOT NULL AND x.revoked_at IS NULL AND x.expires_at IS NULL) c
	WHERE g.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
		AND o.status = 'ACTIVE'
		AND u.due <= pg_catalog.now() AND (u.due AT TIME ZONE g.time_zone)::date = d.today
		AND (f.offer_end > b.begins) IS NOT FALSE AND b.begins < b.ends
		AND LEAST(c.expires_at, f.offer_end) > pg_catalog.now()
		AND c.customer_id IS NOT NULL AND c.issued_at <= u.due
		AND (o.max_uses_per_coupon IS NULL OR c.used < o.max_uses_per_coupon)
		AND NOT EXISTS (SELECT FROM cms.outbox m WHERE m.org_id = r.org_id AND m.coupon_id = c.coupon_id
			AND m.reminder_id = r.reminder_id AND m.for_day = k.day + r.days_before
			AND m.kind = 'REMINDER' AND m.status <> 'CANCELLED');
COMMENT ON VIEW cms.reminder_due IS 'Reminders to customers that are due now and not queued yet: what cms_sweep_reminders would queue (F41).';
COMMENT ON COLUMN cms.reminder_due.org_id IS 'The org.';
COMMENT ON COLUMN cms.reminder_due.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.reminder_due.reminder_id IS 'The row of offer_reminder.';
COMMENT ON COLUMN cms.reminder_due.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.reminder_due.customer_id IS 'Its holder.';
COMMENT ON COLUMN cms.reminder_due.channel IS 'The reminder''s channel.';
COMMENT ON COLUMN cms.reminder_due.days_before IS 'The reminder''s days_before.';
COMMENT ON COLUMN cms.reminder_due.for_day IS 'The coupon''s last day.';
COMMENT ON COLUMN cms.reminder_due.due_at IS 'When it fell due.';
COMMENT ON COLUMN cms.reminder_due.send_before IS 'From when it is too late: the end of that day, or of the coupon.';

CREATE VIEW cms.sweep_status WITH (security_barrier) AS
	SELECT s.org_id, s.sweep, s.last_run_at, s.rows, s.duration, s.last_work_at, w.waiting_since,
		COALESCE(pg_catalog.now() - w.waiting_since, '0'::interval) AS lag
	FROM (
		SELECT g.org_id, n.sweep, r.last_run_at, r.last_rows AS rows, r.last_duration AS duration, r.last_work_at, r.all_done_at,
			CASE n.sweep
			WHEN 'HOLDS' THEN (SELECT min(h.expires_at) FROM cms.hold h
				WHERE h.org_id = g.org_id AND h.status = 'HELD' AND h.expires_at <= pg_catalog.now())
			WHEN 'EXPIRED' THEN LEAST(
				(SELECT min(cms.cms_day_start(b.ended_on + 1, g.time_zone)) FROM cms.offer_expiry b
				 WHERE b.org_id = g.org_id AND NOT b.done),
				(SELECT min(LEAST(CASE WHEN t.offer_end <= pg_catalog.now() AND t.offer_end > t.booked_until
						THEN t.offer_end END,
					(SELECT min(c.expires_at) FROM cms.coupon c WHERE c.org_id = t.org_id AND c.offer_id = t.offer_id
						AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL
						AND c.expires_at > t.booked_until AND c.expires_at <= pg_catalog.now())))
				 FROM cms.sweep_offer t WHERE t.org_id = g.org_id
					AND (t.offer_end > t.booked_until) IS NOT FALSE))
			WHEN 'REMINDERS' THEN (SELECT min(u.due)
				FROM cms.offer_reminder m
				JOIN cms.offer o ON o.org_id = m.org_id AND o.offer_id = m.offer_id AND o.status = 'ACTIVE'
				CROSS JOIN LATERAL (SELECT (pg_catalog.now() AT TIME ZONE g.time_zone)::date AS today) d
				CROSS JOIN LATERAL (SELECT cms.cms_due_at(d.today, m.time_of_day, g.time_zone) AS due) u
				LEFT JOIN cms.reminder_pass p ON p.org_id = m.org_id AND p.offer_id = m.offer_id
					AND p.reminder_id = m.reminder_id AND p.for_day = d.today + m.days_before
				WHERE m.org_id = g.org_id AND u.due <= pg_catalog.now() AND p.done IS NOT TRUE)
			WHEN 'OUTBOX' THEN (SELECT min(q.due_at) FROM cms.outbox q
				WHERE q.org_id = g.org_id AND q.status IN ('PENDING', 'LEASED') AND q.due_at <= pg_catalog.now())
			WHEN 'PURGE' THEN LEAST(
				(SELECT min(a.requested_at) + g.keep_logs FROM cms.request a
				 WHERE a.org_id = g.org_id AND a.requested_at < k.logs_before),
				(SELECT min(a.recorded_at) + g.keep_logs FROM cms.attempt a
				 WHERE a.org_id = g.org_id AND a.recorded_at < k.logs_before),
				(SELECT min(h.ended_at) + g.keep_logs FROM cms.hold h
				 WHERE h.org_id = g.org_id AND h.ended_at < k.logs_before AND h.status <> 'HELD'),
				(SELECT min(q.done_at) + GREATEST(g.keep_logs, '3 days') FROM cms.outbox q
				 WHERE q.org_id = g.org_id AND q.done_at < LEAST(k.logs_before, pg_catalog.now() - '3 days'::interval)),
				-- the end of the offer where it ends its coupons, or else of the first that nobody has looked at
				(SELECT min(LEAST(CASE WHEN f.offer_end < k.coupons_before AND f.binds THEN f.offer_end END,
					(SELECT min(c.expires_at) FROM cms.coupon c WHERE c.org_id = o.org_id AND c.offer_id = o.offer_id
						AND c.issued_at IS NOT NULL AND c.revoked_at IS NULL
						AND c.expires_at >= COALESCE(p.purged_upto, '-infinity') AND c.expires_at < k.coupons_before)))
				 + g.keep_expired
				 FROM cms.offer o
				 LEFT JOIN cms.claim l ON l.org_id = o.org_id AND l.offer_id = o.offer_id
				 LEFT JOIN cms.offer_purge p ON p.org_id = o.org_id AND p.offer_id = o.offer_id
				 CROSS JOIN LATERAL (SELECT cms.cms_offer_end(o.expiry_type, o.expires_on, l.ends_on, g.time_zone) AS offer_end,
					NOT o.outlives_offer AND (l.service = 'LOYALTY' AND o.coupon_expiry_type = 'WITH_OFFER') IS NOT TRUE AS binds) f
				 WHERE o.org_id = g.org_id AND k.coupons_before IS NOT NULL
					AND (o.status = 'ARCHIVED' OR p.is_reduced OR f.offer_end <= k.coupons_before)
					AND (p.purged_upto = 'infinity' AND p.offer_ends_at IS NOT DISTINCT FROM f.offer_end) IS NOT TRUE))
			-- one that took long is left alone for a while
			WHEN 'SUMMARY' THEN (SELECT min(COALESCE(t.refreshed_at + 20 * t.took, o.created_at))
				FROM cms.summary_status t JOIN cms.offer o ON o.org_id = t.org_id AND o.offer_id = t.offer_id
				WHERE t.org_id = g.org_id AND NOT t.is_fresh
					AND (t.refreshed_at + 20 * t.took <= pg_catalog.now()) IS NOT FALSE)
			END AS waiting_since
		FROM cms.org g
		CROSS JOIN LATERAL (SELECT pg_catalog.now() - g.keep_logs AS logs_before, pg_catalog.now() - g.keep_expired AS coupons_before) k
		CROSS JOIN (VALUES ('HOLDS'), ('EXPIRED'), ('REMINDERS'), ('OFFER_REMINDERS'), ('PURGE'), ('SUMMARY'), ('OUTBOX')) n (sweep)
		LEFT JOIN cms.sweep_run r ON r.org_id = g.org_id AND r.sweep = n.sweep
		WHERE g.org_id = ANY ((SELECT cms.cms_my_orgs())::int[])
	) s
	-- where a run has left nothing, the rest has come since
	CROSS JOIN LATERAL (SELECT CASE WHEN s.waiting_since IS NOT NULL
		THEN GREATEST(s.waiting_since, s.all_done_at) END AS waiting_since) w;
COMMENT ON VIEW cms.sweep_status IS 'How the sweeps, purging and the refresh of summaries of each org are doing, and the oldest message that is not delivered (F44).';
COMMENT ON COLUMN cms.sweep_status.org_id IS 'The org.';
COMMENT ON COLUMN cms.sweep_status.sweep IS 'HOLDS, EXPIRED, REMINDERS, OFFER_REMINDERS; PURGE; SUMMARY; OUTBOX for what senders have not delivered yet.';
COMMENT ON COLUMN cms.sweep_status.last_run_at IS 'When it ran last; NULL: never.';
COMMENT ON COLUMN cms.sweep_status.rows IS 'Rows that run did; offers refreshed by SUMMARY.';
COMMENT ON COLUMN cms.sweep_status.duration IS 'How long it took.';
COMMENT ON COLUMN cms.sweep_status.last_work_at IS 'When it last had something to do.';
COMMENT ON COLUMN cms.sweep_status.waiting_since IS 'When the oldest of what it has not done fell due, at most as long ago as the last run that left nothing; NULL: all is done.';
COMMENT ON COLUMN cms.sweep_status.lag IS 'How long that waits; 0: all is done.';
