#ifndef LG_LLM_ADAPTER_H
#define LG_LLM_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/value.h"
#include "llm/dialect.h"
#include "llm/facts.h"

/*
 * What the adapters share. An adapter is first of all a table of places; the
 * id of a place is its meaning, and the meanings that all dialects know are
 * carried out here. One thread per object, no allocation.
 */
#define LG_WATCH(path, id)                                                     \
	{                                                                      \
		(path), (id), 0                                                \
	}
#define LG_WATCH_RAW(path, id)                                                 \
	{                                                                      \
		(path), (id), LG_FIELD_RAW                                     \
	}
#define LG_WATCH_CHARS(path, id)                                               \
	{                                                                      \
		(path), (id), LG_FIELD_CHARS                                   \
	}
#define LG_COUNT_OF(a) ((unsigned)(sizeof(a) / sizeof(*(a))))

/* No counter and no length is believed beyond this; sums of 48 fit. */
#define LG_COUNTER_MAX (UINT64_C(1) << 48)

/* -- requests ------------------------------------------------------------ */

enum lg_fact {
	LG_FACT_MODEL,
	LG_FACT_STREAM,
	LG_FACT_INCLUDE_USAGE,
	LG_FACT_MAX, /* output cap; of several the largest */
	LG_FACT_N,   /* choices; of several the largest */
	LG_FACT_USER,
	LG_FACT_SAFETY_ID, /* a user only where none is named */
	LG_FACT_TIER,
	LG_FACT_CONVERSATION,
	LG_FACT_PREVIOUS,
	LG_FACT_BACKGROUND,
	LG_FACT_THINKING,
	LG_FACT_TEXT,	      /* prompt text */
	LG_FACT_TOKEN,	      /* a prompt token given as a number */
	LG_FACT_CONTENT_TYPE, /* "image_url", "document", ... */
	LG_FACT_MIME,	      /* of inline data */
	LG_FACT_URL,	      /* data: is inline, others are remote */
	LG_FACT_REMOTE,	      /* names something on the server */
	LG_FACT_SOURCE,	      /* an object {type, data} */
	LG_FACT_SOURCE_TYPE,
	LG_FACT_SOURCE_DATA,
	LG_FACT_TOOL,
	LG_FACT_TOOL_TYPE,
	LG_FACT_SERVER_TOOL,
	LG_FACT_TTL,	/* of a cache_control */
	LG_FACT_GEO,	/* where it shall run */
	LG_FACT_DETAIL, /* of a picture: "low", "high" */
	LG_FACT_FILE,	/* an upload: its length is its size */
	LG_FACT_SOUND,	/* base64 of one */
	LG_FACT_SPOKEN, /* text to be spoken, with its characters */
	LG_FACT_QUALITY,
	LG_FACT_SIZE,
	LG_FACT_EFFORT,
	LG_FACT_STORE,
	LG_FACT_PICTURE, /* one, however it is given; a URL is remote */
	LG_FACT_UPLOAD,	 /* one in a form */
	LG_FACT_END,	 /* ids of one dialect begin here */
};

/* An adapter's on_request: id is an enum lg_fact. */
void lg_facts_apply(struct lg_facts *f, int id, const struct lg_value *v);

/* -- answers ------------------------------------------------------------- */

/* Ids below 48 are counters: the number there replaces a->raw[id]. */
enum lg_raw {
	LG_RAW_INPUT,
	LG_RAW_OUTPUT,
	LG_RAW_TOTAL,
	LG_RAW_CACHED,
	LG_RAW_WRITE, /* cache writes of unsaid duration */
	LG_RAW_WRITE_5M,
	LG_RAW_WRITE_1H,
	LG_RAW_REASONING,
	LG_RAW_TOOL_INPUT, /* input outside LG_RAW_INPUT */
	LG_RAW_AUDIO_IN,
	LG_RAW_IMAGE_IN,
	LG_RAW_VIDEO_IN,
	LG_RAW_AUDIO_CACHED,
	LG_RAW_IMAGE_CACHED,
	LG_RAW_AUDIO_OUT,
	LG_RAW_IMAGE_OUT,
	LG_RAW_COST,	 /* picodollars */
	LG_RAW_UPSTREAM, /* picodollars billed by somebody else */
	LG_RAW_BYOK,
	LG_RAW_APART,	 /* reasoning beside output and total */
	LG_RAW_CITATION, /* likewise */
	LG_RAW_SECONDS,
	LG_RAW_ODD,	  /* a counter could not be believed */
	LG_RAW_USAGE_END, /* what stands above goes with its object */
	/* web searches counted by us, and as the provider bills them */
	LG_RAW_WEB = LG_RAW_USAGE_END,
	LG_RAW_WEB_BILLED,
	LG_RAW_FILES, /* file searches */
	LG_RAW_GROUNDING,
	LG_RAW_CODE,	 /* runs of an interpreter */
	LG_RAW_IMAGES,	 /* pictures that came */
	LG_RAW_SPOKEN,	 /* characters */
	LG_RAW_SPEECH,	 /* tokens of sound, guessed */
	LG_RAW_GUESS,	 /* what goes in, guessed */
	LG_RAW_TIMED_IN, /* a server's own clockwork (llama.cpp) */
	LG_RAW_TIMED_CACHED,
	LG_RAW_TIMED_OUT,
	LG_RAW_FINISHED, /* a finish reason was seen */
	LG_RAW_SCRATCH,
	LG_RAW_SCRATCH2,
	LG_RAW_SCRATCH3,
	LG_RAW_SCRATCH4,
	LG_RAW_END = 48,
	/* and these, which are not counters */
	LG_ANSWER_MODEL = LG_RAW_END,
	LG_ANSWER_ID,
	LG_ANSWER_TIER,
	LG_ANSWER_TEXT,	   /* delivered */
	LG_ANSWER_THOUGHT, /* delivered reasoning */
	LG_ANSWER_ERROR,
	LG_ANSWER_FINISH,     /* a finish reason */
	LG_ANSWER_USAGE,      /* the usage object; watched with its raw text */
	LG_ANSWER_CACHED_TOO, /* another name of LG_RAW_CACHED: the larger */
	LG_ANSWER_COST,	      /* USD */
	LG_ANSWER_UPSTREAM,   /* USD */
	LG_ANSWER_TICKS,      /* 1e-10 USD */
	LG_ANSWER_BYOK,
	LG_ANSWER_ROOT,	   /* the whole value */
	LG_ANSWER_ID_TOO,  /* an id where there is no better */
	LG_ANSWER_WEB_TOO, /* another name of LG_RAW_WEB_BILLED: the larger */
	LG_ANSWER_SECONDS, /* a number that may have a fraction */
	LG_ANSWER_VARIANT,
	LG_ANSWER_CREATED, /* Unix time */
	LG_ANSWER_OWN,	   /* ids of one dialect begin here */
};

/* Carries out the shared meanings; ids of a dialect's own are ignored. */
void lg_answer_apply(struct lg_answer *a, int id, const struct lg_value *v);
/* In a body that is no stream the end of usage, or of all, is the last word. */
void lg_answer_whole(struct lg_answer *a, int id, const struct lg_value *v);

bool lg_raw_has(const struct lg_answer *a, enum lg_raw id);
void lg_raw_put(struct lg_answer *a, enum lg_raw id, uint64_t n);
void lg_raw_drop(struct lg_answer *a, enum lg_raw id);
/*
 * At the end of finish: where a counter was no believable number, the usage
 * is not the last word, whoever settles has to estimate.
 */
void lg_answer_distrust(struct lg_answer *a);
/* JSON without its white space and its length; "" and 0 if it does not fit. */
size_t lg_value_compact(const struct lg_value *v, char *dst, size_t cap);
/* Keep a JSON object as a->usage_raw, white space removed; "" if too long. */
void lg_answer_put_raw(struct lg_answer *a, const struct lg_value *v);

/* Take part out of *rest: what is there at most. Tells if it did not fit. */
bool lg_usage_split(uint64_t *rest, uint64_t part, struct lg_usage *u,
		    enum lg_bucket b);
/* The same for a counter; one that was not told leaves its bucket absent. */
bool lg_usage_split_raw(struct lg_answer *a, uint64_t *rest, enum lg_raw id,
			enum lg_bucket b);
/* Sets a bucket that has a value, leaves an unreported one absent. */
void lg_usage_put_raw(struct lg_answer *a, enum lg_bucket b, enum lg_raw id);

/*
 * LG_RAW_COST into the usage. With one's own key it is the gateway's fee, and
 * LG_RAW_UPSTREAM comes on top; where nobody tells that it is LG_USAGE_FEE.
 */
void lg_answer_provider_cost(struct lg_answer *a);

/* A number rounded half-even to a whole one. 0, -EINVAL, -ERANGE. */
int lg_value_round(const struct lg_value *v, uint64_t *out);
/* A USD literal in picodollars, rounded half-even. 0, -EINVAL, -ERANGE. */
int lg_value_cost(const struct lg_value *v, int64_t *pusd);

/* Is v a string with exactly this text? */
bool lg_value_is(const struct lg_value *v, const char *text);

/* -- the dialects -------------------------------------------------------- */

#define LG_DIALECT(name) extern const struct lg_dialect lg_##name;
#include "llm/dialects.def"
#undef LG_DIALECT

#endif
