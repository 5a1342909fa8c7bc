#include "guard/program.h"

#include <string.h>

#include "guard/crash.h"

static bool fits(struct lg_slice pattern, const struct lg_self *self)
{
	const char *base = strrchr(self->exe, '/');

	if (memchr(pattern.p, '/', pattern.len))
		return lg_slice_glob(lg_slice_str(self->exe), pattern);
	return lg_slice_glob(lg_slice_str(base ? base + 1 : self->exe),
			     pattern) ||
	       lg_slice_glob(lg_slice_str(self->comm), pattern);
}

bool lg_program_is_denied(const struct lg_image *img,
			  const struct lg_self *self)
{
	bool listed = false, allowed = false;
	const struct lg_img_program *p;

	if (!img)
		return false;
	p = LG_IMG_ARRAY(img, img->programs, struct lg_img_program);
	for (uint32_t i = 0; i < img->programs.n; i++) {
		bool fit = fits(lg_img_text(img, p[i].pattern), self);

		if (p[i].deny && fit)
			return true;
		listed |= !p[i].deny;
		allowed |= !p[i].deny && fit;
	}
	return listed && !allowed;
}

bool lg_program_is_let_alone(const struct lg_world *w,
			     const struct lg_self *self, const char *state_dir)
{
	return lg_program_is_denied(w->img, self) ||
	       (w->set.fail == LG_FAIL_OPEN &&
		lg_crash_is_passive(state_dir, self->exe));
}
