#include "guard/message.h"

#include <string.h>

#include "base/civil.h"
#include "base/money.h"
#include "guard/rule.h"

void lg_message_init(struct lg_message *m)
{
	memset(m->text, 0, sizeof(m->text));
	lg_buf_init_fixed(&m->b, m->text, LG_MESSAGE_MAX);
}

void lg_message_usd(struct lg_message *m, int64_t pusd)
{
	char text[40];

	lg_money_pretty(pusd, 6, text, sizeof(text));
	lg_buf_puts(&m->b, text);
}

static void put_two(struct lg_message *m, int64_t n, char before)
{
	if (before)
		lg_buf_putc(&m->b, before);
	if (n < 10)
		lg_buf_putc(&m->b, '0');
	lg_buf_put_i64(&m->b, n);
}

/* By the budgets' calendar, to the minute. */
void lg_message_when(struct lg_message *m, const struct lg_zone *z, int64_t ms)
{
	int64_t s = lg_floor_div(ms, 1000), day;
	struct lg_civil c;

	if (z)
		s += lg_zone_offset(z, s);
	day = lg_floor_div(s, 86400);
	s -= day * 86400;
	lg_civil_from_days(day, &c);
	lg_buf_put_i64(&m->b, c.year);
	put_two(m, c.month, '-');
	put_two(m, c.day, '-');
	put_two(m, s / 3600, ' ');
	put_two(m, s / 60 % 60, ':');
}

void lg_message_name(struct lg_message *m, const struct lg_rule *r,
		     const struct lg_cell_view *v)
{
	lg_buf_put(&m->b, r->name.p, r->name.len);
	if (v && v->value[0]) {
		lg_buf_puts(&m->b, " (");
		lg_buf_puts(&m->b, v->value);
		lg_buf_putc(&m->b, ')');
	}
	lg_buf_puts(&m->b, ": ");
}
