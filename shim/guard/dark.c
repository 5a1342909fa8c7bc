#include "guard/dark.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "budget/dark.h"
#include "guard/alert.h"
#include "guard/message.h"
#include "guard/self.h"
#include "guard/world.h"

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void tell(struct lg_engine *e, struct lg_region *r,
		 const struct lg_dark *d)
{
	struct lg_log_kv kv[] = {
		{"host", lg_slice_str(d->host), 0},
		{"process", lg_slice_str(d->exe), 0},
		{"sent", {NULL, 0}, (int64_t)d->sent},
		{"received", {NULL, 0}, (int64_t)d->received},
	};
	struct lg_message m;

	lg_log(LG_LOG_WARN, "dark_connection", kv, 4);
	lg_message_init(&m);
	lg_buf_puts(&m.b, d->exe);
	lg_buf_puts(&m.b, " talks to ");
	lg_buf_puts(&m.b, d->host);
	lg_buf_puts(&m.b, " where the guard cannot see it; llmguard doctor "
			  "says why");
	lg_alert_dark(e, r, lg_slice_str(d->host), m.text);
}

void lg_dark_tell(struct lg_engine *e, struct lg_slice host, uint64_t sent,
		  uint64_t received)
{
	const struct lg_self *self = lg_engine_self(e);
	struct lg_dark d = {
		.count = 1,
		.sent = sent,
		.received = received,
		.last_s = (uint32_t)(lg_clock_real_ms() / 1000),
		.pid = (uint32_t)lg_self_pid(),
	};
	struct lg_world *w;
	int err = errno;

	lg_slice_copy(lg_slice_str(base_name(self->exe)), d.exe, sizeof(d.exe));
	lg_slice_copy(host, d.host, sizeof(d.host));
	w = lg_engine_pin(e);
	if (lg_world_region(w))
		lg_dark_add(lg_world_region(w), &d);
	tell(e, lg_world_region(w), &d);
	lg_engine_unpin(e, w);
	errno = err;
}
