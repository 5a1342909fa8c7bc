#include "query.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "query_work.h"
#include "tool.h"

void sums_init(struct sums *s)
{
	memset(s, 0, sizeof(*s));
	s->v[SUM_FIRST] = INT64_MAX;
	s->v[SUM_LAST] = INT64_MIN;
}

void sums_add(struct sums *to, const struct sums *s)
{
	for (unsigned i = 0; i < SUM_ADDED; i++)
		to->v[i] = query_sum(to->v[i], s->v[i]);
	if (s->v[SUM_FIRST] < to->v[SUM_FIRST])
		to->v[SUM_FIRST] = s->v[SUM_FIRST];
	if (s->v[SUM_LAST] > to->v[SUM_LAST])
		to->v[SUM_LAST] = s->v[SUM_LAST];
}

int64_t sums_share_ppm(int64_t part, int64_t whole)
{
	return whole ? (int64_t)((__int128)part * 1000000 / whole) : 0;
}

static enum query_base_kind base_of(const struct dim *d)
{
	switch (d->kind) {
	case DIM_OF_WHO:
		return BASE_WHO;
	case DIM_OF_WHAT:
		return BASE_WHAT;
	case DIM_OF_FACT:
		return d->column == FACT_RUN ? BASE_RUN : BASE_CONVERSATION;
	case DIM_OF_ESTIMATE:
		return BASE_ESTIMATE;
	default:
		return d->column == TIME_HOUR || d->column == TIME_HOUR_OF_DAY
			       ? BASE_HOUR
			       : BASE_DAY;
	}
}

/* The total comes from that of `what` where there is one, else of the days. */
static void choose_bases(struct query *q)
{
	struct query_base *b = q->work->base;

	b[BASE_DAY].wanted = true;
	for (unsigned i = 0; i < q->nby; i++) {
		struct query_base *one = &b[base_of(q->by[i])];

		one->wanted = true;
		one->full |= !q->light && i + q->nlight < q->nby;
	}
	b[b[BASE_WHAT].wanted ? BASE_WHAT : BASE_DAY].full |= !q->light;
}

/* One moment's view, whoever writes meanwhile. */
static int read_all(struct query *q)
{
	/* blobs are read once: a small cache, used again and again */
	int code = index_exec(q->x, "PRAGMA cache_size = -2048; BEGIN"), err;

	if (!code)
		code = query_load(q);
	if (!code)
		code = query_filter(q);
	if (!code)
		code = query_scan(q);
	if (!code) {
		err = query_group(q);
		code = err ? SQLITE_NOMEM : SQLITE_OK;
	}
	if (!code && q->more)
		code = q->more(q, q->more_ctx);
	if (q->work->damaged)
		code = SQLITE_CORRUPT;
	if (!sqlite3_get_autocommit(q->x->db))
		index_exec(q->x, "COMMIT");
	return code;
}

static int attempt(struct query *q)
{
	query_fini(q);
	q->work = calloc(1, sizeof(*q->work));
	if (!q->work)
		return SQLITE_NOMEM;
	choose_bases(q);
	return read_all(q);
}

int query_run(struct query *q)
{
	int code, ret;

	/* the same large blocks come again and again */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	code = attempt(q);
	if (index_is_damage(code)) {
		query_fini(q);
		ret = index_mend(q->x, code);
		if (ret >= 0)
			return ret;
		code = attempt(q);
	}
	if (code == SQLITE_OK)
		return -1;
	query_fini(q);
	if (code == SQLITE_TOOBIG)
		return tool_fail("too long a time by hours: narrow it with "
				 "--from");
	if (code == SQLITE_NOMEM)
		return tool_fail("out of memory");
	return tool_fail("index: %s", sqlite3_errstr(code));
}

void query_fini(struct query *q)
{
	struct query_work *w = q->work;

	for (unsigned i = 0; i < q->nby; i++) {
		free(q->out[i].g);
		strmap_fini(&q->out[i].names);
		q->out[i] = (struct grouping){0};
	}
	free(q->days.g);
	q->days = (struct grouping){0};
	if (!w)
		return;
	for (unsigned i = 0; i < BASES; i++) {
		free(w->base[i].s);
		free(w->base[i].slot);
		free(w->base[i].number);
	}
	for (uint32_t i = 0; w->text && i < w->ntexts; i++)
		free(w->text[i]);
	free(w->text);
	free(w->chunk);
	free(w->who.t);
	free(w->what.t);
	free(w->fact_passes[0]);
	free(w->fact_passes[1]);
	free(w);
	q->work = NULL;
}
