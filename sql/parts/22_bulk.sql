-- Jobs: long work that commits in batches, and what is known of it.

CREATE SEQUENCE cms.job_id_seq;
COMMENT ON SEQUENCE cms.job_id_seq IS 'Numbers of jobs.';

CREATE TABLE cms.job (
	org_id        int         NOT NULL,
	job_id        bigint      NOT NULL,
	job_key       text COLLATE "C",
	action        text COLLATE "C" NOT NULL,
	offer_id      bigint,
	request_hash  bytea,
	status        text COLLATE "C" NOT NULL DEFAULT 'RUNNING',
	runs          int         NOT NULL DEFAULT 0,
	total         bigint,
	done          bigint      NOT NULL DEFAULT 0,
	succeeded     bigint      NOT NULL DEFAULT 0,
	refused       bigint      NOT NULL DEFAULT 0,
	replayed      bigint      NOT NULL DEFAULT 0,
	ignored       bigint      NOT NULL DEFAULT 0,
	skipped       bigint      NOT NULL DEFAULT 0,
	succeeded_before bigint   NOT NULL DEFAULT 0,
	repeated      bigint      NOT NULL GENERATED ALWAYS AS (GREATEST(skipped - succeeded_before, 0)) STORED,
	refusals      jsonb       NOT NULL DEFAULT '{}',
	rate          bigint,
	remaining     interval,
	error         text,
	started_at    timestamptz NOT NULL,
	run_started_at timestamptz NOT NULL,
	updated_at    timestamptz NOT NULL,
	finished_at   timestamptz,
	started_by    text        NOT NULL,
	run_by        text        NOT NULL,
	pid           int,
	last_coupon_id bigint,
	from_stock    bigint      NOT NULL DEFAULT 0,
	CONSTRAINT job_pkey PRIMARY KEY (org_id, job_id),
	CONSTRAINT job_key_is_unique UNIQUE (org_id, job_key),
	CONSTRAINT job_status_is_known CHECK (status IN ('RUNNING', 'FAILED', 'DONE'))
) WITH (fillfactor = 50);
ALTER SEQUENCE cms.job_id_seq OWNED BY cms.job.job_id;
COMMENT ON TABLE cms.job IS 'Long work that commits in batches: one row per job of cms_issue_all, cms_generate_all and their like, brought up to date by every batch, in its transaction. Written by the actions only. Whether it runs at this moment is in job_status.';
COMMENT ON COLUMN cms.job.org_id IS 'The org.';
COMMENT ON COLUMN cms.job.job_id IS 'Number of the job; coupons that it issued bear it.';
COMMENT ON COLUMN cms.job.job_key IS 'The caller''s key: the same call with it goes on where the job stopped; NULL: the job cannot be gone on with.';
COMMENT ON COLUMN cms.job.action IS 'What it does: ISSUE_ALL, GENERATE_ALL, REVOKE_ALL.';
COMMENT ON COLUMN cms.job.offer_id IS 'The offer; NULL: it is not of one offer.';
COMMENT ON COLUMN cms.job.request_hash IS 'Digest of what was asked for; the same key with something else is an error.';
COMMENT ON COLUMN cms.job.status IS 'RUNNING: begun and not ended, also where its session has died, see job_status; FAILED: ended by the error in "error", or cancelled; DONE.';
COMMENT ON COLUMN cms.job.runs IS 'How often it was begun: 1, and one more each time that it went on.';
COMMENT ON COLUMN cms.job.total IS 'Units of work in this run, such as customers of the query; NULL: not known yet.';
COMMENT ON COLUMN cms.job.done IS 'Units of this run that are done, whatever came of them.';
COMMENT ON COLUMN cms.job.succeeded IS 'Coupons issued, codes generated, coupons revoked or removed by the job, in all its runs.';
COMMENT ON COLUMN cms.job.refused IS 'Units of this run that were refused.';
COMMENT ON COLUMN cms.job.replayed IS 'Customers of this run who hold an active coupon and keep it, because the offer says so (reissue EXISTING).';
COMMENT ON COLUMN cms.job.ignored IS 'Units of this run that name nobody: an id that is NULL, blank or too long.';
COMMENT ON COLUMN cms.job.skipped IS 'Customers of this run who had a coupon of the job already.';
COMMENT ON COLUMN cms.job.succeeded_before IS 'What had succeeded when this run began.';
COMMENT ON COLUMN cms.job.repeated IS 'Customers named more than once, who have one coupon of the job.';
COMMENT ON COLUMN cms.job.refusals IS 'How many of this run were refused for which reason.';
COMMENT ON COLUMN cms.job.rate IS 'Units done in a second, in this run so far.';
COMMENT ON COLUMN cms.job.remaining IS 'Time that is left at this rate; NULL: not known, or none.';
COMMENT ON COLUMN cms.job.error IS 'What ended the last run; NULL: nothing did.';
COMMENT ON COLUMN cms.job.started_at IS 'When the job began.';
COMMENT ON COLUMN cms.job.run_started_at IS 'When the last run began.';
COMMENT ON COLUMN cms.job.updated_at IS 'When the last batch ended.';
COMMENT ON COLUMN cms.job.finished_at IS 'When the job was done; NULL: it is not.';
COMMENT ON COLUMN cms.job.started_by IS 'Role that began it.';
COMMENT ON COLUMN cms.job.run_by IS 'Role of the last run.';
COMMENT ON COLUMN cms.job.pid IS 'Process of the last run, which may be another one''s by now: job_status.pid is that of a job that runs.';
COMMENT ON COLUMN cms.job.last_coupon_id IS 'Of REVOKE_ALL: coupons with a greater number came into being after the job began, and are not meant.';
COMMENT ON COLUMN cms.job.from_stock IS 'Of REVOKE_ALL: how many of those that succeeded were codes in stock.';

CREATE TABLE cms.job_refusal (
	org_id          int    NOT NULL,
	job_id          bigint NOT NULL,
	customer_id     text COLLATE "C" NOT NULL,
	reason          text COLLATE "C" NOT NULL,
	next_allowed_on date,
	CONSTRAINT job_refusal_pkey PRIMARY KEY (org_id, job_id, customer_id)
);
COMMENT ON TABLE cms.job_refusal IS 'Customers whom cms_issue_all with keep_refused gave nothing, and why. Of a job that went on, what its last run decided.';
COMMENT ON COLUMN cms.job_refusal.org_id IS 'The org.';
COMMENT ON COLUMN cms.job_refusal.job_id IS 'The job.';
COMMENT ON COLUMN cms.job_refusal.customer_id IS 'The customer.';
COMMENT ON COLUMN cms.job_refusal.reason IS 'Why: a reason of cms_issue.';
COMMENT ON COLUMN cms.job_refusal.next_allowed_on IS 'Day from which the customer can be given one; NULL: none can be told.';
