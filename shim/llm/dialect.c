#include "llm/dialect.h"

#include "llm/adapter.h"

const struct lg_dialect *const lg_dialects[] = {
#define LG_DIALECT(name) &lg_##name,
#include "llm/dialects.def"
#undef LG_DIALECT
};

const unsigned lg_ndialects = LG_COUNT_OF(lg_dialects);

const struct lg_dialect *lg_dialect_by_name(struct lg_slice name)
{
	unsigned i;

	for (i = 0; i < lg_ndialects; i++)
		if (lg_slice_eq(lg_slice_str(lg_dialects[i]->name), name))
			return lg_dialects[i];
	return NULL;
}
