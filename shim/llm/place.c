#include "llm/place.h"

#include "llm/adapter.h"

static bool all_of(struct lg_slice s, const char *allowed)
{
	struct lg_slice set = lg_slice_str(allowed);
	size_t i, k;

	for (i = 0; i < s.len; i++) {
		for (k = 0; k < set.len && set.p[k] != s.p[i]; k++)
			;
		if (k == set.len)
			return false;
	}
	return s.len > 0;
}

static bool has(struct lg_slice s, char c)
{
	struct lg_slice head;

	lg_slice_cut(s, c, &head);
	return head.len < s.len;
}

/* The second number of "172.20.0.3". */
static unsigned second_number(struct lg_slice host)
{
	struct lg_slice part;
	unsigned n = 0;
	size_t i;

	host = lg_slice_cut(host, '.', &part);
	lg_slice_cut(host, '.', &part);
	for (i = 0; i < part.len && i < 3; i++)
		n = n * 10 + (unsigned)(part.p[i] - '0');
	return n;
}

static bool is_local_v4(struct lg_slice host)
{
	unsigned n = second_number(host);

	if (lg_slice_starts(host, LG_SLICE("172.")))
		return n >= 16 && n <= 31;
	if (lg_slice_starts(host, LG_SLICE("100.")))
		return n >= 64 && n <= 127;
	return lg_slice_starts(host, LG_SLICE("127.")) ||
	       lg_slice_starts(host, LG_SLICE("10.")) ||
	       lg_slice_starts(host, LG_SLICE("192.168.")) ||
	       lg_slice_starts(host, LG_SLICE("169.254."));
}

static bool is_local_v6(struct lg_slice host)
{
	return lg_slice_eq(host, LG_SLICE("::1")) ||
	       (host.len > 4 && (lg_slice_istarts(host, LG_SLICE("fc")) ||
				 lg_slice_istarts(host, LG_SLICE("fd")) ||
				 lg_slice_istarts(host, LG_SLICE("fe8")) ||
				 lg_slice_istarts(host, LG_SLICE("fe9")) ||
				 lg_slice_istarts(host, LG_SLICE("fea")) ||
				 lg_slice_istarts(host, LG_SLICE("feb"))));
}

bool lg_place_is_local(struct lg_slice host)
{
	static const char *const ends[] = {
		".localhost", ".local", ".lan", ".internal", ".home.arpa",
	};
	unsigned i;

	if (!host.len)
		return false;
	if (has(host, ':'))
		return is_local_v6(host);
	if (all_of(host, "0123456789."))
		return is_local_v4(host);
	if (!has(host, '.'))
		return true;
	for (i = 0; i < LG_COUNT_OF(ends); i++)
		if (lg_slice_iends(host, lg_slice_str(ends[i])))
			return true;
	return false;
}

static struct lg_slice profile_of(struct lg_slice model)
{
	static const char *const places[] = {
		"us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "in",
		"kr", "me",	"af", "mx",   "il", "uk", "cn", "tw", "global",
	};
	struct lg_slice head, rest;
	unsigned i;

	while (has(model, '/'))
		model = lg_slice_cut(model, '/', &head);
	rest = lg_slice_cut(model, '.', &head);
	for (i = 0; rest.len && i < LG_COUNT_OF(places); i++)
		if (lg_slice_ieq(head, lg_slice_str(places[i])))
			return head;
	return (struct lg_slice){NULL, 0};
}

struct lg_slice lg_place_aws(struct lg_slice model, struct lg_slice host)
{
	struct lg_slice place = profile_of(model), label;

	if (place.len)
		return place;
	while (host.len) {
		host = lg_slice_cut(host, '.', &label);
		if (!lg_slice_istarts(label, LG_SLICE("bedrock-")))
			continue;
		lg_slice_cut(host, '.', &place);
		return place;
	}
	return (struct lg_slice){NULL, 0};
}

bool lg_place_is_cloud_model(struct lg_slice model)
{
	return lg_slice_iends(model, LG_SLICE("-cloud")) ||
	       lg_slice_iends(model, LG_SLICE(":cloud"));
}
