#include "bpe_split.h"

#include <stdbool.h>
#include <stdint.h>

#include "char_class.h"

#define LONG_S 0x17fu /* matches an s where case is ignored */

/* One character and where the next one begins. */
struct at {
	uint32_t c;
	enum char_class class;
	size_t next;
};

struct text {
	const char *p;
	size_t n;
};

/* False at the end of the text. */
static bool get(const struct text *t, size_t i, struct at *a)
{
	size_t len;

	if (i >= t->n)
		return false;
	a->c = char_decode(t->p + i, t->n - i, &len);
	a->class = char_class_of(a->c);
	a->next = i + len;
	return true;
}

static bool is_letter(enum char_class k)
{
	return k == CHAR_UPPER || k == CHAR_LOWER || k == CHAR_LETTER;
}

static bool is_break(uint32_t c)
{
	return c == '\r' || c == '\n';
}

/* [^\r\n\p{L}\p{N}] */
static bool is_prefix(const struct at *a)
{
	return !is_letter(a->class) && a->class != CHAR_NUMBER &&
	       !is_break(a->c);
}

/* [^\s\p{L}\p{N}] */
static bool is_sign(const struct at *a)
{
	return a->class == CHAR_OTHER || a->class == CHAR_MARK;
}

static uint32_t fold(uint32_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c | 0x20;
	return c == LONG_S ? 's' : c;
}

/* Where (?i:'s|'t|'re|'ve|'m|'ll|'d) at i ends; i: it is not there. */
static size_t contraction(const struct text *t, size_t i)
{
	struct at q, a, b;
	uint32_t c;

	if (!get(t, i, &q) || q.c != '\'' || !get(t, q.next, &a))
		return i;
	c = fold(a.c);
	if (c == 's' || c == 't' || c == 'm' || c == 'd')
		return a.next;
	if ((c != 'r' && c != 'v' && c != 'l') || !get(t, a.next, &b))
		return i;
	return fold(b.c) == (c == 'l' ? 'l' : 'e') ? b.next : i;
}

static size_t letters(const struct text *t, size_t i)
{
	struct at a;

	while (get(t, i, &a) && is_letter(a.class))
		i = a.next;
	return i;
}

/* \p{N}{1,3} */
static size_t numbers(const struct text *t, size_t i)
{
	struct at a;

	for (unsigned k = 0; k < 3 && get(t, i, &a); k++) {
		if (a.class != CHAR_NUMBER)
			break;
		i = a.next;
	}
	return i;
}

/* ` ?[^\s\p{L}\p{N}]+[\r\n]*`, with slashes as well in o200k; 0: not so. */
static size_t signs(const struct text *t, bool slashes)
{
	struct at a;
	size_t i = 0, from;

	if (get(t, 0, &a) && a.c == ' ')
		i = a.next;
	from = i;
	while (get(t, i, &a) && is_sign(&a))
		i = a.next;
	if (i == from)
		return 0;
	while (get(t, i, &a) && (is_break(a.c) || (slashes && a.c == '/')))
		i = a.next;
	return i;
}

/* \s*[\r\n]+, else \s+(?!\S), else \s+ */
static size_t spaces(const struct text *t)
{
	size_t i = 0, line = 0, last = 0;
	struct at a;

	while (get(t, i, &a) && a.class == CHAR_SPACE) {
		last = i;
		i = a.next;
		if (is_break(a.c))
			line = i;
	}
	if (line)
		return line;
	return i < t->n && last ? last : i;
}

static size_t word_cl100k(const struct text *t, const struct at *a)
{
	size_t from = is_prefix(a) ? a->next : 0;
	size_t end = letters(t, from);

	return end > from ? end : 0;
}

/*
 * Upper case then lower case, where letters without case and marks are both.
 * As the expression backtracks: with nothing in lower case behind the run,
 * what it ends at is the last of those that are both. 0: not so.
 */
static size_t cased(const struct text *t, size_t from, bool upper_alone)
{
	size_t i = from, both = 0;
	struct at a = {0};
	bool more;

	while ((more = get(t, i, &a)) &&
	       (a.class == CHAR_UPPER || a.class == CHAR_LETTER ||
		a.class == CHAR_MARK)) {
		i = a.next;
		if (a.class != CHAR_UPPER)
			both = i;
	}
	if (upper_alone)
		return i > from ? i : 0;
	if (!more || a.class != CHAR_LOWER)
		return both;
	while (get(t, i, &a) &&
	       (a.class == CHAR_LOWER || a.class == CHAR_LETTER ||
		a.class == CHAR_MARK))
		i = a.next;
	return i;
}

static size_t word_o200k(const struct text *t, const struct at *a)
{
	size_t end = 0;

	for (unsigned alone = 0; alone < 2 && !end; alone++) {
		if (is_prefix(a))
			end = cased(t, a->next, alone);
		if (!end && (!is_prefix(a) || a->class == CHAR_MARK))
			end = cased(t, 0, alone);
	}
	return end ? contraction(t, end) : 0;
}

size_t bpe_split(enum bpe_pattern pattern, const char *p, size_t n)
{
	struct text t = {p, n};
	struct at a;
	size_t end;

	if (!get(&t, 0, &a))
		return 0;
	if (a.class == CHAR_NUMBER)
		return numbers(&t, 0);
	if (pattern == BPE_CL100K) {
		end = contraction(&t, 0);
		if (!end)
			end = word_cl100k(&t, &a);
	} else {
		end = word_o200k(&t, &a);
	}
	if (!end)
		end = signs(&t, pattern == BPE_O200K);
	return end ? end : spaces(&t);
}
