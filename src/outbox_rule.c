/*
 * outbox_rule.c
 *	  Whether a message still applies when a sender takes it (F41, F42, F43). Pure.
 *
 * A message was queued for what was true then. What is true now decides: a coupon that was
 * redeemed or revoked meanwhile is not reminded of, one whose end has moved is reminded of at its
 * new time, by the message that will be queued for that.
 */
#include "cms.h"

#include "common/hashfn.h"
#include "utils/timestamp.h"

#include "outbox.h"

#define LONGEST_DELAY USECS_PER_DAY

static const char *const kind_names[CMS_MESSAGE_KINDS] = {
	[CMS_MESSAGE_REMINDER] = "REMINDER",
	[CMS_MESSAGE_EXPIRY_NOTICE] = "EXPIRY_NOTICE",
	[CMS_MESSAGE_RESEND] = "RESEND",
	[CMS_MESSAGE_OFFER_REMINDER] = "OFFER_REMINDER",
	[CMS_MESSAGE_CODES_LEFT] = "CODES_LEFT",
};

static void find_end(const CmsMessage *message, TimestampTz at, CmsMessageVerdict *verdict);
static void find_uses_left(const CmsMessage *message, CmsMessageVerdict *verdict);
static CmsReason judge(const CmsMessage *message, TimestampTz at, CmsMessageVerdict *verdict);
static CmsReason judge_coupon(const CmsMessage *message, const CmsMessageVerdict *verdict);
static CmsReason
judge_reminder(const CmsMessage *message, TimestampTz at, CmsMessageVerdict *verdict);
static CmsReason
judge_expiry_notice(const CmsMessage *message, TimestampTz at, const CmsMessageVerdict *verdict);
static CmsReason
judge_resend(const CmsMessage *message, TimestampTz at, const CmsMessageVerdict *verdict);
static CmsReason
judge_offer_message(const CmsMessage *message, TimestampTz at, const CmsMessageVerdict *verdict);
static bool is_for_another_day(const CmsMessage *message, const CmsMessageVerdict *verdict);

bool
cms_message_kind(const char *name, CmsMessageKind *kind)
{
	for (int i = 0; i < CMS_MESSAGE_KINDS; i++)
	{
		if (strcmp(name, kind_names[i]) == 0)
		{
			*kind = (CmsMessageKind) i;
			return true;
		}
	}
	return false;
}

const char *
cms_message_kind_name(CmsMessageKind kind)
{
	return kind_names[kind];
}

void
cms_message_judge(const CmsMessage *message, int max_attempts, TimestampTz at,
				  CmsMessageVerdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->uses_left = CMS_UNLIMITED;
	if (message->offer->rules != NULL)
		find_end(message, at, verdict);
	if (message->has_coupon && message->offer->rules != NULL)
		find_uses_left(message, verdict);
	verdict->reason = judge(message, at, verdict);
	if (verdict->reason != CMS_OK)
		verdict->fate = CMS_FATE_CANCEL;
	else if (verdict->fate == CMS_FATE_SEND && message->leased && message->attempts >= max_attempts)
		verdict->fate = CMS_FATE_GIVE_UP;
}

/* F22: the effective end of the coupon, or the end of the offer, and its last day. */
static void
find_end(const CmsMessage *message, TimestampTz at, CmsMessageVerdict *verdict)
{
	const CmsOffer *offer = message->offer->rules;

	if (message->has_coupon)
		verdict->has_end = cms_rule_effective_end(
			offer, message->coupon.has_own_end, message->coupon.expires_at, &verdict->ends_at);
	else
	{
		verdict->has_end = offer->has_end;
		verdict->ends_at = offer->ends_at;
	}
	if (!verdict->has_end)
		return;
	/* the end is the beginning of the next day */
	verdict->last_day = cms_local_date(verdict->ends_at - 1, offer->zone);
	verdict->days_left = verdict->last_day - cms_local_date(at, offer->zone);
}

static void
find_uses_left(const CmsMessage *message, CmsMessageVerdict *verdict)
{
	int most = message->offer->rules->max_uses_per_coupon;

	if (most != CMS_UNLIMITED)
		verdict->uses_left = Max(most - message->coupon.uses - message->coupon.forfeited_uses, 0);
}

static CmsReason
judge(const CmsMessage *message, TimestampTz at, CmsMessageVerdict *verdict)
{
	CmsReason reason;

	/* an offer that has issued cannot be deleted, so it is one of points of contact */
	if (message->offer->rules == NULL)
		return CMS_REMINDER_REMOVED;
	switch (message->kind)
	{
		case CMS_MESSAGE_REMINDER:
			reason = judge_reminder(message, at, verdict);
			break;
		case CMS_MESSAGE_EXPIRY_NOTICE:
			reason = judge_expiry_notice(message, at, verdict);
			break;
		case CMS_MESSAGE_RESEND:
			reason = judge_resend(message, at, verdict);
			break;
		default:
			reason = judge_offer_message(message, at, verdict);
			break;
	}
	/* of a reminder, judge_reminder knows when */
	if (reason == CMS_OK && message->kind != CMS_MESSAGE_REMINDER && message->has_send_before &&
		at >= message->send_before)
		reason = CMS_TOO_LATE;
	return reason;
}

/* What no message about a coupon survives. */
static CmsReason
judge_coupon(const CmsMessage *message, const CmsMessageVerdict *verdict)
{
	if (!message->has_coupon)
		return CMS_CODE_NOT_FOUND;
	if (message->coupon.revoked)
		return CMS_COUPON_REVOKED;
	if (verdict->uses_left == 0)
		return CMS_ALREADY_REDEEMED;
	return CMS_OK;
}

/* F41: the reminder and the coupon's end as they are now say when it is due, and until when. */
static CmsReason
judge_reminder(const CmsMessage *message, TimestampTz at, CmsMessageVerdict *verdict)
{
	CmsReason reason = judge_coupon(message, verdict);
	const CmsOffer *offer = message->offer->rules;
	DateADT day;

	if (reason != CMS_OK)
		return reason;
	if (offer->archived)
		return CMS_OFFER_ARCHIVED;
	if (!message->has_reminder)
		return CMS_REMINDER_REMOVED;
	if (is_for_another_day(message, verdict))
		return CMS_EXPIRY_MOVED;
	day = verdict->last_day - message->reminder_days_before;
	verdict->due_at = cms_day_time(day, message->reminder_time, offer->zone);
	/* another day than that where the clocks jumped over its time and over midnight */
	day = cms_local_date(verdict->due_at, offer->zone);
	verdict->send_before = cms_day_begin(day + 1, offer->zone);
	if (at >= verdict->send_before)
		return CMS_TOO_LATE;
	if (at < verdict->due_at || strcmp(message->channel, message->reminder_channel) != 0)
		verdict->fate = CMS_FATE_POSTPONE;
	return CMS_OK;
}

static CmsReason
judge_expiry_notice(const CmsMessage *message, TimestampTz at, const CmsMessageVerdict *verdict)
{
	CmsReason reason = judge_coupon(message, verdict);

	if (reason != CMS_OK)
		return reason;
	if (!message->offer->expiry_notice)
		return CMS_REMINDER_REMOVED;
	if (is_for_another_day(message, verdict) || at < verdict->ends_at)
		return CMS_EXPIRY_MOVED;
	return CMS_OK;
}

/* F21. An archived offer's coupons stay redeemable, so they can be sent again. */
static CmsReason
judge_resend(const CmsMessage *message, TimestampTz at, const CmsMessageVerdict *verdict)
{
	CmsReason reason = judge_coupon(message, verdict);

	if (reason != CMS_OK)
		return reason;
	if (verdict->has_end && at >= verdict->ends_at)
		return CMS_COUPON_EXPIRED;
	if (!message->offer->resend_allowed)
		return CMS_RESEND_NOT_ALLOWED;
	return CMS_OK;
}

/* F42: to points of contact, about the offer. */
static CmsReason
judge_offer_message(const CmsMessage *message, TimestampTz at, const CmsMessageVerdict *verdict)
{
	if (message->offer->rules->archived)
		return CMS_OFFER_ARCHIVED;
	if (message->poc_name == NULL)
		return CMS_REMINDER_REMOVED;
	if (message->kind == CMS_MESSAGE_CODES_LEFT)
	{
		if (!message->offer->has_few_codes)
			return CMS_REMINDER_REMOVED;
	}
	else if (!message->has_reminder)
		return CMS_REMINDER_REMOVED;
	else if (is_for_another_day(message, verdict))
		return CMS_EXPIRY_MOVED;
	if (verdict->has_end && at >= verdict->ends_at)
		return CMS_OFFER_EXPIRED;
	return CMS_OK;
}

static bool
is_for_another_day(const CmsMessage *message, const CmsMessageVerdict *verdict)
{
	return !verdict->has_end || !message->has_day || verdict->last_day != message->for_day;
}

int64
cms_message_delay(int64 message_id, int attempts, int64 first)
{
	int64 longest = Max(LONGEST_DELAY, first);
	int64 delay = first;
	uint64 hash = hash_bytes_uint32_extended((uint32) attempts, (uint64) message_id);

	for (int i = 1; i < attempts && delay < longest; i++)
		delay = Min(delay * 2, longest);
	return delay - (int64) ((hash % 1000) * (double) delay / 2000);
}
