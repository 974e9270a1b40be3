/*
 * number.c
 *	  Numbers of new rows, of their sequences.
 *
 * Not taken by the statement that writes the row, which would have to return it then: a statement
 * that returns nothing needs no executor (see direct.c).
 */
#include "cms.h"

#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "utils/lsyscache.h"

#include "number.h"

static int64 next_of(const char *sequence);

int64
cms_number_of_coupon(void)
{
	return next_of("coupon_id_seq");
}

int64
cms_number_of_redemption(void)
{
	return next_of("redemption_id_seq");
}

int64
cms_number_of_hold(void)
{
	return next_of("hold_id_seq");
}

static int64
next_of(const char *sequence)
{
	return nextval_internal(get_relname_relid(sequence, get_namespace_oid("cms", false)), false);
}
