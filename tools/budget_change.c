#include "budget_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "budget/region.h"
#include "guard/engine.h"
#include "guard/rule.h"
#include "guard/world.h"
#include "tool.h"

static int read_file(const char *path, struct lg_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (n = read(fd, buf, sizeof(buf))) > 0)
		err = lg_buf_put(out, buf, (size_t)n);
	close(fd);
	return err;
}

static int write_file(const char *path, int flags, struct lg_slice s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags,
		      0600);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, s.p, s.len);
	err = n < 0 ? -errno : (size_t)n == s.len ? 0 : -EIO;
	if (!err && fsync(fd))
		err = -errno;
	close(fd);
	return err;
}

/* Lines of a file of live changes that would be passed over. */
static int count_skipped(struct change *ch, const char *live,
			 struct lg_config_error *err)
{
	const char *config = lg_engine_config_path(ch->e);
	struct lg_config_paths paths = {
		.config = *config ? config : NULL,
		.live = live,
		.pricing_dir = lg_engine_pricing_dir(ch->e),
	};
	struct lg_buf img;
	int ret;

	memset(err, 0, sizeof(*err));
	lg_buf_init(&img, (size_t)1 << 28);
	ret = lg_config_compile(&paths, &img, err);
	lg_buf_fini(&img);
	return ret ? ret : (int)err->skipped;
}

/* "<file>: <line>: what": the file is a copy that is gone by now. */
static const char *without_place(const char *warning)
{
	const char *what = strstr(warning, "value ");

	return what ? what : warning;
}

static int why(char text[CHANGE_WHY], const char *what, const char *more)
{
	snprintf(text, CHANGE_WHY, "%.400s%s%.160s", what, *more ? ": " : "",
		 more);
	return -EINVAL;
}

int change_try(struct change *ch, char text[CHANGE_WHY])
{
	struct lg_config_error before, after;
	struct lg_buf all;
	char tmp[600];
	int err, n, m;

	lg_buf_init(&all, (size_t)1 << 26);
	snprintf(tmp, sizeof(tmp), "%s.%d", ch->path, getpid());
	n = count_skipped(ch, ch->path, &before);
	if (n < 0) {
		lg_buf_fini(&all);
		return why(text, before.text, "");
	}
	err = read_file(ch->path, &all);
	if (!err && all.len && all.p[all.len - 1] != '\n')
		err = lg_buf_putc(&all, '\n');
	if (!err)
		err = lg_buf_put(&all, ch->line.p, ch->line.len);
	if (!err)
		err = write_file(tmp, O_TRUNC, lg_buf_slice(&all));
	lg_buf_fini(&all);
	m = err ? 0 : count_skipped(ch, tmp, &after);
	unlink(tmp);
	if (err)
		return why(text, tmp, strerror(-err));
	if (m < 0)
		return why(text, after.text, "");
	if (m > n)
		return why(text, without_place(after.warning), "");
	return 0;
}

int change_rehearse(struct change *ch)
{
	char text[CHANGE_WHY];

	return change_try(ch, text) ? tool_fail("%s", text) : -1;
}

static bool ends_torn(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char last = '\n';

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size &&
	    pread(fd, &last, 1, st.st_size - 1) != 1)
		last = '\n';
	close(fd);
	return last != '\n';
}

/* -- what it was, and what it is ------------------------------------------- */

static const char *const sources[] = {"config", "live", "env"};

const char *change_source(const struct lg_rule *r)
{
	return sources[r->b->source % 3];
}

const struct lg_rule *change_find(const struct lg_world *w, const char *name)
{
	unsigned i;

	for (i = 0; i < w->nrules; i++)
		if (lg_slice_eq(w->rules[i].name, lg_slice_str(name)))
			return &w->rules[i];
	return NULL;
}

void change_look(struct change *ch, const char *name, struct before *out)
{
	struct lg_world *w = lg_engine_pin(ch->e);
	const struct lg_rule *r = change_find(w, name);

	memset(out, 0, sizeof(*out));
	if (r) {
		out->there = true;
		out->b = *r->b;
		lg_slice_copy(r->scope, out->scope, sizeof(out->scope));
	}
	lg_engine_unpin(ch->e, w);
}

static void differs(struct lg_buf *b, const char *key, const char *was,
		    const char *is)
{
	if (!strcmp(was, is))
		return;
	lg_buf_putc(b, ' ');
	lg_buf_puts(b, key);
	lg_buf_puts(b, ": ");
	lg_buf_puts(b, was);
	lg_buf_puts(b, " -> ");
	lg_buf_puts(b, is);
	lg_buf_putc(b, ';');
}

static const char *usd(const struct before *s, char text[LG_MONEY_TEXT])
{
	if (!s->there)
		return "none";
	lg_money_print(s->b.limit_pusd, text);
	return text;
}

static const char *until(const struct before *s, char text[32])
{
	int64_t ms =
		s->b.raised_until_ms ? s->b.raised_until_ms : s->b.until_ms;
	struct lg_buf b;

	if (!ms)
		return "none";
	lg_buf_init_fixed(&b, text, 31);
	lg_buf_put_time(&b, ms);
	b.len = 10; /* the day says enough */
	text[b.len] = 0;
	return text;
}

/* "budget set month limit_usd: 50 -> 80;" for the audit row. */
static void describe(const struct before *a, const struct before *z,
		     struct lg_buf *b)
{
	static const char *const modes[] = {"adaptive", "strict"};
	static const char *const no_yes[] = {"no", "yes"};
	char text[2][64];

	differs(b, "limit_usd", usd(a, text[0]), usd(z, text[1]));
	if (!z->there)
		return;
	differs(b, "until", until(a, text[0]), until(z, text[1]));
	differs(b, "hard", no_yes[a->b.hard], no_yes[z->b.hard]);
	if (!a->there || a->b.period != z->b.period)
		differs(b, "period",
			a->there ? lg_period_name((enum lg_period)a->b.period)
				 : "none",
			lg_period_name((enum lg_period)z->b.period));
	differs(b, "scope", a->there ? a->scope : "none", z->scope);
	differs(b, "mode", modes[a->b.mode & 1], modes[z->b.mode & 1]);
}

int change_note(struct change *ch, const char *what, const char *name,
		const struct before *was)
{
	struct before now;
	struct lg_buf b;
	char note[101];

	change_look(ch, name, &now);
	lg_buf_init(&b, 4096);
	lg_buf_puts(&b, what);
	lg_buf_putc(&b, ' ');
	lg_buf_puts(&b, name);
	if (b.len > 50)
		b.len = 50;
	describe(was, &now, &b);
	if (b.len && b.p[b.len - 1] == ';')
		b.len--;
	lg_slice_copy(lg_buf_slice(&b), note, sizeof(note));
	lg_buf_fini(&b);
	return tool_audit(ch->e, note);
}

int change_audit(struct change *ch, const char *what, const char *name,
		 const struct before *was)
{
	int err = change_note(ch, what, name, was);

	if (err)
		tool_warn("the change is made, but the ledger has no row of "
			  "it: %s",
			  strerror(-err));
	return err;
}

/* -- making it --------------------------------------------------------------
 */

int change_write(struct change *ch)
{
	struct lg_buf out;
	int err;

	lg_buf_init(&out, 1 << 20);
	if (ends_torn(ch->path))
		lg_buf_putc(&out, '\n');
	lg_buf_put(&out, ch->line.p, ch->line.len);
	err = write_file(ch->path, O_APPEND, lg_buf_slice(&out));
	lg_buf_fini(&out);
	if (err)
		return err;
	if (lg_engine_region(ch->e) && !lg_engine_is_readonly(ch->e))
		lg_region_bump(lg_engine_region(ch->e));
	lg_engine_refresh(ch->e);
	return 0;
}

int change_apply(struct change *ch)
{
	int err = change_write(ch);

	return err ? tool_fail("%s: %s", ch->path, strerror(-err)) : -1;
}

int change_init(struct change *ch, struct lg_engine *e)
{
	ch->e = e;
	lg_buf_init(&ch->line, 1 << 20);
	return snprintf(ch->path, sizeof(ch->path), "%s/budgets.jsonl",
			lg_engine_state_dir(e)) < (int)sizeof(ch->path)
		       ? 0
		       : -ENAMETOOLONG;
}

int change_begin(struct change *ch)
{
	int ret = tool_open(&ch->e);

	if (ret >= 0)
		return ret;
	if (!change_init(ch, ch->e))
		return -1;
	change_end(ch);
	return tool_fail("the state folder's path is too long");
}

void change_end(struct change *ch)
{
	lg_buf_fini(&ch->line);
	lg_engine_close(ch->e);
}
