#include "bpf/stream.h"

#include <stdlib.h>
#include <string.h>

/* Shorter writes that repeat each other may well be meant so. */
#define REPEAT_MIN 16

struct stream_early {
	struct probe_event ev;
	char payload[];
};

void stream_init(struct stream *s, const struct stream_sink *sink, void *arg)
{
	memset(s, 0, sizeof(*s));
	s->sink = sink;
	s->arg = arg;
}

static bool has_bytes(const struct probe_event *ev)
{
	return ev->kind == PROBE_EV_WRITE || ev->kind == PROBE_EV_READ;
}

/* -- the bytes of a call --------------------------------------------------- */

/* What was announced of the call and did not come. */
static void close_call(struct stream *s, struct stream_call *c)
{
	if (c->open && c->have < c->len)
		s->sink->gap(s->arg, c == &s->up, c->len - c->have);
	c->have = c->open ? c->len : c->have;
	c->open = false;
}

static void tell(struct stream *s, struct stream_call *c, const char *p,
		 size_t n, uint64_t at)
{
	bool first = at == c->skip;

	if (at < c->skip) {
		uint64_t cut = c->skip - at;

		if (cut >= n)
			return;
		p += cut;
		n -= cut;
		first = true;
	}
	if (!n)
		return;
	if (c == &s->up)
		s->sink->up(s->arg, p, n, first);
	else
		s->sink->down(s->arg, p, n, first);
}

/* One piece; those before it that did not come are missing. */
static void add_piece(struct stream *s, struct stream_call *c,
		      const struct probe_event *ev, const char *p)
{
	uint64_t at = ev->at;

	if (at < c->have)
		return; /* it was told */
	if (at > c->have)
		s->sink->gap(s->arg, c == &s->up, at - c->have);
	tell(s, c, p, ev->cap, at);
	c->have = at + ev->cap;
	if (c->have >= c->len)
		c->open = false;
	else if (ev->flags & (PROBE_FLAG_CUT | PROBE_FLAG_FAULT))
		close_call(s, c);
}

static void note_head(struct stream_call *c, const struct probe_event *ev,
		      const char *p)
{
	c->head_len = ev->at ? 0 : ev->cap;
	if (c->head_len)
		c->head = lg_hash128(p, c->head_len, 0);
}

/* Does this call begin with the bytes of the last one? */
static bool begins_like(const struct stream_call *c,
			const struct probe_event *ev, const char *p)
{
	struct lg_hash128 h;

	if (!c->head_len || ev->at || ev->cap < c->head_len ||
	    ev->len < c->have)
		return false;
	h = lg_hash128(p, c->head_len, 0);
	return h.a == c->head.a && h.b == c->head.b;
}

/*
 * How many of this write's first bytes were told already. Where failures are
 * not told, the same bytes in the same place without an answer between are a
 * repetition, and so is the rest of the last call's buffer.
 */
static uint64_t told_before(struct stream *s, const struct probe_event *ev,
			    const char *p)
{
	const struct stream_call *c = &s->up;

	/* a failure that was another call's: nothing is repeated */
	if (s->ahead && ev->cap && c->head_len && !begins_like(c, ev, p))
		s->ahead = 0;
	if (s->ahead)
		return ev->len ? s->ahead : 0;
	if (s->tells || s->answered || c->have < REPEAT_MIN)
		return 0;
	if (ev->buf == c->buf && begins_like(c, ev, p))
		return c->have;
	if (c->buf && ev->buf > c->buf && ev->buf < c->buf + c->have &&
	    ev->len == c->buf + c->len - ev->buf)
		return ev->len;
	return 0;
}

static void begin_call(struct stream *s, struct stream_call *c,
		       const struct probe_event *ev, const char *p)
{
	uint64_t skip = 0;

	close_call(s, c);
	if (c == &s->up) {
		skip = told_before(s, ev, p);
		s->repeated += skip != 0;
		if (ev->len)
			s->ahead = skip > ev->len ? skip - ev->len : 0;
		s->answered = false;
	}
	c->number = ev->call;
	c->open = true;
	c->have = 0;
	c->len = ev->len;
	c->buf = ev->buf;
	c->skip = skip < ev->len ? skip : ev->len;
	note_head(c, ev, p);
}

/* The last one again, of which all was told: its bytes did not come. */
static void take_repeat(struct stream *s, struct stream_call *c)
{
	s->repeated += !c->skip;
	c->skip = c->have = c->len;
	c->open = false;
	c->head_len = 0;
}

static void on_bytes(struct stream *s, struct stream_call *c,
		     const struct probe_event *ev, const char *p)
{
	if (!c->number || c->number != ev->call)
		begin_call(s, c, ev, p);
	if (ev->flags & PROBE_FLAG_REPEAT)
		take_repeat(s, c);
	else
		add_piece(s, c, ev, p);
	if (c == &s->down && ev->cap)
		s->answered = true;
}

/*
 * How the write ended: what was told and not taken comes again. GnuTLS may
 * repeat with no bytes at all.
 */
static void on_wrote(struct stream *s, const struct probe_event *ev)
{
	struct stream_call *c = &s->up;
	uint64_t done = ev->result > 0 ? (uint64_t)ev->result : 0, told;

	s->tells = true;
	if (!c->number || (ev->call && ev->call != c->number))
		return;
	close_call(s, c);
	c->number = 0;
	c->buf = 0;
	if (!c->len) {
		s->ahead -= done < s->ahead ? done : s->ahead;
		return;
	}
	if (done)
		c->head_len = 0;
	done = done < c->len ? done : c->len;
	told = c->have > c->skip ? c->have : c->skip;
	s->ahead += told - done;
	c->have = done;
}

/* -- order ----------------------------------------------------------------- */

/* Can the records that are missing before this one be those of its call? */
static bool explains(const struct stream_call *c, const struct probe_event *ev,
		     uint32_t missing)
{
	uint64_t bytes;

	if (!c->open && c->number == ev->call)
		return false;
	if (c->number == ev->call)
		bytes = ev->at > c->have ? ev->at - c->have : 0;
	else
		bytes = ev->at && !c->open ? ev->at : 0;
	return bytes && (bytes + PROBE_PIECE - 1) / PROBE_PIECE == missing;
}

static void on_missing(struct stream *s, const struct probe_event *ev,
		       uint32_t missing)
{
	struct stream_call *c = ev->kind == PROBE_EV_WRITE ? &s->up : &s->down;

	s->lost += missing;
	if (has_bytes(ev) && explains(c, ev, missing))
		return; /* its piece will say so */
	s->up.open = s->down.open = false;
	s->up.number = s->down.number = 0;
	s->up.head_len = s->ahead = 0;
	s->up.buf = 0;
	s->sink->gap(s->arg, true, 0);
	s->sink->gap(s->arg, false, 0);
}

static void take(struct stream *s, const struct probe_event *ev,
		 const void *payload)
{
	if (s->begun && ev->seq - s->seq > 1)
		on_missing(s, ev, ev->seq - s->seq - 1);
	s->begun = true;
	s->seq = ev->seq;
	switch (ev->kind) {
	case PROBE_EV_WRITE:
		s->hung_up = false;
		on_bytes(s, &s->up, ev, payload);
		break;
	case PROBE_EV_WROTE:
		on_wrote(s, ev);
		break;
	case PROBE_EV_READ:
		s->hung_up = false;
		on_bytes(s, &s->down, ev, payload);
		break;
	case PROBE_EV_CLOSED:
		s->hung_up = true;
		s->sink->eof(s->arg);
		break;
	default:
		break;
	}
}

/* The early record that comes next, or NULL; any: whichever is first. */
static struct stream_early *pick(struct stream *s, bool any)
{
	struct stream_early *e;
	unsigned best = 0;

	if (!s->nearly)
		return NULL;
	for (unsigned i = 1; i < s->nearly; i++)
		if ((int32_t)(s->early[i]->ev.seq - s->early[best]->ev.seq) < 0)
			best = i;
	e = s->early[best];
	if (!any && e->ev.seq != s->seq + 1)
		return NULL;
	s->early[best] = s->early[--s->nearly];
	return e;
}

static void drain(struct stream *s, bool any)
{
	struct stream_early *e;

	while ((e = pick(s, any))) {
		take(s, &e->ev, e->payload);
		free(e);
	}
}

static bool keep(struct stream *s, const struct probe_event *ev,
		 const void *payload)
{
	struct stream_early *e;

	if (s->nearly == STREAM_EARLY_MAX)
		return false;
	e = malloc(sizeof(*e) + ev->cap);
	if (!e)
		return false;
	e->ev = *ev;
	if (ev->cap)
		memcpy(e->payload, payload, ev->cap);
	s->early[s->nearly++] = e;
	return true;
}

void stream_feed(struct stream *s, const struct probe_event *ev,
		 const void *payload)
{
	int32_t step = s->begun ? (int32_t)(ev->seq - s->seq) : 1;

	if (step <= 0)
		return; /* it was given up, or is a copy */
	if (step > 1 && keep(s, ev, payload))
		return;
	if (step > 1)
		drain(s, true);
	take(s, ev, payload);
	drain(s, false);
}

void stream_tick(struct stream *s, uint64_t now_ns)
{
	for (unsigned i = 0; i < s->nearly; i++)
		if (now_ns > s->early[i]->ev.ts_ns &&
		    now_ns - s->early[i]->ev.ts_ns > STREAM_EARLY_NS) {
			drain(s, true);
			return;
		}
}

bool stream_is_unsent(const struct stream *s)
{
	return s->ahead != 0;
}

void stream_fini(struct stream *s)
{
	drain(s, true);
	close_call(s, &s->up);
	close_call(s, &s->down);
}
