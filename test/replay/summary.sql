-- The summaries that reports by day read, a part of the offers at a time.
SELECT 'cms_refresh_summary: offers', (SELECT sum(cms.cms_refresh_summary(500, 0)) FROM generate_series(1, 3)), 1197;
