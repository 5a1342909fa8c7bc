#include <string.h>

#include "base/money.h"
#include "report.h"
#include "report_csv.h"
#include "table.h"
#include "tool.h"

/*
 * A spreadsheet must not take a name for a formula: one that begins like it
 * gets a quote in front. Nor a terminal for a command.
 */
void csv_put_text(struct lg_buf *out, const char *text)
{
	bool risky = *text && strchr("=+-@\t\r", *text);
	char one[5];

	if (!risky && !strpbrk(text, ",\"\r\n")) {
		table_put(out, text);
		return;
	}
	lg_buf_putc(out, '"');
	if (risky)
		lg_buf_putc(out, '\'');
	while (*text) {
		if (strchr("\"\t\r\n", *text)) {
			lg_buf_puts(out, *text == '"' ? "\"" : "");
			lg_buf_putc(out, *text++);
			continue;
		}
		text += table_letter(text, one);
		lg_buf_puts(out, one);
	}
	lg_buf_putc(out, '"');
}

const char csv_sums_head[] =
	"calls,blocked,input_tokens,output_tokens,cache_read_tokens,"
	"cache_write_tokens,reasoning_tokens,cost_usd,input_cost_usd,"
	"output_cost_usd,economic_usd,estimate_usd,refused_usd,exact_usd,"
	"estimated_usd,"
	"unknown_usd,abandoned_usd";

static void put_sums(struct lg_buf *out, const struct sums *s)
{
	static const unsigned counts[] = {
		SUM_CALLS,	SUM_BLOCKED,	 SUM_INPUT,	SUM_OUTPUT,
		SUM_CACHE_READ, SUM_CACHE_WRITE, SUM_REASONING,
	};
	const int64_t money[] = {
		s->v[SUM_COST],
		s->v[SUM_INPUT_COST],
		lg_money_sub(s->v[SUM_COST], s->v[SUM_INPUT_COST]),
		s->v[SUM_ECONOMIC],
		s->v[SUM_ESTIMATE],
		s->v[SUM_REFUSED],
		s->v[SUM_COVER_COST + SPEND_EXACT],
		s->v[SUM_COVER_COST + SPEND_ESTIMATED],
		s->v[SUM_COVER_COST + SPEND_UNKNOWN],
		s->v[SUM_COVER_COST + SPEND_ABANDONED],
	};
	unsigned i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		lg_buf_putc(out, ',');
		lg_buf_put_i64(out, s->v[counts[i]]);
	}
	for (i = 0; i < sizeof(money) / sizeof(money[0]); i++) {
		lg_buf_putc(out, ',');
		lg_buf_put_money(out, money[i]);
	}
}

void csv_put_sums(struct lg_buf *out, const struct sums *s)
{
	put_sums(out, s);
	lg_buf_puts(out, "\r\n");
}

static void put_ppm(struct lg_buf *out, int64_t ppm)
{
	lg_buf_putc(out, ',');
	/* a millionth of a dollar's picodollars: the same decimal */
	lg_buf_put_money(out, ppm * 1000000);
}

/* With --cache three columns more, named as in JSON. */
static void put_line(const struct report *r, struct lg_buf *out,
		     const struct sums *s)
{
	int64_t v[REPORT_CACHE_CELLS];

	put_sums(out, s);
	if (r->cache) {
		report_cache_values(s, v);
		put_ppm(out, v[CACHE_HIT]);
		lg_buf_putc(out, ',');
		lg_buf_put_money(out, v[CACHE_SAVED]);
		put_ppm(out, v[CACHE_OF_IT]);
	}
	lg_buf_puts(out, "\r\n");
}

void report_put_csv(struct report *r, struct lg_buf *out)
{
	const struct query *q = &r->a->q;

	lg_buf_puts(out, "by,key,");
	lg_buf_puts(out, csv_sums_head);
	if (r->cache)
		lg_buf_puts(out, ",cache_hit_share,saved_usd,saved_share");
	lg_buf_puts(out, "\r\n");
	for (unsigned i = 0; i < r->shown; i++) {
		const struct grouping *by = &q->out[i];

		for (unsigned k = 0; k < report_count(r, by); k++) {
			lg_buf_puts(out, by->dim->name);
			lg_buf_putc(out, ',');
			csv_put_text(out, ask_key(by->dim, &by->g[k]));
			put_line(r, out, &by->g[k].s);
		}
	}
	lg_buf_puts(out, "total,");
	put_line(r, out, &q->total);
}

int report_csv(struct report *r)
{
	struct lg_buf out;

	lg_buf_init(&out, (size_t)1 << 30);
	report_put_csv(r, &out);
	return tool_print(&out);
}
