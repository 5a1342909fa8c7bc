#include "guard/local.h"

#include <stdint.h>
#include <string.h>

#include "guard/exchange.h"

#define DETAIL_MAX 300
#define MESSAGE_MAX 1024

/* How a dialect's own servers say that they failed: before, behind. */
static const struct {
	const char *family, *before, *behind;
} forms[] = {
	{"anthropic",
	 "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":",
	 "}}"},
	{"gemini",
	 "{\"error\":{\"code\":%,\"status\":\"UNAVAILABLE\",\"message\":",
	 "}}"},
	{"aws", "{\"message\":", "}"},
	{"cohere", "{\"message\":", "}"},
	{"ollama", "{\"error\":", "}"},
	{NULL,
	 "{\"error\":{\"type\":\"server_error\",\"param\":null,"
	 "\"code\":\"local_server_failed\",\"message\":",
	 "}}"},
};

static void put_form(struct lg_buf *out, const char *form, unsigned status)
{
	for (; *form; form++) {
		if (*form == '%')
			lg_buf_put_u64(out, status);
		else
			lg_buf_putc(out, *form);
	}
}

int lg_local_error(const struct lg_exchange *x, unsigned status,
		   const char *why, struct lg_slice detail, struct lg_buf *body)
{
	char text[MESSAGE_MAX];
	struct lg_buf b;
	unsigned i = 0;

	while (forms[i].family && strcmp(forms[i].family, x->d->family))
		i++;
	lg_buf_init_fixed(&b, text, sizeof(text));
	lg_buf_puts(&b, "llmguard: the local model server at ");
	lg_buf_puts(&b, x->local->at);
	lg_buf_putc(&b, ' ');
	lg_buf_puts(&b, why);
	if (detail.len) {
		lg_buf_puts(&b, ": ");
		lg_buf_put(&b, detail.p,
			   detail.len < DETAIL_MAX ? detail.len : DETAIL_MAX);
	}
	put_form(body, forms[i].before, status);
	lg_buf_put_json(body, lg_buf_slice(&b));
	return lg_buf_puts(body, forms[i].behind);
}
