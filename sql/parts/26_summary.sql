-- What reports need at millions of coupons (F48): numbers of each offer by day, refreshed by cms_refresh_summary.
-- Derived, and counted anew from coupons and redemptions whenever an offer's counters have changed.

CREATE TABLE cms.summary_offer (
	org_id       int    NOT NULL,
	offer_id     bigint NOT NULL,
	fingerprint  text COLLATE "C" NOT NULL,
	refreshed_at timestamptz NOT NULL,
	took         interval NOT NULL,
	CONSTRAINT summary_offer_pkey PRIMARY KEY (org_id, offer_id)
);
COMMENT ON TABLE cms.summary_offer IS 'When each offer was summarised last. Written by cms_refresh_summary only.';
COMMENT ON COLUMN cms.summary_offer.org_id IS 'The org.';
COMMENT ON COLUMN cms.summary_offer.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.summary_offer.fingerprint IS 'Digest of where the offer''s counters were, and of the org''s zone: while it is the same, nothing was issued, redeemed or reversed.';
COMMENT ON COLUMN cms.summary_offer.refreshed_at IS 'The server''s time when the refresh began: the summary has all that was committed before.';
COMMENT ON COLUMN cms.summary_offer.took IS 'How long it took.';

CREATE TABLE cms.issue_summary (
	org_id      int    NOT NULL,
	offer_id    bigint NOT NULL,
	day         date   NOT NULL,
	issued      bigint NOT NULL,
	redeemed    bigint NOT NULL,
	redeemed_within_1_day   bigint NOT NULL,
	redeemed_within_7_days  bigint NOT NULL,
	redeemed_within_30_days bigint NOT NULL,
	days_to_use bigint NOT NULL,
	uses        bigint NOT NULL,
	discount    numeric NOT NULL,
	bill_amount numeric NOT NULL,
	CONSTRAINT issue_summary_pkey PRIMARY KEY (org_id, offer_id, day)
);
COMMENT ON TABLE cms.issue_summary IS 'Coupons of an offer by the day of their issue, and what became of them. Written by cms_refresh_summary only.';
COMMENT ON COLUMN cms.issue_summary.org_id IS 'The org.';
COMMENT ON COLUMN cms.issue_summary.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.issue_summary.day IS 'Day of the issue, in the org''s zone.';
COMMENT ON COLUMN cms.issue_summary.issued IS 'Coupons issued on the day, revoked and purged ones counted.';
COMMENT ON COLUMN cms.issue_summary.redeemed IS 'Those of them that have a live use.';
COMMENT ON COLUMN cms.issue_summary.redeemed_within_1_day IS 'Those whose first live use was on the day of the issue or the next.';
COMMENT ON COLUMN cms.issue_summary.redeemed_within_7_days IS 'Those whose first live use was at most 7 days later.';
COMMENT ON COLUMN cms.issue_summary.redeemed_within_30_days IS 'Those whose first live use was at most 30 days later.';
COMMENT ON COLUMN cms.issue_summary.days_to_use IS 'Days from the issue to the first live use, summed over those redeemed.';
COMMENT ON COLUMN cms.issue_summary.uses IS 'Live uses of them, whenever.';
COMMENT ON COLUMN cms.issue_summary.discount IS 'Discount of these uses.';
COMMENT ON COLUMN cms.issue_summary.bill_amount IS 'Amount of their bills.';

CREATE TABLE cms.use_summary (
	org_id      int    NOT NULL,
	offer_id    bigint NOT NULL,
	day         date   NOT NULL,
	store_id    text COLLATE "C" NOT NULL,
	uses        bigint NOT NULL,
	discount    numeric NOT NULL,
	bill_amount numeric NOT NULL,
	eligible_amount numeric NOT NULL,
	reversed    bigint NOT NULL,
	seconds_since_issue numeric NOT NULL,
	CONSTRAINT use_summary_pkey PRIMARY KEY (org_id, offer_id, day, store_id)
);
COMMENT ON TABLE cms.use_summary IS 'Redemptions of an offer by day and store. Written by cms_refresh_summary only.';
COMMENT ON COLUMN cms.use_summary.org_id IS 'The org.';
COMMENT ON COLUMN cms.use_summary.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.use_summary.day IS 'Day of the redemptions, in the org''s zone.';
COMMENT ON COLUMN cms.use_summary.store_id IS 'The store; empty: none was named.';
COMMENT ON COLUMN cms.use_summary.uses IS 'Live uses.';
COMMENT ON COLUMN cms.use_summary.discount IS 'Their discount.';
COMMENT ON COLUMN cms.use_summary.bill_amount IS 'Amount of their bills.';
COMMENT ON COLUMN cms.use_summary.eligible_amount IS 'Amount that their discount was computed on.';
COMMENT ON COLUMN cms.use_summary.reversed IS 'Redemptions of the day that were reversed since.';
COMMENT ON COLUMN cms.use_summary.seconds_since_issue IS 'Time from the issue to the use, summed over the live uses.';

CREATE SEQUENCE cms.summary_mark_id_seq;
COMMENT ON SEQUENCE cms.summary_mark_id_seq IS 'Numbers of marks.';
CREATE TABLE cms.summary_mark (
	org_id   int    NOT NULL,
	offer_id bigint NOT NULL,
	mark_id  bigint NOT NULL,
	CONSTRAINT summary_mark_pkey PRIMARY KEY (org_id, offer_id, mark_id)
);
ALTER SEQUENCE cms.summary_mark_id_seq OWNED BY cms.summary_mark.mark_id;
COMMENT ON TABLE cms.summary_mark IS 'Offers whose summary changes though their counters do not: a redemption was given another store. Written by actions only.';
COMMENT ON COLUMN cms.summary_mark.org_id IS 'The org.';
COMMENT ON COLUMN cms.summary_mark.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.summary_mark.mark_id IS 'Number of the mark: a row for each change, so that nobody waits for another.';
