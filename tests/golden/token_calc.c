#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doc.h"
#include "tools/tokens.h"

/*
 * For test_tokens.py: what the tokenizer says.
 *   token_calc ids ENCODING FILE < { u32 length, text }...
 *     one line a text: its tokens
 *   token_calc request DIALECT MODEL FILE... < JSON
 *     "N exact|guess ENCODING", or "-"
 */
#define IDS_MAX (1u << 20)

static int fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return 1;
}

static int ids(struct tokenizer *t, const char *name)
{
	static uint32_t out[IDS_MAX];
	struct bpe *b = NULL;
	uint32_t len;
	char *p = NULL;

	for (unsigned i = 0; i < tokenizer_nencodings; i++)
		if (!strcmp(tokenizer_encodings[i].name, name) &&
		    tokenizer_get(t, &tokenizer_encodings[i], &b))
			return fail(t->why);
	if (!b)
		return fail("no such encoding in these files");
	while (fread(&len, 4, 1, stdin) == 1) {
		uint64_t n;

		p = realloc(p, len + 1);
		if (fread(p, 1, len, stdin) != len)
			return fail("cut off");
		n = bpe_encode(b, p, len, out, IDS_MAX);
		if (n != bpe_count(b, p, len))
			return fail("encode and count differ");
		for (uint64_t i = 0; i < n; i++)
			printf("%s%u", i ? " " : "", out[i]);
		putchar('\n');
	}
	free(p);
	return 0;
}

static int request(struct tokenizer *t, const char *dialect, const char *model)
{
	struct doc_arena a = {0};
	struct doc_error err;
	struct lg_slice text;
	struct tokens n;
	struct doc *body;
	int ret;

	if (doc_read(&a, "-", &text, &err) ||
	    doc_parse_json(&a, "-", text, &body, &err))
		return fail(err.text);
	ret = tokens_of_request(t, dialect, lg_slice_str(model), body, &n);
	if (ret < 0)
		return fail(t->why);
	if (ret)
		printf("%llu %s %s\n", (unsigned long long)n.n,
		       n.exact ? "exact" : "guess", n.encoding);
	else
		printf("-\n");
	doc_arena_fini(&a);
	return 0;
}

int main(int argc, char **argv)
{
	struct tokenizer t = {.nfiles = 0};
	int i = argc > 1 && !strcmp(argv[1], "ids") ? 3 : 4, ret;

	if (argc < i)
		return 2;
	for (; i < argc && t.nfiles < TOKENIZER_FILES_MAX; i++)
		t.file[t.nfiles++] = argv[i];
	ret = argv[1][0] == 'i' ? ids(&t, argv[2])
				: request(&t, argv[2], argv[3]);
	tokenizer_fini(&t);
	return ret;
}
