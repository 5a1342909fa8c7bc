/*
 * Build tool: compile price files to the image that price/catalog.S takes in.
 * mkimage OUT FILE.yaml...
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/image.h"
#include "config/config.h"

int main(int argc, char **argv)
{
	struct lg_config_error err;
	struct lg_buf img;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "usage: %s OUT FILE.yaml...\n", argv[0]);
		return 2;
	}
	lg_buf_init(&img, 0);
	if (lg_config_compile_catalog((const char *const *)argv + 2,
				      (unsigned)argc - 2, &img, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (lg_image_check(img.p, img.len)) {
		fprintf(stderr, "%s: the image is not sound\n", argv[0]);
		return 1;
	}
	ret = lg_config_write_image(argv[1], &img);
	if (ret)
		fprintf(stderr, "%s: %s\n", argv[1], strerror(-ret));
	lg_buf_fini(&img);
	return ret ? 1 : 0;
}
