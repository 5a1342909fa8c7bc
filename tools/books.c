#include "books.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/money.h"
#include "guard/adjust.h"
#include "guard/engine.h"
#include "ledger/ledger.h"

#define LOCK_TRIES 200 /* of 10 ms */

static bool has_counts(const struct lg_row *adj)
{
	const uint64_t n[] = {
		adj->input_tokens,	    adj->cache_read_tokens,
		adj->cache_write_5m_tokens, adj->cache_write_1h_tokens,
		adj->output_tokens,	    adj->reasoning_tokens,
		adj->audio_input_tokens,    adj->audio_output_tokens,
	};

	for (unsigned i = 0; i < sizeof(n) / sizeof(n[0]); i++)
		if (lg_row_delta_of(n[i]))
			return true;
	for (unsigned i = 0; i < LG_ROW_UNITS; i++)
		if (lg_row_delta_of(adj->units[i]))
			return true;
	return adj->flags != 0;
}

static int keep_whole(struct fix *f, const struct lg_row *adj)
{
	struct lg_row *more =
		realloc(f->counted, (f->ncounted + 1) * sizeof(*f->counted));

	if (!more)
		return -ENOMEM;
	f->counted = more;
	f->counted[f->ncounted++] = *adj;
	return 0;
}

/* A few texts, again and again. */
static bool keep_text(struct books *b, const char *text, const char **out)
{
	uint32_t *at = strmap_put(&b->texts, text);

	if (!at)
		return false;
	if (!*at)
		*at = (uint32_t)b->texts.n;
	strmap_nth(&b->texts, *at - 1, out);
	return true;
}

static int keep_result(struct books *b, struct fix *f, const struct lg_row *adj)
{
	f->usage_state = adj->usage_state;
	f->price_state = adj->price_state;
	f->cache_hit = adj->cache_hit;
	return keep_text(b, adj->model, &f->model) &&
			       keep_text(b, adj->tier, &f->tier) &&
			       keep_text(b, adj->geo, &f->geo) &&
			       keep_text(b, adj->variant, &f->variant) &&
			       keep_text(b, adj->price_version,
					 &f->price_version)
		       ? 0
		       : -ENOMEM;
}

static int add(struct books *b, const struct lg_row *adj)
{
	struct fix *f;

	if (strlen(adj->ref) != sizeof(adj->ref) - 1)
		return 0; /* of a bill, not of a call */
	f = strmap_put(&b->fixes, adj->ref);
	if (!f)
		return -ENOMEM;
	f->n++;
	if (keep_result(b, f, adj))
		return -ENOMEM;
	if (has_counts(adj) || adj->price_state == LG_PRICED_PROVIDER)
		return keep_whole(f, adj);
	f->cost_pusd = lg_money_add(f->cost_pusd, adj->cost_pusd);
	f->economic_pusd = lg_money_add(f->economic_pusd, adj->economic_pusd);
	f->input_pusd = lg_money_add(f->input_pusd, adj->input_cost_pusd);
	f->output_pusd = lg_money_add(f->output_pusd, adj->output_cost_pusd);
	return 0;
}

static int collect(void *ctx, const struct lg_row *r,
		   const struct lg_ledger_pos *after)
{
	(void)after;
	return r->kind == LG_ROW_ADJUST ? add(ctx, r) : 0;
}

int books_refresh(struct books *b)
{
	const char *dir = lg_engine_ledger(b->e)->dir;
	int err = lg_ledger_walk(dir, &b->pos, INT64_MIN, collect, b, NULL);

	if (err == -ESTALE) {
		books_close(b);
		err = lg_ledger_walk(dir, &b->pos, INT64_MIN, collect, b, NULL);
	}
	snprintf(b->failed, sizeof(b->failed), "%s", err ? b->pos.file : "");
	return err;
}

int books_open_at(struct books *b, struct lg_engine *e,
		  const struct lg_ledger_pos *from)
{
	int err;

	b->e = e;
	strmap_init(&b->fixes, sizeof(struct fix));
	strmap_init(&b->texts, sizeof(uint32_t));
	b->pos = *from;
	err = books_refresh(b);
	if (err)
		books_close(b);
	return err;
}

int books_open(struct books *b, struct lg_engine *e)
{
	return books_open_at(b, e, &(struct lg_ledger_pos){.offset = 0});
}

void books_close(struct books *b)
{
	for (size_t i = 0; i < b->fixes.n; i++)
		free(((struct fix *)strmap_nth(&b->fixes, i, NULL))->counted);
	strmap_fini(&b->fixes);
	strmap_fini(&b->texts);
	memset(&b->pos, 0, sizeof(b->pos));
}

#define TAKE(member)                                                           \
	lg_slice_copy(lg_slice_str(f->member), call->member,                   \
		      sizeof(call->member))

static void apply_result(struct lg_row *call, const struct fix *f)
{
	call->usage_state = f->usage_state;
	call->price_state = f->price_state;
	call->cache_hit = f->cache_hit;
	TAKE(model);
	TAKE(tier);
	TAKE(geo);
	TAKE(variant);
	TAKE(price_version);
}

uint32_t books_current(const struct books *b, struct lg_row *call)
{
	const struct fix *f = strmap_get(&b->fixes, call->id);

	if (!f)
		return 0;
	for (uint32_t i = 0; i < f->ncounted; i++)
		lg_adjust_apply(call, &f->counted[i]);
	call->flags &= ~LG_ROW_PENDING;
	call->cost_pusd = lg_money_add(call->cost_pusd, f->cost_pusd);
	call->economic_pusd =
		lg_money_add(call->economic_pusd, f->economic_pusd);
	call->input_cost_pusd =
		lg_money_add(call->input_cost_pusd, f->input_pusd);
	call->output_cost_pusd =
		lg_money_add(call->output_cost_pusd, f->output_pusd);
	apply_result(call, f);
	return f->n;
}

/* A program whose late answer corrects a row has it for a moment. */
static int take(int fd)
{
	const struct timespec nap = {0, 10000000};
	int tries;

	for (tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
		if (tries == LOCK_TRIES)
			return -errno;
		nanosleep(&nap, NULL);
	}
	return 0;
}

int books_lock(struct lg_engine *e)
{
	char path[600];
	int fd, err;

	snprintf(path, sizeof(path), "%s/books.lock", lg_engine_state_dir(e));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = take(fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int books_yield(int lock)
{
	const struct timespec nap = {0, 3000000};

	if (flock(lock, LOCK_UN))
		return -errno;
	nanosleep(&nap, NULL);
	return take(lock);
}
