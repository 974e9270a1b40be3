-- The org and who may act for it.
INSERT INTO cms.org (name, time_zone, currency) VALUES ('Complete Journey', 'America/New_York', 'USD');
INSERT INTO cms.org_role (org_id, role_name)
	SELECT g.org_id, r.role_name FROM cms.org g,
		(VALUES ('replay_manager'), ('replay_issuer'), ('replay_redeemer'), ('replay_analyst')) r (role_name);
SELECT 'orgs with their roles', count(DISTINCT org_id), 1 FROM cms.org_role;
