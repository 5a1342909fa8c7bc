#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "llm/translate.h"

void lg_reply_init(struct lg_reply *r, size_t max)
{
	*r = (struct lg_reply){.server_call = -1};
	lg_buf_init(&r->json, max);
	lg_buf_init(&r->text, max);
	lg_buf_init(&r->thought, max);
	lg_buf_init(&r->args, max);
	lg_buf_init(&r->scratch, max);
}

void lg_reply_fini(struct lg_reply *r)
{
	lg_buf_fini(&r->json);
	lg_buf_fini(&r->text);
	lg_buf_fini(&r->thought);
	lg_buf_fini(&r->args);
	lg_buf_fini(&r->scratch);
	lg_tree_fini(&r->tree);
	if (r->call)
		lg_mem_free(r->call, LG_REPLY_CALLS_MAX * sizeof(*r->call));
	if (r->item)
		lg_mem_free(r->item, LG_REPLY_ITEMS_MAX * sizeof(*r->item));
	r->call = NULL;
	r->item = NULL;
}

uint64_t lg_reply_input(const struct lg_reply *r)
{
	return r->usage.n[LG_BUCKET_INPUT] + r->usage.n[LG_BUCKET_CACHE_READ];
}

uint64_t lg_reply_output(const struct lg_reply *r)
{
	return r->usage.n[LG_BUCKET_OUTPUT] + r->usage.n[LG_BUCKET_REASONING];
}

void lg_reply_put_id(const struct lg_reply *r, struct lg_buf *out,
		     const char *prefix, unsigned k, unsigned n)
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct lg_hash128 h = {0};
	unsigned i;

	lg_buf_puts(out, prefix);
	for (i = 0; i < n; i++) {
		uint64_t key[2] = {r->seed, (uint64_t)k << 32 | i};

		if (i % 10 == 0)
			h = lg_hash128(key, sizeof(key), 0);
		lg_buf_putc(out, letters[h.a % 62]);
		h.a /= 62;
	}
}

void lg_reply_emit(struct lg_reply *r, const char *name)
{
	if (r->json.overflow)
		r->err = -EMSGSIZE;
	else if (!r->err)
		r->emit(r->ctx, name, lg_buf_slice(&r->json));
	r->json.len = 0;
	r->sequence++;
}

/* JSON without line breaks, which would end an event or a line. */
static void put_in_line(struct lg_buf *out, struct lg_slice json)
{
	size_t from = out->len, i;

	lg_tree_put_clean(out, json);
	for (i = from; i < out->len; i++)
		if (out->p[i] == '\n' || out->p[i] == '\r')
			out->p[i] = ' ';
}

void lg_reply_put_object(struct lg_reply *r, const struct lg_reply_call *c)
{
	struct lg_slice raw = lg_reply_args(r, c);

	if (!c->len) {
		lg_buf_puts(&r->json, "{}");
		return;
	}
	r->scratch.len = 0;
	lg_tree_put_decoded(&r->scratch, raw);
	if (!lg_tree_parse(&r->tree, lg_buf_slice(&r->scratch)) &&
	    lg_at_type(lg_tree_root(&r->tree)) == LG_TREE_OBJECT)
		put_in_line(&r->json, lg_at_raw(lg_tree_root(&r->tree)));
	else
		lg_put(&r->json, "{\"INVALID_JSON\":%q}", raw);
}

/* -- the blocks ----------------------------------------------------------- */

static bool tells(const struct lg_reply *r)
{
	return r->voice && r->stream;
}

static void begin(struct lg_reply *r)
{
	if (r->begun)
		return;
	r->begun = true;
	if (tells(r) && r->voice->begin)
		r->voice->begin(r);
}

/* Is the answer kept until its end? */
static bool keeps(const struct lg_reply *r)
{
	return r->voice && (!r->stream || r->voice->keeps);
}

static void item_begin(struct lg_reply *r, enum lg_block block)
{
	size_t size = LG_REPLY_ITEMS_MAX * sizeof(*r->item);

	if (!keeps(r) || block == LG_BLOCK_THOUGHT)
		return;
	if (!r->item)
		r->item = lg_mem_alloc(size);
	if (!r->item || r->nitems == LG_REPLY_ITEMS_MAX) {
		r->err = r->item ? -EMSGSIZE : -ENOMEM;
		return;
	}
	r->item[r->nitems++] = (struct lg_reply_item){
		.block = (uint8_t)block,
		.call = r->ncalls - 1,
		.from = r->text.len,
	};
}

static void close_block(struct lg_reply *r)
{
	struct lg_reply_item *it = r->nitems ? &r->item[r->nitems - 1] : NULL;

	if (r->block == LG_BLOCK_NONE)
		return;
	if (it && r->block == LG_BLOCK_TEXT)
		it->len = r->text.len - it->from;
	if (tells(r) && r->voice->close)
		r->voice->close(r);
	r->block = LG_BLOCK_NONE;
	r->index++;
}

static void open_block(struct lg_reply *r, enum lg_block block)
{
	begin(r);
	close_block(r);
	r->block = block;
	item_begin(r, block);
	if (tells(r) && r->voice->open)
		r->voice->open(r);
}

static void say(struct lg_reply *r, enum lg_block block, struct lg_slice raw)
{
	struct lg_buf *to = block == LG_BLOCK_TEXT ? &r->text : &r->thought;

	if (!raw.len || (block == LG_BLOCK_THOUGHT && !r->wants_thoughts))
		return;
	if (r->block != block)
		open_block(r, block);
	if (keeps(r) && lg_tree_put_clean(to, raw))
		r->err = -EMSGSIZE;
	if (tells(r))
		r->voice->piece(r, raw);
}

/* What every dialect takes for one. */
static bool is_id(struct lg_slice s)
{
	size_t i;

	for (i = 0; i < s.len; i++) {
		char c = s.p[i], low = c | 0x20;

		if (!(c >= '0' && c <= '9') && !(low >= 'a' && low <= 'z') &&
		    c != '_' && c != '-')
			return false;
	}
	return s.len && s.len < LG_REPLY_ID_MAX;
}

/* A new call; false: there is no room for it. */
static bool open_call(struct lg_reply *r, struct lg_at id, struct lg_at name)
{
	size_t size = LG_REPLY_CALLS_MAX * sizeof(*r->call);
	struct lg_reply_call *c;
	struct lg_buf b;

	if (!r->call)
		r->call = lg_mem_alloc(size);
	if (!r->call || r->ncalls == LG_REPLY_CALLS_MAX) {
		r->err = r->call ? -EMSGSIZE : -ENOMEM;
		return false;
	}
	close_block(r);
	c = &r->call[r->ncalls++];
	*c = (struct lg_reply_call){.from = r->args.len};
	lg_buf_init_fixed(&b, c->id, sizeof(c->id) - 1);
	if (is_id(lg_at_str(id))) {
		lg_buf_put(&b, lg_at_str(id).p, lg_at_str(id).len);
	} else {
		lg_reply_put_id(r, &b, "call_", 1000 + r->ncalls, 24);
	}
	c->id[b.len] = 0;
	lg_buf_init_fixed(&b, c->name, sizeof(c->name) - 1);
	if (lg_tree_put_clean(&b, lg_at_str(name)))
		r->err = -EMSGSIZE;
	c->name[b.len] = 0;
	open_block(r, LG_BLOCK_CALL);
	return true;
}

static void call_piece(struct lg_reply *r, struct lg_slice raw)
{
	if (!raw.len || !r->voice || r->block != LG_BLOCK_CALL)
		return;
	if (lg_tree_put_clean(&r->args, raw))
		r->err = -EMSGSIZE;
	r->call[r->ncalls - 1].len = r->args.len - r->call[r->ncalls - 1].from;
	if (tells(r))
		r->voice->piece(r, raw);
}

void lg_reply_fail(struct lg_reply *r, unsigned status, struct lg_slice message)
{
	bool in_stream = r->begun && r->stream;

	if (r->ended)
		return;
	r->ended = r->failed = true;
	r->failed_status = status;
	if (!r->voice)
		return;
	r->json.len = 0;
	r->voice->error(r, status, message, in_stream);
	if (in_stream)
		lg_reply_emit(r, r->voice->error_event);
}

void lg_reply_end(struct lg_reply *r, bool whole)
{
	if (r->ended)
		return;
	if (!whole || (!r->stop && !r->begun)) {
		lg_reply_fail(r, 502,
			      LG_SLICE("the local model server ended its "
				       "answer early"));
		return;
	}
	begin(r);
	close_block(r);
	if (r->stop <= LG_STOP_END)
		r->stop = r->ncalls ? LG_STOP_CALLS : LG_STOP_END;
	r->ended = true;
	if (!r->voice)
		return;
	if (r->stream)
		r->voice->end(r);
	else
		r->voice->whole(r);
}

/* -- what the servers say ------------------------------------------------- */

static void read_model(struct lg_reply *r, struct lg_at v)
{
	struct lg_slice name = lg_at_str(lg_at_get(v, "model"));
	struct lg_buf b;

	if (r->begun || !name.len || name.len >= sizeof(r->model))
		return;
	lg_buf_init_fixed(&b, r->model, sizeof(r->model) - 1);
	lg_tree_put_clean(&b, name);
	r->model[b.len] = 0;
}

/* {"error": "text"}, {"error": {"message": "text"}} */
static bool read_error(struct lg_reply *r, struct lg_at v)
{
	struct lg_at e = lg_at_get(v, "error"), m = lg_at_get(e, "message");
	uint64_t code = lg_at_u64(lg_at_get(e, "code"));

	if (!lg_at_says(e))
		return false;
	if (lg_at_type(m) == LG_TREE_STRING)
		e = m;
	lg_reply_fail(r, code >= 400 && code < 600 ? (unsigned)code : 500,
		      lg_at_type(e) == LG_TREE_STRING
			      ? lg_at_str(e)
			      : LG_SLICE("the local model server failed"));
	return true;
}

#define COUNT_MAX (UINT64_C(1) << 48)

static uint64_t count(struct lg_at v)
{
	uint64_t n = lg_at_u64(v);

	return n < COUNT_MAX ? n : COUNT_MAX;
}

static void put_usage(struct lg_reply *r, struct lg_at in, struct lg_at out,
		      uint64_t cached, uint64_t thought)
{
	uint64_t nin = count(in), nout = count(out);

	if (!lg_at_says(in) && !lg_at_says(out))
		return;
	cached = cached < nin ? cached : nin;
	thought = thought < nout ? thought : nout;
	r->usage = (struct lg_usage){.flags = LG_USAGE_PRESENT};
	lg_usage_set(&r->usage, LG_BUCKET_INPUT, nin - cached);
	lg_usage_set(&r->usage, LG_BUCKET_CACHE_READ, cached);
	lg_usage_set(&r->usage, LG_BUCKET_OUTPUT, nout - thought);
	lg_usage_set(&r->usage, LG_BUCKET_REASONING, thought);
}

static void openai_usage(struct lg_reply *r, struct lg_at u)
{
	struct lg_at in = lg_at_get(u, "prompt_tokens_details");
	struct lg_at out = lg_at_get(u, "completion_tokens_details");

	put_usage(r, lg_at_get(u, "prompt_tokens"),
		  lg_at_get(u, "completion_tokens"),
		  count(lg_at_get(in, "cached_tokens")),
		  count(lg_at_get(out, "reasoning_tokens")));
}

static void mixed_up(struct lg_reply *r)
{
	lg_reply_fail(r, 502,
		      LG_SLICE("the local model server mixed up the calls of "
			       "tools"));
}

/* Arguments as a string of JSON, or as they are. */
static void call_arguments(struct lg_reply *r, struct lg_at args)
{
	if (lg_at_type(args) == LG_TREE_STRING)
		return call_piece(r, lg_at_str(args));
	if (!lg_at_says(args))
		return;
	r->scratch.len = 0;
	lg_tree_put_escaped(&r->scratch, lg_at_raw(args));
	call_piece(r, lg_buf_slice(&r->scratch));
}

/*
 * A piece of a call. In a stream it has its number and only the first one the
 * name; whole ones may have no number.
 */
static void openai_call(struct lg_reply *r, struct lg_at c)
{
	struct lg_at f = lg_at_get(c, "function"), index, args;
	bool named = lg_at_str(lg_at_get(f, "name")).len != 0;
	int n = r->server_call;

	index = lg_at_get(c, "index");
	args = lg_at_get(f, "arguments");
	if (lg_at_says(index))
		n = (int)(lg_at_u64(index) & 0xffff);
	else if (named)
		n++;
	if (n > r->server_call) {
		if (!named)
			return mixed_up(r);
		if (!open_call(r, lg_at_get(c, "id"), lg_at_get(f, "name")))
			return;
		r->server_call = n;
	} else if (n < r->server_call || r->block != LG_BLOCK_CALL) {
		if (lg_at_raw(args).len > 2)
			mixed_up(r);
		return;
	}
	call_arguments(r, args);
}

static void openai_content(struct lg_reply *r, struct lg_at c)
{
	struct lg_at p;

	say(r, LG_BLOCK_TEXT, lg_at_str(c));
	if (lg_at_type(c) != LG_TREE_ARRAY)
		return;
	for (p = lg_at_first(c); lg_at_is(p); p = lg_at_next(c, p))
		say(r, LG_BLOCK_TEXT, lg_at_str(lg_at_get(p, "text")));
}

static void openai_stop(struct lg_reply *r, struct lg_at v)
{
	if (!lg_at_says(v))
		return;
	if (lg_at_text_is(v, "length"))
		r->stop = LG_STOP_LENGTH;
	else if (lg_at_text_is(v, "tool_calls|function_call"))
		r->stop = LG_STOP_CALLS;
	else if (lg_at_text_is(v, "content_filter"))
		r->stop = LG_STOP_FILTER;
	else
		r->stop = LG_STOP_END;
}

static void openai_message(struct lg_reply *r, struct lg_at m)
{
	struct lg_at calls = lg_at_get(m, "tool_calls"), c;

	say(r, LG_BLOCK_THOUGHT,
	    lg_at_str(lg_at_get(m, "reasoning_content|reasoning")));
	openai_content(r, lg_at_get(m, "content"));
	say(r, LG_BLOCK_TEXT, lg_at_str(lg_at_get(m, "refusal")));
	for (c = lg_at_first(calls); lg_at_is(c) && !r->ended;
	     c = lg_at_next(calls, c))
		openai_call(r, c);
}

void lg_reply_read_openai(struct lg_reply *r, struct lg_at v)
{
	struct lg_at choice = lg_at_first(lg_at_get(v, "choices"));

	if (r->ended || read_error(r, v))
		return;
	if (lg_at_type(v) != LG_TREE_OBJECT)
		return;
	read_model(r, v);
	if (lg_at_is(choice)) {
		begin(r);
		openai_message(r, lg_at_get(choice, "delta|message"));
		openai_stop(r, lg_at_get(choice, "finish_reason"));
	}
	if (lg_at_says(lg_at_get(v, "usage")))
		openai_usage(r, lg_at_get(v, "usage"));
}

static void ollama_call(struct lg_reply *r, struct lg_at c)
{
	struct lg_at f = lg_at_get(c, "function");

	if (!open_call(r, lg_at_get(c, "id"), lg_at_get(f, "name")))
		return;
	if (lg_at_says(lg_at_get(f, "arguments")))
		call_arguments(r, lg_at_get(f, "arguments"));
	else
		call_piece(r, LG_SLICE("{}"));
}

void lg_reply_read_ollama(struct lg_reply *r, struct lg_at v)
{
	struct lg_at m = lg_at_get(v, "message"), calls, c;

	if (r->ended || read_error(r, v))
		return;
	if (lg_at_type(v) != LG_TREE_OBJECT)
		return;
	read_model(r, v);
	if (!lg_at_is(m) && !lg_at_is(lg_at_get(v, "response")))
		return;
	begin(r);
	say(r, LG_BLOCK_THOUGHT, lg_at_str(lg_at_get(m, "thinking")));
	say(r, LG_BLOCK_TEXT, lg_at_str(lg_at_get(m, "content")));
	say(r, LG_BLOCK_TEXT, lg_at_str(lg_at_get(v, "response")));
	calls = lg_at_get(m, "tool_calls");
	for (c = lg_at_first(calls); lg_at_is(c); c = lg_at_next(calls, c))
		ollama_call(r, c);
	if (!lg_at_is_true(lg_at_get(v, "done")))
		return;
	r->stop = lg_at_text_is(lg_at_get(v, "done_reason"), "length")
			  ? LG_STOP_LENGTH
			  : LG_STOP_END;
	put_usage(r, lg_at_get(v, "prompt_eval_count"),
		  lg_at_get(v, "eval_count"), 0, 0);
}
