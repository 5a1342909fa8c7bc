#ifndef LG_BUDGET_EVENTS_H
#define LG_BUDGET_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lg_region;

/*
 * The ring of the last events in the region, each one line of JSON as it stands
 * in events.jsonl, and a memory of what was told in its window already. Any
 * thread; lock-free. A kill or a race may lose a line of the ring or mix two:
 * it is a copy for observers, and keeps lines that no file could take. Nothing
 * waits for it. All of it is untrusted when it is read.
 */
#define LG_EVENT_LINE_MAX 616 /* with its newline */

enum lg_event_state {
	LG_EVENT_NEVER,
	LG_EVENT_FILLING,
	LG_EVENT_UNSAVED, /* not in the file */
	LG_EVENT_SAVED,
};

/*
 * True for the one caller, of all processes, who comes first with this key.
 * The oldest keys are forgotten when there are too many.
 */
bool lg_events_first(struct lg_region *r, uint64_t key, int64_t now_ms);
/* The same in a memory of the caller's, n words. */
bool lg_events_first_of(uint64_t *once, unsigned n, uint64_t key,
			int64_t now_ms);

/* One line (cut at LG_EVENT_LINE_MAX); its number, 0: read-only region. */
uint64_t lg_events_put(struct lg_region *r, uint64_t id, const char *line,
		       size_t len, int64_t now_ms);
/* It is in the file now. */
void lg_events_saved(struct lg_region *r, uint64_t number);

struct lg_event_view {
	uint64_t number, id;
	uint32_t at_s;
	bool saved;
	size_t len;
	char line[LG_EVENT_LINE_MAX + 1];
};
/* The i-th place, i < LG_EVENTS_SHOWN. 0; -ENOENT nothing (whole) there. */
#define LG_EVENTS_SHOWN 16u
int lg_events_view(const struct lg_region *r, unsigned i,
		   struct lg_event_view *out);
/* Of so many events no file and no ring knows. */
uint64_t lg_events_lost(const struct lg_region *r);
/* What happened before it was built, it does not know. */
int64_t lg_events_since_ms(const struct lg_region *r);

#endif
