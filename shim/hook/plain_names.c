#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/atomic.h"
#include "guard/plain.h"
#include "hook/conn.h"
#include "hook/plain.h"
#include "llm/route.h"

#define ADDRS 512 /* power of two */
#define TRIES 8
#define EACH_MAX 64 /* of one answer */

/* A torn entry does not match its sum. */
static struct {
	uint64_t a, b, sum;
} addrs[ADDRS];
static unsigned nexts;

struct key {
	uint64_t a, b, sum;
};

static struct key key_of(const uint8_t *addr)
{
	struct key k;

	memcpy(&k.a, addr, 8);
	memcpy(&k.b, addr + 8, 8);
	k.sum = (k.a ^ k.b >> 29 ^ k.b << 35) * UINT64_C(0x9e3779b97f4a7c15);
	k.sum |= 1; /* 0: nothing stands there */
	return k;
}

static bool is_at(unsigned i, const struct key *k)
{
	return lg_load_acquire(&addrs[i].sum) == k->sum &&
	       lg_load_acquire(&addrs[i].a) == k->a &&
	       lg_load_acquire(&addrs[i].b) == k->b;
}

static unsigned slot_of(const struct key *k, unsigned i)
{
	return (unsigned)((k->sum >> 40) + i) & (ADDRS - 1);
}

bool lg_plain_was_told(const uint8_t *addr)
{
	struct key k = key_of(addr);

	for (unsigned i = 0; i < TRIES; i++)
		if (is_at(slot_of(&k, i), &k))
			return true;
	return false;
}

static void note(const uint8_t *addr)
{
	struct key k = key_of(addr);
	unsigned i, at;

	if (lg_plain_was_told(addr))
		return;
	for (i = 0; i < TRIES; i++)
		if (!lg_load_relaxed(&addrs[slot_of(&k, i)].sum))
			break;
	/* all taken: any of them goes */
	if (i == TRIES)
		i = lg_add_relaxed(&nexts, 1) % TRIES;
	at = slot_of(&k, i);
	lg_store_seq(&addrs[at].sum, 0);
	lg_store_release(&addrs[at].a, k.a);
	lg_store_release(&addrs[at].b, k.b);
	lg_store_release(&addrs[at].sum, k.sum);
}

void lg_plain_resolved(const char *name, const struct addrinfo *list)
{
	struct lg_slice host = lg_route_host_name(lg_slice_str(name));
	struct lg_engine *e = host.len ? lg_plain_engine() : NULL;
	struct lg_plain_peer peer;
	unsigned n;

	if (!e || !lg_plain_names(e, host, 0))
		return;
	for (n = 0; list && n < EACH_MAX; list = list->ai_next, n++)
		if (list->ai_addr &&
		    lg_plain_read_peer(list->ai_addr, list->ai_addrlen, &peer))
			note(peer.addr);
}
