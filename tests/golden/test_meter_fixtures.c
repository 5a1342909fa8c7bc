/*
 * Every recorded exchange of ../shared/fixtures through the tracer's meter, as
 * records of the kernel: the row says what expected.json says, whatever the
 * cuts, with writes that had to be repeated, over HTTP/1.1 and HTTP/2.
 */
#include <dirent.h>

#include "bpf/meter.h"
#include "llm/dialect.h"
#include "tests/golden/as_h2.h"
#include "tests/golden/expect.h"
#include "tests/golden/records.h"
#include "tests/unit/flow_rig.h"

static unsigned ran;
static struct lg_row first;

static unsigned new_rows(struct rig *r, struct lg_row *last)
{
	static struct lg_ledger_pos pos;
	struct lg_ledger_stats stats = {0};
	struct counting c = {0, last};

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, count_row,
		       &c, &stats);
	return c.n;
}

static void check_first(const struct lg_row *row)
{
	if (!first.size)
		first = *row;
	else if (row->cost_pusd != first.cost_pusd ||
		 row->flags != first.flags ||
		 row->input_tokens != first.input_tokens ||
		 row->output_tokens != first.output_tokens ||
		 strcmp(row->usage_raw, first.usage_raw))
		complain("row after cuts", row->cost_pusd, first.cost_pusd);
}

struct way {
	size_t wstep, rstep;
	unsigned repeats; /* every so manieth write has to be repeated */
	bool told;	  /* and that is told */
};

static const struct way ways[] = {
	{0, 0, 0, false},    {1, 1, 0, false},	    {7, 13, 2, true},
	{100, 3, 3, false},  {1000, 1369, 1, true}, {0, 16384, 1, false},
	{16384, 0, 1, true},
};

static bool is_listed(struct rig *r, const char *host)
{
	return lg_engine_guards(r->e, lg_slice_str(host));
}

static void replay(struct rig *r, struct meter *m, const char *dir,
		   json_t *want, const struct way *w)
{
	size_t qlen, alen;
	char *q = read_file(dir, "request.http", &qlen);
	char *a = read_file(dir, "response.http", &alen);
	struct lg_row row = {0};
	struct records rec;
	char host[256];
	unsigned n;

	host_of(want, host, sizeof(host));
	rig_forget(r);
	records_open(&rec, m, host);
	records_write(&rec, q, qlen, w->wstep, w->repeats, w->told);
	records_read(&rec, a, alen, w->rstep);
	records_close(&rec, true);
	n = new_rows(r, &row);
	if (n != 1)
		complain("rows", n, 1);
	check_row(want, &row);
	check_first(&row);
	free(q);
	free(a);
}

/*
 * The same over HTTP/2, three times on one connection: what the first request
 * put into the header tables is used by the next ones.
 */
static void replay_h2(struct rig *r, struct meter *m, const char *dir,
		      json_t *want, size_t step)
{
	struct nghttp2_hd_deflater *uw = lg_hpack_writer_new();
	struct nghttp2_hd_deflater *dw = lg_hpack_writer_new();
	const struct lg_h2_frame set = {0, LG_H2_SETTINGS, 0, 0};
	size_t qlen, alen;
	char *q = read_file(dir, "request.http", &qlen);
	char *a = read_file(dir, "response.http", &alen);
	struct records rec;
	struct lg_buf b;
	char host[256];
	unsigned n;

	host_of(want, host, sizeof(host));
	records_open(&rec, m, host);
	lg_buf_init(&b, 64 << 20);
	lg_buf_puts(&b, LG_H2_PREFACE);
	lg_h2_put(&b, &set, "");
	for (uint32_t i = 0; i < 3; i++) {
		struct lg_row row = {0};

		rig_forget(r);
		as_h2(q, qlen, true, host, 2 * i + 1, uw, &b);
		records_write(&rec, b.p, b.len, step, 0, false);
		b.len = 0;
		if (!i)
			lg_h2_put(&b, &set, "");
		as_h2(a, alen, false, host, 2 * i + 1, dw, &b);
		records_read(&rec, b.p, b.len, step);
		b.len = 0;
		n = new_rows(r, &row);
		if (n != 1)
			complain("rows over HTTP/2", n, 1);
		check_row(want, &row);
		if (row.cost_pusd != first.cost_pusd &&
		    row.usage_state == LG_USAGE_EXACT)
			complain("cost over HTTP/2", row.cost_pusd,
				 first.cost_pusd);
	}
	records_close(&rec, false);
	lg_hpack_writer_del(uw);
	lg_hpack_writer_del(dw);
	lg_buf_fini(&b);
	free(q);
	free(a);
}

static unsigned joins, exact;

/* What a late look may say is right, or that it is not known. */
static void check_late(json_t *want, const struct lg_row *row, size_t from)
{
	bool usage = json_is_true(json_object_get(want, "usage_present"));
	bool cut = !json_is_null(json_object_get(want, "error"));

	joins++;
	if (!(row->flags & LG_ROW_JOINED_LATE))
		complain("flags of a late join", row->flags,
			 LG_ROW_JOINED_LATE);
	if (row->usage_state != LG_USAGE_EXACT || !row->dialect[0] || cut ||
	    row->status >= 300)
		return;
	exact++;
	if (usage && !from) {
		check_n(want, "input_tokens", row->input_tokens);
		check_n(want, "output_tokens", row->output_tokens);
	}
	check_text(want, "model_returned", row->model[0] ? row->model : NULL);
}

/* The request was not seen, nor the first bytes of the answer. */
static void replay_late(struct rig *r, struct meter *m, const char *dir,
			json_t *want, bool named, size_t from)
{
	size_t alen;
	char *a = read_file(dir, "response.http", &alen), host[256];
	struct lg_row row = {0};
	struct records rec;
	unsigned n;

	host_of(want, host, sizeof(host));
	records_open(&rec, m, NULL);
	rec.flags = PROBE_FLAG_LATE;
	if (named)
		records_name(&rec, host);
	from = from < alen ? from : alen;
	records_read(&rec, a + from, alen - from, 0);
	records_close(&rec, true);
	n = new_rows(r, &row);
	if (n > 1 || (!n && named && !from))
		complain("rows of a late join", n, 1);
	if (n)
		check_late(want, &row, from);
	free(a);
}

static void replay_all_late(struct rig *r, struct meter *m, const char *dir,
			    json_t *want)
{
	size_t alen;
	char *a = read_file(dir, "response.http", &alen), *p = a;

	replay_late(r, m, dir, want, true, 0);
	replay_late(r, m, dir, want, false, 0);
	/* behind each line's end a chunk may begin */
	while ((p = memchr(p, '\n', alen - (size_t)(p - a)))) {
		p++;
		if (rand() % 8 == 0)
			replay_late(r, m, dir, want, rand() % 2,
				    (size_t)(p - a));
	}
	for (unsigned i = 0; i < 8; i++)
		replay_late(r, m, dir, want, true, (size_t)rand() % alen);
	free(a);
}

static void one(struct rig *r, struct meter *m, const char *group,
		const char *exchange)
{
	char dir[1024], path[1100], host[256];
	json_t *want;

	snprintf(dir, sizeof(dir), ROOT "/%s/%s", group, exchange);
	snprintf(path, sizeof(path), "%s/expected.json", dir);
	want = json_load_file(path, 0, NULL);
	if (!want)
		return;
	name = exchange;
	first.size = 0;
	host_of(want, host, sizeof(host));
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!ways[i].wstep || ways[i].wstep > 8192 ||
		    is_listed(r, host))
			replay(r, m, dir, want, &ways[i]);
	for (size_t i = 0; i < 3 && is_listed(r, host); i++)
		replay_h2(r, m, dir, want, (size_t[]){0, 1, 1000}[i]);
	if (is_listed(r, host))
		replay_all_late(r, m, dir, want);
	ran++;
	json_decref(want);
}

static void group(struct rig *r, struct meter *m, const char *g)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), ROOT "/%s", g);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			one(r, m, g, e->d_name);
	if (d)
		closedir(d);
}

int main(void)
{
	DIR *d = opendir(ROOT);
	struct meter_options o = {.on_call = NULL};
	struct meter_totals t;
	struct meter *m;
	struct dirent *e;
	struct rig r;

	if (!d) {
		printf("no " ROOT ": skipped\n");
		return 77;
	}
	rig_start(&r, NULL);
	o.config = r.config;
	o.state_dir = r.state;
	o.region = r.region;
	assert(!meter_new(&o, &m));
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			group(&r, m, e->d_name);
	closedir(d);
	meter_totals(m, &t);
	meter_del(m);
	rig_stop(&r);
	printf("%u late joins made rows, %u with exact usage\n", joins, exact);
	printf("%u exchanges, %llu calls, %llu lost, %u complaints\n", ran,
	       (unsigned long long)t.calls, (unsigned long long)t.lost_calls,
	       failed);
	return failed || !ran || t.in_flight || t.lost_calls;
}
