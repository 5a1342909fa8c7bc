#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/translate.h"

/*
 * The translator of the action local as a filter, for test_translate.py:
 *   translate ask DIALECT TARGET KIND MODEL < body
 *       prints the path, a line feed and the request; exit 3: it cannot be
 *   translate answer DIALECT TARGET KIND MODEL BODY STATUS TYPE STEP < answer
 *       prints status, type, other fields' lines, a CRLF, the answer.
 *       BODY: the request's file; STEP: bytes fed at once, -n: cut off there
 */
static size_t read_all(FILE *f, char **p)
{
	size_t n = 0, cap = 1 << 16, got;

	*p = malloc(cap);
	while ((got = fread(*p + n, 1, cap - n, f)) > 0) {
		n += got;
		if (n == cap)
			*p = realloc(*p, cap *= 2);
	}
	return n;
}

static int answer(struct lg_translation *t, char **argv)
{
	struct lg_buf out;
	long step = atol(argv[9]);
	size_t n, i, len;
	char *p;

	n = read_all(stdin, &p);
	lg_buf_init(&out, LG_TRANSLATE_MAX);
	lg_translation_head(t, (unsigned)atoi(argv[7]), lg_slice_str(argv[8]));
	len = step < 0 && (size_t)-step < n ? (size_t)-step : n;
	for (i = 0; i < len; i += (size_t)labs(step)) {
		size_t k = (size_t)labs(step);

		lg_translation_feed(t, p + i, k < len - i ? k : len - i, &out);
	}
	if (lg_translation_end(t, step >= 0, &out))
		return 4;
	printf("%u\n%s\n%s\r\n", lg_translation_status(t),
	       lg_translation_type(t), lg_translation_fields(t));
	fwrite(out.p, 1, out.len, stdout);
	lg_buf_fini(&out);
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	struct lg_translate_ask ask = {.now_ms = 1790000000000, .seed = 7};
	struct lg_translation *t;
	struct lg_buf body;
	const char *why;
	char *p;
	FILE *f;
	int ret = 0;

	if (argc < 6)
		return 2;
	f = argc > 6 ? fopen(argv[6], "r") : stdin;
	if (!f)
		return 2;
	ask.body.len = read_all(f, &p);
	ask.body.p = p;
	ask.dialect = lg_dialect_by_name(lg_slice_str(argv[2]));
	ask.target = lg_slice_str(argv[3]);
	ask.kind =
		!strcmp(argv[4], "ollama") ? LG_LOCAL_OLLAMA : LG_LOCAL_OPENAI;
	ask.model = lg_slice_str(argv[5]);
	lg_buf_init(&body, LG_TRANSLATE_MAX);
	if (!ask.dialect || lg_translation_new(&ask, &body, &t, &why)) {
		fprintf(stderr, "cannot: %s\n", ask.dialect ? why : argv[2]);
		return 3;
	}
	if (argc == 10) {
		ret = answer(t, argv);
	} else {
		printf("%s\n", lg_translation_path(t));
		fwrite(body.p, 1, body.len, stdout);
	}
	lg_translation_del(t);
	lg_buf_fini(&body);
	free(p);
	return ret;
}
