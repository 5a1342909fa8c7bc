#include "llm/gateway.h"

static const struct {
	struct lg_slice name;
	struct lg_slice hit; /* how its value begins */
} fields[] = {
#define FIELD(name, hit)                                                       \
	{                                                                      \
		{name, sizeof(name) - 1},                                      \
		{                                                              \
			hit, sizeof(hit) - 1                                   \
		}                                                              \
	}
	FIELD("cf-aig-cache-status", "HIT"),
	FIELD("helicone-cache", "HIT"),
	FIELD("x-portkey-cache-status", "HIT"),
#undef FIELD
};

void lg_gateway_header(struct lg_answer *a, struct lg_slice name,
		       struct lg_slice value)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (name.len == fields[i].name.len &&
		    lg_slice_ieq(name, fields[i].name) &&
		    lg_slice_istarts(value, fields[i].hit))
			a->from_gateway_cache = true;
}
