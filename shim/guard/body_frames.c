#include "guard/body_frames.h"

#include "base/mem.h"
#include "wire/eventstream.h"
#include "wire/wrapped.h"

struct lg_body_frames {
	struct lg_body *body;
	struct lg_eventstream stream;
	struct lg_wrapped wrapped;
	bool unwrap;		 /* the payload at hand is wrapped */
	struct lg_answer before; /* a frame that is not known to be right */
};

static void on_wrapped(void *ctx, struct lg_slice piece)
{
	struct lg_body_frames *f = ctx;

	lg_body_value(f->body, piece);
}

static bool is_exception(const struct lg_body_frames *f)
{
	return lg_slice_eq(lg_eventstream_name(&f->stream),
			   LG_SLICE("exception"));
}

static void begin(void *ctx, bool checked)
{
	struct lg_body_frames *f = ctx;

	if (!checked)
		f->before = *f->body->answer;
	f->unwrap = f->body->d->wrapped && !is_exception(f);
	if (f->unwrap)
		lg_wrapped_init(&f->wrapped, on_wrapped, f);
}

static void payload(void *ctx, struct lg_slice piece)
{
	struct lg_body_frames *f = ctx;

	if (f->unwrap)
		lg_wrapped_feed(&f->wrapped, piece.p, piece.len);
	else
		lg_body_value(f->body, piece);
}

/* What the frame said is forgotten, not that it was delivered. */
static void take_back(struct lg_body_frames *f)
{
	struct lg_answer *a = f->body->answer;

	f->before.delivered_bytes = a->delivered_bytes;
	f->before.delivered_reasoning_bytes = a->delivered_reasoning_bytes;
	*a = f->before;
	f->body->scanning = false;
}

static void end(void *ctx, bool good)
{
	struct lg_body_frames *f = ctx;

	if (!good) {
		take_back(f);
		return;
	}
	f->body->answer->error |= is_exception(f);
	lg_body_value_end(f->body, lg_eventstream_name(&f->stream), false);
}

static const struct lg_eventstream_sink sink = {begin, payload, end};

bool lg_body_frames_new(struct lg_body *b)
{
	struct lg_body_frames *f = lg_mem_take(sizeof(*f));

	if (!f)
		return false;
	f->body = b;
	lg_eventstream_init(&f->stream, &sink, f);
	b->frames = f;
	return true;
}

void lg_body_frames_del(struct lg_body_frames *f)
{
	lg_mem_free(f, sizeof(*f));
}

bool lg_body_frames_feed(struct lg_body_frames *f, const char *p, size_t n)
{
	return lg_eventstream_feed(&f->stream, p, n);
}

bool lg_body_frames_end(struct lg_body_frames *f)
{
	return lg_eventstream_end(&f->stream);
}

size_t lg_body_frames_rest(const struct lg_body_frames *f, const char *p,
			   size_t n)
{
	return lg_eventstream_rest(&f->stream, p, n);
}
