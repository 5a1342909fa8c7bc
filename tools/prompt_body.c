#include "prompt_body.h"

#include <stdio.h>
#include <string.h>

/* How the prompt and the largest output stand in a body. */
enum shape { MESSAGES, GEMINI, CONVERSE };
static const struct {
	const char *provider;
	enum shape shape;
	const char *max; /* the cap's name */
	bool apart;	 /* the system text has a field of its own */
} shapes[] = {
	{"openai", MESSAGES, "max_completion_tokens", false},
	{"azure", MESSAGES, "max_completion_tokens", false},
	{"anthropic", MESSAGES, "max_tokens", true},
	{"google", GEMINI, NULL, false},
	{"aws", CONVERSE, NULL, false},
};
#define OTHERS 2 /* what others take: OpenAI's form, with the old name */

static struct doc *text_in(struct doc_arena *a, struct lg_slice text)
{
	struct doc *list = doc_new(a, DOC_LIST, NULL),
		   *part = doc_new(a, DOC_MAP, NULL);

	doc_add(a, part, "text", doc_new_slice(a, DOC_STRING, text));
	doc_add(a, list, NULL, part);
	return list;
}

static struct doc *message(struct doc_arena *a, const char *role,
			   const char *key, struct doc *content)
{
	struct doc *m = doc_new(a, DOC_MAP, NULL);

	if (role)
		doc_add(a, m, "role", doc_new(a, DOC_STRING, role));
	doc_add(a, m, key, content);
	return m;
}

static struct doc *number(struct doc_arena *a, uint64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)n);

	return doc_new_slice(a, DOC_NUMBER,
			     doc_copy(a, (struct lg_slice){text, (size_t)len}));
}

static void messages(struct doc_arena *a, struct doc *body, bool apart,
		     const char *max, const struct prompt_body *p)
{
	struct doc *list = doc_new(a, DOC_LIST, NULL);
	struct doc *system = doc_new_slice(a, DOC_STRING, p->system);

	if (p->system.len && apart)
		doc_add(a, body, "system", system);
	else if (p->system.len)
		doc_add(a, list, NULL, message(a, "system", "content", system));
	doc_add(a, list, NULL,
		message(a, "user", "content",
			doc_new_slice(a, DOC_STRING, p->prompt)));
	doc_add(a, body, "messages", list);
	if (p->has_max)
		doc_add(a, body, max, number(a, p->max_tokens));
}

static void capped(struct doc_arena *a, struct doc *body, const char *object,
		   const char *key, const struct prompt_body *p)
{
	struct doc *o = doc_new(a, DOC_MAP, NULL);

	if (!p->has_max)
		return;
	doc_add(a, o, key, number(a, p->max_tokens));
	doc_add(a, body, object, o);
}

static void gemini(struct doc_arena *a, struct doc *body,
		   const struct prompt_body *p)
{
	struct doc *list = doc_new(a, DOC_LIST, NULL);

	if (p->system.len)
		doc_add(a, body, "systemInstruction",
			message(a, NULL, "parts", text_in(a, p->system)));
	doc_add(a, list, NULL,
		message(a, "user", "parts", text_in(a, p->prompt)));
	doc_add(a, body, "contents", list);
	capped(a, body, "generationConfig", "maxOutputTokens", p);
}

static void converse(struct doc_arena *a, struct doc *body,
		     const struct prompt_body *p)
{
	struct doc *list = doc_new(a, DOC_LIST, NULL);

	if (p->system.len)
		doc_add(a, body, "system", text_in(a, p->system));
	doc_add(a, list, NULL,
		message(a, "user", "content", text_in(a, p->prompt)));
	doc_add(a, body, "messages", list);
	capped(a, body, "inferenceConfig", "maxTokens", p);
}

struct lg_slice prompt_body(struct doc_arena *a, const char *provider,
			    const struct prompt_body *p)
{
	size_t i, n = sizeof(shapes) / sizeof(shapes[0]);
	struct doc *body = doc_new(a, DOC_MAP, NULL);
	struct lg_slice text;
	struct lg_buf b;

	for (i = 0; i < n && strcmp(shapes[i].provider, provider); i++)
		;
	doc_add(a, body, "model", doc_new_slice(a, DOC_STRING, p->model));
	if (lg_slice_icontains(p->model, LG_SLICE("embed")))
		doc_add(a, body, "input",
			doc_new_slice(a, DOC_STRING, p->prompt));
	else if (i < n && shapes[i].shape == GEMINI)
		gemini(a, body, p);
	else if (i < n && shapes[i].shape == CONVERSE)
		converse(a, body, p);
	else
		messages(a, body, i < n && shapes[i].apart,
			 i < n ? shapes[i].max : shapes[OTHERS].max, p);
	lg_buf_init(&b, 2 * DOC_FILE_MAX);
	doc_put_json(&b, body, 0);
	text = doc_copy(a, lg_buf_slice(&b));
	lg_buf_fini(&b);
	return text;
}
