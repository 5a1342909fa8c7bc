#include "guard/memo.h"

#include <string.h>

#define MINUTE_MS 60000
#define KEY_SEED UINT64_C(0x6b6579) /* "key" */

static bool is_text(const char *kept, struct lg_slice s)
{
	return !strncmp(kept, s.len ? s.p : "", s.len) && !kept[s.len];
}

const struct lg_price *lg_memo_get(const struct lg_memo *m, uint64_t seq,
				   const struct lg_price_query *q)
{
	for (unsigned i = 0; i < LG_MEMO_PRICES; i++) {
		const struct lg_memo_price *one = &m->one[i];

		if (one->seq == seq && one->minute == q->at_ms / MINUTE_MS &&
		    q->model.len < sizeof(one->model) &&
		    q->provider.len < sizeof(one->provider) &&
		    q->host.len < sizeof(one->host) &&
		    q->tier.len < sizeof(one->tier) &&
		    q->geo.len < sizeof(one->geo) &&
		    q->variant.len < sizeof(one->variant) &&
		    is_text(one->model, q->model) &&
		    is_text(one->provider, q->provider) &&
		    is_text(one->host, q->host) &&
		    is_text(one->tier, q->tier) && is_text(one->geo, q->geo) &&
		    is_text(one->variant, q->variant))
			return &one->price;
	}
	return NULL;
}

static bool keep(char *dst, size_t cap, struct lg_slice s)
{
	if (s.len >= cap)
		return false;
	if (s.len)
		memcpy(dst, s.p, s.len);
	dst[s.len] = '\0';
	return true;
}

void lg_memo_put(struct lg_memo *m, uint64_t seq,
		 const struct lg_price_query *q, const struct lg_price *p)
{
	struct lg_memo_price *one = &m->one[m->next++ % LG_MEMO_PRICES];

	one->seq = 0;
	if (!keep(one->model, sizeof(one->model), q->model) ||
	    !keep(one->provider, sizeof(one->provider), q->provider) ||
	    !keep(one->host, sizeof(one->host), q->host) ||
	    !keep(one->tier, sizeof(one->tier), q->tier) ||
	    !keep(one->geo, sizeof(one->geo), q->geo) ||
	    !keep(one->variant, sizeof(one->variant), q->variant))
		return;
	one->minute = q->at_ms / MINUTE_MS;
	one->price = *p;
	one->seq = seq;
}

static bool is_at(const char *p, size_t len, struct lg_slice s)
{
	return len == s.len && !memcmp(p, s.len ? s.p : "", s.len);
}

const struct lg_memo_route *lg_memo_route_get(const struct lg_memo *m,
					      uint64_t seq,
					      struct lg_slice host,
					      struct lg_slice method,
					      struct lg_slice target)
{
	const struct lg_memo_route *r = &m->route;
	const char *p = r->text;

	if (r->seq != seq || !is_at(p, r->host_len, host) ||
	    !is_at(p + r->host_len, r->method_len, method) ||
	    !is_at(p + r->host_len + r->method_len, r->target_len, target))
		return NULL;
	return r;
}

struct lg_memo_route *lg_memo_route_put(struct lg_memo *m, uint64_t seq,
					struct lg_slice host,
					struct lg_slice method,
					struct lg_slice target)
{
	struct lg_memo_route *r = &m->route;
	const struct lg_slice parts[] = {host, method, target};
	size_t at = 0;

	r->seq = 0;
	for (unsigned i = 0; i < 3; i++) {
		if (parts[i].len > sizeof(r->text) - at)
			return NULL;
		if (parts[i].len)
			memcpy(r->text + at, parts[i].p, parts[i].len);
		at += parts[i].len;
	}
	r->host_len = host.len;
	r->method_len = method.len;
	r->target_len = target.len;
	r->seq = seq;
	return r;
}

void lg_memo_key(struct lg_memo *m, struct lg_slice key, char out[13])
{
	struct lg_hash128 of = lg_hash128(key.p, key.len, KEY_SEED);

	if (of.a != m->key_of.a || of.b != m->key_of.b) {
		lg_sha256_hex12(key.p, key.len, m->key);
		m->key_of = of;
	}
	memcpy(out, m->key, sizeof(m->key));
}
