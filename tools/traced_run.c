#include "traced_run.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/control.h"
#include "guard/file.h"

#define ENVIRON_MAX ((size_t)4 << 20)
#define ANCESTORS_MAX 64

/* With a NUL before and behind it. NULL: it is not told. */
static char *read_environ(int32_t pid, size_t *len)
{
	char path[40], *p = calloc(1, ENVIRON_MAX + 2);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	n = p ? lg_file_peek(path, p + 1, ENVIRON_MAX) : -1;
	*len = n > 0 ? (size_t)n + 2 : 0;
	if (n > 0)
		return p;
	free(p);
	return NULL;
}

static int32_t parent_of(int32_t pid)
{
	char path[40], text[512];
	const char *end;
	int ppid = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (lg_file_peek(path, text, sizeof(text)) <= 0)
		return 0;
	end = strrchr(text, ')');
	if (!end || sscanf(end + 1, " %*c %d", &ppid) != 1)
		return 0;
	return ppid;
}

/* Each LLMGUARD_*_USD of one stands in the other, too. */
static bool has_same(const char *of, size_t nof, int32_t pid)
{
	size_t len, n;
	char *block = read_environ(pid, &len);
	bool same = block;

	for (size_t at = 1; same && at < nof; at += n + 1) {
		n = strlen(of + at);
		if (!strncmp(of + at, "LLMGUARD_", 9) &&
		    strstr(of + at, "_USD="))
			same = memmem(block, len, of + at - 1, n + 2);
	}
	free(block);
	return same;
}

void traced_run_name(int32_t pid, char *out, size_t cap)
{
	int32_t eldest = pid, up = parent_of(pid);
	uint64_t start = lg_control_start(pid), s;
	size_t len;
	char *of = read_environ(pid, &len);

	for (unsigned i = 0; of && i < ANCESTORS_MAX && up > 1; i++) {
		s = lg_control_start(up);
		if (!s || !has_same(of, len, up))
			break;
		eldest = up;
		start = s;
		up = parent_of(up);
	}
	free(of);
	*out = 0;
	if (start)
		snprintf(out, cap, "traced-%d-%llu", eldest,
			 (unsigned long long)start);
}
