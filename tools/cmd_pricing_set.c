#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "catalog_names.h"
#include "catalog_write.h"
#include "cmds.h"
#include "guard/engine.h"
#include "price/price.h"
#include "price_find.h"
#include "price_input.h"
#include "price_prompt.h"
#include "tool.h"

#define RATE(NAME, WHAT)                                                       \
	{NAME "-per-1m", 0, OPT_TEXT, "USD", WHAT " of a million tokens"},     \
		{NAME "-per-1k", 0, OPT_TEXT, "USD", WHAT " of a thousand"},   \
	{                                                                      \
		NAME "-per-token", 0, OPT_TEXT, "USD", WHAT " of one"          \
	}

enum {
	T_EFFECTIVE = 15, /* behind four rates in three units */
	T_RATES = 22,
	T_TRAINED,
	T_ESTIMATE,
	T_YES,
	T_FILE,
	T_SOURCE,
	T_JSON,
};

static const struct opt set_opts[] = {
	RATE("input", "price"),
	RATE("output", "price"),
	RATE("cached-input", "price from the cache"),
	RATE("training", "fine-tuning price"),
	{"provider", 'p', OPT_TEXT, "NAME", "whose model it is"},
	{"context-window", 0, OPT_TEXT, "TOKENS", "of the model"},
	{"max-output-tokens", 0, OPT_TEXT, "TOKENS", "of one answer"},
	{"effective-at", 0, OPT_TEXT, "TIME",
	 "a date or time, now or always; default: now, always for a model that "
	 "has no price yet"},
	{"expires-at", 0, OPT_TEXT, "TIME", "until then"},
	{"tier", 't', OPT_TEXT, "NAME", "service tier: batch, flex, priority"},
	{"variant", 0, OPT_TEXT, "NAME", "a second list, like fine-tuned"},
	{"match", 'm', OPT_TEXT, "GLOB", "other names of the model"},
	{"notes", 0, OPT_TEXT, "TEXT", "kept with the price"},
	{"price-version", 0, OPT_TEXT, "VERSION", "a label to pin it by"},
	[T_RATES] = {"rates", 0, OPT_TEXT, "LIST",
		     "other rates: reasoning_per_1m=3,web_search_per_1k=10"},
	[T_TRAINED] = {"training", 0, OPT_FLAG, NULL,
		       "ask for the fine-tuning price too"},
	[T_ESTIMATE] = {"estimate", 0, OPT_FLAG, NULL,
			"rows say that the price is an estimate"},
	[T_YES] = {"yes", 'y', OPT_FLAG, NULL, "do not ask before writing"},
	[T_FILE] = {"file", 0, OPT_TEXT, "FILE",
		    "the price file; default: the first of pricing.files, else "
		    "one in the state folder"},
	[T_SOURCE] = {"source", 0, OPT_TEXT, "manual|api|default",
		      "who knows it; default: manual"},
	[T_JSON] = OPT_JSON,
	OPT_END,
};

/* The option, else LLMGUARD_PRICE_<OPTION>. */
static const char *given(const struct call *c, unsigned i, char name[64])
{
	const char *o = set_opts[i].name, *text;
	unsigned n = (unsigned)snprintf(name, 64, "--%s", o);

	if (c->v[i].set)
		return c->v[i].text;
	n = (unsigned)snprintf(name, 64, "LLMGUARD_PRICE_%s", o);
	for (unsigned k = 15; k < n; k++)
		name[k] = name[k] == '-' ? '_'
			  : name[k] >= 'a' && name[k] <= 'z'
				  ? (char)(name[k] - 32)
				  : name[k];
	text = getenv(name);
	return text && *text ? text : NULL;
}

/* "cached-input-per-1k" is the field cached_input in the unit 1k. */
static const struct price_field *field_of(const char *option, const char **unit)
{
	char key[64];
	char *tail;

	snprintf(key, sizeof(key), "%s", option);
	for (char *p = key; *p; p++)
		if (*p == '-')
			*p = '_';
	tail = strstr(key, "_per_");
	*unit = tail ? strstr(option, "-per-") + 5 : NULL;
	if (tail)
		*tail = 0;
	return price_field(key);
}

static int take(struct call *c, struct doc_arena *a, struct doc *entry)
{
	const struct price_field *f;
	const char *text, *unit, *why;
	char name[64];

	for (unsigned i = 0; i < T_RATES; i++) {
		text = given(c, i, name);
		if (!text)
			continue;
		f = field_of(set_opts[i].name, &unit);
		if (price_has(entry, f))
			return tool_usage(c->cmd, "%s %s: given twice", name,
					  text);
		if (price_put(a, entry, f, unit, text, &why))
			return tool_usage(c->cmd, "%s %s: %s", name, text, why);
	}
	text = given(c, T_RATES, name);
	if (text && price_put_rates(a, entry, text, &why))
		return tool_usage(c->cmd, "%s %s: %s", name, text, why);
	if (c->v[T_ESTIMATE].set)
		doc_add(a, entry, "estimate", doc_new(a, DOC_BOOL, "true"));
	return -1;
}

static int check_model(struct call *c)
{
	struct lg_slice s = lg_slice_str(c->argv[0]);
	char text[128];

	if (!s.len || !lg_slice_copy(s, text, sizeof(text)))
		return tool_usage(c->cmd,
				  "MODEL %.200s: allowed: 1 to 127 bytes "
				  "without control characters",
				  c->argv[0]);
	return -1;
}

/* What is known of the model: its provider, and that it has a price. */
static struct doc *hints_of(struct call *c, struct lg_engine *e,
			    struct doc_arena *a, const struct doc *entry)
{
	struct doc *h = doc_new(a, DOC_MAP, NULL);
	struct price_find q = {
		.provider = doc_text(doc_get(entry, "provider")),
		.model = lg_slice_str(c->argv[0]),
	};
	struct lg_price p;
	bool known = price_find(lg_engine_catalog(e), &q, &p) &&
		     p.how == LG_PRICE_EXACT_NAME;

	if (known && p.entry && !q.provider.len)
		doc_add(a, h, "provider",
			doc_new_slice(a, DOC_STRING,
				      lg_img_text(p.img, p.entry->provider)));
	doc_add(a, h, "effective_at",
		doc_new(a, DOC_STRING, known ? "now" : "always"));
	return h;
}

static void show(const struct doc *entry)
{
	struct lg_buf b;

	lg_buf_init(&b, 65536);
	catalog_put_entry(&b, entry);
	fwrite(b.p, 1, b.len, stderr);
	lg_buf_fini(&b);
}

/* -1: the entry is whole. */
static int complete(struct call *c, struct doc_arena *a, struct doc *entry,
		    const struct doc *hints)
{
	const char *provider = doc_text(doc_get(entry, "provider")).p, *why;
	const char *missing = *provider ? price_missing(entry) : "provider";
	char text[64], name[64];

	if (missing && !price_can_ask()) {
		snprintf(text, sizeof(text), "%s%s", missing,
			 strcmp(missing, "provider") ? "'s price" : "");
		price_tell_how(*provider ? provider : NULL, c->argv[0], text);
		return EXIT_USAGE;
	}
	if (missing && price_prompt(a, entry, hints, c->v[T_TRAINED].set))
		return tool_fail("cancelled, nothing was written");
	if (!missing && !doc_get(entry, "effective_at") &&
	    !given(c, T_EFFECTIVE, name))
		price_put(a, entry, price_field("effective_at"), NULL,
			  doc_text(doc_get(hints, "effective_at")).p, &why);
	return -1;
}

static int write_entry(struct call *c, struct lg_engine *e, struct doc_arena *a,
		       struct doc *entry)
{
	const char *source =
		c->v[T_SOURCE].set ? c->v[T_SOURCE].text : "manual";
	char file[4096];
	struct lg_buf b;
	int ret;

	catalog_inherit_names(e, a, entry);
	if (catalog_user_file(e, c->v[T_FILE].text, file, sizeof(file)))
		return tool_fail("the price file's path is too long");
	if (!c->v[T_YES].set && price_can_ask()) {
		show(entry);
		if (!price_confirm("Write this price?"))
			return tool_fail("cancelled, nothing was written");
	}
	ret = catalog_enter(e, a, file, &entry, 1, source);
	if (ret != EXIT_OK)
		return ret;
	if (!c->v[T_JSON].set) {
		printf("%s/%s: written to %s\n",
		       doc_text(doc_get(entry, "provider")).p,
		       doc_text(doc_get(entry, "model")).p, file);
		return EXIT_OK;
	}
	lg_buf_init(&b, 65536);
	doc_put_json(&b, entry, 0);
	lg_buf_putc(&b, '\n');
	return tool_print(&b);
}

static int set(struct call *c)
{
	struct doc_arena a = {0};
	struct doc *entry = doc_new(&a, DOC_MAP, NULL);
	struct lg_engine *e;
	int ret = check_model(c);

	if (ret >= 0)
		return ret;
	doc_add(&a, entry, "model", doc_new(&a, DOC_STRING, c->argv[0]));
	ret = take(c, &a, entry);
	if (ret < 0)
		ret = tool_open(&e);
	if (ret >= 0) {
		doc_arena_fini(&a);
		return ret;
	}
	ret = complete(c, &a, entry, hints_of(c, e, &a, entry));
	if (ret < 0)
		ret = write_entry(c, e, &a, entry);
	lg_engine_close(e);
	doc_arena_fini(&a);
	return ret;
}

const struct cmd cmd_pricing_set = {
	.name = "pricing set",
	.args = "MODEL",
	.summary = "enter a price: asked for at a terminal, or by options",
	.about =
		"Appends an entry to your price file; the old prices stay, so "
		"that old calls keep\ntheir price. What is not given as an "
		"option is taken from LLMGUARD_PRICE_<OPTION>\n(like "
		"LLMGUARD_PRICE_INPUT_PER_1M), else asked for on the terminal. "
		"Where nobody can\nbe asked, or with "
		"LLMGUARD_PRICING_NONINTERACTIVE=1, what is missing is an "
		"error\n(exit 2). Who entered it, when and how (source) stands "
		"in the entry and in the\nledger.",
	.opts = set_opts,
	.min_args = 1,
	.max_args = 1,
	.run = set,
};
