/*
 * Every recorded exchange of ../shared/fixtures in our dialects through a
 * guarded connection: both sides receive the recorded bytes, and the row says
 * what expected.json says, whatever the cuts.
 */
#include <dirent.h>
#include <stdint.h>

#include <jansson.h>

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

static void check_row(json_t *want, const struct lg_row *row)
{
	bool usage = json_is_true(json_object_get(want, "usage_present"));
	bool cut = !json_is_null(json_object_get(want, "error"));
	bool billable = json_is_true(json_object_get(want, "billable"));

	check_text(want, "model_requested", row->model_requested);
	check_text(want, "model_returned", row->model);
	check_text(want, "api", row->dialect);
	check_n(want, "http_status", (uint64_t)row->status);
	/* what was delivered is counted where the last word never came */
	if (usage && !(cut && row->usage_state == LG_USAGE_ESTIMATED)) {
		check_n(want, "input_tokens", row->input_tokens);
		check_n(want, "output_tokens", row->output_tokens);
		check_n(want, "cached_input_tokens",
			or_zero(row->cache_read_tokens));
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
	if (billable && usage && row->price_state != LG_PRICED_UNKNOWN &&
	    !row->cost_pusd && row->input_tokens)
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

static void replay(struct rig *r, const char *dir, json_t *want, size_t wstep,
		   size_t rstep)
{
	size_t qlen, alen;
	char *q = read_file(dir, "request.http", &qlen);
	char *a = read_file(dir, "response.http", &alen);
	struct lg_row row;
	char host[256];
	unsigned before = rig_rows(r, NULL);

	host_of(want, host, sizeof(host));
	rig_connect(r, host);
	rig_write(r, q, qlen, wstep);
	check_bytes("server's bytes", &r->server, q, qlen);
	rig_answer(r, a, alen, rstep);
	lg_flow_eof(r->f);
	check_bytes("program's bytes", &r->program, a, alen);
	rig_close(r);
	if (rig_rows(r, &row) != before + 1)
		complain("rows", rig_rows(r, NULL) - before, 1);
	check_row(want, &row);
	if (!wstep && !rstep)
		first = row;
	else if (row.cost_pusd != first.cost_pusd || row.flags != first.flags ||
		 row.input_tokens != first.input_tokens ||
		 row.output_tokens != first.output_tokens ||
		 row.estimate_pusd != first.estimate_pusd ||
		 strcmp(row.usage_raw, first.usage_raw))
		complain("row after cuts", row.cost_pusd, first.cost_pusd);
	free(q);
	free(a);
}

static bool is_ours(const char *dir)
{
	static const char *const ours[] = {
		"openai-chat",	      "openai-responses",   "openai-embeddings",
		"openai-completions", "anthropic-messages", "gemini-generate",
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strncmp(dir, ours[i], strlen(ours[i])))
			return true;
	return false;
}

static void one(struct rig *r, const char *group, const char *exchange)
{
	static const size_t steps[][2] = {
		{0, 0}, {1, 1}, {7, 13}, {0, 3}, {1000, 1369},
	};
	char dir[1024], path[1100];
	json_t *want;

	snprintf(dir, sizeof(dir), ROOT "/%s/%s", group, exchange);
	snprintf(path, sizeof(path), "%s/expected.json", dir);
	want = json_load_file(path, 0, NULL);
	if (!want)
		return;
	name = exchange;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i][0] || !steps[i][1] || is_named(r, want))
			replay(r, dir, want, steps[i][0], steps[i][1]);
	ran++;
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
		if (is_ours(e->d_name))
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
	rig_start(&r, NULL);
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			group(&r, e->d_name);
	closedir(d);
	rig_stop(&r);
	printf("%u exchanges, %u complaints\n", ran, failed);
	return failed || !ran;
}
