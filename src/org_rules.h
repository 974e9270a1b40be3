/*
 * org_rules.h
 *	  What an org's settings say about requests. Part of each compiled offer; where
 *	  a request leads to no offer, read by itself.
 */
#ifndef CMS_ORG_RULES_H
#define CMS_ORG_RULES_H

#include "datatype/timestamp.h"

typedef struct CmsOrgRules
{
	bool has_max_backdate;
	Interval max_backdate;
	bool record_attempts;
	bool uniform_refusals;
	int max_failed_attempts;      /* 0: any number */
	int64 failed_attempts_within; /* microseconds */
} CmsOrgRules;

/* the columns that cms_org_rules_fill takes, of cms.org as g */
#define CMS_ORG_RULES_COLUMNS                                \
	"g.max_backdate, g.record_attempts, g.uniform_refusals," \
	" g.max_failed_attempts, g.failed_attempts_within"
#define CMS_ORG_RULES_NCOLUMNS 5

/* from these columns, the first of that number, of the row that was read last */
extern void cms_org_rules_fill(int first_column, CmsOrgRules *rules);
/* by a statement of its own, within SPI_connect/SPI_finish; of an unknown org none */
extern void cms_org_rules_read(int org, bool read_only, CmsOrgRules *rules);
/* 22023 for an "at" further back than max_backdate allows a redeemer to date */
extern void cms_org_rules_require_recent(const CmsOrgRules *rules, TimestampTz at);

#endif
