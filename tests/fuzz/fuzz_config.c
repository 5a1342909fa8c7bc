/*
 * YAML to image: whatever the text, the compiled image is sound, or the error
 * says something. The first byte chooses the file that the rest stands for.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "price/price.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static int fd = -1;
static char path[64];

static void put(const uint8_t *p, size_t n)
{
	if (fd < 0) {
		fd = memfd_create("fuzz", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) || pwrite(fd, p, n, 0) != (ssize_t)n)
		abort();
}

static void use(const struct lg_buf *out)
{
	const struct lg_image *img = (const void *)out->p;
	struct lg_catalog c = {{img}, 1};
	struct lg_price_query q = {.provider = LG_SLICE("p"),
				   .model = LG_SLICE("m-1-20260101"),
				   .tier = LG_SLICE("batch"),
				   .version = LG_SLICE("2026")};
	struct lg_usage u = {.n = {1, 2, 3}, .flags = LG_USAGE_PRESENT};
	struct lg_price p;
	struct lg_cost cost;

	if (lg_image_check(out->p, out->len))
		abort();
	lg_price_lookup(&c, &q, &p);
	lg_price_cost(&p, &u, &cost);
	if (cost.input_pusd + cost.output_pusd != cost.total_pusd)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lg_config_paths paths = {.config = NULL};
	const char *files[] = {path};
	struct lg_config_error err;
	struct lg_buf out;
	int ret;

	if (!size)
		return 0;
	put(data + 1, size - 1);
	lg_buf_init(&out, 0);
	if (data[0] % 3 == 0) {
		paths.config = path;
		ret = lg_config_compile(&paths, &out, &err);
	} else if (data[0] % 3 == 1) {
		paths.live = path;
		ret = lg_config_compile(&paths, &out, &err);
	} else {
		ret = lg_config_compile_catalog(files, 1, &out, &err);
	}
	if (!ret)
		use(&out);
	else if (!err.text[0])
		abort();
	lg_buf_fini(&out);
	return 0;
}
