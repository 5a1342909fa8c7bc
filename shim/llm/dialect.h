#ifndef LG_LLM_DIALECT_H
#define LG_LLM_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "base/value.h"
#include "llm/facts.h"

/*
 * One adapter per wire dialect, all behind the table lg_dialects[]. An
 * adapter is watched fields plus what they mean; it does no I/O, allocates
 * nothing, and never sees a byte that is not valid JSON text. All functions:
 * one thread per object.
 */

/* Why a request was refused, for the error object of the dialect. */
struct lg_refusal {
	struct lg_slice budget, scope, period, reason;
	struct lg_slice provider, model, tier;
	int64_t spent_pusd, held_pusd, limit_pusd, estimate_pusd;
	int64_t resets_at_ms;		 /* 0: does not reset */
	int32_t retry_after_s;		 /* < 0: no retry-after header */
	bool should_retry;		 /* x-should-retry */
	const struct lg_slice *remedies; /* plain sentences */
	unsigned nremedies;
	bool cut; /* not the request: the rest of its streamed answer */
};

struct lg_dialect {
	const char *name;   /* the row's `dialect`: "openai-chat" */
	const char *family; /* hosts: value: openai, anthropic ... */
	enum lg_request_type type;

	/*
	 * How a streamed answer is framed where its Content-Type does not say
	 * it. Of text/event-stream and application/vnd.amazon.eventstream the
	 * type decides.
	 */
	bool lines;   /* one JSON value a line: Ollama, Cohere v1, batches */
	bool wrapped; /* a frame's payload is {"bytes": base64 of JSON} */
	/*
	 * The path's model says more than the answer's (where it runs): the
	 * price is that of the path's where it has one.
	 */
	bool path_prices;

	/* The field of a request's head that asks for a tier. NULL: none. */
	const char *tier_field;

	/* Request body, JSON. */
	const struct lg_field *request_fields;
	unsigned nrequest_fields;
	void (*on_request)(struct lg_facts *f, int id,
			   const struct lg_value *v);

	/*
	 * For a request that is rewritten: its member with the model (a path's
	 * model is found by its route), and the largest output where none is
	 * said yet: cap_at; cap_also instead where its object stands already;
	 * cap_own at OpenAI itself and Azure, which take the old name for old
	 * models alone. cap_beside has to be there, or nothing is put in. A cap
	 * that is said stands at a LG_FACT_MAX of request_fields. NULL: none.
	 */
	const char *model_at;
	const char *cap_at, *cap_also, *cap_own, *cap_beside;

	/*
	 * multipart/form-data requests: the parts' names as paths ("model"),
	 * told to on_request as strings. A file's part is told as a string
	 * whose len is its size, with no text. NULL: not understood.
	 */
	const struct lg_field *form_fields;
	unsigned nform_fields;

	/*
	 * Where other things than text are billed: the units and the output
	 * tokens that a request will probably use; with worst, what it cannot
	 * exceed. False with worst: nothing bounds it. Buckets that have no
	 * price cost nothing: it may name what is one or the other. NULL: text
	 * alone is billed.
	 */
	bool (*expect)(const struct lg_facts *f, bool worst,
		       struct lg_usage *u);

	/*
	 * At the head of a final answer below status 300: what the answer will
	 * not repeat of the request. NULL: nothing.
	 */
	void (*begin)(struct lg_answer *a, const struct lg_facts *f);

	/* One header field of the final answer's head. NULL: of no interest. */
	void (*on_header)(struct lg_answer *a, struct lg_slice name,
			  struct lg_slice value);

	/* Whole JSON response body. */
	const struct lg_field *response_fields;
	unsigned nresponse_fields;
	void (*on_response)(struct lg_answer *a, int id,
			    const struct lg_value *v);

	/* One SSE event's data, a JSON value; NULL fields: not streamed. */
	const struct lg_field *event_fields;
	unsigned nevent_fields;
	void (*on_event)(struct lg_answer *a, int id, const struct lg_value *v);
	/*
	 * After an event: its name (event:, or :event-type of a frame, with
	 * :exception-type as "exception") and whether data was "[DONE]". After
	 * a line: no name.
	 */
	void (*end_event)(struct lg_answer *a, struct lg_slice name,
			  bool done_marker);

	/*
	 * Raw counters into disjoint a->usage, after the last byte or, for a
	 * running figure, at any time before (it only reads the counters).
	 */
	void (*finish)(struct lg_answer *a);

	/*
	 * More head fields of a refusal, each with its CRLF. NULL: none. And
	 * whether clients sleep as long as a retry-after says, be it weeks: it
	 * is then told in the body alone.
	 */
	const char *refusal_fields;
	bool sleepers;
	/* The JSON error body of a refusal. 0 or -EMSGSIZE. */
	int (*error_body)(const struct lg_refusal *r, struct lg_buf *out);

	/*
	 * How a stream ends that is cut at the limit: one JSON value in the
	 * stream's framing. cut_body writes it (NULL: error_body does),
	 * cut_event is the SSE event's name (NULL: none), cut_bare: in SSE it
	 * stands alone, without "data: ".
	 */
	int (*cut_body)(const struct lg_refusal *r, struct lg_buf *out);
	const char *cut_event;
	bool cut_bare;
};

extern const struct lg_dialect *const lg_dialects[];
extern const unsigned lg_ndialects;

const struct lg_dialect *lg_dialect_by_name(struct lg_slice name);
/* The human sentence of a refusal, shared by every error_body. */
int lg_refusal_message(const struct lg_refusal *r, struct lg_buf *out);
/* The same as a JSON string. */
int lg_refusal_put_message(const struct lg_refusal *r, struct lg_buf *out);
/* The `llmguard: {...}` object (design 10.22) as JSON. */
int lg_refusal_object(const struct lg_refusal *r, struct lg_buf *out);
/* How an error_body ends: 0, or -EMSGSIZE where something did not fit. */
int lg_refusal_end(const struct lg_buf *out);

/* Seconds of sound in file_bytes, guessed at 128 kbit/s; at least 1 if any. */
uint64_t lg_facts_seconds_estimate(const struct lg_facts *f);
/* Input tokens guessed from prompt text: ceil(bytes / 4 * 1.15), + 1200 an
 * image. */
uint64_t lg_facts_input_estimate(const struct lg_facts *f);
/* The same where a token is not 4 bytes but ratio / 1024 of them (not 0). */
uint64_t lg_facts_input_by_ratio(const struct lg_facts *f, uint32_t ratio);
/* Output tokens guessed from delivered text: ceil(bytes / 4), at least 1 if
 * any. */
uint64_t lg_answer_output_estimate(const struct lg_answer *a);

#endif
