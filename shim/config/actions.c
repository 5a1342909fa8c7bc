#include "config/conf.h"

#include <string.h>

#include "base/buf.h"
#include "base/url.h"

/* The chains on_soft and on_hard of a budget. */

static const char *const action_names[] = {
	"block", "warn", "clamp", "fallback", "local", "throttle", "stop",
};
static const char *const speech_names[] = {"openai-chat", "ollama"};
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* What one entry of a chain says before it is checked. */
struct action_map {
	uint8_t kind;
	unsigned nmodels;
	char model[LG_CONF_ACTIONS_MAX][LG_CONF_NAME_MAX];
	char url[LG_CONF_NAME_MAX];
	char only[LG_CONF_NAME_MAX];
	uint32_t at_ppm, min_output, max_delay;
	uint8_t speech;
	bool speaks; /* dialect is given */
	char ca[LG_CONF_NAME_MAX];
	uint8_t verify;
	bool trusts; /* verify is given */
};

static int read_kind(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_enum(c, v, action_names, N(action_names), dst);
}

static int read_speech(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct action_map *m = dst;

	m->speaks = true;
	return lg_conf_enum(c, v, speech_names, N(speech_names), &m->speech);
}

static int read_url(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_url url;
	const char *why;
	int err = lg_conf_name(c, v, dst);

	if (!err && lg_url_parse(lg_slice_str(dst), &url, &why))
		err = lg_conf_fail(c, v, why);
	return err;
}

static int read_ca(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	int err = lg_conf_name(c, v, dst);

	if (!err && ((const char *)dst)[0] != '/')
		err = lg_conf_fail(c, v, "allowed: the full path of a file");
	return err;
}

static int read_verify(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct action_map *m = dst;

	m->trusts = true;
	return lg_conf_bool(c, v, &m->verify);
}

static int add_model(struct lg_conf *c, const struct lg_yaml *v,
		     struct action_map *m)
{
	if (m->nmodels == LG_CONF_ACTIONS_MAX)
		return lg_conf_fail(c, v, "more than 8 models");
	return lg_conf_name(c, v, m->model[m->nmodels++]);
}

/* A name or a list of names, tried in order. */
static int read_models(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct action_map *m = dst;
	int err = 0;

	if (m->nmodels)
		return lg_conf_fail(c, v, "model and models: one of them");
	if (v->kind != LG_YAML_LIST)
		return add_model(c, v, m);
	if (!v->child)
		return lg_conf_fail(c, v, "allowed: at least one model");
	for (v = v->child; v && !err; v = v->next)
		err = add_model(c, v, m);
	return err;
}

static int add_only(struct lg_conf *c, const struct lg_yaml *v,
		    struct lg_buf *out)
{
	char glob[LG_CONF_NAME_MAX];
	int err = lg_conf_glob(c, v, glob);

	if (err)
		return err;
	if ((out->len && lg_buf_putc(out, '\n')) || lg_buf_puts(out, glob))
		return lg_conf_fail(c, v, "patterns too long");
	return 0;
}

/* The models that an action is for: a glob or a list of them. */
static int read_only(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_buf b;
	int err = 0;

	lg_buf_init_fixed(&b, dst, LG_CONF_NAME_MAX - 1);
	if (v->kind != LG_YAML_LIST)
		err = add_only(c, v, &b);
	else
		for (v = v->child; v && !err; v = v->next)
			err = add_only(c, v, &b);
	((char *)dst)[b.len] = 0;
	return err;
}

static int read_u32(struct lg_conf *c, const struct lg_yaml *v, uint32_t max,
		    uint32_t *dst)
{
	uint64_t n;
	int err = lg_conf_u64(c, v, max, &n);

	if (!err && !n)
		return lg_conf_fail(c, v, "allowed: at least 1");
	if (!err)
		*dst = (uint32_t)n;
	return err;
}

static int read_tokens(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return read_u32(c, v, 1000000000, dst);
}

static int read_delay(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return read_u32(c, v, LG_CONF_DELAY_MAX_MS, dst);
}

#define AT(s, field) offsetof(struct s, field)
enum action_key {
	KEY_ACTION,
	KEY_MODEL,
	KEY_MODELS,
	KEY_FALLBACK,
	KEY_URL,
	KEY_LOCAL
};
static const struct lg_conf_key action_keys[] = {
	{"action", read_kind, AT(action_map, kind)},
	{"model", read_models, 0},
	{"models", read_models, 0},
	{"fallback", read_models, 0}, /* short for action and models */
	{"url", read_url, AT(action_map, url)},
	{"local", read_url, AT(action_map, url)}, /* likewise */
	{"at", lg_conf_ratio, AT(action_map, at_ppm)},
	{"for_models", read_only, AT(action_map, only)},
	{"min_output_tokens", read_tokens, AT(action_map, min_output)},
	{"max_delay_ms", read_delay, AT(action_map, max_delay)},
	{"dialect", read_speech, 0},
	{"ca_file", read_ca, AT(action_map, ca)},
	{"verify", read_verify, 0},
};

/* A certificate is asked for of all but a server on this very machine. */
static const char *tls_why(const struct action_map *m)
{
	struct lg_url url;
	const char *why;

	if (!m->ca[0] && !m->trusts)
		return NULL;
	if (m->kind != LG_ACTION_LOCAL)
		return "ca_file and verify belong to local alone";
	if (lg_url_parse(lg_slice_str(m->url), &url, &why) || !url.tls)
		return "ca_file and verify belong to https:// alone";
	if (m->trusts && !m->verify && !lg_url_is_loopback(&url))
		return "verify: false is for localhost, 127.0.0.1 and [::1] "
		       "alone; a private authority's certificate: ca_file";
	return NULL;
}

/* What belongs to one action alone. */
static const char *action_why(const struct action_map *m, bool soft)
{
	if (m->at_ppm && !soft)
		return "at belongs to on_soft alone";
	if (m->kind == LG_ACTION_FALLBACK && !m->nmodels)
		return "fallback needs a model: "
		       "{action: fallback, model: NAME}";
	if (m->kind == LG_ACTION_LOCAL && m->nmodels > 1)
		return "local asks for one model";
	if (m->kind != LG_ACTION_FALLBACK && m->kind != LG_ACTION_LOCAL &&
	    m->nmodels)
		return "model belongs to fallback and local alone";
	if (m->kind == LG_ACTION_LOCAL && !m->url[0])
		return "local needs a url: {action: local, url: URL}";
	if (m->kind != LG_ACTION_LOCAL && m->url[0])
		return "url belongs to local alone";
	if (m->kind != LG_ACTION_LOCAL && m->speaks)
		return "dialect belongs to local alone";
	if (m->kind != LG_ACTION_CLAMP && m->min_output)
		return "min_output_tokens belongs to clamp alone";
	if (m->kind != LG_ACTION_THROTTLE && m->max_delay)
		return "max_delay_ms belongs to throttle alone";
	if (soft && (m->kind == LG_ACTION_BLOCK || m->kind == LG_ACTION_STOP))
		return "block and stop belong to on_hard alone";
	return tls_why(m);
}

static int read_action(struct lg_conf *c, const struct lg_yaml *v,
		       struct action_map *m)
{
	uint32_t set = 0;
	int err;

	if (v->kind == LG_YAML_SCALAR)
		return read_kind(c, v, &m->kind);
	err = lg_conf_map(c, v, action_keys, N(action_keys), m, &set);
	if (err)
		return err;
	if (set & 1u << KEY_FALLBACK && !(set & 1u << KEY_ACTION))
		m->kind = LG_ACTION_FALLBACK;
	else if (set & 1u << KEY_LOCAL && !(set & 1u << KEY_ACTION))
		m->kind = LG_ACTION_LOCAL;
	else if (!(set & 1u << KEY_ACTION))
		return lg_conf_fail(c, v,
				    "needs an action: block warn clamp "
				    "fallback local throttle stop");
	return 0;
}

static int put_action(struct lg_conf *c, const struct lg_yaml *v,
		      const struct action_map *m, const char *arg,
		      struct lg_conf_actions *out)
{
	struct lg_conf_action *a = &out->a[out->n];

	if (out->n == LG_CONF_ACTIONS_MAX)
		return lg_conf_fail(c, v, "more than 8 actions");
	*a = (struct lg_conf_action){.kind = m->kind};
	if (m->kind == LG_ACTION_CLAMP)
		a->n = m->min_output ? m->min_output : LG_CONF_MIN_OUTPUT;
	if (m->kind == LG_ACTION_THROTTLE)
		a->n = m->max_delay ? m->max_delay : LG_CONF_DELAY_MS;
	if (m->kind == LG_ACTION_LOCAL) {
		a->n = m->speech;
		if (m->trusts && !m->verify)
			a->n |= LG_LOCAL_UNVERIFIED;
		memcpy(a->model, m->model[0], LG_CONF_NAME_MAX);
		memcpy(a->ca, m->ca, LG_CONF_NAME_MAX);
	}
	memcpy(a->arg, arg, LG_CONF_NAME_MAX);
	memcpy(a->only, m->only, LG_CONF_NAME_MAX);
	out->n++;
	return 0;
}

/* A list of models is so many fallbacks, one behind the other. */
static int add_action(struct lg_conf *c, const struct lg_yaml *v,
		      struct lg_conf_actions *out, bool soft)
{
	struct action_map m = {0};
	int err = read_action(c, v, &m);
	const char *why = err ? NULL : action_why(&m, soft);

	if (why)
		err = lg_conf_fail(c, v, why);
	if (err)
		return err;
	if (m.at_ppm)
		out->at_ppm = m.at_ppm;
	if (!m.nmodels || m.kind == LG_ACTION_LOCAL)
		return put_action(c, v, &m, m.url, out);
	for (unsigned i = 0; i < m.nmodels && !err; i++)
		err = put_action(c, v, &m, m.model[i], out);
	return err;
}

static int read_actions(struct lg_conf *c, const struct lg_yaml *v,
			struct lg_conf_actions *out, bool soft)
{
	int err = 0;

	out->n = 0;
	out->at_ppm = 0;
	if (v->kind != LG_YAML_LIST)
		return add_action(c, v, out, soft);
	if (!v->child)
		return lg_conf_fail(c, v, "allowed: at least one action");
	for (v = v->child; v && !err; v = v->next)
		err = add_action(c, v, out, soft);
	return err;
}

int lg_conf_soft(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return read_actions(c, v, dst, true);
}

int lg_conf_hard(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return read_actions(c, v, dst, false);
}

struct lg_img_span lg_conf_actions_emit(struct lg_conf *c,
					const struct lg_conf_actions *in)
{
	struct lg_img_action a[LG_CONF_ACTIONS_MAX] = {0};

	for (unsigned i = 0; i < in->n; i++) {
		a[i].arg = lg_build_text(&c->b, lg_slice_str(in->a[i].arg));
		a[i].only = lg_build_text(&c->b, lg_slice_str(in->a[i].only));
		a[i].model = lg_build_text(&c->b, lg_slice_str(in->a[i].model));
		a[i].ca = lg_build_text(&c->b, lg_slice_str(in->a[i].ca));
		a[i].kind = in->a[i].kind;
		a[i].n = in->a[i].n;
	}
	return lg_build_array(&c->b, a, in->n, sizeof(a[0]));
}
