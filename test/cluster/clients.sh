#!/usr/bin/env bash
# The clients that people use: the examples of doc/clients.md, run as they stand there with node-postgres,
# psycopg and PostGraphile, print what they say. And of the schema as PostGraphile sees it: everything that a
# manager may use is served, nothing clashes, and what triggers fill is not asked for.
# What is installed with npm (clients/package.json, clients/package-lock.json) goes into a folder of the tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
tmp=${CMS_TMP:-$top/tmp}/clients
failed=0
ok() { echo "ok - $*"; }
not_ok() { echo "not ok - $*"; failed=1; }

command -v node >/dev/null || { echo '# no node'; exit 77; }
# the one that Debian's packages belong to need not be the first of the path
python=
for candidate in python3 /usr/bin/python3; do
	if "$candidate" -c 'import psycopg' 2>/dev/null; then python=$candidate; fi
done
[ -n "$python" ] || { echo '# no psycopg'; exit 77; }
mkdir -p "$tmp"
if ! cmp -s "$here/clients/package-lock.json" "$tmp/package-lock.json" || [ ! -d "$tmp/node_modules/postgraphile" ]; then
	cp "$here/clients/package.json" "$tmp/"
	if ! (cd "$tmp" && cp "$here/clients/package-lock.json" . && npm ci --no-audit --no-fund --ignore-scripts) >"$tmp/npm.log" 2>&1; then
		rm -f "$tmp/package-lock.json"
		echo '# npm could not install the clients'
		tail -n 5 "$tmp/npm.log" | sed 's/^/# /'
		exit 77
	fi
fi

# The examples: each block into a file of its own; what is below it is what it prints, … for anything.
rm -f "$tmp"/example-*
perl -CSDA -Mutf8 -we '
	use strict;
	my ($tmp, $n) = (shift, 0);
	local $/;
	my $text = <STDIN>;
	my %suffix = (js => "mjs", python => "py", sql => "sql");
	while ($text =~ /^```(js|python|sql)\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?/gms) {
		my $name = sprintf "%s/example-%d.%s", $tmp, ++$n, $suffix{$1};
		open my $out, ">", $name or die; print $out $2;
		open my $expected, ">", "$name.expected" or die; print $expected $3 // "…\n";
	}
' "$tmp" <"$top/doc/clients.md"
createdb clients
export PGDATABASE=clients
for example in "$tmp"/example-?.{sql,mjs,py}; do echo "$example"; done | sort >"$tmp/examples"
while read -r example; do
	name="doc/clients.md: ${example##*/}"
	case $example in
	*.sql) run=(psql -X -q -v ON_ERROR_STOP=1 -f "$example") ;;
	*.py) run=("$python" "$example") ;;
	*.mjs) run=(node "$example") ;;
	esac
	if ! (cd "$tmp" && timeout 60 "${run[@]}" </dev/null) >"$example.out" 2>&1; then
		not_ok "$name ended with an error"
		sed 's/^/#   /' "$example.out"
	elif perl -CSDA -Mutf8 -we '
		use strict;
		local $/;
		my ($expected, $is) = map { open my $in, "<:utf8", $_ or die; scalar <$in> } @ARGV;
		my $pattern = join "", map { $_ eq "…\n" ? "(?s:.*)" : join(".*", map { quotemeta } split /…/, $_, -1) } $expected =~ /(.*\n)/g;
		exit($is =~ /\A$pattern\z/ ? 0 : 1)' "$example.expected" "$example.out"; then
		ok "$name"
	else
		not_ok "$name prints something else"
		diff "$example.expected" "$example.out" | sed 's/^/#   /' || true
	fi
done <"$tmp/examples"

cp "$here/clients/graphql.mjs" "$tmp/"
(cd "$tmp" && timeout 60 node graphql.mjs) || failed=1
exit $failed
