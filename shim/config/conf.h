#ifndef LG_CONFIG_CONF_H
#define LG_CONFIG_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "base/slice.h"
#include "config/config.h"
#include "config/build.h"
#include "config/yaml.h"

/*
 * What the files of this folder share while one image is compiled, and how
 * they read values out of a tree. Not for other folders.
 */
#define LG_CONF_NAME_MAX 128  /* a budget's name, a pattern, a model */
#define LG_CONF_SCOPE_MAX 512 /* a canonical scope */
#define LG_CONF_TERMS_MAX 8
#define LG_CONF_ACTIONS_MAX 8
#define LG_CONF_MIN_OUTPUT 16u /* clamp: min_output_tokens */
#define LG_CONF_DELAY_MS 2000u /* throttle: max_delay_ms */
#define LG_CONF_DELAY_MAX_MS 60000u
#define LG_CONF_BUDGETS_MAX 1024u
#define LG_CONF_FILE_MAX ((size_t)4 << 20)
#define LG_CONF_KEYS_DEFAULT 1024u /* max_keys */
#define LG_CONF_KEYS_MAX 65536u
#define LG_CONF_SOFT_PPM 800000u

struct lg_conf_term {
	uint32_t key;			/* enum lg_scope_key */
	char pattern[LG_CONF_NAME_MAX]; /* empty for global */
};

struct lg_conf_scope {
	struct lg_conf_term term[LG_CONF_TERMS_MAX];
	unsigned n;
	char text[LG_CONF_SCOPE_MAX]; /* canonical, the identity */
};

struct lg_conf_action {
	uint32_t kind; /* enum lg_action_kind */
	uint32_t n;
	char arg[LG_CONF_NAME_MAX];
	char only[LG_CONF_NAME_MAX];  /* globs, one a line */
	char model[LG_CONF_NAME_MAX]; /* of local */
	char ca[LG_CONF_NAME_MAX];    /* of local, a full path */
};

struct lg_conf_actions {
	struct lg_conf_action a[LG_CONF_ACTIONS_MAX];
	unsigned n;
	uint32_t at_ppm; /* 0: not given */
};

struct lg_conf_warns {
	uint32_t ppm[LG_WARN_MAX];
	unsigned n;
};

/* A budget while it is put together. Owns all of its text. */
struct lg_conf_budget {
	uint32_t set; /* bit i: key i of the table given */
	char name[LG_CONF_NAME_MAX];
	struct lg_conf_scope scope;
	struct lg_conf_actions soft, hard_actions;
	struct lg_conf_warns warns;
	int64_t limit_pusd;
	int64_t since_ms;
	int64_t until_ms;
	int64_t raised_pusd, raised_until_ms; /* part of the limit */
	uint32_t max_keys;
	uint8_t period, mode, hard, each, source;
	/* of a line of budgets.jsonl */
	uint8_t op;	   /* enum lg_config_op */
	uint8_t live_only; /* the config file has no such budget */
	int64_t ts_ms;
};

struct lg_conf {
	struct lg_build b;
	struct lg_yaml_arena arena;
	struct lg_config_error *err;
	const char *file; /* in messages */
	int64_t now_ms;
	struct lg_conf_budget *budget; /* nbudgets of budgets_cap */
	unsigned nbudgets, budgets_cap;
	int64_t config_mtime_ms; /* INT64_MIN: no config */
	uint64_t config_id;
	struct lg_img_source *source;
	unsigned nsources, sources_cap;
	struct lg_conf_prices *prices; /* catalog.c; NULL: none yet */
	struct lg_img_settings settings;
	struct lg_img_span hosts, rules, plain, programs;
};

/* -- conf.c: reading values; all return 0 or -EINVAL with err filled ------ */

/*
 * "file:line: key: value "x": what" into err; -EINVAL. line 0 leaves the line
 * out, v NULL the key and value.
 */
int lg_conf_fail(struct lg_conf *c, const struct lg_yaml *v, const char *what);
int lg_conf_fail_at(struct lg_conf *c, uint32_t line, struct lg_slice key,
		    struct lg_slice value, const char *what);

typedef int lg_conf_read_fn(struct lg_conf *c, const struct lg_yaml *v,
			    void *dst);

struct lg_conf_key {
	const char *name;
	lg_conf_read_fn *read;
	size_t off; /* into the struct that is read */
};

/*
 * Reads a map by its table: each key's value goes to dst + off; a key that is
 * not in the table is an error that lists the table; null values count as not
 * given. *set (may be NULL) gets bit i for keys[i]; n <= 32.
 */
int lg_conf_map(struct lg_conf *c, const struct lg_yaml *map,
		const struct lg_conf_key *keys, unsigned n, void *dst,
		uint32_t *set);

/* The same for one key of such a map. */
int lg_conf_one(struct lg_conf *c, const struct lg_yaml *v,
		const struct lg_conf_key *keys, unsigned n, void *dst,
		uint32_t *set);

/* One of names[0..n), its index to *dst. */
int lg_conf_enum(struct lg_conf *c, const struct lg_yaml *v,
		 const char *const *names, unsigned n, uint8_t *dst);

/* Text of a scalar: not empty, no control characters, at most max bytes. */
int lg_conf_text(struct lg_conf *c, const struct lg_yaml *v, size_t max,
		 struct lg_slice *dst);
/* A text of less than LG_CONF_NAME_MAX bytes. dst: char[LG_CONF_NAME_MAX]. */
lg_conf_read_fn lg_conf_name;
/* A glob of '*' and '?'. dst: char[LG_CONF_NAME_MAX]. */
int lg_conf_glob(struct lg_conf *c, const struct lg_yaml *v, char *dst);
/* true or false, to a uint8_t. */
lg_conf_read_fn lg_conf_bool;
/* 0..max. */
int lg_conf_u64(struct lg_conf *c, const struct lg_yaml *v, uint64_t max,
		uint64_t *dst);
/* Decimal USD, 0..max_pusd. */
int lg_conf_money(struct lg_conf *c, const struct lg_yaml *v, int64_t max_pusd,
		  const char *what, int64_t *dst);
/* A ratio above 0, at most 10, in millionths. */
lg_conf_read_fn lg_conf_ratio;
/* `about:`, a map that is kept for the user alone: nothing is read. */
lg_conf_read_fn lg_conf_about;
/* A date (00:00 UTC) or RFC 3339 time, to int64_t milliseconds. */
lg_conf_read_fn lg_conf_time;
/* The same on text. 0, -EINVAL. */
int lg_conf_parse_time(struct lg_slice s, int64_t *unix_ms);
/* Text into the image: dst is a struct lg_img_ref. */
lg_conf_read_fn lg_conf_ref;

/* -- scope.c ------------------------------------------------------------- */

/*
 * "project:x & model:gpt-4o*" to sorted, trimmed terms without duplicates.
 * 0, or -EINVAL with *why set to a static text.
 */
int lg_conf_scope_parse(struct lg_slice text, struct lg_conf_scope *out,
			const char **why);
/* Is this a glob we match? NULL, or the static reason why not. */
const char *lg_conf_glob_why(struct lg_slice pattern);

/* -- actions.c ----------------------------------------------------------- */

/* `on_soft:` and `on_hard:`: dst is a struct lg_conf_actions. */
lg_conf_read_fn lg_conf_soft, lg_conf_hard;
/* Into the image, in order. */
struct lg_img_span lg_conf_actions_emit(struct lg_conf *c,
					const struct lg_conf_actions *in);

/* -- budgets.c ----------------------------------------------------------- */

/* The list below `budgets:`. */
lg_conf_read_fn lg_conf_budgets;
/* One map; live: the keys of budgets.jsonl are known too. */
int lg_conf_budget_read(struct lg_conf *c, const struct lg_yaml *map, bool live,
			struct lg_conf_budget *b);
/* Fills what was not given, and checks the whole. line for messages. */
int lg_conf_budget_finish(struct lg_conf *c, struct lg_conf_budget *b,
			  uint32_t line);
/* By name among those read, or NULL. */
struct lg_conf_budget *lg_conf_budget_find(struct lg_conf *c, const char *name);
/* A zeroed place for one more, or NULL (too many, no memory). */
struct lg_conf_budget *lg_conf_budget_add(struct lg_conf *c);
/* `over` wins wherever it was given. */
void lg_conf_budget_merge(struct lg_conf_budget *b,
			  const struct lg_conf_budget *over);
/* Sort by name and put them into the image. */
struct lg_img_span lg_conf_budgets_emit(struct lg_conf *c);
bool lg_conf_budget_is_set(const struct lg_conf_budget *b, const char *key);
void lg_conf_budget_mark(struct lg_conf_budget *b, const char *key);

/* -- live.c: budgets.jsonl ----------------------------------------------- */

/* Fold the file's lines over the config's budgets. Bad lines are counted. */
int lg_conf_live(struct lg_conf *c, struct lg_slice text);

/* -- settings.c ---------------------------------------------------------- */

/* llmguard.yaml. Remembers `pricing.files` for the caller in *files. */
int lg_conf_settings(struct lg_conf *c, const struct lg_yaml *root,
		     const struct lg_yaml **files);
void lg_conf_settings_default(struct lg_img_settings *s);

/* -- catalog.c: price files ---------------------------------------------- */

#define LG_CONF_PRICES_MAX 65536u
#define LG_CONF_PROVIDERS_MAX 256u
#define LG_CONF_FACTOR_MAX_PPM 100000000u
#define LG_CONF_GEO_MAX 16
#define LG_CONF_FALLBACKS_MAX 16
#define LG_CONF_TIERS_MAX 4    /* long-context steps of an entry */
#define LG_CONF_SERVICES_MAX 6 /* service tiers of an entry */

/* A service tier: a multiple of the standard rates, or rates of its own. */
struct lg_conf_service {
	struct lg_img_ref tier;
	uint32_t ppm; /* 0: rates below */
	int64_t rate[LG_BUCKETS];
};

struct lg_conf_provider {
	struct lg_img_provider img;
	struct lg_img_span geo;	 /* lg_img_geo, where a model says nothing */
	int64_t fee[LG_BUCKETS]; /* units, where a model says nothing */
	struct lg_conf_service service[LG_CONF_SERVICES_MAX];
	unsigned nservices; /* where a model lists none: estimates */
};

struct lg_conf_prices {
	struct lg_img_price *e;
	uint32_t n, cap;
	struct lg_conf_provider *provider;
	unsigned nproviders;
};

/* The entries of one catalog file are added to c->prices. */
int lg_conf_catalog(struct lg_conf *c, const struct lg_yaml *root);
void lg_conf_catalog_fini(struct lg_conf *c);
/* One entry more; copies *e. 0, -ENOMEM, -EMSGSIZE. */
int lg_conf_price_add(struct lg_conf *c, const struct lg_img_price *e);
/* The standard entry `e` in another service tier, not yet added. */
void lg_conf_price_serve(struct lg_conf *c, const struct lg_img_price *e,
			 const struct lg_conf_service *s,
			 struct lg_img_price *out);

/* -- provider.c ---------------------------------------------------------- */

/* Ids and tier names are written in small letters: they are compared so. */
lg_conf_read_fn lg_conf_id;
/* `service_tiers:`, to s[*n] and on. */
int lg_conf_services(struct lg_conf *c, const struct lg_yaml *map,
		     struct lg_conf_service *s, unsigned *n);
/* One map of `providers:`; id: whose, where the map does not say it. */
int lg_conf_provider_read(struct lg_conf *c, const struct lg_yaml *map,
			  struct lg_img_ref id);
/* The provider's place in c->prices, a new one if need be; NULL: too many. */
struct lg_conf_provider *lg_conf_provider_get(struct lg_conf_prices *p,
					      struct lg_img_ref id);

/* -- plain.c ------------------------------------------------------------- */

/* `plain_http:` into c->plain. */
lg_conf_read_fn lg_conf_plain;

/* -- programs.c ---------------------------------------------------------- */

/* `programs:` into c->programs. */
lg_conf_read_fn lg_conf_programs;

/* -- reports.c ----------------------------------------------------------- */

/* `reports:`, which only `llmguard` reads, is checked. */
lg_conf_read_fn lg_conf_reports;

/* -- rates.c ------------------------------------------------------------- */

/* A factor in millionths, above 0 and at most 100, to a uint32_t. */
lg_conf_read_fn lg_conf_factor;
/* `geo: {us: 1.1}` into the image: dst is a struct lg_img_span. */
lg_conf_read_fn lg_conf_geo;
/* All absent. */
void lg_conf_rates_clear(int64_t rate[LG_BUCKETS]);
/*
 * Is v's key a rate ("input_per_1m", "input_per_1k", "input_per_token")? Then
 * 1 and the rate is set; 0 when it is another key; -EINVAL with err filled,
 * also when the rate stands there already.
 */
int lg_conf_rate(struct lg_conf *c, const struct lg_yaml *v,
		 int64_t rate[LG_BUCKETS]);
/* rate * ppm / 1e6, half-even; absent stays absent. */
int64_t lg_conf_rate_scale(int64_t rate, uint32_t ppm);
/* `match:` into clauses in the image: dst is a struct lg_img_span. */
lg_conf_read_fn lg_conf_match;

/* -- index.c ------------------------------------------------------------- */

/* Group, fill from the providers, index, and put all into the image. */
int lg_conf_catalog_emit(struct lg_conf *c);

/* -- file.c -------------------------------------------------------------- */

/*
 * A regular file of at most max bytes, into memory of lg_mem. Its stat goes to
 * *src (path left alone). 0, -ENOENT, -EISDIR, -EFBIG, other -errno.
 */
int lg_conf_file_read(const char *path, size_t max, struct lg_slice *text,
		      struct lg_img_source *src);
void lg_conf_file_free(struct lg_slice *text);
/* stat only; absent gives size -1. */
void lg_conf_file_stat(const char *path, struct lg_img_source *src);

#endif
