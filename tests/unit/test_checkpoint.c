#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/checkpoint.h"

static char dir[64], path[128];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/lg_checkpoint_XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/checkpoint.bin", dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

static void fill(struct lg_fold *f, unsigned n)
{
	struct lg_fold_cell *c;
	unsigned i;

	lg_fold_init(f);
	strcpy(f->pos.file, "2026-11.jsonl");
	f->pos.offset = 12345;
	for (i = 0; i < n; i++) {
		struct lg_hash128 id = {i / 10 + 1, 7};

		c = lg_fold_cell(f, id, i % 10 + 1);
		assert_non_null(c);
		assert_int_equal(c->spent_pusd, 0);
		c->spent_pusd = i;
		c->calls = i + 1;
	}
	assert_int_equal(f->n, n);
}

static void test_fold(void **state)
{
	struct lg_fold f, g;
	struct lg_fold_cell *c;
	unsigned i;

	(void)state;
	fill(&f, 5000);
	assert_int_equal(lg_checkpoint_save(dir, &f), 0);
	lg_fold_init(&g);
	assert_int_equal(lg_checkpoint_load(dir, &g), 0);
	assert_int_equal(g.n, 5000);
	assert_string_equal(g.pos.file, "2026-11.jsonl");
	assert_int_equal(g.pos.offset, 12345);
	for (i = 0; i < 5000; i++) {
		c = lg_fold_cell(&g, (struct lg_hash128){i / 10 + 1, 7},
				 i % 10 + 1);
		assert_int_equal(c->spent_pusd, i);
	}
	assert_int_equal(g.n, 5000);
	lg_fold_fini(&f);
	lg_fold_fini(&g);
	/* empty ones too */
	assert_int_equal(lg_checkpoint_save(dir, &f), 0);
	assert_int_equal(lg_checkpoint_load(dir, &g), 0);
	assert_int_equal(g.n, 0);
	lg_fold_fini(&g);
}

static void write_file(const char *p, size_t n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(p, 1, n, file), n);
	fclose(file);
}

static void test_damage(void **state)
{
	static char buf[4096];
	struct lg_fold f;
	size_t n, i;
	FILE *file;

	(void)state;
	lg_fold_init(&f);
	assert_int_equal(lg_checkpoint_load(dir, &f), -ENOENT);
	fill(&f, 20);
	assert_int_equal(lg_checkpoint_save(dir, &f), 0);
	lg_fold_fini(&f);
	file = fopen(path, "r");
	n = fread(buf, 1, sizeof(buf), file);
	fclose(file);
	for (i = 0; i < n; i++) {
		write_file(buf, i);
		assert_int_equal(lg_checkpoint_load(dir, &f), -EPROTO);
		assert_true(!f.n && !f.cells && !f.pos.file[0]);
	}
	for (i = 0; i < n; i++) {
		buf[i] ^= 0x10;
		write_file(buf, n);
		assert_int_equal(lg_checkpoint_load(dir, &f), -EPROTO);
		buf[i] ^= 0x10;
	}
	assert_int_equal(lg_checkpoint_save("/nonexistent", &f), -ENOENT);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_fold), T(test_damage)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
