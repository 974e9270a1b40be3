#!/usr/bin/env bash
# doc/cms.md tells of every object in the schema cms: each table, view and result type with all its
# columns and the values they may have, each function with its arguments; and of nothing else. The
# examples of all documents print what they say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# One line per thing to be found: kind, object, what its section has to name.
catalog() {
	psql -X -q -A -t -F $'\t' <<-'SQL'
	SET search_path = pg_catalog;
	SELECT 'relation', c.relname, a.attname
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
	UNION ALL
	SELECT 'type', c.relname, a.attname
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relnamespace = 'cms'::regnamespace AND c.relkind = 'c'
	UNION ALL
	SELECT 'relation', c.relname, word[1]
	FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid,
	     regexp_matches(pg_get_constraintdef(k.oid), '''([A-Z_]+)''::text', 'g') word
	WHERE k.connamespace = 'cms'::regnamespace AND k.contype = 'c'
	UNION ALL
	SELECT CASE p.prorettype WHEN 'trigger'::regtype THEN 'mention' ELSE 'routine' END, p.proname, arg
	FROM pg_proc p LEFT JOIN LATERAL unnest(p.proargnames) arg ON true
	WHERE p.pronamespace = 'cms'::regnamespace
	UNION ALL
	SELECT 'mention', relname, NULL FROM pg_class WHERE relnamespace = 'cms'::regnamespace AND relkind = 'S'
	UNION ALL
	SELECT 'mention', rolname, NULL FROM pg_roles WHERE rolname ~ '^cms_'
	UNION ALL
	-- the channel of NOTIFY
	SELECT 'name', 'cms_outbox', NULL
	UNION ALL
	SELECT 'name', typname, NULL FROM pg_type WHERE typnamespace = 'cms'::regnamespace AND typname ~ '^cms_'
	ORDER BY 1, 2, 3;
	SQL
}

catalog >/dev/null
status=0
catalog | perl -CSD -we '
	use strict;
	my ($bad, %section, $text) = (0);
	sub complain { print "# @_\n"; $bad = 1 }
	sub slurp { open my $in, "<", $_[0] or die "$_[0]: $!\n"; local $/; scalar <$in> }
	sub result { print $bad ? "not ok" : "ok", " - @_\n"; $main::failed |= $bad; $bad = 0 }

	# a section is found by each `name` in its heading, and by each type it describes
	$text = slurp("doc/cms.md");
	for my $part (split /^(?=#{2,3} )/m, $text) {
		my ($heading) = $part =~ /^(.*)/;
		$section{$_} .= $part for $heading =~ /`(?:cms\.)?(\w+)`/g;
		$section{$_} .= $part for $part =~ /type `cms\.(\w+)`/g;
	}
	my (%known, %missing);
	while (<STDIN>) {
		chomp;
		my ($kind, $object, $part) = split /\t/;
		$known{$object} = 1;
		next if $kind eq "name";
		if ($kind eq "mention") {
			complain("$object is not mentioned") unless $text =~ /`\Q$object\E`/;
			next;
		}
		if (!exists $section{$object}) {
			complain("$kind $object has no section") unless $missing{$object}++;
			next;
		}
		next unless defined $part && $part ne "";
		my $found = $kind eq "routine" ? $section{$object} =~ /\b\Q$object\E\((?:[^()]|\([^()]*\))*\b\Q$part\E\b/
			: $section{$object} =~ /`[^`\n]*\b\Q$part\E\b[^`\n]*`/;
		complain("$kind $object: \"$part\" is not told") unless $found;
	}
	result("doc/cms.md has every object, column, value and argument");

	for my $file (glob("README.md doc/*.md")) {
		my %seen;
		for my $name (slurp($file) =~ /\b(cms_\w+)/g) {
			complain("$file: there is no $name") unless $known{$name} || $seen{$name}++;
		}
	}
	result("the documents name nothing that is not there");

	complain("$_ is not in doc/cms.md") for grep { $text !~ /^\| `$_` \|/m }
		map { join "", /\x27(\w)\x27/g } slurp("src/errors.h") =~ /MAKE_SQLSTATE\((.*?)\)/g;
	result("doc/cms.md has every SQLSTATE");

	my @reasons = grep { !/^(OK|REASON_COUNT)$/ }
		slurp("src/reason.h") =~ /^\tCMS_([A-Z_]+)/mg;
	my (%told, @told);
	for (slurp("doc/reasons.md") =~ /^\| ([A-Z_]{6,}) \|/mg) {
		push @told, $_ unless $told{$_}++;
	}
	for my $i (0 .. ($#reasons > $#told ? $#reasons : $#told)) {
		my ($is, $says) = ($reasons[$i] // "nothing", $told[$i] // "nothing");
		next if $is eq $says;
		complain("doc/reasons.md has $says where $is comes");
		last;
	}
	result("doc/reasons.md has every reason, in the order of precedence");
	my $architecture = slurp("doc/architecture.md");
	my %source = map { s{.*/}{}r => 1 } glob("src/*.c");
	complain("$_ is not in doc/architecture.md") for grep { $architecture !~ /`\Q$_\E`/ } sort keys %source;
	complain("doc/architecture.md: there is no $_") for grep { !$source{$_} } $architecture =~ /`(\w+\.c)`/g;
	result("doc/architecture.md has every source file");
	exit($main::failed // 0);
' || status=$?

for file in doc/*.md; do
	! grep -q '^```sql' "$file" || test/readme "$file" || status=1
done
exit "$status"
