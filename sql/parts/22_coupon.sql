-- What the actions write: coupons, redemptions, claims, counters. Nobody has direct writes here.

CREATE SEQUENCE cms.coupon_id_seq CACHE 32;
COMMENT ON SEQUENCE cms.coupon_id_seq IS 'Numbers of coupons.';

-- The columns that a use changes (uses, forfeited_uses, last_redeemed_at, held_until) are in no index and no
-- index predicate, and pages keep room, so that a redemption is a HOT update.
CREATE TABLE cms.coupon (
	org_id      int         NOT NULL,
	coupon_id   bigint      NOT NULL,
	offer_id    bigint      NOT NULL,
	code        text COLLATE "C" NOT NULL,
	shared      boolean     NOT NULL DEFAULT false,
	customer_id text COLLATE "C",
	nth         int,
	issued_at   timestamptz,
	expires_at  timestamptz,
	service     text COLLATE "C",
	consumer_ref text COLLATE "C",
	uses        int         NOT NULL DEFAULT 0,
	forfeited_uses int      NOT NULL DEFAULT 0,
	last_redeemed_at timestamptz,
	held_until  timestamptz,
	revoked_at  timestamptz,
	job_id      bigint,
	CONSTRAINT coupon_pkey PRIMARY KEY (org_id, coupon_id)
) WITH (fillfactor = 90);
ALTER SEQUENCE cms.coupon_id_seq OWNED BY cms.coupon.coupon_id;
CREATE UNIQUE INDEX coupon_code_is_unique_among_those_not_revoked
	ON cms.coupon (org_id, code) WHERE revoked_at IS NULL AND NOT shared;
CREATE UNIQUE INDEX coupon_nth_of_a_customer_is_unique
	ON cms.coupon (org_id, customer_id, offer_id, nth) WHERE customer_id IS NOT NULL;
CREATE INDEX coupon_revoked_by_code ON cms.coupon (org_id, code) WHERE revoked_at IS NOT NULL;
-- what can be purged of the revoked ones; no coupon pays for it before it is revoked
CREATE INDEX coupon_revoked_of_an_offer ON cms.coupon (org_id, offer_id, expires_at, coupon_id) WHERE revoked_at IS NOT NULL;
-- what ends when; the columns of uses stay out of every index
CREATE INDEX coupon_of_an_offer ON cms.coupon (org_id, offer_id, expires_at, coupon_id)
	WHERE issued_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX coupon_stock ON cms.coupon (org_id, offer_id, coupon_id) WHERE issued_at IS NULL AND revoked_at IS NULL;
COMMENT ON TABLE cms.coupon IS 'One row per coupon: a code of an offer, in stock (issued_at NULL) or held by a customer. Of a common code every customer has a row. Written by the actions only.';
COMMENT ON COLUMN cms.coupon.org_id IS 'The org.';
COMMENT ON COLUMN cms.coupon.coupon_id IS 'Number of the coupon.';
COMMENT ON COLUMN cms.coupon.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.coupon.code IS 'What is typed or scanned, in upper case.';
COMMENT ON COLUMN cms.coupon.shared IS 'Whether the code is the offer''s common code, which many hold.';
COMMENT ON COLUMN cms.coupon.customer_id IS 'The holder; NULL in stock, and where a code handed out by a third party or a common code was used by nobody in particular.';
COMMENT ON COLUMN cms.coupon.nth IS 'This is the nth coupon of the offer that the customer received, revoked ones counted.';
COMMENT ON COLUMN cms.coupon.issued_at IS 'When it was issued; NULL: in stock.';
COMMENT ON COLUMN cms.coupon.expires_at IS 'Its own end, fixed at issue; NULL: none. The effective end is in coupon_status.';
COMMENT ON COLUMN cms.coupon.service IS 'Service that issued it.';
COMMENT ON COLUMN cms.coupon.consumer_ref IS 'Campaign or program that issued it.';
COMMENT ON COLUMN cms.coupon.uses IS 'Live uses.';
COMMENT ON COLUMN cms.coupon.forfeited_uses IS 'Uses whose reversal did not give them back.';
COMMENT ON COLUMN cms.coupon.last_redeemed_at IS 'When it was redeemed last, reversed or not.';
COMMENT ON COLUMN cms.coupon.held_until IS 'When the last of its holds ends; from then on, and where NULL, no hold counts.';
COMMENT ON COLUMN cms.coupon.revoked_at IS 'When it was revoked; NULL: it is not.';
COMMENT ON COLUMN cms.coupon.job_id IS 'The job that issued it; NULL: none.';

CREATE SEQUENCE cms.redemption_id_seq CACHE 32;
COMMENT ON SEQUENCE cms.redemption_id_seq IS 'Numbers of redemptions.';

CREATE TABLE cms.redemption (
	org_id        int         NOT NULL,
	redemption_id bigint      NOT NULL,
	offer_id      bigint      NOT NULL,
	coupon_id     bigint      NOT NULL,
	customer_id   text COLLATE "C",
	anonymous_common boolean  NOT NULL DEFAULT false,
	bill_ref      text COLLATE "C" NOT NULL,
	bill_amount   numeric     NOT NULL,
	eligible_amount numeric   NOT NULL,
	discount      numeric     NOT NULL,
	store_id      text COLLATE "C",
	till_id       text COLLATE "C",
	redeemed_at   timestamptz NOT NULL,
	recorded_at   timestamptz NOT NULL,
	recorded_by   text        NOT NULL,
	uses_left     int,
	reversed_at   timestamptz,
	reversed_by   text,
	reversal_note text,
	use_returned  boolean,
	completed_at  timestamptz,
	completed_by  text,
	details       jsonb,
	CONSTRAINT redemption_pkey PRIMARY KEY (org_id, redemption_id),
	CONSTRAINT redemption_of_a_coupon_on_a_bill_is_unique UNIQUE (org_id, coupon_id, bill_ref)
) WITH (fillfactor = 90);
ALTER SEQUENCE cms.redemption_id_seq OWNED BY cms.redemption.redemption_id;
CREATE INDEX redemption_of_a_customer
	ON cms.redemption (org_id, customer_id, offer_id, redeemed_at) WHERE customer_id IS NOT NULL;
CREATE UNIQUE INDEX redemption_of_a_common_code_by_nobody_on_a_bill_is_unique
	ON cms.redemption (org_id, offer_id, bill_ref) WHERE anonymous_common;
COMMENT ON TABLE cms.redemption IS 'One row per use of a coupon on a bill, live unless reversed. Written by the actions only.';
COMMENT ON COLUMN cms.redemption.org_id IS 'The org.';
COMMENT ON COLUMN cms.redemption.redemption_id IS 'Number of the redemption.';
COMMENT ON COLUMN cms.redemption.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.redemption.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.redemption.customer_id IS 'The redeemer, who need not be the holder.';
COMMENT ON COLUMN cms.redemption.anonymous_common IS 'Whether a common code was used by nobody in particular.';
COMMENT ON COLUMN cms.redemption.bill_ref IS 'The caller''s reference of the bill; repeated with the same coupon it is the same redemption.';
COMMENT ON COLUMN cms.redemption.bill_amount IS 'Amount of the bill.';
COMMENT ON COLUMN cms.redemption.eligible_amount IS 'Amount of the lines that the discount was computed on.';
COMMENT ON COLUMN cms.redemption.discount IS 'Discount given.';
COMMENT ON COLUMN cms.redemption.store_id IS 'Store of the redemption.';
COMMENT ON COLUMN cms.redemption.till_id IS 'Till of the redemption.';
COMMENT ON COLUMN cms.redemption.redeemed_at IS 'Time of the request.';
COMMENT ON COLUMN cms.redemption.recorded_at IS 'The server''s own time.';
COMMENT ON COLUMN cms.redemption.recorded_by IS 'Role that redeemed.';
COMMENT ON COLUMN cms.redemption.uses_left IS 'Uses of the coupon left after it; NULL: unlimited.';
COMMENT ON COLUMN cms.redemption.reversed_at IS 'When it was reversed; NULL: live.';
COMMENT ON COLUMN cms.redemption.reversed_by IS 'Role that reversed it.';
COMMENT ON COLUMN cms.redemption.reversal_note IS 'Why it was reversed.';
COMMENT ON COLUMN cms.redemption.use_returned IS 'Whether the reversal gave the use back.';
COMMENT ON COLUMN cms.redemption.completed_at IS 'When store, till or details were completed last; NULL: never.';
COMMENT ON COLUMN cms.redemption.completed_by IS 'Role that completed them last.';
COMMENT ON COLUMN cms.redemption.details IS 'Details of the bill that became known after the redemption: a JSON object.';

-- Uses of customers, where a rule of the offer asks for them: the row that decides, and that spares counting
-- redemptions. Made at the first use that needs it, by counting; of an older epoch than the counters' it is as
-- good as absent.
CREATE TABLE cms.customer_use (
	org_id      int    NOT NULL,
	offer_id    bigint NOT NULL,
	customer_id text COLLATE "C" NOT NULL,
	coupon_id   bigint NOT NULL,
	uses        int    NOT NULL,
	held_until  timestamptz,
	epoch       int    NOT NULL,
	changes     int    NOT NULL DEFAULT 0,
	CONSTRAINT customer_use_pkey PRIMARY KEY (org_id, offer_id, customer_id, coupon_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE cms.customer_use IS 'How often a customer used an offer, or a coupon, where the offer limits it. Kept by the actions only.';
COMMENT ON COLUMN cms.customer_use.org_id IS 'The org.';
COMMENT ON COLUMN cms.customer_use.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.customer_use.customer_id IS 'The redeemer.';
COMMENT ON COLUMN cms.customer_use.coupon_id IS 'The coupon; 0: all of the offer.';
COMMENT ON COLUMN cms.customer_use.uses IS 'Uses that count: live ones, and those whose reversal did not give them back.';
COMMENT ON COLUMN cms.customer_use.epoch IS 'customer_epoch of the offer''s counters when the row was made.';
COMMENT ON COLUMN cms.customer_use.changes IS 'Writes since the row was made: whoever writes it knows by that whether it is as it was read.';
COMMENT ON COLUMN cms.customer_use.held_until IS 'When the last of the holds ends; from then on, and where NULL, no hold counts.';

CREATE TABLE cms.claim (
	org_id        int    NOT NULL,
	offer_id      bigint NOT NULL,
	service       text COLLATE "C" NOT NULL,
	consumer_ref  text COLLATE "C",
	consumer_name text,
	ends_on       date,
	claimed_by    text   NOT NULL,
	claimed_at    timestamptz NOT NULL,
	CONSTRAINT claim_pkey PRIMARY KEY (org_id, offer_id),
	-- no cascade, which the guard would stop: the trigger of the offer deletes the claim
	CONSTRAINT claim_of_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer,
	CONSTRAINT claim_service_must_be_a_service
		CHECK (service IN ('OUTBOUND', 'TIMELINE', 'DVS', 'LOYALTY', 'EXTERNAL'))
);
CREATE UNIQUE INDEX claim_of_an_outbound_campaign_is_unique ON cms.claim (org_id, consumer_ref) WHERE service = 'OUTBOUND';
COMMENT ON TABLE cms.claim IS 'Who uses an offer: at most one service with its campaign or program. Written by cms_claim, cms_release and the first issue.';
COMMENT ON COLUMN cms.claim.org_id IS 'The org.';
COMMENT ON COLUMN cms.claim.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.claim.service IS 'OUTBOUND, TIMELINE, DVS, LOYALTY or EXTERNAL.';
COMMENT ON COLUMN cms.claim.consumer_ref IS 'Campaign or program.';
COMMENT ON COLUMN cms.claim.consumer_name IS 'Its name for people.';
COMMENT ON COLUMN cms.claim.ends_on IS 'Last day of the campaign: a WITH_CAMPAIGN offer ends with it.';
COMMENT ON COLUMN cms.claim.claimed_by IS 'Role that claimed.';
COMMENT ON COLUMN cms.claim.claimed_at IS 'When it was claimed.';

-- Counters of an offer, in slots: their sum is the offer's. A share is what a slot may give out
-- (NULL: no cap); the shares of an offer add up to its cap. Rows are made at the first use.
CREATE TABLE cms.offer_slot (
	org_id          int     NOT NULL,
	offer_id        bigint  NOT NULL,
	slot            int     NOT NULL,
	issue_share     bigint,
	redemption_share bigint,
	budget_share    numeric,
	redemptions_closed boolean NOT NULL DEFAULT false,
	budget_closed   boolean NOT NULL DEFAULT false,
	issued          bigint  NOT NULL DEFAULT 0,
	stock           bigint  NOT NULL DEFAULT 0,
	stock_round     int     NOT NULL DEFAULT 0,
	stock_mark      bigint  NOT NULL DEFAULT 0,
	next_position   bigint  NOT NULL DEFAULT 0,
	uses            bigint  NOT NULL DEFAULT 0,
	forfeited_uses  bigint  NOT NULL DEFAULT 0,
	redeemed_coupons bigint NOT NULL DEFAULT 0,
	held            bigint  NOT NULL DEFAULT 0,
	discount        numeric NOT NULL DEFAULT 0,
	forfeited_discount numeric NOT NULL DEFAULT 0,
	held_discount   numeric NOT NULL DEFAULT 0,
	customer_epoch  int     NOT NULL DEFAULT 0,
	expiry_changes  bigint  NOT NULL DEFAULT 0,
	reversals       bigint  NOT NULL DEFAULT 0,
	first_issued_at timestamptz,
	last_issued_at  timestamptz,
	first_redeemed_at timestamptz,
	last_redeemed_at timestamptz,
	CONSTRAINT offer_slot_pkey PRIMARY KEY (org_id, offer_id, slot)
) WITH (fillfactor = 20);
COMMENT ON TABLE cms.offer_slot IS 'Counters of an offer, kept exact by the actions; the sum over the slots is the offer''s number.';
COMMENT ON COLUMN cms.offer_slot.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_slot.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_slot.slot IS 'Number of the slot; sessions spread over the slots, and the last units of a cap are in slot 0.';
COMMENT ON COLUMN cms.offer_slot.issue_share IS 'Issues the slot may count; NULL: no cap.';
COMMENT ON COLUMN cms.offer_slot.redemption_share IS 'Uses the slot may count; NULL: no cap.';
COMMENT ON COLUMN cms.offer_slot.budget_share IS 'Discount the slot may count; NULL: no cap.';
COMMENT ON COLUMN cms.offer_slot.redemptions_closed IS 'The cap is below what is counted: no slot alone decides on uses.';
COMMENT ON COLUMN cms.offer_slot.budget_closed IS 'The cap is below what is counted: no slot alone decides on discount.';
COMMENT ON COLUMN cms.offer_slot.issued IS 'Coupons issued, revoked ones counted.';
COMMENT ON COLUMN cms.offer_slot.stock IS 'Codes in stock: neither issued nor revoked.';
COMMENT ON COLUMN cms.offer_slot.stock_round IS 'Raised when codes in stock are found below the mark; only the marks of the highest round count.';
COMMENT ON COLUMN cms.offer_slot.stock_mark IS 'A hint where the stock begins: the coupons up to this number had left it when this was written. The highest of the slots counts.';
COMMENT ON COLUMN cms.offer_slot.next_position IS 'Next place in the order of a RANDOMISED offer''s codes.';
COMMENT ON COLUMN cms.offer_slot.uses IS 'Live uses.';
COMMENT ON COLUMN cms.offer_slot.forfeited_uses IS 'Uses whose reversal did not give them back.';
COMMENT ON COLUMN cms.offer_slot.redeemed_coupons IS 'Coupons with a live use.';
COMMENT ON COLUMN cms.offer_slot.held IS 'Uses reserved by holds that nobody has ended yet; a hold past its end counts for nobody.';
COMMENT ON COLUMN cms.offer_slot.discount IS 'Discount of the live uses.';
COMMENT ON COLUMN cms.offer_slot.forfeited_discount IS 'Discount of the forfeited uses, which the budget still counts.';
COMMENT ON COLUMN cms.offer_slot.held_discount IS 'Discount reserved by these holds.';
COMMENT ON COLUMN cms.offer_slot.customer_epoch IS 'Raised, in all slots alike, whenever a limit or gap per customer of the offer changes: a use is counted only by who knows the rules that hold.';
COMMENT ON COLUMN cms.offer_slot.expiry_changes IS 'How often the end of a coupon was changed: who has looked for coupons that end on a day sees by it that there may be others now.';
COMMENT ON COLUMN cms.offer_slot.reversals IS 'Redemptions reversed: their coupons may be used, and reminded of, again.';
COMMENT ON COLUMN cms.offer_slot.first_issued_at IS 'First issue.';
COMMENT ON COLUMN cms.offer_slot.last_issued_at IS 'Last issue.';
COMMENT ON COLUMN cms.offer_slot.first_redeemed_at IS 'First redemption.';
COMMENT ON COLUMN cms.offer_slot.last_redeemed_at IS 'Last redemption.';

CREATE SEQUENCE cms.hold_id_seq CACHE 32;
COMMENT ON SEQUENCE cms.hold_id_seq IS 'Numbers of holds.';
CREATE TABLE cms.hold (
	org_id        int         NOT NULL,
	hold_id       bigint      NOT NULL,
	offer_id      bigint      NOT NULL,
	coupon_id     bigint      NOT NULL,
	customer_id   text COLLATE "C",
	anonymous_common boolean  NOT NULL DEFAULT false,
	order_ref     text COLLATE "C" NOT NULL,
	status        text COLLATE "C" NOT NULL DEFAULT 'HELD',
	bill_amount   numeric     NOT NULL,
	eligible_amount numeric   NOT NULL,
	discount      numeric     NOT NULL,
	items         jsonb,
	store_id      text COLLATE "C",
	till_id       text COLLATE "C",
	held_at       timestamptz NOT NULL,
	expires_at    timestamptz NOT NULL,
	recorded_at   timestamptz NOT NULL,
	recorded_by   text        NOT NULL,
	uses_left     int,
	slot          int         NOT NULL,
	ended_at      timestamptz,
	redemption_id bigint,
	CONSTRAINT hold_pkey PRIMARY KEY (org_id, hold_id),
	CONSTRAINT hold_status_must_be_a_status CHECK (status IN ('HELD', 'CONFIRMED', 'RELEASED', 'EXPIRED'))
) WITH (fillfactor = 90);
ALTER SEQUENCE cms.hold_id_seq OWNED BY cms.hold.hold_id;
CREATE INDEX hold_of_a_coupon ON cms.hold (org_id, coupon_id, order_ref, hold_id);
CREATE UNIQUE INDEX hold_of_a_coupon_for_an_order_is_unique
	ON cms.hold (org_id, coupon_id, order_ref) WHERE status = 'HELD';
CREATE UNIQUE INDEX hold_of_a_common_code_by_nobody_for_an_order_is_unique
	ON cms.hold (org_id, offer_id, order_ref) WHERE status = 'HELD' AND anonymous_common;
CREATE INDEX hold_of_a_common_code_by_nobody ON cms.hold (org_id, offer_id, order_ref) WHERE anonymous_common;
CREATE INDEX hold_of_a_customer ON cms.hold (org_id, customer_id, offer_id) WHERE status = 'HELD' AND customer_id IS NOT NULL;
CREATE INDEX hold_by_time_of_end ON cms.hold (org_id, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX hold_by_end ON cms.hold (org_id, offer_id, expires_at) WHERE status = 'HELD';
COMMENT ON TABLE cms.hold IS 'Uses reserved for orders. A hold counts while its status is HELD and its end has not come. Written by the actions only.';
COMMENT ON COLUMN cms.hold.org_id IS 'The org.';
COMMENT ON COLUMN cms.hold.hold_id IS 'Number of the hold.';
COMMENT ON COLUMN cms.hold.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.hold.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.hold.customer_id IS 'The redeemer.';
COMMENT ON COLUMN cms.hold.anonymous_common IS 'Whether a common code is held by nobody in particular.';
COMMENT ON COLUMN cms.hold.order_ref IS 'The caller''s reference of the order; repeated with the same coupon it is the same hold.';
COMMENT ON COLUMN cms.hold.status IS 'HELD, CONFIRMED (redeemed), RELEASED or EXPIRED (found expired, and given back).';
COMMENT ON COLUMN cms.hold.bill_amount IS 'Amount of the bill.';
COMMENT ON COLUMN cms.hold.eligible_amount IS 'Amount of the lines that the discount was computed on.';
COMMENT ON COLUMN cms.hold.discount IS 'Discount promised.';
COMMENT ON COLUMN cms.hold.items IS 'Lines of the bill as they came.';
COMMENT ON COLUMN cms.hold.store_id IS 'Store of the request.';
COMMENT ON COLUMN cms.hold.till_id IS 'Till of the request.';
COMMENT ON COLUMN cms.hold.held_at IS 'Time of the request.';
COMMENT ON COLUMN cms.hold.expires_at IS 'When the hold ends by itself.';
COMMENT ON COLUMN cms.hold.recorded_at IS 'The server''s own time.';
COMMENT ON COLUMN cms.hold.recorded_by IS 'Role that held.';
COMMENT ON COLUMN cms.hold.uses_left IS 'Uses of the coupon left after it; NULL: unlimited.';
COMMENT ON COLUMN cms.hold.slot IS 'Slot of the offer''s counters that counts it.';
COMMENT ON COLUMN cms.hold.ended_at IS 'When it was confirmed, released or found expired.';
COMMENT ON COLUMN cms.hold.redemption_id IS 'The redemption that it became.';

-- Which state of an offer's rules a compiled copy stands for. A value is used once and never again,
-- also after a rollback. Derived: a fresh database starts without rows, so it is not dumped.
CREATE SEQUENCE cms.offer_version_seq;
COMMENT ON SEQUENCE cms.offer_version_seq IS 'Versions of offers.';
CREATE TABLE cms.offer_version (
	org_id   int    NOT NULL,
	offer_id bigint NOT NULL,
	version  bigint NOT NULL,
	CONSTRAINT offer_version_pkey PRIMARY KEY (org_id, offer_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE cms.offer_version IS 'Version of each offer''s rules, raised by every change of the offer, its lists, its claim or its org.';
COMMENT ON COLUMN cms.offer_version.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_version.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_version.version IS 'Number that changes with every change.';

CREATE TABLE cms.offer_key (
	org_id   int    NOT NULL,
	offer_id bigint NOT NULL,
	key      bytea  NOT NULL,
	CONSTRAINT offer_key_pkey PRIMARY KEY (org_id, offer_id)
);
COMMENT ON TABLE cms.offer_key IS 'Secret that orders the codes of a RANDOMISED offer; who knows it can foretell them, so only cms_owner reads it.';
COMMENT ON COLUMN cms.offer_key.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_key.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_key.key IS '128 random bits.';

CREATE TABLE cms.request (
	org_id       int    NOT NULL,
	request_key  text COLLATE "C" NOT NULL,
	action       text COLLATE "C" NOT NULL,
	request_hash bytea  NOT NULL,
	answer       bigint[] NOT NULL,
	reasons      text[],
	requested_at timestamptz NOT NULL,
	CONSTRAINT request_pkey PRIMARY KEY (org_id, request_key)
);
CREATE INDEX request_by_time ON cms.request (org_id, requested_at);
COMMENT ON TABLE cms.request IS 'Requests that named a request_key, so that a repeated one is answered as the first time and does nothing.';
COMMENT ON COLUMN cms.request.org_id IS 'The org.';
COMMENT ON COLUMN cms.request.request_key IS 'The caller''s key.';
COMMENT ON COLUMN cms.request.action IS 'What was asked for: ISSUE, REVERSE, REVOKE.';
COMMENT ON COLUMN cms.request.request_hash IS 'Digest of what was asked for; the same key with something else is KEY_CONFLICT.';
COMMENT ON COLUMN cms.request.answer IS 'ISSUE: the coupon of each line, NULL where it was refused; REVERSE: 1 if the use came back, else 0; REVOKE: its counts.';
COMMENT ON COLUMN cms.request.reasons IS 'ISSUE: why each line was refused, NULL where it was issued; NULL for the others.';
COMMENT ON COLUMN cms.request.requested_at IS 'The server''s time of the request.';

CREATE SEQUENCE cms.code_upload_line_seq CACHE 32;
COMMENT ON SEQUENCE cms.code_upload_line_seq IS 'Order in which lines arrived for upload.';
CREATE TABLE cms.code_upload_line (
	org_id      int    NOT NULL,
	line        bigint NOT NULL,
	offer_id    bigint,
	code        text,
	customer_id text,
	reason      text COLLATE "C",
	message     text,
	uploaded_by text   NOT NULL,
	uploaded_at timestamptz NOT NULL,
	CONSTRAINT code_upload_line_pkey PRIMARY KEY (org_id, line)
);
ALTER SEQUENCE cms.code_upload_line_seq OWNED BY cms.code_upload_line.line;
CREATE INDEX code_upload_line_waiting ON cms.code_upload_line (org_id, offer_id, line) WHERE reason IS NULL;
COMMENT ON TABLE cms.code_upload_line IS 'Lines behind the view code_upload.';
COMMENT ON COLUMN cms.code_upload_line.org_id IS 'The org.';
COMMENT ON COLUMN cms.code_upload_line.line IS 'Order of arrival.';
COMMENT ON COLUMN cms.code_upload_line.offer_id IS 'The offer; NULL: whichever cms_load_codes is called for by the same role.';
COMMENT ON COLUMN cms.code_upload_line.code IS 'The code as it came.';
COMMENT ON COLUMN cms.code_upload_line.customer_id IS 'Customer to issue it to; NULL or blank: into stock.';
COMMENT ON COLUMN cms.code_upload_line.reason IS 'Why the line was not loaded; NULL: waits to be loaded.';
COMMENT ON COLUMN cms.code_upload_line.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.code_upload_line.uploaded_by IS 'Role that brought the line.';
COMMENT ON COLUMN cms.code_upload_line.uploaded_at IS 'The server''s time of its arrival.';
