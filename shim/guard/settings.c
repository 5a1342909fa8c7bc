#include "guard/settings.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "guard/file.h"

#define IMAGE_MAX ((size_t)64 << 20)

int lg_settings_init(struct lg_settings *s, const char *state_dir,
		     const char *config, const char *pricing_dir)
{
	struct lg_hash128 h;
	char tail[40] = "/settings-00000000.bin";

	memset(s, 0, sizeof(*s));
	if (!config)
		lg_config_find(s->config, sizeof(s->config));
	else if (lg_path_join(s->config, sizeof(s->config), config, ""))
		return -ENAMETOOLONG;
	h = lg_hash128(s->config, strlen(s->config), 0);
	for (unsigned i = 0; i < 8; i++)
		tail[10 + i] = "0123456789abcdef"[h.a >> (4 * i) & 15];
	if (lg_path_join(s->live, sizeof(s->live), state_dir,
			 "/budgets.jsonl") ||
	    lg_path_join(s->image, sizeof(s->image), state_dir, tail) ||
	    lg_path_join(s->pricing_dir, sizeof(s->pricing_dir),
			 pricing_dir ? pricing_dir : state_dir,
			 pricing_dir ? "" : LG_PRICING_DIR))
		return -ENAMETOOLONG;
	return 0;
}

static struct lg_config_paths paths_of(const struct lg_settings *s)
{
	return (struct lg_config_paths){
		.config = s->config[0] ? s->config : NULL,
		.live = s->live,
		.pricing_dir = s->pricing_dir,
	};
}

bool lg_settings_is_fresh(const struct lg_settings *s,
			  const struct lg_image *img)
{
	struct lg_config_paths paths = paths_of(s);

	return lg_config_is_fresh(img, &paths);
}

static uint64_t mix_stat(uint64_t sum, const char *path)
{
	uint64_t word[5] = {sum};
	struct stat st;

	if (path && *path && !stat(path, &st)) {
		word[1] = (uint64_t)st.st_size;
		word[2] = (uint64_t)st.st_ino;
		word[3] = (uint64_t)st.st_mtim.tv_sec;
		word[4] = (uint64_t)st.st_mtim.tv_nsec;
	}
	return lg_hash128(word, sizeof(word), 1).a;
}

uint64_t lg_settings_signature(const struct lg_settings *s,
			       const struct lg_image *img,
			       const struct lg_config_error *err)
{
	const struct lg_img_source *src;
	uint64_t sum = mix_stat(0, s->config);

	sum = mix_stat(sum, s->live);
	sum = mix_stat(sum, s->pricing_dir);
	sum = mix_stat(sum, err->file);
	if (img) {
		src = LG_IMG_ARRAY(img, img->sources, struct lg_img_source);
		for (uint32_t i = 0; i < img->sources.n; i++)
			sum = mix_stat(sum, lg_img_text(img, src[i].path).p);
	}
	return sum | 1;
}

static int check(struct lg_image *img, size_t size)
{
	int err = lg_image_check(img, size);

	if (!err && img->size != size)
		err = -EPROTO;
	if (err)
		lg_mem_free(img, size);
	return err;
}

static int load_file(const struct lg_settings *s, struct lg_image **out)
{
	void *p;
	size_t size;
	int err = lg_file_read(s->image, IMAGE_MAX, &p, &size);

	if (err)
		return err;
	err = check(p, size);
	if (err)
		return err;
	*out = p;
	return 0;
}

static int compile(const struct lg_settings *s, struct lg_image **out,
		   struct lg_config_error *why)
{
	struct lg_config_paths paths = paths_of(s);
	struct lg_buf buf;
	void *p;
	int err;

	lg_buf_init(&buf, IMAGE_MAX);
	err = lg_config_compile(&paths, &buf, why);
	if (err)
		goto out;
	err = -ENOMEM;
	p = lg_mem_alloc(buf.len);
	if (!p)
		goto out;
	memcpy(p, buf.p, buf.len);
	err = check(p, buf.len);
	if (err)
		goto out;
	if (!s->readonly)
		lg_file_replace(s->image, p, buf.len);
	*out = p;
out:
	lg_buf_fini(&buf);
	return err;
}

int lg_settings_load(const struct lg_settings *s, struct lg_image **out,
		     struct lg_config_error *err)
{
	struct lg_image *img = NULL;
	int rc;

	err->text[0] = '\0';
	if (!load_file(s, &img) && lg_settings_is_fresh(s, img)) {
		*out = img;
		return 0;
	}
	rc = compile(s, out, err);
	if (rc && img) { /* the last good one stays in force */
		*out = img;
		return 0;
	}
	lg_settings_free(img);
	return rc;
}

void lg_settings_free(struct lg_image *img)
{
	if (img)
		lg_mem_free(img, (size_t)img->size);
}
