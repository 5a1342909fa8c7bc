#include "guard/places.h"

#include <errno.h>
#include <string.h>

#include "budget/region.h"
#include "config/config.h"
#include "guard/file.h"

static int find_state(const struct lg_env *env, const struct lg_self *self,
		      char *out, size_t cap)
{
	const struct lg_config_home h = {NULL, env->xdg_state, env->home};
	int err;

	if (env->state_dir)
		return lg_path_join(out, cap, env->state_dir, "");
	err = env->foreign ? lg_config_state_dir_in(&h, out, cap)
			   : lg_config_state_dir(out, cap);
	if (err == -ENOENT && self->home[0] == '/')
		err = lg_path_join(out, cap, self->home,
				   "/.local/state/llmguard");
	return err;
}

static int find_config(const struct lg_env *env, char *out, size_t cap)
{
	const struct lg_config_home h = {env->config, env->xdg_config,
					 env->home};

	if (env->config)
		return lg_path_join(out, cap, env->config, "");
	if (env->foreign)
		lg_config_find_in(&h, out, cap);
	else
		lg_config_find(out, cap);
	return 0;
}

int lg_places_find(const struct lg_env *env, const struct lg_self *self,
		   struct lg_places *out)
{
	int err = find_state(env, self, out->state_dir, sizeof(out->state_dir));

	if (!err && env->region)
		err = lg_path_join(out->region, sizeof(out->region),
				   env->region, "");
	else if (!err)
		err = lg_region_default_path(out->state_dir, !env->state_dir,
					     out->region, sizeof(out->region));
	return err ? err : find_config(env, out->config, sizeof(out->config));
}
