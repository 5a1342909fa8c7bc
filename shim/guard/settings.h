#ifndef LG_GUARD_SETTINGS_H
#define LG_GUARD_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "config/config.h"

/* Price files that `llmguard pricing` writes, below the state directory. */
#define LG_PRICING_DIR "/pricing"

/* Where the settings of one process come from and where they are kept. */
struct lg_settings {
	char config[512];      /* the YAML file, "" none */
	char live[300];	       /* $STATE/budgets.jsonl */
	char image[300];       /* $STATE/settings-<hash>.bin */
	char pricing_dir[300]; /* LLMGUARD_PRICING_DIR, $STATE/pricing */
	bool readonly;	       /* the image is not written */
};

/* 0, -ENAMETOOLONG. config NULL: found by lg_config_find. */
int lg_settings_init(struct lg_settings *s, const char *state_dir,
		     const char *config, const char *pricing_dir);
/*
 * The compiled settings: the image file while it is fresh, else compiled anew
 * and written there by rename (a file that cannot be written is no error).
 * When the sources cannot be compiled the last good image stays in force: 0,
 * and err->text says why. 0 with *out on base/mem.h; -EINVAL with err;
 * -errno. Blocks on files.
 */
int lg_settings_load(const struct lg_settings *s, struct lg_image **out,
		     struct lg_config_error *err);
void lg_settings_free(struct lg_image *img);
/* Do the settings still stand for their sources? A few stat calls. */
bool lg_settings_is_fresh(const struct lg_settings *s,
			  const struct lg_image *img);
/*
 * Changes when a source changes, so that a broken one is compiled only once:
 * the settings' own files, those of the image in force (NULL: none) and the one
 * that err is about.
 */
uint64_t lg_settings_signature(const struct lg_settings *s,
			       const struct lg_image *img,
			       const struct lg_config_error *err);

#endif
