#include "json.h"

#include <string.h>

#include "base/money.h"

#define OUTPUT_MAX ((size_t)1 << 30)

void json_init(struct json *j)
{
	memset(j, 0, sizeof(*j));
	lg_buf_init(&j->b, OUTPUT_MAX);
}

static struct lg_buf *next(struct json *j, const char *key)
{
	uint64_t bit = UINT64_C(1) << j->depth;

	if (j->more & bit)
		lg_buf_putc(&j->b, ',');
	j->more |= bit;
	if (key) {
		lg_buf_put_json(&j->b, lg_slice_str(key));
		lg_buf_putc(&j->b, ':');
	}
	return &j->b;
}

void json_open(struct json *j, const char *key, char bracket)
{
	lg_buf_putc(next(j, key), bracket);
	j->depth++;
	j->more &= ~(UINT64_C(1) << j->depth);
}

void json_close(struct json *j, char bracket)
{
	lg_buf_putc(&j->b, bracket);
	j->depth--;
}

void json_text(struct json *j, const char *key, const char *text)
{
	lg_buf_put_json(next(j, key), lg_slice_str(text));
}

void json_slice(struct json *j, const char *key, struct lg_slice text)
{
	lg_buf_put_json(next(j, key), text);
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
	lg_buf_put_u64(next(j, key), v);
}

void json_i64(struct json *j, const char *key, int64_t v)
{
	lg_buf_put_i64(next(j, key), v);
}

void json_bool(struct json *j, const char *key, bool v)
{
	lg_buf_puts(next(j, key), v ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	lg_buf_puts(next(j, key), "null");
}

void json_usd(struct json *j, const char *key, int64_t pusd)
{
	if (pusd == INT64_MIN || pusd == INT64_MAX)
		json_null(j, key);
	else
		lg_buf_put_money(next(j, key), pusd);
}

void json_number(struct json *j, const char *key, const char *literal)
{
	lg_buf_puts(next(j, key), literal);
}

void json_ppm(struct json *j, const char *key, int64_t ppm)
{
	int64_t unit = LG_PUSD_PER_USD / 1000000;

	if (ppm < 0 || ppm > INT64_MAX / unit)
		json_null(j, key);
	else
		lg_buf_put_money(next(j, key), ppm * unit);
}

void json_time(struct json *j, const char *key, int64_t unix_ms)
{
	struct lg_buf *b;

	if (unix_ms == INT64_MIN || unix_ms == INT64_MAX || !unix_ms) {
		json_null(j, key);
		return;
	}
	b = next(j, key);
	lg_buf_putc(b, '"');
	lg_buf_put_time(b, unix_ms);
	lg_buf_putc(b, '"');
}

void json_line(struct json *j)
{
	lg_buf_putc(&j->b, '\n');
	j->more = 0;
}
