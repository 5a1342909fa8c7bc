#include "price_input.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "decimal.h"

const struct price_field price_fields[] = {
	{"provider", PRICE_ID, "Provider", false},
	{"input", PRICE_TOKENS, "Inference: input, USD per 1M tokens", false},
	{"output", PRICE_TOKENS, "Inference: output, USD per 1M tokens", false},
	{"cached_input", PRICE_TOKENS,
	 "Inference: input from the cache, USD per 1M tokens", false},
	{"training", PRICE_TOKENS, "Training: USD per 1M tokens", true},
	{"context_window", PRICE_COUNT, "Context window, tokens", false},
	{"max_output_tokens", PRICE_COUNT, NULL, false},
	{"effective_at", PRICE_TIME, "In force from", false},
	{"expires_at", PRICE_TIME, NULL, false},
	{"tier", PRICE_ID, NULL, false},
	{"variant", PRICE_TEXT, NULL, false},
	{"match", PRICE_TEXT, NULL, false},
	{"notes", PRICE_TEXT, NULL, false},
	{"price_version", PRICE_TEXT, NULL, false},
};
const unsigned price_nfields = sizeof(price_fields) / sizeof(price_fields[0]);

static const struct unit {
	const char *name, *tail; /* "per_1k" */
	int shift;		 /* to a million */
} units[] = {
	{"1m", "_per_1m", 0},
	{"1k", "_per_1k", 3},
	{"token", "_per_token", 6},
};

const struct price_field *price_field(const char *key)
{
	for (unsigned i = 0; i < price_nfields; i++)
		if (!strcmp(price_fields[i].key, key))
			return &price_fields[i];
	return NULL;
}

static const struct unit *find_unit(struct lg_slice name)
{
	for (unsigned i = 0; i < 3; i++)
		if (lg_slice_ieq(name, lg_slice_str(units[i].name)))
			return &units[i];
	return NULL;
}

/* "$0.0025 / 1k" or "0.0025 per 1k" to the number; its unit to *u. */
static struct lg_slice take_unit(struct lg_slice s, const struct unit **u)
{
	const char *at = memchr(s.p, '/', s.len);
	size_t skip = 1;

	if (!at) {
		at = memmem(s.p, s.len, " per ", 5);
		skip = 5;
	}
	if (at) {
		size_t n = (size_t)(at - s.p);

		*u = find_unit(lg_slice_trim(
			(struct lg_slice){at + skip, s.len - n - skip}));
		s.len = n;
		s = lg_slice_trim(s);
	}
	if (s.len && s.p[0] == '$') {
		s.p++;
		s.len--;
	}
	return s;
}

static int to_million(struct lg_slice s, const struct unit *u,
		      char out[DECIMAL_TEXT], const char **why)
{
	*why = "allowed: US dollars, 0 or more, like 2.5 or 0.0025/1k or "
	       "2.5e-6/token";
	if (!u || !decimal_is(s) || decimal_is_negative(s) ||
	    decimal_shift(s, u->shift, out))
		return -EINVAL;
	*why = "allowed: at most 1000000 US dollars per million";
	if (decimal_cmp(lg_slice_str(out), LG_SLICE("1000000")) > 0)
		return -EINVAL;
	*why = "allowed: at most 12 decimals per million";
	s = lg_slice_str(out);
	if (strchr(out, '.') && strlen(strchr(out, '.')) > 13)
		return -EINVAL;
	return 0;
}

static int put_tokens(struct doc_arena *a, struct doc *entry, const char *key,
		      const char *unit, struct lg_slice s, const char **why)
{
	const struct unit *u = unit ? find_unit(lg_slice_str(unit)) : &units[0];
	char text[DECIMAL_TEXT], name[64];
	int err;

	s = take_unit(s, &u);
	err = to_million(s, u, text, why);
	if (err)
		return err;
	snprintf(name, sizeof(name), "%s_per_1m", key);
	doc_add(a, entry, name, doc_new(a, DOC_NUMBER, text));
	return 0;
}

static bool is_id(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((s.p[i] >= 'a' && s.p[i] <= 'z') ||
		      (s.p[i] >= '0' && s.p[i] <= '9') ||
		      memchr("._-", s.p[i], 3)))
			return false;
	return s.len && s.len < 128;
}

static bool is_text(struct lg_slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return s.len <= 1024;
}

/* YYYY-MM-DD with an optional time; whether the day exists is checked when
 * the file is compiled. */
static bool is_time(struct lg_slice s)
{
	static const char form[] = "dddd-dd-dd";

	if (s.len < 10 || s.len > 40 || (s.len > 10 && s.p[10] != 'T'))
		return false;
	for (unsigned i = 0; i < 10; i++)
		if (form[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9'
				   : s.p[i] != '-')
			return false;
	return (s.p[5] - '0') * 10 + s.p[6] - '0' <= 12 &&
	       (s.p[8] - '0') * 10 + s.p[9] - '0' <= 31;
}

static int put_time(struct doc_arena *a, struct doc *entry, const char *key,
		    struct lg_slice s, const char **why)
{
	struct lg_buf b;
	char now[64];

	*why = "allowed: a date (2026-11-22), a time (2026-11-22T14:30:00Z), "
	       "now or always";
	if (lg_slice_ieq(s, LG_SLICE("always")))
		return 0;
	if (lg_slice_ieq(s, LG_SLICE("now"))) {
		lg_buf_init_fixed(&b, now, sizeof(now));
		lg_buf_put_time(&b, lg_clock_real_ms());
		s = lg_buf_slice(&b);
	}
	if (!is_time(s))
		return -EINVAL;
	doc_add(a, entry, key, doc_new_slice(a, DOC_STRING, s));
	return 0;
}

static int put_count(struct doc_arena *a, struct doc *entry, const char *key,
		     struct lg_slice s, const char **why)
{
	uint64_t n;

	*why = "allowed: a whole number, 1 to 999999999";
	if (lg_slice_u64(s, &n) || !n || n > 999999999)
		return -EINVAL;
	doc_add(a, entry, key, doc_new_slice(a, DOC_NUMBER, s));
	return 0;
}

int price_put(struct doc_arena *a, struct doc *entry,
	      const struct price_field *f, const char *unit, const char *text,
	      const char **why)
{
	struct lg_slice s = lg_slice_trim(lg_slice_str(text));

	if (!s.len)
		return 0;
	switch (f->kind) {
	case PRICE_TOKENS:
		return put_tokens(a, entry, f->key, unit, s, why);
	case PRICE_TIME:
		return put_time(a, entry, f->key, s, why);
	case PRICE_COUNT:
		return put_count(a, entry, f->key, s, why);
	case PRICE_ID:
		*why = "allowed: small letters, digits, . _ -";
		if (!is_id(s))
			return -EINVAL;
		break;
	case PRICE_TEXT:
		*why = "allowed: at most 1024 bytes without control characters";
		if (!is_text(s))
			return -EINVAL;
		break;
	}
	doc_add(a, entry, f->key, doc_new_slice(a, DOC_STRING, s));
	return 0;
}

bool price_has(const struct doc *entry, const struct price_field *f)
{
	char name[64];

	if (f->kind != PRICE_TOKENS)
		return doc_get(entry, f->key);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", f->key, units[i].tail);
		if (doc_get(entry, name))
			return true;
	}
	return false;
}

int price_put_rates(struct doc_arena *a, struct doc *entry, const char *list,
		    const char **why)
{
	struct lg_slice rest = lg_slice_str(list), one, key, value;
	char text[DECIMAL_TEXT], name[64];

	while (rest.len) {
		rest = lg_slice_cut(rest, ',', &one);
		value = lg_slice_trim(lg_slice_cut(one, '=', &key));
		key = lg_slice_trim(key);
		*why = "allowed: KEY=USD, with a comma between, like "
		       "reasoning_per_1m=3,web_search_per_1k=10";
		if (!key.len || !lg_slice_copy(key, name, sizeof(name)) ||
		    !decimal_is(value) || decimal_is_negative(value) ||
		    decimal_shift(value, 0, text))
			return -EINVAL;
		*why = "the same rate twice";
		if (doc_get(entry, name))
			return -EINVAL;
		doc_add(a, entry, name, doc_new(a, DOC_NUMBER, text));
	}
	return 0;
}

const char *price_missing(const struct doc *entry)
{
	bool in = price_has(entry, price_field("input"));
	bool out = price_has(entry, price_field("output"));
	const struct doc *v;

	if (in && out)
		return NULL;
	if (in || out)
		return in ? "output" : "input";
	for (v = entry->child; v; v = v->next)
		if (memmem(v->key.p, v->key.len, "_per_", 5))
			return NULL;
	return "input";
}
