#include "guard/world.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "guard/phase.h"
#include "price/catalog.h"

#define DEFAULT_HOLD_MAX ((uint64_t)32 << 20)

void lg_region_ref_drop(struct lg_region_ref *ref)
{
	if (!ref || lg_add_seq(&ref->refs, (uint32_t)-1) != 1)
		return;
	lg_region_close(ref->r);
	lg_mem_free(ref, sizeof(*ref));
}

static struct lg_image *copy_image(const struct lg_image *img)
{
	void *p = img ? lg_mem_alloc((size_t)img->size) : NULL;

	return p ? memcpy(p, img, (size_t)img->size) : NULL;
}

static void take_settings(struct lg_world *w, const struct lg_world_source *s,
			  struct lg_config_error *err)
{
	if (lg_settings_load(s->settings, &w->img, err))
		w->img = copy_image(s->last_good);
	if (w->img) {
		w->set = w->img->settings;
	} else {
		w->set.hold_max_bytes = DEFAULT_HOLD_MAX;
		w->set.durability = LG_DURABILITY_INTERVAL;
		w->blind = true;
	}
	if (!w->set.hold_max_bytes)
		w->set.hold_max_bytes = DEFAULT_HOLD_MAX;
	if (s->fail_closed)
		w->set.fail = LG_FAIL_CLOSED;
	if (s->price_version)
		w->price_version = lg_slice_str(s->price_version);
	else if (w->img)
		w->price_version = lg_img_text(w->img, w->set.price_version);
}

static void take_prices(struct lg_world *w)
{
	if (w->img)
		w->catalog.img[w->catalog.n++] = w->img;
	w->catalog.img[w->catalog.n++] =
		(const struct lg_image *)(const void *)lg_catalog_image;
}

static void take_zone(struct lg_world *w)
{
	struct lg_slice name = {NULL, 0};

	if (w->img)
		name = lg_img_text(w->img, w->set.timezone);
	if (name.len && !lg_zone_open(name.p, &w->zone))
		return;
	if (lg_zone_open(NULL, &w->zone))
		lg_zone_open("UTC", &w->zone);
}

static void add_rules(struct lg_world *w, const struct lg_image *img)
{
	const struct lg_img_budget *b;

	if (!img)
		return;
	b = LG_IMG_ARRAY(img, img->budgets, struct lg_img_budget);
	for (uint32_t i = 0; i < img->budgets.n; i++)
		lg_rule_init(&w->rules[w->nrules++], img, &b[i],
			     w->zone ? lg_zone_name(w->zone) : "UTC",
			     w->set.week_start);
}

static int take_rules(struct lg_world *w, const struct lg_image *env)
{
	size_t n =
		(w->img ? w->img->budgets.n : 0) + (env ? env->budgets.n : 0);

	if (!n)
		return 0;
	w->rules = lg_mem_alloc(n * sizeof(*w->rules));
	if (!w->rules)
		return -ENOMEM;
	add_rules(w, w->img);
	add_rules(w, env);
	return 0;
}

int lg_world_build(const struct lg_world_source *s, struct lg_world **out,
		   struct lg_config_error *err)
{
	struct lg_world *w = lg_mem_alloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	take_settings(w, s, err);
	take_prices(w);
	take_zone(w);
	if (!w->zone || take_rules(w, s->env)) {
		lg_world_del(w);
		return -ENOMEM;
	}
	lg_phase_read(s->state_dir, s->run_id, w->phase);
	lg_control_read(s->state_dir, &w->control);
	w->region = s->region;
	if (w->region) {
		lg_add_seq(&w->region->refs, 1);
		w->generation = lg_region_generation(w->region->r);
	}
	*out = w;
	return 0;
}

void lg_world_del(struct lg_world *w)
{
	if (!w)
		return;
	if (w->rules)
		lg_mem_free(w->rules, w->nrules * sizeof(*w->rules));
	if (w->zone)
		lg_zone_close(w->zone);
	lg_control_fini(&w->control);
	lg_region_ref_drop(w->region);
	lg_settings_free(w->img);
	lg_mem_free(w, sizeof(*w));
}
