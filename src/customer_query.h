/*
 * customer_query.h
 *	  Customers from a query of the caller's, run with the caller's rights, and read over the
 *	  ends of transactions. For procedures, within SPI_connect_ext(SPI_OPT_NONATOMIC).
 */
#ifndef CMS_CUSTOMER_QUERY_H
#define CMS_CUSTOMER_QUERY_H

typedef struct CmsCustomerQuery CmsCustomerQuery;

/* Errors unless the text is one SELECT of one column that can be an id. In the current context. */
extern CmsCustomerQuery *cms_customer_query_prepare(const char *text);
/* Runs it; the end of the transaction keeps the result, in a temporary file where it is large. */
extern void cms_customer_query_open(CmsCustomerQuery *query);
/* Rows of the result, after the end of the transaction that has opened it. */
extern int64 cms_customer_query_total(const CmsCustomerQuery *query);
/*
 * The next rows, at most so many: answers how many there were, of which "ignored" named nobody;
 * the others are in *customers, a text[] that lives until the next call.
 */
extern int
cms_customer_query_fetch(CmsCustomerQuery *query, int most, Datum *customers, int *ignored);
extern void cms_customer_query_close(CmsCustomerQuery *query);

#endif
