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
#define lg_cas_seq(p, expect, v)                                            \
	__atomic_compare_exchange_n((p), (expect), (v), false,              \
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#endif
