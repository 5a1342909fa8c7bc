#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#include "tools/catalog_write.h"

#define EACH 1000

static char dir[64], file[96];

static int set_up(void **state)
{
	(void)state;
	/* 2,000 times fsync: on a disk that others use it takes a minute */
	snprintf(dir, sizeof(dir), "%s/llmguard-write-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/sub/prices.yaml", dir);
	return 0;
}

static int tear_down(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

static void add(struct doc_arena *a, struct doc *e, const char *key,
		enum doc_kind kind, const char *text)
{
	doc_add(a, e, key, doc_new(a, kind, text));
}

static int append(unsigned who, unsigned n, struct doc_error *err)
{
	struct doc_arena a = {0};
	struct doc *e = doc_new(&a, DOC_MAP, NULL);
	const struct doc *list[] = {e};
	char model[64];
	int ret;

	snprintf(model, sizeof(model), "m-%u-%u", who, n);
	add(&a, e, "provider", DOC_STRING, "acme");
	add(&a, e, "model", DOC_STRING, model);
	add(&a, e, "input_per_1m", DOC_NUMBER, "0.25");
	ret = catalog_append(file, list, 1, err);
	doc_arena_fini(&a);
	return ret;
}

/* Entries of the file, and of each writer those that are there. */
static unsigned count(unsigned char seen[2][EACH])
{
	struct doc_arena a = {0};
	struct doc_error err = {""};
	struct lg_slice text;
	struct doc *root;
	unsigned n = 0, who, i;

	assert_int_equal(doc_read(&a, file, &text, &err), 0);
	if (doc_parse_yaml(&a, file, text, &root, &err))
		fail_msg("%s", err.text);
	for (const struct doc *v = doc_get(root, "prices")->child; v;
	     v = v->next, n++)
		if (seen && sscanf(doc_get(v, "model")->text.p, "m-%u-%u", &who,
				   &i) == 2)
			seen[who][i]++;
	doc_arena_fini(&a);
	return n;
}

static void put_file(const char *text)
{
	FILE *f;
	char sub[96];

	snprintf(sub, sizeof(sub), "%s/sub", dir);
	mkdir(sub, 0700);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static char *get_file(void)
{
	static char text[65536];
	FILE *f = fopen(file, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

static void test_two_writers(void **state)
{
	static unsigned char seen[2][EACH];
	struct doc_error err;
	pid_t pid[2];
	int status;

	(void)state;
	for (unsigned who = 0; who < 2; who++) {
		pid[who] = fork();
		if (pid[who])
			continue;
		for (unsigned i = 0; i < EACH; i++)
			if (append(who, i, &err))
				_exit(1);
		_exit(0);
	}
	for (unsigned who = 0; who < 2; who++) {
		waitpid(pid[who], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count(seen), 2 * EACH);
	for (unsigned who = 0; who < 2; who++)
		for (unsigned i = 0; i < EACH; i++)
			assert_int_equal(seen[who][i], 1);
}

/* Tells each entry that is safe by a byte, until it is killed. */
static void write_on(int fd)
{
	struct doc_error err;

	for (unsigned i = 0;; i++)
		if (append(0, i % EACH, &err) || write(fd, "x", 1) != 1)
			_exit(1);
}

static void test_killed(void **state)
{
	unsigned safe = 0, there, before = 0;
	char buf[4096];
	ssize_t n;

	(void)state;
	for (unsigned round = 0; round < 40 || (safe <= 20 && round < 4000);
	     round++) {
		struct timespec wait = {.tv_nsec = 1000000 + rand() % 9000000};
		int fd[2];
		pid_t pid;

		assert_int_equal(pipe(fd), 0);
		pid = fork();
		if (!pid)
			write_on(fd[1]);
		close(fd[1]);
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while ((n = read(fd[0], buf, sizeof(buf))) > 0)
			safe += (unsigned)n;
		close(fd[0]);
		if (access(file, F_OK))
			continue;
		there = count(NULL);
		/* at most the one that was being told was written unheard */
		assert_in_range(there, safe, before + safe + 1);
		assert_true(there == safe || there == safe + 1);
		safe = there;
		before = 0;
	}
	assert_true(safe > 20);
}

static void expect_after(const char *old, const char *want)
{
	struct doc_error err = {""};

	put_file(old);
	if (append(0, 7, &err))
		fail_msg("%s: %s", old, err.text);
	assert_string_equal(get_file(), want);
}

#define ENTRY(in)                                                              \
	in "- provider: acme\n" in "  model: m-0-7\n" in                       \
	   "  input_per_1m: 0.25\n"

static void test_keeps_text(void **state)
{
	(void)state;
	expect_after("# mine\ncatalog: 1 # one\nprices: # all\n"
		     "  # the first\n  - {provider: a, model: b, "
		     "input_per_1m: 1} # cheap\n# end\n",
		     "# mine\ncatalog: 1 # one\nprices: # all\n"
		     "  # the first\n  - {provider: a, model: b, "
		     "input_per_1m: 1} # cheap\n" ENTRY("  ") "# end\n");
	expect_after("prices:\n- provider: a\n  model: b\n  input_per_1m: 1",
		     "prices:\n- provider: a\n  model: b\n"
		     "  input_per_1m: 1\n" ENTRY(""));
	expect_after("prices:\n      - provider: a\n        model: b\n"
		     "        input_per_1m: 1\n\n\nproviders:\n"
		     "  - {provider: a, fallback: b}\n",
		     "prices:\n      - provider: a\n        model: b\n"
		     "        input_per_1m: 1\n" ENTRY(
			     "      ") "\n\nproviders:\n"
				       "  - {provider: a, fallback: b}\n");
	expect_after("catalog: 1\nprices: []\n",
		     "catalog: 1\nprices:\n" ENTRY("  "));
	expect_after("catalog: 1\n", "catalog: 1\nprices:\n" ENTRY("  "));
	expect_after("prices:\n", "prices:\n" ENTRY("  "));
	expect_after("prices:\r\n  - {provider: a, model: b, input_per_1m: 1}"
		     "\r\n",
		     "prices:\r\n  - {provider: a, model: b, input_per_1m: 1}"
		     "\r\n" ENTRY("  "));
}

static void expect_refused(const char *old, const char *what)
{
	struct doc_error err = {""};

	put_file(old);
	assert_true(append(0, 1, &err) < 0);
	assert_string_equal(get_file(), old);
	if (!strstr(err.text, what) || !strstr(err.text, file))
		fail_msg("%s: %s", old, err.text);
}

static void test_refuses(void **state)
{
	struct doc_error err = {""};
	char next[128];

	(void)state;
	expect_refused("prices: [{provider: a, model: b, input_per_1m: 1}]\n",
		       ":1: prices");
	expect_refused("catalog: 1\nprices:\n  - {provider: a, model: b, "
		       "input_per_1m: -1}\n",
		       ":3: input_per_1m");
	expect_refused("catalog: 2\n", ":1: catalog");
	expect_refused("catalog: [\n", "");
	expect_refused("colour: red\n", "colour");
	snprintf(next, sizeof(next), "%s/sub/.prices.yaml.new", dir);
	assert_int_equal(access(next, F_OK), -1);
	unlink(file);
	mkdir(file, 0700);
	assert_true(append(0, 1, &err) < 0);
}

static void test_mode_and_link(void **state)
{
	struct doc_error err;
	char real[128];
	struct stat st;

	(void)state;
	put_file("catalog: 1\n");
	snprintf(real, sizeof(real), "%s/real.yaml", dir);
	assert_int_equal(rename(file, real), 0);
	assert_int_equal(symlink("../real.yaml", file), 0);
	assert_int_equal(chmod(real, 0640), 0);
	assert_int_equal(append(0, 1, &err), 0);
	assert_int_equal(lstat(file, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(real, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(count(NULL), 1);
	/* a link that leads nowhere is not written over */
	assert_int_equal(unlink(real), 0);
	assert_true(append(0, 1, &err) < 0);
	assert_non_null(strstr(err.text, file));
	assert_int_equal(lstat(file, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

/* What a crash of another writer left does not get in the way. */
static void test_leftovers(void **state)
{
	struct doc_error err;
	char next[128];
	FILE *f;

	(void)state;
	put_file("catalog: 1\n");
	snprintf(next, sizeof(next), "%s/sub/.prices.yaml.new", dir);
	f = fopen(next, "w");
	fputs("half an ent", f);
	fclose(f);
	assert_int_equal(append(0, 1, &err), 0);
	assert_int_equal(count(NULL), 1);
	assert_int_equal(access(next, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_two_writers, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_keeps_text, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_refuses, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_mode_and_link, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_leftovers, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
