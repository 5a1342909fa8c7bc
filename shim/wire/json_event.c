#include "wire/json_event.h"

uint64_t lg_json_raw_begin(struct lg_json *j)
{
	if (j->cur == NONE ||
	    !(lg_json_node_of(j, j->cur)->flags & LG_FIELD_RAW))
		return NO_RAW;
	if (!j->raws++)
		j->raw_len = 0;
	return j->raw_len;
}

void lg_json_raw_end(struct lg_json *j, int id, uint64_t off)
{
	uint64_t stored = j->raw_len;
	struct lg_value v = {.type = LG_VALUE_RAW};

	if (off == NO_RAW)
		return;
	j->raws--;
	v.len = j->raw_len - off;
	if (stored > sizeof(j->raw)) {
		stored = sizeof(j->raw);
		v.truncated = true;
	}
	if (off < stored)
		v.text =
			(struct lg_slice){j->raw + off, (size_t)(stored - off)};
	j->fn(j->ctx, id, &v);
}

static void fire(struct lg_json *j, const struct lg_value *v)
{
	const struct lg_json_node *n;

	if (j->cur != NONE) {
		n = lg_json_node_of(j, j->cur);
		if (n->id >= 0)
			j->fn(j->ctx, n->id, v);
	}
	if (!j->deeps || v->type != LG_VALUE_STRING)
		return;
	for (unsigned i = 1; i <= j->tracked; i++) {
		n = lg_json_node_of(j, j->node[i]);
		if (n->deep)
			j->fn(j->ctx, lg_json_node_of(j, n->deep)->id, v);
	}
}

void lg_json_scalar_done(struct lg_json *j, const struct lg_value *v)
{
	fire(j, v);
	if (j->cur != NONE && j->raw_off[0] != NO_RAW) {
		lg_json_raw_end(j, lg_json_node_of(j, j->cur)->id,
				j->raw_off[0]);
		j->raw_off[0] = NO_RAW;
	}
	j->state = j->depth ? S_COMMA_OR_END : S_DONE;
}

void lg_json_scalar_begin(struct lg_json *j, bool is_string)
{
	j->len = j->tails = 0;
	j->count = false;
	j->keep = is_string && j->deeps;
	if (j->cur == NONE)
		return;
	j->keep |= lg_json_node_of(j, j->cur)->id >= 0;
	j->count = lg_json_node_of(j, j->cur)->flags & LG_FIELD_CHARS;
	j->raw_off[0] = lg_json_raw_begin(j);
}

void lg_json_text_event(struct lg_json *j, enum lg_value_type type)
{
	struct lg_value v = {.type = type, .len = j->len};

	v.chars = j->count ? j->len - j->tails : 0;
	v.truncated = j->len > sizeof(j->text);
	v.text.p = j->text;
	v.text.len = v.truncated ? sizeof(j->text) : (size_t)j->len;
	lg_json_scalar_done(j, &v);
}

void lg_json_text_whole(struct lg_json *j, const char *p, size_t n)
{
	struct lg_value v = {.type = LG_VALUE_STRING, .len = n};

	v.chars = j->count ? n - lg_json_tails(p, n) : 0;
	v.truncated = n > LG_VALUE_TEXT_MAX;
	v.text.p = p;
	v.text.len = v.truncated ? LG_VALUE_TEXT_MAX : n;
	lg_json_scalar_done(j, &v);
}
