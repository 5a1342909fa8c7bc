#ifndef TESTS_GOLDEN_RECORDS_H
#define TESTS_GOLDEN_RECORDS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bpf/meter.h"

/* One connection as the kernel's records tell of it. */
struct records {
	struct meter *m;
	uint32_t tgid, uid;
	uint64_t ssl, conn;
	uint32_t seq, call, begun;
	uint8_t flags; /* of every record */
	bool counts;   /* a write's first piece may begin a request */
};

static inline void records_put(struct records *r, struct probe_event *ev,
			       const void *p)
{
	ev->tgid = ev->tid = r->tgid;
	ev->uid = r->uid;
	ev->ts_ns = (uint64_t)lg_clock_boot_ns();
	ev->ssl = r->ssl;
	ev->conn = r->conn;
	ev->seq = ++r->seq;
	ev->begun = r->begun;
	ev->flags |= r->flags;
	meter_feed(r->m, ev, p);
}

static inline void records_name(struct records *r, const char *host)
{
	struct probe_event ev = {.kind = PROBE_EV_NAME, .fn = PROBE_CTRL};

	ev.len = ev.cap = (uint32_t)strlen(host);
	records_put(r, &ev, host);
}

static inline void records_open(struct records *r, struct meter *m,
				const char *host)
{
	static uint64_t conn;

	memset(r, 0, sizeof(*r));
	r->m = m;
	r->tgid = (uint32_t)getpid();
	r->uid = (uint32_t)getuid();
	r->ssl = 0x7f0000001000;
	r->conn = ++conn;
	if (host && *host)
		records_name(r, host);
}

/* One call, in its pieces. */
static inline void records_call(struct records *r, uint8_t kind, const char *p,
				size_t len)
{
	struct probe_event ev = {
		.kind = kind,
		.fn = kind == PROBE_EV_WRITE ? PROBE_WRITE : PROBE_READ,
		.call = ++r->call,
		.len = len,
		.buf = (uint64_t)(uintptr_t)p,
	};
	char *copy;

	do {
		size_t left = len - ev.at;

		ev.cap = left < PROBE_PIECE ? (uint32_t)left : PROBE_PIECE;
		copy = malloc(ev.cap + 1);
		memcpy(copy, p + ev.at, ev.cap);
		records_put(r, &ev, copy);
		free(copy);
		ev.at += ev.cap;
	} while (ev.at < len);
}

static inline void records_wrote(struct records *r, int64_t result)
{
	struct probe_event ev = {
		.kind = PROBE_EV_WROTE,
		.fn = PROBE_ERROR,
		.call = r->call,
		.result = result,
	};

	records_put(r, &ev, NULL);
}

/* repeats: every so manieth write fails first, as told or not. */
static inline void records_write(struct records *r, const char *p, size_t len,
				 size_t step, unsigned repeats, bool told)
{
	unsigned n = 0;

	r->begun++;
	for (size_t at = 0, k; at < len; at += k) {
		k = step && step < len - at ? step : len - at;
		if (repeats && n++ % repeats == 0 && (told || k >= 64)) {
			records_call(r, PROBE_EV_WRITE, p + at, k);
			if (told)
				records_wrote(r, -1);
		}
		records_call(r, PROBE_EV_WRITE, p + at, k);
	}
}

static inline void records_read(struct records *r, const char *p, size_t len,
				size_t step)
{
	for (size_t at = 0, k; at < len; at += k) {
		k = step && step < len - at ? step : len - at;
		records_call(r, PROBE_EV_READ, p + at, k);
	}
}

/* eof: the peer ended it first. */
static inline void records_close(struct records *r, bool eof)
{
	struct probe_event ev = {.kind = PROBE_EV_CLOSED, .fn = PROBE_READ};

	if (eof)
		records_put(r, &ev, NULL);
	ev = (struct probe_event){.kind = PROBE_EV_FREE, .fn = PROBE_FREE};
	records_put(r, &ev, NULL);
}

#endif
