#include "darks.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "budget/dark.h"
#include "table.h"

static bool is_of(const struct lg_dark *d, const char *program)
{
	const char *base;

	if (!program)
		return true;
	base = strrchr(program, '/');
	return !strncmp(d->exe, base ? base + 1 : program, sizeof(d->exe) - 1);
}

uint64_t darks_count(struct lg_region *r, const char *program)
{
	struct lg_dark d;
	uint64_t n = 0;

	for (unsigned i = 0; r && i < LG_DARK_SHOWN; i++)
		if (!lg_dark_view(r, i, &d) && is_of(&d, program))
			n += d.count;
	return n;
}

void darks_json(struct json *j, struct lg_region *r, const char *program)
{
	struct lg_dark d;

	json_open(j, "dark", '[');
	for (unsigned i = 0; r && i < LG_DARK_SHOWN; i++) {
		if (lg_dark_view(r, i, &d) || !is_of(&d, program))
			continue;
		json_open(j, NULL, '{');
		json_text(j, "program", d.exe);
		json_text(j, "host", d.host);
		json_u64(j, "connections", d.count);
		json_u64(j, "sent_bytes", d.sent);
		json_u64(j, "received_bytes", d.received);
		json_time(j, "first", (int64_t)d.first_s * 1000);
		json_time(j, "last", (int64_t)d.last_s * 1000);
		json_u64(j, "pid", d.pid);
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* "3 s ago", "2 h ago" */
static void put_age(struct table *t, uint32_t at_s)
{
	int64_t age = lg_clock_real_ms() / 1000 - (int64_t)at_s;
	char text[32];
	struct lg_buf b;

	lg_buf_init_fixed(&b, text, sizeof(text) - 1);
	age = age < 0 ? 0 : age;
	lg_buf_put_i64(&b, age < 120	  ? age
			   : age < 7200	  ? age / 60
			   : age < 172800 ? age / 3600
					  : age / 86400);
	lg_buf_puts(&b, age < 120      ? " s ago"
			: age < 7200   ? " min ago"
			: age < 172800 ? " h ago"
				       : " days ago");
	text[b.len] = 0;
	table_cell(t, text);
}

void darks_text(struct lg_buf *out, struct lg_region *r, const char *program)
{
	uint64_t n = darks_count(r, program);
	struct lg_dark d;
	struct table t;

	if (!n)
		return;
	lg_buf_puts(out, "\nDark: ");
	lg_buf_put_u64(out, n);
	lg_buf_puts(out, n == 1 ? " connection" : " connections");
	lg_buf_puts(out, " to LLM hosts that the guard could not see into; "
			 "llmguard doctor says why\n");
	table_init(&t, "PROGRAM\tHOST\tCONNECTIONS\rSENT\rRECEIVED\rLAST");
	for (unsigned i = 0; i < LG_DARK_SHOWN; i++) {
		if (lg_dark_view(r, i, &d) || !is_of(&d, program))
			continue;
		table_cell(&t, d.exe);
		table_cell(&t, d.host);
		table_u64(&t, d.count);
		table_u64(&t, d.sent);
		table_u64(&t, d.received);
		put_age(&t, d.last_s);
	}
	table_print(&t, out);
}
