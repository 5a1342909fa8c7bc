#include "llm/facts.h"

#include <string.h>

#include "llm/adapter.h"

/* Bytes of prompt that a token given by its number stands for. */
#define TOKEN_BYTES 4

/* A second of sound, as most files are coded: 128 kbit/s. */
#define SOUND_BYTES 16000

void lg_facts_init(struct lg_facts *f)
{
	memset(f, 0, sizeof(*f));
	f->n = 1;
}

static void add_to(uint64_t *sum, uint64_t n)
{
	uint64_t room = LG_COUNTER_MAX - *sum;

	*sum += n < room ? n : room;
}

static void add_bytes(struct lg_facts *f, uint64_t n)
{
	add_to(&f->prompt_bytes, n);
}

static bool is_present(const struct lg_value *v)
{
	switch (v->type) {
	case LG_VALUE_NULL:
	case LG_VALUE_END:
	case LG_VALUE_RAW:
		return false;
	case LG_VALUE_BOOL:
		return v->boolean;
	case LG_VALUE_STRING:
		return v->len > 0;
	default:
		return true;
	}
}

static void set_text(char *dst, size_t cap, const struct lg_value *v)
{
	if (v->type == LG_VALUE_STRING)
		lg_slice_copy(v->text, dst, cap);
}

static void set_max(struct lg_facts *f, const struct lg_value *v)
{
	uint64_t n;

	if (lg_value_u64(v, &n) || n > LG_COUNTER_MAX)
		return;
	if (!f->has_max || n > f->max_output_tokens)
		f->max_output_tokens = n;
	f->has_max = true;
}

static void set_n(struct lg_facts *f, const struct lg_value *v)
{
	uint64_t n;

	if (!lg_value_u64(v, &n) && n > f->n)
		f->n = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void content_type(struct lg_facts *f, const struct lg_value *v)
{
	static const struct {
		const char *type;
		uint8_t image, audio, remote;
	} types[] = {
		{"image_url", 1, 0, 0},	     {"input_image", 1, 0, 0},
		{"image", 1, 0, 0},	     {"video_url", 1, 0, 0},
		{"document", 1, 0, 0},	     {"file", 1, 0, 0},
		{"input_file", 1, 0, 0},     {"input_audio", 0, 1, 0},
		{"item_reference", 0, 0, 1}, {"container_upload", 0, 0, 1},
	};
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(types); i++) {
		if (!lg_value_is(v, types[i].type))
			continue;
		f->images += types[i].image;
		f->audios += types[i].audio;
		f->remote_refs |= types[i].remote;
	}
}

static void mime_type(struct lg_facts *f, const struct lg_value *v)
{
	if (v->type != LG_VALUE_STRING)
		return;
	if (lg_slice_istarts(v->text, LG_SLICE("audio/")))
		f->audios++;
	else
		f->images++;
}

static void url(struct lg_facts *f, const struct lg_value *v)
{
	if (v->type == LG_VALUE_STRING && v->len &&
	    !lg_slice_istarts(v->text, LG_SLICE("data:")))
		f->remote_refs = true;
}

/* {type: text, data} is prompt text, {type: base64, data} is not. */
static void source(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id == LG_FACT_SOURCE && v->type == LG_VALUE_OBJECT) {
		f->scratch[0] = f->scratch[1] = 0;
	} else if (id == LG_FACT_SOURCE && v->type == LG_VALUE_END) {
		if (f->scratch[1])
			add_bytes(f, f->scratch[0]);
	} else if (id == LG_FACT_SOURCE_DATA) {
		f->scratch[0] = v->type == LG_VALUE_STRING ? v->len : 0;
	} else if (id == LG_FACT_SOURCE_TYPE) {
		f->scratch[1] = lg_value_is(v, "text");
		if (lg_value_is(v, "url") || lg_value_is(v, "file"))
			f->remote_refs = true;
	}
}

/* Tools that the client carries out; all others run at the provider. */
static bool is_client_tool(struct lg_slice type)
{
	static const char *const prefix[] = {
		"function",    "custom",	  "local_shell", "shell",
		"apply_patch", "text_editor_",	  "bash_",	 "computer",
		"memory_",     "browser_toolset",
	};
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(prefix); i++)
		if (lg_slice_starts(type, lg_slice_str(prefix[i])))
			return true;
	return false;
}

static void set_user(struct lg_facts *f, int id, const struct lg_value *v)
{
	if (id == LG_FACT_USER || !f->user[0])
		set_text(f->user, sizeof(f->user), v);
}

static void count_things(struct lg_facts *f, int id, const struct lg_value *v)
{
	uint64_t n;

	switch (id) {
	case LG_FACT_TEXT:
		if (v->type == LG_VALUE_STRING)
			add_bytes(f, v->len);
		break;
	case LG_FACT_TOKEN:
		if (v->type == LG_VALUE_NUMBER)
			add_bytes(f, TOKEN_BYTES);
		else if (v->type == LG_VALUE_STRING)
			add_bytes(f, v->len);
		break;
	case LG_FACT_TOOL:
		f->tools += v->type == LG_VALUE_OBJECT;
		break;
	case LG_FACT_TOOL_TYPE:
		if (v->type == LG_VALUE_STRING && !is_client_tool(v->text))
			f->server_tools = true;
		break;
	case LG_FACT_THINKING:
		if (!lg_value_u64(v, &n) && n <= LG_COUNTER_MAX)
			f->reasoning_budget = n;
		break;
	case LG_FACT_CONTENT_TYPE:
		content_type(f, v);
		break;
	case LG_FACT_MIME:
		mime_type(f, v);
		break;
	case LG_FACT_URL:
		url(f, v);
		break;
	default:
		source(f, id, v);
	}
}

/* "quality/size"; what is not said is left to the adapter. */
static void set_part(struct lg_facts *f, int id, const struct lg_value *v)
{
	switch (id) {
	case LG_FACT_QUALITY:
		set_text(f->quality, sizeof(f->quality), v);
		break;
	case LG_FACT_SIZE:
		set_text(f->size, sizeof(f->size), v);
		break;
	case LG_FACT_EFFORT:
		set_text(f->effort, sizeof(f->effort), v);
		break;
	case LG_FACT_FILE:
		if (v->type == LG_VALUE_STRING) {
			add_to(&f->file_bytes, v->len);
			add_to(&f->upload_bytes, v->len);
		}
		break;
	case LG_FACT_SOUND: /* base64: three bytes in four */
		if (v->type == LG_VALUE_STRING)
			add_to(&f->file_bytes, v->len / 4 * 3);
		break;
	case LG_FACT_UPLOAD:
		if (v->type != LG_VALUE_STRING)
			break;
		f->images++;
		add_to(&f->upload_bytes, v->len);
		break;
	case LG_FACT_PICTURE:
		f->images += v->type == LG_VALUE_STRING && v->len;
		f->remote_refs |=
			v->type == LG_VALUE_STRING &&
			(lg_slice_istarts(v->text, LG_SLICE("http:")) ||
			 lg_slice_istarts(v->text, LG_SLICE("https:")));
		break;
	case LG_FACT_SPOKEN:
		if (v->type != LG_VALUE_STRING)
			break;
		add_bytes(f, v->len);
		f->characters = v->chars;
		break;
	default:
		break;
	}
}

static void set_flags(struct lg_facts *f, int id, const struct lg_value *v)
{
	bool yes = (v->type == LG_VALUE_BOOL && v->boolean) ||
		   lg_value_is(v, "true"); /* of a form */

	switch (id) {
	case LG_FACT_STREAM:
		f->stream = yes;
		break;
	case LG_FACT_INCLUDE_USAGE:
		f->include_usage = yes;
		f->include_usage_set |= v->type == LG_VALUE_BOOL;
		break;
	case LG_FACT_BACKGROUND:
		f->background = yes;
		break;
	case LG_FACT_REMOTE:
		f->remote_refs |= is_present(v);
		break;
	case LG_FACT_SERVER_TOOL:
		f->server_tools |= is_present(v);
		break;
	case LG_FACT_TTL:
		f->cache_1h |= lg_value_is(v, "1h");
		break;
	case LG_FACT_STORE:
		f->unstored = v->type == LG_VALUE_BOOL && !v->boolean;
		break;
	case LG_FACT_DETAIL:
		f->images_low += lg_value_is(v, "low");
		break;
	default:
		if (id >= LG_FACT_FILE)
			set_part(f, id, v);
		else
			count_things(f, id, v);
	}
}

void lg_facts_apply(struct lg_facts *f, int id, const struct lg_value *v)
{
	switch (id) {
	case LG_FACT_MODEL:
		set_text(f->model, sizeof(f->model), v);
		break;
	case LG_FACT_MAX:
		set_max(f, v);
		break;
	case LG_FACT_N:
		set_n(f, v);
		break;
	case LG_FACT_USER:
	case LG_FACT_SAFETY_ID:
		set_user(f, id, v);
		break;
	case LG_FACT_TIER:
		set_text(f->tier, sizeof(f->tier), v);
		break;
	case LG_FACT_GEO:
		set_text(f->geo, sizeof(f->geo), v);
		break;
	case LG_FACT_CONVERSATION:
		set_text(f->conversation, sizeof(f->conversation), v);
		f->remote_refs |= v->type == LG_VALUE_STRING && v->len;
		break;
	case LG_FACT_PREVIOUS:
		set_text(f->previous_id, sizeof(f->previous_id), v);
		f->remote_refs |= v->type == LG_VALUE_STRING && v->len;
		break;
	default:
		set_flags(f, id, v);
	}
}

uint64_t lg_facts_seconds_estimate(const struct lg_facts *f)
{
	return (f->file_bytes + SOUND_BYTES - 1) / SOUND_BYTES;
}

/* 1.15 times the text, 1200 for an image or a sound, in low detail 85. */
uint64_t lg_facts_input_by_ratio(const struct lg_facts *f, uint32_t ratio)
{
	unsigned __int128 text;
	uint64_t bytes = f->json_ok ? f->prompt_bytes : f->body_bytes;
	uint64_t things = (uint64_t)f->images + f->audios;
	uint64_t low = f->images_low;

	if (bytes > LG_COUNTER_MAX)
		bytes = LG_COUNTER_MAX;
	if (low > f->images)
		low = f->images;
	text = (unsigned __int128)bytes * 115 * 1024;
	text = (text + UINT64_C(100) * ratio - 1) / (UINT64_C(100) * ratio);
	return (uint64_t)text + (things - low) * 1200 + low * 85;
}

uint64_t lg_facts_input_estimate(const struct lg_facts *f)
{
	return lg_facts_input_by_ratio(f, 4 * 1024);
}
