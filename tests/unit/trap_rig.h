#ifndef LG_TESTS_TRAP_RIG_H
#define LG_TESTS_TRAP_RIG_H

#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "bpf/object.h"

/*
 * The probe points of a loaded library as breakpoints of our own: what the
 * kernel's programs would see there, without a kernel. One library at a time.
 */
#define RIG_POINTS 256
#define RIG_HITS 1024

struct rig_hit {
	struct object_point p;
	uint64_t arg[5]; /* rdi rsi rdx rcx r8 */
	uint64_t rax, rsp;
	long result; /* of an end: bytes, or 0 and less */
};

static struct {
	struct {
		uint8_t *at, was;
		struct object_point p;
		uint64_t rsp; /* of a return address: 0 none */
		bool is_back;
	} point[RIG_POINTS];
	unsigned npoints;
	uint8_t *step[8];
	unsigned nsteps;
	struct rig_hit hit[RIG_HITS];
	unsigned nhits;
} rig;

/* ThreadSanitizer has no shadow for code: it would crash over a write. */
static void rig_write(uint8_t *at, uint8_t byte)
	__attribute__((no_sanitize("thread")));

static void rig_write(uint8_t *at, uint8_t byte)
{
	uint8_t *page = (uint8_t *)((uintptr_t)at & ~(uintptr_t)4095);

	if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
		_exit(98);
	*(volatile uint8_t *)at = byte;
}

static int rig_is_armed(const uint8_t *at)
{
	for (unsigned i = 0; i < rig.npoints; i++)
		if (rig.point[i].at == at)
			return (int)i;
	return -1;
}

static void rig_add(uint8_t *at, const struct object_point *p, uint64_t rsp)
{
	int same = rig_is_armed(at);

	if (rig.npoints == RIG_POINTS)
		_exit(97);
	rig.point[rig.npoints].at = at;
	rig.point[rig.npoints].was = same < 0 ? *at : rig.point[same].was;
	rig.point[rig.npoints].p = *p;
	rig.point[rig.npoints].rsp = rsp;
	rig.point[rig.npoints++].is_back = rsp != 0;
	if (same < 0)
		rig_write(at, 0xcc);
}

static bool rig_is_of(enum probe_fn fn, bool is_read)
{
	return is_read ? site_is_read(fn) : site_is_write(fn);
}

/* What the kernel's program makes of an end: bytes, or 0 and less. */
static long rig_made_of(const struct rig_hit *end, const struct rig_hit *entry)
{
	uint64_t done = 0, n = 0;
	int ax = (int)end->rax;

	if (end->p.end == PROBE_END_STACK) {
		if (ax <= 0)
			return ax;
		memcpy(&n, (void *)(end->rsp + end->p.end_arg), sizeof(n));
		return (long)n;
	}
	if (entry->p.fn == PROBE_WRITE_EX || entry->p.fn == PROBE_READ_EX)
		done = entry->arg[3];
	else if (entry->p.fn == PROBE_WRITE_EX2)
		done = entry->arg[4];
	if (!done)
		return ax;
	if (ax <= 0)
		return end->p.end_arg & PROBE_ARG_INNER ? ax : -1;
	memcpy(&n, (void *)done, sizeof(n));
	return (long)n;
}

static void rig_note(const struct object_point *p, const greg_t *g)
{
	struct rig_hit *h = &rig.hit[rig.nhits];

	if (rig.nhits == RIG_HITS)
		_exit(96);
	rig.nhits++;
	h->p = *p;
	h->arg[0] = (uint64_t)g[REG_RDI];
	h->arg[1] = (uint64_t)g[REG_RSI];
	h->arg[2] = (uint64_t)g[REG_RDX];
	h->arg[3] = (uint64_t)g[REG_RCX];
	h->arg[4] = (uint64_t)g[REG_R8];
	h->rax = (uint64_t)g[REG_RAX];
	h->rsp = (uint64_t)g[REG_RSP];
	for (unsigned i = rig.nhits - 1; p->end && i--;)
		if (!rig.hit[i].p.end &&
		    rig_is_of(p->fn, site_is_read(rig.hit[i].p.fn))) {
			h->result = rig_made_of(h, &rig.hit[i]);
			break;
		}
}

/* The kernel takes the return address away; we look for who returns there. */
static void rig_return(const struct object_point *p, uint64_t rsp)
{
	uint8_t *back;

	memcpy(&back, (void *)rsp, sizeof(back));
	for (unsigned i = 0; i < rig.npoints; i++)
		if (rig.point[i].is_back && !rig.point[i].rsp &&
		    rig.point[i].at == back) {
			rig.point[i].rsp = rsp + 8;
			rig.point[i].p = *p;
			return;
		}
	rig_add(back, p, rsp + 8);
}

static void rig_hit_at(uint8_t *at, greg_t *g)
{
	unsigned n = rig.npoints;

	for (unsigned i = 0; i < n; i++) {
		if (rig.point[i].at != at)
			continue;
		if (rig.point[i].is_back) {
			if (rig.point[i].rsp != (uint64_t)g[REG_RSP])
				continue;
			rig.point[i].rsp = 0;
			rig_note(&rig.point[i].p, g);
		} else if (rig.point[i].p.is_return) {
			rig_return(&rig.point[i].p, (uint64_t)g[REG_RSP]);
		} else {
			rig_note(&rig.point[i].p, g);
		}
	}
}

static void rig_trap(int sig, siginfo_t *si, void *uc)
{
	greg_t *g = ((ucontext_t *)uc)->uc_mcontext.gregs;
	uint8_t *at = (uint8_t *)g[REG_RIP] - 1;
	int i = rig_is_armed(at);

	(void)sig;
	while (rig.nsteps) /* behind the instruction: put it again */
		rig_write(rig.step[--rig.nsteps], 0xcc);
	g[REG_EFL] &= ~0x100;
	if (si->si_code == TRAP_TRACE || i < 0)
		return;
	g[REG_RIP]--;
	rig_hit_at(at, g);
	rig_write(at, rig.point[i].was);
	rig.step[rig.nsteps++] = at;
	g[REG_EFL] |= 0x100;
}

struct rig_where {
	const char *name;
	uintptr_t base;
	const ElfW(Phdr) * ph;
	unsigned n;
};

static int rig_find(struct dl_phdr_info *i, size_t size, void *arg)
{
	struct rig_where *w = arg;

	(void)size;
	if (!strstr(i->dlpi_name, w->name))
		return 0;
	w->base = i->dlpi_addr;
	w->ph = i->dlpi_phdr;
	w->n = i->dlpi_phnum;
	return 1;
}

static uint8_t *rig_address(const struct rig_where *w, uint64_t file_at)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->ph[i].p_type == PT_LOAD && (w->ph[i].p_flags & PF_X) &&
		    file_at - w->ph[i].p_offset < w->ph[i].p_filesz)
			return (uint8_t *)(w->base + w->ph[i].p_vaddr +
					   (file_at - w->ph[i].p_offset));
	return NULL;
}

/* name: part of the loaded library's path. False: it is not loaded. */
static bool rig_arm(const char *name, const struct object *o)
{
	struct sigaction sa = {.sa_sigaction = rig_trap,
			       .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct rig_where w = {.name = name};

	memset(&rig, 0, sizeof(rig));
	if (!dl_iterate_phdr(rig_find, &w) || sigaction(SIGTRAP, &sa, NULL))
		return false;
	for (unsigned i = 0; i < o->npoints; i++)
		rig_add(rig_address(&w, o->points[i].file_at), &o->points[i],
			0);
	return true;
}

static void rig_disarm(void)
{
	for (unsigned i = 0; i < rig.npoints; i++)
		rig_write(rig.point[i].at, rig.point[i].was);
	rig.npoints = 0;
}

static void rig_clear(void)
{
	rig.nhits = 0;
}

/* The nth entry of reads or writes since rig_clear; NULL. */
static const struct rig_hit *rig_entry(bool is_read, unsigned n)
{
	for (unsigned i = 0; i < rig.nhits; i++)
		if (rig_is_of(rig.hit[i].p.fn, is_read) &&
		    rig.hit[i].p.end == PROBE_END_NONE && !n--)
			return &rig.hit[i];
	return NULL;
}

static const struct rig_hit *rig_end(bool is_read, unsigned n)
{
	for (unsigned i = 0; i < rig.nhits; i++)
		if (rig_is_of(rig.hit[i].p.fn, is_read) &&
		    rig.hit[i].p.end != PROBE_END_NONE && !n--)
			return &rig.hit[i];
	return NULL;
}

#endif
