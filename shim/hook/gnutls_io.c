#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "hook/gnutls.h"
#include "hook/io.h"

/*
 * A write that has to be repeated may be repeated without its bytes: GnuTLS
 * has them in a record. We may have taken none of them yet, so they are kept.
 */
static bool save(struct lg_session *g, const void *p, size_t n)
{
	int err = errno;

	g->saved = lg_mem_alloc(LG_GNUTLS_RECORD_MAX);
	errno = err;
	if (!g->saved)
		return false;
	memcpy(g->saved, p, n);
	g->saved_len = n;
	return true;
}

static void drop_saved(struct lg_session *g)
{
	lg_mem_free(g->saved, LG_GNUTLS_RECORD_MAX);
	g->saved = NULL;
	g->saved_len = 0;
}

static ssize_t send_guarded(struct lg_session *g, const void *p, size_t n)
{
	size_t written;
	int r;

	if (g->saved) {
		p = g->saved;
		n = g->saved_len;
	}
	/* what is corked is taken whole, else a record at most */
	if (!g->is_corked && n > LG_GNUTLS_RECORD_MAX)
		n = LG_GNUTLS_RECORD_MAX;
	r = lg_io_write(&g->conn, p, n, &written);
	if (r <= 0 &&
	    (r == LG_GNUTLS_E_AGAIN || r == LG_GNUTLS_E_INTERRUPTED)) {
		if (!g->saved && !g->is_corked && !save(g, p, n))
			return LG_GNUTLS_E_MEMORY_ERROR;
		return r;
	}
	if (g->saved)
		drop_saved(g);
	if (r <= 0)
		return r;
	if (g->is_corked)
		g->corked += written;
	return (ssize_t)written;
}

/* The session when this write goes through the flow, else NULL. */
static bool is_guarded(struct lg_session *g, gnutls_session_t s, const void *p,
		       size_t n)
{
	if (!g || g->conn.mode == LG_CONN_PASS || lg_is_inside(s))
		return false;
	return g->saved || lg_io_guards_write(&g->conn, p, n);
}

ssize_t hook_gnutls_record_send(const void *pc, gnutls_session_t s,
				const void *p, size_t n)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (LG_UNLIKELY(!t || !t->gnutls_record_send))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_UNLIKELY(is_guarded(g, s, p, n)))
		return send_guarded(g, p, n);
	return t->gnutls_record_send(s, p, n);
}

ssize_t hook_gnutls_record_send2(const void *pc, gnutls_session_t s,
				 const void *p, size_t n, size_t pad,
				 unsigned flags)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (LG_UNLIKELY(!t || !t->gnutls_record_send2))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_UNLIKELY(is_guarded(g, s, p, n)))
		return send_guarded(g, p, n);
	return t->gnutls_record_send2(s, p, n, pad, flags);
}

ssize_t hook_gnutls_record_send_range(const void *pc, gnutls_session_t s,
				      const void *p, size_t n,
				      const void *range)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (LG_UNLIKELY(!t || !t->gnutls_record_send_range))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_UNLIKELY(is_guarded(g, s, p, n)))
		return send_guarded(g, p, n);
	return LG_REAL(s, t->gnutls_record_send_range(s, p, n, range));
}

/*
 * A request in early data leaves before an answer could refuse it and may be
 * replayed. To a guarded host it is not sent: the program hears after the
 * handshake that the server took none, and sends it then, as it must.
 */
ssize_t hook_gnutls_record_send_early_data(const void *pc, gnutls_session_t s,
					   const void *p, size_t n)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	size_t (*max)(gnutls_session_t);

	if (LG_UNLIKELY(!t || !t->gnutls_record_send_early_data))
		return LG_GNUTLS_E_INVALID_REQUEST;
	max = t->gnutls_record_get_max_early_data_size;
	if (g && g->host_len)
		lg_conn_decide(&g->conn, true);
	if (!g || g->conn.mode != LG_CONN_GUARDED || !max || n > max(s))
		return t->gnutls_record_send_early_data(s, p, n);
	g->early = true;
	return 0;
}

/* A server may take early data that were announced and never came. */
unsigned hook_gnutls_session_get_flags(const void *pc, gnutls_session_t s)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	unsigned flags;

	if (LG_UNLIKELY(!t || !t->gnutls_session_get_flags))
		return 0;
	flags = t->gnutls_session_get_flags(s);
	return g && g->early ? flags & ~LG_GNUTLS_SFLAGS_EARLY_DATA : flags;
}

void hook_gnutls_record_cork(const void *pc, gnutls_session_t s)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (g) {
		g->is_corked = true;
		g->corked = 0;
	}
	if (t && t->gnutls_record_cork)
		t->gnutls_record_cork(s);
}

/* It sends by gnutls_record_send what went through the flow before. */
int hook_gnutls_record_uncork(const void *pc, gnutls_session_t s,
			      unsigned flags)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	int r;

	if (LG_UNLIKELY(!t || !t->gnutls_record_uncork))
		return LG_GNUTLS_E_INVALID_REQUEST;
	r = LG_REAL(s, t->gnutls_record_uncork(s, flags));
	if (!g || r < 0)
		return r;
	/* the program counts its own bytes, whatever became of them */
	if (g->corked)
		r = (int)g->corked;
	g->is_corked = false;
	g->corked = 0;
	return r;
}

static bool reads_guarded(struct lg_session *g, gnutls_session_t s,
			  const void *p, size_t n)
{
	return g && g->conn.mode != LG_CONN_PASS && !lg_is_inside(s) &&
	       lg_io_guards_read(&g->conn, p, n);
}

static ssize_t recv_guarded(struct lg_session *g, void *p, size_t n)
{
	size_t got;
	int r = lg_io_read(&g->conn, p, n, false, &got);

	return r > 0 ? (ssize_t)got : r;
}

ssize_t hook_gnutls_record_recv(const void *pc, gnutls_session_t s, void *p,
				size_t n)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (LG_UNLIKELY(!t || !t->gnutls_record_recv))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_UNLIKELY(reads_guarded(g, s, p, n)))
		return recv_guarded(g, p, n);
	return t->gnutls_record_recv(s, p, n);
}

/* Bytes of our own have the number 0. */
ssize_t hook_gnutls_record_recv_seq(const void *pc, gnutls_session_t s, void *p,
				    size_t n, unsigned char *seq)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	ssize_t r;

	if (LG_UNLIKELY(!t || !t->gnutls_record_recv_seq))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_LIKELY(!reads_guarded(g, s, p, n)))
		return t->gnutls_record_recv_seq(s, p, n, seq);
	if (seq)
		memset(seq, 0, 8);
	g->seq = seq;
	r = recv_guarded(g, p, n);
	g->seq = NULL;
	return r;
}

/* What we hand out instead of a GnuTLS packet. */
struct packet {
	const void *magic; /* no packet of GnuTLS points there */
	size_t len;
	unsigned char seq[8];
	char data[LG_GNUTLS_RECORD_MAX];
};
static const char magic;

static struct packet *ours(gnutls_packet_t p)
{
	struct packet *mine = (struct packet *)p;

	return mine && mine->magic == &magic ? mine : NULL;
}

static ssize_t recv_packet(struct lg_session *g, gnutls_packet_t *out)
{
	struct packet *p = lg_mem_take(sizeof(*p));
	ssize_t r;

	if (!p)
		return LG_GNUTLS_E_MEMORY_ERROR;
	memset(p->seq, 0, sizeof(p->seq));
	g->seq = p->seq;
	r = recv_guarded(g, p->data, sizeof(p->data));
	g->seq = NULL;
	if (r <= 0) {
		lg_mem_free(p, sizeof(*p));
		return r;
	}
	p->magic = &magic;
	p->len = (size_t)r;
	*out = (gnutls_packet_t)p;
	return r;
}

ssize_t hook_gnutls_record_recv_packet(const void *pc, gnutls_session_t s,
				       gnutls_packet_t *out)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);

	if (LG_UNLIKELY(!t || !t->gnutls_record_recv_packet))
		return LG_GNUTLS_E_INVALID_REQUEST;
	if (LG_LIKELY(!out || !reads_guarded(g, s, "", 1)))
		return t->gnutls_record_recv_packet(s, out);
	*out = NULL;
	return recv_packet(g, out);
}

void hook_gnutls_packet_get(const void *pc, gnutls_packet_t packet,
			    struct lg_datum *data, unsigned char *seq)
{
	struct packet *p = ours(packet);
	struct lg_gnutls *t = p ? NULL : lg_gnutls_of(pc);

	if (t && t->gnutls_packet_get)
		t->gnutls_packet_get(packet, data, seq);
	if (p && data)
		*data = (struct lg_datum){(unsigned char *)p->data,
					  (unsigned)p->len};
	if (p && seq)
		memcpy(seq, p->seq, sizeof(p->seq));
}

void hook_gnutls_packet_deinit(const void *pc, gnutls_packet_t packet)
{
	struct packet *p = ours(packet);
	struct lg_gnutls *t = p ? NULL : lg_gnutls_of(pc);

	if (p)
		lg_mem_free(p, sizeof(*p));
	else if (t && t->gnutls_packet_deinit)
		t->gnutls_packet_deinit(packet);
}

size_t hook_gnutls_record_check_pending(const void *pc, gnutls_session_t s)
{
	struct lg_session *g = lg_session_get(s);
	struct lg_gnutls *t = g ? g->lib : lg_gnutls_of(pc);
	bool shut = false;
	size_t n;

	if (LG_UNLIKELY(!t || !t->gnutls_record_check_pending))
		return 0;
	n = g && !lg_is_inside(s) ? lg_io_ready(&g->conn, &shut) : 0;
	return shut ? n : n + t->gnutls_record_check_pending(s);
}
