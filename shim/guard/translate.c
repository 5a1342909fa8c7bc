#include "guard/translate.h"

#include <errno.h>

int lg_translation_new(const struct lg_translate_ask *ask, struct lg_buf *body,
		       struct lg_translation **out, const char **why)
{
	(void)ask;
	(void)body;
	(void)out;
	*why = "dialect";
	return -ENOTSUP;
}

void lg_translation_del(struct lg_translation *t)
{
	(void)t;
}

const char *lg_translation_path(const struct lg_translation *t)
{
	(void)t;
	return "/";
}

bool lg_translation_streams(const struct lg_translation *t)
{
	(void)t;
	return false;
}

void lg_translation_head(struct lg_translation *t, unsigned status,
			 struct lg_slice type)
{
	(void)t;
	(void)status;
	(void)type;
}

int lg_translation_feed(struct lg_translation *t, const char *p, size_t len,
			struct lg_buf *out)
{
	(void)t;
	(void)p;
	(void)len;
	(void)out;
	return 0;
}

int lg_translation_end(struct lg_translation *t, bool whole, struct lg_buf *out)
{
	(void)t;
	(void)whole;
	(void)out;
	return 0;
}

unsigned lg_translation_status(const struct lg_translation *t)
{
	(void)t;
	return 0;
}

const char *lg_translation_type(const struct lg_translation *t)
{
	(void)t;
	return "application/json";
}

const char *lg_translation_fields(const struct lg_translation *t)
{
	(void)t;
	return "";
}

void lg_translation_usage(const struct lg_translation *t, struct lg_usage *u)
{
	(void)t;
	*u = (struct lg_usage){0};
}

struct lg_slice lg_translation_model(const struct lg_translation *t)
{
	(void)t;
	return LG_SLICE("");
}
