#include "guard/rule.h"

#include <string.h>

#include "base/clock.h"

#define FIELD_MAX 160			/* of what a scope looks at in a row */
#define SEED UINT64_C(0x6c6c6d67756172) /* "llmguar" */

static const char *const period_names[] = {
	"run", "hourly", "daily", "weekly", "monthly", "yearly", "total",
};

const char *lg_period_name(enum lg_period p)
{
	return (unsigned)p <= LG_PERIOD_TOTAL ? period_names[p] : "?";
}

static struct lg_hash128 chain(struct lg_hash128 h, const void *p, size_t len)
{
	struct lg_hash128 one = lg_hash128(p, len, h.a);
	struct lg_hash128 sum = {one.a ^ (h.b << 1 | h.b >> 63), one.b ^ h.a};

	return sum.a || sum.b ? sum : (struct lg_hash128){1, 1};
}

void lg_rule_init(struct lg_rule *r, const struct lg_image *img,
		  const struct lg_img_budget *b, const char *zone,
		  unsigned week_start)
{
	unsigned char how[2] = {b->period, (unsigned char)week_start};

	memset(r, 0, sizeof(*r));
	r->img = img;
	r->b = b;
	r->terms = LG_IMG_ARRAY(img, b->terms, struct lg_img_term);
	r->nterms = b->terms.n;
	r->name = lg_img_text(img, b->name);
	r->scope = lg_img_text(img, b->scope);
	r->id = lg_hash128(r->name.p, r->name.len, SEED);
	r->id = chain(r->id, r->scope.p, r->scope.len);
	r->id = chain(r->id, how, sizeof(how));
	r->id = chain(r->id, zone, strlen(zone));
}

static bool glob(struct lg_slice text, struct lg_slice pattern)
{
	return text.len && lg_slice_glob(text, pattern);
}

static struct lg_slice base_name(struct lg_slice path)
{
	size_t i = path.len;

	while (i && path.p[i - 1] != '/')
		i--;
	return (struct lg_slice){path.p + i, path.len - i};
}

/* The k-th tag that matches; empty when there is none. */
static struct lg_slice nth_tag(const char *tags, struct lg_slice pattern,
			       unsigned k)
{
	struct lg_slice rest = lg_slice_str(tags), one;

	while (rest.len) {
		rest = lg_slice_cut(rest, '\x1f', &one);
		if (glob(one, pattern) && !k--)
			return one;
	}
	return (struct lg_slice){NULL, 0};
}

static struct lg_slice first_match(const struct lg_slice *name, unsigned n,
				   struct lg_slice pattern)
{
	for (unsigned i = 0; i < n; i++)
		if (glob(name[i], pattern))
			return name[i];
	return (struct lg_slice){NULL, 0};
}

static struct lg_slice match_model(const struct lg_row *row,
				   struct lg_slice canonical,
				   struct lg_slice pattern)
{
	/* a fallback is a call of the new model alone (design 10.10) */
	bool fell_back = row->flags & LG_ROW_FALLBACK;
	struct lg_slice name[3] = {
		canonical,
		lg_slice_str(fell_back ? row->model : row->model_requested),
		lg_slice_str(row->model),
	};

	return first_match(name, 3, pattern);
}

static struct lg_slice match_process(const struct lg_row *row,
				     struct lg_slice pattern)
{
	struct lg_slice exe = lg_slice_str(row->exe);
	struct lg_slice name[3] = {
		lg_slice_str(row->comm),
		base_name(exe),
		exe,
	};

	return first_match(name, 3, pattern);
}

static struct lg_slice match_uid(uint32_t uid, struct lg_slice pattern,
				 char text[12])
{
	char *p = text + 11;

	*p = '\0';
	do {
		*--p = (char)('0' + uid % 10);
		uid /= 10;
	} while (uid);
	return first_match(&(struct lg_slice){p, strlen(p)}, 1, pattern);
}

/*
 * A row cuts long names. The pattern whose name was cut means it: what a cut
 * name goes on with, nobody knows any more.
 */
static struct lg_slice match_cut(struct lg_slice v, size_t cap,
				 struct lg_slice pattern)
{
	char cut[FIELD_MAX];
	size_t plain = 0;

	if (v.len && lg_slice_glob(v, pattern))
		return v;
	if (v.len != cap - 1 || cap > sizeof(cut))
		return (struct lg_slice){NULL, 0};
	while (plain < pattern.len && pattern.p[plain] != '*' &&
	       pattern.p[plain] != '?')
		plain++;
	if (plain < v.len)
		return (struct lg_slice){NULL, 0};
	lg_slice_copy(pattern, cut, cap);
	return lg_slice_ieq(lg_slice_str(cut), v) ? v
						  : (struct lg_slice){NULL, 0};
}

/* The text that matched, empty when none did. scratch has 12 bytes. */
static struct lg_slice match_term(const struct lg_img_term *t,
				  struct lg_slice pattern,
				  const struct lg_row *row,
				  struct lg_slice canonical, unsigned k,
				  char *scratch)
{
	const char *v;
	size_t cap;

#define FIELD(f) (v = row->f, cap = sizeof(row->f))
	switch ((enum lg_scope_key)t->key) {
	case LG_SCOPE_GLOBAL:
		return LG_SLICE("global");
	case LG_SCOPE_MODEL:
		return match_model(row, canonical, pattern);
	case LG_SCOPE_TAG:
		return nth_tag(row->tags, pattern, k);
	case LG_SCOPE_PROCESS:
		return match_process(row, pattern);
	case LG_SCOPE_UID:
		return match_uid(row->uid, pattern, scratch);
	case LG_SCOPE_PROJECT:
		FIELD(project);
		break;
	case LG_SCOPE_USER:
		FIELD(user);
		break;
	case LG_SCOPE_KEY:
		FIELD(key);
		break;
	case LG_SCOPE_PROVIDER:
		FIELD(provider);
		break;
	case LG_SCOPE_ENDPOINT:
		FIELD(endpoint);
		break;
	case LG_SCOPE_PHASE:
		FIELD(phase);
		break;
	case LG_SCOPE_RUN:
		FIELD(run_id);
		break;
	case LG_SCOPE_CONVERSATION:
		FIELD(conversation);
		break;
	case LG_SCOPE_EXPERIMENT:
		FIELD(experiment);
		break;
	default:
		return (struct lg_slice){NULL, 0};
	}
#undef FIELD
	return match_cut(lg_slice_str(v), cap, pattern);
}

static void add_value(struct lg_rule_hit *hit, struct lg_slice v)
{
	size_t at = strlen(hit->value);

	if (at && at + 1 < sizeof(hit->value))
		hit->value[at++] = ' ';
	lg_slice_copy(v, hit->value + at, sizeof(hit->value) - at);
}

/* A run budget counts each run apart. */
static void add_run(const struct lg_rule *r, struct lg_slice run,
		    struct lg_rule_hit *hit)
{
	if (r->b->period != LG_PERIOD_RUN)
		return;
	add_value(hit, run);
	hit->id = chain(hit->id, run.p, run.len);
}

static bool is_wild(struct lg_slice pattern)
{
	return pattern.len && memchr(pattern.p, '*', pattern.len);
}

bool lg_rule_match(const struct lg_rule *r, const struct lg_row *row,
		   struct lg_slice canonical, unsigned k,
		   struct lg_rule_hit *hit)
{
	bool by_tag = false;
	char scratch[12];

	hit->is_any = false;
	hit->value[0] = '\0';
	hit->id = r->id;
	for (unsigned i = 0; i < r->nterms; i++) {
		const struct lg_img_term *t = &r->terms[i];
		struct lg_slice pattern = lg_img_text(r->img, t->pattern);
		bool counted = r->b->each && t->key != LG_SCOPE_GLOBAL &&
			       is_wild(pattern);
		bool tag = counted && t->key == LG_SCOPE_TAG;
		struct lg_slice v = match_term(t, pattern, row, canonical,
					       tag ? k : 0, scratch);

		by_tag |= tag;
		if (!v.len)
			return false;
		if (!counted)
			continue;
		add_value(hit, v);
		hit->id = chain(hit->id, v.p, v.len);
	}
	add_run(r, lg_slice_str(row->run_id), hit);
	return by_tag || !k;
}

bool lg_rule_refuses(const struct lg_rule *r)
{
	const struct lg_img_action *act =
		LG_IMG_ARRAY(r->img, r->b->on_hard, struct lg_img_action);

	return r->b->hard &&
	       !(r->b->on_hard.n && act[0].kind == LG_ACTION_WARN);
}

/* Said by each request anew, where the environment did not say it. */
static bool is_open(const struct lg_img_term *t, const struct lg_row *who)
{
	switch ((enum lg_scope_key)t->key) {
	case LG_SCOPE_KEY:
	case LG_SCOPE_MODEL:
	case LG_SCOPE_PROVIDER:
	case LG_SCOPE_ENDPOINT:
		return true;
	case LG_SCOPE_PROJECT:
		return !who->project[0];
	case LG_SCOPE_USER:
		return !who->user[0];
	case LG_SCOPE_TAG:
		return !who->tags[0];
	case LG_SCOPE_PHASE:
		return !who->phase[0];
	case LG_SCOPE_CONVERSATION:
		return !who->conversation[0];
	default:
		return false;
	}
}

enum lg_foresight lg_rule_foresee(const struct lg_rule *r,
				  const struct lg_row *who,
				  struct lg_rule_hit *hit)
{
	enum lg_foresight is = LG_FORESEE_YES;
	char scratch[12];

	hit->is_any = false;
	hit->value[0] = '\0';
	hit->id = r->id;
	for (unsigned i = 0; i < r->nterms; i++) {
		const struct lg_img_term *t = &r->terms[i];
		struct lg_slice pattern = lg_img_text(r->img, t->pattern);
		bool counted = r->b->each && t->key != LG_SCOPE_GLOBAL &&
			       is_wild(pattern);
		struct lg_slice v;

		if (is_open(t, who)) {
			hit->is_any |= counted;
			is = LG_FORESEE_PERHAPS;
			continue;
		}
		v = match_term(t, pattern, who, (struct lg_slice){NULL, 0}, 0,
			       scratch);
		if (!v.len)
			return LG_FORESEE_NO;
		if (!counted)
			continue;
		add_value(hit, v);
		hit->id = chain(hit->id, v.p, v.len);
	}
	add_run(r, lg_slice_str(who->run_id), hit);
	return is;
}

void lg_rule_hit_any(const struct lg_rule *r, struct lg_slice run,
		     struct lg_rule_hit *hit)
{
	hit->is_any = false;
	hit->value[0] = '\0';
	hit->id = r->id;
	add_run(r, run, hit);
}

/* Where nothing can be read anew, a raise ends all the same. */
static bool is_over(const struct lg_img_budget *b)
{
	return b->raised_until_ms && lg_clock_real_ms() >= b->raised_until_ms;
}

void lg_rule_spec(const struct lg_rule *r, const struct lg_rule_hit *hit,
		  const struct lg_window *w, struct lg_cell_spec *out)
{
	*out = (struct lg_cell_spec){
		.name = r->name,
		.scope = r->scope,
		.value = lg_slice_str(hit->value),
		.id = hit->id,
		.rule = r->id,
		.period = (enum lg_period)r->b->period,
		.window = w->tag,
		.window_start_ms = w->start_ms,
		.window_end_ms = w->end_ms,
		.limit_pusd = r->b->limit_pusd,
		.config_id = r->b->config_id,
		.since_ms = r->b->since_ms,
		.max_keys = r->b->max_keys,
		.hard = r->b->hard,
		.each = r->b->each,
		.strict = r->b->mode == LG_MODE_STRICT,
	};
	if (is_over(r->b)) {
		out->limit_pusd -= r->b->raised_pusd;
		out->since_ms = r->b->raised_until_ms;
	}
}
