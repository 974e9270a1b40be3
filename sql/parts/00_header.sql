-- cms: offers and coupons inside PostgreSQL. Built from sql/parts in the order of their names.
\echo Use "CREATE EXTENSION cms" to load this file. \quit

-- Whatever the path of the session that installs, names mean what they say.
SET LOCAL search_path TO pg_catalog, pg_temp;
