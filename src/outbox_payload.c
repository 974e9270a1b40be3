/*
 * outbox_payload.c
 *	  What a message says, and the JSON that its sender is given. Pure.
 *
 * The members of the JSON are told in doc/cms.md. They may become more, never fewer. What is
 * not known is left out.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "outbox.h"
#include "template.h"

/* of what no setting gives a text for */
#define EXPIRY_NOTICE_CONTENT "Your coupon {code} of {offer} ended on {expires_on}."
#define RESEND_CONTENT "Your coupon of {offer}: {code}"
#define OFFER_REMINDER_CONTENT "The offer {offer} ({offer_code}) ends on {expires_on}."
#define CODES_LEFT_CONTENT "The offer {offer} ({offer_code}) has " INT64_FORMAT " codes left."

static const char *template_of(const CmsMessage *message);
static void open_object(StringInfo json, const char *name);
static void close_object(StringInfo json);
static void put_name(StringInfo json, const char *name);
static void put_text(StringInfo json, const char *name, const char *value);
static void put_number(StringInfo json, const char *name, int64 value);
static char *day_text(DateADT day);
static char *instant_text(TimestampTz at, pg_tz *zone);

char *
cms_message_content(const CmsMessage *message, const CmsMessageVerdict *verdict)
{
	const CmsMessageOffer *offer = message->offer;
	const char *values[CMS_PLACEHOLDERS] = {
		[CMS_PLACEHOLDER_CODE] = message->code,
		[CMS_PLACEHOLDER_OFFER] = offer->rules->name,
		[CMS_PLACEHOLDER_OFFER_CODE] = offer->code,
		[CMS_PLACEHOLDER_DISCOUNT] = offer->discount,
		[CMS_PLACEHOLDER_CUSTOMER] = message->customer,
		[CMS_PLACEHOLDER_ORG] = offer->org_name,
	};

	if (verdict->has_end)
	{
		values[CMS_PLACEHOLDER_EXPIRES_ON] = day_text(verdict->last_day);
		values[CMS_PLACEHOLDER_DAYS_LEFT] = psprintf("%d", Max(verdict->days_left, 0));
	}
	return cms_template_fill(template_of(message), values);
}

static const char *
template_of(const CmsMessage *message)
{
	switch (message->kind)
	{
		case CMS_MESSAGE_REMINDER:
			return message->reminder_content;
		case CMS_MESSAGE_EXPIRY_NOTICE:
			return EXPIRY_NOTICE_CONTENT;
		case CMS_MESSAGE_RESEND:
			return message->offer->resend_content != NULL ? message->offer->resend_content
														  : RESEND_CONTENT;
		case CMS_MESSAGE_OFFER_REMINDER:
			return OFFER_REMINDER_CONTENT;
		default:
			return psprintf(CODES_LEFT_CONTENT, message->offer->codes_left);
	}
}

char *
cms_message_payload(const CmsMessage *message, const CmsMessageVerdict *verdict,
					const char *content)
{
	const CmsMessageOffer *offer = message->offer;
	pg_tz *zone = offer->rules->zone;
	StringInfoData json;

	initStringInfo(&json);
	open_object(&json, NULL);
	put_number(&json, "schema", 1);
	put_number(&json, "message_id", message->message_id);
	put_text(&json, "kind", cms_message_kind_name(message->kind));
	put_text(&json, "channel", message->channel);
	put_text(&json, "customer_id", message->customer);
	open_object(&json, "org");
	put_number(&json, "org_id", offer->rules->org);
	put_text(&json, "name", offer->org_name);
	put_text(&json, "time_zone", offer->zone_name);
	close_object(&json);
	open_object(&json, "offer");
	put_number(&json, "offer_id", message->offer_id);
	put_text(&json, "code", offer->code);
	put_text(&json, "name", offer->rules->name);
	put_text(&json, "discount", offer->discount);
	if (offer->rules->has_end)
		put_text(&json, "expires_on", day_text(offer->rules->last_day));
	if (message->kind == CMS_MESSAGE_CODES_LEFT)
		put_number(&json, "codes_left", offer->codes_left);
	close_object(&json);
	if (message->has_coupon)
	{
		open_object(&json, "coupon");
		put_number(&json, "coupon_id", message->coupon.coupon_id);
		put_text(&json, "code", message->code);
		if (verdict->has_end)
		{
			put_text(&json, "expires_on", day_text(verdict->last_day));
			put_text(&json, "expires_at", instant_text(verdict->ends_at, zone));
			put_number(&json, "days_left", verdict->days_left);
		}
		if (verdict->uses_left != CMS_UNLIMITED)
			put_number(&json, "uses_left", verdict->uses_left);
		close_object(&json);
	}
	if (message->kind == CMS_MESSAGE_REMINDER)
	{
		open_object(&json, "reminder");
		put_number(&json, "reminder_id", message->reminder_id);
		put_number(&json, "days_before", message->reminder_days_before);
		close_object(&json);
	}
	if (message->poc_name != NULL)
	{
		open_object(&json, "poc");
		put_number(&json, "poc_id", message->poc_id);
		put_text(&json, "name", message->poc_name);
		put_text(&json, "email", message->poc_email);
		close_object(&json);
	}
	put_text(&json, "content", content);
	close_object(&json);
	return json.data;
}

static void
open_object(StringInfo json, const char *name)
{
	if (name != NULL)
		put_name(json, name);
	appendStringInfoChar(json, '{');
}

static void
close_object(StringInfo json)
{
	appendStringInfoChar(json, '}');
}

static void
put_name(StringInfo json, const char *name)
{
	if (json->len > 0 && json->data[json->len - 1] != '{')
		appendStringInfoChar(json, ',');
	appendStringInfo(json, "\"%s\":", name);
}

static void
put_text(StringInfo json, const char *name, const char *value)
{
	if (value == NULL)
		return;
	put_name(json, name);
	escape_json(json, value);
}

static void
put_number(StringInfo json, const char *name, int64 value)
{
	put_name(json, name);
	appendStringInfo(json, INT64_FORMAT, value);
}

/* "2026-06-20", whatever DateStyle is */
static char *
day_text(DateADT day)
{
	char text[MAXDATELEN + 1];

	return pstrdup(JsonEncodeDateTime(text, DateADTGetDatum(day), DATEOID, NULL));
}

/* "2026-06-21T00:00:00+05:30", by the clock of the org */
static char *
instant_text(TimestampTz at, pg_tz *zone)
{
	char text[MAXDATELEN + 1];
	struct pg_tm tm;
	fsec_t fsec;
	int tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, zone) != 0)
		return NULL;
	EncodeDateTime(&tm, fsec, true, tz, NULL, USE_XSD_DATES, text);
	return pstrdup(text);
}
