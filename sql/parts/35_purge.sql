-- What may go: coupons that expired and were never redeemed, old answers and attempts.

CREATE FUNCTION cms.cms_purge(
	before timestamptz DEFAULT NULL, how_many int DEFAULT 10000,
	requests_before timestamptz DEFAULT NULL, attempts_before timestamptz DEFAULT NULL,
	holds_before timestamptz DEFAULT NULL, messages_before timestamptz DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cms_purge';
COMMENT ON FUNCTION cms.cms_purge(timestamptz, int, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, int) IS
'Removes coupons that expired before "before" and were never redeemed, at most how_many rows in one
call, and returns how many it removed; 0: there is nothing to purge. Only of offers that ended
before then or are archived, and of none whose last issue may still bar a customer from another
offer (F20). Left are coupons that were ever redeemed, reversed or not, and those held since.
Counters and reports stay as they were: issued coupons still count, by day in cms.purged_coupon. An
offer of which issued coupons were purged gives out no more. Codes are free again, but those of
RANDOMISED offers never come twice. requests_before, attempts_before, holds_before and
messages_before do the same for older rows of cms.request, cms.attempt, ended holds, and messages of
cms.outbox that are done with, for 3 days at least. A time that is NULL is that of the org,
keep_expired or keep_logs before "at"; where the org has none either, all is kept. org NULL: all
orgs of the caller.
Errors: 22023 how_many below 1, a time after "at"; 42501 a time, or an "at" that has not come yet,
from who may only sweep.';

CREATE PROCEDURE cms.cms_purge_all(
	before timestamptz DEFAULT NULL, batch int DEFAULT 50000,
	requests_before timestamptz DEFAULT NULL, attempts_before timestamptz DEFAULT NULL,
	holds_before timestamptz DEFAULT NULL, messages_before timestamptz DEFAULT NULL,
	at timestamptz DEFAULT pg_catalog.now(), org int DEFAULT NULL,
	INOUT removed bigint DEFAULT 0)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'cms_purge_all';
COMMENT ON PROCEDURE cms.cms_purge_all(timestamptz, int, timestamptz, timestamptz, timestamptz, timestamptz, timestamptz, int, bigint) IS
'Calls cms_purge until nothing is left to purge, batch rows at a time, each batch committed, and
tells how many rows were removed. After an interruption the next call goes on where it stopped.
Errors: 25001 within a transaction block, those of cms_purge.';
