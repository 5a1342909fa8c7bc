/* HTTP/2 as records of the kernel: joined in its midst, and with gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meter_rig.h"
#include "tests/golden/as_h2.h"

/* -- HTTP/2 */

struct h2 {
	struct nghttp2_hd_deflater *uw, *dw;
	struct lg_buf b;
};

static void h2_start(struct h2 *h)
{
	h->uw = lg_hpack_writer_new();
	h->dw = lg_hpack_writer_new();
	lg_buf_init(&h->b, 1 << 20);
}

static void h2_stop(struct h2 *h)
{
	lg_hpack_writer_del(h->uw);
	lg_hpack_writer_del(h->dw);
	lg_buf_fini(&h->b);
}

/* NULL: it is not told. */
static void h2_say(struct h2 *h, struct records *c, uint32_t stream)
{
	const char *q = request("");

	h->b.len = 0;
	as_h2(q, strlen(q), true, HOST, stream, h->uw, &h->b);
	if (c)
		records_write(c, h->b.p, h->b.len, 0, 0, false);
}

static void h2_hear(struct h2 *h, struct records *c, uint32_t stream,
		    const char *a)
{
	h->b.len = 0;
	as_h2(a, strlen(a), false, HOST, stream, h->dw, &h->b);
	if (c)
		records_read(c, h->b.p, h->b.len, 0);
}

/* Calls 1 and 3 went by before; 3's answer is seen, 5 refers to 1's fields. */
static void test_h2_join(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;
	struct h2 h;

	(void)state;
	join(&w, &c, NULL);
	h2_start(&h);
	h2_say(&h, NULL, 1);
	h2_hear(&h, NULL, 1, answer());
	h2_say(&h, NULL, 3);
	h2_hear(&h, &c, 3, answer());
	assert_int_equal(w.settled, 1);
	assert_usage(&w.last);
	assert_int_equal(w.last.flags, LG_ROW_JOINED_LATE);
	h2_say(&h, &c, 5);
	h2_hear(&h, &c, 5, answer());
	records_close(&c, true);
	h2_stop(&h);
	assert_int_equal(stop(&w, &row), 2);
	assert_usage(&row);
	assert_string_equal(row.model_requested, "gpt-4o-mini");
	assert_int_equal(row.price_state, LG_PRICED_ESTIMATED);
	assert_string_equal(row.dialect, "openai-chat");
}

/* In the midst of a stream of events. */
static void test_h2_join_stream(void **state)
{
	struct lg_h2_frame f = {0, LG_H2_DATA, LG_H2_END_STREAM, 7};
	struct lg_row row;
	struct records c;
	struct world w;
	struct h2 h;

	(void)state;
	join(&w, &c, HOST);
	h2_start(&h);
	f.len = sizeof(DELTA) - 1;
	f.flags = 0;
	lg_h2_put(&h.b, &f, DELTA);
	f.len = sizeof(LAST) - 1;
	f.flags = LG_H2_END_STREAM;
	lg_h2_put(&h.b, &f, LAST);
	records_read(&c, h.b.p, h.b.len, 0);
	records_close(&c, true);
	h2_stop(&h);
	assert_int_equal(stop(&w, &row), 1);
	assert_usage(&row);
	assert_string_equal(row.provider, "openai");
	assert_int_equal(row.flags, LG_ROW_JOINED_LATE);
}

/* Many streams at once, a gap among them, and all goes on behind it. */
static void test_h2_gap(void **state)
{
	struct lg_row row;
	struct records c;
	struct world w;
	struct h2 h;

	(void)state;
	start(&w, NULL);
	records_open(&c, w.m, HOST);
	h2_start(&h);
	records_read(&c, "\0\0\0\4\0\0\0\0\0", 9, 0);
	records_write(&c, LG_H2_PREFACE, LG_H2_PREFACE_LEN, 0, 0, false);
	c.begun = 0;
	for (uint32_t i = 0; i < 5; i++)
		h2_say(&h, &c, 2 * i + 1);
	h2_hear(&h, &c, 1, answer());
	h2_hear(&h, NULL, 3, answer());
	c.seq++;
	h2_hear(&h, &c, 5, answer());
	usleep(30000);
	meter_tick(w.m, 1);
	h2_hear(&h, &c, 7, answer());
	h2_hear(&h, &c, 9, answer());
	assert_int_equal(w.settled, 4);
	assert_usage(&w.last);
	h2_say(&h, &c, 11);
	h2_hear(&h, &c, 11, answer());
	assert_int_equal(w.settled, 5);
	records_close(&c, true);
	h2_stop(&h);
	assert_int_equal(stop(&w, &row), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_h2_join),
		cmocka_unit_test(test_h2_join_stream),
		cmocka_unit_test(test_h2_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
