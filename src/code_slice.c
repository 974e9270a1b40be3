/*
 * code_slice.c
 *	  Many codes of a pattern drawn at once, in ascending order. Pure: no SPI. The random
 *	  source is the server's (OpenSSL's).
 *
 * A code is a number below the size of the space, written in the digits of the alphabet, which
 * ascend as the letters do. So codes ascend as their numbers. Of a pattern whose numbers have
 * more than 64 bits the first characters are drawn that way, and the others each alone.
 *
 * Random numbers are fetched in large pieces, sorted by their leading bits, by which they
 * hardly collide, and then by comparing neighbours: that is linear. Digits are split off in
 * pairs, by constants, because a division by a variable takes longer than all the rest.
 */
#include "cms.h"

#include "utils/memutils.h"

#include "code_slice.h"

/* the largest number of leading characters that are one number, and the most that it can be */
#define MOST_NUMBER ((uint64) PG_INT64_MAX)

/* A slice has to have so many times the codes that are drawn from it: else most draws collide. */
#define SPARSE 2

/* Draws of what collides before the slice is taken to be too narrow. */
#define MAX_ROUNDS 64

static int leading_characters(int base, int length, uint64 *size);
static int draw_numbers(uint64 from, uint64 width, int count, uint64 *numbers);
static void draw_below(uint64 width, int count, uint64 *numbers);
static void fill_random(void *buffer, size_t bytes);
static void sort_numbers(uint64 *numbers, int count, uint64 width);
static int drop_repeated(uint64 *numbers, int count);
static void write_number(const char *alphabet, int base, uint64 number, char *at, int length);
static int draw_tail(int base);

static const char *const alphabets[] = {
	[CMS_CHARSET_NUMERIC] = "0123456789",
	[CMS_CHARSET_ALPHANUMERIC] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	[CMS_CHARSET_UNAMBIGUOUS] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ",
};

int
cms_code_length(const CmsCodePattern *pattern)
{
	return strlen(pattern->prefix) + pattern->length + strlen(pattern->suffix);
}

int
cms_code_draw_slice(const CmsCodePattern *pattern, int64 first, int64 width, int64 total, int count,
					char *codes)
{
	const char *alphabet = alphabets[pattern->charset];
	int base = cms_code_base(pattern);
	int prefix = strlen(pattern->prefix);
	int suffix = strlen(pattern->suffix);
	int length = prefix + pattern->length + suffix;
	uint64 size;
	int leading = leading_characters(base, pattern->length, &size);
	uint64 from = (uint64) ((uint128) size * (uint64) first / (uint64) total);
	uint64 until = (uint64) ((uint128) size * (uint64) (first + width) / (uint64) total);
	uint64 *numbers;

	Assert(first >= 0 && width > 0 && first + width <= total);
	if (count == 0 || (until - from) / SPARSE < (uint64) count)
		return 0;
	numbers = palloc_extended(sizeof(uint64) * count, MCXT_ALLOC_HUGE);
	count = draw_numbers(from, until - from, count, numbers);
	for (int i = 0; i < count; i++)
	{
		char *code = codes + (size_t) length * i;

		memcpy(code, pattern->prefix, prefix);
		write_number(alphabet, base, numbers[i], code + prefix, leading);
		for (int j = leading; j < pattern->length; j++)
			code[prefix + j] = alphabet[draw_tail(base)];
		memcpy(code + prefix + pattern->length, pattern->suffix, suffix);
	}
	/* what was drawn cannot be read from memory later */
	explicit_bzero(numbers, sizeof(uint64) * count);
	pfree(numbers);
	return count;
}

/* How many of the characters are one number, and how many such numbers there are. */
static int
leading_characters(int base, int length, uint64 *size)
{
	int leading = 0;

	*size = 1;
	while (leading < length && *size <= MOST_NUMBER / base)
	{
		*size *= base;
		leading++;
	}
	return leading;
}

/* Ascending, all different; what collides is drawn again. */
static int
draw_numbers(uint64 from, uint64 width, int count, uint64 *numbers)
{
	int have = 0;

	for (int round = 0; have < count && round < MAX_ROUNDS; round++)
	{
		draw_below(width, count - have, numbers + have);
		sort_numbers(numbers, count, width);
		have = drop_repeated(numbers, count);
	}
	for (int i = 0; i < have; i++)
		numbers[i] += from;
	return have;
}

/*
 * The upper half of the product of a random number and the width; lower halves that would
 * make some results likelier than others are drawn again.
 */
static void
draw_below(uint64 width, int count, uint64 *numbers)
{
	uint64 unfair = -width % width;

	fill_random(numbers, sizeof(uint64) * count);
	for (int i = 0; i < count; i++)
	{
		uint128 product = (uint128) numbers[i] * width;

		while (unlikely((uint64) product < unfair))
		{
			fill_random(&numbers[i], sizeof(uint64));
			product = (uint128) numbers[i] * width;
		}
		numbers[i] = (uint64) (product >> 64);
	}
}

/* The server's source takes lengths up to INT_MAX. */
static void
fill_random(void *buffer, size_t bytes)
{
	if (!pg_strong_random(buffer, bytes))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not draw random bytes"),
				 errhint("Look in the server's log and at its random source.")));
}

/* Into buckets by their leading bits, about one number in each; then neighbours are compared. */
static void
sort_numbers(uint64 *numbers, int count, uint64 width)
{
	int bits = 1;
	int shift = 0;
	uint32 *ends;
	uint64 *sorted;

	while ((1 << bits) < count && bits < 24)
		bits++;
	while (((width - 1) >> shift) >> bits != 0)
		shift++;
	ends = palloc0(sizeof(uint32) * ((1 << bits) + 1));
	sorted = palloc_extended(sizeof(uint64) * count, MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		ends[(numbers[i] >> shift) + 1]++;
	for (int i = 0; i < (1 << bits); i++)
		ends[i + 1] += ends[i];
	for (int i = 0; i < count; i++)
		sorted[ends[numbers[i] >> shift]++] = numbers[i];
	for (int i = 0; i < count; i++)
	{
		uint64 number = sorted[i];
		int place = i;

		for (; place > 0 && numbers[place - 1] > number; place--)
			numbers[place] = numbers[place - 1];
		numbers[place] = number;
	}
	explicit_bzero(sorted, sizeof(uint64) * count);
	pfree(sorted);
	pfree(ends);
}

static int
drop_repeated(uint64 *numbers, int count)
{
	int kept = 0;

	for (int i = 0; i < count; i++)
		if (kept == 0 || numbers[kept - 1] != numbers[i])
			numbers[kept++] = numbers[i];
	return kept;
}

/* With the base known to the compiler, divisions become multiplications. */
static inline void
write_digits(const char *alphabet, uint64 base, uint64 number, char *at, int length)
{
	int i = length;

	/* 32 bits at a time are faster still: six digits of any base up to 36 fit */
	while (i > 6)
	{
		uint64 rest = number / (base * base * base * base * base * base);
		uint32 six = (uint32) (number - rest * (base * base * base * base * base * base));

		for (int j = 0; j < 6; j++)
		{
			at[--i] = alphabet[six % (uint32) base];
			six /= (uint32) base;
		}
		number = rest;
	}
	while (i > 0)
	{
		at[--i] = alphabet[number % base];
		number /= base;
	}
}

static void
write_number(const char *alphabet, int base, uint64 number, char *at, int length)
{
	switch (base)
	{
		case 10:
			write_digits(alphabet, 10, number, at, length);
			break;
		case 31:
			write_digits(alphabet, 31, number, at, length);
			break;
		case 36:
			write_digits(alphabet, 36, number, at, length);
			break;
		default:
			write_digits(alphabet, base, number, at, length);
			break;
	}
}

/* One character of those behind the number. */
static int
draw_tail(int base)
{
	uint64 digit;

	draw_below(base, 1, &digit);
	return (int) digit;
}

void
cms_code_shuffle(int *numbers, int count)
{
	uint32 *random = palloc_extended(sizeof(uint32) * Max(count, 1), MCXT_ALLOC_HUGE);

	fill_random(random, sizeof(uint32) * count);
	for (int i = 0; i < count; i++)
		numbers[i] = i;
	for (int i = count - 1; i > 0; i--)
	{
		uint32 below = (uint32) i + 1;
		uint32 unfair = -below % below;
		uint64 product = (uint64) random[i] * below;
		int other;
		int number = numbers[i];

		while (unlikely((uint32) product < unfair))
		{
			fill_random(&random[i], sizeof(uint32));
			product = (uint64) random[i] * below;
		}
		other = (int) (product >> 32);
		numbers[i] = numbers[other];
		numbers[other] = number;
	}
	pfree(random);
}
