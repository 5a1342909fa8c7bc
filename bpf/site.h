#ifndef LG_BPF_SITE_H
#define LG_BPF_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/probe.h"

/*
 * Where to probe a function. Instructions that the kernel emulates (push, nop,
 * call, jmp, jcc) cost about 1 us, all others are single-stepped out of line
 * (14 us in a virtual machine); so the entry's probe stands on the first of
 * them at which the arguments are still where the caller put them.
 */
#define SITE_RETS_MAX 16

struct site {
	enum probe_fn fn;
	uint64_t entry_at;   /* file offset of the entry's probe */
	bool entry_is_cheap; /* emulated */
	enum probe_end end;  /* NONE: the end cannot be probed there */
	uint16_t end_arg;
	bool end_is_cheap;
	bool end_is_return; /* a return probe at ends[0] (not under seccomp) */
	unsigned nends;
	uint64_t ends[SITE_RETS_MAX]; /* file offsets */
};

/*
 * text: the function's bytes as the file has them (n of them, at file offset
 * at, loaded at addr). may_return: return probes are allowed. 0 with *out;
 * -ENOTSUP no site keeps the arguments (never: then the entry itself);
 * -EILSEQ the bytes are no code. Any thread.
 */
struct site_text {
	const uint8_t *p; /* the whole executable segment */
	size_t len;
	uint64_t file_at; /* of p[0] */
	uint64_t addr;	  /* of p[0] */
};
int site_find(const struct site_text *text, uint64_t fn_addr, size_t fn_len,
	      enum probe_fn fn, bool may_return, struct site *out);

#endif
