#include "config/conf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/money.h"
#include "base/mem.h"

#define ZONES "/usr/share/zoneinfo/"
#define ZONE_MAX 64
#define HOLD_MAX_DEFAULT (UINT64_C(16) << 20)
#define HOLD_MAX_MAX (UINT64_C(1) << 30)
#define ADMIT_WAIT_MAX_MS 60000u
#define HOSTS_MAX 1024u
#define RULES_MAX 1024u
#define FILES_MAX 64u
#define TOKENIZERS_MAX 16u
#define TAGS_MAX 159u /* of a row, all of them */

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Where the values of llmguard.yaml go. */
struct target {
	struct lg_img_settings s;
	const struct lg_yaml *files;
	uint32_t ignored;
	uint8_t untracked; /* tracking: {enabled: false} */
};

void lg_conf_settings_default(struct lg_img_settings *s)
{
	*s = (struct lg_img_settings){.hold_max_bytes = HOLD_MAX_DEFAULT,
				      .durability = LG_DURABILITY_INTERVAL};
}

static int read_version(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	(void)dst;
	if (v->kind != LG_YAML_SCALAR || !lg_slice_eq(v->text, LG_SLICE("1")))
		return lg_conf_fail(c, v, "this llmguard reads version 1");
	return 0;
}

/* enum readers: the names in the order of the image's enums */
#define ENUM_READER(fn, ...)                                                   \
	static int fn(struct lg_conf *c, const struct lg_yaml *v, void *dst)   \
	{                                                                      \
		static const char *const names[] = {__VA_ARGS__};              \
                                                                               \
		return lg_conf_enum(c, v, names, N(names), dst);               \
	}
ENUM_READER(read_fail, "open", "closed")
ENUM_READER(read_unknown, "ceiling", "block", "allow")
ENUM_READER(read_http2, "auto", "native", "off")
ENUM_READER(read_patch, "auto", "off")
ENUM_READER(read_stream_usage, "off", "inject")
ENUM_READER(read_durability, "none", "interval", "each")
ENUM_READER(read_week, "monday", "tuesday", "wednesday", "thursday", "friday",
	    "saturday", "sunday")
ENUM_READER(read_guard, "on", "off")
ENUM_READER(read_family, "openai", "anthropic", "gemini", "google", "bedrock",
	    "aws", "cohere", "ollama")

static bool is_zone_name(struct lg_slice s)
{
	if (!s.len || s.len > ZONE_MAX || s.p[0] == '/' || s.p[0] == '.' ||
	    lg_slice_icontains(s, LG_SLICE("..")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.p[i];

		if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
		      (ch >= '0' && ch <= '9') || memchr("/_+-", ch, 4)))
			return false;
	}
	return true;
}

static int read_zone(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	char path[sizeof(ZONES) + ZONE_MAX];
	struct stat st;
	struct lg_buf b;
	int saved = errno;
	bool found;

	if (v->kind != LG_YAML_SCALAR || !is_zone_name(v->text))
		return lg_conf_fail(c, v,
				    "allowed: an IANA time zone, like "
				    "Europe/Berlin or UTC");
	lg_buf_init_fixed(&b, path, sizeof(path) - 1);
	lg_buf_puts(&b, ZONES);
	lg_buf_put(&b, v->text.p, v->text.len);
	path[b.len] = 0;
	found = !stat(path, &st) && S_ISREG(st.st_mode);
	errno = saved;
	if (!found && !lg_slice_eq(v->text, LG_SLICE("UTC")))
		return lg_conf_fail(c, v, "no such time zone in " ZONES);
	*(struct lg_img_ref *)dst = lg_build_text(&c->b, v->text);
	return 0;
}

static int read_hold_max(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_u64(c, v, HOLD_MAX_MAX, dst);
}

static int read_wait(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	uint64_t n;
	int err = lg_conf_u64(c, v, ADMIT_WAIT_MAX_MS, &n);

	if (!err)
		*(uint32_t *)dst = (uint32_t)n;
	return err;
}

static int read_files(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = 0;

	if (v->kind != LG_YAML_LIST || v->n > FILES_MAX)
		return lg_conf_fail(c, v, "must be a list of at most 64 files");
	*(const struct lg_yaml **)dst = v;
	for (v = v->child; v && !err; v = v->next)
		err = lg_conf_text(c, v, 1024, &s);
	return err;
}

static int read_pin(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	if (v->kind == LG_YAML_SCALAR &&
	    lg_slice_eq(v->text, LG_SLICE("latest")))
		return 0;
	return lg_conf_ref(c, v, dst);
}

/* For `llmguard pricing update` alone: it reads the file by itself. */
static int read_update(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s, tail = LG_SLICE("_url");
	int err = lg_conf_text(c, v, 2000, &s);

	(void)dst;
	if (!err && lg_slice_iends(v->key, tail) &&
	    !lg_slice_starts(s, LG_SLICE("https://")) &&
	    !lg_slice_starts(s, LG_SLICE("http://")))
		err = lg_conf_fail(c, v, "allowed: a URL, https://...");
	return err;
}

static int read_pricing(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const struct lg_conf_key keys[] = {
		{"files", read_files, offsetof(struct target, files)},
		{"version", read_pin, offsetof(struct target, s.price_version)},
		{"update_url", read_update, 0},
		{"update_sha256", read_update, 0},
		{"update_sha256_url", read_update, 0},
		{"update_key", read_update, 0},
		{"update_signature_url", read_update, 0},
	};

	return lg_conf_map(c, v, keys, N(keys), dst, NULL);
}

static int one_host(struct lg_conf *c, const struct lg_yaml *v,
		    struct lg_img_host *h)
{
	/* google and bedrock are other words for gemini and aws */
	static const char *const family[] = {"openai", "anthropic", "gemini",
					     "gemini", "aws",	    "aws",
					     "cohere", "ollama"};
	const char *why = lg_conf_glob_why(v->key);
	char low[LG_CONF_NAME_MAX];
	uint8_t f = 0;
	int err;

	if (why)
		return lg_conf_fail(c, v, why);
	err = read_family(c, v, &f);
	if (err)
		return err;
	lg_slice_copy(v->key, low, sizeof(low));
	for (char *p = low; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	if (strpbrk(low, " /:@"))
		return lg_conf_fail(c, v,
				    "the key must be a host name, "
				    "without scheme, port or path");
	h->pattern = lg_build_text(&c->b, lg_slice_str(low));
	h->dialect = lg_build_text(&c->b, lg_slice_str(family[f]));
	return 0;
}

static int read_hosts(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_img_host *h;
	const uint32_t n = v->n;
	unsigned i = 0;
	int err = 0;

	(void)dst;
	if (v->kind != LG_YAML_MAP || n > HOSTS_MAX)
		return lg_conf_fail(c, v,
				    "must be a map of hosts (at most "
				    "1024), like {llm.example: openai}");
	if (!n)
		return 0;
	h = lg_mem_alloc(n * sizeof(*h));
	if (!h)
		return -ENOMEM;
	for (v = v->child; v && !err; v = v->next)
		err = one_host(c, v, &h[i++]);
	if (!err)
		c->hosts = lg_build_array(&c->b, h, n, sizeof(*h));
	lg_mem_free(h, n * sizeof(*h));
	return err;
}

/* A pattern into the image: dst is a struct lg_img_ref. */
static int read_pattern(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	char text[LG_CONF_NAME_MAX];
	int err = lg_conf_glob(c, v, text);

	if (!err)
		*(struct lg_img_ref *)dst =
			lg_build_text(&c->b, lg_slice_str(text));
	return err;
}

static int read_pricing_id(struct lg_conf *c, const struct lg_yaml *v,
			   void *dst)
{
	const char *slash;

	if (v->kind == LG_YAML_SCALAR) {
		slash = memchr(v->text.p, '/', v->text.len);
		if (!slash || slash == v->text.p ||
		    slash == v->text.p + v->text.len - 1)
			return lg_conf_fail(c, v,
					    "allowed: provider/model, "
					    "like openai/gpt-4o");
	}
	return lg_conf_ref(c, v, dst);
}

/* Calls of such a model are of this phase where nobody says another. */
static int read_phase(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const char *const names[] = {"infer", "train"};
	uint8_t *out = dst;
	int err = lg_conf_enum(c, v, names, N(names), out);

	if (!err)
		*out = (uint8_t)(*out + LG_IMG_PHASE_INFER);
	return err;
}

#define AT(f) offsetof(struct lg_img_rule, f)
static const struct lg_conf_key rule_keys[] = {
	{"match", read_pattern, AT(match)},
	{"host", read_pattern, AT(host)},
	{"pricing_id", read_pricing_id, AT(pricing_id)},
	{"price_version", lg_conf_ref, AT(price_version)},
	{"free", lg_conf_bool, AT(free)},
	{"fine_tuned", lg_conf_bool, AT(fine_tuned)},
	{"phase", read_phase, AT(phase)},
};
#undef AT

static int one_rule(struct lg_conf *c, const struct lg_yaml *v,
		    struct lg_img_rule *r)
{
	int err = lg_conf_map(c, v, rule_keys, N(rule_keys), r, NULL);

	if (err)
		return err;
	if (!r->match.len)
		return lg_conf_fail(c, v,
				    "needs match: a model's name, * and "
				    "? allowed");
	if (r->free && r->pricing_id.len)
		return lg_conf_fail(c, v,
				    "free and pricing_id exclude each "
				    "other");
	return 0;
}

static int read_rules(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_img_rule *r;
	const uint32_t n = v->n;
	unsigned i = 0;
	int err = 0;

	(void)dst;
	if (v->kind != LG_YAML_LIST || n > RULES_MAX)
		return lg_conf_fail(c, v,
				    "must be a list of at most 1024 "
				    "rules");
	if (!n)
		return 0;
	r = lg_mem_alloc(n * sizeof(*r));
	if (!r)
		return -ENOMEM;
	for (v = v->child; v && !err; v = v->next)
		err = one_rule(c, v, &r[i++]);
	if (!err)
		c->rules = lg_build_array(&c->b, r, n, sizeof(*r));
	lg_mem_free(r, n * sizeof(*r));
	return err;
}

/* Those of `tracking:` that other trackers call so. */
static int read_enabled(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	uint8_t yes = 1;
	int err = lg_conf_bool(c, v, &yes);

	if (!err && !yes)
		*(uint8_t *)dst = 1;
	return err;
}

static int read_required(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const char *const names[] = {"false", "warn", "true"};

	return lg_conf_enum(c, v, names, N(names), dst);
}

static int read_expensive(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return lg_conf_money(c, v, LG_MONEY_LIMIT_MAX,
			     "allowed: an amount of USD, 0: none", dst);
}

static int read_tags(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	char text[TAGS_MAX];
	struct lg_slice s;
	struct lg_buf b;
	int err = 0;

	if (v->kind != LG_YAML_LIST)
		return lg_conf_fail(c, v, "must be a list, like [batch, eu]");
	lg_buf_init_fixed(&b, text, sizeof(text));
	for (v = v->child; v && !err; v = v->next) {
		err = lg_conf_text(c, v, TAGS_MAX, &s);
		if (!err && memchr(s.p, ',', s.len))
			err = lg_conf_fail(c, v, "a tag has no comma");
		if (!err && b.len)
			lg_buf_putc(&b, ',');
		if (!err)
			lg_buf_put(&b, s.p, s.len);
		if (!err && b.overflow)
			err = lg_conf_fail(c, v, "more than 159 bytes of tags");
	}
	if (!err)
		*(struct lg_img_ref *)dst =
			lg_build_text(&c->b, lg_buf_slice(&b));
	return err;
}

static int read_tracking(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const struct lg_conf_key keys[] = {
		{"enabled", read_enabled, offsetof(struct target, untracked)},
		{"default_tags", read_tags,
		 offsetof(struct target, s.default_tags)},
		{"tag_required", read_required,
		 offsetof(struct target, s.tag_required)},
		{"expensive_threshold", read_expensive,
		 offsetof(struct target, s.expensive_pusd)},
	};

	return lg_conf_map(c, v, keys, N(keys), dst, NULL);
}

/* For `llmguard estimate` alone: a vocabulary file, or several. */
static int read_tokenizer(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;
	int err = 0;

	(void)dst;
	if (v->kind != LG_YAML_LIST)
		return lg_conf_text(c, v, 1024, &s);
	if (v->n > TOKENIZERS_MAX)
		return lg_conf_fail(c, v, "must be at most 16 files");
	for (v = v->child; v && !err; v = v->next)
		err = lg_conf_text(c, v, 1024, &s);
	return err;
}

#define AT(f) offsetof(struct target, f)
static const struct lg_conf_key keys[] = {
	{"version", read_version, AT(ignored)},
	{"guard", read_guard, AT(s.disabled)},
	{"timezone", read_zone, AT(s.timezone)},
	{"week_start", read_week, AT(s.week_start)},
	{"fail", read_fail, AT(s.fail)},
	{"unknown_model", read_unknown, AT(s.unknown_model)},
	{"http2", read_http2, AT(s.http2)},
	{"patch", read_patch, AT(s.patch)},
	{"stream_usage", read_stream_usage, AT(s.stream_usage)},
	{"durability", read_durability, AT(s.durability)},
	{"hold_max_bytes", read_hold_max, AT(s.hold_max_bytes)},
	{"admit_wait_ms", read_wait, AT(s.admit_wait_ms)},
	{"pricing", read_pricing, 0},
	{"tokenizer", read_tokenizer, 0},
	{"tracking", read_tracking, 0},
	{"reports", lg_conf_reports, 0},
	{"hosts", read_hosts, AT(ignored)},
	{"plain_http", lg_conf_plain, AT(ignored)},
	{"programs", lg_conf_programs, AT(ignored)},
	{"models", read_rules, AT(ignored)},
	{"budgets", lg_conf_budgets, AT(ignored)},
};
#undef AT

int lg_conf_settings(struct lg_conf *c, const struct lg_yaml *root,
		     const struct lg_yaml **files)
{
	struct target t = {.s = c->settings};
	int err;

	*files = NULL;
	if (!root)
		return 0;
	err = lg_conf_map(c, root, keys, N(keys), &t, NULL);
	if (err)
		return err;
	c->settings = t.s;
	c->settings.disabled |= t.untracked;
	*files = t.files;
	return 0;
}
