-- The public surface: what users type and read. A change here is a change for them.
\pset format unaligned
\pset tuples_only on

-- tables and views: columns with type, whether they may be NULL, and default
SELECT format('%s %s.%s %s%s%s',
	CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
	CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''))
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind IN ('r', 'v')
ORDER BY c.relkind, c.relname COLLATE "C", a.attnum;

-- constraints by the names that errors tell
SELECT format('%s %s: %s', conrelid::regclass, conname, CASE contype WHEN 'c' THEN 'check' ELSE pg_get_constraintdef(oid) END)
FROM pg_constraint WHERE connamespace = 'cms'::regnamespace AND contype IN ('p', 'u', 'f', 'c') AND conrelid <> 0
ORDER BY conrelid::regclass::text COLLATE "C", conname COLLATE "C";
SELECT format('%s: %s', indexrelid::regclass, regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', ''))
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'cms'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u'))
ORDER BY c.relname COLLATE "C";

-- functions and procedures: arguments with defaults, result, volatility, parallel safety, definer
SELECT format('%s %s(%s)%s %s %s%s', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.proname,
	pg_get_function_arguments(p.oid), coalesce(' returns ' || pg_get_function_result(p.oid), ''),
	p.provolatile, p.proparallel, CASE WHEN p.prosecdef THEN ' definer' ELSE '' END)
FROM pg_proc p WHERE p.pronamespace = 'cms'::regnamespace
ORDER BY p.proname COLLATE "C", p.oid;

-- rows that functions return
SELECT format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'c'
ORDER BY c.relname COLLATE "C", a.attnum;

-- roles, and that none can log in
SELECT rolname || CASE WHEN rolcanlogin OR rolsuper OR rolcreaterole OR rolbypassrls THEN ' has more than it needs' ELSE '' END
FROM pg_roles WHERE rolname LIKE 'cms\_%' ORDER BY rolname COLLATE "C";
