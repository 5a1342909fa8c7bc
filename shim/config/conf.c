#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/money.h"

#define SHOWN_MAX 64 /* of a value in a message */
#define RATIO_MAX_PPM 10000000

static void put_clean(struct lg_buf *b, struct lg_slice s)
{
	char shown[SHOWN_MAX + 1];

	lg_slice_copy(s, shown, sizeof(shown));
	lg_buf_puts(b, shown);
	if (s.len > SHOWN_MAX)
		lg_buf_puts(b, "...");
}

int lg_conf_fail_at(struct lg_conf *c, uint32_t line, struct lg_slice key,
		    struct lg_slice value, const char *what)
{
	struct lg_buf b;

	lg_buf_init_fixed(&b, c->err->text, sizeof(c->err->text) - 1);
	if (c->file) {
		lg_slice_copy(lg_slice_str(c->file), c->err->file,
			      sizeof(c->err->file));
		lg_buf_puts(&b, c->file);
		lg_buf_putc(&b, ':');
	}
	if (line) {
		lg_buf_put_u64(&b, line);
		lg_buf_putc(&b, ':');
	}
	if (b.len)
		lg_buf_putc(&b, ' ');
	if (key.len) {
		put_clean(&b, key);
		lg_buf_puts(&b, ": ");
	}
	if (value.p) {
		lg_buf_puts(&b, "value \"");
		put_clean(&b, value);
		lg_buf_puts(&b, "\": ");
	}
	lg_buf_puts(&b, what);
	c->err->text[b.len] = 0;
	return -EINVAL;
}

int lg_conf_fail(struct lg_conf *c, const struct lg_yaml *v, const char *what)
{
	struct lg_slice none = {NULL, 0};

	if (!v)
		return lg_conf_fail_at(c, 0, none, none, what);
	if (v->kind == LG_YAML_MAP)
		return lg_conf_fail_at(c, v->line, v->key, LG_SLICE("{...}"),
				       what);
	if (v->kind == LG_YAML_LIST)
		return lg_conf_fail_at(c, v->line, v->key, LG_SLICE("[...]"),
				       what);
	return lg_conf_fail_at(c, v->line, v->key, v->text, what);
}

static int fail_allowed(struct lg_conf *c, const struct lg_yaml *v,
			const char *head, const char *const *names,
			size_t stride, unsigned n)
{
	char text[384];
	struct lg_buf b;
	struct lg_slice none = {NULL, 0};

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	lg_buf_puts(&b, head);
	for (unsigned i = 0; i < n; i++) {
		const char *const *name =
			(const char *const *)(const void *)((const char *)
								    names +
							    i * stride);

		lg_buf_putc(&b, ' ');
		lg_buf_puts(&b, *name);
	}
	text[b.len] = 0;
	if (stride != sizeof(char *))
		return lg_conf_fail_at(c, v->line, v->key, none, text);
	return lg_conf_fail(c, v, text);
}

int lg_conf_one(struct lg_conf *c, const struct lg_yaml *v,
		const struct lg_conf_key *keys, unsigned n, void *dst,
		uint32_t *set)
{
	unsigned i;
	int err;

	for (i = 0; i < n; i++)
		if (lg_slice_eq(v->key, lg_slice_str(keys[i].name)))
			break;
	if (i == n)
		return fail_allowed(c, v, "unknown key; allowed:", &keys->name,
				    sizeof(*keys), n);
	if (lg_yaml_is_null(v))
		return 0;
	err = keys[i].read(c, v, (char *)dst + keys[i].off);
	if (!err && set)
		*set |= 1u << i;
	return err;
}

int lg_conf_map(struct lg_conf *c, const struct lg_yaml *map,
		const struct lg_conf_key *keys, unsigned n, void *dst,
		uint32_t *set)
{
	const struct lg_yaml *v;
	int err = 0;

	if (map->kind != LG_YAML_MAP)
		return lg_conf_fail(c, map, "must be a map of keys and values");
	for (v = map->child; v && !err; v = v->next)
		err = lg_conf_one(c, v, keys, n, dst, set);
	return err;
}

int lg_conf_enum(struct lg_conf *c, const struct lg_yaml *v,
		 const char *const *names, unsigned n, uint8_t *dst)
{
	for (unsigned i = 0; i < n && v->kind == LG_YAML_SCALAR; i++) {
		if (lg_slice_eq(v->text, lg_slice_str(names[i]))) {
			*dst = (uint8_t)i;
			return 0;
		}
	}
	return fail_allowed(c, v, "allowed:", names, sizeof(char *), n);
}

static bool has_control(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

int lg_conf_text(struct lg_conf *c, const struct lg_yaml *v, size_t max,
		 struct lg_slice *dst)
{
	if (v->kind != LG_YAML_SCALAR)
		return lg_conf_fail(c, v, "must be a text");
	if (!v->text.len)
		return lg_conf_fail(c, v, "must not be empty");
	if (v->text.len > max)
		return lg_conf_fail(c, v, "text too long");
	if (has_control(v->text))
		return lg_conf_fail(c, v, "control characters not allowed");
	*dst = v->text;
	return 0;
}

int lg_conf_about(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	(void)dst;
	return v->kind == LG_YAML_MAP ? 0 : lg_conf_fail(c, v, "must be a map");
}

int lg_conf_ref(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = lg_conf_text(c, v, 1024, &s);

	if (!err)
		*(struct lg_img_ref *)dst = lg_build_text(&c->b, s);
	return err;
}

int lg_conf_glob(struct lg_conf *c, const struct lg_yaml *v, char *dst)
{
	struct lg_slice s;
	const char *why;
	int err = lg_conf_text(c, v, LG_CONF_NAME_MAX - 1, &s);

	if (err)
		return err;
	why = lg_conf_glob_why(s);
	if (why)
		return lg_conf_fail(c, v, why);
	lg_slice_copy(s, dst, LG_CONF_NAME_MAX);
	return 0;
}

int lg_conf_bool(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const char *const names[] = {"false", "true"};

	return lg_conf_enum(c, v, names, 2, dst);
}

int lg_conf_u64(struct lg_conf *c, const struct lg_yaml *v, uint64_t max,
		uint64_t *dst)
{
	char text[64];
	struct lg_buf b;
	uint64_t n = 0;

	if (v->kind == LG_YAML_SCALAR && !lg_slice_u64(v->text, &n) &&
	    n <= max) {
		*dst = n;
		return 0;
	}
	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	lg_buf_puts(&b, "allowed: a whole number, 0 to ");
	lg_buf_put_u64(&b, max);
	text[b.len] = 0;
	return lg_conf_fail(c, v, text);
}

int lg_conf_money(struct lg_conf *c, const struct lg_yaml *v, int64_t max_pusd,
		  const char *what, int64_t *dst)
{
	int64_t n;

	if (v->kind != LG_YAML_SCALAR || lg_money_parse(v->text, &n) || n < 0 ||
	    n > max_pusd)
		return lg_conf_fail(c, v, what);
	*dst = n;
	return 0;
}

int lg_conf_ratio(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	const int64_t ppm_pusd = LG_PUSD_PER_USD / 1000000;
	int64_t n;

	if (v->kind != LG_YAML_SCALAR || lg_money_parse(v->text, &n) ||
	    n < ppm_pusd || n / ppm_pusd > RATIO_MAX_PPM)
		return lg_conf_fail(c, v, "allowed: a ratio above 0, like 0.8");
	*(uint32_t *)dst = (uint32_t)(n / ppm_pusd);
	return 0;
}

static int digits(struct lg_slice *s, unsigned n, int min, int max, int *out)
{
	int v = 0;

	if (s->len < n)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return -EINVAL;
		v = v * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->len -= n;
	*out = v;
	return v < min || v > max ? -EINVAL : 0;
}

static int lit(struct lg_slice *s, char want)
{
	if (!s->len || s->p[0] != want)
		return -EINVAL;
	s->p++;
	s->len--;
	return 0;
}

static int parse_date(struct lg_slice *s, int64_t *days)
{
	static const int before[] = {0,	  31,  59,  90,	 120, 151,
				     181, 212, 243, 273, 304, 334};
	static const char length[] = {31, 28, 31, 30, 31, 30,
				      31, 31, 30, 31, 30, 31};
	int y, m, d;
	bool leap;

	if (digits(s, 4, 1970, 9999, &y) || lit(s, '-') ||
	    digits(s, 2, 1, 12, &m) || lit(s, '-') || digits(s, 2, 1, 31, &d))
		return -EINVAL;
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (d > length[m - 1] + (m == 2 && leap))
		return -EINVAL;
	*days = (int64_t)(y - 1970) * 365 + (y - 1969) / 4 - (y - 1901) / 100 +
		(y - 1601) / 400 + before[m - 1] + (m > 2 && leap) + d - 1;
	return 0;
}

static int parse_zone(struct lg_slice *s, int *minutes)
{
	int sign, h, m;

	*minutes = 0;
	if (!lit(s, 'Z') || !lit(s, 'z'))
		return 0;
	sign = s->len && s->p[0] == '-' ? -1 : 1;
	if (lit(s, sign < 0 ? '-' : '+') || digits(s, 2, 0, 23, &h) ||
	    lit(s, ':') || digits(s, 2, 0, 59, &m))
		return -EINVAL;
	*minutes = sign * (h * 60 + m);
	return 0;
}

int lg_conf_parse_time(struct lg_slice s, int64_t *unix_ms)
{
	int h = 0, min = 0, sec = 0, zone = 0, ms = 0, digit;
	int64_t days;

	if (parse_date(&s, &days))
		return -EINVAL;
	if (s.len) {
		if ((lit(&s, 'T') && lit(&s, ' ') && lit(&s, 't')) ||
		    digits(&s, 2, 0, 23, &h) || lit(&s, ':') ||
		    digits(&s, 2, 0, 59, &min) || lit(&s, ':') ||
		    digits(&s, 2, 0, 60, &sec))
			return -EINVAL;
		if (!lit(&s, '.'))
			for (int scale = 100; !digits(&s, 1, 0, 9, &digit);
			     scale /= 10)
				ms += digit * scale;
		if (parse_zone(&s, &zone) || s.len)
			return -EINVAL;
	}
	*unix_ms =
		((days * 24 + h) * 60 + min - zone) * 60000 + sec * 1000 + ms;
	return 0;
}

int lg_conf_time(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	if (v->kind != LG_YAML_SCALAR || lg_conf_parse_time(v->text, dst))
		return lg_conf_fail(c, v,
				    "allowed: a date like 2026-09-01 (00:00 "
				    "UTC) or a time like 2026-09-01T12:00:00Z");
	return 0;
}
