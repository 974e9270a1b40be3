-- What senders call (F43).

CREATE TYPE cms.cms_outbox_message AS (
	message_id bigint, lease bigint, attempt int, leased_until timestamptz, kind text, customer_id text,
	poc_name text, poc_email text, content text, payload jsonb);
COMMENT ON TYPE cms.cms_outbox_message IS 'Row of cms_outbox_take: a message to deliver.';
COMMENT ON COLUMN cms.cms_outbox_message.message_id IS 'The message, by which it is acknowledged.';
COMMENT ON COLUMN cms.cms_outbox_message.lease IS 'The lease under which it is taken: one number for all messages of the call.';
COMMENT ON COLUMN cms.cms_outbox_message.attempt IS 'How often it has been taken, this time counted.';
COMMENT ON COLUMN cms.cms_outbox_message.leased_until IS 'Until when no other sender takes it.';
COMMENT ON COLUMN cms.cms_outbox_message.kind IS 'REMINDER, EXPIRY_NOTICE, RESEND, OFFER_REMINDER or CODES_LEFT.';
COMMENT ON COLUMN cms.cms_outbox_message.customer_id IS 'The customer it goes to, whose address the sender knows; NULL: it goes to a point of contact.';
COMMENT ON COLUMN cms.cms_outbox_message.poc_name IS 'Name of the point of contact.';
COMMENT ON COLUMN cms.cms_outbox_message.poc_email IS 'Address of the point of contact.';
COMMENT ON COLUMN cms.cms_outbox_message.content IS 'The text, placeholders filled in.';
COMMENT ON COLUMN cms.cms_outbox_message.payload IS 'All that is known, as JSON.';

CREATE FUNCTION cms.cms_outbox_take(
	channel text, how_many int DEFAULT 100, lease interval DEFAULT '5 minutes', max_attempts int DEFAULT 10,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_outbox_message
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_outbox_take';
COMMENT ON FUNCTION cms.cms_outbox_take(text, int, interval, int, timestamptz, int) IS
'Hands out messages of a channel that are due, at most how_many (1 to 10000), in the order in which
they became due; nobody else is given them until the lease ends (above 0, at most 31 days) (F43). A
message is only taken while no earlier one of the same customer and channel is open. What no longer
applies is cancelled instead, what is due at another time by now is put off, and what was taken
max_attempts times without an answer is dead. Commit before delivering. Any number may run at once,
past each other.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE TYPE cms.cms_outbox_result AS (
	message_id bigint, accepted boolean, reason text, message text, status text, next_attempt_at timestamptz,
	replayed boolean);
COMMENT ON TYPE cms.cms_outbox_result IS 'Row of cms_outbox_done, cms_outbox_failed and cms_outbox_retry: one per id, in their order.';
COMMENT ON COLUMN cms.cms_outbox_result.message_id IS 'The message.';
COMMENT ON COLUMN cms.cms_outbox_result.accepted IS 'Whether it is as the caller says.';
COMMENT ON COLUMN cms.cms_outbox_result.reason IS 'Why not: MESSAGE_NOT_FOUND, NOT_TAKEN, LEASE_LOST, NOT_DEAD; NULL: accepted.';
COMMENT ON COLUMN cms.cms_outbox_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_outbox_result.status IS 'Its status now; NULL: there is no such message.';
COMMENT ON COLUMN cms.cms_outbox_result.next_attempt_at IS 'From when a sender can take it; NULL: it is not on its way.';
COMMENT ON COLUMN cms.cms_outbox_result.replayed IS 'Whether it was so before.';

CREATE FUNCTION cms.cms_outbox_done(
	ids bigint[], lease bigint DEFAULT NULL, at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_outbox_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_outbox_done';
COMMENT ON FUNCTION cms.cms_outbox_done(bigint[], bigint, timestamptz, int) IS
'Says that messages were delivered (F43). It holds whoever has the lease by now: what was delivered
is not sent again. lease: that of cms_outbox_take; NULL: any. Said again it answers the same, marked
replayed.
Reasons: MESSAGE_NOT_FOUND, NOT_TAKEN, LEASE_LOST for one that was cancelled since or never had this
lease.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE FUNCTION cms.cms_outbox_failed(
	ids bigint[], error text DEFAULT NULL, lease bigint DEFAULT NULL, max_attempts int DEFAULT 10,
	delay interval DEFAULT '1 minute', at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_outbox_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_outbox_failed';
COMMENT ON FUNCTION cms.cms_outbox_failed(bigint[], text, bigint, int, interval, timestamptz, int) IS
'Says that messages could not be delivered, and why (F43). They come back after a delay that doubles
with each failure, up to a day, and of which between half and all is waited; the same message and
attempt wait the same each time. After max_attempts they are DEAD, at once with 1. delay: that after
the first failure (0 to 31 days). lease: that of cms_outbox_take; with another, or when the message
was answered or cancelled since, it is LEASE_LOST and nothing changes; NULL: whoever has it. Said
again it answers the same, marked replayed.
Reasons: MESSAGE_NOT_FOUND, NOT_TAKEN, LEASE_LOST.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE FUNCTION cms.cms_outbox_retry(
	ids bigint[], at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_outbox_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_outbox_retry';
COMMENT ON FUNCTION cms.cms_outbox_retry(bigint[], timestamptz, int) IS
'Brings dead messages back, as if they had never been tried, and lets those that wait after a failure
be taken at once (F43). When they are taken they are looked at like all others.
Reasons: MESSAGE_NOT_FOUND, NOT_DEAD.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

-- Sending a coupon again (F21), and changing when coupons end (F23).

CREATE TYPE cms.cms_resend_result AS (
	code text, queued boolean, reason text, message text, message_id bigint, offer_id bigint, coupon_id bigint,
	replayed boolean);
COMMENT ON TYPE cms.cms_resend_result IS 'Row of cms_resend.';
COMMENT ON COLUMN cms.cms_resend_result.code IS 'The code as it is stored; as it came where it cannot be one.';
COMMENT ON COLUMN cms.cms_resend_result.queued IS 'Whether a message with the coupon is on its way.';
COMMENT ON COLUMN cms.cms_resend_result.reason IS 'Why not, the first that holds; NULL: queued.';
COMMENT ON COLUMN cms.cms_resend_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_resend_result.message_id IS 'The message in cms.outbox.';
COMMENT ON COLUMN cms.cms_resend_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_resend_result.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.cms_resend_result.replayed IS 'Whether the message was on its way before.';

CREATE FUNCTION cms.cms_resend(
	code text, customer_id text, channel text DEFAULT 'SMS',
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS cms.cms_resend_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_resend';
COMMENT ON FUNCTION cms.cms_resend(text, text, text, timestamptz, int) IS
'Queues a message that sends a coupon to its holder once more, with the offer''s resend_content
(F21). Nothing is issued. While such a message of the coupon is on its way on the channel, the same
again answers it, marked replayed.
Reasons, the first that holds: CODE_NOT_FOUND, COUPON_REVOKED, NOT_ISSUED, COUPON_EXPIRED,
NOT_THE_HOLDER, ALREADY_REDEEMED, RESEND_NOT_ALLOWED.
Errors: 22004 and 22023 arguments; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';

CREATE TYPE cms.cms_change_expiry_result AS (
	line bigint, code text, customer_id text, changed boolean, reason text, message text, offer_id bigint, coupon_id bigint,
	old_expires_at timestamptz, expires_at timestamptz, replayed boolean);
COMMENT ON TYPE cms.cms_change_expiry_result IS 'Row of cms_change_expiry: one per code.';
COMMENT ON COLUMN cms.cms_change_expiry_result.line IS 'Place of the code in the array, from 1.';
COMMENT ON COLUMN cms.cms_change_expiry_result.code IS 'The code as it is stored; as it came where it cannot be one.';
COMMENT ON COLUMN cms.cms_change_expiry_result.customer_id IS 'The customer that was named.';
COMMENT ON COLUMN cms.cms_change_expiry_result.changed IS 'Whether the coupon ends as asked for.';
COMMENT ON COLUMN cms.cms_change_expiry_result.reason IS 'Why not, the first that holds; NULL: changed.';
COMMENT ON COLUMN cms.cms_change_expiry_result.message IS 'The reason in a sentence.';
COMMENT ON COLUMN cms.cms_change_expiry_result.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.cms_change_expiry_result.coupon_id IS 'The coupon.';
COMMENT ON COLUMN cms.cms_change_expiry_result.old_expires_at IS 'When it ended before (exclusive), the offer''s end considered; NULL: never, or refused.';
COMMENT ON COLUMN cms.cms_change_expiry_result.expires_at IS 'When it ends now, likewise.';
COMMENT ON COLUMN cms.cms_change_expiry_result.replayed IS 'Whether it ended so before.';

CREATE FUNCTION cms.cms_change_expiry(
	codes text[], expires_on date, customer_ids text[] DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS SETOF cms.cms_change_expiry_result
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_change_expiry';
COMMENT ON FUNCTION cms.cms_change_expiry(text[], date, text[], timestamptz, int) IS
'Gives issued coupons another last day, forward or back, expired ones too, a row per code in their
order (F23). expires_on NULL: no end of their own, so they end with the offer. customer_ids, where
given, is as long as codes: a common code needs one, elsewhere it must be the holder.
Reasons, the first that holds: CODE_NOT_FOUND, COUPON_REVOKED, NOT_ISSUED, NOT_THE_HOLDER,
BEFORE_ISSUE, BEYOND_OFFER unless coupons outlive the offer. The same again changes nothing and is
marked replayed.
Errors: 22004 codes or one of them NULL; 22023 arrays of different length or more than one
dimension, a date out of range; 40001 under REPEATABLE READ and SERIALIZABLE when another
transaction was faster: try again.';
