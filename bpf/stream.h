#ifndef LG_BPF_STREAM_H
#define LG_BPF_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "bpf/probe.h"

/*
 * The records of one connection made two streams of bytes again: in their
 * order, the pieces of a call joined, what was written twice told once, what
 * is missing told where it is missing. A write is told at its entry; when it
 * turns out that the kernel did not take it, its repetition is not told. No
 * I/O; memory only for records that came too early. One thread per object.
 */
#define STREAM_EARLY_MAX 16
#define STREAM_EARLY_NS INT64_C(20000000)

struct stream_sink {
	/* first: these are the first bytes of a call. */
	void (*up)(void *arg, const char *p, size_t n, bool first);
	void (*down)(void *arg, const char *p, size_t n, bool first);
	/* Bytes are missing here: so many, 0: nobody knows how many. */
	void (*gap)(void *arg, bool up, uint64_t missing);
	/* The peer ended the connection. */
	void (*eof)(void *arg);
};

/* What is known of the call at hand in one direction. */
struct stream_call {
	uint32_t number;
	bool open;     /* pieces may still come */
	uint64_t have; /* of its bytes, told or known to be missing */
	uint64_t len;
	uint64_t buf;
	uint64_t skip;		/* bytes at its begin that were told before */
	uint64_t head_len;	/* of its first piece */
	struct lg_hash128 head; /* of that */
};

struct stream_early;

struct stream {
	const struct stream_sink *sink;
	void *arg;
	struct stream_call up, down;
	uint32_t seq; /* of the last record */
	bool begun;
	bool tells;	/* how a write ended was told at least once */
	bool answered;	/* the server said something since the last write */
	bool hung_up;	/* the last read ended the connection, or failed */
	uint64_t ahead; /* bytes told that were not written */
	uint64_t lost, repeated; /* records */
	unsigned nearly;
	struct stream_early *early[STREAM_EARLY_MAX];
};

/* sink and arg are borrowed. */
void stream_init(struct stream *s, const struct stream_sink *sink, void *arg);
/* Tells what still waits. */
void stream_fini(struct stream *s);
/* One record of the connection: WRITE, WROTE, READ, CLOSED, or any other. */
void stream_feed(struct stream *s, const struct probe_event *ev,
		 const void *payload);
/* Records that others overtook are given up after STREAM_EARLY_NS. */
void stream_tick(struct stream *s, uint64_t now_ns);
/* Told bytes of the request that were never taken by the connection. */
bool stream_is_unsent(const struct stream *s);

#endif
