#ifndef LG_GUARD_EVENT_H
#define LG_GUARD_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct lg_engine;
struct lg_region;
struct lg_row;

/*
 * What a person should hear of once: a line in $STATE/events.jsonl (schema:
 * docs/events.md) and in the region's ring. Lines that the file could not take
 * stay in the ring until somebody can write them. Any thread; blocks on the
 * file; keeps errno.
 */
#define LG_EVENT_FILE "/events.jsonl"
#define LG_EVENT_FILE_OLD "/events.jsonl.1"
#define LG_EVENT_FILE_MAX ((size_t)1 << 20) /* then it becomes the old one */

enum lg_event_kind {
	LG_EVENT_THRESHOLD,
	LG_EVENT_WINDOW,
	LG_EVENT_BLOCKED,
	LG_EVENT_PRICE,
	LG_EVENT_TRACKING,
	LG_EVENT_FORECAST,
	LG_EVENT_CONTROL,   /* somebody paused, disabled ... */
	LG_EVENT_EXPENSIVE, /* a call that may cost much was let go */
	LG_EVENT_KINDS
};

enum lg_event_level {
	LG_EVENT_INFO,
	LG_EVENT_WARNING,
	LG_EVENT_CRITICAL,
	LG_EVENT_EXCEEDED,
};

struct lg_event {
	enum lg_event_kind kind;
	enum lg_event_level level;
	uint64_t id;	     /* the same for the same fact: lg_event_id */
	int64_t since_ms;    /* it can have been told from here on */
	const char *message; /* for people, one line */
	/* Where they are known; empty, 0 and INT64_MIN are left out. */
	struct lg_slice budget, scope, value;
	const char *period;
	int64_t window_start_ms, window_end_ms;
	uint32_t threshold_ppm;
	int64_t spent_pusd, limit_pusd, estimate_pusd;
	int64_t exceeds_at_ms;	  /* forecast */
	const char *reason;	  /* of a refusal or a failure */
	const struct lg_row *row; /* the call's provider, model, process ... */
};

/* All empty. */
void lg_event_init(struct lg_event *ev, enum lg_event_kind kind,
		   enum lg_event_level level);
uint64_t lg_event_id(enum lg_event_kind kind, uint64_t a, uint64_t b,
		     struct lg_slice text);

/*
 * Tell it. The caller has won the right to (of all processes that share the
 * region); where the region is younger than since_ms, the file is asked
 * whether it was told before.
 */
void lg_event_tell(struct lg_engine *e, struct lg_region *r,
		   const struct lg_event *ev);
/* The same for whoever is first with this id, also without a region. */
void lg_event_tell_once(struct lg_engine *e, struct lg_region *r,
			const struct lg_event *ev);

/* Lines that no file has yet go there now; how many went. */
unsigned lg_event_flush(struct lg_engine *e, struct lg_region *r);

const char *lg_event_kind_name(enum lg_event_kind k);
const char *lg_event_level_name(enum lg_event_level l);

#endif
