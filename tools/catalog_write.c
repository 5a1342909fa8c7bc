#include "catalog_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "budget/region.h"
#include "config/config.h"
#include "guard/engine.h"
#include "guard/self.h"
#include "tool.h"

#define PATH_CAP 4096
#define AUDIT_EACH 16	/* entries that get a row of their own */
#define SOURCES_FIXED 3 /* config, live changes, directory: then files */

static bool is_below(struct lg_slice path, const char *dir)
{
	size_t n = strlen(dir);

	return lg_slice_starts(path, lg_slice_str(dir)) && path.len > n &&
	       path.p[n] == '/';
}

int catalog_user_file(struct lg_engine *e, const char *given, char *out,
		      size_t cap)
{
	const struct lg_image *img = lg_engine_image(e);
	const char *dir = lg_engine_pricing_dir(e), *name = "/prices.yaml";
	const struct lg_img_source *s;
	struct lg_slice path;

	if (img && !given && img->sources.n > SOURCES_FIXED) {
		s = LG_IMG_ARRAY(img, img->sources, struct lg_img_source);
		path = lg_img_text(img, s[SOURCES_FIXED].path);
		if (!is_below(path, dir))
			given = path.p;
	}
	if (given) {
		dir = given;
		name = "";
	}
	return snprintf(out, cap, "%s%s", dir, name) < (int)cap ? 0
								: -ENAMETOOLONG;
}

bool catalog_is_read(struct lg_engine *e, const char *file)
{
	const struct lg_image *img = lg_engine_image(e);
	char *real = realpath(file, NULL), *dir, *other;
	const struct lg_img_source *s;
	bool is = !real; /* it is not there: nothing to say */

	dir = realpath(lg_engine_pricing_dir(e), NULL);
	if (real && dir)
		is = is_below(lg_slice_str(real), dir);
	s = img ? LG_IMG_ARRAY(img, img->sources, struct lg_img_source) : NULL;
	for (uint32_t i = SOURCES_FIXED; img && i < img->sources.n && !is;
	     i++) {
		other = realpath(lg_img_text(img, s[i].path).p, NULL);
		is = other && !strcmp(real, other);
		free(other);
	}
	free(real);
	free(dir);
	return is;
}

/* -- where in the text --------------------------------------------------- */

static struct lg_slice line_at(struct lg_slice text, size_t at)
{
	const char *end = memchr(text.p + at, '\n', text.len - at);

	return (struct lg_slice){text.p + at, end ? (size_t)(end - text.p) - at
						  : text.len - at};
}

static bool is_blank(struct lg_slice line)
{
	struct lg_slice s = lg_slice_trim(line);

	return !s.len || s.p[0] == '#';
}

static size_t indent_of(struct lg_slice line)
{
	size_t n = 0;

	while (n < line.len && line.p[n] == ' ')
		n++;
	return n;
}

/* The place for an entry: text[0..at), entry, text[from..). */
struct place {
	size_t at, from;
	size_t indent; /* of the list's dashes */
	bool head;     /* "prices:" is to be written before */
};

/* From the line behind "prices:" to the last line of its list. */
static void find_end(struct lg_slice text, size_t at, struct place *p)
{
	struct lg_slice line;
	bool first = true;

	p->at = at;
	p->indent = 2;
	for (; at < text.len; at += line.len + 1) {
		line = line_at(text, at);
		if (is_blank(line))
			continue;
		if (line.p[0] != ' ' && line.p[0] != '-')
			break;
		if (first)
			p->indent = indent_of(line);
		first = false;
		p->at = at + line.len + 1;
	}
	if (p->at > text.len)
		p->at = text.len;
	p->from = p->at;
}

static int find_place(const char *file, struct lg_slice text, struct place *p,
		      struct doc_error *err)
{
	struct lg_slice line, rest;
	struct doc at = {.kind = DOC_NULL, .key = LG_SLICE("prices")};

	*p = (struct place){text.len, text.len, 2, true};
	for (size_t i = 0; i < text.len; i += line.len + 1) {
		line = line_at(text, i);
		at.line++;
		if (!lg_slice_starts(line, LG_SLICE("prices:")))
			continue;
		rest = lg_slice_trim(
			(struct lg_slice){line.p + 7, line.len - 7});
		if (rest.len && rest.p[0] != '#' &&
		    !lg_slice_eq(rest, LG_SLICE("[]")))
			return doc_fail(err, file, &at,
					"is a list in brackets; write one "
					"entry a line, with a dash before "
					"it, and try again");
		p->head = false;
		find_end(text,
			 i + line.len + 1 > text.len ? text.len
						     : i + line.len + 1,
			 p);
		if (lg_slice_eq(rest, LG_SLICE("[]"))) {
			p->at = i;
			p->from = i + line.len + (i + line.len < text.len);
			p->head = true;
		}
		return 0;
	}
	return 0;
}

/* An entry as catalog_put_entry writes it, moved to the list's column. */
static void put_moved(struct lg_buf *b, const struct doc *entry, size_t indent)
{
	struct lg_buf one;
	struct lg_slice line;

	lg_buf_init(&one, (size_t)1 << 20);
	catalog_put_entry(&one, entry);
	for (size_t i = 0; i < one.len; i += line.len + 1) {
		line = line_at(lg_buf_slice(&one), i);
		for (size_t k = 0; k < indent; k++)
			lg_buf_putc(b, ' ');
		lg_buf_put(b, line.p + 2, line.len - 2);
		lg_buf_putc(b, '\n');
	}
	lg_buf_fini(&one);
}

static int compose(const char *file, struct lg_slice old,
		   const struct doc *const *entries, unsigned n,
		   struct lg_buf *out, struct doc_error *err)
{
	struct place p;
	int ret = find_place(file, old, &p, err);

	if (ret)
		return ret;
	if (!old.len)
		lg_buf_puts(out, "# Prices entered with llmguard pricing; the "
				 "format is described in\n"
				 "# docs/pricing.md. Append-only: a change is "
				 "a new entry.\ncatalog: 1\n");
	lg_buf_put(out, old.p, p.at);
	if (out->len && out->p[out->len - 1] != '\n')
		lg_buf_putc(out, '\n');
	if (p.head)
		lg_buf_puts(out, "prices:\n");
	for (unsigned i = 0; i < n; i++)
		put_moved(out, entries[i], p.indent);
	lg_buf_put(out, old.p + p.from, old.len - p.from);
	if (!out->overflow)
		return 0;
	snprintf(err->text, sizeof(err->text), "%.400s: too large", file);
	return -EFBIG;
}

/* -- the file ------------------------------------------------------------ */

struct writer {
	char file[PATH_CAP]; /* resolved */
	char next[PATH_CAP]; /* the new text, before it takes its place */
	int lock;
	struct doc_error *err;
};

static int fail(struct writer *w, const char *path, int err)
{
	snprintf(w->err->text, sizeof(w->err->text), "%.400s: %s", path,
		 strerror(-err));
	return err;
}

static int make_dirs(const char *file)
{
	char path[PATH_CAP];
	char *p;

	snprintf(path, sizeof(path), "%s", file);
	for (p = path + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

/* dir/.name + tail */
static int beside(const char *file, const char *tail, char out[PATH_CAP])
{
	const char *slash = strrchr(file, '/');
	int dir = slash ? (int)(slash - file) + 1 : 0;

	return snprintf(out, PATH_CAP, "%.*s.%s%s", dir, file, file + dir,
			tail) < PATH_CAP
		       ? 0
		       : -ENAMETOOLONG;
}

/* The file behind links. One that leads nowhere is not written over. */
static int resolve(struct writer *w, const char *file)
{
	char *real = realpath(file, NULL);
	int err = real ? 0 : -errno;
	struct stat st;

	if (!real && (lstat(file, &st) || !S_ISLNK(st.st_mode)))
		err = 0;
	if (real && !stat(real, &st) && !S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? -EISDIR : -ESPIPE;
	snprintf(w->file, sizeof(w->file), "%s", real ? real : file);
	free(real);
	return err;
}

static int open_writer(struct writer *w, const char *file)
{
	char lock[PATH_CAP];
	int err;

	w->lock = -1;
	err = resolve(w, file);
	if (!err)
		err = make_dirs(w->file);
	if (!err)
		err = beside(w->file, ".lock", lock);
	if (!err)
		err = beside(w->file, ".new", w->next);
	if (err)
		return fail(w, file, err);
	w->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->lock < 0)
		return fail(w, lock, -errno);
	while (flock(w->lock, LOCK_EX))
		if (errno != EINTR)
			return fail(w, lock, -errno);
	return 0;
}

static int write_all(int fd, const struct lg_buf *b)
{
	size_t done = 0;
	ssize_t n;

	while (done < b->len) {
		n = write(fd, b->p + done, b->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

static int write_next(struct writer *w, const struct lg_buf *b)
{
	struct stat st;
	bool old = !stat(w->file, &st);
	int fd = open(w->next,
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	int err;

	if (fd < 0)
		return fail(w, w->next, -errno);
	err = write_all(fd, b);
	if (!err && old) {
		if (fchmod(fd, st.st_mode & 07777))
			err = -errno;
		/* only root can keep another owner */
		if (!err && fchown(fd, st.st_uid, st.st_gid) && !geteuid())
			err = -errno;
	}
	close(fd);
	return err ? fail(w, w->next, err) : 0;
}

static int sync_dir(const char *file)
{
	char dir[PATH_CAP];
	char *slash;
	int fd;

	snprintf(dir, sizeof(dir), "%s", file);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fsync(fd); /* not every file system can */
	close(fd);
	return 0;
}

/* Messages of the compiler name the file that the user knows. */
static void rename_in(struct writer *w, const char *text)
{
	size_t n = strlen(w->next);

	if (!strncmp(text, w->next, n))
		snprintf(w->err->text, sizeof(w->err->text), "%.200s%.300s",
			 w->file, text + n);
	else
		snprintf(w->err->text, sizeof(w->err->text), "%.500s", text);
}

static int compiles(struct writer *w)
{
	const char *const files[] = {w->next};
	struct lg_config_error e;
	struct lg_buf img;
	int err;

	lg_buf_init(&img, (size_t)1 << 28);
	err = lg_config_compile_catalog(files, 1, &img, &e);
	if (err)
		rename_in(w, e.text);
	lg_buf_fini(&img);
	return err;
}

static int replace(struct writer *w, const struct lg_buf *b)
{
	int err = write_next(w, b);

	if (!err)
		err = compiles(w);
	if (!err && rename(w->next, w->file))
		err = fail(w, w->file, -errno);
	if (err)
		unlink(w->next);
	else
		sync_dir(w->file);
	return err;
}

int catalog_append(const char *file, const struct doc *const *entries,
		   unsigned n, struct doc_error *err)
{
	struct writer w = {.err = err};
	struct doc_arena a = {0};
	struct lg_slice old = {"", 0};
	struct lg_buf b;
	int ret = open_writer(&w, file);

	lg_buf_init(&b, (size_t)1 << 26);
	if (!ret && !access(w.file, F_OK))
		ret = doc_read(&a, w.file, &old, err);
	if (!ret)
		ret = compose(w.file, old, entries, n, &b, err);
	if (!ret)
		ret = replace(&w, &b);
	lg_buf_fini(&b);
	doc_arena_fini(&a);
	if (w.lock >= 0)
		close(w.lock);
	return ret;
}

/* -- who, when, how ------------------------------------------------------ */

static void add_text(struct doc_arena *a, struct doc *e, const char *key,
		     const char *text)
{
	if (!doc_get(e, key))
		doc_add(a, e, key, doc_new(a, DOC_STRING, text));
}

/* As in the shipped files: whose, when, how much, by whom. */
static unsigned place_of(struct lg_slice key)
{
	static const char *const head[] = {
		"provider",	    "model",	     "match",
		"variant",	    "tier",	     "id",
		"pricing_id",	    "price_version", "effective_at",
		"expires_at",	    "time_of_day",   "context_window",
		"max_output_tokens"};
	static const char *const tail[] = {"notes",  "estimate", "about",
					   "source", "operator", "added_at"};
	unsigned i;

	for (i = 0; i < sizeof(head) / sizeof(head[0]); i++)
		if (lg_slice_eq(key, lg_slice_str(head[i])))
			return i;
	for (i = 0; i < sizeof(tail) / sizeof(tail[0]); i++)
		if (lg_slice_eq(key, lg_slice_str(tail[i])))
			return 101 + i;
	return 100;
}

static void sort_keys(struct doc *entry)
{
	struct doc *v = entry->child, *next, **at;

	entry->child = NULL;
	for (; v; v = next) {
		next = v->next;
		for (at = &entry->child;
		     *at && place_of((*at)->key) <= place_of(v->key);)
			at = &(*at)->next;
		v->next = *at;
		*at = v;
	}
	for (v = entry->child; v; v = v->next)
		entry->last = v;
}

void catalog_sign(struct doc_arena *a, struct doc *entry, const char *source)
{
	struct lg_self self;
	struct lg_buf b;
	char when[64];

	lg_self_read(&self);
	lg_buf_init_fixed(&b, when, sizeof(when) - 1);
	lg_buf_put_time(&b, lg_clock_real_ms());
	when[b.len] = 0;
	add_text(a, entry, "source", source);
	add_text(a, entry, "operator", self.login[0] ? self.login : "unknown");
	add_text(a, entry, "added_at", when);
	sort_keys(entry);
}

static void put_change(struct lg_buf *b, const struct doc *v)
{
	static const char *const skip[] = {"provider", "model",	   "source",
					   "operator", "added_at", "about",
					   "notes",    "match"};
	unsigned i;

	lg_buf_puts(b, doc_text(doc_get(v, "provider")).p);
	lg_buf_putc(b, '/');
	lg_buf_puts(b, doc_text(doc_get(v, "model")).p);
	lg_buf_puts(b, " by ");
	lg_buf_puts(b, doc_text(doc_get(v, "source")).p);
	for (v = v->child; v; v = v->next) {
		for (i = 0; i < sizeof(skip) / sizeof(skip[0]); i++)
			if (lg_slice_eq(v->key, lg_slice_str(skip[i])))
				break;
		if (i < sizeof(skip) / sizeof(skip[0]))
			continue;
		lg_buf_putc(b, ' ');
		lg_buf_puts(b, v->key.p);
		lg_buf_putc(b, '=');
		doc_put_json(b, v, 0);
	}
}

/* Each entry is signed in the file; the ledger counts those of a list. */
static void audit(struct lg_engine *e, struct doc *const *entries, unsigned n,
		  const char *file)
{
	struct lg_buf b;

	lg_buf_init(&b, 65536);
	for (unsigned i = 0; i < n && n <= AUDIT_EACH; i++) {
		b.len = 0;
		lg_buf_puts(&b, "price ");
		put_change(&b, entries[i]);
		lg_buf_putc(&b, 0);
		tool_audit(e, b.p);
	}
	if (n > AUDIT_EACH) {
		lg_buf_puts(&b, "prices of ");
		lg_buf_put_u64(&b, n);
		lg_buf_puts(&b, " models by ");
		lg_buf_puts(&b, doc_text(doc_get(entries[0], "source")).p);
		lg_buf_puts(&b, " to ");
		lg_buf_puts(&b, file);
		lg_buf_putc(&b, 0);
		tool_audit(e, b.p);
	}
	lg_buf_fini(&b);
}

int catalog_post(struct lg_engine *e, struct doc_arena *a, const char *file,
		 struct doc *const *entries, unsigned n, const char *source,
		 struct doc_error *err)
{
	int ret;

	for (unsigned i = 0; i < n; i++)
		catalog_sign(a, entries[i], source);
	ret = catalog_append(file, (const struct doc *const *)entries, n, err);
	if (ret)
		return ret;
	audit(e, entries, n, file);
	/* running programs look at their files at once */
	if (lg_engine_region(e) && !lg_engine_is_readonly(e))
		lg_region_bump(lg_engine_region(e));
	return 0;
}

int catalog_enter(struct lg_engine *e, struct doc_arena *a, const char *file,
		  struct doc *const *entries, unsigned n, const char *source)
{
	struct doc_error err;

	if (catalog_post(e, a, file, entries, n, source, &err))
		return tool_fail("%s", err.text);
	if (!catalog_is_read(e, file))
		tool_warn("%s is not in force: list it in pricing: {files: "
			  "[...]} of %s",
			  file,
			  *lg_engine_config_path(e) ? lg_engine_config_path(e)
						    : "a config");
	return EXIT_OK;
}
