#ifndef TESTS_GOLDEN_FIXTURES_H
#define TESTS_GOLDEN_FIXTURES_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* The recorded exchanges, where they are. */
#define FIXTURES "../shared/fixtures"

struct fixture {
	const char *name;
	json_t *want; /* expected.json */
	char *request, *answer;
	size_t request_len, answer_len;
};

/* The caller's to free; a null stands behind it. NULL: it cannot be read. */
static inline char *read_whole(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *p = NULL;
	long n;

	if (!f)
		return NULL;
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	p = malloc((size_t)n + 1);
	if (p && fread(p, 1, (size_t)n, f) == (size_t)n) {
		p[n] = 0;
		*len = (size_t)n;
	} else {
		free(p);
		p = NULL;
	}
	fclose(f);
	return p;
}

static inline void fixture_at(const char *dir, const char *name,
			      void (*one)(void *ctx, const struct fixture *f),
			      void *ctx)
{
	struct fixture f = {.name = name};
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s/expected.json", dir, name);
	f.want = json_load_file(path, 0, NULL);
	if (!f.want)
		return;
	snprintf(path, sizeof(path), "%s/%s/request.http", dir, name);
	f.request = read_whole(path, &f.request_len);
	snprintf(path, sizeof(path), "%s/%s/response.http", dir, name);
	f.answer = read_whole(path, &f.answer_len);
	if (!f.request || !f.answer) {
		fprintf(stderr, "%s/%s: a message is missing\n", dir, name);
		exit(1);
	}
	one(ctx, &f);
	free(f.request);
	free(f.answer);
	json_decref(f.want);
}

/* Tells of each, group by group. False: there are none on this machine. */
static inline bool fixtures_walk(void (*one)(void *ctx,
					     const struct fixture *f),
				 void *ctx)
{
	DIR *groups = opendir(FIXTURES), *d;
	struct dirent *g, *e;
	char path[512];

	if (!groups) {
		printf("no " FIXTURES ": skipped\n");
		return false;
	}
	while ((g = readdir(groups))) {
		snprintf(path, sizeof(path), FIXTURES "/%s", g->d_name);
		d = g->d_name[0] != '.' ? opendir(path) : NULL;
		while (d && (e = readdir(d)))
			if (e->d_name[0] != '.')
				fixture_at(path, e->d_name, one, ctx);
		if (d)
			closedir(d);
	}
	closedir(groups);
	return true;
}

#endif
