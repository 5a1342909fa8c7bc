#include "guard/framer.h"

#include "base/mem.h"

#define HEAD_FIRST 2048

void lg_framer_init(struct lg_framer *f, enum lg_http1_kind kind)
{
	lg_http1_init(&f->m, kind, NULL, 0);
	f->in_body = false;
}

void lg_framer_fini(struct lg_framer *f)
{
	if (f->m.head)
		lg_mem_free(f->m.head, f->m.head_cap);
	f->m.head = NULL;
	f->m.head_cap = 0;
}

void lg_framer_next(struct lg_framer *f)
{
	if (f->m.head_cap > HEAD_FIRST)
		lg_framer_fini(f);
	lg_http1_next(&f->m);
	f->in_body = false;
}

static bool grow(struct lg_http1 *m)
{
	size_t cap = m->head_cap ? m->head_cap * 2 : HEAD_FIRST;
	char *p;

	if (cap > LG_HTTP1_HEAD_MAX)
		return false;
	p = m->head ? lg_mem_grow(m->head, m->head_cap, cap)
		    : lg_mem_alloc(cap);
	if (!p)
		return false;
	m->head = p;
	m->head_cap = cap;
	return true;
}

size_t lg_framer_feed(struct lg_framer *f, const char *p, size_t len,
		      enum lg_http1_event *ev, struct lg_slice *body)
{
	size_t used = 0;

	while (!f->in_body) {
		size_t room = f->m.head_cap - f->m.head_len;
		size_t n = len - used;

		if (!room && n && grow(&f->m))
			continue;
		/* without room the parser says TOO_LARGE itself */
		if (room && n > room)
			n = room;
		used += lg_http1_feed(&f->m, p + used, n, ev, body);
		f->in_body = *ev == LG_HTTP1_HEAD;
		if (*ev != LG_HTTP1_MORE || used == len)
			return used;
	}
	return lg_http1_feed(&f->m, p, len, ev, body);
}
