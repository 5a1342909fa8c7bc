#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/civil.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "budget/region.h"
#include "guard/engine.h"
#include "guard/event.h"
#include "guard/env.h"
#include "guard/record.h"
#include "guard/self.h"
#include "guard/world.h"
#include "ledger/ledger.h"
#include "ledger/month.h"

const char tool_version[] = "0.1.0";
const char *tool_program;

static void say(const char *prefix, const char *fmt, va_list ap)
{
	fflush(stdout);
	if (tool_program)
		prefix = "";
	fprintf(stderr, "%s%s%s: ", tool_program ? tool_program : "llmguard",
		*prefix ? " " : "", prefix);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void tool_stdio(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			_exit(EXIT_FAILED);
}

void tool_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

int tool_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
	return EXIT_FAILED;
}

int tool_usage(const struct cmd *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(cmd->name, fmt, ap);
	va_end(ap);
	fprintf(stderr, "try: %s --help\n", opt_title(cmd));
	return EXIT_USAGE;
}

const char *tool_region_reason(int err, const char *state_dir)
{
	static char text[1200];
	char rival[512];

	switch (err) {
	case -EPROTO:
		return "damaged, or no region at all; remove it";
	case -ENOTSUP:
		return "of another version of llmguard";
	case -EPERM:
		return "its owner, mode or links are not this user's";
	case -EXDEV:
		return "it belongs to another state folder";
	case -EEXIST:
		if (lg_region_rival(state_dir, rival, sizeof(rival)))
			return "another region caches this state folder";
		snprintf(text, sizeof(text),
			 "%s caches this state folder; to share it set "
			 "LLMGUARD_REGION=%s",
			 rival, rival);
		return text;
	default:
		return strerror(-err);
	}
}

static bool fails_closed(struct lg_engine *e)
{
	struct lg_world *w = lg_engine_pin(e);
	bool closed = w->set.fail == LG_FAIL_CLOSED;

	lg_engine_unpin(e, w);
	return closed;
}

/* The engine goes on without a region; here somebody must hear why. */
static void tell_region(struct lg_engine *e)
{
	struct lg_region_options o = {
		.path = lg_engine_region_path(e),
		.state_dir = lg_engine_state_dir(e),
		.create = true,
	};
	struct lg_region *r = NULL;
	bool created;
	int err = lg_region_open(&o, &r, &created);

	if (!err)
		lg_region_close(r);
	else
		tool_warn("region %s: %s; without it %s", o.path,
			  tool_region_reason(err, o.state_dir),
			  fails_closed(e) ? "every call is blocked (fail: "
					    "closed)"
					  : "no call is blocked (fail: open)");
}

static struct tool_paths last;

const struct tool_paths *tool_opened(void)
{
	return last.state[0] ? &last : NULL;
}

int tool_open(struct lg_engine **out)
{
	static struct lg_env env;
	const char *why;
	int err;

	lg_mem_set_cap((size_t)2 << 30);
	lg_env_read(&env);
	err = lg_engine_open(&env, out);
	if (err == -ENOENT && !env.state_dir)
		return tool_fail("no place for the guard's state: HOME is not "
				 "set; name a folder in LLMGUARD_STATE_DIR");
	if (err)
		return tool_fail("cannot open the guard's state: %s",
				 strerror(-err));
	tool_tell_environment(&env, lg_engine_state_dir(*out));
	snprintf(last.state, sizeof(last.state), "%s",
		 lg_engine_state_dir(*out));
	snprintf(last.config, sizeof(last.config), "%s",
		 lg_engine_config_path(*out));
	why = lg_engine_trouble(*out);
	last.refused = *why;
	if (*why)
		tool_warn("%s", why);
	if (!lg_engine_region(*out))
		tell_region(*out);
	else if (!lg_engine_is_readonly(*out)) {
		lg_engine_sweep(*out);
		lg_event_flush(*out, lg_engine_region(*out));
	}
	return -1;
}

int tool_print(struct lg_buf *b)
{
	int ret = EXIT_OK;

	if (b->overflow)
		ret = tool_fail("out of memory");
	else if ((b->len && fwrite(b->p, 1, b->len, stdout) != b->len) ||
		 fflush(stdout))
		ret = tool_fail("writing: %s", strerror(errno));
	lg_buf_fini(b);
	return ret;
}

int tool_audit(struct lg_engine *e, const char *note)
{
	struct lg_row *row = lg_mem_alloc(sizeof(*row));
	struct lg_self self;
	int err;

	if (!row)
		return -ENOMEM;
	lg_row_init(row);
	row->kind = LG_ROW_AUDIT;
	row->ts_ms = row->end_ms = lg_clock_real_ms();
	lg_row_new_id(row->ts_ms, row->id);
	lg_self_read(&self);
	row->uid = self.uid;
	row->pid = getpid();
	row->ppid = getppid();
	strcpy(row->exe, self.exe);
	strcpy(row->comm, self.comm);
	lg_slice_copy(lg_slice_str(self.login), row->user, sizeof(row->user));
	lg_slice_copy(lg_slice_str(note), row->note, sizeof(row->note));
	err = lg_record_write(e, row);
	lg_mem_free(row, sizeof(*row));
	return err;
}

bool tool_ledger_end(struct lg_engine *e, uint64_t back,
		     struct lg_ledger_pos *pos)
{
	struct lg_ledger_pos end = {.before = LG_LEDGER_ANY};
	char path[512];
	struct stat st;

	lg_month_name(lg_clock_real_ms(), end.file);
	snprintf(path, sizeof(path), "%s/%s", lg_engine_ledger(e)->dir,
		 end.file);
	if (stat(path, &st) || (uint64_t)st.st_size < back)
		return false;
	end.offset = (uint64_t)st.st_size - back;
	*pos = end;
	return true;
}

const char *tool_usd(int64_t pusd)
{
	static char bufs[8][32];
	static unsigned turn;
	char *buf = bufs[turn++ % 8];

	if (pusd == INT64_MIN)
		return "-";
	lg_money_pretty(pusd, 6, buf, sizeof(bufs[0]));
	return buf;
}

const char *tool_signed_usd(int64_t pusd)
{
	static char text[4][40];
	static unsigned turn;
	char *out = text[turn++ % 4];

	snprintf(out, sizeof(text[0]), "%s%s", pusd > 0 ? "+" : "",
		 tool_usd(pusd));
	return out;
}

const char *tool_time(struct lg_engine *e, int64_t unix_ms)
{
	static char bufs[4][64];
	static unsigned turn;
	char *buf = bufs[turn++ % 4];
	struct lg_world *w;
	struct lg_civil c;
	int64_t s, day;

	if (unix_ms == INT64_MIN || unix_ms == INT64_MAX)
		return "-";
	w = lg_engine_pin(e);
	s = lg_floor_div(unix_ms, 1000);
	if (w->zone)
		s += lg_zone_offset(w->zone, s);
	lg_engine_unpin(e, w);
	day = lg_floor_div(s, 86400);
	s -= day * 86400;
	lg_civil_from_days(day, &c);
	snprintf(buf, sizeof(bufs[0]), "%04d-%02u-%02u %02d:%02d", (int)c.year,
		 c.month, c.day, (int)(s / 3600), (int)(s / 60 % 60));
	return buf;
}
