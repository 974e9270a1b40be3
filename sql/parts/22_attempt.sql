-- Refused attempts to redeem. Nothing but the throttle depends on them, so rows may be deleted.

CREATE SEQUENCE cms.attempt_id_seq CACHE 32;
COMMENT ON SEQUENCE cms.attempt_id_seq IS 'Numbers of attempts.';

CREATE TABLE cms.attempt (
	org_id       int         NOT NULL,
	attempt_id   bigint      NOT NULL,
	action       text COLLATE "C" NOT NULL,
	code         text,
	reason       text COLLATE "C" NOT NULL,
	unknown_code boolean     NOT NULL,
	offer_id     bigint,
	coupon_id    bigint,
	customer_id  text COLLATE "C",
	store_id     text COLLATE "C",
	till_id      text COLLATE "C",
	bill_ref     text COLLATE "C",
	bill_amount  numeric,
	attempted_at timestamptz NOT NULL,
	recorded_at  timestamptz NOT NULL,
	recorded_by  text        NOT NULL,
	CONSTRAINT attempt_pkey PRIMARY KEY (org_id, attempt_id)
);
ALTER SEQUENCE cms.attempt_id_seq OWNED BY cms.attempt.attempt_id;
CREATE INDEX attempt_by_time ON cms.attempt (org_id, recorded_at);
-- what the throttle counts
CREATE INDEX attempt_of_a_till ON cms.attempt (org_id, till_id, recorded_at) WHERE unknown_code AND till_id IS NOT NULL;
CREATE INDEX attempt_of_a_customer ON cms.attempt (org_id, customer_id, recorded_at) WHERE unknown_code AND customer_id IS NOT NULL;
COMMENT ON TABLE cms.attempt IS 'One row per refused attempt to redeem, to hold or to try a code, where the org has them recorded; those with an unknown code also where the org limits them.';
COMMENT ON COLUMN cms.attempt.org_id IS 'The org.';
COMMENT ON COLUMN cms.attempt.attempt_id IS 'Number of the attempt.';
COMMENT ON COLUMN cms.attempt.action IS 'What was attempted: REDEEM, HOLD, or CHECK by cms_try.';
COMMENT ON COLUMN cms.attempt.code IS 'The code as it was typed, its first 100 characters.';
COMMENT ON COLUMN cms.attempt.reason IS 'Why it was refused; the true reason, also where the answer told another.';
COMMENT ON COLUMN cms.attempt.unknown_code IS 'Whether it counts as an attempt with an unknown code: of one that does not exist, is revoked, not issued or somebody else''s.';
COMMENT ON COLUMN cms.attempt.offer_id IS 'The offer of the code; NULL: the code was not found, or not looked for.';
COMMENT ON COLUMN cms.attempt.coupon_id IS 'The coupon of the code; NULL: there is none.';
COMMENT ON COLUMN cms.attempt.customer_id IS 'Customer named in the request.';
COMMENT ON COLUMN cms.attempt.store_id IS 'Store of the request.';
COMMENT ON COLUMN cms.attempt.till_id IS 'Till of the request.';
COMMENT ON COLUMN cms.attempt.bill_ref IS 'Bill of the request.';
COMMENT ON COLUMN cms.attempt.bill_amount IS 'Amount of the bill.';
COMMENT ON COLUMN cms.attempt.attempted_at IS 'Time of the request.';
COMMENT ON COLUMN cms.attempt.recorded_at IS 'The server''s own time.';
COMMENT ON COLUMN cms.attempt.recorded_by IS 'Role that called.';
