-- What the scripts of test/cluster/sessions call: scenes in one line, and actions that note what
-- they were answered.
CREATE TABLE answer (
	org_id int DEFAULT cms.cms_current_org(), scenario text DEFAULT current_setting('t.scenario'), reason text, amount numeric);

-- An offer of 10 off with UPLOADED codes CODE-1, CODE-2 …, unless the columns say otherwise; each customer c0, c1 …
-- holds as many of the codes as "each" says; 0: into stock.
CREATE PROCEDURE new_offer(offer_code text, columns jsonb DEFAULT '{}', codes int DEFAULT 0, each int DEFAULT 1) LANGUAGE plpgsql AS $$
DECLARE
	given jsonb := '{"discount_type": "FIXED_AMOUNT", "discount_value": 10, "code_method": "UPLOADED"}' || columns
		|| jsonb_build_object('code', offer_code, 'name', offer_code);
	made text[] := ARRAY(SELECT offer_code || '-' || i FROM generate_series(1, codes) i);
	holders text[] := ARRAY(SELECT 'c' || (i - 1) / NULLIF(each, 0) FROM generate_series(1, codes) i);
BEGIN
	EXECUTE (SELECT format('INSERT INTO cms.offer (%s) VALUES (%s)', string_agg(quote_ident(key), ', '), string_agg(quote_nullable(value), ', '))
		FROM jsonb_each_text(given));
	IF codes > 0 THEN
		CALL stock(offer_code, made, CASE WHEN each > 0 THEN holders END);
	END IF;
END
$$;
CREATE FUNCTION set_offer(offer_code text, columns jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('UPDATE cms.offer SET %s WHERE org_id = cms.cms_current_org() AND code = %L',
		string_agg(format('%I = %L', key, value), ', '), offer_code) FROM jsonb_each_text(columns));
END
$$;

-- No more time to redeem, and 20 off; and back.
CREATE PROCEDURE close_offer(offer_code text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_offer(offer_code, '{"discount_value": 20}');
	INSERT INTO cms.offer_window (offer_id, to_date) VALUES (offer(offer_code), '2029-12-31');
END
$$;
CREATE PROCEDURE open_offer(offer_code text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_offer(offer_code, '{"discount_value": 10}');
	DELETE FROM cms.offer_window WHERE offer_id = offer(offer_code);
END
$$;

CREATE FUNCTION redeem(code text, customer text, bill text, amount numeric DEFAULT 100) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (reason, amount) SELECT COALESCE(r.reason, CASE WHEN r.replayed THEN 'again' ELSE 'done' END), amount
FROM cms.cms_redeem(code, customer, amount, bill, at => '2030-01-10 12:00+00') r
$$;
CREATE FUNCTION issue(offer_code text, customer text, how_many int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (reason) SELECT COALESCE(i.reason, CASE WHEN i.replayed THEN 'again' ELSE 'done' END)
FROM cms.cms_issue(offer(offer_code), customer, how_many, at => '2030-01-10 12:00+00') i
$$;
CREATE FUNCTION take_back(bill text) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (reason) SELECT COALESCE(r.reason, 'reversed')
FROM cms.cms_reverse(redemption(bill), at => '2030-01-10 12:00+00') r
$$;
-- some live one
CREATE FUNCTION take_back_any(offer_code text) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (reason) SELECT COALESCE(x.reason, 'reversed')
FROM (SELECT redemption_id FROM cms.redemption WHERE org_id = cms.cms_current_org() AND offer_id = offer(offer_code)
	AND reversed_at IS NULL ORDER BY random() LIMIT 1) r, cms.cms_reverse(r.redemption_id, at => '2030-01-10 12:00+00') x
$$;
CREATE FUNCTION revoke(offer_code text, code text) RETURNS void LANGUAGE sql AS $$
INSERT INTO answer (reason) SELECT CASE WHEN r.left_redeemed > 0 THEN 'left' ELSE 'revoked' END
FROM cms.cms_revoke(offer(offer_code), 'CODES', codes => ARRAY[code], confirm => true, at => '2030-01-10 12:00+00') r
$$;

-- Rules about customers that change while they redeem. As the change has locked the counters, what is counted then
-- was redeemed before it, and all else comes after.
CREATE TABLE rules (org_id int DEFAULT cms.cms_current_org(), change serial, most int, gap int, uses jsonb);
CREATE PROCEDURE set_rules(offer_code text, new_most int, new_gap int) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE cms.offer SET max_uses_per_customer = new_most, min_days_between_uses = new_gap
	WHERE org_id = cms.cms_current_org() AND code = offer_code;
	INSERT INTO rules (most, gap, uses)
	SELECT new_most, new_gap, COALESCE(jsonb_object_agg(r.customer_id, r.uses), '{}') FROM (
		SELECT customer_id, count(*) AS uses FROM cms.redemption
		WHERE org_id = cms.cms_current_org() AND offer_id = offer(offer_code) AND reversed_at IS NULL GROUP BY 1) r;
END
$$;
-- Customers who between two changes got more than the rules of that time allow: each redemption is of the same day.
CREATE VIEW beyond_rules AS
SELECT r.change, after.key AS customer_id, before.uses, after.value::int AS uses_after, r.most, r.gap
FROM (SELECT *, lead(uses) OVER (ORDER BY change) AS next FROM rules WHERE org_id = cms.cms_current_org()) r
CROSS JOIN LATERAL jsonb_each_text(r.next) after
CROSS JOIN LATERAL (SELECT COALESCE((r.uses ->> after.key)::int, 0) AS uses) before
WHERE after.value::int > before.uses AND after.value::int > LEAST(r.most, CASE WHEN r.gap > 0 THEN 1 END);
