/*
 * code.c
 *	  Codes as texts: what is allowed, how they are drawn, patterns and masks.
 *	  Pure: no SPI. The random source is the server's (OpenSSL's).
 */
#include "cms.h"

#include "mb/pg_wchar.h"

#include "code.h"
#include "permutation.h"

/* Random bytes fetched at a time: a call of the source costs more than its bytes. */
#define RANDOM_BUFFER 1024

/* Codes of an order worked out at a time. */
#define ORDER_GROUP 64

#define OFFER_CODE_LENGTH 8

#define SAMPLE_MIN_LENGTH 5
#define SAMPLE_MAX_LENGTH 10
#define MASK_ANY '?'   /* a random letter or digit */
#define MASK_DIGIT '#' /* a random digit */

struct CmsCodeOrder
{
	CmsCodePattern pattern;
	uint64 size;
	CmsPermutation *permutation;
	uint64 first; /* position of values[0] */
	int count;
	uint64 values[ORDER_GROUP];
};

static const char *const alphabets[] = {
	[CMS_CHARSET_NUMERIC] = "0123456789",
	[CMS_CHARSET_ALPHANUMERIC] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	[CMS_CHARSET_UNAMBIGUOUS] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ",
};

static int leading_blank(const char *text, int length);
static int trailing_blank(const char *text, int length);
static uint8 random_byte(void);
static int random_below_256(int below);
static char *add_fixed(char *at, const char *text);
static void code_of_number(const CmsCodePattern *pattern, uint64 number, char *code);
static int fixed_length(int length);
static bool is_digit(char c);
static bool is_letter_or_digit(char c);
static bool all_digits(const char *text, int length);

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_letter_or_digit(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z');
}

CmsReason
cms_code_normalise(const char *raw, int raw_length, char *code)
{
	int blank;

	code[0] = '\0';
	if (raw == NULL)
		return CMS_CODE_EMPTY;
	while ((blank = leading_blank(raw, raw_length)) > 0)
	{
		raw += blank;
		raw_length -= blank;
	}
	while ((blank = trailing_blank(raw, raw_length)) > 0)
		raw_length -= blank;
	if (raw_length == 0)
		return CMS_CODE_EMPTY;

	for (int i = 0; i < raw_length; i++)
	{
		/* not toupper(), which knows letters of the locale */
		char c = raw[i] >= 'a' && raw[i] <= 'z' ? raw[i] - 'a' + 'A' : raw[i];

		if (!is_letter_or_digit(c) && c != '-' && c != '_')
		{
			code[0] = '\0';
			return CMS_CODE_INVALID;
		}
		if (i < CMS_CODE_MAX_LENGTH)
			code[i] = c;
	}
	if (raw_length > CMS_CODE_MAX_LENGTH)
	{
		code[0] = '\0';
		return CMS_CODE_TOO_LONG;
	}
	code[raw_length] = '\0';
	return CMS_OK;
}

/*
 * Bytes of the blank that begins the text, 0 if none does: space, tab, or the
 * no-break space, two bytes in UTF-8 and one in the encodings of one byte.
 */
static int
leading_blank(const char *text, int length)
{
	if (length >= 1 && (text[0] == ' ' || text[0] == '\t'))
		return 1;
	if (GetDatabaseEncoding() != PG_UTF8)
		return length >= 1 && text[0] == '\xA0' ? 1 : 0;
	return length >= 2 && text[0] == '\xC2' && text[1] == '\xA0' ? 2 : 0;
}

static int
trailing_blank(const char *text, int length)
{
	if (length >= 1 && leading_blank(text + length - 1, 1) == 1)
		return 1;
	return length >= 2 && leading_blank(text + length - 2, 2) == 2 ? 2 : 0;
}

double
cms_code_space(const CmsCodePattern *pattern)
{
	double space = 1;

	for (int i = 0; i < pattern->length; i++)
		space *= cms_code_base(pattern);
	return space;
}

int
cms_code_base(const CmsCodePattern *pattern)
{
	return strlen(alphabets[pattern->charset]);
}

void
cms_code_draw(const CmsCodePattern *pattern, char *code)
{
	const char *alphabet = alphabets[pattern->charset];
	int base = cms_code_base(pattern);
	char *at = add_fixed(code, pattern->prefix);

	for (int i = 0; i < pattern->length; i++)
		*at++ = alphabet[random_below_256(base)];
	*add_fixed(at, pattern->suffix) = '\0';
}

static char *
add_fixed(char *at, const char *text)
{
	int length = strlen(text);

	memcpy(at, text, length);
	return at + length;
}

/* A byte is wiped once it is used: what was drawn cannot be read from memory later. */
static uint8
random_byte(void)
{
	static uint8 buffer[RANDOM_BUFFER];
	static int left = 0;
	uint8 byte;

	if (left == 0)
	{
		if (!pg_strong_random(buffer, sizeof(buffer)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not draw random bytes"),
					 errhint("Look in the server's log and at its random source.")));
		left = sizeof(buffer);
	}
	left--;
	byte = buffer[left];
	buffer[left] = 0;
	return byte;
}

/* Bytes above the last multiple of "below" are drawn again, so that all numbers are as likely. */
static int
random_below_256(int below)
{
	int limit = 256 - 256 % below;
	int byte;

	do
		byte = random_byte();
	while (byte >= limit);
	return byte % below;
}

void
cms_code_draw_key(uint8 *key)
{
	for (int i = 0; i < CMS_PERMUTATION_KEY_LENGTH; i++)
		key[i] = random_byte();
}

/* number < space, its digits in the base of the alphabet */
static void
code_of_number(const CmsCodePattern *pattern, uint64 number, char *code)
{
	const char *alphabet = alphabets[pattern->charset];
	uint64 base = cms_code_base(pattern);
	char *at = add_fixed(code, pattern->prefix);

	for (int i = pattern->length - 1; i >= 0; i--)
	{
		at[i] = alphabet[number % base];
		number /= base;
	}
	*add_fixed(at + pattern->length, pattern->suffix) = '\0';
}

CmsCodeOrder *
cms_code_order_open(const CmsCodePattern *pattern, const uint8 *key)
{
	CmsCodeOrder *order = palloc(sizeof(CmsCodeOrder));

	order->pattern = *pattern;
	order->size = (uint64) cms_code_space(pattern);
	order->permutation = cms_permutation_open(key, order->size);
	order->first = 0;
	order->count = 0;
	return order;
}

/* A position that continues from the last group is the first of a next group. */
void
cms_code_order_at(CmsCodeOrder *order, uint64 position, char *code)
{
	Assert(position < order->size);
	if (position < order->first || position >= order->first + order->count)
	{
		bool continues = order->count > 0 && position == order->first + order->count;

		order->first = position;
		order->count = continues ? (int) Min(ORDER_GROUP, order->size - position) : 1;
		for (int i = 0; i < order->count; i++)
			order->values[i] = position + i;
		cms_permutation_apply(order->permutation, order->values, order->count);
	}
	code_of_number(&order->pattern, order->values[position - order->first], code);
}

void
cms_code_order_close(CmsCodeOrder *order)
{
	cms_permutation_close(order->permutation);
	pfree(order);
}

/* Characters of a sample or mask that are kept. */
static inline int
fixed_length(int length)
{
	return length / 2;
}

static bool
all_digits(const char *text, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (!is_digit(text[i]))
			return false;
	}
	return true;
}

bool
cms_code_sample_mask(const char *sample, char *mask)
{
	char sign = '\0';
	int length;
	int fixed;
	char plain[CMS_CODE_MAX_LENGTH + 1];

	/* a stored mask is read as if its random characters had been typed */
	length = strlen(sample);
	if (length > 0 && (sample[length - 1] == MASK_ANY || sample[length - 1] == MASK_DIGIT))
		sign = sample[length - 1];
	if (sign != '\0')
	{
		if (length > SAMPLE_MAX_LENGTH)
			return false;
		fixed = fixed_length(length);
		memcpy(plain, sample, length + 1);
		for (int i = fixed; i < length; i++)
		{
			if (plain[i] != sign)
				return false;
			plain[i] = sign == MASK_ANY ? 'A' : '0';
		}
		sample = plain;
	}

	if (cms_code_normalise(sample, strlen(sample), mask) != CMS_OK)
		return false;
	length = strlen(mask);
	if (length < SAMPLE_MIN_LENGTH || length > SAMPLE_MAX_LENGTH)
		return false;
	fixed = fixed_length(length);
	/* digits are all that a sample of digits makes, and no other does */
	if (sign == MASK_DIGIT && !all_digits(mask, length))
		return false;
	memset(mask + fixed, all_digits(mask, length) ? MASK_DIGIT : MASK_ANY, length - fixed);
	return true;
}

void
cms_code_mask_pattern(const char *mask, CmsCodePattern *pattern)
{
	int length = strlen(mask);
	int fixed = strcspn(mask, "?#");

	Assert(length <= CMS_CODE_MAX_LENGTH && fixed < length);
	memset(pattern, 0, sizeof(*pattern));
	memcpy(pattern->prefix, mask, fixed);
	pattern->length = length - fixed;
	pattern->charset = mask[fixed] == MASK_DIGIT ? CMS_CHARSET_NUMERIC : CMS_CHARSET_ALPHANUMERIC;
}

int
cms_code_reserving_masks(const char *code, char masks[2][CMS_CODE_MAX_LENGTH + 1])
{
	int length = strlen(code);
	int fixed = fixed_length(length);
	int count = 0;

	if (length < SAMPLE_MIN_LENGTH || length > SAMPLE_MAX_LENGTH)
		return 0;
	for (int i = fixed; i < length; i++)
	{
		if (!is_letter_or_digit(code[i]))
			return 0;
	}
	strcpy(masks[count], code);
	memset(masks[count++] + fixed, MASK_ANY, length - fixed);
	if (all_digits(code, length))
	{
		strcpy(masks[count], code);
		memset(masks[count++] + fixed, MASK_DIGIT, length - fixed);
	}
	return count;
}

void
cms_code_for_offer(char *code)
{
	CmsCodePattern pattern = {.length = OFFER_CODE_LENGTH, .charset = CMS_CHARSET_UNAMBIGUOUS};

	cms_code_draw(&pattern, code);
}
