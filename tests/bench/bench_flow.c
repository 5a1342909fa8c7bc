/*
 * What the engine adds to one exchange, without TLS and network: CPU ns for a
 * keep-alive request of 1 KB with an answer of 1.5 KB on 4 budgets, its ledger
 * row written; ns for an event of a stream; bytes for an idle connection.
 */
#include "../unit/flow_rig.h"

#include <time.h>

#include "base/mem.h"

#define ROUNDS 2000
#define BATCHES 10
#define EVENTS 64
#define IDLE 100

static const char config[] =
	"version: 1\n"
	"durability: none\n"
	"budgets:\n"
	"  - {name: month, scope: global, period: monthly, limit_usd: 5000}\n"
	"  - {name: day, scope: global, period: daily, limit_usd: 5000}\n"
	"  - {name: models, scope: \"model:gpt-4o*\", period: monthly,"
	" limit_usd: 5000, hard: true}\n"
	"  - {name: all, scope: global, period: total, limit_usd: 5000}\n";

static const char event[] =
	"data: {\"id\":\"chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG\",\"object\":"
	"\"chat.completion.chunk\",\"created\":1741570283,\"model\":"
	"\"gpt-4o-2024-08-06\",\"service_tier\":\"default\","
	"\"system_fingerprint\":\"fp_fc9f1d7035\",\"choices\":[{\"index\":0,"
	"\"delta\":{\"content\":\" image\"},\"logprobs\":null,"
	"\"finish_reason\":null}]}\n\n";

struct text {
	char p[65536];
	size_t len;
};

static struct text request, answer, stream_request, stream_answer;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void add(struct text *t, const char *s)
{
	size_t n = strlen(s);

	assert(t->len + n < sizeof(t->p));
	memcpy(t->p + t->len, s, n + 1);
	t->len += n;
}

static void fill(struct text *t, size_t n)
{
	while (n--)
		add(t, n % 80 ? "x" : "\\n");
}

static void message(struct text *t, const char *head, const struct text *body)
{
	char length[64];

	snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n",
		 body->len);
	add(t, head);
	add(t, length);
	add(t, body->p);
}

static void make_request(struct text *t, bool stream)
{
	static struct text body;

	body.len = 0;
	add(&body, "{\"model\":\"gpt-4o\",\"max_tokens\":100,");
	if (stream)
		add(&body, "\"stream\":true,\"stream_options\":"
			   "{\"include_usage\":true},");
	add(&body, "\"messages\":[{\"role\":\"user\",\"content\":\"");
	fill(&body, 750);
	add(&body, "\"}]}");
	message(t,
		"POST /v1/chat/completions HTTP/1.1\r\n"
		"Host: api.openai.com\r\nAuthorization: Bearer sk-test\r\n"
		"Accept: */*\r\nContent-Type: application/json\r\n",
		&body);
}

static void make_answer(struct text *t)
{
	static struct text body;

	add(&body, "{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\","
		   "\"object\":\"chat.completion\",\"created\":1741569952,"
		   "\"model\":\"gpt-4o-2024-08-06\",\"choices\":[{\"index\":0,"
		   "\"message\":{\"role\":\"assistant\",\"content\":\"");
	fill(&body, 900);
	add(&body, "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,"
		   "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
		   "19,\"completion_tokens\":10,\"total_tokens\":29,"
		   "\"prompt_tokens_details\":{\"cached_tokens\":0,"
		   "\"audio_tokens\":0},\"completion_tokens_details\":"
		   "{\"reasoning_tokens\":0,\"audio_tokens\":0}}}");
	message(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
		&body);
}

static void make_stream(struct text *t)
{
	static struct text body;

	for (int i = 0; i < EVENTS; i++)
		add(&body, event);
	add(&body, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":19,"
		   "\"completion_tokens\":64,\"total_tokens\":83}}\n\n"
		   "data: [DONE]\n\n");
	message(t, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
		&body);
}

static void exchange(struct rig *r, const struct text *req,
		     const struct text *ans, size_t step)
{
	r->server.len = r->program.len = 0;
	rig_write(r, req->p, req->len, 0);
	rig_answer(r, ans->p, ans->len, step);
	assert(r->program.len == ans->len);
}

static uint64_t best_of(struct rig *r, const struct text *req,
			const struct text *ans, size_t step)
{
	uint64_t best = UINT64_MAX;

	for (int b = 0; b < BATCHES; b++) {
		uint64_t start = now_ns(), took;

		for (int i = 0; i < ROUNDS / BATCHES; i++)
			exchange(r, req, ans, step);
		took = (now_ns() - start) / (ROUNDS / BATCHES);
		best = took < best ? took : best;
	}
	return best;
}

static size_t idle_bytes(struct rig *r)
{
	struct lg_flow_peer peer = {.host = LG_SLICE("api.openai.com"),
				    .guarded = true};
	struct lg_flow *idle[IDLE], *mine = r->f;
	size_t before = lg_mem_mapped();

	for (int i = 0; i < IDLE; i++) {
		idle[i] = r->f = lg_flow_new(r->e, &peer);
		exchange(r, &request, &answer, 0);
	}
	r->f = mine;
	before = lg_mem_mapped() - before;
	for (int i = 0; i < IDLE; i++)
		lg_flow_del(idle[i]);
	return before;
}

int main(void)
{
	static struct rig r;
	uint64_t one, all;

	make_request(&request, false);
	make_request(&stream_request, true);
	make_answer(&answer);
	make_stream(&stream_answer);
	rig_start(&r, config);
	rig_connect(&r, "api.openai.com");
	exchange(&r, &request, &answer, 0);
	one = best_of(&r, &request, &answer, 0);
	printf("flow_exchange_ns %llu\n", (unsigned long long)one);
	one = best_of(&r, &stream_request, &stream_answer, 0);
	all = best_of(&r, &stream_request, &stream_answer, sizeof(event) - 1);
	printf("flow_event_ns %llu\nflow_event_one_a_read_ns %llu\n",
	       (unsigned long long)(one / EVENTS),
	       (unsigned long long)(all / EVENTS));
	printf("flow_idle_%d_bytes %zu\n", IDLE, idle_bytes(&r));
	assert(rig_rows(&r, NULL) == 1 + 3 * ROUNDS + IDLE);
	rig_stop(&r);
	return 0;
}
