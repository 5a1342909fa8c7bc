#include "guard/control.h"

#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "config/config.h"
#include "guard/file.h"
#include "guard/self.h"

#define PATH_CAP 300
#define SCOPE_MAX 512

/* -- the file ----------------------------------------------------------------
 */

static bool word(struct lg_slice *s, const char *want)
{
	struct lg_slice first, rest = lg_slice_cut(*s, ' ', &first);

	if (!lg_slice_eq(first, lg_slice_str(want)))
		return false;
	*s = rest;
	return true;
}

static bool read_pid(struct lg_slice s, struct lg_control *out)
{
	struct lg_slice pid, start, rest = lg_slice_cut(s, ' ', &pid);
	uint64_t n;

	rest = lg_slice_trim(lg_slice_cut(lg_slice_trim(rest), ' ', &start));
	out->by_budget = out->kind == LG_CONTROL_STOPPED &&
			 lg_slice_eq(rest, LG_SLICE("budget"));
	if (lg_slice_u64(pid, &n) || !n || n > INT32_MAX ||
	    lg_slice_u64(start, &out->start) || (rest.len && !out->by_budget))
		return false;
	out->pid = (int32_t)n;
	return true;
}

static bool read_order(struct lg_slice s, struct lg_control *out)
{
	*out = (struct lg_control){.kind = LG_CONTROL_PAUSE};
	if (word(&s, "off"))
		out->kind = LG_CONTROL_OFF;
	else if (word(&s, "stopped"))
		out->kind = LG_CONTROL_STOPPED;
	else if (!word(&s, "pause"))
		return false;
	if (word(&s, "pid"))
		return read_pid(s, out);
	if (out->kind != LG_CONTROL_PAUSE)
		return false;
	if (word(&s, "scope"))
		out->scope = lg_slice_trim(s);
	else
		return lg_slice_eq(s, LG_SLICE("all"));
	return out->scope.len > 0;
}

bool lg_control_next(struct lg_slice *rest, struct lg_control *out)
{
	struct lg_slice line;

	while (rest->len) {
		*rest = lg_slice_cut(*rest, '\n', &line);
		if (read_order(line, out))
			return true;
	}
	return false;
}

/* "PID (comm) S ppid ...": start time is the 20th field behind the comm. */
uint64_t lg_control_start(int32_t pid)
{
	char path[40], text[1024];
	struct lg_slice rest, field;
	struct lg_buf b;
	uint64_t n = 0;
	char *end;

	lg_buf_init_fixed(&b, path, sizeof(path) - 1);
	lg_buf_puts(&b, "/proc/");
	lg_buf_put_i64(&b, pid);
	lg_buf_puts(&b, "/stat");
	path[b.len] = '\0';
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		return 0;
	end = strrchr(text, ')');
	if (!end || end[1] != ' ')
		return 0;
	rest = lg_slice_str(end + 2);
	for (unsigned i = 0; i < 20; i++)
		rest = lg_slice_cut(rest, ' ', &field);
	return lg_slice_u64(field, &n) ? 0 : n;
}

static bool path_of(const char *state_dir, char out[PATH_CAP])
{
	return state_dir &&
	       !lg_path_join(out, PATH_CAP, state_dir, LG_CONTROL_FILE);
}

uint64_t lg_control_stamp(const char *state_dir)
{
	char path[PATH_CAP];
	uint64_t w[4] = {0};
	struct stat st;

	if (!path_of(state_dir, path) || stat(path, &st))
		return 0;
	w[0] = (uint64_t)st.st_ino;
	w[1] = (uint64_t)st.st_size;
	w[2] = (uint64_t)st.st_mtim.tv_sec;
	w[3] = (uint64_t)st.st_mtim.tv_nsec;
	return lg_hash128(w, sizeof(w), 41).a | 1;
}

/* -- for this process ---------------------------------------------------------
 */

static bool is_me(const struct lg_control *o)
{
	return o->pid == lg_self_pid() && o->start == lg_control_start(o->pid);
}

/* Each scope is matched as the scope of a budget is. */
static void add_scopes(struct lg_controls *c, char (*scope)[SCOPE_MAX],
		       unsigned n)
{
	struct lg_budget_text *b = lg_mem_alloc(n * sizeof(*b));
	char(*name)[16] = lg_mem_alloc(n * sizeof(*name));
	struct lg_config_error err;
	const struct lg_img_budget *img;
	struct lg_buf out;
	struct lg_buf t;

	lg_buf_init(&out, (size_t)1 << 20);
	for (unsigned i = 0; b && name && i < n; i++) {
		lg_buf_init_fixed(&t, name[i], sizeof(name[i]) - 1);
		lg_buf_puts(&t, "pause");
		lg_buf_put_u64(&t, i);
		b[i] = (struct lg_budget_text){.name = name[i],
					       .scope = scope[i],
					       .period = "total",
					       .limit_usd = "0",
					       .hard = 1,
					       .each = -1};
	}
	if (b && name && !lg_config_compile_budgets(b, n, &out, &err))
		c->img = lg_mem_alloc(out.len);
	if (c->img)
		memcpy(c->img, out.p, out.len);
	if (c->img && !lg_image_check(c->img, out.len))
		c->rules = lg_mem_alloc(n * sizeof(*c->rules));
	if (c->rules) {
		img = LG_IMG_ARRAY(c->img, c->img->budgets,
				   struct lg_img_budget);
		for (uint32_t i = 0; i < c->img->budgets.n && i < n; i++)
			lg_rule_init(&c->rules[c->nrules++], c->img, &img[i],
				     "UTC", 0);
	}
	/* nobody can say whom it means: all */
	c->paused |= c->nrules != n;
	lg_buf_fini(&out);
	lg_mem_free(b, n * sizeof(*b));
	lg_mem_free(name, n * sizeof(*name));
}

static void take(struct lg_controls *c, struct lg_slice text)
{
	char(*scope)[SCOPE_MAX] =
		lg_mem_alloc(LG_CONTROL_SCOPES_MAX * sizeof(*scope));
	struct lg_control o;
	unsigned n = 0;

	while (lg_control_next(&text, &o)) {
		if (o.pid && is_me(&o)) {
			if (o.kind == LG_CONTROL_PAUSE)
				c->paused_pid = o.pid;
			else if (o.kind == LG_CONTROL_OFF)
				c->off_pid = o.pid;
		}
		if (o.pid)
			continue;
		if (!o.scope.len)
			c->paused = true;
		else if (!scope || n == LG_CONTROL_SCOPES_MAX ||
			 o.scope.len >= SCOPE_MAX)
			c->paused = true;
		else
			lg_slice_copy(o.scope, scope[n++], SCOPE_MAX);
	}
	if (n)
		add_scopes(c, scope, n);
	lg_mem_free(scope, LG_CONTROL_SCOPES_MAX * sizeof(*scope));
}

void lg_control_read(const char *state_dir, struct lg_controls *out)
{
	char path[PATH_CAP];
	size_t size;
	void *p;

	memset(out, 0, sizeof(*out));
	out->stamp = lg_control_stamp(state_dir);
	if (!out->stamp || !path_of(state_dir, path) ||
	    lg_file_read(path, LG_CONTROL_MAX, &p, &size))
		return;
	take(out, (struct lg_slice){p, size});
	lg_mem_free(p, size);
}

void lg_control_fini(struct lg_controls *c)
{
	if (c->rules)
		lg_mem_free(c->rules, c->nrules * sizeof(*c->rules));
	if (c->img)
		lg_mem_free(c->img, (size_t)c->img->size);
	memset(c, 0, sizeof(*c));
}

bool lg_control_is_paused(const struct lg_controls *c, const struct lg_row *row,
			  struct lg_slice canonical)
{
	struct lg_rule_hit hit;

	if (c->paused || (c->paused_pid && c->paused_pid == lg_self_pid()))
		return true;
	for (unsigned i = 0; i < c->nrules; i++)
		if (lg_rule_match(&c->rules[i], row, canonical, 0, &hit))
			return true;
	return false;
}

bool lg_control_is_off(const struct lg_controls *c)
{
	return c->off_pid && c->off_pid == lg_self_pid();
}
