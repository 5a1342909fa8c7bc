/*
 * Every recorded exchange of ../shared/fixtures through the tracer's meter, as
 * records of the kernel: the row says what expected.json says, whatever the
 * cuts, with writes that had to be repeated, over HTTP/1.1 and HTTP/2.
 */
#include "bpf/meter.h"
#include "tests/golden/as_h2.h"
#include "tests/golden/expect.h"
#include "tests/golden/records.h"

struct run {
	struct rig rig;
	struct meter *m;
};

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

static void replay(struct run *r, const struct fixture *f, const struct way *w)
{
	struct records rec;
	char host[256];

	host_of(f->want, host, sizeof(host));
	rig_forget(&r->rig);
	records_open(&rec, r->m, host);
	records_write(&rec, f->request, f->request_len, w->wstep, w->repeats,
		      w->told);
	records_read(&rec, f->answer, f->answer_len, w->rstep);
	records_close(&rec, true);
	check_new_row(&r->rig, f->want);
}

/*
 * The same over HTTP/2, three times on one connection: what the first request
 * put into the header tables is used by the next ones.
 */
static void replay_h2(struct run *r, const struct fixture *f, size_t step)
{
	struct nghttp2_hd_deflater *uw = lg_hpack_writer_new();
	struct nghttp2_hd_deflater *dw = lg_hpack_writer_new();
	const struct lg_h2_frame set = {0, LG_H2_SETTINGS, 0, 0};
	struct records rec;
	struct lg_buf b;
	char host[256];
	unsigned n;

	host_of(f->want, host, sizeof(host));
	records_open(&rec, r->m, host);
	lg_buf_init(&b, 64 << 20);
	lg_buf_puts(&b, LG_H2_PREFACE);
	lg_h2_put(&b, &set, "");
	for (uint32_t i = 0; i < 3; i++) {
		struct lg_row row = {0};

		rig_forget(&r->rig);
		as_h2(f->request, f->request_len, true, host, 2 * i + 1, uw,
		      &b);
		records_write(&rec, b.p, b.len, step, 0, false);
		b.len = 0;
		if (!i)
			lg_h2_put(&b, &set, "");
		as_h2(f->answer, f->answer_len, false, host, 2 * i + 1, dw, &b);
		records_read(&rec, b.p, b.len, step);
		b.len = 0;
		n = new_rows(&r->rig, &row);
		if (n != 1)
			complain("rows over HTTP/2", n, 1);
		check_row(f->want, &row);
		if (row.cost_pusd != first.cost_pusd &&
		    row.usage_state == LG_USAGE_EXACT)
			complain("cost over HTTP/2", row.cost_pusd,
				 first.cost_pusd);
	}
	records_close(&rec, false);
	lg_hpack_writer_del(uw);
	lg_hpack_writer_del(dw);
	lg_buf_fini(&b);
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
static void replay_late(struct run *r, const struct fixture *f, bool named,
			size_t from)
{
	struct lg_row row = {0};
	struct records rec;
	char host[256];
	unsigned n;

	host_of(f->want, host, sizeof(host));
	records_open(&rec, r->m, NULL);
	rec.flags = PROBE_FLAG_LATE;
	if (named)
		records_name(&rec, host);
	records_read(&rec, f->answer + from, f->answer_len - from, 0);
	records_close(&rec, true);
	n = new_rows(&r->rig, &row);
	if (n > 1 || (!n && named && !from))
		complain("rows of a late join", n, 1);
	if (n)
		check_late(f->want, &row, from);
}

static void replay_all_late(struct run *r, const struct fixture *f)
{
	const char *a = f->answer, *end = a + f->answer_len, *p = a;

	replay_late(r, f, true, 0);
	replay_late(r, f, false, 0);
	/* behind each line's end a chunk may begin */
	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		if (rand() % 8 == 0)
			replay_late(r, f, rand() % 2, (size_t)(p - a));
	}
	for (unsigned i = 0; i < 8; i++)
		replay_late(r, f, true, (size_t)rand() % f->answer_len);
}

static void one(void *ctx, const struct fixture *f)
{
	struct run *r = ctx;
	bool listed = is_listed(&r->rig, f->want);

	name = f->name;
	first.size = 0;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!ways[i].wstep || ways[i].wstep > 8192 || listed)
			replay(r, f, &ways[i]);
	for (size_t i = 0; i < 3 && listed; i++)
		replay_h2(r, f, (size_t[]){0, 1, 1000}[i]);
	if (listed)
		replay_all_late(r, f);
	ran++;
}

int main(void)
{
	struct meter_options o = {.on_call = NULL};
	struct meter_totals t;
	struct run r;
	bool any;

	rig_start(&r.rig, NULL);
	o.config = r.rig.config;
	o.state_dir = r.rig.state;
	o.region = r.rig.region;
	assert(!meter_new(&o, &r.m));
	any = fixtures_walk(one, &r);
	meter_totals(r.m, &t);
	meter_del(r.m);
	rig_stop(&r.rig);
	if (!any)
		return 77;
	printf("%u late joins made rows, %u with exact usage\n", joins, exact);
	printf("%u exchanges, %llu calls, %llu lost, %u complaints\n", ran,
	       (unsigned long long)t.calls, (unsigned long long)t.lost_calls,
	       failed);
	return failed || !ran || t.in_flight || t.lost_calls;
}
