#include "wire/json_shape.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "wire/json_event.h"
#include "base/json_scan.h"

/* Where the scalars of the value at hand stand. */
struct found {
	const char *p[LG_JSON_SHAPE_SCALARS];
	size_t len[LG_JSON_SHAPE_SCALARS];
};

static bool has_text(uint8_t type)
{
	return type == LG_VALUE_STRING || type == LG_VALUE_NUMBER;
}

/* -- reading --------------------------------------------------------------- */

static size_t same_run(const char *a, const char *b, size_t n)
{
	uint64_t x, y;
	size_t i = 0;

#if defined(__SSE2__)
	for (; n - i >= 16; i += 16) {
		__m128i v =
			_mm_loadu_si128((const __m128i *)(const void *)(a + i));
		__m128i w =
			_mm_loadu_si128((const __m128i *)(const void *)(b + i));
		unsigned bits =
			(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, w));

		if (bits != 0xffff)
			return i + (unsigned)__builtin_ctz(~bits);
	}
#endif
	for (; n - i >= 8; i += 8) {
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			break;
	}
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* A scalar of this kind from p on, whole before end. NULL: it is not. */
static const char *scalar_end(const struct lg_json_shape *s,
			      const struct lg_json_scalar *v, const char *p,
			      const char *end)
{
	const char *q;
	uint8_t part = 0;

	if (s->text[v->off - 1] == '"') {
		q = lg_json_scan_string(p, end);
		return q < end && *q == '"' ? q : NULL;
	}
	q = lg_json_scan_number(p, end, &part);
	return lg_json_number_is_whole(part) ? q : NULL;
}

/*
 * Runs of equal bytes take in most scalars; one that differs, in itself or in
 * what follows it, is found anew.
 */
static bool fits(const struct lg_json_shape *s, const char *p, size_t len,
		 struct found *f)
{
	const char *q = p, *end = p + len;
	size_t at = 0, run, left;
	unsigned i = 0;

	for (;;) {
		const struct lg_json_scalar *v = s->scalar;

		left = (size_t)(end - q);
		run = same_run(q, s->text + at,
			       left < s->len - at ? left : s->len - at);
		for (; i < s->nscalars && v[i].off + v[i].len < at + run; i++) {
			f->p[i] = q + (v[i].off - at);
			f->len[i] = v[i].len;
		}
		if (at + run == s->len)
			return run == left;
		if (i == s->nscalars || v[i].off > at + run)
			return false;
		f->p[i] = q + (v[i].off - at);
		q = scalar_end(s, &v[i], f->p[i], end);
		if (!q)
			return false;
		f->len[i] = (size_t)(q - f->p[i]);
		at = (size_t)v[i].off + v[i].len;
		i++;
	}
}

static void tell(const struct lg_json_shape *s, const struct found *f,
		 lg_field_fn *fn, void *ctx)
{
	for (unsigned i = 0; i < s->ncalls; i++) {
		const struct lg_json_call *c = &s->call[i];
		struct lg_value v = {.type = (enum lg_value_type)c->type,
				     .boolean = c->boolean};

		if (c->type == LG_VALUE_RAW) {
			v.text = LG_SLICE("null");
			v.len = v.text.len;
		} else if (has_text(c->type)) {
			v.len = f->len[c->scalar];
			v.truncated = v.len > LG_VALUE_TEXT_MAX;
			v.text.p = f->p[c->scalar];
			v.text.len =
				v.truncated ? LG_VALUE_TEXT_MAX : (size_t)v.len;
		}
		fn(ctx, c->id, &v);
	}
}

/* -- learning -------------------------------------------------------------- */

/* Of captures only that of a null is the same each time. */
static bool is_null(const struct lg_value *v)
{
	return lg_slice_eq(v->text, LG_SLICE("null"));
}

static void overhear(void *ctx, int id, const struct lg_value *v)
{
	struct lg_json_shapes *s = ctx;
	struct lg_json_shape *one = s->learns;
	size_t off = 0;

	if (has_text((uint8_t)v->type)) {
		off = (size_t)((uintptr_t)v->text.p - (uintptr_t)s->text);
		s->odd |= off >= s->len;
	}
	s->odd |= (v->type == LG_VALUE_RAW && !is_null(v)) ||
		  one->ncalls == LG_JSON_SHAPE_CALLS;
	if (!s->odd)
		one->call[one->ncalls++] = (struct lg_json_call){
			.id = id,
			.off = (uint16_t)off,
			.type = (uint8_t)v->type,
			.boolean = v->boolean,
		};
	s->fn(s->ctx, id, v);
}

static bool add_scalar(struct lg_json_shape *s, const char *p, const char *end)
{
	if (s->nscalars == LG_JSON_SHAPE_SCALARS)
		return false;
	s->scalar[s->nscalars++] = (struct lg_json_scalar){
		.off = (uint16_t)(p - s->text),
		.len = (uint16_t)(end - p),
	};
	return true;
}

/* Does a colon follow the string that ended before p? */
static bool is_key(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p < end && *p == ':';
}

/* The text is one whole value: what begins as a scalar is one. */
static bool find_scalars(struct lg_json_shape *s)
{
	const char *p = s->text, *end = p + s->len, *q;
	uint8_t part;

	while (p < end) {
		if (*p == '"') {
			q = lg_json_scan_string(p + 1, end);
			if (q == end || *q != '"')
				return false; /* it has escapes */
			if (!is_key(q + 1, end) && !add_scalar(s, p + 1, q))
				return false;
			p = q + 1;
		} else if (*p == '-' || (*p >= '0' && *p <= '9')) {
			part = 0;
			q = lg_json_scan_number(p, end, &part);
			if (p == s->text || q == p || !add_scalar(s, p, q))
				return false;
			p = q;
		} else {
			p++;
		}
	}
	return true;
}

static bool find_called(struct lg_json_shape *s)
{
	unsigned i, k = 0;

	for (i = 0; i < s->ncalls; i++) {
		if (!has_text(s->call[i].type))
			continue;
		while (k < s->nscalars && s->scalar[k].off < s->call[i].off)
			k++;
		if (k == s->nscalars || s->scalar[k].off != s->call[i].off)
			return false;
		s->call[i].scalar = (uint8_t)k;
	}
	return true;
}

static enum lg_json_status learn(struct lg_json_shapes *s, struct lg_json *j,
				 const char *p, size_t len)
{
	struct lg_json_shape *one = &s->one[1 - s->last];
	enum lg_json_status status;

	s->scanned++;
	one->len = one->ncalls = one->nscalars = 0;
	s->learns = one;
	s->text = p;
	s->len = len;
	s->odd = false;
	s->fn = j->fn;
	s->ctx = j->ctx;
	j->fn = overhear;
	j->ctx = s;
	status = lg_json_feed(j, p, len);
	j->fn = s->fn;
	j->ctx = s->ctx;
	if (status != LG_JSON_DONE || s->odd || len > sizeof(one->text))
		return status;
	memcpy(one->text, p, len);
	one->len = (uint16_t)len;
	if (find_scalars(one) && find_called(one))
		s->last = 1 - s->last;
	else
		one->len = 0;
	return status;
}

enum lg_json_status lg_json_shapes_feed(struct lg_json_shapes *s,
					struct lg_json *j,
					const struct lg_json_paths *paths,
					lg_field_fn *fn, void *ctx,
					const char *p, size_t len)
{
	struct found f;

	lg_json_init(j, paths, fn, ctx);
	for (unsigned i = 0; i < LG_JSON_SHAPES; i++) {
		unsigned which = s->last ^ i;

		if (!s->one[which].len || !fits(&s->one[which], p, len, &f))
			continue;
		s->last = which;
		tell(&s->one[which], &f, fn, ctx);
		j->state = S_DONE;
		return LG_JSON_DONE;
	}
	return learn(s, j, p, len);
}
