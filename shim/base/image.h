#ifndef LG_BASE_IMAGE_H
#define LG_BASE_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"
#include "base/usage.h"

/*
 * The compiled image of settings and prices: position-independent, read by
 * mmap. An ABI like the region's: fixed widths, explicit padding, version.
 * config/ writes it; price/ and guard/ read it; it stands in base so that
 * these peers need not know each other. An image is untrusted until
 * lg_image_check() passed; after that all refs and spans lie inside it and
 * all strings are NUL-terminated.
 */
#define LG_IMAGE_MAGIC "LLMGIMG" /* 8 bytes with the NUL */
#define LG_IMAGE_VERSION 8u

struct lg_img_ref {
	uint32_t off; /* from the image's start; 0: absent */
	uint32_t len;
};

struct lg_img_span {
	uint32_t off; /* of the first element, 8-byte aligned */
	uint32_t n;   /* elements */
};

/* A file the image was built from (stat of it at that time). */
struct lg_img_source {
	struct lg_img_ref path;
	int64_t mtime_ns;
	int64_t size; /* -1: was absent */
	uint64_t ino;
};

enum lg_fail { LG_FAIL_OPEN, LG_FAIL_CLOSED };
enum lg_unknown { LG_UNKNOWN_CEILING, LG_UNKNOWN_BLOCK, LG_UNKNOWN_ALLOW };
enum lg_stream_usage { LG_STREAM_USAGE_OFF, LG_STREAM_USAGE_INJECT };
enum lg_patch { LG_PATCH_AUTO, LG_PATCH_OFF };
enum lg_http2 { LG_HTTP2_AUTO, LG_HTTP2_NATIVE, LG_HTTP2_OFF };
enum lg_durability {
	LG_DURABILITY_NONE,
	LG_DURABILITY_INTERVAL,
	LG_DURABILITY_EACH
};

/* tracking: {tag_required}: what a call without a tag meets. */
enum lg_tag_required { LG_TAG_NOT, LG_TAG_WARN, LG_TAG_BLOCK };

struct lg_img_settings {
	struct lg_img_ref timezone;	 /* IANA name; absent: /etc/localtime */
	struct lg_img_ref price_version; /* pinned version; absent: latest */
	uint64_t hold_max_bytes;
	uint32_t admit_wait_ms;
	uint8_t week_start;    /* 0 Monday .. 6 Sunday */
	uint8_t fail;	       /* enum lg_fail */
	uint8_t unknown_model; /* enum lg_unknown */
	uint8_t http2;	       /* enum lg_http2 */
	uint8_t durability;    /* enum lg_durability */
	uint8_t disabled;      /* guard: off */
	uint8_t stream_usage;  /* enum lg_stream_usage */
	uint8_t patch;	       /* enum lg_patch */
	uint8_t tag_required;  /* enum lg_tag_required */
	uint8_t pad[3];
	struct lg_img_ref default_tags; /* with commas */
	int64_t expensive_pusd;		/* told above it; 0: none is */
};

enum lg_period {
	LG_PERIOD_RUN,
	LG_PERIOD_HOURLY,
	LG_PERIOD_DAILY,
	LG_PERIOD_WEEKLY,
	LG_PERIOD_MONTHLY,
	LG_PERIOD_YEARLY,
	LG_PERIOD_TOTAL,
};

enum lg_scope_key {
	LG_SCOPE_GLOBAL,
	LG_SCOPE_PROJECT,
	LG_SCOPE_USER,
	LG_SCOPE_KEY,
	LG_SCOPE_MODEL,
	LG_SCOPE_PROVIDER,
	LG_SCOPE_ENDPOINT,
	LG_SCOPE_TAG,
	LG_SCOPE_PHASE,
	LG_SCOPE_RUN,
	LG_SCOPE_CONVERSATION,
	LG_SCOPE_PROCESS,
	LG_SCOPE_UID,
	LG_SCOPE_EXPERIMENT,
	LG_SCOPE_KEYS
};

/* One term of a conjunction: key:pattern (glob). GLOBAL has no pattern. */
struct lg_img_term {
	struct lg_img_ref pattern;
	uint32_t key; /* enum lg_scope_key */
	uint32_t pad;
};

enum lg_mode { LG_MODE_ADAPTIVE, LG_MODE_STRICT };
enum lg_action_kind {
	LG_ACTION_BLOCK,
	LG_ACTION_WARN,
	LG_ACTION_CLAMP,
	LG_ACTION_FALLBACK,
	LG_ACTION_LOCAL,
	LG_ACTION_THROTTLE,
	LG_ACTION_STOP,
};

/* What a local model server speaks. */
enum lg_img_speech {
	LG_SPEECH_OPENAI, /* chat completions */
	LG_SPEECH_OLLAMA, /* Ollama's own API */
};
#define LG_LOCAL_SPEECH 0xffu	   /* of an action's n */
#define LG_LOCAL_UNVERIFIED 0x100u /* whoever answers is believed */

struct lg_img_action {
	struct lg_img_ref arg;	 /* model of fallback, URL of local */
	struct lg_img_ref only;	 /* globs of models it is for, one a line;
				    empty: all */
	uint32_t kind;		 /* enum lg_action_kind */
	uint32_t n;		 /* clamp: least tokens, throttle: longest ms,
				    local: enum lg_img_speech, flags */
	struct lg_img_ref model; /* local: asked for there; empty: as asked */
	struct lg_img_ref ca;	 /* local: file of certificates; empty: the
				    system's */
};

enum lg_budget_source {
	LG_SOURCE_CONFIG,
	LG_SOURCE_LIVE,
	LG_SOURCE_ENV,
};

#define LG_WARN_MAX 8

struct lg_img_budget {
	struct lg_img_ref name;
	struct lg_img_ref scope;    /* canonical text, its identity */
	struct lg_img_span terms;   /* lg_img_term, all must match */
	struct lg_img_span on_soft; /* lg_img_action, in order */
	struct lg_img_span on_hard;
	int64_t limit_pusd;
	int64_t since_ms;		/* of the config file or live change */
	int64_t until_ms;		/* 0: no end */
	int64_t raised_pusd;		/* of the limit, for a while */
	int64_t raised_until_ms;	/* its next end, 0: none */
	uint64_t config_id;		/* hash of the config's path */
	uint32_t warn_ppm[LG_WARN_MAX]; /* ascending, ratio * 1e6 */
	uint32_t warns;
	uint32_t soft_ppm; /* on_soft.at */
	uint32_t max_keys; /* of each: true */
	uint8_t period;	   /* enum lg_period */
	uint8_t mode;	   /* enum lg_mode */
	uint8_t hard;
	uint8_t each;
	uint8_t source; /* enum lg_budget_source */
	uint8_t pad[7];
};

/* hosts: {x: openai}: more guarded hosts; pattern is a glob. */
struct lg_img_host {
	struct lg_img_ref pattern;
	struct lg_img_ref dialect; /* family: openai anthropic gemini ... */
};

/* plain_http: a name, or an address of which `bits` bits count. */
struct lg_img_plain {
	struct lg_img_ref pattern; /* glob; absent: the address */
	uint8_t addr[16];	   /* IPv4 in IPv6's form */
	uint16_t port;		   /* 0: any */
	uint8_t bits;		   /* 0 to 128 */
	uint8_t pad[5];
};

/* programs: allow or deny; with a slash of the path, else of a name. */
struct lg_img_program {
	struct lg_img_ref pattern; /* glob */
	uint8_t deny;
	uint8_t pad[7];
};

enum lg_img_phase {
	LG_IMG_PHASE_UNSAID,
	LG_IMG_PHASE_INFER,
	LG_IMG_PHASE_TRAIN
};

/* models: how a model is priced where its name does not say it. */
struct lg_img_rule {
	struct lg_img_ref match;      /* glob over the model's name */
	struct lg_img_ref host;	      /* glob; absent: any */
	struct lg_img_ref pricing_id; /* "openai/gpt-4o"; absent: as named */
	struct lg_img_ref price_version;
	uint8_t free;
	uint8_t fine_tuned;
	uint8_t phase; /* enum lg_img_phase */
	uint8_t pad[5];
};

/* Rates: picodollars per 1,000,000 tokens, or per 1,000,000 units. */
#define LG_RATE_ABSENT INT64_MIN

struct lg_img_tier {	       /* long-context step ("cliff") */
	uint64_t above_tokens; /* strictly more total input tokens */
	int64_t rate[LG_BUCKETS];
};

enum lg_match_op {
	LG_MATCH_EQUALS, /* all without regard to ASCII case */
	LG_MATCH_STARTS,
	LG_MATCH_ENDS,
	LG_MATCH_CONTAINS,
	LG_MATCH_GLOB,
	LG_MATCH_PATTERN, /* a glob in which '#' stands for a digit */
};

struct lg_img_atom {
	struct lg_img_ref text;
	uint32_t op; /* enum lg_match_op */
	uint32_t pad;
};

/* One alternative: all of its atoms hold. An entry matches when any does. */
struct lg_img_clause {
	struct lg_img_span atoms; /* lg_img_atom */
};

/* What a place costs: of several the first that fits. */
struct lg_img_geo {
	struct lg_img_ref where; /* glob over the place; "regional": any but
				    global */
	uint32_t ppm;		 /* factor of all token rates, times 1e6 */
	uint32_t pad;
};

struct lg_img_price {
	struct lg_img_ref provider;
	struct lg_img_ref model;      /* canonical catalog name */
	struct lg_img_ref pricing_id; /* "provider/model[:variant]" */
	struct lg_img_ref price_version;
	struct lg_img_ref tier; /* "" standard, batch flex priority */
	struct lg_img_ref variant;
	struct lg_img_ref notes;
	struct lg_img_ref source;   /* where the figure is from */
	struct lg_img_ref operator; /* who entered it */
	struct lg_img_span match;   /* lg_img_clause; n 0: model name only */
	struct lg_img_span tiers;   /* lg_img_tier, ascending */
	struct lg_img_span geo;	    /* lg_img_geo, the provider's included */
	int64_t added_at_ms;	    /* when it was entered; INT64_MIN: unsaid */
	int64_t effective_at_ms;    /* INT64_MIN: always */
	int64_t expires_at_ms;	    /* INT64_MAX: never */
	uint64_t context_window;    /* tokens, 0 unknown */
	uint64_t max_output_tokens; /* tokens, 0 unknown */
	int64_t rate[LG_BUCKETS];
	uint16_t tod_start_min; /* UTC minute of day; 0xffff: all day */
	uint16_t tod_end_min;
	uint32_t group;	      /* entries of this model from here on; 0:
				 not the first of its group */
	uint32_t factor_ppm;  /* of a service tier that is a multiple of the
				 standard rates; 0: rates of its own */
	uint32_t min_seconds; /* least seconds charged of a call */
	uint8_t estimate;
	uint8_t unpriced; /* known by name alone */
	uint8_t geo_own;  /* geo is the entry's, not its provider's */
	uint8_t pad[5];
};

/*
 * A slot of the open-addressed table of exact names: "provider/name" in lower
 * case, for a model's own name, its exact aliases and its pricing_id; and
 * "provider/" for the provider itself. The number of slots is a power of two;
 * probing is linear.
 */
struct lg_img_name {
	struct lg_img_ref text; /* off 0: an empty slot */
	uint32_t hash;		/* lg_img_hash(text) */
	uint32_t price;		/* index of the group's first entry; of a
				   provider: its index */
};

/*
 * The rules by which a model is found that no exact name stands for: one for
 * each clause that lg_img_name does not know. By provider, in file order.
 */
struct lg_img_matcher {
	uint64_t pairs;		  /* lg_img_pairs of all that it asks for */
	struct lg_img_span atoms; /* of the clause */
	uint32_t price;		  /* index of the group's first entry */
	uint32_t pad;
};

/* A provider whose prices are asked where another one has none. */
struct lg_img_fallback {
	struct lg_img_ref id;
	struct lg_img_span geo; /* lg_img_geo, in place of the entry's */
	uint8_t geo_own;	/* geo was given */
	uint8_t estimate;	/* what is found there is one */
	uint8_t pad[6];
};

/* A provider: one for each that has a price or a rule. */
struct lg_img_provider {
	struct lg_img_ref id;
	struct lg_img_span fallbacks; /* lg_img_fallback, asked in order */
	uint32_t price, nprices;      /* its part of prices */
	uint32_t matcher, nmatchers;  /* its part of matchers */
	int64_t fine_tuned_rate[LG_BUCKETS]; /* absent: the model's own */
};

struct lg_image {
	char magic[8];
	uint32_t version;
	uint32_t header_size; /* sizeof(struct lg_image) */
	uint64_t size;	      /* of the whole image */
	uint32_t crc;	      /* CRC-32C of all after this header */
	uint32_t pad;
	int64_t built_ms;
	struct lg_img_settings settings;
	struct lg_img_span sources;    /* lg_img_source */
	struct lg_img_span budgets;    /* lg_img_budget, sorted by name */
	struct lg_img_span hosts;      /* lg_img_host */
	struct lg_img_span rules;      /* lg_img_rule, first match wins */
	struct lg_img_span plain;      /* lg_img_plain */
	struct lg_img_span programs;   /* lg_img_program */
	struct lg_img_span providers;  /* lg_img_provider */
	struct lg_img_span prices;     /* lg_img_price, by provider, then model,
					  each in file order */
	struct lg_img_span names;      /* lg_img_name, a hash table */
	struct lg_img_span matchers;   /* lg_img_matcher */
	struct lg_img_ref config_path; /* absent: none */
};

/*
 * Is this a sound image? Checks magic, version, size, CRC and that every ref
 * and span lies inside. 0, -EPROTO (damaged), -ENOTSUP (another version).
 */
int lg_image_check(const void *p, size_t size);

static inline struct lg_slice lg_img_text(const struct lg_image *img,
					  struct lg_img_ref r)
{
	return (struct lg_slice){r.off ? (const char *)img + r.off : "", r.len};
}

/* Of lg_image.names: eight bytes at a time. */
static inline uint32_t lg_img_hash(struct lg_slice s)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = s.len * k, w;
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		memcpy(&w, s.p + i, 8);
		h = (h ^ w) * k;
		h ^= h >> 32;
	}
	w = 0;
	if (s.len > i)
		memcpy(&w, s.p + i, s.len - i);
	h = (h ^ w) * k;
	return (uint32_t)(h ^ h >> 32);
}

/*
 * The pairs of neighbouring bytes as a set of 64: what holds another text holds
 * its pairs.
 */
static inline uint64_t lg_img_pairs(struct lg_slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	uint64_t set = 0;

	for (size_t i = 1; i < s.len; i++)
		set |= UINT64_C(1) << ((p[i - 1] * 7u + p[i] * 11u) & 63);
	return set;
}

/* The array behind a span; T is its element type. */
#define LG_IMG_ARRAY(img, span, T)                                             \
	((const T *)(const void *)((const char *)(img) + (span).off))

#endif
