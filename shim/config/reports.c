#include "config/conf.h"

#include <string.h>

#define FORMATS_MAX 8u
#define BY_MAX 8u
#define PATH_LEN 1024
#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char *const formats[] = {"csv", "json", "html", "xlsx", "pdf"};
/* What `llmguard report --by` knows. */
static const char *const groupings[] = {
	"model",
	"project",
	"tag",
	"user",
	"endpoint",
	"provider",
	"phase",
	"conversation",
	"hour",
	"day",
	"week",
	"month",
	"year",
	"weekday",
	"hour_of_day",
	"request_type",
	"model_requested",
	"key",
	"run",
	"experiment",
	"process",
	"host",
	"dialect",
	"tier",
	"verdict",
	"reason",
	"status",
	"coverage",
	"usage_state",
	"price_state",
	"cache_hit",
	"flag",
	"estimate",
};

/* One of the names, or a list of at most max of them. */
static int read_names(struct lg_conf *c, const struct lg_yaml *v,
		      const char *const *names, unsigned n, unsigned max)
{
	uint8_t i;
	int err = 0;

	if (v->kind != LG_YAML_LIST)
		return lg_conf_enum(c, v, names, n, &i);
	if (v->n > max)
		return lg_conf_fail(c, v, "must be at most 8 of them");
	for (v = v->child; v && !err; v = v->next)
		err = lg_conf_enum(c, v, names, n, &i);
	return err;
}

static int read_formats(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	(void)dst;
	return read_names(c, v, formats, N(formats), FORMATS_MAX);
}

static int read_by(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	(void)dst;
	return read_names(c, v, groupings, N(groupings), BY_MAX);
}

static int read_dir(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s;

	(void)dst;
	return lg_conf_text(c, v, PATH_LEN, &s);
}

/* A file's name without its end; it has to differ from month to month. */
static int read_name(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	struct lg_slice s, rest, word;
	int err = lg_conf_text(c, v, 100, &s);

	(void)dst;
	if (err)
		return err;
	if (memchr(s.p, '/', s.len) || s.p[0] == '.')
		return lg_conf_fail(c, v,
				    "must be a file's name, without / and "
				    "without . at its begin");
	rest = s;
	while (memchr(rest.p, '{', rest.len)) {
		rest = lg_slice_cut(rest, '{', &word);
		rest = lg_slice_cut(rest, '}', &word);
		if (!lg_slice_eq(word, LG_SLICE("month")) &&
		    !lg_slice_eq(word, LG_SLICE("user")))
			return lg_conf_fail(c, v,
					    "allowed in braces: {month}, "
					    "{user}");
	}
	if (!lg_slice_icontains(s, LG_SLICE("{month}")))
		return lg_conf_fail(c, v,
				    "must have {month} in it, or each month "
				    "overwrites the one before");
	return 0;
}

static int read_chart(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	uint8_t yes;

	(void)dst;
	return lg_conf_bool(c, v, &yes);
}

int lg_conf_reports(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const struct lg_conf_key keys[] = {
		{"formats", read_formats, 0}, {"dir", read_dir, 0},
		{"name", read_name, 0},	      {"by", read_by, 0},
		{"chart", read_chart, 0},
	};

	return lg_conf_map(c, v, keys, N(keys), dst, NULL);
}
