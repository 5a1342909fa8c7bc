/*
 * What the tracer's meter takes of CPU: exchanges of 2 KB and 2 KB as records
 * of the kernel, rows written. Prints microseconds of CPU for an exchange.
 */
#include <sys/resource.h>

#include "tests/golden/records.h"
#include "tests/unit/flow_rig.h"

#define CALLS 20000
#define SIZE 2048

static double cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static size_t make(char *out, const char *head, const char *before,
		   const char *after)
{
	char body[SIZE + 1];
	size_t fill = SIZE - strlen(before) - strlen(after);

	snprintf(body, sizeof(body), "%s%.*s%s", before, (int)fill, out, after);
	memset(body + strlen(before), 'x', fill);
	memcpy(body + SIZE - strlen(after), after, strlen(after));
	return (size_t)snprintf(out, 4096,
				"%s\r\nContent-Type: application/json\r\n"
				"Content-Length: %d\r\n\r\n%.*s",
				head, SIZE, SIZE, body);
}

int main(void)
{
	static char q[4096], a[4096];
	struct meter_options o = {.on_call = NULL};
	struct meter_totals t;
	struct records c;
	struct meter *m;
	struct rig r;
	size_t qlen, alen;
	double begin;

	memset(q, 'x', sizeof(q) - 1);
	memset(a, 'x', sizeof(a) - 1);
	qlen = make(q,
		    "POST /v1/chat/completions HTTP/1.1\r\n"
		    "Host: api.openai.com\r\nAuthorization: Bearer sk-1",
		    "{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":"
		    "\"user\",\"content\":\"",
		    "\"}]}");
	alen = make(a, "HTTP/1.1 200 OK",
		    "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\","
		    "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{"
		    "\"message\":{\"role\":\"assistant\",\"content\":\"",
		    "\"}}],\"usage\":{\"prompt_tokens\":9,"
		    "\"completion_tokens\":2,\"total_tokens\":11}}");
	rig_start(&r, "version: 1\nbudgets:\n  - {name: a, scope: global, "
		      "period: monthly, limit_usd: 50, hard: true}\n");
	o.config = r.config;
	o.state_dir = r.state;
	o.region = r.region;
	if (meter_new(&o, &m))
		return 1;
	records_open(&c, m, "api.openai.com");
	begin = cpu_us();
	for (unsigned i = 0; i < CALLS; i++) {
		records_write(&c, q, qlen, 0, 0, false);
		records_read(&c, a, alen, 0);
	}
	printf("%.2f us of CPU an exchange\n", (cpu_us() - begin) / CALLS);
	meter_totals(m, &t);
	records_close(&c, true);
	meter_del(m);
	rig_stop(&r);
	return t.calls != CALLS;
}
