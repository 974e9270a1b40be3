/*
 * use.h
 *	  One use of a coupon: found, evaluated, written. What cms_check, cms_redeem,
 *	  cms_redeem_bill and the holds have in common. Within SPI_connect/SPI_finish.
 */
#ifndef CMS_USE_H
#define CMS_USE_H

#include "counter.h"
#include "coupon.h"

/* A request with what identifies it, and its answer. */
typedef struct CmsUse
{
	/* asked */
	int org;
	char *given_code;
	char code[CMS_CODE_MAX_LENGTH + 1]; /* normalised */
	char *ref;                          /* of the bill, or of the order */
	CmsUseRequest request;
	/* found and read */
	CmsFound found;
	CmsPlace given_place;
	bool lazy; /* what the writes decide anyway is left to them */
	CmsAllowance allowance;
	/* the hold that this use confirms, and that is to leave the counters for it; hold_id 0: none */
	int64 hold_id;
	int hold_slot;
	Numeric held_discount;
	/* answered */
	CmsVerdict verdict;
	CmsReason reason;
	int64 redemption_id;
	bool replayed;
} CmsUse;

/* Nobody in particular uses a common code: each time with a coupon of its own. */
static inline bool
cms_use_is_anonymous(const CmsUse *use)
{
	return use->found.common && use->request.customer == NULL;
}

/* columns of cms_redeem_result, then of cms_check_result */
enum
{
	cms_use_out_code,
	cms_use_out_redeemed,
	cms_use_out_reason,
	cms_use_out_message,
	cms_use_out_redemption_id,
	cms_use_out_offer_id,
	cms_use_out_coupon_id,
	cms_use_out_discount,
	cms_use_out_payable,
	cms_use_out_uses_left,
	cms_use_out_next_allowed_at,
	cms_use_out_replayed,
	cms_use_out_columns
};

/* The bill of the request from its arguments: without an amount the lines are the bill. */
extern void
cms_use_fetch_bill(FunctionCallInfo fcinfo, int amount_arg, int items_arg, CmsUseRequest *request);
/* whether nobody in particular asks, where a rule asks who it is: an error when it is evaluated */
extern bool cms_use_lacks_customer(const CmsUse *use);
/* error 22004 where no amount is known */
extern void cms_use_require_amount(const CmsUseRequest *request);
/* What can be told before the coupon is known: the code normalised, the place of the till. */
extern bool cms_use_begin(CmsUse *use, bool read_only);
/* the two parts of it: where the till is; the code. False, and CODE_NOT_FOUND: it cannot be one. */
extern void cms_use_place(CmsUse *use, bool read_only);
extern bool cms_use_normalise(CmsUse *use);
/* False, and CODE_NOT_FOUND: there is no such code. */
extern bool cms_use_find(CmsUse *use, CmsFind how);
/*
 * F34: the bill had redeemed this coupon before: true. The first answer is given again, or a
 * conflict is told; either comes before any rule.
 */
extern bool cms_use_replay(CmsUse *use);
/* whether the request is the one recorded; completed: places may have been added since (F38) */
extern bool cms_use_same_request(const CmsUse *use, Numeric bill_amount, const char *customer,
								 const char *store, const char *till, bool completed);
/*
 * Reads the facts and runs the rules, unless the till or the customer has tried too many codes
 * (TOO_MANY_ATTEMPTS). own_hold: a hold that is not to count, and was let through before; 0 for none.
 */
extern void cms_use_evaluate(CmsUse *use, int64 own_hold, bool read_only);
/* the two parts of it: the facts, false where it is refused before any rule; the rules */
extern bool cms_use_read(CmsUse *use, int64 own_hold, bool read_only, CmsUsage *usage);
extern void cms_use_judge(CmsUse *use, const CmsUsage *usage);
/*
 * The writes that decide. False: another transaction was faster, nothing is written: find and
 * evaluate again.
 */
extern bool cms_use_write(CmsUse *use);
/*
 * The parts of it, for whoever can take back what was written before a part that fails: the coupon
 * (false: as above); then comes the customer's row; what the use adds to the counters, which come
 * next; the redemption.
 */
extern bool cms_use_take(CmsUse *use);
extern void cms_use_count(const CmsUse *use, CmsCount *count);
/* of it, what a use adds that is the coupon's issue too */
extern void cms_use_count_issue(const CmsUse *use, CmsCount *count);
extern void cms_use_record(CmsUse *use);
/* All of it: finds, replays or evaluates, writes; as often as another transaction was faster. */
extern void cms_use_redeem(CmsUse *use);
/*
 * The end of every call, before its answer and after all else that it locks: a refusal is recorded
 * as the org wants it, and comes to tell no more than it may. action: word of cms.attempt.
 */
extern void cms_use_end(CmsUse *use, const char *action, bool read_only);
/* the row of cms_redeem; check: what a redemption would give */
extern void cms_use_answer(const CmsUse *use, bool check, Datum *values, bool *nulls);

#endif
