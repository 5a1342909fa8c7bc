/* Every dialect's tables compile, and nothing of them is missing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "llm/adapter.h"
#include "wire/json.h"

static struct lg_json_paths paths;

static void compiles(const struct lg_dialect *d, const char *what,
		     const struct lg_field *f, unsigned n)
{
	int err = lg_json_paths_init(&paths, f, n);

	if (err)
		fail_msg("%s: %s fields: %d", d->name, what, err);
	if (n && !f)
		fail_msg("%s: %s fields missing", d->name, what);
}

static void test_tables(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < lg_ndialects; i++) {
		const struct lg_dialect *d = lg_dialects[i];

		compiles(d, "request", d->request_fields, d->nrequest_fields);
		compiles(d, "form", d->form_fields, d->nform_fields);
		compiles(d, "response", d->response_fields,
			 d->nresponse_fields);
		compiles(d, "event", d->event_fields, d->nevent_fields);
		if (!d->name || !d->family || !d->finish || !d->error_body ||
		    (d->nrequest_fields && !d->on_request) ||
		    (d->nresponse_fields && !d->on_response) ||
		    (d->nevent_fields && !d->on_event))
			fail_msg("%s: not whole", d->name);
	}
}

static void test_names(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < lg_ndialects; i++)
		if (lg_dialect_by_name(lg_slice_str(lg_dialects[i]->name)) !=
		    lg_dialects[i])
			fail_msg("%s twice", lg_dialects[i]->name);
	assert_null(lg_dialect_by_name(LG_SLICE("no-such")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
