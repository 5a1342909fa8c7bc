#ifndef LG_TEST_METER_RIG_H
#define LG_TEST_METER_RIG_H

/* A meter, its rows, and what is said on its connections; after cmocka.h. */

#include "bpf/meter.h"
#include "flow_texts.h"
#include "tests/golden/records.h"

#define HOST "api.openai.com"
#define STREAM_LIMIT 20

struct world {
	struct rig r;
	struct meter *m;
	unsigned decided, settled, guarded, dropped;
	uint64_t lost; /* calls, when all is over */
	struct lg_row last;
};

static inline void on_call(void *arg, const struct lg_row *row, bool settled)
{
	struct world *w = arg;

	w->settled += settled;
	w->decided += !settled;
	if (settled)
		assert_true(row->end_ms >= row->ts_ms);
	w->last = *row;
}

static inline void on_conn(void *arg, const struct probe_conn_key *key,
			   enum probe_conn_state state)
{
	struct world *w = arg;

	(void)key;
	w->guarded += state == PROBE_CONN_LLM;
	w->dropped += state == PROBE_CONN_DROP;
}

typedef int take_fn(void *arg, const struct probe_conn_key *key,
		    struct probe_conn *out);
typedef void ring_at_fn(void *arg, uint64_t *written, uint64_t *taken);

static inline void start_with(struct world *w, const char *yaml, take_fn *take,
			      ring_at_fn *ring_at)
{
	struct meter_options o = {.on_call = on_call,
				  .on_conn = on_conn,
				  .take = take,
				  .ring_at = ring_at,
				  .arg = w};

	memset(w, 0, sizeof(*w));
	rig_start(&w->r, yaml);
	o.config = w->r.config;
	o.state_dir = w->r.state;
	o.region = w->r.region;
	assert_int_equal(meter_new(&o, &w->m), 0);
}

static inline void start(struct world *w, const char *yaml)
{
	start_with(w, yaml, NULL, NULL);
}

/* How many rows there are; the last one. */
static inline unsigned stop(struct world *w, struct lg_row *row)
{
	struct meter_totals t;
	unsigned n;

	meter_end(w->m);
	meter_totals(w->m, &t);
	assert_int_equal(t.in_flight, 0);
	w->lost = t.lost_calls;
	assert_int_equal(w->decided, w->settled);
	n = rig_rows(&w->r, row);
	meter_del(w->m);
	rig_stop(&w->r);
	return n;
}

static inline void say(struct records *c, const char *p)
{
	records_write(c, p, strlen(p), 0, 0, false);
}

static inline void hear(struct records *c, const char *p)
{
	records_read(c, p, strlen(p), 0);
}

static inline void assert_usage(const struct lg_row *row)
{
	assert_int_equal(row->usage_state, LG_USAGE_EXACT);
	assert_int_equal(row->input_tokens, 9);
	assert_int_equal(row->output_tokens, 2);
	assert_string_equal(row->model, "gpt-4o-mini-2024-07-18");
	assert_int_equal(row->cost_pusd, 9 * 150000 + 2 * 600000);
}

#define EVENT(json) "data: " json "\n\n"
#define DELTA                                                                  \
	EVENT("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","   \
	      "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":"  \
	      "0,\"delta\":{\"content\":\"hi\"}}]}")
#define LAST                                                                   \
	EVENT("{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","   \
	      "\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[],\"usage\":" \
	      "{\"prompt_tokens\":9,\"completion_tokens\":2,"                  \
	      "\"total_tokens\":11}}")                                         \
	EVENT("[DONE]")
#define SSE_HEAD                                                               \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"               \
	"Transfer-Encoding: chunked\r\n\r\n"

static inline void hear_chunk(struct records *c, const char *p)
{
	static char chunk[4096];

	snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(p), p);
	hear(c, chunk);
}

static inline void join(struct world *w, struct records *c, const char *host)
{
	start(w, NULL);
	records_open(c, w->m, NULL);
	c->flags = PROBE_FLAG_LATE;
	if (host)
		records_name(c, host);
}

#endif
