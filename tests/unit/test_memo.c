#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guard/memo.h"

#define S(text) lg_slice_str(text)

static void a_route_is_for_its_request_alone(void **state)
{
	static struct lg_memo m;
	struct lg_memo_route *r;

	(void)state;
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("GET"), S("/p")));
	r = lg_memo_route_put(&m, 1, S("h"), S("GET"), S("/p"));
	assert_non_null(r);
	r->route.kind = LG_ROUTE_PAID;
	assert_ptr_equal(lg_memo_route_get(&m, 1, S("h"), S("GET"), S("/p")),
			 r);
	/* another world: `hosts:` may have changed */
	assert_null(lg_memo_route_get(&m, 2, S("h"), S("GET"), S("/p")));
	assert_null(lg_memo_route_get(&m, 0, S("h"), S("GET"), S("/p")));
	assert_null(lg_memo_route_get(&m, 1, S("H"), S("GET"), S("/p")));
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("PUT"), S("/p")));
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("GET"), S("/p?")));
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("GET"), S("/")));
	/* the same bytes, cut elsewhere */
	assert_null(lg_memo_route_get(&m, 1, S("hG"), S("ET"), S("/p")));
	assert_null(lg_memo_route_get(&m, 1, S(""), S("hGET"), S("/p")));
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("GET/"), S("p")));
}

static void a_long_request_is_not_kept(void **state)
{
	static struct lg_memo m;
	static char path[LG_MEMO_TEXT + 1];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	assert_non_null(lg_memo_route_put(&m, 1, S("h"), S("GET"), S("/p")));
	assert_null(lg_memo_route_put(&m, 1, S("h"), S("GET"), S(path)));
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("GET"), S(path)));
	assert_null(lg_memo_route_get(&m, 1, S("h"), S("GET"), S("/p")));
	/* to the last byte */
	path[LG_MEMO_TEXT - 4] = '\0';
	assert_non_null(lg_memo_route_put(&m, 1, S("h"), S("GET"), S(path)));
	assert_non_null(lg_memo_route_get(&m, 1, S("h"), S("GET"), S(path)));
	/* absent parts are parts like others */
	assert_non_null(lg_memo_route_put(&m, 1, (struct lg_slice){NULL, 0},
					  S("GET"), S("/")));
	assert_non_null(lg_memo_route_get(&m, 1, (struct lg_slice){NULL, 0},
					  S("GET"), S("/")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_is_for_its_request_alone),
		cmocka_unit_test(a_long_request_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
