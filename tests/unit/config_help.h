#ifndef LG_TESTS_UNIT_CONFIG_HELP_H
#define LG_TESTS_UNIT_CONFIG_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"

/* A directory of its own for each program, removed at the end. */
struct dir {
	char path[64];
	char config[96], live[96], prices[96];
};

static struct dir dir;

static inline int dir_setup(void **state)
{
	(void)state;
	strcpy(dir.path, "/tmp/lg-config-XXXXXX");
	if (!mkdtemp(dir.path))
		return -1;
	snprintf(dir.config, sizeof(dir.config), "%s/llmguard.yaml", dir.path);
	snprintf(dir.live, sizeof(dir.live), "%s/budgets.jsonl", dir.path);
	snprintf(dir.prices, sizeof(dir.prices), "%s/prices.yaml", dir.path);
	return 0;
}

static inline int dir_teardown(void **state)
{
	char cmd[128];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir.path);
	return system(cmd);
}

static inline void put_file(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static inline void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static inline void set_mtime(const char *path, int64_t unix_s)
{
	struct timeval t[2] = {{unix_s, 0}, {unix_s, 0}};

	assert_int_equal(utimes(path, t), 0);
}

/* Compile what stands in the files; the image must be sound. */
static inline const struct lg_image *compile_files(struct lg_buf *out,
						   const char *config,
						   const char *live)
{
	struct lg_config_paths paths = {.config = config, .live = live};
	struct lg_config_error err;
	int ret;

	lg_buf_init(out, 0);
	ret = lg_config_compile(&paths, out, &err);
	if (ret)
		fail_msg("%d: %s", ret, err.text);
	assert_int_equal(lg_image_check(out->p, out->len), 0);
	return (const struct lg_image *)(const void *)out->p;
}

static inline const struct lg_image *compile_text(struct lg_buf *out,
						  const char *yaml)
{
	put_text(dir.config, yaml);
	return compile_files(out, dir.config, NULL);
}

/* What is wrong with this config? */
static inline const char *compile_error(const void *yaml, size_t n)
{
	static struct lg_config_error err;
	struct lg_config_paths paths = {.config = dir.config};
	struct lg_buf out;

	put_file(dir.config, yaml, n);
	lg_buf_init(&out, 0);
	if (!lg_config_compile(&paths, &out, &err))
		strcpy(err.text, "(no error)");
	lg_buf_fini(&out);
	return err.text;
}

static inline const char *text(const struct lg_image *img, struct lg_img_ref r)
{
	return lg_img_text(img, r).p;
}

static inline const struct lg_img_budget *budget(const struct lg_image *img,
						 const char *name)
{
	const struct lg_img_budget *b =
		LG_IMG_ARRAY(img, img->budgets, struct lg_img_budget);

	for (uint32_t i = 0; i < img->budgets.n; i++)
		if (!strcmp(text(img, b[i].name), name))
			return &b[i];
	return NULL;
}

#endif
