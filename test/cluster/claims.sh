#!/usr/bin/env bash
# 64 sessions claim, issue in the name of services, move and release offers at once, at each isolation level
# (F5). One wins, the others are told who; a campaign never holds two.
# server: --set autovacuum=off --set max_connections=600
set -euo pipefail
# shellcheck source=test/cluster/sessions
. "$(dirname "${BASH_SOURCE[0]}")/sessions"

claims() {
	at_level "$1"
	# whoever loses is told who has won
	scenario claim-one 64 - <<-'SQL'
		CALL new_offer('CLAIM');
		\run
		INSERT INTO answer (reason) SELECT coalesce(c.reason || ' ', '') || c.holder
		FROM cms.cms_claim(offer('CLAIM'), (ARRAY['OUTBOUND', 'TIMELINE', 'DVS', 'LOYALTY', 'EXTERNAL'])[1 + :n % 5], 'k' || :n, at => '2030-01-10 12:00+00') c;
	SQL
	expect 'claim-one: one has won, the others know who' '63 1' "SELECT count(*) FILTER (WHERE a.reason = 'ALREADY_CLAIMED ' || w.reason) || ' '
		|| count(*) FILTER (WHERE a.reason = w.reason) FROM answer a, answer w WHERE a.scenario = 'claim-one' AND a.org_id = cms.cms_current_org()
		AND w.scenario = a.scenario AND w.org_id = a.org_id AND w.reason NOT LIKE 'ALREADY%'"
	# issuing in the name of a program claims: one program issues, to all of its customers
	scenario claim-by-issue 128 - <<-'SQL'
		CALL new_offer('CLAIM', '{"code_method": "GENERATED"}');
		\run
		INSERT INTO answer (reason) SELECT coalesce(i.reason, 'done k' || :n % 8)
		FROM cms.cms_issue(offer('CLAIM'), 'c' || :n, service => 'TIMELINE', consumer_ref => 'k' || :n % 8, at => '2030-01-10 12:00+00') i;
	SQL
	expect 'claim-by-issue: one program issues its 16' 'NOT_THE_CLAIMANT 112,done 16' "SELECT string_agg(r || ' ' || n, ',' ORDER BY r) FROM (
		SELECT CASE WHEN a.reason = 'done ' || l.consumer_ref THEN 'done' ELSE a.reason END AS r, count(*) AS n FROM answer a
		JOIN cms.claim l ON l.org_id = a.org_id WHERE a.scenario = 'claim-by-issue' AND a.org_id = cms.cms_current_org() GROUP BY 1) g"
	# claimed, moved and released by turns: nobody fails, and no campaign ever holds two
	scenario claim-and-release 128 - <<-'SQL'
		INSERT INTO cms.offer (code, name, discount_type, discount_value) SELECT 'CLAIM-' || i, 'claimed', 'FIXED_AMOUNT', 10 FROM generate_series(1, 3) i;
		\run
		INSERT INTO answer (reason) SELECT c.reason FROM cms.cms_claim(offer('CLAIM-' || 1 + :n % 3), 'OUTBOUND', 'k' || :n / 3 % 4, ends_on => '2030-01-01'::date + :n, at => '2030-01-10 12:00+00') c;
		INSERT INTO answer (reason) SELECT c.reason FROM cms.cms_release(offer('CLAIM-' || 1 + (:n + 1) % 3), at => '2030-01-10 12:00+00') c;
	SQL
	expect 'claim-and-release: a campaign has one offer' t "SELECT count(*) = count(DISTINCT consumer_ref) AND count(*) <= 3 FROM cms.claim WHERE org_id = cms.cms_current_org()"
	expect 'claim-and-release: and only reasons of claims were given' t "SELECT count(*) >= 256 AND bool_and(coalesce(reason, 'done') IN ('done', 'ALREADY_CLAIMED', 'CAMPAIGN_HAS_OFFER'))
		FROM answer WHERE scenario = 'claim-and-release' AND org_id = cms.cms_current_org()"
}

claims 'read committed'
claims 'repeatable read'
claims serializable
exit $failed
