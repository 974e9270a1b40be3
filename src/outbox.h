/*
 * outbox.h
 *	  Messages: whether one still applies when a sender takes it, and what it says. Pure.
 */
#ifndef CMS_OUTBOX_H
#define CMS_OUTBOX_H

#include "rule.h"

typedef enum CmsMessageKind
{
	CMS_MESSAGE_REMINDER,
	CMS_MESSAGE_EXPIRY_NOTICE,
	CMS_MESSAGE_RESEND,
	CMS_MESSAGE_OFFER_REMINDER,
	CMS_MESSAGE_CODES_LEFT,
	CMS_MESSAGE_KINDS
} CmsMessageKind;

/* What a message needs of its offer, beside the rules. */
typedef struct CmsMessageOffer
{
	int64 offer_id;
	const CmsOffer *rules; /* NULL: the offer was deleted */
	char *code;
	char *discount; /* as in the dashboard */
	bool resend_allowed;
	char *resend_content;
	bool expiry_notice;
	int64 codes_left;
	bool has_few_codes; /* so few that its points of contact are to be told */
	char *org_name;
	char *zone_name;
} CmsMessageOffer;

/* A row of cms.outbox with the present state of what it is about. */
typedef struct CmsMessage
{
	int64 message_id;
	CmsMessageKind kind;
	char *channel;
	int64 offer_id;
	char *customer; /* NULL: it goes to a point of contact */
	int64 poc_id;
	int days_before;
	bool has_day;
	DateADT for_day;
	bool has_send_before;
	TimestampTz send_before;
	bool leased; /* a sender had it and did not answer */
	int attempts;

	const CmsMessageOffer *offer;
	bool has_coupon;
	CmsCoupon coupon;
	char *code;
	/* the row of offer_reminder, or of offer_poc */
	bool has_reminder;
	int64 reminder_id;
	int reminder_days_before;
	TimeADT reminder_time;
	char *reminder_channel;
	char *reminder_content;
	char *poc_name; /* NULL: there is no such point of contact */
	char *poc_email;
} CmsMessage;

/* What becomes of a message that a sender asks for. */
typedef enum CmsMessageFate
{
	CMS_FATE_SEND,
	CMS_FATE_CANCEL,
	CMS_FATE_POSTPONE, /* it is due at another time, or on another channel */
	CMS_FATE_GIVE_UP   /* senders took it so often without an answer */
} CmsMessageFate;

typedef struct CmsMessageVerdict
{
	CmsMessageFate fate;
	CmsReason reason; /* of a cancelled one */
	/* of a reminder, as it is now */
	TimestampTz due_at;
	TimestampTz send_before;
	/* of the coupon or offer */
	bool has_end;
	TimestampTz ends_at; /* exclusive */
	DateADT last_day;
	int days_left;
	int uses_left; /* CMS_UNLIMITED */
} CmsMessageVerdict;

/* false: there is no such kind */
extern bool cms_message_kind(const char *name, CmsMessageKind *kind);
extern const char *cms_message_kind_name(CmsMessageKind kind);
extern void cms_message_judge(const CmsMessage *message, int max_attempts, TimestampTz at,
							  CmsMessageVerdict *verdict);
/* the text, placeholders filled in, and the JSON that the sender is given; palloc'd */
extern char *cms_message_content(const CmsMessage *message, const CmsMessageVerdict *verdict);
extern char *cms_message_payload(const CmsMessage *message, const CmsMessageVerdict *verdict,
								 const char *content);
/*
 * How long a message waits after its nth failure: twice as long each time, up to a day, and of
 * that between half and all, so that what failed together does not come back together. The same
 * message waits the same each time it is asked.
 */
extern int64 cms_message_delay(int64 message_id, int attempts, int64 first);

#endif
