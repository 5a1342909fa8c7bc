#include "guard/h2_fields.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "wire/http1_head.h"

#define FIELDS_MAX ((size_t)256 << 10)

struct record {
	uint32_t name, value; /* lengths; the bytes follow */
	uint32_t secret;
};

void lg_h2_fields_init(struct lg_h2_fields *l)
{
	lg_buf_init(&l->b, FIELDS_MAX);
	l->n = 0;
	l->odd = false;
}

void lg_h2_fields_fini(struct lg_h2_fields *l)
{
	lg_buf_fini(&l->b);
	l->n = 0;
}

static bool is_plain_name(struct lg_slice s)
{
	size_t i = s.len && *s.p == ':' ? 1 : 0;

	if (i == s.len)
		return false;
	for (; i < s.len; i++)
		if (!lg_http1_is_token(s.p[i]) ||
		    (s.p[i] >= 'A' && s.p[i] <= 'Z'))
			return false;
	return true;
}

static bool is_plain_value(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!s.p[i] || s.p[i] == '\r' || s.p[i] == '\n')
			return false;
	return true;
}

int lg_h2_fields_add(struct lg_h2_fields *l, struct lg_slice name,
		     struct lg_slice value, bool secret)
{
	struct record r = {(uint32_t)name.len, (uint32_t)value.len, secret};
	int err = lg_buf_reserve(&l->b, sizeof(r) + name.len + value.len);

	if (err)
		return err;
	lg_buf_put(&l->b, &r, sizeof(r));
	lg_buf_put(&l->b, name.p, name.len);
	lg_buf_put(&l->b, value.p, value.len);
	l->odd |= !is_plain_name(name) || !is_plain_value(value);
	l->n++;
	return 0;
}

bool lg_h2_fields_next(const struct lg_h2_fields *l, size_t *pos,
		       struct lg_hpack_field *f)
{
	struct record r;

	if (*pos >= l->b.len)
		return false;
	memcpy(&r, l->b.p + *pos, sizeof(r));
	f->name = (struct lg_slice){l->b.p + *pos + sizeof(r), r.name};
	f->value = (struct lg_slice){f->name.p + r.name, r.value};
	f->secret = r.secret;
	*pos += sizeof(r) + r.name + r.value;
	return true;
}

struct lg_slice lg_h2_fields_get(const struct lg_h2_fields *l,
				 struct lg_slice name)
{
	struct lg_hpack_field f;
	size_t pos = 0;

	while (lg_h2_fields_next(l, &pos, &f))
		if (lg_slice_eq(f.name, name))
			return f.value;
	return (struct lg_slice){NULL, 0};
}

struct reading {
	struct lg_h2_fields *l;
	int err;
};

static bool on_field(void *ctx, const struct lg_hpack_field *f)
{
	struct reading *r = ctx;

	if (!r->err)
		r->err = lg_h2_fields_add(r->l, f->name, f->value, f->secret);
	return !r->err;
}

int lg_h2_fields_read(struct lg_h2_fields *l, struct nghttp2_hd_inflater *r,
		      struct lg_slice block)
{
	struct reading to = {l, 0};
	int err = lg_hpack_read(r, block, on_field, &to);

	return err ? err : to.err;
}

static int write_plain(const struct lg_h2_fields *l, struct lg_buf *out)
{
	struct lg_hpack_field f;
	size_t pos = 0;

	while (lg_h2_fields_next(l, &pos, &f))
		lg_hpack_put_plain(out, f.name, f.value);
	return out->overflow ? -ENOMEM : 0;
}

int lg_h2_fields_write(const struct lg_h2_fields *l,
		       struct nghttp2_hd_deflater *w, struct lg_buf *out)
{
	size_t size = (l->n ? l->n : 1) * sizeof(struct lg_hpack_field);
	struct lg_hpack_field *all;
	size_t pos = 0, n = 0;
	int err;

	if (!w)
		return write_plain(l, out);
	all = lg_mem_take(size);
	if (!all)
		return -ENOMEM;
	while (n < l->n && lg_h2_fields_next(l, &pos, &all[n]))
		n++;
	err = lg_hpack_write(w, all, n, out);
	lg_mem_free(all, size);
	return err;
}

/* -- requests -------------------------------------------------------------- */

static void put_field(struct lg_buf *out, struct lg_slice name,
		      struct lg_slice value)
{
	lg_buf_put(out, name.p, name.len);
	lg_buf_puts(out, ": ");
	lg_buf_put(out, value.p, value.len);
	lg_buf_puts(out, "\r\n");
}

static bool has_blank(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

/* What belongs to HTTP/1.1's own framing has no place in HTTP/2. */
static bool is_hop(struct lg_slice name)
{
	static const char *const names[] = {
		"connection",	    "transfer-encoding", "keep-alive",
		"proxy-connection", "upgrade",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lg_slice_ieq(name, lg_slice_str(names[i])))
			return true;
	return false;
}

static bool is_length(struct lg_slice v)
{
	uint64_t n;

	return v.p && !lg_slice_u64(v, &n) && n < INT64_MAX;
}

bool lg_h2_fields_request(const struct lg_h2_fields *l, bool ended,
			  struct lg_buf *out)
{
	struct lg_slice method = lg_h2_fields_get(l, LG_SLICE(":method"));
	struct lg_slice path = lg_h2_fields_get(l, LG_SLICE(":path"));
	struct lg_slice host = lg_h2_fields_get(l, LG_SLICE(":authority"));
	struct lg_slice length =
		lg_h2_fields_get(l, LG_SLICE("content-length"));
	struct lg_hpack_field f;
	size_t pos = 0;

	if (!method.len || !path.len || has_blank(method) || has_blank(path) ||
	    !is_plain_value(host) || lg_slice_eq(method, LG_SLICE("CONNECT")) ||
	    (length.p && !is_length(length)))
		return false;
	lg_buf_put(out, method.p, method.len);
	lg_buf_puts(out, " ");
	lg_buf_put(out, path.p, path.len);
	lg_buf_puts(out, " HTTP/1.1\r\n");
	if (host.p)
		put_field(out, LG_SLICE("host"), host);
	while (lg_h2_fields_next(l, &pos, &f)) {
		if (f.name.len && *f.name.p != ':' && !is_hop(f.name) &&
		    is_plain_name(f.name) && is_plain_value(f.value))
			put_field(out, f.name, f.value);
	}
	if (!ended && !length.p)
		lg_buf_puts(out, "transfer-encoding: chunked\r\n");
	lg_buf_puts(out, "\r\n");
	return !out->overflow;
}

static bool is_secret(const struct lg_h2_fields *l, struct lg_slice name)
{
	static const char *const names[] = {
		"authorization",
		"x-api-key",
		"api-key",
		"x-goog-api-key",
	};
	struct lg_hpack_field f;
	size_t pos = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (lg_slice_eq(name, lg_slice_str(names[i])))
			return true;
	while (lg_h2_fields_next(l, &pos, &f))
		if (f.secret && lg_slice_eq(f.name, name))
			return true;
	return false;
}

bool lg_h2_fields_changed(const struct lg_h2_fields *l, struct lg_slice head,
			  struct lg_h2_fields *out)
{
	struct lg_slice method, path, name, value;
	bool host = lg_h2_fields_get(l, LG_SLICE(":authority")).p;
	struct lg_hpack_field f;
	size_t pos = 0;
	int err = 0;

	if (!lg_http1_request_line(head, &method, &path))
		return false;
	while (!err && lg_h2_fields_next(l, &pos, &f) && f.name.len &&
	       *f.name.p == ':') {
		if (lg_slice_eq(f.name, LG_SLICE(":path")))
			f.value = path;
		err = lg_h2_fields_add(out, f.name, f.value, f.secret);
	}
	pos = 0;
	while (!err && lg_http1_next_field(head, &pos, &name, &value)) {
		/* the first one is of :authority */
		if (host && lg_slice_eq(name, LG_SLICE("host"))) {
			host = false;
			continue;
		}
		/* answered here */
		if (is_hop(name) || lg_slice_eq(name, LG_SLICE("expect")))
			continue;
		err = lg_h2_fields_add(out, name, value, is_secret(l, name));
	}
	return !err;
}

/* -- answers --------------------------------------------------------------- */

bool lg_h2_fields_answer(const struct lg_h2_fields *l, struct lg_buf *out)
{
	struct lg_slice status = lg_h2_fields_get(l, LG_SLICE(":status"));
	struct lg_slice length =
		lg_h2_fields_get(l, LG_SLICE("content-length"));
	struct lg_hpack_field f;
	size_t pos = 0;
	uint64_t code;

	if (status.len != 3 || lg_slice_u64(status, &code) || code < 100 ||
	    code == 101)
		return false;
	lg_buf_puts(out, "HTTP/1.1 ");
	lg_buf_put(out, status.p, status.len);
	lg_buf_puts(out, "\r\n");
	while (lg_h2_fields_next(l, &pos, &f)) {
		if (!f.name.len || *f.name.p == ':' || is_hop(f.name) ||
		    !is_plain_name(f.name) || !is_plain_value(f.value))
			continue;
		if (lg_slice_eq(f.name, LG_SLICE("content-length")) &&
		    (!is_length(length) || f.value.p != length.p))
			continue;
		put_field(out, f.name, f.value);
	}
	lg_buf_puts(out, "\r\n");
	return !out->overflow;
}

int lg_h2_fields_of_answer(struct lg_h2_fields *l, struct lg_slice head,
			   unsigned status)
{
	char text[3] = {(char)('0' + status / 100 % 10),
			(char)('0' + status / 10 % 10),
			(char)('0' + status % 10)};
	struct lg_slice name, value;
	size_t pos = 0;
	int err = lg_h2_fields_add(l, LG_SLICE(":status"),
				   (struct lg_slice){text, 3}, false);

	while (!err && lg_http1_next_field(head, &pos, &name, &value))
		if (!is_hop(name))
			err = lg_h2_fields_add(l, name, value, false);
	return err;
}
