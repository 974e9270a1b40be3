-- How far the sweeps are (F40 to F42). What they look at are ranges of coupons that end on one day, along the index
-- coupon_of_an_offer; nothing is written on the coupons.

CREATE TABLE cms.reminder_pass (
	org_id      int    NOT NULL,
	offer_id    bigint NOT NULL,
	reminder_id bigint NOT NULL,
	for_day     date   NOT NULL,
	due_at      timestamptz NOT NULL,
	send_before timestamptz NOT NULL,
	state_seen  bigint NOT NULL,
	done        boolean NOT NULL DEFAULT false,
	at_end      timestamptz NOT NULL DEFAULT '-infinity',
	at_coupon   bigint NOT NULL DEFAULT 0,
	looked_at   bigint NOT NULL DEFAULT 0,
	queued      bigint NOT NULL DEFAULT 0,
	busy        interval NOT NULL DEFAULT '0',
	next_pass_at timestamptz,
	CONSTRAINT reminder_pass_pkey PRIMARY KEY (org_id, offer_id, reminder_id, for_day)
) WITH (fillfactor = 70);
CREATE INDEX reminder_pass_open ON cms.reminder_pass (org_id, offer_id, reminder_id, for_day) WHERE NOT done;
CREATE INDEX reminder_pass_by_end ON cms.reminder_pass (org_id, send_before);
COMMENT ON TABLE cms.reminder_pass IS 'A row per reminder and day of the coupons'' end, from when it falls due until it is too late: how far the sweep has gone through these coupons (F41). Written by the sweeps only.';
COMMENT ON COLUMN cms.reminder_pass.org_id IS 'The org.';
COMMENT ON COLUMN cms.reminder_pass.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.reminder_pass.reminder_id IS 'The row of offer_reminder.';
COMMENT ON COLUMN cms.reminder_pass.for_day IS 'Last day of the coupons that it is about.';
COMMENT ON COLUMN cms.reminder_pass.due_at IS 'When the reminder fell due.';
COMMENT ON COLUMN cms.reminder_pass.send_before IS 'The end of that day, in the org''s zone: from then on it is too late.';
COMMENT ON COLUMN cms.reminder_pass.state_seen IS 'Digest of what decides which coupons there are, taken before the pass began; where it has changed there is another pass.';
COMMENT ON COLUMN cms.reminder_pass.done IS 'Whether the pass is finished.';
COMMENT ON COLUMN cms.reminder_pass.at_end IS 'Own end of the coupons it has come to; infinity: those without one.';
COMMENT ON COLUMN cms.reminder_pass.at_coupon IS 'The last coupon of that end it has looked at.';
COMMENT ON COLUMN cms.reminder_pass.looked_at IS 'Coupons looked at, in all passes.';
COMMENT ON COLUMN cms.reminder_pass.queued IS 'Messages queued, in all passes.';
COMMENT ON COLUMN cms.reminder_pass.busy IS 'Time that this pass has taken.';
COMMENT ON COLUMN cms.reminder_pass.next_pass_at IS 'From when another pass may begin: passes take at most a twentieth of the time. NULL: the first is not finished.';

CREATE TABLE cms.offer_expiry (
	org_id     int    NOT NULL,
	offer_id   bigint NOT NULL,
	ended_on   date   NOT NULL,
	ended      bigint NOT NULL DEFAULT 0,
	unredeemed bigint NOT NULL DEFAULT 0,
	notified   bigint NOT NULL DEFAULT 0,
	notify     boolean NOT NULL,
	counted_at timestamptz,
	range_from timestamptz NOT NULL,
	range_to   timestamptz NOT NULL,
	done       boolean NOT NULL DEFAULT false,
	at_end     timestamptz NOT NULL DEFAULT '-infinity',
	at_coupon  bigint NOT NULL DEFAULT 0,
	ended_so_far bigint NOT NULL DEFAULT 0,
	unredeemed_so_far bigint NOT NULL DEFAULT 0,
	state_seen bigint,
	recount_at timestamptz,
	CONSTRAINT offer_expiry_pkey PRIMARY KEY (org_id, offer_id, ended_on)
) WITH (fillfactor = 70);
CREATE INDEX offer_expiry_open ON cms.offer_expiry (org_id, offer_id, ended_on) WHERE NOT done;
CREATE INDEX offer_expiry_again ON cms.offer_expiry (org_id, recount_at) WHERE recount_at IS NOT NULL;
COMMENT ON TABLE cms.offer_expiry IS 'The books of what has ended: a row per offer and day on which coupons of it ended (F40). Kept by cms_sweep_expired.';
COMMENT ON COLUMN cms.offer_expiry.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_expiry.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_expiry.ended_on IS 'Effective last day of the coupons, in the org''s zone.';
COMMENT ON COLUMN cms.offer_expiry.ended IS 'Issued coupons that ended on the day and are not revoked, as of counted_at.';
COMMENT ON COLUMN cms.offer_expiry.unredeemed IS 'Those of them without a live use.';
COMMENT ON COLUMN cms.offer_expiry.notified IS 'Expiry notices queued.';
COMMENT ON COLUMN cms.offer_expiry.notify IS 'Whether the offer wanted expiry notices when the day was first swept.';
COMMENT ON COLUMN cms.offer_expiry.counted_at IS 'When they were counted last; NULL: not to the end yet.';
COMMENT ON COLUMN cms.offer_expiry.range_from IS 'The day begins (exclusive): own ends from here on count.';
COMMENT ON COLUMN cms.offer_expiry.range_to IS 'The last own end that counts; infinity: all later ones and coupons without one, because the offer ended on the day.';
COMMENT ON COLUMN cms.offer_expiry.done IS 'Whether they are counted; if not, a sweep is at it, or will be.';
COMMENT ON COLUMN cms.offer_expiry.at_end IS 'Own end of the coupons the sweep has come to; infinity: those without one.';
COMMENT ON COLUMN cms.offer_expiry.at_coupon IS 'The last coupon of that end it has counted.';
COMMENT ON COLUMN cms.offer_expiry.ended_so_far IS 'What it has counted.';
COMMENT ON COLUMN cms.offer_expiry.unredeemed_so_far IS 'Those of them without a live use.';
COMMENT ON COLUMN cms.offer_expiry.state_seen IS 'Digest of the offer''s counters, taken before the count began.';
COMMENT ON COLUMN cms.offer_expiry.recount_at IS 'When the counters are looked at once more, for what was under way at the end; NULL: that is done.';

CREATE SEQUENCE cms.expiry_mark_id_seq CACHE 32;
COMMENT ON SEQUENCE cms.expiry_mark_id_seq IS 'Numbers of marks.';
CREATE TABLE cms.expiry_mark (
	org_id   int    NOT NULL,
	mark_id  bigint NOT NULL DEFAULT pg_catalog.nextval('cms.expiry_mark_id_seq'),
	offer_id bigint NOT NULL,
	ended_at timestamptz NOT NULL,
	CONSTRAINT expiry_mark_pkey PRIMARY KEY (org_id, mark_id)
);
ALTER SEQUENCE cms.expiry_mark_id_seq OWNED BY cms.expiry_mark.mark_id;
COMMENT ON TABLE cms.expiry_mark IS 'Days whose coupons changed after their end, to be counted again: written by redemptions, reversals and revocations that come late and by changes of ends, removed by cms_sweep_expired.';
COMMENT ON COLUMN cms.expiry_mark.org_id IS 'The org.';
COMMENT ON COLUMN cms.expiry_mark.mark_id IS 'Number of the mark.';
COMMENT ON COLUMN cms.expiry_mark.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.expiry_mark.ended_at IS 'The effective end of the coupon.';

CREATE TABLE cms.sweep_offer (
	org_id       int    NOT NULL,
	offer_id     bigint NOT NULL,
	version      bigint NOT NULL DEFAULT 0,
	offer_end    timestamptz,
	booked_until timestamptz NOT NULL DEFAULT '-infinity',
	CONSTRAINT sweep_offer_pkey PRIMARY KEY (org_id, offer_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE cms.sweep_offer IS 'How far the books of an offer are. Written by the sweeps only.';
COMMENT ON COLUMN cms.sweep_offer.org_id IS 'The org.';
COMMENT ON COLUMN cms.sweep_offer.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.sweep_offer.version IS 'Version of the offer for which the books are right.';
COMMENT ON COLUMN cms.sweep_offer.offer_end IS 'End of the offer in that version, where it binds coupons; NULL: it does not, or there is none.';
COMMENT ON COLUMN cms.sweep_offer.booked_until IS 'All ends up to here have a row in offer_expiry.';

CREATE TABLE cms.codes_left_told (
	org_id   int    NOT NULL,
	offer_id bigint NOT NULL,
	told_at  timestamptz NOT NULL,
	CONSTRAINT codes_left_told_pkey PRIMARY KEY (org_id, offer_id)
);
COMMENT ON TABLE cms.codes_left_told IS 'Offers whose points of contact were told that few codes are left, until there are more again (F42). Written by the sweeps only.';
COMMENT ON COLUMN cms.codes_left_told.org_id IS 'The org.';
COMMENT ON COLUMN cms.codes_left_told.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.codes_left_told.told_at IS 'When they were told.';

CREATE TABLE cms.sweep_run (
	org_id      int  NOT NULL,
	sweep       text COLLATE "C" NOT NULL,
	last_run_at timestamptz NOT NULL,
	last_rows   bigint NOT NULL,
	last_duration interval NOT NULL,
	last_work_at timestamptz,
	rows_in_all bigint NOT NULL,
	all_done_at timestamptz,
	CONSTRAINT sweep_run_pkey PRIMARY KEY (org_id, sweep)
) WITH (fillfactor = 50);
COMMENT ON TABLE cms.sweep_run IS 'When each sweep, purging and the refresh of summaries ran last for an org: one row for each, so that it never grows. Written by them only.';
COMMENT ON COLUMN cms.sweep_run.org_id IS 'The org.';
COMMENT ON COLUMN cms.sweep_run.sweep IS 'HOLDS, EXPIRED, REMINDERS or OFFER_REMINDERS; PURGE, SUMMARY.';
COMMENT ON COLUMN cms.sweep_run.last_run_at IS 'The server''s time at which it ran last.';
COMMENT ON COLUMN cms.sweep_run.last_rows IS 'Rows that it did; offers refreshed by SUMMARY.';
COMMENT ON COLUMN cms.sweep_run.last_duration IS 'How long that took.';
COMMENT ON COLUMN cms.sweep_run.last_work_at IS 'When it last had something to do.';
COMMENT ON COLUMN cms.sweep_run.rows_in_all IS 'Rows that it has done since the org exists.';
COMMENT ON COLUMN cms.sweep_run.all_done_at IS 'PURGE, SUMMARY: the last run that left nothing to do; NULL: none has yet, or a sweep.';
