/*
 * Every recorded exchange of ../shared/fixtures through a guarded connection:
 * both sides receive the recorded bytes, and the row says what expected.json
 * says, whatever the cuts and in every content coding. Coverage is printed for
 * each dialect.
 */
#include <stdint.h>

#include "llm/dialect.h"
#include "tests/golden/expect.h"
#include "tests/golden/recode.h"

static void check_bytes(const char *what, const struct lg_buf *got,
			const char *want, size_t len)
{
	if (got->len != len || (len && memcmp(got->p, want, len)))
		complain(what, (long long)got->len, (long long)len);
}

/* One exchange as it is answered. */
static void replay(struct rig *r, const struct fixture *f,
		   struct lg_slice answer, size_t wstep, size_t rstep)
{
	char host[256];

	host_of(f->want, host, sizeof(host));
	rig_forget(r);
	rig_connect(r, host);
	rig_write(r, f->request, f->request_len, wstep);
	check_bytes("server's bytes", &r->server, f->request, f->request_len);
	rig_answer(r, answer.p, answer.len, rstep);
	lg_flow_eof(r->f);
	check_bytes("program's bytes", &r->program, answer.p, answer.len);
	rig_close(r);
	check_new_row(r, f->want);
}

static void in_all_cuts(struct rig *r, const struct fixture *f)
{
	static const size_t steps[][2] = {
		{0, 0}, {1, 1}, {7, 13}, {0, 3}, {1000, 1369},
	};
	struct lg_slice answer = {f->answer, f->answer_len};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!steps[i][0] || !steps[i][1] || is_listed(r, f->want))
			replay(r, f, answer, steps[i][0], steps[i][1]);
}

static void in_all_codings(struct rig *r, const struct fixture *f)
{
	static const size_t steps[] = {0, 1, 700};

	for (unsigned i = 0; i < RECODINGS; i++)
		for (size_t k = 0; k < 3; k++) {
			struct lg_buf answer;

			if (!recode(f->answer, f->answer_len, i,
				    1 + (size_t)rand() % 900, &answer)) {
				complain("recoding", i, -1);
				continue;
			}
			replay(r, f, lg_buf_slice(&answer), 0, steps[k]);
			lg_buf_fini(&answer);
		}
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

static void one(void *ctx, const struct fixture *f)
{
	const char *api = json_string_value(json_object_get(f->want, "api"));
	struct cover *c = cover_of(api);
	unsigned before = failed;

	name = f->name;
	first.size = 0;
	c->total++;
	if (is_free(c->api) || lg_dialect_by_name(lg_slice_str(c->api))) {
		in_all_cuts(ctx, f);
		in_all_codings(ctx, f);
		c->good += failed == before;
		ran++;
	} else {
		c->uncovered++;
		failed++;
	}
}

int main(void)
{
	struct rig r;
	bool any;

	srand(5);
	rig_start(&r, NULL);
	any = fixtures_walk(one, &r);
	rig_stop(&r);
	if (!any)
		return 77;
	print_coverage();
	printf("%u exchanges, %u complaints\n", ran, failed);
	return failed || !ran;
}
