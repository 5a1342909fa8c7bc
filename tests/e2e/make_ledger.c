/*
 * A ledger of any size, the same for the same arguments:
 *
 *   make_ledger FOLDER ROWS FIRST_DAY DAYS [SEED]
 *
 * writes FOLDER/YYYY-MM.jsonl. Work days are busier than weekends, days than
 * nights, and it grows; one day in the middle runs wild. Some calls are
 * refused, estimated, unknown, abandoned, corrected later (also to another
 * model), written twice, or torn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/civil.h"
#include "base/mem.h"
#include "guard/adjust.h"
#include "ledger/month.h"
#include "ledger/row.h"

#define DAY_MS INT64_C(86400000)
#define KEPT 4096 /* calls that a correction may still name */

static uint64_t state;

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return next() % n;
}

static bool one_in(uint64_t n)
{
	return below(n) == 0;
}

static const struct model {
	const char *provider, *host, *dialect, *endpoint, *asked, *answered;
	int64_t in, out; /* picodollars a token */
	unsigned share;
} models[] = {
	{"openai", "api.openai.com", "openai-chat", "/v1/chat/completions",
	 "gpt-4o", "gpt-4o-2024-08-06", 2500000, 10000000, 22},
	{"openai", "api.openai.com", "openai-chat", "/v1/chat/completions",
	 "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 150000, 600000, 30},
	{"openai", "api.openai.com", "openai-responses", "/v1/responses", "o3",
	 "o3-2025-04-16", 2000000, 8000000, 6},
	{"openai", "api.openai.com", "openai-embeddings", "/v1/embeddings",
	 "text-embedding-3-small", "text-embedding-3-small", 20000, 0, 10},
	{"anthropic", "api.anthropic.com", "anthropic-messages", "/v1/messages",
	 "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 3000000, 15000000,
	 18},
	{"anthropic", "api.anthropic.com", "anthropic-messages", "/v1/messages",
	 "claude-haiku-4-5", "claude-haiku-4-5-20251001", 1000000, 5000000, 8},
	{"google", "generativelanguage.googleapis.com", "gemini-generate",
	 "/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash",
	 "gemini-2.5-flash", 300000, 2500000, 5},
	{"x-ai", "api.x.ai", "openai-chat", "/v1/chat/completions", "grok-4",
	 "grok-4-0709", 3000000, 15000000, 1},
};
static const char *const projects[] = {
	"customer-support", "search", "docs-bot", "etl",
	"research",	    "evals",  "",	  "mobile",
	"internal-tools"};
static const char *const users[] = {"alice", "bob",   "carol", "dave", "erin",
				    "frank", "grace", "heidi", ""};
static const char *const tags[] = {"",
				   "prod",
				   "prod\x1f"
				   "eu",
				   "batch",
				   "nightly\x1f"
				   "batch",
				   "dev",
				   "",
				   "prod\x1f"
				   "us"};
#define PICK(list) list[below(sizeof(list) / sizeof(list[0]))]

static void put(char *dst, size_t cap, const char *text)
{
	snprintf(dst, cap, "%s", text);
}
#define PUT(member, text) put(r->member, sizeof(r->member), text)

static const struct model *pick_model(void)
{
	uint64_t n = below(100);
	unsigned i = 0;

	while (n >= models[i].share)
		n -= models[i++].share;
	return &models[i];
}

static void make_id(int64_t ms, char out[27])
{
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	unsigned __int128 v = (unsigned __int128)(uint64_t)ms << 80;

	v |= (unsigned __int128)(next() & 0xffff) << 64 | next();
	for (int i = 25; i >= 0; i--, v >>= 5)
		out[i] = letters[(unsigned)v & 31];
	out[26] = 0;
}

static void price(struct lg_row *r, const struct model *m)
{
	uint64_t cached = r->cache_read_tokens;
	int64_t full = (int64_t)r->input_tokens * m->in;

	if (cached == LG_ROW_ABSENT)
		cached = 0;
	r->input_cost_pusd = full - (int64_t)cached * m->in / 10 * 9;
	r->output_cost_pusd = (int64_t)r->output_tokens * m->out;
	r->cost_pusd = r->input_cost_pusd + r->output_cost_pusd;
	r->economic_pusd = full + r->output_cost_pusd;
}

static void use(struct lg_row *r, const struct model *m)
{
	r->input_tokens = 40 + below(200) * below(40);
	r->output_tokens = m->out ? 5 + below(60) * below(30) : 0;
	if (m->out && one_in(3))
		r->cache_read_tokens = r->input_tokens / 4 * below(4);
	if (m->out && one_in(8))
		r->cache_write_5m_tokens = r->input_tokens / 8;
	if (one_in(10))
		r->reasoning_tokens = r->output_tokens / 2;
	price(r, m);
	r->estimate_pusd = r->cost_pusd + (int64_t)below(1000000000);
	snprintf(r->usage_raw, sizeof(r->usage_raw),
		 "{\"prompt_tokens\":%llu,\"completion_tokens\":%llu}",
		 (unsigned long long)r->input_tokens,
		 (unsigned long long)r->output_tokens);
}

static void refuse(struct lg_row *r)
{
	r->verdict = LG_VERDICT_BLOCK;
	r->status = 429;
	PUT(reason, "over_budget");
	PUT(model, "");
	r->cost_pusd = r->economic_pusd = 0;
	r->input_cost_pusd = r->output_cost_pusd = 0;
	r->input_tokens = r->output_tokens = 0;
	r->cache_read_tokens = r->cache_write_5m_tokens = LG_ROW_ABSENT;
	r->reasoning_tokens = LG_ROW_ABSENT;
	r->usage_raw[0] = 0;
}

static void mishap(struct lg_row *r)
{
	uint64_t n = below(1000);

	if (n < 10)
		refuse(r);
	else if (n < 40)
		r->usage_state = LG_USAGE_ESTIMATED;
	else if (n < 45)
		r->price_state = LG_PRICED_UNKNOWN;
	else if (n < 47)
		r->flags |= LG_ROW_ABANDONED, r->usage_state = LG_USAGE_MISSING;
	else if (n < 55)
		r->flags |= LG_ROW_RETRY;
}

static void make_call(struct lg_row *r, int64_t ms)
{
	const struct model *m = pick_model();
	char text[64];

	lg_row_init(r);
	make_id(ms, r->id);
	r->ts_ms = ms;
	r->duration_ms = 200 + (int64_t)below(20000);
	r->ttft_ms = r->duration_ms / 4;
	r->end_ms = ms + r->duration_ms;
	r->pid = 1000 + (int32_t)below(5000);
	r->ppid = 1;
	r->uid = 1000;
	r->status = 200;
	r->request_bytes = 400 + below(9000);
	r->response_bytes = 500 + below(5000);
	PUT(exe, "/usr/bin/python3.11");
	PUT(comm, one_in(4) ? "node" : "python3");
	PUT(project, PICK(projects));
	PUT(user, PICK(users));
	PUT(key, one_in(2) ? "0123456789ab" : "ba9876543210");
	PUT(tags, PICK(tags));
	PUT(phase, one_in(12) ? "train" : "infer");
	PUT(provider, m->provider);
	PUT(host, m->host);
	PUT(dialect, m->dialect);
	PUT(endpoint, m->endpoint);
	PUT(model_requested, m->asked);
	PUT(model, m->answered);
	PUT(request_type, m->out ? "generate" : "embed");
	PUT(price_version, "2026-01-15");
	PUT(budgets, "month");
	snprintf(text, sizeof(text), "conv-%llu",
		 (unsigned long long)(ms / 3600000 * 8 + (int64_t)below(24)));
	if (!one_in(4))
		PUT(conversation, text);
	snprintf(text, sizeof(text), "run-%lld", (long long)(ms / DAY_MS));
	PUT(run_id, text);
	snprintf(text, sizeof(text), "resp_%016llx",
		 (unsigned long long)next());
	PUT(response_id, text);
	use(r, m);
	mishap(r);
}

static void correct(struct lg_row *adj, const struct lg_row *call, int64_t now)
{
	struct lg_row is = *call;

	lg_adjust_init(adj, call);
	make_id(now, adj->id);
	adj->end_ms = now;
	if (one_in(3)) {
		put(is.model, sizeof(is.model), is.model_requested);
		is.output_tokens += 17;
	}
	is.price_state = LG_PRICED_EXACT;
	is.usage_state = LG_USAGE_EXACT;
	is.input_cost_pusd += (int64_t)below(1000000) - 500000;
	is.cost_pusd = is.input_cost_pusd + is.output_cost_pusd;
	is.economic_pusd += 12345;
	lg_adjust_diff(adj, call, &is);
	put(adj->note, sizeof(adj->note), "price arrived");
}

/* -- files ------------------------------------------------------------------
 */

static FILE *out;
static char out_name[LG_MONTH_NAME];
static const char *folder;

static void write_row(const struct lg_row *r, int64_t now)
{
	static char text[LG_ROW_LINE_MAX];
	char name[LG_MONTH_NAME], path[512];
	struct lg_buf b;

	lg_month_name(now, name);
	if (strcmp(name, out_name)) {
		if (out)
			fclose(out);
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		out = fopen(path, "w");
		if (!out) {
			perror(path);
			exit(1);
		}
		chmod(path, 0600);
		strcpy(out_name, name);
	}
	lg_buf_init_fixed(&b, text, sizeof(text));
	if (lg_row_format(r, &b))
		exit(1);
	if (one_in(20000)) /* torn, and written again behind it */
		fwrite(text, 1, b.len / 2, out);
	fwrite(text, 1, b.len, out);
}

/* Thousandths of the rows that a day has room for. */
static uint64_t weight(int64_t day, int64_t first, int64_t days)
{
	uint64_t w = lg_civil_weekday(day) < 5 ? 1000 : 350;

	w += w * (uint64_t)(day - first) / (uint64_t)days; /* it grows */
	return day - first == days / 2 + 3 ? w * 4 : w;
}

static int64_t instant(int64_t day)
{
	int64_t hour = (int64_t)below(24);

	if (hour < 7 && !one_in(4))
		hour += 9;
	return day * DAY_MS + hour * 3600000 + (int64_t)below(3600000);
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void make_day(int64_t day, uint64_t n)
{
	static struct lg_row kept[KEPT], r, adj;
	static unsigned nkept;
	int64_t *ts = malloc((n + 1) * sizeof(*ts));

	for (uint64_t i = 0; i < n; i++)
		ts[i] = instant(day);
	qsort(ts, n, sizeof(*ts), by_time);
	for (uint64_t i = 0; i < n; i++) {
		make_call(&r, ts[i]);
		write_row(&r, ts[i]);
		if (one_in(5000)) {
			r.flags |= LG_ROW_RECOVERED;
			write_row(&r, ts[i]);
		}
		if (one_in(50) && nkept < KEPT)
			kept[nkept++] = r;
		if (one_in(200) && nkept) {
			correct(&adj, &kept[--nkept], ts[i]);
			write_row(&adj, ts[i]);
		}
	}
	free(ts);
}

int main(int argc, char **argv)
{
	uint64_t rows, all = 0, w;
	int64_t first, days;
	int y, m, d;

	if (argc < 5 || sscanf(argv[3], "%d-%d-%d", &y, &m, &d) != 3)
		return 2;
	lg_mem_set_cap((size_t)1 << 30);
	folder = argv[1];
	rows = strtoull(argv[2], NULL, 10);
	days = atoll(argv[4]);
	state = argc > 5 ? strtoull(argv[5], NULL, 10) : 1;
	first = lg_civil_days(y, (unsigned)m, (unsigned)d);
	for (int64_t i = 0; i < days; i++)
		all += weight(first + i, first, days);
	for (int64_t i = 0, done = 0; i < days; i++) {
		w = weight(first + i, first, days);
		w = i + 1 < days ? rows * w / all : rows - (uint64_t)done;
		make_day(first + i, w);
		done += (int64_t)w;
	}
	return out && !fclose(out) ? 0 : 1;
}
