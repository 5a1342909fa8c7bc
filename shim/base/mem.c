#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"

#if defined(__SANITIZE_ADDRESS__)
#define MEM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_ASAN 1
#endif
#endif

#ifdef MEM_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define unpoison(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

#define PAGE 4096u
#define CHUNK_SIZE (256u * 1024)
#define CHUNKS_MAX 4096u /* 1 GiB of small blocks */
#define GRAIN 16u
#define REF_BITS 26 /* chunk number and grain within it */
#define REF_MASK ((UINT64_C(1) << REF_BITS) - 1)
#define DEFAULT_CAP ((size_t)256 << 20)

static const uint32_t class_size[] = {
	32,   64,   96,	  128,	192,  256,  384,   512,	  768,	 1024,
	1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768,
};
#define CLASSES (sizeof(class_size) / sizeof(class_size[0]))
#define SMALL_MAX 32768u

/*
 * Stands before each small block. The link is kept out of the block itself so
 * that a pop that loses its race reads no byte which the winner writes.
 */
struct head {
	uint32_t self; /* reference of this block */
	uint32_t next; /* while free: the next one's, 0 none */
	uint64_t pad;
};

struct chunk {
	uint32_t used; /* bytes handed out, also beyond the end */
	uint32_t pad[3];
};

_Static_assert(sizeof(struct head) == GRAIN, "blocks are 16-aligned");
_Static_assert(sizeof(struct chunk) == GRAIN, "blocks are 16-aligned");
_Static_assert(CHUNKS_MAX *(CHUNK_SIZE / GRAIN) == 1u << REF_BITS,
	       "a reference names any block");

static struct chunk *chunks[CHUNKS_MAX];
static uint32_t current;
/* Per class: tag << REF_BITS | reference. The tag defeats ABA. */
static uint64_t free_list[CLASSES];
static size_t mapped;
static size_t cap = DEFAULT_CAP;

static unsigned class_of(size_t size)
{
	unsigned c = 0;

	while (class_size[c] < size)
		c++;
	return c;
}

static struct head *head_at(uint32_t ref)
{
	struct chunk *c = lg_load_acquire(&chunks[ref / (CHUNK_SIZE / GRAIN)]);
	size_t off = (size_t)(ref % (CHUNK_SIZE / GRAIN)) * GRAIN;

	return (struct head *)(void *)((char *)c + off);
}

static bool account(size_t n)
{
	size_t was = lg_add_seq(&mapped, n);
	size_t limit = lg_load_relaxed(&cap);

	if (was <= limit && n <= limit - was)
		return true;
	lg_add_seq(&mapped, (size_t)0 - n);
	return false;
}

static void *map(size_t n)
{
	int saved = errno;
	void *p;

	if (!account(n))
		return NULL;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p != MAP_FAILED)
		return p;
	errno = saved;
	lg_add_seq(&mapped, (size_t)0 - n);
	return NULL;
}

static void unmap(void *p, size_t n)
{
	int saved = errno;

	/* a sanitizer's shadow outlives the mapping */
	unpoison(p, n);
	munmap(p, n);
	errno = saved;
	lg_add_seq(&mapped, (size_t)0 - n);
}

/*
 * Put a chunk behind number `at` and make it the current one. Others may do
 * the same: one compare-and-swap wins the slot, the others give theirs back,
 * and whoever comes first moves `current` on. -1: no more memory.
 */
static int next_chunk(uint32_t at)
{
	struct chunk *none = NULL, *c;

	if (at + 1 == CHUNKS_MAX)
		return -1;
	if (!lg_load_acquire(&chunks[at + 1])) {
		c = map(CHUNK_SIZE);
		if (!c)
			return -1;
		c->used = sizeof(*c);
		if (!lg_cas_seq(&chunks[at + 1], &none, c))
			unmap(c, CHUNK_SIZE);
	}
	lg_cas_seq(&current, &at, at + 1);
	return 0;
}

/* A block never used before. Chunk 0 does not exist: reference 0 is none. */
static struct head *carve(uint32_t size)
{
	uint32_t need = size + (uint32_t)sizeof(struct head);
	uint32_t at, off;
	struct chunk *c;
	struct head *h;

	for (;;) {
		at = lg_load_acquire(&current);
		c = lg_load_acquire(&chunks[at]);
		if (c && lg_load_relaxed(&c->used) <= CHUNK_SIZE - need) {
			off = lg_add_relaxed(&c->used, need);
			if (off <= CHUNK_SIZE - need)
				break;
		}
		if (next_chunk(at))
			return NULL;
	}
	h = (struct head *)(void *)((char *)c + off);
	h->self = at * (CHUNK_SIZE / GRAIN) + off / GRAIN;
	return h;
}

/* Retries only when another thread took or gave a block meanwhile. */
static struct head *pop(unsigned class)
{
	uint64_t old = lg_load_acquire(&free_list[class]), new;
	struct head *h;

	do {
		if (!(old & REF_MASK))
			return NULL;
		h = head_at((uint32_t)(old & REF_MASK));
		new = (old & ~REF_MASK) + (REF_MASK + 1);
		new |= lg_load_relaxed(&h->next);
	} while (!lg_cas_seq(&free_list[class], &old, new));
	return h;
}

static void push(unsigned class, struct head *h)
{
	uint64_t old = lg_load_acquire(&free_list[class]), new;

	do {
		lg_store_relaxed(&h->next, (uint32_t)(old & REF_MASK));
		new = (old & ~REF_MASK) + (REF_MASK + 1);
		new |= h->self;
	} while (!lg_cas_seq(&free_list[class], &old, new));
}

static size_t page_up(size_t n)
{
	return n > SIZE_MAX - (PAGE - 1) ? 0
					 : (n + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *take(size_t size, bool zero)
{
	unsigned class;
	struct head *h;
	size_t n;

	if (size > SMALL_MAX) {
		n = page_up(size);
		return n ? map(n) : NULL;
	}
	class = class_of(size);
	h = pop(class);
	if (h) {
		unpoison(h + 1, size);
		return zero ? memset(h + 1, 0, size) : h + 1;
	}
	h = carve(class_size[class]);
	if (!h)
		return NULL;
	poison((char *)(h + 1) + size, class_size[class] - size);
	return h + 1;
}

void *lg_mem_alloc(size_t size)
{
	return take(size, true);
}

void *lg_mem_take(size_t size)
{
	void *p = take(size, false);

#ifdef MEM_ASAN
	/* nobody may count on what stands in it */
	if (p)
		memset(p, 0xa5, size);
#endif
	return p;
}

void lg_mem_free(void *p, size_t size)
{
	unsigned class;

	if (!p)
		return;
	if (size > SMALL_MAX) {
		unmap(p, page_up(size));
		return;
	}
	class = class_of(size);
	poison(p, class_size[class]);
	push(class, (struct head *)p - 1);
}

static void *grow_large(void *p, size_t old_size, size_t new_size)
{
	size_t from = page_up(old_size), to = page_up(new_size);
	int saved = errno;
	void *q;

	if (!to || (to > from && !account(to - from)))
		return NULL;
	q = from == to ? p : mremap(p, from, to, MREMAP_MAYMOVE);
	if (q == MAP_FAILED) {
		errno = saved;
		if (to > from)
			lg_add_seq(&mapped, from - to);
		return NULL;
	}
	if (to < from)
		lg_add_seq(&mapped, to - from);
	return q;
}

void *lg_mem_grow(void *p, size_t old_size, size_t new_size)
{
	void *q;

	if (!p)
		return lg_mem_alloc(new_size);
	if (old_size > SMALL_MAX && new_size > SMALL_MAX)
		return grow_large(p, old_size, new_size);
	if (old_size <= SMALL_MAX && new_size <= SMALL_MAX &&
	    class_of(old_size) == class_of(new_size)) {
		if (new_size > old_size) {
			unpoison(p, new_size);
			memset((char *)p + old_size, 0, new_size - old_size);
		}
		return p;
	}
	q = lg_mem_alloc(new_size);
	if (!q)
		return NULL;
	memcpy(q, p, old_size < new_size ? old_size : new_size);
	lg_mem_free(p, old_size);
	return q;
}

size_t lg_mem_mapped(void)
{
	return lg_load_relaxed(&mapped);
}

void lg_mem_set_cap(size_t bytes)
{
	lg_store_relaxed(&cap, bytes);
}
