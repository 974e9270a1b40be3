#!/usr/bin/env bash
# The story of "make demo" runs, shows every refusal it promises, fits a terminal of 100 columns and
# reads the same each time but for the codes; and it stops at a statement that fails.
# shellcheck disable=SC2317 # functions are called by "check"
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() { # name command …
	if "${@:2}"; then echo "ok - $1"; else echo "not ok - $1" && failed=1; fi
}

# A database of its own each time, for the story begins with nothing. $1: file to run, $2: name.
tell() {
	createdb "$2"
	psql -X -q -d "$2" -c 'CREATE EXTENSION cms'
	psql -X -q -d "$2" -f "$1"
}

told() {
	local word missing=0
	for word in NOT_STARTED ALREADY_REDEEMED NOT_THE_HOLDER BILL_TOO_SMALL STORE_NOT_ALLOWED GAP_TOO_SHORT \
		NO_ELIGIBLE_ITEM TIME_NOT_ALLOWED OFFER_LIMIT CODE_NOT_FOUND BILL_CONFLICT COUPON_REVOKED \
		CUSTOMER_ISSUE_LIMIT OFFER_ISSUE_LIMIT 'make psql'; do
		grep -q -- "$word" "$work/first" || { echo "# \"$word\" is missing" && missing=1; }
	done
	return "$missing"
}

narrow() {
	perl -CSD -ne 'chomp; if (length > 100) { print "# ", length, ": $_\n"; $bad = 1 } END { exit($bad // 0) }' \
		"$work/first"
}

same() {
	local mask='s/\b(WELCOME-|LUCK)[0-9A-Z]{5,8}\b/\1…/g'
	diff <(sed -E "$mask" "$work/first") <(sed -E "$mask" "$work/second")
}

status=0
tell demo/story.sql story_1 >"$work/first" 2>"$work/errors" || status=$?
check 'the story runs to its end' [ "$status" = 0 ]
cat "$work/errors"
check 'nothing goes to stderr' [ ! -s "$work/errors" ]
check 'every refusal is told, and how to go on' told
check 'no line is longer than 100 columns' narrow

PGTZ=America/New_York PGDATESTYLE=German tell demo/story.sql story_2 >"$work/second" 2>&1 || true
check 'it reads the same in another session' same

sed '/^INSERT INTO org /s/INSERT/INSERTED/' demo/story.sql >"$work/broken.sql"
status=0
tell "$work/broken.sql" story_3 >"$work/third" 2>&1 || status=$?
check 'a statement that fails stops it' [ "$status" = 3 ]
exit "$failed"
