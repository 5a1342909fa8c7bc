/*
 * Ask before a batch is sent, tell of what came out of an own cache.
 *
 *   cc batch.c $(pkg-config --cflags --libs llmguard-client) -o batch
 *   ./batch BUDGET MODEL CALLS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llmguard.h>

static int fail(llmguard *g, const char *what, int code)
{
	fprintf(stderr, "%s: %s (%s)\n", what, llmguard_message(g),
		llmguard_strerror(code));
	llmguard_close(g);
	return 1;
}

static const char *usd(int64_t pusd)
{
	static char text[4][24];
	static unsigned turn;
	char *out = text[turn++ % 4];

	llmguard_usd_print(pusd, out);
	return out;
}

static int print_budgets(llmguard *g)
{
	struct llmguard_budget b;
	llmguard_budgets *list;
	int err = llmguard_budgets_read(g, 0, &list);

	if (err)
		return err;
	for (size_t i = 0; i < llmguard_budgets_count(list); i++)
		if (!llmguard_budgets_get(list, i, &b, sizeof(b)))
			printf("%s: spent $%s of $%s (%s)\n", b.name,
			       usd(b.spent), usd(b.limit), b.state);
	llmguard_budgets_free(list);
	return 0;
}

int main(int argc, char **argv)
{
	struct llmguard_options o = {.size = sizeof(o),
				     .flags = LLMGUARD_WRITE};
	struct llmguard_request r = {.size = sizeof(r)};
	struct llmguard_record hit = {.size = sizeof(hit)};
	struct llmguard_estimate e;
	struct llmguard_call c;
	int64_t all, left = 0;
	llmguard *g;
	int err;

	if (argc != 4)
		return 2;
	err = llmguard_open(&o, &g);
	if (err) {
		fprintf(stderr, "%s\n", llmguard_strerror(err));
		return 1;
	}
	r.model = argv[2];
	r.prompt = "Summarise this in one sentence: ...";
	r.prompt_len = strlen(r.prompt);
	r.max_tokens = 200;
	err = llmguard_estimate(g, &r, &e, sizeof(e));
	if (err)
		return fail(g, "estimate", err);
	all = e.expected * atoi(argv[3]);
	printf("%s calls of %s/%s: $%s\n", argv[3], e.provider, e.model,
	       usd(all));
	err = llmguard_budget_check(g, argv[1], NULL, all, &left);
	if (err < 0)
		return fail(g, argv[1], err);
	printf("%s has $%s left: %s\n", argv[1], usd(left),
	       err == LLMGUARD_OVER ? "too little" : "go on");

	/* one of them came out of a cache of our own */
	hit.model = argv[2];
	hit.cache_hit = "local";
	hit.input_tokens = e.input_tokens;
	hit.output_tokens = 50;
	err = llmguard_record_call(g, &hit, &c, sizeof(c));
	if (err)
		return fail(g, "record", err);
	printf("recorded %s: $%s, economic $%s\n", c.id, usd(c.cost),
	       usd(c.economic));
	err = print_budgets(g);
	if (err)
		return fail(g, "budgets", err);
	llmguard_close(g);
	return 0;
}
