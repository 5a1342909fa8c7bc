#ifndef LG_BPF_READER_H
#define LG_BPF_READER_H

#ifndef __bpf__
#include <linux/types.h>
#endif

/*
 * What the ring's reader does, a word that both sides see: who writes a
 * record wakes him only where he waits for it.
 */
enum reader_state {
	READER_AWAKE, /* reads, or looks again by himself */
	READER_NAPS,  /* looks again in some ms: only for what is near */
	READER_IDLE,  /* waits for the next record, whichever it is */
};

#define READER_BATCH 8192 /* records read in one go */
#define READER_NAP_MS 10

/* What the loader hands to the program set_state. */
struct reader_state_args {
	__u64 ssl;
	__u32 tgid, id;
	__u32 state;
	__u32 result; /* 1: done */
};

#endif
