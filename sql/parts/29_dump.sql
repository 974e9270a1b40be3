-- What pg_dump takes: after all tables and sequences.

-- Settings refer to the sequences that make their ids; what users own goes into a dump. Versions do not, nor
-- where they stand: a restore draws its own, maybe more than there were.
DO $$
DECLARE
	relation regclass;
BEGIN
	FOR relation IN
		SELECT c.oid FROM pg_catalog.pg_class c
		WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind IN ('r', 'S')
		  AND c.relname NOT IN ('offer_version', 'offer_version_seq')
		ORDER BY c.oid
	LOOP
		PERFORM pg_catalog.pg_extension_config_dump(relation, '');
	END LOOP;
END
$$;
