#include "guard/phase.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "guard/file.h"
#include "guard/world.h"

/* May it be a file's name as it stands? */
static bool is_plain(const char *id)
{
	size_t n = 0;

	for (; id[n]; n++) {
		unsigned c = (unsigned char)id[n];
		bool word = (c | 32) - 'a' < 26u || c - '0' < 10u;

		if (n == 63 || (!word && (!n || !memchr("._-", (int)c, 3))))
			return false;
	}
	return n;
}

int lg_run_path(const char *state_dir, const char *run_id, const char *tail,
		char *out, size_t cap)
{
	struct lg_buf b;

	if (!run_id || !*run_id)
		return -EINVAL;
	lg_buf_init_fixed(&b, out, cap ? cap - 1 : 0);
	lg_buf_puts(&b, state_dir);
	lg_buf_puts(&b, LG_RUNS_DIR "/");
	if (is_plain(run_id)) {
		lg_buf_puts(&b, run_id);
	} else {
		struct lg_hash128 h = lg_hash128(run_id, strlen(run_id), 0);

		lg_buf_puts(&b, "h-");
		lg_buf_put_hex(&b, h.a);
		lg_buf_put_hex(&b, h.b);
	}
	lg_buf_puts(&b, tail);
	if (b.overflow || !cap)
		return -ENAMETOOLONG;
	out[b.len] = '\0';
	return 0;
}

bool lg_phase_is(struct lg_slice text)
{
	return lg_slice_ieq(text, LG_SLICE("train")) ||
	       lg_slice_ieq(text, LG_SLICE("infer"));
}

void lg_phase_read(const char *state_dir, const char *run_id, char out[8])
{
	struct lg_slice text;
	char path[400], buf[16];
	int n;

	out[0] = '\0';
	if (!state_dir || !run_id ||
	    lg_run_path(state_dir, run_id, ".phase", path, sizeof(path)))
		return;
	n = lg_file_peek(path, buf, sizeof(buf));
	if (n <= 0)
		return;
	text = lg_slice_trim((struct lg_slice){buf, (size_t)n});
	if (lg_phase_is(text))
		memcpy(out,
		       *text.p == 't' || *text.p == 'T' ? "train" : "infer", 6);
}

void lg_phase_switched(const struct lg_world *w, struct lg_slice header,
		       struct lg_row *row)
{
	if (w->phase[0] && !lg_phase_is(header))
		memcpy(row->phase, w->phase, sizeof(row->phase));
}

static bool fits(const struct lg_world *w, const struct lg_img_rule *r,
		 const struct lg_row *row)
{
	struct lg_slice match = lg_img_text(w->img, r->match);

	return r->phase &&
	       (!r->host.off || lg_slice_glob(lg_slice_str(row->host),
					      lg_img_text(w->img, r->host))) &&
	       (lg_slice_glob(lg_slice_str(row->model_requested), match) ||
		lg_slice_glob(lg_slice_str(row->model), match));
}

void lg_phase_of_model(const struct lg_world *w, struct lg_row *row)
{
	const struct lg_img_rule *r;

	if (row->phase[0] || !w->img)
		return;
	r = LG_IMG_ARRAY(w->img, w->img->rules, struct lg_img_rule);
	for (uint32_t i = 0; i < w->img->rules.n; i++) {
		if (!fits(w, &r[i], row))
			continue;
		memcpy(row->phase,
		       r[i].phase == LG_IMG_PHASE_TRAIN ? "train" : "infer", 6);
		return;
	}
}
