#include "guard/head.h"

#include <stddef.h>
#include <string.h>

#include "wire/http1.h"

static const struct {
	struct lg_slice name;
	size_t at;
} fields[] = {
#define FIELD(text, field)                                                     \
	{                                                                      \
		{text, sizeof(text) - 1}, offsetof(struct lg_head, field)      \
	}
	FIELD("host", host),
	FIELD("expect", expect),
	FIELD("content-type", type),
	FIELD("content-encoding", coding),
	FIELD("authorization", authorization),
	FIELD("x-api-key", x_api_key),
	FIELD("x-goog-api-key", x_goog_api_key),
	FIELD("api-key", api_key),
	FIELD("x-llmguard-project", project),
	FIELD("x-llmguard-user", user),
	FIELD("x-llmguard-tags", tags),
	FIELD("x-llmguard-conversation", conversation),
	FIELD("x-llmguard-phase", phase),
#undef FIELD
};

void lg_head_read(struct lg_slice head, struct lg_head *out)
{
	struct lg_slice name, value;
	size_t pos = 0;

	memset(out, 0, sizeof(*out));
	while (lg_http1_next_field(head, &pos, &name, &value)) {
		out->own |= lg_slice_istarts(name, LG_SLICE(LG_HEAD_OWN));
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]);
		     i++) {
			struct lg_slice *dst =
				(struct lg_slice *)(void *)((char *)out +
							    fields[i].at);

			if (name.len != fields[i].name.len || dst->len ||
			    !lg_slice_ieq(name, fields[i].name))
				continue;
			*dst = lg_slice_trim(value);
			break;
		}
	}
}
