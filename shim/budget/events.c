#include "budget/events.h"

#include <errno.h>
#include <string.h>

#include "budget/swap.h"

#define PROBES 8u
#define ROUNDS 64u
#define HOUR_MS 3600000

/* -- what was told ----------------------------------------------------------
 */

static uint64_t entry_of(uint64_t key, int64_t now_ms)
{
	return (key | UINT64_C(1) << 47) << 16 |
	       ((uint64_t)(now_ms / HOUR_MS) & 0xffff);
}

static bool same(uint64_t a, uint64_t b)
{
	return a >> 16 == b >> 16;
}

static uint32_t age(uint64_t entry, uint64_t now)
{
	return entry ? (uint32_t)(now - entry) & 0xffff : UINT32_MAX;
}

/* Others only insert: a lost swap means that somebody else got on. */
bool lg_events_first_of(uint64_t *once, unsigned n, uint64_t key,
			int64_t now_ms)
{
	uint64_t mine = entry_of(key, now_ms);

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t old = 0;
		unsigned at = n;

		for (unsigned k = 0; k < PROBES; k++) {
			unsigned i = (unsigned)((key + k) % n);
			uint64_t e = lg_load_seq(&once[i]);

			if (e && same(e, mine))
				return false;
			if (at < n && age(e, mine) <= age(old, mine))
				continue;
			at = i;
			old = e;
		}
		if (lg_cas_seq(&once[at], &old, mine))
			return true;
	}
	return false;
}

bool lg_events_first(struct lg_region *r, uint64_t key, int64_t now_ms)
{
	return !r->readonly &&
	       lg_events_first_of(r->map->events.once, LG_ONCES, key, now_ms);
}

/* -- the ring ----------------------------------------------------------------
 */

/* Its turn; a writer that died here is overtaken. */
static struct lg_event_slot *claim(struct lg_region *r, uint64_t number)
{
	struct lg_event_area *a = &r->map->events;
	struct lg_event_slot *s = &a->slot[number % LG_EVENTS];
	uint64_t old = lg_load_seq(&s->turn);

	do {
		if (old >> 2 >= number)
			return NULL; /* a whole round was made meanwhile */
	} while (!lg_cas_seq(&s->turn, &old, number << 2 | LG_EVENT_FILLING));
	if ((old & 3) == LG_EVENT_UNSAVED)
		lg_add_relaxed(&a->lost, 1);
	return s;
}

uint64_t lg_events_put(struct lg_region *r, uint64_t id, const char *line,
		       size_t len, int64_t now_ms)
{
	uint64_t number, word, old;
	struct lg_event_slot *s;

	if (r->readonly)
		return 0;
	if (len > LG_EVENT_LINE_MAX)
		len = LG_EVENT_LINE_MAX;
	number = (lg_add_seq(&r->map->events.next, 1) + 1) & (UINT64_MAX >> 2);
	s = claim(r, number);
	if (!s)
		return number;
	lg_store_relaxed(&s->id, id);
	lg_store_relaxed(&s->len, (uint32_t)len);
	lg_store_relaxed(&s->at_s, (uint32_t)(now_ms / 1000));
	for (size_t i = 0; i < len; i += 8) {
		word = 0;
		memcpy(&word, line + i, len - i < 8 ? len - i : 8);
		lg_store_relaxed(&s->text[i / 8], word);
	}
	old = number << 2 | LG_EVENT_FILLING;
	lg_cas_seq(&s->turn, &old, number << 2 | LG_EVENT_UNSAVED);
	return number;
}

void lg_events_saved(struct lg_region *r, uint64_t number)
{
	uint64_t old = number << 2 | LG_EVENT_UNSAVED;

	if (!r->readonly && number)
		lg_cas_seq(&r->map->events.slot[number % LG_EVENTS].turn, &old,
			   number << 2 | LG_EVENT_SAVED);
}

int lg_events_view(const struct lg_region *r, unsigned i,
		   struct lg_event_view *out)
{
	const struct lg_event_slot *s;
	uint64_t turn, word;

	if (i >= LG_EVENTS)
		return -ENOENT;
	s = &r->map->events.slot[i];
	turn = lg_load_seq(&s->turn);
	if ((turn & 3) < LG_EVENT_UNSAVED)
		return -ENOENT;
	out->number = turn >> 2;
	out->saved = (turn & 3) == LG_EVENT_SAVED;
	out->id = lg_load_relaxed(&s->id);
	out->at_s = lg_load_relaxed(&s->at_s);
	out->len = lg_load_relaxed(&s->len);
	if (out->len > LG_EVENT_LINE_MAX)
		return -ENOENT;
	for (size_t k = 0; k < out->len; k += 8) {
		word = lg_load_acquire(&s->text[k / 8]);
		memcpy(out->line + k, &word,
		       out->len - k < 8 ? out->len - k : 8);
	}
	out->line[out->len] = '\0';
	return lg_load_seq(&s->turn) >> 2 == turn >> 2 ? 0 : -ENOENT;
}

uint64_t lg_events_lost(const struct lg_region *r)
{
	return lg_load_relaxed(&r->map->events.lost);
}

int64_t lg_events_since_ms(const struct lg_region *r)
{
	return lg_load_relaxed(&r->map->head.built_ms);
}
