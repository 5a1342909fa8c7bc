#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "config/conf.h"

#define PATH_CAP 4096u
#define SOURCES_MAX 256u
#define CATALOG_FILES_MAX 128u
#define LIVE_MAX ((size_t)16 << 20)
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* The first three sources of an image are always these. */
enum { SOURCE_CONFIG, SOURCE_LIVE, SOURCE_PRICING_DIR, SOURCES_FIXED };

static int conf_init(struct lg_conf *c, struct lg_buf *out,
		     struct lg_config_error *err)
{
	memset(c, 0, sizeof(*c));
	memset(err, 0, sizeof(*err));
	c->err = err;
	c->now_ms = lg_clock_real_ms();
	c->config_mtime_ms = INT64_MIN;
	lg_conf_settings_default(&c->settings);
	return lg_build_init(&c->b, out);
}

static void conf_fini(struct lg_conf *c)
{
	lg_conf_catalog_fini(c);
	lg_yaml_arena_fini(&c->arena);
	lg_mem_free(c->budget, c->budgets_cap * sizeof(*c->budget));
	lg_mem_free(c->source, c->sources_cap * sizeof(*c->source));
	lg_build_fini(&c->b);
}

static int add_source(struct lg_conf *c, const char *path,
		      const struct lg_img_source *src)
{
	if (!c->source) {
		c->source = lg_mem_alloc(SOURCES_MAX * sizeof(*src));
		if (!c->source)
			return -ENOMEM;
		c->sources_cap = SOURCES_MAX;
	}
	if (c->nsources == c->sources_cap)
		return -EMSGSIZE;
	c->source[c->nsources] = *src;
	c->source[c->nsources].path = lg_build_text(&c->b, lg_slice_str(path));
	c->nsources++;
	return c->b.err;
}

static const char *reason(int err)
{
	switch (err) {
	case -ENOENT:
		return "no such file";
	case -EACCES:
	case -EPERM:
		return "may not be read";
	case -EISDIR:
		return "is a directory";
	case -EFBIG:
		return "is larger than 4 MiB";
	case -EINVAL:
		return "is not a regular file";
	default:
		return "cannot be read";
	}
}

static int parse_yaml(struct lg_conf *c, struct lg_slice text,
		      struct lg_yaml **root)
{
	struct lg_yaml_error e;
	struct lg_slice none = {NULL, 0};
	int err;

	/* A save in progress: the file was cut and is not yet written. */
	if (!text.len)
		return lg_conf_fail(c, NULL,
				    "is empty; one that sets nothing has at "
				    "least a comment");
	err = lg_yaml_parse(text, &c->arena, root, &e);
	if (err == -EPROTO)
		return lg_conf_fail_at(c, e.line, e.key, none, e.what);
	if (!err && *root && lg_yaml_is_null(*root))
		*root = NULL;
	return err;
}

static int read_catalog(struct lg_conf *c, const char *path)
{
	const char *outer = c->file;
	struct lg_img_source src;
	struct lg_yaml *root;
	struct lg_slice text;
	int err = lg_conf_file_read(path, LG_CONF_FILE_MAX, &text, &src);

	if (err) {
		c->file = path;
		lg_conf_fail(c, NULL, reason(err));
		return err;
	}
	c->file = path;
	err = add_source(c, path, &src);
	if (!err)
		err = parse_yaml(c, text, &root);
	if (!err)
		err = lg_conf_catalog(c, root);
	lg_conf_file_free(&text);
	c->file = outer;
	return err;
}

/* dir + name; dir is what stands before the last slash of `beside`. */
static int join(char *out, const char *beside, struct lg_slice name)
{
	const char *slash = strrchr(beside, '/');
	struct lg_buf b;

	lg_buf_init_fixed(&b, out, PATH_CAP - 1);
	if (name.p[0] != '/' && slash)
		lg_buf_put(&b, beside, (size_t)(slash - beside) + 1);
	lg_buf_put(&b, name.p, name.len);
	out[b.len] = 0;
	return b.overflow ? -ENAMETOOLONG : 0;
}

static int read_listed(struct lg_conf *c, const char *config,
		       const struct lg_yaml *files, char *path)
{
	const struct lg_yaml *v;
	struct lg_img_source absent;
	int err = 0;

	for (v = files ? files->child : NULL; v && !err; v = v->next) {
		err = join(path, config, v->text);
		if (err)
			return err;
		err = read_catalog(c, path);
		c->file = config;
		if (err != -ENOENT)
			continue;
		lg_conf_file_stat(path, &absent);
		add_source(c, path, &absent);
		err = lg_conf_fail(c, v, "no such price file");
	}
	return err;
}

static bool is_catalog_name(const char *name)
{
	struct lg_slice s = lg_slice_str(name);

	return s.p[0] != '.' && lg_slice_iends(s, LG_SLICE(".yaml"));
}

struct names {
	char name[CATALOG_FILES_MAX][256];
	unsigned n;
};

/* Sorted: the order of a directory is not the user's. */
static int list_dir(struct lg_conf *c, const char *dir, struct names *l)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned i;

	if (!d) /* one that this user may not read has nothing for him */
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES
			       ? 0
			       : -errno;
	while ((e = readdir(d))) {
		if (!is_catalog_name(e->d_name))
			continue;
		if (l->n == CATALOG_FILES_MAX) {
			closedir(d);
			c->file = dir;
			return lg_conf_fail(c, NULL,
					    "more than 128 price files");
		}
		for (i = l->n; i > 0 && strcmp(l->name[i - 1], e->d_name) > 0;
		     i--)
			memcpy(l->name[i], l->name[i - 1], sizeof(l->name[0]));
		lg_slice_copy(lg_slice_str(e->d_name), l->name[i],
			      sizeof(l->name[0]));
		l->n++;
	}
	closedir(d);
	return 0;
}

static int read_dir(struct lg_conf *c, const char *dir, char *path)
{
	struct names *l;
	struct lg_buf b;
	int err;

	if (!dir)
		return 0;
	l = lg_mem_alloc(sizeof(*l));
	if (!l)
		return -ENOMEM;
	err = list_dir(c, dir, l);
	for (unsigned i = 0; i < l->n && !err; i++) {
		lg_buf_init_fixed(&b, path, PATH_CAP - 1);
		lg_buf_puts(&b, dir);
		lg_buf_putc(&b, '/');
		lg_buf_puts(&b, l->name[i]);
		path[b.len] = 0;
		err = b.overflow ? -ENAMETOOLONG : read_catalog(c, path);
	}
	lg_mem_free(l, sizeof(*l));
	return err;
}

static int read_config(struct lg_conf *c, const char *path, char *tmp)
{
	const struct lg_yaml *files;
	struct lg_yaml *root;
	struct lg_slice text;
	struct lg_img_source src;
	int err = path ? lg_conf_file_read(path, LG_CONF_FILE_MAX, &text, &src)
		       : 0;

	if (!path) {
		lg_conf_file_stat(NULL, &src);
		return add_source(c, "", &src);
	}
	c->file = path;
	if (err) {
		lg_conf_fail(c, NULL, reason(err));
		return err;
	}
	c->config_mtime_ms = src.mtime_ns / 1000000;
	c->config_id = lg_hash128(path, strlen(path), 0).a;
	err = add_source(c, path, &src);
	/* Places for the other two, filled later. */
	c->nsources = SOURCES_FIXED;
	if (!err)
		err = parse_yaml(c, text, &root);
	if (!err)
		err = lg_conf_settings(c, root, &files);
	if (!err)
		err = read_listed(c, path, files, tmp);
	lg_conf_file_free(&text);
	return err;
}

static int read_live(struct lg_conf *c, const char *path)
{
	struct lg_img_source src;
	struct lg_slice text = {NULL, 0};
	unsigned n = c->nsources;
	int err = 0;

	lg_conf_file_stat(NULL, &src);
	if (path)
		err = lg_conf_file_read(path, LIVE_MAX, &text, &src);
	c->nsources = SOURCE_LIVE;
	c->file = path;
	if (!err || err == -ENOENT || err == -ENOTDIR) {
		err = add_source(c, path ? path : "", &src);
		if (!err && text.p)
			err = lg_conf_live(c, text);
	} else {
		lg_conf_fail(c, NULL, reason(err));
	}
	lg_conf_file_free(&text);
	c->nsources = n > SOURCES_FIXED ? n : SOURCES_FIXED;
	return err;
}

static int note_dir(struct lg_conf *c, const char *dir)
{
	struct lg_img_source src;
	unsigned n = c->nsources;
	int err;

	lg_conf_file_stat(dir, &src);
	c->nsources = SOURCE_PRICING_DIR;
	err = add_source(c, dir ? dir : "", &src);
	c->nsources = n;
	return err;
}

static int finish(struct lg_conf *c, const char *config)
{
	struct lg_img_span budgets = lg_conf_budgets_emit(c);
	struct lg_img_span sources = lg_build_array(
		&c->b, c->source, c->nsources, sizeof(*c->source));
	struct lg_img_ref path = lg_build_text(&c->b, lg_slice_str(config));
	struct lg_image *img;
	int err = lg_conf_catalog_emit(c);

	if (err)
		return err;
	if (c->b.err)
		return c->b.err;
	img = lg_build_header(&c->b);
	img->settings = c->settings;
	img->sources = sources;
	img->budgets = budgets;
	img->hosts = c->hosts;
	img->rules = c->rules;
	img->plain = c->plain;
	img->programs = c->programs;
	img->config_path = path;
	return lg_build_finish(&c->b);
}

static void fill_text(struct lg_conf *c, int err)
{
	if (!err || c->err->text[0])
		return;
	lg_conf_fail(c, NULL,
		     err == -ENOMEM	? "not enough memory"
		     : err == -EMSGSIZE ? "too large"
					: "cannot be read");
}

int lg_config_compile(const struct lg_config_paths *paths, struct lg_buf *out,
		      struct lg_config_error *err)
{
	struct lg_conf *c = lg_mem_alloc(sizeof(*c));
	char *tmp = lg_mem_alloc(PATH_CAP);
	int saved = errno;
	int ret = -ENOMEM;

	memset(err, 0, sizeof(*err));
	if (!c || !tmp)
		goto out;
	ret = conf_init(c, out, err);
	if (!ret)
		ret = read_config(c, paths->config, tmp);
	if (!ret)
		ret = read_live(c, paths->live);
	if (!ret)
		ret = note_dir(c, paths->pricing_dir);
	if (!ret)
		ret = read_dir(c, paths->pricing_dir, tmp);
	if (!ret)
		ret = finish(c, paths->config);
	fill_text(c, ret);
	conf_fini(c);
out:
	lg_mem_free(tmp, PATH_CAP);
	lg_mem_free(c, sizeof(*c));
	errno = saved;
	return ret;
}

int lg_config_compile_catalog(const char *const *files, unsigned n,
			      struct lg_buf *out, struct lg_config_error *err)
{
	struct lg_conf *c = lg_mem_alloc(sizeof(*c));
	int ret = -ENOMEM;

	memset(err, 0, sizeof(*err));
	if (!c)
		return ret;
	ret = conf_init(c, out, err);
	for (unsigned i = 0; i < n && !ret; i++)
		ret = read_catalog(c, files[i]);
	if (!ret)
		ret = finish(c, NULL);
	fill_text(c, ret);
	conf_fini(c);
	lg_mem_free(c, sizeof(*c));
	return ret;
}

static bool is_source(const struct lg_image *img, unsigned i, const char *path)
{
	const struct lg_img_source *s =
		LG_IMG_ARRAY(img, img->sources, struct lg_img_source);

	return lg_slice_eq(lg_img_text(img, s[i].path), lg_slice_str(path));
}

static bool has_expired(const struct lg_image *img)
{
	const struct lg_img_budget *b =
		LG_IMG_ARRAY(img, img->budgets, struct lg_img_budget);
	int64_t now = lg_clock_real_ms();

	for (uint32_t i = 0; i < img->budgets.n; i++)
		if (b[i].source == LG_SOURCE_LIVE && b[i].until_ms &&
		    b[i].until_ms <= now)
			return true;
		else if (b[i].raised_until_ms && b[i].raised_until_ms <= now)
			return true;
	return false;
}

bool lg_config_is_fresh(const struct lg_image *img,
			const struct lg_config_paths *paths)
{
	const struct lg_img_source *s =
		LG_IMG_ARRAY(img, img->sources, struct lg_img_source);
	struct lg_img_source now;

	if (img->sources.n < SOURCES_FIXED ||
	    !is_source(img, SOURCE_CONFIG, paths->config) ||
	    !is_source(img, SOURCE_LIVE, paths->live) ||
	    !is_source(img, SOURCE_PRICING_DIR, paths->pricing_dir))
		return false;
	for (uint32_t i = 0; i < img->sources.n; i++) {
		if (!s[i].path.len)
			continue;
		lg_conf_file_stat(lg_img_text(img, s[i].path).p, &now);
		if (now.mtime_ns != s[i].mtime_ns || now.size != s[i].size ||
		    now.ino != s[i].ino)
			return false;
	}
	return !has_expired(img);
}
