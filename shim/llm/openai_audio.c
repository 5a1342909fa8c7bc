#include "llm/openai.h"

/*
 * POST /v1/audio/speech (JSON in, sound out) and /v1/audio/transcriptions and
 * translations (a form in, JSON, text or events out). What is billed: tokens
 * where the answer says them, else seconds of sound, else characters of text.
 */

#define REQUEST                                                                \
	LG_WATCH("model", LG_FACT_MODEL), LG_WATCH("stream", LG_FACT_STREAM),  \
		LG_WATCH("user", LG_FACT_USER)

static const struct lg_field request_fields[] = {
	REQUEST,
	LG_WATCH_CHARS("input", LG_FACT_SPOKEN),
	LG_WATCH("instructions", LG_FACT_TEXT),
	LG_WATCH("file", LG_FACT_SOUND),
	LG_WATCH("url", LG_FACT_REMOTE),
};

static const struct lg_field form_fields[] = {
	REQUEST,
	LG_WATCH("file", LG_FACT_FILE),
	LG_WATCH("file_url", LG_FACT_REMOTE),
	LG_WATCH("url", LG_FACT_REMOTE),
	LG_WATCH("prompt", LG_FACT_TEXT),
};

enum own { DURATION = LG_ANSWER_OWN, GROQ, TYPE };

#define USAGE(p)                                                               \
	LG_OPENAI_USAGE_NEW(p),                                                \
		LG_WATCH(p "usage.prompt_tokens", LG_RAW_INPUT),               \
		LG_WATCH(p "usage.completion_tokens", LG_RAW_OUTPUT),          \
		LG_WATCH(p "usage.input_token_details.audio_tokens",           \
			 LG_RAW_AUDIO_IN),                                     \
		LG_WATCH(p "usage.input_token_details.cached_tokens",          \
			 LG_ANSWER_CACHED_TOO),                                \
		LG_WATCH(p "usage.seconds", LG_ANSWER_SECONDS),                \
		LG_WATCH(p "usage.prompt_audio_seconds", LG_ANSWER_SECONDS)

#define ANSWER                                                                 \
	LG_WATCH("model", LG_ANSWER_MODEL),                                    \
		LG_WATCH("error", LG_ANSWER_ERROR),                            \
		LG_WATCH("duration", DURATION), LG_WATCH("x_groq", GROQ),      \
		LG_WATCH("x_groq.id", LG_ANSWER_ID), USAGE("")

static const struct lg_field response_fields[] = {
	ANSWER,
	LG_WATCH("text", LG_ANSWER_TEXT),
	LG_WATCH("", LG_ANSWER_ROOT),
};

static const struct lg_field event_fields[] = {
	ANSWER,
	LG_WATCH("delta", LG_ANSWER_TEXT),
	LG_WATCH("type", TYPE),
};

/* Models that hear and speak tokens; all others have a clock or count. */
static bool speaks_tokens(const char *model)
{
	return lg_slice_icontains(lg_slice_str(model), LG_SLICE("gpt-"));
}

/* A second of sound as it is heard, and as text (recorded: 37 in 3.7 s). */
#define HEARD_TOKENS 10
#define WRITTEN_TOKENS 4

/*
 * 25 tokens for 18 characters: 1,250 tokens are a minute, in which some 900
 * characters are spoken.
 */
static uint64_t speech_tokens(const struct lg_facts *f)
{
	return (f->characters * 25 + 17) / 18;
}

static void begin(struct lg_answer *a, const struct lg_facts *f)
{
	if (f->file_bytes)
		lg_raw_put(a, LG_RAW_GUESS, lg_facts_seconds_estimate(f));
	if (!f->characters)
		return;
	if (!speaks_tokens(f->model)) {
		lg_raw_put(a, LG_RAW_SPOKEN, f->characters);
		return;
	}
	lg_raw_put(a, LG_RAW_GUESS, lg_facts_input_estimate(f));
	lg_raw_put(a, LG_RAW_SPEECH, speech_tokens(f));
}

/* Spoken or heard; how long a file may be at most its size does not tell. */
static bool expect(const struct lg_facts *f, bool worst, struct lg_usage *u)
{
	uint64_t seconds = lg_facts_seconds_estimate(f);

	if (f->characters) {
		lg_usage_set(u, LG_BUCKET_CHARACTERS, f->characters);
		if (speaks_tokens(f->model))
			lg_usage_set(u, LG_BUCKET_AUDIO_OUTPUT,
				     speech_tokens(f));
		return !speaks_tokens(f->model);
	}
	lg_usage_set(u, LG_BUCKET_SECONDS, seconds);
	lg_usage_set(u, LG_BUCKET_AUDIO_INPUT, seconds * HEARD_TOKENS);
	lg_usage_set(u, LG_BUCKET_OUTPUT, seconds * WRITTEN_TOKENS);
	(void)worst;
	return false;
}

static void duration(struct lg_answer *a, const struct lg_value *v)
{
	uint64_t n;

	if (!lg_value_round(v, &n) && n < LG_COUNTER_MAX)
		lg_raw_put(a, LG_RAW_SCRATCH, n);
}

static void on_any(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id == DURATION)
		duration(a, v);
	else if (id == GROQ)
		lg_raw_put(a, LG_RAW_SCRATCH2, v->type != LG_VALUE_NULL);
	else
		lg_answer_apply(a, id, v);
}

static void on_response(struct lg_answer *a, int id, const struct lg_value *v)
{
	on_any(a, id, v);
	if (id == LG_ANSWER_ROOT && v->type == LG_VALUE_END)
		a->done = true;
}

static void on_event(struct lg_answer *a, int id, const struct lg_value *v)
{
	if (id != TYPE)
		on_any(a, id, v);
	else if (lg_value_is(v, "transcript.text.done") ||
		 lg_value_is(v, "speech.audio.done"))
		a->done = true;
}

static void end_event(struct lg_answer *a, struct lg_slice name,
		      bool done_marker)
{
	(void)name;
	a->events++;
	a->done |= done_marker;
}

/* Groq bills ten seconds at least (its price list). */
static uint64_t billed(const struct lg_answer *a, uint64_t seconds)
{
	return a->raw[LG_RAW_SCRATCH2] && seconds < 10 ? 10 : seconds;
}

/* Without a usage: the clock of the answer, the text, or the file's size. */
static void count(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;
	uint64_t guess = a->raw[LG_RAW_GUESS];

	u->flags |= LG_USAGE_COUNTED;
	a->usage_final = false;
	if (lg_raw_has(a, LG_RAW_SPOKEN)) {
		lg_usage_put_raw(a, LG_BUCKET_CHARACTERS, LG_RAW_SPOKEN);
		a->usage_final = true;
	} else if (lg_raw_has(a, LG_RAW_SCRATCH)) {
		lg_usage_set(u, LG_BUCKET_SECONDS,
			     billed(a, a->raw[LG_RAW_SCRATCH]));
		a->usage_final = a->done;
	} else if (lg_raw_has(a, LG_RAW_SPEECH)) {
		lg_usage_set(u, LG_BUCKET_INPUT, guess);
		lg_usage_put_raw(a, LG_BUCKET_AUDIO_OUTPUT, LG_RAW_SPEECH);
	} else if (guess) {
		lg_usage_set(u, LG_BUCKET_SECONDS, billed(a, guess));
	} else {
		u->flags &= ~LG_USAGE_COUNTED;
	}
}

/* What is said is heard or spoken, but for tokens that are told to be text. */
static void sounds(struct lg_answer *a)
{
	struct lg_usage *u = &a->usage;

	if (!lg_raw_has(a, LG_RAW_SPEECH) || lg_raw_has(a, LG_RAW_AUDIO_OUT))
		return;
	lg_usage_set(u, LG_BUCKET_AUDIO_OUTPUT, u->n[LG_BUCKET_OUTPUT]);
	lg_usage_set(u, LG_BUCKET_OUTPUT, 0);
}

static void finish(struct lg_answer *a)
{
	a->usage_final = a->done && a->usage.flags & LG_USAGE_PRESENT;
	if (lg_raw_has(a, LG_RAW_SECONDS)) {
		a->usage = (struct lg_usage){.flags = a->usage.flags &
						      LG_USAGE_PRESENT};
		lg_usage_put_raw(a, LG_BUCKET_SECONDS, LG_RAW_SECONDS);
		return;
	}
	lg_openai_finish(a);
	if (a->usage.flags & LG_USAGE_PRESENT)
		sounds(a);
	else if (!a->error)
		count(a);
}

const struct lg_dialect lg_openai_audio = {
	.name = "openai-audio",
	.family = "openai",
	.type = LG_REQUEST_AUDIO,
	.request_fields = request_fields,
	.nrequest_fields = LG_COUNT_OF(request_fields),
	.on_request = lg_facts_apply,
	.form_fields = form_fields,
	.nform_fields = LG_COUNT_OF(form_fields),
	.expect = expect,
	.begin = begin,
	.response_fields = response_fields,
	.nresponse_fields = LG_COUNT_OF(response_fields),
	.on_response = on_response,
	.event_fields = event_fields,
	.nevent_fields = LG_COUNT_OF(event_fields),
	.on_event = on_event,
	.end_event = end_event,
	.finish = finish,
	.error_body = lg_openai_error_body,
};
