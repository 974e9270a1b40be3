-- Offers and the lists that belong to them.

CREATE SEQUENCE cms.offer_id_seq;
COMMENT ON SEQUENCE cms.offer_id_seq IS 'Numbers of offers.';

-- A default that is NULL says to programs that read the catalogs that the trigger fills the column.
CREATE TABLE cms.offer (
	org_id       int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id     bigint NOT NULL DEFAULT pg_catalog.nextval('cms.offer_id_seq'),
	code         text COLLATE "C" NOT NULL DEFAULT NULLIF('', ''),
	name         text   NOT NULL,
	pos_code     text,
	owner_service text COLLATE "C",
	owner_ref    text COLLATE "C",
	status       text COLLATE "C" NOT NULL DEFAULT 'ACTIVE',
	expiry_type  text COLLATE "C" NOT NULL DEFAULT NULLIF('', ''),
	expires_on   date,
	discount_type  text COLLATE "C" NOT NULL,
	discount_value numeric NOT NULL,
	discount_cap   numeric,
	product_scope  text COLLATE "C" NOT NULL DEFAULT 'ALL_PRODUCTS',
	sale_items     boolean NOT NULL DEFAULT false,
	delivery       text COLLATE "C" NOT NULL DEFAULT 'INTERNAL',
	code_method    text COLLATE "C" NOT NULL DEFAULT 'GENERATED',
	code_length    int  NOT NULL DEFAULT 12,
	code_charset   text COLLATE "C" NOT NULL DEFAULT 'UNAMBIGUOUS',
	code_prefix    text COLLATE "C",
	code_suffix    text COLLATE "C",
	allow_dense_codes boolean NOT NULL DEFAULT false,
	common_code    text COLLATE "C",
	sample_code    text COLLATE "C",
	coupon_expiry_type  text COLLATE "C" NOT NULL DEFAULT 'WITH_OFFER',
	coupon_expiry_value int,
	outlives_offer boolean NOT NULL DEFAULT false,
	audience_only  boolean NOT NULL DEFAULT false,
	max_issued     bigint,
	max_issued_per_customer int,
	min_days_between_issues int,
	past_issue_months int  NOT NULL DEFAULT 6,
	resend_allowed boolean NOT NULL DEFAULT false,
	resend_content text,
	reissue        text COLLATE "C" NOT NULL DEFAULT 'NEW',
	anyone_may_redeem boolean NOT NULL DEFAULT false,
	starts_after_days int,
	starts_on      date,
	max_uses_per_coupon int DEFAULT 1,
	max_uses_per_customer_and_coupon int,
	max_uses_per_customer int,
	min_days_between_uses int,
	max_redemptions bigint,
	max_discount_total numeric,
	min_bill       numeric,
	max_bill       numeric,
	store_scope    text COLLATE "C" NOT NULL DEFAULT 'ANY_STORE',
	reversal_restores_use boolean NOT NULL DEFAULT true,
	expiry_notice  boolean NOT NULL DEFAULT false,
	codes_left_alert bigint,
	created_by     text NOT NULL DEFAULT NULLIF('', ''),
	created_at     timestamptz NOT NULL DEFAULT NULLIF(pg_catalog.now(), pg_catalog.now()),
	modified_by    text NOT NULL DEFAULT NULLIF('', ''),
	modified_at    timestamptz NOT NULL DEFAULT NULLIF(pg_catalog.now(), pg_catalog.now()),
	CONSTRAINT offer_id_is_unique_in_the_org PRIMARY KEY (org_id, offer_id),
	CONSTRAINT offer_belongs_to_an_org FOREIGN KEY (org_id) REFERENCES cms.org,
	CONSTRAINT offer_code_is_unique_in_the_org UNIQUE (org_id, code),
	CONSTRAINT offer_name_must_not_be_blank CHECK (name ~ '[^[:space:]]'),
	CONSTRAINT offer_status_must_be_active_or_archived CHECK (status IN ('ACTIVE', 'ARCHIVED')),
	CONSTRAINT offer_owner_service_must_be_a_service
		CHECK (owner_service IN ('OUTBOUND', 'TIMELINE', 'DVS', 'LOYALTY', 'EXTERNAL')),
	CONSTRAINT offer_owner_ref_needs_owner_service CHECK (owner_ref IS NULL OR owner_service IS NOT NULL),
	CONSTRAINT offer_expiry_type_must_match_expires_on CHECK (
		CASE expiry_type WHEN 'FIXED_DATE' THEN expires_on IS NOT NULL
		                 WHEN 'WITH_CAMPAIGN' THEN expires_on IS NULL
		                 ELSE false END),
	CONSTRAINT offer_discount_type_must_be_fixed_amount_or_percentage
		CHECK (discount_type IN ('FIXED_AMOUNT', 'PERCENTAGE')),
	CONSTRAINT offer_discount_value_must_be_positive_and_at_most_100_percent CHECK (
		discount_value > 0 AND discount_value < 'Infinity'
		AND (discount_type <> 'PERCENTAGE' OR discount_value <= 100)),
	CONSTRAINT offer_discount_cap_must_be_positive CHECK (discount_cap > 0 AND discount_cap < 'Infinity'),
	CONSTRAINT offer_product_scope_must_be_all_or_selected_products
		CHECK (product_scope IN ('ALL_PRODUCTS', 'SELECTED_PRODUCTS')),
	CONSTRAINT offer_delivery_must_be_internal_or_third_party CHECK (delivery IN ('INTERNAL', 'THIRD_PARTY')),
	CONSTRAINT offer_code_method_must_match_its_columns CHECK (
		CASE code_method WHEN 'GENERATED'  THEN common_code IS NULL AND sample_code IS NULL
		                 WHEN 'UPLOADED'   THEN common_code IS NULL AND sample_code IS NULL
		                 WHEN 'COMMON'     THEN common_code IS NOT NULL AND sample_code IS NULL
		                 WHEN 'RANDOMISED' THEN common_code IS NULL AND sample_code IS NOT NULL
		                                        AND owner_service IS NULL AND NOT audience_only
		                 ELSE false END),
	CONSTRAINT offer_code_length_must_be_1_to_40 CHECK (code_length BETWEEN 1 AND 40),
	CONSTRAINT offer_code_charset_must_be_known
		CHECK (code_charset IN ('NUMERIC', 'ALPHANUMERIC', 'UNAMBIGUOUS')),
	CONSTRAINT offer_coupon_expiry_type_must_match_its_value CHECK (
		CASE coupon_expiry_type WHEN 'WITH_OFFER' THEN coupon_expiry_value IS NULL
		                        WHEN 'DAYS'       THEN coupon_expiry_value BETWEEN 0 AND 36500
		                        WHEN 'MONTH_ENDS' THEN coupon_expiry_value BETWEEN 0 AND 1200
		                        ELSE false END),
	CONSTRAINT offer_issue_limits_must_not_be_negative CHECK (
		(max_issued IS NULL OR max_issued >= 0)
		AND (max_issued_per_customer IS NULL OR max_issued_per_customer >= 0)
		AND (min_days_between_issues IS NULL OR min_days_between_issues BETWEEN 0 AND 36500)
		AND past_issue_months BETWEEN 0 AND 1200
		AND (codes_left_alert IS NULL OR codes_left_alert >= 0)),
	CONSTRAINT offer_reissue_must_be_new_or_existing CHECK (reissue IN ('NEW', 'EXISTING')),
	CONSTRAINT offer_redemption_limits_must_not_be_negative CHECK (
		(starts_after_days IS NULL OR starts_after_days BETWEEN 0 AND 36500)
		AND (max_uses_per_coupon IS NULL OR max_uses_per_coupon >= 0)
		AND (max_uses_per_customer_and_coupon IS NULL OR max_uses_per_customer_and_coupon >= 0)
		AND (max_uses_per_customer IS NULL OR max_uses_per_customer >= 0)
		AND (max_redemptions IS NULL OR max_redemptions >= 0)
		AND (max_discount_total IS NULL OR (max_discount_total >= 0 AND max_discount_total < 'Infinity'))
		AND (min_bill IS NULL OR (min_bill >= 0 AND min_bill < 'Infinity'))
		AND (max_bill IS NULL OR (max_bill >= 0 AND max_bill < 'Infinity'))),
	CONSTRAINT offer_min_bill_must_not_exceed_max_bill CHECK (min_bill IS NULL OR max_bill IS NULL OR min_bill <= max_bill),
	CONSTRAINT offer_gap_between_uses_needs_coupons_of_several_uses CHECK (
		min_days_between_uses IS NULL
		OR (min_days_between_uses BETWEEN 0 AND 36500
		    AND (min_days_between_uses = 0 OR max_uses_per_coupon IS NULL OR max_uses_per_coupon > 1))),
	CONSTRAINT offer_store_scope_must_be_any_store_or_selected_stores
		CHECK (store_scope IN ('ANY_STORE', 'SELECTED_STORES'))
);
ALTER SEQUENCE cms.offer_id_seq OWNED BY cms.offer.offer_id;

-- One name space of codes: a common code and a reservation of F11 are owned by one offer.
CREATE UNIQUE INDEX offer_common_or_sample_code_is_unique_in_the_org
	ON cms.offer (org_id, (COALESCE(common_code, sample_code))) WHERE common_code IS NOT NULL OR sample_code IS NOT NULL;
CREATE UNIQUE INDEX offer_fixed_part_of_the_sample_is_unique_in_the_org
	ON cms.offer (org_id, (pg_catalog.rtrim(sample_code, '?#'))) WHERE sample_code IS NOT NULL;

COMMENT ON TABLE cms.offer IS 'One row per offer (incentive, coupon series): its discount and all its rules. NULL in a limit means unlimited, 0 none.';
COMMENT ON COLUMN cms.offer.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer.offer_id IS 'Number of the offer, never changes.';
COMMENT ON COLUMN cms.offer.code IS 'Offer code (series code): generated when not given, unique in the org, editable. Not a coupon code.';
COMMENT ON COLUMN cms.offer.name IS 'Name for people; two offers may share one.';
COMMENT ON COLUMN cms.offer.pos_code IS 'Identifier that the tills use for the discount.';
COMMENT ON COLUMN cms.offer.owner_service IS 'Service inside which the offer was made and is visible: OUTBOUND, TIMELINE, DVS, LOYALTY, EXTERNAL; NULL: made centrally, any service may claim it.';
COMMENT ON COLUMN cms.offer.owner_ref IS 'Campaign or program of owner_service that alone sees the offer.';
COMMENT ON COLUMN cms.offer.status IS 'ACTIVE, or ARCHIVED: nothing more is issued, coupons out stay redeemable.';
COMMENT ON COLUMN cms.offer.expiry_type IS 'FIXED_DATE: ends with expires_on; WITH_CAMPAIGN: ends with its claim''s ends_on. Fixed at creation.';
COMMENT ON COLUMN cms.offer.expires_on IS 'Last day of a FIXED_DATE offer, inclusive, in the org''s zone.';
COMMENT ON COLUMN cms.offer.discount_type IS 'FIXED_AMOUNT or PERCENTAGE.';
COMMENT ON COLUMN cms.offer.discount_value IS 'Amount in the org''s currency, or per cent of the eligible lines.';
COMMENT ON COLUMN cms.offer.discount_cap IS 'Largest discount one redemption may give.';
COMMENT ON COLUMN cms.offer.product_scope IS 'ALL_PRODUCTS, or SELECTED_PRODUCTS: lines that match a row of offer_product.';
COMMENT ON COLUMN cms.offer.sale_items IS 'Whether lines on sale count; if not they are left out of the eligible amount.';
COMMENT ON COLUMN cms.offer.delivery IS 'INTERNAL, or THIRD_PARTY: codes go out elsewhere and are redeemable without having been issued.';
COMMENT ON COLUMN cms.offer.code_method IS 'GENERATED, COMMON, UPLOADED or RANDOMISED. Fixed at creation.';
COMMENT ON COLUMN cms.offer.code_length IS 'Random characters of a generated code, prefix and suffix not counted.';
COMMENT ON COLUMN cms.offer.code_charset IS 'Characters of a generated code: NUMERIC, ALPHANUMERIC, or UNAMBIGUOUS (no 0, O, 1, I, L).';
COMMENT ON COLUMN cms.offer.code_prefix IS 'Fixed beginning of a generated code.';
COMMENT ON COLUMN cms.offer.code_suffix IS 'Fixed end of a generated code.';
COMMENT ON COLUMN cms.offer.allow_dense_codes IS 'Whether generated codes may fill more than a quarter of their space, where they can be guessed.';
COMMENT ON COLUMN cms.offer.common_code IS 'The one code of a COMMON offer.';
COMMENT ON COLUMN cms.offer.sample_code IS 'Sample of a RANDOMISED offer, kept as its fixed part and a mask: ? for a random letter or digit, # for a random digit. Fixed at creation.';
COMMENT ON COLUMN cms.offer.coupon_expiry_type IS 'Own end of a coupon: WITH_OFFER (none of its own), DAYS or MONTH_ENDS after its issue.';
COMMENT ON COLUMN cms.offer.coupon_expiry_value IS 'Days after the day of issue, or months after the month of issue; 0: that day, that month.';
COMMENT ON COLUMN cms.offer.outlives_offer IS 'Whether coupons stay redeemable after the offer''s end.';
COMMENT ON COLUMN cms.offer.audience_only IS 'Whether only customers in offer_audience may be given a coupon.';
COMMENT ON COLUMN cms.offer.max_issued IS 'Coupons issued in all.';
COMMENT ON COLUMN cms.offer.max_issued_per_customer IS 'Coupons issued to one customer.';
COMMENT ON COLUMN cms.offer.min_days_between_issues IS 'Calendar days between two issues to one customer.';
COMMENT ON COLUMN cms.offer.past_issue_months IS 'Months for which a coupon of an offer in offer_exclusion bars a customer.';
COMMENT ON COLUMN cms.offer.resend_allowed IS 'Whether a coupon may be sent again.';
COMMENT ON COLUMN cms.offer.resend_content IS 'Text of the message that sends a coupon again.';
COMMENT ON COLUMN cms.offer.reissue IS 'NEW, or EXISTING: a customer who holds an active coupon gets that one again.';
COMMENT ON COLUMN cms.offer.anyone_may_redeem IS 'Whether someone else than the holder may redeem a coupon.';
COMMENT ON COLUMN cms.offer.starts_after_days IS 'Calendar days after the issue from which a coupon is redeemable.';
COMMENT ON COLUMN cms.offer.starts_on IS 'Day from which coupons are redeemable.';
COMMENT ON COLUMN cms.offer.max_uses_per_coupon IS 'Uses of one coupon.';
COMMENT ON COLUMN cms.offer.max_uses_per_customer_and_coupon IS 'Uses of one coupon by one customer.';
COMMENT ON COLUMN cms.offer.max_uses_per_customer IS 'Uses of all coupons of the offer by one customer.';
COMMENT ON COLUMN cms.offer.min_days_between_uses IS 'Calendar days between two uses by one customer; needs max_uses_per_coupon above 1 or NULL.';
COMMENT ON COLUMN cms.offer.max_redemptions IS 'Uses in all.';
COMMENT ON COLUMN cms.offer.max_discount_total IS 'Discount given in all (budget).';
COMMENT ON COLUMN cms.offer.min_bill IS 'Smallest bill amount, inclusive.';
COMMENT ON COLUMN cms.offer.max_bill IS 'Largest bill amount, inclusive.';
COMMENT ON COLUMN cms.offer.store_scope IS 'ANY_STORE, or SELECTED_STORES: places in offer_entity; with an empty list nowhere.';
COMMENT ON COLUMN cms.offer.reversal_restores_use IS 'Whether a reversal gives the use back to coupon, customer, offer and budget.';
COMMENT ON COLUMN cms.offer.expiry_notice IS 'Whether the expiry of a coupon is notified.';
COMMENT ON COLUMN cms.offer.codes_left_alert IS 'Number of codes left at which the points of contact are told.';
COMMENT ON COLUMN cms.offer.created_by IS 'Role that created the offer.';
COMMENT ON COLUMN cms.offer.created_at IS 'When it was created.';
COMMENT ON COLUMN cms.offer.modified_by IS 'Role that changed the offer last.';
COMMENT ON COLUMN cms.offer.modified_at IS 'When it was changed last.';

CREATE TABLE cms.offer_product (
	org_id   int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id bigint NOT NULL,
	kind     text COLLATE "C" NOT NULL,
	value    text COLLATE "C" NOT NULL,
	CONSTRAINT offer_product_is_listed_once PRIMARY KEY (org_id, offer_id, kind, value),
	CONSTRAINT offer_product_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_product_kind_must_be_category_brand_or_sku CHECK (kind IN ('CATEGORY', 'BRAND', 'SKU')),
	CONSTRAINT offer_product_value_must_not_be_blank CHECK (value ~ '[^[:space:]]')
);
COMMENT ON TABLE cms.offer_product IS 'Products of an offer whose product_scope is SELECTED_PRODUCTS: a line is eligible if any row matches it exactly.';
COMMENT ON COLUMN cms.offer_product.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_product.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_product.kind IS 'CATEGORY, BRAND or SKU.';
COMMENT ON COLUMN cms.offer_product.value IS 'Text that the line''s category, brand or sku must equal.';

CREATE TABLE cms.offer_entity (
	org_id      int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id    bigint NOT NULL,
	entity_type text COLLATE "C" NOT NULL,
	entity_id   text COLLATE "C" NOT NULL,
	CONSTRAINT offer_entity_is_listed_once PRIMARY KEY (org_id, offer_id, entity_type, entity_id),
	CONSTRAINT offer_entity_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_entity_type_must_be_concept_zone_store_or_till
		CHECK (entity_type IN ('CONCEPT', 'ZONE', 'STORE', 'TILL')),
	CONSTRAINT offer_entity_id_must_not_be_blank CHECK (entity_id ~ '[^[:space:]]')
);
CREATE INDEX offer_entity_by_place ON cms.offer_entity (org_id, entity_type, entity_id);
COMMENT ON TABLE cms.offer_entity IS 'Places of an offer whose store_scope is SELECTED_STORES; ids need not be registered in org_entity.';
COMMENT ON COLUMN cms.offer_entity.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_entity.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_entity.entity_type IS 'CONCEPT, ZONE, STORE or TILL.';
COMMENT ON COLUMN cms.offer_entity.entity_id IS 'The org''s own id for the place.';

CREATE SEQUENCE cms.offer_window_id_seq;
COMMENT ON SEQUENCE cms.offer_window_id_seq IS 'Numbers of windows.';
CREATE TABLE cms.offer_window (
	org_id     int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id   bigint NOT NULL,
	window_id  bigint NOT NULL DEFAULT pg_catalog.nextval('cms.offer_window_id_seq'),
	weekdays   int[],
	month_days int[],
	from_date  date,
	to_date    date,
	from_time  time,
	to_time    time,
	CONSTRAINT offer_window_id_is_unique_in_the_offer PRIMARY KEY (org_id, offer_id, window_id),
	CONSTRAINT offer_window_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_window_weekdays_are_1_monday_to_7_sunday
		CHECK (weekdays <@ ARRAY[1,2,3,4,5,6,7] AND pg_catalog.array_ndims(weekdays) = 1),
	CONSTRAINT offer_window_month_days_are_1_to_31
		CHECK (0 < ALL (month_days) AND 32 > ALL (month_days) AND pg_catalog.array_ndims(month_days) = 1),
	CONSTRAINT offer_window_from_date_must_not_exceed_to_date CHECK (from_date <= to_date),
	CONSTRAINT offer_window_times_must_differ CHECK (from_time <> to_time)
);
ALTER SEQUENCE cms.offer_window_id_seq OWNED BY cms.offer_window.window_id;
COMMENT ON TABLE cms.offer_window IS 'Days and hours of redemption, in the org''s zone: a redemption must fall in one of the offer''s rows, if there are any. All columns of a row must hold; NULL is no restriction.';
COMMENT ON COLUMN cms.offer_window.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_window.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_window.window_id IS 'Number of the row.';
COMMENT ON COLUMN cms.offer_window.weekdays IS 'Days of the week, 1 = Monday to 7 = Sunday.';
COMMENT ON COLUMN cms.offer_window.month_days IS 'Days of the month, 1 to 31.';
COMMENT ON COLUMN cms.offer_window.from_date IS 'First day, inclusive.';
COMMENT ON COLUMN cms.offer_window.to_date IS 'Last day, inclusive.';
COMMENT ON COLUMN cms.offer_window.from_time IS 'Start of the slot, inclusive; NULL: from midnight.';
COMMENT ON COLUMN cms.offer_window.to_time IS 'End of the slot, exclusive; NULL: to midnight. Before from_time: the slot runs over midnight and belongs to the day it starts.';

CREATE TABLE cms.offer_audience (
	org_id      int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id    bigint NOT NULL,
	customer_id text COLLATE "C" NOT NULL,
	CONSTRAINT offer_audience_lists_a_customer_once PRIMARY KEY (org_id, offer_id, customer_id),
	CONSTRAINT offer_audience_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_audience_customer_id_must_not_be_blank CHECK (customer_id ~ '[^[:space:]]')
);
COMMENT ON TABLE cms.offer_audience IS 'Customers of an offer whose audience_only is on.';
COMMENT ON COLUMN cms.offer_audience.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_audience.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_audience.customer_id IS 'The org''s own id for the customer.';

CREATE TABLE cms.offer_exclusion (
	org_id         int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id       bigint NOT NULL,
	other_offer_id bigint NOT NULL,
	CONSTRAINT offer_exclusion_is_listed_once PRIMARY KEY (org_id, offer_id, other_offer_id),
	CONSTRAINT offer_exclusion_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_exclusion_names_another_offer_of_the_org
		FOREIGN KEY (org_id, other_offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_exclusion_is_not_of_itself CHECK (offer_id <> other_offer_id)
);
CREATE INDEX offer_exclusion_by_other_offer ON cms.offer_exclusion (org_id, other_offer_id);
COMMENT ON TABLE cms.offer_exclusion IS 'Other offers whose coupons, received in the past past_issue_months, bar a customer from this one.';
COMMENT ON COLUMN cms.offer_exclusion.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_exclusion.offer_id IS 'The offer that is refused.';
COMMENT ON COLUMN cms.offer_exclusion.other_offer_id IS 'The offer that was received before.';

CREATE SEQUENCE cms.offer_reminder_id_seq;
COMMENT ON SEQUENCE cms.offer_reminder_id_seq IS 'Numbers of reminders.';
CREATE TABLE cms.offer_reminder (
	org_id      int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id    bigint NOT NULL,
	reminder_id bigint NOT NULL DEFAULT pg_catalog.nextval('cms.offer_reminder_id_seq'),
	days_before int    NOT NULL,
	time_of_day time   NOT NULL DEFAULT '10:00',
	channel     text COLLATE "C" NOT NULL,
	content     text   NOT NULL,
	CONSTRAINT offer_reminder_id_is_unique_in_the_offer PRIMARY KEY (org_id, offer_id, reminder_id),
	CONSTRAINT offer_reminder_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_reminder_is_one_per_day_time_and_channel UNIQUE (org_id, offer_id, days_before, time_of_day, channel),
	CONSTRAINT offer_reminder_days_before_must_be_0_to_3650 CHECK (days_before BETWEEN 0 AND 3650),
	CONSTRAINT offer_reminder_channel_must_not_be_blank CHECK (channel ~ '[^[:space:]]'),
	CONSTRAINT offer_reminder_content_must_not_be_blank CHECK (content ~ '[^[:space:]]')
);
ALTER SEQUENCE cms.offer_reminder_id_seq OWNED BY cms.offer_reminder.reminder_id;
COMMENT ON TABLE cms.offer_reminder IS 'Reminders to customers before their coupons expire.';
COMMENT ON COLUMN cms.offer_reminder.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_reminder.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_reminder.reminder_id IS 'Number of the row.';
COMMENT ON COLUMN cms.offer_reminder.days_before IS 'Days before the coupon''s last day.';
COMMENT ON COLUMN cms.offer_reminder.time_of_day IS 'Time of that day, in the org''s zone.';
COMMENT ON COLUMN cms.offer_reminder.channel IS 'SMS, EMAIL or any channel the org''s senders know.';
COMMENT ON COLUMN cms.offer_reminder.content IS 'Text with placeholders.';

CREATE TABLE cms.offer_poc (
	org_id      int    NOT NULL DEFAULT cms.cms_current_org(),
	offer_id    bigint NOT NULL,
	poc_id      bigint NOT NULL,
	days_before int    NOT NULL,
	CONSTRAINT offer_poc_is_listed_once_per_days_before PRIMARY KEY (org_id, offer_id, poc_id, days_before),
	CONSTRAINT offer_poc_belongs_to_an_offer FOREIGN KEY (org_id, offer_id) REFERENCES cms.offer ON DELETE CASCADE,
	CONSTRAINT offer_poc_names_a_point_of_contact FOREIGN KEY (org_id, poc_id) REFERENCES cms.poc,
	CONSTRAINT offer_poc_days_before_must_be_0_to_3650 CHECK (days_before BETWEEN 0 AND 3650)
);
CREATE INDEX offer_poc_by_poc ON cms.offer_poc (org_id, poc_id);
COMMENT ON TABLE cms.offer_poc IS 'Points of contact that are reminded before the offer expires, at 10:00 in the org''s zone.';
COMMENT ON COLUMN cms.offer_poc.org_id IS 'The org.';
COMMENT ON COLUMN cms.offer_poc.offer_id IS 'The offer.';
COMMENT ON COLUMN cms.offer_poc.poc_id IS 'The point of contact.';
COMMENT ON COLUMN cms.offer_poc.days_before IS 'Days before the offer''s last day.';
