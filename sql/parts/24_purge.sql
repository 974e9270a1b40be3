-- What is left of coupons that were purged, and how far purging is.

CREATE TABLE cms.purged_coupon (
	org_id          int    NOT NULL,
	offer_id        bigint NOT NULL,
	issued_on       date   NOT NULL,
	coupons         bigint NOT NULL,
	first_issued_at timestamptz NOT NULL,
	last_issued_at  timestamptz NOT NULL,
	CONSTRAINT purged_coupon_pkey PRIMARY KEY (org_id, offer_id, issued_on)
);
COMMENT ON TABLE cms.purged_coupon IS 'How many issued coupons of each offer and day cms_purge has removed, so that reports by day stay right; none of them was ever redeemed. Written by cms_purge only.';
COMMENT ON COLUMN cms.purged_coupon.org_id IS 'The org.';
COMMENT ON COLUMN cms.purged_coupon.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.purged_coupon.issued_on IS 'Day of their issue, in the zone that the org had when they were purged.';
COMMENT ON COLUMN cms.purged_coupon.coupons IS 'How many were issued on the day and purged.';
COMMENT ON COLUMN cms.purged_coupon.first_issued_at IS 'When the first of them was issued.';
COMMENT ON COLUMN cms.purged_coupon.last_issued_at IS 'When the last of them was issued.';

-- A call removes a bounded number, so the next one has to know where to go on. Without this each would look at
-- all that had to stay, such as what was redeemed, again.
CREATE TABLE cms.offer_purge (
	org_id          int    NOT NULL,
	offer_id        bigint NOT NULL,
	offer_ends_at   timestamptz,
	phase           int    NOT NULL DEFAULT 0,
	upto            timestamptz NOT NULL DEFAULT '-infinity',
	after_end       timestamptz NOT NULL DEFAULT '-infinity',
	after_coupon_id bigint NOT NULL DEFAULT 0,
	passed_over     boolean NOT NULL DEFAULT false,
	purged_upto     timestamptz NOT NULL DEFAULT '-infinity',
	is_reduced      boolean NOT NULL DEFAULT false,
	CONSTRAINT offer_purge_pkey PRIMARY KEY (org_id, offer_id)
);
COMMENT ON TABLE cms.offer_purge IS 'How far cms_purge is with an offer that has ended or is archived. Written by cms_purge only.';
COMMENT ON COLUMN cms.offer_purge.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_purge.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_purge.offer_ends_at IS 'End of the offer when it was looked at; NULL: none. With another end all is looked at again.';
COMMENT ON COLUMN cms.offer_purge.phase IS 'What is looked at: 1 stock, 2 and 3 issued coupons with and without an end of their own, 4 and 5 revoked ones likewise; 0: nothing.';
COMMENT ON COLUMN cms.offer_purge.upto IS 'Coupons that ended before this are looked at; infinity: all, because the offer''s end ends them all.';
COMMENT ON COLUMN cms.offer_purge.after_end IS 'Own end of the last coupon looked at.';
COMMENT ON COLUMN cms.offer_purge.after_coupon_id IS 'Number of that coupon.';
COMMENT ON COLUMN cms.offer_purge.passed_over IS 'Whether a coupon was left that another transaction had locked, or that a hold had reserved until then.';
COMMENT ON COLUMN cms.offer_purge.purged_upto IS 'Nothing that ended before this is left to purge; infinity: nothing at all.';
COMMENT ON COLUMN cms.offer_purge.is_reduced IS 'Whether issued coupons were purged: the offer gives out no more, as if it were archived, because nothing tells any longer who has received how many.';
