#include "config/conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

/*
 * A budget given as separate texts is written as one line of the language that
 * llmguard.yaml is written in, and read by the same code: one set of rules and
 * messages.
 */
static void put_text(struct lg_buf *b, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	lg_buf_puts(b, ",\"");
	lg_buf_puts(b, key);
	lg_buf_puts(b, "\":");
	lg_buf_put_json(b, lg_slice_str(value));
}

static void put_bool(struct lg_buf *b, const char *key, bool value)
{
	lg_buf_puts(b, ",\"");
	lg_buf_puts(b, key);
	lg_buf_puts(b, value ? "\":true" : "\":false");
}

/* "0.75,0.9" to ["0.75","0.9"] */
static void put_ratios(struct lg_buf *b, const char *list)
{
	struct lg_slice rest = lg_slice_str(list), one;
	const char *sep = "";

	if (!rest.len)
		return;
	lg_buf_puts(b, ",\"warn_at\":[");
	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		lg_buf_puts(b, sep);
		lg_buf_put_json(b, lg_slice_trim(one));
		sep = ",";
	}
	lg_buf_putc(b, ']');
}

/* "a,b" to a chain that ends in a refusal. */
static void put_fallback(struct lg_buf *b, const char *list)
{
	struct lg_slice rest = lg_slice_str(list), one;

	if (!rest.len)
		return;
	lg_buf_puts(b, ",\"on_hard\":[");
	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		lg_buf_puts(b, "{\"action\":\"fallback\",\"model\":");
		lg_buf_put_json(b, lg_slice_trim(one));
		lg_buf_puts(b, "},");
	}
	lg_buf_puts(b, "\"block\"]");
}

static void put_budget(struct lg_buf *b, const struct lg_budget_text *t)
{
	put_text(b, "name", t->name);
	put_text(b, "scope", t->scope);
	put_text(b, "period", t->period);
	put_text(b, "limit_usd", t->limit_usd);
	put_text(b, "mode", t->mode);
	put_text(b, "until", t->until);
	put_ratios(b, t->warn_at);
	put_fallback(b, t->fallback);
	if (t->hard >= 0)
		put_bool(b, "hard", t->hard);
	if (t->each > 0)
		put_bool(b, "each", true);
	if (t->max_keys) {
		lg_buf_puts(b, ",\"max_keys\":");
		lg_buf_put_u64(b, t->max_keys);
	}
}

static int read_text(struct lg_conf *c, const struct lg_buf *text,
		     struct lg_conf_budget *b)
{
	struct lg_yaml_error e;
	struct lg_yaml *root;
	int err;

	if (text->overflow)
		return lg_conf_fail(c, NULL, "too long");
	err = lg_yaml_parse(lg_buf_slice(text), &c->arena, &root, &e);
	if (err == -EPROTO)
		return lg_conf_fail_at(c, 0, e.key, (struct lg_slice){NULL, 0},
				       e.what);
	if (err)
		return err;
	/* One line: a number before the message would say nothing. */
	for (struct lg_yaml *v = root->child; v; v = v->next) {
		v->line = 0;
		for (struct lg_yaml *k = v->child; k; k = k->next)
			k->line = 0;
	}
	return lg_conf_budget_read(c, root, true, b);
}

static int read_one(struct lg_conf *c, const struct lg_budget_text *t,
		    struct lg_buf *text)
{
	struct lg_conf_budget *b = lg_conf_budget_add(c);
	int err;

	if (!b)
		return -ENOMEM;
	text->len = 0;
	lg_buf_puts(text, "{\"op\":\"set\"");
	put_budget(text, t);
	lg_buf_putc(text, '}');
	err = read_text(c, text, b);
	if (!err)
		err = lg_conf_budget_finish(c, b, 0);
	if (err)
		return err;
	if (lg_conf_budget_find(c, b->name) != b)
		return lg_conf_fail_at(c, 0, LG_SLICE("name"),
				       lg_slice_str(b->name),
				       "another budget has this name");
	b->source = (uint8_t)t->source;
	b->since_ms = c->now_ms;
	return 0;
}

static int open_text(struct lg_conf **c, struct lg_buf *out,
		     struct lg_config_error *err)
{
	memset(err, 0, sizeof(*err));
	*c = lg_mem_alloc(sizeof(**c));
	if (!*c)
		return -ENOMEM;
	(*c)->err = err;
	(*c)->now_ms = lg_clock_real_ms();
	lg_conf_settings_default(&(*c)->settings);
	return lg_build_init(&(*c)->b, out);
}

static void close_text(struct lg_conf *c)
{
	if (!c)
		return;
	lg_yaml_arena_fini(&c->arena);
	lg_mem_free(c->budget, c->budgets_cap * sizeof(*c->budget));
	lg_build_fini(&c->b);
	lg_mem_free(c, sizeof(*c));
}

int lg_config_compile_budgets(const struct lg_budget_text *b, unsigned n,
			      struct lg_buf *out, struct lg_config_error *err)
{
	struct lg_conf *c;
	struct lg_buf text;
	int ret;

	lg_buf_init(&text, 16384);
	ret = open_text(&c, out, err);
	for (unsigned i = 0; i < n && !ret; i++)
		ret = read_one(c, &b[i], &text);
	if (!ret) {
		struct lg_img_span budgets = lg_conf_budgets_emit(c);

		lg_build_header(&c->b)->budgets = budgets;
		lg_build_header(&c->b)->settings = c->settings;
		ret = lg_build_finish(&c->b);
	}
	lg_buf_fini(&text);
	close_text(c);
	return ret;
}

static void put_line(struct lg_buf *text, const struct lg_budget_text *b,
		     enum lg_config_op op, int64_t ts_ms, const char *by)
{
	static const char *const ops[] = {"set", "rm", "raise"};
	struct lg_budget_text name = {.name = b->name, .hard = -1};

	lg_buf_puts(text, "{\"op\":\"");
	lg_buf_puts(text, ops[op]);
	lg_buf_puts(text, "\",\"ts\":\"");
	lg_buf_put_time(text, ts_ms);
	lg_buf_putc(text, '"');
	put_budget(text, op == LG_CONFIG_RM ? &name : b);
	put_text(text, "by", by);
	lg_buf_puts(text, "}\n");
}

int lg_config_budget_line(const struct lg_budget_text *b, enum lg_config_op op,
			  int64_t ts_ms, const char *by, struct lg_buf *out,
			  struct lg_config_error *err)
{
	struct lg_conf_budget *parsed = lg_mem_alloc(sizeof(*parsed));
	struct lg_buf text, scratch;
	struct lg_conf *c = NULL;
	int ret = -ENOMEM;

	lg_buf_init(&text, 16384);
	lg_buf_init(&scratch, 0);
	if (parsed)
		ret = open_text(&c, &scratch, err);
	if (!ret) {
		put_line(&text, b, op, ts_ms, by);
		ret = read_text(c, &text, parsed);
	}
	if (!ret && !parsed->name[0])
		ret = lg_conf_fail_at(c, 0, LG_SLICE("name"),
				      (struct lg_slice){NULL, 0}, "missing");
	if (!ret)
		ret = lg_buf_put(out, text.p, text.len);
	lg_buf_fini(&text);
	lg_buf_fini(&scratch);
	close_text(c);
	lg_mem_free(parsed, sizeof(*parsed));
	return ret;
}
