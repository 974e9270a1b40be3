-- Who changed what (F49). Written by triggers of the settings and by the actions.

CREATE SEQUENCE cms.event_id_seq;
COMMENT ON SEQUENCE cms.event_id_seq IS 'Numbers of events.';

CREATE TABLE cms.event (
	org_id       int         NOT NULL,
	event_id     bigint      NOT NULL,
	action       text COLLATE "C" NOT NULL,
	object       text COLLATE "C" NOT NULL,
	object_id    text COLLATE "C",
	offer_id     bigint,
	old_values   jsonb,
	new_values   jsonb,
	happened_at  timestamptz NOT NULL,
	recorded_at  timestamptz NOT NULL,
	recorded_by  text        NOT NULL,
	CONSTRAINT event_pkey PRIMARY KEY (org_id, event_id)
);
ALTER SEQUENCE cms.event_id_seq OWNED BY cms.event.event_id;
CREATE INDEX event_of_an_offer ON cms.event (org_id, offer_id, event_id) WHERE offer_id IS NOT NULL;
CREATE INDEX event_by_time ON cms.event (org_id, recorded_at);
COMMENT ON TABLE cms.event IS 'One row per change of settings, claim, release, revocation, reversal and change of expiry: who, when, old and new values. Nothing depends on it. Written by triggers and actions only.';
COMMENT ON COLUMN cms.event.org_id IS 'The org.';
COMMENT ON COLUMN cms.event.event_id IS 'Number of the event; later events have higher numbers, but for those of transactions that overlap.';
COMMENT ON COLUMN cms.event.action IS 'What was done: CREATED, CHANGED or DELETED of settings; CLAIMED, CLAIM_CHANGED, RELEASED, REVOKED, REVERSED, EXPIRY_CHANGED by the actions.';
COMMENT ON COLUMN cms.event.object IS 'What it was done to: the table of the settings, or claim, coupon, redemption.';
COMMENT ON COLUMN cms.event.object_id IS 'Which row of it; NULL: several, whose number is in the values.';
COMMENT ON COLUMN cms.event.offer_id IS 'The offer; NULL: none, as of an org, its roles, places and people.';
COMMENT ON COLUMN cms.event.old_values IS 'What it was before: of a change the columns that changed, of a deletion all that were not NULL; NULL: nothing.';
COMMENT ON COLUMN cms.event.new_values IS 'What it became, likewise; NULL: nothing.';
COMMENT ON COLUMN cms.event.happened_at IS 'Time of the request.';
COMMENT ON COLUMN cms.event.recorded_at IS 'The server''s own time.';
COMMENT ON COLUMN cms.event.recorded_by IS 'Role that called.';

CREATE FUNCTION cms.cms_purge_events(before timestamptz, how_many int DEFAULT 10000, org int DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_purge_events';
COMMENT ON FUNCTION cms.cms_purge_events(timestamptz, int, int) IS
'Deletes up to so many of the oldest events recorded before a time, of the org or, without one, of
all orgs the caller may act for; answers how many (F49).
Errors: 22023 how_many below 1, 22004 no time.';
