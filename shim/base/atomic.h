#ifndef LG_BASE_ATOMIC_H
#define LG_BASE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Atomics with the order in the name. The only place that spells builtins.
 * x86-64 (-mcx16) and aarch64.
 */
#define lg_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define lg_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define lg_load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define lg_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define lg_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define lg_store_seq(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define lg_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define lg_add_seq(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define lg_or_seq(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define lg_xchg_seq(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* *expect is updated on failure, as the builtin does. Strong. */
#define lg_cas_seq(p, expect, v)                                               \
	__atomic_compare_exchange_n((p), (expect), (v), false,                 \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* Two words that change together (cmpxchg16b; an LSE pair on aarch64). */
struct lg_pair {
	uint64_t lo, hi;
} __attribute__((aligned(16)));

static inline bool lg_pair_eq(struct lg_pair a, struct lg_pair b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

/* Compare-and-swap of both words, sequentially consistent. */
static inline bool lg_pair_cas(struct lg_pair *p, struct lg_pair old,
			       struct lg_pair new)
{
	typedef unsigned __int128 u128 __attribute__((may_alias));
	u128 o = ((u128)old.hi << 64) | old.lo;
	u128 n = ((u128) new.hi << 64) | new.lo;

	return __sync_bool_compare_and_swap((u128 *)p, o, n);
}

/*
 * Both words of one instant. The halves are read one by one and taken only
 * when hi did not move meanwhile, so hi must differ between any two values
 * that follow each other. Bounded: after 64 misses a compare-and-swap of the
 * value with itself decides (the page must be writable; a reader of a
 * read-only mapping passes `pure` and may get halves of two instants).
 */
static inline struct lg_pair lg_pair_load(struct lg_pair *p, bool pure)
{
	struct lg_pair v = {0, 0};
	unsigned i;

	for (i = 0; i < 64; i++) {
		v.hi = lg_load_acquire(&p->hi);
		v.lo = lg_load_acquire(&p->lo);
		if (lg_load_acquire(&p->hi) == v.hi)
			return v;
	}
	while (!pure && !lg_pair_cas(p, v, v)) {
		v.hi = lg_load_acquire(&p->hi);
		v.lo = lg_load_acquire(&p->lo);
	}
	return v;
}

static inline void lg_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
