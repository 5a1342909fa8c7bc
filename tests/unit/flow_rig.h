#ifndef LG_TEST_FLOW_RIG_H
#define LG_TEST_FLOW_RIG_H

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "budget/swap.h"
#include "guard/engine.h"
#include "guard/flow.h"
#include "ledger/checkpoint.h"
#include "ledger/ledger.h"
#include "ledger/row.h"

/*
 * A guarded connection without a network: what the program writes ends in
 * `server`, what the server answers in `program`. State and region live in a
 * temporary directory. One thread. Included once, by the test program.
 */
struct rig {
	char dir[64];
	struct lg_env env;
	char state[96], region[96], config[96];
	struct lg_engine *e;
	struct lg_flow *f;
	struct lg_buf server, program;
	bool woken;
};

static inline void rig_close(struct rig *r);

/* By rename: a reader never sees half of it. */
static inline void put_file(const char *path, const char *what)
{
	char temp[128];
	FILE *f;

	snprintf(temp, sizeof(temp), "%s.new", path);
	f = fopen(temp, "w");
	assert(f);
	assert(!fchmod(fileno(f), 0600));
	fputs(what, f);
	fclose(f);
	assert(!rename(temp, path));
}

static inline void rig_open(struct rig *r)
{
	int err;

	lg_engine_close(r->e);
	r->e = NULL;
	err = lg_engine_open(&r->env, &r->e);
	assert(!err);
}

static inline void rig_start(struct rig *r, const char *yaml)
{
	memset(r, 0, sizeof(*r));
	strcpy(r->dir, "/tmp/lg-flow-XXXXXX");
	assert(mkdtemp(r->dir));
	snprintf(r->state, sizeof(r->state), "%s/state", r->dir);
	snprintf(r->region, sizeof(r->region), "%s/region", r->dir);
	snprintf(r->config, sizeof(r->config), "%s/llmguard.yaml", r->dir);
	put_file(r->config, yaml ? yaml : "version: 1\n");
	r->env = (struct lg_env){
		.config = r->config,
		.state_dir = r->state,
		.region = r->region,
		.run_id = "test-run",
	};
	lg_buf_init(&r->server, 64 << 20);
	lg_buf_init(&r->program, 64 << 20);
	rig_open(r);
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void rig_stop(struct rig *r)
{
	rig_close(r);
	lg_engine_close(r->e);
	lg_buf_fini(&r->server);
	lg_buf_fini(&r->program);
	nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void rig_connect(struct rig *r, const char *host)
{
	struct lg_flow_peer peer = {.host = lg_slice_str(host)};

	rig_close(r);
	peer.guarded = lg_engine_guards(r->e, peer.host);
	r->f = lg_flow_new(r->e, &peer);
	r->server.len = r->program.len = 0;
	r->woken = false;
	assert(r->f);
}

static inline void flush(struct rig *r)
{
	struct lg_slice out;

	while (lg_flow_out(r->f, &out)) {
		/* in odd pieces, as a slow socket would */
		size_t n = out.len > 7 ? out.len / 2 : out.len;

		assert(!lg_buf_put(&r->server, out.p, n));
		lg_flow_sent(r->f, n);
	}
}

static inline void take_synth(struct rig *r)
{
	struct lg_slice s;

	while (lg_flow_synth(r->f, &s)) {
		assert(!lg_buf_put(&r->program, s.p, s.len));
		lg_flow_synth_taken(r->f, s.len);
	}
}

static inline void write_piece(struct rig *r, const char *p, size_t len)
{
	while (len) {
		enum lg_flow_gate gate;
		size_t n = lg_flow_offer(r->f, p, len, &gate);

		assert(n && n <= len);
		flush(r);
		if (gate == LG_FLOW_PASS) {
			assert(!lg_buf_put(&r->server, p, n));
			lg_flow_passed(r->f, p, n);
		}
		p += n;
		len -= n;
	}
	flush(r);
	r->woken |= lg_flow_wants_wakeup(r->f);
	take_synth(r);
}

static inline void rig_write(struct rig *r, const char *p, size_t len,
			     size_t step)
{
	for (size_t at = 0, n; at < len; at += n) {
		n = step && step < len - at ? step : len - at;
		write_piece(r, p + at, n);
	}
}

static inline void rig_answer(struct rig *r, const char *p, size_t len,
			      size_t step)
{
	for (size_t at = 0, n; at < len; at += n) {
		char *copy;
		size_t seen;

		n = step && step < len - at ? step : len - at;
		copy = malloc(n);
		memcpy(copy, p + at, n);
		seen = lg_flow_arrived(r->f, copy, n);
		assert(seen <= n);
		assert(!seen || !lg_buf_put(&r->program, copy, seen));
		free(copy);
		take_synth(r);
	}
}

/* Nothing is known of any model: the next estimate is as the first. */
static inline void rig_forget(struct rig *r)
{
	struct lg_region *region = lg_engine_region(r->e);

	if (region)
		memset(region->map->stat, 0, sizeof(region->map->stat));
}

static inline void rig_close(struct rig *r)
{
	lg_flow_del(r->f);
	r->f = NULL;
}

struct counting {
	unsigned n;
	struct lg_row *last;
};

static inline int count_row(void *ctx, const struct lg_row *row,
			    const struct lg_ledger_pos *after)
{
	struct counting *c = ctx;

	(void)after;
	c->n++;
	if (c->last)
		*c->last = *row;
	return 0;
}

static inline unsigned rig_rows(struct rig *r, struct lg_row *last)
{
	struct lg_ledger_pos pos = {.file = ""};
	struct lg_ledger_stats stats = {0};
	struct counting c = {0, last};

	lg_ledger_walk(lg_engine_ledger(r->e)->dir, &pos, INT64_MIN, count_row,
		       &c, &stats);
	return c.n;
}

#endif
