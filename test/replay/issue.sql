-- A coupon for each household of a campaign, one call and one transaction per offer; the part of them
-- that is this session's.
SELECT set_config('replay.part', :'part', false) \g /dev/null
DO $$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT p.offer_id, (p.start_date + time '12:00') AT TIME ZONE 'America/New_York' AS at,
			(SELECT array_agg(h.household_id ORDER BY h.household_id) FROM replay.household h
			 WHERE h.campaign_id = p.campaign_id) AS households
		FROM replay.offer p
		WHERE p.offer_id % 2 = current_setting('replay.part')::int
		ORDER BY p.offer_id
	LOOP
		INSERT INTO replay.issued (offer_id, customer_id, reason, coupon_id, code, valid_from, expires_at)
			SELECT o.offer_id, i.customer_id, i.reason, i.coupon_id, i.code, i.valid_from, i.expires_at
			FROM cms.cms_issue_many(o.offer_id, o.households, at => o.at) i;
		COMMIT;
	END LOOP;
END
$$;
