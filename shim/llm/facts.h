#ifndef LG_LLM_FACTS_H
#define LG_LLM_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usage.h"

#define LG_MODEL_MAX 128
#define LG_NAME_MAX 96

enum lg_request_type {
	LG_REQUEST_OTHER,
	LG_REQUEST_GENERATE,
	LG_REQUEST_EMBED,
	LG_REQUEST_IMAGE,
	LG_REQUEST_AUDIO,
	LG_REQUEST_RERANK,
	LG_REQUEST_BATCH,
	LG_REQUEST_TRAIN,
	LG_REQUEST_COUNT,
};

/* What a request says that money depends on. Plain data, no pointers. */
struct lg_facts {
	char model[LG_MODEL_MAX];	/* requested; "" when not said */
	char tier[24];			/* requested service tier */
	char variant[32];		/* picture's class: "hd/1024x1792" */
	char quality[12], size[16];	/* what it is made of */
	char effort[12];		/* how much it shall think */
	char geo[24];			/* where it shall run: "us" */
	char user[LG_NAME_MAX];		/* body's user / metadata.user_id */
	char conversation[LG_NAME_MAX]; /* body's conversation id */
	char previous_id[LG_NAME_MAX];	/* previous_response_id */
	uint64_t prompt_bytes;		/* decoded bytes of all prompt text */
	uint64_t body_bytes;
	uint64_t characters;	    /* of a text to be spoken */
	uint64_t file_bytes;	    /* of sound: uploaded or inline */
	uint64_t upload_bytes;	    /* of all files in a form */
	uint64_t max_output_tokens; /* valid when has_max */
	uint64_t reasoning_budget;  /* thinking budget, 0 unknown */
	uint32_t n;		    /* choices asked for, at least 1 */
	uint32_t images;
	uint32_t images_low; /* of these, in low detail */
	uint32_t audios;
	uint32_t tools;
	bool has_max;
	bool stream;
	bool include_usage;	/* stream_options.include_usage */
	bool include_usage_set; /* ... was said at all */
	bool background;
	bool unstored;	     /* store: false */
	bool cache_1h;	     /* a cache_control with ttl 1h */
	bool remote_refs;    /* things that stand on the server */
	uint32_t requests;   /* calls inside a batch, 0: no batch */
	bool server_tools;   /* web search and the like */
	bool unsized;	     /* says nothing of how much it will use */
	bool mixed;	     /* a batch for several models, model is one */
	uint32_t capped;     /* calls inside a batch that have a maximum */
	bool json_ok;	     /* body was one whole JSON value, or form */
	uint64_t scratch[2]; /* the adapter's own */
};

/*
 * Some answers bill several calls: Anthropic's iterations, the lines of a
 * batch's results. What stands in an answer when its adapter says DUE is one
 * part: the guard finishes and prices it under its own model, adds it to the
 * call and clears model, usage and counters, but not own and own_model. RESET:
 * a newer count replaces all parts so far. With at least one part, what no part
 * held is not billed; model, tier, geo and usage_final are the answer's as the
 * adapter leaves them after its last callback.
 */
enum lg_part { LG_PART_NONE, LG_PART_DUE, LG_PART_RESET };

/* What an answer said, gathered while it streams by. Plain data. */
struct lg_answer {
	char model[LG_MODEL_MAX];
	char id[LG_NAME_MAX];		 /* response id */
	char tier[24];			 /* served tier */
	char geo[24];			 /* where it ran: "us", "eu", "" */
	char variant[32];		 /* picture's class as served */
	char provider[LG_NAME_MAX];	 /* behind a gateway, as it says */
	char usage_raw[LG_NAME_MAX * 8]; /* provider's usage object, or "" */
	struct lg_usage usage;		 /* disjoint after finish() */
	uint64_t raw[48];		 /* adapter's own counters */
	uint64_t raw_has;		 /* which of them were told */
	uint64_t delivered_bytes;	 /* output text seen, decoded bytes */
	uint64_t delivered_reasoning_bytes;
	uint32_t events;  /* stream events seen */
	bool done;	  /* provider's last word was seen */
	bool error;	  /* error object or error event */
	bool usage_final; /* usage is the last word, not interim */
	bool cache_1h;	  /* set by the caller: the request's */
	bool pending;	  /* accepted, the work and its usage come later */
	bool failed;	  /* said that the work ended without a charge */
	bool from_gateway_cache; /* nobody was asked: actual 0 */
	bool background;	 /* usage of a call made earlier (later.h) */
	int64_t created_s;	 /* when that was, Unix time; 0 unknown */
	char output_id[64];	 /* file with the results of a batch */
	uint8_t part;		 /* enum lg_part, set by the adapter */
	uint32_t requests;	 /* of a batch: calls that were answered */
	uint64_t own[12];	 /* the adapter's, kept from part to part */
	char own_model[LG_MODEL_MAX]; /* likewise */
};

/* All zero but for n. */
void lg_facts_init(struct lg_facts *f);
/* All zero. */
void lg_answer_init(struct lg_answer *a);

#endif
