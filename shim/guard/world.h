#ifndef LG_GUARD_WORLD_H
#define LG_GUARD_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/image.h"
#include "budget/region.h"
#include "budget/zone.h"
#include "guard/control.h"
#include "guard/rule.h"
#include "guard/settings.h"
#include "price/price.h"

/* A mapped region that several worlds may share. */
struct lg_region_ref {
	struct lg_region *r;
	uint32_t refs;
	bool readonly;
};

/*
 * What decisions are made from at one moment: settings, prices, budgets and
 * the region. Never changed once published (but for its rules' memo words); a
 * new one replaces it. Pinned by whoever uses it (guard/engine.h).
 */
struct lg_world {
	uint64_t seq;		    /* one more for each new world */
	uint32_t slot;		    /* of the engine */
	struct lg_image *img;	    /* compiled settings, NULL: none usable */
	struct lg_img_settings set; /* theirs, or the built-in ones */
	struct lg_slice price_version; /* pinned by the environment, else by
					  them; empty: latest */
	struct lg_catalog catalog;
	struct lg_region_ref *region; /* NULL: none can be had */
	uint64_t generation;	      /* of the region when it was built */
	struct lg_zone *zone;
	struct lg_rule *rules;
	unsigned nrules;
	bool blind;  /* a config exists but none is usable */
	bool denied; /* this program is let alone (programs:, crashes) */
	struct lg_controls control;
	char phase[8]; /* of the run, as `llmguard phase` set it; "" */
};

struct lg_world_source {
	const struct lg_settings *settings;
	const struct lg_image *env;	/* environment's budgets, NULL none */
	struct lg_region_ref *region;	/* borrowed; gets a reference */
	struct lg_image *last_good;	/* copied when the config is broken */
	bool fail_closed;		/* by the environment */
	const char *price_version;	/* by the environment, NULL: not */
	const char *state_dir, *run_id; /* whose phase may be switched; NULL */
};

/* 0 with *out; -ENOMEM. err->text tells why a config is not in force. */
int lg_world_build(const struct lg_world_source *s, struct lg_world **out,
		   struct lg_config_error *err);
void lg_world_del(struct lg_world *w);

void lg_region_ref_drop(struct lg_region_ref *ref);

static inline struct lg_region *lg_world_region(const struct lg_world *w)
{
	return w->region && !w->region->readonly ? w->region->r : NULL;
}

#endif
