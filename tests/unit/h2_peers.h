#ifndef LG_TEST_H2_PEERS_H
#define LG_TEST_H2_PEERS_H

#include <nghttp2/nghttp2.h>

#include "base/mem.h"
#include "tests/unit/flow_rig.h"

/*
 * nghttp2's client and server with a guarded flow between them and no network:
 * all that they say is cut into pieces of random sizes. They judge each frame,
 * so that whatever the guard gets wrong ends a session. Included once.
 */
#define PEER_STREAMS 128

struct ask {
	int32_t id;
	char *body;
	size_t len, sent;
	bool length;  /* says its content-length */
	bool blocked; /* expects 429 */
	size_t answer;
	bool reset; /* the program gives it up */
	/* what came of it */
	bool arrived, closed;
	int status;
	size_t got;
	uint32_t error;
};

struct served {
	int32_t id;
	size_t len, want, sent;
	unsigned n; /* whose it is, by x-n */
	uint64_t sum;
	bool used;
};

struct peers {
	struct rig *r;
	nghttp2_session *client, *server;
	struct ask ask[PEER_STREAMS];
	struct served served[PEER_STREAMS];
	unsigned n, nserved, nclosed;
	struct lg_buf up, down; /* on their way */
	unsigned seed;
	unsigned pad; /* frames get up to so many bytes of padding */
};

static inline unsigned any(struct peers *p, unsigned below)
{
	p->seed = p->seed * 1103515245 + 12345;
	return below ? (p->seed >> 12) % below : 0;
}

static inline uint64_t sum_of(uint64_t sum, const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n--)
		sum = sum * 31 + *b++;
	return sum;
}

static inline struct served *serving(struct peers *p, int32_t id)
{
	for (unsigned i = 0; i < p->nserved; i++)
		if (p->served[i].id == id)
			return &p->served[i];
	return NULL;
}

static inline struct ask *asking(struct peers *p, int32_t id)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->ask[i].id == id)
			return &p->ask[i];
	return NULL;
}

#define NV(n, v)                                                               \
	{                                                                      \
		(uint8_t *)(n), (uint8_t *)(v), strlen(n), strlen(v), 0        \
	}

/* -- the server ------------------------------------------------------------ */

static inline ssize_t give_answer(nghttp2_session *s, int32_t id, uint8_t *buf,
				  size_t len, uint32_t *flags,
				  nghttp2_data_source *src, void *user)
{
	struct served *v = src->ptr;
	size_t n = v->want - v->sent;

	(void)s, (void)id, (void)user;
	n = n < len ? n : len;
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)('a' + (v->sent + i) % 26);
	v->sent += n;
	if (v->sent == v->want)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static inline int server_header(nghttp2_session *s, const nghttp2_frame *f,
				const uint8_t *name, size_t nlen,
				const uint8_t *value, size_t vlen,
				uint8_t flags, void *user)
{
	struct peers *p = user;
	struct served *v = serving(p, f->hd.stream_id);

	(void)s, (void)flags, (void)vlen;
	if (!v) {
		v = &p->served[p->nserved++];
		*v = (struct served){.id = f->hd.stream_id, .n = 9999};
	}
	assert(nlen < 10 || memcmp(name, "x-llmguard", 10));
	if (nlen == 3 && !memcmp(name, "x-n", 3))
		v->n = (unsigned)atoi((const char *)value);
	return 0;
}

static inline int server_data(nghttp2_session *s, uint8_t flags, int32_t id,
			      const uint8_t *data, size_t len, void *user)
{
	struct served *v = serving(user, id);

	(void)s, (void)flags;
	v->sum = sum_of(v->sum, data, len);
	v->len += len;
	return 0;
}

static inline int server_frame(nghttp2_session *s, const nghttp2_frame *f,
			       void *user)
{
	struct peers *p = user;
	struct served *v;
	struct ask *a;
	nghttp2_data_provider give = {.read_callback = give_answer};
	char text[32];

	if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS))
		return 0;
	v = serving(p, f->hd.stream_id);
	assert(v && v->n < p->n);
	a = &p->ask[v->n];
	assert(!a->blocked);
	assert(v->len == a->len && v->sum == sum_of(0, a->body, a->len));
	a->arrived = true;
	v->want = a->answer;
	give.source.ptr = v;
	snprintf(text, sizeof(text), "value-%u", v->n % 5);
	nghttp2_nv nv[] = {NV(":status", "200"),
			   NV("content-type", "text/plain"), NV("x-a", text),
			   NV("x-b", text)};
	assert(!nghttp2_submit_response(s, f->hd.stream_id, nv, 4, &give));
	return 0;
}

static inline ssize_t pad(nghttp2_session *s, const nghttp2_frame *f,
			  size_t max, void *user)
{
	struct peers *p = user;
	size_t n = f->hd.length + (p->pad ? any(p, p->pad) : 0);

	(void)s;
	return (ssize_t)(n < max ? n : max);
}

/* -- the program ----------------------------------------------------------- */

static inline ssize_t give_body(nghttp2_session *s, int32_t id, uint8_t *buf,
				size_t len, uint32_t *flags,
				nghttp2_data_source *src, void *user)
{
	struct ask *a = src->ptr;
	size_t n = a->len - a->sent;

	(void)s, (void)id, (void)user;
	n = n < len ? n : len;
	memcpy(buf, a->body + a->sent, n);
	a->sent += n;
	if (a->sent == a->len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static inline int client_header(nghttp2_session *s, const nghttp2_frame *f,
				const uint8_t *name, size_t nlen,
				const uint8_t *value, size_t vlen,
				uint8_t flags, void *user)
{
	struct ask *a = asking(user, f->hd.stream_id);

	(void)s, (void)flags, (void)vlen;
	assert(a);
	if (nlen == 7 && !memcmp(name, ":status", 7))
		a->status = atoi((const char *)value);
	return 0;
}

static inline int client_data(nghttp2_session *s, uint8_t flags, int32_t id,
			      const uint8_t *data, size_t len, void *user)
{
	struct ask *a = asking(user, id);

	(void)flags;
	for (size_t i = 0; a->status == 200 && i < len; i++)
		assert(data[i] == 'a' + (a->got + i) % 26);
	a->got += len;
	if (a->reset && a->got > a->answer / 2)
		nghttp2_submit_rst_stream(s, 0, id, NGHTTP2_CANCEL);
	return 0;
}

static inline int client_close(nghttp2_session *s, int32_t id, uint32_t error,
			       void *user)
{
	struct peers *p = user;
	struct ask *a = asking(p, id);

	(void)s;
	a->closed = true;
	a->error = error;
	p->nclosed++;
	return 0;
}

/* -- both -------------------------------------------------------------------
 */

static inline void peers_open(struct peers *p, struct rig *r, unsigned seed,
			      const nghttp2_settings_entry *of_client,
			      size_t nclient,
			      const nghttp2_settings_entry *of_server,
			      size_t nserver)
{
	nghttp2_session_callbacks *cb;

	memset(p, 0, sizeof(*p));
	p->r = r;
	p->seed = seed;
	lg_buf_init(&p->up, 64 << 20);
	lg_buf_init(&p->down, 64 << 20);
	rig_connect(r, "api.openai.com");
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_select_padding_callback(cb, pad);
	nghttp2_session_callbacks_set_on_header_callback(cb, server_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, server_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb,
								  server_data);
	nghttp2_session_server_new(&p->server, cb, p);
	nghttp2_session_callbacks_del(cb);
	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_select_padding_callback(cb, pad);
	nghttp2_session_callbacks_set_on_header_callback(cb, client_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb,
							       client_close);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb,
								  client_data);
	nghttp2_session_client_new(&p->client, cb, p);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(p->server, 0, of_server, nserver);
	nghttp2_submit_settings(p->client, 0, of_client, nclient);
}

static inline void peers_close(struct peers *p)
{
	rig_close(p->r);
	nghttp2_session_del(p->client);
	nghttp2_session_del(p->server);
	for (unsigned i = 0; i < p->n; i++)
		free(p->ask[i].body);
	lg_buf_fini(&p->up);
	lg_buf_fini(&p->down);
}

static inline struct ask *peers_ask(struct peers *p, const char *model,
				    size_t len, bool length, size_t answer)
{
	struct ask *a = &p->ask[p->n];
	nghttp2_data_provider give = {.read_callback = give_body};
	char digits[24], mine[24];
	size_t at;

	assert(p->n < PEER_STREAMS);
	a->body = malloc(len + 200);
	at = (size_t)sprintf(a->body,
			     "{\"model\":\"%s\",\"max_tokens\":9,"
			     "\"messages\":[{\"role\":\"user\","
			     "\"content\":\"",
			     model);
	memset(a->body + at, 'w', len);
	a->len = at + len;
	a->len += (size_t)sprintf(a->body + a->len, "\"}]}");
	a->length = length;
	a->answer = answer;
	snprintf(digits, sizeof(digits), "%zu", a->len);
	snprintf(mine, sizeof(mine), "%u", p->n);
	nghttp2_nv nv[] = {
		NV(":method", "POST"),
		NV(":scheme", "https"),
		NV(":authority", "api.openai.com"),
		NV(":path", "/v1/chat/completions"),
		NV("content-type", "application/json"),
		NV("x-n", mine),
		NV("authorization", "Bearer secret"),
		NV("x-llmguard-tags", "unit"),
		NV("content-length", digits),
	};
	give.source.ptr = a;
	a->id = nghttp2_submit_request(p->client, NULL, nv, length ? 9 : 8,
				       &give, NULL);
	assert(a->id > 0);
	p->n++;
	return a;
}

static inline void take_all(nghttp2_session *s, struct lg_buf *b)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(s, &data)) > 0)
		assert(!lg_buf_put(b, data, (size_t)n));
	assert(!n);
}

/* A random piece of b, which may end in the middle of a frame. */
static inline size_t piece(struct peers *p, const struct lg_buf *b)
{
	static const unsigned sizes[] = {1, 20, 300, 4000, 40000};
	size_t n = 1 + any(p, sizes[any(p, 5)]);

	return n < b->len ? n : b->len;
}

static inline void to_server(struct peers *p)
{
	struct rig *r = p->r;

	flush(r);
	assert((size_t)nghttp2_session_mem_recv(
		       p->server, (uint8_t *)r->server.p, r->server.len) ==
	       r->server.len);
	r->server.len = 0;
}

static inline void to_client(struct peers *p)
{
	struct rig *r = p->r;

	take_synth(r);
	assert((size_t)nghttp2_session_mem_recv(
		       p->client, (uint8_t *)r->program.p, r->program.len) ==
	       r->program.len);
	r->program.len = 0;
}

/* Some bytes in each direction; false when nothing moves any more. */
static inline bool peers_step(struct peers *p)
{
	size_t n;

	take_all(p->client, &p->up);
	take_all(p->server, &p->down);
	if (!p->up.len && !p->down.len)
		return false;
	if (p->up.len && any(p, 2)) {
		n = piece(p, &p->up);
		write_piece(p->r, p->up.p, n);
		lg_buf_drop(&p->up, n);
		/* what the guard says is read when the server says something */
		to_server(p);
	}
	if (p->down.len && any(p, 2)) {
		n = piece(p, &p->down);
		rig_answer(p->r, p->down.p, n, 0);
		lg_buf_drop(&p->down, n);
		to_server(p);
		to_client(p);
	}
	return true;
}

static inline void peers_run(struct peers *p)
{
	for (unsigned i = 0; i < 2000000 && peers_step(p); i++)
		;
}

#endif
