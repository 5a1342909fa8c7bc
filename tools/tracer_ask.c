#include "tracer_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tracer.h"

#define ANSWER_MAX ((size_t)1 << 20)
#define PATIENCE_MS 10000

extern char **environ;

static void say_no(struct tracer_answer *a, const char *why)
{
	snprintf(a->why_not, sizeof(a->why_not), "%s", why);
}

/* Its standard output; -1: it could not be started. */
static int start(const char *path, int pid, pid_t *child)
{
	char number[16];
	char name[] = "llmguard-trace", check[] = "--check", json[] = "--json",
	     opt[] = "--pid";
	char *argv[] = {name, check, json, opt, number, NULL};
	posix_spawn_file_actions_t fa;
	int fd[2], err;

	snprintf(number, sizeof(number), "%d", pid);
	if (pipe2(fd, O_CLOEXEC))
		return -1;
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, fd[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, "/dev/null",
					 O_WRONLY, 0);
	err = posix_spawn(child, path, &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	close(fd[1]);
	if (err) {
		close(fd[0]);
		return -1;
	}
	return fd[0];
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* All that it says; false: too much, or not in time. */
static bool collect(int fd, char *buf, size_t cap)
{
	int64_t until = now_ms() + PATIENCE_MS, left;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n;

	while ((left = until - now_ms()) > 0 && len + 1 < cap) {
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, buf + len, cap - 1 - len);
		if (n <= 0) {
			buf[len] = 0;
			return n == 0;
		}
		len += (size_t)n;
	}
	return false;
}

static void copy(const json_t *o, const char *key, char *out, size_t cap)
{
	const char *text = json_string_value(json_object_get(o, key));

	snprintf(out, cap, "%s", text ? text : "");
}

static bool is_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void take_rungs(const json_t *list, struct tracer_answer *a)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		if (a->nrungs == TRACER_RUNGS_MAX)
			break;
		copy(o, "name", a->rung[a->nrungs].name,
		     sizeof(a->rung[0].name));
		copy(o, "why_not", a->rung[a->nrungs].why_not,
		     sizeof(a->rung[0].why_not));
		a->rung[a->nrungs++].works = is_true(o, "works");
	}
}

static void take_files(const json_t *list, struct tracer_answer *a)
{
	const json_t *o;
	json_int_t probes;
	size_t i;

	json_array_foreach(list, i, o)
	{
		if (a->nfiles == TRACER_FILES_MAX)
			break;
		copy(o, "what", a->file[a->nfiles].what,
		     sizeof(a->file[0].what));
		copy(o, "path", a->file[a->nfiles].path,
		     sizeof(a->file[0].path));
		probes = json_integer_value(json_object_get(o, "probes"));
		a->file[a->nfiles++].probes = (unsigned)(probes & INT_MAX);
	}
}

static void parse(const char *text, int pid, struct tracer_answer *a)
{
	json_t *o = json_loads(text, 0, NULL);
	const json_t *p;
	size_t i;

	a->works = is_true(o, "works");
	copy(o, "why_not", a->why_not, sizeof(a->why_not));
	take_rungs(json_object_get(o, "rungs"), a);
	take_files(json_object_get(o, "files"), a);
	json_array_foreach(json_object_get(o, "programs"), i, p)
	{
		if (json_integer_value(json_object_get(p, "pid")) != pid)
			continue;
		a->traced = is_true(p, "traced");
		if (!a->traced)
			copy(p, "reason", a->why_not, sizeof(a->why_not));
	}
	if (!o || (!a->works && !a->why_not[0]))
		say_no(a, "it gave no answer");
	json_decref(o);
}

void tracer_ask(int pid, struct tracer_answer *a)
{
	char path[PATH_MAX], *text;
	pid_t child;
	int fd;

	memset(a, 0, sizeof(*a));
	if (tracer_find(path, sizeof(path))) {
		say_no(a, "llmguard-trace is not installed");
		return;
	}
	a->installed = true;
	text = malloc(ANSWER_MAX);
	fd = text ? start(path, pid, &child) : -1;
	if (fd < 0) {
		free(text);
		say_no(a, "llmguard-trace cannot be started");
		return;
	}
	if (collect(fd, text, ANSWER_MAX)) {
		parse(text, pid, a);
	} else {
		kill(child, SIGKILL);
		say_no(a, "it gave no answer in time");
	}
	close(fd);
	free(text);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}
