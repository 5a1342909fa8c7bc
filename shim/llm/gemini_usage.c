#include "llm/gemini.h"

#include <string.h>

/*
 * The input count includes cached tokens, the output count leaves thoughts
 * out, tool prompts are input beside the input. Lists by modality say which of
 * them were pictures, sound and film.
 */

enum modality { TEXT = 1, IMAGE, VIDEO, AUDIO, DOCUMENT };

static uint64_t modality(const struct lg_value *v)
{
	static const char *const names[] = {"TEXT", "IMAGE", "VIDEO", "AUDIO",
					    "DOCUMENT"};
	uint64_t n;
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(names); i++)
		if (v->type == LG_VALUE_STRING &&
		    lg_slice_ieq(v->text, lg_slice_str(names[i])))
			return i + 1;
	return v->type == LG_VALUE_NUMBER && !lg_value_u64(v, &n) ? n : 0;
}

static void add_raw(struct lg_answer *a, enum lg_raw id, uint64_t n)
{
	lg_raw_put(a, id, a->raw[id] + n);
}

/* Text, documents and tool prompts are what the others leave. */
static const uint8_t modal_raw[4][DOCUMENT + 1] = {
	[0] = {[IMAGE] = LG_RAW_IMAGE_IN,
	       [VIDEO] = LG_RAW_VIDEO_IN,
	       [AUDIO] = LG_RAW_AUDIO_IN},
	[1] = {[IMAGE] = LG_RAW_IMAGE_CACHED, [AUDIO] = LG_RAW_AUDIO_CACHED},
	[2] = {[IMAGE] = LG_RAW_IMAGE_OUT, [AUDIO] = LG_RAW_AUDIO_OUT},
};

/* One {modality, tokenCount} is complete. */
static void detail(struct lg_answer *a, int list)
{
	uint64_t n = a->raw[LG_RAW_SCRATCH2];
	uint64_t m = a->raw[LG_RAW_SCRATCH];

	if (m <= DOCUMENT && modal_raw[list][m])
		add_raw(a, modal_raw[list][m], n);
}

static void details(struct lg_answer *a, int id, const struct lg_value *v)
{
	uint64_t n;

	if (id == LG_GEMINI_MODALITY) {
		a->raw[LG_RAW_SCRATCH] = modality(v);
	} else if (id == LG_GEMINI_MODAL_COUNT) {
		if (!lg_value_u64(v, &n))
			lg_raw_put(a, LG_RAW_SCRATCH2, n);
	} else if (id < LG_GEMINI_PROMPT_ENTRY && v->type == LG_VALUE_ARRAY) {
		for (n = 0; n <= DOCUMENT; n++)
			if (modal_raw[id - LG_GEMINI_PROMPT][n])
				lg_raw_drop(
					a, modal_raw[id - LG_GEMINI_PROMPT][n]);
	} else if (id >= LG_GEMINI_PROMPT_ENTRY && v->type == LG_VALUE_OBJECT) {
		a->raw[LG_RAW_SCRATCH] = a->raw[LG_RAW_SCRATCH2] = 0;
	} else if (id >= LG_GEMINI_PROMPT_ENTRY && v->type == LG_VALUE_END) {
		detail(a, id - LG_GEMINI_PROMPT_ENTRY);
	}
}

void lg_gemini_apply(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id >= LG_GEMINI_PROMPT && id < LG_GEMINI_OWN)
		details(a, id, v);
	else
		lg_answer_apply(a, id, v);
}

static void split_input(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t text_cached = a->raw[LG_RAW_CACHED];
	uint64_t fresh = a->raw[LG_RAW_INPUT];
	static const struct {
		enum lg_raw all, cached;
		enum lg_bucket fresh, read;
	} media[] = {
		{LG_RAW_AUDIO_IN, LG_RAW_AUDIO_CACHED, LG_BUCKET_AUDIO_INPUT,
		 LG_BUCKET_AUDIO_CACHE_READ},
		{LG_RAW_IMAGE_IN, LG_RAW_IMAGE_CACHED, LG_BUCKET_IMAGE_INPUT,
		 LG_BUCKET_IMAGE_CACHE_READ},
	};
	bool fits = true;
	unsigned i;

	for (i = 0; i < LG_COUNT_OF(media); i++) {
		uint64_t n = a->raw[media[i].all], read;

		if (!lg_raw_has(a, media[i].all))
			continue;
		n = n < fresh ? n : fresh;
		fresh -= n;
		read = a->raw[media[i].cached];
		read = read < text_cached ? read : text_cached;
		text_cached -= read < n ? read : n;
		if (read)
			fits &= lg_usage_split(&n, read, u, media[i].read);
		lg_usage_set(u, media[i].fresh, n);
	}
	fits &= lg_usage_split_raw(a, &fresh, LG_RAW_VIDEO_IN,
				   LG_BUCKET_VIDEO_INPUT);
	if (lg_raw_has(a, LG_RAW_CACHED))
		fits &= lg_usage_split(&fresh, text_cached, u,
				       LG_BUCKET_CACHE_READ);
	lg_usage_set(u, LG_BUCKET_INPUT, fresh + a->raw[LG_RAW_TOOL_INPUT]);
	if (!fits)
		u->flags |= LG_USAGE_MISMATCH;
}

/* Gemini 3 bills each query, the models before it each grounded prompt. */
static void grounding(struct lg_answer *a)
{
	struct lg_slice model = lg_slice_str(a->model);
	bool old = lg_slice_icontains(model, LG_SLICE("gemini-1")) ||
		   lg_slice_icontains(model, LG_SLICE("gemini-2"));
	uint64_t n = a->raw[LG_RAW_GROUNDING];

	if (lg_raw_has(a, LG_RAW_GROUNDING))
		lg_usage_set(&a->usage, LG_BUCKET_GROUNDING, old && n ? 1 : n);
}

void lg_gemini_finish(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t out = a->raw[LG_RAW_OUTPUT], sum;
	bool fits = true;

	*u = (struct lg_usage){.flags = u->flags & LG_USAGE_PRESENT};
	grounding(a);
	if (!u->flags)
		return;
	split_input(a);
	lg_usage_put_raw(a, LG_BUCKET_REASONING, LG_RAW_REASONING);
	fits &= lg_usage_split_raw(a, &out, LG_RAW_AUDIO_OUT,
				   LG_BUCKET_AUDIO_OUTPUT);
	fits &= lg_usage_split_raw(a, &out, LG_RAW_IMAGE_OUT,
				   LG_BUCKET_IMAGE_OUTPUT);
	lg_usage_set(u, LG_BUCKET_OUTPUT, out);
	sum = a->raw[LG_RAW_INPUT] + a->raw[LG_RAW_TOOL_INPUT] +
	      a->raw[LG_RAW_OUTPUT] + a->raw[LG_RAW_REASONING];
	if (lg_raw_has(a, LG_RAW_TOTAL)) {
		u->total = a->raw[LG_RAW_TOTAL];
		u->flags |= LG_USAGE_TOTAL;
		fits &= u->total == sum;
	}
	if (!fits)
		u->flags |= LG_USAGE_MISMATCH;
	lg_answer_distrust(a);
}
