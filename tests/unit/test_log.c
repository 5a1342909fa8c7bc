#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"

static char dir[64], file[96];
static char text[65536];

static const char *slurp(void)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_log.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/log", dir);
	lg_clock_set_real_ms(1795357852123);
	return 0;
}

static int clean(void **state)
{
	(void)state;
	lg_log_init(NULL, NULL, NULL);
	lg_clock_set_real_ms(0);
	unlink(file);
	return rmdir(dir);
}

static const struct lg_log_kv kv[] = {
	{"budget", {"month", 5}, 0},
	{"why", {"over \"it\"\n", 10}, 0},
	{"none", {"", 0}, 0},
	{"spent", {NULL, 0}, -7},
};

static void test_text(void **state)
{
	char want[256];
	struct stat st;

	(void)state;
	lg_log_init(file, "info", NULL);
	assert_true(lg_log_is_on(LG_LOG_INFO));
	assert_false(lg_log_is_on(LG_LOG_DEBUG));
	umask(0);
	errno = 77;
	lg_log(LG_LOG_INFO, "request_blocked", kv, 4);
	lg_log(LG_LOG_DEBUG, "not_this", NULL, 0);
	assert_int_equal(errno, 77);
	snprintf(want, sizeof(want),
		 "2026-11-22T14:30:52.123Z llmguard[%d] info request_blocked "
		 "budget=month why=\"over \\\"it\\\"\\n\" none=\"\" spent=-7\n",
		 (int)getpid());
	assert_string_equal(slurp(), want);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_json(void **state)
{
	json_t *o;

	(void)state;
	lg_log_init(file, "debug", "json");
	lg_log(LG_LOG_DEBUG, "x", kv, 4);
	o = json_loads(slurp(), 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "why")),
			    "over \"it\"\n");
	assert_int_equal(json_integer_value(json_object_get(o, "spent")), -7);
	assert_string_equal(json_string_value(json_object_get(o, "level")),
			    "debug");
	json_decref(o);
}

/* What does not fit is left out; the line stays one line and valid. */
static void test_long(void **state)
{
	char big[4000];
	struct lg_log_kv huge[] = {{"big", {big, sizeof(big)}, 0},
				   {"n", {NULL, 0}, 5}};
	json_t *o;

	(void)state;
	memset(big, 'a', sizeof(big));
	lg_log_init(file, NULL, "json");
	lg_log(LG_LOG_ERROR, "x", huge, 2);
	o = json_loads(slurp(), 0, NULL);
	assert_non_null(o);
	assert_null(json_object_get(o, "big"));
	assert_int_equal(json_integer_value(json_object_get(o, "n")), 5);
	json_decref(o);
}

static void test_off(void **state)
{
	(void)state;
	lg_log_init(NULL, "debug", NULL);
	assert_false(lg_log_is_on(LG_LOG_ERROR));
	lg_log(LG_LOG_ERROR, "x", NULL, 0);
	lg_log_init("", "debug", NULL);
	assert_false(lg_log_is_on(LG_LOG_ERROR));
	assert_int_equal(access(file, F_OK), -1);
}

static void test_sandbox(void **state)
{
	(void)state;
	lg_log_init(file, "info", NULL);
	lg_log_enter_sandbox();
	assert_false(lg_log_is_on(LG_LOG_ERROR));
	lg_log(LG_LOG_ERROR, "x", NULL, 0);
	assert_int_equal(access(file, F_OK), -1);
}

/* The host must not be killed by a limit on file sizes. */
static void test_file_limit(void **state)
{
	struct rlimit lim = {100, 100};
	int status;
	pid_t pid;

	(void)state;
	lg_log_init(file, "info", NULL);
	pid = fork();
	if (pid == 0) {
		if (setrlimit(RLIMIT_FSIZE, &lim))
			_exit(2);
		for (int i = 0; i < 10; i++)
			lg_log(LG_LOG_INFO, "line_of_fifty_bytes", NULL, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_in_range(strlen(slurp()), 40, 100);
}

/* Nor by a closed pipe as stderr, nor be held up by a full one. */
static void test_stderr_pipe(void **state)
{
	int fd[2], status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		alarm(20);
		if (pipe(fd) || dup2(fd[1], 2) != 2)
			_exit(2);
		lg_log_init("stderr", "info", NULL);
		for (int i = 0; i < 3000; i++)
			lg_log(LG_LOG_INFO, "filling", kv, 2);
		close(fd[0]);
		for (int i = 0; i < 10; i++)
			lg_log(LG_LOG_INFO, "closed", NULL, 0);
		/* the program's own SIGPIPE still comes */
		if (write(2, "x", 1) == 1)
			_exit(3);
		_exit(4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPIPE);
}

static void test_only_plain_files(void **state)
{
	char other[128];
	int fd;

	(void)state;
	lg_log_init(file, "info", NULL);
	snprintf(other, sizeof(other), "%s/other", dir);
	fd = open(other, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	assert_int_equal(symlink(other, file), 0);
	lg_log(LG_LOG_INFO, "x", NULL, 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	unlink(other);
	unlink(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	lg_log(LG_LOG_INFO, "x", NULL, 0);
	fd = open(file, O_RDWR | O_NONBLOCK);
	lg_log(LG_LOG_INFO, "x", NULL, 0);
	assert_int_equal(read(fd, text, 1), -1);
	close(fd);
	lg_log_init("/dev/null/impossible", "info", NULL);
	lg_log(LG_LOG_INFO, "x", NULL, 0);
}

static void *writer(void *arg)
{
	for (int i = 0; i < 50; i++)
		lg_log(LG_LOG_INFO, "line", kv, 4);
	return arg;
}

static void test_threads(void **state)
{
	pthread_t t[4];
	unsigned lines = 0;
	size_t each;

	(void)state;
	lg_log_init(file, "info", NULL);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, writer, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	slurp();
	each = strcspn(text, "\n");
	for (char *p = text; *p; p += each + 1, lines++)
		assert_int_equal(strcspn(p, "\n"), each);
	assert_int_equal(lines, 200);
}

/* A program may have closed its standard descriptors. */
static void test_closed_stdio(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	lg_log_init(file, "info", NULL);
	pid = fork();
	if (pid == 0) {
		close(0);
		close(2);
		lg_log(LG_LOG_INFO, "x", NULL, 0);
		_exit(fcntl(0, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(strstr(slurp(), "info x\n"));
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, setup, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(test_text),	    WITH_DIR(test_json),
		WITH_DIR(test_long),	    WITH_DIR(test_off),
		WITH_DIR(test_sandbox),	    WITH_DIR(test_file_limit),
		WITH_DIR(test_stderr_pipe), WITH_DIR(test_only_plain_files),
		WITH_DIR(test_threads),	    WITH_DIR(test_closed_stdio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
