#ifndef LG_BPF_SITE_H
#define LG_BPF_SITE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/probe.h"

/*
 * Where to probe a function. Instructions that the kernel emulates (push, nop,
 * call, jmp, jcc) cost about 1 us, all others are single-stepped out of line
 * (10 to 14 us in a virtual machine); so the entry's probe stands on the first
 * of them at which the arguments are still where the caller put them and which
 * every call passes exactly once. The same at the end: a jcc that tests the
 * stack guard once the result is in rax does for the RET behind it.
 */
#define SITE_RETS_MAX 16

struct site {
	enum probe_fn fn;
	uint64_t entry_at;   /* file offset of the entry's probe */
	bool entry_is_cheap; /* emulated */
	enum probe_end end;  /* NONE: the end cannot be probed there */
	uint16_t end_arg;
	bool end_is_cheap;
	bool end_is_return; /* a return probe at ends[0] */
	/* Some calls leave by a jump to elsewhere: their end is not seen. */
	bool leaves;
	unsigned nends;
	uint64_t ends[SITE_RETS_MAX]; /* file offsets */
};

/* The executable segment that the function stands in. */
struct site_text {
	const uint8_t *p;
	size_t len;
	uint64_t file_at; /* of p[0] */
	uint64_t addr;	  /* of p[0] */
	/* Where the function with this byte ends; 0 unknown. NULL: all are. */
	uint64_t (*end_of)(const void *arg, uint64_t addr);
	const void *arg;
};

/*
 * fn_addr, fn_len: the function, its length 0 where nobody says it.
 * may_return: return probes are allowed. A write's end is given only where it
 * is cheap. 0 with *out; -EILSEQ: no code there; -EOPNOTSUPP: the arguments are
 * not in registers (Go before 1.17); -ENOMEM. Any thread.
 */
int site_find(const struct site_text *text, uint64_t fn_addr, size_t fn_len,
	      enum probe_fn fn, bool may_return, struct site *out);

/*
 * OpenSSL's SSL_write and SSL_write_ex (SSL_read, ...) both call one internal
 * function with (ssl, buf, num, &done), since 3.3 for writing (ssl, buf, num,
 * flags, &done). That which this function calls so, first of all its calls
 * and with its own arguments: 0 with its address, and as which function its
 * arguments are read; -ENOENT none, -EILSEQ. Any thread.
 */
int site_callee(const struct site_text *text, uint64_t fn_addr,
		enum probe_fn fn, uint64_t *callee, enum probe_fn *as);
/*
 * The jcc behind that call at which eax > 0 says that the count stands so far
 * above rsp. False: none. Any thread.
 */
bool site_count(const struct site_text *text, uint64_t fn_addr,
		enum probe_fn fn, uint64_t *jcc, uint16_t *above_rsp);
/* How many of its arguments are looked at. */
unsigned site_nargs(enum probe_fn fn);
bool site_is_read(enum probe_fn fn);
bool site_is_write(enum probe_fn fn);

#endif
