/*
 * codes_left.h
 *	  How many codes an offer can still give out (F42), for statements.
 */
#ifndef CMS_CODES_LEFT_H
#define CMS_CODES_LEFT_H

/*
 * The stock of an UPLOADED offer, the rest of a sample's space, what the pattern of a GENERATED one
 * can make within the guess guard, and what max_issued leaves: a row n with the column codes, joined
 * to the row o of cms.offer. NULL where nothing limits them.
 */
#define CMS_CODES_LEFT                                                                          \
	" CROSS JOIN LATERAL (SELECT LEAST("                                                        \
	"  o.max_issued - COALESCE(sum(t.issued), 0),"                                              \
	"  CASE o.code_method WHEN 'UPLOADED' THEN COALESCE(sum(t.stock), 0)"                       \
	"   WHEN 'RANDOMISED' THEN"                                                                 \
	"    power(10::numeric, length(o.sample_code) - length(replace(o.sample_code, '#', '')))"   \
	"    * power(36::numeric, length(o.sample_code) - length(replace(o.sample_code, '?', '')))" \
	"    - COALESCE(sum(t.next_position), 0)"                                                   \
	"   WHEN 'GENERATED' THEN"                                                                  \
	"    trunc(power(CASE o.code_charset WHEN 'NUMERIC' THEN 10::numeric"                       \
	"                 WHEN 'ALPHANUMERIC' THEN 36 ELSE 31 END, o.code_length)"                  \
	"     / CASE WHEN o.allow_dense_codes THEN 1 ELSE 4 END)"                                   \
	"    - COALESCE(sum(t.issued), 0) END) AS codes"                                            \
	"  FROM cms.offer_slot t WHERE t.org_id = o.org_id AND t.offer_id = o.offer_id) n"

#endif
