/*
 * Every recorded exchange of ../shared/fixtures through a guarded connection:
 * both sides receive the recorded bytes, and the row says what expected.json
 * says, whatever the cuts and in every content coding. Coverage is printed for
 * each dialect.
 */
#include <dirent.h>
#include <stdint.h>

#include <jansson.h>

#include "llm/dialect.h"
#include "tests/golden/recode.h"
#include "tests/unit/flow_rig.h"

#define ROOT "../shared/fixtures"

static unsigned ran, failed;
static const char *name;

static void complain(const char *what, long long got, long long want)
{
	fprintf(stderr, "%s: %s is %lld, want %lld\n", name, what, got, want);
	failed++;
}

static char *read_file(const char *dir, const char *file, size_t *len)
{
	char path[512];
	FILE *f;
	char *p;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	p = malloc(4 << 20);
	*len = fread(p, 1, 4 << 20, f);
	fclose(f);
	return p;
}

static void check_n(json_t *want, const char *key, uint64_t got)
{
	json_t *v = json_object_get(want, key);

	if (json_is_integer(v) && (uint64_t)json_integer_value(v) != got)
		complain(key, (long long)got, json_integer_value(v));
}

/* Absent reads as 0 where the recording says 0. */
static uint64_t or_zero(uint64_t n)
{
	return n == LG_ROW_ABSENT ? 0 : n;
}

static void check_text(json_t *want, const char *key, const char *got)
{
	const char *text = json_string_value(json_object_get(want, key));

	if (text && strcmp(text, got)) {
		fprintf(stderr, "%s: %s is %s, want %s\n", name, key, got,
			text);
		failed++;
	}
}

/* Asking what a prompt counts is free and has no dialect of its own. */
static bool is_free(const char *api)
{
	return strstr(api, "count-tokens") != NULL;
}

/* The provider's own figure wins; a key's owner pays somebody else. */
static void check_cost(json_t *want, const struct lg_row *row)
{
	json_t *v = json_object_get(want, "provider_reported_cost_usd");
	json_t *byok =
		json_object_get(json_object_get(want, "extra"), "is_byok");
	char got[40], told[40];

	if (!json_is_number(v) || json_is_true(byok))
		return;
	snprintf(told, sizeof(told), "%.12f", json_number_value(v));
	snprintf(got, sizeof(got), "%.12f", (double)row->cost_pusd / 1e12);
	if (strcmp(got, told) || row->provider_cost_pusd != row->cost_pusd) {
		fprintf(stderr, "%s: cost is %s, want %s\n", name, got, told);
		failed++;
	}
}

static void check_row(json_t *want, const struct lg_row *row)
{
	bool usage = json_is_true(json_object_get(want, "usage_present"));
	bool cut = !json_is_null(json_object_get(want, "error"));
	const char *api = json_string_value(json_object_get(want, "api"));
	bool is_asking = is_free(api), local = !strncmp(api, "ollama", 6);
	bool billable = json_is_true(json_object_get(want, "billable"));

	if (!is_asking)
		check_text(want, "model_requested", row->model_requested);
	check_text(want, "model_returned", row->model);
	if (!is_asking)
		check_text(want, "api", row->dialect);
	check_n(want, "http_status", (uint64_t)row->status);
	/* what was delivered is counted where the last word never came */
	if (usage && !(cut && row->usage_state == LG_USAGE_ESTIMATED)) {
		check_n(want, "input_tokens", row->input_tokens);
		check_n(want, "output_tokens", row->output_tokens);
		check_n(want, "cached_input_tokens",
			or_zero(row->cache_read_tokens));
		check_n(want, "cache_write_tokens",
			or_zero(row->cache_write_5m_tokens) +
				or_zero(row->cache_write_1h_tokens));
		check_cost(want, row);
		check_n(want, "reasoning_tokens",
			or_zero(row->reasoning_tokens));
		if (row->usage_state != LG_USAGE_EXACT && !cut)
			complain("usage_state", row->usage_state,
				 LG_USAGE_EXACT);
	}
	if (row->input_cost_pusd + row->output_cost_pusd != row->cost_pusd)
		complain("sum of costs",
			 row->input_cost_pusd + row->output_cost_pusd,
			 row->cost_pusd);
	if (!billable && !usage && row->status >= 400 && row->cost_pusd)
		complain("cost of a failure", row->cost_pusd, 0);
	if (billable && usage && !local &&
	    row->price_state != LG_PRICED_UNKNOWN && !row->cost_pusd &&
	    row->input_tokens)
		complain("cost of a call", 0, 1);
}

static void check_bytes(const char *what, const struct lg_buf *got,
			const char *want, size_t len)
{
	if (got->len != len || (len && memcmp(got->p, want, len)))
		complain(what, (long long)got->len, (long long)len);
}

static void host_of(json_t *want, char *host, size_t cap)
{
	const char *url = json_string_value(json_object_get(want, "endpoint"));
	const char *p = url ? strstr(url, "//") : NULL;

	snprintf(host, cap, "%.*s", p ? (int)strcspn(p + 2, "/:") : 0,
		 p ? p + 2 : "");
}

/* On other hosts only a whole head in one write is a request. */
static bool is_named(struct rig *r, json_t *want)
{
	char host[256];

	host_of(want, host, sizeof(host));
	return lg_engine_guards(r->e, lg_slice_str(host));
}

static struct lg_row first;

/* Those since the last time. */
static unsigned new_rows(struct rig *r, struct lg_row *last)
{
	static struct lg_ledger_pos pos;
	struct lg_ledger_stats stats = {0};
	struct counting c = {0, last};

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, count_row,
		       &c, &stats);
	return c.n;
}

/* One exchange as it is answered; the row must be the first one's. */
static void replay(struct rig *r, const char *dir, json_t *want,
		   const struct lg_buf *answer, size_t wstep, size_t rstep)
{
	size_t qlen;
	char *q = read_file(dir, "request.http", &qlen);
	struct lg_row row = {0};
	char host[256];
	unsigned n;

	host_of(want, host, sizeof(host));
	rig_forget(r);
	rig_connect(r, host);
	rig_write(r, q, qlen, wstep);
	check_bytes("server's bytes", &r->server, q, qlen);
	rig_answer(r, answer->p, answer->len, rstep);
	lg_flow_eof(r->f);
	check_bytes("program's bytes", &r->program, answer->p, answer->len);
	rig_close(r);
	n = new_rows(r, &row);
	if (n != 1)
		complain("rows", n, 1);
	check_row(want, &row);
	if (!first.size)
		first = row;
	else if (row.cost_pusd != first.cost_pusd || row.flags != first.flags ||
		 row.input_tokens != first.input_tokens ||
		 row.output_tokens != first.output_tokens ||
		 row.estimate_pusd != first.estimate_pusd ||
		 strcmp(row.usage_raw, first.usage_raw))
		complain("row after cuts or codings", row.cost_pusd,
			 first.cost_pusd);
	free(q);
}

static void in_all_cuts(struct rig *r, const char *dir, json_t *want)
{
	static const size_t steps[][2] = {
		{0, 0}, {1, 1}, {7, 13}, {0, 3}, {1000, 1369},
	};
	struct lg_buf answer = {
		.p = read_file(dir, "response.http", &answer.len)};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i][0] || !steps[i][1] || is_named(r, want))
			replay(r, dir, want, &answer, steps[i][0], steps[i][1]);
	free(answer.p);
}

static void in_all_codings(struct rig *r, const char *dir, json_t *want)
{
	static const size_t steps[] = {0, 1, 700};
	size_t len;
	char *raw = read_file(dir, "response.http", &len);

	for (unsigned i = 0; i < RECODINGS; i++)
		for (size_t k = 0; k < 3; k++) {
			struct lg_buf answer;

			if (!recode(raw, len, i, 1 + (size_t)rand() % 900,
				    &answer)) {
				complain("recoding", i, -1);
				continue;
			}
			replay(r, dir, want, &answer, 0, steps[k]);
			lg_buf_fini(&answer);
		}
	free(raw);
}

/* -- coverage ----------------------------------------------------------------
 */

static struct cover {
	char api[40];
	unsigned total, good, uncovered;
} covers[64];

static struct cover *cover_of(const char *api)
{
	struct cover *c = covers;

	while (c->api[0] && strcmp(c->api, api))
		c++;
	snprintf(c->api, sizeof(c->api), "%s", api);
	return c;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cover *)a)->api,
		      ((const struct cover *)b)->api);
}

static void print_coverage(void)
{
	unsigned n = 0;

	while (covers[n].api[0])
		n++;
	qsort(covers, n, sizeof(covers[0]), by_name);
	for (unsigned i = 0; i < n; i++)
		printf("%-24s %3u of %3u%s\n", covers[i].api, covers[i].good,
		       covers[i].total,
		       covers[i].uncovered ? "  no such dialect" : "");
}

static void one(struct rig *r, const char *group, const char *exchange)
{
	char dir[1024], path[1100];
	unsigned before = failed;
	struct cover *c;
	json_t *want;

	snprintf(dir, sizeof(dir), ROOT "/%s/%s", group, exchange);
	snprintf(path, sizeof(path), "%s/expected.json", dir);
	want = json_load_file(path, 0, NULL);
	if (!want)
		return;
	name = exchange;
	first.size = 0;
	c = cover_of(json_string_value(json_object_get(want, "api")));
	c->total++;
	if (is_free(c->api) || lg_dialect_by_name(lg_slice_str(c->api))) {
		in_all_cuts(r, dir, want);
		in_all_codings(r, dir, want);
		c->good += failed == before;
		ran++;
	} else {
		c->uncovered++;
		failed++;
	}
	json_decref(want);
}

static void group(struct rig *r, const char *g)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), ROOT "/%s", g);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			one(r, g, e->d_name);
	if (d)
		closedir(d);
}

int main(void)
{
	DIR *d = opendir(ROOT);
	struct dirent *e;
	struct rig r;

	if (!d) {
		printf("no " ROOT ": skipped\n");
		return 77;
	}
	srand(5);
	rig_start(&r, NULL);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			group(&r, e->d_name);
	closedir(d);
	rig_stop(&r);
	print_coverage();
	printf("%u exchanges, %u complaints\n", ran, failed);
	return failed || !ran;
}
