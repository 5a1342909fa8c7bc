#include "hook/patch/stub.h"

#include <string.h>

struct code {
	uint8_t *p;
};

static void put(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->p, bytes, n);
	c->p += n;
}

/* movabs: what, into the register that the two bytes name */
static void put_const(struct code *c, const char *op, uint64_t v)
{
	put(c, op, 2);
	put(c, &v, sizeof(v));
}

void lg_stub_landing(uint8_t *out)
{
	memcpy(out, "\xf3\x0f\x1e\xfa", LG_STUB_LANDING);
}

void lg_stub_make(const struct lg_stub *s, uint8_t *out)
{
	struct code c = {out};

	put(&c, s->undo, s->undo_len);
	put(&c, "\x4d\x89\xc1", 3);	      /* mov r9, r8 */
	put(&c, "\x49\x89\xc8", 3);	      /* mov r8, rcx */
	put(&c, "\x48\x89\xd1", 3);	      /* mov rcx, rdx */
	put(&c, "\x48\x89\xf2", 3);	      /* mov rdx, rsi */
	put(&c, "\x48\x89\xfe", 3);	      /* mov rsi, rdi */
	put(&c, "\x48\x8b\x04\x24", 4);	      /* mov rax, [rsp] */
	put_const(&c, "\x49\xba", s->own);    /* mov r10, own */
	put(&c, "\x4c\x29\xd0", 3);	      /* sub rax, r10 */
	put_const(&c, "\x49\xba", s->nown);   /* mov r10, nown */
	put(&c, "\x4c\x39\xd0", 3);	      /* cmp rax, r10 */
	put_const(&c, "\x48\xbf", s->marker); /* mov rdi, marker */
	put(&c, "\x48\x83\xd7\x00", 4);	      /* adc rdi, 0 */
	put(&c, "\x3e\xff\x25\0\0\0\0", 7);   /* notrack jmp [rip] */
	put(&c, &s->hook, sizeof(s->hook));
}
