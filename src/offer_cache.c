/*
 * offer_cache.c
 *	  Copies of compiled offers, one per backend and version.
 *
 * Whoever uses an offer looks at its version; a compiled copy of another
 * version is not used. Versions are rows, so what a transaction sees of them is
 * right under every isolation level and after a rollback, without any message
 * between backends.
 *
 * Copies live in a bounded table, least recently used first out. A copy in use
 * by a call stays until that call ends: copies are only freed at the start of
 * the next call.
 */
#include "cms.h"

#include "catalog/pg_type.h"
#include "lib/ilist.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "offer.h"
#include "org.h"
#include "plan.h"
#include "settings.h"

/* most are of 1 kB: more offers than are in use at once */
#define MAX_COPY_BYTES (32 * 1024 * 1024)

typedef struct CopyKey
{
	int64 offer_id;
	int64 org; /* as wide as its neighbour: no padding in a hashed key */
} CopyKey;

typedef struct Copy
{
	CopyKey key;
	CmsOffer *offer;
	Size bytes;
	dlist_node lru;
} Copy;

static Copy *find_copy(int org, int64 offer_id);
static void keep(CmsOffer *offer);
static void retire(CmsOffer *offer);
static void call_ended(void *unused);
static void free_unused(void);
static void forget(Copy *copy);
static void forget_all(void);

static MemoryContext copies_context = NULL;
static HTAB *copies = NULL;
static Size copy_bytes = 0; /* of the copies; summing them up anew would visit each at every call */
static dlist_head copies_by_use = DLIST_STATIC_INIT(copies_by_use);
static CmsOffer *retired = NULL; /* replaced, perhaps in use by this call */
static int calls = 0;            /* that have begun and not ended */

static CmsPlan exists = {
	"SELECT 1 FROM cms.offer o WHERE o.org_id = $1 AND o.offer_id = $2", 2, {INT4OID, INT8OID}};

const CmsOffer *
cms_offer_get(int org, int64 offer_id, bool read_only)
{
	Datum values[] = {Int32GetDatum(org), Int64GetDatum(offer_id)};
	int64 version = cms_offer_version(org, offer_id, read_only);

	if (version == 0 && cms_plan_run(&exists, values, NULL, read_only) == 0)
		cms_offer_unknown(offer_id);
	return cms_offer_of_version(org, offer_id, version, read_only);
}

static Copy *
find_copy(int org, int64 offer_id)
{
	CopyKey key = {.offer_id = offer_id, .org = org};

	return copies == NULL ? NULL : hash_search(copies, &key, HASH_FIND, NULL);
}

const CmsOffer *
cms_offer_of_version(int org, int64 offer_id, int64 version, bool read_only)
{
	/* otherwise the snapshot is made for the statement, after all changes */
	bool settled = !read_only || cms_settings_are_settled();
	Copy *copy = settled ? find_copy(org, offer_id) : NULL;

	if (copy != NULL && copy->offer->version == version)
	{
		dlist_move_head(&copies_by_use, &copy->lru);
		return copy->offer;
	}

	CmsOffer *offer = cms_offer_compile(org, offer_id, read_only);

	/* without a version that is its own, it goes with the context of the call */
	if (settled)
		keep(offer);
	return offer;
}

/* Puts a copy into the table, in the place of one of another version. */
static void
keep(CmsOffer *offer)
{
	CopyKey key = {.offer_id = offer->offer_id, .org = offer->org};
	bool found;
	Copy *copy;

	if (copies == NULL)
	{
		HASHCTL control = {.keysize = sizeof(CopyKey), .entrysize = sizeof(Copy)};

		copies_context =
			AllocSetContextCreate(TopMemoryContext, "cms offers", ALLOCSET_DEFAULT_SIZES);
		control.hcxt = copies_context;
		copies = hash_create("cms offers", 512, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	copy = hash_search(copies, &key, HASH_ENTER, &found);
	if (found)
	{
		copy_bytes -= copy->bytes;
		retire(copy->offer);
		dlist_move_head(&copies_by_use, &copy->lru);
	}
	else
		dlist_push_head(&copies_by_use, &copy->lru);
	copy->offer = offer;
	copy->bytes = MemoryContextMemAllocated(offer->context, true);
	copy_bytes += copy->bytes;
	MemoryContextSetParent(offer->context, copies_context);
}

/* The call may still use it: it goes at the start of the next. */
static void
retire(CmsOffer *offer)
{
	offer->next_retired = retired;
	retired = offer;
}

/*
 * The end is known by SPI's memory, which goes in whichever way the call ends. Only the
 * outermost call frees compiled copies: what it uses must outlive a trigger that somebody has
 * put on coupons or redemptions and that calls cms again.
 */
void
cms_call_begin(void)
{
	MemoryContextCallback *end;

	SPI_connect();
	end = palloc0(sizeof(MemoryContextCallback));
	end->func = call_ended;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, end);
	if (calls++ == 0)
		free_unused();
}

static void
call_ended(void *unused)
{
	calls--;
}

static void
free_unused(void)
{
	while (retired != NULL)
	{
		CmsOffer *next = retired->next_retired;

		MemoryContextDelete(retired->context);
		retired = next;
	}
	if (copies == NULL)
		return;
	if (cms_offer_cache_stale)
	{
		cms_offer_cache_stale = false;
		forget_all();
	}
	while (copy_bytes > MAX_COPY_BYTES && hash_get_num_entries(copies) > 1)
		forget(dlist_container(Copy, lru, dlist_tail_node(&copies_by_use)));
}

static void
forget(Copy *copy)
{
	copy_bytes -= copy->bytes;
	dlist_delete(&copy->lru);
	MemoryContextDelete(copy->offer->context);
	hash_search(copies, &copy->key, HASH_REMOVE, NULL);
}

/* None is in use: this is the start of a call. */
static void
forget_all(void)
{
	dlist_mutable_iter iter;

	if (copies == NULL)
		return;
	dlist_foreach_modify(iter, &copies_by_use) forget(dlist_container(Copy, lru, iter.cur));
}
