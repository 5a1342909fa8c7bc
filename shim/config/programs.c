#include "config/conf.h"

#include <errno.h>

#include "base/mem.h"

#define PROGRAMS_MAX 512u

struct target {
	struct lg_img_program *p;
	unsigned n;
};

static int read_list(struct lg_conf *c, const struct lg_yaml *v,
		     struct target *t, bool deny)
{
	char text[LG_CONF_NAME_MAX];
	int err = 0;

	if (v->kind != LG_YAML_LIST)
		return lg_conf_fail(c, v,
				    "must be a list of programs, like "
				    "[\"git*\", \"/usr/lib/git-core/*\"]");
	for (v = v->child; v && !err; v = v->next) {
		if (t->n == PROGRAMS_MAX)
			return lg_conf_fail(c, v, "at most 512 programs");
		err = lg_conf_glob(c, v, text);
		if (err)
			break;
		t->p[t->n].pattern = lg_build_text(&c->b, lg_slice_str(text));
		t->p[t->n++].deny = deny;
	}
	return err;
}

static int read_allow(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return read_list(c, v, dst, false);
}

static int read_deny(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	return read_list(c, v, dst, true);
}

int lg_conf_programs(struct lg_conf *c, const struct lg_yaml *v, void *dst)
{
	static const struct lg_conf_key keys[] = {
		{"allow", read_allow, 0},
		{"deny", read_deny, 0},
	};
	const size_t size = PROGRAMS_MAX * sizeof(struct lg_img_program);
	struct target t = {.p = lg_mem_alloc(size)};
	int err;

	(void)dst;
	if (!t.p)
		return -ENOMEM;
	err = lg_conf_map(c, v, keys, 2, &t, NULL);
	if (!err && t.n)
		c->programs = lg_build_array(&c->b, t.p, t.n, sizeof(*t.p));
	lg_mem_free(t.p, size);
	return err;
}
