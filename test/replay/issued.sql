SELECT 'coupons issued', count(*), 800199 FROM replay.issued WHERE reason IS NULL;
SELECT 'refused', count(*), 0 FROM replay.issued WHERE reason IS NOT NULL;
-- usable from the start of the campaign (issued at noon) to the end of its last day
SELECT 'with the right first and last moment', count(*), 800199
FROM replay.issued i JOIN replay.offer o USING (offer_id) JOIN replay.campaign c USING (campaign_id)
WHERE i.valid_from = (c.start_date + time '12:00') AT TIME ZONE 'America/New_York'
	AND i.expires_at = (c.end_date + 1)::timestamp AT TIME ZONE 'America/New_York';
SELECT 'different codes', count(DISTINCT code), 800199 FROM replay.issued;
SELECT 'answered as they are stored', count(*), 800199
FROM replay.issued i
JOIN cms.coupon c ON c.coupon_id = i.coupon_id AND c.offer_id = i.offer_id AND c.customer_id = i.customer_id
	AND c.nth = 1 AND c.issued_at = i.valid_from;
