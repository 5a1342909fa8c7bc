#ifndef LG_BPF_RING_H
#define LG_BPF_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/loader.h"

/*
 * The reading end of the kernel's ring buffer. reader: the word of reader.h,
 * shared with the kernel side. One thread.
 */
struct ring {
	int fd;
	uint32_t size;
	uint64_t *consumer;
	const uint64_t *producer;
	const uint8_t *data; /* mapped twice, so no record is torn */
	uint32_t *reader;
	bool busy; /* the last look found something */
};

/* 0, -errno. size is a power of two, fd is borrowed. */
int ring_open(struct ring *r, int fd, uint32_t size, uint32_t *reader);
void ring_close(struct ring *r);
/* How far it is written and handed out, in bytes since it was made. */
uint64_t ring_written(const struct ring *r);
uint64_t ring_taken(const struct ring *r);
/* Records handed out; waits at most timeout_ms for the first. -errno. */
int ring_poll(struct ring *r, int timeout_ms, loader_event_fn *fn, void *arg);

#endif
