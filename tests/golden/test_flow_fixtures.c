/*
 * Every recorded exchange of ../shared/fixtures through a guarded connection:
 * both sides receive the recorded bytes, and the row says what expected.json
 * says, whatever the cuts and in every content coding. Coverage is printed for
 * each dialect.
 */
#include <dirent.h>
#include <stdint.h>

#include "llm/dialect.h"
#include "tests/golden/expect.h"
#include "tests/golden/recode.h"
#include "tests/unit/flow_rig.h"

static unsigned ran;

static void check_bytes(const char *what, const struct lg_buf *got,
			const char *want, size_t len)
{
	if (got->len != len || (len && memcmp(got->p, want, len)))
		complain(what, (long long)got->len, (long long)len);
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
