#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/money.h"
#include "top.h"

#define PATIENCE_MS 10000
#define WORDS 12

extern char **environ;

/*
 * The commands do it, with all their checks and their audit rows; here they
 * are only asked. What they print is read until they end.
 */
static size_t listen_to(int fd, char *text, size_t cap)
{
	int64_t until = lg_clock_boot_ns() / 1000000 + PATIENCE_MS, left;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	while ((left = until - lg_clock_boot_ns() / 1000000) > 0) {
		char rest[512];
		ssize_t got;

		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			break;
		got = read(fd, rest, sizeof(rest));
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			break;
		if ((size_t)got > cap - 1 - n)
			got = (ssize_t)(cap - 1 - n);
		memcpy(text + n, rest, (size_t)got);
		n += (size_t)got;
	}
	text[n] = 0;
	return n;
}

static int start(char *const argv[], int out, pid_t *pid)
{
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int err;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&fa))
		return ENOMEM;
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&fa);
		return ENOMEM;
	}
	posix_spawnattr_setsigmask(&attr, &none);
	/* not of the terminal's foreground: its ^C is not for them */
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, out, 2);
	err = posix_spawn(pid, "/proc/self/exe", &fa, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return err;
}

/* The first line of what was said, without who said it. */
static void tell(struct top_ui *ui, char *text, bool failed)
{
	static const char prefix[] = "llmguard: ";
	const char *at = text;

	text[strcspn(text, "\n")] = 0;
	if (!strncmp(at, prefix, sizeof(prefix) - 1))
		at += sizeof(prefix) - 1;
	snprintf(ui->message, sizeof(ui->message), "%s",
		 *at	  ? at
		 : failed ? "it failed"
			  : "done");
	ui->is_error = failed;
}

static void ask(struct top_ui *ui, const char *const words[])
{
	char *argv[WORDS];
	char text[1024];
	int fd[2], err, status = 0;
	unsigned n = 0;
	pid_t pid;

	for (; words[n]; n++)
		argv[n] = (char *)(uintptr_t)words[n];
	argv[n] = NULL;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		; /* whoever took too long the last time */
	if (pipe2(fd, O_CLOEXEC)) {
		tell(ui, strcpy(text, strerror(errno)), true);
		return;
	}
	err = start(argv, fd[1], &pid);
	close(fd[1]);
	if (err) {
		close(fd[0]);
		tell(ui, strcpy(text, strerror(err)), true);
		return;
	}
	listen_to(fd[0], text, sizeof(text));
	close(fd[0]);
	if (waitpid(pid, &status, WNOHANG) == 0) {
		struct timespec nap = {0, 50000000};

		nanosleep(&nap, NULL);
		if (waitpid(pid, &status, WNOHANG) == 0) {
			tell(ui, strcpy(text, "it still works on it"), true);
			return;
		}
	}
	tell(ui, text, !WIFEXITED(status) || WEXITSTATUS(status));
}

static void raise_budget(struct top_ui *ui)
{
	char usd[LG_MONEY_TEXT + 1], until[40];
	int64_t to = ui->usd_pusd;
	struct lg_buf b;

	if (!ui->until_ms)
		to = lg_money_add(to, ui->limit_pusd);
	usd[lg_money_print(to, usd)] = 0;
	if (!ui->until_ms) {
		const char *const words[] = {"llmguard", "budget", "set",
					     "--limit",	 usd,	   "--",
					     ui->budget, NULL};

		ask(ui, words);
		return;
	}
	lg_buf_init_fixed(&b, until, sizeof(until) - 1);
	lg_buf_put_time(&b, ui->until_ms);
	until[b.len] = 0;
	const char *const words[] = {"llmguard", "budget", "raise",
				     "--until",	 until,	   "--",
				     ui->budget, usd,	   NULL};

	ask(ui, words);
}

void top_act(struct top_ui *ui, enum top_act act)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)ui->pid);
	if (act == TOP_ACT_RAISE) {
		raise_budget(ui);
	} else if (act == TOP_ACT_PAUSE || act == TOP_ACT_RESUME) {
		const char *const words[] = {
			"llmguard", act == TOP_ACT_PAUSE ? "pause" : "resume",
			pid, NULL};

		ask(ui, words);
	}
}
