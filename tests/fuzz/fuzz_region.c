/*
 * A region with wrong bytes anywhere, also while it is mapped: every call
 * returns. Input: patches of {offset u24, length u8, bytes}; offsets are
 * folded onto the parts that code reads.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "budget/stats.h"
#include "budget/swap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct lg_map *pristine;
static char path[64];
static struct lg_charge charge[2];

static struct lg_cell_spec spec_of(unsigned i)
{
	return (struct lg_cell_spec){
		.name = LG_SLICE("budget"),
		.scope = LG_SLICE("user:*"),
		.value = LG_SLICE("v"),
		.id = {i * 977 + 1, i},
		.period = LG_PERIOD_DAILY,
		.window = 20000,
		.window_end_ms = INT64_MAX,
		.limit_pusd = 1000,
		.max_keys = 8,
		.each = i % 2,
	};
}

static int on_row(void *ctx, enum lg_swept what, const void *draft, size_t len)
{
	(void)draft;
	*(size_t *)ctx += len + what;
	return len % 2 ? -1 : 0;
}

static void use_stats(struct lg_region *r)
{
	const struct lg_slice p = LG_SLICE("p"), m = LG_SLICE("model");
	struct lg_sample sample = {true, false, 70, 1000, 300};
	struct lg_hash128 id = lg_stats_id(p, m);
	struct lg_stats_view v;
	struct lg_learned l;
	unsigned i;

	for (i = 0; i < 9; i++) {
		sample.unfinished = i == 3;
		lg_stats_learn(r, id, p, m, &sample);
	}
	for (i = 0; i < lg_stats_count(r); i++)
		if (!lg_stats_view(r, i, &v) &&
		    (strlen(v.name) >= sizeof(v.name) ||
		     v.learned.output_p99 > LG_STATS_OUTPUT_MAX ||
		     v.learned.ratio > LG_STATS_RATIO_MAX))
			abort();
	lg_stats_get(r, id, &l);
	if (l.output_p99 > LG_STATS_OUTPUT_MAX ||
	    (l.ratio &&
	     (l.ratio < LG_STATS_RATIO_ONE || l.ratio > LG_STATS_RATIO_MAX)))
		abort();
}

static void use_all(struct lg_region *r)
{
	struct lg_hold_refusal why;
	struct lg_hold h, rows;
	struct lg_cell_spec s;
	struct lg_cell_view v;
	struct lg_hold_view hv;
	static char draft[LG_DRAFT_MAX];
	unsigned i;
	bool fresh;
	size_t n = 0;
	int c;

	for (i = 0; i < lg_cell_count(r); i += 7)
		lg_cell_view(r, i, &v);
	for (i = 0; i < lg_hold_slots(r); i += 3)
		lg_hold_view(r, i, &hv, draft);
	for (i = 0; i < 4; i++) {
		s = spec_of(i);
		c = lg_cell_find(r, &s, &fresh);
		if (c < 0)
			continue;
		lg_cell_limit(r, c, &s);
		lg_cell_note(r, c, 20000, i & 1);
		lg_cell_warn_once(r, c, 20000, i);
		lg_cell_charge(r, c, 20000, 5);
		if (fresh)
			lg_cell_seed(r, c, 20000, 3);
	}
	if (lg_hold_take(r, charge, 2, draft, 1000, &h, &why) == 0) {
		lg_hold_redraft(r, &h, draft, 900);
		lg_hold_dispatched(r, &h);
		if (lg_hold_settle(r, &h, 5, draft, 800) == 0)
			lg_hold_free(r, &h);
	}
	if (lg_hold_row(r, draft, 7, &rows) == 0)
		lg_hold_stage(r, &rows);
	lg_hold_sweep(r, true, on_row, &n);
	use_stats(r);
	lg_region_generation(r);
	lg_region_is_disabled(r);
}

/* A hold in each state, so that patches fall on something. */
static void furnish(struct lg_region *r)
{
	struct lg_hold h[4];
	struct lg_cell_spec s;
	unsigned i;
	bool fresh;

	for (i = 0; i < 8; i++) {
		s = spec_of(i);
		charge[i % 2].cell = lg_cell_find(r, &s, &fresh);
		charge[i % 2].window = 20000;
		charge[i % 2].amount_pusd = 10;
		charge[i % 2].limit_pusd = 1000;
		lg_cell_seed(r, charge[i % 2].cell, 20000, 1);
	}
	for (i = 0; i < 4; i++)
		if (lg_hold_take(r, charge, 2, "draft", 5, &h[i], NULL) != 0)
			abort();
	lg_hold_dispatched(r, &h[1]);
	lg_hold_settle(r, &h[2], 7, "row", 3);
	lg_hold_settle(r, &h[3], 7, "row", 3);
	lg_hold_stage(r, &h[3]);
	r->map->slot[h[0].slot].owner.lo |= LG_OWNER_BUSY;
	for (i = 0; i < 8; i++)
		use_stats(r);
}

static void start(void)
{
	struct lg_region_options o = {.path = path, .create = true};
	struct lg_region *r;

	snprintf(path, sizeof(path), "/dev/shm/llmguard-fuzz-%d", getpid());
	unlink(path);
	if (lg_region_open(&o, &r, NULL) != 0)
		abort();
	unlink(path);
	furnish(r);
	pristine = malloc(sizeof(*pristine));
	memcpy(pristine, r->map, sizeof(*pristine));
	lg_region_close(r);
}

/* Where a patch goes: mostly where a few bytes decide. */
static size_t place(size_t at)
{
	static const size_t part[][2] = {
		{0, 512},
		{offsetof(struct lg_head, hint), 4352},
		{offsetof(struct lg_map, cell), sizeof(struct lg_cell) * 16},
		{offsetof(struct lg_map, meta),
		 sizeof(struct lg_cell_meta) * 16},
		{offsetof(struct lg_map, text), 4096},
		{offsetof(struct lg_map, slot), sizeof(struct lg_slot[1024])},
		{offsetof(struct lg_map, stat), sizeof(struct lg_stat[48])},
	};
	const size_t n = sizeof(part) / sizeof(part[0]);
	size_t k = at % n;

	return part[k][0] + (at / n) % part[k][1];
}

static void patch(unsigned char *map, const uint8_t *p, size_t n)
{
	size_t at, len;

	while (n > 4) {
		at = place((size_t)p[0] | (size_t)p[1] << 8 |
			   (size_t)p[2] << 16);
		len = p[3] % 65;
		p += 4;
		n -= 4;
		if (len > n)
			len = n;
		memcpy(map + at, p, len);
		p += len;
		n -= len;
	}
}

/* The same bytes as a file that somebody left there. */
static void open_it(const struct lg_map *map, size_t cut)
{
	struct lg_region_options o = {.path = path};
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct lg_region *r;

	if (fd < 0 || write(fd, map, sizeof(*map) - cut) < 0)
		abort();
	close(fd);
	if (lg_region_open(&o, &r, NULL) == 0) {
		use_all(r);
		lg_region_close(r);
	}
	o.readonly = true;
	if (lg_region_open(&o, &r, NULL) == 0) {
		use_all(r);
		lg_region_close(r);
	}
	unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lg_region r;

	if (pristine == NULL)
		start();
	if (r.map == NULL)
		r.map = mmap(NULL, sizeof(*r.map), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memcpy(r.map, pristine, sizeof(*r.map));
	if (size < 2)
		return 0;
	patch((unsigned char *)r.map, data + 1, size - 1);
	if (data[0] & 1) /* a lost lock costs 200 ms: not every time */
		r.map->head.lock.lo = r.map->head.lock.hi = 0;
	if (data[0] % 16 == 2)
		open_it(r.map, (size_t)(data[0] & 0x10) * 256 * (data[1] % 8));
	use_all(&r);
	return 0;
}
