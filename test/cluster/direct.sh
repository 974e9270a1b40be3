#!/usr/bin/env bash
# Statements that are run without setting up the executor (src/direct.c) do what they would do with it, and leave to it
# what they cannot do: other people's triggers and constraints, plans of other shapes, transactions that only read.
# server: --set autovacuum=off --set max_prepared_transactions=1
set -euo pipefail

failed=0
check() { # name, what it is, what it must be
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		printf 'not ok - %s\n#   is:      %s\n#   must be: %s\n' "$1" "$2" "$3"
		failed=1
	fi
}
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

sql <<-'SQL'
	CREATE EXTENSION amcheck;
	INSERT INTO cms.org (name) VALUES ('direct');
	INSERT INTO cms.offer (name, code_method, discount_type, discount_value, max_uses_per_coupon, max_uses_per_customer, max_redemptions)
	VALUES ('direct', 'UPLOADED', 'FIXED_AMOUNT', 10, NULL, 100000, 100000);
	SELECT cms.cms_upload_codes(1, ARRAY(SELECT 'DIRECT' || i FROM generate_series(1, 2000) i),
		ARRAY(SELECT 'c' || i FROM generate_series(1, 2000) i)) \g /dev/null
	VACUUM ANALYZE;
SQL

# What the executor is seen to do in three redemptions, the last of which finds all plans made.
count_seen='Query Text: (SELECT [a-z][.]|SELECT 1|UPDATE|INSERT)'
seen() { # SETTING
	PGOPTIONS="-c cms.direct=$1 -c client_min_messages=log" psql -Xq -v ON_ERROR_STOP=1 2>&1 <<-'SQL' | grep -cE "$count_seen" || true
		LOAD 'auto_explain';
		SET auto_explain.log_nested_statements = on;
		SELECT redeemed FROM cms.cms_redeem('DIRECT1', 'c1', 100, 'seen 1' || current_setting('cms.direct')) \g /dev/null
		SELECT redeemed FROM cms.cms_redeem('DIRECT1', 'c1', 100, 'seen 2' || current_setting('cms.direct')) \g /dev/null
		SET auto_explain.log_min_duration = 0;
		SELECT redeemed FROM cms.cms_redeem('DIRECT1', 'c1', 100, 'seen 3' || current_setting('cms.direct')) \g /dev/null
	SQL
}
check 'the executor finds no row, and changes and makes none' "$(seen on)" 0
check 'unless it is told to' "$(seen off)" 8

# The same of issuing: the second of two coupons of the same customer was guessed to be the first, and is the second.
seen_issuing() { # SETTING
	PGOPTIONS="-c cms.direct=$1 -c client_min_messages=log" psql -Xq -v ON_ERROR_STOP=1 2>&1 <<-'SQL' | grep -cE "$count_seen" || true
		LOAD 'auto_explain';
		SET auto_explain.log_nested_statements = on;
		SELECT issued FROM cms.cms_issue(2, 'seen 1' || current_setting('cms.direct')) \g /dev/null
		SELECT issued FROM cms.cms_issue(2, 'seen 2' || current_setting('cms.direct')) \g /dev/null
		SET auto_explain.log_min_duration = 0;
		SELECT issued FROM cms.cms_issue(2, 'seen 3' || current_setting('cms.direct')) \g /dev/null
	SQL
}
sql -c "INSERT INTO cms.offer (name, discount_type, discount_value) VALUES ('made', 'FIXED_AMOUNT', 10)"
check 'the executor makes no new coupon' "$(seen_issuing on)" 0
check 'unless that is asked for' "$(seen_issuing off)" 5
check 'a key that is taken is left to the executor' "$(sql <<-'SQL'
	SELECT issued FROM cms.cms_issue(2, 'nora') \g /dev/null
	SELECT issued FROM cms.cms_issue(2, 'otto') \g /dev/null
	SELECT issued, reason FROM cms.cms_issue(2, 'otto');
	SELECT array_agg(nth ORDER BY nth) FROM cms.coupon WHERE customer_id = 'otto';
SQL
)" $'t|\n{1,2}'

# Holds: the coupon is found locked, and the hold written, confirmed and released.
seen_holding() { # SETTING
	PGOPTIONS="-c cms.direct=$1 -c client_min_messages=log" psql -Xq -v ON_ERROR_STOP=1 2>&1 <<-'SQL' | grep -cE "$count_seen" || true
		LOAD 'auto_explain';
		SET auto_explain.log_nested_statements = on;
		SELECT hold_id AS one FROM cms.cms_hold('DIRECT11', 'c11', 100, 'one' || current_setting('cms.direct')) \gset
		SELECT hold_id AS two FROM cms.cms_hold('DIRECT12', 'c12', 100, 'two' || current_setting('cms.direct')) \gset
		SELECT redeemed FROM cms.cms_confirm(:one) \g /dev/null
		SELECT released FROM cms.cms_release_hold(:two) \g /dev/null
		SET auto_explain.log_min_duration = 0;
		SELECT hold_id AS one FROM cms.cms_hold('DIRECT13', 'c13', 100, 'one' || current_setting('cms.direct')) \gset
		SELECT hold_id AS two FROM cms.cms_hold('DIRECT14', 'c14', 100, 'two' || current_setting('cms.direct')) \gset
		SELECT redeemed FROM cms.cms_confirm(:one) \g /dev/null
		SELECT released FROM cms.cms_release_hold(:two) \g /dev/null
	SQL
}
check 'the executor holds, confirms and releases nothing' "$(seen_holding on)" 0
check 'unless it is told to, also here' "$(seen_holding off)" 42

# Somebody's trigger, made and dropped while a session has its plans.
check 'a row trigger made meanwhile is fired' "$(sql <<-'SQL'
	SELECT redeemed FROM cms.cms_redeem('DIRECT2', 'c2', 100, 'b1') \g /dev/null
	CREATE TABLE seen (place text);
	CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN INSERT INTO public.seen VALUES (TG_TABLE_NAME); RETURN NULL; END$$;
	CREATE TRIGGER see AFTER UPDATE ON cms.coupon FOR EACH ROW EXECUTE FUNCTION see();
	CREATE TRIGGER see AFTER UPDATE ON cms.offer_slot FOR EACH STATEMENT EXECUTE FUNCTION see();
	SELECT redeemed FROM cms.cms_redeem('DIRECT2', 'c2', 100, 'b2') \g /dev/null
	DROP FUNCTION see() CASCADE;
	SELECT redeemed FROM cms.cms_redeem('DIRECT2', 'c2', 100, 'b3') \g /dev/null
	SELECT string_agg(place, ' ' ORDER BY place) FROM seen;
SQL
)" 'coupon offer_slot'

# A constraint made meanwhile: the error is the server's, and nothing is half done.
check 'a constraint made meanwhile holds' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	SELECT redeemed FROM cms.cms_redeem('DIRECT3', 'c3', 100, 'b1') \g /dev/null
	ALTER TABLE cms.coupon ADD CONSTRAINT one_use CHECK (uses <= 1) NOT VALID;
	SELECT redeemed FROM cms.cms_redeem('DIRECT3', 'c3', 100, 'b2') \g /dev/null
	ALTER TABLE cms.coupon DROP CONSTRAINT one_use;
	SELECT uses FROM cms.coupon WHERE code = 'DIRECT3';
	SELECT redeemed FROM cms.cms_redeem('DIRECT3', 'c3', 100, 'b2');
SQL
)" $'ERROR:  23514\n1\nt'

# What a function of somebody's says is asked anew each time, though it changes while a session has its plans.
check 'a constraint by a function that is replaced holds' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
	ALTER TABLE cms.redemption ADD CONSTRAINT fine CHECK (fine(bill_ref));
	SELECT redeemed FROM cms.cms_redeem('DIRECT3', 'c3', 100, 'b3') \g /dev/null
	CREATE OR REPLACE FUNCTION fine(text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 <> ''b4''';
	SELECT redeemed FROM cms.cms_redeem('DIRECT3', 'c3', 100, 'b4') \g /dev/null
	ALTER TABLE cms.redemption DROP CONSTRAINT fine;
	SELECT redeemed FROM cms.cms_redeem('DIRECT3', 'c3', 100, 'b4');
SQL
)" $'ERROR:  23514\nt'

check 'a transaction that only reads stays one' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	SELECT redeemed FROM cms.cms_redeem('DIRECT4', 'c4', 100, 'b1') \g /dev/null
	BEGIN READ ONLY;
	SELECT redeemed FROM cms.cms_redeem('DIRECT4', 'c4', 100, 'b2');
	ROLLBACK;
	SELECT uses FROM cms.coupon WHERE code = 'DIRECT4';
SQL
)" $'ERROR:  25006\n1'

check 'an index that goes and comes back does not matter' "$(sql <<-'SQL'
	SELECT redeemed FROM cms.cms_redeem('DIRECT5', 'c5', 100, 'b1') \g /dev/null
	REINDEX TABLE cms.coupon;
	CREATE INDEX more ON cms.coupon (org_id, uses);
	SELECT redeemed FROM cms.cms_redeem('DIRECT5', 'c5', 100, 'b2') \g /dev/null
	SET enable_seqscan = off;
	SELECT count(*) FROM cms.coupon WHERE org_id = 1 AND uses = 2 AND code = 'DIRECT5';
	DROP INDEX cms.more;
	SELECT redeemed FROM cms.cms_redeem('DIRECT5', 'c5', 100, 'b3');
SQL
)" $'1\nt'

# Indexes of some rows, by what is no column, and of another kind; made by others while a session has its plans.
check 'indexes made meanwhile have what they are for' "$(sql <<-'SQL'
	SELECT redeemed FROM cms.cms_redeem('DIRECT31', 'c31', 100, 'b1') \g /dev/null
	\! psql -Xq -c 'CREATE INDEX used ON cms.coupon (org_id, code) WHERE uses > 1' -c 'CREATE INDEX shout ON cms.redemption (upper(bill_ref))'
	SELECT redeemed FROM cms.cms_redeem('DIRECT31', 'c31', 100, 'b2') \g /dev/null
	SELECT redeemed FROM cms.cms_redeem('DIRECT32', 'c32', 100, 'b1') \g /dev/null
	\! psql -Xq -c 'CREATE INDEX hashed ON cms.redemption USING hash (bill_ref)'
	SELECT redeemed FROM cms.cms_redeem('DIRECT32', 'c32', 100, 'only') \g /dev/null
	SELECT bt_index_check('cms.used', true), bt_index_check('cms.shout', true) \g /dev/null
	SET enable_seqscan = off;
	SELECT array_agg(code ORDER BY code) FROM cms.coupon WHERE org_id = 1 AND code IN ('DIRECT31', 'DIRECT32', 'DIRECT33') AND uses > 1;
	SELECT count(*) FROM cms.redemption WHERE bill_ref = 'only';
	DROP INDEX cms.used, cms.shout, cms.hashed;
SQL
)" $'{DIRECT31,DIRECT32}\n1'

# Rules of somebody make nothing, or more, of a statement.
check 'rules made meanwhile are followed' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	SELECT redeemed FROM cms.cms_redeem('DIRECT37', 'c37', 100, 'b1') \g /dev/null
	\! psql -Xq -c 'CREATE TABLE told (uses int)' -c 'GRANT INSERT ON told TO PUBLIC' -c 'CREATE RULE tell AS ON UPDATE TO cms.coupon DO ALSO INSERT INTO told VALUES (new.uses)' -c 'CREATE RULE shout AS ON UPDATE TO cms.offer_slot DO ALSO NOTIFY told'
	SELECT redeemed FROM cms.cms_redeem('DIRECT37', 'c37', 100, 'b2');
	SELECT count(*) FROM told;
	DROP RULE tell ON cms.coupon;
	DROP RULE shout ON cms.offer_slot;
	SELECT redeemed FROM cms.cms_redeem('DIRECT37', 'c37', 100, 'b3');
SQL
)" $'t\n1\nt'
check 'and one that lets nothing through is an error' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	CREATE RULE none AS ON UPDATE TO cms.offer_slot DO INSTEAD NOTHING;
	SELECT redeemed FROM cms.cms_redeem('DIRECT37', 'c37', 100, 'b4');
	DROP RULE none ON cms.offer_slot;
SQL
)" 'ERROR:  0A000'

# What somebody's default does, down to calling cms again, is done by the executor.
check 'a default by a function of somebody is called' "$(sql <<-'SQL'
	SELECT redeemed FROM cms.cms_redeem('DIRECT38', 'c38', 100, 'b1') \g /dev/null
	CREATE FUNCTION worth() RETURNS int LANGUAGE sql STABLE SECURITY DEFINER AS $$SELECT (discount * 10)::int FROM cms.cms_check('DIRECT39', 'c39', 100)$$;
	\! psql -Xq -c 'ALTER TABLE cms.redemption ADD worth int' -c 'ALTER TABLE cms.redemption ALTER worth SET DEFAULT worth()'
	SELECT redeemed FROM cms.cms_redeem('DIRECT38', 'c38', 100, 'b2') \g /dev/null
	SELECT bill_ref, worth FROM cms.redemption r JOIN cms.coupon c USING (org_id, coupon_id) WHERE c.code = 'DIRECT38' ORDER BY 1;
	ALTER TABLE cms.redemption DROP worth;
	DROP FUNCTION worth();
SQL
)" $'b1|\nb2|100'

# As CREATE INDEX CONCURRENTLY does it, which tells of it at the index only.
check 'an index that gets ready has what comes from then on' "$(sql <<-'SQL'
	\! psql -Xq -c 'CREATE INDEX soon ON cms.redemption (bill_ref)' -c "UPDATE pg_index SET indisready = false WHERE indexrelid = 'cms.soon'::regclass"
	SELECT redeemed FROM cms.cms_redeem('DIRECT36', 'c36', 100, 'too soon') \g /dev/null
	\! psql -Xq -c "UPDATE pg_index SET indisready = true WHERE indexrelid = 'cms.soon'::regclass"
	SELECT redeemed FROM cms.cms_redeem('DIRECT36', 'c36', 100, 'in time') \g /dev/null
	SET enable_seqscan = off;
	SELECT count(*) FROM cms.redemption WHERE bill_ref = 'in time';
	DROP INDEX cms.soon;
SQL
)" 1

check 'a right that was taken away is missed' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	SELECT redeemed FROM cms.cms_redeem('DIRECT34', 'c34', 100, 'b1') \g /dev/null
	\! psql -Xq -c 'REVOKE UPDATE ON cms.offer_slot FROM cms_owner'
	SELECT redeemed FROM cms.cms_redeem('DIRECT34', 'c34', 100, 'b2');
	\! psql -Xq -c 'GRANT UPDATE ON cms.offer_slot TO cms_owner'
	SELECT uses FROM cms.coupon WHERE code = 'DIRECT34';
	SELECT redeemed FROM cms.cms_redeem('DIRECT34', 'c34', 100, 'b2');
SQL
)" $'ERROR:  42501\n1\nt'

# The version of an offer is looked for where it was: others may have moved it, or written it anew.
check 'an offer changed by others is read again' "$(sql <<-'SQL'
	SELECT count(*) FROM generate_series(1, 200) n, cms.cms_check('DIRECT35', 'c35', 100 + n) \g /dev/null
	SELECT discount FROM cms.cms_redeem('DIRECT35', 'c35', 100, 'b1');
	\! psql -Xq -c 'VACUUM FULL cms.offer_version'
	SELECT discount FROM cms.cms_redeem('DIRECT35', 'c35', 100, 'b2');
	\! psql -Xq -c 'UPDATE cms.offer SET discount_value = 20 WHERE offer_id = 1'
	SELECT discount FROM cms.cms_redeem('DIRECT35', 'c35', 100, 'b3');
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT discount FROM cms.cms_check('DIRECT35', 'c35', 100);
	\! psql -Xq -c 'UPDATE cms.offer SET discount_value = 10 WHERE offer_id = 1'
	SELECT discount FROM cms.cms_check('DIRECT35', 'c35', 100);
	COMMIT;
	SELECT discount FROM cms.cms_check('DIRECT35', 'c35', 100);
SQL
)" $'10.00\n10.00\n20.00\n20.00\n20.00\n10.00'

# So are the counters: this one goes to another page meanwhile.
check 'a counter that has moved is found' "$(sql <<-'SQL'
	CREATE TEMP VIEW counter AS SELECT slot, uses, ctid::text::point AS place FROM cms.offer_slot WHERE offer_id = 1 AND uses > 0;
	SELECT count(*) FROM generate_series(1, 200) n, cms.cms_redeem('DIRECT40', 'c40', 100, 'b' || n) r WHERE r.redeemed;
	CREATE TEMP TABLE before AS TABLE counter;
	\! psql -Xq -c 'SET session_replication_role = replica' -c "DO 'BEGIN FOR n IN 1..200 LOOP UPDATE cms.offer_slot SET next_position = n WHERE offer_id = 1; END LOOP; END'"
	SELECT redeemed FROM cms.cms_redeem('DIRECT40', 'c40', 100, 'last');
	SELECT sum(n.uses - b.uses), every(n.place[0] <> b.place[0]) FROM counter n JOIN before b USING (slot);
SQL
)" $'200\nt\n1|t'

check 'after an error in between, all goes on' "$(psql -XqAt 2>&1 <<-'SQL'
	\set VERBOSITY sqlstate
	SET lock_timeout = '100ms';
	SELECT redeemed FROM cms.cms_redeem('DIRECT41', 'c41', 100, 'b1') \g /dev/null
	BEGIN;
	SELECT FROM cms.coupon WHERE code = 'DIRECT41' FOR UPDATE \g /dev/null
	PREPARE TRANSACTION 'locked';
	SELECT redeemed FROM cms.cms_redeem('DIRECT41', 'c41', 100, 'b2');
	SELECT redeemed FROM cms.cms_redeem('DIRECT42', 'c42', 100, 'b2');
	ROLLBACK PREPARED 'locked';
	SELECT redeemed FROM cms.cms_redeem('DIRECT41', 'c41', 100, 'b2');
SQL
)" $'ERROR:  55P03\nt\nt'

check 'a rolled back use is none' "$(sql <<-'SQL'
	BEGIN;
	SELECT redeemed FROM cms.cms_redeem('DIRECT6', 'c6', 100, 'b1') \g /dev/null
	SAVEPOINT s;
	SELECT redeemed FROM cms.cms_redeem('DIRECT6', 'c6', 100, 'b2') \g /dev/null
	ROLLBACK TO s;
	SELECT redeemed FROM cms.cms_redeem('DIRECT6', 'c6', 100, 'b3') \g /dev/null
	COMMIT;
	SELECT c.uses, array_agg(r.bill_ref ORDER BY r.bill_ref) FROM cms.coupon c JOIN cms.redemption r USING (org_id, coupon_id) WHERE c.code = 'DIRECT6' GROUP BY 1;
SQL
)" '2|{b1,b3}'

# Many versions of few rows, so that pages are full and rows move: each index still has each row.
sql <<-'SQL'
	BEGIN;
	SELECT count(*) FROM generate_series(1, 5000) n, cms.cms_redeem('DIRECT' || 7 + n % 20, 'c' || 7 + n % 20, 100, 'many ' || n) r WHERE r.redeemed \g /dev/null
	COMMIT;
SQL
check 'rows that moved to other pages' "$(sql -c "SELECT count(*) > 0 FROM cms.coupon WHERE code LIKE 'DIRECT%' AND (ctid::text::point)[0] > (SELECT (ctid::text::point)[0] FROM cms.coupon WHERE code = 'DIRECT2000')")" t
check 'are in all indexes' "$(sql -c "SELECT count(bt_index_check(i.indexrelid, true)) = count(*) FROM pg_index i
	WHERE i.indrelid IN ('cms.coupon'::regclass, 'cms.offer_slot'::regclass, 'cms.customer_use'::regclass)")" t
check 'and every use was counted' "$(sql -c "SELECT (SELECT sum(uses) FROM cms.offer_slot) = count(*), (SELECT sum(uses) FROM cms.coupon) = count(*) FROM cms.redemption")" 't|t'
exit $failed
