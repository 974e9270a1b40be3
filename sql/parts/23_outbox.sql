-- Messages that senders take (F43). Sweeps queue them by the million with INSERT ... SELECT, so the indexes are few
-- and most hold only what is not delivered yet.

CREATE SEQUENCE cms.message_id_seq;
COMMENT ON SEQUENCE cms.message_id_seq IS 'Numbers of messages, in the order in which they were queued.';
CREATE SEQUENCE cms.lease_seq;
COMMENT ON SEQUENCE cms.lease_seq IS 'Numbers of leases: one for each batch that a sender takes.';

CREATE TABLE cms.outbox (
	org_id      int         NOT NULL,
	message_id  bigint      NOT NULL,
	kind        text COLLATE "C" NOT NULL,
	channel     text COLLATE "C" NOT NULL,
	status      text COLLATE "C" NOT NULL DEFAULT 'PENDING',
	offer_id    bigint      NOT NULL,
	coupon_id   bigint,
	customer_id text COLLATE "C",
	reminder_id bigint,
	poc_id      bigint,
	days_before int,
	for_day     date,
	due_at      timestamptz NOT NULL,
	send_before timestamptz,
	next_attempt_at timestamptz NOT NULL,
	attempts    int         NOT NULL DEFAULT 0,
	lease       bigint,
	payload     jsonb,
	reason      text COLLATE "C",
	last_error  text,
	queued_at   timestamptz NOT NULL,
	done_at     timestamptz,
	CONSTRAINT outbox_pkey PRIMARY KEY (org_id, message_id),
	CONSTRAINT outbox_kind_must_be_a_kind
		CHECK (kind IN ('REMINDER', 'EXPIRY_NOTICE', 'RESEND', 'OFFER_REMINDER', 'CODES_LEFT')),
	CONSTRAINT outbox_status_must_be_a_status
		CHECK (status IN ('PENDING', 'LEASED', 'DONE', 'DEAD', 'CANCELLED'))
);
ALTER SEQUENCE cms.message_id_seq OWNED BY cms.outbox.message_id;
ALTER SEQUENCE cms.lease_seq OWNED BY cms.outbox.lease;
-- Each once, whoever queues it. What was cancelled was not sent, so it may be queued anew. The coupon is last, because
-- sweeps go through those of a reminder and day in the order of their numbers.
CREATE UNIQUE INDEX outbox_reminder_is_queued_once
	ON cms.outbox (org_id, for_day, reminder_id, coupon_id) WHERE kind = 'REMINDER' AND status <> 'CANCELLED';
CREATE UNIQUE INDEX outbox_expiry_notice_is_queued_once
	ON cms.outbox (org_id, for_day, coupon_id) WHERE kind = 'EXPIRY_NOTICE' AND status <> 'CANCELLED';
CREATE UNIQUE INDEX outbox_offer_reminder_is_queued_once
	ON cms.outbox (org_id, offer_id, poc_id, days_before, for_day) WHERE kind = 'OFFER_REMINDER' AND status <> 'CANCELLED';
-- these may come again, but not while the one before is on its way
CREATE UNIQUE INDEX outbox_resend_is_open_once
	ON cms.outbox (org_id, coupon_id, channel) WHERE kind = 'RESEND' AND status IN ('PENDING', 'LEASED');
CREATE UNIQUE INDEX outbox_codes_left_is_open_once
	ON cms.outbox (org_id, offer_id, poc_id) WHERE kind = 'CODES_LEFT' AND status IN ('PENDING', 'LEASED');
CREATE INDEX outbox_open ON cms.outbox (org_id, channel, next_attempt_at, message_id)
	WHERE status IN ('PENDING', 'LEASED');
CREATE INDEX outbox_open_of_a_customer ON cms.outbox (org_id, customer_id, channel, message_id)
	WHERE status IN ('PENDING', 'LEASED') AND customer_id IS NOT NULL;
CREATE INDEX outbox_finished ON cms.outbox (org_id, done_at, message_id) WHERE done_at IS NOT NULL;

COMMENT ON TABLE cms.outbox IS 'One row per message: reminders, notices and resends to customers, reminders to points of contact. Queued by the sweeps and by cms_resend, taken by senders (F43). Written by the actions only.';
COMMENT ON COLUMN cms.outbox.org_id IS 'The org.';
COMMENT ON COLUMN cms.outbox.message_id IS 'Number of the message. Of one customer and channel the smaller goes out first.';
COMMENT ON COLUMN cms.outbox.kind IS 'REMINDER (before a coupon expires), EXPIRY_NOTICE (it has expired), RESEND (it is sent again), OFFER_REMINDER (an offer is about to end), CODES_LEFT (an offer runs out of codes).';
COMMENT ON COLUMN cms.outbox.channel IS 'SMS, EMAIL or any channel the org''s senders know; each sender takes the messages of one.';
COMMENT ON COLUMN cms.outbox.status IS 'PENDING, LEASED (a sender has it), DONE (delivered), DEAD (failed too often) or CANCELLED (it no longer applied when a sender was to take it).';
COMMENT ON COLUMN cms.outbox.offer_id IS 'The offer it is about.';
COMMENT ON COLUMN cms.outbox.coupon_id IS 'The coupon it is about; NULL: it is about the offer.';
COMMENT ON COLUMN cms.outbox.customer_id IS 'The customer it goes to; NULL: it goes to a point of contact.';
COMMENT ON COLUMN cms.outbox.reminder_id IS 'REMINDER: the row of offer_reminder.';
COMMENT ON COLUMN cms.outbox.poc_id IS 'OFFER_REMINDER, CODES_LEFT: the point of contact it goes to.';
COMMENT ON COLUMN cms.outbox.days_before IS 'REMINDER, OFFER_REMINDER: days before for_day on which it was due when it was queued.';
COMMENT ON COLUMN cms.outbox.for_day IS 'REMINDER, EXPIRY_NOTICE: the coupon''s last day; OFFER_REMINDER: the offer''s.';
COMMENT ON COLUMN cms.outbox.due_at IS 'From when it may be sent.';
COMMENT ON COLUMN cms.outbox.send_before IS 'From when it is too late to send it (exclusive); NULL: any time.';
COMMENT ON COLUMN cms.outbox.next_attempt_at IS 'From when a sender can take it: when it is due, when the lease ends, or after the delay that follows a failure.';
COMMENT ON COLUMN cms.outbox.attempts IS 'How often a sender has taken it.';
COMMENT ON COLUMN cms.outbox.lease IS 'The lease under which it was taken last: one number for all messages of a batch.';
COMMENT ON COLUMN cms.outbox.payload IS 'What the sender was given when it took it last, with the content; NULL: not taken yet.';
COMMENT ON COLUMN cms.outbox.reason IS 'CANCELLED: why it was not sent.';
COMMENT ON COLUMN cms.outbox.last_error IS 'What the sender said when it failed last.';
COMMENT ON COLUMN cms.outbox.queued_at IS 'When it was queued.';
COMMENT ON COLUMN cms.outbox.done_at IS 'When it was delivered, given up or cancelled; NULL: it is on its way.';
