/* Blocks of nghttp2's coder, read from anywhere on: right, or not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/hpack.h"
#include "wire/hpack_late.h"

#define BLOCKS 60
#define FIELDS 12

struct want {
	char name[FIELDS][40], value[FIELDS][400];
	unsigned n, at, known;
};

static void on_field(void *ctx, const struct lg_hpack_late_field *f)
{
	struct want *w = ctx;

	assert_true(w->at < w->n);
	if (f->name.p)
		assert_true(lg_slice_eq(f->name, lg_slice_str(w->name[w->at])));
	if (f->value.p)
		assert_true(
			lg_slice_eq(f->value, lg_slice_str(w->value[w->at])));
	w->known += f->name.p && f->value.p;
	w->at++;
}

static void make(struct want *w, struct nghttp2_hd_deflater *coder,
		 struct lg_buf *out)
{
	struct lg_hpack_field f[FIELDS];

	w->n = 1 + (unsigned)rand() % FIELDS;
	for (unsigned i = 0; i < w->n; i++) {
		snprintf(w->name[i], sizeof(w->name[i]), "x-name-%d",
			 rand() % 9);
		snprintf(w->value[i], sizeof(w->value[i]), "%0*d",
			 1 + rand() % (rand() % 8 ? 40 : 390), rand() % 20);
		if (rand() % 4 == 0)
			strcpy(w->name[i], "content-type");
		f[i] = (struct lg_hpack_field){lg_slice_str(w->name[i]),
					       lg_slice_str(w->value[i]),
					       rand() % 8 == 0};
	}
	out->len = 0;
	assert_int_equal(lg_hpack_write(coder, f, w->n, out), 0);
}

static void run(unsigned join, bool resizes)
{
	struct nghttp2_hd_deflater *coder = lg_hpack_writer_new();
	struct lg_hpack_late *r = lg_hpack_late_new(!join);
	static struct want w;
	unsigned known = 0, all = 0;
	struct lg_buf b;

	lg_buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < BLOCKS; i++) {
		if (resizes && rand() % 10 == 0)
			lg_hpack_writer_resize(coder, (uint32_t)rand() % 4096);
		make(&w, coder, &b);
		if (i < join)
			continue;
		w.at = w.known = 0;
		assert_int_equal(
			lg_hpack_late_read(r, lg_buf_slice(&b), on_field, &w),
			0);
		assert_int_equal(w.at, w.n);
		known += w.known;
		all += w.n;
	}
	assert_true(join ? known > 0 : known == all);
	lg_buf_fini(&b);
	lg_hpack_late_del(r);
	lg_hpack_writer_del(coder);
}

static void test_from_birth(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		run(0, i & 1);
}

static void test_joined(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 400; i++)
		run(1 + (unsigned)rand() % (BLOCKS / 2), i & 1);
}

static void none(void *ctx, const struct lg_hpack_late_field *f)
{
	(void)ctx;
	(void)f;
}

/* Anything at all, flush against the end of its memory. */
static void test_damaged(void **state)
{
	struct lg_hpack_late *r = lg_hpack_late_new(true);

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = (size_t)rand() % 40;
		char *p = malloc(n ? n : 1);

		for (size_t k = 0; k < n; k++)
			p[k] = (char)rand();
		lg_hpack_late_read(r, (struct lg_slice){p, n}, none, NULL);
		free(p);
	}
	lg_hpack_late_del(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_birth),
		cmocka_unit_test(test_joined),
		cmocka_unit_test(test_damaged),
	};

	srand(7);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
