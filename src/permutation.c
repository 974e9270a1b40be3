/*
 * permutation.c
 *	  A keyed permutation of [0, size): the order in which the codes of a
 *	  RANDOMISED offer are handed out (F11).
 *
 * Codes must come in an order that nobody can foretell, each exactly once, the
 * last as fast as the first, without a table of those that are gone. That is a
 * block cipher whose blocks are the numbers below size: a Feistel network over
 * pairs (left < a, right < b) with a * b just above size, AES-128 as its round
 * function. What falls on or above size is encrypted again until it falls below
 * ("cycle walking"), which keeps the map one to one. As a * b exceeds size by
 * less than a, that is rare.
 *
 * The order is part of the data of an offer: it must be the same on every
 * machine and in every version, so nothing here may change its outcome.
 */
#include "cms.h"

#include <math.h>
#include <openssl/evp.h>

#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "permutation.h"

#define BLOCK_LENGTH 16

/* Blocks encrypted by one call of the cipher, whose price is mostly the call. */
#define GROUP 64

/*
 * Ten rounds are what the standards ask for (NIST SP 800-38G), and not for such
 * small domains as 10^3, where there are the more.
 */
#define ROUNDS 12
#define ROUNDS_SMALL 24
#define SMALL_SIZE UINT64CONST(1000000)

struct CmsPermutation
{
	uint64 size;
	uint64 a; /* values of the left half */
	uint64 b; /* values of the right half */
	int rounds;
	EVP_CIPHER_CTX *cipher;
	MemoryContext context; /* its own, whose end frees the cipher */
	MemoryContextCallback callback;
};

static void release(void *arg);
static void encrypt(CmsPermutation *permutation, uint64 *values, int count);
static void round_function(CmsPermutation *permutation, int round, const uint64 *input,
						   uint64 *output, int count);

/*
 * The cipher is the library's memory, which an error would leave behind, so it
 * hangs on a memory context. Raises an error only if the library refuses AES.
 */
CmsPermutation *
cms_permutation_open(const uint8 *key, uint64 size)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "cms permutation", ALLOCSET_SMALL_SIZES);
	CmsPermutation *permutation = MemoryContextAllocZero(context, sizeof(CmsPermutation));

	Assert(size > 0 && size < CMS_PERMUTATION_MAX_SIZE);
	permutation->size = size;
	permutation->a = (uint64) ceil(sqrt((double) size));
	permutation->b = (size + permutation->a - 1) / permutation->a;
	permutation->rounds = size < SMALL_SIZE ? ROUNDS_SMALL : ROUNDS;
	permutation->context = context;
	permutation->callback.func = release;
	permutation->callback.arg = permutation;
	MemoryContextRegisterResetCallback(context, &permutation->callback);

	permutation->cipher = EVP_CIPHER_CTX_new();
	if (permutation->cipher == NULL ||
		EVP_EncryptInit_ex(permutation->cipher, EVP_aes_128_ecb(), NULL, key, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(permutation->cipher, 0) != 1)
		elog(ERROR, "could not set up AES-128");
	return permutation;
}

void
cms_permutation_close(CmsPermutation *permutation)
{
	MemoryContextDelete(permutation->context);
}

static void
release(void *arg)
{
	EVP_CIPHER_CTX_free(((CmsPermutation *) arg)->cipher);
}

void
cms_permutation_apply(CmsPermutation *permutation, uint64 *values, int count)
{
	uint64 group[GROUP];
	int places[GROUP];

	for (int begin = 0; begin < count; begin += GROUP)
	{
		int waiting = Min(GROUP, count - begin);

		for (int i = 0; i < waiting; i++)
		{
			Assert(values[begin + i] < permutation->size);
			group[i] = values[begin + i];
			places[i] = begin + i;
		}
		while (waiting > 0)
		{
			int again = 0;

			encrypt(permutation, group, waiting);
			for (int i = 0; i < waiting; i++)
			{
				if (group[i] < permutation->size)
					values[places[i]] = group[i];
				else
				{
					group[again] = group[i];
					places[again] = places[i];
					again++;
				}
			}
			waiting = again;
		}
	}
}

/* One pass of up to GROUP values below a * b. */
static void
encrypt(CmsPermutation *permutation, uint64 *values, int count)
{
	uint64 a = permutation->a;
	uint64 b = permutation->b;
	uint64 left[GROUP];
	uint64 right[GROUP];
	uint64 mix[GROUP];

	for (int i = 0; i < count; i++)
	{
		left[i] = values[i] / b;
		right[i] = values[i] % b;
	}
	for (int round = 0; round < permutation->rounds; round++)
	{
		/* each half in turn is moved round its circle by what the other says */
		if (round % 2 == 0)
		{
			round_function(permutation, round, right, mix, count);
			for (int i = 0; i < count; i++)
				left[i] = (left[i] + mix[i] % a) % a;
		}
		else
		{
			round_function(permutation, round, left, mix, count);
			for (int i = 0; i < count; i++)
				right[i] = (right[i] + mix[i] % b) % b;
		}
	}
	for (int i = 0; i < count; i++)
		values[i] = left[i] * b + right[i];
}

/*
 * 64 bits of AES of (half, round, size), so that rounds and sizes have nothing in
 * common. What the remainder by a or b favours is below 2^-36 of the outcome.
 */
static void
round_function(CmsPermutation *permutation, int round, const uint64 *input, uint64 *output,
			   int count)
{
	uint8 plain[GROUP * BLOCK_LENGTH];
	uint8 mixed[GROUP * BLOCK_LENGTH];
	int length;

	for (int i = 0; i < count; i++)
	{
		uint64 half = pg_hton64(input[i]);
		uint64 rest = pg_hton64(((uint64) round << 56) | permutation->size);

		memcpy(plain + i * BLOCK_LENGTH, &half, sizeof(half));
		memcpy(plain + i * BLOCK_LENGTH + sizeof(half), &rest, sizeof(rest));
	}
	if (EVP_EncryptUpdate(permutation->cipher, mixed, &length, plain, count * BLOCK_LENGTH) != 1 ||
		length != count * BLOCK_LENGTH)
		elog(ERROR, "could not encrypt with AES-128");
	for (int i = 0; i < count; i++)
	{
		uint64 block;

		memcpy(&block, mixed + i * BLOCK_LENGTH, sizeof(block));
		output[i] = pg_ntoh64(block);
	}
}
