#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/image.h"
#include "base/money.h"
#include "cmds.h"
#include "doc.h"
#include "guard/engine.h"
#include "guard/world.h"
#include "report_plan.h"
#include "tool.h"

/*
 * One tree with the keys of llmguard.yaml, which both forms of the output
 * are made from. What is compiled is shown as it is in force; what the tools
 * alone read comes from the file.
 */
enum { O_JSON };
static const struct opt opts[] = {[O_JSON] = OPT_JSON, OPT_END};

static const char *const fails[] = {"open", "closed"};
static const char *const unknowns[] = {"ceiling", "block", "allow"};
static const char *const http2s[] = {"auto", "native", "off"};
static const char *const patches[] = {"auto", "off"};
static const char *const tag_requireds[] = {"false", "warn", "true"};
static const char *const stream_usages[] = {"off", "inject"};
static const char *const durabilities[] = {"none", "interval", "each"};
static const char *const days[] = {"monday",   "tuesday", "wednesday",
				   "thursday", "friday",  "saturday",
				   "sunday"};

struct shown {
	struct doc_arena a;
	struct doc *root;
	struct doc *file; /* what was written, NULL: nothing */
	struct lg_engine *e;
	struct lg_world *w;
};

static void put_slice(struct shown *s, struct doc *at, const char *key,
		      struct lg_slice text)
{
	doc_add(&s->a, at, key, doc_new_slice(&s->a, DOC_STRING, text));
}

static void put(struct shown *s, struct doc *at, const char *key,
		const char *text)
{
	put_slice(s, at, key, lg_slice_str(text));
}

__attribute__((format(printf, 4, 5))) static void put_number(
	struct shown *s, struct doc *at, const char *key, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doc_add(&s->a, at, key, doc_new(&s->a, DOC_NUMBER, text));
}

static void put_bool(struct shown *s, struct doc *at, const char *key, bool v)
{
	doc_add(&s->a, at, key, doc_new(&s->a, DOC_BOOL, v ? "true" : "false"));
}

static struct doc *sub(struct shown *s, struct doc *at, const char *key,
		       enum doc_kind kind)
{
	struct doc *v = doc_new(&s->a, kind, NULL);

	doc_add(&s->a, at, key, v);
	return v;
}

static const struct doc *written(const struct shown *s, const char *section,
				 const char *key)
{
	const struct doc *at = s->file;

	if (section && at)
		at = doc_get(at, section);
	return at ? doc_get(at, key) : NULL;
}

/* A text or a list of them, as it was written. */
static void put_list(struct shown *s, struct doc *at, const char *key,
		     const struct doc *v)
{
	struct doc *list = sub(s, at, key, DOC_LIST);

	if (v && v->kind != DOC_LIST && v->text.len)
		put_slice(s, list, NULL, v->text);
	for (v = v && v->kind == DOC_LIST ? v->child : NULL; v; v = v->next)
		put_slice(s, list, NULL, doc_text(v));
}

static void put_commas(struct shown *s, struct doc *at, const char *key,
		       struct lg_slice text)
{
	struct doc *list = sub(s, at, key, DOC_LIST);
	struct lg_slice one, rest = text;

	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		put_slice(s, list, NULL, one);
	}
}

static struct lg_slice text_of(const struct shown *s, struct lg_img_ref r)
{
	return s->w->img ? lg_img_text(s->w->img, r) : LG_SLICE("");
}

static void put_policies(struct shown *s)
{
	const struct lg_img_settings *set = &s->w->set;
	const struct doc *guard = written(s, NULL, "guard");
	struct doc *r = s->root;

	put_number(s, r, "version", "1");
	put(s, r, "guard",
	    doc_is(guard, "off") || doc_is(guard, "false") ? "off" : "on");
	put(s, r, "timezone", s->w->zone ? lg_zone_name(s->w->zone) : "UTC");
	put(s, r, "week_start", days[set->week_start % 7]);
	put(s, r, "fail", fails[set->fail % 2]);
	put(s, r, "unknown_model", unknowns[set->unknown_model % 3]);
	put(s, r, "http2", http2s[set->http2 % 3]);
	put(s, r, "patch", patches[set->patch % 2]);
	put(s, r, "stream_usage", stream_usages[set->stream_usage % 2]);
	put(s, r, "durability", durabilities[set->durability % 3]);
	put_number(s, r, "hold_max_bytes", "%llu",
		   (unsigned long long)set->hold_max_bytes);
	put_number(s, r, "admit_wait_ms", "%u", set->admit_wait_ms);
}

static void put_pricing(struct shown *s)
{
	static const char *const update[] = {"update_url", "update_sha256_url",
					     "update_sha256", "update_key",
					     "update_signature_url"};
	struct doc *at = sub(s, s->root, "pricing", DOC_MAP);
	struct lg_slice pin = s->w->price_version;

	put_list(s, at, "files", written(s, "pricing", "files"));
	put_slice(s, at, "version", pin.len ? pin : LG_SLICE("latest"));
	for (unsigned i = 0; i < sizeof(update) / sizeof(update[0]); i++)
		put_slice(s, at, update[i],
			  doc_text(written(s, "pricing", update[i])));
	put_list(s, s->root, "tokenizer", written(s, NULL, "tokenizer"));
}

static void put_tracking(struct shown *s)
{
	const struct lg_img_settings *set = &s->w->set;
	struct doc *at = sub(s, s->root, "tracking", DOC_MAP);
	const struct doc *on = written(s, "tracking", "enabled");
	char money[LG_MONEY_TEXT];

	put_bool(s, at, "enabled", !doc_is(on, "false") && !doc_is(on, "off"));
	put_commas(s, at, "default_tags", text_of(s, set->default_tags));
	put(s, at, "tag_required", tag_requireds[set->tag_required % 3]);
	lg_money_print(set->expensive_pusd, money);
	put_number(s, at, "expensive_threshold", "%s", money);
}

static void put_reports(struct shown *s)
{
	struct doc *at = sub(s, s->root, "reports", DOC_MAP), *formats;
	struct report_plan p;

	report_plan_read(&p, lg_engine_config_path(s->e),
			 lg_engine_state_dir(s->e));
	formats = sub(s, at, "formats", DOC_LIST);
	for (unsigned i = 0; i < p.nformats; i++)
		put(s, formats, NULL, p.format[i]);
	put(s, at, "dir", p.dir);
	put(s, at, "name", p.name);
	put_commas(s, at, "by", lg_slice_str(p.by));
	put_bool(s, at, "chart", p.chart);
}

static void put_plain(struct shown *s, struct doc *list,
		      const struct lg_img_plain *p)
{
	static const unsigned char v4[12] = {[10] = 0xff, 0xff};
	bool is4 = p->bits >= 96 && !memcmp(p->addr, v4, 12);
	struct lg_slice name = text_of(s, p->pattern);
	char addr[INET6_ADDRSTRLEN], net[64], text[400], port[8] = "";
	bool bracket = p->port && !is4;

	if (p->port)
		snprintf(port, sizeof(port), ":%u", p->port);
	inet_ntop(is4 ? AF_INET : AF_INET6, is4 ? p->addr + 12 : p->addr, addr,
		  sizeof(addr));
	if (p->bits < 128)
		snprintf(net, sizeof(net), "%s/%u", addr,
			 is4 ? p->bits - 96u : p->bits);
	else
		snprintf(net, sizeof(net), "%s", addr);
	if (name.len)
		snprintf(text, sizeof(text), "%.*s%s", (int)name.len, name.p,
			 port);
	else
		snprintf(text, sizeof(text), "%s%s%s%s", bracket ? "[" : "",
			 net, bracket ? "]" : "", port);
	put(s, list, NULL, text);
}

static void put_places(struct shown *s)
{
	const struct lg_image *img = s->w->img;
	struct doc *hosts = sub(s, s->root, "hosts", DOC_MAP);
	struct doc *plain = sub(s, s->root, "plain_http", DOC_LIST);
	struct doc *programs = sub(s, s->root, "programs", DOC_MAP);
	struct doc *allow = sub(s, programs, "allow", DOC_LIST);
	struct doc *deny = sub(s, programs, "deny", DOC_LIST);
	const struct lg_img_program *p;
	const struct lg_img_host *h;

	if (!img)
		return;
	h = LG_IMG_ARRAY(img, img->hosts, struct lg_img_host);
	for (uint32_t i = 0; i < img->hosts.n; i++)
		put_slice(s, hosts, lg_img_text(img, h[i].pattern).p,
			  lg_img_text(img, h[i].dialect));
	for (uint32_t i = 0; i < img->plain.n; i++)
		put_plain(
			s, plain,
			&LG_IMG_ARRAY(img, img->plain, struct lg_img_plain)[i]);
	p = LG_IMG_ARRAY(img, img->programs, struct lg_img_program);
	for (uint32_t i = 0; i < img->programs.n; i++)
		put_slice(s, p[i].deny ? deny : allow, NULL,
			  lg_img_text(img, p[i].pattern));
}

static void put_rule(struct shown *s, struct doc *at,
		     const struct lg_img_rule *r)
{
	const struct {
		const char *key;
		struct lg_img_ref text;
	} texts[] = {{"match", r->match},
		     {"host", r->host},
		     {"pricing_id", r->pricing_id},
		     {"price_version", r->price_version}};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].text.off)
			put_slice(s, at, texts[i].key,
				  text_of(s, texts[i].text));
	if (r->free)
		put_bool(s, at, "free", true);
	if (r->fine_tuned)
		put_bool(s, at, "fine_tuned", true);
	if (r->phase)
		put(s, at, "phase",
		    r->phase == LG_IMG_PHASE_TRAIN ? "train" : "infer");
}

static void put_models(struct shown *s)
{
	const struct lg_image *img = s->w->img;
	struct doc *list = sub(s, s->root, "models", DOC_LIST);

	for (uint32_t i = 0; img && i < img->rules.n; i++)
		put_rule(s, sub(s, list, NULL, DOC_MAP),
			 &LG_IMG_ARRAY(img, img->rules, struct lg_img_rule)[i]);
	put_number(s, s->root, "budgets", "%u", s->w->nrules);
}

static void read_file(struct shown *s, const char *path)
{
	struct lg_slice text;
	struct doc_error err;

	if (!*path || doc_read(&s->a, path, &text, &err) ||
	    doc_parse_yaml(&s->a, path, text, &s->file, &err))
		s->file = NULL;
}

static void collect(struct shown *s)
{
	const char *config = lg_engine_config_path(s->e);

	s->root = doc_new(&s->a, DOC_MAP, NULL);
	read_file(s, config);
	s->w = lg_engine_pin(s->e);
	put(s, s->root, "config", config);
	put(s, s->root, "state_dir", lg_engine_state_dir(s->e));
	put(s, s->root, "region", lg_engine_region_path(s->e));
	put_policies(s);
	put_pricing(s);
	put_tracking(s);
	put_reports(s);
	put_places(s);
	put_models(s);
	lg_engine_unpin(s->e, s->w);
}

/* -- for people ------------------------------------------------------------ */

static void print_list(struct lg_buf *b, const struct doc *v)
{
	for (v = v->child; v; v = v->next) {
		if (v->kind == DOC_MAP)
			doc_put_json(b, v, 0);
		else
			lg_buf_put(b, v->text.p, v->text.len);
		if (v->next)
			lg_buf_puts(b, ", ");
	}
}

static void print_value(const struct doc *v, const char *key)
{
	struct lg_buf b;

	lg_buf_init(&b, (size_t)1 << 22);
	if (v->kind == DOC_LIST)
		print_list(&b, v);
	else
		lg_buf_put(&b, v->text.p, v->text.len);
	printf("%-28s %.*s\n", key, b.len ? (int)b.len : 1, b.len ? b.p : "-");
	lg_buf_fini(&b);
}

static void print_map(const struct doc *map, const char *prefix)
{
	char key[400];

	for (const struct doc *v = map->child; v; v = v->next) {
		snprintf(key, sizeof(key), "%s%s%.*s", prefix,
			 *prefix ? "." : "", (int)v->key.len, v->key.p);
		if (v->kind == DOC_MAP && v->n)
			print_map(v, key);
		else
			print_value(v, key);
	}
}

static int run(struct call *c)
{
	struct shown s = {.a = {0}};
	struct lg_buf b;
	int ret = tool_open(&s.e);

	if (ret >= 0)
		return ret;
	collect(&s);
	if (c->v[O_JSON].set) {
		lg_buf_init(&b, (size_t)1 << 26);
		doc_put_json(&b, s.root, 0);
		lg_buf_putc(&b, '\n');
		ret = tool_print(&b);
		lg_buf_fini(&b);
	} else {
		print_map(s.root, "");
		ret = EXIT_OK;
	}
	doc_arena_fini(&s.a);
	lg_engine_close(s.e);
	return ret;
}

const struct cmd cmd_config_show = {
	.name = "config show",
	.args = "",
	.summary = "the settings in force and where state lies",
	.about =
		"Every key of llmguard.yaml with the value that is in force, "
		"defaults included\n(budgets: how many; `llmguard budget list` "
		"shows them). With --json the keys\nare nested as in the "
		"file.",
	.opts = opts,
	.run = run,
};
