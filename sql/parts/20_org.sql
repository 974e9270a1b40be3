-- Orgs, who may act for them, their places and their people.

CREATE SEQUENCE cms.org_id_seq AS int;
COMMENT ON SEQUENCE cms.org_id_seq IS 'Numbers of orgs.';

CREATE TABLE cms.org (
	org_id       int         NOT NULL DEFAULT pg_catalog.nextval('cms.org_id_seq'),
	name         text        NOT NULL,
	time_zone    text        NOT NULL DEFAULT 'UTC',
	currency     text        NOT NULL DEFAULT 'INR',
	minor_units  int         NOT NULL DEFAULT 2,
	max_backdate interval,
	keep_expired interval,
	keep_logs interval,
	record_attempts boolean  NOT NULL DEFAULT false,
	max_failed_attempts int,
	failed_attempts_within interval NOT NULL DEFAULT '15 minutes',
	uniform_refusals boolean NOT NULL DEFAULT false,
	CONSTRAINT org_id_is_unique PRIMARY KEY (org_id),
	CONSTRAINT org_name_must_not_be_blank CHECK (name ~ '[^[:space:]]'),
	CONSTRAINT org_currency_must_be_three_capital_letters CHECK (currency COLLATE "C" ~ '^[A-Z]{3}$'),
	CONSTRAINT org_minor_units_must_be_0_to_4 CHECK (minor_units BETWEEN 0 AND 4),
	CONSTRAINT org_max_backdate_must_not_be_negative CHECK (max_backdate >= '0'::interval),
	CONSTRAINT org_keep_expired_must_be_a_day_at_least CHECK (keep_expired >= '1 day'::interval),
	CONSTRAINT org_keep_logs_must_be_a_day_at_least CHECK (keep_logs >= '1 day'::interval),
	CONSTRAINT org_max_failed_attempts_must_be_above_0 CHECK (max_failed_attempts > 0),
	CONSTRAINT org_failed_attempts_within_must_be_above_0 CHECK (failed_attempts_within > '0'::interval)
);
ALTER SEQUENCE cms.org_id_seq OWNED BY cms.org.org_id;
COMMENT ON TABLE cms.org IS 'One row per brand. Everything else belongs to exactly one org.';
COMMENT ON COLUMN cms.org.org_id IS 'Number of the org, first column of every key.';
COMMENT ON COLUMN cms.org.name IS 'Name of the brand.';
COMMENT ON COLUMN cms.org.time_zone IS 'Name from pg_timezone_names; days, windows and gaps are counted on its calendar.';
COMMENT ON COLUMN cms.org.currency IS 'ISO 4217 code of all amounts.';
COMMENT ON COLUMN cms.org.minor_units IS 'Decimal places of the currency; discounts are rounded to them.';
COMMENT ON COLUMN cms.org.max_backdate IS 'How far before the server''s time a check, a redemption or a reversal may be dated; NULL: any. Issuing and uploading are not bound by it.';
COMMENT ON COLUMN cms.org.keep_expired IS 'How long cms_purge without times keeps coupons that expired and were never redeemed; NULL: for good.';
COMMENT ON COLUMN cms.org.keep_logs IS 'How long cms_purge without times keeps answers to request keys, refused attempts, ended holds, and messages done with; NULL: for good.';
COMMENT ON COLUMN cms.org.record_attempts IS 'Whether every refused attempt to redeem or to try a code is kept in cms.attempt.';
COMMENT ON COLUMN cms.org.max_failed_attempts IS 'So many attempts with an unknown code by one till, or by one customer, within failed_attempts_within: further ones are refused with TOO_MANY_ATTEMPTS; NULL: any number. What it counts is kept in cms.attempt.';
COMMENT ON COLUMN cms.org.failed_attempts_within IS 'How far back, by the server''s time, attempts with an unknown code count for max_failed_attempts.';
COMMENT ON COLUMN cms.org.uniform_refusals IS 'Whether a code that is revoked, not issued or somebody else''s is answered like one that does not exist.';

CREATE TABLE cms.org_role (
	org_id    int  NOT NULL,
	role_name name NOT NULL,
	CONSTRAINT org_role_is_granted_once PRIMARY KEY (org_id, role_name),
	CONSTRAINT org_role_belongs_to_an_org FOREIGN KEY (org_id) REFERENCES cms.org ON DELETE CASCADE
);
COMMENT ON TABLE cms.org_role IS 'Database roles that may act for an org; their members may too.';
COMMENT ON COLUMN cms.org_role.org_id IS 'The org.';
COMMENT ON COLUMN cms.org_role.role_name IS 'Name of a database role.';

CREATE TABLE cms.org_entity (
	org_id      int  NOT NULL DEFAULT cms.cms_current_org(),
	entity_type text COLLATE "C" NOT NULL,
	entity_id   text COLLATE "C" NOT NULL,
	parent_type text COLLATE "C" GENERATED ALWAYS AS (
		CASE WHEN parent_id IS NOT NULL THEN
			CASE entity_type WHEN 'TILL' THEN 'STORE' WHEN 'STORE' THEN 'ZONE' WHEN 'ZONE' THEN 'CONCEPT' END
		END) STORED,
	parent_id   text COLLATE "C",
	name        text,
	CONSTRAINT org_entity_id_is_unique_in_its_type PRIMARY KEY (org_id, entity_type, entity_id),
	CONSTRAINT org_entity_belongs_to_an_org FOREIGN KEY (org_id) REFERENCES cms.org,
	CONSTRAINT org_entity_parent_must_be_registered FOREIGN KEY (org_id, parent_type, parent_id)
		REFERENCES cms.org_entity (org_id, entity_type, entity_id),
	CONSTRAINT org_entity_type_must_be_concept_zone_store_or_till
		CHECK (entity_type IN ('CONCEPT', 'ZONE', 'STORE', 'TILL')),
	CONSTRAINT org_entity_id_must_not_be_blank CHECK (entity_id ~ '[^[:space:]]'),
	CONSTRAINT org_entity_concept_has_no_parent CHECK (entity_type <> 'CONCEPT' OR parent_id IS NULL)
);
CREATE INDEX org_entity_parent ON cms.org_entity (org_id, parent_type, parent_id);
COMMENT ON TABLE cms.org_entity IS 'Places of an org: a CONCEPT has ZONEs, a ZONE has STOREs, a STORE has TILLs.';
COMMENT ON COLUMN cms.org_entity.org_id IS 'The org.';
COMMENT ON COLUMN cms.org_entity.entity_type IS 'CONCEPT, ZONE, STORE or TILL.';
COMMENT ON COLUMN cms.org_entity.entity_id IS 'The org''s own id for the place.';
COMMENT ON COLUMN cms.org_entity.parent_type IS 'Type of the parent, follows from entity_type.';
COMMENT ON COLUMN cms.org_entity.parent_id IS 'Id of the place of the next type up; NULL: none known.';
COMMENT ON COLUMN cms.org_entity.name IS 'Name for people; cms_tag_offer finds places by it.';

CREATE SEQUENCE cms.poc_id_seq;
COMMENT ON SEQUENCE cms.poc_id_seq IS 'Numbers of points of contact.';

CREATE TABLE cms.poc (
	org_id int    NOT NULL DEFAULT cms.cms_current_org(),
	poc_id bigint NOT NULL DEFAULT pg_catalog.nextval('cms.poc_id_seq'),
	name   text   NOT NULL,
	email  text   NOT NULL,
	CONSTRAINT poc_id_is_unique_in_the_org PRIMARY KEY (org_id, poc_id),
	CONSTRAINT poc_belongs_to_an_org FOREIGN KEY (org_id) REFERENCES cms.org,
	CONSTRAINT poc_name_must_not_be_blank CHECK (name ~ '[^[:space:]]'),
	CONSTRAINT poc_email_must_look_like_an_address CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$')
);
ALTER SEQUENCE cms.poc_id_seq OWNED BY cms.poc.poc_id;
COMMENT ON TABLE cms.poc IS 'Points of contact of an org, for offer reminders.';
COMMENT ON COLUMN cms.poc.org_id IS 'The org.';
COMMENT ON COLUMN cms.poc.poc_id IS 'Number of the person.';
COMMENT ON COLUMN cms.poc.name IS 'Name.';
COMMENT ON COLUMN cms.poc.email IS 'Address that reminders go to.';
