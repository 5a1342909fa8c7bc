#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

/*
 * The scanner against itself (whole and in pieces must tell the same) and
 * against jansson (both accept or both refuse). jansson refuses more: what is
 * not UTF-8, lone surrogates, NUL in keys, numbers beyond its types. It takes
 * a NUL byte between tokens for the end, and nests deeper than we do.
 */
static const struct lg_field fields[] = {
	{"", 0, 0},
	{"a", 1, LG_FIELD_RAW},
	{"a.b", 2, LG_FIELD_RAW},
	{"a[]", 3, 0},
	{"[].a", 4, LG_FIELD_RAW},
	{"[][]", 5, 0},
	{"**", 6, 0},
	{"b.**", 7, 0},
	{"usage.n", 8, 0},
};

/* A digest of all events in order. */
static void digest(void *ctx, int id, const struct lg_value *v)
{
	uint64_t *h = ctx;

	*h = (*h ^ ((uint64_t)id << 8 | v->type << 2 | v->boolean << 1 |
		    v->truncated)) *
	     UINT64_C(0x100000001b3);
	*h = (*h ^ v->len) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < v->text.len; i++)
		*h = (*h ^ (unsigned char)v->text.p[i]) *
		     UINT64_C(0x100000001b3);
}

static enum lg_json_status scan(const struct lg_json_paths *paths,
				const uint8_t *p, size_t n, size_t piece,
				uint64_t *sum)
{
	struct lg_json j;
	char *block = NULL;
	size_t at = 0, k = 0;

	*sum = 0;
	lg_json_init(&j, paths, digest, sum);
	for (; at < n; at += k) {
		/* in a block of just this size: a read too far is seen */
		if (!block || n - at < k) {
			free(block);
			k = n - at < piece ? n - at : piece;
			block = malloc(k);
		}
		memcpy(block, p + at, k);
		lg_json_feed(&j, block, k);
	}
	free(block);
	return lg_json_end(&j);
}

static int depth_of(const uint8_t *p, size_t n)
{
	int depth = 0, most = 0;

	for (size_t i = 0; i < n; i++) {
		depth += p[i] == '[' || p[i] == '{';
		depth -= p[i] == ']' || p[i] == '}';
		most = depth > most ? depth : most;
	}
	return most;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct lg_json_paths paths;
	enum lg_json_status whole, pieces;
	uint64_t a, b;
	json_error_t error;
	json_t *root;

	if (!paths.nnodes &&
	    lg_json_paths_init(&paths, fields,
			       sizeof(fields) / sizeof(fields[0])))
		abort();
	whole = scan(&paths, p, n, n ? n : 1, &a);
	pieces = scan(&paths, p, n, 1, &b);
	if (whole != pieces || (whole == LG_JSON_DONE && a != b))
		abort();
	pieces = scan(&paths, p, n, 7, &b);
	if (whole != pieces || (whole == LG_JSON_DONE && a != b))
		abort();
	root = json_loadb((const char *)p, n, JSON_DECODE_ANY | JSON_ALLOW_NUL,
			  &error);
	if (root && whole != LG_JSON_DONE &&
	    depth_of(p, n) <= LG_JSON_DEPTH_MAX && !memchr(p, 0, n))
		abort();
	if (!root && whole == LG_JSON_DONE &&
	    json_error_code(&error) == json_error_invalid_syntax &&
	    !strstr(error.text, "Unicode"))
		abort();
	json_decref(root);
	return 0;
}
