-- F15: what a job's query has read is told to nobody but those who may see codes.
BEGIN;
\ir lib/scene.psql
SELECT plan(6);

SELECT play_org('UTC');
CREATE ROLE f15_analyst IN ROLE cms_analyst;
CREATE ROLE f15_issuer IN ROLE cms_issuer;
INSERT INTO cms.org_role SELECT org_id, r FROM cms.org, unnest('{f15_analyst,f15_issuer}'::name[]) r;
INSERT INTO cms.job (org_id, job_id, action, status, error, request_hash, started_at, run_started_at, updated_at, started_by, run_by)
SELECT org_id, 1, 'ISSUE_ALL', 'FAILED', 'invalid input syntax for type integer: "ann@example.com"', '\x00', now(), now(), now(), 'f15_issuer', 'f15_issuer' FROM cms.org;

SET LOCAL ROLE f15_analyst;
SELECT is((SELECT state FROM cms.job_status), 'FAILED', 'an analyst sees that a job has failed');
SELECT is((SELECT error FROM cms.job_status), NULL, 'but not why');
SELECT is((SELECT status FROM cms.job), 'FAILED', 'the same of the table');
SELECT throws_ok(format('SELECT %I FROM cms.job', c), '42501', NULL, 'without the column ' || c) FROM unnest('{error,request_hash}'::text[]) c;
SET LOCAL ROLE f15_issuer;
SELECT ok((SELECT error FROM cms.job_status) LIKE '%ann@example.com%', 'who issues does');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
