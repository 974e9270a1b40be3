/*
 * text.h
 *	  Texts and ids as they come from outside: compared, trimmed, passed on. Pure.
 */
#ifndef CMS_TEXT_H
#define CMS_TEXT_H

/*
 * Bytes of an id of the outside world, a bill's reference or a key: enough for any,
 * and two of them fit into one entry of an index.
 */
#define CMS_ID_MAX_BYTES 1000

/* byte by byte; NULL equals NULL alone */
extern bool cms_text_equal(const char *a, const char *b);
/* choices end with NULL */
extern bool cms_text_is_one_of(const char *text, const char *const *choices);
/* the text without blanks around it; palloc'd */
extern char *cms_text_trim(const char *text);
extern bool cms_text_is_blank(const char *text);
/* a value of type text, palloc'd; 0 for NULL, of which the caller says that it is null */
extern Datum cms_text_datum(const char *text);

#endif
