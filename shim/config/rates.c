#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/money.h"

#define RATE_MAX (INT64_C(1000000) * LG_PUSD_PER_USD)
#define ALTERNATIVES_MAX 64u
#define ATOMS_MAX 4u
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* per: how many of the unit one price covers, times `scale` is a million */
static const struct {
	const char *name;
	uint32_t bucket;
	int64_t scale;
} rate_keys[] = {
	{"input_per_1m", LG_BUCKET_INPUT, 1},
	{"cached_input_per_1m", LG_BUCKET_CACHE_READ, 1},
	{"cache_write_5m_per_1m", LG_BUCKET_CACHE_WRITE_5M, 1},
	{"cache_write_1h_per_1m", LG_BUCKET_CACHE_WRITE_1H, 1},
	{"output_per_1m", LG_BUCKET_OUTPUT, 1},
	{"reasoning_per_1m", LG_BUCKET_REASONING, 1},
	{"audio_input_per_1m", LG_BUCKET_AUDIO_INPUT, 1},
	{"audio_cached_input_per_1m", LG_BUCKET_AUDIO_CACHE_READ, 1},
	{"audio_output_per_1m", LG_BUCKET_AUDIO_OUTPUT, 1},
	{"image_input_per_1m", LG_BUCKET_IMAGE_INPUT, 1},
	{"image_cached_input_per_1m", LG_BUCKET_IMAGE_CACHE_READ, 1},
	{"image_output_per_1m", LG_BUCKET_IMAGE_OUTPUT, 1},
	{"video_input_per_1m", LG_BUCKET_VIDEO_INPUT, 1},
	{"video_output_per_1m", LG_BUCKET_VIDEO_OUTPUT, 1},
	{"citation_per_1m", LG_BUCKET_CITATION, 1},
	{"training_per_1m", LG_BUCKET_TRAINING, 1},
	{"request_per_1k", LG_BUCKET_REQUESTS, 1000},
	{"web_search_per_1k", LG_BUCKET_WEB_SEARCHES, 1000},
	{"file_search_per_1k", LG_BUCKET_FILE_SEARCHES, 1000},
	{"code_execution_per_1k", LG_BUCKET_CODE_EXECUTIONS, 1000},
	{"grounding_per_1k", LG_BUCKET_GROUNDING, 1000},
	{"image_per_1k", LG_BUCKET_IMAGES, 1000},
	{"second_per_1k", LG_BUCKET_SECONDS, 1000},
	{"character_per_1m", LG_BUCKET_CHARACTERS, 1},
	{"page_per_1k", LG_BUCKET_PAGES, 1000},
	{"search_unit_per_1k", LG_BUCKET_SEARCH_UNITS, 1000},
};

void lg_conf_rates_clear(int64_t rate[LG_BUCKETS])
{
	for (unsigned i = 0; i < LG_BUCKETS; i++)
		rate[i] = LG_RATE_ABSENT;
}

int lg_conf_rate(struct lg_conf *c, const struct lg_yaml *v,
		 int64_t rate[LG_BUCKETS])
{
	int64_t usd;
	int err;

	for (unsigned i = 0; i < N(rate_keys); i++) {
		if (!lg_slice_eq(v->key, lg_slice_str(rate_keys[i].name)))
			continue;
		if (lg_yaml_is_null(v))
			return 1;
		err = lg_conf_money(c, v, RATE_MAX / rate_keys[i].scale,
				    "allowed: US dollars, 0 or more, with at "
				    "most 12 decimals",
				    &usd);
		if (err)
			return err;
		rate[rate_keys[i].bucket] = usd * rate_keys[i].scale;
		return 1;
	}
	return 0;
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
	static const char *const names[] = {"equals", "starts_with",
					    "ends_with", "contains", "glob"};
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
			    "contains glob");
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
