/*
 * A stand-in for guard/flow and guard/engine: enough of HTTP/1.1 to try the
 * hooks' mechanics by themselves. Guards "localhost" and *.fake.test; holds
 * each request until it is complete, lets it go, or answers 429 when its head
 * holds "x-fake: block". "x-fake: swallow" drops all "~" of the answers.
 * FAKE_LOG names a file that gets one line for what happened.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "guard/dark.h"
#include "guard/flow.h"
#include "guard/look.h"
#include "guard/plain.h"

#define HOLD_MAX (64u << 20)

struct lg_flow {
	struct lg_buf held, out, synth;
	size_t out_at;
	bool guarded, passing, shut, wake, edits, broken;
};

static const char reply[] = "HTTP/1.1 429 Too Many Requests\r\n"
			    "Content-Type: application/json\r\n"
			    "Content-Length: 29\r\n"
			    "x-should-retry: false\r\n"
			    "Connection: close\r\n\r\n"
			    "{\"error\":{\"message\":\"fake\"}}\n";

static void note(const char *what)
{
	const char *path = getenv("FAKE_LOG");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

	if (fd < 0)
		return;
	(void)!write(fd, what, strlen(what));
	close(fd);
}

struct lg_engine {
	int dummy;
};

struct lg_engine *lg_engine_get(void)
{
	static struct lg_engine e;

	return &e;
}

struct lg_engine *lg_engine_peek(void)
{
	return lg_engine_get();
}

bool lg_engine_was_sandboxed(void)
{
	return false;
}

void lg_dark_tell(struct lg_engine *e, struct lg_slice host, uint64_t sent,
		  uint64_t received)
{
	(void)e, (void)host, (void)sent, (void)received;
}

bool lg_engine_guards(struct lg_engine *e, struct lg_slice host)
{
	(void)e;
	return lg_slice_eq(host, LG_SLICE("localhost")) ||
	       lg_slice_iends(host, LG_SLICE(".fake.test"));
}

bool lg_look_begins(struct lg_engine *e, const char *p, size_t len)
{
	(void)e;
	return memmem(p, len, "\r\n\r\n", 4);
}

bool lg_engine_is_off(struct lg_engine *e)
{
	(void)e;
	return false;
}

bool lg_engine_may_patch(struct lg_engine *e, bool is_asked)
{
	(void)e, (void)is_asked;
	return true;
}

enum lg_http2 lg_engine_http2(struct lg_engine *e)
{
	(void)e;
	return LG_HTTP2_AUTO;
}

void lg_engine_after_fork(void)
{
}

/* FAKE_PLAIN: a port whose peers are spoken to in plain HTTP. */
enum lg_plain_how lg_plain_of(struct lg_engine *e,
			      const struct lg_plain_peer *p)
{
	const char *port = getenv("FAKE_PLAIN");

	(void)e;
	return port && atoi(port) == p->port ? LG_PLAIN_YES : LG_PLAIN_NO;
}

bool lg_plain_names(struct lg_engine *e, struct lg_slice host, uint16_t port)
{
	(void)e, (void)host, (void)port;
	return false;
}

void lg_engine_enter_sandbox(void)
{
	unsetenv("FAKE_LOG");
}

struct lg_flow *lg_flow_new(struct lg_engine *e,
			    const struct lg_flow_peer *peer)
{
	struct lg_flow *f = lg_mem_alloc(sizeof(*f));

	(void)e;
	if (!f)
		return NULL;
	lg_buf_init(&f->held, HOLD_MAX);
	lg_buf_init(&f->out, HOLD_MAX);
	lg_buf_init(&f->synth, HOLD_MAX);
	f->guarded = peer->guarded;
	note(peer->guarded ? "guarded\n" : "looked\n");
	return f;
}

void lg_flow_del(struct lg_flow *f)
{
	if (!f)
		return;
	note("del\n");
	lg_buf_fini(&f->held);
	lg_buf_fini(&f->out);
	lg_buf_fini(&f->synth);
	lg_mem_free(f, sizeof(*f));
}

static const char *field(const struct lg_buf *b, size_t head, const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; i + n <= head; i++)
		if (!strncasecmp(b->p + i, name, n))
			return b->p + i + n;
	return NULL;
}

/* Length of the message at the start of held; 0: not complete. */
static size_t message(const struct lg_buf *b)
{
	const char *end = b->len ? memmem(b->p, b->len, "\r\n\r\n", 4) : NULL;
	size_t head, want;
	const char *v;

	if (!end)
		return 0;
	head = (size_t)(end - b->p) + 4;
	v = field(b, head, "\r\nContent-Length: ");
	if (v) {
		want = head + strtoul(v, NULL, 10);
		return b->len >= want ? want : 0;
	}
	if (!field(b, head, ": chunked"))
		return head;
	end = memmem(b->p + head - 2, b->len - head + 2, "\r\n0\r\n\r\n", 7);
	return end ? (size_t)(end - b->p) + 7 : 0;
}

static void let_go(struct lg_flow *f, size_t n)
{
	const char *end = memmem(f->held.p, f->held.len, "\r\n\r\n", 4);
	size_t head = (size_t)(end - f->held.p);

	if (field(&f->held, head, "x-fake: block")) {
		lg_buf_puts(&f->synth, reply);
		f->wake = f->shut = true;
		note("blocked\n");
	} else {
		if (field(&f->held, head, "x-fake: swallow"))
			f->edits = true;
		lg_buf_put(&f->out, f->held.p, n);
		note("let go\n");
	}
	lg_buf_drop(&f->held, n);
}

size_t lg_flow_offer(struct lg_flow *f, const char *p, size_t len,
		     enum lg_flow_gate *gate)
{
	size_t n;

	*gate = LG_FLOW_TAKEN;
	if (f->passing || (!f->held.len && memchr("PRI*", p[0], 4) && len > 3 &&
			   !memcmp(p, "PRI ", 4))) {
		f->passing = true;
		*gate = LG_FLOW_PASS;
		return len;
	}
	lg_buf_put(&f->held, p, len);
	n = message(&f->held);
	if (n)
		let_go(f, n);
	return len;
}

void lg_flow_passed(struct lg_flow *f, const char *p, size_t n)
{
	(void)f, (void)p, (void)n;
}

bool lg_flow_out(struct lg_flow *f, struct lg_slice *out)
{
	out->p = f->out.p + f->out_at;
	out->len = f->out.len - f->out_at;
	return out->len;
}

void lg_flow_sent(struct lg_flow *f, size_t n)
{
	f->out_at += n;
	if (f->out_at < f->out.len)
		return;
	lg_buf_fini(&f->out);
	f->out_at = 0;
}

void lg_flow_write_failed(struct lg_flow *f)
{
	note("write failed\n");
	f->out_at = f->out.len = 0;
	f->broken = true;
}

int64_t lg_flow_take_nap(struct lg_flow *f)
{
	(void)f;
	return 0;
}

bool lg_flow_is_holding(const struct lg_flow *f)
{
	return f->held.len;
}

bool lg_flow_is_cut(const struct lg_flow *f)
{
	(void)f;
	return false;
}

void lg_flow_release(struct lg_flow *f)
{
	note("released\n");
	lg_buf_put(&f->out, f->held.p, f->held.len);
	f->held.len = 0;
}

size_t lg_flow_arrived(struct lg_flow *f, char *p, size_t n)
{
	size_t i, at = 0;

	if (!f->edits)
		return n;
	for (i = 0; i < n; i++)
		if (p[i] != '~')
			p[at++] = p[i];
	return at;
}

bool lg_flow_is_local(const struct lg_flow *f)
{
	(void)f;
	return false;
}

void lg_flow_local_arrived(struct lg_flow *f, const char *p, size_t n)
{
	(void)f, (void)p, (void)n;
}

uint64_t lg_flow_local_got(const struct lg_flow *f)
{
	(void)f;
	return 0;
}

void lg_flow_local_eof(struct lg_flow *f)
{
	(void)f;
}

bool lg_flow_edits(const struct lg_flow *f)
{
	return f->edits;
}

void lg_flow_eof(struct lg_flow *f)
{
	(void)f;
	note("eof\n");
}

bool lg_flow_synth(const struct lg_flow *f, struct lg_slice *out)
{
	*out = lg_buf_slice(&f->synth);
	return out->len;
}

void lg_flow_synth_taken(struct lg_flow *f, size_t n)
{
	lg_buf_drop(&f->synth, n);
}

bool lg_flow_wants_close(struct lg_flow *f)
{
	(void)f;
	return false;
}

bool lg_flow_wants_wakeup(struct lg_flow *f)
{
	bool wake = f->wake;

	f->wake = false;
	return wake;
}

bool lg_flow_is_shut(const struct lg_flow *f)
{
	return f->shut;
}

bool lg_flow_is_passing(const struct lg_flow *f)
{
	return f->passing;
}

bool lg_flow_is_bound(const struct lg_flow *f)
{
	(void)f;
	return false;
}
