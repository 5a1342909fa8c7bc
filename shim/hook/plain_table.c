#include "hook/plain_table.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "base/mem.h"
#include "hook/plain.h"
#include "hook/wakeup.h"

#define LEAF 512
#define LEAVES 512 /* numbers up to 262,143 */
#define INODE ((uint64_t)1 << 63)

unsigned lg_plain_tracked;

typedef struct lg_plain *slot_t;
static slot_t *leaf[LEAVES];
static struct lg_plain *all;

uint64_t lg_plain_identity(int fd)
{
	int err = errno;
	uint64_t id = lg_wakeup_cookie(fd);
	struct stat st;

	/* kernels before 4.12 and emulated ones */
	if (!id && !fstat(fd, &st) && S_ISSOCK(st.st_mode))
		id = (uint64_t)st.st_ino | INODE;
	errno = err;
	return id;
}

static slot_t *slot_of(int fd, bool make)
{
	unsigned at = (unsigned)fd / LEAF;
	slot_t *l, *none = NULL;

	if (fd < 0 || at >= LEAVES)
		return NULL;
	l = lg_load_acquire(&leaf[at]);
	if (!l && make) {
		l = lg_mem_alloc(LEAF * sizeof(*l));
		if (l && !lg_cas_seq(&leaf[at], &none, l)) {
			lg_mem_free(l, LEAF * sizeof(*l));
			l = none;
		}
	}
	return l ? &l[(unsigned)fd % LEAF] : NULL;
}

/* One more reference, unless there is none any more. */
static bool hold(struct lg_plain *p)
{
	unsigned refs = lg_load_relaxed(&p->refs);

	/* others count up or down meanwhile: each try sees their progress */
	while (refs)
		if (lg_cas_seq(&p->refs, &refs, refs + 1))
			return true;
	return false;
}

void lg_plain_put(struct lg_plain *p)
{
	lg_add_seq(&p->refs, (unsigned)-1);
}

static struct lg_plain *held_at(slot_t *slot)
{
	struct lg_plain *p = slot ? lg_load_acquire(slot) : NULL;

	if (!p || !hold(p))
		return NULL;
	if (lg_load_seq(slot) == p)
		return p;
	lg_plain_put(p);
	return NULL;
}

/* Calls of other threads that are still under way find no flow any more. */
static void settle(struct lg_plain *p)
{
	if (!lg_conn_lock(&p->conn))
		return;
	lg_conn_reset(&p->conn);
	p->conn.mode = LG_CONN_PASS;
	lg_conn_unlock(&p->conn);
	lg_plain_note(p);
}

/* Unless the number has become another connection's meanwhile. */
static void leave(slot_t *slot, struct lg_plain *p)
{
	struct lg_plain *expect = p;

	if (!lg_cas_seq(slot, &expect, NULL))
		return;
	lg_add_relaxed(&lg_plain_tracked, (unsigned)-1);
	if (lg_add_seq(&p->numbers, (unsigned)-1) == 1)
		settle(p);
	lg_plain_put(p);
}

struct lg_plain *lg_plain_get(int fd)
{
	slot_t *slot = slot_of(fd, false);
	struct lg_plain *p;

	if (!slot || !lg_load_relaxed(slot) || !lg_plain_is_self())
		return NULL;
	p = held_at(slot);
	if (!p || lg_plain_identity(fd) == lg_load_relaxed(&p->conn.fd_cookie))
		return p;
	leave(slot, p);
	lg_plain_put(p);
	return NULL;
}

struct lg_plain *lg_plain_first(void)
{
	return lg_load_acquire(&all);
}

static void prepare(struct lg_plain *p)
{
	p->numbers = 0;
	p->fd = -1;
	p->port = 0;
	p->asks_host = p->was_told = p->begun = false;
}

struct lg_plain *lg_plain_new(void)
{
	struct lg_plain *p;
	unsigned none;

	for (p = lg_load_acquire(&all); p; p = p->next) {
		none = 0;
		if (!lg_load_relaxed(&p->refs) &&
		    lg_cas_seq(&p->refs, &none, 1)) {
			prepare(p);
			return p;
		}
	}
	p = lg_mem_alloc(sizeof(*p));
	if (!p)
		return NULL;
	p->refs = 1;
	prepare(p);
	p->next = lg_load_acquire(&all);
	while (!lg_cas_seq(&all, &p->next, p))
		;
	return p;
}

bool lg_plain_enter(int fd, struct lg_plain *p)
{
	slot_t *slot = slot_of(fd, true);

	if (!slot)
		return false;
	lg_plain_leave(fd);
	lg_add_seq(&p->refs, 1);
	lg_add_seq(&p->numbers, 1);
	lg_add_relaxed(&lg_plain_tracked, 1);
	lg_store_seq(slot, p);
	return true;
}

void lg_plain_leave(int fd)
{
	slot_t *slot = slot_of(fd, false);
	struct lg_plain *p = slot ? lg_load_relaxed(slot) : NULL;

	if (p)
		leave(slot, p);
}
