#include "wire/sse.h"

#include <stdbool.h>
#include <string.h>

enum state { BOM, LINE, NAME, VALUE_START, VALUE };
enum field { DATA, EVENT, OTHER };

#define HAS_DATA 1u    /* a data line of this event was seen */
#define SKIP_LF 2u     /* the last byte was CR */
#define AT_BOUNDARY 4u /* ... of a blank line */

static const struct lg_slice field_names[] = {
	[DATA] = {"data", 4},
	[EVENT] = {"event", 5},
};

void lg_sse_init(struct lg_sse *s, const struct lg_sse_sink *sink, void *ctx)
{
	*s = (struct lg_sse){.sink = sink, .ctx = ctx, .state = BOM};
}

static void begin_value(struct lg_sse *s)
{
	if (s->field == EVENT)
		s->name_len = 0;
	if (s->field == DATA && s->flags & HAS_DATA)
		s->sink->data(s->ctx, LG_SLICE("\n"));
	if (s->field == DATA)
		s->flags |= HAS_DATA;
	s->state = VALUE_START;
}

static void blank_line(struct lg_sse *s, uint64_t offset)
{
	s->boundary = offset;
	s->flags |= AT_BOUNDARY;
	if (s->flags & HAS_DATA) {
		s->events++;
		s->sink->dispatch(s->ctx,
				  (struct lg_slice){s->name, s->name_len});
	}
	s->name_len = 0;
	s->flags &= ~HAS_DATA;
}

static void end_line(struct lg_sse *s, char c, uint64_t offset)
{
	s->flags &= ~AT_BOUNDARY;
	if (s->state == LINE)
		blank_line(s, offset);
	else if (s->state == NAME && s->field != OTHER &&
		 s->match == field_names[s->field].len)
		begin_value(s);
	s->state = LINE;
	if (c == '\r')
		s->flags |= SKIP_LF;
}

static void begin_line(struct lg_sse *s, char c)
{
	s->field = c == 'd' ? DATA : c == 'e' ? EVENT : OTHER;
	s->match = 1;
	s->state = s->field == OTHER ? VALUE : NAME;
}

static void match_name(struct lg_sse *s, char c)
{
	struct lg_slice name = field_names[s->field];

	if (c == ':' && s->match == name.len) {
		begin_value(s);
	} else if (s->match < name.len && c == name.p[s->match]) {
		s->match++;
	} else {
		s->field = OTHER;
		s->state = VALUE;
	}
}

static void match_bom(struct lg_sse *s, char c)
{
	static const char bom[] = "\xef\xbb\xbf";

	if (c == bom[s->match]) {
		if (++s->match == 3)
			s->state = LINE;
	} else if (s->match) {
		s->field = OTHER;
		s->state = VALUE;
	} else {
		begin_line(s, c);
	}
}

static void take_value(struct lg_sse *s, const char *p, size_t n)
{
	size_t room = sizeof(s->name) - 1 - s->name_len;

	if (s->field == DATA) {
		s->sink->data(s->ctx, (struct lg_slice){p, n});
	} else if (s->field == EVENT) {
		n = n < room ? n : room;
		memcpy(s->name + s->name_len, p, n);
		s->name_len = (uint8_t)(s->name_len + n);
	}
}

/* One byte that is no line end, outside a value. */
static void step(struct lg_sse *s, char c)
{
	switch ((enum state)s->state) {
	case BOM:
		match_bom(s, c);
		break;
	case LINE:
		begin_line(s, c);
		break;
	case NAME:
		match_name(s, c);
		break;
	case VALUE_START:
		s->state = VALUE;
		if (c != ' ')
			take_value(s, &c, 1);
		break;
	case VALUE:
		break;
	}
}

/* The line's end in p..end; *nl remembers the next LF from call to call. */
static const char *find_end(const char *p, const char *end, const char **nl)
{
	const char *cr;

	if (!*nl || *nl < p)
		*nl = memchr(p, '\n', (size_t)(end - p));
	if (!*nl)
		*nl = end;
	cr = memchr(p, '\r', (size_t)(*nl - p));
	return cr ? cr : *nl;
}

static void skip_lf(struct lg_sse *s, const char *at, uint64_t offset)
{
	if (*at == '\n' && s->flags & AT_BOUNDARY)
		s->boundary = offset + 1;
	s->flags &= ~(SKIP_LF | AT_BOUNDARY);
}

/* The usual beginning of a line, at once; false when it is not that. */
static bool take_data(struct lg_sse *s, const char *p, size_t len)
{
	if (s->state != LINE || len < 6 || memcmp(p, "data: ", 6))
		return false;
	s->field = DATA;
	begin_value(s);
	s->state = VALUE;
	return true;
}

void lg_sse_feed(struct lg_sse *s, const char *p, size_t len)
{
	const char *start = p, *end = p + len, *nl = NULL, *stop;
	uint64_t base = s->offset;

	s->offset += len;
	while (p < end) {
		if (s->flags & SKIP_LF) {
			skip_lf(s, p, base + (uint64_t)(p - start));
			p += *p == '\n';
			continue;
		}
		if (take_data(s, p, (size_t)(end - p)))
			p += 6;
		if (s->state == VALUE) {
			stop = find_end(p, end, &nl);
			if (stop > p)
				take_value(s, p, (size_t)(stop - p));
			p = stop;
			if (p == end)
				break;
		}
		if (s->state == BOM && (*p == '\r' || *p == '\n') && !s->match)
			s->state = LINE;
		if (*p == '\r' || *p == '\n')
			end_line(s, *p, base + (uint64_t)(p - start) + 1);
		else
			step(s, *p);
		p++;
	}
}
