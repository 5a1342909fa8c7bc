#ifndef LG_LLM_TRANSLATE_H
#define LG_LLM_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/tree.h"
#include "base/usage.h"

/*
 * What a request says and what an answer says, apart from how a dialect writes
 * it down: between any two dialects stand these two forms. Texts stay as they
 * stand between the quotes of a JSON string, escapes and all. One thread per
 * object; memory from base/mem.h. guard/translate.h is the way in.
 */

/* -- what is asked -------------------------------------------------------- */

enum lg_say_kind {
	LG_SAY_TEXT,
	LG_SAY_JSON,   /* a value, to be told as text: a tool's result */
	LG_SAY_IMAGE,  /* text: its base64, mime */
	LG_SAY_URL,    /* text: where a picture is */
	LG_SAY_CALL,   /* of a tool: id, name, value: its arguments */
	LG_SAY_RESULT, /* of one: id, name; what follows it with of_result */
};

enum lg_say_role { LG_SAY_SYSTEM, LG_SAY_USER, LG_SAY_ASSISTANT };

struct lg_say {
	uint8_t kind, role;
	bool first;	 /* begins a message */
	bool of_result;	 /* belongs to the RESULT before it */
	bool answered;	 /* a CALL without an id: its result was seen */
	uint32_t serial; /* in place of an id, 0: it has one */
	struct lg_slice text, mime, id, name;
	struct lg_at value; /* arguments: an object, or a string of JSON */
};

struct lg_say_tool {
	struct lg_slice name;
	struct lg_at description, schema;
	bool typed; /* the schema's types may be in capitals (Gemini) */
	bool strict;
};

enum lg_choice {
	LG_CHOICE_AUTO,
	LG_CHOICE_NONE,
	LG_CHOICE_ANY,
	LG_CHOICE_NAMED,
};

enum lg_format {
	LG_FORMAT_TEXT,
	LG_FORMAT_JSON,
	LG_FORMAT_SCHEMA,
};

#define LG_SAYS_MAX 16384
#define LG_SAY_TOOLS_MAX 1024

struct lg_ask {
	/* What the server takes besides; set before reading. */
	bool same;	 /* its dialect is the request's own: n, logprobs */
	bool takes_urls; /* pictures by their address */
	bool can_force;	 /* a call of a tool */

	const char *why; /* why it cannot be translated, NULL: it can */
	int err;

	bool stream;
	bool wants_usage; /* openai: a chunk of it */
	bool wants_thoughts;
	bool single_calls; /* not several at once */
	struct lg_at model, max, temperature, top_p, top_k, stop, seed;
	struct lg_at prompt; /* continued as it stands, of LG_ASK_RAW */
	bool raw;	     /* no chat: prompt alone */
	enum lg_choice choice;
	struct lg_slice chosen; /* of NAMED */
	enum lg_format format;
	struct lg_at schema; /* an object, or a string of JSON */
	struct lg_slice schema_name;
	bool schema_typed, schema_strict;

	struct lg_say *say;
	uint32_t nsay, say_cap;
	struct lg_say_tool *tool;
	uint32_t ntools, tools_cap;
	uint32_t serials;
	bool next_first;
	uint8_t role; /* of the message at hand */
};

void lg_ask_fini(struct lg_ask *a);
/* It cannot be said: the first reason stays. */
void lg_ask_cannot(struct lg_ask *a, const char *why);
/* The value has to be absent or null (or false). */
void lg_ask_without(struct lg_ask *a, struct lg_at at, const char *why);
void lg_ask_message(struct lg_ask *a, enum lg_say_role role);
/* NULL: no room, told in a->err. */
struct lg_say *lg_ask_say(struct lg_ask *a, enum lg_say_kind kind);
void lg_ask_text(struct lg_ask *a, struct lg_at text);
/* A "data:" URL, or another one. */
void lg_ask_picture(struct lg_ask *a, struct lg_at url);
/* A message of this role; system: its names, "a|b". False: none of ours. */
bool lg_ask_role(struct lg_ask *a, struct lg_at role, const char *system);
/* What the model called. NULL as above. */
struct lg_say *lg_ask_call(struct lg_ask *a, struct lg_at id, struct lg_at name,
			   struct lg_at value);
/* The same where calls may lack an id: results then find theirs in order. */
void lg_ask_open_call(struct lg_ask *a, struct lg_at id, struct lg_at name,
		      struct lg_at value);
/* What a call gave, the id being that of its oldest open call if it has none.
 */
bool lg_ask_result(struct lg_ask *a, struct lg_at id, struct lg_at name);
/* All from this one on belongs to the result before it. */
void lg_ask_of_result(struct lg_ask *a, uint32_t from);
/* function: has the name and the description. NULL as above. */
struct lg_say_tool *lg_ask_tool(struct lg_ask *a, struct lg_at function,
				struct lg_at schema);
/* The name of the tool whose call has this id; empty: none has. */
struct lg_slice lg_ask_name_of(const struct lg_ask *a, const struct lg_say *s);

/* The request for the server. model: decoded; empty: the request's own. */
void lg_ask_put_openai(struct lg_ask *a, struct lg_slice model,
		       struct lg_buf *out);
void lg_ask_put_ollama(struct lg_ask *a, struct lg_slice model,
		       struct lg_buf *out);

/* -- what is answered ----------------------------------------------------- */

enum lg_block {
	LG_BLOCK_NONE,
	LG_BLOCK_TEXT,
	LG_BLOCK_THOUGHT,
	LG_BLOCK_CALL,
};

enum lg_stop {
	LG_STOP_NONE, /* not said yet */
	LG_STOP_END,
	LG_STOP_LENGTH,
	LG_STOP_CALLS,
	LG_STOP_FILTER,
};

#define LG_REPLY_CALLS_MAX 128
#define LG_REPLY_ITEMS_MAX (2 * LG_REPLY_CALLS_MAX + 2)
#define LG_REPLY_ID_MAX 64
#define LG_REPLY_NAME_MAX 128

struct lg_reply_call {
	char id[LG_REPLY_ID_MAX]; /* as between quotes */
	char name[LG_REPLY_NAME_MAX];
	size_t from, len; /* its arguments, in r->args; as between quotes */
};

/* A block of an answer that is kept, in their order. */
struct lg_reply_item {
	uint8_t block; /* enum lg_block */
	unsigned call;
	size_t from, len; /* of TEXT, in r->text */
};

/* How the values of a streamed answer stand one behind the other. */
enum lg_framing {
	LG_FRAMING_SSE,	  /* data alone */
	LG_FRAMING_NAMED, /* with event: */
	LG_FRAMING_LINES,
	LG_FRAMING_ARRAY,
	LG_FRAMING_AWS,
};

struct lg_reply;

/* How a dialect is written. All but `whole` are of streams. */
struct lg_voice {
	enum lg_framing framing;
	void (*begin)(struct lg_reply *r);
	/* r->block is open now; of a CALL r->call is told. */
	void (*open)(struct lg_reply *r);
	/* A piece of it, as between quotes. */
	void (*piece)(struct lg_reply *r, struct lg_slice raw);
	void (*close)(struct lg_reply *r);
	void (*end)(struct lg_reply *r);
	/* The whole answer in one value; appends to r->json. */
	void (*whole)(struct lg_reply *r);
	/*
	 * An error's object, appended to r->json; message as between quotes.
	 * in_stream: as a stream's last value.
	 */
	void (*error)(struct lg_reply *r, unsigned status,
		      struct lg_slice message, bool in_stream);
	const char *error_event; /* its name in a stream, NULL: none */
	bool error_bare;	 /* in SSE it stands without "data:" */
	bool keeps;		 /* a stream's end tells all of it again */
};

struct lg_reply {
	const struct lg_voice *voice; /* NULL: nothing is told */
	bool stream;
	bool wants_usage, wants_thoughts;
	/* One value of a stream, NULL name: none. */
	void (*emit)(void *ctx, const char *name, struct lg_slice json);
	void *ctx;

	int64_t now_ms;
	uint64_t seed;
	char model[256]; /* as between quotes */
	bool begun, ended, failed;
	unsigned failed_status;
	enum lg_block block;
	unsigned index;	   /* blocks so far; of the one at hand */
	unsigned sequence; /* events so far, where they are numbered */
	int server_call;   /* the server's number of the call at hand */
	enum lg_stop stop;
	struct lg_usage usage;
	int err; /* memory, or the room for all */

	struct lg_buf json; /* the value at hand */
	struct lg_buf text, thought, args;
	struct lg_buf scratch;
	struct lg_tree tree; /* of arguments */
	struct lg_reply_call *call;
	unsigned ncalls;
	struct lg_reply_item *item; /* of one that is kept */
	unsigned nitems;
};

void lg_reply_init(struct lg_reply *r, size_t max);
void lg_reply_fini(struct lg_reply *r);

/* A server's value: a whole body or one of a stream's. */
void lg_reply_read_openai(struct lg_reply *r, struct lg_at v);
void lg_reply_read_ollama(struct lg_reply *r, struct lg_at v);
/* No more comes; whole: nothing was cut off. */
void lg_reply_end(struct lg_reply *r, bool whole);
/* The answer ends as an error; message as between quotes. */
void lg_reply_fail(struct lg_reply *r, unsigned status,
		   struct lg_slice message);

/* For the voices. r->json is emitted and emptied. */
void lg_reply_emit(struct lg_reply *r, const char *name);
/* An id of n letters and digits (at most 63), the same for the same k. */
void lg_reply_put_id(const struct lg_reply *r, struct lg_buf *out,
		     const char *prefix, unsigned k, unsigned n);
/* The call at hand, NULL: none was. */
static inline const struct lg_reply_call *lg_reply_last(
	const struct lg_reply *r)
{
	return r->ncalls ? &r->call[r->ncalls - 1] : NULL;
}
/* Its arguments so far, as between quotes. */
static inline struct lg_slice lg_reply_args(const struct lg_reply *r,
					    const struct lg_reply_call *c)
{
	struct lg_slice none = {"", 0};

	return c->len ? (struct lg_slice){r->args.p + c->from, c->len} : none;
}
/* The arguments of a call as an object: "{}" if empty. */
void lg_reply_put_object(struct lg_reply *r, const struct lg_reply_call *c);
uint64_t lg_reply_input(const struct lg_reply *r); /* cached ones, too */
uint64_t lg_reply_output(const struct lg_reply *r);

/*
 * JSON by a pattern: %s text of C, %r a slice as it stands, %q one as between
 * quotes (cleaned, quotes put around), %t the same without them, %j bytes as a
 * string, %u uint64_t, %d unsigned, %b bool. Room is told by out->overflow.
 */
void lg_put(struct lg_buf *out, const char *pattern, ...);

/* -- the dialects --------------------------------------------------------- */

struct lg_speech {
	const char *dialect;
	/* The request, root: an object. target: of its head. */
	void (*read)(struct lg_ask *a, struct lg_at root,
		     struct lg_slice target);
	const struct lg_voice *voice;
	/* How a stream's values stand in it, where the target says it. */
	enum lg_framing (*framing)(struct lg_slice target);
	/* More head fields of an answer, of an error. NULL: none. */
	const char *(*fields)(unsigned status);
};

/* NULL: it is not translated. */
const struct lg_speech *lg_speech_of(const char *dialect);

extern const struct lg_speech lg_speech_openai_chat;
extern const struct lg_speech lg_speech_openai_completions;
extern const struct lg_speech lg_speech_openai_responses;
extern const struct lg_speech lg_speech_anthropic;
extern const struct lg_speech lg_speech_gemini;
extern const struct lg_speech lg_speech_bedrock;
extern const struct lg_speech lg_speech_ollama_chat;
extern const struct lg_speech lg_speech_ollama_generate;

#endif
