#include "guard/flow_state.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "guard/h2_watch.h"
#include "guard/host.h"
#include "guard/routing.h"
#include "llm/shape.h"
#include "wire/content.h"
#include "wire/h2.h"

/* -- which protocol
 * ------------------------------------------------------------ */

static bool may_be_h2(const struct lg_flow *f)
{
	return f->preface != LG_FLOW_NOT_H2 && !f->stream && !f->begun &&
	       (f->named || !f->host[0]) &&
	       (f->in == LG_IN_HEAD || f->in == LG_IN_LOOK);
}

/* What was taken for the preface was not. */
static void not_h2(struct lg_flow *f)
{
	size_t n = f->preface;
	enum lg_flow_gate gate;

	f->preface = LG_FLOW_NOT_H2;
	if (!n)
		return;
	lg_request_offer(f, LG_H2_PREFACE, n, &gate);
	lg_request_passed(f, LG_H2_PREFACE, n);
}

static bool begin_h2(struct lg_flow *f, bool late)
{
	f->h2w = lg_h2watch_new(f, late);
	if (!f->h2w)
		f->in = LG_IN_PASSING;
	return f->h2w;
}

/* How much of these bytes may be HTTP/2's preface. */
static size_t take_preface(struct lg_flow *f, const char *p, size_t len)
{
	size_t at = f->preface, n = 0;

	while (n < len && at + n < LG_H2_PREFACE_LEN &&
	       p[n] == LG_H2_PREFACE[at + n])
		n++;
	if (n < len && at + n < LG_H2_PREFACE_LEN) {
		not_h2(f);
		return 0;
	}
	f->preface += (uint8_t)n;
	if (f->preface == LG_H2_PREFACE_LEN && !f->h2w)
		begin_h2(f, false);
	return n;
}

/* Does what was there before us look like HTTP/2's frames? */
static bool joins_h2(struct lg_flow *f, const char *p, size_t len)
{
	if (!f->late || !may_be_h2(f) || f->first || lg_h2_find(p, len) == len)
		return false;
	f->preface = LG_H2_PREFACE_LEN;
	return begin_h2(f, true);
}

size_t lg_watch_offer(struct lg_flow *f, const char *p, size_t len,
		      enum lg_flow_gate *gate)
{
	size_t n = 0;

	*gate = LG_FLOW_TAKEN;
	if (f->h2w && f->preface == LG_H2_PREFACE_LEN) {
		lg_h2watch_up(f->h2w, p, len);
		return len;
	}
	if (joins_h2(f, p, len))
		return lg_watch_offer(f, p, len, gate);
	if (f->preface != LG_FLOW_NOT_H2 && may_be_h2(f))
		n = take_preface(f, p, len);
	else if (f->preface != LG_FLOW_NOT_H2)
		not_h2(f);
	return n ? n : lg_request_offer(f, p, len, gate);
}

size_t lg_watch_arrived(struct lg_flow *f, char *p, size_t n)
{
	/* HTTP/2's servers may speak first, and so begins what they say */
	if (!f->h2w && !f->late && n && !*p && may_be_h2(f))
		begin_h2(f, false);
	else if (!f->h2w && n)
		joins_h2(f, p, n);
	if (!f->h2w)
		return lg_response_arrived(f, p, n);
	lg_h2watch_down(f->h2w, p, n);
	return n;
}

/* -- what is asked
 * ---------------------------------------------------------------- */

bool lg_flow_is_guarding(const struct lg_flow *f)
{
	return f->h2w || f->first || f->begun ||
	       (f->in != LG_IN_LOOK && f->in != LG_IN_SKIP &&
		f->in != LG_IN_PASSING);
}

uint32_t lg_flow_begun(const struct lg_flow *f)
{
	return f->begun;
}

const struct lg_row *lg_flow_head(const struct lg_flow *f)
{
	if (f->h2w)
		return lg_h2watch_head(f->h2w);
	/* attributed: it has a process */
	return f->writing && f->writing->row.pid ? &f->writing->row : NULL;
}

void lg_flow_unsent(struct lg_flow *f, bool unsent)
{
	struct lg_exchange *x = f->last;

	if (f->h2w)
		lg_h2watch_unsent(f->h2w, unsent);
	if (x && !x->answered && x != f->writing)
		x->written = !unsent;
	if (x && !unsent && x->withheld) {
		x->withheld = false;
		x->denial = NULL;
	}
}

/* Its head waits: as if it had been refused, should it end there. */
static void withhold(struct lg_exchange *x)
{
	memset(&x->refused, 0, sizeof(x->refused));
	x->refused.reason = x->row.reason;
	x->refused.rule = x->refused.cell = -1;
	x->denial = &x->refused;
	x->withheld = true;
}

static void mark(struct lg_exchange *x, int verdict, const char *reason)
{
	x->row.verdict = (uint8_t)verdict;
	lg_slice_copy(lg_slice_str(reason), x->row.reason,
		      sizeof(x->row.reason));
	/* `llmguard holds` shows it, and who has to write the row knows it */
	if (x->hold.slot >= 0 && x->region && !x->settled)
		lg_hold_redraft(x->region->r, &x->hold, &x->row,
				sizeof(x->row));
}

void lg_flow_mark(struct lg_flow *f, int verdict, const char *reason,
		  bool newest)
{
	struct lg_exchange *x = newest ? f->last : f->first;

	if (f->h2w)
		lg_h2watch_mark(f->h2w, verdict, reason, newest);
	for (; x; x = x->next) {
		mark(x, verdict, reason);
		if (newest && !x->released && !x->denial)
			withhold(x);
	}
}

/* Whose connection was shut before its write, or who dies there. */
static bool never_goes(const struct lg_exchange *x)
{
	return (x->withheld || !x->written) &&
	       (x->row.verdict == LG_VERDICT_KILL ||
		x->row.verdict == LG_VERDICT_DENY ||
		x->row.verdict == LG_VERDICT_RESET);
}

/* What was said of it while it waited stays. */
static void guess(struct lg_flow *f, struct lg_exchange *x,
		  const struct lg_row *like)
{
	uint8_t verdict = x->row.verdict;

	lg_request_guess(f, like);
	if (verdict != LG_VERDICT_ALLOW)
		x->row.verdict = verdict;
}

static void forsake(struct lg_flow *f, struct lg_exchange *x,
		    const struct lg_row *like)
{
	if (x->closed || never_goes(x))
		return;
	if (x->withheld)
		x->denial = NULL;
	x->withheld = false;
	if (x == f->writing && f->in == LG_IN_HOLD)
		guess(f, x, like);
	x->written = x->forsaken = true;
	x->row.flags |= LG_ROW_ABANDONED;
}

void lg_flow_forsake(struct lg_flow *f, const struct lg_row *like)
{
	if (f->h2w)
		lg_h2watch_forsake(f->h2w, like);
	for (struct lg_exchange *x = f->first; x; x = x->next)
		forsake(f, x, like);
}

/* -- an answer whose request was not seen -----------------------------------
 */

/* So much of an answer is looked at before it is given up. */
#define TEXT_MAX ((size_t)16 << 10)
#define RAW_MAX ((size_t)256 << 10)

struct lg_watch {
	struct lg_content *content; /* NULL: it is not coded */
	struct lg_buf head;	    /* of the answer */
	struct lg_buf raw;	    /* its body as it came */
	struct lg_buf text;	    /* the same decoded */
};

void lg_watch_del(struct lg_watch *w)
{
	if (!w)
		return;
	lg_content_del(w->content);
	lg_buf_fini(&w->head);
	lg_buf_fini(&w->raw);
	lg_buf_fini(&w->text);
	lg_mem_free(w, sizeof(*w));
}

static void drop_watch(struct lg_flow *f)
{
	lg_watch_del(f->watch);
	f->watch = NULL;
}

static void keep_text(void *ctx, const char *p, size_t len)
{
	struct lg_buf *b = ctx;
	size_t room = TEXT_MAX - b->len;

	lg_buf_put(b, p, len < room ? len : room);
}

static struct lg_exchange *begin_unseen(struct lg_flow *f, struct lg_slice head)
{
	struct lg_slice coding =
		lg_http1_field(head, LG_SLICE("content-encoding"), 0);
	struct lg_exchange *x;

	drop_watch(f);
	f->watch = lg_mem_alloc(sizeof(*f->watch));
	if (!f->watch)
		return NULL;
	lg_buf_init(&f->watch->head, LG_HTTP1_HEAD_MAX);
	lg_buf_init(&f->watch->raw, RAW_MAX);
	lg_buf_init(&f->watch->text, TEXT_MAX);
	lg_buf_put(&f->watch->head, head.p, head.len);
	x = lg_request_unseen(f);
	if (!x || lg_content_new(coding, keep_text, &f->watch->text,
				 &f->watch->content) == -ENOMEM)
		return NULL;
	x->row.response_bytes += head.len;
	return x;
}

struct lg_exchange *lg_watch_head(struct lg_flow *f)
{
	return begin_unseen(f, lg_framer_head(&f->resp));
}

void lg_watch_own(struct lg_exchange *x)
{
	const char *owner = lg_shape_owner(x->route.dialect);

	if (x->route.provider[0] || !owner)
		return;
	lg_slice_copy(lg_slice_str(owner), x->route.provider,
		      sizeof(x->route.provider));
	x->nameless = true;
}

/* What is known of where it went: the name of the connection. */
static void find_host(struct lg_flow *f, struct lg_exchange *x)
{
	struct lg_slice host = lg_route_host_name(lg_slice_str(f->host));
	struct lg_host_hit hit = {NULL, NULL};

	lg_slice_copy(host, x->row.host, sizeof(x->row.host));
	if (lg_host_find(x->world, host, &hit) && hit.provider)
		lg_slice_copy(lg_slice_str(hit.provider), x->route.provider,
			      sizeof(x->route.provider));
	else if (host.len)
		lg_slice_copy(host, x->route.provider,
			      sizeof(x->route.provider));
	lg_watch_own(x);
}

/* The same shape in the dialect of whoever is known to answer there. */
static const struct lg_dialect *of_host(const struct lg_flow *f,
					const struct lg_exchange *x,
					const struct lg_dialect *d)
{
	struct lg_host_hit hit = {NULL, NULL};
	const struct lg_dialect *own;
	const char *kind = d ? strchr(d->name, '-') : NULL;
	char name[64];
	struct lg_buf b;

	if (!kind || !lg_host_find(x->world, lg_slice_str(f->host), &hit) ||
	    !hit.family)
		return d;
	lg_buf_init_fixed(&b, name, sizeof(name));
	lg_buf_puts(&b, hit.family);
	lg_buf_puts(&b, kind);
	own = b.overflow ? NULL : lg_dialect_by_name(lg_buf_slice(&b));
	return own ? own : d;
}

/* It is known as well as it ever will be: the answer is read as such. */
static void settle_on(struct lg_flow *f, struct lg_exchange *x,
		      const struct lg_dialect *d)
{
	struct lg_watch *w = f->watch;
	struct lg_http1 m;

	x->unsure = false;
	x->quiet = !d && !f->host[0];
	/* of a host that is not known, what several mean in their own way */
	if (d && !f->host[0] && strstr(d->name, "embeddings"))
		d = NULL;
	d = of_host(f, x, d);
	x->route.kind = d ? LG_ROUTE_PAID : LG_ROUTE_UNKNOWN;
	x->route.dialect = d;
	x->route.type = d && strstr(d->name, "embeddings")
				? LG_REQUEST_EMBED
				: LG_REQUEST_GENERATE;
	find_host(f, x);
	lg_request_settle_on(f, x);
	m = f->resp.m;
	lg_exchange_answer_head(x, lg_buf_slice(&w->head),
				m.status ? m.status : 200);
	lg_exchange_answer_body(x, w->raw.p, w->raw.len);
	drop_watch(f);
}

void lg_watch_body(struct lg_flow *f, struct lg_exchange *x,
		   struct lg_slice body)
{
	struct lg_watch *w = f->watch;
	const struct lg_dialect *d;

	lg_buf_put(&w->raw, body.p, body.len);
	if (w->content)
		lg_content_feed(w->content, body.p, body.len);
	else
		keep_text(&w->text, body.p, body.len);
	d = lg_shape_answer(lg_buf_slice(&w->text));
	if (d || w->text.len == TEXT_MAX || w->raw.overflow)
		settle_on(f, x, d);
}

void lg_watch_end(struct lg_flow *f, struct lg_exchange *x)
{
	settle_on(f, x, lg_shape_answer(lg_buf_slice(&f->watch->text)));
}

/* -- bytes that are missing ---------------------------------------------------
 */

#define SSE_HEAD                                                               \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"               \
	"Transfer-Encoding: chunked\r\n\r\n"

static bool is_status_line(const char *p, size_t n)
{
	return n >= 13 && !memcmp(p, "HTTP/1.", 7) && p[8] == ' ' &&
	       p[9] >= '1' && p[9] <= '5' && (p[12] == ' ' || p[12] == '\r');
}

/* Its head is not known: it can only be a stream of events. */
static bool join_stream(struct lg_flow *f, const char *p, size_t len)
{
	const struct lg_slice text = {p, len};
	struct lg_exchange *x = f->first;
	enum lg_http1_event ev;
	struct lg_slice body;

	if (!lg_shape_is_sse(text) || (!x && !lg_shape_answer(text)))
		return false;
	if (x && !x->released)
		return false;
	lg_framer_next(&f->resp);
	lg_framer_feed(&f->resp, SSE_HEAD, sizeof(SSE_HEAD) - 1, &ev, &body);
	if (ev != LG_HTTP1_HEAD || !lg_http1_join(&f->resp.m, p, len))
		return false;
	if (!x)
		return begin_unseen(f, LG_SLICE(SSE_HEAD));
	x->row.flags |= LG_ROW_LOST;
	lg_exchange_answer_head(x, LG_SLICE(SSE_HEAD), 200);
	return true;
}

bool lg_watch_finds(struct lg_flow *f, const char *p, size_t len)
{
	struct lg_exchange *x = f->first;

	if (is_status_line(p, len)) {
		if (x && x->answered)
			lg_response_forget(f);
		lg_framer_next(&f->resp);
		f->astray = false;
	} else if (x && x->answered && f->resp.in_body &&
		   f->resp.m.framing == LG_HTTP1_CHUNKED) {
		f->astray = !lg_http1_join(&f->resp.m, p, len);
	} else if ((!x && f->late) || (x && !x->answered)) {
		f->astray = !join_stream(f, p, len);
	}
	return !f->astray;
}

/* What comes behind the hole can be read only of a stream as it is. */
static void make_hole(struct lg_exchange *x)
{
	if (x->body.kind == LG_BODY_SSE && !x->body.content)
		lg_body_answer_feed(&x->body, "\n\n", 2);
	else
		x->holed = true;
}

static void gap_down(struct lg_flow *f, uint64_t missing)
{
	struct lg_exchange *x =
		f->first && f->first->released ? f->first : NULL;

	if (x)
		x->row.flags |= LG_ROW_LOST;
	if (x && x->unsure)
		lg_watch_end(f, x);
	if (x && f->resp.in_body)
		make_hole(x);
	if (f->stream) {
		/* its frames go on saying where it ends */
		lg_http1_skip(&f->resp.m, missing);
		return;
	}
	if (!f->astray && f->resp.in_body && missing &&
	    lg_http1_skip(&f->resp.m, missing)) {
		if (x)
			x->row.response_bytes += missing;
		lg_response_drain(f);
		return;
	}
	f->astray = f->late = true;
	f->late_flags |= LG_ROW_LOST;
}

static void gap_up(struct lg_flow *f, uint64_t missing)
{
	struct lg_exchange *x = f->writing;

	if (x)
		x->row.flags |= LG_ROW_LOST;
	if (f->in == LG_IN_HOLD && x)
		lg_request_release(f);
	if (f->in == LG_IN_BODY && missing &&
	    lg_http1_skip(&f->req.m, missing)) {
		if (x)
			x->row.request_bytes += missing;
		lg_request_drain(f);
		return;
	}
	if (x)
		x->written = true;
	f->writing = NULL;
	if (x && x->closed)
		lg_exchange_del(x);
	lg_framer_next(&f->req);
	f->in = LG_IN_LOOK;
	f->late = true;
	f->late_flags |= LG_ROW_LOST;
}

void lg_flow_gap(struct lg_flow *f, bool up, uint64_t missing)
{
	if (f->h2w)
		lg_h2watch_gap(f->h2w, up, missing);
	if (f->h2w || f->in == LG_IN_PASSING || f->deaf)
		return;
	if (up)
		gap_up(f, missing);
	else
		gap_down(f, missing);
}
