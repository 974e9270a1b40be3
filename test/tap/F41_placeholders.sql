-- F41, F21: placeholders of messages are checked when the text is saved.
BEGIN;
SELECT plan(22);
\ir lib/scene.psql
SELECT play_org('Asia/Kolkata');
SELECT make_offer('one');

CREATE FUNCTION saves(content text, what text) RETURNS text
LANGUAGE sql AS $$ SELECT lives_ok(format('INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content)
	VALUES (o(''one''), (SELECT count(*) FROM cms.offer_reminder), ''SMS'', %L)', content), what) $$;
CREATE FUNCTION refuses(content text, says text, what text) RETURNS text
LANGUAGE sql AS $$ SELECT throws_ok(format('INSERT INTO cms.offer_reminder (offer_id, days_before, channel, content)
	VALUES (o(''one''), 9, ''SMS'', %L)', content), '23514', 'content: ' || says, what) $$;

SELECT saves('no placeholder at all', 'a plain text');
SELECT saves('{code} {offer} {offer_code} {expires_on} {days_left} {discount} {customer} {org}', 'all placeholders');
SELECT saves('{code}{code}', 'one twice, with nothing between');
SELECT saves('10 {{}} {{code}} }}{{', 'braces that are meant as such');
SELECT saves('{{{code}}}', 'a placeholder in braces');
SELECT saves('für Ölige ☂ {code} ☂', 'letters of any language');
SELECT refuses('Use {kode}!', 'placeholder "{kode}" is unknown', 'an unknown name is named');
SELECT refuses('Use {Code}!', 'placeholder "{Code}" is unknown', 'names are in lower case');
SELECT refuses('Use { code }!', 'placeholder "{ code }" is unknown', 'without blanks');
SELECT refuses('Use {}!', 'placeholder "{}" is unknown', 'with a name');
SELECT refuses('Use {codes} or {code}', 'placeholder "{codes}" is unknown', 'a name that begins like another');
SELECT refuses('{code} {☂}', 'placeholder "{☂}" is unknown', 'a name of other letters');
SELECT refuses('{' || repeat('☂', 60) || '}', 'placeholder "{' || repeat('☂', 20) || '}" is unknown', 'of a long one the beginning');
SELECT refuses('50 % {', 'a "{" has no "}" after it', 'a brace at the end');
SELECT refuses('{code', 'a "{" has no "}" after it', 'a placeholder without an end');
SELECT refuses('{co{code}', 'a "{" has no "}" after it', 'another begins before it ends');
SELECT refuses('code}', 'a "}" has no "{" before it', 'one without a beginning');
SELECT refuses('{code}}', 'a "}" has no "{" before it', 'a brace too many');
SELECT throws_ok($$ UPDATE cms.offer SET resend_content = 'Again: {kode}' WHERE offer_id = o('one') $$, '23514',
	'resend_content: placeholder "{kode}" is unknown', 'the text of a resend likewise');
SELECT lives_ok($$ UPDATE cms.offer SET resend_content = 'Again: {code}' WHERE offer_id = o('one') $$, 'a right one');
SELECT throws_ok($$ UPDATE cms.offer_reminder SET content = '{x}' $$, '23514', NULL, 'also when it is changed');
SELECT throws_ok($$ UPDATE cms.offer_reminder SET time_of_day = '24:00' $$, '23514',
	'time_of_day must be before 24:00', 'no clock shows 24:00');

SELECT * FROM finish();
ROLLBACK;
