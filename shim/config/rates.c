#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"

#define RATE_MAX (INT64_C(1000000) * LG_PUSD_PER_USD)
#define ALTERNATIVES_MAX 64u
#define ATOMS_MAX 4u
#define N(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *name;
	uint32_t bucket;
} rate_names[] = {
	{"input", LG_BUCKET_INPUT},
	{"cached_input", LG_BUCKET_CACHE_READ},
	{"cache_write_5m", LG_BUCKET_CACHE_WRITE_5M},
	{"cache_write_1h", LG_BUCKET_CACHE_WRITE_1H},
	{"output", LG_BUCKET_OUTPUT},
	{"reasoning", LG_BUCKET_REASONING},
	{"audio_input", LG_BUCKET_AUDIO_INPUT},
	{"audio_cached_input", LG_BUCKET_AUDIO_CACHE_READ},
	{"audio_output", LG_BUCKET_AUDIO_OUTPUT},
	{"image_input", LG_BUCKET_IMAGE_INPUT},
	{"image_cached_input", LG_BUCKET_IMAGE_CACHE_READ},
	{"image_output", LG_BUCKET_IMAGE_OUTPUT},
	{"video_input", LG_BUCKET_VIDEO_INPUT},
	{"video_output", LG_BUCKET_VIDEO_OUTPUT},
	{"citation", LG_BUCKET_CITATION},
	{"training", LG_BUCKET_TRAINING},
	{"request", LG_BUCKET_REQUESTS},
	{"web_search", LG_BUCKET_WEB_SEARCHES},
	{"file_search", LG_BUCKET_FILE_SEARCHES},
	{"code_execution", LG_BUCKET_CODE_EXECUTIONS},
	{"grounding", LG_BUCKET_GROUNDING},
	{"image", LG_BUCKET_IMAGES},
	{"second", LG_BUCKET_SECONDS},
	{"character", LG_BUCKET_CHARACTERS},
	{"page", LG_BUCKET_PAGES},
	{"search_unit", LG_BUCKET_SEARCH_UNITS},
};

/* How many one price covers; decimals: of a picodollar per million. */
static const struct unit {
	const char *name;
	unsigned decimals;
	enum { FOR_ALL, FOR_TOKENS, FOR_PIECES, FOR_SECONDS } use;
} units[] = {
	{"_per_1m", 12, FOR_ALL},	{"_per_1k", 15, FOR_ALL},
	{"_per_token", 18, FOR_TOKENS}, {"_per_1", 18, FOR_PIECES},
	{"_per_hour", 12, FOR_SECONDS},
};

void lg_conf_rates_clear(int64_t rate[LG_BUCKETS])
{
	for (unsigned i = 0; i < LG_BUCKETS; i++)
		rate[i] = LG_RATE_ABSENT;
}

static bool unit_fits(const struct unit *u, uint32_t bucket)
{
	switch (u->use) {
	case FOR_TOKENS:
		return bucket < LG_BUCKET_UNITS;
	case FOR_PIECES:
		return bucket >= LG_BUCKET_UNITS;
	case FOR_SECONDS:
		return bucket == LG_BUCKET_SECONDS;
	default:
		return true;
	}
}

/* "input_per_1k" taken apart; NULL: no rate. */
static const struct unit *find_rate(struct lg_slice key, uint32_t *bucket)
{
	for (unsigned i = 0; i < N(units); i++) {
		struct lg_slice tail = lg_slice_str(units[i].name), name = key;

		if (key.len <= tail.len || !lg_slice_iends(key, tail))
			continue;
		name.len -= tail.len;
		for (unsigned k = 0; k < N(rate_names); k++) {
			if (!lg_slice_eq(name,
					 lg_slice_str(rate_names[k].name)))
				continue;
			*bucket = rate_names[k].bucket;
			return unit_fits(&units[i], *bucket) ? &units[i] : NULL;
		}
	}
	return NULL;
}

/* An hour's price of a million seconds, half-even. */
static int64_t per_second(int64_t hour)
{
	unsigned __int128 n = (unsigned __int128)hour * 1000000, q = n / 3600;
	unsigned r = (unsigned)(n % 3600);

	q += r > 1800 || (r == 1800 && q % 2);
	return q > INT64_MAX ? INT64_MAX : (int64_t)q;
}

/*
 * A published rate may be a float's decimals ("0.08333333333333334"): what lies
 * beyond a picodollar per million is rounded, half-even.
 */
static int parse_rate(struct lg_slice s, unsigned decimals, int64_t *out)
{
	const char *point = memchr(s.p, '.', s.len);
	struct lg_slice head = s, tail;
	bool half, more;
	int err;

	if (!point || memchr(s.p, 'e', s.len) || memchr(s.p, 'E', s.len) ||
	    (size_t)(s.p + s.len - point) <= decimals + 1)
		return lg_money_parse_scaled(s, decimals, out);
	head.len = (size_t)(point - s.p) + 1 + decimals;
	tail = (struct lg_slice){s.p + head.len, s.len - head.len};
	for (size_t i = 0; i < tail.len; i++)
		if (tail.p[i] < '0' || tail.p[i] > '9')
			return -EINVAL;
	err = lg_money_parse_scaled(head, decimals, out);
	if (err || *out < 0)
		return err ? err : -ERANGE;
	half = tail.p[0] == '5';
	more = tail.p[0] > '5';
	for (size_t i = 1; i < tail.len && half; i++)
		more |= tail.p[i] != '0';
	*out += more || (half && *out % 2);
	return 0;
}

int lg_conf_rate(struct lg_conf *c, const struct lg_yaml *v,
		 int64_t rate[LG_BUCKETS])
{
	uint32_t bucket = 0;
	const struct unit *u = find_rate(v->key, &bucket);
	int64_t n = -1;

	if (!u)
		return 0;
	if (lg_yaml_is_null(v))
		return 1;
	if (rate[bucket] != LG_RATE_ABSENT)
		return lg_conf_fail(c, v, "the same rate in another unit");
	if (v->kind == LG_YAML_SCALAR && parse_rate(v->text, u->decimals, &n))
		n = -1;
	if (n > 0 && u->use == FOR_SECONDS)
		n = per_second(n);
	if (n < 0 || n > RATE_MAX)
		return lg_conf_fail(c, v,
				    u->decimals == 12
					    ? "allowed: US dollars, 0 or more, "
					      "with at most 12 decimals"
					    : "allowed: US dollars, 0 or more, "
					      "exact to 1e-12 per million");
	rate[bucket] = n;
	return 1;
}

int lg_conf_factor(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	int64_t n = 0;

	if (v->kind != LG_YAML_SCALAR ||
	    lg_money_parse_scaled(v->text, 6, &n) || n < 1 ||
	    n > LG_CONF_FACTOR_MAX_PPM)
		return lg_conf_fail(c, v,
				    "allowed: a factor above 0, at most 100, "
				    "with at most 6 decimals");
	*(uint32_t *)dst = (uint32_t)n;
	return 0;
}

int lg_conf_geo(struct lg_conf *c, const struct lg_yaml *map, void *dst)
{
	struct lg_img_geo g[LG_CONF_GEO_MAX] = {0};
	const struct lg_yaml *v;
	unsigned n = 0;
	int err = 0;

	if (map->kind != LG_YAML_MAP || map->n > LG_CONF_GEO_MAX)
		return lg_conf_fail(c, map,
				    "must be a map of at most 16 places, "
				    "like {us: 1.1, regional: 1.1}");
	for (v = map->child; v && !err; v = v->next) {
		const char *why = lg_conf_glob_why(v->key);

		if (!v->key.len || v->key.len >= LG_CONF_NAME_MAX || why)
			return lg_conf_fail(c, v, why ? why : "not a place");
		g[n].where = lg_build_text(&c->b, v->key);
		err = lg_conf_factor(c, v, &g[n++].ppm);
	}
	*(struct lg_img_span *)dst = lg_build_array(&c->b, g, n, sizeof(g[0]));
	return err;
}

int64_t lg_conf_rate_scale(int64_t rate, uint32_t ppm)
{
	unsigned __int128 n, q, r;

	if (rate < 0)
		return LG_RATE_ABSENT;
	n = (unsigned __int128)rate * ppm;
	q = n / 1000000;
	r = n % 1000000;
	q += r > 500000 || (r == 500000 && q % 2);
	return q > INT64_MAX ? INT64_MAX : (int64_t)q;
}

/* What is gathered of one `match:` before it goes into the image. */
struct matching {
	struct lg_img_clause clause[ALTERNATIVES_MAX];
	unsigned n;
};

static int put_atom(struct lg_conf *c, const struct lg_yaml *v, uint32_t op,
		    struct lg_slice s, struct lg_img_atom *a)
{
	char low[LG_CONF_NAME_MAX];

	if (!s.len || s.len >= sizeof(low))
		return lg_conf_fail(c, v, "allowed: 1 to 127 bytes");
	for (size_t i = 0; i < s.len; i++)
		low[i] =
			s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i];
	a->text = lg_build_text(&c->b, (struct lg_slice){low, s.len});
	a->op = op;
	return 0;
}

/* A pattern whose only stars are at its ends needs no glob matching. */
static int put_pattern(struct lg_conf *c, const struct lg_yaml *v,
		       struct lg_img_atom *a)
{
	struct lg_slice s = v->text;
	const char *why = lg_conf_glob_why(s);
	bool head, tail;

	if (why)
		return lg_conf_fail(c, v, why);
	head = s.len > 1 && s.p[0] == '*';
	tail = s.len > 1 && s.p[s.len - 1] == '*';
	if (head) {
		s.p++;
		s.len--;
	}
	if (tail)
		s.len--;
	if (!s.len || memchr(s.p, '*', s.len) || memchr(s.p, '?', s.len))
		return put_atom(c, v, LG_MATCH_GLOB, v->text, a);
	return put_atom(c, v,
			head && tail ? LG_MATCH_CONTAINS
			: head	     ? LG_MATCH_ENDS
			: tail	     ? LG_MATCH_STARTS
				     : LG_MATCH_EQUALS,
			s, a);
}

static int put_named(struct lg_conf *c, const struct lg_yaml *v,
		     struct lg_img_atom *a)
{
	static const char *const names[] = {"equals",	 "starts_with",
					    "ends_with", "contains",
					    "glob",	 "pattern"};
	struct lg_slice s;
	int err = lg_conf_text(c, v, LG_CONF_NAME_MAX - 1, &s);

	if (err)
		return err;
	for (uint32_t op = 0; op < N(names); op++)
		if (lg_slice_eq(v->key, lg_slice_str(names[op])))
			return op == LG_MATCH_GLOB ? put_pattern(c, v, a)
						   : put_atom(c, v, op, s, a);
	return lg_conf_fail(c, v,
			    "allowed: equals starts_with ends_with "
			    "contains glob pattern");
}

static int put_clause(struct lg_conf *c, const struct lg_yaml *v,
		      struct matching *m)
{
	struct lg_img_atom atom[ATOMS_MAX] = {0};
	const struct lg_yaml *kid;
	unsigned n = 0;
	int err = 0;

	if (m->n == ALTERNATIVES_MAX)
		return lg_conf_fail(c, v, "more than 64 alternatives");
	if (v->kind == LG_YAML_SCALAR) {
		err = put_pattern(c, v, &atom[n++]);
	} else {
		if (v->kind != LG_YAML_MAP || !v->n || v->n > ATOMS_MAX)
			return lg_conf_fail(c, v,
					    "allowed: a name, a pattern "
					    "or a map of 1 to 4 tests");
		for (kid = v->child; kid && !err; kid = kid->next)
			err = put_named(c, kid, &atom[n++]);
	}
	if (!err)
		m->clause[m->n++].atoms =
			lg_build_array(&c->b, atom, n, sizeof(atom[0]));
	return err;
}

int lg_conf_match(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct matching *m = lg_mem_alloc(sizeof(*m));
	int err = 0;

	if (!m)
		return -ENOMEM;
	if (v->kind != LG_YAML_LIST)
		err = put_clause(c, v, m);
	else
		for (v = v->child; v && !err; v = v->next)
			err = put_clause(c, v, m);
	if (!err)
		*(struct lg_img_span *)dst = lg_build_array(
			&c->b, m->clause, m->n, sizeof(m->clause[0]));
	lg_mem_free(m, sizeof(*m));
	return err;
}
