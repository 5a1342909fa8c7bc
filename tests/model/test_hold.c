/*
 * Exhaustive model of the hold protocol (docs/region.md): every interleaving
 * of up to three processes over one or two cells, one shared-memory access a
 * step, with kills at any step, of the recovery too. Checked in every state:
 * `used` is within the limit. At every end: each cell's `used` is exactly
 * what the calls came to, and a refusal was true. Then the same with one
 * guard of the protocol taken away at a time: the model must notice each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/protocol.h"

/* -- search -------------------------------------------------------------- */

#define TABLE_BITS 25
static uint64_t *seen;
static uint64_t states;
static struct world *stack;
static size_t depth, room;
static const char *broken;

static uint64_t hash(const struct world *w)
{
	const unsigned char *b = (const unsigned char *)w;
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15), v;
	size_t i;

	for (i = 0; i < sizeof(*w); i += 8) {
		v = 0;
		memcpy(&v, b + i, sizeof(*w) - i < 8 ? sizeof(*w) - i : 8);
		h = (h ^ v) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
	}
	return h | 1;
}

static bool is_new(const struct world *w)
{
	uint64_t h = hash(w), at = h >> (64 - TABLE_BITS);

	while (seen[at] != 0) {
		if (seen[at] == h)
			return false;
		at = (at + 1) & ((UINT64_C(1) << TABLE_BITS) - 1);
	}
	seen[at] = h;
	states++;
	return true;
}

/* What is not looked at any more must not tell states apart. */
static void forget(struct world *w)
{
	struct proc *p;
	unsigned i;

	for (i = 0; i < scene.procs; i++) {
		p = &w->proc[i];
		if (p->pc < READ || p->pc > SWAP) {
			p->old_used = 0;
			p->old_tag = (struct tag){0, 0, 0};
		}
		if (p->pc != ACK_WORD && p->pc != ACK_TAG && p->pc != ACK_CAS)
			p->a_seq = p->a_mask = 0;
		if (p->pc < WHY_WORD || p->pc > WHY_WORD2)
			p->other = p->step = p->has = p->missing = p->w_state =
				p->w_seq = 0;
		if (p->pc < WHY_CELL || p->pc > WHY_UNDOS2)
			p->undos = 0;
		if (p->pc == AFTER || (p->pc >= WHY_UNDOS && p->pc <= RECOVER))
			p->op = p->i = p->seq = p->mask = 0;
		if (p->pc == END)
			p->op = p->i = p->seq = p->mask = p->redo = p->tries =
				p->dead = 0;
	}
}

static void push(struct world *w)
{
	forget(w);
	if (!is_new(w))
		return;
	if (depth == room) {
		room = room ? room * 2 : 1024;
		stack = realloc(stack, room * sizeof(*stack));
		if (stack == NULL)
			abort();
	}
	stack[depth++] = *w;
}

/* Every hold that could make it fail stayed: would it fit after all? */
static bool was_false(const struct world *w, const struct proc *p)
{
	unsigned c;

	for (c = 0; c < scene.cells; c++)
		if ((p->needs >> c & 1) &&
		    w->cell[c].used + scene.hold > scene.limit[c])
			return false;
	return true;
}

static void check_end(const struct world *w)
{
	const struct proc *p;
	unsigned c, i;
	int sum;

	for (c = 0; c < scene.cells; c++) {
		sum = 0;
		for (i = 0; i < scene.procs; i++)
			sum += w->proc[i].came_to[c];
		if (w->cell[c].used != sum)
			broken = "the sums differ";
	}
	for (i = 0; i < scene.procs && scene.stay && w->kills == 0; i++) {
		p = &w->proc[i];
		if (p->refused > 0 && was_false(w, p))
			broken = "a false refusal";
	}
}

static void visit(const struct world *w)
{
	struct world next;
	unsigned i, k, n, live = 0;

	for (i = 0; i < scene.cells; i++)
		if (w->cell[i].used > scene.limit[i] || w->cell[i].used < 0)
			broken = "used is out of bounds";
	for (i = 0; i < scene.procs; i++) {
		n = choices(w, i);
		live += n > 0;
		for (k = 0; k < n; k++) {
			next = *w;
			step(&next, i, k);
			push(&next);
		}
		if (n > 0 && w->kills < scene.kills) {
			next = *w;
			kill_it(&next, i);
			push(&next);
		}
	}
	if (live == 0)
		check_end(w);
}

/* NULL, or what went wrong. */
static const char *explore(void)
{
	struct world w;
	unsigned i;

	memset(seen, 0, sizeof(*seen) << TABLE_BITS);
	memset(&w, 0, sizeof(w));
	states = 0;
	depth = 0;
	broken = NULL;
	for (i = 0; i < CELLS; i++)
		w.cell[i].tag.slot = PROCS;
	for (i = 0; i < PROCS; i++) {
		w.proc[i].pc = END;
		w.proc[i].full = CELLS;
		w.proc[i].calls = (uint8_t)scene.calls;
		if (i > 0 && scene.others > 0)
			w.proc[i].calls = (uint8_t)scene.others;
		w.proc[i].needs = (uint8_t)scene.needs[i];
		w.proc[i].odd = (uint8_t)scene.odd[i];
		if (i < scene.procs)
			next_call(&w.proc[i]);
	}
	push(&w);
	while (depth > 0 && broken == NULL) {
		if (states > (UINT64_C(1) << TABLE_BITS) / 10 * 9)
			return "too many states";
		w = stack[--depth];
		visit(&w);
	}
	return broken;
}

static const struct scene scenes[] = {
	{.name = "2 processes, 1 cell, 2 calls each, 2 kills",
	 .procs = 2,
	 .cells = 1,
	 .calls = 2,
	 .kills = 2,
	 .limit = {2},
	 .hold = 2,
	 .actual = 1,
	 .release = true,
	 .needs = {1, 1}},
	{.name = "2 processes, 2 cells, 2 kills",
	 .procs = 2,
	 .cells = 2,
	 .calls = 1,
	 .kills = 2,
	 .limit = {3, 2},
	 .hold = 2,
	 .actual = 1,
	 .release = true,
	 .needs = {3, 3}},
	{.name = "2 processes, 2 cells, room for both, 2 kills",
	 .procs = 2,
	 .cells = 2,
	 .calls = 1,
	 .kills = 2,
	 .limit = {4, 4},
	 .hold = 2,
	 .actual = 1,
	 .release = true,
	 .needs = {3, 3}},
	{.name = "3 processes, 1 cell, 1 kill",
	 .procs = 3,
	 .cells = 1,
	 .calls = 1,
	 .kills = 1,
	 .limit = {4},
	 .hold = 2,
	 .actual = 1,
	 .needs = {1, 1, 1}},
	{.name = "one of two fits both cells",
	 .procs = 2,
	 .cells = 2,
	 .calls = 1,
	 .tries = 2,
	 .limit = {1, 1},
	 .hold = 1,
	 .stay = true,
	 .needs = {3, 3}},
	{.name = "one needs both cells, two need one of them",
	 .procs = 3,
	 .cells = 2,
	 .calls = 1,
	 .tries = 1,
	 .limit = {1, 1},
	 .hold = 1,
	 .stay = true,
	 .needs = {3, 2, 1}},
	{.name = "seq turns around",
	 .procs = 2,
	 .cells = 1,
	 .calls = 4,
	 .kills = 1,
	 .limit = {4},
	 .hold = 2,
	 .actual = 1,
	 .needs = {1, 1}},
	{.name = "seq turns around while a cell keeps its tag",
	 .procs = 2,
	 .cells = 2,
	 .calls = 3,
	 .kills = 1,
	 .limit = {6, 6},
	 .hold = 1,
	 .actual = 1,
	 .others = 1,
	 .needs = {1, 1},
	 .odd = {2, 2}},
};
#define SCENES (sizeof(scenes) / sizeof(scenes[0]))

int main(void)
{
	const char *what;
	unsigned i;
	bool noticed;

	setbuf(stdout, NULL);
	seen = malloc(sizeof(*seen) << TABLE_BITS);
	if (seen == NULL)
		return 1;
	for (i = 0; i < SCENES; i++) {
		scene = scenes[i];
		what = explore();
		printf("%s: %llu states%s%s\n", scene.name,
		       (unsigned long long)states, what ? ": " : "",
		       what ? what : "");
		if (what != NULL)
			return 1;
	}
	for (fault = NONE + 1; fault < FAULTS; fault++) {
		for (noticed = false, i = 0; i < SCENES && !noticed; i++) {
			scene = scenes[i];
			what = explore();
			noticed = what != NULL;
		}
		printf("without it (%s): %s\n", fault_name[fault],
		       noticed ? what : "NOT NOTICED");
		if (!noticed)
			return 1;
	}
	return 0;
}
